package audit

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// width is that of the sentences in a table, in columns.
const width = 100

// tableShared bounds the certificates of a table; JSON has all.
const tableShared = 50

// Table writes the report for a terminal.
func (r *Report) Table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %s\n", count(r.Hosts, "host"), count(r.Certificates, "certificate"), r.address())
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%-8s %s", f.Severity, f.Reason)
		if f.Objects.Total != 0 {
			var objects []string
			for _, o := range f.Objects.First {
				objects = append(objects, o.String())
			}
			fmt.Fprintf(&b, "  %s%s", strings.Join(objects, ", "), andMore(f.Objects.More()))
		}
		b.WriteByte('\n')
		paragraph(&b, "         ", f.Message)
		paragraph(&b, "         Mend: ", f.Mend)
	}
	if len(r.Shared) != 0 {
		b.WriteString("\nRequests over connections that were made for another host, by certificate:\n\n")
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "SECRET\tCONNECTION FOR\tREQUEST FOR\tBECOMES\tPAIRS")
		for i := range r.Shared[:min(tableShared, len(r.Shared))] {
			s := &r.Shared[i]
			for _, way := range s.Ways {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\n", brief(s.Secrets), brief(way.From), brief(way.To), way.text(), way.Pairs)
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
		if more := len(r.Shared) - tableShared; more > 0 {
			fmt.Fprintf(&b, "and %s more; -o json has all\n", count(more, "certificate"))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// address says what was assumed.
func (r *Report) address() string {
	if r.OneAddress {
		return "taken to have one address"
	}
	return "taken to have an address each"
}

// summary counts the findings.
func (r *Report) summary() string {
	if len(r.Findings) == 0 {
		return "Nothing was found."
	}
	return fmt.Sprintf("%s, %s and %s to know.", count(r.Count(Error), "error"), count(r.Count(Warning), "warning"), count(r.Count(Info), "thing"))
}

// text says what becomes of requests, in few words.
func (o *Outcome) text() string {
	switch o.Result {
	case Misdirected:
		if o.Retry {
			return fmt.Sprintf("421 %s, then served on a connection of its own", o.Reason)
		}
		return fmt.Sprintf("421 %s, on every connection", o.Reason)
	case Reported:
		return fmt.Sprintf("served, counted as 421 %s", o.Reason)
	case Misrouted:
		return fmt.Sprintf("served by rule off, else 421 %s", o.Reason)
	}
	return "served"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func andMore(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// paragraph writes a text in lines of width columns, the first after a lead and
// the others as deep.
func paragraph(b *strings.Builder, lead, text string) {
	line := lead
	empty := true
	indent := strings.Repeat(" ", len(lead))
	for word := range strings.FieldsSeq(text) {
		if !empty && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
}
