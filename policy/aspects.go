package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/anji-platform/anji/civil"
)

// entity is one thing that a package declares, taken apart into aspects in
// words. The readable document and the comparison of two packages are both
// made from entities, so that they say the same.
type entity struct {
	section string // key of the package file, such as parameters
	id      string
	title   string
	aspects []aspect
	sources []*Source
	param   *param
	stage   *Stage
	plan    *Plan
}

// aspect is one property of an entity in words.
type aspect struct {
	name    string
	text    string
	params  []*param // named in the text, in order
	lone    bool     // the value is one parameter and nothing else
	sources []*Source
	band    []string // of a band of a stage: the columns of a table
}

// sectionTitles are the sections of a package for people.
var sectionTitles = map[string]string{
	"package": "政策包", "documents": "依据文件", "facts": "另需的事实", "facets": "分类", "parameters": "参数", "accumulators": "年度累计",
	"funds": "基金", "scope": "纳入范围", "rules": "规则", "stages": "支付环节", "plans": "待遇方案", "inherited rules": "沿用的规则", "assessments": "缴费、划账与付费", "benefit_starts": "缴费期与待遇起算",
	"away_filing": "异地就医备案", "special_diseases": "门诊慢特病认定", "direct_settlement": "跨省直接结算", "claims": "手工报销",
}

// entities takes the whole package apart, in the order of the file's sections.
func (p *Package) entities() []entity {
	notes, classes := p.uncompiled()
	out := []entity{p.packageEntity(classes)}
	for _, d := range p.Documents {
		out = append(out, documentEntity(d, notes[d.ID]))
	}
	for i := range p.facts {
		out = append(out, p.facts[i].entity())
	}
	for _, f := range p.facets {
		out = append(out, f.entity())
	}
	for _, q := range p.params {
		out = append(out, entity{section: "parameters", id: q.name, title: q.title, sources: q.sources, param: q,
			aspects: worded("名称", q.title, "单位", unitTitle(q.unit), "说明", flow(q.note))})
	}
	for _, a := range p.accumulators[numStandardAccumulators:] {
		out = append(out, entity{section: "accumulators", id: a.name, title: a.title, sources: a.sources, aspects: worded("名称", a.title)})
	}
	for _, f := range p.funds {
		out = append(out, entity{section: "funds", id: f.ID, title: f.Title, sources: f.sources,
			aspects: worded("名称", f.Title, "类别", f.Category.Title(), "国家接口代码", f.Code)})
	}
	out = append(out, p.scopeEntity())
	for _, r := range p.rules {
		out = append(out, r.entity("rules"))
	}
	for _, s := range p.stages {
		out = append(out, entity{section: "stages", id: s.ID, title: s.Title, sources: s.sources, stage: s, aspects: append(worded("名称", s.Title), s.aspects(p, nil)...)})
	}
	for _, pl := range p.plans {
		out = append(out, pl.entity(p))
	}
	for _, a := range p.assessments {
		out = append(out, a.entity())
	}
	for _, r := range p.starts {
		out = append(out, r.entity())
	}
	return append(append(out, p.applications()...), p.directEntities()...)
}

// worded makes aspects of pairs of name and text, leaving out the empty ones.
func worded(pairs ...string) []aspect {
	var out []aspect
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, aspect{name: pairs[i], text: pairs[i+1]})
		}
	}
	return out
}

// uncompiled reads what only the text of the package holds: the notes of
// documents, and the names of the classes of persons it declares.
func (p *Package) uncompiled() (notes map[string]string, classes []string) {
	notes = map[string]string{}
	root := p.root()
	each(get(root, "documents"), func(k, v *yamlNode) { notes[k.Value] = flow(str(v, "note")) })
	for _, c := range list(get(root, "classes")) {
		classes = append(classes, c.Value)
	}
	return notes, classes
}

// root is the text of the package, read again. It was read without fault.
func (p *Package) root() *yamlNode {
	b := builder{faults: faults{file: p.File}}
	return b.readYAML(p.text)
}

func (p *Package) packageEntity(classes []string) entity {
	e := entity{section: "package", id: "package", title: p.Name}
	inherits := ""
	if p.Inherits != "" {
		inherits = p.Inherits
		if p.base != nil {
			inherits += " " + p.base.Name + "（" + p.base.Version + "）"
		}
	}
	e.aspects = worded("统筹区", p.Region, "名称", p.Name, "版本", p.Version, "期间", p.period(), "沿用", inherits,
		"说明", flow(p.Summary), "人员类别", strings.Join(classes, "、"))
	return entityWith(e, p.calendarAspects()...)
}

func entityWith(e entity, more ...aspect) entity {
	e.aspects = append(e.aspects, more...)
	return e
}

func (p *Package) period() string {
	if p.To == 0 {
		return day(p.From) + "起，至下一版本施行前"
	}
	return day(p.From) + "至" + day(p.To)
}

func day(d civil.Date) string {
	return strconv.Itoa(d.Year()) + "年" + strconv.Itoa(d.Month()) + "月" + strconv.Itoa(d.Day()) + "日"
}

// calendarAspects are the rules on days and years.
func (p *Package) calendarAspects() []aspect {
	year := "自然年，1月1日至12月31日"
	if p.yearStart != 101 {
		last := civil.New(2025, p.yearStart/100, p.yearStart%100).AddDays(-1)
		year = strconv.Itoa(p.yearStart/100) + "月" + strconv.Itoa(p.yearStart%100) + "日至次年" + strconv.Itoa(last.Month()) + "月" + strconv.Itoa(last.Day()) + "日"
	}
	by := "按出院日（门诊按就诊日）选用规则"
	if p.rulesByStart {
		by = "按入院日（门诊按就诊日）选用规则"
	}
	crossing := [...]string{
		crossByEnd:         "按出院所在年度整笔结算",
		crossSplit:         "按费用发生日期分到两个年度分别结算，起付标准只计一次",
		crossSplitContinue: "按费用发生日期分到两个年度分别结算，起付标准只计一次，次数与起付在新年度续算",
	}[p.crossing]
	reversal := "会改变其后已办结算的，不予撤销，须先撤销其后的结算"
	if p.replaysLater {
		reversal = "会改变其后已办结算的，予以撤销，其后的结算重新计算并补记差额"
	}
	aid := "个人账户不给家庭成员使用"
	if len(p.relatives) > 0 {
		titles := make([]string, len(p.relatives))
		for i, r := range p.relatives {
			titles[i] = r.Title()
		}
		aid = "个人账户可授权" + strings.Join(titles, "、") + "使用"
		if p.aidContributes {
			aid += "，也可为其缴纳居民医保费"
		}
	}
	declared := "没有规定单位申报缴费"
	if p.dueDay > 0 {
		declared = "单位按月申报，当月 " + strconv.Itoa(p.dueDay) + " 日前缴纳"
	}
	retirement := "没有规定"
	if p.retires {
		retirement = "累计缴费满 " + p.retirementMonths.words() + " 个月"
	}
	told := "没有规定办理期限"
	if t := p.tipOffs; t != nil {
		told = ""
		if t.AcceptDays > 0 {
			told = strconv.Itoa(t.AcceptDays) + " 个工作日内决定是否受理"
		}
		if t.CloseDays > 0 {
			if told != "" {
				told += "；"
			}
			told += "受理后 " + strconv.Itoa(t.CloseDays) + " 个工作日内办结"
		}
	}
	return []aspect{
		{name: "举报办理", text: told, sources: p.tipOffSources()},
		{name: "退休后不再缴费", text: retirement, sources: p.retirementSources},
		{name: "单位缴费", text: declared, sources: p.dueSources},
		{name: "家庭共济", text: aid, sources: p.relativesSources},
		{name: "适用日期", text: by, sources: p.rulesBySources},
		{name: "待遇年度", text: year, sources: p.yearSources},
		{name: "跨年度住院", text: crossing, sources: p.crossingSources},
		{name: "结算撤销", text: reversal, sources: p.reversalSources},
	}
}

// gradeTitles say how far a document was checked.
var gradeTitles = map[string]string{
	"A": "官方文件，已核对原文", "B": "官方文件，经第三方转载核对", "C": "第三方材料，未见官方原文",
	"S": "种子材料的陈述，未见原文", "X": "为测试与演示而设的示例，不是真实文件",
}

func documentEntity(d *Document, note string) entity {
	grade := d.Grade
	if t := gradeTitles[d.Grade]; t != "" {
		grade += "（" + t + "）"
	}
	return entity{section: "documents", id: d.ID, title: d.Title,
		aspects: worded("文件名", d.Title, "文号", d.Number, "发文机关", d.Issuer, "日期", d.Date, "网址", d.URL, "核对程度", grade, "说明", note)}
}

var factTypeTitles = map[valueType]string{tyCount: "数", tyMoney: "金额（元）", tyBool: "是或否", tyDate: "日期"}

func (f *fact) entity() entity {
	def := "必须给出"
	if f.hasDefault {
		switch f.typ {
		case tyBool:
			def = "不给时为" + [2]string{"否", "是"}[f.def&1]
		case tyDate:
			def = "不给时为" + civil.Date(f.def).String()
		default:
			def = "不给时为" + figure(f.def, f.typ)
		}
	}
	return entity{section: "facts", id: f.name, title: f.title, sources: f.sources,
		aspects: worded("名称", f.title, "类型", factTypeTitles[f.typ], "缺省", def)}
}

func (f *facet) entity() entity {
	e := entity{section: "facets", id: f.name, title: f.title, sources: f.sources, aspects: worded("名称", f.title)}
	for i := range f.whens {
		a := valueAspect("第"+strconv.Itoa(i+1)+"档「"+f.dom.labels[f.target[i]]+"」", &f.whens[i])
		e.aspects = append(e.aspects, a)
	}
	if f.otherwise >= 0 {
		e.aspects = append(e.aspects, aspect{name: "其余", text: f.dom.labels[f.otherwise]})
	}
	return e
}

func (p *Package) scopeEntity() entity {
	e := entity{section: "scope", id: "scope", title: "纳入范围", sources: p.scopeSources}
	a := valueAspect("乙类先行自付比例", &p.scopeFirstPay)
	if p.scopeFirstPay.kind == valAbsent {
		a.text = "本包没有规定；按费用行写明的比例"
	}
	e.aspects = append(e.aspects, a)
	return e
}

var decisionTitles = [...]string{ruleRefuse: "不予支付", ruleAdvance: "先行支付，向责任方追偿", ruleNote: "只作说明"}

func (r *rule) entity(section string) entity {
	e := entity{section: section, id: r.id, title: r.title, sources: r.sources, aspects: worded("名称", r.title, "处理", decisionTitles[r.decision])}
	return entityWith(e, valueAspect("条件", &r.when), aspect{name: "理由", text: flow(r.reason)})
}

func (pl *Plan) entity(p *Package) entity {
	e := entity{section: "plans", id: pl.ID, title: pl.Title, sources: pl.sources, plan: pl}
	stages := make([]string, len(pl.stages))
	for i, s := range pl.stages {
		stages[i] = s.Title
	}
	payment := strings.Join(stages, " → ")
	switch {
	case pl.unknown != "":
		payment = ""
	case len(stages) == 0:
		payment = "基金和个人账户都不支付，由个人现金支付"
	}
	e.aspects = worded("名称", pl.Title, "适用于", matchWords(pl.match), "支付环节", payment, "尚不掌握", flow(pl.unknown))
	if len(pl.sets) > 0 {
		var out []string
		for _, s := range pl.sets {
			q := slices.Index(planQuantitySlots, s.slot)
			out = append(out, planQuantityTitles[q]+"计入「"+p.accumulators[s.acc].title+"」")
		}
		e.aspects = append(e.aspects, aspect{name: "计入累计", text: strings.Join(out, "；")})
	}
	return e
}

var planQuantityTitles = []string{"医疗费总额", "全自费", "超限价", "先行自付", "政策范围内费用", "各基金支付合计", "个人负担"}

func matchWords(keys []matchKey) string {
	var out []string
	for _, k := range keys {
		var labels []string
		for _, v := range k.values {
			labels = append(labels, k.sym.dom.labels[slices.Index(k.sym.dom.values, v)])
		}
		out = append(out, k.sym.title+"为"+strings.Join(labels, "、"))
	}
	if len(out) == 0 {
		return "别的方案都不适用的情形"
	}
	return strings.Join(out, "；")
}

// allowed are the values of categories that a match admits.
func allowed(keys []matchKey) map[*symbol]uint64 {
	out := map[*symbol]uint64{}
	for _, k := range keys {
		out[k.sym] = k.mask
	}
	return out
}

var kindTitles = [...]string{Contribution: "缴费", Allotment: "个人账户划入", ProviderPayment: "对机构付费", LateFee: "滞纳金", Reward: "举报奖励"}
var periodTitles = map[string]string{"month": "每月", "year": "每年", "case": "每例"}

func (a *Assessment) entity() entity {
	e := entity{section: "assessments", id: a.ID, title: a.Title, sources: a.sources}
	payer, fund := "", ""
	if i := slices.Index(payerNames, a.Payer); i >= 0 {
		payer = payerTitles[i]
	}
	if a.Fund != nil {
		fund = a.Fund.Title
	}
	applies := ""
	if len(a.match) > 0 {
		applies = matchWords(a.match)
	}
	e.aspects = worded("名称", a.Title, "种类", kindTitles[a.Kind], "由谁出", payer, "基金", fund, "适用于", applies)
	if a.when.kind != valAbsent {
		e.aspects = append(e.aspects, valueAspect("条件", &a.when))
	}
	e.aspects = append(e.aspects, aspect{name: "周期", text: periodTitles[a.Period]})
	if a.unknown != "" {
		return entityWith(e, aspect{name: "尚不掌握", text: flow(a.unknown)})
	}
	return entityWith(e, valueAspect("金额", &a.amount))
}

func unitTitle(unit string) string {
	return cmp.Or(map[string]string{"yuan": "元", "ratio": "比例", "count": "数"}[unit], unit)
}

func valueAspect(name string, v *val) aspect {
	return aspect{name: name, text: v.words(), params: v.params(), lone: v.src != nil && v.src.op == "symbol" && v.src.sym.kind == symParam}
}

// params are the parameters that the value names, in the order of reading.
func (v *val) params() []*param {
	var out []*param
	var walk func(e *expr)
	walk = func(e *expr) {
		if e.op == "symbol" && e.sym.kind == symParam && !slices.Contains(out, e.sym.param) {
			out = append(out, e.sym.param)
		}
		for _, a := range e.args {
			walk(a)
		}
	}
	if v.src != nil {
		walk(v.src)
	}
	return out
}

// cell writes one cell of the parameter for people, with the formula it comes
// from.
func (p *param) cell(i int64) string {
	switch c := p.cells[i]; {
	case c == unknownCell:
		return "尚不掌握"
	case c == codeCell:
		return p.progs[i].words()
	default:
		s := figure(c, p.typ)
		if f := p.progs[i].formula(); f != "" {
			s += "（＝" + f + "）"
		}
		return s
	}
}

// flow sets a text in one line: runs of white space become one space, and
// none beside a full-width mark, where a line of Chinese was broken.
func flow(s string) string {
	var b strings.Builder
	var last rune
	for i, word := range strings.Fields(s) {
		first, _ := utf8.DecodeRuneInString(word)
		if i > 0 && !wideMark(last) && !wideMark(first) {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		last, _ = utf8.DecodeLastRuneInString(word)
	}
	return b.String()
}

// wideMark reports whether r is a punctuation mark of Chinese.
func wideMark(r rune) bool {
	return r >= 0x3001 && r <= 0x301F || r >= 0xFF00 && r <= 0xFF60 && unicode.IsPunct(r) || r >= 0x2018 && r <= 0x201D || r == '…' || r == '—'
}
