package rulebook

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// the last step of a version says how it stands.
const (
	columns = `v.id, v.region, v.name, v.version, v.from_day, v.to_day, v.digest, s.state`
	tables  = `package_version v JOIN package_step s ON s.package = v.id AND s.n = (SELECT MAX(n) FROM package_step WHERE package = v.id)`
)

func (v *Version) columns() []any {
	return []any{&v.ID, &v.Region, &v.Name, &v.Version, &v.From, &v.To, &v.Digest, &v.State}
}

// Get finds a version with its steps; ok is false if there is none.
func Get(ctx context.Context, tx *db.Tx, id string) (v *Version, ok bool, err error) {
	v = &Version{}
	err = tx.QueryRow(ctx, `SELECT `+columns+`, v.text, v.cases FROM `+tables+` WHERE v.id = ?`, id).Scan(append(v.columns(), &v.Text, &v.Cases)...)
	if db.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return v, true, tx.Each(ctx, func(rows *db.Rows) error {
		var s Step
		var at string
		err := rows.Scan(&s.State, &at, &s.Actor, &s.Reason)
		if err == nil {
			s.At, err = time.Parse(time.RFC3339, at)
		}
		v.Steps = append(v.Steps, s)
		return err
	}, `SELECT state, at, actor, reason FROM package_step WHERE package = ? ORDER BY n`, id)
}

// List lists the versions that were uploaded for a region, "" for all, by region
// and first day, without texts and steps.
func List(ctx context.Context, tx *db.Tx, region string) (all []*Version, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		v := &Version{}
		err := rows.Scan(v.columns()...)
		all = append(all, v)
		return err
	}, `SELECT `+columns+` FROM `+tables+` WHERE ? IN ('', v.region) ORDER BY v.region, v.from_day, v.id`, region)
	return all, err
}

// Waiting is how many versions of a region, "" for all, wait for a second person.
func Waiting(ctx context.Context, tx *db.Tx, region string) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM `+tables+` WHERE s.state IN (?, ?) AND ? IN ('', v.region)`, string(Submitted), string(Withdrawing), region).Scan(&n)
	return n, err
}

// issued are the files of the versions that are issued, but for one.
func issued(ctx context.Context, tx *db.Tx, without string) (files []policy.File, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var v Version
		err := rows.Scan(append(v.columns(), &v.Text)...)
		files = append(files, v.File())
		return err
	}, `SELECT `+columns+`, v.text FROM `+tables+` WHERE s.state IN (?, ?) AND v.id <> ? ORDER BY v.region, v.from_day, v.id`, string(Issued), string(Withdrawing), without)
	return files, err
}

// Adopt puts the issued versions into a store of packages, and says as of which
// change (see Refresh).
func Adopt(ctx context.Context, tx *db.Tx, store *policy.Store) (n int64, err error) {
	if n, err = changes(ctx, tx); err != nil {
		return 0, err
	}
	files, err := issued(ctx, tx, "")
	if err != nil {
		return 0, err
	}
	if err := store.Adopt(files...); err != nil {
		return 0, fmt.Errorf("the packages that were issued here cannot be read: %w", err)
	}
	return n, nil
}

func changes(ctx context.Context, tx *db.Tx) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT n FROM package_issue WHERE id = 1`).Scan(&n)
	return n, err
}

// seen is as of which change the store of packages is.
type seen struct {
	sync.Mutex
	n int64
}

// Refresh brings the packages up to date with what was issued and withdrawn, by
// this process or another. If nothing was, it costs one question.
func (s *Service) Refresh(ctx context.Context, store *db.DB) error {
	s.seen.Lock()
	defer s.seen.Unlock()
	return store.View(ctx, func(tx *db.Tx) error {
		n, err := changes(ctx, tx)
		if err != nil || n == s.seen.n {
			return err
		}
		if n, err = Adopt(ctx, tx, s.store); err == nil {
			s.seen.n = n
		}
		return err
	})
}

// Verify proves that what is kept of versions is what was uploaded, and that two
// persons issued and withdrew.
func Verify(ctx context.Context, tx *db.Tx) error {
	all, err := List(ctx, tx, "")
	if err != nil {
		return err
	}
	for _, x := range all {
		v, _, err := Get(ctx, tx, x.ID)
		switch {
		case err != nil:
			return err
		case !bytes.Equal(v.Digest, digest(v.Text, v.Cases)):
			return fmt.Errorf("package %s is not what was uploaded: its digest is not %s", v.ID, hex.EncodeToString(v.Digest))
		case v.State == Issued && !v.bothIssued(), v.State == Withdrawn && v.last(Withdrawing) == v.last(Withdrawn):
			return fmt.Errorf("package %s is %s by one person", v.ID, v.State)
		}
	}
	return nil
}

// bothIssued reports whether one person uploaded and another issued the version
// first.
func (v *Version) bothIssued() bool {
	for _, s := range v.Steps {
		if s.State == Issued {
			return s.Actor != v.Uploader()
		}
	}
	return false
}
