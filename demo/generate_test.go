package demo_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/ident"
)

// dump lists what seeding made, but for tokens and what is sealed.
func dump(t *testing.T, today civil.Date) (lines, citizenIDs []string) {
	t.Helper()
	ctx := context.Background()
	d := dbtest.Open(t)
	sealer, err := gm.NewSealer(bytes.Repeat([]byte{5}, 48))
	if err != nil {
		t.Fatal(err)
	}
	register := enrolment.New(sealer)
	if _, err := demo.Seed(ctx, d, register, demo.Options{Today: today, People: 300}); err != nil {
		t.Fatal(err)
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		var ids []string
		for _, q := range []string{
			`SELECT id || ' ' || name || ' ' || female || ' ' || birth || ' ' || region || ' ' || employer FROM person ORDER BY id`,
			`SELECT person || ' ' || scheme || ' ' || from_day || ' ' || to_day || ' ' || retired || ' ' || status FROM insurance ORDER BY person, scheme, from_day`,
			`SELECT person || ' ' || class FROM person_class ORDER BY person, class`,
			`SELECT id || ' ' || balance FROM account ORDER BY id`,
			`SELECT code || ' ' || name || ' ' || level || ' ' || private FROM provider ORDER BY code`,
			`SELECT code || ' ' || name || ' ' || class || ' ' || first_pay || ' ' || unit_ceiling FROM item ORDER BY code`,
		} {
			if err := tx.Each(ctx, func(rows *db.Rows) error {
				var s string
				err := rows.Scan(&s)
				lines = append(lines, s)
				return err
			}, q); err != nil {
				return err
			}
		}
		if err := tx.Each(ctx, func(rows *db.Rows) error {
			var id string
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT id FROM person ORDER BY id`); err != nil {
			return err
		}
		for _, id := range ids {
			p, _, err := register.ByID(ctx, tx, id)
			if err != nil {
				return err
			}
			citizenIDs = append(citizenIDs, p.CitizenID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, citizenIDs
}

// TestSameSeedSamePeople seeds twice: the data is the same, and other on
// another day.
func TestSameSeedSamePeople(t *testing.T) {
	a, ids := dump(t, 20260315)
	b, again := dump(t, 20260315)
	if fmt.Sprint(a, ids) != fmt.Sprint(b, again) {
		t.Error("the same options give other data")
	}
	c, _ := dump(t, 20260316)
	if fmt.Sprint(a) == fmt.Sprint(c) {
		t.Error("another day gives the same data")
	}
	seen := map[string]bool{}
	bad := 0
	for _, id := range ids {
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		if ident.CheckCitizenID(id) != nil {
			bad++ // the fixed people's are as they are given
		}
	}
	if len(ids) != 313 || bad > 13 {
		t.Errorf("%d people, %d with a wrong check digit", len(ids), bad)
	}
}

func TestMain(m *testing.M) { dbtest.Main(m) }
