package his

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/his/keyring"
)

// Security says how messages are proved. docs/his-security.md describes it for
// those who write the other side.
type Security struct {
	// Default is the mode for providers without keys of their own; "" is none.
	// Where it is not none, such providers are refused.
	Default keyring.Mode
	// Signer signs replies to those who sign. Without one, nobody who signs is
	// served.
	Signer *gm.Signer
}

// A guard proves who sent a message before anything is done about it. What it
// remembers is bounded, and may be forgotten.
type guard struct {
	Security
	db     *db.DB
	ring   *keyring.Ring
	now    func() time.Time
	nonces nonces

	mu    sync.Mutex
	known map[string]knownKeys // by provider
}

// knownKeys are a provider's keys as they were read.
type knownKeys struct {
	keys []keyring.Key
	read time.Time
}

const (
	// keysFresh is how long keys that were read are used without being read
	// again: the time it takes for a revocation to be felt.
	keysFresh = 5 * time.Second
	// maxKnown bounds how many providers' keys are held.
	maxKnown = 4096
)

// keys are all keys of a provider.
func (g *guard) keys(ctx context.Context, code string) ([]keyring.Key, error) {
	now := g.now()
	g.mu.Lock()
	k, ok := g.known[code]
	g.mu.Unlock()
	if age := now.Sub(k.read); ok && age >= 0 && age < keysFresh {
		return k.keys, nil
	}
	var keys []keyring.Key
	err := g.db.View(ctx, func(tx *db.Tx) (err error) {
		keys, err = g.ring.Of(ctx, tx, code)
		return err
	})
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.known) >= maxKnown || g.known == nil {
		g.known = map[string]knownKeys{}
	}
	g.known[code] = knownKeys{keys, now}
	return keys, nil
}

// unlock proves the sender of a message and decrypts its input. The keys it
// gives are those that proved it: with them the reply is sent. They are nil for
// messages that need no proof.
func (s *Server) unlock(ctx context.Context, m *message, h http.Header) (*keyring.Key, error) {
	code := m.env.text("fixmedins_code")
	if code == "" {
		return nil, nil // its lack is what the message is refused for
	}
	all, err := s.guard.keys(ctx, code)
	if err != nil {
		return nil, err
	}
	var valid []keyring.Key
	begun := false // keys for later change nothing yet
	for _, k := range all {
		begun = begun || !m.received.Before(k.From)
		if k.ValidAt(m.received) {
			valid = append(valid, k)
		}
	}
	var k *keyring.Key
	switch {
	case len(valid) > 0:
		if err := s.guard.passGateway(valid, h, m.received); err != nil {
			return nil, err
		}
		if k, err = s.guard.prove(valid, m); err != nil {
			return nil, err
		}
	case begun:
		return nil, refuse("机构 %s 的报文密钥都已过期或吊销，请向医保经办机构换领", clip(code, 30))
	case s.guard.Default != "" && s.guard.Default != keyring.None:
		return nil, refuse("机构 %s 还没有报文密钥，本平台的报文须签名，请向医保经办机构申领", clip(code, 30))
	}
	if k != nil && k.Mode == keyring.Encrypt {
		err = s.decrypt(m, k)
	}
	return k, err
}

// decrypt puts what was encrypted in the place of a message's input.
func (s *Server) decrypt(m *message, k *keyring.Key) error {
	if t := m.env.text("enc_type"); !strings.EqualFold(t, cipherName) {
		return refuse("enc_type“%s”：本机构的报文须加密，应为 SM4", clip(printable(t), 10))
	}
	m.decrypted = true
	if m.in.empty() {
		return nil // its lack is what the message is refused for
	}
	if m.in.kind != '"' {
		return refuse("enc_type 为 SM4 时 input 应为密文的 Base64 文字")
	}
	text, err := base64.StdEncoding.DecodeString(m.in.text)
	if err != nil {
		return refuse("input 不是合法的 Base64")
	}
	plain, err := gm.DecryptCBC(k.Cipher, text)
	if err != nil {
		return refuse("input 不能用本机构现用的 SM4 密钥解密：应为 16 字节初始向量和 SM4-CBC（PKCS#7 填充）密文")
	}
	if err := s.unwrap(m, plain); err != nil {
		return refuse("input 解密后的%s", err)
	}
	return nil
}

// cipherName is what enc_type and enctype say of an encrypted message.
const cipherName = "SM4"

// algorithm is the signtype of a mode.
func algorithm(m keyring.Mode) string {
	if m.Signs() {
		return "SM2"
	}
	return "SM3"
}

// prove finds the keys that a message was signed with; nil if the provider need
// not sign.
func (g *guard) prove(valid []keyring.Key, m *message) (*keyring.Key, error) {
	if i := slices.IndexFunc(valid, func(k keyring.Key) bool { return k.Mode == keyring.None }); i >= 0 {
		return nil, nil
	}
	want := algorithm(valid[0].Mode)
	given := m.env.text("cainfo")
	if given == "" {
		return nil, refuse("缺少 cainfo（数字签名）：本机构的报文须以 %s 签名", want)
	}
	if t := m.env.text("signtype"); t != "" && !slices.ContainsFunc(valid, func(k keyring.Key) bool { return strings.EqualFold(t, algorithm(k.Mode)) }) {
		return nil, refuse("signtype“%s”：本机构应为 %s", clip(printable(t), 10), want)
	}
	if err := ambiguous(m.whole); err != nil {
		return nil, err
	}
	text, signature := signedText(m.whole), signatureBytes(given)
	for i := range valid {
		k := &valid[i]
		if !proves(k, text, signature) {
			continue
		}
		if k.Mode.Signs() && g.Signer == nil {
			return nil, errors.New("the platform has no key to sign replies with")
		}
		return k, onTime(m, k.Window)
	}
	// The digest leaves the secret out: with it, it would be a signature.
	return nil, refuse("cainfo 与报文不符：平台拼出的待签名原文（不含末尾的 &key=应用密钥）为 UTF-8 %d 字节，SM3 摘要 %s，请比对；规则见 docs/his-security.md", len(text), hex.EncodeToString(gm.Digest(text)))
}

// onTime refuses a signed message that was made too long ago, or whose clock
// goes wrong. So nobody can send it again later.
func onTime(m *message, window time.Duration) error {
	at, err := time.ParseInLocation(clockLayout, m.env.text("inf_time"), zone)
	if err != nil {
		return nil // its lack or form is what the message is refused for
	}
	if off := m.received.Sub(at); off > window || off < -window {
		return refuse("inf_time（交易时间）“%s”与平台时间 %s 相差超过 %s，请校准时钟，重发时用新的时间并重新签名",
			at.Format(clockLayout), m.received.In(zone).Format(clockLayout), window)
	}
	return nil
}

// proves reports whether the keys' owner made the signature of the text.
func proves(k *keyring.Key, text, signature []byte) bool {
	whole := withSecret(text, k)
	switch {
	case k.Mode == keyring.Digest:
		return subtle.ConstantTimeCompare(gm.Digest(whole), signature) == 1
	case k.Mode.Signs():
		return k.Public.Verify(whole, signature)
	}
	return false
}

// signatureBytes reads cainfo: Base64 or, for a digest or signature written so,
// hexadecimal.
func signatureBytes(s string) []byte {
	if len(s) == 64 || len(s) == 128 {
		if b, err := hex.DecodeString(s); err == nil {
			return b
		}
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

// unsigned are the top names that a signature does not cover.
var unsigned = []string{"cainfo", "signData", "encData", "extra"}

// What would let two messages have one text: a name or a value that looks like
// a name and a value more.
var (
	plainName  = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	secondName = regexp.MustCompile(`&[A-Za-z0-9_]+=`)
)

// ambiguous refuses a message whose text another message could have as well.
func ambiguous(v *value) error {
	for _, m := range v.members {
		if !plainName.MatchString(m.name) {
			return refuse("报文的字段名“%s”：签名的报文只能用字母、数字和下划线", clip(printable(m.name), 30))
		}
		if m.kind == '"' && secondName.MatchString(m.text) {
			return refuse("%s 的内容含有“&字段名=”，签名的报文不得含有", m.name)
		}
	}
	return nil
}

// signedText is the text that is signed, but for the secret at its end: the
// message's top names in the order of their bytes, each as name=value, joined by
// &. Objects and lists are written as JSON without blanks, with sorted names.
// What is null or "" is left out.
func signedText(v *value) []byte {
	var b []byte
	for _, m := range sorted(v.members) {
		if slices.Contains(unsigned, m.name) || m.void() {
			continue
		}
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = append(append(b, m.name...), '=')
		if m.kind == '"' {
			b = append(b, m.text...)
		} else {
			b = appendSorted(b, &m.value)
		}
	}
	return b
}

// withSecret is the text with the secret that ends it.
func withSecret(text []byte, k *keyring.Key) []byte {
	return slices.Concat(text, []byte("&key="), []byte(k.Secret))
}

// void reports whether a signature leaves the value out. The words null and
// NULL are texts like others here: both sides sign what is written.
func (v *value) void() bool { return v.kind == 'n' || v.kind == '"' && v.text == "" }

func sorted(ms []member) []member {
	ms = slices.Clone(ms)
	slices.SortFunc(ms, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return ms
}

// appendSorted writes a value as a signature covers it. Numbers stand as they
// were written.
func appendSorted(b []byte, v *value) []byte {
	switch v.kind {
	case '{':
		b = append(b, '{')
		first := true
		ms := sorted(v.members)
		for i := range ms {
			if ms[i].void() {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(appendString(b, ms[i].name), ':')
			b = appendSorted(b, &ms[i].value)
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendSorted(b, &v.items[i])
		}
		return append(b, ']')
	}
	return appendJSON(b, v)
}

// protect makes the reply to a message that was proved with the keys: encrypted
// if the message was, and signed in the same way, by the platform's own key.
func (g *guard) protect(reply []byte, k *keyring.Key) ([]byte, error) {
	if k == nil {
		return reply, nil
	}
	p := newParser(reply)
	p.most = len(reply) // what we wrote is as long as it is
	v, err := p.value(1)
	if err != nil {
		return nil, err
	}
	if out := v.get("output"); k.Mode == keyring.Encrypt && out.kind == '{' {
		text, err := gm.EncryptCBC(k.Cipher, appendJSON(nil, out))
		if err != nil {
			return nil, err
		}
		*out = value{kind: '"', text: base64.StdEncoding.EncodeToString(text)}
		v.members = append(v.members, member{"enctype", value{kind: '"', text: cipherName}})
	}
	v.members = append(v.members, member{"signtype", value{kind: '"', text: algorithm(k.Mode)}})
	text := withSecret(signedText(&v), k)
	signature := gm.Digest(text)
	if k.Mode.Signs() {
		if signature, err = g.Signer.Sign(text); err != nil {
			return nil, err
		}
	}
	v.members = append(v.members, member{"cainfo", value{kind: '"', text: base64.StdEncoding.EncodeToString(signature)}})
	return appendJSON(make([]byte, 0, len(reply)+512), &v), nil
}
