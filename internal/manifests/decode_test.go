package manifests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// ingress is the manifest of an Ingress that serves one host.
func ingress(name, host string) string {
	return fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s}
spec:
  rules:
  - host: %s
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
`, name, host)
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // objects, then problems
		broken     bool
	}{
		{
			name: "documents, comments and other kinds",
			text: "# two\n---\n" + ingress("a", "a.test") + "---\napiVersion: apps/v1\nkind: Deployment\nspec: {x: 1}\n---\n# none\n---\n" +
				"apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: other}\n",
			want: []string{"2 Ingress default/a", "18 Secret other/s"},
		},
		{
			name: "lists",
			text: "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: a}}\n---\n" +
				"apiVersion: networking.k8s.io/v1\nkind: IngressClassList\nitems:\n- {metadata: {name: c, namespace: dropped}}\n",
			want: []string{"1 Service default/a", "5 IngressClass c"},
		},
		{
			name: "JSON values in one file",
			text: `{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"}}` + "\n\t" + `{"apiVersion":"v1","kind":"Service","metadata":{"name":"b"}}`,
			want: []string{"1 Service default/a", "2 Service default/b"},
		},
		{
			name:   "bad indentation is told by line of the file",
			text:   ingress("a", "a.test") + "---\napiVersion: v1\nkind: Secret\n metadata: {name: s}\n",
			want:   []string{"1 Ingress default/a", "File x.yaml: FileInvalid: x.yaml:10: yaml: line 13: mapping values are not allowed in this context"},
			broken: true,
		},
		{
			name:   "a key twice",
			text:   "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: a\ntype: b\n",
			want:   []string{`File x.yaml: FileInvalid: x.yaml:1: yaml: unmarshal errors: line 5: key "type" already set in map`},
			broken: true,
		},
		{
			name:   "a wrong type",
			text:   "\n\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: eighty}]}\n",
			want:   []string{"File x.yaml: FileInvalid: x.yaml:3: Service s: json: cannot unmarshal string into Go struct field"},
			broken: true,
		},
		{
			name:   "no kind",
			text:   "hello: world\n",
			want:   []string{"File x.yaml: FileInvalid: x.yaml:1: a document needs apiVersion and kind"},
			broken: true,
		},
		{
			name: "an unknown field is left out",
			text: "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {prots: []}\n",
			want: []string{"1 Service default/s", `File x.yaml: FieldUnknown: x.yaml:1: Service s: unknown field "spec.prots"; it is left out`},
		},
		{
			name: "an unknown field leaves an object out that says who is let in",
			text: strings.Replace(ingress("a", "a.test"), "metadata: {", "metadata: {anotations: {x: y}, ", 1) +
				"---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nDate: {}\n---\n" +
				"apiVersion: ingress421.dev/v1alpha1\nkind: AuthorityPolicy\nmetadata: {name: p}\nspec: {misdirected: {rul: off}}\n---\n" +
				"apiVersion: v1\nkind: Service\nmetadata: {name: s}\n",
			want: []string{
				"20 Service default/s",
				`File x.yaml: FieldUnknown: x.yaml:1: Ingress a: unknown field "metadata.anotations"; the document is not taken`,
				`File x.yaml: FieldUnknown: x.yaml:10: Secret s: unknown field "Date"; the document is not taken`,
				`File x.yaml: FieldUnknown: x.yaml:15: AuthorityPolicy p: unknown field "spec.misdirected.rul"; the document is not taken`,
			},
			broken: true,
		},
		{
			name:   "a field twice in JSON",
			text:   `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"type":"x","type":"y"}`,
			want:   []string{`File x.yaml: FieldUnknown: x.yaml:1: Secret a: duplicate field "type"; the document is not taken`},
			broken: true,
		},
		{
			name: "what a cluster adds",
			text: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: a
  namespace: default
  creationTimestamp: "2026-01-01T00:00:00Z"
  generation: 3
  resourceVersion: "1"
  selfLink: /x
  uid: 0b0f6d5e-1111-4222-8333-944445555666
  ownerReferences: [{apiVersion: v1, kind: X, name: x, uid: u, controller: true, blockOwnerDeletion: true}]
  managedFields:
  - {apiVersion: networking.k8s.io/v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:rules": {}}}, manager: kubectl, operation: Update, time: "2026-01-01T00:00:00Z", subresource: status}
spec: {ingressClassName: x}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}, later: {}}
`,
			want: []string{"1 Ingress default/a", `File x.yaml: FieldUnknown: x.yaml:1: Ingress default/a: unknown field "status.later"; it is left out`},
		},
		{
			name: "an object that cannot be named",
			text: "apiVersion: v1\nkind: Service\nmetadata: {generateName: s-}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: ../s}\n",
			want: []string{
				"File x.yaml: ObjectInvalid: x.yaml:1: Service: metadata.name is missing",
				`File x.yaml: ObjectInvalid: x.yaml:4: Service ../s: metadata.name "../s": a lowercase RFC 1123 subdomain`,
			},
		},
		{
			name: "a version of the past, and a kind of another group",
			text: "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a}\n---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: b}\n",
			want: []string{"File x.yaml: VersionUnsupported: x.yaml:1: Ingress: extensions/v1beta1 is not spoken, write networking.k8s.io/v1"},
		},
		{
			name: "a path without its type",
			text: strings.Replace(ingress("a", "a.test"), "pathType: Prefix, ", "", 1),
			want: []string{"1 Ingress default/a", "Ingress default/a: FieldMissing: x.yaml:1: spec.rules[0].http.paths[0].pathType is missing"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := decode("x.yaml", []byte(tt.text))
			var got []string
			for _, o := range c.objects {
				got = append(got, fmt.Sprint(o.line, " ", o.Object))
			}
			for _, p := range c.problems {
				got = append(got, p.String())
			}
			prefix := cmp.Comparer(func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) })
			if diff := cmp.Diff(tt.want, got, prefix); diff != "" {
				t.Errorf("objects and problems (-want +got):\n%s", diff)
			}
			if c.broken != tt.broken {
				t.Errorf("broken is %v, want %v", c.broken, tt.broken)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	c := decode("x.yaml", []byte(`
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {tls.crt: b2xk, ca.crt: Y2E=}
stringData: {tls.crt: new}
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: c}
spec: {controller: x/y, parameters: {kind: K, name: p}}
`))
	if len(c.objects) != 4 || len(c.problems) != 0 {
		t.Fatalf("%d objects and problems %v, want 4 and none", len(c.objects), c.problems)
	}
	secret := c.objects[0].value.(*corev1.Secret)
	if diff := cmp.Diff(map[string][]byte{"tls.crt": []byte("new"), "ca.crt": []byte("ca")}, secret.Data); diff != "" {
		t.Errorf("data with stringData over it (-want +got):\n%s", diff)
	}
	if secret.Type != corev1.SecretTypeOpaque || secret.StringData != nil {
		t.Errorf("type %q, stringData %v, want Opaque and none", secret.Type, secret.StringData)
	}
	if got := c.objects[1].value.(*corev1.Service).Spec; got.Type != corev1.ServiceTypeClusterIP || got.Ports[0].Protocol != corev1.ProtocolTCP {
		t.Errorf("service %+v, want type ClusterIP and protocol TCP", got)
	}
	slice := c.objects[2].value.(*discoveryv1.EndpointSlice)
	if p := slice.Ports[0]; p.Name == nil || *p.Name != "" || p.Protocol == nil || *p.Protocol != corev1.ProtocolTCP {
		t.Errorf("port %+v, want the name \"\" and protocol TCP", p)
	}
	if slice.Endpoints[0].Conditions.Ready != nil {
		t.Error("ready was made up; absent, it means ready")
	}
	if s := c.objects[3].value.(*networkingv1.IngressClass).Spec.Parameters.Scope; s == nil || *s != "Cluster" {
		t.Errorf("scope %v, want Cluster", s)
	}
}
