package compile

import (
	"slices"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// keyPair is what became of a Secret that a certificate is to be read from.
type keyPair struct {
	// certificate is what to serve: the Secret's, else the last good one of
	// the same Secret, else nil.
	certificate *hostmap.Certificate
	// reason and message are what is wrong with the Secret, "" where nothing.
	reason, message string
}

// keyPair reads a Secret, each once in a run.
func (b *builder) keyPair(ref hostmap.SecretRef) *keyPair {
	if k := b.keyPairs[ref]; k != nil {
		return k
	}
	k := b.readKeyPair(ref)
	if k.reason != "" {
		if k.certificate = b.lastGood.certificates[ref]; k.certificate != nil {
			k.message += " The last good certificate is served."
		} else {
			k.message += " Handshakes that need it are refused."
		}
	}
	b.keyPairs[ref] = k
	return k
}

func (b *builder) readKeyPair(ref hostmap.SecretRef) *keyPair {
	secret, reason, message := b.secret(ref)
	if secret == nil {
		return &keyPair{reason: reason, message: message}
	}
	certPEM, keyPEM := secretValue(secret, "tls.crt"), secretValue(secret, "tls.key")
	sum := hostmap.PairSum(certPEM, keyPEM)
	if old := b.lastGood.certificates[ref]; old != nil && old.Sum == sum {
		return &keyPair{certificate: old}
	}
	failure := b.previous.Parsed().Failures[sum]
	if failure == "" {
		c, err := hostmap.ParseCertificate(ref, certPEM, keyPEM)
		if err == nil {
			return &keyPair{certificate: c}
		}
		failure = errorText(err)
	}
	b.parsed.Failures[sum] = failure
	return &keyPair{reason: CertificateInvalid, message: "Secret " + quote(ref.String()) + " holds no usable key pair: " + failure + "."}
}

// certificate returns the certificate of a Secret that a field of an object
// names, nil where there is none, and reports what is wrong with it.
func (b *builder) certificate(on subject, field func() string, ref hostmap.SecretRef) *hostmap.Certificate {
	report := func(reason, format string, args ...any) {
		b.problem(on, reason, field()+": "+format, args...)
	}
	k := b.keyPair(ref)
	if k.reason != "" {
		report(k.reason, "%s", k.message)
	}
	c := k.certificate
	if c == nil {
		return nil
	}
	switch {
	case b.in.Now.Before(c.NotBefore):
		report(CertificateNotYetValid, "The certificate of Secret %s is not valid before %s; clients refuse it until then.", quote(ref.String()), c.NotBefore.UTC().Format(time.RFC3339))
	case expired(c, b.in.Now):
		report(CertificateExpired, "The certificate of Secret %s was valid until %s; renew it.", quote(ref.String()), c.NotAfter.UTC().Format(time.RFC3339))
	}
	if n := c.ChainGap; n != 0 {
		report(CertificateChainBroken, "In tls.crt of Secret %s certificate %d did not sign certificate %d; it is served as it is. Put after each certificate the one that signed it.", quote(ref.String()), n+1, n)
	}
	return c
}

// expired counts the very moment of NotAfter as over, so that a run at that
// moment sees what has changed.
func expired(c *hostmap.Certificate, now time.Time) bool { return !now.Before(c.NotAfter) }

// defaults returns the default certificates that one Secret makes.
func (b *builder) defaults(on subject, field string, ref hostmap.SecretRef) []*hostmap.Certificate {
	if c := b.certificate(on, func() string { return field }, ref); c != nil {
		return []*hostmap.Certificate{c}
	}
	return nil
}

// flagDefaults returns those of the command line.
func (b *builder) flagDefaults() []*hostmap.Certificate {
	name := b.in.DefaultCertificate
	if name.Name == "" {
		return nil
	}
	ref := hostmap.SecretRef{Namespace: name.Namespace, Name: name.Name}
	return b.defaults(subject{"Secret", ref.Namespace, ref.Name}, "--default-certificate", ref)
}

// keepDefaults returns the default certificates of the previous map, each as
// its Secret is now. The Secrets were named by a policy that is gone; what is
// wrong with them is nobody's problem.
func (b *builder) keepDefaults() []*hostmap.Certificate {
	var out []*hostmap.Certificate
	for _, old := range b.previous.Defaults() {
		if c := b.keyPair(old.Secret).certificate; c != nil {
			out = append(out, c)
		}
	}
	return out
}

// usedCertificates are those that some object names, last good ones among
// them. What is not in it is forgotten.
func (b *builder) usedCertificates() []*hostmap.Certificate {
	out := make([]*hostmap.Certificate, 0, len(b.keyPairs))
	for _, k := range b.keyPairs {
		if k.certificate != nil {
			out = append(out, k.certificate)
		}
	}
	return out
}

// nextChange is the first moment after now at which a certificate begins or
// ceases to be valid.
func nextChange(now time.Time, certificates []*hostmap.Certificate) time.Time {
	var next time.Time
	for _, c := range certificates {
		for _, t := range []time.Time{c.NotBefore, c.NotAfter} {
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

// preferECDSA puts elliptic keys first, and leaves the order otherwise.
func preferECDSA(certificates []*hostmap.Certificate) {
	slices.SortStableFunc(certificates, func(a, b *hostmap.Certificate) int {
		switch {
		case a.ECDSA == b.ECDSA:
			return 0
		case a.ECDSA:
			return -1
		}
		return 1
	})
}
