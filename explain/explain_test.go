package explain_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/explain"
)

func get(t *testing.T, h http.Handler, method, path string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPages(t *testing.T) {
	h := explain.New(config(sample()))
	for _, c := range []struct {
		path   string
		status int
		has    []string
		not    []string
	}{
		{"/demo", 200, []string{
			`<html lang="zh-CN">`, "老*", "孙**", "手册示例县医院", "3,440.00 元", `href="/settlements/S2025060100000001"`,
			`href="/policies/990100"`, "http://localhost:8080/his", "不予支付", "已撤销", "虚构的演示数据", `href="/demo?lang=en"`,
			`href="/sandbox"`, "2025-06-01 10:30", "&#34;infno&#34;:&#34;9001&#34;",
		}, []string{"老郭", "孙敏", "王平", "还没有结算"}},
		{"/demo?lang=en", 200, []string{`<html lang="en">`, "¥3,440.00", `href="/settlements/S2025060100000001?lang=en"`, `href="/demo" lang="zh-CN"`}, []string{"最近的结算"}},
		{"/settlements/S2025060100000001", 200, []string{
			"<svg", `role="img"`, "10,000.00 元", "6,560.00 元", "3,440.00 元", "8,200.00 × 80% = 6,560.00", "起付标准",
			"《医保政策问答手册》", "问题三十三", `id="source-1"`, `href="#source-1"`, "老*", "990*************12",
			"政策包 手册示例县 990200 版本 2025.1（2025-01-01 起）", "<details open>", "诊疗服务",
		}, []string{"老郭", "990100198808080412"}},
		{"/settlements/S2025060100000001?lang=en", 200, []string{"You bear", "¥6,560.00", "Basic pooled fund “<span lang=\"zh-CN\">住院统筹基金</span>”", "Paid by “<span lang=\"zh-CN\">职工基本医疗保险统筹基金</span>”"}, []string{"您负担"}},
		{"/settlements/S2025060100000002", 200, []string{"注射用&lt;示例&gt;单抗 &amp; 辅料", "−360,820.00 元", "275,565.99 元", "1,234.56 元", "990200（转诊）", "算法：「住院支付比例」"}, []string{"<示例>"}},
		{"/settlements/S2025060100000003", 200, []string{"医保基金不予支付", "应当由第三人负担", "第三十条第一款第二项", "《中华人民共和国社会保险法》"}, nil},
		{"/settlements/S2025060100000004", 200, []string{"这笔结算已撤销"}, nil},
		{"/settlements/none", 404, []string{"没有找到这个页面", `<html lang="zh-CN">`}, nil},
		{"/settlements/" + strings.Repeat("9", 100), 404, []string{"没有找到这个页面"}, nil},
		{"/policies", 200, []string{"安济示例市", "2025.1", "2025-01-01 起", "2020-01-01 至 2020-12-31", "官方文件已核"}, nil},
		{"/policies/990100", 200, []string{"<h1 lang=\"zh-CN\">安济示例市</h1>", "职工住院", "85%"}, nil},
		{"/policies/000001?lang=en", 404, []string{"Page not found"}, nil},
		{"/nothing/here", 404, []string{"没有找到这个页面"}, nil},
		{"/policies?lang=en", 200, []string{"Policy packages", "2020-01-01 to 2020-12-31", `href="/policies/500000?lang=en"`}, nil},
		{"/healthz", 200, []string{"ok\n"}, nil},
	} {
		t.Run(c.path, func(t *testing.T) {
			r := get(t, h, "GET", c.path)
			if r.StatusCode != c.status {
				t.Fatalf("status %d, want %d", r.StatusCode, c.status)
			}
			text := body(t, r)
			for _, s := range c.has {
				if !strings.Contains(text, s) {
					t.Errorf("page lacks %q", s)
				}
			}
			for _, s := range c.not {
				if strings.Contains(text, s) {
					t.Errorf("page has %q", s)
				}
			}
			if m := regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son\w+=|ZgotmplZ`).FindString(text); m != "" {
				t.Errorf("page has %q, which the content policy stops", m)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	h := explain.New(config(sample()))
	for _, path := range []string{"/demo", "/settlements/none", "/policies", "/healthz", "/static/none.css"} {
		r := get(t, h, "GET", path)
		csp := r.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: content policy %q", path, csp)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, r.Header)
		}
	}
	for path, want := range map[string]string{
		"/demo": "no-store", "/settlements/S2025060100000001": "no-store", "/settlements/none": "no-store", "/healthz": "no-store",
		"/policies": "no-cache", "/policies/990100": "no-cache", "/policies/000001": "no-store", "/static/none.css": "no-store",
	} {
		if got := get(t, h, "GET", path).Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", path, got, want)
		}
	}
}

func TestMethods(t *testing.T) {
	h := explain.New(config(sample()))
	r := get(t, h, "HEAD", "/demo")
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("HEAD: %d %v", r.StatusCode, r.Header)
	}
	for _, m := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		r := get(t, h, m, "/settlements/S2025060100000001")
		if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", m, r.StatusCode, r.Header.Get("Allow"))
		}
	}
}

// TestStatic follows the addresses that a page gives: each is there, of the
// right type, and may be kept for ever because its name holds its hash.
func TestStatic(t *testing.T) {
	h := explain.New(config(sample()))
	page := body(t, get(t, h, "GET", "/demo"))
	found := regexp.MustCompile(`/static/(?:style|icon)-[0-9a-f]{16}\.(?:css|svg)`).FindAllString(page, -1)
	if len(found) < 3 {
		t.Fatalf("static files on the page: %v", found)
	}
	for _, path := range found {
		r := get(t, h, "GET", path)
		kind := r.Header.Get("Content-Type")
		if r.StatusCode != 200 || r.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" ||
			!strings.HasPrefix(kind, "text/css") && kind != "image/svg+xml" {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
		if text := body(t, r); strings.Contains(text, "url(http") || strings.Contains(text, "@import") {
			t.Errorf("%s asks for something from outside", path)
		}
	}
}

func TestEmpty(t *testing.T) {
	text := body(t, get(t, explain.New(explain.Config{Settlements: &records{}, Packages: &records{}}), "GET", "/demo"))
	for _, s := range []string{"还没有结算", "还没有装入政策包"} {
		if !strings.Contains(text, s) {
			t.Errorf("empty home page lacks %q", s)
		}
	}
	if strings.Contains(text, "/sandbox") {
		t.Error("a sandbox is linked that is not there")
	}
	if strings.Contains(text, "虚构的演示数据") {
		t.Error("real data is called made up")
	}
}

// TestMask checks that what is short or missing is masked too.
func TestMask(t *testing.T) {
	m := sample()
	s := m.settled[0]
	h := explain.New(config(m))
	for _, c := range []struct{ name, id, wantName, wantID string }{
		{"张安", "99010019931112003X", "张*", "990*************3X"},
		{"赵小禾", "990100199311120033", "赵**", "990*************33"},
		{"阿卜杜拉·买买提", "990100199311120033", "阿***", "990*************33"},
		{"王", "12345678", "王*", "********"},
	} {
		s.Name, s.CitizenID = c.name, c.id
		text := body(t, get(t, h, "GET", "/settlements/"+s.ID))
		if !strings.Contains(text, "<dd>"+c.wantName+"</dd>") || !strings.Contains(text, ">"+c.wantID+"</dd>") {
			t.Errorf("%s %s is not shown as %s %s", c.name, c.id, c.wantName, c.wantID)
		}
		if strings.Contains(text, c.id) || len(c.name) > len("王") && strings.Contains(text, c.name) {
			t.Errorf("%s %s is shown", c.name, c.id)
		}
	}
}

// broken panics where a page asks for its data.
type broken struct{ records }

func (*broken) Explain(context.Context, string, bill.Lang) (*explain.ExplainedPackage, error) {
	panic("a fault of the program")
}

func TestFailure(t *testing.T) {
	var log strings.Builder
	m := sample()
	m.err = errors.New("database is away")
	c := config(m)
	c.Packages = &broken{}
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	c.Health = func(context.Context) error { return m.err }
	h := explain.New(c)
	for _, path := range []string{"/demo", "/policies/990100"} {
		r := get(t, h, "GET", path)
		text := body(t, r)
		if r.StatusCode != 500 || !strings.Contains(text, "暂时无法显示") || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", path, r.StatusCode, text)
		}
		if strings.Contains(text, "database is away") || strings.Contains(text, "fault of the program") {
			t.Errorf("%s tells the reader the inside of the failure", path)
		}
	}
	if s := log.String(); !strings.Contains(s, "database is away") || !strings.Contains(s, "a fault of the program") {
		t.Errorf("log: %s", s)
	}
	if r := get(t, h, "GET", "/healthz"); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("unhealthy: %d", r.StatusCode)
	}
}
