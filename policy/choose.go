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
		i += f.s[c.dims[k].sym.slot] * c.dims[k].stride
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
				dims = append(dims, dim{sym: k.sym})
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
