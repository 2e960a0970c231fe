package his

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// addFees is 2204 and 2301: fee lines of a visit (费用明细上传). All rows are
// of one visit; all are taken or none.
func (s *Server) addFees(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	rows := r.input["feedetail"]
	if len(rows) == 0 {
		return refuse("feedetail 没有费用明细")
	}
	v, err := s.visit(ctx, tx, r, &rows[0])
	if err != nil {
		return err
	}
	fees := make([]settlement.Fee, len(rows))
	for i := range rows {
		in := &rows[i]
		if err := sameAsFirst(rows, i); err != nil {
			return err
		}
		if fees[i], err = fee(in); err != nil {
			return err
		}
		fees[i].Detail = r.feeDetail(in)
		if err := s.sameKind(in, v, "2403"); err != nil {
			return err
		}
	}
	if err := oneDiseasePerBatch(rows); err != nil {
		return err
	}
	results, err := s.Settlement.AddFees(ctx, tx, v.ID, r.provider, fees, r.actor())
	if err != nil {
		return spell(err)
	}
	for i := range results {
		if err := feeResult(a.add("result"), &rows[i], &results[i]); err != nil {
			return err
		}
		if w := results[i].Warning; w != "" {
			r.warnings = append(r.warnings, "feedetail 第 "+strconv.Itoa(i+1)+" 行"+w)
		}
	}
	return nil
}

// oneDiseasePerBatch refuses a batch of fees for two diseases (同批次病种编码一致).
func oneDiseasePerBatch(rows []record) error {
	first := map[string]string{}
	for i := range rows {
		disease, batch := rows[i].optional("dise_codg"), rows[i].optional("chrg_bchno")
		if of, ok := first[batch]; ok && of != disease {
			return refuse("%sdise_codg“%s”与同一收费批次 chrg_bchno“%s”前面明细的“%s”不一致", rows[i].place(), clip(disease, 30), clip(batch, 30), clip(of, 30))
		}
		first[batch] = disease
	}
	return nil
}

// feeDetail is what a row says of a fee beyond what decides its payment.
func (r *request) feeDetail(in *record) settlement.FeeDetail {
	return settlement.FeeDetail{
		Order:   cmp.Or(in.optional("rxno"), in.optional("drord_no")),
		Outside: in.optional("rx_circ_flag"), Disease: in.optional("dise_codg"),
		Dose: in.optional("sin_dos_dscr"), Frequency: in.optional("used_frqu_dscr"), Days: in.optional("prd_days"), Route: in.optional("medc_way_dscr"),
		DepartmentCode: in.text("bilg_dept_codg"), DoctorCode: in.text("bilg_dr_codg"),
		Performer: settlement.Performer{
			DepartmentCode: in.text("acord_dept_codg"), Department: in.text("acord_dept_name"),
			DoctorCode: in.text("orders_dr_code"), Doctor: in.text("orders_dr_name"),
		},
		Approval: in.text("hosp_appr_flag"), HerbalUse: in.text("tcmdrug_used_way"),
		Referred: in.text("etip_flag"), ReferredTo: in.text("etip_hosp_code"),
		TakeHome: in.text("dscg_tkdrug_flag"), Maternity: in.text("matn_fee_flag"),
		OrderSet: in.text("comb_no"), Note: in.text("memo"), Extension: in.text("exp_content"),
		Operator: r.operator, OperatorName: r.operatorName, Recorded: r.received,
	}
}

// describeDetail gives back what was said of a fee when it was uploaded, as far
// as the node has fields for it.
func describeDetail(out *line, d *settlement.FeeDetail) {
	for _, f := range [...]struct{ name, text string }{
		{"rx_drord_no", d.Order}, {"sin_dos_dscr", d.Dose}, {"used_frqu_dscr", d.Frequency}, {"prd_days", d.Days}, {"medc_way_dscr", d.Route},
		{"bilg_dept_codg", d.DepartmentCode}, {"bilg_dr_codg", d.DoctorCode},
		{"acord_dept_codg", d.Performer.DepartmentCode}, {"acord_dept_name", d.Performer.Department},
		{"orders_dr_code", d.Performer.DoctorCode}, {"orders_dr_name", d.Performer.Doctor},
		{"hosp_appr_flag", d.Approval}, {"tcmdrug_used_way", d.HerbalUse}, {"etip_flag", d.Referred}, {"etip_hosp_code", d.ReferredTo},
		{"dscg_tkdrug_flag", d.TakeHome}, {"matn_fee_flag", d.Maternity}, {"memo", clip(d.Note, 499)},
		{"opter_id", clip(d.Operator, 19)}, {"opter_name", clip(d.OperatorName, 49)},
	} {
		out.offer(f.name, f.text)
	}
	if !d.Recorded.IsZero() {
		out.offer("opt_time", d.Recorded.In(zone).Format(clockLayout))
	}
}

// describeEntry says of an item what its list says, as far as the node has
// fields for it. An item that is not in the catalogue has none of it.
func describeEntry(out *line, it *catalogue.Item) error {
	c, err := it.Attributes()
	if err != nil {
		return err
	}
	own := ""
	if it.List != "" {
		own = yesNo(it.List == catalogue.Preparations)
	}
	for _, f := range [...]struct{ name, text string }{
		{"bas_medn_flag", flagText(c.Essential)}, {"hi_nego_drug_flag", flagText(c.Negotiated)}, {"chld_medc_flag", flagText(c.Paediatric)},
		{"prodname", clip(c.Brand, 199)}, {"spec", clip(c.Specification, 199)}, {"dosform_name", clip(c.Form, 199)},
		{"prodplac_type", clip(c.Origin, 5)}, {"hosp_prep_flag", own},
	} {
		if f.text != "" {
			out.offer(f.name, f.text)
		}
	}
	return nil
}

// flagText is what a list says of yes or no, "" if it says neither.
func flagText(text string) string {
	switch text {
	case "1", "是":
		return "1"
	case "0", "否":
		return "0"
	}
	return ""
}

// notApproved is 医院审批标志 (hosp_appr_flag): the hospital refused the item,
// so the person pays it whole.
const notApproved = "2"

func fee(in *record) (settlement.Fee, error) {
	amount, err := in.amount("det_item_fee_sumamt")
	return settlement.Fee{
		Serial:       in.text("feedetl_sn"),
		Batch:        in.optional("chrg_bchno"),
		Original:     in.optional("init_feedetl_sn"),
		Item:         in.text("med_list_codg"),
		ProviderItem: in.text("medins_list_codg"),
		Time:         moment(in.text("fee_ocur_time")),
		Quantity:     catalogue.Quantity(scaled(in.text("cnt"), 4)),
		Price:        scaled(in.text("pric"), 6),
		Amount:       amount,
		OwnPay:       in.text("hosp_appr_flag") == notApproved,
		Department:   in.text("bilg_dept_name"),
		Doctor:       in.text("bilg_dr_name"),
	}, err
}

// feeResult says how a line divides.
func feeResult(out *line, in *record, f *settlement.FeeResult) error {
	for _, name := range []string{"feedetl_sn", "det_item_fee_sumamt", "cnt", "pric"} {
		out.set(name, in.text(name))
	}
	describeSplit(out, f.Catalogue.Class, f.FirstPay, f.Catalogue.UnitCeiling, f.Split)
	out.set("med_chrgitm_type", f.Catalogue.Charge)
	out.set("lmt_used_flag", notRestricted)
	out.set("memo", f.Warning)
	return describeEntry(out, &f.Catalogue)
}

// describeSplit says of a fee line how its class, first own pay and ceiling
// divide it.
func describeSplit(out *line, class policy.LineClass, firstPay money.Rate, ceiling money.Fen, split policy.LineSplit) {
	out.set("pric_uplmt_amt", noCeilingPrice)
	if ceiling >= 0 {
		out.money("pric_uplmt_amt", ceiling)
	}
	switch class {
	case policy.ClassA:
		out.set("selfpay_prop", "0")
	case policy.ClassB:
		out.set("selfpay_prop", ratio(max(0, firstPay)))
	case policy.ClassC:
		out.set("selfpay_prop", "1")
	}
	out.money("fulamt_ownpay_amt", split.FullOwnPay)
	out.money("overlmt_amt", split.OverCeiling)
	out.money("preselfpay_amt", split.FirstOwnPay)
	out.money("inscp_scp_amt", split.InScope)
	out.set("chrgitm_lv", itemLevels[class])
}

// notRestricted is 限制使用标志 (lmt_used_flag): the catalogue keeps no
// restrictions on use.
const notRestricted = "0"

// amount reads a checked amount; an empty one is zero.
func (r *record) amount(name string) (money.Fen, error) {
	s := r.text(name)
	if s == "" {
		return 0, nil
	}
	a, err := money.Parse(s)
	if err != nil {
		return 0, refuse("%s“%s”：金额不能超过 %s 元", r.node.Fields[r.node.byName[name]].at(r), clip(s, 24), money.Max)
	}
	return a, nil
}

// scaled reads a checked number of at most places decimals as a whole number
// of its smallest unit.
func scaled(s string, places int) int64 {
	whole, frac, _ := strings.Cut(s, ".")
	frac += strings.Repeat("0", places-len(frac))
	n, err := strconv.ParseInt(whole+frac, 10, 64)
	if err != nil {
		panic("his: number " + s + " was not checked")
	}
	return n
}

// ratio writes a rate with the four decimals of the interface, rounded half up.
func ratio(r money.Rate) string {
	const unit = money.One / 10_000
	return ((r + unit/2) / unit * unit).String()
}
