// Package settlement is the one place where money of care is decided and
// posted: visits, fee lines, pre-settlement, settlement and reversal (就诊、费用、
// 预结算、结算、撤销).
//
// Its methods work inside the caller's transaction, so that an edge can keep
// its own reply in the same commit. They read a snapshot, let policy decide,
// and write the settlement, the sums of the year, the ledger entry and the
// audit record together. They speak domain terms; field names of the national
// interface are not known here.
package settlement

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// Error is a fault of the request: which field, what it holds, what is
// allowed. Field names are the domain's; an edge spells them its own way.
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

// Service settles care under the packages of a store.
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
	return &Service{store: store, register: register, now: now}
}

// Policies are the packages that it settles under.
func (s *Service) Policies() *policy.Store { return s.store }

// Diagnosis is one diagnosis of a visit (诊断).
type Diagnosis struct {
	Kind       string // 诊断类别
	Code       string
	Name       string
	Main       bool
	Discharge  bool   // made at the discharge (出院诊断)
	Rank       string // its place among the visit's, as the provider numbers it (诊断排序号)
	Condition  string // on admission (入院病情)
	Department string
	DoctorCode string
	Doctor     string
	At         time.Time // when it was made; zero: not said
}

// Visit is an outpatient visit or a stay (就诊).
type Visit struct {
	ID          string
	Person      string
	Provider    string
	Scheme      policy.Scheme
	Kind        policy.VisitKind
	Number      string // the provider's own number (住院/门诊号)
	Begun       time.Time
	Disease     string // code of the special disease (病种编码)
	DiseaseName string
	Cause       policy.Cause
	Code        string // the caller's own, finer code of the kind of care, given back as it was
	Department  string
	Ended       time.Time // of a stay: the discharge (出院); zero: not discharged
	Closed      bool      // settled for good, or cancelled
	Cancelled   bool      // the registration or admission was cancelled (撤销)
	Claim       string    // the claim by which a person who paid asks for it (手工报销), "" for care settled at the provider
	Emergency   bool      // of a claim: an emergency away from home, which counts as filed (急诊视同备案)
}

// OpenRequest opens a visit: a registration (挂号) or an admission (入院).
type OpenRequest struct {
	Person      string
	Provider    string
	Scheme      policy.Scheme
	Kind        policy.VisitKind
	Number      string
	Begun       time.Time
	Disease     string
	DiseaseName string
	Cause       policy.Cause
	Code        string // the caller's own code of the kind of care
	Department  string
	Diagnoses   []Diagnosis
	Claim       string // see Visit
	Emergency   bool
	Actor       string // who does it, for the audit record
}

// stay reports whether visits of the kind are stays.
func stay(k policy.VisitKind) bool {
	return k == policy.Inpatient || k == policy.Maternity || k == policy.DaySurgery
}

// Open opens a visit. A person has one open stay at a provider at a time.
func (s *Service) Open(ctx context.Context, tx *db.Tx, q OpenRequest) (Visit, error) {
	if err := s.Expect(ctx, tx, "", q.Person, true); err != nil {
		return Visit{}, err
	}
	if err := audit.Expect(ctx, tx, audit.OfPerson(q.Person)); err != nil {
		return Visit{}, err
	}
	var spells []enrolment.Insurance
	if err := enrolment.LaterInsurances(ctx, tx, &spells, q.Person, dayOf(q.Begun)); err != nil {
		return Visit{}, err
	}
	p, ok, err := provider.Get(ctx, tx, q.Provider)
	if err == nil {
		err = tx.Flush(ctx)
	}
	if err != nil {
		return Visit{}, err
	}
	if !ok {
		return Visit{}, &Error{"provider", q.Provider, "没有登记这个医药机构"}
	}
	if _, ok, err := s.register.ByID(ctx, tx, q.Person); err != nil {
		return Visit{}, err
	} else if !ok {
		return Visit{}, &Error{"person", q.Person, "没有这个人员编号"}
	}
	if err := insuredIn(spells, q.Scheme); err != nil {
		return Visit{}, err
	}
	if stay(q.Kind) && q.Claim == "" {
		var open string
		err := tx.QueryRow(ctx, `SELECT id FROM visit WHERE person = ? AND provider = ? AND closed = 0 AND claim = '' AND kind IN (?, ?, ?) LIMIT 1`,
			q.Person, q.Provider, policy.Inpatient, policy.Maternity, policy.DaySurgery).Scan(&open)
		if err == nil {
			return Visit{}, &Error{"visit", open, "该人员在本机构已有未结算的住院，不能重复入院"}
		}
		if !db.IsNotFound(err) {
			return Visit{}, err
		}
	}
	v := Visit{ID: newID(s.now()), Person: q.Person, Provider: p.Code, Scheme: q.Scheme, Kind: q.Kind, Number: q.Number, Begun: q.Begun,
		Disease: q.Disease, DiseaseName: q.DiseaseName, Cause: q.Cause, Code: q.Code, Department: q.Department, Claim: q.Claim, Emergency: q.Emergency}
	if err := tx.Exec(ctx, `INSERT INTO visit (id, person, provider, scheme, kind, number, begun, disease, disease_name, cause, code, department, closed, claim, emergency) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
		v.ID, v.Person, v.Provider, v.Scheme, v.Kind, v.Number, v.Begun.In(zone).Format(clock), v.Disease, v.DiseaseName, v.Cause, v.Code, v.Department, v.Claim, v.Emergency); err != nil {
		return Visit{}, err
	}
	if err := writeDiagnoses(ctx, tx, v.ID, false, 0, q.Diagnoses); err != nil {
		return Visit{}, err
	}
	return v, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Chain: audit.OfPerson(v.Person), Action: "visit.open", Subject: v.ID, Details: map[string]string{"kind": v.Kind.String()}})
}

// clock is how times of visits are kept: the time of China, to the second.
const clock = "2006-01-02 15:04:05"

// zone is the one time of the country (北京时间): it says on which day a thing
// happens, wherever the server stands.
var zone = time.FixedZone("CST", 8*60*60)

// dayOf is the day of a moment.
func dayOf(t time.Time) civil.Date { return civil.Of(t.In(zone)) }

// insuredIn refuses a scheme that the person is not in, and the residents' for
// one whom the employees' covers too (重复参保从职工). Whether benefits are due
// is for policy to say.
func insuredIn(all []enrolment.Insurance, scheme policy.Scheme) error {
	if len(all) == 0 {
		return nil
	}
	counts := enrolment.Counting(all)
	if scheme == policy.Resident && counts.Scheme == policy.Employee && counts.Status == policy.Normal {
		want := "该人员这一天参加的是" + counts.Scheme.Title() + "医保"
		if len(all) > 1 {
			want = "该人员重复参保，应以" + counts.Scheme.Title() + "医保结算；重复缴纳的居民医保费可向经办机构申请退还"
		}
		return &Error{"scheme", scheme.Title(), want}
	}
	for _, i := range all {
		if i.Scheme == scheme {
			return nil
		}
	}
	return &Error{"scheme", scheme.Title(), "该人员这一天参加的是" + counts.Scheme.Title() + "医保"}
}

// replaceDiagnoses replaces the visit's diagnoses of the admission or of the
// discharge; nil leaves them.
func replaceDiagnoses(ctx context.Context, tx *db.Tx, visit string, discharge bool, ds []Diagnosis) error {
	if ds == nil {
		return nil
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(n), 0) FROM diagnosis WHERE visit = ?`, visit).Scan(&n); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `DELETE FROM diagnosis WHERE visit = ? AND discharge = ?`, visit, discharge); err != nil {
		return err
	}
	return writeDiagnoses(ctx, tx, visit, discharge, n, ds)
}

// writeDiagnoses adds diagnoses to a visit that has n.
func writeDiagnoses(ctx context.Context, tx *db.Tx, visit string, discharge bool, n int, ds []Diagnosis) error {
	rows := make([][]any, len(ds))
	for i, d := range ds {
		rows[i] = []any{visit, n + 1 + i, d.Kind, d.Code, d.Name, d.Main, discharge, d.Rank, d.Condition, d.Department, d.DoctorCode, d.Doctor, stamp(d.At)}
	}
	return tx.Insert(ctx, "diagnosis (visit, n, kind, code, name, main, discharge, rank, condition, department, doctor_code, doctor, at)", rows)
}

// stamp writes a time of a visit as it is kept, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(clock)
}

// unstamp reads what stamp wrote.
func unstamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.ParseInLocation(clock, s, zone)
}

// idTime is how identifiers begin, so that they sort by time.
const idTime = "20060102150405"

// newID makes an identifier of 27 characters that sorts by time.
func newID(at time.Time) string {
	b := make([]byte, 6)
	rand.Read(b)
	return at.UTC().Format(idTime) + "0" + hex.EncodeToString(b)
}

// DescribeRequest says what an outpatient visit turned out to be (就诊信息).
type DescribeRequest struct {
	Visit       string
	Person      string
	Provider    string
	Kind        policy.VisitKind
	Begun       time.Time
	Disease     string
	DiseaseName string
	Cause       policy.Cause
	Code        string      // the caller's own code of the kind of care
	Diagnoses   []Diagnosis // nil leaves those that are there
	Actor       string
}

// Describe sets the kind of care, the disease and the diagnoses of an
// outpatient visit. A stay is described by its admission.
func (s *Service) Describe(ctx context.Context, tx *db.Tx, q DescribeRequest) error {
	if err := s.Expect(ctx, tx, q.Visit, q.Person, true); err != nil {
		return err
	}
	v, err := s.openVisit(ctx, tx, q.Visit, q.Person, q.Provider)
	if err != nil {
		return err
	}
	forgetVisit(tx, q.Visit)
	if stay(v.Kind) || stay(q.Kind) {
		return &Error{"kind", q.Kind.Title(), "门诊与住院不能互改：这次就诊登记为" + v.Kind.Title()}
	}
	if err := audit.Expect(ctx, tx, audit.OfPerson(v.Person)); err != nil {
		return err
	}
	if err := replaceDiagnoses(ctx, tx, q.Visit, false, q.Diagnoses); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `UPDATE visit SET kind = ?, begun = ?, disease = ?, disease_name = ?, cause = ?, code = ? WHERE id = ?`,
		q.Kind, q.Begun.In(zone).Format(clock), q.Disease, q.DiseaseName, q.Cause, q.Code, q.Visit); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Chain: audit.OfPerson(v.Person), Action: "visit.describe", Subject: q.Visit, Details: map[string]string{"kind": q.Kind.String()}})
}

// GetVisit finds a visit; ok is false if there is none.
func (s *Service) GetVisit(ctx context.Context, tx *db.Tx, id string) (v Visit, ok bool, err error) {
	found, ok := tx.Kept(visitKey(id)).(*Visit)
	if !ok {
		if err := s.expectVisit(ctx, tx, id); err != nil {
			return Visit{}, false, err
		}
		found = tx.Kept(visitKey(id)).(*Visit)
	}
	if err := tx.Flush(ctx); err != nil {
		return Visit{}, false, err
	}
	return *found, found.ID != "", nil
}

type visitKey string

// Expect makes ready to do something about a visit and its person: it reads
// both together with what else the transaction reads. Where change is true it
// first makes the transactions about the person happen one after the other.
func (s *Service) Expect(ctx context.Context, tx *db.Tx, visit, person string, change bool) error {
	locked := tx.Kept(lockKey(person)) != nil
	// What was read before the lock may have changed.
	again := change && !locked
	var err error
	switch {
	case again:
		tx.Keep(lockKey(person), true)
		err = s.register.ExpectAlone(ctx, tx, person)
	case person != "" && !s.register.Expected(tx, person):
		err = s.register.Expect(ctx, tx, person)
	}
	if err != nil {
		return err
	}
	if visit != "" && (again || tx.Kept(visitKey(visit)) == nil) {
		return s.expectVisit(ctx, tx, visit)
	}
	return nil
}

type lockKey string

func (s *Service) expectVisit(ctx context.Context, tx *db.Tx, id string) error {
	v := &Visit{}
	tx.Keep(visitKey(id), v)
	return tx.Later(ctx, func(rows *db.Rows) error { return scanVisit(rows, v) }, `SELECT `+visitColumns+` FROM visit WHERE id = ?`, id)
}

const visitColumns = `id, person, provider, scheme, kind, number, begun, disease, disease_name, cause, code, department, ended, closed, cancelled, claim, emergency`

// scanVisit reads the visitColumns.
func scanVisit(rows *db.Rows, v *Visit) error {
	var begun, ended string
	err := rows.Scan(&v.ID, &v.Person, &v.Provider, &v.Scheme, &v.Kind, &v.Number, &begun, &v.Disease, &v.DiseaseName, &v.Cause, &v.Code, &v.Department, &ended, &v.Closed, &v.Cancelled, &v.Claim, &v.Emergency)
	if err != nil {
		return err
	}
	if v.Begun, err = unstamp(begun); err != nil {
		return err
	}
	v.Ended, err = unstamp(ended)
	return err
}

// forgetVisit is called where a visit was written.
func forgetVisit(tx *db.Tx, id string) { tx.Keep(visitKey(id), nil) }

// openVisit finds a visit of this person at this provider that is not settled
// for good.
func (s *Service) openVisit(ctx context.Context, tx *db.Tx, id, person, prov string) (Visit, error) {
	v, err := s.ownVisit(ctx, tx, id, person, prov)
	if err == nil && v.Closed {
		err = &Error{"visit", id, "这次就诊已经结算"}
	}
	return v, err
}

// ownVisit finds a visit of this person at this provider.
func (s *Service) ownVisit(ctx context.Context, tx *db.Tx, id, person, prov string) (Visit, error) {
	v, ok, err := s.GetVisit(ctx, tx, id)
	switch {
	case err != nil:
		return v, err
	case !ok || prov != "" && (v.Provider != prov || v.Claim != ""):
		return v, &Error{"visit", id, "本机构没有这次就诊"}
	case person != "" && v.Person != person:
		return v, &Error{"person", person, "与就诊登记的人员不符"}
	case v.Cancelled:
		return v, &Error{"visit", id, "这次就诊已经撤销"}
	}
	return v, nil
}

// inputError turns an error of the engine into one of this room.
func inputError(err error) error {
	if e, ok := err.(*policy.InputError); ok {
		return &Error{e.Field, e.Value, e.Want}
	}
	return err
}
