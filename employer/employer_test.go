package employer_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/server"
	"github.com/anji-platform/anji/web/browsertest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// desk is a sandbox with the demonstration's employer.
func desk(t *testing.T) (*httptest.Server, func() time.Time) {
	t.Helper()
	store, err := policy.Load(policies.FS)
	must(t, err)
	now := time.Date(2025, 7, 3, 12, 0, 0, 0, time.FixedZone("CST", 8*60*60))
	clock := func() time.Time { return now }
	s, err := server.OpenSandbox(context.Background(), server.Config{Data: t.TempDir(), Policies: store, Now: clock, Log: slog.New(slog.DiscardHandler)},
		func(ctx context.Context, s *server.Server) error {
			_, err := demo.Seed(ctx, s.DB, s.Register, demo.Options{Today: 20250703})
			return err
		})
	must(t, err)
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, clock
}

// filled is an employer's file: one of the staff leaves, a wage is a slip, and
// one of the staff was forgotten.
func filled(t testing.TB, rows ...contribution.Declared) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, contribution.WriteSheet(&b, &contribution.Declaration{Rows: rows}))
	return b.Bytes()
}

func forgetful(t testing.TB) []byte {
	return filled(t,
		contribution.Declared{Name: "张安", CitizenID: demo.Employer.Staff[0], Wage: "8200"},
		contribution.Declared{Name: "周和", CitizenID: demo.Employer.Staff[1], Wage: "一万"},
		contribution.Declared{Name: "新来的", CitizenID: "990100199509010010", Wage: "6000", Change: contribution.Joins})
}

// sight is what the page says of itself.
const sight = `({wide: document.documentElement.scrollWidth - document.documentElement.clientWidth, text: document.body.innerText})`

type seen struct {
	Wide int
	Text string
}

// TestBrowser declares a month, mends what is wrong, confirms and pays, as an
// employer would, on a phone and on a desk.
func TestBrowser(t *testing.T) {
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"phone", 390, 844}, {"desk", 1440, 900}} {
		t.Run(size.name, func(t *testing.T) {
			s, _ := desk(t)
			ctx, errs := browsertest.Open(t)
			t.Setenv("ANJI_SCREENSHOTS", orElse(os.Getenv("ANJI_SCREENSHOTS"), filepath.Join("..", "out", "screenshots")))
			dir := browsertest.Screenshots(t)
			must(t, chromedp.Do(ctx, chromedp.EmulateViewport(size.width, size.height)))
			look := func(name string, want ...string) seen {
				t.Helper()
				v, err := chromedp.Run(ctx, chromedp.Evaluate[seen](sight))
				must(t, err)
				for _, w := range want {
					if !strings.Contains(v.Text, w) {
						t.Errorf("%s: no %q in %s", name, w, v.Text)
					}
				}
				if v.Wide > 0 {
					t.Errorf("%s is %d pixels too wide", name, v.Wide)
				}
				for _, f := range browsertest.Axe(t, ctx) {
					t.Errorf("%s: %s", name, f)
				}
				for _, e := range errs() {
					if !strings.Contains(e, "422") { // the browser's own word for what was refused
						t.Errorf("%s: console: %s", name, e)
					}
				}
				shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(90))
				must(t, err)
				must(t, os.WriteFile(filepath.Join(dir, "employer-"+size.name+"-"+name+".png"), shot, 0o644))
				return v
			}
			click := func(selector string) { t.Helper(); browsertest.Click(t, ctx, selector) }
			must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/employer")))
			look("door", "工作人员登录", "陈人事")
			click(`.rows li:has(input[value=danwei]) button`)
			look("employer", "申报一个月", "按名册生成申报", "3 人")
			must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/employer/staff")))
			look("staff", "职工名册", "张安", "990100**********14", "12,500.00")
			fill := func(selector, value string) {
				t.Helper()
				must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).value = %q`, selector, value))))
			}
			fill("#q", "查无此人")
			click(`form[role=search] button`)
			look("staff-none", "名册里没有“查无此人”")
			must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/employer")))
			must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector('.excel').open = true`)))
			file := filepath.Join(t.TempDir(), "申报.xlsx")
			must(t, os.WriteFile(file, forgetful(t), 0o644))
			must(t, chromedp.Do(ctx, chromedp.SetUploadFiles(chromedp.CSS("input[type=file]"), []string{file})))
			click(".excel button")
			look("draft", "待确认", "2 行有误", "月工资“一万”", "没有申报", "更正")
			must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector('.fix input[name=wage]').value = '10000'`)))
			click(".fix button")
			look("mended", "已更正", "1 行有误", "吴远")
			if has, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector('.fix input[name=name]').value`)); err != nil || has != "吴远" {
				t.Errorf("who was forgotten is %q, %v", has, err)
			}
			click(".fix button")
			look("good", "全部无误，确认后生成应缴", "确认申报")
			click(`form[action$="/confirm"] button`)
			look("confirmed", "已确认", "待缴", "2025-07-25")
			click(`form[action$="/pay"] button`)
			look("paid", "已提交支付", "已缴", "已缴清")
			click(".crumb a")
			look("afterwards", "4 人", "已缴")
			must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/employer/bills")))
			look("bills-paid", "没有要缴的账单", "缴费凭证")
			click(`a[href$="/receipt"]`)
			look("receipt", "职工基本医疗保险缴费凭证", "缴费人数", "2025-07", "线上缴费")
			// The month after, from the staff list: one more joins, one leaves.
			must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/employer/staff")))
			look("staff-4", "4 人", "新来的")
			click(`a[href="/employer/staff/add"]`)
			look("join", "增员", "写进草稿")
			fill("#name", "王小明")
			fill("#citizen_id", "990100199013010011")
			fill("#wage", "6500")
			click(`.short button`)
			look("join-wrong", "公民身份号码")
			fill("#citizen_id", "990100199509020016")
			click(`.short button`)
			look("joined", "已把 王小明 写进申报草稿", "2025-08", "王小明")
			must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/employer/staff?q=%E6%96%B0%E6%9D%A5%E7%9A%84")))
			click(`.grid a`)
			look("change", "减员", "调整申报工资")
			click(`.short button`)
			look("changed", "新来的 的减员已写进申报草稿", "全部无误，确认后生成应缴")
			click(`form[action$="/confirm"] button`)
			must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/employer/bills")))
			look("bills", "待缴合计", "2025-08", "2025-08-25")
			must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/employer")))
			click(`form[action="/employer/prepare"] button`)
			look("prepared", "这个月没有未申报的职工") // this month and the next are declared
		})
	}
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// browser is a client that goes where it is sent, signed in as the employer.
type browser struct {
	*testing.T
	base   string
	client *http.Client
}

func signedIn(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	b := &browser{t, base, &http.Client{Jar: jar}}
	form := url.Values{"name": {"danwei"}, "password": {demo.OperatorPassword}}
	status, text := b.do(http.MethodPost, "/office/sign-in", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if status != 200 || !strings.Contains(text, demo.Employer.Name) {
		t.Fatalf("sign-in: %d %.300s", status, text)
	}
	return b
}

func (b *browser) do(method, path, kind string, body io.Reader) (int, string) {
	b.Helper()
	req, err := http.NewRequest(method, b.base+path, body)
	must(b, err)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := b.client.Do(req)
	must(b, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(b, err)
	return resp.StatusCode, string(text)
}

func (b *browser) upload(path, month string, file []byte) (int, string) {
	b.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	must(b, w.WriteField("month", month))
	if file != nil {
		part, err := w.CreateFormFile("file", "x.xlsx")
		must(b, err)
		_, err = part.Write(file)
		must(b, err)
	}
	must(b, w.Close())
	return b.do(http.MethodPost, path, w.FormDataContentType(), &body)
}

func TestPages(t *testing.T) {
	s, _ := desk(t)
	b := signedIn(t, s.URL)
	const home = "/employer"
	for _, tt := range []struct {
		path   string
		status int
		want   string
	}{
		{home, 200, demo.Employer.Name}, {home, 200, "职工名册"}, {home + "/x", 404, "没有找到"}, {home + "/x/y", 404, "没有找到"},
		{home + "/staff", 200, "张安"}, {home + "/staff?q=%25", 200, "名册里没有"}, {home + "/staff?page=9", 200, "名册"}, {home + "/staff/add", 200, "增员"}, {home + "/bills", 200, "没有要缴的账单"},
		{home + "/staff/change", 404, "没有找到"}, {home + "/staff/change?person=nobody", 404, "没有找到"}, {home + "/D0/receipt", 404, "没有找到"},
		{home + "/D0", 404, "没有找到"}, {home + "/a/b/c", 404, "没有找到"}, {"/employer/template.xlsx", 200, "PK"}, {home + "/D0/sheet.xlsx", 404, "没有找到"},
	} {
		if status, text := b.do(http.MethodGet, tt.path, "", nil); status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %d %.200s", tt.path, status, text)
		}
	}
	for _, tt := range []struct {
		name, month string
		file        []byte
		want        string
	}{
		{"no file", "2025-07", nil, "请选择填好的 Excel"}, {"not Excel", "2025-07", []byte("x"), "不是 Excel"}, {"no month", "7月", forgetful(t), "月份"},
		{"far ahead", "2025-12", forgetful(t), "至多提前一个月"}, {"an empty file", "2025-07", filled(t), "「0」：应有"},
	} {
		if status, text := b.upload(home, tt.month, tt.file); status != 422 || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %d %.300s", tt.name, status, text)
		}
	}
	status, text := b.upload(home, "2025-07", forgetful(t))
	m := regexp.MustCompile(`action="(/employer/D[0-9a-f]+)/cancel"`).FindStringSubmatch(text)
	if status != 200 || m == nil {
		t.Fatalf("%d %s", status, text)
	}
	draft := m[1]
	post := func(what string, form url.Values) (int, string) {
		return b.do(http.MethodPost, draft+"/"+what, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	}
	if status, text := post("confirm", nil); status != 422 || !strings.Contains(text, "还有 2 行有误") {
		t.Errorf("%d %.300s", status, text)
	}
	if status, text := post("pay", nil); status != 422 || !strings.Contains(text, "待确认") {
		t.Errorf("%d %.300s", status, text)
	}
	if status, _ := post("burn", nil); status != 404 {
		t.Errorf("%d", status)
	}
	if status, _ := post("correct", url.Values{"n": {"x"}}); status != 422 {
		t.Errorf("%d", status)
	}
	if _, text := b.do(http.MethodGet, draft+"/sheet.xlsx", "", nil); !strings.HasPrefix(text, "PK") {
		t.Error("no file with what is wrong")
	}
	if status, text := post("cancel", nil); status != 200 || !strings.Contains(text, "已撤销") {
		t.Errorf("%d %.300s", status, text)
	}
	req, err := http.NewRequest(http.MethodPost, b.base+draft+"/cancel", nil)
	must(t, err)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := b.client.Do(req)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %s", resp.Status)
	}
}
