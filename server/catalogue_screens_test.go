package server

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/xuri/excelize/v2"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// revise lets one propose that the drug of class 丙 be of class 甲 from July on, and
// another approve.
func revise(t testing.TB, s *Server, c *Config) (id string) {
	t.Helper()
	u := catalogue.NewUpkeep(c.Now)
	if err := s.DB.Update(t.Context(), func(tx *db.Tx) error {
		v, err := u.Propose(t.Context(), tx, "", "按新版目录调整", []catalogue.Row{{Act: catalogue.Set, Code: "DRG990000003", Class: policy.ClassA, UnitCeiling: policy.NoCeiling, From: 20250701}}, "guanli")
		if err != nil {
			return err
		}
		id = v.ID
		_, err = u.Approve(t.Context(), tx, id, "guanli2")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

// filledTemplate is the template with rows, as an officer fills it in.
func filledTemplate(t *testing.T, name string, rows ...[]any) string {
	t.Helper()
	var b bytes.Buffer
	if err := catalogue.Template(&b, today.AddDays(1)); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, r := range rows {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+3), &r); err != nil {
			t.Fatal(err)
		}
	}
	name = filepath.Join(t.TempDir(), name)
	out, err := os.Create(name)
	if err == nil {
		err = f.Write(out)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestCatalogueTogether goes the way of a revision through the screens: an admin
// finds an item, uploads a sheet with faults, then a good one; another approves; a
// form revises one item.
func TestCatalogueTogether(t *testing.T) {
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"390x844", 390, 844}, {"1440x900", 1440, 900}} {
		t.Run(size.name, func(t *testing.T) {
			s := openSandbox(t, t.TempDir())
			h := httptest.NewServer(s)
			defer func() {
				h.Close()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			w := watch(t, "catalogue-"+size.name)
			enter := func(name string) {
				t.Helper()
				w.do(chromedp.Navigate(h.URL + "/office/sign-in"))
				w.click(fmt.Sprintf(`.rows li:has(input[value=%q]) button`, name))
				w.do(chromedp.Navigate(h.URL + "/console/catalogue"))
			}
			w.do(chromedp.EmulateViewport(size.width, size.height))
			enter("guanli")
			w.sees("批量调整", "下一页")
			w.fill("#q", "ylyp")
			w.click(`form[role=search] button`)
			w.sees("乙类药品", "10%")
			w.do(chromedp.Navigate(h.URL + "/console/catalogue?q=zzz"))
			w.sees("目录里没有")
			w.do(chromedp.Navigate(h.URL + "/console/catalogue/new"))
			w.sees("模板", "最早为 2025-06-21")
			choose := func(name string) {
				t.Helper()
				w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{name}))
				w.fill("#reason", "按新版国家药品目录调整")
				w.click(`form[enctype] button`)
			}
			choose(filledTemplate(t, "bad.xlsx", []any{"设定", "DRG990000002", "", "", "丁", "12", "20", "", "", "2025-07-01"}, []any{"停用", "DRG990000001", "", "", "", "", "", "", "", "昨天"}))
			w.sees("有 3 处要改", "E3", "F3", "J4", "应为 甲、乙 或 丙")
			choose(filledTemplate(t, "good.xlsx",
				[]any{"设定", "DRG990000002", "", "", "乙", "12%", "20.00", "", "限二线用药", "2025-07-01"},
				[]any{"停用", "DRG990000001", "", "", "", "", "", "", "", "2025-08-01"},
				[]any{"设定", "DRG990009999", "新示例药品", "药品", "甲", "", "", "09", "", "2025-07-01"}))
			w.sees("已提出", "3", "先行自付 12%", "先行自付 10%", "新增", "不再有效", "提出的人不能自己决定")
			w.click(`form[action="/sign-out"] button`)
			enter("guanli2")
			w.click(`.subtabs a[href$="/revisions"]`)
			w.sees("3 行，2025-07-01 起")
			w.click(`.list a`)
			w.click(`button[value=decline]`)
			w.sees("请写明不批准的原因")
			w.click(`button[value=approve]`)
			w.sees("目录已出新版本", "已批准")
			w.do(chromedp.Navigate(h.URL + "/console/catalogue/items/DRG990000002"))
			w.sees("2025-06-30", "待生效", "限二线用药", "12%")
			w.fill("#from", "2025-06-21")
			w.fill("#reason", "更正支付标准")
			w.click(`form[action^="/console/catalogue/items/"] .button`)
			w.sees("已定有 2025-07-01 起的内容")
			w.fill("#from", "2025-07-15")
			w.click(`form[action^="/console/catalogue/items/"] .button`)
			w.sees("已提出，请另一位管理员批准")
			for _, e := range w.errs() {
				if !strings.Contains(e, "422") { // the browser's own word for what was refused
					t.Errorf("console: %s", e)
				}
			}
		})
	}
}

// TestRevisionDecides: fees are paid by the catalogue of their day.
func TestRevisionDecides(t *testing.T) {
	c := sandboxConfig(t, t.TempDir())
	day := today
	var asked atomic.Int64 // the clock goes on, so that no message is taken for another
	c.Now = func() time.Time { return day.Time().Add(10*time.Hour + time.Duration(asked.Add(1))*time.Second) }
	s, err := OpenSandbox(t.Context(), c, seeded)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	defer func() {
		h.Close()
		inspect(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	revise(t, s.current.Server, &c)
	for _, x := range []struct {
		on   civil.Date
		want money.Fen // in scope
	}{{20250630, 0}, {20250701, 300_00}} {
		day = x.on
		y := &hospital.Hospital{Base: h.URL + "/his", Code: "H99010000201", Name: "示例区医院", Region: "990100", Operator: "1", Now: c.Now}
		err := y.SignIn(t.Context())
		var got hospital.Settled
		if err == nil {
			got, err = y.Outpatient(t.Context(), "990100198503120014", "张安", []hospital.Bill{{Item: "DRG990000003", Amount: "300.00"}})
		}
		if err != nil || got.InScope != x.want {
			t.Errorf("on %s: in scope %s, want %s, %v", x.on, got.InScope, x.want, err)
		}
	}
}
