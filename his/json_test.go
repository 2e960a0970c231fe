package his

import (
	"bytes"
	"strings"
	"testing"
)

func TestParseJSONRefuses(t *testing.T) {
	deep := strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1)
	tests := []struct{ name, in, want string }{
		{"nothing", "", "报文为空"},
		{"spaces", " \n", "报文为空"},
		{"GBK", "{\"a\":\"\xd5\xc5\xb0\xb2\"}", "不是 UTF-8"},
		{"twice", `{"infno":"1101","infno":"2201"}`, "字段 infno 在同一对象中重复出现"},
		{"twice inside", `{"input":{"data":{"psn_no":"1","psn_no":"2"}}}`, "字段 psn_no 在同一对象中重复出现"},
		{"escaped twice", `{"a":1,"\u0061":2}`, "字段 a 在同一对象中重复出现"},
		{"trailing", `{"a":1} {"b":2}`, "第 7 字节之后还有多余内容"},
		{"trailing comma", `{"a":1,}`, "不是合法的 JSON：第 1 行，第 7 字节处"},
		{"second line", "{\n\"a\":tru}", "第 2 行"},
		{"cut off", `{"a":[1,2`, "报文不完整"},
		{"cut in text", `{"a":"b`, "报文不完整"},
		{"list", `[1]`, "应为 JSON 对象"},
		{"lone surrogate", `{"a":"\ud800"}`, "不是合法的 JSON"},
		{"not a number", `{"a":01}`, "不是合法的 JSON"},
		{"NaN", `{"a":NaN}`, "不是合法的 JSON"},
		{"deep", deep, "嵌套超过 32 层"},
		{"many", `{"a":[` + strings.Repeat("0,", maxValues) + `0]}`, "数据项超过"},
	}
	for _, tt := range tests {
		_, err := parseJSON([]byte(tt.in))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	ok := strings.Repeat(`{"a":`, maxDepth) + "1" + strings.Repeat("}", maxDepth)
	if _, err := parseJSON([]byte(ok)); err != nil {
		t.Errorf("depth %d: %v", maxDepth, err)
	}
}

func canonical(t *testing.T, s string) string {
	t.Helper()
	v, err := parseJSON([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return string(appendCanonical(nil, v))
}

func TestCanonical(t *testing.T) {
	a := canonical(t, `{"b":[1,{"y":"2","x":null}],"a":"é","c":"null","d":true}`)
	b := canonical(t, ` { "d" : true, "a":"\u00e9", "b" : [ "1" , {"y":2} ] }`)
	if a != b {
		t.Errorf("%s\n%s\nare the same request", a, b)
	}
	for _, other := range []string{`{"a":"1","b":"2"}`, `{"a":"1,b:2"}`, `{"a":["1","b","2"]}`, `{"a":{"1":"b"}}`, `{"a":["1"],"b":["2"]}`, `{"a":["1","2"],"b":[]}`} {
		if got := canonical(t, `{"a":"1"}`); got == canonical(t, other) {
			t.Errorf("%s has the canonical form of another request", other)
		}
	}
}

func TestPlainNumber(t *testing.T) {
	for in, want := range map[string]string{
		"12.34": "12.34", "12.3400": "12.34", "-0.50": "-0.5", "+5": "5", "0": "0", "00012": "00012", "-0": "0", "-0.00": "0",
		"1E+2": "100", "1.5e1": "15", "0E-8": "0", "12345e-4": "1.2345", "1e-3": "0.001", "1.": "1", ".5": "0.5", "0.10": "0.1", "1.20e1": "12",
		"": "", "-": "", "1e": "", "1e99": "", "1e+": "", "1.2.3": "", "0x10": "", "1,000": "", "１": "", "abc": "", ".": "", "NaN": "", "1e0041": "",
	} {
		got, ok := plainNumber(in)
		if got != want || ok != (want != "") {
			t.Errorf("plainNumber(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
}

// FuzzPlainNumber: what is read is read again to itself, and is bounded.
func FuzzPlainNumber(f *testing.F) {
	for _, s := range []string{"1E+2", "0E-8", "-12.340", "1e40", "00.00", "9e-40"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := plainNumber(s)
		if !ok {
			return
		}
		if again, ok := plainNumber(p); len(p) <= 64 && (!ok || again != p) {
			t.Errorf("plainNumber(%q) = %q, which reads as %q", s, p, again)
		}
		if len(p) > 64+2*maxExponent {
			t.Errorf("plainNumber(%q) has %d characters", s, len(p))
		}
	})
}

// FuzzParseJSON: no input panics, and what is read writes back to the same.
func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x",null,true,{"b":{}}]}`, `{"a":1,"a":2}`, `{`, "\xff", `{"a":1e400}`, "{\"a\":\"\\u0000\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := parseJSON(body)
		if err != nil {
			return
		}
		out := appendJSON(nil, v)
		again, err := parseJSON(out)
		if err != nil {
			t.Fatalf("%q is written back as %q: %v", body, out, err)
		}
		if !bytes.Equal(appendJSON(nil, again), out) || !bytes.Equal(appendCanonical(nil, again), appendCanonical(nil, v)) {
			t.Errorf("%q does not come back the same: %q", body, out)
		}
	})
}
