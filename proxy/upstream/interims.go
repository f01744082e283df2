package upstream

import (
	"net/http"
	"net/textproto"
	"sync"

	"golang.org/x/net/http2/hpack"
)

// interims passes on the 1xx responses that net/http reads. Its read loop serves
// other requests too, so it only puts them down here: a goroutine of this
// exchange hands them over, and is the one to wait where the client does not
// read. Their limits keep what waits small.
type interims struct {
	to    func(status int, h []hpack.HeaderField) // nil: to nobody
	heard func()                                  // is told that the backend has said something

	mu     sync.Mutex
	queue  []interim // guarded by mu
	busy   bool      // guarded by mu; deliver runs
	closed bool      // guarded by mu; no more is taken
	err    error     // guarded by mu; what got has returned
	n      int       // guarded by mu
	size   int       // guarded by mu; of all their fields, as in a head of HTTP/1.1

	delivery sync.WaitGroup // added to under mu, before closed
}

type interim struct {
	status int
	fields []hpack.HeaderField
}

// got is net/http's Got1xxResponse, which has no limits of its own. net/http
// gives the request up after an error, but says little of it.
func (i *interims) got(status int, header textproto.MIMEHeader) error {
	fields, _, err := relayFields(http.Header(header))
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil {
		err = i.add(status, fields)
	}
	if err != nil && !i.closed {
		i.err = err
	}
	return err
}

// add checks and queues. i.mu is held.
func (i *interims) add(status int, fields []hpack.HeaderField) error {
	i.n++
	for _, f := range fields {
		i.size += len(f.Name) + len(f.Value) + len(": \r\n")
	}
	switch {
	case status == http.StatusSwitchingProtocols:
		return malformed("101 as an interim response")
	case i.n > maxInterim:
		return malformed("too many interim responses")
	case i.size > MaxHeadBytes:
		return tooLarge("interim responses over 64 KiB")
	case i.closed:
		return nil
	}
	i.heard()
	if i.to == nil {
		return nil
	}
	i.queue = append(i.queue, interim{status, fields})
	if !i.busy {
		i.busy = true
		i.delivery.Go(i.deliver)
	}
	return nil
}

// deliver passes on what is queued, in order.
func (i *interims) deliver() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.queue) > 0 {
		next := i.queue[0]
		i.queue = i.queue[1:]
		i.mu.Unlock()
		i.to(next.status, next.fields)
		i.mu.Lock()
	}
	i.busy = false
}

// any says that there were interim responses.
func (i *interims) any() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.n > 0
}

// close returns when no call runs, and none comes after it. With flush, for a
// final response which must not overtake them, what is queued is passed on
// first. err is what was wrong with an interim response.
func (i *interims) close(flush bool) (err error) {
	i.mu.Lock()
	i.closed, err = true, i.err
	if !flush {
		i.queue = nil
	}
	i.mu.Unlock()
	i.delivery.Wait()
	return err
}
