package settlement

import (
	"context"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// Medicine is a medicine that was settled for a chronic or special disease
// (慢特病用药), without what was taken back of it.
type Medicine struct {
	Fee
	Catalogue catalogue.Item
	Provider  provider.Provider
	Visit     string
	Code      string // the caller's own code of the kind of care, as of the visit
	Kind      policy.VisitKind
}

// Medicines lists the medicines of the days from from to to that settlements
// that stand settled for the person's chronic and special diseases, oldest
// first, at most limit of them. What the catalogue of the care region did not
// hold as a drug on its day is not among them.
func (s *Service) Medicines(ctx context.Context, tx *db.Tx, person string, from, to civil.Date, limit int) ([]Medicine, error) {
	if to == 0 {
		to = lastDay
	}
	var all []Medicine
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var m Medicine
		var day civil.Date
		var detail string
		if err := rows.Scan(&m.Visit, &m.Code, &m.Kind, &m.Provider.Code, &m.Serial, &m.Item, &m.ProviderItem, &day,
			&m.Quantity, &m.Price, &m.Catalogue.Name, &m.Catalogue.Class, &detail); err != nil {
			return err
		}
		if err := readDetail(&m.Detail, detail); err != nil {
			return err
		}
		m.Time = time.Date(day.Year(), time.Month(day.Month()), day.Day(), 0, 0, 0, 0, zone)
		all = append(all, m)
		return nil
	}, `SELECT f.visit, v.code, s.kind, s.provider, f.serial, f.item, f.provider_item, f.day,
			CAST(f.quantity + COALESCE((SELECT SUM(b.quantity) FROM fee b WHERE b.visit = f.visit AND b.original = f.serial AND b.quantity < 0), 0) AS BIGINT),
			f.price, f.name, f.class, COALESCE(x.document, '')
		FROM settlement s JOIN visit v ON v.id = s.visit JOIN settled d ON d.visit = s.visit AND d.settlement = s.id
			JOIN fee f ON f.visit = d.visit AND f.n >= d.first AND f.n <= d.last
			LEFT JOIN fee_detail x ON x.visit = f.visit AND x.serial = f.serial AND x.settlement = ''
		WHERE s.person = ? AND s.kind IN (?, ?) AND f.day >= ? AND f.day <= ? AND f.quantity > 0
		ORDER BY f.day, s.n, f.n`, person, policy.Chronic, policy.Special, int(from), int(to))
	if err != nil {
		return nil, err
	}
	var out []Medicine
	for _, m := range all {
		if m.Quantity == 0 {
			continue
		}
		if m.Provider, err = s.provider(ctx, tx, m.Provider.Code, civil.Of(m.Time)); err != nil {
			return nil, err
		}
		it, ok, err := catalogue.Find(ctx, tx, m.Provider.Region, civil.Of(m.Time), m.Item)
		if err != nil {
			return nil, err
		}
		if !ok || it.Kind != catalogue.Drug {
			continue
		}
		it.Class = m.Catalogue.Class // what it was settled as
		m.Catalogue = it
		if out = append(out, m); len(out) == limit {
			break
		}
	}
	return out, nil
}
