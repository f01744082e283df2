package explain

import (
	"crypto/tls"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Reasons of a request that is malformed before it is judged.
const (
	reasonAuthority = "bad_authority"
	reasonPath      = "bad_path"
)

// noEndpoints is the reason of the 503 that a backend without endpoints gets.
const noEndpoints = "no_endpoints"

// inquiry is a question on its way to its answer.
type inquiry struct {
	m    *hostmap.Map
	q    Question
	hand hostmap.Handshake
	f    hostmap.Facts
	r    hostmap.Request
	v    hostmap.Verdict
	t    hostmap.Trace
}

// connect settles the connection. The client takes the preferred certificate.
func (i *inquiry) connect() Connection {
	i.f = hostmap.Facts{Peer: i.q.Peer}
	if i.q.Cleartext {
		return Connection{Protocol: "cleartext"}
	}
	i.hand = hostmap.Connect(i.m, i.q.ServerName)
	c := Connection{Protocol: tls.VersionName(i.q.Version), ServerName: i.hand.ServerName, Refused: i.hand.Refused}
	if i.hand.Site != nil {
		c.Site = i.hand.Site.Label()
	}
	if p := i.hand.Policy(); p.Mode != hostmap.ClientAuthNone || p.Unresolved {
		c.ClientAuth = p.Mode.String()
	}
	if c.Refused != "" {
		return c
	}
	if !i.hand.Takes(i.q.Version) {
		c.Refused = tls.VersionName(i.q.Version) + " is below " + tls.VersionName(i.hand.Class.MinVersion) + ", the lowest version of the class"
		return c
	}
	leaf := i.hand.Certificates[0]
	i.f = i.hand.Facts(leaf, i.q.Peer)
	i.f.Version = i.q.Version
	c.Certificate = &Certificate{leaf.Secret.String(), leaf.ShortFingerprint(), append([]string{}, leaf.Names...)}
	return c
}

// request makes the request canonical.
func (i *inquiry) request() Request {
	i.r = hostmap.Request{Scheme: i.q.Scheme}
	i.r.Host, _, _ = hostmap.Authority(i.q.Authority)
	i.r.Path, _ = hostmap.Path(i.q.Path)
	out := Request{Method: i.q.Method, Scheme: i.q.Scheme, Host: i.r.Host, Path: i.r.Path}
	if out.Scheme == "" {
		out.Scheme = i.connectionScheme()
	}
	if i.r.Host == "" {
		out.Host = i.q.Authority
		return out
	}
	if s := i.m.Site(i.r.Host); s != nil {
		out.Site, out.Namespace, out.Class = s.Label(), s.Namespace, s.Class.Name
	}
	return out
}

func (i *inquiry) connectionScheme() string {
	if i.q.Cleartext {
		return "http"
	}
	return "https"
}

// malformed says why there is nothing to judge, "" where there is.
func (i *inquiry) malformed() string {
	switch {
	case i.r.Host == "":
		return reasonAuthority
	case i.r.Path == "":
		return reasonPath
	}
	return ""
}

func (i *inquiry) judge() {
	i.v, i.t = hostmap.JudgeTraced(i.m, &i.f, i.r)
	// How long a body is, is not asked.
	hostmap.Apply(&i.v, &i.f, &i.r, hostmap.Client{FromHTTPS: i.q.FromHTTPS, Address: i.q.Client, ContentLength: -1, Variables: i})
}

// Variable is the value of a variable of terms, "" for what was not asked about.
func (i *inquiry) Variable(name string) string {
	switch name {
	case "host", "http_host":
		return i.r.Host
	case "scheme", "pass_access_scheme":
		return i.connectionScheme()
	case "uri", "request_uri":
		return i.r.Path
	case "request_method":
		return i.q.Method
	case "remote_addr", "the_real_ip":
		if i.q.Client.IsValid() {
			return i.q.Client.String()
		}
	}
	return ""
}

// unknown tells whether it is not known what a variable of terms is.
func (i *inquiry) unknown(name string) bool { return name != "" && i.Variable(name) == "" }

// unreachable is the reason of the 503 that a request which may be served gets
// whatever its backend does; "" for none.
func (i *inquiry) unreachable() string {
	if i.v.Action != hostmap.ActionServe || i.v.Route == nil || i.v.Route.Backend == nil {
		return ""
	}
	k := i.v.Route.Backend
	if k.Missing == "" && len(k.Endpoints) == 0 {
		return noEndpoints
	}
	return k.Missing
}

func (i *inquiry) verdict() Verdict {
	v := &i.v
	out := Verdict{
		Action: v.Action.String(), Status: v.Status, Reason: string(v.Reason), Reported: string(v.Reported),
		Rule: v.Rule.String(), Retry: v.Retry, Close: v.Close,
	}
	if v.Action == hostmap.ActionRedirect {
		out.Location = hostmap.Expand(v.Location(), i)
	}
	reason := i.unreachable()
	if reason != "" {
		out.Action, out.Status, out.Reason = hostmap.ActionRefuse.String(), 503, reason
	}
	if v.Route != nil {
		out.Route = v.Route.From.String()
		if k := v.Route.Backend; k != nil && v.Action == hostmap.ActionServe && reason == "" {
			out.Backend = k.Namespace + "/" + k.Service + ":" + k.Port
			out.Path = v.Path
			if out.Path == "" {
				out.Path = i.r.Path
			}
		}
	}
	return out
}

// fresh is the same request on a connection that is made for its authority, as
// by a client that shares none.
func (i *inquiry) fresh() Answer {
	q := i.q
	q.ServerName, q.Scheme = serverNameOf(i.r.Host), ""
	f := inquiry{m: i.m, q: q}
	a := Answer{Connection: f.connect(), Request: f.request()}
	if a.Connection.Refused != "" {
		a.Verdict = Verdict{Action: noConnection}
		return a
	}
	f.judge()
	a.Verdict = f.verdict()
	return a
}

// own tells whether the connection is one that was made for the authority.
func (i *inquiry) own() bool { return i.hand.ServerName == serverNameOf(i.r.Host) }
