package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// document is one YAML or JSON document of a file.
type document struct {
	line int // of its first octet in the file, from 1
	text []byte
}

// split cuts a file at its document markers (YAML 1.2 section 9.1.2). A "---"
// or "..." at the start of a line is a marker wherever it stands, even in a
// block scalar, if nothing or white space follows. A "---" stays with the
// document it begins, which may go on behind it; directives stay with the
// document they precede.
func split(text []byte) []document {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var documents []document
	start, startLine := 0, 1
	content := false   // the document at start holds more than blanks and comments
	directive := false // and this many before a marker
	flush := func(end int) {
		if content {
			documents = append(documents, document{startLine, text[start:end]})
		}
	}
	for at, line := 0, 1; at < len(text); line++ {
		next := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		switch l := text[at:next]; {
		case marks(l, "---"):
			if content || !directive {
				flush(at)
				start, startLine = at, line
			}
			content, directive = !blank(l[len("---"):]), false
		case marks(l, "..."):
			flush(at)
			start, startLine = next, line+1
			content, directive = false, false
		case l[0] == '%' && !content:
			directive = true
		case !blank(l):
			content = true
		}
		at = next
	}
	flush(len(text))
	return documents
}

// marks tells whether a line begins with a marker.
func marks(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0)
}

// blank tells whether a line holds nothing but white space and a comment.
func blank(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}

// splitJSON cuts a stream of JSON values, which is no YAML, and tells whether
// it was one.
func splitJSON(d document) ([]document, bool) {
	if !bytes.HasPrefix(bytes.TrimSpace(d.text), []byte("{")) {
		return nil, false
	}
	var documents []document
	for dec, at := json.NewDecoder(bytes.NewReader(d.text)), 0; ; {
		var value json.RawMessage
		if err := dec.Decode(&value); errors.Is(err, io.EOF) {
			return documents, true
		} else if err != nil {
			return nil, false
		}
		end := int(dec.InputOffset())
		start := end - len(value)
		d.line += bytes.Count(d.text[at:start], []byte("\n"))
		documents = append(documents, document{d.line, value})
		d.line += bytes.Count(value, []byte("\n"))
		at = end
	}
}
