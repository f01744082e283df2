// Package h2 serves HTTP/2 connections (RFC 9113, with RFC 7541, 8336, 8441
// and 9218) to an owner that answers requests itself.
//
// It exists because a gateway that judges every request needs three things
// the standard library's server does not give: a low price per request,
// bounds on rates and not only on concurrency, and a say in what the
// connection tells its client (ORIGIN, two GOAWAY frames).
//
// One goroutine per connection, the read loop, reads frames through
// http2.Framer and decodes header blocks in place with hpack. A request whose
// head is whole is shown to Engine.Admit on that goroutine; what Admit does not
// answer is given to Engine.Handle on a goroutine from a free list that grows
// and shrinks with the load. There is never a fixed number of them: one slow
// backend must not starve the others.
//
// What leaves a connection does so as package frame says: in one buffer, under the
// connection's mutex, which whoever has appended to it flushes.
//
// Request bodies are held only up to the windows of their streams, which are
// given back when the owner has read the bytes: a slow backend slows the client
// and fills no memory. A window is small at first and grows as its body is read.
// The connection's window bounds what is on its way and nothing else, so that
// bodies which nobody reads stop no other.
//
// A client that reads nothing is not read either: what it is told is bounded by
// the write buffer. One that lets bodies trickle loses them (Pace).
//
// Header fields of responses are encoded with the static table alone, but for
// those of a Block. Such an encoder has next to no state that could differ from
// the client's and is the cheaper one; the price is some octets per response.
//
// Damage has two scopes, and so two error types: a connError ends the
// connection with GOAWAY, a streamError resets one stream. Why a connection
// ended is told to the owner as one word out of a bounded set (Closed...).
package h2
