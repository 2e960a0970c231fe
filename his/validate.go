package his

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxMessage is the length of err_msg and warn_msg in characters.
const maxMessage = 200

// A record is one row of a node as it was sent and checked. Its texts are in
// the plain form the rest of the package relies on: numbers without exponent,
// dates as 2006-01-02, codes as the dictionary writes them, "" for nothing.
type record struct {
	node  *Node
	row   int // from 1 in a node of many rows, else 0
	texts []string
	state []fieldState
	rows  map[string][]record // by field of type Rows
}

type fieldState uint8

const (
	absent  fieldState = iota
	present            // sent, perhaps empty
	faulty             // sent, and refused
)

// text returns the field's text. A name that the node does not have is a slip
// of the program.
func (r *record) text(name string) string {
	i, ok := r.node.byName[name]
	if !ok {
		panic("his: node " + r.node.Name + " has no field " + name)
	}
	use(r.node, name)
	return r.texts[i]
}

// optional is text for a field that not every transaction has.
func (r *record) optional(name string) string {
	if i, ok := r.node.byName[name]; ok {
		use(r.node, name)
		return r.texts[i]
	}
	return ""
}

// fault is one wrong field of a request.
type fault struct {
	grade gradeOfFault
	text  string
	field bool   // a missing field; text is its name
	place string // of a missing field, its node and row
	about FieldFault
}

type gradeOfFault uint8

// Faults are reported in this order.
const (
	faultMissing gradeOfFault = iota
	faultForm                 // not of the type
	faultCode                 // not in the dictionary
	faultSize                 // too long
)

// A checker turns nodes into records and collects what is wrong with them and
// what it repaired.
type checker struct {
	faults   []fault
	count    int
	warnings []string
	unknown  []string // names that the tables do not have
}

// maxFaults bounds what is kept; the message holds no more anyway.
const maxFaults = 64

func (c *checker) fault(g gradeOfFault, format string, args ...any) {
	if c.count++; len(c.faults) < maxFaults {
		text := fmt.Sprintf(format, args...)
		c.faults = append(c.faults, fault{grade: g, text: text, about: FieldFault{Rule: text}})
	}
}

// wrong is a fault of one field's value.
func (c *checker) wrong(g gradeOfFault, f *Field, r *record, value, want string) {
	if c.count++; len(c.faults) < maxFaults {
		value = clip(printable(value), 24)
		c.faults = append(c.faults, fault{grade: g, text: fmt.Sprintf("%s“%s”：应为%s", f.at(r), value, want),
			about: FieldFault{r.node.Name, f, value, "应为" + want}})
	}
}

func (c *checker) missing(f *Field, r *record) {
	if c.count++; len(c.faults) < maxFaults {
		c.faults = append(c.faults, fault{faultMissing, f.Name + "（" + f.title() + "）", true, r.place(), FieldFault{r.node.Name, f, "", "必填"}})
	}
}

func (c *checker) warn(format string, args ...any) {
	if len(c.warnings) < maxFaults {
		if w := fmt.Sprintf(format, args...); !slices.Contains(c.warnings, w) {
			c.warnings = append(c.warnings, w)
		}
	}
}

// maxUnknown bounds the unknown names that are kept.
const maxUnknown = 16

// ignore notes a name that the tables do not have: provinces add fields of their
// own, and who misspells one should learn of it.
func (c *checker) ignore(place, name string) {
	name = clip(printable(name), 30)
	if place != "" {
		name = place + "." + name
	}
	if len(c.unknown) < maxUnknown && !slices.Contains(c.unknown, name) {
		c.unknown = append(c.unknown, name)
	}
}

// warned are the texts for warn_msg, most important first.
func (c *checker) warned() []string {
	if len(c.unknown) == 0 {
		return c.warnings
	}
	return append(c.warnings, "接口没有的字段未采用："+strings.Join(c.unknown, "、"))
}

// err is the message for err_msg, most important first, or nil.
func (c *checker) err() error {
	if c.count == 0 {
		return nil
	}
	slices.SortStableFunc(c.faults, func(a, b fault) int { return cmp.Compare(a.grade, b.grade) })
	texts := make([]string, len(c.faults))
	for i, f := range c.faults {
		switch {
		case !f.field:
			texts[i] = "；" + f.text
		case i > 0 && c.faults[i-1].field && c.faults[i-1].place == f.place:
			texts[i] = "、" + f.text
		default:
			texts[i] = "；缺少 " + f.place + f.text
		}
	}
	texts[0] = strings.TrimPrefix(texts[0], "；")
	head := ""
	if c.count > 1 {
		head = fmt.Sprintf("共 %d 处不对：", c.count)
	}
	abouts := make([]FieldFault, len(c.faults))
	for i, f := range c.faults {
		abouts[i] = f.about
	}
	return &refusal{fit(head, texts, maxMessage), abouts}
}

// fit joins as many whole texts as have room in n runes after head; of the
// first, if need be, its beginning. Dots say that some are left out.
func fit(head string, texts []string, n int) string {
	left := n - utf8.RuneCountInString(head) - 1 // for the dots
	dots := ""
	for i, t := range texts {
		size := utf8.RuneCountInString(t)
		switch {
		case size <= left:
			head += t
			left -= size
		case i == 0:
			return head + clip(t, left)
		default:
			dots = "…"
		}
	}
	return head + dots
}

// input checks the whole input of a transaction. The result has the rows of
// every node that does not stand inside another.
func (c *checker) input(nodes []*Node, in *value) map[string][]record {
	out := make(map[string][]record, len(nodes))
	for _, m := range in.members {
		if !slices.ContainsFunc(nodes, func(n *Node) bool { return n.Name == "" || !n.Nested && strings.EqualFold(n.Name, m.name) }) {
			c.ignore("input", m.name)
		}
	}
	for i, n := range nodes {
		if n.Nested {
			continue
		}
		v := in
		if n.Name != "" {
			v = in.getFold(n.Name)
			if in.twice(n.Name) {
				c.fault(faultForm, "节点 %s 以不同大小写出现了多次，应只有一次", n.Name)
			}
		}
		if v.empty() {
			// The first node carries what the transaction is about, if it asks
			// for anything; the others may be left out.
			switch {
			case i > 0:
			case slices.ContainsFunc(n.Fields, func(f *Field) bool { return f.Required }):
				c.fault(faultMissing, "缺少节点 input.%s", n.Name)
			default:
				out[n.Name] = []record{c.row(n, &value{kind: '{'}, 0)}
			}
			continue
		}
		out[n.Name] = c.node(n, v)
	}
	return out
}

// maxRows bounds the rows of one node, and so the work of one message.
const maxRows = 5000

// node checks the rows of a node. One object stands for one row and a list of
// one for an object, as clients mix them.
func (c *checker) node(n *Node, v *value) []record {
	switch {
	case v.kind == '{':
		return []record{c.row(n, v, 0)}
	case v.kind != '[':
		c.fault(faultForm, "节点 %s 应为%s", n.Name, formOf(n))
		return nil
	case !n.Many && len(v.items) != 1:
		c.fault(faultForm, "节点 %s 有 %d 行，应为 1 行", n.Name, len(v.items))
		return nil
	case len(v.items) > maxRows:
		c.fault(faultForm, "节点 %s 有 %d 行，一次最多 %d 行，请分批上传", n.Name, len(v.items), maxRows)
		return nil
	}
	rows := make([]record, 0, len(v.items))
	for i := range v.items {
		if v.items[i].kind != '{' {
			c.fault(faultForm, "节点 %s 第 %d 行应为对象", n.Name, i+1)
			continue
		}
		rows = append(rows, c.row(n, &v.items[i], i+1))
	}
	return rows
}

func formOf(n *Node) string {
	if n.Many {
		return "对象的数组"
	}
	return "对象"
}

func (c *checker) row(n *Node, v *value, row int) record {
	r := record{node: n, row: row, texts: make([]string, len(n.Fields)), state: make([]fieldState, len(n.Fields))}
	for i := range v.members {
		m := &v.members[i]
		at, ok := n.field(m.name)
		if !ok {
			c.ignore(n.Name, m.name)
			continue
		}
		f := n.Fields[at]
		if r.state[at] != absent {
			c.fault(faultForm, "%s以不同大小写出现了多次，应只有一次", f.at(&r))
			r.state[at] = faulty
			continue
		}
		if m.name != f.Name {
			c.warn("字段名 %s 按 %s 处理", clip(printable(m.name), 30), f.Name)
		}
		r.state[at] = present
		if m.empty() {
			continue
		}
		ok = true
		switch {
		case f.Type == Rows:
			if r.rows == nil {
				r.rows = map[string][]record{}
			}
			r.rows[f.Name] = c.node(f.rows, &m.value)
		case m.kind == '{' || m.kind == '[':
			if ok = f.Type == Object || f.Type == Bytes || f.Name == "exp_content"; ok {
				r.texts[at] = string(appendJSON(nil, &m.value))
			} else {
				c.fault(faultForm, "%s应为%s，不是对象或数组", f.at(&r), f.form())
			}
		case m.kind == '0' && f.Type == Text && strings.ContainsAny(m.text, "eE"):
			// Such as a citizen ID that was kept as a floating-point number.
			c.fault(faultForm, "%s“%s”：是科学计数法的数字，可能已失去位数，应以文字发送", f.at(&r), clip(m.text, 24))
			ok = false
		default:
			r.texts[at], ok = c.scalar(f, &r, strings.TrimSpace(m.text))
		}
		if !ok {
			r.state[at] = faulty
		}
	}
	for i, f := range n.Fields {
		switch {
		case !f.Required || r.state[i] == faulty || r.texts[i] != "" || len(r.rows[f.Name]) > 0:
		case f.Type == Number && r.state[i] == present:
			// 数值为空传 0: an empty number is a zero not written out.
			r.texts[i] = "0"
			c.warn("%s为空，按 0 处理", f.at(&r))
		default:
			c.missing(f, &r)
		}
	}
	return r
}

// at names the field in its place, e.g. “feedetail 第 3 行 cnt（数量）”.
func (f *Field) at(r *record) string { return r.place() + f.Name + "（" + f.title() + "）" }

// title is the field's name in Chinese, and which column of a file it is.
func (f *Field) title() string {
	if f.Column > 0 {
		return f.Title + "，第 " + strconv.Itoa(f.Column) + " 列"
	}
	return f.Title
}

func (r *record) place() string {
	switch {
	case r.row > 0:
		return r.node.Name + " 第 " + strconv.Itoa(r.row) + " 行 "
	case r.node.Name != "":
		return r.node.Name + "."
	}
	return ""
}

// form says in words what the field holds.
func (f *Field) form() string {
	switch f.Type {
	case Number:
		if f.Length == 0 {
			return "数值"
		}
		if f.Decimals == 0 {
			return fmt.Sprintf("整数，最多 %d 位", f.Length)
		}
		return fmt.Sprintf("数值，整数最多 %d 位、小数最多 %d 位", f.Length-f.Decimals, f.Decimals)
	case Date:
		return "日期 yyyy-MM-dd"
	case DateTime:
		return "时间 yyyy-MM-dd HH:mm:ss"
	case Object, Rows:
		return "对象"
	}
	if f.Length == 0 {
		return "字符"
	}
	return fmt.Sprintf("字符，最多 %d 个", f.Length)
}

// scalar checks one value and returns its plain form, and whether it is right.
func (c *checker) scalar(f *Field, r *record, s string) (string, bool) {
	bad := func(g gradeOfFault, want string) (string, bool) {
		c.wrong(g, f, r, s, want)
		return "", false
	}
	switch f.Type {
	case Number:
		plain, ok := plainNumber(s)
		if !ok {
			return bad(faultForm, f.form())
		}
		whole, decimals := numberSize(plain)
		if f.Length > 0 && (whole > f.Length-f.Decimals || decimals > f.Decimals) {
			return bad(faultSize, f.form())
		}
		s = plain
	case Date, DateTime:
		t, ok := parseWhen(s)
		if !ok {
			return bad(faultForm, f.form())
		}
		plain := t.date
		if f.Type == DateTime {
			plain += " " + t.clock(strings.HasSuffix(f.Name, "endtime"))
		}
		switch {
		case plain == s:
		case f.Type == Date && strings.HasPrefix(s, plain):
			if !strings.HasSuffix(f.Note, timeForm) { // else the time is asked for
				c.warn("%s只取日期", f.at(r))
			}
		default:
			c.warn("%s“%s”按“%s”处理", f.at(r), s, plain)
		}
		s = plain
	case Text, Object:
		if strings.ContainsFunc(s, forbidden) {
			return bad(faultForm, "不含控制字符的文字")
		}
		if f.Dictionary == nil && f.Length > 0 && utf8.RuneCountInString(s) > f.Length {
			return bad(faultSize, f.form())
		}
	}
	if d := f.Dictionary; d != nil {
		if _, ok := d.labels[s]; !ok {
			code := d.padded[strings.TrimLeft(s, "0")]
			if flag, ok := d.flag(s); ok {
				code = flag
			} else if code == "" || len(s) > len(code)+2 {
				return bad(faultCode, d.allowed())
			}
			c.warn("%s“%s”按“%s”处理", f.at(r), s, code)
			s = code
		}
	}
	return s, true
}

// flag is the code for a true or false in a dictionary of yes and no.
func (d *Dictionary) flag(s string) (string, bool) {
	if _, ok := d.labels["0"]; !ok || len(d.Codes) != 2 {
		return "", false
	}
	if _, ok := d.labels["1"]; !ok {
		return "", false
	}
	switch {
	case strings.EqualFold(s, "true"):
		return "1", true
	case strings.EqualFold(s, "false"):
		return "0", true
	}
	return "", false
}

// timeForm ends the note of a field of type Date that is sent with a time.
const timeForm = " HH:mm:ss"

// allowed lists the first codes of the dictionary.
func (d *Dictionary) allowed() string {
	const most = 5
	var b strings.Builder
	b.WriteByte(' ')
	for i, code := range d.Codes {
		if i == most {
			fmt.Fprintf(&b, "…（字典 %s 共 %d 项）", d.Name, len(d.Codes))
			break
		}
		if i > 0 {
			b.WriteString("、")
		}
		b.WriteString(code.Code + " " + code.Label)
	}
	return b.String()
}

// forbidden are the characters that no text of the interface holds; a
// database or a terminal could misread them.
func forbidden(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
