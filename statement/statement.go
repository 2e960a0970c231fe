// Package statement sets statements on paper (单据): A4 pages as PDF, with a title,
// facts, tables whose heads repeat on every page, sources, page numbers, and who
// made them and when. It knows what a page is, and nothing of where its figures
// come from.
//
// Type is embedded, of each font what a statement uses: Chinese of Droid Sans
// Fallback, Latin letters and figures of Go Regular, in which figures are of one
// width. A character that neither has, such as a rare one of a name, is set as 〓,
// the printers' mark for type that is missing, and the statement says so: nothing
// is left out unseen.
package statement

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signintech/gopdf"
)

// Type is the media type of a statement.
const Type = "application/pdf"

// MaxRows is how many rows a statement holds: about 200 pages.
const MaxRows = 6000

// ErrTooLong says that a statement has more than MaxRows.
var ErrTooLong error = tooLong{}

type tooLong struct{}

func (tooLong) Error() string { return fmt.Sprintf("statement: more than %d rows", MaxRows) }

// Refusal says what is wrong, for the page.
func (tooLong) Refusal() (field, value, want string) {
	return "", "", fmt.Sprintf("这份单据超过 %d 行，印不下；请导出 Excel", MaxRows)
}

// Document is a statement.
type Document struct {
	English bool // the words of the page itself, such as its number
	Title   string
	Under   string // the title: such as the region and the period
	Facts   []Fact
	Parts   []Part
	Made    string    // who made it and when, at the foot
	At      time.Time // when
	Mark    string    // across every page, such as 演示数据; "" is none
	Wide    bool      // the paper lies on its side, for many columns
}

// Fact is a circumstance above the tables.
type Fact struct{ Label, Value string }

// Part is a table, or words, under a title.
type Part struct {
	Title   string
	Text    string // before the table
	Columns []Column
	Rows    []Row
	Empty   string // said where there are no rows
}

// Column is a column of a table.
type Column struct {
	Head   string
	Share  float64 // of the width
	Figure bool    // stands at the right
}

// Row is a row of a table.
type Row struct {
	Cells  []string
	Note   string // in small type, below
	Under  int    // the column that the note stands under
	Sum    bool   // set off from the others
	Indent int    // of the first cell
}

// The page, in points.
const (
	long, short  = 841.89, 595.28
	margin       = 44.0
	foot         = 46.0 // from the lower edge to the foot's rule
	bodySize     = 9.5
	smallSize    = 8.0
	headSize     = 12.0
	titleSize    = 19.0
	leading      = 1.5
	cellPad      = 5.0
	rowPad       = 3.5
	indent       = 12.0
	markSize     = 84.0
	runningSpace = 30.0
)

type colour [3]uint8

var (
	ink    = colour{22, 33, 43}
	muted  = colour{81, 96, 110}
	rule   = colour{200, 208, 214}
	strong = colour{96, 112, 131}
	ground = colour{238, 242, 245}
	brand  = colour{11, 95, 115}
	faint  = colour{232, 236, 239}
)

// PDF sets the statement.
func (d *Document) PDF() ([]byte, error) {
	rows := 0
	for _, p := range d.Parts {
		rows += len(p.Rows)
		for _, r := range p.Rows {
			if len(r.Cells) > len(p.Columns) || r.Under >= len(p.Columns) {
				return nil, fmt.Errorf("statement: a row of %q has %d cells, the table %d columns", p.Title, len(r.Cells), len(p.Columns))
			}
		}
	}
	if rows > MaxRows {
		return nil, ErrTooLong
	}
	s, err := newSetter(d)
	if err != nil {
		return nil, err
	}
	s.compose()
	return s.print()
}

// setter composes pages: what is drawn on each is kept until it is known how many
// there are.
type setter struct {
	*Document
	pdf           gopdf.GoPdf
	fonts         *typeface
	width, height float64
	pages         [][]func()
	y             float64
	missing       bool
	err           error
}

func newSetter(d *Document) (*setter, error) {
	s := &setter{Document: d, width: short, height: long}
	if d.Wide {
		s.width, s.height = long, short
	}
	s.pdf.Start(gopdf.Config{PageSize: gopdf.Rect{W: s.width, H: s.height}})
	s.pdf.SetInfo(gopdf.PdfInfo{Title: d.Title, Subject: d.Under, Creator: "Anji 安济", Producer: "Anji 安济", CreationDate: d.At})
	var err error
	s.fonts, err = load(&s.pdf)
	return s, err
}

func (s *setter) say(zh, en string) string {
	if s.English {
		return en
	}
	return zh
}

// inner is the width between the margins.
func (s *setter) inner() float64 { return s.width - 2*margin }

// bottom is where a page is full.
func (s *setter) bottom() float64 { return s.height - foot - 8 }

func (s *setter) page() {
	s.pages = append(s.pages, nil)
	s.y = margin
	if len(s.pages) > 1 { // which statement this page is of
		s.text(s.clip(s.Title+"　"+s.Under, smallSize, s.inner()), margin, s.y-8, smallSize, muted)
		s.line(margin, s.y+8, s.width-margin, rule, .5)
		s.y += runningSpace - 10
	}
}

// later draws on the page that is being composed.
func (s *setter) later(f func()) {
	n := len(s.pages) - 1
	s.pages[n] = append(s.pages[n], f)
}

// room makes a new page where less than h is left.
func (s *setter) room(h float64) (fresh bool) {
	if s.y+h <= s.bottom() {
		return false
	}
	s.page()
	return true
}

func (s *setter) compose() {
	s.page()
	lines := s.wrap(s.Title, titleSize, s.inner())
	for _, l := range lines {
		s.text(l, margin, s.y, titleSize, ink)
		s.y += titleSize * 1.35
	}
	for _, l := range s.wrap(s.Under, bodySize+.5, s.inner()) {
		s.text(l, margin, s.y, bodySize+.5, muted)
		s.y += bodySize * leading
	}
	s.y += 8
	s.line(margin, s.y, s.width-margin, brand, 1.2)
	s.y += 10
	s.facts()
	for i := range s.Parts {
		s.part(&s.Parts[i])
	}
	if s.missing {
		note := s.say("〓：字库里没有的字，以登记的为准。", "〓 stands for a character that this type does not have; what is registered holds.")
		s.room(smallSize * 3)
		s.y += 8
		s.text(note, margin, s.y, smallSize, muted)
		s.y += smallSize * leading
	}
}

// facts stand in two columns, or three on wide paper.
func (s *setter) facts() {
	n := 2
	if s.Wide {
		n = 3
	}
	w := s.inner() / float64(n)
	label := 0.0
	for _, f := range s.Facts {
		label = max(label, s.fonts.width(f.Label, bodySize))
	}
	label = min(label+10, w*.45)
	for i := 0; i < len(s.Facts); i += n {
		row := s.Facts[i:min(i+n, len(s.Facts))]
		values := make([][]string, len(row))
		high := 1
		for j, f := range row {
			values[j] = s.wrap(f.Value, bodySize, w-label-10)
			high = max(high, len(values[j]))
		}
		s.room(float64(high) * bodySize * leading)
		for j, f := range row {
			x := margin + float64(j)*w
			s.text(s.clip(f.Label, bodySize, label-4), x, s.y, bodySize, muted)
			for k, l := range values[j] {
				s.text(l, x+label, s.y+float64(k)*bodySize*leading, bodySize, ink)
			}
		}
		s.y += float64(high)*bodySize*leading + 2
	}
}

func (s *setter) part(p *Part) {
	need := 14 + bodySize*leading // a title does not stand alone at the end of a page
	if p.Title != "" {
		need += headSize * leading
	}
	if len(p.Columns) > 0 {
		need += 3 * bodySize * leading
	}
	s.room(need)
	s.y += 14
	if p.Title != "" {
		s.text(p.Title, margin, s.y, headSize, brand)
		s.y += headSize * leading
	}
	for _, para := range paragraphs(p.Text) {
		for _, l := range s.wrap(para, bodySize, s.inner()) {
			s.room(bodySize * leading)
			s.text(l, margin, s.y, bodySize, ink)
			s.y += bodySize * leading
		}
		s.y += 2
	}
	if len(p.Columns) == 0 {
		return
	}
	if len(p.Rows) == 0 && p.Empty != "" {
		s.text(p.Empty, margin, s.y, bodySize, muted)
		s.y += bodySize * leading
		return
	}
	s.table(p)
}

func paragraphs(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func (s *setter) table(p *Part) {
	total := 0.0
	for _, c := range p.Columns {
		total += c.Share
	}
	x, w := make([]float64, len(p.Columns)), make([]float64, len(p.Columns))
	at := margin
	for i, c := range p.Columns {
		x[i], w[i] = at, s.inner()*c.Share/total
		at += w[i]
	}
	head := func() {
		cells := make([][]string, len(p.Columns))
		high := 1
		for i, c := range p.Columns {
			cells[i] = s.wrap(c.Head, smallSize+.5, w[i]-2*cellPad)
			high = max(high, len(cells[i]))
		}
		h := float64(high)*(smallSize+.5)*1.35 + 2*rowPad
		s.box(margin, s.y, s.inner(), h, ground)
		for i, c := range p.Columns {
			for j, l := range cells[i] {
				s.cell(l, x[i], w[i], s.y+rowPad+float64(j)*(smallSize+.5)*1.35, smallSize+.5, c.Figure, muted)
			}
		}
		s.y += h
		s.line(margin, s.y, s.width-margin, strong, .7)
	}
	head()
	for i := range p.Rows {
		r := &p.Rows[i]
		in := indent * float64(r.Indent)
		cells := make([][]string, len(r.Cells))
		high := 1
		for j, text := range r.Cells {
			room := w[j] - 2*cellPad
			if j == 0 {
				room -= in
			}
			if p.Columns[j].Figure {
				cells[j] = []string{text} // an amount is not broken
			} else {
				cells[j] = s.wrap(text, bodySize, room)
			}
			high = max(high, len(cells[j]))
		}
		below := x[r.Under] + cellPad + in
		notes := s.wrap(r.Note, smallSize, s.width-margin-cellPad-below)
		if r.Note == "" {
			notes = nil
		}
		h := float64(high)*bodySize*1.4 + float64(len(notes))*smallSize*1.4 + 2*rowPad
		if s.room(h) {
			head()
		}
		if r.Sum {
			s.box(margin, s.y, s.inner(), h, ground)
		}
		for j := range r.Cells {
			from, room := x[j], w[j]
			if j == 0 {
				from, room = from+in, room-in
			}
			for k, l := range cells[j] {
				s.cell(l, from, room, s.y+rowPad+float64(k)*bodySize*1.4, bodySize, p.Columns[j].Figure, ink)
			}
		}
		for k, l := range notes {
			s.text(l, below, s.y+rowPad+float64(high)*bodySize*1.4+float64(k)*smallSize*1.4, smallSize, muted)
		}
		s.y += h
		s.line(margin, s.y, s.width-margin, rule, .5)
	}
}

// cell sets a text in a column. Where a figure is wider than its column, it is set
// smaller: nothing of it is cut off.
func (s *setter) cell(text string, x, w, y, size float64, figure bool, c colour) {
	if !figure {
		s.text(text, x+cellPad, y, size, c)
		return
	}
	for size > 5 && s.fonts.width(text, size) > w-2*cellPad+4 {
		size -= .5
	}
	s.text(text, x+w-cellPad-s.fonts.width(text, size), y, size, c)
}

func (s *setter) text(text string, x, y, size float64, c colour) {
	runs := s.fonts.runs(text)
	for _, r := range runs {
		s.missing = s.missing || r.missing
	}
	s.later(func() {
		s.pdf.SetTextColor(c[0], c[1], c[2])
		at := x
		for _, r := range runs {
			if err := s.fonts.set(r, at, y, size); err != nil && s.err == nil {
				s.err = err
			}
			at += s.fonts.runWidth(r, size)
		}
	})
}

func (s *setter) line(x1, y, x2 float64, c colour, width float64) {
	s.later(func() {
		s.pdf.SetStrokeColor(c[0], c[1], c[2])
		s.pdf.SetLineWidth(width)
		s.pdf.Line(x1, y, x2, y)
	})
}

func (s *setter) box(x, y, w, h float64, c colour) {
	s.later(func() {
		s.pdf.SetFillColor(c[0], c[1], c[2])
		s.pdf.RectFromUpperLeftWithStyle(x, y, w, h, "F")
	})
}

// print draws the pages, each with its mark and foot.
func (s *setter) print() ([]byte, error) {
	body := s.pages
	s.pages = [][]func(){nil}
	for i, page := range body {
		s.pdf.AddPage()
		s.mark()
		for _, f := range page {
			f()
		}
		s.feet(i+1, len(body))
	}
	if s.err != nil {
		return nil, s.err
	}
	return s.pdf.GetBytesPdfReturnErr()
}

// now draws at once what the functions of composing would draw later.
func (s *setter) now(f func()) {
	f()
	for _, draw := range s.pages[0] {
		draw()
	}
	s.pages[0] = nil
}

func (s *setter) mark() {
	if s.Mark == "" {
		return
	}
	size := min(markSize, markSize*s.width*.85/s.fonts.width(s.Mark, markSize))
	s.pdf.Rotate(35, s.width/2, s.height/2)
	s.now(func() {
		s.text(s.Mark, s.width/2-s.fonts.width(s.Mark, size)/2, s.height/2-size/2, size, faint)
	})
	s.pdf.RotateReset()
}

func (s *setter) feet(n, of int) {
	s.now(func() {
		y := s.height - foot
		s.line(margin, y, s.width-margin, rule, .5)
		number := fmt.Sprintf(s.say("第 %d 页，共 %d 页", "Page %d of %d"), n, of)
		s.text(number, s.width-margin-s.fonts.width(number, smallSize), y+7, smallSize, muted)
		made := s.Made
		if s.Mark != "" {
			made = s.Mark + "　" + made
		}
		s.text(s.clip(made, smallSize, s.inner()-s.fonts.width(number, smallSize)-16), margin, y+7, smallSize, muted)
	})
}

var errNoType = errors.New("statement: the embedded type cannot be read")
