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
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if level != "" {
				if c.Log, err = newLog(cmd.ErrOrStderr(), level); err != nil {
					return err
				}
				c.Stderr = cmd.ErrOrStderr()
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
