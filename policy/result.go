package policy

import "github.com/anji-platform/anji/money"

// Category groups funds as the national interface reports them.
type Category uint8

// The categories of funds.
const (
	Basic        Category = iota // 基本医疗保险统筹基金 (hifp_pay)
	CivilServant                 // 公务员医疗补助 (cvlserv_pay)
	Enterprise                   // 企业补充医疗保险 (hifes_pay)
	Catastrophic                 // 大病保险 (hifmi_pay)
	LargeAmount                  // 职工大额医疗费用补助 (hifob_pay)
	Assistance                   // 医疗救助 (maf_pay)
	Other                        // 其他 (oth_pay)
	NumCategories
)

// MaxStages bounds the stages of one plan.
const MaxStages = 12

// LineSplit says how a line divides; the four parts sum to the line's amount.
type LineSplit struct {
	FullOwnPay  money.Fen // 全自费
	OverCeiling money.Fen // 超限价
	FirstOwnPay money.Fen // 先行自付
	InScope     money.Fen // 政策范围内
}

// StagePay is what one stage of the plan decided.
type StagePay struct {
	Stage      *Stage
	Fund       *Fund     // nil when an account paid
	Base       money.Fen // what the stage looked at
	Deductible money.Fen // borne by the person before the stage pays
	Payable    money.Fen // what the limits would still have allowed; money.Max without limits
	Paid       money.Fen
}

// Result is the decision on a Case. The identities
//
//	Total = FullOwnPay + OverCeiling + FirstOwnPay + InScope
//	Total = FundTotal + Person + Hospital
//	FundTotal = Σ Fund
//	Person = Account + Cash
//
// hold for every Result, to the fen.
type Result struct {
	Refused bool
	// Reason says why the case is refused, or why a part of it is treated
	// specially (先行支付), in Chinese, naming the article.
	Reason   string
	Source   *Source // the ground of Reason
	Recourse bool    // paid in advance; a third party owes it to the fund (先行支付追偿)

	Total, FullOwnPay, OverCeiling, FirstOwnPay, InScope money.Fen

	Deductible    money.Fen  // borne under the first stage's deductible (起付标准)
	Ratio         money.Rate // of the first stage's last band reached (pool_prop_selfpay)
	Fund          [NumCategories]money.Fen
	FundTotal     money.Fen
	Person        money.Fen
	Hospital      money.Fen // borne by the hospital (医院负担); 0 unless a package says otherwise
	Account       money.Fen // from accounts, the family's included
	FamilyAccount money.Fen // of Account, what came from family members
	Cash          money.Fen

	YearToDate Accumulators
	// NextYear is set when the package divided a stay at the end of the
	// benefit year: the sums of the year in which the stay ended.
	NextYear  Accumulators
	Divided   bool
	StagePays [MaxStages]StagePay
	NumStages int
	Lines     []LineSplit
	Package   *Package
	Plan      *Plan // nil when refused before a plan was chosen
}

// Stages are the stages that took part, in order.
func (r *Result) Stages() []StagePay { return r.StagePays[:r.NumStages] }

// StepKind says what a step of an explanation is about.
type StepKind uint8

// The kinds of step, in the order they can appear.
const (
	StepTotal       StepKind = iota // 医疗费总额
	StepRule                        // a rule applied: refusal, exclusion, advance, note
	StepFullOwnPay                  // 全自费
	StepOverCeiling                 // 超限价自费
	StepFirstOwnPay                 // 先行自付
	StepInScope                     // 政策范围内费用
	StepDeductible                  // 起付标准
	StepBand                        // one band of a paying stage: Base × Rate = Amount
	StepFloor                       // a guaranteed minimum (保底) raised the payment
	StepLimit                       // a limit cut the payment; Amount is what was cut off
	StepPay                         // what a stage pays in all
	StepAccount                     // 个人账户支付
	StepCash                        // 个人现金支付
)

// Step is one step of the explanation of a Result.
type Step struct {
	Kind    StepKind
	Stage   string     // id of the stage in the package, or "" outside stages
	Title   string     // what the rule is called in the package, in Chinese
	What    string     // the step in words with its figures, in Chinese
	Formula string     // the rule's formula in words, "" for a plain number
	Base    money.Fen  // what the step started from
	Rate    money.Rate // applied to Base; money.One where no ratio is involved
	Amount  money.Fen  // what the step gave
	Rest    money.Fen  // of the total, what no fund has paid yet after this step
	HasRate bool
	Sources []*Source // the grounds, first the rule's own
	Part    int       // 0, or 1 and 2 for the two years of a divided stay
}

// Trace collects the steps of an explanation. A nil *Trace collects nothing
// and costs nothing.
type Trace struct {
	Steps []Step
	part  int
}

// Source names the document and article behind a number or a rule.
type Source struct {
	Document *Document
	Article  string
}

// String names the document and the article, as a person cites them.
func (s *Source) String() string {
	if s == nil || s.Document == nil {
		return ""
	}
	return "《" + s.Document.Title + "》" + s.Article
}

// Document is an official document that a package cites.
type Document struct {
	ID     string
	Title  string
	Number string // 文号
	Issuer string
	Date   string
	URL    string
	Cite   string // title and number, as it is cited
	// Grade says how far the document was checked: A official and checked
	// word for word, B official through a third party, C third party,
	// S a statement of a seed, X an example made for tests.
	Grade string
}

var stepKindNames = [...]string{"total", "rule", "full_own_pay", "over_ceiling", "first_own_pay", "in_scope", "deductible", "band", "floor", "limit", "pay", "account", "cash"}

// String names the kind in results and scenarios.
func (k StepKind) String() string { return stepKindNames[k] }
