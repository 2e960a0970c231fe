package settlement_test

import (
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

const (
	zhang = "990100198503120014" // 张安, employee
	chen  = "99010019991231034X" // 陈别, enrolled twice
)

func (w *world) addFees(q settlement.SettleRequest, fees ...settlement.Fee) ([]settlement.FeeResult, error) {
	var out []settlement.FeeResult
	err := w.update(func(tx *db.Tx) (err error) {
		out, err = w.service.AddFees(w.ctx, tx, q.Visit, q.Provider, fees, "test")
		return err
	})
	return out, err
}

// back is a line that takes back a quantity of another.
func back(serial, batch string, of settlement.Fee, q catalogue.Quantity, amount money.Fen) settlement.Fee {
	of.Serial, of.Batch, of.Original, of.Quantity, of.Amount = serial, batch, of.Serial, -q, -amount
	return of
}

// TestTakingBackInAnotherBatch settles by batch: what is taken back counts with
// the line it takes from.
func TestTakingBackInAnotherBatch(t *testing.T) {
	w := open(t)
	two := fee("1", "SVC990000001", 50)
	two.Quantity, two.Amount = 20_000, 10_000
	other := fee("2", "SVC990000001", 30)
	other.Batch = "B2"
	q := w.visit(zhang, "H99010000101", policy.Employee, policy.Inpatient, two, other, back("3", "B2", two, 10_000, 5_000))
	q.Batch, q.Total, q.MidStay = "B1", 5_000, true
	if st := w.settle(q); st.Result.Total != 5_000 {
		t.Errorf("the first batch is %s", st.Result.Total)
	}
	q.Batch, q.Total, q.MidStay = "B2", 3_000, false
	if st := w.settle(q); st.Result.Total != 3_000 {
		t.Errorf("the second batch is %s", st.Result.Total)
	}
	w.verify()
}

// TestTakingBackRounded takes a line back in parts whose rounded amounts do not
// sum to the whole: nothing may be left, and nothing negative.
func TestTakingBackRounded(t *testing.T) {
	w := open(t)
	three := fee("1", "DRG990000001", 0)
	three.Quantity, three.Price, three.Amount = 30_000, 335_000, 101 // 3 × 0.335 = 1.005
	q := w.visit(zhang, "H99010000101", policy.Employee, policy.Inpatient, three, fee("2", "SVC990000001", 10))
	for _, serial := range []string{"3", "4"} {
		if _, err := w.addFees(q, back(serial, "", three, 10_000, 34)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.addFees(q, back("5", "", three, 10_000, 34))
	wantError(t, err, "fees[1].amount", "剩余金额 -0.33")
	if _, err := w.addFees(q, back("5", "", three, 10_000, 33)); err != nil {
		t.Fatal(err)
	}
	_, err = w.addFees(q, back("6", "", three, 10_000, 34))
	wantError(t, err, "fees[1].quantity", "可退的数量 0")
	q.Total = 1_000
	st := w.settle(q)
	if len(st.Case.Lines) != 1 || st.Result.Total != 1_000 {
		t.Errorf("%d lines of %s", len(st.Case.Lines), st.Result.Total)
	}
	w.verify()
}

// TestTakingBackTinyParts takes back parts that each round up until the amount
// would be exceeded before the quantity is.
func TestTakingBackTinyParts(t *testing.T) {
	w := open(t)
	line := fee("1", "DRG990000001", 0)
	line.Quantity, line.Price, line.Amount = 30_000, 5_000, 2 // 3 × 0.005 = 0.015
	q := w.visit(zhang, "H99010000101", policy.Employee, policy.Inpatient, line)
	for _, serial := range []string{"2", "3"} {
		if _, err := w.addFees(q, back(serial, "", line, 10_000, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.addFees(q, back("4", "", line, 5_000, 0)); err != nil {
		t.Fatal(err)
	}
	_, err := w.addFees(q, back("5", "", line, 4_999, 1))
	wantError(t, err, "fees[1].amount", "0.00")
	q.Total = 0
	_, err = w.addFees(q, back("5", "", line, 5_000, 0))
	w.must(err)
	err = w.update(func(tx *db.Tx) error { _, err := w.service.Settle(w.ctx, tx, q); return err })
	wantError(t, err, "batch", "没有未结算的费用明细")
	w.verify()
}

func TestFeeFaults(t *testing.T) {
	w := open(t)
	q := w.visit(zhang, "H99010000101", policy.Employee, policy.Inpatient, fee("1", "SVC990000001", 50))
	for field, change := range map[string]func(*settlement.Fee){
		"serial":   func(f *settlement.Fee) { f.Serial = "" },
		"quantity": func(f *settlement.Fee) { f.Quantity, f.Amount = 0, 0 },
		"price":    func(f *settlement.Fee) { f.Price, f.Amount = -f.Price, -f.Amount },
		"amount":   func(f *settlement.Fee) { f.Amount-- },
		"original": func(f *settlement.Fee) { f.Quantity, f.Amount, f.Original = -f.Quantity, -f.Amount, "none" },
		"item":     func(f *settlement.Fee) { f.Quantity, f.Amount, f.Original, f.Item = -f.Quantity, -f.Amount, "1", "X" },
	} {
		f := fee("2", "SVC990000001", 50)
		change(&f)
		_, err := w.addFees(q, fee("9", "SVC990000001", 1), f)
		wantError(t, err, "fees[2]."+field, "")
	}
	w.settle(q) // nothing of the refused uploads stayed: the total agrees
	w.verify()
}

// TestFeesDivide says of each line what a hospital is told of it.
func TestFeesDivide(t *testing.T) {
	w := open(t)
	q := w.visit(zhang, "H99010000101", policy.Employee, policy.Outpatient)
	three := fee("1", "DRG990000004", 0) // unit ceiling 20
	three.Quantity, three.Price, three.Amount = 30_000, 25_000_000, 7_500
	three.Department, three.Doctor = "内科", "D001"
	before := fee("2", "SVC990000001", 40)
	before.Time = time.Date(2024, 12, 31, 12, 0, 0, 0, china)
	notApproved := fee("3", "DRG990000001", 12)
	notApproved.OwnPay = true
	out, err := w.addFees(q, three, before, notApproved, fee("4", "NOSUCH", 5), fee("5", "DRG990000002", 100))
	w.must(err)
	for i, x := range []struct {
		split   policy.LineSplit
		class   policy.LineClass
		warning string
	}{
		{policy.LineSplit{OverCeiling: 1_500, FirstOwnPay: 600, InScope: 5_400}, policy.ClassB, ""},
		{policy.LineSplit{FullOwnPay: 4_000}, policy.ClassC, "不在就医地目录内"},
		{policy.LineSplit{FullOwnPay: 1_200}, policy.ClassC, "未经医院审批"},
		{policy.LineSplit{FullOwnPay: 500}, policy.ClassC, "不在就医地目录内"},
		{policy.LineSplit{FirstOwnPay: 1_000, InScope: 9_000}, policy.ClassB, ""},
	} {
		if r := out[i]; r.Split != x.split || r.Catalogue.Class != x.class || !strings.Contains(r.Warning, x.warning) || (r.Warning != "") != (x.warning != "") {
			t.Errorf("line %d: %+v, class %s, %q", i+1, r.Split, r.Catalogue.Class, r.Warning)
		}
	}
	var department, doctor string
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		return tx.QueryRow(w.ctx, `SELECT department, doctor FROM fee WHERE visit = ? AND serial = '1'`, q.Visit).Scan(&department, &doctor)
	}))
	if department != "内科" || doctor != "D001" {
		t.Errorf("ordered by %q, %q", department, doctor)
	}
}

// TestTwiceEnrolled is settled as an employee, never as a resident.
func TestTwiceEnrolled(t *testing.T) {
	w := open(t)
	err := w.update(func(tx *db.Tx) error {
		_, err := w.service.Open(w.ctx, tx, settlement.OpenRequest{Person: w.person(chen).ID, Provider: "H99010000201", Scheme: policy.Resident, Begun: noon})
		return err
	})
	wantError(t, err, "scheme", "重复参保")
	q := w.visit(chen, "H99010000201", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 1000))
	if st := w.settle(q); st.Result.Refused || st.Case.Scheme != policy.Employee {
		t.Errorf("refused %t: %s", st.Result.Refused, st.Result.Reason)
	}
}

func TestSecondStay(t *testing.T) {
	w := open(t)
	q := w.visit(zhang, "H99010000101", policy.Employee, policy.Inpatient, fee("1", "SVC990000001", 1000))
	open := func(provider string, kind policy.VisitKind) error {
		return w.update(func(tx *db.Tx) error {
			_, err := w.service.Open(w.ctx, tx, settlement.OpenRequest{Person: q.Person, Provider: provider, Scheme: policy.Employee, Kind: kind, Begun: noon})
			return err
		})
	}
	wantError(t, open("H99010000101", policy.Maternity), "visit", "已有未结算的住院")
	w.must(open("H99010000101", policy.Outpatient))
	w.must(open("H99010000201", policy.Inpatient))

	// Two parts of one stay are one stay; the next is the second.
	more := fee("2", "SVC990000001", 500)
	q.MidStay = true
	if st := w.settle(q); st.Case.Nth != 1 || st.Visit.Closed {
		t.Errorf("first part: stay %d", st.Case.Nth)
	}
	if _, err := w.addFees(q, more); err != nil {
		t.Fatal(err)
	}
	q.MidStay, q.Total = false, more.Amount
	// The first part bore the deductible of 800; the second bears none.
	if st := w.settle(q); st.Case.Nth != 1 || st.Result.Deductible != 0 || st.Result.FundTotal != 42_500 {
		t.Errorf("second part: stay %d, deductible %s, fund %s", st.Case.Nth, st.Result.Deductible, st.Result.FundTotal)
	}
	next := w.visit(zhang, "H99010000101", policy.Employee, policy.Inpatient, fee("1", "SVC990000001", 1000))
	st := w.settle(next)
	if st.Case.Nth != 2 || st.Result.Deductible != 40_000 { // half of 800
		t.Errorf("next: stay %d, deductible %s", st.Case.Nth, st.Result.Deductible)
	}
	w.verify()
}

func TestDescribe(t *testing.T) {
	w := open(t)
	const zhou = "990100196611110236" // 周和, recognised
	describe := func(q settlement.SettleRequest, kind policy.VisitKind) error {
		return w.update(func(tx *db.Tx) error {
			return w.service.Describe(w.ctx, tx, settlement.DescribeRequest{Visit: q.Visit, Person: q.Person, Provider: q.Provider, Kind: kind, Begun: noon, Disease: "M03900",
				Diagnoses: []settlement.Diagnosis{{Kind: "1", Code: "I10", Name: "高血压", Main: true}}})
		})
	}
	q := w.visit(zhou, "H99010000101", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 1000))
	w.must(describe(q, policy.Chronic))
	if st := w.settle(q); st.Case.Disease != "高血压" || st.Case.Visit != policy.Chronic || st.Result.FundTotal != 65_000 || st.Note != "" {
		t.Errorf("disease %q, kind %s, fund %s, note %q", st.Case.Disease, st.Case.Visit, st.Result.FundTotal, st.Note)
	}
	wantError(t, describe(q, policy.Inpatient), "kind", "不能互改")
	stay := w.visit(zhang, "H99010000101", policy.Employee, policy.Inpatient, fee("1", "SVC990000001", 1000))
	wantError(t, describe(stay, policy.Outpatient), "kind", "不能互改")
	stay.Provider = "H99010000102"
	wantError(t, describe(stay, policy.Outpatient), "visit", "没有这次就诊")
	w.verify()
}

// TestDayOfChina opens a visit late on a day of another zone: it is the day in
// China that counts.
func TestDayOfChina(t *testing.T) {
	w := open(t)
	utc := time.Date(2025, 5, 31, 20, 30, 0, 0, time.UTC) // 04:30 on 1 June in China
	var v settlement.Visit
	w.must(w.update(func(tx *db.Tx) (err error) {
		v, err = w.service.Open(w.ctx, tx, settlement.OpenRequest{Person: w.person(zhang).ID, Provider: "H99010000201", Begun: utc})
		return err
	}))
	q := settlement.SettleRequest{Visit: v.ID, Provider: "H99010000201"}
	f := fee("1", "SVC990000001", 50)
	f.Time = utc
	_, err := w.addFees(q, f)
	w.must(err)
	q.Total = f.Amount
	st := w.settle(q)
	if st.Case.Date != today || !st.Visit.Begun.Equal(utc) {
		t.Errorf("on %s, begun %s", st.Case.Date, st.Visit.Begun)
	}
}
