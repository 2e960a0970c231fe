package his

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
)

func personInput(kind, number, certno, name string) string {
	return fmt.Sprintf(`{"data":{"mdtrt_cert_type":%q,"mdtrt_cert_no":%q,"card_sn":"","begntime":"","psn_cert_type":"1","certno":%q,"psn_name":%q}}`, kind, number, certno, name)
}

func TestPersonByCredential(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	const token = "0123456789abcdef0123456789abcdef01234567"
	ctx := context.Background()
	if err := p.server.DB.Update(ctx, func(tx *db.Tx) error {
		who, _, err := p.register.ByCitizenID(ctx, tx, liji)
		return errors.Join(err, p.credentials.Standing(ctx, tx, who.ID, token))
	}); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, input, refused string }{
		{"citizen ID", personInput("02", liji, liji, "李济"), ""},
		{"citizen ID, one digit of the kind", personInput("2", liji, liji, "李济"), ""},
		{"card", personInput("03", "C"+liji, liji, "李济"), ""},
		{"token", personInput("01", token, liji, "李济"), ""},
		{"a slip in the ID", personInput("02", "990100195613040023", liji, "李济"), "mdtrt_cert_no 不对：身份证号的出生日期 “19561304” 不对"},
		{"a short ID", personInput("02", "9901", liji, "李济"), "身份证号的长度 “4 位” 不对：应为 18 位"},
		{"nobody's ID", personInput("02", "990100195607040021", liji, "李济"), "没有居民身份证（mdtrt_cert_type 02）为“990100**********21”的参保人员"},
		{"nobody's token", personInput("01", "x", liji, "李济"), "没有医保电子凭证"},
		{"another name", personInput("02", liji, liji, "王平"), "人员姓名 psn_name“王平”与所持凭证的人员不符"},
		{"another ID", personInput("02", liji, laoguo, "李济"), "证件号码 certno“990100**********12”与所持凭证的人员不符"},
		{"unknown kind", personInput("04", liji, liji, "李济"), "应为 01 医保电子凭证、02 居民身份证、03 社会保障卡"},
	}
	for _, tt := range tests {
		if tt.refused == "" {
			if name := d.ask("1101", tt.input).object(t, "baseinfo")["psn_name"]; name != "李济" {
				t.Errorf("%s: found %v", tt.name, name)
			}
		} else if err := d.refused("1101", tt.input); !strings.Contains(err, tt.refused) {
			t.Errorf("%s: %s, want %s", tt.name, err, tt.refused)
		}
	}
	d.insured = "500000"
	if err := d.refused("1101", personInput("02", liji, liji, "李济")); !strings.Contains(err, "insuplc_admdvs“500000”与该人员的参保地 990100 不一致") {
		t.Errorf("another region: %s", err)
	}
	d.insured = "990105" // a district of it
	d.ask("1101", personInput("02", liji, liji, "李济"))
}

func TestPersonSituations(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	tests := []struct{ id, name, insurance, identity string }{
		{"990100198503120014", "张安", "310/11/1/1234.56", ""},
		{"990100199001010119", "王平", "390/15/1/0.00", ""},
		{"990100201509010128", "赵小禾", "390/14/1/0.00", ""},
		{"990100194805200214", "钱厚", "390/16/1/0.00", "2304 特困"},
		{"990100197108150227", "孙敏", "390/15/1/0.00", "2303 低保"},
		{"990100196206300327", "郑缺", "310/11/2", ""},
		{"99010019991231034X", "陈别", "310/11/1", ""},
	}
	for _, tt := range tests {
		r, _ := d.person(tt.id, tt.name)
		rows := r.list(t, "insuinfo")
		if len(rows) == 0 {
			t.Errorf("%s: no insurance", tt.name)
			continue
		}
		got := fmt.Sprintf("%v/%v/%v/%s", rows[0]["insutype"], rows[0]["psn_type"], rows[0]["psn_insu_stas"], orZero(rows[0]["balc"]))
		if !strings.HasPrefix(got, tt.insurance) {
			t.Errorf("%s: insurance %s, want %s", tt.name, got, tt.insurance)
		}
		identity := ""
		for _, row := range r.list(t, "idetinfo") {
			identity = fmt.Sprintf("%v %v", row["psn_idet_type"], row["memo"])
		}
		if identity != tt.identity {
			t.Errorf("%s: identity %q, want %q", tt.name, identity, tt.identity)
		}
	}
	if r, _ := d.person("99010019991231034X", "陈别"); len(r.list(t, "insuinfo")) != 2 {
		t.Error("陈别 is enrolled twice")
	}
}

func orZero(v any) string {
	if s := fmt.Sprint(v); s != "0" {
		return s
	}
	return "0.00"
}

// What the fixtures are there for, through the interface.
func TestSituationsSettled(t *testing.T) {
	p := newPlatform(t)
	hospital := p.desk("H99010000101").signIn()
	one := []item{{"SVC990000001", "1", "1000", "1000"}}
	settle := func(d *desk, id, name, insutype, medType, disease, content string) reply {
		t.Helper()
		_, psn := d.person(id, name)
		r := d.ask("2201", fmt.Sprintf(`{"data":{"psn_no":%q,"insutype":%q,"begntime":"2025-06-20 09:00:00","mdtrt_cert_type":"03","mdtrt_cert_no":"C%s","ipt_otp_no":"M1","dept_code":"A03","dept_name":"内科","caty":"A03"}}`, psn, insutype, id))
		visit := r.object(t, "data")["mdtrt_id"].(string)
		d.ask("2203A", fmt.Sprintf(`{"mdtrtinfo":{"mdtrt_id":%q,"psn_no":%q,"med_type":%q,"begntime":"2025-06-20 09:00:00","dise_codg":"X","dise_name":%q,"exp_content":%s}}`, visit, psn, medType, disease, content))
		d.fees("2204", visit, psn, medType, one)
		bill := d.ask("2207", outpatientBill(psn, id, visit, insutype, medType, "1000", noAmounts))
		balanced(t, bill)
		return bill
	}
	tests := []struct {
		name              string
		d                 *desk
		id, who, insutype string
		medType, disease  string
		content           string
		fund, clr, warn   string
	}{
		{"resident outpatient", hospital, "990100199001010119", "王平", "390", "11", "", `""`, "500.00", "11", ""},
		{"chronic disease", hospital, "990100196611110236", "周和", "310", "14", "高血压", `""`, "650.00", "14", ""},
		{"special disease", hospital, "990100196611110236", "周和", "310", "18", "慢性肾衰竭血液净化", `""`, "850.00", "14", ""},
		{"special disease not recognised", hospital, "990100198503120014", "张安", "310", "14", "", `""`, "540.00", "11", "没有认定，按普通门诊结算"},
		{"third party, as an object", hospital, liji, "李济", "310", "11", "", `{"TRUM_FLAG":"1","REL_TTP_FLAG":"1"}`, "0.00", "11", "第三十条"},
		{"third party, as a text", hospital, liji, "李济", "310", "11", "", `"{\"rel_ttp_flag\":1}"`, "0.00", "11", "第三十条"},
		{"injury without a third party", hospital, liji, "李济", "310", "11", "", `{"TRUM_FLAG":"1","REL_TTP_FLAG":"0"}`, "630.00", "11", ""},
		{"not designated", p.desk("H99010000501").signIn(), "990100198503120014", "张安", "310", "11", "", `""`, "0.00", "11", "定点"},
		{"pharmacy", p.desk("P99010000401").signIn(), "990100198503120014", "张安", "310", "41", "", `""`, "0.00", "41", ""},
		{"in arrears", hospital, "990100196206300327", "郑缺", "310", "11", "", `""`, "0.00", "11", "欠"},
	}
	for _, tt := range tests {
		r := settle(tt.d, tt.id, tt.who, tt.insutype, tt.medType, tt.disease, tt.content)
		info := r.object(t, "setlinfo")
		if got := fen(t, info, "fund_pay_sumamt").String(); got != tt.fund || info["clr_type"] != tt.clr {
			t.Errorf("%s: fund %s, clr_type %v; want %s, %s (%s)", tt.name, got, info["clr_type"], tt.fund, tt.clr, r.WarnMsg)
		}
		if !strings.Contains(r.WarnMsg, tt.warn) || tt.warn == "" && r.WarnMsg != "" {
			t.Errorf("%s: warn_msg %q, want %q", tt.name, r.WarnMsg, tt.warn)
		}
	}
	p.verify()
}

func TestMismatches(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(liji, "李济")
	_, other := d.person("990100198503120014", "张安")
	visit := d.outpatient(psn, liji, "310", "11")
	d.fees("2204", visit, psn, "11", handbook)
	register := func(psn, id, insutype string) string {
		return fmt.Sprintf(`{"data":{"psn_no":%q,"insutype":%q,"begntime":"2025-06-20 09:00:00","mdtrt_cert_type":"02","mdtrt_cert_no":%q,"ipt_otp_no":"M1","dept_code":"A03","dept_name":"内科","caty":"A03"}}`, psn, insutype, id)
	}
	two := strings.Replace(feesInput(visit, psn, "11", p.now, handbook), `"feedetl_sn":"2","mdtrt_id":"`+visit+`"`, `"feedetl_sn":"2","mdtrt_id":"V2"`, 1)
	tests := []struct{ name, infno, input, want string }{
		{"another's credential", "2201", register(psn, "990100198503120014", "310"), "不是同一人（人证不符）"},
		{"unknown person", "2201", register("P0", liji, "310"), "人员编号 psn_no“P0”不存在，请用 1101 取得"},
		{"not that insurance", "2201", register(psn, liji, "390"), "险种类型 insutype"},
		{"insurance that pays no care", "2201", register(psn, liji, "510"), "应为 310 职工基本医疗保险或 390 城乡居民基本医疗保险"},
		{"another's visit", "2206", outpatientBill(other, "990100198503120014", visit, "310", "11", "10000", noAmounts), "登记的人员不符"},
		{"no such visit", "2206", outpatientBill(psn, liji, "V0", "310", "11", "10000", noAmounts), "就诊ID mdtrt_id“V0”：本机构没有这次就诊"},
		{"another insurance than registered", "2206", outpatientBill(psn, liji, visit, "390", "11", "10000", noAmounts), "与就诊登记的 310 不一致"},
		{"the same serial again", "2204", feesInput(visit, psn, "11", p.now, handbook), "feedetail 第 1 行 费用明细流水号 feedetl_sn“1”：本次就诊已有这个明细流水号"},
		{"two visits in one message", "2204", two, "feedetail 第 2 行 mdtrt_id“V2”与第 1 行"},
		{"no lines", "2204", `{"feedetail":[]}`, "feedetail 没有费用明细"},
		{"an outpatient admitted", "2401", admission(psn, liji, "310", "11", "2025-06-20 08:00:00"), "不是住院类，应以 2201 挂号"},
		{"a stay registered", "2203A", fmt.Sprintf(`{"mdtrtinfo":{"mdtrt_id":%q,"psn_no":%q,"med_type":"21","begntime":"2025-06-20 09:00:00"}}`, visit, psn), "应以 2401 办理入院"},
		{"a benefit nobody states", "2203A", fmt.Sprintf(`{"mdtrtinfo":{"mdtrt_id":%q,"psn_no":%q,"med_type":"71","begntime":"2025-06-20 09:00:00"}}`, visit, psn), "“71 家庭病床”在本平台没有对应的待遇"},
		{"another's diagnosis", "2401", strings.Replace(admission(psn, liji, "310", "21", "2025-06-20 08:00:00"), `"diseinfo":[{"psn_no":"`+psn, `"diseinfo":[{"psn_no":"`+other, 1), "diseinfo 第 1 行 psn_no"},
		{"another region in the row", "2401", strings.Replace(admission(psn, liji, "310", "21", "2025-06-20 08:00:00"), `"ipt_no"`, `"insuplc_admdvs":"5","ipt_no"`, 1), "insuplc_admdvs“5”与该人员的参保地 990100 不一致"},
		{"too large an amount", "2206", outpatientBill(psn, liji, visit, "310", "11", "99999999999999.99", noAmounts), "金额不能超过"},
	}
	before := p.counts()
	for _, tt := range tests {
		if err := d.refused(tt.infno, tt.input); !strings.Contains(err, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, err, tt.want)
		}
	}
	if after := p.counts(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	d.admission(psn, liji, "310", "21", "2025-06-18 08:00:00")
	if err := d.refused("2401", admission(psn, liji, "310", "21", "2025-06-19 08:00:00")); !strings.Contains(err, "不能重复入院") {
		t.Errorf("admitted twice: %s", err)
	}
	d.insured = "500000"
	if err := d.refused("2206", outpatientBill(psn, liji, visit, "310", "11", "10000", noAmounts)); !strings.Contains(err, "“500000”与该人员的参保地 990100 不一致") {
		t.Errorf("another region: %s", err)
	}
}

// TestViewsAreRecorded: who opens a person's sealed data by a query is on record,
// with the transaction as the purpose; what shows nothing sealed is not.
func TestViewsAreRecorded(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(liji, "李济")
	d.ask("2001", entitlementInput(psn, "310", "H99010000101", "11"))
	var seen []string
	ctx := context.Background()
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		return tx.Each(ctx, func(rows *db.Rows) error {
			var actor, subject, details string
			err := rows.Scan(&actor, &subject, &details)
			seen = append(seen, actor+" "+subject+" "+details)
			return err
		}, `SELECT actor, subject, details FROM audit WHERE action = 'his.view' ORDER BY seq`)
	}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || !strings.HasPrefix(seen[0], "H99010000101 0001 "+psn) || !strings.Contains(seen[0], "1101 人员信息获取") || strings.Contains(seen[0], liji) {
		t.Errorf("%q", seen)
	}
}

// TestViewsAtOnce has many ask for a person who was never on record.
func TestViewsAtOnce(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	var all sync.WaitGroup
	for range 12 {
		message := d.message("1101", personInput("02", liji, liji, "李济"))
		all.Go(func() {
			resp, err := http.Post(p.http.URL+"/his", "application/json", strings.NewReader(message))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			raw, err := io.ReadAll(resp.Body)
			if err != nil || !strings.Contains(string(raw), `"infcode":0`) {
				t.Errorf("%s, %v", raw, err)
			}
		})
	}
	all.Wait()
	ctx := context.Background()
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM audit WHERE action = 'his.view'`).Scan(&n); err != nil || n != 12 {
			t.Errorf("%d views on record, %v", n, err)
		}
		return audit.Verify(ctx, tx)
	}); err != nil {
		t.Error(err)
	}
}
