package object

// read is what was read in this run, each thing once.
type read[K comparable, V any] map[K]*V

// get reads what was not read before.
func (r read[K, V]) get(key K, first func(K) *V) *V {
	v := r[key]
	if v == nil {
		v = first(key)
		r[key] = v
	}
	return v
}
