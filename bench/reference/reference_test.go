package reference

import (
	"testing"

	"github.com/anji-platform/anji/bench"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

func engines(t testing.TB, c *policy.Case) map[string]*Engine {
	t.Helper()
	a, err := NewCEL()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewExpr(c)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Engine{"cel-go": a, "expr": b}
}

func store(t testing.TB) *policy.Store {
	t.Helper()
	s, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAgree shows that what is measured is the same settlement.
func TestAgree(t *testing.T) {
	c := bench.Inpatient20()
	s := store(t)
	for nth, factor := range []money.Fen{1, 40, 400} {
		big := c
		big.Nth = nth
		big.Lines = append([]policy.Line(nil), c.Lines...)
		big.Lines[0].Amount *= factor // the largest reaches every band of 大病保险
		var r policy.Result
		if err := s.Settle(&big, &r, nil); err != nil {
			t.Fatal(err)
		}
		for name, e := range engines(t, &big) {
			got, err := e.Settle(&big)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for field, want := range map[string]int64{"total": int64(r.Total), "in_scope": int64(r.InScope), "borne": int64(r.Deductible), "basic": int64(r.Fund[policy.Basic]),
				"catastrophic": int64(r.Fund[policy.Catastrophic]), "person": int64(r.Person), "account": int64(r.Account), "cash": int64(r.Cash)} {
				if toInt(got[field]) != want {
					t.Errorf("%s: %s is %v, want %d", name, field, got[field], want)
				}
			}
		}
	}
}

func BenchmarkStay(b *testing.B) {
	c := bench.Inpatient20()
	s := store(b)
	b.Run("anji", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := new(policy.Result)
			if err := s.Settle(&c, r, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, e := range engines(b, &c) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Settle(&c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
