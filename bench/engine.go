package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// EngineFigures are what the engine costs on this machine. The ratios are what
// matters; the absolute figures depend on the machine.
type EngineFigures struct {
	EngineNS            float64 `json:"engine_ns"`             // one settlement of 20 lines, a new result each time
	HandwrittenNS       float64 `json:"handwritten_ns"`        // the same by the hand-written loop
	Ratio               float64 `json:"ratio"`                 // engine ÷ hand-written
	EngineReusedNS      float64 `json:"engine_reused_ns"`      // writing into the same result
	HandwrittenReusedNS float64 `json:"handwritten_reused_ns"` // likewise
	ReusedRatio         float64 `json:"reused_ratio"`
	ExplainedNS         float64 `json:"explained_ns"` // with the explanation
	Allocs              float64 `json:"allocs"`       // a settlement without explanation, result included
	CalcCasesPerSecond  float64 `json:"calc_cases_per_second"`
	CPUs                int     `json:"cpus"`
}

// Inpatient20 is one inpatient stay of 20 lines under 990100.
func Inpatient20() policy.Case {
	c := policy.Case{Region: "990100", Date: civil.New(2025, 6, 1), Visit: policy.Inpatient, Level: policy.Level3, Account: 123456}
	for i := range 20 {
		l := policy.Line{Class: policy.LineClass(i % 2), Amount: money.Fen(100_000 + 3_333*i), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}
		if i%7 == 6 {
			l.Class = policy.ClassC
		}
		if i%5 == 4 {
			l.Ceiling = 90_000
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

var kept *policy.Result // makes results escape, as for a caller that keeps them

// Engine measures the engine against the hand-written loop, alternating so
// that both see the same machine, and takes the fastest of many rounds.
func Engine(ctx context.Context, s *policy.Store, rounds int) (EngineFigures, error) {
	c, classes := Inpatient20(), Classes(s)
	var r, w policy.Result
	var t policy.Trace
	var err error
	settle := func(r *policy.Result, t *policy.Trace) {
		if e := s.Settle(&c, r, t); e != nil {
			err = e
		}
	}
	loops := []func(){
		func() { kept = new(policy.Result); settle(kept, nil) },
		func() { kept = new(policy.Result); Handwritten(&c, classes, kept) },
		func() { settle(&r, nil) },
		func() { Handwritten(&c, classes, &w) },
		func() { t.Steps = t.Steps[:0]; settle(&r, &t) },
	}
	best := make([]float64, len(loops))
	for range rounds {
		for i, f := range loops {
			if ctx.Err() != nil {
				return EngineFigures{}, context.Cause(ctx)
			}
			if ns := perCall(f); best[i] == 0 || ns < best[i] {
				best[i] = ns
			}
		}
	}
	if err != nil {
		return EngineFigures{}, err
	}
	settle(&r, nil)
	if Handwritten(&c, classes, &w); r.FundTotal != w.FundTotal || r.Cash != w.Cash {
		return EngineFigures{}, fmt.Errorf("engine and hand-written loop disagree: fund %s and %s", r.FundTotal, w.FundTotal)
	}
	out := EngineFigures{EngineNS: best[0], HandwrittenNS: best[1], Ratio: best[0] / best[1],
		EngineReusedNS: best[2], HandwrittenReusedNS: best[3], ReusedRatio: best[2] / best[3],
		ExplainedNS: best[4], Allocs: allocs(loops[0]), CPUs: runtime.GOMAXPROCS(0)}
	out.CalcCasesPerSecond, err = calcRate(ctx, s)
	return out, err
}

// perCall times a batch of calls of about ten milliseconds.
func perCall(f func()) float64 {
	n := 1000
	for {
		start := time.Now()
		for range n {
			f()
		}
		if d := time.Since(start); d > 10*time.Millisecond {
			return float64(d.Nanoseconds()) / float64(n)
		}
		n *= 4
	}
}

func allocs(f func()) float64 {
	const n = 10_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(int((after.Mallocs-before.Mallocs)*100/n)) / 100
}

// CalcCases writes n cases of five lines as JSON Lines.
func CalcCases(n int) []byte {
	var in bytes.Buffer
	kinds := []string{"outpatient", "inpatient", "chronic", "pharmacy"}
	classes := []string{"甲", "乙", "丙"}
	for i := range n {
		fmt.Fprintf(&in, `{"region":"990100","date":"2025-06-%02d","person":{"scheme":"employee","retired":%t,"birth":"1960-01-01","sex":"M"},"provider":{"level":"%d","kind":"hospital"},"visit":{"kind":"%s","nth_this_year":1,"filing":"none","cause":"illness"},"lines":[`,
			1+i%28, i%5 == 0, 1+i%3, kinds[i%4])
		for k := range 5 {
			if k > 0 {
				in.WriteByte(',')
			}
			fmt.Fprintf(&in, `{"name":"药品%d","class":"%s","amount":"%d.%02d"}`, k, classes[(i+k)%3], (i*37+k*911)%5000, i%100)
		}
		in.WriteString(`],"year_to_date":{"deductible":"0.00","in_scope":"1200.00","basic_fund":"300.00"},"account_balance":"300.00","use_account":true}` + "\n")
	}
	return in.Bytes()
}

func calcRate(ctx context.Context, s *policy.Store) (float64, error) {
	const n = 50_000
	in := CalcCases(n)
	best := 0.0
	for range 3 {
		start := time.Now()
		good, bad, err := calc.Stream(ctx, s, bytes.NewReader(in), io.Discard)
		if err != nil || bad > 0 || good != n {
			return 0, fmt.Errorf("stream: %d good, %d bad: %w", good, bad, err)
		}
		best = max(best, n/time.Since(start).Seconds())
	}
	return best, nil
}
