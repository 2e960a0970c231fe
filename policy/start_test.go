package policy_test

import (
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

func TestBenefitsStart(t *testing.T) {
	s, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name   string
		scheme policy.Scheme
		paid   civil.Date
		facts  map[string]int64
		birth  civil.Date
		rule   string
		from   civil.Date
		year   civil.Date
		wait   int
	}{
		{name: "集中期首日", scheme: policy.Resident, paid: 20250910, rule: "main", from: 20260101, year: 20260101},
		{name: "集中期末日", scheme: policy.Resident, paid: 20251225, rule: "main", from: 20260101, year: 20260101},
		{name: "集中期前一日", scheme: policy.Resident, paid: 20250909, rule: "late", from: 20251209, year: 20250101, wait: 3},
		{name: "集中期后一日", scheme: policy.Resident, paid: 20251226, rule: "late", from: 20260326, year: 20250101, wait: 3},
		{name: "补充期首日", scheme: policy.Resident, paid: 20260101, rule: "supplementary", from: 20260101, year: 20260101},
		{name: "补充期末日", scheme: policy.Resident, paid: 20260228, rule: "supplementary", from: 20260228, year: 20260101},
		{name: "补充期后一日", scheme: policy.Resident, paid: 20260301, rule: "late", from: 20260601, year: 20260101, wait: 3},
		{name: "断缴一年，集中期补上", scheme: policy.Resident, paid: 20251001, facts: map[string]int64{"broken_years": 1}, rule: "main_broken", from: 20260201, year: 20260101, wait: 4},
		{name: "断缴一年，早缴则元旦前等满", scheme: policy.Resident, paid: 20250910, facts: map[string]int64{"broken_years": 1, "mended_years": 1}, rule: "main_broken", from: 20260101, year: 20260101, wait: 3},
		{name: "断缴三年", scheme: policy.Resident, paid: 20260401, facts: map[string]int64{"broken_years": 3}, rule: "late", from: 20261001, year: 20260101, wait: 6},
		{name: "断缴五年，全部修复，仍不少于六个月", scheme: policy.Resident, paid: 20260401, facts: map[string]int64{"broken_years": 5, "mended_years": 5}, rule: "late", from: 20261001, year: 20260101, wait: 6},
		{name: "断缴五年", scheme: policy.Resident, paid: 20260401, facts: map[string]int64{"broken_years": 5}, rule: "late", from: 20261201, year: 20260101, wait: 8},
		{name: "新生儿不等待", scheme: policy.Resident, paid: 20260601, facts: map[string]int64{"newborn": 1}, birth: 20260420, rule: "newborn", from: 20260420, year: 20260101},
		{name: "职工首次", paid: 20260131, facts: map[string]int64{"first": 1}, rule: "employee_first", from: 20260201, year: 20260101},
		{name: "职工中断三个月", paid: 20260415, facts: map[string]int64{"gap_months": 3}, rule: "employee", from: 20260415, year: 20260101},
		{name: "职工中断四个月", paid: 20261215, facts: map[string]int64{"gap_months": 4}, rule: "employee_first", from: 20270101, year: 20260101},
	} {
		c := policy.Case{Region: "990100", Date: x.paid, Scheme: x.scheme, Birth: x.birth}
		p, err := s.At(c.Region, c.Date)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range x.facts {
			if !p.SetFact(&c, name, v) {
				t.Fatalf("no fact %s", name)
			}
		}
		got, ok, err := s.BenefitsStart(&c, 0)
		if err != nil || !ok || got.ID != x.rule || got.From != x.from || got.Year != x.year || got.Wait != x.wait {
			t.Errorf("%s: %t, %v; %s from %s of year %s, %d months: %s", x.name, ok, err, got.ID, got.From, got.Year, got.Wait, got.What)
			continue
		}
		if !strings.Contains(got.What, x.from.String()) || len(got.Sources) == 0 {
			t.Errorf("%s: %q by %v", x.name, got.What, got.Sources)
		}
	}
	// Without a day of birth nobody is a newborn; a region that says nothing says so.
	c := policy.Case{Region: "990100", Date: 20260601, Scheme: policy.Resident}
	p, _ := s.At(c.Region, c.Date)
	p.SetFact(&c, "newborn", 1)
	if _, _, err := s.BenefitsStart(&c, 0); err == nil || !strings.Contains(err.Error(), "person.birth") {
		t.Errorf("a newborn without a birth: %v", err)
	}
	if _, ok, err := s.BenefitsStart(&policy.Case{Region: "990200", Date: 20260601}, 0); ok || err != nil {
		t.Errorf("a region without rules: %t, %v", ok, err)
	}
	// The window crosses the new year where a package says so.
	for _, r := range p.StartRules() {
		if opens, closes := r.Window(); r.ID == "main" && (opens != "09-10" || closes != "12-25") || r.ID == "late" && opens+closes != "" {
			t.Errorf("%s is open from %s to %s", r.ID, opens, closes)
		}
	}
}
