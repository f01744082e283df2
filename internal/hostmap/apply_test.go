package hostmap_test

import (
	"net/netip"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestApply: what each term does, and in which order they are heard.
func TestApply(t *testing.T) {
	inside, outside := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("192.0.2.1")
	ranges := func(text string) hostmap.Ranges { return hostmap.NewRanges(netip.MustParsePrefix(text)) }
	moved := hostmap.Redirect{Status: 301, Target: "https://new.test/"}
	here := hostmap.Request{Host: "a.test", Path: "/a/b"}
	type outcome struct {
		action         hostmap.Action
		status         int
		reason         hostmap.Reason
		location, path string
	}
	served := outcome{}
	denied := outcome{action: hostmap.ActionRefuse, status: 403, reason: hostmap.ReasonSourceRange}
	tooLarge := outcome{action: hostmap.ActionRefuse, status: 413, reason: hostmap.ReasonBodySize}
	elsewhere := outcome{action: hostmap.ActionRedirect, status: 301, location: moved.Target}
	for name, c := range map[string]struct {
		site, route hostmap.Terms
		cleartext   bool
		r           hostmap.Request
		client      hostmap.Client
		want        outcome
	}{
		"nothing is asked":                  {want: served},
		"https redirect":                    {site: hostmap.Terms{HTTPSRedirect: true}, cleartext: true, want: outcome{action: hostmap.ActionRedirect, status: 308}},
		"https redirect of what is no path": {site: hostmap.Terms{HTTPSRedirect: true}, cleartext: true, r: hostmap.Request{Host: "a.test", Path: "/z"}, want: outcome{action: hostmap.ActionRedirect, status: 308}},
		"https redirect does not mend a scheme": {
			site: hostmap.Terms{HTTPSRedirect: true}, cleartext: true, r: hostmap.Request{Scheme: "https", Host: "a.test", Path: "/a"},
			want: outcome{action: hostmap.ActionRefuse, status: 421, reason: hostmap.ReasonScheme},
		},
		"https redirect comes before ranges":   {site: hostmap.Terms{HTTPSRedirect: true}, route: hostmap.Terms{Allow: ranges("10.0.0.0/8"), Redirect: moved}, client: hostmap.Client{Address: outside}, cleartext: true, want: outcome{action: hostmap.ActionRedirect, status: 308}},
		"https redirect leaves TLS alone":      {site: hostmap.Terms{HTTPSRedirect: true}, want: served},
		"allowed":                              {route: hostmap.Terms{Allow: ranges("10.0.0.0/8")}, client: hostmap.Client{Address: inside}, want: served},
		"not allowed":                          {route: hostmap.Terms{Allow: ranges("10.0.0.0/8")}, client: hostmap.Client{Address: outside}, want: denied},
		"denied":                               {route: hostmap.Terms{Deny: ranges("10.0.0.0/8")}, client: hostmap.Client{Address: inside}, want: denied},
		"not denied":                           {route: hostmap.Terms{Deny: ranges("10.0.0.0/8")}, client: hostmap.Client{Address: outside}, want: served},
		"allowed and denied":                   {route: hostmap.Terms{Allow: ranges("10.0.0.0/8"), Deny: ranges("10.1.0.0/16")}, client: hostmap.Client{Address: inside}, want: denied},
		"nowhere is not allowed":               {route: hostmap.Terms{Allow: ranges("0.0.0.0/0")}, want: denied},
		"nowhere is denied":                    {route: hostmap.Terms{Deny: ranges("10.0.0.0/8")}, want: denied},
		"mapped":                               {route: hostmap.Terms{Allow: ranges("10.0.0.0/8")}, client: hostmap.Client{Address: netip.MustParseAddr("::ffff:10.1.2.3")}, want: served},
		"redirect":                             {route: hostmap.Terms{Redirect: moved}, want: elsewhere},
		"a range comes before a redirect":      {route: hostmap.Terms{Redirect: moved, Allow: ranges("10.0.0.0/8")}, client: hostmap.Client{Address: outside}, want: denied},
		"a redirect takes any body":            {route: hostmap.Terms{Redirect: moved, MaxBodySize: 1}, client: hostmap.Client{ContentLength: 2}, want: elsewhere},
		"as large as it may be":                {route: hostmap.Terms{MaxBodySize: 8}, client: hostmap.Client{ContentLength: 8}, want: served},
		"too large":                            {route: hostmap.Terms{MaxBodySize: 8}, client: hostmap.Client{ContentLength: 9}, want: tooLarge},
		"nobody knows how large":               {route: hostmap.Terms{MaxBodySize: 8}, client: hostmap.Client{ContentLength: -1}, want: served},
		"rewritten":                            {route: hostmap.Terms{RewriteTarget: "/x"}, want: outcome{path: "/x/b"}},
		"a range comes before a size":          {route: hostmap.Terms{MaxBodySize: 8, Deny: ranges("10.0.0.0/8")}, client: hostmap.Client{ContentLength: 9, Address: inside}, want: denied},
		"what the rule has refused stays so":   {route: hostmap.Terms{Redirect: moved}, r: hostmap.Request{Host: "a.test", Path: "/z"}, want: outcome{action: hostmap.ActionRefuse, status: 404, reason: hostmap.ReasonNoRoute}},
		"a size comes before a rewritten path": {route: hostmap.Terms{MaxBodySize: 8, RewriteTarget: "/x"}, client: hostmap.Client{ContentLength: 9}, want: tooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			site := hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{leaf("a", "a.test")}, Terms: c.site}
			site.Routes = []*hostmap.Route{{Path: "/a", Backend: backend("a"), Terms: c.route}}
			m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(site)}})
			f := &hostmap.Facts{}
			if !c.cleartext {
				f = connect(t, m, "a.test")
			}
			r := c.r
			if r == (hostmap.Request{}) {
				r = here
			}
			v := settled(m, f, r, c.client)
			got := outcome{v.Action, v.Status, v.Reason, "", v.Path}
			if v.Action == hostmap.ActionRedirect {
				got.location = v.Location()
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
