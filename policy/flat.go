package policy

import (
	"cmp"
	"slices"
)

// flatTable holds the parameters that stages use, laid out by all categories
// that any of them is by: one row a combination, one column a parameter. A
// settlement finds its row once; after that every parameter is one load.
type flatTable struct {
	dims  []dim
	width int
	known int // the first columns hold no unknown figure and go into the frame
	rows  []int64
}

// maxFlat bounds the table of a package, in cells.
const maxFlat = 1 << 18

// noColumn marks a parameter that is not in the flat table.
const noColumn = 255

func (t *flatTable) enter(f *frame) {
	if t.width == 0 {
		return
	}
	i := int64(0)
	for k := range t.dims {
		d := &t.dims[k]
		i += f.s[d.slot] * d.stride
	}
	row := t.rows[int(i)*t.width:][:t.width]
	copy(f.s[slotColumns:zeroSlot], row[:t.known])
	f.row = row
}

// buildFlat lays out the parameters of the stages. A parameter that depends
// on more than categories, or whose categories would make the table too
// large, stays out and is looked up in its own table.
func (b *builder) buildFlat() {
	var columns []*param
	var dims []dim
	combinations := 1
	for _, s := range b.pkg.stages {
		for _, v := range s.values() {
			eachParam(v, func(p *param) {
				if p.column != noColumn || len(columns) == noColumn {
					return
				}
				for _, c := range p.cells {
					if c == codeCell {
						return
					}
				}
				more, size := dims, combinations
				for _, d := range p.dims {
					if !hasDim(more, d.sym) {
						more = append(more[:len(more):len(more)], dim{sym: d.sym, slot: d.slot})
						size *= len(d.sym.dom.values)
					}
				}
				if size*(len(columns)+1) > maxFlat {
					return
				}
				p.column = uint8(len(columns))
				dims, combinations, columns = more, size, append(columns, p)
			})
		}
	}
	// Known figures first.
	slices.SortStableFunc(columns, func(a, b *param) int { return cmp.Compare(a.gaps(), b.gaps()) })
	known := 0
	for k, p := range columns {
		p.column = uint8(k)
		if p.gaps() == 0 && k < maxColumns {
			known = k + 1
		}
	}
	stride := int64(combinations)
	for i := range dims {
		stride /= int64(len(dims[i].sym.dom.values))
		dims[i].stride = stride
	}
	t := flatTable{dims: dims, width: len(columns), known: known, rows: make([]int64, combinations*len(columns))}
	var f frame
	for i := range combinations {
		for _, d := range dims {
			f.s[d.slot] = int64(i) / d.stride % int64(len(d.sym.dom.values))
		}
		for k, p := range columns {
			t.rows[i*t.width+k] = p.cells[p.index(&f)]
		}
	}
	b.pkg.flat = t
	for _, s := range b.pkg.stages {
		for _, v := range s.values() {
			setColumns(v, uint8(known))
		}
	}
}

func hasDim(dims []dim, s *symbol) bool {
	for _, d := range dims {
		if d.sym == s {
			return true
		}
	}
	return false
}

func eachParam(v *val, f func(*param)) {
	if v == nil {
		return
	}
	if v.kind == valParam {
		f(v.p)
	}
	eachParam(v.x, f)
	eachParam(v.y, f)
	eachParam(v.z, f)
}

// setColumns turns the parameters of a value into columns where they have one.
func setColumns(v *val, known uint8) {
	if v == nil {
		return
	}
	if v.kind == valParam && v.p.column < known {
		v.kind, v.slot = valSlot, slotColumns+v.p.column
	} else if v.kind == valParam && v.p.column != noColumn {
		v.kind, v.slot = valColumn, v.p.column
	}
	setColumns(v.x, known)
	setColumns(v.y, known)
	setColumns(v.z, known)
}

// gaps is 1 if some figure of the parameter is not known.
func (p *param) gaps() int {
	if slices.Contains(p.cells, unknownCell) {
		return 1
	}
	return 0
}
