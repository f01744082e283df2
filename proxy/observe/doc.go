// Package observe tells of what the wire does: metrics, a line for each
// misdirected request, the access log, and sparing lines about backends that
// fail and clients that are refused.
//
// The rooms above report plain values to an [Observer]: an [Exchange] that is
// over, a connection that was turned away. Nothing here knows how a request is
// read, judged or forwarded, and nothing reads what a room has not reported.
//
// A request pays for adding numbers up, and for appending its lines to a buffer
// that one goroutine writes out. Floods cost few lines: those of a kind beyond
// a bound are counted, and the next line of that kind tells how many.
package observe
