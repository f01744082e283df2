package audit

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/ingress421/ingress421/internal/hostmap"
)

var update = flag.Bool("update", false, "write the files of testdata")

// example has something of everything.
func example() *Report {
	w := newWorld()
	wildcard := leaf("shop/wild", "*.shop.test", "shop.test")
	w.site("shop.test", "shop/web", wildcard)
	w.site("www.shop.test", "shop/web", wildcard)
	w.site("img.shop.test", "shop/web", wildcard)
	w.site("admin.shop.test", "shop/admin", wildcard, asks(clientAuth("staff")))
	w.site("pay.shop.test", "shop/pay", wildcard, rule(hostmap.RuleServerName))
	w.site("api.shop.test", "shop/api", leaf("shop/api", "api.shop.test"))
	w.site("blog.shop.test", "blog/blog", leafUntil(midnight.AddDate(0, 0, 10), "blog/blog", "blog.shop.test", "blog.test"))
	w.site("blog.test", "blog/blog", leafUntil(midnight.AddDate(0, 0, 10), "blog/blog", "blog.shop.test", "blog.test"))
	w.site("old.test", "old/old", leafUntil(midnight, "old/old", "old.example"))
	w.site("labs.shop.test", "shop/labs", wildcard, rule(hostmap.RuleOff))
	w.class.Rule = hostmap.RuleCertificate
	return Examine(w.built(), Options{Now: midnight.Add(time.Hour), OneAddress: true})
}

// The renderings of one report, as files. Positions are known of some objects.
func TestRenderings(t *testing.T) {
	r := example()
	r.Locate(func(_ Finding, o hostmap.Object) (Place, bool) {
		at, ok := map[string]Place{
			"Ingress shop/admin": {File: "deploy/shop/ingress #2.yaml", Line: 41, Column: 5, Field: "metadata.annotations[x]"},
			"Secret shop/wild":   {File: "deploy/shop/tls.yaml", Line: 1, Column: 1},
		}[o.String()]
		return at, ok
	})
	for name, write := range map[string]func(io.Writer) error{
		"table.txt":    r.Table,
		"report.json":  r.JSON,
		"report.html":  r.HTML,
		"report.sarif": func(w io.Writer) error { return r.SARIF(w, "v1.2.3") },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("-want +got; go test -update writes it:\n%s", diff)
			}
		})
	}
}

// Nothing that stands in a name becomes part of a page, whoever wrote it.
func TestHTMLEscapes(t *testing.T) {
	const evil = `</title><script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	r := example()
	for i := range r.Shared {
		r.Shared[i].Secrets.First = []string{evil}
		r.Shared[i].Names.First = []string{evil}
		for j := range r.Shared[i].Ways {
			r.Shared[i].Ways[j].To.First = []string{evil}
			r.Shared[i].Ways[j].Reason = evil
		}
	}
	for i := range r.Findings {
		r.Findings[i].Reason, r.Findings[i].Message, r.Findings[i].Mend = evil, evil, evil
		r.Findings[i].Objects.First = []hostmap.Object{{Kind: evil, Namespace: evil, Name: evil}}
	}
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	for z := html.NewTokenizer(&page); ; {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF {
				t.Fatal(z.Err())
			}
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			if token.Data == "script" || token.Data == "img" || token.Data == "link" {
				t.Errorf("the page has %s", token)
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" {
					t.Errorf("the page has %s", token)
				}
			}
		}
	}
}

// A report is sound JSON, and nobody has to tell null from an empty list.
func TestEmptyReport(t *testing.T) {
	r := Examine(hostmap.New(hostmap.Spec{}), Options{Now: midnight})
	for name, write := range map[string]func(io.Writer) error{
		"json": r.JSON, "sarif": func(w io.Writer) error { return r.SARIF(w, "") },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(out.Bytes()) || strings.Contains(out.String(), "null") {
			t.Errorf("%s: %s", name, out.Bytes())
		}
	}
	var table bytes.Buffer
	if err := r.Table(&table); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("0 hosts, 0 certificates, taken to have an address each\n\nNothing was found.\n", table.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}
