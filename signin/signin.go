// Package signin is who is at the other end of a browser (登录): people, by a code
// sent to their phone or by citizen ID and password, and operators, by name and
// password. What was proved is kept as a session, which ends by itself, by
// signing out, and with whatever takes the right away.
//
// Failures are counted in transactions of their own: they must be kept though
// the request is refused.
package signin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
)

// What is allowed of proofs and sessions.
const (
	MinPassword   = 8  // characters of a person's password
	MinOperator   = 10 // of an operator's
	MaxPassword   = 72
	MaxFailures   = 5 // of one password, one after the other
	LockedFor     = 30 * time.Minute
	PersonIdle    = 30 * time.Minute // without a request
	OperatorIdle  = 20 * time.Minute
	Longest       = 12 * time.Hour // of a session
	MaxTries      = 30             // to sign in from one address, in TriesWithin
	TriesWithin   = 10 * time.Minute
	MaxAuthority  = 3 * 366 // days that somebody may see to another's affairs
	seenEvery     = time.Minute
	iterations    = 100_000
	maxSignInName = 40
)

// Error is a fault of the request: which field, what it holds, what is allowed.
// Value never holds anything secret or personal.
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

// Config is what a Service works with. Iterations and Now may be left out.
type Config struct {
	DB         *db.DB
	Register   *enrolment.Register
	Codes      *credential.Service
	Iterations int              // of passwords' hashes; fewer are for made-up data
	Now        func() time.Time // nil: time.Now
}

// Service signs people and operators in.
type Service struct {
	Config
	sealer *gm.Sealer
	dummy  []byte // hash that no password has, compared where there is none
}

// New returns a service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Iterations == 0 {
		c.Iterations = iterations
	}
	s := &Service{Config: c, sealer: c.Register.Sealer()}
	s.dummy, _ = s.hash("", rand.Text())
	return s
}

// Session is who is signed in.
type Session struct {
	Person   enrolment.Person // who signed in; its ID is "" for an operator
	Acting   enrolment.Person // whose affairs it is about: the person, or whom they see to
	Operator *Operator        // nil for a person
	digest   []byte
}

// Actor is who does something in the session, for records.
func (s *Session) Actor() string {
	switch {
	case s.Operator != nil:
		return s.Operator.Name
	case s.Acting.ID != s.Person.ID:
		return "代办 " + s.Person.ID
	}
	return "本人 " + s.Person.ID
}

// Has reports whether an operator of the session has one of the roles.
func (s *Session) Has(roles ...Role) bool {
	if s == nil {
		return false
	}
	for _, r := range roles {
		if r == Person && s.Operator == nil || s.Operator != nil && slices.Contains(s.Operator.Roles, r) {
			return true
		}
	}
	return false
}

// SendCode sends a code for signing in to a phone. Whether anybody is registered
// with it is not said.
func (s *Service) SendCode(ctx context.Context, phone string) error {
	return asOwn(s.DB.Update(ctx, func(tx *db.Tx) error { return s.Codes.SendSMS(ctx, tx, phone, credential.ForSignIn) }))
}

// asOwn turns faults of the credential into faults of signing in.
func asOwn(err error) error {
	var e *credential.Error
	if errors.As(err, &e) {
		return &Error{e.Field, e.Value, e.Want}
	}
	return err
}

// ByCode lists the people of a phone once the code sent there is proved: a family
// may share one. Each comes with a token that signs in as that person (Begin).
func (s *Service) ByCode(ctx context.Context, phone, code string) ([]Candidate, error) {
	if err := s.Codes.ProveSMS(ctx, phone, credential.ForSignIn, code); err != nil {
		return nil, asOwn(err)
	}
	var out []Candidate
	err := s.DB.Update(ctx, func(tx *db.Tx) error {
		people, err := s.Register.ByPhone(ctx, tx, phone)
		if err != nil {
			return err
		}
		if len(people) == 0 {
			return &Error{"phone", "", "没有用这个手机号登记的参保人；请到经办窗口登记手机号，或用身份证号和密码登录"}
		}
		for _, p := range people {
			token, err := s.begin(ctx, tx, p.ID, "")
			if err != nil {
				return err
			}
			out = append(out, Candidate{p, token})
		}
		return nil
	})
	return out, err
}

// Candidate is one of the people that a proof is good for.
type Candidate struct {
	Person enrolment.Person
	Token  string // of the session that it opens
}

// Drop ends the sessions of the candidates that were not chosen.
func (s *Service) Drop(ctx context.Context, tokens ...string) error {
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		for _, t := range tokens {
			if err := tx.Exec(ctx, `DELETE FROM session WHERE digest = ?`, s.digest(t)); err != nil {
				return err
			}
		}
		return nil
	})
}

// wrong is what is said of every failed proof by password, so that nobody learns
// who is known here.
func wrong(field string) error { return &Error{field, "", "账号或密码不对"} }

// ByPassword signs a person in by citizen ID and password, and returns the
// session's token.
func (s *Service) ByPassword(ctx context.Context, citizenID, password string) (token string, err error) {
	citizenID = strings.ToUpper(strings.TrimSpace(citizenID))
	return s.prove(ctx, func(tx *db.Tx) (owner string, secret []byte, err error) {
		p, ok, err := s.Register.ByCitizenID(ctx, tx, citizenID)
		if err != nil || !ok {
			return "", nil, err
		}
		err = tx.QueryRow(ctx, `SELECT secret FROM login_password WHERE person = ?`, p.ID).Scan(&secret)
		if db.IsNotFound(err) {
			err = nil
		}
		return p.ID, secret, err
	}, "login_password", "person", password, func(tx *db.Tx, owner string) (string, error) { return s.begin(ctx, tx, owner, "") })
}

// ByName signs an operator in.
func (s *Service) ByName(ctx context.Context, name, password string) (token string, err error) {
	name = strings.TrimSpace(name)
	if len(name) > maxSignInName {
		return "", wrong("name")
	}
	return s.prove(ctx, func(tx *db.Tx) (owner string, secret []byte, err error) {
		err = tx.QueryRow(ctx, `SELECT name, secret FROM operator WHERE name = ? AND stopped = 0`, name).Scan(&owner, &secret)
		if db.IsNotFound(err) {
			err = nil
		}
		return owner, secret, err
	}, "operator", "name", password, func(tx *db.Tx, owner string) (string, error) {
		token, err := s.begin(ctx, tx, "", owner)
		if err != nil {
			return "", err
		}
		return token, s.record(ctx, tx, owner, owner, "sign_in")
	})
}

// prove compares a password with that which find finds, counts failures in the
// table, and opens a session.
func (s *Service) prove(ctx context.Context, find func(*db.Tx) (string, []byte, error), table, key, password string, open func(*db.Tx, string) (string, error)) (token string, err error) {
	var refused error
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		owner, secret, err := find(tx)
		if err != nil {
			return err
		}
		known := len(secret) > 0
		if !known { // takes as long as if there were one
			secret = s.dummy
		}
		var failures int
		var locked int64
		if known {
			if err := tx.Lock(ctx, table+" "+owner); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, `SELECT failures, locked_ms FROM `+table+` WHERE `+key+` = ?`, owner).Scan(&failures, &locked); err != nil {
				return err
			}
			if wait := time.UnixMilli(locked).Sub(s.Now()); wait > 0 {
				refused = &Error{"password", "", fmt.Sprintf("密码连续输错 %d 次，请 %d 分钟后再试，或换一种方式登录", MaxFailures, minutes(wait))}
				return nil
			}
		}
		same, err := s.same(owner, password, secret)
		if err != nil {
			return err
		}
		switch {
		case !known || !same:
			refused = wrong("password")
			if !known {
				return nil
			}
			failures++
			if failures >= MaxFailures {
				failures, locked = 0, s.Now().Add(LockedFor).UnixMilli()
				if err := s.record(ctx, tx, owner, owner, "locked"); err != nil {
					return err
				}
			}
		default:
			failures, locked = 0, 0
			if token, err = open(tx, owner); err != nil {
				return err
			}
		}
		return tx.Exec(ctx, `UPDATE `+table+` SET failures = ?, locked_ms = ? WHERE `+key+` = ?`, failures, locked, owner)
	})
	if err == nil {
		err = refused
	}
	return token, err
}

// hash is what is kept of a password: keyed, so that it is worth nothing without
// the key of the store. It begins with how often it was stretched, and the salt.
func (s *Service) hash(owner, password string) ([]byte, error) {
	head := make([]byte, hashHead)
	binary.BigEndian.PutUint32(head, uint32(s.Iterations))
	rand.Read(head[4:])
	return s.stretch(owner, password, head)
}

const hashHead = 4 + 16

func (s *Service) stretch(owner, password string, head []byte) ([]byte, error) {
	key, err := gm.Stretch(s.sealer.Index("signin.password", owner+"\x00"+password), head[4:], int(binary.BigEndian.Uint32(head)))
	return append(slices.Clone(head), key...), err
}

func (s *Service) same(owner, password string, secret []byte) (bool, error) {
	if len(secret) < hashHead {
		return false, fmt.Errorf("signin: the password of %s is kept in no known form", owner)
	}
	got, err := s.stretch(owner, password, secret[:hashHead])
	return err == nil && gm.Equal(got, secret), err
}

// goodPassword refuses what is guessed first.
func goodPassword(password string, least int, not ...string) error {
	n := utf8.RuneCountInString(password)
	if n < least || len(password) > MaxPassword {
		return &Error{"password", "", fmt.Sprintf("应为 %d 至 %d 个字符", least, MaxPassword)}
	}
	var letter, digit, other bool
	seen := map[rune]bool{}
	for _, r := range password {
		seen[r] = true
		switch {
		case unicode.IsLetter(r):
			letter = true
		case unicode.IsDigit(r):
			digit = true
		default:
			other = true
		}
	}
	if len(seen) < 4 || !(letter && digit || letter && other || digit && other) {
		return &Error{"password", "", "应同时有字母、数字、符号中的两种，且不能只是少数几个字符的重复"}
	}
	lower := strings.ToLower(password)
	for _, x := range not {
		if len(x) >= 6 && strings.Contains(lower, strings.ToLower(x)) {
			return &Error{"password", "", "不能含有证件号码、手机号或用户名"}
		}
	}
	return nil
}

// SetPassword sets a person's password for the pages. Who has one proves it; a
// session opened by a code need not.
func (s *Service) SetPassword(ctx context.Context, tx *db.Tx, person, password string) error {
	p, ok, err := s.Register.ByID(ctx, tx, person)
	if err != nil {
		return err
	}
	if !ok {
		return &Error{"person", person, "没有这个人员编号"}
	}
	if err := goodPassword(password, MinPassword, p.CitizenID, p.Phone); err != nil {
		return err
	}
	secret, err := s.hash(person, password)
	if err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO login_password (person, secret, failures, locked_ms, changed_at) VALUES (?, ?, 0, 0, ?)
		ON CONFLICT (person) DO UPDATE SET secret = excluded.secret, failures = 0, locked_ms = 0, changed_at = excluded.changed_at`, person, secret, s.stamp()); err != nil {
		return err
	}
	return s.record(ctx, tx, person, person, "password")
}

func (s *Service) stamp() string { return s.Now().In(china).Format(time.RFC3339) }

// china is the one time of the country (北京时间).
var china = time.FixedZone("CST", 8*60*60)

func (s *Service) today() civil.Date { return civil.Of(s.Now().In(china)) }

// record says what was done of somebody's sign-in, in a chain of its own: it is
// about no care and holds nobody up.
func (s *Service) record(ctx context.Context, tx *db.Tx, owner, actor, action string) error {
	if err := tx.Lock(ctx, auditChain+owner); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: s.Now(), Actor: actor, Chain: auditChain + owner, Action: "signin." + action, Subject: owner})
}

const auditChain = "signin:"

func (s *Service) digest(token string) []byte { return s.sealer.Index("signin.session", token) }

// begin opens a session and returns its token.
func (s *Service) begin(ctx context.Context, tx *db.Tx, person, operator string) (string, error) {
	raw := make([]byte, 32)
	rand.Read(raw)
	token := base64.RawURLEncoding.EncodeToString(raw)
	now := s.Now()
	return token, tx.Exec(ctx, `INSERT INTO session (digest, person, operator, acting, seen_ms, until_ms) VALUES (?, ?, ?, '', ?, ?)`,
		s.digest(token), person, operator, now.UnixMilli(), now.Add(Longest).UnixMilli())
}

// BeginOperator opens a session of an operator without a proof. It is for made-up
// data only.
func (s *Service) BeginOperator(ctx context.Context, name string) (token string, err error) {
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		token, err = s.begin(ctx, tx, "", name)
		return err
	})
	return token, err
}

// BeginPerson opens a session of a person without a proof. It is for made-up data
// only.
func (s *Service) BeginPerson(ctx context.Context, person string) (token string, err error) {
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		token, err = s.begin(ctx, tx, person, "")
		return err
	})
	return token, err
}

// Who finds who is signed in with a token, nil for nobody. The session lives on.
func (s *Service) Who(ctx context.Context, token string) (*Session, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(32) {
		return nil, nil
	}
	digest, now := s.digest(token), s.Now()
	var out *Session
	var seen int64
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		var person, operator, acting string
		var until int64
		err := tx.QueryRow(ctx, `SELECT person, operator, acting, seen_ms, until_ms FROM session WHERE digest = ?`, digest).Scan(&person, &operator, &acting, &seen, &until)
		if db.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		idle := PersonIdle
		if operator != "" {
			idle = OperatorIdle
		}
		if now.UnixMilli() > min(until, seen+idle.Milliseconds()) {
			return nil
		}
		found := &Session{digest: digest}
		if operator != "" {
			o, ok, err := GetOperator(ctx, tx, operator)
			if err != nil || !ok || o.Stopped {
				return err
			}
			found.Operator, out = &o, found
			return nil
		}
		p, ok, err := s.Register.ByID(ctx, tx, person)
		if err != nil || !ok {
			return err
		}
		found.Person, found.Acting = p, p
		if acting != "" {
			may, err := s.may(ctx, tx, person, acting)
			if err != nil {
				return err
			}
			if may != "" { // else it was taken back since: they see their own
				if found.Acting, _, err = s.Register.ByID(ctx, tx, acting); err != nil {
					return err
				}
			}
		}
		out = found
		return nil
	})
	if err == nil && out != nil && now.UnixMilli()-seen >= seenEvery.Milliseconds() {
		err = s.DB.Update(ctx, func(tx *db.Tx) error {
			return tx.Exec(ctx, `UPDATE session SET seen_ms = ? WHERE digest = ?`, now.UnixMilli(), digest)
		})
	}
	return out, err
}

// End signs out.
func (s *Service) End(ctx context.Context, token string) error { return s.Drop(ctx, token) }

// EndAll signs a person or an operator out everywhere.
func (s *Service) EndAll(ctx context.Context, tx *db.Tx, owner string) error {
	return tx.Exec(ctx, `DELETE FROM session WHERE person = ? OR operator = ?`, owner, owner)
}

// Allow counts a try of something, and refuses it once there were n of the key
// within a time. It is for what must not be tried often (限流).
func (s *Service) Allow(ctx context.Context, key string, n int, within time.Duration) error {
	digest, now := s.sealer.Index("signin.throttle", key), s.Now()
	var refused error
	err := s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, fmt.Sprintf("throttle %x", digest)); err != nil {
			return err
		}
		var since int64
		var tries int
		err := tx.QueryRow(ctx, `SELECT since_ms, n FROM throttle WHERE key = ?`, digest).Scan(&since, &tries)
		if err != nil && !db.IsNotFound(err) {
			return err
		}
		if since+within.Milliseconds() <= now.UnixMilli() {
			since, tries = now.UnixMilli(), 0
		}
		if tries >= n {
			wait := time.UnixMilli(since).Add(within).Sub(now)
			refused = &Error{"", "", fmt.Sprintf("操作太频繁，请 %d 分钟后再试", minutes(wait))}
			return nil
		}
		return tx.Exec(ctx, `INSERT INTO throttle (key, since_ms, n) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET since_ms = excluded.since_ms, n = excluded.n`, digest, since, tries+1)
	})
	if err == nil {
		err = refused
	}
	return err
}

// Tidy removes sessions that ended and counts that are over.
func (s *Service) Tidy(ctx context.Context) error {
	now := s.Now()
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		return errors.Join(
			tx.Exec(ctx, `DELETE FROM session WHERE until_ms < ?`, now.UnixMilli()),
			tx.Exec(ctx, `DELETE FROM throttle WHERE since_ms < ?`, now.Add(-24*time.Hour).UnixMilli()))
	})
}

// minutes is how many minutes a wait lasts, begun ones counted.
func minutes(wait time.Duration) int { return int((wait + time.Minute - 1) / time.Minute) }
