package his

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a message. The interface names 40 000 characters for input; large
// bills are longer, so the bound is what a machine can take, not that.
const (
	maxBody   = 4 << 20
	maxDepth  = 32
	maxValues = 250_000
)

// A value is one JSON value, kept as text: which of text and number a client
// chose for a scalar does not matter to the interface.
type value struct {
	kind    jsontext.Kind // '"', '0', 't', 'f', 'n', '{' or '['
	text    string        // of a scalar
	members []member      // of an object, in order
	items   []value       // of an array
}

type member struct {
	name string
	value
}

// get returns the member of the name, or nil.
func (v *value) get(name string) *value {
	for i := range v.members {
		if v.members[i].name == name {
			return &v.members[i].value
		}
	}
	return nil
}

// getFold is get without regard to case.
func (v *value) getFold(name string) *value {
	if m := v.get(name); m != nil {
		return m
	}
	for i := range v.members {
		if strings.EqualFold(v.members[i].name, name) {
			return &v.members[i].value
		}
	}
	return nil
}

// twice reports whether several members have the name, but for its case.
func (v *value) twice(name string) bool {
	n := 0
	for i := range v.members {
		if strings.EqualFold(v.members[i].name, name) {
			n++
		}
	}
	return n > 1
}

// empty reports whether the value stands for nothing: clients also write the
// words null and NULL.
func (v *value) empty() bool {
	return v == nil || v.kind == 'n' || v.kind == '"' && isEmpty(v.text)
}

func isEmpty(s string) bool {
	s = strings.TrimSpace(s)
	return s == "" || s == "null" || s == "NULL"
}

// parseJSON reads one JSON object. It refuses what readers of JSON disagree
// on (repeated names, invalid UTF-8, trailing data), so that what was checked
// is what was meant. The errors are for the sender, in Chinese.
func parseJSON(body []byte) (*value, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errors.New("报文为空，应为 JSON 对象")
	}
	if !utf8.Valid(body) {
		return nil, errors.New("报文不是 UTF-8 编码（可能是 GBK），请改用 UTF-8")
	}
	p := newParser(body)
	v, err := p.value(1)
	if err != nil {
		return nil, err
	}
	end := p.dec.InputOffset()
	if _, err := p.dec.ReadToken(); err != io.EOF {
		return nil, fmt.Errorf("报文第 %d 字节之后还有多余内容，应只有一个 JSON 对象", end)
	}
	if v.kind != '{' {
		return nil, errors.New("报文应为 JSON 对象，以 { 开头")
	}
	return &v, nil
}

type parser struct {
	dec    *jsontext.Decoder
	body   []byte
	values int
	most   int // of values
}

func newParser(body []byte) *parser {
	return &parser{dec: jsontext.NewDecoder(bytes.NewReader(body)), body: body, most: maxValues}
}

func (p *parser) value(depth int) (value, error) {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return value{}, p.explain(err)
	}
	return p.after(tok, depth)
}

// after reads the rest of the value that tok begins.
func (p *parser) after(tok jsontext.Token, depth int) (value, error) {
	if p.values++; p.values > p.most {
		return value{}, fmt.Errorf("报文的数据项超过 %d 个，请分批上传", p.most)
	}
	v := value{kind: tok.Kind()}
	switch v.kind {
	case '"', '0':
		v.text = tok.String()
		return v, nil
	case 't':
		v.text = "true"
		return v, nil
	case 'f':
		v.text = "false"
		return v, nil
	case 'n':
		return v, nil
	}
	if depth > maxDepth {
		return value{}, fmt.Errorf("报文嵌套超过 %d 层", maxDepth)
	}
	for {
		tok, err := p.dec.ReadToken()
		if err != nil {
			return value{}, p.explain(err)
		}
		if k := tok.Kind(); k == '}' || k == ']' {
			return v, nil
		}
		if v.kind == '{' {
			name := tok.String()
			m, err := p.value(depth + 1)
			if err != nil {
				return value{}, err
			}
			v.members = append(v.members, member{name, m})
			continue
		}
		item, err := p.after(tok, depth+1)
		if err != nil {
			return value{}, err
		}
		v.items = append(v.items, item)
	}
}

func (p *parser) explain(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		var s *jsontext.SyntacticError
		if errors.As(err, &s) {
			return fmt.Errorf("字段 %s 在同一对象中重复出现", clip(s.JSONPointer.LastToken(), 30))
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("报文不完整，JSON 没有结束")
	}
	at := p.dec.InputOffset()
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		at = s.ByteOffset
	}
	line := bytes.Count(p.body[:min(int(at), len(p.body))], []byte("\n")) + 1
	return fmt.Errorf("报文不是合法的 JSON：第 %d 行，第 %d 字节处", line, at+1)
}

// appendCanonical writes v so that equal requests give equal bytes: names
// sorted, no spaces, scalars as text, empty values left out.
func appendCanonical(b []byte, v *value) []byte {
	switch v.kind {
	case '{':
		b = append(b, '{')
		ms := slices.Clone(v.members)
		slices.SortFunc(ms, func(a, c member) int { return strings.Compare(a.name, c.name) })
		for i := range ms {
			if ms[i].empty() {
				continue
			}
			b = appendString(b, ms[i].name)
			b = append(b, ':')
			b = appendCanonical(b, &ms[i].value)
			b = append(b, ',')
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i := range v.items {
			b = appendCanonical(b, &v.items[i])
			b = append(b, ',')
		}
		return append(b, ']')
	}
	if v.empty() {
		return append(b, `""`...)
	}
	return appendString(b, v.text)
}

// appendString appends s as a JSON string. s is valid UTF-8, or its bad bytes
// become U+FFFD.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\uFFFD"))
	return b
}

// clip cuts s to n runes, for quoting it in a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	i := 0
	for j := range s {
		if i == n {
			return s[:j] + "…"
		}
		i++
	}
	return s
}

// appendJSON writes v as compact JSON.
func appendJSON(b []byte, v *value) []byte {
	switch v.kind {
	case '{':
		b = append(b, '{')
		for i := range v.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, v.members[i].name)
			b = append(b, ':')
			b = appendJSON(b, &v.members[i].value)
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, &v.items[i])
		}
		return append(b, ']')
	case '"':
		return appendString(b, v.text)
	case 'n':
		return append(b, "null"...)
	}
	return append(b, v.text...)
}
