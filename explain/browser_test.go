package explain_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/anji-platform/anji/explain"
	"github.com/anji-platform/anji/web/browsertest"
)

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
	ctx, errs := browsertest.Open(t)
	dir := browsertest.Screenshots(t)
	full := httptest.NewServer(explain.New(config(sample())))
	defer full.Close()
	empty := httptest.NewServer(explain.New(config(&records{})))
	defer empty.Close()

	pages := []struct {
		name, url string
		has       []string
	}{
		{"home", full.URL + "/demo", []string{"3,440.00 元", "6,560.00 元", "10,000.00 元", "老*"}},
		{"home-en", full.URL + "/demo?lang=en", []string{"¥3,440.00"}},
		{"empty", empty.URL + "/demo", []string{"还没有结算"}},
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
					findings := browsertest.Axe(t, ctx)
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
						t.Error(f)
					}
				})
			}
		}
	}
}

// TestKeyboard goes to the language switch by keys alone and uses it.
func TestKeyboard(t *testing.T) {
	ctx, _ := browsertest.Open(t)
	server := httptest.NewServer(explain.New(config(sample())))
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
