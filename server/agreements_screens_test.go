package server

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/provider"
)

// agree lets one propose and another approve.
func agree(t testing.TB, s *Server, c *Config, q provider.Proposal) (id string) {
	t.Helper()
	a := provider.NewAgreements(c.Now)
	q.Reason = "按协议约定办理"
	if err := s.DB.Update(t.Context(), func(tx *db.Tx) error {
		x, err := a.Propose(t.Context(), tx, q, "chushen")
		if err != nil {
			return err
		}
		id = x.ID
		_, err = a.Approve(t.Context(), tx, id, "guanli")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestAgreementsTogether goes the way of an agreement through the screens: one
// officer finds a provider and proposes to suspend it, with a mistake first;
// another approves; a new provider is proposed, and declined.
func TestAgreementsTogether(t *testing.T) {
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
			care(t, h.URL)
			w := watch(t, "agreements-"+size.name)
			enter := func(name string) {
				t.Helper()
				w.do(chromedp.Navigate(h.URL + "/office/sign-in"))
				w.click(fmt.Sprintf(`.rows li:has(input[value=%q]) button`, name))
				w.do(chromedp.Navigate(h.URL + "/console/providers"))
			}
			w.do(chromedp.EmulateViewport(size.width, size.height))
			enter("chushen")
			w.sees("示例区医院", "未签协议", "定点", "共 30 家")
			w.fill("#q", "0000201")
			w.click(`form[role=search] button`)
			w.sees("共 1 家", "示例区医院")
			w.click(`.grid a`)
			w.sees("近一年结算", "2025-06", "1,800.00", "登记以来", "医师")
			w.tick("input[value=suspend]")
			w.fill("#from", "2025-07-01")
			w.fill("#to", "2025-06-30")
			w.fill("#reason", "违反协议约定，整改一个月")
			w.click(`form[action^="/console/providers/"] .button`)
			w.sees("不能早于开始日期")
			w.fill("#to", "2025-07-31")
			w.click(`form[action^="/console/providers/"] .button`)
			w.sees("已提出，请另一人批准", "提出的人不能自己决定")
			w.do(chromedp.Navigate(h.URL + "/console/providers/new"))
			w.fill("#code", "H99010000888")
			w.fill("#name", "新示例门诊部")
			w.fill("#credit_code", "123")
			w.fill("#reason", "评估合格，拟签订协议")
			w.click(`form[action="/console/providers"] .button`)
			w.sees("18 位")
			w.fill("#credit_code", "")
			w.click(`form[action="/console/providers"] .button`)
			w.sees("新增定点：新示例门诊部")
			w.click(`form[action="/sign-out"] button`)

			enter("guanli")
			w.do(chromedp.Navigate(h.URL + "/console/providers/proposals"))
			w.sees("中止协议", "新增定点", "待批准")
			w.do(chromedp.Navigate(h.URL + "/console/providers/H99010000201"))
			w.click(`.list a.row`)
			w.sees("整改一个月", "不批准的原因")
			w.click(`button[value=approve]`)
			w.sees("已批准，2025-07-01 起生效", "中止", "尚未生效", "2025-08-01")
			w.do(chromedp.Navigate(h.URL + "/console/providers/proposals"))
			w.click(`.list a`)
			w.click(`button[value=decline]`)
			w.sees("请写明不批准的原因")
			w.fill("#answer", "材料不全，请补齐后再提")
			w.click(`button[value=decline]`)
			w.sees("没有批准", "材料不全")
			w.do(chromedp.Navigate(h.URL + "/console/providers/proposals?state=revoked"))
			w.sees("没有已撤回的事项")
			for _, e := range w.errs() {
				if !strings.Contains(e, "422") { // the browser's own word for what was refused
					t.Errorf("console: %s", e)
				}
			}
		})
	}
}

// TestAgreementDecides: care is paid as the provider stood when the visit began;
// one that is registered anew is paid from its first day on.
func TestAgreementDecides(t *testing.T) {
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
	visit := func(code, name string) money.Fen {
		t.Helper()
		x := &hospital.Hospital{Base: h.URL + "/his", Code: code, Name: name, Region: "990100", Operator: "1", Now: c.Now}
		err := x.SignIn(t.Context())
		var got hospital.Settled
		if err == nil {
			got, err = x.Outpatient(t.Context(), "990100198503120014", "张安", []hospital.Bill{{Item: "SVC990000001", Amount: "300.00"}})
		}
		if err != nil {
			t.Fatalf("%s on %s: %v", code, day, err)
		}
		return got.Fund
	}
	const second, clinic = "H99010000201", "H99010000501"
	if visit(second, "示例区医院") == 0 || visit(clinic, "示例未定点诊所") != 0 {
		t.Error("before: the second hospital is designated, the clinic is not")
	}
	agree(t, s.current.Server, &c, provider.Proposal{Provider: second, Kind: provider.Suspend, From: 20250701, To: 20250731})
	agree(t, s.current.Server, &c, provider.Proposal{Provider: clinic, Kind: provider.Designate, From: 20250701, To: 20260630})
	for _, x := range []struct {
		day            civil.Date
		second, clinic bool // paid
	}{{20250630, true, false}, {20250701, false, true}, {20250731, false, true}, {20250801, true, true}, {20260701, true, false}} {
		day = x.day
		if got := visit(second, "示例区医院"); (got != 0) != x.second {
			t.Errorf("the second hospital on %s: %s", day, got)
		}
		if got := visit(clinic, "示例未定点诊所"); (got != 0) != x.clinic {
			t.Errorf("the clinic on %s: %s", day, got)
		}
	}
}
