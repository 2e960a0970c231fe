// Package inventory is what moves of the goods of providers (进销存): counts of
// the stock, changes, purchases, sales and what is returned of either, as the
// providers report them.
//
// A report is written once and never changed. A wrong one is voided, with who
// and when, and stays. The stock of an item is what its last count found and
// what moved since. Reports come in any order, so the stock may be negative
// for a while: that is told, not refused.
package inventory

import (
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
)

// Error is a fault of a report: which field, what it holds, what is allowed.
// Field names are the domain's; an edge spells them its own way.
type Error struct {
	Field string
	Value string
	Want  string // in Chinese
}

func (e *Error) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return e.Field + "「" + e.Value + "」：" + e.Want
}

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// Kind says what a report is of. The numbers are stored.
type Kind uint8

// The kinds of report. A return has the number after that of what it takes
// back.
const (
	Count          Kind = 1 // 盘存
	Change         Kind = 2 // 库存变更
	Purchase       Kind = 3 // 采购
	PurchaseReturn Kind = 4 // 采购退货
	Sale           Kind = 5 // 销售
	SaleReturn     Kind = 6 // 销售退货
)

var kindTitles = [...]string{Count: "盘存", Change: "库存变更", Purchase: "采购", PurchaseReturn: "采购退货", Sale: "销售", SaleReturn: "销售退货"}

// Title is the official Chinese term of the kind.
func (k Kind) Title() string { return kindTitles[k] }

// Return reports whether it takes back what another kind reports.
func (k Kind) Return() bool { return k == PurchaseReturn || k == SaleReturn }

// family are the kinds that share their numbers with the kind: a purchase and
// its returns, a sale and its returns.
func (k Kind) family() (first, last Kind) {
	switch k {
	case Purchase, PurchaseReturn:
		return Purchase, PurchaseReturn
	case Sale, SaleReturn:
		return Sale, SaleReturn
	}
	return k, k
}

// Reason says why the stock changed otherwise than by trade (库存变更类型).
type Reason string

// The reasons of a change.
const (
	TransferIn    Reason = "transfer_in"     // 调拨入库
	TransferOut   Reason = "transfer_out"    // 调拨出库
	Surplus       Reason = "surplus"         // 盘盈
	Shortage      Reason = "shortage"        // 盘损
	Destroyed     Reason = "destroyed"       // 销毁
	OtherIn       Reason = "other_in"        // 其他入库
	OtherOut      Reason = "other_out"       // 其他出库
	PurchaseIn    Reason = "purchase_in"     // 商品采购入库
	ReturnOut     Reason = "return_out"      // 商品退货出库
	GiftIn        Reason = "gift_in"         // 赠药入库
	GiftReturnOut Reason = "gift_return_out" // 赠药退回出库
)

// reasons says which way the goods go, and which kind of report, if any, says
// the same of them.
var reasons = map[Reason]struct {
	sign   catalogue.Quantity
	sameAs Kind
}{
	TransferIn: {+1, 0}, TransferOut: {-1, 0}, Surplus: {+1, 0}, Shortage: {-1, 0}, Destroyed: {-1, 0}, OtherIn: {+1, 0}, OtherOut: {-1, 0},
	PurchaseIn: {+1, Purchase}, ReturnOut: {-1, PurchaseReturn}, GiftIn: {+1, Purchase}, GiftReturnOut: {-1, PurchaseReturn},
}

// MaxQuantity is the largest quantity of one report: a hundred million units.
const MaxQuantity catalogue.Quantity = 100_000_000 * 10_000

// NoPrice is the price of what has none stated.
const NoPrice = -1

// Payer says who pays for what is sold.
type Payer uint8

// The payers.
const (
	Unstated Payer = iota // insured, if the sale belongs to a visit of the platform
	Insured               // 医保
	SelfPaid              // 自费
)

// Movement is one report of a provider.
type Movement struct {
	ID       int64 // set by Record
	Provider string
	Kind     Kind
	Number   string // the provider's own (定点医药机构批次流水号)
	Reason   Reason // of a Change
	Original string // of a return, the number of the purchase or sale; "": Number itself

	// At is when it happened. A count holds at the end of its day, after all
	// that moved on it.
	At           time.Time
	Item         string             // 医疗目录编码
	ProviderItem string             // the provider's own code (定点医药机构目录编号)
	Name         string             // the provider's own name of it
	Quantity     catalogue.Quantity // how much; the kind and the reason say which way
	Price        int64              // of a unit in 10^-6 yuan, or NoPrice

	Lot           string     // 生产批号
	Made, Expires civil.Date // 0: not stated
	Producer      string     // 生产厂家
	Approval      string     // 批准文号
	Supplier      string     // 供应商
	Prescription  bool       // 处方药
	Opened        bool       // sold out of an opened package (拆零)
	Gift          bool       // 赠送

	// Of sales and their returns.
	Person      string // person number; "": not stated
	Visit       string // of the platform; set by Record, "" if VisitNumber is none of it
	VisitNumber string // as the provider states it (就医流水号): a visit of the platform or a number of its own
	Settlement  string // "": not stated
	Payer       Payer

	Traces  []string // traceability codes (药品追溯码)
	Details Details

	Recorded Act
	Voided   Act // the zero Act while the report stands
}

// Effect is by how much it changes the stock; of a count, what there was.
func (m *Movement) Effect() catalogue.Quantity {
	switch m.Kind {
	case PurchaseReturn, Sale:
		return -m.Quantity
	case Change:
		return reasons[m.Reason].sign * m.Quantity
	}
	return m.Quantity
}

// Act says who did something, and when.
type Act struct {
	At time.Time
	By string
}

// Details are what else a report says. They are sealed at rest, for they hold
// names and identity numbers.
type Details struct {
	Operator       string       // 经办人
	Prescriber     Professional // 开方医师
	Pharmacist     Professional // 药师
	Customer       Customer     // who bought it
	PrescriptionNo string       `json:",omitempty"` // number of the prescription (处方号)
	External       bool         `json:",omitempty"` // prescribed by another provider (外购处方)
	Settled        string       `json:",omitempty"` // 医保费用结算类型
	Receipt        string       `json:",omitempty"` // 零售单据号
	Delivery       string       `json:",omitempty"` // 随货单号, 销售出库单据号
	Batch          string       `json:",omitempty"` // 批次号
	Barcode        string       `json:",omitempty"`
	Shelf          string       `json:",omitempty"`
	Licence        string       `json:",omitempty"` // of the supplier (供应商许可证号)
	InvoiceCode    string       `json:",omitempty"`
	Invoice        string       `json:",omitempty"`
	Note           string       `json:",omitempty"`
}

// Professional is a doctor or a pharmacist.
type Professional struct {
	Name    string `json:",omitempty"`
	IDKind  string `json:",omitempty"` // code of the identity document's kind
	ID      string `json:",omitempty"`
	Licence string `json:",omitempty"` // 执业资格证号
}

// Customer is who bought something, where no person number says it.
type Customer struct {
	Name   string `json:",omitempty"`
	IDKind string `json:",omitempty"` // code of the identity document's kind
	ID     string `json:",omitempty"`
}
