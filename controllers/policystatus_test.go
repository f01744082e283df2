package controllers_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/hostmap"
)

func TestPolicyStatus(t *testing.T) {
	w := newWorld(t)
	policy := &v1alpha1.AuthorityPolicy{ObjectMeta: w.meta("strict")}
	policy.Spec.Misdirected.Rule = v1alpha1.RuleServerName
	unused := &v1alpha1.AuthorityPolicy{ObjectMeta: w.meta("unused")}
	w.create(policy, unused, w.secret("tls", "a.test", "b.test"), w.service("web"))
	class := w.parameters("strict")
	w.create(w.ingress("a", "a.test", "tls"), w.ingress("b", "b.test", "tls"))
	r := w.start(nil)
	r.text("site a.test rule=server-name")
	read := func(name string) (*v1alpha1.AuthorityPolicyStatus, error) {
		var p v1alpha1.AuthorityPolicy
		err := w.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, &p)
		return &p.Status, err
	}
	w.eventually("status of the policy", func() (bool, error) {
		s, err := read("strict")
		return meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionAccepted) && s.Hosts == 2 && s.Certificates == 1, err
	})
	if s, err := read("unused"); err != nil || len(s.Conditions) != 0 {
		t.Errorf("a policy that no class names has status %+v, error %v", s, err)
	}
	// A default certificate of another namespace cannot be accepted.
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(policy), policy); err != nil {
		t.Fatal(err)
	}
	policy.Spec.TLS.DefaultCertificateRef = &v1alpha1.SecretReference{Namespace: "kube-system", Name: "tls"}
	w.update(policy)
	w.eventually("refusal of the policy", func() (bool, error) {
		s, err := read("strict")
		c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionAccepted)
		return c != nil && c.Status == metav1.ConditionFalse && c.ObservedGeneration == policy.Generation && strings.Contains(c.Message, "defaultCertificateRef"), err
	})
	// No class names it any more.
	class.Spec.Parameters = nil
	w.update(class)
	w.eventually("a cleared status", func() (bool, error) {
		s, err := read("strict")
		return len(s.Conditions) == 0 && s.Hosts == 0 && s.Certificates == 0, err
	})
}

// The condition and the list are those of the newest map that was looked at,
// of the policy's classes alone, and go with the last class that names it.
func TestPolicyStatusTellsOverlaps(t *testing.T) {
	w := newWorld(t)
	policy := &v1alpha1.AuthorityPolicy{ObjectMeta: w.meta("options")}
	w.create(policy, w.secret("tls", "a.test", "b.test"), w.service("web"))
	class := w.parameters("options")
	w.create(w.ingress("a", "a.test", "tls"))
	r := w.start(func(c *controllers.Config) {
		c.Overlaps = func(m *hostmap.Map) map[string]controllers.Overlaps {
			first := func(effect v1alpha1.OverlapEffect, hosts ...string) (all []v1alpha1.Overlap) {
				for _, h := range hosts {
					all = append(all, v1alpha1.Overlap{Host: "x.test", Secret: "n/tls", Covers: h, Effect: effect})
				}
				return all
			}
			if m.Site("b.test") == nil {
				return map[string]controllers.Overlaps{"another": {Hosts: 1, Refused: 1, First: first(v1alpha1.OverlapRefused, "z.test")}}
			}
			return map[string]controllers.Overlaps{w.class: {Hosts: 2, Refused: 1, First: first(v1alpha1.OverlapServed, "a.test", "b.test")}}
		}
	})
	r.text("site a.test")
	status := func() (*v1alpha1.AuthorityPolicyStatus, error) {
		var p v1alpha1.AuthorityPolicy
		err := w.Get(t.Context(), client.ObjectKeyFromObject(policy), &p)
		return &p.Status, err
	}
	w.eventually("that there is none", func() (bool, error) {
		s, err := status()
		return meta.IsStatusConditionFalse(s.Conditions, v1alpha1.ConditionOverlapping) && len(s.Overlaps) == 0, err
	})
	w.create(w.ingress("b", "b.test", "tls"))
	w.eventually("two overlaps", func() (bool, error) {
		s, err := status()
		return meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionOverlapping) && len(s.Overlaps) == 2 && s.Overlaps[1].Covers == "b.test", err
	})
	// People see it at a glance.
	line := w.kubectl("", "get", "authoritypolicy", "options", "-n", w.namespace, "-o", "wide")
	for _, want := range []string{"OVERLAPPING", "True", "may come over connections that were made for another host; those for 1 get 421"} {
		if !strings.Contains(line, want) {
			t.Errorf("kubectl get shows no %q:\n%s", want, line)
		}
	}
	class.Spec.Parameters = nil
	w.update(class)
	w.eventually("a cleared status", func() (bool, error) {
		s, err := status()
		return len(s.Conditions) == 0 && len(s.Overlaps) == 0, err
	})
}

// A class that is guarded belongs to another controller, and its policy is ours
// all the same.
func TestPolicyStatusOfAGuardedClass(t *testing.T) {
	w := newWorld(t)
	policy := &v1alpha1.AuthorityPolicy{ObjectMeta: w.meta("options")}
	w.create(policy, w.secret("tls", "a.test"), w.service("web"))
	w.parameters("options")
	w.create(w.ingress("a", "a.test", "tls"))
	w.start(func(c *controllers.Config) {
		c.Controller = "ingress421.dev/controller-of-no-class"
		c.Guarded = []string{w.class}
		c.Guard = hostmap.Guarded{Namespace: w.namespace, Service: "web", Port: "80"}
	})
	w.eventually("status of the policy", func() (bool, error) {
		var p v1alpha1.AuthorityPolicy
		err := w.Get(t.Context(), client.ObjectKeyFromObject(policy), &p)
		return meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionAccepted) && p.Status.Hosts == 1, err
	})
}
