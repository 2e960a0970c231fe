package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // for the migrations
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// readers bounds the transactions that read at one time.
const readers = 8

// A group is the transactions that share one commit, and so one sync of the
// disk. It is closed when nobody waits to join, when it holds maxGroup, or
// when it has taken maxHold.
const (
	maxGroup = 256
	maxHold  = 10 * time.Millisecond
)

// busyTimeout is how long to wait for another process that writes.
const busyTimeout = 10 * time.Second

// pragmas are the settings of every connection. The write-ahead log is synced
// at each commit. With recursive_triggers a REPLACE counts as the DELETE it
// is, which the triggers of the ledger and the audit record forbid.
var pragmas = []string{
	"PRAGMA synchronous = FULL",
	"PRAGMA foreign_keys = ON",
	"PRAGMA recursive_triggers = ON",
	"PRAGMA cache_size = -16384",
	"PRAGMA temp_store = MEMORY",
	"PRAGMA wal_autocheckpoint = 0", // see keepShort
}

// sqliteEngine is a SQLite file. One goroutine, the writer, owns the one
// connection that writes, and commits what waits together as one transaction.
// Update hands it functions, which it runs one after the other, each in a
// savepoint of its own. Those that hold what they decide upon (see Concurrent)
// run beside it instead, and hand it what they read and, in the end, what they
// write: see visitor.
type sqliteEngine struct {
	jobs    chan *job
	desk    desk
	stop    chan struct{} // closed to end the writer
	stopped chan struct{} // closed when it has ended
	once    sync.Once
	read    *sqlitex.Pool
	conn    *sqlite.Conn

	// The write-ahead log is moved into the file by a connection of its own,
	// beside the writer.
	mover *sqlite.Conn
	moved chan struct{} // closed when the mover has ended
	grown chan struct{} // told after every commit
	long  atomic.Bool   // the log is long, and the writer should let it begin anew

	visitors atomic.Int32 // under way
	linger   *time.Timer

	version int64 // of the file, as other processes change it
}

// A job is what the writer is asked to do: to run a function or, of a visitor,
// to read, or to write and be done.
type job struct {
	ctx    context.Context
	f      func(*Tx) error
	visit  *visitor
	writes bool
	done   chan error
}

// reads reports whether the job only reads for a visitor that goes on.
func (j *job) reads() bool { return j.visit != nil && !j.writes }

func openSQLite(ctx context.Context, path string) (engine, error) {
	if err := migrateSQLite(ctx, path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenWAL)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := prepare(conn); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), conn.Close())
	}
	read, err := sqlitex.NewPool(path, sqlitex.PoolOptions{Flags: sqlite.OpenReadOnly | sqlite.OpenWAL, PoolSize: readers, PrepareConn: prepare})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), conn.Close())
	}
	mover, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenWAL)
	if err == nil {
		err = prepare(mover)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), conn.Close(), read.Close())
	}
	e := &sqliteEngine{jobs: make(chan *job, maxGroup), stop: make(chan struct{}), stopped: make(chan struct{}), read: read, conn: conn,
		linger: time.NewTimer(time.Hour), mover: mover, moved: make(chan struct{}), grown: make(chan struct{}, 1)}
	go e.run()
	go e.keepShort()
	return e, nil
}

// logLong is how many pages a log may have before it begins anew.
const logLong = 16_000

// keepShort moves the log's pages into the file while the writer goes on. A log
// begins anew only when all of it is moved, which never happens while commits
// follow each other: when it is long, the writer waits once for what is left.
func (e *sqliteEngine) keepShort() {
	defer close(e.moved)
	for commits := 0; ; {
		select {
		case <-e.grown:
		case <-e.stopped:
			return
		}
		if commits++; commits < 16 { // some pages each
			continue
		}
		commits = 0
		pages, err := checkpoint(e.mover)
		if err == nil && pages >= logLong {
			e.long.Store(true)
		}
	}
}

// checkpoint moves what can be moved of the log and says how many pages it has.
func checkpoint(c *sqlite.Conn) (pages int, err error) {
	err = sqlitex.Execute(c, "PRAGMA wal_checkpoint(PASSIVE)", &sqlitex.ExecOptions{ResultFunc: func(st *sqlite.Stmt) error {
		pages = st.ColumnInt(1)
		return nil
	}})
	return pages, err
}

func prepare(c *sqlite.Conn) error {
	c.SetBusyTimeout(busyTimeout)
	for _, p := range pragmas {
		if err := sqlitex.ExecuteTransient(c, p, nil); err != nil {
			return err
		}
	}
	return nil
}

func migrateSQLite(ctx context.Context, path string) error {
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(),
		RawQuery: url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"}}.Encode()}
	conn, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return err
	}
	conn.SetMaxOpenConns(1)
	return errors.Join(migrate(ctx, goose.DialectSQLite3, conn), conn.Close())
}

func (e *sqliteEngine) close() error {
	e.once.Do(func() { close(e.stop) })
	<-e.stopped
	<-e.moved
	return errors.Join(e.read.Close(), e.mover.Close(), e.conn.Close())
}

// errClosed says that the store is closed.
var errClosed = errors.New("the store is closed")

func (e *sqliteEngine) update(ctx context.Context, f func(*Tx) error) error {
	if concurrent(ctx) {
		if err := e.visit(ctx, f); err != errAlone {
			return rethrow(err)
		}
	}
	return rethrow(e.ask(&job{ctx: ctx, f: f, done: make(chan error, 1)}))
}

// rethrow gives a panic back to the goroutine whose function had it.
func rethrow(err error) error {
	var p *errPanic
	if errors.As(err, &p) {
		panic(p)
	}
	return err
}

// ask hands the writer a job and waits for its answer.
func (e *sqliteEngine) ask(j *job) error {
	select {
	case e.jobs <- j:
	case <-j.ctx.Done():
		return j.ctx.Err()
	case <-e.stop:
		return errClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-e.stopped:
		select {
		case err := <-j.done:
			return err
		default:
			return errClosed
		}
	}
}

// run is the writer.
func (e *sqliteEngine) run() {
	defer close(e.stopped)
	for {
		select {
		case j := <-e.jobs:
			e.group(j)
		case <-e.stop:
			for { // those who came before the end are served
				select {
				case j := <-e.jobs:
					e.group(j)
				default:
					return
				}
			}
		}
	}
}

// group does the first job, and those of who else waits, in one transaction and
// answers them when it is on disk.
func (e *sqliteEngine) group(first *job) {
	if err := e.begin(); err != nil {
		first.done <- err
		return
	}
	var kept []*job // whose writes stand in the open transaction
	until := time.Now().Add(maxHold)
	for j := first; j != nil; {
		err := e.do(j)
		switch {
		case e.conn.AutocommitEnabled():
			// The fault undid the whole transaction. It is this job's; the
			// others had none and go again, each by itself.
			e.desk.forget()
			e.alone(kept)
			j.done <- err
			return
		case err != nil || j.reads():
			j.done <- err
		default:
			kept = append(kept, j)
		}
		j = nil
		if len(kept) < maxGroup {
			j = e.next(len(kept), until)
		}
	}
	if err := e.commit(); err != nil {
		e.desk.forget()
		if len(kept) > 1 {
			e.alone(kept)
			return
		}
		for _, j := range kept {
			j.done <- err
		}
		return
	}
	for _, j := range kept {
		j.done <- nil
	}
}

// next is the next job of a group that holds some: one that waits or, where
// more visitors are on their way than the group holds, one that comes in time.
// It is nil if there is none.
func (e *sqliteEngine) next(held int, until time.Time) *job {
	left := time.Until(until)
	if left <= 0 {
		return nil
	}
	select {
	case j := <-e.jobs:
		return j
	default:
	}
	if int(e.visitors.Load())-held <= held/4 {
		return nil
	}
	e.linger.Reset(left)
	select {
	case j := <-e.jobs:
		return j
	case <-e.linger.C:
		return nil
	}
}

// do does a job within the open transaction. If it fails, nothing of it stays
// there; or the transaction is at its end.
func (e *sqliteEngine) do(j *job) error {
	switch {
	case j.visit == nil:
		return e.savepoint(j)
	case j.reads():
		return e.serve(j)
	case !e.desk.holds(j.visit):
		return errAlone
	}
	if err := e.apply(j.visit); err != nil {
		e.rollback() // there is no savepoint to go back to
		return errAlone
	}
	return nil
}

// alone runs jobs one by one, each in a transaction of its own.
func (e *sqliteEngine) alone(jobs []*job) {
	for _, j := range jobs {
		if j.visit != nil {
			j.done <- errAlone
			continue
		}
		err := e.begin()
		if err == nil {
			if err = e.savepoint(j); err == nil {
				err = e.commit()
			} else {
				e.rollback()
			}
		}
		j.done <- err
	}
}

func (e *sqliteEngine) begin() error {
	if e.long.CompareAndSwap(true, false) {
		if _, err := checkpoint(e.conn); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	if err := e.execute("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// Another process may have written since: no visitor knows what.
	var version int64
	err := (&sqliteSession{conn: e.conn}).query(context.Background(), "PRAGMA data_version", nil, func(r *Rows) error { return r.Scan(&version) })
	if err != nil {
		e.rollback()
		return fmt.Errorf("begin: %w", err)
	}
	if version != e.version {
		e.version = version
		e.desk.forget()
	}
	return nil
}

func (e *sqliteEngine) commit() error {
	reach("before commit")
	if err := e.execute("COMMIT"); err != nil {
		e.rollback()
		return fmt.Errorf("commit: %w", err)
	}
	reach("after commit")
	select {
	case e.grown <- struct{}{}:
	default:
	}
	return nil
}

// rollback ends what is left of a transaction that failed.
func (e *sqliteEngine) rollback() {
	if !e.conn.AutocommitEnabled() {
		_ = e.execute("ROLLBACK") // the fault that led here is what matters
	}
}

func (e *sqliteEngine) execute(query string) error {
	s, err := e.conn.Prepare(query)
	if err != nil {
		return err
	}
	_, err = s.Step()
	return errors.Join(err, s.Reset())
}

// savepoint runs a job within the open transaction; if it fails, nothing of it
// stays there.
func (e *sqliteEngine) savepoint(j *job) (err error) {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	if err := e.execute("SAVEPOINT job"); err != nil {
		return err
	}
	s := &sqliteSession{conn: e.conn}
	tx := newTx(j.ctx, s)
	defer func() {
		if err == nil && s.wrote {
			e.desk.changed(concurrent(j.ctx), s.marks)
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			err = &errPanic{p, debug.Stack()}
		}
		if err != nil && !e.conn.AutocommitEnabled() {
			err = errors.Join(err, e.execute("ROLLBACK TO job"), e.execute("RELEASE job"))
		}
	}()
	if err := j.f(tx); err != nil {
		return err
	}
	if err := tx.mayFail("COMMIT"); err != nil {
		return err
	}
	if err := j.ctx.Err(); err != nil {
		return err
	}
	reach("work done")
	return e.execute("RELEASE job")
}

func (e *sqliteEngine) view(ctx context.Context, f func(*Tx) error) (err error) {
	conn, err := e.read.Take(ctx)
	if err != nil {
		return err
	}
	defer e.read.Put(conn)
	s := &sqliteSession{conn: conn}
	if _, err := s.run(ctx, "BEGIN", nil, nil); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		conn.SetInterrupt(nil) // a cancelled view must still end
		end := error(nil)
		if !conn.AutocommitEnabled() {
			_, end = (&sqliteSession{conn: conn}).run(context.WithoutCancel(ctx), "ROLLBACK", nil, nil)
		}
		err = errors.Join(err, end)
	}()
	return f(newTx(ctx, s))
}

// sqliteSession runs statements on a connection at once.
type sqliteSession struct {
	conn  *sqlite.Conn
	marks []uint32 // what it holds
	wrote bool
	// failed says that a statement failed. The transaction may be at its end
	// then, and what came after would stand by itself.
	failed bool
}

func (s *sqliteSession) exec(ctx context.Context, query string, args []any) error {
	_, err := s.execCount(ctx, query, args)
	return err
}

func (s *sqliteSession) execCount(ctx context.Context, query string, args []any) (int64, error) {
	s.wrote = true
	return s.run(ctx, query, args, nil)
}

func (s *sqliteSession) hold(_ context.Context, what string) error {
	s.marks = append(s.marks, mark(what))
	return nil
}

func (s *sqliteSession) query(ctx context.Context, query string, args []any, scan func(*Rows) error) error {
	_, err := s.run(ctx, query, args, scan)
	return err
}

func (s *sqliteSession) later(ctx context.Context, query string, args []any, scan func(*Rows) error) error {
	return s.query(ctx, query, args, scan)
}

func (s *sqliteSession) flush(context.Context) error { return nil }

func (s *sqliteSession) insert(ctx context.Context, into string, rows [][]any, suffix string) error {
	s.wrote = true
	query := insertOne(into, len(rows[0]), suffix)
	for _, r := range rows {
		if _, err := s.run(ctx, query, r, nil); err != nil {
			return err
		}
	}
	return nil
}

// insertOne is the statement that inserts one row.
func insertOne(into string, columns int, suffix string) string {
	return "INSERT INTO " + into + " VALUES (" + strings.TrimSuffix(strings.Repeat("?, ", columns), ", ") + ") " + suffix
}

// run runs a statement to its end and says how many rows it changed.
func (s *sqliteSession) run(ctx context.Context, query string, args []any, scan func(*Rows) error) (n int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if s.failed {
		return 0, errFailed
	}
	st, err := s.conn.Prepare(query)
	if err != nil {
		s.failed = true
		return 0, fmt.Errorf("%w in %s", err, query)
	}
	defer func() { err = errors.Join(err, reset(st, err)) }()
	if want := st.BindParamCount(); want != len(args) {
		return 0, fmt.Errorf("%d values for %d parameters in %s", len(args), want, query)
	}
	for i, a := range args {
		switch v := a.(type) {
		case nil:
			st.BindNull(i + 1)
		case int64:
			st.BindInt64(i+1, v)
		case string:
			st.BindText(i+1, v)
		case []byte:
			st.BindBytes(i+1, v)
		}
	}
	r := &Rows{sqliteRow{st}}
	for {
		more, err := st.Step()
		if err != nil {
			s.failed = true
			return 0, err
		}
		if !more {
			return int64(s.conn.Changes()), nil
		}
		if scan != nil {
			if err := scan(r); err != nil {
				return 0, err
			}
		}
	}
}

// reset ends a statement. Its error is that of the last step, which is known.
func reset(st *sqlite.Stmt, known error) error {
	if err := st.Reset(); known == nil {
		return err
	}
	return nil
}

// sqliteRow is the row that a statement stands on.
type sqliteRow struct{ st *sqlite.Stmt }

func (r sqliteRow) columns() int    { return r.st.ColumnCount() }
func (r sqliteRow) null(i int) bool { return r.st.ColumnType(i) == sqlite.TypeNull }

func (r sqliteRow) int64(i int) (int64, error) {
	if t := r.st.ColumnType(i); t != sqlite.TypeInteger {
		return 0, fmt.Errorf("it is %v, not an integer", t)
	}
	return r.st.ColumnInt64(i), nil
}

func (r sqliteRow) text(i int) (string, error) { return r.st.ColumnText(i), nil }

func (r sqliteRow) blob(i int) ([]byte, error) {
	b := make([]byte, r.st.ColumnLen(i))
	r.st.ColumnBytes(i, b)
	return b, nil
}

func (r sqliteRow) any(i int) (any, error) {
	switch r.st.ColumnType(i) {
	case sqlite.TypeNull:
		return nil, nil
	case sqlite.TypeInteger:
		return r.st.ColumnInt64(i), nil
	case sqlite.TypeBlob:
		return r.blob(i)
	}
	return r.st.ColumnText(i), nil
}
