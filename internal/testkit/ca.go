package testkit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// CA signs certificates. Make one with [NewCA].
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	PEM  []byte // the certificate
}

// Certificate is a certificate with its key.
type Certificate struct {
	PEM, KeyPEM []byte
	Leaf        *x509.Certificate
	TLS         tls.Certificate // without the CA
}

// Fingerprint is the SHA-256 of the leaf, as the log has it.
func (c *Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.Leaf.Raw)
	return hex.EncodeToString(sum[:])
}

// NewCA makes a CA with a key of its own.
func NewCA(t testing.TB, name string) *CA {
	t.Helper()
	c := new(CA).Sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	key, ok := c.TLS.PrivateKey.(crypto.Signer)
	if !ok {
		t.Fatalf("a key of type %T cannot sign", c.TLS.PrivateKey)
	}
	return &CA{Cert: c.Leaf, Key: key, PEM: c.PEM}
}

// Roots is a pool of the CA alone.
func (ca *CA) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

// Server makes a certificate for host names and IP addresses. The first is its
// subject too.
func (ca *CA) Server(t testing.TB, hosts ...string) *Certificate {
	t.Helper()
	template := &x509.Certificate{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for i, host := range hosts {
		if i == 0 {
			template.Subject.CommonName = host
		}
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return ca.Sign(t, template)
}

// Client makes a client certificate.
func (ca *CA) Client(t testing.TB, name string) *Certificate {
	t.Helper()
	return ca.Sign(t, &x509.Certificate{
		Subject:  pkix.Name{CommonName: name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// Sign makes an ECDSA key and signs a certificate for it: by the CA, or, where
// that has no key, by itself. A serial number and a validity of a day, since an
// hour ago, are filled in.
func (ca *CA) Sign(t testing.TB, template *x509.Certificate) *Certificate {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	if template.SerialNumber == nil {
		template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
		must(err)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	parent, signer := template, crypto.Signer(key)
	if ca.Key != nil {
		parent, signer = ca.Cert, ca.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	must(err)
	leaf, err := x509.ParseCertificate(der)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	return &Certificate{
		PEM:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		KeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		Leaf:   leaf,
		TLS:    tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
	}
}
