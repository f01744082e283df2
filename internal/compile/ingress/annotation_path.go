package ingress

import (
	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

var pathAnnotations = []annotation{{
	name:   v1alpha1.AnnotationRewriteTarget,
	scope:  ofRoutes,
	values: "an absolute path",
	unset:  "the path stays",
	does:   "Is what the backends are asked for: instead of the prefix that a path of type Prefix is, instead of the whole path otherwise. With `use-regex` `$1` to `$9` are what the groups of the path have captured.",
	route: func(t *hostmap.Terms, value string) error {
		// Whether it fits a path is known when that is read.
		if value == "" {
			return errUnlisted
		}
		t.RewriteTarget = value
		return nil
	},
}, {
	name:   v1alpha1.AnnotationUseRegex,
	scope:  ofRoutes,
	values: booleans,
	unset:  "`\"false\"`",
	does:   "Reads the paths of type ImplementationSpecific as [regular expressions](https://github.com/google/re2/wiki/Syntax), which paths of requests are compared with from their beginning on.",
	note:   func(n *notes, value string) error { return boolean(&n.useRegex, value) },
}}

// setTerms gives a route the terms of its Ingress. at says where it stands.
func (r *reader) setTerms(ing *ingress, route *hostmap.Route, at place) {
	route.Terms = ing.notes.terms
	if !ing.notes.closed {
		ing.notes.settleBalance(route)
	}
	target := route.Terms.RewriteTarget
	if target == "" {
		return
	}
	if err := route.CheckRewriteTarget(target); err != nil {
		route.Terms.RewriteTarget = ""
		name := v1alpha1.AnnotationRewriteTarget
		if _, own := ing.object.Annotations[name]; !own {
			name = nginxPrefix + "rewrite-target"
		}
		r.problems.Add(ing.claims.Object, problem.AnnotationInvalid, "Annotation %s: %s %s; it has no effect on %s.", name, problem.Quote(target), problem.ErrorText(err), at.String())
	}
}
