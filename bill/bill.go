// Package bill turns a settlement into a document that a person understands
// (费用结算说明): what it cost, who pays, and, line by line, why, with the
// article of the rule behind each number. The same [Bill] is written as text
// for a terminal, drawn as a waterfall in SVG, and handed to templates.
//
// The package is pure. It decides nothing: every amount in a Bill is one of
// the settlement's result or a sum or difference of them.
package bill

import (
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Lang is the language of a bill.
type Lang string

// The languages.
const (
	Chinese Lang = "zh"
	English Lang = "en"
)

// ParseLang reads what a browser or a flag asks for: "en" is English and
// everything else Chinese, the first language of the insurance.
func ParseLang(s string) Lang {
	if s == string(English) {
		return English
	}
	return Chinese
}

// Say picks the text in the language l.
func (l Lang) Say(zh, en string) string {
	if l == English {
		return en
	}
	return zh
}

// Money writes an amount for people: 6,560.00 元 or ¥6,560.00. A minus is the
// typographic one, as wide as a plus.
func (l Lang) Money(a money.Fen) string {
	sign, s := "", a.Grouped()
	if a < 0 {
		sign, s = "−", s[1:]
	}
	if l == English {
		return sign + "¥" + s
	}
	return sign + s + " 元"
}

// Bill is the document. Its texts are in Lang; titles that come from a policy
// package or an official document stay Chinese, in quotes where the rest is
// English.
type Bill struct {
	Lang    Lang
	Refused bool
	Notice  *Notice // why it is refused, or what is special about it; or nil

	// Headline is the bill in one sentence, Figures its amounts in the order
	// total, funds, account, cash.
	Headline string
	Figures  []Figure
	// Total, Fund, Person, Account and Cash are the amounts of Figures, and
	// what the person bears in all.
	Total, Fund, Person, Account, Cash money.Fen

	Facts    []Fact // what was decided on: scheme, kind of visit, hospital …
	Items    []Item // the lines of the fee list
	Sections []Section
	Bars     []Bar
	Notes    []Note
	Package  Package
}

// Notice is said before everything else.
type Notice struct {
	Title string
	Text  string // from the package, in Chinese
	Notes []int
}

// Figure is one of the amounts of the headline.
type Figure struct {
	ID     string // total, fund, account, cash, hospital
	Label  string
	Amount money.Fen
}

// Fact is one circumstance of the case.
type Fact struct{ Label, Value string }

// Item is one line of the fee list and how it divides.
type Item struct {
	Name   string
	Class  string
	Amount money.Fen
	Split  policy.LineSplit
}

// Section is one stage of the calculation.
type Section struct {
	ID     string // rules, split, deductible, stage:…, person, account, cash
	Title  string
	Amount money.Fen
	Plain  bool // the section has no amount of its own
	Text   string
	Notes  []int
	Lines  []Line
}

// Line is one step of a section.
type Line struct {
	Kind    policy.StepKind
	Label   string
	Formula string // base × rate = amount; "" for a plain number
	Text    string // the package's own words, in Chinese
	Rule    string // the rule's formula in words, in Chinese; "" for a plain number
	Amount  money.Fen
	Plain   bool // a remark, without an amount
	Detail  bool // part of the line before it
	Notes   []int
}

// Note is a numbered source.
type Note struct {
	Number   int
	Title    string // of the document, with 《》
	DocNo    string // 文号
	Article  string
	Issuer   string
	Date     string
	URL      string
	Grade    string // A, B, C, S or X; see policy.Document
	GradeSay string // what the grade means, in words
}

// Package says which policy the bill was settled under.
type Package struct {
	Region, Name, Version string
	From, To              string
	Plan                  string
}

// New writes the bill of a case. The steps may be those of a policy.Trace or
// nil; without them the bill has all its amounts and no sources.
func New(lang Lang, c *policy.Case, r *policy.Result, steps []policy.Step) *Bill {
	w := &writer{
		Bill: Bill{
			Lang: lang, Refused: r.Refused,
			Total: r.Total, Fund: r.FundTotal, Person: r.Person, Account: r.Account, Cash: r.Cash,
		},
		c: c, r: r, steps: steps, funds: payers(lang, r), person: bearing(r),
		numbers: make(map[source]int),
	}
	w.notice()
	w.headline()
	w.facts()
	w.items()
	w.rules()
	w.split()
	w.deductible()
	w.stages()
	w.personal()
	w.paid()
	w.Bars = w.bars()
	if p := r.Package; p != nil {
		w.Package = Package{Region: p.Region, Name: p.Name, Version: p.Version, From: p.From.String(), To: p.To.String()}
	}
	if r.Plan != nil {
		w.Package.Plan = r.Plan.Title
	}
	return &w.Bill
}

// payer is a fund's payment under the name it has on the bill.
type payer struct {
	id     string // of the stage; "" where no stage is known
	title  string
	label  string // the title, short enough for a bar
	amount money.Fen
}

// payers lists what each stage of a fund pays, in order. A stage that ran twice, for
// the two years of a divided stay, is one payer. Where the stages do not add
// up to the funds' total, the funds are listed by category instead, so that
// the bill adds up whatever the stages were.
func payers(lang Lang, r *policy.Result) []payer {
	var list []payer
	var sum money.Fen
stages:
	for _, s := range r.Stages() {
		if s.Fund == nil { // an account's: the person's own money
			continue
		}
		sum += s.Paid
		for i := range list {
			if list[i].id == s.Stage.ID {
				list[i].amount += s.Paid
				continue stages
			}
		}
		list = append(list, payer{s.Stage.ID, stageTitle(lang, &s), stageLabel(lang, r, &s), s.Paid})
	}
	if sum == r.FundTotal {
		return list
	}
	list = nil
	for i, a := range r.Fund {
		if a != 0 {
			name := CategoryName(lang, policy.Category(i))
			list = append(list, payer{"", name, name, a})
		}
	}
	return list
}

// shares is what the person bears in the end, by the reason for it. It sums
// to Result.Person.
type shares struct {
	fullOwnPay, overCeiling, firstOwnPay money.Fen
	deductible                           money.Fen
	rest                                 money.Fen // 按比例自付、超限额
}

// bearing divides the person's part. A later fund may pay what an earlier
// rule left to the person (医疗救助 pays part of the deductible, for one);
// what is left at the end is then counted as own pay outside the scope first,
// as deductible next and as share last.
func bearing(r *policy.Result) shares {
	left := r.Person
	take := func(a money.Fen) money.Fen {
		a = max(0, min(a, left))
		left -= a
		return a
	}
	var s shares
	s.fullOwnPay = take(r.FullOwnPay)
	s.overCeiling = take(r.OverCeiling)
	s.firstOwnPay = take(r.FirstOwnPay)
	s.deductible = take(r.Deductible)
	s.rest = left
	return s
}
