package gm

import (
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/emmansun/gmsm/ecdh"
	"github.com/emmansun/gmsm/padding"
	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm4"
	"github.com/emmansun/gmsm/smx509"
)

// userID is the signer's identity that SM2 signatures are made with when the
// two sides agreed on no other (GB/T 35276).
var userID = []byte("1234567812345678")

// A Signer signs with an SM2 private key.
type Signer struct {
	key    *sm2.PrivateKey
	secret []byte // 32 bytes
	public *PublicKey
}

// NewSigner makes a key pair.
func NewSigner() (*Signer, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return signer(key)
}

// ParseSigner reads a private key written as 64 hexadecimal digits.
func ParseSigner(s string) (*Signer, error) {
	b, err := hex.DecodeString(strings.TrimSpace(s))
	if err != nil || len(b) != 32 {
		return nil, errors.New("an SM2 private key is 64 hexadecimal digits")
	}
	key, err := ecdh.P256().NewPrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("SM2 private key: %w", err)
	}
	return signer(key)
}

func signer(key *ecdh.PrivateKey) (*Signer, error) {
	public, err := publicKey(key.PublicKey().Bytes())
	if err != nil {
		return nil, err
	}
	k, err := smx509.ParseSM2PrivateKey(slices.Concat(privateHead, key.Bytes(), privateTail))
	if err != nil {
		return nil, err
	}
	return &Signer{key: k, secret: key.Bytes(), public: public}, nil
}

// LoadOrCreateSigner reads the private key in the file at path, or makes one
// that only its owner can read.
func LoadOrCreateSigner(path string) (*Signer, error) {
	key, err := loadOrCreate(path, func() ([]byte, error) {
		s, err := NewSigner()
		if err != nil {
			return nil, err
		}
		return s.secret, nil
	})
	if err != nil {
		return nil, err
	}
	s, err := ParseSigner(hex.EncodeToString(key))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Sign signs the message (SM2 with SM3): r and s, 32 bytes each.
func (s *Signer) Sign(message []byte) ([]byte, error) {
	r, t, err := sm2.SignWithSM2(rand.Reader, &s.key.PrivateKey, userID, message)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	t.FillBytes(out[32:])
	return out, nil
}

// Public is the public key of the pair.
func (s *Signer) Public() *PublicKey { return s.public }

// Secret is the private key as 64 hexadecimal digits. It is shown to its owner
// once and is never kept by the other side.
func (s *Signer) Secret() string { return hex.EncodeToString(s.secret) }

// A PublicKey verifies SM2 signatures.
type PublicKey struct {
	key   *ecdsa.PublicKey
	point []byte // 04, x, y
}

func publicKey(point []byte) (*PublicKey, error) {
	if _, err := ecdh.P256().NewPublicKey(point); err != nil { // not on the curve
		return nil, errPublicKey
	}
	key, err := smx509.ParsePKIXPublicKey(slices.Concat(publicHead, point))
	if err != nil {
		return nil, errPublicKey
	}
	return &PublicKey{key: key.(*ecdsa.PublicKey), point: point}, nil
}

// What stands around the bytes of a key in DER: an ECPrivateKey (RFC 5915) and a
// SubjectPublicKeyInfo (RFC 5480) of the curve 1.2.156.10197.1.301.
var (
	privateHead = []byte("\x30\x31\x02\x01\x01\x04\x20")
	privateTail = []byte("\xa0\x0a\x06\x08\x2a\x81\x1c\xcf\x55\x01\x82\x2d")
	publicHead  = []byte("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x81\x1c\xcf\x55\x01\x82\x2d\x03\x42\x00")
)

var errPublicKey = errors.New("an SM2 public key is a point of the curve: 04 and 64 bytes, in hexadecimal or Base64, or in PEM or DER as SubjectPublicKeyInfo")

// ParsePublicKey reads a public key in one of the forms that key tools write:
// the point, with or without the leading 04, in hexadecimal or Base64, or a
// SubjectPublicKeyInfo in PEM or Base64.
func ParsePublicKey(s string) (*PublicKey, error) {
	s = strings.Join(strings.Fields(s), "")
	s = strings.TrimSuffix(strings.TrimPrefix(s, "-----BEGINPUBLICKEY-----"), "-----ENDPUBLICKEY-----")
	b, err := hex.DecodeString(s)
	if err != nil {
		if b, err = base64.StdEncoding.DecodeString(s); err != nil {
			return nil, errPublicKey
		}
	}
	switch len(b) {
	case 64:
		b = append([]byte{4}, b...)
	case 65:
	default:
		info, err := smx509.ParsePKIXPublicKey(b)
		if err != nil {
			return nil, errPublicKey
		}
		key, ok := info.(*ecdsa.PublicKey)
		if !ok || !sm2.IsSM2PublicKey(key) {
			return nil, errPublicKey
		}
		point, err := sm2.PublicKeyToECDH(key)
		if err != nil {
			return nil, errPublicKey
		}
		b = point.Bytes()
	}
	return publicKey(b)
}

// String is the key as 130 hexadecimal digits: 04, x, y.
func (p *PublicKey) String() string { return strings.ToUpper(hex.EncodeToString(p.point)) }

// Verify reports whether the signature is the key owner's of the message. It
// takes r and s as 64 bytes, or as the ASN.1 sequence some libraries write.
func (p *PublicKey) Verify(message, signature []byte) bool {
	if len(signature) == 64 {
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return sm2.VerifyWithSM2(p.key, userID, message, r, s)
	}
	return sm2.VerifyASN1WithSM2(p.key, userID, message, signature)
}

// CipherKeySize is the size of an SM4 key in bytes.
const CipherKeySize = 16

// EncryptCBC encrypts with SM4 in CBC mode (GB/T 17964) and PKCS #7 padding. The
// result begins with the initial vector of 16 bytes. CBC does not show that a
// text was changed: what is encrypted so is signed as well, and the signature
// checked first.
func EncryptCBC(key, plain []byte) ([]byte, error) {
	iv := make([]byte, sm4.BlockSize)
	rand.Read(iv)
	return encryptCBC(key, iv, plain)
}

func encryptCBC(key, iv, plain []byte) ([]byte, error) {
	block, err := sm4.NewCipher(key)
	if err != nil {
		return nil, err
	}
	padded := padding.NewPKCS7Padding(sm4.BlockSize).Pad(plain)
	out := append(make([]byte, 0, len(iv)+len(padded)), iv...)
	out = append(out, padded...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out[len(iv):], out[len(iv):])
	return out, nil
}

// ErrCipher says that a text was not encrypted with the key.
var ErrCipher = errors.New("the text cannot be decrypted with the key")

// DecryptCBC is the reverse of EncryptCBC.
func DecryptCBC(key, text []byte) ([]byte, error) {
	block, err := sm4.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(text) < 2*sm4.BlockSize || len(text)%sm4.BlockSize != 0 {
		return nil, ErrCipher
	}
	out := make([]byte, len(text)-sm4.BlockSize)
	cipher.NewCBCDecrypter(block, text[:sm4.BlockSize]).CryptBlocks(out, text[sm4.BlockSize:])
	plain, err := padding.NewPKCS7Padding(sm4.BlockSize).Unpad(out)
	if err != nil {
		return nil, ErrCipher
	}
	return plain, nil
}
