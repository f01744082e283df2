package ingress

import (
	"strconv"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// nginxCanaryAnnotations make an Ingress a canary: it claims nothing, and its
// backends get some of the requests of another Ingress.
var nginxCanaryAnnotations = []nginxAnnotation{
	{
		name: nginxCanary, fate: near, idle: []string{"false"},
		remark: "Of the Ingress of the same namespace that has the same host, path and type of path. All that is said there holds for the canary's requests too, how its backend is reached among it; in strict mode a canary that asks for another protection gets none.",
		note:   func(n *notes, value string) (err error) { n.canary.on, err = strconv.ParseBool(value); return err },
	},
	{
		name: "canary-by-header", fate: same, idle: []string{""},
		note: func(n *notes, value string) error {
			_, err := fieldNames(value)
			if strings.Contains(value, ",") {
				err = errForeign
			}
			return said(&n.canary.terms.Header, strings.ToLower(value), err)
		},
	},
	{
		name: "canary-by-header-value", fate: same, idle: []string{""},
		note: func(n *notes, value string) error { n.canary.terms.Value = value; return nil },
	},
	{
		name: "canary-by-header-pattern", fate: near, idle: []string{""},
		remark: "In RE2's syntax.",
		note: func(n *notes, value string) error {
			_, err := hostmap.NewPathRegex(canaryPattern(value))
			return said(&n.canary.pattern, value, err)
		},
	},
	{
		name: "canary-by-cookie", fate: same, idle: []string{""},
		note: func(n *notes, value string) error {
			_, err := fieldNames(value)
			return said(&n.canary.terms.Cookie, value, err)
		},
	},
	{
		name: "canary-weight", fate: same, idle: []string{"0"},
		note: func(n *notes, value string) error { return natural(&n.canary.terms.Weight, value) },
	},
	{
		name: "canary-weight-total", fate: same,
		note: func(n *notes, value string) error { return natural(&n.canary.terms.Total, value) },
	},
	{
		name: "affinity-canary-behavior", fate: near, idle: []string{""},
		remark: "sticky, or legacy: a canary's requests go to any of its endpoints then.",
		note: func(n *notes, value string) error {
			n.affinity.terms.CanaryAside = value == "legacy"
			return oneOf(value, "sticky", "legacy")
		},
	},
}

const nginxCanary = "canary"

// canaryNotes are ingress-nginx's annotations of a canary.
type canaryNotes struct {
	on      bool
	terms   hostmap.CanaryTerms
	pattern string
}

// canaryTotal is of how many requests a weight is at least, as ingress-nginx has
// it.
const canaryTotal = 100

// canaryPattern finds what is matched anywhere, in what is found from the
// beginning on.
func canaryPattern(text string) string { return "(?s:.*?)(?:" + text + ")" }

func natural(to *uint32, value string) error {
	n, err := strconv.ParseUint(value, 10, 31)
	if err == nil {
		*to = uint32(n)
	}
	return err
}
