// Package field is the alphabet that all of the wire reads and writes HTTP by:
// what an octet may be part of, what is a token, a field name, a value, a
// length or a list, and what becomes of a field on its way through a proxy.
//
// There is one table of octets and one table of names. Where two parsers of one
// program disagree on either of them, a request has two meanings, and the space
// between the two is where requests are smuggled (RFC 9112 section 11.2). So
// the servers' engines, the clients to backends and the forwarder all ask here.
//
// Names are in lower case throughout, as HTTP/2 has them (RFC 9113 section
// 8.2.1); those of an HTTP/1.1 message are lowered where they are parsed.
// Everything is ASCII: nothing here folds or lowers other letters.
package field
