package demo

import "time"

// answer is a response. Its body has been read to its end.
type answer struct {
	status int
	// fields are the header fields by their names in lower case; of several
	// lines the last.
	fields map[string]string
}

// timeout bounds a handshake and each request.
const timeout = 5 * time.Second
