package server

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/filing"
)

// TestRecognitionScreens goes the way of a disease's recognition through the
// screens, at the size of a phone and of a desk: a person chooses the disease,
// photographs the papers, comes back to a draft, chooses a hospital and submits;
// an officer returns it and then accepts it, looking at the papers; the person
// changes the hospital. A district's officer takes another at the counter, and a
// referral of a hospital is explained to the person.
func TestRecognitionScreens(t *testing.T) {
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"390x844", 390, 844}, {"1440x900", 1440, 900}} {
		t.Run(size.name, func(t *testing.T) { recogniseAt(t, size.name, size.width, size.height) })
	}
}

func recogniseAt(t *testing.T, size string, width, height int64) {
	s := openSandbox(t, t.TempDir())
	h := httptest.NewServer(s)
	defer func() {
		h.Close()
		inspect(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	photo := filepath.Join(t.TempDir(), "诊断证明.png")
	if err := os.WriteFile(photo, photograph(t), 0o600); err != nil {
		t.Fatal(err)
	}
	notPhoto := filepath.Join(t.TempDir(), "病历.txt")
	if err := os.WriteFile(notPhoto, []byte("not a picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := watch(t, "recognition-"+size)
	do, sees, fill, click := w.do, w.sees, w.fill, w.click
	enter := func(door, name string) {
		t.Helper()
		do(chromedp.Navigate(h.URL + door))
		click(fmt.Sprintf(`.rows li:has(input[value=%q]) button`, name))
	}
	upload := func(label, file string) {
		t.Helper()
		row, then := fmt.Sprintf(`.papers > li:has(form.upload input[value=%q])`, label), " .thumbs"
		if file == notPhoto {
			row, then = "", ".banner.fault"
		}
		do(chromedp.SetUploadFiles(chromedp.CSS(fmt.Sprintf(`form.upload:has(input[value=%q]) input[type=file]`, label)), []string{file}), chromedp.WaitVisible(chromedp.CSS(row+then)))
	}
	do(chromedp.EmulateViewport(width, height))

	// The person.
	enter("/sign-in", demo.LiJi)
	click(`a[href="/me/filings"]`)
	sees("门诊慢特病认定", "异地就医备案", "还没有申请")
	click(`a[href="/me/filings/disease"]`)
	sees("认定哪一种病", "高血压", "特殊病", "24 个月", "5 个工作日内办结", "全市通办")
	click(`.list li:has(input[value=M03900]) button`)
	sees("未提交", "诊断证明", "还缺", "选一家", "还没有提交")
	upload("诊断证明", notPhoto)
	sees("只收照片（JPEG、PNG、WebP）和 PDF")
	upload("诊断证明", photo)
	sees("已上传诊断证明", "已交", "还缺：病历资料")
	fill("#hospital0", "H99010000201")
	click(`form[action$="/submit"] button`)
	sees("已保存")
	do(chromedp.Navigate(h.URL + "/me/filings")) // and comes back later
	sees("门诊慢特病认定", "未提交")
	click(`a[href^="/me/filings/F"]`)
	upload("病历资料", photo)
	click(`form[action$="/submit"] button[value=submit]`)
	sees("申办中", "办结期限", "等待经办机构审核")

	// The officer.
	enter("/office/sign-in", "chushen")
	do(chromedp.Navigate(h.URL + "/console/filings?kind=special_disease"))
	sees("门诊慢特病认定", "高血压", "网上", "李*", "只看超期")
	click(`.grid a`)
	sees("材料", "诊断证明", "病历资料", "审核", "选定机构", "依据")
	w.tick("input[value=returned]")
	fill("#reason", "病历资料看不清，请重新拍照")
	click(`form[action^="/console/filings/"] .button`)
	do(chromedp.Navigate(h.URL + "/console/filings"))
	sees("没有这样的申请")

	// The person completes it under the same number.
	enter("/sign-in", demo.LiJi)
	do(chromedp.Navigate(h.URL + "/me/filings"))
	click(`a[href^="/me/filings/F"]`)
	sees("要补正", "病历资料看不清")
	click(`.papers > li:last-child form[action$="/remove"] button`)
	sees("已撤回这份材料", "还缺：病历资料")
	upload("病历资料", photo)
	click(`form[action$="/submit"] button[value=submit]`)
	enter("/office/sign-in", "chushen")
	do(chromedp.Navigate(h.URL + "/console/filings"))
	click(`.grid a`)
	w.tick("input[value=accepted]")
	click(`form[action^="/console/filings/"] .button`)
	sees("已办结，已通知参保人")
	do(chromedp.Navigate(h.URL + "/console/filings?state=all"))
	sees("已办结", "导出 Excel")

	enter("/sign-in", demo.LiJi)
	do(chromedp.Navigate(h.URL + "/me/filings"))
	sees("我的慢特病", "高血压", "起可续认", "定点医疗机构", "变更")
	click(`a[href="/me/filings/hospitals"]`)
	sees("只在选定的机构", "换下哪一家")
	fill("#old", "H99010000201")
	fill("#new", "H99010000101")
	click(`form[action="/me/filings/hospitals"] button`)
	sees("已变更，今天起生效")
	do(chromedp.Navigate(h.URL + "/me/filings"))
	sees("定点医疗机构变更", "→")

	// A district's officer at the counter.
	enter("/office/sign-in", "quxian")
	do(chromedp.Navigate(h.URL + "/console/people"))
	fill("#key", demo.LiJi)
	click(`form[action="/console/people"] button`)
	sees("代为申请异地备案", "代为申请慢特病认定", "变更慢特病定点机构")
	do(chromedp.Evaluate[chromedp.Void](`document.querySelector("details:has(#disease)").open = true`))
	fill("#disease", "M07800")
	click(`form[action$="/recognitions"] button`)
	sees("请核对材料、选定机构后提交", "已核对原件", "区划 990101受理")
	w.tick(`input[name=paper][value="诊断证明"]`)
	w.tick(`input[name=paper][value="病历资料"]`)
	click(`form[action$="/prepare"] button[value=submit]`)
	sees("已办结", "窗口")

	// A referral, as the hospital made it.
	referral := referred(t, s)
	enter("/sign-in", demo.LiJi)
	do(chromedp.Navigate(h.URL + "/me/filings"))
	sees("转院备案", "转往")
	click(fmt.Sprintf(`a[href="/me/filings/%s"]`, referral))
	sees("医院为您办了转诊", "不用另办异地就医备案")
	do(chromedp.Navigate(h.URL + "/me/filings/new?group=" + "%E4%B8%B4%E6%97%B6%E5%A4%96%E5%87%BA%E5%B0%B1%E5%8C%BB%E4%BA%BA%E5%91%98"))
	sees("临时外出就医人员", "我承诺")
	fill("#destination", "310000")
	w.tick("input[name=commitment]")
	click(`form[action="/me/filings"] button`)
	sees("已办结", "变更就医地")
	do(chromedp.Navigate(h.URL + "/prefs?lang=en&next=%2Fme%2Ffilings"))
	sees("My diseases", "My applications")
	for _, e := range w.errs() {
		if !strings.Contains(e, "422") { // the browser's own word for what was refused
			t.Errorf("console: %s", e)
		}
	}
}

// referred lets a hospital refer 李济 to another region.
func referred(t *testing.T, s *Sandbox) (id string) {
	t.Helper()
	g := s.enter()
	defer g.users.Done()
	ctx := t.Context()
	if err := g.DB.Update(ctx, func(tx *db.Tx) error {
		p, _, err := g.Register.ByCitizenID(ctx, tx, demo.LiJi)
		if err != nil {
			return err
		}
		a, err := g.filings.Declare(ctx, tx, filing.Declaration{Person: p.ID, Provider: "H99010000101", From: today, Actor: "医院",
			Details: filing.Details{Referral: &filing.Referral{Provider: "H50000000101", Region: "500000", On: today, DiagnosisName: "肺恶性肿瘤", Reason: "需要放疗", Opinion: "同意"}}})
		if err == nil {
			id = a.ID
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

// photograph is a picture as a phone would send it: lines of writing on paper.
func photograph(t testing.TB) []byte {
	t.Helper()
	p := image.NewGray(image.Rect(0, 0, 480, 640))
	for i := range p.Pix {
		p.Pix[i] = 245
		if x, y := i%480, i/480; y%40 > 28 && y > 60 && x > 40 && x < 440-y%97 {
			p.Pix[i] = 90
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
