package bill

import (
	"github.com/anji-platform/anji/policy"
)

// CategoryName is a category of funds in words.
func CategoryName(l Lang, c policy.Category) string {
	switch c {
	case policy.Basic:
		return l.Say("统筹基金", "Basic pooled fund")
	case policy.CivilServant:
		return l.Say("公务员医疗补助", "Civil servant subsidy")
	case policy.Enterprise:
		return l.Say("企业补充医疗保险", "Enterprise supplement")
	case policy.Catastrophic:
		return l.Say("大病保险", "Catastrophic insurance")
	case policy.LargeAmount:
		return l.Say("职工大额医疗费用补助", "Large-amount subsidy")
	case policy.Assistance:
		return l.Say("医疗救助", "Medical assistance")
	}
	return l.Say("其他基金", "Other fund")
}

// stageTitle names a stage of a fund: in English by the category of the fund,
// with the package's own title in quotes.
func stageTitle(l Lang, s *policy.StagePay) string {
	title := s.Stage.Title
	if title == "" {
		title = s.Stage.ID
	}
	return l.Say(title, CategoryName(l, s.Fund.Category)+" "+quote(title))
}

// stageLabel is a stage's title for a bar: in English the category of its
// fund alone, where no other stage is of that category.
func stageLabel(l Lang, r *policy.Result, s *policy.StagePay) string {
	if l != English {
		return stageTitle(l, s)
	}
	for _, o := range r.Stages() {
		if o.Stage.ID != s.Stage.ID && o.Fund != nil && o.Fund.Category == s.Fund.Category {
			return stageTitle(l, s)
		}
	}
	return CategoryName(l, s.Fund.Category)
}

func quote(s string) string { return "“" + s + "”" }

func kindName(l Lang, k policy.StepKind) string {
	switch k {
	case policy.StepTotal:
		return l.Say("总费用", "Total")
	case policy.StepRule:
		return l.Say("适用规则", "Rule")
	case policy.StepFullOwnPay:
		return l.Say("全自费", "Full own pay")
	case policy.StepOverCeiling:
		return l.Say("超限价自费", "Above ceiling price")
	case policy.StepFirstOwnPay:
		return l.Say("先行自付", "First own pay")
	case policy.StepInScope:
		return l.Say("政策范围内", "In scope")
	case policy.StepDeductible:
		return l.Say("起付标准", "Deductible")
	case policy.StepBand:
		return l.Say("按比例支付", "Band")
	case policy.StepFloor:
		return l.Say("保底支付", "Guaranteed minimum")
	case policy.StepLimit:
		return l.Say("超过限额，不予支付", "Cut by limit")
	case policy.StepPay:
		return l.Say("本环节支付", "Paid")
	case policy.StepAccount:
		return l.Say("个人账户", "Personal account")
	}
	return l.Say("现金", "Cash")
}

func schemeName(l Lang, c *policy.Case) string {
	switch {
	case c.Scheme == policy.Resident:
		return l.Say("城乡居民基本医疗保险", "Resident basic medical insurance")
	case c.Retired:
		return l.Say("职工基本医疗保险（退休）", "Employee basic medical insurance (retired)")
	}
	return l.Say("职工基本医疗保险（在职）", "Employee basic medical insurance (active)")
}

// VisitName is the kind of care in words.
func VisitName(l Lang, k policy.VisitKind) string {
	switch k {
	case policy.Outpatient:
		return l.Say("普通门诊", "Outpatient")
	case policy.Emergency:
		return l.Say("急诊", "Emergency")
	case policy.Chronic:
		return l.Say("门诊慢性病", "Chronic disease, outpatient")
	case policy.Special:
		return l.Say("门诊特殊病", "Special disease, outpatient")
	case policy.Inpatient:
		return l.Say("住院", "Inpatient")
	case policy.PharmacyVisit:
		return l.Say("药店购药", "Pharmacy")
	case policy.Maternity:
		return l.Say("生育住院", "Maternity")
	}
	return l.Say("日间手术", "Day surgery")
}

func levelName(l Lang, c *policy.Case) string {
	if c.ProviderKind == policy.Pharmacy {
		return l.Say("定点零售药店", "Pharmacy")
	}
	switch c.Level {
	case policy.Primary:
		return l.Say("基层医疗机构", "Primary care")
	case policy.Level1:
		return l.Say("一级医院", "Level 1 hospital")
	case policy.Level2:
		return l.Say("二级医院", "Level 2 hospital")
	}
	return l.Say("三级医院", "Level 3 hospital")
}

func filingName(l Lang, f policy.Filing) string {
	switch f {
	case policy.Filed:
		return l.Say("已备案", "filed")
	case policy.Referred:
		return l.Say("转诊", "referred")
	case policy.EmergencyAway:
		return l.Say("急诊，视同备案", "emergency, counts as filed")
	}
	return l.Say("未备案", "not filed")
}

func className(l Lang, c policy.LineClass) string {
	switch c {
	case policy.ClassA:
		return l.Say("甲类", "Class 甲 (A)")
	case policy.ClassB:
		return l.Say("乙类", "Class 乙 (B)")
	}
	return l.Say("丙类/目录外", "Class 丙 (C) or unlisted")
}

// gradeName says how far a document was checked.
func gradeName(l Lang, grade string) string {
	switch grade {
	case "A":
		return l.Say("官方原文，已逐字核对", "official text, checked word for word")
	case "B":
		return l.Say("官方文件，据第三方转载", "official document, through a third party")
	case "C":
		return l.Say("第三方资料", "third party")
	case "S":
		return l.Say("种子材料的陈述，未见原文", "stated in the requirements, original not seen")
	case "X":
		return l.Say("示例数据，非真实政策", "made as an example, not real policy")
	}
	return l.Say("未分级", "not graded")
}

// partName tells the two years of a divided stay apart.
func partName(l Lang, part int) string {
	switch part {
	case 1:
		return l.Say("（前一待遇年度）", " (first benefit year)")
	case 2:
		return l.Say("（后一待遇年度）", " (second benefit year)")
	}
	return ""
}

// formula writes base × rate = amount; ≈ where the fen were rounded with
// other bands together and the product alone would give another amount.
func formula(s *policy.Step) string {
	if !s.HasRate {
		return ""
	}
	sign := " = "
	if s.Base.Mul(s.Rate) != s.Amount {
		sign = " ≈ "
	}
	return s.Base.Grouped() + " × " + s.Rate.Percent() + sign + s.Amount.Grouped()
}
