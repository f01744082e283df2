package forward

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/message"
)

// resume has the request go to the endpoint of its session. One with the canary
// stays there, and one with the route's own backend here, whatever the canary
// would take.
func (p *Passage) resume(r *message.Request) {
	t, _ := p.route.Terms.Affinity.Terms()
	if p.canary != nil && t.CanaryAside && p.canaryTakes(r) {
		p.toCanary()
		return
	}
	key, known := sessionOf(r, t.Cookie, p.backend)
	if !known && p.canary != nil && !t.CanaryAside {
		key, known = p.resumeCanary(r, t.Cookie)
	}
	p.turn.Resume(key, known, balance.Tie{Persistent: t.Persistent, Moves: t.ChangeOnFailure})
	p.strict = t.Conditional && takesNoneForStrict(r.Get("user-agent"))
}

// resumeCanary sends to the canary what has a session there, or begins one there.
func (p *Passage) resumeCanary(r *message.Request, cookie string) (key balance.SessionKey, known bool) {
	if p.canaryGone() {
		return key, false
	}
	if key, known = sessionOf(r, cookie, p.canary); known || p.canaryTakes(r) {
		p.toCanary()
	}
	return key, known
}

// sessionOf finds the session that a client has with a backend. There may be
// cookies of one name for several paths (RFC 6265 section 5.4).
func sessionOf(r *message.Request, cookie string, b *backend) (key balance.SessionKey, known bool) {
	for value := range cookies(r, cookie) {
		if key, known = b.Session(value); known {
			return key, true
		}
	}
	return key, false
}

// setCookie says what cookie the response gives the client.
func (p *Passage) setCookie(r *message.Request) {
	value, ok := p.turn.Cookie()
	if !ok {
		return
	}
	t, _ := p.route.Terms.Affinity.Terms()
	var b strings.Builder
	b.WriteString(t.Cookie + "=" + value)
	if t.Expires != 0 {
		b.WriteString("; Expires=" + time.Now().Add(t.Expires).UTC().Format(http.TimeFormat))
	}
	if t.MaxAge != "" {
		b.WriteString("; Max-Age=" + t.MaxAge)
	}
	if t.Domain != "" {
		b.WriteString("; Domain=" + t.Domain)
	}
	b.WriteString("; Path=" + t.Path)
	if t.Secure == "true" || t.Secure == "" && r.Client.Facts.TLS {
		b.WriteString("; Secure")
	}
	b.WriteString("; HttpOnly")
	if t.SameSite != "" && !p.strict {
		b.WriteString("; SameSite=" + t.SameSite)
	}
	r.Cookie = b.String()
}

// takesNoneForStrict tells clients that do not know SameSite=None and take it for
// Strict, or refuse the cookie, as Chromium lists them ("SameSite=None: Known
// Incompatible Clients").
func takesNoneForStrict(agent string) bool {
	switch {
	case strings.Contains(agent, "(iP") && strings.Contains(agent, "CPU") && strings.Contains(agent, "OS 12_"):
		return true
	case strings.Contains(agent, "(Macintosh;") && strings.Contains(agent, "Mac OS X 10_14"):
		// Safari and what is embedded, not Chrome.
		return !strings.Contains(agent, "Chrome/") && !strings.Contains(agent, "Chromium/") &&
			(strings.Contains(agent, "Safari/") || strings.HasSuffix(agent, "(KHTML, like Gecko)"))
	}
	if v, ok := versionOf(agent, "UCBrowser/"); ok {
		return v < version(12, 13, 2)
	}
	for _, name := range [...]string{"Chrome/", "Chromium/"} {
		if v, ok := versionOf(agent, name); ok {
			return v >= version(51, 0, 0) && v < version(67, 0, 0)
		}
	}
	return false
}

func version(major, minor, patch int) int { return (major*10_000+minor)*10_000 + patch }

// versionOf reads the first three numbers of a product's version.
func versionOf(agent, product string) (v int, ok bool) {
	_, text, ok := strings.Cut(agent, product)
	if !ok {
		return 0, false
	}
	var n [3]int
	text = text[:len(text)-len(strings.TrimLeft(text, ".0123456789"))]
	at := 0
	for part := range strings.SplitSeq(text, ".") {
		if at < len(n) {
			n[at], _ = strconv.Atoi(part)
			n[at] = min(n[at], 9999)
			at++
		}
	}
	return version(n[0], n[1], n[2]), true
}
