package kubectl

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/ingress421/ingress421/internal/testkit"
)

// startKubelet adds a node whose kubelet does nothing but forward ports: those
// of each of its pods are those of this machine.
func startKubelet(t *testing.T, clients kubernetes.Interface) (node string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/portForward/") {
			http.NotFound(w, r)
			return
		}
		forwardPorts(w, r)
	}))
	t.Cleanup(server.Close)
	n, err := clients.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	n.Status.DaemonEndpoints.KubeletEndpoint.Port = testkit.Port(t, server.Listener.Addr())
	if _, err := clients.CoreV1().Nodes().UpdateStatus(t.Context(), n, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return n.Name
}

// forwardPorts speaks the protocol of port forwards: for each connection a
// stream for errors and one for data, with one request id.
func forwardPorts(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return
	}
	var mu sync.Mutex
	failures := make(map[string]httpstream.Stream)
	streams := make(chan httpstream.Stream, 16)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if conn == nil {
		return
	}
	defer conn.Close()
	for {
		select {
		case <-conn.CloseChan():
			return
		case s := <-streams:
			id := s.Headers().Get(corev1.PortForwardRequestIDHeader)
			if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				mu.Lock()
				failures[id] = s
				mu.Unlock()
				continue
			}
			go func() {
				err := carry(s, s.Headers().Get(corev1.PortHeader))
				mu.Lock()
				defer mu.Unlock()
				if f := failures[id]; f != nil {
					if err != nil {
						_, _ = io.WriteString(f, err.Error())
					}
					_ = f.Close()
				}
			}()
		}
	}
}

// carry copies between a stream and a port of this machine until both are done.
func carry(s httpstream.Stream, port string) error {
	to, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		_ = s.Close()
		return err
	}
	defer to.Close()
	go func() { _, _ = io.Copy(to, s); _ = to.(*net.TCPConn).CloseWrite() }()
	_, err = io.Copy(s, to)
	_ = s.Close()
	return err
}
