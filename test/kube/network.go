package kube

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/ingress421/ingress421/test/require"
)

// Prefix is the network whose addresses are all this machine's own within
// InNetwork, and which the API server takes for endpoints.
const Prefix = "10.244.0.0/16"

// inNetwork names the test that runs in a network of its own.
const inNetwork = "KUBE_TEST_IN_NETWORK"

// InNetwork runs a test in a network namespace of its own, which has loopback
// and Prefix: only there can pods have addresses that an API server takes, and
// the wanted ports are free. It starts the test anew there, as another process,
// and tells whether this is that one:
//
//	if !kube.InNetwork(t) {
//		return
//	}
//
// Ask before for what the test needs beside a cluster. Where `make kube` has not
// been run, or users may not make network namespaces, the test does not run: see
// package require.
func InNetwork(t *testing.T) bool {
	t.Helper()
	locate(t)
	ip, unshare := require.Tool(t, "ip"), require.Tool(t, "unshare")
	if os.Getenv(inNetwork) == t.Name() {
		for _, args := range [][]string{
			{"link", "set", "lo", "up"},
			{"addr", "add", Prefix, "dev", "lo"},
			// The API server looks for its own address along the default route.
			{"route", "add", "default", "dev", "lo"},
		} {
			if out, err := exec.CommandContext(t.Context(), ip, args...).CombinedOutput(); err != nil {
				t.Fatalf("ip %v: %v\n%s", args, err, out)
			}
		}
		return true
	}
	if err := exec.CommandContext(t.Context(), unshare, "-rn", "true").Run(); err != nil {
		require.Missing(t, "network namespaces for users (unshare -rn)")
	}
	limit := "-test.timeout=0"
	if deadline, ok := t.Deadline(); ok {
		limit = "-test.timeout=" + time.Until(deadline).Round(time.Second).String()
	}
	cmd := exec.CommandContext(t.Context(), unshare, "-rn", os.Args[0],
		"-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v="+strconv.FormatBool(testing.Verbose()), limit)
	cmd.Env = append(os.Environ(), inNetwork+"="+t.Name())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		t.Logf("%s", out)
	case errors.As(err, &exit):
		t.Errorf("in its network: %v\n%s", err, out)
	default:
		t.Errorf("start it in a network of its own: %v", err)
	}
	return false
}
