package his

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/exchange"
	"github.com/anji-platform/anji/money"
)

const wangping = "990100199001010119"

func (p *platform) update(f func(context.Context, *db.Tx) error) {
	p.t.Helper()
	ctx := context.Background()
	if err := p.server.DB.Update(ctx, func(tx *db.Tx) error { return f(ctx, tx) }); err != nil {
		p.t.Fatal(err)
	}
}

// upload puts a file where 9101 would.
func (d *desk) upload(data []byte) (number string) {
	d.t.Helper()
	d.update(func(ctx context.Context, tx *db.Tx) error {
		f, err := d.server.files.Put(ctx, tx, exchange.File{Owner: d.provider, Name: "明细.zip", At: d.now, Expires: civil.Of(d.now).AddDays(30)}, bytes.NewReader(data), "test")
		number = f.Number
		return err
	})
	return number
}

func (d *desk) download(number string) (text string) {
	d.t.Helper()
	d.update(func(ctx context.Context, tx *db.Tx) error {
		f, err := d.server.files.Get(ctx, tx, number, d.provider, civil.Of(d.now))
		if err != nil {
			return err
		}
		data, err := io.ReadAll(d.server.files.Open(ctx, f, func(_ context.Context, f func(*db.Tx) error) error { return f(tx) }))
		if err != nil {
			return err
		}
		r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil || len(r.File) != 1 {
			d.t.Fatalf("%v, %+v", err, r)
		}
		part, err := r.File[0].Open()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(part)
		text = string(b)
		return err
	})
	return text
}

func zipped(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A paid is a settlement as the provider's own books have it.
type paid struct {
	id, visit, person, msgid   string
	total, fund, account, cash money.Fen
	inScope                    money.Fen
}

func (x paid) row() string {
	return strings.Join([]string{x.id, x.visit, x.person, x.total.String(), x.fund.String(), x.account.String(), "0"}, "\t")
}

// visitOf settles an outpatient visit of one drug.
func (d *desk) visitOf(citizenID, name, insutype, yuan string) paid {
	d.t.Helper()
	_, psn := d.person(citizenID, name)
	visit := d.outpatient(psn, citizenID, insutype, "11")
	d.fees("2204", visit, psn, "11", []item{{"DRG990000002", "1", yuan, yuan}})
	info := d.ask("2207", outpatientBill(psn, citizenID, visit, insutype, "11", yuan, noAmounts)).object(d.t, "setlinfo")
	return paid{info["setl_id"].(string), visit, psn, info["medins_setl_id"].(string), fen(d.t, info, "medfee_sumamt"), fen(d.t, info, "fund_pay_sumamt"),
		fen(d.t, info, "acct_pay"), fen(d.t, info, "psn_cash_pay"), fen(d.t, info, "inscp_scp_amt")}
}

func sumOf(all ...paid) (s paid) {
	for _, x := range all {
		s.total, s.fund, s.account, s.cash, s.inScope = s.total+x.total, s.fund+x.fund, s.account+x.account, s.cash+x.cash, s.inScope+x.inScope
	}
	return s
}

func totalsInput(insutype, clrType, agency, from, to string, count int, s paid, more string) string {
	return fmt.Sprintf(`{"data":{"insutype":%q,"clr_type":%q,"setl_optins":%q,"stmt_begndate":%q,"stmt_enddate":%q,"medfee_sumamt":%s,"fund_pay_sumamt":"%s","acct_pay":%s,"fixmedins_setl_cnt":%d%s}}`,
		insutype, clrType, agency, from, to, s.total, s.fund, s.account, count, more)
}

// TestReconcileTotals is 3201.
func TestReconcileTotals(t *testing.T) {
	d := newPlatform(t).desk("H99010000101").signIn()
	a, b := d.visitOf(liji, "李济", "310", "300"), d.visitOf(liji, "李济", "310", "1000")
	resident := d.visitOf(wangping, "王平", "390", "500")
	const from, to = "2025-06-01", "2025-06-30"
	off := sumOf(a, b)
	off.fund += 10
	off.total -= 100000
	for _, x := range []struct {
		name, input, result, words string
	}{
		{"employees", totalsInput("310", "11", "990100", from, to, 2, sumOf(a, b), ""), "0", "平：结算 2 笔，医疗费总额 1300.00"},
		{"residents", totalsInput("390", "11", "990100", "2025-06-20", "2025-06-20", 1, resident, `,"refd_setl_flag":"0"`), "0", "平：结算 1 笔"},
		{"another kind", totalsInput("310", "21", "990100", from, to, 0, paid{}, ""), "0", "平：结算 0 笔"},
		{"reversals", totalsInput("310", "11", "990100", from, to, 0, paid{}, `,"refd_setl_flag":"1"`), "0", "平：结算 0 笔"},
		{"another period", totalsInput("310", "11", "990100", "2025-06-21", to, 0, paid{}, ""), "0", "平：结算 0 笔"},
		{"every figure", totalsInput("310", "11", "990100", from, to, 3, off, ""), "1",
			fmt.Sprintf("医疗费总额：机构 300.00，经办 1300.00，差 -1000.00；基金支付总额：机构 %s，经办 %s，差 0.10；结算笔数：机构 3，经办 2，差 1", off.fund, a.fund+b.fund)},
		{"settlements only", totalsInput("310", "11", "990100", from, to, 1, sumOf(a, b), `,"refd_setl_flag":"0"`), "1", "结算笔数：机构 1，经办 2，差 -1；只计非退费结算"},
	} {
		out := d.ask("3201", x.input).object(t, "stmtinfo")
		if out["stmt_rslt"] != x.result || !strings.HasPrefix(out["stmt_rslt_dscr"].(string), x.words) || out["setl_optins"] != "990100" {
			t.Errorf("%s: %v, want %s %s", x.name, out, x.result, x.words)
		}
	}
	for _, x := range []struct{ input, words string }{
		{totalsInput("310", "12", "990100", from, to, 0, paid{}, ""), "clr_type“12 门诊挂号”：本平台的结算没有这一类别，应为结算返回的 11、13、14、21、28、41、99940"},
		{totalsInput("510", "11", "990100", from, to, 0, paid{}, ""), "insutype“510”"},
		{totalsInput("310", "11", "500000", from, to, 0, paid{}, ""), "setl_optins“500000”：本机构的结算都由 990100 清算"},
		{totalsInput("310", "11", "990100", to, from, 0, paid{}, ""), "stmt_enddate“2025-06-01”早于"},
		{totalsInput("310", "11", "990100", "2024-06-30", to, 0, paid{}, ""), "一次对账不超过一年"},
		{totalsInput("310", "11", "990100", from, to, 0, paid{}, `,"refd_setl_flag":"2"`), "refd_setl_flag“2”"},
		{totalsInput("310", "11", "990100", from, "2025-06-31", 0, paid{}, ""), "stmt_enddate"},
	} {
		if err := d.refused("3201", x.input); !strings.Contains(err, x.words) {
			t.Errorf("%s, want %s", err, x.words)
		}
	}
}

func detailsInput(number string, count int, s paid, more string) string {
	return fmt.Sprintf(`{"data":{"setl_optins":"990100","file_qury_no":%q,"stmt_begndate":"2025-06-01","stmt_enddate":"2025-06-30","medfee_sumamt":%s,"fund_pay_sumamt":%s,"cash_payamt":%s,"fixmedins_setl_cnt":%d%s}}`,
		number, s.total, s.fund, s.cash, count, more)
}

// TestReconcileDetails is 3202: a list with every kind of difference.
func TestReconcileDetails(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	other := p.desk("H99010000201").signIn()
	elsewhere := other.visitOf(liji, "李济", "310", "77")
	p.now = p.now.AddDate(0, 0, -30)
	d.signIn()
	early := d.visitOf(liji, "李济", "310", "88")
	p.now = p.now.AddDate(0, 0, 30)
	d.signIn()
	var all []paid
	for i := range 7 {
		all = append(all, d.visitOf(liji, "李济", "310", fmt.Sprint(100+10*i)))
	}
	sum := sumOf(all...)

	// All agree: with a byte order mark, CRLF, an empty line and null.
	text := "\uFEFF"
	for i, x := range all {
		if i == 2 {
			x.visit, x.person = "null", "NULL"
		}
		text += x.row() + "\r\n"
	}
	clean := d.ask("3202", detailsInput(d.upload(zipped(t, "detail/明细.TXT", text+"\r\n", "说明.doc", "x")), 7, sum, `,"clr_type":"11","refd_setl_flag":"0"`))
	if clean.WarnMsg != "明细 7 笔：平 7，不平 0；只计非退费结算" {
		t.Errorf("all agree: %s", clean.WarnMsg)
	}

	amount := all[1]
	amount.total++
	visit := all[2]
	visit.visit = early.visit
	marked := strings.TrimSuffix(all[3].row(), "0") + "1"
	unknown := paid{id: "S0", visit: "V0", person: "P0", total: 100}
	back := paid{id: "S1", total: -100}
	rows := []string{all[0].row(), amount.row(), visit.row(), marked, unknown.row(), back.row(), elsewhere.row(), early.row(), all[0].row(), all[4].row(), all[5].row()}
	number := d.upload(zipped(t, "a.txt", strings.Join(rows, "\n")))
	message := d.message("3202", detailsInput(number, 8, sum, ""))
	r := d.send(message)
	d.conforms("3202", r)
	info := r.object(t, "fileinfo")
	if info["filename"] != "3202_20250601_20250630.zip" || info["dld_endtime"] != "2025-07-20 23:59:59" {
		t.Errorf("%v", info)
	}
	if want := "明细 12 笔：平 3，不平 9；其中经办机构无此结算 1、机构已退费、经办机构无此撤销 1、机构明细未列 1、金额不符 1、就诊不符 1、退费标志不符 1、重复 1、非本机构结算 1、不在对账期间 1；结算笔数：机构 8，经办 7，差 1"; r.WarnMsg != want {
		t.Errorf("%s\nwant %s", r.WarnMsg, want)
	}
	out := func(x paid, msgid, result, mark, memo string) string {
		return strings.Join([]string{x.person, x.visit, x.id, msgid, result, mark, memo, x.total.String(), x.fund.String(), x.account.String()}, "\t")
	}
	back.visit, back.person = "null", "null"
	want := []string{
		out(all[0], all[0].msgid, "0", "0", "null"),
		out(amount, all[1].msgid, "1", "0", fmt.Sprintf("医疗费总额：机构 %s，经办 %s，差 0.01", amount.total, all[1].total)),
		out(visit, all[2].msgid, "1", "0", "就诊不符"),
		out(all[3], all[3].msgid, "1", "1", "退费标志不符"),
		out(unknown, "null", "1", "0", "经办机构无此结算"),
		out(back, "null", "1", "0", "机构已退费、经办机构无此撤销"),
		out(elsewhere, "null", "1", "0", "非本机构结算"),
		out(early, "null", "1", "0", "结算时间 2025-05-21 10:00:00 不在对账期间"),
		out(all[0], all[0].msgid, "1", "0", "与第 1 行重复"),
		out(all[4], all[4].msgid, "0", "0", "null"),
		out(all[5], all[5].msgid, "0", "0", "null"),
		out(all[6], all[6].msgid, "1", "0", "机构明细未列，结算时间 2025-06-20 10:00:00"),
	}
	got := strings.Split(strings.TrimSuffix(d.download(info["file_qury_no"].(string)), "\n"), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("row %d of\n%s\nwant\n%s", i+1, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if again := d.send(message); again.raw != r.raw {
		t.Errorf("the repeated reply differs: %s", again.raw)
	}

	// Bad files are named, and leave nothing.
	before := d.counts()
	for _, x := range []struct {
		name, words string
		data        []byte
	}{
		{"no archive", "应为 ZIP 压缩包", []byte(text)},
		{"no text", "没有 TXT 文件", zipped(t, "a.csv", text)},
		{"two texts", "多个 TXT 文件", zipped(t, "a.txt", text, "b.txt", text)},
		{"too few columns", "第 2 行有 6 列，应为以 TAB 分隔的 7 列", zipped(t, "a.txt", all[0].row()+"\n"+strings.TrimSuffix(all[1].row(), "\t0"))},
		{"not a number", "文件 第 2 行 fund_pay_sumamt（基金支付总额，第 5 列）“12,3”：应为数值", zipped(t, "a.txt", all[0].row()+"\nS\tV\tP\t1\t12,3\t0\t0")},
		{"no settlement", "缺少 文件 第 1 行 setl_id（结算ID，第 1 列）", zipped(t, "a.txt", "null\tV\tP\t1\t1\t0\t0")},
		{"another mark", "refd_setl_flag（退费结算标志，第 7 列）“9”", zipped(t, "a.txt", "S\tV\tP\t1\t1\t0\t9")},
		{"GBK", "第 1 行不是 UTF-8 编码", zipped(t, "a.txt", "S\tV\t\xb2\xe2\t1\t1\t0\t0")},
		{"too many lines", "超过 100000 行", zipped(t, "a.txt", strings.Repeat("S\tV\tP\t1\t1\t0\t0\n", maxStatementRows+1))},
		{"too many bytes", "解压后超过 67108864 字节", zipped(t, "a.txt", strings.Repeat("\n", maxStatement+1))},
		{"a long line", "超过 16384 字节", zipped(t, "a.txt", strings.Repeat("x", 17000))},
	} {
		if err := d.refused("3202", detailsInput(d.upload(x.data), 7, sum, "")); !strings.Contains(err, x.words) {
			t.Errorf("%s: %s, want %s", x.name, err, x.words)
		}
	}
	if err := d.refused("3202", detailsInput("F9999", 7, sum, "")); !strings.Contains(err, "没有这个文件") {
		t.Errorf("an unknown file: %s", err)
	}
	if got := d.counts(); got != before {
		t.Errorf("refused requests left %+v, want %+v", got, before)
	}
	d.verify()
}

func applyInput(clrType, month, from, to string, visits int, s paid, more string) string {
	return fmt.Sprintf(`{"data":{"clr_type":%q,"setlym":%q,"begndate":%q,"enddate":%q,"psntime":%d,"medfee_sumamt":%s,"med_sumfee":%s,"fund_appy_sum":%s,"cash_payamt":%s,"acct_pay":%s%s}}`,
		clrType, month, from, to, visits, s.total, s.inScope, s.fund, s.cash, s.account, more)
}

// TestApplyForClearing is 3203.
func TestApplyForClearing(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	a, b := d.visitOf(liji, "李济", "310", "300"), d.visitOf(wangping, "王平", "390", "1000")
	sum := sumOf(a, b)
	const from, to = "2025-06-01", "2025-06-30"
	if err := d.refused("3203", applyInput("11", "202506", from, to, 2, sum, "")); !strings.Contains(err, "清算年月 setlym“2025-06”：这个月尚未结束，2025-07-01 起方可申请清算") {
		t.Errorf("too early: %s", err)
	}
	p.now = time.Date(2025, 7, 1, 8, 0, 0, 0, zone)
	d.signIn()
	off := sum
	off.cash += 5
	off.inScope -= 100
	for _, x := range []struct{ input, words string }{
		{applyInput("11", "202506", from, "2025-06-29", 2, sum, ""), "应为清算年月 2025-06 的整月，2025-06-01 至 2025-06-30"},
		{applyInput("11", "202513", from, to, 2, sum, ""), "setlym“202513”：应为六位年月"},
		{applyInput("11", "20256", from, to, 2, sum, ""), "setlym“20256”：应为六位年月"},
		{applyInput("11", "202506", from, to, 3, off, ""), fmt.Sprintf("申报与结算不符：人次：机构 3，经办 2，差 1；医保认可费用总额：机构 %s，经办 %s，差 -1.00；现金支付：机构 %s，经办 %s，差 0.05", off.inScope, sum.inScope, off.cash, sum.cash)},
		{applyInput("12", "202506", from, to, 2, sum, ""), "clr_type“12 门诊挂号”"},
		{applyInput("11", "202506", from, to, 2, sum, `,"clr_way":"40"`), "clr_way“40 Drg支付方式”：本平台的结算均为 1 按项目"},
		{applyInput("21", "202506", from, to, 0, paid{}, ""), "没有这一类别的结算"},
	} {
		if err := d.refused("3203", x.input); !strings.Contains(err, x.words) {
			t.Errorf("%s, want %s", err, x.words)
		}
	}
	message := d.message("3203", applyInput("11", "202506", from, to, 2, sum, `,"clr_way":"1"`))
	r := d.send(message)
	d.conforms("3203", r)
	id := r.object(t, "result")["clr_appy_evt_id"].(string)
	if again := d.send(message); again.raw != r.raw {
		t.Errorf("the repeated reply differs: %s", again.raw)
	}
	if err := d.refused("3203", applyInput("11", "202506", from, to, 2, sum, "")); !strings.Contains(err, "清算类别 clr_type“普通门诊”：2025-06 已申请清算，申请 "+id) {
		t.Errorf("twice: %s", err)
	}
	p.update(func(ctx context.Context, tx *db.Tx) error {
		all, err := clearing.Applications(ctx, tx, 202506, "")
		if err != nil {
			return err
		}
		if len(all) != 1 || all[0].ID != id || all[0].State != clearing.Filed || all[0].Total.Due() != sum.fund+sum.account || all[0].Filed.By != "H99010000101 0001" {
			t.Errorf("filed: %+v", all)
		}
		return nil
	})
	for state := range map[clearing.State]bool{clearing.Withdrawn: true, clearing.Filed: true, clearing.Approved: true, clearing.Paid: true} {
		if _, ok := p.server.spec.Dictionary("clr_stas").Label(fmt.Sprint(uint8(state))); !ok {
			t.Errorf("state %d is not in the dictionary", state)
		}
	}
	d.verify()
}

// FuzzStatement wants a list read or refused with its line, and what was read
// to come back from its own text.
func FuzzStatement(f *testing.F) {
	for _, s := range []string{"", "S\tV\tP\t1\t1\t0\t0", "\uFEFFS\tV\tP\t1.5\t-1\t0\tnull\r\n\r\nS\t\t\t0\t1e2\t0\t1\t\t", "S\tV\tP\t1", "\xff", "S\tV\tP\t99999999999999\t1\t0\t0", "\x00\tV\tP\t1\t1\t0\t0"} {
		f.Add([]byte(s))
	}
	columns := loadSpec(f).Transaction("3202").InFile
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, _, err := parseStatement(columns, bytes.NewReader(data))
		if err != nil {
			if !strings.Contains(err.Error(), "行") && !strings.Contains(err.Error(), "处不对") {
				t.Errorf("%q: no line in %v", data, err)
			}
			return
		}
		var text strings.Builder
		for _, l := range lines {
			mark := reversalFlag(l.Reversal)
			if l.Unmarked {
				mark = "null"
			}
			fmt.Fprintf(&text, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Settlement, l.Visit, l.Person, l.Total, l.Fund, l.Account, mark)
		}
		again, warnings, err := parseStatement(columns, strings.NewReader(text.String()))
		if err != nil || len(warnings) > 0 || !slices.Equal(lines, again) {
			t.Errorf("%q reads as %+v, and that as %+v, %v %v", data, lines, again, warnings, err)
		}
	})
}
