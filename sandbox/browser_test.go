package sandbox_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/sandbox"
	"github.com/anji-platform/anji/web/browsertest"
)

func run[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	must(t, err)
	return v
}

// views are the screens that the pages are looked at on.
var views = []struct {
	name          string
	width, height int64
	options       []chromedp.EmulateViewportOption
}{
	{"390", 390, 844, []chromedp.EmulateViewportOption{chromedp.EmulateMobile, chromedp.EmulatePortrait}},
	{"1280", 1280, 900, nil},
}

// look opens a page on every screen, takes its picture, and checks that nothing
// sticks out, that the console is clean, and that people who cannot see or
// point can use it.
func (b *bench) look(ctx context.Context, errs func() []string, name, path string) {
	b.t.Helper()
	dir := os.Getenv("ANJI_SCREENSHOTS")
	if dir == "" {
		dir = filepath.Join("..", "out", "screenshots")
	}
	must(b.t, os.MkdirAll(dir, 0o755))
	for _, view := range views {
		for _, scheme := range []string{"light", "dark"} {
			errs()
			must(b.t, chromedp.Do(ctx, chromedp.EmulateViewport(view.width, view.height, view.options...)))
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
			})
			must(b.t, err)
			must(b.t, chromedp.Do(ctx, chromedp.Navigate(b.http.URL+path)))
			wide := run(b.t, ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
			picture := run(b.t, ctx, chromedp.FullScreenshot(100))
			file := fmt.Sprintf("sandbox-%s-%s-%s.png", name, view.name, scheme)
			must(b.t, os.WriteFile(filepath.Join(dir, file), picture, 0o644))
			for _, e := range errs() {
				b.t.Errorf("%s: console: %s", file, e)
			}
			if wide > 0 {
				b.t.Errorf("%s is %d px wider than the screen", file, wide)
			}
			for _, f := range browsertest.Axe(b.t, ctx) {
				b.t.Errorf("%s: %s", file, f)
			}
		}
	}
}

func visible(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.WaitVisible(chromedp.CSS(selector))
}

// TestBrowser does what a maker of a HIS does: sees a message come without
// loading the page again, forces a reply to be lost and sends the message
// again, reads the report, and resets.
func TestBrowser(t *testing.T) {
	ctx, errs := browsertest.Open(t)
	b := newBench(t)
	background := context.Background()

	must(t, chromedp.Do(ctx, chromedp.Navigate(b.http.URL+"/sandbox"), visible("#live.on"), visible("#empty")))
	must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`window.sameDocument = true;0`)))
	h := b.signedIn("H99010000201", "990100")
	must(t, chromedp.Do(ctx, visible(`#exchanges a[href="/sandbox/exchanges/1"]`)))
	_, err := h.Outpatient(background, demo.LiJi, "李济", bill)
	must(t, err)
	must(t, chromedp.Do(ctx, visible(`#exchanges li:first-child a[href="/sandbox/exchanges/7"]`)))
	if !run(t, ctx, chromedp.Evaluate[bool](`window.sameDocument === true && document.getElementById("empty").hidden`)) {
		t.Error("the page was loaded again, or still says that there is nothing")
	}
	if n := run(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll("#exchanges li").length`)); n != 7 {
		t.Errorf("%d rows", n)
	}

	// The panel: a lost reply of the next settlement.
	must(t, chromedp.Do(ctx, chromedp.Navigate(b.http.URL+"/sandbox/force"), visible(`input[value="lost"]`)))
	must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector('select[name=number]').value = "2207"; document.querySelector('form .button').click()`)))
	must(t, chromedp.Do(ctx, visible("#arms")))
	if _, err := h.Outpatient(background, demo.People()[0].CitizenID, "张安", bill); err == nil {
		t.Error("the reply arrived")
	}
	if code, _ := b.again(); code != "0" {
		t.Errorf("the message again: %s", code)
	}
	must(t, chromedp.Do(ctx, chromedp.Navigate(b.http.URL+"/sandbox/exchanges/13"), visible(".decided")))
	text := run(t, ctx, chromedp.Text(chromedp.CSS("main")))
	for _, want := range []string{"应答丢失", "业务已经办理并记账", "医疗费总额", "记的账"} {
		if !strings.Contains(text, want) {
			t.Errorf("the lost exchange does not show %q", want)
		}
	}
	must(t, chromedp.Do(ctx, chromedp.Navigate(b.http.URL+"/sandbox/exchanges/14"), visible(".decided")))
	if text := run(t, ctx, chromedp.Text(chromedp.CSS(".decided"))); !strings.Contains(text, "同一 msgid 的重发") {
		t.Errorf("the repeated exchange: %s", text)
	}

	// Something wrong and something held, so that the pictures show them.
	if _, err := h.Call(background, "2201", "", map[string]any{"data": map[string]any{"psn_no": "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一", "begntime": "明天", "insutype": "31"}}); err == nil {
		t.Error("a wrong message was done")
	}
	b.post("/sandbox/force", url.Values{"kind": {"refusal"}, "number": {"2304"}, "count": {"3"}, "message": {"该人员今日已在其他机构结算"}})
	b.post("/sandbox/force", url.Values{"kind": {"late"}, "provider": {"H99010000101"}, "count": {"1"}, "seconds": {"45"}})
	county := b.signedIn("H99020000101", "990200")
	_, err = county.Inpatient(background, demo.Guo, "老郭", bill)
	if err == nil || !strings.Contains(err.Error(), "今日已在其他机构结算") {
		t.Errorf("the forced refusal: %v", err)
	}
	for name, path := range map[string]string{
		"exchanges": "/sandbox", "none": "/sandbox?provider=H99010000301", "settled": "/sandbox/exchanges/13", "refused": "/sandbox/exchanges/15",
		"people": "/sandbox/people", "force": "/sandbox/force", "conformance": "/sandbox/conformance", "report": "/sandbox/conformance?provider=H99010000201",
	} {
		b.look(ctx, errs, name, path)
	}

	must(t, chromedp.Do(ctx, chromedp.Navigate(b.http.URL+"/sandbox/conformance?provider=H99010000201"), visible(".flows")))
	if text := run(t, ctx, chromedp.Text(chromedp.CSS(".flows"))); !strings.Contains(text, "普通门诊 已走通 2 次") || !strings.Contains(text, "同一 msgid 原样重发 已走通") {
		t.Errorf("the report: %s", text)
	}

	must(t, chromedp.Do(ctx, chromedp.Navigate(b.http.URL+"/sandbox/force"), chromedp.Click(chromedp.CSS(".confirm summary")), visible(".danger"), chromedp.Click(chromedp.CSS(".danger")), visible(".notice")))
	if text := run(t, ctx, chromedp.Text(chromedp.CSS(".notice"))); !strings.Contains(text, "已重置") {
		t.Errorf("the reset: %s", text)
	}
	if err := h.SignIn(background); err != nil {
		t.Errorf("after the reset: %v", err)
	}
	if r := b.report("H99010000201"); r["repeat"].State != sandbox.Completed {
		t.Errorf("%+v", r["repeat"])
	}
}
