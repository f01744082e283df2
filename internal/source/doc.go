// Package source turns objects into the host map that is live: list, compile,
// publish, report, and sleep until something changes. A cluster (package
// controllers) and a folder (package manifests) differ in how they list and in
// what wakes them. Everything else is here, once: how often a map may be made,
// when one is due although nothing changed, and what becomes of a list that
// cannot be had.
//
// A [Loop] has one goroutine, which alone knows the map that is live, so that
// each is built upon the one before it. [Load] is one turn of it for commands
// that only ask.
package source
