package audit

import (
	"encoding/json"
	"io"
)

// JSON writes the report as one JSON object, whose names docs/audit.md lists.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
