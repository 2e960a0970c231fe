package contribution

import (
	"context"
	"strings"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
)

// Due is what somebody owes: a person's bill or an employer's declaration.
type Due struct {
	Bill   string // its number
	Payer  string // person number or employer's code
	Amount money.Fen
}

// isDeclaration tells the numbers of declarations from those of bills.
func isDeclaration(id string) bool { return strings.HasPrefix(id, "D") }

// Collect takes a payment for a bill or a declaration: see Pay and
// PayDeclaration.
func (s *Service) Collect(ctx context.Context, tx *db.Tx, n Notice) (*Payment, error) {
	if isDeclaration(n.Bill) {
		return s.PayDeclaration(ctx, tx, n)
	}
	return s.Pay(ctx, tx, n)
}

// Repay pays back a payment of either: see Refund and RefundDeclaration.
func (s *Service) Repay(ctx context.Context, tx *db.Tx, q RefundRequest) (*Payment, error) {
	p, err := s.found(ctx, tx, q)
	if err != nil {
		return nil, err
	}
	if isDeclaration(p.Bill) {
		return s.RefundDeclaration(ctx, tx, q)
	}
	return s.Refund(ctx, tx, q)
}

// Due is what is owed today of a bill or a declaration that is open.
func (s *Service) Due(ctx context.Context, tx *db.Tx, id string) (Due, error) {
	if isDeclaration(id) {
		all, err := s.declarations(ctx, tx, `id = ?`, id)
		switch {
		case err != nil:
			return Due{}, err
		case len(all) == 0:
			return Due{}, &Error{"bill", id, "没有这份申报"}
		case all[0].State != Confirmed:
			return Due{}, &Error{"bill", id, "已是「" + all[0].State.Title() + "」"}
		}
		return s.dueOf(&all[0])
	}
	all, err := s.bills(ctx, tx, `id = ?`, id)
	switch {
	case err != nil:
		return Due{}, err
	case len(all) == 0:
		return Due{}, &Error{"bill", id, "没有这笔应缴"}
	case all[0].State != Open:
		return Due{}, &Error{"bill", id, "已是「" + all[0].State.Title() + "」"}
	}
	return Due{id, all[0].Person, all[0].Due}, nil
}

// Payer is the person of a bill.
func (s *Service) Payer(ctx context.Context, tx *db.Tx, bill string) (string, error) {
	all, err := s.bills(ctx, tx, `id = ?`, bill)
	if err == nil && len(all) == 0 {
		err = &Error{"bill", bill, "没有这笔应缴"}
	}
	if err != nil {
		return "", err
	}
	return all[0].Person, nil
}

func (s *Service) dueOf(d *Declaration) (Due, error) {
	fee, _, err := s.LateFee(d, dayOf(s.now()))
	return Due{d.ID, d.Employer, d.Unit + d.Personal + fee}, err
}

// Dues lists all that is owed today in a region.
func (s *Service) Dues(ctx context.Context, tx *db.Tx, region string) ([]Due, error) {
	bills, err := s.bills(ctx, tx, `region = ? AND state = 0`, region)
	if err != nil {
		return nil, err
	}
	var out []Due
	for _, b := range bills {
		out = append(out, Due{b.ID, b.Person, b.Due})
	}
	all, err := s.declarations(ctx, tx, `region = ? AND state = ?`, region, Confirmed)
	if err != nil {
		return nil, err
	}
	for i := range all {
		due, err := s.dueOf(&all[i])
		if err != nil {
			return nil, err
		}
		out = append(out, due)
	}
	return out, nil
}
