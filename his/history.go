package his

import (
	"context"
	"strconv"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// histories are the transactions by which a provider asks for what it did.
var histories = map[string]operation{
	"5201": {(*Server).queryVisits, true},
	"5202": {(*Server).queryDiagnoses, true},
	"5203": {(*Server).querySettlement, true},
	"5204": {(*Server).queryFees, true},
	"5303": {(*Server).queryInHospital, true},
}

// listed bounds the visits of one answer.
const listed = 1000

// queryVisits is 5201: the visits of a person at this provider (就诊信息查询).
func (s *Server) queryVisits(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, from, to, err := s.asked(ctx, tx, r, in)
	if err != nil {
		return err
	}
	f := settlement.VisitFilter{ID: in.text("mdtrt_id"), Provider: r.provider, Person: p.ID, Code: in.text("med_type"), From: from, To: to, Limit: listed}
	visits, err := s.visitsOf(ctx, tx, r, f)
	if err != nil {
		return err
	}
	for _, v := range visits {
		if err := s.describeVisit(ctx, tx, a.add("mdtrtinfo"), v, p); err != nil {
			return err
		}
	}
	return nil
}

// asked reads the person, if one is named, and the period of a query.
func (s *Server) asked(ctx context.Context, tx *db.Tx, r *request, in *record) (p enrolment.Person, from, to civil.Date, err error) {
	from, to = day(in.text("begntime")), day(in.text("endtime"))
	if from > to {
		return p, 0, 0, refuse("开始时间 begntime“%s”晚于结束时间 endtime“%s”", in.text("begntime"), in.text("endtime"))
	}
	if in.text("psn_no") != "" {
		p, err = s.holder(ctx, tx, r, in)
	}
	return p, from, to, err
}

// visitsOf lists the visits and says if there are more than an answer holds.
func (s *Server) visitsOf(ctx context.Context, tx *db.Tx, r *request, f settlement.VisitFilter) ([]settlement.Visit, error) {
	visits, err := s.Settlement.Visits(ctx, tx, f)
	if len(visits) == f.Limit {
		r.warnings = append(r.warnings, "只列出最近的 "+strconv.Itoa(f.Limit)+" 次，请缩短起止时间")
	}
	return visits, err
}

// describeVisit spells a visit (就诊信息): what was kept for the provider, and
// over it what the register and the settlements say.
func (s *Server) describeVisit(ctx context.Context, tx *db.Tx, out *line, v settlement.Visit, p enrolment.Person) error {
	notes, err := s.notes(ctx, tx, v.ID)
	if err != nil {
		return err
	}
	for name, text := range notes {
		out.offer(name, text)
	}
	begun := dayOf(v.Begun)
	out.set("mdtrt_id", v.ID)
	out.set("psn_no", p.ID)
	describePerson(out, p, begun)
	out.set("nwb_flag", yesNo(newborn(p, begun)))
	spells, err := enrolment.Insurances(ctx, tx, p.ID, begun)
	if err != nil {
		return err
	}
	classes, err := enrolment.Classes(ctx, tx, p.ID, begun)
	if err != nil {
		return err
	}
	out.set("insutype", insutype(v.Scheme))
	out.set("psn_type", personType(v.Scheme, isRetired(spells, v.Scheme), begun.Age(p.Birth)))
	out.set("maf_psn_flag", yesNo(len(classes) > 0))
	out.set("cvlserv_flag", notCivilServant)
	out.set("insu_optins", p.Region)
	if v.Scheme == policy.Employee {
		out.set("emp_name", p.Employer)
	}
	out.set("begntime", v.Begun.In(zone).Format(clockLayout))
	out.set("med_type", codeOf(v))
	out.set("ipt_otp_no", v.Number)
	out.set("adm_dept_name", v.Department)
	out.set("dise_codg", v.Disease)
	out.set("dise_name", v.DiseaseName)
	if v.Cancelled {
		out.set("memo", "已撤销")
	}
	if !stays(v.Kind) {
		out.set("endtime", v.Begun.In(zone).Format(clockLayout))
		ds, err := settlement.Diagnoses(ctx, tx, v.ID)
		if err != nil {
			return err
		}
		for _, d := range ds {
			if d.Main {
				out.set("otp_diag_info", clip(d.Name, 199))
			}
		}
		return nil
	}
	ended := v.Ended
	if ended.IsZero() && v.Closed && !v.Cancelled { // settled without 2402
		if ended, err = s.Settlement.LastSettled(ctx, tx, v.ID); err != nil {
			return err
		}
		if ended.Before(v.Begun) { // of the same day
			ended = v.Begun
		}
	}
	out.set("inhosp_stas", yesNo(ended.IsZero() && !v.Closed))
	if ended.IsZero() {
		return nil
	}
	out.set("endtime", ended.In(zone).Format(clockLayout))
	out.set("ipt_days", strconv.Itoa(nights(v.Begun, ended)))
	out.set("ars_year_ipt_flag", yesNo(ended.In(zone).Year() != v.Begun.In(zone).Year()))
	return nil
}

// codeOf is 医疗类别 of a visit: as the provider wrote it or, before it did, the
// ordinary one.
func codeOf(v settlement.Visit) string {
	if v.Code == "" {
		return "11"
	}
	return v.Code
}

// queryDiagnoses is 5202: the diagnoses of a visit (诊断信息查询).
func (s *Server) queryDiagnoses(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	v, err := s.visit(ctx, tx, r, r.one("data"))
	if err != nil {
		return err
	}
	all, err := settlement.Diagnoses(ctx, tx, v.ID)
	if err != nil {
		return err
	}
	notes, err := s.notes(ctx, tx, v.ID)
	if err != nil {
		return err
	}
	for i, d := range all {
		row := a.add("diseinfo")
		row.set("diag_info_id", v.ID+strconv.Itoa(i+1))
		row.set("mdtrt_id", v.ID)
		row.set("psn_no", v.Person)
		row.set("inout_diag_type", inOut(d))
		row.set("diag_type", d.Kind)
		row.set("maindiag_flag", yesNo(d.Main))
		row.set("diag_srt_no", d.Rank)
		row.set("diag_code", d.Code)
		row.set("diag_name", d.Name)
		row.set("adm_cond", d.Condition)
		row.set("diag_dept", d.Department)
		row.set("dise_dor_no", d.DoctorCode)
		row.set("dise_dor_name", d.Doctor)
		if !d.At.IsZero() {
			row.set("diag_time", d.At.In(zone).Format(clockLayout))
		}
		for _, name := range []string{"opter_id", "opter_name", "opt_time"} {
			row.set(name, notes[name])
		}
	}
	return nil
}

// inOut is 出入院诊断类别 (inout_diag_type).
func inOut(d settlement.Diagnosis) string {
	if d.Discharge {
		return "2"
	}
	return "1"
}

// settled finds the settlement of a row (setl_id) and checks that it is of the
// row's visit.
func (s *Server) settled(ctx context.Context, tx *db.Tx, r *request) (*settlement.Settlement, error) {
	in := r.one("data")
	v, err := s.visit(ctx, tx, r, in)
	if err != nil {
		return nil, err
	}
	id := in.text("setl_id")
	st, ok, err := s.Settlement.Get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if !ok || st.Visit.ID != v.ID {
		return nil, refuse("结算ID setl_id“%s”：就诊 %s 没有这笔结算", clip(id, 30), v.ID)
	}
	return st, nil
}

// querySettlement is 5203: a settlement (结算信息查询). One that was reversed,
// and its reversal, are marked as 退费结算.
func (s *Server) querySettlement(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	st, err := s.settled(ctx, tx, r)
	if err != nil {
		return err
	}
	notes, err := s.notes(ctx, tx, st.Visit.ID)
	if err != nil {
		return err
	}
	by, err := s.messageOf(ctx, tx, st)
	if err != nil {
		return err
	}
	out := a.add("setlinfo")
	describeSettlement(out, st)
	year, _ := st.Result.Package.BenefitYear(st.Case.Date)
	for name, text := range map[string]string{
		"pay_loc": payPlace(st.Case.Region, st.Provider.Region), "fixmedins_code": st.Provider.Code, "fixmedins_name": st.Provider.Name,
		"hosp_lv": withoutGrade[st.Provider.Level], "fixmedins_poolarea": st.Provider.Region,
		"dedc_hosp_lv": deductibleLevels[st.Provider.Level], "lmtpric_hosp_lv": deductibleLevels[st.Provider.Level],
		"mdtrt_cert_type": notes["mdtrt_cert_type"], "med_type": codeOf(st.Visit), "medins_setl_id": by.msgid,
		"opter_id": clip(by.operator, 19), "opter_name": clip(by.operatorName, 49), "opt_time": st.At.In(zone).Format(clockLayout),
		"nwb_flag":       yesNo(newborn(st.Person, dayOf(st.Visit.Begun))),
		"refd_setl_flag": yesNo(st.Reverses != "" || st.ReversedBy != ""), "year": strconv.Itoa(year.Year()),
		"dise_codg": st.Visit.Disease, "dise_name": st.Visit.DiseaseName,
	} {
		out.set(name, text)
	}
	if st.Case.Scheme == policy.Employee {
		out.set("emp_name", st.Person.Employer)
	}
	settlementDetail(a, st)
	if st.ReversedBy != "" {
		r.warnings = append(r.warnings, "这笔结算已撤销，撤销的结算ID "+st.ReversedBy)
	}
	if st.Note != "" {
		r.warnings = append(r.warnings, st.Note)
	}
	return nil
}

// noForm is 剂型名称 (dosform_name), which must be there, of what has none.
const noForm = "无"

// queryFees is 5204: the fees of a settlement (费用明细查询), as they were when it
// was made: a line with what was taken back of it before.
func (s *Server) queryFees(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	st, err := s.settled(ctx, tx, r)
	if err != nil {
		return err
	}
	fees, err := s.Settlement.SettledFees(ctx, tx, st)
	if err != nil {
		return err
	}
	for _, f := range fees {
		if err := catalogue.Expect(ctx, tx, st.Provider.Region, dayOf(f.Time), f.Item); err != nil {
			return err
		}
	}
	for _, f := range fees {
		it, ok, err := catalogue.Find(ctx, tx, st.Provider.Region, dayOf(f.Time), f.Item)
		if err != nil {
			return err
		}
		if !ok {
			it.Charge = "14"
		}
		row := a.add("data")
		row.set("mdtrt_id", st.Visit.ID)
		row.set("setl_id", st.ID)
		row.set("feedetl_sn", f.Serial)
		row.set("med_type", codeOf(st.Visit))
		row.set("fee_ocur_time", f.Time.In(zone).Format(clockLayout))
		row.set("cnt", f.Quantity.String())
		row.set("pric", (money.Rate(f.Price) * 100).String()) // of 10^-6 and 10^-8
		row.money("det_item_fee_sumamt", f.Amount)
		describeDetail(row, &f.Detail)
		describeSplit(row, f.Class, f.FirstPay, f.UnitCeiling, f.Split)
		row.set("hilist_code", f.Item)
		row.set("hilist_name", f.Name)
		list, ok := listTypes[it.List]
		if !ok {
			list = otherList
		}
		row.set("list_type", list)
		row.set("med_list_codg", f.Item)
		row.set("medins_list_codg", f.ProviderItem)
		row.set("medins_list_name", clip(f.Name, 99))
		row.set("med_chrgitm_type", it.Charge)
		row.set("dosform_name", noForm)
		if err := describeEntry(row, &it); err != nil {
			return err
		}
		row.set("bilg_dept_name", f.Department)
		row.set("bilg_dr_name", f.Doctor)
		row.set("lmt_used_flag", notRestricted)
	}
	if st.ReversedBy != "" {
		r.warnings = append(r.warnings, "这笔结算已撤销，撤销的结算ID "+st.ReversedBy)
	}
	return nil
}

// newborn is 新生儿标志 (nwb_flag): a newborn is at most 28 days old.
func newborn(p enrolment.Person, on civil.Date) bool { return on.DaysSince(p.Birth) <= 28 }

// dayOf is the day of a moment in the country.
func dayOf(t time.Time) civil.Date { return civil.Of(t.In(zone)) }

// queryInHospital is 5303: who is in hospital here (在院信息查询), of the stays
// that began in the period.
func (s *Server) queryInHospital(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, from, to, err := s.asked(ctx, tx, r, in)
	if err != nil {
		return err
	}
	visits, err := s.visitsOf(ctx, tx, r, settlement.VisitFilter{Provider: r.provider, Person: p.ID, From: from, To: to, InHospital: true, Limit: listed})
	if err != nil {
		return err
	}
	for _, v := range visits {
		p, _, err := s.Enrolment.ByID(ctx, tx, v.Person)
		if err != nil {
			return err
		}
		row := a.add("data")
		row.set("mdtrt_id", v.ID)
		row.set("psn_no", p.ID)
		describePerson(row, p, r.today())
		row.set("insutype", insutype(v.Scheme))
		row.set("begndate", dayOf(v.Begun).String())
		row.set("med_type", codeOf(v))
		row.set("ipt_otp_no", v.Number)
		row.set("out_flag", yesNo(p.Region[:4] != r.provider[1:5]))
	}
	return nil
}
