package cmd

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// guardFlags say which ingress controller is guarded, for every command that
// reads objects.
type guardFlags struct {
	classes            []string
	upstream, protocol string
	hosts              string
}

func (g *guardFlags) register(f *pflag.FlagSet) {
	f.StringSliceVar(&g.classes, "guard-class", nil, "guard the ingress controller of these IngressClasses and GatewayClasses: judge its requests and send them on to --guard-upstream")
	f.StringVar(&g.upstream, "guard-upstream", "", "the Service (namespace/name:port) of the guarded controller")
	f.StringVar(&g.hosts, "guard-hosts", "", "a YAML file of hosts that the guarded controller serves and no Ingress or Gateway names, with their Secrets")
	f.StringVar(&g.protocol, "guard-protocol", "http", "http, h2c or https: what --guard-upstream speaks")
}

// settle reads what was given and refuses what contradicts itself.
func (g *guardFlags) settle() ([]string, hostmap.Guarded, error) {
	var none hostmap.Guarded
	protocol, ok := compile.ParseGuardProtocol(g.protocol)
	switch {
	case !ok:
		return nil, none, usagef("--guard-protocol %q: want http, h2c or https", g.protocol)
	case len(g.classes) == 0 && g.upstream == "" && g.hosts != "":
		return nil, none, usagef("--guard-hosts: want --guard-class and --guard-upstream too")
	case len(g.classes) == 0 && g.upstream == "":
		return nil, none, nil
	case len(g.classes) == 0:
		return nil, none, usagef("--guard-upstream: want --guard-class too, the IngressClasses of the guarded controller")
	case g.upstream == "":
		return nil, none, usagef("--guard-class: want --guard-upstream too, the Service of the guarded controller")
	case slices.Contains(g.classes, ""):
		return nil, none, usagef("--guard-class: want names of IngressClasses, separated by commas")
	}
	address, port, err := net.SplitHostPort(g.upstream)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || !strings.Contains(address, "/") {
		return nil, none, usagef("--guard-upstream %q: want namespace/name:port, such as traefik/traefik:80", g.upstream)
	}
	service, err := namespacedName("guard-upstream", address)
	if err != nil {
		return nil, none, err
	}
	return g.classes, hostmap.Guarded{
		Namespace: service.Namespace, Service: service.Name, Port: port, Protocol: protocol,
	}, nil
}
