package settlement_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

const zhangAn = "990100198503120014"

func (w *world) reverse(id, provider string) (done *settlement.Reversal) {
	w.Helper()
	w.must(w.update(func(tx *db.Tx) (err error) {
		done, err = w.service.Reverse(w.ctx, tx, settlement.ReverseRequest{Settlement: id, Provider: provider, Actor: "test"})
		return err
	}))
	return done
}

// TestReplayKeepsPlaces reverses the first of three settlements: the second
// comes out otherwise, the third, which rests on the second, does not.
func TestReplayKeepsPlaces(t *testing.T) {
	w := worldOf(t, packagesWith(t, "990100", "later: refuse", "later: replay"))
	const hospital = "H99010000101"
	one := w.settle(w.visit(zhangAn, hospital, policy.Employee, policy.Inpatient, fee("1", "SVC990000001", 2000)))
	two := w.settle(w.visit(zhangAn, hospital, policy.Employee, policy.Inpatient, fee("1", "SVC990000001", 2000)))
	three := w.settle(w.visit(zhangAn, hospital, policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 100)))
	if one.Result.Deductible != 80000 || two.Result.Deductible != 40000 || three.Result.Deductible != 0 {
		t.Fatalf("deductibles %s, %s, %s", one.Result.Deductible, two.Result.Deductible, three.Result.Deductible)
	}
	done := w.reverse(one.ID, hospital)
	if len(done.Adjusted) != 1 || done.Adjusted[0].Old.ID != two.ID || done.Adjusted[0].New.Result.Deductible != 80000 {
		t.Fatalf("made again: %+v", done.Adjusted)
	}
	again := done.Adjusted[0].New
	if again.Replaces != two.ID || again.Invoice != two.Invoice || len(again.Steps) == 0 || again.Visit.ID != two.Visit.ID {
		t.Errorf("in its place: %+v", again)
	}
	w.verify()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		for id, want := range map[string]string{one.ID: "", two.ID: again.ID, three.ID: three.ID} {
			standing, ok, err := settlement.Standing(w.ctx, tx, id)
			if err != nil || ok != (want != "") || standing != want {
				t.Errorf("%s stands as %q, %t, %v; want %q", id, standing, ok, err, want)
			}
		}
		return nil
	}))
	// Without the second, the third bears the deductible of the year.
	done = w.reverse(again.ID, hospital)
	if len(done.Adjusted) != 1 || done.Adjusted[0].Old.ID != three.ID || done.Adjusted[0].New.Result.Deductible != 10000 {
		t.Fatalf("made again: %+v", done.Adjusted)
	}
	w.reverse(done.Adjusted[0].New.ID, hospital)
	w.verify()
	if b := w.balance(fund.PersonAccount(one.Person.ID)); b != 123456 {
		t.Errorf("the account holds %s after all is reversed", b)
	}
}

// TestReverseFailureLeavesNothing makes every write of a reversal that replays
// fail in turn.
func TestReverseFailureLeavesNothing(t *testing.T) {
	w := worldOf(t, packagesWith(t, "990100", "later: refuse", "later: replay"))
	const hospital = "H99010000101"
	one := w.settle(w.visit(zhangAn, hospital, policy.Employee, policy.Inpatient, fee("1", "SVC990000001", 2000)))
	w.settle(w.visit(zhangAn, hospital, policy.Employee, policy.Inpatient, fee("1", "SVC990000001", 2000)))
	state := func() (s string) {
		w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
			s = ""
			for _, query := range []string{`SELECT COUNT(*) FROM settlement`, `SELECT COUNT(*) FROM reversed_fee`, `SELECT COUNT(*) FROM posting`, `SELECT COUNT(*) FROM audit`,
				`SELECT COUNT(*) FROM settled`, `SELECT SUM(LENGTH(amounts)) FROM year_sum`, `SELECT SUM(closed) FROM visit`} {
				var n int64
				if err := tx.QueryRow(w.ctx, query).Scan(&n); err != nil {
					return err
				}
				s += fmt.Sprint(n, " ")
			}
			return nil
		}))
		return s
	}
	before, boom := state(), errors.New("disk full")
	for n := 0; ; n++ {
		count := 0
		ctx := db.WithFailure(w.ctx, func(string) error {
			if count++; count > n {
				return boom
			}
			return nil
		})
		err := w.db.Update(ctx, func(tx *db.Tx) error {
			_, err := w.service.Reverse(ctx, tx, settlement.ReverseRequest{Settlement: one.ID, Provider: hospital, Actor: "test"})
			return err
		})
		if err == nil {
			if n < 20 {
				t.Errorf("only %d writes", n)
			}
			break
		}
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if after := state(); after != before {
			t.Fatalf("a failure of write %d left %s, before %s", n, after, before)
		}
	}
	w.verify()
}

// TestVerifyFindsReversals tampers with what a reversal wrote.
func TestVerifyFindsReversals(t *testing.T) {
	w := open(t)
	q := guo(w)
	st := w.settle(q)
	w.reverse(st.ID, "H99020000101")
	w.settle(q)
	w.verify()
	undo := errors.New("undo")
	for name, x := range map[string]struct{ query, want string }{
		"amount":         {`UPDATE settlement SET cash = cash + 1 WHERE reverses <> ''`, "not the opposite"},
		"answer":         {`document|WHERE reverses <> ''|"basic":"-6560.00"|"basic":"-6560.01"`, "its basic is not the opposite"},
		"sums":           {`document|WHERE reverses <> ''|"in_scope":"0.00"|"in_scope":"1.00"`, "moved the sums"},
		"stage":          {`document|WHERE reverses <> ''|"paid":-|"paid":`, "stage 1"},
		"line":           {`document|WHERE reverses <> ''|["1",0,0,0,-|["1",0,0,0,`, "line 1"},
		"fee kept aside": {`UPDATE reversed_fee SET amount = amount + 1 WHERE serial = '1'`, "its fees sum to"},
		"another's":      {`UPDATE settlement SET reverses = 'S0' WHERE reverses <> ''`, ""},
		"unreversed":     {`UPDATE settlement SET reverses = '' WHERE reverses <> ''`, ""},
	} {
		err := w.update(func(tx *db.Tx) error {
			if n, err := w.tamper(tx, x.query); err != nil || n == 0 {
				t.Errorf("%s: nothing was changed, %v", name, err)
			}
			if err := w.service.Verify(w.ctx, tx); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s: %v, want %s", name, err, x.want)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNewYear settles a stay that goes on over New Year, whole and in parts,
// under each rule that a package may have.
func TestNewYear(t *testing.T) {
	const hospital = "H99010000101"
	rule := func(name string) *policy.Store {
		return packagesWith(t, "990100", "reversal:\n", "year_crossing: {rule: "+name+", source: {document: 示例办法, article: 第五条}}\nreversal:\n")
	}
	shipped, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	// The stay's fees in scope are 500 before and 3000 after New Year; the
	// deductible is 800 once, the ratio 85 %.
	type sums struct{ deductible, inScope, basic money.Fen }
	for _, x := range []struct {
		name     string
		store    *policy.Store
		old, new sums      // of 2025 and 2026
		parts    sums      // of 2025 when the part before New Year is settled in it
		next     money.Fen // deductible of another stay of 2026
	}{
		{"by_end", shipped, sums{}, sums{80000, 350000, 229500}, sums{50000, 50000, 0}, 40000},
		{"split", rule("split"), sums{50000, 50000, 0}, sums{30000, 300000, 229500}, sums{50000, 50000, 0}, 80000},
		{"split_continue", rule("split_continue"), sums{50000, 50000, 0}, sums{30000, 300000, 229500}, sums{50000, 50000, 0}, 40000},
	} {
		for _, mid := range []civil.Date{0, 20251231, 20260106} {
			t.Run(fmt.Sprint(x.name, " ", mid), func(t *testing.T) {
				w := worldOf(t, x.store)
				now := time.Date(2026, 1, 10, 12, 0, 0, 0, china)
				w.service = settlement.New(x.store, w.register, func() time.Time { return now })
				q := w.stay(hospital, 20251220, at(20251222, "1", 500), at(20260105, "2", 3000))
				var made []*settlement.Settlement
				if mid != 0 {
					part := q
					part.MidStay, part.Discharged = true, mid
					if mid == 20251231 {
						part.Total = 50000
					}
					st := w.settle(part)
					made = append(made, st)
					q.Total -= st.Result.Total
				}
				if q.Total == 0 { // all was settled in the part
					w.must(w.update(func(tx *db.Tx) error {
						_, err := w.service.AddFees(w.ctx, tx, q.Visit, hospital, []settlement.Fee{at(20260107, "3", 100)}, "test")
						return err
					}))
					q.Total = 10000
				}
				q.Discharged = 20260108
				made = append(made, w.settle(q))

				first, second := x.old, x.new
				switch mid {
				case 20251231:
					first = x.parts
					second = sums{x.old.deductible + x.new.deductible - first.deductible, x.old.inScope + x.new.inScope - first.inScope, 229500}
				case 20260106: // and 100 more
					second.inScope += 10000
					second.basic += 8500
				}
				for year, want := range map[int]sums{20250101: first, 20260101: second} {
					got := sums{w.yearSum(year, "deductible"), w.yearSum(year, "in_scope"), w.yearSum(year, "basic_fund")}
					if got != want {
						t.Errorf("the sums of %d are %v, want %v", year, got, want)
					}
				}
				w.verify()

				next := w.settle(w.stay(hospital, 20260109, at(20260109, "1", 5000)))
				if next.Result.Deductible != x.next {
					t.Errorf("the next stay bears %s, want %s", next.Result.Deductible, x.next)
				}
				w.verify()
				w.reverse(next.ID, hospital)
				for i := len(made) - 1; i >= 0; i-- {
					w.reverse(made[i].ID, hospital)
					w.verify()
				}
				for _, year := range []int{20250101, 20260101} {
					for _, name := range []string{"deductible", "in_scope", "basic_fund", "catastrophic_base"} {
						if left := w.yearSum(year, name); left != 0 {
							t.Errorf("%s of %s is left in %d", left, name, year)
						}
					}
				}
			})
		}
	}
}

// at is a fee of a day.
func at(day civil.Date, serial string, yuan int64) settlement.Fee {
	f := fee(serial, "SVC990000001", yuan)
	f.Time = time.Date(day.Year(), time.Month(day.Month()), day.Day(), 9, 0, 0, 0, china)
	return f
}

// stay admits 张安 with the fees, and returns the request that settles them.
func (w *world) stay(provider string, admitted civil.Date, fees ...settlement.Fee) settlement.SettleRequest {
	w.Helper()
	q := settlement.SettleRequest{Person: w.person(zhangAn).ID, Provider: provider, Actor: "test"}
	w.must(w.update(func(tx *db.Tx) error {
		v, err := w.service.Open(w.ctx, tx, settlement.OpenRequest{Person: q.Person, Provider: provider, Kind: policy.Inpatient, Number: "1",
			Begun: time.Date(admitted.Year(), time.Month(admitted.Month()), admitted.Day(), 8, 0, 0, 0, china), Actor: "test"})
		if err != nil {
			return err
		}
		q.Visit, q.Total = v.ID, 0
		for _, f := range fees {
			q.Total += f.Amount
		}
		_, err = w.service.AddFees(w.ctx, tx, v.ID, provider, fees, "test")
		return err
	}))
	return q
}

func (w *world) yearSum(year int, name string) (amount money.Fen) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		amount = 0
		return tx.Each(w.ctx, func(rows *db.Rows) error {
			var stored string
			all := map[string]int64{}
			if err := rows.Scan(&stored); err != nil {
				return err
			}
			err := json.Unmarshal([]byte(stored), &all)
			amount += money.Fen(all[name])
			return err
		}, `SELECT amounts FROM year_sum WHERE year_start = ?`, year)
	}))
	return amount
}

// TestReversedTwiceAtOnce lets two reversals of one settlement race.
func TestReversedTwiceAtOnce(t *testing.T) {
	w := open(t)
	st := w.settle(guo(w))
	errs, person := make(chan error), w.person(demo.Guo).ID
	for range 2 {
		go func() {
			errs <- w.update(func(tx *db.Tx) error {
				_, err := w.service.Reverse(w.ctx, tx, settlement.ReverseRequest{Settlement: st.ID, Provider: "H99020000101", Person: person, Actor: "test"})
				return err
			})
		}()
	}
	refused := 0
	for range 2 {
		var e *settlement.Error
		switch err := <-errs; {
		case errors.As(err, &e) && e.Field == "settlement":
			refused++
		case err != nil:
			t.Error(err)
		}
	}
	if refused != 1 {
		t.Errorf("%d of two were refused", refused)
	}
	w.verify()
}
