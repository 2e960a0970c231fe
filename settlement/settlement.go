// Package settlement is the one place where money of care is decided and
// posted: visits, fee lines, pre-settlement and settlement (就诊、费用、预结算、结算).
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
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
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

// Diagnosis is one diagnosis of a visit (诊断).
type Diagnosis struct {
	Kind string // 诊断类别
	Code string
	Name string
	Main bool
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
	Closed      bool // settled for good
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
	Actor       string // who does it, for the audit record
}

// stay reports whether visits of the kind are stays.
func stay(k policy.VisitKind) bool {
	return k == policy.Inpatient || k == policy.Maternity || k == policy.DaySurgery
}

// Open opens a visit. A person has one open stay at a provider at a time.
func (s *Service) Open(ctx context.Context, tx *db.Tx, q OpenRequest) (Visit, error) {
	p, ok, err := provider.Get(ctx, tx, q.Provider)
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
	if err := s.insuredIn(ctx, tx, q.Person, q.Scheme, civil.Of(q.Begun)); err != nil {
		return Visit{}, err
	}
	if stay(q.Kind) {
		var open string
		err := tx.QueryRow(ctx, `SELECT id FROM visit WHERE person = ? AND provider = ? AND closed = 0 AND kind IN (?, ?, ?) LIMIT 1`,
			q.Person, q.Provider, policy.Inpatient, policy.Maternity, policy.DaySurgery).Scan(&open)
		if err == nil {
			return Visit{}, &Error{"visit", open, "该人员在本机构已有未结算的住院，不能重复入院"}
		}
		if !db.IsNotFound(err) {
			return Visit{}, err
		}
	}
	v := Visit{ID: newID(s.now()), Person: q.Person, Provider: p.Code, Scheme: q.Scheme, Kind: q.Kind, Number: q.Number, Begun: q.Begun,
		Disease: q.Disease, DiseaseName: q.DiseaseName, Cause: q.Cause, Code: q.Code, Department: q.Department}
	if _, err := tx.Exec(ctx, `INSERT INTO visit (id, person, provider, scheme, kind, number, begun, disease, disease_name, cause, code, department, closed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
		v.ID, v.Person, v.Provider, v.Scheme, v.Kind, v.Number, v.Begun.Format(clock), v.Disease, v.DiseaseName, v.Cause, v.Code, v.Department); err != nil {
		return Visit{}, err
	}
	if err := writeDiagnoses(ctx, tx, v.ID, q.Diagnoses); err != nil {
		return Visit{}, err
	}
	return v, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Action: "visit.open", Subject: v.ID, Details: map[string]string{"kind": v.Kind.String()}})
}

// clock is how times of visits are kept: local time, to the second.
const clock = "2006-01-02 15:04:05"

// insuredIn refuses a scheme that the person was never in; whether benefits
// are due is for policy to say.
func (s *Service) insuredIn(ctx context.Context, tx *db.Tx, person string, scheme policy.Scheme, day civil.Date) error {
	all, err := enrolment.Insurances(ctx, tx, person, day)
	if err != nil {
		return err
	}
	for _, i := range all {
		if i.Scheme == scheme {
			return nil
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &Error{"scheme", scheme.Title(), "该人员这一天参加的是" + all[0].Scheme.Title() + "医保"}
}

func writeDiagnoses(ctx context.Context, tx *db.Tx, visit string, ds []Diagnosis) error {
	if ds == nil {
		return nil
	}
	if _, err := tx.Exec(ctx, `DELETE FROM diagnosis WHERE visit = ?`, visit); err != nil {
		return err
	}
	for n, d := range ds {
		if _, err := tx.Exec(ctx, `INSERT INTO diagnosis (visit, n, kind, code, name, main) VALUES (?, ?, ?, ?, ?, ?)`, visit, n+1, d.Kind, d.Code, d.Name, d.Main); err != nil {
			return err
		}
	}
	return nil
}

// newID makes an identifier of 27 characters that sorts by time.
func newID(at time.Time) string {
	b := make([]byte, 6)
	rand.Read(b)
	return at.UTC().Format("20060102150405") + "0" + hex.EncodeToString(b)
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

// Describe sets the kind of care, the disease and the diagnoses of a visit
// that is not settled yet.
func (s *Service) Describe(ctx context.Context, tx *db.Tx, q DescribeRequest) error {
	if _, err := s.openVisit(ctx, tx, q.Visit, q.Person, q.Provider); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE visit SET kind = ?, begun = ?, disease = ?, disease_name = ?, cause = ?, code = ? WHERE id = ?`,
		q.Kind, q.Begun.Format(clock), q.Disease, q.DiseaseName, q.Cause, q.Code, q.Visit); err != nil {
		return err
	}
	if err := writeDiagnoses(ctx, tx, q.Visit, q.Diagnoses); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Action: "visit.describe", Subject: q.Visit, Details: map[string]string{"kind": q.Kind.String()}})
}

// GetVisit finds a visit; ok is false if there is none.
func (s *Service) GetVisit(ctx context.Context, tx *db.Tx, id string) (v Visit, ok bool, err error) {
	var begun string
	v.ID = id
	err = tx.QueryRow(ctx, `SELECT person, provider, scheme, kind, number, begun, disease, disease_name, cause, code, department, closed FROM visit WHERE id = ?`, id).
		Scan(&v.Person, &v.Provider, &v.Scheme, &v.Kind, &v.Number, &begun, &v.Disease, &v.DiseaseName, &v.Cause, &v.Code, &v.Department, &v.Closed)
	if db.IsNotFound(err) {
		return Visit{}, false, nil
	}
	if err == nil {
		v.Begun, err = time.ParseInLocation(clock, begun, time.Local)
	}
	return v, err == nil, err
}

// openVisit finds a visit of this person at this provider that is not settled.
func (s *Service) openVisit(ctx context.Context, tx *db.Tx, id, person, prov string) (Visit, error) {
	v, ok, err := s.GetVisit(ctx, tx, id)
	switch {
	case err != nil:
		return v, err
	case !ok || prov != "" && v.Provider != prov:
		return v, &Error{"visit", id, "本机构没有这次就诊"}
	case person != "" && v.Person != person:
		return v, &Error{"person", person, "与就诊登记的人员不符"}
	case v.Closed:
		return v, &Error{"visit", id, "这次就诊已经结算"}
	}
	return v, nil
}

// Fee is one fee line of a bill (费用明细).
type Fee struct {
	Serial       string // unique in the visit (费用明细流水号)
	Batch        string // 收费批次号
	Original     string // serial of the line that this one takes back
	Item         string // code in the catalogue (医疗目录编码)
	ProviderItem string // the provider's own code
	Time         time.Time
	Quantity     catalogue.Quantity // negative when taken back
	Price        int64              // unit price in 10^-6 yuan
	Amount       money.Fen
	OwnPay       bool // the hospital did not approve a restricted item: full own pay
}

// FeeResult is what a fee line comes to.
type FeeResult struct {
	Fee
	Catalogued bool // the catalogue holds the item on that day
	Catalogue  catalogue.Item
	FirstPay   money.Rate // that applies
	Split      policy.LineSplit
	Warning    string // in Chinese
}

// AddFees records fee lines of a visit and says how each divides.
func (s *Service) AddFees(ctx context.Context, tx *db.Tx, visit, prov string, fees []Fee, actor string) ([]FeeResult, error) {
	v, err := s.openVisit(ctx, tx, visit, "", prov)
	if err != nil {
		return nil, err
	}
	care, err := s.careRegion(ctx, tx, v.Provider)
	if err != nil {
		return nil, err
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(n), 0) FROM fee WHERE visit = ?`, visit).Scan(&n); err != nil {
		return nil, err
	}
	out := make([]FeeResult, 0, len(fees))
	for i, f := range fees {
		r, err := s.price(ctx, tx, v, care, f)
		if err != nil {
			return nil, at(err, i)
		}
		n++
		var exists int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM fee WHERE visit = ? AND serial = ?`, visit, f.Serial).Scan(&exists); err != nil {
			return nil, err
		}
		if exists > 0 {
			return nil, at(&Error{"serial", f.Serial, "本次就诊已有这个明细流水号"}, i)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO fee (visit, serial, n, batch, original, item, provider_item, name, day, quantity, price, amount, class, first_pay, unit_ceiling, settlement)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')`,
			visit, f.Serial, n, f.Batch, f.Original, f.Item, f.ProviderItem, r.Catalogue.Name, int(civil.Of(f.Time)), int64(f.Quantity), f.Price, int64(f.Amount),
			r.Catalogue.Class, int64(r.FirstPay), int64(r.Catalogue.UnitCeiling)); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Action: "visit.fees", Subject: visit, Details: map[string]int{"lines": len(fees)}})
}

// at makes a line's error name the line, counted from 1.
func at(err error, i int) error {
	if e, ok := err.(*Error); ok {
		return &Error{fmt.Sprintf("fees[%d].%s", i+1, e.Field), e.Value, e.Want}
	}
	return err
}

func (s *Service) careRegion(ctx context.Context, tx *db.Tx, code string) (provider.Provider, error) {
	p, ok, err := provider.Get(ctx, tx, code)
	if err == nil && !ok {
		err = &Error{"provider", code, "没有登记这个医药机构"}
	}
	return p, err
}

// price checks one fee line and divides it by the care region's catalogue.
func (s *Service) price(ctx context.Context, tx *db.Tx, v Visit, care provider.Provider, f Fee) (FeeResult, error) {
	r := FeeResult{Fee: f}
	if want := Multiply(f.Quantity, f.Price); want != f.Amount {
		return r, &Error{"amount", f.Amount.String(), "应等于数量 × 单价 ＝ " + want.String()}
	}
	if f.Quantity < 0 {
		if err := s.takesBack(ctx, tx, v.ID, f); err != nil {
			return r, err
		}
	}
	day := civil.Of(f.Time)
	it, ok, err := catalogue.Find(ctx, tx, care.Region, day, f.Item)
	if err != nil {
		return r, err
	}
	if !ok {
		it = catalogue.Item{Code: f.Item, Name: f.ProviderItem, Class: policy.ClassC, FirstPay: policy.FirstPayUnstated, UnitCeiling: policy.NoCeiling, Charge: "14"}
		r.Warning = "目录编码「" + f.Item + "」在" + day.String() + "不在就医地目录内，按全自费处理"
	}
	if f.OwnPay && it.Class != policy.ClassC {
		it.Class = policy.ClassC
		r.Warning = "未经医院审批，按全自费处理"
	}
	r.Catalogued, r.Catalogue = ok, it
	person, found, err := s.register.ByID(ctx, tx, v.Person)
	if err != nil || !found {
		return r, fmt.Errorf("person of visit %s: %w", v.ID, err)
	}
	q, a := f.Quantity, f.Amount
	if q < 0 {
		q, a = -q, -a
	}
	line := policy.Line{Name: it.Name, Class: it.Class, Amount: a, FirstPay: it.FirstPay, Ceiling: it.Ceiling(q), Date: day}
	c := policy.Case{Region: person.Region, CareRegion: care.Region, Date: day, Scheme: v.Scheme, Level: care.Level}
	if r.Split, err = s.store.SplitLine(&c, &line); err != nil {
		return r, inputError(err)
	}
	r.FirstPay = it.FirstPay
	if it.Class == policy.ClassB && it.FirstPay < 0 && a > r.Split.OverCeiling {
		// The package's ratio applies; keep it on the line as it holds today.
		probe := policy.Line{Class: policy.ClassB, Amount: 100_000_000, FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}
		split, err := s.store.SplitLine(&c, &probe)
		if err != nil {
			return r, inputError(err)
		}
		r.FirstPay = money.Rate(split.FirstOwnPay)
	}
	if f.Quantity < 0 {
		r.Split.FullOwnPay, r.Split.OverCeiling = -r.Split.FullOwnPay, -r.Split.OverCeiling
		r.Split.FirstOwnPay, r.Split.InScope = -r.Split.FirstOwnPay, -r.Split.InScope
	}
	return r, nil
}

// takesBack checks that a negative line takes back no more than is left of
// the line it names.
func (s *Service) takesBack(ctx context.Context, tx *db.Tx, visit string, f Fee) error {
	if f.Original == "" {
		return &Error{"original", "", "数量为负的退费明细须写明原费用流水号"}
	}
	var item string
	var price int64
	var left catalogue.Quantity
	err := tx.QueryRow(ctx, `SELECT item, price, quantity FROM fee WHERE visit = ? AND serial = ? AND quantity > 0 AND settlement = ''`, visit, f.Original).Scan(&item, &price, &left)
	if db.IsNotFound(err) {
		return &Error{"original", f.Original, "本次就诊没有这条未结算的原费用明细"}
	}
	if err != nil {
		return err
	}
	var back catalogue.Quantity
	if err := tx.QueryRow(ctx, `SELECT COALESCE(SUM(quantity), 0) FROM fee WHERE visit = ? AND original = ?`, visit, f.Original).Scan(&back); err != nil {
		return err
	}
	left += back
	switch {
	case item != f.Item || price != f.Price:
		return &Error{"item", f.Item, "与原费用明细的项目或单价不符"}
	case -f.Quantity > left:
		return &Error{"quantity", f.Quantity.String(), "超过原费用明细可退的数量 " + left.String()}
	}
	return nil
}

// Multiply is quantity × unit price, rounded half up to the fen.
func Multiply(q catalogue.Quantity, price int64) money.Fen {
	neg := q < 0
	if neg {
		q = -q
	}
	v := money.Fen(q).Mul(money.Rate(max(price, 0))) // 10^-4 × 10^-6 yuan, in fen
	if neg {
		return -v
	}
	return v
}

// inputError turns an error of the engine into one of this room.
func inputError(err error) error {
	if e, ok := err.(*policy.InputError); ok {
		return &Error{e.Field, e.Value, e.Want}
	}
	return err
}

// fees reads the unsettled lines of a visit, of one batch or of all, with
// lines taken back netted against the lines they take from.
func fees(ctx context.Context, tx *db.Tx, visit, batch string) (lines []policy.Line, total money.Fen, serials []string, err error) {
	type row struct {
		line     policy.Line
		serial   string
		quantity catalogue.Quantity
		item     catalogue.Item
	}
	var rows []row
	index := map[string]int{}
	err = tx.Each(ctx, func(rs *sql.Rows) error {
		var r row
		var original string
		if err := rs.Scan(&r.serial, &original, &r.line.Name, &r.line.Date, &r.quantity, &r.line.Amount, &r.line.Class, &r.line.FirstPay, &r.item.UnitCeiling); err != nil {
			return err
		}
		total += r.line.Amount
		serials = append(serials, r.serial)
		if original != "" && r.quantity < 0 {
			if i, ok := index[original]; ok {
				rows[i].quantity += r.quantity
				rows[i].line.Amount += r.line.Amount
			}
			return nil
		}
		index[r.serial] = len(rows)
		rows = append(rows, r)
		return nil
	}, `SELECT serial, original, name, day, quantity, amount, class, first_pay, unit_ceiling FROM fee
		WHERE visit = ? AND settlement = '' AND (? = '' OR batch = ?) ORDER BY n`, visit, batch, batch)
	for _, r := range rows {
		if r.quantity == 0 && r.line.Amount == 0 {
			continue
		}
		r.line.Ceiling = r.item.Ceiling(r.quantity)
		lines = append(lines, r.line)
	}
	return lines, total, serials, err
}
