package cmd

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/ingress421/ingress421/cmd/check"
	"github.com/ingress421/ingress421/cmd/process"
)

func newCheck(plugin bool) *cobra.Command {
	c := process.Config{Log: slog.New(slog.DiscardHandler)}
	objects := objectFlags{to: &c}
	var instance instanceFlags
	var output string
	cmd := &cobra.Command{
		Use:   "check [FILE|DIR]...",
		Short: "Say of each object and annotation whether it is served as asked",
		Long: `Say of each object and annotation whether it is served as asked, or what is lost
and what to do about it: of manifests, or, without any, of a cluster.

Folders are read as by kubectl apply -f DIR. Of what the manifests do not hold
at all, as a rule Secrets and EndpointSlices, nothing can be said, and that is
said. It exits with 3 where something is lost, or dangerous.`,
		Example: `  ingress421 check deploy/
  helm template shop ./chart | ingress421 check /dev/stdin
  ingress421 check --kubeconfig ~/.kube/config -o json`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if output != "table" && output != "json" {
				return usagef("--output %q: want table or json", output)
			}
			if len(paths) != 0 && !cmd.Flags().Changed("pod") {
				instance.pod = ""
			}
			if err := instance.settle(cmd.Flags()); err != nil {
				return err
			}
			if len(paths) != 0 && (c.Manifests != "" || c.Kubeconfig != "" || instance.running() || len(objects.namespaces) != 0) {
				return usagef("files do not go with --manifests, --kubeconfig, --pod or --namespace")
			}
			if instance.running() {
				if err := instance.adopt(cmd, &c); err != nil {
					return err
				}
			}
			if err := objects.settle(cmd.Flags()); err != nil {
				return err
			}
			outcome, err := process.Load(cmd.Context(), c, paths...)
			if err != nil {
				return err
			}
			report := check.Of(&outcome)
			write := report.Table
			if output == "json" {
				write = report.JSON
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
			if report.Bad() {
				return errRisk
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&instance.pod, "pod", defaultPod(plugin), "read the cluster by the flags of this pod of ingress421 (namespace/name; namespace/ or any: one that is ready)")
	objects.register(f, "check", "read")
	contextFlag(f, &c)
	f.StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}
