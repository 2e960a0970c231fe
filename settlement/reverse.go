package settlement

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// ReverseRequest asks to take a settlement back.
type ReverseRequest struct {
	Settlement string
	Visit      string // of the settlement; "" is not checked
	Person     string // likewise
	Provider   string
	Claim      string // of a settlement of a claim, in place of the provider
	Actor      string
}

// Reversal is what taking a settlement back did.
type Reversal struct {
	Settlement *Settlement  // with the opposite amounts
	Adjusted   []Adjustment // later settlements that came out otherwise without it
}

// Adjustment is a settlement made again because an earlier one was reversed:
// the old one is reversed too, and the new one stands in its place.
type Adjustment struct{ Old, New *Settlement }

// Reverse takes a settlement back (结算撤销): opposite postings in one ledger
// entry, the sums of the year without it, its fees unsettled again, and a
// closed stay open. Nothing written before is changed.
//
// Later settlements of the person were decided from sums that held this one.
// They are replayed without it. If one comes out otherwise, the package says
// whether the reversal is refused or the later ones are made again. An *Error
// says why a settlement cannot be reversed.
func (s *Service) Reverse(ctx context.Context, tx *db.Tx, q ReverseRequest) (*Reversal, error) {
	old, err := s.reversible(ctx, tx, q)
	if err != nil {
		return nil, err
	}
	back, err := s.takeBack(ctx, tx, old, q.Actor)
	if err != nil {
		return nil, err
	}
	if err := tx.Exec(ctx, `DELETE FROM settled WHERE visit = ? AND settlement = ?`, old.Visit.ID, old.ID); err != nil {
		return nil, err
	}
	switch {
	case q.Claim != "": // it is decided again as another visit, or not at all
		forgetVisit(tx, old.Visit.ID)
		if err := tx.Exec(ctx, `UPDATE visit SET closed = 1, cancelled = 1 WHERE id = ?`, old.Visit.ID); err != nil {
			return nil, err
		}
	case stay(old.Visit.Kind):
		forgetVisit(tx, old.Visit.ID)
		if err := tx.Exec(ctx, `UPDATE visit SET closed = 0 WHERE id = ?`, old.Visit.ID); err != nil {
			return nil, err
		}
		back.Visit.Closed = false
	}
	adjusted, err := s.replay(ctx, tx, old, q.Actor)
	return &Reversal{back, adjusted}, err
}

// reversible finds the settlement and refuses what cannot be reversed.
func (s *Service) reversible(ctx context.Context, tx *db.Tx, q ReverseRequest) (*Settlement, error) {
	fail := func(want string) (*Settlement, error) { return nil, &Error{"settlement", q.Settlement, want} }
	var visit, person string
	err := tx.QueryRow(ctx, `SELECT visit, person FROM settlement WHERE id = ?`, q.Settlement).Scan(&visit, &person)
	if db.IsNotFound(err) {
		return fail("本机构没有这笔结算")
	}
	if err != nil {
		return nil, err
	}
	if err := s.Expect(ctx, tx, visit, person, true); err != nil {
		return nil, err
	}
	old, ok, err := s.Get(ctx, tx, q.Settlement)
	switch {
	case err != nil:
		return nil, err
	case !ok || old.Visit.Claim != q.Claim || q.Claim == "" && old.Visit.Provider != q.Provider:
		return fail("本机构没有这笔结算")
	case q.Visit != "" && old.Visit.ID != q.Visit:
		return fail("不是就诊 " + q.Visit + " 的结算")
	case q.Person != "" && old.Person.ID != q.Person:
		return nil, &Error{"person", q.Person, "与结算的人员不符"}
	case old.Reverses != "":
		return fail("这是结算 " + old.Reverses + " 的撤销记录，不能再撤销")
	case old.ReversedBy != "":
		by, _, err := s.Get(ctx, tx, old.ReversedBy)
		if err != nil {
			return nil, err
		}
		want := "已于 " + stamp(by.At) + " 撤销，撤销的结算ID " + by.ID
		var again string
		err = tx.QueryRow(ctx, `SELECT id FROM settlement WHERE replaces = ? AND replaces <> ''`, old.ID).Scan(&again)
		if err == nil {
			want += "；因更早的结算撤销，已重新计算为结算 " + again
		} else if !db.IsNotFound(err) {
			return nil, err
		}
		return fail(want)
	}
	if !stay(old.Visit.Kind) {
		return old, nil
	}
	// Parts of a stay are taken back from the last.
	var later string
	err = tx.QueryRow(ctx, `SELECT s.id FROM settlement s WHERE s.visit = ? AND s.place > ? AND `+stands+` ORDER BY s.place DESC LIMIT 1`, old.Visit.ID, old.place).Scan(&later)
	if err == nil {
		return fail("这次住院其后还有结算 " + later + "，请先撤销它")
	}
	if !db.IsNotFound(err) {
		return nil, err
	}
	return old, nil
}

// takeBack writes the opposite of a settlement. The fees are kept as they were
// settled; whose they are from now on is for the caller to write.
func (s *Service) takeBack(ctx context.Context, tx *db.Tx, old *Settlement, actor string) (*Settlement, error) {
	now := s.now()
	st := &Settlement{ID: "S" + newID(now), At: now, Visit: old.Visit, Person: old.Person, Provider: old.Provider,
		Case: old.Case, Result: negated(&old.Result), Invoice: old.Invoice, Note: "撤销结算 " + old.ID, Reverses: old.ID}
	c, r := &st.Case, &st.Result
	if err := s.versionOf(r.Package); err != nil {
		return nil, fmt.Errorf("settlement %s: %w", old.ID, err)
	}
	// The reversal starts from what the books hold now.
	var read snapshot
	if err := errors.Join(read.laterSums(ctx, tx, r.Package, c, old.Visit), tx.Flush(ctx)); err != nil {
		return nil, err
	}
	read.fillSums(tx, r.Package, c)
	c.Nth, c.StayBorne = old.Case.Nth, old.Case.StayBorne
	for i := range r.YearToDate {
		r.YearToDate[i] = c.YearToDate[i] - (old.Result.YearToDate[i] - old.Case.YearToDate[i])
		if r.Divided {
			r.NextYear[i] = c.NextYear[i] - (old.Result.NextYear[i] - old.Case.NextYear[i])
		}
		if r.YearToDate[i] < 0 || r.NextYear[i] < 0 {
			return nil, fmt.Errorf("settlement %s cannot be reversed: a sum of the year would fall below zero", old.ID)
		}
	}
	var err error
	if c.Account, err = fund.Balance(ctx, tx, fund.PersonAccount(old.Person.ID)); err != nil {
		return nil, err
	}
	st.Balance = c.Account - (r.Account - r.FamilyAccount)
	if r.FamilyAccount != 0 {
		if st.Family, err = account.Shares(ctx, tx, old.ID); err != nil {
			return nil, err
		}
	}
	for i := range st.Family {
		st.Family[i].Amount = -st.Family[i].Amount
	}
	serials, err := serialsOf(ctx, tx, old.ID)
	if err != nil {
		return nil, err
	}
	if err := s.write(ctx, tx, st, serials); err != nil {
		return nil, err
	}
	if err := tx.Exec(ctx, `INSERT INTO reversed_fee (settlement, `+feeColumns+`) SELECT settlement, `+feeColumns+` `+settledBy,
		old.Visit.ID, old.ID); err != nil {
		return nil, err
	}
	if err := keepDetails(ctx, tx, old.Visit.ID, old.ID); err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(read.parts, func(p part) bool { return p.id == old.ID })
	return st, s.post(ctx, tx, st, others, "settle.reverse", actor)
}

// versionOf checks that the package that decided is still there: without it
// the names of the sums are not known.
func (s *Service) versionOf(p *policy.Package) error {
	for _, v := range s.store.Versions(p.Region) {
		if v.From == p.From {
			return nil
		}
	}
	return fmt.Errorf("the package %s of %s that decided it is not there any more", p.From, p.Region)
}

// negated is the result with every amount reversed; the sums of the year are
// for the caller to set.
func negated(r *policy.Result) policy.Result {
	n := *r
	for _, f := range []*money.Fen{&n.Total, &n.FullOwnPay, &n.OverCeiling, &n.FirstOwnPay, &n.InScope, &n.Deductible,
		&n.FundTotal, &n.Person, &n.Hospital, &n.Account, &n.FamilyAccount, &n.Cash} {
		*f = -*f
	}
	for i := range n.Fund {
		n.Fund[i] = -n.Fund[i]
	}
	for i := range n.Stages() {
		sp := &n.StagePays[i]
		sp.Base, sp.Deductible, sp.Paid = -sp.Base, -sp.Deductible, -sp.Paid
	}
	n.Lines = make([]policy.LineSplit, len(r.Lines))
	for i, l := range r.Lines {
		n.Lines[i] = policy.LineSplit{FullOwnPay: -l.FullOwnPay, OverCeiling: -l.OverCeiling, FirstOwnPay: -l.FirstOwnPay, InScope: -l.InScope}
	}
	return n
}

func serialsOf(ctx context.Context, tx *db.Tx, id string) (serials []string, err error) {
	d, err := documentOf(ctx, tx, id)
	for _, l := range d.Lines {
		serials = append(serials, l.Serial)
	}
	return serials, err
}

// replay settles again, in their order, the later settlements of the person
// that came out otherwise with old among the sums.
func (s *Service) replay(ctx context.Context, tx *db.Tx, old *Settlement, actor string) ([]Adjustment, error) {
	of := []any{old.Person.ID, old.Case.Region, old.Case.Scheme}
	const whose = `s.person = ? AND s.region = ? AND s.scheme = ? AND ` + stands
	var later int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM settlement s WHERE s.place > ? AND `+whose, append([]any{old.place}, of...)...).Scan(&later); err != nil || later == 0 {
		return nil, err
	}
	rows, err := s.rows(ctx, tx, `WHERE `+whose+` ORDER BY s.place`, of...)
	if err != nil {
		return nil, err
	}
	dec := calc.NewDecoder(s.store)
	h := newHistory()
	var out []Adjustment
	for i := range rows {
		r := &rows[i]
		if err := s.versionOf(r.Result.Package); err != nil {
			return nil, fmt.Errorf("settlement %s: %w", r.ID, err)
		}
		if err := dec.Decode(r.document.Case, &r.Case); err != nil {
			return nil, fmt.Errorf("settlement %s: %w", r.ID, err)
		}
		if r.place < old.place {
			h.add(r.Visit.ID, &r.Case, &r.Result, r.stayBorne)
			continue
		}
		asked := h.restate(r.Result.Package, r.Visit.ID, r.Case)
		st := &Settlement{At: s.now(), Visit: r.Visit, Person: r.Person, Provider: r.Provider, Case: asked, Invoice: r.Invoice, Replaces: r.ID, place: r.place}
		var was policy.Result
		if err := s.store.Settle(&r.Case, &was, nil); err != nil {
			return nil, fmt.Errorf("settlement %s: %w", r.ID, err)
		}
		var t policy.Trace
		if err := s.store.Settle(&st.Case, &st.Result, &t); err != nil {
			return nil, fmt.Errorf("settlement %s: %w", r.ID, err)
		}
		if sameOutcome(&r.Case, &was, &st.Case, &st.Result) {
			h.add(r.Visit.ID, &r.Case, &was, stayBorne(&was))
			continue
		}
		if !old.Result.Package.ReplaysLater() {
			return nil, &Error{"settlement", old.ID, fmt.Sprintf("会改变其后 %s 在%s的结算 %s：基金支付 %s 将变为 %s，个人负担 %s 将变为 %s；请先撤销该结算",
				r.Case.Date, r.Provider.Name, r.ID, was.FundTotal, st.Result.FundTotal, was.Person, st.Result.Person)}
		}
		if err := s.remake(ctx, tx, r, st, actor); err != nil {
			return nil, err
		}
		h.add(r.Visit.ID, &st.Case, &st.Result, stayBorne(&st.Result))
		out = append(out, Adjustment{&r.Settlement, st})
	}
	return out, nil
}

// remake reverses a settlement and writes the one in its place. What the
// person bears more comes from the account as far as the account then held it
// and still holds it.
func (s *Service) remake(ctx context.Context, tx *db.Tx, r *row, st *Settlement, actor string) error {
	if err := s.details(r); err != nil {
		return err
	}
	if _, err := s.takeBack(ctx, tx, &r.Settlement, actor); err != nil {
		return err
	}
	c := &st.Case
	held, err := fund.Balance(ctx, tx, fund.PersonAccount(r.Person.ID))
	if err != nil {
		return err
	}
	c.Account = min(c.Account, max(0, held))
	var family []account.Available
	if c.FamilyAccount > 0 {
		err := errors.Join(s.holdFamily(ctx, tx, r.Person.ID), account.LaterAvailable(ctx, tx, &family, r.Person.ID, dayOf(st.At)), tx.Flush(ctx))
		if err != nil {
			return err
		}
		c.FamilyAccount = min(c.FamilyAccount, covered(family))
	}
	c.Lines = r.Case.Lines
	var t policy.Trace
	if err := s.store.Settle(c, &st.Result, &t); err != nil {
		return err
	}
	if err := identities(c, &st.Result, r.total); err != nil {
		return err
	}
	if st.Family, err = account.Divide(family, st.Result.FamilyAccount); err != nil {
		return err
	}
	st.Steps, st.Balance = t.Steps, max(0, held-(st.Result.Account-st.Result.FamilyAccount))
	st.ID = "S" + newID(st.At)
	st.Note = "更早的结算撤销后，重新计算结算 " + r.ID
	if r.Note != "" {
		st.Note = r.Note + "；" + st.Note
	}
	serials, err := serialsOf(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	var others []part
	if err := errors.Join(laterParts(ctx, tx, &others, st.Visit.ID, r.ID), tx.Flush(ctx)); err != nil {
		return err
	}
	if err := s.write(ctx, tx, st, serials); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `UPDATE settled SET settlement = ? WHERE visit = ? AND settlement = ?`, st.ID, st.Visit.ID, r.ID); err != nil {
		return err
	}
	return s.post(ctx, tx, st, others, "settle.again", actor)
}

// history is what a person's settlements moved, in their order. It is what
// yearSums and sums read, kept in memory so that a year can be replayed.
type history struct {
	sums   map[yearSum]money.Fen
	visits map[counted]map[string]bool // which visits count
	borne  map[string]money.Fen        // deductible per stay, by visit
}

// yearSum is one sum of a benefit year.
type yearSum struct {
	region string
	scheme policy.Scheme
	year   civil.Date
	name   string
}

// counted says of what kind of visits, in which benefit year, the number counts.
type counted struct {
	region string
	scheme policy.Scheme
	kind   policy.VisitKind // a stay of any kind is Inpatient
	year   civil.Date
}

func newHistory() *history {
	return &history{map[yearSum]money.Fen{}, map[counted]map[string]bool{}, map[string]money.Fen{}}
}

// add moves the sums by a settlement that stands.
func (h *history) add(visit string, c *policy.Case, r *policy.Result, borne money.Fen) {
	first, last := years(r.Package, c)
	h.move(c, r.Package, first, &c.YearToDate, &r.YearToDate)
	if r.Divided {
		h.move(c, r.Package, last, &c.NextYear, &r.NextYear)
	}
	if r.Refused {
		return
	}
	h.count(countedIn(c, first), visit)
	if r.Divided && r.Package.StayCounts() {
		h.count(countedIn(c, last), visit)
	}
	h.borne[visit] += borne
}

func (h *history) move(c *policy.Case, p *policy.Package, year civil.Date, before, after *policy.Accumulators) {
	for i, name := range p.Accumulators() {
		h.sums[yearSum{c.Region, c.Scheme, year, name}] += after[i] - before[i]
	}
}

func (h *history) count(k counted, visit string) {
	if h.visits[k] == nil {
		h.visits[k] = map[string]bool{}
	}
	h.visits[k][visit] = true
}

func countedIn(c *policy.Case, year civil.Date) counted {
	kind := c.Visit
	if stay(kind) {
		kind = policy.Inpatient
	}
	return counted{c.Region, c.Scheme, kind, year}
}

// restate is the case as it would have been decided from the history.
func (h *history) restate(p *policy.Package, visit string, c policy.Case) policy.Case {
	first, last := years(p, &c)
	c.YearToDate, c.NextYear = policy.Accumulators{}, policy.Accumulators{}
	for i, name := range p.Accumulators() {
		c.YearToDate[i] = h.sums[yearSum{c.Region, c.Scheme, first, name}]
		if first != last {
			c.NextYear[i] = h.sums[yearSum{c.Region, c.Scheme, last, name}]
		}
	}
	before := h.visits[countedIn(&c, first)]
	c.Nth = 1 + len(before)
	if before[visit] { // a stay settled in parts is one stay
		c.Nth--
	}
	c.StayBorne = 0
	if stay(c.Visit) {
		c.StayBorne = h.borne[visit]
	}
	return c
}

// sameOutcome reports whether two results pay the same, by every payer, and
// move the same sums.
func sameOutcome(ca *policy.Case, a *policy.Result, cb *policy.Case, b *policy.Result) bool {
	if a.Refused != b.Refused || a.Divided != b.Divided || a.Fund != b.Fund || a.Person != b.Person || a.Hospital != b.Hospital ||
		a.Account != b.Account || a.FamilyAccount != b.FamilyAccount || a.Deductible != b.Deductible || a.InScope != b.InScope || a.NumStages != b.NumStages {
		return false
	}
	for i, x := range a.Stages() {
		if y := b.StagePays[i]; x.Stage.ID != y.Stage.ID || x.Paid != y.Paid || x.Deductible != y.Deductible {
			return false
		}
	}
	for i := range a.YearToDate {
		if a.YearToDate[i]-ca.YearToDate[i] != b.YearToDate[i]-cb.YearToDate[i] || a.Divided && a.NextYear[i]-ca.NextYear[i] != b.NextYear[i]-cb.NextYear[i] {
			return false
		}
	}
	return true
}
