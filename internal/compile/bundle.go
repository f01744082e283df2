package compile

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// keyCA is where a Secret holds CA certificates.
const keyCA = "ca.crt"

// bundle is what became of a Secret that CA certificates are to be read from.
// There is no last good one: whom to trust is never answered from memory.
type bundle struct {
	cas  []*x509.Certificate
	pool *x509.CertPool
	// sum identifies the bytes.
	sum [sha256.Size]byte
	// reason and message are what is wrong, "" where nothing is.
	reason, message string
}

// bundle reads a Secret, each once in a run.
func (b *builder) bundle(ref hostmap.SecretRef) *bundle {
	if c := b.bundles[ref]; c != nil {
		return c
	}
	c := b.readBundle(ref)
	b.bundles[ref] = c
	return c
}

func (b *builder) readBundle(ref hostmap.SecretRef) *bundle {
	secret := b.objects.secrets[ref]
	if secret == nil {
		return &bundle{reason: SecretNotFound, message: "Secret " + quote(ref.String()) + " does not exist."}
	}
	if !usableSecret(secret) {
		return &bundle{reason: CertificateInvalid, message: "Secret " + quote(ref.String()) + " is of type " + quote(string(secret.Type)) + ", not kubernetes.io/tls or Opaque."}
	}
	data := secretValue(secret, keyCA)
	cas, err := parseBundle(data)
	if err != nil {
		return &bundle{reason: CertificateInvalid, message: "Secret " + quote(ref.String()) + ": " + keyCA + " " + err.Error() + "."}
	}
	pool := x509.NewCertPool()
	for _, ca := range cas {
		pool.AddCert(ca)
	}
	return &bundle{cas: cas, pool: pool, sum: sha256.Sum256(data)}
}

// parseBundle reads one or more CA certificates in PEM. Text outside of the
// blocks may explain them (RFC 7468 section 5.2); whatever else is not a whole
// certificate is an error, because half of a bundle is another bundle.
func parseBundle(data []byte) ([]*x509.Certificate, error) {
	var cas []*x509.Certificate
	for rest := data; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, errors.New("holds a block that is no certificate")
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds a certificate that cannot be parsed: %w", err)
		}
		cas = append(cas, ca)
	}
	if len(cas) == 0 {
		return nil, errors.New("holds no certificate in PEM")
	}
	// Decode skips what it cannot read. Each block has two lines with two
	// rows of dashes.
	if bytes.Count(data, []byte("-----")) != 4*len(cas) {
		return nil, errors.New("holds a broken PEM block")
	}
	return cas, nil
}
