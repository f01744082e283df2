// Package balance says which endpoint of a backend takes a request, and what is
// tried after one fails. It is the only place that decides either.
//
// # What there is
//
// A Registry knows endpoints by what identifies them: address, protocol, server
// name and CAs, for each namespace by itself. What is known of an endpoint (requests in flight, failures in a
// row, until when it rests) outlives host maps, since a pod does not get better
// by a change of somebody's Ingress. So does what is known of a backend: whose
// turn it is, and how many retries it may cost.
//
// A Backend is a Service port with its endpoints, as one host map names them.
// Whoever publishes a map has the Registry resolve each backend once, and Release
// forgets what no map names and no request uses.
//
// A Turn is one request's way through the endpoints of its backend:
//
//	if !turn.Begin(backend, &req, now) { ... } // it has no endpoints
//	for again := true; again; {
//		... send req to turn.Pool(), and tell how that went:
//		turn.Answered(), or again = turn.Misdirected(), or again = turn.Failed(err)
//	}
//	turn.End()
//
// While nothing fails that costs a few atomic operations: no lock, no allocation,
// no look at the clock.
//
// # Where a request begins
//
// The endpoints take turns, but that of two, the one whose turn it is and one
// drawn by lot, the one with fewer requests in flight is taken: equal endpoints
// get equal shares, and one that is slow, here or for others' requests, gets what
// it can take. A request counts once, however often it is tried, so that a retry
// never moves where the next request begins. The turn of an endpoint that rests is
// dealt out among the others evenly, not to its neighbour.
//
// Where some are near, that is meant for this node's zone, they take the turns
// among themselves. The others get what those cannot take.
//
// An endpoint that is new beside others, or was at rest, warms up for ten seconds:
// it takes a tenth of its turns, and then more by and by.
//
// # Where it is at home
//
// A request may be for one endpoint rather than any. A key of it (AimAt) orders the
// endpoints by rendezvous hashing: the first is its home, and where that rests the
// next one takes it. A session (Resume) is such a key drawn by lot, which the
// client brings back in a cookie, or, where it is to be persistent, a digest of the
// endpoint: new endpoints do not move that. All replicas come to the same, as they
// need to know nothing but the endpoints and the uid of the Service, under which
// the digests are made: to a client they tell nothing. A cookie only chooses among
// the endpoints of its backend. One of another backend, or of an endpoint that has
// gone, begins a session.
//
// Which endpoints are near does not matter here: replicas of all zones must agree.
//
// # Resting
//
// An endpoint that fails rests: requests begin elsewhere while there are others.
// The first rest is a second long, each one after it twice as long as the last,
// up to 30 s, give or take a quarter, so that endpoints that failed together do
// not come back together.
//
//   - Who takes no connection (refused, timed out, TLS handshake failed, or 250 ms
//     have passed when the client gives up) rests at the first failure, however
//     many others do: picking it would carry nothing.
//   - Who loses connections before the first octet of a response rests after three
//     in a row without an answer between, because a client may have found a request
//     that makes a backend hang up. If more than half of the backend's endpoints
//     would rest then, it takes six.
//   - Time-outs while a response is awaited are no failures: the request may be slow.
//   - A TLS handshake for a name that the client chose says nothing of the
//     endpoint, nor does what we lack ourselves (descriptors, ports, memory).
//   - Of requests under way together the first that fails counts: the others tell
//     of the same moment.
//
// To rest is to be tried last, not to be unreachable. A request that fails
// everywhere else goes to resting endpoints too, and where all rest requests
// begin at those that have failed least often in a row: what was misjudged, or has
// just gone, before what has been dead for long. A backend's only endpoint never
// rests, and its failures are counted all the same, to be told.
//
// When a rest is over one request is let through, a second at the earliest after
// the one before it: one that may be sent elsewhere whatever happens to it, or,
// should none come within a second, any. If it is answered, with whatever status,
// the rest ends, and the other resting endpoints are probed at once too: what
// ailed them may have been the same. If not, a longer rest begins.
//
// # What is tried again
//
// Elsewhere, at each distinct endpoint once:
//
//   - Any request of which nothing was sent, nor any of its body read: there was
//     no connection, or the backend said that it did not process the request (RFC
//     9113 sections 6.8 and 8.7).
//   - An idempotent request without a body whose connection ended before the first
//     octet of a response. That may have been seen, and may be what has killed
//     the pod, so it is sent three times at most. Where there is one endpoint it
//     gets it once more, on a fresh connection: another worker may be there.
//   - A request without a body that was answered 421, once, on a fresh connection.
//
// Never after a time-out of a response, never after its first octet, and never
// for a POST or a body of which some was sent. What package upstream repeats by
// itself, on connections to the same endpoint (one closed while it was idle; a
// body that it still holds), is its own affair, and no retry here.
//
// Endpoints to be tried again are those of the newest map, not those of the map
// by which the request was judged. Pods that have gone since are not asked, those
// that have come are; and an address that has passed to somebody else's pod is
// not sent what was meant for the one before.
//
// # How long
//
// All connecting of one request together is within one connect time-out. While
// others are there that do not rest, a try gets a tenth of it, but at least 250 ms
// (the pace of RFC 8305 section 5) and at most half of what is left: with the
// default, 5 s, half a second, which is more than a round trip around the earth
// and too short for the loss of one SYN, so that it is another endpoint that makes
// up for that, and not a second of waiting. While others rest, a try gets half of
// what is left: who is slow, because it or this machine has too much to do, is
// better than who is dead, and has the time to take a SYN that was sent again. The
// last one gets all that is left. A TLS handshake has as long as the connection
// before it. What is spent on waiting for a response does not count.
//
// # How often
//
// Retries must not multiply the load of a backend that is failing already. Going
// on from an endpoint that takes no connection to one that does not rest is free:
// it puts the first to rest, so it does not last, and the backend gets no request
// more than it was sent. Everything else costs a token of the backend's. Each
// request earns a fifth of one, each second one, so that a Service that is hardly
// used has some too; what ten seconds of requests earn, and twenty more, can be saved.
package balance
