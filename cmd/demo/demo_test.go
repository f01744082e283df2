package demo

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/hostmap"
)

func TestDemoScriptHasEveryVerdict(t *testing.T) {
	type kind struct {
		status   int
		reason   string
		reported bool
	}
	seen := make(map[kind]bool)
	for _, v := range script {
		for _, s := range v.steps {
			seen[kind{s.want.status, s.want.reason, s.want.reported}] = true
		}
	}
	for _, want := range []kind{
		{200, "", false},
		{308, "", false},
		{200, string(hostmap.ReasonCertificate), true},
		{421, string(hostmap.ReasonScheme), false},
		{421, string(hostmap.ReasonTLSPolicy), false},
		{421, string(hostmap.ReasonCertificate), false},
		{421, string(hostmap.ReasonOtherCertificate), false},
		{421, string(hostmap.ReasonServerName), false},
		{404, string(hostmap.ReasonUnserved), false},
		{404, string(hostmap.ReasonNoRoute), false},
	} {
		if !seen[want] {
			t.Errorf("nothing asked for is answered %d %s", want.status, want.reason)
		}
	}
}

func TestDemoSeesWhatIsWrong(t *testing.T) {
	at := slices.IndexFunc(script, func(v visit) bool { return v.serverName == "pay.shop.test" })
	right := script[at]
	tests := []struct {
		name   string
		change func(*visit)
		print  string
	}{
		{
			name: "status", print: "  the rule says",
			change: func(v *visit) { v.steps[1].want = served("web") },
		},
		{
			name: "reason", print: "  the rule says",
			change: func(v *visit) { v.steps[1].want.reason = "server_name" },
		},
		{
			name: "retry", print: "  the rule says",
			change: func(v *visit) { v.steps[1].want.retry = "no" },
		},
		{
			name: "backend", print: "  the rule says",
			change: func(v *visit) { v.steps[0].want.backend = "web" },
		},
		{
			name: "certificate", print: `served the certificate of "pay.shop.test", and not of "*.shop.test"`,
			change: func(v *visit) { v.certificate = "*.shop.test" },
		},
		{
			name: "handshake that is refused", print: "unrecognized name",
			change: func(v *visit) { v.serverName = "plain.test" },
		},
		{
			name: "handshake that is not refused", print: "taken",
			change: func(v *visit) { v.steps = []step{{"", refused("unrecognized name")}} },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := right
			v.steps = slices.Clone(right.steps)
			tt.change(&v)
			out, err := runScript(t, []visit{v})
			if err == nil || !strings.Contains(err.Error(), "not what the rule says") {
				t.Errorf("error %v, want one that says so", err)
			}
			if !strings.Contains(out, "\n! ") || !strings.Contains(out, tt.print) {
				t.Errorf("nothing is marked, or %q is not printed:\n%s", tt.print, out)
			}
		})
	}
	if out, err := runScript(t, []visit{right}); err != nil {
		t.Errorf("unchanged: %v\n%s", err, out)
	}
}

func runScript(t *testing.T, script []visit) (string, error) {
	var out bytes.Buffer
	err := run(t.Context(), Config{Out: &out, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard}, script)
	return out.String(), err
}

func TestDemoKeepsServing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &notifier{want: "# with one: 200\n", seen: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, Config{Keep: true, Out: out, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard}, script[:1])
	}()
	select {
	case <-out.seen:
	case err := <-ended:
		t.Fatalf("ended by itself: %v\n%s", err, &out.text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	_, rest, _ := strings.Cut(out.text.String(), "\n  cd ")
	dir, _, _ := strings.Cut(rest, "\n")
	if _, err := os.Stat(dir); dir == "" || !os.IsNotExist(err) {
		t.Errorf("the folder %q is left: %v", dir, err)
	}
}

// notifier tells when a text has been written.
type notifier struct {
	want string
	text bytes.Buffer
	seen chan struct{}
}

func (n *notifier) Write(p []byte) (int, error) {
	n.text.Write(p)
	if n.want != "" && strings.Contains(n.text.String(), n.want) {
		n.want = ""
		close(n.seen)
	}
	return len(p), nil
}

func TestReadOrigins(t *testing.T) {
	for _, tt := range []struct {
		payload string
		want    []string
		bad     bool
	}{
		{payload: "", want: []string{}},
		{payload: "\x00\x0ehttps://a.test\x00\x0ehttps://b.test", want: []string{"https://a.test", "https://b.test"}},
		{payload: "\x00", bad: true},
		{payload: "\x00\x0fhttps://a.test", bad: true},
	} {
		got, err := readOrigins([]byte(tt.payload))
		if diff := cmp.Diff(tt.want, got); diff != "" || tt.bad != (err != nil) {
			t.Errorf("%q: error %v (-want +got):\n%s", tt.payload, err, diff)
		}
	}
}

func TestReadSeries(t *testing.T) {
	line := `ingress421_misdirected_requests_total{enforcement="report",host="a.test",protocol="h2",reason="certificate",retry="yes",rule="certificate"} 3`
	want := series{
		metric: metricMisdirected, host: "a.test", reason: "certificate", rule: "certificate",
		enforcement: "report", protocol: "h2", retry: "yes",
	}
	if got, n, ok := readSeries(line); got != want || n != 3 || !ok {
		t.Errorf("%+v %d %v, want %+v 3 true", got, n, ok, want)
	}
	for _, line := range []string{
		"# HELP ingress421_misdirected_requests_total text", "go_goroutines 7",
		`ingress421_requests_total{host="a.test"} 1`, `ingress421_misdirected_requests_total{host="a.test"} many`,
	} {
		if _, _, ok := readSeries(line); ok {
			t.Errorf("%s: read", line)
		}
	}
}
