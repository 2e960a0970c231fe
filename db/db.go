// Package db is Anji's store: transactions over SQLite (embedded, the default)
// or PostgreSQL, migrations, and the replies already given. It knows no domain.
// The rooms above write their own SQL, with ? for parameters and only what both
// databases understand, and call it inside Update or View; every write of the
// system goes through Update.
package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// DB is an open store. It may be used by many goroutines.
type DB struct {
	engine engine
	// Kind names the database: "sqlite" or "postgres".
	Kind string
}

// An engine runs transactions on one kind of database.
type engine interface {
	update(ctx context.Context, f func(*Tx) error) error
	view(ctx context.Context, f func(*Tx) error) error
	close() error
}

// A session is an engine's side of one open transaction.
type session interface {
	// exec runs a statement, perhaps only when a later one needs its effect.
	exec(ctx context.Context, query string, args []any) error
	execCount(ctx context.Context, query string, args []any) (int64, error)
	insert(ctx context.Context, into string, rows [][]any, suffix string) error
	// query calls scan for each row before it returns.
	query(ctx context.Context, query string, args []any, scan func(*Rows) error) error
	// later is query, perhaps only when flush is called.
	later(ctx context.Context, query string, args []any, scan func(*Rows) error) error
	// hold makes transactions that hold the same come one after the other.
	hold(ctx context.Context, what string) error
	flush(ctx context.Context) error
}

// Open opens a store and brings its schema up to date. A location that begins
// with postgres:// or postgresql:// is that of a PostgreSQL database; any other
// is the path of a SQLite file, made if it is not there. Commits are durable on
// both: no acknowledged transaction is lost when the machine fails.
func Open(ctx context.Context, location string) (*DB, error) {
	kind, open := "sqlite", openSQLite
	if IsPostgres(location) {
		kind, open = "postgres", openPostgres
	}
	e, err := open(ctx, location)
	if err != nil {
		return nil, err
	}
	return &DB{engine: e, Kind: kind}, nil
}

// IsPostgres reports whether a location is that of a PostgreSQL database.
func IsPostgres(location string) bool {
	return strings.HasPrefix(location, "postgres://") || strings.HasPrefix(location, "postgresql://")
}

// Close closes the store when the transactions under way are done.
func (d *DB) Close() error { return d.engine.close() }

// Update runs f in a writing transaction: all of f's writes are kept, or,
// if f or the commit fails or f panics, none. When Update returns without an
// error they are on disk.
//
// On SQLite one transaction runs at a time, unless the context says that f may
// run beside others (see Concurrent), so that f sees all that was written
// before. On PostgreSQL each statement sees what was committed before it, and f
// must lock what it decides upon (see Lock). f may be run again when the
// database asks for it; it must not change anything outside but by overwriting.
func (d *DB) Update(ctx context.Context, f func(*Tx) error) error {
	return d.engine.update(ctx, f)
}

// View runs f in a reading transaction, over one state of the store. Writes
// fail.
func (d *DB) View(ctx context.Context, f func(*Tx) error) error {
	return d.engine.view(ctx, f)
}

// Tx is a transaction. Its statements name no database. It is used by one
// goroutine at a time.
type Tx struct {
	session
	// fail, in tests, makes a write fail to show that nothing of the
	// transaction stays.
	fail   func(query string) error
	server bool // the database knows locks of rows
	kept   map[any]any
	sent   int // how often what waited was sent
}

// Keep holds a value for as long as the transaction lasts, under a key of a
// type of the caller's own, so that a room that read it once need not again.
func (t *Tx) Keep(key, value any) {
	if t.kept == nil {
		t.kept = map[any]any{}
	}
	t.kept[key] = value
}

// Kept is the value held under the key, nil if there is none.
func (t *Tx) Kept(key any) any { return t.kept[key] }

func newTx(ctx context.Context, s session) *Tx {
	fail, _ := ctx.Value(failKey{}).(func(string) error)
	_, server := s.(*postgresSession)
	return &Tx{session: s, fail: fail, server: server}
}

type failKey struct{}

// WithFailure returns a context in which writes of Update, and its "COMMIT",
// ask fail first; it is for tests that show what a failure at any write leaves
// behind.
func WithFailure(ctx context.Context, fail func(query string) error) context.Context {
	return context.WithValue(ctx, failKey{}, fail)
}

func (t *Tx) mayFail(query string) error {
	if t.fail == nil {
		return nil
	}
	return t.fail(query)
}

// Statements that read what the transaction will decide upon end in one of
// these, and so hold it until the end. SQLite never sees them: there the
// values of the statement stand for the rows.
const (
	ForUpdate      = " FOR UPDATE"
	ForNoKeyUpdate = " FOR NO KEY UPDATE" // the row's key stays, so that others may refer to it
)

// Exec runs a statement that writes. A fault of the statement may show later
// in the transaction, at the latest when it is committed.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) error {
	if err := t.mayFail(query); err != nil {
		return err
	}
	return t.exec(ctx, query, plain(args))
}

// ExecCount runs a statement that writes and says how many rows it changed.
func (t *Tx) ExecCount(ctx context.Context, query string, args ...any) (int64, error) {
	if err := t.mayFail(query); err != nil {
		return 0, err
	}
	t.sent++
	return t.execCount(ctx, query, plain(args))
}

// Insert writes rows into a table. into is the table and its columns, such as
// "fee (visit, serial)"; each row holds a value for each column, of the same
// type in all rows. Faults show as those of Exec do.
func (t *Tx) Insert(ctx context.Context, into string, rows [][]any) error {
	return t.InsertOr(ctx, into, rows, "")
}

// InsertOr is Insert with what to do about rows whose key is taken, such as
// "ON CONFLICT (id) DO UPDATE SET amount = excluded.amount". No two of the
// rows have the same key.
func (t *Tx) InsertOr(ctx context.Context, into string, rows [][]any, onConflict string) error {
	if len(rows) == 0 {
		return nil
	}
	if err := t.mayFail("INSERT INTO " + into); err != nil {
		return err
	}
	for _, r := range rows {
		plain(r)
	}
	return t.insert(ctx, into, rows, onConflict)
}

// Each calls scan for every row of a query. scan runs no other statement.
func (t *Tx) Each(ctx context.Context, scan func(*Rows) error, query string, args ...any) error {
	t.sent++
	return t.read(ctx, t.query, query, plain(args), scan)
}

// read runs a statement that reads by way of query or later, and holds what it
// reads if it ends so.
func (t *Tx) read(ctx context.Context, by func(context.Context, string, []any, func(*Rows) error) error, query string, args []any, scan func(*Rows) error) error {
	if t.server {
		return by(ctx, query, args, scan)
	}
	query, lock := unlocked(query)
	if lock {
		if err := t.hold(ctx, fmt.Sprint(args...)); err != nil {
			return err
		}
	}
	return by(ctx, query, args, scan)
}

// Later is Each that may wait until Flush, so that several reads travel to the
// database together. Their scans run in order.
func (t *Tx) Later(ctx context.Context, scan func(*Rows) error, query string, args ...any) error {
	return t.read(ctx, t.later, query, plain(args), scan)
}

// Flush waits until all that Later and Exec began is done.
func (t *Tx) Flush(ctx context.Context) error {
	t.sent++
	return t.flush(ctx)
}

// Mark is a point in the transaction, for Await.
func (t *Tx) Mark() int { return t.sent }

// Await waits until all that Later began before the mark is done. What began
// since may go on waiting.
func (t *Tx) Await(ctx context.Context, mark int) error {
	if t.sent > mark {
		return nil
	}
	return t.Flush(ctx)
}

// QueryRow runs a statement that reads one row.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *Row {
	return &Row{func(to []any) error {
		found := false
		t.sent++
		err := t.read(ctx, t.query, query, plain(args), func(r *Rows) error {
			if found {
				return nil
			}
			found = true
			return r.Scan(to...)
		})
		if err == nil && !found {
			return ErrNotFound
		}
		return err
	}}
}

// Row is the answer of a query for one row. The query runs when it is scanned.
type Row struct{ scan func(to []any) error }

// Scan copies the columns into the pointers. The error is ErrNotFound if there
// was no row.
func (r *Row) Scan(to ...any) error { return r.scan(to) }

// ErrNotFound says that a query for one row found none.
var ErrNotFound = errors.New("not found")

// errFailed says that a statement comes after one that failed: the transaction
// can only be undone.
var errFailed = errors.New("the transaction has failed before")

// IsNotFound reports whether err says that a row was not there.
func IsNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// A Reply is one that was given before, with the digest of the request that it
// answered.
type Reply struct{ Digest, Body []byte }

// Recall finds the reply already given under the scope and key.
func (t *Tx) Recall(ctx context.Context, scope, key string) (r Reply, ok bool, err error) {
	err = errors.Join(t.LaterRecall(ctx, &r, scope, key), t.Flush(ctx))
	return r, r.Digest != nil, err
}

// LaterRecall finds, at the next Flush, the reply already given; its Digest
// stays nil if there is none.
func (t *Tx) LaterRecall(ctx context.Context, r *Reply, scope, key string) error {
	return t.Later(ctx, func(rows *Rows) error { return rows.Scan(&r.Digest, &r.Body) }, `SELECT digest, body FROM reply WHERE scope = ? AND key = ?`, scope, key)
}

// Remember keeps the reply given under the scope and key, in this transaction.
func (t *Tx) Remember(ctx context.Context, scope, key string, digest, reply []byte) error {
	return t.Exec(ctx, `INSERT INTO reply (scope, key, digest, body) VALUES (?, ?, ?, ?)`, scope, key, digest, reply)
}

// Lock holds what is named until the transaction ends, so that two transactions
// that decide upon the same thing do so one after the other. Where several are
// held, all take them in the same order.
func (t *Tx) Lock(ctx context.Context, name string) error { return t.hold(ctx, name) }

// errPanic carries a panic of a transaction's function to the goroutine that
// asked for it.
type errPanic struct {
	value any
	stack []byte
}

func (e *errPanic) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }
