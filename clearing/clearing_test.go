package clearing_test

import (
	"testing"
	"time"

	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

func TestMonth(t *testing.T) {
	for text, want := range map[string]clearing.Period{
		"2026-11": {From: 20261101, To: 20261130}, "2024-02": {From: 20240201, To: 20240229}, "2025-12": {From: 20251201, To: 20251231},
	} {
		m, err := clearing.ParseMonth(text)
		if err != nil || m.Period() != want || m.String() != text {
			t.Errorf("%s: %s is %v, %v", text, m, m.Period(), err)
		}
	}
	for _, bad := range []string{"", "2026-13", "2026-1", "202611", "2026-11-01", "2026-00"} {
		if _, err := clearing.ParseMonth(bad); err == nil {
			t.Errorf("%q is a month", bad)
		}
	}
	last := time.Date(2025, 6, 30, 23, 59, 59, 0, china)
	if clearing.Month(202506).Over(last) || !clearing.Month(202506).Over(last.Add(time.Second).UTC()) {
		t.Error("a month is over with its last second in China")
	}
}

// TestSum counts by the time of settlement in China, to the second, by scheme,
// kind and side, whatever zone the clock is in.
func TestSum(t *testing.T) {
	w := open(t)
	at := func(s string) time.Time {
		at, err := time.ParseInLocation(time.DateTime, s, china)
		w.must(err)
		return at
	}
	w.update(func(tx *db.Tx) error {
		for i, s := range []string{"2025-05-31 23:59:59", "2025-06-01 00:00:00", "2025-06-30 23:59:59", "2025-07-01 00:00:00"} {
			if w.now = at(s); i%2 == 1 {
				w.now = w.now.UTC()
			}
			w.settle(tx, []int{1, 4, 1, 1}[i], city, policy.Outpatient, int64(1000+i))
		}
		w.now = at("2025-06-15 08:00:00").Add(time.Millisecond)
		w.settle(tx, 2, city, policy.Inpatient, 5000)
		w.settle(tx, 1, away, policy.Outpatient, 700)
		return nil
	})
	w.now = w.now.Add(time.Hour)
	if !w.reverse(1) {
		t.Fatal("not reversed")
	}
	june := clearing.Period{From: 20250601, To: 20250630}
	for _, x := range []struct {
		name  string
		scope clearing.Scope
		rows  []int // of w.made
	}{
		{"all", clearing.Scope{Provider: city, Period: june}, []int{1, 2, 4, 6}},
		{"employees", clearing.Scope{Provider: city, Period: june, Schemes: []policy.Scheme{policy.Employee}}, []int{1, 2, 6}},
		{"stays", clearing.Scope{Provider: city, Period: june, Kinds: []policy.VisitKind{policy.Inpatient, policy.DaySurgery}}, []int{4}},
		{"settlements", clearing.Scope{Provider: city, Period: june, Side: clearing.Settlements}, []int{1, 2, 4}},
		{"reversals", clearing.Scope{Provider: city, Period: june, Side: clearing.Reversals}, []int{6}},
		{"one day", clearing.Scope{Provider: city, Period: clearing.Period{From: 20250630, To: 20250630}}, []int{2}},
		{"elsewhere", clearing.Scope{Provider: away, Period: june}, []int{5}},
		{"nothing", clearing.Scope{Provider: county, Period: june}, nil},
	} {
		var got clearing.Totals
		w.view(func(tx *db.Tx) (err error) {
			got, err = clearing.Sum(w.ctx, tx, x.scope)
			return err
		})
		var want clearing.Totals
		for _, i := range x.rows {
			want.Add(w.made[i].totals())
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", x.name, got, want)
		}
	}
}

func (m *made) totals() clearing.Totals {
	t := clearing.Totals{Count: 1, Visits: 1, Total: m.Total, InScope: m.inScope, Fund: m.Fund, Account: m.Account, Cash: m.cash}
	if m.Reversal {
		t.Visits = -1
	}
	return t
}

func TestGaps(t *testing.T) {
	ours := clearing.Totals{Count: 2, Visits: 1, Total: 10000, Fund: 6000, Account: 1000, Cash: 3000, InScope: 9000}
	if gaps := ours.Gaps(clearing.Amount{Figure: clearing.Count, Value: 2}, clearing.Amount{Figure: clearing.Total, Value: 10000}, clearing.Amount{Figure: clearing.Visits, Value: 1},
		clearing.Amount{Figure: clearing.InScope, Value: 9000}, clearing.Amount{Figure: clearing.Fund, Value: 6000}, clearing.Amount{Figure: clearing.Account, Value: 1000}, clearing.Amount{Figure: clearing.Cash, Value: 3000}); gaps != nil {
		t.Errorf("equal figures differ: %v", gaps)
	}
	err := &clearing.Disagreement{Gaps: ours.Gaps(clearing.Amount{Figure: clearing.Count, Value: 3}, clearing.Amount{Figure: clearing.Fund, Value: 5990})}
	if want := "结算笔数：机构 3，经办 2，差 1；基金支付总额：机构 59.90，经办 60.00，差 -0.10"; err.Error() != want {
		t.Errorf("%s, want %s", err, want)
	}
}
