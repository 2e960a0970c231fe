package policy

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/anji-platform/anji/civil"
)

// TestDirect is question 30 of the handbook: where outpatient care in another
// province is settled at once, and from when.
func TestDirect(t *testing.T) {
	s := shipped(t)
	for _, x := range []struct {
		home, care  string
		visit       VisitKind
		day         civil.Date
		known, open bool
	}{
		{"210100", "110000", Outpatient, 20191201, true, false},
		{"210100", "110000", Inpatient, 20191201, true, true},
		{"320500", "310000", Outpatient, 20180831, true, false},
		{"320500", "310000", Outpatient, 20180901, true, true},
		{"130100", "110105", Outpatient, 20190601, true, true},
		{"500000", "540100", Outpatient, 20191130, true, false},
		{"500000", "540100", Outpatient, 20191201, true, true},
		{"500000", "110000", Outpatient, 20200101, false, false},
		{"320500", "320100", Inpatient, 20250101, false, false},
		{"320500", "310000", Inpatient, 20100101, false, false},
	} {
		a, err := s.Direct(x.home, x.care, x.visit, x.day)
		if err != nil || a.Known != x.known || a.Open != x.open || a.Why == "" || x.known != (len(a.Sources) > 0) {
			t.Errorf("%s to %s on %s: %+v, %v", x.home, x.care, x.day, a, err)
		}
	}
	if _, err := s.Direct("12", "110000", Inpatient, 20190101); err == nil {
		t.Error("a region that is none")
	}
	text := string(s.Versions(National)[0].text)
	for old, x := range map[string]struct{ new, want string }{
		`among: ["110000", "120000", "130000"]`: {`among: ["110000"]`, "names one province"},
		`"120000", "130000"]`:                   {`"120100", "130000"]`, "six digits that end in 0000"},
		"visits: [inpatient]":                   {"visits: [pharmacy]", "allowed: outpatient, inpatient"},
	} {
		i := strings.Index(text, "direct_settlement:")
		changed := text[:i] + strings.Replace(text[i:], old, x.new, 1)
		if changed == text {
			t.Fatalf("%q is not in the package", old)
		}
		if _, err := LoadFile("000000/draft.yaml", []byte(changed), s); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.new, err, x.want)
		}
	}
	b, err := Load(fstest.MapFS{"000000/2011-07-01.yaml": {Data: []byte(strings.Replace(text, "from: 2019-06-01", "from: 2019-06-20", 1))}})
	if err != nil {
		t.Fatal(err)
	}
	if got := Compare(s.Versions(National)[0], b.Versions(National)[0]); len(got) != 1 || got[0].String() != "「京津冀门诊」开通：2019-06-01 起 → 2019-06-20 起" {
		t.Errorf("%v", got)
	}
}
