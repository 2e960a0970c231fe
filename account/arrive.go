package account

import (
	"context"
	"fmt"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/money"
)

// Arrival is a person whose insurance moves here (关系转入): the money of their
// account has come in.
type Arrival struct {
	Person   string
	From, To string    // regions
	Balance  money.Fen // of their account there (转入的个人账户余额)
	Document string    // by which it was handed over (转移凭证)
	Actor    string
}

// Arrive takes a person over from another region, once by one document: they are
// insured in the new one from then on, and have the account that they had. Of a
// region that is kept here too, the account there was closed for it before.
func (s *Service) Arrive(ctx context.Context, tx *db.Tx, q Arrival) error {
	for field, region := range map[string]string{"from": q.From, "to": q.To} {
		if _, err := ident.ParseRegion(region); err != nil {
			return &Error{field, region, err.Error()}
		}
	}
	switch {
	case q.From == q.To:
		return &Error{"from", q.From, "与转入地相同"}
	case q.Balance < 0:
		return &Error{"balance", q.Balance.String(), "不能为负"}
	case q.Document == "":
		return &Error{"document", "", "须写明转移凭证"}
	}
	if _, err := s.store.At(q.To, s.today()); err != nil {
		return &Error{"to", q.To, "没有这个统筹区现行的政策包"}
	}
	p, err := s.hold(ctx, tx, "person", q.Person)
	if err != nil {
		return err
	}
	ref := "arrive:" + q.Person + ":" + q.Document
	before, err := fund.Entries(ctx, tx, ref)
	if err != nil {
		return err
	}
	if len(before) > 0 {
		return &Error{"document", q.Document, "这份转移凭证已经办理"}
	}
	if p.Region != q.To {
		var reason Reason
		var place string
		var paid money.Fen
		err := tx.QueryRow(ctx, `SELECT reason, place, paid FROM account_closed WHERE person = ?`, q.Person).Scan(&reason, &place, &paid)
		switch {
		case db.IsNotFound(err) || err == nil && (reason != Transfer || place != q.To):
			return &Error{"person", q.Person, "参保地 " + p.Region + " 还没有办理转出到 " + q.To}
		case err != nil:
			return err
		case paid != q.Balance:
			return &Error{"balance", q.Balance.String(), fmt.Sprintf("转出的余额为 %s 元", paid)}
		}
		if err := tx.Exec(ctx, `DELETE FROM account_closed WHERE person = ?`, q.Person); err != nil {
			return err
		}
		if err := tx.Exec(ctx, `UPDATE person SET region = ? WHERE id = ?`, q.To, q.Person); err != nil {
			return err
		}
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: s.now(), Kind: "account.arrive", Ref: ref, Postings: []fund.Posting{
		{Account: fund.PersonAccount(q.Person), Amount: q.Balance}, {Account: fund.Bank(q.To), Amount: -q.Balance}}}); err != nil {
		return err
	}
	return s.record(ctx, tx, q.Person, q.Actor, "arrive", map[string]string{"from": q.From, "to": q.To, "balance": q.Balance.String(), "document": q.Document})
}

// HandOver pays what a region's agency owes another's for the people who moved
// there (转移资金划拨), and says how much that was.
func (s *Service) HandOver(ctx context.Context, tx *db.Tx, from, to, reference, actor string) (money.Fen, error) {
	if reference == "" {
		return 0, &Error{"reference", "", "须写明银行流水号"}
	}
	if err := tx.Lock(ctx, "moved:"+from+":"+to); err != nil {
		return 0, err
	}
	owed, err := fund.Balance(ctx, tx, fund.Moved(from, to))
	if err != nil {
		return 0, err
	}
	if owed == 0 {
		return 0, &Error{"to", to, "没有应划拨的转移资金"}
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: s.now(), Kind: "account.handover", Ref: "handover:" + from + ":" + to + ":" + reference, Postings: []fund.Posting{
		{Account: fund.Moved(from, to), Amount: -owed}, {Account: fund.Bank(from), Amount: owed}}}); err != nil {
		return 0, err
	}
	return owed, s.recordRegion(ctx, tx, from, actor, map[string]string{"to": to, "amount": owed.String()})
}
