// Package abstract keeps discharge abstracts (医疗保障基金结算清单): what a
// hospital states of a stay, or of care for a chronic disease, beside its
// settlement. Grouping by DRG and DIP and the supervision of care build on it.
//
// An abstract is a draft until it is submitted. A draft may be uploaded again,
// which replaces it; one that is submitted is first taken back. It counts for
// as long as its settlement stands.
package abstract

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/settlement"
)

// Error is a fault of an abstract: which field, what it holds, what is allowed.
// Field names are this room's.
type Error struct {
	Field string // such as diagnoses[2].code; rows count from 1
	Value string
	Want  string // in Chinese
}

func (e *Error) Error() string { return e.Field + "「" + e.Value + "」：" + e.Want }

// State is how far an abstract is (状态分类).
type State uint8

// The states of an abstract.
const (
	Draft     State = iota // 未提交
	Submitted              // 已提交
)

// Title is the state's name in Chinese.
func (s State) Title() string { return [...]string{"未提交", "已提交"}[s] }

// Abstract is a discharge abstract. Texts whose form no rule needs are kept as
// the provider writes them; codes are those of the national dictionaries.
type Abstract struct {
	Number     int64 // 清单流水号, nine digits
	Settlement string
	Visit      string
	Person     string
	Provider   string
	State      State
	Uploads    int // how often it was uploaded

	Record    string    // 病案号
	Declared  time.Time // 申报时间
	Patient   Patient
	Newborn   Newborn
	Special   Special
	Admission Admission
	Discharge Discharge
	Course    Course
	Bill      Bill
	From, To  civil.Date // the days that are settled (结算开始、结束日期)
	Payment   string     // 医保支付方式
	FilledBy  FilledBy

	Diagnoses  []Diagnosis
	Operations []Operation
	Intensive  []Intensive
	Blood      []Blood
}

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// Patient is what is said of the patient and whom to ask.
type Patient struct {
	Nationality, Occupation, Address, PostCode             string
	Employer, EmployerAddress, EmployerPhone               string
	Contact, ContactRelation, ContactAddress, ContactPhone string
}

// Newborn is what is said of a newborn or, of the weights at birth, of the
// mother's children. Weights are 0.01 g, -1 for none.
type Newborn struct {
	AdmissionKind            string // 新生儿入院类型
	AgeDays                  int    // 天龄; -1: not stated
	BirthWeight, Weight      int64  // at birth, on admission
	OtherBirths, OtherWeight string // 多新生儿, as written
}

// Special is care for a chronic or special disease (门诊慢特病).
type Special struct {
	Department string // 诊断科别
	Visited    civil.Date
	Procedures []Code
}

// Code is a code with its name.
type Code struct{ Code, Name string }

// Admission is how the stay began.
type Admission struct {
	Way, Treatment string // 入院途径, 治疗类别
	At             time.Time
	Department     Code
	Specialty      string // 入院科别
	Transfers      string // 转科科别
	Western        Code   // 门（急）诊西医诊断
	Chinese        Code   // 门（急）诊中医诊断
}

// Discharge is how it ended.
type Discharge struct {
	At         time.Time
	Department Code
	Specialty  string // 出院科别
	Way        string // 离院方式
	Receiver   Code   // 拟接收机构
	Planned    string // 31天内再住院计划标志
	Purpose    string // and what for
}

// Course is what was done in between. Durations are minutes, -1 for none;
// nursing is in tenths of days, by grade from 特级 to 三级.
type Course struct {
	Ventilated            int64
	ComaBefore, ComaAfter int64
	Nursing               [4]int64
	Physician, Nurse      string // codes of 主诊医师 and 责任护士
}

// Bill is the receipt (票据).
type Bill struct{ Code, Number, Serial string }

// FilledBy is who filled the abstract in (填报部门、填报人).
type FilledBy struct{ Department, Name string }

// Diagnosis is a diagnosis of the discharge (出院诊断).
type Diagnosis struct {
	Kind string // 诊断类别
	Code
	Condition string // 入院病情
	Main      bool
}

// The kinds of diagnoses (诊断类别).
const (
	Unspecified     = "0" // 未区分
	Western         = "1" // 西医诊断
	ChineseDisease  = "2" // 中医主病
	ChineseSyndrome = "3" // 中医主证
)

// Operation is an operation or procedure (手术操作).
type Operation struct {
	Kind string // 手术操作类别
	Code
	Anaesthesia              string // 麻醉方式
	Surgeon, Anaesthetist    string // codes
	Begun, Ended             time.Time
	AnaesthesiaBegun, Waking time.Time // 麻醉开始、结束时间
}

// MainOperation is the kind (手术操作类别) of the main operation.
const MainOperation = "1"

// Intensive is a stay at an intensive care unit (重症监护).
type Intensive struct {
	Ward    string
	In, Out time.Time
	Minutes int64 // as stated; -1: not in a form that is known
}

// Blood is blood that was given (输血).
type Blood struct {
	ID     string
	Kind   string
	Amount int64
	Unit   string
}

// Service keeps abstracts, inside the caller's transaction.
type Service struct {
	care   *settlement.Service
	sealer *gm.Sealer
	now    func() time.Time
}

// New returns a service; now nil is time.Now.
func New(care *settlement.Service, sealer *gm.Sealer, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{care, sealer, now}
}

var zone = time.FixedZone("CST", 8*60*60)

const clock = "2006-01-02 15:04:05"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(clock)
}

const sealDocument = "abstract.document"

// first is the number before the first abstract: they have nine digits.
const first = 100_000_000

// Upload keeps an abstract: a new one, or in place of the draft of the same
// settlement. It says the number, and what is doubtful in Chinese.
func (s *Service) Upload(ctx context.Context, tx *db.Tx, a Abstract, actor string) (number int64, doubts []string, err error) {
	if err := s.care.Expect(ctx, tx, a.Visit, a.Person, true); err != nil {
		return 0, nil, err
	}
	st, err := s.standing(ctx, tx, &a)
	if err != nil {
		return 0, nil, err
	}
	if doubts, err = s.check(ctx, tx, &a, st); err != nil {
		return 0, nil, err
	}
	old, ok, err := s.Of(ctx, tx, a.Settlement)
	switch {
	case err != nil:
		return 0, nil, err
	case !ok:
		// The numbers follow each other.
		if err := tx.Lock(ctx, "abstract.number"); err != nil {
			return 0, nil, err
		}
		if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), ?) + 1 FROM abstract`, first).Scan(&a.Number); err != nil {
			return 0, nil, err
		}
	case old.State == Submitted:
		return 0, nil, &Error{"settlement", a.Settlement, "结算清单已提交，不能再上传；需要修改的，请先改为未提交"}
	default:
		a.Number, a.Uploads = old.Number, old.Uploads
	}
	a.Uploads++
	if err := s.write(ctx, tx, &a, ok); err != nil {
		return 0, nil, err
	}
	return a.Number, doubts, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: audit.OfPerson(a.Person), Action: "abstract.upload", Subject: a.Settlement,
		Details: map[string]any{"number": a.Number, "state": a.State.Title(), "uploads": a.Uploads}})
}

// standing finds the settlement of an abstract and refuses what is not it.
func (s *Service) standing(ctx context.Context, tx *db.Tx, a *Abstract) (*settlement.Settlement, error) {
	st, ok, err := s.care.Get(ctx, tx, a.Settlement)
	switch {
	case err != nil:
		return nil, err
	case !ok || st.Provider.Code != a.Provider:
		return nil, &Error{"settlement", a.Settlement, "本机构没有这笔结算"}
	case st.Person.ID != a.Person:
		return nil, &Error{"person", a.Person, "与结算的人员不符"}
	case a.Visit != "" && st.Visit.ID != a.Visit:
		return nil, &Error{"visit", a.Visit, "与结算的就诊不符"}
	case st.Reverses != "":
		return nil, &Error{"settlement", a.Settlement, "这是撤销记录，没有结算清单"}
	case st.ReversedBy != "":
		return nil, &Error{"settlement", a.Settlement, "结算已撤销；请上传重新结算后的清单"}
	}
	a.Visit = st.Visit.ID
	return st, nil
}

func (s *Service) write(ctx context.Context, tx *db.Tx, a *Abstract, again bool) error {
	document, err := json.Marshal(a)
	if err != nil {
		return err
	}
	submitted := ""
	if a.State == Submitted {
		submitted = stamp(s.now())
	}
	if again {
		for _, q := range []string{`DELETE FROM abstract_diagnosis WHERE abstract = ?`, `DELETE FROM abstract_operation WHERE abstract = ?`, `DELETE FROM abstract WHERE number = ?`} {
			if err := tx.Exec(ctx, q, a.Number); err != nil {
				return err
			}
		}
	}
	if err := tx.Exec(ctx, `INSERT INTO abstract (number, settlement, visit, person, provider, state, uploads, uploaded, submitted, admitted, discharged,
			age_days, birth_weight, admission_weight, ventilated, discharge_way, payment, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.Number, a.Settlement, a.Visit, a.Person, a.Provider, a.State, a.Uploads, stamp(s.now()), submitted, stamp(a.Admission.At), stamp(a.Discharge.At),
		a.Newborn.AgeDays, a.Newborn.BirthWeight, a.Newborn.Weight, a.Course.Ventilated, a.Discharge.Way, a.Payment, s.sealer.Seal(sealDocument, string(document))); err != nil {
		return err
	}
	var rows [][]any
	for i, d := range a.Diagnoses {
		rows = append(rows, []any{a.Number, i + 1, d.Kind, d.Code.Code, d.Name, d.Condition, d.Main})
	}
	if err := tx.Insert(ctx, "abstract_diagnosis (abstract, n, kind, code, name, condition, main)", rows); err != nil {
		return err
	}
	rows = nil
	for i, o := range a.Operations {
		rows = append(rows, []any{a.Number, i + 1, o.Kind, o.Code.Code, o.Name, stamp(o.Begun), stamp(o.Ended)})
	}
	return tx.Insert(ctx, "abstract_operation (abstract, n, kind, code, name, begun, ended)", rows)
}

// Of finds the abstract of a settlement; ok is false if there is none.
func (s *Service) Of(ctx context.Context, tx *db.Tx, settlement string) (a Abstract, ok bool, err error) {
	var number int64
	var state State
	var sealed []byte
	err = tx.QueryRow(ctx, `SELECT number, state, document FROM abstract WHERE settlement = ?`, settlement).Scan(&number, &state, &sealed)
	if db.IsNotFound(err) {
		return a, false, nil
	}
	if err != nil {
		return a, false, err
	}
	text, err := s.sealer.Open(sealDocument, sealed)
	if err == nil {
		err = json.Unmarshal([]byte(text), &a)
	}
	if err != nil {
		return a, false, fmt.Errorf("abstract of settlement %s: %w", settlement, err)
	}
	a.State = state
	return a, true, nil
}

// StateRequest asks to submit an abstract, or to take it back.
type StateRequest struct {
	Settlement string
	Person     string
	Provider   string
	State      State
	Actor      string
}

// SetState submits an abstract (提交) or takes it back to a draft (撤回). The
// result says whether anything changed.
func (s *Service) SetState(ctx context.Context, tx *db.Tx, q StateRequest) (changed bool, err error) {
	if err := s.care.Expect(ctx, tx, "", q.Person, true); err != nil {
		return false, err
	}
	if _, err := s.standing(ctx, tx, &Abstract{Settlement: q.Settlement, Person: q.Person, Provider: q.Provider}); err != nil {
		return false, err
	}
	a, ok, err := s.Of(ctx, tx, q.Settlement)
	switch {
	case err != nil:
		return false, err
	case !ok:
		return false, &Error{"settlement", q.Settlement, "这笔结算还没有上传结算清单"}
	case a.State == q.State:
		return false, nil
	}
	submitted := ""
	if q.State == Submitted {
		submitted = stamp(s.now())
	}
	if err := tx.Exec(ctx, `UPDATE abstract SET state = ?, submitted = ? WHERE number = ?`, q.State, submitted, a.Number); err != nil {
		return false, err
	}
	return true, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Chain: audit.OfPerson(q.Person), Action: "abstract.state", Subject: q.Settlement,
		Details: map[string]any{"number": a.Number, "state": q.State.Title()}})
}
