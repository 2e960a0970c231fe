package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/db"
)

// Stock is what there was of a provider's item at a time: what the last count
// found, of all its lots, and what moved since.
func Stock(ctx context.Context, tx *db.Tx, provider, providerItem string, at time.Time) (catalogue.Quantity, error) {
	counted := ""
	err := tx.QueryRow(ctx, `SELECT at FROM inventory_movement WHERE provider = ? AND provider_item = ? AND at <= ? AND kind = 1 AND voided = '' ORDER BY at DESC LIMIT 1`,
		provider, providerItem, clock(at)).Scan(&counted)
	if err != nil && !db.IsNotFound(err) {
		return 0, err
	}
	var stock catalogue.Quantity
	err = tx.QueryRow(ctx, `SELECT COALESCE(SUM(quantity), 0) FROM inventory_movement
		WHERE provider = ? AND provider_item = ? AND at >= ? AND at <= ? AND (kind = 1 OR at > ?) AND voided = ''`,
		provider, providerItem, counted, clock(at), counted).Scan(&stock)
	return stock, err
}

// Movements are the reports on a provider's item, voided ones too, in the
// order in which they came.
func (s *Service) Movements(ctx context.Context, tx *db.Tx, provider, providerItem string) ([]Movement, error) {
	return s.read(ctx, tx, `m.provider = ? AND m.provider_item = ? ORDER BY m.id`, provider, providerItem)
}

func (s *Service) read(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Movement, error) {
	var all []Movement
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var m Movement
		var at, recorded, voided string
		var insured bool
		var sealed []byte
		err := rows.Scan(&m.ID, &m.Provider, &m.Kind, &m.Number, &m.Reason, &m.Original, &at, &m.Item, &m.ProviderItem, &m.Name, &m.Quantity, &m.Price,
			&m.Lot, &m.Made, &m.Expires, &m.Producer, &m.Approval, &m.Supplier, &m.Prescription, &m.Opened, &m.Gift, &m.Person, &m.Visit, &m.VisitNumber,
			&m.Settlement, &insured, &sealed, &recorded, &m.Recorded.By, &voided, &m.Voided.By)
		if err != nil {
			return err
		}
		m.Quantity = max(m.Quantity, -m.Quantity)
		if m.Kind == Sale || m.Kind == SaleReturn {
			m.Payer = payer(insured)
		}
		for _, t := range []struct {
			from string
			to   *time.Time
		}{{at, &m.At}, {recorded, &m.Recorded.At}, {voided, &m.Voided.At}} {
			if t.from == "" {
				continue
			}
			if *t.to, err = time.ParseInLocation(time.DateTime, t.from, zone); err != nil {
				return err
			}
		}
		plain, err := s.sealer.Open(sealDetails, sealed)
		if err == nil {
			err = json.Unmarshal([]byte(plain), &m.Details)
		}
		if err != nil {
			return fmt.Errorf("details of movement %d: %w", m.ID, err)
		}
		all = append(all, m)
		return nil
	}, `SELECT m.id, m.provider, m.kind, m.number, m.reason, COALESCE(o.number, ''), m.at, m.item, m.provider_item, m.name, m.quantity, m.price,
		m.lot, m.made, m.expires, m.producer, m.approval, m.supplier, m.prescription, m.opened, m.gift, m.person, m.visit, m.visit_number,
		m.settlement, m.insured, m.details, m.recorded, m.recorded_by, m.voided, m.voided_by
		FROM inventory_movement m LEFT JOIN inventory_movement o ON o.id = m.original WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	for i := range all {
		m := &all[i]
		if err := tx.Each(ctx, func(rows *db.Rows) error {
			var code string
			err := rows.Scan(&code)
			m.Traces = append(m.Traces, code)
			return err
		}, `SELECT code FROM inventory_trace WHERE movement = ? ORDER BY n`, m.ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}
