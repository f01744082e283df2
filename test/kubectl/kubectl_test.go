package kubectl

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/kube"
)

var cluster kube.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// world is a namespace with two hosts under one wildcard, of which one insists
// on its own certificate, and a replica that serves them.
type world struct {
	t                *testing.T
	cluster          *kube.Cluster
	clients          kubernetes.Interface
	namespace, class string
	plugin           string // folder with kubectl-ingress421
	node, pod        string
	process          *testkit.Process
}

const objects = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: CLASS}
spec: {controller: ingress421.dev/CLASS}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {nginx.ingress.kubernetes.io/ssl-redirect: "false"}}
spec:
  ingressClassName: CLASS
  tls: [{hosts: [www.shop.test], secretName: wildcard}]
  rules:
  - host: www.shop.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: pay, annotations: {ingress421.dev/misdirected: same-certificate}}
spec:
  ingressClassName: CLASS
  tls: [{hosts: [pay.shop.test], secretName: pay}]
  rules:
  - host: pay.shop.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: none, port: {number: 80}}}}]}
`

func newWorld(t *testing.T) *world {
	w := &world{t: t, cluster: cluster.Get(t), plugin: t.TempDir()}
	var err error
	if w.clients, err = kubernetes.NewForConfig(w.cluster.Config); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(testkit.Binary(t), filepath.Join(w.plugin, "kubectl-ingress421")); err != nil {
		t.Fatal(err)
	}
	w.namespace = w.cluster.Namespace(t)
	w.class = w.namespace
	text := strings.ReplaceAll(objects, "CLASS", w.class)
	w.kubectl(text, "apply", "-n", w.namespace, "-f", "-")
	t.Cleanup(func() {
		if out, err := w.cluster.Kubectl(context.Background(), "", "delete", "ingressclass", w.class); err != nil {
			t.Error(err, out)
		}
	})
	ca := testkit.NewCA(t, "test")
	for name, host := range map[string]string{"wildcard": "*.shop.test", "pay": "pay.shop.test"} {
		c := ca.Server(t, host)
		_, err := w.clients.CoreV1().Secrets(w.namespace).Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{corev1.TLSCertKey: c.PEM, corev1.TLSPrivateKeyKey: c.KeyPEM},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.clients.CoreV1().Services(w.namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{"--controller-name=ingress421.dev/" + w.class, "--nginx-annotations=strict"}
	w.process = testkit.Serve(t, append(flags, "--kubeconfig", w.cluster.Kubeconfig)...)
	w.node = startKubelet(t, w.clients)
	_, port, _ := strings.Cut(w.process.Address(t, "serving", "admin"), ":")
	w.pod = w.addPod("replica", true, append([]string{"run", "--admin-addr=127.0.0.1:" + port}, flags...)...)
	return w
}

// addPod adds a running pod with the labels of the chart.
func (w *world) addPod(name string, ready bool, args ...string) string {
	w.t.Helper()
	pods := w.clients.CoreV1().Pods(w.namespace)
	p, err := pods.Create(w.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/name": "ingress421"}},
		Spec: corev1.PodSpec{NodeName: w.node, Containers: []corev1.Container{
			{Name: "mesh", Image: "mesh", Args: []string{"proxy"}},
			{Name: "ingress421", Image: "ingress421", Args: args},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	p.Status.Phase = corev1.PodRunning
	if ready {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	if _, err := pods.UpdateStatus(w.t.Context(), p, metav1.UpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	return w.namespace + "/" + name
}

func (w *world) kubectl(stdin string, args ...string) {
	w.t.Helper()
	if _, err := w.cluster.Kubectl(w.t.Context(), stdin, args...); err != nil {
		w.t.Fatal(err)
	}
}

// run runs a program with the kubeconfig of the cluster.
func (w *world) run(program string, args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+w.cluster.Kubeconfig, "PATH="+w.plugin+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run() // how it ended is in ProcessState
	if cmd.ProcessState == nil {
		w.t.Fatalf("%s %v did not run", program, args)
	}
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

// asPlugin runs `kubectl ingress421`.
func (w *world) asPlugin(args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	return w.run(w.cluster.KubectlPath(), append([]string{"ingress421"}, args...)...)
}

func TestPlugin(t *testing.T) {
	w := newWorld(t)
	inNamespace := w.namespace + "/"
	// A pod that is not ready is not asked, and one that does not answer is told.
	w.addPod("broken", false, "run", "--admin-addr=127.0.0.1:1")

	t.Run("status", func(t *testing.T) {
		code, out, errs := w.asPlugin("status", "--pod", inNamespace, "-o", "json")
		var replicas []struct {
			Name, Version, Ready, Error             string
			Hosts, Certificates, Problems, Overlaps int
			Published                               string
			Connections                             map[string]int
		}
		if err := json.Unmarshal([]byte(out), &replicas); err != nil || len(replicas) != 2 {
			t.Fatalf("exit code %d, error %v, output\n%s%s", code, err, out, errs)
		}
		got := replicas[0]
		if got.Name != w.pod || got.Version == "" || got.Ready != "ok" || got.Hosts != 2 || got.Certificates != 2 ||
			got.Problems == 0 || got.Overlaps != 1 || got.Published == "" || got.Connections == nil {
			t.Errorf("status %+v, want two hosts and certificates, one overlap", got)
		}
		if replicas[1].Error == "" || code != 1 {
			t.Errorf("exit code %d, want 1 as a pod does not answer: %+v", code, replicas[1])
		}
		_, out, _ = w.asPlugin("status", "--pod", w.pod)
		if !strings.Contains(out, "OVERLAPS") || !strings.Contains(out, w.pod) || !strings.Contains(out, " yes ") {
			t.Errorf("the table is\n%s", out)
		}
	})
	t.Run("explain", func(t *testing.T) {
		code, out, errs := w.asPlugin("explain", "--pod", inNamespace, "--server-name", "www.shop.test", "--authority", "pay.shop.test")
		if code != 0 || !strings.Contains(out, "421") || !strings.Contains(out, "other_certificate") || !strings.Contains(errs, w.pod) {
			t.Errorf("exit code %d:\n%s%s", code, out, errs)
		}
	})
	t.Run("audit", func(t *testing.T) {
		code, out, errs := w.asPlugin("audit", "--pod", inNamespace)
		if code != 3 || !strings.Contains(out, "RuleStricterThanCertificate") {
			t.Errorf("exit code %d:\n%s%s", code, out, errs)
		}
	})
	t.Run("check", func(t *testing.T) {
		// It reads the cluster by the flags of the pod: its controller's name, and
		// ingress-nginx's annotations.
		code, out, errs := w.asPlugin("check", "--pod", inNamespace)
		if code != 3 || !strings.Contains(out, "honoured   nginx.ingress.kubernetes.io/ssl-redirect") || !strings.Contains(errs, w.pod) {
			t.Errorf("exit code %d:\n%s%s", code, out, errs)
		}
	})
	t.Run("no pod", func(t *testing.T) {
		for _, command := range [][]string{{"status"}, {"audit"}, {"explain", "--authority", "a.test"}, {"check"}} {
			code, _, errs := w.asPlugin(append(command, "--pod", "kube-public/")...)
			if code != 1 || !strings.Contains(errs, "no pod of ingress421 is running in namespace kube-public") || !strings.Contains(errs, "--pod ") {
				t.Errorf("%v: exit code %d, said %q", command, code, errs)
			}
		}
	})
}

// Commands that read the objects of a cluster say what the replica says that
// serves them, and need a right for each kind.
func TestCommandsReadTheCluster(t *testing.T) {
	w := newWorld(t)
	ours := "--controller-name=ingress421.dev/" + w.class
	program := testkit.Binary(t)
	t.Run("explain", func(t *testing.T) {
		question := []string{"explain", "--server-name", "www.shop.test", "--authority", "pay.shop.test", "-o", "json"}
		code, objects, errs := w.run(program, append(question, ours, "--nginx-annotations=strict")...)
		_, running, _ := w.run(program, append(question, "--admin", "http://"+w.process.Address(t, "serving", "admin"))...)
		if diff := cmp.Diff(running, objects); diff != "" || code != 0 || !strings.Contains(objects, "other_certificate") {
			t.Errorf("exit code %d, %s\n(-running +objects):\n%s", code, errs, diff)
		}
	})
	t.Run("audit", func(t *testing.T) {
		code, objects, errs := w.run(program, "audit", ours, "--nginx-annotations=strict", "-o", "sarif")
		_, running, _ := w.run(program, "audit", "--admin", "http://"+w.process.Address(t, "serving", "admin"), "-o", "sarif")
		if diff := cmp.Diff(running, objects); diff != "" || code != 3 {
			t.Errorf("exit code %d, %s\n(-running +objects):\n%s", code, errs, diff)
		}
	})
	t.Run("check", func(t *testing.T) {
		code, out, errs := w.run(program, "check", ours, "--namespace", w.namespace, "-o", "json")
		var report struct {
			Objects []struct {
				Kind, Name, Status string
				Findings           []struct{ Status, Field, Reason string }
			}
			Hosts, Certificates int
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("exit code %d, error %v, said %s%s", code, err, out, errs)
		}
		found := make(map[string]string)
		for _, o := range report.Objects {
			for _, f := range o.Findings {
				found[o.Kind+" "+o.Name+" "+f.Field] = f.Status + " " + f.Reason
			}
		}
		for about, want := range map[string]string{
			"Ingress pay spec.rules[0].http.paths[0]":                                    "lost ServiceNotFound",
			"Ingress pay metadata.annotations[ingress421.dev/misdirected]":               "honoured ",
			"Ingress web metadata.annotations[nginx.ingress.kubernetes.io/ssl-redirect]": "lost ",
		} {
			if found[about] != want {
				t.Errorf("%s: %q, want %q", about, found[about], want)
			}
		}
		if code != 3 || report.Hosts != 2 || report.Certificates != 2 {
			t.Errorf("exit code %d, %d hosts and %d certificates", code, report.Hosts, report.Certificates)
		}
	})
	t.Run("without rights", func(t *testing.T) {
		raw := w.as("nobody")
		for _, command := range [][]string{{"check"}, {"audit"}, {"explain", "--authority", "a.test"}, {"status"}} {
			code, out, errs := w.run(program, append(command, "--kubeconfig", raw)...)
			if code != 1 || out != "" || !strings.Contains(errs, "nobody") || !strings.Contains(errs, "cannot list") {
				t.Errorf("%v: exit code %d, said %q %q", command, code, out, errs)
			}
		}
	})
}

// as is a kubeconfig of a user who has no rights.
func (w *world) as(user string) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "kubeconfig")
	text, err := os.ReadFile(w.cluster.Kubeconfig)
	if err != nil {
		w.t.Fatal(err)
	}
	changed := strings.Replace(string(text), "user:\n", "user:\n    as: "+user+"\n", 1)
	if changed == string(text) {
		w.t.Fatalf("the kubeconfig has no user:\n%s", text)
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}
