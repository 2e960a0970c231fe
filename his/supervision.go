package his

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/supervision"
)

// checks are the transactions that look at care before it is given and while it
// is given (事前、事中分析).
var checks = map[string]operation{
	"3101": {analyse(supervision.Before), false},
	"3102": {analyse(supervision.During), false},
	"3103": {(*Server).respond, false},
}

// maxPatients bounds the people of one analysis.
const maxPatients = 100

// analyse is 3101 and 3102: a visit is held against the rules.
func analyse(phase supervision.Phase) handler {
	return func(s *Server, ctx context.Context, tx *db.Tx, r *request, a *answer) error {
		in := r.one("data")
		rules, err := chosenRules(r, in)
		if err != nil {
			return err
		}
		patients := slices.Clone(in.rows["patient_dtos"])
		if len(patients) > maxPatients {
			return refuse("patient_dtos 有 %d 行，一次最多分析 %d 名参保人，请分批上传", len(patients), maxPatients)
		}
		// Everyone is held in the same order by all who analyse.
		slices.SortFunc(patients, func(a, b record) int { return cmp.Compare(a.text("patn_id"), b.text("patn_id")) })
		for i := range patients {
			if i > 0 && patients[i].text("patn_id") == patients[i-1].text("patn_id") {
				return refuse("%spatn_id“%s”与第 %d 行相同，一名参保人应为一行", patients[i].place(), clip(patients[i].text("patn_id"), 30), patients[i-1].row)
			}
			if err := s.analysePatient(ctx, tx, r, &patients[i], phase, rules, a); err != nil {
				return err
			}
		}
		return nil
	}
}

// chosenRules are the codes of the rules that are asked for, nil for all. A
// scene (trig_scen) goes before a list, and every rule holds in every scene.
func chosenRules(r *request, in *record) ([]string, error) {
	list := in.text("rule_ids")
	if list == "" {
		return nil, nil
	}
	codes := []string{list} // one without its list
	if list[0] == '[' || list[0] == '{' {
		v, err := parseJSON([]byte(`{"rule_ids":` + list + `}`))
		if err != nil || v.get("rule_ids").kind != '[' {
			return nil, refuse("rule_ids（规则标识集合）应为规则标识的数组")
		}
		codes = nil
		for i, item := range v.get("rule_ids").items {
			code := plainText(&item)
			if code == "" {
				return nil, refuse("rule_ids（规则标识集合）第 %d 项应为规则标识", i+1)
			}
			codes = append(codes, code)
		}
	}
	if codes != nil && in.text("trig_scen") != "" {
		r.warnings = append(r.warnings, "已给触发场景 trig_scen，未使用规则标识集合 rule_ids")
		return nil, nil
	}
	return codes, nil
}

func (s *Server) analysePatient(ctx context.Context, tx *db.Tx, r *request, in *record, phase supervision.Phase, rules []string, a *answer) error {
	p, err := s.patient(ctx, tx, r, in)
	if err != nil {
		return err
	}
	q := supervision.Request{Phase: phase, Person: p, Provider: r.provider, Rules: rules, Actor: r.actor()}
	found := false
	rows := in.rows["fsi_encounter_dtos"]
	first := map[string]int{}
	for i := range rows {
		id := rows[i].text("mdtrt_id")
		if n, twice := first[id]; twice {
			return refuse("%smdtrt_id“%s”与第 %d 行相同", rows[i].place(), clip(id, 30), n)
		}
		first[id] = rows[i].row
		v, err := encounter(&rows[i])
		switch {
		case err != nil:
			return err
		case id == in.text("curr_mdtrt_id"):
			q.Visit, found = v, true
		default:
			q.Others = append(q.Others, v)
		}
	}
	if !found {
		return refuse("%scurr_mdtrt_id“%s”：就诊信息 fsi_encounter_dtos 中没有这次就诊", in.place(), clip(in.text("curr_mdtrt_id"), 30))
	}
	findings, err := s.supervision.Analyse(ctx, tx, q)
	if err != nil {
		return spellCheck(err)
	}
	for i := range findings {
		tell(a, p.ID, &findings[i])
	}
	return nil
}

// patient finds the person of a row. The register's sex and birthday decide.
func (s *Server) patient(ctx context.Context, tx *db.Tx, r *request, in *record) (enrolment.Person, error) {
	id := in.text("patn_id")
	p, ok, err := s.Enrolment.ByID(ctx, tx, id)
	switch {
	case err != nil:
		return p, err
	case !ok:
		return p, refuse("%s参保人标识 patn_id“%s”不存在，应为 1101 取得的人员编号", in.place(), clip(id, 30))
	case in.text("patn_name") != p.Name:
		return p, refuse("%s姓名 patn_name“%s”与人员编号 %s 登记的不符", in.place(), clip(in.text("patn_name"), 20), id)
	}
	if in.text("gend") != sexCode(p.Female) {
		r.warnings = append(r.warnings, in.place()+"性别 gend 与登记不符，按登记的处理")
	}
	if day(in.text("brdy")) != p.Birth {
		r.warnings = append(r.warnings, in.place()+"出生日期 brdy 与登记不符，按登记的处理")
	}
	return p, sameRegion(r, p)
}

// encounterKinds are the kinds of care by 就诊类型 (med_mdtrt_type), where
// 医疗类别 names none that has a benefit.
var encounterKinds = map[string]policy.VisitKind{"1": policy.Outpatient, "2": policy.Inpatient, "3": policy.PharmacyVisit, "4": policy.Outpatient}

// encounter reads a visit (就诊信息) with its orders.
func encounter(in *record) (supervision.Visit, error) {
	kind, ok := visitKinds[in.text("med_type")]
	if !ok {
		kind = encounterKinds[in.text("med_mdtrt_type")]
	}
	v := supervision.Visit{ID: in.text("mdtrt_id"), Provider: in.text("medins_id"), Kind: kind, Diagnosis: in.text("dscg_main_dise_codg")}
	var err error
	if v.From, v.To, err = span(in, "adm_date", "dscg_date"); err != nil {
		return v, err
	}
	v.Diagnoses = []string{v.Diagnosis}
	for i := range in.rows["fsi_diagnose_dtos"] {
		v.Diagnoses = append(v.Diagnoses, in.rows["fsi_diagnose_dtos"][i].text("dise_codg"))
	}
	for i := range in.rows["fsi_order_dtos"] {
		o, err := order(&in.rows["fsi_order_dtos"][i])
		if err != nil {
			return v, err
		}
		v.Orders = append(v.Orders, o)
	}
	return v, nil
}

// span is the first and the last day of a row, the last 0 for none.
func span(in *record, first, last string) (from, to civil.Date, err error) {
	from, to = day(in.text(first)), day(in.text(last))
	if to != 0 && to < from {
		err = refuse("%s“%s”早于%s“%s”", in.node.Fields[in.node.byName[last]].at(in), in.text(last), in.node.Fields[in.node.byName[first]].Title, in.text(first))
	}
	return from, to, err
}

// order reads one row of a prescription or of doctor's orders (处方).
func order(in *record) (o supervision.Order, err error) {
	o = supervision.Order{
		ID: in.text("rx_id"), Item: in.text("hilist_code"), Name: in.text("hilist_name"),
		Quantity: catalogue.Quantity(scaled(in.text("cnt"), 4)),
	}
	if o.Current, err = yes(in, "curr_drord_flag", true); err != nil {
		return o, err
	}
	if o.From, o.To, err = span(in, "drord_begn_date", "drord_stop_date"); err != nil {
		return o, err
	}
	if o.Amount, err = in.amount("sumamt"); err != nil {
		return o, err
	}
	o.Reference, err = in.amount("hilist_pric")
	return o, err
}

// Codes of what rules find.
var (
	severities   = map[supervision.Severity]string{supervision.Certain: "1", supervision.Likely: "2", supervision.Slight: "3"}
	findingKinds = map[supervision.Kind]string{supervision.VisitKind: "1", supervision.ItemKind: "2"}
)

// tell adds a finding to the answer. The dictionaries have no codes for
// 违规明细类型 (vola_item_type): it is that of the finding, 违规行为分类. The
// other visit that it is about is not the provider's to know.
func tell(a *answer, person string, f *supervision.Finding) {
	details := make([]*line, len(f.Details))
	for i, d := range f.Details {
		l := a.add("judge_result_detail_dtos")
		l.set("jrd_id", f.DetailID(i))
		l.set("patn_id", person)
		l.set("mdtrt_id", f.Visit)
		l.set("rx_id", d.Order)
		l.set("vola_item_type", findingKinds[f.Kind])
		l.money("vola_amt", d.Amount)
		details[i] = l
	}
	out := a.add("result")
	out.set("jr_id", f.ID)
	out.set("rule_id", f.Rule)
	out.set("rule_name", f.Title)
	out.set("vola_cont", f.Text)
	out.set("patn_id", person)
	out.set("mdtrt_id", f.Visit)
	out.hold("judge_result_detail_dtos", details)
	out.money("vola_amt", f.Amount)
	out.set("vola_amt_stas", yesNo(f.Computed))
	out.set("sev_deg", severities[f.Severity])
	out.set("vola_evid", f.Basis.String())
	out.set("vola_bhvr_type", findingKinds[f.Kind])
	out.set("task_id", f.Task)
}

// respond is 3103: what a doctor did about findings (事前事中反馈).
func (s *Server) respond(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("data")
	phase, ok := map[string]supervision.Phase{"1": supervision.Before, "2": supervision.During}[in.text("warn_type")]
	if !ok {
		return refuse("反馈类型 warn_type“%s”：应为 1 事前、2 事中", clip(in.text("warn_type"), 10))
	}
	rows := in.rows["warns"]
	if len(rows) == 0 {
		return refuse("缺少 data.warns（处理数据集合）")
	}
	first := map[string]int{}
	for i := range rows {
		w := &rows[i]
		id, reason := w.text("warn_rslt_id"), strings.TrimSpace(w.text("dspo_way_rea"))
		if id == "" {
			return refuse("缺少 %swarn_rslt_id（违规标识）", w.place())
		}
		if n, twice := first[id]; twice {
			return refuse("%swarn_rslt_id“%s”与第 %d 行相同", w.place(), clip(id, 40), n)
		}
		first[id] = w.row
		does, ok := map[string]supervision.Answer{"1": supervision.Continued, "2": supervision.Changed}[w.text("dspo_way")]
		if !ok {
			return refuse("%s处理方式 dspo_way“%s”：应为 1 继续执行、2 返回修改", w.place(), clip(w.text("dspo_way"), 10))
		}
		if does == supervision.Continued && reason == "" {
			r.warnings = append(r.warnings, w.place()+"继续执行，未说明处理原因 dspo_way_rea")
		}
		if err := s.supervision.Respond(ctx, tx, supervision.RespondRequest{
			Finding: id, Phase: phase, Provider: r.provider, Answer: does, Reason: reason, Actor: r.actor(),
		}); err != nil {
			return spellCheck(err)
		}
	}
	return nil
}

// checkFields are the interface's names for the fields that the supervision
// room's errors speak of.
var checkFields = map[string]string{
	"rule": "规则标识集合 rule_ids", "visit": "当前就诊标识 curr_mdtrt_id", "finding": "违规标识 warn_rslt_id",
	"phase": "反馈类型 warn_type", "reason": "处理原因 dspo_way_rea",
}

// spellCheck turns a refusal of the supervision room into one in the
// interface's words. Other errors stay what they are.
func spellCheck(err error) error {
	var e *supervision.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Value == "" {
		return refuse("%s：%s", checkFields[e.Field], e.Want)
	}
	return refuse("%s“%s”：%s", checkFields[e.Field], clip(e.Value, 40), e.Want)
}
