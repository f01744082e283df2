package hostmap

import "fmt"

// PEMCertificates reads the certificates of a text as chains and bundles are
// read, without parsing them.
func PEMCertificates(text []byte) (out [][]byte, err error) {
	blocks, err := pemBlocks(text)
	if err != nil {
		return nil, err
	}
	for i := range blocks {
		if blocks[i].label != labelOfOne {
			continue
		}
		der, err := blocks[i].bytes()
		if err != nil {
			return nil, err
		}
		out = append(out, der)
	}
	return out, nil
}

// Grounds are all grounds.
func Grounds() func(yield func(Ground) bool) {
	return func(yield func(Ground) bool) {
		for g := range groundCount {
			if g != firstFailure && !yield(g) {
				return
			}
		}
	}
}

// Strict are the hosts that the ORIGIN frame is asked about, with their kinds.
func (m *Map) Strict() (out []string) {
	for s := range m.strict.sites.all() {
		out = append(out, s.parent+" "+s.kind+" "+s.site.Host)
	}
	return append(out, fmt.Sprint(m.strict.literal(m.rest), m.strict.lowest()))
}
