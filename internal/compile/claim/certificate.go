package claim

import (
	"slices"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// siteCertificates returns the certificates of a host, and notes whether a tls
// entry speaks of it. Its own certificates are those of the oldest claimant that
// has such an entry. Without one it has those of the host whose rules hold for
// it, else the default certificate. A Secret that cannot be used is never
// replaced by another one.
func (b *builder) siteCertificates(h, over *host) (certificates []*hostmap.Certificate) {
	var (
		own    bool
		chosen []Certificate
		first  *Claimant // that chose them
	)
	for _, p := range h.parts {
		names := p.certificates(h.name)
		if p.guest || names == nil {
			continue
		}
		if own {
			if missing := without(names, chosen); len(missing) != 0 {
				b.Problems.Add(p.by.Object, problem.CertificateConflict, "%s: Secret %s is not served for host %s, because %s names Secret %s for it, and comes first. Name the same Secrets in both.",
					p.by.Field(FieldCertificate, missing[0].Index), secretName(missing[0].Secret), problem.Host(h.name), first.to(p.by), secretNames(chosen))
			}
			continue
		}
		own, chosen, first = true, names, p.by
		certificates = b.namedCertificates(h, p.by, names)
	}
	switch {
	case own:
		h.entered = true
		preferECDSA(certificates)
		return certificates
	case over != nil:
		return over.site.Certificates
	case h.namespace == "":
		return nil // It is kept for somebody who does not claim it.
	}
	return h.class.Defaults
}

// without returns those of some Secrets that are not among others.
func without(some, others []Certificate) (missing []Certificate) {
	for _, c := range some {
		if !slices.ContainsFunc(others, func(o Certificate) bool { return o.Secret == c.Secret }) {
			missing = append(missing, c)
		}
	}
	return missing
}

// secretName is the name of a Secret in messages; "" is the default
// certificate.
func secretName(name string) string {
	if name == "" {
		return "(default)"
	}
	return problem.Quote(name)
}

func secretNames(named []Certificate) string {
	var out []string
	for _, c := range named {
		out = append(out, secretName(c.Secret))
	}
	return problem.Words(out)
}

// namedCertificates returns what the Secrets that a claimant names for a host
// hold, and reports what is wrong with them.
func (b *builder) namedCertificates(h *host, by *Claimant, named []Certificate) []*hostmap.Certificate {
	var out []*hostmap.Certificate
	for _, c := range named {
		if c.Secret == "" {
			if len(h.class.Defaults) == 0 {
				b.Problems.Add(by.Object, problem.SecretNotFound, "%s: no Secret is named for host %s and there is no default certificate; its handshakes are refused. Name a Secret.", by.Field(FieldCertificate, c.Index), problem.Host(h.name))
			}
			out = append(out, h.class.Defaults...)
			continue
		}
		ref := hostmap.SecretRef{Namespace: by.Namespace, Name: c.Secret}
		if c := b.Secrets.Certificate(by.Object, func() string { return by.Field(FieldCertificate, c.Index) }, ref); c != nil {
			out = append(out, c)
		}
	}
	if h.name == "" {
		return out
	}
	for _, c := range out {
		if c.CoversPattern(h.name) {
			continue
		}
		field, of := by.Field(FieldCertificates, 0), "The default certificate"
		if c.Secret.Namespace == by.Namespace {
			// A default certificate may be of this namespace too.
			if i := slices.IndexFunc(named, func(n Certificate) bool { return n.Secret == c.Secret.Name }); i >= 0 {
				field = by.Field(FieldCertificate, named[i].Index)
			}
			of = "The certificate of Secret " + problem.Quote(c.Secret.String())
		}
		b.Problems.Add(by.Object, problem.CertificateDoesNotCoverHost, "%s: %s does not cover host %s; it covers: %s. Issue one that does.", field, of, problem.Host(h.name), covered(c))
	}
	return out
}

// covered lists what a certificate covers for messages.
func covered(c *hostmap.Certificate) string {
	names := c.Names[:min(len(c.Names), problem.MaxListed)]
	var out []string
	for _, name := range names {
		out = append(out, problem.Quote(name))
	}
	if n := len(c.Names) - len(names); n != 0 {
		return problem.Words(out) + " and " + problem.Thousands(n) + " more"
	}
	return problem.Words(out)
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
