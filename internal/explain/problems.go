package explain

import (
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Concerning are those of a map's problems that may be why a request is answered
// as it is: with the objects that the sites of the request and of its connection
// come from, and those that name one of their hosts.
func Concerning(m *hostmap.Map, q Question, problems []hostmap.Problem) []Problem {
	of := make(map[hostmap.Object]bool)
	hosts := make(map[string]bool)
	host, _, _ := hostmap.Authority(q.Authority) // "" is no host
	for _, name := range []string{host, hostmap.Connect(m, q.ServerName).ServerName} {
		if name == "" {
			continue
		}
		hosts[name] = true
		if _, parent, ok := strings.Cut(name, "."); ok {
			hosts["*."+parent] = true
		}
		if s := m.Site(name); s != nil {
			objectsOf(s, of)
		}
	}
	var found []Problem
	for _, p := range problems {
		if of[p.Object] || names(p.Message, hosts) {
			found = append(found, Problem{p.Object.String(), p.Reason, p.Message})
		}
	}
	return found
}

// objectsOf adds the objects that a site comes from.
func objectsOf(s *hostmap.Site, of map[hostmap.Object]bool) {
	for r := range s.AllRoutes() {
		of[r.From] = true
		if k := r.Backend; k != nil {
			of[hostmap.Object{Kind: "Service", Namespace: k.Namespace, Name: k.Service}] = true
		}
	}
	for _, c := range s.Certificates {
		of[hostmap.Object{Kind: "Secret", Namespace: c.Secret.Namespace, Name: c.Secret.Name}] = true
	}
	of[hostmap.Object{Kind: "IngressClass", Name: s.Class.Name}] = true
}

// names tells whether a text has one of some hosts as a word.
func names(text string, hosts map[string]bool) bool {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_*", r))
	}) {
		if hosts[strings.TrimRight(word, ".")] {
			return true
		}
	}
	return false
}
