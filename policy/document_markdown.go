package policy

import (
	"strconv"
	"strings"
	"unicode"
)

// Markdown is the package as a document for people to read (可读文本).
func (p *Package) Markdown() string { return markdown(p.document()) }

func markdown(d *document) string {
	var w markdownWriter
	w.line("# " + markdownText(d.title))
	w.line("")
	for _, f := range d.facts {
		w.line("- " + markdownText(f[0]) + "：" + markdownText(f[1]))
	}
	for i := range d.blocks {
		w.line("")
		w.block(&d.blocks[i])
	}
	return w.b.String()
}

type markdownWriter struct{ b strings.Builder }

func (w *markdownWriter) line(s string) {
	w.b.WriteString(strings.TrimRight(s, " "))
	w.b.WriteByte('\n')
}

func (w *markdownWriter) block(x *block) {
	switch x.kind {
	case blockHeading:
		w.line(strings.Repeat("#", x.level) + " " + markdownSpans(x.text))
	case blockParagraph:
		w.line(atStart(markdownSpans(x.text)))
	case blockList, blockNumbers:
		for i, it := range x.items {
			mark := "- "
			if x.kind == blockNumbers {
				mark = strconv.Itoa(i+1) + ". "
			}
			w.item(it, "", mark)
		}
	case blockTable:
		w.table(x.table)
	}
}

func (w *markdownWriter) item(it item, indent, mark string) {
	w.line(indent + mark + atStart(markdownSpans(it.text)))
	for _, s := range it.sub {
		w.item(s, indent+strings.Repeat(" ", len(mark)), "- ")
	}
}

func (w *markdownWriter) table(t *docTable) {
	var row []string
	for _, h := range t.head {
		row = append(row, markdownText(h))
	}
	w.line("| " + strings.Join(row, " | ") + " |")
	w.line("|" + strings.Repeat(" --- |", len(t.head)))
	for _, r := range t.rows {
		row = row[:0]
		for i, c := range r {
			s := markdownSpans(c)
			if i < t.heads && s != "" {
				s = "**" + s + "**"
			}
			row = append(row, s)
		}
		w.line("| " + strings.Join(row, " | ") + " |")
	}
}

func markdownSpans(ss spans) string {
	var b strings.Builder
	for _, s := range ss {
		switch s.kind {
		case spanStrong:
			b.WriteString("**" + markdownText(s.text) + "**")
		case spanLink:
			b.WriteString("<" + markdownAddress(s.text) + ">")
		case spanSource: // brackets mean nothing to Markdown unless a link is defined
			b.WriteString("[" + markdownText(s.text[1:len(s.text)-1]) + "]")
		default:
			b.WriteString(markdownText(s.text))
		}
	}
	return b.String()
}

// markdownText escapes what Markdown would read as a mark.
func markdownText(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_[]<>|~&", r) {
			b.WriteByte('\\')
		}
		if unicode.IsControl(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// atStart escapes a mark that means something only where a line begins.
func atStart(s string) string {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	switch rest := s[digits:]; {
	case digits > 0 && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, ")")):
		return s[:digits] + "\\" + rest
	case digits == 0 && (strings.HasPrefix(s, "#") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, "=")):
		return "\\" + s
	}
	return s
}

func markdownAddress(s string) string {
	return strings.NewReplacer(" ", "%20", "<", "%3C", ">", "%3E", "\n", "").Replace(s)
}
