package enrolment_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
)

func TestHousehold(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	r := enrolment.New(sealer)
	people := []enrolment.Person{{ID: "a", CitizenID: "1"}, {ID: "b", CitizenID: "2"}, {ID: "c", CitizenID: "3"}}
	if err := d.Update(ctx, func(tx *db.Tx) error {
		for i := range people {
			if err := r.Add(ctx, tx, &people[i]); err != nil {
				return err
			}
		}
		home, err := enrolment.AddHousehold(ctx, tx, "990100", "a", 20250101, time.Now())
		if err != nil {
			return err
		}
		join := func(person, relation string) error {
			return enrolment.JoinHousehold(ctx, tx, enrolment.HouseholdMember{Person: person, Household: home, Relation: relation, From: 20250301})
		}
		if err := errors.Join(join("b", "spouse"), join("c", "child")); err != nil {
			return err
		}
		for _, bad := range []struct{ person, relation, want string }{{"c", "child", "已在户"}, {"c", "head", "已有户主"}, {"c", "friend", "应为"}} {
			if err := join(bad.person, bad.relation); !errors.Is(err, enrolment.ErrHousehold) || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		all, err := enrolment.Household(ctx, tx, home, 20250301)
		if len(all) != 3 || all[0].Person != "a" || enrolment.RelationTitle(all[1].Relation) == "" {
			t.Errorf("%+v", all)
		}
		if err != nil {
			return err
		}
		if all, err = enrolment.Household(ctx, tx, home, 20250228); err != nil || len(all) != 1 {
			t.Errorf("before they joined %+v, %v", all, err)
		}
		// A child who grows up has a household of their own.
		own, err := enrolment.AddHousehold(ctx, tx, "990100", "c", 20250601, time.Now())
		if err != nil {
			return err
		}
		for day, want := range map[int]string{20250531: home, 20250601: own} {
			m, ok, err := enrolment.HouseholdOf(ctx, tx, "c", civil.Date(day))
			if err != nil || !ok || m.Household != want {
				t.Errorf("on %d in %+v, %v", day, m, err)
			}
		}
		if err := enrolment.LeaveHousehold(ctx, tx, "b", 20250630); err != nil {
			return err
		}
		if _, ok, err := enrolment.HouseholdOf(ctx, tx, "b", 20250701); ok || err != nil {
			t.Errorf("left, and is there: %v", err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
