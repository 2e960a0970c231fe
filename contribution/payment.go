package contribution

import (
	"context"
	"fmt"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// Notice says that money came in for a bill (到账通知). Channel and Reference
// name it: whatever arrives twice under one name is one payment.
type Notice struct {
	Channel   string // 缴费渠道, such as bank, online, counter
	Reference string // the channel's own number (渠道流水号)
	Bill      string
	Amount    money.Fen
	At        time.Time // when the money came in (到账时间)
	Actor     string
}

// PaymentState is what became of a payment.
type PaymentState uint8

// The states of a payment.
const (
	Applied    PaymentState = iota // 已入账: it paid the bill
	Holding                        // 待退: it came in and pays nothing
	PaidBack                       // 已退
	WrittenOff                     // 已退: with the bill that it paid
)

var paymentTitles = [...]string{"已入账", "待退", "已退", "已退"}

// Title is the state in Chinese.
func (s PaymentState) Title() string { return paymentTitles[s] }

// Payment is money that came in.
type Payment struct {
	Notice
	State  PaymentState
	Note   string // in Chinese: from when benefits begin, or why it pays nothing
	Reason string // why it was paid back
}

// Pay takes a payment (缴费入账). It pays the bill if that is open and the amount
// is what is due: the shares of all payers go to the funds and the person is
// insured. Any other money is held to be paid back, and says why: the bill was
// paid before (重复缴费), cancelled, or asks for another amount. A repeated
// notice gets the first answer; one that says otherwise is an *Error.
func (s *Service) Pay(ctx context.Context, tx *db.Tx, n Notice) (*Payment, error) {
	if err := s.goodNotice(n); err != nil {
		return nil, err
	}
	b, err := s.holdBill(ctx, tx, n.Bill)
	if err != nil {
		return nil, err
	}
	if before, err := s.before(ctx, tx, n); before != nil || err != nil {
		return before, err
	}
	p := &Payment{Notice: n, State: Holding}
	who, all, err := s.look(ctx, tx, b.Person)
	if err != nil {
		return nil, err
	}
	switch {
	case b.State == Paid:
		p.Note = "重复缴费：这笔应缴已于 " + dayOf(b.PaidAt).String() + " 缴清"
	case b.State != Open:
		p.Note = "这笔应缴" + b.State.Title() + "：" + b.Why
	case n.Amount != b.Due:
		p.Note = "金额不符：应缴 " + b.Due.String() + " 元"
	case dayOf(n.At) > b.To && b.Scheme == policy.Resident:
		p.Note = "所缴年度已于 " + b.To.String() + " 结束"
	default:
		if i, ok := enrolment.Overlapping(all, b.Scheme, b.From, b.To); ok && i.Status != policy.Arrears && b.Kind != Retiring {
			p.Note = "该期间已参保（自 " + i.From.String() + " 起）"
			break
		}
		if err := s.apply(ctx, tx, who, all, b, n.At, n.Actor); err != nil {
			return nil, err
		}
		p.State, p.Note = Applied, b.Why
	}
	if err := s.keepPayment(ctx, tx, p, b.Region); err != nil || p.State == Applied {
		return p, err
	}
	return p, s.record(ctx, tx, b, "contribution.held", n.Actor, map[string]string{"amount": n.Amount.String(), "channel": n.Channel})
}

// before is the payment that a notice told of before, nil if there is none. A
// channel's number is one payment's: what says otherwise is an *Error.
func (s *Service) before(ctx context.Context, tx *db.Tx, n Notice) (*Payment, error) {
	if err := tx.Lock(ctx, "payment:"+n.Channel+":"+n.Reference); err != nil {
		return nil, err
	}
	all, err := s.payments(ctx, tx, `channel = ? AND reference = ?`, n.Channel, n.Reference)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	p := &all[0]
	if p.Bill != n.Bill || p.Amount != n.Amount {
		return nil, &Error{"reference", n.Reference, "这个流水号已入账另一笔缴费（应缴 " + p.Bill + "，" + p.Amount.String() + " 元）"}
	}
	return p, nil
}

// keepPayment writes a payment. Money that paid nothing is held (暂收款).
func (s *Service) keepPayment(ctx context.Context, tx *db.Tx, p *Payment, region string) error {
	if err := tx.Exec(ctx, `INSERT INTO bill_payment (channel, reference, bill, amount, at, state, note, actor) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		p.Channel, p.Reference, p.Bill, int64(p.Amount), clock(p.At), p.State, p.Note, p.Actor); err != nil {
		return err
	}
	if p.State == Applied {
		return nil
	}
	return fund.Post(ctx, tx, fund.Entry{At: s.now(), Kind: "contribution_held", Ref: paymentRef(p.Channel, p.Reference),
		Postings: []fund.Posting{{Account: fund.Bank(region), Amount: -p.Amount}, {Account: fund.Held(region), Amount: p.Amount}}})
}

// giveBack writes that a payment went back, with what that moves.
func (s *Service) giveBack(ctx context.Context, tx *db.Tx, p *Payment, moves []fund.Posting) error {
	if err := fund.Post(ctx, tx, fund.Entry{At: s.now(), Kind: "contribution_refund", Ref: paymentRef(p.Channel, p.Reference), Postings: moves}); err != nil {
		return err
	}
	return tx.Exec(ctx, `UPDATE bill_payment SET state = ?, refunded_at = ?, reason = ? WHERE channel = ? AND reference = ?`,
		p.State, clock(s.now()), p.Reason, p.Channel, p.Reference)
}

// release is what giving back held money moves.
func release(region string, amount money.Fen) []fund.Posting {
	return []fund.Posting{{Account: fund.Held(region), Amount: -amount}, {Account: fund.Bank(region), Amount: amount}}
}

// found is the payment that a refund asks for.
func (s *Service) found(ctx context.Context, tx *db.Tx, q RefundRequest) (*Payment, error) {
	all, err := s.payments(ctx, tx, `channel = ? AND reference = ?`, q.Channel, q.Reference)
	if err == nil && len(all) == 0 {
		err = &Error{"reference", q.Reference, "渠道 " + q.Channel + " 没有这笔缴费"}
	}
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

func (s *Service) goodNotice(n Notice) error {
	switch {
	case n.Channel == "":
		return &Error{"channel", "", "须写明缴费渠道"}
	case n.Reference == "":
		return &Error{"reference", "", "须写明渠道流水号"}
	case n.Amount <= 0:
		return &Error{"amount", n.Amount.String(), "到账金额须大于零"}
	case n.At.IsZero():
		return &Error{"at", "", "须写明到账时间"}
	case n.At.After(s.now()):
		return &Error{"at", n.At.In(zone).Format(time.DateTime), "晚于现在"}
	}
	return nil
}

// paymentRef is what a ledger entry says that is about a payment.
func paymentRef(channel, reference string) string { return "pay:" + channel + ":" + reference }

// apply makes a bill paid: the ledger, the person's insurance, the bill.
func (s *Service) apply(ctx context.Context, tx *db.Tx, who enrolment.Person, all []enrolment.Insurance, b *Bill, at time.Time, actor string) error {
	day := dayOf(at)
	var start policy.Start
	if b.Kind != Retiring {
		var err error
		if start, err = s.startOf(ctx, tx, who, all, b, day); err != nil {
			return err
		}
	}
	postings, err := s.postings(b)
	if err != nil {
		return err
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: s.now(), Kind: "contribution", Ref: b.ID, Postings: postings}); err != nil {
		return err
	}
	b.PaidAt = at
	if b.Kind == Retiring {
		if err := s.retired(ctx, tx, b.Person, max(b.From, day.AddDays(-1))); err != nil {
			return err
		}
		return s.move(ctx, tx, b, Paid, "退休补缴已缴清，此后不再缴费", actor)
	}
	if err := s.insure(ctx, tx, all, b, start, day); err != nil {
		return err
	}
	return s.move(ctx, tx, b, Paid, start.What, actor)
}

// startOf is when benefits begin if the bill is paid on the day. Money that
// comes in after one window and before the year it is for counts as of the
// year's first day.
func (s *Service) startOf(ctx context.Context, tx *db.Tx, who enrolment.Person, all []enrolment.Insurance, b *Bill, day civil.Date) (policy.Start, error) {
	if b.Scheme == policy.Employee {
		return s.starts(ctx, tx, who, all, b, day, 0)
	}
	start, err := s.starts(ctx, tx, who, all, b, day, b.From)
	if err != nil && day < b.From {
		return s.starts(ctx, tx, who, all, b, b.From, b.From)
	}
	return start, err
}

// insure writes what the paid bill means for the person's insurance.
func (s *Service) insure(ctx context.Context, tx *db.Tx, all []enrolment.Insurance, b *Bill, start policy.Start, day civil.Date) error {
	i := enrolment.Insurance{Scheme: b.Scheme, From: b.From, To: b.To, BenefitsFrom: start.From, Reason: b.Kind.Title() + "缴费"}
	if b.Scheme == policy.Resident {
		// Insured from the payment on, a newborn from birth.
		i.From = min(max(b.From, day), start.From)
		return enrolment.AddInsurance(ctx, tx, b.Person, i)
	}
	for _, before := range all {
		if before.Scheme == b.Scheme && before.Status == policy.Normal && before.To != 0 && before.To.AddDays(1) == b.From {
			return enrolment.ExtendInsurance(ctx, tx, b.Person, b.Scheme, before.From, b.To)
		}
	}
	return enrolment.AddInsurance(ctx, tx, b.Person, i)
}

// postings are the shares of a bill in the ledger: what the person paid is in
// the bank, what others owe for them is claimed.
func (s *Service) postings(b *Bill) ([]fund.Posting, error) {
	pkg, err := s.store.At(b.Region, b.From)
	if err != nil {
		return nil, inputError(err)
	}
	var out []fund.Posting
	for _, p := range b.Parts {
		var from string
		switch p.Payer {
		case "person":
			from = fund.Bank(b.Region)
		case "government":
			from = fund.Fiscal(b.Region)
		case "assistance":
			for _, f := range pkg.Funds() {
				if f.Category == policy.Assistance {
					from = fund.FundAccount(b.Region, f.ID)
					break
				}
			}
		}
		if from == "" {
			return nil, fmt.Errorf("bill %s: %s is paid by %q, which has no account", b.ID, p.ID, p.Payer)
		}
		to := fund.PersonAccount(b.Person)
		if p.Fund != "" {
			to = fund.FundAccount(b.Region, p.Fund)
		}
		out = append(out, fund.Posting{Account: from, Amount: -p.Amount}, fund.Posting{Account: to, Amount: p.Amount})
	}
	return out, nil
}

// RefundRequest asks to pay back a payment (退费), by the channel it came from.
type RefundRequest struct {
	Channel   string
	Reference string
	Reason    string // such as 重复缴费、身份信息错误、已参加职工医保
	Actor     string
}

// Refund pays back a payment, once (退费). Money that is held goes back. Of a
// bill that it paid, all shares are taken back by opposite postings and the
// insurance that it bought never was; that is refused once care was paid under
// it.
func (s *Service) Refund(ctx context.Context, tx *db.Tx, q RefundRequest) (*Payment, error) {
	if q.Reason == "" {
		return nil, &Error{"reason", "", "须写明退费原因"}
	}
	p, err := s.found(ctx, tx, q)
	if err != nil {
		return nil, err
	}
	b, err := s.holdBill(ctx, tx, p.Bill)
	if err != nil {
		return nil, err
	}
	// It may have been paid back while the person was waited for.
	if p, err = s.found(ctx, tx, q); err != nil {
		return nil, err
	}
	var moves []fund.Posting
	switch p.State {
	case Holding:
		p.State, moves = PaidBack, release(b.Region, p.Amount)
	case Applied:
		p.State = WrittenOff
		if moves, err = s.undo(ctx, tx, b, q); err != nil {
			return nil, err
		}
	default:
		return nil, &Error{"reference", q.Reference, "已退费（" + p.Reason + "），只退一次"}
	}
	p.Reason = q.Reason
	if err := s.giveBack(ctx, tx, p, moves); err != nil {
		return nil, err
	}
	return p, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Chain: audit.OfPerson(b.Person), Action: "contribution.refund", Subject: b.ID,
		Details: map[string]string{"amount": p.Amount.String(), "channel": q.Channel}})
}

// undo takes back what paying a bill did, and gives the opposite postings.
func (s *Service) undo(ctx context.Context, tx *db.Tx, b *Bill, q RefundRequest) ([]fund.Posting, error) {
	if b.Kind == Retiring {
		return nil, &Error{"bill", b.ID, "退休补缴不退"}
	}
	all, err := enrolment.Timeline(ctx, tx, b.Person)
	if err != nil {
		return nil, err
	}
	i, ok := enrolment.Overlapping(all, b.Scheme, b.From, b.To)
	if !ok {
		return nil, &Error{"bill", b.ID, "所缴期间的参保记录已变更，请先核对参保经历"}
	}
	switch id, err := settlement.Used(ctx, tx, b.Person, b.Scheme, max(i.From, b.From), b.To); {
	case err != nil:
		return nil, err
	case id != "":
		return nil, &Error{"bill", b.ID, "所缴期间已享受待遇（结算 " + id + "），不能退费"}
	}
	switch {
	case i.From >= b.From && i.To == b.To:
		err = enrolment.RemoveInsurance(ctx, tx, b.Person, b.Scheme, i.From)
	case i.To == b.To:
		err = enrolment.ExtendInsurance(ctx, tx, b.Person, b.Scheme, i.From, b.From.AddDays(-1))
	default:
		return nil, &Error{"bill", b.ID, "其后的期间已缴费，请先退其后的"}
	}
	if err != nil {
		return nil, err
	}
	postings, err := s.postings(b)
	if err != nil {
		return nil, err
	}
	for i := range postings {
		postings[i].Amount = -postings[i].Amount
	}
	return postings, s.move(ctx, tx, b, Refunded, q.Reason, q.Actor)
}

// Payments lists what came in for a bill, oldest first.
func (s *Service) Payments(ctx context.Context, tx *db.Tx, bill string) ([]Payment, error) {
	return s.payments(ctx, tx, `bill = ?`, bill)
}

func (s *Service) payments(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Payment, error) {
	var out []Payment
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var p Payment
		var at string
		err := rows.Scan(&p.Channel, &p.Reference, &p.Bill, &p.Amount, &at, &p.State, &p.Note, &p.Actor, &p.Reason)
		if err == nil {
			p.At, err = time.Parse(time.RFC3339Nano, at)
		}
		out = append(out, p)
		return err
	}, `SELECT channel, reference, bill, amount, at, state, note, actor, reason FROM bill_payment WHERE `+where+` ORDER BY at, channel, reference`, args...)
	return out, err
}
