package his

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/settlement"
)

// stayings are the transactions on the course of a stay.
var stayings = map[string]operation{
	"2402": {(*Server).discharge, false},
	"2403": {(*Server).amend, false},
	"2405": {(*Server).cancelDischarge, false},
}

// discharge is 2402: a stay ends (出院办理).
func (s *Server) discharge(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("dscginfo")
	v, err := s.ofStay(ctx, tx, r, in)
	if err != nil {
		return err
	}
	sch, err := scheme(in.text("insutype"))
	if err != nil {
		return err
	}
	if in.text("dscg_way") == died && in.text("die_date") == "" {
		return refuse("离院方式 dscg_way 为 %s 死亡，须填写死亡日期 die_date", died)
	}
	if err := s.expectNotes(ctx, tx, v.ID, false); err != nil {
		return err
	}
	err = s.Settlement.Discharge(ctx, tx, settlement.DischargeRequest{
		Visit: v.ID, Person: v.Person, Provider: r.provider, Scheme: sch, Ended: moment(in.text("endtime")),
		Disease: in.text("dise_codg"), DiseaseName: in.text("dise_name"), Diagnoses: diagnoses(r.input["diseinfo"]), Actor: r.actor(),
	})
	if err != nil {
		return spell(err)
	}
	return s.keepNotes(ctx, tx, r, v.ID, in)
}

// died is 离院方式 (dscg_way) for a death.
const died = "5"

// ofStay finds the visit of a row, and refuses rows of diagnoses of another.
func (s *Server) ofStay(ctx context.Context, tx *db.Tx, r *request, in *record) (settlement.Visit, error) {
	v, err := s.visit(ctx, tx, r, in)
	if err != nil {
		return v, err
	}
	rows := r.input["diseinfo"]
	for i := range rows {
		for _, name := range []string{"mdtrt_id", "psn_no"} {
			if rows[i].text(name) != in.text(name) {
				return v, refuse("%s%s“%s”与 %s 的“%s”不一致", rows[i].place(), name, clip(rows[i].text(name), 30), in.node.Name, clip(in.text(name), 30))
			}
		}
	}
	return v, nil
}

// amend is 2403: what an admission said is corrected (住院信息变更). Diagnoses
// whose 诊断排序号 is known replace those; others are new.
func (s *Server) amend(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("adminfo")
	v, err := s.ofStay(ctx, tx, r, in)
	if err != nil {
		return err
	}
	kind, err := s.visitKind(in.text("med_type"))
	if err != nil {
		return err
	}
	if end := in.text("endtime"); end != "" && !moment(end).Equal(v.Ended) {
		return refuse("adminfo.endtime“%s”：出院时间以 2402 出院办理为准，更正请先以 2405 撤销出院", end)
	}
	why := v.Cause
	if content := in.text("exp_content"); content != "" {
		why = cause(content)
	}
	if err := s.expectNotes(ctx, tx, v.ID, false); err != nil {
		return err
	}
	err = s.Settlement.Amend(ctx, tx, settlement.AmendRequest{
		Visit: v.ID, Person: v.Person, Provider: r.provider, Kind: kind, Begun: moment(in.text("begntime")), Number: in.text("ipt_otp_no"),
		Disease: in.text("dise_codg"), DiseaseName: in.text("dise_name"), Code: in.text("med_type"), Department: in.text("adm_dept_name"),
		Cause: why, Diagnoses: diagnoses(r.input["diseinfo"]), Actor: r.actor(),
	})
	if err != nil {
		return spell(err)
	}
	return s.keepNotes(ctx, tx, r, v.ID, in)
}

// cancelDischarge is 2405: a discharge is taken back (出院撤销).
func (s *Server) cancelDischarge(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("data")
	v, err := s.visit(ctx, tx, r, in)
	if err != nil {
		return err
	}
	err = s.Settlement.CancelDischarge(ctx, tx, settlement.CancelRequest{Visit: v.ID, Person: v.Person, Provider: r.provider, Actor: r.actor()})
	if err != nil {
		return spell(err)
	}
	notes, err := s.notes(ctx, tx, v.ID)
	if err != nil {
		return err
	}
	for _, f := range s.Spec().Transaction("2402").Input[0].Fields {
		if _, admitted := s.Spec().Transaction("2401").Input[0].byName[f.Name]; !admitted {
			delete(notes, f.Name)
		}
	}
	return s.writeNotes(ctx, tx, v.ID, notes)
}

// aliases are the names of 5201 for fields that another transaction names
// otherwise.
var aliases = map[string]string{"dr_name": "chfpdr_name", "dept_code": "adm_dept_codg", "dept_name": "adm_dept_name"}

// unshown are fields of a visit that 5201 does not have, but are kept with it.
var unshown = []string{"mdtrt_cert_no", "caty", "dise_type_code", "adm_diag_dscr", "ttp_pay_prop"}

// keepNotes keeps what a row says of the visit that no room decides upon, for
// 5201 to give back. A field left out or empty leaves what was said before.
func (s *Server) keepNotes(ctx context.Context, tx *db.Tx, r *request, visit string, in *record) error {
	notes, err := s.notes(ctx, tx, visit)
	if err != nil {
		return err
	}
	shown := find(s.spec.Transaction("5201").Output, "mdtrtinfo")
	for _, f := range in.node.Fields {
		name := f.Name
		if alias := aliases[name]; alias != "" {
			name = alias
		}
		if _, ok := shown.byName[name]; !ok && !slices.Contains(unshown, name) {
			continue
		}
		if text := in.text(f.Name); text != "" {
			notes[name] = text
		}
	}
	notes["opter_id"] = clip(r.operator, 20)
	notes["opter_name"] = r.operatorName
	notes["opt_time"] = r.received.In(zone).Format(clockLayout)
	return s.writeNotes(ctx, tx, visit, notes)
}

// sealNotes is what the notes of a visit are sealed for.
const sealNotes = "his visit"

func (s *Server) writeNotes(ctx context.Context, tx *db.Tx, visit string, notes map[string]string) error {
	data, err := json.Marshal(notes)
	if err != nil {
		return err
	}
	sealed := s.Sealer.Seal(sealNotes, string(data))
	tx.Keep(notesKey(visit), &sealed)
	return tx.Exec(ctx, `INSERT INTO his_visit (visit, notes) VALUES (?, ?) ON CONFLICT (visit) DO UPDATE SET notes = excluded.notes`, visit, sealed)
}

// notesKey is where a transaction holds the sealed notes of a visit.
type notesKey string

// expectNotes reads the notes of a visit together with what else the
// transaction reads. A visit that is new has none.
func (s *Server) expectNotes(ctx context.Context, tx *db.Tx, visit string, isNew bool) error {
	sealed := new([]byte)
	tx.Keep(notesKey(visit), sealed)
	if isNew {
		return nil
	}
	return tx.Later(ctx, func(rows *db.Rows) error { return rows.Scan(sealed) }, `SELECT notes FROM his_visit WHERE visit = ?`, visit)
}

// notes are what was kept of a visit, by the field names of 5201.
func (s *Server) notes(ctx context.Context, tx *db.Tx, visit string) (map[string]string, error) {
	sealed, ok := tx.Kept(notesKey(visit)).(*[]byte)
	if !ok {
		if err := errors.Join(s.expectNotes(ctx, tx, visit, false), tx.Flush(ctx)); err != nil {
			return nil, err
		}
		sealed = tx.Kept(notesKey(visit)).(*[]byte)
	}
	notes := map[string]string{}
	if len(*sealed) == 0 {
		return notes, nil
	}
	text, err := s.Sealer.Open(sealNotes, *sealed)
	if err != nil {
		return nil, fmt.Errorf("notes of visit %s: %w", visit, err)
	}
	return notes, json.Unmarshal([]byte(text), &notes)
}

// nights are 住院天数 (ipt_days): a stay of one day counts one.
func nights(from, to time.Time) int {
	return max(1, dayOf(to).DaysSince(dayOf(from)))
}
