package ingress

import (
	"fmt"
	"maps"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/problem"
)

// readTLS claims the hosts of tls entries, and notes what Secrets they name. An
// entry without hosts speaks of all hosts of the Ingress.
func (r *reader) readTLS(ing *ingress) {
	entries := ing.object.Spec.TLS
	if len(entries) == 0 {
		return
	}
	t := tlsReader{named: &ing.claims.Certificates, index: indexSecrets(entries)}
	var over beyond
	for i := range entries {
		entry := &entries[i]
		secret := claim.Certificate{Secret: entry.SecretName, Index: t.first(entries, i)}
		if len(entry.Hosts) == 0 {
			t.named.Every = t.add(t.named.Every, secret, "")
			continue
		}
		for n, s := range entry.Hosts {
			field := func() string { return fmt.Sprintf("spec.tls[%d].hosts[%d] %s", i, n, problem.Quote(s)) }
			host, ok := r.pattern(ing, s, field)
			if !ok || !ing.takes(host, &over, field) {
				continue
			}
			if t.named.Listed == nil {
				t.named.Listed = make(map[string][]claim.Certificate)
			}
			if _, known := t.named.Listed[host]; !known {
				ing.claims.Claims = append(ing.claims.Claims, claim.Claim{Host: host})
			}
			t.named.Listed[host] = t.add(t.named.Listed[host], secret, host)
		}
	}
	r.reportBeyond(ing, &over)
	for _, host := range t.overfull() {
		n := t.over[host]
		of := "hosts that it does not list"
		if host != "" {
			of = "host " + problem.Quote(host)
		}
		r.problems.Add(ing.claims.Object, problem.CertificateConflict, "spec.tls names more than %d Secrets for %s; %s are not served.", maxSecrets, of, problem.Thousands(n))
	}
}

// tlsReader is the state of readTLS.
type tlsReader struct {
	named *claim.Certificates
	// over is how many Secrets a host has over the bound; "" is that of every.
	over map[string]int
	// index finds the entry that names a Secret first, where there are many.
	index map[string]int
}

// fewEntries are looked through.
const fewEntries = 8

func indexSecrets(entries []networkingv1.IngressTLS) map[string]int {
	if len(entries) <= fewEntries {
		return nil
	}
	index := make(map[string]int)
	for i := range slices.Backward(entries) {
		index[entries[i].SecretName] = i
	}
	return index
}

// first returns the entry that names the Secret of entry i first, so that what
// is wrong with a Secret is one problem.
func (t *tlsReader) first(entries []networkingv1.IngressTLS, i int) int {
	if t.index != nil {
		return t.index[entries[i].SecretName]
	}
	for k := range entries[:i] {
		if entries[k].SecretName == entries[i].SecretName {
			return k
		}
	}
	return i
}

// overfull are the hosts that have too many Secrets, in order.
func (t *tlsReader) overfull() []string {
	if len(t.over) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(t.over))
}

// maxSecrets bounds the Secrets of one host: a kind of key each would do.
const maxSecrets = 8

func (t *tlsReader) add(named []claim.Certificate, secret claim.Certificate, host string) []claim.Certificate {
	switch {
	case slices.Contains(named, secret):
		return named
	case len(named) == maxSecrets:
		if t.over == nil {
			t.over = make(map[string]int)
		}
		t.over[host]++
		return named
	}
	return append(named, secret)
}
