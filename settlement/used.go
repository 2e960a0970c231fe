package settlement

import (
	"context"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// Used is a settlement in the scheme, of a day from from to to, that stands and
// for which a fund paid: the person had benefits of that time (已享受待遇). It is
// "" if there is none.
func Used(ctx context.Context, tx *db.Tx, person string, scheme policy.Scheme, from, to civil.Date) (string, error) {
	var id string
	err := tx.QueryRow(ctx, `SELECT s.id FROM settlement s WHERE s.person = ? AND s.scheme = ? AND s.day >= ? AND s.day <= ? AND s.fund > 0 AND `+stands+` ORDER BY s.n LIMIT 1`,
		person, scheme, int(from), int(to)).Scan(&id)
	if db.IsNotFound(err) {
		return "", nil
	}
	return id, err
}
