package portal

import (
	"context"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/statement"
	"github.com/anji-platform/anji/web"
)

func (h *handler) statementRoutes() []web.Route {
	return []web.Route{{Pattern: "GET /me/care/{settlement}/statement.pdf", For: people, Do: h.statement}}
}

// statement gives people the statement of a settlement (结算单) as a file, masked
// as the page is. That it was made is on the person's record.
func (h *handler) statement(v *web.Visit) error {
	st, err := h.ownSettlement(v)
	if err != nil {
		return err
	}
	name := web.MaskName(st.Person.Name)
	d := statement.Bill(bill.New(v.Lang, &st.Case, &st.Result, st.Steps), statement.Settled{ID: st.ID, Name: name,
		Provider: st.Provider.Name, Care: v.Care(st.Case.Visit), Time: st.At, Reversed: st.ReversedBy != ""})
	d.At = h.Clock()
	d.Made = v.Say("本人下载 ", "Downloaded by the person, ") + v.Time(d.At)
	d.Mark = v.Mark()
	body, err := d.PDF()
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return audit.Append(ctx, tx, audit.Record{At: d.At, Actor: v.Who.Actor(), Chain: audit.OfPerson(st.Person.ID), Action: "person.statement", Subject: st.ID})
	}); err != nil {
		return err
	}
	return v.Attach(d.Title+" "+st.ID+".pdf", statement.Type, body)
}
