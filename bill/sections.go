package bill

import (
	"strings"

	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// writer is a bill in the making.
type writer struct {
	Bill
	c       *policy.Case
	r       *policy.Result
	steps   []policy.Step
	funds   []payer
	person  shares
	numbers map[source]int
}

// source is a document and article by value: two steps that cite the same
// article share a number even where the engine gave them separate pointers.
type source struct{ id, title, article string }

func (w *writer) say(zh, en string) string { return w.Lang.Say(zh, en) }

// cite numbers the sources, each article once.
func (w *writer) cite(list ...*policy.Source) []int {
	var numbers []int
next:
	for _, s := range list {
		if s == nil || s.Document == nil {
			continue
		}
		d := s.Document
		key := source{d.ID, d.Title, s.Article}
		n, known := w.numbers[key]
		if !known {
			n = len(w.Notes) + 1
			w.numbers[key] = n
			w.Notes = append(w.Notes, Note{
				Number: n, Title: "《" + strings.Trim(d.Title, "《》") + "》", DocNo: d.Number, Article: s.Article,
				Issuer: d.Issuer, Date: d.Date, URL: d.URL,
				Grade: d.Grade, GradeSay: gradeName(w.Lang, d.Grade),
			})
		}
		for _, m := range numbers {
			if m == n {
				continue next
			}
		}
		numbers = append(numbers, n)
	}
	return numbers
}

func (w *writer) notice() {
	if w.r.Reason == "" && !w.r.Refused {
		return
	}
	n := &Notice{Text: w.r.Reason, Notes: w.cite(w.r.Source)}
	switch {
	case w.r.Refused:
		n.Title = w.say("医保基金不予支付", "The insurance funds do not pay")
	case w.r.Recourse:
		n.Title = w.say("先行支付，基金有权向责任人追偿", "Paid in advance; the fund will recover it from whoever is liable")
	default:
		n.Title = w.say("请注意", "Please note")
	}
	w.Notice = n
}

func (w *writer) headline() {
	m := w.Lang.Money
	r := w.r
	w.Figures = []Figure{
		{"total", w.say("总费用", "Total"), r.Total},
		{"fund", w.say("基金支付", "Paid by funds"), r.FundTotal},
		{"account", w.say("个人账户", "Personal account"), r.Account},
		{"cash", w.say("现金支付", "You pay in cash"), r.Cash},
	}
	hospital := ""
	if r.Hospital != 0 {
		w.Figures = append(w.Figures, Figure{"hospital", w.say("医院负担", "Borne by the hospital"), r.Hospital})
		hospital = w.say("医院负担 "+m(r.Hospital)+"，", "the hospital bears "+m(r.Hospital)+", ")
	}
	split := ""
	if r.Account != 0 {
		split = w.say("，其中个人账户 "+m(r.Account)+"、现金 "+m(r.Cash),
			": "+m(r.Account)+" from the personal account and "+m(r.Cash)+" in cash")
	}
	w.Headline = w.say(
		"总费用 "+m(r.Total)+"，基金支付 "+m(r.FundTotal)+"，"+hospital+"您负担 "+m(r.Person)+split+"。",
		"Of "+m(r.Total)+" the funds pay "+m(r.FundTotal)+", "+hospital+"and you bear "+m(r.Person)+split+".")
}

func (w *writer) facts() {
	c := w.c
	add := func(zh, en, value string) {
		if value != "" {
			w.Facts = append(w.Facts, Fact{w.say(zh, en), value})
		}
	}
	add("日期", "Date", c.Date.String())
	region := c.Region
	if p := w.r.Package; p != nil && p.Name != "" {
		region = p.Name + " " + c.Region
	}
	add("参保地", "Insured in", region)
	if c.CareRegion != "" && c.CareRegion != c.Region {
		filing := filingName(w.Lang, c.Filing)
		add("就医地", "Care in", c.CareRegion+w.say("（"+filing+"）", " ("+filing+")"))
	}
	add("险种", "Scheme", schemeName(w.Lang, c))
	add("医疗类别", "Kind of care", VisitName(w.Lang, c.Visit))
	add("病种", "Disease", c.Disease)
	level := levelName(w.Lang, c)
	if c.Undesignated {
		level += w.say("（非定点）", " (not designated)")
	}
	add("医疗机构", "Provider", level)
	if w.r.Plan != nil {
		plan := w.r.Plan.Title
		if w.Lang == English && plan != "" {
			plan = quote(plan)
		}
		add("待遇方案", "Benefit plan", plan)
	}
}

func (w *writer) items() {
	for i, l := range w.c.Lines {
		it := Item{Name: l.Name, Class: className(w.Lang, l.Class), Amount: l.Amount}
		if i < len(w.r.Lines) {
			it.Split = w.r.Lines[i]
		}
		w.Items = append(w.Items, it)
	}
}

// of returns the steps of the kind, in order; stage "*" is any stage.
func (w *writer) of(kind policy.StepKind, stage string) []*policy.Step {
	var list []*policy.Step
	for i := range w.steps {
		if s := &w.steps[i]; s.Kind == kind && (stage == "*" || s.Stage == stage) {
			list = append(list, s)
		}
	}
	return list
}

// line writes a step. The package's sentence and formula are kept in Chinese
// bills; in English ones only a rule's sentence, which says what no number can.
func (w *writer) line(s *policy.Step) Line {
	l := Line{Kind: s.Kind, Formula: formula(s), Amount: s.Amount, Notes: w.cite(s.Sources...)}
	l.Label = kindName(w.Lang, s.Kind)
	if s.Title != "" {
		l.Label = w.say(s.Title, l.Label+" "+quote(s.Title))
	}
	l.Label += partName(w.Lang, s.Part)
	switch s.Kind {
	case policy.StepRule:
		l.Plain, l.Text = s.Amount == 0, s.What
	case policy.StepLimit:
		l.Amount = -s.Amount
	}
	if w.Lang != English {
		l.Text = unsaid(s)
		if s.Formula != "「"+s.Title+"」" { // else the number of that name, no more
			l.Rule = s.Formula
		}
	}
	return l
}

// unsaid is the sentence of the step without the sum at its end that the
// bill writes itself.
func unsaid(s *policy.Step) string {
	if !s.HasRate {
		return s.What
	}
	text, _ := strings.CutSuffix(s.What, s.Base.String()+"元 × "+s.Rate.Percent()+" ＝ "+s.Amount.String()+"元")
	return strings.TrimRight(text, " ")
}

// fold puts the step that says the section's whole amount into its head.
func (w *writer) fold(sec *Section, s *policy.Step) {
	sec.Notes = w.cite(s.Sources...)
	switch {
	case formula(s) != "":
		sec.Lines = append(sec.Lines, w.line(s))
	case s.Kind == policy.StepPay: // its title is the fund's name
		if s.Title == "" || s.Title == sec.Title {
			return
		}
		sec.Text = w.say("由"+s.Title+"支付", "Paid by "+quote(s.Title))
	case w.Lang != English:
		sec.Text = s.What
	}
}

// rules lists the rules that hold for the whole case and are not the notice.
func (w *writer) rules() {
	sec := Section{ID: "rules", Title: w.say("适用的规则", "Rules that apply"), Plain: true}
	for _, s := range w.of(policy.StepRule, "") {
		if s.What == w.r.Reason && s.What != "" {
			if w.Notice != nil && len(w.Notice.Notes) == 0 {
				w.Notice.Notes = w.cite(s.Sources...)
			}
			continue
		}
		sec.Lines = append(sec.Lines, w.line(s))
	}
	if len(sec.Lines) > 0 {
		w.Sections = append(w.Sections, sec)
	}
}

// split says how the total divides into the four parts (费用怎么分).
func (w *writer) split() {
	r := w.r
	sec := Section{ID: "split", Title: w.say("费用怎么分", "How the cost divides"), Amount: r.Total}
	for _, s := range w.of(policy.StepTotal, "*") {
		sec.Notes = append(sec.Notes, w.cite(s.Sources...)...)
	}
	for _, p := range []struct {
		kind   policy.StepKind
		amount money.Fen
	}{
		{policy.StepFullOwnPay, r.FullOwnPay},
		{policy.StepOverCeiling, r.OverCeiling},
		{policy.StepFirstOwnPay, r.FirstOwnPay},
		{policy.StepInScope, r.InScope},
	} {
		steps := w.of(p.kind, "*")
		l := Line{Kind: p.kind, Label: kindName(w.Lang, p.kind), Amount: p.amount}
		switch {
		case p.amount == 0 && p.kind != policy.StepInScope:
			continue
		case len(steps) == 1 && steps[0].Amount == p.amount:
			s := w.line(steps[0])
			l.Formula, l.Text, l.Rule, l.Notes = s.Formula, s.Text, s.Rule, s.Notes
			steps = nil
		}
		sec.Lines = append(sec.Lines, l)
		for _, s := range steps {
			d := w.line(s)
			d.Detail = true
			sec.Lines = append(sec.Lines, d)
		}
	}
	w.Sections = append(w.Sections, sec)
}

// firstStage is the id of the stage of a fund whose deductible is Result.Deductible.
func (w *writer) firstStage() string {
	for _, s := range w.r.Stages() {
		if s.Fund != nil {
			return s.Stage.ID
		}
	}
	return ""
}

func (w *writer) deductible() {
	steps := w.of(policy.StepDeductible, w.firstStage())
	if w.firstStage() != "" {
		steps = append(w.of(policy.StepDeductible, ""), steps...)
	}
	if w.r.Deductible == 0 && len(steps) == 0 {
		return
	}
	sec := Section{ID: "deductible", Title: kindName(w.Lang, policy.StepDeductible), Amount: w.r.Deductible}
	for _, s := range steps {
		sec.Lines = append(sec.Lines, w.line(s))
	}
	if covered := w.r.Deductible - w.person.deductible; covered != 0 {
		sec.Text = w.say("其中 "+w.Lang.Money(covered)+"由后面的基金承担。",
			"Of it "+w.Lang.Money(covered)+" is covered by a later fund.")
	}
	w.Sections = append(w.Sections, sec)
}

// stages writes a section for every stage that has something to say.
func (w *writer) stages() {
	for _, p := range w.funds {
		sec := Section{ID: "stage:" + p.id, Title: p.title, Amount: p.amount}
		if p.id != "" {
			w.stage(&sec, p.id)
		}
		if p.amount != 0 || len(sec.Lines) > 0 || sec.Text != "" {
			w.Sections = append(w.Sections, sec)
		}
	}
}

func (w *writer) stage(sec *Section, id string) {
	title := ""
	for _, s := range w.r.Stages() {
		if s.Stage.ID == id {
			title = s.Stage.Title
		}
	}
	pays := w.of(policy.StepPay, id)
	if len(pays) == 1 {
		w.fold(sec, pays[0])
	}
	for i := range w.steps {
		s := &w.steps[i]
		if s.Stage != id {
			continue
		}
		switch s.Kind {
		case policy.StepDeductible:
			if id == w.firstStage() {
				continue
			}
		case policy.StepRule, policy.StepBand, policy.StepFloor:
		case policy.StepLimit:
			if s.Amount == 0 {
				continue
			}
		case policy.StepPay:
			if len(pays) == 1 {
				continue
			}
		default:
			continue
		}
		l := w.line(s)
		if s.Title == title { // said by the section
			l.Label = kindName(w.Lang, s.Kind) + partName(w.Lang, s.Part)
		}
		sec.Lines = append(sec.Lines, l)
	}
}

// personal says what the person's part is made of.
func (w *writer) personal() {
	sec := Section{ID: "person", Title: w.say("您负担的部分", "What you bear"), Amount: w.r.Person}
	for _, p := range w.borne() {
		sec.Lines = append(sec.Lines, Line{Kind: p.kind, Label: p.label, Amount: p.amount})
	}
	w.Sections = append(w.Sections, sec)
}

// part is one reason why the person bears something.
type part struct {
	id     string
	kind   policy.StepKind
	label  string
	amount money.Fen
}

// borne lists the shares that are not zero, in the order of the waterfall.
func (w *writer) borne() []part {
	rest := w.say("按比例自付", "Your share")
	switch {
	case w.Refused:
		rest = w.say("基金不予支付", "Not paid by the funds")
	case w.Fund == 0:
		rest = w.say("其余自付", "The rest")
	case w.limited():
		rest = w.say("按比例及超限额自付", "Share and above limits")
	}
	var list []part
	for _, p := range []part{
		{"full_own_pay", policy.StepFullOwnPay, kindName(w.Lang, policy.StepFullOwnPay), w.person.fullOwnPay},
		{"over_ceiling", policy.StepOverCeiling, kindName(w.Lang, policy.StepOverCeiling), w.person.overCeiling},
		{"first_own_pay", policy.StepFirstOwnPay, kindName(w.Lang, policy.StepFirstOwnPay), w.person.firstOwnPay},
		{"deductible", policy.StepDeductible, kindName(w.Lang, policy.StepDeductible), w.person.deductible},
		{"share", policy.StepCash, rest, w.person.rest},
	} {
		if p.amount != 0 {
			list = append(list, p)
		}
	}
	return list
}

func (w *writer) limited() bool {
	for _, s := range w.of(policy.StepLimit, "*") {
		if s.Amount != 0 {
			return true
		}
	}
	return false
}

// paid says from where the person's part is paid.
func (w *writer) paid() {
	r := w.r
	account := w.of(policy.StepAccount, "*")
	if r.Account != 0 || len(account) > 0 {
		sec := Section{ID: "account", Title: kindName(w.Lang, policy.StepAccount), Amount: r.Account}
		if len(account) == 1 {
			w.fold(&sec, account[0])
		} else {
			for _, s := range account {
				sec.Lines = append(sec.Lines, w.line(s))
			}
		}
		for _, s := range r.Stages() {
			if s.Fund == nil {
				w.stage(&sec, s.Stage.ID)
			}
		}
		if r.FamilyAccount != 0 {
			sec.Lines = append(sec.Lines,
				Line{Kind: policy.StepAccount, Label: w.say("本人账户", "Own account"), Amount: r.Account - r.FamilyAccount},
				Line{Kind: policy.StepAccount, Label: w.say("家庭共济账户", "Family members' accounts"), Amount: r.FamilyAccount})
		}
		w.Sections = append(w.Sections, sec)
	}
	sec := Section{ID: "cash", Title: w.say("现金支付", "Cash"), Amount: r.Cash}
	if cash := w.of(policy.StepCash, "*"); len(cash) == 1 {
		w.fold(&sec, cash[0])
	}
	w.Sections = append(w.Sections, sec)
}
