// Package credential is the e-credential (医保电子凭证): how people prove who they
// are. They activate it by real name, face, a code sent to their phone and a
// password; their phone then shows a code that lives a minute and is accepted
// once; a provider that scans it gets a token that stands for the person. The
// social security card (社会保障卡) and a voucher for one use (临时凭证) do for who
// has no phone, and a family member's phone may show the code of children and
// the old (亲情账户).
//
// Failures to prove something are counted, and must be kept though the request
// is refused: what counts them has transactions of its own.
package credential

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/outbox"
)

// Error is a fault of the request: which field, what it holds, what is allowed.
// Value never holds anything personal.
type Error struct {
	Field string
	Value string
	Want  string // in Chinese
}

func (e *Error) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return e.Field + "「" + e.Value + "」：" + e.Want
}

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// What is allowed of proofs.
const (
	PasswordLength = 6
	MaxFailures    = 5               // of passwords and faces, one after the other
	LockedFor      = 24 * time.Hour  // after so many
	MaxDevices     = 3               // phones that may show one person's code
	MaxFamily      = 5               // people under one phone
	TokenLife      = 24 * time.Hour  // of what a provider gets for a code
	SMSLife        = 5 * time.Minute // of a code sent to a phone
	SMSPause       = time.Minute     // between two codes to one phone
	SMSTries       = 5               // of one code
	SMSDaily       = 10              // codes to one phone on one day
	messagesKept   = 30 * 24 * time.Hour
	Iterations     = 10_000 // of a password's hash
	AdultAge       = 18     // from here on a dependant consents (民法典 art. 17)
)

// State is where a person's credential stands (凭证状态).
type State uint8

// The states.
const (
	Inactive State = iota // 未激活
	Active                // 有效
	Frozen                // 冻结
	Lost                  // 挂失
	Revoked               // 注销
)

var stateTitles = [...]string{"未激活", "有效", "冻结", "挂失", "注销"}

// Title is the state in Chinese.
func (s State) Title() string { return stateTitles[s] }

// Credential is a person's e-credential.
type Credential struct {
	Person  string
	Number  int64 // of this activation; 0: never activated
	State   State
	Locked  time.Time // until when no password or face is looked at; zero: not locked
	Changed string
	Why     string

	failures int
	password []byte
}

// FaceVerifier compares a face with the photograph of the official register
// (人脸核验). A fault is an error; that it is somebody else, or nobody, is not.
type FaceVerifier interface {
	// Name says what verified, for the record.
	Name() string
	Verify(ctx context.Context, f Face) (Verdict, error)
}

// Face is what a FaceVerifier compares. Nothing of it is kept.
type Face struct {
	Name, CitizenID string
	Image           []byte // JPEG or PNG
}

// Verdict is what came of it.
type Verdict struct {
	Same      bool
	Why       string // in Chinese, if it is not
	Reference string // the verifier's own, for the record
}

// Config is what a Service works with. Register, Sealer and Issuer are needed.
type Config struct {
	DB       *db.DB
	Register *enrolment.Register
	Issuer   *Issuer
	Trusted  []*Party     // other issuers whose codes are accepted
	Faces    FaceVerifier // nil: nobody can activate
	// Iterations of passwords' hashes that are made from now on; 0: Iterations.
	// Fewer are for made-up data.
	Iterations int
	Now        func() time.Time // nil: time.Now
}

// Service keeps e-credentials.
type Service struct {
	Config
	sealer *gm.Sealer
	reader *Reader
}

// New returns a service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Iterations == 0 {
		c.Iterations = Iterations
	}
	return &Service{c, c.Register.Sealer(), NewReader(append([]*Party{c.Issuer.Party}, c.Trusted...)...)}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

func (s *Service) clock() string     { return s.Now().In(zone).Format(time.RFC3339) }
func (s *Service) today() civil.Date { return civil.Of(s.Now().In(zone)) }

func (s *Service) record(ctx context.Context, tx *db.Tx, person, actor, action string, details map[string]string) error {
	return audit.Append(ctx, tx, audit.Record{At: s.Now(), Actor: actor, Chain: audit.OfPerson(person), Action: "credential." + action, Subject: person, Details: details})
}

// Get is a person's credential; one that was never activated is Inactive.
func Get(ctx context.Context, tx *db.Tx, person string) (*Credential, error) {
	return get(ctx, tx, person, "")
}

func get(ctx context.Context, tx *db.Tx, person, lock string) (*Credential, error) {
	c := &Credential{Person: person}
	var locked int64
	err := tx.QueryRow(ctx, `SELECT number, state, password, failures, locked_ms, changed_at, why FROM credential WHERE person = ?`+lock, person).
		Scan(&c.Number, &c.State, &c.password, &c.failures, &locked, &c.Changed, &c.Why)
	if locked != 0 {
		c.Locked = time.UnixMilli(locked)
	}
	if db.IsNotFound(err) {
		return c, nil
	}
	return c, err
}

// hold holds the person, so that what is decided upon their credential happens
// one after the other, and reads both.
func (s *Service) hold(ctx context.Context, tx *db.Tx, person string) (enrolment.Person, *Credential, error) {
	if err := s.Register.ExpectAlone(ctx, tx, person); err != nil {
		return enrolment.Person{}, nil, err
	}
	p, ok, err := s.Register.ByID(ctx, tx, person)
	if err != nil {
		return p, nil, err
	}
	if !ok {
		return p, nil, &Error{"person", person, "没有这个人员编号"}
	}
	c, err := get(ctx, tx, person, db.ForUpdate)
	return p, c, err
}

func (s *Service) save(ctx context.Context, tx *db.Tx, c *Credential, actor string) error {
	if c.password == nil {
		c.password = []byte{}
	}
	locked := int64(0)
	if !c.Locked.IsZero() {
		locked = c.Locked.UnixMilli()
	}
	if c.Number == 0 {
		c.Number = db.NextID()
	}
	return tx.Exec(ctx, `INSERT INTO credential (person, number, state, password, failures, locked_ms, changed_at, changed_by, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (person) DO UPDATE SET number = excluded.number, state = excluded.state, password = excluded.password, failures = excluded.failures,
			locked_ms = excluded.locked_ms, changed_at = excluded.changed_at, changed_by = excluded.changed_by, why = excluded.why`,
		c.Person, c.Number, c.State, c.password, c.failures, locked, s.clock(), actor, c.Why)
}

// failing runs f in a transaction of its own and keeps what it wrote even if it
// refuses: an *Error or *Refused is returned after the commit.
func (s *Service) failing(ctx context.Context, f func(*db.Tx) error) error {
	var refused error
	err := s.DB.Update(ctx, func(tx *db.Tx) error {
		refused = f(tx)
		var a *Error
		var b *Refused
		if refused != nil && !errors.As(refused, &a) && !errors.As(refused, &b) {
			return refused
		}
		return nil
	})
	return errors.Join(err, refused)
}

// lockedOut refuses while too many failures are not long enough ago.
func (s *Service) lockedOut(c *Credential) error {
	if s.Now().Before(c.Locked) {
		return &Error{"password", "", fmt.Sprintf("连续 %d 次未通过，已锁定到 %s", MaxFailures, c.Locked.In(zone).Format("2006-01-02 15:04"))}
	}
	return nil
}

// failed counts a failure, and says how many are left.
func (s *Service) failed(ctx context.Context, tx *db.Tx, c *Credential, field, what string) error {
	c.failures++
	left := MaxFailures - c.failures
	want := fmt.Sprintf("%s，还可以试 %d 次", what, left)
	if left <= 0 {
		c.failures, c.Locked = 0, s.Now().Add(LockedFor)
		want = what + "，已锁定到 " + c.Locked.In(zone).Format("2006-01-02 15:04")
	}
	if err := s.save(ctx, tx, c, c.Person); err != nil {
		return err
	}
	if err := s.record(ctx, tx, c.Person, c.Person, "failed", map[string]string{"proof": field, "left": fmt.Sprint(max(left, 0))}); err != nil {
		return err
	}
	return &Error{field, "", want}
}

// hash is what is kept of a password. Six digits are soon guessed by who has
// the hash; so it is keyed, and worth nothing without the key of the store.
// It begins with how often it was stretched, and the salt.
func (s *Service) hash(person, password string, head []byte) ([]byte, error) {
	if len(head) < headSizeOfHash {
		return nil, fmt.Errorf("the password of %s is kept in no known form", person)
	}
	head = head[:headSizeOfHash]
	key, err := gm.Stretch(s.sealer.Index("credential.password", person+"\x00"+password), head[4:], int(binary.BigEndian.Uint32(head)))
	return append(slices.Clone(head), key...), err
}

const headSizeOfHash = 4 + 16

// goodPassword refuses a password that is guessed first.
func goodPassword(password string, p enrolment.Person) error {
	if len(password) != PasswordLength || strings.Trim(password, "0123456789") != "" {
		return &Error{"password", "", fmt.Sprintf("应为 %d 位数字", PasswordLength)}
	}
	same, up, down := true, true, true
	for i := 1; i < len(password); i++ {
		d := int(password[i]) - int(password[i-1])
		same, up, down = same && d == 0, up && d == 1, down && d == -1
	}
	if same || up || down {
		return &Error{"password", "", "不能用相同或连续的数字"}
	}
	if strings.Contains(p.CitizenID, password) || p.Phone != "" && strings.Contains(p.Phone, password) {
		return &Error{"password", "", "不能取自证件号码或手机号"}
	}
	return nil
}

func (s *Service) setPassword(c *Credential, password string) (err error) {
	head := make([]byte, headSizeOfHash)
	binary.BigEndian.PutUint32(head, uint32(s.Iterations))
	rand.Read(head[4:])
	c.password, err = s.hash(c.Person, password, head)
	return err
}

// check compares a password, and counts.
func (s *Service) check(ctx context.Context, tx *db.Tx, c *Credential, password string) error {
	if err := s.lockedOut(c); err != nil {
		return err
	}
	if c.State != Active {
		return &Refused{"医保电子凭证", Stopped}
	}
	got, err := s.hash(c.Person, password, c.password)
	if err != nil {
		return err
	}
	if !gm.Equal(got, c.password) {
		return s.failed(ctx, tx, c, "password", "密码不对")
	}
	if c.failures == 0 && c.Locked.IsZero() {
		return nil
	}
	c.failures, c.Locked = 0, time.Time{}
	return s.save(ctx, tx, c, c.Person)
}

// Prove checks a person's password, as before a payment. After MaxFailures
// wrong ones in a row none is looked at for LockedFor.
func (s *Service) Prove(ctx context.Context, person, password string) error {
	return s.failing(ctx, func(tx *db.Tx) error {
		_, c, err := s.hold(ctx, tx, person)
		if err != nil {
			return err
		}
		return s.check(ctx, tx, c, password)
	})
}

// Device is a phone.
type Device struct {
	ID   string // the phone's own, made when the app was set up
	Name string // as its owner knows it
	At   string // since when it is bound
}

// Activation is what activating a credential takes (实名激活).
type Activation struct {
	Name, CitizenID string
	Phone, SMS      string // the phone, and the code sent there for Activate
	Image           []byte // of the face
	Password        string
	Device          Device
}

// The purposes of codes sent to phones.
const (
	ForActivation = "激活医保电子凭证"
	ForDevice     = "绑定新设备"
	ForReset      = "恢复凭证或重设密码"
	ForFamily     = "绑定亲情账户"
	ForSignIn     = "登录"
)

// Activate activates a person's credential (激活): who they say they are is in the
// register, the face is theirs, the phone is in their hand, and they chose a
// password. Where one of these is missing nothing is activated.
func (s *Service) Activate(ctx context.Context, a Activation) (*Credential, error) {
	if a.Device.ID == "" {
		return nil, &Error{"device", "", "缺少设备标识"}
	}
	p, err := s.whoIs(ctx, a.Name, a.CitizenID)
	if err != nil {
		return nil, err
	}
	if a.Phone != "" {
		p.Phone = a.Phone
	}
	if err := goodPassword(a.Password, p); err != nil {
		return nil, err
	}
	var out *Credential
	err = s.proved(ctx, p, Proof{a.Phone, a.SMS, a.Image}, ForActivation, func(tx *db.Tx, c *Credential, verdict Verdict) error {
		if c.State != Inactive && c.State != Revoked {
			return &Error{"state", c.State.Title(), "已经激活过：更换设备请绑定新设备，冻结或挂失后请恢复"}
		}
		*c = Credential{Person: p.ID, Number: db.NextID(), State: Active}
		if err := s.setPassword(c, a.Password); err != nil {
			return err
		}
		if err := errors.Join(s.save(ctx, tx, c, p.ID), s.bindDevice(ctx, tx, p.ID, a.Device)); err != nil {
			return err
		}
		out = c
		return s.record(ctx, tx, p.ID, p.ID, "activate", map[string]string{"face": s.Faces.Name(), "reference": verdict.Reference})
	})
	return out, err
}

// ActivateAtCounter activates where an officer saw the person and their papers
// (窗口激活).
func (s *Service) ActivateAtCounter(ctx context.Context, tx *db.Tx, person, password string, d Device, actor string) (*Credential, error) {
	p, c, err := s.hold(ctx, tx, person)
	if err == nil {
		err = goodPassword(password, p)
	}
	if err != nil {
		return nil, err
	}
	if c.State != Inactive && c.State != Revoked {
		return nil, &Error{"state", c.State.Title(), "已经激活过"}
	}
	*c = Credential{Person: person, Number: db.NextID(), State: Active}
	if err := s.setPassword(c, password); err != nil {
		return nil, err
	}
	if err := s.save(ctx, tx, c, actor); err != nil {
		return nil, err
	}
	if d.ID != "" {
		if err := s.bindDevice(ctx, tx, person, d); err != nil {
			return nil, err
		}
	}
	return c, s.record(ctx, tx, person, actor, "activate", map[string]string{"face": "经办窗口"})
}

// whoIs finds the person of a citizen ID and name. That the name is another's
// says no more than that nobody is registered: nothing is to be learned here.
func (s *Service) whoIs(ctx context.Context, name, citizenID string) (p enrolment.Person, err error) {
	id, err := ident.ParseCitizenID(strings.ToUpper(strings.TrimSpace(citizenID)))
	if err != nil {
		return p, &Error{"citizen_id", "", err.Error()}
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		var ok bool
		p, ok, err = s.Register.ByCitizenID(ctx, tx, string(id))
		if err == nil && (!ok || p.Name != strings.TrimSpace(name)) {
			err = &Error{"name", "", "姓名与证件号码不一致，或未在本统筹区登记"}
		}
		return err
	})
	return p, err
}

// Proof is that somebody is who they are and has their phone in hand.
type Proof struct {
	Phone, SMS string
	Image      []byte
}

// proved runs f if the proofs hold: the code sent to the phone for the purpose,
// and the face. The faces' verifier is asked outside of any transaction.
func (s *Service) proved(ctx context.Context, p enrolment.Person, q Proof, purpose string, f func(*db.Tx, *Credential, Verdict) error) error {
	switch {
	case s.Faces == nil:
		return &Error{"face", "", "本平台没有配置人脸核验，请到经办窗口办理"}
	case len(q.Image) == 0:
		return &Error{"face", "", "缺少人脸照片"}
	}
	err := s.failing(ctx, func(tx *db.Tx) error {
		_, c, err := s.hold(ctx, tx, p.ID)
		if err == nil {
			err = s.lockedOut(c)
		}
		if err != nil {
			return err
		}
		return s.checkSMS(ctx, tx, q.Phone, purpose, q.SMS, false)
	})
	if err != nil {
		return err
	}
	verdict, err := s.Faces.Verify(ctx, Face{p.Name, p.CitizenID, q.Image})
	if err != nil {
		return fmt.Errorf("face: %w", err)
	}
	return s.failing(ctx, func(tx *db.Tx) error {
		_, c, err := s.hold(ctx, tx, p.ID)
		if err == nil {
			err = s.lockedOut(c)
		}
		if err != nil {
			return err
		}
		if !verdict.Same {
			return s.failed(ctx, tx, c, "face", "人脸核验未通过（"+verdict.Why+"）")
		}
		if err := s.checkSMS(ctx, tx, q.Phone, purpose, q.SMS, true); err != nil {
			return err
		}
		return f(tx, c, verdict)
	})
}

// Restore puts a frozen or lost credential in force again, with a new password
// (解冻、解挂、重设密码). Phones are bound anew.
func (s *Service) Restore(ctx context.Context, person string, q Proof, password string, d Device) error {
	if d.ID == "" {
		return &Error{"device", "", "缺少设备标识"}
	}
	var p enrolment.Person
	if err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		p, err = s.who(ctx, tx, person)
		return err
	}); err != nil {
		return err
	}
	if err := goodPassword(password, p); err != nil {
		return err
	}
	return s.proved(ctx, p, q, ForReset, func(tx *db.Tx, c *Credential, verdict Verdict) error {
		if c.State != Active && c.State != Frozen && c.State != Lost {
			return &Error{"state", c.State.Title(), "请重新激活"}
		}
		if err := s.setPassword(c, password); err != nil {
			return err
		}
		// What was in somebody else's hand ends with the old number.
		c.Number, c.State, c.failures, c.Locked, c.Why = db.NextID(), Active, 0, time.Time{}, ""
		if err := tx.Exec(ctx, `DELETE FROM credential_device WHERE person = ?`, person); err != nil {
			return err
		}
		if err := errors.Join(s.save(ctx, tx, c, person), s.bindDevice(ctx, tx, person, d)); err != nil {
			return err
		}
		return s.record(ctx, tx, person, person, "restore", map[string]string{"face": s.Faces.Name(), "reference": verdict.Reference})
	})
}

func (s *Service) who(ctx context.Context, tx *db.Tx, person string) (enrolment.Person, error) {
	p, ok, err := s.Register.ByID(ctx, tx, person)
	if err == nil && !ok {
		err = &Error{"person", person, "没有这个人员编号"}
	}
	return p, err
}

// ChangePassword changes a password that its owner knows.
func (s *Service) ChangePassword(ctx context.Context, person, old, password string) error {
	return s.failing(ctx, func(tx *db.Tx) error {
		p, c, err := s.hold(ctx, tx, person)
		if err == nil {
			err = goodPassword(password, p)
		}
		if err == nil {
			err = s.check(ctx, tx, c, old)
		}
		if err == nil {
			err = s.setPassword(c, password)
		}
		if err != nil {
			return err
		}
		return errors.Join(s.save(ctx, tx, c, person), s.record(ctx, tx, person, person, "password", nil))
	})
}

// BindDevice lets another phone show the code: the code sent to the phone and
// the password prove it is the owner.
func (s *Service) BindDevice(ctx context.Context, person, phone, sms, password string, d Device) error {
	if d.ID == "" {
		return &Error{"device", "", "缺少设备标识"}
	}
	return s.failing(ctx, func(tx *db.Tx) error {
		_, c, err := s.hold(ctx, tx, person)
		if err == nil {
			err = s.checkSMS(ctx, tx, phone, ForDevice, sms, false)
		}
		if err == nil {
			err = s.check(ctx, tx, c, password)
		}
		if err == nil {
			err = s.checkSMS(ctx, tx, phone, ForDevice, sms, true)
		}
		if err == nil {
			err = s.bindDevice(ctx, tx, person, d)
		}
		if err != nil {
			return err
		}
		return s.record(ctx, tx, person, person, "device", nil)
	})
}

func (s *Service) bindDevice(ctx context.Context, tx *db.Tx, person string, d Device) error {
	all, err := Devices(ctx, tx, person)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(o Device) bool { return o.ID == d.ID }) && len(all) >= MaxDevices {
		return &Error{"device", "", fmt.Sprintf("已绑定 %d 台设备，请先解绑一台", len(all))}
	}
	return tx.Exec(ctx, `INSERT INTO credential_device (person, device, name, bound_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (person, device) DO UPDATE SET name = excluded.name`, person, d.ID, d.Name, s.clock())
}

// Devices lists the phones that may show a person's code.
func Devices(ctx context.Context, tx *db.Tx, person string) ([]Device, error) {
	var out []Device
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var d Device
		err := rows.Scan(&d.ID, &d.Name, &d.At)
		out = append(out, d)
		return err
	}, `SELECT device, name, bound_at FROM credential_device WHERE person = ? ORDER BY bound_at, device`, person)
	return out, err
}

// RemoveDevice takes the code off a phone.
func (s *Service) RemoveDevice(ctx context.Context, tx *db.Tx, person, device, actor string) error {
	if _, _, err := s.hold(ctx, tx, person); err != nil {
		return err
	}
	n, err := tx.ExecCount(ctx, `DELETE FROM credential_device WHERE person = ? AND device = ?`, person, device)
	if err != nil {
		return err
	}
	if n == 0 {
		return &Error{"device", "", "没有绑定这台设备"}
	}
	return s.record(ctx, tx, person, actor, "device.remove", nil)
}

// Stop freezes a credential (冻结), reports it lost (挂失) or revokes it (注销). Its
// codes and tokens are refused from here on. A revoked one is activated anew, or
// not at all; the others are restored.
func (s *Service) Stop(ctx context.Context, tx *db.Tx, person string, to State, actor, why string) error {
	if to != Frozen && to != Lost && to != Revoked {
		return &Error{"state", to.Title(), "应为冻结、挂失或注销"}
	}
	_, c, err := s.hold(ctx, tx, person)
	if err != nil {
		return err
	}
	if c.State == Inactive || c.State == Revoked || c.State == to {
		return &Error{"state", c.State.Title(), "不能" + to.Title()}
	}
	c.State, c.Why = to, why
	if err := s.save(ctx, tx, c, actor); err != nil {
		return err
	}
	return s.record(ctx, tx, person, actor, strings.ToLower([...]string{Frozen: "freeze", Lost: "lose", Revoked: "revoke"}[to]), map[string]string{"why": why})
}

// StopCard reports a social security card lost (社保卡挂失): it finds nobody from
// here on.
func (s *Service) StopCard(ctx context.Context, tx *db.Tx, person, actor, why string) error {
	if _, err := s.who(ctx, tx, person); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO card_stop (person, changed_at, changed_by, why) VALUES (?, ?, ?, ?) ON CONFLICT (person) DO NOTHING`, person, s.clock(), actor, why); err != nil {
		return err
	}
	return s.record(ctx, tx, person, actor, "card.stop", map[string]string{"why": why})
}

// RestoreCard puts a card in order again, or a new one in its place.
func (s *Service) RestoreCard(ctx context.Context, tx *db.Tx, person, actor string) error {
	n, err := tx.ExecCount(ctx, `DELETE FROM card_stop WHERE person = ?`, person)
	if err != nil {
		return err
	}
	if n == 0 {
		return &Error{"card", "", "社保卡没有挂失"}
	}
	return s.record(ctx, tx, person, actor, "card.restore", nil)
}

// CardStopped reports whether a person's card was reported lost.
func CardStopped(ctx context.Context, tx *db.Tx, person string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM card_stop WHERE person = ?`, person).Scan(&n)
	return n > 0, err
}

// SendSMS sends a code for a purpose to a phone.
func (s *Service) SendSMS(ctx context.Context, tx *db.Tx, phone, purpose string) error {
	if err := goodPhone(phone); err != nil {
		return err
	}
	if !slices.Contains([]string{ForActivation, ForDevice, ForReset, ForFamily, ForSignIn}, purpose) {
		return &Error{"purpose", purpose, "不发送用于它的验证码"}
	}
	now, today := s.Now(), s.today()
	key := s.sealer.Index("sms", phone)
	if err := tx.Lock(ctx, "sms "+hex.EncodeToString(key)); err != nil {
		return err
	}
	var last, sent int64
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var at, n int64
		var day civil.Date
		err := rows.Scan(&at, &day, &n)
		last = max(last, at)
		if day == today {
			sent += n
		}
		return err
	}, `SELECT sent_ms, day, sent FROM sms_code WHERE phone = ?`, key); err != nil {
		return err
	}
	if wait := time.UnixMilli(last).Add(SMSPause).Sub(now); wait > 0 {
		return &Error{"phone", "", fmt.Sprintf("发送太频繁，请 %d 秒后再试", (wait+time.Second-1)/time.Second)}
	}
	if sent >= SMSDaily {
		return &Error{"phone", "", fmt.Sprintf("今天已发送 %d 次，请明天再试", sent)}
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return err
	}
	code := fmt.Sprintf("%06d", n)
	if err := tx.Exec(ctx, `INSERT INTO sms_code (phone, purpose, code, sent_ms, until_ms, tries, day, sent) VALUES (?, ?, ?, ?, ?, 0, ?, 1)
		ON CONFLICT (phone, purpose) DO UPDATE SET code = excluded.code, sent_ms = excluded.sent_ms, until_ms = excluded.until_ms, tries = 0,
			sent = CASE WHEN sms_code.day = excluded.day THEN sms_code.sent + 1 ELSE 1 END, day = excluded.day`,
		key, purpose, s.smsIndex(phone, purpose, code), now.UnixMilli(), now.Add(SMSLife).UnixMilli(), int(today)); err != nil {
		return err
	}
	return outbox.Put(ctx, tx, s.sealer, outbox.Message{Phone: phone, Made: now,
		Text: fmt.Sprintf("【安济医保】验证码 %s，用于%s，%d 分钟内有效。不要告诉任何人。", code, purpose, int(SMSLife.Minutes()))})
}

func (s *Service) smsIndex(phone, purpose, code string) []byte {
	return s.sealer.Index("sms.code", phone+"\x00"+purpose+"\x00"+code)
}

func goodPhone(phone string) error {
	if len(phone) != 11 || phone[0] != '1' || strings.Trim(phone, "0123456789") != "" {
		return &Error{"phone", "", "应为 11 位手机号"}
	}
	return nil
}

// checkSMS compares a code sent to a phone, and counts; spend ends it.
func (s *Service) checkSMS(ctx context.Context, tx *db.Tx, phone, purpose, code string, spend bool) error {
	if err := goodPhone(phone); err != nil {
		return err
	}
	if code == "" {
		return &Error{"sms", "", "缺少短信验证码"}
	}
	key := s.sealer.Index("sms", phone)
	if err := tx.Lock(ctx, "sms "+hex.EncodeToString(key)); err != nil {
		return err
	}
	var want []byte
	var until int64
	var tries int
	err := tx.QueryRow(ctx, `SELECT code, until_ms, tries FROM sms_code WHERE phone = ? AND purpose = ?`, key, purpose).Scan(&want, &until, &tries)
	switch {
	case db.IsNotFound(err):
		return &Error{"sms", "", "请先获取短信验证码"}
	case err != nil:
		return err
	case s.Now().UnixMilli() > until || tries >= SMSTries:
		return &Error{"sms", "", "短信验证码已失效，请重新获取"}
	}
	if !gm.Equal(want, s.smsIndex(phone, purpose, code)) {
		if err := tx.Exec(ctx, `UPDATE sms_code SET tries = tries + 1 WHERE phone = ? AND purpose = ?`, key, purpose); err != nil {
			return err
		}
		return &Error{"sms", "", fmt.Sprintf("短信验证码不对，还可以试 %d 次", SMSTries-tries-1)}
	}
	if spend {
		return tx.Exec(ctx, `UPDATE sms_code SET until_ms = 0 WHERE phone = ? AND purpose = ?`, key, purpose)
	}
	return nil
}

// ProveSMS checks, once, the code that was sent to a phone for a purpose.
func (s *Service) ProveSMS(ctx context.Context, phone, purpose, code string) error {
	return s.failing(ctx, func(tx *db.Tx) error { return s.checkSMS(ctx, tx, phone, purpose, code, true) })
}

// Tidy removes what is of no more use: accepted codes and tokens whose life is
// over, and old messages.
func (s *Service) Tidy(ctx context.Context) error {
	now := s.Now()
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		return errors.Join(
			tx.Exec(ctx, `DELETE FROM credential_used WHERE until_ms < ?`, now.UnixMilli()),
			tx.Exec(ctx, `DELETE FROM credential_token WHERE until_ms <> 0 AND until_ms < ?`, now.UnixMilli()),
			outbox.Prune(ctx, tx, now.Add(-messagesKept)))
	})
}
