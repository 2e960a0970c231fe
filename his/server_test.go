package his

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
)

func TestTransport(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101")
	sign := `{"signIn":{"opter_no":"0001","mac":"00","ip":"10.0.0.1"}}`
	tests := []struct {
		name, path, contentType, body string
		status                        int
		code, message                 string
	}{
		{"dispatch by infno", "/his", "application/json", d.message("9001", sign), 200, "0", ""},
		{"with a slash", "/his/", "application/json", d.message("9001", sign), 200, "0", ""},
		{"dispatch by address", "/his/9001", "application/json;charset=UTF-8", d.message("9001", sign), 200, "0", ""},
		{"plain text", "/his", "text/plain", d.message("9001", sign), 200, "0", ""},
		{"plain text with charset", "/his/9001", `text/plain; charset="utf-8"`, d.message("9001", sign), 200, "0", ""},
		{"no content type", "/his", "", d.message("9001", sign), 200, "0", ""},
		{"UTF-8 said to be GBK", "/his", "application/json; charset=GBK", d.message("9001", sign), 200, "-1", "报文不是 GBK 编码"},
		{"a form of fields", "/his", "application/x-www-form-urlencoded", "infno=9001", 200, "-1", "表单中有 0 个字段是 JSON 报文"},
		{"XML", "/his", "text/xml", "<x/>", 415, "-1", "Content-Type“text/xml”"},
		{"Big5", "/his", "text/plain;charset=Big5", "{}", 415, "-1", "编码“big5”：应为 UTF-8 或 GBK"},
		{"another address", "/his/9001/x", "application/json", d.message("9001", sign), 404, "-1", "/his/交易编号"},
		{"another number", "/his/9002", "application/json", d.message("9001", sign), 200, "-1", "不一致"},
		{"no JSON", "/his", "application/json", "<xml/>", 200, "-1", "不是合法的 JSON"},
		{"empty", "/his", "application/json", "", 200, "-1", "报文为空"},
		{"too large", "/his", "application/json", `{"a":"` + strings.Repeat("x", maxBody) + `"}`, 413, "-1", "超过 4194304 字节"},
	}
	for _, tt := range tests {
		resp, raw := p.post(tt.path, tt.contentType, tt.body)
		r := p.parse(raw)
		if resp.StatusCode != tt.status || string(r.Infcode) != tt.code || !strings.Contains(r.ErrMsg, tt.message) || tt.message == "" && r.ErrMsg != "" {
			t.Errorf("%s: status %d, %s", tt.name, resp.StatusCode, raw)
		}
		if len(r.Refmsg) != 30 {
			t.Errorf("%s: inf_refmsgid %q has %d characters", tt.name, r.Refmsg, len(r.Refmsg))
		}
	}
	resp, err := http.Get(p.http.URL + "/his")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %s, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
}

func TestSignIn(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101")
	ask := `{"data":{"mdtrt_cert_type":"02","mdtrt_cert_no":"` + liji + `","psn_cert_type":"01","certno":"` + liji + `","psn_name":"李济"}}`
	want := func(what, contains string) {
		t.Helper()
		if contains == "" {
			d.ask("1101", ask)
		} else if err := d.refused("1101", ask); !strings.Contains(err, contains) {
			t.Errorf("%s: %s", what, err)
		}
	}
	want("before signing in", "今日尚未签到，请先调用 9001 签到")
	d.signNo = "null"
	want("null before signing in", "请先调用 9001 签到")
	d.signNo = "never-given"
	want("an unknown number", "不是本机构的签到编号")
	d.signNo = ""
	d.signIn()
	given := d.signNo
	want("with its number", "")
	d.signNo = ""
	want("without a number, signed in today", "")
	d.operator = "0002"
	want("another operator without a number", "操作员 opter“0002”今日尚未签到")
	d.signNo = given
	want("another operator with the number", "")
	other := p.desk("H99010000201")
	other.signNo = given
	if err := other.refused("1101", ask); !strings.Contains(err, "不是本机构的签到编号") {
		t.Errorf("another provider with the number: %s", err)
	}
	d.operator = "0001"
	if err := d.refused("9002", `{"signOut":{"sign_no":"`+given+`","opter_no":"0002"}}`); !strings.Contains(err, "不是操作员 opter_no“0002”的") {
		t.Errorf("another operator signs out: %s", err)
	}
	p.now = p.now.Add(24 * time.Hour)
	want("the next day", "当日有效，请重新调用 9001 签到")
	d.signNo = ""
	want("the next day without a number", "今日尚未签到")
	d.signIn()
	r := d.ask("9002", `{"signOut":{"sign_no":"`+d.signNo+`","opter_no":"0001"}}`)
	if got := r.object(t, "sign_time")["sign_time"]; got != "2025-06-21 10:00:00" {
		t.Errorf("sign_time %v", got)
	}
	want("after signing out", "已签退")
	d.signNo = ""
	want("after signing out, without a number", "今日尚未签到")
	unknown := p.desk("H99010009999")
	if err := unknown.refused("9001", `{"signIn":{"opter_no":"1","mac":"0","ip":"1"}}`); !strings.Contains(err, "“H99010009999”未登记") {
		t.Errorf("an unknown provider: %s", err)
	}
	away := strings.Replace(d.message("9001", `{"signIn":{"opter_no":"1","mac":"0","ip":"1"}}`), `"mdtrtarea_admvs":"990100"`, `"mdtrtarea_admvs":"990200"`, 1)
	if r := p.send(away); !strings.Contains(r.ErrMsg, "“990200”与机构 H99010000101 的区划 990100 不一致") {
		t.Errorf("another region: %s", r.raw)
	}
}

func TestOnce(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(liji, "李济")
	message := d.message("2401", admission(psn, liji, "310", "21", "2025-06-18 08:00:00"))
	first := p.send(message)
	before := p.counts()
	if again := p.send(message); again.raw != first.raw {
		t.Errorf("another reply:\n%s\n%s", first.raw, again.raw)
	}
	if again := p.send(strings.ReplaceAll(message, ",", " ,\n")); again.raw != first.raw {
		t.Errorf("another reply to another spelling:\n%s\n%s", first.raw, again.raw)
	}
	if r := p.send(strings.Replace(message, "肺炎", "气胸", 1)); r.Infcode != "-1" || !strings.Contains(r.ErrMsg, "已用于另一笔内容不同的请求") {
		t.Errorf("another request under the same msgid: %s", r.raw)
	}
	if after := p.counts(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}

	// What is refused leaves nothing, and is done under the same msgid once it
	// is right.
	visit := first.object(t, "result")["mdtrt_id"].(string)
	wrong := d.message("2301", strings.Replace(feesInput(visit, psn, "21", p.now, handbook), `"det_item_fee_sumamt":3000`, `"det_item_fee_sumamt":3000.01`, 1))
	r := p.send(wrong)
	if want := "feedetail 第 2 行 明细项目费用总额 det_item_fee_sumamt“3000.01”：应等于数量 × 单价 ＝ 3000.00"; r.ErrMsg != want {
		t.Errorf("err_msg %q, want %q", r.ErrMsg, want)
	}
	if after := p.counts(); after != before {
		t.Errorf("a refused message left something: before %+v, after %+v", before, after)
	}
	if r := p.send(strings.Replace(wrong, "3000.01", "3000", 1)); r.Infcode != "0" {
		t.Errorf("the corrected message: %s", r.raw)
	}
}

// The same message many times at once is done once.
func TestOnceAtOnce(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(liji, "李济")
	visit := d.outpatient(psn, liji, "310", "11")
	d.fees("2204", visit, psn, "11", handbook)
	message := d.message("2207", outpatientBill(psn, liji, visit, "310", "11", "10000", noAmounts))
	before := p.counts()
	replies := make([]string, 8)
	var wg sync.WaitGroup
	for i := range replies {
		wg.Go(func() {
			resp, err := http.Post(p.http.URL+"/his", "application/json", strings.NewReader(message))
			if err != nil {
				replies[i] = err.Error()
				return
			}
			defer resp.Body.Close()
			var b strings.Builder
			if err := resp.Write(&b); err != nil {
				replies[i] = err.Error()
				return
			}
			_, replies[i], _ = strings.Cut(b.String(), "\r\n\r\n")
		})
	}
	wg.Wait()
	for _, r := range replies {
		if r != replies[0] || !strings.Contains(r, `"infcode":0`) {
			t.Errorf("replies differ:\n%s\n%s", replies[0], r)
		}
	}
	if after := p.counts(); after.settlements != before.settlements+1 || after.entries != before.entries+1 || after.replies != before.replies+1 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// A failure of the store at any write of a settlement leaves nothing of it,
// and the same message is done afterwards.
func TestFailureAtEveryWrite(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	_, psn := d.person(liji, "李济")
	visit := d.outpatient(psn, liji, "310", "11")
	d.fees("2204", visit, psn, "11", handbook)
	message := []byte(d.message("2207", outpatientBill(psn, liji, visit, "310", "11", "10000", noAmounts)))
	before := p.counts()
	for at := 1; ; at++ {
		if at > 200 {
			t.Fatal("a settlement has more than 200 writes")
		}
		n := 0
		ctx := db.WithFailure(context.Background(), func(string) error {
			if n++; n == at {
				return errors.New("the disk is full")
			}
			return nil
		})
		st := &stamp{received: p.now, serial: uint64(at)}
		r := p.parse(string(p.server.answer(ctx, message, "", st)))
		if n < at {
			if r.Infcode != "0" || at < 5 {
				t.Fatalf("after %d writes: %s", n, r.raw)
			}
			break
		}
		if r.Infcode != "-1" || !strings.Contains(r.ErrMsg, "参考号 "+r.Refmsg) || strings.Contains(r.raw, "disk") {
			t.Fatalf("write %d failed: %s", at, r.raw)
		}
		if !strings.Contains(p.log.String(), r.Refmsg) {
			t.Fatalf("the log does not hold the reference %s", r.Refmsg)
		}
		if after := p.counts(); after != before {
			t.Fatalf("write %d failed and left %+v, want %+v", at, after, before)
		}
	}
	if after := p.counts(); after.settlements != before.settlements+1 {
		t.Errorf("settlements %d, want %d", after.settlements, before.settlements+1)
	}
	if strings.Contains(p.log.String(), liji) || strings.Contains(p.log.String(), "李济") {
		t.Error("the log holds personal data")
	}
	p.verify()
}

func TestPanic(t *testing.T) {
	p := newPlatform(t)
	p.server.offered = map[string]operation{"9001": {func(*Server, context.Context, *db.Tx, *request, *answer) error { panic("a slip") }, false}}
	d := p.desk("H99010000101")
	before := p.counts()
	r := d.send(d.message("9001", `{"signIn":{"opter_no":"0001","mac":"0","ip":"1"}}`))
	if r.Infcode != "-1" || !strings.Contains(r.ErrMsg, "系统暂时无法处理，请稍后用原报文重发；参考号 990100") || strings.Contains(r.raw, "slip") {
		t.Errorf("reply %s", r.raw)
	}
	if log := p.log.String(); !strings.Contains(log, r.Refmsg) || !strings.Contains(log, "a slip") {
		t.Errorf("log %s", log)
	}
	if after := p.counts(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestRefmsgid(t *testing.T) {
	st := &stamp{region: "990100", replied: time.Date(2025, 6, 20, 23, 30, 0, 7_000_000, time.UTC), serial: 12_345_678_901}
	if got, want := st.id(), "990100202506210730002345678901"; got != want {
		t.Errorf("inf_refmsgid %s, want %s", got, want)
	}
	if got, want := millis(st.replied), "20250621073000007"; got != want {
		t.Errorf("respond_time %s, want %s", got, want)
	}
}

// Whatever the bill, the person and the kind of care: every preview and every
// settlement keeps the identities, the two agree, and the books can be proved.
func TestIdentitiesOfManySettlements(t *testing.T) {
	p := newPlatform(t)
	const seed = 20250620
	rnd := rand.New(rand.NewPCG(seed, 1))
	people := []struct{ id, name, insutype string }{
		{"990100198503120014", "张安", "310"}, {liji, "李济", "310"}, {"990100199001010119", "王平", "390"},
		{"990100194805200214", "钱厚", "390"}, {"990100197108150227", "孙敏", "390"}, {"990100196611110236", "周和", "310"},
		{"990100196206300327", "郑缺", "310"}, {laoguo, "老郭", "310"},
	}
	codes := []string{"SVC990000001", "DRG990000001", "DRG990000002", "DRG990000003", "DRG990000004", "BED990000001", "MEAL99000001", "NONE"}
	desks := []*desk{p.desk("H99010000101").signIn(), p.desk("H99010000201").signIn(), p.desk("H99010000301").signIn(), p.desk("P99010000401").signIn(), p.desk("H99010000501").signIn()}
	for round := range 60 {
		who, d := people[rnd.IntN(len(people))], desks[rnd.IntN(len(desks))]
		var items []item
		var total int64
		for range 1 + rnd.IntN(6) {
			price, n := 1+rnd.Int64N(400_000), 1+rnd.Int64N(30)
			total += price * n
			items = append(items, item{codes[rnd.IntN(len(codes))], fmt.Sprint(n), yuan(price), yuan(price * n)})
		}
		_, psn := d.person(who.id, who.name)
		kinds := []string{"11", "13", "14", "21", "28", "52"}
		kind := kinds[rnd.IntN(len(kinds))]
		if strings.HasPrefix(d.provider, "P") {
			kind = "41"
		}
		var preview, final reply
		if kind == "21" || kind == "28" || kind == "52" {
			visit := d.admission(psn, who.id, who.insutype, kind, "2025-06-12 08:00:00")
			d.fees("2301", visit, psn, kind, items)
			bill := stayBill(psn, who.id, visit, who.insutype, yuan(total), "2025-06-20", noAmounts)
			preview, final = d.ask("2303", bill), d.ask("2304", bill)
		} else {
			visit := d.outpatient(psn, who.id, who.insutype, kind)
			d.fees("2204", visit, psn, kind, items)
			bill := outpatientBill(psn, who.id, visit, who.insutype, kind, yuan(total), noAmounts)
			preview, final = d.ask("2206", bill), d.ask("2207", bill)
		}
		balanced(t, preview)
		balanced(t, final)
		a, b := preview.object(t, "setlinfo"), final.object(t, "setlinfo")
		for name, v := range a {
			if name != "medins_setl_id" && fmt.Sprint(v) != fmt.Sprint(b[name]) {
				t.Errorf("%s: preview %v, settlement %v", name, v, b[name])
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d, round %d: %s at %s, kind %s", seed, round, who.name, d.provider, kind)
		}
	}
	p.verify()
}

func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
