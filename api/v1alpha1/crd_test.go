package v1alpha1_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/test/kube"
)

var cluster kube.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// What the API server says of a policy, in dry run. The wanted words are the
// end of its message, which people read in their terminals.
func TestValidation(t *testing.T) {
	tests := []struct {
		name string
		spec string
		want string // in the refusal; empty: the policy is taken
	}{
		{"nothing at all", `{}`, ""},
		{"each rule of a class", `{misdirected: {rule: server-name, enforcement: Report, unservedAuthority: Misdirected, closeOnMisdirected: true, shareCertificates: Cluster}}`, ""},
		{"off, quoted", `{misdirected: {rule: "off"}}`, ""},
		{"report is a value of the annotation", `{misdirected: {rule: report}}`, `Unsupported value: "report"`},
		{"rule spelt otherwise", `{misdirected: {rule: SameCertificate}}`, `Unsupported value: "SameCertificate"`},
		{"certificates of everybody", `{misdirected: {shareCertificates: Everybody}}`, `Unsupported value: "Everybody"`},
		{"unknown field", `{misdirected: {rules: certificate}}`, `unknown field "spec.misdirected.rules"`},
		{"ingress-nginx's annotations", `{nginxAnnotations: Strict}`, ""},
		{"ingress-nginx's annotations, spelt as the flag", `{nginxAnnotations: strict}`, `Unsupported value: "strict"`},
		{"origin frames", `{originFrame: Sometimes}`, `Unsupported value: "Sometimes"`},

		{"gateways of both families", `{trustedGateways: [10.0.0.0/8, 2001:db8::/32, 192.0.2.7/32]}`, ""},
		{"address without length", `{trustedGateways: [10.0.0.1]}`, "must be a CIDR"},
		{"not an address", `{trustedGateways: [gateway/8]}`, "must be a CIDR"},
		{"everybody", `{trustedGateways: [0.0.0.0/0]}`, "must not be every address"},
		{"everybody over IPv6", `{trustedGateways: ["::/0"]}`, "must not be every address"},
		{"gateway named twice", `{trustedGateways: [10.0.0.0/8, 10.0.0.0/8]}`, "Duplicate value"},

		{"version", `{tls: {minVersion: "1.3"}}`, ""},
		{"version without quotes", `{tls: {minVersion: 1.3}}`, "must be of type string"},
		{"version nobody should speak", `{tls: {minVersion: "1.1"}}`, `Unsupported value: "1.1"`},
		{"certificate in another namespace", `{tls: {defaultCertificateRef: {namespace: certs, name: default.tls}}}`, ""},
		{"certificate without a name", `{tls: {defaultCertificateRef: {namespace: certs}}}`, "name: Required value"},

		{"limits", `{http: {maxStreams: 1, maxHeaderBytes: 1024, idleTimeout: 1m30s, handshakeTimeout: 500ms, maxConnectionAge: 1h}}`, ""},
		{"times of backends", `{http: {connectTimeout: 2s, readTimeout: 24h, sendTimeout: 1m}}`, ""},
		{"no time for a backend", `{http: {readTimeout: 0s}}`, "must be longer than 0s"},
		{"no streams", `{http: {maxStreams: 0}}`, "should be greater than or equal to 1"},
		{"no headers", `{http: {maxHeaderBytes: 1}}`, "should be greater than or equal to 1024"},
		{"duration without a unit", `{http: {idleTimeout: "75"}}`, "should match"},
		{"number for a duration", `{http: {idleTimeout: 75}}`, "must be of type string"},
		{"no time", `{http: {stallTimeout: 0s}}`, "must be longer than 0s"},

		{"guard", `{guard: {service: traefik, port: 8080}}`, ""},
		{"guard of another namespace", `{guard: {service: traefik/traefik, port: 443, protocol: https}}`, ""},
		{"guard without a port", `{guard: {service: traefik}}`, "port: Required value"},
		{"guard with a port in its name", `{guard: {service: "traefik:8080", port: 8080}}`, "should match"},
		{"guard of an unknown protocol", `{guard: {service: traefik, port: 8080, protocol: grpc}}`, `Unsupported value: "grpc"`},
	}
	c := cluster.Get(t)
	namespace := c.Namespace(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			object := fmt.Sprintf("apiVersion: ingress421.dev/v1alpha1\nkind: AuthorityPolicy\nmetadata: {name: p, namespace: %s}\nspec: %s\n", namespace, tt.spec)
			out, err := c.Kubectl(t.Context(), object, "create", "--dry-run=server", "--validate=strict", "-f", "-")
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && err == nil:
				t.Errorf("taken, want a refusal with %q", tt.want)
			case !strings.Contains(out, tt.want):
				t.Errorf("the refusal lacks %q:\n%s", tt.want, out)
			}
		})
	}
}

// The columns are what people see first.
func TestColumns(t *testing.T) {
	c := cluster.Get(t)
	namespace := c.Namespace(t)
	object := fmt.Sprintf(`apiVersion: ingress421.dev/v1alpha1
kind: AuthorityPolicy
metadata: {name: strict, namespace: %s}
spec: {misdirected: {rule: server-name, enforcement: Report}}
`, namespace)
	if _, err := c.Kubectl(t.Context(), object, "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	status := `{"status":{"hosts":3,"certificates":2,"conditions":[{"type":"Accepted","status":"True","reason":"Accepted","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"},
		{"type":"Overlapping","status":"True","reason":"Overlap","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"}]}}`
	if _, err := c.Kubectl(t.Context(), "", "-n", namespace, "patch", "authoritypolicy", "strict", "--subresource=status", "--type=merge", "-p", status); err != nil {
		t.Fatal(err)
	}
	out, err := c.Kubectl(t.Context(), "", "-n", namespace, "get", "ingress421")
	if err != nil {
		t.Fatal(err)
	}
	want := "NAME RULE ENFORCEMENT ACCEPTED HOSTS CERTIFICATES OVERLAPPING AGE strict server-name Report True 3 2 True"
	if got := strings.Join(strings.Fields(out), " "); !strings.HasPrefix(got, want) {
		t.Errorf("kubectl get ingress421:\n%s\nwant %q", out, want)
	}
}
