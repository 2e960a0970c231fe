package calc

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/policy"
)

const maxYAMLDepth = 12 // a case is five deep

// DecodeYAML reads one case from YAML. The error is an *Error.
func (d *Decoder) DecodeYAML(data []byte, c *policy.Case) error {
	n, err := parseYAML(data)
	if err != nil {
		return err
	}
	return d.DecodeNode(n, c)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func parseYAML(data []byte) (*yaml.Node, error) {
	switch {
	case len(data) > MaxBytes:
		return nil, &Error{Line: 1, Col: 1, Message: fmt.Sprintf("有 %d 字节，至多 %d", len(data), MaxBytes)}
	case !utf8.Valid(data):
		return nil, &Error{Line: 1, Col: 1, Message: "不是正确的 UTF-8"}
	}
	if line := tooDeep(data); line > 0 {
		return nil, &Error{Line: line, Col: 1, Message: "嵌套太深"}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		s, line := err.Error(), 1
		if m := yamlLine.FindStringSubmatch(s); m != nil {
			line, _ = strconv.Atoi(m[1])
			s = s[len(m[0]):]
		}
		return nil, &Error{Line: max(line, 1), Col: 1, Message: "不是正确的 YAML：" + s}
	}
	if len(doc.Content) != 1 {
		return nil, &Error{Line: 1, Col: 1, Message: "是空的"}
	}
	return doc.Content[0], nil
}

// tooDeep finds a line with more open brackets or deeper indentation than any
// case needs; 0 if there is none.
func tooDeep(data []byte) int {
	flow := 0
	for i, line := range bytes.Split(data, []byte("\n")) {
		if indent := len(line) - len(bytes.TrimLeft(line, " -?\t")); indent > 80 {
			return i + 1
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				flow++
			case ']', '}':
				flow = max(0, flow-1)
			}
		}
		if flow > 40 {
			return i + 1
		}
	}
	return 0
}

// DecodeNode reads one case from a YAML node: the same contract, its scalars
// taken as they are written.
func (d *Decoder) DecodeNode(n *yaml.Node, c *policy.Case) error {
	var w nodeWriter
	if err := w.write(n, 0); err != nil {
		return err
	}
	err := d.Decode(w.out, c)
	var e *Error
	if errors.As(err, &e) {
		// Find the node that the offset in the JSON came from.
		offset := offsetOf(w.out, e.Line, e.Col)
		at := n
		for _, m := range w.marks {
			if m.offset <= offset {
				at = m.node
			}
		}
		return &Error{Line: at.Line, Col: at.Column, Field: e.Field, Message: e.Message}
	}
	return err
}

func offsetOf(data []byte, line, col int) int {
	runes := 0
	for i := range string(data) {
		if runes == col-1 { // what nodeWriter writes is one line
			return i
		}
		runes++
	}
	return len(data) * min(line, 1)
}

type mark struct {
	offset int
	node   *yaml.Node
}

// nodeWriter writes a YAML node as JSON and remembers where each node went.
type nodeWriter struct {
	out   []byte
	marks []mark
}

func (w *nodeWriter) write(n *yaml.Node, depth int) error {
	at := func(m string) error { return &Error{Line: n.Line, Col: n.Column, Message: m} }
	if depth > maxYAMLDepth {
		return at("嵌套太深")
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return at("不用锚点和别名")
	}
	w.marks = append(w.marks, mark{len(w.out), n})
	switch n.Kind {
	case yaml.MappingNode:
		w.out = append(w.out, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			k := n.Content[i]
			if k.Kind != yaml.ScalarNode {
				return at("键应为文本")
			}
			w.marks = append(w.marks, mark{len(w.out), k})
			w.out = append(AppendString(w.out, k.Value), ':')
			if err := w.write(n.Content[i+1], depth+1); err != nil {
				return err
			}
		}
		w.out = append(w.out, '}')
	case yaml.SequenceNode:
		w.out = append(w.out, '[')
		for i, c := range n.Content {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			if err := w.write(c, depth+1); err != nil {
				return err
			}
		}
		w.out = append(w.out, ']')
	default:
		switch {
		case n.Tag == "!!null":
			w.out = append(w.out, "null"...)
		case n.Tag == "!!bool" && (n.Value == "true" || n.Value == "false"):
			w.out = append(w.out, n.Value...)
		default:
			w.out = AppendString(w.out, n.Value)
		}
	}
	return nil
}
