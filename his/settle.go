package his

import (
	"context"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// preview is 2206 and 2303: what settling would give (预结算).
func (s *Server) preview(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	return s.decide(ctx, tx, r, a, s.Settlement.Preview)
}

// settle is 2207 and 2304: a settlement (结算).
func (s *Server) settle(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	return s.decide(ctx, tx, r, a, s.Settlement.Settle)
}

type decider func(context.Context, *db.Tx, settlement.SettleRequest) (*settlement.Settlement, error)

func (s *Server) decide(ctx context.Context, tx *db.Tx, r *request, a *answer, by decider) error {
	in := r.one("data")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	v, err := s.visit(ctx, tx, r, in)
	if err != nil {
		return err
	}
	if err := s.sameVisit(in, v); err != nil {
		return err
	}
	if cause(in.text("exp_content")) == policy.ThirdParty && v.Cause == policy.Illness {
		return refuse("exp_content 的 REL_TTP_FLAG（涉及第三方）与就诊登记的不一致，请先以 2203 或 2403 更正")
	}
	total, err := in.amount("medfee_sumamt")
	if err != nil {
		return err
	}
	st, err := by(ctx, tx, settlement.SettleRequest{
		Visit: v.ID, Person: p.ID, Provider: r.provider, Batch: in.optional("chrg_bchno"), Total: total,
		UseAccount: accountUse(in.text("acct_used_flag")), Discharged: discharged(in), Invoice: in.optional("invono"),
		MidStay: in.optional("mid_setl_flag") == "1", Actor: r.actor(),
	})
	if err != nil {
		return spell(err)
	}
	if err := sameAmounts(in, &st.Result); err != nil {
		return err
	}
	r.subject = st.ID
	r.sameType(in, personType(st.Case.Scheme, st.Case.Retired, st.Case.Date.Age(p.Birth)))
	if in.text("psn_setlway") != byItem {
		r.warnings = append(r.warnings, "个人结算方式 psn_setlway 按 01 按项目结算处理")
	}
	s.settlementInfo(a.add("setlinfo"), r, in, st)
	settlementDetail(a, st)
	return nil
}

// byItem is 个人结算方式 (psn_setlway): the one way people are settled with.
const byItem = "01"

// accountUse is 个人账户使用标志 (acct_used_flag). A preview of a stay may
// leave it out; then the own account is asked, as a settlement mostly does.
func accountUse(flag string) settlement.AccountUse {
	switch flag {
	case "0":
		return settlement.NoAccount
	case "2":
		return settlement.FamilyAccount
	}
	return settlement.OwnAccount
}

func discharged(in *record) civil.Date {
	return day(in.optional("dscgTime"))
}

// sameVisit refuses a request that calls the visit something else than it was
// registered as.
func (s *Server) sameVisit(in *record, v settlement.Visit) error {
	sch, err := scheme(in.text("insutype"))
	if err != nil {
		return err
	}
	if sch != v.Scheme {
		return refuse("险种类型 insutype“%s”与就诊登记的 %s 不一致", in.text("insutype"), insutype(v.Scheme))
	}
	if stays(v.Kind) != isStay(in) {
		if stays(v.Kind) {
			return refuse("就诊 mdtrt_id“%s”是住院，应以 2303、2304 结算", v.ID)
		}
		return refuse("就诊 mdtrt_id“%s”不是住院，应以 2206、2207 结算", v.ID)
	}
	return s.sameKind(in, v, "2203")
}

// sameKind refuses a row that states another kind of care than its visit has,
// which is to be corrected by the transaction named.
func (s *Server) sameKind(in *record, v settlement.Visit, correction string) error {
	medType := in.optional("med_type")
	if medType == "" {
		return nil
	}
	kind, err := s.visitKind(medType)
	if err != nil {
		return err
	}
	if kind != v.Kind && !(recognisedLater(kind) && recognisedLater(v.Kind)) {
		return refuse("医疗类别 med_type“%s”与就诊登记的类别“%s”不一致，一次就诊只能有一个医疗类别，请先以 %s 更正", medType, v.Kind.Title(), correction)
	}
	return nil
}

// isStay reports whether a settlement's row is of the transactions for stays.
func isStay(in *record) bool {
	_, ok := in.node.byName["mid_setl_flag"]
	return ok
}

// recognisedLater tells the kinds that the recognition of the disease decides.
func recognisedLater(k policy.VisitKind) bool { return k == policy.Chronic || k == policy.Special }

// sameAmounts refuses a request that states another division of the total than
// ours. Four zeros state nothing.
func sameAmounts(in *record, r *policy.Result) error {
	ours := [...]struct {
		name string
		fen  money.Fen
	}{
		{"fulamt_ownpay_amt", r.FullOwnPay}, {"overlmt_selfpay", r.OverCeiling},
		{"preselfpay_amt", r.FirstOwnPay}, {"inscp_scp_amt", r.InScope},
	}
	var wrong error
	stated := false
	for _, o := range ours {
		if in.optional(o.name) == "" {
			continue
		}
		theirs, err := in.amount(o.name)
		if err != nil {
			return err
		}
		stated = stated || theirs != 0
		if theirs != o.fen && wrong == nil {
			f := in.node.Fields[in.node.byName[o.name]]
			wrong = refuse("%s：请求为 %s，本平台计算为 %s，请先预结算核对", f.at(in), theirs, o.fen)
		}
	}
	if !stated {
		return nil
	}
	return wrong
}

// settlementInfo spells a settlement as the reply to the request that made it
// (结算信息).
func (s *Server) settlementInfo(out *line, r *request, in *record, st *settlement.Settlement) {
	describeSettlement(out, st)
	out.offer("mdtrt_cert_type", in.optional("mdtrt_cert_type"))
	out.offer("med_type", medicalType(in, st.Visit))
	out.set("medins_setl_id", r.msgid)
	if st.Note != "" {
		r.warnings = append(r.warnings, st.Note)
	}
	if reason := st.Result.Reason; reason != "" && st.Reverses == "" {
		r.warnings = append(r.warnings, reason)
	}
}

// describeSettlement spells what is known of a settlement, as far as the node
// has fields for it.
func describeSettlement(out *line, st *settlement.Settlement) {
	res, c := &st.Result, &st.Case
	out.set("mdtrt_id", st.Visit.ID)
	out.offer("setl_id", st.ID)
	out.offer("psn_no", st.Person.ID)
	describePerson(out, st.Person, c.Date)
	out.offer("insutype", insutype(c.Scheme))
	out.offer("psn_type", personType(c.Scheme, c.Retired, c.Date.Age(st.Person.Birth)))
	out.offer("cvlserv_flag", notCivilServant)
	out.set("setl_time", st.At.In(zone).Format(clockLayout))
	out.offer("invono", st.Invoice)

	// The names differ from transaction to transaction.
	for _, f := range []struct {
		name string
		fen  money.Fen
	}{
		{"medfee_sumamt", res.Total}, {"fulamt_ownpay_amt", res.FullOwnPay}, {"overlmt_selfpay", res.OverCeiling},
		{"preselfpay_amt", res.FirstOwnPay}, {"inscp_scp_amt", res.InScope},
		{"act_pay_dedc", res.Deductible}, {"crt_dedc", res.Deductible},
		{"hifp_pay", res.Fund[policy.Basic]}, {"cvlserv_pay", res.Fund[policy.CivilServant]}, {"hifes_pay", res.Fund[policy.Enterprise]},
		{"hifmi_pay", res.Fund[policy.Catastrophic]}, {"hifob_pay", res.Fund[policy.LargeAmount]}, {"maf_pay", res.Fund[policy.Assistance]},
		{"oth_pay", res.Fund[policy.Other]}, {"hifdm_pay", 0}, {"pref_fund_pay", 0}, {"fund_pay_sumamt", res.FundTotal},
		{"psn_part_amt", res.Person}, {"psn_pay", res.Person}, {"acct_pay", res.Account}, {"acct_mulaid_pay", res.FamilyAccount},
		{"psn_cash_pay", res.Cash}, {"pdn_cash_pay", res.Cash}, {"cash_payamt", res.Cash},
		{"hosp_part_amt", res.Hospital}, {"balc", st.Balance},
	} {
		out.offer(f.name, f.fen.String())
	}
	out.set("pool_prop_selfpay", ratio(res.Ratio))
	out.set("clr_optins", st.Provider.Region)
	out.offer("clr_way", clearingWay)
	out.offer("clr_type", clearingTypes[c.Visit])
	admitted := c.Admitted
	if admitted == 0 {
		admitted = c.Date
	}
	out.offer("begndate", admitted.String())
	out.offer("enddate", c.Date.String())
	out.offer("insu_admdvs", st.Person.Region)
	out.offer("insu_optins", st.Person.Region)
}

// medicalType is the kind of care as the request wrote it, or as the visit was
// opened: requests about stays do not say it.
func medicalType(in *record, v settlement.Visit) string {
	if t := in.optional("med_type"); t != "" {
		return t
	}
	return v.Code
}

// noLimit is 本次可支付限额金额 (crt_payb_lmt_amt) of a stage without limit.
const noLimit money.Fen = 99_999_999_999

// share is what one fund or account pays of a settlement, by the code of
// 基金支付类型.
type share struct {
	code, name        string
	base, limit, paid money.Fen
	info              []string
}

// shares are what funds, accounts and hospital pay; each code stands once.
func shares(st *settlement.Settlement) (all []share) {
	add := func(s share) {
		for i := range all {
			if all[i].code == s.code {
				all[i].paid += s.paid
				all[i].info = append(all[i].info, s.info...)
				return
			}
		}
		all = append(all, s)
	}
	res := &st.Result
	for _, sp := range res.Stages() {
		if sp.Fund != nil {
			add(share{sp.Fund.Code, sp.Fund.Title, sp.Base, sp.Payable, sp.Paid, stepsOf(st.Steps, sp.Stage.ID)})
		}
	}
	account := accountSteps(st.Steps)
	if own := res.Account - res.FamilyAccount; own != 0 {
		add(share{ownAccountFund, "职工基本医疗保险个人账户基金", res.Person, st.Case.Account, own, account})
	}
	if res.FamilyAccount != 0 {
		add(share{familyAccountFund, "职工基本医疗保险个人账户基金（共济）", res.Person, st.Case.FamilyAccount, res.FamilyAccount, account})
	}
	if res.Hospital != 0 {
		add(share{hospitalFund, "医院垫付", res.Total, res.Hospital, res.Hospital, []string{"医院负担 " + res.Hospital.String() + " 元"}})
	}
	return all
}

// settlementDetail spells what each fund and account pays (结算基金分项信息).
// The rows sum to what funds, accounts and hospital pay.
func settlementDetail(a *answer, st *settlement.Settlement) {
	for _, s := range shares(st) {
		row := a.add("setldetail")
		row.set("fund_pay_type", s.code)
		row.set("fund_pay_type_name", s.name)
		row.money("inscp_scp_amt", s.base)
		row.money("crt_payb_lmt_amt", min(s.limit, noLimit))
		row.money("fund_payamt", s.paid)
		row.set("setl_proc_info", clip(strings.Join(s.info, "；"), 3999))
		if st.Reverses != "" {
			row.set("setl_proc_info", st.Note)
		}
	}
}

// stepsOf are the words of the steps of one stage.
func stepsOf(steps []policy.Step, stage string) []string {
	return words(steps, func(s *policy.Step) bool { return s.Stage == stage })
}

func accountSteps(steps []policy.Step) []string {
	return words(steps, func(s *policy.Step) bool { return s.Kind == policy.StepAccount })
}

// words are those of the steps that are wanted; a title is said once.
func words(steps []policy.Step, wanted func(*policy.Step) bool) []string {
	var out []string
	title := ""
	for i := range steps {
		s := &steps[i]
		if !wanted(s) {
			continue
		}
		what := s.What
		// What a stage pays in all names the stage itself.
		if s.Kind != policy.StepPay && s.Title != title && s.Title != "" {
			what = s.Title + "：" + what
		}
		title = s.Title
		out = append(out, what)
	}
	return out
}
