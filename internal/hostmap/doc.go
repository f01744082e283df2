// Package hostmap holds the host map: the one immutable value that says, for
// every host, which certificate it is served with, what is asked of its
// clients, and where its requests go. It also holds the rule that judges each
// request against it.
//
// Everything here is pure. A [Map] is made once from sites and never changes;
// whoever wants other behaviour makes another Map and publishes it. [New] makes
// one of everything, an [Editor] one of another map and of what is different,
// at the cost of that: the two share the rest. [Map.SitesSince] and its like
// tell what is different. Whatever
// compares a name with a name (the server name of a TLS handshake, the host of
// an Ingress, a name in a certificate, the authority of a request) first sends
// it through [Host], or through [Authority] and [Pattern] which stand around
// it, so that no two parts can disagree about what a host is.
//
// A request is judged in this order (see [Judge]):
//
//  1. the scheme agrees with the connection;
//  2. a trusted gateway skips steps 4, 4b and 5;
//  3. the connection satisfies the TLS policy of the authority's site;
//  4. the certificate this connection was served covers the authority's host,
//     and (4b) may vouch for it: it is a default certificate, the site's own, or
//     of the namespace that owns the host;
//  5. the site's rule, where it is stricter than coverage, holds;
//  6. the authority is served here;
//  7. a route matches the path.
//
// Steps 1 and 3 to 5 are RFC 9110 section 7.4 ("a server MUST reject ... a
// request that did not arrive over a connection secured with a certificate
// valid for the request's authority") and are answered 421 (section 15.5.20).
package hostmap
