package policy

import (
	"slices"
	"strconv"
	"strings"
)

// grid is a table of texts by categories that reads short: values of a
// category under which everything is equal are written together.
type grid struct {
	dims  []gridDim
	cells []string // the last category runs fastest
}

type gridDim struct {
	title  string
	labels []string
}

// gridRow is one row of a merged grid: by category the labels that share the
// text, "" where the category makes no difference.
type gridRow struct {
	labels []string
	text   string
}

// gridOf lays out the cells of the parameter, for the values of categories
// that allow admits; a nil allow admits all.
func gridOf(p *param, allow map[*symbol]uint64, text func(i int64) string) *grid {
	g := &grid{}
	index := []int64{0}
	for _, d := range p.dims {
		gd := gridDim{title: d.sym.title}
		var next []int64
		var admitted []int64
		for v, label := range d.sym.dom.labels {
			if mask, ok := allow[d.sym]; ok && mask>>uint(v)&1 == 0 {
				continue
			}
			gd.labels = append(gd.labels, label)
			admitted = append(admitted, int64(v))
		}
		for _, base := range index {
			for _, v := range admitted {
				next = append(next, base+v*d.stride)
			}
		}
		g.dims, index = append(g.dims, gd), next
	}
	for _, i := range index {
		g.cells = append(g.cells, text(i))
	}
	return g
}

// level numbers the parts of the grid below one category, equal parts alike.
func (g *grid) levels() [][]int {
	ids := map[string]int{}
	intern := func(s string) int {
		id, ok := ids[s]
		if !ok {
			id = len(ids)
			ids[s] = id
		}
		return id
	}
	out := make([][]int, len(g.dims)+1)
	leaf := make([]int, len(g.cells))
	for i, c := range g.cells {
		leaf[i] = intern(c)
	}
	out[len(g.dims)] = leaf
	for d := len(g.dims) - 1; d >= 0; d-- {
		n := len(g.dims[d].labels)
		below := out[d+1]
		level := make([]int, len(below)/max(n, 1))
		for i := range level {
			var key strings.Builder
			for _, id := range below[i*n:][:n] {
				key.WriteString(strconv.Itoa(id))
				key.WriteByte(' ')
			}
			level[i] = intern("\x00" + key.String())
		}
		out[d] = level
	}
	return out
}

// groups are the labels of category d, below part i, that share a part.
func (g *grid) groups(levels [][]int, d, i int) (labels []string, parts []int) {
	n := len(g.dims[d].labels)
	below := levels[d+1][i*n:][:n]
	for v := range n {
		if slices.Index(below, below[v]) != v {
			continue
		}
		var same []string
		for w := v; w < n; w++ {
			if below[w] == below[v] {
				same = append(same, g.dims[d].labels[w])
			}
		}
		label := strings.Join(same, "、")
		if len(same) == n {
			label = ""
		}
		labels, parts = append(labels, label), append(parts, i*n+v)
	}
	return labels, parts
}

// rows are the merged rows, in the order of the categories' values.
func (g *grid) rows() []gridRow {
	levels := g.levels()
	var out []gridRow
	var walk func(d, i int, labels []string)
	walk = func(d, i int, labels []string) {
		if d == len(g.dims) {
			out = append(out, gridRow{slices.Clone(labels), g.cells[i]})
			return
		}
		ls, parts := g.groups(levels, d, i)
		for k := range ls {
			walk(d+1, parts[k], append(labels, ls[k]))
		}
	}
	if len(g.cells) > 0 {
		walk(0, 0, nil)
	}
	return out
}

// inline writes the merged grid in one line: "在职（基层 90%，三级 85%），退休 95%".
func (g *grid) inline() string {
	levels := g.levels()
	var write func(d, i int) (string, bool)
	write = func(d, i int) (string, bool) {
		if d == len(g.dims) {
			return g.cells[i], true
		}
		ls, parts := g.groups(levels, d, i)
		if len(ls) == 1 && ls[0] == "" {
			return write(d+1, parts[0])
		}
		var out []string
		for k := range ls {
			s, leaf := write(d+1, parts[k])
			if leaf {
				out = append(out, ls[k]+" "+s)
			} else {
				out = append(out, ls[k]+"（"+s+"）")
			}
		}
		return strings.Join(out, "，"), false
	}
	if len(g.cells) == 0 {
		return ""
	}
	s, _ := write(0, 0)
	return s
}

// maxGridColumns is how many columns of values a reader's table may have.
const maxGridColumns = 6

// cross lays the grid out for reading: one row by combination of all
// categories but the last, whose values are the columns. With many columns,
// or one category, every combination is a row.
func (g *grid) cross() (head []string, heads int, rows [][]string) {
	n := len(g.dims)
	if n >= 2 {
		if columns, folded := g.fold(); len(columns) <= maxGridColumns && len(columns) > 1 {
			for _, d := range folded.dims {
				head = append(head, d.title)
			}
			head = append(head, columns...)
			for _, r := range folded.rows() {
				rows = append(rows, append(named(r.labels), strings.Split(r.text, "\x00")...))
			}
			return head, n - 1, rows
		}
	}
	for _, d := range g.dims {
		head = append(head, d.title)
	}
	for _, r := range g.rows() {
		rows = append(rows, append(named(r.labels), r.text))
	}
	return append(head, "值"), n, rows
}

// fold makes the last category columns, equal ones together.
func (g *grid) fold() (columns []string, folded *grid) {
	last := g.dims[len(g.dims)-1]
	n := len(last.labels)
	folded = &grid{dims: g.dims[:len(g.dims)-1]}
	column := func(v int) string {
		var b strings.Builder
		for i := v; i < len(g.cells); i += n {
			b.WriteString(g.cells[i])
			b.WriteByte(0)
		}
		return b.String()
	}
	var firsts []int
	byText := map[string]int{}
	for v := range n {
		text := column(v)
		if k, ok := byText[text]; ok {
			columns[k] += "、" + last.labels[v]
			continue
		}
		byText[text] = len(columns)
		columns, firsts = append(columns, last.labels[v]), append(firsts, v)
	}
	for i := 0; i < len(g.cells); i += n {
		var row []string
		for _, v := range firsts {
			row = append(row, g.cells[i+v])
		}
		folded.cells = append(folded.cells, strings.Join(row, "\x00"))
	}
	return columns, folded
}

// named writes "全部" where a category makes no difference.
func named(labels []string) []string {
	out := make([]string, len(labels))
	for i, l := range labels {
		out[i] = l
		if l == "" {
			out[i] = "全部"
		}
	}
	return out
}

// where writes the combination of a row: "职工、在职、三级".
func (r gridRow) where() string {
	var out []string
	for _, l := range r.labels {
		if l != "" {
			if strings.Contains(l, "、") {
				l = strings.ReplaceAll(l, "、", "／")
			}
			out = append(out, l)
		}
	}
	return strings.Join(out, "、")
}
