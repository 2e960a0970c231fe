// Package keyring keeps the keys by which providers prove their messages (报文
// 密钥): how each provider signs and encrypts, and how it passes a gateway.
// Secrets are sealed in the store and shown once, when they are made. Every
// change stands in the audit record.
package keyring

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/provider"
)

// Mode is how much a message is protected.
type Mode string

// The modes, from the least.
const (
	None    Mode = "none"    // nothing is checked
	Digest  Mode = "digest"  // an SM3 digest with a shared secret (signtype SM3)
	Sign    Mode = "sign"    // an SM2 signature (signtype SM2)
	Encrypt Mode = "encrypt" // Sign, and input and output are encrypted with SM4
)

// ParseMode reads a mode; "" is None.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return None, nil
	case None, Digest, Sign, Encrypt:
		return m, nil
	}
	return "", fmt.Errorf("mode %q: want none, digest, sign or encrypt", s)
}

// Signs reports whether messages carry an SM2 signature.
func (m Mode) Signs() bool { return m == Sign || m == Encrypt }

// Gateway is the kind of headers that a provider's messages pass a gateway by.
type Gateway string

// The gateways.
const (
	NoGateway Gateway = ""
	CSB       Gateway = "csb"    // _api_signature: HMAC-SHA1 of the _api_ headers
	TIF       Gateway = "tif"    // x-tif-signature: SHA-256 of time, secret and nonce
	APIKey    Gateway = "apikey" // apikey: a fixed secret
)

// ParseGateway reads a gateway; "" and "none" are NoGateway.
func ParseGateway(s string) (Gateway, error) {
	switch g := Gateway(s); g {
	case "none":
		return NoGateway, nil
	case NoGateway, CSB, TIF, APIKey:
		return g, nil
	}
	return "", fmt.Errorf("gateway %q: want none, csb, tif or apikey", s)
}

// Key is one set of keys of a provider. What its mode and gateway do not need
// is empty.
type Key struct {
	Provider string
	Number   int
	Mode     Mode
	Public   *gm.PublicKey // the provider's
	Secret   string        // 应用密钥 (appSecret), part of every text that is signed
	Cipher   []byte        // the SM4 key

	Gateway       Gateway
	AccessKey     string // names the caller to the gateway
	GatewaySecret string

	Window   time.Duration // how far a message's time may be from the server's
	From, To time.Time     // valid from From and before To; To zero: without end
	Revoked  time.Time     // zero: not revoked
}

// ValidAt reports whether the keys may be used at t.
func (k *Key) ValidAt(t time.Time) bool {
	return k.Revoked.IsZero() && !t.Before(k.From) && (k.To.IsZero() || t.Before(k.To))
}

// DefaultWindow is the clock window where none is asked for.
const DefaultWindow = 10 * time.Minute

// zone is China's time, in which the store keeps times.
var zone = time.FixedZone("CST", 8*60*60)

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(time.DateTime)
}

// Ring opens and seals what the store holds of keys.
type Ring struct{ sealer *gm.Sealer }

// New makes a ring whose secrets the sealer seals.
func New(sealer *gm.Sealer) *Ring { return &Ring{sealer} }

// Purposes of sealing.
const (
	secretOf        = "provider_security.secret"
	cipherOf        = "provider_security.cipher_key"
	gatewaySecretOf = "provider_security.gateway_secret"
)

const columns = `provider, n, mode, public_key, secret, cipher_key, gateway, access_key, gateway_secret, clock_window, from_time, to_time, revoked`

// Of returns all keys of a provider, the newest first, also those that are not
// valid. A provider without any takes the platform's default; one whose keys
// are all invalid may not send.
func (r *Ring) Of(ctx context.Context, tx *db.Tx, code string) ([]Key, error) {
	return r.read(ctx, tx, `SELECT `+columns+` FROM provider_security WHERE provider = ? ORDER BY n DESC`, code)
}

// All returns the keys of every provider, for lists.
func (r *Ring) All(ctx context.Context, tx *db.Tx) ([]Key, error) {
	return r.read(ctx, tx, `SELECT `+columns+` FROM provider_security ORDER BY provider, n DESC`)
}

func (r *Ring) read(ctx context.Context, tx *db.Tx, query string, args ...any) ([]Key, error) {
	var keys []Key
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var k Key
		var mode, gateway, public, from, to, revoked string
		var secret, cipher, gatewaySecret []byte
		var window int64
		if err := rows.Scan(&k.Provider, &k.Number, &mode, &public, &secret, &cipher, &gateway, &k.AccessKey, &gatewaySecret, &window, &from, &to, &revoked); err != nil {
			return err
		}
		k.Mode, k.Gateway, k.Window = Mode(mode), Gateway(gateway), time.Duration(window)*time.Second
		var errs [7]error
		if public != "" {
			k.Public, errs[0] = gm.ParsePublicKey(public)
		}
		for i, t := range []struct {
			text string
			into *time.Time
		}{{from, &k.From}, {to, &k.To}, {revoked, &k.Revoked}} {
			if t.text != "" {
				*t.into, errs[1+i] = time.ParseInLocation(time.DateTime, t.text, zone)
			}
		}
		var cipherKey string
		k.Secret, errs[4] = r.sealer.Open(secretOf, secret)
		cipherKey, errs[5] = r.sealer.Open(cipherOf, cipher)
		k.GatewaySecret, errs[6] = r.sealer.Open(gatewaySecretOf, gatewaySecret)
		k.Cipher = []byte(cipherKey)
		if err := errors.Join(errs[:]...); err != nil {
			return fmt.Errorf("keys %d of %s: %w", k.Number, k.Provider, err)
		}
		keys = append(keys, k)
		return nil
	}, query, args...)
	return keys, err
}

// ErrNotFound says that there is no such provider, or no such keys.
var ErrNotFound = errors.New("not found")

// IssueRequest asks for new keys.
type IssueRequest struct {
	Provider string
	Mode     Mode
	Public   *gm.PublicKey // the provider's; needed by Sign and Encrypt
	Gateway  Gateway
	Window   time.Duration // 0: DefaultWindow
	At       time.Time     // now
	From, To time.Time     // From zero: At; To zero: without end
	// Overlap is how long the keys before remain valid after From, so that the
	// provider can change over.
	Overlap time.Duration
	Actor   string
}

// Issue makes new keys, with fresh secrets as the mode and gateway need them.
// Of the keys before, the newest remain valid for the overlap and the others
// end with From, so that at most two sets are valid at once.
func (r *Ring) Issue(ctx context.Context, tx *db.Tx, q IssueRequest) (Key, error) {
	k := Key{Provider: q.Provider, Number: 1, Mode: q.Mode, Gateway: q.Gateway, Window: q.Window, From: q.From.Truncate(time.Second), To: q.To.Truncate(time.Second)}
	if k.From.IsZero() {
		k.From = q.At.Truncate(time.Second)
	}
	if k.Window == 0 {
		k.Window = DefaultWindow
	}
	switch {
	case !k.To.IsZero() && !k.To.After(k.From):
		return Key{}, fmt.Errorf("keys that end at %s before they begin at %s", stamp(k.To), stamp(k.From))
	case k.Window < time.Second || q.Overlap < 0:
		return Key{}, errors.New("a window of at least one second and an overlap that is not negative are needed")
	case k.Mode.Signs() != (q.Public != nil):
		return Key{}, fmt.Errorf("mode %s and a public key: a public key belongs to sign and encrypt", k.Mode)
	}
	if _, ok, err := provider.Get(ctx, tx, q.Provider); err != nil {
		return Key{}, err
	} else if !ok {
		return Key{}, fmt.Errorf("provider %s: %w", q.Provider, ErrNotFound)
	}
	if k.Mode != None {
		k.Secret = random(16)
	}
	public := ""
	if q.Public != nil {
		k.Public, public = q.Public, q.Public.String()
	}
	if k.Mode == Encrypt {
		k.Cipher = make([]byte, gm.CipherKeySize)
		rand.Read(k.Cipher)
	}
	if k.Gateway != NoGateway {
		k.GatewaySecret = random(16)
		if k.Gateway != APIKey {
			k.AccessKey = random(8)
		}
	}
	if err := tx.Lock(ctx, "provider_security "+q.Provider); err != nil {
		return Key{}, err
	}
	before, err := r.Of(ctx, tx, q.Provider)
	if err != nil {
		return Key{}, err
	}
	for i, b := range before {
		k.Number = max(k.Number, b.Number+1)
		end := k.From
		if i == 0 {
			end = k.From.Add(q.Overlap)
		}
		if b.To.IsZero() || b.To.After(end) {
			if err := tx.Exec(ctx, `UPDATE provider_security SET to_time = ? WHERE provider = ? AND n = ?`, stamp(end), b.Provider, b.Number); err != nil {
				return Key{}, err
			}
		}
	}
	err = tx.Exec(ctx, `INSERT INTO provider_security (`+columns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')`,
		k.Provider, k.Number, string(k.Mode), public, r.sealer.Seal(secretOf, k.Secret), r.sealer.Seal(cipherOf, string(k.Cipher)),
		string(k.Gateway), k.AccessKey, r.sealer.Seal(gatewaySecretOf, k.GatewaySecret), int64(k.Window/time.Second), stamp(k.From), stamp(k.To))
	if err != nil {
		return Key{}, err
	}
	return k, audit.Append(ctx, tx, audit.Record{At: q.At, Actor: q.Actor, Action: "issue keys", Subject: k.Provider,
		Details: map[string]any{"number": k.Number, "mode": k.Mode, "gateway": k.Gateway, "public_key": public, "from": stamp(k.From), "to": stamp(k.To)}})
}

// Revoke ends keys at once and for good.
func (r *Ring) Revoke(ctx context.Context, tx *db.Tx, code string, number int, at time.Time, actor string) error {
	n, err := tx.ExecCount(ctx, `UPDATE provider_security SET revoked = ? WHERE provider = ? AND n = ? AND revoked = ''`, stamp(at), code, number)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("keys %d of %s that are not revoked: %w", number, code, ErrNotFound)
	}
	return audit.Append(ctx, tx, audit.Record{At: at, Actor: actor, Action: "revoke keys", Subject: code, Details: map[string]any{"number": number}})
}

// random is a secret of n random bytes in hexadecimal.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
