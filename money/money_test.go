package money

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Fen{"0": 0, "1": 100, "1.5": 150, "1234.56": 123456, "-0.01": -1, "0.10": 10, "1.230": 123, "1000000000000": Max, "000.01": 1} {
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("Parse(%q) = %s, %v; want %s", s, got, err, want)
		}
	}
	for s, want := range map[string]error{"": ErrNumber, "-": ErrNumber, "1.": ErrNumber, ".5": ErrNumber, "1e3": ErrNumber, "1,000": ErrNumber, " 1": ErrNumber, "１": ErrNumber,
		"1.234": ErrDecimals, "1.2345x": ErrNumber, "1000000000000.01": ErrTooLarge, "99999999999999999999999999": ErrTooLarge, "--1": ErrNumber, "1.2.3": ErrNumber} {
		if got, err := Parse(s); !errors.Is(err, want) {
			t.Errorf("Parse(%q) = %s, %v; want %v", s, got, err, want)
		}
	}
}

func TestParseRate(t *testing.T) {
	for s, want := range map[string]Rate{"0.85": 85e6, "85%": 85e6, "1": One, "0.12345678": 12345678, "2.5%": 25e5, "0": 0} {
		if got, err := ParseRate(s); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %s, %v; want %s", s, got, err, want)
		}
	}
	if _, err := ParseRate("0.123456789"); !errors.Is(err, ErrRateDecimals) {
		t.Errorf("nine decimals: %v", err)
	}
}

// TestMul compares with exact arithmetic, halves away from zero.
func TestMul(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200_000 {
		a := Fen(r.Int64N(int64(Max))) >> r.IntN(46)
		rate := Rate(r.Int64N(int64(One) + 1))
		if i%3 == 0 {
			rate = Percent(r.Int64N(101))
		}
		if i%5 == 0 {
			a = -a
		}
		x := new(big.Int).Mul(big.NewInt(int64(a)), big.NewInt(int64(rate)))
		half := big.NewInt(int64(One) / 2)
		if x.Sign() < 0 {
			x.Sub(x, half)
		} else {
			x.Add(x, half)
		}
		if want := x.Quo(x, big.NewInt(int64(One))).Int64(); int64(a.Mul(rate)) != want {
			t.Fatalf("%s × %s = %s, want %s", a, rate, a.Mul(rate), Fen(want))
		}
	}
	if got := Fen(5).Mul(Percent(10)); got != 1 {
		t.Errorf("0.05 × 10%% = %s, want 0.01 (half up)", got)
	}
}

func TestFormat(t *testing.T) {
	for v, want := range map[Fen]string{0: "0.00", 5: "0.05", 123456: "1234.56", -7: "-0.07", Max: "1000000000000.00"} {
		if v.String() != want {
			t.Errorf("%d: %s, want %s", int64(v), v, want)
		}
	}
	if s := Fen(-123456789).Grouped(); s != "-1,234,567.89" {
		t.Error(s)
	}
	for r, want := range map[Rate]string{0: "0%", 85e6: "85%", 25e5: "2.5%", One: "100%"} {
		if r.Percent() != want {
			t.Errorf("%d: %s, want %s", r, r.Percent(), want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1.23", "-0.01", "1e9", "", "999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(v.String()); err != nil || again != v {
			t.Fatalf("%q gives %s, which reads back as %s, %v", s, v, again, err)
		}
	})
}
