package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/signin"
)

// yearEnd is the day on which the money screens are looked at.
const yearEnd civil.Date = 20260620

// openYear opens a store in which a year has passed.
func openYear(t *testing.T) (*Sandbox, *httptest.Server) {
	t.Helper()
	c := sandboxConfig(t, t.TempDir())
	c.Now = func() time.Time { return yearEnd.Time().Add(2 * time.Hour) }
	s, err := OpenSandbox(context.Background(), c, func(ctx context.Context, s *Server) error {
		if _, err := demo.Seed(ctx, s.DB, s.Register, demo.Options{Today: yearEnd, People: 120}); err != nil {
			return err
		}
		return demo.Year(ctx, s.DB, s.Register, c.Policies, yearEnd)
	})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		inspect(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, h
}

// find finds something to look at in the store.
func (s *Sandbox) find(t *testing.T) (settled, entry, waiting, away string) {
	t.Helper()
	ctx := context.Background()
	if err := s.current.DB.View(ctx, func(tx *db.Tx) error {
		all, err := s.current.Settlement.List(ctx, tx, settlement.Filter{Provider: "H99010000101", Limit: 50})
		if err != nil {
			return err
		}
		for _, st := range all {
			if st.Result.FundTotal > 0 && st.Result.Account > 0 {
				settled = st.ID
			}
		}
		leaf, err := fund.Leaf(ctx, tx, fund.FundAccount("990100", "pooled_employee"), fund.Period{From: 20260601}, 3, 1)
		if err != nil {
			return err
		}
		entry = fmt.Sprint(leaf.Movements[0].Entry)
		if err := tx.QueryRow(ctx, `SELECT MAX(at) FROM settlement WHERE provider = 'H50000000101'`).Scan(&away); err != nil {
			return err
		}
		away = away[:len("2026-06")]
		return tx.QueryRow(ctx, `SELECT id FROM clearing WHERE state = 10 AND region = '990100' ORDER BY n LIMIT 1`).Scan(&waiting)
	}); err != nil {
		t.Fatal(err)
	}
	return settled, entry, waiting, away
}

// TestMoneyScreens looks at funds, ledger and clearing, on a phone and on a desk.
func TestMoneyScreens(t *testing.T) {
	s, h := openYear(t)
	settled, entry, waiting, away := s.find(t)
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"390x844", 390, 844}, {"1440x900", 1440, 900}} {
		t.Run(size.name, func(t *testing.T) {
			w := watch(t, "money")
			w.do(chromedp.EmulateViewport(size.width, size.height), chromedp.Navigate(h.URL+"/office/sign-in"))
			w.click(`.rows li:has(input[value="caiwu"]) button`)
			for _, x := range []screen{
				{"funds", "/console/funds", []string{"基金运行", "2026年", "可支付月数 ＝ 期末结余", "职工基本医疗保险统筹基金", "十二个月的收支", "主要诊断", "股骨颈骨折", "三级", "占比"}},
				{"funds-month", "/console/funds?year=2026&month=5", []string{"2026年5月", "医疗待遇结算", "征缴入账"}},
				{"funds-before", "/console/funds?year=2024", []string{"2024年", "还没有基金分录"}},
				{"ledger", "/console/ledger", []string{"账簿", "银行存款", "应付定点机构", "安济示例市人民医院", "全部机构合计"}},
				{"leaf", "/console/ledger/accounts/fund:990100:pooled_employee", []string{"期初余额", "医疗待遇结算", "导出 Excel"}},
				{"leaf-2", "/console/ledger/accounts/fund:990100:pooled_employee?from=2025-06-01&to=2026-06-20&page=2", []string{"承前页", "上一页"}},
				{"leaf-none", "/console/ledger/accounts/bank:990100?from=2024-01-01&to=2024-02-01", []string{"这段时间没有分录"}},
				{"entry", "/console/ledger/entries/" + entry, []string{"分录明细", "应付定点机构", "参保人", "合计"}},
				{"settled", "/console/ledger/settlements/" + settled, []string{"您负担", "依据", "结算单（PDF）"}},
				{"closing", "/console/ledger/closing", []string{"下一个可以结账的月份", "还没有结过账", "另一位财务人员确认"}},
				{"clearing", "/console/clearing", []string{"待办的清算申请", "2026-05", "示例大药房", "平", "已申报", "审核完成"}},
				{"clearing-paid", "/console/clearing?month=2026-03", []string{"已拨付"}},
				{"provider", "/console/clearing/providers/H99010000101?month=2026-05", []string{"月度清算表", "清算单（PDF）", "清算申请", "总额"}},
				{"application", "/console/clearing/applications/" + waiting, []string{"审核通过", "退回", "申报的金额"}},
				{"regions", "/console/clearing/regions?month=" + away, []string{"异地清算", "没有外地参保人", "重庆"}},
			} {
				w.do(chromedp.Navigate(h.URL + x.path))
				w.looks(x.name+"-"+size.name, x.want...)
				if e := w.errs(); len(e) > 0 {
					t.Errorf("%s: console: %q", x.name, e)
				}
			}
		})
	}
}

// TestTwoOfFinance closes a month and clears a provider on the screens: each takes
// two of finance.
func TestTwoOfFinance(t *testing.T) {
	s, h := openYear(t)
	_, _, waiting, _ := s.find(t)
	w := watch(t, "finance")
	enter := func(name string) {
		t.Helper()
		w.do(chromedp.Navigate(h.URL + "/office/sign-in"))
		w.click(fmt.Sprintf(`.rows li:has(input[value=%q]) button`, name))
	}
	to := func(path string) { t.Helper(); w.do(chromedp.Navigate(h.URL + path)) }
	w.do(chromedp.EmulateViewport(1440, 900))
	enter("caiwu")
	to("/console/ledger/closing")
	w.click(`form[action="/console/ledger/closing"] button`)
	w.sees("已申请结账", "2025-06 等待确认", "不能确认自己的申请")
	to("/console/clearing/applications/" + waiting)
	w.click(`form[action$="/approve"] button`)
	w.sees("审核通过，请另一位财务人员拨付", "拨付须由另一位财务人员办理")
	w.click(`form[action="/sign-out"] button`)
	enter("caiwu2")
	to("/console/ledger/closing")
	w.sees("2025-06 等待确认", "确认结账")
	w.click(`form[action$="/confirm"] button`)
	w.sees("已结账", "2025-06", "caiwu2", "下一个可以结账的月份是 2025-07")
	to("/console/clearing/applications/" + waiting)
	w.click(`form[action$="/pay"] button`)
	w.sees("已拨付并记账", "caiwu2")
	if e := w.errs(); len(e) > 0 {
		t.Errorf("console: %q", e)
	}
}

// as asks for an address as an operator or, with a citizen ID, a person.
func (s *Sandbox) as(t *testing.T, who, method, path, form string) *httptest.ResponseRecorder {
	t.Helper()
	ctx := context.Background()
	token, err := s.current.SignIn.BeginOperator(ctx, who)
	if err != nil {
		t.Fatal(err)
	}
	return s.with(token, method, path, form)
}

func (s *Sandbox) with(token, method, path, form string) *httptest.ResponseRecorder {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form)
	}
	r := httptest.NewRequest(method, path, body)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.AddCookie(&http.Cookie{Name: "anji", Value: token})
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestMoneyRefused: who may look does not act, nobody acts twice on one matter even
// without the screens, and officers of another region find nothing.
func TestMoneyRefused(t *testing.T) {
	s, _ := openYear(t)
	settled, entry, waiting, _ := s.find(t)
	ctx := context.Background()
	if err := s.current.DB.Update(ctx, func(tx *db.Tx) error {
		return s.current.SignIn.AddOperator(ctx, tx, signin.Operator{Name: "other", Title: "外地财务", Roles: []signin.Role{signin.Finance}, Region: "990200"}, demo.OperatorPassword, "test")
	}); err != nil {
		t.Fatal(err)
	}
	clearing := "/console/clearing/applications/" + waiting
	for _, x := range []struct {
		who, method, path, form string
		code                    int
		says                    string
	}{
		{"jihe", http.MethodPost, clearing + "/approve", "", http.StatusForbidden, ""},
		{"zhidu", http.MethodPost, "/console/ledger/closing", "month=2025-06", http.StatusForbidden, ""},
		{"caiwu", http.MethodPost, clearing + "/pay", "", http.StatusUnprocessableEntity, "应为审核完成"},
		{"caiwu", http.MethodPost, clearing + "/approve", "", http.StatusSeeOther, ""},
		{"caiwu", http.MethodPost, clearing + "/pay", "", http.StatusUnprocessableEntity, "审核与拨付须由不同的人办理"},
		{"caiwu", http.MethodPost, clearing + "/return", "reason=", http.StatusUnprocessableEntity, "须说明撤回或退回的原因"},
		{"caiwu", http.MethodPost, clearing + "/return", "reason=" + strings.Repeat("x", 201), http.StatusUnprocessableEntity, "不超过 200 字"},
		{"caiwu2", http.MethodPost, clearing + "/return", "reason=少交发票", http.StatusSeeOther, ""},
		{"caiwu", http.MethodPost, "/console/ledger/closing", "month=2025-13", http.StatusUnprocessableEntity, "应为月份"},
		{"caiwu", http.MethodPost, "/console/ledger/closing", "month=2026-06", http.StatusUnprocessableEntity, "尚未结束"},
		{"caiwu", http.MethodPost, "/console/ledger/closing", "month=2025-06", http.StatusSeeOther, ""},
		{"caiwu", http.MethodPost, "/console/ledger/closing/2025-06/confirm", "", http.StatusUnprocessableEntity, "不能确认自己的申请"},
		{"caiwu2", http.MethodPost, "/console/ledger/closing/2025-06/drop", "", http.StatusSeeOther, ""},
		{"caiwu2", http.MethodPost, "/console/ledger/closing/2025-06/confirm", "", http.StatusUnprocessableEntity, "没有人申请结账"},
		{"caiwu", http.MethodGet, "/console/funds?year=1066", "", http.StatusUnprocessableEntity, "年份应在 2021 至 2026 之间"},
		{"caiwu", http.MethodGet, "/console/funds?month=13", "", http.StatusUnprocessableEntity, "月份应为 1 至 12"},
		{"caiwu", http.MethodGet, "/console/clearing?month=2099-01", "", http.StatusUnprocessableEntity, "不晚于本月"},
		{"caiwu", http.MethodGet, "/console/ledger/accounts/bank:990100?from=x", "", http.StatusUnprocessableEntity, "应为日期"},
		{"caiwu", http.MethodGet, "/console/ledger/accounts/bank:990100?from=2026-02-01&to=2026-01-01", "", http.StatusUnprocessableEntity, "晚于截止日"},
		{"caiwu", http.MethodGet, "/console/funds.xlsx?list=nothing", "", http.StatusNotFound, ""},
		{"zhidu", http.MethodGet, "/console/funds?region=000001", "", http.StatusUnprocessableEntity, "没有这个统筹区的账"},
		{"zhidu", http.MethodGet, "/console/funds?region=990100", "", http.StatusOK, "安济示例市"},
		{"caiwu", http.MethodGet, "/console/ledger/accounts/acct:1", "", http.StatusNotFound, ""},
		{"caiwu", http.MethodGet, "/console/ledger/accounts/fund:990200:pooled", "", http.StatusNotFound, ""},
		{"caiwu", http.MethodGet, "/console/ledger/accounts/nonsense", "", http.StatusNotFound, ""},
		{"other", http.MethodGet, "/console/ledger/accounts/fund:990100:pooled_employee", "", http.StatusNotFound, ""},
		{"other", http.MethodGet, "/console/ledger/accounts/payable:H99010000101", "", http.StatusNotFound, ""},
		{"other", http.MethodGet, "/console/ledger/entries/" + entry, "", http.StatusNotFound, ""},
		{"other", http.MethodGet, "/console/ledger/settlements/" + settled, "", http.StatusNotFound, ""},
		{"other", http.MethodGet, "/console/ledger/settlements/" + settled + "/statement.pdf", "", http.StatusNotFound, ""},
		{"other", http.MethodGet, "/console/clearing/providers/H99010000101", "", http.StatusNotFound, ""},
		{"other", http.MethodGet, clearing, "", http.StatusNotFound, ""},
		{"other", http.MethodPost, clearing + "/approve", "", http.StatusNotFound, ""},
		{"other", http.MethodGet, "/console/funds?region=990100", "", http.StatusOK, "990200"},
	} {
		w := s.as(t, x.who, x.method, x.path, x.form)
		if w.Code != x.code || !strings.Contains(w.Body.String(), x.says) {
			t.Errorf("%s %s %s as %s: %d, want %d and %q in %s", x.method, x.path, x.form, x.who, w.Code, x.code, x.says, w.Body)
		}
	}
}

// TestMoneyFiles: files to keep hold the figures of the pages, and that they were
// made is on record.
func TestMoneyFiles(t *testing.T) {
	s, _ := openYear(t)
	settled, _, _, _ := s.find(t)
	for _, x := range []struct {
		path string
		want []string // in the text of a statement
	}{
		{"/console/funds.pdf?year=2026", []string{"医疗保障基金收支报表", "安济示例市（990100） · 2026年", "城乡居民基本医疗保险基金", "可支付月数", "股骨颈骨折", "钱财务（caiwu） 2026-06-20 10:00", "演示数据"}},
		{"/console/clearing/providers/H99010000101/sheet.pdf?month=2026-05", []string{"定点医药机构月度清算单", "H99010000101", "2026-05", "职工基本医疗保险统筹基金", "审核完成", "合计"}},
		{"/console/ledger/settlements/" + settled + "/statement.pdf", []string{"医疗保障结算单", settled, "逐项说明", "依据", "个人负担合计"}},
		{"/console/funds.xlsx", nil}, {"/console/funds.xlsx?list=months", nil}, {"/console/funds.xlsx?list=entries", nil}, {"/console/funds.xlsx?list=schemes", nil},
		{"/console/funds.xlsx?list=care", nil}, {"/console/funds.xlsx?list=levels", nil}, {"/console/funds.xlsx?list=diseases", nil}, {"/console/ledger.xlsx", nil},
		{"/console/ledger/accounts/bank:990100/sheet.xlsx?from=2025-06-01&to=2026-06-20", nil}, {"/console/clearing.xlsx?month=2026-05", nil},
		{"/console/clearing/regions.xlsx", nil}, {"/console/clearing/providers/H99010000101/sheet.xlsx?month=2026-05", nil},
	} {
		w := s.as(t, "caiwu", http.MethodGet, x.path, "")
		head := "PK"
		if x.want != nil {
			head = "%PDF-"
		}
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), head) {
			t.Errorf("%s: %d %.60q", x.path, w.Code, w.Body)
			continue
		}
		if x.want != nil {
			reads(t, x.path, w.Body.Bytes(), x.want...)
		}
	}
	if w := s.as(t, "jihe", http.MethodGet, "/console/audit?who=caiwu", ""); strings.Count(w.Body.String(), "console.export") < 14 {
		t.Errorf("exports are not on record: %s", w.Body)
	}
	ctx := context.Background()
	var person string
	if err := s.current.DB.View(ctx, func(tx *db.Tx) error {
		st, _, err := s.current.Settlement.Get(ctx, tx, settled)
		person = st.Person.ID
		return err
	}); err != nil {
		t.Fatal(err)
	}
	token, err := s.current.SignIn.BeginPerson(ctx, person)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"zh", "en"} {
		w := s.with(token, http.MethodGet, "/me/care/"+settled+"/statement.pdf?lang="+lang, "")
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		want := map[string][]string{"zh": {"医疗保障结算单", "本人下载", "演示数据"}, "en": {"Settlement statement", "Downloaded by the person", "MADE UP DATA"}}[lang]
		reads(t, lang, w.Body.Bytes(), append(want, settled)...)
	}
}

// reads wants texts in a PDF, as another program than wrote it reads them.
func reads(t *testing.T, name string, pdf []byte, want ...string) {
	t.Helper()
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Logf("pdftotext of poppler-utils is not installed: the text of %s is not read", name)
		return
	}
	c := exec.Command(tool, "-layout", "-", "-")
	c.Stdin = bytes.NewReader(pdf)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range want {
		if !bytes.Contains(out, []byte(x)) {
			t.Errorf("%s: %q is not in %s", name, x, out)
		}
	}
}
