package e2e

import (
	"fmt"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/testkit"
)

// TestNeighboursCertificate: a namespace that has no certificate names hosts
// below the wildcard of another one, under every rule that an annotation can
// set. Nobody sees them under the neighbour's certificate, until the operator
// says that namespaces share theirs.
func TestNeighboursCertificate(t *testing.T) {
	victim, _ := folderStage(t)
	victim.namespace = "victim"
	victim.host(t, "www.shop.test", []string{"*.shop.test"})
	attacker := *victim
	attacker.namespace = "attacker"
	b := attacker.backend(t, "attacker", nil)
	attacker.put(t, attacker.service("attacker"), attacker.slice("attacker", b.address, b.port, true))
	var hosts []string
	for _, rule := range []string{"", "certificate", "same-certificate", "server-name", "report", "off"} {
		host := "login" + rule + ".shop.test"
		var annotations []string
		if rule != "" {
			annotations = []string{"misdirected", rule}
		}
		attacker.put(t, attacker.ingress(host, "attacker", "", annotations...))
		hosts = append(hosts, host)
	}
	victim.live(t, "www.shop.test")
	for _, host := range hosts {
		testkit.Eventually(t, host+" is served in cleartext", func() string {
			if a := attacker.cleartext(t, host); a.StatusCode != 200 {
				return fmt.Sprint(a.StatusCode)
			}
			return ""
		})
		attacker.refused(t, dialing{serverName: host}, "unrecognized name")
	}
	for _, http1 := range []bool{false, true} {
		c := victim.open(t, dialing{serverName: "www.shop.test", http1: http1})
		c.get(t, "www.shop.test").want(t, 200, "www")
		for _, host := range hosts {
			a := c.get(t, host, "Cookie", "session=of-the-whole-domain")
			a.want(t, 421, "")
			if got := a.Header.Get("Proxy-Status"); !strings.Contains(got, `details="other_certificate"`) {
				t.Errorf("%s: proxy-status %q, want the reason other_certificate", host, got)
			}
		}
	}
	if n := victim.metric(t, "ingress421_misdirected_requests_total", `reason="other_certificate"`, `enforcement="enforce"`, `retry="no"`); n != float64(2*len(hosts)) {
		t.Errorf("%v requests counted, want %d", n, 2*len(hosts))
	}

	policy := &v1alpha1.AuthorityPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "shared"}}
	policy.APIVersion, policy.Kind = "ingress421.dev/v1alpha1", "AuthorityPolicy"
	policy.Spec.Misdirected.ShareCertificates = v1alpha1.ShareCertificatesCluster
	class := victim.ingressClass("ingress421.dev/controller")
	group, scope := v1alpha1.GroupName, networkingv1.IngressClassParametersReferenceScopeNamespace
	class.Spec.Parameters = &networkingv1.IngressClassParametersReference{
		APIGroup: &group, Kind: "AuthorityPolicy", Name: "shared", Namespace: &policy.Namespace, Scope: &scope,
	}
	victim.put(t, policy, class)
	c := victim.open(t, dialing{serverName: "www.shop.test"})
	testkit.Eventually(t, "certificates are shared", func() string {
		if a := c.get(t, hosts[0]); a.StatusCode != 200 {
			return fmt.Sprint(a.StatusCode)
		}
		return ""
	})
}
