package class

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// claims reads which namespaces may claim which hosts. What cannot be read is a
// problem and lets nobody in: a host whose namespaces are wrong is kept for
// those that are right, be it none.
func (r policyReader) claims(claims []v1alpha1.HostClaim) []hostmap.Claim {
	byHost := make(map[string][]string)
	for i := range claims {
		var namespaces []string
		for _, ns := range claims[i].Namespaces {
			if len(validation.IsDNS1123Label(string(ns))) != 0 {
				r.problems.Add(r.on, problem.PolicyInvalid, "spec.claims[%d].namespaces: %s is no name of a namespace; nobody claims by it.", i, problem.Quote(string(ns)))
				continue
			}
			namespaces = append(namespaces, string(ns))
		}
		switch {
		case len(claims[i].Hosts) == 0:
			r.problems.Add(r.on, problem.PolicyInvalid, "spec.claims[%d].hosts: want at least one host; it has no effect.", i)
		case len(namespaces) == 0:
			r.problems.Add(r.on, problem.PolicyInvalid, "spec.claims[%d].namespaces: want at least one; nobody may claim its hosts.", i)
		}
		for _, s := range claims[i].Hosts {
			host, err := hostmap.Pattern(string(s))
			if err != nil {
				r.problems.Add(r.on, problem.PolicyInvalid, "spec.claims[%d].hosts: %s is no host: %v; it has no effect.", i, problem.Quote(string(s)), err)
				continue
			}
			byHost[host] = append(byHost[host], namespaces...)
		}
	}
	out := make([]hostmap.Claim, 0, len(byHost))
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		slices.Sort(byHost[host])
		out = append(out, hostmap.Claim{Host: host, Namespaces: slices.Compact(byHost[host])})
	}
	return out
}
