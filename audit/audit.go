// Package audit is the append-only record of who did and saw what (审计记录).
// Records stand in chains, one for each person and each other actor, so that no
// two settlements of different people wait for each other. Each record's SM3
// digest covers that of the one before in its chain, and the chain's head says
// how many there are, so that a change, a gap or a missing end shows.
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
	// Chain is the chain that the record is added to; "" is the actor's own.
	// What happens to a person stands in OfPerson.
	Chain string
}

// OfPerson is the chain of what happens to a person.
func OfPerson(person string) string { return "person:" + person }

// head is how a chain ends.
type head struct {
	seq  int64
	hash []byte
	mark int
}

type headKey string

// Expect makes ready to append to a chain: it reads the chain's head together
// with what else the transaction reads. Append does without, for one more
// question to the database.
func Expect(ctx context.Context, tx *db.Tx, chain string) error {
	h := &head{hash: []byte{}, mark: tx.Mark()}
	tx.Keep(headKey(chain), h)
	return tx.Later(ctx, func(rows *db.Rows) error { return rows.Scan(&h.seq, &h.hash) },
		`SELECT seq, hash FROM audit_head WHERE chain = ?`+db.ForUpdate, chain)
}

// Append adds a record in the caller's transaction.
func Append(ctx context.Context, tx *db.Tx, r Record) error {
	details, err := json.Marshal(r.Details)
	if err != nil {
		return err
	}
	if r.Chain == "" {
		r.Chain = r.Actor
	}
	h, ok := tx.Kept(headKey(r.Chain)).(*head)
	if !ok {
		if err := Expect(ctx, tx, r.Chain); err != nil {
			return err
		}
		h = tx.Kept(headKey(r.Chain)).(*head)
	}
	if err := tx.Await(ctx, h.mark); err != nil {
		return err
	}
	h.seq++
	at := r.At.UTC().Format(time.RFC3339Nano)
	h.hash = link(r.Chain, h.seq, at, r.Actor, r.Action, r.Subject, string(details), h.hash)
	if err := tx.Exec(ctx, `INSERT INTO audit (chain, seq, at, actor, action, subject, details, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		r.Chain, h.seq, at, r.Actor, r.Action, r.Subject, string(details), h.hash); err != nil {
		return err
	}
	if h.seq == 1 {
		return tx.Exec(ctx, `INSERT INTO audit_head (chain, seq, hash) VALUES (?, ?, ?)`, r.Chain, h.seq, h.hash)
	}
	return tx.Exec(ctx, `UPDATE audit_head SET seq = ?, hash = ? WHERE chain = ?`, h.seq, h.hash, r.Chain)
}

// link is the digest of a record that follows one with the digest previous.
func link(chain string, seq int64, at, actor, action, subject, details string, previous []byte) []byte {
	var b bytes.Buffer
	for _, s := range []string{chain, strconv.FormatInt(seq, 10), at, actor, action, subject, details} {
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(':')
		b.WriteString(s)
	}
	return gm.Digest(b.Bytes(), previous)
}

// Verify walks all chains and names the first place where one is broken.
func Verify(ctx context.Context, tx *db.Tx) error {
	chain, last := "", head{hash: []byte{}}
	ends := map[string]head{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var name, at, actor, action, subject, details string
		var seq int64
		var hash []byte
		if err := rows.Scan(&name, &seq, &at, &actor, &action, &subject, &details, &hash); err != nil {
			return err
		}
		if name != chain {
			chain, last = name, head{hash: []byte{}}
		}
		switch {
		case seq != last.seq+1:
			return fmt.Errorf("audit: record %d of %s is missing", last.seq+1, name)
		case !bytes.Equal(hash, link(name, seq, at, actor, action, subject, details, last.hash)):
			return fmt.Errorf("audit: record %d of %s was changed, or the one before it", seq, name)
		}
		last = head{seq: seq, hash: hash}
		ends[name] = last
		return nil
	}, `SELECT chain, seq, at, actor, action, subject, details, hash FROM audit ORDER BY chain, seq`)
	if err != nil {
		return err
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var name string
		var h head
		if err := rows.Scan(&name, &h.seq, &h.hash); err != nil {
			return err
		}
		if end := ends[name]; end.seq != h.seq || !bytes.Equal(end.hash, h.hash) {
			return fmt.Errorf("audit: %s ends with record %d, its head says %d", name, end.seq, h.seq)
		}
		delete(ends, name)
		return nil
	}, `SELECT chain, seq, hash FROM audit_head ORDER BY chain`)
	if err != nil {
		return err
	}
	for name := range ends {
		return fmt.Errorf("audit: %s has records and no head", name)
	}
	return nil
}

// Entry is a record as it is kept.
type Entry struct {
	Seq                    int64
	At                     time.Time
	Actor, Action, Subject string
	Details                string // as JSON
}

// List lists the records of a chain, the latest first.
func List(ctx context.Context, tx *db.Tx, chain string, offset, limit int) (out []Entry, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var e Entry
		var at string
		err := rows.Scan(&e.Seq, &at, &e.Actor, &e.Action, &e.Subject, &e.Details)
		if err == nil {
			e.At, err = time.Parse(time.RFC3339Nano, at)
		}
		out = append(out, e)
		return err
	}, `SELECT seq, at, actor, action, subject, details FROM audit WHERE chain = ? ORDER BY seq DESC LIMIT ? OFFSET ?`, chain, limit, offset)
	return out, err
}
