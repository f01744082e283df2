package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/ingress421/ingress421/cmd/pods"
	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/internal/compile"
)

func TestFlagsOfAPodAreAdopted(t *testing.T) {
	objects := objectFlags{to: new(process.Config)}
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	objects.register(f, "read", "read")
	err := adoptFlags(f, pods.Pod{Args: []string{
		"run", "--http-addr=:8080", "--namespace=a,b", "--guard-class", "traefik", "--guard-upstream=traefik/traefik:80",
		"--of-another-version=1", "--nginx-annotations=lenient", "--allow-shared-hosts", "--kubeconfig=/nowhere",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.settle(f); err != nil {
		t.Fatal(err)
	}
	c := objects.to
	lenient, _ := compile.ParseNginx("lenient")
	if !slices.Equal(c.Namespaces, []string{"a", "b"}) || !slices.Equal(c.Guarded, []string{"traefik"}) || !c.AllowSharedHosts ||
		c.Nginx != lenient || c.Kubeconfig != "" {
		t.Errorf("adopted %+v", c)
	}
}

func TestWhoIsAsked(t *testing.T) {
	for _, tt := range []struct {
		args   string
		plugin bool
		asked  string // the pod; "" for none
		says   string
	}{
		{args: "", asked: ""},
		{args: "", plugin: true, asked: anyPod},
		{args: "--manifests deploy", plugin: true},
		{args: "--namespace a", plugin: true},
		{args: "--admin http://127.0.0.1:9421", plugin: true},
		{args: "--pod edge/", asked: "edge/"},
		{args: "--pod edge", says: "want namespace/name, namespace/ or any"},
		{args: "--pod /x", says: "want namespace/name, namespace/ or any"},
		{args: "--pod any --manifests deploy", says: "--pod does not go with --manifests"},
		{args: "--pod any --admin http://127.0.0.1:9421", says: "--admin does not go with --pod"},
		{args: "--admin http://127.0.0.1:9421 --namespace a", says: "--admin does not go with"},
	} {
		objects := objectFlags{to: new(process.Config)}
		var i instanceFlags
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		i.register(f, defaultPod(tt.plugin))
		objects.register(f, "read", "read")
		if err := f.Parse(strings.Fields(tt.args)); err != nil {
			t.Fatal(err)
		}
		switch err := i.settle(f); {
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%q: error %v, want %q", tt.args, err, tt.says)
		case tt.says == "" && (err != nil || i.pod != tt.asked):
			t.Errorf("%q (plugin: %t): asks pod %q, error %v, want %q", tt.args, tt.plugin, i.pod, err, tt.asked)
		}
	}
}
