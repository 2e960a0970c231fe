package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

func policyCommand() *cobra.Command {
	var from packageFlags
	cmd := &cobra.Command{Use: "policy", Short: "Check, test, explain and compare policy packages (政策包)"}
	cmd.PersistentFlags().StringVar(&from.dir, "policies", "", "folder of packages (default: those in the binary)")
	cmd.PersistentFlags().StringVar(&from.data, "data", "", "folder of the data, for the packages that were issued there too")
	cmd.PersistentFlags().StringVar(&from.db, "db", "", "postgres://… or the path of a SQLite file, likewise (default: anji.db in the folder)")
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
			s, err := from.load(cmd.Context())
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
	cmd.AddCommand(policyTestCommand(&from), policyExplainCommand(&from), policyDiffCommand(&from), policySchemaCommand(), policyFmtCommand())
	return cmd
}

// packageFlags say where packages are: in the binary or a folder, and in a store
// where more were issued.
type packageFlags struct{ dir, data, db string }

func (f *packageFlags) load(ctx context.Context) (*policy.Store, error) {
	policies, err := loadPolicies(f.dir)
	if err != nil || f.data == "" && f.db == "" {
		return policies, err
	}
	in := dataFlags{data: f.data, db: f.db, policies: policies}
	return policies, in.store(ctx, func(*db.DB) error { return nil })
}
