package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/test/require"
)

// interopCases are those of gRPC's interoperability tests
// (github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md) that need
// neither accounts of a cloud nor more than one server.
var interopCases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
	"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service", "orca_per_rpc",
	"orca_oob", "rpc_soak", "channel_soak",
}

// orcaPolicy makes the client look at the load that backends report.
const orcaPolicy = `{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`

// TestInterop runs grpc-go's interoperability client against its server through
// us. What fails is tried without us too.
func TestInterop(t *testing.T) {
	client := require.File(t, "bin/tools/grpc-client", "make tools")
	server := require.File(t, "bin/tools/grpc-server", "make tools")
	ca := newAuthority(t)
	dir := t.TempDir()
	cert := ca.serverCert("backend", "a.test").KeyPair
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	roots := file("ca.pem", "CERTIFICATE", ca.cert.Raw)
	clear := interopServer(t, server)
	secure := interopServer(t, server, "-use_tls",
		"-tls_cert_file", file("tls.crt", "CERTIFICATE", cert.Certificate[0]), "-tls_key_file", file("tls.key", "PRIVATE KEY", key))

	run := func(t *testing.T, name, addr string, more ...string) error {
		_, port, _ := net.SplitHostPort(addr)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		args := append([]string{"-test_case", name, "-server_host", "127.0.0.1", "-server_port", port, "-soak_iterations", "20"}, more...)
		if strings.HasPrefix(name, "orca") {
			args = append(args, "-service_config_json", orcaPolicy)
		}
		out, err := exec.CommandContext(ctx, client, args...).CombinedOutput()
		if err != nil {
			t.Logf("%s", bytes.TrimSpace(out))
		}
		return err
	}
	for _, to := range []struct {
		protocol hostmap.Protocol
		addr     netip.AddrPort
	}{{hostmap.GRPC, clear}, {hostmap.H2C, clear}, {hostmap.GRPCS, secure}, {hostmap.HTTPS, secure}} {
		t.Run(to.protocol.String(), func(t *testing.T) {
			b := &hostmap.Backend{Namespace: "default", Service: "grpc", Port: "80", Protocol: to.protocol, Endpoints: []netip.AddrPort{to.addr}}
			w := newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
				hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{ca.serverCert("a", "a.test")}, Routes: routeTo(b)}),
			}}), nil)
			for _, name := range interopCases {
				t.Run(name, func(t *testing.T) {
					t.Parallel() // They wait more than they work.
					if err := run(t, name, w.https, "-use_tls", "-use_test_ca", "-ca_file", roots, "-server_host_override", "a.test"); err != nil {
						t.Errorf("%v; without us: %v", err, run(t, name, clear.String()))
					}
				})
			}
		})
	}
}

// interopServer starts grpc-go's interoperability server.
func interopServer(t *testing.T, bin string, args ...string) netip.AddrPort {
	t.Helper()
	cmd := exec.Command(bin, append([]string{"-port", "0"}, args...)...)
	cmd.Env = append(os.Environ(), "GRPC_GO_LOG_SEVERITY_LEVEL=info")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ports := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		listening := regexp.MustCompile(`interop server listening on .*:(\d+)`)
		for sc := bufio.NewScanner(log); sc.Scan(); {
			if m := listening.FindStringSubmatch(sc.Text()); m != nil {
				ports <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait() // killed
	})
	select {
	case port := <-ports:
		return netip.MustParseAddrPort("127.0.0.1:" + port)
	case <-done:
		t.Fatal("the server has ended")
	}
	return netip.AddrPort{}
}
