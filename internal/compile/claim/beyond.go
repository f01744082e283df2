package claim

import "github.com/ingress421/ingress421/internal/compile/problem"

// refuseBeyond closes the hosts that would be served without the client
// certificates which a claimant over its bound asks for: the very hosts, where
// others of the namespace claim them, and the wildcards and the default site
// that would serve them now.
func (b *builder) refuseBeyond(hs *hosts, claimants []*Claimant) {
	for _, by := range claimants {
		for _, name := range by.Beyond {
			h := hs.byName[name]
			if h == nil {
				h = hs.over(&host{name: name, namespace: by.Namespace, class: by.Class})
			}
			if h == nil || h.closed || h.namespace != by.Namespace || h.class != by.Class {
				continue
			}
			h.closed = true
			b.Problems.Add(by.Object, problem.ClientAuthUnresolved, "Host %s is refused: it would serve %s, for which %s asks for client certificates, but which is over its bound of %s hosts.",
				problem.Host(h.name), problem.Host(name), by.kind(), problem.Thousands(MaxHosts))
		}
	}
}

// MaxHosts bounds the hosts that an object claims: one of 1.4 MiB has room for
// more than 100,000, which would cost everybody memory and time.
const MaxHosts = 1000
