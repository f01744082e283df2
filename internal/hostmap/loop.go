package hostmap

import "strings"

// LoopField is the field by which a request tells through whom it has passed
// (RFC 8586). Each ingress421 adds itself, and nobody on the way may take that
// away.
const LoopField = "cdn-loop"

// LoopMark begins the name of every ingress421 in a LoopField.
const LoopMark = "ingress421-"

// Passes counts in one value of a LoopField how often it names one ingress421,
// and how often it names any. A value that is not well-formed is counted as far
// as it can be read: whoever forges one stops his own request at most.
func Passes(value, own string) (mine, all int) {
	for item := range strings.SplitSeq(value, ",") {
		name, _, _ := strings.Cut(item, ";")
		name = strings.Trim(name, " \t")
		if strings.HasPrefix(name, LoopMark) {
			all++
		}
		if name == own {
			mine++
		}
	}
	return mine, all
}
