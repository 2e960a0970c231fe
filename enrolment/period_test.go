package enrolment

import (
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

func TestPeriods(t *testing.T) {
	ctx, d, r := open(t)
	p := Person{Name: "甲", CitizenID: "990100198503120014"}
	err := d.Update(ctx, func(tx *db.Tx) error {
		if err := r.Add(ctx, tx, &p); err != nil {
			return err
		}
		for _, x := range []SpecialDisease{{"M1", "甲病", false, 20250201, 20250331}, {"M1", "甲病", false, 20250601, 0}, {"M2", "乙病", true, 20250301, 20250401}} {
			if err := AddSpecialDisease(ctx, tx, p.ID, x); err != nil {
				return err
			}
		}
		return AddFiling(ctx, tx, p.ID, Filing{"500000", policy.Referred, 20250301, 20250401})
	})
	if err != nil {
		t.Fatal(err)
	}
	count := func(tx *db.Tx, from, to civil.Date) (diseases, filings int) {
		t.Helper()
		a, err := SpecialDiseasesWithin(ctx, tx, p.ID, from, to)
		if err != nil {
			t.Fatal(err)
		}
		b, err := FilingsWithin(ctx, tx, p.ID, from, to)
		if err != nil {
			t.Fatal(err)
		}
		return len(a), len(b)
	}
	err = d.Update(ctx, func(tx *db.Tx) error {
		for _, x := range []struct {
			from, to          civil.Date
			diseases, filings int
		}{
			{20250101, 20250131, 0, 0}, {20250101, 20250201, 1, 0}, {20250331, 20250331, 2, 1}, {20250401, 20250401, 1, 1}, {20250402, 20250531, 0, 0},
			{20250402, 0, 1, 0}, {20250101, 0, 3, 1}, {20990101, 0, 1, 0},
		} {
			if a, b := count(tx, x.from, x.to); a != x.diseases || b != x.filings {
				t.Errorf("%s to %s: %d diseases, %d filings", x.from, x.to, a, b)
			}
		}
		if err := EndSpecialDisease(ctx, tx, p.ID, "M1", 20250601, 20250701); err != nil {
			return err
		}
		if a, _ := count(tx, 20250630, 20250630); a != 1 {
			t.Error("it does not hold on its last day")
		}
		if a, _ := count(tx, 20250701, 0); a != 0 {
			t.Error("it holds after it was ended")
		}
		if err := EndFiling(ctx, tx, p.ID, "500000", 20250301, 20250301); err != nil {
			return err
		}
		if _, b := count(tx, 20250101, 0); b != 0 {
			t.Error("a filing that held on no day is still there")
		}
		if err := EndFiling(ctx, tx, p.ID, "500000", 20250301, 20250310); err == nil {
			t.Error("what is not there was ended")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
