package compile

import (
	"crypto/sha256"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// keyCA is where a Secret holds CA certificates.
const keyCA = "ca.crt"

// bundle is what became of a Secret that CA certificates are to be read from.
// There is no last good one: whom to trust is never answered from memory.
type bundle struct {
	*hostmap.Bundle // nil where there are none
	// reason and message are what is wrong, "" where nothing is. Part of a
	// bundle may be wrong and the rest be used.
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
	secret, reason, message := b.secret(ref)
	if secret == nil {
		return &bundle{reason: reason, message: message}
	}
	text := secretValue(secret, keyCA)
	sum := hostmap.BundleSum(text)
	c, failure := b.parseBundle(sum, text)
	out := &bundle{Bundle: c}
	switch {
	case c == nil:
		out.reason = CertificateInvalid
		out.message = "Secret " + quote(ref.String()) + ": " + failure + "."
	case len(c.Skipped) != 0:
		out.reason = CertificateInvalid
		out.message = "Secret " + quote(ref.String()) + ": " + keyCA + ": " + strings.Join(c.Skipped, "; ") +
			"; clients of the other CAs are verified, of these none is."
	}
	return out
}

// parseBundle returns the bundle of some bytes, or what is wrong with them,
// each parsed once as long as a Secret that is named holds them.
func (b *builder) parseBundle(sum [sha256.Size]byte, text []byte) (*hostmap.Bundle, string) {
	before := b.previous.Parsed()
	c, failure := before.Bundles[sum], before.Failures[sum]
	if c == nil && failure == "" {
		// Another Secret may have the same bytes.
		c, failure = b.parsed.Bundles[sum], b.parsed.Failures[sum]
	}
	if c == nil && failure == "" {
		var err error
		if c, err = hostmap.ParseBundle(text); err != nil {
			failure = errorText(err)
		}
	}
	if c == nil {
		b.parsed.Failures[sum] = failure
		return nil, failure
	}
	b.parsed.Bundles[sum] = c
	return c, ""
}
