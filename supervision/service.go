package supervision

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/settlement"
)

// Service analyses care and keeps what it finds, inside the caller's
// transaction.
type Service struct {
	rules  Rules
	care   *settlement.Service
	sealer *gm.Sealer
	now    func() time.Time
}

// New returns a service. now nil is time.Now.
func New(rules Rules, care *settlement.Service, sealer *gm.Sealer, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{rules, care, sealer, now}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

const clock = "2006-01-02 15:04:05"

// Phase is when care is analysed.
type Phase string

// The phases.
const (
	Before Phase = "before" // 事前
	During Phase = "during" // 事中
)

// Title is the Chinese term of the phase.
func (p Phase) Title() string {
	if p == Before {
		return "事前"
	}
	return "事中"
}

// Request asks for an analysis of one visit of one person.
type Request struct {
	Phase    Phase
	Person   enrolment.Person
	Provider string // who asks; the visit must be its own
	Visit    Visit  // to be judged, as the provider states it
	Others   []Visit
	Rules    []string // codes of the rules to hold it against; nil: all
	Actor    string   // who does it, for the record
}

// mostVisits bounds how many of a person's visits are looked at, the newest.
const mostVisits = 1000

// Analyse holds a visit against the rules and keeps what they find. What the
// store knows of a visit goes before what the provider states of it, and the
// person's visits that the provider does not know of count too. The errors of
// a request are *Error.
func (s *Service) Analyse(ctx context.Context, tx *db.Tx, q Request) ([]Finding, error) {
	rules, err := s.rules.Select(q.Rules)
	if err != nil {
		return nil, err
	}
	chain := audit.OfPerson(q.Person.ID)
	if err := s.care.Expect(ctx, tx, q.Visit.ID, q.Person.ID, true); err != nil {
		return nil, err
	}
	if err := audit.Expect(ctx, tx, chain); err != nil {
		return nil, err
	}
	f, err := s.facts(ctx, tx, &q, rules)
	if err != nil {
		return nil, err
	}
	found := rules.Judge(f)
	task := newID(s.now())
	for i := range found {
		found[i].Task, found[i].ID = task, task+"-"+strconv.Itoa(i+1)
	}
	if err := s.keep(ctx, tx, &q, found); err != nil {
		return nil, err
	}
	hit := make([]string, len(found))
	for i := range found {
		hit[i] = found[i].Rule
	}
	return found, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Chain: chain, Action: "supervision.analyse", Subject: task,
		Details: map[string]any{"phase": q.Phase, "visit": q.Visit.ID, "rules": len(rules), "found": slices.Compact(hit)}})
}

// facts joins what the provider states with what the store knows.
func (s *Service) facts(ctx context.Context, tx *db.Tx, q *Request, rules Rules) (Facts, error) {
	f := Facts{Female: q.Person.Female, Birth: q.Person.Birth, Visit: q.Visit}
	own, ok, err := s.care.GetVisit(ctx, tx, q.Visit.ID)
	switch {
	case err != nil:
		return f, err
	case q.Visit.Provider != q.Provider || ok && (own.Provider != q.Provider || own.Person != q.Person.ID):
		return f, &Error{"visit", q.Visit.ID, "不是该人员在本机构的就诊"}
	case own.Cancelled:
		return f, &Error{"visit", q.Visit.ID, "这次就诊已经撤销"}
	case ok:
		if err := s.register(ctx, tx, &f.Visit, &own); err != nil {
			return f, err
		}
	}
	known, err := s.care.Visits(ctx, tx, settlement.VisitFilter{Person: q.Person.ID, Limit: mostVisits})
	if err != nil {
		return f, err
	}
	stated := map[string]Visit{}
	for _, v := range q.Others {
		stated[v.ID] = v
	}
	delete(stated, q.Visit.ID)
	for i := range known {
		k := &known[i]
		if k.ID == q.Visit.ID {
			continue
		}
		v := stated[k.ID]
		delete(stated, k.ID)
		if err := s.register(ctx, tx, &v, k); err != nil {
			return f, err
		}
		if again(&v, &f.Visit, rules.longestGap()) {
			if v.Diagnosis, err = mainDiagnosis(ctx, tx, k.ID); err != nil {
				return f, err
			}
		}
		f.Others = append(f.Others, v)
	}
	for _, v := range stated {
		f.Others = append(f.Others, v)
	}
	return f, nil
}

// register sets what the store knows of the visit. A stay that was settled for
// good without a word of the discharge ended on the day it was settled up to.
func (s *Service) register(ctx context.Context, tx *db.Tx, v *Visit, k *settlement.Visit) error {
	v.ID, v.Provider, v.Kind = k.ID, k.Provider, k.Kind
	v.From, v.To = civil.Of(k.Begun.In(zone)), 0
	ended := k.Ended
	if v.stay() && k.Closed && ended.IsZero() {
		var err error
		if ended, err = s.care.LastSettled(ctx, tx, k.ID); err != nil {
			return err
		}
	}
	if !ended.IsZero() {
		v.To = civil.Of(ended.In(zone))
	}
	return nil
}

// mainDiagnosis is the code of the main diagnosis of the discharge or, without
// one, of the admission; "" if there is none.
func mainDiagnosis(ctx context.Context, tx *db.Tx, visit string) (code string, err error) {
	all, err := settlement.Diagnoses(ctx, tx, visit)
	for _, d := range all { // those of the discharge come last
		if d.Main {
			code = d.Code
		}
	}
	return code, err
}

// body is what of a finding is sealed.
type body struct{ Title, Document, Article, Text string }

// The purposes for which fields are sealed.
const (
	sealBody   = "supervision.finding"
	sealReason = "supervision.reason"
)

// keep writes findings.
func (s *Service) keep(ctx context.Context, tx *db.Tx, q *Request, found []Finding) error {
	at := s.now().In(zone).Format(clock)
	rows := make([][]any, len(found))
	var details [][]any
	for i := range found {
		f := &found[i]
		plain, err := json.Marshal(body{f.Title, f.Basis.Document, f.Basis.Article, f.Text})
		if err != nil {
			return err
		}
		rows[i] = []any{f.ID, f.Task, string(q.Phase), q.Provider, q.Person.ID, f.Visit, f.Other, f.Rule, string(f.Severity), string(f.Kind),
			int64(f.Amount), f.Computed, at, s.sealer.Seal(sealBody, string(plain))}
		for n, d := range f.Details {
			details = append(details, []any{f.ID, n + 1, d.Order, int64(d.Amount)})
		}
	}
	if err := tx.Insert(ctx, "finding (id, task, phase, provider, person, visit, other_visit, rule, severity, kind, amount, computed, at, body)", rows); err != nil {
		return err
	}
	return tx.Insert(ctx, "finding_detail (finding, n, order_id, amount)", details)
}

// newID makes an identifier of 27 characters that sorts by time.
func newID(at time.Time) string {
	b := make([]byte, 6)
	rand.Read(b)
	return "J" + at.UTC().Format("20060102150405") + hex.EncodeToString(b)
}

// Kept is a finding as it was told, and what was done about it.
type Kept struct {
	Finding
	Phase     Phase
	Provider  string
	Person    string
	At        time.Time
	Responses []Response // oldest first
}

// Answer is what a doctor does about a finding (处理方式).
type Answer string

// The answers.
const (
	Continued Answer = "continued" // 继续执行
	Changed   Answer = "changed"   // 返回修改
)

// Response is what a provider did about a finding (反馈).
type Response struct {
	Answer Answer
	Reason string // in words, "" if none was given
	At     time.Time
	Actor  string
}

// Get finds a finding; ok is false if there is none.
func (s *Service) Get(ctx context.Context, tx *db.Tx, id string) (k Kept, ok bool, err error) {
	var at string
	var sealed []byte
	err = tx.QueryRow(ctx, `SELECT id, task, phase, provider, person, visit, other_visit, rule, severity, kind, amount, computed, at, body FROM finding WHERE id = ?`, id).
		Scan(&k.ID, &k.Task, &k.Phase, &k.Provider, &k.Person, &k.Visit, &k.Other, &k.Rule, &k.Severity, &k.Kind, &k.Amount, &k.Computed, &at, &sealed)
	if db.IsNotFound(err) {
		return k, false, nil
	}
	if err != nil {
		return k, false, err
	}
	plain, err := s.sealer.Open(sealBody, sealed)
	var b body
	if err == nil {
		err = json.Unmarshal([]byte(plain), &b)
	}
	if err == nil {
		k.At, err = time.ParseInLocation(clock, at, zone)
	}
	if err != nil {
		return k, false, fmt.Errorf("finding %s: %w", id, err)
	}
	k.Title, k.Basis, k.Text = b.Title, Basis{b.Document, b.Article}, b.Text
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var d Detail
		err := rows.Scan(&d.Order, &d.Amount)
		k.Details = append(k.Details, d)
		return err
	}, `SELECT order_id, amount FROM finding_detail WHERE finding = ? ORDER BY n`, id)
	if err != nil {
		return k, false, err
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var r Response
		var at string
		var reason []byte
		err := rows.Scan(&r.Answer, &reason, &at, &r.Actor)
		if err == nil {
			r.At, err = time.ParseInLocation(clock, at, zone)
		}
		if err == nil {
			r.Reason, err = s.sealer.Open(sealReason, reason)
		}
		k.Responses = append(k.Responses, r)
		return err
	}, `SELECT answer, reason, at, actor FROM finding_response WHERE finding = ? ORDER BY n`, id)
	return k, err == nil, err
}

// RespondRequest answers a finding.
type RespondRequest struct {
	Finding  string
	Phase    Phase
	Provider string // whose finding it must be
	Answer   Answer
	Reason   string
	Actor    string // who does it, for the record
}

// maxReason bounds a reason, in characters.
const maxReason = 500

// Respond keeps what a provider did about a finding. A later answer to the same
// finding stands beside the earlier ones. The errors of a request are *Error.
func (s *Service) Respond(ctx context.Context, tx *db.Tx, q RespondRequest) error {
	if n := len([]rune(q.Reason)); n > maxReason {
		return &Error{"reason", "", fmt.Sprintf("有 %d 个字符，最多 %d 个", n, maxReason)}
	}
	var provider, person string
	var phase Phase
	err := tx.QueryRow(ctx, `SELECT provider, person, phase FROM finding WHERE id = ?`, q.Finding).Scan(&provider, &person, &phase)
	switch {
	case db.IsNotFound(err) || err == nil && provider != q.Provider:
		return &Error{"finding", q.Finding, "本机构没有这条违规提示"}
	case err != nil:
		return err
	case phase != q.Phase:
		return &Error{"phase", "", "与违规提示 " + q.Finding + " 不符：那是" + phase.Title() + "分析的结果"}
	}
	// One answer after the other.
	if err := s.care.Expect(ctx, tx, "", person, true); err != nil {
		return err
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(n), 0) FROM finding_response WHERE finding = ?`, q.Finding).Scan(&n); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO finding_response (finding, n, answer, reason, at, actor) VALUES (?, ?, ?, ?, ?, ?)`,
		q.Finding, n+1, string(q.Answer), s.sealer.Seal(sealReason, q.Reason), s.now().In(zone).Format(clock), q.Actor); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Chain: audit.OfPerson(person), Action: "supervision.respond", Subject: q.Finding,
		Details: map[string]any{"answer": q.Answer}})
}
