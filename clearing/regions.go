package clearing

import (
	"context"
	"maps"
	"slices"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
)

// Flow is the care that one region gave to people insured in another.
type Flow struct {
	Insured string `json:"insured_region"`
	Care    string `json:"care_region"`
	Totals
	Funds []FundPaid `json:"funds"` // of the insured region, by fund
	Paid  money.Fen  `json:"paid"`  // paid to providers for it, and so claimed
}

// Position is what a region claims and owes for a month.
type Position struct {
	Region string    `json:"region"`
	Claims money.Fen `json:"claims"` // for care given to people insured elsewhere
	Owes   money.Fen `json:"owes"`   // for its people's care elsewhere
	Net    money.Fen `json:"net"`    // claims less what it owes
}

// RegionSheet is the clearing between regions for a month (异地清算).
type RegionSheet struct {
	Month     Month      `json:"month"`
	Flows     []Flow     `json:"flows"`     // by care region and insured region
	Positions []Position `json:"positions"` // by region; the net positions sum to zero
	Total     Totals     `json:"total"`
}

// BetweenRegions sums the settlements of a month whose care region is not the
// insured region.
func BetweenRegions(ctx context.Context, tx *db.Tx, m Month) (*RegionSheet, error) {
	const away = `p.region <> s.region`
	flows := map[partKey]*Flow{}
	err := between(ctx, tx, m.Period(), func(r *row) error {
		k := partKey{care: r.care, region: r.region}
		if flows[k] == nil {
			flows[k] = &Flow{Insured: r.region, Care: r.care}
		}
		flows[k].Add(r.totals)
		return nil
	}, away)
	if err != nil {
		return nil, err
	}
	paid := shares{}
	err = fundsBetween(ctx, tx, m.Period(), func(k partKey, f FundPaid) {
		paid.add(partKey{care: k.care, region: k.region}, f)
	}, away)
	if err != nil {
		return nil, err
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var k partKey
		var amount money.Fen
		if err := rows.Scan(&k.care, &k.region, &amount); err != nil {
			return err
		}
		if flows[k] != nil {
			flows[k].Paid = amount
		}
		return nil
	}, `SELECT c.region, p.region, SUM(p.fund + p.account) FROM clearing_part p JOIN clearing c ON c.id = p.clearing
		WHERE c.month = ? AND c.state = ? AND p.region <> c.region GROUP BY c.region, p.region`, m, Paid)
	if err != nil {
		return nil, err
	}
	s := &RegionSheet{Month: m}
	net := map[string]*Position{}
	position := func(region string) *Position {
		if net[region] == nil {
			net[region] = &Position{Region: region}
		}
		return net[region]
	}
	for _, k := range slices.SortedFunc(maps.Keys(flows), partKey.compare) {
		f := flows[k]
		if f.Funds, err = paid.of(k, f.Fund); err != nil {
			return nil, err
		}
		s.Flows = append(s.Flows, *f)
		s.Total.Add(f.Totals)
		position(f.Care).Claims += f.Due()
		position(f.Insured).Owes += f.Due()
	}
	for _, region := range slices.Sorted(maps.Keys(net)) {
		p := net[region]
		p.Net = p.Claims - p.Owes
		s.Positions = append(s.Positions, *p)
	}
	return s, nil
}
