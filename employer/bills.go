package employer

import (
	"slices"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/web"
)

func (h *handler) billRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /employer/bills", For: employers, Do: h.bills},
		{Pattern: "GET /employer/{declaration}/receipt", For: employers, Do: h.receipt},
	}
}

// owed is what is due on a day and not paid.
type owed struct {
	contribution.Declaration
	Late    money.Fen
	Overdue bool
}

// Sum is what is due with the late fee.
func (o owed) Sum() money.Fen { return o.Total() + o.Late }

type billsData struct {
	Employer contribution.Employer
	Today    civil.Date
	Open     []owed // to pay, the earliest due first
	Paid     []owed
	Sum      money.Fen // of what is open, late fees included
	Pay      bool
}

// bills are the employer's: what is to be paid until when, and what was paid.
func (h *handler) bills(v *web.Visit) error {
	d := billsData{Today: h.today(), Pay: h.Pay != nil}
	if err := h.DB.View(v.Ctx(), func(tx *db.Tx) (err error) {
		if d.Employer, err = h.find(v, tx); err != nil {
			return err
		}
		all, err := h.Dues.Declarations(v.Ctx(), tx, d.Employer.Code)
		if err != nil {
			return err
		}
		for i := range all {
			x := owed{Declaration: all[i], Late: all[i].Late}
			switch x.State {
			case contribution.Confirmed:
				if x.Late, _, err = h.Dues.LateFee(&all[i], d.Today); err != nil {
					return err
				}
				x.Overdue = d.Today > x.Due
				d.Open = append(d.Open, x)
				d.Sum += x.Sum()
			case contribution.DuePaid:
				d.Paid = append(d.Paid, x)
			}
		}
		slices.Reverse(d.Open)
		return nil
	}); err != nil {
		return err
	}
	return v.Show("bills.html", "账单", d)
}

// share is what was paid under one title.
type share struct {
	Title  string
	Payer  string
	Amount money.Fen
}

type receiptData struct {
	Employer contribution.Employer
	*contribution.Declaration
	People  int
	Shares  []share
	Payment contribution.Payment
}

// Sum is what was paid.
func (d receiptData) Sum() money.Fen { return d.Total() + d.Late }

// Channel is by what it was paid.
func (d receiptData) Channel() string {
	switch d.Payment.Channel {
	case "bank":
		return "银行代扣"
	case "counter":
		return "柜台"
	}
	return "线上缴费"
}

// receipt is the voucher of a paid month (缴费凭证).
func (h *handler) receipt(v *web.Visit) error {
	e, x, err := h.read(v)
	if err != nil {
		return err
	}
	if x.State != contribution.DuePaid {
		return web.ErrNotFound
	}
	d := receiptData{Employer: e, Declaration: x}
	for _, r := range x.Rows {
		if len(r.Parts) > 0 {
			d.People++
		}
		for _, p := range r.Parts {
			i := slices.IndexFunc(d.Shares, func(s share) bool { return s.Title == p.Title && s.Payer == p.Payer })
			if i < 0 {
				i = len(d.Shares)
				d.Shares = append(d.Shares, share{Title: p.Title, Payer: p.Payer})
			}
			d.Shares[i].Amount += p.Amount
		}
	}
	if err := h.DB.View(v.Ctx(), func(tx *db.Tx) error {
		all, err := h.Dues.Payments(v.Ctx(), tx, x.ID)
		for _, p := range all {
			if p.State == contribution.Applied {
				d.Payment = p
			}
		}
		return err
	}); err != nil {
		return err
	}
	return v.Show("receipt.html", x.Month.String()[:7]+" 缴费凭证", d)
}
