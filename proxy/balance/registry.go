package balance

import (
	"crypto/rand"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// Registry holds what is known of endpoints and backends. Its methods may be
// called from any goroutine, but the two that follow a map's publishing, Backend
// and Release, from one at a time.
type Registry struct {
	upstream       *upstream.Client
	connectTimeout time.Duration
	log            *slog.Logger
	epoch          time.Time
	descs          descs
	secret         [32]byte // of digests, where the Service has none

	mu        sync.Mutex
	endpoints map[key]*endpoint      // guarded by mu
	ledgers   map[backendKey]*ledger // guarded by mu
	// leaving are endpoints that nothing names any more and requests use, pools are
	// those in use by how many members of backends; guarded by mu.
	leaving map[*endpoint]struct{}
	pools   map[*upstream.Pool]int
}

// New returns an empty Registry. connectTimeout is that of requests which have
// none of their own, as in upstream.Config; log is told which endpoints rest.
func New(client *upstream.Client, connectTimeout time.Duration, log *slog.Logger) *Registry {
	if connectTimeout == 0 {
		connectTimeout = upstream.DefaultConnectTimeout
	}
	r := &Registry{
		upstream: client, connectTimeout: connectTimeout, log: log, epoch: time.Now(), descs: newDescs(),
		endpoints: make(map[key]*endpoint), ledgers: make(map[backendKey]*ledger),
		leaving: make(map[*endpoint]struct{}), pools: make(map[*upstream.Pool]int),
	}
	_, _ = rand.Read(r.secret[:]) // never fails
	return r
}

// clock is a time as endpoints keep it, which 0 is not.
func (r *Registry) clock(t time.Time) int64 { return int64(t.Sub(r.epoch)) + 1 }

// Backend resolves a backend of a map that is to be published. From now on it is
// the one that retries look for endpoints in, until it is Released.
func (r *Registry) Backend(b *hostmap.Backend) *Backend {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := backendKey{b.Namespace, b.Service, b.Port, b.Protocol, b.ServerName, b.CAID}
	now := r.clock(time.Now())
	l := r.ledgers[k]
	if l == nil {
		l = &ledger{key: k}
		l.budget.start(now)
		r.ledgers[k] = l
	}
	l.named++
	resolved := &Backend{registry: r, ledger: l, uid: b.UID, members: make([]member, len(b.Endpoints))}
	for i, addr := range b.Endpoints {
		t := upstream.Target{Addr: addr, Protocol: protocolOf(b.Protocol)}
		if b.Protocol.TLS() {
			t.ServerName, t.CAs = b.ServerName, b.CAs
			if b.CAs != nil {
				t.CAID = string(b.CAID[:])
			}
		}
		id := key{b.Namespace, t.Addr, t.Protocol, t.ServerName, t.CAID}
		e := r.endpoints[id]
		if e == nil {
			e = &endpoint{key: id, addr: addr}
			if l.newest.Load() != nil {
				e.warming.Store(now)
			}
			r.endpoints[id] = e
		}
		e.named++
		pool := r.upstream.Pool(t)
		r.pools[pool]++
		resolved.members[i] = member{e, pool}
	}
	resolved.near = resolved.members
	if b.Near != 0 {
		resolved.near = resolved.members[:b.Near]
	}
	l.newest.Store(resolved)
	return resolved
}

// Release forgets backends that the published map does not name any more, and
// those of their endpoints that moreover no request uses. Requests in flight there
// go on; those that fail are not sent to them again.
func (r *Registry) Release(gone []*Backend) {
	r.mu.Lock()
	var pools []*upstream.Pool
	for _, b := range gone {
		if b.ledger.named--; b.ledger.named == 0 {
			delete(r.ledgers, b.ledger.key)
			b.ledger.newest.Store(&Backend{registry: r, ledger: b.ledger})
		}
		for _, m := range b.members {
			if m.named--; m.named == 0 {
				r.leaving[m.endpoint] = struct{}{}
			}
			if r.pools[m.pool]--; r.pools[m.pool] == 0 {
				delete(r.pools, m.pool)
				pools = append(pools, m.pool)
			}
		}
	}
	for e := range r.leaving {
		if e.named != 0 || e.inFlight.Load() == 0 {
			delete(r.leaving, e)
			if e.named == 0 {
				delete(r.endpoints, e.key)
			}
		}
	}
	r.mu.Unlock()
	r.upstream.Forget(pools)
}

func protocolOf(p hostmap.Protocol) upstream.Protocol {
	switch p {
	case hostmap.HTTPS:
		return upstream.HTTPS
	case hostmap.H2C:
		return upstream.H2C
	case hostmap.GRPC:
		return upstream.GRPC
	case hostmap.GRPCS:
		return upstream.GRPCS
	default:
		return upstream.HTTP1
	}
}

// linesEvery is the span in which a backend has linesMost lines in the log.
const (
	linesEvery = 10 * time.Second
	linesMost  = 10
)

// mayLog says that the backend has not logged too much lately.
func (l *ledger) mayLog(now int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since == 0 || now-l.since >= int64(linesEvery) {
		l.since, l.lines = now, 0
	}
	l.lines++
	return l.lines <= linesMost
}

// tellRest logs that an endpoint begins to rest, unless that was said of too many.
func (b *Backend) tellRest(e *endpoint, cause *upstream.Error, rest time.Duration) bool {
	if !b.ledger.mayLog(b.registry.clock(time.Now())) {
		return false
	}
	text := ""
	if cause.Err != nil {
		text = cause.Err.Error()
	}
	b.registry.log.Warn("endpoint rests", "backend", b.name(), "endpoint", e.addr.String(),
		"reason", cause.Reason, "error", text, "for", rest.Round(time.Millisecond).String())
	return true
}

// tellBack logs that an endpoint takes its turn again, where its rest was logged.
func (b *Backend) tellBack(e *endpoint, rested time.Duration) {
	b.registry.log.Info("endpoint is back", "backend", b.name(), "endpoint", e.addr.String(),
		"after", rested.Round(time.Millisecond).String())
}

// name is the backend as Kubernetes names it.
func (b *Backend) name() string {
	k := &b.ledger.key
	return k.namespace + "/" + net.JoinHostPort(k.service, k.port)
}
