package his

import (
	"context"
	"errors"
	"strconv"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/provider"
)

// mapItems is 3301 (目录对照上传).
func (s *Server) mapItems(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	rows := r.input["data"]
	all := make([]provider.Mapping, len(rows))
	for i := range rows {
		in := &rows[i]
		list, err := listOf(in)
		if err != nil {
			return err
		}
		all[i] = provider.Mapping{
			Provider: r.provider, Code: in.text("fixmedins_hilist_id"), Name: in.text("fixmedins_hilist_name"), List: list, Item: in.text("med_list_codg"),
			From: day(in.text("begndate")), To: day(in.text("enddate")), Approval: in.text("aprvno"), Form: in.text("dosform"),
			Excluded: in.text("exct_cont"), Content: in.text("item_cont"), Unit: in.text("prcunt"), Spec: in.text("spec"),
			Packaging: in.text("pacspec"), Note: in.text("memo"),
		}
	}
	return spellMapping(rows, provider.Map(ctx, tx, all, r.received.In(zone), r.actor()))
}

// unmapItems is 3302 (目录对照撤销).
func (s *Server) unmapItems(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	rows := r.input["data"]
	all := make([]provider.Mapping, len(rows))
	for i := range rows {
		in := &rows[i]
		if err := r.own(in.place()+"fixmedins_code", in.text("fixmedins_code")); err != nil {
			return err
		}
		list, err := listOf(in)
		if err != nil {
			return err
		}
		all[i] = provider.Mapping{Provider: r.provider, Code: in.text("fixmedins_hilist_id"), List: list, Item: in.text("med_list_codg")}
	}
	return spellMapping(rows, provider.Withdraw(ctx, tx, all, r.received.In(zone), r.actor()))
}

// mappingFields are the interface's names for what a mapping's error speaks of.
var mappingFields = map[string]string{
	"item": "医疗目录编码 med_list_codg", "code": "定点医药机构目录编号 fixmedins_hilist_id", "days": "开始日期 begndate、结束日期 enddate",
}

// spellMapping turns a mapping's refusal into one in the interface's words.
func spellMapping(rows []record, err error) error {
	var e *provider.MappingError
	if !errors.As(err, &e) {
		return err
	}
	return refuse("%s%s“%s”：%s", rows[e.Row-1].place(), mappingFields[e.Field], clip(e.Value, 40), e.Want)
}

// queryMappings is 1317: the provider's own mappings (医药机构目录匹配查询).
func (s *Server) queryMappings(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := page(in)
	if err != nil {
		return err
	}
	if err := r.own("data.fixmedins_code", in.text("fixmedins_code")); err != nil {
		return err
	}
	list, err := listOf(in)
	if err != nil {
		return err
	}
	f := provider.MappingFilter{
		Provider: r.provider, Code: in.text("medins_list_codg"), NameHas: in.text("medins_list_name"), List: list, Item: in.text("med_list_codg"),
		On: day(in.text("query_date")), BeginsFrom: day(in.text("begndate")), UpdatedSince: day(in.text("updt_time")), Today: r.today(),
	}
	// A provider's mappings hold for people of every region.
	if region := in.text("insu_admdvs"); region != "" && region != nation && region != string(r.care) {
		return nil
	}
	if v := in.text("vali_flag"); v != "" {
		valid := v == "1"
		f.Valid = &valid
	}
	return provider.Mappings(ctx, tx, f, p, func(m provider.Mapping) error {
		l := a.add("data")
		for name, text := range map[string]string{
			"fixmedins_code": m.Provider, "medins_list_codg": m.Code, "medins_list_name": m.Name, "insu_admdvs": string(r.care),
			"list_type": listTypes[m.List], "med_list_codg": m.Item, "begndate": m.From.String(), "enddate": m.To.String(),
			"aprvno": m.Approval, "dosform": m.Form, "exct_cont": m.Excluded, "item_cont": m.Content, "prcunt": m.Unit, "spec": m.Spec,
			"pacspec": m.Packaging, "memo": m.Note, "vali_flag": yesNo(!m.Withdrawn && m.To >= r.today()), "rid": m.Record,
			"updt_time": m.Updated.String(), "crte_time": m.Created.String(), "opt_time": m.Updated.String(), "poolarea_no": string(r.care),
		} {
			l.set(name, text)
		}
		return nil
	})
}

// listDepartments is 5101: the provider's own departments (科室信息查询).
func (s *Server) listDepartments(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	if err := r.own("data.fixmedins_code", r.one("data").text("fixmedins_code")); err != nil {
		return err
	}
	all, err := s.staff.Departments(ctx, tx, r.provider, r.today())
	for _, d := range all {
		l := a.add("feedetail")
		for name, text := range map[string]string{
			"hosp_dept_codg": d.Code, "hosp_dept_name": d.Name, "begntime": dayStart(d.From), "endtime": dayStart(d.To), "itro": d.Introduction,
			"dept_resper_name": d.Head, "dept_resper_tel": d.Phone, "dept_med_serv_scp": d.Scope, "caty": d.Specialty, "dept_estbdat": dayStart(d.Established),
			"aprv_bed_cnt": strconv.Itoa(d.Beds), "hi_crtf_bed_cnt": strconv.Itoa(d.InsuredBeds), "poolarea_no": string(r.care),
			"dr_psncnt": strconv.Itoa(d.Employed[provider.Doctor]), "phar_psncnt": strconv.Itoa(d.Employed[provider.Pharmacist]),
			"nurs_psncnt": strconv.Itoa(d.Employed[provider.Nurse]), "tecn_psncnt": strconv.Itoa(d.Employed[provider.Technician]),
		} {
			l.set(name, text)
		}
	}
	return err
}

// staffTypes are 医务人员类别 (medins_psn_type).
var staffTypes = map[provider.StaffKind]string{provider.Doctor: "1", provider.Nurse: "2", provider.Pharmacist: "3", provider.Technician: "4"}

// listStaff is 5102: the provider's own medical staff (医执人员查询).
func (s *Server) listStaff(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	f := provider.StaffFilter{Provider: r.provider, Code: in.text("prac_psn_code"), Name: in.text("prac_psn_name"), CitizenID: in.text("certno")}
	for kind, code := range staffTypes {
		if code == in.text("prac_psn_type") {
			f.Kind = kind
		}
	}
	if f.Kind == "" {
		return refuse("执业人员分类 prac_psn_type“%s”：应为%s", clip(in.text("prac_psn_type"), 6), s.spec.Dictionary("medins_psn_type").allowed())
	}
	if t := in.text("psn_cert_type"); t != "" && t != citizenIDType {
		return nil // all are registered with their citizen IDs
	}
	all, err := s.staff.Staff(ctx, tx, f)
	for _, x := range all {
		l := a.add("feedetail")
		for name, text := range map[string]string{
			"psn_cert_type": citizenIDType, "certno": x.CitizenID, "prac_psn_no": x.Number, "prac_psn_code": x.Code, "prac_psn_name": x.Name,
			"prac_psn_type": staffTypes[x.Kind], "prac_psn_cert": x.Qualification, "prac_cert_no": x.Licence, "hi_dr_flag": yesNo(x.Insured),
			"begntime": dayStart(x.From), "endtime": dayStart(x.To), "chg_rea": x.Reason,
		} {
			l.set(name, text)
		}
	}
	return err
}
