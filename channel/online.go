package channel

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
)

// Order is what a payer pays at an online channel (网上缴费订单).
type Order struct {
	ID     string
	Bill   string
	Amount money.Fen
	What   string // in Chinese, without anything personal
	Made   time.Time
}

// Paid is a channel's notice that an order was paid (支付通知).
type Paid struct {
	Order  string
	Trade  string // the channel's own number (渠道流水号)
	Amount money.Fen
	At     time.Time
}

// Refund asks a channel to give money back (退款). The number stays the same
// when it is asked again: it is given back once.
type Refund struct {
	Number string
	Trade  string // of the payment
	Amount money.Fen
	Reason string
}

// Gateway is an adapter to an online channel.
type Gateway interface {
	// Name is that of the channel in payments, such as wechat.
	Name() string
	// Order makes an order at the channel and returns where the payer pays.
	Order(ctx context.Context, o Order) (address string, err error)
	// Notice reads a notice and proves that it is the channel's. Its errors are
	// of who sent it: nothing was paid as far as we know.
	Notice(r *http.Request) (Paid, error)
	Refund(ctx context.Context, r Refund) error
}

// Online takes contributions over a gateway.
type Online struct {
	DB      *db.DB
	Dues    *contribution.Service
	Gateway Gateway
	Now     func() time.Time // nil: time.Now
}

func (o *Online) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// Start makes an order for a bill or a declaration, and returns where to pay.
// There may be several for one: the first that is paid counts, what comes
// after is held to be paid back.
func (o *Online) Start(ctx context.Context, bill, actor string) (order Order, address string, err error) {
	id := make([]byte, 12)
	rand.Read(id)
	order = Order{ID: "P" + hex.EncodeToString(id), Bill: bill, What: "基本医疗保险缴费", Made: o.now()}
	err = o.DB.Update(ctx, func(tx *db.Tx) error {
		due, err := o.Dues.Due(ctx, tx, bill)
		if err != nil {
			return err
		}
		order.Amount = due.Amount
		if err := tx.Exec(ctx, `INSERT INTO online_order (id, channel, bill, amount, made_at) VALUES (?, ?, ?, ?, ?)`,
			order.ID, o.Gateway.Name(), bill, int64(order.Amount), clock(order.Made)); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Record{At: order.Made, Actor: actor, Action: "online.order", Subject: order.ID, Details: map[string]string{"bill": bill, "amount": order.Amount.String()}})
	})
	if err != nil {
		return order, "", err
	}
	address, err = o.Gateway.Order(ctx, order)
	return order, address, err
}

// Receive takes a notice. Once it returns without an error the channel need not
// send it again; whatever it sends again, or late, counts once.
func (o *Online) Receive(ctx context.Context, n Paid) (p *contribution.Payment, err error) {
	err = o.DB.Update(ctx, func(tx *db.Tx) error {
		var bill string
		err := tx.QueryRow(ctx, `SELECT bill FROM online_order WHERE id = ? AND channel = ?`, n.Order, o.Gateway.Name()).Scan(&bill)
		if db.IsNotFound(err) {
			return &Error{"order", n.Order, "没有这个订单"}
		}
		if err != nil {
			return err
		}
		p, err = o.Dues.Collect(ctx, tx, contribution.Notice{Channel: o.Gateway.Name(), Reference: n.Trade, Bill: bill, Amount: n.Amount, At: n.At, Actor: o.Gateway.Name()})
		return err
	})
	return p, err
}

// ServeHTTP takes notices from the channel: "success" once one is kept, so that
// the channel sends it no more.
func (o *Online) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	n, err := o.Gateway.Notice(r)
	if err != nil {
		http.Error(w, "the notice is not the channel's", http.StatusForbidden)
		return
	}
	var wrong *Error
	var refused *contribution.Error
	switch _, err := o.Receive(r.Context(), n); {
	case errors.As(err, &wrong), errors.As(err, &refused):
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	case err != nil:
		http.Error(w, "try again", http.StatusServiceUnavailable)
	default:
		_, _ = w.Write([]byte("success")) // if it is lost, the notice comes again
	}
}

// Repay gives a payment back over the channel it came by: the ledger and the
// order to the channel in one transaction, then the channel itself (see Send).
func (o *Online) Repay(ctx context.Context, trade, reason, actor string) (p *contribution.Payment, err error) {
	err = o.DB.Update(ctx, func(tx *db.Tx) error {
		p, err = o.Dues.Repay(ctx, tx, contribution.RefundRequest{Channel: o.Gateway.Name(), Reference: trade, Reason: reason, Actor: actor})
		if err != nil {
			return err
		}
		return tx.Exec(ctx, `INSERT INTO online_refund (channel, reference, amount, reason) VALUES (?, ?, ?, ?)`, o.Gateway.Name(), trade, int64(p.Amount), reason)
	})
	if err != nil {
		return nil, err
	}
	_, err = o.Send(ctx)
	return p, err
}

// Send asks the channel for the refunds that it has not given yet. It may be
// called as often as one likes; the error is that of the last that failed, and
// the others were asked for nevertheless.
func (o *Online) Send(ctx context.Context) (sent int, err error) {
	var waiting []Refund
	if err := o.DB.View(ctx, func(tx *db.Tx) error {
		return tx.Each(ctx, func(rows *db.Rows) error {
			var r Refund
			err := rows.Scan(&r.Trade, &r.Amount, &r.Reason)
			r.Number = "R" + r.Trade
			waiting = append(waiting, r)
			return err
		}, `SELECT reference, amount, reason FROM online_refund WHERE channel = ? AND done_at = '' ORDER BY reference`, o.Gateway.Name())
	}); err != nil {
		return 0, err
	}
	for _, r := range waiting {
		done := ""
		if e := o.Gateway.Refund(ctx, r); e != nil {
			err = fmt.Errorf("refund of %s: %w", r.Trade, e)
		} else {
			done = clock(o.now())
			sent++
		}
		if e := o.DB.Update(ctx, func(tx *db.Tx) error {
			return tx.Exec(ctx, `UPDATE online_refund SET done_at = ?, tries = tries + 1 WHERE channel = ? AND reference = ? AND done_at = ''`, done, o.Gateway.Name(), r.Trade)
		}); e != nil {
			return sent, errors.Join(err, e)
		}
	}
	return sent, err
}
