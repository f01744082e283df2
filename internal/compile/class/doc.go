// Package class resolves the classes that are ours: IngressClasses with the
// options of the AuthorityPolicies that they name.
//
// It is a room of its own because the options of a class hold for whatever
// object claims a host by it, and are read once, before any of them. An object
// model whose classes are not IngressClasses would name its policies otherwise,
// and share everything else.
package class
