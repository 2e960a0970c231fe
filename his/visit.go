package his

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// actor is who does it, for the audit record.
func (r *request) actor() string { return r.provider + " " + r.operator }

// moment reads a checked time of the interface.
func moment(s string) time.Time {
	t, err := time.ParseInLocation(clockLayout, s, zone)
	if err != nil {
		panic("his: time " + s + " was not checked")
	}
	return t
}

// register is 2201: an outpatient registers (门诊挂号). What kind of care it
// is comes with 2203; until then it is an ordinary visit.
func (s *Server) register(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	sch, err := scheme(in.text("insutype"))
	if err != nil {
		return err
	}
	v, err := s.Settlement.Open(ctx, tx, settlement.OpenRequest{
		Person: p.ID, Provider: r.provider, Scheme: sch, Kind: policy.Outpatient,
		Number: in.text("ipt_otp_no"), Begun: moment(in.text("begntime")), Department: in.text("dept_name"),
		Cause: cause(in.text("exp_content")), Actor: r.actor(),
	})
	if err != nil {
		return spell(err)
	}
	if err := errors.Join(s.expectNotes(ctx, tx, v.ID, true), s.keepNotes(ctx, tx, r, v.ID, in)); err != nil {
		return err
	}
	if in.text("psn_type") != "" {
		on := dayOf(v.Begun)
		spells, err := enrolment.Insurances(ctx, tx, p.ID, on)
		if err != nil {
			return err
		}
		r.sameType(in, personType(sch, isRetired(spells, sch), on.Age(p.Birth)))
	}
	out := a.add("data")
	out.set("mdtrt_id", v.ID)
	out.set("psn_no", p.ID)
	out.set("ipt_otp_no", v.Number)
	return nil
}

// isRetired reports whether one of the spells is of a pensioner in the scheme.
func isRetired(spells []enrolment.Insurance, sch policy.Scheme) bool {
	return slices.ContainsFunc(spells, func(i enrolment.Insurance) bool { return i.Scheme == sch && i.Retired })
}

// describe is 2203: what an outpatient visit turned out to be (门诊就诊信息上传).
func (s *Server) describe(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("mdtrtinfo")
	v, err := s.visit(ctx, tx, r, in)
	if err != nil {
		return err
	}
	kind, err := s.visitKind(in.text("med_type"))
	if err != nil {
		return err
	}
	if stays(kind) {
		return refuse("医疗类别 med_type“%s”是住院类，应以 2401 办理入院", in.text("med_type"))
	}
	content := in.text("exp_content")
	why := v.Cause
	if content != "" {
		why = cause(content)
	}
	if err := s.expectNotes(ctx, tx, v.ID, false); err != nil {
		return err
	}
	err = s.Settlement.Describe(ctx, tx, settlement.DescribeRequest{
		Visit: v.ID, Person: v.Person, Provider: r.provider, Kind: kind, Begun: moment(in.text("begntime")),
		Disease: in.text("dise_codg"), DiseaseName: in.text("dise_name"), Cause: why, Code: in.text("med_type"),
		Diagnoses: diagnoses(r.input["diseinfo"]), Actor: r.actor(),
	})
	if err != nil {
		return spell(err)
	}
	return s.keepNotes(ctx, tx, r, v.ID, in)
}

// admit is 2401: an admission (入院办理).
func (s *Server) admit(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("mdtrtinfo")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	sch, err := scheme(in.text("insutype"))
	if err != nil {
		return err
	}
	kind, err := s.visitKind(in.text("med_type"))
	if err != nil {
		return err
	}
	if !stays(kind) {
		return refuse("医疗类别 med_type“%s”不是住院类，应以 2201 挂号", in.text("med_type"))
	}
	for i := range r.input["diseinfo"] {
		d := &r.input["diseinfo"][i]
		if d.text("psn_no") != p.ID {
			return refuse("%spsn_no“%s”与 mdtrtinfo 的人员编号 %s 不一致", d.place(), d.text("psn_no"), p.ID)
		}
	}
	v, err := s.Settlement.Open(ctx, tx, settlement.OpenRequest{
		Person: p.ID, Provider: r.provider, Scheme: sch, Kind: kind,
		Number: in.text("ipt_no"), Begun: moment(in.text("begntime")),
		Disease: in.text("dise_codg"), DiseaseName: in.text("dise_name"), Cause: cause(in.text("exp_content")), Code: in.text("med_type"),
		Department: in.text("adm_dept_name"), Diagnoses: diagnoses(r.input["diseinfo"]), Actor: r.actor(),
	})
	if err != nil {
		return spell(err)
	}
	r.subject = v.ID
	a.add("result").set("mdtrt_id", v.ID)
	return errors.Join(s.expectNotes(ctx, tx, v.ID, true), s.keepNotes(ctx, tx, r, v.ID, in))
}

// diagnoses are the rows of diagnoses that stand (有效标志 not 0). Where no row
// is marked as the main one, the first in order is.
func diagnoses(rows []record) []settlement.Diagnosis {
	out := make([]settlement.Diagnosis, 0, len(rows))
	for i := range rows {
		d := &rows[i]
		if d.optional("vali_flag") == "0" {
			continue
		}
		main := d.optional("maindiag_flag") == "1"
		if _, marked := d.node.byName["maindiag_flag"]; !marked {
			main = strings.TrimLeft(d.text("diag_srt_no"), "0") == "1"
		}
		out = append(out, settlement.Diagnosis{
			Kind: d.text("diag_type"), Code: d.text("diag_code"), Name: d.text("diag_name"), Main: main,
			Rank: d.text("diag_srt_no"), Condition: d.optional("adm_cond"), Department: d.text("diag_dept"),
			DoctorCode: d.text("dise_dor_no"), Doctor: d.text("dise_dor_name"), At: moment(d.text("diag_time")),
		})
	}
	return out
}

// visit finds the visit of a row (mdtrt_id) and checks that it is this
// provider's and this person's.
func (s *Server) visit(ctx context.Context, tx *db.Tx, r *request, in *record) (settlement.Visit, error) {
	id := in.text("mdtrt_id")
	v, ok, err := s.Settlement.GetVisit(ctx, tx, id)
	switch {
	case err != nil:
		return v, err
	case !ok || v.Provider != r.provider:
		return v, refuse("就诊ID mdtrt_id“%s”：本机构没有这次就诊", clip(id, 30))
	case v.Person != in.text("psn_no"):
		return v, refuse("%spsn_no“%s”与就诊 mdtrt_id“%s”登记的人员不符", in.place(), clip(in.text("psn_no"), 30), id)
	}
	if r.insured == "" {
		return v, nil
	}
	p, _, err := s.Enrolment.ByID(ctx, tx, v.Person)
	if err != nil {
		return v, err
	}
	return v, sameRegion(r, p)
}

// spelled are the interface's names for the fields that settlement's errors
// speak of.
var spelled = map[string]string{
	"person": "人员编号 psn_no", "visit": "就诊ID mdtrt_id", "provider": "机构编号 fixmedins_code",
	"scheme": "险种类型 insutype", "total": "医疗费总额 medfee_sumamt", "batch": "收费批次号 chrg_bchno",
	"discharged": "出院时间 dscgTime", "serial": "费用明细流水号 feedetl_sn", "original": "原费用流水号 init_feedetl_sn",
	"amount": "明细项目费用总额 det_item_fee_sumamt", "quantity": "数量 cnt", "item": "医疗目录编码 med_list_codg",
	"fees.time": "费用发生时间 fee_ocur_time", "region": "参保地医保区划 insuplc_admdvs", "care_region": "就医地医保区划 mdtrtarea_admvs",
	"settlement": "结算ID setl_id", "ended": "出院时间 endtime", "begun": "入院时间 begntime", "number": "住院/门诊号 ipt_otp_no",
	"time": "费用发生时间 fee_ocur_time", "date": "结算日期", "kind": "医疗类别 med_type", "price": "单价 pric",
	"month": "清算年月 setlym", "kinds": "清算类别 clr_type",
}

// spell turns a settlement's refusal into one in the interface's words. Other
// errors stay what they are.
func spell(err error) error {
	var e *settlement.Error
	if !errors.As(err, &e) {
		return err
	}
	field, place := e.Field, ""
	if rest, ok := strings.CutPrefix(field, "fees["); ok {
		if row, name, ok := strings.Cut(rest, "]."); ok {
			place, field = "feedetail 第 "+row+" 行 ", name
		}
	}
	if name, ok := spelled[field]; ok {
		field = name
	}
	if e.Value == "" {
		return refuse("%s%s：%s", place, field, e.Want)
	}
	return refuse("%s%s“%s”：%s", place, field, clip(e.Value, 40), e.Want)
}

// within refuses a row whose own insured region is another than the person's.
func within(in *record, region string) error {
	if own := in.optional("insuplc_admdvs"); own != "" && !ident.Region(pad(own)).Within(ident.Region(region)) {
		return refuse("%sinsuplc_admdvs“%s”与该人员的参保地 %s 不一致", in.place(), clip(own, 10), region)
	}
	return nil
}

// pad makes a text long enough to be asked for its province and city.
func pad(s string) string {
	if len(s) < 6 {
		s += "      "[len(s):]
	}
	return s
}
