package ingress

import (
	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/class"
)

var ruleAnnotations = []annotation{{
	name:   v1alpha1.AnnotationMisdirected,
	scope:  ofHosts,
	values: "certificate, same-certificate, server-name, report or off",
	unset:  "the class's",
	does:   "Sets the [rule](rule.md) that says which requests are misdirected. `report` counts and logs what the class's rule would refuse, and serves it.",
	host: func(t *claim.Terms, value string) error {
		if value == v1alpha1.RuleReport {
			t.Ruled, t.Rule, t.Report = false, 0, true
			return nil
		}
		rule, ok := class.Rule(value)
		if !ok {
			return errUnlisted
		}
		t.Ruled, t.Rule, t.Report = true, rule, false
		return nil
	},
}}
