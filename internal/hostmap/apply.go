package hostmap

import "net/netip"

// The reasons of [Apply].
const (
	ReasonSourceRange Reason = "source_range"
	ReasonBodySize    Reason = "body_size"
	ReasonRewrite     Reason = "rewrite"
	// ReasonAnswer is that of an answer of the terms' own, but for redirects.
	ReasonAnswer Reason = "answer"
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
	// Variables are what conditions of [Answers] look at; nil knows none.
	Variables Variables
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
//  3. The first of the site's answers whose condition holds.
//  4. A client outside the source ranges of the route, or of the site where the
//     route has none, is refused, 403, before a redirect tells where something
//     is; unless something else is enough to let it in.
//  5. The first of the route's answers whose condition holds; its redirect.
//  6. A body that is declared to be larger than the route takes is refused, 413.
//  7. The path is rewritten; where the outcome would be no canonical path the
//     request is refused, 400.
//
// It is pure, and allocates only where it rewrites or answers.
func Apply(v *Verdict, f *Facts, r *Request, c Client) {
	if !f.TLS && v.Site != nil && v.Site.Terms.HTTPSRedirect && v.Reason != ReasonScheme &&
		!isACME(r.Path) && !(c.FromHTTPS && v.Site.Class.Trusts(f.Peer)) {
		*v = Verdict{Action: ActionRedirect, Status: statusPermanentRedirect, Rule: v.Rule, Site: v.Site}
		return
	}
	if v.Action != ActionServe {
		return
	}
	t, site := &v.Route.Terms, &v.Site.Terms
	if site.Answers != (Answers{}) && v.answerBy(site.Answers, r, &c) {
		v.Route = nil
		return
	}
	if ranged := v.Ranges(); ranged.Ranged() {
		in := ranged.admits(c.Address)
		switch {
		case t.SatisfyAny && t.Authenticates():
			v.Known = in && ranged.Allow != Ranges{}
		case !in:
			v.refuse(statusForbidden, ReasonSourceRange)
			return
		}
	}
	if t.Answers != (Answers{}) && v.answerBy(t.Answers, r, &c) {
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

// Ranges are the terms whose source ranges hold for a request that has a route.
func (v *Verdict) Ranges() *Terms {
	if !v.Route.Terms.Ranged() {
		return &v.Site.Terms
	}
	return &v.Route.Terms
}

// answerBy has the first answer whose condition holds answer the request.
func (v *Verdict) answerBy(all Answers, r *Request, c *Client) bool {
	found := all.find(c.Variables, r.Path, len(v.Route.Path))
	a := found.First()
	if a == nil {
		return false
	}
	v.Status, v.Answer = a.Status, found
	if a.Redirects() {
		v.Action = ActionRedirect
	} else {
		v.Action, v.Reason = ActionAnswer, ReasonAnswer
	}
	return true
}

// admits tells whether a client at an address is within the ranges.
func (t *Terms) admits(a netip.Addr) bool {
	return a.IsValid() && !t.Deny.Contains(a) && (t.Allow == Ranges{} || t.Allow.Contains(a))
}

// Location is where a redirect leads: "" is the request's own URL under https.
// That of an answer may be a template (see [Expand]).
func (v *Verdict) Location() string {
	if a := v.Answer.First(); a != nil {
		return a.Text
	}
	if v.Route == nil {
		return ""
	}
	return v.Route.Terms.Redirect.Target
}
