package catalogue

import (
	"context"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

func TestFind(t *testing.T) {
	ctx := context.Background()
	d := dbtest.Open(t)
	items := []Item{
		{Code: "A", From: 20240101, To: 20241231, Name: "旧", Kind: Drug, Class: policy.ClassB, FirstPay: policy.FirstPayUnstated, UnitCeiling: 2000, Charge: "09"},
		{Code: "A", From: 20250101, Name: "新", Kind: Drug, Class: policy.ClassA, UnitCeiling: policy.NoCeiling, Charge: "09"},
		{Code: "A", Region: "990200", From: 20250601, Name: "本地", Kind: Drug, Class: policy.ClassB, FirstPay: money.Percent(20), UnitCeiling: 1500, Charge: "09"},
	}
	for i := range items {
		items[i].List = WesternDrugs
	}
	err := d.Update(ctx, func(tx *db.Tx) error {
		for _, it := range items {
			if err := Add(ctx, tx, it); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		for _, x := range []struct {
			region string
			day    civil.Date
			code   string
			want   int // of items; -1 none
		}{
			{"990100", 20231231, "A", -1}, {"990100", 20240101, "A", 0}, {"990100", 20241231, "A", 0}, {"990100", 20250101, "A", 1},
			{"990200", 20250531, "A", 1}, {"990200", 20250601, "A", 2}, {"990100", 20250601, "A", 1}, {"990100", 20250601, "B", -1},
		} {
			got, ok, err := Find(ctx, tx, x.region, x.day, x.code)
			if err != nil || ok != (x.want >= 0) || ok && got != items[x.want] {
				t.Errorf("%s in %s on %s: %+v, %t, %v", x.code, x.region, x.day, got, ok, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCeiling(t *testing.T) {
	for _, x := range []struct {
		unit money.Fen
		q    Quantity
		want money.Fen
	}{
		{policy.NoCeiling, 10_000, policy.NoCeiling}, {2000, 30_000, 6000}, {0, 10_000, 0}, {1, 5_000, 1}, {1, 4_999, 0}, {333, 15_000, 500}, {2000, 0, 0},
		{money.Max, 1 << 62, money.Max},
	} {
		if got := (Item{UnitCeiling: x.unit}).Ceiling(x.q); got != x.want {
			t.Errorf("%s × %s = %s, want %s", x.unit, x.q, got, x.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.Int64Range(0, int64(money.Max)).Draw(t, "unit")
		q := rapid.Int64Range(0, 1<<50).Draw(t, "quantity")
		want := new(big.Int).Mul(big.NewInt(unit), big.NewInt(q))
		want.Add(want, big.NewInt(5000)).Quo(want, big.NewInt(10_000))
		if want.Cmp(big.NewInt(int64(money.Max))) > 0 {
			want = big.NewInt(int64(money.Max))
		}
		if got := (Item{UnitCeiling: money.Fen(unit)}).Ceiling(Quantity(q)); int64(got) != want.Int64() {
			t.Fatalf("%d × %d = %d, want %s", unit, q, got, want)
		}
	})
}

func TestQuantityString(t *testing.T) {
	for q, want := range map[Quantity]string{0: "0", 10_000: "1", 15_000: "1.5", -1: "-0.0001", -20_000: "-2", 123_456: "12.3456"} {
		if got := q.String(); got != want {
			t.Errorf("%d: %q, want %q", int64(q), got, want)
		}
	}
}

func TestMain(m *testing.M) { dbtest.Main(m) }
