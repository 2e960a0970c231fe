package ident

import (
	"errors"
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
)

// partOf is the name of the wrong part, "" for no error.
func partOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is not an *Error", err)
	}
	return e.Part.String()
}

func TestCitizenID(t *testing.T) {
	tests := []struct{ in, check, parse string }{
		{"11010519491231002X", "", ""}, // the example of GB 11643
		{"11010519491231002x", "", ""},
		{"440524188001010014", "", ""}, // the other
		{"440524188001010015", "校验码", "校验码"},
		{"990100198503120014", "", ""}, // fixtures of the example region
		{"99010019991231034X", "", ""},
		{"990100198002290314", "", ""},
		{"990100198503120015", "校验码", ""},
		{"990100198102290314", "出生日期", "出生日期"},
		{"990100198513120014", "出生日期", "出生日期"},
		{"990100179912310014", "出生日期", "出生日期"},
		{"160100198503120014", "行政区划", "行政区划"},
		{"830000199201300022", "", ""},
		{"9901001985031200", "长度", "长度"},
		{"", "长度", "长度"},
		{"99010019850312001４", "长度", "长度"},
		{"99010019850312O014", "字符", "字符"},
		{"9901001985031200医", "长度", "长度"},
		{"990100198503120医", "字符", "字符"},
		{"99010019850312001Y", "校验码", "校验码"},
	}
	for _, tt := range tests {
		if got := partOf(t, CheckCitizenID(tt.in)); got != tt.check {
			t.Errorf("CheckCitizenID(%q): wrong part %q, want %q", tt.in, got, tt.check)
		}
		_, err := ParseCitizenID(tt.in)
		if got := partOf(t, err); got != tt.parse {
			t.Errorf("ParseCitizenID(%q): wrong part %q, want %q", tt.in, got, tt.parse)
		}
	}
}

func TestCitizenIDParts(t *testing.T) {
	id, err := ParseCitizenID("11010519491231002x")
	if err != nil {
		t.Fatal(err)
	}
	if id != "11010519491231002X" || id.Region() != "110105" || id.Birth() != civil.New(1949, 12, 31) || !id.Female() {
		t.Errorf("parts of %s: %s %s female=%v", id, id.Region(), id.Birth(), id.Female())
	}
	if m := id.Mask(); m != "110105**********2X" {
		t.Errorf("mask %s", m)
	}
}

// Any one wrong digit and any two neighbours exchanged are found: that is what
// MOD 11-2 promises.
func TestCitizenIDFindsSlips(t *testing.T) {
	const good = "11010519491231002X"
	for i := range 17 {
		for d := byte('0'); d <= '9'; d++ {
			b := []byte(good)
			if b[i] == d {
				continue
			}
			b[i] = d
			if CheckCitizenID(string(b)) == nil {
				t.Errorf("%s passes", b)
			}
		}
	}
	for i := range 16 {
		b := []byte(good)
		b[i], b[i+1] = b[i+1], b[i]
		if string(b) != good && CheckCitizenID(string(b)) == nil {
			t.Errorf("%s passes", b)
		}
	}
}

func TestCreditCode(t *testing.T) {
	tests := []struct{ in, part string }{
		{"91350100M000100Y43", ""}, // the example of GB 32100
		{"91990100MA0000015X", ""}, // of an example region
		{"91350100M000100Y44", "校验码"},
		{"91350100M000100X43", "组织机构代码"},
		{"B1350100M000100Y43", "登记管理部门"},
		{"95350100M000100Y43", "机构类别"},
		{"91160100M000100Y43", "行政区划"},
		{"91350100M000100I43", "字符"},
		{"91350100m000100Y43", "字符"},
		{"91350100M000100Y4", "长度"},
	}
	for _, tt := range tests {
		_, err := ParseCreditCode(tt.in)
		if got := partOf(t, err); got != tt.part {
			t.Errorf("ParseCreditCode(%q): wrong part %q, want %q", tt.in, got, tt.part)
		}
	}
	if c := CreditCode("91350100M000100Y43"); c.Region() != "350100" || c.Mask() != "913501**********43" {
		t.Errorf("%s %s", c.Region(), c.Mask())
	}
}

func TestRegion(t *testing.T) {
	for in, part := range map[string]string{
		"110105": "", "650000": "", "710000": "", "810000": "", "820000": "", "910000": "", "990100": "", "990200": "",
		"160000": "行政区划", "000000": "行政区划", "920000": "行政区划", "55000": "长度", "5500001": "长度", "11010a": "字符", "": "长度",
	} {
		_, err := ParseRegion(in)
		if got := partOf(t, err); got != part {
			t.Errorf("ParseRegion(%q): wrong part %q, want %q", in, got, part)
		}
	}
	r := Region("990123")
	if r.Province() != "990000" || r.City() != "990100" || !r.Within("990100") || !r.Within("990000") || !r.Within("990123") || r.Within("990200") || !r.Example() {
		t.Error("parts of 990123")
	}
}

func TestProvider(t *testing.T) {
	for in, part := range map[string]string{
		"H99010000101": "", "P99010000401": "", "H50000000101": "",
		"X99010000101": "机构种类", "H99010000000": "顺序号", "H16010000101": "行政区划", "H9901000010": "长度", "H9901000010a": "字符",
	} {
		p, err := ParseProvider(in)
		if got := partOf(t, err); got != part {
			t.Errorf("ParseProvider(%q): wrong part %q, want %q", in, got, part)
		}
		if err == nil && (p.Region() != Region(in[1:7]) || p.Pharmacy() != (in[0] == 'P')) {
			t.Errorf("parts of %s", p)
		}
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{"": "", "张安": "**", "12345678": "********", "123456789": "123456*89"} {
		if got := Mask(in); got != want {
			t.Errorf("Mask(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestErrorSaysWhatIsAllowed(t *testing.T) {
	_, err := ParseCitizenID("990100198513120014")
	if got, want := err.Error(), "身份证号的出生日期 “19851312” 不对：应是日历上的一天（年月日八位）"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	if strings.Contains(err.Error(), "990100198513120014") {
		t.Error("the error quotes the whole ID")
	}
}

// FuzzCodes: no input panics, what parses parses again to itself, and no error
// quotes a whole citizen ID.
func FuzzCodes(f *testing.F) {
	for _, s := range []string{"11010519491231002X", "990100198503120014", "91350100M000100Y43", "990100", "H99010000101", "医", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseCitizenID(s); err == nil {
			if again, err := ParseCitizenID(string(id)); err != nil || again != id {
				t.Errorf("%q parses to %q, which does not parse to itself", s, id)
			}
			if !id.Birth().Valid() || len(id.Mask()) != 18 {
				t.Errorf("parts of %q", id)
			}
		} else if len(s) == 18 && strings.Contains(err.Error(), s) {
			t.Errorf("the error for %q quotes it whole", s)
		}
		if err := CheckCitizenID(s); err == nil {
			if _, err := ParseCitizenID(s); err != nil {
				t.Errorf("%q is checked but not parsed: %v", s, err)
			}
		}
		if c, err := ParseCreditCode(s); err == nil && string(c) != s {
			t.Errorf("credit code %q became %q", s, c)
		}
		if r, err := ParseRegion(s); err == nil && (!r.Within(r.City()) || !r.City().Within(r.Province())) {
			t.Errorf("region %q is not within its province", r)
		}
		if p, err := ParseProvider(s); err == nil && len(p.Region()) != 6 {
			t.Errorf("provider %q", p)
		}
	})
}
