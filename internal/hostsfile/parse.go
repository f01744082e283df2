package hostsfile

import (
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// entry is an entry as it is written.
type entry struct {
	Hosts            []string `json:"hosts"`
	SecretName       string   `json:"secretName"`
	ClientAuthSecret string   `json:"clientAuthSecret"`
	ClientAuth       string   `json:"clientAuth"`
}

// parse reads the text of a file. Its error names the entry, from 0, and the
// field.
func parse(text []byte) ([]compile.GuardHostsEntry, error) {
	var written []entry
	if err := yaml.UnmarshalStrict(text, &written); err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	if written == nil {
		// So is a file that somebody has just begun to write.
		return nil, errors.New("it is empty; write [] for no hosts")
	}
	out := make([]compile.GuardHostsEntry, 0, len(written))
	first := make(map[string]int)
	for i := range written {
		e, err := written[i].read()
		if err != nil {
			return nil, fmt.Errorf("[%d].%w", i, err)
		}
		for _, host := range e.Hosts {
			if other, known := first[host]; known {
				return nil, fmt.Errorf("[%d].hosts: %q stands in [%d] too; name it once", i, host, other)
			}
			first[host] = i
		}
		out = append(out, e)
	}
	return out, nil
}

// read reads one entry.
func (e *entry) read() (out compile.GuardHostsEntry, err error) {
	if len(e.Hosts) == 0 {
		return out, errors.New("hosts: names none")
	}
	for _, name := range e.Hosts {
		host, err := hostmap.Pattern(name)
		if err != nil {
			return out, fmt.Errorf("hosts: %q is no host: %w; write a DNS name, or *. before one", name, err)
		}
		out.Hosts = append(out.Hosts, host)
	}
	namespace, name, ok := strings.Cut(e.SecretName, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return out, fmt.Errorf("secretName: %q is not namespace/name of a Secret", e.SecretName)
	}
	out.Secret = hostmap.SecretRef{Namespace: namespace, Name: name}
	return out, e.readClientAuth(&out)
}

// readClientAuth reads what clients are asked for.
func (e *entry) readClientAuth(out *compile.GuardHostsEntry) error {
	switch {
	case e.ClientAuthSecret == "" && e.ClientAuth == "":
		return nil
	case e.ClientAuthSecret == "":
		return errors.New("clientAuth: goes with clientAuthSecret")
	case strings.Contains(e.ClientAuthSecret, "/"):
		return fmt.Errorf("clientAuthSecret: %q is not the name of a Secret in the namespace of secretName", e.ClientAuthSecret)
	}
	out.ClientCA = e.ClientAuthSecret
	switch e.ClientAuth {
	case "", "require":
		out.ClientAuth = hostmap.ClientAuthRequire
	case "optional":
		out.ClientAuth = hostmap.ClientAuthOptional
	default:
		return fmt.Errorf("clientAuth: %q is not require or optional", e.ClientAuth)
	}
	return nil
}
