package kube

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const node = "node"

// Pods stands in for scheduler and kubelet until the test ends, in a network
// that InNetwork made: it gives each pod of the cluster an address, serves
// handler(pod) at the first port of its first container, and reports it ready.
// A pod that is deleted ends at once.
func (c *Cluster) Pods(t testing.TB, handler func(*corev1.Pod) http.Handler) {
	t.Helper()
	config := rest.CopyConfig(c.Config)
	config.QPS = -1
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatalf("make a client: %v", err)
	}
	// EndpointSlices have only pods of nodes that exist.
	if _, err := clients.CoreV1().Nodes().Create(t.Context(),
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, metav1.CreateOptions{}); err != nil {
		t.Fatalf("create a node: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := &kubelet{ctx: ctx, t: t, clients: clients, handler: handler, servers: make(map[types.UID]*http.Server)}
	factory := informers.NewSharedInformerFactory(clients, 0)
	if _, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { k.see(o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { k.see(o.(*corev1.Pod)) },
		DeleteFunc: func(o any) {
			if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = last.Obj
			}
			k.end(o.(*corev1.Pod))
		},
	}); err != nil {
		t.Fatalf("watch pods: %v", err)
	}
	factory.Start(ctx.Done())
	t.Cleanup(func() {
		cancel()
		factory.Shutdown()
		for _, s := range k.servers {
			_ = s.Close()
		}
	})
}

// kubelet is what Pods runs. Its methods are called by one goroutine.
type kubelet struct {
	ctx     context.Context // done when the test ends
	t       testing.TB
	clients kubernetes.Interface
	handler func(*corev1.Pod) http.Handler

	count   int                        // of pods so far
	servers map[types.UID]*http.Server // of pods that run
}

func (k *kubelet) see(pod *corev1.Pod) {
	var err error
	switch _, runs := k.servers[pod.UID]; {
	case pod.DeletionTimestamp != nil:
		var now int64
		err = k.clients.CoreV1().Pods(pod.Namespace).Delete(k.ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID},
		})
	case !runs:
		err = k.start(pod)
	}
	// A pod may go at any time, and all of them when the test ends.
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && k.ctx.Err() == nil {
		k.t.Errorf("pod %s/%s: %v", pod.Namespace, pod.Name, err)
	}
}

// start serves a pod, and then says so.
func (k *kubelet) start(pod *corev1.Pod) error {
	k.count++
	address := fmt.Sprintf("10.244.%d.%d", 1+k.count/250, 1+k.count%250)
	port := strconv.Itoa(int(pod.Spec.Containers[0].Ports[0].ContainerPort))
	listener, err := new(net.ListenConfig).Listen(k.ctx, "tcp", net.JoinHostPort(address, port))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: k.handler(pod), ReadHeaderTimeout: time.Minute}
	k.servers[pod.UID] = server
	go func() { _ = server.Serve(listener) }() // Until it is closed.

	if err := k.clients.CoreV1().Pods(pod.Namespace).Bind(k.ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err = k.clients.CoreV1().Pods(pod.Namespace).Patch(k.ctx, pod.Name, types.MergePatchType, fmt.Appendf(nil, `{"status": {
		"phase": "Running", "podIP": %q, "podIPs": [{"ip": %[1]q}], "startTime": %q,
		"conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]
	}}`, address, time.Now().UTC().Format(time.RFC3339)), metav1.PatchOptions{}, "status")
	return err
}

func (k *kubelet) end(pod *corev1.Pod) {
	if s := k.servers[pod.UID]; s != nil {
		_ = s.Close()
		delete(k.servers, pod.UID)
	}
}
