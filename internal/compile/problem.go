package compile

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// subject names the object that a problem is about.
type subject struct {
	kind, namespace, name string
}

// maxAlike bounds the problems of one reason that an object may have: what one
// tenant writes must not fill logs and events.
const maxAlike = 20

// problems are those of one run.
type problems struct {
	list  []hostmap.Problem
	alike map[alikeKey]*alike
	seed  maphash.Seed // made with alike
}

type alikeKey struct {
	on     subject
	reason string
}

// alike are the problems of one reason that an object has.
type alike struct {
	said []string // the first messages, maxAlike at most
	// others are hashes of the other messages, so that each counts once.
	others map[uint64]struct{}
}

func (b *builder) problem(on subject, reason, format string, args ...any) {
	b.problems.add(on, reason, fmt.Sprintf(format, args...))
}

func (p *problems) add(on subject, reason, message string) {
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

// sorted returns all problems in order, with a count of those that were left
// out.
func (p *problems) sorted() []hostmap.Problem {
	for key, a := range p.alike {
		if n := len(a.others); n != 0 {
			p.list = append(p.list, key.problem("and "+thousands(n)+" more"))
		}
	}
	slices.SortFunc(p.list, hostmap.Problem.Compare)
	return p.list
}

func (k alikeKey) problem(message string) hostmap.Problem {
	return hostmap.Problem{
		Object: hostmap.Object{Kind: k.on.kind, Namespace: k.on.namespace, Name: k.on.name},
		Reason: k.reason, Message: message,
	}
}

// thousands writes a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// maxQuoted bounds what a problem repeats of a tenant's text, in octets: an
// annotation may have 256 KiB.
const maxQuoted = 100

// quote makes a tenant's text fit for messages and logs.
func quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%q...", s[:maxQuoted])
	}
	return fmt.Sprintf("%q", s)
}

// maxListed bounds the things that a message lists.
const maxListed = 10

// list joins words, a bounded number of them.
func list(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	if n := len(words) - maxListed; n > 0 {
		return strings.Join(words[:maxListed], ", ") + " and " + thousands(n) + " more"
	}
	return strings.Join(words, ", ")
}

// maxError bounds an error's text in a message, in octets: those of crypto/x509
// repeat names of certificates.
const maxError = 300

// errorText makes the text of an error fit for messages.
func errorText(err error) string {
	text := err.Error()
	if len(text) > maxError {
		text = text[:maxError] + "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
