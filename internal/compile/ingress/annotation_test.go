package ingress

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the pages of docs that are made of tables")

// The rows are whole, and no name stands twice.
func TestAnnotationsAreWhole(t *testing.T) {
	for row := range annotations {
		if annotationNamed(row.name) != row {
			t.Errorf("%s stands twice", row.name)
		}
		if row.values == "" || row.unset == "" || row.does == "" || !strings.HasSuffix(strings.TrimRight(row.does, "*"), ".") {
			t.Errorf("%s: want its values, what holds without it, and a sentence", row.name)
		}
		ways := 0
		for _, reads := range []bool{row.host != nil, row.route != nil, row.note != nil} {
			if reads {
				ways++
			}
		}
		if ways != 1 {
			t.Errorf("%s: want one way to read it", row.name)
		}
	}
}

// Each row has a golden case in which it stands and one in which a problem
// names it.
func TestAnnotationsHaveGoldenCases(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var used, wrong strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects, result, _ := strings.Cut(string(text), "\n-- map --")
		used.WriteString(objects)
		wrong.WriteString(result)
	}
	for row := range annotations {
		if !strings.Contains(used.String(), row.name+":") {
			t.Errorf("%s stands in no golden case", row.name)
		}
		if !strings.Contains(wrong.String(), "Annotation "+row.name+":") {
			t.Errorf("%s has no golden case of a bad value", row.name)
		}
	}
}

// docs/annotations.md is made of the table (go test -run Reference -update).
func TestAnnotationsReference(t *testing.T) {
	testPage(t, "../../../docs/annotations.md", reference())
}

// testPage compares a page of the documentation with what is made of a table.
func testPage(t *testing.T, page, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-table +page:\n%s", diff)
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString(`# Annotations of an Ingress

All names begin with ` + "`ingress421.dev/`" + `. Booleans are written ` + "`\"true\"` or `\"false\"`" + `, in quotes.

An annotation that is not in this list, or whose value cannot be read, is a problem on the Ingress (an event, and a log line) and has no
effect; the rest of the Ingress is served. Where an annotation protects something that is not enough: the last column says what is then
closed. So is it where a name is not in the list but looks like one that protects.
`)
	for _, part := range []struct {
		scope        scope
		title, about string
	}{
		{ofHosts, "Of hosts", "These speak of all hosts of the Ingress. If several Ingresses of a host say different things, the oldest is heard, and the others have a problem. Client certificates are different: if any Ingress asks for them they are asked for, and if two ask differently the host is refused."},
		{ofRoutes, "Of paths", "These speak of the paths of the Ingress, those of its defaultBackend among them, and not of what other Ingresses have for the same host."},
		{ofBackends, "Of backends", "These speak of the connections to the backends of the Ingress."},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| annotation | value | without it | does | a bad value |\n|---|---|---|---|---|\n", part.title, part.about)
		for row := range annotations {
			if row.scope == part.scope {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", strings.TrimPrefix(row.name, "ingress421.dev/"), row.values, row.unset, row.does, costs[row.bad])
			}
		}
	}
	return b.String()
}

var costs = map[cost]string{
	costNothing:  "has no effect",
	costRoutes:   "closes the paths: 503",
	costHosts:    "refuses the hosts",
	costBackends: "closes the backends: 503",
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"ssl-redirct":         "ssl-redirect",
		"SSL-Redirect":        "ssl-redirect",
		"sslredirect":         "ssl-redirect",
		"backend-protcool":    "backend-protocol",
		"cleint-auth":         "client-auth",
		"upstream-hosts":      "upstream-host",
		"ssl-redirect-please": "",
		"":                    "",
		"rate-limit":          "",
	} {
		got := ""
		if row := nearest("ingress421.dev/" + name); row != nil {
			got = strings.TrimPrefix(row.name, "ingress421.dev/")
		}
		if got != want {
			t.Errorf("%q is meant for %q, want %q", name, got, want)
		}
	}
}
