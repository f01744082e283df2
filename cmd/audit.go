package cmd

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/internal/audit"
	"github.com/ingress421/ingress421/internal/hostmap"
)

func newAudit(plugin bool) *cobra.Command {
	c := process.Config{Log: slog.New(slog.DiscardHandler)}
	objects := objectFlags{to: &c}
	var instance instanceFlags
	var output string
	var oneAddress bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Tell which hosts share certificates, and what becomes of requests because of it",
		Long: `Audit a folder of manifests, the cluster of the kubeconfig, or a running instance
(--admin, --pod): which hosts share certificates, and whether a request that a client sends over a connection made
for another host is served or answered 421. Nothing is served or written.

It exits with 3 where something should be mended, and with 0 where not.`,
		Example: `  ingress421 audit --manifests deploy/
  ingress421 audit -o html > audit.html
  ingress421 audit --manifests deploy/ -o sarif > audit.sarif`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := objects.settle(cmd.Flags()); err != nil {
				return err
			}
			render, ok := auditRenderings()[output]
			if !ok {
				return usagef("--output %q: want table, json, html or sarif", output)
			}
			if err := instance.settle(cmd.Flags()); err != nil {
				return err
			}
			found, err := served(cmd, c, &instance)
			if err != nil {
				return err
			}
			report := audit.Examine(found.Map, audit.Options{Now: time.Now(), OneAddress: oneAddress})
			report.Locate(newPlacer(&found).place)
			if err := render(report, cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
			tellProblems(cmd.ErrOrStderr(), found.Problems)
			if report.Risk() {
				return errRisk
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	instance.register(f, defaultPod(plugin))
	objects.register(f, "audit", "read")
	contextFlag(f, &c)
	f.BoolVar(&oneAddress, "assume-one-address", true, "all hosts resolve to one address, as behind one load balancer; else what follows from sharing is told for information")
	f.StringVarP(&output, "output", "o", "table", "table, json, html or sarif")
	return cmd
}

// rendering writes a report.
type rendering func(*audit.Report, io.Writer) error

func auditRenderings() map[string]rendering {
	return map[string]rendering{
		"table": (*audit.Report).Table,
		"json":  (*audit.Report).JSON,
		"html":  (*audit.Report).HTML,
		"sarif": func(r *audit.Report, w io.Writer) error { return r.SARIF(w, version) },
	}
}

// toldProblems bounds the problems that are told beside a report.
const toldProblems = 10

// tellProblems says what the report knows nothing of, because it is not served.
func tellProblems(w io.Writer, problems []hostmap.Problem) {
	for i, p := range problems {
		if i == toldProblems {
			fmt.Fprintf(w, "and %d more problems\n", len(problems)-i)
			return
		}
		fmt.Fprintf(w, "problem: %s\n", p)
	}
}
