package policy

import (
	"slices"
	"strconv"
	"strings"
)

// A readable document of a package is a tree of blocks. It is made once and
// rendered as Markdown or HTML; neither renderer knows about packages.

type blockKind uint8

const (
	blockHeading blockKind = iota
	blockParagraph
	blockList    // of items, with dots
	blockNumbers // of items, numbered from 1, each an anchor for references
	blockTable
)

type block struct {
	kind  blockKind
	level int   // of a heading, from 2
	text  spans // of a heading or a paragraph
	items []item
	table *docTable
}

type item struct {
	text spans
	sub  []item
}

type docTable struct {
	head  []string
	heads int // how many columns name the row
	rows  [][]spans
}

type spanKind uint8

const (
	spanPlain  spanKind = iota
	spanStrong          // of weight for the reader
	spanSource          // a reference to the numbered document, such as [3 第五条]
	spanLink            // to an address outside
)

type span struct {
	kind spanKind
	text string
	to   string // of a link: the address; of a source: the number of the document
}

type spans []span

func plain(s string) spans { return spans{{text: s}} }

func strong(s string) spans { return spans{{kind: spanStrong, text: s}} }

// document is the package for a reader.
type document struct {
	title  string
	facts  [][2]string // what identifies the package
	blocks []block
}

// documentBuilder writes the document of one package.
type documentBuilder struct {
	pkg     *Package
	numbers map[*Document]int
	doc     document
	section int
}

// document makes the readable document (可读文本) of the package.
func (p *Package) document() *document {
	b := &documentBuilder{pkg: p, numbers: map[*Document]int{}}
	b.doc.title = p.Name + "医疗保障待遇政策"
	b.doc.facts = [][2]string{{"统筹区", p.Region + " " + p.Name}, {"版本", p.Version}, {"执行期间", p.period()}}
	if p.base != nil {
		b.doc.facts = append(b.doc.facts, [2]string{"沿用", p.base.Region + " " + p.base.Name + "（" + p.base.Version + "）"})
	}
	notes, classes := p.uncompiled()
	if p.Summary != "" {
		b.paragraph(plain(flow(p.Summary)))
	}
	if n := len(p.Gaps()); n > 0 {
		b.paragraph(strong("本文有 " + strconv.Itoa(n) + " 处数字尚不掌握，遇到时系统不予估算；见文末「尚不掌握的内容」。"))
	}
	b.documents(notes)
	b.calendar()
	b.rules()
	b.scope()
	b.plans()
	b.parameters()
	b.classifications(classes)
	b.funds()
	b.assessments()
	b.starts()
	b.applications()
	b.unknownList()
	return &b.doc
}

func (b *documentBuilder) add(x block) { b.doc.blocks = append(b.doc.blocks, x) }

func (b *documentBuilder) paragraph(s spans) { b.add(block{kind: blockParagraph, text: s}) }

func (b *documentBuilder) list(items []item) {
	if len(items) > 0 {
		b.add(block{kind: blockList, items: items})
	}
}

func (b *documentBuilder) heading(level int, s spans) {
	b.add(block{kind: blockHeading, level: level, text: s})
}

var chineseNumerals = []string{"一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"}

func (b *documentBuilder) sectionHeading(title string) {
	b.heading(2, plain(chineseNumerals[b.section]+"、"+title))
	b.section++
}

// refs are the grounds as references to the list of documents.
func (b *documentBuilder) refs(sources []*Source) spans {
	var out spans
	for _, s := range sources {
		n := strconv.Itoa(b.numbers[s.Document])
		text := n
		if s.Article != "" {
			text += " " + s.Article
		}
		out = append(out, span{text: " "}, span{kind: spanSource, text: "[" + text + "]", to: n})
	}
	return out
}

func (b *documentBuilder) documents(notes map[string]string) {
	b.sectionHeading("依据")
	var items []item
	add := func(d *Document, note string) {
		b.numbers[d] = len(items) + 1
		it := item{text: strong(d.Title)}
		for _, s := range []string{d.Number, d.Issuer, d.Date} {
			if s != "" {
				it.text = append(it.text, span{text: "，" + flow(s)})
			}
		}
		if d.URL != "" {
			it.text = append(it.text, span{text: "，"}, span{kind: spanLink, text: d.URL, to: d.URL})
		}
		it.text = append(it.text, span{text: "。核对程度：" + d.Grade + "（" + gradeTitles[d.Grade] + "）"})
		if note != "" {
			it.text = append(it.text, span{text: "。" + note})
		}
		items = append(items, it)
	}
	for _, d := range b.pkg.Documents {
		add(d, notes[d.ID])
	}
	own := len(items)
	if base := b.pkg.base; base != nil {
		baseNotes, _ := base.uncompiled()
		for _, d := range base.Documents {
			add(d, baseNotes[d.ID])
		}
	}
	b.add(block{kind: blockNumbers, items: items})
	text := "文中方括号内是依据的序号与条款。"
	if own < len(items) {
		text += "第 " + strconv.Itoa(own+1) + " 至 " + strconv.Itoa(len(items)) + " 项是所沿用的" + b.pkg.base.Name + "规定的依据。"
	}
	b.paragraph(plain(text))
}

func (b *documentBuilder) calendar() {
	b.sectionHeading("日期与年度")
	var items []item
	for _, a := range b.pkg.calendarAspects() {
		items = append(items, b.item(a, nil, nil))
	}
	b.list(items)
}

// item writes an aspect: its name, its words, its grounds, and below it the
// values of the parameters it names, as far as allow admits; seen are those
// already given.
func (b *documentBuilder) item(a aspect, allow map[*symbol]uint64, seen map[*param]bool) item {
	if a.lone && !seen[a.params[0]] {
		if g := gridOf(a.params[0], allow, a.params[0].cell); len(g.rows()) <= maxInline {
			b.inline(&a, g.inline())
			if seen != nil {
				seen[a.params[0]] = true
			}
			a.params = nil
		}
	}
	it := item{text: append(spans{{kind: spanStrong, text: a.name}, {text: "：" + a.text}}, b.refs(a.sources)...)}
	it.sub = b.values(a.params, allow, seen)
	return it
}

// inline puts the values of the one parameter of an aspect into its words.
func (b *documentBuilder) inline(a *aspect, values string) {
	p := a.params[0]
	name := "「" + p.title + "」"
	if !strings.Contains(a.name, name) && !strings.HasPrefix(a.text, p.title) {
		values = name + " " + values
	}
	a.text = strings.Replace(a.text, name, values, 1)
	a.sources = slices.Clone(a.sources)
	for _, s := range p.sources {
		if !slices.ContainsFunc(a.sources, func(t *Source) bool { return *t == *s }) {
			a.sources = append(a.sources, s)
		}
	}
}

// maxInline is how many values of a parameter are written where it is used;
// a larger one is left to its table.
const maxInline = 16

func (b *documentBuilder) values(params []*param, allow map[*symbol]uint64, seen map[*param]bool) []item {
	var out []item
	for _, p := range params {
		if seen[p] {
			continue
		}
		if seen != nil {
			seen[p] = true
		}
		g := gridOf(p, allow, p.cell)
		text := "见参数表"
		if len(g.rows()) <= maxInline {
			text = g.inline()
		}
		out = append(out, item{text: append(plain("「"+p.title+"」："+text), b.refs(p.sources)...)})
	}
	return out
}

func (b *documentBuilder) rules() {
	b.sectionHeading("不予支付与特别规定")
	b.paragraph(plain("自上而下逐条判断，遇到不予支付的一条即止；不予支付时全部费用由个人负担。"))
	var items []item
	add := func(p *Package, inherited string) {
		for _, r := range p.rules {
			it := item{text: append(strong(r.title), span{text: "：" + decisionTitles[r.decision] + inherited})}
			it.sub = append(it.sub, b.item(valueAspect("条件", &r.when), nil, map[*param]bool{}))
			reason := plain("理由：" + flow(r.reason))
			it.sub = append(it.sub, item{text: append(reason, b.refs(r.sources)...)})
			items = append(items, it)
		}
	}
	if b.pkg.base != nil {
		add(b.pkg.base, "（沿用"+b.pkg.base.Name+"规定）")
	}
	add(b.pkg, "")
	if len(items) == 0 {
		b.paragraph(plain("本包没有规定，也没有沿用上位规定。"))
	}
	b.list(items)
}

func (b *documentBuilder) scope() {
	b.sectionHeading("费用纳入范围")
	e := b.pkg.scopeEntity()
	first := b.item(e.aspects[0], nil, map[*param]bool{})
	first.text = append(first.text, b.refs(e.sources)...)
	b.list([]item{
		{text: append(strong("甲类"), span{text: "：全部纳入政策范围。"})},
		{text: append(strong("乙类"), span{text: "：先由个人按比例自付（先行自付），余额纳入政策范围。"}), sub: []item{first}},
		{text: append(strong("丙类及目录外"), span{text: "：全部由个人负担（全自费）。"})},
		{text: append(strong("超过限价的部分"), span{text: "：由个人负担（超限价）。"})},
	})
}

func (b *documentBuilder) plans() {
	b.sectionHeading("待遇")
	b.paragraph(plain("按情形选用方案；几个方案都符合的，用条件较多的一个；没有方案符合的，不予支付。各环节依次计算。"))
	for _, pl := range b.pkg.plans {
		b.heading(3, plain(pl.Title))
		e := pl.entity(b.pkg)
		var items []item
		for _, a := range e.aspects[1:] {
			if a.name == "尚不掌握" {
				a.text += "。因此这项待遇不予估算"
			}
			items = append(items, b.item(a, nil, nil))
		}
		items[0].text = append(items[0].text, b.refs(pl.sources)...)
		b.list(items)
		allow, seen := allowed(pl.match), map[*param]bool{}
		for i, s := range pl.stages {
			b.stage(i+1, s, pl, allow, seen)
		}
	}
}

func (b *documentBuilder) stage(n int, s *Stage, pl *Plan, allow map[*symbol]uint64, seen map[*param]bool) {
	b.heading(4, append(plain(strconv.Itoa(n)+"．"+s.Title), b.refs(s.sources)...))
	var items, bands []item
	var table *docTable
	flush := func() {
		b.list(items)
		if table != nil {
			b.add(block{kind: blockTable, table: table})
		}
		b.list(bands)
		items, bands, table = nil, nil, nil
	}
	for _, a := range s.aspects(b.pkg, pl) {
		if a.band == nil {
			if table != nil {
				flush()
			}
			items = append(items, b.item(a, allow, seen))
			continue
		}
		if table == nil {
			table = &docTable{head: []string{"费用段", "支付比例"}, heads: 1}
		}
		table.rows = append(table.rows, []spans{plain(a.band[0]), plain(a.band[1])})
		bands = append(bands, b.values(a.params, allow, seen)...)
	}
	flush()
}

func (b *documentBuilder) parameters() {
	b.sectionHeading("参数")
	single := &docTable{head: []string{"参数", "值", "依据"}, heads: 1}
	for _, p := range b.pkg.params {
		if len(p.dims) > 0 {
			continue
		}
		title := plain(p.title)
		if p.note != "" {
			title = append(title, span{text: "（" + flow(p.note) + "）"})
		}
		single.rows = append(single.rows, []spans{title, plain(p.cell(0)), trim(b.refs(p.sources))})
	}
	if len(single.rows) > 0 {
		b.add(block{kind: blockTable, table: single})
	}
	for _, p := range b.pkg.params {
		if len(p.dims) == 0 {
			continue
		}
		b.heading(3, append(plain(p.title), b.refs(p.sources)...))
		if p.note != "" {
			b.paragraph(plain(flow(p.note)))
		}
		t := &docTable{}
		var rows [][]string
		t.head, t.heads, rows = gridOf(p, nil, p.cell).cross()
		for _, r := range rows {
			var row []spans
			for _, c := range r {
				row = append(row, plain(c))
			}
			t.rows = append(t.rows, row)
		}
		b.add(block{kind: blockTable, table: t})
	}
}

// trim drops the space that separates references from what goes before.
func trim(s spans) spans {
	if len(s) > 0 && s[0].kind == spanPlain && strings.TrimSpace(s[0].text) == "" {
		return s[1:]
	}
	return s
}

func (b *documentBuilder) classifications(classes []string) {
	p := b.pkg
	if len(classes)+len(p.facts)+len(p.facets)+len(p.accumulators) == numStandardAccumulators {
		return
	}
	b.sectionHeading("分类与累计")
	var items []item
	if len(classes) > 0 {
		items = append(items, item{text: append(strong("人员类别"), span{text: "：" + strings.Join(classes, "、")})})
	}
	for _, f := range p.facets {
		e := f.entity()
		it := item{text: append(append(strong(f.title), span{text: "：自上而下，先合者取"}), b.refs(f.sources)...)}
		for i, a := range e.aspects[1:] {
			label := "其余"
			text := a.text
			if i < len(f.whens) {
				label, text = f.dom.labels[f.target[i]], a.text
			}
			it.sub = append(it.sub, item{text: plain(label + "：" + text), sub: b.values(a.params, nil, map[*param]bool{})})
		}
		items = append(items, it)
	}
	for i := range p.facts {
		f := &p.facts[i]
		e := f.entity()
		items = append(items, item{text: append(append(strong(f.title), span{text: "：结算时另给的事实，" + e.aspects[1].text + "，" + e.aspects[2].text}), b.refs(f.sources)...)})
	}
	for _, a := range p.accumulators[numStandardAccumulators:] {
		items = append(items, item{text: append(append(strong(a.title), span{text: "：年度累计"}), b.refs(a.sources)...)})
	}
	b.list(items)
}

func (b *documentBuilder) funds() {
	if len(b.pkg.funds) == 0 {
		return
	}
	b.sectionHeading("基金")
	t := &docTable{head: []string{"基金", "类别", "国家接口代码", "依据"}, heads: 1}
	for _, f := range b.pkg.funds {
		t.rows = append(t.rows, []spans{plain(f.Title), plain(f.Category.Title()), plain(f.Code), trim(b.refs(f.sources))})
	}
	b.add(block{kind: blockTable, table: t})
}

func (b *documentBuilder) assessments() {
	if len(b.pkg.assessments) == 0 {
		return
	}
	b.sectionHeading("缴费、划账与付费")
	for kind, title := range kindTitles {
		var items []item
		for _, a := range b.pkg.assessments {
			if a.Kind != AssessmentKind(kind) {
				continue
			}
			it := item{text: append(strong(a.Title), b.refs(a.sources)...)}
			seen := map[*param]bool{}
			for _, x := range a.entity().aspects[2:] {
				it.sub = append(it.sub, b.item(x, allowed(a.match), seen))
			}
			items = append(items, it)
		}
		if len(items) > 0 {
			b.heading(3, plain(title))
			b.list(items)
		}
	}
}
