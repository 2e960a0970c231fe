package policy

import (
	"fmt"
	"math/bits"
	"strconv"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

// Settle decides the case under the package of its region and day. It writes
// r whole (r.Lines is reused if it has room) and, if t is not nil, the steps
// of the explanation. The only errors are *InputError. Settle is pure: no
// clock, no I/O, no randomness.
func (s *Store) Settle(c *Case, r *Result, t *Trace) error {
	p, err := s.packageOf(c)
	if err != nil {
		return err
	}
	care := p
	if c.CareRegion != "" && c.CareRegion != c.Region {
		care = s.now.Load().find(c.CareRegion, c.Date) // nil: the care region has no package here
	}
	if c.Admitted != 0 && p.Divides(c.Admitted, c.Date) {
		first, _ := p.BenefitYear(c.Date)
		return p.settleDivided(care, c, first, r, t)
	}
	return p.settle(care, c, nil, r, t)
}

// credit is what an earlier part of the same stay already bore, by stage.
type credit [MaxStages]money.Fen

func (p *Package) settle(care *Package, c *Case, earlier *credit, r *Result, t *Trace) error {
	lines := r.Lines[:0]
	*r = Result{Package: p}
	var f frame
	p.enterCase(&f, c)
	if err := p.split(care, c, r, &f, lines); err != nil {
		return err
	}
	if t != nil {
		t.scope(p, care, c, r)
	}
	if rl := p.applyRules(&f, r, t); rl != nil {
		return p.refuse(c, r, &f, t, rl.reason, rl.sources)
	}
	p.enterFacets(&f, true)
	plan := p.choose(&f)
	if err := p.missingFact(&f); err != nil {
		return err
	}
	if plan == nil {
		return p.refuse(c, r, &f, t, "没有适用的待遇方案（no benefit plan）："+Scheme(f.s[slotScheme]).Title()+VisitKind(f.s[slotVisit]).Title(), nil)
	}
	r.Plan = plan
	if plan.unknown != "" {
		return p.refuse(c, r, &f, t, "待遇数字尚不掌握，不予估算："+plan.unknown, plan.sources)
	}
	p.flat.enter(&f)
	r.YearToDate = c.YearToDate
	stayBorne := c.StayBorne
	for i, st := range plan.stages {
		if st.when.kind != valAbsent && st.when.get(&f) == 0 {
			continue
		}
		if st.account {
			p.payAccount(st, c, r, &f, t)
		} else {
			var borne money.Fen
			if earlier != nil {
				borne = earlier[i]
			}
			if st.ded != nil && len(st.ded.borne) == 0 {
				borne += stayBorne
				stayBorne = 0
			}
			p.pay(st, r, &f, borne, t)
		}
		if f.unknown != nil {
			return p.refuseUnknown(c, r, &f, t)
		}
	}
	if err := p.missingFact(&f); err != nil {
		return err
	}
	for i := range plan.sets {
		a := &plan.sets[i]
		r.YearToDate[a.acc] += money.Fen(f.s[a.slot])
	}
	r.Person = r.Total - r.FundTotal
	r.Cash = r.Person - r.Account
	if t != nil {
		t.cash(r)
	}
	return nil
}

// enterCase writes the facts of the case into the frame.
func (p *Package) enterCase(f *frame, c *Case) {
	f.s[slotScheme] = int64(c.Scheme)
	if c.Retired && c.Scheme == Employee {
		f.s[slotStatus] = 1
	}
	f.s[slotLevel] = int64(c.Level)
	f.s[slotProviderKind] = int64(c.ProviderKind)
	f.s[slotDesignated] = truth(!c.Undesignated)
	f.s[slotVisit] = int64(c.Visit)
	if c.Disease != "" {
		f.s[slotDisease] = p.disease(c.Disease)
	}
	f.s[slotFiling] = int64(c.Filing)
	f.s[slotPlace] = place(c.Region, c.CareRegion)
	f.s[slotCause] = int64(c.Cause)
	f.s[slotInsured] = int64(c.Insured)
	f.s[slotSex] = truth(c.Female)
	f.s[slotNth] = int64(max(c.Nth, 1))
	if c.Birth != 0 {
		f.s[slotAge] = int64(c.Date.Age(c.Birth))
		f.present |= 1 << birthBit
	}
	f.s[slotDays] = 1
	if c.Admitted != 0 && c.Admitted < c.Date {
		f.s[slotDays] = int64(c.Date.DaysSince(c.Admitted))
	}
	f.s[slotArrears] = int64(c.ArrearsMonths)
	if c.BenefitsFrom > c.Date {
		f.s[slotWaiting] = int64(c.BenefitsFrom.DaysSince(c.Date))
	}
	f.s[slotDate] = int64(c.Date)
	f.s[slotClasses] = int64(c.Classes)
	for i := range p.accumulators {
		f.s[slotAccumulators+i] = int64(c.YearToDate[i])
	}
	for i := range p.facts {
		if c.FactsSet&(1<<i) != 0 {
			f.s[slotFacts+i] = c.Facts[i]
			f.present |= 1 << i
		} else {
			f.s[slotFacts+i] = p.facts[i].def
		}
	}
}

func (p *Package) disease(name string) int64 {
	for i, v := range p.diseases.values {
		if v == name {
			return int64(i)
		}
	}
	return 1
}

// place tells where the care region lies from the insured one: at home, in
// the same province, or outside it. A pooling region's code ends in 00 for a
// city and in 0000 for a municipality; its districts are at home (市级统筹).
func place(home, care string) int64 {
	switch {
	case care == "" || care == home:
		return 0
	case len(care) == 6 && len(home) == 6 && home[2:] == "0000" && care[:2] == home[:2]:
		return 0
	case len(care) == 6 && len(home) == 6 && home[4:] == "00" && care[:4] == home[:4]:
		return 0
	case len(care) == 6 && len(home) == 6 && care[:2] == home[:2]:
		return 1
	}
	return 2
}

// enterFacets classifies the case: for a settlement only by the facets that
// plans depend on.
func (p *Package) enterFacets(f *frame, settling bool) {
	for i, ft := range p.facets {
		if settling && !ft.settles {
			continue
		}
		v := ft.otherwise
		if ft.byClass && f.s[slotClasses] == 0 {
			f.s[slotFacets+i] = v // of no class, as nearly everybody is
			continue
		}
		for j := range ft.whens {
			if ft.whens[j].get(f) != 0 {
				v = ft.target[j]
				break
			}
		}
		f.s[slotFacets+i] = max(v, 0)
	}
}

// missingFact turns a fact that was needed and not given into an error.
func (p *Package) missingFact(f *frame) error {
	if f.missing == 0 {
		return nil
	}
	if i := f.missing - 1; i < len(p.facts) && i != birthBit {
		return &InputError{Field: "facts." + p.facts[i].name, Want: "本统筹区需要「" + p.facts[i].title + "」，请给出"}
	}
	return &InputError{Field: "person.birth", Want: "本统筹区的待遇与年龄有关，请给出出生日期，如 1960-01-01"}
}

// split divides the lines as the care region's catalogue says and sums them.
func (p *Package) split(care *Package, c *Case, r *Result, f *frame, lines []LineSplit) error {
	if cap(lines) < len(c.Lines) {
		lines = make([]LineSplit, len(c.Lines))
	}
	lines = lines[:len(c.Lines)]
	firstPay := p.firstPay(care, f)
	var total, full, over, first, scope money.Fen
	in := c.Lines
	lines = lines[:len(in)]
	for i := range in {
		l, s := &in[i], &lines[i]
		amount := l.Amount
		total += amount
		if amount < 0 || total > money.Max {
			return amountError(i, amount)
		}
		if l.Class == ClassC {
			*s = LineSplit{FullOwnPay: amount}
			full += amount
			continue
		}
		var above, own money.Fen
		if l.Ceiling >= 0 && amount > l.Ceiling {
			above = amount - l.Ceiling
			over += above
			amount = l.Ceiling
		}
		if l.Class == ClassB {
			rate := l.FirstPay
			if rate < 0 {
				if rate = firstPay; rate < 0 {
					return lineError(i, "first_pay", "", "就医地与参保地的包都没有乙类先行自付比例，请在费用行写明")
				}
			}
			own = amount.Mul(rate)
			first += own
			amount -= own
		} else if l.FirstPay > 0 {
			return lineError(i, "first_pay", l.FirstPay.String(), "甲类没有先行自付，应为 0 或不写")
		}
		*s = LineSplit{OverCeiling: above, FirstOwnPay: own, InScope: amount}
		scope += amount
	}
	r.Total, r.FullOwnPay, r.OverCeiling, r.FirstOwnPay, r.InScope = total, full, over, first, scope
	r.Lines = lines
	f.s[slotTotal] = int64(r.Total)
	f.s[slotFullOwnPay] = int64(r.FullOwnPay)
	f.s[slotOverCeiling] = int64(r.OverCeiling)
	f.s[slotFirstOwnPay] = int64(r.FirstOwnPay)
	f.s[slotInScope] = int64(r.InScope)
	f.s[slotRest] = int64(r.InScope)
	f.s[slotPerson] = int64(r.Total)
	return nil
}

// firstPay is the ratio for class B lines that state none: the care region's
// (就医地目录), or the insured region's where the care region's is not known;
// −1 if neither is.
func (p *Package) firstPay(care *Package, f *frame) money.Rate {
	for _, q := range [2]*Package{care, p} {
		if q == nil {
			continue
		}
		switch v := &q.scopeFirstPay; v.kind {
		case valConst:
			return money.Rate(v.c)
		case valParam:
			rate := v.p.get(f)
			if f.unknown == nil {
				return money.Rate(rate)
			}
			f.unknown = nil
		}
	}
	return FirstPayUnstated
}

func amountError(i int, amount money.Fen) error {
	if amount < 0 {
		return lineError(i, "amount", amount.String(), "金额不得为负")
	}
	return lineError(i, "amount", amount.String(), "费用合计超过 1000000000000.00 元")
}

func lineError(i int, field, value, want string) error {
	return &InputError{Field: "lines[" + strconv.Itoa(i) + "]." + field, Value: value, Want: want}
}

// applyRules runs the inherited rules and then the package's own, and returns
// the first that refuses.
func (p *Package) applyRules(f *frame, r *Result, t *Trace) *rule {
	for _, q := range [2]*Package{p.base, p} {
		if q == nil || !q.guard.mayApply(f) {
			continue
		}
		for _, rl := range q.rules {
			if rl.when.get(f) == 0 {
				continue
			}
			switch rl.decision {
			case ruleRefuse:
				return rl
			case ruleAdvance:
				r.Recourse = true
				r.Reason, r.Source = rl.reason, firstSource(rl.sources)
			}
			if t != nil {
				t.rule(rl.title, rl.reason, rl.sources)
			}
		}
	}
	return nil
}

func firstSource(s []*Source) *Source {
	if len(s) == 0 {
		return nil
	}
	return s[0]
}

// refuse leaves the whole total to the person and moves no accumulator.
func (p *Package) refuse(c *Case, r *Result, f *frame, t *Trace, reason string, sources []*Source) error {
	if err := p.missingFact(f); err != nil {
		return err
	}
	kept := Result{Refused: true, Reason: reason, Source: firstSource(sources), Package: p, Plan: r.Plan, Lines: r.Lines,
		Total: r.Total, FullOwnPay: r.FullOwnPay, OverCeiling: r.OverCeiling, FirstOwnPay: r.FirstOwnPay, InScope: r.InScope,
		Person: r.Total, Cash: r.Total, YearToDate: c.YearToDate}
	*r = kept
	if t != nil {
		t.keepScope()
		t.rule("不予支付", reason, sources)
		t.cash(r)
	}
	return nil
}

// unknownText says which figure is not known, for whom, and what is known of
// it instead.
func unknownText(q *param, f *frame) string {
	out := "「" + q.title + "」的数字尚不掌握"
	if len(q.dims) > 0 {
		out += "（" + q.labels(q.index(f)) + "）"
	}
	if q.note != "" {
		out += "；" + q.note
	}
	return out
}

func (p *Package) refuseUnknown(c *Case, r *Result, f *frame, t *Trace) error {
	return p.refuse(c, r, f, t, "待遇数字尚不掌握，不予估算："+unknownText(f.unknown, f), f.unknown.sources)
}

// pay runs one paying stage: base, deductible, bands, floor, limits.
func (p *Package) pay(st *Stage, r *Result, f *frame, earlier money.Fen, t *Trace) {
	base := money.Fen(max(0, st.base.get(f)))
	sp := &r.StagePays[r.NumStages]
	fund := st.funds[f.s[slotScheme]]
	*sp = StagePay{Stage: st, Fund: fund, Base: base, Payable: money.Max}
	r.NumStages++

	covered := base
	var borne money.Fen
	if st.ded != nil {
		borne = st.ded.remaining(f, earlier)
		borne = min(borne, base)
		covered -= borne
		sp.Deductible = borne
		if fund.Category == Basic {
			r.Deductible += borne
		}
	}
	full := covered
	if st.limitsCost {
		for i := range st.limits {
			if l := &st.limits[i]; l.covered {
				covered = min(covered, l.left(f))
			}
		}
	}
	if t != nil {
		t.deductible(st, f, base, borne, full, covered, r)
	}

	paid := st.banded(f, borne, covered, r, t)
	if st.floor != nil {
		if least := money.Fen(max(0, st.floor.base.get(f))).Mul(clampRate(st.floor.ratio.get(f))); least > paid {
			if t != nil {
				t.floor(st, f, least, paid, r)
			}
			paid = least
		}
	}
	uncut := paid
	for i := range st.limits {
		l := &st.limits[i]
		if l.covered {
			continue
		}
		left := l.left(f)
		sp.Payable = min(sp.Payable, left)
		if paid > left {
			if t != nil {
				t.limit(st, l, f, paid, left, r)
			}
			paid = left
		}
	}
	paid = max(0, min(paid, r.Total-r.FundTotal-r.Account))
	sp.Paid = paid
	r.Fund[fund.Category] += paid
	r.FundTotal += paid
	if t != nil {
		t.paid(st, paid, r)
	}

	var q [numQuantities]money.Fen
	q[qBase], q[qBorne], q[qCovered], q[qPaid] = base, borne, covered, paid
	q[qCut], q[qOwn] = uncut-paid, max(0, covered-paid)
	if st.asksBeyond {
		q[qBeyond] = full - covered
		if paid < uncut {
			q[qBeyond] += covered - st.reach(f, borne, covered, paid)
		}
	}
	if st.ded != nil {
		for _, a := range st.ded.sets {
			r.YearToDate[a] += borne
			f.s[slotAccumulators+a] += int64(borne)
		}
	}
	st.export(&q, r, f)
	f.s[slotPaid] += int64(paid)
	f.s[slotRest] = max(0, f.s[slotRest]-int64(paid))
	f.s[slotPerson] -= int64(paid)
}

// export hands the quantities of a stage to the stages after it and to the
// sums of the year.
func (st *Stage) export(q *[numQuantities]money.Fen, r *Result, f *frame) {
	for _, o := range st.exports {
		f.s[o.slot] = int64(q[o.q])
	}
	for i := range st.sets {
		a := &st.sets[i]
		r.YearToDate[a.acc] += q[a.q]
		f.s[slotAccumulators+a.acc] += int64(q[a.q])
	}
}

// remaining is what of the deductible this visit still has to bear, given what
// earlier parts of the same stay bore.
func (d *deductible) remaining(f *frame, earlier money.Fen) money.Fen {
	v := money.Fen(d.amount.get(f)) - earlier
	for _, a := range d.borne {
		v -= money.Fen(f.s[slotAccumulators+a])
	}
	for i := range d.within {
		v = min(v, d.within[i].left(f))
	}
	return max(0, v)
}

func (l *limit) left(f *frame) money.Fen {
	v := l.amount.get(f)
	for _, a := range l.used {
		v -= f.s[slotAccumulators+a]
	}
	return money.Fen(max(0, v))
}

func clampRate(v int64) money.Rate { return money.Rate(max(0, min(v, int64(money.One)))) }

// start is where the covered cost begins on the axis of the bands, how far
// the written bounds are shifted, and the threshold.
func (st *Stage) start(f *frame, borne money.Fen) (from, shift, threshold int64) {
	if st.bands.along >= 0 {
		from = f.s[slotAccumulators+st.bands.along]
	}
	if st.bands.measureBase {
		from += int64(borne)
	}
	if st.bands.threshold.kind != valAbsent {
		threshold = st.bands.threshold.get(f)
		if st.bands.fromThreshold {
			shift = threshold
		}
	}
	return from, shift, threshold
}

// banded is what the bands pay of the covered cost.
func (st *Stage) banded(f *frame, borne, covered money.Fen, r *Result, t *Trace) money.Fen {
	if !st.bands.banded {
		rate := clampRate(st.list[0].ratio.get(f))
		st.noteRatio(r, rate)
		paid := covered.Mul(rate)
		if t != nil && covered > 0 {
			t.band(st, &st.list[0], f, covered, rate, paid, r)
		}
		return paid
	}
	from, shift, threshold := st.start(f, borne)
	to := from + int64(covered)
	if t != nil && from < threshold && covered > 0 {
		t.threshold(st, f, threshold, from, min(to, threshold)-from, r)
	}
	if to <= threshold && r.NumStages > 1 {
		return 0 // nothing above the threshold
	}
	if st.bands.whole {
		return st.whole(f, to, shift, threshold, covered, r, t)
	}
	var paid money.Fen
	var hi, lo uint64 // the exact sum, in 10^-8 fen
	for i := range st.list {
		b := &st.list[i]
		over := max(b.over.get(f)+shift, threshold)
		if over >= to && i > 0 {
			break
		}
		upto := to
		if b.upto.kind != valAbsent {
			upto = min(to, b.upto.get(f)+shift)
		}
		seg := upto - max(over, from)
		if seg <= 0 && (i > 0 || covered > 0) {
			continue
		}
		rate := clampRate(b.ratio.get(f))
		st.noteRatio(r, rate)
		seg = max(seg, 0)
		part := money.Fen(seg).Mul(rate)
		if st.rounding {
			h, l := bits.Mul64(uint64(seg), uint64(rate))
			var carry uint64
			lo, carry = bits.Add64(lo, l, 0)
			hi += h + carry
		} else {
			paid += part
		}
		if t != nil && seg > 0 {
			t.band(st, b, f, money.Fen(seg), rate, part, r)
		}
	}
	if st.rounding {
		var carry uint64
		lo, carry = bits.Add64(lo, uint64(money.One)/2, 0)
		q, _ := bits.Div64(hi+carry, lo, uint64(money.One))
		paid = money.Fen(q)
	}
	return paid
}

// whole pays the covered cost at the ratio of the one band that its end
// reaches (全额按所在段).
func (st *Stage) whole(f *frame, to, shift, threshold int64, covered money.Fen, r *Result, t *Trace) money.Fen {
	if to <= threshold {
		return 0
	}
	for i := range st.list {
		b := &st.list[i]
		if b.upto.kind != valAbsent && to > b.upto.get(f)+shift {
			continue
		}
		if to <= b.over.get(f)+shift && i > 0 {
			break
		}
		rate := clampRate(b.ratio.get(f))
		st.noteRatio(r, rate)
		paid := covered.Mul(rate)
		if t != nil && covered > 0 {
			t.band(st, b, f, covered, rate, paid, r)
		}
		return paid
	}
	return 0
}

// noteRatio remembers the first paying stage's ratio for the interface's
// pool_prop_selfpay: the last band reached.
func (st *Stage) noteRatio(r *Result, rate money.Rate) {
	if r.NumStages == 1 {
		r.Ratio = rate
	}
}

// reach is how much of the covered cost the bands need to pay the amount: the
// inverse of banded, rounded up to the fen.
func (st *Stage) reach(f *frame, borne, covered, paid money.Fen) money.Fen {
	lo, hi := money.Fen(0), covered
	var scratch Result
	scratch.NumStages = 2 // keep noteRatio quiet
	for lo < hi {
		mid := (lo + hi) / 2
		if st.banded(f, borne, mid, &scratch, nil) >= paid {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// payAccount lets the personal account, and the family's, pay what is left.
func (p *Package) payAccount(st *Stage, c *Case, r *Result, f *frame, t *Trace) {
	base := money.Fen(max(0, min(st.base.get(f), int64(r.Total-r.FundTotal-r.Account))))
	sp := &r.StagePays[r.NumStages]
	*sp = StagePay{Stage: st, Base: base, Payable: money.Max}
	if c.KeepAccount {
		return
	}
	var own, family money.Fen
	if st.own {
		own = max(0, min(c.Account-(r.Account-r.FamilyAccount), base))
	}
	if st.family {
		family = max(0, min(c.FamilyAccount-r.FamilyAccount, base-own))
	}
	for i := range st.limits {
		l := &st.limits[i]
		left := l.left(f)
		sp.Payable = min(sp.Payable, left)
		if own+family > left {
			if t != nil {
				t.limit(st, l, f, own+family, left, r)
			}
			own = min(own, left)
			family = left - own
		}
	}
	r.NumStages++
	sp.Paid = own + family
	r.Account += sp.Paid
	r.FamilyAccount += family
	q := [numQuantities]money.Fen{qBase: base, qCovered: base, qPaid: sp.Paid, qOwn: base - sp.Paid}
	st.export(&q, r, f)
	f.s[slotPerson] -= int64(sp.Paid)
	if t != nil && (st.own || c.FamilyAccount != 0) {
		t.account(st, c, own, family, r)
	}
}

// settleDivided settles a stay that crosses into the benefit year that begins
// on first: the fees before it under the old year's sums, the others under
// the new year's, the deductible borne once.
func (p *Package) settleDivided(care *Package, c *Case, first civil.Date, r *Result, t *Trace) error {
	part := *c
	var where [2][]int
	for i := range c.Lines {
		k := 1
		if d := c.Lines[i].Date; d != 0 && d < first {
			k = 0
		}
		where[k] = append(where[k], i)
	}
	var borne credit
	var results [2]Result
	for k := range results {
		part.Lines = nil
		for _, i := range where[k] {
			part.Lines = append(part.Lines, c.Lines[i])
		}
		part.YearToDate = c.YearToDate
		part.Account = c.Account
		part.FamilyAccount = c.FamilyAccount
		if k == 1 {
			part.YearToDate = c.NextYear
			part.Account -= results[0].Account - results[0].FamilyAccount
			part.FamilyAccount -= results[0].FamilyAccount
		}
		if t != nil {
			t.part = k + 1
		}
		if err := p.settle(care, &part, &borne, &results[k], t); err != nil {
			return renumber(err, where[k])
		}
		if results[k].Refused {
			return p.refuseWhole(care, c, &results[k], r, t)
		}
		for i := range results[k].Stages() {
			sp := &results[k].StagePays[i]
			for j, st := range results[k].Plan.stages {
				if st == sp.Stage {
					borne[j] += sp.Deductible
				}
			}
		}
	}
	if t != nil {
		t.part = 0
	}
	merge(r, &results, where, len(c.Lines))
	return nil
}

// refuseWhole refuses a divided stay over all its lines, for the reason that
// one of its parts was refused.
func (p *Package) refuseWhole(care *Package, c *Case, part, r *Result, t *Trace) error {
	*r = Result{Package: p, Plan: part.Plan}
	var f frame
	p.enterCase(&f, c)
	if err := p.split(care, c, r, &f, nil); err != nil {
		return err
	}
	if t != nil {
		*t = Trace{}
		t.scope(p, care, c, r)
	}
	var sources []*Source
	if part.Source != nil {
		sources = []*Source{part.Source}
	}
	err := p.refuse(c, r, &f, t, part.Reason, sources)
	r.NextYear = c.NextYear
	return err
}

// renumber makes an error about a part's line name the line of the case.
func renumber(err error, lines []int) error {
	if e, ok := err.(*InputError); ok {
		var i int
		var rest string
		if n, _ := fmt.Sscanf(e.Field, "lines[%d].%s", &i, &rest); n == 2 && i < len(lines) {
			e.Field = "lines[" + strconv.Itoa(lines[i]) + "]." + rest
		}
	}
	return err
}

func merge(r *Result, parts *[2]Result, where [2][]int, lines int) {
	out := parts[1]
	out.Lines = make([]LineSplit, lines)
	for k := range parts {
		for j, i := range where[k] {
			out.Lines[i] = parts[k].Lines[j]
		}
	}
	a := &parts[0]
	out.Total += a.Total
	out.FullOwnPay += a.FullOwnPay
	out.OverCeiling += a.OverCeiling
	out.FirstOwnPay += a.FirstOwnPay
	out.InScope += a.InScope
	out.Deductible += a.Deductible
	for i := range out.Fund {
		out.Fund[i] += a.Fund[i]
	}
	out.FundTotal += a.FundTotal
	out.Person += a.Person
	out.Account += a.Account
	out.FamilyAccount += a.FamilyAccount
	out.Cash += a.Cash
	for _, sp := range a.Stages() {
		i := 0
		for i < out.NumStages && out.StagePays[i].Stage != sp.Stage {
			i++
		}
		if i == out.NumStages {
			out.StagePays[i] = StagePay{Stage: sp.Stage, Fund: sp.Fund, Payable: sp.Payable}
			out.NumStages++
		}
		o := &out.StagePays[i]
		o.Base += sp.Base
		o.Deductible += sp.Deductible
		o.Paid += sp.Paid
	}
	out.Divided = true
	out.NextYear = parts[1].YearToDate
	out.YearToDate = parts[0].YearToDate
	*r = out
}

// SplitLine divides one line as the scope rules of the care region, or of the
// insured region where the care region's are not known, say: what a hospital
// is told for each fee line before any settlement.
func (s *Store) SplitLine(c *Case, l *Line) (LineSplit, error) {
	p, err := s.packageOf(c)
	if err != nil {
		return LineSplit{}, err
	}
	care := p
	if c.CareRegion != "" && c.CareRegion != c.Region {
		care = s.now.Load().find(c.CareRegion, c.Date)
	}
	one := *c
	one.Lines = []Line{*l}
	var f frame
	var r Result
	p.enterCase(&f, &one)
	if err := p.split(care, &one, &r, &f, nil); err != nil {
		return LineSplit{}, err
	}
	return r.Lines[0], nil
}
