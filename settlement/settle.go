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
	Discharged civil.Date // of a stay; zero: today
	Invoice    string
	MidStay    bool // a settlement in the middle of a stay (中途结算): the stay stays open
	Actor      string
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
	lines, total, err := netFees(ctx, tx, v.ID, q.Batch)
	if err != nil {
		return nil, nil, err
	}
	c := &st.Case
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

// snapshot fills the case from what holds on the day.
func (s *Service) snapshot(ctx context.Context, tx *db.Tx, st *Settlement, q SettleRequest) error {
	c, v := &st.Case, st.Visit
	c.Region, c.CareRegion = st.Person.Region, st.Provider.Region
	c.Date = dayOf(v.Begun)
	if stay(v.Kind) {
		c.Admitted = c.Date
		if c.Date = q.Discharged; c.Date == 0 {
			c.Date = max(dayOf(st.At), c.Admitted)
		}
		if c.Date < c.Admitted {
			return &Error{"discharged", c.Date.String(), "早于入院日 " + c.Admitted.String()}
		}
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

// sums fills in the person's sums of the benefit year, and which visit of its
// kind this is. A sum that the package does not know stays where it is: it was
// another version's, and no rule of this one looks at it.
func sums(ctx context.Context, tx *db.Tx, pkg *policy.Package, c *policy.Case, v Visit) error {
	c.YearToDate, c.NextYear = policy.Accumulators{}, policy.Accumulators{}
	year, _ := pkg.BenefitYear(c.Date)
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
		}, `SELECT name, amount FROM year_sum WHERE person = ? AND region = ? AND scheme = ? AND year_start = ?`, v.Person, pkg.Region, c.Scheme, int(year))
	}
	first := year
	if pkg.Divides(c.Admitted, c.Date) {
		first, _ = pkg.BenefitYear(c.Admitted)
		if err := load(&c.NextYear, year); err != nil {
			return err
		}
	}
	if err := load(&c.YearToDate, first); err != nil {
		return err
	}
	kinds := []any{c.Visit, c.Visit, c.Visit}
	if stay(c.Visit) {
		kinds = []any{policy.Inpatient, policy.DaySurgery, policy.Maternity}
	}
	// A stay settled in parts is one stay.
	var before int
	err := tx.QueryRow(ctx, `SELECT COUNT(DISTINCT visit) FROM settlement WHERE person = ? AND year_start = ? AND refused = 0 AND region = ? AND scheme = ? AND visit <> ? AND kind IN (?, ?, ?)`,
		append([]any{v.Person, int(first), pkg.Region, c.Scheme, v.ID}, kinds...)...).Scan(&before)
	c.Nth = before + 1
	if err != nil || !stay(c.Visit) {
		return err
	}
	return tx.QueryRow(ctx, `SELECT COALESCE(SUM(p.deductible), 0) FROM settlement_stage p JOIN settlement s ON s.id = p.settlement WHERE s.visit = ? AND s.refused = 0`, v.ID).Scan(&c.StayBorne)
}
