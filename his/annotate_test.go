package his

import (
	"strings"
	"testing"
)

func draw(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.Repeat(" ", l.Depth))
		if l.Name != "" {
			b.WriteString(l.Name + ": ")
		}
		b.WriteString(l.Text + l.After)
		if l.Title != "" || l.Label != "" {
			b.WriteString(" # " + l.Title + " " + l.Label)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestAnnotate(t *testing.T) {
	spec, err := LoadSpec()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		number, body string
		reply        bool
		want, rest   string
	}{
		{"2206", `{"infno":"2206A","input":{"data":{"med_type":"11","medfee_sumamt":1.50,"own":[]}}}`, false, `{
 infno: "2206A", # 交易编号 
 input: { # 交易输入 
  data: {
   med_type: "11", # 医疗类别 普通门诊
   medfee_sumamt: 1.50, # 医疗费总额 
   own: []
  }
 }
}
`, ""},
		{"2204", `{"input":{"feedetail":[{"cnt":"2"},{"cnt":null}]}}`, false, `{
 input: { # 交易输入 
  feedetail: [ # 费用明细列表 
   {
    cnt: "2" # 数量 
   },
   {
    cnt: null # 数量 
   }
  ]
 }
}
`, ""},
		{"1301", `{"infcode":0,"output":{"file_qury_no":"1"}}`, true, `{
 infcode: 0, # 交易状态码 
 output: { # 交易输出 
  file_qury_no: "1" # 文件查询号 
 }
}
`, ""},
		{"", `{"infno":"9001","x`, false, "{\n infno: \"9001\", # 交易编号 \n", `"x`},
		{"2206", `<html>`, true, "", "<html>"},
		{"2206", ``, true, "", ""},
		{"2206", "{} \xff", true, "{}\n", "\uFFFD"},
	} {
		lines, rest := spec.Annotate(c.number, []byte(c.body), c.reply)
		if got := draw(lines); got != c.want || rest != c.rest {
			t.Errorf("%s\n%s rest %q\nwant\n%s", c.body, got, rest, c.want)
		}
	}
}

func FuzzAnnotate(f *testing.F) {
	spec, err := LoadSpec()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("2204", []byte(`{"input":{"feedetail":[{"cnt":"2"},[],{}]},"a":"\u0000"}`), false)
	f.Add("2207", []byte(`{"output":{"setldetail":[{}]`), true)
	f.Fuzz(func(t *testing.T, number string, body []byte, reply bool) {
		lines, rest := spec.Annotate(number, body, reply)
		if len(lines) == 0 && rest == "" && strings.TrimSpace(strings.TrimPrefix(string(body), "\uFEFF")) != "" {
			t.Errorf("%q is not shown at all", body)
		}
	})
}
