package policy

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plainValue is the node as an editor's YAML reader (1.2) sees it: days are texts.
func plainValue(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plainValue(t, n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		l := []any{}
		for _, c := range n.Content {
			l = append(l, plainValue(t, c))
		}
		return l
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return json.Number(n.Value)
	case "!!bool":
		return n.Value == "true"
	case "!!null":
		return nil
	}
	return n.Value
}

func TestSchemaAcceptsShippedPackages(t *testing.T) {
	s := compiledSchema(t)
	for _, p := range shippedPackages(t) {
		if err := s.Validate(plainValue(t, p.root())); err != nil {
			t.Errorf("%s: %v", p.File, err)
		}
	}
}

// TestSchemaRefusesMutations spoils every object of every shipped package in
// turn: with a key nobody knows, and without each key that is required.
func TestSchemaRefusesMutations(t *testing.T) {
	s := compiledSchema(t)
	spoiled := 0
	refuse := func(root any, where, how string) {
		spoiled++
		if s.Validate(root) == nil {
			t.Errorf("%s %s is accepted", where, how)
		}
	}
	for _, region := range []string{"990100", "990200", "000000"} {
		root := plainValue(t, shipped(t).Versions(region)[0].root())
		var walk func(v any, sh *shape, where string)
		walk = func(v any, sh *shape, where string) {
			switch v := v.(type) {
			case map[string]any:
				if sh = sh.asObject(); sh.kind == kObject {
					v["nobody_knows"] = "x"
					refuse(root, where, "with an unknown key")
					delete(v, "nobody_knows")
				}
				for k, below := range v {
					if f := sh.field(k); f != nil && f.required {
						delete(v, k)
						refuse(root, where, "without "+k)
						v[k] = below
					}
					if b := sh.below(k); b != nil && b.kind != kTable && b.kind != kMatch {
						v[k] = []any{[]any{}}
						refuse(root, where+"."+k, "as a list of lists")
						v[k] = below
						walk(below, b, where+"."+k)
					}
				}
			case []any:
				for i, e := range v {
					if el := sh.element(); el != nil {
						walk(e, el, where+"["+strconv.Itoa(i)+"]")
					}
				}
			}
		}
		walk(root, packageShape, region)
	}
	if spoiled < 1000 {
		t.Errorf("only %d spoiled packages tried", spoiled)
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := compiledSchema(t)
	for _, tt := range []struct{ name, text string }{
		{"region of five digits", `region: "12345"`},
		{"unknown unit", `parameters: {a: {title: 甲, unit: yuans, value: 1, source: {document: 法, article: 一}}}`},
		{"negative amount", `parameters: {a: {title: 甲, unit: yuan, value: -1, source: {document: 法, article: 一}}}`},
		{"text for an amount", `parameters: {a: {title: 甲, unit: yuan, value: 很多, source: {document: 法, article: 一}}}`},
		{"list for an amount", `parameters: {a: {title: 甲, unit: yuan, value: [1], source: {document: 法, article: 一}}}`},
		{"no source", `parameters: {a: {title: 甲, unit: yuan, value: 1}}`},
		{"empty sources", `parameters: {a: {title: 甲, unit: yuan, value: 1, source: []}}`},
		{"name with a space", `parameters: {a b: {title: 甲, unit: yuan, value: 1, source: {document: 法, article: 一}}}`},
		{"day after the 28th", `benefit_year: {starts: 07-31, source: {document: 法, article: 一}}`},
		{"no day", `from: 2025`},
		{"grade", `documents: {法: {title: 法, grade: Z}}`},
		{"empty title", `documents: {法: {title: "", grade: A}}`},
		{"deep table value", `parameters: {a: {title: 甲, unit: yuan, by: scheme, values: {employee: [1]}, source: {document: 法, article: 一}}}`},
	} {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(tt.text), &doc); err != nil {
			t.Fatal(err)
		}
		root := plainValue(t, (&Package{text: []byte("format: 1\nregion: \"990100\"\nname: 甲\nversion: \"1\"\nfrom: 2025-01-01\ndocuments: {}\n")}).root()).(map[string]any)
		if err := s.Validate(root); err != nil {
			t.Fatalf("the sound package is refused: %v", err)
		}
		for k, v := range plainValue(t, doc.Content[0]).(map[string]any) {
			root[k] = v
		}
		if s.Validate(root) == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

// TestSchemaSaysEverything: every key has its meaning in Chinese.
func TestSchemaSaysEverything(t *testing.T) {
	var walk func(s *shape, where string)
	seen := map[*shape]bool{}
	walk = func(s *shape, where string) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		for _, f := range s.fields {
			if f.doc == "" {
				t.Errorf("%s.%s has no description", where, f.name)
			}
			walk(f.shape, where+"."+f.name)
		}
		walk(s.elem, where)
	}
	walk(packageShape, "package")
	if !bytes.Equal(Schema(), Schema()) {
		t.Error("the schema is not the same twice")
	}
}
