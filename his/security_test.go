package his

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/his/keyring"
)

const cityHospital = "H99010000101"

// issue gives a provider keys and returns what its system knows of them.
func (p *platform) issue(q keyring.IssueRequest) (*hospital.Keys, keyring.Key) {
	p.t.Helper()
	if q.Provider == "" {
		q.Provider = cityHospital
	}
	q.At, q.Actor = p.now, "test"
	var own *gm.Signer
	if q.Mode.Signs() {
		var err error
		if own, err = gm.NewSigner(); err != nil {
			p.t.Fatal(err)
		}
		q.Public = own.Public()
	}
	var k keyring.Key
	err := p.server.DB.Update(context.Background(), func(tx *db.Tx) (err error) {
		k, err = p.server.guard.ring.Issue(context.Background(), tx, q)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.now = p.now.Add(keysFresh) // what the server knew of the provider's keys is old
	return &hospital.Keys{Secret: k.Secret, Signer: own, Platform: p.signer.Public(), Cipher: k.Cipher,
		Gateway: string(k.Gateway), AccessKey: k.AccessKey, GatewaySecret: k.GatewaySecret}, k
}

func (p *platform) revoke(provider string, number int) {
	p.t.Helper()
	err := p.server.DB.Update(context.Background(), func(tx *db.Tx) error {
		return p.server.guard.ring.Revoke(context.Background(), tx, provider, number, p.now, "test")
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.now = p.now.Add(keysFresh)
}

// system is a provider's own system.
func (p *platform) system(keys *hospital.Keys) *hospital.Hospital {
	return &hospital.Hospital{Base: p.http.URL + "/his", Code: cityHospital, Name: "安济示例市人民医院", Region: "990100", Operator: "0001",
		Now: func() time.Time { return p.now }, Keys: keys}
}

const signInput = `{"signIn":{"opter_no":"0001","mac":"00","ip":"10.0.0.1"}}`

func seal(t testing.TB, k *hospital.Keys, message string) string {
	t.Helper()
	b, err := k.Seal([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// In every mode a hospital's day is done, every reply is proved, and what is
// encrypted cannot be read.
func TestModes(t *testing.T) {
	for _, mode := range []keyring.Mode{keyring.None, keyring.Digest, keyring.Sign, keyring.Encrypt} {
		t.Run(string(mode), func(t *testing.T) {
			p := newPlatform(t)
			keys, _ := p.issue(keyring.IssueRequest{Mode: mode})
			h := p.system(keys)
			if err := h.SignIn(t.Context()); err != nil {
				t.Fatal(err)
			}
			s, err := h.Outpatient(t.Context(), liji, "李济", []hospital.Bill{{Item: "SVC990000001", Amount: "120.00"}, {Item: "DRG990000001", Amount: "80.00"}})
			if err != nil || s.Total != 20000 {
				t.Fatalf("%+v, %v", s, err)
			}
			d := p.desk(cityHospital)
			ask := `{"data":{"mdtrt_cert_type":"02","mdtrt_cert_no":"` + liji + `","psn_cert_type":"01","certno":"` + liji + `","psn_name":"李济"}}`
			sent := seal(t, keys, d.message("1101", ask))
			_, raw := p.post("/his", "application/json", sent)
			if encrypted := mode == keyring.Encrypt; strings.Contains(sent+raw, liji) == encrypted {
				t.Errorf("sent %s, replied %s", sent, raw)
			}
			reply, err := keys.Open([]byte(raw))
			if err != nil || fmt.Sprint(reply["infcode"]) != "0" || !strings.Contains(fmt.Sprint(reply["output"]), liji) {
				t.Errorf("%v, %v", reply, err)
			}
			signature, _ := reply["cainfo"].(string)
			if (signature != "") != (mode != keyring.None) {
				t.Errorf("cainfo %q", signature)
			}
			if mode != keyring.None {
				if _, err := keys.Open([]byte(strings.Replace(raw, `"infcode":0`, `"infcode":1`, 1))); err == nil {
					t.Error("a changed reply is taken")
				}
			}
			// A refusal of what was proved is proved as well.
			_, raw = p.post("/his", "application/json", seal(t, keys, d.message("1101", `{"data":{}}`)))
			if reply, err := keys.Open([]byte(raw)); err != nil || fmt.Sprint(reply["infcode"]) != "-1" || reply["output"] != nil || (reply["cainfo"] != nil) != (mode != keyring.None) {
				t.Errorf("%s, %v", raw, err)
			}
			p.verify()
		})
	}
}

// What is not proved is refused before anything is done, with words that help
// and without secrets.
func TestNotProved(t *testing.T) {
	p := newPlatform(t)
	keys, issued := p.issue(keyring.IssueRequest{Mode: keyring.Encrypt})
	other, _ := p.issue(keyring.IssueRequest{Provider: "H99010000201", Mode: keyring.Encrypt})
	d := p.desk(cityHospital)
	plain := d.message("9001", signInput)
	sealed := seal(t, keys, plain)
	part := func(k hospital.Keys, change func(*hospital.Keys)) *hospital.Keys { change(&k); return &k }
	sign := part(*keys, func(k *hospital.Keys) { k.Cipher = nil })
	input := func(input string) string {
		return seal(t, sign, strings.Replace(strings.Replace(plain, signInput, input, 1), `"signtype":""`, `"enc_type":"SM4"`, 1))
	}
	wrongIV := func() string {
		text, err := gm.EncryptCBC([]byte("0123456789abcdef"), []byte(signInput))
		if err != nil {
			t.Fatal(err)
		}
		return `"` + base64.StdEncoding.EncodeToString(text) + `"`
	}
	inner := func(s string) string {
		text, err := gm.EncryptCBC(keys.Cipher, []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return `"` + base64.StdEncoding.EncodeToString(text) + `"`
	}
	at := func(shift time.Duration) string {
		return seal(t, keys, strings.Replace(plain, p.now.Format(clockLayout), p.now.Add(shift).Format(clockLayout), 1))
	}
	const mismatch = "cainfo 与报文不符：平台拼出的待签名原文"
	tests := []struct{ name, message, want string }{
		{"as it is", plain, "缺少 cainfo（数字签名）：本机构的报文须以 SM2 签名"},
		{"a word for nothing", strings.Replace(plain, `"cainfo":""`, `"cainfo":"null"`, 1), "缺少 cainfo"},
		{"another field changed", strings.Replace(sealed, `"opter":"0001"`, `"opter":"0002"`, 1), mismatch},
		{"a field more", strings.Replace(sealed, `{`, `{"x":"1",`, 1), mismatch},
		{"a field less", strings.Replace(sealed, `"opter_type":"1",`, ``, 1), mismatch},
		{"the input changed", strings.Replace(sealed, `"input":"`, `"input":"A`, 1), mismatch},
		{"no signature but text", strings.Replace(plain, `"cainfo":"null"`, `"cainfo":"x"`, 1), mismatch},
		{"another's keys", seal(t, other, plain), mismatch},
		{"another's secret", seal(t, part(*keys, func(k *hospital.Keys) { k.Secret = other.Secret }), plain), mismatch},
		{"a digest for a signature", seal(t, part(*keys, func(k *hospital.Keys) { k.Signer = nil }), plain), "signtype“SM3”：本机构应为 SM2"},
		{"a digest that calls itself one of SM2", strings.Replace(seal(t, part(*keys, func(k *hospital.Keys) { k.Signer = nil }), plain), `"signtype":"SM3"`, `"signtype":"SM2"`, 1), mismatch},
		{"signed but not encrypted", seal(t, sign, plain), "enc_type“”：本机构的报文须加密，应为 SM4"},
		{"an object for a cipher", input(signInput), "input 应为密文的 Base64 文字"},
		{"no Base64", input(`"%%"`), "input 不是合法的 Base64"},
		{"a short cipher", input(`"AAAA"`), "input 不能用本机构现用的 SM4 密钥解密"},
		{"another SM4 key", input(wrongIV()), "不"},
		{"no JSON inside", input(inner("<x/>")), "input 解密后的报文不是合法的 JSON"},
		{"a list inside", input(inner("[1]")), "input 解密后的报文应为 JSON 对象"},
		{"too old", at(-10*time.Minute - time.Second), "与平台时间 2025-06-20 10:00:10 相差超过 10m0s"},
		{"from the future", at(10*time.Minute + time.Second), "相差超过 10m0s"},
		{"a text that could be two", seal(t, keys, strings.Replace(plain, `"opter_name":"测试员"`, `"opter_name":"甲&recer_sys_code=X"`, 1)), "opter_name 的内容含有“&字段名=”"},
		{"a name that could be two", seal(t, keys, strings.Replace(plain, `{`, `{"a=b&c":"1",`, 1)), "签名的报文只能用字母、数字和下划线"},
	}
	before := p.counts()
	for _, tt := range tests {
		_, raw := p.post("/his", "application/json", tt.message)
		r := p.parse(raw)
		if r.Infcode != "-1" || r.Output != nil || !strings.Contains(r.ErrMsg, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, raw, tt.want)
		}
		if strings.Contains(raw, issued.Secret) || strings.Contains(raw, hex.EncodeToString(issued.Cipher)) {
			t.Errorf("%s: the reply holds a secret: %s", tt.name, raw)
		}
	}
	if after := p.counts(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	// The digest that helps is of the text without the secret.
	_, raw := p.post("/his", "application/json", strings.Replace(sealed, `"opter":"0001"`, `"opter":"0002"`, 1))
	m, err := parseJSON([]byte(strings.Replace(sealed, `"opter":"0001"`, `"opter":"0002"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	text := signedText(m)
	if want := fmt.Sprintf("UTF-8 %d 字节，SM3 摘要 %x", len(text), gm.Digest(text)); !strings.Contains(raw, want) {
		t.Errorf("%s, want %s", raw, want)
	}
	for _, shift := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		if _, raw := p.post("/his", "application/json", at(shift)); !strings.Contains(raw, `"infcode":0`) {
			t.Errorf("%s off: %s", shift, raw)
		}
	}
}

// A signature may be written in hexadecimal or ASN.1, and a form of the message
// that means the same has the same signature.
func TestSignatureForms(t *testing.T) {
	p := newPlatform(t)
	keys, _ := p.issue(keyring.IssueRequest{Mode: keyring.Digest})
	d := p.desk(cityHospital)
	sealed := seal(t, keys, d.message("9001", signInput))
	m, err := parseJSON([]byte(sealed))
	if err != nil {
		t.Fatal(err)
	}
	digest, _ := base64.StdEncoding.DecodeString(m.get("cainfo").text)
	for name, form := range map[string]string{
		"as sent":     sealed,
		"hexadecimal": strings.Replace(sealed, m.get("cainfo").text, hex.EncodeToString(digest), 1),
		"upper case":  strings.Replace(sealed, m.get("cainfo").text, strings.ToUpper(hex.EncodeToString(digest)), 1),
		"spaced":      strings.ReplaceAll(sealed, `,"`, " ,\n \""),
		"input text":  strings.Replace(sealed, string(appendJSON(nil, m.get("input"))), strconv.Quote(string(appendJSON(nil, m.get("input")))), 1),
		"extra":       strings.Replace(sealed, `{`, `{"extra":"x","signData":"y","encData":{"z":1},`, 1),
		"void":        strings.Replace(sealed, `{`, `{"x":null,"y":"",`, 1),
		"no signtype": seal(t, keys, d.message("9001", signInput)),
	} {
		if _, raw := p.post("/his", "application/json", form); !strings.Contains(raw, `"infcode":0`) {
			t.Errorf("%s: %s", name, raw)
		}
	}
}

func TestKeysChange(t *testing.T) {
	p := newPlatform(t)
	d := p.desk(cityHospital)
	send := func(keys *hospital.Keys) string {
		t.Helper()
		_, raw := p.post("/his", "application/json", seal(t, keys, d.message("9001", signInput)))
		reply, err := keys.Open([]byte(raw))
		if err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		return fmt.Sprint(reply["err_msg"])
	}
	none := &hospital.Keys{}
	if got := send(none); got != "" {
		t.Errorf("without keys: %s", got)
	}
	first, one := p.issue(keyring.IssueRequest{Mode: keyring.Digest, From: p.now.Add(time.Hour)})
	if got := send(none); got != "" {
		t.Errorf("keys for later are asked for now: %s", got)
	}
	p.now = p.now.Add(time.Hour)
	if got := send(none); !strings.Contains(got, "缺少 cainfo") {
		t.Errorf("unsigned: %s", got)
	}
	if got := send(first); got != "" {
		t.Errorf("the first keys: %s", got)
	}
	// Both are valid for a day; then the newer ones only.
	second, two := p.issue(keyring.IssueRequest{Mode: keyring.Sign, Overlap: 24 * time.Hour})
	if got := send(first) + send(second); got != "" {
		t.Errorf("both keys: %s", got)
	}
	p.now = p.now.Add(24 * time.Hour)
	if got := send(first); !strings.Contains(got, "signtype“SM3”：本机构应为 SM2") {
		t.Errorf("the old keys: %s", got)
	}
	if got := send(second); got != "" {
		t.Errorf("the new keys: %s", got)
	}
	third, three := p.issue(keyring.IssueRequest{Mode: keyring.Sign, Overlap: 24 * time.Hour, To: p.now.Add(30 * 24 * time.Hour)})
	if one.Number != 1 || two.Number != 2 || three.Number != 3 {
		t.Errorf("numbers %d, %d, %d", one.Number, two.Number, three.Number)
	}
	p.revoke(cityHospital, 2)
	if got := send(second); !strings.Contains(got, "cainfo 与报文不符") {
		t.Errorf("revoked keys: %s", got)
	}
	if got := send(third); got != "" {
		t.Errorf("the third keys: %s", got)
	}
	p.now = p.now.Add(30 * 24 * time.Hour)
	for _, keys := range []*hospital.Keys{none, third} {
		if got := send(keys); !strings.Contains(got, "的报文密钥都已过期或吊销") {
			t.Errorf("all over: %s", got)
		}
	}
	// A later set has an end of its own; another provider is not concerned.
	other := p.desk("H99010000201")
	other.signIn()

	p.server.guard.Default = keyring.Sign
	if err := other.refused("9001", signInput); !strings.Contains(err, "机构 H99010000201 还没有报文密钥，本平台的报文须签名") {
		t.Errorf("no keys where they are asked for: %s", err)
	}
	if err := p.desk("H99010009999").refused("9001", signInput); !strings.Contains(err, "还没有报文密钥") {
		t.Errorf("an unknown provider: %s", err)
	}
	p.issue(keyring.IssueRequest{Provider: "H99010000201", Mode: keyring.None})
	other.signIn()
	err := p.server.DB.View(t.Context(), func(tx *db.Tx) error { return audit.Verify(t.Context(), tx) })
	if err != nil {
		t.Error(err)
	}
}

// The same signed message again gets the same answer; later than the window it
// is refused, and so is another under its msgid.
func TestReplay(t *testing.T) {
	p := newPlatform(t)
	keys, _ := p.issue(keyring.IssueRequest{Mode: keyring.Encrypt})
	d := p.desk(cityHospital)
	plain := d.message("9001", signInput)
	sealed := seal(t, keys, plain)
	open := func(message string) map[string]any {
		t.Helper()
		_, raw := p.post("/his", "application/json", message)
		m, err := keys.Open([]byte(raw))
		if err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		delete(m, "cainfo")
		return m
	}
	first := open(sealed)
	if fmt.Sprint(first["infcode"]) != "0" {
		t.Fatal(first)
	}
	before := p.counts()
	p.now = p.now.Add(5 * time.Minute)
	for _, again := range []string{sealed, seal(t, keys, plain), seal(t, keys, strings.Replace(plain, `"inf_time":"2025-06-20 10:00:05"`, `"inf_time":"2025-06-20 10:05:05"`, 1))} {
		if got := open(again); fmt.Sprint(got) != fmt.Sprint(first) {
			t.Errorf("another answer:\n%v\n%v", first, got)
		}
	}
	if got := open(seal(t, keys, strings.Replace(plain, "10.0.0.1", "10.0.0.2", 1))); !strings.Contains(fmt.Sprint(got["err_msg"]), "已用于另一笔内容不同的请求") {
		t.Errorf("another content: %v", got)
	}
	p.now = p.now.Add(6 * time.Minute)
	if got := open(sealed); !strings.Contains(fmt.Sprint(got["err_msg"]), "相差超过 10m0s") {
		t.Errorf("after the window: %v", got)
	}
	if after := p.counts(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// A file is signed by its digest, whatever form it is sent in, and may be
// encrypted with its message.
func TestSignedFile(t *testing.T) {
	p := newPlatform(t)
	d := p.desk(cityHospital)
	d.signIn()
	content := []byte("对账明细\t1\n")
	upload := `{"fsUploadIn":{"in":"` + base64.StdEncoding.EncodeToString(content) + `","filename":"a.txt","fixmedins_code":"` + cityHospital + `"}}`
	digest := hex.EncodeToString(gm.Digest(content))
	for _, mode := range []keyring.Mode{keyring.Digest, keyring.Encrypt} {
		keys, _ := p.issue(keyring.IssueRequest{Mode: mode})
		plain := d.message("9101", upload)
		message := seal(t, keys, plain)
		if mode == keyring.Digest {
			if r := p.send(message); !strings.Contains(r.ErrMsg, "cainfo 与报文不符") {
				t.Errorf("signed with the file itself: %s", r.raw)
			}
			in := base64.StdEncoding.EncodeToString(content)
			message = strings.Replace(seal(t, keys, strings.Replace(plain, in, digest, 1)), digest, in, 1)
		}
		_, raw := p.post("/his", "application/json", message)
		reply, err := keys.Open([]byte(raw))
		if err != nil || fmt.Sprint(reply["infcode"]) != "0" {
			t.Fatalf("%s: %s, %v", mode, raw, err)
		}
		number := fmt.Sprint(reply["output"].(map[string]any)["file_qury_no"])
		resp, err := http.Post(p.http.URL+"/his", "application/json", strings.NewReader(seal(t, keys, d.message("9102",
			`{"fsDownloadIn":{"file_qury_no":"`+number+`","filename":"a.txt","fixmedins_code":"`+cityHospital+`"}}`))))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != string(content) {
			t.Errorf("%s: %q, %v", mode, got, err)
		}
	}
}

// A store that fails while keys are read is our fault, and nothing is done.
func TestKeysUnreadable(t *testing.T) {
	p := newPlatform(t)
	message := p.desk(cityHospital).message("9001", signInput)
	before := p.counts()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := p.parse(string(p.server.answer(ctx, []byte(message), "", &stamp{received: p.now})))
	if !strings.Contains(r.ErrMsg, "系统暂时无法处理") {
		t.Errorf("%s", r.raw)
	}
	if after := p.counts(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// vector is an example for those who write the other side: testdata/vectors.json.
type vector struct {
	Name       string `json:"name"`
	Secret     string `json:"app_secret"`
	Message    string `json:"message"`     // before it is proved
	Text       string `json:"signed_text"` // with the secret
	TextSM3    string `json:"signed_text_sm3"`
	OpenSM3    string `json:"text_without_secret_sm3"` // what err_msg names
	PrivateKey string `json:"sm2_private_key,omitempty"`
	PublicKey  string `json:"sm2_public_key,omitempty"`
	CipherKey  string `json:"sm4_key,omitempty"`
	Input      string `json:"input_text,omitempty"` // what is encrypted
	Encrypted  string `json:"input_encrypted,omitempty"`
	CAInfo     string `json:"cainfo"`
	Sent       string `json:"sent"`
}

// keys are the vector's keys as the hospital has them.
func (v *vector) keys(t *testing.T) *hospital.Keys {
	k := &hospital.Keys{Secret: v.Secret}
	var err error
	if v.PrivateKey != "" {
		if k.Signer, err = gm.ParseSigner(v.PrivateKey); err != nil {
			t.Fatal(err)
		}
	}
	if v.CipherKey != "" {
		if k.Cipher, err = hex.DecodeString(v.CipherKey); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

var remake = flag.Bool("remake", false, "make the vectors of signed messages anew")

// TestVectors checks both sides by the same examples. -remake makes them anew; then copy them into docs/his-security.md.
func TestVectors(t *testing.T) {
	const file = "testdata/vectors.json"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for i := range vectors {
		v := &vectors[i]
		keys := v.keys(t)
		if *remake {
			v.Sent = seal(t, keys, v.Message)
		}
		m, err := parseJSON([]byte(v.Sent))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		text := signedText(m)
		k := &keyring.Key{Mode: keyring.Digest, Secret: v.Secret, Cipher: keys.Cipher}
		want := *v
		want.Text, want.TextSM3, want.OpenSM3 = string(withSecret(text, k)), hex.EncodeToString(gm.Digest(withSecret(text, k))), hex.EncodeToString(gm.Digest(text))
		want.CAInfo = m.get("cainfo").text
		if keys.Signer != nil {
			k.Mode, k.Public = keyring.Sign, keys.Signer.Public()
			want.PublicKey = k.Public.String()
		}
		if keys.Cipher != nil {
			want.Encrypted = m.get("input").text
			cipher, err := base64.StdEncoding.DecodeString(want.Encrypted)
			if err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			plain, err := gm.DecryptCBC(keys.Cipher, cipher)
			if err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			want.Input = string(plain)
		}
		if *remake {
			*v = want
		} else if *v != want {
			t.Errorf("%s:\n got %+v\nwant %+v", v.Name, want, *v)
		}
		if !proves(k, text, signatureBytes(v.CAInfo)) {
			t.Errorf("%s: cainfo is not taken", v.Name)
		}
		var object map[string]any
		dec := json.NewDecoder(strings.NewReader(v.Sent))
		dec.UseNumber()
		if err := dec.Decode(&object); err != nil {
			t.Fatal(err)
		}
		if got := string(hospital.SignedText(object, v.Secret)); got != v.Text {
			t.Errorf("%s: the hospital signs %s, want %s", v.Name, got, v.Text)
		}
	}
	if *remake {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(vectors); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The examples of the documentation are the vectors.
func TestDocumentedVectors(t *testing.T) {
	page, err := os.ReadFile("../docs/his-security.md")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, v := range vectors {
		if !strings.Contains(string(page), "### "+v.Name+"\n") {
			continue
		}
		shown++
		for _, part := range []string{v.Secret, v.PrivateKey, v.CipherKey, v.Input, v.Text, v.TextSM3, v.CAInfo} {
			if !strings.Contains(string(page), part) {
				t.Errorf("%s: the page has no %s", v.Name, part)
			}
		}
	}
	if shown != 3 {
		t.Errorf("%d examples", shown)
	}
}

// FuzzSigned: whatever is changed of a proved message, nothing panics, the
// status is never that of a fault of ours, and what is not proved does nothing.
func FuzzSigned(f *testing.F) {
	p := newPlatform(f)
	keys, _ := p.issue(keyring.IssueRequest{Mode: keyring.Encrypt})
	sealed := seal(f, keys, p.desk(cityHospital).message("9001", signInput))
	f.Add(sealed, "application/json", "", "")
	f.Add(strings.Replace(sealed, "SM2", "SM3", 1), "text/plain;charset=GBK", "gzip", "/9001")
	f.Add(`{"fixmedins_code":"`+cityHospital+`","infno":9001,"cainfo":"AAAA"}`, "application/x-www-form-urlencoded", "", "/fsi/callService")
	f.Add("data=%7B%22infno%22%3A1101%7D", "application/x-www-form-urlencoded", "x", "/")
	f.Add(sealed+"\x00", "application/json;charset=gb18030", "", "/2207A")
	if _, raw := p.post("/his", "application/json", sealed); !strings.Contains(raw, `"infcode":0`) {
		f.Fatal(raw)
	}
	before := p.counts()
	own, err := parseJSON([]byte(sealed))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body, contentType, encoding, path string) {
		p.t = t
		for _, header := range []string{contentType, encoding} {
			if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Skip("no header")
			}
		}
		req, err := http.NewRequest(http.MethodPost, p.http.URL+"/his", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path += path
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Content-Encoding", encoding)
		status, reply, file := p.server.serve(req, &stamp{received: p.now})
		if status >= 500 || file != nil {
			t.Fatalf("status %d: %s", status, reply)
		}
		v, err := parseJSON(reply)
		if err != nil {
			t.Fatalf("%v: %s", err, reply)
		}
		if m, err := parseJSON([]byte(body)); err == nil && string(signedText(m)) == string(signedText(own)) {
			return // it is the message, spelt otherwise
		}
		if v.get("infcode") == nil || v.get("infcode").text != "-1" || strings.Contains(string(reply), "系统暂时无法处理") {
			t.Errorf("%s", reply)
		}
		if after := p.counts(); after != before {
			t.Errorf("before %+v, after %+v", before, after)
		}
	})
}

// FuzzProved: whatever a provider encrypts and signs, nothing panics, the reply
// is proved, and what is refused leaves nothing.
func FuzzProved(f *testing.F) {
	p := newPlatform(f)
	keys, _ := p.issue(keyring.IssueRequest{Mode: keyring.Encrypt})
	signing := *keys
	signing.Cipher = nil
	p.desk(cityHospital)
	f.Add("9001", signInput)
	f.Add("2204", `{"feedetail":[{"cnt":1e2,"fee_ocur_time":"2025/6/1"}]}`)
	f.Add("9101", `{"fsUploadIn":{"in":[1,2,-3],"filename":"a","fixmedins_code":"H99010000101"}}`)
	f.Add("9101", `{"fsUploadIn":{"in":"AQI`)
	f.Add("1101", `{"data":[{"CERTNO":1,"certno":2}],"DATA":{}}`)
	f.Fuzz(func(t *testing.T, number, input string) {
		p.t = t
		text, err := gm.EncryptCBC(keys.Cipher, []byte(input))
		if err != nil {
			t.Fatal(err)
		}
		plain := map[string]any{}
		if err := json.Unmarshal([]byte(p.desk(cityHospital).message("9001", "{}")), &plain); err != nil {
			t.Fatal(err)
		}
		plain["infno"], plain["input"], plain["enc_type"] = number, base64.StdEncoding.EncodeToString(text), "SM4"
		message, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		before := p.counts()
		reply := p.server.answer(t.Context(), []byte(seal(t, &signing, string(message))), "", &stamp{received: p.now})
		opened, err := keys.Open(reply)
		if err != nil || strings.Contains(string(reply), "系统暂时无法处理") {
			t.Fatalf("%s: %v", reply, err)
		}
		if fmt.Sprint(opened["infcode"]) != "0" && p.counts() != before {
			t.Errorf("%s: before %+v, after %+v", reply, before, p.counts())
		}
	})
}

var errStore = errors.New("the disk is full")

// Keys that are being made leave nothing when a write fails.
func TestIssueFails(t *testing.T) {
	p := newPlatform(t)
	p.issue(keyring.IssueRequest{Mode: keyring.Digest})
	ring := p.server.guard.ring
	read := func() (keys []keyring.Key) {
		t.Helper()
		err := p.server.DB.View(t.Context(), func(tx *db.Tx) (err error) {
			keys, err = ring.Of(t.Context(), tx, cityHospital)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	before := read()
	for at := 1; ; at++ {
		n := 0
		ctx := db.WithFailure(t.Context(), func(string) error {
			if n++; n == at {
				return errStore
			}
			return nil
		})
		err := p.server.DB.Update(ctx, func(tx *db.Tx) error {
			_, err := ring.Issue(ctx, tx, keyring.IssueRequest{Provider: cityHospital, Mode: keyring.Digest, At: p.now, Actor: "test"})
			return err
		})
		if err == nil {
			if at < 4 {
				t.Errorf("issuing has %d writes only", at)
			}
			break
		}
		if after := read(); !slices.EqualFunc(before, after, func(a, b keyring.Key) bool { return a.Number == b.Number && a.To.Equal(b.To) }) {
			t.Fatalf("write %d failed and left %+v", at, after)
		}
	}
	if len(read()) != 2 {
		t.Errorf("%+v", read())
	}
}
