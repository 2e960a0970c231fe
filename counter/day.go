package counter

import (
	"bytes"
	"context"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

func (h *handler) dayRoutes() []web.Route {
	tills := []signin.Role{signin.Counter}
	return []web.Route{
		{Pattern: "GET /counter/day", For: tills, Do: h.day, Again: h.home},
		{Pattern: "GET /counter/day.xlsx", For: tills, Do: h.daySheet, Again: h.home},
	}
}

// Totals are what a till settled, less what it reversed.
type Totals struct {
	Settled, Reversed          int // 笔数
	Total, Fund, Account, Cash money.Fen
}

// total adds settlements up; a reversal has the opposite amounts.
func total(made []*settlement.Settlement) (t Totals) {
	for _, st := range made {
		if st.Reverses != "" {
			t.Reversed++
		} else {
			t.Settled++
		}
		t.Total += st.Result.Total
		t.Fund += st.Result.FundTotal
		t.Account += st.Result.Account
		t.Cash += st.Result.Cash
	}
	return t
}

type dayData struct {
	Provider provider.Provider
	Day      civil.Date
	Today    civil.Date
	Made     []*settlement.Settlement
	Totals   Totals
}

// readDay reads what the till did on the day that is asked for, today if none is.
func (h *handler) readDay(v *web.Visit) (d dayData, err error) {
	d.Today = h.Today()
	d.Day = d.Today
	if text := v.Value("day"); text != "" {
		if d.Day, err = civil.Parse(text); err != nil || d.Day > d.Today {
			return d, &web.Fault{Field: "day", Want: "日期「" + text + "」应为今天或以前的一天，如 " + d.Today.String()}
		}
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p, ok, err := provider.Get(ctx, tx, v.Operator().Of)
		if err == nil && !ok {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		d.Provider = p
		d.Made, err = h.Settlement.MadeOn(ctx, tx, p.Code, d.Day)
		return err
	})
	d.Totals = total(d.Made)
	return d, err
}

// day is the sheet of a day (日结): what was settled and reversed, and what must be
// in the drawer.
func (h *handler) day(v *web.Visit) error {
	d, err := h.readDay(v)
	if err != nil {
		return err
	}
	return v.Show("day.html", "日结 "+d.Day.String(), d)
}

func (h *handler) daySheet(v *web.Visit) error {
	d, err := h.readDay(v)
	if err != nil {
		return err
	}
	t := sheet.Table{
		Title: d.Provider.Name + "（" + d.Provider.Code + "）日结单 " + d.Day.String(),
		Note:  "制表 " + v.Operator().Title + " " + v.Time(h.Clock()) + "；撤销以负数列出",
		Head:  []string{"时间", "结算编号", "撤销的结算", "参保人", "险种", "总费用（元）", "基金支付（元）", "个人账户（元）", "现金（元）"},
	}
	for _, st := range d.Made {
		t.Rows = append(t.Rows, []any{st.At, st.ID, st.Reverses, web.MaskName(st.Person.Name), st.Case.Scheme.Title(),
			st.Result.Total, st.Result.FundTotal, st.Result.Account, st.Result.Cash})
	}
	t.Rows = append(t.Rows, []any{"合计", "", "", "", "", d.Totals.Total, d.Totals.Fund, d.Totals.Account, d.Totals.Cash})
	var b bytes.Buffer
	if err := sheet.Write(&b, t); err != nil {
		return err
	}
	return v.Attach("日结单 "+d.Provider.Code+" "+d.Day.String()+".xlsx", sheet.Type, b.Bytes())
}
