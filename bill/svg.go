package bill

import (
	"html"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/money"
)

// Measures of the drawing, in px. Positions along the bars are percentages,
// so that the drawing is as wide as its place and its text stays as it is.
const (
	svgLegend = 30 // height of the legend
	svgRow    = 50 // height of a row: a line of text over a bar
	svgText   = 18 // baseline of the text in its row
	svgBar    = 26 // top of the bar in its row
	svgThick  = 14 // thickness of the bar
	svgLink   = 10 // length of the line under a bar's end, clear of the text below
	svgLabel  = 26 // longest label in terminal cells, to fit 350 px beside an amount
)

// SVG draws the waterfall for an HTML page. It has no script and no style
// element, so that it stands under a strict content security policy. Colours
// come from the variables --bill-sum, --bill-you, --bill-fund, --bill-hospital
// and --bill-line where the page sets them, and the text takes the page's
// colour. The id begins the identifiers of its title and description and must
// be unique on the page.
func SVG(b *Bill, id string) string {
	var w strings.Builder
	l := b.Lang
	id = html.EscapeString(id)
	height := svgLegend + svgRow*len(b.Bars)
	w.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" class="waterfall" role="img" width="100%" height="` +
		strconv.Itoa(height) + `" font-size="14" fill="currentColor" aria-labelledby="` + id + `-title ` + id + `-desc">`)
	w.WriteString("\n<title id=\"" + id + `-title">` + html.EscapeString(l.Say("费用瀑布图", "Waterfall of the cost")) + "</title>\n")
	w.WriteString(`<desc id="` + id + `-desc">` + html.EscapeString(b.describe()) + "</desc>\n")
	w.WriteString(svgKey(b))
	top := b.top()
	for i := range b.Bars {
		bar := &b.Bars[i]
		y := svgLegend + i*svgRow
		low, high := bar.span()
		w.WriteString(`<g class="` + bar.Kind.class() + `">`)
		if short := truncate(bar.Label, svgLabel); short != bar.Label {
			w.WriteString("<title>" + html.EscapeString(bar.Label) + "</title>")
		}
		if i > 0 && (bar.Kind != Sum || bar.From == bar.To) { // leads down from where the last bar ended
			x := share(bar.From, top)
			end := y - svgRow + svgBar + svgThick
			w.WriteString(`<line class="link" x1="` + x + `" x2="` + x + `" y1="` + strconv.Itoa(end) +
				`" y2="` + strconv.Itoa(end+svgLink) + `" stroke="` + lineColour + `"/>`)
		}
		weight := ""
		if bar.Kind == Sum {
			weight = ` font-weight="600"`
		}
		w.WriteString(`<text x="0" y="` + strconv.Itoa(y+svgText) + `"` + weight + `>` +
			html.EscapeString(truncate(bar.Label, svgLabel)) + `</text>`)
		w.WriteString(`<text x="100%" y="` + strconv.Itoa(y+svgText) + `" text-anchor="end" class="amount"` + weight + `>` +
			html.EscapeString(bar.signed(l)) + `</text>`)
		w.WriteString(`<rect class="track" x="0" y="` + strconv.Itoa(y+svgBar+svgThick-1) + `" width="100%" height="1" fill="` + lineColour + `"/>`)
		if high > low {
			w.WriteString(`<rect ` + place(low, high, top) + ` y="` + strconv.Itoa(y+svgBar) +
				`" height="` + strconv.Itoa(svgThick) + `" rx="2" fill="` + bar.Kind.colour() + `"/>`)
		}
		w.WriteString("</g>\n")
	}
	w.WriteString("</svg>\n")
	return w.String()
}

// place says where a bar from low to high is. One of less than a hundredth of
// the drawing would vanish on a phone: it is three px wide and ends at high,
// or where that is at the left edge, starts there.
func place(low, high, top money.Fen) string {
	if scale(high-low, top, 100) > 0 {
		return `x="` + share(low, top) + `" width="` + share(high-low, top) + `"`
	}
	if scale(high, top, 100) == 0 {
		return `x="0" width="3"`
	}
	return `x="` + share(high, top) + `" width="3" transform="translate(-3)"`
}

const lineColour = "var(--bill-line, #9aa5b1)"

func (k BarKind) colour() string {
	switch k {
	case ByYou:
		return "var(--bill-you, #c2620c)"
	case ByFund:
		return "var(--bill-fund, #0d7a6f)"
	case ByHospital:
		return "var(--bill-hospital, #7a5cc0)"
	}
	return "var(--bill-sum, #64748b)"
}

func (k BarKind) class() string {
	switch k {
	case ByYou:
		return "you"
	case ByFund:
		return "fund"
	case ByHospital:
		return "hospital"
	}
	return "sum"
}

// svgKey is the legend, of the kinds that are drawn.
func svgKey(b *Bill) string {
	var w strings.Builder
	x := 0
	for _, k := range b.kinds() {
		name := k.name(b.Lang)
		w.WriteString(`<rect x="` + strconv.Itoa(x) + `" y="5" width="10" height="10" rx="2" fill="` + k.colour() + `"/>`)
		w.WriteString(`<text x="` + strconv.Itoa(x+15) + `" y="15" font-size="13">` + html.EscapeString(name) + "</text>\n")
		x += 15 + 7*cells(name) + 14
	}
	return w.String()
}

// kinds lists the kinds of bar that are drawn.
func (b *Bill) kinds() []BarKind {
	var list []BarKind
	for k := Sum; k <= ByHospital; k++ {
		for _, bar := range b.Bars {
			if bar.Kind == k {
				list = append(list, k)
				break
			}
		}
	}
	return list
}

func (k BarKind) name(l Lang) string {
	switch k {
	case ByYou:
		return l.Say("您负担", "You")
	case ByFund:
		return l.Say("基金支付", "Funds")
	case ByHospital:
		return l.Say("医院负担", "Hospital")
	}
	return l.Say("合计", "Level")
}

// signed writes what the bar adds: a Sum plainly, the others with a minus.
func (b *Bar) signed(l Lang) string {
	if b.Kind == Sum {
		return l.Money(b.Amount)
	}
	return l.Money(-b.Amount)
}

// describe says the drawing in words, for those who do not see it.
func (b *Bill) describe() string {
	texts := make([]string, len(b.Bars))
	for i := range b.Bars {
		texts[i] = b.Bars[i].Label + " " + b.Bars[i].signed(b.Lang)
	}
	return strings.Join(texts, b.Lang.Say("；", "; "))
}

// top is the highest level of the waterfall, at least one fen.
func (b *Bill) top() money.Fen {
	top := money.Fen(1)
	for i := range b.Bars {
		top = max(top, b.Bars[i].From, b.Bars[i].To)
	}
	return top
}

// share writes a of top as a percentage of two decimals.
func share(a, top money.Fen) string {
	n := scale(a, top, 10000)
	s := strconv.Itoa(n % 100)
	if len(s) == 1 {
		s = "0" + s
	}
	return strconv.Itoa(n/100) + "." + s + "%"
}

// scale returns a of top in n steps, rounded: what a drawing needs and no
// more. Amounts are at most money.Max, and n is small, so it stays in range.
func scale(a, top money.Fen, n int) int {
	if a <= 0 {
		return 0
	}
	for top > 1<<40 {
		a, top = a>>1, top>>1
	}
	return int((int64(a)*int64(n) + int64(top)/2) / int64(top))
}
