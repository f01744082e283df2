package message

import (
	"slices"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// EditFields does to the fields of a message what edits say whose values are
// settled, in place. The status is that of a response, and 200 of a request.
func EditFields(fields []hpack.HeaderField, edits []hostmap.FieldEdit, status int) []hpack.HeaderField {
	for i := range edits {
		e := &edits[i]
		if e.Op == hostmap.AddField && !e.Unsuccessful && !hostmap.AddsFields(status) {
			continue
		}
		if e.Op != hostmap.AddField {
			fields = slices.DeleteFunc(fields, func(f hpack.HeaderField) bool { return f.Name == e.Name })
		}
		if e.Op != hostmap.RemoveField && e.Value != "" {
			fields = append(fields, hpack.HeaderField{Name: e.Name, Value: e.Value})
		}
	}
	return fields
}
