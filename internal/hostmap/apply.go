package hostmap

import "net/netip"

// The reasons of [Apply].
const (
	ReasonSourceRange Reason = "source_range"
	ReasonBodySize    Reason = "body_size"
	ReasonRewrite     Reason = "rewrite"
)

// Client is what [Apply] is told of who sent a request, and of what came with
// it.
type Client struct {
	// FromHTTPS tells that the peer says its own client came by https. It is
	// believed of trusted gateways.
	FromHTTPS bool
	// Address is the client's: what the peer says where it is a trusted gateway
	// of the site's class, else the connection's. It is asked for where the
	// route's terms are [Terms.Ranged], and an invalid one is nowhere.
	Address netip.Addr
	// ContentLength is the length of the request's body, in octets; what is
	// negative is not known yet.
	ContentLength int64
}

// Apply says what becomes of a request whose verdict of [Judge] this is by the
// terms of its site and its route, in this order:
//
//  1. A request in cleartext for a site with an https redirect is sent there,
//     308, whatever the rule has said after its step 1: what was wrong for want
//     of TLS, or is not there, is told over https. The redirect tells nothing
//     that the client has not said. It is left out where an ACME server asks,
//     and where a trusted gateway says that its client came by https, who would
//     be sent to where it has been for ever.
//  2. What the rule has refused stays so.
//  3. A client outside the route's source ranges is refused, 403, before a
//     redirect tells where something is.
//  4. The route's redirect.
//  5. A body that is declared to be larger than the route takes is refused, 413.
//  6. The path is rewritten; where the outcome would be no canonical path the
//     request is refused, 400.
//
// It is pure, and allocates only where it rewrites.
func Apply(v *Verdict, f *Facts, r *Request, c Client) {
	if !f.TLS && v.Site != nil && v.Site.Terms.HTTPSRedirect && v.Reason != ReasonScheme &&
		!isACME(r.Path) && !(c.FromHTTPS && v.Site.Class.Trusts(f.Peer)) {
		*v = Verdict{Action: ActionRedirect, Status: statusPermanentRedirect, Rule: v.Rule, Site: v.Site}
		return
	}
	if v.Action != ActionServe {
		return
	}
	t := &v.Route.Terms
	if t.Ranged() && !t.admits(c.Address) {
		v.refuse(statusForbidden, ReasonSourceRange)
		return
	}
	if t.Redirect.Status != 0 {
		v.Action, v.Status = ActionRedirect, t.Redirect.Status
		return
	}
	if t.MaxBodySize != 0 && c.ContentLength > t.MaxBodySize {
		v.refuse(statusContentTooLarge, ReasonBodySize)
		return
	}
	if t.RewriteTarget != "" {
		path, err := v.Route.Rewrite(r.Path)
		if err != nil {
			v.refuse(statusBadRequest, ReasonRewrite)
			return
		}
		v.Path = path
	}
}

// admits tells whether a client at an address is within the ranges.
func (t *Terms) admits(a netip.Addr) bool {
	return a.IsValid() && !t.Deny.Contains(a) && (t.Allow == Ranges{} || t.Allow.Contains(a))
}

// Location is where a redirect leads: "" is the request's own URL under https.
func (v *Verdict) Location() string {
	if v.Route == nil {
		return ""
	}
	return v.Route.Terms.Redirect.Target
}
