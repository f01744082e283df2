package h2

import (
	"bytes"
	"crypto/tls"
	"io"
	"testing"

	"github.com/ingress421/ingress421/proxy/frame"
)

// Two records of one write leave in one system call, whole and in order.
func TestCorkJoinsRecords(t *testing.T) {
	for _, corked := range []bool{false, true} {
		server, client := pipe(1 << 20)
		cfg := &config{}
		w := &writeCounter{pipeEnd: server.(*pipeEnd)}
		tc := serverTLS(t)
		tc.DynamicRecordSizingDisabled = true
		var srv *tls.Conn
		if corked {
			srv = tls.Server(NewCork(w), tc)
		} else {
			srv = tls.Server(w, tc)
		}
		go srv.Handshake()
		cl := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		if err := cl.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := srv.Handshake(); err != nil {
			t.Fatal(err)
		}
		c := cfg.newConn(srv)
		before := w.n
		sent := bytes.Repeat([]byte("0123456789abcdef"), frame.LargeBuffer/16)
		if err := (*wire)(c).WriteFrames(sent); err != nil {
			t.Fatal(err)
		}
		if n, want := w.n-before, map[bool]int{false: 2, true: 1}[corked]; n != want {
			t.Errorf("corked %v: %d writes, want %d", corked, n, want)
		}
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(cl, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("corked %v: not what was sent, error %v", corked, err)
		}
		srv.Close()
		cl.Close()
	}
}
