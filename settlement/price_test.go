package settlement_test

import (
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// TestPrices: what providers charge is shown once it was settled three times there,
// is counted once, and not of what was reversed before it was counted.
func TestPrices(t *testing.T) {
	w := open(t)
	clock := noon
	s := settlement.New(must(packages()), w.register, func() time.Time { return clock })
	settle := func(provider string, yuan int64) (id string) {
		t.Helper()
		clock = clock.Add(time.Second) // identifiers sort by the second
		q := w.visit(demo.LiJi, provider, policy.Employee, policy.Outpatient, fee("1", "DRG990000001", yuan), fee("2", "DRG990000001", yuan))
		w.must(w.update(func(tx *db.Tx) error {
			st, err := s.Settle(w.ctx, tx, q)
			if err == nil {
				id = st.ID
			}
			return err
		}))
		return id
	}
	count := func() (n int) {
		t.Helper()
		for more := true; more; n++ {
			w.must(w.update(func(tx *db.Tx) (err error) { more, err = s.CountPrices(w.ctx, tx); return err }))
		}
		return n
	}
	prices := func(region string) (out []settlement.Price) {
		t.Helper()
		w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
			out, err = settlement.Prices(w.ctx, tx, "DRG990000001", region, 10)
			return err
		}))
		return out
	}
	for _, yuan := range []int64{20, 21, 19} {
		settle("H99010000101", yuan)
	}
	settle("H99010000201", 18)
	undone := settle("H99010000201", 18)
	w.must(w.update(func(tx *db.Tx) error {
		_, err := s.Reverse(w.ctx, tx, settlement.ReverseRequest{Settlement: undone, Provider: "H99010000201", Actor: "test"})
		return err
	}))
	settle("H99010000201", 18)
	count()
	if got := prices("990100"); len(got) != 0 {
		t.Errorf("the last minutes are looked at: %+v", got)
	}
	clock = clock.Add(10 * time.Minute)
	count()
	count() // nothing is counted twice
	got := prices("990100")
	if len(got) != 1 || got[0].Provider != "H99010000101" || got[0].N != 3 || got[0].Yuan() != "19.00" || got[0].Name != "安济示例市人民医院" {
		t.Fatalf("%+v", got)
	}
	settle("H99010000201", 18)
	clock = clock.Add(10 * time.Minute)
	count()
	if got := prices("990100"); len(got) != 2 || got[0].Yuan() != "18.00" || got[0].N != 3 {
		t.Errorf("%+v", got)
	}
	if got := prices("990200"); len(got) != 0 {
		t.Errorf("elsewhere: %+v", got)
	}
	for micro, want := range map[int64]string{1_000_000: "1.00", 1_234_500: "1.2345", 500_000: "0.50", 1: "0.000001", 12_000_000: "12.00"} {
		if got := (settlement.Price{Price: micro}).Yuan(); got != want {
			t.Errorf("%d is %s, want %s", micro, got, want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
