package demo_test

import (
	"context"
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/policy"
)

func TestSeed(t *testing.T) {
	ctx := context.Background()
	d := dbtest.Open(t)
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	register := enrolment.New(sealer)
	const today civil.Date = 20260315
	reports := 0
	o := demo.Options{Today: today, People: 500, Progress: func(int, int) { reports++ }}
	for i, want := range []bool{true, false} {
		if seeded, err := demo.Seed(ctx, d, register, o); err != nil || seeded != want {
			t.Fatalf("seeding %d: %t, %v", i, seeded, err)
		}
	}
	if reports < 3 {
		t.Errorf("%d reports of progress", reports)
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		var people int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM person`).Scan(&people); err != nil || people != 513 {
			t.Errorf("%d people, %v", people, err)
		}
		for _, x := range []struct {
			id      string
			status  policy.InsuredStatus
			scheme  policy.Scheme
			retired bool
			balance string
			filed   policy.Filing
			classes int
		}{
			{id: "990100198503120014", balance: "1234.56"},
			{id: demo.LiJi, retired: true, balance: "800.00"},
			{id: "990100199001010119", scheme: policy.Resident, balance: "0.00"},
			{id: "990100194805200214", scheme: policy.Resident, balance: "0.00", classes: 1},
			{id: "990100198002290314", balance: "0.00", filed: policy.Filed},
			{id: "990100196206300327", status: policy.Arrears, balance: "0.00"},
			{id: "990100199304180334", scheme: policy.Resident, status: policy.Waiting, balance: "0.00"},
			{id: "99010019991231034X", balance: "0.00"},
			{id: "990100194501010358", scheme: policy.Resident, status: policy.Deceased, balance: "0.00"},
			{id: demo.Guo, balance: "0.00"},
		} {
			p, ok, err := register.ByCitizenID(ctx, tx, x.id)
			if err != nil || !ok || p.CitizenID != x.id {
				t.Fatalf("%s: %t, %v", x.id, ok, err)
			}
			if byCard, ok, err := register.ByCard(ctx, tx, "C"+x.id); err != nil || !ok || byCard.ID != p.ID {
				t.Errorf("%s by card: %t, %v", x.id, ok, err)
			}
			i, err := enrolment.StatusOn(ctx, tx, p.ID, today)
			if err != nil || i.Status != x.status || i.Scheme != x.scheme || i.Retired != x.retired {
				t.Errorf("%s: %+v, %v", p.Name, i, err)
			}
			if b, err := fund.Balance(ctx, tx, fund.PersonAccount(p.ID)); err != nil || b.String() != x.balance {
				t.Errorf("%s: balance %s, %v", p.Name, b, err)
			}
			if f, err := enrolment.FilingOn(ctx, tx, p.ID, "500000", today); err != nil || f != x.filed {
				t.Errorf("%s: filing %s, %v", p.Name, f, err)
			}
			if cs, err := enrolment.Classes(ctx, tx, p.ID, today); err != nil || len(cs) != x.classes {
				t.Errorf("%s: classes %v, %v", p.Name, cs, err)
			}
		}
		// No citizen ID stands in the clear.
		var clear int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM person WHERE CAST(citizen_id AS TEXT) LIKE '%990100%'`).Scan(&clear); err != nil || clear > 0 {
			t.Errorf("%d citizen IDs in the clear, %v", clear, err)
		}
		return fund.Verify(ctx, tx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPeople checks that everyone of the fixed people is told about.
func TestPeople(t *testing.T) {
	people := demo.People()
	if len(people) != 13 {
		t.Errorf("%d people", len(people))
	}
	for _, p := range people {
		if p.Name == "" || p.Region == "" || p.Situation == "" || p.Outcome == "" || !strings.HasPrefix(p.CitizenID, "990100") {
			t.Errorf("%+v", p)
		}
	}
}
