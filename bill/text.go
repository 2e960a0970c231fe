package bill

import (
	"strconv"
	"strings"

	"github.com/anji-platform/anji/money"
	"github.com/mattn/go-runewidth"
)

// The narrowest and widest text; what a terminal says is kept between them.
const (
	minWidth = 50
	maxWidth = 100
)

// Text writes the bill for a terminal that is width cells wide: headline,
// waterfall, sections and sources. A Chinese character takes two cells, and
// amounts end in one column.
func Text(b *Bill, width int) string {
	t := &page{width: min(max(width, minWidth), maxWidth), lang: b.Lang}
	if n := b.Notice; n != nil {
		t.pair("", n.Title+refs(n.Notes), "")
		t.wrap("  ", n.Text)
		t.blank()
	}
	t.wrap("", b.Headline)
	t.blank()
	for _, f := range b.Figures {
		t.pair("", f.Label, b.Lang.Money(f.Amount))
	}
	t.blank()
	for _, f := range b.Facts {
		t.wrap("", f.Label+b.Lang.Say("：", ": ")+f.Value)
	}
	t.blank()
	t.waterfall(b)
	for _, s := range b.Sections {
		t.section(&s)
	}
	if len(b.Notes) > 0 {
		t.pair("", b.Lang.Say("依据", "Sources"), "")
		for _, n := range b.Notes {
			t.wrap("  ", n.text(b.Lang))
		}
		t.blank()
	}
	if p := b.Package; p.Region != "" {
		t.wrap("", p.Text(b.Lang))
	}
	return t.String()
}

// text is the note as one line.
func (n *Note) text(l Lang) string {
	s := "[" + strconv.Itoa(n.Number) + "] " + n.Title
	if n.DocNo != "" {
		s += l.Say("（"+n.DocNo+"）", " ("+n.DocNo+")")
	}
	if n.Article != "" {
		s += " " + n.Article
	}
	return s + l.Say("　依据等级 "+n.Grade+"："+n.GradeSay, " – grade "+n.Grade+": "+n.GradeSay)
}

// Text says which package and period the bill was settled under.
func (p *Package) Text(l Lang) string {
	period := l.Say(p.From+" 至 "+p.To, p.From+" to "+p.To)
	if p.To == "" {
		period = l.Say(p.From+" 起", "from "+p.From)
	}
	return l.Say(
		"政策包 "+p.Name+" "+p.Region+" 版本 "+p.Version+"（"+period+"）",
		"Policy package "+p.Region+" "+quote(p.Name)+", version "+p.Version+", "+period)
}

// page is a text in the making.
type page struct {
	strings.Builder
	width int
	lang  Lang
}

func (t *page) blank() { t.WriteByte('\n') }

// pair writes a label and, ending at the right edge, a value. A label too
// long for the line is wrapped, and the value stands beside its last line.
func (t *page) pair(indent, label, value string) {
	room := t.width - cells(indent) - cells(value) - 2
	if value == "" {
		room = t.width - cells(indent)
	}
	lines := fill(label, max(room, 8))
	for i, l := range lines {
		l = indent + l
		if i == len(lines)-1 && value != "" {
			l += strings.Repeat(" ", max(1, t.width-cells(l)-cells(value))) + value
		}
		t.WriteString(l + "\n")
	}
}

// wrap writes a text over as many lines as it needs.
func (t *page) wrap(indent, s string) {
	for _, l := range fill(s, t.width-cells(indent)) {
		t.WriteString(indent + l + "\n")
	}
}

func (t *page) section(s *Section) {
	value := t.lang.Money(s.Amount)
	if s.Plain {
		value = ""
	}
	t.pair("", "■ "+s.Title+refs(s.Notes), value)
	if s.Text != "" {
		t.wrap("  ", s.Text)
	}
	for _, l := range s.Lines {
		indent := "  "
		if l.Detail {
			indent = "    "
		}
		label := l.Label
		if l.Formula != "" {
			label += "  " + l.Formula
		}
		value := t.lang.Money(l.Amount)
		if l.Plain {
			value = ""
		}
		t.pair(indent, label+refs(l.Notes), value)
		if l.Text != "" {
			t.wrap(indent+"  ", l.Text)
		}
		if l.Rule != "" {
			t.wrap(indent+"  ", t.lang.Say("算法：", "Rule: ")+l.Rule)
		}
	}
	t.blank()
}

func refs(numbers []int) string {
	s := ""
	for _, n := range numbers {
		s += " [" + strconv.Itoa(n) + "]"
	}
	return s
}

// waterfall draws the bars in block characters, one row each.
func (t *page) waterfall(b *Bill) {
	label, amount := 0, 0
	for i := range b.Bars {
		label = max(label, cells(b.Bars[i].Label))
		amount = max(amount, cells(b.Bars[i].signed(t.lang)))
	}
	label = min(label, (t.width-amount)/2-2)
	track := t.width - label - amount - 2
	top := b.top()
	for i := range b.Bars {
		bar := &b.Bars[i]
		value := bar.signed(t.lang)
		t.WriteString(pad(truncate(bar.Label, label), label) + " " + pad(bar.blocks(top, track), track) +
			strings.Repeat(" ", amount-cells(value)+1) + value + "\n")
	}
	var key []string
	for _, k := range b.kinds() {
		key = append(key, string(k.block())+" "+k.name(t.lang))
	}
	t.WriteString(strings.Repeat(" ", label+1) + strings.Join(key, "  ") + "\n\n")
}

func (k BarKind) block() rune {
	switch k {
	case ByYou:
		return '▒'
	case ByFund:
		return '█'
	case ByHospital:
		return '░'
	}
	return '▄'
}

// blocks draws the bar in n cells. The ends are rounded to cells the same way
// in every bar, so that a bar begins where the last one ended; a bar thinner
// than a cell is a thin mark.
func (b *Bar) blocks(top money.Fen, n int) string {
	low, high := b.span()
	from, to := scale(low, top, n), scale(high, top, n)
	switch {
	case from < to:
		return strings.Repeat(" ", from) + strings.Repeat(string(b.Kind.block()), to-from)
	case low < high:
		return strings.Repeat(" ", min(from, n-1)) + "▏"
	}
	return ""
}

// cells is the width of s in a terminal. Block and punctuation characters of
// ambiguous width count as one cell, as terminals draw them by default.
func cells(s string) int { return (&runewidth.Condition{}).StringWidth(s) }

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-cells(s))) }

// truncate shortens s to n cells, with an ellipsis.
func truncate(s string, n int) string {
	if cells(s) <= n {
		return s
	}
	return (&runewidth.Condition{}).Truncate(s, n, "…")
}

// fill breaks s into lines of at most n cells: at spaces, and between Chinese
// characters, but never before a closing mark.
func fill(s string, n int) []string {
	var lines []string
	for _, para := range strings.Split(s, "\n") {
		line := ""
		for _, word := range words(para) {
			if line != "" && cells(line)+cells(strings.TrimRight(word, " ")) > n {
				lines = append(lines, strings.TrimRight(line, " "))
				line = ""
			}
			line += word
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// words cuts s where a line may break.
func words(s string) []string {
	var list []string
	start, wide := 0, false
	for i, r := range s {
		w := (&runewidth.Condition{}).RuneWidth(r) == 2
		if i > start && (w || wide || s[i-1] == ' ') && r != ' ' &&
			!strings.ContainsRune("，。；：、！？）》」』”’%,.;:!?)]", r) && !opens(s[:i]) {
			list = append(list, s[start:i])
			start = i
		}
		wide = w
	}
	return append(list, s[start:])
}

// opens reports whether s ends in an opening mark, which goes with what
// follows it.
func opens(s string) bool {
	for _, m := range []string{"（", "《", "「", "『", "“", "‘", "(", "["} {
		if strings.HasSuffix(s, m) {
			return true
		}
	}
	return false
}
