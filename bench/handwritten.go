// Package bench measures Anji on the machine it runs on and reports ratios.
//
// It holds the one place where a region's numbers stand in Go: Handwritten, a
// straight loop for the example region 990100. It is what the engine is
// measured against, and an independent statement of that region's rules that
// the engine's results are compared with in tests. Nothing else uses it.
package bench

import (
	"math/bits"

	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Handwritten settles a case of 990100 as a programmer would write it for that
// region alone, with the numbers compiled in. classes are the bits of 特困,
// 低保 and 返贫致贫. It reports false where the region refuses.
func Handwritten(c *policy.Case, classes [3]policy.ClassSet, r *policy.Result) bool {
	lines := r.Lines[:0]
	*r = policy.Result{}
	if cap(lines) < len(c.Lines) {
		lines = make([]policy.LineSplit, len(c.Lines))
	}
	lines = lines[:len(c.Lines)]
	for i := range c.Lines {
		l := &c.Lines[i]
		s := policy.LineSplit{}
		if l.Amount < 0 || l.Class == policy.ClassA && l.FirstPay > 0 {
			return false
		}
		r.Total += l.Amount
		if uint64(r.Total) > uint64(money.Max) {
			return false
		}
		if l.Class == policy.ClassC {
			s.FullOwnPay = l.Amount
			r.FullOwnPay += l.Amount
		} else {
			rest := l.Amount
			if l.Ceiling >= 0 && rest > l.Ceiling {
				s.OverCeiling = rest - l.Ceiling
				r.OverCeiling += s.OverCeiling
				rest = l.Ceiling
			}
			if l.Class == policy.ClassB {
				p := l.FirstPay
				if p < 0 {
					p = 10_000_000
				}
				s.FirstOwnPay = rest.Mul(p)
				r.FirstOwnPay += s.FirstOwnPay
				rest -= s.FirstOwnPay
			}
			s.InScope = rest
			r.InScope += rest
		}
		lines[i] = s
	}
	r.Lines = lines
	r.YearToDate = c.YearToDate
	if c.Cause != policy.Illness && c.Cause != policy.ThirdPartyMissing ||
		c.Undesignated && c.Visit != policy.Emergency || c.Insured != policy.Normal {
		r.Refused = true
		r.Person, r.Cash = r.Total, r.Total
		return false
	}

	employee := c.Scheme == policy.Employee
	retired := employee && c.Retired
	level := 0
	if c.Level >= policy.Level2 {
		level = int(c.Level) - 1
	}
	who := 2
	if employee {
		who = 0
		if retired {
			who = 1
		}
	}
	inpatientRatio := [3][3]money.Rate{{90e6, 87e6, 85e6}, {95e6, 92e6, 90e6}, {65e6, 60e6, 50e6}}[who][level]
	var cut money.Rate
	if c.CareRegion != "" && c.CareRegion != c.Region && c.Filing == policy.NotFiled {
		cut = 10e6
	}
	s := r.InScope
	y := &r.YearToDate
	limit := money.Fen(48_000_000)
	if !employee {
		limit = 24_000_000
	}
	left := max(0, limit-c.YearToDate[policy.AccBasicFund])
	var rate money.Rate
	var deductible money.Fen
	supplements, outpatient := true, false
	switch c.Visit {
	case policy.Outpatient, policy.Emergency:
		supplements, outpatient = false, true
		rate = [3][3]money.Rate{{75e6, 70e6, 60e6}, {85e6, 80e6, 70e6}, {60e6, 55e6, 50e6}}[who][level]
		kind := money.Fen(50_000)
		if employee {
			deductible = max(0, 10_000-c.YearToDate[policy.AccDeductible])
			kind = 200_000
		}
		left = min(left, max(0, kind-c.YearToDate[policy.AccOutpatientFund]))
	case policy.Chronic:
		rate = 65e6
	case policy.Special:
		rate = max(65e6, inpatientRatio)
	case policy.PharmacyVisit:
		supplements = false
		left = 0
	default:
		if c.Visit == policy.Maternity && employee {
			rate = 100e6
			break
		}
		rate = inpatientRatio
		if employee {
			deductible = [3]money.Fen{20_000, 40_000, 80_000}[level]
		} else {
			deductible = [3]money.Fen{10_000, 30_000, 60_000}[level]
		}
		if c.Nth >= 2 {
			deductible /= 2
		}
	}
	borne := min(s, deductible)
	if c.Visit == policy.PharmacyVisit {
		borne = 0
	}
	basic := min((s - borne).Mul(max(0, rate-cut)), left)
	if c.Visit != policy.PharmacyVisit {
		r.Ratio = max(0, rate-cut)
		r.StagePays[0] = policy.StagePay{Base: s, Deductible: borne, Payable: left, Paid: basic}
		r.NumStages = 1
	}
	r.Deductible = borne
	r.Fund[policy.Basic] = basic
	y[policy.AccDeductible] += borne
	y[policy.AccInScope] += s
	y[policy.AccBasicFund] += basic
	if outpatient {
		y[policy.AccOutpatientFund] += basic
	}
	var catastrophic, assistance money.Fen
	if supplements {
		poor := c.Classes&(classes[0]|classes[1]|classes[2]) != 0
		threshold := money.Fen(1_000_000)
		if !employee {
			threshold = 2_000_000
			if poor {
				threshold = 1_000_000
			}
		}
		var tilt money.Rate
		if poor {
			tilt = 5e6
		}
		base := s - basic
		from := c.YearToDate[policy.AccCatastrophicBase]
		catastrophic = catastrophicPay(from, from+base, threshold, tilt)
		payable := money.Max * 10
		if !employee && !poor {
			payable = max(0, 60_000_000-c.YearToDate[policy.AccCatastrophicFund])
			catastrophic = min(catastrophic, payable)
		}
		r.StagePays[1] = policy.StagePay{Base: base, Payable: payable, Paid: catastrophic}
		r.NumStages = 2
		y[policy.AccCatastrophicBase] += base
		y[policy.AccCatastrophicFund] += catastrophic
		var aid money.Rate
		switch {
		case c.Classes&classes[0] != 0:
			aid = 100e6
		case c.Classes&classes[1] != 0:
			aid = 80e6
		case c.Classes&classes[2] != 0:
			aid = 70e6
		}
		if aid > 0 {
			payable := max(0, 3_000_000-c.YearToDate[policy.AccAssistanceFund])
			assistance = min((s - basic - catastrophic).Mul(aid), payable)
			y[policy.AccAssistanceFund] += assistance
			r.StagePays[2] = policy.StagePay{Base: s - basic - catastrophic, Payable: payable, Paid: assistance}
			r.NumStages = 3
		}
	}
	r.Fund[policy.Catastrophic], r.Fund[policy.Assistance] = catastrophic, assistance
	r.FundTotal = basic + catastrophic + assistance
	r.Person = r.Total - r.FundTotal
	if !c.KeepAccount {
		payable := r.Person
		if c.Visit == policy.PharmacyVisit {
			payable -= r.FullOwnPay
		}
		own := money.Fen(0)
		if employee { // residents have none of their own
			own = max(0, min(c.Account, payable))
		}
		r.FamilyAccount = max(0, min(c.FamilyAccount, payable-own))
		r.Account = own + r.FamilyAccount
		r.StagePays[r.NumStages] = policy.StagePay{Base: payable, Payable: money.Max, Paid: r.Account}
		r.NumStages++
	}
	r.Cash = r.Person - r.Account
	return true
}

// catastrophicPay is g(to) − g(from), rounded once.
func catastrophicPay(from, to, threshold money.Fen, tilt money.Rate) money.Fen {
	bounds := [3]money.Fen{threshold, threshold + 3_000_000, threshold + 8_000_000}
	rates := [3]money.Rate{60e6 + tilt, 70e6 + tilt, 80e6 + tilt}
	var hi, lo uint64
	for i := range bounds {
		top := to
		if i < 2 {
			top = min(to, bounds[i+1])
		}
		if part := top - max(from, bounds[i]); part > 0 {
			h, l := bits.Mul64(uint64(part), uint64(rates[i]))
			var carry uint64
			lo, carry = bits.Add64(lo, l, 0)
			hi += h + carry
		}
	}
	var carry uint64
	lo, carry = bits.Add64(lo, uint64(money.One)/2, 0)
	q, _ := bits.Div64(hi+carry, lo, uint64(money.One))
	return money.Fen(q)
}

// Classes looks up the classes of persons that Handwritten needs.
func Classes(s *policy.Store) (out [3]policy.ClassSet) {
	for i, n := range []string{"特困", "低保", "返贫致贫"} {
		out[i], _ = s.Class(n)
	}
	return out
}
