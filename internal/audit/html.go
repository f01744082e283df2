package audit

import (
	"bytes"
	"embed"
	"html/template"
	"io"
	"time"
)

//go:embed report.html report.css
var assets embed.FS

// htmlShared bounds the certificates in the table of an HTML report.
const htmlShared = 200

// HTML writes the report as one page that fetches nothing, with a picture of
// the certificates and hosts.
func (r *Report) HTML(w io.Writer) error {
	style, err := assets.ReadFile("report.css")
	if err != nil {
		return err
	}
	page, err := template.New("report.html").Funcs(template.FuncMap{
		"enumerate": enumerate,
		"andMore":   andMore,
		"count":     count,
		"tone":      Result.tone,
		"text":      func(w Way) string { return w.text() },
		"time":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") },
		"date":      func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	}).ParseFS(assets, "report.html")
	if err != nil {
		return err
	}
	var body bytes.Buffer // So that an error leaves no half of a page.
	if err := page.Execute(&body, struct {
		*Report
		Style    template.CSS
		Picture  *picture
		Errors   int
		Warnings int
		Infos    int
		Address  string
		Listed   []Shared
		Unlisted int
	}{
		r, template.CSS(style), r.draw(), r.Count(Error), r.Count(Warning), r.Count(Info), r.address(),
		r.Shared[:min(htmlShared, len(r.Shared))], max(0, len(r.Shared)-htmlShared),
	}); err != nil {
		return err
	}
	_, err = body.WriteTo(w)
	return err
}
