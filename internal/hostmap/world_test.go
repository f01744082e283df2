package hostmap_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

var midnight = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// leaf makes a Certificate of names ("a.test", "*.b.test", "192.0.2.1") whose
// leaf was never signed, which nothing here looks at: a hundred thousand of
// them are made in a second. Two calls with the same arguments make the same
// leaf. The one of Secret "expired" is.
func leaf(secret string, names ...string) *hostmap.Certificate {
	return leafOf(secret, &ecdsa.PublicKey{Curve: elliptic.P256()}, names...)
}

// rsaLeaf is leaf with an RSA key.
func rsaLeaf(secret string, names ...string) *hostmap.Certificate {
	return leafOf(secret, &rsa.PublicKey{}, names...)
}

func leafOf(secret string, key any, names ...string) *hostmap.Certificate {
	cert := &x509.Certificate{PublicKey: key, NotBefore: midnight, NotAfter: midnight.AddDate(1, 0, 0)}
	if secret == "expired" {
		cert.NotAfter = midnight
	}
	for _, n := range names {
		if a, err := netip.ParseAddr(strings.Trim(n, "[]")); err == nil {
			cert.IPAddresses = append(cert.IPAddresses, net.IP(a.AsSlice()))
		} else {
			cert.DNSNames = append(cert.DNSNames, n)
		}
	}
	cert.Raw = fmt.Appendf(nil, "%s %T %s", secret, key, names)
	namespace, name, ok := strings.Cut(secret, "/")
	if !ok {
		namespace, name = "default", secret
	}
	c, err := hostmap.NewCertificate(hostmap.SecretRef{Namespace: namespace, Name: name},
		tls.Certificate{Certificate: [][]byte{cert.Raw}, Leaf: cert})
	if err != nil {
		panic(err)
	}
	return c
}

// clientCA makes a CA certificate that was never signed.
func clientCA(name string) *x509.Certificate {
	return &x509.Certificate{Raw: []byte("CA " + name), RawSubject: []byte(name)}
}

// backend is a backend named after a Service of namespace default.
func backend(service string) *hostmap.Backend {
	return &hostmap.Backend{Namespace: "default", Service: service, Port: "80"}
}

// everything is one route for all paths.
func everything(service string) []*hostmap.Route {
	return []*hostmap.Route{{Path: "/", Backend: backend(service), From: hostmap.Object{Kind: "Ingress", Namespace: "default", Name: service}}}
}

// connect is what a TLS 1.3 handshake for a server name settles; it fails the
// test where the map refuses the handshake.
func connect(t testing.TB, m *hostmap.Map, serverName string) *hostmap.Facts {
	t.Helper()
	f := handshake(m, serverName, tls.VersionTLS13, loopback)
	if f == nil {
		t.Fatalf("handshake for %q is refused", serverName)
	}
	return f
}

// handshake is what a handshake settles, with the preferred certificate, or nil
// where it is refused.
func handshake(m *hostmap.Map, serverName string, version uint16, peer netip.Addr) *hostmap.Facts {
	h := hostmap.Connect(m, serverName)
	if !h.Takes(version) {
		return nil
	}
	f := h.Facts(h.Certificates[0], peer)
	f.Version, f.ALPN = version, "h2"
	return &f
}
