package explain

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/hostmap"
)

func TestProblemsThatConcernAQuestion(t *testing.T) {
	class := &hostmap.Class{Name: "public"}
	ingress := func(name string) hostmap.Object {
		return hostmap.Object{Kind: "Ingress", Namespace: "shop", Name: name}
	}
	site := func(host, name string) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Namespace: "shop", Class: class, Routes: []*hostmap.Route{{
			Path: "/", From: ingress(name), Backend: &hostmap.Backend{Namespace: "shop", Service: name, Port: "80"},
		}}})
	}
	m := hostmap.New(hostmap.Spec{Class: class, Sites: []*hostmap.Site{site("a.test", "a"), site("b.test", "b"), site("*.c.test", "c")}})
	problem := func(o hostmap.Object, message string) hostmap.Problem {
		return hostmap.Problem{Object: o, Reason: "Any", Message: message}
	}
	all := []hostmap.Problem{
		problem(ingress("a"), "of the site"),
		problem(ingress("b"), "of another"),
		problem(ingress("c"), "of a wildcard"),
		problem(ingress("x"), `Host "a.test" belongs to another namespace.`),
		problem(ingress("x"), `Host "aa.test" belongs to another namespace.`),
		problem(ingress("x"), `Host "*.c.test" belongs to another namespace.`),
		problem(hostmap.Object{Kind: "Service", Namespace: "shop", Name: "a"}, "of the Service"),
		problem(hostmap.Object{Kind: "IngressClass", Name: "public"}, "of the class"),
		problem(hostmap.Object{Kind: "IngressClass", Name: "another"}, "of another class"),
	}
	for _, tt := range []struct {
		q    Question
		want []int
	}{
		{Question{Authority: "A.test:8443", ServerName: "a.test"}, []int{0, 3, 6, 7}},
		{Question{Authority: "a.test", ServerName: "b.test"}, []int{0, 1, 3, 6, 7}},
		{Question{Authority: "x.c.test", ServerName: "x.c.test"}, []int{2, 5, 7}},
		{Question{Authority: "aa.test", ServerName: "aa.test"}, []int{4}},
		{Question{Authority: "not a host"}, nil},
	} {
		var want []Problem
		for _, i := range tt.want {
			want = append(want, Problem{all[i].Object.String(), "Any", all[i].Message})
		}
		if diff := cmp.Diff(want, Concerning(m, tt.q, all)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.q, diff)
		}
	}
}
