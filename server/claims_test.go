package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/ocr"
	"github.com/anji-platform/anji/paper"
)

// picture is a photograph of a paper.
func picture(t testing.TB) paper.Clean {
	t.Helper()
	p := image.NewGray(image.Rect(0, 0, 200, 280))
	for y := range 280 {
		for x := range 200 {
			p.SetGray(x, y, color.Gray{uint8(255 - y/14%2*40)})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p, nil); err != nil {
		t.Fatal(err)
	}
	var c paper.Cleaner
	clean, err := c.Clean(context.Background(), b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return clean
}

const invoicePage = `<!doctype html><meta charset="utf-8"><style>body{margin:0;background:#fff;color:#000;font:20px "Noto Sans CJK SC";width:1500px;padding:40px;box-sizing:border-box}
h1{text-align:center;font-size:34px}div{display:flex;justify-content:space-between;margin:6px 0}table{width:100%;border-collapse:collapse;margin-top:10px}td,th{padding:8px 10px;text-align:left;border:1px solid #000;font-weight:400}</style>
<h1>示例省医疗住院收费票据（电子）</h1><div><span>票据代码：99060125</span><span>票据号码：0000123456</span></div><div><span>交款人：李济</span><span>开票日期：2025-05-30</span></div>
<table><tr><th>项目名称</th><th>数量/单位</th><th>金额（元）</th><th>备注</th></tr><tr><td>西药费</td><td>1</td><td>8000.00</td><td></td></tr><tr><td>诊察费</td><td>1</td><td>2000.00</td><td></td></tr></table>
<div><span>金额合计（大写）：壹万元整</span><span>（小写）：10,000.00</span></div><div><span>收款单位（章）：安济示例市人民医院</span><span>复核人：王五</span><span>收款人：赵六</span></div>`

// upload chooses a file for a paper, and waits until it is there.
func upload(w *watcher, n int, file string) {
	w.Helper()
	row := fmt.Sprintf(".papers > li:nth-child(%d)", n)
	w.do(chromedp.SetUploadFiles(chromedp.CSS(row+" input[type=file]"), []string{file}), chromedp.WaitVisible(chromedp.CSS(row+" .thumbs")))
}

// TestClaimTogether goes the way of a claim through the screens: a person who was
// treated without their card applies on a phone, is told what is missing, submits;
// officers write down, accept, review, recheck; two of finance pay over a bank; and
// the person sees what was paid and why.
func TestClaimTogether(t *testing.T) {
	s := openSandbox(t, t.TempDir())
	h := httptest.NewServer(s)
	defer func() {
		h.Close()
		inspect(t, s)
		if err := s.current.Server.DB.View(context.Background(), func(tx *db.Tx) error { return s.current.Server.Claims.Verify(context.Background(), tx) }); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	photo := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(photo, picture(t).Body(), 0o600); err != nil {
		t.Fatal(err)
	}
	w := watch(t, "claim")
	do, sees, fill, click := w.do, w.sees, w.fill, w.click
	printed := filepath.Join(t.TempDir(), "invoice.png")
	do(chromedp.EmulateViewport(1500, 700), chromedp.Navigate("data:text/html;base64,"+base64.StdEncoding.EncodeToString([]byte(invoicePage))))
	if shot, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100)); err != nil || os.WriteFile(printed, shot, 0o600) != nil {
		t.Fatal(err)
	}
	enter := func(door, name string) {
		t.Helper()
		if _, err := chromedp.Call(w.ctx, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
			t.Fatal(err)
		}
		do(chromedp.Navigate(h.URL + door))
		click(fmt.Sprintf(`.rows li:has(input[value=%q]) button`, name))
	}

	do(chromedp.EmulateViewport(390, 844))
	enter("/sign-in", demo.LiJi)
	click(`a[href="/me/claims"]`)
	sees("没有报销申请")
	click(`a[href="/me/claims/new"]`)
	sees("为什么没有直接结算", "新参保未发卡", "异地突发急诊", "3 个月内申请")
	w.tick(`input[value="卡丢失或挂失期间"]`)
	w.tick(`input[value=inpatient]`)
	click(`form[action="/me/claims"] button`)
	sees("就医情况", "草稿")
	fill("#where", "安济示例市人民医院")
	fill("#from", "2025-05-20")
	fill("#to", "2025-05-30")
	click(`form[action^="/me/claims/"] .button`)
	sees("加一张票据", "补办的")
	fill("#code", "99060125")
	fill("#number", "0000123456")
	fill("#day", "2025-05-30")
	fill("#total", "10000")
	click(`form[action$="/invoices"] .button`)
	sees("0000123456", "10,000.00")
	click(`a.button[href$="step=3"]`)
	sees("收费票据", "出院诊断证明", "缺")
	upload(w, 1, printed)
	upload(w, 2, photo)
	click(`a.button[href$="step=4"]`)
	fill("#bank", "示例银行")
	fill("#account", "6222000011112222")
	click(`form[action^="/me/claims/"] .button`)
	sees("缺少材料：出院诊断证明")
	upload(w, 3, photo)
	sees("材料齐了")
	click(`a.button[href$="step=4"]`)
	click(`form[action^="/me/claims/"] .button`)
	sees("待受理", "等待受理", "已提交")

	do(chromedp.EmulateViewport(1440, 900))
	enter("/office/sign-in", "shouli")
	click(`a[href="/console/claims"]`)
	sees("手工报销", "李*", "10,000.00")
	click(".grid a")
	sees("收费票据", "看图", "请选择就医的医药机构")
	if (&ocr.Reader{}).Installed() {
		click(`form[action$="/read"] button`)
		sees("已读出能确定的内容")
		var got string
		for _, field := range []string{"icode", "inumber", "iday", "itotal", "rows"} {
			x, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`document.getElementById("`+field+`").value`))
			if err != nil {
				t.Fatal(err)
			}
			got += x + " "
		}
		if !strings.HasPrefix(got, "99060125 0000123456 2025-05-30 10000.00 西药费,,1,") {
			t.Errorf("read: %s", got)
		}
		click(".crumb a")
		click(".grid a")
	} else if os.Getenv("ANJI_REQUIRE_OCR") != "" {
		t.Errorf("ANJI_REQUIRE_OCR is set: %v", ocr.ErrMissing)
	}
	w.tick(`input[value="H99010000101"]`)
	click(`form[action$="/care"] button`)
	fill("#rows", "诊疗服务,,1,2000\n甲类药品,,2,1500\n乙类药品,,1,4999.99")
	click(`form[action$="/lines"]:has(#rows) button`)
	sees("DRG990000002", "不符", "还不能受理")
	click(`tr:has([value="3"]) form[action$="/lines"] button`)
	fill("#rows", "乙类特效药\t\t1\t5000.00")
	click(`form[action$="/lines"]:has(#rows) button`)
	sees("未匹配，全自费")
	click(`a[href*="match=1-3"]`)
	sees("目录里没有")
	fill("#mname", "乙类")
	click(`#match form[method=get] button`)
	sees("乙类药品", "选用")
	click(`#match form[method=post] button`)
	sees("试算", "基金支付")
	click(`form[action$="/accept"] button`)
	sees("待初审", "已受理")

	enter("/office/sign-in", "chushen")
	click(`a[href="/console/claims"]`)
	click(".grid a")
	sees("拟予支付", "逐步说明与依据", "剔除")
	click(`form[action$="/review"] button`)
	sees("待复核")
	enter("/office/sign-in", "fuhe")
	click(`a[href="/console/claims"]`)
	click(".grid a")
	sees("初审意见", "予以支付")
	click(`form[action$="/recheck"] button`)
	sees("待支付", "结算")

	enter("/office/sign-in", "caiwu")
	click(`a[href="/console/payouts"]`)
	sees("待支付的申请", "制单")
	click(`form[action="/console/payouts"] button`)
	sees("待审批", "另一名财务")
	enter("/office/sign-in", "caiwu2")
	click(`a[href="/console/payouts"]`)
	click(".grid a")
	click(`form[action$="/release"] button`)
	sees("待银行回盘", "下载银行文件")
	var batch *claim.Batch
	if err := s.current.Server.DB.View(context.Background(), func(tx *db.Tx) error {
		all, err := s.current.Server.Claims.Batches(context.Background(), tx, "990100", 1)
		if len(all) == 1 {
			batch = all[0]
		}
		return err
	}); err != nil || batch == nil {
		t.Fatal(err)
	}
	answer := filepath.Join(t.TempDir(), "answer.csv")
	if err := os.WriteFile(answer, []byte("批次号,序号,结果,金额,原因\n"+batch.ID+",1,成功,"+batch.Total.String()+",\n"+batch.ID+",2,成功,1.00,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{answer}))
	click(`form[action$="/answer"] button`)
	sees("已支付", "没有入账")

	do(chromedp.EmulateViewport(390, 844))
	enter("/sign-in", demo.LiJi)
	do(chromedp.Navigate(h.URL + "/me/claims"))
	sees("已支付")
	click(".list a.row")
	sees("报销", "每一分是怎么算的", batch.Total.Grouped(), "对结果有异议", "示例银行尾号 2222")
	click(`.list a[href^="/me/care/"]`)
	sees("结算说明", "起付标准", "依据")
	for _, e := range w.errs() {
		if !strings.Contains(e, "422") { // the browser's own word for what was refused
			t.Errorf("console: %s", e)
		}
	}
}
