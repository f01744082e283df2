package ingress

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// nginxCORSAnnotations say what scripts of other origins may do.
var nginxCORSAnnotations = []nginxAnnotation{
	{
		name: "enable-cors", fate: near, idle: []string{"false"},
		remark: "A browser that asks beforehand is answered 204; other requests with the method OPTIONS go to the backend.",
		note:   func(n *notes, value string) (err error) { n.cors.on, err = strconv.ParseBool(value); return err },
	},
	{
		name: "cors-allow-origin", fate: same,
		note: func(n *notes, value string) (err error) {
			n.cors.terms.Origins, err = corsOrigins(value)
			return n.cors.told(err)
		},
	},
	{
		name: "cors-allow-methods", fate: same,
		note: func(n *notes, value string) (err error) {
			n.cors.terms.Methods, err = fieldNames(value)
			return n.cors.told(err)
		},
	},
	{
		name: "cors-allow-headers", fate: same,
		note: func(n *notes, value string) (err error) {
			n.cors.terms.Headers, err = fieldNames(value)
			return n.cors.told(err)
		},
	},
	{
		name: "cors-expose-headers", fate: same,
		note: func(n *notes, value string) (err error) {
			n.cors.terms.Expose, err = fieldNames(value)
			return n.cors.told(err)
		},
	},
	{
		name: "cors-allow-credentials", fate: same,
		note: func(n *notes, value string) error {
			on, err := strconv.ParseBool(value)
			n.cors.terms.Credentials, n.cors.credentialsSaid = on, true
			return n.cors.told(err)
		},
	},
	{
		name: "cors-max-age", fate: same,
		note: func(n *notes, value string) error {
			_, err := strconv.ParseUint(value, 10, 31)
			n.cors.terms.MaxAge = value
			return n.cors.told(err)
		},
	},
}

// corsNotes are ingress-nginx's annotations of CORS.
type corsNotes struct {
	on, credentialsSaid bool
	// bad tells that part of it cannot be read. What holds where nothing is said
	// would let in more than was asked for.
	bad   bool
	terms hostmap.CORSTerms
}

// told notes whether a value could be read.
func (c *corsNotes) told(err error) error {
	c.bad = c.bad || err != nil
	return err
}

// What holds where nothing is said, as ingress-nginx has it.
const (
	corsMethods = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
	corsHeaders = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization"
	corsMaxAge  = "1728000"
)

// settle gives routes what is said of CORS.
func (c *corsNotes) settle(t *hostmap.Terms) {
	if !c.on || c.bad {
		return
	}
	terms := c.terms
	terms.Origins = cmp.Or(terms.Origins, "*")
	terms.Methods = cmp.Or(terms.Methods, corsMethods)
	terms.Headers = cmp.Or(terms.Headers, corsHeaders)
	terms.MaxAge = cmp.Or(terms.MaxAge, corsMaxAge)
	terms.Credentials = terms.Credentials || !c.credentialsSaid
	t.CORS = hostmap.NewCORS(terms)
}

// corsOrigins reads origins, separated by commas: scheme and host, which may
// begin with "*.", and a port.
func corsOrigins(value string) (string, error) {
	var out []string
	for origin := range strings.SplitSeq(strings.ToLower(value), ",") {
		origin = strings.TrimSpace(origin)
		if origin != "*" {
			scheme, authority, ok := strings.Cut(origin, "://")
			host := strings.TrimPrefix(authority, "*.")
			if _, _, err := hostmap.Authority(host); err != nil || !ok || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
				return "", errForeign
			}
		}
		out = append(out, origin)
	}
	return strings.Join(out, ","), nil
}

// fieldNames reads tokens (RFC 9110 section 5.6.2), separated by commas.
func fieldNames(value string) (string, error) {
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if name == "" || strings.Trim(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return "", errForeign
		}
	}
	return value, nil
}
