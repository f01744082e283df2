package snippet

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// inside reads a block, and returns what it answers: nothing else is understood
// of one.
func (r *reader) inside(d *directive, kind block) (hostmap.Answer, error) {
	in := reader{level: r.level, known: r.known, inner: kind}
	if err := in.readAll(d.block); err != nil {
		return hostmap.Answer{}, err
	}
	switch {
	case len(in.answers) == 1 && in.answers[0].When == (hostmap.Condition{}):
	case len(in.answers) == 0 && in.denied:
		in.answers = []hostmap.Answer{{Status: 403}}
	default:
		return hostmap.Answer{}, errUnknown
	}
	a := in.answers[0]
	a.Fields, a.Type = in.fields.edits(), in.mediaType
	return a, nil
}

func (r *reader) readIf(d *directive) error {
	when, err := condition(d.args)
	if err != nil {
		return err
	}
	a, err := r.inside(d, blockIf)
	a.When = when
	r.answers = append(r.answers, a)
	return err
}

// condition reads that of an if: a variable, or one compared with a text or a
// regular expression.
func condition(args []string) (c hostmap.Condition, err error) {
	args = append([]string(nil), args...)
	n := len(args)
	if n == 0 || !strings.HasPrefix(args[0], "(") || !strings.HasSuffix(args[n-1], ")") {
		return c, errValue
	}
	args[0] = args[0][1:]
	args[n-1] = strings.TrimSuffix(args[n-1], ")")
	if args[0] == "" && n > 1 {
		args = args[1:]
	}
	if n = len(args); args[n-1] == "" && n != 3 {
		args = args[:n-1]
	}
	if n = len(args); n == 0 {
		return c, errValue
	}
	name, ok := strings.CutPrefix(args[0], "$")
	if c.Of = canonicalName(name); !ok || !hostmap.KnownVariable(c.Of) {
		return c, errValue
	}
	switch len(args) {
	case 1:
		// It holds unless it is empty or 0.
		c.Start, c.End, c.Not, c.Texts = true, true, true, "\n0"
		return c, nil
	case 3:
	default:
		return c, errValue
	}
	op, text := args[1], args[2]
	switch op {
	case "=", "!=":
		if strings.ContainsAny(text, "$\n") {
			return c, errValue
		}
		c.Start, c.End, c.Texts = true, true, text
	case "~", "~*", "!~", "!~*":
		c.Fold = strings.HasSuffix(op, "*")
		if !compare(&c, text) {
			return c, errValue
		}
	default:
		return c, errValue
	}
	c.Not = op[0] == '!'
	return c, nil
}

// readLocation reads one that answers by itself.
func (r *reader) readLocation(d *directive) error {
	if r.level != OfServer {
		return errUnknown
	}
	c := hostmap.Condition{Of: "uri", Start: true, Location: true}
	rank, path := rankPrefix, ""
	switch len(d.args) {
	case 1:
		path = d.args[0]
	case 2:
		path = d.args[1]
		switch d.args[0] {
		case "=":
			rank, c.End = rankExact, true
		case "^~":
			rank = rankFirst
		case "~", "~*":
			rank, c = rankRegex, hostmap.Condition{Of: "uri", Fold: d.args[0] == "~*"}
			if !compare(&c, path) {
				return errValue
			}
			path = ""
		default:
			return errValue
		}
	default:
		return errValue
	}
	if rank != rankRegex {
		canonical, err := hostmap.Path(path)
		if err != nil || canonical != path || strings.ContainsAny(path, "%\n$") {
			return errValue
		}
		c.Texts = path
	}
	a, err := r.inside(d, blockLocation)
	if err != nil {
		return err
	}
	a.When = c
	r.places = append(r.places, place{a, rank})
	return nil
}

// wholes are the expressions that take every path, with the text by which a
// target names all of it.
var wholes = map[string]string{"^": "", ".*": "", "^.*": "", "^.*$": "", "^(.*)$": "$1", "^(.*)": "$1", "(.*)": "$1", "^/(.*)$": "/$1", "^/(.*)": "/$1"}

// rewrite reads one that is a redirect.
func (r *reader) rewrite(args []string) error {
	if len(args) != 3 || r.inner == blockLocation {
		return errValue
	}
	a := hostmap.Answer{Status: 302}
	switch args[2] {
	case "permanent":
		a.Status = 301
	case "redirect":
	default:
		return errValue
	}
	target := args[1]
	// The query is added, unless the target ends with "?".
	target, bare := strings.CutSuffix(target, "?")
	if !bare && strings.Contains(target, "?") || !bare && strings.Contains(target, "$request_uri") {
		return errValue
	}
	if all, ok := wholes[args[0]]; ok {
		if all != "" {
			target = strings.Replace(target, all, "${uri}", 1)
		}
	} else {
		var err error
		if target, err = r.rewriteOne(&a, args[0], target); err != nil {
			return err
		}
	}
	if strings.Contains(target, "$1") {
		return errValue
	}
	if !bare {
		target += "${is_args}${args}"
	}
	var err error
	if a.Text, err = location(target, r.known); err != nil {
		return err
	}
	r.answers = append(r.answers, a)
	return nil
}

// rewriteOne reads a redirect of one path, all of whose groups are known.
func (r *reader) rewriteOne(a *hostmap.Answer, expression, target string) (string, error) {
	a.When.Of = "uri"
	if r.inner != "" || !compare(&a.When, expression) || !a.When.Start || !a.When.End || strings.Contains(a.When.Texts, "\n") {
		return "", errValue
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil || parsed.MaxCap() > 9 {
		return "", errValue
	}
	groups := regexp.MustCompile(expression).FindStringSubmatch(a.When.Texts)
	for i := len(groups) - 1; i > 0; i-- {
		target = strings.ReplaceAll(target, "$"+string(rune('0'+i)), groups[i])
	}
	return target, nil
}
