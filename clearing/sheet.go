package clearing

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
)

// FundPaid is what one fund of a region pays.
type FundPaid struct {
	Fund   string    `json:"fund"`
	Title  string    `json:"title"`
	Amount money.Fen `json:"amount"`
}

// Part is what is cleared together: the settlements of one insured region,
// scheme and kind of care (清算类别).
type Part struct {
	Region string // insured
	Scheme policy.Scheme
	Kind   policy.VisitKind
	Totals
	Funds []FundPaid // by fund; they sum to Fund
}

// Sheet is the clearing sheet of a provider for a month (月度清算表).
type Sheet struct {
	Provider     provider.Provider
	Month        Month
	Parts        []Part // by insured region, scheme and kind
	Total        Totals
	Applications []Application // oldest first
}

// MonthlySheet sums a provider's settlements of a month.
func MonthlySheet(ctx context.Context, tx *db.Tx, code string, m Month) (*Sheet, error) {
	p, ok, err := provider.Get(ctx, tx, code)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &settlement.Error{Field: "provider", Value: code, Want: "没有登记这个医药机构"}
	}
	s := &Sheet{Provider: p, Month: m}
	if s.Parts, err = parts(ctx, tx, Scope{Provider: code, Period: m.Period()}); err != nil {
		return nil, err
	}
	for _, part := range s.Parts {
		s.Total.Add(part.Totals)
	}
	s.Applications, err = Applications(ctx, tx, m, code)
	return s, err
}

// partKey says which part a settlement belongs to. Care is "" where all parts
// are of one provider.
type partKey struct {
	care, region string
	scheme       policy.Scheme
	kind         policy.VisitKind
}

func (a partKey) compare(b partKey) int {
	return cmp.Or(cmp.Compare(a.care, b.care), cmp.Compare(a.region, b.region), cmp.Compare(a.scheme, b.scheme), cmp.Compare(a.kind, b.kind))
}

// shares are what each fund pays, by part.
type shares map[partKey]map[string]FundPaid

func (s shares) add(k partKey, f FundPaid) {
	if s[k] == nil {
		s[k] = map[string]FundPaid{}
	}
	f.Amount += s[k][f.Fund].Amount
	s[k][f.Fund] = f
}

// of are the shares of a part, which must sum to what the settlements say the
// funds pay.
func (s shares) of(k partKey, want money.Fen) ([]FundPaid, error) {
	var out []FundPaid
	var total money.Fen
	for _, id := range slices.Sorted(maps.Keys(s[k])) {
		if f := s[k][id]; f.Amount != 0 {
			out = append(out, f)
			total += f.Amount
		}
	}
	if total != want {
		return nil, fmt.Errorf("the funds of region %s pay %s by stage, %s by settlement", k.region, total, want)
	}
	return out, nil
}

// parts sums the settlements of a scope by part.
func parts(ctx context.Context, tx *db.Tx, s Scope) ([]Part, error) {
	sums := map[partKey]*Totals{}
	err := s.each(ctx, tx, func(r *row) error {
		k := partKey{"", r.region, r.scheme, r.kind}
		if sums[k] == nil {
			sums[k] = &Totals{}
		}
		sums[k].Add(r.totals)
		return nil
	})
	if err != nil {
		return nil, err
	}
	paid := shares{}
	err = fundsBetween(ctx, tx, s.Period, func(k partKey, f FundPaid) {
		k.care = ""
		if sums[k] != nil {
			paid.add(k, f)
		}
	}, `s.provider = ?`, s.Provider)
	if err != nil {
		return nil, err
	}
	out := make([]Part, 0, len(sums))
	for _, k := range slices.SortedFunc(maps.Keys(sums), partKey.compare) {
		funds, err := paid.of(k, sums[k].Fund)
		if err != nil {
			return nil, err
		}
		out = append(out, Part{k.region, k.scheme, k.kind, *sums[k], funds})
	}
	return out, nil
}

// fundsBetween calls f with what each fund pays in the settlements of a period
// that the condition holds for.
func fundsBetween(ctx context.Context, tx *db.Tx, p Period, f func(partKey, FundPaid), condition string, args ...any) error {
	from, to := around(p)
	return tx.Each(ctx, func(rows *db.Rows) error {
		var k partKey
		var at, stored string
		if err := rows.Scan(&at, &k.care, &k.region, &k.scheme, &k.kind, &stored); err != nil {
			return err
		}
		made, err := time.Parse(time.RFC3339Nano, at)
		if err != nil || !p.holds(made) {
			return err
		}
		funds, err := settlement.ReadFunds(stored)
		for _, paid := range funds {
			f(k, FundPaid{Fund: paid.Fund, Title: paid.Title, Amount: paid.Paid})
		}
		return err
	}, `SELECT s.at, p.region, s.region, s.scheme, s.kind, s.funds
		FROM settlement s JOIN provider p ON p.code = s.provider
		WHERE s.claim = '' AND s.at >= ? AND s.at < ? AND `+condition+` ORDER BY s.n`, append([]any{from, to}, args...)...)
}

// Over reports whether the month is over, so that nothing more is settled in it.
func (m Month) Over(now time.Time) bool { return civil.Of(now.In(zone)) > m.Period().To }
