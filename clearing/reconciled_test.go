package clearing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// TestByProvider holds the sums by provider, which the store adds up, against those
// that are added up row by row.
func TestByProvider(t *testing.T) {
	w := open(t)
	r := rand.New(rand.NewPCG(5, 6))
	for range 30 {
		w.update(func(tx *db.Tx) error {
			w.now = w.now.Add(time.Duration(r.IntN(72)) * time.Hour)
			w.random(tx, r)
			return nil
		})
		if r.IntN(4) == 0 {
			w.reverse(r.IntN(len(w.made)))
		}
	}
	w.now = time.Date(2025, 8, 31, 23, 59, 59, 999, china) // the last moment counts
	w.update(func(tx *db.Tx) error { w.settle(tx, 0, city, policy.Outpatient, 300); return nil })
	w.view(func(tx *db.Tx) error {
		found := 0
		for _, month := range []clearing.Month{202506, 202507, 202508} {
			for _, region := range []string{"990100", "990200", "500000"} {
				all, err := clearing.ByProvider(w.ctx, tx, region, month.Period())
				w.must(err)
				for _, s := range all {
					want, err := clearing.Sum(w.ctx, tx, clearing.Scope{Provider: s.Code, Period: month.Period()})
					w.must(err)
					if s.Totals != want {
						t.Errorf("%s in %s: %+v, want %+v", s.Code, month, s.Totals, want)
					}
					found += s.Count
				}
			}
		}
		if found != len(w.made) {
			t.Errorf("%d settlements are in the sums, %d were made", found, len(w.made))
		}
		months, err := clearing.Months(w.ctx, tx, "990100", 20250910, 12)
		if err != nil || fmt.Sprint(months) != "[2025-09 2025-08 2025-07 2025-06]" {
			t.Errorf("months %v, %v", months, err)
		}
		none, err := clearing.Months(w.ctx, tx, "000001", 20250910, 12)
		if err != nil || fmt.Sprint(none) != "[2025-09]" {
			t.Errorf("months of nowhere %v, %v", none, err)
		}
		return nil
	})
}

func TestReconciled(t *testing.T) {
	w := open(t)
	june := clearing.Month(202506).Period()
	scope := clearing.Scope{Schemes: []policy.Scheme{policy.Employee}, Kinds: []policy.VisitKind{policy.Inpatient}, Side: clearing.Reversals}
	kept := clearing.Reconciled{Provider: city, Period: june, Details: true, Scope: scope.Words(), At: w.now, Actor: city + "/1", Stated: 7, Differ: 2, Says: "不平 2", File: "F1"}
	w.update(func(tx *db.Tx) error {
		w.must(clearing.Keep(w.ctx, tx, clearing.Reconciled{Provider: county, Period: june, At: w.now}))
		w.must(clearing.Keep(w.ctx, tx, clearing.Reconciled{Provider: city, Period: clearing.Period{From: 20250501, To: 20250531}, At: w.now}))
		return clearing.Keep(w.ctx, tx, kept)
	})
	w.view(func(tx *db.Tx) error {
		for name, x := range map[string]struct {
			region, code string
			period       clearing.Period
			want         int
		}{"region": {"990100", "", june, 1}, "provider": {"", city, june, 1}, "overlap": {"990100", "", clearing.Period{From: 20250531, To: 20250601}, 2}, "other": {"990200", "", june, 1}, "never": {"990100", "", clearing.Period{From: 20250701, To: 20250731}, 0}} {
			all, err := clearing.Reconciliations(w.ctx, tx, x.region, x.code, x.period, 10)
			if err != nil || len(all) != x.want {
				t.Errorf("%s: %+v, %v", name, all, err)
			}
			if name == "region" && len(all) == 1 {
				if !all[0].At.Equal(kept.At) || all[0].Scope != "职工、住院、只含退费" {
					t.Errorf("%+v", all[0])
				}
			}
		}
		return nil
	})
}
