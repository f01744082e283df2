package hostmap

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// SecretRef names the Secret a certificate or a set of CAs came from.
type SecretRef struct {
	Namespace, Name string
}

func (r SecretRef) String() string { return r.Namespace + "/" + r.Name }

func (r SecretRef) compare(o SecretRef) int {
	if c := strings.Compare(r.Namespace, o.Namespace); c != 0 {
		return c
	}
	return strings.Compare(r.Name, o.Name)
}

// compare orders certificates by Secret. Equal are those that were parsed from the
// same bytes of one.
func (c *Certificate) compare(o *Certificate) int {
	if by := c.Secret.compare(o.Secret); by != 0 {
		return by
	}
	return cmp.Or(bytes.Compare(c.Fingerprint[:], o.Fingerprint[:]), bytes.Compare(c.Sum[:], o.Sum[:]))
}

// Certificate is a parsed key pair with what is asked of it on every request.
// It is immutable.
type Certificate struct {
	// Secret is where the key pair came from.
	Secret SecretRef
	// Sum is the SHA-256 of the PEM bytes it was parsed from; equal sums of one
	// Secret need no second parse.
	Sum [sha256.Size]byte
	// Fingerprint is the SHA-256 of the leaf in DER.
	Fingerprint [sha256.Size]byte
	// NotBefore and NotAfter bound the leaf's validity (RFC 5280 section
	// 4.1.2.5). An expired certificate is still served.
	NotBefore, NotAfter time.Time
	// ChainGap is the place, from 1, of the first certificate of the chain that
	// the next one did not sign; 0 where each did.
	ChainGap int
	// Names are the canonical hosts and patterns that the leaf covers, in the
	// order of the certificate, without repetition.
	Names []string
	// ECDSA tells that the leaf's key is an elliptic curve key, which is
	// preferred to RSA where the client takes both.
	ECDSA bool
	// KeyPair is what the handshake serves. Its private key appears in no text.
	KeyPair tls.Certificate

	// names answers Covers: hosts as they are, wildcards as "." + what follows
	// the '*'. A map, because certificates with thousands of names exist and a
	// scan per request is CVE-2026-27145.
	names map[string]struct{}
}

// PairSum identifies the bytes of a key pair.
func PairSum(certPEM, keyPEM []byte) [sha256.Size]byte {
	h := sha256.New()
	// The length keeps the border between the two from moving.
	fmt.Fprintf(h, "%d:", len(certPEM))
	h.Write(certPEM)
	h.Write(keyPEM)
	return [sha256.Size]byte(h.Sum(nil))
}

// ParseCertificate parses the PEM bytes of a key pair, as found under tls.crt
// and tls.key of a kubernetes.io/tls Secret. It fails where any block of
// tls.crt is no whole certificate, where the key belongs to none of them, and
// where it is an RSA key of less than 2048 or more than 4096 bits; the error
// never holds key material. A chain whose leaf does not come first is put in
// order.
func ParseCertificate(secret SecretRef, certPEM, keyPEM []byte) (*Certificate, error) {
	if len(bytes.TrimSpace(certPEM)) == 0 {
		return nil, errors.New("tls.crt is empty")
	}
	if len(bytes.TrimSpace(keyPEM)) == 0 {
		return nil, errors.New("tls.key is empty")
	}
	chain, err := readChain(certPEM)
	if err != nil {
		return nil, err
	}
	key, err := readKey(keyPEM)
	if err != nil {
		return nil, err
	}
	if err := checkKeySize(key.Public()); err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	ordered := leafFirst(chain, key.Public())
	if ordered == nil {
		if len(chain) == 1 {
			return nil, errors.New("tls.key is not the key of the certificate in tls.crt")
		}
		return nil, fmt.Errorf("tls.key is the key of none of the %d certificates in tls.crt", len(chain))
	}
	pair := tls.Certificate{PrivateKey: key, Leaf: ordered[0]}
	for _, c := range ordered {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	c, err := NewCertificate(secret, pair)
	if err != nil {
		return nil, err
	}
	c.Sum = PairSum(certPEM, keyPEM)
	c.ChainGap = firstGap(ordered)
	return c, nil
}

// NewCertificate makes a Certificate of a key pair that is parsed already.
func NewCertificate(secret SecretRef, pair tls.Certificate) (*Certificate, error) {
	if pair.Leaf == nil {
		if len(pair.Certificate) == 0 {
			return nil, errors.New("key pair without a certificate")
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			return nil, err
		}
		pair.Leaf = leaf
	}
	leaf := pair.Leaf
	c := &Certificate{
		Secret:      secret,
		Fingerprint: sha256.Sum256(leaf.Raw),
		NotBefore:   leaf.NotBefore,
		NotAfter:    leaf.NotAfter,
		ECDSA:       isEllipticKey(leaf.PublicKey),
		KeyPair:     pair,
		names:       make(map[string]struct{}, len(leaf.DNSNames)+len(leaf.IPAddresses)),
	}
	for _, n := range leaf.DNSNames {
		p, err := Pattern(n)
		if err != nil || IsIP(p) {
			// A dNSName that no host can equal, an address among them (RFC 9525
			// section 6.5: an address is matched by iPAddress names alone).
			continue
		}
		c.add(p)
	}
	for _, ip := range leaf.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			c.add(hostOfAddr(a))
		}
	}
	return c, nil
}

func isEllipticKey(k crypto.PublicKey) bool {
	switch k.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}

func (c *Certificate) add(pattern string) {
	key := pattern
	if strings.HasPrefix(pattern, "*.") {
		key = pattern[1:]
	}
	if _, ok := c.names[key]; !ok {
		c.names[key] = struct{}{}
		c.Names = append(c.Names, pattern)
	}
}

// Covers tells whether the leaf covers a canonical host: coverage after RFC
// 9525 section 6. DNS names of the certificate only (never its common name), a
// wildcard for one whole left-most label only, and IP literals by iPAddress
// names only. It does not allocate.
func (c *Certificate) Covers(host string) bool {
	if _, ok := c.names[host]; ok {
		// A key that begins with a dot is a wildcard's, and no canonical host
		// begins with one.
		return host[0] != '.'
	}
	i := strings.IndexByte(host, '.')
	if i <= 0 || host[0] == '[' {
		return false
	}
	_, ok := c.names[host[i:]]
	return ok
}

// CoversPattern tells whether every host that a pattern stands for is covered.
func (c *Certificate) CoversPattern(pattern string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		_, covered := c.names[suffix]
		return covered
	}
	return c.Covers(pattern)
}

// KeyType is the kind of the leaf's key: ECDSA, which stands for every elliptic
// curve key, or RSA.
func (c *Certificate) KeyType() string {
	if c.ECDSA {
		return "ECDSA"
	}
	return "RSA"
}

// ShortFingerprint is the first 16 hexadecimal digits of the fingerprint, for
// logs and texts.
func (c *Certificate) ShortFingerprint() string {
	return hex.EncodeToString(c.Fingerprint[:8])
}
