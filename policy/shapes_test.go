package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/policy"
)

// shapePrelude is what every package needs and no shape is about.
const shapePrelude = `format: 1
region: "990300"
name: 形态
version: "1"
from: 2020-01-01
documents:
  F: {title: 医保政策事实与参数, grade: B}
funds:
  pooled: {title: 统筹基金, category: basic, code: "310100", source: {document: F, article: 示例}}
  civil: {title: 公务员医疗补助, category: civil_servant, code: "320100", source: {document: F, article: 示例}}
  large: {title: 大额补助, category: large_amount, code: "330100", source: {document: F, article: 示例}}
  major: {title: 大病保险, category: catastrophic, code: "390200", source: {document: F, article: 示例}}
  aid: {title: 医疗救助, category: assistance, code: "610100", source: {document: F, article: 示例}}
  care: {title: 长护、生育, category: other, code: "410100", source: {document: F, article: 示例}}
`

// loadShape reads a file of testdata/shapes: a package without its prelude,
// and after a line "--- cases" what it must give.
func loadShape(t *testing.T, file string) (*policy.Store, []calc.Example) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, cases, ok := strings.Cut(string(data), "\n--- cases\n")
	if !ok {
		t.Fatalf("%s has no cases", file)
	}
	store, err := policy.LoadFile(file, []byte(shapePrelude+head+"\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	examples, err := calc.ParseExamples(file, []byte(cases))
	if err != nil {
		t.Fatal(err)
	}
	return store, examples
}

// TestShapes proves by small packages that the format expresses every shape of
// rule that the facts know; docs/policy-format.md lists them.
func TestShapes(t *testing.T) {
	files, err := filepath.Glob("testdata/shapes/*.yaml")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d shapes, %v", len(files), err)
	}
	doc, err := os.ReadFile("../docs/policy-format.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		t.Run(name, func(t *testing.T) {
			store, examples := loadShape(t, f)
			d := calc.NewDecoder(store)
			for i := range examples {
				e := &examples[i]
				e.Region = "990300"
				if err := e.Run(store, d); err != nil {
					t.Errorf("%s: %v", e.Name, err)
				}
			}
			if !strings.Contains(string(doc), name) {
				t.Errorf("docs/policy-format.md does not mention %s", name)
			}
		})
	}
}

// TestProviderPayment shows DRG payment as a formula of the package.
func TestProviderPayment(t *testing.T) {
	store, _ := loadShape(t, "testdata/shapes/29-several-versions-of-payment.yaml")
	p, err := store.At("990300", 20250601)
	if err != nil {
		t.Fatal(err)
	}
	for cost, want := range map[string]string{"9000.00": "9600.00", "30000.00": "20400.00", "3000.00": "3000.00"} {
		c := policy.Case{Region: "990300", Date: civil.Date(20250601), Level: policy.Level3}
		for name, v := range map[string]string{"weight": "0.8", "cost": cost} {
			slot := p.FactSlot(name)
			n, err := p.ParseFact(slot, v)
			if err != nil {
				t.Fatal(err)
			}
			c.Facts[slot] = n
			c.FactsSet |= 1 << slot
		}
		items, err := store.Assess(policy.ProviderPayment, &c)
		if err != nil || len(items) != 1 || items[0].Amount.String() != want {
			t.Errorf("cost %s: %+v, %v; want %s", cost, items, err, want)
		}
	}
}
