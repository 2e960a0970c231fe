package workday

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/anji-platform/anji/civil"
)

func day(t interface{ Fatal(...any) }, s string) civil.Date {
	d, err := civil.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAdd(t *testing.T) {
	for _, c := range []struct {
		from string
		n    int
		want string
	}{
		{"2025-06-03", 2, "2025-06-05"},
		{"2025-06-06", 1, "2025-06-09"},  // over a weekend
		{"2025-05-30", 2, "2025-06-04"},  // over the Dragon Boat festival
		{"2025-09-30", 1, "2025-10-09"},  // over the National Day
		{"2025-10-09", 2, "2025-10-11"},  // a Saturday worked in exchange
		{"2026-02-13", 2, "2026-02-24"},  // the Saturday counts, then the Spring Festival
		{"2025-06-03", 0, "2025-06-03"},  // no term
		{"2025-06-07", -1, "2025-06-07"}, // no term
	} {
		if got := China().Add(day(t, c.from), c.n).String(); got != c.want {
			t.Errorf("%s + %d working days = %s, want %s", c.from, c.n, got, c.want)
		}
	}
}

func TestKnown(t *testing.T) {
	if title, ok := China().Known(2026); !ok || !strings.Contains(title, "2026年") {
		t.Errorf("2026 is known by %q", title)
	}
	if _, ok := China().Known(1999); ok {
		t.Error("1999 is said to be known")
	}
	if got := China().Holiday(day(t, "2025-10-05")); got != "国庆节、中秋节" {
		t.Errorf("2025-10-05 is %q", got)
	}
}

// TestBetween: a term of n working days is n working days long and ends on one.
func TestBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := day(t, "2024-12-01").AddDays(rapid.IntRange(0, 900).Draw(t, "days"))
		n := rapid.IntRange(1, 60).Draw(t, "n")
		to := China().Add(from, n)
		if got := China().Between(from, to); got != n {
			t.Fatalf("%s to %s is %d working days, want %d", from, to, got, n)
		}
		if China().Between(to, from) != -n || !China().Works(to) {
			t.Fatalf("%s + %d ends on %s", from, n, to)
		}
	})
}

func TestParseFaults(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"unknown field": {"years:\n  2025: {sauce: x}", "sauce"},
		"no source":     {"years:\n  2025: {source: x}", `source "x"`},
		"backwards":     {"documents: {x: {title: T}}\nyears:\n  2025: {source: x, off: [{from: 2025-01-02, to: 2025-01-01, name: N}]}", "before it begins"},
		"no name":       {"documents: {x: {title: T}}\nyears:\n  2025: {source: x, off: [{from: 2025-01-01, to: 2025-01-01}]}", "no name"},
		"no date":       {"documents: {x: {title: T}}\nyears:\n  2025: {source: x, off: [{from: soon, to: 2025-01-01, name: N}]}", "2006-01-02"},
		"work is late":  {"documents: {x: {title: T}}\nyears:\n  2025: {source: x, work: [2025-01-02]}", "no weekend"},
		"work no date":  {"documents: {x: {title: T}}\nyears:\n  2025: {source: x, work: [soon]}", "soon"},
	} {
		if _, err := Parse([]byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
}
