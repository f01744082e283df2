package audit

import (
	"fmt"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// enumerate names some of a list: "a, b and c", or "a, b, c and 7 more".
func enumerate(l List[string]) string { return enumerateSome(l, 3) }

// brief names one of a list, for a cell of a table.
func brief(l List[string]) string { return enumerateSome(l, 1) }

func enumerateSome(l List[string], n int) string {
	some := l.First[:min(len(l.First), n)]
	more := l.Total - len(some)
	switch {
	case len(some) == 0:
		return "none"
	case more > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(some, ", "), more)
	case len(some) == 1:
		return some[0]
	}
	return strings.Join(some[:len(some)-1], ", ") + " and " + some[len(some)-1]
}

// hosts names some hosts with their number where it is more than can be seen.
func hosts(l List[string]) string {
	if l.Total == 0 {
		return "no host of its own"
	}
	return enumerate(l)
}

// are begins a sentence about hosts: "a.test is", "a.test and b.test are".
func are(l List[string]) string {
	if l.Total == 1 {
		return enumerate(l) + " is"
	}
	return enumerate(l) + " are"
}

func it(l List[string]) string {
	if l.Total == 1 {
		return "it"
	}
	return "them"
}

// names are those of a leaf.
func names(leaf *hostmap.Certificate) string {
	var l List[string]
	for _, name := range leaf.Names {
		l.add(name)
	}
	return enumerate(l)
}

// answer is what the client gets.
func answer(v *hostmap.Verdict) string {
	if v.Misdirected() {
		return "421 " + string(v.Reason)
	}
	return "their answer"
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
