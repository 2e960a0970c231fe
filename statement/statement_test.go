package statement

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

var at = time.Date(2025, 6, 20, 2, 0, 0, 0, time.UTC)

// read is the text of a PDF by another program than wrote it. Where there is none,
// the file is looked at as far as its own structure goes.
func read(t *testing.T, pdf []byte, want ...string) string {
	t.Helper()
	if !bytes.HasPrefix(pdf, []byte("%PDF-1.")) || !bytes.Contains(pdf[len(pdf)-20:], []byte("%%EOF")) {
		t.Fatalf("no PDF: %.20q", pdf)
	}
	if dir := os.Getenv("ANJI_STATEMENTS"); dir != "" { // to look at
		if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+".pdf"), pdf, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Logf("pdftotext of poppler-utils is not installed: %d bytes are written, and their text not read", len(pdf))
		return ""
	}
	c := exec.Command(tool, "-layout", "-", "-")
	c.Stdin = bytes.NewReader(pdf)
	var faults bytes.Buffer
	c.Stderr = &faults
	out, err := c.Output()
	if err != nil || faults.Len() > 0 {
		t.Fatalf("pdftotext: %v: %s", err, faults.String())
	}
	text := string(out)
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in %s", w, text)
		}
	}
	return text
}

func pages(pdf []byte) int { return len(regexp.MustCompile(`/Type /Page\b[^s]`).FindAll(pdf, -1)) }

func TestTable(t *testing.T) {
	d := &Document{Title: "定点机构清算单", Under: "安济示例市 · 2025年6月", At: at, Made: "钱财务（caiwu） 2025-06-20 10:00", Mark: "演示数据",
		Facts: []Fact{{"机构", "示例区医院"}, {"编号", "H99010000201"}},
		Parts: []Part{{Title: "明细", Columns: []Column{{Head: "机构", Share: 3}, {Head: "应付（元）", Share: 1, Figure: true}}}}}
	for i := range 120 {
		d.Parts[0].Rows = append(d.Parts[0].Rows, Row{Cells: []string{fmt.Sprintf("示例第%d医院", i+1), money.Fen(123456789 * (i + 1)).Grouped()}})
	}
	d.Parts[0].Rows = append(d.Parts[0].Rows, Row{Sum: true, Cells: []string{"合计", "8,962,962,881.40"}})
	pdf, err := d.PDF()
	if err != nil {
		t.Fatal(err)
	}
	if n := pages(pdf); n != 4 {
		t.Errorf("%d pages", n)
	}
	text := read(t, pdf, "定点机构清算单", "安济示例市", "示例第120医院", "148,148,146.80", "8,962,962,881.40", "第 1 页，共 4 页", "第 4 页，共 4 页", "钱财务（caiwu） 2025-06-20 10:00", "演示数据")
	if text == "" {
		return
	}
	for i, page := range strings.Split(strings.TrimSuffix(text, "\f"), "\f") {
		if !strings.Contains(page, "应付（元）") {
			t.Errorf("page %d has no head: %s", i+1, page)
		}
	}
	if len(pdf) > 300<<10 {
		t.Errorf("%d bytes: the type is not cut down to what is used", len(pdf))
	}
}

// TestMissingType: a character that no font has is seen to be missing, and the
// statement says what the mark means; what can be said otherwise is.
func TestMissingType(t *testing.T) {
	for _, x := range []struct{ name, want string }{
		{"张𠅤", "张〓"}, {"龘䶮", "龘䶮"}, {"王\u200d安", "王安"}, {"体温37℃", "体温37°C"}, {"①", "1"}, {"a\U0001F600b", "a〓b"}, {"", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			d := &Document{Title: "结算单", At: at, Facts: []Fact{{"姓名", x.name}}}
			pdf, err := d.PDF()
			if err != nil {
				t.Fatal(err)
			}
			text := read(t, pdf, x.want)
			if text != "" && strings.Contains(text, "字库里没有") != strings.Contains(x.want, "〓") {
				t.Errorf("what is missing is not said, or said without cause: %s", text)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	long := &Document{Parts: []Part{{Columns: []Column{{Head: "项", Share: 1}}, Rows: make([]Row, MaxRows+1)}}}
	if _, err := long.PDF(); !errors.Is(err, ErrTooLong) {
		t.Errorf("%d rows: %v", MaxRows+1, err)
	}
	ragged := &Document{Parts: []Part{{Title: "表", Columns: []Column{{Head: "项", Share: 1}}, Rows: []Row{{Cells: []string{"a", "b"}}}}}}
	if _, err := ragged.PDF(); err == nil || !strings.Contains(err.Error(), "2 cells") {
		t.Errorf("a row wider than its table: %v", err)
	}
	empty := &Document{Title: strings.Repeat("很长的题目", 30), Parts: []Part{{Title: "表", Columns: []Column{{Head: "项", Share: 1}}, Empty: "没有"}}}
	pdf, err := empty.PDF()
	if err != nil {
		t.Fatal(err)
	}
	read(t, pdf, "没有")
}

func TestWrap(t *testing.T) {
	s, err := newSetter(&Document{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		text string
		w    float64 // in characters
		want string
	}{
		{"参保人员负担，按规定", 6, "参保人员负|担，按规定"}, // no line begins with a comma
		{"见（第五条）规定", 3, "见（第|五条）|规定"},
		{"依据 national rule 第五条", 8, "依据 national|rule 第五条"},
		{"12345678901234567890", 3, "12345|67890|12345|67890"},
		{"", 5, ""},
	} {
		if got := strings.Join(s.wrap(x.text, 10, x.w*10+.1), "|"); got != x.want {
			t.Errorf("%q in %v: %q, want %q", x.text, x.w, got, x.want)
		}
	}
}

// TestBill sets a settlement of the example region, in both languages, and finds
// every amount of the bill in it.
func TestBill(t *testing.T) {
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	c := &policy.Case{Region: "990100", CareRegion: "990100", Date: civil.Date(20250601), Scheme: policy.Employee, Visit: policy.Inpatient, Level: policy.Level3, Account: 50_000}
	for i := range 40 {
		l := policy.Line{Name: fmt.Sprintf("示例药品%d", i+1), Class: policy.LineClass(i % 3), Amount: money.Fen(123_45 * (i + 1)), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}
		if l.Class == policy.ClassB {
			l.FirstPay = money.Percent(10)
		}
		c.Lines = append(c.Lines, l)
	}
	var trace policy.Trace
	r := &policy.Result{}
	if err := store.Settle(c, r, &trace); err != nil {
		t.Fatal(err)
	}
	for _, lang := range []bill.Lang{bill.Chinese, bill.English} {
		t.Run(string(lang), func(t *testing.T) {
			b := bill.New(lang, c, r, trace.Steps)
			d := Bill(b, Settled{ID: "20250601020000", Name: "李*", Provider: "示例区医院", Care: "住院", Time: at})
			d.At, d.Made, d.Mark = at, "李* 2025-06-20", "演示数据"
			pdf, err := d.PDF()
			if err != nil {
				t.Fatal(err)
			}
			want := []string{lang.Say("医疗保障结算单", "Settlement statement"), lang.Say("第 2 页", "Page 2 of"), "示例药品40", "李*", "2025-06-20 10:00", b.Person.Grouped(), "[1]"}
			for _, f := range b.Figures {
				want = append(want, f.Label, f.Amount.Grouped())
			}
			for _, s := range b.Sections {
				for _, l := range s.Lines {
					if !l.Plain {
						want = append(want, l.Amount.Grouped())
					}
				}
			}
			for _, n := range b.Notes {
				want = append(want, n.Article)
			}
			read(t, pdf, want...)
		})
	}
}

// TestManyItems: of a very long fee list the end is summed, and the sum is right.
func TestManyItems(t *testing.T) {
	b := &bill.Bill{Lang: bill.Chinese}
	for range maxItems + 25 {
		b.Items = append(b.Items, bill.Item{Name: "甲类药品", Class: "甲类", Amount: 101})
		b.Total += 101
	}
	d := Bill(b, Settled{Time: at})
	pdf, err := d.PDF()
	if err != nil {
		t.Fatal(err)
	}
	read(t, pdf, "另有 25 项", "25.25", b.Total.Grouped())
}

// TestTogether: statements are set at one time, from the same type.
func TestTogether(t *testing.T) {
	d := Document{Title: "基金收支报表", At: at, Parts: []Part{{Columns: []Column{{Head: "月份", Share: 1}, {Head: "收入", Share: 1, Figure: true}}, Rows: []Row{{Cells: []string{"2025-06", "1.00"}}}}}}
	var all sync.WaitGroup
	out := make([][]byte, 8)
	for i := range out {
		all.Go(func() {
			x := d
			x.Title += strings.Repeat("甲", i%2)
			out[i], _ = x.PDF()
		})
	}
	all.Wait()
	for i := range out {
		if len(out[i]) == 0 || !bytes.Equal(out[i], out[i%2]) {
			t.Errorf("statement %d: %d bytes, not as number %d", i, len(out[i]), i%2)
		}
	}
}
