package ingress

import (
	"slices"
	"strings"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

var hostAnnotations = []annotation{{
	name:   v1alpha1.AnnotationServerAlias,
	scope:  ofHosts,
	values: "a host",
	unset:  "none",
	does:   "Lists more hosts for the rules of the Ingress, separated by commas, 64 at most.",
	note: func(n *notes, value string) error {
		n.aliasList = value
		return nil
	},
}}

// maxAliases bounds the hosts of server-alias: each multiplies all rules of
// its Ingress.
const maxAliases = 64

// readAliases reads hosts separated by commas.
func (r *reader) readAliases(ing *ingress) {
	var out []string
	bad, over := 0, 0
	row := annotationNamed(v1alpha1.AnnotationServerAlias)
	for s := range strings.SplitSeq(ing.notes.aliasList, ",") {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		full := len(out)+bad == maxAliases
		if full && !ing.notes.says.ClientAuth.Asked {
			over++
			continue
		}
		host, err := hostmap.Pattern(s)
		switch {
		case err == nil && slices.Contains(out, host):
		case full:
			over++
			if err == nil {
				ing.limit.over = append(ing.limit.over, host)
			}
		case err != nil:
			r.badValue(ing, row, s, err)
			bad++
		default:
			out = append(out, host)
		}
	}
	if over != 0 {
		r.problems.Add(ing.claims.Object, problem.AnnotationInvalid, "Annotation %s: %s names are more than the %d that are read; they are not served because of this Ingress.", row.name, problem.Thousands(over), maxAliases)
	}
	ing.notes.aliases = out
}
