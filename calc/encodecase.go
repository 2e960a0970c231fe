package calc

import (
	"strconv"

	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// AppendCase appends the case as the JSON object that Decode reads back to the
// same case, under the package that decides it.
func AppendCase(b []byte, store *policy.Store, p *policy.Package, c *policy.Case) []byte {
	text := func(key, v string) {
		b = append(AppendString(append(b, ','), key), ':')
		b = AppendString(b, v)
	}
	flag := func(key string, v bool) {
		b = append(AppendString(append(b, ','), key), ':')
		b = strconv.AppendBool(b, v)
	}
	b = append(b, `{"region":`...)
	b = AppendString(b, c.Region)
	if c.CareRegion != "" {
		text("care_region", c.CareRegion)
	}
	text("date", c.Date.String())
	b = append(b, `,"person":{"scheme":`...)
	b = AppendString(b, c.Scheme.String())
	flag("retired", c.Retired)
	text("birth", c.Birth.String())
	text("sex", map[bool]string{false: "M", true: "F"}[c.Female])
	b = append(b, `,"classes":[`...)
	for i, n := range store.ClassNames(c.Classes) {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, n)
	}
	b = append(b, `],"insured":{"status":`...)
	b = AppendString(b, c.Insured.String())
	text("benefits_from", c.BenefitsFrom.String())
	b = append(b, `,"arrears_months":`...)
	b = strconv.AppendInt(b, int64(c.ArrearsMonths), 10)
	b = append(b, `}},"provider":{"level":`...)
	b = AppendString(b, c.Level.String())
	text("kind", c.ProviderKind.String())
	flag("designated", !c.Undesignated)
	flag("private", c.Private)
	b = append(b, `},"visit":{"kind":`...)
	b = AppendString(b, c.Visit.String())
	text("disease", c.Disease)
	b = append(b, `,"nth_this_year":`...)
	b = strconv.AppendInt(b, int64(max(c.Nth, 1)), 10)
	text("filing", c.Filing.String())
	text("cause", c.Cause.String())
	text("admitted", c.Admitted.String())
	text("deductible_borne", c.StayBorne.String())
	b = append(b, `},"lines":[`...)
	for i := range c.Lines {
		l := &c.Lines[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = AppendString(b, l.Name)
		text("class", l.Class.String())
		text("amount", l.Amount.String())
		if l.FirstPay >= 0 {
			text("first_pay", l.FirstPay.String())
		}
		if l.Ceiling >= 0 {
			text("ceiling", l.Ceiling.String())
		}
		if l.Date != 0 {
			text("date", l.Date.String())
		}
		b = append(b, '}')
	}
	b = append(b, ']')
	sums := func(key string, a *policy.Accumulators) {
		b = append(AppendString(append(b, ','), key), ':', '{')
		for i, n := range p.Accumulators() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(AppendString(b, n), ':')
			b = AppendString(b, a[i].String())
		}
		b = append(b, '}')
	}
	sums("year_to_date", &c.YearToDate)
	if c.NextYear != (policy.Accumulators{}) {
		sums("next_year_to_date", &c.NextYear)
	}
	text("account_balance", c.Account.String())
	text("family_account", money.Fen.String(c.FamilyAccount))
	flag("use_account", !c.KeepAccount)
	if c.FactsSet != 0 {
		b = append(b, `,"facts":{`...)
		first := true
		for i, n := range p.FactNames() {
			if c.FactsSet&(1<<i) == 0 {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(AppendString(b, n), ':')
			b = AppendString(b, p.FormatFact(i, c.Facts[i]))
		}
		b = append(b, '}')
	}
	return append(b, '}')
}
