package bench

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

func store(t testing.TB) (*policy.Store, [3]policy.ClassSet) {
	t.Helper()
	s, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return s, Classes(s)
}

// randomCase makes a case of 990100; every stage and limit is reached often.
func randomCase(r *rand.Rand, classes [3]policy.ClassSet, c *policy.Case) {
	*c = policy.Case{
		Region: "990100", Date: civil.New(2025, 1+r.IntN(12), 1+r.IntN(28)),
		Scheme: policy.Scheme(r.IntN(2)), Retired: r.IntN(3) == 0,
		Level: policy.Level(r.IntN(4)), Visit: policy.VisitKind(r.IntN(8)),
		Nth: r.IntN(4), Filing: policy.Filing(r.IntN(4)),
		Account: money.Fen(r.IntN(1_000_000)) - 1000, KeepAccount: r.IntN(4) == 0,
		Undesignated: r.IntN(30) == 0,
	}
	c.CareRegion = []string{"", "990100", "990200", "500000"}[r.IntN(4)]
	if r.IntN(8) == 0 {
		c.FamilyAccount = money.Fen(r.IntN(100_000))
	}
	if r.IntN(10) == 0 {
		c.Cause = policy.Cause(r.IntN(6))
	}
	if r.IntN(20) == 0 {
		c.Insured = policy.InsuredStatus(r.IntN(7))
	}
	for _, set := range classes {
		if r.IntN(5) == 0 {
			c.Classes |= set
		}
	}
	size := []int{1_000, 100_000, 10_000_000, 1_000_000_000}[r.IntN(4)]
	for range 1 + r.IntN(6) {
		l := policy.Line{Class: policy.LineClass(r.IntN(3)), Amount: money.Fen(r.IntN(size)), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}
		if l.Class == policy.ClassB && r.IntN(2) == 0 {
			l.FirstPay = money.Rate(r.IntN(101)) * 1_000_000
		}
		if r.IntN(4) == 0 {
			l.Ceiling = money.Fen(r.IntN(size))
		}
		c.Lines = append(c.Lines, l)
	}
	if r.IntN(2) == 0 {
		for i := range 7 {
			c.YearToDate[i] = money.Fen(r.IntN([]int{20_000, 3_000_000, 70_000_000}[r.IntN(3)]))
		}
	}
}

// TestEngineAgreesWithHandwritten compares a million random cases
// with an independent statement of the same rules, and checks the identities
// between the amounts of each. The seed of a failing case is printed.
func TestEngineAgreesWithHandwritten(t *testing.T) {
	s, classes := store(t)
	n := uint64(1_000_000)
	if testing.Short() || raceEnabled {
		n = 50_000
	}
	var c policy.Case
	var got, want policy.Result
	for seed := range n {
		randomCase(rand.New(rand.NewPCG(seed, 33)), classes, &c)
		if err := s.Settle(&c, &got, nil); err != nil {
			t.Fatalf("seed %d: %v\n%+v", seed, err, c)
		}
		paid := Handwritten(&c, classes, &want)
		if paid == got.Refused || got.Total != want.Total || got.FullOwnPay != want.FullOwnPay || got.OverCeiling != want.OverCeiling ||
			got.FirstOwnPay != want.FirstOwnPay || got.InScope != want.InScope || got.Deductible != want.Deductible ||
			got.Fund != want.Fund || got.FundTotal != want.FundTotal || got.Person != want.Person ||
			got.Account != want.Account || got.FamilyAccount != want.FamilyAccount || got.Cash != want.Cash || got.YearToDate != want.YearToDate {
			t.Fatalf("seed %d:\ncase %+v\ngot  %+v\nwant %+v", seed, c, got, want)
		}
		checkIdentities(t, seed, &c, &got)
	}
}

func checkIdentities(t *testing.T, seed uint64, c *policy.Case, r *policy.Result) {
	t.Helper()
	var funds, stages, lines money.Fen
	for _, f := range r.Fund {
		funds += f
	}
	for _, sp := range r.Stages() {
		stages += sp.Paid
	}
	for i, l := range r.Lines {
		if l.FullOwnPay+l.OverCeiling+l.FirstOwnPay+l.InScope != c.Lines[i].Amount {
			t.Fatalf("seed %d: line %d does not add up: %+v", seed, i, l)
		}
		lines += c.Lines[i].Amount
	}
	if r.Total != lines || r.Total != r.FullOwnPay+r.OverCeiling+r.FirstOwnPay+r.InScope ||
		r.Total != r.FundTotal+r.Person+r.Hospital || r.FundTotal != funds || r.Person != r.Account+r.Cash ||
		stages != r.FundTotal+r.Account || r.Cash < 0 || r.Account < 0 || r.FundTotal < 0 {
		t.Fatalf("seed %d: the identities do not hold: %+v", seed, r)
	}
}

// Each benchmark settles one stay of 20 lines: Engine and Handwritten make a
// new result each time, the Reused ones write into the same.

func BenchmarkEngine(b *testing.B) {
	s, _ := store(b)
	c := Inpatient20()
	b.ReportAllocs()
	for b.Loop() {
		kept = new(policy.Result)
		if err := s.Settle(&c, kept, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandwritten(b *testing.B) {
	_, classes := store(b)
	c := Inpatient20()
	b.ReportAllocs()
	for b.Loop() {
		kept = new(policy.Result)
		Handwritten(&c, classes, kept)
	}
}

func BenchmarkEngineReused(b *testing.B) {
	s, _ := store(b)
	c := Inpatient20()
	var r policy.Result
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Settle(&c, &r, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandwrittenReused(b *testing.B) {
	_, classes := store(b)
	c := Inpatient20()
	var r policy.Result
	b.ReportAllocs()
	for b.Loop() {
		Handwritten(&c, classes, &r)
	}
}

func BenchmarkEngineExplained(b *testing.B) {
	s, _ := store(b)
	c := Inpatient20()
	var r policy.Result
	var t policy.Trace
	b.ReportAllocs()
	for b.Loop() {
		t.Steps = t.Steps[:0]
		if err := s.Settle(&c, &r, &t); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCalcStream answers cases of five lines, explanations included, on
// all cores.
func BenchmarkCalcStream(b *testing.B) {
	s, _ := store(b)
	const n = 20_000
	in := CalcCases(n)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if good, bad, err := calc.Stream(context.Background(), s, bytes.NewReader(in), io.Discard); err != nil || bad > 0 || good != n {
			b.Fatal(good, bad, err)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "cases/s")
}
