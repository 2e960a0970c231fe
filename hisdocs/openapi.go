package hisdocs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/anji-platform/anji/his"
)

// OpenAPI is the description of what the interface offers as an OpenAPI 3.1
// document in JSON: a path for every transaction, its request and reply, and
// every dictionary. It describes the canonical form of messages; the interface
// also takes the variants that the pages name, such as numbers as texts.
func OpenAPI(i *his.Server) []byte {
	spec := i.Spec()
	schemas := object{}
	inUse := map[*his.Dictionary]bool{}
	use := func(nodes ...*his.Node) {
		for _, n := range nodes {
			for _, f := range n.Fields {
				inUse[f.Dictionary] = true
			}
		}
	}
	use(spec.Envelope, spec.Reply)
	schemas.set("Envelope", nodeSchema(spec.Envelope, "input"))
	schemas.set("Reply", nodeSchema(spec.Reply, "output"))
	paths := object{}
	for _, number := range i.Offered() {
		t := spec.Transaction(number)
		use(t.Input...)
		use(t.Output...)
		schemas.set("in_"+number, sideSchema(t.Input, true))
		request := around("Envelope", "input", ref("in_"+number), object{{"infno", object{{"enum", []string{number}}}}})
		answer := object{{"description", "infcode 0 成功，-1 失败"}}
		reply := ref("Reply")
		if !t.AnswersFile() {
			schemas.set("out_"+number, sideSchema(t.Output, false))
			reply = around("Reply", "output", object{{"anyOf", []any{ref("out_" + number), object{{"type", "null"}}}}}, nil)
		}
		replies := object{{"schema", reply}}
		if e := spec.ExampleReply(t); e != nil {
			replies.set("example", json.RawMessage(e))
		}
		content := object{{"application/json", replies}}
		if t.AnswersFile() {
			content.set("application/octet-stream", object{{"schema", object{}}})
		}
		answer.set("content", content)
		responses := object{{"200", answer}}
		for _, r := range []struct{ status, text string }{{"405", "不是 POST"}, {"413", "报文过大"}, {"415", "内容类型不对"}} {
			responses.set(r.status, object{{"description", r.text}, {"content", object{{"application/json", object{{"schema", ref("Reply")}}}}}})
		}
		paths.set("/his/"+number, object{{"post", object{
			{"operationId", "t" + number}, {"tags", []string{groupOf(number)}}, {"summary", number + " " + t.Name}, {"description", t.Note},
			{"requestBody", object{{"required", true}, {"content", object{{"application/json", object{
				{"schema", request}, {"example", json.RawMessage(spec.ExampleRequest(t))},
			}}}}}},
			{"responses", responses},
		}}})
	}
	for _, d := range spec.Dictionaries {
		if inUse[d] {
			schemas.set("dict_"+d.Name, dictionarySchema(d))
		}
	}
	doc := object{
		{"openapi", "3.1.0"},
		{"info", object{
			{"title", "安济 · 国家医保信息平台定点医药机构接口"}, {"version", "1.0"},
			{"description", "本平台已开通的交易。所有交易也可发到 /his，由 infno 区分。\n数值也可写成文字，空值也可写成 null，未列出的字段不理会；说明见 /his/docs。"},
			{"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}},
		}},
		{"servers", []any{object{{"url", "/"}}}},
		{"security", []any{}},
		{"paths", paths},
		{"components", object{{"schemas", schemas}}},
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(doc); err != nil {
		panic("hisdocs: the description cannot be written: " + err.Error()) // it is made of the tables, and tested
	}
	return b.Bytes()
}

// object is a JSON object that keeps its order, which is that of the table.
type object []member

type member struct {
	name  string
	value any
}

func (o *object) set(name string, value any) { *o = append(*o, member{name, value}) }

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

func ref(name string) object { return object{{"$ref", "#/components/schemas/" + name}} }

// around is the envelope of the name with a field that holds the content.
func around(envelope, field string, content object, more object) object {
	return object{
		{"allOf", []any{ref(envelope)}},
		{"type", "object"},
		{"properties", append(more, member{field, content})},
		{"required", []string{field}},
	}
}

func dictionarySchema(d *his.Dictionary) object {
	codes, labels := make([]string, len(d.Codes)), make([]string, len(d.Codes))
	for i, c := range d.Codes {
		codes[i], labels[i] = c.Code, c.Label
	}
	words := make([]string, len(codes))
	for i := range codes {
		words[i] = codes[i] + " " + labels[i]
	}
	return object{
		{"title", d.Title}, {"description", strings.Join(words, "；")}, {"type", "string"}, {"enum", codes}, {"x-enum-descriptions", labels},
	}
}

// sideSchema is the schema of a transaction's input or output. A request must
// have the first node if it has required fields, as the checker asks.
func sideSchema(nodes []*his.Node, request bool) object {
	properties, needed := object{}, []string{}
	for i, n := range nodes {
		switch {
		case n.Nested:
		case n.Name == "":
			return nodeSchema(n)
		default:
			properties.set(n.Name, rowsSchema(n))
			if request && i == 0 && slices.ContainsFunc(n.Fields, func(f *his.Field) bool { return f.Required }) {
				needed = append(needed, n.Name)
			}
		}
	}
	s := object{{"type", "object"}, {"properties", properties}}
	if len(needed) > 0 {
		s.set("required", needed)
	}
	return s
}

func rowsSchema(n *his.Node) object {
	if n.Many {
		return object{{"type", "array"}, {"items", nodeSchema(n)}}
	}
	return nodeSchema(n)
}

// nodeSchema is the schema of one row of a node, without the fields that are
// left out.
func nodeSchema(n *his.Node, without ...string) object {
	properties, needed := object{}, []string{}
	for _, f := range n.Fields {
		if slices.Contains(without, f.Name) {
			continue
		}
		properties.set(f.Name, fieldSchema(f))
		if f.Required {
			needed = append(needed, f.Name)
		}
	}
	s := object{{"type", "object"}}
	if n.Title != "" {
		s.set("title", n.Title)
	}
	s.set("properties", properties)
	if len(needed) > 0 {
		s.set("required", needed)
	}
	return s
}

// fieldSchema is the schema of a field. What is not required may be empty.
func fieldSchema(f *his.Field) object {
	s := object{{"title", f.Title}}
	if f.Note != "" {
		s.set("description", f.Note)
	}
	pattern := func(p string) {
		if !f.Required {
			p = "(" + p + ")?"
		}
		s.set("type", "string")
		s.set("pattern", "^"+p+"$")
	}
	switch {
	case f.Dictionary != nil && f.Required:
		s.set("$ref", "#/components/schemas/dict_"+f.Dictionary.Name)
	case f.Dictionary != nil:
		s.set("anyOf", []any{ref("dict_" + f.Dictionary.Name), object{{"const", ""}}})
	case f.Type == his.Number:
		s.set("type", "number")
		if f.Decimals == 0 && f.Length > 0 {
			s[len(s)-1].value = "integer"
		}
		if f.Length > 0 {
			bound := json.Number(fmt.Sprintf("1e%d", f.Length-f.Decimals))
			s.set("exclusiveMinimum", "-"+bound)
			s.set("exclusiveMaximum", bound)
		}
	case f.Type == his.Date:
		// Of a date, requests may state the time too, and some replies do.
		pattern(`\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2})?`)
	case f.Type == his.DateTime:
		pattern(`\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}`)
	case f.Type == his.Rows:
		s.set("type", "array")
		s.set("items", nodeSchema(f.Rows()))
	case f.Type == his.Text:
		s.set("type", "string")
		if f.Required {
			s.set("minLength", 1)
		}
		if f.Length > 0 {
			s.set("maxLength", f.Length)
		}
	}
	s.set("x-type", f.Notation())
	return s
}
