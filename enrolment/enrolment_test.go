package enrolment

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/policy"
)

func open(t *testing.T) (context.Context, *db.DB, *Register) {
	t.Helper()
	ctx := context.Background()
	d := dbtest.Open(t)
	s, err := gm.NewSealer(bytes.Repeat([]byte{3}, 48))
	if err != nil {
		t.Fatal(err)
	}
	return ctx, d, New(s)
}

func TestFindPerson(t *testing.T) {
	ctx, d, r := open(t)
	a := Person{Name: "甲", CitizenID: "990100198503120014", Birth: 19850312, Region: "990100", Employer: "厂", Phone: "10000000001", Ethnicity: "03", CardSerial: "99FA"}
	b := Person{Name: "乙", CitizenID: "990100199001010119", Female: true, Birth: 19900101, Region: "990100", Phone: "10000000001"}
	c := Person{Name: "丙", CitizenID: "990100201509010128", Birth: 20150901, Region: "990100"}
	err := d.Update(ctx, func(tx *db.Tx) error {
		for _, p := range []*Person{&a, &b, &c} {
			if err := r.Add(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	type way func(context.Context, *db.Tx, string) (Person, bool, error)
	err = d.View(ctx, func(tx *db.Tx) error {
		for _, p := range []Person{a, b, c} {
			for name, x := range map[string]struct {
				by  way
				key string
			}{"number": {r.ByID, p.ID}, "citizen ID": {r.ByCitizenID, p.CitizenID}, "card": {r.ByCard, "C" + p.CitizenID}} {
				got, ok, err := x.by(ctx, tx, x.key)
				p.CardSerial = "" // only its digest is kept
				if err != nil || !ok || got != p {
					t.Errorf("%s by %s: %+v, %t, %v", p.Name, name, got, ok, err)
				}
				if _, ok, err := x.by(ctx, tx, x.key+"0"); ok || err != nil {
					t.Errorf("by another %s: %t, %v", name, ok, err)
				}
			}
		}
		family, err := r.ByPhone(ctx, tx, "10000000001")
		if err != nil || len(family) != 2 {
			t.Errorf("by phone: %v, %v", family, err)
		}
		for _, x := range []struct {
			p      Person
			serial string
			want   bool
		}{{a, "99FA", true}, {a, "99fa", true}, {a, "99FB", false}, {a, "", false}, {b, "99FA", true}} {
			found, _, err := r.ByID(ctx, tx, x.p.ID)
			if err != nil || r.HasCardSerial(found, x.serial) != x.want || r.HasCardSerial(x.p, x.serial) != x.want {
				t.Errorf("%s has the card %q: want %t, %v", x.p.Name, x.serial, x.want, err)
			}
		}
		if none, err := r.ByPhone(ctx, tx, ""); err != nil || len(none) != 0 {
			t.Errorf("by no phone: %v, %v", none, err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Update(ctx, func(tx *db.Tx) error { return r.Add(ctx, tx, &Person{CitizenID: a.CitizenID}) }); err == nil {
		t.Error("one citizen ID is registered twice")
	}
	// Neither stands in the clear in the store.
	seen := false
	err = d.View(ctx, func(tx *db.Tx) error {
		return tx.Each(ctx, func(rows *db.Rows) error {
			columns := make([]any, 13)
			to := make([]any, len(columns))
			for i := range columns {
				to[i] = &columns[i]
			}
			if err := rows.Scan(to...); err != nil {
				return err
			}
			all := fmt.Sprintf("%s", columns)
			seen = seen || strings.Contains(all, a.ID)
			for _, secret := range []string{a.CitizenID, a.Phone, a.CardSerial} {
				if strings.Contains(all, secret) {
					t.Errorf("the store holds %s in the clear", secret)
				}
			}
			return nil
		}, `SELECT * FROM person`)
	})
	if err != nil || !seen {
		t.Errorf("the people were not read: %v", err)
	}
	// Another key finds nobody by what is sealed, and opens nothing.
	s, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	other := New(s)
	_ = d.View(ctx, func(tx *db.Tx) error {
		if _, ok, err := other.ByCitizenID(ctx, tx, a.CitizenID); ok || err != nil {
			t.Errorf("found under another key: %t, %v", ok, err)
		}
		if _, ok, err := other.ByID(ctx, tx, a.ID); ok || err == nil {
			t.Errorf("opened under another key: %t, %v", ok, err)
		}
		return nil
	})
}

func TestTimeline(t *testing.T) {
	ctx, d, r := open(t)
	p := Person{Name: "甲", CitizenID: "990100198503120014"}
	err := d.Update(ctx, func(tx *db.Tx) error {
		if err := r.Add(ctx, tx, &p); err != nil {
			return err
		}
		for _, i := range []Insurance{
			{Scheme: policy.Resident, From: 20240101, To: 20241231},
			{Scheme: policy.Employee, From: 20240601, To: 20250331, BenefitsFrom: 20240701},
			{Scheme: policy.Employee, From: 20250401, To: 20250930, Status: policy.Arrears},
			{Scheme: policy.Employee, From: 20251001, Retired: true},
		} {
			if err := AddInsurance(ctx, tx, p.ID, i); err != nil {
				return err
			}
		}
		if err := AddFiling(ctx, tx, p.ID, Filing{"500000", policy.Filed, 20250101, 20250630}); err != nil {
			return err
		}
		if err := AddFiling(ctx, tx, p.ID, Filing{"320400", policy.Referred, 20250301, 20250331}); err != nil {
			return err
		}
		if err := AddClass(ctx, tx, p.ID, Class{"低保", 20250101, 20251231, "民政局"}); err != nil {
			return err
		}
		return AddSpecialDisease(ctx, tx, p.ID, SpecialDisease{"M03900", "高血压", false, 20250201, 0})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		for _, x := range []struct {
			day     civil.Date
			scheme  policy.Scheme
			status  policy.InsuredStatus
			retired bool
			arrears int
		}{
			{day: 20231231, status: policy.NotInsured},
			{day: 20240101, scheme: policy.Resident},
			{day: 20240615, scheme: policy.Resident}, // the employees' still waits
			{day: 20240701},                          // twice insured: the employees'
			{day: 20241231},
			{day: 20250331},
			{day: 20250401, status: policy.Arrears},
			{day: 20250930, status: policy.Arrears, arrears: 5},
			{day: 20251001, retired: true},
			{day: 20990101, retired: true},
		} {
			got, err := StatusOn(ctx, tx, p.ID, x.day)
			if err != nil || got.Scheme != x.scheme || got.Status != x.status || got.Retired != x.retired || got.ArrearsMonths(x.day) != x.arrears {
				t.Errorf("%s: %+v, arrears %d, %v", x.day, got, got.ArrearsMonths(x.day), err)
			}
		}
		for _, x := range []struct {
			region string
			day    civil.Date
			want   policy.Filing
		}{
			{"500000", 20250101, policy.Filed}, {"500000", 20250630, policy.Filed}, {"500000", 20250701, policy.NotFiled}, {"500000", 20241231, policy.NotFiled},
			{"500112", 20250101, policy.Filed}, // for all of the province
			{"320400", 20250315, policy.Referred}, {"320500", 20250315, policy.NotFiled},
		} {
			if got, err := FilingOn(ctx, tx, p.ID, x.region, x.day); err != nil || got != x.want {
				t.Errorf("filing for %s on %s: %s, %v", x.region, x.day, got, err)
			}
		}
		for day, want := range map[civil.Date]int{20241231: 0, 20250101: 1, 20251231: 1, 20260101: 0} {
			if got, err := Classes(ctx, tx, p.ID, day); err != nil || len(got) != want {
				t.Errorf("classes on %s: %v, %v", day, got, err)
			}
		}
		for day, want := range map[civil.Date]int{20250131: 0, 20250201: 1, 20990101: 1} {
			if got, err := SpecialDiseases(ctx, tx, p.ID, day); err != nil || len(got) != want {
				t.Errorf("diseases on %s: %v, %v", day, got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCounting(t *testing.T) {
	e := func(s policy.InsuredStatus) Insurance { return Insurance{Scheme: policy.Employee, Status: s} }
	r := func(s policy.InsuredStatus) Insurance { return Insurance{Scheme: policy.Resident, Status: s} }
	for _, x := range []struct{ a, b, want Insurance }{
		{e(policy.Normal), r(policy.Normal), e(policy.Normal)},
		{e(policy.Waiting), r(policy.Normal), r(policy.Normal)},
		{e(policy.Arrears), r(policy.Normal), r(policy.Normal)},
		{e(policy.Arrears), r(policy.Waiting), e(policy.Arrears)},
		{e(policy.Terminated), r(policy.Waiting), r(policy.Waiting)},
		{e(policy.Normal), r(policy.Deceased), r(policy.Deceased)},
		{e(policy.Suspended), r(policy.Terminated), e(policy.Suspended)},
	} {
		for _, all := range [][]Insurance{{x.a, x.b}, {x.b, x.a}} {
			if got := Counting(all); got != x.want {
				t.Errorf("%v: %v, want %v", all, got, x.want)
			}
		}
	}
	if got := Counting(nil); got.Status != policy.NotInsured {
		t.Errorf("of none: %v", got)
	}
}

func TestArrearsMonths(t *testing.T) {
	for _, x := range []struct {
		from, day civil.Date
		want      int
	}{
		{20250115, 20250114, 0}, {20250115, 20250214, 0}, {20250115, 20250215, 1}, {20250131, 20250227, 0}, {20250131, 20250228, 1},
		{20241031, 20250228, 4}, {20240229, 20250227, 11}, {20240229, 20250228, 12}, {20241201, 20250101, 1},
	} {
		i := Insurance{From: x.from, Status: policy.Arrears}
		if got := i.ArrearsMonths(x.day); got != x.want {
			t.Errorf("from %s to %s: %d, want %d", x.from, x.day, got, x.want)
		}
		if got := (Insurance{From: x.from}).ArrearsMonths(x.day); got != 0 {
			t.Errorf("not in arrears: %d", got)
		}
	}
}

func TestMain(m *testing.M) { dbtest.Main(m) }
