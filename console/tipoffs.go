package console

import (
	"context"
	"net/url"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/tipoff"
	"github.com/anji-platform/anji/web"
)

// Those who take tip-offs down, and those who look into them. Nobody else sees any.
var (
	tipoffIntake = []signin.Role{signin.Intake}
	tipoffSee    = []signin.Role{signin.Intake, signin.Inspector}
	inspectors   = []signin.Role{signin.Inspector}
)

func (h *handler) tipoffRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /console/tipoffs", For: tipoffSee, Do: h.tipoffs},
		{Pattern: "GET /console/tipoffs/new", For: tipoffIntake, Do: h.newTipoff},
		{Pattern: "POST /console/tipoffs", For: tipoffIntake, Do: h.enterTipoff, Again: h.newTipoff},
		{Pattern: "GET /console/tipoffs/{tipoff}", For: tipoffSee, Do: h.tipoff},
		{Pattern: "POST /console/tipoffs/{tipoff}/decide", For: tipoffSee, Do: h.decideTipoff, Again: h.tipoff},
		{Pattern: "POST /console/tipoffs/{tipoff}/check", For: inspectors, Do: h.checkTipoff, Again: h.tipoff},
		{Pattern: "POST /console/tipoffs/{tipoff}/close", For: inspectors, Do: h.closeTipoff, Again: h.tipoff},
		{Pattern: "POST /console/tipoffs/{tipoff}/reveal", For: inspectors, Do: h.revealReporter, Again: h.tipoff},
	}
}

func (h *handler) tipoffLinks(v *web.Visit) []web.Link {
	if !v.Who.Has(tipoffSee...) {
		return nil
	}
	open := 0
	_ = h.Read(v, func(ctx context.Context, tx *db.Tx) error { // a number beside a link: a page goes without it
		n, err := h.TipOffs.Counts(ctx, tx, v.Operator().Region)
		open = n[tipoff.Entered]
		if v.Who.Has(signin.Inspector) {
			open += n[tipoff.Accepted] + n[tipoff.Checking]
		}
		return err
	})
	return []web.Link{{Path: "/console/tipoffs", Title: "举报", Icon: "report", Count: open}}
}

type tipoffsData struct {
	State      tipoff.State
	States     []tipoff.State
	Counts     map[tipoff.State]int
	All, Late  bool
	Rows       []*tipoff.TipOff
	Next, Back string
	Today      civil.Date
}

func (h *handler) tipoffs(v *web.Visit) error {
	q := v.URL.Query()
	page := pageOf(v)
	d := tipoffsData{State: tipoff.State(q.Get("state")), States: tipoff.States(), All: q.Get("all") == "1", Late: q.Get("late") == "1", Today: h.Today()}
	if d.State == "" && !d.All && !d.Late {
		d.State = tipoff.Entered
		if v.Who.Has(signin.Inspector) {
			d.All, d.State = true, ""
		}
	}
	f := tipoff.Filter{Region: v.Operator().Region, State: d.State, Offset: (page - 1) * perPage, Limit: perPage + 1}
	if d.Late {
		f.LateOn, f.State = d.Today, ""
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Counts, err = h.TipOffs.Counts(ctx, tx, f.Region); err != nil {
			return err
		}
		d.Rows, err = h.TipOffs.Queue(ctx, tx, f)
		return err
	}); err != nil {
		return err
	}
	if len(d.Rows) > perPage {
		d.Rows, d.Next = d.Rows[:perPage], turned(v, page+1)
	}
	if page > 1 {
		d.Back = turned(v, page-1)
	}
	return v.Show("tipoffs.html", "举报", d)
}

type newTipoffData struct {
	Groups   []tipoff.Group
	Abouts   []tipoff.About
	Channels []tipoff.Channel
	Code     string
	Region   string
	Regions  []*policy.Package
	Today    civil.Date
	Least    int
	Most     int
}

func (h *handler) newTipoff(v *web.Visit) error {
	d := newTipoffData{Groups: tipoff.Behaviours(), Abouts: tipoff.Abouts(), Code: v.Value("code"), Region: v.Operator().Region, Today: h.Today(), Least: tipoff.MinText, Most: tipoff.MaxText}
	for _, c := range tipoff.Channels() {
		if c != tipoff.Online {
			d.Channels = append(d.Channels, c)
		}
	}
	if d.Region == "" {
		for _, code := range h.Policies.Regions() {
			if p, err := h.Policies.At(code, d.Today); err == nil {
				d.Regions = append(d.Regions, p)
			}
		}
	}
	if d.Code == "" || v.Field == "code" {
		d.Code = tipoff.NewCode()
	}
	return v.Show("tipoff-new.html", "登记举报", d)
}

// enterTipoff writes down what somebody told by phone, message or letter, or at the
// counter. The officer reads number and secret out to them.
func (h *handler) enterTipoff(v *web.Visit) error {
	q := tipoff.Entry{Region: v.Operator().Region, Channel: tipoff.Channel(v.Value("channel")), Behaviour: v.Value("behaviour"), About: tipoff.About(v.Value("about")),
		Subject: v.Value("subject"), Text: v.Value("text"), Code: v.Value("code"), Actor: v.Who.Actor()}
	if q.Region == "" {
		q.Region = v.Value("region")
	}
	if s := v.Value("happened"); s != "" {
		var err error
		if q.Happened, err = civil.Parse(s); err != nil {
			return &web.Fault{Field: "happened", Want: "「" + s + "」不是日期"}
		}
	}
	if v.Value("named") == "1" {
		q.Reporter = &tipoff.Reporter{Name: v.Value("name"), Phone: v.Value("phone")}
	}
	var t *tipoff.TipOff
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if q.About == tipoff.Provider { // who is named in full is taken for the one in the register
			found, err := provider.Named(ctx, tx, q.Subject, 2)
			if err != nil {
				return err
			}
			if len(found) == 1 && found[0].Region == q.Region {
				q.Provider = found[0].Code
			}
		}
		t, err = h.TipOffs.Enter(ctx, tx, q)
		return err
	}); err != nil {
		return err
	}
	return v.Show("tipoff-done.html", "已登记，请告知举报人", tipoffDone{t, q.Code})
}

type tipoffDone struct {
	*tipoff.TipOff
	Code string
}

type tipoffData struct {
	*tipoff.TipOff
	Today    civil.Date
	Own      bool // entered by who looks at it
	Took     bool // taken up by who looks at it
	Reporter *tipoff.Reporter
	Revealed bool
	Name     string // of the provider
	Rules    *policy.TipOffs
	Earns    tipoff.Rewarded // of one yuan: how a reward is worked out
}

// findTipoff finds the tip-off that the address names, if it is of the officer's
// region.
func (h *handler) findTipoff(v *web.Visit) (d tipoffData, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		t, ok, err := h.TipOffs.Get(ctx, tx, v.PathValue("tipoff"))
		if region := v.Operator().Region; err == nil && (!ok || region != "" && t.Region != region) {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		d.TipOff = t
		if t.Provider != "" {
			p, _, err := provider.Get(ctx, tx, t.Provider)
			d.Name = p.Name
			return err
		}
		return nil
	})
	if err != nil {
		return d, err
	}
	d.Today, d.Own, d.Took = h.Today(), d.EnteredBy == v.Who.Actor(), d.TakenBy == v.Who.Actor()
	d.Rules, _ = h.Policies.TipOffs(d.Region, d.Today)
	d.Earns, err = tipoff.Reward(h.Policies, d.Region, d.Today, 100)
	return d, err
}

func (h *handler) tipoff(v *web.Visit) error {
	d, err := h.findTipoff(v)
	if err != nil {
		return err
	}
	return v.Show("tipoff.html", "举报 "+d.ID, d)
}

// change does something to the tip-off that the address names, and leads back.
func (h *handler) change(v *web.Visit, do func(context.Context, *db.Tx, string) (*tipoff.TipOff, error)) error {
	d, err := h.findTipoff(v)
	if err != nil {
		return err
	}
	var t *tipoff.TipOff
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		t, err = do(ctx, tx, d.ID)
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/tipoffs/"+url.PathEscape(d.ID), t.State.Title()+"，举报人凭查询码可以看到。")
}

func (h *handler) decideTipoff(v *web.Visit) error {
	accept := v.Value("decision") == "accept"
	if !accept && v.Value("decision") != "decline" {
		return &web.Fault{Field: "decision", Want: "请选择受理或不予受理"}
	}
	return h.change(v, func(ctx context.Context, tx *db.Tx, id string) (*tipoff.TipOff, error) {
		return h.TipOffs.Decide(ctx, tx, id, accept, v.Value("reason"), v.Who.Actor())
	})
}

func (h *handler) checkTipoff(v *web.Visit) error {
	return h.change(v, func(ctx context.Context, tx *db.Tx, id string) (*tipoff.TipOff, error) {
		return h.TipOffs.Check(ctx, tx, id, v.Value("note"), v.Who.Actor())
	})
}

func (h *handler) closeTipoff(v *web.Visit) error {
	o := tipoff.Outcome{Founded: v.Value("outcome") == "founded", Reason: v.Value("result")}
	if !o.Founded && v.Value("outcome") != "unfounded" {
		return &web.Fault{Field: "outcome", Want: "请选择查实或未查实"}
	}
	if s := v.Value("recovered"); s != "" {
		var err error
		if o.Recovered, err = money.Parse(s); err != nil {
			return &web.Fault{Field: "recovered", Want: "「" + s + "」不是金额：应为 0 或以上的数，至多两位小数"}
		}
	}
	return h.change(v, func(ctx context.Context, tx *db.Tx, id string) (*tipoff.TipOff, error) {
		return h.TipOffs.Close(ctx, tx, id, o, v.Who.Actor())
	})
}

// revealReporter shows who told of it, once, for a purpose that is kept on record.
func (h *handler) revealReporter(v *web.Visit) error {
	d, err := h.findTipoff(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		d.Reporter, err = h.TipOffs.Reveal(ctx, tx, d.ID, v.Who.Actor(), v.Value("purpose"))
		return err
	}); err != nil {
		return err
	}
	d.Revealed = true
	return v.Show("tipoff.html", "举报 "+d.ID, d)
}
