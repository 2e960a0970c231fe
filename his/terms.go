package his

import (
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/policy"
)

// This file holds the only translation between the codes of the interface and
// Anji's own terms.

// visitKinds are the kinds of care by 医疗类别 (med_type). 14 and 18 stand for
// chronic or special, whichever the person's disease is recognised as. A code
// that is in the dictionary but not here names a benefit that no package can
// state, and is refused rather than taken for another.
var visitKinds = map[string]policy.VisitKind{
	"11": policy.Outpatient, "12": policy.Outpatient, "19": policy.Outpatient, "9903": policy.Outpatient,
	"13": policy.Emergency, "1301": policy.Emergency,
	"14": policy.Chronic, "18": policy.Special,
	"21": policy.Inpatient, "2101": policy.Inpatient, "2102": policy.Inpatient, "2105": policy.Inpatient,
	"2109": policy.Inpatient, "21303": policy.Inpatient, "22": policy.Inpatient, "23": policy.Inpatient,
	"24": policy.Inpatient, "9902": policy.Inpatient, "9907": policy.Inpatient, "9921": policy.Inpatient, "9925": policy.Inpatient,
	"28": policy.DaySurgery,
	"41": policy.PharmacyVisit,
	"52": policy.Maternity, "2106": policy.Maternity, "2107": policy.Maternity,
}

func (s *Server) visitKind(medType string) (policy.VisitKind, error) {
	kind, ok := visitKinds[medType]
	if !ok {
		label, _ := s.spec.Dictionary("med_type").Label(medType)
		return 0, refuse("医疗类别 med_type“%s %s”在本平台没有对应的待遇，不能直接结算", medType, label)
	}
	return kind, nil
}

// stays tells the kinds that are admitted (2401) from those that register (2201).
func stays(kind policy.VisitKind) bool {
	return kind == policy.Inpatient || kind == policy.DaySurgery || kind == policy.Maternity
}

// clearingTypes are 清算类别 (clr_type) by kind of care.
var clearingTypes = map[policy.VisitKind]string{
	policy.Outpatient: "11", policy.Emergency: "13", policy.Chronic: "14", policy.Special: "14",
	policy.Inpatient: "21", policy.DaySurgery: "28", policy.PharmacyVisit: "41", policy.Maternity: "99940",
}

// clearingWay is 清算方式 (clr_way): by item.
const clearingWay = "1"

// scheme is the scheme of 险种类型 (insutype).
func scheme(insutype string) (policy.Scheme, error) {
	switch insutype {
	case "310":
		return policy.Employee, nil
	case "390", "380", "391":
		return policy.Resident, nil
	}
	return 0, refuse("险种类型 insutype“%s”：结算应为 310 职工基本医疗保险或 390 城乡居民基本医疗保险", insutype)
}

func insutype(s policy.Scheme) string {
	if s == policy.Employee {
		return "310"
	}
	return "390"
}

// personType is 人员类别 (psn_type).
func personType(s policy.Scheme, retired bool, age int) string {
	switch {
	case s == policy.Employee && retired:
		return "12"
	case s == policy.Employee:
		return "11"
	case age < 18:
		return "14"
	case age < 60:
		return "15"
	}
	return "16"
}

func sexCode(female bool) string {
	if female {
		return "2"
	}
	return "1"
}

// insuredStates are 人员参保状态 (psn_insu_stas).
var insuredStates = map[policy.InsuredStatus]string{
	policy.NotInsured: "0", policy.Normal: "1", policy.Waiting: "1",
	policy.Arrears: "2", policy.Suspended: "2", policy.Terminated: "4", policy.Deceased: "4",
}

// identities are 人员身份类别 (psn_idet_type) of the classes of persons that
// receive assistance.
var identities = map[string]string{"特困": "2304", "低保": "2303", "返贫致贫": "2302"}

// otherIdentity is the code for a class without one: 地方扩展医疗救助对象人员.
const otherIdentity = "2360"

// itemLevels are 收费项目等级 (chrgitm_lv).
var itemLevels = map[policy.LineClass]string{policy.ClassA: "01", policy.ClassB: "02", policy.ClassC: "03"}

// noCeilingPrice is what 定价上限金额 (pric_uplmt_amt) says for none.
const noCeilingPrice = "999999"

// Rows of 基金支付类型 (fund_pay_type) that no fund of a package pays.
const (
	ownAccountFund    = "310200"
	familyAccountFund = "310201"
	hospitalFund      = "999996"
)

// cause reads 外伤标志 and 涉及第三方标志 of the field exp_content. A content
// that is not a JSON object says nothing.
func cause(content string) policy.Cause {
	if content == "" {
		return policy.Illness
	}
	v, err := parseJSON([]byte(content))
	if err != nil {
		return policy.Illness
	}
	if f := v.getFold("REL_TTP_FLAG"); !f.empty() && f.text == "1" {
		return policy.ThirdParty
	}
	return policy.Illness
}

// day is the day of a time or date of the interface that was checked.
func day(s string) civil.Date {
	if len(s) < 10 {
		return 0
	}
	d, err := civil.Parse(s[:10])
	if err != nil {
		return 0
	}
	return d
}

// withoutGrade are 医院等级 (hosp_lv) of a level whose grade (甲乙丙等) is not
// known.
var withoutGrade = map[policy.Level]string{policy.Primary: "11", policy.Level1: "14", policy.Level2: "13", policy.Level3: "12"}

// ungraded is the code of withoutGrade for the level of a code with a grade, ""
// for what is no code.
func ungraded(hospLv string) string {
	switch hospLv {
	case "1", "2", "3", "4", "12":
		return withoutGrade[policy.Level3]
	case "5", "6", "7", "13":
		return withoutGrade[policy.Level2]
	case "8", "9", "10", "14":
		return withoutGrade[policy.Level1]
	case "11":
		return withoutGrade[policy.Primary]
	}
	return ""
}

// deductibleLevels are 起付线医院等级 (dedc_hosp_lv) and 限价医院等级
// (lmtpric_hosp_lv).
var deductibleLevels = map[policy.Level]string{policy.Primary: "1", policy.Level1: "1", policy.Level2: "2", policy.Level3: "3"}

// otherList is 目录类别 of what no catalogue holds.
const otherList = "105"

// payPlace is 支付地点 (pay_loc): at the provider, or away from the insured
// region in the same city, province or another.
func payPlace(insured, care string) string {
	switch {
	case insured == care:
		return "2"
	case insured[:4] == care[:4]:
		return "6"
	case insured[:2] == care[:2]:
		return "3"
	}
	return "4"
}
