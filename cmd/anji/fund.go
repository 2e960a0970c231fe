package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
)

func fundCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fund",
		Short: "Read the ledger and close its months (基金账)",
		Long: `The ledger holds every fund, personal account and provider in double entry;
balances are sums of postings. What is owed or belongs to a fund is positive,
what was paid out of it negative.`,
	}
	cmd.AddCommand(fundBalancesCommand(), fundStatementCommand(), fundCloseCommand(), fundConfirmCommand())
	return cmd
}

func fundBalancesCommand() *cobra.Command {
	var f dataFlags
	var prefix, on string
	cmd := &cobra.Command{
		Use:     "balances",
		Short:   "Show the balances of accounts",
		Example: "  anji fund balances --data ./anji-data\n  anji fund balances --data ./anji-data --prefix payable: --on 2026-10-31",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			day, err := dayFlag("on", on)
			if err != nil {
				return err
			}
			var all map[string]money.Fen
			err = f.store(cmd.Context(), func(d *db.DB) error {
				return d.View(cmd.Context(), func(tx *db.Tx) (err error) {
					all, err = fund.Balances(cmd.Context(), tx, prefix, day)
					return err
				})
			})
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if f.asJSON {
				return json.NewEncoder(out).Encode(all)
			}
			for _, name := range slices.Sorted(maps.Keys(all)) {
				fmt.Fprintf(out, "%s %16s\n", runewidth.FillRight(name, 48), all[name])
			}
			return nil
		},
	}
	f.add(cmd)
	f.json(cmd)
	cmd.Flags().StringVar(&prefix, "prefix", "fund:", "what the accounts' names begin with, such as fund:990100:, payable:, bank:")
	cmd.Flags().StringVar(&on, "on", "", "the day at whose end (default: now)")
	return cmd
}

func fundStatementCommand() *cobra.Command {
	var f dataFlags
	var account, from, to string
	cmd := &cobra.Command{
		Use:     "statement",
		Short:   "Show what moved an account in a period",
		Example: "  anji fund statement --data ./anji-data --account fund:990100:pooled_employee --from 2026-11-01 --to 2026-11-30",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var p fund.Period
			if p.From, err = dayFlag("from", from); err != nil {
				return err
			}
			if p.To, err = dayFlag("to", to); err != nil {
				return err
			}
			var s fund.Account
			err = f.store(cmd.Context(), func(d *db.DB) error {
				return d.View(cmd.Context(), func(tx *db.Tx) (err error) {
					s, err = fund.Statement(cmd.Context(), tx, account, p)
					return err
				})
			})
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if f.asJSON {
				return json.NewEncoder(out).Encode(s)
			}
			fmt.Fprintf(out, "%s\n期初 opening %58s\n", s.Name, s.Opening)
			for _, m := range s.Movements {
				fmt.Fprintf(out, "%s  %-12s %-28s %12s %14s\n", m.At.In(china).Format(time.DateTime), m.Kind, m.Ref, m.Amount, m.Balance)
			}
			fmt.Fprintf(out, "期末 closing %58s\n", s.Closing)
			return nil
		},
	}
	f.add(cmd)
	f.json(cmd)
	cmd.Flags().StringVar(&account, "account", "", "the account, such as fund:990100:pooled_employee or payable:H99010000101 (needed)")
	cmd.Flags().StringVar(&from, "from", "", "first day (default: from the start)")
	cmd.Flags().StringVar(&to, "to", "", "last day (default: now)")
	_ = cmd.MarkFlagRequired("account")
	return cmd
}

func fundCloseCommand() *cobra.Command {
	return fundMonthCommand("close", "Ask to close a month (结账申请)", `Asks that a month be closed; another person confirms it (anji fund confirm).
Months are closed in order, when they are over.`, "已申请结账，等另一人确认 asked", fund.AskClose)
}

func fundConfirmCommand() *cobra.Command {
	return fundMonthCommand("confirm", "Close a month that another person asked to close (结账)", `Keeps the balance of every account but the personal ones at the month's end;
nothing is posted in it or before it afterwards. Who asked cannot confirm.`, "已结账 closed", fund.ConfirmClose)
}

func fundMonthCommand(name, short, long, done string, do func(context.Context, *db.Tx, civil.Date, time.Time, string) error) *cobra.Command {
	var f dataFlags
	var by string
	cmd := &cobra.Command{
		Use:     name,
		Short:   short,
		Long:    long,
		Example: "  anji fund " + name + " --data ./anji-data --month 2026-10 --by 张会计",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			day, err := civil.Parse(f.month + "-01")
			if err != nil {
				return fmt.Errorf("--month %q: want a month such as 2026-10", f.month)
			}
			err = f.store(cmd.Context(), func(d *db.DB) error {
				return d.Update(cmd.Context(), func(tx *db.Tx) error { return do(cmd.Context(), tx, day, time.Now(), by) })
			})
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", f.month, done)
			}
			return err
		},
	}
	f.add(cmd, "month")
	cmd.Flags().StringVar(&by, "by", "", "who does it (needed)")
	_ = cmd.MarkFlagRequired("by")
	return cmd
}

// china is the one time of the country.
var china = time.FixedZone("CST", 8*60*60)

// dayFlag reads a day; "" is none.
func dayFlag(name, value string) (civil.Date, error) {
	if value == "" {
		return 0, nil
	}
	day, err := civil.Parse(value)
	if err != nil {
		return 0, fmt.Errorf("--%s %q %w", name, value, err)
	}
	return day, nil
}
