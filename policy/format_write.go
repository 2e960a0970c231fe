package policy

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// maxFlow is how wide, in columns, a line with a value in flow style may be;
// foldAt is where the lines of a folded text (>-) end. A Chinese character
// takes two columns.
const (
	maxFlow = 160
	foldAt  = 100
)

// formatter writes the nodes of a file in canonical form.
type formatter struct {
	out   bytes.Buffer
	blank []bool // by line of the file read: a blank line is before it
}

func (f *formatter) file(doc *yaml.Node, s *shape) {
	if doc.HeadComment != "" {
		f.comment(doc.HeadComment, 0)
		f.out.WriteByte('\n')
	}
	root := doc.Content[0]
	f.comment(root.HeadComment, 0)
	if root.Kind == yaml.SequenceNode {
		f.sequence(root, s, 0)
	} else {
		f.mapping(root, s, 0, false)
	}
	f.comment(root.FootComment, 0)
	if doc.FootComment != "" {
		f.out.WriteByte('\n')
		f.comment(doc.FootComment, 0)
	}
}

func (f *formatter) indent(n int) {
	for range n {
		f.out.WriteByte(' ')
	}
}

// comment writes a comment above or below something.
func (f *formatter) comment(text string, indent int) {
	if text == "" {
		return
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			f.indent(indent)
			f.out.WriteString(line)
		}
		f.out.WriteByte('\n')
	}
}

// lineComment ends a line, with the comments that stand behind it.
func (f *formatter) lineComment(texts ...string) {
	for _, t := range texts {
		if t != "" {
			f.out.WriteString(" " + strings.ReplaceAll(t, "\n", " "))
		}
	}
	f.out.WriteByte('\n')
}

func (f *formatter) blankAt(n *yaml.Node) bool { return n.Line < len(f.blank) && f.blank[n.Line] }

// mapping writes a mapping in block style. inItem: the first key stands behind
// the dash of a list.
func (f *formatter) mapping(n *yaml.Node, s *shape, indent int, inItem bool) {
	wasBlock := false
	for at, i := range order(n, s.asObject()) {
		k, v := n.Content[2*i], n.Content[2*i+1]
		below := s.below(k.Value)
		block := f.isBlock(v, indent+width(f.scalar(k, inKey))+2)
		if at > 0 && (f.blankAt(k) || indent == 0 && !inItem && s == packageShape && (block || wasBlock)) {
			f.out.WriteByte('\n')
		}
		wasBlock = block
		head := k.HeadComment
		if !block && v.HeadComment != "" {
			head = strings.TrimLeft(head+"\n"+v.HeadComment, "\n")
		}
		if head != "" && inItem && at == 0 {
			// Over the first key of an item a comment would stand between dash and key.
			f.out.Truncate(f.out.Len() - 2)
			f.out.WriteString("-\n")
			f.comment(head, indent)
			f.indent(indent)
		} else {
			f.comment(head, indent)
			if !inItem || at > 0 {
				f.indent(indent)
			}
		}
		f.out.WriteString(f.scalar(k, inKey))
		f.out.WriteByte(':')
		f.value(k, v, below, indent, block)
		f.comment(v.FootComment, indent)
		f.comment(k.FootComment, indent)
	}
}

// value writes what stands behind a key, and ends the line.
func (f *formatter) value(k, v *yaml.Node, s *shape, indent int, block bool) {
	switch {
	case block:
		f.lineComment(k.LineComment, v.LineComment)
		f.comment(v.HeadComment, indent+2)
		if v.Kind == yaml.SequenceNode {
			f.sequence(v, s, indent+2)
		} else {
			f.mapping(v, s, indent+2, false)
		}
	case v.Kind == yaml.ScalarNode && v.Style&(yaml.FoldedStyle|yaml.LiteralStyle) != 0 && f.textBlock(v, indent+2, k.LineComment):
	case v.Kind == yaml.ScalarNode && v.Value == "" && v.ShortTag() == "!!null":
		f.lineComment(k.LineComment, v.LineComment)
	default:
		f.out.WriteByte(' ')
		f.out.WriteString(f.flow(v, s))
		f.lineComment(k.LineComment, v.LineComment)
	}
}

func (f *formatter) sequence(n *yaml.Node, s *shape, indent int) {
	for i, c := range n.Content {
		first := c
		if c.Kind == yaml.MappingNode && len(c.Content) > 0 {
			first = c.Content[0]
		}
		if i > 0 && (f.blankAt(c) || f.blankAt(first)) {
			f.out.WriteByte('\n')
		}
		f.comment(c.HeadComment, indent)
		f.indent(indent)
		switch {
		case !f.isBlock(c, indent+2):
			if c.Kind == yaml.ScalarNode && c.Style&(yaml.FoldedStyle|yaml.LiteralStyle) != 0 {
				f.out.WriteByte('-')
				if f.textBlock(c, indent+2, "") {
					break
				}
				f.out.WriteByte(' ')
			} else {
				f.out.WriteString("- ")
			}
			f.out.WriteString(f.flow(c, s.element()))
			f.lineComment(c.LineComment)
		case c.Kind == yaml.SequenceNode:
			f.out.WriteByte('-')
			f.lineComment(c.LineComment)
			f.sequence(c, s.element().element(), indent+2)
		default:
			f.out.WriteString("- ")
			f.mapping(c, s.element(), indent+2, true)
		}
		f.comment(c.FootComment, indent)
	}
}

// isBlock reports whether the node is written over several lines, given the
// column at which it would begin.
func (f *formatter) isBlock(n *yaml.Node, column int) bool {
	if n.Kind == yaml.ScalarNode || len(n.Content) == 0 {
		return false
	}
	return n.Style&yaml.FlowStyle == 0 || commentInside(n) || column+width(f.flow(n, nil)) > maxFlow
}

func commentInside(n *yaml.Node) bool {
	for _, c := range n.Content {
		if c.HeadComment != "" || c.LineComment != "" || c.FootComment != "" || commentInside(c) {
			return true
		}
	}
	return false
}

// flow writes a node in one line.
func (f *formatter) flow(n *yaml.Node, s *shape) string { return f.flowIn(n, s, inBlock) }

func (f *formatter) flowIn(n *yaml.Node, s *shape, where position) string {
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for _, i := range order(n, s.asObject()) {
			k := n.Content[2*i]
			parts = append(parts, f.scalar(k, inFlow)+": "+f.flowIn(n.Content[2*i+1], s.below(k.Value), inFlow))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for _, c := range n.Content {
			parts = append(parts, f.flowIn(c, s.element(), inFlow))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return f.scalar(n, where)
}

// position is where a scalar stands; what may stand there unquoted differs.
type position uint8

const (
	inBlock position = iota
	inKey
	inFlow
)

// likeOther are texts that another reader of YAML could take for a number, a
// truth value or nothing: they keep the quotes they have.
var likeOther = regexp.MustCompile(`(?i)^([-+.0-9][-+.:_0-9a-fox]*|y|yes|n|no|on|off|true|false|null|~|=|<<)$`)

// scalar writes a scalar: plain where every reader takes it for what it is.
func (f *formatter) scalar(n *yaml.Node, where position) string {
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
	if !(quoted && likeOther.MatchString(n.Value)) && plainReads(n, where) {
		return n.Value
	}
	if strings.ContainsFunc(n.Value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return escaped(n.Value)
	}
	if strings.ContainsAny(n.Value, `"\`) {
		return "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
	}
	return `"` + n.Value + `"`
}

// plainReads reports whether the value, written without quotes, reads as what
// it is.
func plainReads(n *yaml.Node, where position) bool {
	v := n.Value
	if v == "" || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return false
	}
	text := map[position]string{inBlock: "k: " + v, inKey: v + ": v", inFlow: "[" + v + ", {" + v + ": " + v + "}]"}[where]
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text+"\n"), &doc); err != nil || len(doc.Content) != 1 {
		return false
	}
	same := func(m *yaml.Node) bool {
		return m.Kind == yaml.ScalarNode && m.Style == 0 && m.Value == v && m.ShortTag() == n.ShortTag() && m.LineComment+m.HeadComment+m.FootComment == ""
	}
	c := doc.Content[0].Content
	switch where {
	case inBlock:
		return len(c) == 2 && same(c[1])
	case inKey:
		return len(c) == 2 && same(c[0])
	}
	return len(c) == 2 && same(c[0]) && c[1].Kind == yaml.MappingNode && len(c[1].Content) == 2 && same(c[1].Content[0]) && same(c[1].Content[1])
}

// escaped writes a text in double quotes with escapes.
func escaped(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(`\U`)
			for shift := 28; shift >= 0; shift -= 4 {
				b.WriteByte(hex[r>>shift&15])
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

// textBlock writes a text as a block (>- or |), and reports whether it can.
func (f *formatter) textBlock(n *yaml.Node, indent int, comment string) bool {
	v := n.Value
	body := strings.TrimSuffix(v, "\n")
	if body == "" || strings.HasSuffix(body, "\n") || strings.HasPrefix(body, "\n") || strings.HasPrefix(body, " ") ||
		strings.ContainsFunc(v, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		return false
	}
	chomp := "-"
	if body != v {
		chomp = ""
	}
	lines := strings.Split(body, "\n")
	mark := "|"
	if n.Style&yaml.FoldedStyle != 0 && len(lines) == 1 && strings.Join(strings.Fields(body), " ") == body {
		mark, lines = ">", folded(body, foldAt-indent)
	}
	f.out.WriteString(" " + mark + chomp)
	f.lineComment(comment, n.LineComment)
	for _, line := range lines {
		if line != "" {
			f.indent(indent)
			f.out.WriteString(line)
		}
		f.out.WriteByte('\n')
	}
	return true
}

// folded breaks a text at its spaces into lines of at most columns, as far as
// it has spaces.
func folded(s string, columns int) []string {
	var lines []string
	line := ""
	for word := range strings.SplitSeq(s, " ") {
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) > columns:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// width is how many columns a text takes.
func width(s string) int {
	n := 0
	for _, r := range s {
		if n++; r >= 0x1100 && (r <= 0x115F || r >= 0x2E80 && r <= 0xA4CF || r >= 0xAC00 && r <= 0xD7A3 || r >= 0xF900 && r <= 0xFAFF || r >= 0xFE30 && r <= 0xFE6F || r >= 0xFF00 && r <= 0xFF60 || r >= 0xFFE0 && r <= 0xFFE6 || r >= 0x20000) {
			n++
		}
	}
	return n
}
