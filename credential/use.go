package credential

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
)

// Shown is a code, to be shown on a phone or printed.
type Shown struct {
	Code  string
	Until time.Time
}

// Show makes a code of a person on their phone (展码); of a dependant, if one is
// named, on the phone of who looks after them.
func (s *Service) Show(ctx context.Context, tx *db.Tx, bearer, device, dependant string) (Shown, error) {
	c, err := Get(ctx, tx, bearer)
	if err != nil {
		return Shown{}, err
	}
	if c.State != Active {
		return Shown{}, &Refused{"医保电子凭证", Stopped}
	}
	var bound int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM credential_device WHERE person = ? AND device = ?`, bearer, device).Scan(&bound); err != nil {
		return Shown{}, err
	}
	if bound == 0 {
		return Shown{}, &Error{"device", "", "这台设备没有绑定，请先绑定"}
	}
	kind, whose := Own, bearer
	if dependant != "" && dependant != bearer {
		kind, whose = Family, dependant
		ok, err := s.bound(ctx, tx, bearer, dependant)
		if err != nil {
			return Shown{}, err
		}
		if !ok {
			return Shown{}, &Refused{"医保电子凭证", Unbound}
		}
	}
	p, err := s.who(ctx, tx, whose)
	if err != nil {
		return Shown{}, err
	}
	return s.show(&Claims{Kind: kind, Person: whose, Bearer: c.Number, Issued: s.Now(), Region: p.Region})
}

func (s *Service) show(c *Claims) (Shown, error) {
	code, err := s.Issuer.Issue(c)
	return Shown{code, c.until()}, err
}

// Voucher makes a code on paper for a person who has neither card nor phone
// (临时凭证): it is accepted once, on the same day. An officer saw who they are.
func (s *Service) Voucher(ctx context.Context, tx *db.Tx, person, actor, why string) (Shown, error) {
	if why == "" {
		return Shown{}, &Error{"why", "", "请写明办理临时凭证的原因"}
	}
	p, err := s.who(ctx, tx, person)
	if err != nil {
		return Shown{}, err
	}
	out, err := s.show(&Claims{Kind: Voucher, Person: person, Issued: s.Now(), Region: p.Region})
	if err != nil {
		return Shown{}, err
	}
	return out, s.record(ctx, tx, person, actor, "voucher", map[string]string{"why": why})
}

// Scan is a code that a provider scanned.
type Scan struct {
	Code               string
	Provider, Operator string
	Business           string // 用码业务类型
}

// Decoded is what a provider learns from a code (解码).
type Decoded struct {
	Person enrolment.Person
	Kind   Kind
	Token  string // stands for the person in what follows (身份核验令牌): 40 characters
	Until  time.Time
}

// Decode accepts a code, once: whatever comes with it again is refused. The
// provider gets a token that only it can use. Its errors for the caller are
// *Refused.
func (s *Service) Decode(ctx context.Context, tx *db.Tx, q Scan) (*Decoded, error) {
	now := s.Now()
	c, err := s.reader.Read(q.Code, now)
	if err != nil {
		return nil, err
	}
	if err := s.inForce(ctx, tx, c.Person, c.Bearer); err != nil {
		return nil, err
	}
	p, ok, err := s.Register.ByID(ctx, tx, c.Person)
	if err != nil {
		return nil, err
	}
	if !ok || p.Region != c.Region {
		return nil, refusedCode(WrongRegion)
	}
	n, err := tx.ExecCount(ctx, `INSERT INTO credential_used (code, until_ms) VALUES (?, ?) ON CONFLICT (code) DO NOTHING`, c.ID[:], c.until().Add(Skew).UnixMilli())
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, refusedCode(Used)
	}
	out := &Decoded{Person: p, Kind: c.Kind, Until: now.Add(TokenLife)}
	secret := make([]byte, 20)
	rand.Read(secret)
	out.Token = hex.EncodeToString(secret)
	if err := s.grant(ctx, tx, out.Token, p.ID, c.Bearer, q.Provider, q.Business, out.Until.UnixMilli()); err != nil {
		return nil, err
	}
	return out, s.record(ctx, tx, p.ID, q.Provider+" "+q.Operator, "decode", map[string]string{"business": q.Business, "kind": fmt.Sprint(c.Kind)})
}

// inForce refuses what a credential that stands still, or a binding that ended,
// made. number is the bearer's credential.
func (s *Service) inForce(ctx context.Context, tx *db.Tx, person string, number int64) error {
	if number == 0 {
		return nil
	}
	var bearer string
	err := tx.QueryRow(ctx, `SELECT person FROM credential WHERE number = ? AND state = ?`, number, Active).Scan(&bearer)
	switch {
	case db.IsNotFound(err):
		return refusedCode(Stopped)
	case err != nil || bearer == person:
		return err
	}
	ok, err := s.bound(ctx, tx, bearer, person)
	if err == nil && !ok {
		err = refusedCode(Unbound)
	}
	return err
}

func (s *Service) grant(ctx context.Context, tx *db.Tx, token, person string, number int64, provider, business string, until int64) error {
	return tx.Exec(ctx, `INSERT INTO credential_token (digest, person, number, provider, business, at, until_ms) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		gm.Digest([]byte(token)), person, number, provider, business, s.clock(), until)
}

// Standing makes a token that every provider may use and that never ends. It is
// for made-up people only, whose makers of a HIS have no phone to scan.
func (s *Service) Standing(ctx context.Context, tx *db.Tx, person, token string) error {
	return s.grant(ctx, tx, token, person, 0, "", "", 0)
}

// Holder is the person that a provider's token stands for, as a person number.
// Its errors for the caller are *Refused.
func (s *Service) Holder(ctx context.Context, tx *db.Tx, token, provider string) (string, error) {
	refused := func(r Reason) (string, error) { return "", &Refused{"医保电子凭证令牌", r} }
	var person, of string
	var number, until int64
	err := tx.QueryRow(ctx, `SELECT person, number, provider, until_ms FROM credential_token WHERE digest = ?`, gm.Digest([]byte(token))).Scan(&person, &number, &of, &until)
	switch {
	case db.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", err
	case of != "" && of != provider:
		return refused(Elsewhere)
	case until != 0 && s.Now().UnixMilli() > until:
		return refused(Expired)
	}
	return person, s.inForce(ctx, tx, person, number)
}

// Relation is what a dependant is to who looks after them.
type Relation string

// The relations (亲情账户).
const (
	Child   Relation = "child"   // 未成年子女
	Parent  Relation = "parent"  // 父母
	Spouse  Relation = "spouse"  // 配偶
	Another Relation = "another" // 其他由本人照顾的人
)

var relationTitles = map[Relation]string{Child: "子女", Parent: "父母", Spouse: "配偶", Another: "其他被照顾的人"}

// Title is the relation in Chinese.
func (r Relation) Title() string { return relationTitles[r] }

// Member is a person under somebody's phone.
type Member struct {
	Guardian, Dependant string
	Relation            Relation
	From, To            civil.Date // To 0: open
}

// Binding asks for a family member to be put under a phone (绑定亲情账户).
type Binding struct {
	Guardian string
	Password string // the guardian's
	// Who shall be under it.
	Name, CitizenID string
	Relation        Relation
	// The consent of a dependant of AdultAge and more: a code sent to their phone,
	// which is the one in the register.
	SMS string
	To  civil.Date // 0: open; of a child the day before it is of age at most
}

// Bind puts a family member under the guardian's phone.
func (s *Service) Bind(ctx context.Context, b Binding) (*Member, error) {
	if b.Relation.Title() == "" {
		return nil, &Error{"relation", string(b.Relation), "应为 child（子女）、parent（父母）、spouse（配偶）或 another（其他被照顾的人）"}
	}
	d, err := s.whoIs(ctx, b.Name, b.CitizenID)
	if err != nil {
		return nil, err
	}
	today := s.today()
	m := &Member{b.Guardian, d.ID, b.Relation, today, b.To}
	adult := today.Age(d.Birth) >= AdultAge
	switch {
	case d.ID == b.Guardian:
		return nil, &Error{"citizen_id", "", "不能绑定本人"}
	case b.To != 0 && b.To < today:
		return nil, &Error{"to", b.To.String(), "早于今天"}
	case !adult:
		if last := d.Birth.AddMonths(12 * AdultAge).AddDays(-1); m.To == 0 || m.To > last {
			m.To = last
		}
	case b.Relation == Child:
		return nil, &Error{"relation", string(b.Relation), fmt.Sprintf("已满 %d 周岁，不再按未成年子女绑定", AdultAge)}
	}
	err = s.failing(ctx, func(tx *db.Tx) error {
		_, c, err := s.hold(ctx, tx, b.Guardian)
		if err == nil {
			err = s.check(ctx, tx, c, b.Password)
		}
		if err == nil && adult {
			if d.Phone == "" {
				err = &Error{"sms", "", "被绑定人没有登记手机号，请到经办窗口办理"}
			} else {
				err = s.checkSMS(ctx, tx, d.Phone, ForFamily, b.SMS, true)
			}
		}
		if err != nil {
			return err
		}
		return s.bind(ctx, tx, m, b.Guardian)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// BindAtCounter binds where an officer saw the papers of both (窗口办理).
func (s *Service) BindAtCounter(ctx context.Context, tx *db.Tx, m Member, actor string) error {
	if m.Relation.Title() == "" || m.Guardian == m.Dependant {
		return &Error{"relation", string(m.Relation), "应为 child、parent、spouse 或 another，且不能绑定本人"}
	}
	for _, person := range []string{min(m.Guardian, m.Dependant), max(m.Guardian, m.Dependant)} {
		if _, _, err := s.hold(ctx, tx, person); err != nil {
			return err
		}
	}
	return s.bind(ctx, tx, &m, actor)
}

func (s *Service) bind(ctx context.Context, tx *db.Tx, m *Member, actor string) error {
	all, err := s.Family(ctx, tx, m.Guardian)
	if err != nil {
		return err
	}
	n := len(all)
	for _, o := range all {
		if o.Dependant == m.Dependant {
			n--
		}
	}
	if n >= MaxFamily {
		return &Error{"family", fmt.Sprint(n), fmt.Sprintf("至多绑定 %d 人", MaxFamily)}
	}
	if err := tx.Exec(ctx, `INSERT INTO credential_family (guardian, dependant, relation, from_day, to_day) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (guardian, dependant) DO UPDATE SET relation = excluded.relation, from_day = excluded.from_day, to_day = excluded.to_day`,
		m.Guardian, m.Dependant, string(m.Relation), int(m.From), int(m.To)); err != nil {
		return err
	}
	return s.record(ctx, tx, m.Dependant, actor, "bind", map[string]string{"guardian": m.Guardian, "relation": string(m.Relation)})
}

// Unbind ends it; either of the two may.
func (s *Service) Unbind(ctx context.Context, tx *db.Tx, guardian, dependant, actor string) error {
	n, err := tx.ExecCount(ctx, `DELETE FROM credential_family WHERE guardian = ? AND dependant = ?`, guardian, dependant)
	if err != nil {
		return err
	}
	if n == 0 {
		return &Error{"dependant", dependant, "没有绑定"}
	}
	return s.record(ctx, tx, dependant, actor, "unbind", map[string]string{"guardian": guardian})
}

// Family lists who is under a person's phone today.
func (s *Service) Family(ctx context.Context, tx *db.Tx, guardian string) ([]Member, error) {
	var out []Member
	today := int(s.today())
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var m Member
		err := rows.Scan(&m.Guardian, &m.Dependant, &m.Relation, &m.From, &m.To)
		out = append(out, m)
		return err
	}, `SELECT guardian, dependant, relation, from_day, to_day FROM credential_family WHERE guardian = ? AND from_day <= ? AND (to_day = 0 OR to_day >= ?) ORDER BY dependant`, guardian, today, today)
	return out, err
}

func (s *Service) bound(ctx context.Context, tx *db.Tx, guardian, dependant string) (bool, error) {
	var n int
	today := int(s.today())
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM credential_family WHERE guardian = ? AND dependant = ? AND from_day <= ? AND (to_day = 0 OR to_day >= ?)`,
		guardian, dependant, today, today).Scan(&n)
	return n > 0, err
}
