// Package audit is the append-only record of who did and saw what. Each record
// holds the SM3 digest of the one before, so that a change anywhere shows.
package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
)

// Record is one thing done or seen. Details must hold nothing personal.
type Record struct {
	At      time.Time
	Actor   string // who, such as provider and operator
	Action  string // what, such as settle
	Subject string // on what, such as a settlement's id
	Details any
}

// Append adds a record in the caller's transaction.
func Append(ctx context.Context, tx *db.Tx, r Record) error {
	details, err := json.Marshal(r.Details)
	if err != nil {
		return err
	}
	var seq int64
	previous := []byte{}
	err = tx.QueryRow(ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&seq, &previous)
	if err != nil && !db.IsNotFound(err) {
		return err
	}
	seq++
	at := r.At.UTC().Format(time.RFC3339Nano)
	hash := chain(seq, at, r.Actor, r.Action, r.Subject, string(details), previous)
	return tx.Exec(ctx, `INSERT INTO audit (seq, at, actor, action, subject, details, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, at, r.Actor, r.Action, r.Subject, string(details), previous, hash)
}

func chain(seq int64, at, actor, action, subject, details string, previous []byte) []byte {
	var b bytes.Buffer
	for _, s := range []string{strconv.FormatInt(seq, 10), at, actor, action, subject, details} {
		fmt.Fprintf(&b, "%d:%s", len(s), s)
	}
	return gm.Digest(b.Bytes(), previous)
}

// Verify walks the whole record and names the first place where it is broken.
func Verify(ctx context.Context, tx *db.Tx) error {
	previous := []byte{}
	next := int64(1)
	return tx.Each(ctx, func(rows *db.Rows) error {
		var seq int64
		var at, actor, action, subject, details string
		var prev, hash []byte
		if err := rows.Scan(&seq, &at, &actor, &action, &subject, &details, &prev, &hash); err != nil {
			return err
		}
		switch {
		case seq != next:
			return fmt.Errorf("audit: record %d is missing", next)
		case !bytes.Equal(prev, previous):
			return fmt.Errorf("audit: record %d does not follow the one before", seq)
		case !bytes.Equal(hash, chain(seq, at, actor, action, subject, details, prev)):
			return fmt.Errorf("audit: record %d was changed", seq)
		}
		previous, next = hash, seq+1
		return nil
	}, `SELECT seq, at, actor, action, subject, details, previous, hash FROM audit ORDER BY seq`)
}
