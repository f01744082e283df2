package hostmap

// Client is what [Apply] is told of who sent a request.
type Client struct {
	// FromHTTPS tells that the peer says its own client came by https. It is
	// believed of trusted gateways.
	FromHTTPS bool
}

// Apply says what becomes of a request whose verdict of [Judge] this is by the
// terms of its site and its route:
//
//  1. a request in cleartext for a site with an https redirect is sent there,
//     whatever the rule has said after its step 1: what was wrong for want of
//     TLS, or is not there, is told over https. It is not where an ACME server
//     asks, and not where a trusted gateway says that its client came by https,
//     who would be sent to where it has been for ever;
//  2. what the rule has refused stays so.
//
// It is pure and does not allocate.
func Apply(v Verdict, f *Facts, r Request, c Client) Verdict {
	if !f.TLS && v.Site != nil && v.Site.Terms.HTTPSRedirect && v.Reason != ReasonScheme &&
		!isACME(r.Path) && !(c.FromHTTPS && v.Site.Class.Trusts(f.Peer)) {
		return Verdict{Action: ActionRedirect, Status: statusPermanentRedirect, Rule: v.Rule, Site: v.Site}
	}
	return v
}
