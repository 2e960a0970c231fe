// Package dbtest opens stores for tests: SQLite files, or databases of a
// throwaway PostgreSQL server when ANJI_TEST_DB is "postgres". The same tests
// run on both.
package dbtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/cluster"
)

// Postgres reports whether tests run on PostgreSQL.
func Postgres() bool { return os.Getenv("ANJI_TEST_DB") == "postgres" }

// Open opens a fresh store that is closed when the test ends.
func Open(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), Location(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Location is the location of a store that does not exist yet.
func Location(t testing.TB) string {
	t.Helper()
	if !Postgres() {
		return filepath.Join(t.TempDir(), "anji ü?.db")
	}
	c := server(t)
	url, err := c.Create(context.Background(), fmt.Sprintf("t%d", databases.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return url
}

var (
	databases atomic.Int64
	once      sync.Once
	running   *cluster.Cluster
	failed    error
)

// server is the one server of this test process, started when first needed.
func server(t testing.TB) *cluster.Cluster {
	once.Do(func() { running, failed = cluster.Start(context.Background(), cluster.Options{Careless: true}) })
	if failed != nil {
		t.Fatal(failed)
	}
	return running
}

// Main runs a package's tests and ends what they started; it is for TestMain,
// which gives it its *testing.M.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if running != nil {
		if err := running.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Unfix lets rows of an append-only table be changed within a transaction, for
// tests of what finds it out.
func Unfix(ctx context.Context, d *db.DB, tx *db.Tx, table string) error {
	if d.Kind == "postgres" {
		return tx.Exec(ctx, `ALTER TABLE `+table+` DISABLE TRIGGER ALL`)
	}
	for _, act := range []string{"update", "delete"} {
		if err := tx.Exec(ctx, `DROP TRIGGER `+table+`_fixed_`+act); err != nil {
			return err
		}
	}
	return nil
}
