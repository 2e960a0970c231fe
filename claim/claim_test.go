package claim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var packages = sync.OnceValues(func() (*policy.Store, error) { return policy.Load(policies.FS) })

const (
	city = "H99010000101" // third level, 990100
	away = "H50000000101" // third level, 500000
	anna = "990100198503120014"
)

type room struct {
	*testing.T
	*claim.Service
	ctx      context.Context
	db       *db.DB
	register *enrolment.Register
	care     *settlement.Service
	papers   *paper.Service
	day      civil.Date
	picture  int
}

func open(t *testing.T) *room {
	t.Helper()
	store, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	r := &room{T: t, ctx: context.Background(), db: dbtest.Open(t), register: enrolment.New(sealer), day: 20250610}
	if _, err := demo.Seed(r.ctx, r.db, r.register, demo.Options{Today: 20250601}); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return r.day.Time().Add(2 * time.Hour) }
	r.care = settlement.New(store, r.register, now)
	r.papers = paper.New(sealer, now)
	r.Service = claim.New(r.register, r.care, r.papers, now)
	return r
}

func (r *room) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *room) update(f func(*db.Tx) error) { r.Helper(); r.must(r.db.Update(r.ctx, f)) }

func (r *room) person(citizenID string) (id string) {
	r.update(func(tx *db.Tx) error {
		p, ok, err := r.register.ByCitizenID(r.ctx, tx, citizenID)
		if !ok {
			r.Fatalf("%s is not there", citizenID)
		}
		id = p.ID
		return err
	})
	return id
}

// do does one thing to a claim in a transaction of its own.
func (r *room) do(f func(tx *db.Tx) (*claim.Claim, error)) (c *claim.Claim, err error) {
	err = r.db.Update(r.ctx, func(tx *db.Tx) (err error) {
		c, err = f(tx)
		return err
	})
	return c, err
}

func (r *room) get(id string) (c *claim.Claim) {
	r.Helper()
	r.update(func(tx *db.Tx) (err error) {
		c, _, err = r.Get(r.ctx, tx, id)
		return err
	})
	return c
}

// hand hands in a photograph of each paper.
func (r *room) hand(c *claim.Claim, labels ...string) {
	r.Helper()
	for _, label := range labels {
		r.picture++
		p := image.NewGray(image.Rect(0, 0, 60, 60))
		p.SetGray(r.picture%60, r.picture/60, color.Gray{255})
		var b bytes.Buffer
		r.must(jpeg.Encode(&b, p, nil))
		var cleaner paper.Cleaner
		clean, err := cleaner.Clean(r.ctx, b.Bytes())
		r.must(err)
		r.update(func(tx *db.Tx) error {
			_, err := r.papers.Put(r.ctx, tx, paper.Handed{Matter: c.ID, Person: c.Person, Label: label, Name: label + ".jpg", Actor: "本人", Clean: clean})
			return err
		})
	}
}

var bank = claim.Bank{Name: "示例银行", Account: "6222000011112222", Holder: "张安"}

// stay is a form for a stay of ten days that ended on a day.
func stay(reason string, end civil.Date) claim.Form {
	return claim.Form{Reason: reason, Kind: policy.Inpatient, Where: "安济示例市人民医院", From: end.AddDays(-9), To: end, Bank: bank}
}

func (r *room) apply(person string, f claim.Form, invoices ...claim.Invoice) *claim.Claim {
	r.Helper()
	c, err := r.do(func(tx *db.Tx) (*claim.Claim, error) {
		c, err := r.Begin(r.ctx, tx, person, claim.Online, f, "本人 "+person)
		if err != nil || len(invoices) == 0 {
			return c, err
		}
		return r.SetInvoices(r.ctx, tx, c.ID, person, invoices)
	})
	r.must(err)
	return c
}

func (r *room) submit(c *claim.Claim) (*claim.Claim, error) {
	return r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Submit(r.ctx, tx, c.ID, c.Person, "本人 "+c.Person) })
}

// line is a fee of class 甲, whole in scope.
func line(invoice int, yuan int64) claim.Line {
	return claim.Line{Invoice: invoice, Item: "SVC990000001", Name: "诊疗服务", Quantity: 10_000, Price: yuan * 1_000_000}
}

func invoice(number string, day civil.Date, yuan int64) claim.Invoice {
	return claim.Invoice{Code: "99060125", Number: number, Day: day, Total: money.Fen(yuan * 100)}
}

// accepted brings a claim to the first review.
func (r *room) accepted(c *claim.Claim, provider string, lines ...claim.Line) *claim.Claim {
	r.Helper()
	if _, err := r.submit(c); err != nil {
		r.Fatal(err)
	}
	out, err := r.do(func(tx *db.Tx) (*claim.Claim, error) {
		now, _, err := r.Get(r.ctx, tx, c.ID)
		if err != nil {
			return nil, err
		}
		if _, err := r.Write(r.ctx, tx, c.ID, claim.Entry{Provider: provider, Kind: now.Kind, From: now.From, To: now.To, Cause: now.Cause, Disease: now.Disease, Invoices: now.Invoices, Lines: lines}, "shouli"); err != nil {
			return nil, err
		}
		return r.Accept(r.ctx, tx, c.ID, "shouli")
	})
	r.must(err)
	return out
}

func (r *room) decided(c *claim.Claim, proposal string) *claim.Claim {
	r.Helper()
	_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Review(r.ctx, tx, c.ID, proposal, "理由", "chushen") })
	r.must(err)
	out, err := r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Recheck(r.ctx, tx, c.ID, true, "", "fuhe") })
	r.must(err)
	return out
}

// released makes a batch of what waits and lets it go to the bank.
func (r *room) released() *claim.Batch {
	r.Helper()
	var b *claim.Batch
	r.update(func(tx *db.Tx) error {
		made, ok, err := r.MakeBatch(r.ctx, tx, "990100", "caiwu")
		if err == nil && !ok {
			r.Fatal("nothing to pay")
		}
		b = made
		return err
	})
	r.update(func(tx *db.Tx) (err error) {
		b, err = r.Release(r.ctx, tx, b.ID, "caiwu2")
		return err
	})
	return b
}

func (r *room) answer(b *claim.Batch, rows ...string) []claim.Answered {
	r.Helper()
	out, err := r.Answer(r.ctx, r.db, b.ID, strings.NewReader("\ufeff批次号,序号,结果,金额,原因\n"+strings.Join(rows, "\n")+"\n"), "caiwu")
	r.must(err)
	return out
}

// proved proves the books.
func (r *room) proved() {
	r.Helper()
	r.update(func(tx *db.Tx) error { return errors.Join(r.care.Verify(r.ctx, tx), r.Verify(r.ctx, tx)) })
}

func refused(t *testing.T, err error, field, want string) {
	t.Helper()
	var e interface {
		Refusal() (field, value, want string)
	}
	if !errors.As(err, &e) {
		t.Errorf("%v, want a refusal of %s", err, field)
		return
	}
	if f, _, w := e.Refusal(); f != field || !strings.Contains(w, want) {
		t.Errorf("%s: %s; want %s with %q", f, w, field, want)
	}
}

// TestPaid is a claim from its draft to the bank: what the engine decides of the
// handbook's table is paid (A002-3: 10000 in a hospital of the third level give
// 7820), once.
func TestPaid(t *testing.T) {
	r := open(t)
	c := r.apply(r.person(anna), stay("卡丢失或挂失期间", 20250605), invoice("0000000001", 20250605, 10000))
	_, err := r.submit(c)
	refused(t, err, "papers", "收费票据、费用明细清单、出院诊断证明") // question 11: what is missing is named
	r.hand(c, "收费票据", "费用明细清单")
	_, err = r.submit(c)
	refused(t, err, "papers", "缺少材料：出院诊断证明")
	r.hand(c, "出院诊断证明")
	c = r.accepted(c, city, line(1, 10000))
	if c.State != claim.Accepted || c.Due != 20250708 { // twenty working days
		t.Fatalf("%s, due %s", c.State, c.Due)
	}
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Review(r.ctx, tx, c.ID, claim.Pay, "", "shouli") })
	refused(t, err, "actor", "不能初审")
	trial, err := r.Try(r.ctx, r.db, c.ID)
	if err != nil || len(trial) != 1 || trial[0].Result.FundTotal != 782_000 {
		t.Fatalf("tried: %v, %v", trial, err)
	}
	r.proved() // and nothing is left of the trial
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Review(r.ctx, tx, c.ID, claim.Pay, "", "chushen") })
	r.must(err)
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Recheck(r.ctx, tx, c.ID, true, "", "chushen") })
	refused(t, err, "actor", "不能复核")
	c, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Recheck(r.ctx, tx, c.ID, true, "", "fuhe") })
	r.must(err)
	if c.State != claim.Approved || len(c.Settlements) != 1 {
		t.Fatalf("%s, %v", c.State, c.Settlements)
	}
	r.proved()
	var b *claim.Batch
	r.update(func(tx *db.Tx) (err error) {
		b, _, err = r.MakeBatch(r.ctx, tx, "990100", "caiwu")
		return err
	})
	err = r.db.Update(r.ctx, func(tx *db.Tx) error { _, err := r.Release(r.ctx, tx, b.ID, "caiwu"); return err })
	refused(t, err, "actor", "另一名财务")
	var file bytes.Buffer
	err = r.db.Update(r.ctx, func(tx *db.Tx) error { return r.WriteFile(r.ctx, tx, b.ID, "caiwu", &file) })
	refused(t, err, "batch", "还不能交给银行")
	r.update(func(tx *db.Tx) error {
		if _, err := r.Release(r.ctx, tx, b.ID, "caiwu2"); err != nil {
			return err
		}
		return r.WriteFile(r.ctx, tx, b.ID, "caiwu", &file)
	})
	if !strings.Contains(file.String(), ",1,示例银行,6222000011112222,张安,7820.00,") {
		t.Errorf("the bank's file: %s", file.String())
	}
	row := b.ID + ",1,成功,7820.00,"
	for i := range 2 { // the answer comes twice
		if got := r.answer(b, row); len(got) != 1 || got[0].Wrong {
			t.Errorf("answer %d: %+v", i, got)
		}
	}
	if got := r.answer(b, b.ID+",1,失败,7820.00,户名不符", b.ID+",1,成功,1.00,", b.ID+",9,成功,1.00,", "X,1,成功,7820.00,", b.ID+",一,成功,1,"); len(got) != 5 {
		t.Errorf("%+v", got)
	} else {
		for _, a := range got {
			if !a.Wrong {
				t.Errorf("a wrong row was taken: %+v", a)
			}
		}
	}
	if c = r.get(c.ID); c.State != claim.Paid {
		t.Errorf("it is %s", c.State)
	}
	r.update(func(tx *db.Tx) error {
		owed, err := r.Owed(r.ctx, tx, c)
		if err == nil && owed != 0 {
			t.Errorf("%s is still owed", owed)
		}
		paid, err2 := r.Payments(r.ctx, tx, c)
		if len(paid) != 1 || paid[0].Amount != 782_000 || paid[0].Title() != "已支付" {
			t.Errorf("payments: %+v", paid)
		}
		return errors.Join(err, err2)
	})
	r.proved()
}

// TestSameAsThere: a claim comes to the fen to what the hospital would have
// settled, and counts in the sums of the year as that would (S2-28).
func TestSameAsThere(t *testing.T) {
	r := open(t)
	person := r.person(anna)
	f := claim.Form{Reason: "急诊未持卡", Kind: policy.Outpatient, Where: "人民医院", From: 20250602, To: 20250604, Bank: bank}
	c := r.apply(person, f, invoice("11", 20250604, 900), invoice("12", 20250602, 60))
	r.hand(c, "收费票据", "费用明细清单", "处方底联", "诊断证明", "急诊诊断证明")
	c = r.accepted(c, city, line(1, 900), line(2, 60))
	c = r.decided(c, claim.Pay)
	// The deductible of 100: 60 of the earlier visit, 40 of the later; 60 % of 860.
	if c.State != claim.Approved || len(c.Settlements) != 2 {
		t.Fatalf("%s, %v", c.State, c.Settlements)
	}
	r.update(func(tx *db.Tx) error {
		owed, err := r.Owed(r.ctx, tx, c)
		if err == nil && owed != 51_600 {
			t.Errorf("%s is owed", owed)
		}
		visits, err2 := r.care.Visits(r.ctx, tx, settlement.VisitFilter{Provider: city, Person: person})
		if len(visits) != 0 {
			t.Error("the hospital is shown what the person claims")
		}
		payable, err3 := fund.Balance(r.ctx, tx, fund.Payable(city))
		if payable != 0 {
			t.Errorf("%s is owed to the hospital", payable)
		}
		return errors.Join(err, err2, err3)
	})
	r.proved()
}

// TestOnceOnly is question 8: an invoice counts once, in whatever claim, and one
// that was lost and issued again counts with the new one.
func TestOnceOnly(t *testing.T) {
	r := open(t)
	person := r.person(anna)
	again := invoice("77", 20250605, 10000)
	again.Original = "66"
	c := r.apply(person, stay("卡丢失或挂失期间", 20250605), again)
	r.hand(c, "收费票据", "费用明细清单", "出院诊断证明")
	_, err := r.submit(c)
	r.must(err)
	for _, number := range []string{"77", "66"} {
		d := r.apply(r.person("990100199001010119"), stay("卡丢失或挂失期间", 20250605), invoice(number, 20250605, 10000))
		r.hand(d, "收费票据", "费用明细清单", "出院诊断证明")
		_, err := r.submit(d)
		refused(t, err, "number", "已在报销申请 "+c.ID)
	}
	// Withdrawn, it may be used again.
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Withdraw(r.ctx, tx, c.ID, person, "本人") })
	r.must(err)
	d := r.apply(person, stay("卡丢失或挂失期间", 20250605), again)
	r.hand(d, "收费票据", "费用明细清单", "出院诊断证明")
	_, err = r.submit(d)
	r.must(err)

	// What a hospital settled cannot be claimed.
	r.update(func(tx *db.Tx) error {
		v, err := r.care.Open(r.ctx, tx, settlement.OpenRequest{Person: person, Provider: city, Kind: policy.Outpatient, Begun: r.day.Time(), Actor: "test"})
		if err != nil {
			return err
		}
		if _, err := r.care.AddFees(r.ctx, tx, v.ID, city, []settlement.Fee{{Serial: "1", Item: "SVC990000001", Time: r.day.Time(), Quantity: 10_000, Price: 100_000_000, Amount: 10_000}}, "test"); err != nil {
			return err
		}
		_, err = r.care.Settle(r.ctx, tx, settlement.SettleRequest{Visit: v.ID, Person: person, Provider: city, Total: 10_000, Invoice: "9906012588", Actor: "test"})
		return err
	})
	f := claim.Form{Reason: "新参保未发卡", Kind: policy.Outpatient, Where: "人民医院", From: 20250610, To: 20250610, Bank: bank}
	e := r.apply(person, f, invoice("88", 20250610, 100))
	r.hand(e, "收费票据", "费用明细清单", "处方底联", "诊断证明")
	_, err = r.submit(e)
	refused(t, err, "number", "已在医院直接结算")
	r.proved()
}

// TestEmergencyAway is question 9: an emergency away that was not filed counts as
// filed, if its certificate is there; another reason needs a filing.
func TestEmergencyAway(t *testing.T) {
	r := open(t)
	person := r.person(anna)
	f := stay("异地突发急诊", 20250605)
	f.Where = "异地示例医院"
	c := r.apply(person, f, invoice("1", 20250605, 10000))
	r.hand(c, "收费票据", "费用明细清单", "出院诊断证明")
	_, err := r.submit(c)
	refused(t, err, "papers", "急诊诊断证明")
	r.hand(c, "急诊诊断证明")
	c = r.accepted(c, away, line(1, 10000))
	if c = r.decided(c, claim.Pay); c.State != claim.Approved {
		t.Fatalf("%s %s", c.State, c.Why())
	}
	r.update(func(tx *db.Tx) error {
		owed, err := r.Owed(r.ctx, tx, c)
		if err == nil && owed != 782_000 { // as at home: nothing is taken off the ratio
			t.Errorf("%s is owed", owed)
		}
		st, _, err2 := r.care.Get(r.ctx, tx, c.Settlements[0])
		if st.Case.Filing != policy.EmergencyAway || st.Case.CareRegion != "500000" {
			t.Errorf("settled as filing %v in %s", st.Case.Filing, st.Case.CareRegion)
		}
		return errors.Join(err, err2)
	})
	// A002-9: not filed; filed afterwards it is accepted.
	g := stay("补办备案后报销", 20250608)
	d := r.apply(person, g, invoice("2", 20250608, 1000))
	r.hand(d, "收费票据", "费用明细清单", "出院诊断证明")
	_, err = r.submit(d)
	r.must(err)
	entry := claim.Entry{Provider: away, Kind: policy.Inpatient, From: g.From, To: g.To, Invoices: d.Invoices, Lines: []claim.Line{line(1, 1000)}}
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Write(r.ctx, tx, d.ID, entry, "shouli") })
	r.must(err)
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Accept(r.ctx, tx, d.ID, "shouli") })
	refused(t, err, "reason", "补办备案")
	r.update(func(tx *db.Tx) error {
		return enrolment.AddFiling(r.ctx, tx, person, enrolment.Filing{Region: "500000", Kind: policy.Filed, From: 20250501})
	})
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Accept(r.ctx, tx, d.ID, "shouli") })
	r.must(err)
	r.proved()
}

// TestTerm is A002-10: three months after the discharge, and not a day later.
func TestTerm(t *testing.T) {
	r := open(t)
	person := r.person(anna)
	for _, x := range []struct {
		day  civil.Date
		good bool
	}{{20250605, true}, {20250606, false}} {
		r.day = x.day
		c := r.apply(person, stay("新参保未发卡", 20250305), invoice(fmt.Sprint(x.day), 20250305, 100))
		r.hand(c, "收费票据", "费用明细清单", "出院诊断证明")
		_, err := r.submit(c)
		if x.good {
			r.must(err)
			continue
		}
		refused(t, err, "from", "到 2025-06-05 为止")
	}
}

// TestLineRefused: a reviewer may let a line not be paid, with a reason; what is
// left the engine decides.
func TestLineRefused(t *testing.T) {
	r := open(t)
	c := r.apply(r.person(anna), stay("新参保未发卡", 20250605), invoice("1", 20250605, 10000))
	r.hand(c, "收费票据", "费用明细清单", "出院诊断证明")
	c = r.accepted(c, city, line(1, 9000), line(1, 1000))
	_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) {
		return r.RefuseLine(r.ctx, tx, c.ID, 1, 2, "与病情不符", "chushen")
	})
	r.must(err)
	c = r.decided(c, claim.Pay)
	r.update(func(tx *db.Tx) error {
		st, _, err := r.care.Get(r.ctx, tx, c.Settlements[0])
		if err == nil && (st.Result.FullOwnPay != 100_000 || st.Result.FundTotal != 697_000) { // (9000 − 800) × 85 %
			t.Errorf("own pay %s, funds %s", st.Result.FullOwnPay, st.Result.FundTotal)
		}
		return err
	})
	r.proved()
}

// TestBankCannotPay: the person mends the account and is paid, once.
func TestBankCannotPay(t *testing.T) {
	r := open(t)
	person := r.person(anna)
	c := r.apply(person, stay("新参保未发卡", 20250605), invoice("1", 20250605, 10000))
	r.hand(c, "收费票据", "费用明细清单", "出院诊断证明")
	c = r.decided(r.accepted(c, city, line(1, 10000)), claim.Pay)
	b := r.released()
	r.answer(b, b.ID+",1,失败,7820.00,户名与账号不符")
	if c = r.get(c.ID); c.State != claim.Failed || !strings.Contains(c.Why(), "户名与账号不符") {
		t.Fatalf("%s: %s", c.State, c.Why())
	}
	if err := r.db.Update(r.ctx, func(tx *db.Tx) error {
		_, ok, err := r.MakeBatch(r.ctx, tx, "990100", "caiwu")
		return errors.Join(err, is(!ok))
	}); err != nil {
		t.Errorf("what failed was put into a batch before its account was mended: %v", err)
	}
	_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) {
		return r.Mend(r.ctx, tx, c.ID, person, claim.Bank{Name: "示例银行", Account: "62-1", Holder: "张安"}, "本人")
	})
	refused(t, err, "account", "8 至 32 位")
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) {
		return r.Mend(r.ctx, tx, c.ID, person, claim.Bank{Name: "示例银行", Account: "6222 0000 3333 4444", Holder: "张安"}, "本人")
	})
	r.must(err)
	second := r.released()
	r.answer(second, second.ID+",1,成功,\"7,820.00\",")
	r.answer(b, b.ID+",1,成功,7820.00,") // the first file's row, said otherwise later: it was failed
	if c = r.get(c.ID); c.State != claim.Paid {
		t.Errorf("it is %s", c.State)
	}
	r.proved()
	// A batch that is taken apart pays nothing, and its claims wait again.
	d := r.apply(r.person("990100199001010119"), stay("新参保未发卡", 20250605), invoice("2", 20250605, 10000))
	r.hand(d, "收费票据", "费用明细清单", "出院诊断证明")
	d = r.decided(r.accepted(d, city, line(1, 10000)), claim.Pay)
	r.update(func(tx *db.Tx) error {
		b, _, err := r.MakeBatch(r.ctx, tx, "990100", "caiwu")
		if err == nil {
			_, err = r.Cancel(r.ctx, tx, b.ID, "caiwu")
		}
		return err
	})
	if d = r.get(d.ID); d.State != claim.Approved {
		t.Errorf("it is %s", d.State)
	}
	r.proved()
}

func is(b bool) error {
	if b {
		return nil
	}
	return errors.New("it is not so")
}

// TestAppeal: others look again; what was paid counts.
func TestAppeal(t *testing.T) {
	r := open(t)
	person := r.person(anna)
	c := r.apply(person, stay("新参保未发卡", 20250605), invoice("1", 20250605, 10000))
	r.hand(c, "收费票据", "费用明细清单", "出院诊断证明")
	c = r.accepted(c, city, line(1, 9000), line(1, 1000))
	_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) {
		return r.RefuseLine(r.ctx, tx, c.ID, 1, 2, "与病情不符", "chushen")
	})
	r.must(err)
	c = r.decided(c, claim.Pay)
	b := r.released()
	r.answer(b, b.ID+",1,成功,6970.00,")
	appeal := func() error {
		_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) {
			return r.Appeal(r.ctx, tx, c.ID, person, "这项是必需的治疗", "本人")
		})
		return err
	}
	r.day = 20250810
	refused(t, appeal(), "id", "到 2025-08-09 为止")
	r.day = 20250620
	r.must(appeal())
	judge := func(actor string) error {
		_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) {
			return r.DecideAppeal(r.ctx, tx, c.ID, true, "应予支付", actor)
		})
		return err
	}
	refused(t, judge("chushen"), "actor", "处理申诉")
	refused(t, judge("fuhe"), "actor", "处理申诉")
	r.must(judge("zuzhang"))
	r.proved()
	if c = r.get(c.ID); c.State != claim.Accepted || len(c.Settlements) != 0 {
		t.Fatalf("%s, %v", c.State, c.Settlements)
	}
	// Less than was paid does not come of an appeal.
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.RefuseLine(r.ctx, tx, c.ID, 1, 1, "有误", "chushen") })
	r.must(err)
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Review(r.ctx, tx, c.ID, claim.Pay, "", "chushen") })
	r.must(err)
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Recheck(r.ctx, tx, c.ID, true, "", "fuhe") })
	refused(t, err, "decision", "申诉不减少")
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) {
		return r.Recheck(r.ctx, tx, c.ID, false, "不能少付", "fuhe")
	})
	r.must(err)
	for n := 1; n <= 2; n++ {
		_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.RefuseLine(r.ctx, tx, c.ID, 1, n, "", "chushen") })
		r.must(err)
	}
	c = r.decided(c, claim.Pay)
	r.update(func(tx *db.Tx) error {
		owed, err := r.Owed(r.ctx, tx, c)
		if err == nil && owed != 85_000 { // 7820 less 6970
			t.Errorf("%s is owed", owed)
		}
		return err
	})
	b = r.released()
	r.answer(b, b.ID+",1,成功,850.00,")
	r.proved()
	refused(t, appeal(), "id", "已经申诉过")
}

// TestRefused: one who is not covered is told why, and nothing is owed; two
// officers refuse a claim, and its invoices are free again.
func TestRefused(t *testing.T) {
	r := open(t)
	person := r.person("990100196206300327") // in arrears for four months
	c := r.apply(person, stay("新参保未发卡", 20250605), invoice("1", 20250605, 10000))
	r.hand(c, "收费票据", "费用明细清单", "出院诊断证明")
	c = r.decided(r.accepted(c, city, line(1, 10000)), claim.Pay)
	if c.State != claim.Closed || !strings.Contains(c.Why(), "欠费") {
		t.Errorf("%s: %s", c.State, c.Why())
	}
	d := r.apply(r.person(anna), stay("新参保未发卡", 20250605), invoice("2", 20250605, 100))
	r.hand(d, "收费票据", "费用明细清单", "出院诊断证明")
	d = r.decided(r.accepted(d, city, line(1, 100)), claim.Refuse)
	if d.State != claim.Refused || d.Why() != "理由" {
		t.Errorf("%s: %s", d.State, d.Why())
	}
	e := r.apply(r.person(anna), stay("新参保未发卡", 20250605), invoice("2", 20250605, 100))
	r.hand(e, "收费票据", "费用明细清单", "出院诊断证明")
	_, err := r.submit(e)
	r.must(err)
	// At the counter what is missing is said in one go.
	back, err := r.do(func(tx *db.Tx) (*claim.Claim, error) {
		f := stay("急诊未持卡", 20250605)
		c, err := r.Begin(r.ctx, tx, person, claim.Window, f, "shouli")
		if err != nil {
			return nil, err
		}
		return r.Submit(r.ctx, tx, c.ID, person, "shouli")
	})
	r.must(err)
	if back.State != claim.Returned || back.Why() != "缺少材料：收费票据、费用明细清单、出院诊断证明、急诊诊断证明" {
		t.Errorf("%s: %s", back.State, back.Why())
	}
	r.hand(back, "收费票据", "费用明细清单", "出院诊断证明", "急诊诊断证明")
	if back, err = r.submit(back); err != nil || back.State != claim.Submitted {
		t.Errorf("%v %v", back, err)
	}
	r.proved()
}

// TestBadInput: what is wrong is named, and nothing is changed.
func TestBadInput(t *testing.T) {
	r := open(t)
	person := r.person(anna)
	good := stay("新参保未发卡", 20250605)
	for _, x := range []struct {
		name, field, want string
		change            func(*claim.Form)
	}{
		{"reason", "reason", "可以申请的原因有", func(f *claim.Form) { f.Reason = "想报" }},
		{"tomorrow", "to", "不能晚于今天", func(f *claim.Form) { f.To = 20250611 }},
		{"backwards", "to", "早于开始日期", func(f *claim.Form) { f.To = f.From.AddDays(-1) }},
		{"account", "account", "8 至 32 位数字", func(f *claim.Form) { f.Bank.Account = "ABCDEFGHIJ" }},
		{"pharmacy", "kind", "不能手工报销", func(f *claim.Form) { f.Kind = policy.PharmacyVisit }},
		{"note", "note", "至多 500 个字", func(f *claim.Form) { f.Note = strings.Repeat("长", 501) }},
	} {
		f := good
		x.change(&f)
		_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Begin(r.ctx, tx, person, claim.Online, f, "本人") })
		refused(t, err, x.field, x.want)
	}
	c := r.apply(person, good, invoice("1", 20250605, 100))
	for _, x := range []struct {
		field, want string
		all         []claim.Invoice
	}{
		{"number", "缺少票据号码", []claim.Invoice{{Day: 20250605, Total: 1}}},
		{"number", "重复", []claim.Invoice{invoice("1", 20250605, 1), invoice(" 1", 20250605, 1)}},
		{"total", "应大于 0", []claim.Invoice{invoice("1", 20250605, 0)}},
		{"day", "缺少日期", []claim.Invoice{invoice("1", 0, 1)}},
		{"original", "相同", []claim.Invoice{{Number: "1", Original: "1", Day: 20250605, Total: 1}}},
	} {
		_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.SetInvoices(r.ctx, tx, c.ID, person, x.all) })
		refused(t, err, x.field, x.want)
	}
	other := r.person("990100199001010119")
	_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Save(r.ctx, tx, c.ID, other, good) })
	refused(t, err, "id", "没有这个报销申请")
	if got := r.get(c.ID); len(got.Invoices) != 1 || got.Total != 10_000 {
		t.Errorf("%+v", got)
	}
	r.hand(c, "收费票据", "费用明细清单", "出院诊断证明")
	_, err = r.submit(c)
	r.must(err)
	write := func(e claim.Entry) error {
		_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Write(r.ctx, tx, c.ID, e, "shouli") })
		return err
	}
	entry := claim.Entry{Provider: city, Kind: policy.Inpatient, From: good.From, To: good.To, Invoices: c.Invoices, Lines: []claim.Line{line(1, 90)}}
	r.must(write(entry))
	_, err = r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Accept(r.ctx, tx, c.ID, "shouli") })
	refused(t, err, "lines", "与票面金额 100.00 不符")
	bad := entry
	bad.Lines = []claim.Line{{Invoice: 2, Name: "x", Quantity: 1, Price: 1}}
	refused(t, write(bad), "lines", "不属于任何一张票据")
	bad.Lines = []claim.Line{{Invoice: 1, Name: "x", Quantity: -1, Price: 1}}
	refused(t, write(bad), "quantity", "应大于 0")
	bad = entry
	bad.Provider = "H00000000000"
	refused(t, write(bad), "provider", "没有登记")
	r.proved()
}

// TestFailureLeavesNothing breaks each statement of the decision and of the bank's
// answer in turn: a claim is decided, and paid, whole or not at all.
func TestFailureLeavesNothing(t *testing.T) {
	r := open(t)
	c := r.apply(r.person(anna), stay("新参保未发卡", 20250605), invoice("1", 20250605, 10000))
	r.hand(c, "收费票据", "费用明细清单", "出院诊断证明")
	c = r.accepted(c, city, line(1, 10000))
	_, err := r.do(func(tx *db.Tx) (*claim.Claim, error) { return r.Review(r.ctx, tx, c.ID, claim.Pay, "", "chushen") })
	r.must(err)
	broken := errors.New("broken")
	breaks := func(do func(context.Context) error) (n int) {
		for ; ; n++ {
			left := n
			err := do(db.WithFailure(r.ctx, func(string) error {
				if left--; left < 0 {
					return broken
				}
				return nil
			}))
			if err == nil {
				return n
			}
			if !errors.Is(err, broken) {
				t.Fatalf("statement %d: %v", n, err)
			}
			r.proved()
		}
	}
	n := breaks(func(ctx context.Context) error {
		return r.db.Update(ctx, func(tx *db.Tx) error { _, err := r.Recheck(ctx, tx, c.ID, true, "", "fuhe"); return err })
	})
	if n < 10 {
		t.Errorf("only %d statements were broken", n)
	}
	b := r.released()
	if n = breaks(func(ctx context.Context) error {
		_, err := r.Answer(ctx, r.db, b.ID, strings.NewReader("批次号,序号,结果,金额,原因\n"+b.ID+",1,成功,7820.00,\n"), "caiwu")
		return err
	}); n < 4 {
		t.Errorf("only %d statements were broken", n)
	}
	if c = r.get(c.ID); c.State != claim.Paid {
		t.Errorf("it is %s", c.State)
	}
	r.proved()
}

func FuzzAnswer(f *testing.F) {
	f.Add("批次号,序号,结果,金额,原因\nZ1,1,成功,1.00,\n")
	f.Add("\"")
	f.Fuzz(func(t *testing.T, text string) {
		d := dbtest.Open(t)
		sealer, _ := gm.NewSealer(make([]byte, 48))
		store, err := packages()
		if err != nil {
			t.Fatal(err)
		}
		register := enrolment.New(sealer)
		s := claim.New(register, settlement.New(store, register, nil), paper.New(sealer, nil), nil)
		out, err := s.Answer(context.Background(), d, "Z1", strings.NewReader(text), "caiwu")
		var bad *claim.Error
		if err != nil && !errors.As(err, &bad) {
			t.Fatal(err)
		}
		for _, a := range out {
			if !a.Wrong {
				t.Fatalf("a row of no batch was taken: %+v", a)
			}
		}
	})
}
