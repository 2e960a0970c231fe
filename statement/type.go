package statement

import (
	_ "embed"
	"errors"
	"strings"
	"sync"
	"unicode"

	"github.com/signintech/gopdf"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/unicode/norm"
)

// Chinese type: see font/README.md for where it is from and its licence.
//
//go:embed font/DroidSansFallbackFull.ttf
var chinese []byte

const (
	chineseName = "han"
	latinName   = "latin"
	// missing is set for a character that no type has: 〓, which printers set for
	// type that is not in the case (下駄).
	missing = '〓'
)

// faces are the fonts, read once.
var faces = sync.OnceValues(func() (*caseOfType, error) {
	c := &caseOfType{fonts: &gopdf.FontContainer{}}
	var e1, e2 error
	c.han, e1 = sfnt.Parse(chinese)
	c.latin, e2 = sfnt.Parse(goregular.TTF)
	if err := errors.Join(e1, e2, c.fonts.AddTTFFontData(chineseName, chinese), c.fonts.AddTTFFontData(latinName, goregular.TTF)); err != nil {
		return nil, errors.Join(errNoType, err)
	}
	return c, nil
})

type caseOfType struct {
	fonts      *gopdf.FontContainer
	han, latin *sfnt.Font
}

// typeface sets texts of one statement in both fonts.
type typeface struct {
	*caseOfType
	pdf    *gopdf.GoPdf
	buffer sfnt.Buffer
	widths map[rune]float64 // of a character, at 1 point
	of     map[rune]glyph
	err    error
}

// glyph is what is set for a character.
type glyph struct {
	text string
	font string
	none bool // no type has it
}

func load(pdf *gopdf.GoPdf) (*typeface, error) {
	c, err := faces()
	if err != nil {
		return nil, err
	}
	t := &typeface{caseOfType: c, pdf: pdf, widths: map[rune]float64{}, of: map[rune]glyph{}}
	return t, errors.Join(pdf.AddTTFFontFromFontContainer(chineseName, c.fonts), pdf.AddTTFFontFromFontContainer(latinName, c.fonts))
}

func (t *typeface) has(f *sfnt.Font, r rune) bool {
	i, err := f.GlyphIndex(&t.buffer, r)
	return err == nil && i != 0
}

// fontOf is the font that has a character, "" for none. Letters, figures and signs
// of amounts are Latin; the rest is Chinese first.
func (t *typeface) fontOf(r rune) string {
	first, then := chineseName, latinName
	f, g := t.han, t.latin
	if r < 0x2000 || r == '−' {
		first, then, f, g = then, first, g, f
	}
	switch {
	case t.has(f, r):
		return first
	case t.has(g, r):
		return then
	}
	return ""
}

// glyph finds what is set for a character: itself; what it is made of, as (1) is
// for ⑴ and ℃ is °C; or the mark for missing type.
func (t *typeface) glyph(r rune) glyph {
	if g, ok := t.of[r]; ok {
		return g
	}
	g := glyph{text: string(r), font: t.fontOf(r)}
	if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) {
		g = glyph{text: "", font: latinName} // says how to set others, and is nothing itself
	} else if g.font == "" {
		g = glyph{text: string(missing), font: chineseName, none: true}
		if same := norm.NFKC.String(string(r)); same != string(r) {
			if font := t.fontOfAll(same); font != "" {
				g = glyph{text: same, font: font}
			}
		}
	}
	t.of[r] = g
	return g
}

func (t *typeface) fontOfAll(text string) (font string) {
	for _, r := range text {
		f := t.fontOf(r)
		if f == "" || font != "" && f != font {
			return ""
		}
		font = f
	}
	return font
}

// run is a text in one font.
type run struct {
	text, font string
	missing    bool
}

func (t *typeface) runs(text string) (out []run) {
	for _, r := range text {
		g := t.glyph(r)
		if n := len(out); n > 0 && out[n-1].font == g.font {
			out[n-1].text += g.text
			out[n-1].missing = out[n-1].missing || g.none
			continue
		}
		out = append(out, run{g.text, g.font, g.none})
	}
	return out
}

// runWidth is how wide a run is, in points.
func (t *typeface) runWidth(r run, size float64) float64 {
	w := 0.0
	for _, c := range r.text {
		at1, ok := t.widths[c]
		if !ok {
			err := t.pdf.SetFont(r.font, "", 100)
			if err == nil {
				at1, err = t.pdf.MeasureTextWidth(string(c))
			}
			if err != nil && t.err == nil {
				t.err = err
			}
			at1 /= 100
			t.widths[c] = at1
		}
		w += at1
	}
	return w * size
}

func (t *typeface) width(text string, size float64) (w float64) {
	for _, r := range t.runs(text) {
		w += t.runWidth(r, size)
	}
	return w
}

// set draws a run with the top of its line at y.
func (t *typeface) set(r run, x, y, size float64) error {
	if t.err != nil {
		return t.err
	}
	if r.text == "" {
		return nil
	}
	if err := t.pdf.SetFont(r.font, "", size); err != nil {
		return err
	}
	t.pdf.SetXY(x, y+size*1.02) // the base line, which both fonts share
	return t.pdf.Text(r.text)
}

// clip shortens a text to a width.
func (s *setter) clip(text string, size, w float64) string {
	if s.fonts.width(text, size) <= w {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && s.fonts.width(string(runes)+"…", size) > w {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// Characters that no line begins or ends with (避头尾).
const (
	notFirst = "，。、；：！？）〕》」』】”’％%.,;:!?)]}…·"
	notLast  = "（〔《「『【“‘([{"
)

// wrap breaks a text into lines of a width: between Chinese characters, and at
// spaces of others.
func (s *setter) wrap(text string, size, w float64) (lines []string) {
	line, used := "", 0.0
	flush := func() {
		if line != "" {
			lines = append(lines, strings.TrimRight(line, " "))
		}
		line, used = "", 0
	}
	for _, word := range words(text) {
		ww := s.fonts.width(word, size)
		if used+ww > w && line != "" {
			flush()
			word = strings.TrimLeft(word, " ")
			ww = s.fonts.width(word, size)
		}
		if ww <= w {
			line, used = line+word, used+ww
			continue
		}
		for _, r := range word { // a word wider than the line
			rw := s.fonts.width(string(r), size)
			if used+rw > w {
				flush()
			}
			line, used = line+string(r), used+rw
		}
	}
	flush()
	if lines == nil {
		lines = []string{""}
	}
	return lines
}

// words cuts a text where lines may be broken.
func words(text string) (out []string) {
	var word []rune
	var last rune
	for _, r := range text {
		if r == '\n' || r == '\t' {
			r = ' '
		}
		breaks := last != 0 && (wide(r) || wide(last) || last == ' ' && r != ' ')
		if breaks && !strings.ContainsRune(notFirst, r) && !strings.ContainsRune(notLast, last) {
			out, word = append(out, string(word)), nil
		}
		word, last = append(word, r), r
	}
	if len(word) > 0 {
		out = append(out, string(word))
	}
	return out
}

// wide reports whether lines may break beside a character.
func wide(r rune) bool { return r >= 0x2e80 }
