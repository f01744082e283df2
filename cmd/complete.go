package cmd

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagValues are the values of flags that have few, by the name of the flag.
// What each command has of them is said by its help.
var flagValues = map[string]string{
	"access-log":        "off json text",
	"log-level":         "debug info warn error",
	"log-format":        "json text",
	"nginx-annotations": "off strict lenient",
	"guard-protocol":    "http h2c https",
	"tls":               "1.2 1.3",
}

// completeFlags has shells complete the values of a command's flags: from a
// list, by files or folders, and by nothing at all where a file would only
// mislead.
func completeFlags(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		complete := cobra.NoFileCompletions
		switch values, listed := flagValues[f.Name]; {
		case listed:
			complete = cobra.FixedCompletions(strings.Fields(values), cobra.ShellCompDirectiveNoFileComp)
		case f.Name == "output":
			// Its usage is the list: "table, json or html".
			list := strings.NewReplacer(",", "", " or ", " ").Replace(f.Usage)
			complete = cobra.FixedCompletions(strings.Fields(list), cobra.ShellCompDirectiveNoFileComp)
		case f.Name == "manifests":
			complete = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
		case f.Name == "kubeconfig", f.Name == "record":
			return // files, as shells do by themselves
		}
		// Its error is that the flag is not there, or completes already.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, complete)
	})
}
