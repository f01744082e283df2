// Package mapjson is the JSON form of a host map: what the admin page tells of
// the map that serves, and what `explain` asks from afar.
//
// It holds all that [hostmap.Connect], [hostmap.Judge] and [hostmap.Apply] read,
// so that the map which [Read] makes of it judges as the original does. Nothing
// secret is in it: of a key pair there is the leaf, of CAs what identifies them.
// So that map cannot serve. Limits are not in it either.
package mapjson
