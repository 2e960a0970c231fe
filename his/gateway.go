package his

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // CSB gateways sign with HMAC-SHA1
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/his/keyring"
)

// gatewayWindow is how far the time of a gateway's headers may be from ours.
const gatewayWindow = 30 * time.Minute

// A gatewayError is the answer of a gateway that let a message not pass. It has
// the gateways' own form and not the interface's.
type gatewayError struct{ message string }

func (e *gatewayError) Error() string { return e.message }

func (e *gatewayError) body() []byte {
	return append(appendString([]byte(`{"code":401,"message":`), e.message), '}')
}

func noHeader(name string) error { return &gatewayError{"缺少请求头 " + name} }

var (
	errGatewayTime = &gatewayError{fmt.Sprintf("请求超时：时间戳与平台时间相差超过 %d 分钟", int(gatewayWindow.Minutes()))}
	errGatewayUser = &gatewayError{"非法用户"}
	errGatewaySign = &gatewayError{"签名不一致"}
	errGatewayUsed = &gatewayError{"请求重复：x-tif-nonce 已用过"}
)

// passGateway checks a message's gateway headers by the provider's keys. One set
// of keys that lets it pass is enough.
func (g *guard) passGateway(valid []keyring.Key, h http.Header, now time.Time) error {
	var first error
	for i := range valid {
		err := g.gateway(&valid[i], h, now)
		if err == nil {
			return nil
		}
		// A signature that was tried says more than an access key of before.
		if first == nil || first == errGatewayUser {
			first = err
		}
	}
	return first
}

func (g *guard) gateway(k *keyring.Key, h http.Header, now time.Time) error {
	switch k.Gateway {
	case keyring.CSB:
		return passCSB(k, h, now)
	case keyring.TIF:
		return g.passTIF(k, h, now)
	case keyring.APIKey:
		given := h.Get("apikey")
		if given == "" {
			return noHeader("apikey")
		}
		if subtle.ConstantTimeCompare([]byte(given), []byte(k.GatewaySecret)) != 1 {
			return errGatewayUser
		}
	}
	return nil
}

// csbHeaders are what a CSB gateway's signature covers.
var csbHeaders = []string{"_api_access_key", "_api_name", "_api_timestamp", "_api_version"}

func passCSB(k *keyring.Key, h http.Header, now time.Time) error {
	for _, name := range append(slices.Clone(csbHeaders), "_api_signature") {
		if h.Get(name) == "" {
			return noHeader(name)
		}
	}
	if !inWindow(h.Get("_api_timestamp"), time.Millisecond, now) {
		return errGatewayTime
	}
	if h.Get("_api_access_key") != k.AccessKey {
		return errGatewayUser
	}
	if subtle.ConstantTimeCompare([]byte(h.Get("_api_signature")), []byte(csbSignature(h, k.GatewaySecret))) != 1 {
		return errGatewaySign
	}
	return nil
}

func csbSignature(h http.Header, secret string) string {
	parts := make([]string, len(csbHeaders))
	for i, name := range csbHeaders {
		parts[i] = name + "=" + h.Get(name)
	}
	mac := hmac.New(sha1.New, []byte(secret))
	_, _ = io.WriteString(mac, strings.Join(parts, "&")) // a hash takes everything
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (g *guard) passTIF(k *keyring.Key, h http.Header, now time.Time) error {
	for _, name := range []string{"x-tif-paasid", "x-tif-timestamp", "x-tif-nonce", "x-tif-signature"} {
		if h.Get(name) == "" {
			return noHeader(name)
		}
	}
	at, nonce := h.Get("x-tif-timestamp"), h.Get("x-tif-nonce")
	if !inWindow(at, time.Second, now) {
		return errGatewayTime
	}
	if h.Get("x-tif-paasid") != k.AccessKey {
		return errGatewayUser
	}
	sum := sha256.Sum256([]byte(at + k.GatewaySecret + nonce + at))
	if subtle.ConstantTimeCompare([]byte(strings.ToLower(h.Get("x-tif-signature"))), []byte(hex.EncodeToString(sum[:]))) != 1 {
		return errGatewaySign
	}
	if !g.nonces.first(k.AccessKey+" "+nonce, now) {
		return errGatewayUsed
	}
	return nil
}

// inWindow reports whether a time since 1970, counted in the unit, is near now.
func inWindow(s string, unit time.Duration, now time.Time) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > int64(1<<62)/int64(unit) {
		return false
	}
	off := now.Sub(time.Unix(0, n*int64(unit)))
	return off <= gatewayWindow && off >= -gatewayWindow
}

// nonces are those seen in the last window. A nonce's time may lie a window
// before or after ours, so that it is remembered for two. There are two
// generations: when the younger is full or old enough, it becomes the older one
// and the older one is forgotten. Beyond maxNonces in a generation the memory
// reaches back less far; what a repeated message would do is prevented by its
// msgid all the same.
type nonces struct {
	mu         sync.Mutex
	young, old map[[16]byte]struct{}
	begun      time.Time // when the younger generation began
}

// maxNonces bounds a generation, and so the memory of both to some tens of
// megabytes.
const maxNonces = 1 << 19

// first reports whether the nonce was not seen, and remembers it.
func (n *nonces) first(nonce string, now time.Time) bool {
	key := [16]byte(gm.Digest([]byte(nonce)))
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.young[key]; ok {
		return false
	}
	if _, ok := n.old[key]; ok {
		return false
	}
	if n.young == nil || len(n.young) >= maxNonces || now.Sub(n.begun) > 2*gatewayWindow {
		n.young, n.old, n.begun = map[[16]byte]struct{}{}, n.young, now
	}
	n.young[key] = struct{}{}
	return true
}
