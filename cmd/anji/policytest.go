package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/calc"
)

func policyTestCommand(from *packageFlags) *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "test [REGION]...",
		Short: "Run the cases that stand beside the packages",
		Example: `  anji policy test
  anji policy test 110000 -v
  anji policy test --policies ./policies 990100`,
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := from.load(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = store.Regions()
			}
			d := calc.NewDecoder(store)
			failed, total := 0, 0
			for _, region := range args {
				examples, err := calc.Examples(packages(from.dir), region)
				if err != nil {
					return err
				}
				bad := 0
				for i := range examples {
					e := &examples[i]
					if err := e.Run(store, d); err != nil {
						bad++
						fmt.Fprintf(cmd.OutOrStdout(), "FAIL %s:%d: %s\n     %s\n", e.File, e.Line, e.Name, strings.ReplaceAll(err.Error(), "\n", "\n     "))
					} else if verbose {
						fmt.Fprintf(cmd.OutOrStdout(), "ok   %s:%d: %s\n", e.File, e.Line, e.Name)
					}
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d cases, %d failed\n", region, len(examples), bad)
				failed, total = failed+bad, total+len(examples)
			}
			if failed > 0 {
				return exitError{1, fmt.Errorf("%d of %d cases failed", failed, total)}
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "name the cases that hold, too")
	return cmd
}
