package audit

import "github.com/ingress421/ingress421/internal/hostmap"

// objects are the objects that hosts and certificates come from, each once.
type objects struct {
	list  List[hostmap.Object]
	known map[hostmap.Object]bool
}

func (o *objects) add(object hostmap.Object) {
	if !o.known[object] {
		if o.known == nil {
			o.known = make(map[hostmap.Object]bool)
		}
		o.known[object] = true
		o.list.add(object)
	}
}

// site adds the objects that a site's routes come from.
func (o *objects) site(s *hostmap.Site) {
	if s == nil {
		return
	}
	var last hostmap.Object // Many rules in a row come from one.
	for r := range s.AllRoutes() {
		if r.From != last && r.From != (hostmap.Object{}) {
			last = r.From
			o.add(last)
		}
	}
}

// kinds adds those of all hosts of some kinds, in the order of the hosts as far
// as it goes.
func (o *objects) kinds(of []*kind, hosts List[string], m *hostmap.Map) {
	for _, name := range hosts.First {
		o.site(m.Site(name))
	}
	for _, k := range of {
		for _, h := range k.hosts {
			o.site(h.site)
		}
	}
}

func secretObject(r hostmap.SecretRef) hostmap.Object {
	return hostmap.Object{Kind: "Secret", Namespace: r.Namespace, Name: r.Name}
}

// first is the first object that a site comes from, or its certificate's
// Secret.
func first(s *hostmap.Site) hostmap.Object {
	for r := range s.AllRoutes() {
		if r.From != (hostmap.Object{}) {
			return r.From
		}
	}
	for _, c := range s.Certificates {
		return secretObject(c.Secret)
	}
	return hostmap.Object{}
}
