package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/ingress421/ingress421/test/require"
)

// Cluster is a running API server. All its fields are read only.
type Cluster struct {
	Config     *rest.Config // of a user in system:masters
	Kubeconfig string       // path of a file with the same credentials

	kubectl string // path of the program
	dir     string // of the kubeconfig and the logs; removed by stop
	env     *envtest.Environment
}

// Start starts an API server for one test, with the CRDs of config/crd/bases, and
// stops it when the test ends. It takes some four seconds. Where `make kube`
// has not been run, the test does not run: see package require.
func Start(t testing.TB) *Cluster {
	t.Helper()
	c, err := start(locate(t))
	if err != nil {
		t.Fatalf("start an API server: %v", err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("stop the API server: %v", err)
		}
	})
	return c
}

// Namespace creates a namespace with a name that no other test has, and empties
// and deletes it when the test ends.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	clients, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatalf("make a client: %v", err)
	}
	ns, err := clients.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("create a namespace: %v", err)
	}
	t.Cleanup(func() {
		// The test's own context is done by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.empty(ctx, ns.Name); err != nil {
			t.Errorf("empty namespace %s: %v", ns.Name, err)
		}
		if err := clients.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete namespace %s: %v", ns.Name, err)
		}
	})
	return ns.Name
}

// empty deletes what a namespace holds, of every kind that the API server
// serves, since no controller does.
func (c *Cluster) empty(ctx context.Context, namespace string) error {
	// Deleting every kind meets deprecated ones, of which the API server warns.
	config := rest.CopyConfig(c.Config)
	config.WarningHandlerWithContext = rest.NoWarnings{}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("make a discovery client: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a dynamic client: %w", err)
	}
	lists, err := discovery.ServerPreferredNamespacedResources(disco)
	if err != nil {
		return fmt.Errorf("list resources: %w", err)
	}
	var errs []error
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return fmt.Errorf("parse API group: %w", err)
		}
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "deletecollection") {
				continue
			}
			err := objects.Resource(gv.WithResource(resource.Name)).Namespace(namespace).
				DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				errs = append(errs, fmt.Errorf("delete %s: %w", resource.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Kubectl runs kubectl as the cluster's administrator with the given standard
// input, and returns what it wrote to both outputs.
func (c *Cluster) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.kubectl, append([]string{"--kubeconfig", c.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// site says where the programs and the CRDs are on this machine.
type site struct {
	assets string // folder of etcd, kube-apiserver and kubectl
	crds   string // folder of CRDs, or "" if there is none
}

// locate finds the programs in the folder that KUBEBUILDER_ASSETS names, or
// where `make kube` puts them.
func locate(t testing.TB) site {
	t.Helper()
	root := require.Root(t)
	var s site
	if s.assets = os.Getenv("KUBEBUILDER_ASSETS"); s.assets == "" {
		gomod, err := os.ReadFile(filepath.Join(root, "tools", "kube", "go.mod"))
		if err != nil {
			t.Fatalf("read the version of Kubernetes: %v", err)
		}
		version := regexp.MustCompile(`(?m)^\s*(?:require )?k8s\.io/kubernetes (v\S+)`).FindSubmatch(gomod)
		if version == nil {
			t.Fatal("tools/kube/go.mod requires no k8s.io/kubernetes")
		}
		for _, program := range []string{"etcd", "kube-apiserver", "kubectl"} {
			s.assets = filepath.Dir(require.File(t, "bin/kube/"+string(version[1])+"/"+program, "make kube"))
		}
	}
	crds := filepath.Join(root, "config", "crd", "bases")
	if _, err := os.Stat(crds); err == nil {
		s.crds = crds
	}
	return s
}

func start(s site) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "kube")
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Kubeconfig: filepath.Join(dir, "kubeconfig"),
		kubectl:    filepath.Join(s.assets, "kubectl"),
		dir:        dir,
		env: &envtest.Environment{
			BinaryAssetsDirectory:    s.assets,
			ControlPlaneStartTimeout: 2 * time.Minute, // a loaded machine is slow, not broken
			// Otherwise USE_EXISTING_CLUSTER would let tests loose on a cluster
			// that somebody uses.
			UseExistingCluster: new(false),
		},
	}
	if s.crds != "" {
		c.env.CRDDirectoryPaths = []string{s.crds}
	}
	var log bytes.Buffer
	server := c.env.ControlPlane.GetAPIServer()
	server.Path = filepath.Join(s.assets, "kube-apiserver")
	server.Err = &log
	c.env.ControlPlane.Etcd = &envtest.Etcd{Path: filepath.Join(s.assets, "etcd")}
	c.env.ControlPlane.KubectlPath = c.kubectl
	if c.Config, err = c.env.Start(); err != nil {
		// Once stopped, the server no longer writes to the log.
		err = errors.Join(err, c.stop())
		return nil, fmt.Errorf("%w\nkube-apiserver's log ends:\n%s", err, tail(log.Bytes()))
	}
	if err := os.WriteFile(c.Kubeconfig, c.env.KubeConfig, 0o600); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// tail returns the last 4 KiB of a log.
func tail(log []byte) []byte {
	return log[max(0, len(log)-4096):]
}

func (c *Cluster) stop() error {
	return errors.Join(c.env.Stop(), os.RemoveAll(c.dir))
}

// KubectlPath is the path of the program, for tests that want more of it than
// Kubectl.
func (c *Cluster) KubectlPath() string { return c.kubectl }
