package cmd

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/ingress421/ingress421/cmd/demo"
)

func newDemo() *cobra.Command {
	var record, level string
	c := demo.Config{Log: slog.New(slog.DiscardHandler), Stderr: io.Discard}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it at work: own certificates, backends and requests, on loopback",
		Long: `Serve certificates, Ingresses and backends of its own on loopback, send requests
to them for many hosts on few connections, as browsers do, and print what became
of each. It needs no cluster and exits with 0 only if each row is what the rule
says.

The column retry says whether the client would get past the rule on a connection
of its own for the host: yes, as browsers try by themselves, or no.`,
		Example: `  ingress421 demo
  ingress421 demo --keep --log-level info`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if level != "" {
				if c.Stderr, err = logTo(cmd.ErrOrStderr(), ""); err != nil {
					return err
				}
				if c.Log, err = newLog(c.Stderr, level); err != nil {
					return err
				}
			}
			c.Out = cmd.OutOrStdout()
			if record == "" {
				return demo.Run(cmd.Context(), c)
			}
			f, err := os.Create(record)
			if err != nil {
				return fmt.Errorf("keep the table: %w", err)
			}
			c.Record = f
			return errors.Join(demo.Run(cmd.Context(), c), f.Close())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&c.Keep, "keep", false, "go on serving until Ctrl-C, and say how to ask by hand")
	f.StringVar(&record, "record", "", "write the table to this file too")
	f.StringVar(&level, "log-level", "", "show the server's log: debug, info, warn or error")
	return cmd
}
