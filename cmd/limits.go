package cmd

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// limitFlags adds a flag for each limit of a connection and of a backend. Their
// defaults are shown, and are the data plane's own.
func limitFlags(f *pflag.FlagSet, l *hostmap.Limits) {
	f.IntVar(&l.MaxStreams, "max-streams", 128, "concurrent requests of an HTTP/2 connection")
	f.IntVar(&l.MaxHeaderBytes, "max-header-bytes", 64<<10, "octets of a request's header")
	f.IntVar(&l.MaxHeaderFields, "max-header-fields", 200, "fields of a request's header, cookie crumbs counted")
	f.IntVar(&l.MaxContinuations, "max-continuations", 16, "CONTINUATION frames of one field block")
	f.IntVar(&l.ResetBurst, "reset-burst", 200, "requests of a connection reset before the end of their response, or refused for their header, at once")
	f.IntVar(&l.ResetRate, "reset-rate", 50, "the same, per second after that")
	f.IntVar(&l.ControlBurst, "control-burst", 500, "unearned control frames of a connection, at once")
	f.IntVar(&l.ControlRate, "control-rate", 50, "the same, per second after that")
	f.DurationVar(&l.HandshakeTimeout, "handshake-timeout", 10*time.Second, "for the TLS handshake")
	f.DurationVar(&l.PrefaceTimeout, "preface-timeout", 10*time.Second, "for the HTTP/2 preface and SETTINGS")
	f.DurationVar(&l.HeaderTimeout, "header-timeout", 10*time.Second, "for a whole request header")
	f.DurationVar(&l.IdleTimeout, "idle-timeout", 75*time.Second, "close a connection without requests after this")
	f.DurationVar(&l.StallTimeout, "stall-timeout", time.Minute, "end a request whose body makes no progress for this long, or less than 64 octets a second while it waits for the client")
	f.DurationVar(&l.MaxConnectionAge, "max-connection-age", 0, "drain a connection of this age, give or take a tenth; 0: never")
	f.IntVar(&l.MaxConnectionsPerSource, "max-connections-per-source", 0, "open connections of one source address; 0: any number")
	f.DurationVar(&l.ConnectTimeout, "connect-timeout", 5*time.Second, "for a connection to an endpoint of a backend")
	f.DurationVar(&l.ReadTimeout, "read-timeout", time.Minute, "for a backend to begin its response, and between two octets of it: streams of events may be quiet for this long")
	f.DurationVar(&l.SendTimeout, "send-timeout", time.Minute, "for a backend to take more of a request")
}

// checkLimits refuses what the data plane would take for its defaults.
func checkLimits(f *pflag.FlagSet) error {
	for _, name := range []string{
		"max-streams", "max-header-bytes", "max-header-fields", "max-continuations",
		"reset-burst", "reset-rate", "control-burst", "control-rate",
	} {
		if n, err := f.GetInt(name); err != nil || n <= 0 || n > 1<<24 {
			return usagef("--%s: want a number from 1 to %d", name, 1<<24)
		}
	}
	for _, name := range []string{
		"handshake-timeout", "preface-timeout", "header-timeout", "idle-timeout", "stall-timeout",
		"connect-timeout", "read-timeout", "send-timeout",
	} {
		if d, err := f.GetDuration(name); err != nil || d <= 0 {
			return usagef("--%s: want a time above zero, such as 10s", name)
		}
	}
	if d, err := f.GetDuration("max-connection-age"); err != nil || d < 0 {
		return usagef("--max-connection-age: want a time, or 0 for none")
	}
	if n, err := f.GetInt("max-connections-per-source"); err != nil || n < 0 {
		return usagef("--max-connections-per-source: want a number, or 0 for any")
	}
	return nil
}
