package portal_test

import (
	"context"
	"fmt"
	"html/template"
	"time"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/portal"
)

// records are settlements and packages held in memory.
type records struct {
	settled  []*portal.Settled
	packages []*portal.ExplainedPackage
	err      error // answered by Recent, if set
}

func (m *records) Recent(_ context.Context, n int) ([]portal.Row, error) {
	var rows []portal.Row
	for _, s := range m.settled[:min(n, len(m.settled))] {
		rows = append(rows, portal.Row{
			ID: s.ID, Time: s.Time, Name: s.Name, Provider: s.Provider, Visit: s.Case.Visit,
			Total: s.Result.Total, Fund: s.Result.FundTotal, Person: s.Result.Person,
			Refused: s.Result.Refused, Reversed: s.Reversed,
		})
	}
	return rows, m.err
}

func (m *records) Get(_ context.Context, id string) (*portal.Settled, error) {
	for _, s := range m.settled {
		if s.ID == id {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no settlement %s: %w", id, portal.ErrNotFound)
}

func (m *records) List(context.Context) ([]portal.PackageRow, error) {
	var rows []portal.PackageRow
	for _, p := range m.packages {
		rows = append(rows, p.PackageRow)
	}
	return rows, nil
}

func (m *records) Explain(_ context.Context, region string, _ bill.Lang) (*portal.ExplainedPackage, error) {
	for _, p := range m.packages {
		if p.Region == region {
			return p, nil
		}
	}
	return nil, portal.ErrNotFound
}

func yuan(s string) money.Fen {
	a, err := money.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

const (
	percent80 = 80_000_000
	percent10 = 10_000_000
)

// sample holds the handbook's example, a long bill paid by three funds from
// two accounts, a refusal, and a reversed visit at a pharmacy.
func sample() *records {
	law := &policy.Document{
		ID: "law", Title: "中华人民共和国社会保险法", Number: "主席令第三十五号", Issuer: "全国人民代表大会常务委员会",
		Date: "2010-10-28", URL: "https://example.gov.cn/law", Grade: "A",
	}
	rules := &policy.Document{
		ID: "x", Title: "安济示例市基本医疗保险、大病保险和医疗救助待遇规定", Number: "示例〔2025〕1号", Issuer: "安济示例市医疗保障局",
		Date: "2025-01-01", Grade: "X",
	}
	handbook := &policy.Document{ID: "s004", Title: "医疗保障政策知识手册", Issuer: "国家医疗保障局", Date: "2019-12-01", Grade: "S"}
	at := func(d *policy.Document, article string) []*policy.Source {
		return []*policy.Source{{Document: d, Article: article}}
	}
	city := &policy.Package{Region: "990100", Name: "安济示例市", Version: "2025.1", From: civil.New(2025, 1, 1)}
	county := &policy.Package{Region: "990200", Name: "手册示例县", Version: "1.0", From: civil.New(2025, 1, 1), To: civil.New(2025, 12, 31)}
	stage := func(id, title string, c policy.Category, paid money.Fen) policy.StagePay {
		return policy.StagePay{Stage: &policy.Stage{ID: id, Title: title}, Fund: &policy.Fund{ID: id, Title: title, Category: c}, Paid: paid}
	}
	line := func(name string, class policy.LineClass, amount string) policy.Line {
		return policy.Line{Name: name, Class: class, Amount: yuan(amount), FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}
	}
	moment := time.Date(2025, 6, 1, 2, 30, 0, 0, time.UTC)

	q33 := &portal.Settled{
		ID: "S2025060100000001", Time: moment, Name: "老郭", CitizenID: "990100198808080412", Provider: "手册示例县医院",
		Case: &policy.Case{
			Region: "990200", Date: civil.New(2025, 6, 1), Visit: policy.Inpatient, Level: policy.Level2,
			Lines: []policy.Line{line("诊疗服务", policy.ClassA, "2000"), line("甲类药品", policy.ClassA, "3000"), line("乙类药品", policy.ClassB, "5000")},
		},
		Result: &policy.Result{
			Total: yuan("10000"), FirstOwnPay: yuan("500"), InScope: yuan("9500"), Deductible: yuan("1300"), Ratio: percent80,
			FundTotal: yuan("6560"), Person: yuan("3440"), Cash: yuan("3440"), NumStages: 1,
			Lines:   []policy.LineSplit{{InScope: yuan("2000")}, {InScope: yuan("3000")}, {FirstOwnPay: yuan("500"), InScope: yuan("4500")}},
			Package: county, Plan: &policy.Plan{ID: "inpatient", Title: "职工住院"},
		},
		Steps: []policy.Step{
			{Kind: policy.StepFirstOwnPay, What: "乙类药品先由个人自付一成", Base: yuan("5000"), Rate: percent10, HasRate: true, Amount: yuan("500"), Sources: at(handbook, "问题三十三")},
			{Kind: policy.StepDeductible, Stage: "basic", Title: "住院起付标准", What: "每次住院先由个人负担", Amount: yuan("1300"), Sources: at(handbook, "问题三十三")},
			{Kind: policy.StepBand, Stage: "basic", Title: "统筹支付比例", Base: yuan("8200"), Rate: percent80, HasRate: true, Amount: yuan("6560"), Sources: at(handbook, "问题三十三")},
		},
	}
	q33.Result.StagePays[0] = stage("basic", "住院统筹支付", policy.Basic, yuan("6560"))

	long := &portal.Settled{
		ID: "S2025060100000002", Time: moment.Add(-3 * time.Hour), Name: "孙敏之", CitizenID: "990100197108150227", Provider: "安济示例市人民医院",
		Case: &policy.Case{
			Region: "990100", CareRegion: "500000", Filing: policy.Referred, Date: civil.New(2025, 5, 31), Visit: policy.Inpatient, Level: policy.Level3,
			Lines: []policy.Line{line("注射用<示例>单抗 & 辅料", policy.ClassB, "1200000"), line("膳食费", policy.ClassC, "800.55")},
		},
		Result: &policy.Result{
			Total: yuan("1200800.55"), FullOwnPay: yuan("800.55"), OverCeiling: yuan("100000"), FirstOwnPay: yuan("110000"), InScope: yuan("990000"),
			Deductible: yuan("800"), Ratio: percent80, FundTotal: yuan("900000"), Person: yuan("300800.55"),
			Account: yuan("1734.56"), FamilyAccount: yuan("500"), Cash: yuan("299065.99"), NumStages: 3,
			Lines:   []policy.LineSplit{{OverCeiling: yuan("100000"), FirstOwnPay: yuan("110000"), InScope: yuan("990000")}, {FullOwnPay: yuan("800.55")}},
			Package: city, Plan: &policy.Plan{ID: "inpatient", Title: "职工住院"},
		},
		Steps: []policy.Step{
			{Kind: policy.StepRule, Title: "就医地目录、参保地政策", What: "目录与限价按就医地，起付标准、比例和封顶线按参保地。", Sources: at(rules, "第三条")},
			{Kind: policy.StepDeductible, Stage: "basic", Title: "三级医院起付标准", Amount: yuan("800"), Sources: at(rules, "第六条")},
			{Kind: policy.StepBand, Stage: "basic", Title: "起付标准以上部分", Base: yuan("989200"), Rate: percent80, HasRate: true, Amount: yuan("791360"), Sources: append(at(rules, "第六条"), at(law, "第二十九条")...)},
			{Kind: policy.StepLimit, Stage: "basic", Title: "统筹基金年度最高支付限额", What: "年度限额 480,000.00 元", Amount: yuan("311360"), Sources: at(rules, "第八条")},
			{Kind: policy.StepPay, Stage: "basic", Title: "住院统筹支付", What: "统筹基金支付 480,000.00 元", Amount: yuan("480000")},
			{Kind: policy.StepBand, Stage: "large", Title: "八万元以上部分", Base: yuan("500000"), Rate: percent80, HasRate: true, Amount: yuan("400000"), Sources: at(rules, "第九条")},
		},
	}
	long.Result.StagePays[0] = stage("basic", "住院统筹支付", policy.Basic, yuan("480000"))
	long.Result.StagePays[1] = stage("large", "职工大额医疗费用补助（含大病保险二次报销）", policy.LargeAmount, yuan("400000"))
	long.Result.StagePays[2] = stage("assistance", "医疗救助", policy.Assistance, yuan("20000"))

	ground := at(law, "第三十条第一款第二项")
	refusal := &portal.Settled{
		ID: "S2025060100000003", Time: moment.Add(-26 * time.Hour), Name: "王平", CitizenID: "990100199001010119", Provider: "安济示例仁和医院",
		Case: &policy.Case{
			Region: "990100", Date: civil.New(2025, 5, 30), Visit: policy.Emergency, Level: policy.Level3, Scheme: policy.Resident,
			Lines: []policy.Line{line("清创缝合", policy.ClassA, "1860")},
		},
		Result: &policy.Result{
			Refused: true, Reason: "应当由第三人负担的医疗费用，不纳入基本医疗保险基金支付范围。", Source: ground[0],
			Total: yuan("1860"), InScope: yuan("1860"), Person: yuan("1860"), Cash: yuan("1860"),
			Lines: []policy.LineSplit{{InScope: yuan("1860")}}, Package: city,
		},
	}

	pharmacy := &portal.Settled{
		ID: "S2025060100000004", Time: moment.Add(-50 * time.Hour), Name: "张安", CitizenID: "990100198503120014", Provider: "示例大药房", Reversed: true,
		Case: &policy.Case{
			Region: "990100", Date: civil.New(2025, 5, 29), Visit: policy.PharmacyVisit, ProviderKind: policy.Pharmacy,
			Lines: []policy.Line{line("感冒清热颗粒", policy.ClassA, "36.80")},
		},
		Result: &policy.Result{
			Total: yuan("36.80"), InScope: yuan("36.80"), Person: yuan("36.80"), Account: yuan("36.80"),
			Lines: []policy.LineSplit{{InScope: yuan("36.80")}}, Package: city, Plan: &policy.Plan{ID: "pharmacy", Title: "职工药店购药"},
		},
	}

	return &records{
		settled: []*portal.Settled{q33, long, refusal, pharmacy},
		packages: []*portal.ExplainedPackage{
			{
				PackageRow: portal.PackageRow{Region: "990100", Name: "安济示例市", Version: "2025.1", From: city.From, Note: "示例数据，非真实政策"},
				HTML: template.HTML(`<h2>职工住院</h2><p>按出院日适用；每次住院一个起付标准。</p><table><thead><tr><th scope="col">医疗机构</th>` +
					`<th scope="col">起付标准</th><th scope="col">在职</th><th scope="col">退休</th></tr></thead><tbody><tr><td>一级及以下</td>` +
					`<td>200 元</td><td>90%</td><td>95%</td></tr><tr><td>三级</td><td>800 元</td><td>85%</td><td>90%</td></tr></tbody></table>` +
					`<h3>依据</h3><ul><li>《安济示例市待遇规定》第六条</li></ul>`),
			},
			{
				PackageRow: portal.PackageRow{Region: "990200", Name: "手册示例县", Version: "1.0", From: county.From, To: county.To, Note: "示例数据，非真实政策"},
				HTML:       template.HTML(`<h2>职工住院</h2><p>起付标准 1300 元，支付比例 80%。</p>`),
			},
		},
	}
}

func config(m *records) portal.Config {
	return portal.Config{
		Settlements: m, Packages: m, Synthetic: true,
		HIS: portal.HIS{
			Address: "http://localhost:8080/his",
			Sample:  `{"infno":"9001","msgid":"H99010000101202506010830000001","mdtrtarea_admvs":"990100","input":{"signIn":{"opter_no":"1"}}}`,
		},
	}
}
