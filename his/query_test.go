package his

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func query(extra string, num, size int) string {
	return fmt.Sprintf(`{"data":{"updt_time":"2020-01-01 00:00:00","page_num":%d,"page_size":%d%s}}`, num, size, extra)
}

func TestQueryItems(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	find := func(infno, extra string) []map[string]any {
		t.Helper()
		r := d.ask(infno, query(extra, 1, maxPage))
		if infno == "1317" {
			return r.list(t, "data")
		}
		rows := r.list(t, "data")
		rids := map[any]bool{}
		for _, row := range rows {
			rids[row["rid"]] = true
		}
		if len(rids) != len(rows) {
			t.Errorf("%s %s: %d record numbers for %d rows", infno, extra, len(rids), len(rows))
		}
		return rows
	}
	all := len(find("1312", ""))
	if all < 30 {
		t.Fatalf("%d items", all)
	}
	for _, x := range []struct {
		infno, extra string
		want         int // -1: all items
	}{
		{"1312", `,"hilist_code":"DRG990000002"`, 1},
		{"1312", `,"hilist_code":"drg990000002"`, 0},
		{"1312", `,"hilist_name":"类药品"`, 3},
		{"1312", `,"hilist_name":"%"`, 0},
		{"1312", `,"insu_admdvs":"990100"`, -1},
		{"1312", `,"insu_admdvs":"100000"`, -1},
		{"1312", `,"med_chrgitm_type":"01"`, 1},
		{"1312", `,"chrgitm_lv":"03"`, 2},
		{"1312", `,"chrgitm_lv":"1","hilist_code":"DRG990000001"`, 1},
		{"1312", `,"list_type":"301"`, 0},
		{"1312", `,"lmt_used_flag":"1"`, 0},
		{"1312", `,"vali_flag":"0"`, 0},
		{"1312", `,"vali_flag":"1"`, -1},
		{"1312", `,"query_date":"2024-12-31"`, 0},
		{"1312", `,"query_date":"2025-01-01"`, -1},
		{"1312", `,"begndate":"2025-01-02"`, 0},
		{"1316", `,"med_list_codg":"DRG990000002"`, 1},
		{"1316", `,"med_list_codg":"DRG990000002","hilist_code":"DRG990000001"`, 0},
		{"1318", `,"hilist_code":"DRG990000004"`, 3},
		{"1318", `,"hilist_code":"DRG990000004","hilist_lmtpric_type":"2"`, 1},
		{"1318", `,"hilist_code":"DRG990000001"`, 0},
		{"1318", `,"hilist_code":"DRG990000004","poolarea_no":"990100","insu_admdvs":"990200"`, 0},
		{"1318", `,"hilist_code":"DRG990000004","tabname":"x"`, 0},
		{"1318", `,"rid":"nothing"`, 0},
		{"1319", `,"hilist_code":"DRG990000002"`, 2},
		{"1319", `,"hilist_code":"DRG990000002","selfpay_prop_psn_type":"390"`, 1},
		{"1319", `,"hilist_code":"DRG990000002","selfpay_prop_psn_type":"330"`, 0},
		{"1319", `,"hilist_code":"DRG990000002","enddate":"2030-01-01"`, 0},
	} {
		want := x.want
		if want < 0 {
			want = all
		}
		if got := len(find(x.infno, x.extra)); got != want {
			t.Errorf("%s %s: %d rows, want %d", x.infno, x.extra, got, want)
		}
	}
	first := func(infno, extra string, want map[string]string) {
		t.Helper()
		row := find(infno, extra)[0]
		for name, text := range want {
			if got := fmt.Sprint(row[name]); got != text {
				t.Errorf("%s %s = %s, want %s", infno, name, got, text)
			}
		}
	}
	first("1312", `,"hilist_code":"DRG990000002"`, map[string]string{"hilist_name": "乙类药品", "chrgitm_lv": "02", "list_type": "101", "med_chrgitm_type": "09", "insu_admdvs": "100000", "begndate": "2025-01-01", "enddate": "", "vali_flag": "1"})
	first("1318", `,"hilist_code":"DRG990000004"`, map[string]string{"hilist_pric_uplmt_amt": "20.00", "hilist_lmtpric_type": "1"})
	first("1319", `,"hilist_code":"DRG990000002"`, map[string]string{"selfpay_prop": "0.1", "selfpay_prop_psn_type": "310", "selfpay_prop_type": "10"})
	first("1319", `,"hilist_code":"DRG990000003"`, map[string]string{"selfpay_prop": "1"})
	first("1319", `,"hilist_code":"DRG990000001"`, map[string]string{"selfpay_prop": "0"})
	rid := find("1318", `,"hilist_code":"DRG990000004","hilist_lmtpric_type":"3"`)[0]["rid"]
	first("1318", fmt.Sprintf(`,"rid":%q`, rid), map[string]string{"hilist_code": "DRG990000004", "hilist_lmtpric_type": "3"})

	// The pages of any size together are the whole.
	for _, infno := range []string{"1312", "1316", "1318", "1319"} {
		var whole []string
		for _, row := range find(infno, "") {
			whole = append(whole, fmt.Sprint(row["rid"]))
		}
		for _, size := range []int{1, 2, 7, 100} {
			var got []string
			for num := 1; ; num++ {
				rows := d.ask(infno, query("", num, size)).list(t, "data")
				for _, row := range rows {
					got = append(got, fmt.Sprint(row["rid"]))
				}
				if len(rows) > size {
					t.Errorf("%s: a page of %d has %d rows", infno, size, len(rows))
				}
				if len(rows) < size {
					break
				}
			}
			if strings.Join(got, " ") != strings.Join(whole, " ") {
				t.Errorf("%s in pages of %d: %d rows, want %d", infno, size, len(got), len(whole))
			}
		}
	}
	for input, want := range map[string]string{
		query("", 0, 10):                          "page_num（当前页数）“0”：应为 1 至 9999",
		query("", 1, 501):                         "page_size（本页数据量）“501”：应为 1 至 500",
		query("", -1, 1):                          "page_num（当前页数）“-1”",
		query(`,"list_type":"104"`, 1, 1):         "目录类别 list_type“104”：应为 101",
		query(`,"chrgitm_lv":"9"`, 1, 1):          "chrgitm_lv（收费项目等级）“9”",
		`{"data":{"page_num":1,"page_size":1}}`:   "updt_time（更新时间）",
		`{"data":{"updt_time":"x","page_num":1}}`: "page_size",
	} {
		if err := d.refused("1312", input); !strings.Contains(err, want) {
			t.Errorf("%s: %s", input, err)
		}
	}
}

func mapping(rows ...string) string { return `{"data":[` + strings.Join(rows, ",") + `]}` }

func mapped(code, list, item, from, to string) string {
	return fmt.Sprintf(`{"fixmedins_hilist_id":%q,"fixmedins_hilist_name":"本院%s","list_type":%q,"med_list_codg":%q,"begndate":%q,"enddate":%q,"spec":"10mg","memo":""}`, code, code, list, item, from, to)
}

func TestMappings(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	list := func(extra string) (codes string) {
		t.Helper()
		for _, row := range d.ask("1317", query(extra, 1, 100)).list(t, "data") {
			codes += fmt.Sprintf("%v>%v%v ", row["medins_list_codg"], row["med_list_codg"], row["vali_flag"])
		}
		return strings.TrimSpace(codes)
	}
	d.ask("3301", mapping(mapped("Y1", "101", "DRG990000001", "2025-01-01", "2099-12-31"), mapped("Y2", "101", "DRG990000002", "2025-01-01", "2025-03-31"), mapped("S1", "201", "SVC990000001", "2025-01-01", "2099-12-31")))
	d.ask("3301", `{"data":`+mapped("Y2", "101", "DRG990000004", "2025-04-01", "2099-12-31")+`}`)
	if got, want := list(""), "S1>SVC9900000011 Y1>DRG9900000011 Y2>DRG9900000020 Y2>DRG9900000041"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for extra, want := range map[string]string{
		`,"medins_list_codg":"Y1"`: "Y1>DRG9900000011", `,"medins_list_name":"院s"`: "S1>SVC9900000011", `,"list_type":"201"`: "S1>SVC9900000011",
		`,"med_list_codg":"DRG990000004"`: "Y2>DRG9900000041", `,"query_date":"2025-02-01","medins_list_codg":"Y2"`: "Y2>DRG9900000020",
		`,"vali_flag":"0"`: "Y2>DRG9900000020", `,"insu_admdvs":"500000"`: "", `,"begndate":"2025-02-01"`: "Y2>DRG9900000041", `,"fixmedins_code":"H99010000101","medins_list_codg":"Y1"`: "Y1>DRG9900000011",
	} {
		if got := list(extra); got != want {
			t.Errorf("%s: %s, want %s", extra, got, want)
		}
	}
	for input, want := range map[string]string{
		mapping(mapped("N1", "101", "DRG990000001", "2025-01-01", "2099-12-31"), mapped("N2", "101", "NONE", "2025-01-01", "2099-12-31")): "data 第 2 行 医疗目录编码 med_list_codg“NONE”：所填目录类别的目录中没有这个编码",
		mapping(mapped("N1", "201", "DRG990000001", "2025-01-01", "2099-12-31")):                                                          "目录中没有这个编码",
		mapping(mapped("N1", "104", "DRG990000001", "2025-01-01", "2099-12-31")):                                                          "data 第 1 行 目录类别 list_type“104”",
		mapping(mapped("N1", "101", "DRG990000001", "2025-02-01", "2025-01-01")):                                                          "结束日期不能早于开始日期",
		mapping(mapped("N1", "101", "DRG990000001", "2020-02-01", "2024-01-01")):                                                          "有效期是 2025-01-01 起",
		mapping(mapped("Y1", "101", "DRG990000003", "2025-01-01", "2099-12-31")):                                                          "定点医药机构目录编号 fixmedins_hilist_id“Y1”：同一时期已对照到医疗目录编码 DRG990000001",
		mapping(mapped("N1", "101", "DRG990000001", "2025-02-30", "2099-12-31")):                                                          "begndate（开始日期）“2025-02-30”",
		mapping(mapped("N1", "101", "DRG990000001", "2025-01-01", "")):                                                                    "enddate（结束日期）",
	} {
		if err := d.refused("3301", input); !strings.Contains(err, want) {
			t.Errorf("%s: %s", input, err)
		}
	}
	if got := list(`,"medins_list_codg":"N1"`); got != "" {
		t.Errorf("refused mappings are there: %s", got)
	}
	withdraw := func(owner, code, item string) string {
		return fmt.Sprintf(`{"data":{"fixmedins_code":%q,"fixmedins_hilist_id":%q,"list_type":"101","med_list_codg":%q}}`, owner, code, item)
	}
	d.ask("3302", withdraw("H99010000101", "Y1", "DRG990000001"))
	if got := list(`,"medins_list_codg":"Y1"`); got != "Y1>DRG9900000010" {
		t.Errorf("withdrawn: %s", got)
	}
	for input, want := range map[string]string{
		withdraw("H99010000101", "Y1", "DRG990000001"): "“Y1”：没有到医疗目录编码 DRG990000001 的有效对照",
		withdraw("H99010000201", "Y2", "DRG990000004"): "应为本机构的编号 H99010000101",
	} {
		if err := d.refused("3302", input); !strings.Contains(err, want) {
			t.Errorf("%s: %s", input, err)
		}
	}
	d.ask("3301", mapping(mapped("Y1", "101", "DRG990000003", "2025-01-01", "2099-12-31")))
	other := p.desk("H99010000201").signIn()
	if rows := other.ask("1317", query("", 1, 10)).list(t, "data"); len(rows) != 0 {
		t.Errorf("another provider's mappings: %v", rows)
	}
	if err := other.refused("1317", query(`,"fixmedins_code":"H99010000101"`, 1, 10)); !strings.Contains(err, "应为本机构的编号 H99010000201") {
		t.Errorf("another provider's mappings: %s", err)
	}
	p.verify()
}

func TestFindProvider(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	for input, want := range map[string]string{
		`{"fixmedins_type":"1","fixmedins_code":"H99010000201"}`:                              "H99010000201 示例区医院 13",
		`{"fixmedins_type":"2","fixmedins_name":"示例大药房"}`:                                     "P99010000401 示例大药房 ",
		`{"fixmedins_type":"1","fixmedins_code":"H99010000101","fixmedins_name":"安济示例市人民医院"}`: "H99010000101 安济示例市人民医院 12",
		`{"fixmedins_type":"1"}`:                                                        "至少填一项",
		`{"fixmedins_type":"2","fixmedins_code":"H99010000201"}`:                        "应为 1",
		`{"fixmedins_type":"1","fixmedins_code":"H00000000000"}`:                        "没有编号为“H00000000000”",
		`{"fixmedins_type":"1","fixmedins_code":"H99010000101","fixmedins_name":"另一个"}`: "没有编号为",
		`{"fixmedins_type":"7","fixmedins_code":"H99010000101"}`:                        "fixmedins_type（定点医疗服务机构类型）“7”",
	} {
		r := d.send(d.message("1201", `{"medinsinfo":`+input+`}`))
		got := r.ErrMsg
		if r.Infcode == "0" {
			d.conforms("1201", r)
			row := r.object(t, "medinsinfo")
			got = fmt.Sprint(row["fixmedins_code"], " ", row["fixmedins_name"], " ", row["hosp_lv"])
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", input, got, want)
		}
	}
}

func TestDictionaryQuery(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	ask := func(kind, extra string) string {
		return fmt.Sprintf(`{"data":{"type":%q,"admdvs":"990100","date":"2025-06-20"%s}}`, kind, extra)
	}
	for _, dict := range p.server.spec.Dictionaries {
		if rows := d.ask("1901", ask(dict.Name, "")).list(t, "list"); len(rows) != len(dict.Codes) || rows[0]["value"] != dict.Codes[0].Code {
			t.Errorf("%s: %d rows, want %d", dict.Name, len(rows), len(dict.Codes))
		}
	}
	rows := d.ask("1901", ask("GEND", `,"parent_value":"GEND","Vali_Flag":"1"`)).list(t, "list")
	if len(rows) != 4 || rows[1]["label"] != "男" || fmt.Sprint(rows[1]["sort"]) != "2" {
		t.Errorf("GEND: %v", rows)
	}
	for _, extra := range []string{`,"Vali_Flag":"0"`, `,"parent_value":"x"`} {
		if rows := d.ask("1901", ask("gend", extra)).list(t, "list"); len(rows) != 0 {
			t.Errorf("%s: %v", extra, rows)
		}
	}
	if err := d.refused("1901", ask("nothing", "")); !strings.Contains(err, "字典类型 type“nothing”：没有这个字典") {
		t.Error(err)
	}
}

func TestDepartmentsAndStaff(t *testing.T) {
	p := newPlatform(t)
	for _, provider := range []string{"H99010000101", "P99010000401", "H99020000101"} {
		d := p.desk(provider).signIn()
		for _, input := range []string{`{}`, `{"data":{}}`, fmt.Sprintf(`{"data":{"fixmedins_code":%q}}`, provider)} {
			rows := d.ask("5101", input).list(t, "feedetail")
			want := map[byte]string{'H': "A03 内科 1 1 1 0", 'P': "YF 药房 0 0 0 1"}[provider[0]]
			if got := fmt.Sprint(rows[0]["hosp_dept_codg"], " ", rows[0]["hosp_dept_name"], " ", rows[0]["dr_psncnt"], " ", rows[0]["nurs_psncnt"], " ", rows[0]["tecn_psncnt"], " ", rows[0]["phar_psncnt"]); got != want {
				t.Errorf("%s: %s, want %s", provider, got, want)
			}
		}
	}
	d := p.desk("H99010000101").signIn()
	if err := d.refused("5101", `{"data":{"fixmedins_code":"H99010000201"}}`); !strings.Contains(err, "应为本机构的编号") {
		t.Error(err)
	}
	rows := d.ask("5102", `{"data":{"prac_psn_type":"1"}}`).list(t, "feedetail")
	if len(rows) != 2 || rows[0]["prac_psn_name"] != "示例内科医师" || rows[0]["hi_dr_flag"] != "1" {
		t.Fatalf("doctors: %v", rows)
	}
	one, err := json.Marshal(rows[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"certno", "prac_psn_name", "prac_psn_code"} {
		got := d.ask("5102", fmt.Sprintf(`{"data":{"prac_psn_type":"1","psn_cert_type":"01",%q:%q}}`, name, rows[1][name])).list(t, "feedetail")
		if again, _ := json.Marshal(got[0]); len(got) != 1 || string(again) != string(one) {
			t.Errorf("by %s: %v", name, got)
		}
		if other := p.desk("H99010000201").signIn().ask("5102", fmt.Sprintf(`{"data":{"prac_psn_type":"1","prac_psn_code":%q}}`, rows[1]["prac_psn_code"])).list(t, "feedetail"); len(other) != 0 {
			t.Errorf("another provider's staff: %v", other)
		}
	}
	if got := d.ask("5102", `{"data":{"prac_psn_type":"1","psn_cert_type":"16"}}`).list(t, "feedetail"); len(got) != 0 {
		t.Errorf("by passport: %v", got)
	}
	if err := d.refused("5102", `{"data":{"prac_psn_type":"9"}}`); !strings.Contains(err, "应为 1 医师、2 护士") {
		t.Error(err)
	}
}
