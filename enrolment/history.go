package enrolment

import (
	"context"
	"errors"
	"fmt"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// Timeline lists all of a person's insurance, oldest first (参保经历).
func Timeline(ctx context.Context, tx *db.Tx, person string) ([]Insurance, error) {
	var out []Insurance
	err := tx.Later(ctx, func(rows *db.Rows) error {
		var i Insurance
		err := rows.Scan(&i.Scheme, &i.From, &i.To, &i.Retired, &i.Status, &i.BenefitsFrom, &i.Reason)
		out = append(out, i)
		return err
	}, `SELECT scheme, from_day, to_day, retired, status, benefits_from, reason FROM insurance WHERE person = ? ORDER BY from_day, scheme`, person)
	return out, errors.Join(err, tx.Flush(ctx))
}

// RemoveInsurance removes a spell that never counted: its contribution was paid
// back and no care was paid under it.
func RemoveInsurance(ctx context.Context, tx *db.Tx, person string, scheme policy.Scheme, from civil.Date) error {
	return tx.Exec(ctx, `DELETE FROM insurance WHERE person = ? AND scheme = ? AND from_day = ?`, person, scheme, int(from))
}

// covers reports whether the spell is one in which contributions were paid.
func (i *Insurance) covers() bool { return i.Status == policy.Normal || i.Status == policy.Waiting }

// overlaps reports whether the spell has a day from from to to.
func (i *Insurance) overlaps(from, to civil.Date) bool {
	return i.From <= to && (i.To == 0 || i.To >= from)
}

// Overlapping is the first of the spells in the scheme, paid for or in arrears,
// that has a day from from to to.
func Overlapping(all []Insurance, scheme policy.Scheme, from, to civil.Date) (Insurance, bool) {
	for _, i := range all {
		if i.Scheme == scheme && (i.covers() || i.Status == policy.Arrears) && i.overlaps(from, to) {
			return i, true
		}
	}
	return Insurance{}, false
}

// FirstTime reports whether the person was never in the scheme before the day
// (首次参保).
func FirstTime(all []Insurance, scheme policy.Scheme, day civil.Date) bool {
	for _, i := range all {
		if i.Scheme == scheme && i.covers() && i.From < day {
			return false
		}
	}
	return true
}

// GapMonths is how many whole calendar months before that of the day nothing was
// paid for in the scheme (中断缴费月数), 0 for one who never was in it.
func GapMonths(all []Insurance, scheme policy.Scheme, day civil.Date) int {
	var last civil.Date
	for _, i := range all {
		if i.Scheme != scheme || !i.covers() || i.From >= day {
			continue
		}
		to := i.To
		if to == 0 || to >= day {
			return 0
		}
		last = max(last, to)
	}
	if last == 0 {
		return 0
	}
	return max(0, (day.Year()-last.Year())*12+day.Month()-last.Month()-1)
}

// BrokenYears is how many benefit years without any basic insurance end
// before the year that begins on year (连续断缴年数). Only years from since on
// count, and those after the first insurance. yearOf gives the days of the
// benefit year that holds a day.
func BrokenYears(all []Insurance, year, since civil.Date, yearOf func(civil.Date) (from, to civil.Date)) int {
	first := civil.Date(0)
	for _, i := range all {
		if i.covers() && i.From < year && (first == 0 || i.From < first) {
			first = i.From
		}
	}
	if first == 0 {
		return 0
	}
	n := 0
	for {
		from, to := yearOf(year.AddDays(-1))
		if from < since || to < first {
			return n
		}
		for _, i := range all {
			if i.covers() && i.overlaps(from, to) {
				return n
			}
		}
		n++
		year = from
	}
}

// ExtendInsurance moves the last day of a spell.
func ExtendInsurance(ctx context.Context, tx *db.Tx, person string, scheme policy.Scheme, from, to civil.Date) error {
	n, err := tx.ExecCount(ctx, `UPDATE insurance SET to_day = ? WHERE person = ? AND scheme = ? AND from_day = ?`, int(to), person, scheme, int(from))
	if err == nil && n != 1 {
		err = fmt.Errorf("person %s has no insurance from %s to extend", person, from)
	}
	return err
}
