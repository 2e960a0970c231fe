// Package claim is manual reimbursement (手工报销): people who paid for their care
// themselves ask for what the funds owe them. A claim goes one way,
//
//	application 申请 → acceptance 受理 → first review 初审 → second review 复核 → payment 支付
//
// and each step is another person's. It may come back for more papers (退回补正),
// be refused, or be appealed. Officers write down what the invoices say and may
// refuse a line with a reason; what is paid the engine decides, through the
// settlement that decides all care, on the sums of the same year. Nobody types a
// total.
//
// What a claim asks for — papers, terms, reasons — the region's package says. An
// invoice counts once, among all claims and all settlements.
package claim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/outbox"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/workday"
)

// Error is a fault of the request: which field, what it holds, what is allowed.
type Error struct{ Field, Value, Want string }

func (e *Error) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return e.Field + "「" + e.Value + "」：" + e.Want
}

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// State is where a claim stands.
type State string

// The states.
const (
	Draft     State = "draft"
	Submitted State = "submitted" // waits for acceptance
	Accepted  State = "accepted"  // waits for the first review
	Reviewed  State = "reviewed"  // waits for the second
	Approved  State = "approved"  // waits to be paid
	Paying    State = "paying"    // is with the bank
	Failed    State = "failed"    // the bank could not pay: the account is to be mended
	Paid      State = "paid"
	Closed    State = "closed"   // decided, and nothing is owed
	Returned  State = "returned" // waits for papers
	Refused   State = "refused"
	Withdrawn State = "withdrawn"
	Appealed  State = "appealed" // waits for an officer who had no part in it
)

// States are all states, in the order of their work.
func States() []State {
	return []State{Draft, Submitted, Returned, Accepted, Reviewed, Appealed, Approved, Failed, Paying, Paid, Closed, Refused, Withdrawn}
}

// Title is the state as officers name it.
func (s State) Title() string {
	return map[State]string{Draft: "草稿", Submitted: "待受理", Accepted: "待初审", Reviewed: "待复核", Approved: "待支付", Paying: "支付中", Failed: "支付失败",
		Paid: "已支付", Closed: "已办结", Returned: "退回补正", Refused: "不予报销", Withdrawn: "已撤回", Appealed: "申诉中"}[s]
}

// Over reports whether nothing more happens to a claim but an appeal.
func (s State) Over() bool { return s == Paid || s == Closed || s == Refused || s == Withdrawn }

// Bank is where a person is paid (收款账户).
type Bank struct {
	Name    string // 开户行
	Account string
	Holder  string // 户名
}

// Invoice is a receipt of what was paid (票据).
type Invoice struct {
	N            int
	Code, Number string
	Original     string // number of the lost one in whose place it was issued (补办)
	Day          civil.Date
	Total        money.Fen
}

// key tells an invoice from all others.
func key(code, number string) string { return code + "/" + number }

// Line is one item of an invoice.
type Line struct {
	Invoice, N int
	Item       string // code in the catalogue, "" if none was found
	Name       string // as the invoice has it
	Day        civil.Date
	Quantity   catalogue.Quantity
	Price      int64 // 10^-6 yuan
	Amount     money.Fen
	Refused    string // why an officer does not let it be paid, "" if the catalogue decides
}

// Step is a state that a claim went through.
type Step struct {
	State State
	At    time.Time
	Actor string
	Note  string
}

// Claim is an application for reimbursement.
type Claim struct {
	ID       string
	Person   string
	Region   string
	Reason   string // as the package names it
	Kind     policy.VisitKind
	State    State
	Back     State  // of a returned claim: where it goes when it comes back
	Before   State  // of an appealed one: where it stood
	Proposal string // of the first review: pay or refuse
	Provider string // code of where care was given, as the officer found it; "" before
	From, To civil.Date
	Total    money.Fen // of its invoices
	Channel  string
	Entered  string // who applied, or wrote the application down
	Accepter string // who accepted it
	Reviewer string // who reviewed it first
	Decided  civil.Date
	Due      civil.Date // last day on which to do what it waits for; 0: no term
	Made     time.Time
	Details

	Invoices    []Invoice
	Lines       []Line
	Steps       []Step
	Settlements []string // that stand, oldest first
}

// Details are what of a claim is kept sealed.
type Details struct {
	Where       string // the provider's name, as the person wrote it
	Bank        Bank
	Phone       string
	Note        string
	Cause       policy.Cause
	Disease     string // code of the special disease
	DiseaseName string
}

// Late reports whether a day is after the last on which to do what is due.
func (c *Claim) Late(day civil.Date) bool { return c.Due != 0 && c.Due < day && !c.State.Over() }

// Stay reports whether the care was a stay.
func (c *Claim) Stay() bool {
	return c.Kind == policy.Inpatient || c.Kind == policy.Maternity || c.Kind == policy.DaySurgery
}

// Why is the note of the last step.
func (c *Claim) Why() string {
	if len(c.Steps) == 0 {
		return ""
	}
	return c.Steps[len(c.Steps)-1].Note
}

// Service keeps claims.
type Service struct {
	register *enrolment.Register
	care     *settlement.Service
	papers   *paper.Service
	sealer   *gm.Sealer
	now      func() time.Time
}

// New returns a service; now nil is time.Now.
func New(register *enrolment.Register, care *settlement.Service, papers *paper.Service, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{register, care, papers, register.Sealer(), now}
}

var zone = time.FixedZone("CST", 8*60*60)

func (s *Service) today() civil.Date { return civil.Of(s.now().In(zone)) }

// Rules are how people of a region claim today.
func (s *Service) Rules(region string) (*policy.ClaimRules, error) {
	rules, ok, err := s.care.Policies().Claims(region, s.today())
	if err == nil && !ok {
		err = &Error{"region", region, "政策包没有写明手工报销怎么办，请咨询经办机构"}
	}
	return rules, err
}

// Papers are the papers that a claim needs, and those of them that are missing.
func (s *Service) Papers(ctx context.Context, tx *db.Tx, c *Claim) (asked, missing []string, have []paper.File, err error) {
	rules, err := s.Rules(c.Region)
	if err != nil {
		return nil, nil, nil, err
	}
	reason, _ := rules.Reason(c.Reason)
	asked = rules.Asked(reason, c.Kind)
	have, err = s.papers.List(ctx, tx, c.ID)
	return asked, paper.Missing(asked, have), have, err
}

// hold makes the transactions about a claim's person happen one after the other,
// and reads the claim as it stands then.
func (s *Service) hold(ctx context.Context, tx *db.Tx, id string) (*Claim, error) {
	var person string
	err := tx.QueryRow(ctx, `SELECT person FROM claim WHERE id = ?`, id).Scan(&person)
	if db.IsNotFound(err) {
		return nil, &Error{"id", id, "没有这个报销申请"}
	}
	if err != nil {
		return nil, err
	}
	if err := s.care.Expect(ctx, tx, "", person, true); err != nil {
		return nil, err
	}
	c, _, err := s.Get(ctx, tx, id)
	return c, err
}

// expect refuses what may not be done in the claim's state.
func (c *Claim) expect(do string, states ...State) error {
	if slices.Contains(states, c.State) {
		return nil
	}
	return &Error{"id", c.ID, "这个申请" + c.State.Title() + "，不能" + do}
}

// other refuses an officer who did an earlier step (不相容岗位).
func (c *Claim) other(actor, do string, before ...string) error {
	if actor == "" || slices.Contains(before, actor) {
		return &Error{"actor", actor, "经手过前面环节的人不能" + do + "，请由他人办理"}
	}
	return nil
}

// step brings a claim into a state and records it.
func (s *Service) step(ctx context.Context, tx *db.Tx, c *Claim, to State, actor, note string) error {
	at := s.now()
	c.State = to
	c.Steps = append(c.Steps, Step{to, at, actor, note})
	if err := s.save(ctx, tx, c); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO claim_step (claim, n, state, at, actor, note) VALUES (?, ?, ?, ?, ?, ?)`,
		c.ID, len(c.Steps), string(to), at.UTC().Format(time.RFC3339Nano), actor, note); err != nil {
		return err
	}
	if err := audit.Append(ctx, tx, audit.Record{At: at, Actor: actor, Chain: audit.OfPerson(c.Person), Action: "claim." + string(to), Subject: c.ID}); err != nil {
		return err
	}
	return s.tell(ctx, tx, c, note)
}

// tell sends the person word of where the claim stands.
func (s *Service) tell(ctx context.Context, tx *db.Tx, c *Claim, note string) error {
	text := map[State]string{Submitted: "已提交", Accepted: "已受理", Returned: "需要补正", Approved: "已审核通过", Paid: "已支付", Closed: "已办结", Failed: "没有付成", Refused: "不予报销", Appealed: "申诉已收到"}[c.State]
	if text == "" {
		return nil
	}
	p, _, err := s.register.ByID(ctx, tx, c.Person)
	if err != nil {
		return err
	}
	phone := c.Phone
	if phone == "" {
		phone = p.Phone
	}
	if phone == "" {
		return nil
	}
	text = "【安济医保】手工报销申请 " + c.ID + " " + text
	switch {
	case c.State == Approved || c.State == Paid:
		owed, err := s.Owed(ctx, tx, c)
		if err != nil {
			return err
		}
		if c.State == Approved {
			text += "，应付 " + owed.Grouped() + " 元"
		}
	case note != "":
		text += "：" + note
	case c.Due != 0:
		text += "，" + c.Due.String() + " 前办理"
	}
	return outbox.Put(ctx, tx, s.sealer, outbox.Message{Phone: phone, Text: text + "。", Made: s.now()})
}

// due sets the last day of what comes next, days working days from today.
func (s *Service) due(c *Claim, days int) {
	c.Due = 0
	if days > 0 {
		c.Due = workday.China().Add(s.today(), days)
	}
}

const sealDetails = "claim.details"

func (s *Service) seal(d *Details) ([]byte, error) {
	plain, err := json.Marshal(d)
	return s.sealer.Seal(sealDetails, string(plain)), err
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, c *Claim) error {
	sealed, err := s.seal(&c.Details)
	if err != nil {
		return err
	}
	return tx.Exec(ctx, `INSERT INTO claim (id, person, region, reason, kind, state, provider, from_day, to_day, total, channel, entered, made, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID, c.Person, c.Region, c.Reason, c.Kind, string(c.State), c.Provider, int(c.From), int(c.To), int64(c.Total), c.Channel, c.Entered, c.Made.UTC().Format(time.RFC3339Nano), sealed)
}

func (s *Service) save(ctx context.Context, tx *db.Tx, c *Claim) error {
	sealed, err := s.seal(&c.Details)
	if err != nil {
		return err
	}
	return tx.Exec(ctx, `UPDATE claim SET reason = ?, kind = ?, state = ?, returned = ?, before = ?, proposal = ?, provider = ?, from_day = ?, to_day = ?, total = ?, channel = ?, entered = ?,
		accepted = ?, reviewed = ?, decided = ?, due = ?, details = ? WHERE id = ?`,
		c.Reason, c.Kind, string(c.State), string(c.Back), string(c.Before), c.Proposal, c.Provider, int(c.From), int(c.To), int64(c.Total), c.Channel, c.Entered,
		c.Accepter, c.Reviewer, int(c.Decided), int(c.Due), sealed, c.ID)
}

// plain keeps letters and digits of a number, in capitals.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, s)
}

func newID(at time.Time) string {
	b := make([]byte, 5)
	rand.Read(b)
	return "B" + at.In(zone).Format("20060102150405") + hex.EncodeToString(b)
}

func errorf(field, value, format string, args ...any) error {
	return &Error{field, value, fmt.Sprintf(format, args...)}
}
