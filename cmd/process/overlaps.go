package process

import (
	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/audit"
)

// overlapsOf is what the status of AuthorityPolicies tells of an audit.
func overlapsOf(report *audit.Report) map[string]controllers.Overlaps {
	all := make(map[string]controllers.Overlaps, len(report.Classes))
	for class, of := range report.Classes {
		told := controllers.Overlaps{Hosts: of.Hosts, Refused: int(of.By.Misdirected)}
		for _, o := range of.First {
			pair := v1alpha1.Overlap{
				Host: o.From, Secret: o.Secret.String(), Covers: o.To,
				Effect: v1alpha1.OverlapServed, Reason: string(o.Reason),
			}
			if o.Result == audit.Misdirected {
				pair.Effect = v1alpha1.OverlapRefused
			}
			told.First = append(told.First, pair)
		}
		all[class] = told
	}
	return all
}
