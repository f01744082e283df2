package snippet

import (
	"errors"
	"fmt"
	"strings"
)

// directive is one of a configuration: a name and its arguments, then ';' or a
// block.
type directive struct {
	name string
	args []string
	// block is what stands in braces, where blocked.
	blocked bool
	block   []directive
	line    int
}

const (
	// maxText bounds a snippet, in octets.
	maxText = 16 << 10
	// maxDepth bounds blocks within blocks.
	maxDepth = 4
)

var errSyntax = errors.New("it is not written as nginx has it")

// parse reads the directives of a text.
func parse(text string) ([]directive, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("it has more than %d octets", maxText)
	}
	p := parser{text: text, line: 1}
	out, err := p.directives(0)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", p.line, err)
	}
	return out, nil
}

type parser struct {
	text string // that is left
	line int
}

// directives reads up to the end of the text, or of the block that is open.
func (p *parser) directives(depth int) ([]directive, error) {
	var out []directive
	for {
		p.skip()
		switch {
		case p.text == "" && depth == 0:
			return out, nil
		case strings.HasPrefix(p.text, "}") && depth > 0:
			p.text = p.text[1:]
			return out, nil
		}
		d, err := p.directive(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
}

func (p *parser) directive(depth int) (d directive, err error) {
	d.line = p.line
	for {
		p.skip()
		if p.text == "" {
			return d, errSyntax
		}
		switch p.text[0] {
		case ';':
			p.text = p.text[1:]
			if d.name == "" {
				return d, errSyntax
			}
			return d, nil
		case '{':
			if d.name == "" || depth == maxDepth {
				return d, errSyntax
			}
			p.text = p.text[1:]
			d.blocked = true
			d.block, err = p.directives(depth + 1)
			return d, err
		case '}':
			return d, errSyntax
		}
		word, err := p.word()
		switch {
		case err != nil:
			return d, err
		case d.name == "" && word == "":
			return d, errSyntax
		case d.name == "":
			d.name = word
		default:
			d.args = append(d.args, word)
		}
	}
}

// skip skips blanks and comments.
func (p *parser) skip() {
	for p.text != "" {
		switch p.text[0] {
		case '\n':
			p.line++
			p.text = p.text[1:]
		case ' ', '\t', '\r':
			p.text = p.text[1:]
		case '#':
			i := strings.IndexByte(p.text, '\n')
			if i < 0 {
				i = len(p.text)
			}
			p.text = p.text[i:]
		default:
			return
		}
	}
}

// word reads one, in quotes or without. As nginx has it a backslash takes the
// meaning of a quote, of a backslash within quotes and of what would end the word; \t, \r and \n
// are what they are elsewhere, and every other one stays with what follows it.
func (p *parser) word() (string, error) {
	var b strings.Builder
	quote := byte(0)
	if c := p.text[0]; c == '"' || c == '\'' {
		quote = c
		p.text = p.text[1:]
	}
	for i := 0; i < len(p.text); i++ {
		c := p.text[i]
		switch {
		case c == 0 || c == 0x7f:
			return "", errSyntax
		case c == '\\' && i+1 < len(p.text):
			i++
			p.escaped(&b, p.text[i])
			continue
		case c == quote && quote != 0:
			p.text = p.text[i+1:]
			if p.text != "" && !endsWord(p.text[0]) {
				return "", errSyntax
			}
			return b.String(), nil
		case c == '\n' && quote != 0:
			p.line++
		case quote == 0 && c == '$' && i+1 < len(p.text) && p.text[i+1] == '{':
			// The brace is the variable's.
			b.WriteString("${")
			i++
			continue
		case quote == 0 && (endsWord(c) && c != ')'):
			p.text = p.text[i:]
			return b.String(), nil
		}
		b.WriteByte(c)
	}
	return "", errSyntax // A snippet does not end within a word.
}

// escaped writes what a backslash and an octet stand for.
func (p *parser) escaped(b *strings.Builder, c byte) {
	switch c {
	case '"', '\'', '\\':
		b.WriteByte(c)
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'n':
		b.WriteByte('\n')
	default:
		b.WriteByte('\\')
		b.WriteByte(c)
	}
}

// endsWord tells whether an octet may follow a word in quotes.
func endsWord(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ';', '{', ')':
		return true
	}
	return false
}
