package his

import (
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
	}
	results, err := s.Settlement.AddFees(ctx, tx, v.ID, r.provider, fees, r.actor())
	if err != nil {
		return spell(err)
	}
	for i := range results {
		feeResult(a.add("result"), &rows[i], &results[i])
		if w := results[i].Warning; w != "" {
			r.warnings = append(r.warnings, "feedetail 第 "+strconv.Itoa(i+1)+" 行"+w)
		}
	}
	return nil
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
func feeResult(out *line, in *record, f *settlement.FeeResult) {
	for _, name := range []string{"feedetl_sn", "det_item_fee_sumamt", "cnt", "pric"} {
		out.set(name, in.text(name))
	}
	describeSplit(out, f.Catalogue.Class, f.FirstPay, f.Catalogue.UnitCeiling, f.Split)
	out.set("med_chrgitm_type", f.Catalogue.Charge)
	out.set("lmt_used_flag", notRestricted)
	out.set("memo", f.Warning)
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
