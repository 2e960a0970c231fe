package policy

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// SchemaID is the identity of the published JSON Schema.
const SchemaID = "https://anji-platform.github.io/schema/policy-package.json"

// Schema is the JSON Schema (2020-12) of a package file, made from the same
// table that the loader checks files against, so that editors complete keys
// and show their meaning. It says less than the loader knows: what relates one
// key to another only the loader checks.
func Schema() []byte {
	w := schemaWriter{names: map[*shape]string{
		date: "date", value: "value", cond: "condition", table: "table", match: "match", sources: "sources", name: "name", names: "names",
		text: "text", texts: "texts", boolean: "boolean", fundShape: "fund", fundByScheme: "fundByScheme",
		sourceShape: "source", limitShape: "limit", bandShape: "band", stageShape: "stage", ruleShape: "rule",
	}, defs: map[string]any{}}
	root := w.of(packageShape).(object)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = SchemaID
	root["title"] = "政策包"
	root["description"] = "安济政策包：一个统筹区在一个时期的医疗保障待遇政策"
	root["$defs"] = w.defs
	for key, pattern := range map[string]string{"region": `^[0-9]{6}$`, "inherits": `^[0-9]{6}$`} {
		p := root["properties"].(object)[key].(object)
		p["type"], p["pattern"] = "string", pattern
		delete(p, "$ref")
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic("policy: the schema cannot be written: " + err.Error()) // it is made of maps and texts
	}
	return out.Bytes()
}

type object = map[string]any

type schemaWriter struct {
	names map[*shape]string // shapes that stand under $defs
	defs  map[string]any
}

// use is the schema of a shape where it is used: a reference if it has a name.
func (w *schemaWriter) use(s *shape) object {
	n, ok := w.names[s]
	if !ok {
		return w.of(s).(object)
	}
	if _, done := w.defs[n]; !done {
		w.defs[n] = object{} // a shape may hold itself
		w.defs[n] = w.of(s)
	}
	return object{"$ref": "#/$defs/" + n}
}

const (
	schemaName  = `^[_\p{L}][_\p{L}\p{Nd}-]*$`
	schemaDate  = `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`
	schemaDay   = `^(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$`
	schemaValue = `^(=[\s\S]+|unknown|unlimited|[0-9][0-9_]*(\.[0-9]+)?%?)$`
)

// of is the schema of a shape, written out.
func (w *schemaWriter) of(s *shape) any {
	switch s.kind {
	case kObject:
		return w.object(s)
	case kMap:
		return object{"type": "object", "propertyNames": object{"pattern": schemaName}, "additionalProperties": w.use(s.elem)}
	case kList:
		return object{"type": "array", "items": w.use(s.elem)}
	case kName:
		return object{"type": "string", "pattern": schemaName, "maxLength": 100, "not": object{"enum": []string{"true", "false", "in", "unknown"}}}
	case kEnum:
		return w.enum(s)
	case kDate:
		return object{"type": "string", "pattern": schemaDate}
	case kDay:
		return object{"type": "string", "pattern": schemaDay}
	case kValue:
		return object{"description": "数、百分比、unlimited（不限）、unknown（尚不掌握）或以 = 开头的算式",
			"anyOf": []any{object{"type": "number", "minimum": 0}, object{"type": "string", "pattern": schemaValue}}}
	case kCond:
		return object{"description": "条件式，如 place != 'home' && filing == 'none'",
			"anyOf": []any{object{"type": "boolean"}, object{"type": "string", "minLength": 1}}}
	case kTable:
		return object{"description": "按维度取值分的值；几个取值合写用 |，其余用 *", "type": "object", "minProperties": 1,
			"additionalProperties": object{"anyOf": []any{w.use(value), object{"$ref": "#/$defs/table"}}}}
	case kMatch:
		one := object{"type": []string{"string", "number", "boolean"}}
		return object{"description": "维度 → 一个或几个取值", "type": "object", "propertyNames": object{"pattern": schemaName},
			"additionalProperties": object{"anyOf": []any{one, object{"type": "array", "items": one, "uniqueItems": true}}}}
	case kSources:
		one := w.use(sourceShape)
		return object{"description": "依据：文件与条款，一个或几个", "anyOf": []any{one, object{"type": "array", "items": one, "minItems": 1}}}
	case kNames:
		return object{"anyOf": []any{w.use(name), object{"type": "array", "items": w.use(name), "uniqueItems": true}}}
	case kTexts:
		return object{"anyOf": []any{w.use(text), object{"type": "array", "items": w.use(text)}}}
	case kBool:
		return object{"enum": []any{true, false, "true", "false"}}
	case kFund:
		return object{"anyOf": []any{w.use(name), w.use(fundByScheme)}}
	}
	return object{"anyOf": []any{object{"type": "string", "minLength": 1}, object{"type": []string{"number", "boolean"}}}}
}

func (w *schemaWriter) object(s *shape) object {
	properties, required := object{}, []string{}
	for _, f := range s.fields {
		p := w.use(f.shape)
		if f.doc != "" {
			p["description"] = f.doc
		}
		properties[f.name] = p
		if f.required {
			required = append(required, f.name)
		}
	}
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// enum allows a value that reads as a number to be written as one.
func (w *schemaWriter) enum(s *shape) object {
	var values []any
	for _, v := range s.enum {
		values = append(values, v)
		if n, err := strconv.Atoi(v); err == nil {
			values = append(values, n)
		}
	}
	return object{"enum": values}
}
