package ocr

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/web/browsertest"
)

// installed skips the test without the command, unless ANJI_REQUIRE_OCR says that
// it must run.
func installed(t *testing.T) {
	t.Helper()
	if (&Reader{}).Installed() {
		return
	}
	if os.Getenv("ANJI_REQUIRE_OCR") != "" {
		t.Fatalf("ANJI_REQUIRE_OCR is set: %v", ErrMissing)
	}
	t.Skipf("no picture was read: %v", ErrMissing)
}

// printed draws a page as a browser prints it.
func printed(t *testing.T, body string, photo bool) []byte {
	t.Helper()
	ctx, _ := browsertest.Open(t)
	page := `<!doctype html><meta charset="utf-8"><style>
body{margin:0;background:#fff;color:#000;font:20px "Noto Sans CJK SC";width:1500px;padding:40px;box-sizing:border-box}
h1{text-align:center;font-size:34px}.h{display:flex;justify-content:space-between;margin:6px 0}
table{width:100%;border-collapse:collapse;margin-top:10px}td,th{padding:8px 10px;text-align:left;border:1px solid #000;font-weight:400}
.n{text-align:right}.open td,.open th{border:0}</style>` + body
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1500, 700), chromedp.Navigate("data:text/html;base64,"+base64.StdEncoding.EncodeToString([]byte(page)))); err != nil {
		t.Fatal(err)
	}
	quality := 100 // PNG
	if photo {
		quality = 80
	}
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(quality))
	if err != nil {
		t.Fatal(err)
	}
	return shot
}

const hospital = `<h1>示例省医疗门诊收费票据（电子）</h1>
<div class=h><span>票据代码：99060125</span><span>票据号码：0001234567</span></div>
<div class=h><span>交款人统一社会信用代码：</span><span>校验码：a3f9c2</span></div>
<div class=h><span>交款人：李济</span><span>开票日期：2025-06-18</span></div>
<table><tr><th>项目名称</th><th>数量/单位</th><th class=n>金额（元）</th><th>备注</th><th>项目名称</th><th>数量/单位</th><th class=n>金额（元）</th><th>备注</th></tr>
<tr><td>西药费</td><td>1</td><td class=n>286.50</td><td></td><td>检查费</td><td>1</td><td class=n>1200.00</td><td></td></tr>
<tr><td>化验费</td><td>2</td><td class=n>135.00</td><td></td><td>诊察费</td><td>1</td><td class=n>20.00</td><td></td></tr></table>
<div class=h><span>金额合计（大写）：壹仟陆佰肆拾壹元伍角整</span><span>（小写）：1,641.50</span></div>
<div class=h><span>业务流水号：202506180001</span><span>门诊号：M00123</span><span>就诊日期：2025-06-18</span></div>
<div class=h><span>收款单位（章）：示例区医院</span><span>复核人：王五</span><span>收款人：赵六</span></div>`

const pharmacy = `<h1>电子发票（普通发票）</h1>
<div class=h><span></span><span>发票号码：25312000000012345678</span></div>
<div class=h><span></span><span>开票日期：2025年06月18日</span></div>
<div class=h><span>购买方信息 名称：李济</span><span style="width:50%">销售方信息 名称：示例大药房有限公司</span></div>
<table class=open><tr><th>项目名称</th><th>规格型号</th><th>单位</th><th class=n>数量</th><th class=n>单价</th><th class=n>金额</th><th class=n>税率/征收率</th><th class=n>税额</th></tr>
<tr><td>阿莫西林片</td><td>0.25g*24</td><td>盒</td><td class=n>2</td><td class=n>12.50</td><td class=n>25.00</td><td class=n>13%</td><td class=n>3.25</td></tr>
<tr><td>板蓝根颗粒</td><td>10g*20</td><td>盒</td><td class=n>1</td><td class=n>18.00</td><td class=n>18.00</td><td class=n>13%</td><td class=n>2.34</td></tr>
<tr><td>合计</td><td></td><td></td><td></td><td></td><td class=n>¥43.00</td><td></td><td class=n>¥5.59</td></tr></table>
<div class=h><span>价税合计（大写）肆拾捌元伍角玖分</span><span style="width:40%">（小写）¥48.59</span></div>`

// TestRead reads invoices from pictures with the real command.
func TestRead(t *testing.T) {
	installed(t)
	for _, x := range []struct {
		name, page string
		photo      bool
		want       string
	}{
		{"hospital", hospital, false, "code 99060125 number 0001234567 check a3f9c2 date 2025-06-18 total 1641.50 payee 示例区医院 name 李济; 西药费 286.50; 检查费 1200.00; 化验费 135.00; 诊察费 20.00"},
		{"hospital as JPEG", hospital, true, "code 99060125 number 0001234567 check a3f9c2 date 2025-06-18 total 1641.50 payee 示例区医院 name 李济; 西药费 286.50; 检查费 1200.00; 化验费 135.00; 诊察费 20.00"},
		{"pharmacy", pharmacy, false, "code  number 25312000000012345678 check  date 2025-06-18 total 48.59 payee 示例大药房有限公司 name 李济; 阿莫西林片 25.00; 板蓝根颗粒 18.00"},
		{"no invoice", `<h1>示例区医院门诊时间</h1><p>周一至周五 8:00 到 17:00</p>`, false, "code  number  check  date 0000-00-00 total 0.00 payee  name "},
		{"blank", ``, false, "code  number  check  date 0000-00-00 total 0.00 payee  name "},
	} {
		t.Run(x.name, func(t *testing.T) {
			v, err := (&Reader{}).Read(t.Context(), printed(t, x.page, x.photo))
			if err != nil {
				t.Fatal(err)
			}
			if got := words(v); got != x.want {
				t.Errorf("read  %s\nwant  %s\nwhole %+v", got, x.want, v)
			}
			if strings.HasPrefix(x.want, "code  number  ") != v.Empty() {
				t.Errorf("empty: %v", v.Empty())
			}
		})
	}
}

// held is a picture as a phone held some way takes it: JPEG, the picture turned, and
// a tag that says how.
func held(t *testing.T, picture []byte, orientation int, order binary.AppendByteOrder) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	w, h := from.Bounds().Dx(), from.Bounds().Dy()
	to := image.NewGray(image.Rect(0, 0, h, w))
	if orientation == 3 {
		to = image.NewGray(image.Rect(0, 0, w, h))
	}
	for y := range h {
		for x := range w {
			switch orientation {
			case 3:
				to.Set(w-1-x, h-1-y, from.At(x, y))
			case 6: // seen upright after a turn clockwise
				to.Set(y, w-1-x, from.At(x, y))
			case 8:
				to.Set(h-1-y, x, from.At(x, y))
			}
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, to, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	head := "MM"
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		head = "II"
	}
	tiff := order.AppendUint32(order.AppendUint16([]byte(head), 42), 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint32(order.AppendUint16(order.AppendUint16(tiff, 0x0112), 3), 1)
	tiff = order.AppendUint16(order.AppendUint16(tiff, uint16(orientation)), 0)
	exif := append([]byte("Exif\x00\x00"), tiff...)
	out := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(exif)+2))
	return append(append(out, exif...), b.Bytes()[2:]...)
}

// TestHeld reads an invoice however the phone was held.
func TestHeld(t *testing.T) {
	installed(t)
	picture := printed(t, hospital, false)
	for orientation, order := range map[int]binary.AppendByteOrder{3: binary.BigEndian, 6: binary.LittleEndian, 8: binary.BigEndian} {
		v, err := (&Reader{}).Read(t.Context(), held(t, picture, orientation, order))
		if err != nil || v.Number.Value != "0001234567" || v.Total.Value != 164150 || len(v.Lines) != 4 {
			t.Errorf("%d: %s, %v", orientation, words(v), err)
		}
	}
}

// FuzzTurned: a broken tag is no tag.
func FuzzTurned(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, picture []byte) {
		if o := turned(picture); o != 1 && o != 3 && o != 6 && o != 8 {
			t.Errorf("turned by %d", o)
		}
	})
}

// words writes what was read in a line.
func words(v Invoice) string {
	s := fmt.Sprintf("code %s number %s check %s date %s total %v payee %s name %s", v.Code.Value, v.Number.Value, v.Check.Value, day(v.Date.Value), v.Total.Value, v.Payee.Value, v.Name.Value)
	for _, l := range v.Lines {
		s += fmt.Sprintf("; %s %v", l.Item.Value, l.Amount.Value)
	}
	return s
}

func day(d civil.Date) string {
	if d == 0 {
		return "0000-00-00"
	}
	return d.String()
}

// TestPictures: what is no picture, or too large a one, is refused before anything
// takes it apart.
func TestPictures(t *testing.T) {
	square := func(width, height int) []byte {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, x := range []struct {
		name    string
		picture []byte
		want    string
	}{
		{"nothing", nil, "PNG 或 JPEG"},
		{"text", []byte("<svg/>"), "PNG 或 JPEG"},
		{"many bytes", make([]byte, MaxBytes+1), "不超过 16 MB"},
		{"small", square(minSide, minSide-1), "至少 200 像素"},
		{"many pixels", square(10_000, 5_001), "不超过 5000 万像素"},
	} {
		_, err := (&Reader{}).Read(t.Context(), x.picture)
		var refused *Error
		if !errors.As(err, &refused) || !strings.Contains(refused.Want, x.want) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
}

// command writes a command that does something else than Tesseract.
func command(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reader")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCommand: a command that hangs is ended with the context or its time, one that
// says too much or fails is an error, and one that is not there is told apart.
func TestCommand(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, minSide, minSide))); err != nil {
		t.Fatal(err)
	}
	read := func(ctx context.Context, r Reader) error {
		_, err := r.Read(ctx, b.Bytes())
		return err
	}
	if err := read(t.Context(), Reader{Command: filepath.Join(t.TempDir(), "nothing")}); !errors.Is(err, ErrMissing) {
		t.Errorf("without the command: %v", err)
	}
	began := time.Now()
	if err := read(t.Context(), Reader{Command: command(t, "exec sleep 60"), Timeout: 50 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that hangs: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	// It leaves a child that holds on to the pipe.
	if err := read(ctx, Reader{Command: command(t, "sleep 60 & sleep 60")}); !errors.Is(err, context.Canceled) {
		t.Errorf("a visitor who left: %v", err)
	}
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("it took %v to end the commands", d)
	}
	if err := read(t.Context(), Reader{Command: command(t, "cat >/dev/null; yes")}); err == nil {
		t.Error("endless words were taken")
	}
	if err := read(t.Context(), Reader{Command: command(t, "cat >/dev/null; echo no such language >&2; exit 1")}); err == nil || !strings.Contains(err.Error(), "no such language") {
		t.Errorf("a command that fails: %v", err)
	}
	if err := read(t.Context(), Reader{Command: command(t, "cat >/dev/null; echo not a table")}); err == nil || !strings.Contains(err.Error(), "row 1") {
		t.Errorf("a command that says something else: %v", err)
	}
}

func TestAgree(t *testing.T) {
	some := func(v string, sure int) Reading[string] { return Reading[string]{v, v, sure} }
	unread := Reading[string]{Text: "12B4", Confidence: 40}
	for _, x := range []struct{ a, b, want Reading[string] }{
		{some("1", 80), some("1", 90), some("1", 90)},
		{some("1", 90), some("1", 80), some("1", 90)},
		{some("1", 80), some("7", 90), Reading[string]{Text: "1 / 7"}},
		{some("1", 80), Reading[string]{}, some("1", 80)},
		{Reading[string]{}, some("1", 80), some("1", 80)},
		{unread, some("1", 80), some("1", 80)},
		{Reading[string]{}, unread, unread},
		{Reading[string]{}, Reading[string]{}, Reading[string]{}},
	} {
		if got := both(x.a, x.b); got != x.want {
			t.Errorf("%v and %v: %v, want %v", x.a, x.b, got, x.want)
		}
	}
}

// line puts texts side by side at a height, each some way right of the one before.
func line(top, sure int, texts ...string) (out []Word) {
	for i, text := range texts {
		out = append(out, Word{Left: 300 * i, Top: top, Width: 100, Height: 20, Confidence: sure, Text: text})
	}
	return out
}

func TestParse(t *testing.T) {
	for _, x := range []struct {
		name  string
		words []Word
		want  string
	}{
		{"value in the next cell", line(0, 90, "票据号码：", "0001234567"), "number 0001234567"},
		{"wide figures", line(0, 90, "票据号码：０００１２３４５６７"), "number 0001234567"},
		{"number cut short", line(0, 90, "票据号码:00012345"), "number 00012345"},
		{"number of 9", line(0, 90, "票据号码:000123456"), ""},
		{"letter within the number", line(0, 90, "票据号码:00012345O7"), ""},
		{"unsure", line(0, 49, "票据号码:0001234567"), ""},
		{"date in words", line(0, 90, "开票日期:2025年6月8日"), "date 2025-06-08"},
		{"no such day", line(0, 90, "开票日期:2025-02-30"), ""},
		{"two ways of a date", line(0, 90, "开票日期:2025-02年03"), ""},
		{"total", line(0, 90, "(小写)", "¥1,641.50"), "total 1641.50"},
		{"comma lost its place", line(0, 90, "(小写)", "¥16,41.50"), ""},
		{"point for comma", line(0, 90, "(小写)", "1.641.50"), ""},
		{"one decimal", line(0, 90, "(小写)", "41.5"), ""},
		{"total too large", line(0, 90, "(小写)", "99999999999999999999.00"), ""},
		{"parties", line(0, 90, "名称:李济", "名称:示例大药房"), "payee 示例大药房 name 李济"},
		{"one party", line(0, 90, "名称:李济"), ""},
		{"code of the payer's employer", line(0, 90, "交款人统一社会信用代码:", "李济"), ""},
		{"items", append(append(line(0, 90, "项目名称", "数量", "金额(元)"), line(40, 90, "西药费", "1", "20.00")...), append(line(80, 90, "检查费", "1", "2O.00"), line(120, 90, "合计", "1", "20.00")...)...), "; 西药费 20.00"},
		{"items without a head", line(40, 90, "西药费", "1", "20.00"), ""},
		{"nothing", nil, ""},
	} {
		got := words(Parse(x.words, 50))
		want := words(Invoice{})
		for _, field := range []string{"code", "number", "check", "date", "total", "payee", "name"} {
			if _, rest, ok := strings.Cut(x.want, field+" "); ok {
				value, _, _ := strings.Cut(rest, " ")
				none := map[string]string{"date": "0000-00-00", "total": "0.00"}[field]
				want = strings.Replace(want, field+" "+none, field+" "+value, 1)
			}
		}
		if strings.HasPrefix(x.want, ";") {
			want += x.want
		}
		if got != want {
			t.Errorf("%s: read %q, want %q", x.name, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	const head = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
	got, err := Words([]byte(head + "1\t1\t0\t0\t0\t0\t0\t0\t1500\t700\t-1\t\n5\t1\t6\t1\t1\t1\t41\t140\t46\t20\t95.957108\t票据\n5\t1\t6\t1\t1\t1\t41\t140\t46\t20\t95\t \n"))
	if err != nil || len(got) != 1 || got[0] != (Word{41, 140, 46, 20, 95, "票据"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"5\t1\n", "5\t1\t6\t1\t1\t1\tx\t140\t46\t20\t95\t票据\n", "5\t1\t6\t1\t1\t1\t-1\t140\t46\t20\t95\t票据\n", "5\t1\t6\t1\t1\t1\t1\t140\t46\t20\tNaN\t票据\n"} {
		if _, err := Words([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// FuzzParse: whatever is printed, nothing is made up: the figures of a value stand
// in its text, and it is as sure as was asked.
func FuzzParse(f *testing.F) {
	f.Add([]byte("5\t1\t6\t1\t1\t1\t41\t140\t46\t20\t95.9\t票据号码:0001234567\n5\t1\t6\t1\t1\t1\t41\t180\t46\t20\t95.9\t开票日期:2025年6月8日\n"))
	f.Add([]byte("5\t1\t6\t1\t1\t1\t41\t140\t46\t20\t95\t项目名称\n5\t1\t6\t1\t1\t2\t441\t140\t46\t20\t95\t金额\n5\t1\t6\t1\t1\t1\t41\t180\t46\t20\t95\t西药费\n5\t1\t6\t1\t1\t1\t441\t180\t46\t20\t95\t1,200.00\n"))
	f.Add([]byte("5\t1\t6\t1\t1\t1\t41\t140\t46\t20\t95\t(小写)¥48.59\n"))
	f.Fuzz(func(t *testing.T, tsv []byte) {
		list, err := Words(tsv)
		if err != nil {
			return
		}
		v := Parse(list, 50)
		figures := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r < '0' || r > '9' {
					return -1
				}
				return r
			}, s)
		}
		holds := func(read bool, value, text string, sure int) {
			if !read {
				return
			}
			if sure < 50 || sure > 100 {
				t.Errorf("%q was taken with confidence %d", value, sure)
			}
			if figures(value) != figures(text) {
				t.Errorf("%q was read as %q", text, value)
			}
		}
		for _, r := range []Reading[string]{v.Code, v.Number, v.Check, v.Payee, v.Name} {
			holds(r.Value != "", r.Value, r.Text, r.Confidence)
		}
		holds(v.Total.Value != 0, strings.TrimLeft(v.Total.Value.String(), "-0."), strings.TrimLeft(v.Total.Text, "¥Y-0.,"), v.Total.Confidence)
		if v.Date.Value != 0 && v.Date.Confidence < 50 {
			t.Errorf("a date was taken with confidence %d", v.Date.Confidence)
		}
		for _, l := range v.Lines {
			holds(l.Amount.Value != money.Fen(0), strings.TrimLeft(l.Amount.Value.String(), "-0."), strings.TrimLeft(l.Amount.Text, "¥Y-0.,"), l.Amount.Confidence)
		}
	})
}
