package policy

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestMarkdownGolden(t *testing.T) {
	golden(t, "explain/990100.md", shipped(t).Versions("990100")[0].Markdown())
}

func TestHTMLGolden(t *testing.T) {
	golden(t, "explain/990200.html", shipped(t).Versions("990200")[0].HTMLPage())
}

// everySource lists the grounds of everything in the package.
func everySource(p *Package) []*Source {
	var out []*Source
	for _, e := range p.entities() {
		out = append(out, e.sources...)
		for _, a := range e.aspects {
			out = append(out, a.sources...)
		}
	}
	return out
}

func TestDocumentTellsEverything(t *testing.T) {
	for _, p := range shippedPackages(t) {
		text, page := p.Markdown(), string(p.HTML())
		told := func(what, s string) {
			if !strings.Contains(text, s) {
				t.Errorf("%s: the document does not tell %s %q", p.File, what, s)
			}
		}
		numbers := map[*Document]int{}
		for i, d := range p.Documents {
			numbers[d] = i + 1
			told("the document", markdownText(d.Title))
			told("the number of a document", markdownText(flow(d.Number)))
			told("the address of a document", markdownAddress(d.URL))
		}
		for _, s := range everySource(p) {
			told("the source", "["+markdownText(itoa(numbers[s.Document])+" "+s.Article)+"]")
		}
		for _, q := range p.params {
			told("the parameter", markdownText(q.title))
			for i := range q.cells {
				told("a value of "+q.title, markdownText(q.cell(int64(i))))
			}
		}
		for _, pl := range p.plans {
			told("the plan", "### "+markdownText(pl.Title)+"\n")
		}
		for _, s := range p.stages {
			told("the stage", "．"+markdownText(s.Title)+" [")
		}
		for _, a := range p.assessments {
			told("the assessment", markdownText(a.Title))
		}
		for _, g := range p.Gaps() {
			told("a gap", markdownText(g.Need))
		}
		for q := p; q != nil; q = q.base {
			for _, r := range q.rules {
				told("the rule", markdownText(r.title))
				told("the reason", markdownText(flow(r.reason)))
			}
		}
		checkFragment(t, p.File, page)
	}
}

func itoa(n int) string {
	digits := ""
	for ; n > 0; n /= 10 {
		digits = string(rune('0'+n%10)) + digits
	}
	return digits
}

// checkFragment checks that the fragment is well-formed, brings no styles or
// scripts and does not skip levels of headings, and that every reference leads
// somewhere.
func checkFragment(t *testing.T, file, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader("<div>" + page + "</div>"))
	ids, refs := map[string]bool{}, map[string]bool{}
	level := byte('1')
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: the page is not well-formed: %v", file, err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if n := e.Name.Local; len(n) == 2 && n[0] == 'h' {
			if n[1] > level+1 {
				t.Errorf("%s: %s follows h%c", file, n, level)
			}
			level = n[1]
		}
		if n := e.Name.Local; n == "script" || n == "style" || n == "h1" {
			t.Errorf("%s: the fragment holds %s", file, n)
		}
		for _, a := range e.Attr {
			switch {
			case a.Name.Local == "id":
				ids[a.Value] = true
			case a.Name.Local == "href" && strings.HasPrefix(a.Value, "#"):
				refs[a.Value[1:]] = true
			case a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on"):
				t.Errorf("%s: attribute %s", file, a.Name.Local)
			}
		}
	}
	for r := range refs {
		if !ids[r] {
			t.Errorf("%s: the reference to %s leads nowhere", file, r)
		}
	}
}

func TestDocumentEscapes(t *testing.T) {
	s := shipped(t)
	p := edited(t, s, "title: 住院支付比例", `title: "<script>alert(1)</script> *[x](javascript:y)* | a_b"`,
		"grade: X}", `grade: X, url: "javascript:alert(2)", note: "<b>&amp;"}`)
	page := p.HTMLPage()
	for _, bad := range []string{"<script", "href=\"javascript", "<b>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	text := p.Markdown()
	if want := `\<script\>alert(1)\</script\> \*\[x\](javascript:y)\* \| a\_b`; !strings.Contains(text, want) {
		t.Errorf("the text does not hold %q", want)
	}
}

// TestStagesInPlans: the same stage reads differently in each plan.
func TestStagesInPlans(t *testing.T) {
	text := shipped(t).Versions("990100")[0].Markdown()
	plans := strings.Split(text, "\n### ")
	find := func(title string) string {
		for _, p := range plans {
			if strings.HasPrefix(p, title+"\n") {
				return p
			}
		}
		t.Fatalf("no plan %s", title)
		return ""
	}
	for _, tt := range []struct{ plan, want, not string }{
		{"职工住院", "在职（基层、一级 90%，二级 87%，三级 85%），退休（基层、一级 95%，二级 92%，三级 90%）", "65%"},
		{"居民住院（含生育住院）", "「住院支付比例」：基层、一级 65%，二级 60%，三级 50%", "95%"},
		{"职工住院", "政策范围内费用 － 住院统筹支付的支付额", "生育住院统筹支付"},
		{"职工生育住院", "政策范围内费用 － 生育住院统筹支付的支付额", "－ 住院统筹支付"},
		{"职工住院", "**由谁支付**：职工基本医疗保险统筹基金", "城乡居民"},
		{"居民药店购药（家庭共济账户或个人现金支付）", "家庭共济账户支付", "职工基本医疗保险统筹基金"},
	} {
		got := find(tt.plan)
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s does not say %q", tt.plan, tt.want)
		}
		if strings.Contains(got, tt.not) {
			t.Errorf("%s says %q", tt.plan, tt.not)
		}
	}
}

func TestGaps(t *testing.T) {
	s := shipped(t)
	if g := s.Versions("990100")[0].Gaps(); len(g) != 0 {
		t.Errorf("990100 has gaps: %v", g)
	}
	p := edited(t, s,
		"employee: {primary|1: 200, 2: 400, 3: 800}", "employee: {primary|1: unknown, 2: 400, 3: unknown}",
		"class_b_first_pay: 10%", "class_b_first_pay: unknown",
		"stages: account_pharmacy\n    accumulate: {in_scope: in_scope}", "unknown: 药店办法没有找到",
		"  # 药店：目录外（丙类）由现金支付\n  account_pharmacy:\n    title: 个人账户支付\n    account: own_and_family\n    base: =person - full_own_pay\n    source:\n      - {document: 种子002, article: 药店个账（S2-42）}\n      - {document: 示例办法, article: 第四条}\n", "")
	var got []string
	for _, g := range p.Gaps() {
		got = append(got, g.Title+"|"+g.Where+"|"+g.Note)
	}
	want := "乙类先行自付比例||费用行写明比例的不受影响; 住院起付标准|职工、基层／一级／三级|; 职工药店购药||药店办法没有找到"
	if strings.Join(got, "; ") != want {
		t.Errorf("gaps\n got %s\nwant %s", strings.Join(got, "; "), want)
	}
	text := p.Markdown()
	for _, want := range []string{"本文有 3 处数字尚不掌握", "基层、一级、三级 尚不掌握，二级 400元", "**尚不掌握**：药店办法没有找到", "需要规定「住院起付标准」（职工、基层／一级／三级）的正式文件"} {
		if !strings.Contains(text, want) {
			t.Errorf("the document does not say %q", want)
		}
	}
}

func TestGrid(t *testing.T) {
	scheme := gridDim{"险种", []string{"职工", "居民"}}
	level := gridDim{"等级", []string{"一", "二", "三"}}
	for _, tt := range []struct {
		name   string
		g      grid
		inline string
		rows   int
	}{
		{"no category", grid{cells: []string{"5"}}, "5", 1},
		{"all alike", grid{[]gridDim{scheme, level}, []string{"5", "5", "5", "5", "5", "5"}}, "5", 1},
		{"second alike", grid{[]gridDim{scheme, level}, []string{"5", "5", "5", "6", "6", "6"}}, "职工 5，居民 6", 2},
		{"first alike", grid{[]gridDim{scheme, level}, []string{"5", "6", "5", "5", "6", "5"}}, "一、三 5，二 6", 2},
		{"mixed", grid{[]gridDim{scheme, level}, []string{"5", "6", "5", "7", "7", "7"}}, "职工（一、三 5，二 6），居民 7", 3},
		{"nothing admitted", grid{[]gridDim{{"空", nil}}, nil}, "", 0},
	} {
		if got := tt.g.inline(); got != tt.inline {
			t.Errorf("%s: inline is %q, want %q", tt.name, got, tt.inline)
		}
		if got := len(tt.g.rows()); got != tt.rows {
			t.Errorf("%s: %d rows, want %d", tt.name, got, tt.rows)
		}
	}
}
