// Package testkit is what tests need around the thing they test: a CA and
// certificates by it, a buffer that a running process may write to and whose
// log lines can be asked for, backends, handshakes, and the built binary as a
// process, with the memory it holds.
//
// What cannot be had ends the test with a message, so that nothing here but a
// handshake returns an error. Nothing that is shipped imports it.
package testkit
