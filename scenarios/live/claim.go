package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
)

// claimStep is a person's application for reimbursement (手工报销). What it is called
// in the story lets later steps name it; one that is there already is completed
// and submitted again.
type claimStep struct {
	Who      string   `yaml:"who"`
	As       string   `yaml:"as"`
	Reason   string   `yaml:"reason"`
	Kind     string   `yaml:"kind"`    // inpatient, the default, or outpatient, emergency
	Channel  string   `yaml:"channel"` // online, the default, or window
	Where    string   `yaml:"where"`
	From     string   `yaml:"from"`
	To       string   `yaml:"to"`
	Invoice  string   `yaml:"invoice"`  // its number
	Original string   `yaml:"original"` // of the lost one
	Amount   string   `yaml:"amount"`
	Cause    string   `yaml:"cause"`
	Papers   []string `yaml:"papers"`
}

// judgeStep is what officers do with a claim: they write down one line of its amount
// in a hospital, accept it, and review it twice; or give it back.
type judgeStep struct {
	Claim  string `yaml:"claim"`
	At     string `yaml:"at"`   // code of the hospital
	Item   string `yaml:"item"` // SVC990000001 is the default
	Return string `yaml:"return"`
	Refuse string `yaml:"refuse"` // why nothing is paid
}

// payoutStep pays what waits; Result is what the bank says.
type payoutStep struct {
	Result string `yaml:"result"` // 成功 or 失败
	Twice  bool   `yaml:"twice"`  // the answer comes twice
}

var bank = claim.Bank{Name: "示例银行", Account: "6222000011112222", Holder: "本人"}

func (w *World) claim(q *claimStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	f := claim.Form{Reason: q.Reason, Kind: policy.Inpatient, Where: q.Where, Bank: bank}
	for _, k := range claim.Kinds() {
		if k.String() == q.Kind {
			f.Kind = k
		}
	}
	for _, c := range policy.Causes() {
		if c.String() == q.Cause {
			f.Cause = c
		}
	}
	for _, x := range []struct {
		text string
		day  *civil.Date
	}{{q.From, &f.From}, {q.To, &f.To}} {
		if x.text == "" {
			continue
		}
		if *x.day, err = civil.Parse(x.text); err != nil {
			return err
		}
	}
	channel := claim.Online
	if q.Channel != "" {
		channel = q.Channel
	}
	id, again := w.claims[q.As]
	return w.update(func(tx *db.Tx) error {
		if !again {
			c, err := w.srv.Claims.Begin(w.ctx, tx, p.ID, channel, f, "本人")
			if err != nil {
				return err
			}
			id = c.ID
			amount, err := money.Parse(q.Amount)
			if err != nil {
				return err
			}
			if _, err := w.srv.Claims.SetInvoices(w.ctx, tx, id, p.ID, []claim.Invoice{{Code: "99060125", Number: q.Invoice, Original: q.Original, Day: max(f.From, f.To), Total: amount}}); err != nil {
				return err
			}
		}
		for _, label := range q.Papers {
			w.serial++
			clean, err := photograph(w.ctx, w.serial)
			if err != nil {
				return err
			}
			if _, err := w.srv.Papers.Put(w.ctx, tx, paper.Handed{Matter: id, Person: p.ID, Label: label, Name: label, Clean: clean, Actor: "本人"}); err != nil {
				return err
			}
		}
		c, err := w.srv.Claims.Submit(w.ctx, tx, id, p.ID, "本人")
		if err != nil {
			return err
		}
		w.claims[q.As] = id
		w.tell(c, got)
		return nil
	})
}

// photograph is a picture that is like no other.
func photograph(ctx context.Context, n int) (paper.Clean, error) {
	p := image.NewGray(image.Rect(0, 0, 60, 60))
	p.SetGray(n%60, n/60%60, color.Gray{255})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p, nil); err != nil {
		return paper.Clean{}, err
	}
	var c paper.Cleaner
	return c.Clean(ctx, b.Bytes())
}

func (w *World) tell(c *claim.Claim, got result) {
	got["state"], got["why"] = c.State.Title(), c.Why()
	if c.Due != 0 {
		got["due"] = c.Due.String()
	}
}

func (w *World) judge(q *judgeStep, got result) error {
	id, ok := w.claims[q.Claim]
	if !ok {
		return fmt.Errorf("no claim is called %q", q.Claim)
	}
	s := w.srv.Claims
	var c *claim.Claim
	do := func(f func(tx *db.Tx) (*claim.Claim, error)) error {
		return w.update(func(tx *db.Tx) (err error) {
			c, err = f(tx)
			return err
		})
	}
	if q.Return != "" {
		err := do(func(tx *db.Tx) (*claim.Claim, error) { return s.Return(w.ctx, tx, id, q.Return, "受理") })
		if err == nil {
			w.tell(c, got)
		}
		return err
	}
	item := q.Item
	if item == "" {
		item = "SVC990000001"
	}
	err := do(func(tx *db.Tx) (*claim.Claim, error) {
		c, ok, err := s.Get(w.ctx, tx, id)
		if err != nil || !ok {
			return nil, errors.Join(err, errors.New("the claim is gone"))
		}
		e := claim.Entry{Provider: q.At, Kind: c.Kind, From: c.From, To: c.To, Cause: c.Cause, Invoices: c.Invoices,
			Lines: []claim.Line{{Invoice: 1, Item: item, Name: "费用", Quantity: 10_000, Price: int64(c.Total) * 10_000}}}
		if _, err := s.Write(w.ctx, tx, id, e, "受理"); err != nil {
			return nil, err
		}
		return s.Accept(w.ctx, tx, id, "受理")
	})
	if err != nil {
		return err
	}
	proposal := claim.Pay
	if q.Refuse != "" {
		proposal = claim.Refuse
	}
	if err := do(func(tx *db.Tx) (*claim.Claim, error) { return s.Review(w.ctx, tx, id, proposal, q.Refuse, "初审") }); err != nil {
		return err
	}
	if err := do(func(tx *db.Tx) (*claim.Claim, error) { return s.Recheck(w.ctx, tx, id, true, "", "复核") }); err != nil {
		return err
	}
	w.tell(c, got)
	return w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		var total, funds money.Fen
		for _, st := range c.Settlements {
			x, _, err := w.srv.Settlement.Get(w.ctx, tx, st)
			if err != nil {
				return err
			}
			total, funds = total+x.Result.Total, funds+x.Result.FundTotal
			got["filing"], got["recourse"] = x.Case.Filing.Title(), fmt.Sprint(x.Result.Recourse)
		}
		got["total"], got["fund"] = total.String(), funds.String()
		return nil
	})
}

func (w *World) payout(q *payoutStep, got result) error {
	s := w.srv.Claims
	var b *claim.Batch
	if err := w.update(func(tx *db.Tx) error {
		made, ok, err := s.MakeBatch(w.ctx, tx, "990100", "财务甲")
		if err == nil && !ok {
			err = errors.New("没有待支付的申请")
		}
		b = made
		return err
	}); err != nil {
		return err
	}
	if err := w.update(func(tx *db.Tx) error { _, err := s.Release(w.ctx, tx, b.ID, "财务乙"); return err }); err != nil {
		return err
	}
	var answer strings.Builder
	answer.WriteString("批次号,序号,结果,金额,原因\n")
	for _, p := range b.Rows {
		fmt.Fprintf(&answer, "%s,%d,%s,%s,\n", b.ID, p.N, q.Result, p.Amount)
	}
	times := 1
	if q.Twice {
		times = 2
	}
	for range times {
		out, err := s.Answer(w.ctx, w.srv.DB, b.ID, strings.NewReader(answer.String()), "财务甲")
		if err != nil {
			return err
		}
		for _, a := range out {
			if a.Wrong {
				return errors.New(a.What)
			}
		}
	}
	got["paid"] = b.Total.String()
	return nil
}
