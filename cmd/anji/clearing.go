package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/rulebook"
)

func clearingCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clearing",
		Short: "Clear a month with providers and between regions (清算)",
		Long: `Shows what is owed for a month, to a provider and between regions, and takes a
provider's application (transaction 3203) to its payment: the agency approves
it, another person pays it, or it is returned and may be filed again.`,
	}
	cmd.AddCommand(clearingSheetCommand(), clearingRegionsCommand(), clearingListCommand(), clearingActCommand("approve", "Approve an application that was filed (审核)",
		"Holds the application against the settlements once more and approves it.", clearing.Approve),
		clearingActCommand("pay", "Pay an approved application (拨付)", `Posts the payment: what is owed to the provider leaves the bank account of the
care region; what was paid for people insured elsewhere becomes a claim on
their regions. Who approved an application cannot pay it.`, clearing.Pay),
		clearingWithdrawCommand())
	return cmd
}

// dataFlags are the flags of commands on a data folder.
type dataFlags struct {
	data, db, month, provider string
	asJSON                    bool

	policies *policy.Store // of open: store adds the packages that were issued there
}

func (f *dataFlags) add(cmd *cobra.Command, required ...string) {
	cmd.Flags().StringVar(&f.data, "data", "", "folder of the data, as given to anji demo or serve")
	cmd.Flags().StringVar(&f.db, "db", "", "postgres://… or the path of a SQLite file (default: anji.db in the folder)")
	for _, name := range append(required, "data") {
		switch name {
		case "month":
			cmd.Flags().StringVar(&f.month, "month", "", "month by the time of settlement, such as 2026-11")
		case "provider":
			cmd.Flags().StringVar(&f.provider, "provider", "", "code of the provider, such as H99010000101")
		}
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
}

func (f *dataFlags) json(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "write JSON, amounts in yuan as strings")
}

// store opens the store of the data folder for f and closes it.
func (f *dataFlags) store(ctx context.Context, do func(*db.DB) error) (err error) {
	at := location(f.data, f.db)
	if !db.IsPostgres(at) {
		if _, err := os.Stat(at); err != nil {
			return fmt.Errorf("--data %q holds no data of Anji: %w", f.data, err)
		}
	}
	return withStore(ctx, at, func(d *db.DB) error {
		if err := issued(ctx, d, f.policies); err != nil {
			return err
		}
		return do(d)
	})
}

// issued adds the packages that officers issued in a store to those of the files.
// policies may be nil.
func issued(ctx context.Context, d *db.DB, policies *policy.Store) error {
	if policies == nil {
		return nil
	}
	return d.View(ctx, func(tx *db.Tx) error {
		_, err := rulebook.Adopt(ctx, tx, policies)
		return err
	})
}

// open reads what commands on a data folder work with: the packages, to which store
// adds those that were issued there, and the key.
func (f *dataFlags) open(policyDir string) (*policy.Store, *gm.Sealer, error) {
	policies, err := loadPolicies(policyDir)
	if err != nil {
		return nil, nil, err
	}
	f.policies = policies
	sealer, err := gm.LoadOrCreateKey(filepath.Join(f.data, "key"))
	return policies, sealer, err
}

// withStore opens a store, which may be new, for f and closes it.
func withStore(ctx context.Context, at string, f func(*db.DB) error) (err error) {
	d, err := db.Open(ctx, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return f(d)
}

// view runs do with the month of the flag in a reading transaction.
func (f *dataFlags) view(ctx context.Context, do func(*db.Tx, clearing.Month) error) error {
	m, err := clearing.ParseMonth(f.month)
	if err != nil {
		return fmt.Errorf("--month %w", err)
	}
	return f.store(ctx, func(d *db.DB) error {
		return d.View(ctx, func(tx *db.Tx) error { return do(tx, m) })
	})
}

func clearingSheetCommand() *cobra.Command {
	var f dataFlags
	cmd := &cobra.Command{
		Use:   "sheet",
		Short: "Print the clearing sheet of a provider for a month",
		Long: `Sums the settlements of a provider in a month, by insured region, scheme and
kind of care: settlements and reversals, visits, total, what each fund pays, what
personal accounts pay, cash, and what is due to the provider (funds and
accounts). Below stand the applications filed for the month.`,
		Example: `  anji clearing sheet --data ./anji-data --provider H99010000101 --month 2026-11
  anji clearing sheet --data ./anji-data --provider H99010000101 --month 2026-11 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s *clearing.Sheet
			err := f.view(cmd.Context(), func(tx *db.Tx, m clearing.Month) (err error) {
				s, err = clearing.MonthlySheet(cmd.Context(), tx, f.provider, m)
				return err
			})
			if err != nil {
				return err
			}
			if f.asJSON {
				return writeJSON(cmd.OutOrStdout(), viewSheet(s))
			}
			return printSheet(cmd.OutOrStdout(), s)
		},
	}
	f.add(cmd, "month", "provider")
	f.json(cmd)
	return cmd
}

func clearingRegionsCommand() *cobra.Command {
	var f dataFlags
	cmd := &cobra.Command{
		Use:   "regions",
		Short: "Print what regions owe each other for a month",
		Long: `Sums the settlements of a month whose care region is not the insured region.
The agency of the care region pays its providers and claims what funds and
accounts of the insured region owe; "paid" is what it has paid and so claimed.
The net positions of all regions sum to zero.`,
		Example: `  anji clearing regions --data ./anji-data --month 2026-11
  anji clearing regions --data ./anji-data --month 2026-11 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s *clearing.RegionSheet
			err := f.view(cmd.Context(), func(tx *db.Tx, m clearing.Month) (err error) {
				s, err = clearing.BetweenRegions(cmd.Context(), tx, m)
				return err
			})
			if err != nil {
				return err
			}
			if f.asJSON {
				return writeJSON(cmd.OutOrStdout(), viewRegions(s))
			}
			return printRegions(cmd.OutOrStdout(), s)
		},
	}
	f.add(cmd, "month")
	f.json(cmd)
	return cmd
}

func clearingListCommand() *cobra.Command {
	var f dataFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the applications of all providers for a month",
		Example: `  anji clearing list --data ./anji-data --month 2026-11
  anji clearing list --data ./anji-data --month 2026-11 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []clearing.Application
			err := f.view(cmd.Context(), func(tx *db.Tx, m clearing.Month) (err error) {
				all, err = clearing.Applications(cmd.Context(), tx, m, "")
				return err
			})
			if err != nil {
				return err
			}
			if f.asJSON {
				return writeJSON(cmd.OutOrStdout(), viewApplications(all))
			}
			return printApplications(cmd.OutOrStdout(), all)
		},
	}
	f.add(cmd, "month")
	f.json(cmd)
	return cmd
}

// An act changes the state of an application.
type act func(context.Context, *db.Tx, string, clearing.Act) (*clearing.Application, error)

func clearingActCommand(name, short, long string, do act) *cobra.Command {
	var f dataFlags
	var by string
	cmd := &cobra.Command{
		Use: name + " APPLICATION", Short: short, Long: long,
		Example: `  anji clearing ` + name + ` C2026110000000001 --data ./anji-data --by 王审`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.act(cmd, args[0], by, do)
		},
	}
	f.add(cmd)
	addBy(cmd, &by)
	return cmd
}

func clearingWithdrawCommand() *cobra.Command {
	var f dataFlags
	var by, reason string
	cmd := &cobra.Command{
		Use:     "withdraw APPLICATION",
		Short:   "Withdraw or return an application that is not paid (撤回、退回)",
		Long:    "Takes an application back. The provider may file the month and kinds of care again.",
		Example: `  anji clearing withdraw C2026110000000001 --data ./anji-data --by 王审 --reason 材料不全`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.act(cmd, args[0], by, func(ctx context.Context, tx *db.Tx, id string, a clearing.Act) (*clearing.Application, error) {
				return clearing.Withdraw(ctx, tx, id, reason, a)
			})
		},
	}
	f.add(cmd)
	addBy(cmd, &by)
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	if err := cmd.MarkFlagRequired("reason"); err != nil {
		panic(err)
	}
	return cmd
}

func addBy(cmd *cobra.Command, by *string) {
	cmd.Flags().StringVar(by, "by", "", "who does it, for the audit record")
	if err := cmd.MarkFlagRequired("by"); err != nil {
		panic(err)
	}
}

func (f *dataFlags) act(cmd *cobra.Command, id, by string, do act) error {
	var a *clearing.Application
	err := f.store(cmd.Context(), func(d *db.DB) error {
		return d.Update(cmd.Context(), func(tx *db.Tx) (err error) {
			a, err = do(cmd.Context(), tx, id, clearing.Act{At: time.Now(), By: by})
			return err
		})
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s 应付 due %s\n", a.ID, a.State.Title(), a.Provider, a.Month, a.Total.Due().Grouped())
	return err
}

// The views are what is written as JSON.
type totalsView struct {
	clearing.Totals
	Due money.Fen `json:"due"`
}

type partView struct {
	Region string `json:"insured_region"`
	Scheme string `json:"scheme"`
	Kind   string `json:"kind"`
	totalsView
	Funds []clearing.FundPaid `json:"funds"`
}

type applicationView struct {
	ID       string         `json:"id"`
	Provider string         `json:"provider"`
	Month    clearing.Month `json:"month"`
	State    uint8          `json:"state"`
	Title    string         `json:"state_title"`
	Filed    string         `json:"filed"`
	Approved string         `json:"approved,omitempty"`
	Paid     string         `json:"paid,omitempty"`
	Returned string         `json:"withdrawn,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	totalsView
	Parts []partView `json:"parts"`
}

type sheetView struct {
	Provider     string            `json:"provider"`
	Name         string            `json:"name"`
	Region       string            `json:"care_region"`
	Month        clearing.Month    `json:"month"`
	Parts        []partView        `json:"parts"`
	Total        totalsView        `json:"total"`
	Applications []applicationView `json:"applications"`
}

type flowView struct {
	clearing.Flow
	Due money.Fen `json:"due"`
}

type regionsView struct {
	Month     clearing.Month      `json:"month"`
	Flows     []flowView          `json:"flows"`
	Positions []clearing.Position `json:"positions"`
	Total     totalsView          `json:"total"`
}

func viewTotals(t clearing.Totals) totalsView { return totalsView{t, t.Due()} }

func viewParts(parts []clearing.Part) []partView {
	out := make([]partView, len(parts))
	for i, p := range parts {
		out[i] = partView{p.Region, p.Scheme.String(), p.Kind.String(), viewTotals(p.Totals), append([]clearing.FundPaid{}, p.Funds...)}
	}
	return out
}

func viewApplications(all []clearing.Application) []applicationView {
	out := make([]applicationView, len(all))
	for i, a := range all {
		out[i] = applicationView{a.ID, a.Provider, a.Month, uint8(a.State), a.State.Title(), actWords(a.Filed), actWords(a.Approved), actWords(a.Paid), actWords(a.Withdrawn),
			a.Reason, viewTotals(a.Total), viewParts(a.Parts)}
	}
	return out
}

func viewSheet(s *clearing.Sheet) sheetView {
	return sheetView{s.Provider.Code, s.Provider.Name, s.Provider.Region, s.Month, viewParts(s.Parts), viewTotals(s.Total), viewApplications(s.Applications)}
}

func viewRegions(s *clearing.RegionSheet) regionsView {
	flows := make([]flowView, len(s.Flows))
	for i, f := range s.Flows {
		flows[i] = flowView{f, f.Due()}
	}
	return regionsView{s.Month, flows, append([]clearing.Position{}, s.Positions...), viewTotals(s.Total)}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func actWords(a clearing.Act) string {
	if a.At.IsZero() {
		return ""
	}
	return a.At.Format(time.DateTime) + " " + a.By
}

func printSheet(w io.Writer, s *clearing.Sheet) error {
	fmt.Fprintf(w, "%s %s（%s） %s 清算表 clearing sheet\n\n", s.Provider.Code, s.Provider.Name, s.Provider.Region, s.Month)
	rows := [][]string{{"参保地", "险种", "类别", "笔数", "人次", "总额 total", "基金 funds", "账户 account", "现金 cash", "医院 hospital", "应付 due"}}
	row := func(region, scheme, kind string, t clearing.Totals) {
		rows = append(rows, []string{region, scheme, kind, strconv.Itoa(t.Count), strconv.Itoa(t.Visits), t.Total.Grouped(), t.Fund.Grouped(),
			t.Account.Grouped(), t.Cash.Grouped(), t.Hospital.Grouped(), t.Due().Grouped()})
	}
	for _, p := range s.Parts {
		row(p.Region, p.Scheme.Title(), p.Kind.Title(), p.Totals)
	}
	row("合计", "", "", s.Total)
	if err := table(w, 3, rows); err != nil {
		return err
	}
	rows = [][]string{{"参保地", "险种", "类别", "基金 fund", "支付 paid"}}
	for _, p := range s.Parts {
		for _, f := range p.Funds {
			rows = append(rows, []string{p.Region, p.Scheme.Title(), p.Kind.Title(), f.Title, f.Amount.Grouped()})
		}
	}
	fmt.Fprintln(w)
	if err := table(w, 4, rows); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printApplications(w, s.Applications)
}

func printRegions(w io.Writer, s *clearing.RegionSheet) error {
	fmt.Fprintf(w, "%s 异地清算 clearing between regions\n\n", s.Month)
	if len(s.Flows) == 0 {
		_, err := fmt.Fprintln(w, "没有异地结算 no care away from home")
		return err
	}
	rows := [][]string{{"就医地 care", "参保地 insured", "笔数", "总额 total", "基金 funds", "账户 account", "应付 due", "已拨 paid"}}
	var paid money.Fen
	for _, f := range s.Flows {
		paid += f.Paid
		rows = append(rows, []string{f.Care, f.Insured, strconv.Itoa(f.Count), f.Total.Grouped(), f.Fund.Grouped(), f.Account.Grouped(), f.Due().Grouped(), f.Paid.Grouped()})
	}
	t := s.Total
	rows = append(rows, []string{"合计", "", strconv.Itoa(t.Count), t.Total.Grouped(), t.Fund.Grouped(), t.Account.Grouped(), t.Due().Grouped(), paid.Grouped()})
	if err := table(w, 2, rows); err != nil {
		return err
	}
	rows = [][]string{{"就医地 care", "参保地 insured", "基金 fund", "支付 paid"}}
	for _, f := range s.Flows {
		for _, p := range f.Funds {
			rows = append(rows, []string{f.Care, f.Insured, p.Title, p.Amount.Grouped()})
		}
	}
	fmt.Fprintln(w)
	if err := table(w, 3, rows); err != nil {
		return err
	}
	rows = [][]string{{"地区 region", "应收 claims", "应付 owes", "净额 net"}}
	for _, p := range s.Positions {
		rows = append(rows, []string{p.Region, p.Claims.Grouped(), p.Owes.Grouped(), p.Net.Grouped()})
	}
	fmt.Fprintln(w)
	return table(w, 1, rows)
}

func printApplications(w io.Writer, all []clearing.Application) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "没有清算申请 no applications")
		return err
	}
	rows := [][]string{{"申请 application", "机构 provider", "状态", "最近办理 last act", "类别", "笔数", "应付 due"}}
	for _, a := range all {
		var kinds []string
		for _, k := range a.Kinds {
			kinds = append(kinds, k.Title())
		}
		last := a.Filed
		for _, act := range []clearing.Act{a.Approved, a.Paid, a.Withdrawn} {
			if !act.At.IsZero() {
				last = act
			}
		}
		rows = append(rows, []string{a.ID, a.Provider, a.State.Title(), actWords(last), strings.Join(kinds, "、"), strconv.Itoa(a.Total.Count), a.Total.Due().Grouped()})
	}
	return table(w, 5, rows)
}

// table writes rows in columns as wide as they need; those after the first
// left ones stand at the right.
func table(w io.Writer, left int, rows [][]string) error {
	var cells runewidth.Condition
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], cells.StringWidth(text))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, text := range row {
			pad := strings.Repeat(" ", widths[i]-cells.StringWidth(text))
			if i < left {
				text += pad
			} else {
				text = pad + text
			}
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(text)
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}
