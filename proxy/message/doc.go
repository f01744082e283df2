// Package message is one request and its response, whichever protocol carries
// them: HTTP/2 (package h2) or HTTP/1.1 (package http1). What follows from the
// protocol alone is settled here: how the two engines name the parts of a head,
// what stands for an Upgrade, how a body's slowness is told, which way of giving
// a request up the client understands. The rooms above know a [Request], and ask
// it what they need.
//
// # Who answers
//
// A [Handler] gives both engines what they call, and calls its owner for each
// request: Open lends a Request, Admit judges it where heads are read, Forward
// serves one that was admitted, Close takes it back. A Request is used again, so
// that a flood of requests makes no garbage; nothing may keep it.
//
// # Answers of our own
//
// Whatever room answers by itself does so by [Request.AnswerError], or puts the
// fields together and ends by [Request.Finish]: each answer has a Date and says
// who made it.
package message
