package explain

import (
	"fmt"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// backendStep says why nothing can be forwarded.
func (i *inquiry) backendStep() (Step, bool) {
	reason := i.unreachable()
	if reason == "" {
		return Step{}, false
	}
	s := Step{Number: "backend", Name: "backend", Outcome: "fails", Ground: reason}
	r := i.v.Route
	service := r.Backend.Namespace + "/" + r.Backend.Service
	switch reason {
	case hostmap.MissingService:
		s.Why = "There is no Service " + service + "."
	case hostmap.MissingPort:
		s.Why = fmt.Sprintf("Service %s has no port %s.", service, r.Backend.Port)
	case hostmap.MissingCA:
		s.Why = fmt.Sprintf("The CAs to verify Service %s with cannot be read.", service)
	case hostmap.MissingProtection:
		s.Why = fmt.Sprintf("What is to keep some clients out of the paths of %s cannot be read or done, so that nobody is let in.", r.From)
	case noEndpoints:
		s.Why = fmt.Sprintf("Service %s has no endpoint that is ready.", service)
	default:
		s.Why = fmt.Sprintf("%s names a backend of a kind that nothing can be forwarded to.", r.From)
	}
	return s, true
}
