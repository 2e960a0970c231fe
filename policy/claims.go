package policy

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
)

// ClaimRules are how people claim care that they paid for themselves (手工报销).
type ClaimRules struct {
	Months     int // after the discharge or the visit in which to claim; 0: no limit
	AcceptDays int // working days in which a claim is accepted or returned; 0: no term
	DecideDays int // working days in which an accepted one is decided
	PayDays    int // working days in which a decided one is paid
	AppealDays int // days after the decision in which to appeal; 0: there is no appeal

	Papers           []string // asked for of every claim
	OutpatientPapers []string // and of one for outpatient care
	StayPapers       []string // or of one for a stay
	Reasons          []ClaimReason
	Sources          []*Source
}

// ClaimReason is why care was not settled where it was given.
type ClaimReason struct {
	Title     string
	Papers    []string // asked for because of it
	Emergency bool     // away from home, it counts as filed (视同备案)
	Filed     bool     // a filing for the place must hold, if need be made afterwards (补办备案)
	Sources   []*Source
}

// Reason finds a reason by its title.
func (c *ClaimRules) Reason(title string) (ClaimReason, bool) {
	for _, r := range c.Reasons {
		if r.Title == title {
			return r, true
		}
	}
	return ClaimReason{}, false
}

// Asked are the papers that a claim for a reason and a kind of care needs, each
// once, in the order of the package.
func (c *ClaimRules) Asked(reason ClaimReason, kind VisitKind) (papers []string) {
	more := c.OutpatientPapers
	if kind == Inpatient || kind == Maternity || kind == DaySurgery {
		more = c.StayPapers
	}
	for _, p := range slices.Concat(c.Papers, more, reason.Papers) {
		if !slices.Contains(papers, p) {
			papers = append(papers, p)
		}
	}
	return papers
}

func (b *builder) claimRules(n *yaml.Node) *ClaimRules {
	c := &ClaimRules{Sources: b.sourcesOf(n)}
	for name, into := range map[string]*int{"months": &c.Months, "accept_days": &c.AcceptDays, "decide_days": &c.DecideDays, "pay_days": &c.PayDays, "appeal_days": &c.AppealDays} {
		*into, _ = strconv.Atoi(str(n, name))
	}
	texts := func(n *yaml.Node) (all []string) {
		for _, v := range list(n) {
			all = append(all, v.Value)
		}
		return all
	}
	c.Papers, c.OutpatientPapers, c.StayPapers = texts(get(n, "papers")), texts(get(n, "outpatient_papers")), texts(get(n, "stay_papers"))
	each(get(n, "reasons"), func(k, v *yaml.Node) {
		c.Reasons = append(c.Reasons, ClaimReason{Title: k.Value, Papers: texts(get(v, "papers")), Emergency: str(v, "emergency") == "true",
			Filed: str(v, "filed") == "true", Sources: b.sourcesOf(v)})
	})
	return c
}

// entity is the rules in words.
func (c *ClaimRules) entity() entity {
	e := entity{section: "claims", title: "手工报销", sources: c.Sources}
	e.aspects = worded("申请期限", counted(c.Months, " 个月"), "受理期限", counted(c.AcceptDays, " 个工作日"), "审核期限", counted(c.DecideDays, " 个工作日"),
		"支付期限", counted(c.PayDays, " 个工作日"), "申诉期限", counted(c.AppealDays, " 天"),
		"材料", strings.Join(c.Papers, "、"), "门诊另要的材料", strings.Join(c.OutpatientPapers, "、"), "住院另要的材料", strings.Join(c.StayPapers, "、"))
	for _, r := range c.Reasons {
		var words []string
		if len(r.Papers) > 0 {
			words = append(words, "另交"+strings.Join(r.Papers, "、"))
		}
		if r.Emergency {
			words = append(words, "异地急诊，视同备案")
		}
		if r.Filed {
			words = append(words, "须有就医地的备案，可以补办")
		}
		if len(words) == 0 {
			words = append(words, "没有另外的要求")
		}
		e.aspects = append(e.aspects, aspect{name: r.Title, text: strings.Join(words, "；"), sources: r.Sources})
	}
	return e
}

// Claims is how people of a region claim on a day: as their package says, and
// where it is silent on papers or reasons as the country's does. ok is false if
// neither says what may be claimed for.
func (s *Store) Claims(region string, day civil.Date) (c *ClaimRules, ok bool, err error) {
	p, err := s.At(region, day)
	if err != nil {
		return nil, false, err
	}
	var national *ClaimRules
	if n, err := s.At(National, day); err == nil {
		national = n.claims
	}
	switch {
	case p.claims == nil:
		c = national
	case national == nil:
		c = p.claims
	default:
		own := *p.claims
		if len(own.Papers) == 0 {
			own.Papers, own.OutpatientPapers, own.StayPapers = national.Papers, national.OutpatientPapers, national.StayPapers
		}
		if len(own.Reasons) == 0 {
			own.Reasons = national.Reasons
		}
		c = &own
	}
	return c, c != nil && len(c.Reasons) > 0, nil
}
