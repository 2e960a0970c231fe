package policy_test

import (
	"strings"
	"testing"

	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

func TestEntitled(t *testing.T) {
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	base := policy.Case{Region: "990100", Date: 20250620, Birth: 19850312, Level: policy.Level3}
	poor, _ := store.Class("低保")
	for _, x := range []struct {
		name   string
		change func(*policy.Case)
		want   map[string]string // by fund: "" due, otherwise part of the reason
	}{
		{"a stay", func(c *policy.Case) { c.Visit = policy.Inpatient }, map[string]string{"pooled_employee": "", "catastrophic": "", "assistance": "不符合"}},
		{"a stay of a poor person", func(c *policy.Case) { c.Visit = policy.Inpatient; c.Classes = poor }, map[string]string{"pooled_employee": "", "catastrophic": "", "assistance": ""}},
		{"outpatient", func(*policy.Case) {}, map[string]string{"pooled_employee": "", "catastrophic": "「职工门诊、急诊」不由该基金支付", "assistance": "不由该基金支付"}},
		{"the year's limit used up", func(c *policy.Case) { c.YearToDate[policy.AccOutpatientFund] = 200_000 }, map[string]string{"pooled_employee": "年度限额已经用完", "catastrophic": "不由", "assistance": "不由"}},
		{"one fen of the limit left", func(c *policy.Case) { c.YearToDate[policy.AccOutpatientFund] = 199_999 }, map[string]string{"pooled_employee": "", "catastrophic": "不由", "assistance": "不由"}},
		{"a resident", func(c *policy.Case) { c.Scheme, c.Visit = policy.Resident, policy.Inpatient }, map[string]string{"pooled_resident": "", "catastrophic": "", "assistance": "不符合"}},
		{"waiting", func(c *policy.Case) { c.Insured = policy.Waiting }, map[string]string{"pooled_employee": "等待期", "catastrophic": "等待期", "assistance": "等待期"}},
		{"in arrears", func(c *policy.Case) { c.Insured = policy.Arrears }, map[string]string{"pooled_employee": "欠费", "catastrophic": "欠费", "assistance": "欠费"}},
		{"not insured", func(c *policy.Case) { c.Insured = policy.NotInsured }, map[string]string{"pooled_employee": "没有参保", "catastrophic": "没有参保", "assistance": "没有参保"}},
		{"dead", func(c *policy.Case) { c.Insured = policy.Deceased }, map[string]string{"pooled_employee": "已死亡", "catastrophic": "已死亡", "assistance": "已死亡"}},
		{"not designated", func(c *policy.Case) { c.Undesignated = true }, map[string]string{"pooled_employee": "非定点", "catastrophic": "非定点", "assistance": "非定点"}},
	} {
		c := base
		x.change(&c)
		got, err := store.Entitled(&c)
		if err != nil || len(got) != len(x.want) {
			t.Errorf("%s: %d funds, %v", x.name, len(got), err)
			continue
		}
		for _, e := range got {
			want, ok := x.want[e.Fund.ID]
			if !ok || e.Due != (want == "") || !strings.Contains(e.Reason, want) || e.Due && e.Reason != "" {
				t.Errorf("%s: %s due %t %q, want %q (known %t)", x.name, e.Fund.ID, e.Due, e.Reason, want, ok)
			}
		}
		if c.Lines != nil {
			t.Errorf("%s: the case was changed", x.name)
		}
	}
	if _, err := store.Entitled(&policy.Case{Region: "990999", Date: 20250620}); err == nil {
		t.Error("a region without a package is answered")
	}
}

// Wherever Entitled says that no fund is due, a settlement pays nothing from
// any, over every package and kind of care.
func TestEntitledAgreesWithSettle(t *testing.T) {
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range store.Regions() {
		for _, p := range store.Versions(region) {
			for visit := policy.Outpatient; visit <= policy.DaySurgery; visit++ {
				for _, scheme := range []policy.Scheme{policy.Employee, policy.Resident} {
					c := policy.Case{Region: region, Date: p.From, Scheme: scheme, Visit: visit, Birth: 19600101, Level: policy.Level2}
					funds, err := store.Entitled(&c)
					if err != nil {
						continue // the package asks for a fact that is not given
					}
					due := map[string]bool{}
					for _, e := range funds {
						due[e.Fund.ID] = e.Due
					}
					c.Lines = []policy.Line{{Amount: 5_000_000, Ceiling: policy.NoCeiling}}
					var r policy.Result
					if err := store.Settle(&c, &r, nil); err != nil {
						t.Fatal(err)
					}
					for _, sp := range r.Stages() {
						if sp.Fund != nil && sp.Paid > 0 && !due[sp.Fund.ID] {
							t.Errorf("%s %s %s: %s pays %s and is said not to be due", p.File, scheme, visit, sp.Fund.ID, sp.Paid)
						}
					}
				}
			}
		}
	}
}
