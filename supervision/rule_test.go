package supervision

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

const (
	here, there = "H1", "H2"
	monday      = civil.Date(20250616)
	tuesday     = civil.Date(20250617)
)

// ruleOf loads one rule of the shape with the parameters.
func ruleOf(t testing.TB, shape, parameters string) Rules {
	t.Helper()
	kind := ItemKind
	if shape == "elsewhere" || shape == "readmission" {
		kind = VisitKind
	}
	rules, err := Load(fstest.MapFS{"one.yaml": {Data: fmt.Appendf(nil,
		"rules: [{code: R1, title: 规则, severity: likely, kind: %s, basis: {document: 文件, article: 第一条}, shape: %s%s}]", kind, shape, parameters)}})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// ordered is a current order of whole units on Monday.
func ordered(id, item string, n int64, amount money.Fen) Order {
	return Order{ID: id, Item: item, Name: "名" + item, From: monday, Quantity: catalogue.Quantity(n * 10_000), Amount: amount, Current: true}
}

// before makes it an order that was given before.
func (o Order) before() Order { o.Current = false; return o }

func (o Order) on(from, to civil.Date) Order { o.From, o.To = from, to; return o }

func (o Order) at(price money.Fen) Order { o.Reference = price; return o }

func (o Order) of(quantity catalogue.Quantity) Order { o.Quantity = quantity; return o }

// brief is what a finding says in short: amount, orders with their parts, and
// the other visit.
func brief(found []Finding) string {
	var out []string
	for _, f := range found {
		s := f.Amount.String()
		for _, d := range f.Details {
			s += " " + d.Order + ":" + d.Amount.String()
		}
		if f.Other != "" {
			s += " 另 " + f.Other
		}
		out = append(out, s)
	}
	return strings.Join(out, "；")
}

func TestItemRules(t *testing.T) {
	visit := func(orders ...Order) Facts {
		return Facts{Female: true, Birth: 20070616, Visit: Visit{ID: "V", Provider: here, Kind: policy.Outpatient, From: monday, To: monday, Diagnoses: []string{"J18.9", "E11.900"}, Orders: orders}}
	}
	male := func(f Facts) Facts { f.Female = false; return f }
	born := func(f Facts, day civil.Date) Facts { f.Birth = day; return f }
	stay := func(f Facts) Facts { f.Visit.Kind = policy.Inpatient; return f }
	a := ordered("a", "A", 1, 1000)
	for _, c := range []struct {
		name, shape, parameters string
		facts                   Facts
		want                    string
	}{
		{"the sex that may", "sex", ", items: [A], sex: F", visit(a), ""},
		{"the other sex", "sex", ", items: [A], sex: M", visit(a), "10.00 a:10.00"},
		{"a man for women's", "sex", ", items: [A], sex: F", male(visit(a)), "10.00 a:10.00"},
		{"another item", "sex", ", items: [B], sex: M", visit(a), ""},
		{"an order given before", "sex", ", items: [A], sex: M", visit(a.before()), ""},
		{"an order that takes back", "sex", ", items: [A], sex: M", visit(ordered("a", "A", -1, -1000)), ""},
		{"two rows of two items", "sex", ", items: [A, B], sex: M", visit(ordered("c", "B", 1, 7), ordered("b", "A", 2, 2000), a), "30.00 a:10.00 b:20.00；0.07 c:0.07"},

		{"the birthday", "age", ", items: [A], min_age: 18", visit(a), ""},
		{"a day before the birthday", "age", ", items: [A], min_age: 18", born(visit(a), 20070617), "10.00 a:10.00"},
		{"the last day of the oldest age", "age", ", items: [A], max_age: 17", born(visit(a), 20070617), ""},
		{"past the oldest age", "age", ", items: [A], max_age: 17", visit(a), "10.00 a:10.00"},
		{"between", "age", ", items: [A], min_age: 18, max_age: 18", visit(a), ""},
		{"the age on the day of the order", "age", ", items: [A], min_age: 18", born(visit(a.on(tuesday, tuesday)), 20070617), ""},
		{"no birthday known", "age", ", items: [A], min_age: 18", born(visit(a), 0), ""},

		{"a kind that may", "visit_kind", ", items: [A], visit_kinds: [outpatient, chronic]", visit(a), ""},
		{"a kind that may not", "visit_kind", ", items: [A], visit_kinds: [outpatient, chronic]", stay(visit(a)), "10.00 a:10.00"},

		{"a diagnosis of the prefix", "diagnosis", ", items: [A], diagnoses: [E10, E11]", visit(a), ""},
		{"a diagnosis that is the prefix", "diagnosis", ", items: [A], diagnoses: [E11.900]", visit(a), ""},
		{"no diagnosis of the prefix", "diagnosis", ", items: [A], diagnoses: [E11.9001, 11]", visit(a), "10.00 a:10.00"},

		{"the limit of a day", "daily_quantity", ", items: [A], limit: 2.5", visit(a.of(25_000)), ""},
		{"above the limit by the least", "daily_quantity", ", items: [A], limit: 2.5", visit(a.of(25_001)), "0.00 a:0.00"},
		{"twice the limit", "daily_quantity", ", items: [A], limit: 2.5", visit(a.of(50_000)), "5.00 a:5.00"},
		{"two rows together", "daily_quantity", ", items: [A], limit: 3", visit(ordered("b", "A", 2, 600), ordered("a", "A", 2, 400)), "3.00 b:3.00"},
		{"all three rows are too much", "daily_quantity", ", items: [A], limit: 1", visit(ordered("a", "A", 2, 600), ordered("b", "A", 2, 400), ordered("c", "A", 1, 1)), "7.01 a:3.00 b:4.00 c:0.01"},
		{"what came before is not at fault", "daily_quantity", ", items: [A], limit: 2", visit(ordered("b", "A", 1, 100), ordered("a", "A", 4, 400).before()), "1.00 b:1.00"},
		{"nothing current", "daily_quantity", ", items: [A], limit: 2", visit(ordered("a", "A", 4, 400).before()), ""},
		{"taken back in part", "daily_quantity", ", items: [A], limit: 2", visit(ordered("a", "A", 4, 400), ordered("b", "A", -2, -200).before()), ""},
		{"two days", "daily_quantity", ", items: [A], limit: 1", visit(a, ordered("b", "A", 1, 1000).on(tuesday, 0)), ""},
		{"two items", "daily_quantity", ", items: [A, B], limit: 1", visit(a, ordered("b", "B", 1, 1000)), ""},
		{"an order of two days within", "daily_quantity", ", items: [A], limit: 2", visit(ordered("a", "A", 4, 400).on(monday, tuesday)), ""},
		{"an order of two days above", "daily_quantity", ", items: [A], limit: 2", visit(ordered("a", "A", 5, 500).on(monday, tuesday)), "1.00 a:1.00"},

		{"charged once", "daily_repeat", ", items: [A]", visit(a), ""},
		{"charged twice", "daily_repeat", ", items: [A]", visit(ordered("b", "A", 1, 900), a), "9.00 b:9.00"},
		{"charged twice on two days", "daily_repeat", ", items: [A]", visit(a, ordered("b", "A", 1, 900).on(tuesday, tuesday)), ""},
		{"charged twice and taken back", "daily_repeat", ", items: [A]", visit(a, ordered("b", "A", 1, 900), ordered("c", "A", -1, -900)), ""},
		{"again after before", "daily_repeat", ", items: [A]", visit(a, ordered("b", "A", 1, 900).before(), ordered("c", "A", 1, 900).before()), "10.00 a:10.00"},
		{"before only", "daily_repeat", ", items: [A]", visit(a.before(), ordered("b", "A", 1, 900).before()), ""},

		{"one of two", "exclusive", ", items: [A, B]", visit(a, ordered("c", "C", 1, 1)), ""},
		{"both", "exclusive", ", items: [A, B]", visit(a, ordered("b", "B", 1, 999)), "9.99 a:0.00 b:9.99"},
		{"both of one amount", "exclusive", ", items: [A, B]", visit(ordered("b", "B", 1, 1000), a), "10.00 a:0.00 b:10.00"},
		{"the dearer came later", "exclusive", ", items: [A, B]", visit(a.before(), ordered("b", "B", 1, 1001)), "10.00 a:10.00 b:0.00"},
		{"on two days", "exclusive", ", items: [A, B]", visit(a, ordered("b", "B", 1, 999).on(tuesday, 0)), ""},
		{"one taken back", "exclusive", ", items: [A, B]", visit(a, ordered("b", "B", 1, 999), ordered("c", "B", -1, -999)), ""},
		{"both before", "exclusive", ", items: [A, B]", visit(a.before(), ordered("b", "B", 1, 999).before()), ""},

		{"the multiple itself", "price_multiple", ", items: [A], multiple: 1.5", visit(ordered("a", "A", 2, 3000).at(1000)), ""},
		{"a fen above the multiple", "price_multiple", ", items: [A], multiple: 1.5", visit(ordered("a", "A", 2, 3001).at(1000)), "0.01 a:0.01"},
		{"no catalogue price", "price_multiple", ", items: [A], multiple: 1.5", visit(ordered("a", "A", 2, 3001)), ""},
		{"the largest amounts", "price_multiple", ", items: [A], multiple: 1000", visit(ordered("a", "A", 999_999, money.Max).at(money.Max)), ""},
	} {
		found := ruleOf(t, c.shape, c.parameters).Judge(c.facts)
		if got := brief(found); got != c.want {
			t.Errorf("%s, %s: got %q, want %q", c.shape, c.name, got, c.want)
		}
		for _, f := range found {
			if f.Rule != "R1" || f.Title != "规则" || f.Severity != Likely || f.Kind != ItemKind || f.Basis != (Basis{"文件", "第一条"}) || !f.Computed || f.Visit != "V" || !strings.Contains(f.Text, "名") {
				t.Errorf("%s, %s: %+v", c.shape, c.name, f)
			}
		}
	}
}

func TestVisitRules(t *testing.T) {
	stay := func(id, provider string, from, to civil.Date) Visit {
		return Visit{ID: id, Provider: provider, Kind: policy.Inpatient, From: from, To: to, Diagnosis: "J18.9"}
	}
	clinic := func(id, provider string, day civil.Date) Visit {
		return Visit{ID: id, Provider: provider, Kind: policy.Outpatient, From: day, Diagnosis: "J18.9"}
	}
	with := func(v Visit, diagnosis string) Visit { v.Diagnosis = diagnosis; return v }
	for _, c := range []struct {
		name, shape, parameters string
		visit                   Visit
		others                  []Visit
		want                    string
	}{
		{"during a stay elsewhere", "elsewhere", "", clinic("V", here, 20250605), []Visit{stay("S", there, 20250601, 20250610)}, "0.00 :0.00 另 S"},
		{"during a stay here", "elsewhere", "", clinic("V", here, 20250605), []Visit{stay("S", here, 20250601, 20250610)}, ""},
		{"on the day of the admission", "elsewhere", "", clinic("V", here, 20250601), []Visit{stay("S", there, 20250601, 20250610)}, ""},
		{"the day after the admission", "elsewhere", "", clinic("V", here, 20250602), []Visit{stay("S", there, 20250601, 20250610)}, "0.00 :0.00 另 S"},
		{"on the day of the discharge", "elsewhere", "", clinic("V", here, 20250610), []Visit{stay("S", there, 20250601, 20250610)}, ""},
		{"during a stay that goes on", "elsewhere", "", clinic("V", here, 20250610), []Visit{stay("S", there, 20250601, 0)}, "0.00 :0.00 另 S"},
		{"two outpatient visits", "elsewhere", "", clinic("V", here, 20250605), []Visit{clinic("S", there, 20250605)}, ""},
		{"a visit elsewhere during the stay", "elsewhere", "", stay("V", here, 20250601, 20250610), []Visit{clinic("S", there, 20250605)}, "0.00 :0.00 另 S"},
		{"two stays", "elsewhere", "", stay("V", here, 20250605, 20250612), []Visit{stay("S", there, 20250601, 20250606)}, "0.00 :0.00 另 S"},
		{"from one stay to the next", "elsewhere", "", stay("V", here, 20250606, 20250612), []Visit{stay("S", there, 20250601, 20250606)}, ""},
		{"two at once", "elsewhere", "", stay("V", here, 20250601, 0), []Visit{clinic("T", there, 20250606), clinic("S", there, 20250605)}, "0.00 :0.00 另 S；0.00 :0.00 另 T"},

		{"the last day of the gap", "readmission", ", days: 15", stay("V", here, 20250616, 0), []Visit{stay("S", here, 20250520, 20250601)}, "0.00 :0.00 另 S"},
		{"a day later", "readmission", ", days: 15", stay("V", here, 20250617, 0), []Visit{stay("S", here, 20250520, 20250601)}, ""},
		{"the same day", "readmission", ", days: 0", stay("V", here, 20250601, 0), []Visit{stay("S", here, 20250520, 20250601)}, "0.00 :0.00 另 S"},
		{"of the two before, the last", "readmission", ", days: 15", stay("V", here, 20250610, 0), []Visit{stay("S", here, 20250602, 20250605), stay("R", here, 20250520, 20250601)}, "0.00 :0.00 另 S"},
		{"another diagnosis", "readmission", ", days: 15", with(stay("V", here, 20250610, 0), "J18.0"), []Visit{stay("S", here, 20250520, 20250601)}, ""},
		{"no diagnosis", "readmission", ", days: 15", with(stay("V", here, 20250610, 0), ""), []Visit{with(stay("S", here, 20250520, 20250601), "")}, ""},
		{"at another provider", "readmission", ", days: 15", stay("V", here, 20250610, 0), []Visit{stay("S", there, 20250520, 20250601)}, ""},
		{"no stay now", "readmission", ", days: 15", clinic("V", here, 20250610), []Visit{stay("S", here, 20250520, 20250601)}, ""},
		{"no stay before", "readmission", ", days: 15", stay("V", here, 20250610, 0), []Visit{clinic("S", here, 20250601)}, ""},
		{"a stay after it", "readmission", ", days: 15", stay("V", here, 20250601, 20250605), []Visit{stay("S", here, 20250610, 20250612)}, ""},
		{"not ended", "readmission", ", days: 15", stay("V", here, 20250610, 0), []Visit{stay("S", here, 20250601, 0)}, ""},
	} {
		found := ruleOf(t, c.shape, c.parameters).Judge(Facts{Visit: c.visit, Others: c.others})
		if got := brief(found); got != c.want {
			t.Errorf("%s, %s: got %q, want %q", c.shape, c.name, got, c.want)
		}
		for _, f := range found {
			if f.Kind != VisitKind || f.Computed || strings.Contains(f.Text, there) || strings.Contains(f.Text, f.Other) {
				t.Errorf("%s, %s: %+v", c.shape, c.name, f)
			}
		}
	}
}

// Whatever the order of the rows, the same is found.
func TestOrderOfRows(t *testing.T) {
	rules, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	items := []string{"SVC990000001", "DRG990000001", "DRG990000002", "DRG990000003", "DRG990000004", "BED990000001"}
	hits := map[string]bool{}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(1, seed))
		day := func() civil.Date { return monday.AddDays(r.IntN(3)) }
		visit := func(i int) Visit {
			v := Visit{ID: fmt.Sprint("V", i), Provider: []string{here, there}[r.IntN(2)], Kind: policy.VisitKind(r.IntN(8)), From: day().AddDays(r.IntN(10) - 12), Diagnosis: []string{"", "J18.9", "E11"}[r.IntN(3)]}
			if r.IntN(4) > 0 {
				v.To = v.From.AddDays(r.IntN(8))
			}
			return v
		}
		f := Facts{Female: r.IntN(2) == 0, Birth: 20070617, Visit: visit(0)}
		f.Visit.Diagnoses = []string{f.Visit.Diagnosis}
		for i := range 2 + r.IntN(6) {
			f.Others = append(f.Others, visit(i+1))
		}
		for i := range r.IntN(25) {
			// Numbers repeat, as some providers give one to a whole prescription.
			o := ordered(fmt.Sprint("o", i/2), items[r.IntN(len(items))], r.Int64N(50)-5, money.Fen(r.Int64N(9000))).at(money.Fen(r.Int64N(200)))
			o = o.on(day(), []civil.Date{0, monday.AddDays(4)}[r.IntN(2)])
			o.Current = r.IntN(3) > 0
			f.Visit.Orders = append(f.Visit.Orders, o)
		}
		want := rules.Judge(f)
		for range 4 {
			g := f
			g.Others, g.Visit.Orders = slices.Clone(f.Others), slices.Clone(f.Visit.Orders)
			r.Shuffle(len(g.Others), func(i, j int) { g.Others[i], g.Others[j] = g.Others[j], g.Others[i] })
			r.Shuffle(len(g.Visit.Orders), func(i, j int) {
				g.Visit.Orders[i], g.Visit.Orders[j] = g.Visit.Orders[j], g.Visit.Orders[i]
			})
			if got := rules.Judge(g); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: found\n%+v\nand in another order\n%+v", seed, want, got)
			}
		}
		for _, x := range want {
			hits[x.Rule] = true
			var sum money.Fen
			for _, d := range x.Details {
				sum += d.Amount
			}
			if sum != x.Amount || len(x.Details) == 0 || x.Amount < 0 {
				t.Fatalf("seed %d: the details do not make the amount: %+v", seed, x)
			}
		}
	}
	if len(hits) != len(rules) {
		t.Errorf("only these rules found anything: %v", hits)
	}
}

// A text that would be too long ends with dots.
func TestLongText(t *testing.T) {
	o := ordered("a", "A", 1, 1)
	o.Name = strings.Repeat("长", 600)
	found := ruleOf(t, "sex", ", items: [A], sex: F").Judge(Facts{Visit: Visit{Orders: []Order{o}}})
	if len(found) != 1 || utf8.RuneCountInString(found[0].Text) != maxText || !strings.HasSuffix(found[0].Text, "…") {
		t.Errorf("%+v", found)
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		amount      money.Fen
		part, whole catalogue.Quantity
		want        money.Fen
	}{
		{100, 1, 3, 33}, {100, 2, 3, 67}, {1, 1, 2, 1}, {-1, 1, 2, -1}, {-100, 1, 3, -33}, {5, 0, 7, 0},
		{money.Max, 1 << 61, 1 << 61, money.Max}, {money.Max, 1, 1 << 61, 0},
	} {
		if got := share(c.amount, c.part, c.whole); got != c.want {
			t.Errorf("share(%d, %d, %d) = %d, want %d", c.amount, c.part, c.whole, got, c.want)
		}
	}
}
