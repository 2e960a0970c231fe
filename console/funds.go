package console

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/statement"
	"github.com/anji-platform/anji/web"
)

// moneySeen may look at funds, the ledger and clearing; moneyActs acts there.
var (
	moneySeen = []signin.Role{signin.Finance, signin.Inspector, signin.Viewer}
	moneyActs = []signin.Role{signin.Finance}
)

// moneyRoutes are how the funds did, the ledger, and clearing with providers.
func (h *handler) moneyRoutes() []web.Route {
	return slices.Concat([]web.Route{
		{Pattern: "GET /console/funds", For: moneySeen, Do: h.funds},
		{Pattern: "GET /console/funds.xlsx", For: moneySeen, Do: h.fundsSheet},
		{Pattern: "GET /console/funds.pdf", For: moneySeen, Do: h.fundsStatement},
	}, h.ledgerRoutes(), h.clearingRoutes())
}

func (h *handler) moneyLinks(v *web.Visit) []web.Link {
	waiting := 0
	if v.Who.Has(signin.Finance) {
		_ = h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) { // as the other numbers beside links
			waiting, err = clearing.CountWaiting(ctx, tx, v.Operator().Region)
			return err
		})
	}
	return []web.Link{{Path: "/console/funds", Title: "基金运行", Icon: "chart"}, {Path: "/console/ledger", Title: "账簿", Icon: "wallet"},
		{Path: "/console/clearing", Title: "对账清算", Icon: "pay", Count: waiting}}
}

// region is the region that a page of money is about: the officer's own or, of
// officers of all regions, the one that is asked for.
func (h *handler) region(ctx context.Context, tx *db.Tx, v *web.Visit) (region string, all []string, err error) {
	if own := v.Operator().Region; own != "" {
		return own, nil, nil
	}
	if all, err = fund.Regions(ctx, tx); err != nil {
		return "", nil, err
	}
	asked := v.Value("region")
	switch {
	case asked == "" && len(all) > 0:
		return all[0], all, nil
	case asked == "" || slices.Contains(all, asked):
		return asked, all, nil
	}
	return "", nil, &web.Fault{Field: "region", Want: "「" + asked + "」：没有这个统筹区的账"}
}

// regionName names a region as its last package does.
func (h *handler) regionName(region string) string {
	if versions := h.Policies.Versions(region); len(versions) > 0 {
		return versions[len(versions)-1].Name
	}
	return region
}

// fundTitle names a fund as the last package that has it does.
func (h *handler) fundTitle(region, id string) string {
	versions := h.Policies.Versions(region)
	for i := len(versions) - 1; i >= 0; i-- {
		for _, f := range versions[i].Funds() {
			if f.ID == id {
				return f.Title
			}
		}
	}
	return id
}

// yearsBack is how many years the choice of a period goes back.
const yearsBack = 6

// period is the month or year that is asked for; today's year without.
type period struct {
	Year, Month int // Month 0 is the whole year
	fund.Period
}

func (p period) String() string {
	if p.Month == 0 {
		return strconv.Itoa(p.Year) + "年"
	}
	return fmt.Sprintf("%d年%d月", p.Year, p.Month)
}

// Query is the period in an address.
func (p period) query() url.Values {
	q := url.Values{"year": {strconv.Itoa(p.Year)}}
	if p.Month > 0 {
		q.Set("month", strconv.Itoa(p.Month))
	}
	return q
}

func (h *handler) period(v *web.Visit) (p period, err error) {
	today := h.Today()
	p.Year = today.Year()
	if s := v.Value("year"); s != "" {
		if p.Year, err = strconv.Atoi(s); err != nil || p.Year > today.Year() || p.Year <= today.Year()-yearsBack {
			return p, &web.Fault{Field: "year", Want: fmt.Sprintf("「%s」：年份应在 %d 至 %d 之间", s, today.Year()-yearsBack+1, today.Year())}
		}
	}
	if s := v.Value("month"); s != "" {
		if p.Month, err = strconv.Atoi(s); err != nil || p.Month < 1 || p.Month > 12 || civil.New(p.Year, p.Month, 1) > today {
			return p, &web.Fault{Field: "month", Want: "「" + s + "」：月份应为 1 至 12，且不晚于本月"}
		}
	}
	p.From, p.To = civil.New(p.Year, 1, 1), civil.New(p.Year, 12, 31)
	if p.Month > 0 {
		p.From = civil.New(p.Year, p.Month, 1)
		p.To = p.From.AddMonths(1).AddDays(-1)
	}
	return p, nil
}

// spent is a row of what was spent on one thing.
type spent struct {
	Title string
	Code  string
	settlement.Spending
	Meter template.HTML
	Share string // of what the funds pay
}

type fundsData struct {
	Region     string
	RegionName string
	Regions    []string
	Period     period
	Years      []int
	Until      civil.Date // the day up to which it is known
	*fund.Report
	Titles          map[string]string // of funds
	Accounts        int               // personal accounts with a balance
	Held            money.Fen         // by them
	Flow, Balance   template.HTML
	Schemes, Kinds  []spent
	Levels, Disease []spent
	Spent           settlement.Spending
	Query           string
}

// diseases is how many diseases are listed.
const diseases = 10

func (h *handler) fundsData(v *web.Visit) (*fundsData, error) {
	d := &fundsData{Titles: map[string]string{}}
	var err error
	if d.Period, err = h.period(v); err != nil {
		return nil, err
	}
	today := h.Today()
	for y := today.Year(); y > today.Year()-yearsBack; y-- {
		d.Years = append(d.Years, y)
	}
	d.Until = min(d.Period.To, today)
	var all []settlement.SpentOn
	var ill []settlement.SpentOnDisease
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Region, d.Regions, err = h.region(ctx, tx, v); err != nil {
			return err
		}
		if d.Report, err = fund.Run(ctx, tx, d.Region, d.Period.Period, today); err != nil {
			return err
		}
		if d.Accounts, d.Held, err = account.Sum(ctx, tx, d.Region); err != nil {
			return err
		}
		if all, err = settlement.Spent(ctx, tx, d.Region, d.Period.From, d.Period.To); err != nil {
			return err
		}
		ill, err = settlement.Diseases(ctx, tx, d.Region, d.Period.From, d.Period.To, diseases)
		return err
	}); err != nil {
		return nil, err
	}
	d.RegionName = h.regionName(d.Region)
	for _, f := range d.Funds {
		d.Titles[f.Fund] = h.fundTitle(d.Region, f.Fund)
	}
	for _, s := range all {
		d.Spent.Add(s.Spending)
	}
	d.Schemes = d.by(all, func(s settlement.SpentOn) string { return s.Scheme.Title() })
	d.Kinds = d.by(all, func(s settlement.SpentOn) string { return v.Care(s.Kind) })
	d.Levels = d.by(all, func(s settlement.SpentOn) string {
		where := s.Level.Title()
		if s.Pharmacy {
			where = "零售药店"
		}
		if s.Away {
			where += "（异地）"
		}
		return where
	})
	for _, x := range ill {
		title := cmp.Or(x.Name, x.Code, "没有填主要诊断")
		d.Disease = append(d.Disease, spent{Title: title, Code: x.Code, Spending: x.Spending, Meter: meter(x.Fund, d.Spent.Fund), Share: proportion(x.Fund, d.Spent.Fund)})
	}
	d.draw()
	q := d.Period.query()
	if d.Regions != nil {
		q.Set("region", d.Region)
	}
	d.Query = q.Encode()
	return d, nil
}

// by sums by what title names, what the funds pay most for first.
func (d *fundsData) by(all []settlement.SpentOn, title func(settlement.SpentOn) string) (out []spent) {
	for _, s := range all {
		t := title(s)
		i := slices.IndexFunc(out, func(x spent) bool { return x.Title == t })
		if i < 0 {
			i = len(out)
			out = append(out, spent{Title: t})
		}
		out[i].Add(s.Spending)
	}
	for i := range out {
		out[i].Meter, out[i].Share = meter(out[i].Fund, d.Spent.Fund), proportion(out[i].Fund, d.Spent.Fund)
	}
	slices.SortStableFunc(out, func(a, b spent) int { return cmp.Compare(b.Fund, a.Fund) })
	return out
}

func (d *fundsData) draw() {
	var labels []string
	income, payment, closing := series{Name: "收入", Class: "bar"}, series{Name: "支出", Class: "bar out"}, series{Name: "结余", Class: "curve"}
	for _, m := range d.Months {
		label := strconv.Itoa(m.Month.Month())
		if m.Month.Month() == 1 || len(labels) == 0 {
			label = fmt.Sprintf("%02d/%d", m.Month.Year()%100, m.Month.Month())
		}
		labels = append(labels, label)
		income.Amounts, payment.Amounts = append(income.Amounts, m.Income), append(payment.Amounts, m.Payment)
		closing.Amounts = append(closing.Amounts, m.Closing)
	}
	d.Flow = columns("flow", "十二个月的收入与支出，按月", labels, income, payment)
	d.Balance = curve("balance", "十二个月的月末结余，按月", labels, closing)
}

// CoverText is for how many months the balance pays, in words.
func (d *fundsData) CoverText() string {
	if d.Cover.Unknown != "" {
		return "算不出"
	}
	return fmt.Sprintf("%d.%d 个月", d.Cover.Tenths/10, d.Cover.Tenths%10)
}

// CoverWhy says what that rests on.
func (d *fundsData) CoverWhy() string {
	if d.Cover.Unknown != "" {
		return "可支付月数算不出：" + d.Cover.Unknown + "。"
	}
	return fmt.Sprintf("可支付月数 ＝ 期末结余 %s 元 ÷ 月均支出 %s 元（%s 至 %s 十二个整月的平均）。", d.Total.Closing.Grouped(), d.Cover.Average.Grouped(), d.Cover.From.String()[:7], d.Cover.To.String()[:7])
}

func (h *handler) funds(v *web.Visit) error {
	d, err := h.fundsData(v)
	if err != nil {
		return err
	}
	return v.Show("funds.html", "基金运行", d)
}

// lists are the lists of the page as Excel files, and as tables of the statement.
var lists = []struct{ name, title string }{{"funds", "各基金收支"}, {"months", "十二个月的收支"}, {"entries", "收支构成"}, {"schemes", "分险种支付"}, {"care", "分医疗类别支付"}, {"levels", "分机构级别支付"}, {"diseases", "主要诊断前十"}}

// table is one of the lists.
func (d *fundsData) table(name string) (t sheet.Table, ok bool) {
	of := func(first string, rows []spent) {
		t.Head = []string{first, "人次", "总费用（元）", "基金支付（元）", "个人账户（元）", "现金（元）", "占基金支付"}
		for _, s := range rows {
			title := s.Title
			if s.Code != "" {
				title += " " + s.Code
			}
			t.Rows = append(t.Rows, []any{title, s.Visits, s.Total, s.Fund, s.Account, s.Cash, s.Share})
		}
	}
	switch name {
	case "", "funds":
		t.Head = []string{"基金", "期初（元）", "期初转入（元）", "收入（元）", "支出（元）", "当期结余（元）", "期末结余（元）"}
		for _, f := range d.Funds {
			t.Rows = append(t.Rows, []any{d.Titles[f.Fund], f.Opening, f.Brought, f.Income, f.Payment, f.Surplus(), f.Closing})
		}
		t.Rows = append(t.Rows, []any{"合计", d.Total.Opening, d.Total.Brought, d.Total.Income, d.Total.Payment, d.Total.Surplus(), d.Total.Closing})
	case "months":
		t.Head = []string{"月份", "收入（元）", "支出（元）", "当期结余（元）", "月末结余（元）"}
		for _, m := range d.Months {
			t.Rows = append(t.Rows, []any{m.Month.String()[:7], m.Income, m.Payment, m.Surplus(), m.Closing})
		}
	case "entries":
		t.Head = []string{"构成", "收入（元）", "支出（元）"}
		for _, k := range d.Moved() {
			t.Rows = append(t.Rows, []any{fund.EntryTitle(k.Kind), k.Income, k.Payment})
		}
	case "schemes":
		of("险种", d.Schemes)
	case "care":
		of("医疗类别", d.Kinds)
	case "levels":
		of("机构级别", d.Levels)
	case "diseases":
		of("主要诊断", d.Disease)
	default:
		return t, false
	}
	for _, l := range lists {
		if l.name == cmp.Or(name, "funds") {
			t.Title = l.title + " " + d.RegionName + " " + d.Period.String()
		}
	}
	return t, true
}

func (h *handler) fundsSheet(v *web.Visit) error {
	d, err := h.fundsData(v)
	if err != nil {
		return err
	}
	t, ok := d.table(v.Value("list"))
	if !ok {
		return web.ErrNotFound
	}
	return h.sheet(v, t)
}

// fundsStatement is the statement of the funds for a period (基金收支报表).
func (h *handler) fundsStatement(v *web.Visit) error {
	d, err := h.fundsData(v)
	if err != nil {
		return err
	}
	doc := &statement.Document{Title: "医疗保障基金收支报表", Under: d.RegionName + "（" + d.Region + "） · " + d.Period.String(), Wide: true,
		Facts: []statement.Fact{{Label: "收入", Value: v.Money(d.Total.Income)}, {Label: "支出", Value: v.Money(d.Total.Payment)}, {Label: "当期结余", Value: v.Money(d.Total.Surplus())},
			{Label: "期末结余", Value: v.Money(d.Total.Closing)}, {Label: "可支付月数", Value: d.CoverText()}, {Label: "个人账户", Value: fmt.Sprintf("%d 个，结存 %s", d.Accounts, v.Money(d.Held))},
			{Label: "数据截至", Value: d.Until.String()}, {Label: "其中财政补助", Value: v.Money(d.Fiscal)}}}
	for _, l := range lists {
		t, _ := d.table(l.name)
		doc.Parts = append(doc.Parts, part(l.title, t, l.name == "funds"))
	}
	doc.Parts = append(doc.Parts, statement.Part{Title: "说明", Text: d.CoverWhy() + "\n收支余额取自基金总账的分录，撤销的结算冲减支出，退还的保费冲减收入。人次与费用取自本统筹区参保人在期间内办结的结算，撤销冲减人次。"})
	return h.statement(v, doc)
}

// part is a list as a table of a statement; last says that its last row is a sum.
func part(title string, t sheet.Table, last bool) statement.Part {
	p := statement.Part{Title: title, Empty: "期间内没有。"}
	for i, head := range t.Head {
		c := statement.Column{Head: head, Share: 1, Figure: true}
		if i == 0 {
			c.Share, c.Figure = 2, false
		}
		p.Columns = append(p.Columns, c)
	}
	for i, row := range t.Rows {
		r := statement.Row{Sum: last && i == len(t.Rows)-1}
		for _, cell := range row {
			text := fmt.Sprint(cell)
			if a, ok := cell.(money.Fen); ok {
				text = a.Grouped()
			}
			r.Cells = append(r.Cells, text)
		}
		p.Rows = append(p.Rows, r)
	}
	return p
}

// statement answers with a statement, and keeps on record that it was made.
func (h *handler) statement(v *web.Visit, d *statement.Document) error {
	d.At, d.Made, d.Mark = h.Clock(), h.note(v), v.Mark()
	body, err := d.PDF()
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return audit.Append(ctx, tx, audit.Record{At: d.At, Actor: v.Who.Actor(), Action: "console.export", Subject: d.Title + " " + d.Under, Details: map[string]string{"as": "pdf"}})
	}); err != nil {
		return err
	}
	return v.Attach(d.Title+" "+d.Under+".pdf", statement.Type, body)
}

// MonthChoices are the months of a year.
func (d *fundsData) MonthChoices() []int {
	out := make([]int, 12)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// Moved are the kinds of entries that moved the funds in the period.
func (d *fundsData) Moved() (out []fund.KindSum) {
	for _, k := range d.Report.Kinds {
		if k.Income != 0 || k.Payment != 0 {
			out = append(out, k)
		}
	}
	return out
}
