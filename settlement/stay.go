package settlement

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policy"
)

// CancelRequest asks to cancel a registration or an admission (挂号撤销、入院撤销).
type CancelRequest struct {
	Visit    string
	Person   string
	Provider string
	Number   string // the provider's own number of the visit; "" is not checked
	Actor    string
}

// hold finds a visit of this person at this provider, to change it: whoever else
// decides upon the person waits.
func (s *Service) hold(ctx context.Context, tx *db.Tx, id, person, prov string) (Visit, error) {
	if person == "" {
		seen, _, err := s.GetVisit(ctx, tx, id)
		if err != nil {
			return Visit{}, err
		}
		person = seen.Person
	}
	if err := s.Expect(ctx, tx, id, person, true); err != nil {
		return Visit{}, err
	}
	v, err := s.ownVisit(ctx, tx, id, person, prov)
	forgetVisit(tx, id)
	return v, err
}

// holdOpen is hold for a visit that must not be settled for good.
func (s *Service) holdOpen(ctx context.Context, tx *db.Tx, id, person, prov string) (Visit, error) {
	v, err := s.hold(ctx, tx, id, person, prov)
	if err == nil && v.Closed {
		err = &Error{"visit", id, "这次就诊已经结算"}
	}
	return v, err
}

// Cancel cancels a visit that has no fees and no settlement that stands. The
// visit stays on record as cancelled.
func (s *Service) Cancel(ctx context.Context, tx *db.Tx, q CancelRequest) error {
	v, err := s.holdOpen(ctx, tx, q.Visit, q.Person, q.Provider)
	if err != nil {
		return err
	}
	if q.Number != "" && q.Number != v.Number {
		return &Error{"number", q.Number, "与就诊登记的 " + v.Number + " 不符"}
	}
	if !v.Ended.IsZero() {
		return &Error{"visit", v.ID, "已于 " + stamp(v.Ended) + " 办理出院，请先撤销出院办理"}
	}
	var standing string
	err = tx.QueryRow(ctx, `SELECT s.id FROM settlement s WHERE s.visit = ? AND `+stands+` ORDER BY s.n DESC LIMIT 1`, v.ID).Scan(&standing)
	if err == nil {
		return &Error{"visit", v.ID, "已有结算 " + standing + "，请先撤销结算"}
	}
	if !db.IsNotFound(err) {
		return err
	}
	var fees int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM fee WHERE visit = ?`, v.ID).Scan(&fees); err != nil {
		return err
	}
	if fees > 0 {
		return &Error{"visit", v.ID, fmt.Sprintf("还有 %d 条费用明细，请先撤销费用明细", fees)}
	}
	if err := tx.Exec(ctx, `UPDATE visit SET closed = 1, cancelled = 1 WHERE id = ?`, v.ID); err != nil {
		return err
	}
	return s.note(ctx, tx, v, q.Actor, "visit.cancel", nil)
}

// note writes what was done to a visit into the audit record.
func (s *Service) note(ctx context.Context, tx *db.Tx, v Visit, actor, action string, details any) error {
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: audit.OfPerson(v.Person), Action: action, Subject: v.ID, Details: details})
}

// WithdrawRequest asks to take fee lines back that are not settled
// (费用明细撤销): those of the serials, or those of a batch, or, with neither,
// all of the visit.
type WithdrawRequest struct {
	Visit    string
	Person   string
	Provider string
	Serials  []string
	Batch    string
	Actor    string
}

// shown bounds the names in one message.
const shown = 5

// list names some things, and says how many there are if not all are named.
func list(names []string) string {
	if len(names) <= shown {
		return strings.Join(names, "、")
	}
	return strings.Join(names[:shown], "、") + fmt.Sprintf(" 等 %d 条", len(names))
}

// WithdrawFees removes the fee lines and says how many. All are removed or
// none: a settled line, and a line from which one that stays takes back, is
// refused.
func (s *Service) WithdrawFees(ctx context.Context, tx *db.Tx, q WithdrawRequest) (int, error) {
	v, err := s.holdOpen(ctx, tx, q.Visit, q.Person, q.Provider)
	if err != nil {
		return 0, err
	}
	fees, err := feesOf(ctx, tx, v.ID)
	if err != nil {
		return 0, err
	}
	wanted := map[string]bool{}
	for _, serial := range q.Serials {
		if _, ok := fees[serial]; !ok {
			return 0, &Error{"serial", serial, "本次就诊没有这条费用明细"}
		}
		wanted[serial] = true
	}
	one := len(q.Serials) > 0
	var gone, settled, needed []string
	for _, serial := range fees.inOrder() {
		f := fees[serial]
		if one && !wanted[serial] || !one && q.Batch != "" && f.batch != q.Batch {
			continue
		}
		if f.settlement == "" {
			gone = append(gone, serial)
			wanted[serial] = true
		} else if one || q.Batch != "" {
			settled = append(settled, serial)
		}
	}
	for _, serial := range fees.inOrder() {
		if f := fees[serial]; f.original != "" && wanted[f.original] && !wanted[serial] {
			needed = append(needed, serial)
		}
	}
	field, value := "batch", q.Batch
	if one {
		field, value = "serial", list(q.Serials)
	}
	switch {
	case len(settled) > 0:
		return 0, &Error{field, value, "费用明细 " + list(settled) + " 已结算，不能撤销；请先撤销结算"}
	case len(needed) > 0:
		return 0, &Error{field, value, "退费明细 " + list(needed) + " 从这些明细退费，请一并撤销"}
	case len(gone) == 0:
		return 0, &Error{field, value, "没有未结算的费用明细"}
	}
	for _, serial := range gone {
		if err := errors.Join(
			tx.Exec(ctx, `DELETE FROM fee WHERE visit = ? AND serial = ?`, v.ID, serial),
			tx.Exec(ctx, `DELETE FROM fee_detail WHERE visit = ? AND serial = ? AND settlement = ''`, v.ID, serial),
		); err != nil {
			return 0, err
		}
	}
	return len(gone), s.note(ctx, tx, v, q.Actor, "visit.fees.withdraw", map[string]any{"serials": gone})
}

// feeMark is how a fee stands.
type feeMark struct {
	n                           int
	batch, original, settlement string
}

type feeMarks map[string]feeMark

func feesOf(ctx context.Context, tx *db.Tx, visit string) (feeMarks, error) {
	out := feeMarks{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var serial string
		var f feeMark
		err := rows.Scan(&serial, &f.batch, &f.original, &f.settlement)
		f.n = len(out)
		out[serial] = f
		return err
	}, `SELECT serial, batch, original, COALESCE((SELECT d.settlement FROM settled d WHERE d.visit = f.visit AND f.n >= d.first AND f.n <= d.last), '')
		FROM fee f WHERE visit = ? ORDER BY n`, visit)
	return out, err
}

// inOrder are the serials as the fees came.
func (m feeMarks) inOrder() []string {
	out := make([]string, len(m))
	for serial, f := range m {
		out[f.n] = serial
	}
	return out
}

// DischargeRequest says how a stay ended (出院办理).
type DischargeRequest struct {
	Visit       string
	Person      string
	Provider    string
	Scheme      policy.Scheme
	Ended       time.Time
	Disease     string // "" leaves what the admission said
	DiseaseName string
	Diagnoses   []Diagnosis // of the discharge
	Actor       string
}

// Discharge ends a stay: it is settled as of that day, and no later fee is
// taken. A stay that was settled before ends on the day that it was settled
// as of.
func (s *Service) Discharge(ctx context.Context, tx *db.Tx, q DischargeRequest) error {
	v, err := s.hold(ctx, tx, q.Visit, q.Person, q.Provider)
	if err == nil {
		err = isStay(v)
	}
	if err != nil {
		return err
	}
	switch {
	case !v.Ended.IsZero():
		return &Error{"visit", v.ID, "已于 " + stamp(v.Ended) + " 办理出院，不能重复办理"}
	case q.Scheme != v.Scheme:
		return &Error{"scheme", q.Scheme.Title(), "与入院登记的" + v.Scheme.Title() + "不一致"}
	}
	if err := s.within(ctx, tx, v.ID, v.Begun, q.Ended); err != nil {
		return err
	}
	if v.Closed {
		settled, err := s.LastSettled(ctx, tx, v.ID)
		if err != nil {
			return err
		}
		if dayOf(settled) != dayOf(q.Ended) {
			return &Error{"ended", stamp(q.Ended), "已按出院日 " + dayOf(settled).String() + " 结算；出院日有误的，请先撤销结算"}
		}
	}
	if q.Disease == "" {
		q.Disease, q.DiseaseName = v.Disease, v.DiseaseName
	}
	if err := tx.Exec(ctx, `UPDATE visit SET ended = ?, disease = ?, disease_name = ? WHERE id = ?`, stamp(q.Ended), q.Disease, q.DiseaseName, v.ID); err != nil {
		return err
	}
	if err := replaceDiagnoses(ctx, tx, v.ID, true, q.Diagnoses); err != nil {
		return err
	}
	return s.note(ctx, tx, v, q.Actor, "stay.discharge", map[string]string{"ended": stamp(q.Ended)})
}

// isStay refuses what is no stay.
func isStay(v Visit) error {
	if stay(v.Kind) {
		return nil
	}
	return &Error{"visit", v.ID, "这次就诊是" + v.Kind.Title() + "，不是住院"}
}

// within refuses a stay from begun to ended, zero while it lasts, that does not
// hold all its fees and the settlements of its parts, or ends in the future.
func (s *Service) within(ctx context.Context, tx *db.Tx, visit string, begun, ended time.Time) error {
	first, last, today := dayOf(begun), dayOf(ended), dayOf(s.now())
	if ended.IsZero() {
		last = today
	}
	switch {
	case first > today:
		return &Error{"begun", stamp(begun), "晚于今日 " + today.String()}
	case last > today:
		return &Error{"ended", stamp(ended), "晚于今日 " + today.String()}
	case !ended.IsZero() && ended.Before(begun):
		return &Error{"ended", stamp(ended), "早于入院时间 " + stamp(begun)}
	}
	var serial, id string
	var day civil.Date
	err := tx.QueryRow(ctx, `SELECT serial, day FROM fee WHERE visit = ? AND (day < ? OR day > ?) ORDER BY n LIMIT 1`, visit, int(first), int(last)).Scan(&serial, &day)
	if err == nil {
		field, at, want := "ended", ended, "费用明细 %s 的日期 %s 在出院之后"
		if day < first {
			field, at, want = "begun", begun, "费用明细 %s 的日期 %s 在入院之前"
		}
		return &Error{field, stamp(at), fmt.Sprintf(want, serial, day)}
	}
	if !db.IsNotFound(err) {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT s.id, s.day FROM settlement s WHERE s.visit = ? AND s.day > ? AND `+stands+` ORDER BY s.n LIMIT 1`, visit, int(last)).Scan(&id, &day)
	if err == nil {
		return &Error{"ended", stamp(ended), fmt.Sprintf("早于中途结算 %s 的日期 %s", id, day)}
	}
	if !db.IsNotFound(err) {
		return err
	}
	return nil
}

// CancelDischarge takes a discharge back (出院撤销); the person is in hospital
// again. A stay that is settled for good is refused until that is reversed.
func (s *Service) CancelDischarge(ctx context.Context, tx *db.Tx, q CancelRequest) error {
	v, err := s.holdOpen(ctx, tx, q.Visit, q.Person, q.Provider)
	if err == nil {
		err = isStay(v)
	}
	if err != nil {
		return err
	}
	if v.Ended.IsZero() {
		return &Error{"visit", v.ID, "没有办理出院，无须撤销"}
	}
	var other string
	err = tx.QueryRow(ctx, `SELECT id FROM visit WHERE person = ? AND provider = ? AND closed = 0 AND claim = '' AND ended = '' AND id <> ? AND kind IN (?, ?, ?) ORDER BY begun LIMIT 1`,
		v.Person, v.Provider, v.ID, policy.Inpatient, policy.Maternity, policy.DaySurgery).Scan(&other)
	if err == nil {
		return &Error{"visit", v.ID, "该人员其后又已入院（" + other + "），不能撤销这次出院"}
	}
	if !db.IsNotFound(err) {
		return err
	}
	if err := tx.Exec(ctx, `UPDATE visit SET ended = '' WHERE id = ?`, v.ID); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `DELETE FROM diagnosis WHERE visit = ? AND discharge = 1`, v.ID); err != nil {
		return err
	}
	return s.note(ctx, tx, v, q.Actor, "stay.discharge.cancel", nil)
}

// AmendRequest corrects what an admission said (住院信息变更).
type AmendRequest struct {
	Visit       string
	Person      string
	Provider    string
	Kind        policy.VisitKind
	Begun       time.Time
	Number      string
	Disease     string
	DiseaseName string
	Code        string
	Department  string
	Cause       policy.Cause
	Diagnoses   []Diagnosis // those whose rank is there already replace it, others are new
	Actor       string
}

// Amend corrects an admission. Once a part of the stay is settled, the kind of
// care and the day of admission are fixed.
func (s *Service) Amend(ctx context.Context, tx *db.Tx, q AmendRequest) error {
	v, err := s.holdOpen(ctx, tx, q.Visit, q.Person, q.Provider)
	if err == nil {
		err = isStay(v)
	}
	if err != nil {
		return err
	}
	if !stay(q.Kind) {
		return &Error{"kind", q.Kind.Title(), "门诊与住院不能互改：这次就诊登记为" + v.Kind.Title()}
	}
	if err := s.within(ctx, tx, v.ID, q.Begun, v.Ended); err != nil {
		return err
	}
	if q.Kind != v.Kind || dayOf(q.Begun) != dayOf(v.Begun) || q.Cause != v.Cause {
		var part string
		err := tx.QueryRow(ctx, `SELECT s.id FROM settlement s WHERE s.visit = ? AND `+stands+` ORDER BY s.n LIMIT 1`, v.ID).Scan(&part)
		if err == nil {
			return &Error{"visit", v.ID, "已有中途结算 " + part + "，不能变更医疗类别、入院日和外伤标志；请先撤销结算"}
		}
		if !db.IsNotFound(err) {
			return err
		}
	}
	if dayOf(q.Begun) != dayOf(v.Begun) {
		spells, err := enrolment.Insurances(ctx, tx, v.Person, dayOf(q.Begun))
		if err != nil {
			return err
		}
		if err := insuredIn(spells, v.Scheme); err != nil {
			return err
		}
	}
	if err := tx.Exec(ctx, `UPDATE visit SET kind = ?, begun = ?, number = ?, disease = ?, disease_name = ?, code = ?, department = ?, cause = ? WHERE id = ?`,
		q.Kind, stamp(q.Begun), q.Number, q.Disease, q.DiseaseName, q.Code, q.Department, q.Cause, v.ID); err != nil {
		return err
	}
	if len(q.Diagnoses) > 0 {
		all, err := Diagnoses(ctx, tx, v.ID)
		if err != nil {
			return err
		}
		if err := replaceDiagnoses(ctx, tx, v.ID, false, merged(all, q.Diagnoses)); err != nil {
			return err
		}
	}
	return s.note(ctx, tx, v, q.Actor, "stay.amend", nil)
}

// merged are the diagnoses of the admission after some were changed or added,
// by their rank. There is one main diagnosis: the one named last.
func merged(all, changes []Diagnosis) (out []Diagnosis) {
	at := map[string]int{}
	for _, d := range all {
		if !d.Discharge {
			at[d.Kind+" "+d.Rank] = len(out)
			out = append(out, d)
		}
	}
	for _, d := range changes {
		if d.Main {
			for i := range out {
				if out[i].Kind == d.Kind {
					out[i].Main = false
				}
			}
		}
		key := d.Kind + " " + d.Rank
		if i, ok := at[key]; ok {
			out[i] = d
			continue
		}
		at[key] = len(out)
		out = append(out, d)
	}
	return out
}
