package policy

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxCells bounds the table of one parameter.
const maxCells = 4096

func (b *builder) parameters(n *yaml.Node) {
	b.phase = phaseParams
	each(n, func(k, v *yaml.Node) {
		p := &param{column: noColumn, name: k.Value, title: str(v, "title"), unit: str(v, "unit"), note: str(v, "note"), sources: b.sourcesOf(v), line: k.Line, col: k.Column,
			typ: map[string]valueType{"yuan": tyMoney, "ratio": tyRate, "count": tyCount}[str(v, "unit")]}
		if p.typ == tyNumber {
			p.typ = tyMoney // the unit is wrong, which is reported; go on to find more
		}
		one, by, tab := get(v, "value"), get(v, "by"), get(v, "values")
		switch {
		case one != nil && (by != nil || tab != nil):
			b.node(one, "parameter %s has both value and by/values; one of the two is needed", p.name)
		case one == nil && (by == nil || tab == nil):
			b.node(k, "parameter %s needs either value, or by and values", p.name)
		case one != nil:
			p.cells, p.progs = []int64{0}, make([]val, 1)
			b.cell(p, 0, one)
		default:
			b.dims(p, by)
			b.fill(p, tab, 0, 0)
			b.gaps(p, tab)
		}
		if p.cells == nil {
			p.cells, p.progs = []int64{0}, make([]val, 1)
		}
		if b.define(k, &symbol{name: p.name, title: p.title, kind: symParam, typ: p.typ, param: p}) {
			b.pkg.params = append(b.pkg.params, p)
			b.pkg.paramByName[p.name] = p
		}
	})
}

// emptyCell marks a cell of a table that no row has filled.
const emptyCell = unknownCell + 2

// dimension finds a category that a table or a match may use.
func (b *builder) dimension(n *yaml.Node) *symbol {
	s := b.syms[n.Value]
	if s != nil && s.typ == tyEnum {
		s.used = true
		return s
	}
	var known []string
	for _, name := range b.known() {
		if b.syms[name].typ == tyEnum {
			known = append(known, name)
		}
	}
	b.node(n, "%s is not a category; allowed: %s", show(n), strings.Join(known, ", "))
	return nil
}

func (b *builder) dims(p *param, by *yaml.Node) {
	size := int64(1)
	var syms []*symbol
	for _, d := range list(by) {
		s := b.dimension(d)
		if s == nil {
			continue
		}
		if slices.Contains(syms, s) {
			b.node(d, "dimension %s stands twice", s.name)
			continue
		}
		syms = append(syms, s)
		if s.dom.open {
			b.openCells(s.dom)
		}
		size *= int64(len(s.dom.values))
	}
	if size > maxCells {
		b.node(by, "the table has %d cells; at most %d are allowed", size, maxCells)
		return
	}
	stride := size
	for _, s := range syms {
		stride /= int64(len(s.dom.values))
		p.dims = append(p.dims, dim{sym: s, stride: stride, slot: uint8(s.slot)})
	}
	p.cells, p.progs = make([]int64, size), make([]val, size)
	for i := range p.cells {
		p.cells[i] = emptyCell
	}
}

// openCells refuses tables by disease, whose values are not a closed set: a
// facet makes them one.
func (b *builder) openCells(d *domain) {
	b.at(b.pkg.line, b.pkg.col, "a table cannot be by %s; define a facet with the groups that matter and use that", d.name)
}

// fill writes the cells below one row. Keys are values of the dimension,
// several joined by |, or * for those not named.
func (b *builder) fill(p *param, n *yaml.Node, depth int, base int64) {
	if p.cells == nil {
		return
	}
	if depth == len(p.dims) {
		if n.Kind != yaml.ScalarNode {
			b.node(n, "%s: %s found where a value is needed; the table has %d dimensions", p.name, show(n), len(p.dims))
			return
		}
		b.cell(p, base, n)
		return
	}
	if n.Kind != yaml.MappingNode {
		b.node(n, "%s: %s found where values of %s are needed", p.name, show(n), p.dims[depth].sym.name)
		return
	}
	b.noDuplicates(n, p.name)
	d := p.dims[depth]
	named := map[string]*yaml.Node{}
	var rest *yaml.Node
	each(n, func(k, v *yaml.Node) {
		if k.Value == "*" {
			rest = v
			return
		}
		for _, part := range strings.Split(k.Value, "|") {
			part = strings.TrimSpace(part)
			i := slices.Index(d.sym.dom.values, part)
			if i < 0 {
				b.node(k, "%s: %q is not a value of %s; allowed: %s, or * for the others", p.name, part, d.sym.name, strings.Join(d.sym.dom.values, ", "))
				continue
			}
			if first := named[part]; first != nil {
				b.node(k, "%s: %s %q overlaps line %d", p.name, d.sym.name, part, first.Line)
				continue
			}
			named[part] = k
			b.fill(p, v, depth+1, base+int64(i)*d.stride)
		}
	})
	if rest != nil {
		if len(named) == len(d.sym.dom.values) {
			b.node(rest, "%s: * is unreachable, every value of %s is named", p.name, d.sym.name)
		}
		for i, v := range d.sym.dom.values {
			if named[v] == nil {
				b.fill(p, rest, depth+1, base+int64(i)*d.stride)
			}
		}
	}
}

func (b *builder) cell(p *param, i int64, n *yaml.Node) {
	v := b.value(n, p.typ, p.name)
	switch v.kind {
	case valConst:
		p.cells[i] = v.c
	case valUnknown:
		p.cells[i] = unknownCell
	case valAbsent:
		p.cells[i] = 0
	default:
		if c, ok := v.constant(); ok {
			p.cells[i] = c
			p.progs[i] = v
			return
		}
		p.cells[i], p.progs[i] = codeCell, v
	}
}

// gaps reports the combinations no row covers.
func (b *builder) gaps(p *param, n *yaml.Node) {
	missing := 0
	for i, c := range p.cells {
		if c != emptyCell {
			continue
		}
		p.cells[i] = 0
		if missing++; missing <= 3 {
			b.node(n, "%s: gap: no value for %s; add it, or * for the others, or unknown", p.name, p.where(int64(i)))
		}
	}
	if missing > 3 {
		b.node(n, "%s: gap: %d further combinations have no value", p.name, missing-3)
	}
}

// where writes the combination of a cell: "scheme=employee level=3".
func (p *param) where(i int64) string {
	var out []string
	for _, d := range p.dims {
		v := i / d.stride % int64(len(d.sym.dom.values))
		out = append(out, d.sym.name+"="+d.sym.dom.values[v])
	}
	return strings.Join(out, " ")
}

func (b *builder) accumulatorsAndFunds(n *yaml.Node) {
	p := b.pkg
	each(get(n, "accumulators"), func(k, v *yaml.Node) {
		if p.AccumulatorSlot(k.Value) >= 0 {
			b.node(k, "accumulator %s is there already; the standard ones need not be declared", k.Value)
			return
		}
		if len(p.accumulators) == MaxAccumulators {
			b.node(k, "more than %d accumulators", MaxAccumulators)
			return
		}
		p.accumulators = append(p.accumulators, accumulator{name: k.Value, title: str(v, "title"), sources: b.sourcesOf(v)})
	})
	each(get(n, "funds"), func(k, v *yaml.Node) {
		p.funds = append(p.funds, &Fund{ID: k.Value, Title: str(v, "title"), Code: str(v, "code"), sources: b.sourcesOf(v),
			Category: Category(max(slices.Index(categoryNames, str(v, "category")), 0))})
	})
}

func (b *builder) accumulatorSlot(n *yaml.Node) int {
	i := b.pkg.AccumulatorSlot(n.Value)
	if i < 0 {
		b.node(n, "%s is not an accumulator; declared: %s", show(n), strings.Join(b.pkg.Accumulators(), ", "))
		return 0
	}
	b.pkg.accumulators[i].used = true
	return i
}

func (b *builder) accumulatorSlots(n *yaml.Node) []int {
	var out []int
	for _, a := range list(n) {
		if a.Kind == yaml.ScalarNode {
			out = append(out, b.accumulatorSlot(a))
		}
	}
	return out
}

func (b *builder) scope(n *yaml.Node) {
	b.phase = phaseParams
	b.pkg.scopeFirstPay = val{kind: valAbsent}
	if n == nil {
		return
	}
	b.pkg.scopeSources = b.sourcesOf(n)
	if v := get(n, "class_b_first_pay"); v != nil {
		b.pkg.scopeFirstPay = b.value(v, tyRate, "class_b_first_pay")
		switch q := b.pkg.scopeFirstPay; q.kind {
		case valConst, valUnknown:
		case valParam:
			for _, d := range q.p.dims {
				if d.sym.slot >= slotFacets {
					b.node(v, "class_b_first_pay is by %s; another region's catalogue cannot know this package's facets", d.sym.name)
				}
			}
			for _, c := range q.p.cells {
				if c == codeCell {
					b.node(v, "class_b_first_pay: the parameter %s depends on the case; only a plain ratio or table is allowed", q.p.name)
					break
				}
			}
		default:
			b.node(v, "class_b_first_pay must be a ratio, the name of a parameter, or unknown")
		}
	}
}

func (b *builder) readRules(n *yaml.Node) {
	each(n, func(k, v *yaml.Node) {
		r := &rule{id: k.Value, title: str(v, "title"), reason: str(v, "reason"), sources: b.sourcesOf(v), line: k.Line, col: k.Column,
			decision: map[string]ruleDecision{"refuse": ruleRefuse, "advance": ruleAdvance, "note": ruleNote}[str(v, "decision")]}
		if w := get(v, "when"); w != nil && w.Kind == yaml.ScalarNode {
			r.when = b.cond(w, "when")
		}
		b.pkg.rules = append(b.pkg.rules, r)
	})
}

func (b *builder) readStages(n *yaml.Node) {
	each(n, func(k, v *yaml.Node) {
		s := &Stage{ID: k.Value, Title: str(v, "title"), role: k.Value, sources: b.sourcesOf(v), line: k.Line, col: k.Column}
		b.current = s
		if r := str(v, "role"); r != "" {
			s.role = r
		}
		b.payer(s, k, v)
		s.when = val{kind: valAbsent}
		if w := get(v, "when"); w != nil && w.Kind == yaml.ScalarNode {
			s.when = b.cond(w, "when")
		}
		s.base = b.value(get(v, "base"), tyMoney, "base")
		b.readDeductible(s, get(v, "deductible"))
		b.readBands(s, k, v)
		s.rounding = str(v, "rounding") == "stage"
		if f := get(v, "floor"); f != nil {
			s.floor = &floor{title: str(f, "title"), sources: b.sourcesOf(f),
				base: b.value(get(f, "base"), tyMoney, "floor.base"), ratio: b.value(get(f, "ratio"), tyRate, "floor.ratio")}
		}
		s.limits = b.limits(get(v, "limits"))
		s.limitsCost = slices.ContainsFunc(s.limits, func(l limit) bool { return l.covered })
		each(get(v, "accumulate"), func(ak, av *yaml.Node) {
			if q := slices.Index(quantityNames, av.Value); q >= 0 {
				s.sets = append(s.sets, accumulate{acc: b.accumulatorSlot(ak), q: quantity(q)})
			}
		})
		b.roles[s.role] = true
		b.stageOf[s.ID] = s
		b.pkg.stages = append(b.pkg.stages, s)
	})
	b.current = nil
	for key, sym := range b.outputs {
		role, q, _ := strings.Cut(key, ".")
		for _, s := range b.pkg.stages {
			if s.role == role {
				e := export{quantity(slices.Index(quantityNames, q)), uint8(sym.slot)}
				s.exports = append(s.exports, e)
				s.asksBeyond = s.asksBeyond || e.q == qBeyond
			}
		}
	}
}

func (b *builder) payer(s *Stage, k, v *yaml.Node) {
	f, acct := get(v, "fund"), get(v, "account")
	switch {
	case (f == nil) == (acct == nil):
		b.node(k, "stage %s needs either fund or account", s.ID)
	case acct != nil:
		s.account, s.own, s.family = true, acct.Value != "family", acct.Value != "own"
		for _, key := range []string{"deductible", "ratio", "bands", "floor"} {
			if x := get(v, key); x != nil {
				b.node(x, "stage %s: an account pays what is left of its base; %s is not allowed", s.ID, key)
			}
		}
	default:
		if f.Kind == yaml.ScalarNode {
			s.funds[Employee] = b.fund(f)
			s.funds[Resident] = s.funds[Employee]
		} else {
			s.funds[Employee], s.funds[Resident] = b.fund(get(f, "employee")), b.fund(get(f, "resident"))
		}
		if x, y := s.funds[0], s.funds[1]; x != nil && y != nil && x.Category != y.Category {
			b.node(f, "funds %s and %s of one stage are of different categories", x.ID, y.ID)
		}
		for i := range s.funds {
			if s.funds[i] == nil {
				s.funds[i] = &Fund{} // reported; keeps later checks going
			}
		}
	}
}

// fund finds a declared fund.
func (b *builder) fund(n *yaml.Node) *Fund {
	if n == nil {
		return nil
	}
	known := make([]string, len(b.pkg.funds))
	for i, fund := range b.pkg.funds {
		if fund.ID == n.Value {
			fund.used = true
			return fund
		}
		known[i] = fund.ID
	}
	b.node(n, "fund %s is not declared under funds; declared: %s", show(n), strings.Join(known, ", "))
	return nil
}

func (b *builder) readDeductible(s *Stage, n *yaml.Node) {
	if n == nil {
		return
	}
	d := &deductible{title: str(n, "title"), sources: b.sourcesOf(n),
		amount: b.value(get(n, "amount"), tyMoney, "deductible.amount"),
		borne:  b.accumulatorSlots(get(n, "borne")),
		within: b.limits(get(n, "also_within")),
		sets:   b.accumulatorSlots(get(n, "accumulate")),
	}
	if get(n, "accumulate") == nil {
		d.sets = d.borne
	}
	s.ded = d
}

func (b *builder) limits(n *yaml.Node) []limit {
	var out []limit
	for _, l := range list(n) {
		if l.Kind != yaml.MappingNode {
			continue
		}
		out = append(out, limit{title: str(l, "title"), amount: b.value(get(l, "amount"), tyMoney, "limit"),
			used: b.accumulatorSlots(get(l, "used")), covered: str(l, "of") == "covered", sources: b.sourcesOf(l)})
	}
	return out
}

func (b *builder) readBands(s *Stage, k, v *yaml.Node) {
	s.bands = bandScale{along: -1, measureBase: true, threshold: val{kind: valAbsent}}
	ratio, n := get(v, "ratio"), get(v, "bands")
	switch {
	case s.account:
		return
	case (ratio == nil) == (n == nil):
		b.node(k, "stage %s needs either ratio or bands", s.ID)
		return
	case ratio != nil:
		s.bands.measureBase = false
		s.list = []band{{over: constant(0, tyMoney), upto: val{kind: valAbsent}, ratio: b.value(ratio, tyRate, "ratio"), line: ratio.Line, col: ratio.Column}}
		return
	}
	s.bands.banded = true
	if a := get(n, "along"); a != nil && a.Kind == yaml.ScalarNode {
		s.bands.along = b.accumulatorSlot(a)
	}
	s.bands.measureBase = str(n, "measure") != "covered"
	s.bands.threshold = b.value(get(n, "threshold"), tyMoney, "threshold")
	s.bands.fromThreshold = str(n, "count_from") == "threshold"
	s.bands.whole = str(n, "apply") == "whole"
	if s.bands.fromThreshold && s.bands.threshold.kind == valAbsent {
		b.node(n, "count_from is threshold, but no threshold is given")
	}
	rows := list(get(n, "list"))
	for i, row := range rows {
		if row.Kind != yaml.MappingNode {
			continue
		}
		bd := band{title: str(row, "title"), line: row.Line, col: row.Column,
			over:  b.value(get(row, "over"), tyMoney, "over"),
			upto:  b.value(get(row, "upto"), tyMoney, "upto"),
			ratio: b.value(get(row, "ratio"), tyRate, "ratio")}
		if bd.upto.kind == valAbsent && i < len(rows)-1 {
			b.node(row, "bands overlap: a band without upto has no end, but another band follows")
		}
		s.list = append(s.list, bd)
	}
	if len(s.list) == 0 {
		b.node(n, "the list of bands is empty")
	}
	if len(s.list) > 16 {
		b.node(n, "%d bands; at most 16 are allowed", len(s.list))
	}
}

func (b *builder) readPlans(n *yaml.Node) {
	each(n, func(k, v *yaml.Node) {
		p := &Plan{ID: k.Value, Title: str(v, "title"), unknown: str(v, "unknown"), sources: b.sourcesOf(v), line: k.Line, col: k.Column}
		p.match = b.readMatch(get(v, "match"))
		seen := map[string]bool{}
		for _, sn := range list(get(v, "stages")) {
			if sn.Kind != yaml.ScalarNode {
				continue
			}
			s := b.stageOf[sn.Value]
			if s == nil {
				known := make([]string, len(b.pkg.stages))
				for i, s := range b.pkg.stages {
					known[i] = s.ID
				}
				b.node(sn, "plan %s: stage %s is not defined; defined: %s", p.ID, show(sn), strings.Join(known, ", "))
				continue
			}
			if slices.Contains(p.stages, s) {
				b.node(sn, "plan %s: stage %s stands twice", p.ID, s.ID)
				continue
			}
			for _, r := range b.refs {
				if r.stage == s && !seen[r.role] {
					b.node(sn, "plan %s: stage %s uses amounts of %q, which is not an earlier stage of this plan", p.ID, s.ID, r.role)
				}
			}
			seen[s.role], s.usedByPlan = true, true
			p.stages = append(p.stages, s)
		}
		if len(p.stages) > MaxStages {
			b.node(k, "plan %s has %d stages; at most %d are allowed", p.ID, len(p.stages), MaxStages)
			p.stages = p.stages[:MaxStages]
		}
		if (p.unknown != "") == (get(v, "stages") != nil) {
			b.node(k, "plan %s needs either stages, or unknown with what is not known", p.ID)
		}
		each(get(v, "accumulate"), func(ak, av *yaml.Node) {
			if q := slices.Index(planQuantityNames, av.Value); q >= 0 {
				p.sets = append(p.sets, accumulate{acc: b.accumulatorSlot(ak), slot: planQuantitySlots[q]})
			}
		})
		b.pkg.plans = append(b.pkg.plans, p)
	})
}

func (b *builder) readMatch(n *yaml.Node) []matchKey {
	var out []matchKey
	each(n, func(k, v *yaml.Node) {
		s := b.dimension(k)
		if s == nil {
			return
		}
		key := matchKey{sym: s}
		for _, x := range list(v) {
			if x.Kind != yaml.ScalarNode {
				b.node(x, "match.%s: a value or a list of values is needed", k.Value)
				continue
			}
			i := s.dom.index(x.Value)
			if i < 0 || i > 63 {
				b.node(x, "match.%s: %s is not a value; allowed: %s", k.Value, show(x), strings.Join(s.dom.values, ", "))
				continue
			}
			if key.mask&(1<<i) != 0 {
				b.node(x, "match.%s: %s stands twice", k.Value, show(x))
			}
			key.mask |= 1 << i
			key.values = append(key.values, x.Value)
		}
		out = append(out, key)
	})
	return out
}

// warn notes what is not an error but should be looked at.
func (b *builder) warn(line, col int, format string, args ...any) {
	b.warnings = append(b.warnings, &LoadError{b.file, line, col, fmt.Sprintf(format, args...)})
}
