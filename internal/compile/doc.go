// Package compile turns Kubernetes objects into a host map. [Build] is a pure
// function of the whole state: it is called again for every change, reads no
// clock, asks nobody, and logs nothing. What is wrong with an object is a
// problem in its result.
//
// Ingresses are put in order first (by creation time, then namespace and name)
// and conflicts are resolved afterwards: within a namespace the oldest wins,
// and the loser gets a problem. A bad object costs only itself. Two things are
// stricter than that. Whatever asks for client certificates and cannot be
// resolved fails closed, a class whose options are not known among it. And a
// host belongs to one namespace, and the class by which that claims it: what
// others say about it is dropped before anything is merged.
//
// The owner of a host is the namespace that has it already, in the record
// ([Input].Owners) or else in the previous map, while it claims the host. A host
// that nobody has goes to the oldest claim, unless it is below a wildcard whose
// owner has its requests. What an AuthorityPolicy reserves is for those alone
// whom it names, and who is being deleted yields. So the outcome depends on what
// was before, and on nothing else: given the previous map and the record, the
// order in which objects are listed never matters, a second run changes
// nothing, and a first run with what [Contested] says of a map has its owners.
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
//   - A host that stands in tls entries alone, or in rules for the paths of an
//     ACME solver, is served by whatever rules would serve it without them
//     (those of the wildcard over it, else of the default site), if they are of
//     the same namespace and class; a second Ingress's certificate, or its
//     solver, must not hide the first one's routes. It is served on the same
//     terms, and with the same certificates unless it has its own.
//
// What did not change is taken over from the previous map by pointer: parsed
// key pairs, classes, backends, routes and sites. The previous map is also
// where the last good certificate of a missing or broken Secret comes from, as
// long as an Ingress names that Secret.
//
// An object costs no more than its owner may: hosts of an Ingress, endpoints of
// a Service, octets of a Secret and problems of each are bounded. What an
// Ingress has over its bound is not claimed, and what would serve it without
// the client certificates that it asks for is refused. The map carries what
// became of the bytes of Secrets, failures too, so that none is parsed twice.
package compile
