package hostmap

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// minRSABits and maxRSABits bound the RSA keys that are served and that
	// verify clients. The time of a signature grows with the cube of the
	// length: 16384 bits take more than a second of each handshake.
	minRSABits, maxRSABits = 2048, 4096
	// maxChainBytes bounds a chain, in octets of DER. Each handshake sends it;
	// OpenSSL's clients refuse more (SSL_MAX_CERT_LIST_DEFAULT).
	maxChainBytes = 100 << 10
	// maxKeyBytes bounds a private key, in octets of DER, before it is parsed,
	// which takes long if it is: one of RSA with 4096 bits has 2.4 KiB, the
	// largest of ML-DSA 5.
	maxKeyBytes = 8 << 10
)

// readChain reads the certificates of tls.crt in their order. Each block must
// be one: a chain without its second certificate is refused by clients, and
// must not take the place of one that is whole.
func readChain(text []byte) ([]*x509.Certificate, error) {
	blocks, err := pemBlocks(text)
	if err != nil {
		return nil, fmt.Errorf("tls.crt: %w", err)
	}
	var chain []*x509.Certificate
	size := 0
	for i := range blocks {
		if besideChain(blocks[i].label) {
			continue
		}
		der, err := blocks[i].certificate()
		if err != nil {
			return nil, fmt.Errorf("tls.crt: block %d (line %d) %w", i+1, blocks[i].line, err)
		}
		if size += len(der); size > maxChainBytes {
			return nil, fmt.Errorf("tls.crt holds more than %d KiB of certificates; it is for the leaf and what signed it", maxChainBytes>>10)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("tls.crt: block %d (line %d) is no certificate: %w", i+1, blocks[i].line, err)
		}
		chain = append(chain, c)
	}
	switch {
	case len(chain) != 0:
		return chain, nil
	case len(blocks) != 0:
		return nil, errors.New("tls.crt holds no certificate, but a key or its parameters; are tls.crt and tls.key mixed up?")
	}
	return nil, errors.New("tls.crt holds no certificate in PEM")
}

// besideChain tells whether a block may stand in tls.crt and is none of the
// chain: files that hold certificate and key are common.
func besideChain(label string) bool {
	return strings.HasSuffix(label, "PRIVATE KEY") || strings.HasSuffix(label, " PARAMETERS")
}

// readKey reads the private key of tls.key, the first that stands there. Its
// errors hold nothing of it.
func readKey(text []byte) (crypto.Signer, error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("tls.key holds no private key in PEM")
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, errors.New("tls.key: the key is encrypted, and nobody is there to tell the password")
		}
		if len(block.Bytes) > maxKeyBytes {
			return nil, fmt.Errorf("tls.key: the key is larger than %d KiB; RSA keys may have %d to %d bits", maxKeyBytes>>10, minRSABits, maxRSABits)
		}
		return parseKey(block.Bytes)
	}
}

func parseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(der)
	}
	if err != nil {
		key, err = x509.ParseECPrivateKey(der)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("tls.key: the key is of no kind that can be served (PKCS #8, PKCS #1 or SEC 1; RSA, ECDSA, Ed25519)")
	}
	return signer, nil
}

// checkKeySize refuses RSA keys that are too short to protect anybody, or so
// long that a handshake costs more than it should.
func checkKeySize(key crypto.PublicKey) error {
	k, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil
	}
	if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("an RSA key of %d bits, not of %d to %d", bits, minRSABits, maxRSABits)
	}
	return nil
}

// equalKeys tells whether two public keys are the same.
func equalKeys(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// leafFirst returns a chain that begins with the certificate of a key, nil
// where there is none. A chain that begins with another is put in order: the
// leaf, then what signed the one before as far as it is there, then the others
// as they stand.
func leafFirst(chain []*x509.Certificate, key crypto.PublicKey) []*x509.Certificate {
	at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return equalKeys(c.PublicKey, key) })
	switch at {
	case -1:
		return nil
	case 0:
		return chain
	}
	rest := slices.Delete(slices.Clone(chain), at, at+1)
	out := []*x509.Certificate{chain[at]}
	for {
		last := out[len(out)-1]
		i := slices.IndexFunc(rest, func(c *x509.Certificate) bool { return signed(c, last) })
		if i < 0 {
			return append(out, rest...)
		}
		out = append(out, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
}

// firstGap returns the place, from 1, of the first certificate that the next
// one did not sign; 0 where each did.
func firstGap(chain []*x509.Certificate) int {
	for i := range len(chain) - 1 {
		if !signed(chain[i+1], chain[i]) {
			return i + 1
		}
	}
	return 0
}

// signed tells whether one certificate signed another, as far as can be told:
// a signature that is not verified here (an algorithm that is unknown or no
// longer secure, a key that would take too long) is believed.
func signed(parent, child *x509.Certificate) bool {
	if !bytes.Equal(parent.RawSubject, child.RawIssuer) {
		return false
	}
	if k, ok := parent.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSABits {
		return true
	}
	err := parent.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature)
	var insecure x509.InsecureAlgorithmError
	return err == nil || errors.Is(err, x509.ErrUnsupportedAlgorithm) || errors.As(err, &insecure)
}
