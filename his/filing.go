package his

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// filings are the transactions about what is applied for before care (备案).
var filings = map[string]operation{
	"2501": {(*Server).declareReferral, false},
	"2502": {withdraw(filing.KindReferral), false},
	"2503": {(*Server).declareDisease, false},
	"2504": {withdraw(filing.KindDisease), false},
	"2505": {(*Server).declareDesignation, false},
	"2506": {withdraw(filing.KindDesignation), false},
	"2507": {(*Server).declareInjury, false},
	"5301": {(*Server).specialDiseases, true},
	"5302": {(*Server).designations, true},
	"5304": {(*Server).referral, true},
}

// declare hands a declaration to the filing room and spells its answer. What
// the agency does not accept leaves nothing behind: the provider corrects it
// and declares it again.
func (s *Server) declare(ctx context.Context, tx *db.Tx, r *request, in *record, p enrolment.Person, d filing.Declaration, a *answer) error {
	var err error
	if d.Scheme, err = statedScheme(in); err != nil {
		return err
	}
	d.Person, d.Provider, d.Actor = p.ID, r.provider, r.actor()
	d.From, d.To = cmp.Or(day(in.text("begndate")), d.From), day(in.text("enddate"))
	d.Details.OperatorName = r.operatorName
	d.Details.Phone, d.Details.Address = in.text("tel"), in.text("addr")
	app, err := s.filings.Declare(ctx, tx, d)
	if err != nil {
		return spellFiling(err)
	}
	switch app.State {
	case filing.Accepted:
		if app.To != d.To {
			r.warnings = append(r.warnings, "备案有效期至 "+app.To.String())
		}
	case filing.Submitted:
		r.warnings = append(r.warnings, "备案已提交，待经办机构审核后生效")
	default:
		return refuse("%s%s：%s", app.Kind().Title(), app.State.Title(), app.Reason())
	}
	a.add("result").set("trt_dcla_detl_sn", app.ID)
	return nil
}

// statedScheme is the scheme that a row states, nil if it states none.
func statedScheme(in *record) (*policy.Scheme, error) {
	if in.optional("insutype") == "" {
		return nil, nil
	}
	sch, err := scheme(in.text("insutype"))
	return &sch, err
}

// insuredAt refuses a row whose field names another insured region than the
// person's.
func insuredAt(in *record, field string, p enrolment.Person) error {
	own := in.text(field)
	if own == "" || ident.Region(pad(own)).Within(ident.Region(p.Region)) {
		return nil
	}
	return refuse("%s“%s”与该人员的参保地 %s 不一致", in.node.Fields[in.node.byName[field]].at(in), clip(own, 10), p.Region)
}

// registeredName warns where a row calls a provider otherwise than the register.
func (s *Server) registeredName(ctx context.Context, tx *db.Tx, r *request, in *record, code, name string) error {
	p, ok, err := provider.Get(ctx, tx, in.text(code))
	if err == nil && ok && in.text(name) != "" && in.text(name) != p.Name {
		r.warnings = append(r.warnings, "机构名称 "+name+" 按登记的“"+p.Name+"”处理")
	}
	return err
}

// Codes of 转院类型 (refl_type), by where the other hospital stands.
const (
	referredInCity     = "1"
	referredInProvince = "2"
	referredOutside    = "3"
)

func referralType(home, care ident.Region) string {
	switch {
	case care.Within(home):
		return referredInCity
	case care.Province() == home.Province():
		return referredInProvince
	}
	return referredOutside
}

// declareReferral is 2501: a referral to another hospital (转院备案).
func (s *Server) declareReferral(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("refmedin")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	if err := insuredAt(in, "insu_optins", p); err != nil {
		return err
	}
	care, err := ident.ParseRegion(in.text("mdtrtarea_admdvs"))
	if err != nil {
		return refuse("就医地行政区划 mdtrtarea_admdvs“%s”：应为六位医保区划", clip(in.text("mdtrtarea_admdvs"), 10))
	}
	if is := referralType(ident.Region(p.Region), care); in.text("refl_type") != is {
		label, _ := s.spec.Dictionary("refl_type").Label(is)
		return refuse("转院类型 refl_type“%s”：由参保地 %s 转往 %s 应为 %s %s", in.text("refl_type"), p.Region, care, is, label)
	}
	agreed, err := yes(in, "hosp_agre_refl_flag", true)
	if err != nil {
		return err
	}
	if err := s.registeredName(ctx, tx, r, in, "reflin_medins_no", "reflin_medins_name"); err != nil {
		return err
	}
	on := day(in.text("refl_date"))
	return s.declare(ctx, tx, r, in, p, filing.Declaration{From: on, Details: filing.Details{Referral: &filing.Referral{
		Provider: in.text("reflin_medins_no"), Region: string(care), Diagnosis: in.text("diag_code"), DiagnosisName: in.text("diag_name"),
		Condition: in.text("dise_cond_dscr"), On: on, Reason: in.text("refl_rea"), Opinion: in.text("refl_opnn"), Disagree: !agreed, Visit: in.text("refl_old_mdtrt_id"),
	}}}, a)
}

// yes reads a field that is 0 or 1.
func yes(in *record, field string, otherwise bool) (bool, error) {
	switch s := in.text(field); s {
	case "":
		return otherwise, nil
	case "0", "1":
		return s == "1", nil
	default:
		return false, refuse("%s“%s”：应为 0 否、1 是", in.node.Fields[in.node.byName[field]].at(in), clip(s, 10))
	}
}

// declareDisease is 2503: a chronic or special disease was found (慢特病备案).
func (s *Server) declareDisease(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	if err := insuredAt(in, "insu_optins", p); err != nil {
		return err
	}
	if err := s.registeredName(ctx, tx, r, in, "ide_fixmedins_no", "ide_fixmedins_name"); err != nil {
		return err
	}
	return s.declare(ctx, tx, r, in, p, filing.Declaration{Details: filing.Details{Evidence: in.text("memo"), Disease: &filing.Recognition{
		Code: in.text("opsp_dise_code"), Name: in.text("opsp_dise_name"), Provider: in.text("ide_fixmedins_no"),
		On: day(in.text("hosp_ide_date")), Operated: in.text("exp_content"), DoctorCode: in.text("diag_dr_codg"), Doctor: in.text("diag_dr_name"),
	}}}, a)
}

// purposes are what a provider is chosen for, by 业务申请类型 (biz_appy_type).
// The dictionary's other codes choose no provider.
var purposes = map[string]filing.Purpose{
	"01": filing.SpecialDiseaseCare, "03": filing.OrdinaryCare, "05": filing.FamilyDoctor, "10": filing.SpecialDrugs,
	"22": filing.CostlyDrugs, "23": filing.TwoDiseases, "32": filing.DualChannel,
}

func (s *Server) purpose(in *record) (filing.Purpose, error) {
	code := in.text("biz_appy_type")
	if p, ok := purposes[code]; ok {
		return p, nil
	}
	label, _ := s.spec.Dictionary("biz_appy_type").Label(code)
	return "", refuse("业务申请类型 biz_appy_type“%s”：不是选择定点机构的业务；应为 01、03、05、10、22、23 或 32", strings.TrimSpace(clip(code, 10)+" "+label))
}

// declareDesignation is 2505: a person chooses a provider (人员定点备案).
func (s *Server) declareDesignation(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	purpose, err := s.purpose(in)
	if err != nil {
		return err
	}
	rank, err := strconv.Atoi(in.text("fix_srt_no"))
	if err != nil {
		return refuse("定点排序号 fix_srt_no“%s”：应为从 1 起的序号", clip(in.text("fix_srt_no"), 10))
	}
	if err := s.registeredName(ctx, tx, r, in, "fixmedins_code", "fixmedins_name"); err != nil {
		return err
	}
	return s.declare(ctx, tx, r, in, p, filing.Declaration{Details: filing.Details{
		Agent: agent(in), Evidence: in.text("memo"),
		Designation: &filing.Designation{Purpose: purpose, Rank: rank, Provider: in.text("fixmedins_code")},
	}}, a)
}

func agent(in *record) filing.Agent {
	return filing.Agent{
		Name: in.text("agnter_name"), Relation: in.text("agnter_rlts"), IDKind: in.text("agnter_cert_type"), ID: in.text("agnter_certno"),
		Phone: in.text("agnter_tel"), Address: in.text("agnter_addr"),
	}
}

// declaredByProvider is 申报来源 (dcla_souc) of what comes by this interface.
const declaredByProvider = "01"

// declareInjury is 2507: an accidental injury (意外伤害备案).
func (s *Server) declareInjury(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	if in.text("psn_no") == "" {
		return refuse("缺少 data.psn_no（人员编号）")
	}
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	if err := insuredAt(in, "insu_admdvs", p); err != nil {
		return err
	}
	payable, err := yes(in, "chk_pay_flag", true)
	if err != nil {
		return err
	}
	if err := s.samePerson(ctx, tx, r, in, p); err != nil {
		return err
	}
	if from := in.text("dcla_souc"); from != "" && from != declaredByProvider {
		r.warnings = append(r.warnings, "申报来源 dcla_souc 按 01 定点医药机构处理")
	}
	on := cmp.Or(day(in.text("trum_time")), day(in.text("begndate")))
	return s.declare(ctx, tx, r, in, p, filing.Declaration{From: on, Details: filing.Details{
		Agent: agent(in), Evidence: in.text("memo"),
		Injury: &filing.Injury{On: on, Place: in.text("trum_site"), Cause: in.text("trum_rea"), Provider: in.text("fixmedins_code"), Admitted: day(in.text("adm_time")), Unpayable: !payable},
	}}, a)
}

// samePerson warns where the row of 2507 says of the person or the provider
// what the register does not: the register decides.
func (s *Server) samePerson(ctx context.Context, tx *db.Tx, r *request, in *record, p enrolment.Person) error {
	if err := s.registeredName(ctx, tx, r, in, "fixmedins_code", "fixmedins_name"); err != nil {
		return err
	}
	level, sex, naty, region, at := "", in.text("gend"), in.text("naty"), in.text("mdtrtarea_admdvs"), ""
	if h, ok, err := provider.Get(ctx, tx, in.text("fixmedins_code")); err != nil {
		return err
	} else if ok {
		if h.Kind == policy.Hospital {
			level = withoutGrade[h.Level]
		}
		if at = h.Region; ident.Region(at).Within(ident.Region(region)) || ident.Region(pad(region)).Within(ident.Region(at)) {
			region = at
		}
	}
	if sex == "0" || sex == "9" { // not known, or not said
		sex = ""
	}
	if len(naty) == 1 {
		naty = "0" + naty
	}
	var differ []string
	for _, f := range [...]struct{ name, stated, registered string }{
		{"gend", sex, sexCode(p.Female)}, {"naty", naty, p.Ethnicity}, {"brdy", in.text("brdy"), p.Birth.String()},
		{"emp_name", in.text("emp_name"), p.Employer}, {"mdtrtarea_admdvs", region, at}, {"hosp_lv", ungraded(in.text("hosp_lv")), level},
	} {
		if f.stated != "" && f.registered != "" && f.stated != f.registered {
			differ = append(differ, f.name+"（登记为 "+f.registered+"）")
		}
	}
	if differ != nil {
		r.warnings = append(r.warnings, strings.Join(differ, "、")+"与登记不符，按登记的处理")
	}
	return nil
}

// withdraw is 2502, 2504 and 2506: a filing is withdrawn (备案撤销).
func withdraw(kind filing.Kind) handler {
	return func(s *Server, ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
		in := r.one("data")
		p, err := s.holder(ctx, tx, r, in)
		if err != nil {
			return err
		}
		return spellFiling(s.filings.Withdraw(ctx, tx, filing.WithdrawRequest{
			ID: in.text("trt_dcla_detl_sn"), Kind: kind, Person: p.ID, Provider: r.provider, Reason: in.text("memo"), Actor: r.actor(),
		}))
	}
}

// filingFields are the interface's names for the fields that the filing room's
// errors speak of.
var filingFields = map[string]string{
	"id": "待遇申报明细流水号 trt_dcla_detl_sn", "person": "人员编号 psn_no", "provider": "机构编号 fixmedins_code",
	"from": "开始日期 begndate", "to": "结束日期 enddate", "target": "定点医药机构编号", "subject": "申报内容",
	"referral.region": "就医地行政区划 mdtrtarea_admdvs", "referral.visit": "转院前就诊id refl_old_mdtrt_id",
	"disease.code": "门慢门特病种目录代码 opsp_dise_code", "designation.rank": "定点排序号 fix_srt_no", "injury.on": "受伤时间 trum_time",
}

// spellFiling turns a refusal of the filing room into one in the interface's
// words. Other errors stay what they are.
func spellFiling(err error) error {
	var e *filing.Error
	if !errors.As(err, &e) {
		return err
	}
	field := e.Field
	if name, ok := filingFields[field]; ok {
		field = name
	}
	if e.Value == "" {
		return refuse("%s：%s", field, e.Want)
	}
	return refuse("%s“%s”：%s", field, clip(e.Value, 40), e.Want)
}

// specialDiseases is 5301: the diseases recognised for a person, now or from a
// later day (慢特病备案查询).
func (s *Server) specialDiseases(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	p, err := s.holder(ctx, tx, r, r.one("data"))
	if err != nil {
		return err
	}
	all, err := enrolment.SpecialDiseasesWithin(ctx, tx, p.ID, r.today(), 0)
	for _, d := range all {
		row := a.add("feedetail")
		row.set("opsp_dise_code", d.Code)
		row.set("opsp_dise_name", d.Name)
		row.set("begndate", d.From.String())
		row.set("enddate", dateText(d.To))
	}
	return err
}

// dateText writes a day, "" for none.
func dateText(d civil.Date) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// designations is 5302: the providers a person chose, now or from a later day
// (人员定点查询).
func (s *Server) designations(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	purpose, err := s.purpose(in)
	if err != nil {
		return err
	}
	all, err := filing.Designations(ctx, tx, p.ID, purpose, r.today(), 0)
	for _, c := range all {
		row := a.add("psnfixmedin")
		row.set("psn_no", p.ID)
		row.set("insutype", insutype(c.Scheme))
		row.set("fix_srt_no", strconv.Itoa(c.Rank))
		row.set("fixmedins_code", c.Provider)
		row.set("fixmedins_name", c.ProviderName)
		row.set("begndate", c.From.String())
		row.set("enddate", dateText(c.To))
		row.set("memo", c.Note)
	}
	return err
}

// spanOf is the days that a query is for; the last is 0 if it names none.
func spanOf(in *record) (from, to civil.Date, err error) {
	from, to = day(in.text("begntime")), day(in.text("endtime"))
	if to != 0 && to < from {
		err = refuse("结束时间 endtime“%s”早于开始时间 begntime“%s”", in.text("endtime"), in.text("begntime"))
	}
	return from, to, err
}

// referral is 5304: a referral that holds on some day of the period (转院信息
// 查询). The interface has room for one: it is the one that began last.
func (s *Server) referral(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	from, to, err := spanOf(in)
	if err != nil {
		return err
	}
	all, err := s.filings.List(ctx, tx, filing.Filter{Person: p.ID, Kind: filing.KindReferral, From: from, To: to})
	if err != nil {
		return err
	}
	var found *filing.Application
	others := 0
	for _, x := range all {
		switch {
		case x.State != filing.Accepted:
		case found == nil:
			found = x
		default:
			others++
		}
	}
	if found == nil {
		r.warnings = append(r.warnings, "该人员在这段时间没有有效的转院备案")
		return nil
	}
	if others > 0 {
		r.warnings = append(r.warnings, "这段时间另有 "+strconv.Itoa(others)+" 个转院备案，此为开始日期最晚者")
	}
	d, declared := found.Details.Referral, found.Steps[0]
	out := a.add("")
	out.set("insutype", insutype(found.Scheme))
	out.set("dcla_souc", declaredByProvider)
	out.set("psn_no", p.ID)
	out.set("psn_cert_type", citizenIDType)
	out.set("certno", p.CitizenID)
	out.set("psn_name", p.Name)
	out.set("gend", sexCode(p.Female))
	out.set("brdy", dateText(p.Birth))
	out.set("tel", found.Details.Phone)
	out.set("addr", found.Details.Address)
	out.set("insu_optins", p.Region)
	out.set("emp_name", p.Employer)
	out.set("diag_code", d.Diagnosis)
	out.set("diag_name", d.DiagnosisName)
	out.set("dise_cond_dscr", d.Condition)
	out.set("reflin_medins_no", d.Provider)
	out.set("reflin_medins_name", d.ProviderName)
	out.set("out_flag", "1")
	if ident.Region(d.Region).Within(ident.Region(p.Region)) {
		out.set("out_flag", "0")
	}
	out.set("refl_date", d.On.String())
	out.set("refl_rea", d.Reason)
	out.set("begndate", found.From.String())
	out.set("enddate", dateText(found.To))
	out.set("hosp_agre_refl_flag", "1") // a hospital that did not agree was refused
	if _, operator, ok := strings.Cut(declared.Actor, " "); ok {
		out.set("opter_id", clip(operator, 20))
	}
	out.set("opter_name", clip(found.Details.OperatorName, 49))
	out.set("opt_time", declared.At.In(zone).Format(clockLayout))
	return nil
}
