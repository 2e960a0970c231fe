package filing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
)

// Service takes applications and makes them take effect, inside the caller's
// transaction.
type Service struct {
	register *enrolment.Register
	care     *settlement.Service
	sealer   *gm.Sealer
	decider  Decider
	papers   *paper.Service
	now      func() time.Time
}

// New returns a service. decider nil is Plain, now nil is time.Now.
func New(register *enrolment.Register, care *settlement.Service, sealer *gm.Sealer, decider Decider, now func() time.Time) *Service {
	if decider == nil {
		decider = Plain{}
	}
	if now == nil {
		now = time.Now
	}
	return &Service{register, care, sealer, decider, paper.New(sealer, now), now}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

const clock = "2006-01-02 15:04:05"

func (s *Service) today() civil.Date { return civil.Of(s.now().In(zone)) }

// Declaration is what a provider declares.
type Declaration struct {
	Person   string
	Scheme   *policy.Scheme // nil: the one that counts on the first day
	Provider string         // who declares
	From, To civil.Date     // To 0 is open
	Details  Details
	Actor    string // who does it, for the record
}

// Declare takes an application and lets the decider decide on it. What it
// cannot take is an *Error; what the decider refuses or returns comes back in
// that state, with the reason, for the caller to keep or to undo.
func (s *Service) Declare(ctx context.Context, tx *db.Tx, q Declaration) (*Application, error) {
	a := &Application{Person: q.Person, Provider: q.Provider, From: q.From, To: q.To, Details: q.Details}
	f := &Facts{Today: s.today()}
	if err := s.care.Expect(ctx, tx, "", q.Person, true); err != nil {
		return nil, err
	}
	if err := s.complete(ctx, tx, a, f, q.Scheme); err != nil {
		return nil, err
	}
	if err := s.vacant(ctx, tx, a); err != nil {
		return nil, err
	}
	a.ID = newID(s.now())
	sealed, err := s.seal(&a.Details)
	if err != nil {
		return nil, err
	}
	if err := tx.Exec(ctx, `INSERT INTO filing_application (id, kind, person, region, scheme, provider, subject, from_day, to_day, state, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ID, string(a.Kind()), a.Person, a.Region, a.Scheme, a.Provider, a.Details.subject(), int(a.From), int(a.To), string(Submitted), sealed); err != nil {
		return nil, err
	}
	if err := s.step(ctx, tx, a, Submitted, q.Actor, ""); err != nil {
		return nil, err
	}
	d := s.decider.Decide(a, f)
	if d.State == Submitted {
		return a, nil
	}
	return a, s.decide(ctx, tx, a, d, "规则审核")
}

// complete checks what an application says of itself and fills in what the
// registers know.
func (s *Service) complete(ctx context.Context, tx *db.Tx, a *Application, f *Facts, scheme *policy.Scheme) error {
	var ok bool
	var err error
	if f.Person, ok, err = s.register.ByID(ctx, tx, a.Person); err != nil {
		return err
	} else if !ok {
		return &Error{"person", a.Person, "没有这个人员编号"}
	}
	a.Region = f.Person.Region
	if _, ok, err := provider.Get(ctx, tx, a.Provider); err != nil {
		return err
	} else if !ok {
		return &Error{"provider", a.Provider, "没有登记这个医药机构"}
	}
	switch {
	case a.From == 0:
		return &Error{"from", "", "须写明开始日期"}
	case a.To != 0 && a.To < a.From:
		return &Error{"to", a.To.String(), "早于开始日期 " + a.From.String()}
	}
	if x := a.Details.Injury; x != nil {
		if x.On == 0 {
			return &Error{"injury.on", "", "须写明受伤时间"}
		}
		if x.Provider == "" {
			x.Provider = a.Provider
		}
	}
	code, name := a.Details.target()
	if f.Target, ok, err = provider.Get(ctx, tx, code); err != nil {
		return err
	} else if !ok {
		return &Error{"target", code, "没有登记这个医药机构，可用机构查询取得编号"}
	}
	f.Target = f.Target.On(a.From)
	*name = f.Target.Name
	if err := s.whole(ctx, tx, a, f); err != nil {
		return err
	}
	spells, err := enrolment.Insurances(ctx, tx, a.Person, a.From)
	if err != nil {
		return err
	}
	f.Insurance = enrolment.Counting(spells)
	a.Scheme = f.Insurance.Scheme
	if scheme != nil && *scheme != a.Scheme {
		a.Scheme, f.Insurance = *scheme, enrolment.Insurance{Status: policy.NotInsured}
		for _, i := range spells {
			if i.Scheme == *scheme {
				f.Insurance = i
			}
		}
	}
	return nil
}

// whole checks what only one kind of application has.
func (s *Service) whole(ctx context.Context, tx *db.Tx, a *Application, f *Facts) error {
	switch x := &a.Details; a.Kind() {
	case KindReferral:
		r := x.Referral
		switch {
		case r.Provider == a.Provider:
			return &Error{"target", r.Provider, "转往机构就是本机构"}
		case !ident.Region(r.Region).Within(ident.Region(f.Target.Region)):
			return &Error{"referral.region", r.Region, "转往机构 " + f.Target.Code + " 在 " + f.Target.Region}
		}
		r.Region = f.Target.Region
		if r.Visit == "" {
			return nil
		}
		v, ok, err := s.care.GetVisit(ctx, tx, r.Visit)
		if err == nil && (!ok || v.Provider != a.Provider || v.Person != a.Person) {
			err = &Error{"referral.visit", r.Visit, "本机构没有该人员的这次就诊"}
		}
		return err
	case KindDisease:
		if x.Disease.Code == "" || x.Disease.Name == "" {
			return &Error{"disease.code", x.Disease.Code, "须写明病种的代码和名称"}
		}
	case KindDesignation:
		if x.Designation.Rank < 1 {
			return &Error{"designation.rank", fmt.Sprint(x.Designation.Rank), "应为从 1 起的序号"}
		}
	}
	return nil
}

// vacant refuses an application for what is applied for, or holds, already on
// one of its days.
func (s *Service) vacant(ctx context.Context, tx *db.Tx, a *Application) error {
	before, err := s.List(ctx, tx, Filter{Person: a.Person, Kind: a.Kind(), From: a.From, To: a.To})
	if err != nil {
		return err
	}
	subject := a.Details.subject()
	for _, b := range before {
		switch {
		case b.State != Accepted && b.State != Submitted:
		case b.Details.subject() == subject:
			return &Error{"subject", subject, "已有" + a.Kind().Title() + " " + b.ID + "（" + b.State.Title() + "，" + span(b.From, b.To) + "），不能重复申报"}
		case a.Kind() == KindDesignation && b.Details.Designation.Purpose == a.Details.Designation.Purpose && b.Details.Designation.Rank == a.Details.Designation.Rank:
			return &Error{"designation.rank", fmt.Sprint(a.Details.Designation.Rank), "已由备案 " + b.ID + " 用于 " + b.Details.Designation.ProviderName + "（" + span(b.From, b.To) + "），更换机构请先撤销"}
		}
	}
	return free(ctx, tx, a)
}

// free refuses an application for what holds already on one of its days: that
// may be older than any application, or what is left of one that was withdrawn.
func free(ctx context.Context, tx *db.Tx, a *Application) error {
	subject := a.Details.subject()
	switch a.Kind() {
	case KindDisease:
		all, err := enrolment.SpecialDiseasesWithin(ctx, tx, a.Person, a.From, a.To)
		for _, d := range all {
			if d.Code == subject {
				return &Error{"subject", subject, "该病种已有认定，" + span(d.From, d.To) + "，与申报的日期重叠"}
			}
		}
		return err
	case KindReferral:
		all, err := enrolment.FilingsWithin(ctx, tx, a.Person, a.From, a.To)
		for _, x := range all {
			if x.Region == a.Details.Referral.Region && x.From == a.From {
				return &Error{"from", a.From.String(), "这一天已有到 " + x.Region + " 就医的备案，" + span(x.From, x.To)}
			}
		}
		return err
	case KindDesignation:
		all, err := Designations(ctx, tx, a.Person, a.Details.Designation.Purpose, a.From, a.To)
		for _, x := range all {
			if x.Provider == a.Details.Designation.Provider {
				return &Error{"subject", subject, "该机构已是定点，" + span(x.From, x.To) + "，与申报的日期重叠"}
			}
		}
		return err
	}
	return nil
}

// span says on which days something holds.
func span(from, to civil.Date) string {
	if to == 0 {
		return "自 " + from.String() + " 起有效"
	}
	return from.String() + " 至 " + to.String() + " 有效"
}

// Decide decides on an application that was left to an officer.
func (s *Service) Decide(ctx context.Context, tx *db.Tx, id string, d Decision, actor string) (*Application, error) {
	a, ok, err := s.Get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Error{"id", id, "没有这个备案"}
	}
	if err := s.care.Expect(ctx, tx, "", a.Person, true); err != nil {
		return nil, err
	}
	a, _, err = s.Get(ctx, tx, id) // as it stands now that nobody else decides
	switch {
	case err != nil:
		return nil, err
	case a.State != Submitted:
		return nil, &Error{"id", id, "这个备案" + a.State.Title() + "，不再审核"}
	}
	if a.EnteredBy(actor) {
		return nil, &Error{"actor", actor, "不能审核自己录入的申请，请由他人审核"}
	}
	if d.State == Accepted {
		if err := s.settleTerm(a); err != nil {
			return nil, err
		}
		if err := s.makeWay(ctx, tx, a); err != nil {
			return nil, err
		}
		if err := free(ctx, tx, a); err != nil {
			return nil, err
		}
	}
	if err := s.decide(ctx, tx, a, d, actor); err != nil {
		return nil, err
	}
	return a, s.tell(ctx, tx, a)
}

func (s *Service) decide(ctx context.Context, tx *db.Tx, a *Application, d Decision, actor string) error {
	switch {
	case d.State != Accepted && d.State != Returned && d.State != Refused:
		return fmt.Errorf("application %s: a decision of %q", a.ID, d.State)
	case d.State != Accepted && d.Reason == "":
		return &Error{"reason", "", "须写明退回或不予通过的原因"}
	case d.State == Accepted && d.To != 0 && d.To < a.From:
		return &Error{"to", d.To.String(), "早于开始日期 " + a.From.String()}
	}
	if d.State == Accepted {
		if d.To != 0 {
			a.To = d.To
		}
		if x := a.Details.Disease; x != nil {
			x.Special = d.Special
			if listed, ok := s.listed(a); ok {
				x.Special, x.Group = d.Special || listed.Special, listed.Group
			}
		}
		sealed, err := s.seal(&a.Details)
		if err != nil {
			return err
		}
		if err := tx.Exec(ctx, `UPDATE filing_application SET from_day = ?, to_day = ?, details = ? WHERE id = ?`, int(a.From), int(a.To), sealed, a.ID); err != nil {
			return err
		}
		if err := begin(ctx, tx, a); err != nil {
			return err
		}
	}
	return s.step(ctx, tx, a, d.State, actor, d.Reason)
}

// begin makes an accepted application take effect.
func begin(ctx context.Context, tx *db.Tx, a *Application) error {
	switch x := &a.Details; a.Kind() {
	case KindAway:
		return enrolment.AddFiling(ctx, tx, a.Person, enrolment.Filing{Region: x.Away.Destination, Kind: policy.Filed, From: a.From, To: a.To})
	case KindReferral:
		return enrolment.AddFiling(ctx, tx, a.Person, enrolment.Filing{Region: x.Referral.Region, Kind: policy.Referred, From: a.From, To: a.To})
	case KindDisease:
		if err := enrolment.AddSpecialDisease(ctx, tx, a.Person, enrolment.SpecialDisease{Code: x.Disease.Code, Name: x.Disease.Name, Special: x.Disease.Special, From: a.From, To: a.To}); err != nil {
			return err
		}
		return choose(ctx, tx, a)
	case KindDesignation:
		d := x.Designation
		if d.Replaces.Code != "" {
			if err := giveUp(ctx, tx, a); err != nil {
				return err
			}
		}
		return tx.Exec(ctx, `INSERT INTO designation (person, purpose, rank, provider, scheme, from_day, to_day, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			a.Person, string(d.Purpose), d.Rank, d.Provider, a.Scheme, int(a.From), int(a.To), x.Evidence)
	}
	return nil // an injury is recorded
}

// WithdrawRequest asks to withdraw an application (撤销).
type WithdrawRequest struct {
	ID       string
	Kind     Kind
	Person   string
	Provider string // who asks: only the provider that declared it may
	Reason   string
	Actor    string
}

// Withdraw withdraws an application. Its effect ends today: it holds up to
// yesterday. It is refused where care was settled on the strength of it.
func (s *Service) Withdraw(ctx context.Context, tx *db.Tx, q WithdrawRequest) error {
	if err := s.care.Expect(ctx, tx, "", q.Person, true); err != nil {
		return err
	}
	a, ok, err := s.Get(ctx, tx, q.ID)
	if err != nil {
		return err
	}
	today := s.today()
	switch {
	case !ok || a.Kind() != q.Kind:
		return &Error{"id", q.ID, "没有这个" + q.Kind.Title()}
	case a.Person != q.Person:
		return &Error{"person", q.Person, "与备案 " + a.ID + " 的人员不符"}
	case a.Provider != q.Provider && a.Provider == "":
		return &Error{"id", q.ID, "由参保人申请，只能由本人撤销"}
	case a.Provider != q.Provider:
		return &Error{"id", q.ID, "由机构 " + a.Provider + " 申报，只能由该机构撤销"}
	}
	switch state := a.StateOn(today); {
	case state == Submitted, state == Draft, state == Returned && a.Provider == "":
	case state == Expired:
		return &Error{"id", q.ID, "已于 " + a.To.String() + " 到期，无须撤销"}
	case state == Accepted:
		if err := s.unused(ctx, tx, a); err != nil {
			return err
		}
		if err := end(ctx, tx, a, today); err != nil {
			return err
		}
	default:
		return &Error{"id", q.ID, "这个备案" + state.Title() + "，不能撤销"}
	}
	return s.step(ctx, tx, a, Withdrawn, q.Actor, q.Reason)
}

// EnteredBy reports whether somebody wrote the application down, or completed it:
// they do not decide on it.
func (a *Application) EnteredBy(actor string) bool {
	return a.Entered != "" && a.Entered == actor ||
		slices.ContainsFunc(a.Steps, func(x Step) bool {
			return a.Provider == "" && x.Actor == actor && (x.State == Submitted || x.State == Draft)
		})
}

// unused refuses if care was settled on the strength of an application.
func (s *Service) unused(ctx context.Context, tx *db.Tx, a *Application) error {
	all, err := s.care.DecidedOn(ctx, tx, a.Person, a.From, a.To)
	if err != nil {
		return err
	}
	for _, d := range all {
		if a.reliedOn(&d) {
			return &Error{"id", a.ID, "已有费用按该备案结算（" + d.Case.Date.String() + "，结算 " + d.ID + "），不能撤销；确需撤销的，请先撤销该结算"}
		}
	}
	return nil
}

// reliedOn reports whether a settlement on one of its days looked at what the
// application made hold.
func (a *Application) reliedOn(d *settlement.Decided) bool {
	c := &d.Case
	switch x := &a.Details; a.Kind() {
	case KindReferral:
		return c.Filing == policy.Referred && c.CareRegion == x.Referral.Region
	case KindDisease:
		return (c.Visit == policy.Chronic || c.Visit == policy.Special) && c.Disease == x.Disease.Name
	case KindDesignation:
		return d.Provider == x.Designation.Provider
	case KindAway:
		return c.Filing == policy.Filed && ident.Region(c.CareRegion).Within(ident.Region(x.Away.Destination))
	}
	return false
}

// end makes the effect of an application end: day is the first on which it
// holds no more.
func end(ctx context.Context, tx *db.Tx, a *Application, day civil.Date) error {
	switch x := &a.Details; a.Kind() {
	case KindAway:
		return enrolment.EndFiling(ctx, tx, a.Person, x.Away.Destination, a.From, day)
	case KindReferral:
		return enrolment.EndFiling(ctx, tx, a.Person, x.Referral.Region, a.From, day)
	case KindDisease:
		return enrolment.EndSpecialDisease(ctx, tx, a.Person, x.Disease.Code, a.From, day)
	case KindDesignation:
		where := ` WHERE person = ? AND purpose = ? AND provider = ? AND from_day = ?`
		key := []any{a.Person, string(x.Designation.Purpose), x.Designation.Provider, int(a.From)}
		if day <= a.From {
			return tx.Exec(ctx, `DELETE FROM designation`+where, key...)
		}
		return tx.Exec(ctx, `UPDATE designation SET to_day = ?`+where, append([]any{int(day.AddDays(-1))}, key...)...)
	}
	return nil
}

// step brings an application into a state and records it.
func (s *Service) step(ctx context.Context, tx *db.Tx, a *Application, to State, actor, note string) error {
	at := s.now()
	a.State = to
	a.Steps = append(a.Steps, Step{to, at, actor, note})
	if err := tx.Exec(ctx, `UPDATE filing_application SET state = ? WHERE id = ?`, string(to), a.ID); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO filing_step (application, n, state, at, actor, note) VALUES (?, ?, ?, ?, ?, ?)`,
		a.ID, len(a.Steps), string(to), at.In(zone).Format(clock), actor, note); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: at, Actor: actor, Chain: audit.OfPerson(a.Person), Action: "filing." + string(to), Subject: a.ID, Details: map[string]string{"kind": string(a.Kind())}})
}

// Filter chooses applications; what is left out chooses all.
type Filter struct {
	Person   string
	Kind     Kind
	From, To civil.Date // that hold, or would, on some day of these; To 0 is open
}

// lastDay stands for the end of what is open when days are compared.
const lastDay civil.Date = 99991231

// List lists a person's applications, the latest first.
func (s *Service) List(ctx context.Context, tx *db.Tx, f Filter) ([]*Application, error) {
	where, args := []string{"person = ?", "(to_day = 0 OR to_day >= ?)", "from_day <= ?"}, []any{f.Person, int(f.From), int(f.To)}
	if f.To == 0 {
		args[2] = int(lastDay)
	}
	if f.Kind != "" {
		where, args = append(where, "kind = ?"), append(args, string(f.Kind))
	}
	return s.rows(ctx, tx, strings.Join(where, " AND "), args...)
}

// Get finds an application; ok is false if there is none of that id.
func (s *Service) Get(ctx context.Context, tx *db.Tx, id string) (a *Application, ok bool, err error) {
	all, err := s.rows(ctx, tx, "id = ?", id)
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	return all[0], true, nil
}

func (s *Service) rows(ctx context.Context, tx *db.Tx, where string, args ...any) ([]*Application, error) {
	return s.ordered(ctx, tx, where, ` ORDER BY from_day DESC, id DESC`, args...)
}

func (s *Service) ordered(ctx context.Context, tx *db.Tx, where, order string, args ...any) ([]*Application, error) {
	var out []*Application
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var a Application
		var sealed []byte
		if err := rows.Scan(&a.ID, &a.Person, &a.Region, &a.Scheme, &a.Provider, &a.From, &a.To, &a.State, &sealed, &a.Channel, &a.Entered, &a.Due, &a.Office); err != nil {
			return err
		}
		plain, err := s.sealer.Open(sealDetails, sealed)
		if err == nil {
			err = json.Unmarshal([]byte(plain), &a.Details)
		}
		if err != nil {
			return fmt.Errorf("application %s: %w", a.ID, err)
		}
		out = append(out, &a)
		return nil
	}, `SELECT id, person, region, scheme, provider, from_day, to_day, state, details, channel, entered, due, office FROM filing_application WHERE `+where+order, args...)
	if err != nil {
		return nil, err
	}
	for _, a := range out {
		err := tx.Each(ctx, func(rows *db.Rows) error {
			var x Step
			var at string
			err := rows.Scan(&x.State, &at, &x.Actor, &x.Note)
			if err == nil {
				x.At, err = time.ParseInLocation(clock, at, zone)
			}
			a.Steps = append(a.Steps, x)
			return err
		}, `SELECT state, at, actor, note FROM filing_step WHERE application = ? ORDER BY n`, a.ID)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sealDetails is the purpose for which details are sealed.
const sealDetails = "filing.details"

func (s *Service) seal(d *Details) ([]byte, error) {
	plain, err := json.Marshal(d)
	return s.sealer.Seal(sealDetails, string(plain)), err
}

// newID makes an identifier of 27 characters that sorts by time.
func newID(at time.Time) string {
	b := make([]byte, 6)
	rand.Read(b)
	return "F" + at.UTC().Format("20060102150405") + hex.EncodeToString(b)
}

// Chosen is a provider that a person chose (定点).
type Chosen struct {
	Designation
	Scheme   policy.Scheme
	From, To civil.Date
	Note     string
}

// Designations lists the providers that a person chose for a purpose and that
// hold on some day from from to to (0: open), by rank.
func Designations(ctx context.Context, tx *db.Tx, person string, purpose Purpose, from, to civil.Date) ([]Chosen, error) {
	if to == 0 {
		to = lastDay
	}
	var out []Chosen
	err := tx.Each(ctx, func(rows *db.Rows) error {
		c := Chosen{Designation: Designation{Purpose: purpose}}
		err := rows.Scan(&c.Rank, &c.Provider, &c.ProviderName, &c.Scheme, &c.From, &c.To, &c.Note)
		out = append(out, c)
		return err
	}, `SELECT d.rank, d.provider, p.name, d.scheme, d.from_day, d.to_day, d.note FROM designation d JOIN provider p ON p.code = d.provider
		WHERE d.person = ? AND d.purpose = ? AND (d.to_day = 0 OR d.to_day >= ?) AND d.from_day <= ? ORDER BY d.rank, d.from_day, d.provider`,
		person, string(purpose), int(from), int(to))
	return out, err
}
