package fund

import "strings"

// Kind is what an account is for, the first part of its name.
type Kind string

// The kinds of accounts.
const (
	OfFund       Kind = "fund"       // a region's fund; Rest is the fund
	OfPerson     Kind = "acct"       // 个人账户; Of is the person
	OfProvider   Kind = "payable"    // 应付定点机构; Of is the provider
	OfClaim      Kind = "claim"      // 应付报销款; Rest is the claim
	OfBank       Kind = "bank"       // 基金银行存款
	OfFiscal     Kind = "fiscal"     // 财政应拨补助
	OfHeld       Kind = "held"       // 暂收款
	OfReceivable Kind = "receivable" // 应收异地清算款; Rest is the debtor
	OfOwed       Kind = "owed"       // 应付异地清算款; Rest is the creditor
	OfMoved      Kind = "moved"      // 转出的个人账户; Rest is where to
	OfOpening    Kind = "opening"    // 期初转入
)

var kindTitles = map[Kind]string{OfFund: "基金", OfPerson: "个人账户", OfProvider: "应付定点机构", OfClaim: "应付报销款", OfBank: "银行存款", OfFiscal: "财政应拨补助",
	OfHeld: "暂收款", OfReceivable: "应收异地清算款", OfOwed: "应付异地清算款", OfMoved: "转出的个人账户", OfOpening: "期初转入"}

// Title is the kind's name in Chinese.
func (k Kind) Title() string { return kindTitles[k] }

// Name is the name of an account, read.
type Name struct {
	Kind Kind
	Of   string // a region; a person or provider
	Rest string // see the kinds
}

// ParseName reads the name of an account; ok is false for none of the ledger's.
func ParseName(account string) (n Name, ok bool) {
	kind, rest, ok := strings.Cut(account, ":")
	n = Name{Kind: Kind(kind)}
	n.Of, n.Rest, _ = strings.Cut(rest, ":")
	return n, ok && n.Of != "" && kindTitles[n.Kind] != ""
}

// Region is the region whose account it is; "" for those of people and providers,
// who are looked up.
func (n Name) Region() string {
	if n.Kind == OfPerson || n.Kind == OfProvider {
		return ""
	}
	return n.Of
}

// regional are the kinds of accounts of a region besides its funds.
var regional = []Kind{OfBank, OfFiscal, OfHeld, OfReceivable, OfOwed, OfMoved, OfOpening}

// entryTitles name the kinds of entries.
var entryTitles = map[string]string{
	"opening": "期初转入", "contribution": "征缴入账", "contribution_held": "暂收缴费", "contribution_refund": "退还缴费", "allotment": "划入个人账户",
	"settlement": "医疗待遇结算", "reversal": "撤销结算", "clearing": "清算拨付", "payout": "报销款支付", "account.pay": "个人账户缴费", "account.repay": "退回个人账户",
	"account.arrive": "转入个人账户", "account.handover": "移交个人账户", "account.close": "清退个人账户",
}

// EntryTitle names a kind of entries in Chinese.
func EntryTitle(kind string) string {
	if t := entryTitles[kind]; t != "" {
		return t
	}
	return kind
}
