package his

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/money"
)

// A patient is a person at a desk.
type patient struct {
	*desk
	id, certno, insutype string
}

func (d *desk) patient(certno, name, insutype string) *patient {
	d.t.Helper()
	_, id := d.person(certno, name)
	return &patient{d, id, certno, insutype}
}

func (p *patient) settleOutpatient(visit, total string) reply {
	p.t.Helper()
	return p.ask("2207", outpatientBill(p.id, p.certno, visit, p.insutype, "11", total, noAmounts))
}

func (p *patient) stayBill(visit, total, day string, midStay bool) string {
	bill := stayBill(p.id, p.certno, visit, p.insutype, total, day, noAmounts)
	if midStay {
		bill = strings.Replace(bill, `"mid_setl_flag":"0"`, `"mid_setl_flag":"1"`, 1)
	}
	return bill
}

// ref is the input of 2208, 2305, 5203 and 5204.
func (p *patient) ref(visit, settled string) string {
	return fmt.Sprintf(`{"data":{"setl_id":%q,"mdtrt_id":%q,"psn_no":%q}}`, settled, visit, p.id)
}

// at is the input of 2404, 2405 and 5202.
func (p *patient) at(visit string) string {
	return fmt.Sprintf(`{"data":{"mdtrt_id":%q,"psn_no":%q}}`, visit, p.id)
}

func (p *patient) batch(visit, batch string) string {
	return fmt.Sprintf(`{"data":{"mdtrt_id":%q,"chrg_bchno":%q,"psn_no":%q}}`, visit, batch, p.id)
}

// feesOn uploads fees of a day, with serials after the first ones.
func (p *patient) feesOn(visit, day, prefix string, items ...item) string {
	at, err := time.ParseInLocation(time.DateOnly, day, zone)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.ReplaceAll(feesInput(visit, p.id, "21", at.Add(9*time.Hour), items), `"feedetl_sn":"`, `"feedetl_sn":"`+prefix)
}

func (p *patient) discharge(visit, end string) string {
	return fmt.Sprintf(`{"dscginfo":{"mdtrt_id":%[1]q,"psn_no":%[2]q,"insutype":%[3]q,"endtime":%[4]q,"dscg_dept_codg":"A03","dscg_dept_name":"内科","dscg_bed":"7","dscg_way":"1"},`+
		`"diseinfo":[{"mdtrt_id":%[1]q,"psn_no":%[2]q,"diag_type":"1","maindiag_flag":"1","diag_srt_no":"1","diag_code":"J15.9","diag_name":"细菌性肺炎","diag_dept":"内科","dise_dor_no":"D2","dise_dor_name":"示例主任","diag_time":%[4]q}]}`,
		visit, p.id, p.insutype, end)
}

func (p *patient) undo(msgid, infno string) string {
	return fmt.Sprintf(`{"data":{"psn_no":%q,"omsgid":%q,"oinfno":%q}}`, p.id, msgid, infno)
}

func setlID(t *testing.T, r reply) string {
	t.Helper()
	return fmt.Sprint(r.object(t, "setlinfo")["setl_id"])
}

func wants(t *testing.T, what, got string, contains ...string) {
	t.Helper()
	for _, c := range contains {
		if !strings.Contains(got, c) {
			t.Errorf("%s: %q does not say %q", what, got, c)
		}
	}
}

// opposite checks that every amount of the reversal is the settlement's with
// the other sign. Names that the reversal spells otherwise are mapped.
func opposite(t *testing.T, made, back reply) {
	t.Helper()
	was, is := made.object(t, "setlinfo"), back.object(t, "setlinfo")
	for _, name := range []string{"medfee_sumamt", "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt", "act_pay_dedc",
		"hifp_pay", "hifmi_pay", "hifob_pay", "maf_pay", "oth_pay", "fund_pay_sumamt", "psn_part_amt", "acct_pay", "hosp_part_amt"} {
		if fen(t, was, name) != -fen(t, is, name) {
			t.Errorf("%s: %v, reversed %v", name, was[name], is[name])
		}
	}
	cash := "psn_cash_pay"
	if _, ok := is[cash]; !ok {
		cash = "pdn_cash_pay"
	}
	if fen(t, was, "psn_cash_pay") != -fen(t, is, cash) {
		t.Errorf("cash: %v, reversed %v", was["psn_cash_pay"], is[cash])
	}
	if was["setl_id"] == is["setl_id"] {
		t.Error("the reversal has the settlement's setl_id")
	}
	paid := map[any]money.Fen{}
	for _, r := range []reply{made, back} {
		for _, d := range r.list(t, "setldetail") {
			paid[d["fund_pay_type"]] += fen(t, d, "fund_payamt")
		}
	}
	for code, left := range paid {
		if left != 0 {
			t.Errorf("fund %v: %s is left", code, left)
		}
	}
}

// amountsOf are the amounts of a settlement, without what tells two apart.
func amountsOf(t *testing.T, r reply) map[string]any {
	t.Helper()
	info := r.object(t, "setlinfo")
	maps.DeleteFunc(info, func(name string, _ any) bool {
		return name == "setl_id" || name == "setl_time" || name == "medins_setl_id" || name == "mdtrt_id"
	})
	return info
}

func same(t *testing.T, what string, a, b map[string]any) {
	t.Helper()
	for name, v := range a {
		if fmt.Sprint(v) != fmt.Sprint(b[name]) {
			t.Errorf("%s: %s is %v and %v", what, name, v, b[name])
		}
	}
}

// TestReverseOutpatient settles, reverses, corrects and settles again.
func TestReverseOutpatient(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	li := d.patient(liji, "李济", "310")
	visit := d.outpatient(li.id, liji, "310", "11")
	bill := []item{{"SVC990000001", "1", "300", "300"}, {"DRG990000002", "2", "100", "200"}, {"DRG990000003", "1", "20", "20"}}
	d.fees("2204", visit, li.id, "11", bill)
	first := li.settleOutpatient(visit, "520")
	id := setlID(t, first)

	other := p.desk("H99010000201").signIn()
	wants(t, "another provider", other.refused("2208", li.ref(visit, id)), "本机构没有这次就诊")
	wants(t, "unknown", d.refused("2208", li.ref(visit, "S123")), "“S123”：本机构没有这笔结算")
	wants(t, "as a stay", d.refused("2305", li.ref(visit, id)), "是门诊，应以 2208 办理")
	wants(t, "settled fees", d.refused("2205", li.batch(visit, "B1")), "费用明细 1、2、3 已结算，不能撤销")
	wants(t, "nothing unsettled", d.refused("2205", li.batch(visit, "0000")), "没有未结算的费用明细")
	wants(t, "settled visit", d.refused("2202", fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_id":%q,"ipt_otp_no":"M1"}}`, li.id, visit)), "已有结算 "+id)

	back := d.ask("2208", li.ref(visit, id))
	opposite(t, first, back)
	balanced208(t, back)
	info := back.object(t, "setlinfo")
	if info["balc"].(fmt.Stringer).String() != "800.00" || info["medins_setl_id"] == "" || info["med_type"] != "11" || info["psn_name"] != "李济" {
		t.Errorf("the reversal: %s", back.raw)
	}
	wants(t, "reversed twice", d.refused("2208", li.ref(visit, id)), "已于 2025-06-20 10:00:00 撤销，撤销的结算ID "+setlID(t, back))
	wants(t, "a reversal reversed", d.refused("2208", li.ref(visit, setlID(t, back))), "这是结算 "+id+" 的撤销记录，不能再撤销")
	d.verify()

	// The same fees settle again as before.
	second := li.settleOutpatient(visit, "520")
	same(t, "settled again", amountsOf(t, first), amountsOf(t, second))
	d.ask("2208", li.ref(visit, setlID(t, second)))

	// Corrected fees settle otherwise, and the first settlement is still shown
	// as it was.
	d.ask("2205", li.batch(visit, "B1"))
	d.fees("2204", visit, li.id, "11", bill[:1])
	third := li.settleOutpatient(visit, "300")
	wantAmounts(t, third, map[string]string{"medfee_sumamt": "300.00", "act_pay_dedc": "100.00", "hifp_pay": "140.00"})
	lines := d.ask("5204", li.ref(visit, id)).list(t, "data")
	if len(lines) != 3 || lines[1]["cnt"].(fmt.Stringer).String() != "2" || lines[1]["hilist_name"] != "乙类药品" {
		t.Errorf("the fees of the reversed settlement: %v", lines)
	}
	d.verify()
}

// balanced208 checks the identities of a reply of 2208, which spells cash
// otherwise.
func balanced208(t *testing.T, r reply) {
	t.Helper()
	r.Output["setlinfo"] = []byte(strings.Replace(string(r.Output["setlinfo"]), "pdn_cash_pay", "psn_cash_pay", 1))
	balanced(t, r)
}

// TestReverseChangesLater reverses the first of two stays: under a package that
// refuses and under one that replays.
func TestReverseChangesLater(t *testing.T) {
	t.Run("refuse", func(t *testing.T) {
		p := newPlatform(t)
		d := p.desk("H99010000101").signIn()
		zhang := d.patient("990100198503120014", "张安", "310")
		settled := func(begun, end, total string) (string, reply) {
			visit := d.admission(zhang.id, zhang.certno, "310", "21", begun+" 08:00:00")
			d.ask("2301", zhang.feesOn(visit, begun, "", item{"SVC990000001", "1", total, total}))
			return visit, d.ask("2304", zhang.stayBill(visit, total, end, false))
		}
		v1, one := settled("2025-06-01", "2025-06-05", "5000")
		v2, two := settled("2025-06-10", "2025-06-15", "4000")
		wantAmounts(t, one, map[string]string{"act_pay_dedc": "800.00"})
		wantAmounts(t, two, map[string]string{"act_pay_dedc": "400.00", "hifp_pay": "3060.00"})
		before := d.counts()
		err := d.refused("2305", zhang.ref(v1, setlID(t, one)))
		wants(t, "a later stay at half the deductible", err, "会改变其后 2025-06-15", setlID(t, two), "基金支付 3060.00 将变为 2720.00", "请先撤销该结算")
		if after := d.counts(); after != before {
			t.Errorf("the refused reversal left %+v, before %+v", after, before)
		}
		d.verify()
		opposite(t, two, d.ask("2305", zhang.ref(v2, setlID(t, two))))
		opposite(t, one, d.ask("2305", zhang.ref(v1, setlID(t, one))))
		// Now the second stay is the first, and the first, settled last, the second.
		wantAmounts(t, d.ask("2304", zhang.stayBill(v2, "4000", "2025-06-15", false)), map[string]string{"act_pay_dedc": "800.00", "hifp_pay": "2720.00"})
		wantAmounts(t, d.ask("2304", zhang.stayBill(v1, "5000", "2025-06-05", false)), map[string]string{"act_pay_dedc": "400.00"})
		d.verify()
	})
	t.Run("replay", func(t *testing.T) {
		p := newPlatform(t)
		d := p.desk("H99020000101").signIn()
		guo := d.patient(laoguo, "老郭", "310")
		settled := func(begun, end, total string) (string, reply) {
			visit := d.admission(guo.id, guo.certno, "310", "21", begun+" 08:00:00")
			d.ask("2301", guo.feesOn(visit, begun, "", item{"SVC990000001", "1", total, total}))
			return visit, d.ask("2304", guo.stayBill(visit, total, end, false))
		}
		// The cap of the year is 100000.
		v1, one := settled("2025-06-01", "2025-06-05", "101300")
		v2, two := settled("2025-06-06", "2025-06-09", "51300")
		v3, three := settled("2025-06-10", "2025-06-15", "11300")
		wantAmounts(t, one, map[string]string{"hifp_pay": "80000.00"})
		wantAmounts(t, two, map[string]string{"hifp_pay": "20000.00"})
		wantAmounts(t, three, map[string]string{"hifp_pay": "0.00"})
		back := d.ask("2305", guo.ref(v1, setlID(t, one)))
		opposite(t, one, back)
		wants(t, "the warning", back.WarnMsg, setlID(t, two)+" 已重新计算为 S", "基金支付 20000.00 变为 40000.00，个人负担 31300.00 变为 11300.00")
		d.verify()

		// The old settlement is shown as reversed, the new one in its place.
		shown := d.ask("5203", guo.ref(v2, setlID(t, two)))
		if flag := shown.object(t, "setlinfo")["refd_setl_flag"]; flag != "1" {
			t.Errorf("refd_setl_flag is %v", flag)
		}
		err := d.refused("2305", guo.ref(v2, setlID(t, two)))
		wants(t, "the replaced settlement", err, "已于 2025-06-20 10:00:00 撤销", "已重新计算为结算 S")
		again := err[strings.LastIndex(err, "S"):]
		shown = d.ask("5203", guo.ref(v2, again))
		if info := shown.object(t, "setlinfo"); info["refd_setl_flag"] != "0" || fen(t, info, "hifp_pay") != 4000000 {
			t.Errorf("the new settlement: %s", shown.raw)
		}
		if lines := d.ask("5204", guo.ref(v2, again)).list(t, "data"); len(lines) != 1 || fen(t, lines[0], "inscp_scp_amt") != 5130000 {
			t.Errorf("its fees: %v", lines)
		}
		// The first, settled again, comes last: what is left of the cap.
		wantAmounts(t, d.ask("2304", guo.stayBill(v1, "101300", "2025-06-05", false)), map[string]string{"hifp_pay": "52000.00"})
		d.verify()
		// The new settlement is reversed like any other, and moves the later two.
		d.ask("2305", guo.ref(v2, again))
		d.verify()
		_ = v3
	})
}

// TestMidStay settles a stay in parts.
func TestMidStay(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	wang := d.patient("990100199001010119", "王平", "390")
	visit := d.admission(wang.id, wang.certno, "390", "21", "2025-06-01 08:00:00")
	d.ask("2301", wang.feesOn(visit, "2025-06-02", "1", item{"SVC990000001", "1", "400", "400"}))
	d.ask("2301", wang.feesOn(visit, "2025-06-12", "2", item{"SVC990000001", "1", "600", "600"}))
	// The part up to the tenth: 400 of the deductible of 600.
	wants(t, "the later fee too", d.refused("2304", wang.stayBill(visit, "1000", "2025-06-10", true)), "与已上传未结算明细的合计 400.00 不符")
	preview := d.ask("2303", wang.stayBill(visit, "400", "2025-06-10", true))
	one := d.ask("2304", wang.stayBill(visit, "400", "2025-06-10", true))
	wantAmounts(t, preview, map[string]string{"act_pay_dedc": "400.00"})
	wantAmounts(t, one, map[string]string{"act_pay_dedc": "400.00", "hifp_pay": "0.00"})
	wants(t, "an admission again", d.refused("2401", admission(wang.id, wang.certno, "390", "21", "2025-06-15 08:00:00")), "不能重复入院")
	wants(t, "cancelling", d.refused("2404", wang.at(visit)), "已有结算 "+setlID(t, one))
	wants(t, "another kind", d.refused("2403", wang.amend(visit, "52", "2025-06-01 08:00:00", "1")), "已有中途结算")
	wants(t, "a discharge before it", d.refused("2402", wang.discharge(visit, "2025-06-09 08:00:00")), "费用明细 21 的日期 2025-06-12 在出院之后")
	// The rest bears the other 200 of the deductible.
	d.ask("2301", wang.feesOn(visit, "2025-06-14", "3", item{"DRG990000001", "1", "1000", "1000"}))
	two := d.ask("2304", wang.stayBill(visit, "1600", "2025-06-15", false))
	wantAmounts(t, two, map[string]string{"act_pay_dedc": "200.00", "hifp_pay": "700.00"})
	d.verify()
	wants(t, "the first part first", d.refused("2305", wang.ref(visit, setlID(t, one))), "其后还有结算 "+setlID(t, two)+"，请先撤销它")
	d.ask("2305", wang.ref(visit, setlID(t, two)))
	d.ask("2305", wang.ref(visit, setlID(t, one)))
	// In one, the stay comes to the same.
	whole := d.ask("2304", wang.stayBill(visit, "2000", "2025-06-15", false))
	wantAmounts(t, whole, map[string]string{"act_pay_dedc": "600.00", "hifp_pay": "700.00"})
	d.verify()
}

// TestDischargeAfterSettlement discharges a stay that was settled by dscgTime.
func TestDischargeAfterSettlement(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	wang := d.patient("990100199001010119", "王平", "390")
	visit := d.admission(wang.id, wang.certno, "390", "21", "2025-06-10 08:00:00")
	d.ask("2301", wang.feesOn(visit, "2025-06-12", "", item{"SVC990000001", "1", "1000", "1000"}))
	settled := d.ask("2304", wang.stayBill(visit, "1000", "2025-06-14", false))
	wants(t, "another day", d.refused("2402", wang.discharge(visit, "2025-06-15 08:00:00")), "已按出院日 2025-06-14 结算")
	d.ask("2402", wang.discharge(visit, "2025-06-14 08:00:00"))
	wants(t, "settled", d.refused("2405", wang.at(visit)), "这次就诊已经结算")
	d.ask("2305", wang.ref(visit, setlID(t, settled)))
	d.ask("2405", wang.at(visit))
	outpatient := d.outpatient(wang.id, wang.certno, "390", "11")
	wants(t, "no stay", d.refused("2402", wang.discharge(outpatient, "2025-06-20 08:00:00")), "不是住院")
	d.verify()
}

// amend is the input of 2403.
func (p *patient) amend(visit, medType, begun, bed string) string {
	return fmt.Sprintf(`{"adminfo":{"mdtrt_id":%[1]q,"psn_no":%[2]q,"tel":"13800000000","coner_name":"家属","begntime":%[3]q,"mdtrt_cert_type":"02","med_type":%[4]q,"ipt_otp_no":"Z9","atddr_no":"D3","chfpdr_name":"换人医师",`+
		`"adm_diag_dscr":"肺炎","adm_dept_codg":"A04","adm_dept_name":"呼吸科","adm_bed":%[5]q,"dscg_maindiag_code":"J18.9","dscg_maindiag_name":"肺炎"},`+
		`"diseinfo":[{"mdtrt_id":%[1]q,"psn_no":%[2]q,"diag_type":"1","maindiag_flag":"1","diag_srt_no":"2","diag_code":"I10","diag_name":"高血压","diag_dept":"呼吸科","dise_dor_no":"D3","dise_dor_name":"换人医师","diag_time":%[3]q}]}`,
		visit, p.id, begun, medType, bed)
}

// TestStay goes through the course of a stay and back.
func TestStay(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	wang := d.patient("990100199001010119", "王平", "390")
	period := fmt.Sprintf(`{"data":{"psn_no":%q,"begntime":"2025-06-01 00:00:00","endtime":"2025-06-30 23:59:59","med_type":"21","mdtrt_id":""}}`, wang.id)
	inHospital := func() int {
		return len(d.ask("5303", `{"data":{"psn_no":"","begntime":"2025-06-01 00:00:00","endtime":"2025-06-30 00:00:00"}}`).list(t, "data"))
	}
	visit := d.admission(wang.id, wang.certno, "390", "21", "2025-06-01 08:00:00")
	d.ask("2301", wang.feesOn(visit, "2025-06-02", "1", item{"SVC990000001", "1", "400", "400"}, item{"DRG990000001", "1", "300", "300"}))
	back := strings.Replace(wang.feesOn(visit, "2025-06-03", "9", item{"SVC990000001", "-1", "400", "-400"}), `"chrg_bchno"`, `"init_feedetl_sn":"11","chrg_bchno"`, 1)
	d.ask("2301", back)
	if n := inHospital(); n != 1 {
		t.Errorf("%d people in hospital", n)
	}

	// Fees are withdrawn one by one or all.
	withdraw := func(serials ...string) string {
		rows := make([]string, len(serials))
		for i, s := range serials {
			rows[i] = fmt.Sprintf(`{"feedetl_sn":%q,"mdtrt_id":%q,"psn_no":%q}`, s, visit, wang.id)
		}
		return `{"data":[` + strings.Join(rows, ",") + `]}`
	}
	wants(t, "with fees", d.refused("2404", wang.at(visit)), "还有 3 条费用明细")
	wants(t, "unknown fee", d.refused("2302", withdraw("11", "79")), "“79”：本次就诊没有这条费用明细")
	wants(t, "taken back by another", d.refused("2302", withdraw("11")), "退费明细 91 从这些明细退费")
	wants(t, "all and one", d.refused("2302", withdraw("11", "0000")), "表示全部")
	d.ask("2302", withdraw("11", "91"))
	d.ask("2302", withdraw("0000"))
	wants(t, "nothing left", d.refused("2302", withdraw("0000")), "没有未结算的费用明细")
	d.ask("2301", wang.feesOn(visit, "2025-06-02", "1", item{"SVC990000001", "1", "1000", "1000"}))

	// The admission is corrected.
	wants(t, "no stay", d.refused("2403", wang.amend(visit, "11", "2025-06-01 08:00:00", "1")), "门诊与住院不能互改")
	wants(t, "after a fee", d.refused("2403", wang.amend(visit, "21", "2025-06-05 08:00:00", "1")), "费用明细 11 的日期 2025-06-02 在入院之前")
	wants(t, "in the future", d.refused("2403", wang.amend(visit, "21", "2025-06-21 08:00:00", "1")), "晚于今日")
	d.ask("2403", wang.amend(visit, "21", "2025-05-31 07:00:00", "9"))
	d.ask("2403", wang.amend(visit, "21", "2025-06-01 07:00:00", "9"))
	v := d.ask("5201", period).list(t, "mdtrtinfo")
	if len(v) != 1 || v[0]["begntime"] != "2025-06-01 07:00:00" || v[0]["adm_bed"] != "9" || v[0]["tel"] != "13800000000" || v[0]["inhosp_stas"] != "1" || v[0]["ipt_otp_no"] != "Z9" || v[0]["adm_dept_name"] != "呼吸科" {
		t.Errorf("the corrected visit: %v", v)
	}
	ds := d.ask("5202", wang.at(visit)).list(t, "diseinfo")
	if len(ds) != 2 || ds[0]["maindiag_flag"] != "0" || ds[1]["diag_code"] != "I10" || ds[1]["maindiag_flag"] != "1" || ds[1]["inout_diag_type"] != "1" {
		t.Errorf("the diagnoses: %v", ds)
	}

	// The discharge fixes the day of the settlement.
	wants(t, "not discharged", d.refused("2405", wang.at(visit)), "没有办理出院")
	wants(t, "tomorrow", d.refused("2402", wang.discharge(visit, "2025-06-21 08:00:00")), "晚于今日")
	wants(t, "before the fee", d.refused("2402", wang.discharge(visit, "2025-06-01 18:00:00")), "费用明细 11 的日期 2025-06-02 在出院之后")
	wants(t, "before the admission", d.refused("2402", wang.discharge(visit, "2025-05-30 18:00:00")), "早于入院时间")
	wants(t, "a death without its day", d.refused("2402", strings.Replace(wang.discharge(visit, "2025-06-10 09:30:00"), `"dscg_way":"1"`, `"dscg_way":"5"`, 1)), "须填写死亡日期 die_date")
	d.ask("2402", wang.discharge(visit, "2025-06-10 09:30:00"))
	wants(t, "twice", d.refused("2402", wang.discharge(visit, "2025-06-10 09:30:00")), "不能重复办理")
	wants(t, "a fee of a later day", d.refused("2301", wang.feesOn(visit, "2025-06-11", "2", item{"SVC990000001", "1", "1", "1"})), "feedetail 第 1 行 费用发生时间 fee_ocur_time“2025-06-11”：晚于出院日 2025-06-10")
	d.ask("2301", wang.feesOn(visit, "2025-06-10", "2", item{"SVC990000001", "1", "500", "500"}))
	wants(t, "mid-stay", d.refused("2304", wang.stayBill(visit, "1500", "2025-06-10", true)), "不能中途结算")
	wants(t, "another day", d.refused("2304", wang.stayBill(visit, "1500", "2025-06-11", false)), "与出院办理登记的出院日 2025-06-10 不一致")
	if n := inHospital(); n != 0 {
		t.Errorf("%d people in hospital", n)
	}
	settled := d.ask("2304", wang.stayBill(visit, "1500", "", false))
	info := d.ask("5203", wang.ref(visit, setlID(t, settled))).object(t, "setlinfo")
	for name, want := range map[string]string{"begndate": "2025-06-01", "enddate": "2025-06-10", "year": "2025", "pay_loc": "2", "hosp_lv": "12", "dedc_hosp_lv": "3", "refd_setl_flag": "0",
		"fixmedins_name": "安济示例市人民医院", "psn_name": "王平", "clr_type": "21", "mdtrt_cert_type": "02", "med_type": "21"} {
		if fmt.Sprint(info[name]) != want {
			t.Errorf("5203: %s is %v, want %s", name, info[name], want)
		}
	}
	if info["medins_setl_id"] != settled.object(t, "setlinfo")["medins_setl_id"] || fen(t, info, "cash_payamt")+fen(t, info, "acct_pay") != fen(t, info, "psn_pay") {
		t.Errorf("5203: %v", info)
	}
	v = d.ask("5201", period).list(t, "mdtrtinfo")
	if len(v) != 1 || v[0]["endtime"] != "2025-06-10 09:30:00" || v[0]["inhosp_stas"] != "0" || v[0]["dscg_bed"] != "7" || fmt.Sprint(v[0]["ipt_days"]) != "9" {
		t.Errorf("the settled visit: %v", v)
	}

	// And all the way back.
	wants(t, "settled", d.refused("2405", wang.at(visit)), "这次就诊已经结算")
	wants(t, "settled", d.refused("2403", wang.amend(visit, "21", "2025-06-01 08:00:00", "1")), "这次就诊已经结算")
	opposite(t, settled, d.ask("2305", wang.ref(visit, setlID(t, settled))))
	wants(t, "discharged", d.refused("2404", wang.at(visit)), "请先撤销出院办理")
	d.ask("2405", wang.at(visit))
	v = d.ask("5201", period).list(t, "mdtrtinfo")
	if len(v) != 1 || v[0]["endtime"] != "" || v[0]["inhosp_stas"] != "1" || v[0]["dscg_bed"] != "" || v[0]["adm_bed"] != "9" {
		t.Errorf("after 2405: %v", v)
	}
	if ds := d.ask("5202", wang.at(visit)).list(t, "diseinfo"); len(ds) != 2 {
		t.Errorf("the discharge's diagnoses are still there: %v", ds)
	}
	d.ask("2302", withdraw("0000"))
	d.ask("2404", wang.at(visit))
	wants(t, "cancelled", d.refused("2301", wang.feesOn(visit, "2025-06-02", "8", item{"SVC990000001", "1", "1", "1"})), "这次就诊已经撤销")
	if v := d.ask("5201", period).list(t, "mdtrtinfo"); len(v) != 0 {
		t.Errorf("the cancelled visit is listed: %v", v)
	}
	d.admission(wang.id, wang.certno, "390", "21", "2025-06-01 08:00:00")
	d.verify()
}

// TestCancelRegistration cancels a registration before anything came of it.
func TestCancelRegistration(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	li := d.patient(liji, "李济", "310")
	visit := d.outpatient(li.id, liji, "310", "11")
	cancel := func(number string) string {
		return fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_id":%q,"ipt_otp_no":%q}}`, li.id, visit, number)
	}
	wants(t, "another number", d.refused("2202", cancel("M2")), "住院/门诊号 ipt_otp_no“M2”：与就诊登记的 M1 不符")
	wants(t, "as a stay", d.refused("2404", li.at(visit)), "是门诊，应以 2202 办理")
	d.fees("2204", visit, li.id, "11", []item{{"SVC990000001", "1", "300", "300"}})
	wants(t, "with fees", d.refused("2202", cancel("M1")), "还有 1 条费用明细")
	d.ask("2205", li.batch(visit, "0000"))
	d.ask("2202", cancel("M1"))
	wants(t, "cancelled", d.refused("2202", cancel("M1")), "这次就诊已经撤销")
	d.verify()
}

// TestUndo undoes messages by their number, whichever comes first.
func TestUndo(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	li := d.patient(liji, "李济", "310")
	msgid := func(message string) string { return message[strings.Index(message, `"msgid":"`)+9:][:30] }
	visit := d.outpatient(li.id, liji, "310", "11")
	d.fees("2204", visit, li.id, "11", []item{{"SVC990000001", "1", "300", "300"}})
	message := d.message("2207", outpatientBill(li.id, liji, visit, "310", "11", "300", noAmounts))
	first := d.send(message)
	if first.Infcode != "0" {
		t.Fatal(first.raw)
	}

	wants(t, "another transaction", d.refused("2601", li.undo(msgid(message), "2304")), "办理的是 2207，不是 oinfno“2304”")
	wants(t, "one that cannot be undone", d.refused("2601", li.undo(msgid(message), "2204")), "只能冲正 2102、2207、2304、2401")
	stranger := d.patient("990100199001010119", "王平", "390")
	wants(t, "another person", d.refused("2601", stranger.undo(msgid(message), "2207")), "与原报文的人员不符")
	signedIn := d.message("9001", `{"signIn":{"opter_no":"0001","mac":"00","ip":"10.0.0.1"}}`)
	d.send(signedIn)
	wants(t, "a sign-in", d.refused("2601", li.undo(msgid(signedIn), "2207")), "办理的不是 oinfno“2207”")

	d.ask("2601", li.undo(msgid(message), "2207"))
	after := d.counts()
	wants(t, "the original again", d.send(message).ErrMsg, "已被 2601 冲正，不再办理")
	d.ask("2601", li.undo(msgid(message), "2207"))
	wants(t, "another person, repeated", d.refused("2601", stranger.undo(msgid(message), "2207")), "与原报文的人员不符")
	after.replies++ // the second 2601's
	if got := d.counts(); got != after {
		t.Errorf("repeated: %+v, want %+v", got, after)
	}
	wants(t, "reversed", d.refused("2208", li.ref(visit, setlID(t, first))), "已于 2025-06-20 10:00:00 撤销")
	second := li.settleOutpatient(visit, "300")
	same(t, "settled again", amountsOf(t, first), amountsOf(t, second))

	// One that was reversed by 2208 is undone already.
	d.ask("2208", li.ref(visit, setlID(t, second)))
	r := d.ask("2601", li.undo(fmt.Sprint(second.object(t, "setlinfo")["medins_setl_id"]), "2207"))
	wants(t, "reversed before", r.WarnMsg, "原结算已撤销")

	// 2601 comes first.
	late := d.message("2207", outpatientBill(li.id, liji, visit, "310", "11", "300", noAmounts))
	r = d.ask("2601", li.undo(msgid(late), "2207"))
	wants(t, "nothing came yet", r.WarnMsg, "没有收到原报文；此后收到也不再办理")
	before := d.counts()
	wants(t, "a late original", d.send(late).ErrMsg, "已被 2601 冲正，不再办理")
	if got := d.counts(); got != before {
		t.Errorf("a late original left %+v, want %+v", got, before)
	}
	r = d.ask("2601", li.undo(msgid(late), "2207"))
	if r.WarnMsg != "" {
		t.Errorf("repeated: %s", r.WarnMsg)
	}
	wants(t, "itself", d.refused("2601", li.undo(msgid(d.message("2601", "{}"))[:26]+fmt.Sprintf("%04d", d.messages+1), "2207")), "是本报文自己的 msgid")

	// A stay, from its settlement back to its admission.
	admitted := d.message("2401", admission(li.id, liji, "310", "21", "2025-06-18 08:00:00"))
	stay := d.send(admitted).object(t, "result")["mdtrt_id"].(string)
	d.ask("2301", li.feesOn(stay, "2025-06-18", "", item{"SVC990000001", "1", "5000", "5000"}))
	paid := d.message("2304", li.stayBill(stay, "5000", "2025-06-19", false))
	d.send(paid)
	wants(t, "an admission with a settlement", d.refused("2601", li.undo(msgid(admitted), "2401")), "这次就诊已经结算")
	d.ask("2601", li.undo(msgid(paid), "2304"))
	wants(t, "an admission with fees", d.refused("2601", li.undo(msgid(admitted), "2401")), "还有 1 条费用明细")
	d.ask("2302", fmt.Sprintf(`{"data":[{"feedetl_sn":"0000","mdtrt_id":%q,"psn_no":%q}]}`, stay, li.id))
	d.ask("2601", li.undo(msgid(admitted), "2401"))
	wants(t, "the admission again", d.send(admitted).ErrMsg, "已被 2601 冲正")
	d.admission(li.id, liji, "310", "21", "2025-06-18 08:00:00")
	d.verify()
}

// TestQueriesAreOwn shows that a provider sees its own visits and no other's.
func TestQueriesAreOwn(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	li := d.patient(liji, "李济", "310")
	visit := d.outpatient(li.id, liji, "310", "11")
	d.fees("2204", visit, li.id, "11", []item{{"SVC990000001", "1", "300", "300"}, {"NOSUCHITEM01", "1", "10", "10"}})
	made := li.settleOutpatient(visit, "310")
	back := d.ask("2208", li.ref(visit, setlID(t, made)))
	other := p.desk("H99010000201").signIn()
	for infno, input := range map[string]string{"5202": li.at(visit), "5203": li.ref(visit, setlID(t, made)), "5204": li.ref(visit, setlID(t, made))} {
		wants(t, infno, other.refused(infno, input), "本机构没有这次就诊")
	}
	ask := func(medType, from, to string) string {
		return fmt.Sprintf(`{"data":{"psn_no":%q,"begntime":%q,"endtime":%q,"med_type":%q,"mdtrt_id":""}}`, li.id, from, to, medType)
	}
	if v := other.ask("5201", ask("11", "2025-06-01 00:00:00", "2025-06-30 00:00:00")).list(t, "mdtrtinfo"); len(v) != 0 {
		t.Errorf("another's visits: %v", v)
	}
	for _, x := range []struct {
		input string
		n     int
	}{
		{ask("11", "2025-06-20 00:00:00", "2025-06-20 00:00:00"), 1},
		{ask("21", "2025-06-20 00:00:00", "2025-06-20 00:00:00"), 0},
		{ask("11", "2025-06-01 00:00:00", "2025-06-19 00:00:00"), 0},
		{ask("11", "2025-06-21 00:00:00", "2025-06-30 00:00:00"), 0},
	} {
		if v := d.ask("5201", x.input).list(t, "mdtrtinfo"); len(v) != x.n {
			t.Errorf("%s: %v", x.input, v)
		}
	}
	wants(t, "a period that ends before it begins", d.refused("5201", ask("11", "2025-06-21 00:00:00", "2025-06-20 00:00:00")), "晚于结束时间")
	v := d.ask("5201", ask("11", "2025-06-01 00:00:00", "2025-06-30 00:00:00")).list(t, "mdtrtinfo")[0]
	if v["otp_diag_info"] != "急性上呼吸道感染" || v["chfpdr_name"] != "示例医师" || v["adm_dept_name"] != "内科" || v["psn_type"] != "12" || v["opter_id"] != "0001" {
		t.Errorf("the visit: %v", v)
	}

	// A reversal is shown as a settlement of its own, with opposite amounts.
	shown := d.ask("5203", li.ref(visit, setlID(t, back)))
	info := shown.object(t, "setlinfo")
	if info["refd_setl_flag"] != "1" || fen(t, info, "medfee_sumamt") != -31000 || info["medins_setl_id"] != back.object(t, "setlinfo")["medins_setl_id"] {
		t.Errorf("5203 of the reversal: %v", info)
	}
	lines := d.ask("5204", li.ref(visit, setlID(t, back))).list(t, "data")
	var total money.Fen
	for _, l := range lines {
		parts := sum(t, l, "fulamt_ownpay_amt", "overlmt_amt", "preselfpay_amt", "inscp_scp_amt")
		if amount := fen(t, l, "det_item_fee_sumamt"); amount != parts {
			t.Errorf("%v: its parts sum to %s", l, parts)
		}
		total += fen(t, l, "det_item_fee_sumamt")
	}
	if total != -31000 || len(lines) != 2 || lines[1]["list_type"] != "105" || lines[0]["list_type"] != "201" {
		t.Errorf("5204 of the reversal: %v", lines)
	}
	shown = d.ask("5203", li.ref(visit, setlID(t, made)))
	wants(t, "5203 of the reversed settlement", shown.WarnMsg, "这笔结算已撤销，撤销的结算ID "+setlID(t, back))
}
