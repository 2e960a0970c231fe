package db

import (
	"context"
	"errors"
	"hash/fnv"
	"runtime/debug"
	"strings"
)

type concurrentKey struct{}

// Concurrent marks what runs under the context as fit to run beside others: it
// holds all that it decides upon (Lock, ForUpdate) before it reads
// it. On SQLite, where transactions otherwise run one after the other, such a
// one computes while others do, as every transaction does on PostgreSQL.
func Concurrent(ctx context.Context) context.Context {
	return context.WithValue(ctx, concurrentKey{}, true)
}

func concurrent(ctx context.Context) bool {
	v, _ := ctx.Value(concurrentKey{}).(bool)
	return v
}

// errAlone says that a visitor's transaction must run again, by itself.
var errAlone = errors.New("the transaction must run alone")

// A visitor is a transaction that runs beside the writer. The writer does its
// reads as they are asked for, and all its writes at the end, at once: if what
// it holds was changed by another in between, it has seen what is no more, and
// runs again in the writer's own time, as does one that reads after it wrote.
// So nobody waits for a lock, and nobody sees a part of another's writes.
type visitor struct {
	engine *sqliteEngine
	reads  []statement
	writes []statement
	marks  []held
	began  bool
	epoch  uint64 // of the desk, when it began to read
	again  bool   // it must run alone
}

// A statement is what a visitor asks the writer to run: rows, if there are any,
// are inserted.
type statement struct {
	query string
	args  []any
	rows  [][]any
	scan  func(*Rows) error
}

// held is what a visitor holds, in the state in which it first saw it.
type held struct {
	mark    uint32
	version uint32
	seen    bool
}

// visit runs f as a visitor. The error errAlone says that it did nothing and
// must run alone.
func (e *sqliteEngine) visit(ctx context.Context, f func(*Tx) error) error {
	v := &visitor{engine: e}
	e.visitors.Add(1)
	defer e.visitors.Add(-1)
	tx := newTx(ctx, v)
	err := f(tx)
	if err == nil {
		err = tx.mayFail("COMMIT")
	}
	switch {
	case v.again:
		return errAlone
	case err != nil:
		v.writes = nil
		if !v.began {
			return err
		}
		// What it saw may not be on disk yet. Its answer waits until it is.
		if e := v.engine.ask(&job{ctx: ctx, visit: v, writes: true, done: make(chan error, 1)}); e != nil {
			return e
		}
		return err
	case !v.began && len(v.writes) == 0:
		return nil
	}
	return e.ask(&job{ctx: ctx, visit: v, writes: true, done: make(chan error, 1)})
}

func (v *visitor) exec(_ context.Context, query string, args []any) error {
	v.writes = append(v.writes, statement{query: query, args: args})
	return nil
}

func (v *visitor) execCount(context.Context, string, []any) (int64, error) {
	return 0, v.alone()
}

func (v *visitor) insert(_ context.Context, into string, rows [][]any, suffix string) error {
	v.writes = append(v.writes, statement{query: insertOne(into, len(rows[0]), suffix), rows: rows})
	return nil
}

func (v *visitor) query(ctx context.Context, query string, args []any, scan func(*Rows) error) error {
	if err := v.later(ctx, query, args, scan); err != nil {
		return err
	}
	return v.flush(ctx)
}

func (v *visitor) later(ctx context.Context, query string, args []any, scan func(*Rows) error) error {
	if len(v.writes) > 0 {
		return v.alone()
	}
	v.reads = append(v.reads, statement{query: query, args: args, scan: scan})
	return ctx.Err()
}

func (v *visitor) hold(_ context.Context, what string) error {
	v.marks = append(v.marks, held{mark: mark(what)})
	return nil
}

func (v *visitor) flush(ctx context.Context) error {
	if len(v.reads) == 0 {
		return nil
	}
	v.began = true
	return v.engine.ask(&job{ctx: ctx, visit: v, done: make(chan error, 1)})
}

// alone ends a visit.
func (v *visitor) alone() error {
	v.again = true
	return errAlone
}

// serve does a visitor's reads.
func (e *sqliteEngine) serve(j *job) (err error) {
	defer func() {
		if p := recover(); p != nil { // a scan's
			err = &errPanic{p, debug.Stack()}
		}
	}()
	v := j.visit
	e.desk.see(v)
	s := sqliteSession{conn: e.conn}
	reads := v.reads
	v.reads = v.reads[:0]
	for _, r := range reads {
		if _, err := s.run(j.ctx, r.query, r.args, r.scan); err != nil {
			return err
		}
	}
	return nil
}

// apply does a visitor's writes.
func (e *sqliteEngine) apply(v *visitor) error {
	if len(v.writes) == 0 {
		return nil
	}
	s := sqliteSession{conn: e.conn}
	for _, w := range v.writes {
		rows := w.rows
		if rows == nil {
			rows = [][]any{w.args}
		}
		for _, args := range rows {
			if _, err := s.run(context.Background(), w.query, args, nil); err != nil {
				return err
			}
		}
	}
	reach("work done")
	for _, h := range v.marks {
		e.desk.versions[h.mark]++
	}
	return nil
}

// marks is how many things can be told apart that visitors hold. Two that
// cannot are taken for one, which costs a visit, not its rightness.
const marks = 1 << 14

// A desk keeps the versions of what visitors hold. It is the writer's own.
type desk struct {
	epoch    uint64 // of all that nobody holds
	versions [marks]uint32
}

// see keeps for the visitor how it finds what it holds.
func (d *desk) see(v *visitor) {
	if v.epoch == 0 {
		v.epoch = d.epoch + 1
	}
	for i := range v.marks {
		if h := &v.marks[i]; !h.seen {
			h.version, h.seen = d.versions[h.mark], true
		}
	}
}

// holds reports whether all that the visitor holds is as it found it.
func (d *desk) holds(v *visitor) bool {
	if v.epoch != 0 && v.epoch != d.epoch+1 {
		return false
	}
	for _, h := range v.marks {
		if h.seen && h.version != d.versions[h.mark] {
			return false
		}
	}
	return true
}

// changed says that a function that ran alone wrote. What one that is fit to
// run beside others decides upon it holds; of any other nobody knows.
func (d *desk) changed(held bool, marks []uint32) {
	if !held {
		d.forget()
		return
	}
	for _, m := range marks {
		d.versions[m]++
	}
}

// forget makes all visitors that have read run again.
func (d *desk) forget() { d.epoch++ }

func mark(what string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(what))
	return h.Sum32() % marks
}

// unlocked is a query without the words that hold its rows, and whether it had
// them.
func unlocked(query string) (string, bool) {
	if q, ok := strings.CutSuffix(query, ForUpdate); ok {
		return q, true
	}
	return strings.CutSuffix(query, ForNoKeyUpdate)
}
