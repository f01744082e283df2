package http1

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestDrainIdle(t *testing.T) {
	t.Parallel()
	for _, idle := range []time.Duration{0, 10 * time.Millisecond, warmTime, 10 * time.Second} {
		bubble(t, Limits{}, echo, func(c *client) {
			c.say(get)
			c.expect(answer("200 OK", "GET /1 "))
			time.Sleep(idle)
			c.conn.Drain()
			c.ended(ClosedDrained)
			c.hung()
		})
	}
}

func TestDrainBusy(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		time.Sleep(time.Minute)
		echo(x)
	}, func(c *client) {
		c.say(get)
		c.conn.Drain()
		time.Sleep(time.Second)
		c.conn.Drain() // again is nothing new
		c.ended("")
		time.Sleep(time.Minute)
		c.expect(answer("200 OK", "GET /1 ", closeField))
		_ = c.nc.Close()
		c.ended(ClosedDrained)
	})
}

// One whose response was begun before the drain ends behind it.
func TestDrainBehindAHead(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		_ = x.WriteHeader(200, fields("content-length", "1"), false)
		time.Sleep(time.Minute)
		_ = x.WriteEnd([]byte("a"))
	}, func(c *client) {
		c.say(get)
		c.conn.Drain()
		time.Sleep(2 * time.Minute)
		c.expect(answer("200 OK", "a"))
		c.ended(ClosedDrained)
	})
}

// A client that has just connected has heard of no end: its first request is
// answered, if it comes soon.
func TestDrainNew(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		bubble(t, Limits{}, echo, func(c *client) {
			if !before {
				synctest.Wait()
			}
			c.conn.Drain()
			time.Sleep(firstTime / 2)
			c.ended("")
			c.conn.Drain()
			c.say(get)
			c.expect(answer("200 OK", "GET /1 ", closeField))
			_ = c.nc.Close()
			c.ended(ClosedDrained)
		})
		bubble(t, Limits{}, echo, func(c *client) {
			if !before {
				synctest.Wait()
			}
			c.conn.Drain()
			time.Sleep(firstTime + time.Millisecond)
			c.ended(ClosedDrained)
		})
	}
}

// A request that races with a drain is answered whole or not read at all, and
// its body too.
func TestDrainRaces(t *testing.T) {
	t.Parallel()
	answered := 0
	for range 300 {
		bubble(t, Limits{}, echo, func(c *client) {
			c.say(get)
			c.expect(answer("200 OK", "GET /1 "))
			go c.conn.Drain()
			c.say("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
			c.say("abc")
			switch got := c.hear(); got {
			case "":
			case answer("200 OK", "POST /1 abc", closeField):
				answered++
			default:
				t.Errorf("%q", got)
			}
			_ = c.nc.Close()
			c.ended(ClosedDrained)
		})
	}
	t.Logf("%d of 300 were answered", answered)
}
