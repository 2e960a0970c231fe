package policy

// Gap is something a package says it does not know, and with it the benefit,
// which is refused until the figure is found (尚不掌握).
type Gap struct {
	Title string // of the parameter, plan, assessment, start of benefits or disease
	Where string // the combination in words; "" for all
	Note  string // what the package says about it
	Need  string // what would fill the gap
}

// Gaps lists what the package does not know, in the order of the package.
func (p *Package) Gaps() []Gap {
	var out []Gap
	add := func(title, where, note string) {
		need := "规定「" + title + "」"
		if where != "" {
			need += "（" + where + "）"
		}
		out = append(out, Gap{Title: title, Where: where, Note: flow(note), Need: "需要" + need + "的正式文件：文件名、文号、条款与数字"})
	}
	if k := p.scopeFirstPay.kind; k == valUnknown || k == valAbsent && len(p.plans) > 0 {
		add("乙类先行自付比例", "", "费用行写明比例的不受影响")
	}
	for _, q := range p.params {
		g := gridOf(q, nil, func(i int64) string {
			if q.cells[i] == unknownCell {
				return "unknown"
			}
			return ""
		})
		for _, r := range g.rows() {
			if r.text != "" {
				add(q.title, r.where(), q.note)
			}
		}
	}
	for _, s := range p.stages {
		for _, v := range s.values() {
			if v.kind == valUnknown {
				add(s.Title+"的"+unknownAspect(s, v), "", "")
			}
		}
	}
	for _, pl := range p.plans {
		if pl.unknown != "" {
			add(pl.Title, "", pl.unknown)
		}
	}
	for _, a := range p.assessments {
		if a.unknown != "" || a.amount.kind == valUnknown {
			add(a.Title, "", a.unknown)
		}
	}
	for _, r := range p.starts {
		if r.unknown != "" || r.wait.kind == valUnknown {
			add(r.Title, "", r.unknown)
		}
	}
	if s := p.special; s != nil {
		if s.Unknown != "" {
			add("门诊慢特病认定", "", s.Unknown)
		}
		for _, d := range s.Diseases {
			if d.Unknown != "" {
				add("门诊慢特病认定："+d.Title, "", d.Unknown)
			}
		}
	}
	return out
}

// unknownAspect names the part of the stage that the value is.
func unknownAspect(s *Stage, v *val) string {
	switch {
	case v == &s.base:
		return "基数"
	case v == &s.bands.threshold:
		return "起付标准"
	case s.ded != nil && v == &s.ded.amount:
		return s.ded.title
	case s.floor != nil && (v == &s.floor.base || v == &s.floor.ratio):
		return s.floor.title
	}
	for i := range s.limits {
		if v == &s.limits[i].amount {
			return s.limits[i].title
		}
	}
	for i := range s.list {
		switch v {
		case &s.list[i].over, &s.list[i].upto:
			return "段界"
		case &s.list[i].ratio:
			return "支付比例"
		}
	}
	return "合并上限"
}

func (b *documentBuilder) unknownList() {
	b.sectionHeading("尚不掌握的内容")
	gaps := b.pkg.Gaps()
	if len(gaps) == 0 {
		b.paragraph(plain("本包没有尚不掌握的数字。"))
		return
	}
	b.paragraph(plain("下列内容没有可靠依据，系统遇到时不予估算，只说明原因。"))
	var items []item
	for _, g := range gaps {
		it := item{text: strong(g.Title)}
		if g.Where != "" {
			it.text = append(it.text, span{text: "（" + g.Where + "）"})
		}
		if g.Note != "" {
			it.text = append(it.text, span{text: "：" + g.Note})
		}
		it.sub = []item{{text: plain(g.Need)}}
		items = append(items, it)
	}
	b.list(items)
}
