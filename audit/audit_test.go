package audit

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
)

// TestVerifyNamesTheFirstBrokenLink tampers in ways that the store's triggers
// forbid, and the last as one would who can compute digests.
func TestVerifyNamesTheFirstBrokenLink(t *testing.T) {
	ctx := context.Background()
	d, err := db.Open(ctx, filepath.Join(t.TempDir(), "anji.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	at := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	err = d.Update(ctx, func(tx *db.Tx) error {
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
	forged := chain(2, at.Format(time.RFC3339Nano), "b", "do", "s", "null", nil)
	undo := errors.New("undo")
	for want, tamper := range map[string]struct {
		query string
		args  []any
	}{
		"record 3 was changed":                    {`UPDATE audit SET details = '{}' WHERE seq >= 3`, nil},
		"record 2 is missing":                     {`DELETE FROM audit WHERE seq IN (2, 4)`, nil},
		"record 1 is missing":                     {`DELETE FROM audit WHERE seq = 1`, nil},
		"record 2 does not follow":                {`UPDATE audit SET actor = 'b', previous = x'', hash = ? WHERE seq = 2`, []any{forged}},
		"record 4 does not follow the one before": {`UPDATE audit SET previous = x'00' WHERE seq = 4`, nil},
	} {
		err := d.Update(ctx, func(tx *db.Tx) error {
			for _, q := range []string{`DROP TRIGGER audit_fixed_update`, `DROP TRIGGER audit_fixed_delete`} {
				if err := tx.Exec(ctx, q); err != nil {
					return err
				}
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
	for _, q := range []string{`UPDATE audit SET actor = 'b'`, `DELETE FROM audit`, `REPLACE INTO audit SELECT * FROM audit`} {
		err := d.Update(ctx, func(tx *db.Tx) error { err := tx.Exec(ctx, q); return err })
		if err == nil || !strings.Contains(err.Error(), "never") {
			t.Errorf("%s: %v", q, err)
		}
	}
}
