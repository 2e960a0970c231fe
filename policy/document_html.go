package policy

import (
	_ "embed"
	"html"
	"html/template"
	"strconv"
	"strings"
)

//go:embed document.css
var documentCSS string

// HTML is the package as a document for people to read, as a fragment without
// title, styles or scripts: headings from h2, every text escaped.
func (p *Package) HTML() template.HTML {
	var w htmlWriter
	w.blocks(p.document().blocks)
	return template.HTML(w.b.String())
}

// HTMLPage is the document as a page that stands alone.
func (p *Package) HTMLPage() string {
	d := p.document()
	var w htmlWriter
	w.b.WriteString("<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
	w.element("title", d.title)
	w.b.WriteString("<style>\n" + documentCSS + "</style>\n</head>\n<body>\n<main>\n")
	w.element("h1", d.title)
	w.b.WriteString("<dl>\n")
	for _, f := range d.facts {
		w.element("dt", f[0])
		w.element("dd", f[1])
	}
	w.b.WriteString("</dl>\n")
	w.blocks(d.blocks)
	w.b.WriteString("</main>\n</body>\n</html>\n")
	return w.b.String()
}

type htmlWriter struct{ b strings.Builder }

func (w *htmlWriter) element(name, text string) {
	w.b.WriteString("<" + name + ">" + html.EscapeString(text) + "</" + name + ">\n")
}

func (w *htmlWriter) blocks(bs []block) {
	for i := range bs {
		w.block(&bs[i])
	}
}

func (w *htmlWriter) block(x *block) {
	switch x.kind {
	case blockHeading:
		tag := "h" + strconv.Itoa(x.level)
		w.b.WriteString("<" + tag + ">")
		w.spans(x.text)
		w.b.WriteString("</" + tag + ">\n")
	case blockParagraph:
		w.b.WriteString("<p>")
		w.spans(x.text)
		w.b.WriteString("</p>\n")
	case blockList:
		w.list(x.items)
	case blockNumbers:
		w.b.WriteString("<ol>\n")
		for i, it := range x.items {
			w.b.WriteString("<li id=\"source-" + strconv.Itoa(i+1) + "\">")
			w.inside(it)
		}
		w.b.WriteString("</ol>\n")
	case blockTable:
		w.table(x.table)
	}
}

func (w *htmlWriter) list(items []item) {
	w.b.WriteString("<ul>\n")
	for _, it := range items {
		w.b.WriteString("<li>")
		w.inside(it)
	}
	w.b.WriteString("</ul>\n")
}

func (w *htmlWriter) inside(it item) {
	w.spans(it.text)
	if len(it.sub) > 0 {
		w.b.WriteByte('\n')
		w.list(it.sub)
	}
	w.b.WriteString("</li>\n")
}

func (w *htmlWriter) table(t *docTable) {
	w.b.WriteString("<table>\n<thead><tr>")
	for _, h := range t.head {
		w.b.WriteString(`<th scope="col">` + html.EscapeString(h) + "</th>")
	}
	w.b.WriteString("</tr></thead>\n<tbody>\n")
	for _, r := range t.rows {
		w.b.WriteString("<tr>")
		for i, c := range r {
			open, end := "<td>", "</td>"
			if i < t.heads {
				open, end = `<th scope="row">`, "</th>"
			}
			w.b.WriteString(open)
			w.spans(c)
			w.b.WriteString(end)
		}
		w.b.WriteString("</tr>\n")
	}
	w.b.WriteString("</tbody>\n</table>\n")
}

func (w *htmlWriter) spans(ss spans) {
	for _, s := range ss {
		text := html.EscapeString(s.text)
		switch {
		case s.kind == spanStrong:
			text = "<strong>" + text + "</strong>"
		case s.kind == spanSource:
			text = `<a class="source" href="#source-` + html.EscapeString(s.to) + `">` + text + "</a>"
		case s.kind == spanLink && (strings.HasPrefix(s.to, "https://") || strings.HasPrefix(s.to, "http://")):
			text = `<a href="` + html.EscapeString(s.to) + `" rel="noreferrer">` + text + "</a>"
		}
		w.b.WriteString(text)
	}
}
