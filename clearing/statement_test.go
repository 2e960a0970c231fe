package clearing_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// TestPlantedDifferences writes the provider's own list of many settlements,
// plants differences of every kind in it, and wants each found and named, and
// nothing else.
func TestPlantedDifferences(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { planted(t, rand.New(rand.NewPCG(seed, 3202))) })
	}
}

func planted(t *testing.T, r *rand.Rand) {
	w := open(t)
	w.now = time.Date(2025, 6, 10, 8, 0, 0, 0, china)
	for range 90 {
		w.now = w.now.Add(time.Duration(r.IntN(8)) * time.Hour)
		w.update(func(tx *db.Tx) error { w.random(tx, r); return nil })
		if i := r.IntN(len(w.made)); r.IntN(8) == 0 && !w.made[i].Reversal && !w.made[i].reversed {
			w.reverse(i)
		}
	}
	scope := clearing.Scope{Provider: city, Period: clearing.Period{From: 20250612, To: 20250620}, Kinds: []policy.VisitKind{policy.Outpatient, policy.Inpatient}}
	in := func(m *made) bool {
		day := civil.Of(m.at)
		return m.provider == scope.Provider && scope.From <= day && day <= scope.To && slices.Contains(scope.Kinds, m.kind)
	}
	var lines []clearing.Line
	var want [][]clearing.Difference // of lines
	var missing []string
	say := func(l clearing.Line, ds ...clearing.Difference) {
		lines, want = append(lines, l), append(want, ds)
	}
	one := func(k clearing.DifferenceKind) clearing.Difference { return clearing.Difference{Kind: k} }
	tried := map[clearing.DifferenceKind]bool{}
	for i := range w.made {
		m := &w.made[i]
		l := m.Line
		if !in(m) {
			if r.IntN(3) > 0 {
				continue
			}
			switch {
			case m.provider != scope.Provider:
				say(l, one(clearing.OtherProvider))
			case !(scope.From <= civil.Of(m.at) && civil.Of(m.at) <= scope.To):
				say(l, clearing.Difference{Kind: clearing.OtherPeriod, At: m.at})
			default:
				say(l, one(clearing.OtherKind))
			}
			continue
		}
		switch r.IntN(12) {
		case 0:
			kind := clearing.NotThere
			if m.Reversal {
				kind = clearing.ReversedHere
			}
			tried[kind] = true
			missing = append(missing, fmt.Sprint(m.Settlement, kind))
		case 1:
			l.Total += money.Fen(1 + r.IntN(100))
			say(l, clearing.Difference{Kind: clearing.OtherAmount, Gap: clearing.Gap{Figure: clearing.Total, Stated: int64(l.Total), Ledger: int64(m.Total)}})
		case 2:
			l.Fund++
			l.Account--
			say(l, clearing.Difference{Kind: clearing.OtherAmount, Gap: clearing.Gap{Figure: clearing.Fund, Stated: int64(l.Fund), Ledger: int64(m.Fund)}},
				clearing.Difference{Kind: clearing.OtherAmount, Gap: clearing.Gap{Figure: clearing.Account, Stated: int64(l.Account), Ledger: int64(m.Account)}})
		case 3:
			l.Visit += "x"
			say(l, one(clearing.OtherVisit))
		case 4:
			l.Person += "x"
			l.Reversal = !l.Reversal
			say(l, one(clearing.OtherPerson), one(clearing.OtherMark))
		case 5:
			l.Visit, l.Person, l.Unmarked, l.Reversal = "", "", true, false
			say(l)
		default:
			say(l)
		}
	}
	// Lines of nothing, reversals of nothing, and repetitions.
	say(clearing.Line{Settlement: "S-none", Total: 100}, one(clearing.NotHere))
	say(clearing.Line{Settlement: "S-none-back", Total: -100, Unmarked: true}, one(clearing.NotReversedHere))
	say(clearing.Line{Settlement: "S-none-marked", Reversal: true}, one(clearing.NotReversedHere))
	r.Shuffle(len(lines), func(i, j int) {
		lines[i], lines[j] = lines[j], lines[i]
		want[i], want[j] = want[j], want[i]
	})
	for range 3 {
		row := r.IntN(len(lines))
		for want[row] != nil && want[row][0].Kind == clearing.Duplicate {
			row--
		}
		l := lines[row]
		l.Total++ // a repetition is named so, and not compared
		say(l, clearing.Difference{Kind: clearing.Duplicate, Row: row + 1})
	}
	var found []clearing.Finding
	w.view(func(tx *db.Tx) (err error) {
		var got, want clearing.Totals
		found, got, err = clearing.Reconcile(w.ctx, tx, scope, lines)
		for i := range w.made {
			if m := &w.made[i]; in(m) {
				want.Add(m.totals())
			}
		}
		if got != want {
			t.Errorf("the ledger's totals are %+v, want %+v", got, want)
		}
		return err
	})
	for i, ds := range want {
		f := found[i]
		if f.Line != lines[i] || f.Row != i+1 {
			t.Fatalf("finding %d is of row %d, %+v", i, f.Row, f.Line)
		}
		if !slices.EqualFunc(f.Differences, ds, func(a, b clearing.Difference) bool {
			return a.Kind == b.Kind && a.Gap == b.Gap && a.Row == b.Row && a.At.Equal(b.At)
		}) {
			t.Errorf("row %d %+v: %s, planted %+v", i+1, f.Line, f.Words(), ds)
		}
		for _, d := range ds {
			tried[d.Kind] = true
			if !strings.Contains(f.Words(), d.String()) || d.String() == "" {
				t.Errorf("row %d: %q does not say %q", i+1, f.Words(), d)
			}
		}
	}
	var left []string
	for _, f := range found[len(want):] {
		if f.Row != 0 || len(f.Differences) != 1 {
			t.Errorf("a settlement that is not stated: %+v", f)
		}
		left = append(left, fmt.Sprint(f.Settlement, f.Differences[0].Kind))
	}
	if !slices.Equal(left, missing) {
		t.Errorf("not stated are %v, left out were %v", left, missing)
	}
	if len(tried) < 8 {
		t.Errorf("only %d kinds of differences were planted", len(tried))
	}
}
