package settlement

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// sumsKey names the sums of a person's benefit year.
type sumsKey struct {
	person, region string
	scheme         policy.Scheme
	year           civil.Date
}

// amounts are sums by the accumulator's name, in fen, and counts of visits.
type amounts map[string]int64

func readAmounts(stored string) (a amounts, err error) {
	err = json.Unmarshal([]byte(stored), &a)
	return a, err
}

func (a amounts) String() string {
	b := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(a)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(calc.AppendString(b, name), ':')
		b = strconv.AppendInt(b, a[name], 10)
	}
	return string(append(b, '}'))
}

// laterAmounts reads the sums of the years, together with what else the
// transaction reads; they are held for as long as it lasts.
func laterAmounts(ctx context.Context, tx *db.Tx, k sumsKey, years ...civil.Date) error {
	first, last := years[0], years[len(years)-1]
	for _, y := range years {
		k.year = y
		tx.Keep(k, amounts{})
	}
	return tx.Later(ctx, func(rows *db.Rows) error {
		var stored string
		err := rows.Scan(&k.year, &stored)
		if err != nil {
			return err
		}
		a, err := readAmounts(stored)
		tx.Keep(k, a)
		return err
	}, `SELECT year_start, amounts FROM year_sum WHERE person = ? AND region = ? AND scheme = ? AND year_start IN (?, ?)`, k.person, k.region, k.scheme, int(first), int(last))
}

// keptAmounts are the sums that were read before.
func keptAmounts(tx *db.Tx, k sumsKey) amounts {
	a, _ := tx.Kept(k).(amounts)
	return a
}

// moveSums moves the sums of the year, and how many visits were settled in it.
// Later settlements may have moved them since those that the case was decided
// from. others are what else stands of the visit.
func moveSums(ctx context.Context, tx *db.Tx, st *Settlement, others []part) error {
	r, c := &st.Result, &st.Case
	k := sumsKey{person: st.Person.ID, region: c.Region, scheme: c.Scheme}
	moved := map[civil.Date]amounts{}
	move := func(year civil.Date, name string, by int64) {
		if by == 0 {
			return
		}
		if moved[year] == nil {
			moved[year] = amounts{}
		}
		moved[year][name] += by
	}
	first, year := years(r.Package, c)
	for i, name := range r.Package.Accumulators() {
		move(first, name, int64(r.YearToDate[i]-c.YearToDate[i]))
		if r.Divided {
			move(year, name, int64(r.NextYear[i]-c.NextYear[i]))
		}
	}
	if !r.Refused {
		by := int64(1)
		if st.Reverses != "" {
			by = -1
		}
		from, to := countsIn(r, c)
		for y := from; ; y = to {
			if !countsAmong(others, c.Visit, y) {
				move(y, visitCount(c.Visit), by)
			}
			if y == to {
				break
			}
		}
	}
	for _, y := range slices.Sorted(maps.Keys(moved)) {
		k.year = y
		if keptAmounts(tx, k) == nil {
			if err := errors.Join(laterAmounts(ctx, tx, k, y), tx.Flush(ctx)); err != nil {
				return err
			}
		}
		now := maps.Clone(keptAmounts(tx, k))
		for name, by := range moved[y] {
			now[name] += by
		}
		tx.Keep(k, now)
		if err := tx.Exec(ctx, `INSERT INTO year_sum (person, region, scheme, year_start, amounts) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (person, region, scheme, year_start) DO UPDATE SET amounts = excluded.amounts`, k.person, k.region, k.scheme, int(y), now.String()); err != nil {
			return err
		}
	}
	return nil
}
