// Package cli is the command line: it parses flags, wires a source of host
// maps to the data plane and to the admin listeners, and turns outcomes into
// exit codes. Everything it does for longer than a moment ends with its
// context, which SIGINT and SIGTERM end.
package cli
