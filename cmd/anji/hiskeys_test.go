package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/his/keyring"
	"github.com/anji-platform/anji/server"
)

// What "keys new" prints is all that a provider's system needs.
func TestHISKeys(t *testing.T) {
	dir := t.TempDir()
	packages, err := loadPolicies("")
	if err != nil {
		t.Fatal(err)
	}
	var shift time.Duration
	now := func() time.Time { return time.Now().Add(shift) }
	s, err := server.Open(t.Context(), server.Config{Data: dir, Policies: packages, Now: now, Security: keyring.Sign})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := demo.Seed(t.Context(), s.DB, s.Register, demo.Options{Today: 20250620}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler)
	defer web.Close()
	const code = "H99010000101"
	run := func(want string, args ...string) string {
		t.Helper()
		out, _, err := anji(t, "", append([]string{"his", "keys"}, args...)...)
		if err != nil {
			out += err.Error()
		}
		if !strings.Contains(out, want) {
			t.Errorf("%v: %s\nwant %s", args, out, want)
		}
		shift += 6 * time.Second // the server reads keys again
		return out
	}
	field := func(out, name string) string {
		t.Helper()
		m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` +(\S+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("no %s in\n%s", name, out)
		}
		return m[1]
	}
	signIn := func(keys *hospital.Keys) error {
		h := &hospital.Hospital{Base: web.URL + "/his", Code: code, Name: "x", Region: "990100", Operator: "1", Keys: keys, Now: now}
		return h.SignIn(t.Context())
	}
	if err := signIn(nil); err == nil || !strings.Contains(err.Error(), "还没有报文密钥") {
		t.Errorf("without keys: %v", err)
	}
	data := []string{"--data", dir, "--provider", code}
	by := append(data, "--by", "tester")
	out := run("机构私钥 SM2 private key", append([]string{"new", "--mode", "encrypt", "--gateway", "tif"}, by...)...)
	keys := &hospital.Keys{Secret: field(out, "应用密钥 appSecret"), Gateway: field(out, "网关 gateway"), AccessKey: field(out, "x-tif-paasid"), GatewaySecret: field(out, "密钥 secret")}
	if keys.Signer, err = gm.ParseSigner(field(out, "机构私钥 SM2 private key")); err != nil {
		t.Fatal(err)
	}
	if keys.Platform, err = gm.ParsePublicKey(field(out, "平台公钥 SM2 public key of the platform")); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(field(out, "SM4 密钥 key (hex)"), "%x", &keys.Cipher); err != nil {
		t.Fatal(err)
	}
	if err := signIn(keys); err != nil {
		t.Error(err)
	}

	own, err := gm.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "his.pub")
	if err := os.WriteFile(file, []byte(own.Public().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out = run("编号 1 的旧密钥（encrypt）可用到", append([]string{"new", "--public-key", "@" + file}, by...)...)
	if strings.Contains(out, "机构私钥") {
		t.Errorf("a private key that is not ours:\n%s", out)
	}
	second := &hospital.Keys{Secret: field(out, "应用密钥 appSecret"), Signer: own, Platform: keys.Platform}
	for _, k := range []*hospital.Keys{keys, second} {
		if err := signIn(k); err != nil {
			t.Error(err)
		}
	}
	list := run("平台公钥", "list", "--data", dir)
	for _, want := range []string{code, "encrypt", "sign", "tif", keys.AccessKey, "有效 valid"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list has no %q:\n%s", want, list)
		}
	}
	for _, secret := range []string{keys.Secret, keys.GatewaySecret, second.Secret} {
		if strings.Contains(list, secret) {
			t.Errorf("the list holds a secret:\n%s", list)
		}
	}
	run("已吊销 revoked: "+code+" 2", append([]string{"revoke", "--number", "2"}, by...)...)
	if err := signIn(second); err == nil || !strings.Contains(err.Error(), "缺少请求头 x-tif-paasid") { // of the keys that are left
		t.Errorf("revoked: %v", err)
	}
	run("已吊销 revoked", append([]string{"list"}, data...)...)
	run("not found", append([]string{"revoke", "--number", "2"}, by...)...)
	run("没有密钥 no keys", "list", "--data", dir, "--provider", "H99010000201")
	run(`mode "x": want none, digest, sign or encrypt`, append([]string{"new", "--mode", "x"}, by...)...)
	run(`gateway "x"`, append([]string{"new", "--gateway", "x"}, by...)...)
	run("--public-key: an SM2 public key is a point", append([]string{"new", "--public-key", "00"}, by...)...)
	run(`--from "x": want a time`, append([]string{"new", "--from", "x"}, by...)...)
	run("not found", "new", "--data", dir, "--provider", "H00000000000", "--by", "tester")
	run(`required flag(s) "by" not set`, append([]string{"new"}, data...)...)
	run("holds no data of Anji", "list", "--data", t.TempDir())
	if _, _, err := anji(t, "", "serve", "--data", dir, "--security", "x"); err == nil || !strings.Contains(err.Error(), "--security: mode") {
		t.Errorf("%v", err)
	}
}
