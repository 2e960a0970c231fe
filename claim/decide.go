package claim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/settlement"
)

// The proposals of a first review.
const (
	Pay    = "pay"
	Refuse = "refuse"
)

// Accept accepts a claim (受理): its papers are there, and what they say is
// written down whole. The term to decide begins.
func (s *Service) Accept(ctx context.Context, tx *db.Tx, id, actor string) (*Claim, error) {
	c, err := s.hold(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if err := c.expect("受理", Submitted); err != nil {
		return nil, err
	}
	if err := s.whole(ctx, tx, c); err != nil {
		return nil, err
	}
	rules, err := s.Rules(c.Region)
	if err != nil {
		return nil, err
	}
	c.Accepter = actor
	s.due(c, rules.DecideDays)
	return c, s.step(ctx, tx, c, Accepted, actor, "")
}

// Return gives a claim back to the person, for papers or better ones (退回补正): by
// who would accept it, or by the first reviewer. The reason names what is wanted.
func (s *Service) Return(ctx context.Context, tx *db.Tx, id, reason, actor string) (*Claim, error) {
	c, err := s.hold(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if err := c.expect("退回", Submitted, Accepted); err != nil {
		return nil, err
	}
	if reason == "" {
		return nil, &Error{"reason", "", "请写明要补正什么"}
	}
	c.Back, c.Due = Submitted, 0
	return c, s.step(ctx, tx, c, Returned, actor, reason)
}

// RefuseLine lets a line not be paid, with a reason, or lets it be paid again if
// there is none. The first reviewer does it.
func (s *Service) RefuseLine(ctx context.Context, tx *db.Tx, id string, invoice, n int, reason, actor string) (*Claim, error) {
	c, err := s.hold(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if err := c.expect("剔除明细", Accepted); err != nil {
		return nil, err
	}
	if err := c.other(actor, "初审", c.Entered, c.Accepter); err != nil {
		return nil, err
	}
	if len([]rune(reason)) > 200 {
		return nil, &Error{"reason", "", "至多 200 个字"}
	}
	i := slices.IndexFunc(c.Lines, func(l Line) bool { return l.Invoice == invoice && l.N == n })
	if i < 0 {
		return nil, errorf("line", fmt.Sprint(n), "第 %d 张票据没有这条明细", invoice)
	}
	c.Lines[i].Refused = reason
	if err := tx.Exec(ctx, `UPDATE claim_line SET refused = ? WHERE claim = ? AND invoice = ? AND n = ?`, reason, c.ID, invoice, n); err != nil {
		return nil, err
	}
	return c, s.note(ctx, tx, c, actor, "claim.line")
}

// Review is the first review (初审): what the reviewer would do with the claim.
func (s *Service) Review(ctx context.Context, tx *db.Tx, id, proposal, reason, actor string) (*Claim, error) {
	c, err := s.hold(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if err := c.expect("初审", Accepted); err != nil {
		return nil, err
	}
	if err := c.other(actor, "初审", c.Entered, c.Accepter); err != nil {
		return nil, err
	}
	switch {
	case proposal != Pay && proposal != Refuse:
		return nil, &Error{"decision", proposal, "请选择拟予支付或拟不予报销"}
	case proposal == Refuse && reason == "":
		return nil, &Error{"reason", "", "请写明不予报销的原因和依据"}
	}
	c.Proposal, c.Reviewer = proposal, actor
	return c, s.step(ctx, tx, c, Reviewed, actor, reason)
}

// Recheck is the second review (复核). Who agrees decides: the claim is settled as
// the first reviewer proposed, or refused; who does not sends it back to the
// first review with the reason.
func (s *Service) Recheck(ctx context.Context, tx *db.Tx, id string, agree bool, reason, actor string) (*Claim, error) {
	c, err := s.hold(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if err := c.expect("复核", Reviewed); err != nil {
		return nil, err
	}
	if err := c.other(actor, "复核", c.Entered, c.Accepter, c.Reviewer); err != nil {
		return nil, err
	}
	if !agree {
		if reason == "" {
			return nil, &Error{"reason", "", "请写明退回初审的原因"}
		}
		c.Proposal, c.Reviewer = "", ""
		return c, s.step(ctx, tx, c, Accepted, actor, reason)
	}
	c.Decided = s.today()
	if c.Proposal == Refuse {
		paid, err := s.Owed(ctx, tx, c)
		if err != nil {
			return nil, err
		}
		if paid < 0 {
			return nil, &Error{"decision", "", "申诉前已支付过，不能改为不予报销；请退回初审"}
		}
		if err := free(ctx, tx, c); err != nil {
			return nil, err
		}
		c.Due = 0
		return c, s.step(ctx, tx, c, Refused, actor, cmp.Or(reason, c.Why()))
	}
	all, err := s.settle(ctx, tx, c, actor)
	if err != nil {
		return nil, err
	}
	return c, s.decided(ctx, tx, c, all, actor)
}

// decided says what comes after the settlements of a claim.
func (s *Service) decided(ctx context.Context, tx *db.Tx, c *Claim, all []*settlement.Settlement, actor string) error {
	c.Settlements = nil
	note := ""
	for _, st := range all {
		c.Settlements = append(c.Settlements, st.ID)
		if st.Result.Refused {
			note = st.Result.Reason
		}
	}
	owed, err := s.Owed(ctx, tx, c)
	switch {
	case err != nil:
		return err
	case owed < 0:
		return errorf("decision", owed.String(), "重新审核后应付的比申诉前已支付的少 %s 元；申诉不减少已支付的待遇，请退回初审", (-owed).Grouped())
	case owed == 0:
		c.Due = 0
		return s.step(ctx, tx, c, Closed, actor, cmp.Or(note, "按规定计算，没有可由基金支付的金额"))
	}
	rules, err := s.Rules(c.Region)
	if err != nil {
		return err
	}
	s.due(c, rules.PayDays)
	return s.step(ctx, tx, c, Approved, actor, note)
}

// settle settles a claim's care as if it had been settled where it was given: a
// stay as a whole, other care invoice by invoice in the order of their days. What
// the funds pay is owed to the person.
func (s *Service) settle(ctx context.Context, tx *db.Tx, c *Claim, actor string) ([]*settlement.Settlement, error) {
	if c.Stay() {
		st, err := s.settleOne(ctx, tx, c, c.Invoices, c.From, c.To, actor)
		if err != nil {
			return nil, err
		}
		return []*settlement.Settlement{st}, nil
	}
	invoices := slices.Clone(c.Invoices)
	slices.SortStableFunc(invoices, func(a, b Invoice) int { return cmp.Compare(a.Day, b.Day) })
	var out []*settlement.Settlement
	for _, v := range invoices {
		st, err := s.settleOne(ctx, tx, c, []Invoice{v}, v.Day, v.Day, actor)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

func (s *Service) settleOne(ctx context.Context, tx *db.Tx, c *Claim, invoices []Invoice, from, to civil.Date, actor string) (*settlement.Settlement, error) {
	rules, err := s.Rules(c.Region)
	if err != nil {
		return nil, err
	}
	reason, _ := rules.Reason(c.Reason)
	spells, err := enrolment.Insurances(ctx, tx, c.Person, to)
	if err != nil {
		return nil, err
	}
	v, err := s.care.Open(ctx, tx, settlement.OpenRequest{Person: c.Person, Provider: c.Provider, Scheme: enrolment.Counting(spells).Scheme, Kind: c.Kind,
		Number: invoices[0].Number, Begun: day(from), Disease: c.Disease, DiseaseName: c.DiseaseName, Cause: c.Cause, Claim: c.ID, Emergency: reason.Emergency, Actor: actor})
	if err != nil {
		return nil, err
	}
	var fees []settlement.Fee
	var total money.Fen
	for _, l := range c.Lines {
		if !slices.ContainsFunc(invoices, func(v Invoice) bool { return v.N == l.Invoice }) {
			continue
		}
		fees = append(fees, settlement.Fee{Serial: fmt.Sprintf("%d-%d", l.Invoice, l.N), Item: l.Item, ProviderItem: l.Name, Time: day(l.Day),
			Quantity: l.Quantity, Price: l.Price, Amount: l.Amount, OwnPay: l.Refused != ""})
		total += l.Amount
	}
	if _, err := s.care.AddFees(ctx, tx, v.ID, "", fees, actor); err != nil {
		return nil, err
	}
	return s.care.Settle(ctx, tx, settlement.SettleRequest{Visit: v.ID, Person: c.Person, Total: total, Discharged: to,
		Invoice: invoices[0].Code + invoices[0].Number, Actor: actor})
}

// errTried ends a transaction that was only tried.
var errTried = errors.New("claim: only tried")

// Try says what a claim would come to if it were decided now: the settlements
// that would be made, by the very way in which they are, and nothing is kept.
func (s *Service) Try(ctx context.Context, d *db.DB, id string) (all []*settlement.Settlement, err error) {
	err = d.Update(ctx, func(tx *db.Tx) error {
		c, err := s.hold(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := c.expect("试算", Submitted, Accepted, Reviewed); err != nil {
			return err
		}
		if err := s.whole(ctx, tx, c); err != nil {
			return err
		}
		if all, err = s.settle(ctx, tx, c, "试算"); err != nil {
			return err
		}
		return errTried
	})
	if errors.Is(err, errTried) {
		err = nil
	}
	return all, err
}

// Appeal asks that others look at a decision again (申诉), within the days that the
// package gives.
func (s *Service) Appeal(ctx context.Context, tx *db.Tx, id, person, reason, actor string) (*Claim, error) {
	c, err := s.own(ctx, tx, id, person)
	if err != nil {
		return nil, err
	}
	if err := c.expect("申诉", Paid, Closed, Refused, Failed, Approved); err != nil {
		return nil, err
	}
	rules, err := s.Rules(c.Region)
	if err != nil {
		return nil, err
	}
	switch last := c.Decided.AddDays(rules.AppealDays); {
	case rules.AppealDays == 0:
		return nil, &Error{"id", id, "政策包没有规定申诉，请咨询经办机构"}
	case s.today() > last:
		return nil, errorf("id", id, "已超过申诉期限：决定后 %d 天内，到 %s 为止", rules.AppealDays, last)
	case s.appealed(c):
		return nil, &Error{"id", id, "已经申诉过一次；仍不服的，可以依法申请行政复议"}
	case reason == "" || len([]rune(reason)) > 500:
		return nil, &Error{"reason", "", "请写明申诉的理由，不超过 500 个字"}
	}
	c.Before = c.State
	s.due(c, rules.DecideDays)
	return c, s.step(ctx, tx, c, Appealed, actor, reason)
}

// DecideAppeal decides on an appeal. Who had a part in the decision may not. What
// is upheld goes back to where it stood. Otherwise its settlements are reversed
// and it is reviewed from the start; what was paid counts against what is owed
// then.
func (s *Service) DecideAppeal(ctx context.Context, tx *db.Tx, id string, again bool, reason, actor string) (*Claim, error) {
	c, err := s.hold(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if err := c.expect("处理申诉", Appealed); err != nil {
		return nil, err
	}
	before := []string{c.Entered}
	for _, x := range c.Steps {
		before = append(before, x.Actor)
	}
	if err := c.other(actor, "处理申诉", before...); err != nil {
		return nil, err
	}
	if reason == "" {
		return nil, &Error{"reason", "", "请写明处理申诉的理由"}
	}
	rules, err := s.Rules(c.Region)
	if err != nil {
		return nil, err
	}
	if !again {
		c.Due = 0
		if c.Before == Approved || c.Before == Failed {
			s.due(c, rules.PayDays)
		}
		return c, s.step(ctx, tx, c, c.Before, actor, "维持原决定："+reason)
	}
	for i := len(c.Settlements) - 1; i >= 0; i-- {
		if _, err := s.care.Reverse(ctx, tx, settlement.ReverseRequest{Settlement: c.Settlements[i], Person: c.Person, Claim: c.ID, Actor: actor}); err != nil {
			return nil, err
		}
	}
	c.Settlements = nil
	if err := s.claimInvoices(ctx, tx, c); err != nil { // a refused claim had let them go
		return nil, err
	}
	c.Proposal, c.Reviewer, c.Decided = "", "", 0
	s.due(c, rules.DecideDays)
	return c, s.step(ctx, tx, c, Accepted, actor, "重新审核："+reason)
}

// Account is the ledger account of what is owed by a claim.
func (c *Claim) Account() string { return fund.Claim(c.ID) }
