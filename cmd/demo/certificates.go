package demo

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// secrets are the names on the certificate of each kubernetes.io/tls
// Secret. They overlap, as real ones do.
var secrets = []struct {
	name  string
	hosts []string
}{
	{"wildcard-tls", []string{"*.shop.test"}},
	{"pay-tls", []string{"pay.shop.test"}},
	{"news-tls", []string{"news.test"}},
	{"old-tls", []string{"old.test"}},
	{"free-tls", []string{"free.test"}},
}

// issuer signs the demo's certificates, of servers and of the client.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
}

// keyPair is a certificate and its key in PEM.
type keyPair struct{ cert, key []byte }

// lifetime is how long the demo's certificates are valid: as long as
// somebody may leave --keep running.
const lifetime = 7 * 24 * time.Hour

func newIssuer() (*issuer, error) {
	ca := &issuer{}
	key, der, err := ca.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "ingress421 demo CA"},
		IsCA:    true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	if err != nil {
		return nil, fmt.Errorf("make a CA: %w", err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("make a CA: %w", err)
	}
	ca.key, ca.pem = key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return ca, nil
}

// sign makes a key and signs a certificate for it: by the CA, or, while that
// has no key, by itself.
func (ca *issuer) sign(template *x509.Certificate) (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(lifetime)
	parent, signer := template, crypto.Signer(key)
	if ca.key != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	return key, der, err
}

// server makes the key pair of a server.
func (ca *issuer) server(hosts []string) (keyPair, error) {
	return ca.pair(&x509.Certificate{
		Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// client makes the key pair of a client.
func (ca *issuer) client(name string) (keyPair, error) {
	return ca.pair(&x509.Certificate{
		Subject:  pkix.Name{CommonName: name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (ca *issuer) pair(template *x509.Certificate) (keyPair, error) {
	key, der, err := ca.sign(template)
	if err != nil {
		return keyPair{}, fmt.Errorf("make a certificate for %s: %w", template.Subject.CommonName, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return keyPair{}, fmt.Errorf("make a certificate for %s: %w", template.Subject.CommonName, err)
	}
	return keyPair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}
