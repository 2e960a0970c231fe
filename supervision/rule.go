package supervision

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Rule is one rule (规则). Which of the parameters it has depends on its shape.
type Rule struct {
	Code     string
	Title    string // in Chinese
	Severity Severity
	Kind     Kind
	Basis    Basis
	Shape    string // one of shapes

	Items           []string           // catalogue codes
	Female          bool               // the sex that may have the items
	MinAge, MaxAge  int                // ages in whole years that may have the items, both included
	Visits          []policy.VisitKind // kinds of care in which the items may be given
	Limit           catalogue.Quantity // most of one item on a day
	DiagnosisPrefix []string           // of which the visit must have a diagnosis
	Days            int                // between discharge and the next admission, included
	Multiple        money.Rate         // of the catalogue price, above which an amount is too high
}

// A shape is one question that rules can ask.
type shape struct {
	kind     Kind
	required []string // parameters that a rule of the shape must have
	optional []string // and may have
	judge    func(*Rule, *Facts) []Finding
}

// shapes are all questions that rules can ask.
var shapes = map[string]shape{
	"sex":            {ItemKind, []string{"items", "sex"}, nil, (*Rule).sex},
	"age":            {ItemKind, []string{"items"}, []string{"min_age", "max_age"}, (*Rule).age},
	"visit_kind":     {ItemKind, []string{"items", "visit_kinds"}, nil, (*Rule).visitKind},
	"daily_quantity": {ItemKind, []string{"items", "limit"}, nil, (*Rule).dailyQuantity},
	"daily_repeat":   {ItemKind, []string{"items"}, nil, (*Rule).dailyRepeat},
	"exclusive":      {ItemKind, []string{"items"}, nil, (*Rule).exclusive},
	"diagnosis":      {ItemKind, []string{"items", "diagnoses"}, nil, (*Rule).diagnosis},
	"price_multiple": {ItemKind, []string{"items", "multiple"}, nil, (*Rule).priceMultiple},
	"elsewhere":      {VisitKind, nil, nil, (*Rule).elsewhere},
	"readmission":    {VisitKind, []string{"days"}, nil, (*Rule).readmission},
}

// Rules are rules in the order of their codes.
type Rules []*Rule

// Select is the rules of the codes; nil chooses all. A code that there is not
// is an *Error.
func (rs Rules) Select(codes []string) (Rules, error) {
	if codes == nil {
		return rs, nil
	}
	var out Rules
	for _, r := range rs {
		if slices.Contains(codes, r.Code) {
			out = append(out, r)
		}
	}
	for _, code := range codes {
		if !slices.ContainsFunc(out, func(r *Rule) bool { return r.Code == code }) {
			return nil, &Error{"rule", code, "没有这条规则；现有 " + rs.codes()}
		}
	}
	return out, nil
}

func (rs Rules) codes() string {
	codes := make([]string, len(rs))
	for i, r := range rs {
		codes[i] = r.Code
	}
	return strings.Join(codes, "、")
}

// Judge holds the facts against the rules. What it finds does not depend on
// the order of the rows, and comes in the order of the rules.
func (rs Rules) Judge(f Facts) (out []Finding) {
	sorted := f.inOrder()
	for _, r := range rs {
		out = append(out, shapes[r.Shape].judge(r, sorted)...)
	}
	return out
}

// longestGap is the most days between two stays that any rule asks about, -1 if
// none asks.
func (rs Rules) longestGap() int {
	days := -1
	for _, r := range rs {
		if r.Shape == "readmission" {
			days = max(days, r.Days)
		}
	}
	return days
}

// maxText bounds the text of a finding, in characters.
const maxText = 500

// finding is a finding of the rule about a visit.
func (r *Rule) finding(v *Visit, text string) Finding {
	if t := []rune(text); len(t) > maxText {
		text = string(t[:maxText-1]) + "…"
	}
	return Finding{Rule: r.Code, Title: r.Title, Severity: r.Severity, Kind: r.Kind, Basis: r.Basis, Text: text, Visit: v.ID}
}

// add adds an order to the finding, with the part of its amount that is wrong.
func (f *Finding) add(o *Order, amount money.Fen) {
	f.Computed = true
	f.Amount += amount
	f.Details = append(f.Details, Detail{o.ID, amount})
}

// A group is what orders are judged together by.
type group struct {
	item string
	day  civil.Date
}

// groups are the visit's orders of the rule's items that have one key, in the
// order of keys.
func (r *Rule) groups(f *Facts, key func(*Order) group) [][]*Order {
	found := map[group][]*Order{}
	for i := range f.Visit.Orders {
		if o := &f.Visit.Orders[i]; slices.Contains(r.Items, o.Item) {
			found[key(o)] = append(found[key(o)], o)
		}
	}
	keys := make([]group, 0, len(found))
	for k := range found {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b group) int { return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.item, b.item)) })
	out := make([][]*Order, len(keys))
	for i, k := range keys {
		out[i] = found[k]
	}
	return out
}

func byItem(o *Order) group    { return group{item: o.Item} }
func byItemDay(o *Order) group { return group{o.Item, o.From} }
func byDay(o *Order) group     { return group{day: o.From} }

// judged reports whether the order can be what is wrong.
func (o *Order) judged() bool { return o.Current && o.Quantity > 0 }

// restricted finds the current orders of the items that wrong says are, one
// finding for each item.
func (r *Rule) restricted(f *Facts, why string, wrong func(*Order) bool) (out []Finding) {
	for _, orders := range r.groups(f, byItem) {
		found := r.finding(&f.Visit, orders[0].label()+why)
		for _, o := range orders {
			if o.judged() && wrong(o) {
				found.add(o, o.Amount)
			}
		}
		if len(found.Details) > 0 {
			out = append(out, found)
		}
	}
	return out
}

func always(*Order) bool { return true }

// sex: an item is for one sex only (限性别).
func (r *Rule) sex(f *Facts) []Finding {
	if f.Female == r.Female {
		return nil
	}
	return r.restricted(f, "限"+sexTitle(r.Female)+"使用，患者为"+sexTitle(f.Female), always)
}

func sexTitle(female bool) string {
	if female {
		return "女性"
	}
	return "男性"
}

// age: an item is for some ages only (限年龄). The age is that on the order's
// first day.
func (r *Rule) age(f *Facts) []Finding {
	if f.Birth == 0 {
		return nil
	}
	why := "限" + strconv.Itoa(r.MinAge) + "周岁及以上使用"
	switch {
	case r.MinAge == 0:
		why = "限" + strconv.Itoa(r.MaxAge) + "周岁及以下使用"
	case r.MaxAge < noMaxAge:
		why = "限" + strconv.Itoa(r.MinAge) + "至" + strconv.Itoa(r.MaxAge) + "周岁使用"
	}
	return r.restricted(f, why+"，患者生于"+f.Birth.String(), func(o *Order) bool {
		age := o.From.Age(f.Birth)
		return age < r.MinAge || age > r.MaxAge
	})
}

// visitKind: an item is for some kinds of care only (限就诊类型).
func (r *Rule) visitKind(f *Facts) []Finding {
	if slices.Contains(r.Visits, f.Visit.Kind) {
		return nil
	}
	titles := make([]string, len(r.Visits))
	for i, k := range r.Visits {
		titles[i] = k.Title()
	}
	return r.restricted(f, "限"+strings.Join(titles, "、")+"使用，本次为"+f.Visit.Kind.Title(), always)
}

// diagnosis: an item needs a diagnosis (限诊断).
func (r *Rule) diagnosis(f *Facts) []Finding {
	for _, code := range f.Visit.Diagnoses {
		for _, prefix := range r.DiagnosisPrefix {
			if strings.HasPrefix(code, prefix) {
				return nil
			}
		}
	}
	return r.restricted(f, "须有编码以"+strings.Join(r.DiagnosisPrefix, "、")+"开头的诊断，本次就诊没有", always)
}

// dailyQuantity: more of an item is ordered on a day than allowed (超量). An
// order for several days is judged alone, by its own days.
func (r *Rule) dailyQuantity(f *Facts) (out []Finding) {
	for _, orders := range r.groups(f, byItemDay) {
		var total catalogue.Quantity
		var day []*Order
		for _, o := range orders {
			if n := o.days(); n == 1 {
				total += o.Quantity
				day = append(day, o)
			} else if most := r.Limit * catalogue.Quantity(n); o.judged() && o.Quantity > most {
				found := r.finding(&f.Visit, o.label()+o.From.String()+"至"+o.To.String()+"共"+strconv.Itoa(n)+"日开具"+o.Quantity.String()+"，每日不超过"+r.Limit.String())
				found.add(o, share(o.Amount, o.Quantity-most, o.Quantity))
				out = append(out, found)
			}
		}
		found := r.finding(&f.Visit, orders[0].label()+orders[0].From.String()+"共开具"+total.String()+"，每日不超过"+r.Limit.String())
		excess := total - r.Limit
		for _, o := range slices.Backward(day) {
			if excess <= 0 {
				break
			}
			if o.judged() {
				part := min(excess, o.Quantity)
				excess -= part
				found.add(o, share(o.Amount, part, o.Quantity))
			}
		}
		if len(found.Details) > 0 {
			slices.Reverse(found.Details)
			out = append(out, found)
		}
	}
	return out
}

// share is the part of an amount that falls on a part of the quantity, rounded
// half up (away from zero) to the fen; 0 ≤ part ≤ whole, whole > 0.
func share(amount money.Fen, part, whole catalogue.Quantity) money.Fen {
	if amount < 0 {
		return -share(-amount, part, whole)
	}
	hi, lo := bits.Mul64(uint64(amount), uint64(part))
	lo, carry := bits.Add64(lo, uint64(whole)/2, 0)
	n, _ := bits.Div64(hi+carry, lo, uint64(whole))
	return money.Fen(n)
}

// dailyRepeat: an item is charged more than once on a day (重复收费). Rows that
// take back cancel as many others; what is charged last is too much.
func (r *Rule) dailyRepeat(f *Facts) (out []Finding) {
	for _, orders := range r.groups(f, byItemDay) {
		times := 0
		for _, o := range orders {
			times += cmp.Compare(o.Quantity, 0)
		}
		found := r.finding(&f.Visit, orders[0].label()+orders[0].From.String()+"收费"+strconv.Itoa(times)+"次，每日限1次")
		for _, o := range slices.Backward(orders) {
			if times > 1 && o.judged() {
				found.add(o, o.Amount)
				times--
			}
		}
		if len(found.Details) > 0 {
			slices.Reverse(found.Details)
			out = append(out, found)
		}
	}
	return out
}

// exclusive: of some items only one may be charged on a day (互斥项目). The item
// of the highest amount may stay.
func (r *Rule) exclusive(f *Facts) (out []Finding) {
	for _, orders := range r.groups(f, byDay) {
		amounts, quantities := map[string]money.Fen{}, map[string]catalogue.Quantity{}
		for _, o := range orders {
			amounts[o.Item] += o.Amount
			quantities[o.Item] += o.Quantity
		}
		orders = slices.DeleteFunc(orders, func(o *Order) bool { return o.Quantity <= 0 || quantities[o.Item] <= 0 })
		if !slices.ContainsFunc(orders, (*Order).judged) {
			continue
		}
		stays, labels := orders[0].Item, map[string]string{}
		for _, o := range orders {
			if labels[o.Item] == "" {
				labels[o.Item] = o.label()
			}
			if dearer := cmp.Compare(amounts[o.Item], amounts[stays]); dearer > 0 || dearer == 0 && o.Item < stays {
				stays = o.Item
			}
		}
		if len(labels) == 1 {
			continue
		}
		found := r.finding(&f.Visit, strings.Join(slices.Sorted(maps.Values(labels)), "与")+"于"+orders[0].From.String()+"同日收费，只能收取其中一项")
		for _, o := range orders {
			if o.Item == stays {
				found.add(o, 0)
			} else {
				found.add(o, o.Amount)
			}
		}
		out = append(out, found)
	}
	return out
}

// priceMultiple: an amount is above a multiple of the catalogue price (超价). An
// order without a catalogue price is not judged.
func (r *Rule) priceMultiple(f *Facts) (out []Finding) {
	for _, orders := range r.groups(f, byItem) {
		found := r.finding(&f.Visit, orders[0].label()+"收费超过目录价格的"+r.Multiple.String()+"倍")
		for _, o := range orders {
			if !o.judged() || o.Reference <= 0 {
				continue
			}
			most := catalogue.Item{UnitCeiling: o.Reference}.Ceiling(o.Quantity).Mul(r.Multiple)
			if o.Amount > most {
				found.add(o, o.Amount-most)
			}
		}
		if len(found.Details) > 0 {
			out = append(out, found)
		}
	}
	return out
}

// elsewhere: while a person stays at one provider there is care at another
// (住院期间异院就诊). The first and the last day of a stay do not count: a
// person may come from another provider, and go to one.
func (r *Rule) elsewhere(f *Facts) (out []Finding) {
	v := &f.Visit
	for i := range f.Others {
		o := &f.Others[i]
		if o.Provider == v.Provider || !o.stay() && !v.stay() || v.From >= o.end() || o.From >= v.end() {
			continue
		}
		found := r.finding(v, "本次"+v.span()+"与在其他定点医药机构的"+o.span()+"时间重叠")
		found.Other = o.ID
		found.Details = []Detail{{}}
		out = append(out, found)
	}
	return out
}

// span says the kind and the days of a visit.
func (v *Visit) span() string {
	switch {
	case !v.stay():
		return v.Kind.Title() + "（" + v.From.String() + "）"
	case v.To == 0:
		return v.Kind.Title() + "（" + v.From.String() + "入院，未出院）"
	}
	return v.Kind.Title() + "（" + v.From.String() + "至" + v.To.String() + "）"
}

// readmission: a person is admitted again to the provider soon after the
// discharge, for the same main diagnosis: one stay may have been split in two
// (分解住院).
func (r *Rule) readmission(f *Facts) []Finding {
	v := &f.Visit
	var last *Visit
	for i := range f.Others {
		o := &f.Others[i]
		if again(o, v, r.Days) && o.Diagnosis == v.Diagnosis && (last == nil || o.To >= last.To) {
			last = o
		}
	}
	if last == nil || v.Diagnosis == "" {
		return nil
	}
	found := r.finding(v, last.To.String()+"出院后"+strconv.Itoa(v.From.DaysSince(last.To))+"日内以同一主要诊断（"+v.Diagnosis+"）再次入院（"+v.From.String()+"）")
	found.Other = last.ID
	found.Details = []Detail{{}}
	return []Finding{found}
}

// again reports whether a stay began at the same provider at most so many days
// after another ended.
func again(before, v *Visit, days int) bool {
	return before.stay() && v.stay() && before.Provider == v.Provider && before.To != 0 && before.To <= v.From && v.From.DaysSince(before.To) <= days
}
