package hostmap

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

const (
	// maxBundleBytes bounds a bundle, in octets of PEM.
	maxBundleBytes = 1 << 20
	// maxBundleNames bounds the names of a bundle's CAs, in octets of DER: a
	// handshake lists them to the client, in a list that may have 65,535
	// (RFC 8446 section 4.2.4), and fails where they do not fit.
	maxBundleNames = 60_000
	// maxSkipped bounds what Skipped tells.
	maxSkipped = 3
)

// Bundle is a set of CA certificates that was read from PEM. It is immutable.
type Bundle struct {
	// Sum is the BundleSum of the PEM bytes it was parsed from.
	Sum [sha256.Size]byte
	// Pool verifies certificates with the CAs.
	Pool *x509.CertPool
	// Skipped tells which blocks are no certificate that can be used, in a few
	// words each; the first three and how many there are more. Nobody is
	// trusted because of them.
	Skipped []string

	// sums are the SHA-256 of the CAs, each once, sorted: what identifies the
	// set in whatever order and however often its members were named.
	sums [][sha256.Size]byte
}

// BundleSum identifies the bytes of a bundle. It equals no [PairSum].
func BundleSum(text []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte("bundle:"))
	h.Write(text)
	return [sha256.Size]byte(h.Sum(nil))
}

// ParseBundle reads one or more CA certificates in PEM, as found under ca.crt
// of a Secret.
//
// A text whose blocks cannot be told apart is an error, and so is a block of
// another kind, because half of a bundle is another bundle: a list of revoked
// certificates must not be passed over. A block that is a certificate by its
// label and cannot be used as one is skipped, so that one bad CA does not shut
// out the clients of all others; to skip it shuts out its own alone.
func ParseBundle(text []byte) (*Bundle, error) {
	if len(text) > maxBundleBytes {
		return nil, fmt.Errorf("ca.crt has %d octets; at most %d are read", len(text), maxBundleBytes)
	}
	blocks, err := pemBlocks(text)
	if err != nil {
		return nil, fmt.Errorf("ca.crt: %w", err)
	}
	b := &Bundle{Sum: BundleSum(text), Pool: x509.NewCertPool()}
	names, skipped := 0, 0
	for i := range blocks {
		if label := blocks[i].label; label != "CERTIFICATE" && label != "TRUSTED CERTIFICATE" && label != "X509 CERTIFICATE" {
			return nil, fmt.Errorf("ca.crt: block %d (line %d) is labelled %.40q, not CERTIFICATE", i+1, blocks[i].line, label)
		}
		ca, err := readCA(&blocks[i])
		if err != nil {
			if skipped++; skipped <= maxSkipped {
				b.Skipped = append(b.Skipped, fmt.Sprintf("block %d (line %d) %v", i+1, blocks[i].line, err))
			}
			continue
		}
		b.add(ca)
		if names += 2 + len(ca.RawSubject); names > maxBundleNames {
			return nil, fmt.Errorf("ca.crt: the names of its CAs have more than %d octets, which no handshake has room for", maxBundleNames)
		}
	}
	if len(b.sums) == 0 {
		if len(b.Skipped) != 0 {
			return nil, errors.New("ca.crt: " + b.Skipped[0])
		}
		return nil, errors.New("ca.crt holds no certificate in PEM")
	}
	if skipped > maxSkipped {
		b.Skipped = append(b.Skipped, fmt.Sprintf("and %d more", skipped-maxSkipped))
	}
	b.sort()
	return b, nil
}

// readCA reads one certificate. The length of RSA keys is bounded because every
// client can have signatures verified with them; their exponents are by
// crypto/rsa (31 bits).
func readCA(block *pemBlock) (*x509.Certificate, error) {
	der, err := block.certificate()
	if err != nil {
		return nil, err
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("is no certificate: %w", err)
	}
	if err := checkKeySize(ca.PublicKey); err != nil {
		return nil, fmt.Errorf("has %w", err)
	}
	return ca, nil
}

// newBundle makes a bundle of CAs that are parsed already.
func newBundle(cas []*x509.Certificate) *Bundle {
	b := &Bundle{Pool: x509.NewCertPool()}
	for _, ca := range cas {
		b.add(ca)
	}
	b.sort()
	return b
}

// add has the pool parse the CA when it is needed: a parsed one takes many
// times its octets.
func (b *Bundle) add(ca *x509.Certificate) {
	b.Pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}))
	b.sums = append(b.sums, sha256.Sum256(ca.Raw))
}

func (b *Bundle) sort() {
	slices.SortFunc(b.sums, func(x, y [sha256.Size]byte) int { return bytes.Compare(x[:], y[:]) })
	b.sums = slices.Compact(b.sums)
}

// Policy is the TLS policy that asks for client certificates of the CAs, in a
// mode that asks and with a depth of at least 1.
func (b *Bundle) Policy(mode ClientAuth, depth int) TLSPolicy {
	h := sha256.New()
	var head [9]byte
	head[0] = byte(mode)
	binary.BigEndian.PutUint64(head[1:], uint64(depth))
	h.Write(head[:])
	for i := range b.sums {
		h.Write(b.sums[i][:])
	}
	return TLSPolicy{Mode: mode, Depth: depth, CAs: b.Pool, ID: PolicyID(h.Sum(nil))}
}

// NewTLSPolicy makes the policy of a mode, a depth (at least 1) and the CA
// certificates, in whatever order and however often each is named.
func NewTLSPolicy(mode ClientAuth, depth int, cas []*x509.Certificate) TLSPolicy {
	if mode == ClientAuthNone {
		return TLSPolicy{}
	}
	return newBundle(cas).Policy(mode, depth)
}
