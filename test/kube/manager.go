package kube

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/test/require"
)

// Controllers runs controllers of kube-controller-manager until the test ends,
// by their names there, such as "endpointslice-controller". Where `make
// test-conformance` has not built it, the test does not run: see package require.
func (c *Cluster) Controllers(t testing.TB, names ...string) {
	t.Helper()
	manager := filepath.Join(filepath.Dir(c.kubectl), "kube-controller-manager")
	if _, err := os.Stat(manager); err != nil {
		require.Missing(t, "kube-controller-manager (make test-conformance)")
	}
	cmd := exec.Command(manager,
		"--kubeconfig", c.Kubeconfig, "--controllers", strings.Join(names, ","),
		"--leader-elect=false", "--secure-port=0",
		// Tests make many objects at once, and wait for them.
		"--kube-api-qps=1000", "--kube-api-burst=1000",
		"--concurrent-deployment-syncs=20", "--concurrent-replicaset-syncs=20", "--concurrent-service-endpoint-syncs=20",
	)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start kube-controller-manager: %v", err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("stop kube-controller-manager: %v", err)
		}
		_ = cmd.Wait() // killed: it has nothing to finish
		if t.Failed() {
			t.Logf("kube-controller-manager's log ends:\n%s", tail(log.Bytes()))
		}
	})
}
