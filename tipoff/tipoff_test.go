package tipoff

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

type world struct {
	*testing.T
	ctx context.Context
	db  *db.DB
	*Service
	clock time.Time
}

func open(t *testing.T) *world {
	t.Helper()
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := gm.NewSealer([]byte(strings.Repeat("k", 48)))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: t.Context(), db: dbtest.Open(t), clock: time.Date(2025, 6, 24, 10, 0, 0, 0, time.UTC)}
	w.Service = New(store, sealer, func() time.Time { return w.clock })
	w.do(func(tx *db.Tx) error {
		return provider.Add(w.ctx, tx, provider.Provider{Code: "H99010000101", Name: "示例医院", Region: "990100", Level: policy.Level3, Designated: true})
	})
	return w
}

func (w *world) do(f func(*db.Tx) error) {
	w.Helper()
	if err := w.db.Update(w.ctx, f); err != nil {
		w.Fatal(err)
	}
}

// refused wants an error about a field.
func (w *world) refused(field string, f func(*db.Tx) error) {
	w.Helper()
	var e *Error
	if err := w.db.Update(w.ctx, f); !errors.As(err, &e) || e.Field != field {
		w.Errorf("%v, want a fault of %s", err, field)
	}
}

func entry() Entry {
	return Entry{Region: "990100", Channel: Online, Behaviour: "H6", About: Provider, Subject: "示例医院", Text: "六月里多人挂床，白天不在病房。", Code: NewCode()}
}

func (w *world) enter(q Entry) (t *TipOff) {
	w.Helper()
	w.do(func(tx *db.Tx) (err error) {
		t, err = w.Enter(w.ctx, tx, q)
		return err
	})
	return t
}

func TestSeventeen(t *testing.T) {
	n, seen := 0, map[string]bool{}
	for _, g := range Behaviours() {
		for _, b := range g.Behaviours {
			if seen[b.Code] || b.Title == "" {
				t.Errorf("%s", b.Code)
			}
			seen[b.Code] = true
			if b.Code != Other {
				n++
			}
		}
	}
	if n != 17 || !seen[Other] || !strings.Contains(Ground, "举报奖励") {
		t.Errorf("%d behaviours of %s", n, Ground)
	}
}

func TestReward(t *testing.T) {
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		recovered, want string
	}{{"5000000", "100000.00"}, {"1000000", "20000.00"}, {"0", "0.00"}, {"5000000.01", "100000.00"}, {"0.25", "0.01"}} {
		a, err := money.Parse(x.recovered)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Reward(store, "990100", 20250624, a)
		if err != nil || !r.Known || r.Amount.String() != x.want || a > 0 && len(r.Sources) == 0 {
			t.Errorf("%s: %+v, %v, want %s", x.recovered, r, err, x.want)
		}
	}
	if r, err := Reward(store, "310000", 20250624, 100); err != nil || r.Known || r.Why == "" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestEnterRefuses(t *testing.T) {
	w := open(t)
	for field, change := range map[string]func(*Entry){
		"channel": func(q *Entry) { q.Channel = "pigeon" }, "behaviour": func(q *Entry) { q.Behaviour = "Z9" }, "about": func(q *Entry) { q.About = "" },
		"provider": func(q *Entry) { q.Provider = "H00000000000" }, "subject": func(q *Entry) { q.Subject = " " }, "text": func(q *Entry) { q.Text = "短" },
		"happened": func(q *Entry) { q.Happened = 20990101 }, "region": func(q *Entry) { q.Region = "123456" }, "code": func(q *Entry) { q.Code = "1" },
		"name": func(q *Entry) { q.Reporter = &Reporter{} }, "phone": func(q *Entry) { q.Reporter = &Reporter{"张三", "x"} },
	} {
		q := entry()
		change(&q)
		w.refused(field, func(tx *db.Tx) error { _, err := w.Enter(w.ctx, tx, q); return err })
	}
	q := entry()
	q.Channel = Phone // needs who wrote it down
	w.refused("channel", func(tx *db.Tx) error { _, err := w.Enter(w.ctx, tx, q); return err })
	q = entry()
	q.Text = strings.Repeat("长", MaxText+1)
	w.refused("text", func(tx *db.Tx) error { _, err := w.Enter(w.ctx, tx, q); return err })
}

// TestWay goes the way of a tip-off from being told to being closed, by people who
// may not do each other's part.
func TestWay(t *testing.T) {
	w := open(t)
	q := entry()
	q.Channel, q.Actor, q.Provider, q.Subject, q.Happened = Phone, "shouli", "H99010000101", "", 20250601
	q.Reporter = &Reporter{"张三", "13800000001"}
	a := w.enter(q)
	if a.Subject != "示例医院" || a.Due != 20250715 || a.Anonymous { // 15 working days
		t.Errorf("%+v", a)
	}
	if again := w.enter(q); again.ID != a.ID {
		t.Errorf("sent again it is %s, not %s", again.ID, a.ID)
	}
	w.refused("actor", func(tx *db.Tx) error { _, err := w.Decide(w.ctx, tx, a.ID, true, "", "shouli"); return err })
	w.refused("reason", func(tx *db.Tx) error { _, err := w.Decide(w.ctx, tx, a.ID, false, "", "jihe"); return err })
	w.refused("id", func(tx *db.Tx) error { _, err := w.Check(w.ctx, tx, a.ID, "查看病房", "jihe2"); return err })
	w.do(func(tx *db.Tx) (err error) { a, err = w.Decide(w.ctx, tx, a.ID, true, "", "jihe"); return err })
	if a.State != Accepted || a.Due != 20250805 {
		t.Errorf("%+v", a)
	}
	w.do(func(tx *db.Tx) (err error) {
		a, err = w.Check(w.ctx, tx, a.ID, "查看病房和护理记录", "jihe2")
		return err
	})
	w.refused("actor", func(tx *db.Tx) error {
		_, err := w.Close(w.ctx, tx, a.ID, Outcome{Founded: true, Recovered: 100, Reason: "查实挂床"}, "jihe")
		return err
	})
	w.refused("actor", func(tx *db.Tx) error {
		_, err := w.Close(w.ctx, tx, a.ID, Outcome{Founded: true, Recovered: 100, Reason: "查实挂床"}, "shouli")
		return err
	})
	w.refused("recovered", func(tx *db.Tx) error {
		_, err := w.Close(w.ctx, tx, a.ID, Outcome{Founded: true, Reason: "查实挂床"}, "jihe2")
		return err
	})
	w.refused("recovered", func(tx *db.Tx) error {
		_, err := w.Close(w.ctx, tx, a.ID, Outcome{Recovered: 1, Reason: "没有查实"}, "jihe2")
		return err
	})
	w.refused("reason", func(tx *db.Tx) error {
		_, err := w.Close(w.ctx, tx, a.ID, Outcome{Founded: true, Recovered: 1}, "jihe2")
		return err
	})
	w.do(func(tx *db.Tx) (err error) {
		a, err = w.Close(w.ctx, tx, a.ID, Outcome{Founded: true, Recovered: 100_000_000, Reason: "查实挂床住院"}, "jihe2")
		return err
	})
	if a.State != Founded || a.Reward != 2_000_000 || !a.RewardKnown || a.Due != 0 {
		t.Errorf("%+v", a)
	}
	w.refused("id", func(tx *db.Tx) error {
		_, err := w.Close(w.ctx, tx, a.ID, Outcome{Reason: "没有查实"}, "jihe2")
		return err
	})
	w.do(func(tx *db.Tx) error {
		got, err := w.Progress(w.ctx, tx, strings.ToLower(a.ID), strings.ToLower(q.Code[:4]+"-"+q.Code[4:]))
		if err != nil || got.State != Founded || len(got.Steps) != 4 || got.Steps[2].Told || !got.Steps[3].Told || got.Text != q.Text {
			t.Errorf("%+v, %v", got, err)
		}
		all, err := audit.List(w.ctx, tx, "tipoff:"+a.ID, 0, 10)
		if len(all) != 4 || strings.Contains(string(all[0].Details), "张三") {
			t.Errorf("%d records: %v", len(all), err)
		}
		return err
	})
	w.refused("code", func(tx *db.Tx) error { _, err := w.Progress(w.ctx, tx, a.ID, NewCode()); return err })
	w.refused("code", func(tx *db.Tx) error { _, err := w.Progress(w.ctx, tx, "JB1", q.Code); return err })
}

// TestReveal: who told of it is opened for a purpose, on record.
func TestReveal(t *testing.T) {
	w := open(t)
	q := entry()
	nameless := w.enter(q)
	q = entry()
	q.Reporter = &Reporter{"张三", "13800000001"}
	named := w.enter(q)
	w.refused("purpose", func(tx *db.Tx) error { _, err := w.Reveal(w.ctx, tx, named.ID, "jihe", "看"); return err })
	w.refused("id", func(tx *db.Tx) error { _, err := w.Reveal(w.ctx, tx, "JB0", "jihe", "核实情况"); return err })
	w.do(func(tx *db.Tx) error {
		r, err := w.Reveal(w.ctx, tx, named.ID, "jihe", "联系举报人核实")
		if err != nil || r == nil || *r != *q.Reporter {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := w.Reveal(w.ctx, tx, nameless.ID, "jihe", "联系举报人核实"); err != nil || r != nil {
			t.Errorf("%+v, %v", r, err)
		}
		all, err := audit.List(w.ctx, tx, "jihe", 0, 10)
		if len(all) != 2 || all[0].Action != "tipoff.reveal" {
			t.Errorf("%+v", all)
		}
		return err
	})
	// At rest nothing of what they told, nor of who they are, can be read.
	w.do(func(tx *db.Tx) error {
		return tx.Each(w.ctx, func(rows *db.Rows) error {
			var text, reporter, code []byte
			err := rows.Scan(&text, &reporter, &code)
			if strings.Contains(string(text), "挂床") || strings.Contains(string(reporter), "138") || strings.Contains(string(code), q.Code) {
				t.Error("something is kept in clear")
			}
			return err
		}, `SELECT text, reporter, code FROM tipoff`)
	})
}

func TestQueue(t *testing.T) {
	w := open(t)
	a := w.enter(entry())
	w.clock = w.clock.AddDate(0, 0, 2)
	b := w.enter(entry())
	q := entry()
	q.Region = "310000" // says no term
	c := w.enter(q)
	if c.Due != 0 {
		t.Errorf("due %s", c.Due)
	}
	w.do(func(tx *db.Tx) (err error) {
		_, err = w.Decide(w.ctx, tx, b.ID, false, "与医保无关", "jihe")
		return err
	})
	list := func(f Filter) (ids []string) {
		w.do(func(tx *db.Tx) error {
			f.Limit = 10
			all, err := w.Queue(w.ctx, tx, f)
			for _, x := range all {
				ids = append(ids, x.ID)
			}
			return err
		})
		return ids
	}
	if got := list(Filter{}); len(got) != 3 || got[0] != a.ID || got[1] != c.ID || got[2] != b.ID {
		t.Errorf("%q", got)
	}
	if got := list(Filter{Region: "990100", State: Entered}); len(got) != 1 || got[0] != a.ID {
		t.Errorf("%q", got)
	}
	if got := list(Filter{LateOn: 20250801}); len(got) != 1 || got[0] != a.ID {
		t.Errorf("%q", got)
	}
	w.do(func(tx *db.Tx) error {
		n, err := w.Counts(w.ctx, tx, "990100")
		if n[Entered] != 1 || n[Declined] != 1 {
			t.Errorf("%v", n)
		}
		return err
	})
	w.do(func(tx *db.Tx) error { // unknown region's reward is not known, an unfounded one earns nothing
		if _, err := w.Decide(w.ctx, tx, c.ID, true, "", "a"); err != nil {
			return err
		}
		x, err := w.Close(w.ctx, tx, c.ID, Outcome{Founded: true, Recovered: 100, Reason: "查实冒名"}, "b")
		if x.RewardKnown || x.Reward != 0 {
			t.Errorf("%+v", x)
		}
		if _, err := w.Decide(w.ctx, tx, a.ID, true, "", "a"); err != nil {
			return err
		}
		y, err2 := w.Close(w.ctx, tx, a.ID, Outcome{Reason: "没有查实"}, "b")
		if !y.RewardKnown || y.Reward != 0 || y.State != Unfounded {
			t.Errorf("%+v", y)
		}
		return errors.Join(err, err2)
	})
}

func TestMain(m *testing.M) { dbtest.Main(m) }
