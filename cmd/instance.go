package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ingress421/ingress421/cmd/pods"
	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/explain"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/hostmap/mapjson"
	"github.com/ingress421/ingress421/internal/source"
)

// anyPod is the value of --pod that leaves the choice to us.
const anyPod = "any"

// instanceFlags say which running instance is asked, instead of reading
// objects. By default kubectl's plugin asks pods, as it is run by people who
// have a cluster and seldom the right to read its Secrets.
type instanceFlags struct {
	admin, pod string
}

// register adds the flags.
func (i *instanceFlags) register(f *pflag.FlagSet, pod string) {
	f.StringVar(&i.admin, "admin", "", "ask the instance with this admin address, such as http://127.0.0.1:9421")
	f.StringVar(&i.pod, "pod", pod, "ask this pod of ingress421 (namespace/name; namespace/ or any: one that is ready) by a port forward")
}

// defaultPod is whether the commands that can ask pods do so unasked.
func defaultPod(plugin bool) string {
	if plugin {
		return anyPod
	}
	return ""
}

// objectFlagNames are the flags that say which objects are read and how, which
// a running instance knows by itself.
func objectFlagNames() (names []string) {
	objects := objectFlags{to: new(process.Config)}
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	objects.register(f, "read", "read")
	f.VisitAll(func(f *pflag.Flag) {
		if f.Name != "kubeconfig" {
			names = append(names, f.Name)
		}
	})
	return names
}

// settle refuses what contradicts itself, and has flags about objects, or
// --admin, take the place of a pod that nobody has named.
func (i *instanceFlags) settle(f *pflag.FlagSet) error {
	given := ""
	for _, name := range objectFlagNames() {
		if f.Changed(name) {
			given = name
			break
		}
	}
	if !f.Changed("pod") && (given != "" || i.admin != "") {
		i.pod = ""
	}
	switch {
	case i.admin != "" && i.pod != "":
		return usagef("--admin does not go with --pod")
	case i.admin != "" && (given != "" || f.Changed("kubeconfig") || f.Changed("context")):
		return usagef("--admin does not go with --manifests, --kubeconfig, --namespace or other flags that say which objects are read")
	case i.pod != "" && given != "":
		return usagef("--pod does not go with --%s: a pod has its own", given)
	}
	_, err := i.where()
	return err
}

// where are the pods that may be asked.
func (i *instanceFlags) where() (pods.Where, error) {
	if i.pod == "" || i.pod == anyPod {
		return pods.Where{}, nil
	}
	namespace, name, ok := strings.Cut(i.pod, "/")
	if !ok || namespace == "" || strings.Contains(name, "/") {
		return pods.Where{}, usagef("--pod %q: want namespace/name, namespace/ or any", i.pod)
	}
	return pods.Where{Namespace: namespace, Name: name}, nil
}

// running tells whether an instance is asked.
func (i *instanceFlags) running() bool { return i.admin != "" || i.pod != "" }

// find finds the pods that are meant.
func (i *instanceFlags) find(ctx context.Context, c *process.Config) ([]pods.Pod, error) {
	where, err := i.where()
	if err != nil {
		return nil, err
	}
	cluster, err := c.Cluster()
	if err != nil {
		return nil, err
	}
	found, err := pods.Find(ctx, cluster, where)
	if errors.Is(err, pods.ErrNone) {
		return nil, fmt.Errorf("%w; name one with --pod NAMESPACE/NAME, or read the cluster's objects with --pod ''", err)
	}
	return found, err
}

// reach is the admin address of the instance that is asked. done ends the way
// there.
func (i *instanceFlags) reach(cmd *cobra.Command, c *process.Config) (admin string, done func(), err error) {
	if i.admin != "" {
		return i.admin, func() {}, nil
	}
	found, err := i.find(cmd.Context(), c)
	if err != nil {
		return "", nil, err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "asked: pod %s\n", found[0])
	return forward(cmd.Context(), c, found[0])
}

// forward opens the way to a pod's admin address.
func forward(ctx context.Context, c *process.Config, pod pods.Pod) (admin string, done func(), err error) {
	cluster, err := c.Cluster()
	if err != nil {
		return "", nil, err
	}
	controllers.RouteLogs(c.Log)
	return pods.Forward(ctx, cluster, pod)
}

// served is what an instance serves by, or what objects are compiled to.
func served(cmd *cobra.Command, c process.Config, instance *instanceFlags) (source.Outcome, error) {
	if instance.running() {
		return instance.fetchServed(cmd, &c)
	}
	return process.Load(cmd.Context(), c)
}

// fetchServed asks the instance for the map that it serves by, and the problems
// found when it was made.
func (i *instanceFlags) fetchServed(cmd *cobra.Command, c *process.Config) (o source.Outcome, err error) {
	err = i.asked(cmd, c, func(admin string) error {
		if o.Map, err = fetchMap(cmd.Context(), admin); err != nil {
			return err
		}
		return fetch(cmd.Context(), admin, "problems", nil, &o.Problems)
	})
	return o, err
}

// fetchExplained asks the instance for the map that it serves by, and for what
// is wrong with the objects that a question is about.
func (i *instanceFlags) fetchExplained(cmd *cobra.Command, c *process.Config, q explain.Question) (m *hostmap.Map, problems []explain.Problem, err error) {
	query := url.Values{"authority": {q.Authority}, "server-name": {q.ServerName}, "path": {q.Path}}
	if q.Peer.IsValid() {
		query.Set("peer", q.Peer.String())
	}
	err = i.asked(cmd, c, func(admin string) error {
		if m, err = fetchMap(cmd.Context(), admin); err != nil {
			return err
		}
		var answer struct{ Problems []explain.Problem }
		err := fetch(cmd.Context(), admin, "explain.json", query, &answer)
		if errors.Is(err, errNotThere) {
			return nil // An older version tells of no problems.
		}
		problems = answer.Problems
		return err
	})
	return m, problems, err
}

// asked asks the instance.
func (i *instanceFlags) asked(cmd *cobra.Command, c *process.Config, ask func(admin string) error) error {
	admin, done, err := i.reach(cmd, c)
	if err != nil {
		return err
	}
	defer done()
	return ask(admin)
}

// fetchTimeout bounds the wait for an answer: a map of a hundred thousand hosts
// takes seconds.
const fetchTimeout = time.Minute

// errNotThere tells that an instance has no document of a name.
var errNotThere = errors.New("404 Not Found")

// fetchMap asks an admin address for its host map.
func fetchMap(ctx context.Context, admin string) (m *hostmap.Map, err error) {
	err = fetchInto(ctx, admin, "hostmap.json", nil, func(body io.Reader) (err error) {
		m, err = mapjson.Read(body)
		return err
	})
	return m, err
}

// fetch asks an admin address for one of its documents in JSON.
func fetch(ctx context.Context, admin, name string, query url.Values, into any) error {
	return fetchInto(ctx, admin, name, query, func(body io.Reader) error { return json.NewDecoder(body).Decode(into) })
}

// fetchInto is fetch of a document that is read in another way.
func fetchInto(ctx context.Context, admin, name string, query url.Values, read func(io.Reader) error) error {
	u, err := url.Parse(admin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usagef("--admin %q: want a URL such as http://127.0.0.1:9421", admin)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	u = u.JoinPath(name)
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", admin, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", admin, err)
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return read(response.Body)
	case http.StatusNotFound:
		return fmt.Errorf("ask %s: %w", admin, errNotThere)
	case http.StatusServiceUnavailable:
		return fmt.Errorf("ask %s: it has no host map yet", admin)
	}
	return fmt.Errorf("ask %s: %s", admin, response.Status)
}
