package ocr

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

// Word is a piece of text on a picture, and where it stands, in pixels.
type Word struct {
	Left, Top, Width, Height int
	Confidence               int // 0 to 100
	Text                     string
}

func (w Word) right() int { return w.Left + w.Width }

// maxWords bounds a page: an invoice has some hundreds.
const maxWords = 20_000

// Words reads the words of Tesseract's TSV: a head, then a row for each page,
// block, paragraph, line and word; words are of level 5.
func Words(tsv []byte) (words []Word, err error) {
	n := 0
	for line := range bytes.Lines(tsv) {
		n++
		line = bytes.TrimRight(line, "\r\n")
		cells := strings.SplitN(string(line), "\t", 12)
		if n == 1 && cells[0] == "level" || len(line) == 0 {
			continue
		}
		if len(cells) != 12 {
			return nil, fmt.Errorf("ocr: row %d has %d columns, not 12", n, len(cells))
		}
		if cells[0] != "5" {
			continue
		}
		w := Word{Text: strings.TrimSpace(cells[11])}
		for i, to := range []*int{&w.Left, &w.Top, &w.Width, &w.Height} {
			if *to, err = strconv.Atoi(cells[6+i]); err != nil || *to < 0 || *to > MaxPixels {
				return nil, fmt.Errorf("ocr: row %d: place %q is no number of pixels", n, cells[6+i])
			}
		}
		sure, err := strconv.ParseFloat(cells[10], 64)
		if err != nil || !(sure >= -1 && sure <= 100) {
			return nil, fmt.Errorf("ocr: row %d: confidence %q is not from 0 to 100", n, cells[10])
		}
		w.Confidence = max(0, int(sure))
		if w.Text == "" || !utf8.ValidString(w.Text) {
			continue
		}
		if len(words) == maxWords {
			return nil, fmt.Errorf("ocr: more than %d words", maxWords)
		}
		words = append(words, w)
	}
	return words, nil
}

// cell is words that stand close together in a row.
type cell struct {
	left, right int
	text        string
	sure        []int // of each byte of text
}

// least is the confidence of its least sure word, 100 without text.
func (c cell) least() int { return least(c.sure) }

func least(sure []int) int {
	if len(sure) == 0 {
		return 100
	}
	return slices.Min(sure)
}

// row is what stands at one height of the page. Its text is that of its cells with
// tabs between.
type row struct {
	cells []cell
	text  string
}

// rows puts words into rows by their heights, whatever block of the page Tesseract
// took them for: the two halves of a table are one row.
func rows(words []Word) []row {
	words = slices.Clone(words)
	slices.SortStableFunc(words, func(a, b Word) int { return cmp.Compare(2*a.Top+a.Height, 2*b.Top+b.Height) })
	// Signs such as : come out taller than they are, - shorter: most words tell how
	// tall the print is.
	tall := 0
	if len(words) > 0 {
		heights := make([]int, len(words))
		for i, w := range words {
			heights[i] = w.Height
		}
		slices.Sort(heights)
		tall = heights[len(heights)/2]
	}
	var lines [][]Word
	for _, w := range words {
		if n := len(lines); n > 0 {
			first := lines[n-1][0] // the highest of its row
			if w.Top+w.Height/2-(first.Top+first.Height/2) <= tall*3/5 {
				lines[n-1] = append(lines[n-1], w)
				continue
			}
		}
		lines = append(lines, []Word{w})
	}
	out := make([]row, 0, len(lines))
	for _, line := range lines {
		slices.SortStableFunc(line, func(a, b Word) int { return cmp.Compare(a.Left, b.Left) })
		var r row
		for _, w := range line {
			text := plain(w.Text)
			if strings.Trim(text, "|_—-'`\"") == "" {
				continue // a line of the table
			}
			if n := len(r.cells); n > 0 && w.Left-r.cells[n-1].right <= tall*6/5 {
				c := &r.cells[n-1]
				c.text, c.right, c.sure = c.text+text, max(c.right, w.right()), append(c.sure, slices.Repeat([]int{w.Confidence}, len(text))...)
				continue
			}
			r.cells = append(r.cells, cell{w.Left, w.right(), text, slices.Repeat([]int{w.Confidence}, len(text))})
		}
		if len(r.cells) == 0 {
			continue
		}
		texts := make([]string, len(r.cells))
		for i, c := range r.cells {
			texts[i] = c.text
		}
		r.text = strings.Join(texts, "\t")
		out = append(out, r)
	}
	return out
}

// plain writes signs of print the one way: what stands wide in Chinese print is
// narrow, and brackets that Tesseract mixes up are round.
var plain = strings.NewReplacer("：", ":", "（", "(", "）", ")", "〈", "(", "〉", ")", "，", ",", "。", ".", "￥", "¥", " ", "", "\t", "", "|", "",
	"０", "0", "１", "1", "２", "2", "３", "3", "４", "4", "５", "5", "６", "6", "７", "7", "８", "8", "９", "9").Replace

// What stands on an invoice. A value ends where its cell does, or with a sign that
// cannot be part of it; (?:…) after it sees to that, so that nothing is cut short.
// Tesseract takes ¥ for Y.
var (
	codeField   = regexp.MustCompile(`(?:票据|发票)代码:?\t?(\w+)`)
	numberField = regexp.MustCompile(`(?:票据|发票)号码:?\t?(\w+)`)
	checkField  = regexp.MustCompile(`校验码:?\t?(\w+)`)
	dateField   = regexp.MustCompile(`开票日期:?\t?([0-9年月日/.-]+)`)
	totalField  = regexp.MustCompile(`\(小写\):?\t?([¥Y]?[0-9.,-]+)`)
	payeeField  = regexp.MustCompile(`收款单位(?:\(章\))?:\t?([^\t:]+)`)
	payerField  = regexp.MustCompile(`交款人:\t?([^\t:]+)`)
	partyField  = regexp.MustCompile(`名称:\t?([^\t:]+)`)

	// 电子财政票据 has 8 figures of code and 10 of number and 6 signs to check; a
	// 增值税发票 10 or 12, 8 and 20; a 数电发票 has no code and 20 figures of number.
	codes   = regexp.MustCompile(`^([0-9]{8}|[0-9]{10}|[0-9]{12})$`)
	numbers = regexp.MustCompile(`^([0-9]{8}|[0-9]{10}|[0-9]{20})$`)
	checks  = regexp.MustCompile(`^([0-9A-Za-z]{6}|[0-9]{20})$`)
	dates   = regexp.MustCompile(`^([0-9]{4})([年/.-])([0-9]{1,2})([月/.-])([0-9]{1,2})日?$`)
	amounts = regexp.MustCompile(`^[¥Y]?(-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,10})\.[0-9]{2})$`)
	names   = regexp.MustCompile(`^[\p{Han}·A-Za-z0-9()]{2,60}$`)
)

// Parse reads an invoice from the words of a picture. What is less sure than floor
// is not taken as a value.
func Parse(words []Word, floor int) Invoice {
	var v Invoice
	all := rows(words)
	for _, r := range all {
		first(&v.Code, r, codeField, 0, floor, matching(codes))
		first(&v.Number, r, numberField, 0, floor, matching(numbers))
		first(&v.Check, r, checkField, 0, floor, matching(checks))
		first(&v.Date, r, dateField, 0, floor, date)
		first(&v.Total, r, totalField, 0, floor, amount)
		first(&v.Payee, r, payeeField, 0, floor, matching(names))
		first(&v.Name, r, payerField, 0, floor, matching(names))
		// The buyer stands left of the seller.
		if len(partyField.FindAllStringIndex(r.text, 3)) == 2 {
			first(&v.Name, r, partyField, 0, floor, matching(names))
			first(&v.Payee, r, partyField, 1, floor, matching(names))
		}
	}
	v.Lines = items(all, floor)
	return v
}

// first fills a reading with the n-th value of a field in a row, if it has none.
func first[T comparable](to *Reading[T], r row, field *regexp.Regexp, n, floor int, read func(string) (T, bool)) {
	var none T
	if to.Value != none {
		return
	}
	found := field.FindAllStringSubmatchIndex(r.text, n+1)
	if len(found) <= n {
		return
	}
	m := found[n]
	var sure []int
	for i, c := range r.cells {
		if i > 0 {
			sure = append(sure, 100) // the tab
		}
		sure = append(sure, c.sure...)
	}
	x := Reading[T]{Text: r.text[m[2]:m[3]], Confidence: least(sure[m[2]:m[3]])}
	if value, ok := read(x.Text); ok && x.Confidence >= floor {
		x.Value = value
	}
	*to = x
}

func matching(form *regexp.Regexp) func(string) (string, bool) {
	return func(s string) (string, bool) { return s, form.MatchString(s) }
}

func date(s string) (civil.Date, bool) {
	m := dates.FindStringSubmatch(s)
	if m == nil || (m[2] == "年") != (m[4] == "月") || m[2] != "年" && m[2] != m[4] {
		return 0, false
	}
	d, err := civil.Parse(fmt.Sprintf("%s-%02s-%02s", m[1], m[3], m[5]))
	return d, err == nil
}

func amount(s string) (money.Fen, bool) {
	m := amounts.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	a, err := money.Parse(strings.ReplaceAll(m[1], ",", ""))
	return a, err == nil
}

// maxLines bounds the items of an invoice.
const maxLines = 200

// items reads the table of items: below its head, above its sum. A head may stand
// twice in a row, for two columns of items.
func items(all []row, floor int) (lines []Line) {
	head := slices.IndexFunc(all, func(r row) bool { return len(titled(r, "项目名称")) > 0 && len(titled(r, "金额")) > 0 })
	if head < 0 {
		return nil
	}
	h := all[head]
	name, sum := titled(h, "项目名称"), titled(h, "金额")
	if len(name) != len(sum) {
		return nil
	}
	for _, r := range all[head+1:] {
		if strings.Contains(r.text, "合计") || strings.Contains(r.text, "大写") || strings.Contains(r.text, "小写") {
			break
		}
		in := make([]cell, len(h.cells))
		twice := make([]bool, len(h.cells))
		for _, c := range r.cells {
			i := column(h.cells, c)
			if in[i].text != "" {
				twice[i] = true
			}
			in[i] = c
		}
		for i := range name {
			n, a := in[name[i]], in[sum[i]]
			if twice[name[i]] || twice[sum[i]] || n.least() < floor || a.least() < floor {
				continue
			}
			value, ok := amount(a.text)
			if !ok || strings.Trim(n.text, "0123456789.,*-") == "" || len(lines) == maxLines {
				continue
			}
			lines = append(lines, Line{Reading[string]{n.text, n.text, n.least()}, Reading[money.Fen]{value, a.text, a.least()}})
		}
	}
	return lines
}

// titled finds the cells of a head that begin with a title.
func titled(r row, title string) (at []int) {
	for i, c := range r.cells {
		if strings.HasPrefix(c.text, title) {
			at = append(at, i)
		}
	}
	return at
}

// column is which cell of the head a cell stands under: the one that it shares the
// most width with, or is nearest to.
func column(head []cell, c cell) (at int) {
	best := 0
	for i, h := range head {
		shared := min(h.right, c.right) - max(h.left, c.left) // negative: how far apart
		if i == 0 || shared > best {
			best, at = shared, i
		}
	}
	return at
}
