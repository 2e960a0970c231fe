package traffic

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/anji-platform/anji/db/cluster"
)

// BareSQLite is how many rows a second can be committed one by one, each
// durable, in a new SQLite file in the folder: what the database gives that
// shares no commits.
func BareSQLite(ctx context.Context, dir string, d time.Duration) (perSecond float64, err error) {
	conn, err := sqlite.OpenConn(filepath.Join(dir, "bare.db"), sqlite.OpenReadWrite, sqlite.OpenCreate, sqlite.OpenWAL)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, q := range []string{"PRAGMA synchronous = FULL", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL)"} {
		if err := sqlitex.ExecuteTransient(conn, q, nil); err != nil {
			return 0, err
		}
	}
	n := 0
	begun := time.Now()
	for time.Since(begun) < d && ctx.Err() == nil {
		st, err := conn.Prepare("INSERT INTO t (v) VALUES ('a row')")
		if err != nil {
			return 0, err
		}
		if _, err := st.Step(); err != nil {
			return 0, err
		}
		if err := st.Reset(); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(begun).Seconds(), ctx.Err()
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// Pgbench is how many of pgbench's own simple-update transactions the server
// does a second.
func Pgbench(ctx context.Context, c *cluster.Cluster, clients int, d time.Duration) (float64, error) {
	out, err := c.Bench(ctx, clients, max(1, int(d.Seconds())))
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	m := tps.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("pgbench says no tps: %s", out)
	}
	return strconv.ParseFloat(m[1], 64)
}
