// Package browsers tests what a 421 is for: that clients which share
// connections between hosts mend a misdirected request by themselves.
//
// Chromium and Firefox, driven by puppeteer-core (drive.mjs), open a page on
// a.shop.test, whose certificate covers all other hosts too, and the page asks
// those for something: hosts with the same certificate, hosts with one of
// their own that insist on it (rule same-certificate), hosts that ask for
// client certificates. What happened is read from the access log, the log
// lines of the 421s and the metrics of the built binary, not from the browser.
//
// Other clients (curl, Go, Node, Java, grpc-go) ask the same hosts beside them. What
// was seen of each goes to docs/clients.md: a run checks that the page says
// what it sees, and with -update writes the page.
//
// The tests take minutes and need browsers, so only `make test-browsers` runs
// them. Everything stays on loopback, and each client gets a home folder of
// its own.
package browsers
