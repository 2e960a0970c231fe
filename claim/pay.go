package claim

import (
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/sheet"
)

// The states of a batch.
const (
	Made      = "made"     // waits for a second officer
	Released  = "released" // its file may go to the bank
	Cancelled = "cancelled"
)

// The states of a payment.
const (
	payOpen   = "open" // in a batch; whether it was paid is not known
	payPaid   = "paid"
	payFailed = "failed"
	payGone   = "cancelled"
)

// maxBatch bounds how many payments one file has.
const maxBatch = 5000

// Batch is a file of payments for a bank (支付批次).
type Batch struct {
	ID           string
	Region       string
	State        string
	MadeAt       time.Time
	MadeBy       string
	ReleasedAt   time.Time
	ReleasedBy   string
	Rows         []Payment
	Total        money.Fen
	Open, Failed int
}

// Title is the state in Chinese.
func (b *Batch) Title() string {
	switch {
	case b.State == Cancelled:
		return "已取消"
	case b.State == Made:
		return "待审批"
	case b.Open > 0:
		return "待银行回盘"
	}
	return "已回盘"
}

// Payment is a row of a batch.
type Payment struct {
	N      int
	Claim  string
	Amount money.Fen
	Bank   Bank
	State  string
	Reason string
	At     time.Time
}

// Title is the state in Chinese.
func (p *Payment) Title() string {
	return map[string]string{payOpen: "待支付", payPaid: "已支付", payFailed: "失败", payGone: "已取消"}[p.State]
}

func sealAccount(batch string, n int) string {
	return "payout.account " + batch + " " + strconv.Itoa(n)
}

// MakeBatch puts all that is approved in a region and not in a batch into one. ok
// is false if there is nothing to pay.
func (s *Service) MakeBatch(ctx context.Context, tx *db.Tx, region, actor string) (b *Batch, ok bool, err error) {
	if region == "" {
		return nil, false, &Error{"region", "", "请指定统筹区"}
	}
	if err := tx.Lock(ctx, "payout:"+region); err != nil {
		return nil, false, err
	}
	all, err := s.list(ctx, tx, `region = ? AND state = ? ORDER BY due, made LIMIT ?`, region, string(Approved), maxBatch)
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	id := make([]byte, 4)
	rand.Read(id)
	b = &Batch{ID: "Z" + s.now().In(zone).Format("20060102150405") + hex.EncodeToString(id), Region: region, State: Made, MadeAt: s.now(), MadeBy: actor}
	slices.SortFunc(all, func(x, y *Claim) int { return strings.Compare(x.Person+x.ID, y.Person+y.ID) }) // always locked in one order
	for _, x := range all {
		c, err := s.hold(ctx, tx, x.ID)
		if err != nil {
			return nil, false, err
		}
		if c.State != Approved {
			continue
		}
		owed, err := s.Owed(ctx, tx, c)
		if err != nil {
			return nil, false, err
		}
		if owed <= 0 {
			return nil, false, fmt.Errorf("claim %s is approved and %s is owed", c.ID, owed)
		}
		p := Payment{N: len(b.Rows) + 1, Claim: c.ID, Amount: owed, Bank: c.Bank, State: payOpen}
		account, err := json.Marshal(p.Bank)
		if err != nil {
			return nil, false, err
		}
		if err := tx.Exec(ctx, `INSERT INTO payout (batch, n, claim, amount, account, state) VALUES (?, ?, ?, ?, ?, ?)`,
			b.ID, p.N, p.Claim, int64(p.Amount), s.sealer.Seal(sealAccount(b.ID, p.N), string(account)), p.State); err != nil {
			return nil, false, err
		}
		if err := s.step(ctx, tx, c, Paying, actor, ""); err != nil {
			return nil, false, err
		}
		b.Rows = append(b.Rows, p)
		b.Total += owed
	}
	if len(b.Rows) == 0 {
		return nil, false, nil
	}
	b.Open = len(b.Rows)
	if err := tx.Exec(ctx, `INSERT INTO payout_batch (id, region, state, made_at, made_by) VALUES (?, ?, ?, ?, ?)`,
		b.ID, region, Made, b.MadeAt.UTC().Format(time.RFC3339Nano), actor); err != nil {
		return nil, false, err
	}
	return b, true, s.recordBatch(ctx, tx, b, "make", actor)
}

func (s *Service) recordBatch(ctx context.Context, tx *db.Tx, b *Batch, action, actor string) error {
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Action: "payout." + action, Subject: b.ID,
		Details: map[string]string{"rows": strconv.Itoa(len(b.Rows)), "total": b.Total.String()}})
}

// Batches lists the batches of a region ("": all), the latest first.
func (s *Service) Batches(ctx context.Context, tx *db.Tx, region string, limit int) (all []*Batch, err error) {
	where, args := "", []any{}
	if region != "" {
		where, args = "WHERE region = ? ", append(args, region)
	}
	return s.batches(ctx, tx, where+`ORDER BY made_at DESC, id DESC LIMIT ?`, append(args, limit)...)
}

// GetBatch finds a batch; ok is false if there is none.
func (s *Service) GetBatch(ctx context.Context, tx *db.Tx, id string) (b *Batch, ok bool, err error) {
	all, err := s.batches(ctx, tx, `WHERE id = ?`, id)
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	return all[0], true, nil
}

func (s *Service) batches(ctx context.Context, tx *db.Tx, where string, args ...any) (all []*Batch, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var b Batch
		var made, released string
		err := rows.Scan(&b.ID, &b.Region, &b.State, &made, &b.MadeBy, &released, &b.ReleasedBy)
		if err == nil {
			b.MadeAt, err = time.Parse(time.RFC3339Nano, made)
		}
		if err == nil && released != "" {
			b.ReleasedAt, err = time.Parse(time.RFC3339Nano, released)
		}
		all = append(all, &b)
		return err
	}, `SELECT id, region, state, made_at, made_by, released_at, released_by FROM payout_batch `+where, args...)
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		if err := s.readPayments(ctx, tx, b); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Service) readPayments(ctx context.Context, tx *db.Tx, b *Batch) error {
	return tx.Each(ctx, func(rows *db.Rows) error {
		var p Payment
		var sealed []byte
		var at string
		if err := rows.Scan(&p.N, &p.Claim, &p.Amount, &sealed, &p.State, &p.Reason, &at); err != nil {
			return err
		}
		text, err := s.sealer.Open(sealAccount(b.ID, p.N), sealed)
		if err == nil {
			err = json.Unmarshal([]byte(text), &p.Bank)
		}
		if err == nil && at != "" {
			p.At, err = time.Parse(time.RFC3339Nano, at)
		}
		if err != nil {
			return fmt.Errorf("payment %d of batch %s: %w", p.N, b.ID, err)
		}
		b.Rows = append(b.Rows, p)
		b.Total += p.Amount
		switch p.State {
		case payOpen:
			b.Open++
		case payFailed:
			b.Failed++
		}
		return nil
	}, `SELECT n, claim, amount, account, state, reason, at FROM payout WHERE batch = ? ORDER BY n`, b.ID)
}

// holdBatch holds a batch and reads it.
func (s *Service) holdBatch(ctx context.Context, tx *db.Tx, id string) (*Batch, error) {
	if err := tx.Lock(ctx, "batch:"+id); err != nil {
		return nil, err
	}
	b, ok, err := s.GetBatch(ctx, tx, id)
	if err == nil && !ok {
		err = &Error{"batch", id, "没有这个支付批次"}
	}
	return b, err
}

// Release lets a batch go to the bank. Who made it may not.
func (s *Service) Release(ctx context.Context, tx *db.Tx, id, actor string) (*Batch, error) {
	b, err := s.holdBatch(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case b.State != Made:
		return nil, &Error{"batch", id, "这个批次" + b.Title() + "，不再审批"}
	case actor == "" || actor == b.MadeBy:
		return nil, &Error{"actor", actor, "制单的人不能审批，请由另一名财务办理"}
	}
	b.State, b.ReleasedBy, b.ReleasedAt = Released, actor, s.now()
	if err := tx.Exec(ctx, `UPDATE payout_batch SET state = ?, released_at = ?, released_by = ? WHERE id = ?`,
		Released, b.ReleasedAt.UTC().Format(time.RFC3339Nano), actor, id); err != nil {
		return nil, err
	}
	return b, s.recordBatch(ctx, tx, b, "release", actor)
}

// Cancel takes a batch that was not released apart: its claims wait to be paid.
func (s *Service) Cancel(ctx context.Context, tx *db.Tx, id, actor string) (*Batch, error) {
	b, err := s.holdBatch(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if b.State != Made {
		return nil, &Error{"batch", id, "这个批次" + b.Title() + "，不能取消"}
	}
	for _, p := range b.Rows {
		c, err := s.hold(ctx, tx, p.Claim)
		if err != nil {
			return nil, err
		}
		if err := tx.Exec(ctx, `UPDATE payout SET state = ? WHERE batch = ? AND n = ?`, payGone, id, p.N); err != nil {
			return nil, err
		}
		if err := s.step(ctx, tx, c, Approved, actor, "支付批次已取消，将重新支付"); err != nil {
			return nil, err
		}
	}
	b.State = Cancelled
	if err := tx.Exec(ctx, `UPDATE payout_batch SET state = ? WHERE id = ?`, Cancelled, id); err != nil {
		return nil, err
	}
	return b, s.recordBatch(ctx, tx, b, "cancel", actor)
}

var exported = []string{"批次号", "序号", "开户行", "账号", "户名", "金额（元）", "附言"}

// WriteFile writes a released batch as the file for the bank: CSV in UTF-8, with
// the mark by which spreadsheets know it.
func (s *Service) WriteFile(ctx context.Context, tx *db.Tx, id, actor string, w io.Writer) error {
	b, ok, err := s.GetBatch(ctx, tx, id)
	switch {
	case err != nil:
		return err
	case !ok:
		return &Error{"batch", id, "没有这个支付批次"}
	case b.State != Released:
		return &Error{"batch", id, "这个批次" + b.Title() + "，还不能交给银行"}
	}
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	file := csv.NewWriter(w)
	if err := file.Write(exported); err != nil {
		return err
	}
	for _, p := range b.Rows {
		if err := file.Write([]string{b.ID, strconv.Itoa(p.N), p.Bank.Name, p.Bank.Account, p.Bank.Holder, p.Amount.String(), "医保手工报销 " + p.Claim}); err != nil {
			return err
		}
	}
	file.Flush()
	if err := file.Error(); err != nil {
		return err
	}
	return s.recordBatch(ctx, tx, b, "file", actor)
}

// Answered is what became of a row of a bank's answer.
type Answered struct {
	Line  int // of the file
	N     int
	Claim string
	What  string // in Chinese
	Wrong bool   // the row itself is wrong: nothing was done
}

var answered = []string{"批次号", "序号", "结果", "金额", "原因"}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 8 << 20

// Answer takes a bank's answer to a batch (回盘): for each row whether it was paid.
// Each row is done in a transaction of its own, whatever is wrong with others; an
// answer that comes again changes nothing.
func (s *Service) Answer(ctx context.Context, d *db.DB, id string, file io.Reader, actor string) ([]Answered, error) {
	var out []Answered
	err := sheet.ReadCSV(file, maxAnswer, answered, func(line int, cell func(int) string, broken bool) error {
		a := Answered{Line: line}
		switch {
		case len(out) >= 2*maxBatch:
			return &Error{"file", "", "行数过多"}
		case broken:
			a.Wrong, a.What = true, "这一行不是 CSV"
		default:
			err := s.answer(ctx, d, id, &a, cell, actor)
			var wrong *Error
			if errors.As(err, &wrong) {
				a.Wrong, a.What = true, wrong.Error()
			} else if err != nil {
				return err
			}
		}
		out = append(out, a)
		return nil
	})
	if head := (*sheet.HeadError)(nil); errors.As(err, &head) {
		err = &Error{"file", "", head.Want}
	}
	return out, err
}

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

func (s *Service) answer(ctx context.Context, d *db.DB, id string, a *Answered, cell func(int) string, actor string) error {
	if cell(0) != id {
		return &Error{"批次号", clip(cell(0)), "不是这个批次"}
	}
	n, err := strconv.Atoi(cell(1))
	if err != nil {
		return &Error{"序号", clip(cell(1)), "应为数字"}
	}
	a.N = n
	outcome := cell(2)
	if outcome != "成功" && outcome != "失败" {
		return &Error{"结果", clip(outcome), "应为成功或失败"}
	}
	amount, err := money.Parse(strings.ReplaceAll(cell(3), ",", ""))
	if err != nil {
		return &Error{"金额", clip(cell(3)), "应为金额"}
	}
	return d.Update(ctx, func(tx *db.Tx) error {
		b, err := s.holdBatch(ctx, tx, id)
		if err != nil {
			return err
		}
		if b.State != Released {
			return &Error{"批次号", id, "这个批次" + b.Title()}
		}
		i := slices.IndexFunc(b.Rows, func(p Payment) bool { return p.N == n })
		if i < 0 {
			return errorf("序号", cell(1), "这个批次没有第 %d 笔", n)
		}
		p := &b.Rows[i]
		a.Claim = p.Claim
		switch {
		case amount != p.Amount:
			return errorf("金额", amount.String(), "应为 %s", p.Amount)
		case p.State == payPaid && outcome == "成功" || p.State == payFailed && outcome == "失败":
			a.What = "已经入账过：" + p.Title()
			return nil
		case p.State != payOpen:
			return errorf("结果", outcome, "与已入账的结果（%s）不一致，请与银行核对", p.Title())
		}
		c, err := s.hold(ctx, tx, p.Claim)
		if err != nil {
			return err
		}
		if outcome == "成功" {
			a.What = "已支付"
			return s.paid(ctx, tx, c, b, p, actor)
		}
		reason := clip(cell(4))
		if reason == "" {
			reason = "银行没有说明原因"
		}
		a.What = "没有付成：" + reason
		return s.failed(ctx, tx, c, b, p, reason, actor)
	})
}

// paid records that a payment went out: once, with its ledger entry.
func (s *Service) paid(ctx context.Context, tx *db.Tx, c *Claim, b *Batch, p *Payment, actor string) error {
	if err := c.expect("支付", Paying); err != nil {
		return err
	}
	if err := s.over(ctx, tx, b, p, payPaid, ""); err != nil {
		return err
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: s.now(), Kind: "payout", Ref: b.ID + "/" + strconv.Itoa(p.N), Postings: []fund.Posting{
		{Account: fund.Claim(c.Region, c.ID), Amount: -p.Amount}, {Account: fund.Bank(c.Region), Amount: p.Amount}}}); err != nil {
		return err
	}
	c.Due = 0
	return s.step(ctx, tx, c, Paid, actor, "已付 "+p.Amount.Grouped()+" 元到 "+maskAccount(p.Bank))
}

func (s *Service) failed(ctx context.Context, tx *db.Tx, c *Claim, b *Batch, p *Payment, reason, actor string) error {
	if err := s.over(ctx, tx, b, p, payFailed, reason); err != nil {
		return err
	}
	return s.step(ctx, tx, c, Failed, actor, reason+"。请核对并更正收款账户")
}

func (s *Service) over(ctx context.Context, tx *db.Tx, b *Batch, p *Payment, state, reason string) error {
	p.State, p.Reason, p.At = state, reason, s.now()
	return tx.Exec(ctx, `UPDATE payout SET state = ?, reason = ?, at = ? WHERE batch = ? AND n = ? AND state = ?`,
		state, reason, p.At.UTC().Format(time.RFC3339Nano), b.ID, p.N, payOpen)
}

// maskAccount names an account by its end.
func maskAccount(b Bank) string {
	a := b.Account
	return b.Name + "尾号 " + a[max(0, len(a)-4):]
}

// Mend gives another account for what the bank could not pay; it is paid again.
func (s *Service) Mend(ctx context.Context, tx *db.Tx, id, person string, bank Bank, actor string) (*Claim, error) {
	c, err := s.own(ctx, tx, id, person)
	if err != nil {
		return nil, err
	}
	if err := c.expect("更正账户", Failed, Approved); err != nil {
		return nil, err
	}
	if bank.Name == "" || bank.Holder == "" || bank.Account == "" {
		return nil, &Error{"account", "", "请填写开户行、账号和户名"}
	}
	f := Form{Reason: c.Reason, Kind: c.Kind, Where: c.Where, From: c.From, To: c.To, Bank: bank, Phone: c.Phone, Note: c.Note, Cause: c.Cause, Disease: c.Disease}
	if err := s.fill(c, f); err != nil {
		return nil, err
	}
	rules, err := s.Rules(c.Region)
	if err != nil {
		return nil, err
	}
	s.due(c, rules.PayDays)
	return c, s.step(ctx, tx, c, Approved, actor, "收款账户已更正")
}

// Payments lists what was paid, or tried, of a claim, oldest first.
func (s *Service) Payments(ctx context.Context, tx *db.Tx, c *Claim) (all []Payment, err error) {
	var batches []string
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var id string
		err := rows.Scan(&id)
		batches = append(batches, id)
		return err
	}, `SELECT p.batch FROM payout p JOIN payout_batch b ON b.id = p.batch WHERE p.claim = ? ORDER BY b.made_at, p.batch`, c.ID); err != nil {
		return nil, err
	}
	for _, id := range batches {
		b, _, err := s.GetBatch(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		for _, p := range b.Rows {
			if p.Claim == c.ID {
				all = append(all, p)
			}
		}
	}
	return all, nil
}
