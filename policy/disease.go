package policy

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
)

// SpecialDiseases is how chronic and special diseases are recognised for the
// people of a region (门诊慢特病认定): which, on what evidence, for how long.
type SpecialDiseases struct {
	WorkingDays int // in which it is decided; 0: not known
	RenewDays   int // how many days before its end a recognition may be renewed; 0: not known
	// Hospitals is how many hospitals a person may choose (定点医疗机构). Who chose
	// some is paid for these diseases at those only; 0: care is tied to none.
	Hospitals int
	Anywhere  bool             // any office of the region takes the application (全市通办)
	Unknown   string           // what of it is not known, or ""
	Diseases  []SpecialDisease // in the order of the package
	Sources   []*Source
	Package   *Package
}

// SpecialDisease is one of the diseases that a region recognises.
type SpecialDisease struct {
	ID        string // in the package
	Code      string // of the catalogue of diseases (门慢门特病种目录); its title where that is not known
	Title     string
	Group     string   // as the region divides them, such as 一类; "" if it does not
	Special   bool     // 特殊病 rather than 慢性病
	Papers    []string // kinds of evidence that are asked for
	Automatic bool     // recognised at once if the evidence is complete
	Months    int      // for how long it holds; 0: open
	Unknown   string   // what of it is not known, or ""
	Sources   []*Source
}

// Kind is 特殊病 or 慢性病, and the region's own group.
func (d SpecialDisease) Kind() string {
	kind := "慢性病"
	if d.Special {
		kind = "特殊病"
	}
	if d.Group != "" {
		kind += "（" + d.Group + "）"
	}
	return kind
}

// Find finds a disease by its code or title.
func (s *SpecialDiseases) Find(code string) (SpecialDisease, bool) {
	for _, d := range s.Diseases {
		if d.Code == code || d.Title == code {
			return d, true
		}
	}
	return SpecialDisease{}, false
}

func (b *builder) specialDiseases(n *yaml.Node) *SpecialDiseases {
	s := &SpecialDiseases{Anywhere: str(n, "anywhere") == "true", Unknown: flow(str(n, "unknown")), Sources: b.sourcesOf(n), Package: b.pkg}
	s.WorkingDays, _ = strconv.Atoi(str(n, "working_days"))
	s.RenewDays, _ = strconv.Atoi(str(n, "renew_days"))
	s.Hospitals, _ = strconv.Atoi(str(n, "hospitals"))
	each(get(n, "list"), func(k, v *yaml.Node) {
		d := SpecialDisease{ID: k.Value, Code: str(v, "code"), Title: str(v, "title"), Group: str(v, "group"), Special: str(v, "kind") == "special",
			Automatic: str(v, "automatic") == "true", Unknown: flow(str(v, "unknown")), Sources: b.sourcesOf(v)}
		if d.Code == "" {
			d.Code = d.Title
		}
		d.Months, _ = strconv.Atoi(str(v, "months"))
		for _, p := range list(get(v, "papers")) {
			d.Papers = append(d.Papers, p.Value)
		}
		for _, x := range s.Diseases {
			if x.Code == d.Code || x.Title == d.Title {
				b.node(k, "special_diseases.list: %s is the disease of %s again; each is listed once", k.Value, x.ID)
			}
		}
		if d.Automatic && len(d.Papers) == 0 {
			b.node(k, "special_diseases.list: %s is automatic and asks for no papers; nothing would be looked at", k.Value)
		}
		s.Diseases = append(s.Diseases, d)
	})
	if len(s.Diseases) == 0 && s.Unknown == "" {
		b.node(n, "special_diseases has neither a list nor unknown; say which diseases there are, or what is not known")
	}
	return s
}

// SpecialDiseases is how diseases are recognised for the people of a region on a
// day; ok is false if their package does not say.
func (s *Store) SpecialDiseases(region string, day civil.Date) (d *SpecialDiseases, ok bool, err error) {
	p, err := s.At(region, day)
	if err != nil {
		return nil, false, err
	}
	return p.special, p.special != nil, nil
}

// Chosen reports whether care of these diseases is paid at the hospitals that a
// person chose only.
func (p *Package) Chosen() bool { return p.special != nil && p.special.Hospitals > 0 }

// applications are the ways of applying that the package lays down.
func (p *Package) applications() (out []entity) {
	if a := p.away; a != nil {
		e := entity{section: "away_filing", title: "异地就医备案", sources: a.Sources}
		later := "就医之后不能补办"
		if a.Backdated {
			later = "就医之后可以补办"
		}
		e.aspects = worded("办结期限", strconv.Itoa(a.WorkingDays)+" 个工作日", "补办", later, "备案到省即可的就医地", strings.Join(a.Provinces, "、"))
		for _, g := range a.Groups {
			e.aspects = append(e.aspects, aspect{name: g.Title, text: g.words(), sources: g.Sources})
		}
		out = append(out, e)
	}
	if p.claims != nil {
		out = append(out, p.claims.entity())
	}
	s := p.special
	if s == nil {
		return out
	}
	e := entity{section: "special_diseases", title: "门诊慢特病认定", sources: s.Sources}
	e.aspects = worded("办结期限", counted(s.WorkingDays, " 个工作日"), "续认", counted(s.RenewDays, " 天内到期的可以续认"), "定点医疗机构", counted(s.Hospitals, " 家以内，选定后只在选定的机构按慢特病待遇结算"))
	if s.Anywhere {
		e.aspects = append(e.aspects, worded("受理", "全市通办，任一经办机构受理，结果相同")...)
	}
	e.aspects = append(e.aspects, worded("尚不掌握", s.Unknown)...)
	out = append(out, e)
	for i := range s.Diseases {
		d := &s.Diseases[i]
		code := d.Code
		if code == d.Title {
			code = "尚不掌握"
		}
		out = append(out, entity{section: "special_diseases", id: d.ID, title: d.Title, sources: d.Sources, aspects: worded(
			"名称", d.Title, "病种代码", code, "类别", d.Kind(), "材料", strings.Join(d.Papers, "、"), "审核", d.decided(), "有效期", d.term(), "尚不掌握", d.Unknown)})
	}
	return out
}

// applied is the text of a way of applying in the package file, normalised: of one
// disease, or of the section without its diseases.
func (e *entity) applied(root *yaml.Node) string {
	n, s := get(root, e.section), packageShape.field(e.section).shape
	if e.id != "" {
		return canonical(get(get(n, "list"), e.id), s.field("list").shape.elem)
	}
	if n == nil {
		return ""
	}
	rest := *n
	rest.Content = nil
	each(n, func(k, v *yaml.Node) {
		if k.Value != "list" {
			rest.Content = append(rest.Content, k, v)
		}
	})
	return canonical(&rest, s)
}

func (d *SpecialDisease) decided() string {
	if d.Automatic {
		return "材料齐全即自动认定"
	}
	return "经办机构审核"
}

func (d *SpecialDisease) term() string {
	if d.Months > 0 {
		return strconv.Itoa(d.Months) + " 个月"
	}
	if d.Unknown != "" {
		return ""
	}
	return "长期"
}

// counted is a number with what it counts, "" for none.
func counted(n int, of string) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n) + of
}

// words is what people of the group need, in one line.
func (g *AwayGroup) words() string {
	if g.Hospital {
		return "由定点医院办理"
	}
	var out []string
	if g.Retired {
		out = append(out, "限退休人员")
	}
	if len(g.Papers) > 0 {
		out = append(out, "材料："+strings.Join(g.Papers, "、"))
	}
	if g.Commitment {
		out = append(out, "可以签承诺书")
	}
	if g.Automatic {
		out = append(out, "齐全即自动办结")
	}
	if g.Months > 0 {
		out = append(out, "有效 "+strconv.Itoa(g.Months)+" 个月")
	} else {
		out = append(out, "长期有效")
	}
	return strings.Join(out, "；")
}

// applications writes what people may apply for: filing for care elsewhere, and
// the recognition of diseases.
func (b *documentBuilder) applications() {
	all := b.pkg.applications()
	inherited := ""
	if base := b.pkg.base; base != nil && b.pkg.away == nil && base.away != nil {
		all, inherited = append(base.applications()[:1:1], all...), "（沿用"+base.Name+"规定）"
	}
	all = append(all, b.pkg.directEntities()...)
	if len(all) == 0 {
		return
	}
	b.sectionHeading("备案、认定与报销")
	var t *docTable
	heads := map[string][]string{"special_diseases": {"病种", "病种代码", "类别", "材料", "审核", "有效期", "依据"}, "direct_settlement": {"项目", "类别", "范围", "开通", "依据"}}
	flush := func() {
		if t != nil {
			b.add(block{kind: blockTable, table: t})
		}
		t = nil
	}
	for _, e := range all {
		if e.id == "" {
			flush()
			title := e.title
			if e.section == "away_filing" {
				title += inherited
			}
			b.heading(3, append(plain(title), b.refs(e.sources)...))
			var items []item
			for _, a := range e.aspects {
				items = append(items, b.item(a, nil, nil))
			}
			b.list(items)
			continue
		}
		if t == nil {
			t = &docTable{head: heads[e.section], heads: 1}
		}
		row := []spans{plain(e.title)}
		for _, name := range t.head[1 : len(t.head)-1] {
			text := ""
			for _, a := range e.aspects {
				if a.name == name {
					text = a.text
				}
			}
			row = append(row, plain(orUnknown(text)))
		}
		t.rows = append(t.rows, append(row, trim(b.refs(e.sources))))
	}
	flush()
}

func orUnknown(s string) string {
	if s == "" {
		return "尚不掌握"
	}
	return s
}
