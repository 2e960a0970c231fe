package db_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
)

// add adds to a balance, as one that holds what it decides upon.
func add(ctx context.Context, tx *db.Tx, id string, by int) (now int, err error) {
	if err := tx.Lock(ctx, id); err != nil {
		return 0, err
	}
	n := 0
	err = errors.Join(tx.Later(ctx, func(rows *db.Rows) error { return rows.Scan(&n) }, `SELECT balance FROM account WHERE id = ?`, id), tx.Flush(ctx))
	if err != nil {
		return 0, err
	}
	return n + by, tx.Exec(ctx, `INSERT INTO account (id, balance) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET balance = excluded.balance`, id, n+by)
}

func balances(t *testing.T, d *db.DB) map[string]int {
	t.Helper()
	ctx, out := context.Background(), map[string]int{}
	err := d.View(ctx, func(tx *db.Tx) error {
		clear(out)
		return tx.Each(ctx, func(rows *db.Rows) error {
			var id string
			var n int
			err := rows.Scan(&id, &n)
			out[id] = n
			return err
		}, `SELECT id, balance FROM account`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestConcurrent lets transactions of every sort run beside each other: such as
// hold what they decide upon, such as do not say so, refusals, faults in the
// middle and at the end, and reads after writes. What was acknowledged, and no
// more, is in the balances.
func TestConcurrent(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	beside := db.Concurrent(ctx)
	refused := errors.New("refused")
	var mu sync.Mutex
	want := map[string]int{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for i := range 120 {
				id := fmt.Sprintf("p%d", r.IntN(5)) // few, so that they meet
				sort, by := r.IntN(7), 1+r.IntN(9)
				run, end := beside, error(nil)
				if sort == 1 {
					run = ctx
				}
				err := d.Update(run, func(tx *db.Tx) error {
					now, err := add(ctx, tx, id, by)
					if err != nil {
						return err
					}
					switch sort {
					case 2: // refused after it wrote
						return refused
					case 3: // a fault that shows when it is written
						return tx.Exec(ctx, `INSERT INTO account (id, balance) VALUES (?, NULL)`, fmt.Sprint("x", w, i))
					case 4: // reads what it wrote
						var got int
						if err := tx.QueryRow(ctx, `SELECT balance FROM account WHERE id = ?`, id).Scan(&got); err != nil {
							return err
						}
						if got != now {
							return fmt.Errorf("it reads %d, it wrote %d", got, now)
						}
					case 5: // counts what it changed
						n, err := tx.ExecCount(ctx, `UPDATE account SET balance = balance WHERE id = ?`, id)
						if err != nil || n != 1 {
							return fmt.Errorf("%d rows, %w", n, err)
						}
					}
					return nil
				})
				switch sort {
				case 2:
					end = refused
				case 3:
					if err == nil || !strings.Contains(strings.ToUpper(err.Error()), "NULL") {
						t.Errorf("a null balance: %v", err)
					}
					continue
				}
				if !errors.Is(err, end) {
					t.Errorf("%v, want %v", err, end)
				}
				if err == nil {
					mu.Lock()
					want[id] += by
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	got := balances(t, d)
	for id, n := range want {
		if got[id] != n {
			t.Errorf("%s holds %d, acknowledged were %d", id, got[id], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("there are %v, want %v", got, want)
	}
}

// TestConcurrentSeesOthers has one transaction read, then another change what
// the first holds: the first runs again and sees it.
func TestConcurrentSeesOthers(t *testing.T) {
	for name, other := range map[string]func(context.Context) context.Context{
		"one beside it": db.Concurrent,
		"any other":     func(ctx context.Context) context.Context { return ctx },
	} {
		t.Run(name, func(t *testing.T) {
			if dbtest.Postgres() {
				t.Skip("there it would wait for the first")
			}
			ctx, d := context.Background(), dbtest.Open(t)
			runs := 0
			err := d.Update(db.Concurrent(ctx), func(tx *db.Tx) error {
				now, err := add(ctx, tx, "a", 1)
				if runs++; runs == 1 && err == nil {
					err = d.Update(other(ctx), func(tx *db.Tx) error { _, err := add(ctx, tx, "a", 10); return err })
				} else if now != 11 {
					t.Errorf("run %d sees %d", runs, now-1)
				}
				return err
			})
			if err != nil || runs != 2 || balances(t, d)["a"] != 11 {
				t.Errorf("%d runs, %v, %v", runs, balances(t, d), err)
			}
		})
	}
}

// TestConcurrentRefusalIsDecidedAgain refuses upon what is no more.
func TestConcurrentRefusalIsDecidedAgain(t *testing.T) {
	if dbtest.Postgres() {
		t.Skip("there the other would wait for the first")
	}
	ctx, d := context.Background(), dbtest.Open(t)
	runs := 0
	err := d.Update(db.Concurrent(ctx), func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "a"); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM account WHERE id = 'a'`).Scan(&n); err != nil {
			return err
		}
		if runs++; runs == 1 {
			if err := d.Update(db.Concurrent(ctx), func(tx *db.Tx) error { _, err := add(ctx, tx, "a", 5); return err }); err != nil {
				return err
			}
		}
		if n == 0 {
			return errors.New("there is no such account")
		}
		return nil
	})
	if err != nil || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

// TestConcurrentBesideAnotherProcess has another connection, as a command beside
// the server has, change what a transaction has read.
func TestConcurrentBesideAnotherProcess(t *testing.T) {
	if dbtest.Postgres() {
		t.Skip("there it would wait for the first")
	}
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "a.db")
	var two [2]*db.DB
	for i := range two {
		d, err := db.Open(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		two[i] = d
	}
	runs := 0
	err := two[0].Update(db.Concurrent(ctx), func(tx *db.Tx) error {
		_, err := add(ctx, tx, "a", 1)
		if runs++; runs == 1 && err == nil {
			err = two[1].Update(ctx, func(tx *db.Tx) error { _, err := add(ctx, tx, "a", 10); return err })
		}
		return err
	})
	if got := balances(t, two[0]); err != nil || runs != 2 || got["a"] != 11 {
		t.Errorf("%d runs, %v, %v", runs, got, err)
	}
}

// TestConcurrentPanics has a panic come back to whom it belongs, from the
// function and from a scan, and the store go on.
func TestConcurrentPanics(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	for name, f := range map[string]func(tx *db.Tx) error{
		"function": func(tx *db.Tx) error {
			if _, err := add(ctx, tx, "a", 1); err != nil {
				return err
			}
			panic("oh")
		},
		"scan": func(tx *db.Tx) error {
			return tx.Each(ctx, func(*db.Rows) error { panic("oh") }, `SELECT 1`)
		},
	} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "oh") {
					t.Errorf("%s: %v", name, p)
				}
			}()
			_ = d.Update(db.Concurrent(ctx), f)
			t.Errorf("%s: no panic", name)
		}()
	}
	if got := balances(t, d); len(got) != 0 {
		t.Error(got)
	}
	if err := d.Update(db.Concurrent(ctx), func(tx *db.Tx) error { _, err := add(ctx, tx, "a", 1); return err }); err != nil {
		t.Error(err)
	}
}

// TestNothingAfterAFault goes on after a statement that failed, as one does who
// joins errors: nothing of it stays, whatever the database made of the fault.
func TestNothingAfterAFault(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	for name, run := range map[string]context.Context{"alone": ctx, "beside": db.Concurrent(ctx)} {
		err := d.Update(run, func(tx *db.Tx) error {
			one := tx.Exec(ctx, `INSERT INTO account (id, balance) VALUES ('a', NULL)`)
			if one == nil {
				one = tx.Flush(ctx) // on PostgreSQL it waits
			}
			other := tx.Exec(ctx, `INSERT INTO account (id, balance) VALUES ('b', 1)`)
			if name == "alone" && (one == nil || other == nil && tx.Flush(ctx) == nil) {
				t.Errorf("%s: %v, %v", name, one, other)
			}
			return errors.Join(one, other)
		})
		if got := balances(t, d); err == nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
