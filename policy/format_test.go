package policy

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"

	"github.com/anji-platform/anji/policies"
)

// shippedFiles calls f for every package and case file that ships.
func shippedFiles(t *testing.T, f func(name string, data []byte)) {
	t.Helper()
	for _, pattern := range []string{"*/*.yaml", "*/cases/*.yaml"} {
		names, err := fs.Glob(policies.FS, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			data, err := policies.FS.ReadFile(n)
			if err != nil {
				t.Fatal(err)
			}
			f(n, data)
		}
	}
}

func TestFormatShippedFiles(t *testing.T) {
	shippedFiles(t, func(name string, data []byte) {
		once, err := Format(name, data)
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		twice, err := Format(name, once)
		if err != nil {
			t.Errorf("again: %v", err)
		} else if !bytes.Equal(once, twice) {
			t.Errorf("%s: formatting twice is not formatting once", name)
		}
	})
}

// TestFormatKeepsMeaning: the formatted packages compile to the same.
func TestFormatKeepsMeaning(t *testing.T) {
	before := shipped(t)
	var files []File
	shippedFiles(t, func(name string, data []byte) {
		if strings.Contains(name, "/cases/") {
			return
		}
		out, err := Format(name, data)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{name, out})
	})
	after, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range append([]string{"000000"}, before.Regions()...) {
		for i, a := range before.Versions(region) {
			b := after.Versions(region)[i]
			if d := Compare(a, b); len(d) != 0 {
				t.Errorf("%s: formatting changes %v", a.File, d)
			}
			if a.Markdown() != b.Markdown() {
				t.Errorf("%s: formatting changes the document", a.File)
			}
		}
	}
}

func TestFormat(t *testing.T) {
	const head = "format: 1\nregion: \"990100\"\n"
	for _, tt := range []struct{ name, in, want string }{
		{"indent and quotes", "format: 1\nregion:   '990100'\nname: \"甲\"\nclasses:\n    - '特困'\n    -   低保\n",
			head + "name: 甲\n\nclasses:\n  - 特困\n  - 低保\n"},
		{"order of keys", "region: \"990100\"\nname: 甲\nformat: 1\n", head + "name: 甲\n"},
		{"order where a comment stands", "region: \"990100\"\n# 名\nname: 甲\nformat: 1\n", "region: \"990100\"\n# 名\nname: 甲\nformat: 1\n"},
		{"line comments move along", "region: \"990100\" # 区\nformat: 1\n", "format: 1\nregion: \"990100\" # 区\n"},
		{"blank lines between sections", head + "documents:\n  法: {grade: A, title: 法}\nclasses: [甲]\nrules:\n  a:\n    title: 甲\n",
			head + "\ndocuments:\n  法: {title: 法, grade: A}\n\nclasses: [甲]\n\nrules:\n  a:\n    title: 甲\n"},
		{"blank lines inside stay, one by one", head + "\n\nparameters:\n  a:\n    title: 甲\n\n\n  # 二\n  b:\n    title: 乙\n",
			head + "\nparameters:\n  a:\n    title: 甲\n\n  # 二\n  b:\n    title: 乙\n"},
		{"quotes that are needed", head + "name: 'a: b'\nversion: \"1\"\nsummary: \"!x\"\n", head + "name: \"a: b\"\nversion: \"1\"\nsummary: \"!x\"\n"},
		{"quotes in quotes", head + "name: \"a: \\\"b\\\"\"\n", head + "name: 'a: \"b\"'\n"},
		{"folded text", head + "summary: >-\n  一二三。\n  四五六。\n", head + "summary: >-\n  一二三。 四五六。\n"},
		{"literal text", head + "summary: |\n    一\n    二\n", head + "summary: |\n  一\n  二\n"},
		{"flow too long", head + "classes: [" + strings.Repeat("特别困难的人员类别, ", 9) + "末]\n",
			head + "\nclasses:\n" + strings.Repeat("  - 特别困难的人员类别\n", 9) + "  - 末\n"},
		{"flow over lines", head + "classes: [甲,\n  乙]\n", head + "classes: [甲, 乙]\n"},
		{"comment inside flow", head + "classes: [甲, # 一\n  乙]\n", head + "\nclasses:\n  - 甲 # 一\n  - 乙\n"},
		{"head of the file", "# 说明\n\n# 又\n" + head, "# 说明\n\n# 又\n" + head},
		{"cases", "- expect: {basic: \"1.00\"}\n  name: 一\n\n- name: 二\n  case: {visit: {kind: inpatient}, date: 2025-06-01}\n",
			"- name: 一\n  expect: {basic: \"1.00\"}\n\n- name: 二\n  case: {date: 2025-06-01, visit: {kind: inpatient}}\n"},
		{"cases in blocks", "-  name: 一\n   case:\n       lines:\n       - {class: 甲, amount: '10.00'}\n       date: 2025-06-01\n",
			"- name: 一\n  case:\n    date: 2025-06-01\n    lines:\n      - {class: 甲, amount: \"10.00\"}\n"},
	} {
		got, err := Format("f.yaml", []byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := tt.want
		if string(got) != want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, want)
		}
	}
}

func TestFormatRefuses(t *testing.T) {
	const head = "format: 1\nregion: \"990100\"\n"
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", "f.yaml:1:1"},
		{"not YAML", "a: [", "f.yaml:"},
		{"neither package nor cases", "a: 1\n", "neither a package"},
		{"a text", "hello\n", "neither a package"},
		{"anchor", head + "name: &a 甲\n", "f.yaml:3: anchors"},
		{"alias", head + "name: &a 甲\nversion: *a\n", "f.yaml:3: anchors"},
		{"tag", head + "name: !!binary 5w==\n", "f.yaml:3: tags"},
		{"key that is a list", head + "? [a]\n: b\n", "f.yaml:3: a key"},
		{"two documents", head + "---\na: 1\n", "second document"},
		{"not UTF-8", head + "name: \xff\n", "UTF-8"},
	} {
		out, err := Format("f.yaml", []byte(tt.in))
		if err == nil {
			t.Errorf("%s: formatted to %q", tt.name, out)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: the error is %q, want %q", tt.name, err, tt.want)
		}
	}
}

// FuzzFormat: whatever is formatted at all is formatted once and for all.
// That the meaning stays is checked by Format itself.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{
		"format: 1\nregion: \"990100\"\n# c\nname: a # b\n\nclasses: [a, 'b: c', \"*\"] # d\nsummary: >-\n  a b\n  c\n# e\n",
		"- # x\n  name: a\n  # y\n- {name: b, case: {}}\n- - a\n  -\n    - b\n",
		"format: 1\nregion: r\nx:\n  # h\n  - |\n   a\n\n   b\n  # f\n\ny: !!str z\n? a\n: b\n",
		"format: 1\nregion: r\nx: {a: [1, {b: c}], # k\n  d: ''}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := Format("f", data)
		if err != nil {
			return
		}
		twice, err := Format("f", once)
		if err != nil {
			t.Fatalf("%q is formatted to %q, which is refused: %v", data, once, err)
		}
		if !bytes.Equal(once, twice) {
			t.Fatalf("%q is formatted to\n%q, and that to\n%q", data, once, twice)
		}
	})
}
