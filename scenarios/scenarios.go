// Package scenarios runs the questions that Anji must answer: the handbook's
// and those of the other seeds, each a file that a policy officer can read.
// They are data; this package is only what reads and checks them.
package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Scenario is one question with its answer, in steps.
type Scenario struct {
	Title    string `yaml:"title"`
	Question string `yaml:"question"` // in our own words
	Source   string `yaml:"source"`
	Steps    []Step `yaml:"steps"`
}

// Step is a case with what it must give, an assessment of a case, or a
// comparison of two cases before it.
type Step struct {
	Name    string      `yaml:"name"`
	Why     string      `yaml:"why"`
	Case    yaml.Node   `yaml:"case"`
	Expect  yaml.Node   `yaml:"expect"`
	Assess  string      `yaml:"assess"`  // contribution, allotment, provider_payment or benefits_start
	Carry   string      `yaml:"carry"`   // the step whose sums of the year this case goes on from
	Compare *Comparison `yaml:"compare"` // of two named steps
}

// Comparison says how a field of two cases relates.
type Comparison struct {
	Left  string `yaml:"left"`
	Is    string `yaml:"is"` // ==, !=, <, <=
	Right string `yaml:"right"`
	Of    string `yaml:"of"` // a field of the result, or "everything"
}

// Parse reads a scenario; unknown keys are errors.
func Parse(data []byte) (*Scenario, error) {
	var s Scenario
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return nil, err
	}
	if s.Title == "" || s.Question == "" || s.Source == "" || len(s.Steps) == 0 {
		return nil, errors.New("a scenario needs title, question, source and steps")
	}
	return &s, nil
}

// Run runs the steps and returns every difference.
func (s *Scenario) Run(store *policy.Store) error {
	results := map[string]map[string]any{}
	var errs []error
	for i := range s.Steps {
		st := &s.Steps[i]
		if err := st.run(store, results); err != nil {
			errs = append(errs, fmt.Errorf("step %d %s: %w", i+1, st.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (st *Step) run(store *policy.Store, results map[string]map[string]any) error {
	switch {
	case st.Compare != nil:
		return st.Compare.run(results)
	case st.Case.Kind == 0 || st.Expect.Kind == 0:
		return errors.New("case and expect are needed")
	case st.Assess != "":
		return st.assess(store)
	}
	node := st.Case
	if st.Carry != "" {
		before := results[st.Carry]
		if before == nil {
			return fmt.Errorf("carry: there is no step %q before", st.Carry)
		}
		var sums yaml.Node
		if err := sums.Encode(before["year_to_date"]); err != nil {
			return err
		}
		node.Content = append(slices.Clone(node.Content), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "year_to_date"}, &sums)
	}
	e := calc.Example{Name: st.Name, Case: &node, Expect: &st.Expect}
	d := calc.NewDecoder(store)
	if err := e.Run(store, d); err != nil {
		return err
	}
	var c policy.Case
	if err := e.Decode(d, &c); err != nil {
		return nil // the case is meant to be refused as bad input, and was
	}
	var r policy.Result
	var t policy.Trace
	if err := calc.Settle(store, &c, &r, &t); err != nil {
		return nil
	}
	var got map[string]any
	if err := json.Unmarshal(calc.AppendResult(nil, &r, t.Steps), &got); err != nil {
		return err
	}
	results[st.Name] = got
	return nil
}

// assess compares assessments by their id: an amount, or unknown: part of why;
// or when benefits start.
func (st *Step) assess(store *policy.Store) error {
	kinds := []string{"contribution", "allotment", "provider_payment", "benefits_start"}
	kind := slices.Index(kinds, st.Assess)
	if kind < 0 {
		return fmt.Errorf("assess is %q; allowed: %s", st.Assess, strings.Join(kinds, ", "))
	}
	// The contract wants a bill; an assessment has none.
	node := st.Case
	node.Content = append(slices.Clone(node.Content),
		&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "lines"},
		&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.MappingNode, Content: []*yaml.Node{
			{Kind: yaml.ScalarNode, Tag: "!!str", Value: "amount"}, {Kind: yaml.ScalarNode, Tag: "!!str", Value: "0"}}}}})
	var c policy.Case
	if err := calc.NewDecoder(store).DecodeNode(&node, &c); err != nil {
		return err
	}
	if st.Assess == "benefits_start" {
		return st.start(store, &c)
	}
	items, err := store.Assess(policy.AssessmentKind(kind), &c)
	if err != nil {
		return err
	}
	got := map[string]string{}
	for _, it := range items {
		got[it.ID] = it.Amount.String()
		if it.Unknown != "" {
			got[it.ID] = it.Unknown
		}
		if len(it.Sources) == 0 {
			return fmt.Errorf("%s has no source", it.ID)
		}
	}
	want := map[string]string{}
	if err := st.Expect.Decode(&want); err != nil {
		return err
	}
	var errs []error
	for id, w := range want {
		if g, ok := got[id]; !ok {
			errs = append(errs, fmt.Errorf("%s is not assessed", id))
		} else if _, err := money.Parse(w); err == nil && g != w || err != nil && !strings.Contains(g, w) {
			errs = append(errs, fmt.Errorf("%s is %s, expected %s", id, g, w))
		}
		delete(got, id)
	}
	for id, g := range got {
		errs = append(errs, fmt.Errorf("%s %s is assessed too, and not expected", id, g))
	}
	return errors.Join(errs...)
}

// start compares when benefits start: rule, from, wait (months), and part of
// why.
func (st *Step) start(store *policy.Store, c *policy.Case) error {
	var want struct {
		Rule, From, Why string
		Wait            int
	}
	if err := st.Expect.Decode(&want); err != nil {
		return err
	}
	got, ok, err := store.BenefitsStart(c, 0)
	switch {
	case err != nil:
		return err
	case !ok:
		return errors.New("no rule says when benefits start")
	case len(got.Sources) == 0:
		return fmt.Errorf("%s has no source", got.ID)
	case got.ID != want.Rule || got.From.String() != want.From || got.Wait != want.Wait || !strings.Contains(got.What, want.Why):
		return fmt.Errorf("benefits start by %s on %s after %d months (%s), expected %+v", got.ID, got.From, got.Wait, got.What, want)
	}
	return nil
}

func (c *Comparison) run(results map[string]map[string]any) error {
	a, b := results[c.Left], results[c.Right]
	if a == nil || b == nil {
		return fmt.Errorf("compare: no step %q or %q before", c.Left, c.Right)
	}
	if c.Of == "everything" {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if c.Is != "==" || !bytes.Equal(x, y) {
			return fmt.Errorf("%s and %s differ", c.Left, c.Right)
		}
		return nil
	}
	x, err := money.Parse(fmt.Sprint(a[c.Of]))
	if err != nil {
		return fmt.Errorf("%s of %s: %w", c.Of, c.Left, err)
	}
	y, err := money.Parse(fmt.Sprint(b[c.Of]))
	if err != nil {
		return fmt.Errorf("%s of %s: %w", c.Of, c.Right, err)
	}
	ok, known := map[string]bool{"==": x == y, "!=": x != y, "<": x < y, "<=": x <= y}[c.Is]
	if !known {
		return fmt.Errorf("compare: is %q; allowed: ==, !=, <, <=", c.Is)
	}
	if !ok {
		return fmt.Errorf("%s of %s is %s, not %s %s of %s", c.Of, c.Left, x, c.Is, y, c.Right)
	}
	return nil
}
