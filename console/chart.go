package console

import (
	"fmt"
	"html"
	"html/template"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/money"
)

// A chart is drawn as inline SVG without style: its classes are in app.css. The
// table beside it gives the same figures, so that nobody needs to see it.

// The canvas of a chart, in its own units; it is as wide as its column.
const (
	chartWidth, chartHeight = 420.0, 220.0
	chartLeft, chartRight   = 54.0, 6.0
	chartTop, chartBottom   = 24.0, 26.0
)

// series is what a chart shows: amounts under one name.
type series struct {
	Name    string
	Class   string // of what is drawn
	Amounts []money.Fen
}

// scale is an axis of amounts: from below to above, with a line at every step.
type scale struct {
	below, above, step float64
	unit               float64
	name               string // 元, 万元 or 亿元
}

// scaleOf makes an axis that holds all amounts and nought, with about four lines.
func scaleOf(all ...series) scale {
	low, high := 0.0, 0.0
	for _, s := range all {
		for _, a := range s.Amounts {
			low, high = min(low, float64(a)), max(high, float64(a))
		}
	}
	s := scale{unit: 100, name: "元"}
	switch widest := max(high, -low); {
	case widest >= 1e8*100:
		s.unit, s.name = 1e8*100, "亿元"
	case widest >= 1e4*100:
		s.unit, s.name = 1e4*100, "万元"
	}
	if low == 0 && high == 0 {
		high = 4 * s.unit
	}
	s.step = 1
	for rough := (high - low) / 4; s.step < rough; {
		for _, times := range []float64{2, 2.5, 2} { // 1, 2, 5, 10
			if s.step >= rough {
				break
			}
			s.step *= times
		}
	}
	for s.below > low {
		s.below -= s.step
	}
	for s.above < high {
		s.above += s.step
	}
	return s
}

func (s scale) y(v float64) float64 {
	return chartTop + (s.above-v)/(s.above-s.below)*(chartHeight-chartTop-chartBottom)
}

// mark is what stands beside a line of the axis.
func (s scale) mark(v float64) string { return strconv.FormatFloat(v/s.unit, 'f', -1, 64) }

func (s scale) begin(b *strings.Builder, id, title string, labels []string, slot float64) {
	fmt.Fprintf(b, `<svg class="chart" viewBox="0 0 %.0f %.0f" role="img" aria-labelledby="%s"><title id="%s">%s</title>`, chartWidth, chartHeight, id, id, html.EscapeString(title))
	fmt.Fprintf(b, `<text x="%.1f" y="10" text-anchor="end">%s</text>`, chartLeft-6, s.name)
	for v := s.below; v <= s.above+s.step/2; v += s.step {
		class := "axis"
		if v > -s.step/2 && v < s.step/2 {
			class = "axis nought"
		}
		fmt.Fprintf(b, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
			class, chartLeft, s.y(v), chartWidth-chartRight, s.y(v), chartLeft-6, s.y(v)+4, s.mark(v))
	}
	for i, l := range labels {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, chartLeft+slot*(float64(i)+.5), chartHeight-8, html.EscapeString(l))
	}
}

func slotOf(n int) float64 { return (chartWidth - chartLeft - chartRight) / float64(max(n, 1)) }

// columns draws a column for each amount, those of one label side by side.
func columns(id, title string, labels []string, all ...series) template.HTML {
	s, slot := scaleOf(all...), slotOf(len(labels))
	var b strings.Builder
	s.begin(&b, id, title+"（"+s.name+"）", labels, slot)
	w := slot * .72 / float64(max(len(all), 1))
	for n, x := range all {
		for i, a := range x.Amounts {
			if a == 0 {
				continue
			}
			top, end := s.y(max(float64(a), 0)), s.y(min(float64(a), 0))
			fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s %s %s</title></rect>`, x.Class,
				chartLeft+slot*(float64(i)+.14)+w*float64(n), top, w, max(end-top, .8), html.EscapeString(labels[i]), html.EscapeString(x.Name), a.Grouped())
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// curve draws one series as a line.
func curve(id, title string, labels []string, x series) template.HTML {
	s, slot := scaleOf(x), slotOf(len(labels))
	var b, points strings.Builder
	s.begin(&b, id, title+"（"+s.name+"）", labels, slot)
	for i, a := range x.Amounts {
		fmt.Fprintf(&points, "%.1f,%.1f ", chartLeft+slot*(float64(i)+.5), s.y(float64(a)))
	}
	fmt.Fprintf(&b, `<polyline class="%s" points="%s"/>`, x.Class, strings.TrimSpace(points.String()))
	for i, a := range x.Amounts {
		fmt.Fprintf(&b, `<circle class="dot" cx="%.1f" cy="%.1f" r="3"><title>%s %s %s</title></circle>`, chartLeft+slot*(float64(i)+.5), s.y(float64(a)), html.EscapeString(labels[i]), html.EscapeString(x.Name), a.Grouped())
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// meter draws which part of a whole an amount is: beside the figures, for the eye.
func meter(a, whole money.Fen) template.HTML {
	w := 0.0
	if whole > 0 && a > 0 {
		w = min(float64(a)/float64(whole), 1) * 100
	}
	return template.HTML(fmt.Sprintf(`<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="ground" width="100" height="8" rx="2"/><rect class="bar" width="%.1f" height="8" rx="2"/></svg>`, w))
}

// proportion writes which part of a whole an amount is, to a tenth: 12.3%.
func proportion(a, whole money.Fen) string {
	if whole <= 0 {
		return "—"
	}
	tenths := (int64(a)*2000/int64(whole) + 1) / 2
	if a < 0 {
		tenths = -((int64(-a)*2000/int64(whole) + 1) / 2)
	}
	sign := ""
	if tenths < 0 {
		sign, tenths = "-", -tenths
	}
	return fmt.Sprintf("%s%d.%d%%", sign, tenths/10, tenths%10)
}
