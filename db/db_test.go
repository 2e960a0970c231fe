package db_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// TestDurable checks that the store runs with the settings that money depends
// on.
func TestDurable(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	settings := map[string]string{"PRAGMA journal_mode": "wal", "PRAGMA synchronous": "2", "PRAGMA foreign_keys": "1", "PRAGMA recursive_triggers": "1"}
	if dbtest.Postgres() {
		settings = map[string]string{"SHOW synchronous_commit": "on"}
	}
	for side, run := range map[string]func(context.Context, func(*db.Tx) error) error{"update": d.Update, "view": d.View} {
		for query, want := range settings {
			var got string
			err := run(ctx, func(tx *db.Tx) error { return tx.QueryRow(ctx, query).Scan(&got) })
			if err != nil || got != want {
				t.Errorf("%s: %s = %q, want %q, %v", side, query, got, want, err)
			}
		}
	}
}

// TestWritersTakeTurns adds from many goroutines; each reads under a lock
// before it writes, so that a lost update would show.
func TestWritersTakeTurns(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := d.Update(ctx, func(tx *db.Tx) error {
					if err := tx.Lock(ctx, "a"); err != nil {
						return err
					}
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
	err := d.View(ctx, func(tx *db.Tx) error { return tx.QueryRow(ctx, `SELECT balance FROM account`).Scan(&n) })
	if err != nil || n != writers*each {
		t.Errorf("%d, want %d, %v", n, writers*each, err)
	}
}

// TestConflictsAreRunAgain makes transactions lock two rows in opposite order,
// and first rows appear twice: the store runs them again, unseen.
func TestConflictsAreRunAgain(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	const rounds = 20
	var runs atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range rounds {
				one, other := fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)
				if w%2 == 1 {
					one, other = other, one
				}
				err := d.Update(ctx, func(tx *db.Tx) error {
					runs.Add(1)
					for _, id := range []string{one, other} {
						n, err := tx.ExecCount(ctx, `UPDATE account SET balance = balance + 1 WHERE id = ?`, id)
						if err == nil && n == 0 {
							_, err = tx.ExecCount(ctx, `INSERT INTO account (id, balance) VALUES (?, 1)`, id)
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d transactions ran %d times", 4*rounds, runs.Load())
	err := d.View(ctx, func(tx *db.Tx) error {
		return tx.Each(ctx, func(rows *db.Rows) error {
			var id string
			var n int
			if err := rows.Scan(&id, &n); err != nil {
				return err
			}
			if n != 4 {
				t.Errorf("%s = %d, want 4", id, n)
			}
			return nil
		}, `SELECT id, balance FROM account`)
	})
	if err != nil {
		t.Error(err)
	}
}

// TestViewSeesOneState reads twice in one view while a write is committed in
// between.
func TestViewSeesOneState(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	count := func(tx *db.Tx) (n int) {
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM reply`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	err := d.View(ctx, func(tx *db.Tx) error {
		before := count(tx)
		if err := d.Update(ctx, func(tx *db.Tx) error { return tx.Remember(ctx, "s", "k", []byte{1}, []byte{2}) }); err != nil {
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
	_ = d.View(ctx, func(tx *db.Tx) error {
		if n := count(tx); n != 1 {
			t.Errorf("the next view sees %d", n)
		}
		return nil
	})
	err = d.View(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecCount(ctx, `DELETE FROM reply`)
		return err
	})
	if err == nil {
		t.Error("a view writes")
	}
}

func remembered(t *testing.T, d *db.DB, key string) bool {
	t.Helper()
	ctx := context.Background()
	var ok bool
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		_, ok, err = tx.Recall(ctx, "s", key)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	boom := errors.New("boom")
	cancelled, cancel := context.WithCancel(ctx)
	for name, x := range map[string]struct {
		ctx  context.Context
		want error
		f    func(*db.Tx) error
	}{
		"its error":       {ctx, boom, func(*db.Tx) error { return boom }},
		"a failed commit": {db.WithFailure(ctx, func(q string) error { return map[string]error{"COMMIT": boom}[q] }), boom, func(*db.Tx) error { return nil }},
		"a cancelled one": {cancelled, context.Canceled, func(*db.Tx) error { cancel(); return nil }},
	} {
		err := d.Update(x.ctx, func(tx *db.Tx) error {
			if err := tx.Remember(ctx, "s", name, []byte{1}, []byte{2}); err != nil {
				return err
			}
			return x.f(tx)
		})
		if !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
		if remembered(t, d, name) {
			t.Errorf("%s: left a reply", name)
		}
	}
	// A statement that waits to be sent fails the commit.
	err := d.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Remember(ctx, "s", "before", []byte{1}, []byte{2}); err != nil {
			return err
		}
		_ = tx.Exec(ctx, `INSERT INTO entry (id, at, day, kind, ref, debit, credit) VALUES (1, '', 0, '', '', 1, 2)`)
		return tx.Flush(ctx)
	})
	if dbtest.Postgres() && err == nil {
		t.Error("a fault of a statement was lost")
	}
}

// TestPanic lets a function panic in the caller's goroutine, while others that
// share its commit go on.
func TestPanic(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			key := fmt.Sprint(i)
			defer func() {
				if p := recover(); (p != nil) != (i%4 == 0) || p != nil && !strings.Contains(fmt.Sprint(p), "slip") {
					t.Errorf("%d: %v", i, p)
				}
				if remembered(t, d, key) != (i%4 > 1) {
					t.Errorf("%d: kept %t", i, !(i%4 > 1))
				}
			}()
			_ = d.Update(ctx, func(tx *db.Tx) error {
				if err := tx.Remember(ctx, "s", key, []byte{1}, []byte{2}); err != nil {
					return err
				}
				switch i % 4 {
				case 0:
					panic("a slip")
				case 1:
					return errors.New("no")
				}
				return nil
			})
		})
	}
	wg.Wait()
}

// TestValues writes and reads every kind of value, one row and many at a time.
func TestValues(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	type small uint8
	type name string
	type flag bool
	rows := [][]any{
		{"一", small(3), int64(-1 << 62), []byte{0, 255}, flag(true)},
		{name("'?\""), small(0), int64(1<<63 - 1), []byte(nil), false},
		{"", small(255), int64(0), []byte{}, true},
	}
	err := d.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Exec(ctx, `CREATE TABLE v (t TEXT NOT NULL, s INTEGER NOT NULL, n BIGINT NOT NULL, b `+map[bool]string{true: "BYTEA", false: "BLOB"}[dbtest.Postgres()]+`, f INTEGER NOT NULL)`); err != nil {
			return err
		}
		if err := tx.Flush(ctx); err != nil {
			return err
		}
		if err := tx.Insert(ctx, "v (t, s, n, b, f)", rows); err != nil {
			return err
		}
		return tx.Exec(ctx, `INSERT INTO v (t, s, n, b, f) VALUES (?, ?, ?, ?, ?)`, "one ? 'more'", small(7), 7, []byte("b"), true)
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = d.View(ctx, func(tx *db.Tx) error {
		read := func(rows *db.Rows) error {
			var a name
			var s small
			var n int64
			var b []byte
			var f flag
			if err := rows.Scan(&a, &s, &n, &b, &f); err != nil {
				return err
			}
			got = append(got, fmt.Sprint(a, s, n, b == nil, b, f))
			return nil
		}
		if err := tx.Later(ctx, read, `SELECT t, s, n, b, f FROM v WHERE t <> ? ORDER BY s`, "一"); err != nil {
			return err
		}
		if err := tx.Each(ctx, read, `SELECT t, s, n, b, f FROM v WHERE t = '一'`); err != nil {
			return err
		}
		var s small
		if err := tx.QueryRow(ctx, `SELECT n FROM v WHERE s = 0`).Scan(&s); err == nil {
			t.Error("a number too large was taken")
		}
		return nil
	})
	want := `'?"0 9223372036854775807 true [] false|one ? 'more'7 7 false [98] true|255 0 false [] true|一3 -4611686018427387904 false [0 255] true`
	if s := strings.Join(got, "|"); err != nil || s != want {
		t.Errorf("%v\n got %s\nwant %s", err, s, want)
	}
}

// TestOpenTwice opens a store that is up to date, beside one that is open.
func TestOpenTwice(t *testing.T) {
	ctx, location := context.Background(), dbtest.Location(t)
	for i := range 2 {
		d, err := db.Open(ctx, location)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if remembered(t, d, "k") != (i == 1) {
			t.Error("another store")
		}
		if err := d.Update(ctx, func(tx *db.Tx) error { return tx.Remember(ctx, "s", fmt.Sprint("k", i), []byte{1}, []byte{2}) }); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := d.Update(ctx, func(tx *db.Tx) error { return tx.Remember(ctx, "s", "k", []byte{1}, []byte{2}) }); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLogStaysShort writes without a pause, much more than the log may hold.
func TestLogStaysShort(t *testing.T) {
	if dbtest.Postgres() {
		t.Skip("PostgreSQL keeps its own log")
	}
	ctx, location := context.Background(), dbtest.Location(t)
	d, err := db.Open(ctx, location)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var longest int64
	body := make([]byte, 1<<20)
	for i := range 400 {
		err := d.Update(ctx, func(tx *db.Tx) error {
			return tx.Exec(ctx, `INSERT INTO reply (scope, key, digest, body) VALUES ('s', 'k', ?, ?)
				ON CONFLICT (scope, key) DO UPDATE SET body = excluded.body`, []byte{byte(i)}, body)
		})
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(location + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, info.Size())
	}
	if longest > 200<<20 {
		t.Errorf("the log grew to %d MiB", longest>>20)
	}
}

func TestUpdateAfterClose(t *testing.T) {
	d, err := db.Open(context.Background(), dbtest.Location(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Update(context.Background(), func(*db.Tx) error { return nil }); err == nil {
		t.Error("a closed store writes")
	}
}

// TestNextID gets numbers from many goroutines.
func TestNextID(t *testing.T) {
	var wg sync.WaitGroup
	var seen sync.Map
	for range 4 {
		wg.Go(func() {
			last := int64(0)
			for range 5000 {
				id := db.NextID()
				if _, twice := seen.LoadOrStore(id, true); twice || id <= last {
					t.Errorf("%d after %d, twice %t", id, last, twice)
				}
				last = id
			}
		})
	}
	wg.Wait()
}

// BenchmarkCommit commits one small row at a time from many goroutines.
func BenchmarkCommit(b *testing.B) {
	ctx, d := context.Background(), dbtest.Open(b)
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			key := fmt.Sprint(n.Add(1))
			if err := d.Update(ctx, func(tx *db.Tx) error { return tx.Remember(ctx, "s", key, []byte{1}, []byte{2}) }); err != nil {
				b.Error(err)
			}
		}
	})
}

// TestManyRows inserts many rows at once, of which some columns are empty: in
// some rows, or in all of them whatever they hold.
func TestManyRows(t *testing.T) {
	ctx := context.Background()
	d := dbtest.Open(t)
	rows := func() [][]any {
		return [][]any{{"a", "1", nil, nil, "x"}, {"b", "2", nil, []byte{7}, "y"}}
	}
	for name, ctx := range map[string]context.Context{"plain": ctx, "bulk": db.Bulk(ctx)} {
		err := d.Update(ctx, func(tx *db.Tx) error {
			for _, q := range []string{`DROP TABLE IF EXISTS many`, `CREATE TABLE many (id TEXT PRIMARY KEY, v TEXT, empty ` + blob() + `, part ` + blob() + `, w TEXT)`} {
				if err := tx.Exec(ctx, q); err != nil {
					return err
				}
			}
			if err := errors.Join(tx.Flush(ctx), tx.Insert(ctx, "many (id, v, empty, part, w)", rows())); err != nil {
				return err
			}
			return tx.InsertOr(ctx, "many (id, v, empty, part, w)", rows(), "ON CONFLICT (id) DO UPDATE SET w = many.w || excluded.w")
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		err = d.View(ctx, func(tx *db.Tx) error {
			return tx.Each(ctx, func(r *db.Rows) error {
				var id, v, w string
				var empty, part []byte
				err := r.Scan(&id, &v, &empty, &part, &w)
				got = append(got, fmt.Sprint(id, v, empty == nil, part, w))
				return err
			}, `SELECT id, v, empty, part, w FROM many ORDER BY id`)
		})
		if want := []string{fmt.Sprint("a", "1", true, []byte(nil), "xx"), fmt.Sprint("b", "2", true, []byte{7}, "yy")}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
		if err := d.Update(ctx, func(*db.Tx) error { return nil }); err != nil { // which does nothing
			t.Errorf("%s: %v", name, err)
		}
	}
}

// blob is the type of a column of bytes.
func blob() string {
	if dbtest.Postgres() {
		return "BYTEA"
	}
	return "BLOB"
}
