package chart

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/test/kube"
	"github.com/ingress421/ingress421/test/require"
)

var cluster kube.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

func TestLint(t *testing.T) {
	if out, err := helm(t, "lint", "--strict", chartDir(t)); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Helm installs CRDs from the chart's own copy.
func TestCRDIsTheGeneratedOne(t *testing.T) {
	root := require.Root(t)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := read("config/crd/bases/ingress421.dev_authoritypolicies.yaml")
	if diff := cmp.Diff(want, read("charts/ingress421/crds/authoritypolicies.yaml")); diff != "" {
		t.Errorf("run make generate: charts/ingress421/crds is not config/crd (-want +got):\n%s", diff)
	}
}

// Who installs with kustomize gets what the chart's defaults give, but for the
// labels that Helm adds.
func TestKustomizeIsTheChart(t *testing.T) {
	c := cluster.Get(t)
	out, err := c.Kubectl(t.Context(), "", "kustomize", filepath.Join(require.Root(t), "config", "default"))
	if err != nil {
		t.Fatal(err)
	}
	kustomize := objects(t, out)
	delete(kustomize, "Namespace/ingress421")
	delete(kustomize, "CustomResourceDefinition/authoritypolicies.ingress421.dev")
	if diff := cmp.Diff(objects(t, render(t)), kustomize); diff != "" {
		t.Errorf("config/default is not the chart (-chart +config):\n%s", diff)
	}
}

// Each value that becomes a flag, as the container gets it. What stands there
// by default is in TestKustomizeIsTheChart.
func TestFlags(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   []string // among the arguments
		not    []string // beginnings of arguments that must be absent
	}{
		{
			"defaults", nil,
			[]string{"run", "--publish-service=ingress421/ingress421", "--drain-timeout=60s"},
			[]string{"--namespace", "--default-certificate", "--proxy-protocol-from", "--allow-shared-hosts", "--max-", "--publish-address"},
		},
		{"namespaces, with the release's own", []string{"namespaces={shop,blog}"}, []string{"--namespace=blog,ingress421,shop"}, nil},
		{"addresses for status", []string{`publishAddresses={192.0.2.1,192.0.2.2}`}, []string{"--publish-address=192.0.2.1,192.0.2.2"}, []string{"--publish-service"}},
		{"default certificate", []string{"defaultCertificate=ingress421/default-tls"}, []string{"--default-certificate=ingress421/default-tls"}, nil},
		{"balancers", []string{"proxyProtocolFrom={10.0.0.0/8,192.0.2.0/24}"}, []string{"--proxy-protocol-from=10.0.0.0/8,192.0.2.0/24"}, nil},
		{"guard", []string{"guard.classes={traefik,old}", "guard.upstream=traefik/traefik:80", "namespaces={shop}"}, []string{
			"--guard-class=traefik,old", "--guard-upstream=traefik/traefik:80", "--guard-protocol=http", "--namespace=ingress421,shop,traefik",
		}, nil},
		{"hosts to guard", []string{"guard.classes={mesh}", "guard.upstream=mesh/envoy:443", "guard.protocol=https", "guard.hosts[0].hosts={a.test}", "guard.hosts[0].secretName=mesh/a"}, []string{
			"--guard-class=mesh", "--guard-protocol=https", "--guard-hosts=/etc/ingress421/guard/hosts.yaml",
		}, nil},
		{"classes of others", []string{"classNames={nginx,legacy}", "watchIngressWithoutClass=true"}, []string{"--ingress-class=nginx,legacy", "--watch-ingress-without-class"}, nil},
		{"external names", []string{"allowExternalNames=true"}, []string{"--allow-external-names"}, nil},
		{"annotations of ingress-nginx", []string{"nginxAnnotations=strict"}, []string{"--nginx-annotations=strict"}, nil},
		{"shared hosts", []string{"allowSharedHosts=true"}, []string{"--allow-shared-hosts"}, nil},
		{"port for redirects", []string{"externalHttpsPort=8443"}, []string{"--external-https-port=8443"}, nil},
		{"zone", []string{"zone=eu-1a"}, []string{"--zone=eu-1a"}, nil},
		{"zone of the node", nil, []string{"--zone=$(NODE_ZONE)"}, nil},
		{"drain", []string{"drainSeconds=120"}, []string{"--drain-timeout=120s"}, nil},
		{"logs", []string{"accessLog=json", "logLevel=debug"}, []string{"--access-log=json", "--log-level=debug"}, nil},
		{
			"every limit",
			[]string{
				"limits.maxStreams=1", "limits.maxHeaderBytes=16777216", "limits.maxHeaderFields=300", "limits.maxContinuations=2",
				"limits.resetBurst=3", "limits.resetRate=4", "limits.controlBurst=5", "limits.controlRate=6", "limits.handshakeTimeout=7s",
				"limits.prefaceTimeout=8s", "limits.headerTimeout=9s", "limits.idleTimeout=2m", "limits.stallTimeout=30s",
				"limits.maxConnectionAge=1h", "limits.maxConnectionsPerSource=10", "limits.connectTimeout=2s", "limits.readTimeout=1h",
				"limits.sendTimeout=11s",
			},
			[]string{
				"--max-streams=1", "--max-header-bytes=16777216", "--max-header-fields=300", "--max-continuations=2",
				"--reset-burst=3", "--reset-rate=4", "--control-burst=5", "--control-rate=6", "--handshake-timeout=7s",
				"--preface-timeout=8s", "--header-timeout=9s", "--idle-timeout=2m", "--stall-timeout=30s",
				"--max-connection-age=1h", "--max-connections-per-source=10", "--connect-timeout=2s", "--read-timeout=1h", "--send-timeout=11s",
			}, nil,
		},
		{"anything else", []string{"extraArgs={--admin-addr=127.0.0.1:9999}"}, []string{"--admin-addr=127.0.0.1:9999"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := deployment(t, tt.values...).Spec.Template.Spec.Containers[0].Args
			for _, want := range tt.want {
				if !slices.Contains(args, want) {
					t.Errorf("no %s in %q", want, args)
				}
			}
			for _, not := range tt.not {
				if slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, not) }) {
					t.Errorf("%s in %q", not, args)
				}
			}
			// The binary parses flags before it prints its help, and refuses
			// those that it does not know.
			binary := require.File(t, "bin/ingress421", "make build")
			if out, err := exec.CommandContext(t.Context(), binary, append(args, "--help")...).CombinedOutput(); err != nil {
				t.Errorf("ingress421 %s --help: %v\n%s", strings.Join(args, " "), err, out)
			}
		})
	}
}

func TestPod(t *testing.T) {
	d := deployment(t, "drainSeconds=100", "resources.limits.memory=1Gi", "replicas=null")
	pod := d.Spec.Template.Spec
	if got := *pod.TerminationGracePeriodSeconds; got <= 100 {
		t.Errorf("the kubelet kills after %d s what may drain for 100 s", got)
	}
	if d.Spec.Replicas != nil {
		t.Errorf("%d replicas, want the autoscaler to choose", *d.Spec.Replicas)
	}
	env := map[string]string{}
	for _, v := range pod.Containers[0].Env {
		env[v.Name] = v.Value
		if v.ValueFrom != nil && v.ValueFrom.FieldRef != nil {
			env[v.Name] = v.ValueFrom.FieldRef.FieldPath
		}
	}
	if got := env["POD_IPS"]; got != "status.podIPs" {
		t.Errorf("POD_IPS %q, want the pod's own addresses", got)
	}
	if got := env["GOMEMLIMIT"]; got != "966367641" {
		t.Errorf("GOMEMLIMIT %q, want nine tenths of 1Gi", got)
	}
	image := func(values ...string) string { return deployment(t, values...).Spec.Template.Spec.Containers[0].Image }
	digest := "sha256:" + strings.Repeat("0", 64)
	for want, got := range map[string]string{
		"ingress421:0.1.0":                           image(),
		"registry.example/ingress421:v9":             image("image.registry=registry.example", "image.tag=v9"),
		"registry.example/edge/ingress421@" + digest: image("image.registry=registry.example/edge", "image.tag=v9", "image.digest="+digest),
	} {
		if got != want {
			t.Errorf("image %q, want %q", got, want)
		}
	}
}

func TestValuesRefused(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"unknown value", "replicaCount=3", "replicaCount"},
		{"unknown limit", "limits.maxStream=3", "maxStream"},
		{"limit out of range", "limits.maxStreams=0", "maxStreams"},
		{"duration without a unit", "limits.idleTimeout=75", "idleTimeout"},
		{"unknown option of the class", "policy.rule=certificate", "rule"},
		{"unknown option further in", "policy.misdirected.enforce=Report", "enforce"},
		{"zero where the binary wants more", "limits.idleTimeout=0s", "idleTimeout"},
		{"zero of several units", "limits.stallTimeout=0m00s", "stallTimeout"},
		{"zero in an option of the class", "policy.http.idleTimeout=0s", "idleTimeout"},
		{"limit that the binary refuses", "limits.maxStreams=16777217", "maxStreams"},
		{"log level", "logLevel=loud", "logLevel"},
		{"memory of a broken kind", "resources.limits.memory=1.5Gi", "write a whole number"},
		{"monitor without a service", "metrics.serviceMonitor.enabled=true,metrics.service.enabled=false", "needs metrics.service.enabled"},
		{"nobody's service account", "serviceAccount.create=false", "serviceAccount.name is needed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := helm(t, "template", "ingress421", chartDir(t), "--set", tt.value)
			if err == nil {
				t.Fatalf("taken: --set %s", tt.value)
			}
			if !strings.Contains(out, tt.want) {
				t.Errorf("the refusal lacks %q:\n%s", tt.want, out)
			}
		})
	}
}

// Numbers of a file of values are floats to Helm, which it would write as
// 1.6777216e+07.
func TestLargeNumbersStayWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "values.yaml")
	values := "limits: {maxHeaderBytes: 16777216, maxConnectionAge: 0s}\npolicy: {http: {maxHeaderBytes: 16777216}}\n"
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := helm(t, "template", "ingress421", chartDir(t), "--namespace", "ingress421", "-f", file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"- --max-header-bytes=16777216\n", "- --max-connection-age=0s\n", " maxHeaderBytes: 16777216\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// The value policy takes what the CRD takes, and refuses what it refuses.
func TestPolicySchemaIsTheCRD(t *testing.T) {
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema struct {
						Properties struct{ Spec map[string]any }
					} `json:"openAPIV3Schema"`
				}
			}
		}
	}
	var schema struct {
		Properties struct{ Policy map[string]any }
	}
	for file, into := range map[string]any{
		"crds/authoritypolicies.yaml": &crd,
		"values.schema.json":          &schema,
	} {
		text, err := os.ReadFile(filepath.Join(chartDir(t), filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties.Spec
	delete(spec["properties"].(map[string]any), "guard") // The chart runs no guards.
	if diff := cmp.Diff(closed(spec), schema.Properties.Policy); diff != "" {
		t.Errorf("policy in values.schema.json (-as in the CRD +is):\n%s", diff)
	}
}

// closed turns a schema of a CRD into one of JSON Schema that refuses unknown
// keys, as an API server with strict validation does.
func closed(schema map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range schema {
		switch below, _ := value.(map[string]any); key {
		case "description", "format", "x-kubernetes-list-type":
		case "x-kubernetes-validations":
			if strings.Contains(fmt.Sprint(value), "longer than 0s") {
				out["not"] = map[string]any{"pattern": "^(0+(h|m|s|ms))+$"}
			}
		case "items":
			out[key] = closed(below)
		case "properties":
			properties := map[string]any{}
			for name, property := range below {
				properties[name] = closed(property.(map[string]any))
			}
			out[key], out["additionalProperties"] = properties, false
		default:
			out[key] = value
		}
	}
	return out
}

func TestBudgetOnlyForSeveral(t *testing.T) {
	const budget = "PodDisruptionBudget/ingress421"
	for values, want := range map[string]bool{"replicas=2": true, "replicas=null": true, "replicas=1": false, "podDisruptionBudget.enabled=false": false} {
		if _, got := objects(t, render(t, values))[budget]; got != want {
			t.Errorf("%s: a budget: %v, want %v", values, got, want)
		}
	}
}

// helm runs helm with a home of its own and returns what it wrote to both
// outputs.
func helm(t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), require.File(t, "bin/tools/helm", "make chart"), args...)
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("helm %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

func chartDir(t testing.TB) string { return filepath.Join(require.Root(t), "charts", "ingress421") }

// render returns the chart's manifests for release ingress421 in a namespace
// of that name.
func render(t testing.TB, values ...string) string {
	t.Helper()
	args := []string{"template", "ingress421", chartDir(t), "--namespace", "ingress421"}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	out, err := helm(t, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// objects reads manifests by kind/name (kind/namespace/name in a namespace that
// is not the release's), without the labels that say which tool made them.
func objects(t testing.TB, manifests string) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, document := range bytes.Split([]byte(manifests), []byte("\n---\n")) {
		var object map[string]any
		if err := yaml.UnmarshalStrict(document, &object); err != nil {
			t.Fatalf("read manifests: %v\n%s", err, document)
		}
		if object == nil {
			continue
		}
		unlabel(object)
		metadata := object["metadata"].(map[string]any)
		key := fmt.Sprintf("%s/%s", object["kind"], metadata["name"])
		if namespace := metadata["namespace"]; namespace != nil && namespace != "ingress421" {
			key = fmt.Sprintf("%s/%s/%s", object["kind"], namespace, metadata["name"])
		}
		if found[key] != nil {
			t.Fatalf("two objects %s", key)
		}
		found[key] = object
	}
	return found
}

func unlabel(value any) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for key, below := range object {
		if labels, ok := below.(map[string]any); ok && key == "labels" {
			for _, label := range []string{"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"} {
				delete(labels, label)
			}
		}
		unlabel(below)
	}
}

func deployment(t testing.TB, values ...string) *appsv1.Deployment {
	t.Helper()
	text, err := yaml.Marshal(objects(t, render(t, values...))["Deployment/ingress421"])
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := yaml.UnmarshalStrict(text, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}
