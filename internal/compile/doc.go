// Package compile turns Kubernetes objects into a host map. [Build] is a pure
// function of the whole state: it is called again for every change, reads no
// clock, asks nobody, and logs nothing. What is wrong with an object is a
// problem in its result.
//
// Build is a table of contents over its rooms, from the ground up:
//
//   - problem: what is wrong with objects, and the words for it;
//   - object: what Services, EndpointSlices and Secrets hold, read once;
//   - class: the classes that are ours, with the options of their policies;
//   - claim: who owns a host, what is claimed of it, and its site;
//   - ingress: what Ingresses claim, and their annotations.
//
// What did not change is taken over from the previous map by pointer: parsed
// key pairs, classes, backends, routes and sites. The previous map is also
// where the last good certificate of a missing or broken Secret comes from, as
// long as an object names that Secret.
//
// An object costs no more than its owner may: hosts of an Ingress, endpoints of
// a Service, octets of a Secret and problems of each are bounded. The map
// carries what became of the bytes of Secrets, failures too, so that none is
// parsed twice.
package compile
