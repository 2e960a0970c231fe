package inventory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
)

// Period is a span of days, both included.
type Period struct{ From, To civil.Date }

// Difference is an item of which a provider sold another quantity to insured
// people than was settled (进销存不符).
type Difference struct {
	Item     string // 医疗目录编码
	Name     string
	Settled  catalogue.Quantity // charged in settlements that stand
	Sold     catalogue.Quantity // sold for insured care, less what came back
	SelfPaid catalogue.Quantity // sold otherwise, less what came back
}

// String says the difference in Chinese.
func (d Difference) String() string {
	s := fmt.Sprintf("%s %s：医保结算 %s，医保销售 %s，", d.Item, d.Name, d.Settled, d.Sold)
	if d.Settled > d.Sold {
		s += fmt.Sprintf("结算多 %s", d.Settled-d.Sold)
	} else {
		s += fmt.Sprintf("销售多 %s", d.Sold-d.Settled)
	}
	if d.SelfPaid != 0 {
		s += fmt.Sprintf("；另有自费销售 %s", d.SelfPaid)
	}
	return s
}

// Compare holds what a provider sold against what was settled of its fees, item
// by item of the catalogue, and gives the items that differ, by code. Sales and
// fees count on the days on which they were made; what was returned or taken
// back later is taken off there. Goods are the drugs and consumables of the
// catalogue, and whatever was sold.
//
// A difference is where to look, not a proof: a sale may be reported late, or
// without its visit.
func Compare(ctx context.Context, tx *db.Tx, provider string, p Period) ([]Difference, error) {
	items := map[string]*Difference{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		d := &Difference{}
		err := rows.Scan(&d.Item, &d.Name, &d.Sold, &d.SelfPaid)
		items[d.Item] = d
		return err
	}, `SELECT item, MAX(name), CAST(SUM(insured * sold) AS BIGINT), CAST(SUM((1 - insured) * sold) AS BIGINT) FROM (
			SELECT m.item, m.name, m.insured, -m.quantity - (SELECT COALESCE(SUM(r.quantity), 0) FROM inventory_movement r
				WHERE r.original = m.id AND r.original <> 0 AND r.voided = '') AS sold
			FROM inventory_movement m WHERE m.provider = ? AND m.kind = 5 AND m.at >= ? AND m.at <= ? AND m.voided = '') s
		GROUP BY item`, provider, p.From.String()+" 00:00:00", clock(endOf(p.To)))
	if err != nil {
		return nil, err
	}
	// A reversed settlement has no fees any more: they are unsettled again. What
	// was charged in the period was settled no earlier; times of settlements
	// name their zones, so the day before is in.
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var d Difference
		var goods bool
		if err := rows.Scan(&d.Item, &d.Name, &d.Settled, &goods); err != nil {
			return err
		}
		if sold := items[d.Item]; sold != nil {
			sold.Name, sold.Settled = cmp.Or(d.Name, sold.Name), d.Settled
		} else if goods {
			items[d.Item] = &d
		}
		return nil
	}, `SELECT f.item, MAX(f.name), CAST(SUM(f.quantity) AS BIGINT),
			CASE WHEN EXISTS (SELECT 1 FROM item i WHERE i.code = f.item AND i.kind IN ('drug', 'consumable')) THEN 1 ELSE 0 END
		FROM settlement s JOIN settled d ON d.visit = s.visit AND d.settlement = s.id
			JOIN fee f ON f.visit = d.visit AND f.n >= d.first AND f.n <= d.last
			LEFT JOIN fee o ON o.visit = f.visit AND o.serial = f.original AND f.original <> ''
		WHERE s.provider = ? AND s.claim = '' AND s.at >= ? AND COALESCE(o.day, f.day) >= ? AND COALESCE(o.day, f.day) <= ?
		GROUP BY f.item`, provider, p.From.AddDays(-1).String(), int(p.From), int(p.To))
	if err != nil {
		return nil, err
	}
	var out []Difference
	for _, code := range slices.Sorted(maps.Keys(items)) {
		if d := *items[code]; d.Sold != d.Settled {
			out = append(out, d)
		}
	}
	return out, nil
}
