package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

// yuanCase is a case of the example region with one line of class A.
func yuanCase(name string, yuan int64, change func(*Case)) ReplayCase {
	c := &Case{Region: "990100", Date: civil.New(2025, 6, 1), Visit: Inpatient, Level: Level3,
		Lines: []Line{{Class: ClassA, Amount: money.Fen(yuan * 100), FirstPay: FirstPayUnstated, Ceiling: NoCeiling}}}
	if change != nil {
		change(c)
	}
	return ReplayCase{Name: name, A: c, B: c}
}

// The cases, and what they come to under 990100 as it ships:
//
//	employee, level 3:  (10000 − 800) × 85% = 7820; person 2180
//	employee, level 1:  (10000 − 200) × 90% = 8820; person 1180
//	resident, level 3:  (10000 − 600) × 50% = 4700; person 5300
//	maternity:          5000 × 100% = 5000; person 0
//	outpatient, 3:      (1000 − 100) × 60% = 540; person 460
func diffCases() []ReplayCase {
	return []ReplayCase{
		yuanCase("职工三级住院", 10000, nil),
		yuanCase("职工一级住院", 10000, func(c *Case) { c.Level = Level1 }),
		yuanCase("居民三级住院", 10000, func(c *Case) { c.Scheme = Resident }),
		yuanCase("职工生育住院", 5000, func(c *Case) { c.Visit = Maternity }),
		yuanCase("职工三级门诊", 1000, func(c *Case) { c.Visit = Outpatient }),
	}
}

const maternityStage = `  basic_maternity:
    title: 生育住院统筹支付
    role: basic
    fund: pooled_employee
    base: =in_scope
    ratio: =100% - unfiled_cut
    limits:
      - {title: 年度封顶线, amount: =annual_cap, used: basic_fund, source: {document: 问答手册4, article: 问题六}}
    accumulate: {basic_fund: paid}
    source: {document: 示例办法, article: 第十一条}
`

const maternityPlan = `  employee_maternity:
    title: 职工生育住院
    match: {scheme: employee, visit: maternity}
    stages: [basic_maternity, catastrophic, assistance, account]
    accumulate: {in_scope: in_scope}
    source: {document: 示例办法, article: 第十一条}
`

func TestCompareAndReplay(t *testing.T) {
	s := shipped(t)
	a := s.Versions("990100")[0]
	fund := int64(7820 + 8820 + 4700 + 5000 + 540)
	person := int64(2180 + 1180 + 5300 + 0 + 460)
	for _, tt := range []struct {
		name       string
		edit       []string
		want       []string // every change, in order
		fundBy     int64    // by how much the funds pay more, in yuan
		gain, lose int
		largest    string
	}{
		{"deductible less a fifth",
			[]string{"employee: {primary|1: 200, 2: 400, 3: 800}", "employee: {primary|1: 160, 2: 320, 3: 640}"},
			[]string{
				"「住院起付标准」职工、基层／一级：200元 → 160元（－40元）。涉及：职工住院、居民住院（含生育住院）",
				"「住院起付标准」职工、二级：400元 → 320元（－80元）。涉及：职工住院、居民住院（含生育住院）",
				"「住院起付标准」职工、三级：800元 → 640元（－160元）。涉及：职工住院、居民住院（含生育住院）",
			},
			136 + 36, 2, 0, "职工三级住院"}, // 160 × 85% and 40 × 90%
		{"ratio two points more",
			[]string{"active: {primary|1: 90%, 2: 87%, 3: 85%}", "active: {primary|1: 92%, 2: 89%, 3: 87%}"},
			[]string{
				"「住院支付比例」职工、在职、基层／一级：90% → 92%（＋2个百分点）。涉及：职工住院、居民住院（含生育住院）、职工门诊慢特病、居民门诊慢特病",
				"「住院支付比例」职工、在职、二级：87% → 89%（＋2个百分点）。涉及：职工住院、居民住院（含生育住院）、职工门诊慢特病、居民门诊慢特病",
				"「住院支付比例」职工、在职、三级：85% → 87%（＋2个百分点）。涉及：职工住院、居民住院（含生育住院）、职工门诊慢特病、居民门诊慢特病",
			},
			184 + 196, 2, 0, "职工一级住院"}, // 9200 × 2% and 9800 × 2%
		{"plan removed",
			[]string{maternityStage, "", maternityPlan, ""},
			[]string{
				"取消「职工生育住院」：原为 适用于：险种为职工；医疗类别为生育住院；支付环节：生育住院统筹支付 → 大病保险支付 → 医疗救助支付 → 个人账户支付；计入累计：政策范围内费用计入「政策范围内费用累计」",
				"取消「生育住院统筹支付」：原为 由谁支付：职工基本医疗保险统筹基金；以何为基数：政策范围内费用；支付比例：100% － 「异地未备案降低的比例」；限额「年度封顶线」：「统筹基金年度封顶线」；已用额见「统筹基金支付累计」；计入累计：支付额计入「统筹基金支付累计」。涉及：职工生育住院",
				"「大病保险支付」以何为基数：政策范围内费用 － 住院统筹支付／门诊统筹支付／门诊慢特病统筹支付／生育住院统筹支付的支付额 → 政策范围内费用 － 住院统筹支付／门诊统筹支付／门诊慢特病统筹支付的支付额",
				"「医疗救助支付」以何为基数：",
			},
			-5000, 0, 1, "职工生育住院"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := edited(t, s, tt.edit...)
			sb := storeOf(t, s, b)
			got := Compare(a, sb.Versions("990100")[0])
			for i, w := range tt.want {
				if i >= len(got) || !strings.HasPrefix(got[i].String(), w) {
					t.Errorf("change %d is\n     %s\nwant %s", i, say(got, i), w)
				}
			}
			if len(got) != len(tt.want) {
				t.Errorf("%d changes, want %d: %v", len(got), len(tt.want), got)
			}
			m := Replay(Side{s, a}, Side{sb, sb.Versions("990100")[0]}, diffCases())
			if m.All.Cases != 5 || len(m.Skipped) != 0 {
				t.Fatalf("%d cases, skipped %v", m.All.Cases, m.Skipped)
			}
			if m.All.A.Fund != money.Fen(fund*100) || m.All.A.Person != money.Fen(person*100) {
				t.Errorf("before: fund %s person %s, want %d and %d", m.All.A.Fund, m.All.A.Person, fund, person)
			}
			if got := m.All.B.Fund - m.All.A.Fund; got != money.Fen(tt.fundBy*100) {
				t.Errorf("the funds pay %s more, want %d", got, tt.fundBy)
			}
			if m.All.B.Person-m.All.A.Person != money.Fen(-tt.fundBy*100) {
				t.Errorf("what funds pay more, persons must pay less")
			}
			if m.Gain != tt.gain || m.Lose != tt.lose || m.Same != 5-tt.gain-tt.lose {
				t.Errorf("gain %d lose %d same %d", m.Gain, m.Lose, m.Same)
			}
			if len(m.Largest) == 0 || m.Largest[0].Name != tt.largest {
				t.Errorf("largest is %v, want %s first", m.Largest, tt.largest)
			}
			checkMoney(t, m)
		})
	}
}

func say(cs []Change, i int) string {
	if i < len(cs) {
		return cs[i].String()
	}
	return "(none)"
}

// storeOf loads the package again in a store of its own.
func storeOf(t *testing.T, base *Store, p *Package) *Store {
	t.Helper()
	s, err := LoadFile("990100/draft.yaml", p.text, base)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkMoney: the groups and categories must add up to the whole.
func checkMoney(t *testing.T, m *Money) {
	t.Helper()
	for _, side := range []func(*Group) *Sums{func(g *Group) *Sums { return &g.A }, func(g *Group) *Sums { return &g.B }} {
		all, sum := side(&m.All), Sums{}
		for i := range m.Schemes {
			x := side(&m.Schemes[i])
			sum.Fund, sum.Person, sum.Account, sum.Cash, sum.Total = sum.Fund+x.Fund, sum.Person+x.Person, sum.Account+x.Account, sum.Cash+x.Cash, sum.Total+x.Total
		}
		if sum.Fund != all.Fund || sum.Person != all.Person || sum.Cash != all.Cash || sum.Account != all.Account || all.Fund+all.Person != all.Total || all.Account+all.Cash != all.Person {
			t.Errorf("the sums do not add up: %+v and %+v", sum, *all)
		}
	}
	var x, y money.Fen
	for _, c := range m.Categories {
		x, y = x+c.A, y+c.B
	}
	if x != m.All.A.Fund || y != m.All.B.Fund {
		t.Errorf("the categories come to %s and %s, the funds to %s and %s", x, y, m.All.A.Fund, m.All.B.Fund)
	}
	if m.Gain+m.Lose+m.Same != m.All.Cases {
		t.Errorf("gain, lose and same do not add up to %d", m.All.Cases)
	}
}

func TestCompareAspects(t *testing.T) {
	s := shipped(t)
	a := s.Versions("990100")[0]
	for _, tt := range []struct {
		name string
		edit []string
		want []string
	}{
		{"nothing", nil, nil},
		{"comments and order of keys only", []string{"  # 住院\n", "  # 别的话\n", "    title: 职工年平均工资\n    unit: yuan\n", "    unit: yuan\n    title: 职工年平均工资\n"}, nil},
		{"version and summary", []string{`version: "2025.1"`, `version: "2025.2"`}, []string{"「安济示例市」版本：2025.1 → 2025.2"}},
		{"start", []string{"from: 2025-01-01", "from: 2025-07-01"}, []string{"「安济示例市」期间：2025年1月1日起，至下一版本施行前 → 2025年7月1日起，至下一版本施行前"}},
		{"year rules", []string{"documents:\n", "benefit_year: {starts: 07-01, source: {document: 示例办法, article: 第一条}}\nrules_by: {day: start, source: {document: 示例办法, article: 第一条}}\nyear_crossing: {rule: split, source: {document: 示例办法, article: 第一条}}\ndocuments:\n"},
			[]string{
				"「安济示例市」适用日期：按出院日（门诊按就诊日）选用规则 → 按入院日（门诊按就诊日）选用规则",
				"「安济示例市」适用日期的依据：", // whose grounds are new
				"「安济示例市」待遇年度：自然年，1月1日至12月31日 → 7月1日至次年6月30日",
				"「安济示例市」待遇年度的依据：",
				"「安济示例市」跨年度住院：按出院所在年度整笔结算 → 按费用发生日期分到两个年度分别结算，起付标准只计一次",
				"「安济示例市」跨年度住院的依据：",
			}},
		{"figure that others come from", []string{"value: 80000", "value: 90000"},
			[]string{
				"「职工年平均工资」：80,000元 → 90,000元（＋10,000元）",
				"「统筹基金年度封顶线」职工：480,000元（＝「封顶线倍数」 × 「职工年平均工资」） → 540,000元（＝「封顶线倍数」 × 「职工年平均工资」）（＋60,000元）",
				"「职工月平均工资」：6,666.67元（＝「职工年平均工资」 ÷ 12） → 7,500元（＝「职工年平均工资」 ÷ 12）（＋833.33元）",
			}},
		{"further category", []string{"by: scheme\n    values: {employee: 2000, resident: 500}", "by: [scheme, level]\n    values: {employee: {3: 1800, \"*\": 2000}, resident: {\"*\": 500}}"},
			[]string{"「门诊统筹年度限额」职工、三级：2,000元 → 1,800元（－200元）。涉及：职工门诊、急诊、居民门诊、急诊"}},
		{"category gone", []string{"by: scheme\n    values: {employee: 2000, resident: 500}", "value: 2000"},
			[]string{"「门诊统筹年度限额」居民：500元 → 2,000元（＋1,500元）"}},
		{"unknown and unlimited", []string{"普通: 600000, 困难: unlimited", "普通: unlimited, 困难: unknown"},
			[]string{"「大病保险年度限额」居民、困难：不限 → 尚不掌握", "「大病保险年度限额」居民、普通：600,000元 → 不限"}},
		{"parameter added", []string{"  # 封顶与异地\n", "  new_share:\n    title: 新比例\n    unit: ratio\n    value: 5%\n    source: {document: 示例办法, article: 第九条}\n"},
			[]string{"新增「新比例」：单位：比例；5%"}},
		{"yearly deductible becomes one by visit", []string{"amount: =outpatient_deductible\n      borne: deductible", "amount: =outpatient_deductible"},
			[]string{"「门诊统筹支付」起付标准：门诊年度起付标准，按年累计（已负担额见「起付标准累计」）：「门诊年度起付标准」；负担额计入「起付标准累计」 → 门诊年度起付标准，每次计：「门诊年度起付标准」。涉及：职工门诊、急诊、居民门诊、急诊"}},
		{"limit gone", []string{"      - {title: 门诊统筹年度限额, amount: =outpatient_limit, used: outpatient_fund, source: {document: 种子002, article: 门诊限额（S2-08）}}\n", ""},
			[]string{"取消「门诊统筹支付」限额「门诊统筹年度限额」：原为 「门诊统筹年度限额」；已用额见「门诊统筹支付累计」"}},
		{"band and rounding", []string{"rounding: stage\n", "rounding: band\n", "{over: 80000, ratio: =80% + catastrophic_tilt}", "{over: 80000, upto: 200000, ratio: =80% + catastrophic_tilt}\n        - {over: 200000, ratio: 90%}"},
			[]string{
				"「大病保险支付」分段办法：", "「大病保险支付」第3段：80,000元以上，80% ＋ 「大病保险困难人员提高的比例」 → 80,000元以上至200,000元，80% ＋ 「大病保险困难人员提高的比例」",
				"新增「大病保险支付」第4段：200,000元以上，90%",
			}},
		{"first own pay", []string{"class_b_first_pay: 10%", "class_b_first_pay: 15%"}, []string{"「纳入范围」乙类先行自付比例：10% → 15%"}},
		{"facet", []string{"place != 'home' && filing == 'none'", "place == 'outside' && filing == 'none'"},
			[]string{"「异地未备案」第1档「未备案异地」：就医地不为参保地，且异地备案为未备案 → 就医地为跨省，且异地备案为未备案"}},
		{"rule added", []string{"stages:\n  # 住院、日间手术", "rules:\n  cosmetic:\n    title: 美容\n    when: has('特困') && visit == 'pharmacy'\n    decision: refuse\n    reason: 不属于医疗\n    source: {document: 示例办法, article: 第二条}\n\nstages:\n  # 住院、日间手术"},
			[]string{"新增「美容」：处理：不予支付；条件：属于特困，且医疗类别为药店购药；理由：不属于医疗"}},
		{"plan's match", []string{"match: {scheme: resident, visit: pharmacy}", "match: {scheme: resident, visit: pharmacy, provider: pharmacy}"},
			[]string{"「居民药店购药（家庭共济账户或个人现金支付）」适用于：险种为居民；医疗类别为药店购药 → 险种为居民；医疗类别为药店购药；机构类型为零售药店"}},
		{"assessment", []string{"    period: year\n    amount: =resident_subsidy", "    period: month\n    amount: =resident_subsidy"},
			[]string{"「居民医保财政补助」周期：每年 → 每月"}},
		{"payment window and order", []string{"window: {from: 09-10, to: 12-25}\n    year: next\n    from: year\n    source", "window: {from: 09-10, to: 12-31}\n    year: next\n    from: month_after\n    source"},
			[]string{"「集中缴费期内连续参保」缴费期：09-10 至 12-25 → 09-10 至 12-31", "「集中缴费期内连续参保」待遇起算：所缴年度的第一天 → 缴费到账的次月一日"}},
		{"document", []string{"安济示例〔2024〕1号", "安济示例〔2024〕2号"}, []string{"「安济示例市基本医疗保险示例办法」文号：安济示例〔2024〕1号 → 安济示例〔2024〕2号"}},
		{"source", []string{"value: 50%\n    source: {document: 示例办法, article: 第五条}", "value: 50%\n    source: {document: 示例办法, article: 第六条}"},
			[]string{"「年内第二次起住院起付标准的比例」依据：《安济示例市基本医疗保险示例办法》安济示例〔2024〕1号 第五条 → 《安济示例市基本医疗保险示例办法》安济示例〔2024〕1号 第六条"}},
		{"what words do not show", []string{"value: 30000\n", "value: 30_000\n"}, []string{"「医疗救助年度限额」写法（文字与数字相同）："}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Compare(a, edited(t, s, tt.edit...))
			if strings.Contains(tt.name, "document") {
				got = slices.DeleteFunc(got, func(c Change) bool { return strings.HasSuffix(c.Aspect, "依据") })
			}
			for i, w := range tt.want {
				if i >= len(got) {
					t.Errorf("missing: %s", w)
				} else if !strings.Contains(got[i].String(), w) {
					t.Errorf("change %d is\n     %s\nwant %s", i, got[i].String(), w)
				}
			}
			for i := len(tt.want); i < len(got); i++ {
				t.Errorf("unexpected: %s", got[i].String())
			}
		})
	}
}

func TestCompareWithItself(t *testing.T) {
	ps := shippedPackages(t)
	for _, p := range ps {
		if got := Compare(p, p); len(got) != 0 {
			t.Errorf("%s differs from itself: %v", p.File, got)
		}
	}
	for i := range ps[:len(ps)-1] { // packages as different as can be: in a fixed order, without a panic
		x, y := Compare(ps[i], ps[i+1]), Compare(ps[i], ps[i+1])
		if fmt.Sprint(x) != fmt.Sprint(y) {
			t.Errorf("the comparison of %s and %s is not the same twice", ps[i].File, ps[i+1].File)
		}
	}
}

// TestNothingGoesUntold changes every value of the example package in turn:
// where the package still loads, the comparison must say something.
func TestNothingGoesUntold(t *testing.T) {
	s := shipped(t)
	a := s.Versions("990100")[0]
	var doc yaml.Node
	if err := yaml.Unmarshal(a.text, &doc); err != nil {
		t.Fatal(err)
	}
	tried, loaded := 0, 0
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		if n.Kind == yaml.ScalarNode {
			old := *n
			for _, v := range mutations(n.Value) {
				n.Value, n.Tag, n.Style = v, "!!str", yaml.DoubleQuotedStyle
				text, err := yaml.Marshal(&doc)
				if err != nil {
					t.Fatal(err)
				}
				tried++
				if b, err := tryLoad(s, string(text)); err == nil {
					loaded++
					if len(Compare(a, b)) == 0 {
						t.Errorf("%s from %q to %q goes untold", path, old.Value, v)
					}
				}
			}
			*n = old
			return
		}
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode {
				if i%2 == 1 {
					walk(c, path+"."+n.Content[i-1].Value)
				}
				continue
			}
			walk(c, path+"["+strconv.Itoa(i)+"]")
		}
	}
	walk(&doc, "")
	if loaded < 200 {
		t.Errorf("only %d of %d changed packages load; the test has lost its grip", loaded, tried)
	}
}

// mutations are other values that may stand in the place of one.
func mutations(v string) []string {
	digits := strings.TrimSuffix(v, "%")
	if n, err := strconv.Atoi(digits); err == nil {
		return []string{strconv.Itoa(n+1) + v[len(digits):]}
	}
	for _, group := range [][]string{{"true", "false"}, {"month", "year", "case"}, {"stage", "band"}, {"own_and_family", "own", "family"}, {"threshold", "zero"}, {"paid", "base"}, {"person", "government"}, {"yuan", "count", "ratio"}} {
		if i := slices.Index(group, v); i >= 0 {
			return []string{group[(i+1)%len(group)]}
		}
	}
	if rest, ok := strings.CutPrefix(v, "=in_scope"); ok {
		return []string{"=total" + rest}
	}
	return []string{v + "改"}
}

func TestReplaySkips(t *testing.T) {
	s := shipped(t)
	a := s.Versions("990100")[0]
	other := yuanCase("别的地方", 100, func(c *Case) { c.Region = "990200" })
	none := yuanCase("没有政策的日子", 100, func(c *Case) { c.Date = civil.New(2001, 1, 1) })
	unread := ReplayCase{Name: "读不出", Err: fmt.Errorf("第 3 行有误")}
	m := Replay(Side{s, a}, Side{s, a}, []ReplayCase{other, none, unread, yuanCase("好", 100, nil)})
	if m.All.Cases != 1 || m.Same != 1 || len(m.Skipped) != 3 {
		t.Fatalf("%+v", m)
	}
	for i, want := range []string{"990200 的另一版本", "没有政策包", "第 3 行有误"} {
		if !strings.Contains(m.Skipped[i].Reason, want) {
			t.Errorf("skipped because %q, want %q", m.Skipped[i].Reason, want)
		}
	}
}

func TestDifferenceDocument(t *testing.T) {
	s := shipped(t)
	a := s.Versions("990100")[0]
	b := edited(t, s, maternityStage, "", maternityPlan, "", "active: {primary|1: 90%, 2: 87%, 3: 85%}", "active: {primary|1: 92%, 2: 89%, 3: 87%}")
	sb := storeOf(t, s, b)
	b = sb.Versions("990100")[0]
	d := Difference{A: EditionOf(a), B: EditionOf(b), Changes: Compare(a, b), Money: Replay(Side{s, a}, Side{sb, b}, diffCases())}
	golden(t, "explain/diff.md", d.Markdown())
}
