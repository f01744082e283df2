// Package socket makes TCP connections read and write with cheaper system calls
// where the system allows it. What it returns behaves as connections of package
// net do, errors included.
package socket
