package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/rulebook"
	"github.com/anji-platform/anji/settlement"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Prove that the records agree"}
	var data, database, policyDir string
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Verify ledger, audit record and settlements",
		Long: `Proves, over one state of the store, that
  the ledger balances and every balance kept is the sum of its postings,
  every chain of the audit record is whole,
  every contribution that was paid stands in the ledger once, and insures;
  what is owed by each claim is what it was settled at less what was paid;
  every package that was issued here is what was uploaded, and two persons issued it;
  every settlement, computed again from what it was decided on, comes out the
  same, and agrees with its fees, its postings and the person's sums of the year.
Says where not, and exits 1.`,
		Example: `  anji audit verify --data ./anji-data
  anji audit verify --data ./anji-data --db postgres://anji@/anji`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			policies, err := loadPolicies(policyDir)
			if err != nil {
				return err
			}
			sealer, err := gm.LoadOrCreateKey(filepath.Join(data, "key"))
			if err != nil {
				return err
			}
			store, err := db.Open(ctx, location(data, database))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			if err := issued(ctx, store, policies); err != nil {
				return err
			}
			register := enrolment.New(sealer)
			service, dues := settlement.New(policies, register, nil), contribution.New(policies, register, nil)
			claims := claim.New(register, service, paper.New(sealer, nil), nil)
			var faults error
			err = store.View(ctx, func(tx *db.Tx) error {
				faults = nil
				for _, part := range []struct {
					name   string
					verify func(context.Context, *db.Tx) error
				}{{"ledger       账", fund.Verify}, {"audit record 审计", audit.Verify}, {"settlements  结算", service.Verify}, {"contributions 征缴", dues.Verify}, {"claims       报销", claims.Verify}, {"packages     政策包", rulebook.Verify}} {
					fault := part.verify(ctx, tx)
					state := "agrees 一致"
					if fault != nil {
						state = "DOES NOT AGREE 不一致: " + fault.Error()
						faults = errors.Join(faults, fault)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", part.name, state)
				}
				return nil
			})
			if faults != nil {
				err = errors.Join(err, errors.New("the records do not agree"))
			}
			return err
		},
	}
	f := verify.Flags()
	f.StringVar(&data, "data", "", "folder of the data (needed)")
	f.StringVar(&database, "db", "", "location of the database (default: anji.db in the folder)")
	f.StringVar(&policyDir, "policies", "", "folder of packages (default: those in the binary)")
	_ = verify.MarkFlagRequired("data")
	cmd.AddCommand(verify)
	return cmd
}
