package hospital

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // CSB gateways sign with HMAC-SHA1
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/anji-platform/anji/gm"
)

// Keys are what the platform gave a hospital to prove its messages with, and
// what the hospital keeps itself. docs/his-security.md says how they are used;
// this is the other side of what the server does, written on its own.
type Keys struct {
	Secret   string        // 应用密钥 (appSecret); "" sends messages as they are
	Signer   *gm.Signer    // the hospital's key; nil proves messages by a digest
	Platform *gm.PublicKey // the key that replies are signed with, where Signer is set
	Cipher   []byte        // the SM4 key; nil encrypts nothing

	Gateway       string // csb, tif or apikey; "" passes none
	AccessKey     string
	GatewaySecret string
}

// Seal encrypts and signs a message, a JSON object, as the keys ask for.
func (k *Keys) Seal(message []byte) ([]byte, error) {
	if k == nil || k.Secret == "" {
		return message, nil
	}
	m, err := decode(message)
	if err != nil {
		return nil, err
	}
	if k.Cipher != nil {
		text, err := gm.EncryptCBC(k.Cipher, encode(nil, m["input"]))
		if err != nil {
			return nil, err
		}
		m["input"], m["enc_type"] = base64.StdEncoding.EncodeToString(text), "SM4"
	}
	m["signtype"] = "SM3"
	if k.Signer != nil {
		m["signtype"] = "SM2"
	}
	text := SignedText(m, k.Secret)
	signature := gm.Digest(text)
	if k.Signer != nil {
		if signature, err = k.Signer.Sign(text); err != nil {
			return nil, err
		}
	}
	m["cainfo"] = base64.StdEncoding.EncodeToString(signature)
	return encode(nil, m), nil
}

// ErrReply says that a reply is not the platform's, or was changed.
var ErrReply = errors.New("the reply is not signed by the platform")

// Open checks the signature of a reply and decrypts its output. A refusal may
// be without a signature: who could not prove a message gets no proof back.
func (k *Keys) Open(reply []byte) (map[string]any, error) {
	m, err := decode(reply)
	if err != nil || k == nil || k.Secret == "" {
		return m, err
	}
	given, _ := m["cainfo"].(string)
	if given == "" && m["infcode"] != json.Number("0") {
		return m, nil
	}
	signature, err := base64.StdEncoding.DecodeString(given)
	if err != nil {
		return nil, ErrReply
	}
	text := SignedText(m, k.Secret)
	if k.Signer != nil && !k.Platform.Verify(text, signature) ||
		k.Signer == nil && subtle.ConstantTimeCompare(gm.Digest(text), signature) != 1 {
		return nil, ErrReply
	}
	if s, ok := m["output"].(string); ok && m["enctype"] == "SM4" {
		text, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, err
		}
		plain, err := gm.DecryptCBC(k.Cipher, text)
		if err != nil {
			return nil, err
		}
		if m["output"], err = decode(plain); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// SignedText is the text of a message or reply that is signed. Its numbers are
// json.Number, so that they stand as they are sent.
func SignedText(m map[string]any, secret string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name == "cainfo" || name == "signData" || name == "encData" || name == "extra" || void(m[name]) {
			continue
		}
		b = append(b, name+"="...)
		if s, ok := m[name].(string); ok {
			b = append(b, s...)
		} else {
			b = sorted(b, m[name])
		}
		b = append(b, '&')
	}
	return append(b, "key="+secret...)
}

func void(v any) bool { return v == nil || v == "" }

// sorted writes a value as JSON with sorted names and without what is void.
func sorted(b []byte, v any) []byte { return write(b, v, false) }

// encode writes a value as JSON.
func encode(b []byte, v any) []byte { return write(b, v, true) }

func write(b []byte, v any, all bool) []byte {
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		comma := ""
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if !all && void(v[name]) {
				continue
			}
			b, _ = jsontext.AppendQuote(append(b, comma...), name)
			b = write(append(b, ':'), v[name], all)
			comma = ","
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = write(b, item, all)
		}
		return append(b, ']')
	case string:
		b, _ = jsontext.AppendQuote(b, v) // it was decoded, and so is valid UTF-8
		return b
	case nil:
		return append(b, "null"...)
	}
	return fmt.Append(b, v) // json.Number and bool are written as they stand
}

func decode(data []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var m map[string]any
	err := dec.Decode(&m)
	return m, err
}

// Pass sets the headers by which a request passes the gateway.
func (k *Keys) Pass(h http.Header, now time.Time) {
	if k == nil {
		return
	}
	switch k.Gateway {
	case "csb":
		at := strconv.FormatInt(now.UnixMilli(), 10)
		h["_api_access_key"], h["_api_name"], h["_api_timestamp"], h["_api_version"] = []string{k.AccessKey}, []string{"his"}, []string{at}, []string{"1.0.0"}
		mac := hmac.New(sha1.New, []byte(k.GatewaySecret))
		fmt.Fprintf(mac, "_api_access_key=%s&_api_name=his&_api_timestamp=%s&_api_version=1.0.0", k.AccessKey, at)
		h["_api_signature"] = []string{base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	case "tif":
		at, nonce := strconv.FormatInt(now.Unix(), 10), rand.Text()
		sum := sha256.Sum256([]byte(at + k.GatewaySecret + nonce + at))
		h.Set("x-tif-paasid", k.AccessKey)
		h.Set("x-tif-timestamp", at)
		h.Set("x-tif-nonce", nonce)
		h.Set("x-tif-signature", hex.EncodeToString(sum[:]))
	case "apikey":
		h.Set("apikey", k.GatewaySecret)
	}
}
