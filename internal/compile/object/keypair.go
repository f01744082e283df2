package object

import (
	"time"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// KeyPair is what became of a Secret that a certificate is to be read from.
type KeyPair struct {
	// Certificate is what to serve: the Secret's, else the last good one of
	// the same Secret, else nil.
	Certificate *hostmap.Certificate
	// reason and message are what is wrong with the Secret, "" where nothing.
	reason, message string
}

// KeyPair reads the key pair of a Secret.
func (s *Secrets) KeyPair(ref hostmap.SecretRef) *KeyPair { return s.keyPairs.get(ref, s.readKeyPair) }

// readKeyPair reads a Secret, and falls back on its last good certificate.
func (s *Secrets) readKeyPair(ref hostmap.SecretRef) *KeyPair {
	k := s.parseKeyPair(ref)
	if k.reason != "" {
		if k.Certificate = s.lastGood[ref]; k.Certificate != nil {
			k.message += " The last good certificate is served."
		} else {
			k.message += " Handshakes that need it are refused."
		}
	}
	return k
}

func (s *Secrets) parseKeyPair(ref hostmap.SecretRef) *KeyPair {
	secret, reason, message := s.secret(ref)
	if secret == nil {
		return &KeyPair{reason: reason, message: message}
	}
	certPEM, keyPEM := secretValue(secret, "tls.crt"), secretValue(secret, "tls.key")
	sum := hostmap.PairSum(certPEM, keyPEM)
	if old := s.lastGood[ref]; old != nil && old.Sum == sum {
		return &KeyPair{Certificate: old}
	}
	failure := s.before.Failures[sum]
	if failure == "" {
		c, err := hostmap.ParseCertificate(ref, certPEM, keyPEM)
		if err == nil {
			return &KeyPair{Certificate: c}
		}
		failure = problem.ErrorText(err)
	}
	s.parsed.Failures[sum] = failure
	return &KeyPair{reason: problem.CertificateInvalid, message: "Secret " + problem.Quote(ref.String()) + " holds no usable key pair: " + failure + "."}
}

// Certificate returns the certificate of a Secret that a field of an object
// names, nil where there is none, and reports what is wrong with it.
func (s *Secrets) Certificate(on hostmap.Object, field func() string, ref hostmap.SecretRef) *hostmap.Certificate {
	report := func(reason, format string, args ...any) {
		s.problems.Add(on, reason, field()+": "+format, args...)
	}
	k := s.KeyPair(ref)
	if k.reason != "" {
		report(k.reason, "%s", k.message)
	}
	c := k.Certificate
	if c == nil {
		return nil
	}
	switch {
	case s.now.Before(c.NotBefore):
		report(problem.CertificateNotYetValid, "The certificate of Secret %s is not valid before %s; clients refuse it until then.", problem.Quote(ref.String()), c.NotBefore.UTC().Format(time.RFC3339))
	case expired(c, s.now):
		report(problem.CertificateExpired, "The certificate of Secret %s was valid until %s; renew it.", problem.Quote(ref.String()), c.NotAfter.UTC().Format(time.RFC3339))
	}
	if n := c.ChainGap; n != 0 {
		report(problem.CertificateChainBroken, "In tls.crt of Secret %s certificate %d did not sign certificate %d; it is served as it is. Put after each certificate the one that signed it.", problem.Quote(ref.String()), n+1, n)
	}
	return c
}

// expired counts the very moment of NotAfter as over, so that a run at that
// moment sees what has changed.
func expired(c *hostmap.Certificate, now time.Time) bool { return !now.Before(c.NotAfter) }

// Certificates are those that some object names, last good ones among
// them. What is not in it is forgotten.
func (s *Secrets) Certificates() []*hostmap.Certificate {
	out := make([]*hostmap.Certificate, 0, len(s.keyPairs))
	for _, k := range s.keyPairs {
		if k.Certificate != nil {
			out = append(out, k.Certificate)
		}
	}
	return out
}

// NextChange is the first moment from now at which a certificate that some
// object names begins or ceases to be valid, zero where there is none.
func (s *Secrets) NextChange() time.Time {
	var next time.Time
	for _, k := range s.keyPairs {
		c := k.Certificate
		if c == nil {
			continue
		}
		for _, t := range []time.Time{c.NotBefore, c.NotAfter} {
			if t.After(s.now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}
