package console

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/statement"
	"github.com/anji-platform/anji/web"
)

// Reconciliation and clearing (对账清算): what providers are owed for a month, what
// they reconciled and applied for, approving and paying, and claims between regions.

func (h *handler) clearingRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /console/clearing", For: moneySeen, Do: h.clearing},
		{Pattern: "GET /console/clearing.xlsx", For: moneySeen, Do: h.clearingSheet},
		{Pattern: "GET /console/clearing/regions", For: moneySeen, Do: h.owed},
		{Pattern: "GET /console/clearing/regions.xlsx", For: moneySeen, Do: h.owedSheet},
		{Pattern: "GET /console/clearing/providers/{provider}", For: moneySeen, Do: h.providerMonth},
		{Pattern: "GET /console/clearing/providers/{provider}/sheet.xlsx", For: moneySeen, Do: h.providerSheet},
		{Pattern: "GET /console/clearing/providers/{provider}/sheet.pdf", For: moneySeen, Do: h.providerStatement},
		{Pattern: "GET /console/clearing/applications/{clearing}", For: moneySeen, Do: h.clearingApplication},
		{Pattern: "POST /console/clearing/applications/{clearing}/approve", For: moneyActs, Do: h.approveClearing, Again: h.clearingApplication},
		{Pattern: "POST /console/clearing/applications/{clearing}/pay", For: moneyActs, Do: h.payClearing, Again: h.clearingApplication},
		{Pattern: "POST /console/clearing/applications/{clearing}/return", For: moneyActs, Do: h.returnClearing, Again: h.clearingApplication},
	}
}

// monthsBack is how many months the choice of a month goes back.
const monthsBack = 36

// clearingMonth is the month that is asked for; without, the last that is over.
func (h *handler) clearingMonth(v *web.Visit) (clearing.Month, error) {
	today := h.Today()
	s := v.Value("month")
	if s == "" {
		return clearing.MonthOf(today.AddDays(1 - today.Day()).AddDays(-1)), nil
	}
	m, err := clearing.ParseMonth(s)
	if err != nil || m > clearing.MonthOf(today) {
		return 0, &web.Fault{Field: "month", Want: "「" + s + "」：应为不晚于本月的月份，如 2025-06"}
	}
	return m, nil
}

type providerRow struct {
	clearing.ProviderSums
	Applied    []clearing.Application // that are not withdrawn
	Reconciled *clearing.Reconciled   // the latest
}

type clearingData struct {
	Region       string
	RegionName   string
	Regions      []string
	Month        clearing.Month
	MonthChoices []clearing.Month
	Rows         []providerRow
	Total        clearing.Totals
	Waiting      []clearing.Application
	Names        map[string]string // of providers
	Query        string
	Next, Back   string
}

func (h *handler) clearingData(v *web.Visit) (*clearingData, error) {
	d := &clearingData{Names: map[string]string{}}
	var err error
	if d.Month, err = h.clearingMonth(v); err != nil {
		return nil, err
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Region, d.Regions, err = h.region(ctx, tx, v); err != nil {
			return err
		}
		if d.MonthChoices, err = clearing.Months(ctx, tx, d.Region, h.Today(), monthsBack); err != nil {
			return err
		}
		if !slices.Contains(d.MonthChoices, d.Month) {
			d.MonthChoices = append(d.MonthChoices, d.Month)
		}
		sums, err := clearing.ByProvider(ctx, tx, d.Region, d.Month.Period())
		if err != nil {
			return err
		}
		applied, err := clearing.Applications(ctx, tx, d.Month, "")
		if err != nil {
			return err
		}
		reconciled, err := clearing.Reconciliations(ctx, tx, d.Region, "", d.Month.Period(), 1000)
		if err != nil {
			return err
		}
		for _, s := range sums {
			r := providerRow{ProviderSums: s}
			for _, a := range applied {
				if a.Provider == s.Code && a.State != clearing.Withdrawn {
					r.Applied = append(r.Applied, a)
				}
			}
			if i := slices.IndexFunc(reconciled, func(x clearing.Reconciled) bool { return x.Provider == s.Code }); i >= 0 {
				r.Reconciled = &reconciled[i]
			}
			d.Rows = append(d.Rows, r)
			d.Total.Add(s.Totals)
		}
		if d.Waiting, err = clearing.Waiting(ctx, tx, d.Region); err != nil {
			return err
		}
		for _, a := range d.Waiting {
			p, _, err := provider.Get(ctx, tx, a.Provider)
			if err != nil {
				return err
			}
			d.Names[a.Provider] = p.Name
		}
		return nil
	})
	d.RegionName = h.regionName(d.Region)
	q := url.Values{"month": {d.Month.String()}}
	if d.Regions != nil {
		q.Set("region", d.Region)
	}
	d.Query = q.Encode()
	return d, err
}

func (h *handler) clearing(v *web.Visit) error {
	d, err := h.clearingData(v)
	if err != nil {
		return err
	}
	page := pageOf(v)
	from := min((page-1)*perPage, len(d.Rows))
	to := min(from+perPage, len(d.Rows))
	if to < len(d.Rows) {
		d.Next = turned(v, page+1)
	}
	if page > 1 {
		d.Back = turned(v, page-1)
	}
	d.Rows = d.Rows[from:to]
	return v.Show("clearing.html", "对账清算", d)
}

func (h *handler) clearingSheet(v *web.Visit) error {
	d, err := h.clearingData(v)
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "机构月度费用 " + d.RegionName + " " + d.Month.String(), Head: []string{"编号", "机构", "级别", "笔数", "人次", "总费用（元）", "基金（元）", "个人账户（元）", "现金（元）", "机构负担（元）", "应付（元）", "清算", "对账"}}
	for _, r := range d.Rows {
		t.Rows = append(t.Rows, []any{r.Code, r.Name, r.Level.Title(), r.Count, r.Visits, r.Total, r.Fund, r.Account, r.Cash, r.Hospital, r.Due(), r.Stands(), r.Agrees()})
	}
	return h.sheet(v, t)
}

// Stands says how far the clearing of a provider's month is.
func (r providerRow) Stands() string {
	if len(r.Applied) == 0 {
		return "未申报"
	}
	var all []string
	for _, a := range r.Applied {
		if t := a.State.Title(); !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return strings.Join(all, "、")
}

// Done reports whether all that is applied for is paid.
func (r providerRow) Done() bool {
	return len(r.Applied) > 0 && !slices.ContainsFunc(r.Applied, func(a clearing.Application) bool { return a.State != clearing.Paid })
}

// Agrees says what the provider's last reconciliation came to.
func (r providerRow) Agrees() string {
	switch {
	case r.Reconciled == nil:
		return "未对账"
	case r.Reconciled.Differ > 0:
		return "不平"
	}
	return "平"
}

// One provider's month

type monthData struct {
	*clearing.Sheet
	MonthChoices []clearing.Month
	Reconciled   []clearing.Reconciled
	Paid         money.Fen
}

// findMonth reads a provider's month, if it is of the officer's region.
func (h *handler) findMonth(v *web.Visit) (*monthData, error) {
	d := &monthData{}
	m, err := h.clearingMonth(v)
	if err != nil {
		return nil, err
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p, ok, err := provider.Get(ctx, tx, v.PathValue("provider"))
		if err == nil && (!ok || !mine(v, p.Region)) {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		if d.Sheet, err = clearing.MonthlySheet(ctx, tx, p.Code, m); err != nil {
			return err
		}
		if d.MonthChoices, err = clearing.Months(ctx, tx, p.Region, h.Today(), monthsBack); err != nil {
			return err
		}
		if !slices.Contains(d.MonthChoices, m) {
			d.MonthChoices = append(d.MonthChoices, m)
		}
		for i := range d.Applications {
			a := &d.Applications[i]
			for _, act := range []*clearing.Act{&a.Filed, &a.Approved, &a.Paid, &a.Withdrawn} {
				if act.By, err = officer(ctx, tx, act.By); err != nil {
					return err
				}
			}
		}
		d.Reconciled, err = clearing.Reconciliations(ctx, tx, p.Region, p.Code, m.Period(), perPage)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, a := range d.Applications {
		if a.State == clearing.Paid {
			d.Paid += a.Total.Due()
		}
	}
	return d, nil
}

func (h *handler) providerMonth(v *web.Visit) error {
	d, err := h.findMonth(v)
	if err != nil {
		return err
	}
	return v.Show("providermonth.html", d.Provider.Name, d)
}

// parts is the clearing sheet as a list (月度清算表).
func (h *handler) parts(d *monthData) sheet.Table {
	t := sheet.Table{Title: "月度清算表 " + d.Provider.Name + " " + d.Month.String(), Head: []string{"参保地", "险种", "类别", "笔数", "人次", "总费用（元）", "政策范围内（元）", "基金（元）", "个人账户（元）", "现金（元）", "机构负担（元）", "应付（元）"}}
	row := func(region, scheme, kind string, x clearing.Totals) {
		t.Rows = append(t.Rows, []any{region, scheme, kind, x.Count, x.Visits, x.Total, x.InScope, x.Fund, x.Account, x.Cash, x.Hospital, x.Due()})
	}
	for _, p := range d.Parts {
		row(h.regionName(p.Region), p.Scheme.Title(), p.Kind.Title(), p.Totals)
	}
	row("合计", "", "", d.Total)
	return t
}

func (h *handler) providerSheet(v *web.Visit) error {
	d, err := h.findMonth(v)
	if err != nil {
		return err
	}
	return h.sheet(v, h.parts(d))
}

// providerStatement is the clearing sheet on paper (定点机构月度清算单).
func (h *handler) providerStatement(v *web.Visit) error {
	d, err := h.findMonth(v)
	if err != nil {
		return err
	}
	doc := &statement.Document{Title: "定点医药机构月度清算单", Under: d.Provider.Name + " · " + d.Month.String(), Wide: true,
		Facts: []statement.Fact{{Label: "机构", Value: d.Provider.Name}, {Label: "编号", Value: d.Provider.Code}, {Label: "级别", Value: d.Provider.Level.Title()},
			{Label: "统筹区", Value: h.regionName(d.Provider.Region) + "（" + d.Provider.Region + "）"}, {Label: "清算年月", Value: d.Month.String()}, {Label: "应付", Value: v.Money(d.Total.Due())}, {Label: "已拨付", Value: v.Money(d.Paid)}}}
	p := part("分参保地、险种、类别", h.parts(d), true)
	for i, share := range []float64{1.2, 1, 1.1, .6, .6, 1.3, 1.3, 1.3, 1.2, 1.2, 1.1, 1.3} {
		p.Columns[i].Share, p.Columns[i].Figure = share, i > 2
		p.Columns[i].Head = strings.TrimSuffix(p.Columns[i].Head, "（元）")
	}
	doc.Parts = append(doc.Parts, p)
	funds := statement.Part{Title: "分基金支付", Columns: []statement.Column{{Head: "参保地", Share: 1}, {Head: "险种", Share: 1}, {Head: "类别", Share: 1}, {Head: "基金", Share: 3}, {Head: "支付（元）", Share: 1, Figure: true}}, Empty: "没有基金支付。"}
	for _, x := range d.Parts {
		for _, f := range x.Funds {
			funds.Rows = append(funds.Rows, statement.Row{Cells: []string{h.regionName(x.Region), x.Scheme.Title(), x.Kind.Title(), f.Title, f.Amount.Grouped()}})
		}
	}
	doc.Parts = append(doc.Parts, funds)
	applied := statement.Part{Title: "清算申请", Columns: []statement.Column{{Head: "申请", Share: 1.5}, {Head: "类别", Share: 2}, {Head: "状态", Share: 1}, {Head: "申报", Share: 1.4}, {Head: "审核", Share: 1.4}, {Head: "拨付", Share: 1.4}, {Head: "应付（元）", Share: 1, Figure: true}}, Empty: "没有申请。"}
	for _, a := range d.Applications {
		applied.Rows = append(applied.Rows, statement.Row{Cells: []string{a.ID, kindsOf(a), a.State.Title(), actText(v, a.Filed), actText(v, a.Approved), actText(v, a.Paid), a.Total.Due().Grouped()}})
	}
	doc.Parts = append(doc.Parts, applied, statement.Part{Title: "说明", Text: "金额单位为元。笔数含撤销，撤销以负数冲减金额与人次；应付为基金与个人账户支付之和。结算以办结时间计入当月。\n经办人（签章）：　　　　　　　　　　　　　审核人（签章）：　　　　　　　　　　　　　机构（签章）："})
	return h.statement(v, doc)
}

func actText(v *web.Visit, a clearing.Act) string {
	if a.At.IsZero() {
		return ""
	}
	return v.Time(a.At) + " " + a.By
}

// kindsOf are the kinds of care that an application is for.
func kindsOf(a clearing.Application) string {
	var out []string
	for _, p := range a.Parts {
		if t := p.Kind.Title(); !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return strings.Join(out, "、")
}

// Applications

type applicationData struct {
	*clearing.Application
	Provider provider.Provider
	Own      bool // approved by who looks at it
	KindText string
	Course   []courseStep
}

// courseStep is what was done about an application.
type courseStep struct {
	clearing.Act
	Title, Note string
	Stop        bool
}

// findClearing finds the application that the address names, if it is to the
// officer's region.
func (h *handler) findClearing(v *web.Visit) (*applicationData, error) {
	d := &applicationData{}
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		a, ok, err := clearing.Get(ctx, tx, v.PathValue("clearing"))
		if err == nil && (!ok || !mine(v, a.Region)) {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		d.Application, d.Own, d.KindText = a, a.Approved.By == v.Who.Actor(), kindsOf(*a)
		for _, step := range []courseStep{{Act: a.Filed, Title: "申报"}, {Act: a.Approved, Title: "审核"}, {Act: a.Paid, Title: "拨付"}, {Act: a.Withdrawn, Title: "退回", Note: a.Reason, Stop: true}} {
			if step.By == "" {
				continue
			}
			if step.By, err = officer(ctx, tx, step.By); err != nil {
				return err
			}
			d.Course = append(d.Course, step)
		}
		d.Provider, _, err = provider.Get(ctx, tx, a.Provider)
		return err
	})
	return d, err
}

func (h *handler) clearingApplication(v *web.Visit) error {
	d, err := h.findClearing(v)
	if err != nil {
		return err
	}
	return v.Show("application.html", "清算申请", d)
}

func (h *handler) approveClearing(v *web.Visit) error {
	return h.clear(v, "审核通过，请另一位财务人员拨付。", clearing.Approve)
}

func (h *handler) payClearing(v *web.Visit) error {
	return h.clear(v, "已拨付并记账。", clearing.Pay)
}

func (h *handler) returnClearing(v *web.Visit) error {
	reason := v.Value("reason")
	if len([]rune(reason)) > maxReason {
		return &web.Fault{Field: "reason", Want: fmt.Sprintf("退回原因不超过 %d 字", maxReason)}
	}
	return h.clear(v, "已退回，机构可以重新申报。", func(ctx context.Context, tx *db.Tx, id string, a clearing.Act) (*clearing.Application, error) {
		return clearing.Withdraw(ctx, tx, id, reason, a)
	})
}

// maxReason bounds why an application is returned, in characters.
const maxReason = 200

func (h *handler) clear(v *web.Visit, said string, do func(context.Context, *db.Tx, string, clearing.Act) (*clearing.Application, error)) error {
	d, err := h.findClearing(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := do(ctx, tx, d.ID, clearing.Act{At: h.Clock(), By: v.Who.Actor()})
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/clearing/applications/"+d.ID, said)
}

// Claims between regions

type owedData struct {
	Region       string
	RegionName   string
	Regions      []string
	Month        clearing.Month
	MonthChoices []clearing.Month
	Ours, Theirs []flow // care given here to others' people; care of our people elsewhere
	Claims, Owes money.Fen
	Query        string
}

type flow struct {
	clearing.Flow
	Other string // the other region, by name
}

func (h *handler) owedData(v *web.Visit) (*owedData, error) {
	d := &owedData{}
	var err error
	if d.Month, err = h.clearingMonth(v); err != nil {
		return nil, err
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Region, d.Regions, err = h.region(ctx, tx, v); err != nil {
			return err
		}
		if d.MonthChoices, err = clearing.Months(ctx, tx, d.Region, h.Today(), monthsBack); err != nil {
			return err
		}
		if !slices.Contains(d.MonthChoices, d.Month) {
			d.MonthChoices = append(d.MonthChoices, d.Month)
		}
		s, err := clearing.BetweenRegions(ctx, tx, d.Month)
		if err != nil {
			return err
		}
		for _, f := range s.Flows {
			switch d.Region {
			case f.Care:
				d.Ours = append(d.Ours, flow{f, h.regionName(f.Insured)})
				d.Claims += f.Due()
			case f.Insured:
				d.Theirs = append(d.Theirs, flow{f, h.regionName(f.Care)})
				d.Owes += f.Due()
			}
		}
		return nil
	})
	d.RegionName = h.regionName(d.Region)
	q := url.Values{"month": {d.Month.String()}}
	if d.Regions != nil {
		q.Set("region", d.Region)
	}
	d.Query = q.Encode()
	return d, err
}

func (h *handler) owed(v *web.Visit) error {
	d, err := h.owedData(v)
	if err != nil {
		return err
	}
	return v.Show("owed.html", "异地清算", d)
}

func (h *handler) owedSheet(v *web.Visit) error {
	d, err := h.owedData(v)
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "异地清算 " + d.RegionName + " " + d.Month.String(), Head: []string{"方向", "对方统筹区", "笔数", "人次", "总费用（元）", "基金（元）", "个人账户（元）", "应清算（元）", "已拨付机构（元）"}}
	for _, x := range []struct {
		title string
		rows  []flow
	}{{"应收", d.Ours}, {"应付", d.Theirs}} {
		for _, f := range x.rows {
			t.Rows = append(t.Rows, []any{x.title, f.Other, f.Count, f.Visits, f.Total, f.Fund, f.Account, f.Due(), f.Paid})
		}
	}
	return h.sheet(v, t)
}
