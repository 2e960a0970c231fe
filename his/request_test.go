package his

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// reader is a server that can read messages; it has no database.
func reader(testing.TB) *Server { return New(Config{}) }

const envelopeText = `"msgid":"H99010000101202506010900000001","mdtrtarea_admvs":"990100","insuplc_admdvs":"990100",` +
	`"recer_sys_code":"ANJI","dev_no":"null","dev_safe_info":"","cainfo":"null","signtype":"","infver":"V1.0","opter_type":"1",` +
	`"opter":"0001","opter_name":"测试员","inf_time":"2025-06-01 09:00:00","fixmedins_code":"H99010000101","fixmedins_name":"安济示例市人民医院","sign_no":"null"`

// envelope is a whole message around input.
func envelope(infno, input string) string {
	return `{"infno":"` + infno + `",` + envelopeText + `,"input":` + input + `}`
}

// testdata/read.txt holds messages and what the reader says of them: the
// err_msg, or the warnings and the records. A block begins with "== name",
// a line with a transaction number stands for the usual envelope around the
// input below it, and the expectation follows "--".
func TestRead(t *testing.T) {
	s := reader(t)
	const file = "testdata/read.txt"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, block := range strings.Split(string(data), "== ") {
		if i == 0 {
			out.WriteString(block)
			continue
		}
		name, rest, _ := strings.Cut(block, "\n")
		in, want, _ := strings.Cut(rest, "\n--\n")
		got := readText(t, s, in)
		if strings.TrimSpace(want) != got {
			if !*update {
				t.Errorf("%s:\n got: %s\nwant: %s", name, got, strings.TrimSpace(want))
			}
		}
		out.WriteString("== " + name + "\n" + in + "\n--\n" + got + "\n\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimSuffix(out.String(), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readText(t *testing.T, s *Server, in string) string {
	message := in
	if number, input, ok := strings.Cut(in, "\n"); ok && !strings.HasPrefix(in, "{") {
		message = envelope(number, input)
	}
	r, err := s.read([]byte(message), "")
	if err != nil {
		var ref *refusal
		if !errors.As(err, &ref) {
			t.Errorf("%v is no refusal", err)
		}
		if n := utf8.RuneCountInString(err.Error()); n > maxMessage {
			t.Errorf("message of %d characters: %s", n, err)
		}
		return "error: " + err.Error()
	}
	var b strings.Builder
	for _, w := range r.warnings {
		b.WriteString("warning: " + w + "\n")
	}
	for _, n := range r.spec.Input {
		for _, rec := range r.input[n.Name] {
			b.WriteString(n.Name)
			for i, f := range n.Fields {
				if rec.texts[i] != "" {
					b.WriteString(" " + f.Name + "=" + rec.texts[i])
				}
			}
			b.WriteString("\n")
		}
	}
	return strings.TrimSpace(b.String())
}

func TestReadEnvelopeForms(t *testing.T) {
	s := reader(t)
	const input = `{"signIn":{"opter_no":"0001","mac":"00-00","ip":"10.0.0.1"}}`
	good := envelope("9001", input)
	tests := []struct{ name, message, address, err, warning string }{
		{"as the specification says", good, "", "", ""},
		{"with the number in the address", good, "9001", "", ""},
		{"number in the address only", strings.Replace(good, `"infno":"9001",`, "", 1), "9001", "", ""},
		{"no number", strings.Replace(good, `"infno":"9001",`, "", 1), "", "缺少 infno", ""},
		{"two numbers", good, "9002", "infno“9001”与地址中的交易编号“9002”不一致", ""},
		{"suffix A in the address", envelope("2203", `{"mdtrtinfo":{}}`), "2203A", "缺少 mdtrtinfo.mdtrt_id", ""},
		{"unknown number", envelope("9999", input), "", "交易编号 infno“9999”不存在", ""},
		{"byte order mark", "\uFEFF" + good, "", "", "BOM"},
		{"short msgid", strings.Replace(good, "H99010000101202506010900000001", "7", 1), "", "", "msgid 为 1 位，规范为 30 位"},
		{"long msgid", strings.Replace(good, "H99010000101202506010900000001", strings.Repeat("7", 65), 1), "", "msgid（发送方报文ID）", ""},
		{"no msgid", strings.Replace(good, "H99010000101202506010900000001", "null", 1), "", "缺少 msgid（发送方报文ID）", ""},
		{"region of no province", strings.Replace(good, `"mdtrtarea_admvs":"990100"`, `"mdtrtarea_admvs":"160000"`, 1), "", "mdtrtarea_admvs（就医地医保区划）“160000”：应为六位医保区划", ""},
		{"number for text", strings.Replace(good, `"mdtrtarea_admvs":"990100"`, `"mdtrtarea_admvs":990100`, 1), "", "", ""},
		{"opter_type as two digits", strings.Replace(good, `"opter_type":"1"`, `"opter_type":"01"`, 1), "", "", "“01”按“1”处理"},
		{"bad opter_type", strings.Replace(good, `"opter_type":"1"`, `"opter_type":"7"`, 1), "", "opter_type（经办人类别）“7”：应为 1 经办人、2 自助终端、3 移动终端", ""},
		{"bad time", strings.Replace(good, "2025-06-01 09:00:00", "2025-06-31 09:00:00", 1), "", "inf_time（交易时间）“2025-06-31 09:00:00”：应为时间 yyyy-MM-dd HH:mm:ss", ""},
		{"input as text", envelope("9001", `"{\"signIn\":{\"opter_no\":\"0001\",\"mac\":\"0\",\"ip\":\"1\"}}"`), "", "", "input 是文字"},
		{"input as bad text", envelope("9001", `"{\"signIn\":"`), "", "input 是文字，其中的报文不完整", ""},
		{"input as list", envelope("9001", `[1]`), "", "input 应为对象", ""},
		{"no input", envelope("9001", `null`), "", "缺少 input（交易输入）", ""},
		{"node in lower case", envelope("9001", strings.ToLower(input)), "", "", ""},
		{"too many rows", envelope("2204", `{"feedetail":[`+strings.Repeat("{},", maxRows)+`{}]}`), "", "节点 feedetail 有 5001 行，一次最多 5000 行，请分批上传", ""},
		{"encrypted", strings.Replace(good, `"signtype":""`, `"signtype":"","enc_type":"SM4"`, 1), "", "本机构未开通报文加密", ""},
		{"unknown fields", strings.Replace(good, `"signtype":""`, `"signtype":"","x":{"y":[1]}`, 1), "", "", "接口没有的字段未采用：x"},
		{"a misspelt node", envelope("9001", `{"signIn":{"opter_no":"0001","mac":"0","ip":"1"},"signInn":{}}`), "", "", "接口没有的字段未采用：input.signInn"},
		{"names in another case", strings.Replace(envelope("9001", `{"SIGNIN":{"OPTER_NO":"0001","mac":"0","ip":"1"}}`), `"msgid"`, `"MsgId"`, 1), "", "", "字段名 MsgId 按 msgid 处理；字段名 OPTER_NO 按 opter_no 处理"},
		{"a name in two cases", envelope("9001", `{"signIn":{"opter_no":"0001","OPTER_NO":"0002","mac":"0","ip":"1"}}`), "", "signIn.opter_no（操作员编号）以不同大小写出现了多次", ""},
		{"a node in two cases", envelope("9001", `{"signIn":{"opter_no":"0001","mac":"0","ip":"1"},"SignIn":{}}`), "", "节点 signIn 以不同大小写出现了多次", ""},
		{"infno in two cases", strings.Replace(good, `"infno":`, `"Infno":"9002","infno":`, 1), "", "infno（交易编号）以不同大小写出现了多次", ""},
		{"input in two cases", strings.Replace(good, `"input":`, `"Input":{},"input":`, 1), "", "input（交易输入）以不同大小写出现了多次", ""},
		{"zeros at the end", good + "\x00\x00\n\x00", "", "", "报文末尾有空字符"},
	}
	for _, tt := range tests {
		r, err := s.read([]byte(tt.message), tt.address)
		switch {
		case tt.err == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.err)
		case tt.warning == "" && err == nil && len(r.warnings) > 0:
			t.Errorf("%s: warnings %q", tt.name, r.warnings)
		case tt.warning != "" && !strings.Contains(strings.Join(r.warnings, "；"), tt.warning):
			t.Errorf("%s: warnings %q, want %q", tt.name, r.warnings, tt.warning)
		}
	}
}

// What was asked decides the digest, not how or when it was sent.
func TestDigest(t *testing.T) {
	s := reader(t)
	digestOf := func(message string) [32]byte {
		t.Helper()
		r, err := s.read([]byte(message), "")
		if err != nil {
			t.Fatal(err)
		}
		return r.digest
	}
	good := envelope("9001", `{"signIn":{"opter_no":"0001","mac":"00-00","ip":"10.0.0.1"}}`)
	first := digestOf(good)
	for _, same := range []string{
		good + "\n",
		strings.Replace(good, `"sign_no":"null"`, `"sign_no":"S1"`, 1),
		strings.Replace(good, "09:00:00", "09:00:05", 1),
		envelope("9001", `{"signIn":{"ip":"10.0.0.1","mac":"00-00","opter_no":"0001","x":null}}`),
	} {
		if digestOf(same) != first {
			t.Errorf("%s: another digest", same)
		}
	}
	for _, other := range []string{
		envelope("9001", `{"signIn":{"opter_no":"0002","mac":"00-00","ip":"10.0.0.1"}}`),
		strings.Replace(good, `"fixmedins_code":"H99010000101"`, `"fixmedins_code":"H99010000102"`, 1),
		strings.Replace(good, `"mdtrtarea_admvs":"990100"`, `"mdtrtarea_admvs":"990200"`, 1),
	} {
		if digestOf(other) == first {
			t.Errorf("%s: the same digest", other)
		}
	}
}

// FuzzRead: no message panics; every refusal is within the length of err_msg.
func FuzzRead(f *testing.F) {
	s := reader(f)
	f.Add([]byte(envelope("9001", `{"signIn":{"opter_no":"0001","mac":"00-00","ip":"10.0.0.1"}}`)), "9001")
	f.Add([]byte(envelope("2204", `{"feedetail":[{"feedetl_sn":"1","cnt":1e2,"pric":"x","fee_ocur_time":"2025-06-01"}]}`)), "")
	f.Add([]byte(envelope("2203A", `{"mdtrtinfo":[{"med_type":11}],"diseinfo":{"diag_type":"01"}}`)), "")
	f.Fuzz(func(t *testing.T, body []byte, address string) {
		r, err := s.read(body, address)
		if err != nil {
			if n := utf8.RuneCountInString(err.Error()); n > maxMessage || !utf8.ValidString(err.Error()) {
				t.Errorf("message of %d characters: %q", n, err)
			}
			return
		}
		if r.spec == nil || len(r.warnings) > maxFaults {
			t.Errorf("read %q: %d warnings", body, len(r.warnings))
		}
	})
}

// FuzzField: every text passes the check of every type of field without
// panicking, and a plain form is plain.
func FuzzField(f *testing.F) {
	spec := loadSpec(f)
	var fields []*Field
	seen := map[string]bool{}
	for _, tr := range spec.Transactions {
		for _, n := range append(tr.Input, tr.Output...) {
			for _, fd := range n.Fields {
				key := strings.Join([]string{fd.form(), dictionaryName(fd)}, " ")
				if !seen[key] {
					seen[key] = true
					fields = append(fields, fd)
				}
			}
		}
	}
	for _, s := range []string{"1", "01", "2025-06-01", "2025-06-01 10:00:00", "1e9", "张安", "\x00", "-12.345", strings.Repeat("9", 40)} {
		f.Add(s)
	}
	rec := &record{node: &Node{Name: "data"}}
	f.Fuzz(func(t *testing.T, s string) {
		for _, fd := range fields {
			var c checker
			out, ok := c.scalar(fd, rec, s)
			if ok != (c.count == 0) {
				t.Fatalf("%s %q: ok is %v with %d faults", fd.Name, s, ok, c.count)
			}
			if !ok {
				continue
			}
			var again checker
			if twice, ok := again.scalar(fd, rec, out); !ok || twice != out {
				t.Errorf("%s %q is read as %q, which is read as %q", fd.Name, s, out, twice)
			}
		}
	})
}

func dictionaryName(f *Field) string {
	if f.Dictionary == nil {
		return ""
	}
	return f.Dictionary.Name
}
