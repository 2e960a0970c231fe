// Package outbox keeps messages to people's phones (短信) until they are sent. A
// message is written in the transaction of what it tells about, so that there is
// none without the other; it is sent afterwards, at least once.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
)

// Message is one message.
type Message struct {
	ID    int64 // a sender that got it before does not send it again
	Phone string
	Text  string
	Made  time.Time
	Sent  time.Time // zero: not yet
	Tries int
}

// Sender is a way to send messages (短信通道).
type Sender interface {
	Send(ctx context.Context, m Message) error
}

const sealed = "outbox"

// purpose binds a sealed message to its number.
func purpose(id int64) string { return fmt.Sprintf("%s.%d", sealed, id) }

// Put writes a message to be sent.
func Put(ctx context.Context, tx *db.Tx, sealer *gm.Sealer, m Message) error {
	m.ID = db.NextID()
	body, err := json.Marshal([2]string{m.Phone, m.Text})
	if err != nil {
		return err
	}
	return tx.Exec(ctx, `INSERT INTO message (id, phone_digest, body, made_ms, sent_ms, tries) VALUES (?, ?, ?, ?, 0, 0)`,
		m.ID, sealer.Index(sealed, m.Phone), sealer.Seal(purpose(m.ID), string(body)), m.Made.UnixMilli())
}

// Latest lists the last n messages to a phone, newest first; of all phones if
// it is "".
func Latest(ctx context.Context, tx *db.Tx, sealer *gm.Sealer, phone string, n int) ([]Message, error) {
	where, args := "", []any{}
	if phone != "" {
		where, args = " WHERE phone_digest = ?", append(args, sealer.Index(sealed, phone))
	}
	return read(ctx, tx, sealer, where+` ORDER BY id DESC LIMIT ?`, append(args, n)...)
}

func read(ctx context.Context, tx *db.Tx, sealer *gm.Sealer, where string, args ...any) ([]Message, error) {
	var out []Message
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var m Message
		var body []byte
		var made, sent int64
		if err := rows.Scan(&m.ID, &body, &made, &sent, &m.Tries); err != nil {
			return err
		}
		text, err := sealer.Open(purpose(m.ID), body)
		if err != nil {
			return fmt.Errorf("message %d: %w", m.ID, err)
		}
		var parts [2]string
		if err := json.Unmarshal([]byte(text), &parts); err != nil {
			return fmt.Errorf("message %d: %w", m.ID, err)
		}
		m.Phone, m.Text, m.Made = parts[0], parts[1], time.UnixMilli(made)
		if sent != 0 {
			m.Sent = time.UnixMilli(sent)
		}
		out = append(out, m)
		return nil
	}, `SELECT id, body, made_ms, sent_ms, tries FROM message`+where, args...)
	return out, err
}

// Most is how often sending a message is tried.
const Most = 5

// Deliver sends what waits, at most n messages, and says how many were sent.
// What a sender refuses is tried again by the next call, up to Most times.
func Deliver(ctx context.Context, d *db.DB, sealer *gm.Sealer, s Sender, now func() time.Time, n int) (sent int, err error) {
	var all []Message
	if err := d.View(ctx, func(tx *db.Tx) (err error) {
		all, err = read(ctx, tx, sealer, ` WHERE sent_ms = 0 AND tries < ? ORDER BY id LIMIT ?`, Most, n)
		return err
	}); err != nil {
		return 0, err
	}
	var failed error
	for _, m := range all {
		at := int64(0)
		if e := s.Send(ctx, m); e != nil {
			failed = errors.Join(failed, fmt.Errorf("message %d: %w", m.ID, e))
		} else {
			at = now().UnixMilli()
			sent++
		}
		if err := d.Update(ctx, func(tx *db.Tx) error {
			return tx.Exec(ctx, `UPDATE message SET sent_ms = ?, tries = tries + 1 WHERE id = ?`, at, m.ID)
		}); err != nil {
			return sent, errors.Join(failed, err)
		}
	}
	return sent, failed
}

// Prune removes messages made before a time: their texts are nobody's business
// for longer.
func Prune(ctx context.Context, tx *db.Tx, before time.Time) error {
	return tx.Exec(ctx, `DELETE FROM message WHERE made_ms < ?`, before.UnixMilli())
}
