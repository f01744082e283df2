// Package kubectl runs the commands that look into a cluster, under the name
// of kubectl's plugin too, against a real API server. There is no kubelet: a
// stand-in for it forwards ports of a pod to a process on this machine.
package kubectl
