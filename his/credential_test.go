package his

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

// phoneOf activates a person's credential, and shows its code.
func (p *platform) phoneOf(psn string) (show func() string) {
	p.t.Helper()
	p.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := p.credentials.ActivateAtCounter(ctx, tx, psn, "135790", credential.Device{ID: "phone"}, "test")
		return err
	})
	return func() (code string) {
		p.t.Helper()
		p.update(func(ctx context.Context, tx *db.Tx) error {
			shown, err := p.credentials.Show(ctx, tx, psn, "phone", "")
			code = shown.Code
			return err
		})
		return code
	}
}

func codeInput(code, business string) string {
	return fmt.Sprintf(`{"InData":{"orgId":"1","ecQrCode":%q,"businessType":%q,"operatorId":"0001","operatorName":"测试员","officeId":"A03","officeName":"内科"}}`, code, business)
}

// TestScanAndPay is rows 23, 24 and 26: a scanned code tells who it is; visits at
// a hospital and purchases at a pharmacy are settled by it; the card gives the
// same; a code that is old, used or another's gives nothing.
func TestScanAndPay(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000201").signIn()
	_, psn := d.person(liji, "李济")
	show := p.phoneOf(psn)

	message := d.message("6101", codeInput(show(), "01301"))
	first := d.send(message)
	who := first.object(t, "OutData")
	if who["userName"] != "李济" || who["idNo"] != liji || who["idType"] != "01" || who["insuOrg"] != "990100" || who["birthday"] != "1956-07-04" || who["gender"] != "2" {
		t.Errorf("%v", who)
	}
	d.conforms("6101", first)
	if again := d.send(message); again.raw != first.raw {
		t.Errorf("a lost reply, asked for again, is another: %s", again.raw)
	}
	token := who["ecToken"].(string)
	found := d.ask("1101", personInput("01", token, liji, "李济"))
	if found.object(t, "baseinfo")["psn_no"] != psn {
		t.Errorf("found %s", found.raw)
	}

	settle := func(d *desk, kind, number, medType string) reply {
		t.Helper()
		by := func(s string) string {
			return strings.ReplaceAll(s, `"mdtrt_cert_type":"02","mdtrt_cert_no":"`+liji+`"`, fmt.Sprintf(`"mdtrt_cert_type":%q,"mdtrt_cert_no":%q`, kind, number))
		}
		r := d.ask("2201", by(fmt.Sprintf(`{"data":{"psn_no":%q,"insutype":"310","begntime":%q,"mdtrt_cert_type":"02","mdtrt_cert_no":%q,"ipt_otp_no":"M1","atddr_no":"D1","dr_name":"示例医师","dept_code":"A03","dept_name":"内科","caty":"A03"}}`,
			psn, d.now.Format(clockLayout), liji)))
		visit := r.object(t, "data")["mdtrt_id"].(string)
		d.ask("2203A", fmt.Sprintf(`{"mdtrtinfo":{"mdtrt_id":%q,"psn_no":%q,"med_type":%q,"begntime":%q,"dise_codg":"","dise_name":""},`+
			`"diseinfo":[{"diag_type":"1","diag_srt_no":"1","diag_code":"J06.9","diag_name":"急性上呼吸道感染","diag_dept":"内科","dise_dor_no":"D1","dise_dor_name":"示例医师","diag_time":%q,"vali_flag":"1"}]}`,
			visit, psn, medType, d.now.Format(clockLayout), d.now.Format(clockLayout)))
		d.fees("2204", visit, psn, medType, []item{{"DRG990000001", "10", "30", "300"}})
		r = d.ask("2207", by(outpatientBill(psn, liji, visit, "310", medType, "300", noAmounts)))
		balanced(t, r)
		return r
	}
	amount := func(r reply, name string) any { return r.object(t, "setlinfo")[name] }
	byCode := settle(d, "01", token, "11")
	d.ask("2208", (&patient{id: psn}).ref(amount(byCode, "mdtrt_id").(string), amount(byCode, "setl_id").(string)))
	byCard := settle(d, "03", "C"+liji, "11")
	for _, name := range []string{"fund_pay_sumamt", "acct_pay", "psn_cash_pay", "psn_part_amt"} {
		if amount(byCode, name) != amount(byCard, name) {
			t.Errorf("%s by code %v, by card %v", name, amount(byCode, name), amount(byCard, name))
		}
	}

	pharmacy := p.desk("P99010000401").signIn()
	if no := pharmacy.refused("1101", personInput("01", token, liji, "李济")); !strings.Contains(no, "mdtrt_cert_no：医保电子凭证令牌：令牌是其他机构取得的") {
		t.Errorf("another provider's token: %s", no)
	}
	theirs := pharmacy.ask("6101", codeInput(show(), "02121")).object(t, "OutData")["ecToken"].(string)
	if r := settle(pharmacy, "01", theirs, "41"); amount(r, "acct_pay") == amount(r, "psn_cash_pay") {
		t.Errorf("the pharmacy's settlement took nothing from the account: %s", r.raw)
	}

	used := show()
	d.ask("6101", codeInput(used, "01101"))
	old := show()
	for _, tt := range []struct{ name, code, want string }{
		{"none", "", "ecQrCode 不能为空"},
		{"used", used, "ecQrCode 不能接受：已使用过"},
		{"changed", used[:len(used)-1] + "A", "ecQrCode 不能接受："},
		{"an ID", liji, "不是医保电子凭证的二维码"},
	} {
		if no := d.refused("6101", codeInput(tt.code, "01101")); !strings.Contains(no, tt.want) {
			t.Errorf("%s: %s", tt.name, no)
		}
	}
	p.now = p.now.Add(2 * time.Minute)
	if no := d.refused("6101", codeInput(old, "01101")); !strings.Contains(no, "已过期") {
		t.Errorf("an old code: %s", no)
	}
	if no := d.refused("6101", codeInput(show(), "99")); !strings.Contains(no, "businessType") {
		t.Errorf("an unknown business: %s", no)
	}

	p.update(func(ctx context.Context, tx *db.Tx) error {
		if err := p.credentials.StopCard(ctx, tx, psn, "test", "丢失"); err != nil {
			return err
		}
		return p.credentials.Stop(ctx, tx, psn, credential.Lost, "test", "手机丢失")
	})
	if no := d.refused("1101", personInput("01", token, liji, "李济")); !strings.Contains(no, "已挂失") {
		t.Errorf("a lost phone's token: %s", no)
	}
	if no := d.refused("1101", personInput("03", "C"+liji, liji, "李济")); !strings.Contains(no, "已挂失，请改用医保电子凭证或居民身份证") || strings.Contains(no, liji) {
		t.Errorf("a lost card: %s", no)
	}
	d.ask("1101", personInput("02", liji, liji, "李济"))
}

// TestFamilyAccount pays a resident's care from the account of a spouse
// (acct_used_flag 2), and takes it back.
func TestFamilyAccount(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000201").signIn()
	_, wang := d.person("990100199001010119", "王平")
	_, zhang := d.person(zhangan, "张安")
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	p.update(func(ctx context.Context, tx *db.Tx) error {
		return account.New(store, p.register, func() time.Time { return p.now }).Grant(ctx, tx, account.Grant{Owner: zhang, Beneficiary: wang, Relation: policy.Spouse}, "test")
	})
	visit := d.outpatient(wang, "990100199001010119", "390", "11")
	d.fees("2204", visit, wang, "11", []item{{"DRG990000001", "10", "30", "300"}})
	bill := strings.Replace(outpatientBill(wang, "990100199001010119", visit, "390", "11", "300", noAmounts), `"acct_used_flag":"1"`, `"acct_used_flag":"2"`, 1)
	preview := d.ask("2206", bill).object(t, "setlinfo")
	r := d.ask("2207", bill)
	balanced(t, r)
	info := r.object(t, "setlinfo")
	aid := fen(t, info, "acct_mulaid_pay")
	if aid == 0 || aid != fen(t, info, "acct_pay") || fen(t, info, "psn_cash_pay") != 0 || fen(t, preview, "acct_mulaid_pay") != aid {
		t.Errorf("%s", r.raw)
	}
	p.update(func(ctx context.Context, tx *db.Tx) error {
		balance, err := fund.Balance(ctx, tx, fund.PersonAccount(zhang))
		if balance != 123_456-aid {
			t.Errorf("of 1234.56, %s paid, %s are left", aid, balance)
		}
		return err
	})
	d.ask("2208", (&patient{id: wang}).ref(info["mdtrt_id"].(string), info["setl_id"].(string)))
	p.update(func(ctx context.Context, tx *db.Tx) error {
		balance, err := fund.Balance(ctx, tx, fund.PersonAccount(zhang))
		if balance != 123_456 {
			t.Errorf("after the reversal %s", balance)
		}
		return errors.Join(err, p.server.Settlement.Verify(ctx, tx))
	})
}
