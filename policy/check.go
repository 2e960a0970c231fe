package policy

import (
	"cmp"
	"slices"
)

// checkPackage finds what no single key shows: unreachable rules, gaps and
// overlaps of bands, plans of equal rank, things declared and never used.
func (b *builder) checkPackage() {
	p := b.pkg
	b.checkFacets()
	b.checkRules()
	for _, s := range p.stages {
		b.checkBands(s)
		if !s.usedByPlan {
			b.at(s.line, s.col, "stage %s is unreachable: no plan uses it", s.ID)
		}
		if s.when.kind != valAbsent {
			b.reachable(s.line, s.col, "stage "+s.ID, []val{s.when}, func(f *frame) bool { return s.when.get(f) != 0 })
		}
	}
	b.buildChooser()
	p.guard = guardOf(p.rules)
	b.markSettling()
	b.buildFlat()
	b.checkUnused()
}

func (b *builder) checkUnused() {
	p := b.pkg
	for _, q := range p.params {
		if !q.used {
			b.warn(q.line, q.col, "parameter %s is never used", q.name)
		}
	}
	for _, d := range p.Documents {
		if !b.docUsed[d.ID] {
			n := b.docNode[d.ID]
			b.warn(n.Line, n.Column, "document %s is never cited", d.ID)
		}
	}
	for _, f := range p.facets {
		if !f.sym.used {
			b.warn(f.line, f.col, "facet %s is never used", f.name)
		}
	}
	for _, f := range p.funds {
		if !f.used {
			b.warn(p.line, p.col, "fund %s is never used", f.ID)
		}
	}
	for _, a := range p.accumulators[numStandardAccumulators:] {
		if !a.used {
			b.warn(p.line, p.col, "accumulator %s is never used", a.name)
		}
	}
}

// checkFacets finds values that no case can have, and cases without a value.
func (b *builder) checkFacets() {
	for _, ft := range b.pkg.facets {
		hit := make([]bool, len(ft.whens)+1)
		missed := false
		complete := b.enumerate(ft.whens, func(f *frame) {
			for j := range ft.whens {
				if ft.whens[j].get(f) != 0 {
					hit[j] = true
					return
				}
			}
			hit[len(ft.whens)] = true
			missed = true
		})
		if !complete {
			if ft.otherwise < 0 && !slices.ContainsFunc(ft.whens, func(v val) bool { return v.bad }) {
				b.at(ft.line, ft.col, "facet %s needs otherwise: its conditions are too many to be sure that one always holds", ft.name)
			}
			continue
		}
		for j := range ft.whens {
			if !hit[j] {
				b.at(ft.line, ft.col, "facet %s: the %s row (value %q) is unreachable, the rows before it take every case", ft.name, ordinal(j+1), ft.dom.values[ft.target[j]])
			}
		}
		if missed && ft.otherwise < 0 {
			b.at(ft.line, ft.col, "facet %s: gap: there are cases for which no row holds; add a row or otherwise", ft.name)
		}
		if !missed && ft.otherwise >= 0 && !slices.Contains(ft.target, ft.otherwise) {
			b.at(ft.line, ft.col, "facet %s: otherwise is unreachable, the rows take every case", ft.name)
		}
	}
}

func (b *builder) checkRules() {
	for _, r := range b.pkg.rules {
		b.reachable(r.line, r.col, "rule "+r.id, []val{r.when}, func(f *frame) bool { return r.when.get(f) != 0 })
	}
	b.checkStarts()
}

func (b *builder) reachable(line, col int, what string, vals []val, holds func(*frame) bool) {
	found := false
	if b.enumerate(vals, func(f *frame) { found = found || holds(f) }) && !found {
		b.at(line, col, "%s is unreachable: its condition is false for every case", what)
	}
}

// checkBands evaluates the bounds of the bands for every combination of the
// categories they depend on: each band must begin where the one before ends.
func (b *builder) checkBands(s *Stage) {
	if !s.bands.banded || len(s.list) == 0 {
		return
	}
	vals := []val{s.bands.threshold}
	for i := range s.list {
		vals = append(vals, s.list[i].over, s.list[i].upto)
	}
	reported := make([]bool, len(s.list)+1)
	report := func(i int, format string, args ...any) {
		if !reported[i] {
			reported[i] = true
			bd := s.list[min(i, len(s.list)-1)]
			b.at(bd.line, bd.col, "stage "+s.ID+": "+format, args...)
		}
	}
	for _, bd := range s.list {
		if bd.ratio.bad {
			return
		}
	}
	b.enumerate(vals, func(f *frame) {
		f.unknown = nil
		var start int64
		if s.bands.threshold.kind != valAbsent && !s.bands.fromThreshold {
			start = s.bands.threshold.get(f)
		}
		for i := range s.list {
			bd := &s.list[i]
			over := bd.over.get(f)
			upto := int64(-1)
			if bd.upto.kind != valAbsent {
				upto = bd.upto.get(f)
			}
			if f.unknown != nil {
				return
			}
			switch {
			case i == 0 && over != start && !(over == 0 && start > 0):
				report(i, "gap in bands: the first band begins over %s, but %s is needed", yuan(over), yuan(start))
			case i > 0 && over > start:
				report(i, "gap in bands: nothing covers %s to %s", yuan(start), yuan(over))
			case i > 0 && over < start:
				report(i, "overlap of bands: %s to %s is in two bands", yuan(over), yuan(start))
			case upto >= 0 && upto <= over:
				report(i, "empty band: over %s, up to %s", yuan(over), yuan(upto))
			}
			start = upto
		}
		for i := range s.list {
			if r := s.list[i].ratio.get(f); f.unknown == nil && (r < 0 || r > 1e8) {
				report(i, "ratio %s is outside 0%% to 100%%", percentText(r))
			}
			f.unknown = nil
		}
	})
}

func ordinal(n int) string {
	switch n {
	case 1:
		return "first"
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return "later"
}

// axis is one quantity that expressions depend on, with the values worth
// trying: all values of a category, and around every constant that the
// expressions compare a number with.
type axis struct {
	slot   int
	mask   uint64 // of has(): the bit to set or clear; slot is then slotClasses
	values []int64
}

const maxTrials = 1 << 17

// enumerate calls f with every distinguishable combination of the quantities
// that the expressions depend on, and reports whether it could try them all.
func (b *builder) enumerate(vals []val, f func(*frame)) bool {
	var axes []*axis
	for i := range vals {
		if vals[i].bad {
			return false
		}
		if vals[i].kind == valParam {
			axes = b.paramAxes(axes, vals[i].p, 0)
		} else if vals[i].src != nil {
			axes = b.axes(axes, vals[i].src, 0)
		}
	}
	trials := 1
	for _, a := range axes {
		slices.Sort(a.values)
		a.values = slices.Compact(a.values)
		if trials *= len(a.values); trials > maxTrials {
			return false
		}
	}
	var fr frame
	for n := range trials {
		fr = frame{present: ^uint32(0)}
		for _, a := range axes {
			v := a.values[n%len(a.values)]
			n /= len(a.values)
			if a.mask != 0 {
				fr.s[slotClasses] |= int64(a.mask) * v
			} else {
				fr.s[a.slot] = v
			}
		}
		f(&fr)
	}
	return true
}

func axisOf(axes []*axis, slot int, mask uint64) ([]*axis, *axis) {
	for _, a := range axes {
		if a.slot == slot && a.mask == mask {
			return axes, a
		}
	}
	a := &axis{slot: slot, mask: mask}
	return append(axes, a), a
}

// axes adds what e depends on.
func (b *builder) axes(axes []*axis, e *expr, depth int) []*axis {
	if depth > 2*maxNesting {
		return axes
	}
	var a *axis
	switch e.op {
	case "has":
		axes, a = axisOf(axes, slotClasses, e.mask)
		a.values = []int64{0, 1}
	case "symbol":
		if e.sym.kind == symParam {
			return b.paramAxes(axes, e.sym.param, depth+1)
		}
		axes, a = axisOf(axes, e.sym.slot, 0)
		switch e.typ {
		case tyEnum:
			for i := range e.dom.values {
				a.values = append(a.values, int64(i))
			}
		case tyBool:
			a.values = []int64{0, 1}
		default:
			a.values = append(a.values, 0, 1, 2, 3)
		}
	case "==", "!=", "<", "<=", ">", ">=":
		// The numbers a quantity is compared with are where it matters.
		for k, side := range e.args {
			other := e.args[1-k]
			if side.op == "symbol" && side.sym.kind != symParam && side.typ != tyEnum && side.typ != tyBool {
				axes, a = axisOf(axes, side.sym.slot, 0)
				if v, ok := constantOf(other); ok {
					a.values = append(a.values, v-1, v, v+1)
				}
			}
		}
	}
	for _, arg := range e.args {
		axes = b.axes(axes, arg, depth+1)
	}
	return axes
}

func (b *builder) paramAxes(axes []*axis, p *param, depth int) []*axis {
	if depth > 2*maxNesting {
		return axes
	}
	var a *axis
	for _, d := range p.dims {
		axes, a = axisOf(axes, d.sym.slot, 0)
		for i := range d.sym.dom.values {
			a.values = append(a.values, int64(i))
		}
	}
	for i := range p.progs {
		if p.cells[i] == codeCell && p.progs[i].src != nil {
			axes = b.axes(axes, p.progs[i].src, depth+1)
		}
	}
	return axes
}

func constantOf(e *expr) (int64, bool) {
	if !exprConstant(e) {
		return 0, false
	}
	v, err := compile(e)
	if err != nil {
		return 0, false
	}
	return v.constant()
}

func sortFaults(es LoadErrors) {
	slices.SortStableFunc(es, func(a, b *LoadError) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}
