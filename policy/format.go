package policy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Format writes a package file or a file of cases in the one form everybody
// uses: two spaces, no needless quotes, the keys of objects in the order of
// the format, one blank line between sections. The author's choice of blank
// lines inside sections, of comments and of flow ({a: b}) or block style
// stays; what is in flow style and too long for a line becomes a block.
//
// The meaning never changes: the text written is read again and compared, and
// if anything differs, or a comment would be lost, the error says so and
// nothing is written. The keys of an object are left in their order where
// moving them could move a comment away from what it is about.
func Format(name string, data []byte) ([]byte, error) {
	// Comments in odd places can take two rounds to find their place.
	for range 5 {
		out, err := formatOnce(name, data)
		if err != nil || bytes.Equal(out, data) {
			return out, err
		}
		data = out
	}
	return nil, fmt.Errorf("%s: cannot be formatted: it does not come to rest; put the comments on lines of their own", name)
}

func formatOnce(name string, data []byte) ([]byte, error) {
	b := builder{faults: faults{file: name}}
	root := b.readYAML(data)
	if root == nil {
		return nil, b.errs
	}
	s, err := fileShape(name, root)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := plainEnough(name, &doc); err != nil {
		return nil, err
	}
	f := formatter{blank: blankBefore(data)}
	f.file(&doc, s)
	out := f.out.Bytes()
	if err := sameMeaning(root, out, s); err != nil {
		return nil, fmt.Errorf("%s: cannot be formatted: %w", name, err)
	}
	if err := sameComments(data, out); err != nil {
		return nil, fmt.Errorf("%s: cannot be formatted: %w", name, err)
	}
	return out, nil
}

// caseShape gives the order of keys in a file of cases; the calculator
// contract checks what they hold.
var caseShape = listOf(keys(
	key("name"), key("why"),
	key("case",
		key("region"), key("care_region"), key("date"),
		key("person", key("scheme"), key("retired"), key("birth"), key("sex"), key("classes"),
			key("insured", key("status"), key("benefits_from"), key("arrears_months"))),
		key("provider", key("level"), key("kind"), key("designated"), key("private")),
		key("visit", key("kind"), key("disease"), key("nth_this_year"), key("filing"), key("cause"), key("admitted")),
		field{name: "lines", shape: listOf(keys(key("name"), key("class"), key("amount"), key("first_pay"), key("ceiling"), key("date")))},
		key("year_to_date"), key("next_year_to_date"), key("facts"), key("account_balance"), key("family_account"), key("use_account")),
	key("expect"),
))

func keys(fields ...field) *shape { return obj(fields...) }

func key(name string, below ...field) field {
	if len(below) == 0 {
		return field{name: name, shape: text}
	}
	return field{name: name, shape: keys(below...)}
}

func fileShape(name string, root *yaml.Node) (*shape, error) {
	switch {
	case root.Kind == yaml.SequenceNode:
		return caseShape, nil
	case get(root, "format") != nil && get(root, "region") != nil:
		return packageShape, nil
	}
	return nil, fmt.Errorf("%s:%d: neither a package (format, region, …) nor a list of cases", name, max(root.Line, 1))
}

// plainEnough refuses what packages and cases do not use.
func plainEnough(name string, n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return fmt.Errorf("%s:%d: anchors and aliases are not used in packages and cases; write the value out", name, n.Line)
	case n.Style&yaml.TaggedStyle != 0:
		return fmt.Errorf("%s:%d: tags such as %s are not used in packages and cases", name, n.Line, n.Tag)
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Kind != yaml.ScalarNode {
				return fmt.Errorf("%s:%d: a key must be a plain text", name, n.Content[i].Line)
			}
		}
	}
	for _, c := range n.Content {
		if err := plainEnough(name, c); err != nil {
			return err
		}
	}
	return nil
}

// blankBefore tells for each line, from 1, whether a blank line is before it
// or before the comments that stand over it.
func blankBefore(data []byte) []bool {
	out := []bool{false, false}
	blank := false
	for i, line := range bytes.Split(data, []byte("\n")) {
		t := bytes.TrimSpace(line)
		if i > 0 {
			out = append(out, false)
		}
		if len(t) == 0 {
			blank = true
			continue
		}
		out[i+1] = blank
		blank = blank && t[0] == '#'
	}
	return out
}

// order is the order in which the pairs of a mapping are written.
func order(n *yaml.Node, s *shape) []int {
	pairs := make([]int, len(n.Content)/2)
	for i := range pairs {
		pairs[i] = i
	}
	if s == nil || s.kind != kObject {
		return pairs
	}
	rank := func(i int) int {
		k := slices.IndexFunc(s.fields, func(f field) bool { return f.name == n.Content[2*i].Value })
		if k < 0 {
			return len(s.fields)
		}
		return k
	}
	sorted := slices.Clone(pairs)
	slices.SortStableFunc(sorted, func(a, b int) int { return rank(a) - rank(b) })
	for at, i := range sorted {
		if at != i && movesComment(n.Content[2*i], n.Content[2*i+1]) {
			return pairs
		}
	}
	return sorted
}

// movesComment reports whether a comment stands before or after the pair,
// which may be about its neighbours as well.
func movesComment(k, v *yaml.Node) bool {
	return k.HeadComment != "" || k.FootComment != "" || v.HeadComment != "" || v.FootComment != ""
}

// below is the shape of what stands under a key.
func (s *shape) below(key string) *shape {
	switch {
	case s == nil:
		return nil
	case s.kind == kMap:
		return s.elem
	case s.kind == kSources:
		return sourceShape.below(key)
	case s.kind == kFund:
		return fundByScheme.below(key)
	}
	if f := s.field(key); f != nil {
		return f.shape
	}
	return nil
}

func (s *shape) element() *shape {
	switch {
	case s == nil:
		return nil
	case s.kind == kSources:
		return sourceShape
	}
	return s.elem
}

// asObject is the shape whose keys have an order.
func (s *shape) asObject() *shape {
	if s != nil && s.kind == kSources {
		return sourceShape
	}
	if s != nil && s.kind == kFund {
		return fundByScheme
	}
	return s
}

// sameMeaning reads the text written and compares it with what was read.
func sameMeaning(before *yaml.Node, text []byte, s *shape) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("the result would not be readable: %w", err)
	}
	if len(doc.Content) != 1 {
		return errors.New("the result would be empty")
	}
	return sameNode(before, doc.Content[0], s)
}

func sameNode(a, b *yaml.Node, s *shape) error {
	differ := func() error {
		return fmt.Errorf("line %d: %s would become %s", a.Line, show(a), show(b))
	}
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) {
		return differ()
	}
	switch a.Kind {
	case yaml.ScalarNode:
		if a.Value != b.Value || a.ShortTag() != b.ShortTag() {
			return differ()
		}
	case yaml.MappingNode:
		for at, i := range order(a, s.asObject()) {
			k := a.Content[2*i]
			if err := sameNode(k, b.Content[2*at], nil); err != nil {
				return err
			}
			if err := sameNode(a.Content[2*i+1], b.Content[2*at+1], s.below(k.Value)); err != nil {
				return err
			}
		}
	default:
		for i := range a.Content {
			if err := sameNode(a.Content[i], b.Content[i], s.element()); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameComments compares the comments of two texts, whatever their order.
func sameComments(before, after []byte) error {
	a, err := commentsOf(before)
	if err != nil {
		return err
	}
	b, err := commentsOf(after)
	if err != nil {
		return err
	}
	for text, n := range a {
		if b[text] != n {
			return fmt.Errorf("the comment %q would be lost or doubled", text)
		}
	}
	if len(a) != len(b) {
		return errors.New("comments would be changed")
	}
	return nil
}

func commentsOf(data []byte) (map[string]int, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	out := map[string]int{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for _, c := range []string{n.HeadComment, n.LineComment, n.FootComment} {
			for line := range strings.Lines(c) {
				if line = strings.TrimSpace(line); line != "" {
					out[line]++
				}
			}
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(&doc)
	// A comment the parser does not attach to anything would go unseen.
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") && out[line] == 0 {
			return nil, fmt.Errorf("the comment %q stands where it belongs to nothing", line)
		}
	}
	return out, nil
}
