package ingress

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Nginx says what becomes of the annotations of ingress-nginx.
type Nginx uint8

const (
	// NginxOff does not read them, and names those that would protect something.
	NginxOff Nginx = iota
	// NginxStrict reads them. Where one protects and cannot be honoured the
	// paths of its Ingress are closed.
	NginxStrict
	// NginxLenient reads them, and closes nothing.
	NginxLenient
)

// ParseNginx reads "off", "strict" or "lenient".
func ParseNginx(word string) (Nginx, bool) {
	switch word {
	case "off":
		return NginxOff, true
	case "strict":
		return NginxStrict, true
	case "lenient":
		return NginxLenient, true
	}
	return 0, false
}

// Of is what becomes of the annotations on Ingresses of a class: as that says,
// else as mode does.
func (mode Nginx) Of(c *hostmap.Class) Nginx {
	if own, ok := ParseNginx(c.NginxAnnotations); ok {
		return own
	}
	return mode
}

// nginxOf is what becomes of the annotations on an Ingress of ours.
func (r *reader) nginxOf(object *networkingv1.Ingress) Nginx {
	return r.nginx.Of(r.classes.Of(ClassName(object)).Class)
}

// nginxStems begin the names that protect, for those that are not in the table.
var nginxStems = []string{"auth-", "limit-", "whitelist-", "allowlist-", "denylist-", "modsecurity", "enable-modsecurity", "enable-owasp", "global-auth"}

// nginxFamilies is the table of ingress-nginx's names.
var nginxFamilies = [...][]nginxAnnotation{
	nginxAnnotations,
	nginxSnippetAnnotations,
	nginxBackendAnnotations,
	nginxPasswordAnnotations,
	nginxAuthAnnotations,
	nginxQuotaAnnotations,
	nginxCORSAnnotations,
	nginxBalanceAnnotations,
	nginxCanaryAnnotations,
}

// nginxRows yields the rows of the table.
func nginxRows(yield func(*nginxAnnotation) bool) {
	for _, family := range nginxFamilies {
		for i := range family {
			if !yield(&family[i]) {
				return
			}
		}
	}
}

// nginxNamed returns the row of a name, and makes one where the table has none.
func nginxNamed(name string) *nginxAnnotation {
	for row := range nginxRows {
		if row.name == name {
			return row
		}
	}
	protects := slices.ContainsFunc(nginxStems, func(stem string) bool { return strings.HasPrefix(name, stem) })
	return &nginxAnnotation{name: name, fate: refused, protects: protects, remark: "It is none of ingress-nginx's that are known."}
}

// readNginx reads the annotations of ingress-nginx. Behind a guard they are the
// guarded controller's.
func (r *reader) readNginx(ing *ingress) {
	if ing.guarded != nil {
		return
	}
	ing.notes.object, ing.notes.strict = ing.claims.Object, ing.nginx == NginxStrict
	all := ing.object.Annotations
	var names []string
	for name := range all {
		if strings.HasPrefix(name, nginxPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		row := nginxNamed(name[len(nginxPrefix):])
		if !row.asks(all[name]) && (row.note == nil || ing.nginx == NginxOff) {
			continue
		}
		if ing.nginx == NginxOff {
			if row.protects {
				r.problems.Add(ing.claims.Object, problem.AnnotationForeign, "Annotation %s is ingress-nginx's and not read (--nginx-annotations); what it protects there is not protected here.", problem.Quote(name))
			}
			continue
		}
		r.readNginxAnnotation(ing, row, name, all[name])
	}
	ing.notes.cors.settle(&ing.notes.terms)
	settleSnippet(&ing.notes.terms, &ing.notes.snippet.Terms)
	settleQuota(&ing.notes.terms, ing.notes.quota)
	r.settlePassword(ing)
	r.settleAuth(ing)
	if ing.notes.redirectCode.permanent != 0 && ing.notes.terms.Redirect.Status == permanentRedirect {
		ing.notes.terms.Redirect.Status = ing.notes.redirectCode.permanent
	}
	if ing.notes.redirectCode.temporal != 0 && ing.notes.terms.Redirect.Status == temporalRedirect {
		ing.notes.terms.Redirect.Status = ing.notes.redirectCode.temporal
	}
}

func (r *reader) readNginxAnnotation(ing *ingress, row *nginxAnnotation, name, value string) {
	lost := func(why string) {
		effect := "has no effect"
		if row.protects && ing.nginx == NginxStrict {
			ing.notes.closed = true
			effect = "cannot be honoured, and closes the paths of this Ingress (503)"
		}
		r.problems.Add(ing.claims.Object, problem.AnnotationForeign, "Annotation %s %s. %s", problem.Quote(name), effect, why)
	}
	switch row.fate {
	case unneeded:
		return
	case refused:
		lost(row.remark)
		return
	case same, near:
	}
	if _, own := ing.object.Annotations[row.as]; own {
		return // Ours says more exactly what is wanted.
	}
	var why lostError
	switch err := ing.notes.readNginx(row, name, value); {
	case errors.As(err, &why):
		lost(string(why))
	case err != nil:
		lost("Its value " + problem.Quote(value) + " cannot be used.")
	}
}

// readNginx reads the value of a row.
func (n *notes) readNginx(row *nginxAnnotation, name, value string) error {
	if row.note != nil {
		return row.note(n, value)
	}
	if row.value != nil {
		var err error
		if value, err = row.value(value); err != nil {
			return err
		}
	}
	return n.read(annotationNamed(row.as), name, value)
}

// NginxEffect is what becomes of an annotation of ingress-nginx's, as far as its
// name and its value tell.
type NginxEffect uint8

const (
	// NginxHonoured: it is read.
	NginxHonoured NginxEffect = iota
	// NginxUnneeded: it has no effect, and needs none.
	NginxUnneeded
	// NginxLost: it has no effect.
	NginxLost
	// NginxUnprotected: it has no effect, and was to keep somebody out.
	NginxUnprotected
)

// Effect tells what becomes of an annotation, and whether it is one of
// ingress-nginx's.
func (mode Nginx) Effect(name, value string) (effect NginxEffect, ok bool) {
	short, ok := strings.CutPrefix(name, nginxPrefix)
	if !ok {
		return 0, false
	}
	switch row := nginxNamed(short); {
	case row.fate == unneeded, !row.asks(value):
		return NginxUnneeded, true
	case mode != NginxOff && row.fate != refused:
		return NginxHonoured, true
	case row.protects && mode != NginxStrict:
		return NginxUnprotected, true
	}
	return NginxLost, true
}

// findRegexHosts finds the hosts of which all paths are regular expressions: one
// Ingress that asks for it, or for a rewrite, is enough.
func (r *reader) findRegexHosts(ingresses []*networkingv1.Ingress) {
	for _, object := range ingresses {
		regex, _ := strconv.ParseBool(object.Annotations[nginxPrefix+"use-regex"])
		if !regex && object.Annotations[nginxPrefix+"rewrite-target"] == "" || r.classes.Of(ClassName(object)) == nil || r.nginxOf(object) == NginxOff {
			continue
		}
		for i := range object.Spec.Rules {
			host := object.Spec.Rules[i].Host
			if host != "" {
				var err error
				if host, err = hostmap.Pattern(host); err != nil {
					continue
				}
			}
			if r.regexHosts == nil {
				r.regexHosts = make(map[string]bool)
			}
			r.regexHosts[object.Namespace+"/"+host] = true
		}
	}
}

// settleProxySSL lets backends that speak TLS be verified where that is asked
// for, and not be reached where it cannot be done.
func (r *reader) settleProxySSL(ing *ingress) {
	n := &ing.notes
	if !n.proxySSL.verify || n.upstream.Verify || !n.upstream.Protocol.TLS() {
		return
	}
	n.upstream.Verify = true
	name, ok := ownSecret(ing, n.proxySSL.secret)
	if !ok {
		r.problems.Add(ing.claims.Object, problem.AnnotationForeign, "Annotation %q must name a Secret of this namespace, with ca.crt. Its backends are not reached.", nginxProxySSLSecret)
		return
	}
	r.readCAs(ing, nginxProxySSLSecret, name)
}

const nginxProxySSLSecret = nginxPrefix + "proxy-ssl-secret"
