package chart

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/kube"
	"github.com/ingress421/ingress421/test/require"
)

// The binary does its work with the rights that the chart gives it and no
// others: it gets ready, and its leader writes status and events.
func TestRightsAreEnough(t *testing.T) {
	t.Parallel()
	binary := require.File(t, "bin/ingress421", "make build")
	c := kube.Start(t)
	edge, shop, other := c.Namespace(t), c.Namespace(t), c.Namespace(t)
	for name, values := range map[string][]string{
		"whole cluster":   nil,
		"some namespaces": {"namespaces={" + shop + "}"},
	} {
		t.Run(name, func(t *testing.T) {
			values := append(values, "policy.misdirected.rule=server-name", "defaultCertificate="+other+"/default-tls", "publishAddresses={192.0.2.7}")
			args := []string{chartDir(t), "--kubeconfig", c.Kubeconfig, "--namespace", edge}
			for _, value := range values {
				args = append(args, "--set", value)
			}
			if out, err := helm(t, append([]string{"install", "ingress421"}, args...)...); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			defer func() {
				if out, err := helm(t, "uninstall", "ingress421", "--kubeconfig", c.Kubeconfig, "--namespace", edge); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			}()
			ingress := fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: %s}
spec:
  ingressClassName: ingress421
  tls: [{hosts: [shop.test], secretName: not-there}]
  rules: [{host: shop.test}]
`, shop)
			if _, err := c.Kubectl(t.Context(), ingress, "apply", "-f", "-"); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if _, err := c.Kubectl(context.WithoutCancel(t.Context()), ingress, "delete", "-f", "-"); err != nil {
					t.Error(err)
				}
			}()

			p := start(t, c, binary, edge, deploymentArgs(t, edge, values...))
			await(t, "an address in the status", p, func() bool {
				out, err := c.Kubectl(t.Context(), "", "-n", shop, "get", "ingress", "shop", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
				return err == nil && out == "192.0.2.7"
			})
			await(t, "the policy's condition", p, func() bool {
				out, err := c.Kubectl(t.Context(), "", "-n", edge, "get", "authoritypolicy", "ingress421", "-o", `jsonpath={.status.conditions[?(@.type=="Accepted")].status}`)
				return err == nil && out == "True"
			})
			await(t, "an event", p, func() bool {
				out, err := c.Kubectl(t.Context(), "", "-n", shop, "get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}")
				return err == nil && strings.Contains(out, "SecretNotFound")
			})
			if strings.Contains(p.Log.String(), "forbidden") {
				t.Errorf("the API server forbids something:\n%s", &p.Log)
			}
		})
	}
}

// deploymentArgs are the arguments of the chart's container, but for the
// addresses to listen on.
func deploymentArgs(t *testing.T, namespace string, values ...string) []string {
	t.Helper()
	args := []string{"template", "ingress421", chartDir(t), "--namespace", namespace}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	out, err := helm(t, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := containerArgs(t, objects(t, out), namespace)
	for i, arg := range found {
		if flag, _, ok := strings.Cut(arg, "-addr="); ok {
			found[i] = flag + "-addr=127.0.0.1:0"
		}
	}
	return append(found, "--admin-addr=127.0.0.1:0")
}

func containerArgs(t *testing.T, rendered map[string]map[string]any, namespace string) []string {
	t.Helper()
	text, err := json.Marshal(rendered["Deployment/"+namespace+"/ingress421"])
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Spec struct {
			Template struct {
				Spec struct{ Containers []struct{ Args []string } }
			}
		}
	}
	if err := json.Unmarshal(text, &d); err != nil || len(d.Spec.Template.Spec.Containers) == 0 {
		t.Fatalf("read the rendered Deployment: %v\n%s", err, text)
	}
	return d.Spec.Template.Spec.Containers[0].Args
}

// start runs the binary as the chart's service account, waits until it is
// ready, and ends it with the test.
func start(t *testing.T, c *kube.Cluster, binary, namespace string, args []string) *testkit.Process {
	t.Helper()
	token, err := c.Kubectl(t.Context(), "", "-n", namespace, "create", "token", "ingress421")
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, c.Config.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: x
clusters: [{name: x, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: x, user: {token: %q}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
`, c.Config.Host, ca, strings.TrimSpace(token))
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, append(args, "--kubeconfig="+kubeconfig)...)
	cmd.Env = append(os.Environ(), "POD_NAMESPACE="+namespace)
	p := testkit.Start(t, cmd)
	ready := "http://" + p.Address(t, "listening", "metrics") + "/readyz"
	testkit.Eventually(t, "readiness", func() string {
		resp, err := http.Get(ready)
		if err != nil {
			return err.Error()
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return resp.Status + "; the log:\n" + p.Log.String()
		}
		return ""
	})
	return p
}

// await asks until the answer is yes.
func await(t *testing.T, what string, p *testkit.Process, ask func() bool) {
	t.Helper()
	testkit.Eventually(t, what, func() string {
		if !ask() {
			return "there is none; the log:\n" + p.Log.String()
		}
		return ""
	})
}
