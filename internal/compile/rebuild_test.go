package compile_test

import (
	"fmt"
	"testing"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// After a change of one tenant's endpoints everything of all others is the
// previous map's by pointer, and of that tenant what has not changed.
func TestRebuildKeepsWhatDidNotChange(t *testing.T) {
	const n, changed = 20, 7
	in := cluster(t, n)
	before, _, _ := compile.Build(nil, in)
	after, problems, _ := compile.Build(before, withAddress(in, changed, "10.9.9.9"))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	if after == before {
		t.Fatal("the change made no new map")
	}
	for i := range n {
		a, b := before.Site(hostOf(i)), after.Site(hostOf(i))
		if (a != b) != (i == changed) {
			t.Errorf("%s: kept = %v", hostOf(i), a == b)
		}
		if a.Certificates[0] != b.Certificates[0] || a.Class != b.Class {
			t.Errorf("%s: certificate or class is a copy", hostOf(i))
		}
		if (a.Routes[0].Backend != b.Routes[0].Backend) != (i == changed) {
			t.Errorf("%s: backend kept = %v", hostOf(i), a.Routes[0].Backend == b.Routes[0].Backend)
		}
	}
	if got := fmt.Sprint(after.Site(hostOf(changed)).Routes[0].Backend.Endpoints); got != "[10.1.0.7:8080 10.9.9.9:8080]" {
		t.Error(got)
	}
}

// Each kind of change makes a new site, and no other change is overlooked.
func TestRebuildSeesEveryChange(t *testing.T) {
	annotate := func(in *compile.Input, name, value string) {
		ing := in.Ingresses[1].DeepCopy()
		ing.Annotations = map[string]string{name: value}
		in.Ingresses[1] = ing
	}
	for name, change := range map[string]func(*compile.Input){
		"rule":             func(in *compile.Input) { annotate(in, v1alpha1.AnnotationMisdirected, "off") },
		"report":           func(in *compile.Input) { annotate(in, v1alpha1.AnnotationMisdirected, "report") },
		"redirect":         func(in *compile.Input) { annotate(in, v1alpha1.AnnotationSSLRedirect, "false") },
		"client auth":      func(in *compile.Input) { annotate(in, v1alpha1.AnnotationClientAuthSecret, "none") },
		"backend protocol": func(in *compile.Input) { annotate(in, v1alpha1.AnnotationBackendProtocol, "H2C") },
		"upstream host":    func(in *compile.Input) { annotate(in, v1alpha1.AnnotationUpstreamHost, "x.example") },
		"path": func(in *compile.Input) {
			in.Ingresses[1] = in.Ingresses[1].DeepCopy()
			in.Ingresses[1].Spec.Rules[0].HTTP.Paths[0].Path = "/x"
		},
		"service deleted": func(in *compile.Input) { in.Services = append(in.Services[:1:1], in.Services[2:]...) },
		"ingress renamed": func(in *compile.Input) {
			in.Ingresses[1] = in.Ingresses[1].DeepCopy()
			in.Ingresses[1].Name = "other"
		},
		"certificate": func(in *compile.Input) {
			in.Secrets[1] = in.Secrets[1].DeepCopy()
			in.Secrets[1].Data["tls.crt"] = in.Secrets[2].Data["tls.crt"]
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := cluster(t, 3)
			before, _, _ := compile.Build(nil, in)
			text := before.String()
			change(&in)
			after, _, _ := compile.Build(before, in)
			if before.Site(hostOf(1)) == after.Site(hostOf(1)) {
				t.Error("the site is the previous one")
			}
			if before.Site(hostOf(0)) != after.Site(hostOf(0)) || before.Site(hostOf(2)) != after.Site(hostOf(2)) {
				t.Error("another site is not the previous one")
			}
			if before.String() != text {
				t.Error("the previous map has changed")
			}
			fresh, _, _ := compile.Build(nil, in)
			if fresh.String() != after.String() {
				t.Errorf("a rebuild differs from a first build:\n%s\n%s", after, fresh)
			}
		})
	}
}

func TestDeletedIngressLeavesNothing(t *testing.T) {
	in := cluster(t, 3)
	before, _, _ := compile.Build(nil, in)
	in.Ingresses = in.Ingresses[:2]
	after, _, _ := compile.Build(before, in)
	if after.Site(hostOf(2)) != nil {
		t.Error("its host is served")
	}
	if n := len(after.Certificates()); n != 2 {
		t.Errorf("%d certificates are kept, want 2", n)
	}
}

var sink *hostmap.Map

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		in := cluster(b, n)
		previous, _, _ := compile.Build(nil, in)
		b.Run(fmt.Sprintf("first/hosts=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink, _, _ = compile.Build(nil, in)
			}
		})
		b.Run(fmt.Sprintf("unchanged/hosts=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink, _, _ = compile.Build(previous, in)
			}
		})
		b.Run(fmt.Sprintf("one-slice-changed/hosts=%d", n), func(b *testing.B) {
			states := [2]compile.Input{withAddress(in, n/2, "10.9.9.9"), withAddress(in, n/2, "10.9.9.8")}
			b.ReportAllocs()
			m := previous
			for i := 0; b.Loop(); i++ {
				m, _, _ = compile.Build(m, states[i%2])
			}
			sink = m
		})
	}
}

func BenchmarkAliases(b *testing.B) {
	in := withAliases(b, 64, 10_000)
	previous, _, _ := compile.Build(nil, in)
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink, _, _ = compile.Build(nil, in)
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink, _, _ = compile.Build(previous, in)
		}
	})
}
