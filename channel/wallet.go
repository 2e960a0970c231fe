package channel

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/policy"
)

// Wallet pays contributions from personal accounts (个人账户缴费): the owner's word
// is the password of their e-credential.
type Wallet struct {
	DB       *db.DB
	Store    *policy.Store
	Register *enrolment.Register
	Dues     *contribution.Service
	Codes    *credential.Service
	Now      func() time.Time // nil: time.Now
}

// walletChannel is the channel's name in payments.
const walletChannel = "account"

func (w *Wallet) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

// Pay pays the residents' contribution of a relative from the owner's account: one
// who may use it (家庭共济), within its balance and the limits of the grant, where
// the owner's package lets it. It is paid at once and whole, or not at all.
func (w *Wallet) Pay(ctx context.Context, owner, password, bill string) (p *contribution.Payment, err error) {
	// A wrong password is counted whatever becomes of the payment.
	if err := w.Codes.Prove(ctx, owner, password); err != nil {
		return nil, err
	}
	err = w.DB.Update(ctx, func(tx *db.Tx) error {
		due, err := w.Dues.Due(ctx, tx, bill)
		if err != nil {
			return err
		}
		// Both are held, always in the same order.
		for _, person := range []string{min(owner, due.Payer), max(owner, due.Payer)} {
			if err := w.Register.ExpectAlone(ctx, tx, person); err != nil {
				return err
			}
		}
		p, err = w.pay(ctx, tx, owner, due)
		return err
	})
	return p, err
}

func (w *Wallet) pay(ctx context.Context, tx *db.Tx, owner string, due contribution.Due) (*contribution.Payment, error) {
	who, ok, err := w.Register.ByID(ctx, tx, owner)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Error{"owner", owner, "没有这个人员编号"}
	}
	today := dayOf(w.now())
	pkg, err := w.Store.At(who.Region, today)
	if err != nil {
		return nil, err
	}
	if !pkg.PaysContributions() {
		return nil, &Error{"owner", owner, "本统筹区的个人账户不能为家庭成员缴费"}
	}
	var all []account.Available
	if err := account.LaterAvailable(ctx, tx, &all, due.Payer, today); err != nil {
		return nil, err
	}
	if err := tx.Flush(ctx); err != nil {
		return nil, err
	}
	var available account.Available
	for _, a := range all {
		if a.Owner == owner {
			available = a
		}
	}
	switch {
	case due.Payer == owner:
		return nil, &Error{"bill", due.Bill, "个人账户只能为家庭成员缴纳居民医保费"}
	case available.Amount == 0:
		return nil, &Error{"bill", due.Bill, "没有授权给这个人，或余额、限额已用完"}
	case available.Amount < due.Amount:
		return nil, &Error{"bill", due.Bill, "应缴 " + due.Amount.String() + " 元，账户可用 " + available.Amount.String() + " 元"}
	}
	id := make([]byte, 10)
	rand.Read(id)
	n := contribution.Notice{Channel: walletChannel, Reference: "A" + hex.EncodeToString(id), Bill: due.Bill, Amount: due.Amount, At: w.now(), Actor: owner}
	if err := fund.Post(ctx, tx, fund.Entry{At: w.now(), Kind: "account.pay", Ref: account.ContributionUse + n.Reference, Postings: []fund.Posting{
		{Account: fund.PersonAccount(owner), Amount: -due.Amount}, {Account: fund.Bank(who.Region), Amount: due.Amount}}}); err != nil {
		return nil, err
	}
	if err := account.Use(ctx, tx, account.ContributionUse+n.Reference, due.Payer, today, []account.Share{{Owner: owner, Amount: due.Amount}}); err != nil {
		return nil, err
	}
	p, err := w.Dues.Collect(ctx, tx, n)
	if err != nil {
		return nil, err
	}
	if p.State != contribution.Applied { // what would be held stays where it is
		return nil, &Error{"bill", due.Bill, p.Note}
	}
	return p, audit.Append(ctx, tx, audit.Record{At: w.now(), Actor: owner, Chain: audit.OfPerson(owner), Action: "account.pay", Subject: due.Bill, Details: map[string]string{"amount": due.Amount.String()}})
}

// Repay gives a contribution back to the account that paid it.
func (w *Wallet) Repay(ctx context.Context, tx *db.Tx, reference, reason, actor string) (*contribution.Payment, error) {
	entries, err := fund.Entries(ctx, tx, account.ContributionUse+reference)
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 {
		return nil, &Error{"reference", reference, "没有这笔个人账户缴费"}
	}
	p, err := w.Dues.Repay(ctx, tx, contribution.RefundRequest{Channel: walletChannel, Reference: reference, Reason: reason, Actor: actor})
	if err != nil {
		return nil, err
	}
	used, err := account.Shares(ctx, tx, account.ContributionUse+reference)
	if err != nil {
		return nil, err
	}
	payer, err := w.Dues.Payer(ctx, tx, p.Bill)
	if err != nil {
		return nil, err
	}
	for i := range used {
		used[i].Amount = -used[i].Amount
	}
	if err := account.Use(ctx, tx, account.ContributionBack+reference, payer, dayOf(w.now()), used); err != nil {
		return nil, err
	}
	back := fund.Entry{At: w.now(), Kind: "account.repay", Ref: account.ContributionBack + reference}
	for _, x := range entries[0].Postings {
		x.Amount = -x.Amount
		back.Postings = append(back.Postings, x)
	}
	return p, fund.Post(ctx, tx, back)
}
