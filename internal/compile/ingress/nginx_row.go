package ingress

import (
	"slices"
	"strings"
)

// nginxPrefix is the prefix of ingress-nginx's annotations, unless a flag of its
// own says otherwise.
const nginxPrefix = "nginx.ingress.kubernetes.io/"

// nginxAnnotation is a row of the table of ingress-nginx's names.
type nginxAnnotation struct {
	name string // without the prefix
	fate fate
	// as is our own annotation that it is read as, value turns its value into
	// that one's spelling; nil: they are spelled alike.
	as    string
	value func(value string) (string, error)
	// note keeps what is read when all annotations are known, where there is no
	// such annotation of ours.
	note func(n *notes, value string) error
	// protects tells that others come in where it is not honoured.
	protects bool
	// idle are values by which it asks for nothing.
	idle []string
	// remark says how what we do differs, or why we do nothing.
	remark string
}

// fate is what we make of a name of ingress-nginx's.
type fate uint8

const (
	// same: it works as it does there.
	same fate = iota
	// near: it works, with a difference.
	near
	// unneeded: what it sets has no counterpart here, and nothing is lost.
	unneeded
	// refused: it has no effect.
	refused
)

// asks tells whether a value asks for anything.
func (row *nginxAnnotation) asks(value string) bool {
	return !slices.Contains(row.idle, strings.ReplaceAll(value, " ", ""))
}
