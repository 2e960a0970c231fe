package contribution_test

import (
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

func (w *world) resolve(person string) (d *contribution.Duplicate, err error) {
	err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
		d, err = w.service.Resolve(w.ctx, tx, person, "test")
		return err
	})
	return d, err
}

// TestDuplicates is A002-8: who is in both schemes is found, settles as an
// employee, and gets the residents' contribution back where that is due.
func TestDuplicates(t *testing.T) {
	for _, tt := range []struct {
		name       string
		job        civil.Date // from when employed
		refundable bool
		why        string
		until      civil.Date // the residents' insurance afterwards; 0: none
	}{
		{"a job before the year begins", 20251201, true, "可退", 0},
		{"a job on its first day", 20260101, true, "可退", 0},
		{"a job within the year", 20260301, false, "待遇期已开始", 20260228},
	} {
		w := open(t, 20251010)
		who := w.someone(19900101)
		w.registers(who, contribution.Resident)
		b := w.bill(contribution.Request{Person: who, Scheme: policy.Resident, Actor: "test"})
		w.pay(w.notice(b, "1"))
		w.at(max(tt.job, 20260110))
		w.update(func(tx *db.Tx) error {
			return enrolment.Change(w.ctx, tx, who, enrolment.Insurance{Scheme: policy.Employee, From: tt.job, Reason: "单位参保"})
		})
		var found []contribution.Duplicate
		w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
			found, err = w.service.Duplicates(w.ctx, tx, region, max(tt.job, 20260110))
			return err
		}))
		mine := 0
		for _, d := range found { // 陈别 of the demonstration is one too
			if d.Person == who {
				mine++
				if d.Refundable != tt.refundable || !strings.Contains(d.Why, tt.why) || d.Bill != b.ID {
					t.Errorf("%s: %+v", tt.name, d)
				}
			}
		}
		if mine != 1 || len(found) != 2 {
			t.Errorf("%s: found %+v", tt.name, found)
		}
		if i := w.insured(who, max(tt.job, 20260110)); i.Scheme != policy.Employee {
			t.Errorf("%s: %+v counts", tt.name, i)
		}
		d, err := w.resolve(who)
		w.must(err)
		if d.Refundable != tt.refundable {
			t.Errorf("%s: %+v", tt.name, d)
		}
		if bank := w.held(fund.Bank(region)); (bank == 0) != tt.refundable {
			t.Errorf("%s: the bank holds %s", tt.name, bank)
		}
		if i := w.insured(who, 20260228); tt.until == 20260228 && i.Scheme != policy.Resident {
			t.Errorf("%s: before the job %+v", tt.name, i)
		}
		_, err = w.resolve(who)
		w.refused(err, "person", "没有重复参保")
		w.proved()
	}
}

// TestDuplicateUsed keeps the contribution of who was paid for as a resident.
func TestDuplicateUsed(t *testing.T) {
	w := open(t, 20251010)
	who := w.someone(19900101)
	w.registers(who, contribution.Resident)
	w.pay(w.notice(w.bill(contribution.Request{Person: who, Scheme: policy.Resident, Actor: "test"}), "1"))
	w.at(20260115)
	w.settles(who, policy.Resident)
	w.update(func(tx *db.Tx) error { // declared late, from before the year
		return enrolment.Change(w.ctx, tx, who, enrolment.Insurance{Scheme: policy.Employee, From: 20251201, Reason: "单位参保"})
	})
	d, err := w.resolve(who)
	w.must(err)
	if d.Refundable || !strings.Contains(d.Why, "已以居民医保享受待遇") {
		t.Errorf("%+v", d)
	}
	if i := w.insured(who, 20260120); i.Scheme != policy.Employee {
		t.Errorf("%+v", i)
	}
	_, err = w.resolve(who)
	w.refused(err, "person", "没有重复参保")
	w.proved()
}

// settles has a visit of somebody settled.
func (w *world) settles(person string, scheme policy.Scheme) {
	w.Helper()
	w.update(func(tx *db.Tx) error {
		v, err := w.care.Open(w.ctx, tx, settlement.OpenRequest{Person: person, Provider: hospital, Scheme: scheme, Kind: policy.Outpatient, Number: "1", Begun: w.now, Actor: "test"})
		if err != nil {
			return err
		}
		if _, err := w.care.AddFees(w.ctx, tx, v.ID, hospital, []settlement.Fee{{Serial: "1", Batch: "1", Item: "DRG990000001", Time: w.now, Quantity: 10_000, Price: 1_000_000_000, Amount: 100_000}}, "test"); err != nil {
			return err
		}
		_, err = w.care.Settle(w.ctx, tx, settlement.SettleRequest{Visit: v.ID, Person: person, Provider: hospital, Total: 100_000, Actor: "test"})
		return err
	})
}
