package supervision

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/anji-platform/anji/policy"
)

const good = `rules:
  - code: G1
    title: 好规则
    severity: certain
    kind: item
    shape: age
    items: [A, B]
    max_age: 14
    basis: {document: 文件, article: 第一条}
`

func TestLoad(t *testing.T) {
	rules, err := Load(fstest.MapFS{
		"b.yaml":   {Data: []byte(good)},
		"a.yaml":   {Data: []byte(strings.Replace(good, "G1", "G0", 1))},
		"note.txt": {Data: []byte("not a rule")},
	})
	if err != nil || len(rules) != 2 || rules[0].Code != "G0" || rules[1].Code != "G1" {
		t.Fatalf("%v, %v", rules, err)
	}
	r := rules[1]
	if r.Title != "好规则" || r.Severity != Certain || r.Kind != ItemKind || r.Basis.String() != "文件 第一条" || !slices.Equal(r.Items, []string{"A", "B"}) || r.MinAge != 0 || r.MaxAge != 14 {
		t.Errorf("%+v", r)
	}
}

// Every fault of every file is named, with its place.
func TestFaults(t *testing.T) {
	_, err := Load(fstest.MapFS{
		"a.yaml": {Data: []byte(good + `
  - code: G1
    title: ""
    severity: severe
    kind: visit
    shape: age
    items: []
    min_age: 15
    max_age: 151
    limit: 3
    title: 又一次
  - code: G2
    title: 无依据
    severity: slight
    kind: visit
    shape: elsewhere
  - code: G3
    title: 依据不全
    severity: slight
    kind: visit
    shape: elsewhere
    basis: {document: 文件, page: 3}
  - code: g4
    title: 形状
    severity: slight
    kind: item
    basis: {document: 文件, article: 第一条}
    shape: lunar
    items: [A, A]
  - 5
  - code: G6
    title: 形状
    severity: slight
    kind: visit
    basis: &b {document: 文件, article: 第一条}
    shape: elsewhere
  - code: G7
    title: 引用
    severity: slight
    kind: visit
    basis: *b
    shape: readmission
    days: 1.5
  - {code: G8, title: 年龄, severity: slight, kind: item, shape: age, items: [A], basis: {document: 文件, article: 第一条}}
  - {code: G9, title: 年龄, severity: slight, kind: item, shape: age, items: [A], min_age: 3, max_age: 2, basis: {document: 文件, article: 第一条}}
  - {code: G10, title: 互斥, severity: slight, kind: item, shape: exclusive, items: [A], basis: {document: 文件, article: 第一条}}
  - {code: G11, title: 类别, severity: slight, kind: item, shape: visit_kind, items: [A], visit_kinds: [inpatient, ward], basis: {document: 文件, article: 第一条}}
  - {code: G12, title: 数, severity: slight, kind: item, shape: daily_quantity, items: [A], limit: 0, basis: {document: 文件, article: 第一条}}
  - {code: G13, title: 数, severity: slight, kind: item, shape: price_multiple, items: [A], multiple: -1, basis: {document: 文件, article: 第一条}}
  - {code: G14, title: 性别, severity: slight, kind: item, shape: sex, items: A, sex: 女, basis: {document: 文件, article: 第一条}}
  - {title: 无码, severity: slight, kind: item, basis: {document: 文件, article: 第一条}}
`)},
		"b.yaml": {Data: []byte("")},
		"c.yaml": {Data: []byte("rules: [\n")},
		"d.yaml": {Data: []byte("rules: {a: 1}\nmore: 2\n")},
		"e.yaml": {Data: []byte(strings.Replace(good, "G1", "G20", 1) + "---\nrules: []\n")},
		"f.yaml": {Data: []byte("[]")},
		"g.yaml": {Data: []byte("{}")},
		"h.yaml": {Data: []byte("rules: []")},
		"i.yaml": {Data: []byte(good)},
	})
	var faults policy.LoadErrors
	if !errors.As(err, &faults) {
		t.Fatalf("%v", err)
	}
	want := `a.yaml:11:5: the rule has no basis
a.yaml:11:11: code G1 is already that of the rule at a.yaml:2
a.yaml:12:12: title is ""; a text of at most 200 characters is needed
a.yaml:13:15: severity is "severe"; allowed: certain, likely, slight
a.yaml:14:11: kind is "visit"; a rule of the shape age is about item
a.yaml:16:12: items is an empty list; a list that is not empty is needed
a.yaml:18:14: max_age is "151"; a whole number from 0 to 150 is needed
a.yaml:19:5: unknown key "limit" in the rule; allowed: code, title, severity, kind, basis, shape, items, min_age, max_age
a.yaml:20:5: "title" stands twice in the rule
a.yaml:21:5: the rule has no basis
a.yaml:31:12: basis has no article
a.yaml:31:27: unknown key "page" in basis; allowed: document, article
a.yaml:32:11: code is "g4"; at most 30 letters A to Z, digits and hyphens that begin with a letter are needed
a.yaml:37:12: shape is "lunar"; allowed: age, daily_quantity, daily_repeat, diagnosis, elsewhere, exclusive, price_multiple, readmission, sex, visit_kind
a.yaml:38:16: items has "A" twice
a.yaml:39:5: the rule is "5"; a mapping is needed
a.yaml:50:12: basis is an alias; a mapping is needed
a.yaml:52:11: days is "1.5"; a whole number from 0 to 365 is needed
a.yaml:53:5: the rule allows every age; min_age or max_age is needed
a.yaml:54:5: the rule allows no age: min_age 3 is above max_age 2
a.yaml:55:83: items holds one item; of a rule of the shape exclusive at least two are needed
a.yaml:56:114: visit_kinds has "ward"; allowed: chronic, day_surgery, emergency, inpatient, maternity, outpatient, pharmacy, special
a.yaml:57:99: limit is "0"; a number above 0, at most 1000000 and of at most two decimals is needed
a.yaml:58:102: multiple is "-1"; a number above 0 and at most 1000 is needed
a.yaml:59:77: items is "A"; a list that is not empty is needed
a.yaml:59:85: sex is "女"; allowed: M, F
a.yaml:60:5: the rule has no code
a.yaml:60:5: the rule has no shape
b.yaml:1:1: the file is empty
c.yaml:1:1: not readable as YAML: yaml: line 1: did not find expected node content
d.yaml:1:8: rules is a mapping; a list of rules is needed, and not an empty one
d.yaml:2:1: unknown key "more" in the file; allowed: rules
e.yaml:10:1: a second document; a file holds one
f.yaml:1:1: the file is an empty list; a mapping is needed
g.yaml:1:1: the file has no rules
h.yaml:1:8: rules is an empty list; a list of rules is needed, and not an empty one
i.yaml:2:11: code G1 is already that of the rule at a.yaml:2`
	if got := faults.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A finding's basis and a rule's name fit where the interface carries them.
func TestBuiltin(t *testing.T) {
	rules, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, r := range rules {
		used[r.Shape] = true
		if n := utf8.RuneCountInString(r.Basis.String()); n > 500 {
			t.Errorf("%s: the basis has %d characters", r.Code, n)
		}
		for _, item := range r.Items {
			if !strings.Contains(item, "99000000") || !strings.Contains(r.Basis.Document, "虚构") {
				t.Errorf("%s: item %s is not the sandbox's, or the rule is not marked", r.Code, item)
			}
		}
	}
	if len(used) != len(shapes) {
		t.Errorf("rules of %d shapes, want %d", len(used), len(shapes))
	}
}

func TestSelect(t *testing.T) {
	rules, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	if all, err := rules.Select(nil); err != nil || len(all) != len(rules) {
		t.Errorf("all: %v, %v", all, err)
	}
	if two, err := rules.Select([]string{"X002", "V001", "X002"}); err != nil || two.codes() != "V001、X002" {
		t.Errorf("two: %v, %v", two, err)
	}
	var e *Error
	if _, err := rules.Select([]string{"V001", "X999"}); !errors.As(err, &e) || e.Field != "rule" || e.Value != "X999" {
		t.Errorf("unknown: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	for _, s := range []string{"", "# c", "rules: *a", "rules: [&a {code: *a}]", "? [a]\n: b", "rules:\n- <<: {code: X}", "---\n---\n", "rules: [{basis: {document: [1]}}]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := Load(fstest.MapFS{"a.yaml": {Data: data}})
		if err == nil && len(rules) == 0 {
			t.Error("nothing was read, and nothing was wrong")
		}
		for _, r := range rules {
			_ = rules.Judge(Facts{Birth: 20000101, Visit: Visit{From: monday, Orders: []Order{ordered("a", "A", 100, 100), ordered("b", "A", 1, 1)}}})
			if r.Basis.Document == "" || r.Title == "" || r.Code == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}
