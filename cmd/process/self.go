package process

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// interfacesEvery is how old what is known of the interfaces may be. A pod keeps
// its addresses; those of a machine come and go.
const interfacesEvery = 10 * time.Second

// self knows by which addresses and ports this process can be reached. Its
// methods may be called from any goroutine.
type self struct {
	told      []netip.Addr     // beside those of interfaces
	published []netip.AddrPort // where balancers listen for us
	listeners atomic.Pointer[[]netip.AddrPort]
	seen      atomic.Pointer[interfaces]
}

// interfaces are what their addresses were at some time.
type interfaces struct {
	at        time.Time
	addresses []netip.Addr
}

// newSelf begins with the listeners that c asks for; a port that the system
// chooses is not known before it is listened on.
func newSelf(c *Config) *self {
	s := &self{told: addrsIn(os.Getenv("POD_IPS"))}
	for _, text := range c.PublishAddresses {
		if a, err := netip.ParseAddr(text); err == nil {
			s.told = append(s.told, a.Unmap())
			for _, port := range []int{80, 443, c.ExternalHTTPSPort} {
				s.published = append(s.published, netip.AddrPortFrom(a.Unmap(), uint16(port)))
			}
		}
	}
	s.listen(Addresses{HTTP: c.HTTPAddr, HTTPS: c.HTTPSAddr, Metrics: c.MetricsAddr, Admin: c.AdminAddr})
	return s
}

// listen notes what is listened on.
func (s *self) listen(at Addresses) {
	listeners := s.published
	for _, addr := range []string{at.HTTP, at.HTTPS, at.Metrics, at.Admin} {
		if addr == "" {
			continue
		}
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil || tcp.Port == 0 {
			continue
		}
		ap := tcp.AddrPort()
		if !ap.Addr().IsValid() { // ":8080"
			ap = netip.AddrPortFrom(netip.IPv6Unspecified(), ap.Port())
		}
		listeners = append(listeners[:len(listeners):len(listeners)], netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
	}
	s.listeners.Store(&listeners)
}

// current is this process as it is now.
func (s *self) current() hostmap.Self {
	seen := s.seen.Load()
	if now := time.Now(); seen == nil || now.Sub(seen.at) >= interfacesEvery {
		next := &interfaces{at: now}
		if found, err := net.InterfaceAddrs(); err == nil {
			next.addresses = append(next.addresses, s.told...)
			for _, f := range found {
				if n, ok := f.(*net.IPNet); ok {
					if a, ok := netip.AddrFromSlice(n.IP); ok {
						next.addresses = append(next.addresses, a.Unmap())
					}
				}
			}
		} else if seen != nil {
			next.addresses = seen.addresses
		} else {
			next.addresses = s.told
		}
		s.seen.Store(next)
		seen = next
	}
	return hostmap.Self{Addresses: seen.addresses, Listeners: *s.listeners.Load()}
}

// addrsIn reads addresses separated by commas, and passes over what is none.
func addrsIn(list string) []netip.Addr {
	var out []netip.Addr
	for text := range strings.SplitSeq(list, ",") {
		if a, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil {
			out = append(out, a.Unmap())
		}
	}
	return out
}
