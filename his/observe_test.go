package his

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// A watcher is an Observer that hands on, and a FaultInjector of one fault.
type watcher struct {
	seen  chan Exchange
	force chan Forced
}

func (w *watcher) Observe(e Exchange) { w.seen <- e }

func (w *watcher) Force(string, string) Forced {
	select {
	case f := <-w.force:
		return f
	default:
		return Forced{}
	}
}

type forceFunc func(number, provider string) Forced

func (f forceFunc) Force(number, provider string) Forced { return f(number, provider) }

func newWatched(t *testing.T) (*platform, *watcher) {
	p := newPlatform(t)
	w := &watcher{make(chan Exchange, 100), make(chan Forced, 1)}
	p.server.Observer, p.server.Fault = w, w
	return p, w
}

// stay brings a stay of 老郭 up to its settlement, and gives its message.
func (p *platform) stay(d *desk) string {
	d.signIn()
	_, psn := d.person(laoguo, "老郭")
	visit := d.admission(psn, laoguo, "310", "21", "2025-06-10 08:30:00")
	d.fees("2301", visit, psn, "21", handbook)
	return d.message("2304", stayBill(psn, laoguo, visit, "310", "10000.00", "2025-06-20", noAmounts))
}

func (w *watcher) drain() {
	for len(w.seen) > 0 {
		<-w.seen
	}
}

func TestObserver(t *testing.T) {
	p, w := newWatched(t)
	d := p.desk("H99020000101")
	message := p.stay(d)
	w.drain()

	r := d.send(message)
	e := <-w.seen
	id, _ := r.object(t, "setlinfo")["setl_id"].(string)
	if id == "" || e.Settlement != id || !e.Done || e.Repeated || e.Status != 200 || string(e.Reply) != r.raw || string(e.Request) != message ||
		e.Number != "2304" || e.Provider != "H99020000101" || e.Region != "990200" || e.Path != "/his" || e.Header.Get("Content-Type") != "application/json" ||
		!e.Time.Equal(p.now) || e.Remote == "" || e.Duration <= 0 || len(e.Faults) > 0 {
		t.Errorf("settled: %+v", e)
	}
	d.send(message)
	if e := <-w.seen; !e.Repeated || e.Settlement != id || string(e.Reply) != r.raw {
		t.Errorf("repeated: %+v", e)
	}

	bad := d.message("2201A", `{"data":{"psn_no":"1","insutype":"310","begntime":"昨天","mdtrt_cert_type":"2","mdtrt_cert_no":"3"}}`)
	d.send(bad)
	e = <-w.seen
	rules := map[string]string{}
	for _, f := range e.Faults {
		if f.Field != nil {
			rules[f.Node+"."+f.Field.Name] = f.Value + "|" + f.Rule
		}
	}
	if e.Done || e.Number != "2201" || !strings.HasPrefix(e.Refusal, "共 ") || rules["data.begntime"] != "昨天|应为时间 yyyy-MM-dd HH:mm:ss" || rules["data.ipt_otp_no"] != "|必填" {
		t.Errorf("refused: %q %v", e.Refusal, rules)
	}

	d.send(d.message("1101", `{"data":{"mdtrt_cert_type":"2","mdtrt_cert_no":"`+laoguo+`","psn_cert_type":"01","certno":"`+laoguo+`","psn_name":"老郭"}}`))
	if e = <-w.seen; !e.Done || !slices.ContainsFunc(e.Warnings, func(s string) bool { return strings.Contains(s, "“2”按“02”处理") }) {
		t.Errorf("repaired: %v, %s", e.Warnings, e.Refusal)
	}

	for body, number := range map[string]string{
		"": "2207", "{": "2207", `{"infno":2206,`: "2206", `{"infno":"2304A","input":{`: "2304", `[1]`: "2207",
	} {
		if _, raw := p.post("/his/2207", "application/json", body); raw == "" {
			t.Fatal("no reply")
		}
		if e = <-w.seen; e.Number != number || e.Done || e.Refusal == "" {
			t.Errorf("%q: %+v", body, e)
		}
	}
	resp, err := http.Get(p.http.URL + "/his")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if e = <-w.seen; e.Status != http.StatusMethodNotAllowed || e.Done || e.Method != "GET" {
		t.Errorf("GET: %+v", e)
	}
}

// TestForcedAfterWork forces every answer that suffers after the work was
// done: the settlement stands, and the same message gets the first answer.
func TestForcedAfterWork(t *testing.T) {
	for _, c := range []struct {
		forced Forced
		status int // of the broken answer; 0 none
	}{
		{Forced{Kind: ForceLost}, 0},
		{Forced{Kind: ForceTruncated}, 200},
		{Forced{Kind: ForceMalformed}, 200},
		{Forced{Kind: ForceLate, Wait: time.Millisecond}, 200},
	} {
		p, w := newWatched(t)
		d := p.desk("H99020000101")
		message := p.stay(d)
		before := d.counts()
		w.drain()
		w.force <- c.forced
		status, raw, err := p.try(context.Background(), message)
		e := <-w.seen
		if status != c.status || e.Forced != c.forced.Kind || !e.Done || e.Settlement == "" {
			t.Errorf("%d: status %d, %v, %+v", c.forced.Kind, status, err, e)
		}
		readable := err == nil && json.Valid([]byte(raw))
		if late := c.forced.Kind == ForceLate; late != readable || late && raw != string(e.Reply) || !c.forced.Kind.Unanswered() {
			t.Errorf("%d: %v %q", c.forced.Kind, err, raw)
		}
		if c.forced.Kind == ForceTruncated && !strings.HasPrefix(string(e.Reply), raw) {
			t.Errorf("truncated: %q", raw)
		}
		after := d.counts()
		if after.settlements != before.settlements+1 || after.entries != before.entries+1 {
			t.Errorf("%d: before %+v, after %+v", c.forced.Kind, before, after)
		}
		again := d.send(message)
		if again.raw != string(e.Reply) || again.Infcode != "0" {
			t.Errorf("%d: the repeated message got %s\nfirst %s", c.forced.Kind, again.raw, e.Reply)
		}
		if e := <-w.seen; !e.Repeated || e.Forced != NotForced {
			t.Errorf("%d: the repeated message: %+v", c.forced.Kind, e)
		}
		if got := d.counts(); got != after {
			t.Errorf("%d: the repeated message left %+v, want %+v", c.forced.Kind, got, after)
		}
		d.verify()
	}
}

// TestForcedBeforeWork forces every answer that stands in the place of the
// work: nothing is left behind, and the same message does the work.
func TestForcedBeforeWork(t *testing.T) {
	cancelled := make(chan struct{})
	close(cancelled)
	for _, c := range []struct {
		forced Forced
		status int
		said   string
	}{
		{Forced{Kind: ForceTimeout, Wait: time.Hour, Cancel: cancelled}, 0, ""},
		{Forced{Kind: ForceTimeout, Wait: time.Millisecond}, 0, ""},
		{Forced{Kind: ForceError}, 500, "Internal Server Error"},
		{Forced{Kind: ForceUnavailable}, 503, "Service Unavailable"},
		{Forced{Kind: ForceRefusal, Message: "个人账户余额不足"}, 200, `"infcode":-1,"inf_refmsgid":"990200`},
	} {
		p, w := newWatched(t)
		d := p.desk("H99020000101")
		message := p.stay(d)
		before := d.counts()
		w.drain()
		w.force <- c.forced
		status, raw, err := p.try(context.Background(), message)
		e := <-w.seen
		if status != c.status || !strings.Contains(raw, c.said) || e.Forced != c.forced.Kind || e.Done || e.Refusal != c.forced.Message || (status == 0) != (err != nil) || e.Status != status {
			t.Errorf("%d: status %d %q, %v, %+v", c.forced.Kind, status, raw, err, e)
		}
		if got := d.counts(); got != before {
			t.Errorf("%d: left %+v, want %+v", c.forced.Kind, got, before)
		}
		if r := d.send(message); r.Infcode != "0" {
			t.Errorf("%d: the same message again: %s", c.forced.Kind, r.ErrMsg)
		}
		if e := <-w.seen; e.Repeated || e.Settlement == "" {
			t.Errorf("%d: %+v", c.forced.Kind, e)
		}
		d.verify()
	}
}

// TestForcedTimeoutEnds checks that a held message does not outlive its sender.
func TestForcedTimeoutEnds(t *testing.T) {
	p, w := newWatched(t)
	held := make(chan struct{})
	p.server.Fault = forceFunc(func(string, string) Forced {
		close(held)
		return Forced{Kind: ForceTimeout, Wait: MaxForcedWait}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { _, _, err := p.try(ctx, "{}"); done <- err }()
	<-held
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if e := <-w.seen; e.Forced != ForceTimeout || e.Status != 0 {
		t.Errorf("%+v", e)
	}
}

// try posts a message that may go unanswered, over a connection of its own.
func (p *platform) try(ctx context.Context, message string) (status int, raw string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.http.URL+"/his", strings.NewReader(message))
	if err != nil {
		p.t.Error(err)
		return 0, "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}
