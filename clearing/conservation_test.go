package clearing_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// sound proves the ledger and the audit record.
func (w *world) sound() {
	w.Helper()
	w.view(func(tx *db.Tx) error {
		var sum int64
		if err := tx.QueryRow(w.ctx, `SELECT SUM(amount) FROM posting`).Scan(&sum); err != nil || sum != 0 {
			w.Errorf("the ledger sums to %s, %v", money.Fen(sum), err)
		}
		return errors.Join(fund.Verify(w.ctx, tx), audit.Verify(w.ctx, tx))
	})
}

// TestConservation plays random histories of settlements, reversals,
// applications, approvals, payments and withdrawals over months, and holds the
// ledger and the sheets against the test's own count.
func TestConservation(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { conserved(t, rand.New(rand.NewPCG(seed, 3203))) })
	}
}

type pair struct{ care, insured string }

func conserved(t *testing.T, r *rand.Rand) {
	w := open(t)
	paid := map[string]money.Fen{} // by provider
	bank := map[string]money.Fen{}
	claims := map[pair]money.Fen{}
	care := map[string]string{city: "990100", county: "990200", away: "500000"}
	live := map[string]clearing.State{}
	act := clearing.Act{By: "a"}
	payments, reversals := 0, 0
	for range 150 {
		w.now = w.now.Add(time.Duration(1+r.IntN(60)) * time.Hour)
		act.At = w.now
		do := r.IntN(8)
		if do == 3 {
			if i := r.IntN(len(w.made) + 1); i < len(w.made) && !w.made[i].Reversal && !w.made[i].reversed && w.reverse(i) {
				reversals++
			}
			continue
		}
		w.update(func(tx *db.Tx) error {
			switch do {
			case 0, 1, 2:
				w.random(tx, r)
			case 4:
				p := []string{city, county, away}[r.IntN(3)]
				m := clearing.MonthOf(civil.Of(w.now).AddMonths(-r.IntN(3)))
				var sheet *clearing.Sheet
				sheet, err := clearing.MonthlySheet(w.ctx, tx, p, m)
				w.must(err)
				kinds := []policy.VisitKind{[]policy.VisitKind{policy.Outpatient, policy.Emergency, policy.Inpatient}[r.IntN(3)]}
				var sum clearing.Totals
				for _, part := range sheet.Parts {
					if part.Kind == kinds[0] {
						sum.Add(part.Totals)
					}
				}
				a, err := clearing.Apply(w.ctx, tx, clearing.ApplyRequest{Provider: p, Month: m, Kinds: kinds, At: w.now, Actor: "hospital",
					Stated: []clearing.Amount{{Figure: clearing.Fund, Value: int64(sum.Fund)}, {Figure: clearing.InScope, Value: int64(sum.InScope)}}})
				if err == nil {
					live[a.ID] = clearing.Filed
				} else if n := names(err); n != "month" && n != "kinds" {
					t.Fatal(err)
				}
			default:
				if len(live) == 0 {
					return nil
				}
				id := slices.Min(slices.Collect(maps.Keys(live)))
				if live[id] == clearing.Filed && r.IntN(5) == 0 {
					delete(live, id)
					_, err := clearing.Withdraw(w.ctx, tx, id, "退回", act)
					return err
				}
				if live[id] == clearing.Filed {
					live[id] = clearing.Approved
					_, err := clearing.Approve(w.ctx, tx, id, act)
					return err
				}
				delete(live, id)
				a, err := clearing.Pay(w.ctx, tx, id, clearing.Act{At: w.now, By: "b"})
				w.must(err)
				payments++
				paid[a.Provider] += a.Total.Due()
				bank[care[a.Provider]] += a.Total.Due()
				for i := range w.made {
					m := &w.made[i]
					if m.provider == a.Provider && clearing.MonthOf(civil.Of(m.at)) == a.Month && m.kind == a.Kinds[0] && m.care != m.insured {
						claims[pair{m.care, m.insured}] += m.Fund + m.Account
					}
				}
			}
			return nil
		})
	}
	if payments == 0 {
		t.Error("nothing was paid")
	}
	owed := map[string]money.Fen{}
	for i := range w.made {
		owed[w.made[i].provider] += w.made[i].Fund + w.made[i].Account
	}
	for p, region := range care {
		if got := w.balance(fund.Payable(p)); got != owed[p]-paid[p] {
			t.Errorf("%s is owed %s, settled is %s and paid %s", p, got, owed[p], paid[p])
		}
		if got := w.balance(fund.Bank(region)); got != bank[region] {
			t.Errorf("the bank of %s is %s, paid was %s", region, got, bank[region])
		}
		for _, other := range care {
			got := w.balance(fund.Receivable(region, other))
			if got != -claims[pair{region, other}] || got != -w.balance(fund.Owed(other, region)) {
				t.Errorf("%s claims %s of %s, paid for it was %s", region, -got, other, claims[pair{region, other}])
			}
		}
	}
	w.sheets(claims)
	w.sound()
}

// sheets holds the sheets of all months against the settlements made.
func (w *world) sheets(claims map[pair]money.Fen) {
	w.Helper()
	w.view(func(tx *db.Tx) error {
		months := map[clearing.Month]bool{}
		for i := range w.made {
			months[clearing.MonthOf(civil.Of(w.made[i].at))] = true
		}
		claimed := map[pair]money.Fen{}
		for m := range months {
			for _, p := range []string{city, county, away} {
				s, err := clearing.MonthlySheet(w.ctx, tx, p, m)
				if err != nil {
					return err
				}
				var want clearing.Totals
				for i := range w.made {
					if x := &w.made[i]; x.provider == p && clearing.MonthOf(civil.Of(x.at)) == m {
						want.Add(x.totals())
					}
				}
				if s.Total != want {
					w.Errorf("%s %s: %+v, want %+v", p, m, s.Total, want)
				}
				for _, part := range s.Parts {
					var funds money.Fen
					for _, f := range part.Funds {
						funds += f.Amount
					}
					if funds != part.Fund || part.Total != part.Due()+part.Cash+part.Hospital {
						w.Errorf("%s %s: funds %s of %+v", p, m, funds, part)
					}
				}
			}
			s, err := clearing.BetweenRegions(w.ctx, tx, m)
			if err != nil {
				return err
			}
			var want, flows clearing.Totals
			for i := range w.made {
				if x := &w.made[i]; x.care != x.insured && clearing.MonthOf(civil.Of(x.at)) == m {
					want.Add(x.totals())
				}
			}
			for _, f := range s.Flows {
				flows.Add(f.Totals)
				claimed[pair{f.Care, f.Insured}] += f.Paid
			}
			var in, out, net money.Fen
			for _, p := range s.Positions {
				in, out, net = in+p.Claims, out+p.Owes, net+p.Net
			}
			if s.Total != want || flows != want || in != want.Due() || out != want.Due() || net != 0 {
				w.Errorf("between regions in %s: %+v, claims %s, owed %s, net %s, want %+v", m, s.Total, in, out, net, want)
			}
		}
		for k := range claimed {
			if claimed[k] != claims[k] {
				w.Errorf("%v: the sheets say that %s was paid, paid was %s", k, claimed[k], claims[k])
			}
		}
		return nil
	})
}
