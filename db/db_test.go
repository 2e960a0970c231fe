package db

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pressly/goose/v3"
)

func open(t *testing.T) (context.Context, *DB) {
	t.Helper()
	ctx := context.Background()
	d, err := Open(ctx, filepath.Join(t.TempDir(), "anji.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return ctx, d
}

// TestDurable checks that both sides of the store run with the settings that
// money depends on.
func TestDurable(t *testing.T) {
	ctx, d := open(t)
	for side, conn := range map[string]*sql.DB{"write": d.write, "read": d.read} {
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "recursive_triggers": "1", "busy_timeout": "10000"} {
			var got string
			if err := conn.QueryRowContext(ctx, `PRAGMA `+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s = %q, want %q, %v", side, pragma, got, want, err)
			}
		}
	}
}

// TestWritersTakeTurns adds from many goroutines; each reads before it writes,
// so that a lost update would show.
func TestWritersTakeTurns(t *testing.T) {
	ctx, d := open(t)
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := d.Update(ctx, func(tx *Tx) error {
					var n int
					if err := tx.QueryRow(ctx, `SELECT COALESCE(SUM(balance), 0) FROM account`).Scan(&n); err != nil {
						return err
					}
					return tx.Exec(ctx, `INSERT INTO account (id, balance) VALUES ('a', ?) ON CONFLICT (id) DO UPDATE SET balance = excluded.balance`, n+1)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var n int
	err := d.View(ctx, func(tx *Tx) error { return tx.QueryRow(ctx, `SELECT balance FROM account`).Scan(&n) })
	if err != nil || n != writers*each {
		t.Errorf("%d, want %d, %v", n, writers*each, err)
	}
}

// TestViewSeesOneState reads twice in one view while a write is committed in
// between.
func TestViewSeesOneState(t *testing.T) {
	ctx, d := open(t)
	count := func(tx *Tx) (n int) {
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM reply`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	err := d.View(ctx, func(tx *Tx) error {
		before := count(tx)
		if err := d.Update(ctx, func(tx *Tx) error { return tx.Remember(ctx, "s", "k", []byte{1}, []byte{2}) }); err != nil {
			return err
		}
		if after := count(tx); after != before {
			t.Errorf("the view saw %d, then %d", before, after)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = d.View(ctx, func(tx *Tx) error {
		if n := count(tx); n != 1 {
			t.Errorf("the next view sees %d", n)
		}
		return nil
	})
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	ctx, d := open(t)
	boom := errors.New("boom")
	cancelled, cancel := context.WithCancel(ctx)
	for name, x := range map[string]struct {
		ctx  context.Context
		want error
		f    func(*Tx) error
	}{
		"its error":       {ctx, boom, func(*Tx) error { return boom }},
		"a failed commit": {WithFailure(ctx, func(q string) error { return map[string]error{"COMMIT": boom}[q] }), boom, func(*Tx) error { return nil }},
		"a cancelled one": {cancelled, context.Canceled, func(*Tx) error { cancel(); return nil }},
	} {
		err := d.Update(x.ctx, func(tx *Tx) error {
			if err := tx.Remember(ctx, "s", name, []byte{1}, []byte{2}); err != nil {
				return err
			}
			return x.f(tx)
		})
		if !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
		err = d.View(ctx, func(tx *Tx) error {
			if _, _, ok, err := tx.Recall(ctx, "s", name); ok || err != nil {
				t.Errorf("%s: left a reply, %v", name, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestMigrateOldStore brings a store of the first version up to date.
func TestMigrateOldStore(t *testing.T) {
	ctx := context.Background()
	for name, x := range map[string]struct {
		back int // the second posting
		ok   bool
	}{"balanced": {-150, true}, "unbalanced": {-149, false}} {
		path := filepath.Join(t.TempDir(), name+".db")
		old, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := fs.Sub(migrations, "migrations")
		if err != nil {
			t.Fatal(err)
		}
		p, err := goose.NewProvider(goose.DialectSQLite3, old, dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.UpTo(ctx, 1); err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{
			`INSERT INTO account (id, balance) VALUES ('a', 150), ('b', -150)`,
			`INSERT INTO entry (id, at, kind, ref) VALUES (1, '', 'test', 'r')`,
		} {
			if _, err := old.ExecContext(ctx, q); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := old.ExecContext(ctx, `INSERT INTO posting (entry, n, account, amount) VALUES (1, 0, 'a', 150), (1, 1, 'b', ?)`, x.back); err != nil {
			t.Fatal(err)
		}
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		d, err := Open(ctx, path)
		if !x.ok {
			if err == nil || !strings.Contains(err.Error(), "CHECK") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var debit, credit int
		err = d.View(ctx, func(tx *Tx) error {
			return tx.QueryRow(ctx, `SELECT debit, credit FROM entry WHERE id = 1`).Scan(&debit, &credit)
		})
		if err != nil || debit != 150 || credit != 150 {
			t.Errorf("%s: debit %d, credit %d, %v", name, debit, credit, err)
		}
		err = d.Update(ctx, func(tx *Tx) error { return tx.Exec(ctx, `UPDATE entry SET kind = 'x'`) })
		if err == nil || !strings.Contains(err.Error(), "never changed") {
			t.Errorf("%s: an entry is changed: %v", name, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
