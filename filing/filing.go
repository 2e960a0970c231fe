// Package filing is where care that needs leave or a notice is applied for
// (备案): a referral, the recognition of a chronic or special disease, the
// choice of a designated provider, the report of an accidental injury.
//
// A provider declares an application for a person; a Decider, or later an
// officer, accepts it, returns it for completion or refuses it. What is
// accepted takes effect where settlements look for it: in enrolment, or in the
// register of chosen providers. Withdrawal ends the effect, unless care was
// settled on the strength of it.
package filing

import (
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policy"
)

// Error is a fault of the request: which field, what it holds, what is
// allowed. Field names are the domain's; an edge spells them its own way.
type Error struct {
	Field string
	Value string
	Want  string // in Chinese
}

func (e *Error) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return e.Field + "「" + e.Value + "」：" + e.Want
}

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// Kind says what an application is for.
type Kind string

// The kinds of application.
const (
	KindReferral    Kind = "referral"        // 转院备案
	KindDisease     Kind = "special_disease" // 门诊慢特病备案
	KindDesignation Kind = "designation"     // 人员定点备案
	KindInjury      Kind = "injury"          // 意外伤害备案
	KindAway        Kind = "away"            // 异地就医备案
)

// Title is the official Chinese term of the kind.
func (k Kind) Title() string {
	switch k {
	case KindReferral:
		return "转院备案"
	case KindDisease:
		return "慢特病备案"
	case KindDesignation:
		return "人员定点备案"
	case KindInjury:
		return "意外伤害备案"
	case KindAway:
		return "异地就医备案"
	}
	return string(k)
}

// State is how far an application has come.
type State string

// The states. What a person writes down bit by bit is a Draft until it is
// submitted. Submitted leads to Accepted, Returned or Refused; Submitted and
// Accepted lead to Withdrawn. Expired is an accepted application after its last
// day; it is not stored.
const (
	Draft     State = "draft"     // 草稿
	Submitted State = "submitted" // 待审核
	Accepted  State = "accepted"  // 已通过
	Returned  State = "returned"  // 已退回补正
	Refused   State = "refused"   // 未通过
	Withdrawn State = "withdrawn" // 已撤销
	Expired   State = "expired"   // 已到期
)

// Title is the Chinese term of the state.
func (s State) Title() string {
	switch s {
	case Draft:
		return "草稿"
	case Submitted:
		return "待审核"
	case Accepted:
		return "已通过"
	case Returned:
		return "已退回补正"
	case Refused:
		return "未通过"
	case Withdrawn:
		return "已撤销"
	case Expired:
		return "已到期"
	}
	return string(s)
}

// Application is an application for one filing.
type Application struct {
	ID       string // 备案流水号
	Person   string
	Region   string        // the person's insured region, whose agency decides
	Scheme   policy.Scheme // the scheme it is under
	Provider string        // who declared it, "" where the person applied
	Channel  Channel       // by which the person applied
	Entered  string        // who wrote it down, where the person applied
	Office   string        // region of the office that took it, where that is not the insured region's own
	Due      civil.Date    // last day on which to decide; 0: no term
	From, To civil.Date    // the days on which it holds; To 0 is open
	State    State
	Details  Details
	Steps    []Step // the states it went through, oldest first
}

// Kind is what the application is for.
func (a *Application) Kind() Kind { return a.Details.kind() }

// Title is what the application is for, as people know it.
func (a *Application) Title() string {
	switch {
	case a.Provider != "":
	case a.Kind() == KindDisease && a.Details.Disease.Renews:
		return "门诊慢特病续认"
	case a.Kind() == KindDisease:
		return "门诊慢特病认定"
	case a.Kind() == KindDesignation:
		return "定点医疗机构变更"
	}
	return a.Kind().Title()
}

// StateOn is the state on a day: an accepted application expires.
func (a *Application) StateOn(day civil.Date) State {
	if a.State == Accepted && a.To != 0 && a.To < day {
		return Expired
	}
	return a.State
}

// Reason is what was noted with the last step.
func (a *Application) Reason() string { return a.Steps[len(a.Steps)-1].Note }

// Step is one state of an application: who brought it about, when and why.
type Step struct {
	State State
	At    time.Time
	Actor string
	Note  string
}

// Details are what an application says of its matter; one of the five is set.
// They are sealed at rest.
type Details struct {
	Referral    *Referral    `json:",omitempty"`
	Disease     *Recognition `json:",omitempty"`
	Designation *Designation `json:",omitempty"`
	Injury      *Injury      `json:",omitempty"`
	Away        *Away        `json:",omitempty"`

	Phone, Address string // how to reach the person
	Agent          Agent  // who applies in the person's place
	Evidence       string // what supports it, in words
	OperatorName   string `json:",omitempty"` // 经办人姓名
}

// Agent is who applies in a person's place (代办人).
type Agent struct {
	Name, Relation, IDKind, ID, Phone, Address string
}

// Referral sends a person to another hospital (转院).
type Referral struct {
	Provider     string // to which
	ProviderName string // as registered; set by Declare
	Region       string // where that stands
	Diagnosis    string // code
	DiagnosisName,
	Condition string // of the patient (病情描述)
	On       civil.Date // day of the referral
	Reason   string
	Opinion  string // of the hospital
	Disagree bool   // the hospital does not agree to it
	Visit    string // visit that it comes from, "" if not said
}

// Recognition says that a chronic or special disease was found (慢特病认定). A
// provider that declares it says who found it; a person who applies hands in
// papers and chooses hospitals.
type Recognition struct {
	Code, Name   string
	Special      bool     // 特殊病 rather than 慢性病; set by the decision
	Group        string   `json:",omitempty"` // as the region divides the diseases
	Papers       []string `json:",omitempty"` // kinds whose originals were seen at the counter
	Hospitals    []Choice `json:",omitempty"` // that the person chooses
	Renews       bool     `json:",omitempty"` // one that ends (续认)
	Provider     string
	ProviderName string // as registered; set by Declare
	On           civil.Date
	Operated     string `json:",omitempty"` // 手术时间, as declared
	DoctorCode   string
	Doctor       string
}

// Choice is a provider by code and name.
type Choice struct{ Code, Name string }

// Purpose is what a person chooses a provider for.
type Purpose string

// The purposes.
const (
	OrdinaryCare       Purpose = "ordinary"                   // 就医定点
	SpecialDiseaseCare Purpose = enrolment.SpecialDiseaseCare // 门慢门特
	FamilyDoctor       Purpose = "family_doctor"              // 家庭医生签约
	SpecialDrugs       Purpose = "special_drug"               // 特殊药品
	CostlyDrugs        Purpose = "costly_drug"                // 大病特药
	TwoDiseases        Purpose = "two_diseases"               // 门诊两病
	DualChannel        Purpose = "dual_channel"               // 双通道药品
)

// Designation chooses a provider for a purpose (人员定点).
type Designation struct {
	Purpose      Purpose
	Rank         int // its place among those chosen, from 1
	Provider     string
	ProviderName string // as registered; set by Declare
	Replaces     Choice // that a person gives up for it
}

// Injury reports an accidental injury (意外伤害).
type Injury struct {
	On           civil.Date // day of the injury
	Place        string
	Cause        string     // how it came about
	Provider     string     // where the person is treated; "" is the declaring one
	ProviderName string     // as registered; set by Declare
	Admitted     civil.Date // 0: not admitted
	Unpayable    bool       // the provider's review finds that no fund is to pay (审核支付标志)
}

func (d *Details) kind() Kind {
	switch {
	case d.Referral != nil:
		return KindReferral
	case d.Disease != nil:
		return KindDisease
	case d.Designation != nil:
		return KindDesignation
	case d.Injury != nil:
		return KindInjury
	case d.Away != nil:
		return KindAway
	}
	return ""
}

// subject tells two applications of one kind for one person apart.
func (d *Details) subject() string {
	switch d.kind() {
	case KindReferral:
		return d.Referral.Provider
	case KindDisease:
		return d.Disease.Code
	case KindDesignation:
		return string(d.Designation.Purpose) + " " + d.Designation.Provider
	case KindInjury:
		return d.Injury.On.String()
	case KindAway:
		return d.Away.Destination
	}
	return ""
}

// target is the provider that the application is about, and where its name
// belongs.
func (d *Details) target() (code string, name *string) {
	switch d.kind() {
	case KindReferral:
		return d.Referral.Provider, &d.Referral.ProviderName
	case KindDisease:
		return d.Disease.Provider, &d.Disease.ProviderName
	case KindDesignation:
		return d.Designation.Provider, &d.Designation.ProviderName
	case KindInjury:
		return d.Injury.Provider, &d.Injury.ProviderName
	}
	return "", nil
}
