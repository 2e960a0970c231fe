package bill_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// draw makes a result that keeps the identities of policy.Result and nothing
// else: funds may pay for what is outside the scope, in any mixture.
func draw(t *rapid.T) *policy.Result {
	amount := rapid.OneOf(rapid.Just(money.Fen(0)), rapid.Custom(func(t *rapid.T) money.Fen {
		return money.Fen(rapid.Int64Range(1, 1000).Draw(t, "fen"))
	}), rapid.Custom(func(t *rapid.T) money.Fen {
		return money.Fen(rapid.Int64Range(0, int64(money.Max)/4).Draw(t, "much"))
	}))
	upTo := func(name string, top money.Fen) money.Fen {
		return money.Fen(rapid.OneOf(rapid.Just(int64(0)), rapid.Just(int64(top)), rapid.Int64Range(0, int64(top))).Draw(t, name))
	}
	r := &policy.Result{
		FullOwnPay: amount.Draw(t, "full"), OverCeiling: amount.Draw(t, "over"),
		FirstOwnPay: amount.Draw(t, "first"), InScope: amount.Draw(t, "scope"),
		Refused: rapid.Bool().Draw(t, "refused"),
	}
	r.Total = r.FullOwnPay + r.OverCeiling + r.FirstOwnPay + r.InScope
	left := r.Total
	if !r.Refused {
		r.Deductible = upTo("deductible", r.InScope)
		stages := []*policy.Stage{basicStage, catastrophicStage, assistanceStage, basicStage}
		funds := []*policy.Fund{basicFund, catastrophicFund, assistanceFund, basicFund}
		r.NumStages = rapid.IntRange(0, len(stages)).Draw(t, "stages")
		for i := range r.NumStages {
			paid := upTo("paid", left)
			left -= paid
			r.StagePays[i] = policy.StagePay{Stage: stages[i], Fund: funds[i], Paid: paid}
			r.Fund[funds[i].Category] += paid
			r.FundTotal += paid
		}
		if rapid.Bool().Draw(t, "stageless") { // funds known by category only
			r.NumStages = 0
		}
		r.Hospital = upTo("hospital", left)
	}
	r.Person = left - r.Hospital
	r.Account = upTo("account", r.Person)
	r.Cash = r.Person - r.Account
	return r
}

func TestWaterfallAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := draw(t)
		b := bill.New(bill.Chinese, &policy.Case{Region: "990100"}, r, nil)
		var level, funds, borne, hospital, paid money.Fen
		second := false // past the person's part
		for i, bar := range b.Bars {
			if bar.From != level {
				t.Fatalf("bar %d %s starts at %s where the last ended at %s", i, bar.ID, bar.From, level)
			}
			level = bar.To
			if bar.To < 0 || bar.Amount < 0 {
				t.Fatalf("bar %d %s is below nothing: %+v", i, bar.ID, bar)
			}
			switch {
			case bar.Kind == bill.Sum:
				second = bar.ID == "person"
				if bar.To != bar.Amount {
					t.Fatalf("level %s says %s and stands at %s", bar.ID, bar.Amount, bar.To)
				}
				continue
			case bar.From-bar.To != bar.Amount:
				t.Fatalf("bar %d %s says %s and falls %s", i, bar.ID, bar.Amount, bar.From-bar.To)
			case second:
				paid += bar.Amount
			case bar.Kind == bill.ByYou:
				borne += bar.Amount
			case bar.Kind == bill.ByFund:
				funds += bar.Amount
			default:
				hospital += bar.Amount
			}
		}
		if level != 0 {
			t.Fatalf("the last bar ends at %s", level)
		}
		if funds != r.FundTotal || borne != r.Person || hospital != r.Hospital || paid != r.Person {
			t.Fatalf("funds %s of %s, borne %s and paid %s of %s, hospital %s of %s",
				funds, r.FundTotal, borne, paid, r.Person, hospital, r.Hospital)
		}
		if funds+borne+hospital != r.Total {
			t.Fatalf("the parts sum to %s, not %s", funds+borne+hospital, r.Total)
		}
		var section money.Fen
		for _, s := range b.Sections {
			if s.ID == "person" {
				for _, l := range s.Lines {
					section += l.Amount
				}
			}
		}
		if section != r.Person {
			t.Fatalf("the person's part lists %s of %s", section, r.Person)
		}
		if text := bill.Text(b, 80); !strings.Contains(text, r.Total.Grouped()) {
			t.Fatalf("the text does not name the total %s:\n%s", r.Total.Grouped(), text)
		}
		bill.SVG(b, "w")
	})
}
