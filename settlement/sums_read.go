package settlement

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// YearSum is one of a person's sums of a benefit year (年度累计).
type YearSum struct {
	Region string
	Scheme policy.Scheme
	Year   civil.Date // first day of the benefit year
	Name   string     // of the accumulator in the region's package
	Title  string     // in Chinese; the name, where no package knows it any more
	Amount money.Fen
}

// YearSums lists the person's sums, as they stand now, of the benefit years
// that hold the day, by scheme, region and the package's order of accumulators.
// What no settlement ever moved is not among them.
func (s *Service) YearSums(ctx context.Context, tx *db.Tx, person string, day civil.Date) ([]YearSum, error) {
	var out []YearSum
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var y YearSum
		var stored string
		if err := rows.Scan(&y.Region, &y.Scheme, &y.Year, &stored); err != nil {
			return err
		}
		all, err := readAmounts(stored)
		for _, y.Name = range slices.Sorted(maps.Keys(all)) {
			if !strings.HasPrefix(y.Name, visitPrefix) {
				y.Amount = money.Fen(all[y.Name])
				out = append(out, y)
			}
		}
		return err
	}, `SELECT region, scheme, year_start, amounts FROM year_sum WHERE person = ? AND year_start > ? AND year_start <= ?
		ORDER BY scheme, region, year_start`, person, int(day.AddMonths(-12)), int(day))
	if err != nil {
		return nil, err
	}
	slots := map[string]int{} // by region and name, in the newest package that knows it
	for i := range out {
		y := &out[i]
		y.Title = y.Name
		slots[y.Region+y.Name] = policy.MaxAccumulators
		for _, p := range s.store.Versions(y.Region) {
			if slot := p.AccumulatorSlot(y.Name); slot >= 0 {
				y.Title, slots[y.Region+y.Name] = p.AccumulatorTitle(slot), slot
			}
		}
	}
	slices.SortStableFunc(out, func(a, b YearSum) int {
		if a.Scheme != b.Scheme || a.Region != b.Region || a.Year != b.Year {
			return 0 // as the store ordered them
		}
		return slots[a.Region+a.Name] - slots[b.Region+b.Name]
	})
	return out, nil
}

// FillSums fills a case of a person's care today with their sums of the year,
// which visit of its kind it would be, and the balance of their account: what a
// settlement would start from. The case has its region, scheme, day and kind.
func (s *Service) FillSums(ctx context.Context, tx *db.Tx, person string, c *policy.Case) error {
	pkg, err := s.store.At(c.Region, c.Date)
	if err != nil {
		return inputError(err)
	}
	r := &snapshot{pkg: pkg}
	err = r.laterSums(ctx, tx, pkg, c, Visit{Person: person, Kind: c.Visit})
	if c.Scheme == policy.Employee {
		err = errors.Join(err, fund.LaterPersonal(ctx, tx, &c.Account, person))
	}
	if err = errors.Join(err, tx.Flush(ctx)); err != nil {
		return err
	}
	r.fillSums(tx, pkg, c)
	return nil
}
