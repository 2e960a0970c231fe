package gm

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm2"
)

// The example of GM/T 0003.5 (SM2) with the default identity: the digest that is
// signed, its key, and its signature.
func TestSM2Vector(t *testing.T) {
	const (
		secret    = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"
		public    = "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
		signature = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3" + "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
	)
	s, err := ParseSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Public().String(); got != public {
		t.Errorf("public key %s, want %s", got, public)
	}
	sig, _ := hex.DecodeString(signature)
	if !s.Public().Verify([]byte("message digest"), sig) {
		t.Error("the standard's signature is not taken")
	}
	for i := range sig {
		changed := bytes.Clone(sig)
		changed[i] ^= 1
		if s.Public().Verify([]byte("message digest"), changed) {
			t.Fatalf("taken with byte %d changed", i)
		}
	}
}

func TestSign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sign.key")
	a, err := LoadOrCreateSigner(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := LoadOrCreateSigner(path)
	if err != nil || b.Secret() != a.Secret() {
		t.Fatalf("the key read back is another: %v", err)
	}
	message := []byte("报文")
	sig, err := a.Sign(message)
	if err != nil || len(sig) != 64 {
		t.Fatalf("%x, %v", sig, err)
	}
	if !b.Public().Verify(message, sig) || b.Public().Verify([]byte("另一报文"), sig) || b.Public().Verify(message, nil) {
		t.Error("verification is wrong")
	}
	asn1, err := a.key.SignWithSM2(rand.Reader, userID, message)
	if err != nil || !b.Public().Verify(message, asn1) {
		t.Error("a signature in ASN.1 is not taken")
	}
	other, err := NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	if other.Public().Verify(message, sig) {
		t.Error("taken with another's key")
	}
}

func TestParsePublicKey(t *testing.T) {
	s, err := NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	point := s.public.point
	info := append(bytes.Clone(publicHead), point...)
	pem := "-----BEGIN PUBLIC KEY-----\n" + base64.StdEncoding.EncodeToString(info)[:64] + "\n" + base64.StdEncoding.EncodeToString(info)[64:] + "\n-----END PUBLIC KEY-----\n"
	for _, form := range []string{s.public.String(), strings.ToLower(s.public.String()), s.public.String()[2:], base64.StdEncoding.EncodeToString(point),
		base64.StdEncoding.EncodeToString(point[1:]), base64.StdEncoding.EncodeToString(info), pem} {
		p, err := ParsePublicKey(form)
		if err != nil || p.String() != s.public.String() {
			t.Errorf("%s: %v, %v", form, p, err)
		}
	}
	off := bytes.Clone(point)
	off[64] ^= 1
	for _, bad := range []string{"", "04", "xyz", hex.EncodeToString(off), hex.EncodeToString(make([]byte, 65)), hex.EncodeToString(info[:80])} {
		if _, err := ParsePublicKey(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, bad := range []string{"", "00", strings.Repeat("0", 64), strings.Repeat("f", 64), strings.Repeat("g", 64)} {
		if _, err := ParseSigner(bad); err == nil {
			t.Errorf("private key %q is taken", bad)
		}
	}
	if !sm2.IsSM2PublicKey(s.public.key) {
		t.Error("the key is not of the curve")
	}
}

func TestCBC(t *testing.T) {
	key := []byte("0123456789abcdef")
	for _, plain := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("b"), 16), []byte(`{"data":{"psn_name":"张安"}}`)} {
		text, err := EncryptCBC(key, plain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecryptCBC(key, text)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%q comes back as %q, %v", plain, got, err)
		}
		if _, err := DecryptCBC(key, text[:len(text)-1]); !errors.Is(err, ErrCipher) {
			t.Errorf("a cut text: %v", err)
		}
	}
	if _, err := DecryptCBC(key, nil); !errors.Is(err, ErrCipher) {
		t.Error(err)
	}
	if _, err := EncryptCBC(key[:15], nil); err == nil {
		t.Error("a short key is taken")
	}
	a, _ := EncryptCBC(key, []byte("x"))
	b, _ := EncryptCBC(key, []byte("x"))
	if bytes.Equal(a, b) {
		t.Error("two encryptions of one text are equal")
	}
	// What OpenSSL's sm4-cbc gives for the same key, vector and text.
	iv, _ := hex.DecodeString("000102030405060708090a0b0c0d0e0f")
	got, err := encryptCBC(key, iv, []byte("anji"))
	if err != nil || hex.EncodeToString(got[16:]) != "1b4a693a5839214fe21ab07137163bfe" {
		t.Errorf("%x, %v", got[16:], err)
	}
}
