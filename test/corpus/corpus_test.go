package corpus

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/ingress421/ingress421/cmd/check"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/manifests"
	"github.com/ingress421/ingress421/internal/source"
	"github.com/ingress421/ingress421/test/require"
)

var update = flag.Bool("update", false, "write where answers differ into testdata, and docs/charts.md")

// What the charts mean is what requests get, but for what each case names.
func TestCharts(t *testing.T) {
	charts := readCharts(t)
	s := serve(t, charts)
	spoken := s.check(t)
	verdicts := make(map[string]verdict)
	for _, c := range charts {
		t.Run(c.name, func(t *testing.T) {
			v := verdict{lost: spoken[c.name]}
			var differs strings.Builder
			for _, e := range c.want {
				got, err := s.ask(&e)
				if err != nil {
					t.Fatalf("%s: %v", e.request, err)
				}
				// Who is to log in, to come over TLS or to stay out.
				if want := e.status(); got.service != "" && want > http.StatusMovedPermanently {
					t.Errorf("%s is served, %d by %s: what protects it is lost", e.request, got.status, got.service)
				}
				if why := got.differs(e.answer); why != "" {
					fmt.Fprintf(&differs, "%s -> %s\n", e.request, why)
					v.differs = append(v.differs, e.request+" → "+why)
				}
			}
			verdicts[c.name] = v
			if *update {
				c.setPart("differs", differs.String())
				if err := os.WriteFile(c.file, txtar.Format(c.archive), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(c.part("differs"), differs.String()); diff != "" {
				t.Errorf("answers that are not as meant, -known +found (go test -update):\n%s", diff)
			}
		})
	}
	if t.Failed() {
		return
	}
	page := filepath.Join(require.Root(t), "docs", "charts.md")
	text := reference(charts, verdicts)
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	known, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(known), text); diff != "" {
		t.Errorf("docs/charts.md is not what is found, -page +found (go test -update):\n%s", diff)
	}
}

// check asks of each chart which of its annotations `ingress421 check` calls
// lost or dangerous.
func (s *stage) check(t *testing.T) map[string][]string {
	t.Helper()
	n, _ := compile.ParseNginx("strict")
	outcome, err := manifests.Load(t.Context(), source.Config{Options: compile.Options{
		Controller: "ingress421.dev/controller", ClassNames: []string{"nginx"}, Nginx: n,
	}}, s.dir)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]string)
	for _, o := range check.Of(&outcome).Objects {
		if o.Kind != "Ingress" {
			continue
		}
		chart := strings.TrimSuffix(filepath.Base(o.File), ".yaml")
		for _, f := range o.Findings {
			name, ours := strings.CutPrefix(strings.TrimSuffix(f.Field, "]"), "metadata.annotations["+nginx)
			if ours && (f.Word == check.Lost || f.Word == check.Dangerous) {
				out[chart] = append(out[chart], name)
			}
		}
	}
	return out
}

// verdict is what became of a chart.
type verdict struct {
	differs []string // requests, and how they are answered
	lost    []string // annotations
}

func (v *verdict) meant() bool { return len(v.differs)+len(v.lost) == 0 }

// reference is docs/charts.md.
func reference(charts []*chart, verdicts map[string]verdict) string {
	meant := 0
	for _, v := range verdicts {
		if v.meant() {
			meant++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Charts that were tried

Ingresses of well-known charts, with the annotations that their documentation has for ingress-nginx, served with
`+"`--ingress-class nginx --nginx-annotations strict`"+`, and asked requests. **%d of %d (%d %%) are answered as they mean; in none is a
protection lost.** Where one cannot be honoured, its paths are closed (503), and the Ingress has a problem that says so.

This page is made by test/corpus; the Ingresses and the requests are in its testdata.

| chart | |
|---|---|
`, meant, len(charts), 100*meant/len(charts))
	for _, c := range charts {
		v := verdicts[c.name]
		said := "as meant"
		if !v.meant() {
			var parts []string
			if len(v.lost) != 0 {
				parts = append(parts, "not honoured: `"+strings.Join(v.lost, "`, `")+"`")
			}
			for _, d := range v.differs {
				parts = append(parts, "`"+d+"`")
			}
			said = strings.Join(parts, "<br>")
		}
		fmt.Fprintf(&b, "| %s | %s |\n", c.about, said)
	}
	return b.String()
}
