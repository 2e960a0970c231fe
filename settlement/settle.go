package settlement

import (
	"context"
	"fmt"
	"time"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// AccountUse says whether a personal account pays (个人账户使用标志).
type AccountUse uint8

// The uses of an account.
const (
	NoAccount AccountUse = iota
	OwnAccount
	FamilyAccount // own, then what family members allow (家庭共济)
)

// SettleRequest asks to settle a visit, or to say what settling would give.
type SettleRequest struct {
	Visit      string
	Person     string
	Provider   string
	Batch      string    // fee batch, "" for all unsettled lines
	Total      money.Fen // what the caller believes the lines sum to
	UseAccount AccountUse
	Discharged civil.Date // of a stay; zero: the day of its discharge or, without one, today
	Invoice    string
	// MidStay asks for a settlement in the middle of a stay (中途结算), of what
	// arose up to Discharged: the stay stays open, and later fees settle later.
	MidStay bool
	Actor   string
}

// Settlement is what was decided on a visit.
type Settlement struct {
	ID       string // "" for a preview
	At       time.Time
	Visit    Visit
	Person   enrolment.Person
	Provider provider.Provider
	Case     policy.Case
	Result   policy.Result
	Steps    []policy.Step
	Balance  money.Fen // of the personal account afterwards
	Invoice  string
	Note     string // in Chinese: how the visit was treated otherwise than asked

	Reverses   string // of a reversal (撤销): the settlement that it takes back; its amounts are the opposite
	ReversedBy string // the reversal of this settlement, "" while it stands
	Replaces   string // the reversed settlement in whose place this one was made again
	place      int64  // in the order of the person's settlements; 0: the last
}

// Preview decides what settling would give and writes nothing (预结算).
func (s *Service) Preview(ctx context.Context, tx *db.Tx, q SettleRequest) (*Settlement, error) {
	st, _, err := s.decide(ctx, tx, q)
	return st, err
}

// Settle decides, posts and records a settlement (结算): the lines, the sums of
// the year, the ledger entry and the audit record, or nothing.
func (s *Service) Settle(ctx context.Context, tx *db.Tx, q SettleRequest) (*Settlement, error) {
	st, lines, err := s.decide(ctx, tx, q)
	if err != nil {
		return nil, err
	}
	if err := identities(&st.Case, &st.Result, q.Total); err != nil {
		return nil, err
	}
	st.ID = "S" + newID(st.At)
	if err := s.record(ctx, tx, st, q, lines); err != nil {
		return nil, err
	}
	return st, nil
}

// decide reads the snapshot and lets policy settle it. The lines it returns
// include those taken back whole, which no case holds.
func (s *Service) decide(ctx context.Context, tx *db.Tx, q SettleRequest) (*Settlement, []netLine, error) {
	v, err := s.openVisit(ctx, tx, q.Visit, q.Person, q.Provider)
	if err != nil {
		return nil, nil, err
	}
	st := &Settlement{Visit: v, At: s.now(), Invoice: q.Invoice}
	if st.Provider, err = s.careRegion(ctx, tx, v.Provider); err != nil {
		return nil, nil, err
	}
	if st.Person, err = s.person(ctx, tx, v); err != nil {
		return nil, nil, err
	}
	c := &st.Case
	var until civil.Date
	if c.Admitted, c.Date, err = days(v, st.At, q); err != nil {
		return nil, nil, err
	}
	if q.MidStay && stay(v.Kind) {
		until = c.Date
	}
	lines, total, err := netFees(ctx, tx, v.ID, q.Batch, until)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range lines {
		if l.quantity != 0 {
			c.Lines = append(c.Lines, l.Line)
		}
	}
	switch {
	case len(c.Lines) == 0:
		return nil, nil, &Error{"batch", q.Batch, "没有未结算的费用明细"}
	case len(c.Lines) > calc.MaxLines: // more could not be read back
		return nil, nil, &Error{"batch", q.Batch, fmt.Sprintf("一次结算至多 %d 条费用明细，现有 %d 条；请按收费批次分次结算", calc.MaxLines, len(c.Lines))}
	case total != q.Total:
		return nil, nil, &Error{"total", q.Total.String(), "与已上传未结算明细的合计 " + total.String() + " 不符"}
	}
	if err := s.snapshot(ctx, tx, st, q); err != nil {
		return nil, nil, err
	}
	pkg, err := s.store.At(c.Region, c.Date)
	if err != nil {
		return nil, nil, inputError(err)
	}
	// The package that decides may be that of the admission. Its sums are then
	// named otherwise, and are read again under its names.
	for range 2 {
		if err := sums(ctx, tx, pkg, c, v); err != nil {
			return nil, nil, err
		}
		var t policy.Trace
		if err := s.store.Settle(c, &st.Result, &t); err != nil {
			return nil, nil, inputError(err)
		}
		st.Steps = t.Steps
		if st.Result.Package == pkg {
			break
		}
		pkg = st.Result.Package
	}
	st.Balance = max(0, c.Account-(st.Result.Account-st.Result.FamilyAccount))
	return st, lines, nil
}

// days are the day of admission, zero for what is no stay, and the day that the
// settlement is of.
func days(v Visit, now time.Time, q SettleRequest) (admitted, day civil.Date, err error) {
	begun := dayOf(v.Begun)
	if !stay(v.Kind) {
		return 0, begun, nil
	}
	ended := !v.Ended.IsZero()
	switch {
	case ended && q.MidStay:
		return 0, 0, &Error{"discharged", dayOf(v.Ended).String(), "已办理出院，不能中途结算"}
	case ended && q.Discharged != 0 && q.Discharged != dayOf(v.Ended):
		return 0, 0, &Error{"discharged", q.Discharged.String(), "与出院办理登记的出院日 " + dayOf(v.Ended).String() + " 不一致"}
	case ended:
		return begun, dayOf(v.Ended), nil
	case q.Discharged == 0:
		return begun, max(dayOf(now), begun), nil
	case q.Discharged < begun:
		return 0, 0, &Error{"discharged", q.Discharged.String(), "早于入院日 " + begun.String()}
	}
	return begun, q.Discharged, nil
}

// snapshot fills the case from what holds on its day.
func (s *Service) snapshot(ctx context.Context, tx *db.Tx, st *Settlement, q SettleRequest) error {
	c, v := &st.Case, st.Visit
	c.Region, c.CareRegion = st.Person.Region, st.Provider.Region
	if stay(v.Kind) {
		for i := range c.Lines {
			if d := c.Lines[i].Date; d < c.Admitted || d > c.Date {
				return &Error{"fees.time", d.String(), "不在住院期间 " + c.Admitted.String() + " 至 " + c.Date.String()}
			}
		}
	} else {
		// A fee of a later day than the registration counts on the visit's day.
		for i := range c.Lines {
			c.Lines[i].Date = 0
		}
	}
	c.Visit, c.Cause = v.Kind, v.Cause
	c.Level, c.ProviderKind = st.Provider.Level, st.Provider.Kind
	c.Undesignated, c.Private = !st.Provider.Designated, st.Provider.Private
	c.Birth, c.Female = st.Person.Birth, st.Person.Female

	if err := insured(ctx, tx, c, v); err != nil {
		return err
	}
	classes, err := enrolment.Classes(ctx, tx, v.Person, c.Date)
	if err != nil {
		return err
	}
	for _, k := range classes {
		set, _ := s.store.Class(k.Name) // a class that no package knows changes nothing
		c.Classes |= set
	}
	if c.CareRegion != c.Region {
		if c.Filing, err = enrolment.FilingOn(ctx, tx, v.Person, c.CareRegion, c.Date); err != nil {
			return err
		}
	}
	if c.Visit == policy.Chronic || c.Visit == policy.Special {
		if err := recognised(ctx, tx, st); err != nil {
			return err
		}
	}
	c.KeepAccount = q.UseAccount == NoAccount
	if c.Scheme == policy.Employee {
		c.Account, err = fund.Balance(ctx, tx, fund.PersonAccount(v.Person))
	}
	return err
}

// insured fills in the insurance that counts on the day.
func insured(ctx context.Context, tx *db.Tx, c *policy.Case, v Visit) error {
	all, err := enrolment.Insurances(ctx, tx, v.Person, c.Date)
	if err != nil {
		return err
	}
	c.Scheme, c.Insured = v.Scheme, policy.NotInsured
	for _, i := range all {
		if i.Scheme != v.Scheme {
			continue
		}
		c.Insured, c.Retired, c.BenefitsFrom = i.Status, i.Retired, i.BenefitsFrom
		c.ArrearsMonths = i.ArrearsMonths(c.Date)
		break
	}
	return nil
}

// recognised turns a visit for a chronic or special disease that was not
// recognised into an ordinary one and says so (特病未认定).
func recognised(ctx context.Context, tx *db.Tx, st *Settlement) error {
	c, v := &st.Case, st.Visit
	all, err := enrolment.SpecialDiseases(ctx, tx, v.Person, c.Date)
	if err != nil {
		return err
	}
	for _, d := range all {
		if v.Disease == "" && d.Special == (v.Kind == policy.Special) || d.Code == v.Disease || d.Name == v.DiseaseName {
			c.Disease = d.Name
			c.Visit = policy.Chronic
			if d.Special {
				c.Visit = policy.Special
			}
			return nil
		}
	}
	name := v.DiseaseName
	if name == "" {
		name = v.Disease
	}
	st.Note = "病种「" + name + "」在 " + c.Date.String() + " 没有认定，按普通门诊结算；可向经办机构申请门诊慢特病认定"
	c.Visit = policy.Outpatient
	return nil
}

// sums fills in the person's sums of the benefit year, which visit of its kind
// this is, and what earlier parts of the stay bore.
func sums(ctx context.Context, tx *db.Tx, pkg *policy.Package, c *policy.Case, v Visit) error {
	if err := yearSums(ctx, tx, pkg, c, v.Person); err != nil {
		return err
	}
	first, _ := years(pkg, c)
	kinds := []any{c.Visit, c.Visit, c.Visit}
	if stay(c.Visit) {
		kinds = []any{policy.Inpatient, policy.DaySurgery, policy.Maternity}
	}
	// A stay settled in parts is one stay.
	var before int
	err := tx.QueryRow(ctx, `SELECT COUNT(DISTINCT s.visit) FROM settlement s WHERE s.person = ? AND s.counts_from <= ? AND s.counts_to >= ? AND s.refused = 0 AND s.region = ? AND s.scheme = ? AND s.visit <> ? AND s.kind IN (?, ?, ?) AND `+stands,
		append([]any{v.Person, int(first), int(first), c.Region, c.Scheme, v.ID}, kinds...)...).Scan(&before)
	c.Nth = before + 1
	if err != nil || !stay(c.Visit) {
		return err
	}
	return tx.QueryRow(ctx, `SELECT COALESCE(SUM(s.stay_borne), 0) FROM settlement s WHERE s.visit = ? AND s.refused = 0 AND `+stands, v.ID).Scan(&c.StayBorne)
}

// stands is the condition that a settlement s is neither reversed nor a
// reversal.
const stands = `s.reverses = '' AND NOT EXISTS (SELECT 1 FROM settlement r WHERE r.reverses = s.id AND r.reverses <> '')`

// years are the first days of the benefit years of a case: the one whose sums
// come first, and the one of its day. They differ only for a stay that the
// package divides.
func years(pkg *policy.Package, c *policy.Case) (first, last civil.Date) {
	last, _ = pkg.BenefitYear(c.Date)
	if first = last; pkg.Divides(c.Admitted, c.Date) {
		first, _ = pkg.BenefitYear(c.Admitted)
	}
	return first, last
}

// yearSums fills in the person's sums of the benefit year. A sum that the
// package does not know stays where it is: it was another version's, and no
// rule of this one looks at it.
func yearSums(ctx context.Context, tx *db.Tx, pkg *policy.Package, c *policy.Case, person string) error {
	c.YearToDate, c.NextYear = policy.Accumulators{}, policy.Accumulators{}
	load := func(into *policy.Accumulators, year civil.Date) error {
		return tx.Each(ctx, func(rows *db.Rows) error {
			var name string
			var amount int64
			if err := rows.Scan(&name, &amount); err != nil {
				return err
			}
			if slot := pkg.AccumulatorSlot(name); slot >= 0 {
				into[slot] = money.Fen(amount)
			}
			return nil
		}, `SELECT name, amount FROM year_sum WHERE person = ? AND region = ? AND scheme = ? AND year_start = ?`, person, c.Region, c.Scheme, int(year))
	}
	first, last := years(pkg, c)
	if first != last {
		if err := load(&c.NextYear, last); err != nil {
			return err
		}
	}
	return load(&c.YearToDate, first)
}
