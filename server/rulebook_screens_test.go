package server

import (
	"context"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/rulebook"
)

// nextPackage is a version of 990100 from a day on: in hospitals of the third
// level 95% of what employees' care costs is paid, not 85%; and its cases.
func nextPackage(t testing.TB, from string) (text, cases string) {
	t.Helper()
	data, err := fs.ReadFile(policies.FS, "990100/2025-01-01.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text = string(data)
	for _, x := range [][2]string{{"from: 2025-01-01", "from: " + from}, {`version: "2025.1"`, `version: "2025.2"`}, {"active: {primary|1: 90%, 2: 87%, 3: 85%}", "active: {primary|1: 90%, 2: 87%, 3: 95%}"}} {
		if !strings.Contains(text, x[0]) {
			t.Fatalf("the package does not hold %q", x[0])
		}
		text = strings.Replace(text, x[0], x[1], 1)
	}
	return text, `- name: 职工三级医院首次住院，比例提高到 95%
  why: (10000 − 800) × 95% = 8740
  case: {date: 2025-07-10, provider: {level: "3"}, visit: {kind: inpatient}, lines: [{class: 甲, amount: "10000.00"}]}
  expect: {deductible: "800.00", basic: "8740.00", person: "1260.00"}
`
}

// TestRulebookTogether goes the way of a package through the screens, on a desk and
// on a phone: one admin uploads it, with a fault first, and submits it; another
// looks at what changes and issues it; then it is in the timeline, and may be
// withdrawn by two.
func TestRulebookTogether(t *testing.T) {
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
			w := watch(t, "rulebook-"+size.name)
			enter := func(name string) {
				t.Helper()
				w.do(chromedp.Navigate(h.URL + "/office/sign-in"))
				w.click(fmt.Sprintf(`.rows li:has(input[value=%q]) button`, name))
				w.do(chromedp.Navigate(h.URL + "/console/packages"))
			}
			dir := t.TempDir()
			file := func(name, text string) string {
				t.Helper()
				name = filepath.Join(dir, name)
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return name
			}
			choose := func(field, name string) {
				t.Helper()
				w.do(chromedp.SetUploadFiles(chromedp.CSS("#"+field), []string{name}))
			}
			text, cases := nextPackage(t, "2025-07-01")

			w.do(chromedp.EmulateViewport(size.width, size.height))
			enter("guanli")
			w.sees("上传新版本", "安济示例市", "施行中", "2025.1")
			w.click(`a[href="/console/packages/new"]`)
			w.sees("最早为 2025-06-21", "从现行版本改起")
			choose("package", file("bad.yaml", strings.Replace(text, "3: 95%", "3: 950", 1)))
			w.click(`form[enctype] button`)
			w.sees("处错误，没有保存", "要改的地方")
			choose("package", file("next.yaml", text))
			choose("cases", file("cases.yaml", cases))
			w.click(`form[enctype] button`)
			w.sees("已存为草稿", "草稿", "1 / 1 通过", "2025-07-01")
			w.click(`a[href$="view=cases"]`)
			w.sees("比例提高到 95%", "8,740.00", "上一版本的算例，在新版本下", "算得")
			w.click(`a[href$="view=text"]`)
			w.sees("住院支付比例")
			w.click(`a[href$="view=changes"]`)
			w.sees("算成钱", "基金现在支付", "85%", "95%", "少负担")
			w.click(`button[value=submit]`)
			w.sees("请另一位管理员启用", "待启用", "不能自己决定")

			w.click(`form[action="/sign-out"] button`)
			enter("guanli2")
			w.sees("待启用")
			w.click(`a.row:has(.warn)`)
			w.click(`button[value=refuse]`)
			w.sees("请写明原因")
			w.click(`button[value=issue]`)
			w.sees("已启用，2025-07-01 起施行", "待施行", "申请撤回")
			w.do(chromedp.Navigate(h.URL + "/console/packages"))
			w.sees("2025-01-01 — 2025-06-30", "2025-07-01 — 今后", "待施行", "比较版本")
			w.click(`a.more[href="/console/packages/990100"]`)
			w.sees("算成钱", "95%")
			w.do(chromedp.Navigate(h.URL + "/console/packages/990100/2025-01-01"))
			w.sees("随平台发布", "2025-06-30", "住院支付比例")

			w.do(chromedp.Navigate(h.URL + "/console/packages"))
			w.click(`a.row:has(.warn)`)
			w.fill("#reason", "文件推迟施行")
			w.click(`button[value=ask]`)
			w.sees("请另一位管理员同意", "待撤回")
			w.click(`form[action="/sign-out"] button`)
			enter("guanli")
			w.click(`a.row:has(.warn)`)
			w.click(`button[value=withdraw]`)
			w.sees("已撤回，2025-07-01 起不会施行")
			for _, e := range w.errs() {
				if !strings.Contains(e, "422") { // the browser's own word for what was refused
					t.Errorf("console: %s", e)
				}
			}
		})
	}
}

// issueNext lets one admin upload and submit the next package, and another issue it.
func issueNext(t testing.TB, s *Server, from string) (id string) {
	t.Helper()
	text, cases := nextPackage(t, from)
	err := s.DB.Update(t.Context(), func(tx *db.Tx) error {
		v, err := s.rules.Upload(t.Context(), tx, rulebook.Upload{Text: []byte(text), Cases: []byte(cases), Actor: "guanli"})
		if err != nil {
			return err
		}
		id = v.ID
		if err := s.rules.Submit(t.Context(), tx, id, "guanli"); err != nil {
			return err
		}
		return s.rules.Issue(t.Context(), tx, id, "guanli2")
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestIssuedPackageDecides: what was issued decides a hospital's settlements from
// its first day on, in each server on the store, and what was settled before is
// still computed as it was decided.
func TestIssuedPackageDecides(t *testing.T) {
	c := sandboxConfig(t, t.TempDir())
	day := today
	var asked atomic.Int64 // the clock goes on, so that no message is taken for another
	c.Now = func() time.Time { return day.Time().Add(10*time.Hour + time.Duration(asked.Add(1))*time.Second) }
	open := func() *Sandbox {
		t.Helper()
		c.Policies = sandboxConfig(t, c.Data).Policies // read anew, as another process does
		s, err := OpenSandbox(t.Context(), c, seeded)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	stay := func(s *Sandbox) money.Fen {
		t.Helper()
		h := httptest.NewServer(s)
		defer h.Close()
		x := &hospital.Hospital{Base: h.URL + "/his", Code: "H99010000101", Name: "安济示例市人民医院", Region: "990100", Operator: "1", Now: c.Now}
		err := x.SignIn(t.Context())
		var got hospital.Settled
		if err == nil {
			got, err = x.Inpatient(t.Context(), "990100198503120014", "张安", []hospital.Bill{{Item: "SVC990000001", Amount: "10000.00"}})
		}
		if err != nil {
			t.Fatal(err)
		}
		return got.Basic
	}
	want := func(what string, got, want money.Fen) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	s := open()
	want("before it is issued", stay(s), 7820_00) // (10000 − 800) × 85%
	issueNext(t, s.current.Server, "2025-07-01")
	if err := s.current.rules.Refresh(t.Context(), s.current.DB); err != nil {
		t.Fatal(err)
	}
	want("before its first day", stay(s), 8160_00) // (10000 − 400) × 85%
	day = 20250701
	want("on its first day", stay(s), 9120_00) // (10000 − 400) × 95%
	inspect(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	want("in the next server", stay(s), 9120_00)
	if n := inspect(t, s); n != 4 {
		t.Errorf("%d settlements", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestFollow: a server that serves learns of what another issued.
func TestFollow(t *testing.T) {
	c := sandboxConfig(t, t.TempDir())
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		follow(ctx, time.Millisecond, s.log, func() error { return s.rules.Refresh(ctx, s.DB) })
		close(done)
	}()
	issueNext(t, s, "2025-07-01") // which leaves this server's packages as they are
	for len(c.Policies.Versions("990100")) < 2 {
		runtime.Gosched()
	}
	stop()
	<-done
}
