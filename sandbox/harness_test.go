package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/server"
)

// today is the day of the tests.
const today civil.Date = 20250620

// A bench is a sandbox that serves.
type bench struct {
	t    *testing.T
	s    *server.Sandbox
	http *httptest.Server
	last []byte // the last message a hospital sent
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.OpenSandbox(context.Background(), server.Config{Data: t.TempDir(), Policies: store, Now: now, Address: "http://127.0.0.1:8080"},
		func(ctx context.Context, s *server.Server) error {
			_, err := demo.Seed(ctx, s.DB, s.Register, demo.Options{Today: today})
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, s: s, http: httptest.NewServer(s)}
	t.Cleanup(func() {
		b.http.CloseClientConnections()
		b.http.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// now is the tests' clock.
func now() time.Time {
	return time.Date(today.Year(), time.Month(today.Month()), today.Day(), 10, 0, 0, 0, time.FixedZone("CST", 8*60*60))
}

// RoundTrip sends a hospital's message over a connection of its own, and keeps
// it.
func (b *bench) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.last = body
	r.Body = io.NopCloser(bytes.NewReader(body))
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

func (b *bench) hospital(code, region string) *hospital.Hospital {
	return &hospital.Hospital{Base: b.http.URL + "/his", Code: code, Name: "测试机构", Region: region, Operator: "001", Now: now, Client: &http.Client{Transport: b}}
}

// signedIn is a hospital whose operator has signed in.
func (b *bench) signedIn(code, region string) *hospital.Hospital {
	b.t.Helper()
	h := b.hospital(code, region)
	must(b.t, h.SignIn(context.Background()))
	return h
}

// again sends the last message again and returns infcode and the whole reply.
func (b *bench) again() (infcode, reply string) {
	b.t.Helper()
	resp, err := http.Post(b.http.URL+"/his", "application/json", bytes.NewReader(b.last))
	must(b.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	must(b.t, err)
	var r struct {
		Infcode json.Number `json:"infcode"`
	}
	must(b.t, json.Unmarshal(raw, &r))
	return r.Infcode.String(), string(raw)
}

func (b *bench) get(path string) (int, string) {
	b.t.Helper()
	resp, err := http.Get(b.http.URL + path)
	must(b.t, err)
	return b.read(resp)
}

// post sends a form as the page would, and follows where it leads.
func (b *bench) post(path string, form url.Values) (int, string) {
	b.t.Helper()
	resp, err := http.PostForm(b.http.URL+path, form)
	must(b.t, err)
	return b.read(resp)
}

func (b *bench) read(resp *http.Response) (int, string) {
	b.t.Helper()
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	must(b.t, err)
	return resp.StatusCode, string(raw)
}

// shows checks that a page has, or has not, some texts.
func (b *bench) shows(path string, has, not []string) {
	b.t.Helper()
	status, text := b.get(path)
	if status != http.StatusOK {
		b.t.Errorf("%s: %d", path, status)
	}
	for _, s := range has {
		if !strings.Contains(text, s) {
			b.t.Errorf("%s does not show %q", path, s)
		}
	}
	for _, s := range not {
		if strings.Contains(text, s) {
			b.t.Errorf("%s shows %q", path, s)
		}
	}
}

// bill is a usual one.
var bill = []hospital.Bill{{Item: "SVC990000001", Amount: "300.00"}, {Item: "DRG990000002", Amount: "200.00"}}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
