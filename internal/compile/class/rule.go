package class

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

// Rule returns the rule of a name, which is the same in a policy and in an
// object's own terms.
func Rule(name string) (hostmap.Rule, bool) {
	rule, ok := rules[name]
	return rule, ok
}
