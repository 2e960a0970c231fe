package his

import (
	"slices"
	"strings"
	"testing"
)

func loadSpec(t testing.TB) *Spec {
	t.Helper()
	s, err := LoadSpec()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSpecSizes(t *testing.T) {
	s := loadSpec(t)
	fields := len(s.Envelope.Fields)
	for _, tr := range s.Transactions {
		for _, n := range append(tr.Input, tr.Output...) {
			fields += len(n.Fields)
		}
	}
	codes := 0
	for _, d := range s.Dictionaries {
		codes += len(d.Codes)
	}
	if len(s.Transactions) < 84 || fields < 2000 || codes < 600 || len(s.Envelope.Fields) != 20 {
		t.Errorf("%d transactions, %d fields, %d codes, %d fields of the envelope: fewer than the interface has", len(s.Transactions), fields, codes, len(s.Envelope.Fields))
	}
}

// Every name is there, every number is in order.
func TestSpecWhole(t *testing.T) {
	s := loadSpec(t)
	last := ""
	for _, tr := range s.Transactions {
		if tr.Number <= last || tr.Name == "" {
			t.Errorf("transaction %s %q after %s", tr.Number, tr.Name, last)
		}
		last = tr.Number
		if len(tr.Input) == 0 {
			t.Errorf("%s has no input", tr.Number)
		}
		for _, n := range append(tr.Input, tr.Output...) {
			for _, f := range n.Fields {
				if f.Name == "" || f.Title == "" || strings.TrimSpace(f.Name) != f.Name {
					t.Errorf("%s %s: field %q %q", tr.Number, n.Name, f.Name, f.Title)
				}
			}
		}
	}
}

// What Hunan's text alone has (H) is stated at most, and never required: a
// client of another province does not know of it. That holds of every field
// there is, of messages and of files. v says that a client was seen to have the
// name, not in what.
func TestSpecOfOneProvince(t *testing.T) {
	s := loadSpec(t)
	alone, stated := 0, 0
	check := func(number string, n *Node) {
		for _, f := range n.Fields {
			if strings.TrimSuffix(f.Sources, "v") != "H" {
				continue
			}
			alone++
			if f.Stated {
				stated++
			}
			if f.Required {
				t.Errorf("%s %s.%s is required and known to %q only", number, n.Name, f.Name, f.Sources)
			}
			var c checker
			if c.row(n, &value{kind: '{'}, 0); slices.ContainsFunc(c.faults, func(x fault) bool { return strings.HasPrefix(x.text, f.Name+"（") }) {
				t.Errorf("%s %s.%s is asked for", number, n.Name, f.Name)
			}
		}
	}
	check("*", s.Envelope)
	for _, tr := range s.Transactions {
		for _, n := range slices.Concat(tr.Input, tr.Output, []*Node{tr.InFile, tr.OutFile}) {
			if n != nil {
				check(tr.Number, n)
			}
		}
	}
	if alone < 150 || stated < 50 {
		t.Errorf("%d fields of one province, %d of them stated: fewer than there are", alone, stated)
	}
}

func TestSpecRequired(t *testing.T) {
	s := loadSpec(t)
	tests := []struct {
		number, node, field string
		required            bool
	}{
		{"1101", "data", "certno", true},
		{"2201", "data", "psn_no", true},
		{"2201", "data", "psn_type", false}, // Hunan only
		{"2201", "data", "certno", false},   // Hunan and Jiangsu, not the others
		{"2203", "mdtrtinfo", "dise_codg", true},
		{"2203A", "mdtrtinfo", "dise_codg", false},
		{"2207A", "data", "acct_used_flag", true},
		{"2304", "data", "insuplc_admdvs", false},
		{"9002", "signOut", "sign_no", true},
	}
	for _, tt := range tests {
		n := find(s.Transaction(tt.number).Input, tt.node)
		if f := n.Fields[n.byName[tt.field]]; f.Required != tt.required {
			t.Errorf("%s %s.%s required = %v", tt.number, tt.node, tt.field, f.Required)
		}
	}
}

func TestDictionaries(t *testing.T) {
	s := loadSpec(t)
	for _, tt := range []struct{ dictionary, code, label string }{
		{"med_type", "21", "普通住院"},
		{"med_type", "2101", "普通住院"},
		{"fund_pay_type", "310201", "职工基本医疗保险个人账户基金（共济）"},
		{"psn_cert_type", "01", "居民身份证（户口簿）"},
		{"opter_type", "3", "移动终端"},
		{"clr_type", "99940", "生育住院"},
	} {
		if l, ok := s.Dictionary(tt.dictionary).Label(tt.code); !ok || l != tt.label {
			t.Errorf("%s %s = %q, %v; want %q", tt.dictionary, tt.code, l, ok, tt.label)
		}
	}
}

// Every code that terms.go speaks of is in its dictionary.
func TestTermsAreCodes(t *testing.T) {
	s := loadSpec(t)
	has := func(dictionary, code string) {
		if _, ok := s.Dictionary(dictionary).Label(code); !ok {
			t.Errorf("dictionary %s has no code %q", dictionary, code)
		}
	}
	for code := range visitKinds {
		has("med_type", code)
	}
	for _, code := range clearingTypes {
		has("clr_type", code)
	}
	has("clr_way", clearingWay)
	for _, code := range insuredStates {
		has("psn_insu_stas", code)
	}
	for _, code := range identities {
		has("psn_idet_type", code)
	}
	has("psn_idet_type", otherIdentity)
	for _, code := range itemLevels {
		has("chrgitm_lv", code)
	}
	for _, code := range listTypes {
		has("list_type", code)
	}
	for _, code := range ceilingLevels {
		has("hilist_lmtpric_type", code)
	}
	for _, code := range firstPayClasses {
		has("selfpay_prop_psn_type", code)
	}
	for _, code := range providerTypes {
		has("fixmedins_type", code)
	}
	for _, code := range withoutGrade {
		has("hosp_lv", code)
	}
	for _, code := range staffTypes {
		has("medins_psn_type", code)
	}
	for name, code := range constants {
		if s.Dictionary(name) != nil {
			has(name, code)
		}
	}
	for _, code := range []string{ownAccountFund, familyAccountFund, hospitalFund} {
		has("fund_pay_type", code)
	}
	for _, age := range []int{0, 17, 18, 59, 60} {
		has("psn_type", personType(1, false, age))
	}
	has("psn_type", personType(0, false, 40))
	has("psn_type", personType(0, true, 70))
	has("gend", sexCode(true))
	has("gend", sexCode(false))
	for _, sch := range []string{"310", "390"} {
		has("insutype", sch)
		if got, err := scheme(sch); err != nil || insutype(got) != sch {
			t.Errorf("insutype %s does not come back: %v", sch, err)
		}
	}
}
