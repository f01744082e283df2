// Package cmd is the command line: it reads flags, refuses what contradicts
// itself, and turns outcomes into exit codes. Each command has a file; what a
// command does for longer than a moment is a room of its own (process serves,
// demo shows) and ends with the context, which SIGINT and SIGTERM end.
package cmd
