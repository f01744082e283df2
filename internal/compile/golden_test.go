package compile_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata/*.txtar")

// A case is a txtar file. Files before/*.yaml hold the objects that the
// previous map is built from, where there is one, and all other *.yaml files
// the objects of the map that is looked at. The file certs names certificates
// (see pki), the file options holds words that set fields of Input. The files
// map, problems and next are what is expected.
func TestGolden(t *testing.T) {
	for _, file := range goldenFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c := readCase(t, file)
			got := c.run()
			if *update {
				c.write(t, file, got)
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The order in which objects are listed means nothing.
func TestGoldenShuffled(t *testing.T) {
	for _, file := range goldenFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c := readCase(t, file)
			want := c.run()
			for seed := range uint64(8) {
				r := rand.New(rand.NewPCG(seed, 421))
				shuffle(r, &c.before)
				shuffle(r, &c.now)
				if diff := cmp.Diff(want, c.run()); diff != "" {
					t.Fatalf("seed %d: -sorted +shuffled:\n%s", seed, diff)
				}
			}
		})
	}
}

// A second run on an unchanged state returns the previous map itself.
func TestGoldenRebuilt(t *testing.T) {
	for _, file := range goldenFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c := readCase(t, file)
			first, problems, _ := compile.Build(c.previous(), c.now)
			text := first.String()
			second, again, _ := compile.Build(first, c.now)
			if second != first {
				t.Error("an unchanged state made another map")
			}
			if diff := cmp.Diff(problems, again); diff != "" {
				t.Errorf("problems of an unchanged state, -first +second:\n%s", diff)
			}
			if first.String() != text {
				t.Error("the second run changed the first map")
			}
		})
	}
}

func goldenFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases in testdata", err)
	}
	return files
}

type goldenCase struct {
	archive     *txtar.Archive
	certs       pki
	stepped     bool // there is a previous map
	before, now compile.Input
	want        result
}

// The record of a map gives a first run the same owners, and so the same map,
// but for what is kept of Secrets and policies that are gone.
func TestGoldenRecorded(t *testing.T) {
	for _, file := range goldenFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			if name := filepath.Base(file); strings.Contains(name, "last-good") {
				return
			}
			c := readCase(t, file)
			m, _, _ := compile.Build(c.previous(), c.now)
			restarted := c.now
			restarted.Owners = compile.Contested(m)
			fresh, _, _ := compile.Build(nil, restarted)
			if diff := cmp.Diff(m.String(), fresh.String()); diff != "" {
				t.Errorf("-running +restarted:\n%s", diff)
			}
		})
	}
}

type result struct{ Map, Problems, Next string }

func readCase(t testing.TB, file string) *goldenCase {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &goldenCase{archive: archive, certs: make(pki)}
	for _, f := range archive.Files {
		if f.Name == "certs" {
			c.certs.read(t, string(f.Data))
		}
	}
	options := "controller ingress421.dev/controller\nnow 2026-06-01T00:00:00Z\n"
	c.before, c.now = readOptions(t, options), readOptions(t, options)
	for _, f := range archive.Files {
		switch {
		case f.Name == "options":
			c.before, c.now = readOptions(t, options+string(f.Data)), readOptions(t, options+string(f.Data))
		case strings.HasPrefix(f.Name, "before/"):
			c.stepped = true
			c.certs.addObjects(t, &c.before, f)
		case strings.HasSuffix(f.Name, ".yaml"):
			c.certs.addObjects(t, &c.now, f)
		case f.Name == "map":
			c.want.Map = string(f.Data)
		case f.Name == "problems":
			c.want.Problems = string(f.Data)
		case f.Name == "next":
			c.want.Next = string(f.Data)
		}
	}
	return c
}

func readOptions(t testing.TB, text string) (in compile.Input) {
	for line := range strings.Lines(text) {
		word, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "now":
			now, err := time.Parse(time.RFC3339, value)
			if err != nil {
				t.Fatal(err)
			}
			in.Now = now
		case "controller":
			in.Controller = value
		case "class-names":
			in.ClassNames = strings.Split(value, ",")
		case "external-name":
			// NAMESPACE/SERVICE ADDRESS,...
			in.ExternalNames = true
			words := strings.Fields(value)
			namespace, name, _ := strings.Cut(words[0], "/")
			var addresses []netip.Addr
			for a := range strings.SplitSeq(words[1], ",") {
				addresses = append(addresses, netip.MustParseAddr(a))
			}
			in.EndpointSlices = append(in.EndpointSlices, compile.ExternalEndpoints(
				&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, addresses))
		case "classless":
			in.Classless = true
		case "any-class":
			in.AnyClass = true
		case "shared-hosts":
			in.AllowSharedHosts = true
		case "allow-loopback":
			in.AllowLoopback = true
		case "owner":
			host, ns, _ := strings.Cut(value, " ")
			if in.Owners == nil {
				in.Owners = make(map[string]string)
			}
			in.Owners[host] = ns
		case "guard":
			// CLASS,... NAMESPACE/SERVICE:PORT PROTOCOL
			words := strings.Fields(value)
			namespace, service, _ := strings.Cut(words[1], "/")
			name, port, _ := strings.Cut(service, ":")
			protocol, ok := compile.ParseGuardProtocol(words[2])
			if !ok {
				t.Fatalf("bad option %q", line)
			}
			in.Guarded = strings.Split(words[0], ",")
			in.Guard = hostmap.Guarded{Namespace: namespace, Service: name, Port: port, Protocol: protocol}
		case "guard-hosts":
			// NAMESPACE/SECRET HOST,... [MODE SECRET]
			words := strings.Fields(value)
			namespace, secret, _ := strings.Cut(words[0], "/")
			e := compile.GuardHostsEntry{Hosts: strings.Split(words[1], ","), Secret: hostmap.SecretRef{Namespace: namespace, Name: secret}}
			if len(words) == 4 {
				e.ClientCA = words[3]
				e.ClientAuth = map[string]hostmap.ClientAuth{"require": hostmap.ClientAuthRequire, "optional": hostmap.ClientAuthOptional}[words[2]]
			}
			if in.GuardHosts == nil {
				in.GuardHosts = &compile.GuardHosts{Name: "hosts.yaml"}
			}
			in.GuardHosts.Entries = append(in.GuardHosts.Entries, e)
		case "nginx":
			nginx, ok := compile.ParseNginx(value)
			if !ok {
				t.Fatalf("bad option %q", line)
			}
			in.Nginx = nginx
		case "zone":
			in.Zone = value
		case "own-address":
			in.Self.Addresses = append(in.Self.Addresses, netip.MustParseAddr(value))
		case "listener":
			in.Self.Listeners = append(in.Self.Listeners, netip.MustParseAddrPort(value))
		case "default-certificate":
			ns, name, _ := strings.Cut(value, "/")
			in.DefaultCertificate = types.NamespacedName{Namespace: ns, Name: name}
		default:
			t.Fatalf("unknown option %q", line)
		}
	}
	return in
}

// addObjects decodes the YAML documents of a file. The values of Secrets that
// say "certificate:NAME", "key:NAME" become PEM.
func (p pki) addObjects(t testing.TB, in *compile.Input, f txtar.File) {
	for doc := range bytes.SplitSeq(f.Data, []byte("\n---\n")) {
		var head struct{ Kind string }
		if err := yaml.Unmarshal(doc, &head); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		switch head.Kind {
		case "IngressClass":
			add(t, f.Name, doc, &in.Classes)
		case "Ingress":
			add(t, f.Name, doc, &in.Ingresses)
		case "Secret":
			s := add(t, f.Name, doc, &in.Secrets)
			for k, v := range s.StringData {
				s.StringData[k] = p.expand(v)
			}
		case "Service":
			add(t, f.Name, doc, &in.Services)
		case "EndpointSlice":
			add(t, f.Name, doc, &in.EndpointSlices)
		case "AuthorityPolicy":
			add(t, f.Name, doc, &in.Policies)
		case "Gateway":
			add(t, f.Name, doc, &in.Gateways)
		case "Namespace":
			var namespaces []*corev1.Namespace
			if ns := add(t, f.Name, doc, &namespaces); ns.DeletionTimestamp != nil {
				in.TerminatingNamespaces = map[string]bool{ns.Name: true}
			}
		default:
			t.Fatalf("%s: unknown kind %q", f.Name, head.Kind)
		}
	}
}

func add[T any](t testing.TB, name string, doc []byte, to *[]*T) *T {
	v := new(T)
	if err := yaml.UnmarshalStrict(doc, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	*to = append(*to, v)
	return v
}

func shuffle(r *rand.Rand, in *compile.Input) {
	for _, swap := range []struct {
		n int
		f func(i, j int)
	}{
		{len(in.Classes), func(i, j int) { in.Classes[i], in.Classes[j] = in.Classes[j], in.Classes[i] }},
		{len(in.Ingresses), func(i, j int) { in.Ingresses[i], in.Ingresses[j] = in.Ingresses[j], in.Ingresses[i] }},
		{len(in.Secrets), func(i, j int) { in.Secrets[i], in.Secrets[j] = in.Secrets[j], in.Secrets[i] }},
		{len(in.Services), func(i, j int) { in.Services[i], in.Services[j] = in.Services[j], in.Services[i] }},
		{len(in.EndpointSlices), func(i, j int) {
			in.EndpointSlices[i], in.EndpointSlices[j] = in.EndpointSlices[j], in.EndpointSlices[i]
		}},
		{len(in.Gateways), func(i, j int) { in.Gateways[i], in.Gateways[j] = in.Gateways[j], in.Gateways[i] }},
		{len(in.Policies), func(i, j int) { in.Policies[i], in.Policies[j] = in.Policies[j], in.Policies[i] }},
	} {
		r.Shuffle(swap.n, swap.f)
	}
}

func (c *goldenCase) previous() *hostmap.Map {
	if !c.stepped {
		return nil
	}
	m, _, _ := compile.Build(nil, c.before)
	return m
}

func (c *goldenCase) run() result {
	m, problems, next := compile.Build(c.previous(), c.now)
	var lines strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&lines, p)
	}
	r := result{Map: c.certs.stable(m.String()), Problems: c.certs.stable(lines.String())}
	if !next.IsZero() {
		r.Next = next.UTC().Format(time.RFC3339) + "\n"
	}
	return r
}

var contentID = regexp.MustCompile(`(policy|ca)=[0-9a-f]{16}`)

// stable puts names in the place of what differs from run to run, because keys
// are made afresh: fingerprints, and the identities of TLS policies and CAs.
func (p pki) stable(text string) string {
	for name, c := range p {
		text = strings.ReplaceAll(text, c.fingerprint(), name)
	}
	seen := make(map[string]string)
	return contentID.ReplaceAllStringFunc(text, func(s string) string {
		kind, _, _ := strings.Cut(s, "=")
		if seen[s] == "" {
			seen[kind] += "x"
			seen[s] = fmt.Sprintf("%s=%d", kind, len(seen[kind]))
		}
		return seen[s]
	})
}

func (c *goldenCase) write(t *testing.T, file string, got result) {
	files := c.archive.Files[:0]
	for _, f := range c.archive.Files {
		if f.Name != "map" && f.Name != "problems" && f.Name != "next" {
			files = append(files, f)
		}
	}
	c.archive.Files = append(files, txtar.File{Name: "map", Data: []byte(got.Map)})
	for _, f := range []txtar.File{{Name: "problems", Data: []byte(got.Problems)}, {Name: "next", Data: []byte(got.Next)}} {
		if len(f.Data) != 0 {
			c.archive.Files = append(c.archive.Files, f)
		}
	}
	if err := os.WriteFile(file, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
