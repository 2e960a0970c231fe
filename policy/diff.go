package policy

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/money"
)

// ChangeKind says whether something was added, removed or changed.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// Change is one difference between two packages, in words.
type Change struct {
	Section string     `json:"section"` // key of the package file, such as parameters
	ID      string     `json:"id"`
	Title   string     `json:"title"`
	Kind    ChangeKind `json:"kind"`
	Aspect  string     `json:"aspect,omitempty"` // which property, such as 支付比例
	Where   string     `json:"where,omitempty"`  // for which combination, such as 职工、在职、三级
	Before  string     `json:"before,omitempty"`
	After   string     `json:"after,omitempty"`
	Note    string     `json:"note,omitempty"`    // the difference in figures
	Affects []string   `json:"affects,omitempty"` // plans and assessments it has a part in
}

// String is the change as a sentence in Chinese.
func (c *Change) String() string {
	name := "「" + c.Title + "」"
	where := c.Where + c.Aspect
	var s string
	switch c.Kind {
	case Added:
		s = "新增" + name + where
		if c.After != "" {
			s += "：" + c.After
		}
	case Removed:
		s = "取消" + name + where
		if c.Before != "" {
			s += "：原为 " + c.Before
		}
	default:
		s = name + where + "：" + orNothing(c.Before) + " → " + orNothing(c.After)
		if c.Note != "" {
			s += "（" + c.Note + "）"
		}
	}
	if len(c.Affects) > 0 {
		s += "。涉及：" + strings.Join(c.Affects, "、")
	}
	return s
}

func orNothing(s string) string {
	if s == "" {
		return "（无）"
	}
	return s
}

// sectionOrder is the order in which changes are told: what people feel first.
var sectionOrder = []string{"package", "plans", "parameters", "rules", "inherited rules", "scope", "stages", "facets", "facts", "accumulators", "funds", "assessments", "benefit_starts", "away_filing", "special_diseases", "direct_settlement", "claims", "documents"}

// ordered are the sections of which the first entry that applies is used.
var ordered = map[string]bool{"rules": true, "inherited rules": true, "benefit_starts": true}

// Compare says in words what changes from package a to package b, in a fixed
// order. Nothing that differs in the two files goes untold, but for comments,
// formatting and the order of things whose order means nothing.
func Compare(a, b *Package) []Change {
	c := comparison{a: a, b: b, rootA: a.root(), rootB: b.root()}
	before, after := compared(a), compared(b)
	for _, section := range sectionOrder {
		c.section(section, before, after)
	}
	return c.out
}

// compared are the entities of a package and the rules it inherits.
func compared(p *Package) []entity {
	out := p.entities()
	if p.base != nil {
		for _, r := range p.base.rules {
			out = append(out, r.entity("inherited rules"))
		}
	}
	return out
}

type comparison struct {
	a, b         *Package
	rootA, rootB *yaml.Node
	out          []Change
}

func (c *comparison) section(section string, before, after []entity) {
	find := func(es []entity, id string) *entity {
		for i := range es {
			if es[i].section == section && es[i].id == id {
				return &es[i]
			}
		}
		return nil
	}
	var orderA, orderB []string
	for i := range before {
		x := &before[i]
		if x.section != section {
			continue
		}
		y := find(after, x.id)
		if y == nil {
			c.out = append(c.out, Change{Section: section, ID: x.id, Title: x.title, Kind: Removed, Before: x.words(), Affects: c.a.users(x)})
			continue
		}
		orderA = append(orderA, y.title)
		c.entity(x, y)
	}
	for i := range after {
		y := &after[i]
		switch {
		case y.section != section:
		case find(before, y.id) == nil:
			c.out = append(c.out, Change{Section: section, ID: y.id, Title: y.title, Kind: Added, After: y.words(), Affects: c.b.users(y)})
		default:
			orderB = append(orderB, y.title)
		}
	}
	if ordered[section] && !slices.Equal(orderA, orderB) {
		c.out = append(c.out, Change{Section: section, Title: sectionTitles[strings.TrimPrefix(section, "inherited ")], Kind: Changed, Aspect: "次序",
			Before: strings.Join(orderA, "、"), After: strings.Join(orderB, "、")})
	}
}

// words is the whole entity in one line.
func (e *entity) words() string {
	var out []string
	for _, a := range e.aspects {
		if a.name != "名称" && a.name != "文件名" {
			out = append(out, a.name+"："+a.text)
		}
	}
	if e.param != nil {
		g := gridOf(e.param, nil, e.param.cell)
		if len(g.rows()) <= maxInline {
			out = append(out, g.inline())
		}
	}
	return strings.Join(out, "；")
}

// entity compares what stands under the same name in both packages.
func (c *comparison) entity(x, y *entity) {
	n := len(c.out)
	affects := c.b.users(y)
	change := func(aspect, before, after string) {
		kind := Changed
		if before == "" {
			kind = Added
		} else if after == "" {
			kind = Removed
		}
		c.out = append(c.out, Change{Section: y.section, ID: y.id, Title: x.title, Kind: kind, Aspect: aspect, Before: before, After: after, Affects: affects})
	}
	find := func(as []aspect, name string) *aspect {
		for i := range as {
			if as[i].name == name {
				return &as[i]
			}
		}
		return &aspect{}
	}
	for _, p := range x.aspects {
		q := find(y.aspects, p.name)
		if p.text != q.text {
			change(p.name, p.text, q.text)
		}
		if s, t := cites(p.sources), cites(q.sources); s != t && q.name != "" {
			change(p.name+"的依据", s, t)
		}
	}
	for _, q := range y.aspects {
		if find(x.aspects, q.name).name == "" {
			change(q.name, "", q.text)
		}
	}
	if x.param != nil {
		c.cells(x.param, y.param, affects)
	}
	if s, t := cites(x.sources), cites(y.sources); s != t {
		change("依据", s, t)
	}
	if len(c.out) == n {
		if s, t := x.written(c.rootA), y.written(c.rootB); s != t {
			change("写法（文字与数字相同）", s, t)
		}
	}
}

func cites(sources []*Source) string {
	var out []string
	for _, s := range sources {
		out = append(out, strings.TrimSpace("《"+s.Document.Title+"》"+s.Document.Number+" "+s.Article))
	}
	return strings.Join(out, "；")
}

// written is the text of the entity in the package file, normalised.
func (e *entity) written(root *yaml.Node) string {
	switch e.section {
	case "package", "inherited rules":
		return ""
	case "scope":
		return canonical(get(root, "scope"), packageShape.field("scope").shape)
	case "away_filing", "special_diseases", "direct_settlement", "claims":
		return e.applied(root)
	}
	return canonical(get(get(root, e.section), e.id), packageShape.field(e.section).shape.elem)
}

// canonical writes a node in one line, the keys of objects in order.
func canonical(n *yaml.Node, s *shape) string {
	if n == nil {
		return ""
	}
	var out []string
	switch n.Kind {
	case yaml.MappingNode:
		each(n, func(k, v *yaml.Node) {
			var below *shape
			if s != nil && s.kind == kObject && s.field(k.Value) != nil {
				below = s.field(k.Value).shape
			} else if s != nil && s.kind == kMap {
				below = s.elem
			}
			out = append(out, k.Value+": "+canonical(v, below))
		})
		if s != nil && s.kind == kObject {
			slices.Sort(out)
		}
		return "{" + strings.Join(out, ", ") + "}"
	case yaml.SequenceNode:
		var below *shape
		if s != nil {
			below = s.elem
		}
		for _, e := range n.Content {
			out = append(out, canonical(e, below))
		}
		if s != nil && (s.kind == kNames || s.kind == kSources || s.kind == kTexts) && len(out) == 1 {
			return out[0] // one alone may stand without brackets
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	return n.Value
}

// maxCompared bounds the combinations of two tables by different categories.
const maxCompared = 1 << 14

// cells compares two parameters combination by combination, over the
// categories of both.
func (c *comparison) cells(a, b *param, affects []string) {
	u := unite(a, b)
	change := func(where, before, after, note string) {
		c.out = append(c.out, Change{Section: "parameters", ID: b.name, Title: a.title, Kind: Changed, Where: where, Before: before, After: after, Note: note, Affects: affects})
	}
	if u == nil {
		change("", "（分档方式不同，不能逐格比较）", "", "")
		return
	}
	for _, r := range u.rows() {
		if r.text != "" {
			t := strings.Split(r.text, "\x00")
			change(r.where(), t[0], t[1], t[2])
		}
	}
}

// unite is the grid of differences of two parameters: before, after and the
// difference, or "" where they agree.
func unite(a, b *param) *grid {
	type axis struct {
		labels []string
		a, b   []int // index in each parameter's category, -1: not there
		strA   int64
		strB   int64
	}
	g := &grid{}
	var axes []*axis
	size := 1
	add := func(d dim) {
		x := &axis{}
		da, db := dimOf(a, d.sym.name), dimOf(b, d.sym.name)
		for _, side := range []*dim{db, da} {
			if side == nil {
				continue
			}
			for i, v := range side.sym.dom.values {
				if (side == db) || db == nil || !slices.Contains(db.sym.dom.values, v) {
					x.labels = append(x.labels, side.sym.dom.labels[i])
					x.a, x.b = append(x.a, valueIn(da, v)), append(x.b, valueIn(db, v))
				}
			}
		}
		if da != nil {
			x.strA = da.stride
		}
		if db != nil {
			x.strB = db.stride
		}
		axes = append(axes, x)
		g.dims = append(g.dims, gridDim{title: d.sym.title, labels: x.labels})
		size = min(size*len(x.labels), maxCompared+1)
	}
	for _, d := range b.dims {
		add(d)
	}
	for _, d := range a.dims {
		if dimOf(b, d.sym.name) == nil {
			add(d)
		}
	}
	if size > maxCompared {
		return nil
	}
	for i := range size {
		var ia, ib int64
		n := i
		for k := len(axes) - 1; k >= 0; k-- {
			x := axes[k]
			v := n % len(x.labels)
			n /= len(x.labels)
			ia, ib = step(ia, x.a[v], x.strA), step(ib, x.b[v], x.strB)
		}
		g.cells = append(g.cells, difference(a, ia, b, ib))
	}
	return g
}

func dimOf(p *param, name string) *dim {
	for i := range p.dims {
		if p.dims[i].sym.name == name {
			return &p.dims[i]
		}
	}
	return nil
}

// valueIn is the index of the value in the category: 0 where the parameter is
// not by that category, -1 where the category has no such value.
func valueIn(d *dim, value string) int {
	if d == nil {
		return 0
	}
	return slices.Index(d.sym.dom.values, value)
}

func step(i int64, v int, stride int64) int64 {
	if i < 0 || v < 0 {
		return -1
	}
	return i + int64(v)*stride
}

func difference(a *param, ia int64, b *param, ib int64) string {
	before, after := "（无此类）", "（无此类）"
	if ia >= 0 {
		before = a.cell(ia)
	}
	if ib >= 0 {
		after = b.cell(ib)
	}
	if before == after {
		return ""
	}
	note := ""
	if ia >= 0 && ib >= 0 && a.typ == b.typ {
		note = shift(a.cells[ia], b.cells[ib], a.typ)
	}
	return before + "\x00" + after + "\x00" + note
}

// shift says by how much a figure moved.
func shift(from, to int64, typ valueType) string {
	if from <= codeCell || to <= codeCell || from >= unlimited || to >= unlimited || from == to {
		return ""
	}
	sign, d := "＋", to-from
	if d < 0 {
		sign, d = "－", -d
	}
	switch typ {
	case tyRate:
		return sign + strings.TrimSuffix(money.Rate(d).Percent(), "%") + "个百分点"
	case tyMoney:
		return sign + yuan(d) + "元"
	}
	return sign + strconv.FormatInt(d, 10)
}
