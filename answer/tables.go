package answer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/place"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/tipoff"
)

// figures are what a placeholder in a text can name.
var figures map[string]func(m *maker, args []string) Span

// tables are what show can name.
var tables map[string]func(m *maker, p *part, args []string)

func init() {
	figures = map[string]func(*maker, []string) Span{
		"region":         func(m *maker, _ []string) Span { return plain(m.pkg.Name) },
		"hotline":        func(m *maker, _ []string) Span { return figure(m.book.Hotline) },
		"scheme":         func(m *maker, _ []string) Span { return strong(m.scheme(m.people()[0].c.Scheme) + m.say("医保", "")) },
		"first_pay":      (*maker).firstPay,
		"retirement":     (*maker).retirement,
		"filing_days":    (*maker).filingDays,
		"whole":          (*maker).wholeProvinces,
		"relatives":      (*maker).relatives,
		"accept_days":    func(m *maker, _ []string) Span { return m.tipDays(true) },
		"close_days":     func(m *maker, _ []string) Span { return m.tipDays(false) },
		"reward":         (*maker).reward,
		"yuan":           (*maker).example,
		"balance":        func(m *maker, _ []string) Span { return m.own(func(o *Own) Span { return m.yuan(o.Balance) }) },
		"due":            func(m *maker, _ []string) Span { return m.own(func(o *Own) Span { return m.yuan(o.Due) }) },
		"covered":        (*maker).covered,
		"filings":        (*maker).filings,
		"deductibleleft": (*maker).deductibleLeft,
		"start":          (*maker).benefitStart,
	}
	tables = map[string]func(*maker, *part, []string){
		"contributions": (*maker).contributions,
		"allotments":    (*maker).allotments,
		"levels":        (*maker).levels,
		"limits":        (*maker).limits,
		"examples":      (*maker).examples,
		"away":          (*maker).away,
		"groups":        (*maker).groups,
		"catastrophic":  (*maker).catastrophic,
		"assistance":    (*maker).assistance,
		"left_to_aid":   (*maker).leftToAid,
		"behaviours":    (*maker).behaviours,
		"channels":      (*maker).channels,
	}
}

func (m *maker) own(f func(*Own) Span) Span {
	if m.Own == nil {
		return plain("—")
	}
	return f(m.Own)
}

func (m *maker) base() *policy.Case { return &m.people()[0].c }

// example writes an amount that only serves as an example.
func (m *maker) example(args []string) Span {
	a, err := money.Parse(strings.Join(args, ""))
	if err != nil {
		return m.unknown("")
	}
	return m.yuan(a)
}

func (m *maker) firstPay([]string) Span {
	rate, sources, ok, err := m.store.FirstPay(m.base())
	if err != nil || !ok {
		return m.unknown("「乙类先行自付比例」的数字尚不掌握")
	}
	m.cite(sources...)
	return figure(rate.Percent())
}

func (m *maker) retirement(args []string) Span {
	c := *m.base()
	c.Female = slices.Contains(args, "F")
	months, sources, ok, err := m.store.Retirement(&c)
	if err != nil || !ok {
		return m.unknown("「退休缴费年限」的数字尚不掌握")
	}
	m.cite(sources...)
	if months%12 == 0 {
		return figure(strconv.Itoa(months/12) + m.say(" 年", " years"))
	}
	return figure(strconv.Itoa(months) + m.say(" 个月", " months"))
}

func (m *maker) rules() *policy.AwayFiling {
	rules, ok, err := m.store.AwayFiling(m.Region, m.Day)
	if err != nil || !ok {
		return nil
	}
	m.cite(rules.Sources...)
	return rules
}

func (m *maker) filingDays([]string) Span {
	rules := m.rules()
	if rules == nil {
		return m.unknown("「异地就医备案办结期限」的数字尚不掌握")
	}
	return figure(strconv.Itoa(rules.WorkingDays) + m.say(" 个工作日", " working days"))
}

func (m *maker) wholeProvinces([]string) Span {
	rules := m.rules()
	if rules == nil {
		return m.unknown("「备案到省的地区」尚不掌握")
	}
	var names []string
	for _, p := range rules.Provinces {
		names = append(names, place.Name(p))
	}
	return figure(strings.Join(names, "、"))
}

func (m *maker) relatives([]string) Span {
	all := m.pkg.Relatives()
	if len(all) == 0 {
		return m.unknown("本统筹区的政策包没有规定家庭共济")
	}
	var names []string
	for _, r := range all {
		names = append(names, r.Title())
		_, sources := m.pkg.LetsUse(r)
		m.cite(sources...)
	}
	return figure(strings.Join(names, "、"))
}

func (m *maker) tipDays(accept bool) Span {
	t, ok := m.store.TipOffs(m.Region, m.Day)
	n := 0
	if ok {
		m.cite(t.Sources...)
		if n = t.CloseDays; accept {
			n = t.AcceptDays
		}
	}
	if n == 0 {
		return m.unknown("「举报办理期限」本统筹区的政策包没有写明")
	}
	return figure(strconv.Itoa(n) + m.say(" 个工作日", " working days"))
}

// reward is what a tip-off that proves true earns, by the package.
func (m *maker) reward(args []string) Span {
	recovered, err := money.Parse(strings.Join(args, ""))
	if err != nil {
		return m.unknown("")
	}
	r, err := tipoff.Reward(m.store, m.Region, m.Day, recovered)
	if err != nil || !r.Known {
		return m.unknown(cmp.Or(r.Why, "「举报奖励」的算法尚不掌握"))
	}
	m.cite(r.Sources...)
	return m.yuan(r.Amount)
}

func (m *maker) covered([]string) Span {
	return m.own(func(o *Own) Span {
		if o.Covered {
			return strong(m.say("今天看病可以报销", "you are covered today"))
		}
		return strong(cmp.Or(o.Why, m.say("今天看病不能报销", "you are not covered today")))
	})
}

func (m *maker) filings([]string) Span {
	return m.own(func(o *Own) Span {
		if len(o.Filings) == 0 {
			return strong(m.say("没有生效的备案", "none holds today"))
		}
		return figure(strings.Join(o.Filings, "；"))
	})
}

// deductibleLeft is what is left of the year's deductible for outpatient care.
func (m *maker) deductibleLeft([]string) Span {
	c := *m.base()
	c.Visit = policy.Outpatient
	t, why := m.terms(&c)
	if t == nil {
		return m.unknown(why)
	}
	s := basic(t)
	if s == nil || s.Deductible == nil {
		return m.yuan(0)
	}
	m.cite(s.Deductible.Sources...)
	if s.Deductible.Unknown != "" {
		return m.unknown(s.Deductible.Unknown)
	}
	return m.yuan(s.Deductible.Left)
}

// benefitStart says from when a resident who pays today is covered.
func (m *maker) benefitStart([]string) Span {
	c := policy.Case{Region: m.Region, Date: m.Day, Scheme: policy.Resident}
	st, ok, err := m.store.BenefitsStart(&c, 0)
	switch {
	case err != nil || !ok:
		return m.unknown("「居民待遇起算」本统筹区的政策包没有写明")
	case st.Unknown != "":
		return m.unknown(st.Unknown)
	}
	m.cite(st.Sources...)
	return figure(st.From.String())
}

// payer is somebody whose contributions are shown.
type payer struct {
	title  string
	c      policy.Case
	facts  []string
	lowest bool
}

// contributions shows who pays what.
func (m *maker) contributions(_ *part, args []string) {
	base := policy.Case{Region: m.Region, Date: m.Day}
	resident := base
	resident.Scheme = policy.Resident
	var all []payer
	for _, who := range args {
		switch who {
		case "resident":
			all = append(all, payer{m.say("成年居民", "Adult residents"), resident, nil, false})
		case "child":
			if m.pkg.FactSlot("student") >= 0 {
				all = append(all, payer{m.say("学生儿童", "Students and children"), resident, []string{"student"}, false})
			}
		case "poor":
			for _, name := range []string{"特困", "低保", "返贫致贫"} {
				if set, ok := m.store.Class(name); ok {
					c := resident
					c.Classes = set
					all = append(all, payer{name, c, nil, false})
				}
			}
		case "employee":
			all = append(all, payer{m.say("单位职工", "Employees"), base, nil, true})
		case "flexible":
			all = append(all, payer{m.say("灵活就业人员", "Flexibly employed"), base, []string{"flexible"}, true})
		}
	}
	t := &Table{Title: m.say("每个人缴多少", "Who pays what"), Head: []string{m.say("人员", "Who"), m.say("由谁出", "Paid by"), m.say("多少", "How much")}}
	lowest := false
	for _, p := range all {
		for _, f := range p.facts {
			m.pkg.SetFact(&p.c, f, 1)
		}
		items, err := m.store.Assess(policy.Contribution, &p.c)
		if err != nil {
			t.Rows = append(t.Rows, []Span{strong(p.title), plain("—"), m.unknown(m.why(err))})
			continue
		}
		shown := 0
		title := p.title
		for i := range items {
			a := &items[i]
			if a.Unknown == "" && a.Amount == 0 && a.Payer != "person" {
				continue
			}
			m.cite(a.Sources...)
			what := m.unknown
			cell := Span{}
			if a.Unknown != "" {
				cell = what(a.Unknown)
			} else {
				cell = m.yuan(a.Amount)
				if period := map[string]string{"month": m.say("／月", " a month"), "year": m.say("／年", " a year")}[a.Period]; period != "" {
					cell.Text += period
				}
				lowest = lowest || p.lowest
			}
			t.Rows = append(t.Rows, []Span{strong(title), plain(m.payer(a)), cell})
			title = ""
			shown++
		}
		if shown == 0 {
			t.Rows = append(t.Rows, []Span{strong(p.title), plain("—"), m.unknown("「" + p.title + "缴费」本统筹区的政策包没有写明")})
		}
	}
	m.table(t)
	if lowest {
		m.note(m.say("职工和灵活就业人员按最低缴费基数算；基数高的按比例多缴。", "Employees and the flexibly employed: on the lowest base; more on a higher one."))
	}
}

// allotments shows what is credited to personal accounts.
func (m *maker) allotments(*part, []string) {
	t := &Table{Title: m.say("个人账户每月划入", "Credited to accounts"), Head: []string{m.say("人员", "Who"), m.say("怎么算", "How"), m.say("最低基数时", "At the lowest base")}}
	for _, p := range m.people() {
		if p.c.Scheme == policy.Resident {
			t.Rows = append(t.Rows, []Span{strong(p.title), plain(m.say("居民没有个人账户", "residents have no account")), plain("—")})
			continue
		}
		items, err := m.store.Assess(policy.Allotment, &p.c)
		shown := false
		for i := range items {
			a := &items[i]
			if a.Period != "month" {
				continue
			}
			m.cite(a.Sources...)
			cell := m.yuan(a.Amount)
			if a.Unknown != "" {
				cell = m.unknown(a.Unknown)
			}
			t.Rows = append(t.Rows, []Span{strong(p.title), figure(a.Formula), cell})
			shown = true
		}
		if err != nil || !shown {
			t.Rows = append(t.Rows, []Span{strong(p.title), plain("—"), m.unknown("「个人账户划入」本统筹区的政策包没有写明")})
		}
	}
	m.table(t)
}

// payersInEnglish are who owes contributions.
var payersInEnglish = map[string]string{"person": "yourself", "employer": "employer", "government": "state", "assistance": "medical assistance", "unemployment_fund": "unemployment insurance", "fund": "fund"}

// payer names who owes what was assessed.
func (m *maker) payer(a *policy.Assessed) string {
	if title := a.PayerTitle(); title != "" {
		return m.say(title, payersInEnglish[a.Payer])
	}
	return a.Title
}

var levels = []policy.Level{policy.Primary, policy.Level1, policy.Level2, policy.Level3}

var levelsInEnglish = map[policy.Level]string{policy.Primary: "Primary", policy.Level1: "Level one", policy.Level2: "Level two", policy.Level3: "Level three"}

// levels compares the levels of hospital: deductible, ratio and what is left to
// pay of an example.
func (m *maker) levels(p *part, args []string) {
	for _, who := range m.people() {
		t := &Table{Title: who.title, Head: []string{m.say("医院", "Hospital"), m.say("起付标准", "Deductible"), m.say("支付比例", "Ratio"), m.say("自己付", "You")}}
		why := ""
		for _, level := range levels {
			c, err := m.decode(&p.Cases[0])
			if err != nil {
				why = m.why(err)
				continue
			}
			c.Scheme, c.Retired, c.Birth, c.Female, c.Classes, c.Level = who.c.Scheme, who.c.Retired, who.c.Birth, who.c.Female, who.c.Classes, level
			c.Facts, c.FactsSet, c.YearToDate, c.Nth = who.c.Facts, who.c.FactsSet, who.c.YearToDate, who.c.Nth
			if slices.Contains(args, "outpatient") {
				c.Visit = policy.Outpatient
			}
			terms, none := m.terms(&c)
			if terms == nil {
				why = none
				continue
			}
			r, none := m.settle(&c)
			if none != "" || r.Refused {
				why = cmp.Or(none, r.Reason)
				continue
			}
			ratio := plain("—")
			if s := basic(terms); s != nil {
				ratio = m.ratio(s)
			}
			t.Rows = append(t.Rows, []Span{strong(m.say(level.Title(), levelsInEnglish[level])), m.yuan(r.Deductible), ratio, m.yuan(r.Person)})
		}
		if len(t.Rows) == 0 {
			m.out.Blocks = append(m.out.Blocks, Block{Text: []Span{strong(who.title + m.say("：", ": ")), m.unknown(who.title + "：" + why)}})
			continue
		}
		m.table(t)
	}
}

// limits shows what the funds pay at most in a year.
func (m *maker) limits(*part, []string) {
	for _, who := range m.people() {
		t := &Table{Title: who.title + m.say("，一年最多支付", ": at most in a year"), Head: []string{m.say("限额", "Limit"), m.say("多少", "How much")}}
		if m.Own != nil {
			t.Head = append(t.Head, m.say("今年还剩", "Left"))
		}
		shown := map[string]bool{}
		for _, kind := range []policy.VisitKind{policy.Inpatient, policy.Outpatient} {
			c := who.c
			c.Visit, c.Level = kind, policy.Level3
			terms, why := m.terms(&c)
			if terms == nil {
				m.row(t, strong(m.say(kind.Title(), bill.VisitName(bill.English, kind))), m.unknown(who.title+"："+why))
				continue
			}
			for i := range terms.Stages {
				for j := range terms.Stages[i].Limits {
					l := &terms.Stages[i].Limits[j]
					if !l.Yearly || shown[l.Title] {
						continue
					}
					shown[l.Title] = true
					row := []Span{strong(l.Title), m.amount(l)}
					if l.Unknown == "" && !l.Unlimited() {
						row = append(row, m.yuan(l.Left))
					}
					m.row(t, row...)
				}
			}
		}
		m.table(t)
	}
}

// row adds a row, with a dash where it has fewer cells than the table has columns,
// and without those that the table has no column for.
func (m *maker) row(t *Table, cells ...Span) {
	for len(cells) < len(t.Head) {
		cells = append(cells, plain("—"))
	}
	t.Rows = append(t.Rows, cells[:len(t.Head)])
}

// examples settles worked examples beside each other.
func (m *maker) examples(p *part, _ []string) {
	t := &Table{Title: m.say("算一算", "Worked out"), Head: []string{m.say("项目", "Item")}}
	type row struct {
		title string
		of    func(r *policy.Result) money.Fen
	}
	rows := []row{
		{m.say("总费用", "Total"), func(r *policy.Result) money.Fen { return r.Total }},
		{m.say("全自费", "Outside the catalogue"), func(r *policy.Result) money.Fen { return r.FullOwnPay }},
		{m.say("超支付标准", "Above the ceiling"), func(r *policy.Result) money.Fen { return r.OverCeiling }},
		{m.say("先行自付", "First own pay"), func(r *policy.Result) money.Fen { return r.FirstOwnPay }},
		{m.say("政策范围内", "In scope"), func(r *policy.Result) money.Fen { return r.InScope }},
		{m.say("起付标准", "Deductible"), func(r *policy.Result) money.Fen { return r.Deductible }},
	}
	for cat := range policy.NumCategories {
		rows = append(rows, row{m.say(cat.Title(), bill.CategoryName(bill.English, cat)), func(r *policy.Result) money.Fen { return r.Fund[cat] }})
	}
	rows = append(rows, row{m.say("基金合计", "Funds"), func(r *policy.Result) money.Fen { return r.FundTotal }},
		row{m.say("自己付", "You"), func(r *policy.Result) money.Fen { return r.Person }})
	var results []*policy.Result
	for i := range p.Cases {
		x := &p.Cases[i]
		title := x.In(m.Lang)
		r, why, refused := m.work(x, nil)
		if why != "" && !refused && m.Own == nil && !hasKey(&x.Case, "person") { // of employees nothing is known here
			resident := policy.Resident
			if r2, why2, _ := m.work(x, &resident); why2 == "" {
				r, why, title = r2, "", title+m.say("（居民）", " (resident)")
			}
		}
		switch {
		case refused:
			m.out.Blocks = append(m.out.Blocks, Block{Text: []Span{plain(title + m.say("：不予支付。", ": refused. ")), figure(why)}})
		case why != "":
			m.out.Blocks = append(m.out.Blocks, Block{Text: []Span{plain(title + m.say("：", ": ")), m.unknown(title + "：" + why)}})
			continue
		case r.Recourse:
			m.out.Blocks = append(m.out.Blocks, Block{Text: []Span{plain(title + m.say("：先行支付。", ": paid in advance. ")), figure(r.Reason)}})
		}
		t.Head = append(t.Head, title)
		results = append(results, &r)
	}
	funds := 0 // that pay in any of them
	for cat := range policy.NumCategories {
		if slices.ContainsFunc(results, func(r *policy.Result) bool { return r.Fund[cat] != 0 }) {
			funds++
		}
	}
	for i, x := range rows {
		line, some := []Span{strong(x.title)}, i == len(rows)-1 || i == len(rows)-2 && funds != 1
		for _, r := range results {
			some = some || x.of(r) != 0 && i != len(rows)-2
			line = append(line, m.yuan(x.of(r)))
		}
		if some {
			t.Rows = append(t.Rows, line)
		}
	}
	if len(results) > 0 {
		m.table(t)
	}
}

// work settles a worked example, of a person in the scheme if one is given. refused
// is what the rules refuse; what is not known is only told why.
func (m *maker) work(x *example, scheme *policy.Scheme) (r policy.Result, why string, refused bool) {
	c, err := m.decode(x)
	if err != nil {
		return r, m.why(err), false
	}
	if scheme != nil {
		c.Scheme = *scheme
	}
	if r, why = m.settle(&c); why == "" && r.Refused {
		why = r.Reason
		refused = r.Source != nil && !strings.HasPrefix(why, "待遇数字尚不掌握")
	}
	return r, why, refused
}

// away compares care at home and elsewhere.
func (m *maker) away(p *part, _ []string) {
	elsewhere := ""
	for _, r := range m.store.Regions() {
		if r[:2] != m.Region[:2] {
			elsewhere = r
			break
		}
	}
	places := []struct {
		title  string
		region string
		filing policy.Filing
	}{
		{m.say("参保地", "At home"), "", policy.NotFiled},
		{m.say("外省，已备案", "Elsewhere, filed"), elsewhere, policy.Filed},
		{m.say("外省，转诊", "Elsewhere, referred"), elsewhere, policy.Referred},
		{m.say("外省，急诊", "Elsewhere, emergency"), elsewhere, policy.EmergencyAway},
		{m.say("外省，没有备案", "Elsewhere, not filed"), elsewhere, policy.NotFiled},
	}
	for _, who := range m.people() {
		t := &Table{Title: who.title, Head: []string{m.say("在哪里住院", "Where"), m.say("支付比例", "Ratio"), m.say("自己付", "You")}}
		known, last := false, ""
		var whys []string
		for _, x := range places {
			c, err := m.decode(&p.Cases[0])
			why := ""
			var r policy.Result
			if err != nil {
				why = m.why(err)
			} else {
				c.Scheme, c.Retired, c.Birth, c.Female, c.Classes = who.c.Scheme, who.c.Retired, who.c.Birth, who.c.Female, who.c.Classes
				c.Facts, c.FactsSet, c.CareRegion, c.Filing = who.c.Facts, who.c.FactsSet, x.region, x.filing
				if r, why = m.settle(&c); why == "" && r.Refused {
					why = r.Reason
				}
			}
			if why != "" {
				last = cmp.Or(last, why)
				whys = append(whys, who.title+"，"+x.title+"："+plainReason(why))
				t.Rows = append(t.Rows, []Span{strong(x.title), {Text: m.say("尚不掌握", "not known"), Unknown: true}, plain("—")})
				continue
			}
			known = true
			ratio := plain("—")
			if terms, _ := m.terms(&c); terms != nil {
				if s := basic(terms); s != nil {
					ratio = m.ratio(s)
				}
			}
			t.Rows = append(t.Rows, []Span{strong(x.title), ratio, m.yuan(r.Person)})
		}
		if !known {
			m.out.Blocks = append(m.out.Blocks, Block{Text: []Span{strong(who.title + m.say("：", ": ")), m.unknown(who.title + "：" + last)}})
			continue
		}
		for _, why := range whys {
			m.unknown(why)
		}
		m.table(t)
	}
}

// groups shows who may file for care elsewhere, with what papers.
func (m *maker) groups(*part, []string) {
	rules := m.rules()
	if rules == nil {
		m.out.Blocks = append(m.out.Blocks, Block{Text: []Span{m.unknown("「备案人员」本统筹区的政策包没有写明")}})
		return
	}
	t := &Table{Title: m.say("谁可以备案", "Who may file"), Head: []string{m.say("人员", "Who"), m.say("材料", "Papers"), m.say("有效期", "Holds for")}}
	for _, g := range rules.Groups {
		m.cite(g.Sources...)
		papers := strings.Join(g.Papers, "、")
		if g.Commitment {
			papers += m.say("，可用承诺书代替", ", or a signed commitment")
		}
		if g.Hospital {
			papers = m.say("由定点医院办理", "the hospital does it")
		}
		holds := plain(m.say("长期", "open"))
		if g.Months > 0 {
			holds = figure(strconv.Itoa(g.Months) + m.say(" 个月", " months"))
		}
		t.Rows = append(t.Rows, []Span{strong(g.Title), plain(papers), holds})
	}
	m.table(t)
}

// aidClasses are those who are helped most often, as the packages name them.
var aidClasses = []string{"特困", "低保", "返贫致贫", "低保边缘"}

// poor are residents of no class and of the classes that are helped.
func (m *maker) poor() []someone {
	if m.Own != nil {
		return m.people()
	}
	c := policy.Case{Region: m.Region, Date: m.Day, Scheme: policy.Resident}
	out := []someone{{m.say("普通居民", "Residents"), c}}
	for _, name := range aidClasses {
		if set, ok := m.store.Class(name); ok {
			x := c
			x.Classes = set
			out = append(out, someone{name, x})
		}
	}
	return out
}

// stageOf is the first stage that a fund of the category pays.
func stageOf(t *policy.Terms, cat policy.Category) *policy.StageTerms {
	for i := range t.Stages {
		if f := t.Stages[i].Fund; f != nil && f.Category == cat {
			return &t.Stages[i]
		}
	}
	return nil
}

// catastrophic shows threshold, ratios and limit of catastrophic insurance.
func (m *maker) catastrophic(*part, []string) {
	t := &Table{Title: m.say("大病保险", "Catastrophic insurance"), Head: []string{m.say("人员", "Who"), m.say("起付标准", "From"), m.say("支付比例", "Ratio"), m.say("一年最多", "At most")}}
	why := ""
	for _, who := range m.poor() {
		c := who.c
		c.Visit, c.Level = policy.Inpatient, policy.Level3
		terms, none := m.terms(&c)
		if terms == nil {
			why = none
			continue
		}
		s := stageOf(terms, policy.Catastrophic)
		if s == nil {
			why = "「大病保险」本统筹区的政策包没有写明"
			continue
		}
		m.cite(s.Sources...)
		from, limit := plain("—"), plain(m.say("没有写明", "not stated"))
		if s.Threshold != nil {
			from = m.amount(s.Threshold)
		}
		if len(s.Limits) > 0 {
			limit = m.amount(&s.Limits[0])
		}
		t.Rows = append(t.Rows, []Span{strong(who.title), from, m.ratio(s), limit})
	}
	if len(t.Rows) == 0 {
		m.out.Blocks = append(m.out.Blocks, Block{Text: []Span{strong(t.Title + m.say("：", ": ")), m.unknown(why)}})
	}
	m.table(t)
}

// assistance shows whom assistance pays for, and how much.
func (m *maker) assistance(*part, []string) {
	t := &Table{Title: m.say("医疗救助", "Medical assistance"), Head: []string{m.say("人员", "Who"), m.say("救助比例", "Ratio"), m.say("一年最多", "At most")}}
	why := "「医疗救助」本统筹区的政策包没有写明"
	for _, who := range m.poor() {
		c := who.c
		c.Visit, c.Level = policy.Inpatient, policy.Level3
		terms, none := m.terms(&c)
		if terms == nil {
			why = none
			continue
		}
		s := stageOf(terms, policy.Assistance)
		if s == nil {
			continue
		}
		m.cite(s.Sources...)
		limit := plain("—")
		if len(s.Limits) > 0 {
			limit = m.amount(&s.Limits[0])
		}
		t.Rows = append(t.Rows, []Span{strong(who.title), m.ratio(s), limit})
	}
	switch {
	case len(t.Rows) > 0:
	case m.Own != nil:
		m.out.Blocks = append(m.out.Blocks, Block{Text: []Span{plain(m.say("您没有登记为救助对象；符合条件的，先到民政或乡村振兴部门认定。", "You are not on record as somebody who is helped; the civil affairs office recognises who is."))}})
	default:
		m.out.Blocks = append(m.out.Blocks, Block{Text: []Span{strong(t.Title + m.say("：", ": ")), m.unknown(why)}})
	}
	m.table(t)
}

// leftToAid shows what assistance pays of an amount that the stages before it
// left, with all of the year's limit and with part of it used: args are the amount
// and what is left of the limit in the second case.
func (m *maker) leftToAid(_ *part, args []string) {
	rest, err1 := money.Parse(args[0])
	room, err2 := money.Parse(args[1])
	if err1 != nil || err2 != nil {
		return
	}
	t := &Table{Title: m.say("付完还剩 ", "Of ") + m.Lang.Money(rest) + m.say(" 时，救助再付多少", " left, assistance pays"), Head: []string{m.say("人员", "Who"), m.say("限额充足", "Limit unused"), m.say("限额只剩 ", "Left of the limit: ") + m.Lang.Money(room)}}
	for _, name := range aidClasses {
		set, ok := m.store.Class(name)
		if !ok {
			continue
		}
		pays := func(used money.Fen) (money.Fen, bool) {
			c := policy.Case{Region: m.Region, Date: m.Day, Scheme: policy.Resident, Classes: set, Visit: policy.Inpatient, Level: policy.Level3,
				Lines: []policy.Line{{Amount: rest, Ceiling: policy.NoCeiling}}}
			c.YearToDate[policy.AccBasicFund] = money.Max // the pooled fund's limit is used up: all is left to the stages after it
			c.YearToDate[policy.AccAssistanceFund] = used
			r, why := m.settle(&c)
			if why != "" || r.Refused {
				return 0, false
			}
			for _, s := range r.Stages() {
				if s.Fund != nil && s.Fund.Category == policy.Assistance {
					return s.Paid, s.Base == rest
				}
			}
			return 0, false
		}
		c := policy.Case{Region: m.Region, Date: m.Day, Scheme: policy.Resident, Classes: set, Visit: policy.Inpatient, Level: policy.Level3}
		terms, _ := m.terms(&c)
		if terms == nil {
			continue
		}
		s := stageOf(terms, policy.Assistance)
		if s == nil || len(s.Limits) == 0 || s.Limits[0].Unknown != "" || s.Limits[0].Unlimited() {
			continue
		}
		full, ok1 := pays(0)
		cut, ok2 := pays(max(0, s.Limits[0].Amount-room))
		if ok1 && ok2 {
			t.Rows = append(t.Rows, []Span{strong(name), m.yuan(full), m.yuan(cut)})
		}
	}
	m.table(t)
}

// behaviours lists what can be reported.
func (m *maker) behaviours(*part, []string) {
	for _, g := range tipoff.Behaviours() {
		t := &Table{Title: g.Title, Head: []string{m.say("代码", "Code"), m.say("行为", "Behaviour")}}
		for _, b := range g.Behaviours {
			t.Rows = append(t.Rows, []Span{figure(b.Code), plain(b.Title)})
		}
		m.table(t)
	}
	m.out.Sources = append(m.out.Sources, Ground{Document: tipoff.Ground})
}

// channels lists how frauds can be reported.
func (m *maker) channels(*part, []string) {
	t := &Table{Title: m.say("怎么举报", "How to report"), Head: []string{m.say("途径", "Way"), m.say("说明", "What")}}
	for _, c := range tipoff.Channels() {
		t.Rows = append(t.Rows, []Span{strong(c.Title()), plain(c.How())})
	}
	m.table(t)
}
