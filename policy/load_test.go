package policy

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/anji-platform/anji/civil"
)

// sound is a package without fault; the tests below spoil a line of it.
const sound = `format: 1
region: "990300"
name: 测试市
version: "1"
from: 2025-01-01
documents:
  F: {title: 文件, grade: A}
classes: [低保]
facets:
  old:
    title: 年龄
    values: [{value: 老, when: age >= 60}]
    otherwise: 青
    source: {document: F, article: 一}
parameters:
  ratio: {title: 比例, unit: ratio, by: [scheme, old], values: {employee: {老: 90%, 青: 80%}, resident: {"*": 60%}}, source: {document: F, article: 二}}
  ded: {title: 起付, unit: yuan, value: 500, source: {document: F, article: 三}}
funds:
  pool: {title: 统筹, category: basic, code: "310100", source: {document: F, article: 四}}
rules:
  poor: {title: 说明, when: has('低保'), decision: note, reason: 低保, source: {document: F, article: 五}}
stages:
  basic:
    title: 统筹支付
    fund: pool
    base: =in_scope
    deductible: {title: 起付, amount: =ded, source: {document: F, article: 六}}
    bands:
      list: [{over: 0, upto: 1000, ratio: =ratio}, {over: 1000, ratio: 95%}]
    source: {document: F, article: 七}
plans:
  all: {title: 全部, match: {visit: inpatient}, stages: basic, source: {document: F, article: 八}}
benefit_starts:
  main: {title: 集中期, when: has('低保'), window: {from: 09-10, to: 02-28}, year: next, from: year, wait: 3, source: {document: F, article: 九}}
  other: {title: 其他, from: payment, source: {document: F, article: 九}}
`

func TestSoundPackage(t *testing.T) {
	s, err := LoadFile("sound.yaml", []byte(sound), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Warnings()) > 0 {
		t.Error(s.Warnings())
	}
}

// TestFaults spoils the sound package in one place and expects the fault
// there: "line:column: part of the message". Other faults that follow from it
// may be reported too.
func TestFaults(t *testing.T) {
	for _, x := range []struct{ name, old, new, want string }{
		{"missing source", `, source: {document: F, article: 三}}`, `}`, "17:8: package.parameters.ded: source is missing"},
		{"missing article", `{document: F, article: 六}`, `{document: F}`, "article is missing"},
		{"undeclared document", `{document: F, article: 八}`, `{document: G, article: 八}`, `32:81: document "G" is not among documents; declared: F`},
		{"unknown key", "    title: 统筹支付", "    titel: 统筹支付", `24:5: package.stages.basic: unknown key "titel"; allowed: title, role`},
		{"unknown top key", "classes:", "klasses:", `8:1: package: unknown key "klasses"`},
		{"wrong type", "stages: basic,", "stages: {a: b},", "32:55: package.plans.all.stages is a mapping; a single value is needed"},
		{"wrong enum", "category: basic", "category: base", `19:31: package.funds.pool.category is "base"; allowed: basic, civil_servant`},
		{"bad date", "from: 2025-01-01", "from: 2025-13-01", `5:7: from is "2025-13-01"; a day such as 2025-01-01 is needed`},
		{"bad region", `"990300"`, `"9903"`, `2:9: region is "9903"; six digits are needed`},
		{"duplicate key", `name: 测试市`, "name: 测试市\nname: 又", `4:1: package: key "name" stands twice, first at line 3`},
		{"anchor", "classes: [低保]", "classes: &a [低保]", "anchors and aliases are not used"},
		{"gap in table", `resident: {"*": 60%}`, `resident: {老: 60%}`, "gap: no value for scheme=resident old=青"},
		{"overlap in table", `{老: 90%, 青: 80%}`, `{老|青: 90%, 青: 80%}`, `old "青" overlaps line 16`},
		{"unreachable star", `{老: 90%, 青: 80%}`, `{老: 90%, 青: 80%, "*": 1%}`, "* is unreachable"},
		{"unknown value in table", `{老: 90%, 青: 80%}`, `{老: 90%, 青: 80%, 中: 1%}`, `"中" is not a value of old; allowed: 老, 青`},
		{"not a number", "value: 500,", "value: 五百,", `17:39: ded is "五百"; an amount (元) is needed`},
		{"no day of a window", "to: 02-28", "to: 02-29", `34:65: window.to is "02-29"; a day such as 07-01 is needed, that every year has`},
		{"start never", "when: has('低保'), window", "when: 1 > 2, window", "benefit start main is unreachable: its condition is false for every case"},
		{"start after all", "when: has('低保'), window: {from: 09-10, to: 02-28}, ", "", "benefit start other is unreachable: main before it takes every case"},
		{"wait without unit", "wait: 3", "wait: 3元", `wait is "3元"`},
		{"no base of a start", "from: payment", "from: invoice", "allowed: year, payment, month_after, birth"},
		{"negative", "value: 500,", "value: -500,", "it must not be negative"},
		{"three decimals", "value: 500,", "value: 500.001,", "at most two decimals"},
		{"percentage as amount", "value: 500,", "value: 5%,", "not a percentage"},
		{"ratio without percent", "ratio: 95%}", "ratio: 950}", "surely a percentage without its sign"},
		{"gap in bands", "{over: 1000, ratio: 95%}", "{over: 2000, ratio: 95%}", "29:52: stage basic: gap in bands: nothing covers 1,000 to 2,000"},
		{"overlap of bands", "{over: 1000, ratio: 95%}", "{over: 900, ratio: 95%}", "overlap of bands: 900 to 1,000 is in two bands"},
		{"band without end", "{over: 0, upto: 1000, ratio: =ratio}", "{over: 0, ratio: =ratio}", "a band without upto has no end"},
		{"first band", "{over: 0, upto: 1000, ratio: =ratio}", "{over: 10, upto: 1000, ratio: =ratio}", "the first band begins over 10, but 0 is needed"},
		{"unknown name", "amount: =ded,", "amount: =dad,", `27:38: deductible.amount: "dad" is not known here; known: `},
		{"unit mismatch", "amount: =ded,", "amount: =ded + 5%,", "27:42: deductible.amount: an amount (元) and a ratio do not go together here"},
		{"wrong unit", "amount: =ded,", "amount: =5%,", "a ratio found where an amount (元) is needed"},
		{"amount times amount", "amount: =ded,", "amount: =ded * ded,", "an amount cannot be multiplied by an amount"},
		{"unknown value of category", "when: age >= 60", "when: level == '4'", `"4" is not a value of level; allowed: primary, 1, 2, 3`},
		{"undeclared class", "has('低保')", "has('高保')", `class "高保" is not declared under classes; declared: 低保`},
		{"syntax", "when: age >= 60", "when: age >= ", "the expression ends where a value is needed"},
		{"unclosed", "when: age >= 60", "when: (age >= 60", `the end found where ")" is needed`},
		{"not a condition", "when: age >= 60", "when: age", "a count found where true or false is needed"},
		{"strange character", "when: age >= 60", "when: age ≥ 60", `unexpected "≥"`},
		{"amounts outside stages", "when: age >= 60", "when: in_scope > 60", `"in_scope" has a value only in stages`},
		{"later stage", "amount: =ded,", "amount: =basic.paid,", `"basic" is not a stage defined before`},
		{"unknown fund", "fund: pool", "fund: puddle", `25:11: fund "puddle" is not declared under funds; declared: pool`},
		{"unknown accumulator", "title: 统筹支付", "accumulate: {basics: paid}\n    title: 统筹支付", `"basics" is not an accumulator; declared: deductible`},
		{"unknown stage", "stages: basic,", "stages: [basic, more],", `stage "more" is not defined; defined: basic`},
		{"stage twice", "stages: basic,", "stages: [basic, basic],", "stage basic stands twice"},
		{"unknown dimension", "by: [scheme, old]", "by: [scheme, odd]", `"odd" is not a category; allowed: `},
		{"unreachable facet row", "[{value: 老, when: age >= 60}]", "[{value: 老, when: age >= 60}, {value: 更老, when: age >= 80}]", "the second row (value \"更老\") is unreachable"},
		{"facet gap", "    otherwise: 青\n", "", "gap: there are cases for which no row holds"},
		{"unreachable rule", "when: has('低保')", "when: has('低保') && !has('低保')", "rule poor is unreachable"},
		{"equal rank", "plans:\n", "plans:\n  other: {title: 另, match: {scheme: employee}, stages: basic, source: {document: F, article: 九}}\n", "plans other (line 32) and all are of equal rank and both match"},
		{"unreachable plan", "plans:\n", "plans:\n  other: {title: 另, match: {visit: inpatient, scheme: [employee, resident]}, stages: basic, source: {document: F, article: 九}}\n", "plan all is unreachable"},
		{"unused stage", "plans:\n", "  spare: {title: 闲, fund: pool, base: =in_scope, ratio: 1%, source: {document: F, article: 九}}\nplans:\n", "stage spare is unreachable: no plan uses it"},
		{"both ratio and bands", "    bands:\n", "    ratio: 50%\n    bands:\n", "stage basic needs either ratio or bands"},
		{"name twice", "  ded: {", "  ratio: {", "stands twice"},
		{"name of another", "  ded: {", "  age: {", `"age" already names something else`},
		{"inherits nobody", "version: \"1\"", "version: \"1\"\ninherits: \"000000\"", "there is no package of that region"},
		{"yaml", "classes: [低保]", "classes: [低保", "not readable as YAML"},
		{"second document", "plans:\n", "plans: {}\n---\nplans:\n", "a second document"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if !strings.Contains(sound, x.old) {
				t.Fatalf("%q is not in the sound package", x.old)
			}
			_, err := LoadFile("p.yaml", []byte(strings.Replace(sound, x.old, x.new, 1)), nil)
			var faults LoadErrors
			if !errors.As(err, &faults) {
				t.Fatalf("loaded: %v", err)
			}
			for _, f := range faults {
				if f.File != "p.yaml" || f.Line < 1 || f.Col < 1 {
					t.Errorf("no place: %v", f)
				}
				if strings.Contains(fmt.Sprintf("%d:%d: %s", f.Line, f.Col, f.Message), x.want) {
					return
				}
			}
			t.Errorf("want %q, got\n%v", x.want, err)
		})
	}
}

// TestAllFaultsAtOnce reports the faults of several files together, in order.
func TestAllFaultsAtOnce(t *testing.T) {
	spoiled := strings.NewReplacer("category: basic", "category: base", "over: 1000", "over: 2000", "has('低保')", "has('高保')", "value: 500", "value: x").Replace(sound)
	other := strings.Replace(strings.Replace(sound, "990300", "990301", 1), "version: \"1\"\n", "", 1)
	_, err := Load(fstest.MapFS{"990300/a.yaml": {Data: []byte(spoiled)}, "990301/b.yaml": {Data: []byte(other)}})
	var faults LoadErrors
	if !errors.As(err, &faults) || len(faults) < 5 {
		t.Fatalf("%v", err)
	}
	for i := 1; i < len(faults); i++ {
		a, b := faults[i-1], faults[i]
		if a.File > b.File || a.File == b.File && a.Line > b.Line {
			t.Errorf("out of order: %v before %v", a, b)
		}
	}
	if last := faults[len(faults)-1]; last.File != "990301/b.yaml" || !strings.Contains(last.Message, "version is missing") {
		t.Errorf("%v", last)
	}
}

func TestDatesOverlap(t *testing.T) {
	file := func(from, to string) *fstest.MapFile {
		s := strings.Replace(sound, "from: 2025-01-01", "from: "+from, 1)
		if to != "" {
			s = strings.Replace(s, "documents:", "to: "+to+"\ndocuments:", 1)
		}
		return &fstest.MapFile{Data: []byte(s)}
	}
	if _, err := Load(fstest.MapFS{"990300/a.yaml": file("2024-01-01", "2024-12-31"), "990300/b.yaml": file("2025-01-01", "")}); err != nil {
		t.Error(err)
	}
	s, err := Load(fstest.MapFS{"990300/a.yaml": file("2024-01-01", ""), "990300/b.yaml": file("2025-01-01", "2025-06-30")})
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[int]string{20240601: "990300/a.yaml", 20250101: "990300/b.yaml"} {
		if p, err := s.At("990300", civilDate(day)); err != nil || p.File != want {
			t.Errorf("%d: %v, %v", day, p, err)
		}
	}
	for _, day := range []int{20231231, 20250701} {
		if _, err := s.At("990300", civilDate(day)); err == nil || !strings.Contains(err.Error(), "date") {
			t.Errorf("%d: %v", day, err)
		}
	}
	_, err = Load(fstest.MapFS{"990300/a.yaml": file("2024-01-01", "2025-01-01"), "990300/b.yaml": file("2025-01-01", "")})
	if err == nil || !strings.Contains(err.Error(), "990300/b.yaml:5:7: from 2025-01-01 overlaps 990300/a.yaml") {
		t.Error(err)
	}
	if _, err := Load(fstest.MapFS{"990999/a.yaml": file("2024-01-01", "")}); err == nil || !strings.Contains(err.Error(), "the file is in the folder 990999") {
		t.Error(err)
	}
	if _, err := Load(fstest.MapFS{}); err == nil {
		t.Error("an empty folder loads")
	}
}

// TestHurtfulFiles must fail fast and say why.
func TestHurtfulFiles(t *testing.T) {
	for name, data := range map[string]string{
		"nested brackets":  strings.Repeat("[", 1<<19),
		"nested mappings":  strings.Repeat("{a: ", 200_000),
		"nested lists":     strings.Repeat("- ", 400_000) + "x",
		"too large":        "a: " + strings.Repeat("x", 2<<20),
		"broken UTF-8":     "name: \xff\xfe\n",
		"empty":            "",
		"only a comment":   "# nothing\n",
		"not a mapping":    "- 1\n- 2\n",
		"deep expression":  strings.Replace(sound, "age >= 60", strings.Repeat("(", 500)+"age"+strings.Repeat(")", 500)+" >= 60", 1),
		"long expression":  strings.Replace(sound, "age >= 60", "age >= 60"+strings.Repeat(" || age >= 60", 500), 1),
		"wide table":       strings.Replace(sound, "by: [scheme, old]", "by: [scheme, old, level, visit, filing, place, cause, insured, sex]", 1),
		"huge number":      strings.Replace(sound, "value: 500", "value: 99999999999999999999999", 1),
		"division by zero": strings.Replace(sound, "value: 500", "value: =500 / 0", 1),
	} {
		if _, err := LoadFile(name, []byte(data), nil); err == nil {
			t.Errorf("%s loads", name)
		} else if len(err.Error()) > 200_000 {
			t.Errorf("%s: the error is %d bytes long", name, len(err.Error()))
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(sound))
	for _, n := range []string{"../policies/000000/2011-07-01.yaml", "../policies/990200/2025-01-01.yaml", "testdata/shapes/19-assistance-classes-shared-limits.yaml"} {
		data, err := os.ReadFile(n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &x [*x]\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := LoadFile("fuzz.yaml", data, nil)
		var faults LoadErrors
		if err != nil && !errors.As(err, &faults) {
			t.Fatalf("an error without a place: %v", err)
		}
		if err == nil && len(s.Regions()) == 0 && s.Versions("000000") == nil {
			t.Fatal("neither a package nor an error")
		}
	})
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{"1 + 2", "nth == 1 ? 100元 : 50元", "min(95%, 75% + 0.2% * age)", "level in ['1', '2'] && !designated", "((((", "1/0", "-5 % 3", "'x' == 'y'", "clamp(1, 2)", "ytd.x", "has('低保')", "1e9", "60%%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		b := &builder{pkg: &Package{accumulators: standardAccumulators}, syms: builtins(&domain{name: "disease", values: []string{"", "other"}, labels: []string{"", ""}, open: true}), phase: phaseStages, allowed: map[string]ClassSet{"低保": 1}}
		e, err := parseExpr(src, b)
		if err != nil {
			var ee *exprError
			if !errors.As(err, &ee) || ee.pos < 0 || ee.pos > len(src) {
				t.Fatalf("%q: %v", src, err)
			}
			return
		}
		v, err := compile(e)
		if err != nil {
			return
		}
		fr := frame{present: ^uint32(0)}
		first := v.get(&fr)
		if second := v.get(&fr); first != second {
			t.Fatalf("%q gives %d and then %d", src, first, second)
		}
		if w := v.words(); e.op != "literal" && w == "" {
			t.Fatalf("%q has no words", src)
		}
	})
}

func civilDate(n int) civil.Date { return civil.Date(n) }
