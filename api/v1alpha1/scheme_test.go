package v1alpha1_test

import (
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/api/v1alpha1"
)

func TestAddToScheme(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{v1alpha1.AuthorityPolicyKind, v1alpha1.AuthorityPolicyKind + "List"} {
		if !scheme.Recognizes(v1alpha1.GroupVersion().WithKind(kind)) {
			t.Errorf("the scheme does not know %s", kind)
		}
	}
}

// The sample that users copy holds every field, and an unknown or misspelt one
// would be lost without a word.
func TestSampleHasOnlyKnownFields(t *testing.T) {
	text, err := os.ReadFile("../../config/samples/authoritypolicy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var policy v1alpha1.AuthorityPolicy
	if err := yaml.UnmarshalStrict(text, &policy); err != nil {
		t.Fatal(err)
	}
	if policy.Spec.TLS.MinVersion != v1alpha1.TLS13 {
		t.Errorf("minVersion %q, want %q", policy.Spec.TLS.MinVersion, v1alpha1.TLS13)
	}
	if policy.Spec.HTTP.IdleTimeout != "75s" {
		t.Errorf("idleTimeout %q, want 75s", policy.Spec.HTTP.IdleTimeout)
	}
}
