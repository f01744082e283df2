package audit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

var midnight = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// leaf makes a certificate of Secret "namespace/name" for some names, valid for
// a year. It was never signed, which nothing here looks at. Of two that differ
// in the Secret alone the leaf is the same.
func leaf(secret string, names ...string) *hostmap.Certificate {
	return leafUntil(midnight.AddDate(1, 0, 0), secret, names...)
}

func leafUntil(end time.Time, secret string, names ...string) *hostmap.Certificate {
	cert := &x509.Certificate{PublicKey: &ecdsa.PublicKey{Curve: elliptic.P256()}, NotBefore: midnight, NotAfter: end}
	for _, n := range names {
		if a, err := netip.ParseAddr(strings.Trim(n, "[]")); err == nil {
			cert.IPAddresses = append(cert.IPAddresses, net.IP(a.AsSlice()))
		} else {
			cert.DNSNames = append(cert.DNSNames, n)
		}
	}
	cert.Raw = fmt.Appendf(nil, "%s %s", names, end)
	namespace, name, _ := strings.Cut(secret, "/")
	c, err := hostmap.NewCertificate(hostmap.SecretRef{Namespace: namespace, Name: name},
		tls.Certificate{Certificate: [][]byte{cert.Raw}, Leaf: cert})
	if err != nil {
		panic(err)
	}
	return c
}

// clientAuth is the TLS policy that asks for client certificates of a CA.
func clientAuth(ca string) hostmap.TLSPolicy {
	return hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{{Raw: []byte(ca), RawSubject: []byte(ca)}})
}
