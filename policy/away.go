package policy

import (
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/ident"
)

// AwayFiling is how people apply for care in another region (异地就医备案).
type AwayFiling struct {
	WorkingDays int  // in which it is decided
	Backdated   bool // it may be applied for after the care (补办备案)
	// Provinces are the regions for which the whole province is filed, as six
	// digits; elsewhere a city is.
	Provinces []string
	Groups    []AwayGroup // in the order of the package
	Sources   []*Source
	Package   *Package
}

// AwayGroup are people who may apply.
type AwayGroup struct {
	Title      string
	Retired    bool     // only those who are retired
	Hospital   bool     // a hospital applies for them
	Papers     []string // that are asked for
	Commitment bool     // a signed commitment does instead of papers (承诺制)
	Automatic  bool     // decided at once if complete
	Months     int      // for how long it holds; 0: open
	Sources    []*Source
}

// Group finds a group by its title.
func (a *AwayFiling) Group(title string) (AwayGroup, bool) {
	for _, g := range a.Groups {
		if g.Title == title {
			return g, true
		}
	}
	return AwayGroup{}, false
}

func (b *builder) awayFiling(n *yaml.Node) *AwayFiling {
	a := &AwayFiling{Backdated: str(n, "backdated") == "true", Sources: b.sourcesOf(n), Package: b.pkg}
	a.WorkingDays, _ = strconv.Atoi(str(n, "working_days"))
	for _, v := range list(get(n, "provinces")) {
		r, err := ident.ParseRegion(v.Value)
		if err != nil || string(r.Province()) != v.Value {
			b.node(v, "away_filing.provinces has %s; six digits that end in 0000 are needed", show(v))
			continue
		}
		a.Provinces = append(a.Provinces, v.Value)
	}
	each(get(n, "groups"), func(k, v *yaml.Node) {
		g := AwayGroup{Title: k.Value, Retired: str(v, "retired") == "true", Hospital: str(v, "hospital") == "true",
			Commitment: str(v, "commitment") == "true", Automatic: str(v, "automatic") == "true", Sources: b.sourcesOf(v)}
		g.Months, _ = strconv.Atoi(str(v, "months"))
		for _, p := range list(get(v, "papers")) {
			g.Papers = append(g.Papers, p.Value)
		}
		if !g.Hospital && len(g.Papers) == 0 && !g.Commitment {
			b.node(k, "away_filing.groups: %s asks for neither papers nor a commitment", k.Value)
		}
		a.Groups = append(a.Groups, g)
	})
	return a
}

// National is the region whose package holds where a region's own says nothing.
const National = "000000"

// AwayFiling is how people of a region apply for care elsewhere on a day: as
// their package says or, if it does not, the country's. ok is false if neither
// does.
func (s *Store) AwayFiling(region string, day civil.Date) (a *AwayFiling, ok bool, err error) {
	p, err := s.At(region, day)
	if err != nil {
		return nil, false, err
	}
	if p.away != nil {
		return p.away, true, nil
	}
	if p, err = s.At(National, day); err != nil || p.away == nil {
		return nil, false, nil // nothing is said on that day
	}
	return p.away, true, nil
}
