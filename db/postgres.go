package db

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// postgresEngine is a PostgreSQL database. Transactions read what is committed
// and lock what they decide upon; their statements travel in as few messages
// as their answers allow.
type postgresEngine struct{ pool *pgxpool.Pool }

// connections bounds the connections to the database, unless its address says
// otherwise (pool_max_conns).
const connections = 16

// patience is how long a transaction goes on asking a database that does not
// answer, or that wants it to be run again.
const patience = 15 * time.Second

func openPostgres(ctx context.Context, address string) (engine, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if !strings.Contains(address, "pool_max_conns") {
		config.MaxConns = connections
	}
	params := config.ConnConfig.RuntimeParams
	params["synchronous_commit"] = "on"
	params["idle_in_transaction_session_timeout"] = "60s"
	params["application_name"] = "anji"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	conn := stdlib.OpenDBFromPool(pool)
	err = migrate(ctx, goose.DialectPostgres, conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database %s: %w", config.ConnConfig.Database, err)
	}
	return &postgresEngine{pool}, nil
}

func (e *postgresEngine) close() error {
	e.pool.Close()
	return nil
}

func (e *postgresEngine) view(ctx context.Context, f func(*Tx) error) error {
	return e.again(ctx, func() (bool, error) {
		return e.once(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", true, f)
	})
}

func (e *postgresEngine) update(ctx context.Context, f func(*Tx) error) error {
	return e.again(ctx, func() (bool, error) {
		return e.once(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED", repeatable(ctx), f)
	})
}

type bulkKey struct{}

// Bulk marks what runs under the context as moving many rows. PostgreSQL then
// plans its statements for the tables as they are: a plan that it kept from when
// they were small would read them whole.
func Bulk(ctx context.Context) context.Context { return context.WithValue(ctx, bulkKey{}, true) }

func bulk(ctx context.Context) bool {
	v, _ := ctx.Value(bulkKey{}).(bool)
	return v
}

type repeatableKey struct{}

// Repeatable marks what runs under the context as harmless to run twice to the
// end: it looks first whether it was done, as what answers a message once does.
// Only then is it run again when the connection broke while it was committed,
// and nobody knows whether it was.
func Repeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, true)
}

func repeatable(ctx context.Context) bool {
	v, _ := ctx.Value(repeatableKey{}).(bool)
	return v
}

// again runs a transaction until it ends for good. once says of an error
// whether another try may help.
func (e *postgresEngine) again(ctx context.Context, once func() (bool, error)) error {
	until := time.Now().Add(patience)
	wait := time.Millisecond
	twins := 0
	for {
		retry, err := once()
		if twin(err) {
			// Two transactions wrote what may stand once. Run again, this one
			// sees the other's row; if it still writes its own, it means to.
			twins++
			retry = twins < 3
		}
		if err == nil || !retry || ctx.Err() != nil || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, 500*time.Millisecond)
	}
}

// once runs one try of a transaction. Its first result says whether another
// may help; doubt, whether that holds too when the fate of the commit is not
// known.
func (e *postgresEngine) once(ctx context.Context, begin string, doubt bool, f func(*Tx) error) (retry bool, err error) {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return unreachable(err), err
	}
	s := &postgresSession{conn: conn.Conn()}
	done := false
	defer func() {
		if !done { // f failed or panicked: its error is what matters
			s.pending = nil
			if s.begun && !s.conn.IsClosed() {
				end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				_, _ = s.conn.Exec(end, "ROLLBACK")
				cancel()
			}
		}
		conn.Release() // a connection that is broken, or still in a transaction, is thrown away
	}()
	s.queue(operation{query: begin})
	if bulk(ctx) {
		s.queue(operation{query: "SET LOCAL plan_cache_mode = force_custom_plan"})
	}
	quiet := len(s.pending)
	tx := newTx(ctx, s)
	if err := f(tx); err != nil {
		return s.failed && again(err), err
	}
	if err := tx.mayFail("COMMIT"); err != nil {
		return false, err
	}
	if !s.begun && len(s.pending) == quiet { // f did nothing
		done = true
		return false, nil
	}
	// What f left waiting goes first, so that a fault in it is told from one
	// of the commit.
	reach("work done")
	var tag pgconn.CommandTag
	s.queue(operation{query: "COMMIT", tag: &tag})
	reach("before commit")
	if err := s.flush(ctx); err != nil {
		if s.conn.IsClosed() && !doubt && !pgconn.SafeToRetry(err) {
			return false, fmt.Errorf("commit: whether it was done is not known: %w", err)
		}
		return again(err), err
	}
	done = true
	if tag.String() != "COMMIT" {
		return false, fmt.Errorf("commit: the database answered %s", tag)
	}
	reach("after commit")
	return false, nil
}

// again reports whether the fault is one that another try may not meet: two
// transactions in each other's way, or a database that is away for a while.
func again(err error) bool {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		switch p.Code {
		case "40001", "40P01": // serialization failure, deadlock
			return true
		}
	}
	return unreachable(err)
}

// twin reports a row whose key is taken.
func twin(err error) bool {
	var p *pgconn.PgError
	return errors.As(err, &p) && p.Code == "23505"
}

func unreachable(err error) bool {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		switch p.Code[:2] {
		case "57", "08", "53": // shutting down or starting; connection; too many
			return p.Code != "57014" && p.Code != "53100" // cancelled; disk full
		}
		return false
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var c *pgconn.ConnectError
	return errors.As(err, &c) || pgconn.SafeToRetry(err) || broken(err)
}

// broken reports whether the connection ended under a statement.
func broken(err error) bool {
	s := err.Error()
	for _, sign := range []string{"unexpected EOF", "conn closed", "connection reset", "broken pipe", "closed pool"} {
		if strings.Contains(s, sign) {
			return sign != "closed pool"
		}
	}
	return false
}

// postgresSession runs the statements of one transaction. Those whose answer
// nobody waits for are sent with the next one whose answer somebody does, or
// with the commit.
type postgresSession struct {
	conn    *pgx.Conn
	pending []operation
	begun   bool // something was sent
	failed  bool // a statement failed, so that the transaction can only be undone
}

// An operation is a statement that waits to be sent.
type operation struct {
	query string
	args  []any
	scan  func(*Rows) error
	tag   *pgconn.CommandTag
}

func (s *postgresSession) queue(o operation) { s.pending = append(s.pending, o) }

// crowd is how many statements wait at most.
const crowd = 1000

func (s *postgresSession) exec(ctx context.Context, query string, args []any) error {
	s.queue(operation{query: dollars(query), args: args})
	if len(s.pending) >= crowd {
		return s.flush(ctx)
	}
	return nil
}

func (s *postgresSession) execCount(ctx context.Context, query string, args []any) (int64, error) {
	var tag pgconn.CommandTag
	s.queue(operation{query: dollars(query), args: args, tag: &tag})
	err := s.flush(ctx)
	return tag.RowsAffected(), err
}

func (s *postgresSession) query(ctx context.Context, query string, args []any, scan func(*Rows) error) error {
	s.queue(operation{query: dollars(query), args: args, scan: scan})
	return s.flush(ctx)
}

func (s *postgresSession) later(_ context.Context, query string, args []any, scan func(*Rows) error) error {
	s.queue(operation{query: dollars(query), args: args, scan: scan})
	return nil
}

// hold takes an advisory lock of the transaction.
func (s *postgresSession) hold(_ context.Context, what string) error {
	h := fnv.New64a()
	h.Write([]byte(what))
	s.queue(operation{query: "SELECT pg_advisory_xact_lock($1)", args: []any{int64(h.Sum64())}})
	return nil
}

// insert sends the rows as one array for each column.
func (s *postgresSession) insert(ctx context.Context, into string, rows [][]any, suffix string) error {
	if len(rows) == 1 {
		return s.exec(ctx, insertOne(into, len(rows[0]), suffix), rows[0])
	}
	var q strings.Builder
	var args []any
	var columns, arrays, names []string
	for c := range rows[0] {
		array, kind := column(rows, c)
		if kind == "" { // the server knows the type of the column, we do not
			columns = append(columns, "NULL")
			continue
		}
		args = append(args, array)
		n := strconv.Itoa(len(args))
		columns, names = append(columns, "u.c"+n), append(names, "c"+n)
		arrays = append(arrays, "$"+n+"::"+kind)
	}
	q.WriteString("INSERT INTO " + into + " SELECT " + strings.Join(columns, ", ") + " FROM unnest(" + strings.Join(arrays, ", ") + ") AS u(" + strings.Join(names, ", ") + ") " + suffix)
	s.queue(operation{query: q.String(), args: args})
	return nil
}

// column is a column of rows as an array, with its type; "" if it is null in
// all rows.
func column(rows [][]any, c int) (array any, kind string) {
	for _, r := range rows {
		switch r[c].(type) {
		case int64:
			out := make([]*int64, len(rows))
			for i, r := range rows {
				if v, ok := r[c].(int64); ok {
					out[i] = &v
				}
			}
			return out, "bigint[]"
		case string:
			out := make([]*string, len(rows))
			for i, r := range rows {
				if v, ok := r[c].(string); ok {
					out[i] = &v
				}
			}
			return out, "text[]"
		case []byte:
			out := make([][]byte, len(rows))
			for i, r := range rows {
				out[i], _ = r[c].([]byte)
			}
			return out, "bytea[]"
		}
	}
	return nil, ""
}

// flush sends what waits and reads the answers in order.
func (s *postgresSession) flush(ctx context.Context) (err error) {
	if len(s.pending) == 0 {
		return nil
	}
	pending := s.pending
	s.pending = nil
	if s.failed {
		return errFailed
	}
	s.begun = true
	batch := &pgx.Batch{}
	for i := range pending {
		batch.Queue(pending[i].query, pending[i].args...)
	}
	results := s.conn.SendBatch(ctx, batch)
	defer func() {
		if end := results.Close(); err == nil {
			err = end
		}
		var own *scanError
		if s.failed = err != nil && !errors.As(err, &own); own != nil {
			err = own.error
		}
	}()
	for i := range pending {
		if err := pending[i].read(results); err != nil {
			return fmt.Errorf("%w in %s", err, pending[i].query)
		}
	}
	return nil
}

// scanError is an error of a caller's scan: the database knows nothing of it,
// and the transaction may go on.
type scanError struct{ error }

func (o *operation) read(results pgx.BatchResults) error {
	if o.scan == nil {
		tag, err := results.Exec()
		if o.tag != nil {
			*o.tag = tag
		}
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	r := &Rows{&postgresRow{rows: rows}}
	for rows.Next() {
		if err := o.scan(r); err != nil {
			return &scanError{err}
		}
	}
	return rows.Err()
}

var dollarForms sync.Map

// dollars writes the ? of a statement, outside of quotes, as $1, $2 and so on.
func dollars(query string) string {
	if d, ok := dollarForms.Load(query); ok {
		return d.(string)
	}
	var b strings.Builder
	n, quoted := 0, false
	for i := range len(query) {
		switch c := query[i]; {
		case c == '\'':
			quoted = !quoted
			b.WriteByte(c)
		case c == '?' && !quoted:
			n++
			b.WriteString("$" + strconv.Itoa(n))
		default:
			b.WriteByte(c)
		}
	}
	dollarForms.Store(query, b.String())
	return b.String()
}

// postgresRow reads the row that an answer stands on.
type postgresRow struct{ rows pgx.Rows }

func (r *postgresRow) columns() int    { return len(r.rows.FieldDescriptions()) }
func (r *postgresRow) null(i int) bool { return r.rows.RawValues()[i] == nil }

func (r *postgresRow) int64(i int) (int64, error) {
	f, raw := r.rows.FieldDescriptions()[i], r.rows.RawValues()[i]
	if f.Format == pgtype.BinaryFormatCode {
		switch {
		case f.DataTypeOID == pgtype.Int8OID && len(raw) == 8:
			return int64(binary.BigEndian.Uint64(raw)), nil
		case f.DataTypeOID == pgtype.Int4OID && len(raw) == 4:
			return int64(int32(binary.BigEndian.Uint32(raw))), nil
		case f.DataTypeOID == pgtype.BoolOID && len(raw) == 1:
			return int64(raw[0]), nil
		}
	}
	var v int64
	err := r.rows.Conn().TypeMap().Scan(f.DataTypeOID, f.Format, raw, &v)
	return v, err
}

func (r *postgresRow) text(i int) (string, error) {
	f, raw := r.rows.FieldDescriptions()[i], r.rows.RawValues()[i]
	switch f.DataTypeOID {
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.UnknownOID, pgtype.NameOID:
		return string(raw), nil
	}
	n, err := r.int64(i)
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(n, 10), nil
}

func (r *postgresRow) blob(i int) ([]byte, error) {
	f, raw := r.rows.FieldDescriptions()[i], r.rows.RawValues()[i]
	if f.DataTypeOID == pgtype.ByteaOID && f.Format == pgtype.BinaryFormatCode {
		return append([]byte{}, raw...), nil
	}
	var v []byte
	err := r.rows.Conn().TypeMap().Scan(f.DataTypeOID, f.Format, raw, &v)
	return v, err
}

func (r *postgresRow) any(i int) (any, error) {
	if r.null(i) {
		return nil, nil
	}
	switch r.rows.FieldDescriptions()[i].DataTypeOID {
	case pgtype.ByteaOID:
		return r.blob(i)
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.NumericOID, pgtype.BoolOID:
		return r.int64(i)
	}
	return r.text(i)
}
