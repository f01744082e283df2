// Package require asks for what a test needs beside Go: a program such as
// curl or nginx, the right to make network namespaces, a built binary.
//
// A machine with Go, make and git must be able to run `make test`, so a test
// whose tool is missing is skipped there. A skip that nobody sees is a test
// that nobody runs, so each one names what was missing, `make test` ends with
// the list of them (they are gathered in the file that NOT_RUN_FILE names),
// and with REQUIRE_TOOLS=1, as in CI, a missing tool is a failure.
package require
