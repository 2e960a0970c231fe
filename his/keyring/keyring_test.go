package keyring

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/provider"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const code = "H99010000101"

var noon = time.Date(2025, 6, 20, 12, 0, 0, 0, zone)

func open(t *testing.T) (*db.DB, *Ring, *gm.Signer) {
	t.Helper()
	sealer, err := gm.NewSealer(bytes.Repeat([]byte{7}, 48))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gm.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	d := dbtest.Open(t)
	err = d.Update(t.Context(), func(tx *db.Tx) error {
		return provider.Add(t.Context(), tx, provider.Provider{Code: code, Name: "示例医院", Region: "990100"})
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, New(sealer), signer
}

func issue(ctx context.Context, d *db.DB, r *Ring, q IssueRequest) (k Key, err error) {
	err = d.Update(ctx, func(tx *db.Tx) error {
		k, err = r.Issue(ctx, tx, q)
		return err
	})
	return k, err
}

func of(t *testing.T, d *db.DB, r *Ring) (keys []Key) {
	t.Helper()
	err := d.View(t.Context(), func(tx *db.Tx) (err error) {
		keys, err = r.Of(t.Context(), tx, code)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// What was issued is read back, and is nowhere to be read in the store.
func TestIssue(t *testing.T) {
	d, r, signer := open(t)
	k, err := issue(t.Context(), d, r, IssueRequest{Provider: code, Mode: Encrypt, Public: signer.Public(), Gateway: TIF, Window: time.Minute,
		At: noon, To: noon.AddDate(1, 0, 0), Actor: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	if len(k.Secret) != 32 || len(k.Cipher) != 16 || len(k.GatewaySecret) != 32 || len(k.AccessKey) != 16 {
		t.Errorf("%+v", k)
	}
	keys := of(t, d, r)
	if len(keys) != 1 {
		t.Fatalf("%+v", keys)
	}
	got := keys[0]
	if got.Secret != k.Secret || !bytes.Equal(got.Cipher, k.Cipher) || got.GatewaySecret != k.GatewaySecret || got.Public.String() != signer.Public().String() ||
		got.Window != time.Minute || !got.From.Equal(noon) || !got.To.Equal(noon.AddDate(1, 0, 0)) || !got.Revoked.IsZero() || got.Mode != Encrypt || got.Gateway != TIF {
		t.Errorf("issued %+v, read %+v", k, got)
	}
	err = d.View(t.Context(), func(tx *db.Tx) error {
		var secret, cipher, gateway []byte
		var details string
		if err := tx.QueryRow(t.Context(), `SELECT secret, cipher_key, gateway_secret FROM provider_security`).Scan(&secret, &cipher, &gateway); err != nil {
			return err
		}
		if err := tx.QueryRow(t.Context(), `SELECT details FROM audit WHERE actor = ? AND action = ? AND subject = ?`, "tester", "issue keys", code).Scan(&details); err != nil {
			return err
		}
		all := string(secret) + string(cipher) + string(gateway) + details
		for _, s := range []string{k.Secret, string(k.Cipher), k.GatewaySecret} {
			if strings.Contains(all, s) {
				t.Errorf("a secret stands in %q", all)
			}
		}
		return audit.Verify(t.Context(), tx)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestIssueRefuses(t *testing.T) {
	d, r, signer := open(t)
	for name, q := range map[string]IssueRequest{
		"unknown provider":      {Provider: "H00000000000", Mode: Digest},
		"no public key":         {Provider: code, Mode: Sign},
		"a needless public key": {Provider: code, Mode: Digest, Public: signer.Public()},
		"ends first":            {Provider: code, Mode: Digest, From: noon, To: noon},
		"no window":             {Provider: code, Mode: Digest, Window: time.Millisecond},
		"overlap":               {Provider: code, Mode: Digest, Overlap: -time.Second},
	} {
		q.At = noon
		if _, err := issue(t.Context(), d, r, q); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	if keys := of(t, d, r); len(keys) != 0 {
		t.Errorf("%+v", keys)
	}
}

// Whatever keys are issued, at most two sets are valid at once, and the newest
// are among them.
func TestTwoAtOnce(t *testing.T) {
	d, r, _ := open(t)
	at := noon
	for i := range 12 {
		from := at.Add(time.Duration(i%3) * 20 * time.Hour)
		k, err := issue(t.Context(), d, r, IssueRequest{Provider: code, Mode: Digest, At: at, From: from, Overlap: time.Duration(i%5) * 24 * time.Hour, Actor: "t"})
		if err != nil || k.Number != i+1 {
			t.Fatalf("%d: %+v, %v", i, k, err)
		}
		keys := of(t, d, r)
		for hour := range 24 * 10 {
			moment, n := from.Add(time.Duration(hour)*time.Hour), 0
			for j := range keys {
				if keys[j].ValidAt(moment) {
					n++
				}
			}
			if n > 2 || n == 0 || !keys[0].ValidAt(moment) {
				t.Fatalf("%d: %d sets are valid at %s", i, n, moment)
			}
		}
		at = at.Add(15 * time.Hour)
	}
	err := d.Update(t.Context(), func(tx *db.Tx) error { return r.Revoke(t.Context(), tx, code, 12, at, "t") })
	if err != nil {
		t.Fatal(err)
	}
	if k := of(t, d, r)[0]; k.ValidAt(k.From.Add(time.Hour)) {
		t.Error("revoked keys are valid")
	}
	for _, number := range []int{12, 13, 0} {
		err := d.Update(t.Context(), func(tx *db.Tx) error { return r.Revoke(t.Context(), tx, code, number, at, "t") })
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%d: %v", number, err)
		}
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]Mode{"": None, "none": None, "digest": Digest, "sign": Sign, "encrypt": Encrypt, "SM2": ""} {
		if m, err := ParseMode(in); m != want || (err == nil) != (want != "") {
			t.Errorf("mode %q: %q, %v", in, m, err)
		}
	}
	for in, want := range map[string]Gateway{"": NoGateway, "none": NoGateway, "csb": CSB, "tif": TIF, "apikey": APIKey} {
		if g, err := ParseGateway(in); g != want || err != nil {
			t.Errorf("gateway %q: %q, %v", in, g, err)
		}
	}
	if _, err := ParseGateway("x"); err == nil {
		t.Error("gateway x is taken")
	}
}
