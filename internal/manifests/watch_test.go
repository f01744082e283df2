package manifests

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// published is one host map that was made live.
type published struct {
	hosts    string // those served, joined by blanks
	problems []hostmap.Problem
	at       time.Time
}

// running is a Run that goes on.
type running struct {
	t    *testing.T
	dir  string
	maps chan published
}

// start runs a folder until the test ends.
func start(t *testing.T, dir string) *running {
	t.Helper()
	s := &running{t: t, dir: dir, maps: make(chan published, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var at time.Time
	go func() {
		ended <- Run(ctx, Config{
			Dir: dir,
			Config: source.Config{
				Controller: "ingress421.dev/controller",
				Publish:    func(*hostmap.Map) { at = time.Now() },
				Report: func(o source.Outcome) {
					var hosts []string
					for _, site := range o.Map.Sites() {
						hosts = append(hosts, site.Host)
					}
					s.maps <- published{strings.Join(hosts, " "), o.Problems, at}
				},
				Log: slog.New(slog.DiscardHandler),
			},
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// want waits for a map that serves just these hosts and has a problem with
// this text in it, unless it is "", which asks for no problem with a file.
func (s *running) want(hosts, problem string) published {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	var last published
	for {
		select {
		case last = <-s.maps:
			holds := func(p hostmap.Problem) bool {
				if problem == "" {
					return p.Kind == KindFile
				}
				return strings.Contains(p.String(), problem)
			}
			if last.hosts == hosts && slices.ContainsFunc(last.problems, holds) == (problem != "") {
				return last
			}
		case <-deadline:
			s.t.Fatalf("no map with hosts %q and problem %q; the last had hosts %q and problems %v", hosts, problem, last.hosts, last.problems)
		}
	}
}

func (s *running) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *running) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestRunFollowsTheFolder(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	s.want("", "")
	path := func(name string) string { return filepath.Join(dir, name) }

	s.write("a.yaml", ingress("a", "a.test"))
	s.want("a.test", "")
	s.write("b.json", `{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"b"},"spec":{"rules":[{"host":"b.test"}]}}`)
	s.want("a.test b.test", "")
	s.write("a.yaml", ingress("a", "a2.test"))
	s.want("a2.test b.test", "")
	// Written aside under a name that does not count, and renamed over.
	s.write(".a.yaml", "half: ")
	s.write("a.yaml.new", ingress("a", "a3.test"))
	s.do(os.Rename(path("a.yaml.new"), path("a.yaml")))
	s.want("a3.test b.test", "")
	s.do(os.Remove(path("b.json")))
	s.want("a3.test", "")
	// Two names for one object: the first file by name holds.
	s.write("0.yaml", ingress("a", "a4.test"))
	s.want("a4.test", "Ingress default/a: ObjectDuplicate: a.yaml:1: also in 0.yaml:1")
}

func TestBadFileKeepsItsLastGoodContent(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	s.want("", "")
	s.write("a.yaml", ingress("a", "a.test"))
	s.write("b.yaml", ingress("b", "b.test"))
	s.want("a.test b.test", "")

	s.write("a.yaml", ingress("a2", "a2.test")+"---\nkind: [\n")
	s.want("a.test b.test", "a.yaml:10: yaml: line ")
	// The others go on to change.
	s.write("b.yaml", ingress("b", "b2.test"))
	s.want("a.test b2.test", "its last good content stays")
	s.write("a.yaml", "")
	s.want("a.test b2.test", "FileEmpty")
	s.write("a.yaml", "# withdrawn\n")
	s.want("b2.test", "")

	if os.Geteuid() != 0 { // Root reads everything.
		s.do(os.Chmod(filepath.Join(dir, "b.yaml"), 0))
		s.want("b2.test", "FileUnreadable")
		s.do(os.Chmod(filepath.Join(dir, "b.yaml"), 0o600))
		s.want("b2.test", "")
	}
	s.do(os.Remove(filepath.Join(dir, "b.yaml")))
	s.want("", "")
}

// A misspelt field could be the one that asks for client certificates.
func TestUnknownFieldKeepsTheLastGoodContent(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	s.want("", "")
	s.write("a.yaml", ingress("a", "a.test"))
	s.want("a.test", "")
	bad := strings.Replace(ingress("a", "a2.test"), "metadata: {", "metadata: {anotations: {x: y}, ", 1)
	s.write("a.yaml", bad)
	s.want("a.test", `unknown field "metadata.anotations"; the document is not taken; its last good content stays`)
	s.write("b.yaml", bad+"---\n"+ingress("b", "b.test"))
	s.want("a.test b.test", "b.yaml:1: Ingress a: unknown field \"metadata.anotations\"; the document is not taken")
	s.write("a.yaml", ingress("a", "a2.test"))
	s.want("a2.test b.test", "b.yaml:1")
}

func TestFileThatNeverWasGoodGivesWhatParses(t *testing.T) {
	dir := t.TempDir()
	s := &running{t: t, dir: dir}
	s.write("a.yaml", ingress("a", "a.test")+"---\nkind: [\n")
	s = start(t, dir)
	s.want("a.test", "a.yaml:10:")
}

// A file that grows in pieces is read once it is quiet, and a piece that does
// not parse costs nothing.
func TestPartialWrite(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	s.want("", "")
	s.write("a.yaml", ingress("a", "a.test"))
	s.want("a.test", "")
	text := ingress("a", "new.test")
	f, err := os.Create(filepath.Join(dir, "a.yaml"))
	s.do(err)
	defer f.Close()
	cut := strings.Index(text, "pathType") + 2
	_, err = f.WriteString(text[:cut])
	s.do(err)
	s.want("a.test", "its last good content stays")
	_, err = f.WriteString(text[cut:])
	s.do(err)
	s.want("new.test", "")
}

// A mounted ConfigMap: files are symlinks through ..data, which is a symlink
// that is renamed over.
func TestConfigMapSwap(t *testing.T) {
	dir := t.TempDir()
	s := &running{t: t, dir: dir}
	version := func(name, host string) {
		s.do(os.Mkdir(filepath.Join(dir, name), 0o700))
		s.write(name+"/a.yaml", ingress("a", host))
		// As long ago, and as large, as the other version.
		s.do(os.Chtimes(filepath.Join(dir, name, "a.yaml"), time.Time{}, time.Now().Truncate(24*time.Hour).Add(-24*time.Hour)))
		s.do(os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		s.do(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	version("..1", "one.test")
	s.do(os.Symlink("..data/a.yaml", filepath.Join(dir, "a.yaml")))
	s = start(t, dir)
	s.want("one.test", "")
	version("..2", "two.test")
	s.do(os.RemoveAll(filepath.Join(dir, "..1")))
	s.want("two.test", "")
}

// What events do not tell of: the target of a symlink, and a folder that is
// itself replaced.
func TestChangesWithoutEvents(t *testing.T) {
	outside, parent := t.TempDir(), t.TempDir()
	dir := filepath.Join(parent, "current")
	s := &running{t: t, dir: outside}
	s.do(os.Mkdir(filepath.Join(parent, "v1"), 0o700))
	s.do(os.Mkdir(filepath.Join(parent, "v2"), 0o700))
	s.do(os.Symlink("v1", dir))
	s.write("target", ingress("a", "a.test"))
	s.do(os.Symlink(filepath.Join(outside, "target"), filepath.Join(dir, "a.yaml")))
	s = start(t, dir)
	s.want("a.test", "")

	began := time.Now()
	s.do(os.WriteFile(filepath.Join(outside, "target"), []byte(ingress("a", "b.test")), 0o600))
	if took := s.want("b.test", "").at.Sub(began); took > time.Second {
		t.Errorf("a change without events took %v, want it within a second", took)
	}

	s.do(os.WriteFile(filepath.Join(parent, "v2", "a.yaml"), []byte(ingress("a", "v2.test")), 0o600))
	s.do(os.Symlink("v2", filepath.Join(parent, "next")))
	s.do(os.Rename(filepath.Join(parent, "next"), dir))
	s.want("v2.test", "")
	// The new folder's events arrive: five looks would take 2.5 s.
	s.dir = dir
	began = time.Now()
	for i := range 5 {
		host := fmt.Sprintf("v3-%d.test", i)
		s.write("a.yaml", ingress("a", host))
		s.want(host, "")
	}
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("five changes took %v: no events of the new folder", took)
	}
	s.write("a.yaml", ingress("a", "v3.test"))
	s.want("v3.test", "")

	// Without the folder everything stays, and is a problem.
	s.do(os.Rename(filepath.Join(parent, "v2"), filepath.Join(parent, "gone")))
	s.want("v3.test", "FolderUnreadable")
	s.do(os.Rename(filepath.Join(parent, "gone"), filepath.Join(parent, "v2")))
	s.want("v3.test", "")
}

func TestRunWithoutFolder(t *testing.T) {
	err := Run(t.Context(), Config{
		Dir: filepath.Join(t.TempDir(), "missing"),
		Config: source.Config{
			Publish: func(*hostmap.Map) { t.Error("a map was published") },
			Log:     slog.New(slog.DiscardHandler),
		},
	})
	if err == nil || !strings.HasPrefix(err.Error(), "read manifests: open ") {
		t.Errorf("error %v, want one that says what is missing", err)
	}
}

// A pipe would block its reader, and a symlink to nothing is told of.
func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	s := &running{t: t, dir: dir}
	s.do(os.Mkdir(filepath.Join(dir, "folder.yaml"), 0o700))
	s.write("folder.yaml/a.yaml", ingress("x", "x.test"))
	s.write("notes.txt", "no")
	s.do(os.Symlink("nowhere", filepath.Join(dir, "b.yaml")))
	s.write("a.yml", ingress("a", "a.test"))
	got, err := Load(t.Context(), source.Config{}, dir)
	s.do(err)
	var problems []hostmap.Problem
	for _, p := range got.Problems {
		if p.Kind == KindFile {
			problems = append(problems, p)
		}
	}
	if len(got.Input.Ingresses) != 1 || len(problems) != 2 || problems[0].Reason != ReasonFileUnreadable || problems[0].Name != filepath.Join(dir, "b.yaml") ||
		problems[1].Reason != ReasonFolderPassedOver || problems[1].Name != filepath.Join(dir, "folder.yaml") {
		t.Errorf("%d Ingresses and problems %v, want 1, FileUnreadable of b.yaml and FolderPassedOver of folder.yaml", len(got.Input.Ingresses), problems)
	}
	if !got.Input.AnyClass {
		t.Error("a folder without classes must serve every Ingress")
	}
}

// Changes that cost much wait longer and longer for their turn, and the last one
// is published.
func TestCostlyChangesRest(t *testing.T) {
	const cost = 60 * time.Millisecond
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	type turn struct {
		at   time.Time
		host string
	}
	turns, ended := make(chan turn, 100), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{
			Dir: dir,
			Config: source.Config{
				Controller: "ingress421.dev/controller", Log: slog.New(slog.DiscardHandler),
				Publish: func(m *hostmap.Map) {
					began, host := time.Now(), ""
					if sites := m.Sites(); len(sites) != 0 {
						host = sites[0].Host
					}
					for time.Since(began) < cost {
						runtime.Gosched()
					}
					turns <- turn{began, host}
				},
			},
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s := &running{t: t, dir: dir}
	<-turns
	var last turn
	for i, n := 0, 0; n < 3; i++ {
		s.write("a.yaml", ingress("a", fmt.Sprintf("h%d.test", i)))
		select {
		case now := <-turns:
			if n++; n > 1 && now.at.Sub(last.at) < 5*cost {
				t.Errorf("a map %v after the one before, which cost %v", now.at.Sub(last.at), cost)
			}
			last = now
		case <-time.After(time.Millisecond):
		}
	}
	s.write("a.yaml", ingress("a", "last.test"))
	for last.host != "last.test" {
		last = <-turns
	}
}

// TestLatency logs the time from the end of a write to the map that holds it.
func TestLatency(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	s.want("", "")
	var took []time.Duration
	for i := range 10 {
		host := fmt.Sprintf("h%d.test", i)
		s.write("a.yaml", ingress("a", host))
		began := time.Now()
		took = append(took, s.want(host, "").at.Sub(began))
	}
	slices.Sort(took)
	t.Logf("write to publish: median %v, slowest %v", took[len(took)/2], took[len(took)-1])
	if took[len(took)-1] > time.Second {
		t.Errorf("a change took %v, want it live within a second", took[len(took)-1])
	}
	if took[len(took)/2] > 300*time.Millisecond {
		t.Errorf("the median change took %v: not by events", took[len(took)/2])
	}
}
