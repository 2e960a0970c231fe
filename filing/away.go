package filing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/outbox"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/workday"
)

// Channel is how an application came in (办理渠道). All lead to the same states.
type Channel string

// The channels.
const (
	Online Channel = "online" // 网上
	Window Channel = "window" // 窗口
	Phone  Channel = "phone"  // 电话
	Fax    Channel = "fax"    // 传真
	Post   Channel = "post"   // 邮寄
	Email  Channel = "email"  // 电子邮件
)

// Channels are all channels.
func Channels() []Channel { return []Channel{Online, Window, Phone, Fax, Post, Email} }

// Title is the channel in Chinese.
func (c Channel) Title() string {
	return map[Channel]string{Online: "网上", Window: "窗口", Phone: "电话", Fax: "传真", Post: "邮寄", Email: "电子邮件"}[c]
}

// Away is care in another region that a person applies for (异地就医备案).
type Away struct {
	Group       string   // of people, as the package names it
	Destination string   // a city or, where the package says so, a province
	Papers      []string // that were handed in, as the package names them
	Commitment  bool     // a commitment was signed in their place
}

// AwayRequest applies for care in another region.
type AwayRequest struct {
	Person   string
	Away     Away
	From, To civil.Date // From 0: today; To 0: as long as the package lets it hold
	Phone    string     // how to reach the person, "" if that is not said
	Sheets   []Sheet    // papers that are handed in as files
	Channel  Channel
	Office   string // region of the office that takes it, "" for the insured region's own
	Actor    string // who writes it down
}

// ApplyAway takes a person's application for care in another region. Where the
// package lets it be decided at once it is; what lacks papers comes back as
// Returned, with what is missing, and may be completed (Complete); the rest waits
// for an officer (Decide) until its term is over.
func (s *Service) ApplyAway(ctx context.Context, tx *db.Tx, q AwayRequest) (*Application, error) {
	p, err := s.applicant(ctx, tx, q.Person, q.Channel, q.Office)
	if err != nil {
		return nil, err
	}
	today := s.today()
	rules, group, err := s.group(p.Region, q.Away.Group)
	if err != nil {
		return nil, err
	}
	a := &Application{Person: p.ID, Region: p.Region, From: q.From, To: q.To, Channel: q.Channel, Entered: q.Actor, Office: q.Office,
		Details: Details{Away: &q.Away, Phone: q.Phone}}
	if a.From == 0 {
		a.From = today
	}
	if err := s.awayDays(rules, &group, a); err != nil {
		return nil, err
	}
	if err := destination(rules, p.Region, q.Away.Destination); err != nil {
		return nil, err
	}
	i, err := insuredOn(ctx, tx, &p, max(a.From, today))
	if err != nil {
		return nil, err
	}
	a.Scheme = i.Scheme
	if group.Retired && !i.Retired {
		return nil, &Error{"group", group.Title, "限已经退休的参保人"}
	}
	if err := s.vacant(ctx, tx, a); err != nil {
		return nil, err
	}
	a.Due = workday.China().Add(today, rules.WorkingDays)
	if err := s.insert(ctx, tx, a, Submitted, q.Actor); err != nil {
		return nil, err
	}
	if err := s.keep(ctx, tx, a, group.Papers, q.Sheets, q.Actor); err != nil {
		return nil, err
	}
	return a, s.check(ctx, tx, a, &group)
}

// applicant is the person that applies, held for the transaction, if the
// application can be taken by the channel and at the office.
func (s *Service) applicant(ctx context.Context, tx *db.Tx, person string, channel Channel, office string) (p enrolment.Person, err error) {
	if !slices.Contains(Channels(), channel) {
		return p, &Error{"channel", string(channel), "没有这个办理渠道"}
	}
	if err := s.care.Expect(ctx, tx, "", person, true); err != nil {
		return p, err
	}
	p, ok, err := s.register.ByID(ctx, tx, person)
	switch {
	case err != nil:
		return p, err
	case !ok:
		return p, &Error{"person", person, "没有这个人员编号"}
	case office != "" && !ident.Region(office).Within(ident.Region(p.Region)):
		return p, &Error{"office", office, "不在参保地 " + p.Region}
	}
	return p, nil
}

// insuredOn is how a person who applies is insured on a day; whoever is not is
// refused.
func insuredOn(ctx context.Context, tx *db.Tx, p *enrolment.Person, day civil.Date) (i enrolment.Insurance, err error) {
	spells, err := enrolment.Insurances(ctx, tx, p.ID, day)
	if err != nil {
		return i, err
	}
	i = enrolment.Counting(spells)
	if len(spells) == 0 || i.Status == policy.NotInsured || i.Status == policy.Terminated || i.Status == policy.Deceased {
		return i, &Error{"person", "", "这一天没有在" + p.Region + "参保，不能申请"}
	}
	return i, nil
}

// insert writes an application of a person down, in its first state.
func (s *Service) insert(ctx context.Context, tx *db.Tx, a *Application, state State, actor string) error {
	a.ID = newID(s.now())
	sealed, err := s.seal(&a.Details)
	if err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO filing_application (id, kind, person, region, scheme, provider, subject, from_day, to_day, state, details, channel, entered, due, office) VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ID, string(a.Kind()), a.Person, a.Region, a.Scheme, a.Details.subject(), int(a.From), int(a.To), string(state), sealed, string(a.Channel), a.Entered, int(a.Due), a.Office); err != nil {
		return err
	}
	return s.step(ctx, tx, a, state, actor, "")
}

// check returns an application that lacks papers, and decides one that needs no
// officer.
func (s *Service) check(ctx context.Context, tx *db.Tx, a *Application, g *policy.AwayGroup) error {
	x := a.Details.Away
	there, err := s.there(ctx, tx, a)
	if err != nil {
		return err
	}
	missing := Missing(g.Papers, there)
	signed := g.Commitment && x.Commitment
	switch {
	case !signed && (len(missing) > 0 || len(g.Papers) == 0):
		want := "缺少：" + strings.Join(missing, "、")
		if g.Commitment && len(missing) > 0 {
			want += "；也可以签署承诺书代替"
		} else if g.Commitment {
			want = "缺少：承诺书"
		}
		return s.decided(ctx, tx, a, Decision{State: Returned, Reason: want})
	case !g.Automatic:
		return s.tell(ctx, tx, a)
	}
	if err := s.makeWay(ctx, tx, a); err != nil {
		return err
	}
	return s.decided(ctx, tx, a, Decision{State: Accepted})
}

func (s *Service) decided(ctx context.Context, tx *db.Tx, a *Application, d Decision) error {
	if err := s.decide(ctx, tx, a, d, "规则审核"); err != nil {
		return err
	}
	return s.tell(ctx, tx, a)
}

// Complete completes a person's application that was returned, and submits it
// again under its number (补正). The term begins anew.
func (s *Service) Complete(ctx context.Context, tx *db.Tx, id, person string, papers []string, commitment bool, actor string) (*Application, error) {
	if err := s.care.Expect(ctx, tx, "", person, true); err != nil {
		return nil, err
	}
	a, ok, err := s.Get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case !ok || a.Person != person || a.Kind() != KindAway:
		return nil, &Error{"id", id, "没有这个备案申请"}
	case a.State != Returned:
		return nil, &Error{"id", id, "这个备案" + a.State.Title() + "，不需要补正"}
	}
	rules, group, err := s.group(a.Region, a.Details.Away.Group)
	if err != nil {
		return nil, err
	}
	x := a.Details.Away
	x.Commitment = x.Commitment || commitment
	for _, p := range papers {
		if !slices.Contains(x.Papers, p) {
			x.Papers = append(x.Papers, p)
		}
	}
	if err := s.vacant(ctx, tx, a); err != nil {
		return nil, err
	}
	sealed, err := s.seal(&a.Details)
	if err != nil {
		return nil, err
	}
	a.Due, a.Entered = workday.China().Add(s.today(), rules.WorkingDays), actor
	if err := tx.Exec(ctx, `UPDATE filing_application SET details = ?, due = ?, entered = ? WHERE id = ?`, sealed, int(a.Due), actor, a.ID); err != nil {
		return nil, err
	}
	if err := s.step(ctx, tx, a, Submitted, actor, "补正"); err != nil {
		return nil, err
	}
	return a, s.check(ctx, tx, a, &group)
}

// Rules are how people of a region apply for care elsewhere today.
func (s *Service) Rules(region string) (*policy.AwayFiling, error) {
	rules, ok, err := s.care.Policies().AwayFiling(region, s.today())
	if err == nil && !ok {
		err = &Error{"region", region, "政策包没有写明异地就医备案怎么办，请咨询经办机构"}
	}
	return rules, err
}

func (s *Service) group(region, title string) (*policy.AwayFiling, policy.AwayGroup, error) {
	rules, err := s.Rules(region)
	if err != nil {
		return nil, policy.AwayGroup{}, err
	}
	g, ok := rules.Group(title)
	switch {
	case !ok:
		var all []string
		for _, g := range rules.Groups {
			all = append(all, g.Title)
		}
		return nil, g, &Error{"group", title, "可以备案的人员有：" + strings.Join(all, "、")}
	case g.Hospital:
		return nil, g, &Error{"group", title, "由定点医院办理转诊，不用自己申请"}
	}
	return rules, g, nil
}

// awayDays checks the days of an application, and fills in the last.
func (s *Service) awayDays(rules *policy.AwayFiling, g *policy.AwayGroup, a *Application) error {
	today := s.today()
	switch {
	case a.From < today && !rules.Backdated:
		return &Error{"from", a.From.String(), "不能早于今天：本地不办理补办备案"}
	case a.From < today.AddMonths(-12):
		return &Error{"from", a.From.String(), "不能早于一年以前"}
	case a.From > today.AddMonths(3):
		return &Error{"from", a.From.String(), "至多提前三个月"}
	case a.To != 0 && a.To < a.From:
		return &Error{"to", a.To.String(), "早于开始日期 " + a.From.String()}
	}
	if g.Months > 0 {
		last := a.From.AddMonths(g.Months).AddDays(-1)
		if a.To > last {
			return &Error{"to", a.To.String(), fmt.Sprintf("%s备案至多 %d 个月，到 %s", g.Title, g.Months, last)}
		}
		if a.To == 0 {
			a.To = last
		}
	}
	return nil
}

// destination checks where care is applied for: a city, or one of the provinces
// that are filed as a whole, and not the person's own region.
func destination(rules *policy.AwayFiling, home, to string) error {
	r, err := ident.ParseRegion(to)
	switch {
	case err != nil:
		return &Error{"destination", to, "应为就医地的六位区划代码"}
	case slices.Contains(rules.Provinces, string(r.Province())):
		if r != r.Province() {
			return &Error{"destination", to, "备案到 " + string(r.Province()) + " 全境即可"}
		}
	case r != r.City() || r == r.Province():
		return &Error{"destination", to, "应备案到地市，如 " + string(r[:2]) + "0100"}
	}
	if ident.Region(home).Within(r) {
		return &Error{"destination", to, "就是参保地，不用备案"}
	}
	return nil
}

// makeWay ends what a person's new filing for care elsewhere takes the place of
// (变更): one place holds at a time.
func (s *Service) makeWay(ctx context.Context, tx *db.Tx, a *Application) error {
	if a.Kind() != KindAway {
		return nil
	}
	all, err := s.List(ctx, tx, Filter{Person: a.Person, Kind: KindAway, From: a.From, To: a.To})
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.ID == a.ID || b.State != Accepted {
			continue
		}
		if b.From >= a.From {
			return &Error{"from", a.From.String(), "已有备案 " + b.ID + " 自 " + b.From.String() + " 起有效；请把开始日期定在其后，或先撤销它"}
		}
		if err := end(ctx, tx, b, a.From); err != nil {
			return err
		}
		if err := tx.Exec(ctx, `UPDATE filing_application SET to_day = ? WHERE id = ?`, int(a.From.AddDays(-1)), b.ID); err != nil {
			return err
		}
	}
	return nil
}

// tell sends the person of an application word of where it stands, if they have a
// phone. What providers declare they tell themselves.
func (s *Service) tell(ctx context.Context, tx *db.Tx, a *Application) error {
	if a.Provider != "" {
		return nil
	}
	p, _, err := s.register.ByID(ctx, tx, a.Person)
	if err != nil || p.Phone == "" {
		return err
	}
	text := a.Title() + "（" + a.ID + "）" + a.State.Progress()
	switch a.State {
	case Submitted:
		if a.Due != 0 {
			text += "，" + a.Due.String() + " 前办结"
		}
		text += "。"
	case Accepted:
		text += "，" + span(a.From, a.To) + "。"
	default:
		if why := a.Reason(); why != "" {
			text += "：" + why + "。"
		}
	}
	return outbox.Put(ctx, tx, s.sealer, outbox.Message{Phone: p.Phone, Text: "【安济医保】" + text, Made: s.now()})
}

// Progress is the state as people know it (办理进度).
func (s State) Progress() string {
	switch s {
	case Draft:
		return "未提交"
	case Submitted:
		return "申办中"
	case Accepted:
		return "已办结"
	case Returned:
		return "被退回"
	}
	return s.Title()
}

// Late reports whether a day is after the last on which to decide an application
// that still waits.
func (a *Application) Late(day civil.Date) bool {
	return a.State == Submitted && a.Due != 0 && a.Due < day
}

// OfPerson lists all of a person's applications, the latest first.
func (s *Service) OfPerson(ctx context.Context, tx *db.Tx, person string) ([]*Application, error) {
	return s.rows(ctx, tx, "person = ?", person)
}

// QueueFilter chooses applications, for officers. Drafts are not theirs to see.
type QueueFilter struct {
	Region        string     // "": all
	Kind          Kind       // "": all
	State         State      // "": all
	LateOn        civil.Date // only those that are late on the day; 0: all
	Offset, Limit int
}

func (f *QueueFilter) where() (string, []any) {
	where, args := []string{"state <> ?"}, []any{string(Draft)}
	if f.Region != "" {
		where, args = append(where, "region = ?"), append(args, f.Region)
	}
	if f.Kind != "" {
		where, args = append(where, "kind = ?"), append(args, string(f.Kind))
	}
	if f.State != "" {
		where, args = append(where, "state = ?"), append(args, string(f.State))
	}
	if f.LateOn != 0 {
		where, args = append(where, "state = ? AND due <> 0 AND due < ?"), append(args, string(Submitted), int(f.LateOn))
	}
	return strings.Join(where, " AND "), args
}

// Queue lists applications: of those that wait, first those that must be decided
// first; of others, the latest first.
func (s *Service) Queue(ctx context.Context, tx *db.Tx, f QueueFilter) ([]*Application, error) {
	where, args := f.where()
	order := " ORDER BY CASE WHEN state = 'submitted' THEN 0 ELSE 1 END, CASE WHEN state <> 'submitted' THEN -from_day WHEN due = 0 THEN 99991231 ELSE due END, id LIMIT ? OFFSET ?"
	return s.ordered(ctx, tx, where, order, append(args, f.Limit, f.Offset)...)
}

// Tally says how many applications are of a kind in a state.
type Tally struct {
	Kind  Kind
	State State
	N     int
	Late  int // of N, on the day that was asked for
}

// Counts says how many applications of a region are of each kind in each state,
// drafts left out, and how many of them are late on a day.
func (s *Service) Counts(ctx context.Context, tx *db.Tx, region string, day civil.Date) (out []Tally, err error) {
	f := QueueFilter{Region: region}
	where, args := f.where()
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var t Tally
		err := rows.Scan(&t.Kind, &t.State, &t.N, &t.Late)
		out = append(out, t)
		return err
	}, `SELECT kind, state, COUNT(*), SUM(CASE WHEN state = ? AND due <> 0 AND due < ? THEN 1 ELSE 0 END) FROM filing_application WHERE `+where+` GROUP BY kind, state ORDER BY kind, state`,
		append([]any{string(Submitted), int(day)}, args...)...)
	return out, err
}
