// Package snippet reads pieces of nginx's configuration as data. Nothing of them
// is executed: a closed list of directives is understood, with the values that
// can be given exactly here, and whatever else stands in a snippet makes all of
// it not understood.
//
// The syntax is nginx's: directives that end with ';' or have a block, words in
// quotes or without, and comments (see tokens.go). Two levels are told apart, as
// nginx inherits by them: what stands in a server holds for a location unless
// that says its own.
package snippet
