package upstream

import (
	"encoding/base64"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ingress421/ingress421/proxy/field"
)

// NTLM and Negotiate log a connection in, not a request (RFC 4559 section 6):
// whoever sends the next request on it is answered as the one who has logged in.
// Such a connection serves one client connection, or ends with its exchange.

const (
	// maxHeld bounds the connections that one Login holds.
	maxHeld = 4
	// heldIdle is how long one is held without a request: a client that has to
	// log in again asks its user, or fails. Config.IdleTimeout is too short.
	heldIdle = 60 * time.Second
)

// Login holds the connections on which one client connection has spoken NTLM or
// Negotiate. The zero Login is ready; nil holds none, so that such connections
// end with their exchanges. Its methods may be called from any goroutine.
type Login struct {
	some atomic.Bool // held is not empty; what most requests look at

	mu     sync.Mutex
	held   []heldConn  // guarded by mu; the last is the newest
	reaper *time.Timer // guarded by mu; nil until first needed
	closed bool        // guarded by mu
}

// heldConn is a connection to be used by requests for the same host alone: a
// client that trusts one host with its login has not trusted its neighbours.
type heldConn struct {
	c    *http1Conn
	pool *Pool
	host string
	// midway is the request that goes on with the handshake begun here, "" when
	// there is none: concurrent streams of HTTP/2 each have their own.
	midway string
}

// HoldsAny reports that there are connections held, for whatever request.
func (l *Login) HoldsAny() bool { return l != nil && l.some.Load() }

// Holds reports that a connection to the endpoint of p is held for r.
func (l *Login) Holds(p *Pool, r *Request) bool {
	if !l.HoldsAny() {
		return false
	}
	words := r.speaks()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.held {
		h := &l.held[i]
		if h.pool.target.Addr == p.target.Addr && h.pool.target.Protocol == p.target.Protocol && h.isFor(r, words) {
			return true
		}
	}
	return false
}

// isFor says that h is for r to be sent on.
func (h *heldConn) isFor(r *Request, words speech) bool {
	if h.host != r.Host {
		return false
	}
	if words == speechGoesOn {
		return h.midway == handshakeOf(r)
	}
	return h.midway == ""
}

// handshakeOf tells requests that go on with one handshake from others: a client
// sends the same request again and again.
func handshakeOf(r *Request) string { return r.Method + " " + r.Path }

// take returns a connection of p that is held for r, or nil.
func (l *Login) take(p *Pool, r *Request, words speech, now time.Time, strict bool) *http1Conn {
	if !l.HoldsAny() {
		return nil
	}
	for {
		c := l.remove(func(h *heldConn) bool { return h.pool == p && h.isFor(r, words) })
		if c == nil {
			return nil
		}
		p.held.Add(-1)
		if !(strict && p.http1.mayClose(c, now)) && p.http1.fit(c, now) {
			return c
		}
		_ = c.nc.Close()
	}
}

// remove takes the newest out that fits.
func (l *Login) remove(fits func(*heldConn) bool) *http1Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.held) - 1; i >= 0; i-- {
		if fits(&l.held[i]) {
			return l.cut(i).c
		}
	}
	return nil
}

// cut takes one out. l.mu is held.
func (l *Login) cut(i int) heldConn {
	h, last := l.held[i], len(l.held)-1
	copy(l.held[i:], l.held[i+1:])
	l.held[last] = heldConn{}
	l.held = l.held[:last]
	l.some.Store(last > 0)
	return h
}

// keep holds h.c for the next request that it is for. keepFor is as for http1Idle.put.
func (l *Login) keep(h heldConn, now time.Time, keepFor time.Duration) {
	h.c.park(now, heldIdle, keepFor)
	many := h.pool.held.Add(1) > int64(h.pool.cfg.MaxIdlePerEndpoint)
	if l == nil || many || h.pool.http1.isRetired() {
		h.drop()
		return
	}
	h.host = strings.Clone(h.host) // and not all of the request's head
	over, ok := l.add(h)
	if !ok {
		over = h
	}
	if over.c != nil {
		over.drop()
	}
}

// add holds h, if the client is still there, and lets go of the oldest where
// that are too many.
func (l *Login) add(h heldConn) (over heldConn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return heldConn{}, false
	}
	if len(l.held) == maxHeld {
		over = l.cut(0)
	}
	l.held = append(l.held, h)
	l.some.Store(true)
	if l.reaper == nil {
		l.reaper = time.AfterFunc(heldIdle, l.reap)
	} else if len(l.held) == 1 {
		l.reaper.Reset(heldIdle)
	}
	return over, true
}

// drop closes one that was held.
func (h heldConn) drop() {
	h.pool.held.Add(-1)
	_ = h.c.nc.Close()
}

// reap closes what was held for too long, and runs again while there is more.
func (l *Login) reap() {
	now := time.Now()
	var gone []heldConn
	l.mu.Lock()
	for i := len(l.held) - 1; i >= 0; i-- {
		if c := l.held[i].c; now.Sub(c.idleSince) >= c.idleLimit {
			gone = append(gone, l.cut(i))
		}
	}
	if len(l.held) > 0 {
		l.reaper.Reset(heldIdle / 4)
	}
	l.mu.Unlock()
	for _, h := range gone {
		h.drop()
	}
}

// Close closes what is held, and holds nothing more. The client connection has
// ended.
func (l *Login) Close() {
	l.mu.Lock()
	gone := l.held
	l.held, l.closed = nil, true
	l.some.Store(false)
	if l.reaper != nil {
		l.reaper.Stop()
	}
	l.mu.Unlock()
	for _, h := range gone {
		h.drop()
	}
}

// loginState is what an exchange over HTTP/1.1 knows of logins.
type loginState struct {
	holder *Login
	words  speech // of the request
	host   string
	midway string // as in heldConn; known with the response
}

// speech is what a message says of a login that is the connection's.
type speech uint8

const (
	speechNone   speech = iota
	speechBegins        // the first words of a handshake, or all of it
	speechGoesOn        // an answer to a challenge
)

// speaks tells what the request's credentials are.
func (r *Request) speaks() speech {
	for i := range r.Header {
		if f := &r.Header[i]; f.Name == "authorization" || f.Name == "proxy-authorization" {
			if words := speechOf(f.Value); words != speechNone {
				return words
			}
		}
	}
	return speechNone
}

// speechOf reads credentials or challenges (RFC 9110 section 11). There may be
// several challenges in one field; whoever mistakes a part of a quoted string
// for one ends a connection that could have lived. A scheme alone says nothing
// of who anybody is.
func speechOf(value string) speech {
	for part := range strings.SplitSeq(value, ",") {
		part = strings.Trim(part, " \t")
		end := strings.IndexAny(part, " \t")
		if end < 0 || !field.EqualFold(part[:end], "ntlm") && !field.EqualFold(part[:end], "negotiate") {
			continue
		}
		if begins(strings.TrimLeft(part[end:], " \t")) {
			return speechBegins
		}
		return speechGoesOn
	}
	return speechNone
}

// begins tells the first token of a handshake: [MS-NLMP] section 2.2.1,
// "NTLMSSP", 0, and 1 for NEGOTIATE; RFC 4178 section 4.2, NegTokenInit, which
// comes in an application tag (RFC 2743 section 3.1).
func begins(token string) bool {
	var b [9]byte
	n, _ := base64.StdEncoding.Decode(b[:], []byte(token[:min(len(token), 12)]))
	return n > 0 && b[0] == 0x60 || n == len(b) && string(b[:]) == "NTLMSSP\x00\x01"
}
