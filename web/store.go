package web

import (
	"context"
	"html/template"
	"time"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// Store is where an app reads and writes, and what time it is there.
type Store struct {
	DB  *db.DB
	Now func() time.Time // nil: time.Now
}

// Clock is the time of the store.
func (s *Store) Clock() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Today is the day in China.
func (s *Store) Today() civil.Date { return civil.Of(s.Clock().In(china)) }

// Read runs f on what the store holds now.
func (s *Store) Read(v *Visit, f func(context.Context, *db.Tx) error) error {
	return s.DB.View(v.Ctx(), func(tx *db.Tx) error { return f(v.Ctx(), tx) })
}

// Write runs f in one transaction.
func (s *Store) Write(v *Visit, f func(context.Context, *db.Tx) error) error {
	return s.DB.Update(v.Ctx(), func(tx *db.Tx) error { return f(v.Ctx(), tx) })
}

// Bill is a settlement explained, as the template "bill" shows it. Names and
// citizen IDs are masked by who fills them in.
type Bill struct {
	*bill.Bill
	ID, Name, CitizenID, Provider string
	Time                          time.Time
	Reversed                      bool
	Waterfall                     template.HTML
	Visit                         policy.VisitKind
	PolicyText                    string
	Back                          string // address of the page before, for those that say it
}

// NewBill explains a settlement in a language; what it is of is for the caller to
// fill in.
func NewBill(lang bill.Lang, c *policy.Case, r *policy.Result, steps []policy.Step) Bill {
	b := bill.New(lang, c, r, steps)
	// bill.SVG escapes every text it writes.
	return Bill{Bill: b, Visit: c.Visit, PolicyText: b.Package.Text(lang), Waterfall: template.HTML(bill.SVG(b, "waterfall"))}
}
