// Package kube runs a real API server for tests: kube-apiserver and etcd as
// processes on loopback, without containers, through controller-runtime's
// envtest. Both are built from their Go modules by `make kube` (tools/kube).
//
// No controller runs beside them: nobody makes EndpointSlices out of Services,
// nobody empties a deleted namespace (Cluster.Namespace does that itself), and
// no kubelet makes pods. The API server refuses EndpointSlices with loopback
// addresses, so give the data plane under test a dialer of your own, or run it
// in a network namespace in which the addresses of the slices are local.
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
