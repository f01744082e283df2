package ingress

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// nginxBalanceAnnotations say which endpoint of a Service a request goes to.
var nginxBalanceAnnotations = []nginxAnnotation{
	{
		name: "affinity", fate: near, idle: []string{""},
		remark: "By cookie, the only kind there is. The cookie is another one: sessions begin anew.",
		note: func(n *notes, value string) error {
			if value != "cookie" {
				return errForeign
			}
			n.affinity.on = true
			return nil
		},
	},
	{
		name: "affinity-mode", fate: same,
		note: func(n *notes, value string) error {
			n.affinity.terms.Persistent = value == "persistent"
			return oneOf(value, "balanced", "persistent")
		},
	},
	{
		name: "session-cookie-name", fate: same,
		note: func(n *notes, value string) error {
			if strings.Contains(value, ",") {
				return errForeign
			}
			_, err := fieldNames(value)
			return said(&n.affinity.terms.Cookie, value, err)
		},
	},
	{
		name: "session-cookie-path", fate: near,
		remark: "Without it, it is the path of the rule; `/` where that is a regular expression.",
		note: func(n *notes, value string) error {
			return said(&n.affinity.terms.Path, value, cookiePath(value))
		},
	},
	{
		name: "session-cookie-domain", fate: same, idle: []string{""},
		note: func(n *notes, value string) error {
			_, err := hostmap.Host(strings.TrimPrefix(value, "."))
			return said(&n.affinity.terms.Domain, value, err)
		},
	},
	{
		name: "session-cookie-max-age", fate: same, idle: []string{""},
		note: func(n *notes, value string) error {
			_, err := strconv.ParseInt(value, 10, 32)
			return said(&n.affinity.terms.MaxAge, value, err)
		},
	},
	{
		name: "session-cookie-expires", fate: same, idle: []string{""},
		note: func(n *notes, value string) error {
			seconds, err := strconv.ParseInt(value, 10, 32)
			if err == nil {
				n.affinity.terms.Expires = time.Duration(seconds) * time.Second
			}
			return err
		},
	},
	{
		name: "session-cookie-samesite", fate: same, idle: []string{""},
		note: func(n *notes, value string) error {
			for _, known := range []string{"Strict", "Lax", "None"} {
				if strings.EqualFold(value, known) {
					n.affinity.terms.SameSite = known
					return nil
				}
			}
			return errForeign
		},
	},
	{
		name: "session-cookie-conditional-samesite-none", fate: same,
		note: func(n *notes, value string) (err error) {
			n.affinity.terms.Conditional, err = strconv.ParseBool(value)
			return err
		},
	},
	{
		name: "session-cookie-secure", fate: same,
		note: func(n *notes, value string) error {
			secure, err := nginxBoolean(value)
			return said(&n.affinity.terms.Secure, secure, err)
		},
	},
	{
		name: "session-cookie-change-on-failure", fate: near,
		remark: "A request whose endpoint has failed goes to another one in any case, where it can be sent again; this is about the requests after it.",
		note: func(n *notes, value string) (err error) {
			n.affinity.terms.ChangeOnFailure, err = strconv.ParseBool(value)
			return err
		},
	},
	{
		name: "upstream-hash-by", fate: near, idle: []string{""},
		remark: "Text with `$request_uri`, `$remote_addr`, `$binary_remote_addr`, `$host`, `$http_NAME`, `$cookie_NAME` and `$arg_NAME`. A request of which all variables are empty goes to any endpoint.",
		note: func(n *notes, value string) error {
			for variable := range hostmap.HashKeyParts(value) {
				if variable == hostmap.HashUnknown {
					return errForeign
				}
			}
			n.hashBy.key = value
			return nil
		},
	},
	{
		name: "upstream-hash-by-subset", fate: near,
		remark: "Each key has a subset of its own.",
		note: func(n *notes, value string) (err error) {
			n.hashBy.subset, err = strconv.ParseBool(value)
			return err
		},
	},
	{
		name: "upstream-hash-by-subset-size", fate: same,
		note: func(n *notes, value string) error {
			size, err := strconv.ParseUint(value, 10, 10)
			if err == nil {
				n.hashBy.size = int(size)
			}
			return err
		},
	},
	{
		name: "load-balance", fate: near, idle: []string{""},
		remark: "round_robin and ewma: the endpoints take turns, and of two the one with fewer requests in flight is taken. ip_hash: as upstream-hash-by has it with `$remote_addr`.",
		note: func(n *notes, value string) error {
			n.hashBy.byAddress = value == "ip_hash"
			return oneOf(value, "round_robin", "ewma", "ip_hash")
		},
	},
}

// affinityNotes are ingress-nginx's annotations of sessions.
type affinityNotes struct {
	on    bool
	terms hostmap.AffinityTerms
}

// affinityCookie is the cookie's name where none is said, as ingress-nginx has it.
const affinityCookie = "INGRESSCOOKIE"

// hashNotes are its annotations of keys.
type hashNotes struct {
	key               string
	size              int
	subset, byAddress bool
}

// hashSubset is the size of a subset where none is said, as ingress-nginx has it.
const hashSubset = 3

// settleBalance gives a route what is said of its endpoints.
func (n *notes) settleBalance(route *hostmap.Route) {
	if n.affinity.on {
		t := n.affinity.terms
		t.Cookie = cmp.Or(t.Cookie, affinityCookie)
		if t.Path == "" && route.Type != hostmap.Regex {
			t.Path = route.Path
		}
		if cookiePath(t.Path) != nil {
			t.Path = "/"
		}
		route.Terms.Affinity = hostmap.NewAffinity(t)
	}
	h := n.hashBy
	if h.key == "" && h.byAddress {
		h.key = "$remote_addr"
	}
	if h.key == "" {
		return
	}
	among := 1
	if h.subset {
		among = max(cmp.Or(h.size, hashSubset), 1)
	}
	route.Terms.HashBy = hostmap.NewHashBy(hostmap.HashByTerms{Key: h.key, Among: among})
}

// said keeps a value that could be read.
func said(to *string, value string, err error) error {
	if err == nil {
		*to = value
	}
	return err
}

func oneOf(value string, values ...string) error {
	for _, v := range values {
		if value == v {
			return nil
		}
	}
	return errForeign
}

// cookiePath refuses what is no path-value of a cookie (RFC 6265 section 4.1.1).
func cookiePath(value string) error {
	if !strings.HasPrefix(value, "/") || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' || r == ';' }) {
		return errForeign
	}
	return nil
}
