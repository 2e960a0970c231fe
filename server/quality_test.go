package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// visited is a page of the site as somebody sees it.
type visited struct {
	path string
	role signin.Role
}

// pages are all pages that can be asked for, from the site's own table of routes,
// each as the first role that it is for; of the visitor's own.
func (a *access) pages() (out []visited) {
	for _, r := range a.server.site.Routes() {
		method, _, _ := strings.Cut(r.Pattern, " ")
		if method != http.MethodGet {
			continue
		}
		role := r.For[0]
		if slices.Equal(r.For, web.Everyone) {
			role = signin.Person // who sees the most of it
		}
		p := visited{a.path(r.Pattern, a.own), role}
		if w := a.ask(http.MethodGet, p.path, p.role); w.Code != http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") { // not a file
			out = append(out, p)
		}
	}
	if len(out) < 30 {
		a.Fatalf("%d pages", len(out))
	}
	return out
}

// ofPeople are the pages of the portal, for who is signed in and who is not.
func (a *access) ofPeople() (out []visited) {
	for _, p := range a.pages() {
		if p.role == signin.Person && !strings.HasPrefix(p.path, "/office") {
			out = append(out, p)
		}
	}
	for _, path := range []string{"/", "/sign-in", "/sign-in?by=password", "/estimate?region=990100&scheme=employee&kind=inpatient&a=10000&b=5000&c=200", "/catalogue", "/providers"} {
		out = append(out, visited{path, ""})
	}
	return append(out, visited{"/me/filings/new?group=" + "%E5%BC%82%E5%9C%B0%E9%95%BF%E6%9C%9F%E5%B1%85%E4%BD%8F%E4%BA%BA%E5%91%98", signin.Person},
		visited{"/catalogue?q=%E8%8D%AF", signin.Person}, visited{"/nowhere", signin.Person})
}

var statics = regexp.MustCompile(`(?:href|src)="(/static/[^"#]+)`)

// weight is how many bytes a browser fetches for a page that was never there
// before: with its styles, scripts and pictures, compressed.
func (a *access) weight(p visited, had map[string]bool) (size, status int) {
	a.Helper()
	fetch := func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		if token := a.tokens[p.role]; token != "" {
			r.AddCookie(&http.Cookie{Name: "anji", Value: token})
		}
		a.asked++
		r.RemoteAddr = fmt.Sprintf("10.1.%d.%d:1", a.asked/250, a.asked%250)
		w := httptest.NewRecorder()
		a.server.Handler.ServeHTTP(w, r)
		return w
	}
	w := fetch(p.path)
	size = w.Body.Len()
	plain := a.ask(http.MethodGet, p.path, p.role).Body.String()
	for _, m := range statics.FindAllStringSubmatch(plain, -1) {
		if had[m[1]] {
			continue
		}
		had[m[1]] = true
		x := fetch(m[1])
		if x.Code != http.StatusOK {
			a.Errorf("%s: %s is not there: %d", p.path, m[1], x.Code)
		}
		size += x.Body.Len()
	}
	return size, w.Code
}

// budget is how many bytes a page may take, all told: two seconds on a slow
// network of 600 kbit/s.
const budget = 150 << 10

// TestWeight: every page, with all that belongs to it, is small enough for a slow
// network.
func TestWeight(t *testing.T) {
	a := openAccess(t)
	apps := map[string]bool{"/": true, "/office/sign-in": true, "/employer": true, "/counter": true, "/console": true}
	for _, p := range a.pages() {
		size, status := a.weight(p, map[string]bool{})
		if size > budget {
			t.Errorf("%s as %s takes %d bytes, more than %d", p.path, p.role, size, budget)
		}
		if apps[p.path] {
			delete(apps, p.path)
			if status != http.StatusOK {
				t.Errorf("%s as %s: %d", p.path, p.role, status)
			}
			t.Logf("%s as %s takes %d bytes", p.path, p.role, size)
		}
	}
	if len(apps) > 0 {
		t.Errorf("no first pages %v", apps)
	}
}

// BenchmarkPages shows how long the server takes for each page.
func BenchmarkPages(b *testing.B) {
	a := openAccess(b)
	for _, p := range a.pages() {
		b.Run(strings.ReplaceAll(strings.TrimPrefix(p.path, "/"), "/", "_")+"="+string(p.role), func(b *testing.B) {
			for b.Loop() {
				a.ask(http.MethodGet, p.path, p.role)
			}
		})
	}
}

// browse opens a browser on the store of an access test.
func (a *access) browse(t *testing.T, name string) (w *watcher, address string) {
	t.Helper()
	h := httptest.NewServer(a.server.Handler)
	t.Cleanup(h.Close)
	return watch(t, name), h.URL
}

// as makes the browser somebody's, in a language.
func (w *watcher) as(a *access, address string, role signin.Role, prefs ...string) {
	w.Helper()
	cookies := map[string]string{"anji": a.tokens[role]}
	for i := 0; i+1 < len(prefs); i += 2 {
		cookies[prefs[i]] = prefs[i+1]
	}
	for name, value := range cookies {
		if _, err := chromedp.Call(w.ctx, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: address}); err != nil {
			w.Fatal(err)
		}
	}
}

// TestEnglish: no page of the portal in English has a word of Chinese that does not
// say that it is Chinese, in what is read and in what is only heard.
func TestEnglish(t *testing.T) {
	a := openAccess(t)
	w, address := a.browse(t, "english")
	w.do(chromedp.EmulateViewport(390, 844))
	seen := map[string]bool{}
	shown := map[string]string{"/providers": "providers", "/catalogue?q=%E8%8D%AF": "catalogue", "/me/insurance": "insurance", "/me/account": "account",
		a.path("GET /me/filings/{application}", a.own): "filing", a.path("GET /me/care/{settlement}", a.own): "care",
		"/estimate?region=990100&scheme=employee&kind=inpatient&a=10000&b=5000&c=200": "estimate"}
	for _, p := range a.ofPeople() {
		w.as(a, address, p.role, "lang", "en")
		w.do(chromedp.Navigate(address + p.path))
		if name := shown[p.path]; name != "" {
			w.looks(name)
		}
		found, err := chromedp.Run(w.ctx, chromedp.Evaluate[[]string](`(() => {
			const cjk = /[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]/, out = [];
			const chinese = (e) => { const l = e && e.closest('[lang]'); return l && l.lang.startsWith('zh'); };
			const walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
			for (let n = walk.nextNode(); n; n = walk.nextNode())
				if (cjk.test(n.data) && !chinese(n.parentElement) && !n.parentElement.closest('script, style')) out.push(n.parentElement.localName + ': ' + n.data.trim());
			// What is the page's own must be in its language, though what stands around it is
			// not: only a name in it may say that it is Chinese.
			for (const e of document.querySelectorAll('h1, h2, h3, th[scope=col], thead th, dt, button, legend, label, summary, nav a, .tag, .hint, .empty')) {
				const c = e.cloneNode(true);
				for (const x of c.querySelectorAll('[lang^=zh]')) x.remove();
				if (!(e.lang || '').startsWith('zh') && cjk.test(c.textContent)) out.push(e.localName + ' within Chinese: ' + c.textContent.trim());
			}
			for (const e of document.querySelectorAll('*'))
				for (const name of ['aria-label', 'placeholder', 'title', 'alt'])
					if (cjk.test(e.getAttribute(name) || '') && !chinese(e)) out.push(e.localName + '[' + name + ']: ' + e.getAttribute(name));
			return out;
		})()`))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range found {
			if !seen[x] {
				seen[x] = true
				t.Errorf("%s as %q: %s", p.path, p.role, x)
			}
		}
	}
}

// TestNoScript: what people read and fill in is there without script.
func TestNoScript(t *testing.T) {
	a := openAccess(t)
	w, address := a.browse(t, "noscript")
	if _, err := chromedp.Call(w.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		visited
		want []string
	}{
		{visited{"/", signin.Person}, []string{"您好，李济", "今天看病可以报销"}},
		{visited{"/me/credential", signin.Person}, []string{"医保电子凭证"}},
		{visited{a.path("GET /me/care/{settlement}", a.own), signin.Person}, []string{"逐项说明", "依据"}},
		{visited{"/estimate?kind=outpatient&a=1000", signin.Person}, []string{"最省"}},
		{visited{"/catalogue?q=%E8%8D%AF", ""}, []string{"甲类药品"}},
		{visited{"/counter", signin.Counter}, []string{"开始结算"}},
		{visited{"/employer/staff", signin.Employer}, []string{"张安"}},
		{visited{"/console/filings?state=all", signin.Review}, []string{"异地长期居住人员"}},
	} {
		w.as(a, address, x.role)
		w.do(chromedp.Navigate(address + x.path))
		text, err := chromedp.Run(w.ctx, chromedp.TextContent(chromedp.CSS("body")))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range x.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q", x.path, want)
			}
		}
		if strings.Contains(text, "用摄像头扫码") { // what needs a script is not offered without
			hidden, err := chromedp.Run(w.ctx, chromedp.AttributeValue(chromedp.CSS("[data-scan-open]"), "hidden"))
			if err != nil || !hidden.Exists {
				t.Errorf("%s offers a camera without script: %v", x.path, err)
			}
		}
	}
}

// TestDarkAndLarge: the main pages in the dark and in large type have nothing that
// the accessibility checker finds serious, and fit their screens.
func TestDarkAndLarge(t *testing.T) {
	a := openAccess(t)
	w, address := a.browse(t, "quality")
	main := []struct {
		name string
		visited
	}{
		{"home", visited{"/", signin.Person}}, {"welcome", visited{"/", ""}}, {"care", visited{a.path("GET /me/care/{settlement}", a.own), signin.Person}},
		{"insurance", visited{"/me/insurance", signin.Person}}, {"account", visited{"/me/account", signin.Person}}, {"estimate", visited{"/estimate?kind=outpatient&a=1000", signin.Person}},
		{"filings", visited{"/me/filings", signin.Person}}, {"queue", visited{"/console/filings", signin.Review}}, {"till", visited{"/counter", signin.Counter}},
		{"visit", visited{a.path("GET /counter/{visit}", a.own), signin.Counter}}, {"employer", visited{"/employer", signin.Employer}}, {"staff", visited{"/employer/staff", signin.Employer}},
	}
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"390x844", 390, 844}, {"1440x900", 1440, 900}} {
		w.do(chromedp.EmulateViewport(size.width, size.height))
		for _, mode := range []struct{ name, scheme, large string }{{"dark", "dark", "0"}, {"large", "light", "1"}} {
			if _, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: mode.scheme}}}); err != nil {
				t.Fatal(err)
			}
			for _, x := range main {
				w.as(a, address, x.role, "large", mode.large)
				w.do(chromedp.Navigate(address + x.path))
				w.looks(mode.name + "-" + x.name + "-" + size.name)
			}
		}
	}
}

// keyboard is a browser that is used without a pointer.
type keyboard struct{ *watcher }

// press presses a key.
func (k keyboard) press(key string) {
	k.Helper()
	k.do(chromedp.KeyEvent(key))
}

// focused is what has the focus: what it is, and whether that can be seen.
type focused struct {
	Is      string // tag, name and text
	Matches bool   // the selector that was asked for
	Visible bool
}

func (k keyboard) focus(selector string) (f focused) {
	k.Helper()
	f, err := chromedp.Run(k.ctx, chromedp.Evaluate[focused](fmt.Sprintf(`(() => {
		const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
		return {Is: e.localName + ' ' + (e.name || '') + ' ' + e.textContent.trim().slice(0, 40), Matches: e.matches(%q),
			Visible: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 && r.width > 0 && r.bottom > 0 && r.top < innerHeight};
	})()`, selector)))
	if err != nil {
		k.Fatal(err)
	}
	return f
}

// to goes to what the selector finds, by Tab alone; wherever it comes by, the focus
// can be seen.
func (k keyboard) to(selector string) {
	k.Helper()
	var way []string
	for range 80 {
		k.press(kb.Tab)
		f := k.focus(selector)
		if way = append(way, f.Is); !f.Visible && !strings.HasPrefix(f.Is, "body") {
			k.Errorf("the focus is not to be seen on %s", f.Is)
		}
		if f.Matches {
			return
		}
	}
	k.Fatalf("%s is not reached by Tab; on the way: %q", selector, way)
}

// enter presses Enter on what has the focus, and waits for the page that it leads to.
func (k keyboard) enter() {
	k.Helper()
	k.do(chromedp.Evaluate[chromedp.Void](`document.body.dataset.left = ''`))
	k.press(kb.Enter)
	k.do(chromedp.WaitReady(chromedp.CSS("body:not([data-left]) footer")))
}

// TestKeyboard: a person signs in, reaches the estimator and has an answer, and an
// officer opens an application from the queue, with the keyboard alone.
func TestKeyboard(t *testing.T) {
	a := openAccess(t)
	w, address := a.browse(t, "keyboard")
	k := keyboard{w}
	if err := a.server.DB.Update(t.Context(), func(tx *db.Tx) error {
		_, err := a.server.filings.ApplyAway(t.Context(), tx, filing.AwayRequest{Person: a.own["person"], Channel: filing.Window, Actor: "test",
			Away: filing.Away{Group: "异地长期居住人员", Destination: "320500", Commitment: true}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	w.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(address+"/"))
	// The first Tab leads to what skips the navigation.
	k.press(kb.Tab)
	if f := k.focus("a.skip"); !f.Matches || !f.Visible {
		t.Errorf("the first Tab leads to %+v", f)
	}
	k.press(kb.Enter)
	if f := k.focus("#main"); !f.Matches {
		t.Errorf("the skip link leads to %+v", f)
	}
	k.to(`a[href^="/sign-in"], form[action="/sign-in/demo"] button`)
	if k.focus(`a[href^="/sign-in"]`).Matches {
		k.enter()
	}
	if !k.focus(`.rows li:has(input[value="` + demo.LiJi + `"]) button`).Matches {
		k.to(`.rows li:has(input[value="` + demo.LiJi + `"]) button`)
	}
	k.enter()
	w.looks("home", "您好，李济")
	k.to(`main a[href="/estimate"]`)
	k.enter()
	k.to(`input[name=a]`)
	k.press("1000")
	k.to(`form[action="/estimate"] button`)
	k.enter()
	w.looks("estimate", "最省")

	w.do(chromedp.Navigate(address + "/office/sign-in"))
	k.to("#name")
	k.press("chushen")
	k.to("#password")
	k.press(demo.OperatorPassword)
	k.enter()
	w.looks("console", "李初审，您好", "去审核")
	k.to(`main a[href="/console/filings"]`)
	k.enter()
	k.to(`.grid a`)
	k.enter()
	w.looks("filing", "办理")

	// The till: a code by the scanner, which types and presses Enter; then an item.
	w.as(a, address, signin.Counter)
	w.do(chromedp.Navigate(address + "/counter"))
	if f := k.focus("#code"); !f.Matches {
		t.Errorf("the till begins at %+v", f)
	}
	code, _, err := backing{a.sandbox}.Code(t.Context(), demo.LiJi)
	if err != nil {
		t.Fatal(err)
	}
	k.press(code)
	k.enter()
	if f := k.focus("#q"); !f.Matches {
		t.Errorf("the visit begins at %+v", f)
	}
	k.press("yl")
	k.enter()
	if f := k.focus("#price0"); !f.Matches {
		t.Errorf("what was found begins at %+v", f)
	}
	k.press("12.50")
	k.enter()
	w.looks("till", "乙类药品", "12.50", "应收现金")
	if f := k.focus("#q"); !f.Matches {
		t.Errorf("after an item the till is at %+v", f)
	}
	k.to(`form[action$="/settle"] button`)
	k.enter()
	w.looks("settled", "已结算", "打印结算单")
	w.quiet()
}
