// Package exchange holds the files exchanged with providers (文件上传下载): what
// they upload, and what is made for them to download. A file is written once
// and never changed; it lies sealed in the store, in pieces, so that it can be
// written and read as a stream. It is read until its last day, and then
// removed as others come.
package exchange

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
)

// MaxSize is the largest file, in bytes.
const MaxSize = 200 << 20

// chunkSize is how many bytes of a file lie in one row.
const chunkSize = 256 << 10

// Everyone is the owner of a file that every provider may read.
const Everyone = ""

// File is what is known of a file.
type File struct {
	Number  string // file query number (文件查询号): 30 characters, not guessable
	Owner   string // provider that may read it, or Everyone
	Name    string
	Size    int64      // bytes
	Digest  []byte     // SM3
	At      time.Time  // when it was stored
	Expires civil.Date // last day on which it is read
}

// The errors of this room.
var (
	ErrTooLarge = fmt.Errorf("the file is larger than %d bytes", int64(MaxSize))
	// ErrNotFound says also that the file is another provider's.
	ErrNotFound = errors.New("there is no such file for this provider")
)

// ExpiredError says that a file is there no more, and what its last day was.
type ExpiredError struct{ Expires civil.Date }

func (e *ExpiredError) Error() string { return "the file expired after " + e.Expires.String() }

// Store keeps files in the database, sealed.
type Store struct{ sealer *gm.Sealer }

// New returns a store that seals what it keeps with sealer.
func New(sealer *gm.Sealer) *Store { return &Store{sealer} }

func purpose(number string, n int) string {
	return "exchange_chunk.data " + number + " " + strconv.Itoa(n)
}

// Put stores the bytes of r as a new file of f's owner, name and last day; At
// is now. It returns f with its number, size and digest, and appends to the
// audit record what actor stored. A file larger than MaxSize is ErrTooLarge.
func (s *Store) Put(ctx context.Context, tx *db.Tx, f File, r io.Reader, actor string) (File, error) {
	if err := s.removeExpired(ctx, tx, f.At); err != nil {
		return File{}, err
	}
	b := make([]byte, 15)
	rand.Read(b)
	f.Number = hex.EncodeToString(b)
	// The row comes first, as its pieces refer to it; what is only known at
	// the end is filled in then.
	err := tx.Exec(ctx, `INSERT INTO exchange_file (number, owner, name, size, digest, at, expires) VALUES (?, ?, ?, 0, ?, ?, ?)`,
		f.Number, f.Owner, f.Name, []byte{}, f.At.UTC().Format(time.RFC3339), int(f.Expires))
	if err != nil {
		return File{}, err
	}
	digest := sm3.New()
	chunk := make([]byte, chunkSize)
	f.Size = 0
	for n := 0; ; n++ {
		size, err := io.ReadFull(r, chunk)
		if err == io.EOF {
			break
		}
		last := err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return File{}, err
		}
		if f.Size += int64(size); f.Size > MaxSize {
			return File{}, ErrTooLarge
		}
		digest.Write(chunk[:size])
		err = tx.Exec(ctx, `INSERT INTO exchange_chunk (file, n, data) VALUES (?, ?, ?)`, f.Number, n, s.sealer.Seal(purpose(f.Number, n), string(chunk[:size])))
		if err != nil {
			return File{}, err
		}
		if last {
			break
		}
	}
	f.Digest = digest.Sum(nil)
	if err := tx.Exec(ctx, `UPDATE exchange_file SET size = ?, digest = ? WHERE number = ?`, f.Size, f.Digest, f.Number); err != nil {
		return File{}, err
	}
	return f, audit.Append(ctx, tx, audit.Record{At: f.At, Actor: actor, Action: "store_file", Subject: f.Number, Details: map[string]any{
		"owner": f.Owner, "size": f.Size, "sm3": hex.EncodeToString(f.Digest), "expires": f.Expires.String(),
	}})
}

// removals bounds how many expired files one Put removes.
const removals = 8

// removeExpired removes some files whose last day was before yesterday: who
// asks on the day after is still told that the file expired.
func (s *Store) removeExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	var numbers []string
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var number string
		err := rows.Scan(&number)
		numbers = append(numbers, number)
		return err
	}, `SELECT number FROM exchange_file WHERE expires < ? ORDER BY expires, number LIMIT ?`, int(civil.Of(now).AddDays(-1)), removals)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		for _, q := range []string{`DELETE FROM exchange_chunk WHERE file = ?`, `DELETE FROM exchange_file WHERE number = ?`} {
			if err := tx.Exec(ctx, q, number); err != nil {
				return err
			}
		}
		if err := audit.Append(ctx, tx, audit.Record{At: now, Actor: "exchange", Action: "remove_file", Subject: number}); err != nil {
			return err
		}
	}
	return nil
}

const columns = `SELECT number, owner, name, size, digest, at, expires FROM exchange_file `

func scan(row interface{ Scan(...any) error }) (f File, err error) {
	var at string
	if err = row.Scan(&f.Number, &f.Owner, &f.Name, &f.Size, &f.Digest, &at, &f.Expires); err != nil {
		return File{}, err
	}
	f.At, err = time.Parse(time.RFC3339, at)
	return f, err
}

// Get finds the file of a number that the provider reads on a day. The errors
// are ErrNotFound and *ExpiredError.
func (s *Store) Get(ctx context.Context, tx *db.Tx, number, provider string, on civil.Date) (File, error) {
	f, err := scan(tx.QueryRow(ctx, columns+`WHERE number = ? AND owner IN (?, ?)`, number, provider, Everyone))
	switch {
	case db.IsNotFound(err):
		return File{}, ErrNotFound
	case err != nil:
		return File{}, err
	case f.Expires < on:
		return File{}, &ExpiredError{f.Expires}
	}
	return f, nil
}

// Named finds the newest file of an owner and name that is still read on a
// day; ok is false if there is none.
func (s *Store) Named(ctx context.Context, tx *db.Tx, owner, name string, on civil.Date) (f File, ok bool, err error) {
	f, err = scan(tx.QueryRow(ctx, columns+`WHERE owner = ? AND name = ? AND expires >= ? ORDER BY expires DESC, number LIMIT 1`, owner, name, int(on)))
	if db.IsNotFound(err) {
		return File{}, false, nil
	}
	return f, err == nil, err
}

// Open reads a file from the start. view runs a function in a reading
// transaction; it is called for one piece at a time, so that no transaction
// waits for a slow reader. Within a transaction, view only calls the function
// with it. The last read checks the digest.
func (s *Store) Open(ctx context.Context, f File, view func(context.Context, func(*db.Tx) error) error) io.Reader {
	return &reader{ctx: ctx, store: s, file: f, view: view, digest: sm3.New(), left: f.Size}
}

type reader struct {
	ctx    context.Context
	store  *Store
	file   File
	view   func(context.Context, func(*db.Tx) error) error
	digest hash.Hash
	left   int64
	n      int
	chunk  []byte
}

func (r *reader) Read(b []byte) (int, error) {
	if len(r.chunk) == 0 {
		if r.left == 0 {
			if !bytes.Equal(r.digest.Sum(nil), r.file.Digest) {
				return 0, fmt.Errorf("file %s: its digest is not that of when it was stored", r.file.Number)
			}
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, fmt.Errorf("file %s, piece %d: %w", r.file.Number, r.n, err)
		}
	}
	n := copy(b, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

func (r *reader) next() error {
	var sealed []byte
	err := r.view(r.ctx, func(tx *db.Tx) error {
		return tx.QueryRow(r.ctx, `SELECT data FROM exchange_chunk WHERE file = ? AND n = ?`, r.file.Number, r.n).Scan(&sealed)
	})
	if err != nil {
		return err
	}
	plain, err := r.store.sealer.Open(purpose(r.file.Number, r.n), sealed)
	if err != nil {
		return err
	}
	r.chunk = []byte(plain)
	if r.left -= int64(len(r.chunk)); len(r.chunk) == 0 || r.left < 0 {
		return errors.New("its size is not that of when it was stored")
	}
	r.digest.Write(r.chunk)
	r.n++
	return nil
}
