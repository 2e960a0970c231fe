package live

import (
	"cmp"
	"fmt"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// reviewer decides where a story does not say who does.
const reviewer = "李初审"

// say tells where an application stands, and keeps it under a name.
func (w *World) say(as string, a *filing.Application, got result) {
	w.papers[as] = a.ID
	got["state"], got["reason"], got["title"] = a.StateOn(w.today()).Progress(), a.Reason(), a.Title()
	got["number"], got["from"], got["to"], got["due"], got["office"] = a.ID, a.From.String(), a.To.String(), a.Due.String(), a.Office
	got["late"] = map[bool]string{true: "yes", false: "no"}[a.Late(w.today())]
	got["steps"] = fmt.Sprint(len(a.Steps), " steps")
	if x := a.Details.Disease; x != nil {
		got["group"] = x.Group
	}
}

func days(from, to string) (a, b civil.Date, err error) {
	if from != "" {
		if a, err = civil.Parse(from); err != nil {
			return a, b, err
		}
	}
	if to != "" {
		b, err = civil.Parse(to)
	}
	return a, b, err
}

type applyStep struct {
	Who        string   `yaml:"who"`
	As         string   `yaml:"as"` // name of the application in the story; default: the person's
	Group      string   `yaml:"group"`
	To         string   `yaml:"to"` // region
	From       string   `yaml:"from"`
	Until      string   `yaml:"until"`
	Papers     []string `yaml:"papers"`
	Commitment bool     `yaml:"commitment"`
	Channel    string   `yaml:"channel"` // default: online
	Office     string   `yaml:"office"`
	By         string   `yaml:"by"` // default: the person
}

// apply applies for care in another region (异地就医备案).
func (w *World) apply(q *applyStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	r := filing.AwayRequest{Person: p.ID, Channel: filing.Channel(cmp.Or(q.Channel, "online")), Office: q.Office, Actor: cmp.Or(q.By, "本人"),
		Away: filing.Away{Group: q.Group, Destination: q.To, Papers: q.Papers, Commitment: q.Commitment}}
	if r.From, r.To, err = days(q.From, q.Until); err != nil {
		return err
	}
	return w.update(func(tx *db.Tx) error {
		a, err := w.filings.ApplyAway(w.ctx, tx, r)
		if err == nil {
			w.say(cmp.Or(q.As, q.Who), a, got)
		}
		return err
	})
}

// applicationOf names an application of the story, by default the person's.
type applicationOf struct {
	Who string `yaml:"who"`
	Of  string `yaml:"of"`
}

func (w *World) application(tx *db.Tx, q applicationOf) (*filing.Application, error) {
	id := w.papers[cmp.Or(q.Of, q.Who)]
	a, ok, err := w.filings.Get(w.ctx, tx, id)
	if err == nil && !ok {
		err = fmt.Errorf("nobody applied as %s", cmp.Or(q.Of, q.Who))
	}
	return a, err
}

type completeStep struct {
	applicationOf `yaml:",inline"`
	Papers        []string `yaml:"papers"`
	Commitment    bool     `yaml:"commitment"`
}

// complete completes an application for care elsewhere that was returned (补正).
func (w *World) complete(q *completeStep, got result) error {
	return w.update(func(tx *db.Tx) error {
		a, err := w.application(tx, q.applicationOf)
		if err != nil {
			return err
		}
		if a, err = w.filings.Complete(w.ctx, tx, a.ID, a.Person, q.Papers, q.Commitment, "本人"); err == nil {
			w.say(cmp.Or(q.Of, q.Who), a, got)
		}
		return err
	})
}

type decideStep struct {
	applicationOf `yaml:",inline"`
	Decision      string `yaml:"decision"` // accepted (default), returned, refused
	Reason        string `yaml:"reason"`
	By            string `yaml:"by"`
}

// decide decides on an application (审核).
func (w *World) decide(q *decideStep, got result) error {
	return w.update(func(tx *db.Tx) error {
		a, err := w.application(tx, q.applicationOf)
		if err != nil {
			return err
		}
		d := filing.Decision{State: filing.State(cmp.Or(q.Decision, string(filing.Accepted))), Reason: q.Reason}
		if a, err = w.filings.Decide(w.ctx, tx, a.ID, d, cmp.Or(q.By, reviewer)); err == nil {
			w.say(cmp.Or(q.Of, q.Who), a, got)
		}
		return err
	})
}

// withdraw withdraws an application (撤销).
func (w *World) withdraw(q *applicationOf, got result) error {
	if err := w.update(func(tx *db.Tx) error {
		a, err := w.application(tx, *q)
		if err != nil {
			return err
		}
		return w.filings.Withdraw(w.ctx, tx, filing.WithdrawRequest{ID: a.ID, Kind: a.Kind(), Person: a.Person, Reason: "本人撤销", Actor: "本人"})
	}); err != nil {
		return err
	}
	return w.progress(q, got)
}

// progress tells how far an application is (办理进度).
func (w *World) progress(q *applicationOf, got result) error {
	return w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		a, err := w.application(tx, *q)
		if err == nil {
			w.say(cmp.Or(q.Of, q.Who), a, got)
		}
		return err
	})
}

type recogniseStep struct {
	Who       string   `yaml:"who"`
	As        string   `yaml:"as"`
	Disease   string   `yaml:"disease"`
	Papers    []string `yaml:"papers"`
	Hospitals []string `yaml:"hospitals"`
	Draft     bool     `yaml:"draft"`   // it is saved, and not submitted
	Channel   string   `yaml:"channel"` // default: window
	Office    string   `yaml:"office"`
	By        string   `yaml:"by"` // default: the person
}

// recognise applies for the recognition of a chronic or special disease, or goes
// on with what was begun or came back (门诊慢特病认定).
func (w *World) recognise(q *recogniseStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	channel, actor := filing.Channel(cmp.Or(q.Channel, "window")), cmp.Or(q.By, "本人")
	return w.update(func(tx *db.Tx) error {
		a, err := w.filings.DraftRecognition(w.ctx, tx, filing.RecognitionRequest{Person: p.ID, Disease: q.Disease, Channel: channel, Office: q.Office, Actor: actor})
		if err != nil {
			return err
		}
		if a, err = w.filings.Prepare(w.ctx, tx, a.ID, p.ID, filing.Evidence{Papers: q.Papers, Hospitals: q.Hospitals}, actor); err != nil {
			return err
		}
		if !q.Draft {
			if a, err = w.filings.Submit(w.ctx, tx, filing.Submission{ID: a.ID, Person: p.ID, Channel: channel, Office: q.Office, Actor: actor}); err != nil {
				return err
			}
		}
		w.say(cmp.Or(q.As, q.Who), a, got)
		return nil
	})
}

type hospitalStep struct {
	Who string `yaml:"who"`
	Old string `yaml:"old"`
	New string `yaml:"new"`
}

// hospital changes a hospital that was chosen for chronic and special diseases.
func (w *World) hospital(q *hospitalStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	return w.update(func(tx *db.Tx) error {
		a, err := w.filings.ChangeHospital(w.ctx, tx, filing.HospitalChange{Person: p.ID, Old: q.Old, New: q.New, Channel: filing.Online, Actor: "本人"})
		if err == nil {
			w.say(q.Who+" hospital", a, got)
		}
		return err
	})
}

type filedStep struct {
	Who string `yaml:"who"`
	In  string `yaml:"in"`  // region of care
	Day string `yaml:"day"` // default: today
}

// filed tells by what filing care in a region would be settled.
func (w *World) filed(q *filedStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	day, _, err := days(q.Day, "")
	if err != nil {
		return err
	}
	if day == 0 {
		day = w.today()
	}
	return w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		kind, err := enrolment.FilingOn(w.ctx, tx, p.ID, q.In, day)
		got["filing"] = map[policy.Filing]string{policy.NotFiled: "未备案", policy.Filed: "已备案", policy.Referred: "转诊", policy.EmergencyAway: "急诊"}[kind]
		return err
	})
}

type referStep struct {
	Who string `yaml:"who"`
	By  string `yaml:"by"` // provider's code
	To  string `yaml:"to"` // and that of the other
}

// refer lets a hospital refer a person to another (转诊).
func (w *World) refer(q *referStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	return w.update(func(tx *db.Tx) error {
		a, err := w.filings.Declare(w.ctx, tx, filing.Declaration{Person: p.ID, Provider: q.By, From: w.today(), Actor: q.By,
			Details: filing.Details{Referral: &filing.Referral{Provider: q.To, Region: q.To[1:7], On: w.today(), DiagnosisName: "肺恶性肿瘤", Reason: "需要放疗"}}})
		if err == nil {
			w.say(q.Who+" referral", a, got)
		}
		return err
	})
}

type itemStep struct {
	Code     string `yaml:"code"`
	Region   string `yaml:"region"`
	FirstPay int64  `yaml:"first_pay"` // per cent
}

// item lets a region's catalogue say another first own pay of a class B drug than
// the country's (就医地目录).
func (w *World) item(q *itemStep) error {
	return w.update(func(tx *db.Tx) error {
		it, ok, err := catalogue.Find(w.ctx, tx, "990100", w.today(), q.Code)
		if err != nil || !ok {
			return fmt.Errorf("item %s: %t, %w", q.Code, ok, err)
		}
		it.Region, it.Class, it.FirstPay = q.Region, policy.ClassB, money.Percent(q.FirstPay)
		return catalogue.Add(w.ctx, tx, it)
	})
}

type directStep struct {
	Home  string `yaml:"home"`
	Care  string `yaml:"care"`
	Visit string `yaml:"visit"` // outpatient or inpatient
}

// direct tells whether care in another province is settled at once (直接结算).
func (w *World) direct(q *directStep, got result) error {
	visit := map[string]policy.VisitKind{"outpatient": policy.Outpatient, "inpatient": policy.Inpatient}[q.Visit]
	a, err := w.store.Direct(q.Home, q.Care, visit, w.today())
	got["open"], got["why"] = "尚不掌握", a.Why
	if a.Known {
		got["open"] = map[bool]string{true: "可", false: "不可"}[a.Open]
	}
	for _, s := range a.Sources {
		got["source"] += s.String()
	}
	return err
}

// explained tells what a settlement says of itself: its note, the reason of a
// refusal, and what each kind of step of its explanation says last.
func (w *World) explained(id string, got result) error {
	return w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		st, ok, err := w.srv.Settlement.Get(w.ctx, tx, id)
		if err != nil || !ok {
			return fmt.Errorf("settlement %s: %t, %w", id, ok, err)
		}
		for _, s := range st.Steps {
			got["step "+fmt.Sprint(s.Kind)] = s.What
		}
		got["note"], got["why"] = st.Note, st.Result.Reason
		got["first_own"], got["in_scope"], got["deductible"] = st.Result.FirstOwnPay.String(), st.Result.InScope.String(), st.Result.Deductible.String()
		got["region"], got["care_region"] = st.Case.Region, st.Case.CareRegion
		return nil
	})
}
