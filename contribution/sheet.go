package contribution

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// sheetColumns are the columns of a declaration's Excel file, as staff of
// employers know them.
var sheetColumns = []string{"姓名", "公民身份号码", "月工资（元）", "变动（增或减）", "手机号"}

const (
	sheetName   = "缴费申报"
	faultColumn = "有误之处"
	maxSheet    = 20 << 20 // bytes of a file
	maxUnpacked = 200 << 20
)

// Template writes the Excel file that an employer fills in (申报模板).
func Template(w io.Writer) error { return writeSheet(w, nil) }

// WriteSheet writes a declaration as an Excel file, with what is wrong with each
// row, to be mended and declared again.
func WriteSheet(w io.Writer, d *Declaration) error { return writeSheet(w, d) }

func writeSheet(w io.Writer, d *Declaration) (err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	columns := sheetColumns
	var rows []Declared
	if d != nil {
		columns, rows = append(slices.Clone(columns), faultColumn), d.Rows
	}
	head, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E6F2F2"}}})
	if err != nil {
		return err
	}
	text, err := f.NewStyle(&excelize.Style{NumFmt: 49}) // as text: an ID of 18 digits is no number
	if err != nil {
		return err
	}
	last, err := excelize.ColumnNumberToName(len(columns))
	if err != nil {
		return err
	}
	choice := excelize.NewDataValidation(true)
	choice.Sqref = "D2:D" + strconv.Itoa(maxDeclared)
	err = errors.Join(
		f.SetSheetName("Sheet1", sheetName),
		f.SetColStyle(sheetName, "A:"+last, text),
		f.SetColWidth(sheetName, "A", "A", 14), f.SetColWidth(sheetName, "B", "B", 24), f.SetColWidth(sheetName, "C", "E", 16), f.SetColWidth(sheetName, "F", "F", 60),
		choice.SetDropList([]string{string(Joins), string(Leaves)}),
		f.AddDataValidation(sheetName, choice),
		f.SetSheetRow(sheetName, "A1", &columns),
		f.SetCellStyle(sheetName, "A1", last+"1", head),
		f.SetPanes(sheetName, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
	for i, r := range rows {
		cells := []string{r.Name, r.CitizenID, r.Wage, string(r.Change), r.Phone, r.Fault}
		err = errors.Join(err, f.SetSheetRow(sheetName, "A"+strconv.Itoa(i+2), &cells))
	}
	if err != nil {
		return err
	}
	return f.Write(w)
}

// ReadSheet reads the rows of a declaration's Excel file. Their numbers are those
// of the sheet. Rows that are empty are left out.
func ReadSheet(r io.Reader) (rows []Declared, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSheet+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSheet {
		return nil, &Error{"file", "", fmt.Sprintf("超过 %d MB", maxSheet>>20)}
	}
	f, err := excelize.OpenReader(strings.NewReader(string(data)), excelize.Options{UnzipSizeLimit: maxUnpacked, RawCellValue: true})
	if err != nil {
		return nil, &Error{"file", "", "不是 Excel 文件（.xlsx），或文件已损坏"}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sheets := f.GetSheetList()
	if len(sheets) == 0 {
		return nil, &Error{"file", "", "没有工作表"}
	}
	sheet := sheets[0]
	if slices.Contains(sheets, sheetName) {
		sheet = sheetName
	}
	in, err := f.Rows(sheet)
	if err != nil {
		return nil, &Error{"file", "", "工作表不能读取"}
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	var at []int
	for n := 1; in.Next(); n++ {
		cells, e := in.Columns()
		if e != nil {
			return nil, &Error{"file", "", fmt.Sprintf("第 %d 行不能读取", n)}
		}
		if at == nil {
			if at, e = sheetHeader(cells); e != nil {
				return nil, e
			}
			continue
		}
		cell := func(i int) string {
			if at[i] < 0 || at[i] >= len(cells) {
				return ""
			}
			return strings.TrimSpace(cells[at[i]])
		}
		row := Declared{N: n, Name: cell(0), CitizenID: cell(1), Wage: strings.ReplaceAll(cell(2), ",", ""), Change: Change(cell(3)), Phone: cell(4)}
		if row.Name+row.CitizenID+row.Wage+string(row.Change)+row.Phone == "" {
			continue
		}
		if len(rows) == maxDeclared {
			return nil, &Error{"file", "", fmt.Sprintf("超过 %d 行，请分次申报", maxDeclared)}
		}
		rows = append(rows, row)
	}
	if err := in.Error(); err != nil {
		return nil, &Error{"file", "", "工作表不能读取"}
	}
	if at == nil {
		return nil, &Error{"file", "", "工作表是空的"}
	}
	return rows, nil
}

// sheetHeader finds the columns by their titles, in any order.
func sheetHeader(cells []string) ([]int, error) {
	at := make([]int, len(sheetColumns))
	for i, title := range sheetColumns {
		short, _, _ := strings.Cut(title, "（")
		at[i] = slices.IndexFunc(cells, func(c string) bool { return strings.HasPrefix(strings.TrimSpace(c), short) })
		if at[i] < 0 && i < 3 {
			return nil, &Error{"file", "", "第一行没有列名“" + title + "”，请用模板填写"}
		}
	}
	return at, nil
}
