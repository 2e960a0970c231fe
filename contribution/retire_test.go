package contribution_test

import (
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

func (w *world) retires(person string, day civil.Date, wage money.Fen) (r *contribution.Retirement, err error) {
	err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
		r, err = w.service.Retire(w.ctx, tx, contribution.RetireRequest{Person: person, Day: day, Wage: wage, Actor: "test"})
		return err
	})
	return r, err
}

// TestRetire: who has paid long enough pays no more; who has not pays what is
// wanting, and is retired then.
func TestRetire(t *testing.T) {
	w := open(t, 20251020)
	employed := func(from civil.Date) string {
		who := w.someone(19651020) // a man: 300 months
		w.update(func(tx *db.Tx) error {
			return enrolment.AddInsurance(w.ctx, tx, who, enrolment.Insurance{Scheme: policy.Employee, From: from, Reason: "单位参保"})
		})
		return who
	}
	long := employed(20001101) // 300 months up to October 2025
	r, err := w.retires(long, 20251031, 0)
	w.must(err)
	if r.Paid != 300 || r.Required != 300 || r.Shortfall() != 0 || r.Bill != nil || r.Source == "" {
		t.Errorf("%+v", r)
	}
	if i := w.insured(long, 20251031); i.Retired {
		t.Errorf("on the last day %+v", i)
	}
	if i := w.insured(long, 20251101); !i.Retired || i.Status != policy.Normal || i.Reason != "退休" {
		t.Errorf("after it %+v", i)
	}
	_, err = w.retires(long, 20251101, 0)
	w.refused(err, "person", "已登记退休")

	short := employed(20010301) // four months less
	_, err = w.retires(short, 20251031, 0)
	w.refused(err, "wage", "还差 4 个月")
	w.update(func(tx *db.Tx) error {
		return w.service.Recognise(w.ctx, tx, contribution.Prior{Person: short, Months: 3, Place: "990200", Document: "参保凭证 1 号", Actor: "test"})
	})
	r, err = w.retires(short, 20251031, 800_000)
	w.must(err)
	if r.Paid != 296 || r.Prior != 3 || r.Shortfall() != 1 || r.Bill == nil || r.Bill.Due != 80_000 { // 10 % of 8000
		t.Fatalf("%+v", r)
	}
	_, err = w.retires(short, 20251031, 800_000)
	w.refused(err, "person", "待补缴")
	w.at(20251105)
	if i := w.insured(short, 20251105); i.Retired {
		t.Errorf("before the payment %+v", i)
	}
	p := w.pay(w.notice(r.Bill, "r1"))
	if p.State != contribution.Applied {
		t.Fatalf("%+v", p)
	}
	if i := w.insured(short, 20251104); i.Retired {
		t.Errorf("%+v", i)
	}
	if i := w.insured(short, 20251105); !i.Retired {
		t.Errorf("after the payment %+v", i)
	}
	_, err = w.refund("r1")
	w.refused(err, "bill", "退休补缴不退")
	w.proved()

	none := w.someone(19651020)
	_, err = w.retires(none, 20251031, 0)
	w.refused(err, "person", "没有参加职工医保")
	_, err = w.retires(employed(20001101), 20271031, 0)
	w.refused(err, "day", "提前一个月")
	for _, bad := range []contribution.Prior{{Person: long, Months: 0, Place: "x", Document: "y"}, {Person: long, Months: 5}} {
		if err := w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.Recognise(w.ctx, tx, bad) }); err == nil {
			t.Errorf("%+v is recognised", bad)
		}
	}
}
