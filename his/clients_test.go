package his

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// compressed and gbk are a body in the forms some clients send it.
func compressed(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gbk(t testing.TB, s string) string {
	t.Helper()
	out, err := simplifiedchinese.GBK.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestClients are requests as clients really send them: other types and
// spellings of fields, other wrappings, other addresses. What is clear is done,
// with a warning where something was repaired; what is not is refused.
func TestClients(t *testing.T) {
	p := newPlatform(t)
	d := p.desk(cityHospital).signIn()
	const who = `{"data":{"mdtrt_cert_type":"02","mdtrt_cert_no":"990100195607040023","card_sn":"","begntime":"","psn_cert_type":"01","certno":"990100195607040023","psn_name":"李济"}}`
	ask := func(from, to string) string {
		if !strings.Contains(who, from) {
			t.Fatalf("%s is not in the message", from)
		}
		return d.message("1101", strings.Replace(who, from, to, 1))
	}
	whole := func(from, to string) string {
		m := d.message("1101", who)
		if !strings.Contains(m, from) {
			t.Fatalf("%s is not in the message", from)
		}
		return strings.Replace(m, from, to, 1)
	}
	good := func() string { return d.message("1101", who) }
	begin := func(s string) string { return ask(`"begntime":""`, `"begntime":"`+s+`"`) }
	const form, plain, text = "application/x-www-form-urlencoded", "application/json", "text/plain"
	type sent struct{ path, contentType, encoding, body string }
	tests := []struct {
		name string
		sent
		err, warn string // what err_msg and warn_msg contain; "": nothing
	}{
		{name: "as the specification says", sent: sent{body: good()}},
		{name: "number in the path", sent: sent{path: "/1101", body: good()}},
		{name: "number in the path only", sent: sent{path: "/1101", body: whole(`"infno":"1101",`, ``)}},
		{name: "suffix A in the path", sent: sent{path: "/1101A", body: good()}},
		{name: "suffix A in the message", sent: sent{path: "/1101", body: whole(`"infno":"1101"`, `"infno":"1101A"`)}},
		{name: "one entry", sent: sent{path: "/fsi/callService", body: good()}},
		{name: "one entry in lower case, with a slash", sent: sent{path: "/fsi/callservice/", body: good()}},
		{name: "a deep path", sent: sent{path: "/fsi/api/fsiPsnInfoService/1101", body: good()}},
		{name: "a deep path of another transaction", sent: sent{path: "/fsi/api/2207", body: good()}, err: "不一致"},

		{name: "text/plain", sent: sent{contentType: text, body: good()}},
		{name: "no Content-Type", sent: sent{contentType: " ", body: good()}},
		{name: "charset in capitals, with a semicolon", sent: sent{contentType: "application/json;charset=UTF-8;", body: good()}},
		{name: "GBK", sent: sent{contentType: "application/json;charset=GBK", body: gbk(t, good())}},
		{name: "GB2312 as text", sent: sent{contentType: "text/plain; charset=gb2312", body: gbk(t, good())}},
		{name: "GBK that does not say so", sent: sent{contentType: plain, body: gbk(t, good())}, err: "不是 UTF-8 编码（可能是 GBK）"},
		{name: "UTF-8 that says GBK", sent: sent{contentType: "application/json;charset=GBK", body: good()}, err: "报文不是 GBK 编码"},
		{name: "what is GBK neither", sent: sent{contentType: "application/json;charset=GBK", body: whole("测试员", "\xff\xff")}, err: "报文不是 GBK 编码"},
		{name: "gzip", sent: sent{encoding: "gzip", body: compressed(t, good())}},
		{name: "gzip of GBK", sent: sent{contentType: "application/json;charset=GBK", encoding: "x-gzip", body: compressed(t, gbk(t, good()))}},
		{name: "gzip that is none", sent: sent{encoding: "gzip", body: good()}, err: "不能按 gzip 解压"},
		{name: "gzip that is cut off", sent: sent{encoding: "gzip", body: compressed(t, good())[:100]}, err: "不能按 gzip 解压"},
		{name: "a form's raw body", sent: sent{contentType: form, body: "\n " + good()}},
		{name: "a form's field", sent: sent{contentType: form, body: "requestData=" + url.QueryEscape(good())}},
		{name: "a form's field among others", sent: sent{contentType: form, body: url.Values{"a": {"1"}, "data": {good()}, "z": {""}}.Encode()}},
		{name: "a form's field that is not escaped", sent: sent{contentType: form, body: "data=" + whole(`"测试员"`, `"甲+乙%41&丙"`)}},
		{name: "a form of two messages", sent: sent{contentType: form, body: url.Values{"a": {good()}, "b": {good()}}.Encode()}, err: "2 个字段是 JSON 报文"},
		{name: "a form that is none", sent: sent{contentType: form, body: "data=%7"}, err: "表单不合法"},

		{name: "byte order mark", sent: sent{body: "\uFEFF" + good()}, warn: "BOM"},
		{name: "zeros and line ends after it", sent: sent{body: good() + "\r\n\x00\x00"}, warn: "NUL"},
		{name: "more after it", sent: sent{body: good() + "}"}, err: "多余内容"},
		{name: "a name twice", sent: sent{body: ask(`"psn_name":`, `"psn_name":"王平","psn_name":`)}, err: "字段 psn_name 在同一对象中重复出现"},
		{name: "a name twice in two cases", sent: sent{body: ask(`"psn_name":`, `"PSN_NAME":"王平","psn_name":`)}, err: "以不同大小写出现了多次"},
		{name: "input as text", sent: sent{body: d.message("1101", fmt.Sprintf("%q", who))}, warn: "input 是文字"},
		{name: "node in capitals", sent: sent{body: ask(`"data"`, `"DATA"`)}},
		{name: "fields in capitals", sent: sent{body: ask(`"certno"`, `"CERTNO"`)}, warn: "字段名 CERTNO 按 certno 处理"},
		{name: "node as a list", sent: sent{body: d.message("1101", `{"data":[`+strings.TrimSuffix(strings.TrimPrefix(who, `{"data":`), "}")+`]}`)}},
		{name: "infno as a number", sent: sent{body: whole(`"infno":"1101"`, `"infno":1101`)}},
		{name: "fields that the interface has not", sent: sent{body: ask(`"certno"`, `"cert_no":"1","x":{"y":[1]},"certno"`)}, warn: "接口没有的字段未采用：data.cert_no、data.x"},
		{name: "optional fields missing", sent: sent{body: ask(`"card_sn":"","begntime":"",`, ``)}},
		{name: "null for nothing", sent: sent{body: ask(`"card_sn":"","begntime":""`, `"card_sn":null,"begntime":"null"`)}},
		{name: "undefined for nothing", sent: sent{body: begin("undefined")}, err: "begntime（开始时间）“undefined”"},

		{name: "codes without their zero", sent: sent{body: ask(`"psn_cert_type":"01"`, `"psn_cert_type":"1"`)}, warn: "“1”按“01”处理"},
		{name: "codes as numbers", sent: sent{body: ask(`"mdtrt_cert_type":"02"`, `"mdtrt_cert_type":2`)}, warn: "“2”按“02”处理"},
		{name: "ID as a number", sent: sent{body: ask(`"certno":"990100195607040023"`, `"certno":990100195607040023`)}},
		{name: "ID as a number that lost digits", sent: sent{body: ask(`"certno":"990100195607040023"`, `"certno":9.9010019560704E+17`)}, err: "可能已失去位数，应以文字发送"},
		{name: "short msgid", sent: sent{body: whole(`"msgid":"`, `"msgid":"1","old":"`)}, warn: "msgid 为 1 位，规范为 30 位"},
		{name: "msgid of 35", sent: sent{body: whole(`"msgid":"`, `"msgid":"12345`)}, warn: "msgid 为 35 位"},
		{name: "msgid of 65", sent: sent{body: whole(`"msgid":"`, `"msgid":"`+strings.Repeat("1", 35))}, err: "msgid（发送方报文ID）"},

		{name: "time with a T", sent: sent{body: begin("2025-06-01T10:00:00")}, warn: "按“2025-06-01 10:00:00”处理"},
		{name: "time with milliseconds", sent: sent{body: begin("2025-06-01 10:00:00.000")}, warn: "按“2025-06-01 10:00:00”处理"},
		{name: "time with slashes", sent: sent{body: begin("2025/6/1 9:05:03")}, warn: "按“2025-06-01 09:05:03”处理"},
		{name: "time in digits", sent: sent{body: begin("20250601100000")}, warn: "按“2025-06-01 10:00:00”处理"},
		{name: "time of Greenwich", sent: sent{body: begin("2025-06-01T18:00:00.000Z")}, warn: "按“2025-06-02 02:00:00”处理"},
		{name: "date with slashes", sent: sent{body: begin("2025/6/1")}, warn: "按“2025-06-01 00:00:00”处理"},
		{name: "date in digits", sent: sent{body: begin("20250601")}, warn: "按“2025-06-01 00:00:00”处理"},
		{name: "date of no month", sent: sent{body: begin("2025-06-31")}, err: "begntime（开始时间）“2025-06-31”"},
		{name: "date with the day first", sent: sent{body: begin("01/06/2025")}, err: "begntime（开始时间）“01/06/2025”"},
	}
	before := p.counts()
	for _, tt := range tests {
		req, err := http.NewRequest(http.MethodPost, p.http.URL+"/his"+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		switch tt.contentType {
		case "":
			req.Header.Set("Content-Type", plain)
		case " ":
		default:
			req.Header.Set("Content-Type", tt.contentType)
		}
		if tt.encoding != "" {
			req.Header.Set("Content-Encoding", tt.encoding)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %s, %v: %s", tt.name, resp.Status, err, raw)
			continue
		}
		r := p.parse(string(raw))
		switch {
		case tt.err != "":
			if r.Infcode != "-1" || !strings.Contains(r.ErrMsg, tt.err) {
				t.Errorf("%s: %s, want %s", tt.name, r.raw, tt.err)
			}
		case r.Infcode != "0" || !strings.Contains(r.raw, liji):
			t.Errorf("%s: %s", tt.name, r.raw)
		case !strings.Contains(r.WarnMsg, tt.warn) || tt.warn == "" && r.WarnMsg != "":
			t.Errorf("%s: warnings %q, want %q", tt.name, r.WarnMsg, tt.warn)
		}
	}
	if after := p.counts(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	for _, tt := range []struct{ path, contentType, encoding string }{
		{"/abc", plain, ""}, {"/1101/x", plain, ""}, {"/his/callservices", plain, ""}, {"/11", plain, ""},
		{"", "application/json;charset=ISO-8859-1", ""}, {"", "multipart/form-data;boundary=x", ""}, {"", plain, "br"}, {"", form + ";charset=GBK", ""},
	} {
		req, err := http.NewRequest(http.MethodPost, p.http.URL+"/his"+tt.path, strings.NewReader(good()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", tt.contentType)
		req.Header.Set("Content-Encoding", tt.encoding)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%+v: %s", tt, resp.Status)
		}
	}
}

// A compressed body is bounded by what it holds, not by its size.
func TestZippedBound(t *testing.T) {
	p := newPlatform(t)
	body := compressed(t, `{"a":"`+strings.Repeat("x", maxBody)+`"}`)
	if len(body) > maxBody/100 {
		t.Fatalf("%d bytes", len(body))
	}
	req, err := http.NewRequest(http.MethodPost, p.http.URL+"/his", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error(resp.Status)
	}
}

// What is money is taken exactly as it is written, in any form that has one
// value, or refused.
func TestAmountsOfClients(t *testing.T) {
	p := newPlatform(t)
	d := p.desk(cityHospital).signIn()
	_, psn := d.person(liji, "李济")
	const exact, point = `"det_item_fee_sumamt":100,`, `"pric":100,`
	for i, tt := range []struct{ amount, price, err string }{
		{`"100"`, `"100.000000"`, ""},
		{`100.00`, `1e2`, ""},
		{`1E+2`, `"+100"`, ""},
		{`" 100 "`, `"0100"`, ""},
		{`"100.001"`, `100`, "det_item_fee_sumamt"},
		{`12.345`, `100`, "det_item_fee_sumamt"},
		{`"1,00.00"`, `100`, "det_item_fee_sumamt（明细项目费用总额）“1,00.00”：应为数值"},
		{`"１００"`, `100`, "应为数值"},
		{`"￥100"`, `100`, "应为数值"},
		{`"100元"`, `100`, "应为数值"},
		{`"0x64"`, `100`, "应为数值"},
		{`"100 00"`, `100`, "应为数值"},
		{`true`, `100`, "应为数值"},
		{`"NaN"`, `100`, "应为数值"},
		{`{"amount":100}`, `100`, "不是对象或数组"},
		{`[100]`, `100`, "不是对象或数组"},
		{`1e-3`, `100`, "det_item_fee_sumamt"},
		{`1e99`, `100`, "det_item_fee_sumamt"},
		{`"-100"`, `100`, "det_item_fee_sumamt"},
		{`""`, `100`, "det_item_fee_sumamt"},
		{`100.01`, `100`, "应等于数量 × 单价"},
		{`100`, `"100.0000001"`, "pric"},
	} {
		visit := d.outpatient(psn, liji, "310", "11")
		message := d.message("2204", feesInput(visit, psn, "11", p.now, []item{{"SVC990000001", "1", "100", "100"}}))
		if !strings.Contains(message, exact) || !strings.Contains(message, point) {
			t.Fatal(message)
		}
		before := p.counts()
		r := p.send(strings.Replace(strings.Replace(message, exact, `"det_item_fee_sumamt":`+tt.amount+`,`, 1), point, `"pric":`+tt.price+`,`, 1))
		after := p.counts()
		if tt.err != "" {
			if r.Infcode != "-1" || !strings.Contains(r.ErrMsg, tt.err) || after != before {
				t.Errorf("%s at %s: %s, want %s", tt.amount, tt.price, r.raw, tt.err)
			}
			continue
		}
		if r.Infcode != "0" || after.fees != before.fees+1 {
			t.Errorf("%d. %s at %s: %s", i, tt.amount, tt.price, r.raw)
			continue
		}
		if got := fen(t, r.list(t, "result")[0], "det_item_fee_sumamt"); got != 10000 {
			t.Errorf("%s at %s: %s", tt.amount, tt.price, got)
		}
	}
	// A flag as a boolean is yes or no; where there are other codes it could be
	// one of them, and is refused.
	visit := d.outpatient(psn, liji, "310", "11")
	rows := feesInput(visit, psn, "11", p.now, handbook)
	if r := d.ask("2204", strings.ReplaceAll(rows, `"rx_circ_flag":"0"`, `"rx_circ_flag":false`)); !strings.Contains(r.WarnMsg, "“false”按“0”处理") {
		t.Errorf("a flag as a boolean: %s", r.raw)
	}
	bill := outpatientBill(psn, liji, visit, "310", "11", "10000", noAmounts)
	if err := d.refused("2206", strings.Replace(bill, `"acct_used_flag":"1"`, `"acct_used_flag":true`, 1)); !strings.Contains(err, "acct_used_flag（个人账户使用标志）“true”：应为 0 不使用") {
		t.Errorf("a boolean of three codes: %s", err)
	}
}

func TestWhen(t *testing.T) {
	for in, want := range map[string]string{
		"2025-06-01": "2025-06-01", "2025/6/1": "2025-06-01", "20250601": "2025-06-01", "2025-6-1": "2025-06-01",
		"2025-06-01 10:00:00": "2025-06-01 10:00:00", "2025-06-01T10:00": "2025-06-01 10:00:00", "20250601235959": "2025-06-01 23:59:59",
		"20250601235959123": "2025-06-01 23:59:59", "2025-06-01T10:00:00.1234567": "2025-06-01 10:00:00", "2025-06-01T10:00:00,5": "2025-06-01 10:00:00",
		"2025-06-01T10:00:00+08:00": "2025-06-01 10:00:00", "2025-06-01T10:00:00-0800": "2025-06-02 02:00:00", "2025-12-31T16:00:00Z": "2026-01-01 00:00:00",
		"2024-02-29": "2024-02-29",
		"":           "", "2025": "", "2025-06": "", "2025-06/01": "", "2025-13-01": "", "2025-02-29": "", "25-06-01": "", "2025-06-01 24:00:00": "",
		"2025-06-01 10:60:00": "", "2025-06-01 10:00:61": "", "2025-06-01 10": "", "2025-06-01 ": "", "2025-06-01T": "", "2025-06-01x10:00:00": "",
		"2025-06-01 10:00:00.": "", "2025-06-01 10:00:00 +08:00": "", "2025-06-01T10:00:00+24:00": "", "2025-06-01T10:00:00Zx": "", "202506011": "",
		"2025060110000": "", "20250601 10:00:00": "2025-06-01 10:00:00", "２０２５-06-01": "", "1748743200000": "",
	} {
		w, ok := parseWhen(in)
		got := strings.TrimSpace(w.date + " " + w.time)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, ok, want)
		}
	}
}
