package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/his/hospital"
)

func TestAnswerScreens(t *testing.T) {
	tour(t, "answers", "", []screen{
		{"home", "/", []string{"医保问答", "举报骗保"}},
		{"list", "/answers", []string{"能报多少", "老郭住院的账是怎么算的", "异地看病"}},
		{"search", "/answers?q=%E9%80%83%E9%80%B8", []string{"肇事者跑了"}},
		{"search-none", "/answers?q=zzzz", []string{"没有找到这样的问题"}},
		{"33", "/answers/33?region=990200", []string{"手册示例县", "6,560.00", "3,440.00", "1,300.00", "《医保政策问答手册》", "问题三十三"}},
		{"21", "/answers/21?region=990100", []string{"二级", "三级", "1,648.00", "2,180.00"}},
		{"39", "/answers/39", []string{"7,000.00", "5,000.00"}},
		{"41", "/answers/41", []string{"H7", "A3"}},
		{"43-unknown", "/answers/43?region=310000", []string{"尚不掌握", "12393"}},
		{"9-elsewhere", "/answers/9?region=110000", []string{"北京市"}},
		{"13-en", "/answers/13?region=990100&lang=en", []string{"Catastrophic insurance", "Sources"}},
		{"report", "/report", []string{"可以不留姓名", "15 个工作日"}},
		{"progress", "/report/progress", []string{"查询码"}},
	})
	tour(t, "answers-own", demo.LiJi, []screen{
		{"home", "/", []string{"查一查，问一问"}},
		{"list", "click a[href=\"/answers\"]", []string{"参保和缴费"}},
		{"22", "/answers/22", []string{"按您的参保回答", "您的账户余额"}},
		{"12", "/answers/12", []string{"您今年的门诊起付标准还剩"}},
		{"27", "/answers/27", []string{"2 个工作日", "没有生效的备案"}},
	})
	tour(t, "answers-poor", "990100197108150227", []screen{
		{"39", "/answers/39", []string{"您：居民", "80%"}},
		{"13", "/answers/13", []string{"65%–85%", "医疗救助"}},
		{"21-large", "/prefs?large=1&next=%2Fanswers%2F21", []string{"标准版", "您：居民"}},
		{"39-en", "/answers/39?lang=en", []string{"By your own insurance"}},
	})
}

func TestSearchScreens(t *testing.T) {
	tour(t, "search", "", []screen{
		{"catalogue", "/catalogue?q=%E9%99%90%E4%BB%B7", []string{"限价药品", "先自付 10%", "支付标准 20.00 元", "限二级及以上"}},
		{"item", "click .list a", []string{"限价药品", "各个时候怎么付", "限定支付范围", "现在", "2025-01-01"}},
		{"providers", "/providers", []string{"安济示例市人民医院", "异地直接结算", "东城区", "离我最近的", "非定点"}},
		{"providers-near", "/providers?near=31.233,121.476&kind=hospital&designated=1", []string{"由近到远", "示例街道社区卫生服务中心", "100 米", "公里"}},
		{"provider", "click .list a", []string{"示例街道社区卫生服务中心", "可以当场结算", "安济街 66 号"}},
		{"report-provider", "click a[href*=\"/report?provider\"]", []string{"举报的机构", "示例街道社区卫生服务中心"}},
		{"providers-none", "/providers?q=zzz&level=3", []string{"没有这样的医院或药店"}},
		{"providers-district", "/providers?region=990100&district=%E4%B8%9C%E5%9F%8E%E5%8C%BA", []string{"示例大药房"}},
		{"estimate-stated", "/estimate?region=990200&kind=inpatient&a=5000&b=5000", []string{"不填按本地规定的 10%", "《医保政策问答手册》问题三十三", "3,440.00"}},
		{"estimate-own-share", "/estimate?region=990200&kind=inpatient&a=5000&b=5000&share=20", []string{"3,840.00"}},
		{"estimate-unknown", "/estimate?region=500000&kind=inpatient&b=5000", []string{"这个统筹区没有写明乙类先自付比例"}},
		{"estimate-bad", "/estimate?region=990200&b=5000&share=200", []string{"不是比例"}},
	})
}

// TestReportTooOften: one address cannot flood the queue, nor try secrets for long.
func TestReportTooOften(t *testing.T) {
	s := openSandbox(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for path, most := range map[string]int{"/report": 12, "/report/progress": 40} {
		refused := 0
		for i := range most + 2 {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("id=JB1&code=AAAAAAAAAAAAAAAA"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.RemoteAddr = "198.51.100.9:1"
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != http.StatusUnprocessableEntity {
				t.Fatalf("%s, time %d: %d", path, i+1, w.Code)
			}
			if strings.Contains(w.Body.String(), "操作太频繁") {
				refused++
			}
		}
		if refused != 2 {
			t.Errorf("%s: %d of %d refused, want 2", path, refused, most+2)
		}
	}
}

// TestPricesOnPage: what hospitals charge stands on the item's page once it was
// settled often enough there.
func TestPricesOnPage(t *testing.T) {
	clock := now()
	s, err := Open(t.Context(), Config{Data: t.TempDir(), Policies: sandboxConfig(t, "").Policies, Now: func() time.Time { return clock }, Synthetic: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := demo.Seed(t.Context(), s.DB, s.Register, demo.Options{Today: civil.Of(clock)}); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler)
	defer h.Close()
	page := func() string {
		t.Helper()
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/catalogue/DRG990000002?region=990100", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%d", w.Code)
		}
		return w.Body.String()
	}
	x := &hospital.Hospital{Base: h.URL + "/his", Code: "H99010000201", Name: "示例区医院", Region: "990100", Operator: "1", Now: func() time.Time { return clock }}
	if err := x.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := x.Outpatient(t.Context(), demo.LiJi, "李济", []hospital.Bill{{Item: "DRG990000002", Amount: "80.00"}}); err != nil {
			t.Fatal(err)
		}
	}
	clock = clock.Add(time.Hour)
	if strings.Contains(page(), "最近的价格") {
		t.Error("prices before they were counted")
	}
	if err := s.countPrices(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := page(); !strings.Contains(got, "示例区医院") || !strings.Contains(got, "80.00") {
		t.Errorf("%s", got)
	}
	for path, want := range map[string]int{"/catalogue/NOSUCH": 404, "/providers/H00000000000": 404, "/answers/45": 404, "/answers/x": 404, "/answers/33?region=zzz": 200} {
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// TestTipOffTogether goes the way of a tip-off through the screens: somebody tells
// without signing in, an inspector takes it up and looks into it, another closes it,
// and who told of it sees the result and the reward.
func TestTipOffTogether(t *testing.T) {
	s := openSandbox(t, t.TempDir())
	h := httptest.NewServer(s)
	defer func() {
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	w := watch(t, "tipoff")
	do, sees, fill, click := w.do, w.sees, w.fill, w.click
	enter := func(name string) {
		t.Helper()
		do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(h.URL+"/office/sign-in"))
		click(fmt.Sprintf(`.rows li:has(input[value=%q]) button`, name))
	}
	leave := func() { t.Helper(); click(`form[action$="/sign-out"] button`) }
	page := func() string {
		t.Helper()
		v, err := chromedp.Run(w.ctx, chromedp.Evaluate[sight](`({wide: 0, text: document.body.innerText})`))
		if err != nil {
			t.Fatal(err)
		}
		return v.Text
	}
	find := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindString(page())
		if m == "" {
			t.Fatalf("no %s in %s", pattern, page())
		}
		return m
	}

	do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(h.URL+"/"))
	click(`a[href="/report"]`) // one tap from the first page
	fill("#behaviour", "H6")
	fill("#subject", "示例街道社区卫生服务中心")
	fill("#region", "990100")
	fill("#text", "六月以来多人挂床，白天不在病房。")
	w.tick("input[name=named][value='1']")
	fill("#name", "张三")
	fill("#phone", "x")
	click(`form[action="/report"] .button`)
	sees("请写能联系到您的电话号码", "可以不留姓名")
	fill("#phone", "13800000001")
	click(`form[action="/report"] .button`)
	sees("已收到您的举报", "查询码只显示这一次")
	id, code := find(`JB\d{18}`), find(`[A-Z2-7]{4}(-[A-Z2-7]{4}){3}`)
	do(chromedp.Navigate(h.URL + "/report/progress"))
	fill("#id", id)
	fill("#code", "AAAA-AAAA-AAAA-AAAA")
	click(`form[action="/report/progress"] button`)
	sees("编号和查询码对不上")

	enter("jihe")
	click(`.side a[href="/console/tipoffs"]`)
	sees(id, "挂名、挂床住院", "留名", "已登记")
	click(`.grid a`)
	sees("白天不在病房", "15 个工作日", "加密保存")
	if strings.Contains(page(), "张三") {
		t.Error("who told of it is shown")
	}
	fill("#purpose", "联系举报人核实")
	click(`form[action$="/reveal"] button`)
	sees("张三", "13800000001")
	do(chromedp.Navigate(h.URL + "/console/tipoffs/" + id))
	w.tick("input[value=accept]")
	click(`form[action$="/decide"] button`)
	sees("已受理", "受理的人不能结案")
	fill("#note", "查看病房和护理记录，十人不在院")
	click(`form[action$="/check"] button`)
	sees("核查中")

	leave()
	enter("jihe2")
	do(chromedp.Navigate(h.URL + "/console/tipoffs/" + id))
	w.tick("input[value=founded]")
	fill("#recovered", "1000000")
	fill("#result", "查实挂床住院，已追回基金。")
	sees("举报奖励比例")
	click(`form[action$="/close"] button`)
	sees("已结案：查实", "20,000.00 元")

	do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(h.URL+"/report/progress"))
	fill("#id", id)
	fill("#code", code)
	click(`form[action="/report/progress"] button`)
	sees("已结案：查实", "20,000.00 元", "已追回基金")
	if strings.Contains(page(), "护理记录") {
		t.Error("what was found on the way is shown to who told of it")
	}

	do(chromedp.Navigate(h.URL + "/console"))
	leave()
	enter("shouli")
	click(`.side a[href="/console/tipoffs"]`)
	sees("没有这样的举报")
	click(`a[href="/console/tipoffs/new"]`)
	sees("由他人受理")
	fill("#channel", "phone")
	fill("#behaviour", "P1")
	fill("#subject", "示例大药房")
	fill("#text", "来电反映用医保卡买洗衣液和大米。")
	click(`form[action="/console/tipoffs"] .button`)
	sees("已登记，请告知举报人")
	id = find(`JB\d{18}`)
	do(chromedp.Navigate(h.URL + "/console/tipoffs/" + id))
	sees("请由他人受理", "P99010000401")
	for _, e := range w.errs() {
		if !strings.Contains(e, "422") { // the browser's own word for what was refused
			t.Errorf("console: %s", e)
		}
	}
}

// TestNotice: what an administrator sets stands on everybody's pages.
func TestNotice(t *testing.T) {
	s := openSandbox(t, t.TempDir())
	h := httptest.NewServer(s)
	defer func() {
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	w := watch(t, "notice")
	w.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(h.URL+"/office/sign-in"))
	w.click(`.rows li:has(input[value="guanli"]) button`)
	w.click(`.side a[href="/console/notices"]`)
	w.sees("还没有发过公告")
	w.fill("#text", "今晚系统维护，期间不能缴费；结算不受影响。")
	w.click(`form[action="/console/notices"] .button`)
	w.sees("已保存", "显示中", "今晚系统维护")
	w.do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(h.URL+"/"))
	w.sees("今晚系统维护")
	w.do(chromedp.Navigate(h.URL + "/policies"))
	w.sees("今晚系统维护", "政策包")
	w.do(chromedp.Navigate(h.URL + "/console/notices"))
	w.click(`form[action$="/end"] button`)
	w.sees("已撤下", "已结束")
	w.do(chromedp.Navigate(h.URL + "/answers"))
	w.looks("after", "医保问答")
	if text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`document.body.innerText`)); err != nil || strings.Contains(text, "今晚系统维护") {
		t.Errorf("it still stands: %v", err)
	}
}
