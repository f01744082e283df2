package audit

import "github.com/ingress421/ingress421/internal/hostmap"

// Place is where an object stands in a file, at the field that a finding is
// about.
type Place struct {
	Object string `json:"object"`
	// File is a path with slashes, begun as the folder was named.
	File string `json:"file"`
	// Line and Column count from 1; the column in characters.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Field is that which stands there, such as "spec.rules[0].host"; "" is the
	// object itself.
	Field string `json:"field,omitempty"`
}

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
