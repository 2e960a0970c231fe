package bill

import (
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// BarKind says whose money a bar is.
type BarKind uint8

// The kinds of bar.
const (
	Sum        BarKind = iota // a level reached: the total, the part in scope, the person's part
	ByYou                     // borne by the person, or paid by the person
	ByFund                    // paid by a fund
	ByHospital                // borne by the hospital
)

// Bar is one bar of the waterfall (费用瀑布图). Each bar starts at the level
// where the one before it ended; the first starts at 0, and so ends the last.
type Bar struct {
	ID       string
	Kind     BarKind
	Label    string
	From, To money.Fen
	Amount   money.Fen // what the bar says: of a Sum its level, else From − To
}

// span returns the two ends of the bar as it is drawn: a Sum stands on 0.
func (b *Bar) span() (low, high money.Fen) {
	if b.Kind == Sum {
		return 0, b.To
	}
	return b.To, b.From
}

// bars draws the case in two falls. The first is the total, from which what
// the person bears outside the scope, the deductible, each fund and the
// person's share are taken, down to nothing. The second is the person's part,
// down to nothing by account and cash. Bars of nothing are left out.
func (w *writer) bars() []Bar {
	var list []Bar
	level := money.Fen(0)
	sum := func(id, label string, to money.Fen) {
		list = append(list, Bar{ID: id, Kind: Sum, Label: label, From: level, To: to, Amount: to})
		level = to
	}
	fall := func(id string, kind BarKind, label string, amount money.Fen) {
		if amount != 0 {
			list = append(list, Bar{ID: id, Kind: kind, Label: label, From: level, To: level - amount, Amount: amount})
			level -= amount
		}
	}
	r := w.r
	each := func(first, last policy.StepKind) {
		for _, p := range w.borne() {
			if first <= p.kind && p.kind <= last {
				fall(p.id, ByYou, p.label, p.amount)
			}
		}
	}
	sum("total", w.say("总费用", "Total"), r.Total)
	each(policy.StepFullOwnPay, policy.StepFirstOwnPay)
	scope := w.say("政策范围内", "In scope")
	if level != r.InScope { // a fund pays part of what is outside the scope
		scope = w.say("基金与您分担", "Shared by funds and you")
	}
	sum("in_scope", scope, level)
	each(policy.StepDeductible, policy.StepDeductible)
	for _, p := range w.funds {
		fall("fund:"+p.id, ByFund, p.label, p.amount)
	}
	fall("hospital", ByHospital, w.say("医院负担", "Borne by the hospital"), r.Hospital)
	each(policy.StepCash, policy.StepCash)
	if r.Person != 0 {
		sum("person", w.say("您负担", "You bear"), r.Person)
		fall("account", ByYou, w.say("个人账户", "Personal account"), r.Account)
		fall("cash", ByYou, w.say("现金", "Cash"), r.Cash)
	}
	return list
}
