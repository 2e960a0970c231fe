package account

import (
	"context"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
)

// Sum counts the personal accounts (个人账户) of a region's people that hold
// something, and sums what they hold.
func Sum(ctx context.Context, tx *db.Tx, region string) (n int, held money.Fen, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(a.balance), 0) FROM person p JOIN account a ON a.id = CAST(? AS TEXT) || p.id WHERE p.region = ? AND a.balance <> 0`,
		fund.PersonAccount(""), region).Scan(&n, &held)
	return n, held, err
}
