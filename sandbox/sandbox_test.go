package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/sandbox"
)

func TestExchanges(t *testing.T) {
	b := newBench(t)
	b.shows("/sandbox", []string{"还没有报文"}, []string{`<div class="card empty" id="empty" hidden>`})
	b.shows("/demo", []string{`href="/sandbox"`}, nil)
	h := b.signedIn("H99010000201", "990100")
	st, err := h.Outpatient(context.Background(), demo.LiJi, "李济", bill)
	must(t, err)
	// 9001, 1101, 2201, 2203, 2204, 2206, 2207.
	b.shows("/sandbox", []string{`/sandbox/exchanges/1"`, `/sandbox/exchanges/7"`, `hidden`}, []string{`/sandbox/exchanges/8"`})
	b.shows("/sandbox?number=2207", []string{`/sandbox/exchanges/7"`, `value="2207" selected`}, []string{`/sandbox/exchanges/6"`})
	b.shows("/sandbox?provider=H99010000102", nil, []string{`/sandbox/exchanges/7"`})
	b.shows("/sandbox?outcome=refused", nil, []string{`/sandbox/exchanges/7"`})
	b.shows("/sandbox/exchanges/7", []string{
		"门诊结算", "医疗费总额", "普通门诊", "500.00", `href="/settlements/` + st.ID + `"`, "应付机构 H99010000201", "统筹基金（990100）", "个人账户", "记的账", "交易状态码", "User-Agent",
	}, []string{"拒绝"})
	if status, _ := b.get("/settlements/" + st.ID); status != 200 {
		t.Errorf("the settlement's page: %d", status)
	}

	if code, _ := b.again(); code != "0" {
		t.Errorf("repeated: %s", code)
	}
	b.shows("/sandbox?outcome=repeated", []string{`/sandbox/exchanges/8"`, "重发，原样应答"}, []string{`/sandbox/exchanges/7"`})
	b.shows("/sandbox/exchanges/8", []string{"同一 msgid 的重发", `href="/sandbox/exchanges/7"`}, nil)
	b.shows("/sandbox/exchanges/7", []string{`href="/sandbox/exchanges/8"`}, nil)

	if _, err := h.Call(context.Background(), "2201", "", map[string]any{"data": map[string]any{"psn_no": "<script>", "begntime": "明天"}}); err == nil {
		t.Fatal("a wrong message was done")
	}
	b.shows("/sandbox/exchanges/9", []string{"不对的字段", "<code>begntime</code>", "明天", "应为时间 yyyy-MM-dd HH:mm:ss", "&lt;script&gt;"}, []string{"<script>\""})
	b.shows("/sandbox?outcome=refused", []string{`/sandbox/exchanges/9"`, "拒绝"}, nil)

	resp, err := http.Post(b.http.URL+"/his/2207", "text/html", strings.NewReader("<<<"))
	must(t, err)
	resp.Body.Close()
	b.shows("/sandbox?outcome=failed", []string{`/sandbox/exchanges/10"`}, nil)
	b.shows("/sandbox/exchanges/10", []string{"&lt;&lt;&lt;", "415"}, nil)
	for _, path := range []string{"/sandbox/exchanges/11", "/sandbox/exchanges/x", "/sandbox/exchanges/-1", "/sandbox/nothing"} {
		if status, text := b.get(path); status != 404 || !strings.Contains(text, "没有找到") {
			t.Errorf("%s: %d", path, status)
		}
	}
	resp, err = http.Get(b.http.URL + "/sandbox")
	must(t, err)
	resp.Body.Close()
	if p := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'self'") || strings.Contains(p, "unsafe") {
		t.Errorf("content security policy %q", p)
	}
}

// TestEvents follows the stream, leaves it, and goes on where it was.
func TestEvents(t *testing.T) {
	b := newBench(t)
	open := func(path, last string) (*bufio.Scanner, func()) {
		req, err := http.NewRequest(http.MethodGet, b.http.URL+path, nil)
		must(t, err)
		if last != "" {
			req.Header.Set("Last-Event-ID", last)
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
			t.Fatalf("%s: %s", path, ct)
		}
		return bufio.NewScanner(resp.Body), func() { resp.Body.Close() }
	}
	// event reads one event: its number, and all it says.
	event := func(s *bufio.Scanner) (id, text string) {
		for s.Scan() {
			line := s.Text()
			switch {
			case line == "" && id != "":
				return id, text
			case strings.HasPrefix(line, "id: "):
				id = line[4:]
			case strings.HasPrefix(line, "data: "):
				text += line[6:]
			}
		}
		t.Fatalf("the stream ended: %v", s.Err())
		return "", ""
	}
	all, leave := open("/sandbox/events?after=0", "")
	only, leaveOnly := open("/sandbox/events?after=0&number=1101", "")
	defer leaveOnly()
	h := b.signedIn("H99010000201", "990100")
	if id, text := event(all); id != "1" || !strings.Contains(text, "9001") || !strings.Contains(text, "H99010000201") || !strings.HasSuffix(text, "</li>") {
		t.Errorf("%s %s", id, text)
	}
	leave()
	_, err := h.Outpatient(context.Background(), demo.LiJi, "李济", bill)
	must(t, err)
	if id, text := event(only); id != "2" || !strings.Contains(text, "1101") {
		t.Errorf("of 1101: %s %s", id, text)
	}
	all, leave = open("/sandbox/events?after=0", "1")
	defer leave()
	for want := 2; want <= 7; want++ {
		if id, _ := event(all); id != fmt.Sprint(want) {
			t.Errorf("event %s, want %d", id, want)
		}
	}
}

// TestLostReply forces the answer of a settlement to be lost. The same message
// again gets the first answer; money moved once.
func TestLostReply(t *testing.T) {
	b := newBench(t)
	h := b.signedIn("H99010000201", "990100")
	status, text := b.post("/sandbox/force", url.Values{"kind": {"lost"}, "number": {"2207"}, "provider": {"H99010000201"}, "count": {"1"}})
	if status != 200 || !strings.Contains(text, "已设置") || !strings.Contains(text, "还有 <b class=\"num\">1</b> 次") {
		t.Fatalf("%d %s", status, text)
	}
	if st, err := h.Outpatient(context.Background(), demo.LiJi, "李济", bill); err == nil {
		t.Fatalf("the answer arrived: %+v", st)
	}
	b.shows("/sandbox/force", []string{"没有设置"}, nil)
	b.shows("/sandbox/exchanges/7", []string{"强制应答：应答丢失", "业务已经办理并记账", "连接断开，没有应答", "记的账"}, nil)
	_, text = b.get("/sandbox/exchanges/7")
	lost := regexp.MustCompile(`href="/settlements/([^"]+)"`).FindStringSubmatch(text)
	if lost == nil {
		t.Fatal("the lost settlement is not linked")
	}
	code, reply := b.again()
	if code != "0" || !strings.Contains(reply, `"setl_id":"`+lost[1]+`"`) {
		t.Errorf("again: %s %s, want settlement %s", code, reply, lost[1])
	}
	_, text = b.get("/demo")
	if n := strings.Count(text, `href="/settlements/`); n != 1 {
		t.Errorf("%d settlements", n)
	}
	r := b.report("H99010000201")
	if r["repeat"].State != sandbox.Completed || r["outpatient"].State != sandbox.Completed || r["recovery"].State != sandbox.Tried {
		t.Errorf("%+v", r)
	}
}

// TestRecovery cancels a lost settlement by 2601.
func TestRecovery(t *testing.T) {
	b := newBench(t)
	h := b.signedIn("H99010000201", "990100")
	b.post("/sandbox/force", url.Values{"kind": {"lost"}, "number": {"2207"}, "count": {"1"}})
	if _, err := h.Outpatient(context.Background(), demo.LiJi, "李济", bill); err == nil {
		t.Fatal("the answer arrived")
	}
	var lost struct {
		Msgid string
		Input struct {
			Data struct {
				Person string `json:"psn_no"`
			}
		}
	}
	must(t, json.Unmarshal(b.last, &lost))
	_, err := h.Call(context.Background(), "2601", "990100", map[string]any{"data": map[string]any{"psn_no": lost.Input.Data.Person, "omsgid": lost.Msgid, "oinfno": "2207"}})
	must(t, err)
	if r := b.report("H99010000201"); r["recovery"].State != sandbox.Completed {
		t.Errorf("%+v", r["recovery"])
	}
}

func (b *bench) report(provider string) map[string]sandbox.FlowReport {
	b.t.Helper()
	_, text := b.get("/sandbox/conformance?provider=" + provider + "&format=json")
	var r sandbox.Report
	must(b.t, json.Unmarshal([]byte(text), &r))
	out := map[string]sandbox.FlowReport{}
	for _, f := range r.Flows {
		out[f.ID] = f
	}
	return out
}

func TestForceForm(t *testing.T) {
	b := newBench(t)
	good := url.Values{"kind": {"late"}, "number": {"2207"}, "provider": {""}, "count": {"3"}, "seconds": {"7"}, "message": {"忙"}}
	for _, c := range []struct{ field, value, want string }{
		{"kind", "", "请选择"}, {"kind", "x", "请选择"}, {"number", "2299", "没有交易 2299"}, {"provider", strings.Repeat("H", 31), "最多 30"},
		{"count", "0", "次数“0”"}, {"count", "101", "应为 1 至 100"}, {"count", "", "次数"}, {"count", "1.5", "次数"}, {"count", `"><script>`, "次数“&#34;&gt;&lt;script&gt;”"},
		{"seconds", "301", "应为 1 至 300"}, {"seconds", "-1", "等待秒数"},
	} {
		form := url.Values{}
		for k, v := range good {
			form[k] = v
		}
		form.Set(c.field, c.value)
		status, text := b.post("/sandbox/force", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(text, c.want) || !strings.Contains(text, "没有设置，平台照常应答") || !strings.Contains(text, `value="忙"`) {
			t.Errorf("%s=%q: %d, want %q", c.field, c.value, status, c.want)
		}
	}
	refusal := url.Values{"kind": {"refusal"}, "count": {"1"}, "message": {" "}}
	if status, _ := b.post("/sandbox/force", refusal); status != http.StatusUnprocessableEntity {
		t.Errorf("an empty refusal: %d", status)
	}
	refusal.Set("message", strings.Repeat("忙", 200))
	if status, _ := b.post("/sandbox/force", refusal); status != http.StatusUnprocessableEntity {
		t.Errorf("a long refusal: %d", status)
	}
	if status, _ := b.post("/sandbox/force", url.Values{"message": {strings.Repeat("x", 1<<20)}}); status != http.StatusUnprocessableEntity {
		t.Errorf("a large form: %d", status)
	}
	if _, text := b.post("/sandbox/force", good); !strings.Contains(text, "迟到的应答") || !strings.Contains(text, "7.0 秒") {
		t.Errorf("%s", text)
	}
	refusal.Set("message", "<b>余额不足</b>")
	refusal.Set("number", "9001")
	if _, text := b.post("/sandbox/force", refusal); !strings.Contains(text, "&lt;b&gt;余额不足") {
		t.Error("the refusal is not shown")
	}
	if err := b.hospital("H99010000101", "990100").SignIn(context.Background()); err == nil || !strings.Contains(err.Error(), "<b>余额不足</b>") {
		t.Errorf("the forced refusal: %v", err)
	}
	if _, text := b.post("/sandbox/force/1/disarm", nil); !strings.Contains(text, "没有设置，平台照常应答") {
		t.Error("not disarmed")
	}
	// Another site's page must not set anything.
	for _, path := range []string{"/sandbox/force", "/sandbox/reset"} {
		req, err := http.NewRequest(http.MethodPost, b.http.URL+path, strings.NewReader(good.Encode()))
		must(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s from another site: %d", path, resp.StatusCode)
		}
	}
}

// TestForcedThroughServer forces what breaks the transport, over the whole
// server.
func TestForcedThroughServer(t *testing.T) {
	b := newBench(t)
	h := b.hospital("H99010000101", "990100")
	for _, kind := range []string{"500", "503", "malformed", "truncated", "lost"} {
		b.post("/sandbox/force", url.Values{"kind": {kind}, "count": {"1"}})
		if err := h.SignIn(context.Background()); err == nil {
			t.Errorf("%s: signed in", kind)
		}
		if code, _ := b.again(); code != "0" {
			t.Errorf("%s: again %s", kind, code)
		}
	}
	b.post("/sandbox/force", url.Values{"kind": {"timeout"}, "count": {"1"}, "seconds": {"1"}})
	if err := h.SignIn(context.Background()); err == nil {
		t.Error("timeout: signed in")
	}
	b.shows("/sandbox?outcome=forced", []string{"HTTP 500", "HTTP 503", "应答不是合法的 JSON", "应答只有一半", "应答丢失", "超时"}, nil)
}

var token = regexp.MustCompile(`data-copy="([0-9a-f]{28,})"`)

// TestCodePage scans what the page of a person's code shows.
func TestCodePage(t *testing.T) {
	b := newBench(t)
	h := b.signedIn("H99010000201", "990100")
	status, page := b.get("/sandbox/people/2/code")
	m := regexp.MustCompile(`data-copy="([A-Za-z0-9_-]{100,})"`).FindStringSubmatch(page)
	if status != 200 || m == nil || !strings.Contains(page, "<svg") || !strings.Contains(page, "李济的电子凭证二维码") {
		t.Fatalf("%d %s", status, page)
	}
	token, err := h.Scan(context.Background(), m[1], "01301")
	must(t, err)
	if len(token) != 40 {
		t.Errorf("token %q", token)
	}
	if _, err := h.Scan(context.Background(), m[1], "01301"); err == nil || !strings.Contains(err.Error(), "已使用过") {
		t.Errorf("scanned twice: %v", err)
	}
	if status, _ := b.get("/sandbox/people/99/code"); status != 404 {
		t.Errorf("nobody's code: %d", status)
	}
}

func TestReset(t *testing.T) {
	b := newBench(t)
	h := b.signedIn("H99010000201", "990100")
	st, err := h.Outpatient(context.Background(), demo.LiJi, "李济", bill)
	must(t, err)
	_, before := b.get("/sandbox/people")
	status, text := b.post("/sandbox/reset", nil)
	if status != 200 || !strings.Contains(text, "已重置") {
		t.Fatalf("%d %s", status, text)
	}
	if status, _ := b.get("/settlements/" + st.ID); status != 404 {
		t.Errorf("the settlement is there: %d", status)
	}
	b.shows("/sandbox/exchanges/7", []string{"此后数据已重置", st.ID}, []string{`href="/settlements/`, "记的账"})
	_, after := b.get("/sandbox/people")
	old, fresh := token.FindAllString(before, -1), token.FindAllString(after, -1)
	if len(old) < 13 || len(fresh) != len(old) || old[0] == fresh[0] {
		t.Errorf("tokens before %v, after %v", old, fresh)
	}
	// The sign-in and the sums of the year are gone: the same again is settled
	// as the first time.
	if _, err := h.Outpatient(context.Background(), demo.LiJi, "李济", bill); err == nil || !strings.Contains(err.Error(), "签到") {
		t.Errorf("signed in before the reset: %v", err)
	}
	must(t, h.SignIn(context.Background()))
	again, err := h.Outpatient(context.Background(), demo.LiJi, "李济", bill)
	must(t, err)
	if again.ID == st.ID || again.Fund != st.Fund || again.Account != st.Account {
		t.Errorf("before %+v, after %+v", st, again)
	}
	if r := b.report("H99010000201"); r["outpatient"].Completed != 2 {
		t.Errorf("the report does not go on: %+v", r["outpatient"])
	}
}

func TestConformance(t *testing.T) {
	b := newBench(t)
	b.shows("/sandbox/conformance", []string{"还没有机构发过报文"}, nil)
	ctx := context.Background()
	h := b.signedIn("H99010000101", "990100")
	_, err := h.Outpatient(ctx, demo.LiJi, "李济", bill)
	must(t, err)
	for range 2 {
		if _, err := h.Call(ctx, "1101", "", map[string]any{"data": map[string]any{"mdtrt_cert_type": "09", "mdtrt_cert_no": demo.LiJi, "certno": demo.LiJi, "psn_name": "李济", "psn_cert_type": "01"}}); err == nil {
			t.Fatal("a wrong code was taken")
		}
	}
	if _, err := h.Call(ctx, "1101", "", map[string]any{"data": map[string]any{"mdtrt_cert_type": "02", "mdtrt_cert_no": demo.LiJi, "certno": demo.LiJi, "psn_name": "李四", "psn_cert_type": "1"}}); err == nil {
		t.Fatal("another's name was taken")
	}
	out, err := h.Call(ctx, "1301", "", map[string]any{"data": map[string]any{"ver": "v0000"}})
	must(t, err)
	_, err = h.Call(ctx, "9102", "", map[string]any{"fsDownloadIn": map[string]any{"file_qury_no": out["file_qury_no"], "filename": out["filename"], "fixmedins_code": "plc"}})
	if err == nil {
		t.Fatal("a file was read as JSON")
	}
	r := b.report("H99010000101")
	for id, want := range map[string]sandbox.State{
		"sign": sandbox.Tried, "catalogue": sandbox.Completed, "outpatient": sandbox.Completed, "inpatient": sandbox.Never, "pharmacy": sandbox.Never, "away": sandbox.Never, "repeat": sandbox.Never,
	} {
		if r[id].State != want {
			t.Errorf("%s: %+v, want %s", id, r[id], want)
		}
	}
	_, raw := b.get("/sandbox/conformance?provider=H99010000101&format=json")
	var report sandbox.Report
	must(t, json.Unmarshal([]byte(raw), &report))
	if len(report.Faults) != 1 || report.Faults[0].Field != "mdtrt_cert_type" || report.Faults[0].Count != 2 || report.Faults[0].Value != "09" || report.Faults[0].Transaction != "1101" {
		t.Errorf("faults %+v", report.Faults)
	}
	if len(report.Refusals) != 1 || report.Refusals[0].Text != "人员姓名 psn_name“…”与所持凭证的人员不符" {
		t.Errorf("refusals %+v", report.Refusals)
	}
	for _, s := range []string{demo.LiJi, "李济", "李四"} {
		if strings.Contains(raw, s) && !strings.Contains(report.Flows[2].Hint, s) {
			t.Errorf("the report names %s", s)
		}
	}
	b.shows("/sandbox/conformance", []string{"H99010000101", "安济示例市人民医院", "2 / 13"}, nil)
	b.shows("/sandbox/conformance?provider=H99010000101", []string{"已走通", "没有试过", "老郭在 H99020000101", "mdtrt_cert_type", "人员信息获取", "人员姓名 psn_name“…”"}, []string{demo.LiJi})
	b.shows("/sandbox/conformance?provider=H99010000301", []string{"没有试过", "还没有。"}, []string{"已走通"})
	if _, text := b.get("/sandbox/conformance?format=json"); strings.TrimSpace(text) != "{\n  \"providers\": [\n    \"H99010000101\"\n  ]\n}" {
		t.Errorf("%s", text)
	}
}

// TestPeople settles a visit of each of the fixed people: what the page says
// of them holds.
func TestPeople(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	home, away, county := b.signedIn("H99010000201", "990100"), b.signedIn("H50000000101", "500000"), b.signedIn("H99020000101", "990200")
	large := append(bill, bill[0], bill[0], bill[0])
	stay := []hospital.Bill{{Item: "SVC990000001", Amount: "2000.00"}, {Item: "DRG990000001", Amount: "3000.00"}, {Item: "DRG990000002", Amount: "5000.00"}}
	sent := 3
	for _, p := range demo.People() {
		b.shows("/sandbox/people", []string{p.Name, p.CitizenID, "C" + p.CitizenID, p.Situation, p.Outcome}, []string{"库中没有这个人"})
		var st hospital.Settled
		var err error
		aided := strings.Contains(p.Outcome, "医疗救助")
		switch {
		case p.CitizenID == demo.Guo:
			st, err = county.Inpatient(ctx, p.CitizenID, p.Name, stay)
			sent += 5
			if st.Fund.String() != "6560.00" {
				t.Errorf("%s (%s): the funds pay %s", p.Name, p.Outcome, st.Fund)
			}
		case aided:
			st, err = home.Inpatient(ctx, p.CitizenID, p.Name, stay)
			sent += 5
		case p.Name == "吴远":
			st, err = away.Outpatient(ctx, p.CitizenID, p.Name, large)
			sent += 6
		default:
			st, err = home.Outpatient(ctx, p.CitizenID, p.Name, large)
			sent += 6
		}
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		if p.Unfunded != (st.Fund == 0) {
			t.Errorf("%s (%s): the funds pay %s", p.Name, p.Outcome, st.Fund)
		}
		if strings.Contains(p.Outcome, "先由个人账户支付") != (st.Account > 0) {
			t.Errorf("%s (%s): the account pays %s", p.Name, p.Outcome, st.Account)
		}
		if _, text := b.get(fmt.Sprintf("/sandbox/exchanges/%d", sent)); !strings.Contains(text, st.ID) || strings.Contains(text, "医疗救助基金（") != aided {
			t.Errorf("%s (%s): message %d shows otherwise", p.Name, p.Outcome, sent)
		}
	}
	clinic := b.signedIn("H99010000501", "990100")
	if st, err := clinic.Outpatient(ctx, demo.People()[2].CitizenID, "王平", large); err != nil || st.Fund != 0 {
		t.Errorf("where there is no agreement: the funds pay %s, %v", st.Fund, err)
	}
	if r := b.report("H50000000101"); r["away"].State != sandbox.Completed {
		t.Errorf("away: %+v", r["away"])
	}
}
