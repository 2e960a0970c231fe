package his

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/inventory"
)

// goods begins every row about DRG990000001, which the provider calls Y1.
func goods(number string) string {
	return fmt.Sprintf(`"med_list_codg":"DRG990000001","fixmedins_hilist_id":"Y1","fixmedins_hilist_name":"甲类药品0.5克","fixmedins_bchno":%q,"rx_flag":"1","memo":"备注"`, number)
}

func countInput(number, day, quantity string) string {
	return fmt.Sprintf(`{"invinfo":{%s,"invdate":%q,"inv_cnt":%s,"manu_lotnum":"L1","manu_date":"2025-01-01","expy_end":"2027-01-01","drugtracinfo":[{"drug_trac_codg":"81000000000000000009"}]}}`, goods(number), day, quantity)
}

func changeInput(number, reason, at, quantity string) string {
	return fmt.Sprintf(`{"invinfo":{%s,"inv_chg_type":%q,"pric":"12.5","cnt":%s,"inv_chg_time":%q,"inv_chg_opter_name":"库管","trdn_flag":"0"}}`, goods(number), reason, quantity, at)
}

func purchaseInput(number, at, quantity string) string {
	return fmt.Sprintf(`{"purcinfo":{%s,"dynt_no":"SH1","spler_name":"示例医药公司","spler_pmtno":"XK1","manu_lotnum":"L1","prodentp_name":"示例药厂","aprvno":"国药准字H1","manu_date":"2025-01-01",`+
		`"expy_end":"2027-01-01","finl_trns_pric":"10.123456","purc_retn_cnt":%s,"purc_invo_codg":"FP","purc_invo_no":"001","purc_retn_stoin_time":%q,"purc_retn_opter_name":"采购员","prod_geay_flag":"0"}}`,
		goods(number), quantity, at)
}

func purchaseReturnInput(number, of, at, quantity string) string {
	return fmt.Sprintf(`{"purcinfo":{%s,"spler_name":"示例医药公司","manu_date":"2025-01-01","expy_end":"2027-01-01","purc_retn_cnt":%s,"purc_invo_no":"002",`+
		`"purc_retn_stoin_time":%q,"purc_retn_opter_name":"采购员","medins_prod_purc_no":%q}}`, goods(number), quantity, at, of)
}

func saleInput(number, visit, settlement, at, quantity string) string {
	return fmt.Sprintf(`{"selinfo":{%s,"prsc_dr_name":"示例医师","phar_name":"示例药师","phar_prac_cert_no":"Y100","setl_id":%q,"mdtrt_sn":%q,"psn_no":"","psn_cert_type":"01","certno":"","psn_name":"",`+
		`"manu_lotnum":"L1","manu_date":"2025-01-01","expy_end":"2027-01-01","trdn_flag":"0","finl_trns_pric":"15","rxno":"RX1","rx_circ_flag":"1","rtal_docno":"LS1","drug_trac_codg":"",`+
		`"sel_retn_cnt":%s,"sel_retn_time":%q,"sel_retn_opter_name":"收银员","MDTRT_SETL_TYPE":"","drugtracinfo":[{"drug_trac_codg":"81000000000000000001"},{"drug_trac_codg":"81000000000000000002"}]}}`,
		goods(number), settlement, visit, quantity, at)
}

func saleReturnInput(number, of, at, quantity string) string {
	return fmt.Sprintf(`{"selinfo":{%s,"setl_id":"","psn_no":"","psn_cert_type":"01","certno":"","psn_name":"","manu_lotnum":"L1","manu_date":"2025-01-01","expy_end":"","trdn_flag":"0","finl_trns_pric":"15",`+
		`"sel_retn_cnt":%s,"sel_retn_time":%q,"sel_retn_opter_name":"收银员","medins_prod_sel_no":%q,"mdtrt_sn":"","drugtracinfo":{"drug_trac_codg":"81000000000000000001"}}}`, goods(number), quantity, at, of)
}

func voidInput(number, kind string) string {
	return fmt.Sprintf(`{"data":{"fixmedins_bchno":%q,"inv_data_type":%q}}`, number, kind)
}

// stock is what the desk's provider has of Y1.
func (d *desk) stock() (text string) {
	d.t.Helper()
	d.update(func(ctx context.Context, tx *db.Tx) error {
		q, err := inventory.Stock(ctx, tx, d.provider, "Y1", d.now.AddDate(0, 0, 1))
		text = q.String()
		return err
	})
	return text
}

func (d *desk) movements() (all []inventory.Movement) {
	d.t.Helper()
	d.update(func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = d.server.inventory.Movements(ctx, tx, d.provider, "Y1")
		return err
	})
	return all
}

// TestInventory follows an item through every transaction.
func TestInventory(t *testing.T) {
	d := newPlatform(t).desk("P99010000401").signIn()
	for _, x := range []struct{ infno, input, stock, warn string }{
		// Out of order: sold before it was bought.
		{"3505", saleInput("X1", "M1", "", "2025-06-10 10:00:00", "3"), "-3", "商品 Y1 的库存为 -3"},
		{"3503", purchaseInput("C1", "2025-06-09 09:00:00", "100"), "97", ""},
		{"3504", purchaseReturnInput("T1", "C1", "2025-06-10 09:00:00", "10.5"), "86.5", ""},
		{"3504", purchaseReturnInput("C1", "", "2025-06-10 09:00:00", "0.5"), "86", ""},
		{"3506", saleReturnInput("XT1", "X1", "2025-06-11 09:00:00", "1"), "87", ""},
		{"3506", saleReturnInput("X1", "", "2025-06-11 09:00:00", "0.2500"), "87.25", ""},
		// A count takes the place of all that moved up to its day's end.
		{"3501", countInput("P1", "2025-06-12", "80"), "80", ""},
		{"3501A", with(countInput("P2", "2025-06-12", "5.25"), "manu_lotnum", "L2"), "85.25", ""},
		{"3505", saleInput("X2", "M2", "", "2025-06-12 23:59:59", "7"), "85.25", ""},
		{"3505", saleInput("X3", "M3", "", "2025-06-13 00:00:00", "5.25"), "80", ""},
		{"3502", changeInput("B101", "101", "2025-06-14 08:00:00", "1"), "81", ""},
		{"3502", changeInput("B102", "102", "2025-06-14 08:00:00", "2"), "79", ""},
		{"3502", changeInput("B103", "103", "2025-06-14 08:00:00", "3"), "82", ""},
		{"3502", changeInput("B104", "104", "2025-06-14 08:00:00", "4"), "78", ""},
		{"3502", changeInput("B105", "105", "2025-06-14 08:00:00", "5"), "73", ""},
		{"3502", changeInput("B106", "106", "2025-06-14 08:00:00", "6"), "79", ""},
		{"3502", changeInput("B107", "107", "2025-06-14 08:00:00", "7"), "72", ""},
		{"3502", changeInput("B108", "108", "2025-06-14 08:00:00", "8"), "80", ""},
		{"3502", changeInput("B109", "109", "2025-06-14 08:00:00", "9"), "71", ""},
		{"3502", changeInput("B110", "110", "2025-06-14 08:00:00", "10"), "81", ""},
		{"3502", changeInput("B111", "111", "2025-06-14 08:00:00", "11"), "70", ""},
		{"3502", changeInput("C1", "108", "2025-06-09 09:00:00", "100"), "70", "流水号 C1 的商品已上传采购，与本次重复计入库存"},
		{"3507", voidInput("C1", "2"), "70", ""},
		{"3507", voidInput("X3", "4"), "75.25", ""},
		{"3507", voidInput("P1", "1"), "-4.75", "库存为 -4.75"},
		{"3507", voidInput("P2", "1"), "70.25", ""},
		{"3507", voidInput("C1", "3"), "70.75", "删除的是采购退货"},
		{"3507", voidInput("T1", "3"), "81.25", "删除的是采购退货"},
		{"3507", voidInput("C1", "3"), "-18.75", "库存为 -18.75"},
		// A number whose report was deleted may be used again.
		{"3503", purchaseInput("C1", "2025-06-09 09:00:00", "18.75"), "0", ""},
	} {
		r := d.ask(x.infno, x.input)
		if got := d.stock(); got != x.stock || x.warn == "" && r.WarnMsg != "" || !strings.Contains(r.WarnMsg, x.warn) || len(r.Output) != 0 {
			t.Errorf("%s %s: the stock is %s, want %s; %q, want %q", x.infno, x.input, got, x.stock, r.WarnMsg, x.warn)
		}
	}
	all := d.movements()
	find := func(number string, kind inventory.Kind) inventory.Movement {
		t.Helper()
		i := slices.IndexFunc(all, func(m inventory.Movement) bool { return m.Number == number && m.Kind == kind })
		if i < 0 {
			t.Fatalf("no %s %s", kind.Title(), number)
		}
		return all[i]
	}
	m := find("X1", inventory.Sale)
	if m.Name != "甲类药品0.5克" || m.Item != "DRG990000001" || m.Lot != "L1" || m.Made != 20250101 || m.Expires != 20270101 || m.Price != 15_000_000 || !m.Prescription || m.Opened ||
		!slices.Equal(m.Traces, []string{"81000000000000000001", "81000000000000000002"}) || m.VisitNumber != "M1" || m.Visit != "" || m.Payer != inventory.SelfPaid ||
		m.Details.Prescriber.Name != "示例医师" || m.Details.Pharmacist.Licence != "Y100" || m.Details.PrescriptionNo != "RX1" || !m.Details.External || m.Details.Receipt != "LS1" ||
		m.Details.Operator != "收银员" || m.Recorded.By != "P99010000401 0001" || !m.Recorded.At.Equal(d.now) {
		t.Errorf("3505: %+v", m)
	}
	m = find("C1", inventory.Purchase)
	if m.Supplier != "示例医药公司" || m.Producer != "示例药厂" || m.Approval != "国药准字H1" || m.Price != 10_123_456 || m.Details.Invoice != "001" || m.Details.Licence != "XK1" ||
		m.Voided.By != "P99010000401 0001" || !m.Voided.At.Equal(d.now) {
		t.Errorf("3503: %+v", m)
	}
	if m = find("X1", inventory.SaleReturn); m.Original != "X1" || len(m.Traces) != 1 || m.Quantity != 2500 {
		t.Errorf("3506: %+v", m)
	}
	if m = find("B102", inventory.Change); m.Price != 12_500_000 || m.Reason != inventory.TransferOut || m.Details.Operator != "库管" || m.Effect() != -20000 {
		t.Errorf("3502: %+v", m)
	}
	d.verify()
}

// A repeated message is answered as before and counts once.
func TestInventoryRepeated(t *testing.T) {
	d := newPlatform(t).desk("P99010000401").signIn()
	message := d.message("3505", saleInput("X1", "M1", "", "2025-06-10 10:00:00", "3"))
	first := d.send(message)
	if again := d.send(message); first.Infcode != "0" || again.raw != first.raw || d.stock() != "-3" {
		t.Errorf("%s\n%s\nthe stock is %s", first.raw, again.raw, d.stock())
	}
	void := d.message("3507", voidInput("X1", "4"))
	first = d.send(void)
	if again := d.send(void); first.Infcode != "0" || again.raw != first.raw || d.stock() != "0" {
		t.Errorf("%s\n%s\nthe stock is %s", first.raw, again.raw, d.stock())
	}
	if r := d.send(strings.Replace(message, `"sel_retn_cnt":3`, `"sel_retn_cnt":4`, 1)); !strings.Contains(r.ErrMsg, "内容不同的请求") {
		t.Errorf("another sale under the same msgid: %s", r.raw)
	}
}

// What is wrong is named, and nothing of it stays.
func TestInventoryRefused(t *testing.T) {
	p := newPlatform(t)
	d, other := p.desk("P99010000401").signIn(), p.desk("H99010000201").signIn()
	_, psn := d.person(liji, "李济")
	_, wang := d.person(wangping, "王平")
	visit := other.outpatient(psn, liji, "310", "11")
	own := d.visitOf(liji, "李济", "310", "100")
	second := d.visitOf(wangping, "王平", "390", "100")
	const when = "2025-06-10 10:00:00"
	d.ask("3503", purchaseInput("C1", when, "10"))
	d.ask("3504", purchaseReturnInput("T1", "C1", when, "4"))
	d.ask("3505", saleInput("X1", own.visit, own.id, when, "5"))
	d.ask("3506", saleReturnInput("XT1", "X1", "2025-06-11 10:00:00", "2"))
	d.ask("3501", countInput("P1", "2025-06-10", "5"))
	d.ask("3502", changeInput("B1", "101", when, "1"))
	sale := saleInput("X2", "M1", "", when, "1")
	back := saleReturnInput("XT2", "X1", "2025-06-11 10:00:00", "1")
	before, stock := d.counts(), d.stock()
	for _, x := range []struct{ name, infno, input, want string }{
		{"no quantity", "3505", saleInput("X2", "M1", "", when, "0"), "selinfo.sel_retn_cnt（销售/退货数量）“0”：应为正数"},
		{"a negative return", "3506", with(back, "sel_retn_cnt", "-1"), "“-1”：应为正数"},
		{"a negative count", "3501", countInput("P2", "2025-06-11", "-0.01"), "invinfo.inv_cnt（库存数量）“-0.01”：不能为负"},
		{"three decimals of a count", "3501", countInput("P2", "2025-06-11", "1.001"), "invinfo.inv_cnt（库存数量）“1.001”：应为数值，整数最多 14 位、小数最多 2 位"},
		{"too many", "3503", purchaseInput("C2", when, "100000000.0001"), "purcinfo.purc_retn_cnt（采购/退货数量）“100000000.0001”：不能超过 100000000"},
		{"a negative price", "3502", with(changeInput("B2", "101", when, "1"), "pric", "-0.000001"), "invinfo.pric（单价）“-0.000001”：单价不能为负"},
		{"a negative price of a sale", "3505", with(sale, "finl_trns_pric", "-0.5"), "selinfo.finl_trns_pric（最终成交单价）“-0.5”：单价不能为负"},
		{"an unknown reason", "3502", changeInput("B2", "112", when, "1"), "invinfo.inv_chg_type（库存变更类型）“112”"},
		{"no time", "3503", purchaseInput("C2", "昨天", "1"), "purc_retn_stoin_time（采购/退货入库时间）“昨天”：应为"},
		{"tomorrow", "3502", changeInput("B2", "101", "2025-06-21 00:00:00", "1"), "invinfo.inv_chg_time（库存变更时间）“2025-06-21”：晚于今天 2025-06-20"},
		{"a count tomorrow", "3501", countInput("P2", "2025-06-21", "1"), "invinfo.invdate（盘存日期）“2025-06-21”：晚于今天"},
		{"expired when it was made", "3503", with(purchaseInput("C2", when, "1"), "expy_end", "2024-12-31"), "purcinfo.expy_end（有效期止）“2024-12-31”：早于生产日期 2025-01-01"},
		{"a flag of 2", "3503", with(purchaseInput("C2", when, "1"), "rx_flag", "2"), "purcinfo.rx_flag（处方药标志）“2”：应为 0 否、1 是"},
		{"a gift of 是", "3503", with(purchaseInput("C2", when, "1"), "prod_geay_flag", "是"), "purcinfo.prod_geay_flag（商品赠送标志）“是”：应为 0 否、1 是"},
		{"a payer of 3", "3505", with(sale, "MDTRT_SETL_TYPE", "3"), "selinfo.MDTRT_SETL_TYPE（就诊结算类型）“3”：应为 1 医保、2 自费"},
		{"self-paid and settled", "3505", with(saleInput("X2", own.visit, own.id, when, "1"), "MDTRT_SETL_TYPE", "2"), "selinfo.setl_id（结算ID）“" + own.id + "”：自费的销售不应有医保结算"},
		{"no item", "3505", with(sale, "med_list_codg", ""), "缺少 selinfo.med_list_codg（医疗目录编码）"},
		{"no node", "3505", `{}`, "缺少节点 input.selinfo"},
		{"one code twice", "3505", strings.Replace(sale, "81000000000000000002", "81000000000000000001", 1), "selinfo.drugtracinfo（溯源码节点信息）“81000000000000000001”：同一追溯码重复"},
		{"a code too long", "3505", strings.Replace(sale, "81000000000000000002", strings.Repeat("8", 31), 1), "drugtracinfo 第 2 行 drug_trac_codg（药品追溯码）"},
		{"codes as text", "3505", with(strings.Replace(sale, `[{"drug_trac_codg":"81000000000000000001"},{"drug_trac_codg":"81000000000000000002"}]`, `""`, 1), "drugtracinfo", "81000000000000000001"), "节点 drugtracinfo 应为对象的数组"},
		{"an unknown person", "3505", with(sale, "psn_no", "9"), "人员编号 psn_no“9”不存在"},
		{"another's name", "3505", with(sale, "psn_no", psn, "psn_name", "王平"), "人员姓名 psn_name“王平”与所持凭证的人员不符"},
		{"another's settlement", "3505", with(saleInput("X2", own.visit, own.id, when, "1"), "psn_no", wang), "selinfo.psn_no（人员编号）“" + wang + "”：与就诊登记的人员不符"},
		{"another's visit", "3505", with(saleInput("X2", own.visit, "", when, "1"), "psn_no", wang), "selinfo.psn_no（人员编号）“" + wang + "”：与就诊登记的人员不符"},
		{"another provider's visit", "3505", saleInput("X2", visit, "", when, "1"), "selinfo.mdtrt_sn（就医流水号）“" + visit + "”：本机构没有这次就诊"},
		{"no settlement", "3505", saleInput("X2", "M1", "S1", when, "1"), "selinfo.setl_id（结算ID）“S1”：本机构没有这笔结算"},
		{"another visit's settlement", "3505", saleInput("X2", own.visit, second.id, when, "1"), "selinfo.mdtrt_sn（就医流水号）“" + own.visit + "”：不是结算 " + second.id + " 的就诊 " + second.visit},
		{"a return from another visit", "3506", with(back, "mdtrt_sn", second.visit), "selinfo.mdtrt_sn（就医流水号）“" + second.visit + "”：不是所退销售的就诊 " + own.visit},
		{"a return by another", "3506", with(back, "psn_no", wang), "selinfo.psn_no（人员编号）“" + wang + "”：与所退销售的人员不符"},
		{"a purchase twice", "3503", purchaseInput("C1", when, "1"), "purcinfo.fixmedins_bchno（定点医药机构批次流水号）“C1”：已于 2025-06-20 10:00:00 用于上传的采购"},
		{"a purchase return twice", "3504", purchaseReturnInput("T1", "C1", when, "1"), "“T1”：已于 2025-06-20 10:00:00 用于上传的采购退货"},
		{"a sale twice", "3505", saleInput("X1", "M1", "", when, "1"), "“X1”：已于 2025-06-20 10:00:00 用于上传的销售"},
		{"a sale return twice", "3506", with(back, "fixmedins_bchno", "XT1"), "“XT1”：已于 2025-06-20 10:00:00 用于上传的销售退货"},
		{"a count twice", "3501", countInput("P1", "2025-06-11", "1"), "“P1”：已于 2025-06-20 10:00:00 用于上传的盘存"},
		{"a change twice", "3502", changeInput("B1", "102", when, "1"), "“B1”：已于 2025-06-20 10:00:00 用于上传的库存变更"},
		{"a lot counted twice", "3501", countInput("P2", "2025-06-10", "1"), "invinfo.manu_lotnum（生产批号）“L1”：商品 Y1 的这一批 2025-06-10 已盘存，流水号 P1"},
		{"more than was bought", "3504", purchaseReturnInput("T2", "C1", when, "6.0001"), "purcinfo.purc_retn_cnt（采购/退货数量）“6.0001”：超过采购 C1 可退的 6（共 10，已退 4）"},
		{"more than was sold", "3506", with(back, "sel_retn_cnt", "3.5"), "selinfo.sel_retn_cnt（销售/退货数量）“3.5”：超过销售 X1 可退的 3（共 5，已退 2）"},
		{"a return of no purchase", "3504", purchaseReturnInput("T2", "C9", when, "1"), "purcinfo.medins_prod_purc_no（商品采购流水号）“C9”：没有这个流水号的采购，请先上传采购"},
		{"a return under its own number", "3504", purchaseReturnInput("T2", "", when, "1"), "purcinfo.fixmedins_bchno（定点医药机构批次流水号）“T2”：没有这个流水号的采购"},
		{"a return of no sale", "3506", saleReturnInput("XT2", "X9", when, "1"), "selinfo.medins_prod_sel_no（商品销售流水号）“X9”：没有这个流水号的销售，请先上传销售"},
		{"a return of other goods", "3506", with(back, "fixmedins_hilist_id", "Y2"), "是商品 Y1（DRG990000001）的销售"},
		{"a return before the sale", "3506", with(back, "sel_retn_time", "2025-06-10 09:59:59"), "selinfo.sel_retn_time（销售/退货时间）“2025-06-10 09:59:59”：早于所退销售的时间 " + when},
		{"deletes nothing", "3507", voidInput("C9", "3"), "data.fixmedins_bchno（定点医药机构批次流水号）“C9”：本机构没有这个流水号的采购记录"},
		{"deletes another kind", "3507", voidInput("C1", "2"), "本机构没有这个流水号的库存变更记录"},
		{"deletes an unknown kind", "3507", voidInput("C1", "5"), "data.inv_data_type（进销存数据类型）“5”：应为 1 盘存、2 库存变更、3 采购（含退货）、4 销售（含退货）"},
		{"deletes a purchase with a return", "3507", voidInput("C1", "3"), "这笔采购已有退货，流水号 T1；请先删除退货"},
		{"deletes a sale with a return", "3507", voidInput("X1", "4"), "这笔销售已有退货，流水号 XT1；请先删除退货"},
	} {
		if err := d.refused(x.infno, x.input); !strings.Contains(err, x.want) {
			t.Errorf("%s: %s, want %s", x.name, err, x.want)
		}
	}
	if err := other.refused("3507", voidInput("C1", "3")); !strings.Contains(err, "本机构没有这个流水号的采购记录") {
		t.Errorf("deletes another provider's: %s", err)
	}
	if err := other.refused("3506", back); !strings.Contains(err, "没有这个流水号的销售") {
		t.Errorf("a return at another provider: %s", err)
	}
	if got := d.counts(); got != before || d.stock() != stock || len(d.movements()) != 6 {
		t.Errorf("refused requests left %+v, want %+v, and %d movements", got, before, len(d.movements()))
	}
	// Another provider's numbers are its own.
	other.ask("3503", purchaseInput("C1", when, "1"))
}

// A sale that names a person keeps the number only; one that does not keeps
// what it says sealed.
func TestInventoryPeople(t *testing.T) {
	d := newPlatform(t).desk("P99010000401").signIn()
	_, psn := d.person(liji, "李济")
	const when = "2025-06-10 10:00:00"
	d.ask("3505", with(saleInput("X1", "M1", "", when, "1"), "psn_no", psn, "certno", liji, "psn_name", "李济"))
	d.ask("3505", with(saleInput("X2", "M2", "", when, "1"), "certno", "990100199001010017", "psn_name", "某甲"))
	own := d.visitOf(liji, "李济", "310", "100")
	d.ask("3505", saleInput("X3", own.visit, "", when, "1"))
	d.ask("3505", saleInput("X4", "M4", own.id, when, "1"))
	d.ask("3505", with(saleInput("X5", "M5", "", when, "1"), "MDTRT_SETL_TYPE", "1", "drug_trac_codg", "83"))
	d.ask("3506", saleReturnInput("XT3", "X3", "2025-06-11 10:00:00", "1"))
	all := d.movements()
	if m := all[0]; m.Person != psn || m.Details.Customer != (inventory.Customer{}) {
		t.Errorf("a known person: %+v", m)
	}
	if m := all[1]; m.Person != "" || m.Details.Customer != (inventory.Customer{Name: "某甲", IDKind: "01", ID: "990100199001010017"}) {
		t.Errorf("an unknown person: %+v", m)
	}
	for i, m := range all[2:4] {
		if m.Person != psn || m.Visit != own.visit || m.Payer != inventory.Insured {
			t.Errorf("linked %d: %+v", i, m)
		}
	}
	if m := all[4]; m.Person != "" || m.Visit != "" || m.Payer != inventory.Insured || len(m.Traces) != 2 {
		t.Errorf("insured by its own word: %+v", m)
	}
	if m := all[5]; m.Person != psn || m.Visit != own.visit || m.Payer != inventory.Insured {
		t.Errorf("a return: %+v", m)
	}
}

// TestCompare holds sales against settled fees.
func TestCompare(t *testing.T) {
	p := newPlatform(t)
	d, other := p.desk("H99010000101").signIn(), p.desk("H99010000201").signIn()
	_, psn := d.person(liji, "李济")
	settle := func(total string, items ...item) (visit, id string) {
		t.Helper()
		visit = d.outpatient(psn, liji, "310", "11")
		d.fees("2204", visit, psn, "11", items)
		return visit, d.ask("2207", outpatientBill(psn, liji, visit, "310", "11", total, noAmounts)).object(t, "setlinfo")["setl_id"].(string)
	}
	compare := func(name string, from, to civil.Date, want ...string) {
		t.Helper()
		p.update(func(ctx context.Context, tx *db.Tx) error {
			all, err := inventory.Compare(ctx, tx, d.provider, inventory.Period{From: from, To: to})
			got := make([]string, len(all))
			for i, x := range all {
				got[i] = x.String()
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
			return err
		})
	}
	const a, b, when = "DRG990000001", "DRG990000002", "2025-06-20 09:00:00"
	compare("nothing", 20250601, 20250630)
	visit, id := settle("650", item{a, "10", "30", "300"}, item{b, "2.5", "100", "250"}, item{"SVC990000001", "1", "100", "100"})
	other.visitOf(wangping, "王平", "390", "100")
	other.ask("3505", saleInput("X1", "M1", "", when, "40"))
	billed := []string{a + " 甲类药品：医保结算 10，医保销售 0，结算多 10", b + " 乙类药品：医保结算 2.5，医保销售 0，结算多 2.5"}
	compare("nothing sold", 20250601, 20250630, billed...)
	compare("another month", 20250521, 20250619)
	compare("the day", 20250620, 20250620, billed...)

	d.ask("3505", saleInput("X1", visit, id, when, "8"))
	d.ask("3505", saleInput("X2", "M2", "", when, "3"))
	d.ask("3505", with(saleInput("X3", visit, "", when, "3"), "med_list_codg", b))
	compare("sold", 20250620, 20250620, a+" 甲类药品：医保结算 10，医保销售 8，结算多 2；另有自费销售 3", b+" 乙类药品：医保结算 2.5，医保销售 3，销售多 0.5")
	// An insured sale without its visit, one brought back, one deleted.
	d.ask("3505", with(saleInput("X4", "M4", "", when, "2"), "MDTRT_SETL_TYPE", "1"))
	d.ask("3506", with(saleReturnInput("XT3", "X3", "2025-06-20 09:30:00", "0.5"), "med_list_codg", b))
	d.ask("3505", saleInput("X5", visit, id, when, "1"))
	compare("one too many", 20250620, 20250620, a+" 甲类药品：医保结算 10，医保销售 11，销售多 1；另有自费销售 3")
	d.ask("3507", voidInput("X5", "4"))
	compare("all agree", 20250620, 20250620)
	// What no catalogue holds is compared if it was sold.
	loose, _ := settle("20", item{"OWN1", "2", "10", "20"})
	compare("uncatalogued and not sold", 20250620, 20250620)
	r := d.ask("3505", with(saleInput("X6", loose, "", when, "1"), "med_list_codg", "OWN1"))
	if !strings.Contains(r.WarnMsg, "医疗目录编码 OWN1 在 2025-06-20 不在就医地目录内") {
		t.Errorf("uncatalogued: %s", r.WarnMsg)
	}
	compare("uncatalogued", 20250620, 20250620, "OWN1 L1：医保结算 2，医保销售 1，结算多 1")
	d.ask("3505", with(saleInput("X7", loose, "", when, "1"), "med_list_codg", "OWN1"))

	// The next day: a reversed settlement is none, a return counts on the day
	// of its sale.
	p.now = p.now.AddDate(0, 0, 1)
	d.signIn()
	d.ask("2208", fmt.Sprintf(`{"data":{"setl_id":%q,"mdtrt_id":%q,"psn_no":%q}}`, id, visit, psn))
	compare("reversed", 20250620, 20250620, a+" 甲类药品0.5克：医保结算 0，医保销售 10，销售多 10；另有自费销售 3", b+" 甲类药品0.5克：医保结算 0，医保销售 2.5，销售多 2.5")
	const next = "2025-06-21 09:00:00"
	d.ask("3506", saleReturnInput("XT1", "X1", next, "8"))
	d.ask("3506", saleReturnInput("XT4", "X4", next, "2"))
	d.ask("3506", saleReturnInput("XT2", "X2", next, "3"))
	d.ask("3506", with(saleReturnInput("X3", "", next, "2.5"), "med_list_codg", b))
	compare("brought back", 20250620, 20250620)
	compare("the day of the return", 20250621, 20250621)
	d.ask("3507", voidInput("XT4", "4"))
	compare("a return deleted", 20250620, 20250620, a+" 甲类药品0.5克：医保结算 0，医保销售 2，销售多 2")
	d.ask("3506", saleReturnInput("XT4", "X4", next, "2"))

	// A fee taken back later counts on the day of the fee.
	stay := d.admission(psn, liji, "310", "21", "2025-06-21 08:00:00")
	d.fees("2301", stay, psn, "21", []item{{a, "5", "30", "150"}})
	p.now = p.now.AddDate(0, 0, 1)
	d.signIn()
	d.ask("2301", strings.Replace(with(feesInput(stay, psn, "21", p.now, []item{{a, "-2", "30", "-60"}}), "feedetl_sn", "9"), `"mdtrt_id"`, `"init_feedetl_sn":"1","mdtrt_id"`, 1))
	compare("not settled", 20250621, 20250622)
	d.ask("2304", stayBill(psn, liji, stay, "310", "90", "2025-06-22", noAmounts))
	compare("the day of the fee", 20250621, 20250621, a+" 甲类药品：医保结算 3，医保销售 0，结算多 3")
	compare("the day it was taken back", 20250622, 20250622)
	d.ask("3505", saleInput("X8", stay, "", "2025-06-21 10:00:00", "3"))
	compare("sold during the stay", 20250621, 20250622)
	p.verify()
}
