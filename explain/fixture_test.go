package explain_test

import (
	"context"
	"fmt"
	"time"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/explain"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

// records are settlements and packages held in memory.
type records struct {
	settled  []*explain.Settled
	packages []*explain.ExplainedPackage
	err      error // answered by Recent, if set
}

func (m *records) Recent(_ context.Context, n int) ([]explain.Row, error) {
	var rows []explain.Row
	for _, s := range m.settled[:min(n, len(m.settled))] {
		rows = append(rows, explain.Row{
			ID: s.ID, Time: s.Time, Name: s.Name, Provider: s.Provider, Visit: s.Case.Visit,
			Total: s.Result.Total, Fund: s.Result.FundTotal, Person: s.Result.Person,
			Refused: s.Result.Refused, Reversed: s.Reversed,
		})
	}
	return rows, m.err
}

func (m *records) Get(_ context.Context, id string) (*explain.Settled, error) {
	for _, s := range m.settled {
		if s.ID == id {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no settlement %s: %w", id, explain.ErrNotFound)
}

func (m *records) List(context.Context) ([]explain.PackageRow, error) {
	var rows []explain.PackageRow
	for _, p := range m.packages {
		rows = append(rows, p.PackageRow)
	}
	return rows, nil
}

func (m *records) Explain(_ context.Context, region string, _ bill.Lang) (*explain.ExplainedPackage, error) {
	for _, p := range m.packages {
		if p.Region == region {
			return p, nil
		}
	}
	return nil, explain.ErrNotFound
}

func yuan(s string) money.Fen {
	a, err := money.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

// sample holds the handbook's example, a long bill past the yearly limit that
// three funds and an account pay, a refusal, and a reversed visit at a
// pharmacy, all settled by the engine under the packages that ship.
func sample() *records {
	store, err := policy.Load(policies.FS)
	if err != nil {
		panic(err)
	}
	poor, known := store.Class("低保")
	if !known {
		panic("the packages have no class 低保")
	}
	line := func(name string, class policy.LineClass, amount string) policy.Line {
		return policy.Line{Name: name, Class: class, Amount: yuan(amount), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}
	}
	dear := line("注射用<示例>单抗 & 辅料", policy.ClassB, "1200000")
	dear.Ceiling = yuan("1100000")
	moment := time.Date(2025, 6, 1, 2, 30, 0, 0, time.UTC)

	m := &records{settled: []*explain.Settled{
		{
			ID: "S2025060100000001", Time: moment, Name: "老郭", CitizenID: "990100198808080412", Provider: "手册示例县医院",
			Case: &policy.Case{
				Region: "990200", Date: civil.New(2025, 6, 1), Visit: policy.Inpatient, Level: policy.Level2,
				Lines: []policy.Line{line("诊疗服务", policy.ClassA, "2000"), line("甲类药品", policy.ClassA, "3000"), line("乙类药品", policy.ClassB, "5000")},
			},
		},
		{
			ID: "S2025060100000002", Time: moment.Add(-3 * time.Hour), Name: "孙敏之", CitizenID: "990100197108150227", Provider: "异地示例医院",
			Case: &policy.Case{
				Region: "990100", CareRegion: "990200", Filing: policy.Referred, Date: civil.New(2025, 5, 31), Visit: policy.Inpatient, Level: policy.Level3,
				Classes: poor, Account: yuan("1234.56"), Lines: []policy.Line{dear, line("膳食费", policy.ClassC, "800.55")},
			},
		},
		{
			ID: "S2025060100000003", Time: moment.Add(-26 * time.Hour), Name: "王平", CitizenID: "990100199001010119", Provider: "安济示例仁和医院",
			Case: &policy.Case{
				Region: "990100", Date: civil.New(2025, 5, 30), Visit: policy.Emergency, Level: policy.Level3, Scheme: policy.Resident,
				Cause: policy.ThirdParty, Lines: []policy.Line{line("清创缝合", policy.ClassA, "1860")},
			},
		},
		{
			ID: "S2025060100000004", Time: moment.Add(-50 * time.Hour), Name: "张安", CitizenID: "990100198503120014", Provider: "示例大药房", Reversed: true,
			Case: &policy.Case{
				Region: "990100", Date: civil.New(2025, 5, 29), Visit: policy.PharmacyVisit, ProviderKind: policy.Pharmacy,
				Account: yuan("800"), Lines: []policy.Line{line("感冒清热颗粒", policy.ClassA, "36.80")},
			},
		},
	}}
	for _, s := range m.settled {
		var t policy.Trace
		s.Result = new(policy.Result)
		if err := store.Settle(s.Case, s.Result, &t); err != nil {
			panic(err)
		}
		s.Steps = t.Steps
	}
	for _, region := range store.Regions() {
		for _, p := range store.Versions(region) {
			m.packages = append(m.packages, &explain.ExplainedPackage{
				PackageRow: explain.PackageRow{Region: p.Region, Name: p.Name, Version: p.Version, From: p.From, To: p.To, Note: p.GradeNote()},
				HTML:       p.HTML(),
			})
		}
	}
	return m
}

func config(m *records) explain.Config {
	return explain.Config{
		Settlements: m, Packages: m, Synthetic: true, Sandbox: "/sandbox",
		HIS: explain.HIS{
			Address: "http://localhost:8080/his",
			Sample:  `{"infno":"9001","msgid":"H99010000101202506010830000001","mdtrtarea_admvs":"990100","input":{"signIn":{"opter_no":"1"}}}`,
		},
	}
}
