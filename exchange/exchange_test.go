package exchange

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/gm"
)

func open(t *testing.T) (*db.DB, *Store) {
	t.Helper()
	d := dbtest.Open(t)
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	return d, New(sealer)
}

var noon = time.Date(2025, 6, 20, 12, 0, 0, 0, time.UTC)

func put(t *testing.T, d *db.DB, s *Store, f File, content []byte) File {
	t.Helper()
	if f.At.IsZero() {
		f.At = noon
	}
	err := d.Update(context.Background(), func(tx *db.Tx) (err error) {
		f, err = s.Put(context.Background(), tx, f, bytes.NewReader(content), "tester")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPutAndOpen(t *testing.T) {
	ctx := context.Background()
	d, s := open(t)
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 5} {
		content := bytes.Repeat([]byte("0123456789a"), size/11+1)[:size]
		f := put(t, d, s, File{Owner: "H1", Name: "x", Expires: 20250630}, content)
		if len(f.Number) != 30 || f.Size != int64(size) || !bytes.Equal(f.Digest, gm.Digest(content)) {
			t.Errorf("%d bytes: %+v", size, f)
		}
		var got File
		if err := d.View(ctx, func(tx *db.Tx) (err error) { got, err = s.Get(ctx, tx, f.Number, "H1", 20250630); return err }); err != nil {
			t.Fatal(err)
		}
		back, err := io.ReadAll(s.Open(ctx, got, d.View))
		if err != nil || !bytes.Equal(back, content) || got.Name != "x" || !got.At.Equal(noon) {
			t.Errorf("%d bytes: %d come back, %+v, %v", size, len(back), got, err)
		}
	}
	// What lies in the store does not say what is in the file.
	err := d.View(ctx, func(tx *db.Tx) error {
		if err := audit.Verify(ctx, tx); err != nil {
			return err
		}
		return tx.Each(ctx, func(rows *db.Rows) error {
			var b []byte
			err := rows.Scan(&b)
			if bytes.Contains(b, []byte("0123456789a")) {
				t.Error("a piece lies open")
			}
			return err
		}, `SELECT data FROM exchange_chunk`)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhoAndWhen(t *testing.T) {
	ctx := context.Background()
	d, s := open(t)
	mine := put(t, d, s, File{Owner: "H1", Name: "mine", Expires: 20250630}, []byte("a"))
	all := put(t, d, s, File{Owner: Everyone, Name: "all", Expires: 20250630}, []byte("b"))
	var expired *ExpiredError
	err := d.View(ctx, func(tx *db.Tx) error {
		for _, x := range []struct {
			number, provider string
			on               civil.Date
			ok               func(error) bool
		}{
			{mine.Number, "H1", 20250630, func(err error) bool { return err == nil }},
			{mine.Number, "H2", 20250630, func(err error) bool { return errors.Is(err, ErrNotFound) }},
			{mine.Number, "", 20250630, func(err error) bool { return errors.Is(err, ErrNotFound) }},
			{all.Number, "H2", 20250630, func(err error) bool { return err == nil }},
			{all.Number, "H2", 20250701, func(err error) bool { return errors.As(err, &expired) && expired.Expires == 20250630 }},
			{"", "H1", 20250630, func(err error) bool { return errors.Is(err, ErrNotFound) }},
		} {
			if _, err := s.Get(ctx, tx, x.number, x.provider, x.on); !x.ok(err) {
				t.Errorf("%+v: %v", x, err)
			}
		}
		for name, want := range map[string]bool{"all": true, "mine": false} {
			if _, ok, err := s.Named(ctx, tx, Everyone, name, 20250630); ok != want || err != nil {
				t.Errorf("%s: %t, %v", name, ok, err)
			}
		}
		if _, ok, err := s.Named(ctx, tx, Everyone, "all", 20250701); ok || err != nil {
			t.Errorf("an expired file is given: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// endless gives bytes for ever, and then fails if it is asked to.
type endless struct {
	left int64
	err  error
}

func (e *endless) Read(b []byte) (int, error) {
	if e.left <= 0 && e.err != nil {
		return 0, e.err
	}
	e.left -= int64(len(b))
	return len(b), nil
}

// What cannot be stored whole leaves nothing.
func TestPutFails(t *testing.T) {
	ctx := context.Background()
	d, s := open(t)
	broken := errors.New("the line is broken")
	for _, want := range []error{broken, ErrTooLarge} {
		from := &endless{left: 2 * chunkSize}
		if want == broken {
			from.err = broken
		}
		err := d.Update(ctx, func(tx *db.Tx) error {
			_, err := s.Put(ctx, tx, File{Owner: "H1", Name: "x", At: noon, Expires: 20250630}, from, "tester")
			return err
		})
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	for _, table := range []string{"exchange_file", "exchange_chunk", "audit"} {
		if n := count(t, d, table); n != 0 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
}

func count(t *testing.T, d *db.DB, table string) (n int) {
	t.Helper()
	if err := d.View(context.Background(), func(tx *db.Tx) error {
		return tx.QueryRow(context.Background(), `SELECT COUNT(*) FROM `+table).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// A piece that was changed, put elsewhere or taken away is found.
func TestTampering(t *testing.T) {
	ctx := context.Background()
	content := bytes.Repeat([]byte{7}, 2*chunkSize)
	for name, query := range map[string]string{
		"changed":  `UPDATE exchange_chunk SET data = digest FROM exchange_file WHERE n = 1`,
		"gone":     `DELETE FROM exchange_chunk WHERE n = 1`,
		"repeated": `UPDATE exchange_chunk SET data = (SELECT data FROM exchange_chunk AS c WHERE c.n = 0) WHERE n = 1`,
		"digest":   `UPDATE exchange_file SET digest = (SELECT data FROM exchange_chunk WHERE n = 0)`,
		"shorter":  `UPDATE exchange_file SET size = 5`,
	} {
		d, s := open(t)
		f := put(t, d, s, File{Owner: "H1", Name: "x", Expires: 20250630}, content)
		err := d.Update(ctx, func(tx *db.Tx) (err error) {
			if err := tx.Exec(ctx, query); err != nil {
				return err
			}
			f, err = s.Get(ctx, tx, f.Number, "H1", 20250620)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(s.Open(ctx, f, d.View)); err == nil || !strings.Contains(err.Error(), f.Number) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExpiredAreRemoved(t *testing.T) {
	d, s := open(t)
	for range removals + 3 {
		put(t, d, s, File{Owner: "H1", Name: "old", Expires: 20250620}, []byte("a"))
	}
	put(t, d, s, File{Owner: "H1", Name: "day after", At: noon.AddDate(0, 0, 1), Expires: 20250701}, []byte("b"))
	if n := count(t, d, "exchange_file"); n != removals+4 {
		t.Errorf("the day after: %d files", n)
	}
	for i, want := range []int{5, 3, 4} {
		put(t, d, s, File{Owner: "H1", Name: "later", At: noon.AddDate(0, 0, 2), Expires: 20250701}, nil)
		if n := count(t, d, "exchange_file"); n != want {
			t.Errorf("file %d: %d files, want %d", i, n, want)
		}
	}
	if n := count(t, d, "exchange_chunk"); n != 1 {
		t.Errorf("%d pieces, want 1", n)
	}
}

func TestMain(m *testing.M) { dbtest.Main(m) }
