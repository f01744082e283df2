package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// plainSite is a site as a table, so that what is expected of it can be told
// without the code under test.
type plainSite struct {
	host   string   // "" is the default site
	secret string   // whose certificate it is served with; "" the default one
	rule   string   // as in the annotation
	auth   string   // name of the CA that its clients must have, "" for none
	class  string   // "", "report" or "cluster"
	owner  string   // the namespace, of its certificate too; "" is "default"
	names  []string // of the certificate, where this site is the first to name the secret
}

// matrixSites has certificates that are shared, overlapping, below a wildcard,
// expired, for an address, of two namespaces, and the default one, and every rule.
var matrixSites = []plainSite{
	{host: "a.test", secret: "ab", rule: "certificate", names: []string{"a.test", "b.test"}},
	{host: "b.test", secret: "ab", rule: "certificate"},
	{host: "own.b.test", secret: "own", rule: "certificate", names: []string{"own.b.test", "a.test"}},
	{host: "*.w.test", secret: "w", rule: "certificate", names: []string{"*.w.test", "w.test"}},
	{host: "x.w.test", secret: "x", rule: "certificate", names: []string{"x.w.test"}},
	{host: "same.w.test", secret: "same", rule: "same-certificate", names: []string{"same.w.test", "*.w.test"}},
	{host: "same2.w.test", secret: "same", rule: "same-certificate"},
	{host: "name.w.test", secret: "w", rule: "server-name"},
	{host: "report.w.test", secret: "report", rule: "report", names: []string{"report.w.test"}},
	{host: "off.test", secret: "off", rule: "off", names: []string{"off.test"}},
	{host: "classy.test", secret: "classy", rule: "server-name", class: "report", names: []string{"classy.test"}},
	{host: "m1.w.test", secret: "w", rule: "certificate", auth: "one"},
	{host: "m2.w.test", secret: "w", rule: "certificate", auth: "one"},
	{host: "m3.w.test", secret: "w", rule: "off", auth: "two"},
	{host: "old.test", secret: "old", rule: "certificate", names: []string{"old.test"}},
	{host: "lone.test", secret: "", rule: "certificate"},
	{host: "none.w.test", secret: "", rule: "certificate", owner: "other"},
	{host: "noneoff.w.test", secret: "", rule: "off", owner: "other"},
	{host: "shared.w.test", secret: "", rule: "certificate", owner: "other", class: "cluster"},
	{host: "other.w.test", secret: "other", rule: "certificate", owner: "other", names: []string{"other.w.test"}},
	{host: "otheroff.test", secret: "otheroff", rule: "off", owner: "other", names: []string{"otheroff.test"}},
	{host: "otherreport.w.test", secret: "otherreport", rule: "report", owner: "other", names: []string{"otherreport.w.test", "*.w.test"}},
	{host: "copy.w.test", secret: "w", rule: "certificate", owner: "other"},
	{host: "*.foreign.w.test", secret: "", rule: "certificate", owner: "other"},
	{host: "foreign.test", secret: "foreign", rule: "certificate", names: []string{"foreign.test", "*.foreign.w.test"}},
}

// ownerOf is the namespace of a Secret: that of the first site that names it.
func ownerOf(secret string) string {
	for _, p := range matrixSites {
		if p.secret == secret && p.names != nil {
			return p.namespace()
		}
	}
	return "kube-system" // the default certificate's
}

func (p *plainSite) namespace() string {
	if p.owner == "" {
		return "default"
	}
	return p.owner
}

// defaultNames are the default certificate's: an address among them.
var defaultNames = []string{"default.test", "lone.test", "192.0.2.7"}

func plainSiteOf(host string) *plainSite {
	for i := range matrixSites {
		if matrixSites[i].host == host {
			return &matrixSites[i]
		}
	}
	_, rest, ok := strings.Cut(host, ".")
	if !ok {
		return nil
	}
	for i := range matrixSites {
		if matrixSites[i].host == "*."+rest {
			return &matrixSites[i]
		}
	}
	return nil
}

// oracle says what RFC 9110 section 7.4 and the site's own wishes make of a
// request for a host on a connection with this server name, on which the
// client has seen this certificate.
func oracle(serverName, host string, leaf *x509.Certificate, secretOf map[string]string) (status int, reason string) {
	site, of := plainSiteOf(host), plainSiteOf(serverName)
	if site != nil && site.auth != "" && (of == nil || of.auth != site.auth) {
		return 421, "tls_policy"
	}
	rule := "certificate"
	if site != nil {
		rule = site.rule
	}
	report := rule == "report" || (site != nil && site.class == "report")
	if rule != "off" && !report {
		if leaf.VerifyHostname(host) != nil {
			return 421, "certificate"
		}
	}
	// Neither the rule nor a report keeps a neighbour's certificate from being
	// the wrong one.
	if secret := secretOf[string(leaf.Raw)]; site != nil && site.class != "cluster" &&
		secret != "" && secret != site.secret && ownerOf(secret) != site.namespace() {
		return 421, "other_certificate"
	}
	if rule != "off" && !report {
		if rule == "same-certificate" && secretOf[string(leaf.Raw)] != site.secret {
			return 421, "other_certificate"
		}
		if rule == "server-name" && serverName != host {
			return 421, "server_name"
		}
	}
	if site == nil {
		return 404, "unserved"
	}
	return 200, ""
}

// matrixMap makes the host map of the table.
func matrixMap(t testing.TB, ca *authority, auths map[string]*authority) (*hostmap.Map, map[string]string) {
	rules := map[string]hostmap.Rule{
		"certificate": hostmap.RuleCertificate, "same-certificate": hostmap.RuleSameCertificate, "server-name": hostmap.RuleServerName,
		"report": hostmap.RuleCertificate, "off": hostmap.RuleOff,
	}
	certs, secretOf := map[string]*hostmap.Certificate{}, map[string]string{}
	add := func(secret string, names []string) {
		certs[secret] = ca.serverCert("secret-"+secret, names...)
		certs[secret].Secret.Namespace = ownerOf(secret)
		secretOf[string(certs[secret].KeyPair.Certificate[0])] = secret
	}
	add("", defaultNames)
	reporting := hostmap.BuiltinClass()
	reporting.Name, reporting.Report = "report", true
	sharing := hostmap.BuiltinClass()
	sharing.Name, sharing.ShareCertificates = "cluster", true
	b := routeTo(echo(t, "b"))
	var sites []*hostmap.Site
	for _, p := range matrixSites {
		if p.names != nil {
			if p.host == "old.test" {
				ca.expired = true
			}
			add(p.secret, p.names)
			ca.expired = false
		}
		s := hostmap.Site{
			Host: p.host, Namespace: p.namespace(), Certificates: []*hostmap.Certificate{certs[p.secret]}, Rule: rules[p.rule],
			Report: p.rule == "report" || p.class == "report", Routes: b,
		}
		switch p.class {
		case "report":
			s.Class = reporting
		case "cluster":
			s.Class = sharing
		}
		if p.auth != "" {
			s.Policy = hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{auths[p.auth].cert})
		}
		sites = append(sites, hostmap.NewSite(s))
	}
	return hostmap.New(hostmap.Spec{Sites: sites, Defaults: []*hostmap.Certificate{certs[""]}}), secretOf
}

// TestMatrix asks for every host on a connection of every server name, on both
// protocols, fresh and resumed, in both versions of TLS.
func TestMatrix(t *testing.T) {
	auths := map[string]*authority{"one": newAuthority(t), "two": newAuthority(t)}
	clientCerts := map[string]tls.Certificate{"one": auths["one"].clientCert("c"), "two": auths["two"].clientCert("c")}
	m, secretOf := matrixMap(t, newAuthority(t), auths)
	w := newWorld(t, m, nil)

	serverNames := []string{"", "default.test", "nowhere.test", "y.w.test"}
	hosts := []string{"nowhere.test", "y.w.test", "y.y.w.test", "w.test", "default.test", "192.0.2.7", "192.0.2.8", "[2001:db8::1]"}
	for _, p := range matrixSites {
		if !strings.HasPrefix(p.host, "*.") {
			serverNames, hosts = append(serverNames, p.host), append(hosts, p.host)
		}
	}
	asked := 0
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, protocol := range []string{message.HTTP1, message.HTTP2} {
			for _, serverName := range serverNames {
				cache := tls.NewLRUClientSessionCache(1)
				var leaf *x509.Certificate
				for _, resumed := range []bool{false, true} {
					cfg := &tls.Config{
						ServerName: serverName, NextProtos: []string{protocol}, InsecureSkipVerify: true, //nolint:gosec // a test looks at what it is served
						MinVersion: version, MaxVersion: version, ClientSessionCache: cache,
						GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
							c := clientCerts[plainSiteOf(serverName).auth]
							return &c, nil
						},
					}
					nc, err := tls.Dial("tcp", w.https, cfg)
					if err != nil {
						t.Fatalf("%q: %v", serverName, err)
					}
					_ = nc.SetDeadline(time.Now().Add(time.Minute))
					if !resumed {
						leaf = nc.ConnectionState().PeerCertificates[0]
					}
					// Go's client offers no session of an expired certificate.
					if got := nc.ConnectionState().DidResume; got != (resumed && leaf.NotAfter.After(time.Now())) {
						t.Fatalf("%q: resumed %v, want %v", serverName, got, resumed)
					}
					ask := asker(t, w, protocol, nc)
					for _, host := range hosts {
						status, reason := oracle(serverName, host, leaf, secretOf)
						gotStatus, gotReason := ask(host)
						if gotStatus != status || gotReason != reason {
							t.Errorf("%s %s, SNI %q, resumed %v: %s is %d %s, want %d %s",
								tls.VersionName(version), protocol, serverName, resumed, host, gotStatus, gotReason, status, reason)
						}
						asked++
					}
					_ = nc.Close()
				}
			}
		}
	}
	if want := 8 * len(serverNames) * len(hosts); asked != want || t.Failed() {
		t.Errorf("%d requests asked, want %d", asked, want)
	}
}

// asker returns a function that asks for hosts on one connection.
func asker(t testing.TB, w *world, protocol string, nc *tls.Conn) func(host string) (status int, reason string) {
	details := func(proxyStatus string) string {
		_, d, _ := strings.Cut(proxyStatus, `details="`)
		return strings.TrimSuffix(d, `"`)
	}
	if protocol == message.HTTP2 {
		c := w.rawH2On(nc)
		return func(host string) (int, string) {
			a := c.get("https", host, "/")
			n, _ := strconv.Atoi(a.status)
			return n, details(a.header["proxy-status"])
		}
	}
	br := bufio.NewReader(nc)
	return func(host string) (int, string) {
		fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode, details(resp.Header.Get("Proxy-Status"))
	}
}

// The table covers what it says it covers.
func TestMatrixIsWhole(t *testing.T) {
	for _, rule := range []string{"certificate", "same-certificate", "server-name", "report", "off"} {
		if !slices.ContainsFunc(matrixSites, func(p plainSite) bool { return p.rule == rule }) {
			t.Errorf("no site with rule %s", rule)
		}
	}
}
