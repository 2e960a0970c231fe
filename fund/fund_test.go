package fund_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
)

func open(t *testing.T) (context.Context, *db.DB, string) {
	t.Helper()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "a b?.db")
	d, err := db.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return ctx, d, path
}

func TestLedger(t *testing.T) {
	ctx, d, _ := open(t)
	entry := func(ps ...fund.Posting) error {
		return d.Update(ctx, func(tx *db.Tx) error {
			return fund.Post(ctx, tx, fund.Entry{At: time.Now(), Kind: "test", Ref: "r", Postings: ps})
		})
	}
	if err := entry(fund.Posting{Account: "a", Amount: 100}, fund.Posting{Account: "b", Amount: -100}); err != nil {
		t.Fatal(err)
	}
	if err := entry(fund.Posting{Account: "a", Amount: -30}, fund.Posting{Account: "c", Amount: 30}, fund.Posting{Account: "d"}); err != nil {
		t.Fatal(err)
	}
	if err := entry(fund.Posting{Account: "a", Amount: 1}); !errors.Is(err, fund.ErrUnbalanced) {
		t.Errorf("unbalanced: %v", err)
	}
	err := d.View(ctx, func(tx *db.Tx) error {
		for account, want := range map[string]string{"a": "0.70", "b": "-1.00", "c": "0.30", "d": "0.00", "nobody": "0.00"} {
			if got, err := fund.Balance(ctx, tx, account); err != nil || got.String() != want {
				t.Errorf("%s: %s, %v; want %s", account, got, err, want)
			}
		}
		s, err := fund.Statement(ctx, tx, "a")
		if err != nil || len(s) != 2 || s[1].Balance != 70 || s[1].Amount != -30 {
			t.Errorf("statement %+v, %v", s, err)
		}
		return fund.Verify(ctx, tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`UPDATE posting SET amount = 5`, `DELETE FROM posting`, `UPDATE entry SET kind = 'x'`, `DELETE FROM entry`} {
		err := d.Update(ctx, func(tx *db.Tx) error { return tx.Exec(ctx, q) })
		if err == nil || !strings.Contains(err.Error(), "never") {
			t.Errorf("%s: %v", q, err)
		}
	}
	// A balance moved by hand is found.
	if err := d.Update(ctx, func(tx *db.Tx) error {
		return tx.Exec(ctx, `UPDATE account SET balance = balance + 1 WHERE id = 'c'`)
	}); err != nil {
		t.Fatal(err)
	}
	err = d.View(ctx, func(tx *db.Tx) error { return fund.Verify(ctx, tx) })
	if err == nil || !strings.Contains(err.Error(), "balance of c is 0.31") {
		t.Errorf("verify: %v", err)
	}
}

func TestAuditChain(t *testing.T) {
	ctx, d, _ := open(t)
	for i := range 5 {
		err := d.Update(ctx, func(tx *db.Tx) error {
			return audit.Append(ctx, tx, audit.Record{At: time.Now(), Actor: "a", Action: "do", Subject: "s", Details: map[string]int{"i": i}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	verify := func() error { return d.View(ctx, func(tx *db.Tx) error { return audit.Verify(ctx, tx) }) }
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	err := d.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Exec(ctx, `DROP TRIGGER audit_fixed_update`); err != nil {
			return err
		}
		return tx.Exec(ctx, `UPDATE audit SET actor = 'b' WHERE seq = 3`)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(); err == nil || !strings.Contains(err.Error(), "record 3 was changed") {
		t.Errorf("a changed record: %v", err)
	}
}

// TestStore shows what the store itself promises: nothing stays of a
// transaction that fails or panics, replies are kept once, files reopen.
func TestStore(t *testing.T) {
	ctx, d, path := open(t)
	remember := func(body string) error {
		return d.Update(ctx, func(tx *db.Tx) error { return tx.Remember(ctx, "s", "k", []byte{1}, []byte(body)) })
	}
	func() {
		defer func() { _ = recover() }()
		_ = d.Update(ctx, func(tx *db.Tx) error {
			if err := tx.Remember(ctx, "s", "k", []byte{1}, []byte{1}); err != nil {
				t.Error(err)
			}
			panic("half way")
		})
	}()
	if err := remember("first"); err != nil {
		t.Fatal(err)
	}
	if err := remember("second"); err == nil {
		t.Error("a reply is kept twice")
	}
	again, err := db.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	err = again.View(ctx, func(tx *db.Tx) error {
		_, body, ok, err := tx.Recall(ctx, "s", "k")
		if !ok || string(body) != "first" {
			t.Errorf("recalled %q, %t", body, ok)
		}
		if _, _, ok, _ := tx.Recall(ctx, "s", "other"); ok {
			t.Error("recalled what was never kept")
		}
		werr := tx.Exec(ctx, `DELETE FROM reply`)
		if werr == nil {
			t.Error("a view writes")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
