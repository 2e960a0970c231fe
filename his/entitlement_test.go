package his

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

func entitlementInput(psn, insutype, provider, medType string) string {
	return fmt.Sprintf(`{"data":{"psn_no":%q,"insutype":%q,"fixmedins_code":%q,"med_type":%q,"begntime":"2025-06-20 09:00:00","endtime":"","dise_codg":"","dise_name":""}}`, psn, insutype, provider, medType)
}

// TestEntitlements: 2001 gives each fund once, due or with the reason.
func TestEntitlements(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	const hospital = "H99010000101"
	tests := []struct {
		id, name, insutype, provider, medType string
		want                                  string // fund flag … of each row, in order
		span, reason                          string // of the first row
	}{
		{zhangan, "张安", "310", hospital, "11", "310100 1, 390200 0, 610100 0", "2025-01-01/", ""},
		{zhangan, "张安", "310", hospital, "21", "310100 1, 390200 1, 610100 0", "2025-01-01/", ""},
		{zhangan, "张安", "310", hospital, "14", "310100 0, 390200 0, 610100 0", "2025-01-01/", "没有认定"},
		{zhangan, "张安", "390", hospital, "11", "390100 0, 390200 0, 610100 0", "2025-06-20/2025-06-20", "该人员这一天参加的是职工医保"},
		{zhangan, "张安", "310", "H99010000501", "11", "310100 0, 390200 0, 610100 0", "2025-01-01/", "非定点医药机构"},
		{"990100196611110236", "周和", "310", hospital, "14", "310100 1, 390200 1, 610100 0", "2025-01-01/", ""},
		{"990100197108150227", "孙敏", "390", hospital, "21", "390100 1, 390200 1, 610100 1", "2025-01-01/", ""},
		{"990100196206300327", "郑缺", "310", hospital, "21", "310100 0, 390200 0, 610100 0", "2025-02-20/", "已停保或欠费"},
		{"990100199304180334", "冯新", "390", hospital, "21", "390100 0, 390200 0, 610100 0", "2025-08-19/", "待遇等待期"},
		{"99010019991231034X", "陈别", "390", hospital, "11", "390100 0, 390200 0, 610100 0", "2025-01-01/", "重复参保，应以职工医保结算"},
		{"990100194501010358", "褚故", "390", hospital, "21", "390100 0, 390200 0, 610100 0", "2025-03-12/", "已死亡"},
		{laoguo, "老郭", "310", "H99020000101", "21", "310100 1", "2025-01-01/", ""},
	}
	for _, tt := range tests {
		_, psn := d.person(tt.id, tt.name)
		rows := d.ask("2001", entitlementInput(psn, tt.insutype, tt.provider, tt.medType)).list(t, "trtinfo")
		var got []string
		for _, row := range rows {
			got = append(got, fmt.Sprint(row["fund_pay_type"], " ", row["trt_enjymnt_flag"]))
			if due := row["trt_enjymnt_flag"] == "1"; due != (row["trt_chk_rslt"] == "") || row["psn_no"] != psn || row["trt_chk_type"] != "01" {
				t.Errorf("%s %s: %v", tt.name, tt.medType, row)
			}
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s %s: %v, want %s", tt.name, tt.medType, got, tt.want)
			continue
		}
		if span := fmt.Sprint(rows[0]["begndate"], "/", rows[0]["enddate"]); span != tt.span {
			t.Errorf("%s %s: %s, want %s", tt.name, tt.medType, span, tt.span)
		}
		if reason := fmt.Sprint(rows[0]["trt_chk_rslt"]); !strings.Contains(reason, tt.reason) {
			t.Errorf("%s %s: %s, want %s", tt.name, tt.medType, reason, tt.reason)
		}
	}
	_, psn := d.person(zhangan, "张安")
	for _, tt := range []struct{ name, input, want string }{
		{"unknown person", entitlementInput("P0", "310", hospital, "11"), "人员编号 psn_no“P0”不存在"},
		{"unknown provider", entitlementInput(psn, "310", "H00000000000", "11"), "机构编号 fixmedins_code“H00000000000”：没有登记"},
		{"a scheme of no care", entitlementInput(psn, "510", hospital, "11"), "险种类型 insutype“510”"},
		{"a benefit nobody states", entitlementInput(psn, "310", hospital, "71"), "没有对应的待遇"},
		{"before any package", with(entitlementInput(psn, "310", hospital, "11"), "begntime", "2024-06-20 09:00:00"), "在这一天没有政策包"},
		{"ends before it begins", with(entitlementInput(psn, "310", hospital, "11"), "endtime", "2025-06-19 09:00:00"), "早于开始时间"},
		{"no day", with(entitlementInput(psn, "310", hospital, "11"), "begntime", "2025-06-31"), "begntime（开始时间）“2025-06-31”"},
	} {
		if err := d.refused("2001", tt.input); !strings.Contains(err, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, err, tt.want)
		}
	}
	d.insured = "990200"
	if err := d.refused("2001", entitlementInput(psn, "310", hospital, "11")); !strings.Contains(err, "与该人员的参保地 990100 不一致") {
		t.Errorf("another region: %s", err)
	}
}

// A limit of the year that settlements used up shows in 2001, and the sums
// that settlements moved in 5206.
func TestSumsAndEntitlements(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(wangping, "王平")
	sums := func(ym string) map[string]string {
		t.Helper()
		out := map[string]string{}
		for _, row := range d.ask("5206", fmt.Sprintf(`{"data":{"psn_no":%q,"cum_ym":%q}}`, psn, ym)).list(t, "cuminfo") {
			out[fmt.Sprint(row["cum_type_code"])] = fmt.Sprint(row["insutype"], " ", row["year"], " ", row["cum_ym"], " ", row["cum"], " ", row["cum_type_name"])
		}
		return out
	}
	if got := sums(""); len(got) != 0 {
		t.Errorf("before any care: %v", got)
	}
	flag := func() string {
		t.Helper()
		row := d.ask("2001", entitlementInput(psn, "390", "H99010000101", "11")).list(t, "trtinfo")[0]
		return fmt.Sprint(row["trt_enjymnt_flag"], row["trt_chk_rslt"])
	}
	if got := flag(); got != "1" {
		t.Errorf("before any care: %s", got)
	}
	visit := d.outpatient(psn, wangping, "390", "11")
	d.fees("2204", visit, psn, "11", []item{{"SVC990000001", "1", "1200", "1200"}})
	// 1200 × 50 %, of which the year's limit leaves 500.
	if got := funded(t, d.ask("2207", outpatientBill(psn, wangping, visit, "390", "11", "1200", noAmounts))); got != "500.00" {
		t.Errorf("the fund pays %s", got)
	}
	if got := flag(); got != "0「门诊统筹支付」的年度限额已经用完" {
		t.Errorf("with the limit used up: %s", got)
	}
	want := map[string]string{
		"in_scope":   "390 2025 202506 1200.00 政策范围内费用累计",
		"basic_fund": "390 2025 202506 500.00 统筹基金支付累计",
		"outp_fund":  "390 2025 202506 500.00 门诊统筹支付累计",
	}
	for _, ym := range []string{"", "202501", "202506", "202512"} {
		if got := sums(ym); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: %v, want %v", ym, got, want)
		}
	}
	for _, ym := range []string{"202412", "202601"} {
		if got := sums(ym); len(got) != 0 {
			t.Errorf("%s: %v", ym, got)
		}
	}
	for _, ym := range []string{"2025", "202513", "20256", "202500", "二〇二五六月", "000001"} {
		if err := d.refused("5206", fmt.Sprintf(`{"data":{"psn_no":%q,"cum_ym":%q}}`, psn, ym)); !strings.Contains(err, "应为年月 yyyyMM，如 202506") {
			t.Errorf("%s: %s", ym, err)
		}
	}
	// The next year has sums of its own; last year's stay.
	p.now = p.now.AddDate(1, 0, 0)
	d.signNo = ""
	d.signIn()
	if got := sums(""); len(got) != 0 {
		t.Errorf("a year later: %v", got)
	}
	if got := sums("202506"); got["in_scope"] != "390 2025 202512 1200.00 政策范围内费用累计" {
		t.Errorf("a year later of 2025: %v", got)
	}
	p.verify()
}

// A medicine that was taken back is not told of.
func TestMedicinesTakenBack(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	const id = "990100196611110236"
	_, psn := d.person(id, "周和")
	visit := d.outpatient(psn, id, "310", "11")
	d.ask("2203A", fmt.Sprintf(`{"mdtrtinfo":{"mdtrt_id":%q,"psn_no":%q,"med_type":"14","begntime":"2025-06-20 09:00:00","dise_codg":"M03900","dise_name":"高血压"}}`, visit, psn))
	d.fees("2204", visit, psn, "14", []item{{"DRG990000001", "3", "30", "90"}, {"DRG990000002", "2", "10.5", "21"}, {"DRG990000003", "1", "20", "20"}, {"DRG00000000X", "1", "7", "7"}, {"SVC990000001", "1", "5", "5"}})
	// The interface takes back lines of stays only; the room takes back any.
	ctx := context.Background()
	if err := p.server.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := p.server.Settlement.AddFees(ctx, tx, visit, d.provider, []settlement.Fee{
			{Serial: "6", Batch: "B1", Original: "1", Item: "DRG990000001", ProviderItem: "L1", Time: p.now, Quantity: -10_000, Price: 30_000_000, Amount: -3000},
			{Serial: "7", Batch: "B1", Original: "2", Item: "DRG990000002", ProviderItem: "L2", Time: p.now, Quantity: -20_000, Price: 10_500_000, Amount: -2100},
		}, "test")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ask := func() []map[string]any {
		return d.ask("5205", fmt.Sprintf(`{"data":{"psn_no":%q,"begntime":"2025-06-20 00:00:00","endtime":"2025-06-20 00:00:00"}}`, psn)).list(t, "feedetail")
	}
	if rows := ask(); len(rows) != 0 {
		t.Errorf("before it was settled: %v", rows)
	}
	d.ask("2207", outpatientBill(psn, id, visit, "310", "14", "92", noAmounts))
	var got []string
	for _, row := range ask() {
		got = append(got, fmt.Sprint(row["feedetl_sn"], " ", row["med_list_codg"], " ", row["cnt"], " × ", row["pric"], " ", row["chrgitm_lv"]))
	}
	if want := "1 DRG990000001 2 × 30 01; 3 DRG990000003 1 × 20 03"; strings.Join(got, "; ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, "; "), want)
	}
}

func TestUnitPrice(t *testing.T) {
	for p, want := range map[int64]string{0: "0", 1: "0.000001", 30_000_000: "30", 10_500_000: "10.5", 1_000_001: "1.000001", 100: "0.0001"} {
		if got := unitPrice(p); got != want {
			t.Errorf("%d: %s, want %s", p, got, want)
		}
	}
}

// Every accumulator of every package has a code that fits and is its own.
func TestSumCodes(t *testing.T) {
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range store.Regions() {
		for _, p := range store.Versions(region) {
			seen := map[string]string{}
			for _, name := range p.Accumulators() {
				code := sumCode(name)
				if other := seen[code]; other != "" || len(code) > 10 || code == "" {
					t.Errorf("%s: %s and %s have the code %q", p.File, name, other, code)
				}
				seen[code] = name
			}
		}
	}
}

// What 2001 says of the funds is what a settlement of the same visit does.
func TestEntitlementsAgreeWithSettlement(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	ctx := context.Background()
	for _, x := range []struct{ id, name, insutype string }{
		{zhangan, "张安", "310"}, {liji, "李济", "310"}, {wangping, "王平", "390"}, {"990100196206300327", "郑缺", "310"}, {"990100199304180334", "冯新", "390"},
	} {
		_, psn := d.person(x.id, x.name)
		rows := d.ask("2001", entitlementInput(psn, x.insutype, d.provider, "11")).list(t, "trtinfo")
		due := false
		for _, row := range rows {
			due = due || row["trt_enjymnt_flag"] == "1"
		}
		visit := d.outpatient(psn, x.id, x.insutype, "11")
		d.fees("2204", visit, psn, "11", []item{{"SVC990000001", "1", "500", "500"}})
		if got := funded(t, d.ask("2207", outpatientBill(psn, x.id, visit, x.insutype, "11", "500", noAmounts))); (got != "0.00") != due {
			t.Errorf("%s: due %t, but the funds pay %s", x.name, due, got)
		}
	}
	// A spell that ends is told with its end.
	_, psn := d.person(liji, "李济")
	if err := p.server.DB.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Exec(ctx, `UPDATE insurance SET to_day = 20250630 WHERE person = ?`, psn); err != nil {
			return err
		}
		return enrolment.AddInsurance(ctx, tx, psn, enrolment.Insurance{Scheme: policy.Employee, From: 20250701, Status: policy.Suspended})
	}); err != nil {
		t.Fatal(err)
	}
	if row := d.ask("2001", entitlementInput(psn, "310", d.provider, "11")).list(t, "trtinfo")[0]; row["enddate"] != "2025-06-30" || row["trt_enjymnt_flag"] != "1" {
		t.Errorf("a spell that ends: %v", row)
	}
}
