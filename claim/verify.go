package claim

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
)

// Verify proves that claims, their settlements, payments and the ledger agree:
// what is owed by a claim is what its settlements that stand give, less what was
// paid; what waits to be paid is owed, and what is over is not; each payment that
// went out has one ledger entry, of its amount. It names the first that does not.
func (s *Service) Verify(ctx context.Context, tx *db.Tx) error {
	owed, err := fund.Balances(ctx, tx, "claim:", 0)
	if err != nil {
		return err
	}
	settled, err := sums(ctx, tx, `SELECT claim, CAST(SUM(fund + account) AS BIGINT) FROM settlement WHERE claim <> '' GROUP BY claim`)
	if err != nil {
		return err
	}
	paid, err := sums(ctx, tx, `SELECT claim, CAST(SUM(amount) AS BIGINT) FROM payout WHERE state = 'paid' GROUP BY claim`)
	if err != nil {
		return err
	}
	states := map[string]State{}
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var id string
		var st State
		err := rows.Scan(&id, &st)
		states[id] = st
		return err
	}, `SELECT id, state FROM claim`); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(states)) {
		have := owed[fund.Claim(id)]
		delete(owed, fund.Claim(id))
		want := settled[id] - paid[id]
		if have != want {
			return fmt.Errorf("claim %s: %s is owed in the ledger; settled were %s and paid %s", id, have, settled[id], paid[id])
		}
		switch states[id] {
		case Approved, Paying, Failed:
			if have <= 0 {
				return fmt.Errorf("claim %s waits to be paid, and %s is owed", id, have)
			}
		case Paid, Closed, Refused, Withdrawn, Draft:
			if have != 0 {
				return fmt.Errorf("claim %s is %s, and %s is owed", id, states[id], have)
			}
		}
	}
	for _, account := range slices.Sorted(maps.Keys(owed)) {
		if owed[account] != 0 {
			return fmt.Errorf("the ledger has %s of %s, which is no claim", owed[account], account)
		}
	}
	var wrong string
	err = tx.QueryRow(ctx, `SELECT p.batch || '/' || p.n FROM payout p WHERE p.state = 'paid' AND
		COALESCE((SELECT CAST(SUM(e.debit) AS BIGINT) FROM entry e WHERE e.kind = 'payout' AND e.ref = p.batch || '/' || p.n), 0) <> p.amount ORDER BY 1 LIMIT 1`).Scan(&wrong)
	if err == nil {
		return fmt.Errorf("payment %s has another ledger entry than its amount, or none", wrong)
	}
	if !db.IsNotFound(err) {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT e.ref FROM entry e WHERE e.kind = 'payout' AND NOT EXISTS (SELECT 1 FROM payout p WHERE p.state = 'paid' AND e.ref = p.batch || '/' || p.n) ORDER BY 1 LIMIT 1`).Scan(&wrong)
	if err == nil {
		return fmt.Errorf("the ledger has a payment %s that no batch has", wrong)
	}
	if !db.IsNotFound(err) {
		return err
	}
	return nil
}

func sums(ctx context.Context, tx *db.Tx, query string) (map[string]money.Fen, error) {
	out := map[string]money.Fen{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var id string
		var sum int64
		err := rows.Scan(&id, &sum)
		out[id] = money.Fen(sum)
		return err
	}, query)
	return out, err
}
