package contribution

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
)

// Verify proves that bills, payments, the ledger and people's insurance agree:
// what a bill's payers owe stands in the ledger once if it is paid, and is taken
// back if it is refunded; one payment paid it, of what was due; a paid bill's
// person is insured; and the money that is held is that of the payments that pay
// nothing. It names the first that does not.
func (s *Service) Verify(ctx context.Context, tx *db.Tx) error {
	held := map[string]money.Fen{}
	for last := ""; ; {
		page, err := s.bills(ctx, tx, `id IN (SELECT id FROM bill WHERE id > ? ORDER BY id LIMIT 500)`, last)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			last = max(last, page[i].ID)
			if err := s.verify(ctx, tx, &page[i], held); err != nil {
				return fmt.Errorf("bill %s: %w", page[i].ID, err)
			}
		}
	}
	if err := s.verifyDeclarations(ctx, tx, held); err != nil {
		return err
	}
	balances, err := fund.Balances(ctx, tx, fund.Held(""), 0)
	if err != nil {
		return err
	}
	for region, sum := range held {
		balances[fund.Held(region)] -= sum
	}
	for _, account := range slices.Sorted(maps.Keys(balances)) {
		if balances[account] != 0 {
			return fmt.Errorf("%s differs by %s from the payments that are to be paid back", account, balances[account])
		}
	}
	return nil
}

func (s *Service) verify(ctx context.Context, tx *db.Tx, b *Bill, held map[string]money.Fen) error {
	var due, moved money.Fen
	for _, p := range b.Parts {
		if p.Payer == "person" {
			due += p.Amount
		}
	}
	if due != b.Due {
		return fmt.Errorf("the person's shares sum to %s, due is %s", due, b.Due)
	}
	payments, err := s.payments(ctx, tx, `bill = ?`, b.ID)
	if err != nil {
		return err
	}
	applied, undone := 0, 0
	for _, p := range payments {
		entries, err := fund.Entries(ctx, tx, paymentRef(p.Channel, p.Reference))
		if err != nil {
			return err
		}
		want := map[PaymentState]int{Applied: 0, Holding: 1, PaidBack: 2, WrittenOff: 1}[p.State]
		if len(entries) != want {
			return fmt.Errorf("payment %s %s, %s, has %d entries of its own, not %d", p.Channel, p.Reference, p.State.Title(), len(entries), want)
		}
		switch p.State {
		case Applied:
			applied++
		case WrittenOff:
			undone++
		case Holding:
			held[b.Region] += p.Amount
		}
		if (p.State == Applied || p.State == WrittenOff) && p.Amount != b.Due {
			return fmt.Errorf("payment %s %s is of %s, due is %s", p.Channel, p.Reference, p.Amount, b.Due)
		}
	}
	entries, err := fund.Entries(ctx, tx, b.ID)
	if err != nil {
		return err
	}
	for _, e := range entries {
		for _, p := range e.Postings {
			moved += max(p.Amount, 0)
		}
	}
	var want money.Fen
	if b.State == Paid || b.State == Refunded {
		for _, p := range b.Parts {
			want += p.Amount
		}
	}
	switch {
	case moved != want:
		return fmt.Errorf("it is %s, and its entries move %s, not %s", b.State.Title(), moved, want)
	case b.State == Paid && b.Due > 0 && applied != 1, b.State != Paid && applied != 0:
		return fmt.Errorf("it is %s, and %d payments say that they paid it", b.State.Title(), applied)
	case b.State == Refunded && undone != 1, b.State != Refunded && undone != 0:
		return fmt.Errorf("it is %s, and %d payments say that they were paid back with it", b.State.Title(), undone)
	case b.State != Paid:
		return nil
	}
	all, err := enrolment.Timeline(ctx, tx, b.Person)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(i enrolment.Insurance) bool { // as it was paid, or as it ended since
		return i.Scheme == b.Scheme && i.From <= b.To && (i.To == 0 || i.To >= b.From)
	}) {
		return fmt.Errorf("it is paid, and the person was not insured from %s to %s", b.From, b.To)
	}
	return nil
}
