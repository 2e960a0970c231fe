package settlement

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
)

// Price is what a provider charged for one unit of an item when it was last settled
// there (最近结算价).
type Price struct {
	Provider string
	Name     string // of the provider
	Price    int64  // in 10⁻⁶ yuan
	Day      civil.Date
	N        int // settlements that it stood in
}

// Yuan writes the price in yuan, with two decimals or as many more as it has.
func (p Price) Yuan() string {
	whole, part := p.Price/1_000_000, strconv.FormatInt(1_000_000+p.Price%1_000_000, 10)[1:]
	part = strings.TrimRight(part, "0")
	for len(part) < 2 {
		part += "0"
	}
	return strconv.FormatInt(whole, 10) + "." + part
}

// LeastSettled is in how many settlements an item must stand at a provider before
// its price there is shown: fewer could tell of somebody.
const LeastSettled = 3

const (
	priceBatch = 100
	priceLag   = 5 * time.Minute // longer than any settlement is under way
)

// CountPrices counts the fees of some settlements made since it last did, and says
// whether there are more. It never looks at the last minutes, of which a settlement
// may still be under way, nor twice at one settlement.
func (s *Service) CountPrices(ctx context.Context, tx *db.Tx) (more bool, err error) {
	if err := tx.Lock(ctx, "item_price"); err != nil {
		return false, err
	}
	upTo := ""
	if err := tx.QueryRow(ctx, `SELECT settlement FROM item_price_upto WHERE one = 1`).Scan(&upTo); err != nil && !db.IsNotFound(err) {
		return false, err
	}
	type made struct{ id, visit, provider string }
	var all []made
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var m made
		err := rows.Scan(&m.id, &m.visit, &m.provider)
		all = append(all, m)
		return err
	}, `SELECT id, visit, provider FROM settlement WHERE id > ? AND id < ? ORDER BY id LIMIT ?`, upTo, "S"+s.now().Add(-priceLag).UTC().Format(idTime), priceBatch); err != nil || len(all) == 0 {
		return false, err
	}
	type key struct{ item, provider string }
	type last struct {
		n     int
		day   int
		price int64
	}
	sums := map[key]*last{}
	for _, m := range all {
		seen := map[key]bool{}
		if err := tx.Each(ctx, func(rows *db.Rows) error {
			k, x := key{provider: m.provider}, last{}
			if err := rows.Scan(&k.item, &x.day, &x.price); err != nil {
				return err
			}
			sum := sums[k]
			if sum == nil {
				sum = &last{}
				sums[k] = sum
			}
			if !seen[k] {
				seen[k] = true
				sum.n++
			}
			if x.day >= sum.day {
				sum.day, sum.price = x.day, x.price
			}
			return nil
		}, `SELECT f.item, f.day, f.price `+settledBy+` AND f.quantity > 0 AND f.price > 0 ORDER BY f.day, f.n`, m.visit, m.id); err != nil {
			return false, err
		}
	}
	for k, x := range sums {
		if err := tx.Exec(ctx, `INSERT INTO item_price (item, provider, n, day, price) VALUES (?, ?, ?, ?, ?) ON CONFLICT (item, provider) DO UPDATE SET
			n = item_price.n + excluded.n,
			price = CASE WHEN excluded.day >= item_price.day THEN excluded.price ELSE item_price.price END,
			day = CASE WHEN excluded.day >= item_price.day THEN excluded.day ELSE item_price.day END`, k.item, k.provider, x.n, x.day, x.price); err != nil {
			return false, err
		}
	}
	return len(all) == priceBatch, tx.Exec(ctx, `INSERT INTO item_price_upto (one, settlement) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET settlement = excluded.settlement`, all[len(all)-1].id)
}

// Prices lists what providers of a region charge for an item, the cheapest first:
// of those where it was settled often enough to tell of nobody.
func Prices(ctx context.Context, tx *db.Tx, item, region string, limit int) (out []Price, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var p Price
		err := rows.Scan(&p.Provider, &p.Name, &p.Price, &p.Day, &p.N)
		out = append(out, p)
		return err
	}, `SELECT x.provider, p.name, x.price, x.day, x.n FROM item_price x JOIN provider p ON p.code = x.provider
		WHERE x.item = ? AND p.region = ? AND x.n >= ? ORDER BY x.price, x.provider LIMIT ?`, item, region, LeastSettled, limit)
	return out, err
}
