package http1

import (
	"io"
	"testing"
	"time"
)

const upgrade = "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"

// Behind a 101 octets go both ways, those first that came with the request.
func TestTunnel(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		time.Sleep(time.Second) // the watch reads meanwhile
		if err := x.WriteHeader(101, fields("upgrade", "x"), false); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 100)
		for {
			n, err := x.Read(buf)
			if n > 0 {
				_, _ = x.Write(buf[:n])
			}
			if err != nil {
				break
			}
		}
		_ = x.WriteEnd(nil)
	}, func(c *client) {
		c.say(upgrade + "early")
		time.Sleep(time.Second)
		c.expect("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nearly")
		time.Sleep(10 * time.Minute) // a tunnel may rest
		c.say(get)
		c.expect(get)
		c.conn.Drain() // waits for its end
		c.say("more")
		c.expect("more")
	})
}

// StopRead ends a tunnel's reading, which waits.
func TestTunnelStopRead(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		_ = x.WriteHeader(101, fields("upgrade", "x"), false)
		read := make(chan error)
		go func() {
			_, err := x.Read(make([]byte, 1))
			read <- err
		}()
		time.Sleep(time.Second)
		_ = x.WriteEnd(nil)
		x.StopRead()
		if err := <-read; err != ErrReadStopped {
			t.Error(err)
		}
	}, func(c *client) {
		c.say(upgrade)
		time.Sleep(time.Second + lingerTime)
		c.ended(ClosedEnded)
		c.hung()
	})
}

// A client that has ended its own direction still gets what is sent, and what
// it sends behind the other's end costs it nothing of that.
func TestTunnelHalfClosed(t *testing.T) {
	t.Parallel()
	nc, _, ended := dialTCP(t, func(x *Exchange) {
		_ = x.WriteHeader(101, fields("upgrade", "x"), false)
		got, err := io.ReadAll(x)
		if err != nil {
			t.Error(err)
		}
		for range 10 {
			time.Sleep(time.Millisecond)
			_, _ = x.Write(got)
		}
		_ = x.WriteEnd(nil)
	})
	_, _ = io.WriteString(nc, upgrade+"ab")
	if err := nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(nc)
	want := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nabababababababababab"
	if err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	_ = nc.Close()
	if reason := <-ended; reason != ClosedEnded {
		t.Errorf("ended with %q", reason)
	}
}

// The owner ends first, and the client goes on sending: it reads all that was
// sent.
func TestTunnelEndedByOwner(t *testing.T) {
	t.Parallel()
	nc, _, ended := dialTCP(t, func(x *Exchange) {
		_ = x.WriteHeader(101, fields("upgrade", "x"), false)
		_ = x.WriteEnd([]byte("bye"))
		x.StopRead()
	})
	_, _ = io.WriteString(nc, upgrade)
	_, _ = nc.Write(make([]byte, 1<<20))
	got, err := io.ReadAll(nc)
	want := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nbye"
	if err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	_ = nc.Close()
	<-ended
}

// What is left of a request's content is no tunnel's.
func TestNoTunnelWithContent(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		if err := x.WriteHeader(101, fields("upgrade", "x"), false); err != ErrResponse {
			t.Error(err)
		}
		_ = x.Respond(400, nil, nil)
	}, func(c *client) {
		c.say("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 9\r\n\r\n")
		c.expect("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
}
