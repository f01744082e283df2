package hostmap

import "net/netip"

// Handshake is what a TLS handshake with a server name settles by a map, before
// the certificate is chosen that the client's hello supports.
type Handshake struct {
	// ServerName is canonical, "" where the client sent none.
	ServerName string
	// Site is the name's, nil where none serves it.
	Site *Site
	// Class is the site's, else the map's: its lowest TLS version and its
	// limits hold for the connection.
	Class *Class
	// Certificates are what it may be answered with, the preferred first; none
	// where it is refused.
	Certificates []*Certificate
	// Refused says why it is to be refused (RFC 6066 section 3,
	// unrecognized_name), "" where it is not.
	Refused string
}

// Why a handshake is refused.
const (
	RefusedNoName     = "no server name, and no default certificate"
	RefusedBadName    = "server name is not a host name"
	RefusedUnserved   = "server name is not served"
	RefusedNoCert     = "no certificate for the server name"
	RefusedUnresolved = "client-auth of the site cannot be resolved"
)

// Connect says what a handshake settles, for the server name as the client sent
// it, "" for none. It does not allocate for a name that is canonical.
func Connect(m *Map, serverName string) Handshake {
	if serverName != "" {
		host, err := Host(serverName)
		if err != nil || IsIP(host) {
			return Handshake{Class: m.Class(), Refused: RefusedBadName}
		}
		serverName = host
	}
	return m.Handshake(serverName)
}

// Handshake is [Connect] for a canonical host, or for a pattern, which stands for
// the hosts below it that have no site of their own.
func (m *Map) Handshake(serverName string) Handshake {
	return m.handshake(serverName, m.find(serverName))
}

// handshake is Handshake with what was found for the name, nil for nothing.
func (m *Map) handshake(serverName string, e *entry) Handshake {
	h := Handshake{ServerName: serverName, Class: m.Class(), Certificates: m.defaults}
	if e != nil {
		h.Site, h.Class = e.site, e.site.Class
		if serverName != "" || len(m.defaults) == 0 {
			h.Certificates = h.Site.Certificates
		}
		if h.Site.Policy.Unresolved {
			h.Certificates = nil
		}
	}
	if len(h.Certificates) == 0 {
		h.Refused = h.whyRefused()
	}
	return h
}

// whyRefused says why there is no certificate.
func (h *Handshake) whyRefused() string {
	switch {
	case h.ServerName == "":
		return RefusedNoName
	case h.Site == nil:
		return RefusedUnserved
	case h.Site.Policy.Unresolved:
		return RefusedUnresolved
	}
	return RefusedNoCert
}

// Policy is what the client is asked for.
func (h *Handshake) Policy() TLSPolicy {
	if h.Site == nil {
		return TLSPolicy{}
	}
	return h.Site.Policy
}

func (h *Handshake) policyID() (id PolicyID) {
	if h.Site != nil {
		id = h.Site.Policy.ID
	}
	return id
}

// Takes tells whether a client whose best TLS version this is can connect, a
// client certificate aside.
func (h *Handshake) Takes(version uint16) bool {
	return h.Refused == "" && version >= h.Class.MinVersion
}

// Facts are the connection facts under one of the certificates, as far as the
// server settles them; nil where the handshake is refused. Version, ALPN and
// whether it was resumed are known when it is over.
func (h *Handshake) Facts(leaf *Certificate, peer netip.Addr) Facts {
	return Facts{TLS: true, ServerName: h.ServerName, Leaf: leaf, Policy: h.policyID(), Peer: peer}
}
