package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// visitsPerMonth is how many of the generated people are treated in a month of
// Year: enough for the desk's figures to show something, few enough that making
// them takes less than a second.
const visitsPerMonth = 40

// factory is the employer that pays for generated people, with how many of them.
var factory = contribution.Employer{Code: "91990100MA0000031K", Name: "安济示例制造有限公司", Region: "990100"}

const factoryStaff = 24

// illnesses are what generated people are treated for.
var illnesses = []struct {
	code, name string
	stay       bool
}{
	{"J00.x00", "急性上呼吸道感染", false}, {"I10.x00", "高血压", false}, {"E11.900", "2型糖尿病", false}, {"K29.500", "慢性胃炎", false}, {"M54.500", "腰痛", false},
	{"J18.900", "肺炎", true}, {"I63.900", "脑梗死", true}, {"I25.100", "冠状动脉粥样硬化性心脏病", true}, {"K80.200", "胆囊结石", true}, {"S72.000", "股骨颈骨折", true}, {"N18.900", "慢性肾脏病", true}, {"C34.900", "肺恶性肿瘤", true},
}

// Year lets a year pass on made-up data, up to yesterday: balances of the funds are
// taken over, an employer pays, some of the generated people are treated, and
// providers are paid for the months but the last two. It goes the ways of
// the rooms below, so that all records agree. The fixed people stay as they are.
func Year(ctx context.Context, store *db.DB, register *enrolment.Register, policies *policy.Store, today civil.Date) error {
	y := &year{register: register, r: rand.New(rand.NewPCG(uint64(today), 0xb7)), today: today}
	clock := func() time.Time { return y.at }
	y.care, y.dues = settlement.New(policies, register, clock), contribution.New(policies, register, clock)
	first := max(today.AddDays(1-today.Day()).AddMonths(-12), start)
	if _, err := policies.At(factory.Region, first); err != nil {
		return nil // packages of other regions: nothing can be decided here
	}
	for month := first; month < today; month = month.AddMonths(1) {
		if err := store.Update(ctx, func(tx *db.Tx) error {
			if y.people == nil {
				if err := y.begin(ctx, tx, first); err != nil {
					return err
				}
			}
			return y.month(ctx, tx, month)
		}); err != nil {
			return fmt.Errorf("demo: %s: %w", month.String()[:7], err)
		}
	}
	return nil
}

type year struct {
	register *enrolment.Register
	care     *settlement.Service
	dues     *contribution.Service
	r        *rand.Rand
	today    civil.Date
	at       time.Time
	people   []someone
	staff    []contribution.Declared
	visits   int
}

// someone is a generated person.
type someone struct {
	id     string
	scheme policy.Scheme
}

// openings are what the funds hold at the beginning, in yuan.
var openings = map[string]money.Fen{"pooled_employee": 260_000_00, "pooled_resident": 420_000_00, "catastrophic": 60_000_00, "assistance": 40_000_00}

// moment is a time of a day.
func moment(day civil.Date, hour, minute int) time.Time {
	return time.Date(day.Year(), time.Month(day.Month()), day.Day(), hour, minute, 0, 0, time.FixedZone("CST", 8*60*60))
}

func (y *year) begin(ctx context.Context, tx *db.Tx, first civil.Date) error {
	y.at = moment(first, 0, 30)
	fixedIDs := map[string]bool{}
	for _, f := range fixed(y.today) {
		p, ok, err := y.register.ByCitizenID(ctx, tx, f.id)
		if err != nil {
			return err
		}
		fixedIDs[p.ID] = ok
	}
	var workers []string
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var s someone
		var retired bool
		err := rows.Scan(&s.id, &s.scheme, &retired)
		if fixedIDs[s.id] {
			return err
		}
		y.people = append(y.people, s)
		if s.scheme == policy.Employee && !retired && len(workers) < factoryStaff {
			workers = append(workers, s.id)
		}
		return err
	}, `SELECT p.id, i.scheme, i.retired FROM person p JOIN insurance i ON i.person = p.id WHERE p.region = ? AND i.from_day <= ? ORDER BY p.id LIMIT 600`, factory.Region, int(first)); err != nil {
		return err
	}
	e := fund.Entry{At: y.at, Kind: "opening", Ref: factory.Region}
	var sum money.Fen
	for _, name := range []string{"assistance", "catastrophic", "pooled_employee", "pooled_resident"} {
		e.Postings = append(e.Postings, fund.Posting{Account: fund.FundAccount(factory.Region, name), Amount: openings[name]})
		sum += openings[name]
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: e.At, Kind: e.Kind, Ref: e.Ref, Postings: append(e.Postings, fund.Posting{Account: fund.Bank(factory.Region), Amount: -sum})}); err != nil {
		return err
	}
	if len(workers) == 0 {
		return nil
	}
	if err := y.dues.AddEmployer(ctx, tx, factory, "sandbox"); err != nil {
		return err
	}
	for _, id := range workers {
		p, _, err := y.register.ByID(ctx, tx, id)
		if err != nil {
			return err
		}
		wage := money.Fen(5_500_00 + 250_00*y.r.IntN(30))
		if err := y.dues.Employ(ctx, tx, contribution.Job{Person: id, Employer: factory.Code, From: first, Wage: wage}); err != nil {
			return err
		}
		y.staff = append(y.staff, contribution.Declared{Name: p.Name, CitizenID: p.CitizenID, Wage: wage.String()})
	}
	return nil
}

func (y *year) month(ctx context.Context, tx *db.Tx, month civil.Date) error {
	end := min(month.AddMonths(1).AddDays(-1), y.today.AddDays(-1))
	if day := month.AddDays(4); len(y.staff) > 0 && day <= end {
		y.at = moment(day, 10, 0)
		if err := y.contribute(ctx, tx, month); err != nil {
			return err
		}
	}
	if day := month.AddDays(14); month.Month() >= 10 && day <= end {
		y.at = moment(day, 9, 0)
		if err := y.enrol(ctx, tx); err != nil {
			return err
		}
	}
	if day := month.AddDays(9); day <= end && day.AddMonths(-1) >= start {
		y.at = moment(day, 15, 0)
		if err := y.clear(ctx, tx, clearing.MonthOf(month.AddDays(-1)), month.AddMonths(1) < y.today); err != nil {
			return err
		}
	}
	days := end.Day()
	if len(y.people) == 0 || days < 1 || end < month {
		return nil
	}
	n := visitsPerMonth * days / 31
	for i := range n {
		day := month.AddDays(i * days / n)
		y.at = moment(day, 8+i%9, y.r.IntN(60))
		if err := y.treat(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (y *year) contribute(ctx context.Context, tx *db.Tx, month civil.Date) error {
	d, err := y.dues.Declare(ctx, tx, factory.Code, month, y.staff, factory.Name)
	if err != nil {
		return err
	}
	if bad := d.Faulty(); len(bad) > 0 {
		return errors.New(bad[0].Fault)
	}
	if d, err = y.dues.Confirm(ctx, tx, d.ID, factory.Name); err != nil {
		return err
	}
	_, err = y.dues.PayDeclaration(ctx, tx, contribution.Notice{Channel: "bank", Reference: "DEMO" + strings.ReplaceAll(month.String()[:7], "-", ""), Bill: d.ID, Amount: d.Unit + d.Personal, At: y.at, Actor: "sandbox"})
	return err
}

// joining is how many residents join in each of the last months of a calendar year.
const joining = 15

// enrol lets residents who were not insured join for the next year, and pay.
func (y *year) enrol(ctx context.Context, tx *db.Tx) error {
	for range joining {
		p, _ := person(y.r, civil.Of(y.at), map[string]bool{})
		if _, there, err := y.register.ByCitizenID(ctx, tx, p.CitizenID); err != nil {
			return err
		} else if there {
			continue
		}
		if err := y.register.Add(ctx, tx, &p); err != nil {
			return err
		}
		if err := y.dues.Register(ctx, tx, contribution.Registration{Person: p.ID, Kind: contribution.Resident, Ground: contribution.Household, Actor: "sandbox"}); err != nil {
			return err
		}
		b, err := y.dues.Make(ctx, tx, contribution.Request{Person: p.ID, Scheme: policy.Resident, Actor: "sandbox"})
		if err != nil {
			return err
		}
		if _, err := y.dues.Pay(ctx, tx, contribution.Notice{Channel: "bank", Reference: "DEMO" + b.ID, Bill: b.ID, Amount: b.Due, At: y.at, Actor: "sandbox"}); err != nil {
			return err
		}
	}
	return nil
}

// wards are the providers of Year: hospitals of each level, and a pharmacy.
var wards = []struct {
	code string
	stay bool
}{{"H99010000101", true}, {"H99010000102", true}, {"H99010000201", true}, {"H99010000301", false}, {"P99010000401", false}, {abroad, true}}

// abroad is the hospital in another region, in which few are treated.
const abroad = "H50000000101"

func (y *year) treat(ctx context.Context, tx *db.Tx) error {
	who := y.people[y.r.IntN(len(y.people))]
	y.visits++
	stay := y.visits%7 == 0
	ward := wards[y.r.IntN(len(wards))]
	for stay && !ward.stay || ward.code == abroad && !(stay && y.r.IntN(2) == 0) {
		ward = wards[y.r.IntN(len(wards))]
	}
	kind, total := policy.Outpatient, int64(60+y.r.IntN(500))
	if stay {
		kind, total = policy.Inpatient, int64(2_500+y.r.IntN(16_000))
	}
	q := settlement.OpenRequest{Person: who.id, Provider: ward.code, Scheme: who.scheme, Kind: kind, Number: fmt.Sprintf("D%06d", y.visits), Begun: y.at.Add(-time.Hour), Actor: "sandbox"}
	if ward.code[0] == 'H' {
		ill := illnesses[y.r.IntN(len(illnesses))]
		for ill.stay != stay {
			ill = illnesses[y.r.IntN(len(illnesses))]
		}
		q.Diagnoses = []settlement.Diagnosis{{Kind: "1", Code: ill.code, Name: ill.name, Main: true, Rank: "1"}}
	}
	v, err := y.care.Open(ctx, tx, q)
	if err != nil {
		return err
	}
	var fees []settlement.Fee
	var sum money.Fen
	for i, share := range []int64{55, 30, 15} {
		item, yuan := []string{"SVC990000001", "DRG990000001", "DRG990000002"}[i], max(total*share/100, 1)
		if ward.code[0] == 'P' && i == 0 {
			item = "DRG990000001"
		}
		fees = append(fees, settlement.Fee{Serial: fmt.Sprint(i + 1), Batch: "1", Item: item, ProviderItem: item, Time: y.at.Add(-time.Minute), Quantity: catalogue.Quantity(10_000), Price: yuan * 1_000_000, Amount: money.Fen(yuan * 100)})
		sum += money.Fen(yuan * 100)
	}
	if _, err := y.care.AddFees(ctx, tx, v.ID, ward.code, fees, "sandbox"); err != nil {
		return err
	}
	_, err = y.care.Settle(ctx, tx, settlement.SettleRequest{Visit: v.ID, Person: who.id, Provider: ward.code, Total: sum, UseAccount: settlement.OwnAccount, Actor: "sandbox"})
	return err
}

// clear lets providers apply for a month; they are paid, or wait at the desk.
func (y *year) clear(ctx context.Context, tx *db.Tx, month clearing.Month, paid bool) error {
	for i, w := range wards {
		parts, err := clearing.MonthlySheet(ctx, tx, w.code, month)
		if err != nil {
			return err
		}
		var kinds []policy.VisitKind
		for _, p := range parts.Parts {
			if len(kinds) == 0 || kinds[len(kinds)-1] != p.Kind {
				kinds = append(kinds, p.Kind)
			}
		}
		if len(kinds) == 0 {
			continue
		}
		if err := clearing.Keep(ctx, tx, clearing.Reconciled{Provider: w.code, Period: month.Period(), At: y.at, Actor: w.code, Stated: 4,
			Says: fmt.Sprintf("平：结算 %d 笔，医疗费总额 %s", parts.Total.Count, parts.Total.Total)}); err != nil {
			return err
		}
		a, err := clearing.Apply(ctx, tx, clearing.ApplyRequest{Provider: w.code, Month: month, Kinds: unique(kinds), At: y.at, Actor: w.code})
		if err != nil {
			return err
		}
		approves, pays := Operators[3].Name, Operators[4].Name
		if w.code == abroad {
			approves, pays = "就医地审核", "就医地拨付"
		}
		if paid || i == 0 {
			if a, err = clearing.Approve(ctx, tx, a.ID, clearing.Act{At: y.at.Add(24 * time.Hour), By: approves}); err != nil {
				return err
			}
		}
		if paid {
			if _, err = clearing.Pay(ctx, tx, a.ID, clearing.Act{At: y.at.Add(48 * time.Hour), By: pays}); err != nil {
				return err
			}
		}
	}
	return nil
}

func unique(kinds []policy.VisitKind) (out []policy.VisitKind) {
	seen := map[policy.VisitKind]bool{}
	for _, k := range kinds {
		if !seen[k] {
			out = append(out, k)
		}
		seen[k] = true
	}
	return out
}
