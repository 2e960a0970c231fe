package provider

import (
	"context"
	"testing"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/policy"
)

func TestProviders(t *testing.T) {
	ctx := context.Background()
	d := dbtest.Open(t)
	all := []Provider{
		{Code: "H99010000101", Name: "甲医院", Region: "990100", Level: policy.Level3, Designated: true, CreditCode: "12990100100001019Y"},
		{Code: "P99010000401", Name: "乙药房", Region: "990100", Kind: policy.Pharmacy, Designated: true, Private: true},
		{Code: "H99010000501", Name: "丙诊所", Region: "990100", Level: policy.Level1},
	}
	err := d.Update(ctx, func(tx *db.Tx) error {
		for _, p := range all {
			if err := Add(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		for _, want := range all {
			if got, ok, err := Get(ctx, tx, want.Code); err != nil || !ok || got != want {
				t.Errorf("%+v, %t, %v; want %+v", got, ok, err, want)
			}
		}
		if got, ok, err := Get(ctx, tx, "H00000000000"); err != nil || ok || got != (Provider{}) {
			t.Errorf("one that is not there: %+v, %t, %v", got, ok, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Update(ctx, func(tx *db.Tx) error { return Add(ctx, tx, all[0]) }); err == nil {
		t.Error("one code is registered twice")
	}
}

func TestMain(m *testing.M) { dbtest.Main(m) }
