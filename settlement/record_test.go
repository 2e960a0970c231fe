package settlement_test

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
	"github.com/klauspost/compress/s2"
)

func (w *world) settle(q settlement.SettleRequest) (st *settlement.Settlement) {
	w.Helper()
	w.must(w.update(func(tx *db.Tx) (err error) {
		st, err = w.service.Settle(w.ctx, tx, q)
		return err
	}))
	return st
}

func (w *world) get(s *settlement.Service, id string) (st *settlement.Settlement) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		var ok bool
		var err error
		st, ok, err = s.Get(w.ctx, tx, id)
		if err == nil && !ok {
			err = errors.New(id + " is not there")
		}
		return err
	}))
	return st
}

// wantError checks that the error is a fault of that field.
func wantError(t *testing.T, err error, field, want string) {
	t.Helper()
	var e *settlement.Error
	if !errors.As(err, &e) || e.Field != field || !strings.Contains(e.Want, want) {
		t.Errorf("%v; want a fault of %s: %s", err, field, want)
	}
}

// TestReadBack compares what is read back with what was settled: case,
// amounts, stages, lines, steps and their grounds.
func TestReadBack(t *testing.T) {
	w := open(t)
	for name, q := range map[string]settlement.SettleRequest{
		"stay":    guo(w),
		"poor":    w.visit("990100197108150227", "H99010000101", policy.Resident, policy.Inpatient, fee("1", "SVC990000001", 90_000), fee("2", "DRG990000003", 70)),
		"refused": w.visit("990100194501010358", "H99010000201", policy.Resident, policy.Outpatient, fee("1", "SVC990000001", 80)),
		"noted":   w.visit("990100198503120014", "H99010000101", policy.Employee, policy.Special, fee("1", "DRG990000004", 100)),
	} {
		st := w.settle(q)
		got := w.get(w.service, st.ID)
		if !reflect.DeepEqual(got.Case, st.Case) {
			t.Errorf("%s: case\n%+v, settled\n%+v", name, got.Case, st.Case)
		}
		if !reflect.DeepEqual(got.Steps, st.Steps) {
			t.Errorf("%s: steps\n%+v, settled\n%+v", name, got.Steps, st.Steps)
		}
		if got.Note != st.Note || got.Balance != st.Balance || !got.At.Equal(st.At) || got.Person != st.Person || got.Provider != st.Provider {
			t.Errorf("%s: %+v, settled %+v", name, got, st)
		}
		for i, sp := range st.Result.Stages() {
			back := got.Result.StagePays[i]
			if back.Stage.ID != sp.Stage.ID || back.Stage.Title != sp.Stage.Title || (back.Fund == nil) != (sp.Fund == nil) ||
				back.Base != sp.Base || back.Deductible != sp.Deductible || back.Payable != sp.Payable || back.Paid != sp.Paid {
				t.Errorf("%s: stage %d is %+v, settled %+v", name, i, back, sp)
			}
			if f := sp.Fund; f != nil && (back.Fund.ID != f.ID || back.Fund.Title != f.Title || back.Fund.Category != f.Category || back.Fund.Code != f.Code) {
				t.Errorf("%s: fund %d is %+v, settled %+v", name, i, back.Fund, f)
			}
		}
		// The stages are compared; the ground of the reason is in the steps.
		a, b := got.Result, st.Result
		a.StagePays, b.StagePays = [policy.MaxStages]policy.StagePay{}, [policy.MaxStages]policy.StagePay{}
		b.Source = nil
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: result\n%+v, settled\n%+v", name, a, b)
		}
	}
	w.verify()
}

// changed is the packages with the text of one file changed.
func changed(t *testing.T, name, from, to string) *policy.Store {
	t.Helper()
	files := fstest.MapFS{}
	all, err := fs.Glob(policies.FS, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		data, err := fs.ReadFile(policies.FS, f)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if f == name {
			if !strings.Contains(text, from) {
				t.Fatalf("%s does not hold %q", name, from)
			}
			text = strings.Replace(text, from, to, 1)
		}
		files[f] = &fstest.MapFile{Data: []byte(text)}
	}
	store, err := policy.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestPackageChangedSince shows a settlement as it was made after its package
// was changed, and Verify says so.
func TestPackageChangedSince(t *testing.T) {
	w := open(t)
	st := w.settle(guo(w))
	later := settlement.New(changed(t, "990200/2025-01-01.yaml", "value: 80%", "value: 70%"), w.register, func() time.Time { return noon })
	got := w.get(later, st.ID)
	if got.Result.Fund[policy.Basic] != 656000 || !reflect.DeepEqual(got.Steps, st.Steps) {
		t.Errorf("basic %s, steps %+v", got.Result.Fund[policy.Basic], got.Steps)
	}
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		recent, err := later.Recent(w.ctx, tx, 5)
		if err != nil || len(recent) != 1 || recent[0].Result.FundTotal != 656000 {
			t.Errorf("recent: %v, %v", recent, err)
		}
		err = later.Verify(w.ctx, tx)
		if err == nil || !strings.Contains(err.Error(), "the package was changed") {
			t.Errorf("verify: %v", err)
		}
		return nil
	}))
}

func TestList(t *testing.T) {
	w := open(t)
	a := w.settle(guo(w))
	b := w.settle(w.visit(demo.LiJi, "H99010000201", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 300)))
	c := w.settle(w.visit(demo.LiJi, "H99010000101", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 200)))
	for name, x := range map[string]struct {
		f    settlement.Filter
		want []*settlement.Settlement
	}{
		"all":      {settlement.Filter{}, []*settlement.Settlement{c, b, a}},
		"limit":    {settlement.Filter{Limit: 2}, []*settlement.Settlement{c, b}},
		"person":   {settlement.Filter{Person: b.Person.ID}, []*settlement.Settlement{c, b}},
		"provider": {settlement.Filter{Person: b.Person.ID, Provider: "H99010000201"}, []*settlement.Settlement{b}},
		"visit":    {settlement.Filter{Visit: a.Visit.ID}, []*settlement.Settlement{a}},
		"day":      {settlement.Filter{From: today, To: today}, []*settlement.Settlement{c, b, a}},
		"later":    {settlement.Filter{From: today + 1}, nil},
		"earlier":  {settlement.Filter{To: today - 1}, nil},
	} {
		w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
			got, err := w.service.List(w.ctx, tx, x.f)
			if err != nil || len(got) != len(x.want) {
				t.Fatalf("%s: %d, want %d, %v", name, len(got), len(x.want), err)
			}
			for i, st := range x.want {
				if got[i].ID != st.ID || got[i].Result.FundTotal != st.Result.FundTotal || got[i].Person.Name != st.Person.Name || got[i].Case.Visit != st.Case.Visit {
					t.Errorf("%s: %d is %s", name, i, got[i].ID)
				}
			}
			return nil
		}))
	}
}

// TestVerifyFinds tampers with each thing that a settlement wrote.
// TestMadeOn: a day of a till has what was made on it, reversals too, of that
// provider only.
func TestMadeOn(t *testing.T) {
	w := open(t)
	w.settle(guo(w))
	b := w.settle(w.visit(demo.LiJi, "H99010000201", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 300)))
	var reversed *settlement.Reversal
	w.must(w.update(func(tx *db.Tx) (err error) {
		reversed, err = w.service.Reverse(w.ctx, tx, settlement.ReverseRequest{Settlement: b.ID, Visit: b.Visit.ID, Person: b.Person.ID, Provider: b.Provider.Code, Actor: "test"})
		return err
	}))
	for day, want := range map[civil.Date][]string{today: {b.ID, reversed.Settlement.ID}, today - 1: nil, today + 1: nil} {
		w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
			list, err := w.service.MadeOn(w.ctx, tx, "H99010000201", day)
			var got []string
			for _, st := range list {
				got = append(got, st.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v: %v, want %v", day, got, want)
			}
			return err
		}))
	}
}

func TestVerifyFinds(t *testing.T) {
	w := open(t)
	w.settle(guo(w))
	undo := errors.New("undo")
	for name, x := range map[string]struct{ query, want string }{
		"sum":          {`UPDATE year_sum SET amounts = replace(amounts, '"basic_fund":', '"basic_fund":1')`, "basic_fund"},
		"sum gone":     {`UPDATE year_sum SET amounts = replace(amounts, '"in_scope"', '"scope_in"')`, "scope_in"},
		"balance":      {`UPDATE account SET balance = balance + 1 WHERE id LIKE 'acct:%'`, "balance of acct:"},
		"amount":       {`UPDATE settlement SET fund = fund + 1`, "its amounts and its answer differ"},
		"answer":       {`document||6560.00|6561.00`, "another basic"},
		"case":         {`document||5000.00|5001.00`, "computed again"},
		"stage":        {`document||"paid":656000|"paid":656001`, "stage 1"},
		"stage gone":   {`document||"stages":[|"stages":[],"were":[`, "0 stages"},
		"funds":        {`UPDATE settlement SET funds = replace(funds, '656000', '656001')`, "funds pay"},
		"line":         {`document||["2",0,0,0,300000]|["2",0,0,1,299999]`, "line 2"},
		"visits":       {`UPDATE year_sum SET amounts = replace(amounts, '"visits:inpatient":1', '"visits:inpatient":2')`, "visits:inpatient"},
		"fee":          {`UPDATE fee SET amount = amount + 1 WHERE serial = '1'`, "its fees sum to"},
		"fee unmarked": {`UPDATE settled SET first = first + 1`, "its fees sum to"},
		"fee twice":    {`INSERT INTO settled (visit, first, last, settlement) SELECT visit, 2, 2, settlement FROM settled`, ""},
		"fee astray":   {`UPDATE settled SET settlement = 'none'`, "its fees sum to"},
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
	w.verify()
}

// TestRefusedMovesNothing settles one who gets nothing: the person pays, no
// fund does, and the sums of the year stand.
func TestRefusedMovesNothing(t *testing.T) {
	w := open(t)
	st := w.settle(w.visit("990100196206300327", "H99010000201", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 80)))
	if !st.Result.Refused || st.Result.Reason == "" || st.Result.Cash != 8000 || st.Case.ArrearsMonths != 4 {
		t.Errorf("refused %t, reason %q, cash %s, arrears %d", st.Result.Refused, st.Result.Reason, st.Result.Cash, st.Case.ArrearsMonths)
	}
	if b := w.balance(fund.Payable("H99010000201")); b != 0 {
		t.Errorf("owed: %s", b)
	}
	var sums int
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return tx.QueryRow(w.ctx, `SELECT COUNT(*) FROM year_sum`).Scan(&sums) }))
	if sums != 0 {
		t.Errorf("%d sums of the year were moved", sums)
	}
	w.verify()
}

// TestMoneyAdds settles many visits from a fixed sequence and checks the
// ledger against the sum of all.
func TestMoneyAdds(t *testing.T) {
	w := open(t)
	people := []struct {
		id     string
		scheme policy.Scheme
	}{{"990100198503120014", policy.Employee}, {demo.LiJi, policy.Employee}, {"990100199001010119", policy.Resident}, {"990100194805200214", policy.Resident}, {"990100198002290314", policy.Employee}}
	providers := []string{"H99010000101", "H99010000102", "H99010000201", "H99010000301", "H50000000101"}
	items := []string{"SVC990000001", "DRG990000001", "DRG990000002", "DRG990000003", "DRG990000004", "BED990000001", "NOSUCH"}
	kinds := []policy.VisitKind{policy.Outpatient, policy.Inpatient, policy.Emergency}
	var owed, cash, own money.Fen
	for i := range 60 {
		p := people[i%len(people)]
		fees := []settlement.Fee{
			fee("1", items[i%len(items)], int64(40+i*37%900)),
			fee("2", items[(i*3+1)%len(items)], int64(10+i*i%4000)),
		}
		q := w.visit(p.id, providers[(i/2)%len(providers)], p.scheme, kinds[(i/5)%len(kinds)], fees...)
		var preview *settlement.Settlement
		w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
			preview, err = w.service.Preview(w.ctx, tx, q)
			return err
		}))
		st := w.settle(q)
		if !reflect.DeepEqual(preview.Result, st.Result) || !reflect.DeepEqual(preview.Case, st.Case) {
			t.Errorf("visit %d: the preview gave\n%+v\nand settling\n%+v", i, preview.Result, st.Result)
		}
		owed += st.Result.FundTotal + st.Result.Account
		cash += st.Result.Cash
		own += st.Result.Total
	}
	var gotOwed money.Fen
	for _, p := range providers {
		gotOwed += w.balance(fund.Payable(p))
	}
	if gotOwed != owed || owed+cash != own {
		t.Errorf("owed %s, settled %s; cash %s; total %s", gotOwed, owed, cash, own)
	}
	w.verify()
}

// tamper runs a query or, where it reads "document|WHERE|old|new", replaces a
// text in the documents of the settlements that the condition chooses. It says
// how many rows it changed.
func (w *world) tamper(tx *db.Tx, query string) (n int64, err error) {
	how := strings.Split(query, "|")
	if how[0] != "document" {
		return tx.ExecCount(w.ctx, query)
	}
	documents := map[string][]byte{}
	w.must(tx.Each(w.ctx, func(rows *db.Rows) error {
		var id string
		var stored []byte
		err := rows.Scan(&id, &stored)
		documents[id] = stored
		return err
	}, `SELECT id, document FROM settlement `+how[1]))
	for id, stored := range documents {
		text, err := s2.Decode(nil, stored)
		w.must(err)
		changed := strings.ReplaceAll(string(text), how[2], how[3])
		if changed == string(text) {
			continue
		}
		n++
		w.must(tx.Exec(w.ctx, `UPDATE settlement SET document = ? WHERE id = ?`, s2.Encode(nil, []byte(changed)), id))
	}
	return n, tx.Flush(w.ctx)
}
