package ingress

import (
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// shownHosts bounds the hosts that a problem names.
const shownHosts = 3

// reportUnowned says of an Ingress whose class is nobody's that it may have been
// meant for one of ours, which it would be but for a slip of the hand or two.
// What other controllers serve has classes that are there, or names without an
// IngressClass, which are written in the annotation.
func (r *reader) reportUnowned(object *networkingv1.Ingress) {
	name := object.Spec.IngressClassName
	if name == nil || len(*name) > longestName || r.classes.Exists(*name) {
		return
	}
	meant, least := "", slips+1
	for ours := range r.classes.Names() {
		d := distance(strings.ToLower(*name), ours)
		if d < least || d == least && d <= slips && ours < meant {
			meant, least = ours, d
		}
	}
	if meant == "" {
		return
	}
	var hosts []string
	for _, rule := range object.Spec.Rules[:min(shownHosts, len(object.Spec.Rules))] {
		if host, err := hostmap.Pattern(rule.Host); err == nil {
			hosts = append(hosts, problem.Host(host))
		}
	}
	of := ""
	if len(hosts) != 0 {
		of = " (hosts " + strings.Join(hosts, ", ") + ")"
	}
	r.problems.Add(hostmap.Object{Kind: kind, Namespace: object.Namespace, Name: object.Name}, problem.ClassNotFound,
		"spec.ingressClassName: there is no IngressClass %s; nothing of this Ingress%s is served. Correct the name to %s.", problem.Quote(*name), of, meant)
}
