package policy_test

import (
	"testing"

	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

// TestTerms: what a package promises is what it then settles.
func TestTerms(t *testing.T) {
	s, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range s.Regions() {
		for scheme := policy.Employee; scheme <= policy.Resident; scheme++ {
			for level := policy.Primary; level <= policy.Level3; level++ {
				c := policy.Case{Region: region, Date: 20250624, Scheme: scheme, Level: level, Visit: policy.Inpatient, Birth: 19800101}
				terms, err := s.Terms(&c)
				if err != nil {
					t.Fatalf("%s: %v", region, err)
				}
				c.Lines = []policy.Line{{Amount: 5_000_000, Ceiling: policy.NoCeiling}}
				var r policy.Result
				if err := s.Settle(&c, &r, nil); err != nil {
					t.Fatalf("%s: %v", region, err)
				}
				if terms.Unknown != "" || len(terms.Stages) == 0 {
					if !r.Refused {
						t.Errorf("%s %s %s: nothing is promised (%s), yet it is settled", region, scheme.Title(), level.Title(), terms.Unknown)
					}
					continue
				}
				first := terms.Stages[0]
				if d := first.Deductible; d != nil && d.Unknown == "" && !r.Refused && d.Amount != r.Deductible {
					t.Errorf("%s %s %s: deductible %s, settled with %s", region, scheme.Title(), level.Title(), d.Amount, r.Deductible)
				}
				if len(first.Bands) == 1 && first.Bands[0].Unknown == "" && !r.Refused && first.Bands[0].Ratio != r.Ratio {
					t.Errorf("%s %s %s: ratio %s, settled with %s", region, scheme.Title(), level.Title(), first.Bands[0].Ratio, r.Ratio)
				}
			}
		}
	}
}

// TestTermsLeft: what is left of the year is counted.
func TestTermsLeft(t *testing.T) {
	s, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	c := policy.Case{Region: "990100", Date: 20250624, Visit: policy.Outpatient, Level: policy.Level2}
	c.YearToDate[policy.AccDeductible], c.YearToDate[policy.AccOutpatientFund] = 4_000, 150_000
	terms, err := s.Terms(&c)
	if err != nil {
		t.Fatal(err)
	}
	st := terms.Stages[0]
	if !st.Deductible.Yearly || st.Deductible.Amount != 10_000 || st.Deductible.Left != 6_000 || st.Limits[0].Left != 50_000 || len(st.Limits[0].Sources) == 0 {
		t.Errorf("%+v %+v", st.Deductible, st.Limits[0])
	}
	c.Visit = policy.Inpatient
	if terms, err = s.Terms(&c); err != nil || terms.Stages[0].Deductible.Yearly || terms.Stages[1].Threshold == nil || terms.Stages[1].Threshold.Amount != 1_000_000 || len(terms.Stages[1].Bands) != 3 {
		t.Errorf("%+v %v", terms, err)
	}
	if rate, sources, ok, err := s.FirstPay(&c); !ok || err != nil || rate.Percent() != "10%" || len(sources) == 0 {
		t.Errorf("%v %v %t %v", rate, sources, ok, err)
	}
	if _, _, ok, err := s.FirstPay(&policy.Case{Region: "500000", Date: 20250624}); ok || err != nil {
		t.Errorf("a package that does not know it: %t, %v", ok, err)
	}
	if src, ok := s.Cite("990100", 20250624, "社会保险法", "第三十条"); !ok || src.String() != "《中华人民共和国社会保险法》第三十条" {
		t.Errorf("%v %t", src, ok)
	}
	if x, ok := s.TipOffs("990100", 20250624); !ok || x.AcceptDays != 15 || x.CloseDays != 30 {
		t.Errorf("%+v", x)
	}
	if _, ok := s.TipOffs("310000", 20250624); ok {
		t.Error("a package that says no term")
	}
}
