// Package audit tells which hosts share certificates, and what becomes of the
// requests that clients send because of it.
//
// A client that holds an HTTP/2 connection made for one host may send requests
// for another over it, where the certificate it was served covers both and both
// names resolve to the same address (RFC 9113 section 9.1.1). That is a pair:
// the host that the connection was made for, and the host that the request is
// for. [Examine] asks [hostmap.Judge] about every pair of a host map, before any
// client does: served, refused with 421 and why, or served although only the
// rule "off" lets it pass.
//
// Pairs grow with the square of the hosts, and are not looked at one by one.
// For each certificate that connections are served, the hosts it covers fall
// into kinds that the rule cannot tell apart, and one pair of each two kinds is
// judged. A test with random maps holds all pairs of the answer to Judge.
//
// From the pairs, and from the hosts and certificates themselves, follow the
// findings: what is wrong, with which objects, and what to do about it. A
// report is a value; the renderings as table, JSON, HTML and SARIF stand beside
// it. The package reads no clock: the time is an argument.
package audit
