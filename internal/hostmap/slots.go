package hostmap

// slots deals out slots. It is immutable.
type slots struct {
	free *freeSlot
	// next was never dealt out, nor was what follows. 0 is 1.
	next Slot
}

// freeSlot is a slot that was given back, and those that were before it.
type freeSlot struct {
	slot Slot
	rest *freeSlot
}

func (s *slots) take() Slot {
	if f := s.free; f != nil {
		s.free = f.rest
		return f.slot
	}
	s.next = max(s.next, 1)
	s.next++
	return s.next - 1
}

func (s *slots) give(slot Slot) { s.free = &freeSlot{slot, s.free} }

// Slots is more than any slot of the map.
func (m *Map) Slots() int { return int(max(m.slots.next, 1)) }
