package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// The columns of a revision's sheet.
const (
	colAct = iota
	colCode
	colName
	colKind
	colClass
	colFirstPay
	colCeiling
	colCharge
	colRestriction
	colFrom
	colTo
	numColumns
)

// columnNames are the columns: title, field of a form, and what is allowed.
var columnNames = [numColumns]struct{ title, field, hint string }{
	{"办理", "act", "设定 或 停用"},
	{"医疗目录编码", "code", "字母和数字"},
	{"名称", "name", "已有的编码可不填"},
	{"类别", "kind", "药品、诊疗项目、服务设施 或 医用耗材；已有的编码可不填"},
	{"甲乙丙", "class", "甲、乙 或 丙"},
	{"先行自付比例", "first_pay", "乙类填，如 10%；不填按政策包"},
	{"支付标准（元）", "ceiling", "一个单位最多按多少算；没有则不填"},
	{"收费项目类别", "charge", "01 至 14，如 09 西药费；已有的编码可不填"},
	{"限制使用", "restriction", "可不填"},
	{"生效日期", "from", "最早为明天，如 2025-07-01"},
	{"失效日期", "to", "最后一天；不填为长期"},
}

// MaxSheet bounds an Excel file, in bytes.
const MaxSheet = 5 << 20

func (r *Row) fault(column int, value, want string) RowFault {
	c := columnNames[column]
	return RowFault{r.at[column], c.field, c.title, value, want}
}

// Template writes an empty sheet to fill in, with what is allowed in its second
// row and an example in its third.
func Template(w io.Writer, first civil.Date) (err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	const sheet = "Sheet1"
	text, err := f.NewStyle(&excelize.Style{NumFmt: 49}) // text, so that codes keep their zeros
	if err != nil {
		return err
	}
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, NumFmt: 49})
	if err != nil {
		return err
	}
	titles, hints := make([]any, numColumns), make([]any, numColumns)
	for i, c := range columnNames {
		titles[i], hints[i] = c.title, "说明："+c.hint
	}
	last, err := excelize.ColumnNumberToName(numColumns)
	if err != nil {
		return err
	}
	example := []any{"设定", "XA00000000000000000000", "示例药品（提交前请删去这一行）", "药品", "乙", "10%", "20.00", "09", "限二线用药", first.String(), ""}
	return errors.Join(
		f.SetColStyle(sheet, "A:"+last, text), f.SetColWidth(sheet, "A", last, 18),
		f.SetSheetRow(sheet, "A1", &titles), f.SetSheetRow(sheet, "A2", &hints), f.SetSheetRow(sheet, "A3", &example),
		f.SetRowStyle(sheet, 1, 1, bold), f.Write(w))
}

// ReadSheet reads the rows of a revision from an Excel file. Columns are found by
// their titles; rows that are empty, and the template's hints, are left out. Every
// cell that cannot be read is told (RowFaults).
func ReadSheet(r io.Reader) (rows []Row, err error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSheet+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxSheet {
		return nil, &Error{"file", "", fmt.Sprintf("超过 %d MB", MaxSheet>>20)}
	}
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{UnzipSizeLimit: 20 * MaxSheet, RawCellValue: true})
	if err != nil {
		return nil, &Error{"file", "", "不是 Excel 文件（.xlsx），或文件已损坏"}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sheets := f.GetSheetList()
	if len(sheets) == 0 {
		return nil, &Error{"file", "", "没有工作表"}
	}
	in, err := f.Rows(sheets[0])
	if err != nil {
		return nil, &Error{"file", "", "工作表不能读取"}
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	var at []int
	var faults RowFaults
	for n := 1; in.Next(); n++ {
		cells, err := in.Columns()
		if err != nil {
			return nil, &Error{"file", "", fmt.Sprintf("第 %d 行不能读取", n)}
		}
		if at == nil {
			if at, err = header(cells); err != nil {
				return nil, err
			}
			continue
		}
		var texts, names [numColumns]string
		empty := true
		for i := range texts {
			if at[i] < 0 {
				continue
			}
			if names[i], err = excelize.CoordinatesToCellName(at[i]+1, n); err != nil {
				return nil, err
			}
			if at[i] < len(cells) {
				texts[i] = strings.TrimSpace(cells[at[i]])
			}
			empty = empty && texts[i] == ""
		}
		if empty || strings.HasPrefix(texts[colAct], "说明：") {
			continue
		}
		if len(rows) == MaxRows {
			return nil, &Error{"file", "", fmt.Sprintf("超过 %d 行，请分次提出", MaxRows)}
		}
		row, more := parse(texts, names)
		rows = append(rows, row)
		if faults = append(faults, more...); len(faults) >= maxFaults {
			return nil, faults[:maxFaults]
		}
	}
	if err := in.Error(); err != nil {
		return nil, &Error{"file", "", "工作表不能读取"}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return rows, nil
}

// header finds the columns by their titles, in any order.
func header(cells []string) ([]int, error) {
	at := make([]int, numColumns)
	for i, c := range columnNames {
		at[i] = slices.IndexFunc(cells, func(s string) bool { return strings.TrimSpace(s) == c.title })
		if at[i] < 0 {
			return nil, &Error{"file", "", "第一行没有列名“" + c.title + "”，请用模板填写"}
		}
	}
	return at, nil
}

// ReadForm reads one row from the fields of a form.
func ReadForm(value func(field string) string) (Row, error) {
	var texts [numColumns]string
	for i, c := range columnNames {
		texts[i] = strings.TrimSpace(value(c.field))
	}
	row, faults := parse(texts, [numColumns]string{})
	if len(faults) > 0 {
		return row, faults
	}
	return row, nil
}

// parse reads the texts of a row, which stand in the cells named at.
func parse(texts, at [numColumns]string) (r Row, faults RowFaults) {
	r = Row{Code: texts[colCode], Name: texts[colName], Restriction: texts[colRestriction], FirstPay: policy.FirstPayUnstated, UnitCeiling: policy.NoCeiling, at: at}
	bad := func(column int, want string) { faults = append(faults, r.fault(column, texts[column], want)) }
	switch texts[colAct] {
	case "设定", string(Set):
		r.Act = Set
	case "停用", string(End):
		r.Act = End
	default:
		bad(colAct, "应为 设定 或 停用")
	}
	for _, x := range []struct {
		column int
		to     *civil.Date
	}{{colFrom, &r.From}, {colTo, &r.To}} {
		text := texts[x.column]
		if text == "" {
			continue
		}
		d, err := civil.Parse(text)
		if n, e := strconv.Atoi(text); err != nil && e == nil && n > 30_000 && n < 90_000 { // a day of Excel
			d, err = civil.Date(18991230).AddDays(n), nil
		}
		if err != nil {
			bad(x.column, "应为日期，如 2025-07-01")
		}
		*x.to = d
	}
	if texts[colFrom] == "" {
		bad(colFrom, "请写明生效日期")
	}
	if r.Act != Set {
		return r, faults
	}
	if kind := texts[colKind]; kind != "" {
		r.Kind = Kind(kind)
		for _, k := range Kinds() {
			if k.Title() == kind {
				r.Kind = k
			}
		}
	}
	switch strings.TrimSuffix(texts[colClass], "类") {
	case "甲":
		r.Class, r.FirstPay = policy.ClassA, 0
	case "乙":
		r.Class = policy.ClassB
	case "丙":
		r.Class = policy.ClassC
	default:
		bad(colClass, "应为 甲、乙 或 丙")
	}
	if text := texts[colFirstPay]; text != "" {
		v, err := money.ParseRate(text)
		if err != nil || v < 0 || v > money.One {
			bad(colFirstPay, "应为 0 到 1 的小数或百分数，如 10%")
		} else if r.Class != policy.ClassC || v != 0 {
			r.FirstPay = v
		}
	}
	if text := strings.ReplaceAll(texts[colCeiling], ",", ""); text != "" {
		v, err := money.Parse(text)
		if err != nil || v < 0 {
			bad(colCeiling, "应为金额，元，至多两位小数")
		} else {
			r.UnitCeiling = v
		}
	}
	if text := texts[colCharge]; text != "" {
		r.Charge, _, _ = strings.Cut(text, " ") // 09 西药费
		if len(r.Charge) == 1 {
			r.Charge = "0" + r.Charge // a number of Excel
		}
	}
	return r, faults
}
