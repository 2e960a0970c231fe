package enrolment

import (
	"context"
	"fmt"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
)

const inPeriod = ` AND (to_day = 0 OR to_day >= ?) AND from_day <= ?`

// lastDay stands for the end of what is open when days are compared.
const lastDay civil.Date = 99991231

// period is the arguments of inPeriod; to 0 is open.
func period(from, to civil.Date) (int, int) {
	if to == 0 {
		to = lastDay
	}
	return int(from), int(to)
}

// SpecialDiseasesWithin lists the diseases recognised for a person on some day
// from from to to; to 0 is open.
func SpecialDiseasesWithin(ctx context.Context, tx *db.Tx, person string, from, to civil.Date) ([]SpecialDisease, error) {
	var out []SpecialDisease
	first, last := period(from, to)
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var d SpecialDisease
		err := rows.Scan(&d.Code, &d.Name, &d.Special, &d.From, &d.To)
		out = append(out, d)
		return err
	}, `SELECT code, name, special, from_day, to_day FROM special_disease WHERE person = ?`+inPeriod+` ORDER BY code, from_day`, person, first, last)
	return out, err
}

// FilingsWithin lists the filings of a person for care away from home that hold
// on some day from from to to; to 0 is open.
func FilingsWithin(ctx context.Context, tx *db.Tx, person string, from, to civil.Date) ([]Filing, error) {
	var out []Filing
	first, last := period(from, to)
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var f Filing
		err := rows.Scan(&f.Region, &f.Kind, &f.From, &f.To)
		out = append(out, f)
		return err
	}, `SELECT region, kind, from_day, to_day FROM filing WHERE person = ?`+inPeriod+` ORDER BY region, from_day`, person, first, last)
	return out, err
}

// EndSpecialDisease ends the recognition of a disease that began on from: day
// is the first day on which it holds no more. One that thereby held on no day
// is removed.
func EndSpecialDisease(ctx context.Context, tx *db.Tx, person, code string, from, day civil.Date) error {
	return end(ctx, tx, `special_disease`, `code`, person, code, from, day)
}

// EndFiling ends the filing for a region that began on from, as
// EndSpecialDisease does.
func EndFiling(ctx context.Context, tx *db.Tx, person, region string, from, day civil.Date) error {
	return end(ctx, tx, `filing`, `region`, person, region, from, day)
}

func end(ctx context.Context, tx *db.Tx, table, column, person, key string, from, day civil.Date) error {
	where := ` WHERE person = ? AND ` + column + ` = ? AND from_day = ?`
	var n int64
	var err error
	if day <= from {
		n, err = tx.ExecCount(ctx, `DELETE FROM `+table+where, person, key, int(from))
	} else {
		n, err = tx.ExecCount(ctx, `UPDATE `+table+` SET to_day = ?`+where, int(day.AddDays(-1)), person, key, int(from))
	}
	if err == nil && n != 1 {
		err = fmt.Errorf("person %s has no %s of %s from %s to end", person, table, key, from)
	}
	return err
}
