package hostsfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
)

func TestParse(t *testing.T) {
	got, err := parse([]byte(`
- hosts: [Shop.example.com, "*.shop.example.com"]
  secretName: mesh/shop-tls
- hosts: [pay.example.com]
  secretName: pay/tls
  clientAuthSecret: clients
- {hosts: [b.example.com], secretName: pay/tls, clientAuthSecret: clients, clientAuth: optional}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []compile.GuardHostsEntry{
		{Hosts: []string{"shop.example.com", "*.shop.example.com"}, Secret: hostmap.SecretRef{Namespace: "mesh", Name: "shop-tls"}},
		{Hosts: []string{"pay.example.com"}, Secret: hostmap.SecretRef{Namespace: "pay", Name: "tls"}, ClientAuth: hostmap.ClientAuthRequire, ClientCA: "clients"},
		{Hosts: []string{"b.example.com"}, Secret: hostmap.SecretRef{Namespace: "pay", Name: "tls"}, ClientAuth: hostmap.ClientAuthOptional, ClientCA: "clients"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseNamesTheFault(t *testing.T) {
	for text, want := range map[string]string{
		`- {hosts: [a.test], secretName: n/s, host: b}`:                               `unknown field`,
		`- {secretName: n/s}`:                                                         `[0].hosts: names none`,
		`- {hosts: ["a b"], secretName: n/s}`:                                         `[0].hosts: "a b" is no host`,
		`- {hosts: [a.test], secretName: s}`:                                          `[0].secretName: "s" is not namespace/name`,
		`- {hosts: [a.test], secretName: n/s/t}`:                                      `[0].secretName: "n/s/t" is not namespace/name`,
		`[{hosts: [a.test], secretName: n/s}, {hosts: [A.test], secretName: n/t}]`:    `[1].hosts: "a.test" stands in [0] too`,
		`- {hosts: [a.test], secretName: n/s, clientAuth: require}`:                   `[0].clientAuth: goes with clientAuthSecret`,
		`- {hosts: [a.test], secretName: n/s, clientAuthSecret: c, clientAuth: none}`: `[0].clientAuth: "none" is not require or optional`,
		`- {hosts: [a.test], secretName: n/s, clientAuthSecret: m/c}`:                 `[0].clientAuthSecret: "m/c" is not the name`,
		`hosts: [a.test]`: `cannot unmarshal object`,
		``:                `it is empty`,
		"- hosts: [a.test]\n  secretName: n/s\n  secretName: n/t": `already set`,
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// A fault, and a file that is gone, leave what was good.
func TestFileKeepsTheLastGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.yaml")
	if _, err := Open(path); err == nil {
		t.Error("a file that does not exist was opened")
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("- {hosts: [a.test], secretName: n/s}")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	wants := func(when, host, fault string, look, changed bool) {
		t.Helper()
		if got := f.look(); got != look {
			t.Errorf("%s: look says %v", when, got)
		}
		got := f.Changed()
		hosts, problems := f.Hosts()
		said := ""
		if len(problems) != 0 {
			said = problems[0].Message
		}
		if hosts.Entries[0].Hosts[0] != host || got != changed || (fault == "") != (said == "") || !strings.Contains(said, fault) {
			t.Errorf("%s: %v, %v, changed %v", when, hosts, problems, got)
		}
	}
	wants("at first", "a.test", "", false, true)
	wants("while nothing changes", "a.test", "", false, false)
	write("- {hosts: [b.test]}")
	wants("with a fault", "a.test", "[0].secretName", true, true)
	wants("with the same fault", "a.test", "[0].secretName", false, false)
	write("")
	wants("begun to be written", "a.test", "it is empty", true, true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wants("gone", "a.test", "no such file", true, true)
	write("- {hosts: [a.test], secretName: n/s}")
	wants("back", "a.test", "", true, true)
	write("- {hosts: [b.test], secretName: n/s}")
	wants("changed", "b.test", "", true, true)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("- {hosts: [a.test, '*.b.test'], secretName: n/s, clientAuthSecret: c, clientAuth: optional}"))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parse(text)
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		for _, e := range entries {
			if e.Secret.Namespace == "" || e.Secret.Name == "" || len(e.Hosts) == 0 || (e.ClientAuth == hostmap.ClientAuthNone) != (e.ClientCA == "") {
				t.Errorf("an entry is not whole: %+v", e)
			}
			for _, host := range e.Hosts {
				if again, err := hostmap.Pattern(host); seen[host] || err != nil || again != host {
					t.Errorf("host %q, %v", host, err)
				}
				seen[host] = true
			}
		}
	})
}
