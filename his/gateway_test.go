package his

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/his/keyring"
)

// through posts a message with headers.
func (p *platform) through(h http.Header, message string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.http.URL+"/his", strings.NewReader(message))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header = h
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func TestGateways(t *testing.T) {
	p := newPlatform(t)
	d := p.desk(cityHospital)
	const window = 30 * time.Minute
	tests := []struct {
		gateway keyring.Gateway
		change  func(h http.Header, k *hospital.Keys, now time.Time)
		want    string // of the gateway; "": it lets pass
	}{
		{gateway: keyring.CSB},
		{gateway: keyring.CSB, change: func(h http.Header, k *hospital.Keys, now time.Time) { k.Pass(h, now.Add(-window)) }},
		{gateway: keyring.CSB, change: func(h http.Header, k *hospital.Keys, now time.Time) { k.Pass(h, now.Add(window)) }},
		{gateway: keyring.CSB, change: func(h http.Header, k *hospital.Keys, now time.Time) { k.Pass(h, now.Add(-window-time.Millisecond)) }, want: "请求超时"},
		{gateway: keyring.CSB, change: func(h http.Header, k *hospital.Keys, now time.Time) { k.Pass(h, now.Add(window+time.Millisecond)) }, want: "请求超时"},
		{gateway: keyring.CSB, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { delete(h, "_api_signature") }, want: "缺少请求头 _api_signature"},
		{gateway: keyring.CSB, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { delete(h, "_api_name") }, want: "缺少请求头 _api_name"},
		{gateway: keyring.CSB, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { clear(h) }, want: "缺少请求头 _api_access_key"},
		{gateway: keyring.CSB, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { h["_api_name"] = []string{"x"} }, want: "签名不一致"},
		{gateway: keyring.CSB, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { h["_api_timestamp"] = []string{"now"} }, want: "请求超时"},
		{gateway: keyring.CSB, change: func(h http.Header, _ *hospital.Keys, _ time.Time) {
			h["_api_timestamp"] = []string{"9223372036854775807"}
		}, want: "请求超时"},
		{gateway: keyring.CSB, change: func(h http.Header, k *hospital.Keys, now time.Time) {
			other := *k
			other.AccessKey = "x"
			other.Pass(h, now)
		}, want: "非法用户"},
		{gateway: keyring.CSB, change: func(h http.Header, k *hospital.Keys, now time.Time) {
			other := *k
			other.GatewaySecret = "x"
			other.Pass(h, now)
		}, want: "签名不一致"},
		{gateway: keyring.TIF},
		{gateway: keyring.TIF, change: func(h http.Header, _ *hospital.Keys, _ time.Time) {
			h.Set("x-tif-signature", strings.ToUpper(h.Get("x-tif-signature")))
		}},
		{gateway: keyring.TIF, change: func(h http.Header, k *hospital.Keys, now time.Time) { k.Pass(h, now.Add(-window-time.Second)) }, want: "请求超时"},
		{gateway: keyring.TIF, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { h.Del("x-tif-nonce") }, want: "缺少请求头 x-tif-nonce"},
		{gateway: keyring.TIF, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { h.Set("x-tif-nonce", "x") }, want: "签名不一致"},
		{gateway: keyring.TIF, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { h.Set("x-tif-paasid", "x") }, want: "非法用户"},
		{gateway: keyring.APIKey},
		{gateway: keyring.APIKey, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { h.Set("apikey", "x") }, want: "非法用户"},
		{gateway: keyring.APIKey, change: func(h http.Header, _ *hospital.Keys, _ time.Time) { h.Del("apikey") }, want: "缺少请求头 apikey"},
	}
	keys := map[keyring.Gateway]*hospital.Keys{}
	var current keyring.Gateway
	for i, tt := range tests {
		if keys[tt.gateway] == nil || current != tt.gateway {
			keys[tt.gateway], _ = p.issue(keyring.IssueRequest{Mode: keyring.None, Gateway: tt.gateway})
			current = tt.gateway
		}
		k := keys[tt.gateway]
		h := http.Header{}
		k.Pass(h, p.now)
		if tt.change != nil {
			tt.change(h, k, p.now)
		}
		before := p.counts()
		status, raw := p.through(h, d.message("9001", signInput))
		switch {
		case tt.want == "" && (status != http.StatusOK || !strings.Contains(raw, `"infcode":0`)):
			t.Errorf("%d %s: %d %s", i, tt.gateway, status, raw)
		case tt.want != "" && (status != http.StatusUnauthorized || !strings.HasPrefix(raw, `{"code":401,"message":"`+tt.want) || p.counts() != before):
			t.Errorf("%d %s: %d %s, want %s", i, tt.gateway, status, raw, tt.want)
		}
		if strings.Contains(raw, k.GatewaySecret) {
			t.Errorf("%s holds a secret", raw)
		}
	}
	// Where no gateway is asked for, its headers do not matter.
	other := p.desk("H99010000201")
	if status, raw := p.through(http.Header{"_api_access_key": {"x"}, "X-Tif-Paasid": {"y"}, "Apikey": {"z"}}, other.message("9001", signInput)); status != http.StatusOK || !strings.Contains(raw, `"infcode":0`) {
		t.Errorf("%d %s", status, raw)
	}
	// One provider's headers are no pass for another.
	tif, _ := p.issue(keyring.IssueRequest{Mode: keyring.None, Gateway: keyring.TIF})
	p.issue(keyring.IssueRequest{Provider: "H99010000201", Mode: keyring.None, Gateway: keyring.TIF})
	h := http.Header{}
	tif.Pass(h, p.now)
	if status, raw := p.through(h, other.message("9001", signInput)); status != http.StatusUnauthorized || !strings.Contains(raw, "非法用户") {
		t.Errorf("%d %s", status, raw)
	}
	// A nonce is used once.
	if status, raw := p.through(h, d.message("9001", signInput)); status != http.StatusOK {
		t.Errorf("%d %s", status, raw)
	}
	if status, raw := p.through(h, d.message("9001", signInput)); status != http.StatusUnauthorized || !strings.Contains(raw, "请求重复") {
		t.Errorf("%d %s", status, raw)
	}
	// While keys change, the headers of both pass.
	newer, _ := p.issue(keyring.IssueRequest{Mode: keyring.Sign, Gateway: keyring.CSB, Overlap: time.Hour})
	for _, k := range []*hospital.Keys{tif, newer} {
		h := http.Header{}
		k.Pass(h, p.now)
		if status, raw := p.through(h, seal(t, newer, d.message("9001", signInput))); status != http.StatusOK || !strings.Contains(raw, `"infcode":0`) {
			t.Errorf("%s: %d %s", k.Gateway, status, raw)
		}
	}
}

// Nonces are remembered for as long as their time is taken, in bounded memory.
func TestNonces(t *testing.T) {
	var n nonces
	now := time.Date(2025, 6, 20, 10, 0, 0, 0, time.UTC)
	if !n.first("a", now) || n.first("a", now) || !n.first("b", now) {
		t.Error("a nonce is not remembered")
	}
	for step := range 12 { // other nonces come and go
		n.first(fmt.Sprint(step), now.Add(time.Duration(step)*5*time.Minute))
	}
	if n.first("a", now.Add(2*gatewayWindow)) {
		t.Error("forgotten within two windows")
	}
	n.first("c", now.Add(2*gatewayWindow+time.Second))
	n.first("d", now.Add(5*gatewayWindow))
	if !n.first("a", now.Add(5*gatewayWindow)) {
		t.Error("remembered for ever")
	}
	for i := range maxNonces + 10 {
		n.first(fmt.Sprint("x", i), now.Add(5*gatewayWindow))
	}
	if len(n.young)+len(n.old) > 2*maxNonces || len(n.young) > maxNonces {
		t.Errorf("%d and %d nonces", len(n.young), len(n.old))
	}
}
