package snippet

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Level is where a snippet stands.
type Level uint8

const (
	// OfLocation is that of one path.
	OfLocation Level = iota
	// OfServer is that of a host.
	OfServer
)

// Snippet is one that was understood.
type Snippet struct {
	// Terms are the answers, edits of fields and source ranges that it asks for,
	// and of a [OfLocation] the size and the times.
	Terms hostmap.Terms
	// Unbounded tells that bodies may have any size.
	Unbounded bool
}

var errUnknown = errors.New("the directive is none that is read here")

// Read reads a snippet. known are the values of variables that are known
// beforehand. The error says what is not understood.
func Read(text string, level Level, known map[string]string) (Snippet, error) {
	all, err := parse(text)
	if err != nil {
		return Snippet{}, err
	}
	r := reader{level: level, known: known}
	if err := r.readAll(all); err != nil {
		return Snippet{}, err
	}
	return r.finish()
}

// reader is what was read of one level.
type reader struct {
	level Level
	known map[string]string
	// inner is the block within the level that is read, "" for none.
	inner     block
	out       Snippet
	fields    responseFields
	request   []hostmap.FieldEdit
	answers   []hostmap.Answer
	places    []place
	access    []access
	mediaType string
	// denied tells that a block lets nobody in.
	denied bool
}

// block is the kind of a block.
type block string

const (
	blockIf       block = "if"
	blockLocation block = "location"
)

// place is an answer for the paths of a location, and the rank in which nginx
// tries it.
type place struct {
	answer hostmap.Answer
	rank   int
}

// Ranks of locations: those of one rank are tried the longest first, but for
// regular expressions.
const (
	rankExact = iota
	rankFirst // before regular expressions
	rankRegex
	rankPrefix
)

// responseFields are edits by who does them in nginx, which is their order.
type responseFields struct {
	hidden, set, added []hostmap.FieldEdit
}

func (f *responseFields) edits() hostmap.FieldEdits {
	return hostmap.NewFieldEdits(slices.Concat(f.hidden, f.set, f.added)...)
}

// access is a line of allow or deny.
type access struct {
	allow, all bool
	network    netip.Prefix
}

// readAll reads the directives of a level, or of a block.
func (r *reader) readAll(all []directive) error {
	for i := range all {
		d := &all[i]
		if err := r.read(d); err != nil {
			return fmt.Errorf("line %d, %.40q: %w", d.line, d.name, err)
		}
	}
	return nil
}

func (r *reader) read(d *directive) error {
	if d.blocked {
		if r.inner != "" {
			return errUnknown
		}
		switch block(d.name) {
		case blockIf:
			return r.readIf(d)
		case blockLocation:
			return r.readLocation(d)
		}
		return errUnknown
	}
	if unneeded(d) {
		return nil
	}
	read := directives(d.name)
	if read == nil {
		return errUnknown
	}
	return read(r, d.args)
}

// finish puts together what was read of a level.
func (r *reader) finish() (Snippet, error) {
	if err := r.settleAccess(); err != nil {
		return Snippet{}, err
	}
	if err := r.sortPlaces(); err != nil {
		return Snippet{}, err
	}
	answers := r.answers
	for _, p := range r.places {
		answers = append(answers, p.answer)
	}
	for i := range answers {
		if a := &answers[i]; a.Text != "" && !a.Redirects() {
			a.Type = cmp.Or(a.Type, r.mediaType, defaultType)
		}
	}
	r.out.Terms.Answers = hostmap.NewAnswers(answers...)
	r.out.Terms.ResponseFields = r.fields.edits()
	if r.level == OfLocation {
		r.out.Terms.RequestFields = hostmap.NewFieldEdits(r.request...)
	}
	return r.out, nil
}

// sortPlaces puts places into the order in which nginx tries them.
func (r *reader) sortPlaces() error {
	for _, first := range r.places {
		for _, p := range r.places {
			if first.rank == rankFirst && p.rank == rankPrefix && strings.HasPrefix(p.answer.When.Texts, first.answer.When.Texts) {
				// The longer one has its requests, behind regular expressions.
				return errors.New("a location without ^~ lies within one that has it")
			}
		}
	}
	slices.SortStableFunc(r.places, func(a, b place) int {
		if a.rank != b.rank || a.rank == rankRegex {
			return a.rank - b.rank
		}
		return len(b.answer.When.Texts) - len(a.answer.When.Texts)
	})
	return nil
}

// defaultType is ingress-nginx's.
const defaultType = "text/html"

// settleAccess turns lines of allow and deny, of which the first that fits
// counts, into ranges, of which denied ones do.
func (r *reader) settleAccess() error {
	var allow, deny []netip.Prefix
	for i, a := range r.access {
		switch {
		case a.all:
			if i != len(r.access)-1 {
				return errors.New("nothing behind allow or deny of all counts")
			}
			if a.allow {
				allow = nil
			} else if len(allow) == 0 {
				deny = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
			}
		case a.allow:
			allow = append(allow, a.network)
		case len(allow) != 0:
			return errors.New("write what is denied before what is allowed")
		default:
			deny = append(deny, a.network)
		}
	}
	if n := len(r.access); n == 0 || !r.access[n-1].all {
		allow = nil // Who is not named comes in.
	}
	if len(allow) != 0 {
		r.out.Terms.Allow = hostmap.NewRanges(allow...)
	}
	if len(deny) != 0 {
		r.out.Terms.Deny = hostmap.NewRanges(deny...)
	}
	return nil
}
