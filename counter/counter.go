// Package counter is a till for a clinic or pharmacy that has no system of its own
// (结算窗口): scan the code, pick the items, see how the bill divides, settle, print,
// reverse. It does what a HIS does over the national interface, by the same rooms.
//
// Which provider it is, the session says: no address names another's visits.
package counter

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/office"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

//go:embed templates
var files embed.FS

// Config is what the till is made of. Now may be left out.
type Config struct {
	web.Store
	Register   *enrolment.Register
	Codes      *credential.Service
	Settlement *settlement.Service
}

type handler struct{ Config }

// found is how many items a search shows; maxQuantity bounds one line.
const (
	found       = 20
	maxQuantity = 10_000
)

// New returns the pages.
func New(c Config) *web.App {
	h := &handler{c}
	tills := []signin.Role{signin.Counter}
	return &web.App{Name: "counter", Layout: "desk.html", SignIn: office.SignIn, Files: files,
		Nav: func(*web.Visit) []web.Link {
			return []web.Link{{Path: "/counter", Title: "结算", Icon: "scan"}, {Path: "/counter/day", Title: "日结", Icon: "chart"}}
		},
		Routes: append([]web.Route{
			{Pattern: "GET /counter", For: tills, Do: h.home},
			{Pattern: "POST /counter", For: tills, Do: h.open, Again: h.home},
			{Pattern: "GET /counter/{visit}", For: tills, Do: h.visit},
			{Pattern: "POST /counter/{visit}/add", For: tills, Do: h.add, Again: h.visit},
			{Pattern: "POST /counter/{visit}/quantity", For: tills, Do: h.quantity, Again: h.visit},
			{Pattern: "POST /counter/{visit}/remove", For: tills, Do: h.remove, Again: h.visit},
			{Pattern: "POST /counter/{visit}/settle", For: tills, Do: h.settle, Again: h.visit},
			{Pattern: "POST /counter/{visit}/reverse", For: tills, Do: h.reverse, Again: h.visit},
			{Pattern: "POST /counter/{visit}/cancel", For: tills, Do: h.cancel, Again: h.visit},
			{Pattern: "GET /counter/{visit}/receipt", For: tills, Do: h.receipt},
			{Pattern: "GET /counter/{visit}/explained", For: tills, Do: h.explained},
		}, h.dayRoutes()...)}
}

// actor is who does it, as the interface names operators of providers.
func actor(v *web.Visit) string { return v.Operator().Of + " " + v.Operator().Name }

type homeRow struct {
	settlement.Visit
	Name  string
	State string
	Total money.Fen
}

type homeData struct {
	Provider provider.Provider
	Today    []homeRow
	Totals   Totals
}

func (h *handler) home(v *web.Visit) error {
	var d homeData
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p, ok, err := provider.Get(ctx, tx, v.Operator().Of)
		if err == nil && !ok {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		d.Provider = p
		made, err := h.Settlement.MadeOn(ctx, tx, p.Code, h.Today())
		if err != nil {
			return err
		}
		d.Totals = total(made)
		visits, err := h.Settlement.Visits(ctx, tx, settlement.VisitFilter{Provider: p.Code, From: h.Today(), To: h.Today(), Limit: 50})
		if err != nil {
			return err
		}
		for _, x := range visits {
			who, _, err := h.Register.ByID(ctx, tx, x.Person)
			if err != nil {
				return err
			}
			row := homeRow{Visit: x, Name: who.Name, State: "未结算"}
			st, err := h.standing(ctx, tx, x.ID)
			if err != nil {
				return err
			}
			if st != nil {
				row.State, row.Total = "已结算", st.Result.Total
			}
			d.Today = append(d.Today, row)
		}
		return nil
	}); err != nil {
		return err
	}
	return v.Show("home.html", d.Provider.Name, d)
}

// standing is the settlement of a visit that stands, nil for none.
func (h *handler) standing(ctx context.Context, tx *db.Tx, visit string) (*settlement.Settlement, error) {
	all, err := h.Settlement.List(ctx, tx, settlement.Filter{Visit: visit})
	for _, st := range all {
		if st.Reverses == "" && st.ReversedBy == "" {
			return st, err
		}
	}
	return nil, err
}

// open opens a visit of who shows a code, or hands over a social security card.
func (h *handler) open(v *web.Visit) error {
	key := v.Value("code")
	if key == "" {
		return &web.Fault{Field: "code", Want: "请扫描或录入医保电子凭证的码，或社会保障卡号"}
	}
	o := v.Operator()
	var visit settlement.Visit
	err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		p, ok, err := provider.Get(ctx, tx, o.Of)
		if err != nil {
			return err
		}
		if !ok {
			return web.ErrNotFound
		}
		who, err := h.identify(ctx, tx, key, o)
		if err != nil {
			return err
		}
		spells, err := enrolment.Insurances(ctx, tx, who.ID, h.Today())
		if err != nil {
			return err
		}
		kind := policy.Outpatient
		if p.Kind == policy.Pharmacy {
			kind = policy.PharmacyVisit
		}
		visit, err = h.Settlement.Open(ctx, tx, settlement.OpenRequest{Person: who.ID, Provider: p.Code, Scheme: enrolment.Counting(spells).Scheme, Kind: kind,
			Number: "W" + rand.Text()[:12], Begun: h.Clock(), Actor: actor(v)})
		return err
	})
	if r := (*credential.Refused)(nil); errors.As(err, &r) {
		return &web.Fault{Field: "code", Want: r.Error()}
	}
	if err != nil {
		return err
	}
	return v.Go("/counter/" + visit.ID)
}

func (h *handler) identify(ctx context.Context, tx *db.Tx, key string, o *signin.Operator) (enrolment.Person, error) {
	who, ok, err := h.Register.ByCard(ctx, tx, key)
	if err != nil {
		return who, err
	}
	if ok {
		stopped, err := credential.CardStopped(ctx, tx, who.ID)
		if err == nil && stopped {
			err = &web.Fault{Field: "code", Want: "这张社会保障卡已挂失"}
		}
		return who, err
	}
	d, err := h.Codes.Decode(ctx, tx, credential.Scan{Code: key, Provider: o.Of, Operator: o.Name, Business: "结算窗口"})
	if err != nil {
		return who, err
	}
	return d.Person, nil
}

type visitData struct {
	Visit    settlement.Visit
	Person   enrolment.Person
	Provider provider.Provider
	Lines    []settlement.Waiting
	Preview  *settlement.Settlement // how it would divide; nil without lines
	Settled  *settlement.Settlement // that stands
	Query    string
	Items    []catalogue.Item
	Keep     bool // the account is not to pay
}

// find reads the visit that the address names, if it is the provider's.
func (h *handler) find(ctx context.Context, tx *db.Tx, v *web.Visit) (settlement.Visit, error) {
	x, ok, err := h.Settlement.GetVisit(ctx, tx, v.PathValue("visit"))
	if err == nil && (!ok || x.Provider != v.Operator().Of || x.Cancelled) {
		err = web.ErrNotFound
	}
	return x, err
}

func use(keep bool) settlement.AccountUse {
	if keep {
		return settlement.NoAccount
	}
	return settlement.FamilyAccount
}

func (h *handler) visit(v *web.Visit) error {
	d := visitData{Query: v.Value("q"), Keep: v.Value("keep") == "1"}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Visit, err = h.find(ctx, tx, v); err != nil {
			return err
		}
		if d.Person, _, err = h.Register.ByID(ctx, tx, d.Visit.Person); err != nil {
			return err
		}
		if d.Provider, _, err = provider.Get(ctx, tx, d.Visit.Provider); err != nil {
			return err
		}
		if d.Settled, err = h.standing(ctx, tx, d.Visit.ID); err != nil || d.Settled != nil {
			return err
		}
		if d.Lines, err = h.Settlement.WaitingFees(ctx, tx, d.Visit.ID); err != nil {
			return err
		}
		if len(d.Lines) > 0 {
			if d.Preview, err = h.Settlement.Preview(ctx, tx, settlement.SettleRequest{Visit: d.Visit.ID, Person: d.Visit.Person, Provider: d.Visit.Provider, Total: sum(d.Lines), UseAccount: use(d.Keep)}); err != nil {
				return err
			}
		}
		if d.Query == "" || len(d.Query) > 100 {
			return nil
		}
		region := d.Provider.Region
		return catalogue.Items(ctx, tx, catalogue.Filter{Typed: d.Query, Region: &region, On: h.Today()}, catalogue.Page{Limit: found}, func(it catalogue.Listed) error {
			// What holds in the region alone goes before what holds everywhere.
			if n := len(d.Items); n > 0 && d.Items[n-1].Code == it.Code {
				d.Items[n-1] = it.Item
				return nil
			}
			d.Items = append(d.Items, it.Item)
			return nil
		})
	}); err != nil {
		return err
	}
	return v.Show("visit.html", web.MaskName(d.Person.Name), d)
}

func sum(lines []settlement.Waiting) (total money.Fen) {
	for _, l := range lines {
		total += l.Amount
	}
	return total
}

// change does something about the visit that the address names, and shows it
// again.
func (h *handler) change(v *web.Visit, said string, f func(ctx context.Context, tx *db.Tx, x settlement.Visit) error) error {
	id := ""
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		x, err := h.find(ctx, tx, v)
		if err != nil {
			return err
		}
		id = x.ID
		return f(ctx, tx, x)
	}); err != nil {
		return err
	}
	to := "/counter/" + id
	if v.Value("keep") == "1" {
		to += "?keep=1"
	}
	if said == "" {
		return v.Go(to)
	}
	return v.Done(to, said)
}

// pieces reads a quantity: two decimals are enough for a till.
func pieces(v *web.Visit) (catalogue.Quantity, error) {
	q, err := money.Parse(v.Value("quantity"))
	if err != nil || q <= 0 || q > maxQuantity*100 {
		return 0, &web.Fault{Field: "quantity", Want: "数量「" + v.Value("quantity") + "」应为大于 0、不超过 10,000 的数，至多两位小数"}
	}
	return catalogue.Quantity(q) * 100, nil
}

func (h *handler) add(v *web.Visit) error {
	price, err := money.Parse(v.Value("price"))
	if err != nil || price <= 0 {
		return &web.Fault{Field: "price", Want: "单价「" + v.Value("price") + "」应为大于 0 的金额，至多两位小数"}
	}
	q, err := pieces(v)
	if err != nil {
		return err
	}
	return h.change(v, "", func(ctx context.Context, tx *db.Tx, x settlement.Visit) error {
		if st, err := h.standing(ctx, tx, x.ID); err != nil || st != nil {
			return errors.Join(err, &web.Fault{Field: "item", Want: "这次就诊已结算；再买请重新扫码"})
		}
		return h.charge(ctx, tx, v, x, v.Value("item"), q, int64(price)*10_000)
	})
}

// charge puts a line on the bill; price is in 10^-6 yuan.
func (h *handler) charge(ctx context.Context, tx *db.Tx, v *web.Visit, x settlement.Visit, item string, q catalogue.Quantity, price int64) error {
	_, err := h.Settlement.AddFees(ctx, tx, x.ID, x.Provider, []settlement.Fee{{Serial: "W" + rand.Text()[:20], Item: item, ProviderItem: item, Time: h.Clock(),
		Quantity: q, Price: price, Amount: settlement.Multiply(q, price)}}, actor(v))
	return err
}

// line changes the line of the bill that a form names.
func (h *handler) line(v *web.Visit, said string, f func(ctx context.Context, tx *db.Tx, x settlement.Visit, l settlement.Waiting) error) error {
	return h.change(v, said, func(ctx context.Context, tx *db.Tx, x settlement.Visit) error {
		lines, err := h.Settlement.WaitingFees(ctx, tx, x.ID)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if l.Serial != v.Value("serial") {
				continue
			}
			if _, err := h.Settlement.WithdrawFees(ctx, tx, settlement.WithdrawRequest{Visit: x.ID, Person: x.Person, Provider: x.Provider, Serials: []string{l.Serial}, Actor: actor(v)}); err != nil {
				return err
			}
			return f(ctx, tx, x, l)
		}
		return &web.Fault{Field: "serial", Want: "这一项已经不在单子上"}
	})
}

// quantity changes how many of a line there are: the line is taken back and put on
// the bill anew.
func (h *handler) quantity(v *web.Visit) error {
	q, err := pieces(v)
	if err != nil {
		return err
	}
	return h.line(v, "", func(ctx context.Context, tx *db.Tx, x settlement.Visit, l settlement.Waiting) error {
		return h.charge(ctx, tx, v, x, l.Item, q, l.Price)
	})
}

func (h *handler) remove(v *web.Visit) error {
	return h.line(v, "", func(context.Context, *db.Tx, settlement.Visit, settlement.Waiting) error { return nil })
}

func (h *handler) settle(v *web.Visit) error {
	total, err := money.Parse(v.Value("total"))
	if err != nil {
		return &web.Fault{Field: "total", Want: "缺少合计"}
	}
	return h.change(v, "已结算。", func(ctx context.Context, tx *db.Tx, x settlement.Visit) error {
		_, err := h.Settlement.Settle(ctx, tx, settlement.SettleRequest{Visit: x.ID, Person: x.Person, Provider: x.Provider, Total: total, UseAccount: use(v.Value("keep") == "1"), Actor: actor(v)})
		return err
	})
}

// reverse takes the settlement back; what the till hands back in cash is said.
func (h *handler) reverse(v *web.Visit) error {
	id, cash := "", money.Fen(0)
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		x, err := h.find(ctx, tx, v)
		if err != nil {
			return err
		}
		st, err := h.standing(ctx, tx, x.ID)
		if err != nil {
			return err
		}
		if st == nil {
			return &web.Fault{Field: "visit", Want: "没有可以撤销的结算"}
		}
		id, cash = x.ID, st.Result.Cash
		_, err = h.Settlement.Reverse(ctx, tx, settlement.ReverseRequest{Settlement: st.ID, Visit: x.ID, Person: x.Person, Provider: x.Provider, Actor: actor(v)})
		return err
	}); err != nil {
		return err
	}
	said := "已撤销结算，费用可以修改后重新结算。"
	if cash > 0 {
		said = "已撤销结算，请退还现金 " + v.Money(cash) + "。费用可以修改后重新结算。"
	}
	return v.Done("/counter/"+id, said)
}

// cancel gives up a visit that was not settled: what is on the bill is taken back
// first.
func (h *handler) cancel(v *web.Visit) error {
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		x, err := h.find(ctx, tx, v)
		if err != nil {
			return err
		}
		lines, err := h.Settlement.WaitingFees(ctx, tx, x.ID)
		if err == nil && len(lines) > 0 {
			_, err = h.Settlement.WithdrawFees(ctx, tx, settlement.WithdrawRequest{Visit: x.ID, Person: x.Person, Provider: x.Provider, Actor: actor(v)})
		}
		if err != nil {
			return err
		}
		return h.Settlement.Cancel(ctx, tx, settlement.CancelRequest{Visit: x.ID, Person: x.Person, Provider: x.Provider, Actor: actor(v)})
	}); err != nil {
		return err
	}
	return v.Done("/counter", "已取消。")
}

// settled reads the settlement that stands of the visit that the address names.
func (h *handler) settled(v *web.Visit, f func(ctx context.Context, tx *db.Tx, st *settlement.Settlement) error) (st *settlement.Settlement, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		x, err := h.find(ctx, tx, v)
		if err != nil {
			return err
		}
		listed, err := h.standing(ctx, tx, x.ID)
		if err == nil && listed == nil {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		if st, _, err = h.Settlement.Get(ctx, tx, listed.ID); err == nil && f != nil {
			err = f(ctx, tx, st)
		}
		return err
	})
	return st, err
}

func bill(v *web.Visit, st *settlement.Settlement) web.Bill {
	b := web.NewBill(v.Lang, &st.Case, &st.Result, st.Steps)
	b.ID, b.Name, b.Provider, b.Time, b.Back = st.ID, web.MaskName(st.Person.Name), st.Provider.Name, st.At, "/counter/"+st.Visit.ID
	return b
}

// explained is the settlement with every step.
func (h *handler) explained(v *web.Visit) error {
	st, err := h.settled(v, nil)
	if err != nil {
		return err
	}
	return v.Show("explained.html", "结算说明", bill(v, st))
}

type receiptData struct {
	web.Bill
	Settled *settlement.Settlement
	Fees    []settlement.SettledFee
	Roll    bool // of 80 mm, not a sheet of A5
	Here    string
}

// receipt is what the person takes home, on a sheet of A5 or a roll of 80 mm.
func (h *handler) receipt(v *web.Visit) error {
	d := receiptData{Roll: v.Value("paper") == "80", Here: v.URL.Path}
	st, err := h.settled(v, func(ctx context.Context, tx *db.Tx, st *settlement.Settlement) (err error) {
		d.Fees, err = h.Settlement.SettledFees(ctx, tx, st)
		return err
	})
	if err != nil {
		return err
	}
	d.Settled, d.Bill = st, bill(v, st)
	return v.Show("receipt.html", "结算单", d)
}
