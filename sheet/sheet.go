// Package sheet writes lists as Excel files (.xlsx), for whoever wants to work on
// with them. What is text stays text: nothing in it is ever a formula.
package sheet

import (
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

// Type is the media type of what Write writes.
const Type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// Table is a list. A cell is a string, money.Fen, int, civil.Date or time.Time.
type Table struct {
	Title string // of the list, above it
	Note  string // who made it and when
	Head  []string
	Rows  [][]any
}

// china is the one time of the country (北京时间).
var china = time.FixedZone("CST", 8*60*60)

// Write writes a table as an Excel file.
func Write(w io.Writer, t Table) (err error) {
	f := excelize.NewFile()
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	const name = "Sheet1"
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Border: []excelize.Border{{Type: "bottom", Style: 1, Color: "808080"}}})
	if err != nil {
		return err
	}
	format := "#,##0.00"
	amount, err := f.NewStyle(&excelize.Style{CustomNumFmt: &format})
	if err != nil {
		return err
	}
	s, err := f.NewStreamWriter(name)
	if err != nil {
		return err
	}
	wide := make([]int, len(t.Head))
	for i, h := range t.Head {
		wide[i] = 2 * utf8.RuneCountInString(h)
	}
	rows := make([][]any, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = make([]any, len(row))
		for j, cell := range row {
			text := ""
			switch x := cell.(type) {
			case money.Fen:
				// A number of Excel has 15 digits: amounts in yuan fit.
				rows[i][j], text = excelize.Cell{StyleID: amount, Value: float64(x) / 100}, x.Grouped()
			case int:
				rows[i][j], text = x, fmt.Sprint(x)
			case civil.Date:
				if x != 0 {
					text = x.String()
				}
				rows[i][j] = text
			case time.Time:
				text = x.In(china).Format("2006-01-02 15:04")
				rows[i][j] = text
			default:
				text = fmt.Sprint(x)
				rows[i][j] = text
			}
			if j < len(wide) {
				wide[j] = max(wide[j], width(text))
			}
		}
	}
	for i, n := range wide {
		if err := s.SetColWidth(i+1, i+1, float64(min(max(n+2, 8), 60))); err != nil {
			return err
		}
	}
	if err := s.SetPanes(&excelize.Panes{Freeze: true, YSplit: 3, TopLeftCell: "A4", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	head := make([]any, len(t.Head))
	for i, h := range t.Head {
		head[i] = excelize.Cell{StyleID: bold, Value: h}
	}
	lines := append([][]any{{excelize.Cell{StyleID: bold, Value: t.Title}}, {t.Note}, head}, rows...)
	for i, line := range lines {
		if err := s.SetRow(fmt.Sprintf("A%d", i+1), line); err != nil {
			return err
		}
	}
	if err := s.Flush(); err != nil {
		return err
	}
	return f.Write(w)
}

// width is how wide a text is in Latin characters: others take two.
func width(s string) (n int) {
	for _, r := range s {
		n++
		if r > 0x2e80 {
			n++
		}
	}
	return n
}
