package cmd

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ingress421/ingress421/cmd/check"
	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/internal/explain"
)

// explainFlags are the flags that make up the question.
type explainFlags struct {
	q                  explain.Question
	peer, client, tls  string
	output             string
	serverNameIsNotOwn bool // --server-name is given
}

func newExplain(plugin bool) *cobra.Command {
	c := process.Config{Log: slog.New(slog.DiscardHandler)}
	objects := objectFlags{to: &c}
	var instance instanceFlags
	var e explainFlags
	cmd := &cobra.Command{
		Use:   "explain --authority HOST",
		Short: "Say why a request is answered as it is, and what to change",
		Long: `Say what becomes of a request for an authority, on a connection that was made for
a server name: each step of the rule with what it looked at, the verdict, what
clients do next, and what to change. Out of a folder of manifests, the cluster of
the kubeconfig, or a running instance (--admin, --pod).

Without --server-name the connection is made for the authority itself, as by a
client that shares none; --server-name "" is one without server name.`,
		Example: `  ingress421 explain --server-name www.shop.test --authority pay.shop.test --manifests deploy/
  ingress421 explain --authority shop.test --path /cart --admin http://127.0.0.1:9421
  ingress421 explain --cleartext --authority shop.test -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.serverNameIsNotOwn = cmd.Flags().Changed("server-name")
			if err := e.settle(); err != nil {
				return err
			}
			if err := objects.settle(cmd.Flags()); err != nil {
				return err
			}
			if err := instance.settle(cmd.Flags()); err != nil {
				return err
			}
			answer, err := explained(cmd, c, &instance, e.q)
			if err != nil {
				return err
			}
			write := answer.Table
			if e.output == "json" {
				write = answer.JSON
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("write the answer: %w", err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&e.q.ServerName, "server-name", "", "SNI of the connection; without it, the authority's host")
	f.StringVar(&e.q.Authority, "authority", "", "host of the request, as in :authority or Host")
	f.StringVar(&e.q.Path, "path", "/", "path of the request")
	f.StringVar(&e.q.Method, "method", "GET", "method of the request")
	f.StringVar(&e.q.Scheme, "scheme", "", "scheme that the request names; without it, the connection's")
	f.BoolVar(&e.q.Cleartext, "cleartext", false, "the connection has no TLS")
	f.StringVar(&e.tls, "tls", "1.3", "TLS version of the connection: 1.2 or 1.3")
	f.StringVar(&e.peer, "peer", "", "address of the immediate peer, which may be a trusted gateway")
	f.StringVar(&e.client, "client", "", "address of the client, for source ranges; without it, the peer's")
	instance.register(f, defaultPod(plugin))
	objects.register(f, "explain", "read")
	contextFlag(f, &c)
	f.StringVarP(&e.output, "output", "o", "table", "table or json")
	return cmd
}

// settle reads what was given and refuses what is no question.
func (e *explainFlags) settle() (err error) {
	switch {
	case e.q.Authority == "":
		return usagef("--authority: want the host that the request is for")
	case e.output != "table" && e.output != "json":
		return usagef("--output %q: want table or json", e.output)
	}
	versions := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	if e.q.Version = versions[e.tls]; e.q.Version == 0 {
		return usagef("--tls %q: want 1.2 or 1.3", e.tls)
	}
	if e.q.Peer, err = address("peer", e.peer); err != nil {
		return err
	}
	if e.q.Client, err = address("client", e.client); err != nil {
		return err
	}
	if !e.serverNameIsNotOwn {
		e.q.ServerName = explain.ServerName(e.q.Authority)
	}
	return nil
}

func address(flag, text string) (a netip.Addr, err error) {
	if text == "" {
		return a, nil
	}
	if a, err = netip.ParseAddr(text); err != nil {
		return a, usagef("--%s %q: want an IP address", flag, text)
	}
	return a, nil
}

// explained answers a question by what an instance serves, or by objects, and
// says what is wrong with the objects that it is about.
func explained(cmd *cobra.Command, c process.Config, instance *instanceFlags, q explain.Question) (explain.Answer, error) {
	if instance.running() {
		m, problems, err := instance.fetchExplained(cmd, &c, q)
		if err != nil {
			return explain.Answer{}, err
		}
		answer := explain.Of(m, q)
		answer.Problems = problems
		return answer, nil
	}
	found, err := process.Load(cmd.Context(), c)
	if err != nil {
		return explain.Answer{}, err
	}
	answer := explain.Of(found.Map, q)
	answer.Problems = explain.Concerning(found.Map, q, slices.Concat(found.Problems, check.Unowned(&found, q.Authority)))
	return answer, nil
}
