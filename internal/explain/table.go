package explain

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// JSON writes an answer for programs.
func (a *Answer) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(a)
}

// Table writes an answer for people.
func (a *Answer) Table(w io.Writer) error {
	var b strings.Builder
	line := func(label, text string) { fmt.Fprintf(&b, "%-11s %s\n", label, text) }
	line("connection", a.Connection.text())
	line("request", a.Request.text())
	line("verdict", a.Verdict.text(a.Connection.Refused))
	if len(a.Steps) != 0 {
		b.WriteString("\nstep                       outcome   why\n")
		for _, s := range a.Steps {
			number := s.Number
			if number == s.Name {
				number = ""
			}
			fmt.Fprintf(&b, "%-5s %-20s %-9s %s\n", number, s.Name, s.Outcome, s.Why)
		}
	}
	b.WriteString("\nclients\n")
	for _, c := range alike(a.Clients) {
		b.WriteString("- " + c.Name + ": " + c.Does + "\n")
	}
	if len(a.Problems) != 0 {
		b.WriteString("\nproblems\n")
		for _, p := range a.Problems {
			b.WriteString("- " + p.Object + ": " + p.Message + "\n")
		}
	}
	if len(a.Advice) != 0 {
		b.WriteString("\nto change\n")
		for _, s := range a.Advice {
			b.WriteString("- " + s + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// alike joins clients that do the same.
func alike(clients []Client) (out []Client) {
	for _, c := range clients {
		if at := slices.IndexFunc(out, func(o Client) bool { return o.Does == c.Does }); at >= 0 {
			out[at].Name += ", " + c.Name
			continue
		}
		out = append(out, c)
	}
	return out
}

func (c *Connection) text() string {
	var b strings.Builder
	b.WriteString(c.Protocol)
	if c.Protocol == "cleartext" {
		return b.String()
	}
	if c.ServerName == "" {
		b.WriteString(" without server name")
	} else {
		b.WriteString(" for " + c.ServerName)
	}
	if c.Site != "" && c.Site != c.ServerName {
		b.WriteString(", site " + c.Site)
	}
	if c.ClientAuth != "" {
		b.WriteString(", client certificate: " + c.ClientAuth)
	}
	if c.Certificate != nil {
		b.WriteString(", certificate of Secret " + c.Certificate.Secret)
	}
	if c.Refused != "" {
		b.WriteString(", refused: " + c.Refused)
	}
	return b.String()
}

func (r *Request) text() string {
	text := r.Method + " " + r.Scheme + "://" + r.Host + r.Path
	switch {
	case r.Site == "":
		return text + ", served by no site"
	case r.Site != r.Host:
		text += ", site " + r.Site
	}
	if r.Namespace != "" {
		text += ", of namespace " + r.Namespace
	}
	if r.Class != "" {
		text += ", class " + r.Class
	}
	return text
}

func (v *Verdict) text(refused string) string {
	switch {
	case refused != "":
		return "no connection: the handshake is refused"
	case v.Action == "serve":
		text := "served by " + v.Backend + " (" + v.Route + ")"
		if v.Reported != "" {
			text += ", and reported as " + v.Reported
		}
		return text
	case v.Action == "redirect":
		to := v.Location
		if to == "" {
			to = "https"
		}
		return fmt.Sprintf("%d to %s", v.Status, to)
	}
	text := fmt.Sprintf("%d %s", v.Status, v.Reason)
	if v.Status == 421 {
		// What retry means is said where it is.
		if v.Retry {
			text += ", retry=yes: a new connection for the authority itself gets past the rule"
		} else {
			text += ", retry=no: a new connection does not help"
		}
	}
	return text
}
