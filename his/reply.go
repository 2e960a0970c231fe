package his

import (
	"errors"
	"fmt"
	"time"

	"github.com/anji-platform/anji/exchange"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/money"
)

// A refusal is an answer to the sender that something cannot be done, in
// Chinese: it becomes err_msg. Any other error is a fault of ours.
type refusal struct {
	text   string
	faults []FieldFault // if it is about wrong fields
}

func (r *refusal) Error() string { return r.text }

func refuse(format string, args ...any) error {
	return &refusal{text: fmt.Sprintf(format, args...)}
}

// An answer is the output of a transaction being filled: rows of its nodes,
// by the table.
type answer struct {
	t    *Transaction
	rows map[string][]*line
	// file, in a transaction that only reads, is answered in place of the
	// envelope: its bytes are the whole answer.
	file *exchange.File
}

// A line is one row of an output node.
type line struct {
	node  *Node
	texts []string
}

func (a *answer) add(node string) *line {
	n := find(a.t.Output, node)
	if n == nil {
		panic("his: " + a.t.Number + " has no output node " + node)
	}
	if a.rows == nil {
		a.rows = map[string][]*line{}
	}
	l := &line{n, make([]string, len(n.Fields))}
	a.rows[node] = append(a.rows[node], l)
	return l
}

// text is what the field holds, "" if the node does not have it.
func (l *line) text(name string) string {
	if i, ok := l.node.byName[name]; ok {
		return l.texts[i]
	}
	return ""
}

// set gives the field its text: a number in plain form, a date as
// 2006-01-02, a time as 2006-01-02 15:04:05. A name that the node does not
// have is a slip of the program.
func (l *line) set(name, text string) {
	i, ok := l.node.byName[name]
	if !ok {
		panic("his: node " + l.node.Name + " has no field " + name)
	}
	l.put(i, text)
}

// offer is set for a field that not every node has.
func (l *line) offer(name, text string) {
	if i, ok := l.node.byName[name]; ok {
		l.put(i, text)
	}
}

func (l *line) put(i int, text string) {
	if text != "" {
		use(l.node, l.node.Fields[i].Name)
	}
	l.texts[i] = text
}

func (l *line) money(name string, a money.Fen) { l.set(name, a.String()) }

// hold gives a field of rows its rows, which are lines of the node of its name.
func (l *line) hold(name string, rows []*line) {
	b := []byte{'['}
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = r.append(b)
	}
	l.set(name, string(append(b, ']')))
}

// append writes the output. A field that was not set is 0 if it is a number
// and "" otherwise, as the interface asks.
func (a *answer) append(b []byte) []byte {
	b = append(b, '{')
	first := true
	for _, n := range a.t.Output {
		rows := a.rows[n.Name]
		if n.Nested || len(rows) == 0 && !n.Many {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if n.Name == "" {
			b = rows[0].appendFields(b)
			continue
		}
		b = appendString(b, n.Name)
		b = append(b, ':')
		if !n.Many {
			b = rows[0].append(b)
			continue
		}
		b = append(b, '[')
		for i, l := range rows {
			if i > 0 {
				b = append(b, ',')
			}
			b = l.append(b)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func (l *line) append(b []byte) []byte {
	return append(l.appendFields(append(b, '{')), '}')
}

func (l *line) appendFields(b []byte) []byte {
	for i, f := range l.node.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, f.Name)
		b = append(b, ':')
		switch text := l.texts[i]; {
		case f.Type == Number && text == "":
			b = append(b, '0')
		case f.Type == Number:
			b = appendNumber(b, text)
		case text != "" && (f.Type == Object || f.Type == Rows):
			b = append(b, text...)
		default:
			b = appendString(b, text)
		}
	}
	return b
}

// appendNumber writes a number as JSON does: serial numbers lose the zeros that
// a client wrote before them.
func appendNumber(b []byte, s string) []byte {
	if s[0] == '-' {
		b, s = append(b, '-'), s[1:]
	}
	for len(s) > 1 && s[0] == '0' && s[1] != '.' {
		s = s[1:]
	}
	return append(b, s...)
}

// stamp is what a reply says about itself.
type stamp struct {
	region   ident.Region // of the care region, "" if not known
	received time.Time
	replied  time.Time
	serial   uint64

	// For an Observer: what came of the message.
	faults   []FieldFault
	warnings []string
	repeated bool // the reply is a remembered one
}

const (
	stampLayout = "20060102150405"
	clockLayout = "2006-01-02 15:04:05"
)

// zone is the one time of the country; the interface names no other.
var zone = time.FixedZone("CST", 8*60*60)

func (s *stamp) id() string {
	region := s.region
	if region == "" {
		region = "000000"
	}
	return string(region) + s.replied.In(zone).Format(stampLayout) + fmt.Sprintf("%010d", s.serial%1e10)
}

func millis(t time.Time) string {
	t = t.In(zone)
	return t.Format(stampLayout) + fmt.Sprintf("%03d", t.Nanosecond()/int(time.Millisecond))
}

// success writes the reply to a transaction that was done.
func (s *stamp) success(warnings []string, a *answer) []byte {
	s.warnings = warnings
	texts := make([]string, len(warnings))
	for i, w := range warnings {
		if i > 0 {
			w = "；" + w
		}
		texts[i] = w
	}
	b := s.head(0, "", fit("", texts, maxMessage))
	b = a.append(b)
	return append(b, '}')
}

// failure writes the reply to a transaction that was not.
func (s *stamp) failure(err error) []byte {
	var r *refusal
	if errors.As(err, &r) {
		s.faults = r.faults
	}
	return append(s.head(-1, clip(err.Error(), maxMessage-1), ""), "null}"...)
}

// head writes the envelope up to the output's value.
func (s *stamp) head(code int, errMsg, warnMsg string) []byte {
	b := make([]byte, 0, 2048)
	b = fmt.Appendf(b, `{"infcode":%d,"inf_refmsgid":"%s","refmsg_time":"%s","respond_time":"%s","err_msg":`,
		code, s.id(), millis(s.received), millis(s.replied))
	b = appendString(b, errMsg)
	b = append(b, `,"warn_msg":`...)
	b = appendString(b, warnMsg)
	return append(b, `,"output":`...)
}
