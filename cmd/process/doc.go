// Package process serves: it wires a source of host maps, a cluster or a
// folder, to the data plane and to the listeners for operators, starts them in
// the order in which each can rely on the others, and ends them so that no
// request is cut short.
//
// What a process has beside them is here too: standard output and standard
// error that hold up nobody (Outlet), the addresses by which it can be reached,
// so that no Ingress makes it call itself, and memory that goes back to the
// system after a burst.
package process
