package supervision

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

//go:embed rules/*.yaml
var files embed.FS

// Builtin are the rules that ship with Anji.
func Builtin() (Rules, error) {
	sub, err := fs.Sub(files, "rules")
	if err != nil {
		return nil, err
	}
	return Load(sub)
}

// Load reads the rules of every file *.yaml in fsys. It reports every fault of
// every file, as policy.LoadErrors with file, line and column.
func Load(fsys fs.FS) (Rules, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	l := &loader{known: map[string]string{}}
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		before := len(l.errs)
		l.file = name
		l.read(data)
		slices.SortStableFunc(l.errs[before:], func(a, b *policy.LoadError) int { return cmp.Or(a.Line-b.Line, a.Col-b.Col) })
	}
	if l.errs != nil {
		return nil, l.errs
	}
	slices.SortFunc(l.rules, func(a, b *Rule) int { return cmp.Compare(a.Code, b.Code) })
	return l.rules, nil
}

// loader makes rules from files, and goes on after a fault to find more.
type loader struct {
	file  string
	rules Rules
	known map[string]string // where a code stands
	errs  policy.LoadErrors
}

func (l *loader) fault(n *yaml.Node, format string, args ...any) {
	l.at(n.Line, n.Column, format, args...)
}

func (l *loader) at(line, column int, format string, args ...any) {
	l.errs = append(l.errs, &policy.LoadError{File: l.file, Line: max(line, 1), Col: max(column, 1), Message: fmt.Sprintf(format, args...)})
}

// Where the YAML reader says that its fault is.
var yamlLine = regexp.MustCompile(`line (\d+): `)

// read reads one file: one document with the one key rules.
func (l *loader) read(data []byte) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		l.at(1, 1, "the file is empty")
		return
	} else if err != nil {
		line := 1
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		l.at(line, 1, "not readable as YAML: %s", err)
		return
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		l.at(max(more.Line, 1), 1, "a second document; a file holds one")
	}
	top := l.keys(doc.Content[0], "the file", []string{"rules"}, nil)
	list := top["rules"]
	if list == nil {
		return
	}
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		l.fault(list, "rules is %s; a list of rules is needed, and not an empty one", show(list))
		return
	}
	for _, n := range list.Content {
		l.rule(n)
	}
}

// keys reads a mapping that has all of the required keys, perhaps optional
// ones, and no others.
func (l *loader) keys(n *yaml.Node, what string, required, optional []string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		l.fault(n, "%s is %s; a mapping is needed", what, show(n))
		return nil
	}
	out := map[string]*yaml.Node{}
	allowed := slices.Concat(required, optional)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case out[k.Value] != nil:
			l.fault(k, "%s stands twice in %s", show(k), what)
		case !slices.Contains(allowed, k.Value):
			l.fault(k, "unknown key %s in %s; allowed: %s", show(k), what, strings.Join(allowed, ", "))
		default:
			out[k.Value] = v
		}
	}
	for _, name := range required {
		if out[name] == nil {
			l.fault(n, "%s has no %s", what, name)
		}
	}
	return out
}

// common are the keys of every rule.
var common = []string{"code", "title", "severity", "kind", "basis", "shape"}

// rule reads one rule. It is kept if nothing is wrong with it.
func (l *loader) rule(n *yaml.Node) {
	before := len(l.errs)
	name := find(n, "shape")
	sh, ok := shapes[value(name)]
	if name != nil && !ok {
		l.fault(name, "shape is %s; allowed: %s", show(name), strings.Join(sortedKeys(shapes), ", "))
	}
	required, optional := slices.Concat(common, sh.required), sh.optional
	if !ok { // what parameters it may have is not known
		optional = sortedKeys(parameters)
	}
	r := &Rule{Shape: value(name), MaxAge: noMaxAge}
	for k, v := range pairs(n, l.keys(n, "the rule", required, optional)) {
		switch k {
		case "code":
			l.code(v, r)
		case "title":
			r.Title = l.text(v, k, 200)
		case "severity":
			r.Severity = oneOf(l, v, k, Certain, Likely, Slight)
		case "kind":
			if r.Kind = oneOf(l, v, k, VisitKind, ItemKind); ok && r.Kind != "" && r.Kind != sh.kind {
				l.fault(v, "kind is %s; a rule of the shape %s is about %s", show(v), r.Shape, sh.kind)
			}
		case "basis":
			for k, v := range pairs(v, l.keys(v, k, []string{"document", "article"}, nil)) {
				if k == "document" {
					r.Basis.Document = l.text(v, k, 300)
				} else {
					r.Basis.Article = l.text(v, k, 199)
				}
			}
		case "shape":
		default:
			parameters[k](l, v, r)
		}
	}
	if len(l.errs) == before {
		l.whole(n, r)
	}
	if len(l.errs) == before {
		l.rules = append(l.rules, r)
	}
}

// whole finds parameters that are right alone and wrong together.
func (l *loader) whole(n *yaml.Node, r *Rule) {
	switch {
	case r.Shape == "exclusive" && len(r.Items) < 2:
		l.fault(find(n, "items"), "items holds one item; of a rule of the shape exclusive at least two are needed")
	case r.Shape == "age" && r.MinAge == 0 && r.MaxAge == noMaxAge:
		l.fault(n, "the rule allows every age; min_age or max_age is needed")
	case r.Shape == "age" && r.MinAge > r.MaxAge:
		l.fault(n, "the rule allows no age: min_age %d is above max_age %d", r.MinAge, r.MaxAge)
	}
}

// noMaxAge is MaxAge where there is none.
const noMaxAge = 1000

// parameters read the parameters of shapes.
var parameters = map[string]func(*loader, *yaml.Node, *Rule){
	"items": func(l *loader, n *yaml.Node, r *Rule) { r.Items = l.list(n, "items") },
	"sex": func(l *loader, n *yaml.Node, r *Rule) {
		r.Female = oneOf(l, n, "sex", "M", "F") == "F"
	},
	"min_age":   func(l *loader, n *yaml.Node, r *Rule) { r.MinAge = l.number(n, "min_age", 0, 150) },
	"max_age":   func(l *loader, n *yaml.Node, r *Rule) { r.MaxAge = l.number(n, "max_age", 0, 150) },
	"days":      func(l *loader, n *yaml.Node, r *Rule) { r.Days = l.number(n, "days", 0, 365) },
	"limit":     func(l *loader, n *yaml.Node, r *Rule) { r.Limit = l.quantity(n, "limit") },
	"multiple":  func(l *loader, n *yaml.Node, r *Rule) { r.Multiple = l.multiple(n, "multiple") },
	"diagnoses": func(l *loader, n *yaml.Node, r *Rule) { r.DiagnosisPrefix = l.list(n, "diagnoses") },
	"visit_kinds": func(l *loader, n *yaml.Node, r *Rule) {
		for i, name := range l.list(n, "visit_kinds") {
			if k, ok := visitKinds[name]; ok {
				r.Visits = append(r.Visits, k)
			} else {
				l.fault(n.Content[i], "visit_kinds has %q; allowed: %s", name, strings.Join(sortedKeys(visitKinds), ", "))
			}
		}
	},
}

// visitKinds are the kinds of care by the names that packages use too.
var visitKinds = func() map[string]policy.VisitKind {
	out := map[string]policy.VisitKind{}
	for k := policy.Outpatient; k <= policy.DaySurgery; k++ {
		out[k.String()] = k
	}
	return out
}()

var codePattern = regexp.MustCompile(`^[A-Z][A-Z0-9-]{0,29}$`)

func (l *loader) code(n *yaml.Node, r *Rule) {
	r.Code = value(n)
	switch where := l.known[r.Code]; {
	case !codePattern.MatchString(r.Code):
		l.fault(n, "code is %s; at most 30 letters A to Z, digits and hyphens that begin with a letter are needed", show(n))
	case where != "":
		l.fault(n, "code %s is already that of the rule at %s", r.Code, where)
	default:
		l.known[r.Code] = l.file + ":" + strconv.Itoa(n.Line)
	}
}

// text reads a text of at most n characters.
func (l *loader) text(v *yaml.Node, what string, n int) string {
	s := value(v)
	if strings.TrimSpace(s) == "" || utf8.RuneCountInString(s) > n {
		l.fault(v, "%s is %s; a text of at most %d characters is needed", what, show(v), n)
	}
	return s
}

func (l *loader) number(n *yaml.Node, what string, low, high int) int {
	i, err := strconv.Atoi(value(n))
	if err != nil || i < low || i > high {
		l.fault(n, "%s is %s; a whole number from %d to %d is needed", what, show(n), low, high)
	}
	return i
}

// quantity reads a quantity above zero of at most two decimals.
func (l *loader) quantity(n *yaml.Node, what string) catalogue.Quantity {
	const most = 1_000_000
	d, err := money.Parse(value(n))
	if err != nil || d <= 0 || d > most*100 {
		l.fault(n, "%s is %s; a number above 0, at most %d and of at most two decimals is needed", what, show(n), most)
	}
	return catalogue.Quantity(d) * 100
}

// multiple reads a rate above zero.
func (l *loader) multiple(n *yaml.Node, what string) money.Rate {
	d, err := money.ParseRate(value(n))
	if err != nil || d <= 0 {
		l.fault(n, "%s is %s; a number above 0 and at most 1000 is needed", what, show(n))
	}
	return d
}

// list reads a list of different texts that is not empty.
func (l *loader) list(n *yaml.Node, what string) (out []string) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		l.fault(n, "%s is %s; a list that is not empty is needed", what, show(n))
		return nil
	}
	for _, v := range n.Content {
		s := l.text(v, "an entry of "+what, 50)
		if slices.Contains(out, s) {
			l.fault(v, "%s has %s twice", what, show(v))
		}
		out = append(out, s)
	}
	return out
}

func oneOf[T ~string](l *loader, n *yaml.Node, what string, allowed ...T) T {
	v := T(value(n))
	if !slices.Contains(allowed, v) {
		names := make([]string, len(allowed))
		for i, a := range allowed {
			names[i] = string(a)
		}
		l.fault(n, "%s is %s; allowed: %s", what, show(n), strings.Join(names, ", "))
		return ""
	}
	return v
}

// pairs goes through the keys that were found in the order of the file.
func pairs(n *yaml.Node, found map[string]*yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i].Value
			if found[k] == n.Content[i+1] && !yield(k, n.Content[i+1]) {
				return
			}
		}
	}
}

// find is the value of a key of a mapping, nil if there is none.
func find(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// value is the text of a plain value, "" of anything else.
func value(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// show says what stands in a node.
func show(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		return "an empty list"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	}
	if r := []rune(n.Value); len(r) > 60 {
		return strconv.Quote(string(r[:60]) + "…")
	}
	return strconv.Quote(n.Value)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
