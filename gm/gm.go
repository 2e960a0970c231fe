// Package gm is the national cryptography (国密) that Anji uses, over a
// well-kept library: SM3 digests, SM4 sealing of fields at rest, keyed digests
// by which sealed fields are found, SM2 signatures, and SM4 for messages.
package gm

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

// Digest is the SM3 digest of data.
func Digest(data ...[]byte) []byte {
	h := sm3.New()
	for _, d := range data {
		h.Write(d)
	}
	return h.Sum(nil)
}

// Sealer seals fields and makes the digests by which they are found.
type Sealer struct {
	aead  cipher.AEAD
	index []byte
}

// NewSealer makes a sealer from a key of 48 bytes: 16 for SM4, 32 for digests.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != 48 {
		return nil, fmt.Errorf("the key has %d bytes; 48 are needed", len(key))
	}
	block, err := sm4.NewCipher(key[:16])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead: aead, index: key[16:]}, nil
}

// Seal encrypts a field. purpose, such as "person.citizen_id", must be given
// again to open it.
func (s *Sealer) Seal(purpose, plain string) []byte {
	nonce := make([]byte, s.aead.NonceSize())
	rand.Read(nonce)
	return s.aead.Seal(nonce, nonce, []byte(plain), []byte(purpose))
}

// ErrSealed says that a sealed field was changed, or sealed for another purpose.
var ErrSealed = errors.New("the sealed field cannot be opened")

// Open decrypts a field.
func (s *Sealer) Open(purpose string, sealed []byte) (string, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return "", ErrSealed
	}
	plain, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte(purpose))
	if err != nil {
		return "", ErrSealed
	}
	return string(plain), nil
}

// Index is the keyed digest by which a sealed field is found.
func (s *Sealer) Index(purpose, plain string) []byte {
	h := hmac.New(sm3.New, s.index)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write([]byte(plain))
	return h.Sum(nil)
}

// Stretch makes a key of 32 bytes from a secret, slowly (PBKDF2 with HMAC-SM3,
// GM/T 0091), so that guessing the secret costs.
func Stretch(secret, salt []byte, iterations int) ([]byte, error) {
	return pbkdf2.Key(sm3.New, string(secret), salt, iterations, sm3.Size)
}

// Equal compares two digests in a time that tells nothing of them.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// LoadOrCreateKey reads the key file at path, or makes one that only its owner
// can read.
func LoadOrCreateKey(path string) (*Sealer, error) {
	key, err := loadOrCreate(path, func() ([]byte, error) {
		key := make([]byte, 48)
		rand.Read(key)
		return key, nil
	})
	if err != nil {
		return nil, err
	}
	s, err := NewSealer(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// loadOrCreate reads the key written in hexadecimal in the file at path, or
// makes one and the file.
func loadOrCreate(path string, make func() ([]byte, error)) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := make()
		if err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		if _, err = f.WriteString(hex.EncodeToString(key) + "\n"); err == nil {
			err = f.Sync()
		}
		return key, errors.Join(err, f.Close(), syncFolder(filepath.Dir(path)))
	}
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// syncFolder makes sure that the key file is still there after a power failure:
// without it everything sealed since would be lost.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there, and need not be
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
