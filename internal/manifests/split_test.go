package manifests

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // "line: text", the line ends written as |
	}{
		{name: "nothing"},
		{name: "comments only", text: "# a\n\n---\n# b\n---\n"},
		{name: "one document", text: "a: 1\n", want: []string{"1: a: 1|"}},
		{name: "no last line end", text: "a: 1\n---\nb: 2", want: []string{"1: a: 1|", "2: ---|b: 2"}},
		{name: "comment before", text: "# c\n---\na: 1\n", want: []string{"2: ---|a: 1|"}},
		{name: "content behind the marker", text: "--- {a: 1}\n--- # none\n", want: []string{"1: --- {a: 1}|"}},
		{name: "carriage returns", text: "a: 1\r\n---\r\nb: 2\r\n", want: []string{"1: a: 1\r|", "2: ---\r|b: 2\r|"}},
		{name: "end marker", text: "a: 1\n...\n# c\nb: 2\n", want: []string{"1: a: 1|", "3: # c|b: 2|"}},
		{name: "directive stays", text: "%YAML 1.2\n---\na: 1\n", want: []string{"1: %YAML 1.2|---|a: 1|"}},
		{name: "byte order mark", text: "\xef\xbb\xbf---\na: 1\n", want: []string{"1: ---|a: 1|"}},
		{name: "not a marker", text: "a: |\n  x\n  ---\n-----BEGIN\n", want: []string{"1: a: ||  x|  ---|-----BEGIN|"}},
		{name: "marker in a block scalar", text: "a: |\n  x\n---\nb: 2\n", want: []string{"1: a: ||  x|", "3: ---|b: 2|"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range split([]byte(tt.text)) {
				got = append(got, fmt.Sprintf("%d: %s", d.line, strings.ReplaceAll(string(d.text), "\n", "|")))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("documents (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitJSON(t *testing.T) {
	text := "\n{\"a\":\n1}\n\n{\"b\":2} {\"c\":3}\n"
	documents, ok := splitJSON(document{10, []byte(text)})
	var got []string
	for _, d := range documents {
		got = append(got, fmt.Sprintf("%d: %s", d.line, d.text))
	}
	want := []string{"11: {\"a\":\n1}", "14: {\"b\":2}", "14: {\"c\":3}"}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("values (-want +got), stream %v:\n%s", ok, diff)
	}
	if _, ok := splitJSON(document{1, []byte("{a: 1}")}); ok {
		t.Error("a YAML flow mapping was taken for JSON")
	}
}

// FuzzSplit holds split to what its documents' lines say, and the whole decoder
// to taking any octets.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		"a: 1\n---\nb: 2\n", "--- |\n x\n...\n%YAML 1.1\n---\n\ufeffa", "# c\r\n---\r\n{\"kind\":\"List\"}{}",
		ingress("a", "a.test"), "apiVersion: v1\nkind: List\nitems: [null, {}, {kind: Secret, apiVersion: v1}]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := bytes.SplitAfter(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), []byte("\n"))
		last := 0
		for _, d := range split(text) {
			if d.line <= last {
				t.Fatalf("document of line %d after one of line %d", d.line, last)
			}
			last = d.line
			if rest := bytes.Join(lines[d.line-1:], nil); !bytes.HasPrefix(rest, d.text) {
				t.Fatalf("the document of line %d is not there: %q", d.line, d.text)
			}
			if n := bytes.Count(d.text, []byte("\n---\n")); n != 0 && d.text[0] != '%' && !bytes.Contains(d.text, []byte("\n%")) && !bytes.Contains(d.text, []byte("#")) {
				t.Fatalf("a document with %d markers inside: %q", n, d.text)
			}
		}
		c := decode("x.yaml", text)
		for _, o := range c.objects {
			if o.Name == "" || o.line < 1 || o.line > len(lines) {
				t.Fatalf("object %v of line %d", o.Object, o.line)
			}
		}
		if !c.broken {
			for _, d := range split(text) {
				if _, json := splitJSON(d); json {
					continue
				}
				if _, err := yaml.YAMLToJSONStrict(d.text); err != nil {
					t.Fatalf("no problem, yet the parser says %v", err)
				}
			}
		}
	})
}
