package policy

import (
	"github.com/anji-platform/anji/money"
)

// The texts of an explanation are put together by appending: a file of a
// hundred thousand cases is explained case by case.

func (t *Trace) add(s Step, r *Result) {
	s.Part = t.part
	s.Rest = r.Total - r.FundTotal
	t.Steps = append(t.Steps, s)
}

// scope explains how the lines divide.
func (t *Trace) scope(p, care *Package, c *Case, r *Result) {
	scopeSources := p.scopeSources
	catalogue, by, then := "目录", "", ""
	if c.CareRegion != "" && c.CareRegion != c.Region {
		catalogue = "就医地目录"
		if care != nil {
			catalogue = care.Name + "（就医地）目录"
			if care.scopeFirstPay.kind == valConst {
				scopeSources = care.scopeSources
			}
		}
		by, then = catalogue+"的", "；以下按"+p.Name+"（参保地）政策支付"
	}
	t.add(Step{Kind: StepTotal, Title: "医疗费总额", What: "各项费用合计", Base: r.Total, Rate: money.One, Amount: r.Total}, r)
	if r.FullOwnPay != 0 {
		t.add(Step{Kind: StepFullOwnPay, Title: "全自费", What: "丙类及目录外费用，全部由个人负担（" + catalogue + "）", Base: r.Total, Rate: money.One, Amount: r.FullOwnPay, Sources: scopeSources}, r)
	}
	if r.OverCeiling != 0 {
		t.add(Step{Kind: StepOverCeiling, Title: "超限价自费", What: "超过" + catalogue + "支付标准（限价）的部分，由个人负担", Base: r.Total - r.FullOwnPay, Rate: money.One, Amount: r.OverCeiling, Sources: scopeSources}, r)
	}
	if r.FirstOwnPay != 0 {
		s := Step{Kind: StepFirstOwnPay, Title: "先行自付", What: "乙类费用先由个人按" + by + "比例负担的部分，逐项四舍五入", Base: classB(c, r), Rate: money.One, Amount: r.FirstOwnPay, Sources: scopeSources}
		if rate, one := firstPayRate(c, r); one {
			s.Rate, s.HasRate = rate, true
		}
		t.add(s, r)
	}
	t.add(Step{Kind: StepInScope, Title: "政策范围内费用", What: "总额减去全自费、超限价和先行自付" + then, Base: r.Total, Rate: money.One, Amount: r.InScope, Sources: scopeSources}, r)
}

func classB(c *Case, r *Result) money.Fen {
	var sum money.Fen
	for i := range c.Lines {
		if c.Lines[i].Class == ClassB {
			sum += c.Lines[i].Amount - r.Lines[i].OverCeiling
		}
	}
	return sum
}

// firstPayRate is the one ratio of all class B lines, if they share one.
func firstPayRate(c *Case, r *Result) (money.Rate, bool) {
	rate := money.Rate(-1)
	for i := range c.Lines {
		l := &c.Lines[i]
		base := l.Amount - r.Lines[i].OverCeiling
		if l.Class != ClassB || base == 0 {
			continue
		}
		x := l.FirstPay
		if x < 0 {
			x = money.Rate(ratioOf(int64(r.Lines[i].FirstOwnPay), int64(base)))
			x = (x + 500_000) / 1_000_000 * 1_000_000 // to a whole percent, checked below
			if base.Mul(x) != r.Lines[i].FirstOwnPay {
				return 0, false
			}
		}
		if rate >= 0 && rate != x {
			return 0, false
		}
		rate = x
	}
	return rate, rate >= 0
}

// keepScope drops the steps of stages that a refusal makes void.
func (t *Trace) keepScope() {
	n := 0
	for _, s := range t.Steps {
		if s.Kind == StepTotal || s.Kind == StepFullOwnPay || s.Kind == StepOverCeiling || s.Kind == StepFirstOwnPay || s.Kind == StepInScope {
			t.Steps[n] = s
			n++
		}
	}
	t.Steps = t.Steps[:n]
}

func (t *Trace) rule(title, reason string, sources []*Source) {
	t.Steps = append(t.Steps, Step{Kind: StepRule, Title: title, What: reason, Rate: money.One, Sources: sources, Part: t.part})
	if n := len(t.Steps); n > 1 {
		t.Steps[n-1].Rest = t.Steps[n-2].Rest
	}
}

func (t *Trace) deductible(st *Stage, f *frame, base, borne, full, covered money.Fen, r *Result) {
	if d := st.ded; d != nil {
		var b []byte
		b = append(b, "标准"...)
		b = money.Fen(d.amount.get(f)).Append(b)
		b = append(b, "元"...)
		if len(d.borne) > 0 {
			var before money.Fen
			for _, a := range d.borne {
				before += money.Fen(f.s[slotAccumulators+a])
			}
			b = append(b, "，年内已负担"...)
			b = before.Append(b)
			b = append(b, "元"...)
		}
		b = append(b, "；本次费用"...)
		b = base.Append(b)
		b = append(b, "元，负担"...)
		b = borne.Append(b)
		b = append(b, "元"...)
		t.add(Step{Kind: StepDeductible, Stage: st.ID, Title: d.title, What: string(b), Formula: d.amount.said, Base: base, Rate: money.One, Amount: borne, Sources: d.sources}, r)
	}
	if covered < full {
		for i := range st.limits {
			l := &st.limits[i]
			if left := l.left(f); l.covered && left < full {
				t.add(Step{Kind: StepLimit, Stage: st.ID, Title: l.title, What: "可计入的费用只余" + left.String() + "元，超出部分不予计算", Formula: l.amount.said, Base: full, Rate: money.One, Amount: full - left, Sources: l.sources}, r)
			}
		}
	}
}

func (t *Trace) threshold(st *Stage, f *frame, threshold, from, within int64, r *Result) {
	var b []byte
	b = append(b, "起付标准"...)
	b = money.Fen(threshold).Append(b)
	b = append(b, "元，年内已累计"...)
	b = money.Fen(from).Append(b)
	b = append(b, "元；本次有"...)
	b = money.Fen(within).Append(b)
	b = append(b, "元在起付标准以内，不予支付"...)
	t.add(Step{Kind: StepDeductible, Stage: st.ID, Title: st.Title + "起付标准", What: string(b), Formula: st.bands.threshold.said, Base: money.Fen(threshold), Rate: money.One, Amount: money.Fen(within), Sources: st.sources}, r)
}

func (t *Trace) band(st *Stage, bd *band, f *frame, seg money.Fen, rate money.Rate, part money.Fen, r *Result) {
	var b []byte
	if st.bands.banded {
		if bd.title != "" {
			b = append(b, bd.title...)
			b = append(b, "："...)
		}
		over := bd.over.get(f)
		if bd.upto.kind == valAbsent {
			b = append(b, yuan(over)...)
			b = append(b, "元以上"...)
		} else {
			b = append(b, yuan(over)...)
			b = append(b, "元至"...)
			b = append(b, yuan(bd.upto.get(f))...)
			b = append(b, "元"...)
		}
		if st.bands.fromThreshold {
			b = append(b, "（起付标准以上）"...)
		}
		b = append(b, "的部分 "...)
	}
	b = seg.Append(b)
	b = append(b, "元 × "...)
	b = append(b, rate.Percent()...)
	b = append(b, " ＝ "...)
	b = part.Append(b)
	b = append(b, "元"...)
	t.add(Step{Kind: StepBand, Stage: st.ID, Title: st.Title, What: string(b), Formula: bd.ratio.said, Base: seg, Rate: rate, HasRate: true, Amount: part, Sources: rateSources(bd, st)}, r)
}

// rateSources are the grounds of the ratio: the parameter's, or the stage's.
func rateSources(bd *band, st *Stage) []*Source {
	if bd.ratio.p != nil {
		return bd.ratio.p.sources
	}
	if bd.ratio.src != nil {
		if p := firstParam(bd.ratio.src); p != nil {
			return p.sources
		}
	}
	return st.sources
}

func firstParam(e *expr) *param {
	if e.op == "symbol" && e.sym.kind == symParam {
		return e.sym.param
	}
	for _, a := range e.args {
		if p := firstParam(a); p != nil {
			return p
		}
	}
	return nil
}

func (t *Trace) floor(st *Stage, f *frame, least, paid money.Fen, r *Result) {
	t.add(Step{Kind: StepFloor, Stage: st.ID, Title: st.floor.title,
		What: "按保底比例应不少于" + least.String() + "元，高于按段计算的" + paid.String() + "元",
		Base: money.Fen(max(0, st.floor.base.get(f))), Rate: clampRate(st.floor.ratio.get(f)), HasRate: true, Amount: least, Sources: st.floor.sources}, r)
}

func (t *Trace) limit(st *Stage, l *limit, f *frame, paid, left money.Fen, r *Result) {
	var b []byte
	b = append(b, "限额"...)
	b = money.Fen(l.amount.get(f)).Append(b)
	b = append(b, "元"...)
	if len(l.used) > 0 {
		var used money.Fen
		for _, a := range l.used {
			used += money.Fen(f.s[slotAccumulators+a])
		}
		b = append(b, "，已用"...)
		b = used.Append(b)
		b = append(b, "元"...)
	}
	b = append(b, "，只余"...)
	b = left.Append(b)
	b = append(b, "元；应付"...)
	b = paid.Append(b)
	b = append(b, "元，超限额"...)
	b = (paid - left).Append(b)
	b = append(b, "元不予支付"...)
	t.add(Step{Kind: StepLimit, Stage: st.ID, Title: l.title, What: string(b), Formula: l.amount.said, Base: paid, Rate: money.One, Amount: paid - left, Sources: l.sources}, r)
}

func (t *Trace) paid(st *Stage, paid money.Fen, r *Result) {
	t.add(Step{Kind: StepPay, Stage: st.ID, Title: r.StagePays[r.NumStages-1].Fund.Title, What: st.Title + "：" + paid.String() + "元", Base: r.StagePays[r.NumStages-1].Base, Rate: money.One, Amount: paid, Sources: st.sources}, r)
}

func (t *Trace) account(st *Stage, c *Case, own, family money.Fen, r *Result) {
	balance := "账户余额" + c.Account.String() + "元"
	if !st.own {
		balance = "家庭共济账户可用" + c.FamilyAccount.String() + "元"
	}
	what := balance + "，可付" + r.StagePays[r.NumStages-1].Base.String() + "元，支付" + (own + family).String() + "元"
	if st.own && family > 0 {
		what += "（其中家庭共济" + family.String() + "元）"
	}
	t.add(Step{Kind: StepAccount, Stage: st.ID, Title: st.Title, What: what, Base: r.StagePays[r.NumStages-1].Base, Rate: money.One, Amount: own + family, Sources: st.sources}, r)
}

func (t *Trace) cash(r *Result) {
	t.add(Step{Kind: StepCash, Title: "个人现金支付", What: "总额减去各基金支付和个人账户支付", Base: r.Person, Rate: money.One, Amount: r.Cash}, r)
}
