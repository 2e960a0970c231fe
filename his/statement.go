package his

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/anji-platform/anji/clearing"
)

// Bounds of an uploaded list of settlements.
const (
	maxStatement     = 64 << 20 // bytes, unpacked
	maxStatementRows = 100_000
	maxStatementLine = 16 << 10 // bytes
)

// agreement is 对账结果 (stmt_rslt).
func agreement(agrees bool) string {
	if agrees {
		return "0"
	}
	return "1"
}

// reversalFlag is 退费结算标志 (refd_setl_flag).
func reversalFlag(reversal bool) string {
	if reversal {
		return "1"
	}
	return "0"
}

// readStatement reads the list of settlements that a provider uploads: a ZIP
// of one TXT.
func readStatement(columns *Node, data []byte) (lines []clearing.Line, warnings []string, err error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, nil, refuse("明细文件应为 ZIP 压缩包，内含一个 TXT 文件")
	}
	var text *zip.File
	for _, f := range archive.File {
		if !strings.EqualFold(suffix(f.Name), ".txt") {
			continue
		}
		if text != nil {
			return nil, nil, refuse("明细文件的 ZIP 压缩包内有多个 TXT 文件，应只有一个")
		}
		text = f
	}
	if text == nil {
		return nil, nil, refuse("明细文件的 ZIP 压缩包内没有 TXT 文件")
	}
	r, err := text.Open()
	if err != nil {
		return nil, nil, refuse("明细文件的 ZIP 压缩包已损坏或加密")
	}
	defer r.Close()
	limited := &io.LimitedReader{R: r, N: maxStatement + 1} // the archive's own word for its size is not taken
	lines, warnings, err = parseStatement(columns, limited)
	if limited.N == 0 {
		return nil, nil, refuse("明细文件解压后超过 %d 字节，请分段对账", int64(maxStatement))
	}
	return lines, warnings, err
}

// suffix is the last four bytes of a name.
func suffix(name string) string { return name[max(0, len(name)-4):] }

// parseStatement reads rows of columns parted by TAB, in UTF-8. Faults name
// line and column. A byte order mark, CRLF, empty lines and columns after the
// last that are empty are passed over; null is nothing.
func parseStatement(columns *Node, r io.Reader) (lines []clearing.Line, warnings []string, err error) {
	var c checker
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 4<<10), maxStatementLine)
	n := 0
	for in.Scan() {
		n++
		text := in.Bytes()
		if n == 1 {
			text = bytes.TrimPrefix(text, byteOrderMark)
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if !utf8.Valid(text) {
			return nil, nil, refuse("明细文件第 %d 行不是 UTF-8 编码", n)
		}
		if len(lines) == maxStatementRows {
			return nil, nil, refuse("明细文件超过 %d 行，请分段对账", maxStatementRows)
		}
		line, err := columns.statementLine(&c, string(text), n)
		if err != nil {
			return nil, nil, err
		}
		if c.count >= maxFaults {
			break
		}
		lines = append(lines, line)
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, nil, refuse("明细文件第 %d 行超过 %d 字节，应一行一条结算", n+1, maxStatementLine)
	case err != nil:
		return nil, nil, refuse("明细文件的 ZIP 压缩包已损坏，第 %d 行以后不能读取", n)
	}
	return lines, c.warnings, c.err()
}

// statementLine reads one row; faults of its columns go to the checker.
func (n *Node) statementLine(c *checker, text string, row int) (l clearing.Line, err error) {
	cells := strings.Split(text, "\t")
	for len(cells) > len(n.Fields) && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	if len(cells) != len(n.Fields) {
		return l, refuse("明细文件第 %d 行有 %d 列，应为以 TAB 分隔的 %d 列", row, len(cells), len(n.Fields))
	}
	v := value{kind: '{', members: make([]member, len(cells))}
	for i, f := range n.Fields {
		v.members[i] = member{f.Name, value{kind: '"', text: cells[i]}}
	}
	before := c.count
	in := c.row(n, &v, row)
	l.Settlement, l.Visit, l.Person = in.text("setl_id"), in.text("mdtrt_id"), in.text("psn_no")
	if l.Settlement == "" && c.count == before {
		c.missing(n.Fields[n.byName["setl_id"]], &in)
	}
	if c.count > before {
		return l, nil
	}
	if l.Total, err = in.amount("medfee_sumamt"); err != nil {
		return l, err
	}
	if l.Fund, err = in.amount("fund_pay_sumamt"); err != nil {
		return l, err
	}
	l.Account, err = in.amount("acct_pay")
	mark := in.text("refd_setl_flag")
	l.Reversal, l.Unmarked = mark == reversalFlag(true), mark == ""
	return l, err
}

// writeFindings writes the result of 3202: a ZIP of one TXT in the columns of
// the interface, a row for each finding. What is empty is null.
func writeFindings(columns *Node, name string, found []clearing.Finding, messages map[string]string) ([]byte, error) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	w, err := archive.Create(name)
	if err != nil {
		return nil, err
	}
	text := bufio.NewWriter(w)
	for i := range found {
		f := &found[i]
		row := &line{columns, make([]string, len(columns.Fields))}
		row.set("psn_no", f.Person)
		row.set("mdtrt_id", f.Visit)
		row.set("setl_id", f.Settlement)
		row.set("msgid", messages[f.Settlement])
		row.set("stmt_rslt", agreement(len(f.Differences) == 0))
		row.set("refd_setl_flag", reversalFlag(f.Reversal || f.Unmarked && f.Total < 0))
		row.set("memo", clip(f.Words(), 499))
		row.money("medfee_sumamt", f.Total)
		row.money("fund_pay_sumamt", f.Fund)
		row.money("acct_pay", f.Account)
		text.Write(row.appendColumns(nil))
	}
	if err := errors.Join(text.Flush(), archive.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// appendColumns writes a row of a file.
func (l *line) appendColumns(b []byte) []byte {
	for i, text := range l.texts {
		if i > 0 {
			b = append(b, '\t')
		}
		if text = printable(text); text == "" {
			text = "null"
		}
		b = append(b, text...)
	}
	return append(b, '\n')
}
