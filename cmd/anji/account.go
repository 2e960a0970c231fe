package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
)

func accountCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "account", Short: "Credit personal accounts (个人账户)"}
	var f dataFlags
	var region, month, year, policyDir, actor string
	credit := &cobra.Command{
		Use:   "credit",
		Short: "Credit all personal accounts of a region for a month, or with the interest of a year",
		Long: `Credits what the region's package allots to personal accounts from its funds
(按月划入), or the interest of a benefit year once it is over (按年计息). What comes
with a contribution is credited when that is paid.

A run that was interrupted goes on where it was; made again, it credits those
who were not credited, and nobody twice. Who could not be credited is listed,
and the command exits 1.`,
		Example: "  anji account credit --data ./anji-data --region 990100 --month 2026-11\n  anji account credit --data ./anji-data --region 990100 --interest 2025-12-31",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := contribution.CreditRequest{Region: region, Period: contribution.Monthly, Actor: actor}
			day, err := dayFlag("interest", year)
			if year == "" {
				day, err = dayFlag("month", month+"-01")
			} else {
				q.Period = contribution.Yearly
			}
			if err != nil {
				return err
			}
			q.Day = day
			policies, sealer, err := f.open(policyDir)
			if err != nil {
				return err
			}
			show := progress(cmd.ErrOrStderr(), "划入 crediting")
			q.Progress = func(c contribution.Credited) { show(c.Looked, c.People) }
			var out contribution.Credited
			err = f.store(cmd.Context(), func(d *db.DB) (err error) {
				out, err = contribution.New(policies, enrolment.New(sealer), nil).Credit(cmd.Context(), d, q)
				return err
			})
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if f.asJSON {
				err = json.NewEncoder(w).Encode(map[string]any{"looked": out.Looked, "credited": out.Credited, "amount": out.Amount.String(), "faults": append([]contribution.Fault{}, out.Faults...)})
			} else {
				fmt.Fprintf(w, "credited 划入 %d accounts 个账户, %s 元; looked at %d people\n", out.Credited, out.Amount, out.Looked)
				for _, x := range out.Faults {
					fmt.Fprintf(w, "%s  %s\n", x.Person, x.Why)
				}
			}
			if len(out.Faults) > 0 {
				err = errors.Join(err, fmt.Errorf("%d people could not be credited", len(out.Faults)))
			}
			return err
		},
	}
	f.add(credit)
	f.json(credit)
	flags := credit.Flags()
	flags.StringVar(&region, "region", "", "region 统筹区 (needed)")
	flags.StringVar(&month, "month", "", "month, such as 2026-11")
	flags.StringVar(&year, "interest", "", "a day of the benefit year whose interest is credited")
	flags.StringVar(&policyDir, "policies", "", "folder of packages (default: those in the binary)")
	flags.StringVar(&actor, "actor", "anji account credit", "who does it, for the audit record")
	_ = credit.MarkFlagRequired("region")
	credit.MarkFlagsOneRequired("month", "interest")
	credit.MarkFlagsMutuallyExclusive("month", "interest")
	cmd.AddCommand(credit)
	return cmd
}
