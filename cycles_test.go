package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hub is a file that others of its package may use although it uses them. The
// usual reason is a type whose methods stand in files by subject: each of them
// uses the type, and what the type is made of, or begins with, uses them.
type hub struct {
	pkg, file string // folder and name
	reason    string
}

// hubs are those that there are. Between all other files arrows go down only: what
// a file declares can be read without the files that use it.
var hubs = []hub{
	{"cmd", "root.go", "the kinds of errors, beside the command that names all others"},
	{"cmd", "objects.go", "flags that say which objects are meant, shared by commands"},
	{"cmd/check", "report.go", "the report's builder, whose methods stand by what they look at"},
	{"cmd/process", "process.go", "Config, which all read, beside what starts them"},
	{"controllers", "config.go", "Config, which all read, beside what starts them"},
	{"controllers", "watches.go", "the watched cluster, whose methods stand by kind"},
	{"controllers", "writer.go", "the writer, whose methods stand by what they write"},
	{"internal/admin", "page.go", "the page, which rows of lists are made for"},
	{"internal/admin", "listing.go", "a list, whose rows stand in a file of their own"},
	{"internal/audit", "audit.go", "the auditor, whose methods stand by what they look at"},
	{"internal/compile/claim", "build.go", "the builder, whose methods stand by step"},
	{"internal/compile/claim", "claim.go", "what a claimant asks for, and how two of them are told apart"},
	{"internal/compile/claim", "host.go", "a host under construction, which every step adds to"},
	{"internal/compile/class", "policy.go", "the reader of policies, whose methods stand by field"},
	{"internal/compile/guarded", "read.go", "the reader, whose methods stand by kind"},
	{"internal/compile/ingress", "annotation.go", "the table, which names its families of rows"},
	{"internal/compile/ingress", "rules.go", "a rule, which gives its backend and its paths their names"},
	{"internal/compile/ingress", "ingress.go", "the reader, whose methods stand by field"},
	{"internal/compile/object", "backend.go", "a Service, its ports and its addresses are remembered as one value"},
	{"internal/compile/object", "endpoints.go", "a Service, its ports and its addresses are remembered as one value"},
	{"internal/compile/object", "secrets.go", "what is parsed of a Secret is remembered beside it"},
	{"internal/compile/snippet", "snippet.go", "the reader, whose methods stand by what they read"},
	{"internal/hostmap", "map.go", "Map, which the rule reads and which knows for the ORIGIN frame what the rule would say"},
	{"internal/hostmap", "trace.go", "the steps of the rule, which Judge tells as it takes them"},
	{"internal/manifests", "decode.go", "an object and the place that it is written at name each other"},
	{"proxy/balance", "registry.go", "the registry, which backends are given back to"},
	{"proxy/frame", "sender.go", "the sender, whose methods stand by subject"},
	{"proxy/h2", "conn.go", "a connection, whose methods stand by subject"},
	{"proxy/h2", "read.go", "the read loop, which frames of every kind end"},
	{"proxy/h2", "lingering.go", "what goes on once a connection has no goroutine of its own"},
	{"proxy/h2", "stream.go", "a stream, which its connection holds and which holds it"},
	{"proxy/h2", "outgoing.go", "what a connection has to say, which readers and encoders add to"},
	{"proxy/h2", "timer.go", "a connection's one timer, which every wait sets"},
	{"proxy/h2", "workers.go", "goroutines of the engine, which streams are given to"},
	{"proxy/http1", "body.go", "the body of an exchange, which its connection skips"},
	{"proxy/http1", "conn.go", "a connection, whose methods stand by subject"},
	{"proxy/http1", "exchange.go", "an exchange, which its connection holds and which holds it"},
	{"proxy/upstream", "h2_conn.go", "a connection, whose methods stand by subject"},
	{"proxy/upstream", "h2_set.go", "the connections of a pool, which they take themselves out of"},
	{"proxy/upstream", "h2_stream.go", "a stream, which its connection holds and which holds it"},
	{"proxy/upstream", "h2_writer.go", "the write side of a connection, which every frame goes by"},
	{"proxy/upstream", "login.go", "connections that belong to one client, which pools keep apart"},
}

func TestNoCyclesBetweenFiles(t *testing.T) {
	watchFolders(t)
	for _, breach := range rings(packagesWithTypes(t), hubs) {
		t.Error(breach)
	}
}

// rings returns a sentence for each set of files that need each other by other
// ways than hubs, and for each hub that is none.
func rings(packages []filesOf, hubs []hub) []string {
	var out []string
	for _, p := range packages {
		files := make(map[string]bool)
		for _, h := range hubs {
			if h.pkg == p.folder {
				files[h.file] = true
			}
		}
		for _, ring := range tangles(without(p.uses, files)) {
			out = append(out, fmt.Sprintf("%s: %s need each other: let arrows go one way, or name a hub with its reason", p.folder, strings.Join(ring, ", ")))
		}
		for _, h := range slices.Sorted(maps.Keys(files)) {
			files[h] = false
			if len(tangles(without(p.uses, files))) == 0 {
				out = append(out, fmt.Sprintf("%s: %s is no hub: without it arrows go one way too", p.folder, h))
			}
			files[h] = true
		}
	}
	return out
}

// without leaves out the arrows to some files.
func without(uses map[string]map[string]bool, files map[string]bool) map[string]map[string]bool {
	left := make(map[string]map[string]bool, len(uses))
	for from, to := range uses {
		left[from] = maps.Clone(to)
		maps.DeleteFunc(left[from], func(f string, _ bool) bool { return files[f] })
	}
	return left
}

// filesOf are the files of a package, with those of it that each of them uses.
type filesOf struct {
	folder string
	uses   map[string]map[string]bool
}

// packagesWithTypes reads the non-test files of this module with their types.
// Imports come from the compiler's export data, which the build has made.
func packagesWithTypes(t *testing.T) []filesOf {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Standard,Module", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	type listed struct {
		ImportPath, Dir, Export string
		GoFiles                 []string
		Module                  *struct{ Path string }
	}
	var ours []listed
	exports := make(map[string]string)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read the output of go list: %v", err)
		}
		exports[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Path == module && !within(local(p.ImportPath), "test/...") { // what is not shipped has no rooms
			ours = append(ours, p)
		}
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var found []filesOf
	for _, p := range ours {
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		info := &types.Info{Uses: make(map[*ast.Ident]types.Object), Selections: make(map[*ast.SelectorExpr]*types.Selection)}
		conf := types.Config{Importer: imports}
		pkg, err := conf.Check(p.ImportPath, fset, files, info)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, filesOf{local(p.ImportPath), usesBetweenFiles(fset, pkg, info)})
	}
	return found
}

// usesBetweenFiles tells which files of a package use which others.
func usesBetweenFiles(fset *token.FileSet, pkg *types.Package, info *types.Info) map[string]map[string]bool {
	uses := make(map[string]map[string]bool)
	for ident, object := range info.Uses {
		if object.Pkg() != pkg {
			continue
		}
		from := filepath.Base(fset.Position(ident.Pos()).Filename)
		to := filepath.Base(fset.Position(object.Pos()).Filename)
		if from == to {
			continue
		}
		if uses[from] == nil {
			uses[from] = make(map[string]bool)
		}
		uses[from][to] = true
	}
	return uses
}

// tangles returns the sets of files that need each other (strongly connected
// components of more than one, by Tarjan), sorted.
func tangles(uses map[string]map[string]bool) (out [][]string) {
	index, low, onStack := make(map[string]int), make(map[string]int), make(map[string]bool)
	var stack []string
	var visit func(f string)
	visit = func(f string) {
		index[f] = len(index) + 1
		low[f] = index[f]
		stack = append(stack, f)
		onStack[f] = true
		for _, to := range slices.Sorted(maps.Keys(uses[f])) {
			if index[to] == 0 {
				visit(to)
				low[f] = min(low[f], low[to])
			} else if onStack[to] {
				low[f] = min(low[f], index[to])
			}
		}
		if low[f] != index[f] {
			return
		}
		i := slices.Index(stack, f)
		component := slices.Clone(stack[i:])
		stack = stack[:i]
		for _, g := range component {
			onStack[g] = false
		}
		if len(component) > 1 {
			slices.Sort(component)
			out = append(out, component)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(uses)) {
		if index[f] == 0 {
			visit(f)
		}
	}
	return out
}

// arrows makes "from to" of each text.
func arrows(texts ...string) map[string]map[string]bool {
	uses := make(map[string]map[string]bool)
	for _, text := range texts {
		from, to, _ := strings.Cut(text, " ")
		if uses[from] == nil {
			uses[from] = make(map[string]bool)
		}
		uses[from][to] = true
	}
	return uses
}

func TestRings(t *testing.T) {
	star := []filesOf{{"p", arrows("a.go hub.go", "hub.go a.go", "b.go hub.go", "hub.go b.go", "b.go a.go")}}
	for name, tt := range map[string]struct {
		packages []filesOf
		hubs     []hub
		want     []string
	}{
		"one way":   {[]filesOf{{"p", arrows("a.go b.go", "b.go c.go")}}, nil, nil},
		"a hub":     {star, []hub{{"p", "hub.go", "its reason"}}, nil},
		"a ring":    {star, nil, []string{"p: a.go, b.go, hub.go need each other: let arrows go one way, or name a hub with its reason"}},
		"another's": {star, []hub{{"q", "hub.go", "its reason"}}, []string{"p: a.go, b.go, hub.go need each other: let arrows go one way, or name a hub with its reason"}},
		"beside a hub": {star, []hub{{"p", "a.go", "its reason"}}, []string{
			"p: b.go, hub.go need each other: let arrows go one way, or name a hub with its reason",
		}},
		"mended": {[]filesOf{{"p", arrows("a.go hub.go")}}, []hub{{"p", "hub.go", "its reason"}}, []string{
			"p: hub.go is no hub: without it arrows go one way too",
		}},
	} {
		if diff := cmp.Diff(tt.want, rings(tt.packages, tt.hubs)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTangles(t *testing.T) {
	for name, tt := range map[string]struct {
		uses map[string]map[string]bool
		want [][]string
	}{
		"one way":             {arrows("a b", "b c", "a c"), nil},
		"two files":           {arrows("a b", "b a", "b c"), [][]string{{"a", "b"}}},
		"a ring":              {arrows("c a", "a b", "b c", "d a"), [][]string{{"a", "b", "c"}}},
		"two knots, a bridge": {arrows("a b", "b a", "b c", "c d", "d c"), [][]string{{"c", "d"}, {"a", "b"}}},
		"two rings, one file": {arrows("a b", "b a", "b c", "c b"), [][]string{{"a", "b", "c"}}},
	} {
		if diff := cmp.Diff(tt.want, tangles(tt.uses)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
