// Package gate lets requests in. It settles what a request is for, has the rule
// and the terms judge it ([hostmap.Judge], [hostmap.Apply]), and answers what is
// not to be forwarded: 421 with the reason, redirects, errors.
//
// Nothing here blocks but [Gate.Authenticate], which is asked where requests are
// forwarded: HTTP/2 admits them where heads are read, so that a flood of
// misdirected ones costs no goroutine, and next to no memory.
package gate
