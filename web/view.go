package web

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Say picks the text in the language of the page.
func (v *Visit) Say(zh, en string) string { return v.Lang.Say(zh, en) }

// Marked is Mark in the language of the page.
func (v *Visit) Marked(text string) template.HTML { return Mark(v.Lang, text) }

// Mark writes a text that holds names in Chinese, such as of a benefit: on a page
// in English each run of Chinese says that it is Chinese, and is read out as such.
func Mark(lang bill.Lang, text string) template.HTML {
	if lang != bill.English {
		return template.HTML(template.HTMLEscapeString(text))
	}
	var b strings.Builder
	in := false
	for _, r := range text {
		if is := chinese(r); is != in {
			if in = is; in {
				b.WriteString(`<span lang="zh-CN">`)
			} else {
				b.WriteString(`</span>`)
			}
		}
		b.WriteString(template.HTMLEscapeString(string(r)))
	}
	if in {
		b.WriteString(`</span>`)
	}
	return template.HTML(b.String())
}

// chinese reports whether a character is written in Chinese only.
func chinese(r rune) bool {
	return unicode.Is(unicode.Han, r) || r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xffef
}

// Money writes an amount for people, with its unit.
func (v *Visit) Money(a money.Fen) string { return v.Lang.Money(a) }

// Number writes an amount without its unit, for a column that names it.
func (v *Visit) Number(a money.Fen) string { return a.Grouped() }

// Care is the kind of care in words.
func (v *Visit) Care(k policy.VisitKind) string { return bill.VisitName(v.Lang, k) }

// Time writes a moment in the time of China.
func (v *Visit) Time(t time.Time) string { return t.In(china).Format("2006-01-02 15:04") }

// Day writes a day for people: 2025年6月1日, 1 Jun 2025.
func (v *Visit) Day(d civil.Date) string {
	if d == 0 {
		return v.Say("长期", "open")
	}
	return d.Time().Format(v.Say("2006年1月2日", "2 Jan 2006"))
}

// china is the one time zone of the country (北京时间).
var china = time.FixedZone("CST", 8*60*60)

// Synthetic reports whether the data is made up.
func (v *Visit) Synthetic() bool { return v.site.Synthetic }

// Mark stands across statements on paper: that the data is made up, "" where it is
// not.
func (v *Visit) Mark() string {
	if !v.site.Synthetic {
		return ""
	}
	return v.Say("演示数据", "MADE UP DATA")
}

// Notice is of maintenance, "" for none.
func (v *Visit) Notice() string {
	if v.site.Notice == nil {
		return ""
	}
	return v.site.Notice()
}

// App is the name of the pages that this one is of.
func (v *Visit) App() string { return v.app.Name }

// SignInPath is where to sign in.
func (v *Visit) SignInPath() string { return v.app.SignIn }

// Nav is the navigation, with the entry that this page is under marked.
func (v *Visit) Nav() []Link {
	if v.app.Nav == nil {
		return nil
	}
	links := v.app.Nav(v)
	best := -1
	for i, l := range links {
		if (v.URL.Path == l.Path || strings.HasPrefix(v.URL.Path, strings.TrimSuffix(l.Path, "/")+"/")) && (best < 0 || len(l.Path) > len(links[best].Path)) {
			best = i
		}
	}
	if best >= 0 {
		links[best].Here = true
	}
	return links
}

// Switch is where the other language, or size of type, is chosen, and leads back
// here.
func (v *Visit) Switch(name, value string) string {
	return "/prefs?" + url.Values{name: {value}, "next": {v.URL.RequestURI()}}.Encode()
}

// Filled is what was filled into a field before, for a form that is shown again.
func (v *Visit) Filled(name, otherwise string) string {
	if v.Form == nil || !v.Form.Has(name) {
		return otherwise
	}
	return v.Value(name)
}

// Wrong reports whether the fault is about a field.
func (v *Visit) Wrong(field string) bool { return v.Fault != "" && v.Field == field }

// MaskName keeps the first character of a name: 张安 becomes 张*.
func MaskName(name string) string {
	n := utf8.RuneCountInString(name)
	if n == 0 {
		return ""
	}
	first, _ := utf8.DecodeRuneInString(name)
	return string(first) + strings.Repeat("*", max(1, min(n-1, 3)))
}

// Link is a path of the site, in the language that the browser keeps.
func (v *Visit) Link(path string) string { return path }

// Upload is a file that a browser sent.
type Upload struct {
	Name string
	Body []byte
}

// Uploads reads the files of a form's field, each of at most so many bytes. That
// there is none, or one is larger, is a fault of the field.
func Uploads(v *Visit, field string, most int64) (out []Upload, err error) {
	if err := v.ParseMultipartForm(8 << 20); err != nil {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return nil, err
		}
		return nil, &Fault{Field: field, Want: v.Say("没有收到文件", "no file came")}
	}
	files := v.MultipartForm.File[field]
	if len(files) == 0 {
		return nil, &Fault{Field: field, Want: v.Say("请拍照或选择文件", "take a photograph or choose a file")}
	}
	for _, f := range files {
		if f.Size > most {
			return nil, &Fault{Field: field, Want: fmt.Sprintf(v.Say("「%s」超过 %d MB", "%s is larger than %d MB"), f.Filename, most>>20)}
		}
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return nil, err
		}
		out = append(out, Upload{f.Filename, body})
	}
	return out, nil
}
