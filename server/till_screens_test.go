package server

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/skip2/go-qrcode"
	"github.com/xuri/excelize/v2"

	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/signin"
)

// camera writes what a camera sees, who holds up a code: some frames of an
// uncompressed video (YUV4MPEG2), dark around a picture that is not quite sharp.
func camera(t *testing.T, code string) string {
	t.Helper()
	const width, height, edge = 1280, 720, 640
	q, err := qrcode.New(code, qrcode.Medium)
	if err != nil {
		t.Fatal(err)
	}
	picture := q.Image(edge)
	path := filepath.Join(t.TempDir(), "camera.y4m")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\n", width, height)
	frame := bytes.Repeat([]byte{60}, width*height)
	for y := range edge {
		for x := range edge {
			grey, _, _, _ := picture.At(x, y).RGBA()
			frame[(y+40)*width+x+300] = byte(30 + grey>>8*200/255)
		}
	}
	frame = append(frame, bytes.Repeat([]byte{128}, width*height/2)...)
	for range 3 {
		fmt.Fprint(w, "FRAME\n")
		w.Write(frame)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// till is a sandbox and the address of its pages.
func till(t *testing.T) (s *Sandbox, address string) {
	t.Helper()
	s = openSandbox(t, t.TempDir())
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		inspect(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, h.URL
}

// quiet reports what the console said beyond the browser's own word for what was
// refused.
func (w *watcher) quiet() {
	w.Helper()
	for _, x := range w.errs() {
		if !strings.Contains(x, "422") {
			w.Errorf("console: %s", x)
		}
	}
}

// TestCamera: the code that a camera sees opens the visit, with a library where the
// browser has no reader of its own; nothing is fetched for it before.
func TestCamera(t *testing.T) {
	s, address := till(t)
	code, _, err := backing{s}.Code(t.Context(), demo.LiJi)
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, "camera", chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", camera(t, code)))
	fetched := func() bool {
		t.Helper()
		n, err := chromedp.Run(w.ctx, chromedp.Evaluate[int](`performance.getEntriesByType('resource').filter(r => r.name.includes('/zxing-')).length`))
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	w.do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(address+"/counter"))
	w.click(`.rows li:has(input[value=yaodian]) button`)
	w.sees("示例大药房", "用摄像头扫码")
	if fetched() {
		t.Error("the library was fetched before it was needed")
	}
	// Close it and open it again, as somebody would who changes their mind.
	w.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-scan-open]').click()`),
		chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-scan-close]').click()`))
	w.sees("用摄像头扫码")
	w.do(chromedp.Evaluate[chromedp.Void](`document.body.dataset.left = ''; document.querySelector('[data-scan-open]').click()`),
		chromedp.WaitReady(chromedp.CSS(`body:not([data-left]) #q`)))
	w.sees("李*", "还没有费用")
	w.quiet()
}

// TestNoCamera: without a camera, or the right to use it, the page says so and
// takes what is typed.
func TestNoCamera(t *testing.T) {
	_, address := till(t)
	w := watch(t, "camera-none")
	w.do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(address+"/counter"))
	w.click(`.rows li:has(input[value=yaodian]) button`)
	w.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-scan-open]').click()`),
		chromedp.Poll[chromedp.Void](`document.querySelector('[data-scan-status]').textContent.includes('手工录入')`))
	w.sees("请用扫码枪或手工录入", "用摄像头扫码")
}

// TestCounter settles at a pharmacy's till, on a phone and on a desk: the code that
// a person's phone shows is scanned, an item found by what its name begins with,
// counted anew, taken off, picked again, settled, printed, explained, reversed.
func TestCounter(t *testing.T) {
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"390x844", 390, 844}, {"1440x900", 1440, 900}} {
		t.Run(size.name, func(t *testing.T) {
			s, address := till(t)
			code, _, err := backing{s}.Code(t.Context(), demo.LiJi)
			if err != nil {
				t.Fatal(err)
			}
			w := watch(t, "counter-"+size.name)
			do, sees, fill, click := w.do, w.sees, w.fill, w.click
			pick := func() {
				t.Helper()
				fill("#q", "yl")
				click(`form[role=search] button`)
				sees("乙类药品", "DRG990000002")
				fill("#price0", "100")
				fill("#quantity0", "2")
				click(`form[action$="/add"] button`)
			}
			do(chromedp.EmulateViewport(size.width, size.height), chromedp.Navigate(address+"/counter"))
			click(`.rows li:has(input[value=yaodian]) button`)
			sees("示例大药房", "今天还没有结算", "笔数")
			fill("#code", "nonsense")
			click(`form[action="/counter"] button`)
			sees("不是医保电子凭证的二维码")
			fill("#code", code)
			click(`form[action="/counter"] button`)
			sees("李*", "还没有费用")
			fill("#q", "zzz")
			click(`form[role=search] button`)
			sees("目录里没有名称含有“zzz”")
			pick()
			sees("乙类药品", "200.00", "应收现金")
			fill(".pieces input[name=quantity]", "x")
			click(".pieces button")
			sees("数量「x」应为大于 0")
			fill(".pieces input[name=quantity]", "3")
			click(".pieces button")
			sees("300.00")
			fill("#q", "DRG99000000")
			click(`form[role=search] button`)
			fill("#price0", "1.005")
			click(`form[action$="/add"] button`)
			sees("单价「1.005」应为大于 0 的金额，至多两位小数", "甲类药品")
			click(`form[action$="/remove"] button`)
			sees("还没有费用")
			pick()
			click(`a[href$="keep=1"]`)
			sees("用个人账户付", "200.00 元")
			click(`form[action$="/settle"] .button`)
			sees("已结算", "打印结算单", "200.00")
			click(`a[href$="/receipt"]`)
			sees("基本医疗保险结算单", "乙类药品", "200.00", "示例大药房收银", "李*")
			w.prints(t, "counter-receipt-a5", 559, "148×210")
			click(`.subtabs a[href$="80"]`)
			sees("基本医疗保险结算单", "200.00")
			w.prints(t, "counter-receipt-80mm", 302, "80×297")
			click(`a[href$="/explained"]`)
			sees("您负担", "依据")
			click(`.crumb a`)
			do(chromedp.Navigate(address + "/counter"))
			sees("已结算", "200.00")
			click(`.more`)
			sees("日结", "200.00", "下载日结单")
			do(chromedp.Navigate(address + "/counter"))
			click(`.grid a`)
			do(chromedp.Evaluate[chromedp.Void](`document.querySelector('details:has(form[action$="/reverse"])').open = true`))
			sees("请退还现金")
			click(`form[action$="/reverse"] button`)
			sees("已撤销结算，请退还现金", "乙类药品")
			do(chromedp.Navigate(address + "/counter/day"))
			sees("撤销", "-200.00", "已被撤销")
			do(chromedp.Navigate(address + "/counter/day?day=2025-02-30"))
			sees("日期「2025-02-30」应为今天或以前的一天")
			do(chromedp.Navigate(address + "/counter/day?day=2025-01-02"))
			sees("这一天没有结算")
			do(chromedp.Navigate(address + "/counter"))
			click(`.grid a`)
			click(`form[action$="/cancel"] button`)
			sees("已取消", "今天还没有结算")
			fill("#code", code)
			click(`form[action="/counter"] button`)
			sees("已") // a code is accepted once
			w.quiet()
		})
	}
}

var mediaBox = regexp.MustCompile(`/MediaBox ?\[0 0 ([0-9.]+) ([0-9.]+)\]`)

// prints keeps what a page looks like on paper of a width, in pixels of CSS, and
// wants one sheet of a size, in mm.
func (w *watcher) prints(t *testing.T, name string, width int64, sheet string) {
	t.Helper()
	pdf, err := chromedp.Run(w.ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize()))
	if err != nil {
		t.Fatal(err)
	}
	boxes := mediaBox.FindAllSubmatch(pdf, -1)
	if len(boxes) != 1 {
		t.Errorf("%s: %d sheets", name, len(boxes))
	}
	for _, b := range boxes {
		across, err1 := strconv.ParseFloat(string(b[1]), 64)
		down, err2 := strconv.ParseFloat(string(b[2]), 64)
		const point = 25.4 / 72
		if got := fmt.Sprintf("%.0f×%.0f", across*point, down*point); err1 != nil || err2 != nil || got != sheet {
			t.Errorf("%s: a sheet of %s, want %s", name, got, sheet)
		}
	}
	media := func(m string) {
		t.Helper()
		if _, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: m}); err != nil {
			t.Fatal(err)
		}
	}
	size, err := chromedp.Run(w.ctx, chromedp.Evaluate[struct{ W, H int64 }](`({W: innerWidth, H: innerHeight})`))
	if err != nil {
		t.Fatal(err)
	}
	w.do(chromedp.EmulateViewport(width, 400))
	media("print")
	shown, err := chromedp.Run(w.ctx, chromedp.Evaluate[sight](`({wide: document.documentElement.scrollWidth - document.documentElement.clientWidth, text: document.body.innerText})`))
	if err != nil {
		t.Fatal(err)
	}
	if shown.Wide > 0 {
		t.Errorf("%s is %d pixels too wide", name, shown.Wide)
	}
	for _, not := range []string{"返回", "退出", "Ctrl"} {
		if strings.Contains(shown.Text, not) {
			t.Errorf("%s: %q is printed", name, not)
		}
	}
	shot, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(90))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, name+".png"), shot, 0o644); err != nil {
		t.Fatal(err)
	}
	media("")
	w.do(chromedp.EmulateViewport(size.W, size.H))
}

// TestDaySheet: the day's sheet adds up, as Excel.
func TestDaySheet(t *testing.T) {
	a := openAccess(t)
	w := a.ask(http.MethodGet, "/counter/day.xlsx", signin.Counter)
	if w.Code != http.StatusOK {
		t.Fatalf("%d", w.Code)
	}
	f, err := excelize.OpenReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows("Sheet1")
	if err != nil || len(rows) < 4 || !strings.Contains(rows[0][0], "日结单") || rows[2][5] != "总费用（元）" || rows[len(rows)-1][0] != "合计" {
		t.Errorf("%q, %v", rows, err)
	}
	if w := a.ask(http.MethodGet, "/counter/day.xlsx?day=2999-01-01", signin.Counter); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("a day to come: %d", w.Code)
	}
}
