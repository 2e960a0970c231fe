package settlement_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

const today civil.Date = 20250601

var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, china)

var china = time.FixedZone("CST", 8*60*60)

type world struct {
	*testing.T
	ctx      context.Context
	db       *db.DB
	register *enrolment.Register
	service  *settlement.Service
}

// packages are immutable, and read once for all tests.
var packages = sync.OnceValues(func() (*policy.Store, error) { return policy.Load(policies.FS) })

func open(t *testing.T) *world {
	t.Helper()
	ctx := context.Background()
	store, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	d := dbtest.Open(t)
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	register := enrolment.New(sealer)
	if _, err := demo.Seed(ctx, d, register, demo.Options{Today: today, People: 20}); err != nil {
		t.Fatal(err)
	}
	return &world{t, ctx, d, register, settlement.New(store, register, func() time.Time { return noon })}
}

func (w *world) update(f func(*db.Tx) error) error { return w.db.Update(w.ctx, f) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) person(citizenID string) (p enrolment.Person) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		var ok bool
		var err error
		p, ok, err = w.register.ByCitizenID(w.ctx, tx, citizenID)
		if !ok {
			w.Fatalf("%s is not there: %v", citizenID, err)
		}
		return err
	}))
	return p
}

func (w *world) verify() {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return w.service.Verify(w.ctx, tx) }))
}

func (w *world) balance(account string) (b money.Fen) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		b, err = fund.Balance(w.ctx, tx, account)
		return err
	}))
	return b
}

// visit opens a visit with the lines and returns the request that settles it.
func (w *world) visit(citizenID, provider string, scheme policy.Scheme, kind policy.VisitKind, fees ...settlement.Fee) settlement.SettleRequest {
	w.Helper()
	q := settlement.SettleRequest{Person: w.person(citizenID).ID, Provider: provider, UseAccount: settlement.OwnAccount, Actor: "test"}
	w.must(w.update(func(tx *db.Tx) error {
		v, err := w.service.Open(w.ctx, tx, settlement.OpenRequest{Person: q.Person, Provider: provider, Scheme: scheme, Kind: kind, Number: "1", Begun: noon.Add(-time.Hour), Actor: "test"})
		if err != nil {
			return err
		}
		q.Visit = v.ID
		_, err = w.service.AddFees(w.ctx, tx, v.ID, provider, fees, "test")
		return err
	}))
	for _, f := range fees {
		q.Total += f.Amount
	}
	return q
}

func fee(serial, item string, yuan int64) settlement.Fee {
	return settlement.Fee{Serial: serial, Batch: "B1", Item: item, Time: noon.Add(-time.Hour), Quantity: 10_000, Price: yuan * 1_000_000, Amount: money.Fen(yuan * 100)}
}

func guo(w *world) settlement.SettleRequest {
	return w.visit(demo.Guo, "H99020000101", policy.Employee, policy.Inpatient,
		fee("1", "SVC990000001", 2000), fee("2", "DRG990000001", 3000), fee("3", "DRG990000002", 5000))
}

// TestHandbook settles the handbook's question 33.
func TestHandbook(t *testing.T) {
	w := open(t)
	q := guo(w)
	var preview, st *settlement.Settlement
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		preview, err = w.service.Preview(w.ctx, tx, q)
		return err
	}))
	w.must(w.update(func(tx *db.Tx) (err error) {
		st, err = w.service.Settle(w.ctx, tx, q)
		return err
	}))
	r := &st.Result
	if r.Fund[policy.Basic] != 656000 || r.Person != 344000 || r.InScope != 950000 || r.Deductible != 130000 {
		t.Fatalf("basic %s, person %s, in scope %s, deductible %s", r.Fund[policy.Basic], r.Person, r.InScope, r.Deductible)
	}
	if preview.Result.FundTotal != r.FundTotal || preview.ID != "" {
		t.Errorf("preview gave %s and id %q", preview.Result.FundTotal, preview.ID)
	}
	if b := w.balance(fund.FundAccount("990200", "pooled")); b != -656000 {
		t.Errorf("the fund's balance is %s", b)
	}
	if b := w.balance(fund.Payable("H99020000101")); b != 656000 {
		t.Errorf("owed to the hospital: %s", b)
	}
	w.verify()
	err := w.update(func(tx *db.Tx) error { _, err := w.service.Settle(w.ctx, tx, q); return err })
	var e *settlement.Error
	if !errors.As(err, &e) || e.Field != "visit" {
		t.Errorf("settling twice: %v", err)
	}
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		again, ok, err := w.service.Get(w.ctx, tx, st.ID)
		if err != nil || !ok {
			return errors.Join(err, errors.New("not found"))
		}
		if len(again.Steps) != len(st.Steps) || again.Result.Cash != r.Cash || again.Person.Name != "老郭" {
			t.Errorf("read back: %+v", again)
		}
		return nil
	}))
}

// TestFailureLeavesNothing makes every write of a settlement fail in turn.
func TestFailureLeavesNothing(t *testing.T) {
	w := open(t)
	q := guo(w)
	boom := errors.New("disk full")
	writes := 0
	for n := 0; ; n++ {
		count := 0
		ctx := db.WithFailure(w.ctx, func(string) error {
			count++
			if count > n {
				return boom
			}
			return nil
		})
		err := w.db.Update(ctx, func(tx *db.Tx) error { _, err := w.service.Settle(ctx, tx, q); return err })
		if err == nil {
			writes = count
			break
		}
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if b := w.balance(fund.Payable("H99020000101")); b != 0 {
			t.Fatalf("after a failure at write %d the hospital is owed %s", n, b)
		}
		w.verify()
		w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
			if _, settlements, err := settlement.Counts(w.ctx, tx); err != nil || settlements != 0 {
				t.Fatalf("after a failure at write %d there are %d settlements, %v", n, settlements, err)
			}
			return nil
		}))
	}
	if writes < 8 {
		t.Errorf("only %d writes were tried", writes)
	}
	w.verify()
}

func TestOutpatientAccountAndSums(t *testing.T) {
	w := open(t)
	settle := func(q settlement.SettleRequest) *settlement.Settlement {
		t.Helper()
		var st *settlement.Settlement
		w.must(w.update(func(tx *db.Tx) (err error) {
			st, err = w.service.Settle(w.ctx, tx, q)
			return err
		}))
		return st
	}
	// 李济, retired, level 2: 300 in scope, 100 deductible, 80 %.
	a := settle(w.visit(demo.LiJi, "H99010000201", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 300)))
	if a.Result.FundTotal != 16000 || a.Result.Account != 14000 || a.Balance != 66000 {
		t.Errorf("first: fund %s, account %s, balance %s", a.Result.FundTotal, a.Result.Account, a.Balance)
	}
	// The deductible of the year is borne: 300 × 80 %.
	b := settle(w.visit(demo.LiJi, "H99010000201", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 300)))
	if b.Result.FundTotal != 24000 || b.Case.Nth != 2 || b.Case.YearToDate[policy.AccDeductible] != 10000 {
		t.Errorf("second: fund %s, nth %d, borne %s", b.Result.FundTotal, b.Case.Nth, b.Case.YearToDate[policy.AccDeductible])
	}
	// An item nobody knows is borne whole.
	c := settle(w.visit(demo.LiJi, "H99010000201", policy.Employee, policy.Outpatient, fee("1", "NOSUCHITEM", 50)))
	if c.Result.FullOwnPay != 5000 || c.Result.FundTotal != 0 {
		t.Errorf("unknown item: own %s fund %s", c.Result.FullOwnPay, c.Result.FundTotal)
	}
	w.verify()
}

func TestStatesOfPeople(t *testing.T) {
	w := open(t)
	for _, x := range []struct {
		id, provider string
		scheme       policy.Scheme
		kind         policy.VisitKind
		reason       string
		fund         money.Fen
		note         string
	}{
		{id: "990100196206300327", provider: "H99010000201", kind: policy.Outpatient, reason: "停保或欠费"},
		{id: "990100199304180334", provider: "H99010000201", scheme: policy.Resident, kind: policy.Outpatient, reason: "等待期"},
		{id: "990100194501010358", provider: "H99010000201", scheme: policy.Resident, kind: policy.Outpatient, reason: "已死亡"},
		{id: "990100198503120014", provider: "H99010000501", kind: policy.Outpatient, reason: "非定点"},
		{id: "99010019991231034X", provider: "H99010000201", kind: policy.Outpatient, fund: 63000},
		{id: "990100196611110236", provider: "H99010000101", kind: policy.Special, fund: 85000},
		{id: "990100198503120014", provider: "H99010000101", kind: policy.Special, fund: 54000, note: "没有认定"},
		{id: "990100194805200214", provider: "H99010000101", scheme: policy.Resident, kind: policy.Inpatient, fund: 100000},
	} {
		q := w.visit(x.id, x.provider, x.scheme, x.kind, fee("1", "SVC990000001", 1000))
		var st *settlement.Settlement
		w.must(w.update(func(tx *db.Tx) (err error) {
			st, err = w.service.Settle(w.ctx, tx, q)
			return err
		}))
		if !strings.Contains(st.Result.Reason, x.reason) || st.Result.Refused != (x.reason != "") || st.Result.FundTotal != x.fund || !strings.Contains(st.Note, x.note) {
			t.Errorf("%s at %s: refused %t, reason %q, fund %s, note %q", x.id, x.provider, st.Result.Refused, st.Result.Reason, st.Result.FundTotal, st.Note)
		}
	}
	w.verify()
}

func TestBadRequests(t *testing.T) {
	w := open(t)
	q := w.visit(demo.LiJi, "H99010000201", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 300))
	bad := q
	bad.Total = 1
	wrong := fee("2", "SVC990000001", 10)
	wrong.Amount++
	back := fee("3", "SVC990000001", 300)
	back.Quantity, back.Amount = -20_000, -60_000
	back.Original = "1"
	orphan := back
	orphan.Original = ""
	for name, f := range map[string]func(*db.Tx) error{
		"total": func(tx *db.Tx) error { _, err := w.service.Settle(w.ctx, tx, bad); return err },
		"fees[1].amount": func(tx *db.Tx) error {
			_, err := w.service.AddFees(w.ctx, tx, q.Visit, q.Provider, []settlement.Fee{wrong}, "")
			return err
		},
		"fees[1].serial": func(tx *db.Tx) error {
			_, err := w.service.AddFees(w.ctx, tx, q.Visit, q.Provider, []settlement.Fee{fee("1", "SVC990000001", 300)}, "")
			return err
		},
		"fees[1].quantity": func(tx *db.Tx) error {
			_, err := w.service.AddFees(w.ctx, tx, q.Visit, q.Provider, []settlement.Fee{back}, "")
			return err
		},
		"fees[1].original": func(tx *db.Tx) error {
			_, err := w.service.AddFees(w.ctx, tx, q.Visit, q.Provider, []settlement.Fee{orphan}, "")
			return err
		},
		"visit": func(tx *db.Tx) error { _, err := w.service.AddFees(w.ctx, tx, "none", q.Provider, nil, ""); return err },
		"provider": func(tx *db.Tx) error {
			_, err := w.service.Open(w.ctx, tx, settlement.OpenRequest{Provider: "X"})
			return err
		},
		"scheme": func(tx *db.Tx) error {
			_, err := w.service.Open(w.ctx, tx, settlement.OpenRequest{Provider: q.Provider, Person: q.Person, Scheme: policy.Resident, Begun: noon})
			return err
		},
	} {
		err := w.update(f)
		var e *settlement.Error
		if !errors.As(err, &e) || e.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.verify()
}

// TestTakingBack nets a line taken back in part against its original.
func TestTakingBack(t *testing.T) {
	w := open(t)
	two := fee("1", "DRG990000004", 50)
	two.Quantity, two.Amount = 20_000, 10_000 // 2 × 50, unit ceiling 20
	back := fee("2", "DRG990000004", 50)
	back.Quantity, back.Amount, back.Original = -10_000, -5_000, "1"
	q := w.visit("990100198503120014", "H99010000101", policy.Employee, policy.Inpatient, two, back)
	var st *settlement.Settlement
	w.must(w.update(func(tx *db.Tx) (err error) {
		st, err = w.service.Settle(w.ctx, tx, q)
		return err
	}))
	r := st.Result
	if r.Total != 5000 || r.OverCeiling != 3000 || r.FirstOwnPay != 200 || r.InScope != 1800 {
		t.Errorf("total %s over %s first %s in scope %s", r.Total, r.OverCeiling, r.FirstOwnPay, r.InScope)
	}
	w.verify()
}

func TestMain(m *testing.M) { dbtest.Main(m) }
