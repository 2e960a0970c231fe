package audit

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
)

// TestVerifyNamesTheFirstBrokenLink tampers in ways that the store's triggers
// forbid, and the last as one would who can compute digests.
func TestVerifyNamesTheFirstBrokenLink(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	at := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	err := d.Update(ctx, func(tx *db.Tx) error {
		if err := Verify(ctx, tx); err != nil {
			t.Errorf("an empty record: %v", err)
		}
		for range 5 {
			if err := Append(ctx, tx, Record{At: at, Actor: "a", Action: "do", Subject: "s"}); err != nil {
				return err
			}
		}
		return Verify(ctx, tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	forged := link("a", 2, at.Format(time.RFC3339Nano), "b", "do", "s", "null", nil)
	undo := errors.New("undo")
	for want, tamper := range map[string]struct {
		query string
		args  []any
	}{
		"record 3 of a was changed":          {`UPDATE audit SET details = '{}' WHERE seq >= 3`, nil},
		"record 2 of a is missing":           {`DELETE FROM audit WHERE seq IN (2, 4)`, nil},
		"record 1 of a is missing":           {`DELETE FROM audit WHERE seq = 1`, nil},
		"record 2 of a was changed":          {`UPDATE audit SET actor = 'b', hash = ? WHERE seq = 2`, []any{forged}},
		"a ends with record 4, its head say": {`DELETE FROM audit WHERE seq = 5`, nil},
		"a ends with record 0, its head say": {`DELETE FROM audit`, nil},
		"a has records and no head":          {`DELETE FROM audit_head`, nil},
	} {
		err := d.Update(ctx, func(tx *db.Tx) error {
			if err := dbtest.Unfix(ctx, d, tx, "audit"); err != nil {
				return err
			}
			if err := tx.Exec(ctx, tamper.query, tamper.args...); err != nil {
				return err
			}
			if err := Verify(ctx, tx); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
	}
	queries := []string{`UPDATE audit SET actor = 'b'`, `DELETE FROM audit`, `REPLACE INTO audit SELECT * FROM audit`}
	if dbtest.Postgres() {
		queries[2] = `TRUNCATE audit`
	}
	for _, q := range queries {
		err := d.Update(ctx, func(tx *db.Tx) error { return tx.Exec(ctx, q) })
		if err == nil || !strings.Contains(err.Error(), "never") {
			t.Errorf("%s: %v", q, err)
		}
	}
}

func TestMain(m *testing.M) { dbtest.Main(m) }
