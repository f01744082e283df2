package hostmap_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// pair issues a self-signed key pair in PEM.
func pair(t *testing.T, key crypto.Signer, names ...string) (certPEM, keyPEM []byte) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cn.test"},
		NotBefore: midnight, NotAfter: midnight.Add(24 * time.Hour),
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestParseCertificate(t *testing.T) {
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cert, key := pair(t, ec, "A.test", "*.w.test", "a.test", "192.0.2.1", "2001:db8::1")
	ref := hostmap.SecretRef{Namespace: "ns", Name: "s"}
	c, err := hostmap.ParseCertificate(ref, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a.test", "*.w.test", "192.0.2.1", "[2001:db8::1]"}; !slices.Equal(c.Names, want) {
		t.Errorf("names %q, want %q", c.Names, want)
	}
	if !c.ECDSA || !c.NotBefore.Equal(midnight) || !c.NotAfter.Equal(midnight.Add(24*time.Hour)) || c.Secret != ref {
		t.Errorf("%+v", c)
	}
	if c.Sum != hostmap.PairSum(cert, key) || c.Sum == hostmap.PairSum(append(cert, key...), nil) {
		t.Error("the sum is not of both parts")
	}
	if c.Covers("cn.test") {
		t.Error("the common name covers")
	}
	for what, key := range map[string]crypto.Signer{
		"RSA": must(rsa.GenerateKey(rand.Reader, 2048)), "Ed25519": must(ed25519Key()),
	} {
		cert, pem := pair(t, key, "a.test")
		c, err := hostmap.ParseCertificate(ref, cert, pem)
		if err != nil || c.ECDSA != (what == "Ed25519") {
			t.Errorf("%s: ECDSA %v, %v", what, c.ECDSA, err)
		}
	}
	_, otherKey := pair(t, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "a.test")
	for what, bad := range map[string][2][]byte{
		"no certificate":  {nil, key},
		"blanks":          {[]byte("\n "), key},
		"no key":          {cert, nil},
		"garbage":         {[]byte("garbage"), key},
		"garbage key":     {cert, []byte("garbage")},
		"another's key":   {cert, otherKey},
		"only half of it": {cert[:len(cert)/2], key},
		"swapped":         {key, cert},
	} {
		c, err := hostmap.ParseCertificate(ref, bad[0], bad[1])
		if err == nil {
			t.Errorf("%s: parsed %v", what, c.Names)
		} else if strings.Contains(err.Error(), string(key[30:60])) {
			t.Errorf("%s: the error holds the key: %v", what, err)
		}
	}
}

func ed25519Key() (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func TestCoversPattern(t *testing.T) {
	c := leaf("c", "*.w.test", "a.test", "192.0.2.1")
	for pattern, want := range map[string]bool{
		"*.w.test": true, "a.test": true, "x.w.test": true, "192.0.2.1": true,
		"*.x.w.test": false, "*.test": false, "w.test": false, "*": false, "": false, "*.a.test": false,
	} {
		if got := c.CoversPattern(pattern); got != want {
			t.Errorf("CoversPattern(%q) = %v", pattern, got)
		}
	}
}

// checkCoverage compares Covers with crypto/x509 and with the oracle, for one
// host. Where x509 differs, the reason stands here:
func checkCoverage(t *testing.T, c *hostmap.Certificate, host string) {
	t.Helper()
	cert := c.KeyPair.Leaf
	got, want := c.Covers(host), cert.VerifyHostname(host) == nil
	if oracle := leafCovers(cert, host); got != oracle {
		t.Fatalf("Covers(%q) = %v for %q, the oracle says %v", host, got, cert.DNSNames, oracle)
	}
	if got == want {
		return
	}
	switch a, err := netip.ParseAddr(strings.Trim(host, "[]")); {
	case want && err == nil && !slices.ContainsFunc(cert.IPAddresses, func(ip net.IP) bool { return bytes.Equal(ip, a.AsSlice()) }):
		// x509 takes ::ffff:192.0.2.1 and 192.0.2.1 for one another. RFC 9525
		// section 6.5 compares octets, and 16 are never 4.
	case want && err != nil && !strings.Contains(host, ".") && slices.Contains(cert.DNSNames, "*"):
		// x509 lets "*" alone stand for every host of one label. RFC 9525
		// section 6.3 wants the wildcard followed by a domain; here it would
		// cover every service of a cluster.
	case got && slices.ContainsFunc(cert.DNSNames, func(n string) bool { return strings.HasSuffix(n, ".") }):
		// x509 refuses a presented name with a trailing dot. Here a name is
		// one host however it is spelled, on every side of the comparison.
	default:
		t.Fatalf("Covers(%q) = %v for %q, x509 says %v", host, got, cert.DNSNames, want)
	}
}

// FuzzCovers is checkCoverage for names and hosts of any kind.
func FuzzCovers(f *testing.F) {
	parts := []string{"a", "b", "*", "w", "test", "xn--a", "*a", "_x", "1", "", "-", "A"}
	r := mathrand.New(mathrand.NewPCG(9525, 1))
	for range 3000 {
		name := func() string {
			var labels []string
			for range 1 + r.IntN(3) {
				labels = append(labels, pick(r, parts))
			}
			return strings.Join(labels, ".") + pick(r, []string{"", "", "", "."})
		}
		f.Add(name()+" "+name()+" "+name(), name())
	}
	for _, host := range []string{"192.0.2.1", "[2001:db8::1]", "[::ffff:192.0.2.1]", "192.0.2.1."} {
		for _, name := range []string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "*.0.2.1", "*", "192.0.2.1."} {
			f.Add(name, host)
		}
	}
	f.Fuzz(func(t *testing.T, names, host string) {
		canonical, err := hostmap.Host(host)
		if err != nil {
			return // no request gets so far as to ask
		}
		checkCoverage(t, leaf("s", strings.Split(names, " ")...), canonical)
	})
}

// BenchmarkCovers: the number of names does not count (CVE-2026-27145).
func BenchmarkCovers(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("name-%d.test", i)
		}
		c := leaf("c", names...)
		b.Run(fmt.Sprintf("names=%d", n), func(b *testing.B) {
			for b.Loop() {
				c.Covers("absent.w.test")
			}
		})
	}
}
