package compile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Build makes the host map of a state. What did not change since the previous
// map, which may be nil, is taken over from it by pointer; so are last good
// certificates. The problems are sorted. next is when to build again although
// no object has changed (a certificate begins or ceases to be valid); zero:
// never.
func Build(previous *hostmap.Map, in Input) (m *hostmap.Map, problems []hostmap.Problem, next time.Time) {
	var sites []*hostmap.Site
	seen := make(map[string]bool)
	ours := newClasses(&in)
	for _, ing := range sorted(in.Ingresses) {
		if _, ok := ours.of(ing); !ok {
			continue
		}
		for _, rule := range ing.Spec.Rules {
			host, err := hostmap.Pattern(rule.Host)
			if err != nil {
				problems = append(problems, hostmap.Problem{
					Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name,
					Reason: HostInvalid, Message: err.Error() + ".",
				})
				continue
			}
			if !seen[host] {
				seen[host] = true
				sites = append(sites, hostmap.NewSite(hostmap.Site{Host: host}))
			}
		}
	}
	slices.SortFunc(problems, hostmap.Problem.Compare)
	return hostmap.New(hostmap.Spec{Sites: sites}), slices.Compact(problems), time.Time{}
}

// sorted returns Ingresses from the oldest to the youngest.
func sorted(ingresses []*networkingv1.Ingress) []*networkingv1.Ingress {
	ingresses = slices.Clone(ingresses)
	slices.SortStableFunc(ingresses, func(a, b *networkingv1.Ingress) int {
		return cmp.Or(
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Name, b.Name),
		)
	})
	return ingresses
}
