package object

import (
	"crypto/sha256"
	"strings"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// CAKey is the key of a Secret that holds CA certificates.
const CAKey = "ca.crt"

// Bundle is what became of a Secret that CA certificates are to be read from.
// There is no last good one: whom to trust is never answered from memory.
type Bundle struct {
	*hostmap.Bundle // nil where there are none
	// Reason and Message are what is wrong, "" where nothing is. Part of a
	// bundle may be wrong and the rest be used.
	Reason, Message string
}

// Bundle reads the CA certificates of a Secret.
func (s *Secrets) Bundle(ref hostmap.SecretRef) *Bundle { return s.bundles.get(ref, s.readBundle) }

func (s *Secrets) readBundle(ref hostmap.SecretRef) *Bundle {
	secret, reason, message := s.secret(ref)
	if secret == nil {
		return &Bundle{Reason: reason, Message: message}
	}
	text := secretValue(secret, CAKey)
	sum := hostmap.BundleSum(text)
	c, failure := s.parseBundle(sum, text)
	out := &Bundle{Bundle: c}
	switch {
	case c == nil:
		out.Reason = problem.CertificateInvalid
		out.Message = "Secret " + problem.Quote(ref.String()) + ": " + failure + "."
	case len(c.Skipped) != 0:
		out.Reason = problem.CertificateInvalid
		out.Message = "Secret " + problem.Quote(ref.String()) + ": " + CAKey + ": " + strings.Join(c.Skipped, "; ") +
			"; clients of the other CAs are verified, of these none is."
	}
	return out
}

// parseBundle returns the bundle of some bytes, or what is wrong with them,
// each parsed once as long as a Secret that is named holds them.
func (s *Secrets) parseBundle(sum [sha256.Size]byte, text []byte) (*hostmap.Bundle, string) {
	c, failure := s.before.Bundles[sum], s.before.Failures[sum]
	if c == nil && failure == "" {
		// Another Secret may have the same bytes.
		c, failure = s.parsed.Bundles[sum], s.parsed.Failures[sum]
	}
	if c == nil && failure == "" {
		var err error
		if c, err = hostmap.ParseBundle(text); err != nil {
			failure = problem.ErrorText(err)
		}
	}
	if c == nil {
		s.parsed.Failures[sum] = failure
		return nil, failure
	}
	s.parsed.Bundles[sum] = c
	return c, ""
}
