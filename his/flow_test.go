package his

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/anji-platform/anji/db"
)

const (
	laoguo = "990100198808080412"
	liji   = "990100195607040023"
)

// handbook is the bill of question 33 of the handbook.
var handbook = []item{
	{"SVC990000001", "1", "2000", "2000"},
	{"DRG990000001", "100", "30", "3000"},
	{"DRG990000002", "50.00", "100.000000", "5000.00"},
}

func wantAmounts(t *testing.T, r reply, want map[string]string) {
	t.Helper()
	info := r.object(t, "setlinfo")
	for name, amount := range want {
		if got := fen(t, info, name).String(); got != amount {
			t.Errorf("%s = %s, want %s", name, got, amount)
		}
	}
}

// TestHandbook settles 老郭's stay: 1101, 2401, 2301, 2303, 2304.
func TestHandbook(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99020000101").signIn()
	d.insured = "990200"
	var g golden
	first, psn := d.person(laoguo, "老郭")
	g.add("1101", first)
	visit := d.admission(psn, laoguo, "310", "21", "2025-06-10 08:30:00")
	g.add("2301", d.fees("2301", visit, psn, "21", handbook))
	g.add("2303", d.ask("2303", stayBill(psn, laoguo, visit, "310", "10000", "2025-06-20", noAmounts)))
	before := d.counts()
	message := d.message("2304", stayBill(psn, laoguo, visit, "310", "10000.00", "2025-06-20",
		`"fulamt_ownpay_amt":0,"overlmt_selfpay":0,"preselfpay_amt":"500.00","inscp_scp_amt":9500`))
	r := d.send(message)
	d.conforms("2304", r)
	g.add("2304", r)
	balanced(t, r)
	wantAmounts(t, r, map[string]string{
		"medfee_sumamt": "10000.00", "preselfpay_amt": "500.00", "inscp_scp_amt": "9500.00", "act_pay_dedc": "1300.00",
		"hifp_pay": "6560.00", "fund_pay_sumamt": "6560.00", "psn_part_amt": "3440.00",
	})
	info := r.object(t, "setlinfo")
	for name, want := range map[string]string{"pool_prop_selfpay": "0.8", "clr_type": "21", "clr_way": "1", "med_type": "21", "psn_type": "11", "clr_optins": "990200"} {
		if got := strings.Trim(string(mustJSON(t, info[name])), `"`); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	if got := info["medins_setl_id"]; !strings.Contains(message, `"msgid":"`+got.(string)+`"`) {
		t.Errorf("medins_setl_id is %s", got)
	}
	after := d.counts()
	if after.settlements != before.settlements+1 || after.entries != before.entries+1 {
		t.Errorf("before %+v, after %+v", before, after)
	}

	// The same message again, later and under another sign-in: the same bytes
	// and nothing new.
	p.now = p.now.Add(90_000_000_000)
	d.signIn()
	after.replies++ // the sign-in's
	again := d.send(strings.Replace(message, `"inf_time":"2025-06-20 10:00:00"`, `"inf_time":"2025-06-20 10:01:30"`, 1))
	if again.raw != r.raw {
		t.Errorf("the repeated reply differs:\n%s\n%s", r.raw, again.raw)
	}
	if got := d.counts(); got != after {
		t.Errorf("the repeated message left %+v, want %+v", got, after)
	}
	if err := d.refused("2304", stayBill(psn, laoguo, visit, "310", "10000.00", "2025-06-20", noAmounts)); !strings.Contains(err, "已经结算") {
		t.Errorf("settled twice under another msgid: %s", err)
	}
	g.check(t, "testdata/laoguo.golden")
	d.verify()
}

// TestOutpatient settles a visit of 李济: 2201, 2203, 2204, 2206, 2207.
func TestOutpatient(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	var g golden
	first, psn := d.person(liji, "李济")
	g.add("1101", first)
	visit := d.outpatient(psn, liji, "310", "11")
	g.add("2204", d.fees("2204", visit, psn, "11", []item{
		{"SVC990000001", "1", "300", "300"},
		{"DRG990000002", "2", "100", "200"},
		{"DRG990000003", "1", "20", "20"},
		{"DRG990000004", "3", "25", "75"},
		{"MEAL99000001", "1", "15.5", "15.5"},
	}))
	// In scope: 300 + 180 + 54 = 534 (限价药品: 60 of 75, a tenth of it first);
	// fund: (534 − 100) × 70 % = 303.80 (retired, level 3).
	want := map[string]string{
		"medfee_sumamt": "610.50", "fulamt_ownpay_amt": "35.50", "overlmt_selfpay": "15.00", "preselfpay_amt": "26.00", "inscp_scp_amt": "534.00",
		"act_pay_dedc": "100.00", "hifp_pay": "303.80", "fund_pay_sumamt": "303.80", "psn_part_amt": "306.70", "acct_pay": "306.70", "psn_cash_pay": "0.00", "balc": "493.30",
	}
	preview := d.ask("2206A", outpatientBill(psn, liji, visit, "310", "11", "610.5", noAmounts))
	g.add("2206", preview)
	balanced(t, preview)
	wantAmounts(t, preview, want)
	wrong := d.refused("2207", outpatientBill(psn, liji, visit, "310", "11", "610.5", `"fulamt_ownpay_amt":35.5,"overlmt_selfpay":15,"preselfpay_amt":25,"inscp_scp_amt":535`))
	if !strings.Contains(wrong, "data.preselfpay_amt（先行自付金额）：请求为 25.00，本平台计算为 26.00") {
		t.Errorf("another division: %s", wrong)
	}
	if wrong := d.refused("2207", outpatientBill(psn, liji, visit, "310", "11", "610", noAmounts)); !strings.Contains(wrong, "medfee_sumamt“610.00”：与已上传未结算明细的合计 610.50 不符") {
		t.Errorf("another total: %s", wrong)
	}
	if wrong := d.refused("2207", outpatientBill(psn, liji, visit, "310", "13", "610.5", noAmounts)); !strings.Contains(wrong, "一次就诊只能有一个医疗类别") {
		t.Errorf("another kind: %s", wrong)
	}
	if wrong := d.refused("2304", stayBill(psn, liji, visit, "310", "610.5", "2025-06-20", noAmounts)); !strings.Contains(wrong, "应以 2206、2207 结算") {
		t.Errorf("as a stay: %s", wrong)
	}
	r := d.ask("2207", outpatientBill(psn, liji, visit, "310", "11", "610.5", `"fulamt_ownpay_amt":35.5,"overlmt_selfpay":15,"preselfpay_amt":26,"inscp_scp_amt":"534"`))
	g.add("2207", r)
	balanced(t, r)
	wantAmounts(t, r, want)
	g.check(t, "testdata/liji.golden")
	d.verify()
}

type counts struct{ settlements, entries, postings, visits, fees, replies int }

func (p *platform) counts() (c counts) {
	p.t.Helper()
	ctx := context.Background()
	err := p.server.DB.View(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM settlement), (SELECT COUNT(*) FROM entry), (SELECT COUNT(*) FROM posting),
			(SELECT COUNT(*) FROM visit), (SELECT COUNT(*) FROM fee), (SELECT COUNT(*) FROM reply)`).
			Scan(&c.settlements, &c.entries, &c.postings, &c.visits, &c.fees, &c.replies)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// verify lets the settlement room prove its books.
func (p *platform) verify() {
	p.t.Helper()
	ctx := context.Background()
	if err := p.server.DB.View(ctx, func(tx *db.Tx) error { return p.server.Settlement.Verify(ctx, tx) }); err != nil {
		p.t.Error(err)
	}
}

// golden collects replies with their changing parts made plain.
type golden struct{ text strings.Builder }

var random = regexp.MustCompile(`"(psn_no|mdtrt_id|setl_id|sign_no)":"[^"]*"`)

func (g *golden) add(name string, r reply) {
	text := random.ReplaceAllString(r.raw, `"$1":"…"`)
	text = strings.NewReplacer(`},{`, "},\n{", `:[{`, ":[\n{", `"output":`, "\n\"output\":").Replace(text)
	g.text.WriteString("== " + name + "\n" + text + "\n\n")
}

func (g *golden) check(t *testing.T, file string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(g.text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(g.text.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(lines)) {
		if got[i] != lines[i] {
			t.Fatalf("%s:%d differs; go test ./his -update rewrites it\n got: %s\nwant: %s", file, i+1, got[i], lines[i])
		}
	}
	if len(got) != len(lines) {
		t.Errorf("%s has %d lines, the replies %d", file, len(lines), len(got))
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
