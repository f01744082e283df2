package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/source"
)

// in puts the Ingress of a manifest into a namespace.
func in(namespace, manifest string) string {
	return strings.Replace(manifest, "metadata: {", "metadata: {namespace: "+namespace+", ", 1)
}

// A host that is served is not taken by a new file, whatever its name and time.
func TestNewFileTakesNoLiveHost(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	s.want("", "")
	s.write("victim.yaml", in("victim", ingress("shop", "shop.test")))
	s.want("shop.test", "")
	old := in("attacker", ingress("a", "shop.test")+"  - host: mine.test\n")
	s.write(".a.yaml", strings.Replace(old, "{namespace", `{creationTimestamp: "2001-01-01T00:00:00Z", namespace`, 1))
	s.do(os.Rename(filepath.Join(dir, ".a.yaml"), filepath.Join(dir, "a.yaml")))
	s.want("mine.test shop.test", `Ingress attacker/a: HostConflict: Host "shop.test" belongs to another namespace;`)
	// An edit of the owner's file makes it no younger.
	s.write("victim.yaml", in("victim", ingress("shop", "shop.test")+"  - host: also.test\n"))
	s.want("also.test mine.test shop.test", "Ingress attacker/a: HostConflict: ")
}

// Where nobody has a host yet it goes to the oldest file.
func TestOldestFileGetsANewHost(t *testing.T) {
	dir := t.TempDir()
	age := func(name string, hours int) {
		at := time.Now().Add(-time.Duration(hours) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"a.yaml": in("a", ingress("a", "a.test")), "b.yaml": in("b", ingress("b", "a.test")), "c.yaml": in("c", ingress("c", "a.test")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	age("b.yaml", 2)
	age("c.yaml", 1)
	got, err := Load(t.Context(), source.Config{Controller: v1alpha1.DefaultControllerName}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if owner := got.Map.Site("a.test").Namespace; owner != "b" {
		t.Errorf("a.test belongs to %q, want the oldest file's", owner)
	}
}
