package browsers

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/test/require"
)

var update = flag.Bool("update", false, "write docs/clients.md")

const pageName = "docs/clients.md"

//go:embed clients.md.tmpl
var pageText string

// row is what was seen of one client, as the page has it.
type row struct {
	client, version                              string
	shares, on421, sees, after, origin, noClient string
}

func (r row) String() string {
	return "| " + strings.Join([]string{r.client, r.shares, r.on421, r.sees, r.after, r.origin, r.noClient}, " | ") + " |"
}

// docs/clients.md says what every client is seen to do. With -update it is
// written anew.
func TestClients(t *testing.T) {
	asked(t)
	var rows []row
	for _, b := range browsers() {
		t.Run(b.name, func(t *testing.T) {
			never, version := b.test(t, v1alpha1.OriginFrameNever)
			auto, _ := b.test(t, v1alpha1.OriginFrameAuto)
			b.test(t, v1alpha1.OriginFrameAlways)
			r := row{
				client: b.name, version: version[strings.IndexByte(version, '/')+1:],
				shares: never.shares(t, "share", "page"), on421: never.on421(t, "get", "post"),
				// What the pages got is checked above.
				sees: "nothing: the page is whole", after: never.after(t, "after", "get", "page-get"), noClient: "an error",
			}
			switch before, with := len(never.refused()), len(auto.refused()); {
			case with == 0:
				r.origin = "obeys it: a connection of its own, no 421"
			case with == before:
				r.origin = "ignores it"
			default:
				r.origin = fmt.Sprintf("%d 421s instead of %d", with, before)
			}
			rows = append(rows, r)
		})
	}
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) { rows = append(rows, c.test(t)) })
	}
	if t.Failed() {
		return
	}
	file := filepath.Join(require.Root(t), filepath.FromSlash(pageName))
	if *update {
		if len(rows) != len(browsers())+len(clients()) {
			t.Fatalf("%d clients were seen, want all", len(rows))
		}
		write(t, file, []byte(pageOf(rows)))
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if !slices.Contains(strings.Split(string(text), "\n"), r.String()) {
			t.Errorf("%s lacks what was seen (make test-browsers UPDATE=1 writes it):\n%s", pageName, r)
		}
	}
}

// pageOf is the page: its text, with the table and the versions filled in.
func pageOf(rows []row) string {
	var lines, versions []string
	for _, r := range rows {
		lines = append(lines, r.String())
		name, _, _ := strings.Cut(r.client, ",") // of several protocols
		versions = append(versions, name+" "+r.version)
	}
	versions = slices.Compact(versions)
	return strings.NewReplacer(
		"{{date}}", time.Now().UTC().Format(time.DateOnly),
		"{{versions}}", strings.Join(versions, ", "),
		"{{rows}}", strings.Join(lines, "\n"),
	).Replace(pageText)
}

// test takes the steps of a client and says what was seen.
func (c client) test(t *testing.T) row {
	t.Helper()
	w := newWorld(t, v1alpha1.OriginFrameAuto)
	o := c.take(t, w)
	w.finish(t)
	t.Logf("%+v", o)
	for _, step := range []string{"page", "share"} {
		if got := o.Got[step]; got != "200" && got != "OK" {
			t.Errorf("%s: got %q, want success", step, got)
		}
	}
	for _, r := range w.requests(t, "locked") {
		if r.Status != 421 {
			t.Errorf("%+v was served without a client certificate", r)
		}
	}
	r := row{
		client: c.name, version: o.Version,
		shares: w.shares(t, c.share, "page"), on421: w.on421(t, c.get, c.post), sees: o.Got["get"], after: "-",
	}
	if o.Got["post"] != o.Got["get"] {
		r.sees += ", of a POST " + o.Got["post"]
	}
	if c.after != "" {
		r.after = w.after(t, c.after, c.get, "page-get", "page-grpc")
	}
	switch protocol := w.requests(t, c.get)[0].Protocol; {
	case protocol != "h2":
		r.origin = "-"
	case o.Got["origins"] != "":
		names := strings.Fields(o.Got["origins"])
		if want := w.originsOf("page-get", "after"); !slices.Equal(names, want) {
			t.Errorf("the program was told the origins %v, want %v", names, want)
		}
		r.origin = "tells the program"
	case strings.Contains(o.Got["log"], "unhandled"):
		r.origin = "ignores it, and logs a line"
	default:
		r.origin = "ignores it"
	}
	if r.noClient = o.Got["locked"]; strings.HasPrefix(r.noClient, "failed") {
		r.noClient = "an error"
	}
	return r
}

func (w *world) originsOf(names ...string) []string {
	var origins []string
	for _, name := range names {
		origins = append(origins, strings.TrimSuffix(w.url(name, ""), "/"))
	}
	return origins
}

// shares says whether a client sent requests for a host on a connection that
// it had made for another.
func (w *world) shares(t *testing.T, name, other string) string {
	t.Helper()
	requests := w.requests(t, name)
	if len(requests) == 0 {
		t.Fatalf("%s was asked nothing", name)
	}
	if requests[0].SNI == fullName(other) {
		return "yes"
	}
	if requests[0].SNI != fullName(name) {
		t.Errorf("%+v: the SNI is neither host's", requests[0])
	}
	return "no"
}

// on421 says what a client did about a 421 of a GET and of a POST.
func (w *world) on421(t *testing.T, get, post string) string {
	t.Helper()
	ofGET := retries(w.ofMethod(t, get, "GET"))
	ofPOST := retries(w.ofMethod(t, post, "POST"))
	switch {
	case ofGET == "": // gRPC
		return ofPOST
	case ofGET == ofPOST && ofGET != noRetry:
		return ofGET + ", GET and POST alike"
	case ofGET == ofPOST:
		return ofGET
	}
	return "GET: " + ofGET + "; POST: " + ofPOST
}

func (w *world) ofMethod(t *testing.T, name, method string) []entry {
	t.Helper()
	return slices.DeleteFunc(w.requests(t, name), func(r entry) bool { return r.Method != method })
}

const noRetry = "does not retry"

// retries says what the requests for one thing tell, of which the first was
// answered 421; "" for none.
func retries(requests []entry) string {
	switch {
	case len(requests) == 0:
		return ""
	case requests[0].Status != 421:
		return fmt.Sprintf("was answered %d", requests[0].Status)
	case len(requests) == 1:
		return noRetry
	case len(requests) > 2:
		return fmt.Sprintf("retries %d times", len(requests)-1)
	case requests[0].SourcePort == requests[1].SourcePort:
		return "retries once, on the same connection"
	}
	return "retries once, on a new connection"
}

// after says whether the connection that had a 421 for one host is used for
// another that it may serve.
func (w *world) after(t *testing.T, name, refused string, pages ...string) string {
	t.Helper()
	next := w.requests(t, name)
	if len(next) == 0 {
		t.Fatalf("%s was asked nothing", name)
	}
	for _, r := range w.requests(t, refused) {
		if r.Status == 421 && r.SourcePort == next[0].SourcePort {
			return "goes on with it"
		}
	}
	for _, page := range pages {
		if next[0].SNI == fullName(page) {
			return "has a new one for the same host"
		}
	}
	return "shares it no more"
}
