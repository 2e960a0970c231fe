package policy

import (
	"slices"
	"strconv"
	"strings"
)

// aspects takes a stage apart in words. plan, if not nil, is the plan in
// which the stage is read: only what applies there is said.
func (s *Stage) aspects(p *Package, plan *Plan) []aspect {
	out := s.plainAspects(p, plan)
	r := strings.NewReplacer(s.references(p, plan)...)
	for i := range out {
		out[i].text = r.Replace(out[i].text)
		for k := range out[i].band {
			out[i].band[k] = r.Replace(out[i].band[k])
		}
	}
	return out
}

// references are the names of amounts of other stages in the words of this
// one, in pairs: as compiled, and as they are called in the plan. One role may
// be played by a different stage in each plan.
func (s *Stage) references(p *Package, plan *Plan) []string {
	var out []string
	var walk func(e *expr)
	walk = func(e *expr) {
		if e.op == "symbol" && e.sym.kind == symSlot && e.sym.slot >= slotStages {
			role, q, _ := strings.Cut(e.sym.name, ".")
			stages := p.stages
			if plan != nil {
				stages = plan.stages
			}
			var titles []string
			for _, t := range stages {
				if t.role == role && !slices.Contains(titles, t.Title) {
					titles = append(titles, t.Title)
				}
			}
			out = append(out, e.sym.title, strings.Join(titles, "／")+"的"+quantityTitles[slices.Index(quantityNames, q)])
		}
		for _, a := range e.args {
			walk(a)
		}
	}
	for _, v := range s.values() {
		if v.src != nil {
			walk(v.src)
		}
	}
	return out
}

func (s *Stage) plainAspects(p *Package, plan *Plan) []aspect {
	var out []aspect
	add := func(a aspect) {
		if a.text != "" {
			out = append(out, a)
		}
	}
	add(aspect{name: "由谁支付", text: s.payerWords(plan)})
	if s.when.kind != valAbsent {
		add(valueAspect("何时适用", &s.when))
	}
	add(valueAspect("以何为基数", &s.base))
	if s.ded != nil {
		add(s.ded.aspect(p))
	}
	out = append(out, s.bandAspects(p)...)
	if s.floor != nil {
		base, ratio := valueAspect("", &s.floor.base), valueAspect("", &s.floor.ratio)
		add(aspect{name: "保底", text: s.floor.title + "：支付额不少于" + base.text + "的" + ratio.text,
			params: union(base.params, ratio.params), sources: s.floor.sources})
	}
	for i := range s.limits {
		a := s.limits[i].aspect(p, "限额「"+s.limits[i].title+"」")
		if slices.ContainsFunc(out, func(b aspect) bool { return b.name == a.name }) {
			a.name += "（" + strconv.Itoa(i+1) + "）"
		}
		add(a)
	}
	add(aspect{name: "计入累计", text: s.accumulateWords(p)})
	return out
}

func (s *Stage) payerWords(plan *Plan) string {
	if s.account {
		switch {
		case !s.own:
			return "家庭共济账户"
		case s.family:
			return "个人账户，不足时家庭共济账户"
		}
		return "个人账户"
	}
	if s.funds[Employee] == s.funds[Resident] {
		return s.funds[Employee].Title
	}
	var out []string
	for i, f := range s.funds {
		if plan == nil || plan.admits("scheme", i) {
			out = append(out, schemeDomain.labels[i]+"："+f.Title)
		}
	}
	if len(out) == 1 {
		_, title, _ := strings.Cut(out[0], "：")
		return title
	}
	return strings.Join(out, "；")
}

// admits reports whether the plan can apply with the value of the category.
func (pl *Plan) admits(category string, value int) bool {
	for _, k := range pl.match {
		if k.sym.name == category {
			return k.mask>>uint(value)&1 != 0
		}
	}
	return true
}

func (d *deductible) aspect(p *Package) aspect {
	a := valueAspect("起付标准", &d.amount)
	a.sources = d.sources
	how := "，每次计："
	if len(d.borne) > 0 {
		how = "，按年累计（已负担额见" + p.accumulatorWords(d.borne) + "）："
	}
	a.text = d.title + how + a.text
	for i := range d.within {
		w := d.within[i].aspect(p, "")
		a.text += "；另有合并上限「" + d.within[i].title + "」" + w.text + "，达到后不再负担"
		a.params, a.lone = union(a.params, w.params), false
		a.sources = append(slices.Clone(a.sources), w.sources...)
	}
	if len(d.sets) > 0 {
		a.text += "；负担额计入" + p.accumulatorWords(d.sets)
	}
	return a
}

func (l *limit) aspect(p *Package, name string) aspect {
	a := valueAspect(name, &l.amount)
	a.sources = l.sources
	if l.covered {
		a.text += "；限的是纳入计算的费用"
	}
	if len(l.used) > 0 {
		a.text += "；已用额见" + p.accumulatorWords(l.used)
	} else {
		a.text += "；按次"
	}
	return a
}

func (s *Stage) bandAspects(p *Package) []aspect {
	if s.account {
		return nil
	}
	if !s.bands.banded {
		return []aspect{valueAspect("支付比例", &s.list[0].ratio)}
	}
	how := aspect{name: "分段办法", text: "按本次费用分段"}
	if s.bands.along >= 0 {
		how.text = "沿年内" + p.accumulatorWords([]int{s.bands.along}) + "分段"
	}
	if !s.bands.measureBase {
		how.text += "，从起付标准以上起量"
	}
	if t := &s.bands.threshold; t.kind != valAbsent {
		how.text += "；起付标准为" + t.words()
		how.params = t.params()
		if s.bands.fromThreshold {
			how.text += "，各段从起付标准起算"
		}
	}
	if s.bands.whole {
		how.text += "；全部费用按最终所在一段的比例支付"
	} else {
		how.text += "；各段分别计算后相加"
	}
	if s.rounding {
		how.text += "，合计后四舍五入到分"
	} else {
		how.text += "，每段四舍五入到分"
	}
	out := []aspect{how}
	for i := range s.list {
		b := &s.list[i]
		ratio := valueAspect("第"+strconv.Itoa(i+1)+"段", &b.ratio)
		span := b.over.words() + "以上"
		if b.upto.kind != valAbsent {
			span += "至" + b.upto.words()
			if c, ok := b.over.constant(); ok && c == 0 {
				span = b.upto.words() + "以内"
			}
		}
		ratio.params = union(union(b.over.params(), b.upto.params()), ratio.params)
		ratio.band = []string{span, ratio.text}
		if b.title != "" {
			ratio.band[0] = b.title + "：" + span
		}
		ratio.text = ratio.band[0] + "，" + ratio.text
		out = append(out, ratio)
	}
	return out
}

func (s *Stage) accumulateWords(p *Package) string {
	var out []string
	for _, a := range s.sets {
		out = append(out, quantityTitles[a.q]+"计入「"+p.accumulators[a.acc].title+"」")
	}
	return strings.Join(out, "；")
}

func (p *Package) accumulatorWords(slots []int) string {
	var out []string
	for _, s := range slots {
		out = append(out, "「"+p.accumulators[s].title+"」")
	}
	return strings.Join(out, "、")
}

// union appends what of b is not in a.
func union(a, b []*param) []*param {
	out := slices.Clone(a)
	for _, p := range b {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// users names the plans and assessments that the parameters or the stage of
// an entity have a part in.
func (p *Package) users(e *entity) []string {
	var out []string
	for _, pl := range p.plans {
		for _, s := range pl.stages {
			if s == e.stage || e.param != nil && s.uses(e.param) {
				out = append(out, pl.Title)
				break
			}
		}
	}
	if e.param == nil {
		return out
	}
	for _, a := range p.assessments {
		if dependsOn(&a.amount, e.param) || dependsOn(&a.when, e.param) {
			out = append(out, a.Title)
		}
	}
	for _, r := range p.starts {
		if dependsOn(&r.wait, e.param) || dependsOn(&r.when, e.param) {
			out = append(out, r.Title)
		}
	}
	return out
}

func (s *Stage) uses(q *param) bool {
	return slices.ContainsFunc(s.values(), func(v *val) bool { return dependsOn(v, q) })
}

// dependsOn reports whether v names q, itself or through other parameters. A
// parameter can name only parameters before it, so that this ends.
func dependsOn(v *val, q *param) bool {
	for _, p := range v.params() {
		if p == q {
			return true
		}
		for i := range p.progs {
			if dependsOn(&p.progs[i], q) {
				return true
			}
		}
	}
	return false
}
