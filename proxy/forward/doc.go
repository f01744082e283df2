// Package forward takes an admitted request to an endpoint of its backend, and
// the response back: fields, bodies, tunnels, and the answers for backends that
// do not. Which endpoint is tried, and whether another one is, package balance
// says; package upstream carries it.
//
// What a client says of itself in the fields by which backends know a proxy's
// word is not passed on, but written anew (see the field package's Fate). What a
// trusted gateway says in them is.
package forward
