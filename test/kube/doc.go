// Package kube runs a real API server for tests: kube-apiserver and etcd as
// processes on loopback, without containers, through controller-runtime's
// envtest. Both are built from their Go modules by `make kube` (tools/kube).
//
// By itself nothing else runs: nobody makes EndpointSlices out of Services,
// nobody empties a deleted namespace (Cluster.Namespace does that itself), and
// no kubelet makes pods. A test that needs them has the controllers of
// kube-controller-manager that it names (Cluster.Controllers), and a stand-in
// for scheduler and kubelet (Cluster.Pods). The API server refuses
// EndpointSlices with loopback addresses, so give the data plane under test a
// dialer of your own, or run the test in a network namespace in which the
// addresses of pods are local (InNetwork). For an API server that goes away and
// comes back there is a way to it that can be cut (NewRelay).
//
// A package whose tests share one cluster declares
//
//	var cluster kube.Shared
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }
//
// and each test asks for it with cluster.Get(t) and takes a namespace of its
// own with Namespace(t). A test that needs an API server to itself calls Start.
package kube
