package policy

// The vocabulary of a case, as packages and the calculator contract spell it.
var (
	schemeDomain   = &domain{name: "scheme", title: "险种", values: []string{"employee", "resident"}, labels: []string{"职工", "居民"}}
	statusDomain   = &domain{name: "status", title: "在职退休", values: []string{"active", "retired"}, labels: []string{"在职", "退休"}}
	levelDomain    = &domain{name: "level", title: "机构等级", values: []string{"primary", "1", "2", "3"}, labels: []string{"基层", "一级", "二级", "三级"}}
	providerDomain = &domain{name: "provider", title: "机构类型", values: []string{"hospital", "pharmacy"}, labels: []string{"医疗机构", "零售药店"}}
	visitDomain    = &domain{name: "visit", title: "医疗类别",
		values: []string{"outpatient", "emergency", "chronic", "special", "inpatient", "pharmacy", "maternity", "day_surgery"},
		labels: []string{"普通门诊", "急诊", "门诊慢性病", "门诊特殊病", "住院", "药店购药", "生育住院", "日间手术"}}
	filingDomain = &domain{name: "filing", title: "异地备案", values: []string{"none", "filed", "referred", "emergency"}, labels: []string{"未备案", "已备案", "转诊", "急诊"}}
	placeDomain  = &domain{name: "place", title: "就医地", values: []string{"home", "province", "outside"}, labels: []string{"参保地", "省内异地", "跨省"}}
	causeDomain  = &domain{name: "cause", title: "致病原因",
		values: []string{"illness", "third_party", "third_party_missing", "work_injury", "public_health", "abroad"},
		labels: []string{"疾病", "第三人负担", "第三人不支付或无法确定", "工伤", "公共卫生负担", "境外就医"}}
	insuredDomain = &domain{name: "insured", title: "参保状态",
		values: []string{"normal", "waiting", "arrears", "suspended", "terminated", "none", "deceased"},
		labels: []string{"正常参保", "等待期内", "欠费", "暂停参保", "终止参保", "未参保", "已死亡"}}
	sexDomain   = &domain{name: "sex", title: "性别", values: []string{"M", "F"}, labels: []string{"男", "女"}}
	classDomain = &domain{name: "class", title: "费用类别", values: []string{"甲", "乙", "丙"}, labels: []string{"甲类", "乙类", "丙类"}}
)

func (d *domain) at(i int) string { return d.values[i] }

// String spells the value as the calculator contract does.
func (v Scheme) String() string        { return schemeDomain.at(int(v)) }
func (v Level) String() string         { return levelDomain.at(int(v)) }
func (v ProviderKind) String() string  { return providerDomain.at(int(v)) }
func (v VisitKind) String() string     { return visitDomain.at(int(v)) }
func (v Filing) String() string        { return filingDomain.at(int(v)) }
func (v Cause) String() string         { return causeDomain.at(int(v)) }
func (v LineClass) String() string     { return classDomain.at(int(v)) }
func (v InsuredStatus) String() string { return insuredDomain.at(int(v)) }

// Title is the official Chinese term of the value.
func (v Scheme) Title() string        { return schemeDomain.labels[v] }
func (v Level) Title() string         { return levelDomain.labels[v] }
func (v ProviderKind) Title() string  { return providerDomain.labels[v] }
func (v VisitKind) Title() string     { return visitDomain.labels[v] }
func (v Filing) Title() string        { return filingDomain.labels[v] }
func (v Cause) Title() string         { return causeDomain.labels[v] }
func (v LineClass) Title() string     { return classDomain.labels[v] }
func (v InsuredStatus) Title() string { return insuredDomain.labels[v] }

// Causes lists all causes.
func Causes() []Cause {
	return []Cause{Illness, ThirdParty, ThirdPartyMissing, WorkInjury, PublicHealth, Abroad}
}

// Names lists what the calculator contract allows for each enumeration.
func Names(enumeration string) []string {
	for _, d := range []*domain{schemeDomain, levelDomain, providerDomain, visitDomain, filingDomain, causeDomain, insuredDomain, sexDomain, classDomain} {
		if d.name == enumeration {
			return d.values
		}
	}
	return nil
}

// standardAccumulators are in every package; their names are the calculator
// contract's.
var standardAccumulators = []accumulator{
	{name: "deductible", title: "起付标准累计"},
	{name: "in_scope", title: "政策范围内费用累计"},
	{name: "basic_fund", title: "统筹基金支付累计"},
	{name: "outpatient_fund", title: "门诊统筹支付累计"},
	{name: "catastrophic_base", title: "大病保险合规费用累计"},
	{name: "catastrophic_fund", title: "大病保险支付累计"},
	{name: "assistance_fund", title: "医疗救助支付累计"},
}

// builtins makes the symbols that every expression may use.
func builtins(diseases *domain) map[string]*symbol {
	m := map[string]*symbol{}
	add := func(name, title string, typ valueType, dom *domain, slot int) {
		m[name] = &symbol{name: name, title: title, typ: typ, dom: dom, slot: slot}
	}
	for _, e := range []struct {
		dom  *domain
		slot int
	}{{schemeDomain, slotScheme}, {statusDomain, slotStatus}, {levelDomain, slotLevel}, {providerDomain, slotProviderKind},
		{visitDomain, slotVisit}, {filingDomain, slotFiling}, {placeDomain, slotPlace}, {causeDomain, slotCause},
		{insuredDomain, slotInsured}, {sexDomain, slotSex}, {diseases, slotDisease}} {
		add(e.dom.name, e.dom.title, tyEnum, e.dom, e.slot)
	}
	add("designated", "定点", tyBool, nil, slotDesignated)
	add("nth", "年内第几次", tyCount, nil, slotNth)
	m["age"] = &symbol{name: "age", title: "周岁", kind: symGuard, typ: tyCount, slot: slotAge, guard: birthBit}
	add("days", "住院天数", tyCount, nil, slotDays)
	add("arrears_months", "欠费月数", tyCount, nil, slotArrears)
	add("waiting_days", "剩余等待天数", tyCount, nil, slotWaiting)
	add("date", "结算依据日", tyDate, nil, slotDate)
	for i, n := range []struct{ name, title string }{
		{"total", "医疗费总额"}, {"full_own_pay", "全自费"}, {"over_ceiling", "超限价"}, {"first_own_pay", "先行自付"},
		{"in_scope", "政策范围内费用"}, {"paid", "此前各基金支付"}, {"rest", "政策范围内个人负担"}, {"person", "个人负担"},
	} {
		add(n.name, n.title, tyMoney, nil, slotTotal+i)
	}
	return m
}

// stageOnly are the builtins that have a value only while stages run.
var stageOnly = map[string]bool{
	"total": true, "full_own_pay": true, "over_ceiling": true, "first_own_pay": true,
	"in_scope": true, "paid": true, "rest": true, "person": true,
}
