package rulebook

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Outcome is what became of a case under a version.
type Outcome struct {
	Name, Why           string
	File                string
	Line                int
	Total, Fund, Person money.Fen
	Refused             bool
	Settled             bool   // the amounts are known
	Fault               string // how the answer differs from what is expected; "": it does not
}

// Report is what a version was found to be.
type Report struct {
	Faults   policy.LoadErrors // why it does not fit among the packages any more; then nothing else is known
	Warnings policy.LoadErrors
	Package  *policy.Package
	Before   *policy.Package // the version that it follows, nil: none

	Own, Beside             []Outcome // of its own cases; of those beside the version before, moved to its days
	OwnFailed, BesideFailed int

	Difference policy.Difference // from the version before
}

// Try checks a version as it would stand among the packages, tries it on its own
// cases and on those beside the version before, and compares the two.
func (s *Service) Try(ctx context.Context, tx *db.Tx, v *Version) (*Report, error) {
	base, err := s.base(ctx, tx, v.ID)
	if err != nil {
		return nil, err
	}
	next, p, err := try(base, v.File())
	var faults *Faults
	if errors.As(err, &faults) {
		return &Report{Faults: faults.LoadErrors}, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := examples(v)
	if err != nil {
		return nil, err
	}
	return s.report(ctx, tx, policy.Side{Store: next, Package: p}, base, own)
}

// TryIssued is Try for a version of the packages, wherever it came from.
func (s *Service) TryIssued(ctx context.Context, tx *db.Tx, p *policy.Package) (*Report, error) {
	v, ok, err := s.Stored(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	var own []calc.Example
	if ok {
		if own, err = examples(v); err != nil {
			return nil, err
		}
	} else if all, err := s.beside(ctx, tx, p.Region); err != nil {
		return nil, err
	} else { // the files do not say of which version their cases are: the day does
		for _, e := range all {
			if day, ok := e.Day(); ok && p.From <= day && (p.To == 0 || day <= p.To) {
				own = append(own, e)
			}
		}
	}
	return s.report(ctx, tx, policy.Side{Store: s.store, Package: p}, s.store, own)
}

// Stored finds the uploaded version that a package of the store is.
func (s *Service) Stored(ctx context.Context, tx *db.Tx, p *policy.Package) (*Version, bool, error) {
	all, err := List(ctx, tx, p.Region)
	if err != nil {
		return nil, false, err
	}
	for _, v := range all {
		if v.State.issued() && v.From == p.From {
			return Get(ctx, tx, v.ID)
		}
	}
	return nil, false, nil
}

func (s *Service) report(ctx context.Context, tx *db.Tx, side policy.Side, base *policy.Store, own []calc.Example) (*Report, error) {
	p := side.Package
	r := &Report{Package: p}
	for _, w := range side.Store.Warnings() {
		if w.File == p.File {
			r.Warnings = append(r.Warnings, w)
		}
	}
	r.Own, r.OwnFailed = outcomes(side, own)
	versions := base.Versions(p.Region)
	for _, b := range versions {
		if b.From < p.From {
			r.Before = b
		}
	}
	if r.Before == nil {
		return r, nil
	}
	beside, err := s.beside(ctx, tx, p.Region)
	if err != nil {
		return nil, err
	}
	r.Beside, r.BesideFailed = outcomes(side, beside)
	before := policy.Side{Store: base, Package: r.Before}
	r.Difference = policy.Difference{A: policy.EditionOf(r.Before), B: policy.EditionOf(p), Changes: policy.Compare(r.Before, p)}
	all := slices.Concat(beside, own)
	seen := map[string]bool{}
	all = slices.DeleteFunc(all, func(e calc.Example) bool {
		was := seen[e.Name]
		seen[e.Name] = true
		return was
	})
	if len(all) > 0 {
		r.Difference.Money = policy.Replay(before, side, calc.Restate(all, before, side))
	}
	return r, nil
}

// Compare says what changes between two versions of a region's packages, in words
// and in money.
func (s *Service) Compare(ctx context.Context, tx *db.Tx, a, b *policy.Package) (*policy.Difference, error) {
	d := &policy.Difference{A: policy.EditionOf(a), B: policy.EditionOf(b), Changes: policy.Compare(a, b)}
	all, err := s.beside(ctx, tx, a.Region)
	if err != nil {
		return nil, err
	}
	if len(all) > 0 {
		before, after := policy.Side{Store: s.store, Package: a}, policy.Side{Store: s.store, Package: b}
		d.Money = policy.Replay(before, after, calc.Restate(all, before, after))
	}
	return d, nil
}

// examples are a version's own cases.
func examples(v *Version) ([]calc.Example, error) {
	if len(strings.TrimSpace(string(v.Cases))) == 0 {
		return nil, nil
	}
	all, err := calc.ParseExamples("自带算例", v.Cases)
	for i := range all {
		all[i].Region = v.Region
	}
	return all, err
}

// beside are the cases of a region: of the files, and of the versions that were
// issued.
func (s *Service) beside(ctx context.Context, tx *db.Tx, region string) ([]calc.Example, error) {
	all, err := calc.Examples(s.cases, region)
	if err != nil {
		return nil, err
	}
	listed, err := List(ctx, tx, region)
	if err != nil {
		return nil, err
	}
	for _, x := range listed {
		if !x.State.issued() {
			continue
		}
		v, _, err := Get(ctx, tx, x.ID)
		if err != nil {
			return nil, err
		}
		own, err := examples(v)
		if err != nil {
			return nil, err
		}
		for i := range own {
			own[i].File = v.From.String() + " 版本"
		}
		all = append(all, own...)
	}
	return all, nil
}

// outcomes settles examples under a package, moved to days on which it holds.
func outcomes(side policy.Side, all []calc.Example) (out []Outcome, failed int) {
	d := calc.NewDecoder(side.Store)
	for i := range all {
		e := &all[i]
		o := Outcome{Name: e.Name, Why: e.Why, File: e.File, Line: e.Line}
		c, err := e.Restate(side.Package, d)
		var r policy.Result
		if err == nil {
			err = e.Check(side.Store, c, &r)
			if r.Package != nil {
				o.Settled, o.Refused, o.Total, o.Fund, o.Person = true, r.Refused, r.Total, r.FundTotal, r.Person
			}
		} else {
			err = e.Expected(err)
		}
		if err != nil {
			failed++
			o.Fault = err.Error()
		}
		out = append(out, o)
	}
	return out, failed
}
