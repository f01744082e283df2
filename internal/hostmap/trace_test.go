package hostmap_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// checkTrace holds a trace to its verdict: the same one that Judge gives, and
// exactly the steps that led to it.
func checkTrace(t *testing.T, m *hostmap.Map, f *hostmap.Facts, q hostmap.Request, v hostmap.Verdict) {
	traced, trace := hostmap.JudgeTraced(m, f, q)
	if traced != v {
		t.Errorf("%+v on %+v: traced %+v, judged %+v", q, *f, traced, v)
	}
	var failed, reported hostmap.Reason
	for _, s := range hostmap.Steps() {
		g := trace.Ground(s)
		switch {
		case failed != "" && g != hostmap.GroundNotAsked:
			t.Errorf("%+v: step %s is asked after one has failed", q, s)
		case !g.Fails():
		case trace.Reported(s):
			reported = reasonOf(s, g)
		default:
			failed = reasonOf(s, g)
		}
	}
	// What is only reported ends at 4b where that fails.
	if failed != v.Reason || v.Reason == "" && reported != v.Reported {
		t.Errorf("%+v on %+v: the trace says %q and %q reported, the verdict %q and %q", q, *f, failed, reported, v.Reason, v.Reported)
	}
}

func reasonOf(s hostmap.Step, g hostmap.Ground) hostmap.Reason {
	if g == hostmap.GroundOtherName {
		return hostmap.ReasonServerName
	}
	return map[hostmap.Step]hostmap.Reason{
		hostmap.StepScheme: hostmap.ReasonScheme, hostmap.StepTLSPolicy: hostmap.ReasonTLSPolicy,
		hostmap.StepCertificate: hostmap.ReasonCertificate, hostmap.StepVouch: hostmap.ReasonOtherCertificate,
		hostmap.StepRule: hostmap.ReasonOtherCertificate, hostmap.StepServed: hostmap.ReasonUnserved, hostmap.StepRoute: hostmap.ReasonNoRoute,
	}[s]
}

// TestTrace: each ground by an example.
func TestTrace(t *testing.T) {
	w, own := leaf("w", "*.w.test"), leaf("own", "same.w.test")
	foreign := leaf("other/w", "*.w.test")
	site := func(host string, rule hostmap.Rule, report bool, c *hostmap.Certificate) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Namespace: "default", Rule: rule, Report: report, Certificates: []*hostmap.Certificate{c}, Routes: everything(host)})
	}
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		site("a.w.test", hostmap.RuleCertificate, false, w),
		site("b.w.test", hostmap.RuleCertificate, false, own),
		site("same.w.test", hostmap.RuleSameCertificate, false, own),
		site("report.w.test", hostmap.RuleSameCertificate, true, own),
		site("name.w.test", hostmap.RuleServerName, false, w),
		site("foreign.w.test", hostmap.RuleCertificate, false, foreign),
		site("c.test", hostmap.RuleCertificate, true, leaf("c", "c.test")),
	}})
	for _, c := range []struct{ sni, host, want string }{
		{"a.w.test", "a.w.test", "1 3:no-policy 4:covered 4b:own-certificate 5:no-more 6 7"},
		{"a.w.test", "b.w.test", "1 3:no-policy 4:covered 4b:namespace 5:no-more 6 7"},
		{"a.w.test", "same.w.test", "1 3:no-policy 4:covered 4b:namespace 5:other-certificate(failed)"},
		{"a.w.test", "report.w.test", "1 3:no-policy 4:covered 4b:namespace 5:other-certificate(reported) 6 7"},
		{"a.w.test", "name.w.test", "1 3:no-policy 4:covered 4b:own-certificate 5:other-name(failed)"},
		{"foreign.w.test", "a.w.test", "1 3:no-policy 4:covered 4b:foreign(failed)"},
		{"a.w.test", "c.test", "1 3:no-policy 4:not-covered(reported) 4b:namespace 6 7"},
		{"foreign.w.test", "c.test", "1 3:no-policy 4:not-covered(reported) 4b:foreign(failed)"},
		{"a.w.test", "x.w.test", "1 3:no-site 4:covered 4b:no-site 5:no-more 6:unserved(failed)"},
	} {
		_, trace := hostmap.JudgeTraced(m, connect(t, m, c.sni), hostmap.Request{Host: c.host, Path: "/"})
		var said []string
		for _, s := range hostmap.Steps() {
			g := trace.Ground(s)
			if g == hostmap.GroundNotAsked {
				continue
			}
			text := s.Number()
			switch s {
			case hostmap.StepScheme, hostmap.StepServed, hostmap.StepRoute:
				if !g.Fails() {
					said = append(said, text)
					continue
				}
			}
			text += ":" + g.String()
			switch {
			case trace.Reported(s):
				text += "(reported)"
			case g.Fails():
				text += "(failed)"
			}
			said = append(said, text)
		}
		if got := strings.Join(said, " "); got != c.want {
			t.Errorf("%s on %s:\n got %s\nwant %s", c.host, c.sni, got, c.want)
		}
	}
}

// TestGroundsAreNamed: a ground without a name, or two with one, would be told
// apart by nobody.
func TestGroundsAreNamed(t *testing.T) {
	seen := make(map[string]bool)
	for g := range hostmap.Grounds() {
		if name := g.String(); name == "" || seen[name] {
			t.Errorf("ground %d is named %q", g, name)
		} else {
			seen[name] = true
		}
	}
	if s := fmt.Sprint(hostmap.GroundNoRoute); s != "no-route" {
		t.Errorf("the last ground is named %q", s)
	}
}
