package portal

import (
	"context"
	"slices"
	"strconv"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/place"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/web"
)

type filingsData struct {
	Applications []*filing.Application
	Rules        *policy.SpecialDiseases // nil: not known
	Diseases     []held
	Hospitals    []filing.Chosen
	Today        civil.Date
}

func (h *handler) filings(v *web.Visit) (err error) {
	d := filingsData{Today: h.Today()}
	if d.Rules, _, err = h.diseases(v); err != nil {
		return err
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Diseases, err = h.heldDiseases(ctx, tx, &v.Who.Acting, d.Rules); err != nil {
			return err
		}
		if d.Hospitals, err = h.Filings.Hospitals(ctx, tx, v.Who.Acting.ID, d.Today); err != nil {
			return err
		}
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
	if rules, err := h.Filings.Rules(v.Who.Acting.Region); err == nil {
		g, _ := rules.Group(q.Away.Group)
		for i, label := range g.Papers {
			field := "paper" + strconv.Itoa(i)
			if v.MultipartForm == nil || len(v.MultipartForm.File[field]) == 0 {
				continue // it may come later, or a commitment does instead
			}
			sheets, err := h.sheets(v, field)
			if err != nil {
				return err
			}
			for _, s := range sheets {
				s.Label = label
				q.Sheets = append(q.Sheets, s)
			}
		}
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
	Today       civil.Date
	By          string // the provider that declared it
	Commitment  bool   // one may be signed
	Asked       []string
	Missing     []string
	Files       []paper.File
	Fill        recognition
	Changes     bool                // it may be changed for another place
	Stay, Visit policy.DirectAnswer // whether care there is settled at once
}

// Of are the files of a kind.
func (d filingData) Of(label string) (out []paper.File) {
	for _, f := range d.Files {
		if f.Label == label {
			out = append(out, f)
		}
	}
	return out
}

// Seen reports whether the original of a paper was seen at a counter.
func (d filingData) Seen(label string) bool {
	return !slices.Contains(lacking([]string{label}, d.Application, nil), label)
}

// Slots are as many places for hospitals as may still be chosen, each with what
// is chosen.
func (d filingData) Slots() (out []string) {
	if d.Fill.Rules == nil {
		return nil
	}
	for _, c := range d.Details.Disease.Hospitals {
		out = append(out, c.Code)
	}
	for len(out) < d.Fill.Rules.Hospitals-len(d.Fill.Held) {
		out = append(out, "")
	}
	return out
}

func (h *handler) filing(v *web.Visit) error {
	a, err := h.ownFiling(v)
	if err != nil {
		return err
	}
	d := filingData{Application: a, Today: h.Today(), Asked: h.Filings.Asked(a)}
	if a.Details.Away != nil {
		d.Changes = a.StateOn(d.Today) == filing.Accepted
		if d.Stay, err = h.Policies.Direct(a.Region, a.Details.Away.Destination, policy.Inpatient, d.Today); err != nil {
			return err
		}
		if d.Visit, err = h.Policies.Direct(a.Region, a.Details.Away.Destination, policy.Outpatient, d.Today); err != nil {
			return err
		}
		if rules, err := h.Filings.Rules(a.Region); err == nil && a.State == filing.Returned {
			g, _ := rules.Group(a.Details.Away.Group)
			d.Commitment = g.Commitment
		}
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		by, _, err := provider.Get(ctx, tx, a.Provider)
		if err != nil {
			return err
		}
		d.By = by.Name
		if d.Files, err = h.Filings.Papers(ctx, tx, a); err != nil {
			return err
		}
		if a.Details.Disease != nil && a.Provider == "" {
			d.Fill, err = h.fill(ctx, tx, v, a)
			if _, _, refused := web.Refusal(err); refused {
				err = nil // the region lists no diseases any more
			}
		}
		return err
	}); err != nil {
		return err
	}
	d.Missing = lacking(d.Asked, a, d.Files)
	return v.Show("filing.html", v.Say(a.Title(), english(a.Title())), d)
}

func (h *handler) completeFiling(v *web.Visit) error {
	a, err := h.ownFiling(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		files, err := h.Filings.Papers(ctx, tx, a)
		if err != nil {
			return err
		}
		asked := h.Filings.Asked(a)
		if v.Value("commitment") != "1" && (len(asked) == 0 || len(lacking(asked, a, files)) > 0) {
			return &web.Fault{Field: "commitment", Want: v.Say("请上传材料，或签署承诺书", "upload the papers, or sign the commitment")}
		}
		_, err = h.Filings.Complete(ctx, tx, a.ID, a.Person, nil, v.Value("commitment") == "1", v.Who.Actor())
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
