// Package coverage answers one question: may this person be paid on this day,
// and if not, why, and what can they do (待遇资格). It decides by the rules of the
// person's package, as a settlement does, and reads what paying now would bring
// from the package's rules of when benefits begin.
package coverage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policy"
)

// Payer is who pays a contribution, as the rules of contributions ask.
type Payer struct {
	Person    enrolment.Person
	Insurance []enrolment.Insurance // all of it, oldest first
	Classes   []enrolment.Class     // on the day
	Scheme    policy.Scheme

	Student, Newborn, Flexible bool

	Mended int // years without insurance that are paid up (缴费修复)
}

// Case is the case of a payer on a day, by the package of that day. What a
// package does not ask for it is not told. The errors are *policy.InputError.
func Case(store *policy.Store, p *Payer, day civil.Date) (*policy.Case, *policy.Package, error) {
	c := &policy.Case{Region: p.Person.Region, Date: day, Scheme: p.Scheme, Birth: p.Person.Birth, Female: p.Person.Female}
	pkg, err := store.At(c.Region, day)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range p.Classes {
		set, _ := store.Class(k.Name)
		c.Classes |= set
	}
	truth := map[bool]int64{true: 1}
	pkg.SetFact(c, "student", truth[p.Student])
	pkg.SetFact(c, "newborn", truth[p.Newborn])
	pkg.SetFact(c, "flexible", truth[p.Flexible])
	pkg.SetFact(c, "first", truth[enrolment.FirstTime(p.Insurance, p.Scheme, day)])
	pkg.SetFact(c, "gap_months", int64(enrolment.GapMonths(p.Insurance, p.Scheme, day)))
	pkg.SetFact(c, "mended_years", int64(p.Mended))
	return c, pkg, nil
}

// Broken is how many years before the one that begins on year went without
// insurance (连续断缴年数).
func Broken(store *policy.Store, region string, all []enrolment.Insurance, year civil.Date) int {
	pkg, err := store.At(region, year)
	if err != nil {
		return 0
	}
	first, _ := pkg.BenefitYear(year)
	return enrolment.BrokenYears(all, first, store.StartsSince(region), pkg.BenefitYear)
}

// Starts says when benefits begin if the payer pays on a day: for the benefit
// year that begins on year or, if that is 0, for the one that the day is for.
// ok is false if no rule says so. The errors are *policy.InputError.
func Starts(store *policy.Store, p *Payer, day, year civil.Date) (best policy.Start, ok bool, err error) {
	c, pkg, err := Case(store, p, day)
	if err != nil {
		return best, false, err
	}
	// The years without insurance before the year that is paid for decide
	// which rule applies, and the rule which year is paid for.
	this, until := pkg.BenefitYear(day)
	next, _ := pkg.BenefitYear(until.AddDays(1))
	for _, y := range []civil.Date{this, next} {
		if year != 0 && year != y {
			continue
		}
		pkg.SetFact(c, "broken_years", int64(Broken(store, c.Region, p.Insurance, y)))
		st, found, err := store.BenefitsStart(c, y)
		if err != nil {
			return st, false, err
		}
		if rules := pkg.StartRules(); found && (best.StartRule == nil || slices.Index(rules, st.StartRule) < slices.Index(rules, best.StartRule)) {
			best = st
		}
	}
	return best, best.StartRule != nil, nil
}

// Answer says whether a person may be paid on a day.
type Answer struct {
	Day       civil.Date
	Paid      bool
	Insurance enrolment.Insurance // that counts on the day; NotInsured if there is none
	Why       string              // in Chinese: why not; "" if they may
	Source    *policy.Source      // of Why; nil if none is stated
	Do        []Advice            // what they can do, as of today
}

// Advice is one thing that a person can do.
type Advice struct {
	What    string     // in Chinese
	From    civil.Date // from when they could be paid then; 0: not said
	Sources []*policy.Source
}

// String is the answer in one line.
func (a *Answer) String() string {
	if a.Paid {
		return "可以享受" + a.Insurance.Scheme.Title() + "医保待遇"
	}
	out := a.Why
	for _, d := range a.Do {
		out += "；" + d.What
	}
	return out
}

// On answers for a person of the store.
func On(ctx context.Context, tx *db.Tx, store *policy.Store, p enrolment.Person, day, today civil.Date) (*Answer, error) {
	all, err := enrolment.Timeline(ctx, tx, p.ID)
	if err != nil {
		return nil, err
	}
	classes, err := enrolment.Classes(ctx, tx, p.ID, today)
	if err != nil {
		return nil, err
	}
	return Of(store, p, all, classes, day, today)
}

// Of answers from what is known of a person. The errors are *policy.InputError,
// such as of a day without a package.
func Of(store *policy.Store, p enrolment.Person, all []enrolment.Insurance, classes []enrolment.Class, day, today civil.Date) (*Answer, error) {
	var on []enrolment.Insurance
	for _, i := range all {
		if i.From <= day && (i.To == 0 || i.To >= day) {
			if i.Status == policy.Normal && i.BenefitsFrom > day {
				i.Status = policy.Waiting
			}
			on = append(on, i)
		}
	}
	a := &Answer{Day: day, Insurance: enrolment.Counting(on)}
	i := &a.Insurance
	if len(on) == 0 {
		i.Scheme = policy.Resident
		for _, before := range all { // the last there was
			if before.From <= day {
				i.Scheme = before.Scheme
			}
		}
	}
	// One yuan of plain care where nothing but the insurance can be in the way.
	probe := policy.Case{Region: p.Region, CareRegion: p.Region, Date: day, Scheme: i.Scheme, Insured: i.Status, Retired: i.Retired, BenefitsFrom: i.BenefitsFrom,
		ArrearsMonths: i.ArrearsMonths(day), Birth: p.Birth, Female: p.Female, Level: policy.Primary, Nth: 1,
		Lines: []policy.Line{{Amount: 100, Ceiling: policy.NoCeiling}}}
	// A region may have no plan for one kind of care; a rule that refuses names
	// its source.
	for _, kind := range []policy.VisitKind{policy.Inpatient, policy.Outpatient} {
		probe.Visit = kind
		var r policy.Result
		if err := store.Settle(&probe, &r, nil); err != nil {
			return nil, err
		}
		a.Paid, a.Why, a.Source = !r.Refused, r.Reason, r.Source
		if a.Paid || a.Source != nil {
			break
		}
	}
	return a, a.advise(store, p, all, on, classes, today)
}

// advise adds what the person can do.
func (a *Answer) advise(store *policy.Store, p enrolment.Person, all, on []enrolment.Insurance, classes []enrolment.Class, today civil.Date) error {
	i := &a.Insurance
	add := func(what string) { a.Do = append(a.Do, Advice{What: what}) }
	pay := func(what string, payer Payer) error {
		payer.Person, payer.Insurance, payer.Classes = p, all, classes
		st, ok, err := Starts(store, &payer, today, 0)
		var unknown *policy.InputError
		if errors.As(err, &unknown) { // the advice stands without the day
			ok, err = false, nil
		}
		if err != nil {
			return err
		}
		x := Advice{What: what}
		if ok && st.Unknown == "" {
			x.From, x.Sources = st.From, st.Sources
			x.What += "；今天缴费，待遇自 " + st.From.String() + " 起（" + st.Title
			if st.Wait > 0 {
				x.What += fmt.Sprintf("，等待 %d 个月", st.Wait)
			}
			x.What += "）"
		}
		a.Do = append(a.Do, x)
		return nil
	}
	switch i.Status {
	case policy.Normal:
		if a.Paid && i.Scheme == policy.Employee && slices.ContainsFunc(on, func(o enrolment.Insurance) bool { return o.Scheme == policy.Resident && o.Status == policy.Normal }) {
			add("同时参加了居民医保：按职工医保结算，居民医保费可申请退还")
		}
		return nil
	case policy.Deceased:
		add("个人账户余额由继承人申请清退")
		return nil
	case policy.Waiting:
		a.Do = append(a.Do, Advice{What: "等到 " + i.BenefitsFrom.String() + "，此后发生的费用可以支付", From: i.BenefitsFrom})
		return nil
	case policy.Arrears:
		if i.Scheme == policy.Employee {
			return pay("请所在单位（灵活就业人员由本人）补缴欠费", Payer{Scheme: policy.Employee, Flexible: strings.Contains(i.Reason, "灵活就业")})
		}
		return pay("补缴居民医保费", Payer{Scheme: policy.Resident})
	}
	if age := today.Age(p.Birth); age >= workingAge {
		if err := errors.Join(
			pay("在单位就业的，由单位申报参加职工医保", Payer{Scheme: policy.Employee}),
			pay("灵活就业的，可以自己参加职工医保", Payer{Scheme: policy.Employee, Flexible: true})); err != nil {
			return err
		}
	}
	window := ""
	pkg, err := store.At(p.Region, today)
	if err != nil {
		return nil // the first sentence of the answer says so already
	}
	for _, rule := range pkg.StartRules() {
		if opens, closes := rule.Window(); opens != "" && window == "" {
			window = "（集中缴费期 " + opens + " 至 " + closes + "）"
		}
	}
	return pay("没有就业的，可以参加居民医保"+window, Payer{Scheme: policy.Resident})
}

// workingAge is the age from which people may be employed (劳动法 art. 15).
const workingAge = 16
