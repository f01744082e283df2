package ingress

import (
	"strings"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// nginxPasswordAnnotations ask clients for a name and a password.
var nginxPasswordAnnotations = []nginxAnnotation{
	{
		name: "auth-type", fate: near, protects: true, idle: []string{""},
		remark: "basic; digest is refused.",
		note: func(n *notes, value string) error {
			if value != "basic" {
				return errForeign
			}
			n.password.asked = true
			return nil
		},
	},
	{
		name: "auth-secret", fate: near, idle: []string{""},
		remark: "The Secret must be of the Ingress's namespace. Nobody comes in while it is missing.",
		note:   func(n *notes, value string) error { n.password.secret = value; return nil },
	},
	{
		name: "auth-secret-type", fate: near, protects: true, idle: []string{"auth-file"},
		remark: "auth-file and auth-map. Of an auth-map a key whose value is no hash, or one that is too costly, is no user.",
		note: func(n *notes, value string) error {
			if value != "auth-file" && value != "auth-map" {
				return errForeign
			}
			n.password.byKey = value == "auth-map"
			return nil
		},
	},
	{
		name: "auth-realm", fate: same,
		note: func(n *notes, value string) error { n.password.realm = value; return nil },
	},
}

// passwordNotes are ingress-nginx's annotations of basic authentication.
type passwordNotes struct {
	asked         bool
	secret, realm string
	// byKey tells that the Secret has a key for each user.
	byKey bool
}

// settlePassword lets in those whom a Secret knows. Without one the paths are
// closed, whatever was asked for: nobody would be let in by it.
func (r *reader) settlePassword(ing *ingress) {
	p := &ing.notes.password
	if !p.asked {
		return
	}
	const annotation = nginxPrefix + "auth-secret"
	closed := func(format string, args ...any) {
		ing.notes.closed = true
		r.problems.Add(ing.claims.Object, problem.AnnotationForeign, "Annotation "+annotation+": "+format+" The paths of this Ingress are closed (503).", args...)
	}
	name, ok := p.secret, p.secret != ""
	if strings.Contains(p.secret, "/") {
		name, ok = ownSecret(ing, p.secret)
	}
	if !ok {
		closed("%s is not a Secret of this namespace.", problem.Quote(p.secret))
		return
	}
	read := r.secrets.Users
	if p.byKey {
		read = r.secrets.UserMap
	}
	users := read(hostmap.SecretRef{Namespace: ing.object.Namespace, Name: name})
	if users.Text == "" {
		closed("%s", users.Message)
		return
	}
	if users.Reason != "" {
		r.problems.Add(ing.claims.Object, users.Reason, "Annotation %s: %s", annotation, users.Message)
	}
	ing.notes.terms.BasicAuth = hostmap.NewBasicAuth(hostmap.BasicAuthTerms{Realm: p.realm, Users: users.Text})
}
