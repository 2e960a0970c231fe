package hisdocs_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/his"
	"github.com/anji-platform/anji/hisdocs"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/server"
)

// sandbox is a whole server on made-up data, in which it is the day of the
// examples.
func sandbox(t *testing.T) *httptest.Server {
	t.Helper()
	ctx := context.Background()
	store, err := policy.Load(policies.FS)
	must(t, err)
	day, err := civil.Parse(his.ExampleDay)
	must(t, err)
	now := day.Time().Add(10 * time.Hour)
	s, err := server.Open(ctx, server.Config{Data: t.TempDir(), Policies: store, Synthetic: true, Now: func() time.Time { return now }})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	_, err = demo.Seed(ctx, s.DB, s.Register, demo.Options{Today: day})
	must(t, err)
	h := httptest.NewServer(s.Handler)
	t.Cleanup(h.Close)
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reference is the handler without a store behind it.
func reference(providers ...hisdocs.Provider) (http.Handler, *his.Server) {
	i := his.New(his.Config{})
	return hisdocs.New(hisdocs.Config{Interface: i, Asset: func(name string) string { return "/static/" + name }, Providers: providers}), i
}

func get(t *testing.T, h http.Handler, path string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Result(), w.Body.String()
}

// TestReference finds every transaction, field and code of the table on the
// page, under addresses of their own that every link of the page leads to.
func TestReference(t *testing.T) {
	h, i := reference()
	_, page := get(t, h, "/his/docs")
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("two things have the address #%s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			t.Errorf("a link leads to #%s, which is nowhere", m[1])
		}
	}
	for _, id := range []string{"2207", "2207-medfee_sumamt", "2207-setlinfo-medfee_sumamt", "dict-med_type", "envelope-msgid", "reply-infcode", "errors"} {
		if !ids[id] {
			t.Errorf("nothing has the address #%s", id)
		}
	}
	rows := strings.Count(page, "<tr id=")
	want := len(i.Spec().Envelope.Fields) + len(i.Spec().Reply.Fields)
	for _, tr := range i.Spec().Transactions {
		if !ids[tr.Number] || !ids[tr.Number+"-"+tr.Input[0].Fields[0].Name] {
			t.Errorf("transaction %s is not on the page", tr.Number)
		}
		for _, n := range slices.Concat(tr.Input, tr.Output, []*his.Node{tr.InFile, tr.OutFile}) {
			if n != nil {
				want += len(n.Fields)
			}
		}
	}
	if rows != want {
		t.Errorf("the page has %d fields, the table %d", rows, want)
	}
	codes := 0
	for _, d := range i.Spec().Dictionaries {
		codes += len(d.Codes)
	}
	if got := strings.Count(page, "<li data-code="); got != codes {
		t.Errorf("the page has %d codes, the table %d", got, codes)
	}
	if got, want := strings.Count(page, `class="request"`), len(i.Offered()); got != want {
		t.Errorf("%d examples for %d transactions", got, want)
	}
	if got, want := strings.Count(page, ">未开通<"), len(i.Spec().Transactions)-len(i.Offered()); got != want {
		t.Errorf("%d transactions are said not to be offered, want %d", got, want)
	}
	for _, s := range []string{"N(16,2)", "DT", "湘渝深苏", "1 男", "部分省必填", "&#34;infno&#34;: &#34;2207&#34;"} {
		if !strings.Contains(page, s) {
			t.Errorf("the page lacks %q", s)
		}
	}
	if strings.Contains(page, `id="try"`) || strings.Contains(page, `id="desk"`) {
		t.Error("without providers to try as, the page has forms")
	}
}

func TestServing(t *testing.T) {
	h, _ := reference(hisdocs.Provider{Code: "H99010000201", Name: "示例区医院", Region: "990100"})
	for path, kind := range map[string]string{"/his/docs": "text/html", "/his/coverage": "text/html", "/his/openapi.json": "application/json"} {
		r, plain := get(t, h, path)
		if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
		if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: content policy %q", path, csp)
		}
		if m := regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son\w+=|ZgotmplZ|https?://`).FindString(plain); kind == "text/html" && m != "" {
			t.Errorf("%s has %q, which the content policy stops", path, m)
		}
		packed := httptest.NewRecorder()
		ask := httptest.NewRequest(http.MethodGet, path, nil)
		ask.Header.Set("Accept-Encoding", "gzip")
		h.ServeHTTP(packed, ask)
		z, err := gzip.NewReader(packed.Body)
		must(t, err)
		same, err := io.ReadAll(z)
		must(t, err)
		if string(same) != plain || packed.Header().Get("ETag") == r.Header.Get("ETag") {
			t.Errorf("%s: the compressed answer is another, or has the same tag", path)
		}
		again := httptest.NewRecorder()
		ask = httptest.NewRequest(http.MethodGet, path, nil)
		ask.Header.Set("If-None-Match", r.Header.Get("ETag"))
		h.ServeHTTP(again, ask)
		if again.Code != http.StatusNotModified {
			t.Errorf("%s asked for again: %d", path, again.Code)
		}
		posted := httptest.NewRecorder()
		h.ServeHTTP(posted, httptest.NewRequest(http.MethodPost, path, nil))
		if posted.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, posted.Code)
		}
	}
	_, page := get(t, h, "/his/docs")
	for _, name := range regexp.MustCompile(`/his/docs/docs-[0-9a-f]{16}\.(?:css|js)`).FindAllString(page, -1) {
		if r, _ := get(t, h, name); r.StatusCode != 200 || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", name, r.StatusCode, r.Header)
		}
	}
	if !strings.Contains(page, `<option value="H99010000201"`) || !strings.Contains(page, `id="try"`) {
		t.Error("with providers to try as, the page has no forms")
	}
	if r, _ := get(t, h, "/his/docs/none.js"); r.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is not there: %d", r.StatusCode)
	}
	if r, _ := get(t, h, "/his/docs/"); r.Header.Get("Location") != "/his/docs" {
		t.Errorf("/his/docs/ leads to %q", r.Header.Get("Location"))
	}
}

// TestFiles follows the links of the pages that are read without a server.
func TestFiles(t *testing.T) {
	all := hisdocs.Files(his.New(his.Config{}))
	for name, data := range all {
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?:href|src)="([^"#]+)`).FindAllSubmatch(data, -1) {
			if link := string(m[1]); all[link] == nil && link != "style.css" && link != "icon.svg" {
				t.Errorf("%s links to %s, which is not beside it", name, link)
			}
		}
	}
}

func TestCoverage(t *testing.T) {
	h, i := reference()
	c := hisdocs.Cover(i)
	if c.Offered != len(i.Offered()) || len(c.Transactions) != len(i.Spec().Transactions) {
		t.Errorf("%d of %d transactions", c.Offered, len(c.Transactions))
	}
	find := func(number, side, name string) hisdocs.CoveredField {
		for _, e := range c.Transactions {
			if e.Number != number {
				continue
			}
			for _, f := range e.Fields {
				if f.Side == side && f.Name == name {
					return f
				}
			}
		}
		t.Fatalf("%s %s %s is not in the report", number, side, name)
		return hisdocs.CoveredField{}
	}
	for _, tt := range []struct {
		number, side, name string
		used               bool
		checks             string
	}{
		{"2207", "in", "mdtrt_id", true, "必填 长度"},
		{"2207", "in", "medfee_sumamt", true, "必填 数值 位数"},
		{"2207", "in", "med_type", true, "必填 字典"},
		{"2207", "out", "fund_pay_sumamt", true, ""},
		{"2206", "in", "pub_hosp_rfom_flag", false, "长度"},
		{"1101", "out", "psn_type_lv", false, ""},
		{"9001", "in", "mac", true, "必填 长度"},
		{"2201", "in", "begntime", true, "必填 日期"},
	} {
		f := find(tt.number, tt.side, tt.name)
		if f.Used != tt.used || strings.Join(f.Checks, " ") != tt.checks {
			t.Errorf("%s %s %s: %+v", tt.number, tt.side, tt.name, f)
		}
		if (f.Reason == "") != tt.used {
			t.Errorf("%s %s %s: used %t, why not: %q", tt.number, tt.side, tt.name, tt.used, f.Reason)
		}
	}
	for _, e := range c.Transactions {
		if !e.Offered && e.Input.Used+e.Output.Used > 0 {
			t.Errorf("%s is not offered and uses fields", e.Number)
		}
	}
	if _, page := get(t, h, "/his/coverage"); !strings.Contains(page, "<td class=\"field\"><code>medfee_sumamt</code></td>") {
		t.Error("the page does not show the fields")
	}
}

// TestFailures makes every failure that the reference lists happen, and
// compares what is said with what is listed. Two need a broken store or a very
// long message, and are tested with the interface itself.
func TestFailures(t *testing.T) {
	s := sandbox(t)
	spec := his.New(his.Config{}).Spec()
	message := func(number, old, new string) string {
		m := string(spec.ExampleRequest(spec.Transaction(number)))
		if !strings.Contains(m, old) {
			t.Fatalf("the example of %s has no %s", number, old)
		}
		return strings.Replace(m, old, new, 1)
	}
	post := func(path, kind, body string) (string, string) {
		r, err := http.Post(s.URL+path, kind, strings.NewReader(body))
		must(t, err)
		defer r.Body.Close()
		var reply struct {
			Message string `json:"err_msg"`
			Output  struct {
				In struct {
					Sign string `json:"sign_no"`
				} `json:"signinoutb"`
			}
		}
		must(t, json.NewDecoder(r.Body).Decode(&reply))
		return r.Status[:3], reply.Message + reply.Output.In.Sign
	}
	signIn := message("9001", "{opter}", "demo")
	const kind = "application/json"
	got := map[string][2]string{}
	try := func(name, path, kind, body string) {
		status, text := post(path, kind, body)
		got[name] = [2]string{status, text}
	}
	try("未签到", "/his", kind, message("1101", "{sign_no}", ""))
	_, signNo := post("/his", kind, signIn)
	try("msgid 已用于别的请求", "/his", kind, strings.Replace(signIn, "00-00-00", "00-00-01", 1))
	try("报文不是 JSON", "/his", kind, `{"infno":"9001",}`)
	try("交易不存在或未开通", "/his", kind, message("9001", `"infno":"9001"`, `"infno":"9999"`))
	try("缺少必填字段", "/his", kind, message("2201", "{psn_no}", ""))
	try("字段形式不对", "/his", kind, message("2201", his.ExampleDay+` 10:00:00","mdtrt_cert`, `昨天","mdtrt_cert`))
	try("代码不在字典中", "/his", kind, message("2201", `"insutype":"310"`, `"insutype":"999"`))
	try("字段过长", "/his", kind, message("2201", "{psn_no}", strings.Repeat("9", 31)))
	try("机构或区划不对", "/his", kind, message("9001", `"fixmedins_code":"H99010000201"`, `"fixmedins_code":"H00000000000"`))
	unknown := strings.ReplaceAll(message("1101", "{sign_no}", signNo), "990100195607040023", "990100195607040999")
	try("业务不允许", "/his", kind, strings.ReplaceAll(unknown, "990100195607040999", "99010019990101001X"))
	try("地址不对", "/his/9001/x", kind, signIn)
	try("内容类型不对", "/his", "text/html", signIn)
	r, err := http.Get(s.URL + "/his")
	must(t, err)
	var reply struct {
		Message string `json:"err_msg"`
	}
	must(t, json.NewDecoder(r.Body).Decode(&reply))
	must(t, r.Body.Close())
	got["方法不对"] = [2]string{r.Status[:3], reply.Message}

	listed := hisdocs.Failures()
	for _, f := range listed {
		have, tried := got[f.Kind]
		switch {
		case !tried:
			if f.Kind != "报文过大" && f.Kind != "平台故障" {
				t.Errorf("%s was not tried", f.Kind)
			}
		case have[0] != f.Status || !strings.HasPrefix(have[1], f.Example):
			t.Errorf("%s: listed %s %q, it is %s %q", f.Kind, f.Status, f.Example, have[0], have[1])
		}
		delete(got, f.Kind)
	}
	if len(got) > 0 {
		t.Errorf("not listed: %v", got)
	}
}

func TestServerDocs(t *testing.T) {
	s := sandbox(t)
	for path, want := range map[string]string{
		"/demo": `href="/his/docs"`, "/his/docs": "示例区医院", "/his/coverage": "字段覆盖", "/his/openapi.json": `"openapi": "3.1.0"`,
	} {
		r, err := http.Get(s.URL + path)
		must(t, err)
		body, err := io.ReadAll(r.Body)
		must(t, errors.Join(err, r.Body.Close()))
		if r.StatusCode != 200 || !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s: %d, without %q", path, r.StatusCode, want)
		}
	}
	// The look's address is that of the portal, and it is there.
	_, page := get(t, s.Config.Handler, "/his/docs")
	for _, path := range slices.Compact(regexp.MustCompile(`/static/[^"]+`).FindAllString(page, -1)) {
		if r, _ := get(t, s.Config.Handler, path); r.StatusCode != 200 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}
