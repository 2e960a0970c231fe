package policy

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/anji-platform/anji/civil"
)

// edition is the sound package as a version of its own.
func edition(from, to, classes string) File {
	text := strings.Replace(sound, "from: 2025-01-01", "from: "+from, 1)
	text = strings.Replace(text, `version: "1"`, `version: "`+from+`"`, 1)
	text = strings.Replace(text, "classes: [低保]", "classes: ["+classes+"]", 1)
	if to != "" {
		text = strings.Replace(text, "documents:", "to: "+to+"\ndocuments:", 1)
	}
	return File{"990300/" + from + ".yaml", []byte(text)}
}

// heldOver says when the versions hold, as first and last days.
func heldOver(s *Store) string {
	var out []string
	for _, p := range s.Versions("990300") {
		span := p.From.String() + "–"
		if p.To != 0 {
			span += p.To.String()
		}
		out = append(out, span)
	}
	return strings.Join(out, " ")
}

func TestAdopt(t *testing.T) {
	s, err := load([]File{edition("2025-01-01", "", "低保"), edition("2026-01-01", "2026-12-31", "低保")})
	if err != nil {
		t.Fatal(err)
	}
	poor, _ := s.Class("低保")
	for _, x := range []struct {
		files []File
		want  string
	}{
		{nil, "2025-01-01– 2026-01-01–2026-12-31"},
		{[]File{edition("2026-07-01", "", "重残, 低保")}, "2025-01-01– 2026-01-01–2026-06-30 2026-07-01–"},
		{[]File{edition("2026-07-01", "", "重残, 低保"), edition("2026-05-01", "2026-05-31", "低保")}, "2025-01-01– 2026-01-01–2026-04-30 2026-05-01–2026-05-31 2026-07-01–"},
		{[]File{edition("2026-01-01", "", "特困, 低保")}, "2025-01-01–2025-12-31 2026-01-01–"}, // for one of the files
		{[]File{edition("2024-01-01", "2024-12-31", "低保")}, "2024-01-01–2024-12-31 2025-01-01– 2026-01-01–2026-12-31"},
		{nil, "2025-01-01– 2026-01-01–2026-12-31"},
	} {
		if err := s.Adopt(x.files...); err != nil {
			t.Fatal(err)
		}
		if got := heldOver(s); got != x.want {
			t.Errorf("after %d files: %s, want %s", len(x.files), got, x.want)
		}
		if set, ok := s.Class("低保"); !ok || set != poor {
			t.Errorf("the class has another bit after %d files: %b", len(x.files), set)
		}
	}
	if got := s.Classes(); len(got) != 3 || got[0] != "低保" {
		t.Errorf("classes %v: those that cases may hold stay", got)
	}
	if err := s.Adopt(edition("2026-07-01", "", "低保"), edition("2026-07-01", "", "低保")); err == nil {
		t.Error("two versions of one day are adopted")
	}
	if err := s.Adopt(File{"990300/x.yaml", []byte("format: 1")}); err == nil {
		t.Error("a file with faults is adopted")
	}
	if got := heldOver(s); got != "2025-01-01– 2026-01-01–2026-12-31" {
		t.Errorf("after what was not adopted: %s", got)
	}
}

func TestWith(t *testing.T) {
	s, err := load([]File{edition("2025-01-01", "", "低保"), edition("2026-01-01", "2026-12-31", "低保")})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		file File
		want string // when versions hold, or part of the fault
	}{
		{edition("2026-07-01", "", "低保"), "2025-01-01– 2026-01-01–2026-06-30 2026-07-01–"},
		{edition("2027-03-01", "", "低保"), "2025-01-01– 2026-01-01–2026-12-31 2027-03-01–"},
		{edition("2025-07-01", "", "低保"), "2025-01-01–2025-06-30 2025-07-01– 2026-01-01–2026-12-31"},
		{edition("2025-07-01", "2025-12-31", "低保"), "2025-01-01–2025-06-30 2025-07-01–2025-12-31 2026-01-01–2026-12-31"},
		{edition("2025-07-01", "2026-01-01", "低保"), "990300/2025-07-01.yaml:6:5: to 2026-01-01 is not before 2026-01-01"},
		{edition("2026-01-01", "", "低保"), "990300/2026-01-01.yaml:5:7: from 2026-01-01 is the first day of a version that there is"},
	} {
		next, err := s.With(x.file)
		var faults LoadErrors
		switch {
		case errors.As(err, &faults):
			if !strings.HasPrefix(faults.Error(), x.want) {
				t.Errorf("%s: %v, want %s", x.file.Name, err, x.want)
			}
		case err != nil:
			t.Error(err)
		case heldOver(next) != x.want:
			t.Errorf("%s: %s, want %s", x.file.Name, heldOver(next), x.want)
		}
		if got := heldOver(s); got != "2025-01-01– 2026-01-01–2026-12-31" {
			t.Fatalf("the store itself: %s", got)
		}
	}
}

// TestAdoptWhileSettling: who settles sees the packages from before or from
// after, and the same money on days on which nothing changed.
func TestAdoptWhileSettling(t *testing.T) {
	s, err := load([]File{edition("2025-01-01", "", "低保")})
	if err != nil {
		t.Fatal(err)
	}
	poor, _ := s.Class("低保")
	stop := make(chan struct{})
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, day := range []civil.Date{20250601, 20270601} {
					c := Case{Region: "990300", Date: day, Scheme: Employee, Visit: Inpatient, Insured: Normal, Classes: poor, Birth: 19800101, Lines: []Line{{Amount: 1000_00, FirstPay: FirstPayUnstated, Ceiling: NoCeiling}}}
					var r Result
					if err := s.Settle(&c, &r, nil); err != nil || r.FundTotal != 400_00 {
						t.Errorf("%s: fund %s, %v", day, r.FundTotal, err)
						return
					}
				}
			}
		})
	}
	for i := range 40 {
		var files []File
		if i%2 == 0 {
			files = []File{edition("2026-01-01", "", "重残, 低保")}
		}
		if err := s.Adopt(files...); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	work.Wait()
}
