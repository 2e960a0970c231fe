package tipoff

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/workday"
)

// Service takes tip-offs and keeps what becomes of them, inside the caller's
// transaction.
type Service struct {
	policies *policy.Store
	sealer   *gm.Sealer
	now      func() time.Time
}

// New returns a service. now nil is time.Now.
func New(policies *policy.Store, sealer *gm.Sealer, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{policies, sealer, now}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

func (s *Service) today() civil.Date { return civil.Of(s.now().In(zone)) }

// Entry is what is told.
type Entry struct {
	Region    string
	Channel   Channel
	Behaviour string
	About     About
	Provider  string // code, may be ""
	Subject   string
	Happened  civil.Date // 0: not said
	Text      string
	Reporter  *Reporter // nil: without a name (匿名)
	Code      string    // the secret, from NewCode
	Actor     string    // officer who writes it down, "" for who tells it themselves
}

// Self is who entered what people told themselves. It names nobody.
const Self = "举报人"

// Bounds of what is told, in characters.
const (
	MinText  = 10
	MaxText  = 4000
	maxShort = 100
)

// codeLength is how many characters of 32 a secret has: 80 bits.
const codeLength = 16

// NewCode makes a secret by which a tip-off is asked for.
func NewCode() string { return rand.Text()[:codeLength] }

var (
	goodCode  = regexp.MustCompile(`^[A-Z2-7]{16}$`)
	goodPhone = regexp.MustCompile(`^\+?[0-9][0-9 -]{5,18}[0-9]$`)
)

func plainCode(code string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))
}

func (s *Service) digest(code string) []byte { return s.sealer.Index("tipoff.code", plainCode(code)) }

// short checks a text that must be there and must not be long.
func short(field, value, missing string, least, most int) error {
	n := utf8.RuneCountInString(value)
	switch {
	case n < least:
		return &Error{field, "", missing}
	case n > most:
		return &Error{field, "", "太长了，至多 " + big.NewInt(int64(most)).String() + " 个字"}
	}
	return nil
}

func (s *Service) check(ctx context.Context, tx *db.Tx, q *Entry) error {
	if !slices.Contains(Channels(), q.Channel) || (q.Channel == Online) != (q.Actor == "") {
		return &Error{"channel", string(q.Channel), "应为电话、微信、信函或窗口"}
	}
	if _, _, ok := Named(q.Behaviour); !ok {
		return &Error{"behaviour", q.Behaviour, "请选择举报的是哪一种行为"}
	}
	if !slices.Contains(Abouts(), q.About) {
		return &Error{"about", string(q.About), "请选择举报的是谁"}
	}
	if q.Provider != "" {
		p, ok, err := provider.Get(ctx, tx, q.Provider)
		if err != nil {
			return err
		}
		if !ok || q.About != Provider {
			return &Error{"provider", q.Provider, "没有登记这个医药机构；可以只写名称"}
		}
		q.Region = p.Region
		if q.Subject == "" {
			q.Subject = p.Name
		}
	}
	if err := short("subject", q.Subject, "请写明举报的是谁，如机构名称、单位名称或姓名", 2, maxShort); err != nil {
		return err
	}
	if err := short("text", q.Text, "请写清楚什么时间、什么地方、做了什么，至少十个字", MinText, MaxText); err != nil {
		return err
	}
	switch today := s.today(); {
	case q.Happened > today:
		return &Error{"happened", q.Happened.String(), "还没有到这一天"}
	case q.Happened != 0 && q.Happened < today.AddMonths(-12*30):
		return &Error{"happened", q.Happened.String(), "太早了，请核对日期"}
	}
	if _, err := s.policies.At(q.Region, s.today()); err != nil {
		return &Error{"region", q.Region, "请选择发生在哪个统筹区"}
	}
	if r := q.Reporter; r != nil {
		if err := short("name", r.Name, "实名举报请写姓名；不愿留名的，请选匿名", 2, 40); err != nil {
			return err
		}
		if !goodPhone.MatchString(r.Phone) {
			return &Error{"phone", "", "请写能联系到您的电话号码"}
		}
	}
	if !goodCode.MatchString(q.Code) {
		return &Error{"code", "", "页面已过期，请重新打开再填"}
	}
	return nil
}

// Enter takes a tip-off. The same one sent again, with the same secret, is found
// and not taken twice.
func (s *Service) Enter(ctx context.Context, tx *db.Tx, q Entry) (*TipOff, error) {
	q.Subject, q.Text = strings.TrimSpace(q.Subject), strings.TrimSpace(q.Text)
	q.Code = plainCode(q.Code)
	if err := s.check(ctx, tx, &q); err != nil {
		return nil, err
	}
	if err := tx.Lock(ctx, "tipoff "+string(s.digest(q.Code))); err != nil {
		return nil, err
	}
	if before, ok, err := s.byCode(ctx, tx, q.Code); err != nil || ok {
		return before, err
	}
	now := s.now()
	t := &TipOff{ID: newID(now.In(zone)), Region: q.Region, Channel: q.Channel, Behaviour: q.Behaviour, About: q.About, Provider: q.Provider, Subject: q.Subject,
		Happened: q.Happened, Text: q.Text, Anonymous: q.Reporter == nil, State: Entered, EnteredBy: q.Actor, At: now}
	if t.EnteredBy == "" {
		t.EnteredBy = Self
	}
	if rules, ok := s.policies.TipOffs(t.Region, s.today()); ok && rules.AcceptDays > 0 {
		t.Due = workday.China().Add(s.today(), rules.AcceptDays)
	}
	reporter := []byte{}
	if q.Reporter != nil {
		body, err := json.Marshal(q.Reporter)
		if err != nil {
			return nil, err
		}
		reporter = s.sealer.Seal("tipoff.reporter."+t.ID, string(body))
	}
	if err := tx.Exec(ctx, `INSERT INTO tipoff (id, region, channel, behaviour, about, provider, subject, happened, text, reporter, code, state, entered, accepted, due, at, recovered, reward, reward_known)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, 0, 0, 0)`,
		t.ID, t.Region, string(t.Channel), t.Behaviour, string(t.About), t.Provider, t.Subject, int(t.Happened), s.sealer.Seal("tipoff.text."+t.ID, t.Text), reporter,
		s.digest(q.Code), string(t.State), t.EnteredBy, int(t.Due), stamp(now)); err != nil {
		return nil, err
	}
	return t, s.step(ctx, tx, t, Entered, t.EnteredBy, "", false)
}

// newID makes a number that people can read out: JB, the day, and ten figures.
func newID(at time.Time) string {
	n, err := rand.Int(rand.Reader, big.NewInt(10_000_000_000))
	if err != nil {
		panic(err) // no randomness: nothing works
	}
	figures := n.String()
	return "JB" + at.Format("20060102") + strings.Repeat("0", 10-len(figures)) + figures
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// step writes down what was done, and keeps it on record. The record holds no word
// of what was told.
func (s *Service) step(ctx context.Context, tx *db.Tx, t *TipOff, state State, actor, note string, told bool) error {
	now := s.now()
	t.Steps = append(t.Steps, Step{state, now, actor, note, told})
	if err := tx.Exec(ctx, `INSERT INTO tipoff_step (tipoff, n, state, at, actor, note, told) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		t.ID, len(t.Steps), string(state), stamp(now), actor, s.sealer.Seal("tipoff.note."+t.ID, note), told); err != nil {
		return err
	}
	details := map[string]string{"behaviour": t.Behaviour, "channel": string(t.Channel)}
	if state == Founded || state == Unfounded {
		details["recovered"], details["reward"] = t.Recovered.String(), t.Reward.String()
	}
	return audit.Append(ctx, tx, audit.Record{At: now, Actor: actor, Action: "tipoff." + string(state), Subject: t.ID, Details: details, Chain: "tipoff:" + t.ID})
}

const columns = `SELECT id, region, channel, behaviour, about, provider, subject, happened, text, reporter, state, entered, accepted, due, at, recovered, reward, reward_known FROM tipoff `

func (s *Service) scan(row interface{ Scan(...any) error }) (*TipOff, error) {
	var t TipOff
	var text, reporter []byte
	var at string
	if err := row.Scan(&t.ID, &t.Region, &t.Channel, &t.Behaviour, &t.About, &t.Provider, &t.Subject, &t.Happened, &text, &reporter, &t.State, &t.EnteredBy, &t.TakenBy,
		&t.Due, &at, &t.Recovered, &t.Reward, &t.RewardKnown); err != nil {
		return nil, err
	}
	t.Anonymous = len(reporter) == 0
	var err error
	if t.Text, err = s.sealer.Open("tipoff.text."+t.ID, text); err != nil {
		return nil, err
	}
	t.At, err = time.Parse(time.RFC3339, at)
	return &t, err
}

func (s *Service) read(ctx context.Context, tx *db.Tx, where string, args ...any) (t *TipOff, ok bool, err error) {
	t, err = s.scan(tx.QueryRow(ctx, columns+where, args...))
	if db.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var x Step
		var at string
		var note []byte
		if err := rows.Scan(&x.State, &at, &x.Actor, &note, &x.Told); err != nil {
			return err
		}
		var err error
		if x.Note, err = s.sealer.Open("tipoff.note."+t.ID, note); err != nil {
			return err
		}
		x.At, err = time.Parse(time.RFC3339, at)
		t.Steps = append(t.Steps, x)
		return err
	}, `SELECT state, at, actor, note, told FROM tipoff_step WHERE tipoff = ? ORDER BY n`, t.ID)
	return t, err == nil, err
}

func (s *Service) byCode(ctx context.Context, tx *db.Tx, code string) (*TipOff, bool, error) {
	return s.read(ctx, tx, `WHERE code = ?`, s.digest(code))
}

// Get finds a tip-off by its number.
func (s *Service) Get(ctx context.Context, tx *db.Tx, id string) (*TipOff, bool, error) {
	return s.read(ctx, tx, `WHERE id = ?`, id)
}

// Progress finds a tip-off for who told of it: number and secret must both be
// right. Which of them is wrong is not said.
func (s *Service) Progress(ctx context.Context, tx *db.Tx, id, code string) (*TipOff, error) {
	t, ok, err := s.byCode(ctx, tx, code)
	if err == nil && (!ok || t.ID != strings.ToUpper(strings.TrimSpace(id))) {
		return nil, &Error{"code", "", "编号和查询码对不上，请核对"}
	}
	return t, err
}

// Filter picks tip-offs of a queue.
type Filter struct {
	Region        string // "" is all
	State         State  // "" is all
	LateOn        civil.Date
	Offset, Limit int
}

// Queue lists tip-offs, those that must be done first in front.
func (s *Service) Queue(ctx context.Context, tx *db.Tx, f Filter) (out []*TipOff, err error) {
	where, args := `WHERE 1 = 1`, []any{}
	if f.Region != "" {
		where, args = where+` AND region = ?`, append(args, f.Region)
	}
	if f.State != "" {
		where, args = where+` AND state = ?`, append(args, string(f.State))
	}
	if f.LateOn != 0 {
		where, args = where+` AND due > 0 AND due < ? AND state IN ('entered', 'accepted', 'checking')`, append(args, int(f.LateOn))
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		t, err := s.scan(rows)
		out = append(out, t)
		return err
	}, columns+where+` ORDER BY CASE WHEN state IN ('entered', 'accepted', 'checking') THEN 0 ELSE 1 END, CASE WHEN due = 0 THEN 99999999 ELSE due END, id LIMIT ? OFFSET ?`, append(args, f.Limit, f.Offset)...)
	return out, err
}

// Counts says how many tip-offs of a region are in each state; "" is all regions.
func (s *Service) Counts(ctx context.Context, tx *db.Tx, region string) (map[State]int, error) {
	out := map[State]int{}
	where, args := "", []any{}
	if region != "" {
		where, args = ` WHERE region = ?`, append(args, region)
	}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var st State
		var n int
		if err := rows.Scan(&st, &n); err != nil {
			return err
		}
		out[st] = n
		return nil
	}, `SELECT state, COUNT(*) FROM tipoff`+where+` GROUP BY state`, args...)
	return out, err
}

// hold reads a tip-off that nobody else changes until the transaction ends.
func (s *Service) hold(ctx context.Context, tx *db.Tx, id string) (*TipOff, error) {
	if err := tx.Lock(ctx, "tipoff "+id); err != nil {
		return nil, err
	}
	t, ok, err := s.Get(ctx, tx, id)
	if err == nil && !ok {
		err = &Error{"id", id, "没有这个举报"}
	}
	return t, err
}

// Decide says whether a tip-off is looked into (受理). Who entered it does not
// decide on it. Why not is told to who told of it.
func (s *Service) Decide(ctx context.Context, tx *db.Tx, id string, accept bool, reason, actor string) (*TipOff, error) {
	t, err := s.hold(ctx, tx, id)
	switch {
	case err != nil:
		return nil, err
	case t.State != Entered:
		return nil, &Error{"id", id, "这个举报" + t.State.Title() + "，不再决定是否受理"}
	case t.EnteredBy == actor:
		return nil, &Error{"actor", actor, "不能受理自己录入的举报，请由他人决定"}
	}
	if !accept || reason != "" {
		if err := short("reason", reason, "不予受理须写明原因，会告知举报人", 4, 500); err != nil {
			return nil, err
		}
	}
	t.State, t.Due = Declined, 0
	if accept {
		t.State, t.TakenBy = Accepted, actor
		if rules, ok := s.policies.TipOffs(t.Region, s.today()); ok && rules.CloseDays > 0 {
			t.Due = workday.China().Add(s.today(), rules.CloseDays)
		}
	}
	if err := s.put(ctx, tx, t); err != nil {
		return nil, err
	}
	return t, s.step(ctx, tx, t, t.State, actor, reason, true)
}

func (s *Service) put(ctx context.Context, tx *db.Tx, t *TipOff) error {
	return tx.Exec(ctx, `UPDATE tipoff SET state = ?, accepted = ?, due = ?, recovered = ?, reward = ?, reward_known = ? WHERE id = ?`,
		string(t.State), t.TakenBy, int(t.Due), int64(t.Recovered), int64(t.Reward), t.RewardKnown, t.ID)
}

// Check writes down what was found while it is looked into (核查). It is not told to
// who told of it.
func (s *Service) Check(ctx context.Context, tx *db.Tx, id, note, actor string) (*TipOff, error) {
	t, err := s.hold(ctx, tx, id)
	switch {
	case err != nil:
		return nil, err
	case t.State != Accepted && t.State != Checking:
		return nil, &Error{"id", id, "这个举报" + t.State.Title() + "，不能记核查情况"}
	case t.EnteredBy == actor:
		return nil, &Error{"actor", actor, "不能核查自己录入的举报，请由他人核查"}
	}
	if err := short("note", note, "请写明核查了什么、发现了什么", 4, 2000); err != nil {
		return nil, err
	}
	t.State = Checking
	if err := s.put(ctx, tx, t); err != nil {
		return nil, err
	}
	return t, s.step(ctx, tx, t, Checking, actor, note, false)
}

// Outcome is how a tip-off ends (结案).
type Outcome struct {
	Founded   bool
	Recovered money.Fen // the amount that proved true, of what is founded
	Reason    string    // told to who told of it
}

// Close ends a tip-off. Who entered it, or decided that it is looked into, does not
// close it. What it earns is what the package says on the day.
func (s *Service) Close(ctx context.Context, tx *db.Tx, id string, o Outcome, actor string) (*TipOff, error) {
	t, err := s.hold(ctx, tx, id)
	switch {
	case err != nil:
		return nil, err
	case t.State != Accepted && t.State != Checking:
		return nil, &Error{"id", id, "这个举报" + t.State.Title() + "，不能结案"}
	case t.EnteredBy == actor:
		return nil, &Error{"actor", actor, "不能给自己录入的举报结案，请由他人结案"}
	case t.TakenBy == actor:
		return nil, &Error{"actor", actor, "受理的人不能结案，请由他人结案"}
	case o.Recovered < 0 || o.Recovered > money.Max:
		return nil, &Error{"recovered", o.Recovered.String(), "应为 0 或以上的金额"}
	case o.Founded && o.Recovered == 0:
		return nil, &Error{"recovered", "", "查实的，请写明查实的涉案金额"}
	case !o.Founded && o.Recovered != 0:
		return nil, &Error{"recovered", o.Recovered.String(), "未查实的，没有涉案金额"}
	}
	if err := short("reason", o.Reason, "请写明核查结果，会告知举报人", 4, 1000); err != nil {
		return nil, err
	}
	r, err := Reward(s.policies, t.Region, s.today(), o.Recovered)
	if err != nil {
		return nil, err
	}
	t.State, t.Due, t.Recovered, t.Reward, t.RewardKnown = Unfounded, 0, o.Recovered, r.Amount, r.Known || !o.Founded
	if o.Founded {
		t.State = Founded
	}
	if err := s.put(ctx, tx, t); err != nil {
		return nil, err
	}
	return t, s.step(ctx, tx, t, t.State, actor, o.Reason, true)
}

// Reveal opens who told of it, for a purpose, and records who saw it and why. nil
// is told without a name.
func (s *Service) Reveal(ctx context.Context, tx *db.Tx, id, actor, purpose string) (*Reporter, error) {
	if err := short("purpose", purpose, "请写明查看的事由，至少四个字；事由会留在审计记录里", 4, 200); err != nil {
		return nil, err
	}
	var sealed []byte
	if err := tx.QueryRow(ctx, `SELECT reporter FROM tipoff WHERE id = ?`, id).Scan(&sealed); err != nil {
		if db.IsNotFound(err) {
			return nil, &Error{"id", id, "没有这个举报"}
		}
		return nil, err
	}
	if err := audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Action: "tipoff.reveal", Subject: id, Details: map[string]string{"purpose": purpose}}); err != nil {
		return nil, err
	}
	if len(sealed) == 0 {
		return nil, nil
	}
	body, err := s.sealer.Open("tipoff.reporter."+id, sealed)
	if err != nil {
		return nil, err
	}
	var r Reporter
	return &r, json.Unmarshal([]byte(body), &r)
}
