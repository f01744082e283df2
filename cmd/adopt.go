package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ingress421/ingress421/cmd/pods"
	"github.com/ingress421/ingress421/cmd/process"
)

// adopt has the objects of the cluster be read as a running pod reads them, by
// setting the flags that say so to what that pod was started with. A pod that
// nobody named need not be there.
func (i *instanceFlags) adopt(cmd *cobra.Command, c *process.Config) error {
	found, err := i.find(cmd.Context(), c)
	if err != nil {
		if cmd.Flags().Changed("pod") {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "the cluster is read by the defaults of flags: %v\n", err)
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "the cluster is read by the flags of pod %s\n", found[0])
	return adoptFlags(cmd.Flags(), found[0])
}

// adoptFlags sets flags about objects to those of a pod.
func adoptFlags(f *pflag.FlagSet, pod pods.Pod) (err error) {
	run, about := newRun(), objectFlagNames()
	run.FParseErrWhitelist.UnknownFlags = true // of another version
	if len(pod.Args) != 0 {
		if err := run.ParseFlags(pod.Args[1:]); err != nil {
			return fmt.Errorf("read the arguments of pod %s: %w", pod, err)
		}
	}
	run.Flags().Visit(func(given *pflag.Flag) {
		if err != nil || f.Lookup(given.Name) == nil || !slices.Contains(about, given.Name) {
			return
		}
		if given.Name == "manifests" || given.Name == "guard-hosts" {
			return // It names a file of the pod.
		}
		value := given.Value.String()
		if list, ok := given.Value.(pflag.SliceValue); ok {
			value = strings.Join(list.GetSlice(), ",")
		}
		err = f.Set(given.Name, value)
	})
	return err
}
