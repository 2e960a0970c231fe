package credential

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/ident"
)

// The life of codes. A code is shown on a screen and scanned at once; a voucher
// is printed at a counter and used the same day.
const (
	CodeLife    = time.Minute
	VoucherLife = 24 * time.Hour
	// Skew is by how much the clock of who issues may be ahead of that of who
	// reads (时钟偏差).
	Skew = 5 * time.Second
)

// Reason is why a code or token is refused.
type Reason uint8

// The reasons.
const (
	Malformed     Reason = iota // not a code of the e-credential
	UnknownIssuer               // of nobody whose codes are accepted here
	WrongRegion                 // for a region that its issuer does not issue codes for
	Forged                      // the signature is not the issuer's, or the content was changed
	Early                       // issued in the future: a clock is wrong
	Expired                     // its life is over
	Used                        // accepted before
	Stopped                     // the credential is not in force
	Unbound                     // the phone may no longer show the code of this family member
	Elsewhere                   // a token that another provider got
)

var reasonTitles = [...]string{
	Malformed:     "不是医保电子凭证的二维码",
	UnknownIssuer: "签发方不在本平台认可的范围内",
	WrongRegion:   "签发方无权签发该参保地的凭证",
	Forged:        "签名不对或内容被改动",
	Early:         "签发时间在当前时间之后，请校准时钟",
	Expired:       "已过期，请刷新后重新出示",
	Used:          "已使用过，一码只能用一次，请刷新后重新出示",
	Stopped:       "电子凭证未激活、已冻结、已挂失或已注销",
	Unbound:       "亲情账户的绑定已解除或已到期",
	Elsewhere:     "令牌是其他机构取得的，请重新扫码",
}

// Title is the reason in Chinese.
func (r Reason) Title() string { return reasonTitles[r] }

// Refused says that a code or token is not accepted, and why.
type Refused struct {
	What   string // in Chinese
	Reason Reason
}

func (e *Refused) Error() string { return e.What + "：" + e.Reason.Title() }

func refusedCode(r Reason) error { return &Refused{"医保电子凭证二维码", r} }

// Kind is what a code stands for.
type Kind uint8

// The kinds.
const (
	Own     Kind = iota + 1 // the code of who holds the phone (本人)
	Family                  // of a family member, shown by who holds the phone (亲情账户)
	Voucher                 // a temporary voucher, on paper (临时凭证)
)

// Claims are what a code says.
type Claims struct {
	Kind   Kind
	Person string    // whose credential it is: a person number (人员编号)
	Bearer int64     // number of the credential whose phone shows it; 0: a voucher
	Issued time.Time // in milliseconds
	Region string    // insured region (参保地), readable by everybody
	ID     [12]byte  // of this code alone
}

// until is when the life of the code ends.
func (c *Claims) until() time.Time {
	if c.Kind == Voucher {
		return c.Issued.Add(VoucherLife)
	}
	return c.Issued.Add(CodeLife)
}

// A code is, in URL-safe Base64:
//
//	version 1 | issuer 4 | region 3 | nonce 12 | sealed claims n+16 | signature 64
//
// The claims are kind 1, milliseconds since 1970 6, bearer 8, person n-15. They
// are sealed by SM4 in GCM mode, bound to the head before them, so that nobody
// but a reader learns whose code it is, and no two codes of a person look alike.
// The SM2 signature covers all before it. The nonce is the code's ID.
const (
	codeVersion   = 1
	headSize      = 1 + 4 + 3
	nonceSize     = 12
	fixedClaims   = 1 + 6 + 8
	tagSize       = 16
	signatureSize = 64
	maxPerson     = 64
	maxCode       = (headSize + nonceSize + fixedClaims + maxPerson + tagSize + signatureSize) * 4 / 3 * 2
)

var encoding = base64.RawURLEncoding.Strict()

// signedAs keeps signatures of codes apart from those of anything else.
const signedAs = "anji e-credential code 1\x00"

// Party is an issuer as its readers know it (签发方).
type Party struct {
	Public *gm.PublicKey
	// Regions are those whose people it issues codes for; a province or a city
	// stands for all in it.
	Regions []ident.Region
	key     []byte
	sealer  *gm.Sealer
	id      uint32
}

const keySize = 48

func newParty(public *gm.PublicKey, key []byte, regions []ident.Region) (*Party, error) {
	sealer, err := gm.NewSealer(key)
	if err != nil {
		return nil, err
	}
	return &Party{public, regions, key, sealer, binary.BigEndian.Uint32(gm.Digest([]byte(public.String())))}, nil
}

// Text is the party as it is handed, in secret, to another platform that shall
// read its codes: public key, sealing key, and regions.
func (p *Party) Text() string {
	regions := make([]string, len(p.Regions))
	for i, r := range p.Regions {
		regions[i] = string(r)
	}
	return p.Public.String() + " " + hex.EncodeToString(p.key) + " " + strings.Join(regions, ",")
}

// ParseParty reads what Text wrote.
func ParseParty(s string) (*Party, error) {
	words := strings.Fields(s)
	if len(words) != 3 {
		return nil, &Error{"party", "", "应为：公钥 密钥 区划,区划…"}
	}
	public, err := gm.ParsePublicKey(words[0])
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(words[1])
	if err != nil || len(key) != keySize {
		return nil, &Error{"key", "", fmt.Sprintf("应为 %d 个十六进制字符", 2*keySize)}
	}
	var regions []ident.Region
	for r := range strings.SplitSeq(words[2], ",") {
		region, err := ident.ParseRegion(r)
		if err != nil {
			return nil, err
		}
		regions = append(regions, region)
	}
	return newParty(public, key, regions)
}

func (p *Party) serves(region ident.Region) bool {
	return slices.ContainsFunc(p.Regions, region.Within)
}

// Issuer issues codes.
type Issuer struct {
	*Party
	signer *gm.Signer
}

// NewIssuer returns an issuer for the people of the regions. What codes are
// sealed with follows from the signer's private key.
func NewIssuer(signer *gm.Signer, regions ...ident.Region) (*Issuer, error) {
	seal := []byte("anji e-credential seal " + signer.Secret())
	key := append(gm.Digest([]byte{1}, seal), gm.Digest([]byte{2}, seal)...)[:keySize]
	p, err := newParty(signer.Public(), key, regions)
	return &Issuer{p, signer}, err
}

// Issue makes a code. The claims' ID is the code's afterwards.
func (i *Issuer) Issue(c *Claims) (string, error) {
	region, err := ident.ParseRegion(c.Region)
	switch {
	case err != nil:
		return "", err
	case !i.serves(region):
		return "", &Refused{"签发医保电子凭证二维码", WrongRegion}
	case len(c.Person) == 0 || len(c.Person) > maxPerson:
		return "", &Error{"person", c.Person, fmt.Sprintf("应为 1 至 %d 个字节", maxPerson)}
	}
	b := make([]byte, 0, headSize+nonceSize+fixedClaims+len(c.Person)+tagSize+signatureSize)
	b = append(b, codeVersion)
	b = binary.BigEndian.AppendUint32(b, i.id)
	n := 0
	for _, d := range c.Region {
		n = n*10 + int(d-'0')
	}
	b = append(b, byte(n>>16), byte(n>>8), byte(n))
	plain := make([]byte, 0, fixedClaims+len(c.Person))
	plain = append(plain, byte(c.Kind))
	ms := uint64(c.Issued.UnixMilli())
	plain = append(plain, byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms))
	plain = binary.BigEndian.AppendUint64(plain, uint64(c.Bearer))
	plain = append(plain, c.Person...)
	b = append(b, i.sealer.Seal(string(b), string(plain))...)
	copy(c.ID[:], b[headSize:])
	signature, err := i.signer.Sign(append([]byte(signedAs), b...))
	if err != nil {
		return "", err
	}
	return encoding.EncodeToString(append(b, signature...)), nil
}

// Reader reads the codes of the issuers it knows.
type Reader struct{ parties map[uint32]*Party }

// NewReader returns a reader of the parties' codes.
func NewReader(parties ...*Party) *Reader {
	r := &Reader{map[uint32]*Party{}}
	for _, p := range parties {
		r.parties[p.id] = p
	}
	return r
}

// Read opens a code and checks all that can be known without a store: form,
// issuer, region, signature and time. Its errors are *Refused. That the code is
// used once is for the caller to see to.
func (r *Reader) Read(code string, now time.Time) (*Claims, error) {
	if len(code) > maxCode {
		return nil, refusedCode(Malformed)
	}
	b, err := encoding.DecodeString(strings.TrimSpace(code))
	if err != nil || len(b) <= headSize+nonceSize+fixedClaims+tagSize+signatureSize || b[0] != codeVersion {
		return nil, refusedCode(Malformed)
	}
	signed, signature := b[:len(b)-signatureSize], b[len(b)-signatureSize:]
	party := r.parties[binary.BigEndian.Uint32(b[1:])]
	if party == nil {
		return nil, refusedCode(UnknownIssuer)
	}
	region := fmt.Sprintf("%06d", int(b[5])<<16|int(b[6])<<8|int(b[7]))
	parsed, bad := ident.ParseRegion(region)
	if !party.Public.Verify(append([]byte(signedAs), signed...), signature) {
		return nil, refusedCode(Forged)
	}
	if bad != nil || !party.serves(parsed) {
		return nil, refusedCode(WrongRegion)
	}
	plain, err := party.sealer.Open(string(b[:headSize]), signed[headSize:])
	if errors.Is(err, gm.ErrSealed) || len(plain) <= fixedClaims {
		return nil, refusedCode(Forged)
	}
	c := &Claims{Kind: Kind(plain[0]), Person: plain[fixedClaims:], Region: region}
	ms := int64(0)
	for _, x := range []byte(plain[1:7]) {
		ms = ms<<8 | int64(x)
	}
	c.Issued = time.UnixMilli(ms)
	c.Bearer = int64(binary.BigEndian.Uint64([]byte(plain[7:15])))
	copy(c.ID[:], b[headSize:])
	switch {
	case c.Kind < Own || c.Kind > Voucher || (c.Kind == Voucher) != (c.Bearer == 0):
		return nil, refusedCode(Malformed)
	case c.Issued.After(now.Add(Skew)):
		return nil, refusedCode(Early)
	case now.After(c.until()):
		return nil, refusedCode(Expired)
	}
	return c, nil
}
