package portal_test

import (
	"context"
	_ "embed"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/anji-platform/anji/portal"
)

//go:embed testdata/axe.min.js
var axe string

// chromium finds the browser. Without one the test is skipped, unless
// ANJI_REQUIRE_BROWSER says that it must run.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("ANJI_REQUIRE_BROWSER") != "" {
		t.Fatal("ANJI_REQUIRE_BROWSER is set and chromium is not installed (Debian: apt-get install chromium fonts-noto-cjk)")
	}
	t.Skip("chromium is not installed (Debian: apt-get install chromium fonts-noto-cjk); the pages were not opened in a browser")
	return ""
}

// browser starts a browser with a profile of its own and returns a tab and the errors of its console.
func browser(t *testing.T) (context.Context, func() []string) {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", false),
	)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var errs []string
	err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
				errs = append(errs, e.Entry.Text+" "+e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			errs = append(errs, e.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		list := errs
		errs = nil
		return list
	}
}

// screenshots is the folder for what the browser saw.
func screenshots(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ANJI_SCREENSHOTS")
	if dir == "" {
		dir = filepath.Join("..", "out", "screenshots")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

type finding struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML, FailureSummary string }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	must(t, err)
	return v
}

// sight is the answer of measure.
type sight struct {
	Wide      int
	Text, SVG string
	Clash     []string
}

// measure is what the page says of itself once it is drawn.
const measure = `({
	wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
	text: document.body.innerText,
	// bars of which the label runs into the amount, or out of the drawing
	clash: [...document.querySelectorAll('svg.waterfall g')].filter(g => {
		const [a, b] = [...g.querySelectorAll('text')].map(t => t.getBoundingClientRect());
		const box = g.ownerSVGElement.getBoundingClientRect();
		return a.right > b.left || b.right > box.right + 1 || a.left < box.left - 1;
	}).map(g => g.textContent),
	svg: [...document.querySelectorAll('svg.waterfall text')].map(t => t.textContent).join(' '),
})`

func TestBrowser(t *testing.T) {
	ctx, errs := browser(t)
	dir := screenshots(t)
	full := httptest.NewServer(portal.New(config(sample())))
	defer full.Close()
	empty := httptest.NewServer(portal.New(config(&records{})))
	defer empty.Close()

	pages := []struct {
		name, url string
		has       []string
	}{
		{"home", full.URL + "/", []string{"3,440.00 元", "6,560.00 元", "10,000.00 元", "老*"}},
		{"home-en", full.URL + "/?lang=en", []string{"¥3,440.00"}},
		{"empty", empty.URL + "/", []string{"还没有结算"}},
		{"handbook", full.URL + "/settlements/S2025060100000001", []string{"3,440.00 元", "8,200.00 × 80% = 6,560.00", "1,300.00 元", "问题三十三"}},
		{"handbook-en", full.URL + "/settlements/S2025060100000001?lang=en", []string{"¥3,440.00", "8,200.00 × 80% = 6,560.00"}},
		{"long", full.URL + "/settlements/S2025060100000002", []string{"1,200,800.55 元", "275,565.99 元", "−360,820.00 元"}},
		{"long-en", full.URL + "/settlements/S2025060100000002?lang=en", []string{"¥1,200,800.55"}},
		{"refused", full.URL + "/settlements/S2025060100000003", []string{"医保基金不予支付", "第三十条", "1,860.00 元"}},
		{"reversed", full.URL + "/settlements/S2025060100000004", []string{"这笔结算已撤销", "36.80 元"}},
		{"policies", full.URL + "/policies", []string{"安济示例市", "2025.1"}},
		{"policy", full.URL + "/policies/990100", []string{"职工住院", "85%"}},
		{"not-found", full.URL + "/nothing", []string{"没有找到这个页面"}},
	}
	views := []struct {
		name          string
		width, height int64
		options       []chromedp.EmulateViewportOption
	}{
		{"390x844", 390, 844, []chromedp.EmulateViewportOption{chromedp.EmulateMobile, chromedp.EmulatePortrait}},
		{"1440x900", 1440, 900, nil},
	}
	for _, view := range views {
		for _, scheme := range []string{"light", "dark"} {
			for _, p := range pages {
				name := p.name + "-" + view.name + "-" + scheme
				t.Run(name, func(t *testing.T) {
					errs()
					must(t, chromedp.Do(ctx, chromedp.EmulateViewport(view.width, view.height, view.options...)))
					_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
						Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
					})
					must(t, err)
					must(t, chromedp.Do(ctx, chromedp.Navigate(p.url)))
					seen := run(t, ctx, chromedp.Evaluate[sight](measure))
					picture := run(t, ctx, chromedp.FullScreenshot(100))
					must(t, chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](axe+";0")))
					findings := run(t, ctx, chromedp.Evaluate[[]finding](
						`axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)`, chromedp.EvalAwaitPromise))
					if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
						t.Fatal(err)
					}
					for _, e := range errs() {
						if p.name == "not-found" && strings.Contains(e, "404") {
							continue // the browser's own word for the answer that was asked for
						}
						t.Errorf("console: %s", e)
					}
					if seen.Wide > 0 {
						t.Errorf("the page is %d px wider than the screen", seen.Wide)
					}
					if len(seen.Clash) > 0 {
						t.Errorf("text of the waterfall overlaps: %q", seen.Clash)
					}
					for _, s := range p.has {
						if !strings.Contains(seen.Text, s) {
							t.Errorf("%q is not to be seen", s)
						}
					}
					for _, f := range findings {
						report := fmt.Sprintf("axe: %s (%s): %s %+v", f.ID, f.Impact, f.Help, f.Nodes)
						if f.Impact == "serious" || f.Impact == "critical" {
							t.Error(report)
						} else {
							t.Log(report)
						}
					}
				})
			}
		}
	}
}

// TestKeyboard goes to the language switch by keys alone and uses it.
func TestKeyboard(t *testing.T) {
	ctx, _ := browser(t)
	server := httptest.NewServer(portal.New(config(sample())))
	defer server.Close()
	must(t, chromedp.Do(ctx, chromedp.Navigate(server.URL+"/settlements/S2025060100000001")))
	var stops []string
	for focus := ""; focus != "language"; stops = append(stops, focus) {
		if len(stops) > 6 {
			t.Fatalf("the language switch is not among the first stops of the keyboard: %q", stops)
		}
		must(t, chromedp.Do(ctx, chromedp.KeyEvent(kb.Tab)))
		focus = run(t, ctx, chromedp.Evaluate[string](`document.activeElement.id || document.activeElement.textContent.trim()`))
	}
	outline := run(t, ctx, chromedp.Evaluate[string](`getComputedStyle(document.activeElement).outlineStyle`))
	must(t, chromedp.Do(ctx, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS(`html[lang="en"] .hero`))))
	text := run(t, ctx, chromedp.Text(chromedp.CSS("main")))
	if stops[0] != "跳到正文" {
		t.Errorf("the first stop is %q, not the skip link", stops[0])
	}
	if outline != "solid" {
		t.Errorf("the focused link has outline %q", outline)
	}
	if !strings.Contains(text, "¥3,440.00") {
		t.Errorf("the English page does not say what to pay:\n%s", text)
	}
}
