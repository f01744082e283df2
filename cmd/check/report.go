package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/ingress"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// Word is what became of an object, an annotation or a field.
type Word string

// The words, from good to bad.
const (
	// Honoured: it is served as it is written.
	Honoured Word = "honoured"
	// NotNeeded: it has no effect here, and needs none.
	NotNeeded Word = "not needed"
	// NotOurs: it belongs to another controller.
	NotOurs Word = "not ours"
	// Unknown: it depends on objects that were not given.
	Unknown Word = "unknown"
	// Lost: it has not the effect that is asked for.
	Lost Word = "lost"
	// Dangerous: it is lost, and was to protect something.
	Dangerous Word = "dangerous"
)

var words = []Word{Honoured, NotNeeded, NotOurs, Unknown, Lost, Dangerous}

// Report is what became of all objects.
type Report struct {
	Objects []*Object `json:"objects"` // in order of their files and lines, else of kinds and names
	// Missing are the kinds of which none was given, so that what depends on
	// them is unknown.
	Missing []string `json:"missing,omitempty"`
	// Hosts, Certificates and Words count.
	Hosts        int          `json:"hosts"`
	Certificates int          `json:"certificates"`
	Words        map[Word]int `json:"findings"`
}

// Object is what became of one object.
type Object struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name"`
	File      string    `json:"file,omitempty"`
	Line      int       `json:"line,omitempty"`
	Word      Word      `json:"status"` // the worst of its findings
	Hosts     []string  `json:"hosts,omitempty"`
	Findings  []Finding `json:"findings,omitempty"`

	find  func(field string) (line, column int)
	hosts map[string]string // the first field of an Ingress that names each host
}

// Finding is one thing about an object.
type Finding struct {
	Word    Word   `json:"status"`
	Field   string `json:"field,omitempty"` // "" is the object
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"` // in characters, from 1
	Value   string `json:"value,omitempty"`  // of an annotation that is honoured
	Reason  string `json:"reason,omitempty"` // of a problem
	Message string `json:"message,omitempty"`
}

// Bad tells whether anything is lost or dangerous.
func (r *Report) Bad() bool { return r.Words[Lost]+r.Words[Dangerous] != 0 }

// Of makes the report of what was compiled.
func Of(o *source.Outcome) *Report {
	b := &builder{
		outcome: o, objects: make(map[hostmap.Object]*Object), missing: missing(o),
		ours: compile.Ours(&o.Input), guarded: make(map[string]bool), nginx: make(map[string]compile.Nginx),
	}
	for _, class := range o.Map.Classes() {
		b.guarded[class.Name] = class.Guarded != hostmap.Guarded{}
		b.nginx[class.Name] = o.Input.Nginx.Of(class)
	}
	for _, ing := range o.Input.Ingresses {
		b.ingress(ing)
	}
	for _, class := range o.Input.Classes {
		b.class(class)
	}
	for _, policy := range o.Input.Policies {
		b.policy(policy)
	}
	b.sites()
	for _, p := range o.Problems {
		b.problem(p)
	}
	return b.report()
}

// builder makes one report.
type builder struct {
	outcome *source.Outcome
	objects map[hostmap.Object]*Object
	missing []string
	ours    class.Ours
	// guarded tells by name which of our classes another controller serves
	// behind us.
	guarded map[string]bool
	// nginx says by name of a class what becomes of ingress-nginx's annotations.
	nginx map[string]compile.Nginx
}

// object returns what is known of an object.
func (b *builder) object(name hostmap.Object) *Object {
	o := b.objects[name]
	if o == nil {
		o = &Object{Kind: name.Kind, Namespace: name.Namespace, Name: name.Name, Word: Honoured}
		if place, ok := b.outcome.Positions[name]; ok {
			o.File, o.find = place.File, place.Find
			o.Line, _ = place.Find("")
		}
		b.objects[name] = o
	}
	return o
}

func (o *Object) add(f Finding) {
	if o.find != nil {
		f.Line, f.Column = o.find(f.Field)
	}
	o.Findings = append(o.Findings, f)
	if slices.Index(words, f.Word) > slices.Index(words, o.Word) {
		o.Word = f.Word
	}
}

// problem files a problem under its object.
func (b *builder) problem(p hostmap.Problem) {
	if p.Reason == problem.ClassNotFound {
		return // What is known of the Ingress says so, and more.
	}
	o := b.object(p.Object)
	f := Finding{Word: b.word(p), Field: fieldOf(p.Message), Reason: p.Reason, Message: p.Message}
	if f.Field == "" {
		f.Field = o.hosts[hostOf(p.Message)]
	}
	// What is wrong with an annotation takes the place of its being honoured; of
	// another controller's, of what was known of it.
	o.Findings = slices.DeleteFunc(o.Findings, func(old Finding) bool {
		if old.Field == "" || old.Field != f.Field {
			return false
		}
		if p.Reason == problem.AnnotationForeign && old.Word == Dangerous {
			f.Word = Dangerous
		}
		return old.Word == Honoured || p.Reason == problem.AnnotationForeign
	})
	o.add(f)
}

// word is how bad a problem is.
func (b *builder) word(p hostmap.Problem) Word {
	depends := ""
	switch p.Reason {
	case problem.NoEndpoints, problem.EndpointPortNotFound:
		depends = "EndpointSlice"
	case problem.ServiceNotFound:
		depends = "Service"
	case problem.SecretNotFound:
		depends = "Secret"
	case problem.ClientAuthUnresolved:
		if strings.Contains(p.Message, "does not exist") {
			depends = "Secret"
		}
	}
	if slices.Contains(b.missing, depends) {
		return Unknown
	}
	return Lost
}

// missing are the kinds that files, of which there is seldom the whole of a
// cluster, hold none of.
func missing(o *source.Outcome) []string {
	if o.Positions == nil {
		return nil
	}
	var kinds []string
	for kind, n := range map[string]int{
		"Secret": len(o.Input.Secrets), "Service": len(o.Input.Services), "EndpointSlice": len(o.Input.EndpointSlices),
	} {
		if n == 0 {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// fieldOf is the field that the message of a problem begins with, "" where it
// is about the object.
func fieldOf(message string) string {
	if rest, ok := strings.CutPrefix(message, "Annotation "); ok {
		name, _, _ := strings.Cut(rest, " ")
		return annotationField(strings.Trim(name, `":`))
	}
	if strings.HasPrefix(message, "spec.") {
		field, _, _ := strings.Cut(message, " ")
		return strings.Trim(field, `":;,`)
	}
	return ""
}

// hostOf is the host that the message of a problem begins with, "" for none.
func hostOf(message string) string {
	rest, ok := strings.CutPrefix(message, "Host \"")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "\"")
	return host
}

// hostFields are the fields that name the hosts of an Ingress first.
func hostFields(ing *networkingv1.Ingress) map[string]string {
	fields := make(map[string]string)
	add := func(name, field string) {
		if host, err := hostmap.Pattern(name); err == nil && fields[host] == "" {
			fields[host] = field
		}
	}
	for i, rule := range ing.Spec.Rules {
		add(rule.Host, fmt.Sprintf("spec.rules[%d].host", i))
	}
	for i, t := range ing.Spec.TLS {
		for j, host := range t.Hosts {
			add(host, fmt.Sprintf("spec.tls[%d].hosts[%d]", i, j))
		}
	}
	return fields
}

func annotationField(name string) string { return "metadata.annotations[" + name + "]" }

// ingress files what is known of an Ingress beside its problems.
func (b *builder) ingress(ing *networkingv1.Ingress) {
	o := b.object(hostmap.Object{Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name})
	o.hosts = hostFields(ing)
	class, ours := b.ours.Named(ingress.ClassName(ing))
	if !ours {
		o.add(b.notOwned(ing))
		return
	}
	guarded := b.guarded[class]
	if guarded {
		o.add(Finding{Word: NotOurs, Message: "The controller behind the guard serves it; what is judged here is which connection a request may come by."})
	}
	for _, name := range slices.Sorted(maps.Keys(ing.Annotations)) {
		value := ing.Annotations[name]
		switch {
		case name == ingress.AnnotationClass:
			b.classAnnotation(o, ing, value)
		case strings.HasPrefix(name, v1alpha1.AnnotationPrefix):
			o.add(Finding{Word: Honoured, Field: annotationField(name), Value: value})
		case guarded: // it is for that controller
		default:
			if f, ok := nginxAnnotation(b.nginx[class], name, value); ok {
				o.add(f)
			} else if f, foreign := foreignAnnotation(name); foreign {
				o.add(f)
			}
		}
	}
}

// sites files the hosts of the map under the Ingresses that they come from.
func (b *builder) sites() {
	for _, site := range b.outcome.Map.Sites() {
		seen := make(map[hostmap.Object]bool)
		for _, r := range site.Routes {
			if o := b.objects[r.From]; o != nil && !seen[r.From] {
				seen[r.From] = true
				o.Hosts = append(o.Hosts, cmp.Or(site.Host, "(default)"))
			}
		}
	}
}

// report puts the objects in order and counts.
func (b *builder) report() *Report {
	r := &Report{
		Objects: slices.Collect(maps.Values(b.objects)), Missing: b.missing,
		Certificates: len(b.outcome.Map.Certificates()), Words: make(map[Word]int),
	}
	for _, site := range b.outcome.Map.Sites() {
		if site.Host != "" {
			r.Hosts++
		}
	}
	slices.SortFunc(r.Objects, func(x, y *Object) int {
		return cmp.Or(
			strings.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line),
			strings.Compare(x.Kind, y.Kind), strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name),
		)
	})
	for _, o := range r.Objects {
		slices.SortStableFunc(o.Findings, func(x, y Finding) int { return cmp.Compare(x.Line, y.Line) })
		for _, f := range o.Findings {
			r.Words[f.Word]++
		}
	}
	return r
}
