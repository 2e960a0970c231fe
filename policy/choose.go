package policy

import "strings"

// chooser finds the plan of a case in one table look-up.
type chooser struct {
	dims  []dim
	table []int16 // by combination: index of the plan + 1, 0 for none
}

const maxCombinations = 1 << 20

func (p *Package) choose(f *frame) *Plan {
	c := &p.chooser
	if len(c.table) == 0 {
		return nil
	}
	i := int64(0)
	for k := range c.dims {
		i += f.s[c.dims[k].slot] * c.dims[k].stride
	}
	if n := c.table[i]; n > 0 {
		return p.plans[n-1]
	}
	return nil
}

// buildChooser lays out the plans over the combinations of all categories
// that any plan matches by. For each combination the plan with the most keys
// wins; two of equal rank are an error, and so is a plan that never wins.
func (b *builder) buildChooser() {
	p := b.pkg
	var dims []dim
	size := int64(1)
	for _, pl := range p.plans {
		for _, k := range pl.match {
			known := false
			for _, d := range dims {
				known = known || d.sym == k.sym
			}
			if !known {
				dims = append(dims, dim{sym: k.sym, slot: uint8(k.sym.slot)})
				size *= int64(len(k.sym.dom.values))
				if size > maxCombinations {
					b.at(pl.line, pl.col, "the plans match by so many categories that there are more than %d combinations; use fewer or smaller facets", maxCombinations)
					return
				}
			}
		}
	}
	if len(p.plans) == 0 {
		return
	}
	stride := size
	for i := range dims {
		stride /= int64(len(dims[i].sym.dom.values))
		dims[i].stride = stride
	}
	p.chooser = chooser{dims: dims, table: make([]int16, size)}
	reported := map[[2]*Plan]bool{}
	for i := range p.chooser.table {
		best, second := -1, -1
		for j, pl := range p.plans {
			if !pl.covers(dims, int64(i)) {
				continue
			}
			switch {
			case best < 0 || len(pl.match) > len(p.plans[best].match):
				best, second = j, -1
			case len(pl.match) == len(p.plans[best].match):
				second = j
			}
		}
		if best < 0 {
			continue
		}
		p.chooser.table[i] = int16(best + 1)
		p.plans[best].reachable = true
		if second >= 0 {
			x, y := p.plans[best], p.plans[second]
			y.reachable = true
			if !reported[[2]*Plan{x, y}] {
				reported[[2]*Plan{x, y}] = true
				b.at(y.line, y.col, "plans %s (line %d) and %s are of equal rank and both match %s; make one of them match by more categories", x.ID, x.line, y.ID, combination(dims, int64(i)))
			}
		}
	}
	for _, pl := range p.plans {
		if !pl.reachable {
			b.at(pl.line, pl.col, "plan %s is unreachable: every case it matches is taken by plans that match by more categories", pl.ID)
		}
	}
}

func (pl *Plan) covers(dims []dim, i int64) bool {
	for _, k := range pl.match {
		for _, d := range dims {
			if d.sym == k.sym {
				v := i / d.stride % int64(len(d.sym.dom.values))
				if k.mask>>uint(v)&1 == 0 {
					return false
				}
			}
		}
	}
	return true
}

func combination(dims []dim, i int64) string {
	var out []string
	for _, d := range dims {
		out = append(out, d.sym.name+"="+d.sym.dom.values[i/d.stride%int64(len(d.sym.dom.values))])
	}
	if len(out) == 0 {
		return "every case"
	}
	return strings.Join(out, " ")
}

// ruleGuard tells in a few tests that no rule can apply, which is so for
// nearly every case.
type ruleGuard struct {
	always bool // some rule has no simple necessary condition
	tests  []slotTest
}

type slotTest struct {
	slot uint8
	mask int64
}

func (g *ruleGuard) mayApply(f *frame) bool {
	for _, t := range g.tests {
		if t.mask>>uint(f.s[t.slot]&63)&1 != 0 {
			return true
		}
	}
	return g.always
}

func guardOf(rules []*rule) (g ruleGuard) {
	for _, r := range rules {
		t, ok := necessary(&r.when)
		if !ok {
			return ruleGuard{always: true}
		}
		found := false
		for i := range g.tests {
			if g.tests[i].slot == t.slot {
				g.tests[i].mask |= t.mask
				found = true
			}
		}
		if !found {
			g.tests = append(g.tests, t)
		}
	}
	return g
}

// necessary finds a test of one slot that must hold for v to hold.
func necessary(v *val) (slotTest, bool) {
	switch v.kind {
	case valIn:
		return slotTest{v.slot, v.c}, true
	case valSlot:
		return slotTest{v.slot, ^int64(1)}, v.typ == tyBool
	case valNot:
		return slotTest{v.x.slot, 1}, v.x.kind == valSlot && v.x.typ == tyBool
	case valAnd:
		if t, ok := necessary(v.x); ok {
			return t, true
		}
		return necessary(v.y)
	}
	return slotTest{}, false
}

// markSettling marks the facets that a settlement can depend on.
func (b *builder) markSettling() {
	seen := map[*param]bool{}
	var ofSymbol func(*symbol)
	var ofParam func(*param)
	var ofExpr func(*expr)
	ofSymbol = func(s *symbol) {
		for _, ft := range b.pkg.facets {
			if ft.sym == s && !ft.settles {
				ft.settles = true
				for i := range ft.whens {
					ofExpr(ft.whens[i].src)
				}
			}
		}
	}
	ofParam = func(p *param) {
		if p == nil || seen[p] {
			return
		}
		seen[p] = true
		for _, d := range p.dims {
			ofSymbol(d.sym)
		}
		for i := range p.progs {
			ofExpr(p.progs[i].src)
		}
	}
	ofExpr = func(e *expr) {
		if e == nil {
			return
		}
		if e.op == "symbol" {
			if e.sym.kind == symParam {
				ofParam(e.sym.param)
			} else {
				ofSymbol(e.sym)
			}
		}
		for _, a := range e.args {
			ofExpr(a)
		}
	}
	for _, pl := range b.pkg.plans {
		for _, k := range pl.match {
			ofSymbol(k.sym)
		}
	}
	for _, s := range b.pkg.stages {
		for _, v := range s.values() {
			ofExpr(v.src)
			ofParam(v.p)
		}
	}
}

// values are all values of the stage, in the order of evaluation.
func (s *Stage) values() []*val {
	out := []*val{&s.when, &s.base, &s.bands.threshold}
	if s.ded != nil {
		out = append(out, &s.ded.amount)
		for i := range s.ded.within {
			out = append(out, &s.ded.within[i].amount)
		}
	}
	for i := range s.list {
		out = append(out, &s.list[i].over, &s.list[i].upto, &s.list[i].ratio)
	}
	if s.floor != nil {
		out = append(out, &s.floor.base, &s.floor.ratio)
	}
	for i := range s.limits {
		out = append(out, &s.limits[i].amount)
	}
	return out
}
