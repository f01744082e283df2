package conformance

import "strings"

// feature is an Ingress, and what is asked of it.
type feature struct {
	name      string
	ingress   string // its spec
	scenarios []scenario
}

// scenario is one request, and what must be answered: a pod of the Service, or
// 404 where it is "".
type scenario struct {
	name    string // what holds
	method  string // GET where it is ""
	url     string
	service string
}

// backend is a path of a rule in YAML's flow style, with a Service at port 8080.
func backend(path, pathType, service string) string {
	return `{path: "` + path + `", pathType: ` + pathType + `, backend: {service: {name: ` + service + `, port: {number: 8080}}}}`
}

// rule is a rule for a host.
func rule(host string, paths ...string) string {
	return `{host: "` + host + `", http: {paths: [` + strings.Join(paths, ", ") + `]}}`
}

func rules(list ...string) string { return "rules: [" + strings.Join(list, ", ") + "]" }

const defaultBackend = "defaultBackend: {service: {name: echo-service, port: {number: 8080}}}"

var features = []feature{
	{
		name:    "default backend",
		ingress: defaultBackend,
		scenarios: []scenario{
			{name: "a host", url: "http://my-host/", service: "echo-service"},
			{name: "a path", url: "http://my-host/sub-path", service: "echo-service"},
			{name: "POST", method: "POST", url: "http://some-host/", service: "echo-service"},
			{name: "PUT to an address", method: "PUT", url: "http://" + address + "/resource", service: "echo-service"},
			{name: "DELETE", method: "DELETE", url: "http://some-host/resource", service: "echo-service"},
			{name: "PATCH", method: "PATCH", url: "http://my-host/resource", service: "echo-service"},
		},
	},
	{
		name: "host rules",
		ingress: "tls: [{hosts: [foo.bar.com], secretName: conformance-tls}]\n" + rules(
			rule("*.foo.com", backend("/", "Prefix", "wildcard-foo-com")),
			rule("foo.bar.com", strings.Replace(backend("/", "Prefix", "foo-bar-com"), "number: 8080", "name: http", 1)),
		),
		scenarios: []scenario{
			{name: "over TLS", url: "https://foo.bar.com/", service: "foo-bar-com"},
			{name: "in cleartext, or redirected", url: "http://foo.bar.com/", service: "foo-bar-com"},
			{name: "another host of the domain", url: "http://subdomain.bar.com/"},
			{name: "wildcard", url: "http://bar.foo.com/", service: "wildcard-foo-com"},
			{name: "wildcard is no two labels", url: "http://baz.bar.foo.com/"},
			{name: "wildcard is a label", url: "http://foo.com/"},
		},
	},
	{
		name: "path rules",
		ingress: rules(
			rule("exact-path-rules", backend("/foo", "Exact", "foo-exact")),
			rule("prefix-path-rules",
				backend("/foo", "Prefix", "foo-prefix"),
				backend("/aaa/bbb", "Prefix", "aaa-slash-bbb-prefix"),
				backend("/aaa", "Prefix", "aaa-prefix")),
			rule("mixed-path-rules",
				backend("/foo", "Prefix", "foo-prefix"),
				backend("/foo", "Exact", "foo-exact")),
			rule("trailing-slash-path-rules",
				backend("/aaa/bbb/", "Prefix", "aaa-slash-bbb-slash-prefix"),
				backend("/foo/", "Exact", "foo-slash-exact")),
		),
		scenarios: []scenario{
			{name: "exact", url: "http://exact-path-rules/foo", service: "foo-exact"},
			{name: "exact has no slash at its end", url: "http://exact-path-rules/foo/"},
			{name: "exact is case-sensitive", url: "http://exact-path-rules/FOO"},
			{name: "exact is no other path", url: "http://exact-path-rules/bar"},
			{name: "prefix", url: "http://prefix-path-rules/foo", service: "foo-prefix"},
			{name: "prefix and a slash", url: "http://prefix-path-rules/foo/", service: "foo-prefix"},
			{name: "prefix is case-sensitive", url: "http://prefix-path-rules/FOO"},
			{name: "longest prefix", url: "http://prefix-path-rules/aaa/bbb", service: "aaa-slash-bbb-prefix"},
			{name: "longest prefix of a path below", url: "http://prefix-path-rules/aaa/bbb/ccc", service: "aaa-slash-bbb-prefix"},
			{name: "shorter prefix of a path below", url: "http://prefix-path-rules/aaa/ccc", service: "aaa-prefix"},
			{name: "prefix ends where an element does", url: "http://prefix-path-rules/aaaccc"},
			{name: "prefix and a slash once more", url: "http://prefix-path-rules/foo/", service: "foo-prefix"},
			{name: "exact before prefix", url: "http://mixed-path-rules/foo", service: "foo-exact"},
			{name: "slash at the end of a prefix is none", url: "http://trailing-slash-path-rules/aaa/bbb", service: "aaa-slash-bbb-slash-prefix"},
			{name: "slash at the end of a prefix", url: "http://trailing-slash-path-rules/aaa/bbb/", service: "aaa-slash-bbb-slash-prefix"},
			{name: "slash at the end of an exact path", url: "http://trailing-slash-path-rules/foo"},
		},
	},
}
