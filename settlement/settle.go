package settlement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/ident"
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

	record bool // it will be recorded
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
	Balance  money.Fen       // of the personal account afterwards
	Family   []account.Share // what family members' accounts pay of it (家庭共济)
	Invoice  string
	Note     string // in Chinese: how the visit was treated otherwise than asked

	Reverses   string // of a reversal (撤销): the settlement that it takes back; its amounts are the opposite
	ReversedBy string // the reversal of this settlement, "" while it stands
	Replaces   string // the reversed settlement in whose place this one was made again
	place      int64  // in the order of the person's settlements; 0: the last
	parts      []part // what else stands of the visit
}

// Preview decides what settling would give and writes nothing (预结算).
func (s *Service) Preview(ctx context.Context, tx *db.Tx, q SettleRequest) (*Settlement, error) {
	st, _, err := s.decide(ctx, tx, q)
	return st, err
}

// Settle decides, posts and records a settlement (结算): the lines, the sums of
// the year, the ledger entry and the audit record, or nothing.
func (s *Service) Settle(ctx context.Context, tx *db.Tx, q SettleRequest) (*Settlement, error) {
	q.record = true
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
	if q.Person == "" {
		seen, _, err := s.GetVisit(ctx, tx, q.Visit)
		if err != nil {
			return nil, nil, err
		}
		q.Person = seen.Person
	}
	if q.UseAccount == FamilyAccount && q.record {
		if err := s.holdFamily(ctx, tx, q.Person); err != nil {
			return nil, nil, err
		}
	}
	if err := s.Expect(ctx, tx, q.Visit, q.Person, q.record); err != nil {
		return nil, nil, err
	}
	v, err := s.openVisit(ctx, tx, q.Visit, q.Person, q.Provider)
	if err != nil {
		return nil, nil, err
	}
	st := &Settlement{Visit: v, At: s.now(), Invoice: q.Invoice}
	if st.Provider, err = s.provider(ctx, tx, v.Provider, dayOf(v.Begun)); err != nil {
		return nil, nil, err
	}
	if st.Person, err = s.person(ctx, tx, v); err != nil {
		return nil, nil, err
	}
	read, err := s.expect(ctx, tx, st, q)
	if err != nil {
		return nil, nil, err
	}
	lines, total, err := read.netFees(q.Batch, q.until(st))
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
	if err := s.snapshot(tx, st, q, read); err != nil {
		return nil, nil, err
	}
	pkg := read.pkg
	// The package that decides may be that of the admission. Its sums are then
	// named otherwise, and are read again under its names.
	for i := range 2 {
		if i > 0 {
			if err := errors.Join(read.laterSums(ctx, tx, pkg, c, v), tx.Flush(ctx)); err != nil {
				return nil, nil, err
			}
		}
		read.fillSums(tx, pkg, c)
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
	if st.Family, err = account.Divide(read.family, st.Result.FamilyAccount); err != nil {
		return nil, nil, err
	}
	st.Balance = max(0, c.Account-(st.Result.Account-st.Result.FamilyAccount))
	st.parts = read.parts
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

// until is the last day whose fees are settled, zero for all.
func (q *SettleRequest) until(st *Settlement) civil.Date {
	if q.MidStay && stay(st.Visit.Kind) {
		return st.Case.Date
	}
	return 0
}

// A snapshot is what the store holds on a visit and its person, read together.
type snapshot struct {
	pkg      *policy.Package // of the day of the settlement
	fees     []feeRow
	spells   []enrolment.Insurance
	classes  []enrolment.Class
	filing   policy.Filing
	diseases []enrolment.SpecialDisease
	chosen   []string // hospitals that the person chose for their diseases
	account  money.Fen
	family   []account.Available // accounts of family members that may pay
	parts    []part              // what stands of the visit

	// The sums of the benefit years (see years), as they are held in the
	// transaction.
	first, year sumsKey
}

// expect reads the snapshot of a settlement, and makes ready to record it.
func (s *Service) expect(ctx context.Context, tx *db.Tx, st *Settlement, q SettleRequest) (*snapshot, error) {
	c, v := &st.Case, st.Visit
	r := &snapshot{}
	c.Region, c.CareRegion = st.Person.Region, st.Provider.Region
	c.Scheme = v.Scheme
	var err error
	if c.Admitted, c.Date, err = days(v, st.At, q); err != nil {
		return nil, err
	}
	if r.pkg, err = s.store.At(c.Region, c.Date); err != nil {
		return nil, inputError(err)
	}
	err = errors.Join(
		laterFees(ctx, tx, &r.fees, v.ID),
		enrolment.LaterInsurances(ctx, tx, &r.spells, v.Person, c.Date),
		enrolment.LaterClasses(ctx, tx, &r.classes, v.Person, c.Date),
		r.laterSums(ctx, tx, r.pkg, c, v),
	)
	if c.CareRegion != c.Region {
		r.filing = policy.NotFiled
		err = errors.Join(err, enrolment.LaterFilingOn(ctx, tx, &r.filing, v.Person, c.CareRegion, c.Date))
	}
	if recognisedLater(v.Kind) {
		err = errors.Join(err, enrolment.LaterSpecialDiseases(ctx, tx, &r.diseases, v.Person, c.Date))
		if r.pkg.Chosen() {
			err = errors.Join(err, enrolment.LaterHospitals(ctx, tx, &r.chosen, v.Person, c.Date))
		}
	}
	if v.Scheme == policy.Employee {
		err = errors.Join(err, fund.LaterPersonal(ctx, tx, &r.account, v.Person))
	}
	if q.UseAccount == FamilyAccount {
		err = errors.Join(err, account.LaterAvailable(ctx, tx, &r.family, v.Person, dayOf(st.At)))
	}
	if q.record {
		err = errors.Join(err, fund.Expect(ctx, tx), audit.Expect(ctx, tx, audit.OfPerson(v.Person)))
	}
	return r, errors.Join(err, tx.Flush(ctx))
}

// recognisedLater tells the kinds that the recognition of the disease decides.
func recognisedLater(k policy.VisitKind) bool { return k == policy.Chronic || k == policy.Special }

// snapshot fills the case from what was read.
func (s *Service) snapshot(tx *db.Tx, st *Settlement, q SettleRequest, r *snapshot) error {
	c, v := &st.Case, st.Visit
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
	c.Insured = policy.NotInsured
	for _, i := range r.spells {
		if i.Scheme == v.Scheme {
			c.Insured, c.Retired, c.BenefitsFrom = i.Status, i.Retired, i.BenefitsFrom
			c.ArrearsMonths = i.ArrearsMonths(c.Date)
			break
		}
	}
	for _, k := range r.classes {
		set, _ := s.store.Class(k.Name) // a class that no package knows changes nothing
		c.Classes |= set
	}
	c.Filing = r.filing
	if v.Emergency && c.CareRegion != c.Region && c.Filing == policy.NotFiled {
		c.Filing = policy.EmergencyAway
	}
	if recognisedLater(c.Visit) {
		recognised(st, r)
	}
	c.KeepAccount = q.UseAccount == NoAccount
	if q.record { // one that was granted since is not held
		r.family = slices.DeleteFunc(r.family, func(a account.Available) bool { return tx.Kept(lockKey(a.Owner)) == nil })
	}
	c.Account, c.FamilyAccount = r.account, covered(r.family)
	return nil
}

// covered is what family members' accounts can pay together.
func covered(all []account.Available) (sum money.Fen) {
	for _, a := range all {
		sum += a.Amount
	}
	return sum
}

// holdFamily holds the person and all whose accounts they may use, always in
// the same order, so that no two such transactions wait for each other.
func (s *Service) holdFamily(ctx context.Context, tx *db.Tx, person string) error {
	owners, err := account.Owners(ctx, tx, person, dayOf(s.now()))
	if err != nil {
		return err
	}
	owners = append(owners, person)
	slices.Sort(owners)
	for _, id := range owners {
		if err := s.Expect(ctx, tx, "", id, true); err != nil {
			return err
		}
	}
	return nil
}

// recognised turns a visit for a chronic or special disease that was not
// recognised into an ordinary one and says so (特病未认定); and likewise one at
// another hospital than those that the person chose, where the package ties the
// care to them (定点医疗机构). Care away from home goes by its filing instead.
func recognised(st *Settlement, r *snapshot) {
	c, v := &st.Case, st.Visit
	for _, d := range r.diseases {
		if v.Disease == "" && d.Special == (v.Kind == policy.Special) || d.Code == v.Disease || d.Name == v.DiseaseName {
			if len(r.chosen) > 0 && c.ProviderKind == policy.Hospital && ident.Region(c.CareRegion).Within(ident.Region(c.Region)) && !slices.Contains(r.chosen, st.Provider.Code) {
				st.Note = "本机构不是参保人选定的门诊慢特病定点医疗机构（" + strings.Join(r.chosen, "、") + "），病种「" + d.Name + "」按普通门诊结算；参保人可以变更定点机构"
				c.Visit = policy.Outpatient
				return
			}
			c.Disease = d.Name
			c.Visit = policy.Chronic
			if d.Special {
				c.Visit = policy.Special
			}
			return
		}
	}
	name := v.DiseaseName
	if name == "" {
		name = v.Disease
	}
	st.Note = "病种「" + name + "」在 " + c.Date.String() + " 没有认定，按普通门诊结算；可向经办机构申请门诊慢特病认定"
	c.Visit = policy.Outpatient
}

// years are the benefit years whose sums a settlement reads and writes: that of
// the day and, before it, that of the admission of a stay that is divided.
func years(pkg *policy.Package, c *policy.Case) (first, year civil.Date) {
	year, _ = pkg.BenefitYear(c.Date)
	first = year
	if pkg.Divides(c.Admitted, c.Date) {
		first, _ = pkg.BenefitYear(c.Admitted)
	}
	return first, year
}

// laterSums reads the person's sums of the benefit years under the package's
// calendar, and what was settled of the visit.
func (r *snapshot) laterSums(ctx context.Context, tx *db.Tx, pkg *policy.Package, c *policy.Case, v Visit) error {
	first, year := years(pkg, c)
	k := sumsKey{person: v.Person, region: pkg.Region, scheme: c.Scheme}
	r.first, r.year = k, k
	r.first.year, r.year.year = first, year
	return errors.Join(laterAmounts(ctx, tx, k, first, year), laterParts(ctx, tx, &r.parts, v.ID, ""))
}

// stands is the condition that a settlement s is neither reversed nor a
// reversal.
const stands = `s.reverses = '' AND NOT EXISTS (SELECT 1 FROM settlement r WHERE r.reverses = s.id AND r.reverses <> '')`

// fillSums fills in the person's sums of the benefit year, and which visit of
// its kind this is. A sum that the package does not know stays where it is: it
// was another version's, and no rule of this one looks at it.
func (r *snapshot) fillSums(tx *db.Tx, pkg *policy.Package, c *policy.Case) {
	c.YearToDate, c.NextYear = policy.Accumulators{}, policy.Accumulators{}
	first := keptAmounts(tx, r.first)
	for i, name := range pkg.Accumulators() {
		c.YearToDate[i] = money.Fen(first[name])
		if r.first != r.year {
			c.NextYear[i] = money.Fen(keptAmounts(tx, r.year)[name])
		}
	}
	// A visit settled in parts is one visit.
	c.Nth, c.StayBorne = 1+int(first[visitCount(c.Visit)]), 0
	if countsAmong(r.parts, c.Visit, r.first.year) {
		c.Nth--
	}
	if stay(c.Visit) {
		for _, p := range r.parts {
			c.StayBorne += p.stayBorne
		}
	}
}
