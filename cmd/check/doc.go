// Package check says of each object and annotation what became of it: honoured,
// not needed, lost or dangerous, and what to do. It asks nothing that compiling
// has not found out, and sorts it by object, so that somebody who has written
// the objects, in files or in a cluster, can go through it from top to bottom.
package check
