// Package object says what Services, EndpointSlices and Secrets hold: key pairs,
// CA bundles, users, and the endpoints of Service ports. Each object is read once in a
// run, whoever names it and however often, and what became of the octets of a
// Secret is remembered from run to run, failures too.
//
// [Secrets] and [Services] know who asks only as far as a problem names the
// object that does. What does the asking, and for which host, is no business of
// theirs.
package object
