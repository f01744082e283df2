package cmd

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and those of Go and x/net it was built with",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "ingress421", versions())
			return err
		},
	}
}

// versions are that of ingress421 and those of what it was built with.
func versions() string {
	xnet := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "golang.org/x/net" {
				xnet = m.Version
			}
		}
	}
	return fmt.Sprintf("%s (%s, x/net %s, %s/%s)", version, runtime.Version(), xnet, runtime.GOOS, runtime.GOARCH)
}
