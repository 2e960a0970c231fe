package his

import (
	"fmt"
	"strings"
	"time"
)

// ExampleDay is the day of the example messages, and ExampleProvider the
// institution that sends them.
const (
	ExampleDay      = "2025-06-20"
	ExampleProvider = "H99010000201"
)

// exampleTime is the moment of the example messages.
var exampleTime = time.Date(2025, 6, 20, 10, 0, 0, 0, zone)

// addSample keeps a value of samples.tsv: of a field, in the transactions
// listed ("*" in all that have no other, "envelope" around them), in messages
// of the side ("*" both).
func (s *Spec) addSample(c []string) error {
	for _, number := range strings.Fields(c[0]) {
		if number != "*" && number != "envelope" && s.transactions[number] == nil {
			return fmt.Errorf("no transaction %s", number)
		}
		if c[1] != "in" && c[1] != "out" && c[1] != "*" {
			return fmt.Errorf("side %q: want in, out or *", c[1])
		}
		key := number + " " + c[1] + " " + c[2]
		if _, twice := s.samples[key]; twice {
			return fmt.Errorf("%s stands twice", key)
		}
		s.samples[key] = c[3]
	}
	return nil
}

// sample is the example value that samples.tsv states for a field, and whether
// it states it for this very transaction.
func (s *Spec) sample(number, side, field string) (value string, own, ok bool) {
	for _, n := range []string{number, "*"} {
		for _, d := range []string{side, "*"} {
			if v, ok := s.samples[n+" "+d+" "+field]; ok {
				return v, n == number, true
			}
		}
	}
	return "", false, false
}

// value is an example value of a field that samples.tsv does not know: its
// dictionary's first code, the day of the examples, its title.
func (f *Field) value() string {
	switch {
	case f.Dictionary != nil:
		return f.Dictionary.Codes[0].Code
	case f.Type == Number:
		return "1"
	case f.Type == Date:
		return ExampleDay
	case f.Type == DateTime:
		return exampleTime.Format(clockLayout)
	case f.Type == Object:
		return "{}"
	case f.Length == 0 || f.Length >= 50:
		return f.Title
	}
	return "1"
}

// ExampleRequest is a message that asks for the transaction, as JSON: the
// envelope, every required field and those samples.tsv adds. What an earlier
// reply gave stands in braces, such as {psn_no}.
func (s *Spec) ExampleRequest(t *Transaction) []byte {
	b := []byte{'{'}
	for _, f := range s.Envelope.Fields {
		value, own, ok := s.sample(t.Number, "in", f.Name)
		if !own {
			value, own, ok = s.sample("envelope", "in", f.Name)
		}
		switch f.Name {
		case "infno":
			value, ok, own = t.Number, true, true
		case "input":
			continue
		}
		if !f.Required && !own {
			continue
		}
		if !ok {
			value = f.value()
		}
		b = append(appendString(b, f.Name), ':')
		b = append(appendString(b, value), ',')
	}
	b = append(b, `"input":{`...)
	first := true
	for i, n := range t.Input {
		if n.Nested || i > 0 && !n.required() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if n.Name == "" {
			b = s.appendFields(b, t.Number, n)
			continue
		}
		b = append(appendString(b, n.Name), ':')
		b = s.appendRows(b, t.Number, n)
	}
	return append(b, "}}"...)
}

func (n *Node) required() bool {
	for _, f := range n.Fields {
		if f.Required {
			return true
		}
	}
	return false
}

// appendRows writes a node with one example row.
func (s *Spec) appendRows(b []byte, number string, n *Node) []byte {
	if n.Many {
		b = append(b, '[')
	}
	b = append(s.appendFields(append(b, '{'), number, n), '}')
	if n.Many {
		b = append(b, ']')
	}
	return b
}

func (s *Spec) appendFields(b []byte, number string, n *Node) []byte {
	first := true
	for _, f := range n.Fields {
		value, own, ok := s.sample(number, "in", f.Name)
		if !f.Required && !own {
			continue
		}
		if !ok {
			value = f.value()
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, f.Name), ':')
		switch {
		case f.Type == Rows:
			b = s.appendRows(b, number, f.rows)
		case f.Type == Number || f.Type == Object:
			b = append(b, value...)
		default:
			b = appendString(b, value)
		}
	}
	return b
}

// ExampleReply is a good reply to the transaction, as JSON: every field of the
// output, with values where this server fills them. It is nil where the answer
// is a file.
func (s *Spec) ExampleReply(t *Transaction) []byte {
	if t.AnswersFile() {
		return nil
	}
	a := &answer{t: t}
	for _, n := range t.Output {
		if n.Nested {
			continue
		}
		s.fill(a.add(n.Name), t.Number)
	}
	st := &stamp{region: "990100", received: exampleTime, replied: exampleTime.Add(8 * time.Millisecond), serial: 1}
	return st.success(nil, a)
}

func (s *Spec) fill(l *line, number string) {
	for i, f := range l.node.Fields {
		value, own, ok := s.sample(number, "out", f.Name)
		switch {
		case !f.Used && !f.Required && !own:
			continue
		case f.Type == Rows:
			inner := &line{f.rows, make([]string, len(f.rows.Fields))}
			s.fill(inner, number)
			value = "[" + string(inner.append(nil)) + "]"
		case !ok:
			value = f.value()
		}
		l.texts[i] = value
	}
}
