package policy_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

var shipped = sync.OnceValues(func() (*policy.Store, error) { return policy.Load(policies.FS) })

func shippedStore(t testing.TB) *policy.Store {
	t.Helper()
	s, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// anyCase makes a case of any region; the seed that makes it is what a failing
// test prints.
func anyCase(s *policy.Store, seed uint64, region string) policy.Case {
	r := rand.New(rand.NewPCG(seed, 2025))
	if region == "" {
		region = s.Regions()[r.IntN(len(s.Regions()))]
	}
	p := s.Versions(region)[r.IntN(len(s.Versions(region)))]
	c := policy.Case{
		Region: region, Date: p.From.AddDays(r.IntN(180)), Scheme: policy.Scheme(r.IntN(2)), Retired: r.IntN(3) == 0,
		Birth: civil.New(1930+r.IntN(90), 1+r.IntN(12), 1+r.IntN(28)), Female: r.IntN(2) == 0,
		Level: policy.Level(r.IntN(4)), Visit: policy.VisitKind(r.IntN(8)), Nth: 1 + r.IntN(3), Filing: policy.Filing(r.IntN(4)),
		Account: money.Fen(r.IntN(500_000)), KeepAccount: r.IntN(5) == 0,
	}
	if r.IntN(3) == 0 {
		c.CareRegion = s.Regions()[r.IntN(len(s.Regions()))]
	}
	if r.IntN(3) == 0 {
		c.Admitted = c.Date.AddDays(-r.IntN(200))
	}
	if r.IntN(15) == 0 {
		c.Cause = policy.Cause(r.IntN(6))
	}
	for i := range s.Classes() {
		if r.IntN(8) == 0 {
			c.Classes |= 1 << i
		}
	}
	for i, name := range p.FactNames() {
		c.FactsSet |= 1 << i
		for _, v := range []string{"true", "30%", "2015-01-01", []string{"1", "2", "5000"}[r.IntN(3)]} {
			if n, err := p.ParseFact(i, v); err == nil {
				c.Facts[i] = n
				break
			}
		}
		_ = name
	}
	size := []int{10_000, 1_000_000, 100_000_000}[r.IntN(3)]
	for range 1 + r.IntN(5) {
		l := policy.Line{Class: policy.LineClass(r.IntN(3)), Amount: money.Fen(r.IntN(size)), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}
		if l.Class == policy.ClassB {
			l.FirstPay = money.Percent(int64(r.IntN(31)))
		}
		if r.IntN(5) == 0 {
			l.Ceiling = money.Fen(r.IntN(size))
		}
		if c.Admitted != 0 {
			l.Date = c.Admitted.AddDays(r.IntN(1 + c.Date.DaysSince(c.Admitted)))
		}
		c.Lines = append(c.Lines, l)
	}
	if r.IntN(2) == 0 {
		for i := range p.Accumulators() {
			c.YearToDate[i] = money.Fen(r.IntN(60_000_000))
		}
	}
	return c
}

// TestIdentitiesEverywhere: whatever the region, the amounts add up, and the
// explanation says the same as the result and names a source for each number.
func TestIdentitiesEverywhere(t *testing.T) {
	s := shippedStore(t)
	paid, refused, divided := 0, 0, 0
	for seed := range uint64(60_000) {
		c := anyCase(s, seed, "")
		var r policy.Result
		var tr policy.Trace
		if err := s.Settle(&c, &r, &tr); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		var funds, stages, lines, explained money.Fen
		for _, f := range r.Fund {
			funds += f
		}
		for _, sp := range r.Stages() {
			stages += sp.Paid
			if sp.Paid < 0 || sp.Deductible < 0 || sp.Base < 0 {
				t.Fatalf("seed %d: %+v", seed, sp)
			}
		}
		for i, l := range r.Lines {
			lines += c.Lines[i].Amount
			if l.FullOwnPay+l.OverCeiling+l.FirstOwnPay+l.InScope != c.Lines[i].Amount {
				t.Fatalf("seed %d: line %d: %+v", seed, i, l)
			}
		}
		for _, st := range tr.Steps {
			switch st.Kind {
			case policy.StepPay, policy.StepAccount:
				explained += st.Amount
			case policy.StepDeductible, policy.StepBand, policy.StepLimit, policy.StepFloor:
				if len(st.Sources) == 0 {
					t.Fatalf("seed %d: no source for %+v", seed, st)
				}
			}
		}
		last := tr.Steps[len(tr.Steps)-1]
		switch {
		case r.Total != lines, r.Total != r.FullOwnPay+r.OverCeiling+r.FirstOwnPay+r.InScope, r.Total != r.FundTotal+r.Person+r.Hospital,
			r.FundTotal != funds, r.Person != r.Account+r.Cash, stages != r.FundTotal+r.Account, r.Cash < 0, r.Account < 0, r.FamilyAccount > r.Account:
			t.Fatalf("seed %d: the identities do not hold: %+v", seed, r)
		case explained != r.FundTotal+r.Account:
			t.Fatalf("seed %d: the explanation pays %s, the result %s", seed, explained, r.FundTotal+r.Account)
		case last.Kind != policy.StepCash || !r.Divided && last.Amount != r.Cash:
			t.Fatalf("seed %d: the explanation ends with %+v, cash is %s", seed, last, r.Cash)
		case r.Refused && (r.FundTotal != 0 || r.Reason == "" || r.YearToDate != c.YearToDate):
			t.Fatalf("seed %d: refused, but %+v", seed, r)
		}
		if r.Refused {
			refused++
		} else {
			paid++
		}
		if r.Divided {
			divided++
		}
	}
	if paid < 5_000 || refused < 5_000 {
		t.Errorf("%d paid, %d refused: the cases do not reach enough", paid, refused)
	}
	t.Logf("%d paid, %d refused, %d divided", paid, refused, divided)
}

// TestMoreCostNeverLowersTheFund raises one in-scope line.
func TestMoreCostNeverLowersTheFund(t *testing.T) {
	s := shippedStore(t)
	r := rand.New(rand.NewPCG(1, 1))
	for seed := range uint64(60_000) {
		c := anyCase(s, seed, "990100")
		i := r.IntN(len(c.Lines))
		c.Lines[i].Class, c.Lines[i].FirstPay, c.Lines[i].Ceiling = policy.ClassA, policy.FirstPayUnstated, policy.NoCeiling
		var before, after policy.Result
		if err := s.Settle(&c, &before, nil); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		c.Lines[i].Amount += money.Fen(1 + r.IntN([]int{2, 1000, 10_000_000}[r.IntN(3)]))
		if err := s.Settle(&c, &after, nil); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if after.FundTotal < before.FundTotal {
			t.Fatalf("seed %d: with %s more in scope the fund pays %s instead of %s", seed, after.InScope-before.InScope, after.FundTotal, before.FundTotal)
		}
	}
}

// TestOrderAndSplittingOfLines: the order of lines does not matter, nor does
// it matter whether a 甲 line is written as one or as two.
func TestOrderAndSplittingOfLines(t *testing.T) {
	s := shippedStore(t)
	r := rand.New(rand.NewPCG(5, 5))
	for seed := range uint64(20_000) {
		c := anyCase(s, seed, "")
		var before, after policy.Result
		if err := s.Settle(&c, &before, nil); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		i := r.IntN(len(c.Lines))
		if l := c.Lines[i]; l.Class != policy.ClassB && l.Ceiling < 0 && l.Amount > 1 {
			part := money.Fen(1 + r.Int64N(int64(l.Amount-1)))
			c.Lines[i].Amount = part
			l.Amount -= part
			c.Lines = append(c.Lines, l)
		}
		r.Shuffle(len(c.Lines), func(i, j int) { c.Lines[i], c.Lines[j] = c.Lines[j], c.Lines[i] })
		if err := s.Settle(&c, &after, nil); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		before.Lines, after.Lines = nil, nil
		if before.Fund != after.Fund || before.Cash != after.Cash || before.YearToDate != after.YearToDate || before.Deductible != after.Deductible {
			t.Fatalf("seed %d:\n%+v\n%+v", seed, before, after)
		}
	}
}

// TestOneAfterTheOtherEqualsTheYear: settling A, then B on A's sums, gives
// what replaying the year from the beginning gives, and the sums are the sums
// of what was paid.
func TestOneAfterTheOtherEqualsTheYear(t *testing.T) {
	s := shippedStore(t)
	for seed := range uint64(3_000) {
		replay := func() (out []policy.Result, funds money.Fen) {
			var sums policy.Accumulators
			for n := range uint64(6) {
				c := anyCase(s, seed*100+n, "990100")
				c.YearToDate, c.Admitted = sums, 0
				for i := range c.Lines {
					c.Lines[i].Date = 0
				}
				var r policy.Result
				if err := s.Settle(&c, &r, nil); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				sums = r.YearToDate
				funds += r.FundTotal
				r.Lines = nil
				out = append(out, r)
			}
			return out, funds
		}
		first, paid := replay()
		second, _ := replay()
		for i := range first {
			if first[i].Fund != second[i].Fund || first[i].YearToDate != second[i].YearToDate {
				t.Fatalf("seed %d: visit %d is not the same again", seed, i)
			}
		}
		sums := first[len(first)-1].YearToDate
		if got := sums[policy.AccBasicFund] + sums[policy.AccCatastrophicFund] + sums[policy.AccAssistanceFund]; got != paid {
			t.Fatalf("seed %d: the sums say %s, %s was paid", seed, got, paid)
		}
	}
}

// TestSameFromManyGoroutines: one store, many goroutines, the same bytes.
func TestSameFromManyGoroutines(t *testing.T) {
	s := shippedStore(t)
	answer := func(seed uint64) []byte {
		c := anyCase(s, seed, "")
		var r policy.Result
		var tr policy.Trace
		if err := s.Settle(&c, &r, &tr); err != nil {
			return []byte(err.Error())
		}
		return calc.AppendResult(nil, &r, tr.Steps)
	}
	var want [500][]byte
	for i := range want {
		want[i] = answer(uint64(i))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range want {
				if !bytes.Equal(answer(uint64(i)), want[i]) {
					t.Errorf("seed %d differs", i)
				}
			}
		})
	}
	wg.Wait()
}

// TestEveryRegionHasCases: each shipped package has at least eight cases of
// its own, and they hold.
func TestEveryRegionHasCases(t *testing.T) {
	s := shippedStore(t)
	if warnings := s.Warnings(); len(warnings) > 0 {
		t.Error(warnings)
	}
	for _, region := range s.Regions() {
		examples, err := calc.Examples(policies.FS, region)
		if err != nil {
			t.Fatal(err)
		}
		if len(examples) < 8 {
			t.Errorf("%s has %d cases; eight are needed", region, len(examples))
		}
		d := calc.NewDecoder(s)
		for i := range examples {
			if err := examples[i].Run(s, d); err != nil {
				t.Errorf("%s:%d: %s: %v", examples[i].File, examples[i].Line, examples[i].Name, err)
			}
		}
	}
}

// TestNoRegionInCode: no region's code stands in the engine or above it, but
// for the examples of the sandbox.
func TestNoRegionInCode(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		if len(f) > 8 && f[len(f)-8:] == "_test.go" {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, region := range shippedStore(t).Regions() {
			if region[:2] != "99" && bytes.Contains(data, []byte(region)) {
				t.Errorf("%s names the region %s", f, region)
			}
		}
	}
}
