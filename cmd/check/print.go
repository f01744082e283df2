package check

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// JSON prints the report for machines.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// Table prints the report for people.
func (r *Report) Table(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, o := range r.Objects {
		o.print(out)
	}
	if len(r.Missing) != 0 {
		fmt.Fprintf(out, "There is no %s among these manifests: what depends on one is unknown.\n", strings.Join(r.Missing, ", no "))
	}
	fmt.Fprintf(out, "%s, %s.", count(r.Hosts, "host"), count(r.Certificates, "certificate"))
	for _, word := range words {
		if n := r.Words[word]; n != 0 {
			fmt.Fprintf(out, " %d %s.", n, word)
		}
	}
	fmt.Fprintln(out)
	return out.Flush()
}

// print prints an object and what was found about it, indented.
func (o *Object) print(w io.Writer) {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	if o.File != "" {
		fmt.Fprintf(w, "%s:%d: ", o.File, o.Line)
	}
	fmt.Fprintf(w, "%s %s: %s\n", o.Kind, name, o.Word)
	if len(o.Hosts) != 0 {
		fmt.Fprintf(w, "  %-10s %s\n", "serves", strings.Join(o.Hosts, " "))
	}
	for _, f := range o.Findings {
		text := f.Message
		if text == "" {
			text = f.shown() + ": " + f.Value
		} else if !strings.HasPrefix(text, "Annotation ") && !strings.HasPrefix(text, "spec.") && f.Field != "" {
			text = f.shown() + ": " + text
		}
		if f.Line != 0 && f.Line != o.Line {
			text = fmt.Sprintf("line %d: %s", f.Line, text)
		}
		fmt.Fprintf(w, "  %-10s %s\n", f.Word, text)
	}
	fmt.Fprintln(w)
}

// shown is the field as people say it.
func (f Finding) shown() string {
	if name, ok := strings.CutPrefix(f.Field, "metadata.annotations["); ok {
		return strings.TrimSuffix(name, "]")
	}
	return f.Field
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
