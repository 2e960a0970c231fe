package his

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/supervision"
)

// fields are those of a row, as a client writes them.
type fields = map[string]any

// but is a row with other values; nil takes a field away.
func but(row fields, changes fields) fields {
	row = maps.Clone(row)
	for name, v := range changes {
		if row[name] = v; v == nil {
			delete(row, name)
		}
	}
	return row
}

func orderRow(id, item, cnt, amount, price string) fields {
	return fields{
		"rx_id": id, "rxno": "P1", "long_drord_flag": "0", "hilist_type": "101", "chrg_type": "09", "drord_bhvr": "1", "hilist_code": item, "hilist_name": "项目" + item,
		"hilist_lv": "01", "hilist_pric": price, "hosplist_code": "L1", "hosplist_name": "院内名称", "cnt": cnt, "pric": price, "sumamt": amount, "ownpay_amt": 0, "selfpay_amt": 0,
		"spec": "1", "spec_unt": "盒", "drord_begn_date": "2025-06-20 09:00:00", "drord_stop_date": "", "drord_dept_codg": "A03", "drord_dept_name": "内科",
		"drord_dr_codg": "D1", "drord_dr_name": "示例医师", "drord_dr_profttl": "1", "curr_drord_flag": "1",
	}
}

func encounterRow(id, provider, medType, from, to, diagnosis string, orders ...fields) fields {
	kind := "1"
	if medType == "21" {
		kind = "2"
	}
	if orders == nil {
		orders = []fields{orderRow("R0", "SVC990000001", "1", "10", "10")}
	}
	return fields{
		"mdtrt_id": id, "medins_id": provider, "medins_name": "医院", "medins_admdvs": "990100", "medins_type": "1", "medins_lv": "3", "adm_date": from, "dscg_date": to,
		"dscg_main_dise_codg": diagnosis, "dscg_main_dise_name": "病", "dr_codg": "D1", "adm_dept_codg": "A03", "adm_dept_name": "内科", "dscg_dept_codg": "A03", "dscg_dept_name": "内科",
		"med_mdtrt_type": kind, "med_type": medType, "matn_stas": "0", "medfee_sumamt": 100, "ownpay_amt": 0, "selfpay_amt": 0, "setl_totlnum": 0, "insutype": "310", "reim_flag": "2",
		"out_setl_flag": "0", "fsi_order_dtos": orders,
		"fsi_diagnose_dtos": []fields{{"dise_id": "1", "inout_dise_type": "1", "maindise_flag": "1", "dias_srt_no": "1", "dise_codg": diagnosis, "dise_name": "病", "dise_date": from}},
	}
}

func patientRow(id, name, sex, born, visit string, encounters ...fields) fields {
	return fields{"patn_id": id, "patn_name": name, "gend": sex, "brdy": born, "poolarea": "990100", "curr_mdtrt_id": visit, "fsi_encounter_dtos": encounters}
}

func analysisInput(t *testing.T, more fields, patients ...fields) string {
	t.Helper()
	return string(mustJSON(t, fields{"data": but(fields{"patient_dtos": patients}, more)}))
}

func feedback(t *testing.T, kind string, warns ...fields) string {
	t.Helper()
	return string(mustJSON(t, fields{"data": fields{"warn_type": kind, "warns": warns}}))
}

func warning(id, way, reason any) fields {
	return fields{"warn_rslt_id": id, "dspo_way": way, "dspo_way_rea": reason}
}

// hits are the findings in short: rule, amount, and orders with their parts.
func hits(t *testing.T, r reply) string {
	t.Helper()
	var out []string
	for _, row := range r.list(t, "result") {
		s := fmt.Sprint(row["rule_id"], " ", row["vola_amt"])
		for _, d := range row["judge_result_detail_dtos"].([]any) {
			d := d.(fields)
			s += fmt.Sprint(" ", d["rx_id"], ":", d["vola_amt"])
		}
		out = append(out, s)
	}
	return strings.Join(out, "；")
}

// kept is a finding as the store holds it.
func (p *platform) kept(id any) (k supervision.Kept) {
	p.t.Helper()
	ctx := context.Background()
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		var ok bool
		var err error
		if k, ok, err = p.server.supervision.Get(ctx, tx, id.(string)); err == nil && !ok {
			return fmt.Errorf("no finding %s", id)
		}
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
	return k
}

const near, far = "H99010000101", "H99010000102"

// A man is prescribed what is for women, and more than is allowed in a day.
func TestAnalysis(t *testing.T) {
	p := newPlatform(t)
	d := p.desk(near).signIn()
	_, psn := d.person(zhangan, "张安")
	visit := d.outpatient(psn, zhangan, "310", "11")
	orders := []fields{
		orderRow("R1", "DRG990000003", "2", "50.5", "25.25"),
		orderRow("R2", "DRG990000001", "40", "40", "1"),
		but(orderRow("R3", "DRG990000001", "40", "80", "2"), fields{"curr_drord_flag": "0"}),
		orderRow("R4", "SVC990000001", "1", "15", "10"),
	}
	current := encounterRow(visit, near, "11", "2025-06-20 08:00:00", "2025-06-20 08:00:00", "J06.9", orders...)
	input := analysisInput(t, fields{"trig_scen": "2"}, patientRow(psn, "张安", "1", "1985-03-12", visit, current))
	for infno, phase := range map[string]supervision.Phase{"3101": supervision.Before, "3102": supervision.During} {
		r := d.ask(infno, input)
		if got, want := hits(t, r), "X001 50.50 R1:50.50；X004 20.00 R2:20.00"; got != want {
			t.Errorf("%s: %s, want %s", infno, got, want)
		}
		if r.WarnMsg != "" {
			t.Errorf("%s warns: %s", infno, r.WarnMsg)
		}
		row := r.list(t, "result")[0]
		id := row["jr_id"].(string)
		for name, want := range map[string]any{"rule_name": "示例：限性别", "vola_cont": "项目DRG990000003（DRG990000003）限女性使用，患者为男性", "patn_id": psn, "mdtrt_id": visit, "vola_amt_stas": "1",
			"sev_deg": "1", "vola_evid": "安济沙箱示例规则（虚构，非规定） 示例第1条", "vola_bhvr_type": "2", "task_id": strings.TrimSuffix(id, "-1")} {
			if row[name] != want {
				t.Errorf("%s: %s is %v, want %v", infno, name, row[name], want)
			}
		}
		detail := row["judge_result_detail_dtos"].([]any)[0].(fields)
		for name, want := range map[string]any{"jrd_id": id + "-1", "patn_id": psn, "mdtrt_id": visit, "vola_item_type": "2"} {
			if detail[name] != want {
				t.Errorf("%s: %s of the detail is %v, want %v", infno, name, detail[name], want)
			}
		}
		k := p.kept(id)
		if k.Phase != phase || k.Provider != near || k.Person != psn || !k.At.Equal(p.now) ||
			k.Text != row["vola_cont"] || k.Title != row["rule_name"] || k.Basis.String() != row["vola_evid"] || k.Amount != 5050 || !k.Computed || len(k.Details) != 1 || k.Details[0].Order != "R1" {
			t.Errorf("%s: kept %+v", infno, k)
		}
	}
	// The same rows in another order are found the same.
	current["fsi_order_dtos"] = []fields{orders[3], orders[2], orders[1], orders[0]}
	if got := hits(t, d.ask("3101", analysisInput(t, nil, patientRow(psn, "张安", "1", "1985-03-12", visit, current)))); got != "X001 50.50 R1:50.50；X004 20.00 R2:20.00" {
		t.Errorf("in another order: %s", got)
	}
	// What was found stops nothing.
	d.fees("2204", visit, psn, "11", []item{{"DRG990000003", "2", "25.25", "50.5"}})
	balanced(t, d.ask("2207", outpatientBill(psn, zhangan, visit, "310", "11", "50.5", noAmounts)))
	p.verify()
	p.audited("supervision.analyse", 3)
	// Nothing of what was found in words can be read in the store.
	ctx := context.Background()
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		n := 0
		err := tx.Each(ctx, func(rows *db.Rows) error {
			n++
			var body []byte
			err := rows.Scan(&body)
			if bytes.Contains(body, []byte("DRG")) || bytes.Contains(body, []byte("性")) {
				t.Errorf("the store holds %q", body)
			}
			return err
		}, `SELECT body FROM finding`)
		if n != 6 {
			t.Errorf("%d findings are kept, want 6", n)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// audited checks how often something was done, and that the record is whole.
func (p *platform) audited(action string, times int) {
	p.t.Helper()
	ctx := context.Background()
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM audit WHERE action = ?`, action).Scan(&n); err != nil {
			return err
		}
		if n != times {
			p.t.Errorf("%s stands %d times in the record, want %d", action, n, times)
		}
		return audit.Verify(ctx, tx)
	}); err != nil {
		p.t.Error(err)
	}
}

// Which rules are asked: all, those of a list, or all in a scene.
func TestChosenRules(t *testing.T) {
	p := newPlatform(t)
	d := p.desk(near).signIn()
	_, psn := d.person("990100201509010128", "赵小禾") // a girl of nine years
	current := encounterRow("NEW", near, "11", "2025-06-20", "2025-06-20", "E11.9",
		orderRow("R1", "DRG990000002", "1", "9", "9"), orderRow("R2", "BED990000001", "1", "50", "50"), orderRow("R3", "BED990000001", "1", "50", "50"),
		orderRow("R4", "DRG990000004", "1", "31", "20"), orderRow("R5", "DRG990000003", "1", "30", "30"))
	all := "X002 9.00 R1:9.00；X003 100.00 R2:50.00 R3:50.00；X005 50.00 R3:50.00；X006 30.00 R5:30.00 R4:0.00；X008 1.00 R4:1.00"
	for _, c := range []struct {
		name string
		more fields
		want string
		warn string
	}{
		{"neither", nil, all, ""},
		{"an empty list", fields{"rule_ids": []string{}}, all, ""},
		{"a list", fields{"rule_ids": []string{"X008", "X002", "X001"}}, "X002 9.00 R1:9.00；X008 1.00 R4:1.00", ""},
		{"one without its list", fields{"rule_ids": "X002"}, "X002 9.00 R1:9.00", ""},
		{"a list that finds nothing", fields{"rule_ids": []string{"X001"}}, "", ""},
		{"both", fields{"rule_ids": []string{"X001"}, "trig_scen": "4"}, all, "已给触发场景"},
	} {
		r := d.ask("3101", analysisInput(t, c.more, patientRow(psn, "赵小禾", "2", "2015-09-01", "NEW", current)))
		if got := hits(t, r); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if !strings.Contains(r.WarnMsg, c.warn) || c.warn == "" && r.WarnMsg != "" {
			t.Errorf("%s: warns %q", c.name, r.WarnMsg)
		}
	}
	// The register knows better; two people are judged apart.
	_, man := d.person(zhangan, "张安")
	r := d.ask("3102", analysisInput(t, fields{"rule_ids": []string{"X001", "X002"}}, patientRow(psn, "赵小禾", "1", "1999-09-01", "NEW", current),
		patientRow(man, "张安", "1", "1985-03-12", "NEW2", encounterRow("NEW2", near, "11", "2025-06-20", "2025-06-20", "J06.9", orderRow("R9", "DRG990000003", "1", "3", "3")))))
	got := map[any]any{}
	for _, row := range r.list(t, "result") {
		got[row["rule_id"]] = row["patn_id"]
	}
	if len(got) != 2 || got["X001"] != man || got["X002"] != psn {
		t.Errorf("two people: %v", got)
	}
	wants(t, "another sex and birthday", r.WarnMsg, "性别 gend 与登记不符", "出生日期 brdy 与登记不符")
}

// What the store knows of other visits counts, whatever the message says.
func TestOtherVisits(t *testing.T) {
	p := newPlatform(t)
	a, b := p.desk(near).signIn(), p.desk(far).signIn()
	pa, pb := a.patient(zhangan, "张安", "310"), b.patient(zhangan, "张安", "310")
	clinic := func(day string) fields {
		return encounterRow("NEW", near, "11", day, day, "J06.9")
	}
	analysed := func(d *desk, current fields, others ...fields) reply {
		t.Helper()
		return d.ask("3102", analysisInput(t, nil, patientRow(pa.id, "张安", "1", "1985-03-12", "NEW", append(others, current)...)))
	}
	if got := hits(t, analysed(a, clinic("2025-06-20"))); got != "" {
		t.Fatalf("before the stay: %s", got)
	}
	stay := pb.admission(pb.id, pb.certno, "310", "21", "2025-06-10 09:00:00")
	r := analysed(a, clinic("2025-06-20"))
	if got := hits(t, r); got != "V002 0.00 :0.00" {
		t.Fatalf("during the stay: %s", got)
	}
	row := r.list(t, "result")[0]
	if row["vola_amt_stas"] != "0" || row["vola_bhvr_type"] != "1" || row["sev_deg"] != "2" || strings.Contains(r.raw, far) || strings.Contains(r.raw, stay) {
		t.Errorf("%s", r.raw)
	}
	if k := p.kept(row["jr_id"]); k.Other != stay {
		t.Errorf("kept %+v", k)
	}
	// What the message says of that stay does not count.
	if got := hits(t, analysed(a, clinic("2025-06-20"), encounterRow(stay, near, "11", "2025-06-01", "2025-06-02", "J18.9"))); got != "V002 0.00 :0.00" {
		t.Errorf("stated otherwise: %s", got)
	}
	pb.ask("2402", pb.discharge(stay, "2025-06-18 10:00:00"))
	if got := hits(t, analysed(a, clinic("2025-06-20"))); got != "" {
		t.Errorf("after the discharge: %s", got)
	}
	if got := hits(t, analysed(a, clinic("2025-06-15"))); got != "V002 0.00 :0.00" {
		t.Errorf("a day of the stay: %s", got)
	}
	// A stay that the store does not know, only the message.
	other := encounterRow("OLD", far, "21", "2025-05-01", "2025-05-09", "J18.9")
	if got := hits(t, analysed(a, clinic("2025-05-05"), other)); got != "V002 0.00 :0.00" {
		t.Errorf("a stated stay: %s", got)
	}
	// Admitted again where the stay was, for the diagnosis of the discharge.
	again := func(diagnosis string) fields {
		return encounterRow("NEW", far, "21", "2025-06-20", "2025-06-25", diagnosis)
	}
	r = analysed(b, again("J15.9"))
	if got := hits(t, r); got != "V001 0.00 :0.00" {
		t.Errorf("admitted again: %s", got)
	}
	wants(t, "admitted again", r.raw, "2025-06-18出院后2日内", "J15.9", "示例值，非规定")
	if got := hits(t, analysed(b, again("J18.9"))); got != "" {
		t.Errorf("admitted again for what the discharge did not find: %s", got)
	}
	// A stay that was settled for good ended, though no 2402 said so.
	pc := p.desk("H99010000201").signIn().patient(zhangan, "张安", "310")
	settled := pc.admission(pc.id, pc.certno, "310", "21", "2025-05-20 09:00:00")
	pc.ask("2301", pc.feesOn(settled, "2025-05-21", "9", item{"SVC990000001", "1", "100", "100"}))
	pc.ask("2304", pc.stayBill(settled, "100", "2025-05-30 10:00:00", false))
	for day, want := range map[string]string{"2025-05-29": "V002 0.00 :0.00", "2025-05-30": "", "2025-06-02": ""} {
		if got := hits(t, analysed(a, clinic(day))); got != want {
			t.Errorf("on %s, after a settled stay: %s, want %s", day, got, want)
		}
	}
	// A stay that goes on has no end, though the message must state one.
	going := a.admission(pa.id, pa.certno, "310", "21", "2025-06-19 09:00:00")
	pb.outpatient(pb.id, pb.certno, "310", "11") // on the 20th
	r = a.ask("3102", analysisInput(t, nil, patientRow(pa.id, "张安", "1", "1985-03-12", going, encounterRow(going, near, "21", "2025-06-19", "2025-06-19", "J18.9"))))
	if got := hits(t, r); got != "V002 0.00 :0.00" {
		t.Errorf("a visit elsewhere during the stay: %s", got)
	}
}

func TestAnalysisRefused(t *testing.T) {
	p := newPlatform(t)
	d, other := p.desk(near).signIn(), p.desk(far).signIn()
	_, psn := d.person(zhangan, "张安")
	_, woman := d.person(liji, "李济")
	_, _ = other.person(zhangan, "张安")
	foreign := other.outpatient(psn, zhangan, "310", "11")
	hers := d.outpatient(woman, liji, "310", "11")
	gone := d.outpatient(psn, zhangan, "310", "11")
	d.ask("2202", fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_id":%q,"ipt_otp_no":"M1"}}`, psn, gone))
	visit := func(changes fields) fields {
		return but(encounterRow("NEW", near, "11", "2025-06-20", "2025-06-20", "J06.9"), changes)
	}
	ofOrder := func(changes fields) fields {
		return visit(fields{"fsi_order_dtos": []fields{but(orderRow("R1", "DRG990000003", "1", "1", "1"), changes)}})
	}
	patient := func(current string, encounters ...fields) fields {
		return patientRow(psn, "张安", "1", "1985-03-12", current, encounters...)
	}
	many := make([]fields, maxPatients+1)
	for i := range many {
		many[i] = but(patient("NEW", visit(nil)), fields{"patn_id": fmt.Sprint(i)})
	}
	before := p.rows()
	for _, c := range []struct {
		name  string
		input string
		want  []string
	}{
		{"nobody", analysisInput(t, nil), []string{"缺少 data.patient_dtos"}},
		{"no orders", analysisInput(t, nil, patient("NEW", visit(fields{"fsi_order_dtos": nil}))), []string{"fsi_order_dtos", "fsi_encounter_dtos 第 1 行"}},
		{"a person unknown", analysisInput(t, nil, but(patient("NEW", visit(nil)), fields{"patn_id": "X1"})), []string{"patn_id“X1”不存在"}},
		{"another's name", analysisInput(t, nil, but(patient("NEW", visit(nil)), fields{"patn_name": "李济"})), []string{"姓名 patn_name“李济”"}},
		{"one person twice", analysisInput(t, nil, patient("NEW", visit(nil)), patient("NEW", visit(nil))), []string{"patient_dtos 第 2 行 patn_id", "与第 1 行相同"}},
		{"too many people", analysisInput(t, nil, many...), []string{"有 101 行，一次最多分析 100 名"}},
		{"one visit twice", analysisInput(t, nil, patient("NEW", visit(nil), visit(nil))), []string{"fsi_encounter_dtos 第 2 行 mdtrt_id“NEW”与第 1 行相同"}},
		{"no current visit", analysisInput(t, nil, patient("OTHER", visit(nil))), []string{"curr_mdtrt_id“OTHER”"}},
		{"stated of another provider", analysisInput(t, nil, patient("NEW", visit(fields{"medins_id": far}))), []string{"curr_mdtrt_id“NEW”", "不是该人员在本机构的就诊"}},
		{"another provider's", analysisInput(t, nil, patient(foreign, visit(fields{"mdtrt_id": foreign}))), []string{"不是该人员在本机构的就诊"}},
		{"another person's", analysisInput(t, nil, patient(hers, visit(fields{"mdtrt_id": hers}))), []string{"不是该人员在本机构的就诊"}},
		{"a cancelled visit", analysisInput(t, nil, patient(gone, visit(fields{"mdtrt_id": gone}))), []string{"这次就诊已经撤销"}},
		{"discharged before admitted", analysisInput(t, nil, patient("NEW", visit(fields{"dscg_date": "2025-06-19"}))), []string{"dscg_date（出院日期）“2025-06-19”早于入院日期“2025-06-20”"}},
		{"an order that ends before it begins", analysisInput(t, nil, patient("NEW", ofOrder(fields{"drord_stop_date": "2025-06-19 09:00:00"}))), []string{"fsi_order_dtos 第 1 行 drord_stop_date"}},
		{"a flag that is none", analysisInput(t, nil, patient("NEW", ofOrder(fields{"curr_drord_flag": "2"}))), []string{"curr_drord_flag", "应为 0 否、1 是"}},
		{"an amount too large", analysisInput(t, nil, patient("NEW", ofOrder(fields{"sumamt": "90000000000000"}))), []string{"sumamt", "不能超过"}},
		{"no rule of the code", analysisInput(t, fields{"rule_ids": []string{"X001", "Z9"}}, patient("NEW", visit(nil))), []string{"规则标识集合 rule_ids“Z9”：没有这条规则；现有 V001、V002、X001"}},
		{"a rule that is no text", analysisInput(t, fields{"rule_ids": []any{"X001", fields{}}}, patient("NEW", visit(nil))), []string{"rule_ids", "第 2 项"}},
		{"rules that are no list", analysisInput(t, fields{"rule_ids": fields{"a": "X001"}}, patient("NEW", visit(nil))), []string{"rule_ids", "数组"}},
	} {
		for _, infno := range []string{"3101", "3102"} {
			wants(t, c.name+" in "+infno, d.refused(infno, c.input), c.want...)
		}
	}
	if after := p.rows(); after != before {
		t.Errorf("refused messages left %s, want %s", after, before)
	}
}

// rows counts what analyses and answers leave behind.
func (p *platform) rows() (s string) {
	p.t.Helper()
	ctx := context.Background()
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		var a, b, c, d, e int
		err := tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM finding), (SELECT COUNT(*) FROM finding_detail), (SELECT COUNT(*) FROM finding_response), (SELECT COUNT(*) FROM audit), (SELECT COUNT(*) FROM reply)`).Scan(&a, &b, &c, &d, &e)
		s = fmt.Sprint(a, b, c, d, e)
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// twoFindings analyses a visit that two rules find something about.
func (d *desk) twoFindings(t *testing.T, infno string) (first, second string, message string) {
	t.Helper()
	_, psn := d.person(zhangan, "张安")
	message = d.message(infno, analysisInput(t, nil, patientRow(psn, "张安", "1", "1985-03-12", "NEW", encounterRow("NEW", d.provider, "11", "2025-06-20", "2025-06-20", "J06.9",
		orderRow("R1", "DRG990000003", "1", "30", "30"), orderRow("R2", "BED990000001", "1", "50", "50")))))
	r := d.send(message)
	rows := r.list(t, "result")
	if len(rows) != 2 {
		t.Fatal(r.raw)
	}
	return rows[0]["jr_id"].(string), rows[1]["jr_id"].(string), message
}

func TestFeedback(t *testing.T) {
	p := newPlatform(t)
	d, other := p.desk(near).signIn(), p.desk(far).signIn()
	a, b, _ := d.twoFindings(t, "3101")
	r := d.ask("3103", feedback(t, "1", warning(a, "1", "患者知情，病情需要"), warning(b, "2", "")))
	if r.WarnMsg != "" {
		t.Errorf("warns %q", r.WarnMsg)
	}
	answered := p.kept(a).Responses
	if len(answered) != 1 || answered[0].Answer != supervision.Continued || answered[0].Reason != "患者知情，病情需要" || !answered[0].At.Equal(p.now) || answered[0].Actor != near+" 0001" {
		t.Errorf("%+v", answered)
	}
	if changed := p.kept(b).Responses; len(changed) != 1 || changed[0].Answer != supervision.Changed || changed[0].Reason != "" {
		t.Errorf("%+v", changed)
	}
	// Somebody thinks again: both answers stay, in order.
	wants(t, "no reason", d.ask("3103", feedback(t, "1", warning(b, 1, nil))).WarnMsg, "warns 第 1 行 继续执行，未说明处理原因")
	if changed := p.kept(b).Responses; len(changed) != 2 || changed[0].Answer != supervision.Changed || changed[1].Answer != supervision.Continued {
		t.Errorf("%+v", changed)
	}
	p.audited("supervision.respond", 3)

	foreign, _, _ := other.twoFindings(t, "3102")
	during, _, _ := d.twoFindings(t, "3102")
	before := p.rows()
	for _, c := range []struct {
		name, input string
		want        string
	}{
		{"another provider's", feedback(t, "2", warning(foreign, "1", "有原因")), "违规标识 warn_rslt_id“" + foreign + "”：本机构没有这条违规提示"},
		{"unknown", feedback(t, "1", warning("J0", "1", "有原因")), "违规标识 warn_rslt_id“J0”：本机构没有这条违规提示"},
		{"a detail", feedback(t, "1", warning(a+"-1", "1", "有原因")), "本机构没有这条违规提示"},
		{"the other phase", feedback(t, "1", warning(during, "1", "有原因")), "反馈类型 warn_type：与违规提示 " + during + " 不符：那是事中分析的结果"},
		{"one good, one unknown", feedback(t, "1", warning(a, "1", "有原因"), warning("J0", "2", "")), "“J0”"},
		{"one twice", feedback(t, "1", warning(a, "1", "有原因"), warning(a, "2", "")), "warns 第 2 行 warn_rslt_id“" + a + "”与第 1 行相同"},
		{"no type", feedback(t, "", warning(a, "1", "有原因")), "反馈类型 warn_type“”：应为 1 事前、2 事中"},
		{"no such way", feedback(t, "1", warning(a, "3", "有原因")), "处理方式 dspo_way“3”：应为 1 继续执行、2 返回修改"},
		{"no finding", feedback(t, "1", warning("", "1", "有原因")), "缺少 warns 第 1 行 warn_rslt_id"},
		{"nothing", feedback(t, "1"), "缺少 data.warns"},
		{"nothing at all", `{}`, "反馈类型 warn_type"},
		{"a reason too long", feedback(t, "1", warning(a, "1", strings.Repeat("长", 501))), "处理原因 dspo_way_rea：有 501 个字符，最多 500 个"},
	} {
		wants(t, c.name, d.refused("3103", c.input), c.want)
	}
	if after := p.rows(); after != before {
		t.Errorf("refused answers left %s, want %s", after, before)
	}
	// Reasons are sealed.
	ctx := context.Background()
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		return tx.Each(ctx, func(rows *db.Rows) error {
			var reason []byte
			err := rows.Scan(&reason)
			if bytes.Contains(reason, []byte("病情")) {
				t.Errorf("the store holds %q", reason)
			}
			return err
		}, `SELECT reason FROM finding_response`)
	}); err != nil {
		t.Fatal(err)
	}
}

// The same message again gets the same answer and finds nothing twice; a
// failure at any write leaves nothing.
func TestSupervisionOnce(t *testing.T) {
	p := newPlatform(t)
	d := p.desk(near).signIn()
	a, _, message := d.twoFindings(t, "3101")
	before := p.rows()
	if r := d.send(message); r.list(t, "result")[0]["jr_id"] != a {
		t.Errorf("again: %s", r.raw)
	}
	if after := p.rows(); after != before {
		t.Errorf("the same message left %s, want %s", after, before)
	}
	ctx := context.Background()
	var in struct {
		Input json.RawMessage `json:"input"`
	}
	if err := json.Unmarshal([]byte(message), &in); err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{d.message("3101", string(in.Input)), d.message("3103", feedback(t, "1", warning(a, "1", "有原因")))} {
		for n := 0; ; n++ {
			before, left := p.rows(), n
			failing := db.WithFailure(ctx, func(string) error {
				if left--; left < 0 {
					return fmt.Errorf("no")
				}
				return nil
			})
			raw := string(p.server.answer(failing, []byte(message), "", &stamp{received: p.now}))
			if p.parse(raw).Infcode == "0" {
				if n < 4 {
					t.Errorf("done after %d writes", n)
				}
				break
			}
			if after := p.rows(); after != before {
				t.Fatalf("failing at write %d left %s, want %s", n, after, before)
			}
		}
	}
}
