// Package guarded claims hosts that a guarded controller serves and no Ingress
// names: those of the listeners of its Gateways, and those of the file that
// --guard-hosts names. All their requests go on to that controller.
//
// Of a Gateway its listeners are read, as far as they say which hosts there are
// and which certificates they have. What becomes of requests is said by routes,
// which the controller reads. A listener that cannot be guarded, because it
// passes TLS through or asks clients for certificates in a way that is not read
// here, has its host refused: what the controller would have checked is never
// passed by.
//
// The file is the operator's word. What a Gateway says of a host that stands in
// it is not read.
package guarded
