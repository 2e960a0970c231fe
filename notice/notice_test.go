package notice

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
)

func TestBoard(t *testing.T) {
	store, ctx := dbtest.Open(t), t.Context()
	clock := time.Date(2025, 6, 24, 10, 0, 0, 0, time.UTC)
	now := func() time.Time { return clock }
	b, other := New(store, now, slog.Default()), New(store, now, slog.Default()) // of another process
	do := func(f func(context.Context, *db.Tx) error) error {
		return store.Update(ctx, func(tx *db.Tx) error { return f(ctx, tx) })
	}
	if got := other.Text(); got != "" {
		t.Errorf("%q", got)
	}
	for field, x := range map[string]struct {
		text        string
		from, until time.Duration
	}{"text": {" ", 0, time.Hour}, "until": {"维护", time.Hour, 0}, "until ": {"维护", -2 * time.Hour, -time.Hour}, "until  ": {"维护", 0, 40 * 24 * time.Hour}, "text ": {strings.Repeat("长", MaxText+1), 0, time.Hour}} {
		var e *Error
		err := do(func(ctx context.Context, tx *db.Tx) error {
			return b.Set(ctx, tx, x.text, clock.Add(x.from), clock.Add(x.until), "guanli")
		})
		if !errors.As(err, &e) || e.Field != strings.TrimSpace(field) {
			t.Errorf("%+v: %v", x, err)
		}
	}
	if err := do(func(ctx context.Context, tx *db.Tx) error {
		return b.Set(ctx, tx, "今晚\n维护", clock.Add(time.Hour), clock.Add(2*time.Hour), "guanli")
	}); err != nil {
		t.Fatal(err)
	}
	if got := b.Text(); got != "" {
		t.Errorf("before its time: %q", got)
	}
	clock = clock.Add(time.Hour)
	if got := b.Text(); got != "今晚 维护" {
		t.Errorf("%q", got)
	}
	if got := other.Text(); got != "今晚 维护" {
		t.Errorf("elsewhere: %q", got)
	}
	var all []Notice
	if err := do(func(ctx context.Context, tx *db.Tx) (err error) { all, err = b.List(ctx, tx); return err }); err != nil || len(all) != 1 || all[0].Stands(clock) != "显示中" {
		t.Fatalf("%+v %v", all, err)
	}
	end := func(ctx context.Context, tx *db.Tx) error { return b.End(ctx, tx, all[0].ID, "guanli2") }
	if err := do(end); err != nil {
		t.Fatal(err)
	}
	if got := b.Text(); got != "" {
		t.Errorf("after it was ended: %q", got)
	}
	if got := other.Text(); got != "今晚 维护" {
		t.Errorf("elsewhere it is read every few seconds only, yet it is %q", got)
	}
	clock = clock.Add(fresh)
	if got := other.Text(); got != "" {
		t.Errorf("elsewhere, a few seconds later: %q", got)
	}
	var e *Error
	if err := do(end); !errors.As(err, &e) {
		t.Errorf("ended twice: %v", err)
	}
	if err := do(func(ctx context.Context, tx *db.Tx) error {
		for _, who := range []string{"guanli", "guanli2"} {
			if rows, err := audit.List(ctx, tx, who, 0, 10); err != nil || len(rows) != 1 {
				t.Errorf("%s: %v %v", who, rows, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestMain(m *testing.M) { dbtest.Main(m) }
