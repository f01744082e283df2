package pods

import "testing"

func TestAdminPort(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "9421"},
		{[]string{"run", "--metrics-addr=:9090"}, "9421"},
		{[]string{"run", "--admin-addr=127.0.0.1:9000"}, "9000"},
		{[]string{"run", "--admin-addr", "[::1]:9001"}, "9001"},
		{[]string{"run", "--admin-addr="}, ""},
	} {
		if got := (Pod{Args: tt.args}).AdminPort(); got != tt.want {
			t.Errorf("%q: port %q, want %q", tt.args, got, tt.want)
		}
	}
}
