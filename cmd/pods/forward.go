package pods

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// Forward forwards a port of the loopback address, which the system chooses, to
// the admin port of a pod. It returns the URL of the page there; the forward
// ends when stop is called, which it must be.
func Forward(ctx context.Context, config *rest.Config, pod Pod) (url string, stop func(), err error) {
	port := pod.AdminPort()
	if port == "" {
		return "", nil, fmt.Errorf("pod %s serves no admin page: it runs with --admin-addr ''", pod)
	}
	dialer, err := dialerOf(config, pod)
	if err != nil {
		return "", nil, fmt.Errorf("forward to pod %s: %w", pod, err)
	}
	life, end := context.WithCancel(ctx)
	ready := make(chan struct{})
	f, err := portforward.NewOnAddressesForStreamingWithContext(life, dialer, []string{"127.0.0.1"}, []string{"0:" + port}, ready, io.Discard, io.Discard)
	if err != nil {
		end()
		return "", nil, fmt.Errorf("forward to pod %s: %w", pod, err)
	}
	var failure error // to be read once it has ended
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failure = f.ForwardPorts()
	}()
	stop = sync.OnceFunc(func() {
		end()
		<-ended
	})
	select {
	case <-ended:
		end()
		return "", nil, fmt.Errorf("forward to pod %s: %w", pod, cmp.Or(failure, context.Cause(life)))
	case <-ready:
	}
	ports, err := f.GetPorts()
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("forward to pod %s: %w", pod, err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local), stop, nil
}

// dialerOf speaks websockets, and SPDY to API servers, or proxies before them,
// that do not.
func dialerOf(config *rest.Config, pod Pod) (httpstream.Dialer, error) {
	api, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	target := api.RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(target, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}
