package settlement_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// TestFeeDetails follows what was said of fees through a settlement, its
// reversal, and fees of the same serial that say other things.
func TestFeeDetails(t *testing.T) {
	w := open(t)
	const hospital = "H99010000101"
	said := func(serial, order string) settlement.Fee {
		f := fee(serial, "SVC990000001", 100)
		f.Detail = settlement.FeeDetail{Order: order, Days: "7.5", Performer: settlement.Performer{Doctor: "示例医师"}, Recorded: noon.Truncate(time.Second)}
		return f
	}
	details := func() (n int) {
		w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return tx.QueryRow(w.ctx, `SELECT COUNT(*) FROM fee_detail`).Scan(&n) }))
		return n
	}
	one, two := said("1", "R1"), said("2", "R2")
	q := w.visit(zhangAn, hospital, policy.Employee, policy.Outpatient, one, two, fee("3", "SVC990000001", 100))
	if n := details(); n != 2 {
		t.Errorf("%d details of three fees, one of which nothing was said of", n)
	}
	shows := func(st *settlement.Settlement, want ...settlement.Fee) {
		t.Helper()
		var fees []settlement.SettledFee
		w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
			fees, err = w.service.SettledFees(w.ctx, tx, w.get(w.service, st.ID))
			return err
		}))
		for i, f := range want {
			got := fees[i].Detail
			if at := got.Recorded; !at.Equal(f.Detail.Recorded) {
				t.Errorf("%s: recorded at %s", f.Serial, at)
			}
			if got.Recorded = f.Detail.Recorded; got != f.Detail {
				t.Errorf("%s: %+v, want %+v", f.Serial, got, f.Detail)
			}
		}
	}
	st := w.settle(q)
	shows(st, one, two, settlement.Fee{})
	back := w.reverse(st.ID, hospital).Settlement
	w.must(w.update(func(tx *db.Tx) error {
		_, err := w.service.WithdrawFees(w.ctx, tx, settlement.WithdrawRequest{Visit: q.Visit, Person: q.Person, Provider: hospital, Serials: []string{"1"}, Actor: "test"})
		return err
	}))
	if n := details(); n != 3 { // two kept, one that stands
		t.Errorf("%d details after the withdrawal of one", n)
	}
	again := said("1", "R3")
	if _, err := w.addFees(q, again); err != nil {
		t.Fatal(err)
	}
	shows(w.settle(q), two, settlement.Fee{}, again)
	shows(st, one, two, settlement.Fee{})
	shows(back, one, two, settlement.Fee{})
	w.verify()

	undo := errors.New("undo")
	for _, of := range []string{`settlement = ''`, `settlement <> ''`} {
		err := w.update(func(tx *db.Tx) error {
			w.must(tx.Exec(w.ctx, `UPDATE fee_detail SET serial = '9' WHERE serial = '1' AND `+of))
			if err := w.service.Verify(w.ctx, tx); err == nil || !strings.Contains(err.Error(), "a detail is of fee "+q.Visit+" 9, which is not there") {
				t.Errorf("astray, %s: %v", of, err)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Error(err)
		}
	}
}
