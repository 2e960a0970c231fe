package his

import (
	"context"
	"errors"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/inventory"
)

// inventories are the transactions about the goods of providers (进销存).
var inventories = map[string]operation{
	"3501": {reports("invinfo", "invdate", "inv_cnt", inventory.Count), false},
	"3502": {reports("invinfo", "inv_chg_time", "cnt", inventory.Change), false},
	"3503": {reports("purcinfo", "purc_retn_stoin_time", "purc_retn_cnt", inventory.Purchase), false},
	"3504": {reports("purcinfo", "purc_retn_stoin_time", "purc_retn_cnt", inventory.PurchaseReturn), false},
	"3505": {reports("selinfo", "sel_retn_time", "sel_retn_cnt", inventory.Sale), false},
	"3506": {reports("selinfo", "sel_retn_time", "sel_retn_cnt", inventory.SaleReturn), false},
	"3507": {(*Server).voidMovement, false},
}

// changeReasons are 库存变更类型 (inv_chg_type). Which of them add to the stock
// is inventory's to say.
var changeReasons = map[string]inventory.Reason{
	"101": inventory.TransferIn, "102": inventory.TransferOut, "103": inventory.Surplus, "104": inventory.Shortage, "105": inventory.Destroyed,
	"106": inventory.OtherIn, "107": inventory.OtherOut, "108": inventory.PurchaseIn, "109": inventory.ReturnOut, "110": inventory.GiftIn, "111": inventory.GiftReturnOut,
}

// payers are 就诊结算类型 (MDTRT_SETL_TYPE).
var payers = map[string]inventory.Payer{"": inventory.Unstated, "1": inventory.Insured, "2": inventory.SelfPaid}

// reports is one of 3501 to 3506: goods of the provider moved, or were counted.
// The six differ in the names of node, time and quantity, and in which of the
// other fields they have.
func reports(node, at, quantity string, kind inventory.Kind) handler {
	return func(s *Server, ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
		in := r.one(node)
		m, err := s.movement(ctx, tx, r, in)
		if err != nil {
			return err
		}
		m.Kind, m.Quantity = kind, catalogue.Quantity(scaled(in.text(quantity), 4))
		m.At = moment((in.text(at) + " 00:00:00")[:len(clockLayout)]) // a count has a day only
		done, err := s.inventory.Record(ctx, tx, m, r.actor())
		if err != nil {
			return spellInventory(err, in)
		}
		if _, ok, err := catalogue.Find(ctx, tx, string(r.care), dayOf(m.At), m.Item); err != nil {
			return err
		} else if !ok {
			r.warnings = append(r.warnings, "医疗目录编码 "+m.Item+" 在 "+dayOf(m.At).String()+" 不在就医地目录内")
		}
		if done.Twice != 0 {
			r.warnings = append(r.warnings, "流水号 "+m.Number+" 的商品已上传"+done.Twice.Title()+"，与本次重复计入库存；重复的请以 3507 删除")
		}
		r.tellStock(done)
		return nil
	}
}

// tellStock warns of a stock below zero: the provider may have sent a sale
// before the purchase.
func (r *request) tellStock(done *inventory.Result) {
	if done.Stock < 0 {
		r.warnings = append(r.warnings, "按已上传的数据，商品 "+done.ProviderItem+" 的库存为 "+done.Stock.String()+"，请核对是否有未上传的入库")
	}
}

// movement reads what a row says that does not depend on its kind.
func (s *Server) movement(ctx context.Context, tx *db.Tx, r *request, in *record) (inventory.Movement, error) {
	m := inventory.Movement{
		Provider: r.provider, Number: in.text("fixmedins_bchno"), Reason: changeReasons[in.optional("inv_chg_type")],
		Original: in.optional("medins_prod_purc_no") + in.optional("medins_prod_sel_no"),
		Item:     in.text("med_list_codg"), ProviderItem: in.text("fixmedins_hilist_id"), Name: in.text("fixmedins_hilist_name"),
		Price: inventory.NoPrice, Lot: in.optional("manu_lotnum"), Made: day(in.optional("manu_date")), Expires: day(in.optional("expy_end")),
		Producer: in.optional("prodentp_name"), Approval: in.optional("aprvno"), Supplier: in.optional("spler_name"),
		Person: in.optional("psn_no"), VisitNumber: in.optional("mdtrt_sn"), Settlement: in.optional("setl_id"),
		Details: movementDetails(in),
	}
	for _, name := range []string{"pric", "finl_trns_pric"} {
		if price := in.optional(name); price == "" {
			continue
		} else if m.Price = scaled(price, 6); m.Price < 0 {
			return m, refuse("%s“%s”：单价不能为负", in.field(name), price)
		}
	}
	for _, flag := range []struct {
		name string
		to   *bool
	}{{"rx_flag", &m.Prescription}, {"trdn_flag", &m.Opened}, {"prod_geay_flag", &m.Gift}, {"rx_circ_flag", &m.Details.External}} {
		if in.optional(flag.name) == "" {
			continue
		}
		var err error
		if *flag.to, err = yes(in, flag.name, false); err != nil {
			return m, err
		}
	}
	var ok bool
	if m.Payer, ok = payers[in.optional("MDTRT_SETL_TYPE")]; !ok {
		return m, refuse("%s“%s”：应为 1 医保、2 自费", in.field("MDTRT_SETL_TYPE"), clip(in.text("MDTRT_SETL_TYPE"), 10))
	}
	if m.Person != "" {
		if _, err := s.holder(ctx, tx, r, in); err != nil {
			return m, err
		}
		m.Details.Customer = inventory.Customer{} // the person number says it
	}
	codes := in.rows["drugtracinfo"]
	for i := range codes {
		if code := codes[i].text("drug_trac_codg"); code != "" {
			m.Traces = append(m.Traces, code)
		}
	}
	// The field that the list replaces may be sent with it.
	if code := in.optional("drug_trac_codg"); code != "" && len(m.Traces) == 0 {
		m.Traces = []string{code}
	}
	return m, nil
}

func movementDetails(in *record) inventory.Details {
	return inventory.Details{
		Operator:   in.optional("inv_chg_opter_name") + in.optional("purc_retn_opter_name") + in.optional("sel_retn_opter_name"),
		Prescriber: inventory.Professional{Name: in.optional("prsc_dr_name"), IDKind: in.optional("prsc_dr_cert_type"), ID: in.optional("prsc_dr_certno")},
		Pharmacist: inventory.Professional{
			Name: in.optional("phar_name"), IDKind: in.optional("phar_cert_type"), ID: in.optional("phar_certno"), Licence: in.optional("phar_prac_cert_no"),
		},
		Customer:       inventory.Customer{Name: in.optional("psn_name"), IDKind: in.optional("psn_cert_type"), ID: in.optional("certno")},
		PrescriptionNo: in.optional("rxno"), Settled: in.optional("hi_feesetl_type"), Receipt: in.optional("rtal_docno"),
		Delivery: in.optional("dynt_no") + in.optional("stoout_no"), Batch: in.optional("bchno"), Barcode: in.optional("drug_prod_barc"), Shelf: in.optional("shelf_posi"),
		Licence: in.optional("spler_pmtno"), InvoiceCode: in.optional("purc_invo_codg"), Invoice: in.optional("purc_invo_no"), Note: in.optional("memo"),
	}
}

// dataTypes are 进销存数据类型 (inv_data_type): returns go with what they take back.
var dataTypes = map[string]inventory.Kind{"1": inventory.Count, "2": inventory.Change, "3": inventory.Purchase, "4": inventory.Sale}

// voidMovement is 3507: what was uploaded wrongly counts no more (信息删除).
func (s *Server) voidMovement(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("data")
	kind, ok := dataTypes[in.text("inv_data_type")]
	if !ok {
		return refuse("%s“%s”：应为 1 盘存、2 库存变更、3 采购（含退货）、4 销售（含退货）", in.field("inv_data_type"), clip(in.text("inv_data_type"), 10))
	}
	done, err := s.inventory.Void(ctx, tx, inventory.VoidRequest{Provider: r.provider, Kind: kind, Number: in.text("fixmedins_bchno"), Actor: r.actor()})
	if err != nil {
		return spellInventory(err, in)
	}
	if done.Kind.Return() {
		r.warnings = append(r.warnings, "删除的是"+done.Kind.Title())
	}
	r.tellStock(done)
	return nil
}

// field names a field of the row for a refusal.
func (r *record) field(name string) string { return r.node.Fields[r.node.byName[name]].at(r) }

// inventoryFields are the interface's names for the fields that the inventory
// room's errors speak of. Of several, it is the last that the row has filled in.
var inventoryFields = map[string][]string{
	"number": {"fixmedins_bchno"}, "original": {"fixmedins_bchno", "medins_prod_purc_no", "medins_prod_sel_no"},
	"time":     {"invdate", "inv_chg_time", "purc_retn_stoin_time", "sel_retn_time"},
	"quantity": {"inv_cnt", "cnt", "purc_retn_cnt", "sel_retn_cnt"},
	"lot":      {"manu_lotnum"}, "expires": {"expy_end"}, "trace": {"drugtracinfo"},
	"person": {"psn_no"}, "visit": {"mdtrt_sn"}, "settlement": {"setl_id"},
}

// spellInventory turns a refusal of the inventory room into one in the
// interface's words. Other errors stay what they are.
func spellInventory(err error, in *record) error {
	var e *inventory.Error
	if !errors.As(err, &e) {
		return err
	}
	field := ""
	for _, name := range inventoryFields[e.Field] {
		if _, ok := in.node.byName[name]; ok && (field == "" || in.text(name) != "") {
			field = in.field(name)
		}
	}
	if e.Value == "" {
		return refuse("%s：%s", field, e.Want)
	}
	return refuse("%s“%s”：%s", field, clip(e.Value, 40), e.Want)
}
