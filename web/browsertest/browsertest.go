// Package browsertest opens pages in Chromium for tests: what its console
// says, what the accessibility checker finds, what it looks like.
package browsertest

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
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

// Open starts a browser with a profile of its own and returns a tab and the errors of its console.
// More options may be given, such as a camera.
func Open(t *testing.T, more ...chromedp.ExecAllocatorOption) (context.Context, func() []string) {
	t.Helper()
	if os.Getenv("ANJI_SKIP_BROWSER") != "" {
		t.Skip("ANJI_SKIP_BROWSER is set: pages are opened in a run of their own")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", false),
	)
	options = append(options, more...)
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

// Click clicks what the selector finds, which must be where a finger would touch
// it, and waits for the page that it leads to.
func Click(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	covered, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		if (!e) return 'nothing is there';
		e.scrollIntoView({block: 'center'});
		const r = e.getClientRects()[0], at = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
		if (!e.contains(at)) return 'it is covered by ' + (at ? at.outerHTML.slice(0, 100) : 'nothing');
		document.body.dataset.left = '';
		e.click();
		return '';
	})()`, selector)))
	if err != nil || covered != "" {
		t.Fatalf("%s cannot be clicked: %s %v", selector, covered, err)
	}
	if err := chromedp.Do(ctx, chromedp.WaitReady(chromedp.CSS("body:not([data-left]) footer"))); err != nil {
		t.Fatalf("%s leads nowhere: %v", selector, err)
	}
}

// Screenshots is the folder for what the browser saw.
func Screenshots(t *testing.T) string {
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

// Axe returns what the accessibility checker finds serious on the open page,
// and logs the rest.
func Axe(t *testing.T, ctx context.Context) (serious []string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](axe+";0")); err != nil {
		t.Fatal(err)
	}
	findings, err := chromedp.Run(ctx, chromedp.Evaluate[[]finding](
		`axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		report := fmt.Sprintf("axe: %s (%s): %s %+v", f.ID, f.Impact, f.Help, f.Nodes)
		if f.Impact == "serious" || f.Impact == "critical" {
			serious = append(serious, report)
		} else {
			t.Log(report)
		}
	}
	return serious
}
