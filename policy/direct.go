package policy

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/ident"
)

// DirectSettlement is where care in another province is settled at once, and
// from when (跨省异地就医直接结算开通表). What it does not list by its last day
// was not open; what came later is not known.
type DirectSettlement struct {
	AsOf    civil.Date // last day that the table tells of
	Rows    []DirectRow
	Sources []*Source
}

// DirectRow is kinds of care that are settled at once among provinces.
type DirectRow struct {
	ID, Title string
	From      civil.Date
	Visits    []VisitKind
	Among     []string // provinces, as six digits; none: all
	Sources   []*Source
}

// DirectAnswer says whether care in another province is settled at once.
type DirectAnswer struct {
	Known   bool // whether Open means anything
	Open    bool
	Why     string // in Chinese, and what to do where it is not open
	Sources []*Source
}

var directVisits = []string{"outpatient", "inpatient"}

func (b *builder) directSettlement(n *yaml.Node) *DirectSettlement {
	d := &DirectSettlement{AsOf: b.date(get(n, "as_of"), "as_of"), Sources: b.sourcesOf(n)}
	each(get(n, "list"), func(k, v *yaml.Node) {
		r := DirectRow{ID: k.Value, Title: str(v, "title"), From: b.date(get(v, "from"), "from"), Sources: b.sourcesOf(v)}
		for _, x := range list(get(v, "visits")) {
			r.Visits = append(r.Visits, map[string]VisitKind{"outpatient": Outpatient, "inpatient": Inpatient}[x.Value])
		}
		for _, x := range list(get(v, "among")) {
			if p, err := ident.ParseRegion(x.Value); err != nil || string(p.Province()) != x.Value {
				b.node(x, "direct_settlement.list.%s.among has %s; six digits that end in 0000 are needed", k.Value, show(x))
				continue
			}
			r.Among = append(r.Among, x.Value)
		}
		if len(r.Among) == 1 {
			b.node(k, "direct_settlement.list: %s names one province; care among at least two is settled", k.Value)
		}
		d.Rows = append(d.Rows, r)
	})
	return d
}

// Direct reports whether care of a kind in another province is settled at once on
// a day, as the nation's table says.
func (s *Store) Direct(home, care string, visit VisitKind, day civil.Date) (DirectAnswer, error) {
	for _, code := range []string{home, care} {
		if _, err := ident.ParseRegion(code); err != nil {
			return DirectAnswer{}, err
		}
	}
	from, to := string(ident.Region(home).Province()), string(ident.Region(care).Province())
	if from == to {
		return DirectAnswer{Why: "在本省就医，不是跨省；省内异地的直接结算由省里规定"}, nil
	}
	p, err := s.At(National, day)
	if err != nil || p.direct == nil {
		return DirectAnswer{Why: "跨省直接结算的开通情况尚不掌握，请咨询经办机构"}, nil // nothing is said on that day
	}
	for _, r := range p.direct.Rows {
		within := len(r.Among) == 0 || slices.Contains(r.Among, from) && slices.Contains(r.Among, to)
		if within && slices.Contains(r.Visits, visit) && r.From <= day {
			return DirectAnswer{Known: true, Open: true, Why: r.Title + "自 " + r.From.String() + " 起可以直接结算", Sources: r.Sources}, nil
		}
	}
	if day > p.direct.AsOf {
		return DirectAnswer{Why: p.direct.AsOf.String() + " 以后的开通情况尚不掌握，请咨询就医地；没有开通的，先自费结算，再申请手工报销"}, nil
	}
	return DirectAnswer{Known: true, Why: "没有开通直接结算，先自费结算，再回参保地申请手工报销", Sources: p.direct.Sources}, nil
}

// directEntities are the table for the document and for comparisons.
func (p *Package) directEntities() (out []entity) {
	d := p.direct
	if d == nil {
		return nil
	}
	out = append(out, entity{section: "direct_settlement", title: "跨省直接结算", sources: d.Sources, aspects: worded("所知的末日", d.AsOf.String())})
	for _, r := range d.Rows {
		var visits []string
		for _, v := range r.Visits {
			visits = append(visits, map[VisitKind]string{Outpatient: "门诊", Inpatient: "住院"}[v])
		}
		among := "各省之间"
		if len(r.Among) > 0 {
			among = strings.Join(r.Among, "、") + " 之间"
		}
		out = append(out, entity{section: "direct_settlement", id: r.ID, title: r.Title, sources: r.Sources, aspects: worded("名称", r.Title, "类别", strings.Join(visits, "、"), "范围", among, "开通", r.From.String()+" 起")})
	}
	return out
}
