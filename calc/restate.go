package calc

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/policy"
)

// Restate states every example for both packages, for policy.Replay.
func Restate(examples []Example, a, b policy.Side) []policy.ReplayCase {
	da, db := NewDecoder(a.Store), NewDecoder(b.Store)
	out := make([]policy.ReplayCase, 0, len(examples))
	for i := range examples {
		e := &examples[i]
		c := policy.ReplayCase{Name: e.Name}
		var errA, errB error
		c.A, errA = e.Restate(a.Package, da)
		c.B, errB = e.Restate(b.Package, db)
		if errA != nil {
			errA = fmt.Errorf("前一政策下不能读：%w", errA)
		}
		if errB != nil {
			errB = fmt.Errorf("后一政策下不能读：%w", errB)
		}
		if c.Err = errA; c.Err == nil {
			c.Err = errB
		}
		out = append(out, c)
	}
	return out
}

// Restate reads the example as a case of the package: of its region, and on a
// day on which it holds. Its days are moved together, by whole years if that is
// enough.
func (e *Example) Restate(p *policy.Package, d *Decoder) (*policy.Case, error) {
	n := cloneNode(e.Case)
	home := e.Region
	if r := child(n, "region"); r != nil {
		home = r.Value
	}
	setChild(n, "region", p.Region)
	if care := child(n, "care_region"); care != nil && home != p.Region {
		care.Value = careFor(care.Value, home, p.Region)
	}
	if day := child(n, "date"); day != nil {
		date, err := civil.Parse(day.Value)
		if err != nil {
			return nil, errors.New("date：应为日期，如 2025-06-01")
		}
		if move := moveInto(p, date); move != nil {
			moveDates(n, move)
		}
	}
	var c policy.Case
	if err := d.DecodeNode(n, &c); err != nil {
		return nil, err
	}
	c.Lines = slices.Clone(c.Lines)
	return &c, nil
}

// careFor is a care region that lies to the new home as care lay to the old:
// at home, in the province, or outside.
func careFor(care, home, to string) string {
	province := func(r string) string { return r[:min(2, len(r))] }
	switch {
	case care == home:
		return to
	case province(care) == province(home):
		return province(to) + "9999" // no region's code: the home catalogue is used
	case province(care) == province(to):
		return home
	}
	return care
}

// moveInto says how the days of a case on day are moved so that the package
// holds; nil when it does.
func moveInto(p *policy.Package, day civil.Date) func(civil.Date) civil.Date {
	holds := func(d civil.Date) bool { return d >= p.From && (p.To == 0 || d <= p.To) }
	if holds(day) {
		return nil
	}
	from := p.From.Year() - day.Year()
	for _, years := range []int{from, from + 1, from - 1} {
		move := func(d civil.Date) civil.Date { return d.AddMonths(12 * years) }
		if holds(move(day)) {
			return move
		}
	}
	days := p.From.DaysSince(day)
	return func(d civil.Date) civil.Date { return d.AddDays(days) }
}

var dayPattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

func moveDates(n *yaml.Node, move func(civil.Date) civil.Date) {
	if n.Kind == yaml.ScalarNode && dayPattern.MatchString(n.Value) {
		if d, err := civil.Parse(n.Value); err == nil {
			n.Value = move(d).String()
		}
	}
	for _, c := range n.Content {
		moveDates(c, move)
	}
}

func cloneNode(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = cloneNode(c)
	}
	return &out
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func setChild(n *yaml.Node, key, value string) {
	if v := child(n, key); v != nil {
		v.Kind, v.Tag, v.Value, v.Content = yaml.ScalarNode, "!!str", value, nil
		return
	}
	scalar := func(s string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Line: n.Line, Column: n.Column}
	}
	n.Content = append(n.Content, scalar(key), scalar(value))
}
