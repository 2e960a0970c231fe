package bill_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// golden compares got with testdata/name, or writes it under -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

func yuan(s string) money.Fen {
	a, err := money.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

func day(s string) civil.Date {
	d, err := civil.Parse(s)
	if err != nil {
		panic(err)
	}
	return d
}

var (
	handbook = &policy.Document{
		ID: "s004", Title: "医疗保障政策知识手册", Issuer: "国家医疗保障局", Date: "2019-12-01", Grade: "S",
	}
	law = &policy.Document{
		ID: "law", Title: "中华人民共和国社会保险法", Number: "主席令第三十五号", Issuer: "全国人民代表大会常务委员会",
		Date: "2010-10-28", URL: "https://example.gov.cn/law", Grade: "A",
	}
	example = &policy.Document{ID: "x", Title: "安济示例市医疗保障待遇规定", Number: "示例〔2025〕1号", Date: "2025-01-01", Grade: "X"}

	basicFund        = &policy.Fund{ID: "basic", Title: "职工基本医疗保险统筹基金", Category: policy.Basic, Code: "310100"}
	catastrophicFund = &policy.Fund{ID: "catastrophic", Title: "城乡居民大病保险资金", Category: policy.Catastrophic}
	assistanceFund   = &policy.Fund{ID: "assistance", Title: "医疗救助基金", Category: policy.Assistance}

	basicStage        = &policy.Stage{ID: "basic", Title: "住院统筹支付"}
	catastrophicStage = &policy.Stage{ID: "catastrophic", Title: "大病保险"}
	assistanceStage   = &policy.Stage{ID: "assistance", Title: "医疗救助"}
	accountStage      = &policy.Stage{ID: "account", Title: "个人账户"}
)

func at(d *policy.Document, article string) []*policy.Source {
	return []*policy.Source{{Document: d, Article: article}}
}

// sample is a settlement made by hand.
type sample struct {
	name  string
	c     policy.Case
	r     policy.Result
	steps []policy.Step
}

func samples() []*sample { return []*sample{question33(), threeFunds(), refused(), limited()} }

// question33 is the handbook's worked example: question 33.
func question33() *sample {
	s := &sample{name: "handbook"}
	s.c = policy.Case{
		Region: "990200", CareRegion: "990100", Filing: policy.Filed, Date: day("2025-06-01"), Level: policy.Level2, Visit: policy.Inpatient,
		Lines: []policy.Line{
			{Name: "诊疗服务", Class: policy.ClassA, Amount: yuan("2000"), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling},
			{Name: "甲类药品", Class: policy.ClassA, Amount: yuan("3000"), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling},
			{Name: "乙类药品", Class: policy.ClassB, Amount: yuan("5000"), FirstPay: money.Percent(10), Ceiling: policy.NoCeiling},
		},
	}
	s.r = policy.Result{
		Total: yuan("10000"), FirstOwnPay: yuan("500"), InScope: yuan("9500"),
		Deductible: yuan("1300"), Ratio: money.Percent(80), FundTotal: yuan("6560"), Person: yuan("3440"), Cash: yuan("3440"),
		Lines: []policy.LineSplit{
			{InScope: yuan("2000")}, {InScope: yuan("3000")}, {FirstOwnPay: yuan("500"), InScope: yuan("4500")},
		},
		Package:   &policy.Package{Region: "990200", Name: "手册示例县", Version: "1", From: day("2025-01-01")},
		Plan:      &policy.Plan{ID: "inpatient", Title: "职工住院"},
		NumStages: 1,
	}
	s.r.Fund[policy.Basic] = yuan("6560")
	s.r.StagePays[0] = policy.StagePay{Stage: basicStage, Fund: basicFund, Base: yuan("9500"), Deductible: yuan("1300"), Payable: money.Max, Paid: yuan("6560")}
	q := at(handbook, "问题三十三")
	s.steps = []policy.Step{
		{Kind: policy.StepTotal, What: "医疗费总额 10,000.00 元", Amount: yuan("10000"), Rest: yuan("10000")},
		{Kind: policy.StepFirstOwnPay, Title: "乙类先行自付", What: "乙类药品先由个人自付 10%", Base: yuan("5000"), Rate: money.Percent(10), HasRate: true, Amount: yuan("500"), Rest: yuan("10000"), Sources: q},
		{Kind: policy.StepInScope, What: "政策范围内费用 9,500.00 元", Amount: yuan("9500"), Rest: yuan("10000")},
		{Kind: policy.StepDeductible, Stage: "basic", Title: "住院起付标准", What: "起付标准 1,300.00 元由个人负担", Base: yuan("9500"), Amount: yuan("1300"), Rest: yuan("10000"), Sources: q},
		{Kind: policy.StepBand, Stage: "basic", Title: "住院统筹支付", What: "8200.00元 × 80% ＝ 6560.00元", Formula: "「住院统筹支付比例」", Base: yuan("8200"), Rate: money.Percent(80), HasRate: true, Amount: yuan("6560"), Rest: yuan("3440"), Sources: q},
		{Kind: policy.StepPay, Stage: "basic", Title: "职工基本医疗保险统筹基金", What: "住院统筹支付：6560.00元", Amount: yuan("6560"), Rest: yuan("3440"), Sources: q},
		{Kind: policy.StepCash, What: "个人现金支付 3,440.00 元", Amount: yuan("3440"), Rest: yuan("3440")},
	}
	return s
}

// threeFunds has a basic, a catastrophic and an assistance payment, the last
// of which covers the deductible in part, and an account shared by a family.
func threeFunds() *sample {
	s := &sample{name: "three-funds"}
	s.c = policy.Case{
		Region: "990100", Date: day("2025-09-30"), Level: policy.Level3, Visit: policy.Inpatient, Disease: "",
		Lines: []policy.Line{
			{Name: "靶向药 <进口> & 耗材", Class: policy.ClassB, Amount: yuan("120000"), FirstPay: money.Percent(10), Ceiling: yuan("110000")},
			{Name: "膳食费", Class: policy.ClassC, Amount: yuan("800.55"), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling},
		},
	}
	// In scope 99000; basic (99000 − 800) × 85 % = 83470; left 15530 with
	// 4470 of the year before, past the threshold of 10000: 10000 at 60 %.
	// Assistance 95 % of the 9530 left: 9053.50, which leaves 476.50.
	s.r = policy.Result{
		Total: yuan("120800.55"), FullOwnPay: yuan("800.55"), OverCeiling: yuan("10000"), FirstOwnPay: yuan("11000"), InScope: yuan("99000"),
		Deductible: yuan("800"), Ratio: money.Percent(85), FundTotal: yuan("98523.50"),
		Person: yuan("22277.05"), Account: yuan("1734.56"), FamilyAccount: yuan("500"), Cash: yuan("20542.49"),
		Lines: []policy.LineSplit{
			{OverCeiling: yuan("10000"), FirstOwnPay: yuan("11000"), InScope: yuan("99000")}, {FullOwnPay: yuan("800.55")},
		},
		Package:   &policy.Package{Region: "990100", Name: "安济示例市", Version: "2025.1", From: day("2025-01-01"), To: day("2025-12-31")},
		Plan:      &policy.Plan{ID: "inpatient", Title: "职工住院"},
		NumStages: 4,
	}
	s.r.Fund[policy.Basic], s.r.Fund[policy.Catastrophic], s.r.Fund[policy.Assistance] = yuan("83470"), yuan("6000"), yuan("9053.50")
	s.r.StagePays[0] = policy.StagePay{Stage: basicStage, Fund: basicFund, Base: yuan("99000"), Deductible: yuan("800"), Paid: yuan("83470")}
	s.r.StagePays[1] = policy.StagePay{Stage: catastrophicStage, Fund: catastrophicFund, Base: yuan("15530"), Deductible: yuan("5530"), Paid: yuan("6000")}
	s.r.StagePays[2] = policy.StagePay{Stage: assistanceStage, Fund: assistanceFund, Base: yuan("9530"), Paid: yuan("9053.50")}
	s.r.StagePays[3] = policy.StagePay{Stage: accountStage, Base: yuan("22277.05"), Paid: yuan("1734.56")}
	x := at(example, "第五条")
	s.steps = []policy.Step{
		{Kind: policy.StepTotal, What: "医疗费总额", Amount: yuan("120800.55"), Rest: yuan("120800.55")},
		{Kind: policy.StepRule, Title: "就医地目录、参保地政策", What: "本次在参保地就医，目录与待遇均按参保地执行", Sources: at(example, "第三条")},
		{Kind: policy.StepFullOwnPay, What: "目录外费用由个人负担", Amount: yuan("800.55"), Sources: at(law, "第二十八条")},
		{Kind: policy.StepOverCeiling, What: "超过限价的部分由个人负担", Amount: yuan("10000"), Sources: x},
		{Kind: policy.StepFirstOwnPay, What: "乙类先行自付", Base: yuan("110000"), Rate: money.Percent(10), HasRate: true, Amount: yuan("11000"), Sources: x},
		{Kind: policy.StepInScope, What: "政策范围内费用", Amount: yuan("99000")},
		{Kind: policy.StepDeductible, Stage: "basic", Title: "三级医院起付标准", What: "起付标准 800.00 元", Amount: yuan("800"), Sources: at(example, "第六条")},
		{Kind: policy.StepBand, Stage: "basic", Title: "起付标准以上", Base: yuan("98200"), Rate: money.Percent(85), HasRate: true, Amount: yuan("83470"), Sources: at(example, "第六条")},
		{Kind: policy.StepPay, Stage: "basic", Title: "职工基本医疗保险统筹基金", What: "统筹基金支付 83,470.00 元", Amount: yuan("83470"), Sources: x},
		{Kind: policy.StepDeductible, Stage: "catastrophic", Title: "大病保险起付线", What: "年度起付线 10,000.00 元，此前已累计 4,470.00 元", Amount: yuan("5530"), Sources: at(example, "第九条")},
		{Kind: policy.StepBand, Stage: "catastrophic", Title: "大病保险", What: "第一段：0元至30,000元（起付标准以上）的部分 10000.00元 × 60% ＝ 6000.00元", Base: yuan("10000"), Rate: money.Percent(60), HasRate: true, Amount: yuan("6000"), Sources: at(example, "第九条")},
		{Kind: policy.StepPay, Stage: "catastrophic", Title: "大病保险资金", What: "大病保险支付 6,000.00 元", Amount: yuan("6000")},
		{Kind: policy.StepBand, Stage: "assistance", Title: "救助比例", Base: yuan("9530"), Rate: money.Percent(95), HasRate: true, Amount: yuan("9053.50"), Sources: at(example, "第十二条")},
		{Kind: policy.StepPay, Stage: "assistance", Title: "医疗救助", What: "医疗救助支付 9,053.50 元", Amount: yuan("9053.50")},
		{Kind: policy.StepAccount, Stage: "account", Title: "个人账户", What: "个人账户支付 1,734.56 元", Amount: yuan("1734.56")},
		{Kind: policy.StepCash, What: "个人现金支付 20,542.49 元", Amount: yuan("20542.49")},
	}
	return s
}

// refused is a case that the law excludes: a third party is liable.
func refused() *sample {
	s := &sample{name: "refused"}
	s.c = policy.Case{
		Region: "990100", Date: day("2025-03-08"), Level: policy.Level3, Visit: policy.Emergency, Cause: policy.ThirdParty,
		Lines: []policy.Line{{Name: "清创缝合", Class: policy.ClassA, Amount: yuan("1860"), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}},
	}
	ground := at(law, "第三十条第一款第二项")
	s.r = policy.Result{
		Refused: true, Reason: "应当由第三人负担的医疗费用，不纳入基本医疗保险基金支付范围（社会保险法第三十条）。", Source: ground[0],
		Total: yuan("1860"), InScope: yuan("1860"), Person: yuan("1860"), Cash: yuan("1860"),
		Lines:   []policy.LineSplit{{InScope: yuan("1860")}},
		Package: &policy.Package{Region: "990100", Name: "安济示例市", Version: "2025.1", From: day("2025-01-01"), To: day("2025-12-31")},
	}
	s.steps = []policy.Step{
		{Kind: policy.StepTotal, What: "医疗费总额", Amount: yuan("1860"), Rest: yuan("1860")},
		{Kind: policy.StepRule, Title: "第三人责任", What: s.r.Reason, Sources: ground},
		{Kind: policy.StepCash, What: "个人现金支付", Amount: yuan("1860"), Rest: yuan("1860")},
	}
	return s
}

// limited is an outpatient visit past the yearly limit, paid in advance for a
// third party who cannot be found.
func limited() *sample {
	s := &sample{name: "limit"}
	s.c = policy.Case{
		Region: "990100", Date: day("2025-11-11"), Level: policy.Primary, Visit: policy.Outpatient, Retired: true, Cause: policy.ThirdPartyMissing,
		Lines: []policy.Line{{Name: "门诊检查", Class: policy.ClassA, Amount: yuan("1000"), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}},
	}
	ground := at(law, "第三十条第二款")
	s.r = policy.Result{
		Reason: "第三人不支付或者无法确定第三人，由基本医疗保险基金先行支付。", Source: ground[0], Recourse: true,
		Total: yuan("1000"), InScope: yuan("1000"), Deductible: yuan("100"), Ratio: money.Percent(85),
		FundTotal: yuan("0.10"), Person: yuan("999.90"), Cash: yuan("999.90"),
		Lines:     []policy.LineSplit{{InScope: yuan("1000")}},
		Package:   &policy.Package{Region: "990100", Name: "安济示例市", Version: "2025.1", From: day("2025-01-01")},
		Plan:      &policy.Plan{ID: "outpatient", Title: "职工门诊统筹"},
		NumStages: 1,
	}
	s.r.Fund[policy.Basic] = yuan("0.10")
	st := &policy.Stage{ID: "basic", Title: "门诊统筹支付"}
	s.r.StagePays[0] = policy.StagePay{Stage: st, Fund: basicFund, Base: yuan("1000"), Deductible: yuan("100"), Payable: yuan("0.10"), Paid: yuan("0.10")}
	s.steps = []policy.Step{
		{Kind: policy.StepTotal, What: "医疗费总额", Amount: yuan("1000")},
		{Kind: policy.StepInScope, What: "政策范围内费用", Amount: yuan("1000")},
		{Kind: policy.StepDeductible, Stage: "basic", Title: "门诊年度起付标准", What: "年度起付标准 100.00 元", Amount: yuan("100"), Sources: at(example, "第七条")},
		{Kind: policy.StepBand, Stage: "basic", Title: "基层医疗机构（退休）", Base: yuan("900"), Rate: money.Percent(85), HasRate: true, Amount: yuan("765"), Sources: at(example, "第七条")},
		{Kind: policy.StepLimit, Stage: "basic", Title: "门诊统筹年度支付限额", What: "年度限额 2,000.00 元，此前已支付 1,999.90 元", Amount: yuan("764.90"), Sources: at(example, "第八条")},
		{Kind: policy.StepPay, Stage: "basic", Title: "职工基本医疗保险统筹基金", What: "门诊统筹支付 0.10 元", Amount: yuan("0.10")},
		{Kind: policy.StepCash, What: "个人现金支付 999.90 元", Amount: yuan("999.90")},
	}
	return s
}

func TestGolden(t *testing.T) {
	for _, s := range samples() {
		for _, lang := range []bill.Lang{bill.Chinese, bill.English} {
			t.Run(s.name+"/"+string(lang), func(t *testing.T) {
				b := bill.New(lang, &s.c, &s.r, s.steps)
				base := s.name + "." + string(lang)
				golden(t, base+".txt", bill.Text(b, 80))
				golden(t, base+".svg", bill.SVG(b, "w"))
				data, err := json.MarshalIndent(b, "", "\t")
				if err != nil {
					t.Fatal(err)
				}
				golden(t, base+".json", string(data)+"\n")
			})
		}
	}
}

// TestTextFits checks that no line is wider than asked for, at several
// widths, and that amounts end at the right edge.
func TestTextFits(t *testing.T) {
	amount := regexp.MustCompile(`\d\.\d\d( 元)?$`)
	for _, s := range samples() {
		for _, lang := range []bill.Lang{bill.Chinese, bill.English} {
			for _, width := range []int{50, 64, 80, 100} {
				b := bill.New(lang, &s.c, &s.r, s.steps)
				figures := 0
				for _, line := range strings.Split(bill.Text(b, width), "\n") {
					n := (&runewidth.Condition{}).StringWidth(line)
					if n > width {
						t.Errorf("%s %s: %d cells in a text of %d: %q", s.name, lang, n, width, line)
					}
					if strings.HasPrefix(line, "■") && amount.MatchString(line) {
						figures++
						if n != width {
							t.Errorf("%s %s: amount ends at %d, not %d: %q", s.name, lang, n, width, line)
						}
					}
				}
				if figures < 3 {
					t.Errorf("%s %s: only %d sections with an amount", s.name, lang, figures)
				}
			}
		}
	}
}

// TestSVGIsSafe checks that the drawing is well formed, says itself in words,
// and holds nothing a strict content security policy would stop.
func TestSVGIsSafe(t *testing.T) {
	for _, s := range samples() {
		svg := bill.SVG(bill.New(bill.Chinese, &s.c, &s.r, s.steps), "x")
		seen := map[string]int{}
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v in\n%s", s.name, err, svg)
			}
			el, ok := tok.(xml.StartElement)
			if !ok {
				continue
			}
			seen[el.Name.Local]++
			for _, a := range el.Attr {
				if name := a.Name.Local; name == "style" || name == "href" || strings.HasPrefix(name, "on") {
					t.Errorf("%s: <%s> has %s", s.name, el.Name.Local, name)
				}
			}
		}
		if seen["script"]+seen["style"]+seen["image"] != 0 {
			t.Errorf("%s: elements %v", s.name, seen)
		}
		if seen["desc"] != 1 || seen["title"] < 1 || !strings.Contains(svg, `role="img"`) || !strings.Contains(svg, `aria-labelledby="x-title x-desc"`) {
			t.Errorf("%s: not described: %v", s.name, seen)
		}
	}
}

// TestWithoutSteps checks that a bill without an explanation still has every
// amount, and a section for each fund.
func TestWithoutSteps(t *testing.T) {
	s := threeFunds()
	b := bill.New(bill.Chinese, &s.c, &s.r, nil)
	got := map[string]money.Fen{}
	for _, sec := range b.Sections {
		got[sec.ID] = sec.Amount
	}
	for id, want := range map[string]money.Fen{
		"split": yuan("120800.55"), "deductible": yuan("800"), "stage:basic": yuan("83470"), "stage:catastrophic": yuan("6000"),
		"stage:assistance": yuan("9053.50"), "person": yuan("22277.05"), "account": yuan("1734.56"), "cash": yuan("20542.49"),
	} {
		if got[id] != want {
			t.Errorf("section %s: %s, want %s", id, got[id], want)
		}
	}
	if len(b.Notes) != 0 {
		t.Errorf("sources out of nothing: %v", b.Notes)
	}
}
