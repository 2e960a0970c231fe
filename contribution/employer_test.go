package contribution_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

const (
	factory = "91990100MA0000015X"
	school  = "91990100MA0000023Q"
)

// row is a declared row of a person that need not exist; the serial makes the ID.
func row(serial int, wage string, change contribution.Change) contribution.Declared {
	return contribution.Declared{Name: fmt.Sprintf("职工%d", serial), CitizenID: fmt.Sprintf("99010019900101%04d", serial*10), Wage: wage, Change: change}
}

func (w *world) employer(code string) {
	w.Helper()
	w.update(func(tx *db.Tx) error {
		return w.service.AddEmployer(w.ctx, tx, contribution.Employer{Code: code, Name: "示例单位", Region: region}, "test")
	})
}

func (w *world) declares(employer string, month civil.Date, rows ...contribution.Declared) (d *contribution.Declaration) {
	w.Helper()
	w.update(func(tx *db.Tx) (err error) {
		d, err = w.service.Declare(w.ctx, tx, employer, month, rows, "test")
		return err
	})
	return d
}

func (w *world) confirm(id string) (d *contribution.Declaration, err error) {
	err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
		d, err = w.service.Confirm(w.ctx, tx, id, "test")
		return err
	})
	return d, err
}

func (w *world) confirmed(employer string, month civil.Date, rows ...contribution.Declared) *contribution.Declaration {
	w.Helper()
	d, err := w.confirm(w.declares(employer, month, rows...).ID)
	w.must(err)
	return d
}

func (w *world) payDeclaration(d *contribution.Declaration, reference string, amount money.Fen) *contribution.Payment {
	w.Helper()
	var p *contribution.Payment
	w.update(func(tx *db.Tx) (err error) {
		p, err = w.service.PayDeclaration(w.ctx, tx, contribution.Notice{Channel: "bank", Reference: reference, Bill: d.ID, Amount: amount, At: w.now, Actor: "test"})
		return err
	})
	return p
}

func (w *world) personOf(r contribution.Declared) string {
	w.Helper()
	var id string
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		p, ok, err := w.register.ByCitizenID(w.ctx, tx, r.CitizenID)
		if !ok {
			w.Fatalf("%s is not registered", r.Name)
		}
		id = p.ID
		return err
	}))
	return id
}

func (w *world) insured(person string, day civil.Date) (i enrolment.Insurance) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		i, err = enrolment.StatusOn(w.ctx, tx, person, day)
		return err
	}))
	return i
}

func (w *world) held(name string) (b money.Fen) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		b, err = fund.Balance(w.ctx, tx, name)
		return err
	}))
	return b
}

func (w *world) proved() {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return errors.Join(w.service.Verify(w.ctx, tx), w.care.Verify(w.ctx, tx)) }))
}

func (w *world) overdue() (n int) {
	w.Helper()
	n, err := w.service.Overdue(w.ctx, w.db, region)
	w.must(err)
	return n
}

// TestDeclaration is row 5 and A000-4: an employer's staff, whatever their
// household, are insured by it; the base has limits; the shares go where they
// belong.
func TestDeclaration(t *testing.T) {
	w := open(t, 20250605)
	w.employer(factory)
	low, middle, high := row(1, "1000", contribution.Joins), row(2, "8000.50", contribution.Joins), row(3, "99999", contribution.Joins)
	d := w.confirmed(factory, 20250601, low, middle, high)
	shares := map[string]money.Fen{}
	for _, r := range d.Rows {
		for _, p := range r.Parts {
			shares[fmt.Sprint(r.N, p.Payer)] = p.Amount
			if p.Source == "" || p.Formula == "" {
				t.Errorf("%s is not explained", p.Title)
			}
		}
	}
	if d.Due != 20250625 || d.State != contribution.Confirmed || d.Unit == 0 || d.Personal == 0 {
		t.Fatalf("%+v", d)
	}
	// 60 % and 300 % of the average wage bound the base: five times.
	if shares["3person"] != 5*shares["1person"] || shares["2person"] <= shares["1person"] || shares["2employer"] <= 3*shares["2person"] {
		t.Errorf("shares %v", shares)
	}
	p := w.payDeclaration(d, "1", d.Unit+d.Personal)
	if p.State != contribution.Applied {
		t.Fatalf("%+v", p)
	}
	if b := w.held(fund.PersonAccount(w.personOf(middle))); b != shares["2person"] {
		t.Errorf("the own part in the account is %s, paid was %s", b, shares["2person"])
	}
	if b := w.held(fund.FundAccount(region, "pooled_employee")); b != d.Unit {
		t.Errorf("the fund got %s", b)
	}
	i := w.insured(w.personOf(low), 20250630)
	if i.Scheme != policy.Employee || i.Status != policy.Waiting || i.BenefitsFrom != 20250701 || i.To != 0 {
		t.Errorf("in the month of the first payment %+v", i)
	}
	if i := w.insured(w.personOf(low), 20250701); i.Status != policy.Normal {
		t.Errorf("from the month after %+v", i)
	}
	// Whatever arrives twice pays once, and more money is held.
	if again := w.payDeclaration(d, "1", d.Unit+d.Personal); again.State != contribution.Applied {
		t.Errorf("%+v", again)
	}
	twice := w.payDeclaration(d, "2", d.Unit+d.Personal)
	if twice.State != contribution.Holding || !strings.Contains(twice.Note, "重复缴费") {
		t.Errorf("%+v", twice)
	}
	w.proved()
	back := func() error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error {
			_, err := w.service.RefundDeclaration(w.ctx, tx, contribution.RefundRequest{Channel: "bank", Reference: "2", Reason: "重复缴费", Actor: "test"})
			return err
		})
	}
	w.must(back())
	w.refused(back(), "reference", "只退一次")
	w.proved()
	if b := w.held(fund.Bank(region)); b != -(d.Unit + d.Personal) {
		t.Errorf("the bank holds %s", b)
	}
	// A second declaration of the month takes only who is not yet in one.
	late := w.confirmed(factory, 20250601, row(4, "5000", contribution.Joins))
	w.payDeclaration(late, "3", late.Unit+late.Personal)
	w.proved()
}

// TestBadRows names every bad row, keeps the good ones back, and confirms
// nothing until all are good.
func TestBadRows(t *testing.T) {
	w := open(t, 20250605)
	w.employer(factory)
	w.employer(school)
	w.confirmed(factory, 20250601, row(1, "5000", contribution.Joins), row(2, "5000", contribution.Joins))
	w.confirmed(school, 20250601, row(3, "5000", contribution.Joins))
	w.at(20250702)
	wrongName := row(1, "5000", "")
	wrongName.Name = "别人"
	noName := row(8, "5000", contribution.Joins)
	noName.Name = " "
	badID := row(9, "5000", contribution.Joins)
	badID.CitizenID = "99010019901301009"
	badPhone := row(10, "5000", contribution.Joins)
	badPhone.Phone = "12345"
	retired := contribution.Declared{Name: "李济", CitizenID: "990100195607040023", Wage: "5000", Change: contribution.Joins}
	dead := contribution.Declared{Name: "褚故", CitizenID: "990100194501010358", Wage: "5000", Change: contribution.Joins}
	moved := contribution.Declared{Name: "老郭", CitizenID: "990100198808080412", Wage: "5000", Change: contribution.Joins}
	d := w.declares(factory, 20250701, wrongName, row(3, "5000", contribution.Joins), row(5, "5000", ""), row(6, "-1", contribution.Joins), row(6, "5000", contribution.Joins),
		noName, badID, row(7, "1.234", contribution.Joins), row(12, "5000", "调"), badPhone, retired, dead, moved, row(11, "5000", contribution.Joins))
	want := []string{"姓名与登记的不符", "在其他单位参保（自 2025-06-01 起）", "不在本单位名册", "月工资“-1”", "与第 4 行相同",
		"姓名为空", "长度", "月工资“1.234”", "变动“调”", "手机号", "已退休", "死亡", "参保地为 990200", "", "没有申报"}
	if len(d.Rows) != len(want) {
		t.Fatalf("%d rows", len(d.Rows))
	}
	for i, r := range d.Rows {
		if (want[i] == "") != (r.Fault == "") || !strings.Contains(r.Fault, want[i]) {
			t.Errorf("row %d: %q, want %q", r.N, r.Fault, want[i])
		}
		if strings.Contains(r.Fault, r.CitizenID) && r.CitizenID != "" {
			t.Errorf("row %d tells the citizen ID", r.N)
		}
	}
	_, err := w.confirm(d.ID)
	w.refused(err, "declaration", "还有 14 行有误，第 1 行：姓名与登记的不符")
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { // nothing of it happened
		_, ok, err := w.register.ByCitizenID(w.ctx, tx, row(11, "", "").CitizenID)
		if ok {
			t.Error("a person of a draft is registered")
		}
		return err
	}))
	// Mended, it is confirmed whole.
	d = w.declares(factory, 20250701, row(1, "6000", ""), row(2, "", contribution.Leaves), row(11, "5000", contribution.Joins))
	if len(d.Faulty()) != 0 {
		t.Fatalf("%+v", d.Faulty())
	}
	d, err = w.confirm(d.ID)
	w.must(err)
	_, err = w.confirm(d.ID)
	w.refused(err, "declaration", "已是「待缴」")
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		staff, err := contribution.Staff(w.ctx, tx, factory, 20250715)
		if len(staff) != 2 || staff[0].Employer != factory {
			t.Errorf("%+v", staff)
		}
		drafts, err2 := w.service.Declarations(w.ctx, tx, factory)
		if len(drafts) != 2 {
			t.Errorf("%d declarations", len(drafts))
		}
		return errors.Join(err, err2)
	}))
	w.update(func(tx *db.Tx) error { return w.service.CancelDeclaration(w.ctx, tx, d.ID, "误报", "test") })
	p := w.payDeclaration(d, "1", d.Unit+d.Personal)
	if p.State != contribution.Holding || !strings.Contains(p.Note, "已撤销") {
		t.Errorf("%+v", p)
	}
	w.proved()
	for _, tt := range []struct {
		err         error
		field, want string
	}{
		{w.db.Update(w.ctx, func(tx *db.Tx) error {
			_, err := w.service.Declare(w.ctx, tx, "x", 20250701, []contribution.Declared{{}}, "test")
			return err
		}), "employer", "没有登记"},
		{w.db.Update(w.ctx, func(tx *db.Tx) error {
			_, err := w.service.Declare(w.ctx, tx, factory, 20250901, []contribution.Declared{{}}, "test")
			return err
		}), "month", "提前"},
		{w.db.Update(w.ctx, func(tx *db.Tx) error {
			_, err := w.service.Declare(w.ctx, tx, factory, 20250701, nil, "test")
			return err
		}), "rows", "行"},
		{w.db.Update(w.ctx, func(tx *db.Tx) error {
			return w.service.AddEmployer(w.ctx, tx, contribution.Employer{Code: "91990100MA0000015Y", Name: "x", Region: region}, "test")
		}), "employer", "校验码"},
	} {
		w.refused(tt.err, tt.field, tt.want)
	}
}

// TestArrears is row 2, A003-6 and the late fee: what is not paid in time makes
// benefits stand still from the month after, and costs 0.05 % a day.
func TestArrears(t *testing.T) {
	w := open(t, 20250602)
	w.employer(factory)
	x := row(1, "8000", contribution.Joins)
	june := w.confirmed(factory, 20250601, x)
	w.payDeclaration(june, "1", june.Unit+june.Personal)
	who := w.personOf(x)
	x.Change = ""
	w.at(20250702)
	july := w.confirmed(factory, 20250701, x)
	w.at(20250731)
	if n := w.overdue(); n != 0 {
		t.Errorf("%d in arrears within the month", n)
	}
	w.at(20250801)
	august := w.confirmed(factory, 20250801, x)
	if w.overdue() != 1 || w.overdue() != 0 {
		t.Error("not put in arrears once")
	}
	if i := w.insured(who, 20250731); i.Status != policy.Normal {
		t.Errorf("in the month that is not paid %+v", i)
	}
	if i := w.insured(who, 20250801); i.Status != policy.Arrears || i.Reason != "单位欠费" {
		t.Errorf("in the month after %+v", i)
	}
	w.at(20250904)
	base := july.Unit + july.Personal
	fee, part, err := w.service.LateFee(july, 20250904)
	w.must(err)
	if want := money.Fen((int64(base)*5*41 + 5000) / 10000); fee != want || part.Fund != "pooled_employee" || !strings.Contains(part.Source, "第八十六条") {
		t.Errorf("late fee %s, want %s for 41 days; %+v", fee, want, part)
	}
	if p := w.payDeclaration(july, "2", base); p.State != contribution.Holding || !strings.Contains(p.Note, "其中滞纳金 "+fee.String()) {
		t.Errorf("paid without the fee: %+v", p)
	}
	if p := w.payDeclaration(july, "3", base+fee); p.State != contribution.Applied {
		t.Errorf("%+v", p)
	}
	if i := w.insured(who, 20250904); i.Status != policy.Arrears {
		t.Errorf("August is not paid: %+v", i)
	}
	fee, _, err = w.service.LateFee(august, 20250904)
	w.must(err)
	w.payDeclaration(august, "4", august.Unit+august.Personal+fee)
	if i := w.insured(who, 20250904); i.Status != policy.Normal {
		t.Errorf("all is paid: %+v", i)
	}
	if i := w.insured(who, 20250820); i.Status != policy.Arrears {
		t.Errorf("what was in arrears stays so: %+v", i)
	}
	w.proved()
	// Who leaves is paid for no more.
	x.Change = contribution.Leaves
	w.confirmed(factory, 20250901, x)
	if i := w.insured(who, 20250831); i.Status != policy.Arrears {
		t.Errorf("%+v", i)
	}
	if i := w.insured(who, 20250930); i.Status != policy.Suspended || i.Reason != "单位减员停保" {
		t.Errorf("%+v", i)
	}
	// Three months later another employer takes them: the month after.
	w.employer(school)
	w.at(20260110)
	x.Change = contribution.Joins
	again := w.confirmed(school, 20260101, x)
	w.payDeclaration(again, "5", again.Unit+again.Personal)
	if i := w.insured(who, 20260131); i.Status != policy.Waiting || i.BenefitsFrom != 20260201 {
		t.Errorf("after more than three months %+v", i)
	}
	if i := w.insured(who, 20260201); i.Status != policy.Normal {
		t.Errorf("%+v", i)
	}
	w.proved()
}

// TestDeclarationFails makes every write of confirming and paying fail in turn.
func TestDeclarationFails(t *testing.T) {
	w := open(t, 20250605)
	w.employer(factory)
	d := w.declares(factory, 20250601, row(1, "5000", contribution.Joins), row(2, "6000", contribution.Joins))
	broken := errors.New("broken")
	each := func(f func(ctx context.Context) error, undone func() bool) {
		t.Helper()
		for n := 0; ; n++ {
			left := n
			err := f(db.WithFailure(w.ctx, func(string) error {
				left--
				if left < 0 {
					return broken
				}
				return nil
			}))
			if err == nil {
				return
			}
			if !errors.Is(err, broken) {
				t.Fatal(err)
			}
			if !undone() {
				t.Fatalf("write %d failed, and something is left", n)
			}
			w.proved()
		}
	}
	state := func() (st contribution.DeclarationState) {
		w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
			x, err := w.service.Declaration(w.ctx, tx, d.ID)
			st = x.State
			return err
		}))
		return st
	}
	each(func(ctx context.Context) error {
		return w.db.Update(ctx, func(tx *db.Tx) error { _, err := w.service.Confirm(ctx, tx, d.ID, "test"); return err })
	}, func() bool { return state() == contribution.Draft })
	each(func(ctx context.Context) error {
		return w.db.Update(ctx, func(tx *db.Tx) error {
			_, err := w.service.PayDeclaration(ctx, tx, contribution.Notice{Channel: "bank", Reference: "1", Bill: d.ID, Amount: d.Unit + d.Personal, At: w.now, Actor: "test"})
			return err
		})
	}, func() bool { return state() == contribution.Confirmed && w.held(fund.Bank(region)) == 0 })
	if state() != contribution.DuePaid {
		t.Errorf("%s", state().Title())
	}
	w.proved()
	w.update(func(tx *db.Tx) error { return tx.Exec(w.ctx, `UPDATE declaration SET unit = unit + 1`) })
	if err := w.db.View(w.ctx, func(tx *db.Tx) error { return w.service.Verify(w.ctx, tx) }); err == nil || !strings.Contains(err.Error(), "its rows sum to") {
		t.Errorf("a changed sum: %v", err)
	}
}

// TestDeclarationPaidAtOnce has many notices arrive together.
func TestDeclarationPaidAtOnce(t *testing.T) {
	w := open(t, 20250605)
	w.employer(factory)
	d := w.confirmed(factory, 20250601, row(1, "5000", contribution.Joins))
	var all sync.WaitGroup
	for n := range 12 {
		all.Go(func() {
			err := w.db.Update(w.ctx, func(tx *db.Tx) error {
				_, err := w.service.PayDeclaration(w.ctx, tx, contribution.Notice{Channel: "bank", Reference: fmt.Sprint(n / 3), Bill: d.ID, Amount: d.Unit + d.Personal, At: w.now, Actor: "test"})
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if b, h := w.held(fund.Bank(region)), w.held(fund.Held(region)); b != -4*(d.Unit+d.Personal) || h != 3*(d.Unit+d.Personal) {
		t.Errorf("bank %s, held %s", b, h)
	}
	w.proved()
}

func TestSheet(t *testing.T) {
	w := open(t, 20250605)
	w.employer(factory)
	var file bytes.Buffer
	w.must(contribution.Template(&file))
	rows, err := contribution.ReadSheet(bytes.NewReader(file.Bytes()))
	if err != nil || len(rows) != 0 {
		t.Fatalf("the template has %d rows, %v", len(rows), err)
	}
	d := &contribution.Declaration{Rows: []contribution.Declared{row(1, "5000", contribution.Joins), row(2, "x", contribution.Joins)}}
	file.Reset()
	w.must(contribution.WriteSheet(&file, d))
	if rows, err = contribution.ReadSheet(bytes.NewReader(file.Bytes())); err != nil || len(rows) != 2 || rows[0].N != 2 || rows[1].Wage != "x" || rows[0].CitizenID != d.Rows[0].CitizenID {
		t.Fatalf("%+v, %v", rows, err)
	}
	draft := w.declares(factory, 20250601, rows...)
	if bad := draft.Faulty(); len(bad) != 1 || bad[0].N != 3 || !strings.Contains(bad[0].Fault, "月工资") {
		t.Errorf("%+v", bad)
	}
	fixed := row(2, "7000", contribution.Joins)
	fixed.N = 3
	w.update(func(tx *db.Tx) (err error) {
		draft, err = w.service.Correct(w.ctx, tx, draft.ID, []contribution.Declared{fixed}, "test")
		return err
	})
	if len(draft.Faulty()) != 0 || len(draft.Rows) != 2 {
		t.Errorf("%+v", draft.Rows)
	}
	_, err = w.confirm(draft.ID)
	w.must(err)
	for name, data := range map[string]string{"nothing": "", "text": "姓名,公民身份号码", "half a file": file.String()[:file.Len()/2]} {
		_, err := contribution.ReadSheet(strings.NewReader(data))
		w.refused(err, "file", map[string]string{"nothing": "不是 Excel", "text": "不是 Excel", "half a file": "不是 Excel"}[name])
	}
}

func FuzzReadSheet(f *testing.F) {
	var file bytes.Buffer
	if err := contribution.WriteSheet(&file, &contribution.Declaration{Rows: []contribution.Declared{row(1, "5000", contribution.Joins)}}); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := contribution.ReadSheet(bytes.NewReader(data))
		var e *contribution.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.N < 2 {
				t.Errorf("row %d", r.N)
			}
		}
	})
}

// TestOneNumberOnePayment: a channel's number that paid a bill pays no declaration.
func TestOneNumberOnePayment(t *testing.T) {
	w := open(t, 20251010)
	w.employer(factory)
	d := w.confirmed(factory, 20251001, row(1, "5000", contribution.Joins))
	who := w.someone(19900101)
	w.registers(who, contribution.Resident)
	b := w.bill(contribution.Request{Person: who, Scheme: policy.Resident, Actor: "test"})
	w.pay(w.notice(b, "1"))
	err := w.db.Update(w.ctx, func(tx *db.Tx) error {
		_, err := w.service.Collect(w.ctx, tx, contribution.Notice{Channel: "online", Reference: "1", Bill: d.ID, Amount: d.Unit + d.Personal, At: w.now, Actor: "test"})
		return err
	})
	w.refused(err, "reference", "已入账另一笔缴费")
	w.proved()
}
