package policy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/anji-platform/anji/money"
)

// ReplayCase is one case, stated for each of two packages.
type ReplayCase struct {
	Name string
	A, B *Case
	Err  error // why it cannot be stated for both; nil if it can
}

// Side is a package and the store that settles under it.
type Side struct {
	Store   *Store
	Package *Package
}

// Sums are the amounts of some cases under one package.
type Sums struct {
	Total   money.Fen `json:"total"`
	Fund    money.Fen `json:"fund"`
	Person  money.Fen `json:"person"`
	Account money.Fen `json:"account"`
	Cash    money.Fen `json:"cash"`
	Refused int       `json:"refused"`

	categories [NumCategories]money.Fen
}

func (s *Sums) add(r *Result) {
	s.Total += r.Total
	s.Fund += r.FundTotal
	s.Person += r.Person
	s.Account += r.Account
	s.Cash += r.Cash
	if r.Refused {
		s.Refused++
	}
	for i, v := range r.Fund {
		s.categories[i] += v
	}
}

// Group are the sums of the cases that have something in common.
type Group struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Cases int    `json:"cases"`
	A     Sums   `json:"a"`
	B     Sums   `json:"b"`
}

// CategoryChange is what funds of one category pay under each package.
type CategoryChange struct {
	Category string    `json:"category"`
	Title    string    `json:"title"`
	A        money.Fen `json:"a"`
	B        money.Fen `json:"b"`
}

// CaseChange is one case whose answer differs.
type CaseChange struct {
	Name             string    `json:"name"`
	PersonA          money.Fen `json:"person_a"`
	PersonB          money.Fen `json:"person_b"`
	FundA            money.Fen `json:"fund_a"`
	FundB            money.Fen `json:"fund_b"`
	RefusedA         bool      `json:"refused_a,omitempty"`
	RefusedB         bool      `json:"refused_b,omitempty"`
	Reason           string    `json:"reason,omitempty"` // of a refusal that only one package makes
	personDifference money.Fen
}

// Skipped is a case that could not be settled under both packages.
type Skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Money is what the same cases come to under two packages.
type Money struct {
	All        Group            `json:"all"`
	Schemes    []Group          `json:"schemes"`
	Categories []CategoryChange `json:"categories"`
	Gain       int              `json:"gain"` // the person bears less under the second
	Lose       int              `json:"lose"`
	Same       int              `json:"same"`
	Largest    []CaseChange     `json:"largest"`
	Skipped    []Skipped        `json:"skipped"`
}

// maxLargest is how many of the largest changes are named.
const maxLargest = 10

// Replay settles every case under both packages.
func Replay(a, b Side, cases []ReplayCase) *Money {
	m := &Money{All: Group{Name: "all", Title: "合计"}, Schemes: []Group{}, Largest: []CaseChange{}, Skipped: []Skipped{}}
	schemes := [2]Group{}
	for i := range cases {
		c := &cases[i]
		ra, rb, err := settleBoth(a, b, c)
		if err != nil {
			m.Skipped = append(m.Skipped, Skipped{c.Name, err.Error()})
			continue
		}
		for _, g := range []*Group{&m.All, &schemes[c.A.Scheme]} {
			g.Cases++
			g.A.add(&ra)
			g.B.add(&rb)
		}
		m.note(c.Name, &ra, &rb)
	}
	for i, g := range schemes {
		if g.Cases > 0 {
			g.Name, g.Title = Scheme(i).String(), Scheme(i).Title()
			m.Schemes = append(m.Schemes, g)
		}
	}
	m.Categories = []CategoryChange{}
	for i := range categoryNames {
		x, y := m.All.A.categories[i], m.All.B.categories[i]
		if x != 0 || y != 0 {
			m.Categories = append(m.Categories, CategoryChange{categoryNames[i], categoryTitles[i], x, y})
		}
	}
	slices.SortStableFunc(m.Largest, func(x, y CaseChange) int {
		return cmp.Or(cmp.Compare(magnitude(int64(y.personDifference)), magnitude(int64(x.personDifference))), cmp.Compare(x.Name, y.Name))
	})
	m.Largest = m.Largest[:min(len(m.Largest), maxLargest)]
	return m
}

func settleBoth(a, b Side, c *ReplayCase) (ra, rb Result, err error) {
	if c.Err != nil {
		return ra, rb, c.Err
	}
	if err := settleUnder(a, c.A, &ra); err != nil {
		return ra, rb, fmt.Errorf("前一政策下：%w", err)
	}
	if err := settleUnder(b, c.B, &rb); err != nil {
		return ra, rb, fmt.Errorf("后一政策下：%w", err)
	}
	return ra, rb, nil
}

func settleUnder(s Side, c *Case, r *Result) error {
	if err := s.Store.Settle(c, r, nil); err != nil {
		return err
	}
	if r.Package != s.Package {
		return fmt.Errorf("按日期由 %s 的另一版本（%s 起）结算", r.Package.Region, r.Package.From)
	}
	return nil
}

func (m *Money) note(name string, a, b *Result) {
	switch d := b.Person - a.Person; {
	case d < 0:
		m.Gain++
	case d > 0:
		m.Lose++
	default:
		m.Same++
		if a.Refused == b.Refused {
			return
		}
	}
	c := CaseChange{Name: name, PersonA: a.Person, PersonB: b.Person, FundA: a.FundTotal, FundB: b.FundTotal,
		RefusedA: a.Refused, RefusedB: b.Refused, personDifference: b.Person - a.Person}
	switch {
	case b.Refused && !a.Refused:
		c.Reason = b.Reason
	case a.Refused && !b.Refused:
		c.Reason = a.Reason
	}
	m.Largest = append(m.Largest, c)
}
