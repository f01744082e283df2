package balance

// aim is which endpoint a request is for. The zero aim is for any.
type aim struct {
	kind aimKind
	// key is where the request is at home, of a key or of a session without
	// digest; among is how many endpoints a key has.
	key   Key
	among uint64
	// session is the client's key, known that it has brought one.
	session SessionKey
	known   bool
	// home is the endpoint of a session; nil: it is gone, or not found yet.
	home *endpoint

	Tie
}

type aimKind uint8

const (
	atAny aimKind = iota
	atKey
	atSession
)

// Tie says how a session is tied to its endpoint.
type Tie struct {
	// Persistent keeps it there as long as the endpoint is there; else new
	// endpoints take their share of all sessions.
	Persistent bool
	// Moves has it stay where its request was taken when its endpoint failed.
	Moves bool
}

// find returns the member that the request with a number is for, where that can
// take it; nil: any may. safe: it can be repeated whatever becomes of it.
func (a *aim) find(b *Backend, number uint64, now int64, safe bool) *member {
	var home *member
	switch a.kind {
	case atAny:
		return nil
	case atKey:
		if a.among == 1 {
			home = b.first(a.key, anyMember)
		} else {
			home = b.after(a.key, int(number%min(a.among, uint64(len(b.members)))))
		}
	case atSession:
		if home = b.atHome(a); home == nil {
			return nil
		}
		a.home = home.endpoint
	}
	if !home.resting() || home.probe(now, safe) {
		return home
	}
	return a.instead(b, nil)
}

// instead returns the next member that the request is for; nil: any may be.
func (a *aim) instead(b *Backend, tried []*endpoint) *member {
	if a.kind == atAny || a.kind == atSession && a.Persistent {
		return nil
	}
	return b.first(a.key, func(m *member) bool { return m.fit(tried) })
}

// cookie returns what the client is to bring from now on, as an endpoint took its
// request; false: nothing else than it has.
func (a *aim) cookie(b *Backend, at *endpoint) (value string, ok bool) {
	if a.kind != atSession || a.known && a.home != nil && (a.home == at || !a.Moves) {
		return "", false
	}
	switch {
	case a.Persistent:
		a.session = b.tagOf(at)
	case a.home != at:
		key, found := b.keyFor(at)
		if !found && a.known {
			return "", false
		}
		a.session = key
	}
	return b.cookie(a.session), true
}

// atHome returns where a session is at home, and begins it where there is none;
// nil: that is for the endpoint that takes the request to say.
func (b *Backend) atHome(a *aim) (home *member) {
	switch {
	case a.Persistent:
		if !a.known {
			return nil
		}
		return b.tagged(a.session)
	case a.known:
		a.key = a.session.key()
		return b.first(a.key, anyMember)
	}
	// Of two lots the one at the endpoint with fewer requests.
	for range 2 {
		lot := drawKey()
		m := b.first(lot.key(), (*member).awake)
		if m == nil {
			m = b.first(lot.key(), anyMember)
		}
		if home == nil || m.inFlight.Load() < home.inFlight.Load() {
			home, a.session, a.key = m, lot, lot.key()
		}
	}
	return home
}

// awake says that m does not rest.
func (m *member) awake() bool { return !m.resting() }
