package his

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/abstract"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/settlement"
)

// abstracts are the transactions about discharge abstracts (医疗保障基金结算清单).
var abstracts = map[string]operation{
	"4101": {(*Server).uploadAbstract, false},
	"4102": {(*Server).setAbstractState, false},
}

// uploadAbstract is 4101: an abstract is uploaded (结算清单上传), as a draft or,
// if stas_type says so, submitted at once.
func (s *Server) uploadAbstract(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("setlinfo")
	state, err := abstractState(in)
	if err != nil {
		return err
	}
	for i := range r.input["bldinfo"] {
		row := &r.input["bldinfo"][i]
		for _, name := range []string{"psn_no", "mdtrt_id", "setl_id"} {
			if row.text(name) != in.text(name) {
				return refuse("%s%s“%s”与 setlinfo 的“%s”不一致", row.place(), name, clip(row.text(name), 30), clip(in.text(name), 30))
			}
		}
	}
	read := abstractReader{r: r, in: in}
	sheet := read.abstract()
	if read.err != nil {
		return read.err
	}
	sheet.Provider, sheet.State = r.provider, state
	r.warnings = append(r.warnings, read.doubts...)
	number, doubts, err := s.abstracts.Upload(ctx, tx, sheet, r.actor())
	if err != nil {
		return spellAbstract(err)
	}
	st, _, err := s.Settlement.Get(ctx, tx, sheet.Settlement)
	if err != nil {
		return err
	}
	if err := samePayments(r, st); err != nil {
		return err
	}
	r.warnings = append(r.warnings, doubts...)
	a.add("data").set("setl_list_id", strconv.FormatInt(number, 10))
	return nil
}

// setAbstractState is 4102: an abstract is submitted, or taken back
// (清单状态修改).
func (s *Server) setAbstractState(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("data")
	state, err := abstractState(in)
	if err != nil {
		return err
	}
	changed, err := s.abstracts.SetState(ctx, tx, abstract.StateRequest{
		Settlement: in.text("setl_id"), Person: in.text("psn_no"), Provider: r.provider, State: state, Actor: r.actor(),
	})
	if err != nil {
		return spellAbstract(err)
	}
	if !changed {
		r.warnings = append(r.warnings, "清单的状态已是"+state.Title())
	}
	return nil
}

// abstractState reads stas_type; a new abstract that does not say is a draft.
func abstractState(in *record) (abstract.State, error) {
	switch text := in.text("stas_type"); text {
	case "", "0":
		return abstract.Draft, nil
	case "1":
		return abstract.Submitted, nil
	default:
		return 0, refuse("状态 stas_type“%s”：应为 0 未提交、1 已提交", clip(text, 10))
	}
}

// samePayments holds what the abstract says that funds paid against the
// settlement. Accounts and the hospital, which are no funds, may be left out.
func samePayments(r *request, st *settlement.Settlement) error {
	stated := map[string]money.Fen{}
	rows := r.input["payinfo"]
	for i := range rows {
		amount, err := rows[i].amount("fund_payamt")
		if err != nil {
			return err
		}
		stated[rows[i].text("fund_pay_type")] += amount
	}
	differ := func(code, name string, theirs, ours money.Fen) error {
		return refuse("payinfo 基金支付类型 %s%s：清单为 %s 元，结算为 %s 元", code, name, theirs, ours)
	}
	for _, sh := range shares(st) {
		theirs, ok := stated[sh.code]
		delete(stated, sh.code)
		if !ok && (sh.code == ownAccountFund || sh.code == familyAccountFund || sh.code == hospitalFund) {
			continue
		}
		if theirs != sh.paid {
			return differ(sh.code, " "+sh.name, theirs, sh.paid)
		}
	}
	for i := range rows { // in their order
		code := rows[i].text("fund_pay_type")
		if theirs := stated[code]; theirs != 0 {
			return differ(code, "", theirs, 0)
		}
	}
	return nil
}

// abstractReader reads an abstract from a request.
type abstractReader struct {
	r      *request
	in     *record
	doubts []string
	err    error // the first number that cannot be
}

func (x *abstractReader) abstract() abstract.Abstract {
	in := x.in
	t := in.text
	a := abstract.Abstract{
		Settlement: t("setl_id"), Visit: t("mdtrt_id"), Person: t("psn_no"), Record: t("medcasno"), Declared: optionalMoment(t("dcla_time")),
		Patient: abstract.Patient{Nationality: t("ntly"), Occupation: t("prfs"), Address: t("curr_addr"), PostCode: t("poscode"),
			Employer: t("emp_name"), EmployerAddress: t("emp_addr"), EmployerPhone: t("emp_tel"),
			Contact: t("coner_name"), ContactRelation: t("patn_rlts"), ContactAddress: t("coner_addr"), ContactPhone: t("coner_tel")},
		Newborn: abstract.Newborn{AdmissionKind: t("nwb_adm_type"), AgeDays: int(x.number(in, "age_days", 0)),
			BirthWeight: x.number(in, "nwb_bir_wt", 2), Weight: x.number(in, "nwb_adm_wt", 2), OtherBirths: t("mul_nwb_bir_wt"), OtherWeight: t("mul_nwb_adm_wt")},
		Special: abstract.Special{Department: t("opsp_diag_caty"), Visited: day(t("opsp_mdtrt_date"))},
		Admission: abstract.Admission{Way: t("adm_way"), Treatment: t("trt_type"), At: optionalMoment(t("adm_time")),
			Department: abstract.Code{Code: t("adm_dept_code"), Name: t("adm_dept_name")}, Specialty: t("adm_caty"), Transfers: t("refldept_dept"),
			Western: abstract.Code{Code: t("wm_dise_code"), Name: t("otp_wm_dise")}, Chinese: abstract.Code{Code: t("tcm_dise_code"), Name: t("otp_tcm_dise")}},
		Discharge: abstract.Discharge{At: optionalMoment(t("dscg_time")), Department: abstract.Code{Code: t("dscg_dept_code"), Name: t("dscg_dept_name")},
			Specialty: t("dscg_caty"), Way: t("dscg_way"), Receiver: abstract.Code{Code: t("acp_optins_code"), Name: t("acp_medins_name")},
			Planned: t("days_rinp_flag_31"), Purpose: t("days_rinp_pup_31")},
		Course: abstract.Course{Ventilated: x.minutes(in, "vent_used_dura"), ComaBefore: x.minutes(in, "pwcry_bfadm_coma_dura"), ComaAfter: x.minutes(in, "pwcry_afadm_coma_dura"),
			Physician: t("chfpdr_code"), Nurse: t("resp_nurs_code")},
		Bill: abstract.Bill{Code: t("bill_code"), Number: t("bill_no"), Serial: t("biz_sn")},
		From: day(t("setl_begn_date")), To: day(t("setl_end_date")), Payment: t("hi_paymtd"),
		FilledBy: abstract.FilledBy{Department: t("medins_fill_dept"), Name: t("medins_fill_psn")},
	}
	for i, name := range []string{"spga_nurscare_days", "lv1_nurscare_days", "scd_nurscare_days", "lv3_nurscare_days"} {
		a.Course.Nursing[i] = max(0, x.number(in, name, 1))
	}
	for _, row := range x.rows("opspdiseinfo") {
		a.Special.Procedures = append(a.Special.Procedures, abstract.Code{Code: row.text("oprn_oprt_code"), Name: row.text("oprn_oprt_name")})
	}
	for _, row := range x.rows("diseinfo") {
		a.Diagnoses = append(a.Diagnoses, abstract.Diagnosis{Kind: row.text("diag_type"), Code: abstract.Code{Code: row.text("diag_code"), Name: row.text("diag_name")},
			Condition: row.text("adm_cond_type"), Main: row.text("maindiag_flag") == "1"})
	}
	for _, row := range x.rows("oprninfo") {
		a.Operations = append(a.Operations, abstract.Operation{Kind: row.text("oprn_oprt_type"), Code: abstract.Code{Code: row.text("oprn_oprt_code"), Name: row.text("oprn_oprt_name")},
			Anaesthesia: row.text("anst_way"), Surgeon: row.text("oper_dr_code"), Anaesthetist: row.text("anst_dr_code"),
			Begun: optionalMoment(row.text("oprn_oprt_begntime")), Ended: optionalMoment(row.text("oprn_oprt_endtime")),
			AnaesthesiaBegun: optionalMoment(row.text("anst_begntime")), Waking: optionalMoment(row.text("anst_endtime"))})
	}
	for _, row := range x.rows("icuinfo") {
		a.Intensive = append(a.Intensive, abstract.Intensive{Ward: row.text("scs_cutd_ward_type"), In: moment(row.text("scs_cutd_inpool_time")),
			Out: moment(row.text("scs_cutd_exit_time")), Minutes: x.minutes(row, "scs_cutd_sum_dura")})
	}
	for _, row := range x.rows("bldinfo") {
		b := abstract.Blood{ID: row.text("setl_List_bld_Id"), Kind: row.text("bld_cat"), Amount: max(0, x.number(row, "bld_amt", 0)), Unit: row.text("bld_unt")}
		if b.Kind != "" || b.Unit != "" || b.Amount != 0 { // who gave no blood says so with an empty row
			a.Blood = append(a.Blood, b)
		}
	}
	return a
}

func (x *abstractReader) rows(node string) (rows []*record) {
	all := x.r.input[node]
	for i := range all {
		rows = append(rows, &all[i])
	}
	return rows
}

// minutes reads a duration: 天/小时/分钟, or hours; -1 if it is not stated.
func (x *abstractReader) minutes(in *record, field string) int64 {
	text := in.text(field)
	if text == "" {
		return -1
	}
	parts := strings.Split(text, "/")
	var n [3]int64
	var err error
	switch len(parts) {
	case 1:
		var hours float64
		hours, err = strconv.ParseFloat(text, 64)
		if err == nil && (hours < 0 || hours > 1e5) {
			err = errors.New("out of range")
		}
		n[2] = int64(hours*60 + 0.5)
	case 3:
		for i, p := range parts {
			if n[i], err = strconv.ParseInt(strings.TrimSpace(p), 10, 32); err != nil || n[i] < 0 {
				err = errors.Join(err, errors.New("no number"))
				break
			}
		}
	default:
		err = errors.New("not three parts")
	}
	if err != nil {
		x.doubts = append(x.doubts, fmt.Sprintf("%s“%s”：应为“天/小时/分钟”，例如 1/2/30，未采用", in.node.Fields[in.node.byName[field]].at(in), clip(text, 10)))
		return -1
	}
	return n[0]*1440 + n[1]*60 + n[2]
}

// optionalMoment is moment, zero for "".
func optionalMoment(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	return moment(s)
}

// number reads a checked number of at most so many decimals as a whole number
// of the last; -1 for "".
func (x *abstractReader) number(in *record, field string, decimals int) int64 {
	text := in.text(field)
	if text == "" {
		return -1
	}
	whole, rest, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+rest+strings.Repeat("0", decimals-len(rest)), 10, 64)
	if err != nil {
		panic("his: number " + text + " was not checked")
	}
	if n < 0 && x.err == nil {
		x.err = refuse("%s“%s”：不能为负", in.node.Fields[in.node.byName[field]].at(in), text)
	}
	return n
}

// abstractFields are the fields of the room of abstracts at the interface, and
// the nodes of its rows.
var abstractFields = map[string]string{
	"settlement": "结算ID setl_id", "person": "人员编号 psn_no", "visit": "就诊ID mdtrt_id", "declared": "申报时间 dcla_time",
	"special.visited": "门诊慢特病就诊日期 opsp_mdtrt_date", "from": "结算开始日期 setl_begn_date", "to": "结算结束日期 setl_end_date",
	"admission.at": "入院时间 adm_time", "discharge.at": "出院时间 dscg_time",
	"newborn.birth_weight": "新生儿出生体重 nwb_bir_wt", "newborn.weight": "新生儿入院体重 nwb_adm_wt", "newborn.age_days": "新生儿天龄 age_days",
	"diagnoses": "diseinfo", "diagnoses.code": "诊断代码 diag_code", "diagnoses.main": "主诊断标志 maindiag_flag",
	"operations": "oprninfo", "operations.main": "手术操作类别 oprn_oprt_type",
	"operations.begun": "手术操作开始时间 oprn_oprt_begntime", "operations.anaesthesia_begun": "麻醉开始时间 anst_begntime",
	"intensive": "icuinfo", "intensive.in": "重症监护进入时间 scs_cutd_inpool_time", "intensive.out": "重症监护退出时间 scs_cutd_exit_time",
	"course.nursing":    "护理天数 spga_nurscare_days、lv1_nurscare_days、scd_nurscare_days、lv3_nurscare_days",
	"course.ventilated": "呼吸机使用时长 vent_used_dura",
	"blood":             "bldinfo", "blood.amount": "输血量 bld_amt", "blood.kind": "输血品种 bld_cat", "blood.unit": "输血计量单位 bld_unt",
}

// abstractField spells a field, such as diagnoses[2].code.
func abstractField(field string) string {
	name, rest, row := strings.Cut(field, "[")
	if !row {
		return abstractFields[field]
	}
	n, of, _ := strings.Cut(rest, "].")
	return abstractFields[name] + " 第 " + n + " 行 " + abstractFields[name+"."+of]
}

// spellAbstract turns a refusal of the room into one in the interface's words.
func spellAbstract(err error) error {
	var e *abstract.Error
	if !errors.As(err, &e) {
		return spell(err)
	}
	field := abstractField(e.Field)
	if e.Value == "" {
		return refuse("%s：%s", field, e.Want)
	}
	return refuse("%s“%s”：%s", field, clip(e.Value, 40), e.Want)
}
