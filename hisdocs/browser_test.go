package hisdocs_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/anji-platform/anji/web/browsertest"
)

func run[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	must(t, err)
	return v
}

// js runs a script in the page and returns what it says.
func js[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	return run(t, ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// visible are the transactions and dictionaries to be seen.
const visible = `[...document.querySelectorAll('details.tx[data-name]')].filter(d => d.checkVisibility()).map(d => d.id)`

func TestSearch(t *testing.T) {
	ctx, errs := browsertest.Open(t)
	s := sandbox(t)
	must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/his/docs")))
	all := js[[]string](t, ctx, visible)
	if len(all) < 84 {
		t.Fatalf("before a search %d parts are to be seen", len(all))
	}
	for _, tt := range []struct {
		query    string
		has, not []string
		most     int
	}{
		{"2207", []string{"2207"}, []string{"2206", "9001"}, 1},
		{"门诊结算", []string{"2207", "2208"}, []string{"2304"}, 3},
		{"medfee_sumamt", []string{"2206", "2304"}, []string{"9001", "dict-med_type"}, 30},
		{"床位号 ", nil, []string{"9001"}, 10},
		{"职工基本医疗保险", []string{"dict-insutype"}, []string{"9001"}, 10},
		{"2304 总额", []string{"2304"}, []string{"2207"}, 1},
		{"没有这个东西", nil, []string{"9001"}, 0},
	} {
		must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector('#query').value = ''`)))
		must(t, chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS("#query"), tt.query)))
		left := " " + strings.Join(js[[]string](t, ctx, visible), " ") + " "
		for _, id := range tt.has {
			if !strings.Contains(left, " "+id+" ") {
				t.Errorf("%q does not find %s: %s", tt.query, id, left)
			}
		}
		for _, id := range tt.not {
			if strings.Contains(left, " "+id+" ") {
				t.Errorf("%q finds %s", tt.query, id)
			}
		}
		if n := len(strings.Fields(left)); n > tt.most {
			t.Errorf("%q finds %d", tt.query, n)
		}
		if none := js[bool](t, ctx, `document.getElementById('none').checkVisibility()`); none != (len(strings.Fields(left)) == 0) {
			t.Errorf("%q: says that nothing is found: %v", tt.query, none)
		}
	}
	// A deep link opens what the search has hidden.
	must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`location.hash = '#2207-medfee_sumamt'`)))
	if !js[bool](t, ctx, `new Promise(done => setTimeout(() => done(document.getElementById('2207-medfee_sumamt').checkVisibility() && document.getElementById('2207').open)))`) {
		t.Error("a link to a field does not open it")
	}
	if e := errs(); len(e) > 0 {
		t.Errorf("console: %q", e)
	}
}

// TestTry signs in and goes through a visit by the forms alone.
func TestTry(t *testing.T) {
	ctx, errs := browsertest.Open(t)
	s := sandbox(t)
	must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/his/docs#9001")))
	send := func(number string) string {
		t.Helper()
		return js[string](t, ctx, `(async () => {
			const part = document.getElementById('`+number+`');
			part.open = true;
			while (!part.querySelector('form.try')) await new Promise(done => requestAnimationFrame(done));
			const form = part.querySelector('form.try'), said = form.querySelector('.said');
			form.querySelector('[type=submit]').click();
			while (!said.textContent) await new Promise(done => requestAnimationFrame(done));
			return said.textContent + '\n' + form.querySelector('.got').textContent;
		})()`)
	}
	want := func(got string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(got, p) {
				t.Errorf("%q is not to be seen in:\n%s", p, got)
			}
		}
	}
	want(send("1101"), "失败，infcode -1", "尚未签到")
	want(send("9001"), "成功，infcode 0", "毫秒", `"infcode": 0,`, "交易状态码", "签到编号")
	want(js[string](t, ctx, `document.querySelector('#signed').textContent`), "示例区医院", "sign_no")
	want(send("1101"), `"psn_name": "李济"`, "人员姓名", "居民身份证")
	for _, number := range []string{"2201", "2203", "2204", "2206"} {
		want(send(number), "成功")
	}
	want(send("2207"), "成功", `"medfee_sumamt": 260.00`, `"hifp_pay": 107.20`, "普通门诊")
	// What is no JSON is not sent, and is said so.
	must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector('[id="9001"] textarea').value = '{'`)))
	want(send("9001"), "报文不是 JSON")
	// Another operator has to sign in, by the helper this time.
	must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector('#operator').value = ''`)))
	must(t, chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS("#operator"), "second"+kb.Enter)))
	must(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("#signed"))))
	want(js[string](t, ctx, `(async () => {
		const signed = document.querySelector('#signed');
		while (!signed.textContent.includes('已签到')) await new Promise(done => requestAnimationFrame(done));
		return signed.textContent;
	})()`), "second")
	want(send("1101"), "成功")
	command := js[string](t, ctx, `(async () => {
		let text = '';
		Object.defineProperty(navigator, 'clipboard', {value: {writeText: async s => { text = s; }}});
		document.querySelector('[id="1101"] [data-do=copy]').click();
		while (!text) await new Promise(done => requestAnimationFrame(done));
		return text;
	})()`)
	want(command, "curl -s '"+s.URL+"/his'", "Content-Type: application/json", `"opter": "second"`, "\nEND")
	if e := errs(); len(e) > 0 {
		t.Errorf("console: %q", e)
	}
}

// TestLooks opens the pages on a phone and on a desk, in light and dark.
func TestLooks(t *testing.T) {
	ctx, errs := browsertest.Open(t)
	dir := browsertest.Screenshots(t)
	s := sandbox(t)
	must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/his/docs")))
	search := func(words, then string) string {
		return `(async () => {
			const query = document.querySelector('#query');
			query.value = '` + words + `';
			query.dispatchEvent(new Event('input'));
			` + then + `
		})()`
	}
	pages := []struct {
		name, path, prepare string
		axe                 bool // slow on a page of so many fields
	}{
		{"docs", "/his/docs?", `0`, false},
		{"docs-open", "/his/docs?open", `['envelope', 'errors', 'dict-med_type'].forEach(id => document.getElementById(id).open = true)`, true},
		{"docs-2207", "/his/docs?link#2207-medfee_sumamt", `0`, false},
		{"docs-search", "/his/docs?search", search("结算", ""), false},
		{"docs-try", "/his/docs?try", search("9001", `
			const part = document.getElementById('9001');
			part.open = true;
			while (!part.querySelector('form.try')) await new Promise(done => requestAnimationFrame(done));
			part.querySelector('[type=submit]').click();
			while (!part.querySelector('.said').textContent) await new Promise(done => requestAnimationFrame(done));`), true},
		{"coverage", "/his/coverage", `document.getElementById('2201').open = true`, true},
	}
	for _, view := range []struct {
		name, scheme  string
		width, height int64
		options       []chromedp.EmulateViewportOption
	}{
		{"390x844-light", "light", 390, 844, []chromedp.EmulateViewportOption{chromedp.EmulateMobile, chromedp.EmulatePortrait}},
		{"1280x900-light", "light", 1280, 900, nil},
		{"1280x900-dark", "dark", 1280, 900, nil},
	} {
		for _, p := range pages {
			name := "his-" + p.name + "-" + view.name
			t.Run(name, func(t *testing.T) {
				errs()
				must(t, chromedp.Do(ctx, chromedp.EmulateViewport(view.width, view.height, view.options...)))
				_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}},
				})
				must(t, err)
				must(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+p.path)))
				must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](p.prepare, chromedp.EvalAwaitPromise)))
				if wide := js[int](t, ctx, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
					t.Errorf("the page is %d px wider than the screen", wide)
				}
				take := chromedp.FullScreenshot(100)
				if strings.Contains(p.path, "#") {
					take = chromedp.CaptureScreenshot()
				}
				picture := run(t, ctx, take)
				must(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
				if p.axe && view.name != "1280x900-light" {
					for _, f := range browsertest.Axe(t, ctx) {
						t.Error(f)
					}
				}
				for _, e := range errs() {
					t.Errorf("console: %s", e)
				}
			})
		}
	}
}
