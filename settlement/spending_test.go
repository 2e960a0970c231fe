package settlement_test

import (
	"testing"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// TestSpending: what a period spent, by whom it was spent on and by disease; a
// reversal leaves nothing, and another period and region are not counted.
func TestSpending(t *testing.T) {
	w := open(t)
	diagnose := func(q settlement.SettleRequest, all ...settlement.Diagnosis) settlement.SettleRequest {
		w.must(w.update(func(tx *db.Tx) error {
			return w.service.Describe(w.ctx, tx, settlement.DescribeRequest{Visit: q.Visit, Person: q.Person, Provider: q.Provider, Kind: policy.Outpatient, Begun: noon, Diagnoses: all, Actor: "test"})
		}))
		return q
	}
	cold := settlement.Diagnosis{Kind: "1", Code: "J00.x00", Name: "急性上呼吸道感染", Main: true}
	cough := settlement.Diagnosis{Kind: "1", Code: "R05.x00", Name: "咳嗽"}
	w.settle(diagnose(w.visit(demo.LiJi, "H99010000101", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 1000)), cough, cold))
	last := w.settle(diagnose(w.visit(demo.LiJi, "H99010000201", policy.Employee, policy.Outpatient, fee("1", "SVC990000001", 100)), cold))
	w.settle(w.visit("990100199001010119", "H50000000101", policy.Resident, policy.Inpatient, fee("1", "SVC990000001", 5000)))
	w.settle(guo(w)) // insured in another region
	spent := func(from, to int) (all []settlement.SpentOn, diseases []settlement.SpentOnDisease) {
		w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
			if all, err = settlement.Spent(w.ctx, tx, "990100", today.AddDays(from), today.AddDays(to)); err != nil {
				return err
			}
			diseases, err = settlement.Diseases(w.ctx, tx, "990100", today.AddDays(from), today.AddDays(to), 10)
			return err
		}))
		return all, diseases
	}
	all, diseases := spent(0, 0)
	var sum settlement.Spending
	for _, s := range all {
		sum.Add(s.Spending)
		if s.Total != s.Fund+s.Account+s.Cash {
			t.Errorf("%+v does not add up", s)
		}
		if s.Away != (s.Kind == policy.Inpatient) {
			t.Errorf("%+v: away is wrong", s)
		}
	}
	if len(all) != 3 || sum.Visits != 3 || sum.Total != 610_000 {
		t.Errorf("spent %+v", all)
	}
	if len(diseases) != 2 {
		t.Fatalf("diseases %+v", diseases)
	}
	byCode := map[string]settlement.SpentOnDisease{diseases[0].Code: diseases[0], diseases[1].Code: diseases[1]}
	if d := byCode["J00.x00"]; d.Name != "急性上呼吸道感染" || d.Visits != 2 || d.Total != 110_000 {
		t.Errorf("colds %+v", d)
	}
	if d := byCode[""]; d.Visits != 1 || d.Total != 500_000 {
		t.Errorf("without a diagnosis %+v", d)
	}
	if diseases[0].Fund < diseases[1].Fund {
		t.Errorf("not the dearest first: %+v", diseases)
	}
	w.reverse(last.ID, last.Provider.Code)
	all, diseases = spent(-30, 30)
	sum = settlement.Spending{}
	for _, s := range all {
		sum.Add(s.Spending)
	}
	if sum.Visits != 2 || sum.Total != 600_000 || len(diseases) != 2 {
		t.Errorf("after a reversal %+v, %+v", sum, diseases)
	}
	if all, diseases := spent(1, 30); len(all) != 0 || len(diseases) != 0 {
		t.Errorf("tomorrow %+v, %+v", all, diseases)
	}
}
