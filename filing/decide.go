package filing

import (
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// Facts are what a Decider may know beside the application.
type Facts struct {
	Person    enrolment.Person
	Insurance enrolment.Insurance // in the scheme on the first day; NotInsured if there is none
	Target    provider.Provider   // that the application is about
	Today     civil.Date
}

// Decision is what becomes of a submitted application.
type Decision struct {
	State   State      // Accepted, Returned or Refused; Submitted leaves it to an officer
	Reason  string     // in Chinese; needed with Returned and Refused
	To      civil.Date // with Accepted, the last day; 0: as asked
	Special bool       // with Accepted, of a disease: it is a special one (特殊病)
}

// Decider decides what a provider declares, as the insured region's agency
// would. It is asked once an application is whole and in conflict with none
// before it. It must be pure.
type Decider interface {
	Decide(a *Application, f *Facts) Decision
}

// Plain accepts what is complete and states nothing that speaks against it.
// Its zero value sets no limit of its own.
type Plain struct {
	// Days is for how many days an application of a kind holds at most; what
	// asks for more, or for no end, is cut. 0 is no limit.
	Days map[Kind]int
	// Special are the codes of the diseases that count as special (特殊病).
	Special map[string]bool
}

// Decide decides by what the application says.
func (p Plain) Decide(a *Application, f *Facts) Decision {
	refused := func(reason string) Decision { return Decision{State: Refused, Reason: reason} }
	returned := func(reason string) Decision { return Decision{State: Returned, Reason: reason} }
	switch f.Insurance.Status {
	case policy.Deceased:
		return refused("参保人已死亡")
	case policy.NotInsured, policy.Terminated:
		return refused("开始日 " + a.From.String() + " 没有参加" + a.Scheme.Title() + "医保")
	}
	d := Decision{State: Accepted}
	designated := f.Target.Designated && f.Target.Kind == policy.Hospital
	switch x := &a.Details; a.Kind() {
	case KindReferral:
		switch {
		case x.Referral.Disagree:
			return refused("医院不同意转院")
		case !designated:
			return refused("转往机构 " + f.Target.Name + " 不是定点医疗机构")
		case a.From < x.Referral.On:
			return returned("开始日期 " + a.From.String() + " 早于转院日期 " + x.Referral.On.String())
		}
	case KindDisease:
		switch {
		case !designated:
			return refused("鉴定机构 " + f.Target.Name + " 不是定点医疗机构")
		case a.From < x.Disease.On:
			return returned("开始日期 " + a.From.String() + " 早于鉴定日期 " + x.Disease.On.String())
		case x.Disease.On > f.Today:
			return returned("鉴定日期 " + x.Disease.On.String() + " 晚于今天")
		}
		d.Special = p.Special[x.Disease.Code]
	case KindDesignation:
		if !f.Target.Designated {
			return refused(f.Target.Name + " 不是定点医药机构")
		}
	case KindInjury:
		switch {
		case x.Injury.Place == "" || x.Injury.Cause == "":
			return returned("请补充受伤地点和致伤原因")
		case x.Injury.On > f.Today:
			return returned("受伤日期 " + x.Injury.On.String() + " 晚于今天")
		}
	}
	if days := p.Days[a.Kind()]; days > 0 {
		if last := a.From.AddDays(days - 1); a.To == 0 || a.To > last {
			d.To = last
		}
	}
	return d
}
