package contribution_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

// withLongTermCare is the example region with a part for long-term care in the
// residents' contribution, as in A003-5: students less.
func withLongTermCare(t *testing.T) *policy.Store {
	t.Helper()
	all := fstest.MapFS{}
	for _, name := range []string{"000000/2011-07-01.yaml", "990100/2025-01-01.yaml"} {
		data, err := fs.ReadFile(policies.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if strings.HasPrefix(name, "9901") {
			for old, with := range map[string]string{
				"funds:\n": "funds:\n  care: {title: 长期护理保险基金, category: other, code: \"410100\", source: {document: 示例办法, article: 第一条}}\n",
				"  resident_mended:\n": "  resident_care:\n    title: 长期护理保险个人缴费\n    kind: contribution\n    payer: person\n    fund: care\n    match: {scheme: resident}\n    period: year\n" +
					"    amount: \"=student ? 10元 : 20元\"\n    source: {document: 示例办法, article: 第三条}\n  resident_mended:\n",
			} {
				if strings.Count(text, old) != 1 {
					t.Fatalf("%q stands %d times", old, strings.Count(text, old))
				}
				text = strings.Replace(text, old, with, 1)
			}
		}
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	store, err := policy.Load(all)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestLongTermCare is A003-5: one payment, and each fund gets its part.
func TestLongTermCare(t *testing.T) {
	w := open(t, 20251010)
	w.service = contribution.New(withLongTermCare(t), w.register, func() time.Time { return w.now })
	grown, student := w.someone(19900101), w.someone(20150101)
	w.registers(grown, contribution.Resident)
	w.registers(student, contribution.Student)
	a, b := w.bill(contribution.Request{Person: grown, Scheme: policy.Resident, Actor: "test"}), w.bill(contribution.Request{Person: student, Scheme: policy.Resident, Actor: "test"})
	if a.Due-b.Due != 10_00 && a.Due <= b.Due {
		t.Errorf("%s and %s", a.Due, b.Due)
	}
	pool := w.held(fund.FundAccount(region, "pooled_resident"))
	w.pay(w.notice(a, "1"))
	w.pay(w.notice(b, "2"))
	if care := w.held(fund.FundAccount(region, "care")); care != 30_00 {
		t.Errorf("long-term care got %s", care)
	}
	if bank := w.held(fund.Bank(region)); bank != -(a.Due + b.Due) {
		t.Errorf("the bank %s of %s", bank, a.Due+b.Due)
	}
	if got := w.held(fund.FundAccount(region, "pooled_resident")) - pool; got <= a.Due+b.Due-30_00 {
		t.Errorf("the residents' fund got %s, government's part included", got)
	}
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return w.service.Verify(w.ctx, tx) }))
}
