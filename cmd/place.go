package cmd

import (
	"fmt"
	"path/filepath"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/audit"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// placer finds the fields that findings are about in files.
type placer struct {
	found     *source.Outcome
	ingresses map[hostmap.Object]*networkingv1.Ingress
}

func newPlacer(found *source.Outcome) *placer {
	p := &placer{found: found, ingresses: make(map[hostmap.Object]*networkingv1.Ingress)}
	for _, ing := range found.Input.Ingresses {
		p.ingresses[hostmap.Object{Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name}] = ing
	}
	return p
}

// place is where a finding is about an object.
func (p *placer) place(f audit.Finding, o hostmap.Object) (audit.Place, bool) {
	at, ok := p.found.Positions[o]
	if !ok {
		return audit.Place{}, false
	}
	field := ""
	if ing := p.ingresses[o]; ing != nil {
		field = fieldOf(f, ing)
	} else if o.Kind == "Secret" {
		field = "data[tls.crt]"
	}
	line, column := at.Find(field)
	return audit.Place{File: filepath.ToSlash(at.File), Line: line, Column: column, Field: field}, true
}

// annotationsOf are those that a finding may be about, the likeliest first.
var annotationsOf = map[string][]string{
	audit.ClientAuthBesideOpen:        {v1alpha1.AnnotationClientAuthSecret, v1alpha1.AnnotationClientAuth, "nginx.ingress.kubernetes.io/auth-tls-secret"},
	audit.HostRefused:                 {v1alpha1.AnnotationClientAuthSecret, v1alpha1.AnnotationClientAuth, "nginx.ingress.kubernetes.io/auth-tls-secret"},
	audit.RuleStricterThanCertificate: {v1alpha1.AnnotationMisdirected},
	audit.RuleOff:                     {v1alpha1.AnnotationMisdirected},
	audit.ReportOnly:                  {v1alpha1.AnnotationMisdirected},
}

// fieldOf is the field of an Ingress that a finding is about: an annotation,
// else the certificate of one of its hosts, else where that is named.
func fieldOf(f audit.Finding, ing *networkingv1.Ingress) string {
	for _, name := range annotationsOf[f.Reason] {
		if _, written := ing.Annotations[name]; written {
			return "metadata.annotations[" + name + "]"
		}
	}
	concerned := func(name string) bool {
		host, err := hostmap.Pattern(name)
		return err == nil && slices.Contains(f.Hosts.First, host)
	}
	for i, t := range ing.Spec.TLS {
		if slices.ContainsFunc(t.Hosts, concerned) {
			return fmt.Sprintf("spec.tls[%d].secretName", i)
		}
	}
	for i, rule := range ing.Spec.Rules {
		if concerned(rule.Host) {
			return fmt.Sprintf("spec.rules[%d].host", i)
		}
	}
	return ""
}
