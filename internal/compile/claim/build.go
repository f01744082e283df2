package claim

import (
	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Input is what [Sites] takes.
type Input struct {
	// Claimants may come in any order, each object once. Sites keeps no pointer
	// to them; their routes become those of sites.
	Claimants []*Claimant
	// Previous is the previous map, which has the owners of hosts and what need
	// not be made again. It is never nil.
	Previous *hostmap.Map
	// Owners are the namespaces that own contested hosts, as recorded; they hold
	// before those of the previous map.
	Owners map[string]string
	// Reserved are the namespaces that may claim a host, by host or "*."
	// pattern. A host that is not in it may be claimed by all.
	Reserved map[string][]string
	// AllowShared merges the routes that several namespaces have for one host.
	AllowShared bool
	Secrets     *object.Secrets
	Services    *object.Services
	Problems    *problem.List
}

// builder is one run of Sites.
type builder struct {
	*Input
	reserved reserved
}

// Sites makes the site of every host that is claimed.
func Sites(in Input) []*hostmap.Site {
	b := &builder{Input: &in, reserved: in.Reserved}
	claimants := inOrder(in.Claimants)
	hs := b.claim(claimants)
	b.refuseBeyond(hs, claimants)
	b.buildSites(hs)
	sites := make([]*hostmap.Site, 0, len(hs.list))
	for _, h := range hs.list {
		sites = append(sites, h.site)
	}
	return sites
}
