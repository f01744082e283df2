package corpus

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/internal/testkit"
)

// stage is the built binary, which serves a folder.
type stage struct {
	dir         string
	http, https string // host:port
}

// users is a file of passwords: that of foo is bar.
const users = "foo:$apr1$OFG3Xybp$ckL0FHDAkoXYIlH9.cysT0\n"

// serve serves the Ingresses of all charts, with all that they name.
func serve(t *testing.T, charts []*chart) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir()}
	ca := testkit.NewCA(t, "test CA")
	auth := testkit.Backend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie("session"); err != nil || cookie.Value != "good" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	for _, c := range charts {
		var file bytes.Buffer
		file.WriteString(strings.ReplaceAll(c.yaml, "oauth2-proxy.auth.svc.cluster.local", fmt.Sprintf("127.0.0.1:%d", auth)))
		write := func(o any) {
			text, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&file, "---\n%s", text)
		}
		for _, i := range c.ingresses {
			for _, entry := range i.Spec.TLS {
				pair := ca.Server(t, entry.Hosts...)
				write(secret(i.Namespace, entry.SecretName, corev1.SecretTypeTLS, map[string][]byte{
					corev1.TLSCertKey: pair.PEM, corev1.TLSPrivateKeyKey: pair.KeyPEM,
				}))
			}
			if name := i.Annotations[nginx+"auth-secret"]; name != "" {
				write(secret(i.Namespace, name, corev1.SecretTypeOpaque, map[string][]byte{"auth": []byte(users)}))
			}
		}
		for _, b := range c.backends() {
			for _, o := range b.objects(listen(t, &b)) {
				write(o)
			}
		}
		if err := os.WriteFile(filepath.Join(s.dir, c.name+".yaml"), file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := testkit.Serve(t, "--manifests", s.dir, "--ingress-class", "nginx", "--nginx-annotations", "strict")
	s.http, s.https = p.Address(t, "serving", "http"), p.Address(t, "serving", "https")
	return s
}

func secret(namespace, name string, kind corev1.SecretType, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: kind, Data: data,
	}
}

// listen starts a pod of a backend, which says whose it is and what it is asked.
func listen(t *testing.T, b *backend) int32 {
	t.Helper()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Test-Service", b.service)
		w.Header().Set("Test-Path", r.RequestURI)
	})
	if !b.tls {
		return testkit.Backend(t, handler)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return testkit.Port(t, server.Listener.Addr())
}

// objects are the Service of a backend, and its endpoint at a port of loopback.
func (b *backend) objects(port int32) []any {
	sp := b.servicePort()
	meta := metav1.ObjectMeta{Namespace: b.namespace, Name: b.service}
	slice := &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  meta,
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &sp.Name, Port: &port}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"127.0.0.1"}}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: b.service}
	return []any{
		&corev1.Service{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: meta,
			Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{sp}},
		}, slice,
	}
}

// answer is a response, and which pod it is of.
type answer struct {
	status        int
	service, path string // "" where it is nobody's
	header        http.Header
}

// differs tells in which way an answer is not the one that is wanted, "" where
// it is.
func (a *answer) differs(want string) string {
	words := strings.Fields(want)
	got := []string{strconv.Itoa(a.status)}
	if a.service != "" {
		got = append(got, a.service, a.path)
	}
	for _, word := range words {
		if name, _, field := strings.Cut(word, "="); field && !strings.HasPrefix(word, "/") {
			got = append(got, name+"="+a.header.Get(name))
		}
	}
	if slices.Equal(got, words) {
		return ""
	}
	return strings.Join(got, " ")
}

// ask sends the request of an exchange.
func (s *stage) ask(e *exchange) (*answer, error) {
	u, err := url.Parse(e.url)
	if err != nil {
		return nil, err
	}
	addr := s.http
	if u.Scheme == "https" {
		addr = s.https
	}
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if u.Scheme == "https" {
		config := &tls.Config{ServerName: u.Host, InsecureSkipVerify: true} //nolint:gosec // certificates are asked about elsewhere
		if e.words["protocol"] == "h2" {
			config.NextProtos = []string{"h2"}
		}
		conn = tls.Client(conn, config)
	}
	response, err := exchangeOver(conn, e, u)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	h := response.Header
	return &answer{response.StatusCode, h.Get("Test-Service"), h.Get("Test-Path"), h}, err
}

func exchangeOver(conn net.Conn, e *exchange, u *url.URL) (*http.Response, error) {
	if e.words["protocol"] == "h2" {
		protocols := new(http.Protocols)
		protocols.SetHTTP2(true)
		transport := &http.Transport{
			Protocols:         protocols,
			DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			DisableKeepAlives: true,
		}
		r, err := http.NewRequest(e.method, u.String(), nil)
		if err != nil {
			return nil, err
		}
		return transport.RoundTrip(r)
	}
	// The path goes as it is written, and a body may be announced only.
	_, target, _ := strings.Cut(e.url, u.Host)
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", e.method, target, u.Host)
	body, length := size(e.words["body"]), size(e.words["length"])
	if n := max(body, length); n != 0 {
		fmt.Fprintf(&head, "Content-Length: %d\r\n", n)
	}
	for name, value := range e.words {
		switch name {
		case "body", "length", "protocol":
		case "user":
			fmt.Fprintf(&head, "Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(value)))
		default:
			fmt.Fprintf(&head, "%s: %s\r\n", name, value)
		}
	}
	head.WriteString("\r\n")
	if _, err := conn.Write(head.Bytes()); err != nil {
		return nil, err
	}
	// What is refused may be answered before all of it is sent.
	go func() { _, _ = conn.Write(make([]byte, body)) }()
	return http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: e.method})
}

// size reads a number of megabytes, such as "20m".
func size(text string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(text, "m"), 10, 64)
	return n << 20
}
