package audit

import "github.com/ingress421/ingress421/internal/hostmap"

// Locate fills in the places of findings, of which locate knows those in files.
func (r *Report) Locate(locate func(Finding, hostmap.Object) (Place, bool)) {
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Places = nil
		for _, o := range f.Objects.First {
			if at, ok := locate(*f, o); ok {
				at.Object = o.String()
				f.Places = append(f.Places, at)
			}
		}
	}
}
