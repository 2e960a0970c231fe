package policy

import (
	"strings"
	"testing"
)

func TestSpecialDiseases(t *testing.T) {
	s := shipped(t)
	d, ok, err := s.SpecialDiseases("990100", 20250601)
	if err != nil || !ok || d.WorkingDays != 5 || d.RenewDays != 60 || d.Hospitals != 2 || !d.Anywhere {
		t.Fatalf("%+v, %t, %v", d, ok, err)
	}
	for code, want := range map[string]string{"M03900": "慢性病", "慢性肾衰竭血液净化": "特殊病"} {
		if x, ok := d.Find(code); !ok || x.Kind() != want || len(x.Papers) == 0 || len(x.Sources) == 0 {
			t.Errorf("%s: %+v, %t", code, x, ok)
		}
	}
	// A003-1: the list changes with the day; its codes are not known.
	if old, ok, err := s.SpecialDiseases("500000", 20250531); err != nil || !ok || len(old.Diseases) != 0 || old.Unknown == "" {
		t.Errorf("the old list: %+v, %t, %v", old, ok, err)
	}
	now, _, err := s.SpecialDiseases("500000", 20250601)
	if err != nil {
		t.Fatal(err)
	}
	if x, ok := now.Find("抑郁症"); !ok || x.Kind() != "特殊病（二类）" || x.Code != "抑郁症" || x.Unknown == "" {
		t.Errorf("%+v, %t", x, ok)
	}
	if _, ok, err := s.SpecialDiseases("110000", 20250601); ok || err != nil {
		t.Errorf("a package that says nothing: %t, %v", ok, err)
	}
	if _, _, err := s.SpecialDiseases("123456", 20250601); err == nil {
		t.Error("a region without a package")
	}
}

// TestSpecialDiseasesDiffer: what changes in the list of diseases, or in who may
// file, is told.
func TestSpecialDiseasesDiffer(t *testing.T) {
	s := shipped(t)
	a := s.Versions("990100")[0]
	for _, x := range []struct {
		edit []string
		want string
	}{
		{[]string{"papers: [诊断证明, 检查检验报告]\n      months: 24", "papers: [诊断证明]\n      months: 24"}, "「糖尿病」材料：诊断证明、检查检验报告 → 诊断证明"},
		{[]string{"papers: [诊断证明, 手术记录]", "papers: [诊断证明, 手术记录]\n      automatic: true"}, "「器官移植抗排异治疗」审核：经办机构审核 → 材料齐全即自动认定"},
		{[]string{"hospitals: 2", "hospitals: 3"}, "「门诊慢特病认定」定点医疗机构：2 家以内，选定后只在选定的机构按慢特病待遇结算 → 3 家以内，选定后只在选定的机构按慢特病待遇结算"},
		{[]string{"months: 6", "months: 12"}, "「异地就医备案」临时外出就医人员：可以签承诺书；齐全即自动办结；有效 6 个月 → 可以签承诺书；齐全即自动办结；有效 12 个月"},
	} {
		got := Compare(a, storeOf(t, s, edited(t, s, x.edit...)).Versions("990100")[0])
		if len(got) != 1 || got[0].String() != x.want {
			t.Errorf("%v, want %s", got, x.want)
		}
	}
}

func TestSpecialDiseasesFaults(t *testing.T) {
	s := shipped(t)
	text := string(s.Versions("990100")[0].text)
	for old, x := range map[string]struct{ new, want string }{
		"code: M01600\n": {"code: M03900\n", "is the disease of hypertension again"},
		"papers: [诊断证明, 病历资料]\n      automatic": {"automatic", "asks for no papers"},
		"kind: chronic\n": {"kind: other\n", "allowed: special, chronic"},
		"hospitals: 2\n":  {"hospitals: 0\n", "allowed: 1, 2"},
	} {
		changed := strings.Replace(text, old, x.new, 1)
		if changed == text {
			t.Fatalf("%q is not in the package", old)
		}
		if _, err := LoadFile("990100/draft.yaml", []byte(changed), s); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.new, err, x.want)
		}
	}
	i, j := strings.Index(text, "special_diseases:"), strings.Index(text, "claims:")
	bare := text[:i] + "special_diseases:\n  source: {document: 示例办法, article: 第二十四条}\n\n" + text[j:]
	if _, err := LoadFile("990100/draft.yaml", []byte(bare), s); err == nil || !strings.Contains(err.Error(), "neither a list nor unknown") {
		t.Errorf("an empty section: %v", err)
	}
}
