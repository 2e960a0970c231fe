package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/web"
	"github.com/anji-platform/anji/web/browsertest"
)

// sight is what a page says of itself.
type sight struct {
	Wide int
	Text string
}

// screen is a page of the site, by its address or by what is clicked on the page
// before, and what must be seen there.
type screen struct {
	name, path string
	want       []string
}

// tour goes through screens on a phone and on a desk, in light and large, and
// keeps what it saw.
func tour(t *testing.T, prefix, enter string, screens []screen) {
	s := openSandbox(t, t.TempDir())
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	care(t, h.URL)
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"390x844", 390, 844}, {"1440x900", 1440, 900}} {
		t.Run(size.name, func(t *testing.T) {
			w := watch(t, prefix)
			w.do(chromedp.EmulateViewport(size.width, size.height))
			if enter != "" {
				door := "/sign-in"
				if strings.HasPrefix(prefix, "office") {
					door = "/office/sign-in"
				}
				w.do(chromedp.Navigate(h.URL + door))
				w.click(fmt.Sprintf(`.rows li:has(input[value=%q]) button`, enter))
			}
			for _, x := range screens {
				if selector, ok := strings.CutPrefix(x.path, "click "); ok {
					w.click(selector)
				} else {
					w.do(chromedp.Navigate(h.URL + x.path))
				}
				w.looks(x.name+"-"+size.name, x.want...)
				if e := w.errs(); len(e) > 0 {
					t.Errorf("%s: console: %q", x.name, e)
				}
			}
		})
	}
}

// care lets 李济 be treated once over the interface.
func care(t testing.TB, base string) {
	t.Helper()
	careOf(t, base, demo.LiJi, "李济", "H99010000201")
}

func careOf(t testing.TB, base, citizenID, name, hospitalCode string) {
	t.Helper()
	h := &hospital.Hospital{Base: base + "/his", Code: hospitalCode, Name: "示例区医院", Region: "990100", Operator: "1", Now: now}
	err := h.SignIn(t.Context())
	if err == nil {
		_, err = h.Outpatient(t.Context(), citizenID, name, []hospital.Bill{{Item: "SVC990000001", Amount: "1000.00"}, {Item: "DRG990000002", Amount: "800.00"}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPortalScreens(t *testing.T) {
	tour(t, "portal", "", []screen{
		{"welcome", "/", []string{"每一分钱都说得清", "不登录也能用", "以虚构的参保人登录"}},
		{"sign-in", "/sign-in", []string{"手机号", "李济", "用身份证号和密码登录"}},
		{"sign-in-password", "/sign-in?by=password", []string{"登录密码"}},
		{"estimate-any", "/estimate?region=990100&scheme=employee&kind=inpatient&a=10000&b=5000&c=200", []string{"最省", "三级", "钱是怎么算出来的"}},
		{"catalogue", "/catalogue?q=" + "%E8%8D%AF%E5%93%81", []string{"甲类药品", "先自付 10%", "支付标准 20.00 元", "全部自己付"}},
		{"catalogue-none", "/catalogue?q=zzz", []string{"不在目录内的，医保不支付"}},
		{"providers", "/providers", []string{"示例大药房", "非定点", "三级"}},
		{"not-found-text", "/office/sign-in", []string{"工作人员登录", "李初审"}},
	})
}

func TestPersonScreens(t *testing.T) {
	tour(t, "person", demo.LiJi, []screen{
		{"home", "/", []string{"您好，李济", "今天看病可以报销", "示例区医院"}},
		{"code", "/me/credential", []string{"医保电子凭证", "一分钟内有效"}},
		{"insurance", "/me/insurance", []string{"职工医保（退休）", "正常"}},
		{"contributions", "/me/contributions", []string{"没有要缴的费用"}},
		{"account", "/me/account", []string{"余额", "授权家人使用", "就医支付"}},
		{"care", "/me/care", []string{"示例区医院", "个人负担"}},
		{"settlement", "click .list a", []string{"结算说明", "您负担", "504.00 元", "依据"}},
		{"filings", "/me/filings", []string{"还没有申请", "门诊慢特病认定"}},
		{"filing-groups", "/me/filings/new", []string{"异地长期居住人员", "2 个工作日", "问题二十七"}},
		{"filing-new", "/me/filings/new?group=%E5%BC%82%E5%9C%B0%E9%95%BF%E6%9C%9F%E5%B1%85%E4%BD%8F%E4%BA%BA%E5%91%98", []string{"到哪里就医", "我承诺"}},
		{"messages", "/me/messages", nil},
		{"me", "/me", []string{"下载我的全部信息", "退出登录"}},
		{"family", "/me/family", []string{"委托他人代办"}},
		{"password", "/me/password", []string{"至少 8 个字符"}},
		{"estimate", "/estimate?kind=outpatient&a=1000", []string{"按您的参保", "最省"}},
		{"home-large", "/prefs?large=1&next=%2F", []string{"标准版"}},
		{"home-en", "/prefs?lang=en&next=%2F", []string{"Hello, ", "You are covered today"}},
		{"account-en", "/me/account", []string{"Personal account", "Balance"}},
	})
}

// TestResidentScreens: residents have no account of their own, and are told so.
func TestResidentScreens(t *testing.T) {
	tour(t, "resident", "990100199001010119", []screen{
		{"account", "/me/account", []string{"居民医保不建个人账户"}},
	})
}

// TestFirstPage: it is small enough for a slow network.
func TestFirstPage(t *testing.T) {
	s := openSandbox(t, t.TempDir())
	defer s.Close()
	size := 0
	fetch := func(path string) string {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 {
			t.Fatalf("%s: %d", path, w.Code)
		}
		size += w.Body.Len()
		return w.Body.String()
	}
	fetch("/")
	for _, name := range []string{"style.css", "app.css", "icons.svg", "icon.svg"} {
		fetch(web.Asset(name))
	}
	if size > 150<<10 {
		t.Errorf("the first page takes %d bytes, more than 150 KB", size)
	}
	t.Logf("the first page takes %d bytes", size)
}

func TestConsoleScreens(t *testing.T) {
	tour(t, "office-intake", "shouli", []screen{
		{"home", "/console", []string{"王受理，您好", "待审核的备案"}},
		{"people", "/console/people", []string{"公民身份号码、社保卡号或人员编号"}},
		{"filings-empty", "/console/filings", []string{"没有这样的申请"}},
		{"packages", "/console/packages", []string{"安济示例市", "2025.1"}},
		{"package", "/console/packages/500000", []string{"比较"}},
		{"forbidden-link", "/", []string{"进入工作台"}},
	})
	tour(t, "office-finance", "caiwu", []screen{{"funds", "/console/funds", []string{"基金运行", "期末结余"}}})
	tour(t, "office-admin", "guanli", []screen{
		{"operators", "/console/operators", []string{"李初审", "复核", "初始密码"}},
		{"operator", "/console/operators/shouli", []string{"重设密码", "停用"}},
		{"self", "/console/operators/guanli", []string{"另一位管理员"}},
		{"audit", "/console/audit?who=guanli", []string{"审计记录"}},
	})
}

// TestFilingTogether goes the way of a filing through the screens: a person
// applies on a phone, an officer finds it in the queue, looks at the person's page,
// decides, and the person sees it.
func TestFilingTogether(t *testing.T) {
	s := openSandbox(t, t.TempDir())
	h := httptest.NewServer(s)
	defer func() {
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	w := watch(t, "filing")
	do, sees, fill, click, errs := w.do, w.sees, w.fill, w.click, w.errs
	enter := func(door, name string) {
		t.Helper()
		do(chromedp.Navigate(h.URL + door))
		click(fmt.Sprintf(`.rows li:has(input[value=%q]) button`, name))
	}

	do(chromedp.EmulateViewport(390, 844))
	enter("/sign-in", demo.LiJi)
	click(`a[href="/me/filings"]`) // three taps from the first page
	click(`a[href="/me/filings/new"]`)
	click(`.list a[href*="group="]`)
	sees("异地安置退休人员", "到哪里就医")
	fill("#destination", "320500")
	click(`form[action="/me/filings"] button`)
	sees("被退回", "缺少：居住证；也可以签署承诺书代替", "江苏省苏州市")
	w.tick("input[name=commitment]")
	click(`form[action$="/complete"] button`)
	sees("申办中", "已补正并重新提交", "2025-06-24"[:4])

	do(chromedp.EmulateViewport(1440, 900))
	enter("/office/sign-in", "chushen")
	sees("李初审，您好", "去审核")
	click(`a[href="/console/filings"].button`)
	sees("异地安置退休人员", "江苏省苏州市", "李*")
	click(`.grid a`)
	sees("承诺书", "已签署", "《医保政策问答手册》问题二十七")
	click(`dd a`)
	sees("990100**********23", "查看完整信息", "可以报销")
	fill("#purpose", "核对备案申请")
	click(`form[action$="/reveal"] button`)
	sees(demo.LiJi, "查看完整信息", "电子凭证")
	do(chromedp.Navigate(h.URL + "/console/filings"))
	click(`.grid a`)
	w.tick("input[value=accepted]")
	click(`form[action^="/console/filings/"] .button`)
	sees("已办结，已通知参保人")

	do(chromedp.EmulateViewport(390, 844))
	enter("/sign-in", demo.LiJi)
	do(chromedp.Navigate(h.URL + "/me/filings"))
	sees("已办结")
	do(chromedp.Navigate(h.URL + "/me/insurance"))
	sees("异地就医备案", "江苏省苏州市")
	if e := errs(); len(e) > 0 {
		t.Errorf("console: %q", e)
	}
}

// watcher is a browser that keeps what it sees, and looks for faults in it.
type watcher struct {
	*testing.T
	ctx       context.Context
	errs      func() []string
	dir, name string
	step      int
}

func watch(t *testing.T, name string, options ...chromedp.ExecAllocatorOption) *watcher {
	t.Helper()
	ctx, errs := browsertest.Open(t, options...)
	return &watcher{t, ctx, errs, browsertest.Screenshots(t), name, 0}
}

func (w *watcher) do(a ...chromedp.Action[chromedp.Void]) {
	w.Helper()
	if err := chromedp.Do(w.ctx, a...); err != nil {
		w.Fatal(err)
	}
}

func (w *watcher) click(selector string) { w.Helper(); browsertest.Click(w.T, w.ctx, selector) }

func (w *watcher) fill(selector, value string) {
	w.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).value = %q`, selector, value)))
}

func (w *watcher) tick(selector string) {
	w.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).checked = true`, selector)))
}

// sees wants texts on the page, and the page within its screen and without a
// serious finding of the accessibility checker.
func (w *watcher) sees(want ...string) {
	w.Helper()
	w.step++
	w.looks(fmt.Sprintf("%02d", w.step), want...)
}

func (w *watcher) looks(name string, want ...string) {
	w.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[sight](`({wide: document.documentElement.scrollWidth - document.documentElement.clientWidth, text: document.body.innerText})`))
	if err != nil {
		w.Fatal(err)
	}
	for _, x := range want {
		if !strings.Contains(v.Text, x) {
			w.Errorf("%s: %q is not to be seen in %s", name, x, v.Text)
		}
	}
	if v.Wide > 0 {
		w.Errorf("%s is %d pixels too wide", name, v.Wide)
	}
	for _, f := range browsertest.Axe(w.T, w.ctx) {
		w.Errorf("%s: %s", name, f)
	}
	// A phone's scroll bar takes no room; a picture with one would lack its right edge.
	if _, err := chromedp.Call(w.ctx, emulation.SetScrollbarsHidden, emulation.SetScrollbarsHiddenParams{Hidden: true}); err != nil {
		w.Fatal(err)
	}
	shot, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(90))
	if err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, w.name+"-"+name+".png"), shot, 0o644); err != nil {
		w.Fatal(err)
	}
}
