package problem

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// maxAlike bounds the problems of one reason that an object may have: what one
// tenant writes must not fill logs and events.
const maxAlike = 20

// List collects the problems of one run. The zero value has none.
type List struct {
	list  []hostmap.Problem
	alike map[alikeKey]*alike
	seed  maphash.Seed // made with alike
}

type alikeKey struct {
	on     hostmap.Object
	reason string
}

// alike are the problems of one reason that an object has.
type alike struct {
	said []string // the first messages, maxAlike at most
	// others are hashes of the other messages, so that each counts once.
	others map[uint64]struct{}
}

// Add notes what is wrong with an object: a reason of this package, and a
// sentence that names the field, says what is wrong and what to do. What is
// said twice counts once.
func (p *List) Add(on hostmap.Object, reason, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	key := alikeKey{on, reason}
	a := p.alike[key]
	if a == nil {
		if p.alike == nil {
			p.alike, p.seed = make(map[alikeKey]*alike), maphash.MakeSeed()
		}
		a = new(alike)
		p.alike[key] = a
	}
	switch {
	case slices.Contains(a.said, message):
	case len(a.said) < maxAlike:
		a.said = append(a.said, message)
		p.list = append(p.list, key.problem(message))
	default:
		if a.others == nil {
			a.others = make(map[uint64]struct{})
		}
		a.others[maphash.String(p.seed, message)] = struct{}{}
	}
}

// Sorted ends the collecting. It returns all problems in order, with a count of those that were left
// out.
func (p *List) Sorted() []hostmap.Problem {
	for key, a := range p.alike {
		if n := len(a.others); n != 0 {
			p.list = append(p.list, key.problem("and "+Thousands(n)+" more"))
		}
	}
	slices.SortFunc(p.list, hostmap.Problem.Compare)
	return p.list
}

func (k alikeKey) problem(message string) hostmap.Problem {
	return hostmap.Problem{
		Object: k.on,
		Reason: k.reason, Message: message,
	}
}
