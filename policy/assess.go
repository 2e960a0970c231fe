package policy

import (
	"go.yaml.in/yaml/v3"
	"slices"

	"github.com/anji-platform/anji/money"
)

// AssessmentKind says what an assessment is of.
type AssessmentKind uint8

// The kinds of assessment.
const (
	Contribution    AssessmentKind = iota // 缴费
	Allotment                             // 个人账户划入
	ProviderPayment                       // 对机构付费（DRG/DIP 等）
	LateFee                               // 滞纳金, of an employer that pays late
	Reward                                // 举报奖励, of who told of a fraud
)

var assessmentNames = []string{"contribution", "allotment", "provider_payment", "late_fee", "reward"}

var payerNames = []string{"person", "employer", "government", "assistance", "unemployment_fund", "fund"}
var payerTitles = []string{"个人", "单位", "财政补助", "医疗救助资助", "失业保险基金", "基金"}

// Assessment is a formula of what is owed, credited or paid apart from a visit.
type Assessment struct {
	ID     string
	Title  string // in Chinese
	Kind   AssessmentKind
	Payer  string // one of person, employer, government, assistance, unemployment_fund, fund
	Fund   *Fund
	Period string // month, year or case

	match   []matchKey
	when    val
	amount  val
	unknown string
	sources []*Source
	line    int
	col     int
}

// Assessed is the amount of one assessment for one case.
type Assessed struct {
	*Assessment
	Amount  money.Fen
	Unknown string // the figure is not known, and why; Amount is then 0
	Formula string // in words
	Sources []*Source
}

func (b *builder) readAssessments(n *yaml.Node) {
	each(n, func(k, v *yaml.Node) {
		a := &Assessment{ID: k.Value, Title: str(v, "title"), Payer: str(v, "payer"), Period: str(v, "period"),
			Kind:    AssessmentKind(max(slices.Index(assessmentNames, str(v, "kind")), 0)),
			unknown: str(v, "unknown"), sources: b.sourcesOf(v), line: k.Line, col: k.Column}
		if f := get(v, "fund"); f != nil {
			a.Fund = b.fund(f)
		}
		a.match = b.readMatch(get(v, "match"))
		a.when = val{kind: valAbsent}
		if w := get(v, "when"); w != nil && w.Kind == yaml.ScalarNode {
			a.when = b.cond(w, "when")
		}
		a.amount = b.value(get(v, "amount"), tyMoney, "amount")
		b.pkg.assessments = append(b.pkg.assessments, a)
	})
}

// Assess computes every assessment of the kind that applies to the person of
// the case on its day: what is to be paid in (缴费), credited to the personal
// account (划入) or paid to a provider. The only errors are *InputError.
func (s *Store) Assess(kind AssessmentKind, c *Case) ([]Assessed, error) {
	p, err := s.packageOf(c)
	if err != nil {
		return nil, err
	}
	var f frame
	p.enterCase(&f, c)
	p.enterFacets(&f, false)
	var out []Assessed
	for _, a := range p.assessments {
		if a.Kind != kind || !matches(a.match, &f) || a.when.kind != valAbsent && a.when.get(&f) == 0 {
			continue
		}
		item := Assessed{Assessment: a, Sources: a.sources, Formula: a.amount.words(), Unknown: a.unknown}
		if a.unknown == "" && a.amount.kind != valUnknown {
			f.unknown = nil
			item.Amount = max(0, money.Fen(a.amount.get(&f)))
			if f.unknown != nil {
				item.Amount, item.Unknown = 0, unknownText(f.unknown, &f)
			}
		} else if a.unknown == "" {
			item.Unknown = a.Title + "：数字尚不掌握"
		}
		out = append(out, item)
	}
	if err := p.missingFact(&f); err != nil {
		return nil, err
	}
	return out, nil
}

func matches(keys []matchKey, f *frame) bool {
	for i := range keys {
		if keys[i].mask>>uint(f.s[keys[i].sym.slot]&63)&1 == 0 {
			return false
		}
	}
	return true
}
