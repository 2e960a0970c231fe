package his

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
)

type sentRow = map[string]string

// full is a row with every field of the node: those of own as they are, or left
// out where they are empty, and any other with a value that it alone has.
func (p *platform) full(infno, node string, own sentRow) sentRow {
	p.t.Helper()
	n := find(p.server.spec.Transaction(infno).Input, node)
	row := sentRow{}
	for i, f := range n.Fields {
		value, stated := own[f.Name]
		switch {
		case stated || f.Type == Rows || f.Type == Object || f.Name == "rxIn":
		case f.Dictionary != nil:
			value = f.Dictionary.Codes[len(f.Dictionary.Codes)-1].Code
		case f.Type == Number:
			value = strconv.Itoa(i%90 + 2)
		case f.Type == Date:
			value = fmt.Sprintf("2025-05-%02d", i%30+1)
		case f.Type == DateTime:
			value = fmt.Sprintf("2025-05-%02d 08:00:00", i%30+1)
		default:
			value = f.Name[:min(len(f.Name), f.Length)]
		}
		if value != "" {
			row[f.Name] = value
		}
	}
	for name := range own {
		if _, ok := n.byName[name]; !ok {
			p.t.Fatalf("%s has no field %s", infno, name)
		}
	}
	return row
}

// input is the input with one row in each node, written as JSON.
func input(nodes map[string]any) string {
	b, err := json.Marshal(nodes)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// givenBack compares what was sent with what a query gives back: every field of the
// reply that the sent row has too, under the same or another name.
func givenBack(t *testing.T, what string, sent sentRow, got map[string]any, renamed map[string]string, but ...string) {
	t.Helper()
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		shown := name
		if other, ok := renamed[name]; ok {
			shown = other
		}
		text, ok := got[shown]
		if !ok || slices.Contains(but, name) {
			continue
		}
		compared++
		if fmt.Sprint(text) != sent[name] {
			t.Errorf("%s: %s is %v, sent was %s %s", what, shown, text, name, sent[name])
		}
	}
	if compared < 10 {
		t.Errorf("%s: only %d fields were compared", what, compared)
	}
}

// settleFee uploads a row of 2204 for a visit and settles it.
func (d *desk) settleFee(psn, citizenID, visit, medType string, row sentRow) (settlement string) {
	d.t.Helper()
	d.ask("2204", input(map[string]any{"feedetail": []sentRow{row}}))
	bill := outpatientBill(psn, citizenID, visit, "310", medType, row["det_item_fee_sumamt"], noAmounts+`,"invono":"FP001"`)
	return d.ask("2207", bill).object(d.t, "setlinfo")["setl_id"].(string)
}

func setl(psn, visit, settlement string) string {
	return fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_id":%q,"setl_id":%q}}`, psn, visit, settlement)
}

// TestFeeDetails is what 2204 says of a fee: 5204 and 5205 give it back, and a
// settlement that was taken back keeps what it was settled with.
func TestFeeDetails(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	const id = "990100196611110236"
	_, psn := d.person(id, "周和")
	visit := d.outpatient(psn, id, "310", "11")
	d.ask("2203A", fmt.Sprintf(`{"mdtrtinfo":{"mdtrt_id":%q,"psn_no":%q,"med_type":"14","begntime":"2025-06-20 09:00:00","dise_codg":"M03900","dise_name":"高血压"}}`, visit, psn))
	own := sentRow{"feedetl_sn": "1", "mdtrt_id": visit, "psn_no": psn, "chrg_bchno": "B1", "dise_codg": "M03900", "fee_ocur_time": "2025-06-20 09:30:00",
		"med_list_codg": "DRG990000004", "det_item_fee_sumamt": "60.00", "cnt": "3", "pric": "20", "prd_days": "7.5", "hosp_appr_flag": "1"}
	row := p.full("2204", "feedetail", own)
	first := d.settleFee(psn, id, visit, "14", row)

	renamed := map[string]string{"rxno": "rx_drord_no"}
	check := func(what, settlement string, sent sentRow) {
		t.Helper()
		got := d.ask("5204", setl(psn, visit, settlement)).list(t, "data")
		if len(got) != 1 {
			t.Fatalf("%s: %v", what, got)
		}
		givenBack(t, what, sent, got[0], renamed)
		for name, want := range map[string]string{"prodname": "限价药品", "spec": "按说明书", "dosform_name": "片剂", "prodplac_type": "1", "bas_medn_flag": "0", "hi_nego_drug_flag": "1",
			"chld_medc_flag": "0", "hosp_prep_flag": "0", "opter_id": "0001", "opter_name": "测试员", "opt_time": "2025-06-20 10:00:00"} {
			if fmt.Sprint(got[0][name]) != want {
				t.Errorf("%s: %s is %v, want %s", what, name, got[0][name], want)
			}
		}
	}
	check("5204", first, row)
	chronic := d.ask("5205", fmt.Sprintf(`{"data":{"psn_no":%q,"begntime":"2025-06-20 00:00:00","endtime":""}}`, psn)).list(t, "feedetail")
	if len(chronic) != 1 {
		t.Fatalf("5205: %v", chronic)
	}
	givenBack(t, "5205", row, chronic[0], renamed, "cnt", "fee_ocur_time")
	if chronic[0]["spec"] != "按说明书" || chronic[0]["hi_nego_drug_flag"] != "1" || chronic[0]["list_type"] != "101" {
		t.Errorf("5205: %v", chronic[0])
	}

	// The same serial again, after the first was taken back, says other things.
	d.ask("2208", setl(psn, visit, first))
	check("taken back", first, row)
	d.ask("2205", fmt.Sprintf(`{"data":{"chrg_bchno":"0000","mdtrt_id":%q,"psn_no":%q}}`, visit, psn))
	again := maps.Clone(row)
	for _, name := range []string{"rxno", "memo", "sin_dos_dscr", "acord_dept_name", "bilg_dr_codg"} {
		again[name] += "2"
	}
	second := d.settleFee(psn, id, visit, "14", again)
	check("settled again", second, again)
	check("taken back before", first, row)

	// What only the store keeps, for no query has it.
	p.update(func(ctx context.Context, tx *db.Tx) error {
		kept := ""
		if err := tx.QueryRow(ctx, `SELECT document FROM fee_detail WHERE settlement = ''`).Scan(&kept); err != nil {
			return err
		}
		for _, want := range []string{`"outside":`, `"disease":"M03900"`, `"order_set":"com"`, `"extension":"exp_content"`} {
			if !strings.Contains(kept, want) {
				t.Errorf("%s is not in %s", want, kept)
			}
		}
		return nil
	})
	own["feedetl_sn"] = "2"
	one := p.full("2204", "feedetail", own)
	own["feedetl_sn"], own["dise_codg"] = "3", "M07800"
	if err := d.refused("2204", input(map[string]any{"feedetail": []sentRow{one, p.full("2204", "feedetail", own)}})); !strings.Contains(err, "feedetail 第 2 行 dise_codg“M07800”与同一收费批次 chrg_bchno“B1”前面明细的“M03900”不一致") {
		t.Errorf("two diseases in a batch: %s", err)
	}
	d.verify()
}

// What the list does not say stays empty, and what no catalogue holds has no
// entry.
func TestFeesWithoutEntry(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	p.update(func(ctx context.Context, tx *db.Tx) error {
		for _, it := range []catalogue.Item{
			{Code: "Z990000001", Name: "安济清咽合剂", Kind: catalogue.Drug, UnitCeiling: -1, Charge: "11", From: 20250101},
			{Code: "C990000001", Name: "一次性使用无菌注射器", Kind: catalogue.Consumable, UnitCeiling: -1, Charge: "08", From: 20250101},
		} {
			if err := catalogue.Add(ctx, tx, it); err != nil {
				return err
			}
		}
		return nil
	})
	_, psn := d.person(liji, "李济")
	visit := d.outpatient(psn, liji, "310", "11")
	up := d.fees("2204", visit, psn, "11", []item{{"Z990000001", "1", "30", "30"}, {"C990000001", "2", "5", "10"}, {"DRG990000001", "1", "5", "5"}, {"X1", "1", "5", "5"}}).list(t, "result")
	settled := setlID(t, d.ask("2207", outpatientBill(psn, liji, visit, "310", "11", "50", noAmounts)))
	got := d.ask("5204", setl(psn, visit, settled)).list(t, "data")
	for i, want := range []string{
		"103 1 合剂 每瓶 100 毫升 安济清咽合剂 ··", "301 0 无 10 毫升  ··", "101 0 片剂 按说明书 甲类药品 10", "105  无   ··",
	} {
		row := got[i]
		flags := func(r map[string]any) string {
			s := ""
			for _, name := range []string{"bas_medn_flag", "hi_nego_drug_flag"} {
				f := fmt.Sprint(r[name])
				if f == "" {
					f = "·"
				}
				s += f
			}
			return s
		}
		line := fmt.Sprint(row["list_type"], " ", row["hosp_prep_flag"], " ", row["dosform_name"], " ", row["spec"], " ", row["prodname"], " ", flags(row))
		if line != want || flags(up[i]) != flags(row) {
			t.Errorf("fee %d: %q, at the upload %s, want %q", i, line, flags(up[i]), want)
		}
	}
}

// TestStayDetails is all that 2401, 2403, 2402 and 2301 can say, given back by
// 5201, 5202 and 5204, and what 2305 and 5203 say of the settlement.
func TestStayDetails(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(zhangan, "张安")
	diagnosis := sentRow{"psn_no": psn, "diag_type": "1", "maindiag_flag": "1", "diag_srt_no": "1", "diag_code": "J18.900", "diag_name": "肺炎", "diag_time": "2025-06-10 08:00:00"}
	own := sentRow{"psn_no": psn, "insutype": "310", "begntime": "2025-06-10 08:30:00", "mdtrt_cert_type": "03", "mdtrt_cert_no": "C" + zhangan, "certno": "C" + zhangan,
		"card_sn": serialOf(zhangan), "cert_type": "90", "med_type": "21", "insuplc_admdvs": "990100", "mdtrtarea_admvs": "990100", "exp_content": "{}"}
	admitted := p.full("2401", "mdtrtinfo", own)
	disease := p.full("2401", "diseinfo", diagnosis)
	visit := d.ask("2401", input(map[string]any{"mdtrtinfo": admitted, "diseinfo": []sentRow{disease}})).object(t, "result")["mdtrt_id"].(string)
	shown := func() map[string]any {
		t.Helper()
		return d.ask("5201", fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_id":%q,"med_type":"21","begntime":"2025-06-01 00:00:00","endtime":"2025-06-30 00:00:00"}}`, psn, visit)).list(t, "mdtrtinfo")[0]
	}
	alias := map[string]string{"ipt_no": "ipt_otp_no"}
	// The card stands for the ID that the register has.
	const identity = "certno"
	givenBack(t, "2401", admitted, shown(), alias, identity)
	for name, want := range map[string]string{"emp_name": "安济示例有限公司", "opter_id": "0001", "opter_name": "测试员", "opt_time": "2025-06-20 10:00:00", "naty": "01", "nwb_flag": "0"} {
		if got := shown()[name]; got != want {
			t.Errorf("5201: %s is %v, want %s", name, got, want)
		}
	}
	d.operator = "0002"
	d.signIn()
	amended := p.full("2403", "adminfo", sentRow{"mdtrt_id": visit, "psn_no": psn, "begntime": "2025-06-10 08:40:00", "endtime": "", "mdtrt_cert_type": "03", "med_type": "21", "exp_content": "{}",
		"main_cond_dscr": "转入", "geso_val": "8", "ttp_pay_prop": "0.5"})
	amendedDisease := p.full("2403", "diseinfo", sentRow{"mdtrt_id": visit, "psn_no": psn, "diag_type": "1", "maindiag_flag": "1", "diag_srt_no": "1", "adm_cond": "危重"})
	d.ask("2403", input(map[string]any{"adminfo": amended, "diseinfo": []sentRow{amendedDisease}}))
	givenBack(t, "2403", amended, shown(), alias)
	found := d.ask("5202", fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_id":%q}}`, psn, visit)).list(t, "diseinfo")[0]
	givenBack(t, "5202", amendedDisease, found, nil)
	if found["opter_id"] != "0002" || found["opter_name"] != "测试员" || found["opt_time"] != "2025-06-20 10:00:00" {
		t.Errorf("5202: %v", found)
	}

	fee := p.full("2301", "feedetail", sentRow{"feedetl_sn": "1", "init_feedetl_sn": "", "mdtrt_id": visit, "psn_no": psn, "med_type": "21", "fee_ocur_time": "2025-06-11 09:30:00",
		"med_list_codg": "DRG990000002", "det_item_fee_sumamt": "3000.00", "cnt": "100", "pric": "30", "hosp_appr_flag": "1"})
	wrong := maps.Clone(fee)
	wrong["med_type"] = "52"
	if err := d.refused("2301", input(map[string]any{"feedetail": []sentRow{wrong}})); !strings.Contains(err, "医疗类别 med_type“52”与就诊登记的类别“住院”不一致") || !strings.Contains(err, "请先以 2403 更正") {
		t.Errorf("a fee of another kind of care: %s", err)
	}
	d.ask("2301", input(map[string]any{"feedetail": []sentRow{fee}}))
	discharged := p.full("2402", "dscginfo", sentRow{"mdtrt_id": visit, "psn_no": psn, "insutype": "310", "endtime": "2025-06-15 10:00:00", "dscg_way": "5", "die_date": "2025-06-15"})
	out := p.full("2402", "diseinfo", sentRow{"mdtrt_id": visit, "psn_no": psn, "diag_type": "1", "maindiag_flag": "1", "diag_srt_no": "1"})
	d.ask("2402", input(map[string]any{"dscginfo": discharged, "diseinfo": []sentRow{out}}))
	givenBack(t, "2402", discharged, shown(), alias)

	bill := with(stayBill(psn, zhangan, visit, "310", "3000", "", noAmounts+`,"invono":"FP123","psn_type":"12","card_sn":"","psn_cert_type":"01","mdtrtarea_admvs":"990100"`))
	settled := d.ask("2304", bill)
	if !strings.Contains(settled.WarnMsg, "人员类别 psn_type“12”与登记的 11 不符，按登记的处理") {
		t.Errorf("another class of person: %s", settled.WarnMsg)
	}
	ref := setl(psn, visit, setlID(t, settled))
	rows := d.ask("5204", ref).list(t, "data")
	givenBack(t, "2301", fee, rows[0], map[string]string{"drord_no": "rx_drord_no"})
	info := d.ask("5203", ref).object(t, "setlinfo")
	for name, want := range map[string]string{"naty": "01", "invono": "FP123", "emp_name": "安济示例有限公司", "opter_id": "0002", "opter_name": "测试员", "opt_time": "2025-06-20 10:00:00",
		"nwb_flag": "0", "pref_fund_pay": "0.00", "mdtrt_cert_type": "03"} {
		if fmt.Sprint(info[name]) != want {
			t.Errorf("5203: %s is %v, want %s", name, info[name], want)
		}
	}
	back := d.ask("2305", ref)
	info = back.object(t, "setlinfo")
	if info["mdtrt_cert_no"] != "C"+zhangan || info["invono"] != "FP123" {
		t.Errorf("2305: %v", info)
	}
	if details := back.list(t, "setldetail"); len(details) == 0 || details[0]["setl_proc_info"] != "撤销结算 "+setlID(t, settled) {
		t.Errorf("2305: %v", details)
	}
}

// TestOutpatientDetails is all that 2201 and 2203 can say.
func TestOutpatientDetails(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(liji, "李济")
	registered := p.full("2201", "data", sentRow{"psn_no": psn, "insutype": "310", "begntime": "2025-06-20 09:00:00", "mdtrt_cert_type": "03", "mdtrt_cert_no": "C" + liji,
		"card_sn": serialOf(liji), "psn_cert_type": "01", "certno": liji, "psn_type": "11", "psn_name": "李济", "exp_content": "{}"})
	r := d.ask("2201", input(map[string]any{"data": registered}))
	if !strings.Contains(r.WarnMsg, "人员类别 psn_type“11”与登记的 12 不符") {
		t.Errorf("another class of person: %s", r.WarnMsg)
	}
	visit := r.object(t, "data")["mdtrt_id"].(string)
	shown := func() map[string]any {
		t.Helper()
		return d.ask("5201", fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_id":%q,"med_type":"11","begntime":"2025-06-01 00:00:00","endtime":"2025-06-30 00:00:00"}}`, psn, visit)).list(t, "mdtrtinfo")[0]
	}
	for _, number := range []string{"2203", "2203A"} {
		described := p.full(number, "mdtrtinfo", sentRow{"mdtrt_id": visit, "psn_no": psn, "med_type": "11", "begntime": "2025-06-20 09:10:00", "exp_content": "{}", "main_cond_dscr": number})
		disease := p.full(number, "diseinfo", sentRow{"diag_srt_no": "1", "vali_flag": "1"})
		d.ask(number, input(map[string]any{"mdtrtinfo": described, "diseinfo": []sentRow{disease}}))
		got := shown()
		for _, name := range []string{"main_cond_dscr", "birctrl_type", "birctrl_matn_date", "matn_type", "geso_val", "dise_codg", "dise_name"} {
			if sent, ok := described[name]; ok && fmt.Sprint(got[name]) != sent {
				t.Errorf("%s: %s is %v, sent was %s", number, name, got[name], sent)
			}
		}
	}
	givenBack(t, "2201", registered, shown(), aliases, "psn_type", "begntime")
	p.update(func(ctx context.Context, tx *db.Tx) error {
		notes, err := p.server.notes(ctx, tx, visit)
		for _, name := range []string{"caty", "dise_type_code", "mdtrt_cert_no"} {
			if notes[name] == "" {
				t.Errorf("%s was not kept: %v", name, notes)
			}
		}
		return err
	})
	d.ask("2202", fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_id":%q,"ipt_otp_no":%q}}`, psn, visit, registered["ipt_otp_no"]))
	if got := shown()["memo"]; got != "已撤销" {
		t.Errorf("5201 of a visit that was cancelled: %v", got)
	}
}

// serialOf is the serial of the card of one of the fixed people.
func serialOf(citizenID string) string {
	for _, p := range demo.People() {
		if p.CitizenID == citizenID {
			return p.CardSerial()
		}
	}
	return ""
}

// TestIdentity is every contradiction between what a message says of a person
// and the register.
func TestIdentity(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(liji, "李济")
	_, zhang := d.person(zhangan, "张安")
	outpatient := d.outpatient(psn, liji, "310", "11")
	d.fees("2204", outpatient, psn, "11", []item{{"SVC990000001", "1", "300", "300"}})
	stay := d.admission(zhang, zhangan, "310", "21", "2025-06-10 08:30:00")
	d.ask("2301", feesInput(stay, zhang, "21", d.now, []item{{"SVC990000001", "1", "300", "300"}}))

	person := with(personInput("02", liji, liji, "李济"), "psn_cert_type", "01")
	register := fmt.Sprintf(`{"data":{"psn_no":%q,"insutype":"310","begntime":"2025-06-20 09:00:00","mdtrt_cert_type":"02","mdtrt_cert_no":%q,"psn_cert_type":"","certno":"","card_sn":"","psn_type":"","psn_name":"","ipt_otp_no":"M2","dept_code":"A03","dept_name":"内科","caty":"A03"}}`, psn, liji)
	bill := outpatientBill(psn, liji, outpatient, "310", "11", "300", noAmounts+`,"psn_cert_type":"","certno":"","card_sn":""`)
	staying := stayBill(zhang, zhangan, stay, "310", "300", "2025-06-20", noAmounts+`,"psn_cert_type":"","certno":"","card_sn":"","mdtrtarea_admvs":""`)
	admit := strings.Replace(admission(zhang, zhangan, "310", "21", "2025-06-19 08:30:00"), `"med_type"`, `"cert_type":"","certno":"","card_sn":"","mdtrtarea_admvs":"","med_type"`, 1)
	const otherType, otherCard = "不符，应为", "不是该人员社会保障卡的"
	for _, x := range []struct{ name, infno, input, want string }{
		{"a passport", "1101", with(person, "psn_cert_type", "08"), "证件类型 psn_cert_type“08”与该人员登记的证件不符，应为 01 居民身份证（户口簿）"},
		{"a card's type with an ID", "1101", with(person, "psn_cert_type", "90"), otherType + " 01"},
		{"an ID's type with a card", "1101", with(person, "certno", "C"+liji), otherType + " 90 社会保障卡"},
		{"another's card", "1101", with(person, "card_sn", serialOf(zhangan)), "卡识别码 card_sn“" + serialOf(zhangan) + "”" + otherCard},
		{"a type without a number", "2201", with(register, "psn_cert_type", "16"), "psn_cert_type“16”"},
		{"another's card", "2201", with(register, "card_sn", serialOf(zhangan)), otherCard},
		{"another type", "2206", with(bill, "psn_cert_type", "04"), otherType},
		{"another's card", "2206", with(bill, "card_sn", "0"), otherCard},
		{"another type", "2207", with(bill, "psn_cert_type", "04"), otherType},
		{"another's card", "2207", with(bill, "card_sn", "0"), otherCard},
		{"another type", "2303", with(staying, "psn_cert_type", "04"), otherType},
		{"another's card", "2303", with(staying, "card_sn", "0"), otherCard},
		{"elsewhere", "2303", with(staying, "mdtrtarea_admvs", "500000"), "data.mdtrtarea_admvs“500000”与报文的就医地 990100 不一致"},
		{"another type", "2304", with(staying, "psn_cert_type", "04"), otherType},
		{"another's card", "2304", with(staying, "card_sn", "0"), otherCard},
		{"elsewhere", "2304", with(staying, "mdtrtarea_admvs", "500000"), "mdtrtarea_admvs“500000”"},
		{"another type", "2401", with(admit, "cert_type", "04"), "证件类型 cert_type“04”"},
		{"another's card", "2401", with(admit, "card_sn", "0"), otherCard},
		{"elsewhere", "2401", with(admit, "mdtrtarea_admvs", "500000"), "mdtrtinfo.mdtrtarea_admvs“500000”"},
		{"another type", "2507", with(injuryInput(psn), "certno", "", "psn_name", "", "psn_cert_type", "04"), otherType},
	} {
		if err := d.refused(x.infno, x.input); !strings.Contains(err, x.want) {
			t.Errorf("%s %s: %s, want %s", x.infno, x.name, err, x.want)
		}
	}
	// What fits is taken, in any case of letters; a person whose card is not
	// known may have any.
	d.ask("1101", with(person, "card_sn", strings.ToLower(serialOf(liji))))
	d.ask("1101", with(person, "certno", "C"+liji, "psn_cert_type", "90"))
	d.ask("2201", with(register, "psn_cert_type", "90", "psn_type", "120"))
	p.update(func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, `UPDATE person SET card_serial_digest = NULL`)
	})
	d.ask("1101", with(person, "card_sn", "0"))
	third := strings.Replace(bill, `"card_sn":""`, `"card_sn":"","exp_content":"{\"REL_TTP_FLAG\":\"1\"}"`, 1)
	if err := d.refused("2207", third); !strings.Contains(err, "REL_TTP_FLAG（涉及第三方）与就诊登记的不一致，请先以 2203 或 2403 更正") {
		t.Errorf("a third party that the visit does not know: %s", err)
	}
	r := d.ask("2206", with(strings.Replace(bill, `"card_sn":""`, `"card_sn":"","psn_type":"14"`, 1)))
	if !strings.Contains(r.WarnMsg, "人员类别 psn_type“14”与登记的 12 不符，按登记的处理") {
		t.Errorf("2206: %q", r.WarnMsg)
	}
	r = d.ask("2303", with(strings.Replace(staying, `"card_sn":""`, `"card_sn":"","psn_type":"14"`, 1), "mdtrtarea_admvs", "990000"))
	if !strings.Contains(r.WarnMsg, "人员类别 psn_type“14”与登记的 11 不符") {
		t.Errorf("2303: %q", r.WarnMsg)
	}
}

// What is kept for those who ask later: the terminal of a sign-in, who filed,
// and the day of an operation.
func TestKeptAside(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(zhangan, "张安")
	id := d.filed("2503", diseaseInput(psn))
	p.update(func(ctx context.Context, tx *db.Tx) error {
		a, ok, err := p.server.filings.Get(ctx, tx, id)
		if err != nil || !ok || a.Details.Disease.Operated != "2024-11-05" || a.Details.OperatorName != "测试员" {
			t.Errorf("%+v, %v", a, err)
		}
		var mac, ip string
		if err := tx.QueryRow(ctx, `SELECT mac, ip FROM sign_in WHERE sign_no = ?`, d.signNo).Scan(&mac, &ip); err != nil || mac != "00-00-00-00" || ip != "10.0.0.1" {
			t.Errorf("signed in from %s, %s, %v", mac, ip, err)
		}
		return nil
	})
	d.filed("2501", referralInput(psn))
	r := d.ask("5304", fmt.Sprintf(`{"data":{"psn_no":%q,"begntime":"2025-06-01 00:00:00","endtime":"2025-12-01 00:00:00"}}`, psn))
	if got := strings.Trim(string(r.Output["opter_name"]), `"`); got != "测试员" {
		t.Errorf("5304: %s", got)
	}
}

// A person's classes are told with their end, and a newborn is known by age.
func TestPersonFacts(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(wangping, "王平")
	p.update(func(ctx context.Context, tx *db.Tx) error {
		return enrolment.AddClass(ctx, tx, psn, enrolment.Class{Name: "低保", From: 20250101, To: 20251231, Authority: "安济示例市民政局"})
	})
	r, _ := d.person(wangping, "王平")
	if c := r.list(t, "idetinfo"); len(c) != 1 || c[0]["endtime"] != "2025-12-31 00:00:00" {
		t.Errorf("1101: %v", c)
	}
	if got := r.object(t, "baseinfo")["naty"]; got != "03" {
		t.Errorf("naty is %v", got)
	}
	for birth, want := range map[civil.Date]bool{20250620: true, 20250523: true, 20250522: false, 19900101: false} {
		if got := newborn(enrolment.Person{Birth: birth}, fixedDay); got != want {
			t.Errorf("born on %s: %t", birth, got)
		}
	}
}

// What 2507 says of the person and the hospital is held against the register.
func TestInjuryAgainstRegister(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(zhangan, "张安")
	var message map[string]map[string]any
	if err := json.Unmarshal([]byte(injuryInput(psn)), &message); err != nil {
		t.Fatal(err)
	}
	set := func(day string, more map[string]any) reply {
		t.Helper()
		row := maps.Clone(message["data"])
		maps.Copy(row, map[string]any{"insutype": "310", "certno": "", "psn_name": "张安", "trum_time": day, "begndate": day, "fixmedins_code": "H99010000101"})
		maps.Copy(row, more)
		return d.ask("2507", string(mustJSON(t, map[string]any{"data": row})))
	}
	right := set("2025-06-01", map[string]any{"gend": "1", "naty": "1", "brdy": "1985-03-12", "emp_name": "安济示例有限公司", "hosp_lv": "2", "fixmedins_name": "安济示例市人民医院", "psn_cert_type": "01", "mdtrtarea_admdvs": "990000"})
	for _, word := range []string{"不符", "机构名称"} {
		if strings.Contains(right.WarnMsg, word) {
			t.Errorf("all is right: %s", right.WarnMsg)
		}
	}
	if r := set("2025-06-02", map[string]any{"gend": "9", "hosp_lv": "x"}); strings.Contains(r.WarnMsg, "不符") {
		t.Errorf("what is not said: %s", r.WarnMsg)
	}
	wrong := set("2025-06-03", map[string]any{"gend": "2", "naty": "03", "brdy": "1985-03-13", "emp_name": "别的单位", "hosp_lv": "5", "fixmedins_name": "别的医院", "mdtrtarea_admdvs": "500000"})
	for _, want := range []string{"机构名称 fixmedins_name 按登记的“安济示例市人民医院”处理", "gend（登记为 1）", "naty（登记为 01）", "brdy（登记为 1985-03-12）",
		"emp_name（登记为 安济示例有限公司）", "mdtrtarea_admdvs（登记为 990100）", "hosp_lv（登记为 12）与登记不符，按登记的处理"} {
		if !strings.Contains(wrong.WarnMsg, want) {
			t.Errorf("%s is not in %s", want, wrong.WarnMsg)
		}
	}
}

// What the lists say of an item is in the queries of the insurance catalogue.
func TestListedAttributes(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	p.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := catalogue.Publish(ctx, tx, catalogue.WesternDrugs, 20250301, "test",
			catalogue.Entry{Code: "DRG99TEST", Name: "测试药", From: 20250301, Details: map[string]string{"五笔助记码": "IYA", "拼音助记码": "CSY", "备注": "限住院"}})
		if err != nil {
			return err
		}
		return catalogue.Add(ctx, tx, catalogue.Item{Code: "DRG99TEST", Name: "测试药", Kind: catalogue.Drug, Charge: "09", From: 20250301, To: 20250531, UnitCeiling: 500})
	})
	for _, x := range []struct {
		infno, extra string
		want         string
	}{
		{"1312", `,"pinyin":"csy"`, "DRG99TEST 2025-05-31 2025-03-01 IYA CSY 限住院"},
		{"1312", `,"wubi":"IYA"`, "DRG99TEST 2025-05-31 2025-03-01 IYA CSY 限住院"},
		{"1312", `,"wubi":"IY"`, ""},
		{"1312", `,"pinyin":"IYA"`, ""},
		{"1312", `,"pinyin":"%"`, ""},
		{"1312", `,"pinyin":"YLYP"`, "DRG990000002  2025-01-01  YLYP "},
		{"1316", `,"hilist_code":"DRG99TEST"`, "DRG99TEST 2025-05-31 2025-03-01 <nil> <nil> 限住院"},
		{"1318", `,"hilist_code":"DRG99TEST","hilist_lmtpric_type":"1"`, "DRG99TEST 2025-05-31 2025-03-01 <nil> <nil> <nil>"},
		{"1319", `,"hilist_code":"DRG99TEST","selfpay_prop_psn_type":"310"`, "DRG99TEST 2025-05-31 2025-03-01 <nil> <nil> <nil>"},
	} {
		got := ""
		for _, row := range d.ask(x.infno, query(x.extra, 1, 10)).list(t, "data") {
			got += fmt.Sprint(row["hilist_code"], " ", row["enddate"], " ", row["opt_time"], " ", row["wubi"], " ", row["pinyin"], " ", row["memo"])
		}
		if got != x.want {
			t.Errorf("%s %s: %q, want %q", x.infno, x.extra, got, x.want)
		}
	}
}

// All that 3301 says of a mapping is in 1317.
func TestMappingDetails(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	row := p.full("3301", "data", sentRow{"fixmedins_hilist_id": "Y1", "list_type": "101", "med_list_codg": "DRG990000001", "begndate": "2025-01-01", "enddate": "2099-12-31"})
	d.ask("3301", input(map[string]any{"data": row}))
	got := d.ask("1317", query(`,"medins_list_codg":"Y1"`, 1, 10)).list(t, "data")
	if len(got) != 1 || got[0]["opt_time"] != "2025-06-20" {
		t.Fatalf("%v", got)
	}
	givenBack(t, "3301", row, got[0], map[string]string{"fixmedins_hilist_id": "medins_list_codg", "fixmedins_hilist_name": "medins_list_name"})
}

// Staff and departments that have gone are told with their end.
func TestDepartmentDetails(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	p.update(func(ctx context.Context, tx *db.Tx) error {
		if err := tx.Exec(ctx, `UPDATE department SET to_day = 20251231, introduction = '重点专科' WHERE provider = ?`, d.provider); err != nil {
			return err
		}
		return tx.Exec(ctx, `UPDATE staff SET to_day = 20250531, reason = '调出' WHERE provider = ?`, d.provider)
	})
	if row := d.ask("5101", `{}`).list(t, "feedetail")[0]; row["endtime"] != "2025-12-31 00:00:00" || row["itro"] != "重点专科" {
		t.Errorf("5101: %v", row)
	}
	if row := d.ask("5102", `{"data":{"prac_psn_type":"1"}}`).list(t, "feedetail")[0]; row["endtime"] != "2025-05-31 00:00:00" || row["chg_rea"] != "调出" {
		t.Errorf("5102: %v", row)
	}
}

// The flag for reversals chooses what 3201 and 3202 reconcile, by either name.
func TestReconciledSide(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	a, b := d.visitOf(liji, "李济", "310", "300"), d.visitOf(liji, "李济", "310", "1000")
	back := d.ask("2208", setl(b.person, b.visit, b.id)).object(t, "setlinfo")
	reversal := paid{id: back["setl_id"].(string), visit: b.visit, person: b.person, total: -b.total, fund: -b.fund, account: -b.account, cash: -b.cash}
	both := sumOf(a, b, reversal)
	const from, to = "2025-06-01", "2025-06-30"
	for _, x := range []struct {
		flags, words string
		count        int
		sum          paid
	}{
		{``, "平：结算 3 笔", 3, both},
		{`,"refd_setl_flag":"0"`, "平：结算 2 笔", 2, sumOf(a, b)},
		{`,"fixmedins_refd_setl_flag":"0"`, "平：结算 2 笔", 2, sumOf(a, b)},
		{`,"fixmedins_refd_setl_flag":"1"`, "平：结算 1 笔", 1, reversal},
		{`,"refd_setl_flag":"1","fixmedins_refd_setl_flag":"1"`, "平：结算 1 笔", 1, reversal},
		{`,"refd_setl_flag":"1"`, "结算笔数：机构 2，经办 1，差 1；只计退费结算", 2, reversal},
	} {
		got := d.ask("3201", totalsInput("310", "11", "990100", from, to, x.count, x.sum, x.flags)).object(t, "stmtinfo")["stmt_rslt_dscr"].(string)
		if !strings.HasPrefix(got, x.words) {
			t.Errorf("3201 %s: %s, want %s", x.flags, got, x.words)
		}
	}
	marked := strings.TrimSuffix(reversal.row(), "0") + "1"
	for _, x := range []struct {
		flags, rows, words string
		count              int
		sum                paid
	}{
		{``, a.row() + "\n" + b.row() + "\n" + marked, "明细 3 笔：平 3，不平 0", 3, both},
		{`,"refd_setl_flag":"0"`, a.row() + "\n" + b.row(), "明细 2 笔：平 2，不平 0；只计非退费结算", 2, sumOf(a, b)},
		{`,"fixmedins_refd_setl_flag":"1"`, marked, "明细 1 笔：平 1，不平 0；只计退费结算", 1, reversal},
		{`,"refd_setl_flag":"1"`, strings.TrimSuffix(reversal.row(), "0"), "明细 1 笔：平 1，不平 0；只计退费结算", 1, reversal},
		{`,"refd_setl_flag":"0"`, a.row() + "\n" + b.row() + "\n" + marked, "明细 3 笔：平 3，不平 0；明细与退费结算标志 refd_setl_flag 不符，已按正常结算与退费一并对账", 3, both},
		{`,"refd_setl_flag":"0"`, a.row(), "明细 2 笔：平 1，不平 1；其中机构明细未列 1；医疗费总额：机构 300.00，经办 1300.00，差 -1000.00", 1, a},
	} {
		got := d.ask("3202", detailsInput(d.upload(zipped(t, "a.txt", x.rows)), x.count, x.sum, x.flags)).WarnMsg
		if !strings.HasPrefix(got, x.words) {
			t.Errorf("3202 %s: %s, want %s", x.flags, got, x.words)
		}
	}
	for flags, want := range map[string]string{
		`,"fixmedins_refd_setl_flag":"2"`:                      "退费结算标志 fixmedins_refd_setl_flag“2”：应为 0 否、1 是",
		`,"refd_setl_flag":"0","fixmedins_refd_setl_flag":"1"`: "退费结算标志 fixmedins_refd_setl_flag“1”与 refd_setl_flag“0”不一致",
	} {
		if err := d.refused("3201", totalsInput("310", "11", "990100", from, to, 3, both, flags)); !strings.Contains(err, want) {
			t.Errorf("3201 %s: %s", flags, err)
		}
		if err := d.refused("3202", detailsInput(d.upload(zipped(t, "a.txt", marked)), 3, both, flags)); !strings.Contains(err, want) {
			t.Errorf("3202 %s: %s", flags, err)
		}
	}
}
