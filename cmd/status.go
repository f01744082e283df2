package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingress421/ingress421/cmd/pods"
	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/internal/admin"
)

func newStatus() *cobra.Command {
	c := process.Config{Log: slog.New(slog.DiscardHandler)}
	var instance instanceFlags
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell of each running replica what it serves and how it is",
		Long: `Find the pods of ingress421 in the cluster of the kubeconfig, and tell of each its
version, whether it is ready, and how many hosts, certificates, problems, overlapping
hosts and connections it has. Each is asked by a port forward to its admin port,
which takes the rights to list pods and to create pods/portforward.`,
		Example: `  ingress421 status
  ingress421 status --pod edge/ -o json
  ingress421 status --admin http://127.0.0.1:9421`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return usagef("--output %q: want table or json", output)
			}
			if err := instance.settle(cmd.Flags()); err != nil {
				return err
			}
			replicas, err := instance.statuses(cmd.Context(), &c)
			if err != nil {
				return err
			}
			write := replicaTable
			if output == "json" {
				write = func(w io.Writer, all []replica) error {
					e := json.NewEncoder(w)
					e.SetIndent("", "  ")
					return e.Encode(all)
				}
			}
			if err := write(cmd.OutOrStdout(), replicas); err != nil {
				return fmt.Errorf("write the status: %w", err)
			}
			var errs []error
			for _, r := range replicas {
				errs = append(errs, r.err)
			}
			return errors.Join(errs...)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	instance.register(f, anyPod)
	clusterFlags(f, &c, "ask")
	f.StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// replica is a running instance and its status, or why it was not told.
type replica struct {
	Name string `json:"name"` // of its pod, or its admin address
	*admin.Status
	Error string `json:"error,omitempty"`
	err   error
}

// statuses asks all instances that are meant, at once.
func (i *instanceFlags) statuses(ctx context.Context, c *process.Config) ([]replica, error) {
	if i.admin != "" {
		return []replica{askReplica(ctx, i.admin, i.admin)}, nil
	}
	found, err := i.find(ctx, c)
	if err != nil {
		return nil, err
	}
	replicas := make([]replica, len(found))
	var wg sync.WaitGroup
	for n, pod := range found {
		wg.Go(func() { replicas[n] = askPod(ctx, c, pod) })
	}
	wg.Wait()
	return replicas, nil
}

func askPod(ctx context.Context, c *process.Config, pod pods.Pod) replica {
	at, done, err := forward(ctx, c, pod)
	if err != nil {
		return replica{Name: pod.String(), Error: err.Error(), err: err}
	}
	defer done()
	return askReplica(ctx, pod.String(), at)
}

func askReplica(ctx context.Context, name, at string) replica {
	var status admin.Status
	err := fetch(ctx, at, "status.json", nil, &status)
	if err != nil {
		return replica{Name: name, Error: err.Error(), err: err}
	}
	return replica{Name: name, Status: &status}
}

// replicaTable prints a line for each replica.
func replicaTable(w io.Writer, all []replica) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "REPLICA\tVERSION\tREADY\tHOSTS\tCERTIFICATES\tPROBLEMS\tOVERLAPS\tPUBLISHED\tCONNECTIONS")
	for _, r := range all {
		if r.Status == nil {
			fmt.Fprintf(t, "%s\t-\tno answer\n", r.Name)
			continue
		}
		ready, overlaps, published := "yes", "-", "never"
		if r.Ready != "ok" {
			ready = "no: " + r.Ready
		}
		if r.Overlaps != nil {
			overlaps = fmt.Sprint(*r.Overlaps)
		}
		if r.Published != nil {
			published = time.Since(*r.Published).Round(time.Second).String() + " ago"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n",
			r.Name, r.Version, ready, r.Hosts, r.Certificates, r.Problems, overlaps, published, connections(r.Connections))
	}
	return t.Flush()
}

// connections are counts by protocol, as text.
func connections(by map[string]int) string {
	var texts []string
	for _, protocol := range slices.Sorted(maps.Keys(by)) {
		if n := by[protocol]; n != 0 {
			texts = append(texts, fmt.Sprintf("%d %s", n, protocol))
		}
	}
	if len(texts) == 0 {
		return "0"
	}
	return strings.Join(texts, ", ")
}
