package enrolment

import (
	"context"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// Change makes a person's status in the scheme of i what i says, from its first
// day on: what stood that day ends the day before, and what was to come later
// goes (参保变更: 停保、续保、退休、终止). i is open.
func Change(ctx context.Context, tx *db.Tx, person string, i Insurance) error {
	if err := tx.Exec(ctx, `DELETE FROM insurance WHERE person = ? AND scheme = ? AND from_day >= ?`, person, i.Scheme, int(i.From)); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `UPDATE insurance SET to_day = ? WHERE person = ? AND scheme = ? AND (to_day = 0 OR to_day >= ?)`,
		int(i.From.AddDays(-1)), person, i.Scheme, int(i.From)); err != nil {
		return err
	}
	i.To = 0
	return AddInsurance(ctx, tx, person, i)
}

// End ends all insurance of a person with the day: of every scheme that they are
// or will be in after it, the status is this one from the next day on.
func End(ctx context.Context, tx *db.Tx, person string, day civil.Date, to Insurance) error {
	all, err := Timeline(ctx, tx, person)
	if err != nil {
		return err
	}
	ended := map[int]bool{}
	to.From = day.AddDays(1)
	for _, i := range all {
		if (i.To != 0 && i.To <= day) || ended[int(i.Scheme)] {
			continue
		}
		ended[int(i.Scheme)] = true
		to.Scheme, to.Retired = i.Scheme, i.Retired
		if err := Change(ctx, tx, person, to); err != nil {
			return err
		}
	}
	return nil
}

// Cut ends a spell before a day, for a reason; one that begins on it or later
// stays on record as terminated.
func Cut(ctx context.Context, tx *db.Tx, person string, i Insurance, day civil.Date, reason string) error {
	if i.From >= day {
		return tx.Exec(ctx, `UPDATE insurance SET status = ?, reason = ? WHERE person = ? AND scheme = ? AND from_day = ?`, policy.Terminated, reason, person, i.Scheme, int(i.From))
	}
	return ExtendInsurance(ctx, tx, person, i.Scheme, i.From, day.AddDays(-1))
}
