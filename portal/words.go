package portal

import (
	"html/template"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/place"
	"github.com/anji-platform/anji/policy"
)

// funcs are the words that templates ask for.
var funcs = template.FuncMap{"movement": movement, "firstPay": firstPay, "ceiling": ceiling, "restriction": restriction, "place": place.Name}

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

func firstPay(it catalogue.Item) string {
	switch {
	case it.Class == policy.ClassC:
		return "全部自己付"
	case it.FirstPay == policy.FirstPayUnstated:
		return "先自付比例以参保地规定为准"
	case it.FirstPay == 0:
		return "没有先自付"
	}
	return "先自付 " + it.FirstPay.Percent()
}

func ceiling(it catalogue.Item) string {
	if it.UnitCeiling == policy.NoCeiling {
		return ""
	}
	return "支付标准 " + it.UnitCeiling.Grouped() + " 元，超出的自己付"
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
