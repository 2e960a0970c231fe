package portal

import (
	"context"
	"slices"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/place"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/web"
)

type filingsData struct {
	Applications []*filing.Application
	Today        civil.Date
}

func (h *handler) filings(v *web.Visit) error {
	d := filingsData{Today: h.Today()}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		d.Applications, err = h.Filings.OfPerson(ctx, tx, v.Who.Acting.ID)
		return err
	}); err != nil {
		return err
	}
	return v.Show("filings.html", v.Say("备案与认定", "Filings"), d)
}

type newFilingData struct {
	Rules  *policy.AwayFiling
	Why    string // nothing can be applied for
	Group  policy.AwayGroup
	Chosen bool
	Places []place.Province
	Today  civil.Date
}

// Whole reports whether a province is filed as a whole.
func (d newFilingData) Whole(code string) bool { return slices.Contains(d.Rules.Provinces, code) }

func (h *handler) newFiling(v *web.Visit) error {
	d := newFilingData{Places: place.Provinces(), Today: h.Today()}
	rules, err := h.Filings.Rules(v.Who.Acting.Region)
	if _, text, ok := web.Refusal(err); ok {
		d.Why, err = text, nil
	}
	if err != nil {
		return err
	}
	if d.Rules = rules; rules != nil {
		d.Group, d.Chosen = rules.Group(v.Value("group"))
		d.Chosen = d.Chosen && !d.Group.Hospital
	}
	return v.Show("filing-new.html", v.Say("异地就医备案", "File for care elsewhere"), d)
}

func (h *handler) applyFiling(v *web.Visit) error {
	q := filing.AwayRequest{Person: v.Who.Acting.ID, Channel: filing.Online, Actor: v.Who.Actor(), Phone: v.Who.Person.Phone,
		Away: filing.Away{Group: v.Value("group"), Destination: v.Value("destination"), Commitment: v.Value("commitment") == "1"}}
	var err error
	if q.From, err = day(v, "from"); err != nil {
		return err
	}
	if q.To, err = day(v, "to"); err != nil {
		return err
	}
	var a *filing.Application
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		a, err = h.Filings.ApplyAway(ctx, tx, q)
		return err
	}); err != nil {
		return err
	}
	return v.Done("/me/filings/"+a.ID, v.Say("已提交，备案号 ", "Submitted as ")+a.ID)
}

// day reads a day that may be left out.
func day(v *web.Visit, field string) (civil.Date, error) {
	s := v.Value(field)
	if s == "" {
		return 0, nil
	}
	d, err := civil.Parse(s)
	if err != nil {
		return 0, &web.Fault{Field: field, Want: v.Say("「"+s+"」不是日期", "not a day")}
	}
	return d, nil
}

// ownFiling finds the application that the address names, if it is whose affairs
// the session is about.
func (h *handler) ownFiling(v *web.Visit) (a *filing.Application, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Filings.Get(ctx, tx, v.PathValue("application"))
		if err == nil && (!ok || found.Person != v.Who.Acting.ID) {
			err = web.ErrNotFound
		}
		a = found
		return err
	})
	return a, err
}

type filingData struct {
	*filing.Application
	Today      civil.Date
	Commitment bool // one may be signed
}

func (h *handler) filing(v *web.Visit) error {
	a, err := h.ownFiling(v)
	if err != nil {
		return err
	}
	d := filingData{Application: a, Today: h.Today()}
	if a.Details.Away != nil && a.State == filing.Returned {
		if rules, err := h.Filings.Rules(a.Region); err == nil {
			g, _ := rules.Group(a.Details.Away.Group)
			d.Commitment = g.Commitment
		}
	}
	return v.Show("filing.html", v.Say(a.Kind().Title(), english(a.Kind().Title())), d)
}

func (h *handler) completeFiling(v *web.Visit) error {
	a, err := h.ownFiling(v)
	if err != nil {
		return err
	}
	if v.Value("commitment") != "1" {
		return &web.Fault{Field: "commitment", Want: v.Say("请签署承诺书，或把材料交到经办窗口", "sign the commitment, or bring the papers to the counter")}
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Filings.Complete(ctx, tx, a.ID, a.Person, nil, true, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/me/filings/"+a.ID, v.Say("已补正并重新提交。", "Completed and submitted again."))
}

func (h *handler) withdrawFiling(v *web.Visit) error {
	a, err := h.ownFiling(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.Filings.Withdraw(ctx, tx, filing.WithdrawRequest{ID: a.ID, Kind: a.Kind(), Person: a.Person, Reason: "本人撤销", Actor: v.Who.Actor()})
	}); err != nil {
		return err
	}
	return v.Done("/me/filings/"+a.ID, v.Say("已撤销。", "Withdrawn."))
}
