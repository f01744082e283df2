// Package corpus serves the Ingresses of well-known charts, as their
// documentation has them for ingress-nginx, and asks whether requests are
// answered as they mean.
//
// A case is a file of testdata: what the chart is and where its values come
// from, the Ingresses as they are rendered, the answers of ingress-nginx
// (want), and where ours are others (differs, which -update writes). What
// ingress-nginx refuses nobody may be served here: a protection is never lost,
// whatever stands in differs.
//
// A line of want is a method, a URL, then fields of the request, the sign ->,
// the status, and what else is wanted: the Service and the path that its pod is
// asked for, and fields of the response. These words are no fields: user=NAME:PASSWORD
// sends a password, body=SIZE a body, length=SIZE announces one only, and
// protocol=h2 asks over HTTP/2.
//
// docs/charts.md is made of it.
package corpus
