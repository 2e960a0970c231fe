package console

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/statement"
	"github.com/anji-platform/anji/web"
)

// The ledger (账簿): accounts, what moved them, entries, and closing of months.

func (h *handler) ledgerRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /console/ledger", For: moneySeen, Do: h.ledger},
		{Pattern: "GET /console/ledger.xlsx", For: moneySeen, Do: h.ledgerSheet},
		{Pattern: "GET /console/ledger/accounts/{account}", For: moneySeen, Do: h.leaf},
		{Pattern: "GET /console/ledger/accounts/{account}/sheet.xlsx", For: moneySeen, Do: h.leafSheet},
		{Pattern: "GET /console/ledger/entries/{entry}", For: moneySeen, Do: h.entry},
		{Pattern: "GET /console/ledger/settlements/{settlement}", For: moneySeen, Do: h.settled},
		{Pattern: "GET /console/ledger/settlements/{settlement}/statement.pdf", For: moneySeen, Do: h.settledStatement},
		{Pattern: "GET /console/ledger/closing", For: moneySeen, Do: h.closing},
		{Pattern: "POST /console/ledger/closing", For: moneyActs, Do: h.askClose, Again: h.closing},
		{Pattern: "POST /console/ledger/closing/{month}/confirm", For: moneyActs, Do: h.confirmClose, Again: h.closing},
		{Pattern: "POST /console/ledger/closing/{month}/drop", For: moneyActs, Do: h.dropClose, Again: h.closing},
	}
}

// side is on which side of an account a balance stands (余额方向): what is owed or
// belongs to a fund is credit, what is held is debit.
func side(a money.Fen) string {
	switch {
	case a > 0:
		return "贷"
	case a < 0:
		return "借"
	}
	return "平"
}

// amount is a balance without its side.
func amount(a money.Fen) money.Fen { return max(a, -a) }

type accountRow struct {
	Account, Title, Note string
	Balance              money.Fen
}

type ledgerData struct {
	Region     string
	RegionName string
	Regions    []string
	Funds      []accountRow
	Others     []accountRow
	Providers  []accountRow
	Accounts   int // personal ones
	Held       money.Fen
	Owed       money.Fen // to providers
	Next, Back string
	Query      string
}

func (h *handler) ledgerData(v *web.Visit) (*ledgerData, error) {
	d := &ledgerData{}
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Region, d.Regions, err = h.region(ctx, tx, v); err != nil {
			return err
		}
		balances, err := fund.Balances(ctx, tx, fund.FundAccount(d.Region, ""), 0)
		if err != nil {
			return err
		}
		for account, b := range balances {
			n, _ := fund.ParseName(account)
			d.Funds = append(d.Funds, accountRow{account, h.fundTitle(d.Region, n.Rest), n.Rest, b})
		}
		regional, err := fund.Regional(ctx, tx, d.Region)
		if err != nil {
			return err
		}
		for account, b := range regional {
			n, _ := fund.ParseName(account)
			note := ""
			if n.Rest != "" {
				note = h.regionName(n.Rest)
			}
			d.Others = append(d.Others, accountRow{account, n.Kind.Title(), note, b})
		}
		claims, err := fund.Balances(ctx, tx, fund.Claim(d.Region, ""), 0)
		if err != nil {
			return err
		}
		if len(claims) > 0 { // one line for all: each is on its claim's page
			row := accountRow{Title: fund.OfClaim.Title()}
			for _, b := range claims {
				row.Balance += b
			}
			d.Others = append(d.Others, row)
		}
		payable, err := fund.Balances(ctx, tx, fund.Payable(""), 0)
		if err != nil {
			return err
		}
		all, err := provider.InRegion(ctx, tx, d.Region)
		for _, p := range all {
			account := fund.Payable(p.Code)
			if b, ok := payable[account]; ok {
				d.Providers = append(d.Providers, accountRow{account, p.Name, p.Code, b})
				d.Owed += b
			}
		}
		return err
	})
	for _, rows := range [][]accountRow{d.Funds, d.Others} {
		slices.SortFunc(rows, func(a, b accountRow) int { return strings.Compare(a.Account, b.Account) })
	}
	slices.SortFunc(d.Providers, func(a, b accountRow) int {
		return cmp.Or(cmp.Compare(b.Balance, a.Balance), strings.Compare(a.Account, b.Account))
	})
	d.RegionName = h.regionName(d.Region)
	return d, err
}

func (h *handler) ledger(v *web.Visit) error {
	d, err := h.ledgerData(v)
	if err != nil {
		return err
	}
	q := url.Values{}
	if d.Regions != nil {
		q.Set("region", d.Region)
	}
	d.Query = q.Encode()
	page := pageOf(v)
	from := min((page-1)*perPage, len(d.Providers))
	to := min(from+perPage, len(d.Providers))
	if to < len(d.Providers) {
		d.Next = turned(v, page+1)
	}
	if page > 1 {
		d.Back = turned(v, page-1)
	}
	d.Providers = d.Providers[from:to]
	return v.Show("ledger.html", "账簿", d)
}

// pageOf is the page of a list that is asked for, from 1.
func pageOf(v *web.Visit) int {
	page, _ := strconv.Atoi(v.URL.Query().Get("page"))
	return min(max(page, 1), 10_000)
}

// turned is the address of another page of the list.
func turned(v *web.Visit, page int) string {
	q := v.URL.Query()
	q.Set("page", strconv.Itoa(page))
	return v.URL.Path + "?" + q.Encode()
}

func (h *handler) ledgerSheet(v *web.Visit) error {
	d, err := h.ledgerData(v)
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "账户余额 " + d.RegionName, Head: []string{"账户", "名称", "说明", "方向", "余额（元）"}}
	for _, rows := range [][]accountRow{d.Funds, d.Others, d.Providers} {
		for _, r := range rows {
			t.Rows = append(t.Rows, []any{r.Account, r.Title, r.Note, side(r.Balance), amount(r.Balance)})
		}
	}
	return h.sheet(v, t)
}

// accountNamed is an account as the page names it.
type accountNamed struct {
	Name, Title, Note string
	Region            string // whose it is; "" where that is not known
	Person            string // of a personal account
	Open              bool   // its movements may be looked at here
}

// named names an account. Whose personal accounts and providers are is looked up.
func (h *handler) named(ctx context.Context, tx *db.Tx, account string) (a accountNamed, err error) {
	a.Name, a.Title = account, account
	n, ok := fund.ParseName(account)
	if !ok {
		return a, nil
	}
	a.Title, a.Region, a.Open = n.Kind.Title(), n.Region(), true
	switch n.Kind {
	case fund.OfFund:
		a.Title, a.Note = h.fundTitle(n.Of, n.Rest), h.regionName(n.Of)
	case fund.OfPerson:
		// People's accounts are their own, and on their page.
		p, found, err := h.Register.ByID(ctx, tx, n.Of)
		if err != nil {
			return a, err
		}
		a.Open = false
		if found {
			a.Note, a.Region, a.Person = web.MaskName(p.Name), p.Region, p.ID
		}
	case fund.OfProvider:
		p, found, err := provider.Get(ctx, tx, n.Of)
		if err != nil {
			return a, err
		}
		if found {
			a.Note, a.Region = p.Name+" "+p.Code, p.Region
		}
	case fund.OfClaim:
		a.Note = n.Rest
	default:
		a.Note = h.regionName(n.Of)
		if n.Rest != "" {
			a.Note += " → " + h.regionName(n.Rest)
		}
	}
	return a, nil
}

// mine reports whether what is of a region is for the officer to see.
func mine(v *web.Visit, region string) bool {
	own := v.Operator().Region
	return own == "" || own == region
}

type leafData struct {
	accountNamed
	*fund.Page
	From, To   civil.Date
	Next, Back string
	Query      string
	PageNumber int
}

// span reads the days of an account's statement; without any, this month.
func (h *handler) span(v *web.Visit) (from, to civil.Date, err error) {
	today := h.Today()
	from, to = civil.New(today.Year(), today.Month(), 1), today
	for _, x := range []struct {
		field string
		day   *civil.Date
	}{{"from", &from}, {"to", &to}} {
		if s := v.Value(x.field); s != "" {
			if *x.day, err = civil.Parse(s); err != nil {
				return 0, 0, &web.Fault{Field: x.field, Want: "「" + s + "」：应为日期，如 2025-06-01"}
			}
		}
	}
	if from > to {
		return 0, 0, &web.Fault{Field: "from", Want: "起始日 " + from.String() + " 晚于截止日 " + to.String()}
	}
	return from, to, nil
}

func (h *handler) leafData(v *web.Visit, offset, limit int) (*leafData, error) {
	d := &leafData{}
	var err error
	if d.From, d.To, err = h.span(v); err != nil {
		return nil, err
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.accountNamed, err = h.named(ctx, tx, v.PathValue("account")); err != nil {
			return err
		}
		if !d.Open || d.accountNamed.Region == "" || !mine(v, d.accountNamed.Region) {
			return web.ErrNotFound
		}
		d.Page, err = fund.Leaf(ctx, tx, d.Name, fund.Period{From: d.From, To: d.To}, offset, limit)
		return err
	})
	return d, err
}

func (h *handler) leaf(v *web.Visit) error {
	d, err := h.leafData(v, (pageOf(v)-1)*perPage, perPage)
	if err != nil {
		return err
	}
	d.PageNumber = pageOf(v)
	d.Query = url.Values{"from": {d.From.String()}, "to": {d.To.String()}}.Encode()
	if d.Following {
		d.Next = turned(v, d.PageNumber+1)
	}
	if d.PageNumber > 1 {
		d.Back = turned(v, d.PageNumber-1)
	}
	return v.Show("leaf.html", d.Title, d)
}

func (h *handler) leafSheet(v *web.Visit) error {
	d, err := h.leafData(v, 0, perSheet)
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "账户明细 " + strings.TrimSpace(d.Title+" "+d.Note) + " " + d.From.String() + " 至 " + d.To.String(), Head: []string{"时间", "事项", "凭据", "分录", "借方（元）", "贷方（元）", "方向", "余额（元）"}}
	t.Rows = append(t.Rows, []any{"", "期初余额", "", "", money.Fen(0), money.Fen(0), side(d.Before), amount(d.Before)})
	for _, m := range d.Movements {
		t.Rows = append(t.Rows, []any{m.At, fund.EntryTitle(m.Kind), m.Ref, strconv.FormatInt(m.Entry, 10), -min(m.Amount, 0), max(m.Amount, 0), side(m.Balance), amount(m.Balance)})
	}
	return h.sheet(v, t)
}

type postingRow struct {
	accountNamed
	Amount money.Fen
	Own    bool // of a region that the officer sees
}

type entryData struct {
	ID int64
	fund.Entry
	Rows       []postingRow
	Sum        money.Fen // of each side
	Settlement *settlement.Settlement
	Clearing   *clearing.Application
	Person     string // that it is about, for who may look at people
}

func (h *handler) entry(v *web.Visit) error {
	d := entryData{}
	var err error
	if d.ID, err = strconv.ParseInt(v.PathValue("entry"), 10, 64); err != nil {
		return web.ErrNotFound
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		e, ok, err := fund.GetEntry(ctx, tx, d.ID)
		if err != nil {
			return err
		}
		if !ok {
			return web.ErrNotFound
		}
		d.Entry = e
		seen := false
		shown := e.Postings[:min(len(e.Postings), maxPostings)]
		for _, p := range e.Postings {
			d.Sum += max(p.Amount, 0)
		}
		for _, p := range shown {
			a, err := h.named(ctx, tx, p.Account)
			if err != nil {
				return err
			}
			own := a.Region != "" && mine(v, a.Region)
			seen = seen || own
			if !own && a.Person != "" {
				a.Note, a.Person = "外地参保人", ""
			}
			d.Rows = append(d.Rows, postingRow{a, p.Amount, own})
		}
		if !seen {
			return web.ErrNotFound
		}
		switch e.Kind {
		case "settlement", "reversal":
			st, ok, err := h.Settlement.Get(ctx, tx, e.Ref)
			if err != nil || !ok {
				return err
			}
			d.Settlement = st
			if mine(v, st.Person.Region) {
				d.Person = st.Person.ID
			}
		case "clearing":
			a, ok, err := clearing.Get(ctx, tx, e.Ref)
			if err != nil || !ok {
				return err
			}
			d.Clearing = a
		}
		return nil
	}); err != nil {
		return err
	}
	return v.Show("entry.html", fund.EntryTitle(d.Kind), d)
}

// maxPostings is how many postings of an entry are shown: a crediting of accounts
// has one for each person.
const maxPostings = 200

// More is how many postings are not shown.
func (d entryData) More() int { return len(d.Postings) - len(d.Rows) }

// findSettled finds the settlement that the address names, if it is of a person or
// provider of the officer's region, and keeps on record who looked.
func (h *handler) findSettled(v *web.Visit) (st *settlement.Settlement, err error) {
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Settlement.Get(ctx, tx, v.PathValue("settlement"))
		if err == nil && ok && found.Reverses != "" { // what it reversed explains it
			found, ok, err = h.Settlement.Get(ctx, tx, found.Reverses)
		}
		if err == nil && (!ok || !mine(v, found.Person.Region) && !mine(v, found.Provider.Region)) {
			return web.ErrNotFound
		}
		st = found
		return err
	}); err != nil {
		return nil, err
	}
	return st, h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return audit.Append(ctx, tx, audit.Record{At: h.Clock(), Actor: v.Who.Actor(), Chain: audit.OfPerson(st.Person.ID), Action: "person.settlement", Subject: st.ID})
	})
}

type settledData struct {
	web.Bill
	Whose string // for who may look at people
}

func (h *handler) settled(v *web.Visit) error {
	st, err := h.findSettled(v)
	if err != nil {
		return err
	}
	d := settledData{Bill: web.NewBill(v.Lang, &st.Case, &st.Result, st.Steps)}
	d.ID, d.Name, d.Provider, d.Time, d.Reversed = st.ID, web.MaskName(st.Person.Name), st.Provider.Name, st.At, st.ReversedBy != ""
	if mine(v, st.Person.Region) && v.Who.Has(signin.Inspector, signin.Viewer) {
		d.Whose = st.Person.ID
	}
	return v.Show("settled.html", "结算说明", d)
}

func (h *handler) settledStatement(v *web.Visit) error {
	st, err := h.findSettled(v)
	if err != nil {
		return err
	}
	return h.statement(v, statement.Bill(bill.New(bill.Chinese, &st.Case, &st.Result, st.Steps), statement.Settled{ID: st.ID, Name: web.MaskName(st.Person.Name),
		Provider: st.Provider.Name, Care: bill.VisitName(bill.Chinese, st.Case.Visit), Time: st.At, Reversed: st.ReversedBy != ""}))
}

// officer names who did something: an operator by title, others as they are kept.
func officer(ctx context.Context, tx *db.Tx, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	o, ok, err := signin.GetOperator(ctx, tx, name)
	if ok {
		name = o.Title + "（" + o.Name + "）"
	}
	return name, err
}

// Closing of months

type closingData struct {
	Months []fund.Closing
	Next   civil.Date // that may be asked for; 0: none
	Asked  *fund.Closing
	Own    bool // asked by who looks at it
}

func (h *handler) closing(v *web.Visit) error {
	var d closingData
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Months, err = fund.Closings(ctx, tx, 60); err != nil {
			return err
		}
		for i := range d.Months {
			c := &d.Months[i]
			if c.By == "" {
				d.Asked, d.Own = c, c.AskedBy == v.Who.Actor()
			}
			for _, who := range []*string{&c.AskedBy, &c.By} {
				if *who, err = officer(ctx, tx, *who); err != nil {
					return err
				}
			}
		}
		d.Next, err = fund.NextClose(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	if d.Next != 0 && d.Next.AddMonths(1) > h.Today() {
		d.Next = 0 // it is not over
	}
	return v.Show("closing.html", "结账", d)
}

// monthAsked reads a month, such as 2025-06, as its first day.
func monthAsked(s string) (civil.Date, error) {
	m, err := clearing.ParseMonth(s)
	if err != nil {
		return 0, &web.Fault{Field: "month", Want: "「" + s + "」：应为月份，如 2025-06"}
	}
	return m.Period().From, nil
}

func (h *handler) askClose(v *web.Visit) error {
	return h.doClose(v, v.Value("month"), "已申请结账，请另一位财务人员确认。", fund.AskClose)
}

func (h *handler) confirmClose(v *web.Visit) error {
	return h.doClose(v, v.PathValue("month"), "已结账，这个月及以前不能再记账。", fund.ConfirmClose)
}

func (h *handler) dropClose(v *web.Visit) error {
	return h.doClose(v, v.PathValue("month"), "已撤回结账申请。", fund.DropClose)
}

func (h *handler) doClose(v *web.Visit, month, said string, do closer) error {
	day, err := monthAsked(month)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error { return do(ctx, tx, day, h.Clock(), v.Who.Actor()) }); err != nil {
		return err
	}
	return v.Done("/console/ledger/closing", fmt.Sprintf("%s %s", month, said))
}

// closer is a step of closing a month.
type closer func(ctx context.Context, tx *db.Tx, month civil.Date, at time.Time, actor string) error

// Closed are the months that are closed.
func (d closingData) Closed() (out []fund.Closing) {
	for _, c := range d.Months {
		if c.By != "" {
			out = append(out, c)
		}
	}
	return out
}
