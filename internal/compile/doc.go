// Package compile turns Kubernetes objects into a host map. [Build] is a pure
// function of the whole state: it is called again for every change, reads no
// clock, asks nobody, and logs nothing. What is wrong with an object is a
// problem in its result.
//
// Ingresses are put in order first (by creation time, then namespace and name)
// and conflicts are resolved afterwards, so that the order in which objects
// are listed never matters: the oldest wins, and the loser gets a problem. A
// bad object costs only itself. Two things are stricter than that. Whatever
// asks for client certificates and cannot be resolved fails closed. And a host
// belongs to the namespace and the class that claimed it first: what others
// say about it is dropped before anything is merged.
//
// A host is claimed by rules, by tls entries and by the annotation
// server-alias. What is said about it is put together like this:
//
//   - Its routes are the path rules of all its Ingresses, with the default
//     backend of each for what is left. A rule without a host, and an Ingress
//     without rules, speak of the default site.
//   - Its certificates are those of the oldest Ingress that has a tls entry
//     for it: an entry that lists the host; else one that lists a wildcard
//     over it; an entry without hosts speaks of all hosts of its Ingress. An
//     alias that no entry names is served as the first host of its Ingress.
//   - Its TLS policy, its rule and its redirect come from the annotations of
//     its Ingresses, each from the oldest that says something.
//   - A host that stands in tls entries alone is served by whatever rules
//     would serve it without them (those of the wildcard over it, else of the
//     default site), if they are of the same namespace and class; a second
//     Ingress's certificate must not hide the first one's routes.
//
// What did not change is taken over from the previous map by pointer: parsed
// key pairs, classes, backends, routes and sites. The previous map is also
// where the last good certificate of a missing or broken Secret comes from, as
// long as an Ingress names that Secret.
package compile
