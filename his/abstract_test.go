package his

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
)

// A stayed is a stay of 老张 that was settled: three days from 2025-06-17.
type stayed struct {
	*patient
	visit, settled string
	fund           string
}

func (p *platform) stayed() *stayed {
	p.t.Helper()
	d := p.desk("H99010000101").signIn()
	zhang := d.patient(zhangan, "张安", "310")
	s := &stayed{patient: zhang}
	s.visit = d.admission(zhang.id, zhang.certno, "310", "21", "2025-06-17 09:00:00")
	d.ask("2301", zhang.feesOn(s.visit, "2025-06-18", "", item{"SVC990000001", "1", "5000", "5000"}))
	d.ask("2402", zhang.discharge(s.visit, "2025-06-19 15:00:00"))
	s.settle()
	return s
}

func (s *stayed) settle() {
	s.t.Helper()
	r := s.ask("2304", s.stayBill(s.visit, "5000", "2025-06-19", false))
	s.settled = r.object(s.t, "setlinfo")["setl_id"].(string)
	s.fund = fen(s.t, r.object(s.t, "setlinfo"), "hifp_pay").String()
}

// sheet is the input of 4101, each node as JSON rows; change may alter it.
func (s *stayed) sheet(change func(map[string]any)) string {
	head := map[string]any{"psn_no": s.id, "mdtrt_id": s.visit, "setl_id": s.settled, "medcasno": "ZY1", "dcla_time": "2025-06-20 09:00:00", "ntly": "CHN", "prfs": "90",
		"curr_addr": "示例路1号", "patn_rlts": "1", "coner_name": "张联", "coner_addr": "示例路1号", "coner_tel": "10000000009",
		"adm_way": "2", "trt_type": "1", "adm_time": "2025-06-17 09:00:00", "dscg_time": "2025-06-19 15:00:00", "dscg_caty": "A03", "dscg_way": "1",
		"vent_used_dura": "0/5/30", "lv1_nurscare_days": "1.5", "scd_nurscare_days": "1", "bill_code": "1", "bill_no": "2", "biz_sn": "3",
		"setl_begn_date": "2025-06-17", "setl_end_date": "2025-06-19", "medins_fill_dept": "医保办", "medins_fill_psn": "李填", "stas_type": "0", "hi_paymtd": "4"}
	all := map[string]any{"setlinfo": head,
		"diseinfo": []any{map[string]any{"diag_type": "1", "diag_code": "J18.900", "diag_name": "肺炎", "adm_cond_type": "1", "maindiag_flag": "1"},
			map[string]any{"diag_type": "1", "diag_code": "I10.x00", "diag_name": "高血压", "adm_cond_type": "1", "maindiag_flag": "0"}},
		"oprninfo": []any{map[string]any{"oprn_oprt_type": "1", "oprn_oprt_name": "支气管镜检查", "oprn_oprt_code": "33.2200x003", "oper_dr_code": "D1", "anst_way": "01", "anst_dr_code": "D2",
			"oprn_oprt_begntime": "2025-06-18 09:00:00", "oprn_oprt_endtime": "2025-06-18 10:00:00", "anst_begntime": "2025-06-18 08:50:00", "anst_endtime": "2025-06-18 10:10:00"}},
		"icuinfo": []any{map[string]any{"scs_cutd_ward_type": "1", "scs_cutd_inpool_time": "2025-06-18 10:30:00", "scs_cutd_exit_time": "2025-06-19 08:30:00", "scs_cutd_sum_dura": "0/22/0"}},
		"payinfo": []any{map[string]any{"fund_pay_type": "310100", "fund_payamt": s.fund}},
		"bldinfo": []any{map[string]any{"setl_List_bld_Id": "1", "psn_no": s.id, "mdtrt_id": s.visit, "setl_id": s.settled, "bld_cat": "1", "bld_amt": "200", "bld_unt": "ml"}},
	}
	if change != nil {
		change(all)
	}
	text, err := json.Marshal(all)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// set changes a field of a row of a sheet: node, row, field, value.
func set(node string, row int, field, value string) func(map[string]any) {
	return func(all map[string]any) {
		if rows, ok := all[node].([]any); ok {
			rows[row].(map[string]any)[field] = value
			return
		}
		all[node].(map[string]any)[field] = value
	}
}

func (s *stayed) state(state string) string {
	return fmt.Sprintf(`{"data":{"psn_no":%q,"setl_id":%q,"stas_type":%q}}`, s.id, s.settled, state)
}

// rowsOfAbstracts is what the store holds of abstracts.
func (p *platform) rowsOfAbstracts() (text string) {
	p.t.Helper()
	err := p.server.DB.View(context.Background(), func(tx *db.Tx) error {
		text = ""
		for _, q := range []string{`SELECT number || ' ' || settlement || ' ' || state || ' ' || uploads || ' ' || submitted || ' ' || ventilated || ' ' || birth_weight FROM abstract ORDER BY number`,
			`SELECT abstract || ' ' || n || ' ' || code || ' ' || main FROM abstract_diagnosis ORDER BY abstract, n`,
			`SELECT abstract || ' ' || n || ' ' || code || ' ' || begun FROM abstract_operation ORDER BY abstract, n`,
			`SELECT action FROM audit WHERE action LIKE 'abstract.%' ORDER BY chain, seq`} {
			if err := tx.Each(context.Background(), func(rows *db.Rows) error {
				var s string
				err := rows.Scan(&s)
				text += s + "\n"
				return err
			}, q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// TestAbstract uploads an abstract, corrects it, submits it, takes it back, and
// has it follow its settlement through a reversal.
func TestAbstract(t *testing.T) {
	p := newPlatform(t)
	s := p.stayed()
	if got := s.ask("4101", s.sheet(nil)).object(t, "data")["setl_list_id"]; got != "100000001" {
		t.Fatalf("number %v", got)
	}
	first := p.rowsOfAbstracts()
	want := "100000001 " + s.settled + " 0 1  330 -1\n100000001 1 J18.900 1\n100000001 2 I10.x00 0\n100000001 1 33.2200x003 2025-06-18 09:00:00\nabstract.upload\n"
	if first != want {
		t.Fatalf("kept is\n%s want\n%s", first, want)
	}
	// A draft is replaced.
	again := s.ask("4101", s.sheet(func(all map[string]any) { all["oprninfo"] = []any{} }))
	if got := again.object(t, "data")["setl_list_id"]; got != "100000001" {
		t.Errorf("uploaded again it has the number %v", got)
	}
	if text := p.rowsOfAbstracts(); strings.Contains(text, "33.2200") || !strings.Contains(text, s.settled+" 0 2 ") {
		t.Errorf("uploaded again it is\n%s", text)
	}
	s.ask("4102", s.state("1"))
	if r := s.ask("4102", s.state("1")); !strings.Contains(r.WarnMsg, "已是已提交") {
		t.Errorf("submitted twice: %s", r.WarnMsg)
	}
	wants(t, "submitted", s.refused("4101", s.sheet(nil)), "结算清单已提交，不能再上传")
	s.ask("4102", s.state("0"))
	s.ask("4101", s.sheet(set("setlinfo", 0, "stas_type", "1")))
	if text := p.rowsOfAbstracts(); !strings.HasPrefix(text, "100000001 "+s.settled+" 1 3 2025-06-20 10:00:00 330 -1\n") {
		t.Errorf("submitted with the upload it is\n%s", text)
	}
	// What is sealed cannot be read in the store.
	err := p.server.DB.View(context.Background(), func(tx *db.Tx) error {
		return tx.Each(context.Background(), func(rows *db.Rows) error {
			var b []byte
			err := rows.Scan(&b)
			if strings.Contains(string(b), "张联") {
				t.Error("the contact's name lies open")
			}
			return err
		}, `SELECT document FROM abstract`)
	})
	if err != nil {
		t.Fatal(err)
	}
	old := s.settled
	s.ask("2305", s.ref(s.visit, s.settled))
	wants(t, "reversed", s.refused("4101", s.sheet(nil)), "结算已撤销")
	wants(t, "reversed", s.refused("4102", s.state("0")), "结算已撤销")
	s.settle()
	if got := s.ask("4101", s.sheet(nil)).object(t, "data")["setl_list_id"]; got != "100000002" || s.settled == old {
		t.Errorf("the settlement in its place has the abstract %v", got)
	}
	p.verify()
}

// TestAbstractRefused holds an abstract against its settlement and itself.
func TestAbstractRefused(t *testing.T) {
	p := newPlatform(t)
	s := p.stayed()
	second := func(node string, fields ...string) func(map[string]any) {
		return func(all map[string]any) {
			rows := all[node].([]any)
			row := map[string]any{}
			for k, v := range rows[0].(map[string]any) {
				row[k] = v
			}
			for i := 0; i < len(fields); i += 2 {
				row[fields[i]] = fields[i+1]
			}
			all[node] = append(rows, row)
		}
	}
	for _, x := range []struct {
		name   string
		change func(map[string]any)
		want   string
	}{
		{"no such settlement", set("setlinfo", 0, "setl_id", "S0"), "bldinfo"},
		{"another person", func(all map[string]any) { set("setlinfo", 0, "psn_no", "P0")(all); all["bldinfo"] = []any{} }, "人员编号 psn_no“P0”：与结算的人员不符"},
		{"another visit", func(all map[string]any) { set("setlinfo", 0, "mdtrt_id", "V0")(all); all["bldinfo"] = []any{} }, "就诊ID mdtrt_id“V0”"},
		{"blood of another stay", set("bldinfo", 0, "mdtrt_id", "V0"), "bldinfo 第 1 行 mdtrt_id“V0”与 setlinfo 的“"},
		{"an unknown state", set("setlinfo", 0, "stas_type", "9"), "stas_type“9”：应为 0 未提交、1 已提交"},
		{"declared tomorrow", set("setlinfo", 0, "dcla_time", "2025-06-21 00:00:00"), "申报时间 dcla_time“2025-06-21 00:00:00”：晚于现在"},
		{"days reversed", set("setlinfo", 0, "setl_begn_date", "2025-06-20"), "结算结束日期 setl_end_date“2025-06-19”：早于结算开始日期 2025-06-20"},
		{"before the stay", set("setlinfo", 0, "setl_begn_date", "2025-06-16"), "结算开始日期 setl_begn_date“2025-06-16”：早于就诊开始的 2025-06-17"},
		{"another end", set("setlinfo", 0, "setl_end_date", "2025-06-18"), "结算结束日期 setl_end_date“2025-06-18”：与结算的日期 2025-06-19 不一致"},
		{"no admission", set("setlinfo", 0, "adm_time", ""), "入院时间 adm_time：住院的清单须填写入院时间"},
		{"another admission", set("setlinfo", 0, "adm_time", "2025-06-18 09:00:00"), "与入院登记的 2025-06-17 不是同一天"},
		{"no discharge", set("setlinfo", 0, "dscg_time", ""), "出院时间 dscg_time：已办理出院，须填写出院时间"},
		{"another discharge", set("setlinfo", 0, "dscg_time", "2025-06-18 15:00:00"), "与出院登记的 2025-06-19 不是同一天"},
		{"a weight of an adult", set("setlinfo", 0, "nwb_adm_wt", "3100"), "不是新生儿（28 天以内），不应填写新生儿入院体重"},
		{"a weight in kilograms", set("setlinfo", 0, "nwb_bir_wt", "3.1"), "新生儿出生体重 nwb_bir_wt“3.10”：应为 100 至 9999 克"},
		{"a negative weight", set("setlinfo", 0, "nwb_bir_wt", "-3100"), "不能为负"},
		{"days of age of an adult", set("setlinfo", 0, "age_days", "40"), "新生儿天龄 age_days“40”：只填写 28 天以内的新生儿"},
		{"no main diagnosis", set("diseinfo", 0, "maindiag_flag", "0"), "主诊断标志 maindiag_flag“0”：西医诊断须有且只有一个主诊断"},
		{"two main diagnoses", set("diseinfo", 1, "maindiag_flag", "1"), "现有 2 个"},
		{"a diagnosis twice", set("diseinfo", 1, "diag_code", "J18.900"), "diseinfo 第 2 行 诊断代码 diag_code“J18.900”：与第 1 条诊断重复"},
		{"an operation ended before it began", set("oprninfo", 0, "oprn_oprt_endtime", "2025-06-18 08:00:00"), "手术操作时间的结束早于开始"},
		{"an operation before the stay", set("oprninfo", 0, "oprn_oprt_begntime", "2025-06-16 08:00:00"), "oprninfo 第 1 行 手术操作开始时间 oprn_oprt_begntime“2025-06-16 08:00:00”：手术操作时间早于入院日 2025-06-17"},
		{"anaesthesia after the stay", set("oprninfo", 0, "anst_endtime", "2025-06-20 08:00:00"), "oprninfo 第 1 行 麻醉开始时间 anst_begntime“2025-06-20 08:00:00”：麻醉时间晚于出院日 2025-06-19"},
		{"two main operations", second("oprninfo"), "主要手术操作只能有一个"},
		{"intensive care backwards", set("icuinfo", 0, "scs_cutd_exit_time", "2025-06-18 10:30:00"), "icuinfo 第 1 行 重症监护退出时间 scs_cutd_exit_time“2025-06-18 10:30:00”：重症监护退出时间应晚于进入时间"},
		{"intensive care twice at once", second("icuinfo", "scs_cutd_inpool_time", "2025-06-19 08:00:00"), "重症监护时间重叠"},
		{"intensive care after the stay", set("icuinfo", 0, "scs_cutd_exit_time", "2025-06-20 08:30:00"), "重症监护时间晚于出院日"},
		{"nursed longer than there", set("setlinfo", 0, "lv3_nurscare_days", "0.6"), "“3.1”：各级护理天数之和超过住院的 3 天"},
		{"ventilated longer than there", set("setlinfo", 0, "vent_used_dura", "80"), "呼吸机使用时长 vent_used_dura“3 天 8 小时 0 分钟”：呼吸机使用时长超过住院的 3 天"},
		{"blood of no amount", set("bldinfo", 0, "bld_amt", "0"), "bldinfo 第 1 行 输血量 bld_amt“0”：输血量应大于 0"},
		{"blood of no unit", set("bldinfo", 0, "bld_unt", ""), "bldinfo 第 1 行 输血计量单位 bld_unt：须填写输血计量单位"},
		{"another payment", set("payinfo", 0, "fund_payamt", "1.00"), "payinfo 基金支付类型 310100 "},
		{"a fund that did not pay", second("payinfo", "fund_pay_type", "610100", "fund_payamt", "5"), "payinfo 基金支付类型 610100：清单为 5.00 元，结算为 0.00 元"},
		{"a payment left out", func(all map[string]any) { all["payinfo"] = []any{} }, "清单为 0.00 元，结算为 " + s.fund + " 元"},
	} {
		t.Run(x.name, func(t *testing.T) {
			wants(t, x.name, s.refused("4101", s.sheet(x.change)), x.want)
			if kept := p.rowsOfAbstracts(); kept != "" {
				t.Fatalf("it left\n%s", kept)
			}
		})
	}
	// Another provider's, care that has no abstract, one that was not uploaded.
	other := p.desk("H99010000201").signIn()
	wants(t, "another provider", other.refused("4101", s.sheet(nil)), "本机构没有这笔结算")
	wants(t, "not uploaded", s.refused("4102", s.state("1")), "还没有上传结算清单")
	visit := s.desk.outpatient(s.id, s.certno, "310", "11")
	s.fees("2204", visit, s.id, "11", []item{{"SVC990000001", "1", "100", "100"}})
	settled := s.settleOutpatient(visit, "100").object(t, "setlinfo")["setl_id"].(string)
	wants(t, "an ordinary visit", s.refused("4101", s.sheet(func(all map[string]any) {
		set("setlinfo", 0, "setl_id", settled)(all)
		set("setlinfo", 0, "mdtrt_id", visit)(all)
		all["bldinfo"] = []any{}
	})), "结算清单用于住院和门诊慢特病")
}

// TestAbstractDoubts warns of what is only doubtful, and keeps it.
func TestAbstractDoubts(t *testing.T) {
	p := newPlatform(t)
	s := p.stayed()
	for _, x := range []struct {
		name   string
		change func(map[string]any)
		want   string
	}{
		{"a duration in words", set("setlinfo", 0, "vent_used_dura", "五小时"), "应为“天/小时/分钟”"},
		{"no main operation", set("oprninfo", 0, "oprn_oprt_type", "2"), "没有一条是主要手术操作"},
		{"no anaesthetist", set("oprninfo", 0, "anst_dr_code", ""), "没有麻醉医师代码"},
		{"another sum of hours", set("icuinfo", 0, "scs_cutd_sum_dura", "1/2/0"), "重症监护合计时长 1 天 2 小时 0 分钟 与进出时间相差的 0 天 22 小时 0 分钟 不符"},
		{"moved on to nobody", set("setlinfo", 0, "dscg_way", "2"), "应填写拟接收机构"},
		{"a code of no list", set("diseinfo", 1, "diag_code", "X99.999x"), "诊断代码“X99.999x”不在国家发布的目录内"},
	} {
		r := s.ask("4101", s.sheet(x.change))
		if !strings.Contains(r.WarnMsg, x.want) {
			t.Errorf("%s: %q, want %q", x.name, r.WarnMsg, x.want)
		}
	}
}

// TestAbstractOfDisease uploads one of care for a chronic disease.
func TestAbstractOfDisease(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	zhou := d.patient("990100196611110236", "周和", "310")
	r := d.settleDisease(zhou)
	s := &stayed{patient: zhou, visit: r["mdtrt_id"].(string), settled: r["setl_id"].(string), fund: fmt.Sprint(r["hifp_pay"])}
	sheet := func(day string) string {
		return s.sheet(func(all map[string]any) {
			head := all["setlinfo"].(map[string]any)
			for _, f := range []string{"adm_time", "dscg_time", "vent_used_dura", "lv1_nurscare_days", "scd_nurscare_days"} {
				head[f] = ""
			}
			head["opsp_diag_caty"], head["opsp_mdtrt_date"], head["setl_begn_date"], head["setl_end_date"] = "A03", day, "2025-06-20", "2025-06-20"
			all["opspdiseinfo"] = []any{map[string]any{"oprn_oprt_name": "血压监测", "oprn_oprt_code": "89.6100"}}
			all["oprninfo"], all["icuinfo"], all["bldinfo"] = []any{}, []any{}, []any{}
			all["payinfo"] = []any{map[string]any{"fund_pay_type": "310100", "fund_payamt": s.fund}}
		})
	}
	wants(t, "another day", s.refused("4101", sheet("2025-06-19")), "门诊慢特病就诊日期 opsp_mdtrt_date“2025-06-19”：与就诊登记的 2025-06-20 不一致")
	if r := s.ask("4101", sheet("")); !strings.Contains(r.WarnMsg, "应填写门诊慢特病就诊日期") {
		t.Errorf("no day: %q", r.WarnMsg)
	}
	s.ask("4101", sheet("2025-06-20"))
}

// settleDisease settles a visit for high blood pressure.
func (d *desk) settleDisease(p *patient) map[string]any {
	d.t.Helper()
	visit := d.outpatient(p.id, p.certno, p.insutype, "11")
	d.ask("2203A", fmt.Sprintf(`{"mdtrtinfo":{"mdtrt_id":%q,"psn_no":%q,"med_type":"14","begntime":%q,"dise_codg":"M03900","dise_name":"高血压"}}`, visit, p.id, d.now.Format(clockLayout)))
	d.fees("2204", visit, p.id, "14", []item{{"SVC990000001", "1", "400", "400"}})
	return d.ask("2207", outpatientBill(p.id, p.certno, visit, p.insutype, "14", "400", noAmounts)).object(d.t, "setlinfo")
}

// TestAbstractOnce makes every write fail in turn, and repeats the message.
func TestAbstractOnce(t *testing.T) {
	p := newPlatform(t)
	s := p.stayed()
	for _, message := range []string{s.message("4101", s.sheet(nil)), s.message("4101", s.sheet(nil)), s.message("4102", s.state("1"))} {
		for n := 0; ; n++ {
			before, left := p.rowsOfAbstracts(), n
			failing := db.WithFailure(context.Background(), func(string) error {
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
			if after := p.rowsOfAbstracts(); after != before {
				t.Fatalf("failing at write %d left\n%s want\n%s", n, after, before)
			}
		}
		before := p.rowsOfAbstracts()
		p.now = p.now.Add(time.Second)
		if r := p.send(message); r.Infcode != "0" || p.rowsOfAbstracts() != before {
			t.Errorf("repeated it left\n%s want\n%s", p.rowsOfAbstracts(), before)
		}
	}
}
