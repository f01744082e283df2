// Package http1 is an HTTP/1.1 server engine: it reads the requests of one
// connection, one after the other, hands each to its owner, and writes what the
// owner answers. It knows messages (RFC 9112), not hosts and certificates.
//
// One goroutine serves a connection, and the owner answers on it. A head is
// parsed where it lies in the read buffer, without a map; a response head and a
// small body leave in one write. Bodies are streamed both ways, and an owner
// that does not read makes the client wait. Buffers are lent: a connection that
// waits for its next request for long holds none, and little of a stack.
//
// It is strict. Where RFC 9112 lets a recipient choose between mending a
// message and refusing it, it is refused, because the next program may mend it
// in another way, and what lies between two readings is a smuggled request
// (section 11.2): lines end with CRLF and nothing else, a body has one length
// told in one way, no space stands around a field name, and no line is folded.
// A refused message ends its connection, and so does one in
// chunks that another reader might end elsewhere.
//
// While an owner answers nobody reads, so that a client that goes away would not
// be noticed. A timer looks at a connection now and then while it is busy; one
// that it finds busy with the same request twice is read from by another
// goroutine until the answer is there.
package http1
