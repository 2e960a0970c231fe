// Package notice holds what stands on all pages for some time, such as that the
// platform will be maintained (维护公告). An administrator sets it; who did is on
// record. Pages ask for it all the time, so that it is read every few seconds only:
// a notice may be that late.
package notice

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
)

// Notice is one notice. It stands from From until Until.
type Notice struct {
	ID          string
	Text        string
	From, Until time.Time
	By          string // who set it
	EndedBy     string // who ended it before its time, "" if nobody did
}

// Bounds of a notice.
const (
	MaxText = 200 // characters
	Longest = 31 * 24 * time.Hour
	fresh   = 5 * time.Second // how old what is shown may be
)

// Error is a fault of the request: which field, what it holds, what is allowed.
type Error struct{ Field, Value, Want string }

func (e *Error) Error() string { return e.Field + "「" + e.Value + "」：" + e.Want }

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// Board is where notices stand.
type Board struct {
	store *db.DB
	now   func() time.Time
	log   *slog.Logger

	mu   sync.Mutex
	read time.Time
	all  []Notice // that have not ended, as of read
}

// New returns a board. now nil is time.Now.
func New(store *db.DB, now func() time.Time, log *slog.Logger) *Board {
	if now == nil {
		now = time.Now
	}
	return &Board{store: store, now: now, log: log}
}

// Text is what stands now, "" for nothing. It is for pages, which go without it
// when it cannot be read.
func (b *Board) Text() string {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if age := now.Sub(b.read); b.read.IsZero() || age >= fresh || age < 0 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var all []Notice
		if err := b.store.View(ctx, func(tx *db.Tx) (err error) {
			all, err = list(ctx, tx, `WHERE until_ms > ? ORDER BY from_ms, id LIMIT 20`, now.UnixMilli())
			return err
		}); err != nil {
			b.log.Error("notice: not read", "error", err)
		} else {
			b.all = all
		}
		b.read = now
	}
	var texts []string
	for _, n := range b.all {
		if !now.Before(n.From) && now.Before(n.Until) {
			texts = append(texts, n.Text)
		}
	}
	return strings.Join(texts, " ")
}

// Set makes a notice stand between two moments.
func (b *Board) Set(ctx context.Context, tx *db.Tx, text string, from, until time.Time, actor string) error {
	text = strings.Join(strings.Fields(text), " ")
	n, now := utf8.RuneCountInString(text), b.now()
	switch {
	case n == 0:
		return &Error{"text", "", "请写公告内容"}
	case n > MaxText:
		return &Error{"text", "", "公告至多 " + strconv.Itoa(MaxText) + " 个字，现有 " + strconv.Itoa(n)}
	case !until.After(from):
		return &Error{"until", "", "结束时间应在开始时间之后"}
	case !until.After(now):
		return &Error{"until", "", "结束时间已经过去"}
	case until.Sub(from) > Longest:
		return &Error{"until", "", "公告最长显示 31 天"}
	}
	id := strconv.FormatInt(db.NextID(), 10)
	if err := tx.Exec(ctx, `INSERT INTO notice (id, text, from_ms, until_ms, made_by, ended_by) VALUES (?, ?, ?, ?, ?, '')`, id, text, from.UnixMilli(), until.UnixMilli(), actor); err != nil {
		return err
	}
	b.forget()
	return audit.Append(ctx, tx, audit.Record{At: now, Actor: actor, Action: "notice.set", Subject: id, Details: map[string]string{"text": text, "from": stamp(from), "until": stamp(until)}})
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// End takes a notice down before its time.
func (b *Board) End(ctx context.Context, tx *db.Tx, id, actor string) error {
	now := b.now()
	n, err := tx.ExecCount(ctx, `UPDATE notice SET until_ms = ?, ended_by = ? WHERE id = ? AND until_ms > ?`, now.UnixMilli(), actor, id, now.UnixMilli())
	if err != nil {
		return err
	}
	if n == 0 {
		return &Error{"id", id, "没有这个公告，或已经结束"}
	}
	b.forget()
	return audit.Append(ctx, tx, audit.Record{At: now, Actor: actor, Action: "notice.end", Subject: id})
}

// forget makes the next page read the notices again, in this process.
func (b *Board) forget() {
	b.mu.Lock()
	b.read = time.Time{}
	b.mu.Unlock()
}

// List lists the last notices, newest first.
func (b *Board) List(ctx context.Context, tx *db.Tx) ([]Notice, error) {
	return list(ctx, tx, `ORDER BY until_ms DESC, id DESC LIMIT 50`)
}

// Stands says whether a notice stands, will stand, or is over, in Chinese.
func (n Notice) Stands(now time.Time) string {
	switch {
	case now.Before(n.From):
		return "未开始"
	case now.Before(n.Until):
		return "显示中"
	}
	return "已结束"
}

func list(ctx context.Context, tx *db.Tx, where string, args ...any) (out []Notice, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var n Notice
		var from, until int64
		err := rows.Scan(&n.ID, &n.Text, &from, &until, &n.By, &n.EndedBy)
		n.From, n.Until = time.UnixMilli(from), time.UnixMilli(until)
		out = append(out, n)
		return err
	}, `SELECT id, text, from_ms, until_ms, made_by, ended_by FROM notice `+where, args...)
	return out, err
}
