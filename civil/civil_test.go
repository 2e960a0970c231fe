package civil

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, s := range []string{"2025-06-01", "2024-02-29", "1999-12-31"} {
		if d, err := Parse(s); err != nil || d.String() != s {
			t.Errorf("%s: %s, %v", s, d, err)
		}
	}
	for _, s := range []string{"", "2025-6-1", "2025-02-29", "2025-13-01", "2025-00-10", "2025-01-32", "20250601", "2025/06/01", "0000-01-01", "２025-01-01"} {
		if d, err := Parse(s); err == nil {
			t.Errorf("%q is taken for %s", s, d)
		}
	}
}

// TestArithmetic compares with package time over a hundred years.
func TestArithmetic(t *testing.T) {
	day := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
	for d := Of(day); d.Year() < 2060; d = d.AddDays(1) {
		if d != Of(day) || !d.Valid() {
			t.Fatalf("%s is not %s", d, day)
		}
		day = day.AddDate(0, 0, 1)
	}
	if n := Date(20250301).DaysSince(20240301); n != 365 {
		t.Error(n)
	}
	for _, x := range []struct {
		from Date
		n    int
		want Date
	}{{20250131, 1, 20250228}, {20240131, 1, 20240229}, {20250601, -4, 20250201}, {20250115, -1, 20241215}, {20251231, 2, 20260228}} {
		if got := x.from.AddMonths(x.n); got != x.want {
			t.Errorf("%s + %d months = %s, want %s", x.from, x.n, got, x.want)
		}
	}
}

func TestAge(t *testing.T) {
	for _, x := range []struct {
		birth, day Date
		want       int
	}{{19600601, 20250531, 64}, {19600601, 20250601, 65}, {20240229, 20250228, 0}, {20240229, 20250301, 1}} {
		if got := x.day.Age(x.birth); got != x.want {
			t.Errorf("born %s, on %s: %d, want %d", x.birth, x.day, got, x.want)
		}
	}
}
