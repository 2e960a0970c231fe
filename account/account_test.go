package account_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/account"
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

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	today civil.Date = 20250620

	zhangAn = "990100198503120014" // 1234.56
	liJi    = "990100195607040023" // 800.00
	wang    = "990100199001010119" // a resident
	abroad  = demo.Guo             // insured in 990200
)

var packages = sync.OnceValues(func() (*policy.Store, error) { return policy.Load(policies.FS) })

type world struct {
	*testing.T
	ctx      context.Context
	db       *db.DB
	register *enrolment.Register
	service  *account.Service
	care     *settlement.Service
	now      time.Time
}

func open(t *testing.T) *world {
	t.Helper()
	store, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: context.Background(), db: dbtest.Open(t), register: enrolment.New(sealer)}
	w.now = time.Date(2025, 6, 20, 12, 0, 0, 0, time.FixedZone("CST", 8*60*60))
	if _, err := demo.Seed(w.ctx, w.db, w.register, demo.Options{Today: today}); err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return w.now }
	w.service, w.care = account.New(store, w.register, clock), settlement.New(store, w.register, clock)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) id(citizenID string) (id string) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		p, ok, err := w.register.ByCitizenID(w.ctx, tx, citizenID)
		if !ok {
			w.Fatal("nobody")
		}
		id = p.ID
		return err
	}))
	return id
}

func (w *world) grant(g account.Grant) error {
	return w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.Grant(w.ctx, tx, g, "test") })
}

func (w *world) close(q account.Closing) (c *account.Closed, err error) {
	q.Actor = "test"
	err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
		c, err = w.service.Close(w.ctx, tx, q)
		return err
	})
	return c, err
}

func (w *world) balance(name string) (b money.Fen) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		b, err = fund.Balance(w.ctx, tx, name)
		return err
	}))
	return b
}

func (w *world) status(person string, day civil.Date) (i enrolment.Insurance) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		i, err = enrolment.StatusOn(w.ctx, tx, person, day)
		return err
	}))
	return i
}

func (w *world) refused(err error, field, want string) {
	w.Helper()
	var e *account.Error
	if !errors.As(err, &e) || e.Field != field || !strings.Contains(e.Want, want) {
		w.Errorf("got %v, want %s of %s", err, want, field)
	}
}

func (w *world) verify() {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return w.care.Verify(w.ctx, tx) }))
}

func TestGrant(t *testing.T) {
	w := open(t)
	zhang, wangPing := w.id(zhangAn), w.id(wang)
	good := account.Grant{Owner: zhang, Beneficiary: wangPing, Relation: policy.Spouse, Yearly: 100}
	for _, tt := range []struct {
		name        string
		change      func(*account.Grant)
		field, want string
	}{
		{"oneself", func(g *account.Grant) { g.Beneficiary = zhang }, "beneficiary", "本人"},
		{"nobody's account", func(g *account.Grant) { g.Owner = "x" }, "owner", "没有这个"},
		{"nobody", func(g *account.Grant) { g.Beneficiary = "x" }, "beneficiary", "没有这个"},
		{"another region", func(g *account.Grant) { g.Beneficiary = w.id(abroad) }, "beneficiary", "990200"},
		{"who has no account", func(g *account.Grant) { g.Owner, g.Beneficiary = wangPing, zhang }, "owner", "没有个人账户"},
		{"a limit below zero", func(g *account.Grant) { g.Yearly = -1 }, "yearly", "不能为负"},
		{"one for one use below zero", func(g *account.Grant) { g.PerUse = -1 }, "per_use", "不能为负"},
		{"that is over", func(g *account.Grant) { g.To = 20250619 }, "to", "早于"},
	} {
		g := good
		tt.change(&g)
		w.refused(w.grant(g), tt.field, tt.want)
	}
	w.must(w.grant(good))
	good.Yearly = 0
	w.must(w.grant(good)) // takes the place of the first
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		given, err := w.service.Given(w.ctx, tx, zhang)
		if len(given) != 1 || given[0].Yearly != 0 || given[0].From != today {
			t.Errorf("%+v", given)
		}
		got, err2 := w.service.Received(w.ctx, tx, wangPing)
		if len(got) != 1 || got[0].Owner != zhang {
			t.Errorf("%+v", got)
		}
		return errors.Join(err, err2)
	}))
	revoke := func() error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.Revoke(w.ctx, tx, zhang, wangPing, "test") })
	}
	w.must(revoke())
	w.refused(revoke(), "beneficiary", "没有授权")
}

// TestNoCash is A000-2: an account is not paid out.
func TestNoCash(t *testing.T) {
	w := open(t)
	for _, reason := range []account.Reason{"", "cash", "提现"} {
		_, err := w.close(account.Closing{Person: w.id(zhangAn), Reason: reason, Day: today})
		w.refused(err, "reason", "不得提取现金")
	}
	if b := w.balance(fund.PersonAccount(w.id(zhangAn))); b != 123_456 {
		t.Errorf("%s", b)
	}
}

// TestDeath is A002-12: what is left goes to the heirs, the account is closed,
// and the ledger balances.
func TestDeath(t *testing.T) {
	w := open(t)
	dead, heir := w.id(liJi), w.id(zhangAn)
	w.must(w.grant(account.Grant{Owner: dead, Beneficiary: heir, Relation: policy.Child}))
	w.must(w.grant(account.Grant{Owner: heir, Beneficiary: dead, Relation: policy.Parent}))
	ask := account.Closing{Person: dead, Reason: account.Death, Day: 20250618, Heirs: []account.Heir{{Person: heir, Amount: 30_000}, {Person: w.id(wang), Amount: 20_000}, {Name: "外地的继承人", Amount: 30_000}}}
	for _, tt := range []struct {
		name        string
		change      func(*account.Closing)
		field, want string
	}{
		{"more than there is", func(q *account.Closing) { q.Heirs[0].Amount++ }, "heirs", "800.00"},
		{"less than there is", func(q *account.Closing) { q.Heirs[0].Amount-- }, "heirs", "800.00"},
		{"nothing", func(q *account.Closing) { q.Heirs[0].Amount = 0 }, "heirs", "大于零"},
		{"no heirs", func(q *account.Closing) { q.Heirs = nil }, "heirs", "800.00"},
		{"the dead", func(q *account.Closing) { q.Heirs[0].Person = dead }, "heirs", "本人"},
		{"nobody", func(q *account.Closing) { q.Heirs[0].Person = "x" }, "person", "没有"},
		{"in the future", func(q *account.Closing) { q.Day = 20250621 }, "day", "今天或以前"},
		{"no day", func(q *account.Closing) { q.Day = 0 }, "day", "今天或以前"},
		{"to a region", func(q *account.Closing) { q.To = "500000" }, "to", "关系转移"},
	} {
		q := ask
		q.Heirs = append([]account.Heir(nil), ask.Heirs...)
		tt.change(&q)
		_, err := w.close(q)
		w.refused(err, tt.field, tt.want)
	}
	c, err := w.close(ask)
	w.must(err)
	if c.Paid != 80_000 || c.Heirs[0].Paid != "account" || c.Heirs[1].Paid != "bank" || c.Heirs[2].Paid != "bank" {
		t.Errorf("%+v", c)
	}
	if w.balance(fund.PersonAccount(dead)) != 0 || w.balance(fund.PersonAccount(heir)) != 153_456 || w.balance(fund.Bank("990100")) != 50_000 {
		t.Errorf("the dead %s, the heir %s, the bank %s", w.balance(fund.PersonAccount(dead)), w.balance(fund.PersonAccount(heir)), w.balance(fund.Bank("990100")))
	}
	if i := w.status(dead, 20250618); i.Status != policy.Normal {
		t.Errorf("on the day of the death %+v", i)
	}
	if i := w.status(dead, 20250619); i.Status != policy.Deceased {
		t.Errorf("on the day after %+v", i)
	}
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		given, err := w.service.Given(w.ctx, tx, dead)
		got, err2 := w.service.Received(w.ctx, tx, dead)
		if len(given)+len(got) != 0 {
			t.Errorf("grants of the dead: %+v %+v", given, got)
		}
		return errors.Join(err, err2)
	}))
	_, err = w.close(ask)
	w.refused(err, "person", "已于 2025-06-18 因死亡继承清退")
	w.refused(w.grant(account.Grant{Owner: dead, Beneficiary: heir, Relation: policy.Child}), "person", "清退")
	w.verify()
}

func TestMove(t *testing.T) {
	w := open(t)
	zhang := w.id(zhangAn)
	_, err := w.close(account.Closing{Person: zhang, Reason: account.Transfer, Day: today})
	w.refused(err, "to", "须写明")
	_, err = w.close(account.Closing{Person: zhang, Reason: account.Transfer, Day: today, To: "990100"})
	w.refused(err, "to", "现在的参保地")
	_, err = w.close(account.Closing{Person: zhang, Reason: account.Transfer, Day: today, To: "500000", Heirs: []account.Heir{{Amount: 1}}})
	w.refused(err, "heirs", "没有继承人")
	_, err = w.close(account.Closing{Person: zhang, Reason: account.Transfer, Day: today, To: "500000"})
	w.must(err)
	if b := w.balance(fund.Moved("990100", "500000")); b != 123_456 {
		t.Errorf("to be handed over: %s", b)
	}
	if i := w.status(zhang, today.AddDays(1)); i.Status != policy.Terminated || i.Scheme != policy.Employee {
		t.Errorf("%+v", i)
	}
	li := w.id(liJi)
	_, err = w.close(account.Closing{Person: li, Reason: account.Emigration, Day: today})
	w.must(err)
	if w.balance(fund.Bank("990100")) != 80_000 {
		t.Errorf("paid out: %s", w.balance(fund.Bank("990100")))
	}
	w.verify()
}

// TestArrive moves a person and their money from one region to another.
func TestArrive(t *testing.T) {
	w := open(t)
	zhang := w.id(zhangAn)
	arrive := func(q account.Arrival) error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.Arrive(w.ctx, tx, q) })
	}
	q := account.Arrival{Person: zhang, From: "990100", To: "990200", Balance: 123_456, Document: "凭证1", Actor: "test"}
	w.refused(arrive(q), "person", "还没有办理转出")
	_, err := w.close(account.Closing{Person: zhang, Reason: account.Transfer, Day: today, To: "990200"})
	w.must(err)
	for _, tt := range []struct {
		change      func(*account.Arrival)
		field, want string
	}{
		{func(q *account.Arrival) { q.Balance-- }, "balance", "1234.56"},
		{func(q *account.Arrival) { q.Balance = -1 }, "balance", "负"},
		{func(q *account.Arrival) { q.To = "99" }, "to", "长度"},
		{func(q *account.Arrival) { q.To = "990300" }, "to", "政策包"},
		{func(q *account.Arrival) { q.From = "990200" }, "from", "相同"},
		{func(q *account.Arrival) { q.Document = "" }, "document", "凭证"},
		{func(q *account.Arrival) { q.Person = "x" }, "person", "没有"},
	} {
		bad := q
		tt.change(&bad)
		w.refused(arrive(bad), tt.field, tt.want)
	}
	w.must(arrive(q))
	w.refused(arrive(q), "document", "已经办理")
	if w.balance(fund.PersonAccount(zhang)) != 123_456 || w.balance(fund.Bank("990200")) != -123_456 {
		t.Error("the money did not arrive")
	}
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		p, _, err := w.register.ByID(w.ctx, tx, zhang)
		if p.Region != "990200" {
			t.Errorf("insured in %s", p.Region)
		}
		return err
	}))
	over := func() (paid money.Fen, err error) {
		err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
			paid, err = w.service.HandOver(w.ctx, tx, "990100", "990200", "1", "test")
			return err
		})
		return paid, err
	}
	if paid, err := over(); err != nil || paid != 123_456 || w.balance(fund.Bank("990100")) != 123_456 || w.balance(fund.Moved("990100", "990200")) != 0 {
		t.Errorf("%s, %v", paid, err)
	}
	_, err = over()
	w.refused(err, "to", "没有应划拨")
	// From a region that is not kept here: the person is registered and arrives.
	wangPing := w.id(wang)
	w.must(arrive(account.Arrival{Person: wangPing, From: "110000", To: "990100", Balance: 5_000, Document: "凭证2", Actor: "test"}))
	if b := w.balance(fund.PersonAccount(wangPing)); b != 5_000 {
		t.Errorf("%s", b)
	}
	w.verify()
}

// TestCloseFails makes every write fail in turn.
func TestCloseFails(t *testing.T) {
	w := open(t)
	dead, heir := w.id(liJi), w.id(zhangAn)
	broken := errors.New("broken")
	for n := 0; ; n++ {
		left := n
		ctx := db.WithFailure(w.ctx, func(string) error {
			left--
			if left < 0 {
				return broken
			}
			return nil
		})
		err := w.db.Update(ctx, func(tx *db.Tx) error {
			_, err := w.service.Close(ctx, tx, account.Closing{Person: dead, Reason: account.Death, Day: today, Heirs: []account.Heir{{Person: heir, Amount: 80_000}}, Actor: "test"})
			return err
		})
		if err == nil {
			break
		}
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if w.balance(fund.PersonAccount(dead)) != 80_000 || w.status(dead, today.AddDays(1)).Status != policy.Normal {
			t.Fatalf("write %d failed, and something is left", n)
		}
		w.verify()
	}
	w.verify()
	// What Verify looks for.
	w.must(w.db.Update(w.ctx, func(tx *db.Tx) error {
		return tx.Exec(w.ctx, `INSERT INTO family_aid_use (settlement, owner, beneficiary, day, amount) VALUES ('S0', 'a', 'b', 20250620, 1)`)
	}))
	if err := w.db.View(w.ctx, func(tx *db.Tx) error { return account.Verify(w.ctx, tx) }); err == nil || !strings.Contains(err.Error(), "S0") {
		t.Errorf("a use without a settlement: %v", err)
	}
}
