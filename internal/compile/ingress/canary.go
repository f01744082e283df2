package ingress

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// canaryKey is what a canary and the Ingress whose requests it gets have in common.
type canaryKey struct {
	namespace, host string
	kind            networkingv1.PathType
	path            string
}

func canaryKeyOf(object *networkingv1.Ingress, host string, p *networkingv1.HTTPIngressPath) canaryKey {
	kind := networkingv1.PathTypeImplementationSpecific
	if p.PathType != nil {
		kind = *p.PathType
	}
	return canaryKey{object.Namespace, host, kind, cmp.Or(p.Path, "/")}
}

// canary is a path of a canary's.
type canary struct {
	object  *networkingv1.Ingress
	service *networkingv1.IngressServiceBackend
	at      place
	// met tells that the requests are somebody's.
	met bool
}

// isCanary tells whether an Ingress of ours is a canary.
func (r *reader) isCanary(object *networkingv1.Ingress) bool {
	on, _ := strconv.ParseBool(object.Annotations[nginxPrefix+nginxCanary])
	if !on {
		return false
	}
	c := r.classes.Of(ClassName(object))
	return c != nil && c.Guarded == (hostmap.Guarded{}) && r.nginx.Of(c.Class) != NginxOff
}

// findCanaries finds those of Ingresses that come from the oldest to the youngest.
// Of several for the same requests the oldest is heard.
func (r *reader) findCanaries(ingresses []*networkingv1.Ingress) {
	for _, object := range ingresses {
		if !r.isCanary(object) {
			continue
		}
		for i := range object.Spec.Rules {
			rule := &object.Spec.Rules[i]
			host := rule.Host
			if host != "" {
				var err error
				if host, err = hostmap.Pattern(host); err != nil {
					continue
				}
			}
			if rule.HTTP == nil {
				continue
			}
			for j := range rule.HTTP.Paths {
				p := &rule.HTTP.Paths[j]
				r.findCanary(canaryKeyOf(object, host, p), &canary{
					object: object, service: p.Backend.Service, at: place{rule: i, path: j, host: host, text: p.Path},
				})
			}
		}
	}
}

func (r *reader) findCanary(key canaryKey, c *canary) {
	on := hostmap.Object{Kind: kind, Namespace: c.object.Namespace, Name: c.object.Name}
	switch first := r.canaries[key]; {
	case c.service == nil:
		r.problems.Add(on, problem.BackendUnsupported, "%s: the backend of a canary is no Service; it gets no requests.", c.at.String())
	case first != nil && first.object != c.object:
		r.problems.Add(on, problem.RouteConflict, "%s: Ingress %s, which is older, is a canary for the same requests; this one gets none.", c.at.String(), problem.Quote(first.object.Namespace+"/"+first.object.Name))
	case first == nil:
		if r.canaries == nil {
			r.canaries = make(map[canaryKey]*canary)
		}
		r.canaries[key] = c
	}
}

// addCanary gives a route the canary that is for its requests. How its backend is
// reached is said by the Ingress that is being read: what verifies one must verify
// the other.
func (r *reader) addCanary(ing *ingress, route *hostmap.Route, host string, p *networkingv1.HTTPIngressPath) {
	if len(r.canaries) == 0 || ing.guarded != nil {
		return
	}
	c := r.canaries[canaryKeyOf(ing.object, host, p)]
	if c == nil {
		return
	}
	first := !c.met
	c.met = true
	on := hostmap.Object{Kind: kind, Namespace: c.object.Namespace, Name: c.object.Name}
	if name := r.unprotected(c.object, ing.object); name != "" && r.nginxOf(c.object) == NginxStrict {
		r.problems.Add(on, problem.AnnotationForeign, "Annotation %s protects, and what Ingress %s says holds for a canary of its requests; the canary gets none. Say it there too, or remove it.", problem.Quote(name), problem.Quote(ing.claims.NamespacedName()))
		return
	}
	var n notes
	for i := range nginxCanaryAnnotations {
		row := &nginxCanaryAnnotations[i]
		if value, ok := c.object.Annotations[nginxPrefix+row.name]; ok && row.asks(value) {
			_ = row.note(&n, value) // reported where the canary itself is read
		}
	}
	terms := n.canary.terms
	terms.From = on
	terms.Total = max(terms.Total, canaryTotal)
	if n.canary.pattern != "" {
		terms.Pattern, _ = r.regex(canaryPattern(n.canary.pattern)) // it was compiled when it was read
	}
	service := types.NamespacedName{Namespace: ing.object.Namespace, Name: c.service.Name}
	backend, found := r.services.Backend(service, object.Port{Number: c.service.Port.Number, Name: c.service.Port.Name}, &ing.notes.upstream)
	if found.Reason != "" && first {
		r.problems.Add(on, found.Reason, "%s: %s", c.at.String(), found.Message)
	}
	terms.Backend = backend
	route.Canary = hostmap.NewCanary(terms)
}

// unprotected returns an annotation of a canary that protects, and that the Ingress
// of its requests does not have as well, "" for none.
func (r *reader) unprotected(canary, of *networkingv1.Ingress) string {
	var names []string
	for name, value := range canary.Annotations {
		protecting := protects(name) != nil
		if short, ok := strings.CutPrefix(name, nginxPrefix); ok {
			row := nginxNamed(short)
			protecting = row.protects && row.asks(value)
		} else if row := annotationNamed(name); row != nil && strings.HasPrefix(name, v1alpha1.AnnotationPrefix) {
			protecting = row.bad != costNothing
		}
		if protecting && of.Annotations[name] != value {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

// reportCanaries reports paths of canaries that are for nobody's requests.
func (r *reader) reportCanaries() {
	for _, c := range r.canaries {
		if !c.met {
			on := hostmap.Object{Kind: kind, Namespace: c.object.Namespace, Name: c.object.Name}
			r.problems.Add(on, problem.AnnotationForeign, "%s: a canary gets some of the requests of another Ingress, and none of this namespace has this host, path and type of path.", c.at.String())
		}
	}
}
