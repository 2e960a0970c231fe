package policy

import (
	"bytes"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

// Package is one version of one region's policy, compiled. It is immutable.
type Package struct {
	Region   string     // six digits; 000000 is the nation
	Name     string     // name of the region, in Chinese
	Version  string     // the package's own version
	From     civil.Date // first day it holds
	To       civil.Date // last day it holds; zero: until the next version
	Inherits string     // the package whose rules hold here too, or ""
	Summary  string
	File     string // where it was read

	Documents []*Document

	yearStart         int // month*100 + day
	yearSources       []*Source
	rulesByStart      bool
	rulesBySources    []*Source
	crossing          yearCrossing
	crossingSources   []*Source
	replaysLater      bool
	retires           bool
	retirementMonths  val
	retirementSources []*Source
	dueDay            int // of the month, of what employers declare; 0: they do not
	dueSources        []*Source
	relatives         []Relative        // who may be let use a personal account
	away              *AwayFiling       // nil: not said
	special           *SpecialDiseases  // nil: not said
	direct            *DirectSettlement // nil: not said
	claims            *ClaimRules       // nil: not said
	tipOffs           *TipOffs          // nil: not said
	relativesSources  []*Source
	aidContributes    bool
	reversalSources   []*Source
	classes           ClassSet
	facts             []fact
	facets            []*facet
	params            []*param
	paramByName       map[string]*param
	accumulators      []accumulator
	accNames          []string
	funds             []*Fund
	scopeFirstPay     val
	scopeSources      []*Source
	rules             []*rule
	stages            []*Stage
	plans             []*Plan
	assessments       []*Assessment
	starts            []*StartRule
	diseases          *domain
	chooser           chooser
	guard             ruleGuard
	flat              flatTable
	base              *Package // the inherited package that holds on From
	text              []byte
	line, col         int
	fromLine, fromCol int
	toLine, toCol     int
}

type yamlNode = yaml.Node

type yearCrossing uint8

const (
	crossByEnd         yearCrossing = iota // 按出院年度整笔
	crossSplit                             // 按费用日期分年，起付计一次
	crossSplitContinue                     // 分年，次数与起付续算
)

type fact struct {
	name, title string
	typ         valueType
	def         int64
	hasDefault  bool
	sources     []*Source
	sym         *symbol
}

type accumulator struct {
	name, title string
	sources     []*Source
	used        bool
}

type facet struct {
	name, title string
	dom         *domain
	whens       []val // one by value in order; the result is dom's index by target
	target      []int64
	otherwise   int64 // -1: none
	settles     bool  // a plan depends on it
	byClass     bool  // all conditions are about classes of persons
	sources     []*Source
	sym         *symbol
	line, col   int
}

// ruleDecision is what a rule does.
type ruleDecision uint8

const (
	ruleRefuse  ruleDecision = iota // 不予支付
	ruleAdvance                     // 先行支付，追偿
	ruleNote                        // 只作说明
)

type rule struct {
	id, title string
	when      val
	decision  ruleDecision
	reason    string
	sources   []*Source
	line, col int
}

// Plan is a benefit plan of a package (待遇方案).
type Plan struct {
	ID    string
	Title string // in Chinese

	match     []matchKey
	stages    []*Stage
	sets      []accumulate
	unknown   string
	sources   []*Source
	line, col int
	reachable bool
}

type matchKey struct {
	sym    *symbol
	mask   uint64
	values []string
}

// quantity is what a stage can add to an accumulator or another stage can use.
type quantity uint8

const (
	qBase    quantity = iota // what the stage looked at
	qBorne                   // deductible borne
	qCovered                 // base − borne, within limits on covered cost
	qPaid                    // paid
	qCut                     // what the limits cut from the payment
	qBeyond                  // covered cost for which the limits left nothing
	qOwn                     // covered − paid: the person's share
	numQuantities
)

var quantityNames = []string{"base", "borne", "covered", "paid", "cut", "beyond", "own"}
var quantityTitles = []string{"基数", "已负担起付标准", "起付以上费用", "支付额", "超限额未付", "超限额费用", "段内个人负担"}

var planQuantityNames = []string{"total", "full_own_pay", "over_ceiling", "first_own_pay", "in_scope", "fund", "person"}
var planQuantitySlots = []int{slotTotal, slotFullOwnPay, slotOverCeiling, slotFirstOwnPay, slotInScope, slotPaid, slotPerson}

var categoryNames = []string{"basic", "civil_servant", "enterprise", "catastrophic", "large_amount", "assistance", "other"}
var categoryTitles = []string{"基本医疗保险统筹基金", "公务员医疗补助", "企业补充医疗保险", "大病保险", "职工大额医疗费用补助", "医疗救助", "其他基金"}

// Title is the category's official name.
func (c Category) Title() string { return categoryTitles[c] }

// String is the category's name in a package.
func (c Category) String() string { return categoryNames[c] }

type accumulate struct {
	acc  int
	q    quantity // of a stage
	slot int      // of a plan
}

// Stage is one stage of payment (支付环节).
type Stage struct {
	ID    string
	Title string // in Chinese

	funds      [2]*Fund // by scheme; nil when an account pays
	role       string
	account    bool
	own        bool // of an account stage: the own account pays
	family     bool // likewise: family members' accounts pay, after the own
	when       val
	base       val
	ded        *deductible
	bands      bandScale
	list       []band
	rounding   bool // true: once for the stage
	floor      *floor
	limits     []limit
	sets       []accumulate
	exports    []export // what other stages ask for
	asksBeyond bool     // one of them is qBeyond
	limitsCost bool     // a limit is on covered cost
	sources    []*Source
	line, col  int
	usedByPlan bool
}

// Sources are the grounds of the stage.
func (s *Stage) Sources() []*Source { return s.sources }

// DeductiblePerVisit reports whether the stage has a deductible (起付标准) of the
// visit or stay, not one of the year.
func (s *Stage) DeductiblePerVisit() bool { return s.ded != nil && len(s.ded.borne) == 0 }

type deductible struct {
	title   string
	amount  val
	borne   []int // accumulators already borne; empty: per visit
	within  []limit
	sets    []int
	sources []*Source
}

type bandScale struct {
	along         int // accumulator, -1: this visit
	measureBase   bool
	threshold     val // valAbsent without one
	fromThreshold bool
	whole         bool
	banded        bool // written as bands, not as one ratio
}

type band struct {
	title      string
	over, upto val // upto valAbsent: without end
	ratio      val
	line, col  int
}

type floor struct {
	title   string
	base    val
	ratio   val
	sources []*Source
}

type limit struct {
	title   string
	amount  val
	used    []int
	covered bool
	sources []*Source
}

// Fund is a fund that pays (基金).
type Fund struct {
	ID       string
	Title    string // in Chinese
	Category Category
	Code     string // fund_pay_type of the national interface, e.g. 310100
	sources  []*Source
	used     bool
}

// Text is the file that the package was read from.
func (p *Package) Text() []byte { return bytes.Clone(p.text) }

// Funds lists the funds of the package.
func (p *Package) Funds() []*Fund { return p.funds }

// Plans lists the benefit plans of the package.
func (p *Package) Plans() []*Plan { return p.plans }

// Accumulators names the accumulators of the package, by slot.
func (p *Package) Accumulators() []string {
	if len(p.accNames) == len(p.accumulators) {
		return p.accNames
	}
	out := make([]string, len(p.accumulators))
	for i, a := range p.accumulators {
		out[i] = a.name
	}
	return out
}

// AccumulatorSlot returns the slot of an accumulator, or -1.
func (p *Package) AccumulatorSlot(name string) int {
	for i := range p.accumulators {
		if p.accumulators[i].name == name {
			return i
		}
	}
	return -1
}

// AccumulatorTitle returns the name of an accumulator for people, in Chinese.
func (p *Package) AccumulatorTitle(slot int) string { return p.accumulators[slot].title }

// BenefitYear returns the first and last day of the benefit year (待遇年度)
// that holds day.
func (p *Package) BenefitYear(day civil.Date) (from, to civil.Date) {
	y := day.Year()
	if int(day)%10000 < p.yearStart {
		y--
	}
	from = civil.New(y, p.yearStart/100, p.yearStart%100)
	return from, civil.New(y+1, p.yearStart/100, p.yearStart%100).AddDays(-1)
}

// StayCounts reports whether a stay divided at the end of the benefit year
// counts as a stay of the new year too (次数续算).
func (p *Package) StayCounts() bool { return p.crossing == crossSplitContinue }

// ReplaysLater says what becomes of the person's later settlements when the
// reversal of an earlier one (结算撤销) changes them: they are settled again, or,
// if false, the reversal is refused.
func (p *Package) ReplaysLater() bool { return p.replaysLater }

// Retirement is how many months must have been paid for until a person of the
// case, once retired, pays no more (退休缴费年限), and where that stands. ok is
// false if the package does not say, or the figure is not known.
func (s *Store) Retirement(c *Case) (months int, sources []*Source, ok bool, err error) {
	p, err := s.packageOf(c)
	if err != nil || !p.retires || p.retirementMonths.kind == valUnknown {
		return 0, nil, false, err
	}
	var f frame
	p.enterCase(&f, c)
	p.enterFacets(&f, false)
	months = int(max(0, p.retirementMonths.get(&f)))
	return months, p.retirementSources, f.unknown == nil, p.missingFact(&f)
}

// DueDay is the day of a month on which employers' contributions for it are due
// (缴费截止日); 0 if employers do not declare here.
func (p *Package) DueDay() int { return p.dueDay }

// LetsUse reports whether the owner of a personal account may let a relative
// use it (家庭共济), and where the rule stands.
func (p *Package) LetsUse(r Relative) (ok bool, sources []*Source) {
	return slices.Contains(p.relatives, r), p.relativesSources
}

// PaysContributions reports whether a personal account may pay the residents'
// contribution of a relative (个人账户代缴居民医保费).
func (p *Package) PaysContributions() bool { return p.aidContributes }

// Relatives are those whom the owner of a personal account may let use it; none
// if the region has no family aid.
func (p *Package) Relatives() []Relative { return p.relatives }

// FactSlot returns the slot of a fact the package declares, or -1.
func (p *Package) FactSlot(name string) int {
	for i := range p.facts {
		if p.facts[i].name == name {
			return i
		}
	}
	return -1
}

// SetFact gives the case a fact, as a count or, of what is true or false, 1 or
// 0, if the package declares it; whether it does is the result.
func (p *Package) SetFact(c *Case, name string, v int64) bool {
	slot := p.FactSlot(name)
	if slot < 0 {
		return false
	}
	c.Facts[slot] = v
	c.FactsSet |= 1 << slot
	return true
}

// FactNames lists the facts the package declares, by slot.
func (p *Package) FactNames() []string {
	out := make([]string, len(p.facts))
	for i := range p.facts {
		out[i] = p.facts[i].name
	}
	return out
}

// ParseFact reads the value of a fact as its declared type says; what is
// allowed is in the error.
func (p *Package) ParseFact(slot int, s string) (int64, error) {
	return parseFact(p.facts[slot].typ, s)
}

func parseFact(typ valueType, s string) (int64, error) {
	switch typ {
	case tyBool:
		switch s {
		case "true":
			return 1, nil
		case "false":
			return 0, nil
		}
		return 0, errWant("应为 true 或 false")
	case tyMoney:
		v, err := money.Parse(s)
		if err != nil {
			return 0, errWant("应为金额，元，至多两位小数")
		}
		return int64(v), nil
	case tyRate:
		v, err := money.ParseRate(s)
		if err != nil || v < 0 || v > money.One {
			return 0, errWant("应为 0 到 1 的比例，如 0.3 或 30%")
		}
		return int64(v), nil
	case tyDate:
		v, err := civil.Parse(s)
		if err != nil {
			return 0, errWant("应为日期，如 2025-06-01")
		}
		return int64(v), nil
	}
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, errWant("应为整数")
	}
	return v, nil
}

type errWant string

func (e errWant) Error() string { return string(e) }

// FormatFact writes the value of a fact as ParseFact reads it.
func (p *Package) FormatFact(slot int, v int64) string {
	switch p.facts[slot].typ {
	case tyBool:
		return strconv.FormatBool(v != 0)
	case tyMoney:
		return money.Fen(v).String()
	case tyRate:
		return money.Rate(v).String()
	case tyDate:
		return civil.Date(v).String()
	}
	return strconv.FormatInt(v, 10)
}

// Divides reports whether the package divides a stay over these days at the
// end of the benefit year.
func (p *Package) Divides(admitted, discharged civil.Date) bool {
	first, _ := p.BenefitYear(discharged)
	return p.crossing != crossByEnd && admitted != 0 && admitted < first
}

// GradeNote says in Chinese how far the package's documents were checked.
func (p *Package) GradeNote() string {
	counts := map[string]int{}
	for _, d := range p.Documents {
		counts[d.Grade]++
	}
	out := ""
	for _, g := range []struct{ grade, what string }{{"A", "官方文件已核"}, {"B", "官方文件经转载"}, {"C", "第三方资料"}, {"S", "种子陈述"}, {"X", "示例"}} {
		if n := counts[g.grade]; n > 0 {
			if out != "" {
				out += "，"
			}
			out += g.what + " " + strconv.Itoa(n) + " 份"
		}
	}
	return out
}

// export is a quantity of a stage that other stages ask for, and its slot.
type export struct {
	q    quantity
	slot uint8
}
