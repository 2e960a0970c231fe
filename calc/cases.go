package calc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/policy"
)

// Example is a case with what it must give, as a policy officer writes it: in
// a package's own cases and in scenarios.
type Example struct {
	Name   string // what the case shows
	Why    string // the arithmetic in words
	File   string
	Line   int
	Region string // taken when the case names none
	Case   *yaml.Node
	Expect *yaml.Node
}

// Examples reads the cases of a region's package: REGION/cases/*.yaml. An
// empty region reads those of all regions.
func Examples(fsys fs.FS, region string) ([]Example, error) {
	pattern := "*/cases/*.yaml"
	if region != "" {
		pattern = region + "/cases/*.yaml"
	}
	names, err := fs.Glob(fsys, pattern)
	if err != nil {
		return nil, err
	}
	var out []Example
	for _, n := range names {
		data, err := fs.ReadFile(fsys, n)
		if err != nil {
			return nil, err
		}
		ex, err := ParseExamples(n, data)
		if err != nil {
			return nil, err
		}
		for i := range ex {
			ex[i].Region = path.Base(path.Dir(path.Dir(n)))
		}
		out = append(out, ex...)
	}
	return out, nil
}

// ParseExamples reads a list of examples.
func ParseExamples(name string, data []byte) ([]Example, error) {
	root, err := parseYAML(data)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	if root.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%s:%d: a list of cases is needed", name, root.Line)
	}
	var out []Example
	for _, n := range root.Content {
		e := Example{File: name, Line: n.Line}
		if n.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("%s:%d: a case is a mapping of name, why, case and expect", name, n.Line)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			switch k.Value {
			case "name":
				e.Name = v.Value
			case "why":
				e.Why = v.Value
			case "case":
				e.Case = v
			case "expect":
				e.Expect = v
			default:
				return nil, fmt.Errorf("%s:%d:%d: unknown key %q; allowed: name, why, case, expect", name, k.Line, k.Column, k.Value)
			}
		}
		switch {
		case e.Name == "":
			return nil, fmt.Errorf("%s:%d: a case needs a name", name, n.Line)
		case e.Case == nil || e.Expect == nil || e.Expect.Kind != yaml.MappingNode || len(e.Expect.Content) == 0:
			return nil, fmt.Errorf("%s:%d: case %q needs case and expect", name, n.Line, e.Name)
		}
		out = append(out, e)
	}
	return out, nil
}

// Decode reads the example's case.
func (e *Example) Decode(d *Decoder, c *policy.Case) error {
	n := e.Case
	if e.Region != "" && n.Kind == yaml.MappingNode && !hasKey(n, "region") {
		clone := *n
		clone.Content = append([]*yaml.Node{
			{Kind: yaml.ScalarNode, Tag: "!!str", Value: "region", Line: n.Line, Column: n.Column},
			{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.Region, Line: n.Line, Column: n.Column},
		}, n.Content...)
		n = &clone
	}
	return d.DecodeNode(n, c)
}

func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// Run settles the example and says how the answer differs from what is
// expected, one difference a line; nil if it does not.
func (e *Example) Run(store *policy.Store, d *Decoder) error {
	var c policy.Case
	if err := e.Decode(d, &c); err != nil {
		return e.Expected(err)
	}
	var r policy.Result
	return e.Check(store, &c, &r)
}

// Check settles c, which is the example as a case, into r, and says how the
// answer differs from what is expected; nil if it does not.
func (e *Example) Check(store *policy.Store, c *policy.Case, r *policy.Result) error {
	var t policy.Trace
	if err := Settle(store, c, r, &t); err != nil {
		return e.Expected(err)
	}
	var got map[string]any
	if err := json.Unmarshal(AppendResult(nil, r, t.Steps), &got); err != nil {
		return err
	}
	var diffs []string
	compare(e.Expect, got, "", &diffs)
	if len(diffs) > 0 {
		return errors.New(strings.Join(diffs, "\n"))
	}
	return nil
}

// Day is the day of the example's case, if it says one.
func (e *Example) Day() (civil.Date, bool) {
	day := child(e.Case, "date")
	if day == nil {
		return 0, false
	}
	d, err := civil.Parse(day.Value)
	return d, err == nil
}

// Expected is nil for an error that the example expects: expect: {error: part of
// it}.
func (e *Example) Expected(err error) error {
	for i := 0; i+1 < len(e.Expect.Content); i += 2 {
		if e.Expect.Content[i].Value == "error" {
			if strings.Contains(err.Error(), e.Expect.Content[i+1].Value) {
				return nil
			}
			return fmt.Errorf("error is %q, expected to contain %q", err, e.Expect.Content[i+1].Value)
		}
	}
	return err
}

// contained are the texts of a result that an example states in part.
var contained = []string{"reason"}

func compare(want *yaml.Node, got map[string]any, prefix string, diffs *[]string) {
	for i := 0; i+1 < len(want.Content); i += 2 {
		k, v := want.Content[i], want.Content[i+1]
		field := prefix + k.Value
		g, ok := got[k.Value]
		switch {
		case field == "explains":
			for _, text := range v.Content {
				if !explained(got, text.Value) {
					*diffs = append(*diffs, fmt.Sprintf("line %d: no step says %q", text.Line, text.Value))
				}
			}
		case !ok:
			*diffs = append(*diffs, fmt.Sprintf("line %d: the result has no %q", k.Line, field))
		case v.Kind == yaml.MappingNode:
			m, isMap := g.(map[string]any)
			if !isMap {
				*diffs = append(*diffs, fmt.Sprintf("line %d: %s is not an object", k.Line, field))
				continue
			}
			compare(v, m, field+".", diffs)
		case slices.Contains(contained, field):
			if !strings.Contains(fmt.Sprint(g), v.Value) {
				*diffs = append(*diffs, fmt.Sprintf("line %d: %s is %q, expected to contain %q", k.Line, field, g, v.Value))
			}
		default:
			if s := fmt.Sprint(g); s != v.Value {
				*diffs = append(*diffs, fmt.Sprintf("line %d: %s is %s, expected %s", k.Line, field, s, v.Value))
			}
		}
	}
}

// explained reports whether a step of the result holds the text.
func explained(got map[string]any, text string) bool {
	steps, _ := got["steps"].([]any)
	for _, s := range steps {
		b, err := json.Marshal(s)
		if err == nil && strings.Contains(string(b), text) {
			return true
		}
	}
	return false
}
