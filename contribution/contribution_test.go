package contribution_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
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
	region   = "990100"
	hospital = "H99010000101"
)

var packages = sync.OnceValues(func() (*policy.Store, error) { return policy.Load(policies.FS) })

// world is a store with the demonstration's providers, and a clock.
type world struct {
	*testing.T
	ctx      context.Context
	db       *db.DB
	store    *policy.Store
	register *enrolment.Register
	service  *contribution.Service
	care     *settlement.Service
	now      time.Time
	people   int
}

func open(t *testing.T, today civil.Date) *world {
	t.Helper()
	store, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: context.Background(), db: dbtest.Open(t), store: store, register: enrolment.New(sealer)}
	if _, err := demo.Seed(w.ctx, w.db, w.register, demo.Options{Today: today, People: 0}); err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return w.now }
	w.service = contribution.New(store, w.register, clock)
	w.care = settlement.New(store, w.register, clock)
	w.at(today)
	return w
}

// at sets the clock to noon of a day.
func (w *world) at(day civil.Date) {
	w.now = time.Date(day.Year(), time.Month(day.Month()), day.Day(), 12, 0, 0, 0, time.FixedZone("CST", 8*60*60))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(f func(*db.Tx) error) { w.Helper(); w.must(w.db.Update(w.ctx, f)) }

// someone registers a new person.
func (w *world) someone(birth civil.Date) string {
	w.Helper()
	w.people++
	p := enrolment.Person{Name: "某", CitizenID: fmt.Sprintf("99010%013d", w.people), Birth: birth, Region: region}
	w.update(func(tx *db.Tx) error { return w.register.Add(w.ctx, tx, &p) })
	return p.ID
}

func (w *world) registers(person string, kind contribution.Kind) {
	w.Helper()
	q := contribution.Registration{Person: person, Kind: kind, Ground: contribution.Household, Actor: "test"}
	if kind == contribution.Flexible {
		q.Ground, q.Wage = "", 600_000
	}
	w.update(func(tx *db.Tx) error { return w.service.Register(w.ctx, tx, q) })
}

func (w *world) bill(q contribution.Request) *contribution.Bill {
	w.Helper()
	var b *contribution.Bill
	w.update(func(tx *db.Tx) (err error) {
		b, err = w.service.Make(w.ctx, tx, q)
		return err
	})
	return b
}

func (w *world) notice(b *contribution.Bill, reference string) contribution.Notice {
	return contribution.Notice{Channel: "online", Reference: reference, Bill: b.ID, Amount: b.Due, At: w.now, Actor: "test"}
}

func (w *world) pay(n contribution.Notice) *contribution.Payment {
	w.Helper()
	var p *contribution.Payment
	w.update(func(tx *db.Tx) (err error) {
		p, err = w.service.Pay(w.ctx, tx, n)
		return err
	})
	return p
}

func (w *world) refund(reference string) (*contribution.Payment, error) {
	var p *contribution.Payment
	err := w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
		p, err = w.service.Refund(w.ctx, tx, contribution.RefundRequest{Channel: "online", Reference: reference, Reason: "重复缴费", Actor: "test"})
		return err
	})
	return p, err
}

// refused wants an *Error of the field whose text holds want.
func (w *world) refused(err error, field, want string) {
	w.Helper()
	var e *contribution.Error
	if !errors.As(err, &e) || e.Field != field || !strings.Contains(e.Want, want) {
		w.Errorf("got %v, want a refusal of %s: %s", err, field, want)
	}
}

func (w *world) timeline(person string) (all []enrolment.Insurance) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		all, err = enrolment.Timeline(w.ctx, tx, person)
		return err
	}))
	return all
}

func (w *world) status(person string, day civil.Date) (i enrolment.Insurance) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		i, err = enrolment.StatusOn(w.ctx, tx, person, day)
		return err
	}))
	return i
}

func (w *world) balance(account string) (v money.Fen) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		v, err = fund.Balance(w.ctx, tx, account)
		return err
	}))
	return v
}

func (w *world) verify() {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		return errors.Join(fund.Verify(w.ctx, tx), audit.Verify(w.ctx, tx), w.service.Verify(w.ctx, tx))
	}))
}

// TestRegister tries who may be registered as what (A000-1, 问五).
func TestRegister(t *testing.T) {
	w := open(t, 20250915)
	adult, worker, baby := w.someone(19850312), w.someone(19800101), w.someone(20250601)
	w.update(func(tx *db.Tx) error {
		return enrolment.AddInsurance(w.ctx, tx, worker, enrolment.Insurance{Scheme: policy.Employee, From: 20250101})
	})
	for _, x := range []struct {
		q           contribution.Registration
		field, want string
	}{
		{q: contribution.Registration{Person: adult, Kind: contribution.Resident, Ground: contribution.Permit}},
		{q: contribution.Registration{Person: adult, Kind: contribution.Student, Ground: contribution.Household}},
		{q: contribution.Registration{Person: adult, Kind: contribution.Flexible, Wage: 600_000}},
		{q: contribution.Registration{Person: baby, Kind: contribution.Newborn, Ground: contribution.Household}},
		{q: contribution.Registration{Person: worker, Kind: contribution.Flexible, Wage: 600_000}},
		{contribution.Registration{Person: adult, Kind: contribution.Resident}, "ground", "居住证"},
		{contribution.Registration{Person: adult, Kind: contribution.Resident, Ground: "passport"}, "ground", "居住证"},
		{contribution.Registration{Person: worker, Kind: contribution.Resident, Ground: contribution.Household}, "person", "已参加职工医保"},
		{contribution.Registration{Person: adult, Kind: contribution.Newborn, Ground: contribution.Household}, "kind", "1985-03-12"},
		{contribution.Registration{Person: adult, Kind: contribution.Flexible}, "wage", "申报"},
		{contribution.Registration{Person: adult, Kind: contribution.Resident, Ground: contribution.Household, Wage: 1}, "wage", "不申报"},
		{contribution.Registration{Person: adult, Kind: "soldier"}, "kind", "应为"},
		{contribution.Registration{Person: "nobody", Kind: contribution.Resident, Ground: contribution.Household}, "person", "没有"},
		{contribution.Registration{Person: adult, Kind: contribution.Resident, Ground: contribution.Household, From: 20250901, To: 20250831}, "to", "早于"},
	} {
		err := w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.Register(w.ctx, tx, x.q) })
		if x.field == "" {
			w.must(err)
			continue
		}
		w.refused(err, x.field, x.want)
	}
	w.verify()
}

// TestResidentYear follows residents' yearly contributions: who pays what, from
// when benefits count, and where the money stands.
func TestResidentYear(t *testing.T) {
	for _, x := range []struct {
		name      string
		kind      contribution.Kind
		class     string
		birth     civil.Date
		before    []enrolment.Insurance
		mended    int
		billed    civil.Date
		paid      civil.Date
		due       money.Fen
		fiscal    money.Fen
		helped    money.Fen
		from      civil.Date // insured
		benefits  civil.Date
		explained string
	}{
		{name: "集中期", kind: contribution.Resident, billed: 20250910, paid: 20251225, due: 400_00, fiscal: 670_00, from: 20260101, benefits: 20260101, explained: "集中缴费期内连续参保"},
		{name: "学生", kind: contribution.Student, billed: 20250910, paid: 20250911, due: 300_00, fiscal: 670_00, from: 20260101, benefits: 20260101, explained: "集中缴费期"},
		{name: "集中期核定，期后到账", kind: contribution.Resident, billed: 20251225, paid: 20251228, due: 400_00, fiscal: 670_00, from: 20260101, benefits: 20260101, explained: "补充缴费期"},
		{name: "集中期核定，三月到账", kind: contribution.Resident, billed: 20251225, paid: 20260310, due: 400_00, fiscal: 670_00, from: 20260310, benefits: 20260610, explained: "等待 3 个月"},
		{name: "补充期", kind: contribution.Resident, billed: 20260110, paid: 20260110, due: 400_00, fiscal: 670_00, from: 20260110, benefits: 20260110, explained: "补充缴费期"},
		{name: "期外", kind: contribution.Resident, billed: 20260501, paid: 20260502, due: 400_00, fiscal: 670_00, from: 20260502, benefits: 20260802, explained: "等待 3 个月"},
		{name: "低保", kind: contribution.Resident, class: "低保", billed: 20250910, paid: 20250910, due: 200_00, fiscal: 670_00, helped: 200_00, from: 20260101, benefits: 20260101},
		{name: "特困，当即缴清", kind: contribution.Resident, class: "特困", billed: 20250910, fiscal: 670_00, helped: 400_00, from: 20260101, benefits: 20260101},
		{name: "新生儿", kind: contribution.Newborn, birth: 20260420, billed: 20260601, paid: 20260601, due: 400_00, fiscal: 670_00, from: 20260420, benefits: 20260420, explained: "出生之日"},
		{name: "断缴一年", kind: contribution.Resident, before: []enrolment.Insurance{{Scheme: policy.Resident, From: 20250101, To: 20251231}},
			billed: 20261001, paid: 20261001, due: 400_00, fiscal: 670_00, from: 20270101, benefits: 20270201, explained: "等待 4 个月"},
		{name: "断缴一年，修复", kind: contribution.Resident, before: []enrolment.Insurance{{Scheme: policy.Resident, From: 20250101, To: 20251231}}, mended: 1,
			billed: 20261001, paid: 20261001, due: 800_00, fiscal: 670_00, from: 20270101, benefits: 20270101, explained: "等待 3 个月"},
		{name: "规则施行前的断缴不算", kind: contribution.Resident, before: []enrolment.Insurance{{Scheme: policy.Resident, From: 20200101, To: 20201231}},
			billed: 20250910, paid: 20250910, due: 400_00, fiscal: 670_00, from: 20260101, benefits: 20260110, explained: "等待 4 个月"},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := open(t, x.billed)
			if x.birth == 0 {
				x.birth = 19850312
			}
			who := w.someone(x.birth)
			w.update(func(tx *db.Tx) error {
				for _, i := range x.before {
					w.must(enrolment.AddInsurance(w.ctx, tx, who, i))
				}
				if x.class != "" {
					return enrolment.AddClass(w.ctx, tx, who, enrolment.Class{Name: x.class, From: 20240101})
				}
				return nil
			})
			w.registers(who, x.kind)
			bank, fiscal, helped, pool := w.balance(fund.Bank(region)), w.balance(fund.Fiscal(region)), w.balance(fund.FundAccount(region, "assistance")), w.balance(fund.FundAccount(region, "pooled_resident"))
			b := w.bill(contribution.Request{Person: who, Scheme: policy.Resident, Mended: x.mended, Actor: "test"})
			if b.Due != x.due {
				t.Fatalf("due is %s, want %s: %+v", b.Due, x.due, b.Parts)
			}
			for _, p := range b.Parts {
				if p.Source == "" || p.Formula == "" {
					t.Errorf("%+v is not explained", p)
				}
			}
			if b.Due > 0 {
				again := w.bill(contribution.Request{Person: who, Scheme: policy.Resident, Mended: x.mended, Actor: "test"})
				if again.ID != b.ID {
					t.Error("the same bill is made twice")
				}
				w.at(x.paid)
				p := w.pay(w.notice(b, "1"))
				if p.State != contribution.Applied || !strings.Contains(p.Note, x.explained) {
					t.Errorf("payment %s: %s", p.State.Title(), p.Note)
				}
			}
			all := w.timeline(who)
			if i := all[len(all)-1]; i.From != x.from || i.BenefitsFrom != x.benefits || i.To != b.To || len(all) != len(x.before)+1 {
				t.Errorf("insured %+v, want from %s, benefits from %s to %s", all, x.from, x.benefits, b.To)
			}
			if w.status(who, x.benefits).Status != policy.Normal || x.from < x.benefits && w.status(who, x.benefits.AddDays(-1)).Status != policy.Waiting {
				t.Error("the status does not follow")
			}
			for _, y := range []struct {
				name      string
				got, want money.Fen
			}{
				{"bank", bank - w.balance(fund.Bank(region)), x.due}, {"fiscal", fiscal - w.balance(fund.Fiscal(region)), x.fiscal},
				{"assistance", helped - w.balance(fund.FundAccount(region, "assistance")), x.helped},
				{"pool", w.balance(fund.FundAccount(region, "pooled_resident")) - pool, x.due + x.fiscal + x.helped},
			} {
				if y.got != y.want {
					t.Errorf("%s moved by %s, want %s", y.name, y.got, y.want)
				}
			}
			w.verify()
		})
	}
}

// TestPaidOnce sends notices twice, late and wrong: a bill is paid once, and all
// other money goes back once (A003-7).
func TestPaidOnce(t *testing.T) {
	w := open(t, 20250910)
	who := w.someone(19850312)
	w.registers(who, contribution.Resident)
	b := w.bill(contribution.Request{Person: who, Scheme: policy.Resident, Actor: "test"})
	bank := w.balance(fund.Bank(region))
	wrong := w.notice(b, "wrong")
	wrong.Amount -= 1
	if p := w.pay(wrong); p.State != contribution.Holding || !strings.Contains(p.Note, "应缴 400.00") {
		t.Errorf("a wrong amount is %s: %s", p.State.Title(), p.Note)
	}
	first := w.pay(w.notice(b, "1"))
	w.at(20250911)
	repeat := w.notice(b, "1")
	// The time of a repeated notice is that of the first.
	if again := w.pay(repeat); !again.At.Equal(first.At) || again.State != first.State || again.Note != first.Note || again.Actor != first.Actor {
		t.Errorf("repeated: %+v, first %+v", again, first)
	}
	repeat.Amount++
	w.refused(w.db.Update(w.ctx, func(tx *db.Tx) error { _, err := w.service.Pay(w.ctx, tx, repeat); return err }), "reference", "已入账另一笔")
	second := w.pay(w.notice(b, "2"))
	if second.State != contribution.Holding || !strings.Contains(second.Note, "重复缴费") {
		t.Errorf("a second payment is %s: %s", second.State.Title(), second.Note)
	}
	w.verify()
	for _, reference := range []string{"2", "wrong"} {
		if p, err := w.refund(reference); err != nil || p.State != contribution.PaidBack {
			t.Errorf("refund of %s: %+v, %v", reference, p, err)
		}
		_, err := w.refund(reference)
		w.refused(err, "reference", "只退一次")
	}
	if got := bank - w.balance(fund.Bank(region)); got != b.Due {
		t.Errorf("the bank holds %s, want %s", got, b.Due)
	}
	if _, err := w.refund("3"); err == nil {
		t.Error("what never came in is paid back")
	}
	for _, x := range []struct {
		change      func(*contribution.Notice)
		field, want string
	}{
		{func(n *contribution.Notice) { n.Channel = "" }, "channel", "渠道"},
		{func(n *contribution.Notice) { n.Reference = "" }, "reference", "流水号"},
		{func(n *contribution.Notice) { n.Amount = 0 }, "amount", "大于零"},
		{func(n *contribution.Notice) { n.At = time.Time{} }, "at", "到账时间"},
		{func(n *contribution.Notice) { n.At = w.now.Add(time.Hour) }, "at", "晚于现在"},
		{func(n *contribution.Notice) { n.Bill = "B0" }, "bill", "没有"},
	} {
		n := w.notice(b, "9")
		x.change(&n)
		w.refused(w.db.Update(w.ctx, func(tx *db.Tx) error { _, err := w.service.Pay(w.ctx, tx, n); return err }), x.field, x.want)
	}
	w.verify()
}

// TestRefund pays back a year that was not used, and not one that was (A002-8).
func TestRefund(t *testing.T) {
	w := open(t, 20250910)
	used, unused := w.someone(19850312), w.someone(19850312)
	pool := w.balance(fund.FundAccount(region, "pooled_resident"))
	for _, who := range []string{used, unused} {
		w.registers(who, contribution.Resident)
		w.pay(w.notice(w.bill(contribution.Request{Person: who, Scheme: policy.Resident, Actor: "test"}), who))
	}
	w.at(20260301)
	w.update(func(tx *db.Tx) error {
		v, err := w.care.Open(w.ctx, tx, settlement.OpenRequest{Person: used, Provider: hospital, Scheme: policy.Resident, Kind: policy.Outpatient, Number: "1", Begun: w.now, Actor: "test"})
		w.must(err)
		fees := []settlement.Fee{{Serial: "1", Batch: "1", Item: "SVC990000001", ProviderItem: "x", Time: w.now, Quantity: catalogue.Quantity(10_000), Price: 100_000_000, Amount: 100_00}}
		_, err = w.care.AddFees(w.ctx, tx, v.ID, hospital, fees, "test")
		w.must(err)
		st, err := w.care.Settle(w.ctx, tx, settlement.SettleRequest{Visit: v.ID, Person: used, Provider: hospital, Total: 100_00, Actor: "test"})
		if err == nil && st.Result.FundTotal == 0 {
			t.Error("the fund pays nothing for one who paid")
		}
		return err
	})
	_, err := w.refund(used)
	w.refused(err, "bill", "已享受待遇")
	p, err := w.refund(unused)
	if err != nil || p.State != contribution.WrittenOff {
		t.Fatalf("%+v, %v", p, err)
	}
	_, err = w.refund(unused)
	w.refused(err, "reference", "只退一次")
	if len(w.timeline(unused)) != 0 || len(w.timeline(used)) != 1 {
		t.Error("the insurance does not follow the refund")
	}
	if got := w.balance(fund.FundAccount(region, "pooled_resident")) - pool; got >= 1070_00 || got < 1000_00 {
		t.Errorf("the pool has %s more, want one year less the care", got)
	}
	w.verify()
	// It can be billed and paid anew.
	b := w.bill(contribution.Request{Person: unused, Scheme: policy.Resident, Actor: "test"})
	if p := w.pay(w.notice(b, "anew")); p.State != contribution.Applied || w.status(unused, 20260601).BenefitsFrom != 20260601 {
		t.Errorf("%+v, %+v", p, w.status(unused, 20260601))
	}
	w.verify()
}

// TestFlexible pays month by month: months in a row are one spell, a gap of more
// than three months begins anew.
func TestFlexible(t *testing.T) {
	w := open(t, 20250310)
	who := w.someone(19850312)
	w.registers(who, contribution.Flexible)
	month := func(day civil.Date) *contribution.Payment {
		t.Helper()
		w.at(day)
		b := w.bill(contribution.Request{Person: who, Scheme: policy.Employee, Actor: "test"})
		if b.Due != 600_00 {
			t.Fatalf("due is %s", b.Due)
		}
		return w.pay(w.notice(b, day.String()))
	}
	month(20250310)
	if i := w.status(who, 20250320); i.Status != policy.Waiting || i.BenefitsFrom != 20250401 {
		t.Errorf("in the first month: %+v", i)
	}
	month(20250405)
	month(20250505)
	if all := w.timeline(who); len(all) != 1 || all[0].From != 20250301 || all[0].To != 20250531 || w.status(who, 20250520).Status != policy.Normal {
		t.Errorf("three months: %+v", all)
	}
	month(20250901) // June, July and August were not paid
	if i := w.status(who, 20250902); i.Status != policy.Normal || i.BenefitsFrom != 20250901 {
		t.Errorf("after three months: %+v", i)
	}
	month(20260210) // four were not
	if i := w.status(who, 20260228); i.Status != policy.Waiting || i.BenefitsFrom != 20260301 {
		t.Errorf("after four months: %+v", i)
	}
	if _, err := w.refund("2025-03-10"); err == nil {
		t.Error("a month in the middle is paid back")
	}
	if p, err := w.refund("2026-02-10"); err != nil || p.State != contribution.WrittenOff || len(w.timeline(who)) != 2 {
		t.Errorf("the last month: %+v, %v", p, err)
	}
	w.verify()
	// Whoever pays as an employee is not billed as a resident.
	w.at(20250915)
	w.refused(w.db.Update(w.ctx, func(tx *db.Tx) error {
		return w.service.Register(w.ctx, tx, contribution.Registration{Person: who, Kind: contribution.Resident, Ground: contribution.Household})
	}), "person", "职工医保")
}

// TestBills tries what may be billed.
func TestBills(t *testing.T) {
	w := open(t, 20250910)
	who := w.someone(19850312)
	ask := func(q contribution.Request) error {
		q.Person = who
		return w.db.Update(w.ctx, func(tx *db.Tx) error { _, err := w.service.Make(w.ctx, tx, q); return err })
	}
	w.refused(ask(contribution.Request{Scheme: policy.Resident}), "person", "参保登记")
	w.registers(who, contribution.Resident)
	w.refused(ask(contribution.Request{Scheme: policy.Resident, Mended: 1}), "mended", "至多为 0")
	w.refused(ask(contribution.Request{Scheme: policy.Resident, Mended: -1}), "mended", "至多为 0")
	b := w.bill(contribution.Request{Person: who, Scheme: policy.Resident})
	w.registers(who, contribution.Student) // less is due: the bill is made anew
	c := w.bill(contribution.Request{Person: who, Scheme: policy.Resident})
	if c.ID == b.ID || c.Due != 300_00 {
		t.Errorf("%+v", c)
	}
	if p := w.pay(w.notice(b, "old")); p.State != contribution.Holding || !strings.Contains(p.Note, "已撤销") {
		t.Errorf("%+v", p)
	}
	w.pay(w.notice(c, "new"))
	w.refused(ask(contribution.Request{Scheme: policy.Resident}), "person", "不必再缴")
	w.refused(w.db.Update(w.ctx, func(tx *db.Tx) error { _, err := w.service.Cancel(w.ctx, tx, c.ID, "错", "test"); return err }), "bill", "已缴")
	w.refused(w.db.Update(w.ctx, func(tx *db.Tx) error { _, err := w.service.Cancel(w.ctx, tx, c.ID, "", "test"); return err }), "why", "原因")
	var all []contribution.Bill
	var quote *contribution.Quote
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		all, err = w.service.Bills(w.ctx, tx, who)
		if err == nil {
			quote, err = w.service.Quote(w.ctx, tx, contribution.Request{Person: who, Scheme: policy.Resident})
		}
		return err
	}))
	if len(all) != 2 || all[0].State != contribution.Cancelled || all[1].State != contribution.Paid || all[1].Why == "" || quote.Due != 300_00 || quote.Start.From != 20260101 {
		t.Errorf("%+v, %+v", all, quote)
	}
	w.verify()
}

// TestPaidAtOnce pays a bill from many sides at once.
func TestPaidAtOnce(t *testing.T) {
	w := open(t, 20250910)
	who := w.someone(19850312)
	w.registers(who, contribution.Resident)
	b := w.bill(contribution.Request{Person: who, Scheme: policy.Resident})
	results := make([]*contribution.Payment, 24)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			err := w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
				results[i], err = w.service.Pay(w.ctx, tx, w.notice(b, fmt.Sprint(i/3)))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	applied := 0
	for i, p := range results {
		if p == nil {
			t.Fatal("no answer")
		}
		if p.State == contribution.Applied {
			applied++
		}
		if q := results[i/3*3]; p.State != q.State || p.Note != q.Note {
			t.Errorf("two answers to one notice: %+v, %+v", p, q)
		}
	}
	if applied != 3 {
		t.Errorf("%d notices of one payment are applied, want 3", applied)
	}
	w.verify()
}

// TestFailsWhole makes every write of a payment and of a refund fail in turn.
func TestFailsWhole(t *testing.T) {
	w := open(t, 20250910)
	who := w.someone(19850312)
	w.registers(who, contribution.Resident)
	b := w.bill(contribution.Request{Person: who, Scheme: policy.Resident})
	boom := errors.New("disk full")
	for _, x := range []struct {
		do           func(context.Context, *db.Tx) error
		before, then int // spells of insurance
	}{
		{func(ctx context.Context, tx *db.Tx) error {
			_, err := w.service.Pay(ctx, tx, w.notice(b, "1"))
			return err
		}, 0, 1},
		{func(ctx context.Context, tx *db.Tx) error {
			_, err := w.service.Refund(ctx, tx, contribution.RefundRequest{Channel: "online", Reference: "1", Reason: "身份信息错误"})
			return err
		}, 1, 0},
	} {
		failed := 0
		for ; ; failed++ {
			count := 0
			ctx := db.WithFailure(w.ctx, func(string) error {
				if count++; count > failed {
					return boom
				}
				return nil
			})
			err := w.db.Update(ctx, func(tx *db.Tx) error { return x.do(ctx, tx) })
			if err == nil {
				break
			}
			if !errors.Is(err, boom) {
				t.Fatal(err)
			}
			if len(w.timeline(who)) != x.before {
				t.Fatal("a failed write left something")
			}
			w.verify()
		}
		if failed < 6 || len(w.timeline(who)) != x.then {
			t.Errorf("%d writes failed; %+v", failed, w.timeline(who))
		}
		w.verify()
	}
}

// TestVerifySeesChange changes the records behind the back of the service.
func TestVerifySeesChange(t *testing.T) {
	for _, x := range []struct{ change, want string }{
		{`UPDATE bill SET state = 0 WHERE state = 1`, "entries move"},
		{`UPDATE bill SET due = 1 WHERE state = 1`, "due is"},
		{`UPDATE bill_payment SET amount = 1 WHERE state = 0`, "is of 0.01"},
		{`UPDATE bill_payment SET state = 1 WHERE state = 0`, "0 entries"},
		{`UPDATE bill_payment SET amount = 1 WHERE state = 1`, "held:"},
		{`DELETE FROM bill_payment WHERE state = 0`, "0 payments"},
		{`DELETE FROM insurance WHERE reason LIKE '%缴费'`, "was not insured"},
	} {
		w := open(t, 20250910)
		who := w.someone(19850312)
		w.registers(who, contribution.Resident)
		b := w.bill(contribution.Request{Person: who, Scheme: policy.Resident})
		w.pay(w.notice(b, "1"))
		w.pay(w.notice(b, "2"))
		w.verify()
		w.update(func(tx *db.Tx) error { return tx.Exec(w.ctx, x.change) })
		err := w.db.View(w.ctx, func(tx *db.Tx) error { return w.service.Verify(w.ctx, tx) })
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.change, err, x.want)
		}
	}
}
