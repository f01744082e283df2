package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ingress421/ingress421/cmd/process"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitRisk   = 3
)

// errRisk ends a command that has done what it was asked and found what should
// not stay as it is; the command has said what.
var errRisk = errors.New("found risk")

// usageError is an error of the command line itself: what was asked cannot be
// done, whatever the state of the world.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Main runs the command that the arguments name, until it is done or the
// process is asked to stop, and returns the exit code. Asked a second time, the
// process ends at once.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // Gives the signals their usual effect back.
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	// The last words may find no reader, and the end must not wait for one.
	say := func(format string, args ...any) {
		process.LastWords(func() { fmt.Fprintf(stderr, format, args...) })
	}
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errRisk):
		return exitRisk
	case errors.As(err, &usage):
		say("ingress421: %v\nSee 'ingress421 --help'.\n", err)
		return exitUsage
	default:
		say("ingress421: %v\n", err)
		return exitFailed
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ingress421",
		Short: "Answer 421 to requests on connections that were not made for them",
		Example: `  ingress421 demo                          see it at work, without a cluster
  ingress421 run --manifests deploy/       serve a folder of manifests
  ingress421 check deploy/                 what of them is served as asked
  ingress421 audit --manifests deploy/     who shares certificates, and what comes of it
  ingress421 explain --authority a.test    why a request is answered as it is
  ingress421 status                        how each replica in the cluster is`,
		Version:       versions(),
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
	}
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("no command: want %s", commandNames(root))
		}
		if near := root.SuggestionsFor(args[0]); len(near) != 0 {
			return usagef("unknown command %q, did you mean %s?", args[0], near[0])
		}
		return usagef("unknown command %q: want %s", args[0], commandNames(root))
	}
	root.RunE = func(*cobra.Command, []string) error { return nil }
	root.SetVersionTemplate("ingress421 {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	plugin := asPlugin(os.Args[0])
	if plugin {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl ingress421"}
		root.Example = strings.ReplaceAll(`  ingress421 status                        how each replica is, and what it serves
  ingress421 check                         what of the cluster is served as asked
  ingress421 audit -o html > audit.html    who shares certificates, and what comes of it
  ingress421 explain --authority a.test    why a request is answered as it is`, "  ingress421", "  kubectl ingress421")
	} else {
		root.AddCommand(newRun(), newDemo())
	}
	root.AddCommand(newCheck(plugin), newAudit(plugin), newExplain(plugin), newStatus(), newVersion())
	for _, c := range root.Commands() {
		completeFlags(c)
	}
	return root
}

// asPlugin tells whether kubectl runs this program, which it finds by its name.
func asPlugin(program string) bool {
	name := filepath.Base(program)
	return strings.TrimSuffix(name, ".exe") == "kubectl-ingress421"
}

// commandNames lists the commands for people.
func commandNames(root *cobra.Command) string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "completion" {
			names = append(names, c.Name())
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// noArgs refuses arguments that are no flags.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}
