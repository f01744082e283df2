package message

import (
	"net/netip"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Client is what the connection of a request says of who has sent it. It is
// settled before the first request.
type Client struct {
	// Facts are what the handshake has settled.
	Facts hostmap.Facts
	// Source is the client's address: the peer's, or the one that a trusted
	// PROXY protocol header names.
	Source netip.Addr
	// SourcePort is Source's port, 0 where it has none.
	SourcePort uint16
	// SourceText is Source as backends are told.
	SourceText string
	// Certificate is the verified client certificate as a Client-Cert field (RFC
	// 9440), "" for none.
	Certificate string
	// StallTimeout is how long its requests' content may pause.
	StallTimeout time.Duration
}
