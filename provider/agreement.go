package provider

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/policy"
)

// Standing is how a provider's agreement stands (协议状态).
type Standing string

// The standings. On a day after the last of its agreement a provider is Expired.
const (
	Without    Standing = "none"       // 未签协议
	Designated Standing = "designated" // 协议有效
	Suspended  Standing = "suspended"  // 协议中止
	Terminated Standing = "terminated" // 协议解除
	Expired    Standing = "expired"    // 协议到期
)

// Title is the standing in Chinese.
func (s Standing) Title() string {
	return map[Standing]string{Without: "未签协议", Designated: "定点", Suspended: "中止", Terminated: "解除", Expired: "到期"}[s]
}

// Standings are all of them.
func Standings() []Standing {
	return []Standing{Designated, Suspended, Terminated, Expired, Without}
}

// Term is how a provider stands from a day until the next term, or until the last
// day of its agreement.
type Term struct {
	From     civil.Date // 0: from before anything was decided here
	Standing Standing
	Until    civil.Date // last day of the agreement, 0: without end
	Level    policy.Level
	Proposal string // what decided it, "" for the first
}

// change is what changes of a provider on a day. See the table agreement_change.
type change struct {
	from     civil.Date
	n        int
	standing Standing // "": stays
	until    civil.Date
	level    policy.Level
	proposal string
	renews   bool // until changes
	levels   bool // level changes
}

// changes are those of a provider, in order. Providers are compared with ==.
type changes []change

// change reads one that changes the provider.
func (p *Provider) change(rows *db.Rows) error {
	c, err := scanChange(rows)
	p.add(c)
	return err
}

func (p *Provider) add(c change) {
	if p.changes == nil {
		p.changes = &changes{}
	}
	*p.changes = append(*p.changes, c)
}

const changeColumns = `from_day, n, state, until, level, proposal`

func scanChange(rows *db.Rows, more ...any) (c change, err error) {
	var until, level int
	err = rows.Scan(append([]any{&c.from, &c.n, &c.standing, &until, &level, &c.proposal}, more...)...)
	c.renews, c.levels = until >= 0, level >= 0
	c.until, c.level = civil.Date(max(until, 0)), policy.Level(max(level, 0))
	return c, err
}

// Terms are how the provider stands over time, oldest first.
func (p Provider) Terms() []Term {
	t := Term{Standing: Without, Level: p.Level}
	if p.Designated {
		t.Standing = Designated
	}
	out := []Term{t}
	if p.changes == nil {
		return out
	}
	for _, c := range *p.changes {
		if t.Until != 0 && t.Until < c.from && t.Standing != Terminated {
			t.Standing = Expired
		}
		// What resumes at the end of a suspension does not if it ended otherwise.
		if c.standing != "" && !(c.standing == resumed && t.Standing != Suspended) {
			t.Standing = c.standing
			if c.standing == resumed {
				t.Standing = Designated
			}
		}
		if c.renews {
			t.Until = c.until
		}
		if c.levels {
			t.Level = c.level
		}
		t.From, t.Proposal = c.from, c.proposal
		out = append(out, t)
	}
	return out
}

// resumed is the change at the end of a suspension.
const resumed Standing = "resumed"

// Term is how the provider stands on a day.
func (p Provider) Term(day civil.Date) Term {
	terms := p.Terms()
	t := terms[0]
	for _, x := range terms {
		if x.From <= day {
			t = x
		}
	}
	if t.Until != 0 && t.Until < day && t.Standing != Terminated {
		t.Standing = Expired
	}
	return t
}

// On is the provider as it stands on a day: whether it is designated, and of which
// level. Care is paid as the provider stood when the visit began.
func (p Provider) On(day civil.Date) Provider {
	if p.changes == nil {
		return p
	}
	t := p.Term(day)
	p.Designated, p.Level, p.changes = t.Standing == Designated, t.Level, nil
	return p
}

// Kind says what a proposal is for.
type Kind string

// The kinds of proposal.
const (
	Register  Kind = "register"  // 新增定点: a provider that is not in the register
	Designate Kind = "designate" // 签订协议
	Renew     Kind = "renew"     // 续签
	Suspend   Kind = "suspend"   // 中止
	Resume    Kind = "resume"    // 恢复
	Terminate Kind = "terminate" // 解除
	Relevel   Kind = "level"     // 等级变更
)

// Title is the kind in Chinese.
func (k Kind) Title() string {
	return map[Kind]string{Register: "新增定点", Designate: "签订协议", Renew: "续签协议", Suspend: "中止协议", Resume: "恢复协议", Terminate: "解除协议", Relevel: "变更等级"}[k]
}

// State is how a proposal stands.
type State string

// The states of a proposal.
const (
	Proposed State = "proposed" // 待批准
	Approved State = "approved" // 已批准
	Declined State = "declined" // 未批准
	Revoked  State = "revoked"  // 已撤回
)

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Proposed: "待批准", Approved: "已批准", Declined: "未批准", Revoked: "已撤回"}[s]
}

// Proposal is what somebody wants to change of a provider, and another decides.
type Proposal struct {
	ID       string
	Provider string
	Region   string // where the provider stands
	Kind     Kind
	From, To civil.Date // To: last day of an agreement or a suspension, 0 without end
	Level    policy.Level
	New      Provider // of Register
	Reason   string

	// Set by the register.
	State     State
	At        time.Time
	Actor     string
	DecidedAt time.Time
	DecidedBy string
	Answer    string // why it was declined
}

// Error is a fault of the request: which field, what it holds, what is allowed.
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

// Agreements decides on providers' agreements.
type Agreements struct{ now func() time.Time }

// NewAgreements returns it. now tells the time; nil is time.Now.
func NewAgreements(now func() time.Time) *Agreements {
	if now == nil {
		now = time.Now
	}
	return &Agreements{now}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

func (s *Agreements) today() civil.Date { return civil.Of(s.now().In(zone)) }

// What is proposed has these bounds: how many proposals of a provider may be open,
// and for how many years an agreement may be made.
const (
	maxProposed = 5
	maxYears    = 10
)

var codePattern = regexp.MustCompile(`^[HP][0-9]{11}$`)

// Propose writes a proposal down. It changes nothing until another approves it.
func (s *Agreements) Propose(ctx context.Context, tx *db.Tx, q Proposal, actor string) (*Proposal, error) {
	if err := tx.Lock(ctx, "agreement:"+q.Provider); err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(q.Reason); n < 4 || n > 500 {
		return nil, &Error{"reason", "", "请写明事由，4 至 500 个字"}
	}
	if err := s.check(ctx, tx, &q); err != nil {
		return nil, err
	}
	open, err := Proposals(ctx, tx, ProposalFilter{Provider: q.Provider, State: Proposed, Limit: maxProposed})
	if err != nil {
		return nil, err
	}
	if len(open) == maxProposed {
		return nil, &Error{"kind", "", fmt.Sprintf("该机构已有 %d 项待批准，请先办结", maxProposed)}
	}
	for _, x := range open {
		if x.Kind == q.Kind {
			return nil, &Error{"kind", q.Kind.Title(), "已有一项待批准"}
		}
	}
	b := make([]byte, 4)
	rand.Read(b)
	q.At, q.Actor, q.State = s.now(), actor, Proposed
	q.ID = q.At.In(zone).Format("20060102150405") + hex.EncodeToString(b)
	facts := ""
	if q.Kind == Register {
		text, err := json.Marshal(q.New)
		if err != nil {
			return nil, err
		}
		facts = string(text)
	}
	level := -1
	if q.Kind == Relevel {
		level = int(q.Level)
	}
	if err := tx.Exec(ctx, `INSERT INTO agreement_proposal (id, provider, region, kind, from_day, to_day, level, facts, reason, state, at, actor, decided_at, decided_by, answer)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '')`,
		q.ID, q.Provider, q.Region, string(q.Kind), int(q.From), int(q.To), level, facts, q.Reason, string(q.State), q.At.UTC().Format(time.RFC3339), actor); err != nil {
		return nil, err
	}
	return &q, s.remember(ctx, tx, &q, actor, q.Reason)
}

func (s *Agreements) remember(ctx context.Context, tx *db.Tx, q *Proposal, actor, reason string) error {
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Action: "agreement." + string(q.State), Subject: q.Provider,
		Details: map[string]string{"proposal": q.ID, "kind": string(q.Kind), "from": q.From.String(), "reason": reason}})
}

// check refuses a proposal that does not fit how the provider stands on its first
// day, and fills in where the provider stands.
func (s *Agreements) check(ctx context.Context, tx *db.Tx, q *Proposal) error {
	p, ok, err := Get(ctx, tx, q.Provider)
	if err != nil {
		return err
	}
	switch {
	case q.Kind == Register:
		if ok {
			return &Error{"code", q.Provider, "已登记为 " + p.Name}
		}
		if err := q.checkNew(); err != nil {
			return err
		}
		p = q.New
	case !ok:
		return &Error{"provider", q.Provider, "没有登记这个医药机构"}
	}
	q.Region = p.Region
	first := s.today().AddDays(1)
	switch {
	case q.From < first || q.From > first.AddMonths(12):
		return &Error{"from", dayOr(q.From), "应为明天（" + first.String() + "）起一年以内的一天：已经过去的日子不能改"}
	case q.To != 0 && q.To < q.From:
		return &Error{"to", q.To.String(), "不能早于开始日期 " + q.From.String()}
	case q.To > q.From.AddMonths(12*maxYears):
		return &Error{"to", q.To.String(), fmt.Sprintf("不能超过 %d 年", maxYears)}
	}
	t := p.Term(q.From)
	no := func(want string) error { return &Error{"kind", q.Kind.Title(), q.From.String() + " " + want} }
	switch q.Kind {
	case Register:
	case Designate:
		if t.Standing == Designated || t.Standing == Suspended {
			return no("已有协议，可以续签或恢复")
		}
	case Renew:
		switch {
		case t.Standing == Expired:
			return no("协议已到期，请重新签订")
		case t.Standing != Designated && t.Standing != Suspended:
			return no("没有可续签的协议")
		case q.To == 0 || q.To <= t.Until:
			want := "请写明新协议的最后一天"
			if t.Until != 0 {
				want = "应晚于现协议的最后一天 " + t.Until.String()
			}
			return &Error{"to", dayOr(q.To), want}
		}
	case Suspend:
		if t.Standing != Designated {
			return no("不是定点，不能中止")
		}
	case Resume:
		if t.Standing != Suspended {
			return no("没有中止，不用恢复")
		}
	case Terminate:
		if t.Standing != Designated && t.Standing != Suspended {
			return no("没有协议，不能解除")
		}
	case Relevel:
		switch {
		case p.Kind != policy.Hospital:
			return no("不是医疗机构，没有等级")
		case q.Level == t.Level:
			return &Error{"level", q.Level.Title(), "与现在的等级相同"}
		}
	default:
		return &Error{"kind", string(q.Kind), "请选择要办的事"}
	}
	if (q.Kind == Resume || q.Kind == Terminate || q.Kind == Relevel) && q.To != 0 {
		q.To = 0 // it has no end
	}
	return nil
}

func dayOr(d civil.Date) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func (q *Proposal) checkNew() error {
	n := &q.New
	n.Designated = false // the agreement says since when
	switch {
	case !codePattern.MatchString(n.Code) || n.Code != q.Provider:
		return &Error{"code", n.Code, "应为 12 位：医疗机构以 H、药店以 P 开头，其后 11 位数字"}
	case (n.Code[0] == 'P') != (n.Kind == policy.Pharmacy):
		return &Error{"kind_of", n.Kind.String(), "与编号的首字母不符：H 是医疗机构，P 是药店"}
	case utf8.RuneCountInString(n.Name) < 2 || utf8.RuneCountInString(n.Name) > 100:
		return &Error{"name", n.Name, "应为 2 至 100 个字"}
	case len(n.Region) != 6:
		return &Error{"region", n.Region, "应为六位统筹区编码"}
	}
	if n.CreditCode != "" {
		if _, err := ident.ParseCreditCode(n.CreditCode); err != nil {
			return &Error{"credit_code", n.CreditCode, err.Error()}
		}
	}
	return nil
}

// Approve makes a proposal hold from its first day on. Who proposed it cannot.
func (s *Agreements) Approve(ctx context.Context, tx *db.Tx, id, actor string) (*Proposal, error) {
	q, err := s.open(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if q.Actor == actor {
		return nil, &Error{"actor", "", "须由另一人批准：提出的人不能自己决定"}
	}
	if err := s.check(ctx, tx, q); err != nil {
		return nil, err
	}
	if q.Kind == Register {
		if err := Add(ctx, tx, q.New); err != nil {
			return nil, err
		}
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(n), 0) FROM agreement_change WHERE provider = ?`, q.Provider).Scan(&n); err != nil {
		return nil, err
	}
	for _, c := range q.changes() {
		n++
		until, level := -1, -1
		if c.renews {
			until = int(c.until)
		}
		if c.levels {
			level = int(c.level)
		}
		if err := tx.Exec(ctx, `INSERT INTO agreement_change (provider, from_day, n, state, until, level, proposal) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			q.Provider, int(c.from), n, string(c.standing), until, level, q.ID); err != nil {
			return nil, err
		}
	}
	tx.Keep(key(q.Provider), nil)
	return q, s.decide(ctx, tx, q, Approved, actor, "")
}

// changes are what a proposal changes.
func (q *Proposal) changes() []change {
	c := change{from: q.From}
	switch q.Kind {
	case Register, Designate:
		c.standing, c.renews, c.until = Designated, true, q.To
	case Renew:
		c.renews, c.until = true, q.To
	case Suspend:
		c.standing = Suspended
		if q.To != 0 {
			return []change{c, {from: q.To.AddDays(1), standing: resumed}}
		}
	case Resume:
		c.standing = resumed
	case Terminate:
		c.standing = Terminated
	case Relevel:
		c.levels, c.level = true, q.Level
	}
	return []change{c}
}

// Decline declines a proposal for a reason. Who proposed it may only revoke it.
func (s *Agreements) Decline(ctx context.Context, tx *db.Tx, id, actor, answer string) (*Proposal, error) {
	q, err := s.open(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if q.Actor == actor {
		return nil, &Error{"actor", "", "须由另一人决定；您可以撤回"}
	}
	if n := utf8.RuneCountInString(answer); n < 4 || n > 500 {
		return nil, &Error{"answer", "", "请写明不批准的原因，4 至 500 个字"}
	}
	return q, s.decide(ctx, tx, q, Declined, actor, answer)
}

// Revoke takes a proposal back. Only who proposed it can.
func (s *Agreements) Revoke(ctx context.Context, tx *db.Tx, id, actor string) (*Proposal, error) {
	q, err := s.open(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if q.Actor != actor {
		return nil, &Error{"actor", "", "只能由提出的人撤回"}
	}
	return q, s.decide(ctx, tx, q, Revoked, actor, "")
}

func (s *Agreements) open(ctx context.Context, tx *db.Tx, id string) (*Proposal, error) {
	q, ok, err := GetProposal(ctx, tx, id)
	if err == nil && ok {
		if err = tx.Lock(ctx, "agreement:"+q.Provider); err == nil {
			q, ok, err = GetProposal(ctx, tx, id)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, &Error{"proposal", id, "没有这一项"}
	case q.State != Proposed:
		return nil, &Error{"proposal", "", "这一项" + q.State.Title() + "，不能再决定"}
	}
	return q, nil
}

func (s *Agreements) decide(ctx context.Context, tx *db.Tx, q *Proposal, to State, actor, answer string) error {
	q.State, q.DecidedAt, q.DecidedBy, q.Answer = to, s.now(), actor, answer
	if err := tx.Exec(ctx, `UPDATE agreement_proposal SET state = ?, decided_at = ?, decided_by = ?, answer = ? WHERE id = ?`,
		string(to), q.DecidedAt.UTC().Format(time.RFC3339), actor, answer, q.ID); err != nil {
		return err
	}
	return s.remember(ctx, tx, q, actor, answer)
}

// ProposalFilter says which proposals a query is for; a field at its zero value
// asks for nothing.
type ProposalFilter struct {
	ID, Provider, Region string
	State                State
	Limit                int // 0: 200
}

// Proposals lists proposals, newest first.
func Proposals(ctx context.Context, tx *db.Tx, f ProposalFilter) (all []*Proposal, err error) {
	var where []string
	var args []any
	for column, value := range map[string]string{"id": f.ID, "provider": f.Provider, "region": f.Region, "state": string(f.State)} {
		if value != "" {
			where = append(where, column+" = ?")
			args = append(args, value)
		}
	}
	query := `SELECT id, provider, region, kind, from_day, to_day, level, facts, reason, state, at, actor, decided_at, decided_by, answer FROM agreement_proposal`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, ` AND `)
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		q := &Proposal{}
		var level int
		var facts, at, decided string
		if err := rows.Scan(&q.ID, &q.Provider, &q.Region, &q.Kind, &q.From, &q.To, &level, &facts, &q.Reason, &q.State, &at, &q.Actor, &decided, &q.DecidedBy, &q.Answer); err != nil {
			return err
		}
		q.Level = policy.Level(max(level, 0))
		if facts != "" {
			if err := json.Unmarshal([]byte(facts), &q.New); err != nil {
				return err
			}
		}
		var err error
		if q.At, err = time.Parse(time.RFC3339, at); err == nil && decided != "" {
			q.DecidedAt, err = time.Parse(time.RFC3339, decided)
		}
		all = append(all, q)
		return err
	}, query+` ORDER BY id DESC LIMIT ?`, append(args, cmp.Or(f.Limit, 200))...)
	return all, err
}

// Waiting is how many proposals of a region, "" for all, wait to be approved.
func Waiting(ctx context.Context, tx *db.Tx, region string) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM agreement_proposal WHERE state = ? AND ? IN ('', region)`, string(Proposed), region).Scan(&n)
	return n, err
}

// GetProposal finds a proposal; ok is false if there is none.
func GetProposal(ctx context.Context, tx *db.Tx, id string) (q *Proposal, ok bool, err error) {
	if id == "" {
		return nil, false, nil
	}
	all, err := Proposals(ctx, tx, ProposalFilter{ID: id, Limit: 1})
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	return all[0], true, nil
}

// Filter says which providers a list is of; a field at its zero value asks for
// nothing.
type Filter struct {
	Region string
	Query  string // part of the name, or of the code
	Kind   *policy.ProviderKind
	On     civil.Date // how they stand: on this day
	Of     Standing   // on that day
}

// maxListed bounds a list; no region has so many.
const maxListed = 20_000

// List lists providers by code, as the register has them: see Provider.On.
func List(ctx context.Context, tx *db.Tx, f Filter) ([]Provider, error) {
	query, args := columns+`WHERE ? IN ('', region) AND (LOWER(name) LIKE LOWER(?) ESCAPE '!' OR code LIKE ? ESCAPE '!')`, []any{f.Region, contains(f.Query), contains(f.Query)}
	if f.Kind != nil {
		query += ` AND kind = ?`
		args = append(args, *f.Kind)
	}
	all, err := list(ctx, tx, query+` ORDER BY code LIMIT ?`, append(args, maxListed)...)
	if f.Of != "" {
		all = slices.DeleteFunc(all, func(p Provider) bool { return p.Term(f.On).Standing != f.Of })
	}
	return all, err
}
