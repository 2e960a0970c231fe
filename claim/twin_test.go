package claim_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// TestTwins lets one of two people alike be treated at hospitals that settle, and
// the other pay and claim the same care, in the same order: to the fen they come to
// the same, whatever the care, and so do their sums of the year (灵活就业者两通道结果
// 应一致, S2-28).
func TestTwins(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 5))
	r := open(t)
	twins := [2]enrolment.Person{}
	r.update(func(tx *db.Tx) error {
		for i := range twins {
			p := &twins[i]
			*p = enrolment.Person{Name: fmt.Sprint("双", i), CitizenID: []string{"99010019850312003X", "990100198503120057"}[i], Birth: 19850312, Region: "990100"}
			if err := r.register.Add(r.ctx, tx, p); err != nil {
				return err
			}
			if err := enrolment.AddInsurance(r.ctx, tx, p.ID, enrolment.Insurance{Scheme: policy.Resident, From: 20250101}); err != nil {
				return err
			}
			if err := enrolment.AddClass(r.ctx, tx, p.ID, enrolment.Class{Name: "低保", From: 20250101}); err != nil {
				return err
			}
		}
		return nil
	})
	items := []string{"SVC990000001", "DRG990000001", "DRG990000002", "DRG990000003", "DRG990000004", "BED990000001", "MEAL99000001", "NONE"}
	places := []string{city, "H99010000201", "H99010000301", away}
	day := civil.Date(20250310)
	for n := range 12 {
		r.day = day.AddDays(3)
		kind := []policy.VisitKind{policy.Inpatient, policy.Outpatient, policy.DaySurgery}[rnd.IntN(3)]
		where := places[rnd.IntN(len(places))]
		from, to := day, day
		if kind != policy.Outpatient {
			to = day.AddDays(2)
		}
		var lines []claim.Line
		var fees []settlement.Fee
		var total money.Fen
		for i := range 1 + rnd.IntN(6) {
			l := claim.Line{Invoice: 1, Item: items[rnd.IntN(len(items))], Name: "费用", Day: from, Quantity: catalogue.Quantity(1 + rnd.IntN(50_000)), Price: int64(1 + rnd.IntN(900_000_000))}
			amount := settlement.Multiply(l.Quantity, l.Price)
			if amount == 0 {
				continue
			}
			lines = append(lines, l)
			fees = append(fees, settlement.Fee{Serial: fmt.Sprint(i), Item: l.Item, ProviderItem: l.Name, Time: from.Time().Add(4e12), Quantity: l.Quantity, Price: l.Price, Amount: amount})
			total += amount
		}
		if total == 0 {
			continue
		}
		var there *settlement.Settlement
		r.update(func(tx *db.Tx) error {
			v, err := r.care.Open(r.ctx, tx, settlement.OpenRequest{Person: twins[0].ID, Provider: where, Scheme: policy.Resident, Kind: kind, Begun: from.Time().Add(4e12), Actor: "test"})
			if err != nil {
				return err
			}
			if _, err := r.care.AddFees(r.ctx, tx, v.ID, where, fees, "test"); err != nil {
				return err
			}
			there, err = r.care.Settle(r.ctx, tx, settlement.SettleRequest{Visit: v.ID, Person: twins[0].ID, Provider: where, Total: total, Discharged: to, Actor: "test"})
			return err
		})
		f := claim.Form{Reason: "新参保未发卡", Kind: kind, Where: "医院", From: from, To: to, Bank: bank}
		c := r.apply(twins[1].ID, f, claim.Invoice{Number: fmt.Sprint("T", n), Day: from, Total: total})
		r.hand(c, "收费票据", "费用明细清单", "处方底联", "诊断证明", "出院诊断证明")
		c = r.decided(r.accepted(c, where, lines...), claim.Pay)
		r.update(func(tx *db.Tx) error {
			here, _, err := r.care.Get(r.ctx, tx, c.Settlements[0])
			if err != nil {
				return err
			}
			a, b := &there.Result, &here.Result
			if a.FundTotal != b.FundTotal || a.Fund != b.Fund || a.Person != b.Person || a.InScope != b.InScope || a.YearToDate != b.YearToDate {
				t.Errorf("care %d (%s in %s, %s): settled there %s, claimed %s", n, kind, where, total, a.FundTotal, b.FundTotal)
			}
			owed, err := r.Owed(r.ctx, tx, c)
			if owed != b.FundTotal {
				t.Errorf("care %d: %s is owed, funds pay %s", n, owed, b.FundTotal)
			}
			return err
		})
		day = day.AddDays(5)
	}
	r.proved()
}
