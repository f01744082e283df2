package proxy

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// windows is a backend that logs connections in, as IIS does: three messages of
// NTLM on one connection, or one of Negotiate, and who has sent them is whoever
// sends the next request on it (RFC 4559 section 6).
type windows struct {
	mu    sync.Mutex
	conns int // opened
	open  int

	quiet bool // no challenge behind a Negotiate that went well
}

const (
	ntlmNegotiate = "NTLMSSP\x00\x01\x00\x00\x00"
	ntlmChallenge = "NTLMSSP\x00\x02\x00\x00\x00"
	ntlmLogin     = "NTLMSSP\x00\x03\x00\x00\x00"
)

func (b *windows) serve(nc net.Conn) {
	b.mu.Lock()
	b.conns++
	b.open++
	nonce := fmt.Sprint("nonce", b.conns)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.open--
		b.mu.Unlock()
	}()
	user, challenged := "", false
	br := bufio.NewReader(nc)
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		raw, _ := base64.StdEncoding.DecodeString(token)
		message, answer := string(raw), ""
		switch {
		case strings.EqualFold(scheme, "NTLM") && strings.HasPrefix(message, ntlmNegotiate):
			user, challenged = "", true
			answer = "WWW-Authenticate: NTLM " + base64.StdEncoding.EncodeToString([]byte(ntlmChallenge+nonce)) + "\r\n"
		case strings.EqualFold(scheme, "NTLM") && strings.HasPrefix(message, ntlmLogin):
			// The answer to this connection's challenge, or none.
			name, ok := strings.CutSuffix(message[len(ntlmLogin):], " "+nonce)
			if ok && challenged {
				user = name
			}
			challenged = false
		case strings.EqualFold(scheme, "Negotiate") && strings.HasPrefix(message, "\x60"):
			user = message[1:]
			if !b.quiet {
				answer = "WWW-Authenticate: Negotiate oQ==\r\n"
			}
		}
		status := "200 OK"
		if user == "" {
			status = "401 Unauthorized"
			if answer == "" {
				answer = "WWW-Authenticate: Negotiate, NTLM, Basic realm=\"a\"\r\n"
			}
		}
		fmt.Fprintf(nc, "HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, answer, len(user), user)
	}
}

func (b *windows) count() (opened, open int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns, b.open
}

func authorizationOf(scheme, message string) string {
	return scheme + " " + base64.StdEncoding.EncodeToString([]byte(message))
}

// clientOf is one client connection, of either protocol.
type clientOf func(method, host, path, authorization string) answer

// loginWorld runs a test with clients of either protocol, each of which keeps to
// its one connection.
func loginWorld(t *testing.T, m *hostmap.Map, f func(t *testing.T, connect func() (c clientOf, hangUp func()))) {
	for _, protocol := range []string{message.HTTP1, message.HTTP2} {
		t.Run(protocol, func(t *testing.T) {
			w := newWorld(t, m, nil)
			f(t, func() (clientOf, func()) {
				if protocol == message.HTTP2 {
					cc := w.h2Client("a.test", nil)
					return func(method, host, path, authorization string) answer {
						return roundTrip(t, cc, method, "https://"+host+path, func(r *http.Request) { authorize(r, authorization) })
					}, func() { _ = cc.Close() }
				}
				nc := w.dialHTTP1(true)
				br := bufio.NewReader(nc)
				return func(method, host, path, authorization string) answer {
					t.Helper()
					r, _ := http.NewRequest(method, "https://"+host+path, nil)
					authorize(r, authorization)
					if err := r.Write(nc); err != nil {
						t.Fatal(err)
					}
					resp, err := http.ReadResponse(br, r)
					if err != nil {
						t.Fatal(err)
					}
					body, _ := io.ReadAll(resp.Body)
					return answer{resp, string(body)}
				}, func() { _ = nc.Close() }
			})
		})
	}
}

func authorize(r *http.Request, authorization string) {
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
}

// ntlm logs a client in, and returns what came of it.
func (c clientOf) ntlm(t *testing.T, scheme, user, host string) answer {
	t.Helper()
	a := c("GET", host, "/", authorizationOf(scheme, ntlmNegotiate))
	_, token, _ := strings.Cut(a.Header.Get("WWW-Authenticate"), " ")
	challenge, _ := base64.StdEncoding.DecodeString(token)
	if a.StatusCode != 401 || !strings.HasPrefix(string(challenge), ntlmChallenge) {
		t.Fatalf("no challenge: %d %v", a.StatusCode, a.Header)
	}
	return c("GET", host, "/", authorizationOf(scheme, ntlmLogin+user+" "+string(challenge[len(ntlmChallenge):])))
}

func (a answer) is(t *testing.T, what string, status int, body string) {
	t.Helper()
	if a.StatusCode != status || a.body != body {
		t.Errorf("%s: %d %q, want %d %q", what, a.StatusCode, a.body, status, body)
	}
}

// twoEndpoints is a map of two hosts under one certificate whose backend has two
// endpoints.
func twoEndpoints(t *testing.T, b *windows) *hostmap.Map {
	backend := listening(t, b.serve)
	backend.Endpoints = append(backend.Endpoints, listening(t, b.serve).Endpoints...)
	cert := newAuthority(t).serverCert("ab", "a.test", "b.test")
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{cert}, Routes: routeTo(backend)}),
		hostmap.NewSite(hostmap.Site{Host: "b.test", Certificates: []*hostmap.Certificate{cert}, Routes: routeTo(backend)}),
	}})
}

// secured is a backend behind TLS that speaks both versions of HTTP, and logs in
// on HTTP/1.1 alone, as IIS does.
func secured(t *testing.T, b *windows) *hostmap.Backend {
	cert := newAuthority(t).serverCert("b", "b")
	backend := listening(t, func(nc net.Conn) {
		tc := tls.Server(nc, &tls.Config{
			Certificates: []tls.Certificate{cert.KeyPair}, NextProtos: []string{"h2", "http/1.1"},
		})
		if err := tc.Handshake(); err != nil {
			return
		}
		if tc.ConnectionState().NegotiatedProtocol != "h2" {
			b.serve(tc)
			return
		}
		new(http2.Server).ServeConn(tc, &http2.ServeConnOpts{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Negotiate, NTLM")
			w.WriteHeader(401)
		})})
	})
	backend.Protocol = hostmap.HTTPS
	return backend
}

// A login is HTTP/1.1's business, behind TLS too.
func TestLoginOverTLS(t *testing.T) {
	b := &windows{}
	loginWorld(t, oneSite(t, secured(t, b)), func(t *testing.T, connect func() (clientOf, func())) {
		alice, _ := connect()
		mallory, _ := connect()
		for range 2 {
			alice("GET", "a.test", "/", "").is(t, "alice, before", 401, "")
			alice.ntlm(t, "NTLM", "alice", "a.test").is(t, "alice's login", 200, "alice")
			mallory("GET", "a.test", "/", "").is(t, "mallory", 401, "")
			mallory("GET", "a.test", "/", authorizationOf("NTLM", "nonsense")).is(t, "mallory's login", 401, "")
			alice("POST", "a.test", "/", "").is(t, "alice, without credentials", 200, "alice")
			alice, _ = connect()
		}
	})
}

// Who has logged in stays so for the rest of the connection, and is nobody else.
func TestLoginBelongsToItsClient(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		b := &windows{quiet: quiet}
		loginWorld(t, twoEndpoints(t, b), func(t *testing.T, connect func() (clientOf, func())) {
			alice, aliceLeaves := connect()
			mallory, _ := connect()
			alice("GET", "a.test", "/", "").is(t, "alice, before", 401, "")
			alice.ntlm(t, "nTLM", "alice", "a.test").is(t, "alice's login", 200, "alice")
			for range 3 {
				mallory("GET", "a.test", "/", "").is(t, "mallory", 401, "")
				mallory("POST", "a.test", "/", "").is(t, "mallory's POST", 401, "")
				alice("GET", "a.test", "/other", "").is(t, "alice, without credentials", 200, "alice")
				alice("POST", "a.test", "/", "").is(t, "alice's POST", 200, "alice")
				alice("GET", "b.test", "/", "").is(t, "alice at another host", 401, "")
			}
			bob, _ := connect()
			bob("GET", "a.test", "/", authorizationOf("NEGOTIATE", "\x60bob")).is(t, "bob's login", 200, "bob")
			for range 3 {
				mallory("GET", "a.test", "/", "").is(t, "mallory after bob", 401, "")
				bob("GET", "a.test", "/", "").is(t, "bob, without credentials", 200, "bob")
				alice("GET", "a.test", "/", "").is(t, "alice, after bob", 200, "alice")
			}
			aliceLeaves()
			for range 4 {
				mallory("GET", "a.test", "/", "").is(t, "mallory when alice has gone", 401, "")
			}
		})
	}
}

// A connection that is logged in ends with its client's.
func TestLoginEnds(t *testing.T) {
	b := &windows{}
	loginWorld(t, twoEndpoints(t, b), func(t *testing.T, connect func() (clientOf, func())) {
		alice, leave := connect()
		_, before := b.count()
		alice.ntlm(t, "NTLM", "alice", "a.test").is(t, "login", 200, "alice")
		leave()
		eventually(t, "the connection's end", func() bool { _, open := b.count(); return open <= before })
	})
}

// However many connections a client logs in on, few are held.
func TestLoginsHeldAreFew(t *testing.T) {
	b := &windows{}
	loginWorld(t, twoEndpoints(t, b), func(t *testing.T, connect func() (clientOf, func())) {
		c, _ := connect()
		for i := range 20 {
			host := "a.test"
			if i%2 == 1 {
				host = "b.test"
			}
			c("GET", host, fmt.Sprint("/", i), authorizationOf("NTLM", ntlmNegotiate))
		}
		eventually(t, "four connections", func() bool { _, open := b.count(); return open <= 4 })
	})
}

// Streams of one HTTP/2 connection that log in at the same time each have a
// handshake of their own.
func TestLoginsAtTheSameTime(t *testing.T) {
	b := &windows{}
	w := newWorld(t, twoEndpoints(t, b), nil)
	cc := w.h2Client("a.test", nil)
	ask := func(path, authorization string) answer {
		return roundTrip(t, cc, "GET", "https://a.test"+path, func(r *http.Request) { authorize(r, authorization) })
	}
	const n = 3
	var challenges [n]string
	for i := range n {
		a := ask(fmt.Sprint("/", i), authorizationOf("NTLM", ntlmNegotiate))
		_, token, _ := strings.Cut(a.Header.Get("WWW-Authenticate"), " ")
		raw, _ := base64.StdEncoding.DecodeString(token)
		challenges[i] = strings.TrimPrefix(string(raw), ntlmChallenge)
		ask("/", "").is(t, "meanwhile, without credentials", 401, "")
	}
	for i := range n {
		user := fmt.Sprint("user", i)
		ask(fmt.Sprint("/", i), authorizationOf("NTLM", ntlmLogin+user+" "+challenges[i])).is(t, user, 200, user)
	}
}

// A gateway's connection carries requests of many clients: on it nobody stays
// logged in.
func TestLoginBehindGateway(t *testing.T) {
	b := &windows{}
	class := hostmap.BuiltinClass()
	class.TrustedGateways = prefixesOf("127.0.0.1/32")
	m := hostmap.New(hostmap.Spec{Class: class, Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
		Host: "a.test", Class: class, Certificates: []*hostmap.Certificate{newAuthority(t).serverCert("a", "a.test")}, Routes: routeTo(listening(t, b.serve)),
	})}})
	loginWorld(t, m, func(t *testing.T, connect func() (clientOf, func())) {
		gateway, _ := connect()
		gateway("GET", "a.test", "/", authorizationOf("Negotiate", "\x60alice")).is(t, "alice's login", 200, "alice")
		gateway("GET", "a.test", "/", "").is(t, "somebody else", 401, "")
	})
}

// What is no login shares connections as before.
func TestNoLogin(t *testing.T) {
	b := &windows{}
	loginWorld(t, oneSite(t, listening(t, b.serve)), func(t *testing.T, connect func() (clientOf, func())) {
		before, _ := b.count()
		for range 3 {
			c, _ := connect()
			for _, authorization := range []string{"", "Basic YTpi", "Bearer NTLM", "Negotiate", "NTLM", "NTLMx YTpi"} {
				c("GET", "a.test", "/", authorization).is(t, authorization, 401, "")
			}
		}
		if after, _ := b.count(); after-before > 1 {
			t.Errorf("%d connections for requests one after the other", after-before)
		}
	})
}
