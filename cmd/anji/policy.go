package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/policy"
)

func policyCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{Use: "policy", Short: "Check, test, explain and compare policy packages (政策包)"}
	cmd.PersistentFlags().StringVar(&dir, "policies", "", "folder of packages (default: those in the binary)")
	var strict bool
	lint := &cobra.Command{
		Use:   "lint",
		Short: "Load every package and report each fault with file:line:column",
		Long: `Loads every package and reports every fault of every file at once: a missing
source, an unknown key, a wrong type, a gap or an overlap in bands, plans of
equal rank that match one case, an unreachable rule, an error in an expression,
versions whose dates overlap. What is declared and never used is a warning.`,
		Example: `  anji policy lint
  anji policy lint --policies ./policies --strict`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := loadPolicies(dir)
			var faults policy.LoadErrors
			if errors.As(err, &faults) {
				for _, f := range faults {
					fmt.Fprintln(cmd.ErrOrStderr(), f)
				}
				return exitError{1, fmt.Errorf("%d faults", len(faults))}
			}
			if err != nil {
				return err
			}
			for _, w := range s.Warnings() {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			if n := len(s.Warnings()); strict && n > 0 {
				return exitError{1, fmt.Errorf("%d warnings", n)}
			}
			return nil
		},
	}
	lint.Flags().BoolVar(&strict, "strict", false, "warnings fail, too")
	cmd.AddCommand(lint)
	cmd.AddCommand(policyTestCommand(&dir), policyExplainCommand(&dir), policyDiffCommand(&dir), policySchemaCommand(), policyFmtCommand())
	return cmd
}
