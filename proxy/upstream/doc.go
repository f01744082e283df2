// Package upstream is the client side of the data plane: it carries one
// request to one endpoint of a backend and brings the response back.
//
// A Client owns pools of connections. A Pool belongs to one Target: an
// endpoint's address, the protocol spoken there, and for TLS the server name
// and the CAs. Pools outlive host maps: whoever publishes a map resolves each
// endpoint to its Pool once, and Forget lets go of those that no map names any
// more. Requests never look anything up. A Pool has its connections from one
// dialer, and keeps those of HTTP/1.1 in an http1Idle, those of HTTP/2 in an h2set.
//
// An Exchange is one request and its response:
//
//	ex := pool.Start()
//	defer ex.Close()
//	stream.OnCancel(ex) // ex.Cancel may now be called from any goroutine
//	if err := ex.Do(&req); err != nil { ... } // always an *Error
//	if body, ok := ex.Whole(); ok { ... one write ... } else { ... ex.Read ... }
//
// There are two clients behind it, for HTTP/1.1 and for HTTP/2: an http1Exchange and
// an h2Exchange are both a carrier, and what both need to know is in a call. The
// Pool says which way a request goes; where ALPN then settles otherwise, the other
// client carries it.
//
// # HTTP/1.1
//
// Two thirds of a proxy's processor time
// are system calls, so it is arranged around them: the request head and a small
// body leave in one write, the response head and a small body come back in one
// read, both on the goroutine that calls Do. The head is checked and its names
// lower-cased where it lies in the read buffer, then copied to one string of
// which all names and values are substrings. Buffers come from a pool when a
// request needs them; an idle connection holds none. Deadlines are moved only
// when the one in force is off by more than a sixteenth (see http1Conn.armRead). A
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
// nobody asked for: those would be taken for the response (RFC 9112 section
// 9.2). What arrives between that look and the request cannot be told from it.
// From what it finds a Pool learns how long the backend keeps idle connections,
// and gives those that are near that no request that cannot be repeated.
//
// A request is repeated, on a fresh connection, only if there was no byte of a
// response and its body (if any) is still in memory, and moreover
//   - the kernel accepted no byte of it, or
//   - the connection had been used before, and the method is idempotent (RFC
//     9110 section 9.2.2), or
//   - the peer's kernel says that nobody can have read it: it closed the
//     connection, acknowledged nothing of the request, and answered with a reset
//     (Linux only; see http1Conn.delivered).
//
// Everything else is reported with Error.Sent, and is not repeated. A body is
// not read before there is a connection: without Error.Sent and Error.BodyRead
// the request is as it was, and another endpoint may be tried.
//
// # Who has logged in
//
// NTLM and Negotiate log a connection in (RFC 4559 section 6). One that they were
// spoken on is never given back to its Pool: Request.Login holds it, or it ends
// with its exchange.
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
// # HTTP/2
//
// H2C, GRPC and GRPCS speak HTTP/2, by this package's own client on the Framer
// and hpack of golang.org/x/net; HTTPS speaks what ALPN settles, on connections
// apart for each server name.
//
// An h2set is the few connections of a Pool, an h2conn one of them, an h2stream
// an exchange on it. One goroutine reads a connection. It never waits for a
// client, and wakes those for whom something has come all at once before its
// next read, when a small response is whole. Whoever has something to say appends
// frames to the connection's frame.Out, and whoever finds no flush in progress
// writes what all have appended, in one system call. Clocks are
// looked at by one timer a connection.
//
// A new connection carries one request until its SETTINGS have come; others wait
// for them as long as for a connection. Another connection is opened when all
// are full, up to 64. A backend that is silent with requests to answer for 15 s is
// sent a PING, and lost if it does not answer that in 15 s.
//
// A WebSocket goes as an extended CONNECT (RFC 8441) where the backend's SETTINGS
// offer that; to the caller it looks like an Upgrade. Behind HTTPS, what asks for an
// Upgrade goes in HTTP/1.1, and a WebSocket in HTTP/2 where the backend refuses that in
// its handshake.
//
// A response that nobody reads may send 16 KiB. The window of one that is read
// grows to 256 KiB as far as two budgets allow: 1 MiB for the client's connection
// (Request.Budget) and 64 MiB for all. The connection's own window is given back
// as octets arrive, so that one response does not stop the others.
//
// A backend can say that it has not processed a request, nor will (RFC 9113
// sections 6.8 and 8.7). Whatever its method, that is sent once more, on another
// connection, if there was no interim response and what was read of its body is
// still held: up to 64 KiB of a body that was whole, 8 KiB of one that is still
// coming. Then it is ReasonRefused, without Error.Sent. All of that is within one
// ReadTimeout.
package upstream
