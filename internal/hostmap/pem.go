package hostmap

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	pemBegin   = "-----BEGIN"
	pemEnd     = "-----END"
	pemDashes  = "-----"
	pemBOM     = "\ufeff"
	labelOfOne = "CERTIFICATE"
)

// pemBlock is one block of a PEM text.
type pemBlock struct {
	label string
	line  int    // of its BEGIN line, from 1
	body  []byte // between the BEGIN and the END line
}

// pemBlocks splits a text into its blocks, after RFC 7468. Only lines that
// begin with -----BEGIN or -----END are boundaries; whatever else stands
// outside of blocks explains them (section 5.2) and is skipped.
//
// It is strict where encoding/pem skips what it cannot read, because a chain
// or a bundle of which a part is skipped is another one: a boundary that is
// cut, indented, in the middle of a line or without its counterpart is an
// error. Whatever it accepts encoding/pem reads the same.
func pemBlocks(text []byte) ([]pemBlock, error) {
	var blocks []pemBlock
	var open *pemBlock
	start := 0 // of the open block's body
	line := 0
	fail := func(format string, args ...any) ([]pemBlock, error) {
		return nil, fmt.Errorf("block %d: line %d "+format, append([]any{len(blocks) + 1, line}, args...)...)
	}
	for at := 0; at < len(text); {
		line++
		next := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		label, kind, err := pemBoundary(text[at:next])
		switch {
		case err != nil:
			return fail("%w", err)
		case kind == "":
		case kind == pemBegin && open != nil:
			return fail("begins a block before the one of line %d has ended", open.line)
		case kind == pemBegin:
			open = &pemBlock{label: label, line: line}
			start = next
		case open == nil:
			return fail("ends a block that no line begins")
		case label != open.label:
			return fail("ends a block of another kind than line %d begins", open.line)
		default:
			open.body = text[start:at]
			blocks = append(blocks, *open)
			open = nil
		}
		at = next
	}
	if open != nil {
		return fail("is the last one, and the block of line %d has no end", open.line)
	}
	return blocks, nil
}

// pemBoundary reads one line. Its kind is pemBegin, pemEnd, or "" for a line
// that is no boundary.
func pemBoundary(line []byte) (label, kind string, err error) {
	if !bytes.Contains(line, []byte(pemDashes)) {
		return "", "", nil
	}
	// What encoding/pem takes off the end of a line.
	s := strings.TrimRight(strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"), " \t")
	for _, kind = range []string{pemBegin, pemEnd} {
		if rest, ok := strings.CutPrefix(s, kind); ok {
			label, whole := strings.CutSuffix(strings.TrimPrefix(rest, " "), pemDashes)
			if !whole || label == "" || strings.Contains(label, pemDashes) || !strings.HasPrefix(rest, " ") {
				return "", "", fmt.Errorf("is no whole line %s CERTIFICATE-----", kind)
			}
			return label, kind, nil
		}
		if len(s) > len(pemDashes) && strings.HasPrefix(kind, s) {
			return "", "", fmt.Errorf("is cut off: %s", s)
		}
		// Comments may well hold the words; a comment sign stands before them.
		bare := strings.TrimLeft(strings.TrimPrefix(s, pemBOM), " \t\r\v\f\u00a0")
		if strings.HasPrefix(bare, kind) {
			return "", "", fmt.Errorf("has something before %s, a blank or a byte order mark", kind)
		}
	}
	return "", "", nil
}

// bytes decodes the body, as encoding/pem does one without headers.
func (p *pemBlock) bytes() ([]byte, error) {
	body := p.body
	if bytes.ContainsAny(body, " \t") {
		body = bytes.Map(func(r rune) rune {
			if r == ' ' || r == '\t' {
				return -1
			}
			return r
		}, body)
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(out, body)
	if err != nil || n == 0 {
		return nil, errors.New("is no base64")
	}
	return out[:n], nil
}

// certificate decodes a block that must be a certificate.
func (p *pemBlock) certificate() ([]byte, error) {
	if p.label != labelOfOne {
		return nil, fmt.Errorf("is labelled %.40q, not CERTIFICATE", p.label)
	}
	return p.bytes()
}
