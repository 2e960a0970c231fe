package his

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/anji-platform/anji/db/dbtest"
)

// uses are the fields that the tests saw read or filled.
var uses sync.Map

func TestMain(m *testing.M) {
	seen = func(place, field string) { uses.LoadOrStore(place+"\t"+field, nil) }
	dbtest.Main(covered{m})
}

// covered keeps what a whole and good run of the tests saw, if it is asked to.
type covered struct{ *testing.M }

func (c covered) Run() int {
	code := c.M.Run()
	part := flag.Lookup("test.run").Value.String() + flag.Lookup("test.skip").Value.String()
	if code != 0 || !*update || part != "" || testing.Short() {
		return code
	}
	if err := writeCoverage(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

const coverageFile = "coverage.tsv"

func writeCoverage() error {
	rows := []string{}
	uses.Range(func(k, _ any) bool {
		rows = append(rows, k.(string)+"\n")
		return true
	})
	slices.Sort(rows)
	return os.WriteFile(coverageFile, []byte("infno\tside\tnode\tfield\n"+strings.Join(rows, "")), 0o644)
}

// TestCoverageHolds fails if coverage.tsv says that a field is used which the
// tables do not have, or of a transaction that is not offered.
func TestCoverageHolds(t *testing.T) {
	s := New(Config{})
	offered := s.Offered()
	stale := map[string]bool{}
	err := eachRow(coverageFile, 4, func(c []string) error {
		if s.spec.field(strings.Join(c[:3], "\t"), c[3]) == nil || c[0] != "*" && !slices.Contains(offered, c[0]) {
			stale[strings.Join(c, " ")] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(stale) > 0 {
		t.Errorf("coverage.tsv says what is no longer so; go test ./his -update writes it anew: %q", slices.Sorted(maps.Keys(stale)))
	}
}

// TestOmissions fails if a field is not used and no reason says why, or if a
// reason is given for what is used or not there.
func TestOmissions(t *testing.T) {
	if *update {
		t.Skip("coverage.tsv is being written")
	}
	s := New(Config{})
	for _, number := range s.Offered() {
		tr := s.spec.Transaction(number)
		for _, n := range slices.Concat(tr.Input, tr.Output, []*Node{tr.InFile, tr.OutFile}) {
			if n == nil {
				continue
			}
			for _, f := range n.Fields {
				if f.InUse() == (f.Reason != "") {
					t.Errorf("%s %s %s is used: %t, why not: %q", number, n.Name, f.Name, f.InUse(), f.Reason)
				}
			}
		}
	}
	seen := map[string]bool{}
	for _, o := range omissions {
		for _, number := range strings.Fields(o.numbers) {
			for _, name := range strings.Fields(o.fields) {
				if len(s.spec.omitted(&omission{number, o.side, name, ""})) == 0 {
					t.Errorf("%s %s %s: %q is said of no unused field", number, o.side, name, o.reason)
				}
				if key := number + o.side + name; seen[key] {
					t.Errorf("%s %s %s has two reasons", number, o.side, name)
				} else {
					seen[key] = true
				}
			}
		}
	}
}
