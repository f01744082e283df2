package h2

// inflow is a window that the client sends into.
type inflow struct {
	avail int32 // what the client may still send
	owed  int32 // consumed here, not yet given back
	size  int32 // the whole window
}

func (f *inflow) init(n uint32) { *f = inflow{avail: int32(n), size: int32(n)} }

// widen makes the window larger by n octets, which are then owed.
func (f *inflow) widen(n int32) {
	f.size += n
	f.owed += n
}

// take accounts for n octets that came in and reports whether the client was
// allowed to send them.
func (f *inflow) take(n int) bool {
	if n > int(f.avail) {
		return false
	}
	f.avail -= int32(n)
	return true
}

// leastUpdate is the least that is given back of a window that is nearly used
// up. Less would answer every octet with a frame, which a client that reads
// nothing can have any number of.
const leastUpdate = 4 << 10

// giveBack accounts for n octets consumed and returns the increment to send,
// or 0 while it is not worth a frame. Of a window of which nothing is held half
// is open at any time.
func (f *inflow) giveBack(n int) uint32 {
	f.owed += int32(n)
	if f.owed < f.size/2 && (f.owed < f.avail || f.owed < leastUpdate) {
		return 0
	}
	inc := f.owed
	f.avail += inc
	f.owed = 0
	return uint32(inc)
}
