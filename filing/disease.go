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
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/workday"
)

// RecognitionRequest begins a person's application for the recognition of a
// chronic or special disease (门诊慢特病认定申请).
type RecognitionRequest struct {
	Person  string
	Disease string // its code or title, of the region's list
	Phone   string // how to reach the person, "" if that is not said
	Channel Channel
	Office  string // region of the office that takes it, "" for the insured region's own
	Actor   string // who writes it down
}

// DraftRecognition begins an application, or finds the one that the person began
// for the disease and has not finished. It is prepared (Prepare) and then
// submitted (Submit).
func (s *Service) DraftRecognition(ctx context.Context, tx *db.Tx, q RecognitionRequest) (*Application, error) {
	p, err := s.applicant(ctx, tx, q.Person, q.Channel, q.Office)
	if err != nil {
		return nil, err
	}
	rules, err := s.Diseases(p.Region)
	if err != nil {
		return nil, err
	}
	d, ok := rules.Find(q.Disease)
	if !ok {
		return nil, &Error{"disease", q.Disease, unlisted(rules)}
	}
	today := s.today()
	i, err := insuredOn(ctx, tx, &p, today)
	if err != nil {
		return nil, err
	}
	all, err := s.rows(ctx, tx, "person = ? AND kind = ? AND provider = ''", p.ID, string(KindDisease))
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.Details.Disease.Code == d.Code && (a.State == Draft || a.State == Returned) {
			return a, nil
		}
	}
	a := &Application{Person: p.ID, Region: p.Region, Scheme: i.Scheme, From: today, Channel: q.Channel, Entered: q.Actor, Office: q.Office,
		Details: Details{Phone: q.Phone, Disease: &Recognition{Code: d.Code, Name: d.Title, Special: d.Special, Group: d.Group}}}
	if err := s.renewal(ctx, tx, rules, a); err != nil {
		return nil, err
	}
	if err := s.vacant(ctx, tx, a); err != nil {
		return nil, err
	}
	return a, s.insert(ctx, tx, a, Draft, q.Actor)
}

// Diseases are how diseases are recognised for the people of a region today.
func (s *Service) Diseases(region string) (*policy.SpecialDiseases, error) {
	rules, ok, err := s.care.Policies().SpecialDiseases(region, s.today())
	if err == nil && !ok {
		err = &Error{"region", region, "政策包没有写明门诊慢特病怎么认定，请咨询经办机构"}
	}
	return rules, err
}

// unlisted says why a disease cannot be applied for.
func unlisted(rules *policy.SpecialDiseases) string {
	var all []string
	for _, d := range rules.Diseases {
		all = append(all, d.Title)
	}
	switch {
	case len(all) == 0:
		return rules.Unknown
	case rules.Unknown != "":
		return "不在掌握的病种目录内：" + strings.Join(all, "、") + "。" + rules.Unknown
	}
	return "不在本地的病种目录内：" + strings.Join(all, "、")
}

// listed is the disease of an application as the region lists it today.
func (s *Service) listed(a *Application) (policy.SpecialDisease, bool) {
	rules, ok, err := s.care.Policies().SpecialDiseases(a.Region, s.today())
	if err != nil || !ok {
		return policy.SpecialDisease{}, false
	}
	return rules.Find(a.Details.Disease.Code)
}

// renewal begins an application where the recognition that holds today ends, if
// it may be renewed by now (续认).
func (s *Service) renewal(ctx context.Context, tx *db.Tx, rules *policy.SpecialDiseases, a *Application) error {
	today := s.today()
	all, err := enrolment.SpecialDiseasesWithin(ctx, tx, a.Person, today, 0)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Code != a.Details.Disease.Code && d.Name != a.Details.Disease.Name {
			continue
		}
		switch {
		case d.To == 0:
			return &Error{"disease", d.Name, "已经认定，长期有效，不用再申请"}
		case rules.RenewDays == 0 || today < d.To.AddDays(1-rules.RenewDays):
			want := "已经认定，" + span(d.From, d.To)
			if rules.RenewDays > 0 {
				want += "；" + d.To.AddDays(1-rules.RenewDays).String() + " 起可以续认"
			}
			return &Error{"disease", d.Name, want}
		}
		a.Details.Disease.Renews = true
		a.From = max(a.From, d.To.AddDays(1))
	}
	return nil
}

// Evidence is what is filled into an application for a recognition. What is nil
// is left as it stands.
type Evidence struct {
	// Papers are the kinds whose originals were seen at the counter, as the
	// package names them; files are handed in by HandIn.
	Papers    []string
	Hospitals []string // codes of those that the person chooses
}

// Prepare keeps what is filled into a draft, or into an application that was
// returned.
func (s *Service) Prepare(ctx context.Context, tx *db.Tx, id, person string, e Evidence, actor string) (*Application, error) {
	a, rules, d, err := s.unfinished(ctx, tx, id, person)
	if err != nil {
		return nil, err
	}
	x := a.Details.Disease
	if e.Papers != nil {
		x.Papers = nil
		for _, p := range d.Papers { // in the package's order
			if slices.Contains(e.Papers, p) {
				x.Papers = append(x.Papers, p)
			}
		}
		for _, p := range e.Papers {
			if !slices.Contains(d.Papers, p) {
				return nil, &Error{"papers", p, "应为：" + strings.Join(d.Papers, "、")}
			}
		}
	}
	if e.Hospitals != nil {
		x.Hospitals = nil
		for _, code := range e.Hospitals {
			if code == "" || slices.ContainsFunc(x.Hospitals, func(c Choice) bool { return c.Code == code }) {
				continue
			}
			h, err := hospital(ctx, tx, a.Region, code, s.today())
			if err != nil {
				return nil, err
			}
			x.Hospitals = append(x.Hospitals, Choice{h.Code, h.Name})
		}
		if _, err := s.choices(ctx, tx, rules, a); err != nil {
			return nil, err
		}
	}
	sealed, err := s.seal(&a.Details)
	if err != nil {
		return nil, err
	}
	return a, tx.Exec(ctx, `UPDATE filing_application SET details = ? WHERE id = ?`, sealed, a.ID)
}

// unfinished finds an application for a recognition that the person may still
// fill in, held for the transaction.
func (s *Service) unfinished(ctx context.Context, tx *db.Tx, id, person string) (a *Application, rules *policy.SpecialDiseases, d policy.SpecialDisease, err error) {
	if err := s.care.Expect(ctx, tx, "", person, true); err != nil {
		return nil, nil, d, err
	}
	a, ok, err := s.Get(ctx, tx, id)
	switch {
	case err != nil:
		return nil, nil, d, err
	case !ok || a.Person != person || a.Kind() != KindDisease || a.Provider != "":
		return nil, nil, d, &Error{"id", id, "没有这个认定申请"}
	case a.State != Draft && a.State != Returned:
		return nil, nil, d, &Error{"id", id, "这个申请" + a.State.Title() + "，不能再改"}
	}
	if rules, err = s.Diseases(a.Region); err != nil {
		return nil, nil, d, err
	}
	if d, ok = rules.Find(a.Details.Disease.Code); !ok {
		return nil, nil, d, &Error{"disease", a.Details.Disease.Name, unlisted(rules)}
	}
	return a, rules, d, nil
}

// hospital finds a hospital that people of a region may choose on a day.
func hospital(ctx context.Context, tx *db.Tx, region, code string, day civil.Date) (provider.Provider, error) {
	h, ok, err := provider.Get(ctx, tx, code)
	switch {
	case err != nil:
		return h, err
	case !ok:
		return h, &Error{"hospitals", code, "没有登记这个医疗机构"}
	case !h.On(day).Designated || h.Kind != policy.Hospital:
		return h, &Error{"hospitals", h.Name, "不是定点医疗机构"}
	case !ident.Region(h.Region).Within(ident.Region(region)):
		return h, &Error{"hospitals", h.Name, "不在参保地；在外地就医请办理异地就医备案"}
	}
	return h, nil
}

// choices are which hospitals a person will have chosen once the application holds;
// more than the package allows are refused.
func (s *Service) choices(ctx context.Context, tx *db.Tx, rules *policy.SpecialDiseases, a *Application) ([]Chosen, error) {
	held, err := Designations(ctx, tx, a.Person, SpecialDiseaseCare, max(a.From, s.today()), 0)
	if err != nil {
		return nil, err
	}
	n := len(held)
	for _, c := range a.Details.Disease.Hospitals {
		if !slices.ContainsFunc(held, func(x Chosen) bool { return x.Provider == c.Code }) {
			n++
		}
	}
	if rules.Hospitals == 0 && len(a.Details.Disease.Hospitals) > 0 {
		return nil, &Error{"hospitals", "", "本地不限定门诊慢特病的定点医疗机构，不用选"}
	}
	if rules.Hospitals > 0 && n > rules.Hospitals {
		want := fmt.Sprintf("至多选 %d 家", rules.Hospitals)
		if len(held) > 0 {
			var names []string
			for _, x := range held {
				names = append(names, x.ProviderName)
			}
			want += "，已选定" + strings.Join(names, "、") + "；要换的请先办理变更"
		}
		return nil, &Error{"hospitals", "", want}
	}
	return held, nil
}

// Submission submits what was prepared.
type Submission struct {
	ID, Person string
	Channel    Channel // "" leaves that by which it was begun
	Office     string
	Actor      string
}

// Submit submits a person's application for a recognition, or again one that was
// returned, under its number. What lacks papers comes back with what is missing;
// where the package lets it be decided at once it is; the rest waits for an
// officer until its term is over.
func (s *Service) Submit(ctx context.Context, tx *db.Tx, q Submission) (*Application, error) {
	a, rules, d, err := s.unfinished(ctx, tx, q.ID, q.Person)
	if err != nil {
		return nil, err
	}
	p, err := s.applicant(ctx, tx, a.Person, orChannel(q.Channel, a.Channel), q.Office)
	if err != nil {
		return nil, err
	}
	if _, err := insuredOn(ctx, tx, &p, s.today()); err != nil {
		return nil, err
	}
	held, err := s.choices(ctx, tx, rules, a)
	if err != nil {
		return nil, err
	}
	x := a.Details.Disease
	if rules.Hospitals > 0 && len(held)+len(x.Hospitals) == 0 {
		return nil, &Error{"hospitals", "", fmt.Sprintf("请选定点医疗机构，至多 %d 家", rules.Hospitals)}
	}
	a.From = max(a.From, s.today())
	if err := s.vacant(ctx, tx, a); err != nil {
		return nil, err
	}
	a.Entered, a.Channel = q.Actor, orChannel(q.Channel, a.Channel)
	if q.Office != "" {
		a.Office = q.Office
	}
	a.Due = 0
	if rules.WorkingDays > 0 {
		a.Due = workday.China().Add(s.today(), rules.WorkingDays)
	}
	note := ""
	if a.State == Returned {
		note = "补正"
	}
	if err := tx.Exec(ctx, `UPDATE filing_application SET from_day = ?, due = ?, entered = ?, channel = ?, office = ? WHERE id = ?`, int(a.From), int(a.Due), a.Entered, string(a.Channel), a.Office, a.ID); err != nil {
		return nil, err
	}
	if err := s.step(ctx, tx, a, Submitted, q.Actor, note); err != nil {
		return nil, err
	}
	there, err := s.there(ctx, tx, a)
	if err != nil {
		return nil, err
	}
	switch missing := Missing(d.Papers, there); {
	case len(missing) > 0:
		return a, s.decided(ctx, tx, a, Decision{State: Returned, Reason: "缺少：" + strings.Join(missing, "、")})
	case !d.Automatic:
		return a, s.tell(ctx, tx, a)
	}
	if err := s.settleTerm(a); err != nil {
		return nil, err
	}
	return a, s.decided(ctx, tx, a, Decision{State: Accepted})
}

func orChannel(a, b Channel) Channel {
	if a == "" {
		return b
	}
	return a
}

// settleTerm fixes, as a recognition that a person applied for is accepted, on
// which days it holds: from the decision, or from where the one that it renews
// ends, for as long as the package says (认定有效期).
func (s *Service) settleTerm(a *Application) error {
	if a.Kind() != KindDisease || a.Provider != "" {
		return nil
	}
	rules, err := s.Diseases(a.Region)
	if err != nil {
		return err
	}
	d, ok := rules.Find(a.Details.Disease.Code)
	if !ok {
		return &Error{"disease", a.Details.Disease.Name, unlisted(rules)}
	}
	a.From, a.To = max(a.From, s.today()), 0
	if d.Months > 0 {
		a.To = a.From.AddMonths(d.Months).AddDays(-1)
	}
	return nil
}

// choose makes the hospitals of an accepted recognition those that the person
// chose, beside those they chose before.
func choose(ctx context.Context, tx *db.Tx, a *Application) error {
	held, err := Designations(ctx, tx, a.Person, SpecialDiseaseCare, a.From, 0)
	if err != nil {
		return err
	}
	rank := 0
	for _, x := range held {
		rank = max(rank, x.Rank)
	}
	for _, c := range a.Details.Disease.Hospitals {
		if slices.ContainsFunc(held, func(x Chosen) bool { return x.Provider == c.Code }) {
			continue
		}
		rank++
		if err := designate(ctx, tx, a, rank, c.Code); err != nil {
			return err
		}
	}
	return nil
}

func designate(ctx context.Context, tx *db.Tx, a *Application, rank int, code string) error {
	return tx.Exec(ctx, `INSERT INTO designation (person, purpose, rank, provider, scheme, from_day, to_day, note) VALUES (?, ?, ?, ?, ?, ?, 0, ?)`,
		a.Person, string(SpecialDiseaseCare), rank, code, a.Scheme, int(a.From), "申请 "+a.ID)
}

// HospitalChange changes one of the hospitals that a person chose for their
// chronic and special diseases, or adds one (变更定点医疗机构).
type HospitalChange struct {
	Person  string
	Old     string // "": one is added
	New     string
	Channel Channel
	Office  string
	Actor   string
}

// ChangeHospital changes a hospital from today on: nothing of it is left to an
// officer.
func (s *Service) ChangeHospital(ctx context.Context, tx *db.Tx, q HospitalChange) (*Application, error) {
	p, err := s.applicant(ctx, tx, q.Person, q.Channel, q.Office)
	if err != nil {
		return nil, err
	}
	rules, err := s.Diseases(p.Region)
	if err != nil {
		return nil, err
	}
	today := s.today()
	i, err := insuredOn(ctx, tx, &p, today)
	if err != nil {
		return nil, err
	}
	diseases, err := enrolment.SpecialDiseasesWithin(ctx, tx, p.ID, today, 0)
	if err != nil {
		return nil, err
	}
	held, err := Designations(ctx, tx, p.ID, SpecialDiseaseCare, today, 0)
	if err != nil {
		return nil, err
	}
	new, err := hospital(ctx, tx, p.Region, q.New, s.today())
	if err != nil {
		return nil, err
	}
	x := &Designation{Purpose: SpecialDiseaseCare, Provider: new.Code, ProviderName: new.Name, Rank: len(held) + 1}
	old := slices.IndexFunc(held, func(c Chosen) bool { return c.Provider == q.Old })
	switch {
	case rules.Hospitals == 0:
		return nil, &Error{"new", "", "本地不限定门诊慢特病的定点医疗机构，不用变更"}
	case len(diseases) == 0:
		return nil, &Error{"person", "", "没有认定的门诊慢特病，不用选定点医疗机构"}
	case slices.ContainsFunc(held, func(c Chosen) bool { return c.Provider == new.Code }):
		return nil, &Error{"new", new.Name, "已经是选定的机构"}
	case q.Old != "" && old < 0:
		return nil, &Error{"old", q.Old, "不是已选定的机构"}
	case q.Old == "" && len(held) >= rules.Hospitals:
		return nil, &Error{"old", "", fmt.Sprintf("已选满 %d 家，请选要换掉的一家", rules.Hospitals)}
	case q.Old != "":
		x.Rank, x.Replaces = held[old].Rank, Choice{held[old].Provider, held[old].ProviderName}
	}
	a := &Application{Person: p.ID, Region: p.Region, Scheme: i.Scheme, From: today, Channel: q.Channel, Entered: q.Actor, Office: q.Office, Details: Details{Designation: x}}
	if err := s.insert(ctx, tx, a, Submitted, q.Actor); err != nil {
		return nil, err
	}
	return a, s.decided(ctx, tx, a, Decision{State: Accepted})
}

// giveUp ends the choice of the hospital that another takes the place of, from
// the day of the change on, and the application by which it was chosen.
func giveUp(ctx context.Context, tx *db.Tx, a *Application) error {
	d := a.Details.Designation
	held, err := Designations(ctx, tx, a.Person, d.Purpose, a.From, 0)
	if err != nil {
		return err
	}
	last := a.From.AddDays(-1)
	for _, x := range held {
		if x.Provider != d.Replaces.Code {
			continue
		}
		where, args := ` WHERE person = ? AND purpose = ? AND provider = ? AND from_day = ?`, []any{a.Person, string(d.Purpose), x.Provider, int(x.From)}
		if x.From > last {
			err = tx.Exec(ctx, `DELETE FROM designation`+where, args...)
		} else {
			err = tx.Exec(ctx, `UPDATE designation SET to_day = ?`+where, append([]any{int(last)}, args...)...)
		}
		if err != nil {
			return err
		}
	}
	return tx.Exec(ctx, `UPDATE filing_application SET to_day = ? WHERE person = ? AND kind = ? AND subject = ? AND state = ? AND (to_day = 0 OR to_day > ?) AND id <> ?`,
		int(last), a.Person, string(KindDesignation), string(d.Purpose)+" "+d.Replaces.Code, string(Accepted), int(last), a.ID)
}

// Hospitals lists the hospitals that a person chose for their chronic and
// special diseases and that hold on a day or later.
func (s *Service) Hospitals(ctx context.Context, tx *db.Tx, person string, day civil.Date) ([]Chosen, error) {
	return Designations(ctx, tx, person, SpecialDiseaseCare, day, 0)
}

// MaxEligible is how many hospitals are offered to choose from; more are found by
// a part of their name.
const MaxEligible = 50

// Eligible lists the hospitals of a region that its people may choose, by a part
// of their name or all of them, at most MaxEligible.
func (s *Service) Eligible(ctx context.Context, tx *db.Tx, region, part string) ([]provider.Provider, error) {
	return provider.Within(ctx, tx, region, policy.Hospital, s.today(), part, MaxEligible)
}
