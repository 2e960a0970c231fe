package policy

import (
	"errors"
	"io/fs"

	"github.com/anji-platform/anji/civil"
)

// Store holds the packages of all regions. It is immutable after Load and may
// be used by many goroutines.
type Store struct{ regions map[string][]*Package }

// Package is one version of one region's policy, compiled. It is immutable.
type Package struct {
	Region  string     // six digits
	Name    string     // name of the region, in Chinese
	Version string     // the package's own version
	From    civil.Date // first day it holds
	To      civil.Date // last day it holds; zero: open
}

// Plan is a benefit plan of a package (待遇方案).
type Plan struct {
	ID    string
	Title string // in Chinese
}

// Stage is one stage of payment (支付环节).
type Stage struct {
	ID    string
	Title string // in Chinese
	Fund  *Fund
}

// Fund is a fund that pays (基金).
type Fund struct {
	ID       string
	Title    string // in Chinese
	Category Category
	Code     string // fund_pay_type of the national interface, e.g. 310100
}

// InputError says what is wrong with a case: which field, what it holds, and
// what is allowed.
type InputError struct {
	Field string // as the calculator contract names it, e.g. lines[2].amount
	Value string
	Want  string // in Chinese
}

func (e *InputError) Error() string { return e.Field + " = " + e.Value + ": " + e.Want }

// Load reads every package below the root of fsys. It reports every error of
// every file, each with file:line:column.
func Load(fsys fs.FS) (*Store, error) { return nil, errors.New("in the making") }

// At returns the package of the region that holds on the day, or an
// *InputError.
func (s *Store) At(region string, day civil.Date) (*Package, error) { return nil, nil }

// Class returns the set of the one class of persons with that name, and
// whether the store knows it.
func (s *Store) Class(name string) (ClassSet, bool) { return 0, false }

// ClassNames lists the names of the classes in the set.
func (s *Store) ClassNames(set ClassSet) []string { return nil }

// Settle decides the case under the package of its region and day. It writes
// r whole (r.Lines is reused if it has room) and, if t is not nil, the steps
// of the explanation. The only errors are *InputError. Settle is pure: no
// clock, no I/O, no randomness.
func (s *Store) Settle(c *Case, r *Result, t *Trace) error { return nil }

// SplitLine divides one line as the package's scope rules say, before any
// settlement: what 2204 and 2301 answer for each fee line.
func (s *Store) SplitLine(c *Case, l *Line) (LineSplit, error) { return LineSplit{}, nil }

// Accumulators names the accumulators of the package, by slot.
func (p *Package) Accumulators() []string { return nil }

// BenefitYear returns the first and last day of the benefit year (待遇年度)
// that holds day.
func (p *Package) BenefitYear(day civil.Date) (from, to civil.Date) { return 0, 0 }

// FactSlot returns the slot of a fact the package declares, or -1.
func (p *Package) FactSlot(name string) int { return -1 }
