package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// maxMessage bounds the message of a condition.
const maxMessage = 4096

// writePolicies writes the status of the AuthorityPolicies that our classes
// name, clears that of those that no class names, and tells whether to try
// again.
func (w *writer) writePolicies(ctx context.Context, o *source.Outcome) (again bool) {
	ours := compile.Ours(&o.Input)
	var counts map[string]*servedCount
	for _, listed := range o.Input.Policies {
		name := client.ObjectKeyFromObject(listed)
		classes, others := classesOf(o.Input.Classes, ours.Named, name)
		if len(classes) == 0 && others || ctx.Err() != nil {
			continue // Another controller may write it.
		}
		var now v1alpha1.AuthorityPolicy
		err := w.client.Get(ctx, name, &now)
		if err == nil {
			if counts == nil {
				counts = served(o.Map)
			}
			status := now.Status.DeepCopy()
			status.Hosts, status.Certificates = together(counts, classes)
			if len(classes) != 0 {
				meta.SetStatusCondition(&status.Conditions, accepted(o.Problems, listed))
				if found, known := w.overlaps.of(classes); known {
					meta.SetStatusCondition(&status.Conditions, found.condition(listed.Generation))
					status.Overlaps = found.First
				}
			} else {
				meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionAccepted)
				meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionOverlapping)
				status.Overlaps = nil
			}
			if equality.Semantic.DeepEqual(*status, now.Status) { // No conditions are empty conditions.
				continue
			}
			err = w.patchPolicy(ctx, name, status)
		}
		if err != nil && w.failed(v1alpha1.AuthorityPolicyKind, name, err) {
			again = true
		}
	}
	return again
}

// classesOf are the names of our classes that name the policy, those that are
// guarded among them, and whether classes of other controllers do.
func classesOf(classes []*networkingv1.IngressClass, ours func(name *string) (string, bool), policy types.NamespacedName) (found map[string]bool, others bool) {
	found = make(map[string]bool)
	for _, c := range classes {
		if named, ok := compile.PolicyOf(c); !ok || named != policy {
			continue
		}
		if _, ok := ours(&c.Name); ok {
			found[c.Name] = true
		} else {
			others = true
		}
	}
	return found, others
}

// servedCount counts the hosts of a class, and has the certificates that they
// are served with.
type servedCount struct {
	hosts        int32
	certificates map[*hostmap.Certificate]bool
}

// served counts what is served, by class.
func served(m *hostmap.Map) map[string]*servedCount {
	counts := make(map[string]*servedCount)
	for _, s := range m.Sites() {
		n := counts[s.Class.Name]
		if n == nil {
			n = &servedCount{certificates: make(map[*hostmap.Certificate]bool)}
			counts[s.Class.Name] = n
		}
		if s.Host != "" {
			n.hosts++
		}
		for _, c := range s.Certificates {
			n.certificates[c] = true
		}
	}
	return counts
}

// together counts the hosts of some classes, and their certificates once each.
func together(counts map[string]*servedCount, classes map[string]bool) (hosts, certificates int32) {
	seen := make(map[*hostmap.Certificate]bool)
	for class := range classes {
		if n := counts[class]; n != nil {
			hosts += n.hosts
			maps.Copy(seen, n.certificates)
		}
	}
	return hosts, int32(len(seen))
}

// accepted is the condition that says whether the policy can be used as it is
// written.
func accepted(problems []hostmap.Problem, policy *v1alpha1.AuthorityPolicy) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAccepted,
		ObservedGeneration: policy.Generation,
	}
	var wrong []string
	for _, p := range problems {
		if p.Kind == v1alpha1.AuthorityPolicyKind && p.Namespace == policy.Namespace && p.Name == policy.Name {
			wrong = append(wrong, p.Message)
		}
	}
	if len(wrong) != 0 {
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonInvalid
		c.Message = cut(strings.Join(wrong, "; "), maxMessage)
	}
	return c
}

// patchPolicy replaces the status of one policy.
func (w *writer) patchPolicy(ctx context.Context, name types.NamespacedName, status *v1alpha1.AuthorityPolicyStatus) error {
	text, err := json.Marshal(map[string]any{"status": map[string]any{
		"conditions": status.Conditions, "hosts": status.Hosts, "certificates": status.Certificates,
		"overlaps": status.Overlaps,
	}})
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	answer := &v1alpha1.AuthorityPolicy{}
	answer.Namespace, answer.Name = name.Namespace, name.Name
	return w.client.Status().Patch(ctx, answer, client.RawPatch(types.MergePatchType, text))
}

// cut shortens a text to at most n octets, at the end of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("...")], "") + "..."
}
