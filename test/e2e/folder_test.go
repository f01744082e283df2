package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/internal/testkit"
)

// folder is a folder of manifests, a file for each object.
type folder string

func (f folder) path(o client.Object) string {
	kind := o.GetObjectKind().GroupVersionKind().Kind
	return filepath.Join(string(f), strings.ToLower(kind)+"-"+o.GetName()+".yaml")
}

// put implements objects.
func (f folder) put(t testing.TB, o client.Object) {
	t.Helper()
	text, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path(o), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// remove implements objects.
func (f folder) remove(t testing.TB, o client.Object) {
	t.Helper()
	if err := os.Remove(f.path(o)); err != nil {
		t.Fatal(err)
	}
}

// listenLoopback opens the listener of a backend where loopback may be named.
func listenLoopback(t testing.TB) (net.Listener, string, int32) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln, "127.0.0.1", int32(ln.Addr().(*net.TCPAddr).Port)
}

// folderStage is the binary serving a folder.
func folderStage(t testing.TB, args ...string) (*stage, *testkit.Process) {
	t.Helper()
	dir := folder(t.TempDir())
	s := &stage{
		ca: testkit.NewCA(t, "test CA"), objects: dir, namespace: "default", class: "e2e",
		listen: listenLoopback,
	}
	s.put(t, s.ingressClass("ingress421.dev/controller"))
	p := testkit.Serve(t, append([]string{"--manifests", string(dir)}, args...)...)
	s.addresses(t, p)
	return s, p
}

// ingressClass is the stage's class.
func (s *stage) ingressClass(controller string) *networkingv1.IngressClass {
	ic := &networkingv1.IngressClass{Spec: networkingv1.IngressClassSpec{Controller: controller}}
	ic.APIVersion, ic.Kind, ic.Name = "networking.k8s.io/v1", "IngressClass", s.class
	return ic
}

func TestFolder(t *testing.T) {
	s, _ := folderStage(t)
	play(t, s)
}
