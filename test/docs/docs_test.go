package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/admin"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/proxy"
	"github.com/ingress421/ingress421/test/require"
)

// Links between pages lead to a file that is there, and to a heading in it.
func TestLinks(t *testing.T) {
	root := require.Root(t)
	links := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range files(t, ".md") {
		for _, match := range links.FindAllStringSubmatch(outsideFences(read(t, page)), -1) {
			link, err := url.Parse(match[1])
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if link.IsAbs() {
				continue
			}
			target := filepath.Join(root, page)
			if link.Path != "" {
				target = filepath.Join(filepath.Dir(target), link.Path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", page, match[1])
				continue
			}
			if link.Fragment != "" {
				rel, err := filepath.Rel(root, target)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(anchors(read(t, rel)), link.Fragment) {
					t.Errorf("%s links to %s, and that page has no such heading", page, match[1])
				}
			}
		}
	}
}

// docs/architecture.md names every room that is shipped, and nothing that is not
// there.
func TestArchitecture(t *testing.T) {
	page := outsideFences(read(t, "docs/architecture.md"))
	named := make(map[string]bool)
	for _, match := range regexp.MustCompile("`([a-z0-9_/]+(?:\\.go)?)`").FindAllStringSubmatch(page, -1) {
		named[match[1]] = true
		if _, err := os.Stat(filepath.Join(require.Root(t), match[1])); err != nil {
			t.Errorf("%s is not there", match[1])
		}
	}
	for _, file := range files(t, ".go") {
		room := filepath.ToSlash(filepath.Dir(file))
		top, _, _ := strings.Cut(room, "/")
		if strings.HasSuffix(file, "_test.go") || room == "." || strings.HasSuffix(room, "test") || slices.Contains([]string{"test", "tools", "examples"}, top) || named[room] {
			continue
		}
		named[room] = true
		t.Errorf("%s is not named", room)
	}
}

// docs/metrics.md has the metrics that a running process has, with their
// labels, and no others.
func TestMetrics(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	registered := registerer{admin.NewRecorder(log), admin.LinesLost{}}
	if _, err := proxy.New(proxy.Config{HTTPAddr: "127.0.0.1:0", Log: log, Registerer: &registered}); err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		for _, c := range registered {
			c.Describe(descs)
		}
	}()
	inProcess := map[string]string{}
	described := regexp.MustCompile(`fqName: "ingress421_([a-z0-9_]+)".*variableLabels: \{([a-z,]*)\}`)
	for d := range descs {
		match := described.FindStringSubmatch(d.String())
		if match == nil {
			t.Fatalf("metric %s has no name with our prefix", d)
		}
		inProcess[match[1]] = match[2]
	}

	inPage := map[string]string{}
	for _, row := range table(read(t, "docs/metrics.md"), "name, with the prefix `ingress421_`") {
		for name := range strings.SplitSeq(row[0], ", ") {
			inPage[strings.Trim(name, "`")] = strings.NewReplacer("`", "", " ", "").Replace(row[2])
		}
	}
	if diff := cmp.Diff(inProcess, inPage); diff != "" {
		t.Errorf("metrics and their labels (-process +docs/metrics.md):\n%s", diff)
	}
}

// docs/metrics.md has every value of the labels that say why.
func TestMetricReasons(t *testing.T) {
	inPage := map[string]string{}
	for _, row := range table(read(t, "docs/metrics.md"), "label") {
		inPage[strings.ReplaceAll(row[0], "`", "")] = row[1]
	}
	for _, tt := range []struct{ label, file, prefix string }{
		{"reason of connections_closed_total", "proxy/h2/errors.go", "Closed"},
		{"reason of connections_closed_total", "proxy/http1/errors.go", "Closed"},
		{"reason of connections_closed_total", "proxy/edge/enter.go", "closed"},
		{"reason of streams_refused_total", "proxy/h2/errors.go", "Why"},
		{"result of upstream_requests_total", "proxy/upstream/error.go", "Reason"},
	} {
		for _, value := range constants(t, tt.file, tt.prefix, text) {
			if !strings.Contains(inPage[tt.label], "`"+value+"`") {
				t.Errorf("docs/metrics.md says nothing of %s in the %s", value, tt.label)
			}
		}
	}
}

// docs/investigating.md has every reason that an answer of ours has.
func TestAnswerReasons(t *testing.T) {
	page := read(t, "docs/investigating.md")
	for _, tt := range []struct{ file, prefix string }{
		{"internal/hostmap/verdict.go", "Reason"},
		{"internal/hostmap/apply.go", "Reason"},
		{"internal/hostmap/backend.go", "Missing"},
		{"internal/hostmap/backend.go", "Unsupported"},
		{"proxy/gate/reason.go", "reason"},
		{"proxy/forward/failure.go", "reason"},
		{"proxy/http1/errors.go", "Why"},
		{"proxy/upstream/error.go", "Reason"},
	} {
		for _, value := range constants(t, tt.file, tt.prefix, text) {
			if !strings.Contains(page, "`"+value+"`") {
				t.Errorf("docs/investigating.md says nothing of %s", value)
			}
		}
	}
}

// registerer gathers what would be registered.
type registerer []prometheus.Collector

func (r *registerer) Register(c prometheus.Collector) error   { *r = append(*r, c); return nil }
func (r *registerer) MustRegister(cs ...prometheus.Collector) { *r = append(*r, cs...) }
func (r *registerer) Unregister(prometheus.Collector) bool    { return false }

// docs/annotations.md has the annotations that the compiler knows, and no others.
func TestAnnotations(t *testing.T) {
	inPage := map[string]bool{}
	for page := read(t, "docs/annotations.md"); ; { // a table for each scope
		var found bool
		if _, page, found = strings.Cut(page, "\n| annotation |"); !found {
			break
		}
		for _, row := range table("\n| annotation |"+page, "annotation") {
			inPage[strings.Trim(row[0], "`")] = true
		}
	}
	known := map[string]bool{}
	for _, name := range constants(t, "api/v1alpha1/annotations.go", "Annotation", func(e ast.Expr) (string, bool) {
		sum, ok := e.(*ast.BinaryExpr)
		if !ok {
			return "", false
		}
		return text(sum.Y)
	}) {
		ingress := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{
			Namespace: "n", Name: "i", Annotations: map[string]string{v1alpha1.AnnotationPrefix + name: "?"},
		}}
		_, problems, _ := compile.Build(nil, compile.Input{AnyClass: true, Ingresses: []*networkingv1.Ingress{ingress}})
		unknown := false
		for _, p := range problems {
			unknown = unknown || p.Reason == problem.AnnotationUnknown
		}
		if !unknown {
			known[name] = true
		}
	}
	if diff := cmp.Diff(sorted(known), sorted(inPage)); diff != "" {
		t.Errorf("annotations (-compiler +docs/annotations.md):\n%s", diff)
	}
}

// docs/install.md has a row for each reason of a problem.
func TestProblems(t *testing.T) {
	inPage := map[string]bool{}
	for _, row := range table(read(t, "docs/install.md"), "reason") {
		for reason := range strings.SplitSeq(row[0], ", ") {
			inPage[strings.Trim(reason, "`")] = true
		}
	}
	reasons := map[string]bool{}
	for _, reason := range constants(t, "internal/compile/problem/reason.go", "", text) {
		reasons[reason] = true
	}
	if diff := cmp.Diff(sorted(reasons), sorted(inPage)); diff != "" {
		t.Errorf("reasons (-compiler +docs/install.md):\n%s", diff)
	}
}

// A test that a page names as its witness is there.
func TestWitnesses(t *testing.T) {
	var code strings.Builder
	for _, file := range files(t, "_test.go") {
		code.WriteString(read(t, file))
	}
	witness := regexp.MustCompile("`(Test[A-Za-z]+)`")
	found := 0
	for _, page := range files(t, ".md") {
		for _, match := range witness.FindAllStringSubmatch(outsideFences(read(t, page)), -1) {
			found++
			if !strings.Contains(code.String(), "\nfunc "+match[1]+"(t *testing.T)") {
				t.Errorf("%s names %s, which is not there", page, match[1])
			}
		}
	}
	if found == 0 {
		t.Error("no page names a test")
	}
}

// files returns the paths, from the top of the repository, of the files whose
// names end in suffix.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var found []string
	root := require.Root(t)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() && (rel == "bin" || d.Name() == "node_modules" || len(d.Name()) > 1 && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, suffix) {
			found = append(found, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(require.Root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// table returns the cells of each row of the first table whose header begins
// with first.
func table(page, first string) [][]string {
	_, rest, _ := strings.Cut(page, "\n| "+first+" |")
	var rows [][]string
	for i, line := range strings.Split(rest, "\n") {
		switch {
		case i < 2: // the header and the line below it
		case !strings.HasPrefix(line, "| "):
			return rows
		default:
			var cells []string
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.TrimSpace(cell))
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

// constants returns the values of a file's constants whose names begin with
// prefix, as far as value can read them.
func constants(t *testing.T, name, prefix string, value func(ast.Expr) (string, bool)) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(require.Root(t), filepath.FromSlash(name)), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
			return true
		}
		if v, ok := value(spec.Values[0]); ok {
			found = append(found, v)
		}
		return true
	})
	if len(found) == 0 {
		t.Fatalf("%s has no constants %s*", name, prefix)
	}
	return found
}

func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(literal.Value)
	return s, err == nil
}

// outsideFences drops blocks of code, in which brackets are no links.
func outsideFences(page string) string {
	var kept []string
	for i, part := range strings.Split("\n"+page, "\n```") {
		if i%2 == 0 {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "\n")
}

// anchors returns the names that GitHub gives to a page's headings.
func anchors(page string) []string {
	var found []string
	drop := regexp.MustCompile(`[^a-z0-9 _-]`)
	for line := range strings.Lines(outsideFences(page)) {
		if heading := strings.TrimLeft(line, "#"); heading != line && strings.HasPrefix(heading, " ") {
			name := drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			found = append(found, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return found
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
