// Package claim settles who owns a host, joins what is claimed of it, and makes
// its site. It works over claims alone: what object a claim comes from it knows
// by name, to say so in a problem, and never by type. Another object model is
// another reader of claims.
//
// A claimant's claims are put in order first (by creation time, then namespace
// and name) and conflicts are resolved afterwards: within a namespace the oldest
// wins, and the loser gets a problem. A host belongs to one namespace, and the
// class by which that claims it: what others say about it is dropped before
// anything is merged.
//
// The owner of a host is the namespace that has it already, in the record
// ([Input].Owners) or else in the previous map, while it claims the host. A host
// that nobody has goes to the oldest claim, unless it is below a wildcard whose
// owner has its requests. What an AuthorityPolicy reserves is for those alone
// whom it names, and who is being deleted yields. So the outcome depends on what
// was before, and on nothing else: given the previous map and the record, the
// order in which objects are listed never matters, a second run changes
// nothing, and a first run with the record of a map has its owners.
//
// What is said about a host is put together like this:
//
//   - Its routes are those of all its claims, with the default route of each
//     claimant for what is left.
//   - Its certificates are those of the oldest claimant that names some for it.
//     An alias for which none are named is served as the first host of its
//     claimant.
//   - Its TLS policy, its rule and its terms come from what its claimants say,
//     each from the oldest that says something.
//   - A host that is claimed for its certificate alone, or for the paths of an
//     ACME solver, is served by whatever would serve it without them (the
//     wildcard over it, else the default site), if that is of the same namespace
//     and class; a second object's certificate, or its solver, must not hide the
//     first one's routes. It is served on the same terms, and with the same
//     certificates unless it has its own.
//
// Sites and routes that did not change are taken over from the previous map by
// pointer.
package claim
