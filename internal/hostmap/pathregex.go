package hostmap

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

const (
	// maxPathRegexBytes bounds the text, in octets.
	maxPathRegexBytes = 512
	// maxPathRegexSize bounds the program that the text becomes, in
	// instructions. The time of a comparison is that of the program times the
	// path's length, at most.
	maxPathRegexSize = 2000
)

// PathRegex is a regular expression that paths are compared with, in RE2's syntax
// (of package regexp) and found from a path's beginning on. It is immutable.
type PathRegex struct {
	text string
	re   *regexp.Regexp
}

// NewPathRegex reads the text of a path rule. Its errors say what is wrong in a few words.
func NewPathRegex(text string) (*PathRegex, error) {
	if len(text) > maxPathRegexBytes {
		return nil, fmt.Errorf("a regular expression of %d octets; at most %d are read", len(text), maxPathRegexBytes)
	}
	// Apart from what is put around it, so that ")(" is an error.
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(program.Inst) > maxPathRegexSize {
		return nil, fmt.Errorf("a regular expression of %d instructions; at most %d are taken", len(program.Inst), maxPathRegexSize)
	}
	re, err := regexp.Compile(`\A(?:` + text + `)`)
	if err != nil {
		return nil, err
	}
	return &PathRegex{text, re}, nil
}

func (p *PathRegex) String() string { return p.text }

// Groups is how many groups are captured.
func (p *PathRegex) Groups() int { return p.re.NumSubexp() }

func (p *PathRegex) matches(path string) bool { return p.re.MatchString(path) }
