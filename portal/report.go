package portal

import (
	"context"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/tipoff"
	"github.com/anji-platform/anji/web"
)

func (h *handler) reportRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /report", For: web.Everyone, Do: h.report},
		{Pattern: "POST /report", For: web.Everyone, Do: h.sendReport, Again: h.report},
		{Pattern: "GET /report/progress", For: web.Everyone, Do: h.progressForm},
		{Pattern: "POST /report/progress", For: web.Everyone, Do: h.progress, Again: h.progressForm},
	}
}

// From one address so many tip-offs are taken within an hour, and so many secrets
// tried.
const (
	reportsAnHour  = 12
	progressAnHour = 40
)

type reportData struct {
	Groups   []tipoff.Group
	Abouts   []tipoff.About
	Regions  []estimateRegion
	Region   string
	Provider *provider.Provider // who is told of, if that was chosen before
	Code     string
	Today    civil.Date
	Least    int
	Most     int
	Term     int // working days in which it is decided whether it is taken up; 0: not said
}

func (h *handler) report(v *web.Visit) error {
	d := reportData{Groups: tipoff.Behaviours(), Abouts: tipoff.Abouts(), Regions: h.regions(), Region: h.region(v), Today: h.Today(), Least: tipoff.MinText, Most: tipoff.MaxText}
	d.Code = v.Value("code")
	if d.Code == "" || v.Field == "code" {
		d.Code = tipoff.NewCode()
	}
	if code := v.Value("provider"); code != "" {
		if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
			p, ok, err := provider.Get(ctx, tx, code)
			if ok {
				d.Provider = &p
			}
			return err
		}); err != nil {
			return err
		}
	}
	if rules, ok := h.Policies.TipOffs(d.Region, d.Today); ok {
		d.Term = rules.AcceptDays
	}
	return v.Show("report.html", v.Say("举报骗保", "Report fraud"), d)
}

// sendReport takes a tip-off. Nothing of who is signed in is kept with it: who
// wants to be known fills in a name.
func (h *handler) sendReport(v *web.Visit) error {
	if err := h.SignIn.Allow(v.Ctx(), "tipoff "+v.Address(), reportsAnHour, time.Hour); err != nil {
		return err
	}
	q := tipoff.Entry{Region: v.Value("region"), Channel: tipoff.Online, Behaviour: v.Value("behaviour"), About: tipoff.About(v.Value("about")),
		Provider: v.Value("provider"), Subject: v.Value("subject"), Text: v.Value("text"), Code: v.Value("code")}
	var err error
	if q.Happened, err = day(v, "happened"); err != nil {
		return err
	}
	if v.Value("named") == "1" {
		q.Reporter = &tipoff.Reporter{Name: v.Value("name"), Phone: v.Value("phone")}
	}
	var t *tipoff.TipOff
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		t, err = h.TipOffs.Enter(ctx, tx, q)
		return err
	}); err != nil {
		return err
	}
	return v.Show("report-done.html", v.Say("已收到您的举报", "Your report was received"), reportDone{t, q.Code})
}

type reportDone struct {
	*tipoff.TipOff
	Code string
}

// Spaced is the secret in fours, to be written down.
func (d reportDone) Spaced() string {
	out := ""
	for i, r := range d.Code {
		if i > 0 && i%4 == 0 {
			out += "-"
		}
		out += string(r)
	}
	return out
}

func (h *handler) progressForm(v *web.Visit) error {
	return v.Show("report-progress.html", v.Say("查举报进度", "How a report stands"), nil)
}

func (h *handler) progress(v *web.Visit) error {
	if err := h.SignIn.Allow(v.Ctx(), "tipoff progress "+v.Address(), progressAnHour, time.Hour); err != nil {
		return err
	}
	var t *tipoff.TipOff
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		t, err = h.TipOffs.Progress(ctx, tx, v.Value("id"), v.Value("code"))
		return err
	}); err != nil {
		return err
	}
	return v.Show("report-progress.html", v.Say("查举报进度", "How a report stands"), t)
}
