package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/ingress421/ingress421"

// room says what one package, or a tree of them, may import in its non-test
// files. A path that ends in "/..." stands for the package and all below it.
// Packages of this module are named by their folder, as in "internal/hostmap".
type room struct {
	path   string
	may    []string    // besides the standard library
	never  []forbidden // wins over may, and holds for the standard library too
	reason string      // of may
}

type forbidden struct {
	path   string
	reason string
}

const (
	anything   = "*"
	xnet       = "golang.org/x/net/..."
	prometheus = "github.com/prometheus/..."
)

// pure is what no room of the compiler imports.
var pure = []forbidden{
	{"context", "compilation is a pure function: it neither waits nor can be cancelled"},
	{"log/...", "compilation is a pure function: what is wrong with an object is a problem in its result"},
	{"net/http/...", "compilation is a pure function: it asks nobody"},
	{"os/...", "compilation is a pure function: its whole input is an argument"},
}

// rooms is the import table, from the roof to the ground floor. A package that
// no line names is an error: a new room needs a line, with its reason.
var rooms = []room{
	{
		path:   ".",
		may:    []string{"cmd"},
		reason: "main only starts the command line, which tests can call",
	},
	{
		path:   "cmd/process/...",
		may:    []string{anything},
		never:  []forbidden{{"test/...", "test helpers are not shipped"}, {"internal/testkit/...", "test helpers are not shipped"}, {"cmd", "a process is started by a command, a test or the demo, and knows no flags"}},
		reason: "the roof wires everything together",
	},
	{
		path:   "cmd/demo/...",
		may:    []string{"cmd/process", "proxy", "api/...", "k8s.io/api/...", "k8s.io/apimachinery/...", "sigs.k8s.io/yaml", xnet},
		reason: "the demo is a user like others: it serves by a process and knows of it what a client and an operator can see",
	},
	{
		path:   "cmd/...",
		may:    []string{anything},
		never:  []forbidden{{"test/...", "test helpers are not shipped"}, {"internal/testkit/...", "test helpers are not shipped"}},
		reason: "the roof wires everything together",
	},
	{
		path:   "internal/admin/...",
		may:    []string{"internal/hostmap", "internal/hostmap/mapjson", "internal/audit", "internal/explain", prometheus},
		reason: "the read-only page shows the host map, whoever built it and whoever serves it",
	},
	{
		path:   "controllers/...",
		may:    []string{"internal/source", "internal/compile", "internal/compile/problem", "internal/hostmap", "api/...", "k8s.io/...", "sigs.k8s.io/...", "github.com/go-logr/logr/...", prometheus},
		never:  []forbidden{{"proxy/...", "the cluster and the wire share the host map alone, so that either can be replaced and tested without the other"}},
		reason: "what lists a cluster and writes its status knows the cluster",
	},
	{
		path:   "internal/manifests/...",
		may:    []string{"internal/source", "internal/compile", "internal/hostmap", "api/...", "k8s.io/...", "sigs.k8s.io/...", "github.com/fsnotify/fsnotify", "go.yaml.in/yaml/v3", prometheus},
		never:  []forbidden{{"proxy/...", "the folder and the wire share the host map alone, so that either can be replaced and tested without the other"}},
		reason: "what lists a folder knows YAML files",
	},
	{
		path: "internal/source/...",
		may:  []string{"internal/compile", "internal/hostmap", "internal/hostsfile", "api/...", "k8s.io/api/...", "k8s.io/apimachinery/..."},
		never: []forbidden{
			{"proxy/...", "what is published goes through a function: sources and the wire share the host map alone"},
			{"k8s.io/client-go/...", "the loop is the same for a cluster and a folder, so it knows neither"},
			{"controllers/...", "the loop is the same for a cluster and a folder, so it knows neither"},
			{"internal/manifests/...", "the loop is the same for a cluster and a folder, so it knows neither"},
		},
		reason: "the loop compiles and publishes what others list",
	},
	{
		path:   "internal/hostsfile",
		may:    []string{"internal/compile", "internal/hostmap", "sigs.k8s.io/yaml"},
		reason: "what a file of hosts says is the same beside a cluster and a folder, so it knows neither",
	},
	{
		path: "proxy",
		may:  []string{"internal/hostmap", "proxy/balance", "proxy/edge", "proxy/forward", "proxy/gate", "proxy/h2", "proxy/http1", "proxy/message", "proxy/observe", "proxy/socket", "proxy/upstream", prometheus},
		never: []forbidden{
			{"k8s.io/...", "the wire knows no Kubernetes: what it serves is in the host map"},
			{"sigs.k8s.io/...", "the wire knows no Kubernetes: what it serves is in the host map"},
			{"internal/compile", "a request never causes a compilation"},
			{"controllers/...", "the cluster and the wire share the host map alone"},
			{"api/...", "the wire knows no Kubernetes: what it serves is in the host map"},
		},
		reason: "the wire wires its rooms, and publishes maps to them",
	},
	{
		path:   "proxy/edge/...",
		may:    []string{"internal/hostmap", "proxy/h2", "proxy/http1", "proxy/message", "proxy/observe", "proxy/socket", "github.com/pires/go-proxyproto"},
		reason: "who a client is, and under which certificate and limits it is served, is settled before its first request",
	},
	{
		path:   "proxy/socket/...",
		may:    nil,
		reason: "system calls know no protocol",
	},
	{
		path:   "proxy/gate/...",
		may:    []string{"internal/hostmap", "proxy/message", "proxy/observe", xnet, "github.com/tg123/go-htpasswd"},
		reason: "who is let in follows from the host map and from what the request says, not from where it would go; how passwords are hashed is for a library to know",
	},
	{
		path:   "proxy/forward/...",
		may:    []string{"internal/hostmap", "proxy/balance", "proxy/field", "proxy/message", "proxy/observe", "proxy/upstream", xnet},
		reason: "what goes to a backend and comes back is the same whichever protocol a client speaks, and was judged before",
	},
	{
		path:   "proxy/message/messagetest",
		may:    []string{"proxy/h2", "proxy/message", xnet},
		reason: "it stands in for the engines in tests of the rooms above",
	},
	{
		path:   "proxy/message/...",
		may:    []string{"internal/hostmap", "proxy/field", "proxy/h2", "proxy/http1", xnet},
		reason: "a request and its response are of one protocol or the other, and what becomes of them is for the rooms above",
	},
	{
		path:   "proxy/balance/...",
		may:    []string{"internal/hostmap", "proxy/upstream", prometheus},
		reason: "what is tried next follows from a backend's endpoints and from how a try ended, not from what a client speaks",
	},
	{
		path:   "proxy/observe/...",
		may:    []string{"internal/hostmap", xnet, prometheus},
		reason: "what is told of a request is plain values, whoever read, judged and forwarded it",
	},
	{
		path:   "proxy/h2/...",
		may:    []string{"proxy/field", "proxy/frame", "proxy/owned", xnet, prometheus},
		reason: "an HTTP/2 engine knows frames and streams, not hosts and certificates",
	},
	{
		path:   "proxy/frame/...",
		may:    []string{"proxy/field", "proxy/owned", xnet},
		reason: "frames on their way are the same for both ends of HTTP/2, and know no requests",
	},
	{
		path:   "proxy/owned/...",
		reason: "who owns what can be asked of every room of the wire",
	},
	{
		path:   "proxy/http1/...",
		may:    []string{"proxy/field", "proxy/owned", xnet, prometheus},
		reason: "an HTTP/1.1 engine knows messages, not hosts and certificates",
	},
	{
		path:   "proxy/field/...",
		may:    []string{xnet, prometheus},
		reason: "what octets a field may have, and what becomes of it, is the same for every protocol and both sides",
	},
	{
		path:   "proxy/upstream/...",
		may:    []string{"proxy/field", "proxy/frame", "proxy/owned", xnet, prometheus},
		reason: "a pool knows endpoints and protocols, not hosts and certificates",
	},
	{
		path:   "internal/explain/...",
		may:    []string{"internal/hostmap"},
		reason: "why a request is answered so is a pure function of the host map",
	},
	{
		path:   "internal/audit/...",
		may:    []string{"internal/hostmap"},
		reason: "the report is a pure function of the host map",
	},
	{
		path: "internal/compile",
		may: []string{
			"internal/compile/problem", "internal/compile/object", "internal/compile/class", "internal/compile/claim", "internal/compile/guarded", "internal/compile/ingress",
			"internal/hostmap", "api/...", "k8s.io/api/...", "k8s.io/apimachinery/...", "sigs.k8s.io/gateway-api/apis/v1",
		},
		never:  pure,
		reason: "a table of contents: its input has objects of all kinds, which it hands to the rooms that know them",
	},
	{
		path:   "internal/compile/ingress",
		may:    []string{"internal/compile/claim", "internal/compile/class", "internal/compile/guarded", "internal/compile/object", "internal/compile/problem", "internal/compile/snippet", "internal/hostmap", "api/...", "k8s.io/api/networking/...", "k8s.io/apimachinery/..."},
		never:  pure,
		reason: "the one room that knows Ingresses turns them into claims",
	},
	{
		path:   "internal/compile/claim",
		may:    []string{"internal/compile/class", "internal/compile/object", "internal/compile/problem", "internal/hostmap"},
		never:  append(pure, forbidden{"k8s.io/...", "another object model is one more reader of claims"}),
		reason: "who owns a host, and what its site is, follows from claims alone",
	},
	{
		path:   "internal/compile/class",
		may:    []string{"internal/compile/object", "internal/compile/problem", "internal/hostmap", "api/...", "k8s.io/api/networking/...", "k8s.io/apimachinery/..."},
		never:  pure,
		reason: "IngressClasses and AuthorityPolicies hold for whatever claims a host by them, and are read before it",
	},
	{
		path:   "internal/compile/guarded",
		may:    []string{"internal/compile/claim", "internal/compile/class", "internal/compile/object", "internal/compile/problem", "internal/hostmap", "k8s.io/apimachinery/...", "sigs.k8s.io/gateway-api/apis/v1"},
		never:  pure,
		reason: "what a guarded controller serves beside Ingresses is claimed as theirs is; only this room knows Gateways",
	},
	{
		path:   "internal/compile/object",
		may:    []string{"internal/compile/problem", "internal/hostmap", "k8s.io/api/core/...", "k8s.io/api/discovery/...", "k8s.io/apimachinery/..."},
		never:  pure,
		reason: "what Services, EndpointSlices and Secrets hold is the same whoever names them",
	},
	{
		path:   "internal/compile/snippet",
		may:    []string{"internal/hostmap"},
		never:  append(pure, forbidden{"k8s.io/...", "nginx's configuration knows no objects"}),
		reason: "what a piece of nginx's configuration asks for is said in terms of the host map",
	},
	{
		path:   "internal/compile/problem",
		may:    []string{"internal/hostmap"},
		never:  append(pure, forbidden{"k8s.io/...", "a problem names an object, whatever its type"}),
		reason: "every room of the compiler has problems to report",
	},
	{
		path:   "api/...",
		may:    []string{"k8s.io/apimachinery/..."},
		reason: "other programs import the API types, and should get nothing else with them",
	},
	{
		path:   "internal/hostmap/mapjson",
		may:    []string{"internal/hostmap"},
		reason: "the form of a map stands beside the map, for whoever shows it or asks it from afar",
	},
	{
		path: "internal/hostmap",
		may:  []string{"golang.org/x/net/idna"},
		never: []forbidden{
			{"context", "the rule is a pure function: it neither waits nor can be cancelled"},
			{"log/...", "the rule is a pure function: its verdict says all there is to say"},
			{"net/http/...", "the rule is the same for every protocol, so it knows none"},
			{"os/...", "the rule is a pure function: its whole input is an argument"},
		},
		reason: "the ground floor stands on nothing",
	},
	{
		path:   "internal/testkit/...",
		may:    []string{"test/require"},
		reason: "tests of every room use it, so that it knows none of them",
	},
	{
		path:   "test/...",
		may:    []string{anything},
		reason: "test helpers are not shipped",
	},
}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	watchFolders(t)
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read the output of go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatal("go list names no package")
	}
	for _, breach := range breaches(packages) {
		t.Error(breach)
	}
}

// watchFolders opens each folder of the module, so that the test cache notices
// a change of a source file although go list, another process, reads it.
func watchFolders(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (path == "bin" || path == "tools" || len(path) > 1 && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatalf("walk the module: %v", err)
	}
}

// breaches returns a sentence for each import that the table does not allow and
// for each package that it does not know.
func breaches(packages []goPackage) []string {
	var found []string
	for _, p := range packages {
		name := local(p.ImportPath)
		i := slices.IndexFunc(rooms, func(r room) bool { return within(name, r.path) })
		if i < 0 {
			found = append(found, fmt.Sprintf("%s: no line of the import table names it; add one, with its reason", name))
			continue
		}
		for _, imported := range p.Imports {
			if why := rooms[i].refuses(local(imported)); why != "" {
				found = append(found, fmt.Sprintf("%s must not import %s: %s", name, local(imported), why))
			}
		}
	}
	return found
}

// refuses says why the room may not import a package, or "" if it may.
func (r room) refuses(imported string) string {
	for _, f := range r.never {
		if within(imported, f.path) {
			return f.reason
		}
	}
	allowed := func(path string) bool { return path == anything || within(imported, path) }
	if standard(imported) || slices.ContainsFunc(r.may, allowed) {
		return ""
	}
	return r.reason
}

// local turns the import path of a package of this module into its folder.
func local(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}

// standard tells packages of the standard library from others: their first
// element has no dot, and they are not folders of this module.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	ours := slices.ContainsFunc(rooms, func(r room) bool { return within(path, r.path) })
	return !strings.Contains(first, ".") && !ours
}

// within reports whether path is the package that pattern names, or one below
// it if pattern ends in "/...".
func within(path, pattern string) bool {
	tree, below := strings.CutSuffix(pattern, "/...")
	return path == tree || below && strings.HasPrefix(path, tree+"/")
}

func TestBreaches(t *testing.T) {
	tests := []struct {
		name string
		pkg  goPackage
		want []string
	}{
		{
			name: "standard library and named packages are allowed",
			pkg:  goPackage{module + "/proxy/message", []string{"net/http", module + "/proxy/h2", "golang.org/x/net/http2/hpack"}},
		},
		{
			name: "the wire and the cluster never meet",
			pkg:  goPackage{module + "/proxy", []string{module + "/controllers", "k8s.io/api/networking/v1"}},
			want: []string{
				"proxy must not import controllers: the cluster and the wire share the host map alone",
				"proxy must not import k8s.io/api/networking/v1: the wire knows no Kubernetes: what it serves is in the host map",
			},
		},
		{
			name: "a forbidden part of the standard library",
			pkg:  goPackage{module + "/internal/hostmap", []string{"crypto/x509", "log/slog", "net/http"}},
			want: []string{
				"internal/hostmap must not import log/slog: the rule is a pure function: its verdict says all there is to say",
				"internal/hostmap must not import net/http: the rule is the same for every protocol, so it knows none",
			},
		},
		{
			name: "another package of ours that no line allows",
			pkg:  goPackage{module + "/internal/audit", []string{module + "/internal/compile"}},
			want: []string{"internal/audit must not import internal/compile: the report is a pure function of the host map"},
		},
		{
			name: "another module that no line allows",
			pkg:  goPackage{module + "/proxy/h2", []string{"go.uber.org/zap"}},
			want: []string{"proxy/h2 must not import go.uber.org/zap: an HTTP/2 engine knows frames and streams, not hosts and certificates"},
		},
		{
			name: "test helpers are not shipped",
			pkg:  goPackage{module + "/cmd", []string{module + "/proxy", module + "/test/kube"}},
			want: []string{"cmd must not import test/kube: test helpers are not shipped"},
		},
		{
			name: "an unknown room",
			pkg:  goPackage{module + "/internal/util", nil},
			want: []string{"internal/util: no line of the import table names it; add one, with its reason"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, breaches([]goPackage{tt.pkg})); diff != "" {
				t.Errorf("breaches (-want +got):\n%s", diff)
			}
		})
	}
}
