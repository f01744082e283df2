// Package upstream is the client side of the data plane: it carries one
// request to one endpoint of a backend and brings the response back.
//
// A Client owns pools of connections. A Pool belongs to one Target: an
// endpoint's address, the protocol spoken there, and for TLS the server name
// and the CAs. Pools outlive host maps: whoever publishes a map resolves each
// endpoint to its Pool once, and Retain lets go of those that no map names any
// more. Requests never look anything up.
//
// An Exchange is one request and its response:
//
//	ex := pool.Start()
//	defer ex.Close()
//	stream.OnCancel(ex) // ex.Cancel may now be called from any goroutine
//	if err := ex.Do(&req); err != nil { ... } // always an *Error
//	if body, ok := ex.Whole(); ok { ... one write ... } else { ... ex.Read ... }
//
// HTTP/1.1 is this package's own client. Two thirds of a proxy's processor time
// are system calls, so it is arranged around them: the request head and a small
// body leave in one write, the response head and a small body come back in one
// read, both on the goroutine that calls Do. The head is checked and its names
// lower-cased where it lies in the read buffer, then copied to one string of
// which all names and values are substrings. Buffers come from a pool when a
// request needs them; an idle connection holds none. Deadlines are moved only
// when the one in force is off by more than a sixteenth (see conn.armRead). A
// connection goes back to its pool when the last byte of the response has been
// read into memory, not when the client has got it.
//
// A body that is not yet whole is sent by a second goroutine, so that a backend
// may answer before it has read everything; such a connection is not used again
// unless the body was sent to its end.
//
// # What may be sent twice
//
// A backend may close a kept-alive connection at any time. Before one is used
// again it is asked, without blocking, whether it was closed or has bytes that
// nobody asked for: always if the request cannot be repeated, otherwise if it
// was idle for some milliseconds. From what it finds a Pool learns how long the
// backend keeps idle connections, and gives those that are near that no request
// that cannot be repeated.
//
// A request is repeated, on a fresh connection, only if there was no byte of a
// response and its body (if any) is still in memory, and moreover
//   - the kernel accepted no byte of it, or
//   - the connection had been used before, and the method is idempotent (RFC
//     9110 section 9.2.2), or
//   - the peer's kernel says that nobody can have read it: it closed the
//     connection, acknowledged nothing of the request, and answered with a reset
//     (Linux only; see conn.delivered).
//
// Everything else is reported with Error.Sent, and is not repeated. A body is
// not read before there is a connection: without Error.Sent and Error.BodyRead
// the request is as it was, and another endpoint may be tried.
//
// # What is refused
//
// Requests: any method, field name, value, path or host that could change the
// framing. Responses: a bad status line, a field name that is no token, control
// characters in values, obsolete line folding, more than one Content-Length,
// Content-Length beside Transfer-Encoding, a transfer coding other than
// chunked, chunk sizes that overflow, heads over 64 KiB. The connection is
// closed then, and never used again.
//
// # Other protocols
//
// H2C, HTTPS, GRPC and GRPCS go through net/http's Transport, one for each
// Pool, behind the same Exchange. Its read loops serve many requests, so nothing
// that waits for a client runs on them: interim responses are handed over by a
// goroutine of the exchange.
//
// On HTTP/2 a backend can say that it has not processed a request, nor will (RFC
// 9113 sections 6.8 and 8.7). Whatever its method, that is sent once more, on a
// connection of its own, if its body was not begun, or is at its end and still
// held: up to 64 KiB of a body that was whole, 8 KiB of another. Then it is
// ReasonRefused, without Error.Sent. All of that is within one ReadTimeout.
package upstream
