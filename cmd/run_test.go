package cmd

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// A cluster that is not there ends `run` before it listens: exit code 1 means
// that the command line was taken.
func TestRunChecksFlags(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"--namespace", "a,"}, exitUsage},
		{[]string{"--namespace", ",a"}, exitUsage},
		{[]string{"--namespace", ""}, exitUsage},
		{[]string{"--namespace", "a b"}, exitUsage},
		{[]string{"--namespace", "a.b"}, exitUsage},
		{[]string{"--namespace", "a,b", "--namespace", "c-1"}, exitFailed},
		{[]string{"--publish-address", ""}, exitUsage},
		{[]string{"--publish-address", "192.0.2.1,"}, exitUsage},
		{[]string{"--publish-address", "192.0.2.1,not a host"}, exitUsage},
		{[]string{"--publish-address", "192.0.2.1:80"}, exitUsage},
		{[]string{"--manifests", ""}, exitUsage},
		{[]string{"--controller-name", ""}, exitUsage},
		{[]string{"--guard-class", "nginx"}, exitUsage},
		{[]string{"--ingress-class", "nginx,"}, exitUsage},
		{[]string{"--ingress-class", "nginx", "--guard-class", "nginx", "--guard-upstream", "nginx/controller:80"}, exitUsage},
		{[]string{"--guard-upstream", "nginx/controller:80"}, exitUsage},
		{[]string{"--guard-upstream", "controller:80", "--guard-class", "nginx"}, exitUsage},
		{[]string{"--guard-upstream", "nginx/controller:http", "--guard-class", "nginx"}, exitUsage},
		{[]string{"--guard-upstream", "nginx/controller:80", "--guard-class", "nginx", "--guard-protocol", "https"}, exitFailed},
		{[]string{"--guard-protocol", "grpc", "--guard-upstream", "nginx/controller:80", "--guard-class", "nginx"}, exitUsage},
		{[]string{"--nginx-annotations", "yes"}, exitUsage},
		{[]string{"--nginx-annotations", "strict"}, exitFailed},
		{[]string{"--https-addr", "127.0.0.1:99999"}, exitUsage},
		{[]string{"--https-addr", "127.0.0.1"}, exitUsage},
		{[]string{"--admin-addr", ":9421"}, exitUsage},
		{[]string{"--admin-addr", "0.0.0.0:9421"}, exitUsage},
		{[]string{"--admin-addr", "[::]:9421"}, exitUsage},
		{[]string{"--admin-addr", "192.0.2.1:9421"}, exitUsage},
		{[]string{"--admin-addr", "admin.example:9421"}, exitUsage},
		{[]string{"--admin-addr", ":9421", "--admin-allow-remote"}, exitFailed},
		{[]string{"--admin-addr", "127.0.0.2:9421"}, exitFailed},
		{[]string{"--admin-addr", "[::1]:9421"}, exitFailed},
		{[]string{"--admin-addr", "localhost:9421"}, exitFailed},
		{[]string{"--admin-addr", ""}, exitFailed},
		{[]string{"--http-addr", ":http", "--https-addr", ":0"}, exitFailed},
		{[]string{"--publish-address", "192.0.2.1,2001:db8::1,lb.example"}, exitFailed},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := Main(append([]string{"run", "--kubeconfig", none}, tt.args...), &stdout, &stderr)
			if code != tt.code || code == exitUsage && !strings.Contains(stderr.String(), tt.args[0]) {
				t.Errorf("exit code %d, want %d; it says\n%s", code, tt.code, &stderr)
			}
		})
	}
}
