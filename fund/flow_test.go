package fund_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
)

func enter(t *testing.T, d *db.DB, at time.Time, kind string, ps ...fund.Posting) {
	t.Helper()
	ctx := context.Background()
	if err := d.Update(ctx, func(tx *db.Tx) error {
		return fund.Post(ctx, tx, fund.Entry{At: at, Kind: kind, Ref: "r", Postings: ps})
	}); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, d *db.DB, p fund.Period, today civil.Date) (r *fund.Report) {
	t.Helper()
	view(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
		r, err = fund.Run(ctx, tx, "x", p, today)
		return err
	})
	if r == nil {
		t.FailNow()
	}
	return r
}

// TestRun: income, payments and balances of a year, with what reversals and refunds
// take back on the side that it was on.
func TestRun(t *testing.T) {
	d := dbtest.Open(t)
	a, b, bank := "fund:x:a", "fund:x:b", "bank:x"
	two := func(at time.Time, kind, from, to string, amount money.Fen) {
		t.Helper()
		enter(t, d, at, kind, fund.Posting{Account: from, Amount: -amount}, fund.Posting{Account: to, Amount: amount})
	}
	two(day(2024, 12, 1), "opening", "opening:x", a, 100_000)
	two(day(2025, 1, 5), "contribution", bank, a, 30_000)
	two(day(2025, 1, 6), "contribution", "fiscal:x", b, 12_000)
	two(day(2025, 1, 7), "contribution_refund", a, bank, 1_000)
	two(day(2025, 1, 8), "contribution", b, a, 500) // b pays contributions for others
	two(day(2025, 2, 1), "settlement", a, "payable:p", 24_000)
	two(day(2025, 2, 28), "reversal", "payable:p", a, 4_000)
	two(day(2025, 3, 31), "allotment", a, "acct:1", 2_000)
	two(day(2025, 3, 31), "settlement", "fund:y:a", "payable:p", 9_999) // another region
	two(day(2025, 12, 31), "settlement", a, "payable:p", 2_000)

	r := run(t, d, fund.Period{From: 20250101, To: 20251231}, 20260301)
	if want := (fund.Line{Fund: "a", Opening: 100_000, Sums: fund.Sums{Income: 29_500, Payment: 24_000}, Closing: 105_500}); len(r.Funds) != 2 || r.Funds[0] != want {
		t.Errorf("a: %+v, want %+v", r.Funds, want)
	}
	if want := (fund.Line{Fund: "b", Sums: fund.Sums{Income: 12_000, Payment: 500}, Closing: 11_500}); r.Funds[1] != want {
		t.Errorf("b: %+v, want %+v", r.Funds[1], want)
	}
	if r.Fiscal != 12_000 || r.Total.Closing != 117_000 || r.Total.Surplus() != 17_000 {
		t.Errorf("fiscal %s, total %+v", r.Fiscal, r.Total)
	}
	if len(r.Months) != 12 || r.Months[1].Month != 20250201 || r.Months[1].Payment != 20_000 || r.Months[0].Closing != 141_000 || r.Months[11].Closing != 117_000 {
		t.Errorf("months %+v", r.Months)
	}
	var kinds []string
	for _, k := range r.Kinds {
		kinds = append(kinds, fmt.Sprint(k.Kind, " ", k.Income, " ", k.Payment))
	}
	if got := strings.Join(kinds, "; "); got != "allotment 0.00 20.00; contribution 425.00 5.00; contribution_refund -10.00 0.00; reversal 0.00 -40.00; settlement 0.00 260.00" {
		t.Errorf("kinds %s", got)
	}
	// 24 500 in twelve months: 2 041 a month; 117 000 are 57.3 months.
	if c := r.Cover; c.Unknown != "" || c.Average != 2_041 || c.Tenths != 573 || c.From != 20250101 || c.To != 20251231 {
		t.Errorf("cover %+v", c)
	}

	// A month, in which a half of the ledger stands before.
	r = run(t, d, fund.Period{From: 20250201, To: 20250228}, 20250215)
	if l := r.Funds[0]; l.Opening != 129_500 || l.Payment != 20_000 || l.Closing != 109_500 || r.Months[11].Month != 20250201 || r.Months[0].Month != 20240301 {
		t.Errorf("February: %+v, %+v", l, r.Months)
	}
	if !strings.Contains(r.Cover.Unknown, "2024-12-01") {
		t.Errorf("cover of two months is known: %+v", r.Cover)
	}

	for name, x := range map[string]struct {
		post func()
		want string
	}{
		"nothing paid": {func() { two(day(2024, 1, 1), "contribution", "bank:z", "fund:z:a", 5) }, "没有支出"},
		"below zero":   {func() { two(day(2025, 5, 1), "settlement", "fund:z:a", "payable:p", 5_000) }, "结余为负"},
	} {
		t.Run(name, func(t *testing.T) {
			d = dbtest.Open(t)
			two(day(2024, 1, 1), "opening", "opening:z", "fund:z:a", 5)
			x.post()
			view(t, d, func(ctx context.Context, tx *db.Tx) error {
				r, err := fund.Run(ctx, tx, "z", fund.Period{From: 20250101, To: 20251231}, 20260301)
				if err == nil && !strings.Contains(r.Cover.Unknown, x.want) {
					t.Errorf("%+v", r.Cover)
				}
				return err
			})
		})
	}
	d = dbtest.Open(t)
	if r := run(t, d, fund.Period{From: 20250101, To: 20251231}, 20250301); r.Cover.Unknown != "还没有基金分录" || len(r.Funds) != 0 || len(r.Months) != 12 {
		t.Errorf("empty: %+v", r)
	}
}

// TestLeaf: the leaves of an account, put together, are its statement, and a report
// agrees with the balances, whatever months are closed.
func TestLeaf(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 90 {
		amount := money.Fen(r.IntN(10_000) - 3_000)
		enter(t, d, day(2025, time.Month(1+i/30), 1+r.IntN(28)), "settlement", fund.Posting{Account: "fund:x:a", Amount: -amount},
			fund.Posting{Account: "payable:p", Amount: amount - 1}, fund.Posting{Account: "payable:p", Amount: 1})
	}
	check := func() {
		view(t, d, func(ctx context.Context, tx *db.Tx) error {
			p := fund.Period{From: 20250120, To: 20250310}
			for _, account := range []string{"fund:x:a", "payable:p"} {
				whole, err := fund.Statement(ctx, tx, account, p)
				if err != nil {
					return err
				}
				var got []fund.Movement
				for offset := 0; ; offset += 7 {
					l, err := fund.Leaf(ctx, tx, account, p, offset, 7)
					if err != nil {
						return err
					}
					got = append(got, l.Movements...)
					if l.Before != whole.Opening || l.After != whole.Closing || l.Count != len(whole.Movements) || l.Before+l.In-l.Out != l.After {
						t.Errorf("%s from %d: %+v", account, offset, l)
					}
					if !l.Following {
						break
					}
				}
				if len(got) != len(whole.Movements) {
					t.Fatalf("%s: %d movements, want %d", account, len(got), len(whole.Movements))
				}
				for i := range got {
					if got[i].Balance-got[i].Amount != whole.Opening && (i == 0 || got[i].Balance-got[i].Amount != got[i-1].Balance) {
						t.Errorf("%s: movement %d is %+v after %+v", account, i, got[i], got[max(i-1, 0)])
					}
				}
				if n := len(got); got[n-1].Balance != whole.Closing {
					t.Errorf("%s ends with %s, want %s", account, got[n-1].Balance, whole.Closing)
				}
			}
			report, err := fund.Run(ctx, tx, "x", fund.Period{From: 20250201, To: 20250228}, 20250401)
			if err != nil {
				return err
			}
			for on, got := range map[civil.Date]money.Fen{20250131: report.Total.Opening, 20250228: report.Total.Closing} {
				s, err := fund.Statement(ctx, tx, "fund:x:a", fund.Period{To: on})
				if err != nil || s.Closing != got {
					t.Errorf("on %s: %s, want %s, %v", on, got, s.Closing, err)
				}
			}
			regions, err := fund.Regions(ctx, tx)
			if err != nil || fmt.Sprint(regions) != "[x]" {
				t.Errorf("regions %v, %v", regions, err)
			}
			return nil
		})
	}
	check()
	for m := range 2 {
		if err := d.Update(ctx, func(tx *db.Tx) error {
			month := civil.Date(20250101 + 100*m)
			if err := fund.AskClose(ctx, tx, month, day(2025, 4, 1), "a"); err != nil {
				return err
			}
			return fund.ConfirmClose(ctx, tx, month, day(2025, 4, 1), "b")
		}); err != nil {
			t.Fatal(err)
		}
		check()
	}
	view(t, d, func(ctx context.Context, tx *db.Tx) error {
		s, err := fund.Statement(ctx, tx, "payable:p", fund.Period{From: 20250101, To: 20250101})
		if err != nil || len(s.Movements) == 0 {
			return err
		}
		e, ok, err := fund.GetEntry(ctx, tx, s.Movements[0].Entry)
		if err != nil || !ok || e.Kind != "settlement" || len(e.Postings) < 2 {
			t.Errorf("entry %+v, %t, %v", e, ok, err)
		}
		_, ok, err = fund.GetEntry(ctx, tx, 1)
		if ok {
			t.Error("entry 1 is there")
		}
		return err
	})
}

// TestClosing: one asks, another confirms.
func TestClosing(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	enter(t, d, day(2025, 1, 10), "opening", fund.Posting{Account: "fund:x:a", Amount: 5}, fund.Posting{Account: "opening:x", Amount: -5})
	now := day(2025, 3, 2)
	do := func(f func(context.Context, *db.Tx, civil.Date, time.Time, string) error, month civil.Date, by, want string) {
		t.Helper()
		err := d.Update(ctx, func(tx *db.Tx) error { return f(ctx, tx, month, now, by) })
		var refused *fund.Error
		if want == "" && err != nil || want != "" && (!errors.As(err, &refused) || !strings.Contains(refused.Want, want)) {
			t.Errorf("%s by %q: %v, want %q", month, by, err, want)
		}
	}
	next := func(want civil.Date) {
		t.Helper()
		view(t, d, func(ctx context.Context, tx *db.Tx) error {
			got, err := fund.NextClose(ctx, tx)
			if got != want {
				t.Errorf("next is %s, want %s", got, want)
			}
			return err
		})
	}
	next(20250101)
	do(fund.ConfirmClose, 20250115, "a", "没有人申请")
	do(fund.AskClose, 20250115, "", "须写明办理人")
	do(fund.AskClose, 20250301, "a", "尚未结束")
	do(fund.AskClose, 20250201, "a", "请按月依次结账")
	do(fund.AskClose, 20250115, "a", "")
	do(fund.AskClose, 20250101, "b", "a 已申请结账")
	do(fund.ConfirmClose, 20250115, "a", "不能确认自己的申请")
	do(fund.ConfirmClose, 20250115, "", "须写明办理人")
	do(fund.DropClose, 20250115, "b", "")
	do(fund.DropClose, 20250115, "b", "没有人申请")
	do(fund.AskClose, 20250115, "b", "")
	do(fund.ConfirmClose, 20250115, "a", "")
	do(fund.AskClose, 20250115, "a", "已经结账")
	do(fund.AskClose, 20250215, "a", "")
	next(20250201)
	view(t, d, func(ctx context.Context, tx *db.Tx) error {
		all, err := fund.Closings(ctx, tx, 10)
		if err != nil || len(all) != 2 || all[0].Month != 20250201 || all[0].By != "" || all[0].AskedBy != "a" || !all[0].AskedAt.Equal(now) ||
			all[1].Month != 20250101 || all[1].By != "a" || all[1].AskedBy != "b" || !all[1].At.Equal(now) {
			t.Errorf("closings %+v, %v", all, err)
		}
		return nil
	})
}

func TestNames(t *testing.T) {
	for account, want := range map[string]string{
		fund.FundAccount("990100", "pooled"): "990100 基金 pooled", fund.Payable("H1"): " 应付定点机构 ", fund.PersonAccount("p"): " 个人账户 ",
		fund.Receivable("1", "2"): "1 应收异地清算款 2", fund.Owed("1", "2"): "1 应付异地清算款 2", fund.Bank("1"): "1 银行存款 ", fund.Fiscal("1"): "1 财政应拨补助 ",
		fund.Held("1"): "1 暂收款 ", fund.Moved("1", "2"): "1 转出的个人账户 2", fund.Opening("1"): "1 期初转入 ", "nonsense": "", "fund:": "", "x:1": "",
	} {
		n, ok := fund.ParseName(account)
		got := ""
		if ok {
			got = n.Region() + " " + n.Kind.Title() + " " + n.Rest
		}
		if got != want {
			t.Errorf("%s: %q, want %q", account, got, want)
		}
	}
}
