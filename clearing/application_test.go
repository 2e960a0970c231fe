package clearing_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

func names(err error) string {
	var e *settlement.Error
	if errors.As(err, &e) {
		return e.Field
	}
	return fmt.Sprint(err)
}

// TestApplication follows one application through its states.
func TestApplication(t *testing.T) {
	w := open(t)
	june := clearing.Month(202506)
	w.update(func(tx *db.Tx) error {
		w.now = w.now.Add(24 * time.Hour)
		w.settle(tx, 1, city, policy.Outpatient, 1000)
		w.settle(tx, 2, city, policy.Inpatient, 9000)
		w.settle(tx, 5, city, policy.Inpatient, 8000) // insured in 990200
		return nil
	})
	stays, visits := []policy.VisitKind{policy.Inpatient}, []policy.VisitKind{policy.Outpatient}
	total := int64(w.made[1].Total + w.made[2].Total)
	apply := func(kinds []policy.VisitKind, month clearing.Month, at time.Time, stated ...clearing.Amount) (a *clearing.Application, err error) {
		err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
			a, err = clearing.Apply(w.ctx, tx, clearing.ApplyRequest{Provider: city, Month: month, Kinds: kinds, Stated: stated, At: at, Actor: "hospital"})
			return err
		})
		return a, err
	}
	july := time.Date(2025, 7, 1, 0, 0, 0, 0, china)
	if _, err := apply(stays, june, july.Add(-time.Second)); names(err) != "month" {
		t.Errorf("before the month is over: %v", err)
	}
	var gaps *clearing.Disagreement
	if _, err := apply(stays, june, july, clearing.Amount{Figure: clearing.Visits, Value: 2}, clearing.Amount{Figure: clearing.Total, Value: total + 1}); !errors.As(err, &gaps) ||
		!reflect.DeepEqual(gaps.Gaps, []clearing.Gap{{Figure: clearing.Total, Stated: total + 1, Ledger: total}}) {
		t.Errorf("another total: %v", err)
	}
	if _, err := apply([]policy.VisitKind{policy.Maternity}, june, july); names(err) != "month" {
		t.Errorf("a month without such settlements: %v", err)
	}
	a, err := apply(stays, june, july, clearing.Amount{Figure: clearing.Total, Value: total})
	w.must(err)
	if len(a.Parts) != 2 || a.Parts[0].Region != "990100" || a.Parts[1].Region != "990200" || a.Total.Due() != w.made[1].Fund+w.made[2].Fund+w.made[1].Account+w.made[2].Account {
		t.Errorf("filed: %+v", a)
	}
	if _, err := apply(stays, june, july); names(err) != "kinds" || !strings.Contains(err.Error(), a.ID) {
		t.Errorf("twice: %v", err)
	}
	if _, err := apply(visits, june, july); err != nil {
		t.Errorf("another kind: %v", err)
	}
	do := func(f func(context.Context, *db.Tx, string, clearing.Act) (*clearing.Application, error), id, by string) error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error { _, err := f(w.ctx, tx, id, clearing.Act{At: july, By: by}); return err })
	}
	withdraw := func(reason string) func(context.Context, *db.Tx, string, clearing.Act) (*clearing.Application, error) {
		return func(ctx context.Context, tx *db.Tx, id string, act clearing.Act) (*clearing.Application, error) {
			return clearing.Withdraw(ctx, tx, id, reason, act)
		}
	}
	owed := w.balance(fund.Payable(city))
	for _, x := range []struct {
		name string
		err  error
		want string
	}{
		{"paid before it is approved", do(clearing.Pay, a.ID, "b"), "clearing"},
		{"unknown", do(clearing.Approve, "C0", "a"), "clearing"},
		{"by nobody", do(clearing.Approve, a.ID, ""), "actor"},
		{"without a reason", do(withdraw(" "), a.ID, "a"), "reason"},
		{"withdrawn", do(withdraw("材料不全"), a.ID, "a"), "<nil>"},
		{"withdrawn twice", do(withdraw("材料不全"), a.ID, "a"), "clearing"},
		{"approved when withdrawn", do(clearing.Approve, a.ID, "a"), "clearing"},
	} {
		if names(x.err) != x.want {
			t.Errorf("%s: %v", x.name, x.err)
		}
	}
	again, err := apply(stays, june, july)
	w.must(err)
	if again.ID == a.ID {
		t.Error("the new application has the id of the withdrawn one")
	}
	w.must(do(clearing.Approve, again.ID, "审核员"))
	if err := do(clearing.Pay, again.ID, "审核员"); names(err) != "actor" {
		t.Errorf("paid by who approved: %v", err)
	}
	if w.balance(fund.Payable(city)) != owed {
		t.Error("what is not paid moved what is owed")
	}
	w.must(do(clearing.Pay, again.ID, "出纳"))
	for name, err := range map[string]error{"twice": do(clearing.Pay, again.ID, "出纳"), "withdrawn": do(withdraw("x"), again.ID, "a")} {
		if names(err) != "clearing" {
			t.Errorf("paid, then %s: %v", name, err)
		}
	}
	due, abroad := again.Total.Due(), w.made[2].Fund+w.made[2].Account
	for account, want := range map[string]money.Fen{
		fund.Payable(city): owed - due, fund.Bank("990100"): due,
		fund.Receivable("990100", "990200"): -abroad, fund.Owed("990200", "990100"): abroad,
	} {
		if got := w.balance(account); got != want {
			t.Errorf("%s is %s, want %s", account, got, want)
		}
	}
	w.view(func(tx *db.Tx) error {
		s, err := clearing.MonthlySheet(w.ctx, tx, city, june)
		if err != nil {
			return err
		}
		var states []clearing.State
		for _, a := range s.Applications {
			states = append(states, a.State)
		}
		if !slices.Equal(states, []clearing.State{clearing.Withdrawn, clearing.Filed, clearing.Paid}) || s.Applications[0].Reason != "材料不全" ||
			s.Applications[2].Paid.By != "出纳" || !s.Applications[2].Paid.At.Equal(july) || !reflect.DeepEqual(s.Applications[2].Parts, again.Parts) {
			t.Errorf("applications: %+v", s.Applications)
		}
		if len(s.Parts) != 3 || s.Total.Count != 3 || s.Total.Total != w.made[0].Total+w.made[1].Total+w.made[2].Total {
			t.Errorf("sheet: %+v", s)
		}
		_, err = clearing.MonthlySheet(w.ctx, tx, "X", june)
		if names(err) != "provider" {
			t.Errorf("a sheet of nobody: %v", err)
		}
		return nil
	})
	w.sound()
}

// TestApprovalSeesChange makes a settlement in a month that was applied for,
// as an import could, and wants the approval refused.
func TestApprovalSeesChange(t *testing.T) {
	w := open(t)
	w.update(func(tx *db.Tx) error {
		w.settle(tx, 1, city, policy.Outpatient, 1000)
		a, err := clearing.Apply(w.ctx, tx, clearing.ApplyRequest{Provider: city, Month: 202506, Kinds: []policy.VisitKind{policy.Outpatient, policy.Emergency},
			At: w.now.AddDate(0, 1, 0), Actor: "hospital"})
		w.must(err)
		w.settle(tx, 2, city, policy.Emergency, 1000)
		if _, err := clearing.Approve(w.ctx, tx, a.ID, clearing.Act{At: w.now, By: "a"}); names(err) != "clearing" || !strings.Contains(err.Error(), "有变动") {
			t.Errorf("approved: %v", err)
		}
		return nil
	})
}

// TestPayFailsWhole makes every write of a payment fail in turn.
func TestPayFailsWhole(t *testing.T) {
	w := open(t)
	var id string
	w.update(func(tx *db.Tx) error {
		w.settle(tx, 5, city, policy.Inpatient, 8000)
		a, err := clearing.Apply(w.ctx, tx, clearing.ApplyRequest{Provider: city, Month: 202506, Kinds: []policy.VisitKind{policy.Inpatient}, At: w.now.AddDate(0, 1, 0), Actor: "hospital"})
		w.must(err)
		id = a.ID
		_, err = clearing.Approve(w.ctx, tx, id, clearing.Act{At: w.now, By: "a"})
		return err
	})
	owed := w.balance(fund.Payable(city))
	boom := errors.New("disk full")
	for n := 0; ; n++ {
		count := 0
		ctx := db.WithFailure(w.ctx, func(string) error {
			if count++; count > n {
				return boom
			}
			return nil
		})
		err := w.db.Update(ctx, func(tx *db.Tx) error {
			_, err := clearing.Pay(ctx, tx, id, clearing.Act{At: w.now, By: "b"})
			return err
		})
		if err == nil {
			if n < 6 {
				t.Errorf("only %d writes were tried", n)
			}
			break
		}
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if w.balance(fund.Payable(city)) != owed || w.balance(fund.Bank("990100")) != 0 {
			t.Fatalf("a failure at write %d leaves something", n)
		}
	}
	w.sound()
}
