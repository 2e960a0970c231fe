package portal

import (
	"html/template"
	"strings"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/place"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/web"
)

// funcs are the words that templates ask for.
var funcs = template.FuncMap{"movement": movement, "firstPay": firstPay, "ceiling": ceiling, "restriction": restriction, "place": place.Name, "english": english, "diseaseKind": diseaseKind}

// movements name the kinds of ledger entries that touch a personal account.
var movements = map[string]string{
	"settlement": "就医支付", "reversal": "就医支付撤销退回", "allotment": "个人账户划入", "contribution": "缴费划入",
	"opening": "期初余额", "account.arrive": "转入", "account.close": "账户清退", "account.pay": "为家人缴费", "account.repay": "缴费退回",
}

func movement(kind string) string {
	if s, ok := movements[kind]; ok {
		return s
	}
	return "其他（" + kind + "）"
}

// words are the portal's own words that rooms say in Chinese, in English.
var words = map[string]string{
	"基层": "Community", "一级": "Level 1", "二级": "Level 2", "三级": "Level 3",
	"职工": "Employees", "居民": "Residents",
	"甲类": "Class A", "乙类": "Class B", "丙类": "Class C",
	"申办中": "Under way", "已办结": "Done", "被退回": "Returned", "未通过": "Refused", "已撤销": "Withdrawn", "已到期": "Expired",
	"转院备案": "Referral", "慢特病备案": "Special disease", "人员定点备案": "Designated provider", "意外伤害备案": "Injury", "异地就医备案": "Care in another region",
	"未提交": "Not submitted", "药店": "Pharmacy", "慢性病": "Chronic disease", "特殊病": "Special disease",
	// How far a claim is.
	"草稿": "Draft", "待受理": "Waiting for acceptance", "待初审": "Waiting for review", "待复核": "Waiting for a second review",
	"待支付": "Waiting for payment", "支付中": "Being paid", "支付失败": "Payment failed", "已支付": "Paid", "退回补正": "Returned",
	"不予报销": "Not reimbursed", "已撤回": "Taken back", "申诉中": "Under appeal",
	// How far a tip-off is, and of whom it is.
	"已登记": "Registered", "已受理": "Accepted", "不予受理": "Declined", "核查中": "Under inspection", "已结案：查实": "Closed: proven", "已结案：未查实": "Closed: not proven",
	"医院、诊所或药店": "A hospital, clinic or pharmacy", "个人": "A person", "单位": "An employer", "经办机构或人员": "The agency or its staff",
	// How contributions and personal accounts stand and move.
	"待缴": "To pay", "已缴": "Paid", "已退费": "Refunded",
	"就医支付": "Care", "就医支付撤销退回": "Care that was reversed", "个人账户划入": "Credited", "缴费划入": "From contributions",
	"期初余额": "Opening balance", "转入": "Moved here", "账户清退": "Paid out on closing", "为家人缴费": "Contributions of a relative", "缴费退回": "Contributions given back",
	"正常参保": "Insured", "等待期内": "Waiting", "欠费": "In arrears", "暂停参保": "Suspended", "终止参保": "Ended", "未参保": "Not insured", "已死亡": "Deceased",
}

// english is a word in English; one that is not known stays as it is.
func english(zh string) string {
	if en, ok := words[zh]; ok {
		return en
	}
	return zh
}

// diseaseKind is the kind of a disease (慢性病 or 特殊病), with the group of it that
// the region names.
func diseaseKind(v *web.Visit, zh string) template.HTML {
	kind, group, ok := strings.Cut(zh, "（")
	if ok {
		group = "（" + group
	}
	return v.Marked(v.Say(kind, english(kind)) + group)
}

func firstPay(v *web.Visit, it catalogue.Item) string {
	switch {
	case it.Class == policy.ClassC:
		return v.Say("全部自己付", "you pay all of it")
	case it.FirstPay == policy.FirstPayUnstated:
		return v.Say("先自付比例以参保地规定为准", "first own pay by your region's rules")
	case it.FirstPay == 0:
		return v.Say("没有先自付", "no first own pay")
	}
	return v.Say("先自付 ", "first own pay ") + it.FirstPay.Percent()
}

func ceiling(v *web.Visit, it catalogue.Item) string {
	if it.UnitCeiling == policy.NoCeiling {
		return ""
	}
	return v.Say("支付标准 "+it.UnitCeiling.Grouped()+" 元，超出的自己付", "paid up to "+v.Money(it.UnitCeiling)+", the rest is yours")
}

// restriction is what the national list says of whom an item is paid for (限定支付范围,
// in its column 备注), "" if it says nothing.
func restriction(it catalogue.Item) string {
	a, err := it.Attributes()
	if err != nil {
		return ""
	}
	return a.Note
}
