package console

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/anji-platform/anji/money"
)

func TestScale(t *testing.T) {
	for _, x := range []struct {
		amounts            []money.Fen
		below, above, step float64
		name               string
	}{
		{nil, 0, 400, 100, "元"},
		{[]money.Fen{99}, 0, 100, 50, "元"},
		{[]money.Fen{12_345_678_00}, 0, 15_000_000_00, 5_000_000_00, "万元"},
		{[]money.Fen{-400_00, 900_00}, -500_00, 1_000_00, 500_00, "元"},
		{[]money.Fen{300_000_000_000_00}, 0, 300_000_000_000_00, 100_000_000_000_00, "亿元"},
	} {
		s := scaleOf(series{Amounts: x.amounts})
		if s.below != x.below || s.above != x.above || s.step != x.step || s.name != x.name {
			t.Errorf("%v: %+v", x.amounts, s)
		}
	}
}

// TestCharts: they are well-formed, hold every amount, and have neither style nor
// script.
func TestCharts(t *testing.T) {
	labels := []string{"1", "2<3"}
	all := series{"收入", "bar", []money.Fen{123_456, -5}}
	for name, svg := range map[string]string{"columns": string(columns("a", "收支 & 结余", labels, all, series{"支出", "bar out", []money.Fen{0, 99}})), "curve": string(curve("b", "结余", labels, all))} {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, ok := tok.(xml.StartElement); ok {
				for _, a := range e.Attr {
					if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
						t.Errorf("%s: attribute %s", name, a.Name.Local)
					}
				}
			}
		}
		for _, want := range []string{"1,234.56", "-0.05", "2&lt;3", "<title"} {
			if !strings.Contains(svg, want) {
				t.Errorf("%s has no %s: %s", name, want, svg)
			}
		}
	}
}

func TestPercent(t *testing.T) {
	for want, x := range map[string][2]money.Fen{"33.3%": {1, 3}, "66.7%": {2, 3}, "100.0%": {5, 5}, "—": {1, 0}, "-50.0%": {-1, 2}, "0.0%": {0, 9}} {
		if got := proportion(x[0], x[1]); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
}
