// Package channel is how contributions come in (缴费渠道): files of withholdings
// for a bank, and online payment over an adapter. Whatever arrives, in whatever
// order and however often, goes to package contribution as notices that count
// once.
package channel

import (
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/sheet"
)

// Error is a fault of the request: which field, what it holds, what is allowed.
type Error struct {
	Field string
	Value string
	Want  string // in Chinese
}

func (e *Error) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return e.Field + "「" + e.Value + "」：" + e.Want
}

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

func dayOf(at time.Time) civil.Date { return civil.Of(at.In(zone)) }

func clock(at time.Time) string { return at.In(zone).Format(time.RFC3339) }

// Bank exchanges files of withholdings (批量代扣) with banks.
type Bank struct {
	dues   *contribution.Service
	sealer *gm.Sealer
	now    func() time.Time
}

// NewBank returns a Bank. now tells the time of what is done; nil is time.Now.
func NewBank(dues *contribution.Service, sealer *gm.Sealer, now func() time.Time) *Bank {
	if now == nil {
		now = time.Now
	}
	return &Bank{dues, sealer, now}
}

// Mandate lets contributions of a payer be taken from a bank account (代扣协议).
type Mandate struct {
	Payer   string // a person number or an employer's code
	Bank    string // 开户行
	Account string // 账号
	Holder  string // 户名
}

func purpose(field, payer string) string { return "mandate." + field + ":" + payer }

// Agree keeps a mandate, in the place of an earlier one.
func (b *Bank) Agree(ctx context.Context, tx *db.Tx, m Mandate, actor string) error {
	if n := len(m.Account); n < 8 || n > 32 || strings.Trim(m.Account, "0123456789") != "" {
		return &Error{"account", "", "账号应为 8 至 32 位数字"}
	}
	if m.Bank == "" || m.Holder == "" {
		return &Error{"bank", m.Bank, "须写明开户行和户名"}
	}
	if err := tx.Exec(ctx, `INSERT INTO mandate (payer, bank, account, holder, at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (payer) DO UPDATE SET bank = excluded.bank, account = excluded.account, holder = excluded.holder, at = excluded.at`,
		m.Payer, m.Bank, b.sealer.Seal(purpose("account", m.Payer), m.Account), b.sealer.Seal(purpose("holder", m.Payer), m.Holder), clock(b.now())); err != nil {
		return err
	}
	return b.record(ctx, tx, actor, "agree", m.Payer, nil)
}

// End ends a mandate. What is at the bank already may still be taken.
func (b *Bank) End(ctx context.Context, tx *db.Tx, payer, actor string) error {
	n, err := tx.ExecCount(ctx, `DELETE FROM mandate WHERE payer = ?`, payer)
	if err != nil {
		return err
	}
	if n == 0 {
		return &Error{"payer", payer, "没有代扣协议"}
	}
	return b.record(ctx, tx, actor, "end", payer, nil)
}

func (b *Bank) record(ctx context.Context, tx *db.Tx, actor, action, subject string, details any) error {
	return audit.Append(ctx, tx, audit.Record{At: b.now(), Actor: actor, Action: "bank." + action, Subject: subject, Details: details})
}

// Batch is what was handed to a bank.
type Batch struct {
	ID    string
	Rows  int
	Total money.Fen
}

var exported = []string{"批次号", "序号", "应缴编号", "开户行", "账号", "户名", "金额（元）"}

// Export writes the file of all that is due in a region from payers with a
// mandate and is not at the bank already. ok is false, and nothing is written,
// if there is none.
func (b *Bank) Export(ctx context.Context, tx *db.Tx, region, actor string, w io.Writer) (out Batch, ok bool, err error) {
	// Two exports of a region happen one after the other.
	if err := tx.Lock(ctx, "bank:"+region); err != nil {
		return out, false, err
	}
	type due struct {
		contribution.Due
		bank            string
		account, holder []byte
	}
	all, err := b.dues.Dues(ctx, tx, region)
	if err != nil {
		return out, false, err
	}
	mandates := map[string]due{}
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var payer string
		var d due
		err := rows.Scan(&payer, &d.bank, &d.account, &d.holder)
		mandates[payer] = d
		return err
	}, `SELECT payer, bank, account, holder FROM mandate`); err != nil {
		return out, false, err
	}
	away := map[string]bool{}
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var bill string
		err := rows.Scan(&bill)
		away[bill] = true
		return err
	}, `SELECT bill FROM bank_row WHERE state = 0`); err != nil {
		return out, false, err
	}
	id := make([]byte, 4)
	rand.Read(id)
	out.ID = b.now().In(zone).Format("20060102150405") + hex.EncodeToString(id)
	file := csv.NewWriter(w)
	var rows [][]any
	for _, x := range all {
		m, agreed := mandates[x.Payer]
		if !agreed || away[x.Bill] {
			continue
		}
		account, err := b.sealer.Open(purpose("account", x.Payer), m.account)
		if err != nil {
			return out, false, fmt.Errorf("mandate of %s: %w", x.Payer, err)
		}
		holder, err := b.sealer.Open(purpose("holder", x.Payer), m.holder)
		if err != nil {
			return out, false, fmt.Errorf("mandate of %s: %w", x.Payer, err)
		}
		if len(rows) == 0 {
			if err := file.Write(exported); err != nil {
				return out, false, err
			}
		}
		rows = append(rows, []any{out.ID, len(rows) + 1, x.Bill, x.Payer, int64(x.Amount), 0})
		out.Rows++
		out.Total += x.Amount
		if err := file.Write([]string{out.ID, strconv.Itoa(out.Rows), x.Bill, m.bank, account, holder, x.Amount.String()}); err != nil {
			return out, false, err
		}
	}
	if len(rows) == 0 {
		return Batch{}, false, nil
	}
	file.Flush()
	return out, true, errors.Join(file.Error(),
		tx.Exec(ctx, `INSERT INTO bank_batch (id, region, made_at, made_by) VALUES (?, ?, ?, ?)`, out.ID, region, clock(b.now()), actor),
		tx.Insert(ctx, "bank_row (batch, n, bill, payer, amount, state)", rows),
		b.record(ctx, tx, actor, "export", out.ID, map[string]string{"rows": strconv.Itoa(out.Rows), "total": out.Total.String()}))
}

// Result is what became of one row of a bank's answer.
type Result struct {
	Line  int // of the file
	Batch string
	N     int
	Bill  string
	What  string // in Chinese
	State ResultState
}

// ResultState says what became of a row.
type ResultState uint8

// What becomes of rows.
const (
	Taken    ResultState = iota // 扣款成功，已入账
	Kept                        // 扣款成功，但不入账：待退
	Failed                      // 扣款失败
	Rejected                    // the row itself is wrong: nothing was done
)

var answered = []string{"批次号", "序号", "结果", "金额", "扣款时间", "原因"}

const maxAnswer = 64 << 20 // bytes of an answer

// Import takes a bank's answer: for each row of a batch whether the money was
// taken. Good rows count whatever is wrong with others, each is answered, and
// an answer that is taken in again changes nothing.
func (b *Bank) Import(ctx context.Context, d *db.DB, file io.Reader, actor string) ([]Result, error) {
	var out []Result
	err := sheet.ReadCSV(file, maxAnswer, answered, func(line int, cell func(int) string, broken bool) error {
		r := Result{Line: line, Batch: cell(0)}
		if broken {
			r.State, r.What = Rejected, "这一行不是 CSV"
		} else {
			err := b.answer(ctx, d, &r, cell, actor)
			var wrong *Error
			var refused *contribution.Error
			switch {
			case errors.As(err, &wrong):
				r.State, r.What = Rejected, wrong.Error()
			case errors.As(err, &refused):
				r.State, r.What = Rejected, refused.Error()
			case err != nil:
				return err
			}
		}
		out = append(out, r)
		return nil
	})
	if head := (*sheet.HeadError)(nil); errors.As(err, &head) {
		err = &Error{"file", "", head.Want}
	}
	return out, err
}

// answer takes one row.
func (b *Bank) answer(ctx context.Context, d *db.DB, r *Result, cell func(int) string, actor string) error {
	n, err := strconv.Atoi(cell(1))
	if err != nil {
		return &Error{"序号", clip(cell(1)), "应为数字"}
	}
	r.N = n
	outcome := cell(2)
	if outcome != "成功" && outcome != "失败" {
		return &Error{"结果", clip(outcome), "应为成功或失败"}
	}
	return d.Update(ctx, func(tx *db.Tx) error {
		var bill string
		var amount money.Fen
		var state int
		err := tx.QueryRow(ctx, `SELECT bill, amount, state FROM bank_row WHERE batch = ? AND n = ?`+db.ForUpdate, r.Batch, n).Scan(&bill, &amount, &state)
		if db.IsNotFound(err) {
			return &Error{"批次号", clip(r.Batch), fmt.Sprintf("没有这个批次的第 %d 笔", n)}
		}
		if err != nil {
			return err
		}
		r.Bill = bill
		if outcome == "失败" {
			if state == 1 {
				return &Error{"结果", outcome, "这一笔已按成功入账"}
			}
			r.State, r.What = Failed, "扣款失败："+clip(cell(5))
			return tx.Exec(ctx, `UPDATE bank_row SET state = 2, why = ? WHERE batch = ? AND n = ?`, clip(cell(5)), r.Batch, n)
		}
		got, err := money.Parse(cell(3))
		if err != nil || got != amount {
			return &Error{"金额", clip(cell(3)), "与代扣的 " + amount.String() + " 元不符"}
		}
		when, err := time.ParseInLocation(time.DateTime, cell(4), zone)
		if err != nil {
			return &Error{"扣款时间", clip(cell(4)), "应为 2006-01-02 15:04:05 的样式"}
		}
		p, err := b.dues.Collect(ctx, tx, contribution.Notice{Channel: "bank", Reference: r.Batch + "-" + strconv.Itoa(n), Bill: bill, Amount: got, At: when, Actor: actor})
		if err != nil {
			return err
		}
		r.State, r.What = Taken, p.Note
		if p.State != contribution.Applied {
			r.State = Kept
		}
		return tx.Exec(ctx, `UPDATE bank_row SET state = 1, why = '' WHERE batch = ? AND n = ?`, r.Batch, n)
	})
}

func clip(s string) string {
	if r := []rune(s); len(r) > 24 {
		return string(r[:24]) + "…"
	}
	return s
}
