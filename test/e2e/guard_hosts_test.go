package e2e

import (
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/ingress421/ingress421/internal/testkit"
)

// Where the guarded controller has no Ingresses the listeners of its Gateways and
// the file of --guard-hosts say what is served; both may change.
func TestGuardWithoutIngresses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("- {hosts: [filed.test], secretName: default/filed}")
	s, _ := folderStage(t, "--guard-class", "mesh", "--guard-upstream", "default/controller:80", "--guard-hosts", file)
	app := s.backend(t, "app", nil)
	s.put(t, s.service("controller"), s.slice("controller", "127.0.0.1", app.port, true))
	for _, host := range []string{"filed", "later", "open", "raw"} {
		s.put(t, s.secret(host, s.ca.Server(t, host+".test")))
	}
	gateway := &gatewayv1.Gateway{
		TypeMeta:   metav1.TypeMeta{APIVersion: "gateway.networking.k8s.io/v1", Kind: "Gateway"},
		ObjectMeta: s.meta("edge"),
		Spec:       gatewayv1.GatewaySpec{GatewayClassName: "mesh"},
	}
	listener := func(name string, protocol gatewayv1.ProtocolType, mode gatewayv1.TLSModeType) {
		host := gatewayv1.Hostname(name + ".test")
		gateway.Spec.Listeners = append(gateway.Spec.Listeners, gatewayv1.Listener{
			Name: gatewayv1.SectionName(name), Port: 443, Hostname: &host, Protocol: protocol,
			TLS: &gatewayv1.ListenerTLSConfig{Mode: &mode, CertificateRefs: []gatewayv1.SecretObjectReference{{Name: gatewayv1.ObjectName(name)}}},
		})
		s.put(t, gateway)
	}
	passes := func(host string) *connection {
		t.Helper()
		var c *connection
		testkit.Eventually(t, host+" is guarded", func() (why string) {
			var err error
			if c, err = s.dial(dialing{serverName: host}); err != nil {
				return err.Error()
			}
			return ""
		})
		t.Cleanup(c.close)
		c.get(t, host).want(t, 200, "app")
		return c
	}
	listener("open", gatewayv1.HTTPSProtocolType, gatewayv1.TLSModeTerminate)
	c := passes("open.test")
	passes("filed.test")
	c.get(t, "filed.test").want(t, 421, "")

	listener("raw", gatewayv1.TLSProtocolType, gatewayv1.TLSModePassthrough)
	s.problem(t, "Gateway/edge", "PassthroughGuarded", true)
	s.refused(t, dialing{serverName: "raw.test"}, "unrecognized name")

	write("- {hosts: [later.test], secretName: default/later}")
	passes("later.test")
	s.refused(t, dialing{serverName: "filed.test"}, "unrecognized name")
	write("- {hosts: [later.test]}")
	s.problem(t, "File/"+file, "GuardHostsInvalid", true)
	passes("later.test")
}
