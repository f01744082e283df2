package hostmap

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unique"
)

// Answer is a response that is given in place of the backend's, on a condition.
type Answer struct {
	When Condition
	// Status is from 200 to 599.
	Status int
	// Text is the value of Location where the status is a redirect's, else the
	// content; it may be a template (see [Expand]). "" is no content of its own.
	Text string
	// Type is the media type of the content, "" for text/plain.
	Type string
	// Fields are what is done to the response beside what the terms have, as if
	// they were those of a route within the answer's.
	Fields FieldEdits
}

// Redirects tells whether the answer sends the client elsewhere.
func (a *Answer) Redirects() bool {
	switch a.Status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// Condition is something that holds of a request or does not. The zero value
// always holds.
type Condition struct {
	// Of is the variable that is looked at. "" is none.
	Of string
	// Texts are what it is compared with, one a line: one is enough.
	Texts string
	// Start and End ask that the value begins, and ends, with the text.
	Start, End bool
	// Fold makes A and a the same.
	Fold bool
	// Not asks for the opposite.
	Not bool
	// Location, of "uri", is that of nginx's word: it does not hold where the
	// route's own path is longer than the text.
	Location bool
}

// holds tells whether a condition holds of a request, whose route has a path of a
// length.
func (c *Condition) holds(v Variables, path string, longest int) bool {
	switch c.Of {
	case "":
		return true
	case "uri":
		// A backend may read a path in more ways than one: what keeps people
		// out of a path keeps them out of all that can be read as it, and what
		// lets them into one place alone lets them into nothing that only
		// begins there.
		plain := plainPath(path)
		if c.Not {
			return !c.compares(plain, longest)
		}
		return c.compares(path, longest) || plain != path && c.compares(plain, longest)
	}
	return c.compares(valueOf(c.Of, v), longest) != c.Not
}

func (c *Condition) compares(value string, longest int) bool {
	if c.Fold {
		value = strings.ToLower(value)
	}
	for text := range strings.SplitSeq(c.Texts, "\n") {
		if c.Location && longest > len(text) {
			continue
		}
		held := false
		switch {
		case c.Start && c.End:
			held = value == text
		case c.Start:
			held = strings.HasPrefix(value, text)
		case c.End:
			held = strings.HasSuffix(value, text)
		default:
			held = strings.Contains(value, text)
		}
		if held {
			return true
		}
	}
	return false
}

// plainPath is a canonical path with nothing encoded, no empty segment and no dot
// segment, as backends may read it.
func plainPath(path string) string {
	if !strings.Contains(path, "%") && !strings.Contains(path, "//") {
		return path
	}
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			c = octetOf(path[i+1], path[i+2])
			i += 2
		}
		if c != '/' || len(out) == 0 || out[len(out)-1] != '/' {
			out = append(out, c)
		}
	}
	return resolveDots(string(out))
}

// String is the condition for people.
func (c Condition) String() string {
	if c.Of == "" {
		return "always"
	}
	op := "contains"
	switch {
	case c.Start && c.End:
		op = "is"
	case c.Start:
		op = "begins with"
	case c.End:
		op = "ends with"
	}
	if c.Not {
		op = "not " + op
	}
	if c.Fold {
		op += " (any case)"
	}
	return fmt.Sprintf("%s %s %q", c.Of, op, strings.Split(c.Texts, "\n"))
}

// Answers are tried one after the other. The zero value has none, and two that
// are alike are ==.
type Answers struct{ h unique.Handle[answers] }

// answers is a list as it can be compared: the first, and those that follow.
type answers struct {
	first Answer
	rest  Answers
}

// NewAnswers makes a list.
func NewAnswers(all ...Answer) Answers {
	var out Answers
	for _, a := range slices.Backward(all) {
		out = Answers{unique.Make(answers{a, out})}
	}
	return out
}

// First is the first of them; nil where there is none.
func (a Answers) First() *Answer {
	if a == (Answers{}) {
		return nil
	}
	first := a.h.Value().first
	return &first
}

// All yields them in order.
func (a Answers) All() iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		for a != (Answers{}) {
			node := a.h.Value()
			if !yield(node.first) {
				return
			}
			a = node.rest
		}
	}
}

// find returns those from the first on whose condition holds.
func (a Answers) find(v Variables, path string, longest int) Answers {
	for a != (Answers{}) {
		node := a.h.Value()
		if node.first.When.holds(v, path, longest) {
			return a
		}
		a = node.rest
	}
	return a
}

func (a Answers) String() string {
	var parts []string
	for x := range a.All() {
		text := fmt.Sprintf("%d", x.Status)
		if x.Text != "" {
			text += fmt.Sprintf(" %q", x.Text)
		}
		if x.Type != "" {
			text += " " + x.Type
		}
		if x.When != (Condition{}) {
			text += " where " + x.When.String()
		}
		if x.Fields != (FieldEdits{}) {
			text += " fields=" + x.Fields.String()
		}
		parts = append(parts, text)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
