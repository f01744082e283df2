package snippet

import (
	"regexp/syntax"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// maxTexts bounds the texts that an expression may stand for.
const maxTexts = 64

// compare turns a regular expression into comparisons with texts, where it asks
// for no more: anchors at its ends, and between them letters, groups,
// alternatives and what may be left out. Others are not understood. So nothing
// is compiled for the wire, and what holds here holds in PCRE.
func compare(c *hostmap.Condition, expression string) bool {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return false
	}
	parts := []*syntax.Regexp{re}
	for len(parts) == 1 && (parts[0].Op == syntax.OpConcat || parts[0].Op == syntax.OpCapture && isConcat(parts[0].Sub[0])) {
		parts = parts[0].Sub
	}
	c.Start, parts = takeFirst(parts, syntax.OpBeginText, syntax.OpBeginLine)
	c.End, parts = takeLast(parts, syntax.OpEndText, syntax.OpEndLine)
	texts := []string{""}
	for i, part := range parts {
		if anything(part) {
			// At an end it says what an anchor that is missing does.
			switch {
			case i == 0 && len(parts) > 1:
				c.Start = false
				continue
			case i == len(parts)-1 && (i > 0 || c.Start):
				c.End = false
				continue
			}
			return false
		}
		more, ok := textsOf(part)
		if texts = product(texts, more); !ok || len(texts) > maxTexts {
			return false
		}
	}
	for _, text := range texts {
		// An empty text is contained in everything.
		if strings.ContainsAny(text, "\n\r") || text == "" && !(c.Start && c.End) {
			return false
		}
	}
	if c.Texts = strings.Join(texts, "\n"); c.Fold {
		c.Texts = strings.ToLower(c.Texts)
	}
	return true
}

func isConcat(re *syntax.Regexp) bool { return re.Op == syntax.OpConcat }

func takeFirst(parts []*syntax.Regexp, ops ...syntax.Op) (bool, []*syntax.Regexp) {
	if len(parts) == 0 || parts[0].Op != ops[0] && parts[0].Op != ops[1] {
		return false, parts
	}
	return true, parts[1:]
}

func takeLast(parts []*syntax.Regexp, ops ...syntax.Op) (bool, []*syntax.Regexp) {
	n := len(parts)
	if n == 0 || parts[n-1].Op != ops[0] && parts[n-1].Op != ops[1] {
		return false, parts
	}
	return true, parts[:n-1]
}

// anything tells whether an expression is ".*", in a group or not.
func anything(re *syntax.Regexp) bool {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	return re.Op == syntax.OpStar && (re.Sub[0].Op == syntax.OpAnyCharNotNL || re.Sub[0].Op == syntax.OpAnyChar)
}

// textsOf are the texts that an expression stands for, where they are few.
func textsOf(re *syntax.Regexp) ([]string, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpLiteral:
		return []string{string(re.Rune)}, re.Flags&syntax.FoldCase == 0
	case syntax.OpCapture:
		return textsOf(re.Sub[0])
	case syntax.OpQuest:
		texts, ok := textsOf(re.Sub[0])
		return append(texts, ""), ok
	case syntax.OpCharClass:
		var texts []string
		for i := 0; i < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if texts = append(texts, string(r)); len(texts) > maxTexts {
					return nil, false
				}
			}
		}
		return texts, len(texts) > 0
	case syntax.OpAlternate:
		var texts []string
		for _, sub := range re.Sub {
			more, ok := textsOf(sub)
			if texts = append(texts, more...); !ok || len(texts) > maxTexts {
				return nil, false
			}
		}
		return texts, true
	case syntax.OpConcat:
		texts := []string{""}
		for _, sub := range re.Sub {
			more, ok := textsOf(sub)
			if texts = product(texts, more); !ok || len(texts) > maxTexts {
				return nil, false
			}
		}
		return texts, true
	}
	return nil, false
}

// product is each of some texts with each of others behind it.
func product(texts, more []string) []string {
	if len(texts)*len(more) > maxTexts {
		return make([]string, maxTexts+1)
	}
	out := make([]string, 0, len(texts)*len(more))
	for _, a := range texts {
		for _, b := range more {
			out = append(out, a+b)
		}
	}
	return out
}
