// Package frame is what the two ends of HTTP/2 have in common, as the engine that
// serves clients and the client that asks backends speak it: frames on their way
// out and in, header blocks, windows (RFC 9113 and 7541). It knows no requests.
//
// Everything that leaves a connection is appended to one buffer, an Out, under
// the connection's mutex. Whoever has appended and finds no write in progress
// becomes the flusher: it yields the processor once, so that others may append
// too, and writes until the buffer is empty. Writes batch by themselves, and no
// mutex is held over a system call. The buffer is bounded: DATA waits its turn, by
// urgency, for room and for windows in a Sender a stream, and the flusher moves
// its octets.
//
// What comes in is read into one buffer, a Reader, and parsed in place.
//
// Header blocks are written with HPACK's static table and literals that leave the
// dynamic one alone: no state that could differ from the peer's, no allocation.
package frame
