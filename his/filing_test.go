package his

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/filing"
)

const zhangan = "990100198503120014"

// with replaces fields of an input, given as name, value, name, value.
func with(input string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		at := strings.Index(input, `"`+pairs[i]+`":`)
		if at < 0 {
			panic("no field " + pairs[i] + " in " + input)
		}
		at += len(pairs[i]) + 3
		end := at + strings.IndexAny(input[at:], ",}")
		input = input[:at] + `"` + pairs[i+1] + `"` + input[end:]
	}
	return input
}

func diseaseInput(psn string) string {
	return fmt.Sprintf(`{"data":{"psn_no":%q,"insutype":"310","opsp_dise_code":"M01600","opsp_dise_name":"糖尿病","tel":"10000000009","addr":"示例路1号",`+
		`"insu_optins":"990100","ide_fixmedins_no":"H99010000101","ide_fixmedins_name":"安济示例市人民医院","hosp_ide_date":"2025-06-01","diag_dr_codg":"D1","diag_dr_name":"示例医师",`+
		`"begndate":"2025-06-10","enddate":"2025-12-31","memo":"糖化血红蛋白 8.1%%","exp_content":"2024-11-05"}}`, psn)
}

func referralInput(psn string) string {
	return fmt.Sprintf(`{"refmedin":{"psn_no":%q,"insutype":"310","tel":"10000000009","addr":"示例路1号","insu_optins":"990100","diag_code":"C34.9","diag_name":"肺恶性肿瘤","dise_cond_dscr":"需放疗",`+
		`"reflin_medins_no":"H50000000101","reflin_medins_name":"异地示例医院","mdtrtarea_admdvs":"500000","hosp_agre_refl_flag":"1","refl_type":"3","refl_date":"2025-06-08","refl_rea":"本地无此技术","refl_opnn":"同意转院",`+
		`"begndate":"2025-06-09","enddate":"2025-09-08","refl_old_mdtrt_id":""}}`, psn)
}

func designationInput(psn string) string {
	return fmt.Sprintf(`{"data":{"psn_no":%q,"tel":"","addr":"","biz_appy_type":"03","begndate":"2025-06-20","enddate":"2025-12-31","agnter_name":"张代","agnter_cert_type":"01","agnter_certno":"","agnter_tel":"10000000008","agnter_addr":"","agnter_rlts":"1",`+
		`"fix_srt_no":"1","fixmedins_code":"H99010000201","fixmedins_name":"示例区医院","memo":"就近"}}`, psn)
}

func injuryInput(psn string) string {
	return fmt.Sprintf(`{"data":{"dcla_souc":"01","insutype":"390","psn_no":%q,"psn_cert_type":"01","certno":%q,"psn_name":"王平","insu_admdvs":"990100","fixmedins_code":"","trum_time":"2025-06-18","trum_site":"家中","trum_rea":"跌倒",`+
		`"chk_pay_flag":"1","begndate":"2025-06-18","enddate":"","tel":"","addr":"","memo":""}}`, psn, wangping)
}

func withdrawInput(id, psn string) string {
	return fmt.Sprintf(`{"data":{"trt_dcla_detl_sn":%q,"psn_no":%q,"memo":"登记有误"}}`, id, psn)
}

// filed declares and returns the number of the filing.
func (d *desk) filed(infno, input string) string {
	d.t.Helper()
	return d.ask(infno, input).object(d.t, "result")["trt_dcla_detl_sn"].(string)
}

// settleOutpatient settles 1000 yuan in scope as the kind of care and the
// disease, and returns the reply.
func (d *desk) settleOutpatient(psn, id, medType, code, name string) reply {
	d.t.Helper()
	visit := d.outpatient(psn, id, "310", "11")
	d.ask("2203A", fmt.Sprintf(`{"mdtrtinfo":{"mdtrt_id":%q,"psn_no":%q,"med_type":%q,"begntime":%q,"dise_codg":%q,"dise_name":%q}}`, visit, psn, medType, d.now.Format(clockLayout), code, name))
	d.fees("2204", visit, psn, medType, []item{{"SVC990000001", "1", "400", "400"}, {"DRG990000001", "20", "30", "600"}})
	if r := d.ask("2206", outpatientBill(psn, id, visit, "310", medType, "1000", noAmounts)); r.Output == nil {
		d.t.Fatal("no preview")
	}
	r := d.ask("2207", outpatientBill(psn, id, visit, "310", medType, "1000", noAmounts))
	balanced(d.t, r)
	return r
}

func funded(t *testing.T, r reply) string {
	t.Helper()
	return fen(t, r.object(t, "setlinfo"), "fund_pay_sumamt").String()
}

// TestDiseaseFiled: a disease filed by 2503 changes what the next visit pays.
func TestDiseaseFiled(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(zhangan, "张安")
	if rows := d.ask("5301", fmt.Sprintf(`{"data":{"psn_no":%q}}`, psn)).list(t, "feedetail"); len(rows) != 0 {
		t.Fatalf("recognised before: %v", rows)
	}
	// (1000 − 100) × 60 % as an ordinary visit.
	r := d.settleOutpatient(psn, zhangan, "14", "M01600", "糖尿病")
	if got := funded(t, r); got != "540.00" || !strings.Contains(r.WarnMsg, "没有认定") {
		t.Errorf("before: %s, %s", got, r.WarnMsg)
	}
	message := d.message("2503", diseaseInput(psn))
	first := d.send(message)
	if first.Infcode != "0" {
		t.Fatal(first.ErrMsg)
	}
	if again := d.send(message); again.raw != first.raw {
		t.Errorf("the repeated message: %s", again.raw)
	}
	id := first.object(t, "result")["trt_dcla_detl_sn"].(string)
	if err := d.refused("2503", diseaseInput(psn)); !strings.Contains(err, "已有慢特病备案 "+id+"（已通过，2025-06-10 至 2025-12-31 有效），不能重复申报") {
		t.Errorf("declared again: %s", err)
	}
	if err := p.desk("H99010000201").signIn().refused("2503", with(diseaseInput(psn), "begndate", "2025-12-31", "enddate", "")); !strings.Contains(err, id) {
		t.Errorf("declared again by another for later days that overlap: %s", err)
	}
	rows := d.ask("5301", fmt.Sprintf(`{"data":{"psn_no":%q}}`, psn)).list(t, "feedetail")
	if got := fmt.Sprint(rows); got != "[map[begndate:2025-06-10 enddate:2025-12-31 opsp_dise_code:M01600 opsp_dise_name:糖尿病]]" {
		t.Errorf("5301: %s", got)
	}
	// 65 % of all of it.
	r = d.settleOutpatient(psn, zhangan, "14", "M01600", "糖尿病")
	if got := funded(t, r); got != "650.00" || r.WarnMsg != "" {
		t.Errorf("after: %s, %s", got, r.WarnMsg)
	}
	if err := d.refused("2504", withdrawInput(id, psn)); !strings.Contains(err, "已有费用按该备案结算（2025-06-20，结算 S") || !strings.Contains(err, "请先撤销该结算") {
		t.Errorf("withdrawn after care was settled on it: %s", err)
	}
	medicines := d.ask("5205", fmt.Sprintf(`{"data":{"psn_no":%q,"begntime":"2025-06-01 00:00:00","endtime":"2025-06-20 00:00:00"}}`, psn)).list(t, "feedetail")
	if len(medicines) != 1 {
		t.Fatalf("5205: %v", medicines)
	}
	for name, want := range map[string]string{"hilist_code": "DRG990000001", "hilist_name": "甲类药品", "cnt": "20", "pric": "30", "med_type": "14", "fixmedins_code": "H99010000101", "list_type": "101", "chrgitm_lv": "01", "med_chrgitm_type": "09"} {
		if got := fmt.Sprint(medicines[0][name]); got != want {
			t.Errorf("5205: %s = %s, want %s", name, got, want)
		}
	}
	for name, span := range map[string]string{"before it": `"begntime":"2025-06-01 00:00:00","endtime":"2025-06-19 23:59:59"`, "after it": `"begntime":"2025-06-21 00:00:00"`} {
		if rows := d.ask("5205", fmt.Sprintf(`{"data":{"psn_no":%q,%s}}`, psn, span)).list(t, "feedetail"); len(rows) != 0 {
			t.Errorf("5205 %s: %v", name, rows)
		}
	}
	p.verify()
}

func TestDiseaseWithdrawn(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(zhangan, "张安")
	_, other := d.person(liji, "李济")
	id := d.filed("2503", diseaseInput(psn))
	referral := d.filed("2501", referralInput(psn))
	for _, tt := range []struct {
		name, infno, input, want string
		d                        *desk
	}{
		{"by another provider", "2504", withdrawInput(id, psn), "由机构 H99010000101 申报，只能由该机构撤销", p.desk("H99010000201").signIn()},
		{"of another person", "2504", withdrawInput(id, other), "人员编号 psn_no“" + other + "”：与备案 " + id + " 的人员不符", d},
		{"as another kind", "2502", withdrawInput(id, psn), "没有这个转院备案", d},
		{"a referral as a disease", "2504", withdrawInput(referral, psn), "没有这个慢特病备案", d},
		{"of no such number", "2504", withdrawInput("F0", psn), "待遇申报明细流水号 trt_dcla_detl_sn“F0”：没有这个慢特病备案", d},
		{"without a reason", "2504", with(withdrawInput(id, psn), "memo", ""), "memo（备注）", d},
	} {
		if err := tt.d.refused(tt.infno, tt.input); !strings.Contains(err, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, err, tt.want)
		}
	}
	message := d.message("2504", withdrawInput(id, psn))
	first := d.send(message)
	if first.Infcode != "0" {
		t.Fatal(first.ErrMsg)
	}
	if again := d.send(message); again.raw != first.raw {
		t.Errorf("the repeated message: %s", again.raw)
	}
	if err := d.refused("2504", withdrawInput(id, psn)); !strings.Contains(err, "这个备案已撤销，不能撤销") {
		t.Errorf("withdrawn twice: %s", err)
	}
	r := d.settleOutpatient(psn, zhangan, "14", "M01600", "糖尿病")
	if got := funded(t, r); got != "540.00" || !strings.Contains(r.WarnMsg, "没有认定") {
		t.Errorf("after the withdrawal: %s, %s", got, r.WarnMsg)
	}
	// It held up to yesterday, so that these days cannot be filed again.
	if err := d.refused("2503", diseaseInput(psn)); !strings.Contains(err, "该病种已有认定，2025-06-10 至 2025-06-19 有效，与申报的日期重叠") {
		t.Errorf("over days that it held: %s", err)
	}
	// One that never held leaves nothing.
	for range 2 {
		id = d.filed("2503", with(diseaseInput(psn), "begndate", "2025-06-20"))
		d.ask("2504", withdrawInput(id, psn))
	}
	d.filed("2503", with(diseaseInput(psn), "begndate", "2025-06-20"))
	if got := funded(t, d.settleOutpatient(psn, zhangan, "14", "M01600", "糖尿病")); got != "650.00" {
		t.Errorf("filed again: %s", got)
	}
	p.verify()
}

// TestReferralFiled: a referral filed by 2501 changes what a stay elsewhere pays.
func TestReferralFiled(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(zhangan, "张安")
	away := p.desk("H50000000101").signIn()
	away.insured = "990100"
	visit := away.admission(psn, zhangan, "310", "21", "2025-06-12 09:00:00")
	away.fees("2301", visit, psn, "21", []item{{"SVC990000001", "1", "10000", "10000"}})
	preview := func() string {
		t.Helper()
		return funded(t, away.ask("2303", stayBill(psn, zhangan, visit, "310", "10000", "2025-06-20", noAmounts)))
	}
	// (10000 − 800) × (85 % − 10 %)
	if got := preview(); got != "6900.00" {
		t.Errorf("without a filing: %s", got)
	}
	query := func(span string) reply {
		t.Helper()
		return d.ask("5304", fmt.Sprintf(`{"data":{"psn_no":%q,%s}}`, psn, span))
	}
	if r := query(`"begntime":"2025-01-01 00:00:00"`); len(r.Output) != 0 || !strings.Contains(r.WarnMsg, "没有有效的转院备案") {
		t.Errorf("5304 of none: %s", r.raw)
	}
	id := d.filed("2501", referralInput(psn))
	// (10000 − 800) × 85 %
	if got := preview(); got != "7820.00" {
		t.Errorf("with a referral: %s", got)
	}
	if err := d.refused("2501", referralInput(psn)); !strings.Contains(err, "已有转院备案 "+id) {
		t.Errorf("declared again: %s", err)
	}
	r := query(`"begntime":"2025-09-08 00:00:00","endtime":"2025-09-30 00:00:00"`)
	for name, want := range map[string]string{
		"insutype": "310", "dcla_souc": "01", "psn_no": psn, "certno": zhangan, "psn_name": "张安", "gend": "1", "tel": "10000000009", "addr": "示例路1号", "insu_optins": "990100",
		"diag_code": "C34.9", "reflin_medins_no": "H50000000101", "reflin_medins_name": "异地示例医院", "out_flag": "1", "refl_date": "2025-06-08", "refl_rea": "本地无此技术",
		"begndate": "2025-06-09", "enddate": "2025-09-08", "hosp_agre_refl_flag": "1", "opter_id": "0001", "opt_time": "2025-06-20 10:00:00",
	} {
		var got string
		r.decode(t, name, &got)
		if got != want {
			t.Errorf("5304: %s = %q, want %q", name, got, want)
		}
	}
	if r := query(`"begntime":"2025-09-09 00:00:00"`); len(r.Output) != 0 {
		t.Errorf("5304 after its end: %s", r.raw)
	}
	d.ask("2502", withdrawInput(id, psn))
	if got := preview(); got != "6900.00" {
		t.Errorf("withdrawn: %s", got)
	}
	id = d.filed("2501", with(referralInput(psn), "begndate", "2025-06-20"))
	settled := away.ask("2304", stayBill(psn, zhangan, visit, "310", "10000", "2025-06-20", noAmounts))
	balanced(t, settled)
	if got := funded(t, settled); got != "7820.00" {
		t.Errorf("settled: %s", got)
	}
	if err := d.refused("2502", withdrawInput(id, psn)); !strings.Contains(err, "已有费用按该备案结算") {
		t.Errorf("withdrawn after care was settled on it: %s", err)
	}
	p.verify()
}

func TestDesignations(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000201").signIn()
	_, psn := d.person(zhangan, "张安")
	query := func(kind string) []map[string]any {
		t.Helper()
		return d.ask("5302", fmt.Sprintf(`{"data":{"psn_no":%q,"biz_appy_type":%q}}`, psn, kind)).list(t, "psnfixmedin")
	}
	if rows := query("03"); len(rows) != 0 {
		t.Errorf("before: %v", rows)
	}
	id := d.filed("2505", designationInput(psn))
	if err := d.refused("2505", designationInput(psn)); !strings.Contains(err, "已有人员定点备案 "+id) {
		t.Errorf("declared again: %s", err)
	}
	if err := d.refused("2505", with(designationInput(psn), "fixmedins_code", "H99010000101")); !strings.Contains(err, "定点排序号 fix_srt_no“1”：已由备案 "+id+" 用于 示例区医院") {
		t.Errorf("another in its place: %s", err)
	}
	r := d.ask("2505", with(designationInput(psn), "fixmedins_code", "P99010000401", "fix_srt_no", "2"))
	if !strings.Contains(r.WarnMsg, "按登记的“示例大药房”处理") {
		t.Errorf("another name: %s", r.WarnMsg)
	}
	d.filed("2505", with(designationInput(psn), "biz_appy_type", "05"))
	rows := query("03")
	if len(rows) != 2 || rows[0]["fixmedins_code"] != "H99010000201" || rows[0]["fix_srt_no"] != "1" || rows[0]["memo"] != "就近" || rows[0]["insutype"] != "310" || rows[1]["fixmedins_name"] != "示例大药房" {
		t.Errorf("5302: %v", rows)
	}
	if rows := query("05"); len(rows) != 1 {
		t.Errorf("family doctor: %v", rows)
	}
	d.ask("2506", withdrawInput(id, psn))
	if rows := query("03"); len(rows) != 1 {
		t.Errorf("after the withdrawal: %v", rows)
	}
	id = d.filed("2505", designationInput(psn))
	d.settleOutpatient(psn, zhangan, "11", "", "")
	if err := d.refused("2506", withdrawInput(id, psn)); !strings.Contains(err, "已有费用按该备案结算") {
		t.Errorf("withdrawn after care there: %s", err)
	}
}

func TestInjury(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(wangping, "王平")
	id := d.filed("2507", injuryInput(psn))
	if err := d.refused("2507", injuryInput(psn)); !strings.Contains(err, "已有意外伤害备案 "+id) {
		t.Errorf("declared again: %s", err)
	}
	d.filed("2507", with(injuryInput(psn), "trum_time", "2025-06-19", "begndate", ""))
	ctx := context.Background()
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		a, ok, err := p.server.filings.Get(ctx, tx, id)
		if err == nil && (!ok || a.State != filing.Accepted || a.Details.Injury.Cause != "跌倒" || a.Details.Injury.ProviderName != "安济示例市人民医院" || a.From != 20250618) {
			t.Errorf("%+v", a)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// What is wrong is named, and nothing of it stays.
func TestFilingsRefused(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(zhangan, "张安")
	_, zhou := d.person("990100196611110236", "周和")
	_, dead := d.person("990100194501010358", "褚故")
	_, wang := d.person(wangping, "王平")
	_, guo := p.desk("H99020000101").signIn().person(laoguo, "老郭")
	visit := p.desk("H99010000201").signIn().outpatient(psn, zhangan, "310", "11")
	tests := []struct{ name, infno, input, want string }{
		{"unknown person", "2503", diseaseInput("P0"), "人员编号 psn_no“P0”不存在"},
		{"another's insured region", "2503", diseaseInput(guo), "insu_optins（参保机构医保区划）“990100”与该人员的参保地 990200 不一致"},
		{"recognised before", "2503", with(diseaseInput(zhou), "opsp_dise_code", "M03900", "opsp_dise_name", "高血压"), "该病种已有认定，自 2025-01-01 起有效"},
		{"dead", "2503", with(diseaseInput(dead), "insutype", "390"), "慢特病备案未通过：参保人已死亡"},
		{"not in the scheme", "2503", with(diseaseInput(psn), "insutype", "390"), "没有参加居民医保"},
		{"insured in nothing then", "2503", with(diseaseInput(psn), "begndate", "2024-06-10", "hosp_ide_date", "2024-06-01"), "开始日 2024-06-10 没有参加职工医保"},
		{"a scheme of no care", "2503", with(diseaseInput(psn), "insutype", "510"), "险种类型 insutype"},
		{"ends before it begins", "2503", with(diseaseInput(psn), "enddate", "2025-06-09"), "结束日期 enddate“2025-06-09”：早于开始日期 2025-06-10"},
		{"begins before it was found", "2503", with(diseaseInput(psn), "hosp_ide_date", "2025-06-11"), "已退回补正：开始日期 2025-06-10 早于鉴定日期 2025-06-11"},
		{"found tomorrow", "2503", with(diseaseInput(psn), "hosp_ide_date", "2025-06-21", "begndate", "2025-06-21"), "鉴定日期 2025-06-21 晚于今天"},
		{"found by nobody known", "2503", with(diseaseInput(psn), "ide_fixmedins_no", "H00000000000"), "定点医药机构编号“H00000000000”：没有登记这个医药机构"},
		{"found by a pharmacy", "2503", with(diseaseInput(psn), "ide_fixmedins_no", "P99010000401"), "示例大药房 不是定点医疗机构"},
		{"no code", "2503", with(diseaseInput(psn), "opsp_dise_code", ""), "opsp_dise_code（门慢门特病种目录代码）"},
		{"no day", "2503", with(diseaseInput(psn), "begndate", "2025-13-01"), "begndate（开始日期）“2025-13-01”：应为日期"},
		{"to an unknown hospital", "2501", with(referralInput(psn), "reflin_medins_no", "H50000009999"), "没有登记这个医药机构"},
		{"to itself", "2501", with(referralInput(psn), "reflin_medins_no", "H99010000101", "mdtrtarea_admdvs", "990100", "refl_type", "1"), "转往机构就是本机构"},
		{"to another region than the hospital's", "2501", with(referralInput(psn), "mdtrtarea_admdvs", "320400"), "就医地行政区划 mdtrtarea_admdvs“320400”：转往机构 H50000000101 在 500000"},
		{"to no region", "2501", with(referralInput(psn), "mdtrtarea_admdvs", "5000"), "应为六位医保区划"},
		{"of another type than it is", "2501", with(referralInput(psn), "refl_type", "1"), "应为 3 转往省外异地"},
		{"not agreed to", "2501", with(referralInput(psn), "hosp_agre_refl_flag", "0"), "转院备案未通过：医院不同意转院"},
		{"agreed to in a word", "2501", with(referralInput(psn), "hosp_agre_refl_flag", "是"), "应为 0 否、1 是"},
		{"before the referral", "2501", with(referralInput(psn), "begndate", "2025-06-07"), "早于转院日期 2025-06-08"},
		{"from another's visit", "2501", with(referralInput(psn), "refl_old_mdtrt_id", visit), "转院前就诊id refl_old_mdtrt_id“" + visit + "”：本机构没有该人员的这次就诊"},
		{"to a clinic that is not designated", "2505", with(designationInput(psn), "fixmedins_code", "H99010000501"), "示例未定点诊所 不是定点医药机构"},
		{"of no rank", "2505", with(designationInput(psn), "fix_srt_no", "0"), "定点排序号 fix_srt_no“0”：应为从 1 起的序号"},
		{"of a rank in words", "2505", with(designationInput(psn), "fix_srt_no", "一"), "定点排序号 fix_srt_no“一”"},
		{"a business that chooses nobody", "2505", with(designationInput(psn), "biz_appy_type", "13"), "biz_appy_type“13 生育备案登记”：不是选择定点机构的业务"},
		{"a query of such a business", "5302", fmt.Sprintf(`{"data":{"psn_no":%q,"biz_appy_type":"77"}}`, psn), "biz_appy_type“77”"},
		{"an injury of nobody", "2507", with(injuryInput(wang), "psn_no", ""), "缺少 data.psn_no"},
		{"an injury of another", "2507", with(injuryInput(wang), "certno", liji), "certno“990100**********23”与所持凭证的人员不符"},
		{"an injury without a cause", "2507", with(injuryInput(wang), "trum_rea", ""), "已退回补正：请补充受伤地点和致伤原因"},
		{"an injury on no day", "2507", with(injuryInput(wang), "trum_time", "", "begndate", ""), "开始日期 begndate：须写明开始日期"},
		{"an injury to come", "2507", with(injuryInput(wang), "trum_time", "2025-06-21"), "受伤日期 2025-06-21 晚于今天"},
		{"an injury in another region", "2507", with(injuryInput(wang), "insu_admdvs", "500000"), "insu_admdvs（参保所属医保区划）“500000”"},
		{"a period that ends before it begins", "5304", fmt.Sprintf(`{"data":{"psn_no":%q,"begntime":"2025-06-02 00:00:00","endtime":"2025-06-01 00:00:00"}}`, psn), "早于开始时间"},
	}
	ctx := context.Background()
	rows := func() (n int) {
		t.Helper()
		if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
			return tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM filing_application) + (SELECT COUNT(*) FROM filing_step) + (SELECT COUNT(*) FROM designation) + (SELECT COUNT(*) FROM special_disease) + (SELECT COUNT(*) FROM filing) + (SELECT COUNT(*) FROM audit)`).Scan(&n)
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := rows()
	for _, tt := range tests {
		if err := d.refused(tt.infno, tt.input); !strings.Contains(err, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, err, tt.want)
		}
	}
	d.insured = "990200"
	if err := d.refused("2503", diseaseInput(psn)); !strings.Contains(err, "“990200”与该人员的参保地 990100 不一致") {
		t.Errorf("another region in the envelope: %s", err)
	}
	if after := rows(); after != before {
		t.Errorf("%d rows before, %d after", before, after)
	}
	// A person of another region is filed for in that region.
	d.insured = "990200"
	id := d.filed("2503", with(diseaseInput(guo), "insu_optins", "990200"))
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		a, _, err := p.server.filings.Get(ctx, tx, id)
		if err == nil && a.Region != "990200" {
			t.Errorf("decided by %s", a.Region)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// undecided leaves every application to an officer.
type undecided struct{}

func (undecided) Decide(*filing.Application, *filing.Facts) filing.Decision {
	return filing.Decision{State: filing.Submitted}
}

// TestFilingPending: what the rule leaves to an officer has no effect until it
// is accepted, and may be withdrawn.
func TestFilingPending(t *testing.T) {
	p := newPlatform(t)
	p.server.filings = filing.New(p.register, p.server.Settlement, p.server.Sealer, undecided{}, func() time.Time { return p.now })
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(zhangan, "张安")
	r := d.ask("2503", diseaseInput(psn))
	if !strings.Contains(r.WarnMsg, "待经办机构审核后生效") {
		t.Errorf("warn_msg %q", r.WarnMsg)
	}
	id := r.object(t, "result")["trt_dcla_detl_sn"].(string)
	if got := funded(t, d.settleOutpatient(psn, zhangan, "14", "M01600", "糖尿病")); got != "540.00" {
		t.Errorf("while it is pending: %s", got)
	}
	if err := d.refused("2503", diseaseInput(psn)); !strings.Contains(err, id+"（待审核") {
		t.Errorf("declared again: %s", err)
	}
	ctx := context.Background()
	if err := p.server.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := p.server.filings.Decide(ctx, tx, id, filing.Decision{State: filing.Accepted, Special: true}, "officer 1")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	// A special disease: max(65 %, 85 %).
	if got := funded(t, d.settleOutpatient(psn, zhangan, "14", "M01600", "糖尿病")); got != "850.00" {
		t.Errorf("accepted: %s", got)
	}
	referral := d.filed("2501", referralInput(psn))
	d.ask("2502", withdrawInput(referral, psn))
	if err := d.refused("2502", withdrawInput(referral, psn)); !strings.Contains(err, "已撤销") {
		t.Errorf("withdrawn twice: %s", err)
	}
}

// A failure at any write of a declaration or a withdrawal leaves nothing.
func TestFilingAllOrNothing(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(zhangan, "张安")
	ctx := context.Background()
	state := func() (s string) {
		t.Helper()
		if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
			var a, b, c, e, f int
			err := tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM filing_application), (SELECT COUNT(*) FROM filing_step), (SELECT COALESCE(SUM(to_day), 0) FROM special_disease), (SELECT COUNT(*) FROM audit), (SELECT COUNT(*) FROM reply)`).Scan(&a, &b, &c, &e, &f)
			s = fmt.Sprint(a, b, c, e, f)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	try := func(message string) {
		t.Helper()
		for n := 0; ; n++ {
			before, left := state(), n
			failing := db.WithFailure(ctx, func(query string) error {
				if left--; left < 0 {
					return fmt.Errorf("no")
				}
				return nil
			})
			raw := string(p.server.answer(failing, []byte(message), "", &stamp{received: p.now}))
			if p.parse(raw).Infcode == "0" {
				if n < 5 {
					t.Errorf("done after %d writes", n)
				}
				return
			}
			if after := state(); after != before {
				t.Fatalf("failing at write %d left %s, want %s", n, after, before)
			}
		}
	}
	try(d.message("2503", diseaseInput(psn)))
	var id string
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error { return tx.QueryRow(ctx, `SELECT id FROM filing_application`).Scan(&id) }); err != nil {
		t.Fatal(err)
	}
	try(d.message("2504", withdrawInput(id, psn)))
}
