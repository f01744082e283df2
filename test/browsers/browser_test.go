package browsers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/test/require"
)

// browser is one of those under test.
type browser struct {
	name     string // as drive.mjs and docs/clients.md have it
	programs []string
	// trust puts a CA file into the profile's certificate database.
	trust func(t *testing.T, home, profile, caFile string)
	// obeysOrigin: it opens a connection for what an ORIGIN frame leaves out.
	obeysOrigin bool
}

func browsers() []browser {
	return []browser{
		{
			name: "Chromium", programs: []string{"chromium", "chromium-browser", "google-chrome"},
			trust: func(t *testing.T, home, _, caFile string) {
				certutil(t, filepath.Join(home, ".pki", "nssdb"), "C,,", caFile)
			},
		},
		{
			name: "Firefox", programs: []string{"firefox-esr", "firefox"}, obeysOrigin: true,
			trust: func(t *testing.T, _, profile, caFile string) { certutil(t, profile, "CT,,", caFile) },
		},
	}
}

// certutil makes an NSS database that trusts a CA. A certificate error that is
// merely ignored would switch coalescing off.
func certutil(t *testing.T, dir, trust, caFile string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	tool := require.Tool(t, "certutil")
	for _, args := range [][]string{
		{"-N", "--empty-password"},
		{"-A", "-n", "test CA", "-t", trust, "-i", caFile},
	} {
		args = append([]string{"-d", "sql:" + dir}, args...)
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Fatalf("certutil %v: %v\n%s", args, err, out)
		}
	}
}

// visit is what drive.mjs is asked to do.
type visit struct {
	Browser    string   `json:"browser"`
	Executable string   `json:"executable"`
	Profile    string   `json:"profile"`
	Hosts      []string `json:"hosts"`
	Pages      []page   `json:"pages"`
	Timeout    int64    `json:"timeout"` // milliseconds, for each thing
	Dark       bool     `json:"dark"`    // the user has asked for that
}

// page is one page that a browser opens.
type page struct {
	URL        string `json:"url"`
	Results    bool   `json:"results"` // wait for what the page found
	Screenshot string `json:"screenshot"`
	Look       *look  `json:"look,omitempty"`
}

// look is how a page is looked at that is not about requests.
type look struct {
	Width  int      `json:"width"`
	Height int      `json:"height"`
	Keys   []string `json:"keys"` // pressed once the page is there; Enter leads elsewhere
}

// sight is what drive.mjs saw: one entry for each page.
type sight struct {
	Version string `json:"version"`
	Pages   []struct {
		Status  int               `json:"status"`
		Error   string            `json:"error"`
		Results map[string]string `json:"results"`
		// Of a look.
		Console    []string `json:"console"` // errors
		Text       string   `json:"text"`
		URL        string   `json:"url"` // path and query
		Focus      string   `json:"focus"`
		Wider      int      `json:"wider"` // than the window, in pixels
		Background string   `json:"background"`
	} `json:"pages"`
}

// asking is a page that asks other hosts for something (page.html).
func (w *world) asking(t *testing.T, artefact, name string, steps ...string) page {
	t.Helper()
	return page{URL: w.url(name, "/page?do="+strings.Join(steps, ",")), Results: true, Screenshot: screenshot(t, artefact+"-"+name)}
}

// drive has a browser with a new home and a new profile open pages, one after
// the other. Those that ask others must open.
func (b browser) drive(t *testing.T, w *world, pages ...page) sight {
	t.Helper()
	return b.driveIn(t, w, false, pages...)
}

// driveIn is drive for a user who has asked for dark pages, or not.
func (b browser) driveIn(t *testing.T, w *world, dark bool, pages ...page) sight {
	t.Helper()
	home := t.TempDir()
	v := visit{
		Browser: strings.ToLower(b.name), Executable: require.Tool(t, b.programs...),
		Profile: filepath.Join(home, "profile"), Hosts: fullNames(), Pages: pages, Timeout: patience.Milliseconds(), Dark: dark,
	}
	if err := os.Mkdir(v.Profile, 0o700); err != nil {
		t.Fatal(err)
	}
	b.trust(t, home, v.Profile, w.caFile)
	input, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	require.Tool(t, "npm")
	require.File(t, "test/browsers/node_modules/puppeteer-core", "make test-browsers")

	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, require.Tool(t, "node"), "drive.mjs")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=", "MOZ_HEADLESS=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience / 6
	runErr := cmd.Run()

	var started struct{ PID int }
	first, rest, _ := bytes.Cut(stdout.Bytes(), []byte("\n"))
	if json.Unmarshal(first, &started) == nil && started.PID > 1 {
		// puppeteer starts the browser as the leader of a process group.
		if err := syscall.Kill(-started.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("end %s: %v", b.name, err)
		}
	}
	var s sight
	if runErr != nil {
		t.Fatalf("drive %s: %v\n%s", b.name, runErr, &stderr)
	}
	if err := json.Unmarshal(rest, &s); err != nil {
		t.Fatalf("drive %s: %v: %q\n%s", b.name, err, rest, &stderr)
	}
	if len(s.Pages) != len(pages) {
		t.Fatalf("%s opened %d pages of %d", b.name, len(s.Pages), len(pages))
	}
	for i, p := range pages {
		if p.Results && s.Pages[i].Status != 200 {
			t.Fatalf("%s opens %s: status %d, %s", b.name, p.URL, s.Pages[i].Status, s.Pages[i].Error)
		}
	}
	return s
}

// screenshot returns where one is kept.
func screenshot(t *testing.T, artefact string) string {
	t.Helper()
	dir := filepath.Join(require.Root(t), "bin", "browsers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, artefact+".png")
}

// test opens pages whose requests are misdirected: they are answered 421 on
// the connection of the page, and succeed on one of their own, and the page
// never knows. With ORIGIN frames, a browser that obeys them is never answered
// 421. It returns the world that it left, and the browser's version.
func (b browser) test(t *testing.T, originFrame v1alpha1.OriginFrame) (*world, string) {
	const posted = 16 * 4096
	want := map[string]string{
		"get:share":    "200 share.shop.test GET 0",
		"get:other":    "200 other.shop.test GET 0",
		"get:get":      "200 get.shop.test GET 0",
		"get:after":    "200 after.shop.test GET 0",
		"post:post":    fmt.Sprintf("200 post.shop.test POST %d", posted),
		"load:files":   "link script img ran",
		"get:optional": "200 optional.shop.test GET 0",
		"get:locked":   "failed: TypeError",
	}
	w := newWorld(t, originFrame)
	artefact := strings.ToLower(b.name + "-origin-" + string(originFrame))
	s := b.drive(t, w,
		w.asking(t, artefact, "page", "get:share", "get:other"),
		w.asking(t, artefact, "page-get", "get:get", "get:after"),
		w.asking(t, artefact, "page-post", "post:post"),
		w.asking(t, artefact, "page-files", "load:files"),
		w.asking(t, artefact, "page-optional", "get:optional"),
		w.asking(t, artefact, "page-locked", "get:locked"),
		page{URL: w.url("locked", "/echo"), Screenshot: screenshot(t, artefact+"-locked")},
	)
	w.finish(t)
	results := make(map[string]string)
	for _, p := range s.Pages {
		maps.Copy(results, p.Results)
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("what the pages got (-want +got):\n%s", diff)
	}
	if there := s.Pages[len(s.Pages)-1]; there.Status == 200 || there.Error == "" {
		t.Errorf("going to locked.shop.test: %+v, want an error", there)
	}

	t.Logf("going to locked.shop.test: %.200s", s.Pages[len(s.Pages)-1].Error)
	prevented := b.obeysOrigin && originFrame != v1alpha1.OriginFrameNever
	for name, reason := range map[string]string{
		"get": "other_certificate", "post": "other_certificate", "files": "other_certificate", "optional": "tls_policy",
	} {
		w.checkRecovered(t, name, reason, prevented)
	}
	w.checkNeverServed(t, "locked")
	w.checkShared(t, "share", "page")
	if !prevented {
		w.checkShared(t, "other", "page")
	}
	if refused := w.refused(); prevented && len(refused) != 0 {
		t.Errorf("421 in spite of ORIGIN: %v", refused)
	}
	return w, s.Version
}

// checkRecovered asks that the first request for a host came on the connection
// of its page, was answered 421 for a reason, and then was served on one of its own;
// or, where 421s are prevented, that all came on that one.
func (w *world) checkRecovered(t *testing.T, name, reason string, prevented bool) {
	t.Helper()
	label := fmt.Sprintf("host=%q", fullName(name))
	refusals := w.metric(t, "ingress421_misdirected_requests_total", label, `retry="yes"`, fmt.Sprintf("reason=%q", reason))
	recovered := w.metric(t, "ingress421_misdirected_recovered_total", label)
	requests := w.requests(t, name)
	logged, refusedOn := 0, make(map[int]bool)
	for _, r := range requests {
		switch {
		case r.Protocol != "h2":
			t.Errorf("%s: %+v, want HTTP/2", name, r)
		case r.Status == 421:
			logged++
			refusedOn[r.SourcePort] = true
			if r.SNI != fullName("page-"+name) || r.Reason != reason {
				t.Errorf("%s: %+v, want the SNI of the page and reason %s", name, r, reason)
			}
		case r.Status != 200 || r.SNI != fullName(name) || refusedOn[r.SourcePort]:
			t.Errorf("%s: %+v, want 200 on a connection of its own", name, r)
		}
	}
	if float64(logged) != refusals {
		t.Errorf("%s: %d requests in the access log were refused, %v in the metric", name, logged, refusals)
	}
	if prevented {
		if len(requests) == 0 || logged != 0 || recovered != 0 {
			t.Errorf("%s: %v recovered of %+v, want no refusal", name, recovered, requests)
		}
		return
	}
	if logged == 0 || requests[0].Status != 421 || requests[len(requests)-1].Status != 200 {
		t.Errorf("%s: %+v, want 421 first and 200 at last", name, requests)
	}
	if recovered != 1 {
		t.Errorf("%s: misdirected_recovered_total is %v, want 1", name, recovered)
	}
}

// checkShared asks that all requests for a host came on connections of
// another, and were served.
func (w *world) checkShared(t *testing.T, name, other string) {
	t.Helper()
	requests := w.requests(t, name)
	if len(requests) == 0 {
		t.Errorf("%s was asked nothing", name)
	}
	for _, r := range requests {
		if r.SNI != fullName(other) || r.Status != 200 {
			t.Errorf("%s: %+v, want 200 on a connection of %s", name, r, other)
		}
	}
}

// checkNeverServed asks that a host was tried, and no request for it served.
func (w *world) checkNeverServed(t *testing.T, name string) {
	t.Helper()
	for _, r := range w.requests(t, name) {
		if r.Status != 421 {
			t.Errorf("%s: %+v, want it never served", name, r)
		}
	}
	// Some clients answer the request for a certificate by closing.
	if failed := w.metric(t, "ingress421_tls_handshakes_total", `result="error"`) +
		w.metric(t, "ingress421_tls_handshakes_total", `result="client_certificate"`); failed == 0 {
		t.Errorf("%s: no handshake failed", name)
	}
}

// Hosts of one certificate share one connection under the default rule: that
// of the page carries the requests for both.
func TestBrowsersShareAConnection(t *testing.T) {
	asked(t)
	for _, b := range browsers() {
		t.Run(b.name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.OriginFrameAuto)
			s := b.drive(t, w, w.asking(t, strings.ToLower(b.name), "page", "get:share", "post:share", "load:share"))
			w.finish(t)
			for step, result := range s.Pages[0].Results {
				if strings.HasPrefix(result, "failed") {
					t.Errorf("%s: %s", step, result)
				}
			}
			w.checkShared(t, "share", "page")
			connections := make(map[int]bool)
			for _, r := range append(w.requests(t, "page"), w.requests(t, "share")...) {
				connections[r.SourcePort] = true
			}
			if len(connections) != 1 {
				t.Errorf("requests came on the ports %v, want one connection", connections)
			}
			if refused := w.refused(); len(refused) != 0 {
				t.Errorf("421s: %v", refused)
			}
		})
	}
}

// asked skips tests that only their own make target runs.
func asked(t *testing.T) {
	t.Helper()
	require.Asked(t, "BROWSERS", "make test-browsers")
}
