package answer

import (
	"strings"
	"testing"
	"unicode"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

const today civil.Date = 20250624

func open(t *testing.T) (*Book, *policy.Store) {
	t.Helper()
	b, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return b, store
}

// text is all that an answer says.
func text(a *Answer) string {
	var b strings.Builder
	for _, x := range a.Blocks {
		for _, s := range x.Text {
			b.WriteString(s.Text)
		}
		if x.Table != nil {
			b.WriteString("\n" + x.Table.Title + "\n" + strings.Join(x.Table.Head, "|"))
			for _, r := range x.Table.Rows {
				b.WriteString("\n")
				for _, s := range r {
					b.WriteString(s.Text + "|")
				}
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestEverywhere answers every question for every region, signed in and not, in both
// languages: nothing fails, no placeholder is left, and no number stands in it that
// did not come from the package, the engine or an example.
func TestEverywhere(t *testing.T) {
	b, store := open(t)
	low, _ := store.Class("低保")
	for _, region := range store.Regions() {
		owns := []*Own{nil, {Case: policy.Case{Birth: 19560704, Retired: true}, Covered: true, Balance: 80000},
			{Case: policy.Case{Birth: 19900101, Scheme: policy.Resident, Classes: low}, Why: "未参保"}}
		for _, own := range owns {
			for _, lang := range []bill.Lang{bill.ParseLang("zh"), bill.ParseLang("en")} {
				for n := 1; n <= 44; n++ {
					a, err := b.Answer(store, n, Asker{Region: region, Day: today, Lang: lang, Own: own})
					if err != nil {
						t.Fatalf("%d in %s: %v", n, region, err)
					}
					all := text(a)
					if strings.ContainsAny(all, "{}") || strings.TrimSpace(all) == "" {
						t.Errorf("%d in %s: %s", n, region, all)
					}
					if len(a.Sources) == 0 {
						t.Errorf("%d in %s: no source", n, region)
					}
					unknown := false
					for _, x := range a.Blocks {
						spans := x.Text
						if x.Table != nil {
							for _, r := range x.Table.Rows {
								spans = append(spans, r...)
								if len(r) != len(x.Table.Head) {
									t.Errorf("%d in %s: %s: %d cells under %d heads", n, region, x.Table.Title, len(r), len(x.Table.Head))
								}
							}
						}
						for _, s := range spans {
							unknown = unknown || s.Unknown
							if !s.Figure && strings.ContainsFunc(s.Text, unicode.IsDigit) {
								t.Errorf("%d in %s: %q is a number of nowhere", n, region, s.Text)
							}
						}
					}
					if unknown != a.Unknown || unknown && len(a.Notes) == 0 {
						t.Errorf("%d in %s: unknown %t, said %t with %q", n, region, unknown, a.Unknown, a.Notes)
					}
				}
			}
		}
	}
}

// TestFigures: the handbook's own figures, and those of the example region.
func TestFigures(t *testing.T) {
	b, store := open(t)
	for _, x := range []struct {
		n      int
		region string
		want   []string
	}{
		{33, "990200", []string{"总费用|10,000.00 元", "先行自付|500.00 元", "政策范围内|9,500.00 元", "起付标准|1,300.00 元", "基本医疗保险统筹基金|6,560.00 元|", "自己付|3,440.00 元", "先行自付比例：10%"}},
		{21, "990100", []string{"在职职工", "二级|400.00 元|87%|1,648.00 元", "三级|800.00 元|85%|2,180.00 元", "退休职工", "三级|800.00 元|90%|1,720.00 元", "城乡居民", "三级|600.00 元|50%|"}},
		{1, "990100", []string{"成年居民|个人|400.00 元／年", "|财政补助|670.00 元／年", "学生儿童|个人|300.00 元／年"}},
		{3, "990100", []string{"男 25 年", "女 20 年", "单位职工|单位|320.00 元／月", "|个人|80.00 元／月"}},
		{12, "990100", []string{"起付标准|100.00 元|0.00 元", "统筹基金|0.00 元|55.00 元", "在职职工，一年最多支付", "门诊统筹年度限额|2,000.00 元"}},
		{13, "990100", []string{"普通居民|20,000.00 元|60%–80%|600,000.00 元", "低保|10,000.00 元|65%–85%|不限", "医疗救助"}},
		{14, "990100", []string{"统筹基金|6,612.00 元|6,992.00 元|4,620.00 元"}},
		{15, "990100", []string{"统筹基金|6,120.00 元|6,120.00 元"}},
		{16, "990100", []string{"不予支付", "第三十条", "自己付|5,000.00 元"}},
		{18, "990100", []string{"先行支付", "追偿"}},
		{22, "990100", []string{"居民没有个人账户", "100.00 元", "配偶、父母、子女"}},
		{27, "110000", []string{"2 个工作日"}},
		{31, "990100", []string{"北京市", "重庆市", "西藏自治区"}},
		{38, "990100", []string{"特困|个人|0.00 元／年", "|医疗救助资助|400.00 元／年", "低保|个人|200.00 元／年", "|医疗救助资助|200.00 元／年"}},
		{39, "990100", []string{"返贫致贫|70%|30,000.00 元", "返贫致贫|7,000.00 元|5,000.00 元", "特困|10,000.00 元|5,000.00 元"}},
		{41, "990100", []string{"H7|", "P4|", "I2|", "A3|"}},
		{42, "990100", []string{"15 个工作日", "30 个工作日", "匿名"}},
		{43, "990100", []string{"查实 1,000,000.00 元，奖励 20,000.00 元", "查实 5,000,000.00 元，奖励 100,000.00 元", "没有查实，奖励 0.00 元"}},
		{43, "310000", []string{"奖励 尚不掌握"}},
		{9, "990100", []string{"参保地|85%|", "外省，没有备案|75%|", "外省，急诊|85%|"}},
		{6, "990100", []string{"年度封顶线|480,000.00 元", "非定点机构：不予支付"}},
	} {
		a, err := b.Answer(store, x.n, Asker{Region: x.region, Day: today})
		if err != nil {
			t.Errorf("%d in %s: %v", x.n, x.region, err)
			continue
		}
		all := text(a)
		for _, want := range x.want {
			if !strings.Contains(all, want) {
				t.Errorf("%d in %s: no %q in\n%s", x.n, x.region, want, all)
			}
		}
	}
}

// TestOwn: who is signed in sees their own figures, and no other's.
func TestOwn(t *testing.T) {
	b, store := open(t)
	own := &Own{Case: policy.Case{Scheme: policy.Employee, Retired: true, Birth: 19560704}, Covered: true, Balance: 80000, Filings: []string{"上海市，自 2025-01-01 起长期"}}
	own.Case.YearToDate[policy.AccDeductible] = 4000
	own.Case.YearToDate[policy.AccOutpatientFund] = 50000
	for n, want := range map[int]string{22: "您的账户余额：800.00 元", 12: "还剩：60.00 元", 27: "上海市，自 2025-01-01", 6: "今天看病可以报销"} {
		a, err := b.Answer(store, n, Asker{Region: "990100", Day: today, Own: own})
		if err != nil || !strings.Contains(text(a), want) {
			t.Errorf("%d: no %q in %s, %v", n, want, text(a), err)
		}
	}
	a, err := b.Answer(store, 21, Asker{Region: "990100", Day: today, Own: own})
	if err != nil || strings.Contains(text(a), "居民") || !strings.Contains(text(a), "三级|800.00 元|90%") {
		t.Errorf("%v %s", err, text(a))
	}
	a, err = b.Answer(store, 6, Asker{Region: "990100", Day: today, Own: own})
	if err != nil || !strings.Contains(text(a), "门诊统筹年度限额|2,000.00 元|1,500.00 元") {
		t.Errorf("%v %s", err, text(a))
	}
}

func TestLoadRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"groups: [{id: a, zh: 甲, en: A}]\nquestions: [{n: 1, group: a, zh: 问, en: Q, parts: [{zh: 付 80 元, en: pays}]}]":           "a number stands",
		"groups: [{id: a, zh: 甲, en: A}]\nquestions: [{n: 1, group: a, zh: 问, en: Q, parts: [{zh: '{nothing}', en: pays}]}]":      "no placeholder",
		"groups: [{id: a, zh: 甲, en: A}]\nquestions: [{n: 1, group: a, zh: 问, en: Q, parts: [{zh: 只有中文}]}]":                       "missing in one language",
		"groups: [{id: a, zh: 甲, en: A}]\nquestions: [{n: 1, group: b, zh: 问, en: Q, parts: [{show: levels}]}]":                   "no group",
		"groups: [{id: a, zh: 甲, en: A}]\nquestions: [{n: 1, group: a, zh: 问, en: Q, parts: [{show: magic}]}]":                    "nothing is shown",
		"groups: [{id: a, zh: 甲, en: A}]\nquestions: [{n: 1, group: a, zh: 问, en: Q, parts: [{zh: '{region', en: pays}]}]":        "not closed",
		"groups: [{id: a, zh: 甲, en: A}]\nquestions: [{n: 1, group: a, zh: 问, en: Q}, {n: 1, group: a, zh: 问, en: Q, parts: []}]": "stands twice",
		"group: x": "not found",
	} {
		if _, err := parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}

func TestSearch(t *testing.T) {
	b, _ := open(t)
	for q, want := range map[string]int{"逃逸": 18, "老郭": 33, "REWARD amount": 43, "集采 质量": 34, "起付线": 12} {
		found := false
		for _, x := range b.Search(q) {
			found = found || x.N == want
		}
		if !found {
			t.Errorf("%s does not find %d", q, want)
		}
	}
	if got := b.Search("没有这样的词"); len(got) > 0 {
		t.Errorf("%v", got[0].Zh)
	}
	if got := b.Search(" "); got != nil {
		t.Errorf("nothing asked finds %d", len(got))
	}
	n := 0
	for _, g := range b.Groups {
		n += len(g.Questions)
	}
	if n != 44 || b.Find(45) != nil || b.Find(44) == nil {
		t.Errorf("%d questions", n)
	}
}
