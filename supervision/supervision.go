// Package supervision looks at care before it is given and while it is given
// (事前、事中监管): it holds what a provider is about to order, and what is known
// of the person's other visits, against rules, and answers with findings for
// the doctor to heed or to answer.
//
// The rules are data (rules/*.yaml); what a rule can ask is a small set of
// shapes, pure functions over Facts. A finding is a hint: it stops no
// settlement, and settlement knows nothing of it.
package supervision

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
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

// Severity says how sure a rule is (严重程度).
type Severity string

// The severities.
const (
	Certain Severity = "certain" // 明确违规
	Likely  Severity = "likely"  // 高度可疑
	Slight  Severity = "slight"  // 轻度可疑
)

// Kind says what a rule is about (违规行为分类).
type Kind string

// The kinds.
const (
	VisitKind Kind = "visit" // 就诊类
	ItemKind  Kind = "item"  // 项目类
)

// Basis is what a rule rests on (违规依据).
type Basis struct {
	Document string
	Article  string
}

// String is document and article in one line.
func (b Basis) String() string { return b.Document + " " + b.Article }

// Facts are what the rules judge by.
type Facts struct {
	Female bool
	Birth  civil.Date // 0: not known, and then no rule of age holds
	Visit  Visit      // that is judged
	Others []Visit    // the person's other visits, at any provider
}

// Visit is an outpatient visit or a stay (就诊).
type Visit struct {
	ID        string
	Provider  string
	Kind      policy.VisitKind
	From, To  civil.Date // first and last day; To 0: it has not ended
	Diagnosis string     // code of the main diagnosis, "" if not known
	Diagnoses []string   // codes of all diagnoses; only the judged visit's are asked for
	Orders    []Order    // only the judged visit's are asked for
}

// stay reports whether the visit is a stay (住院).
func (v *Visit) stay() bool {
	return v.Kind == policy.Inpatient || v.Kind == policy.Maternity || v.Kind == policy.DaySurgery
}

// end is the last day: an outpatient visit's is its first, and a stay that has
// not ended goes on.
func (v *Visit) end() civil.Date {
	switch {
	case !v.stay():
		return v.From
	case v.To == 0:
		return 99991231
	}
	return v.To
}

// Order is one row of a prescription or of doctor's orders (处方、医嘱).
type Order struct {
	ID        string
	Item      string // catalogue code
	Name      string
	From, To  civil.Date         // first and last day; To 0 is the first
	Quantity  catalogue.Quantity // of all its days; below zero takes back
	Amount    money.Fen
	Reference money.Fen // catalogue price of one unit; 0: none
	// Current orders are judged; the others were given before, and count only
	// together with them.
	Current bool
}

// days is for how many days the order is.
func (o *Order) days() int {
	if o.To <= o.From {
		return 1
	}
	return o.To.DaysSince(o.From) + 1
}

// label names the order's item for people.
func (o *Order) label() string { return o.Name + "（" + o.Item + "）" }

// Finding is one violation, or suspicion of one, that a rule found (违规信息).
// It carries its rule as it was, whatever becomes of the rule.
type Finding struct {
	ID       string // set once it is stored
	Task     string // the analysis that it comes from; set once it is stored
	Rule     string // code
	Title    string
	Severity Severity
	Kind     Kind
	Basis    Basis
	Text     string // what was found, in Chinese, at most maxText characters
	Amount   money.Fen
	Computed bool   // the amount could be computed; if not it is 0
	Visit    string // that was judged
	Other    string // the other visit that it is about, "" for none
	Details  []Detail
}

// DetailID identifies the row of the finding at the index.
func (f *Finding) DetailID(i int) string { return f.ID + "-" + strconv.Itoa(i+1) }

// Detail is one row of a finding (违规明细).
type Detail struct {
	Order  string // "" for the visit itself
	Amount money.Fen
}

// inOrder is the facts in one order, whatever order they came in. Earlier
// orders come before current ones, so that what exceeds is what came last.
func (f Facts) inOrder() *Facts {
	f.Others = slices.Clone(f.Others)
	slices.SortFunc(f.Others, func(a, b Visit) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Provider, b.Provider),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Diagnosis, b.Diagnosis))
	})
	f.Visit.Orders = slices.Clone(f.Visit.Orders)
	slices.SortFunc(f.Visit.Orders, func(a, b Order) int {
		if a.Current != b.Current {
			if b.Current {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Item, b.Item), cmp.Compare(a.ID, b.ID), cmp.Compare(a.To, b.To),
			cmp.Compare(a.Quantity, b.Quantity), cmp.Compare(a.Amount, b.Amount), cmp.Compare(a.Reference, b.Reference), cmp.Compare(a.Name, b.Name))
	})
	return &f
}
