package policy

import (
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
)

// StartBase says from which day benefits are counted.
type StartBase uint8

// The days from which benefits are counted.
const (
	FromYear       StartBase = iota // the first day of the benefit year that is paid for
	FromPayment                     // the day of the payment
	FromMonthAfter                  // the first day of the month after the payment
	FromBirth                       // the day of birth, but not before the year that is paid for
)

var startBaseNames = []string{"year", "payment", "month_after", "birth"}
var startBaseTitles = []string{"所缴年度的第一天", "缴费到账日", "缴费到账的次月一日", "出生之日"}

var startYearNames = []string{"this", "next"}

// A StartRule says when benefits begin after a contribution is paid (待遇起始),
// and so which days of the year are a payment window (缴费期) and who waits
// (待遇等待期).
type StartRule struct {
	ID    string
	Title string // in Chinese

	match   []matchKey
	when    val
	opens   int // first and last day of the window as month × 100 + day; 0: always open
	closes  int
	next    bool // the payment is for the next benefit year
	base    StartBase
	wait    val // whole months, counted from the payment
	unknown string
	sources []*Source
	line    int
	col     int
}

// Window is the first and the last day of the rule's window as month and day
// (01-02), both "" if payments count at any time.
func (r *StartRule) Window() (opens, closes string) {
	if r.opens == 0 {
		return "", ""
	}
	return monthDay(r.opens), monthDay(r.closes)
}

func monthDay(d int) string { return fmt.Sprintf("%02d-%02d", d/100, d%100) }

// open reports whether a day is in the window, which may cross the new year.
func (r *StartRule) open(day civil.Date) bool {
	d := int(day) % 10_000
	switch {
	case r.opens == 0:
		return true
	case r.opens <= r.closes:
		return r.opens <= d && d <= r.closes
	}
	return d >= r.opens || d <= r.closes
}

// Start is when benefits begin for one case.
type Start struct {
	*StartRule
	Year, Until civil.Date // first and last day of the benefit year that is paid for
	From        civil.Date // the first day of benefits
	Wait        int        // months of waiting, counted from the payment
	What        string     // why, in Chinese
	Unknown     string     // the figure is not known, and why; From is then zero
	Sources     []*Source
}

func (b *builder) readStarts(n *yaml.Node) {
	each(n, func(k, v *yaml.Node) {
		r := &StartRule{ID: k.Value, Title: str(v, "title"), next: str(v, "year") == "next", unknown: str(v, "unknown"),
			base:    StartBase(max(slices.Index(startBaseNames, str(v, "from")), 0)),
			sources: b.sourcesOf(v), line: k.Line, col: k.Column}
		r.match = b.readMatch(get(v, "match"))
		r.when = val{kind: valAbsent}
		if w := get(v, "when"); w != nil && w.Kind == yaml.ScalarNode {
			r.when = b.cond(w, "when")
		}
		if w := get(v, "window"); w != nil {
			r.opens, r.closes = b.day(get(w, "from"), "window.from"), b.day(get(w, "to"), "window.to")
		}
		r.wait = b.value(get(v, "wait"), tyCount, "wait")
		b.pkg.starts = append(b.pkg.starts, r)
	})
}

// checkStarts finds conditions that never hold, and rules that come after one
// that takes every case.
func (b *builder) checkStarts() {
	all := ""
	for _, r := range b.pkg.starts {
		if r.when.kind != valAbsent {
			b.reachable(r.line, r.col, "benefit start "+r.ID, []val{r.when}, func(f *frame) bool { return r.when.get(f) != 0 })
		}
		if all != "" {
			b.at(r.line, r.col, "benefit start %s is unreachable: %s before it takes every case", r.ID, all)
		}
		if len(r.match) == 0 && r.when.kind == valAbsent && r.opens == 0 {
			all = r.ID
		}
	}
}

// day reads a day of every year, as month × 100 + day.
func (b *builder) day(n *yaml.Node, what string) int {
	if n == nil || n.Kind != yaml.ScalarNode {
		return 0
	}
	d, err := civil.Parse("2001-" + n.Value)
	if err != nil {
		b.node(n, "%s is %s; a day such as 07-01 is needed, that every year has", what, show(n))
		return 0
	}
	return int(d) % 10_000
}

// StartRules are the rules of when benefits begin, in the order in which they
// are tried.
func (p *Package) StartRules() []*StartRule { return p.starts }

// BenefitsStart says when benefits begin for who pays a contribution on the
// day of the case, for the benefit year that begins on year or, if that is 0,
// for any: by the first rule that applies. ok is false if none does. The only
// errors are *InputError.
func (s *Store) BenefitsStart(c *Case, year civil.Date) (start Start, ok bool, err error) {
	p, err := s.packageOf(c)
	if err != nil {
		return Start{}, false, err
	}
	var f frame
	p.enterCase(&f, c)
	p.enterFacets(&f, false)
	for _, r := range p.starts {
		if of, _ := p.paidFor(r, c.Date); year != 0 && of != year {
			continue
		}
		if !matches(r.match, &f) || !r.open(c.Date) || r.when.kind != valAbsent && r.when.get(&f) == 0 {
			continue
		}
		start, err = p.start(r, c, &f)
		if err == nil {
			err = p.missingFact(&f)
		}
		return start, err == nil, err
	}
	return Start{}, false, p.missingFact(&f)
}

// paidFor is the benefit year that a payment of the day is for.
func (p *Package) paidFor(r *StartRule, day civil.Date) (from, to civil.Date) {
	from, to = p.BenefitYear(day)
	if r.next {
		return p.BenefitYear(to.AddDays(1))
	}
	return from, to
}

// StartsSince is the first day for which a package of the region says when
// benefits begin, 0 if none does: years before it count under no waiting.
func (s *Store) StartsSince(region string) civil.Date {
	for _, p := range s.Versions(region) {
		if len(p.starts) > 0 {
			return p.From
		}
	}
	return 0
}

func (p *Package) start(r *StartRule, c *Case, f *frame) (Start, error) {
	st := Start{StartRule: r, Sources: r.sources}
	st.Year, st.Until = p.paidFor(r, c.Date)
	switch {
	case r.unknown != "":
		st.Unknown = r.unknown
		return st, nil
	case r.wait.kind == valUnknown:
		st.Unknown = r.Title + "：等待期尚不掌握"
		return st, nil
	case r.wait.kind != valAbsent:
		f.unknown = nil
		st.Wait = int(max(0, r.wait.get(f)))
		if f.unknown != nil {
			st.Wait, st.Unknown = 0, unknownText(f.unknown, f)
			return st, nil
		}
	}
	switch r.base {
	case FromYear:
		st.From = max(st.Year, c.Date)
		if r.next {
			st.From = st.Year
		}
	case FromPayment:
		st.From = c.Date
	case FromMonthAfter:
		st.From = civil.New(c.Date.Year(), c.Date.Month(), 1).AddMonths(1)
	case FromBirth:
		if c.Birth == 0 {
			return st, &InputError{Field: "person.birth", Want: "「" + r.Title + "」需要出生日期，请给出"}
		}
		st.From = max(c.Birth, st.Year)
	}
	st.What = c.Date.String() + " 缴费，" + r.Title + "：自" + startBaseTitles[r.base] + "起享受待遇"
	if st.Wait > 0 {
		st.From = max(st.From, c.Date.AddMonths(st.Wait))
		st.What += "，缴费到账起先等待 " + strconv.Itoa(st.Wait) + " 个月"
		if r.wait.kind != valConst {
			st.What += "（" + r.wait.words() + "）"
		}
	}
	st.What += "，即 " + st.From.String()
	return st, nil
}

func (r *StartRule) entity() entity {
	e := entity{section: "benefit_starts", id: r.ID, title: r.Title, sources: r.sources}
	window, year, applies := "", "", ""
	if r.opens != 0 {
		window = monthDay(r.opens) + " 至 " + monthDay(r.closes)
	}
	if r.next {
		year = "下一年度"
	}
	if len(r.match) > 0 {
		applies = matchWords(r.match)
	}
	e.aspects = worded("名称", r.Title, "适用于", applies, "缴费期", window)
	if r.when.kind != valAbsent {
		e.aspects = append(e.aspects, valueAspect("条件", &r.when))
	}
	e.aspects = append(e.aspects, worded("所缴年度", year, "待遇起算", startBaseTitles[r.base])...)
	if r.unknown != "" {
		return entityWith(e, aspect{name: "尚不掌握", text: flow(r.unknown)})
	}
	if r.wait.kind != valAbsent {
		return entityWith(e, valueAspect("等待月数", &r.wait))
	}
	return e
}

func (b *documentBuilder) starts() {
	if len(b.pkg.starts) == 0 {
		return
	}
	b.sectionHeading("缴费期与待遇起算")
	b.paragraph(plain("自上而下，先合者用。"))
	var items []item
	for _, r := range b.pkg.starts {
		it := item{text: append(strong(r.Title), b.refs(r.sources)...)}
		seen := map[*param]bool{}
		for _, x := range r.entity().aspects[1:] {
			it.sub = append(it.sub, b.item(x, allowed(r.match), seen))
		}
		items = append(items, it)
	}
	b.list(items)
}
