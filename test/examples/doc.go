// Package examples runs what examples/README.md tells its reader to run.
package examples
