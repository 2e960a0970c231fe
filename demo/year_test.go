package demo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// TestYear: the year that passes agrees in all records, says for how many months
// the balance pays, and leaves the fixed people as they were.
func TestYear(t *testing.T) {
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		today  civil.Date
		people int
		known  bool // for how many months the balance pays
	}{{20260620, 300, true}, {20250620, 60, false}, {20250101, 60, false}, {20260101, 0, false}} {
		t.Run(x.today.String(), func(t *testing.T) {
			ctx, d := context.Background(), dbtest.Open(t)
			register := enrolment.New(sealer)
			if _, err := demo.Seed(ctx, d, register, demo.Options{Today: x.today, People: x.people}); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			if err := demo.Year(ctx, d, register, store, x.today); err != nil {
				t.Fatal(err)
			}
			t.Logf("a year takes %s", time.Since(begun))
			if err := d.View(ctx, func(tx *db.Tx) error {
				r, err := fund.Run(ctx, tx, "990100", fund.Period{From: civil.New(x.today.Year(), 1, 1), To: civil.New(x.today.Year(), 12, 31)}, x.today)
				if err != nil {
					return err
				}
				if (r.Cover.Unknown == "") != x.known {
					t.Errorf("cover %+v", r.Cover)
				}
				if x.known && (r.Total.Income <= 0 || r.Total.Payment <= 0 || r.Total.Closing <= 0 || r.Cover.Tenths < 30 || r.Cover.Tenths > 400) {
					t.Errorf("%+v, %+v", r.Total, r.Cover)
				}
				waiting, err := clearing.Waiting(ctx, tx, "990100")
				if err != nil || x.known && len(waiting) < 2 {
					t.Errorf("%d applications wait, %v", len(waiting), err)
				}
				if n, err := clearing.CountWaiting(ctx, tx, "990100"); err != nil || n != len(waiting) {
					t.Errorf("%d wait by count, %d by list, %v", n, len(waiting), err)
				}
				p, _, err := register.ByCitizenID(ctx, tx, demo.LiJi)
				if err != nil {
					return err
				}
				care := settlement.New(store, register, nil)
				if all, err := care.List(ctx, tx, settlement.Filter{Person: p.ID}); err != nil || len(all) > 0 {
					t.Errorf("李济 was treated %d times, %v", len(all), err)
				}
				return errors.Join(fund.Verify(ctx, tx), audit.Verify(ctx, tx), care.Verify(ctx, tx), contribution.New(store, register, nil).Verify(ctx, tx))
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
