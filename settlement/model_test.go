package settlement_test

import (
	"testing"

	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// This file is a second, naive statement of what TestHistories may see: the
// rules of the two example regions written out by hand, and accounts that are
// always summed anew from what stands.

// A patient of the model.
type patient struct {
	certno, id string
	region     string
	scheme     policy.Scheme
	retired    bool
	account    money.Fen // what the personal account holds
	standing   []*settled
}

// A visited place of the model.
type visited struct {
	id       string
	patient  *patient
	provider string
	level    policy.Level
	stay     bool
	fees     []*charged
	serial   int
	closed   bool
}

// charged is a fee line; taken says that a second line took it back.
type charged struct {
	serials []string
	amount  money.Fen
	own     bool // class 丙
	day     int  // of May
	taken   bool
	settled *settled
}

// settled is a settlement that stands.
type settled struct {
	id         string
	visit      *visited
	scope, own money.Fen
	useAccount bool
	held       money.Fen // by the account when it was decided
	outcome
}

type outcome struct {
	deductible, basic, outpatient, base, large, account money.Fen
}

func (s *settled) person(o outcome) money.Fen { return s.scope + s.own - o.basic - o.large }

func share(a money.Fen, percent int64) money.Fen {
	return money.Fen((int64(a)*percent + 50) / 100)
}

// outcomes decides the settlements of one person in their order.
func (p *patient) outcomes(t testing.TB, all []*settled) []outcome {
	out := make([]outcome, len(all))
	var deductible, basic, outpatient, base money.Fen // of the year
	for i, s := range all {
		o := &out[i]
		switch {
		case s.visit.stay:
			others := map[*visited]bool{}
			var borne money.Fen
			for j := range i {
				switch v := all[j].visit; {
				case v == s.visit:
					borne += out[j].deductible
				case v.stay:
					others[v] = true
				}
			}
			standard := p.standard(s.visit.level)
			if p.region == "990100" && len(others) > 0 {
				standard /= 2
			}
			o.deductible = min(s.scope, max(0, standard-borne))
			o.basic = min(share(s.scope-o.deductible, p.stayRatio(s.visit.level)), p.cap()-basic)
			if p.region == "990100" {
				threshold := money.Fen(1_000_000)
				if p.scheme == policy.Resident {
					threshold = 2_000_000
				}
				o.base = s.scope - o.basic
				over := max(0, base+o.base-threshold) - max(0, base-threshold)
				if base+o.base > threshold+3_000_000 {
					t.Fatal("the model knows the first band of the catastrophic insurance only")
				}
				o.large = share(over, 60)
			}
		case p.scheme == policy.Employee:
			o.deductible = min(s.scope, max(0, 10_000-deductible))
			o.basic = min(share(s.scope-o.deductible, p.visitRatio(s.visit.level)), 200_000-outpatient)
			o.outpatient = o.basic
		default:
			o.basic = min(share(s.scope, p.visitRatio(s.visit.level)), 50_000-outpatient)
			o.outpatient = o.basic
		}
		if s.useAccount && p.scheme == policy.Employee && p.region == "990100" {
			o.account = min(s.held, s.person(*o))
		}
		deductible += o.deductible
		basic += o.basic
		outpatient += o.outpatient
		base += o.base
	}
	return out
}

func (p *patient) standard(l policy.Level) money.Fen {
	if p.region == "990200" {
		return 130_000
	}
	return map[policy.Scheme]map[policy.Level]money.Fen{
		policy.Employee: {policy.Level2: 40_000, policy.Level3: 80_000},
		policy.Resident: {policy.Level2: 30_000, policy.Level3: 60_000},
	}[p.scheme][l]
}

func (p *patient) stayRatio(l policy.Level) int64 {
	third := l == policy.Level3
	switch {
	case p.region == "990200":
		return 80
	case p.scheme == policy.Resident && third:
		return 50
	case p.scheme == policy.Resident:
		return 60
	case p.retired && third:
		return 90
	case p.retired:
		return 92
	case third:
		return 85
	}
	return 87
}

func (p *patient) visitRatio(l policy.Level) int64 {
	third := l == policy.Level3
	switch {
	case p.scheme == policy.Resident && third:
		return 50
	case p.scheme == policy.Resident:
		return 55
	case p.retired && third:
		return 70
	case p.retired:
		return 80
	case third:
		return 60
	}
	return 70
}

func (p *patient) cap() money.Fen {
	switch {
	case p.region == "990200":
		return 10_000_000
	case p.scheme == policy.Employee:
		return 48_000_000
	}
	return 24_000_000
}

// books are all accounts of the ledger that are not empty, and yearSums the
// sums of the year by person and name.
func books(people []*patient) (ledger, yearSums map[string]money.Fen) {
	ledger, yearSums = map[string]money.Fen{}, map[string]money.Fen{}
	for _, p := range people {
		pooled := "pooled"
		if p.region == "990100" {
			pooled = map[policy.Scheme]string{policy.Employee: "pooled_employee", policy.Resident: "pooled_resident"}[p.scheme]
		}
		ledger[fund.PersonAccount(p.id)] += p.account
		visits := map[*visited]bool{}
		for _, s := range p.standing {
			ledger[fund.FundAccount(p.region, pooled)] -= s.basic
			ledger[fund.FundAccount(p.region, "catastrophic")] -= s.large
			if kind := map[bool]string{true: "inpatient", false: "outpatient"}[s.visit.stay]; !visits[s.visit] {
				visits[s.visit] = true
				yearSums[p.id+" visits:"+kind]++
			}
			ledger[fund.Payable(s.visit.provider)] += s.basic + s.large + s.account
			for name, a := range map[string]money.Fen{"deductible": s.deductible, "in_scope": s.scope, "basic_fund": s.basic,
				"outpatient_fund": s.outpatient, "catastrophic_base": s.base, "catastrophic_fund": s.large} {
				yearSums[p.id+" "+name] += a
			}
		}
	}
	return ledger, yearSums
}
