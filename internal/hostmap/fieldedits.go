package hostmap

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unique"
)

// FieldOp is what a [FieldEdit] does.
type FieldOp uint8

const (
	// SetField puts a field in the place of all of its name.
	SetField FieldOp = iota
	// AddField adds one beside them.
	AddField
	// RemoveField takes all of its name away.
	RemoveField
)

var fieldOpNames = [...]string{"set", "add", "remove"}

func (o FieldOp) String() string { return fieldOpNames[o] }

// FieldEdit is one thing that is done to the header of a request or a response.
type FieldEdit struct {
	Op FieldOp
	// Name is in lower case. It is none of those by which messages are framed
	// or connections kept.
	Name string
	// Value may be a template (see [Expand]). "" sets nothing: it removes.
	Value string
	// Unsuccessful, of an AddField of a response, adds it whatever the status;
	// else it is for those of [AddsFields].
	Unsuccessful bool
}

// AddsFields tells whether a status is one of those that fields are added to
// which are not for all: 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308.
func AddsFields(status int) bool {
	switch status {
	case 200, 201, 204, 206, 301, 302, 303, 304, 307, 308:
		return true
	}
	return false
}

// FieldEdits are done one after the other. The zero value does nothing, and two
// that do the same are ==.
type FieldEdits struct{ h unique.Handle[fieldEdits] }

// fieldEdits is a list as it can be compared: the first, and those that follow.
type fieldEdits struct {
	first FieldEdit
	rest  FieldEdits
}

// NewFieldEdits makes a list.
func NewFieldEdits(edits ...FieldEdit) FieldEdits {
	var out FieldEdits
	for _, e := range slices.Backward(edits) {
		out = FieldEdits{unique.Make(fieldEdits{e, out})}
	}
	return out
}

// All yields them in order.
func (e FieldEdits) All() iter.Seq[FieldEdit] {
	return func(yield func(FieldEdit) bool) {
		for e != (FieldEdits{}) {
			node := e.h.Value()
			if !yield(node.first) {
				return
			}
			e = node.rest
		}
	}
}

// Adds tells whether something is added.
func (e FieldEdits) Adds() bool {
	for x := range e.All() {
		if x.Op == AddField {
			return true
		}
	}
	return false
}

// Then are these edits and then others.
func (e FieldEdits) Then(others FieldEdits) FieldEdits {
	switch (FieldEdits{}) {
	case e:
		return others
	case others:
		return e
	}
	return NewFieldEdits(slices.AppendSeq(slices.Collect(e.All()), others.All())...)
}

func (e FieldEdits) String() string {
	var parts []string
	for x := range e.All() {
		text := x.Op.String() + " " + x.Name
		if x.Op != RemoveField {
			text += fmt.Sprintf(": %q", x.Value)
		}
		if x.Unsuccessful {
			text += " always"
		}
		parts = append(parts, text)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
