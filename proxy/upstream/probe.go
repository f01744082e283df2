package upstream

// state is what an idle connection is found in.
type state uint8

const (
	quiet    state = iota // open, and nothing to read
	speaking              // there are octets that nobody asked for
	ended                 // the peer has closed it, or it was lost
)
