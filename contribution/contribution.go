// Package contribution is the collection of contributions (征缴): who registers
// for which insurance, what is due and from whom, what came in, and what is paid
// back. What is due and when benefits begin are the policy package's to say;
// paying a bill insures the person, in one transaction with the ledger and the
// audit record.
//
// Its methods work inside the caller's transaction.
package contribution

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

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

// Service collects contributions under the packages of a store.
type Service struct {
	store    *policy.Store
	register *enrolment.Register
	now      func() time.Time
}

// New returns a service. now tells the time of what is done; nil is time.Now.
func New(store *policy.Store, register *enrolment.Register, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store, register, now}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

func dayOf(at time.Time) civil.Date { return civil.Of(at.In(zone)) }

func clock(at time.Time) string { return at.In(zone).Format(time.RFC3339Nano) }

func newID() string {
	b := make([]byte, 10)
	rand.Read(b)
	return "B" + hex.EncodeToString(b)
}

// Kind is as what a person is insured (参保身份).
type Kind string

// The kinds of the insured that pay for themselves.
const (
	Resident Kind = "resident" // 普通居民
	Student  Kind = "student"  // 学生儿童
	Newborn  Kind = "newborn"  // 新生儿
	Flexible Kind = "flexible" // 灵活就业人员
	Employed Kind = "employed" // 单位职工, whom their employer declares
	Retiring Kind = "retiring" // 退休补缴, of who retires before having paid long enough
)

var kindTitles = map[Kind]string{Resident: "普通居民", Student: "学生儿童", Newborn: "新生儿", Flexible: "灵活就业人员", Employed: "单位职工", Retiring: "退休补缴"}

// Title is the kind in Chinese.
func (k Kind) Title() string { return kindTitles[k] }

// Scheme is the insurance (险种) of the kind.
func (k Kind) Scheme() policy.Scheme {
	if k == Flexible || k == Employed || k == Retiring {
		return policy.Employee
	}
	return policy.Resident
}

// Ground is why a person may be insured as a resident (参保依据).
type Ground string

// The grounds: S0-07 of the policy facts.
const (
	Household Ground = "household" // 本地户籍
	Permit    Ground = "permit"    // 居住证
)

// Registration is a person's registration for insurance (参保登记).
type Registration struct {
	Person   string
	Kind     Kind
	Ground   Ground // of residents
	From, To civil.Date
	Wage     money.Fen // declared monthly base (申报缴费基数) of flexible employment
	Actor    string
}

// Register registers a person for insurance (参保登记). One who is in the
// employees' insurance is not registered as a resident (一人不得重复参保); a
// resident who takes up employment or pays as an employee may be, and gets the
// residents' contribution back (see Refund). A registration ends the one before
// in the same scheme.
func (s *Service) Register(ctx context.Context, tx *db.Tx, q Registration) error {
	who, all, err := s.hold(ctx, tx, q.Person)
	if err != nil {
		return err
	}
	if q.From == 0 {
		q.From = dayOf(s.now())
	}
	scheme := q.Kind.Scheme()
	switch {
	case q.Kind.Title() == "" || q.Kind == Employed || q.Kind == Retiring:
		return &Error{"kind", string(q.Kind), "应为 resident（普通居民）、student（学生儿童）、newborn（新生儿）或 flexible（灵活就业人员）"}
	case q.To != 0 && q.To < q.From:
		return &Error{"to", q.To.String(), "早于登记日 " + q.From.String()}
	case q.Kind == Flexible && q.Wage <= 0:
		return &Error{"wage", q.Wage.String(), "灵活就业人员须申报月缴费基数"}
	case q.Kind != Flexible && q.Wage != 0:
		return &Error{"wage", q.Wage.String(), "居民不申报缴费基数"}
	case scheme == policy.Resident && q.Ground != Household && q.Ground != Permit:
		return &Error{"ground", string(q.Ground), "居民参保须有本地户籍（household）或居住证（permit）"}
	case q.Kind == Newborn && (who.Birth > q.From || q.From > who.Birth.AddMonths(12)):
		return &Error{"kind", string(q.Kind), "新生儿指出生一年内的参保人，出生日为 " + who.Birth.String()}
	}
	if scheme == policy.Resident {
		if i, ok := enrolment.Overlapping(all, policy.Employee, q.From, q.From); ok {
			return &Error{"person", q.Person, "自 " + i.From.String() + " 起已参加职工医保，不能重复参加居民医保"}
		}
	}
	if err := tx.Exec(ctx, `UPDATE registration SET to_day = ? WHERE person = ? AND scheme = ? AND from_day < ? AND (to_day = 0 OR to_day >= ?)`,
		int(q.From.AddDays(-1)), q.Person, scheme, int(q.From), int(q.From)); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO registration (person, scheme, from_day, to_day, kind, ground, wage) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (person, scheme, from_day) DO UPDATE SET to_day = excluded.to_day, kind = excluded.kind, ground = excluded.ground, wage = excluded.wage`,
		q.Person, scheme, int(q.From), int(q.To), string(q.Kind), string(q.Ground), int64(q.Wage)); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Chain: audit.OfPerson(q.Person), Action: "contribution.register", Subject: q.Person,
		Details: map[string]string{"kind": string(q.Kind), "from": q.From.String()}})
}

// registered is a person's registration in the scheme on a day.
func registered(ctx context.Context, tx *db.Tx, person string, scheme policy.Scheme, day civil.Date) (Registration, error) {
	r := Registration{Person: person}
	err := tx.QueryRow(ctx, `SELECT from_day, to_day, kind, ground, wage FROM registration WHERE person = ? AND scheme = ? AND from_day <= ? AND (to_day = 0 OR to_day >= ?)
		ORDER BY from_day DESC LIMIT 1`, person, scheme, int(day), int(day)).Scan(&r.From, &r.To, &r.Kind, &r.Ground, &r.Wage)
	if db.IsNotFound(err) {
		return r, &Error{"person", person, "没有" + scheme.Title() + "医保的参保登记，请先登记"}
	}
	return r, err
}

// hold holds a person, so that what is decided upon them happens one after the
// other, and reads them as look does.
func (s *Service) hold(ctx context.Context, tx *db.Tx, id string) (enrolment.Person, []enrolment.Insurance, error) {
	if err := s.register.ExpectAlone(ctx, tx, id); err != nil {
		return enrolment.Person{}, nil, err
	}
	return s.look(ctx, tx, id)
}

// look reads who a person is and how they were insured.
func (s *Service) look(ctx context.Context, tx *db.Tx, id string) (enrolment.Person, []enrolment.Insurance, error) {
	all, err := enrolment.Timeline(ctx, tx, id)
	if err != nil {
		return enrolment.Person{}, nil, err
	}
	p, ok, err := s.register.ByID(ctx, tx, id)
	if err == nil && !ok {
		err = &Error{"person", id, "没有这个人员编号"}
	}
	return p, all, err
}

// Part is one payer's share of a contribution.
type Part struct {
	ID      string    `json:"id"` // of the assessment in the package
	Title   string    `json:"title"`
	Payer   string    `json:"payer"`          // see policy.Assessment
	Fund    string    `json:"fund,omitempty"` // "": the personal account
	Amount  money.Fen `json:"fen"`
	Formula string    `json:"formula"`
	Source  string    `json:"source"` // document and article
}

// State is where a bill stands.
type State uint8

// The states.
const (
	Open      State = iota // 待缴
	Paid                   // 已缴
	Cancelled              // 已撤销
	Refunded               // 已退费
)

var stateTitles = [...]string{"待缴", "已缴", "已撤销", "已退费"}

// Title is the state in Chinese.
func (s State) Title() string { return stateTitles[s] }

// Bill is what is due for a person's insurance over one period (应缴核定).
type Bill struct {
	ID       string
	Person   string
	Region   string
	Scheme   policy.Scheme
	Kind     Kind
	Mended   int // years without insurance that are paid up (缴费修复)
	From, To civil.Date
	Parts    []Part
	Due      money.Fen // what the person pays
	Package  string
	State    State
	Why      string // once it is paid: when benefits begin, and why; once it is undone: why
	MadeAt   time.Time
	PaidAt   time.Time // zero: not paid
}

// Request asks for a bill.
type Request struct {
	Person string
	Scheme policy.Scheme
	Month  civil.Date // a day of the month to pay for, of monthly contributions; zero: the current one
	Mended int        // years without insurance to pay up
	Actor  string
}

// Quote is a bill that is not made, with when benefits would begin if it were
// paid today.
type Quote struct {
	Bill
	Start policy.Start
}

// Quote says what would be due, and from when benefits would begin (参保试算).
// It writes nothing.
func (s *Service) Quote(ctx context.Context, tx *db.Tx, q Request) (*Quote, error) {
	who, all, err := s.look(ctx, tx, q.Person)
	if err != nil {
		return nil, err
	}
	reg, err := registered(ctx, tx, q.Person, q.Scheme, dayOf(s.now()))
	if err != nil {
		return nil, err
	}
	return s.quote(ctx, tx, who, all, reg, q)
}

func (s *Service) quote(ctx context.Context, tx *db.Tx, who enrolment.Person, all []enrolment.Insurance, reg Registration, q Request) (*Quote, error) {
	today := dayOf(s.now())
	out := &Quote{Bill: Bill{Person: who.ID, Region: who.Region, Scheme: q.Scheme, Kind: reg.Kind, Mended: q.Mended, MadeAt: s.now()}}
	b := &out.Bill
	var err error
	if out.Start, err = s.starts(ctx, tx, who, all, b, today, 0); err != nil {
		return nil, err
	}
	period := "year"
	b.From, b.To = out.Start.Year, out.Start.Until
	if q.Scheme == policy.Employee {
		period = "month"
		day := q.Month
		if day == 0 {
			day = today
		}
		b.From = civil.New(day.Year(), day.Month(), 1)
		b.To = b.From.AddMonths(1).AddDays(-1)
	}
	if q.Mended < 0 || q.Mended > 0 && q.Mended > s.broken(who.Region, all, b.From) {
		return nil, &Error{"mended", fmt.Sprint(q.Mended), fmt.Sprintf("可修复的断缴年数至多为 %d", s.broken(who.Region, all, b.From))}
	}
	c, pkg, err := s.caseOf(ctx, tx, who, all, b, max(b.From, today))
	if err != nil {
		return nil, err
	}
	if slot := pkg.FactSlot("wage"); slot >= 0 && reg.Wage > 0 {
		pkg.SetFact(c, "wage", int64(reg.Wage))
	}
	b.Package = pkg.From.String() + " " + pkg.Version
	items, err := s.store.Assess(policy.Contribution, c)
	if err != nil {
		return nil, inputError(err)
	}
	for _, a := range items {
		if a.Period != period {
			continue
		}
		if a.Unknown != "" {
			return nil, &Error{"scheme", q.Scheme.Title(), a.Title + "：" + a.Unknown}
		}
		if a.Amount == 0 {
			continue
		}
		p := partOf(a)
		if a.Payer == "person" {
			b.Due += a.Amount
		}
		b.Parts = append(b.Parts, p)
	}
	if len(b.Parts) == 0 {
		return nil, &Error{"scheme", q.Scheme.Title(), "本统筹区没有" + reg.Kind.Title() + "的缴费标准"}
	}
	return out, nil
}

// inputError turns a fault of the case into one of the request.
func inputError(err error) error {
	var e *policy.InputError
	if errors.As(err, &e) {
		return &Error{e.Field, e.Value, e.Want}
	}
	return err
}

// payer is who pays b, with their classes on a day.
func (s *Service) payer(ctx context.Context, tx *db.Tx, who enrolment.Person, all []enrolment.Insurance, b *Bill, day civil.Date) (*coverage.Payer, error) {
	classes, err := enrolment.Classes(ctx, tx, who.ID, day)
	return &coverage.Payer{Person: who, Insurance: all, Classes: classes, Scheme: b.Scheme,
		Student: b.Kind == Student, Newborn: b.Kind == Newborn, Flexible: b.Kind == Flexible, Mended: b.Mended}, err
}

// caseOf is the case of a person for whom b is due, on a day.
func (s *Service) caseOf(ctx context.Context, tx *db.Tx, who enrolment.Person, all []enrolment.Insurance, b *Bill, day civil.Date) (*policy.Case, *policy.Package, error) {
	p, err := s.payer(ctx, tx, who, all, b, day)
	if err != nil {
		return nil, nil, err
	}
	c, pkg, err := coverage.Case(s.store, p, day)
	return c, pkg, inputError(err)
}

// broken is how many years before the one that begins on year went unpaid.
func (s *Service) broken(region string, all []enrolment.Insurance, year civil.Date) int {
	return coverage.Broken(s.store, region, all, year)
}

// starts says when benefits begin if b is paid on a day: see coverage.Starts.
func (s *Service) starts(ctx context.Context, tx *db.Tx, who enrolment.Person, all []enrolment.Insurance, b *Bill, day, year civil.Date) (policy.Start, error) {
	p, err := s.payer(ctx, tx, who, all, b, day)
	if err != nil {
		return policy.Start{}, err
	}
	best, ok, err := coverage.Starts(s.store, p, day, year)
	switch {
	case err != nil:
		return best, inputError(err)
	case ok && best.Unknown != "":
		return best, &Error{"scheme", b.Scheme.Title(), best.Title + "：" + best.Unknown}
	case ok:
		return best, nil
	}
	return policy.Start{}, &Error{"scheme", b.Scheme.Title(), "统筹区 " + who.Region + " 的政策包没有" + day.String() + "的缴费期与待遇起算规定"}
}

// Make makes the bill of a period (核定应缴), or returns the one that is open if
// the same is due. One that is open for another amount is cancelled. A bill of
// which nothing is due from the person, since others pay it all, is paid at once.
func (s *Service) Make(ctx context.Context, tx *db.Tx, q Request) (*Bill, error) {
	who, all, err := s.hold(ctx, tx, q.Person)
	if err != nil {
		return nil, err
	}
	reg, err := registered(ctx, tx, q.Person, q.Scheme, dayOf(s.now()))
	if err != nil {
		return nil, err
	}
	quote, err := s.quote(ctx, tx, who, all, reg, q)
	if err != nil {
		return nil, err
	}
	b := &quote.Bill
	if i, ok := enrolment.Overlapping(all, b.Scheme, b.From, b.To); ok && i.Status != policy.Arrears {
		return nil, &Error{"person", b.Person, b.From.String() + " 至 " + b.To.String() + " 已参加" + b.Scheme.Title() + "医保（自 " + i.From.String() + " 起），不必再缴"}
	}
	if b.Scheme == policy.Resident {
		if i, ok := enrolment.Overlapping(all, policy.Employee, b.From, b.From); ok {
			return nil, &Error{"person", b.Person, "自 " + i.From.String() + " 起已参加职工医保，不能重复参加居民医保"}
		}
	}
	open, err := s.bills(ctx, tx, `person = ? AND scheme = ? AND from_day = ? AND state = 0`, b.Person, b.Scheme, int(b.From))
	if err != nil {
		return nil, err
	}
	for i := range open {
		if o := &open[i]; o.same(b) {
			return o, nil
		}
		if err := s.move(ctx, tx, &open[i], Cancelled, "应缴重新核定", q.Actor); err != nil {
			return nil, err
		}
	}
	if err := s.keepBill(ctx, tx, b, q.Actor); err != nil {
		return nil, err
	}
	if b.Due == 0 {
		return b, s.apply(ctx, tx, who, all, b, s.now(), q.Actor)
	}
	return b, nil
}

// same reports whether two bills ask for the same.
func (b *Bill) same(o *Bill) bool {
	x, _ := json.Marshal([]any{b.Parts, b.Kind, b.Mended, b.Due, b.To})
	y, _ := json.Marshal([]any{o.Parts, o.Kind, o.Mended, o.Due, o.To})
	return string(x) == string(y)
}

// billFacts are what decides a bill beside the registers.
type billFacts struct {
	Kind   Kind `json:"kind"`
	Mended int  `json:"mended"`
}

func (s *Service) record(ctx context.Context, tx *db.Tx, b *Bill, action, actor string, details map[string]string) error {
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: audit.OfPerson(b.Person), Action: action, Subject: b.ID, Details: details})
}

// move changes the state of a bill.
func (s *Service) move(ctx context.Context, tx *db.Tx, b *Bill, to State, why, actor string) error {
	paidAt := ""
	if !b.PaidAt.IsZero() {
		paidAt = clock(b.PaidAt)
	}
	b.State, b.Why = to, why
	if err := tx.Exec(ctx, `UPDATE bill SET state = ?, why = ?, paid_at = ? WHERE id = ?`, to, why, paidAt, b.ID); err != nil {
		return err
	}
	return s.record(ctx, tx, b, "contribution."+[...]string{"open", "paid", "cancelled", "refunded"}[to], actor, map[string]string{"due": b.Due.String()})
}

// Cancel cancels an open bill (撤销应缴).
func (s *Service) Cancel(ctx context.Context, tx *db.Tx, id, why, actor string) (*Bill, error) {
	if why == "" {
		return nil, &Error{"why", "", "须写明撤销原因"}
	}
	b, err := s.holdBill(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if b.State != Open {
		return nil, &Error{"bill", id, "已是「" + b.State.Title() + "」，只有待缴的可以撤销"}
	}
	return b, s.move(ctx, tx, b, Cancelled, why, actor)
}

// holdBill holds the person of a bill, and reads the bill.
func (s *Service) holdBill(ctx context.Context, tx *db.Tx, id string) (*Bill, error) {
	found, err := s.bills(ctx, tx, `id = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &Error{"bill", id, "没有这笔应缴"}
	}
	if err := s.register.ExpectAlone(ctx, tx, found[0].Person); err != nil {
		return nil, err
	}
	found, err = s.bills(ctx, tx, `id = ?`, id)
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// Bills lists a person's bills, oldest period first.
func (s *Service) Bills(ctx context.Context, tx *db.Tx, person string) ([]Bill, error) {
	return s.bills(ctx, tx, `person = ?`, person)
}

func (s *Service) bills(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Bill, error) {
	var out []Bill
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var b Bill
		var facts, parts, made, paid string
		err := rows.Scan(&b.ID, &b.Person, &b.Region, &b.Scheme, &b.From, &b.To, &facts, &parts, &b.Due, &b.Package, &b.State, &made, &paid, &b.Why)
		if err != nil {
			return err
		}
		var f billFacts
		if err := errors.Join(json.Unmarshal([]byte(facts), &f), json.Unmarshal([]byte(parts), &b.Parts)); err != nil {
			return fmt.Errorf("bill %s: %w", b.ID, err)
		}
		b.Kind, b.Mended = f.Kind, f.Mended
		if b.MadeAt, err = time.Parse(time.RFC3339Nano, made); err != nil {
			return fmt.Errorf("bill %s: %w", b.ID, err)
		}
		if paid != "" {
			if b.PaidAt, err = time.Parse(time.RFC3339Nano, paid); err != nil {
				return fmt.Errorf("bill %s: %w", b.ID, err)
			}
		}
		out = append(out, b)
		return nil
	}, `SELECT id, person, region, scheme, from_day, to_day, facts, parts, due, package, state, made_at, paid_at, why FROM bill WHERE `+where+` ORDER BY person, from_day, n`, args...)
	return out, err
}
