package upstream

import (
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

// openedTo notes that the tunnel is open: nobody owes anybody anything, from here
// on.
func (s *h2stream) openedTo(r *Request) {
	s.c.mu.Lock()
	s.readTimeout, s.sendTimeout = 0, 0
	s.c.mu.Unlock()
	if a := r.acceptance(); a != "" {
		s.header = append(s.header, hpack.HeaderField{Name: "sec-websocket-accept", Value: a})
	}
}

// h2Tunnel is a stream behind an extended CONNECT.
type h2Tunnel h2stream

func (t *h2Tunnel) Read(p []byte) (int, error) { return (*h2stream)(t).readBody(p) }

func (t *h2Tunnel) Write(p []byte) (int, error) {
	if err := (*h2stream)(t).write(frame.Part{Data: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite tells the backend that no more will come.
func (t *h2Tunnel) CloseWrite() error { return (*h2stream)(t).write(frame.Part{End: true}) }

func (t *h2Tunnel) Close() error { return (*h2stream)(t).Close() }
