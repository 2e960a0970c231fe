package server

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"io"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
)

// TestPhoneCode signs in by a code sent to a phone that a mother and her child
// share, and then by the password that she sets.
func TestPhoneCode(t *testing.T) {
	s := openSandbox(t, t.TempDir())
	h := httptest.NewServer(s)
	defer func() {
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := context.Background()
	const phone = "13900000001"
	if err := s.current.DB.Update(ctx, func(tx *db.Tx) error {
		for _, p := range []enrolment.Person{{Name: "母亲", CitizenID: "990100198503120022", Birth: 19850312, Region: "990100", Phone: phone},
			{Name: "孩子", CitizenID: "990100201503120024", Birth: 20150312, Region: "990100", Phone: phone}} {
			if err := s.current.Register.Add(ctx, tx, &p); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	ask := func(method, path string, form url.Values) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, h.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		b, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.StatusCode, string(b)
	}
	if status, text := ask("POST", "/sign-in/code", url.Values{"phone": {"12"}}); status != 422 || !strings.Contains(text, "11 位") {
		t.Fatalf("a bad phone: %d %s", status, text)
	}
	status, text := ask("POST", "/sign-in/code", url.Values{"phone": {phone}, "next": {"/me/care"}})
	m := regexp.MustCompile(`验证码 (\d{6})`).FindStringSubmatch(text)
	if status != 200 || m == nil {
		t.Fatalf("%d %s", status, text)
	}
	wrong := "000000"
	if m[1] == wrong {
		wrong = "000001"
	}
	if status, text := ask("POST", "/sign-in", url.Values{"phone": {phone}, "code": {wrong}}); status != 422 || !strings.Contains(text, "还可以试 4 次") {
		t.Errorf("a wrong code: %d %s", status, text)
	}
	status, text = ask("POST", "/sign-in", url.Values{"phone": {phone}, "code": {m[1]}, "next": {"/me/care"}})
	if status != 200 || !strings.Contains(text, "您是哪一位") || strings.Contains(text, "母亲") || strings.Contains(text, "990100198503120022") {
		t.Fatalf("%d %s", status, text)
	}
	tokens := regexp.MustCompile(`name="token" value="([^"]+)"[^>]*> <span>母`).FindStringSubmatch(text)
	others := regexp.MustCompile(`name="other" value="([^"]+)"`).FindAllStringSubmatch(text, -1)
	if tokens == nil || len(others) != 2 {
		t.Fatal(text)
	}
	form := url.Values{"token": {tokens[1]}, "next": {"/me/care"}}
	for _, o := range others {
		form.Add("other", o[1])
	}
	if status, text = ask("POST", "/sign-in/choose", form); status != 200 || !strings.Contains(text, "还没有就医结算") {
		t.Fatalf("%d %s", status, text)
	}
	for _, o := range others {
		if o[1] != tokens[1] {
			if who, err := s.current.SignIn.Who(ctx, o[1]); who != nil || err != nil {
				t.Errorf("the other's session is open: %v %v", who, err)
			}
		}
	}
	if status, text = ask("POST", "/me/password", url.Values{"password": {"good-horse-9"}, "again": {"good-horse-8"}}); status != 422 || !strings.Contains(text, "不一致") {
		t.Errorf("%d %s", status, text)
	}
	if status, text = ask("POST", "/me/password", url.Values{"password": {"good-horse-9"}, "again": {"good-horse-9"}}); status != 200 || !strings.Contains(text, "登录密码已设置") {
		t.Errorf("%d %s", status, text)
	}
	if status, text = ask("POST", "/sign-out", nil); status != 200 || !strings.Contains(text, "不登录也能用") {
		t.Errorf("%d %s", status, text)
	}
	if _, text = ask("GET", "/me/care", nil); !strings.Contains(text, "手机号") {
		t.Error("signed out and still there")
	}
	if status, text = ask("POST", "/sign-in/password", url.Values{"citizen_id": {"990100198503120022"}, "password": {"good-horse-9"}, "next": {"//evil.example/"}}); status != 200 || !strings.Contains(text, "您好，母亲") {
		t.Errorf("%d %s", status, text)
	}
}
