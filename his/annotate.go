package his

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A Line is one line of a message as people read it.
type Line struct {
	Depth int
	Name  string // of the field, "" within a list
	Title string // of the field or node, in Chinese; "" if the interface has no such field
	Text  string // the value as it stands in JSON, or a bracket
	Label string // what a code means, in Chinese
	After string // "," where one follows
}

// replyTitles are those of the envelope of a reply.
var replyTitles = map[string]string{
	"infcode": "交易状态码", "inf_refmsgid": "接收方报文ID", "refmsg_time": "接收报文时间", "respond_time": "响应报文时间",
	"err_msg": "错误信息", "warn_msg": "警告信息", "output": "交易输出",
}

// Annotate writes a message of the transaction, or a reply to it, line by line
// with the titles of its fields. A body that is no JSON, or not all of it, is
// written as far as it is; rest is what is left from there.
func (s *Spec) Annotate(number string, body []byte, reply bool) (lines []Line, rest string) {
	body = bytes.TrimPrefix(body, byteOrderMark)
	t := s.Transaction(number)
	if t == nil {
		t = &Transaction{}
	}
	root := &meaning{fields: s.Envelope, below: map[string][]*Node{"input": t.Input}}
	if reply {
		root = &meaning{titles: replyTitles, below: map[string][]*Node{"output": t.Output}}
	}
	a := annotator{dec: jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	err := a.value(Line{}, root)
	rest = strings.TrimSpace(strings.ToValidUTF8(string(body[a.dec.InputOffset():]), "\uFFFD"))
	if n := len(a.lines); err != nil && n > 0 && a.lines[n-1].After != "" {
		rest = strings.TrimPrefix(rest, a.lines[n-1].After) // it was written already
	}
	return a.lines, rest
}

// A meaning is what the interface says of the names in an object.
type meaning struct {
	fields *Node             // whose fields they are
	nodes  []*Node           // or among which nodes
	titles map[string]string // or just their titles
	below  map[string][]*Node
}

// of is the title of a name, its field if it is one, and what is below it.
func (m *meaning) of(name string) (title string, f *Field, below *meaning) {
	if m == nil {
		return "", nil, nil
	}
	if nodes, ok := m.below[name]; ok {
		below = &meaning{nodes: nodes}
	}
	for _, n := range m.nodes {
		switch n.Name {
		case name:
			return n.Title, nil, &meaning{fields: n, nodes: m.nodes}
		case "": // its fields stand here themselves
			if i, ok := n.byName[name]; ok {
				return n.Fields[i].Title, n.Fields[i], below
			}
		}
	}
	if m.fields != nil {
		if i, ok := m.fields.byName[name]; ok {
			f = m.fields.Fields[i]
			if f.rows != nil {
				below = &meaning{fields: f.rows, nodes: m.nodes}
			}
			return f.Title, f, below
		}
	}
	return m.titles[name], nil, below
}

type annotator struct {
	dec   *jsontext.Decoder
	lines []Line
}

func (a *annotator) put(l Line, text string) { l.Text = text; a.lines = append(a.lines, l) }

// value writes the next value: l says where it stands and what it is called.
func (a *annotator) value(l Line, m *meaning) error {
	tok, err := a.dec.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case '{', '[':
	default:
		a.put(l, tokenText(tok))
		return nil
	}
	object := tok.Kind() == '{'
	a.put(l, tok.String())
	opened := len(a.lines)
	for {
		switch a.dec.PeekKind() {
		case '}', ']':
			end, err := a.dec.ReadToken()
			if err != nil {
				return err
			}
			if len(a.lines) == opened { // nothing in it
				a.lines[opened-1].Text += end.String()
				return nil
			}
			a.put(Line{Depth: l.Depth}, end.String())
			return nil
		}
		if len(a.lines) > opened {
			a.lines[len(a.lines)-1].After = ","
		}
		inner, below := Line{Depth: l.Depth + 1}, m
		var f *Field
		if object {
			name, err := a.dec.ReadToken()
			if err != nil {
				return err
			}
			inner.Name = name.String()
			inner.Title, f, below = m.of(inner.Name)
		}
		at := len(a.lines)
		err := a.value(inner, below)
		if f != nil && f.Dictionary != nil && len(a.lines) == at+1 {
			a.lines[at].Label = f.Dictionary.labels[strings.Trim(a.lines[at].Text, `"`)]
		}
		if err != nil {
			return err
		}
	}
}

// tokenText is a scalar as JSON writes it, but with its characters as they are
// read.
func tokenText(tok jsontext.Token) string {
	if tok.Kind() == '"' {
		b, _ := jsontext.AppendQuote(nil, tok.String()) // the decoder made it valid
		return string(b)
	}
	return tok.String()
}
