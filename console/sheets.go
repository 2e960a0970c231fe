package console

import (
	"context"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/tipoff"
	"github.com/anji-platform/anji/web"
)

// sheetRoutes are lists as Excel files that have no room of their own.
func (h *handler) sheetRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /console/audit.xlsx", For: []signin.Role{signin.Inspector, signin.Admin}, Do: h.recordSheet},
		{Pattern: "GET /console/operators.xlsx", For: []signin.Role{signin.Admin}, Do: h.operatorsSheet},
		{Pattern: "GET /console/tipoffs.xlsx", For: tipoffSee, Do: h.tipoffsSheet},
		{Pattern: "GET /console/payouts.xlsx", For: moneySeen, Do: h.payoutsSheet},
		{Pattern: "GET /console/payouts/{batch}/sheet.xlsx", For: moneySeen, Do: h.payoutSheet},
	}
}

func (h *handler) recordSheet(v *web.Visit) error {
	who := chainOf(v)
	t := sheet.Table{Title: "审计记录 " + who, Head: []string{"序号", "时间", "操作", "代码", "对象", "细节"}}
	var all []audit.Entry
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = audit.List(ctx, tx, who, 0, perSheet)
		return err
	}); err != nil {
		return err
	}
	for _, e := range all {
		t.Rows = append(t.Rows, []any{e.Seq, v.Time(e.At), action(e.Action), e.Action, e.Subject, e.Details})
	}
	return h.sheet(v, t)
}

func (h *handler) operatorsSheet(v *web.Visit) error {
	t := sheet.Table{Title: "操作员", Head: []string{"用户名", "姓名", "角色", "统筹区", "单位或机构", "状态"}}
	var all []signin.Operator
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = signin.Operators(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	for _, o := range all {
		state := "在用"
		if o.Stopped {
			state = "停用"
		}
		t.Rows = append(t.Rows, []any{o.Name, o.Title, o.Works(), o.Region, o.Of, state})
	}
	return h.sheet(v, t)
}

func (h *handler) tipoffsSheet(v *web.Visit) error {
	q := v.URL.Query()
	f := tipoff.Filter{Region: v.Operator().Region, State: tipoff.State(q.Get("state")), Limit: perSheet}
	if q.Get("late") == "1" {
		f.LateOn, f.State = h.Today(), ""
	}
	t := sheet.Table{Title: "举报", Head: []string{"编号", "行为", "举报谁", "类别", "渠道", "举报人", "办理期限", "状态"}}
	var all []*tipoff.TipOff
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = h.TipOffs.Queue(ctx, tx, f)
		return err
	}); err != nil {
		return err
	}
	for _, x := range all {
		told := "留名"
		if x.Anonymous {
			told = "匿名"
		}
		t.Rows = append(t.Rows, []any{x.ID, x.Kind(), x.Subject, x.About.Title(), x.Channel.Title(), told, x.Due, x.State.Title()})
	}
	return h.sheet(v, t)
}

func (h *handler) payoutsSheet(v *web.Visit) error {
	t := sheet.Table{Title: "报销款支付批次", Head: []string{"批次号", "制单", "制单时间", "审批", "笔数", "金额（元）", "失败", "状态"}}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		all, err := h.Claims.Batches(ctx, tx, v.Operator().Region, 5000)
		for _, b := range all {
			if err := people(ctx, tx, b); err != nil {
				return err
			}
			t.Rows = append(t.Rows, []any{b.ID, b.MadeBy, v.Time(b.MadeAt), b.ReleasedBy, len(b.Rows), b.Total, b.Failed, b.Title()})
		}
		return err
	}); err != nil {
		return err
	}
	return h.sheet(v, t)
}

// payoutSheet lists a batch, accounts by their last digits only: the file with
// whole ones is for the bank.
func (h *handler) payoutSheet(v *web.Visit) error {
	b, err := h.findBatch(v)
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "支付批次 " + b.ID, Head: []string{"序号", "申请", "户名", "开户行", "账号", "金额（元）", "结果", "原因"}}
	for _, p := range b.Rows {
		t.Rows = append(t.Rows, []any{p.N, p.Claim, web.MaskName(p.Bank.Holder), p.Bank.Name, "尾号 " + p.Bank.Account[max(0, len(p.Bank.Account)-4):], p.Amount, p.Title(), p.Reason})
	}
	return h.sheet(v, t)
}
