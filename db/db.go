// Package db is Anji's store: transactions, migrations, and the replies already
// given. It knows no domain. The rooms above write their own SQL, with ? for
// parameters and only what SQLite and PostgreSQL both understand, and call it
// inside Update or View; every write of the system goes through Update.
package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the embedded database
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is an open store. It may be used by many goroutines.
type DB struct {
	write *sql.DB // one connection: SQLite has one writer
	read  *sql.DB
}

// readers bounds the transactions that read at one time.
const readers = 8

// Open opens or creates the SQLite file at path and brings its schema up to
// date. Commits are durable: the write-ahead log is synced at each.
func Open(ctx context.Context, path string) (*DB, error) {
	dsn := func(extra url.Values) string {
		// With recursive_triggers a REPLACE counts as the DELETE it is, which
		// the triggers of the ledger and the audit record forbid.
		for _, p := range []string{"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "recursive_triggers(ON)", "busy_timeout(10000)"} {
			extra.Add("_pragma", p)
		}
		return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: extra.Encode()}).String()
	}
	write, err := sql.Open("sqlite", dsn(url.Values{"_txlock": {"immediate"}}))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	if err := migrate(ctx, write); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), write.Close())
	}
	read, err := sql.Open("sqlite", dsn(url.Values{"mode": {"ro"}}))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	return &DB{write: write, read: read}, nil
}

func migrate(ctx context.Context, conn *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, conn, dir)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// Close closes the store.
func (d *DB) Close() error { return errors.Join(d.read.Close(), d.write.Close()) }

// Tx is a transaction. Its statements name no database.
type Tx struct {
	tx *sql.Tx
	// fail, in tests, makes a write fail to show that nothing of the
	// transaction stays.
	fail func(query string) error
}

type failKey struct{}

// WithFailure returns a context in which writes of Update ask fail first; it
// is for tests that show what a failure at any write leaves behind.
func WithFailure(ctx context.Context, fail func(query string) error) context.Context {
	return context.WithValue(ctx, failKey{}, fail)
}

// Update runs f in a writing transaction: all of f's writes are kept, or,
// if f or the commit fails or f panics, none.
func (d *DB) Update(ctx context.Context, f func(*Tx) error) error {
	return run(ctx, d.write, nil, f)
}

// View runs f in a reading transaction, over one state of the store.
func (d *DB) View(ctx context.Context, f func(*Tx) error) error {
	return run(ctx, d.read, &sql.TxOptions{ReadOnly: true}, f)
}

func run(ctx context.Context, conn *sql.DB, opts *sql.TxOptions, f func(*Tx) error) error {
	tx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if !done {
			_ = tx.Rollback() // f failed or panicked: its error is what matters
		}
	}()
	t := &Tx{tx: tx}
	t.fail, _ = ctx.Value(failKey{}).(func(string) error)
	if err := f(t); err != nil {
		return err
	}
	if t.fail != nil {
		if err := t.fail("COMMIT"); err != nil {
			return err
		}
	}
	done = true
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Exec runs a statement that writes. A fault of the statement may show later
// in the transaction, at the latest when it is committed.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) error {
	_, err := t.ExecCount(ctx, query, args...)
	return err
}

// ExecCount runs a statement that writes and says how many rows it changed.
func (t *Tx) ExecCount(ctx context.Context, query string, args ...any) (int64, error) {
	if t.fail != nil {
		if err := t.fail(query); err != nil {
			return 0, err
		}
	}
	res, err := t.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Rows is the row that a query stands on.
type Rows struct{ rows *sql.Rows }

// Scan copies the columns of the row into the pointers.
func (r *Rows) Scan(to ...any) error { return r.rows.Scan(to...) }

// Row is the answer of a query for one row.
type Row struct{ row *sql.Row }

// Scan copies the columns into the pointers; IsNotFound tells of its error
// that there was no row.
func (r *Row) Scan(to ...any) error { return r.row.Scan(to...) }

// QueryRow runs a statement that reads one row.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *Row {
	return &Row{t.tx.QueryRowContext(ctx, query, args...)}
}

// Each calls scan for every row of a query. scan runs no other statement.
func (t *Tx) Each(ctx context.Context, scan func(*Rows) error, query string, args ...any) error {
	rows, err := t.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(&Rows{rows}); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Recall finds the reply already given under the scope and key, with the
// digest of the request it answered.
func (t *Tx) Recall(ctx context.Context, scope, key string) (digest, reply []byte, ok bool, err error) {
	err = t.QueryRow(ctx, `SELECT digest, body FROM reply WHERE scope = ? AND key = ?`, scope, key).Scan(&digest, &reply)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, false, nil
	}
	return digest, reply, err == nil, err
}

// Remember keeps the reply given under the scope and key, in this transaction.
func (t *Tx) Remember(ctx context.Context, scope, key string, digest, reply []byte) error {
	return t.Exec(ctx, `INSERT INTO reply (scope, key, digest, body) VALUES (?, ?, ?, ?)`, scope, key, digest, reply)
}

// IsNotFound reports whether err says that a row was not there.
func IsNotFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
