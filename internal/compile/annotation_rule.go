package compile

import (
	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// rules are the rules by the name that annotation and class give them.
var rules = map[string]hostmap.Rule{
	string(v1alpha1.RuleCertificate):     hostmap.RuleCertificate,
	string(v1alpha1.RuleSameCertificate): hostmap.RuleSameCertificate,
	string(v1alpha1.RuleServerName):      hostmap.RuleServerName,
	string(v1alpha1.RuleOff):             hostmap.RuleOff,
}

var ruleAnnotations = []annotation{{
	name:   v1alpha1.AnnotationMisdirected,
	scope:  ofHosts,
	values: "certificate, same-certificate, server-name, report or off",
	unset:  "the class's",
	does:   "Sets the [rule](rule.md) that says which requests are misdirected. `report` counts and logs what the class's rule would refuse, and serves it.",
	host: func(t *hostTerms, value string) error {
		if value == v1alpha1.RuleReport {
			t.ruled, t.rule, t.report = false, 0, true
			return nil
		}
		rule, ok := rules[value]
		if !ok {
			return errUnlisted
		}
		t.ruled, t.rule, t.report = true, rule, false
		return nil
	},
}}
