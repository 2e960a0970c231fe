package gm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/emmansun/gmsm/sm4"
)

// The examples of GB/T 32905 (SM3) and GB/T 32907 (SM4).
func TestStandardVectors(t *testing.T) {
	for in, want := range map[string]string{
		"abc": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
		"abcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd": "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
	} {
		if got := hex.EncodeToString(Digest([]byte(in))); got != want {
			t.Errorf("SM3(%q) = %s, want %s", in, got, want)
		}
	}
	key, _ := hex.DecodeString("0123456789abcdeffedcba9876543210")
	block, err := sm4.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 16)
	block.Encrypt(out, key)
	if got := hex.EncodeToString(out); got != "681edf34d206965e86b3e94f536e4246" {
		t.Errorf("SM4 = %s", got)
	}
}

func TestSeal(t *testing.T) {
	s, err := LoadOrCreateKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.Seal("a", "秘密")
	if got, err := s.Open("a", sealed); err != nil || got != "秘密" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.Open("b", sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("opened for another purpose: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open("a", changed); !errors.Is(err, ErrSealed) {
			t.Fatalf("opened with byte %d changed: %v", i, err)
		}
	}
	if _, err := s.Open("a", nil); !errors.Is(err, ErrSealed) {
		t.Error(err)
	}
	if bytes.Equal(s.Seal("a", "x"), s.Seal("a", "x")) {
		t.Error("two sealings of one text are equal")
	}
	if !bytes.Equal(s.Index("a", "x"), s.Index("a", "x")) || bytes.Equal(s.Index("a", "x"), s.Index("b", "x")) {
		t.Error("index digests are wrong")
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	a, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	b, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Open("p", a.Seal("p", "x")); err != nil || got != "x" {
		t.Errorf("the key read back does not open: %q, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("abcd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateKey(path); err == nil {
		t.Error("a short key is taken")
	}
}
