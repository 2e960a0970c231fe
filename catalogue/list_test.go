package catalogue

import (
	"context"
	"slices"
	"testing"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/policy"
)

func TestPublish(t *testing.T) {
	ctx := context.Background()
	d := dbtest.Open(t)
	changes := func(tx *db.Tx, list List, since int64) (codes []string) {
		t.Helper()
		if err := Changes(ctx, tx, list, since, func(e Entry) error { codes = append(codes, e.Code+" "+e.Name); return nil }); err != nil {
			t.Fatal(err)
		}
		if n, err := CountChanges(ctx, tx, list, since); err != nil || n != int64(len(codes)) {
			t.Errorf("counted %d, %v", n, err)
		}
		return codes
	}
	err := d.Update(ctx, func(tx *db.Tx) error {
		for i, entries := range [][]Entry{
			{{Code: "B", Name: "b", From: 20250101, Details: map[string]string{"备注": "一\t二"}}, {Code: "A", Name: "a"}},
			{{Code: "C", Name: "c"}},
			nil,
			{{Code: "A", Name: "a2", To: 20251231, Withdrawn: true}},
		} {
			want := []int64{1, 2, 2, 3}[i]
			if v, err := Publish(ctx, tx, Diseases, 20250601, "tester", entries...); err != nil || v != want {
				t.Errorf("publication %d: version %d, %v", i, v, err)
			}
		}
		if v, err := Publish(ctx, tx, Operations, 20250602, "tester", Entry{Code: "A", Name: "other"}); err != nil || v != 1 {
			t.Errorf("another list: version %d, %v", v, err)
		}
		for since, want := range [][]string{{"B b", "C c", "A a2"}, {"C c", "A a2"}, {"A a2"}, nil} {
			if got := changes(tx, Diseases, int64(since)); !slices.Equal(got, want) {
				t.Errorf("since %d: %q, want %q", since, got, want)
			}
		}
		a, ok, err := FindEntry(ctx, tx, Diseases, "A")
		if err != nil || !ok || a.Name != "a2" || !a.Withdrawn || a.To != 20251231 || a.Version != 3 || a.Created != 20250601 {
			t.Errorf("%+v, %t, %v", a, ok, err)
		}
		if b, _, _ := FindEntry(ctx, tx, Diseases, "B"); b.Details["备注"] != "一\t二" || b.Withdrawn {
			t.Errorf("%+v", b)
		}
		if _, ok, err := FindEntry(ctx, tx, Morphologies, "A"); ok || err != nil {
			t.Errorf("another list has it: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An item stands in the list that has its code.
func TestItemsStandInLists(t *testing.T) {
	ctx := context.Background()
	d := dbtest.Open(t)
	err := d.Update(ctx, func(tx *db.Tx) error {
		if _, err := Publish(ctx, tx, Granules, 20250101, "tester", Entry{Code: "K1", Name: "颗粒", Details: map[string]string{"拼音助记码": "KL", "五笔助记码": "GJ"}}); err != nil {
			return err
		}
		region := "990200"
		for _, it := range []Item{
			{Code: "K1", Name: "100%_!", Kind: Drug, From: 20250101, UnitCeiling: 0},
			{Code: "D1", Name: "药", Kind: Drug, From: 20250101, To: 20250131, UnitCeiling: policy.NoCeiling, FirstPay: policy.FirstPayUnstated, Class: policy.ClassB},
			{Code: "D1", Name: "药", Kind: Drug, Region: region, From: 20250201, UnitCeiling: policy.NoCeiling},
			{Code: "F1", Name: "床", Kind: Facility, From: 20250101, UnitCeiling: policy.NoCeiling},
			{Code: "C1", Name: "械", Kind: Consumable, From: 20250101, UnitCeiling: policy.NoCeiling},
		} {
			if err := Add(ctx, tx, it); err != nil {
				return err
			}
		}
		nowhere, yes, no := "", true, false
		for _, x := range []struct {
			f    Filter
			p    Page
			want string
		}{
			{Filter{}, Page{0, 9}, "C1:consumable D1:western_drug D1:western_drug F1:service K1:granule "},
			{Filter{}, Page{1, 2}, "D1:western_drug D1:western_drug "},
			{Filter{}, Page{5, 2}, ""},
			{Filter{List: Granules}, Page{0, 9}, "K1:granule "},
			{Filter{Code: "D1", Region: &nowhere}, Page{0, 9}, "D1:western_drug "},
			{Filter{Code: "D1", Region: &region}, Page{0, 9}, "D1:western_drug D1:western_drug "},
			{Filter{Code: "D1", Ended: &yes, Today: 20250201}, Page{0, 9}, "D1:western_drug "},
			{Filter{Code: "D1", Ended: &no, Today: 20250131}, Page{0, 9}, "D1:western_drug D1:western_drug "},
			{Filter{EndsBy: 20250131}, Page{0, 9}, "D1:western_drug "},
			{Filter{UpdatedSince: 20250201}, Page{0, 9}, "D1:western_drug "},
			{Filter{NameHas: "0%_!"}, Page{0, 9}, "K1:granule "},
			{Filter{NameHas: "%"}, Page{0, 9}, "K1:granule "},
			{Filter{Typed: "k"}, Page{0, 9}, "K1:granule "},
			{Filter{Typed: "kl"}, Page{0, 9}, "K1:granule "},
			{Filter{Typed: "g"}, Page{0, 9}, "K1:granule "},
			{Filter{Typed: "l"}, Page{0, 9}, ""},
			{Filter{Typed: "药"}, Page{0, 9}, "D1:western_drug D1:western_drug "},
			{Filter{Typed: "0%_!"}, Page{0, 9}, "K1:granule "},
			{Filter{WithCeiling: true}, Page{0, 9}, "K1:granule "},
			{Filter{Code: "D1", WithFirstPay: true}, Page{0, 9}, "D1:western_drug "},
		} {
			got := ""
			if err := Items(ctx, tx, x.f, x.p, func(it Listed) error { got += it.Code + ":" + string(it.List) + " "; return nil }); err != nil || got != x.want {
				t.Errorf("%+v %+v: %s, want %s, %v", x.f, x.p, got, x.want, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
