package provider

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/policy"
)

func TestDistance(t *testing.T) {
	for _, x := range []struct {
		a, b string
		want int // metres
		off  int
	}{
		{"39.9042,116.4074", "31.2304,121.4737", 1_067_300, 1500}, // 北京 — 上海
		{"0,0", "0,1", 111_195, 1}, {"60,0", "60,1", 55_597, 60}, {"0,179.5", "0,-179.5", 111_195, 1}, {"31.23,121.47", "31.23,121.47", 0, 0},
	} {
		a, err1 := ParsePoint(x.a)
		b, err2 := ParsePoint(x.b)
		if got := Distance(a, b); err1 != nil || err2 != nil || got < x.want-x.off || got > x.want+x.off {
			t.Errorf("%s to %s: %d, want %d (%v, %v)", x.a, x.b, got, x.want, err1, err2)
		}
	}
	for _, s := range []string{"", "1", "91,0", "0,181", "NaN,0", "a,b", "1,2,3", "Inf,0"} {
		if p, err := ParsePoint(s); err == nil {
			t.Errorf("%q is %v", s, p)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		point := func(name string) Point {
			return Point{rapid.Int64Range(-90_000_000, 90_000_000).Draw(t, name+" lat"), rapid.Int64Range(-180_000_000, 180_000_000).Draw(t, name+" lon")}
		}
		a, b := point("a"), point("b")
		if d := Distance(a, b); d != Distance(b, a) || d < 0 || d > 20_015_200 || a == b && d != 0 {
			t.Errorf("%v to %v: %d and back %d", a, b, d, Distance(b, a))
		}
	})
}

func TestFind(t *testing.T) {
	d, ctx := dbtest.Open(t), t.Context()
	add := func(tx *db.Tx) error {
		for _, p := range []Provider{
			{Code: "A", Name: "甲医院", Region: "990100", Level: policy.Level3, Designated: true, District: "东区", Position: Point{31_230_000, 121_470_000}, Away: Yes},
			{Code: "B", Name: "乙医院", Region: "990100", Level: policy.Level2, Designated: true, District: "西区", Position: Point{31_231_000, 121_480_000}, Away: No},
			{Code: "C", Name: "丙药房", Region: "990100", Kind: policy.Pharmacy, Designated: true, District: "东区"},
			{Code: "D", Name: "丁诊所", Region: "990200", Level: policy.Level1, Position: Point{31_300_000, 121_400_000}},
		} {
			if err := Add(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	}
	if err := d.Update(ctx, add); err != nil {
		t.Fatal(err)
	}
	pharmacy, two := policy.Pharmacy, policy.Level2
	for _, x := range []struct {
		name string
		f    Wanted
		want []string
	}{
		{"all", Wanted{}, []string{"A", "B", "C", "D"}}, {"name", Wanted{NameHas: "医院"}, []string{"A", "B"}}, {"region", Wanted{Region: "990200"}, []string{"D"}},
		{"district", Wanted{District: "东区"}, []string{"A", "C"}}, {"kind", Wanted{Kind: &pharmacy}, []string{"C"}}, {"level", Wanted{Level: &two}, []string{"B"}},
		{"designated", Wanted{Designated: true}, []string{"A", "B", "C"}}, {"away", Wanted{Away: true}, []string{"A"}},
		{"near", Wanted{Near: Point{31_231_000, 121_479_000}}, []string{"B", "A", "D", "C"}},
		{"near another", Wanted{Near: Point{31_299_000, 121_401_000}, NameHas: "%"}, nil},
		{"near all", Wanted{Near: Point{31_299_000, 121_401_000}}, []string{"D", "A", "B", "C"}},
	} {
		var got []string
		if err := d.View(ctx, func(tx *db.Tx) error {
			all, err := Find(ctx, tx, x.f, catalogue.Page{Limit: 10})
			for _, p := range all {
				got = append(got, p.Code)
			}
			return err
		}); err != nil || !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, %v, want %q", x.name, got, err, x.want)
		}
	}
	if err := d.View(ctx, func(tx *db.Tx) error {
		p, ok, err := Get(ctx, tx, "A")
		if !ok || p.Position != (Point{31_230_000, 121_470_000}) || p.Away != Yes || p.District != "东区" {
			t.Errorf("%+v", p)
		}
		all, err2 := Districts(ctx, tx, "990100")
		if !slices.Equal(all, []string{"东区", "西区"}) {
			t.Errorf("%q", all)
		}
		if err == nil {
			err = err2
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
