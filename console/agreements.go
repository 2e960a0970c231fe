package console

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// agreementRoutes are the pages of providers and their agreements (定点协议).
func (h *handler) agreementRoutes() []web.Route {
	all, keep := signin.Officers(), []signin.Role{signin.Review, signin.Admin}
	return []web.Route{
		{Pattern: "GET /console/providers", For: all, Do: h.providers},
		{Pattern: "GET /console/providers.xlsx", For: all, Do: h.providersSheet},
		{Pattern: "GET /console/providers/new", For: keep, Do: h.newProvider},
		{Pattern: "POST /console/providers", For: keep, Do: h.register, Again: h.newProvider},
		{Pattern: "GET /console/providers/{provider}", For: all, Do: h.provider},
		{Pattern: "POST /console/providers/{provider}", For: keep, Do: h.propose, Again: h.provider},
		{Pattern: "GET /console/providers/proposals", For: all, Do: h.proposals},
		{Pattern: "GET /console/providers/proposals/{proposal}", For: all, Do: h.proposal},
		{Pattern: "POST /console/providers/proposals/{proposal}", For: keep, Do: h.decideProposal, Again: h.proposal},
	}
}

// maxSearch bounds what is searched for, in bytes.
const maxSearch = 100

// levels are those of hospitals.
var levels = []policy.Level{policy.Primary, policy.Level1, policy.Level2, policy.Level3}

// named finds the value of an enumeration by its name; ok is false if there is none.
func named[T interface {
	~uint8
	String() string
}](enumeration, name string) (v T, ok bool) {
	i := slices.Index(policy.Names(enumeration), name)
	return T(max(i, 0)), i >= 0
}

type providerLine struct {
	provider.Provider // as of today
	Term              provider.Term
}

type providersData struct {
	Query    string
	Kind, Of string
	Rows     []providerLine
	Total    int
	Waiting  int
	Next     string
	Back     string
}

// Standings are those that a list may be of.
func (d providersData) Standings() []provider.Standing { return provider.Standings() }

// listProviders are the providers of the officer's region that the address asks
// for, as they stand today.
func (h *handler) listProviders(v *web.Visit) (d providersData, err error) {
	q := v.URL.Query()
	d = providersData{Query: strings.TrimSpace(q.Get("q")), Kind: q.Get("kind"), Of: q.Get("of")}
	if len(d.Query) > maxSearch {
		d.Query = ""
	}
	today := h.Today()
	f := provider.Filter{Region: v.Operator().Region, Query: d.Query, On: today, Of: provider.Standing(d.Of)}
	if k, ok := named[policy.ProviderKind]("provider", d.Kind); ok {
		f.Kind = &k
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		all, err := provider.List(ctx, tx, f)
		if err != nil {
			return err
		}
		for _, p := range all {
			d.Rows = append(d.Rows, providerLine{p.On(today), p.Term(today)})
		}
		d.Waiting, err = provider.Waiting(ctx, tx, f.Region)
		return err
	})
	d.Total = len(d.Rows)
	return d, err
}

func (h *handler) providers(v *web.Visit) error {
	d, err := h.listProviders(v)
	if err != nil {
		return err
	}
	page := pageOf(v)
	d.Rows = d.Rows[min((page-1)*perPage, len(d.Rows)):]
	if len(d.Rows) > perPage {
		d.Rows, d.Next = d.Rows[:perPage], turned(v, page+1)
	}
	if page > 1 {
		d.Back = turned(v, page-1)
	}
	return v.Show("providers.html", "定点机构", d)
}

func (h *handler) providersSheet(v *web.Visit) error {
	d, err := h.listProviders(v)
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "定点医药机构", Head: []string{"机构编号", "名称", "统筹区", "类型", "等级", "协议状态", "协议到期", "民营", "统一社会信用代码"}}
	for _, r := range d.Rows {
		level, private := "", ""
		if r.Kind == policy.Hospital {
			level = r.Level.Title()
		}
		if r.Private {
			private = "是"
		}
		t.Rows = append(t.Rows, []any{r.Code, r.Name, r.Region, r.Kind.Title(), level, r.Term.Standing.Title(), r.Term.Until, private, r.CreditCode})
	}
	return h.sheet(v, t)
}

// One provider

type providerData struct {
	provider.Provider // as of today
	Terms             []provider.Term
	Today             provider.Term
	On, First         civil.Date // today, and the first day that may be proposed
	Size              provider.Size
	Months            []settlement.MonthSum
	Proposals         []*provider.Proposal
	Kinds             []provider.Kind // that fit
	Levels            []policy.Level
	RegionName        string
}

// Begin is the first day of a term in words.
func (d providerData) Begin(t provider.Term) string {
	if t.From == 0 {
		return "登记以来"
	}
	return t.From.String() + " 起"
}

func (h *handler) provider(v *web.Visit) error {
	d, err := h.findProvider(v)
	if err != nil {
		return err
	}
	return v.Show("provider.html", d.Name, d)
}

// findProvider finds the provider that the address names, if it stands in the
// officer's region.
func (h *handler) findProvider(v *web.Visit) (*providerData, error) {
	d := &providerData{On: h.Today(), Levels: levels}
	d.First = d.On.AddDays(1)
	return d, h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p, ok, err := provider.Get(ctx, tx, v.PathValue("provider"))
		if err != nil {
			return err
		}
		if region := v.Operator().Region; !ok || region != "" && p.Region != region {
			return web.ErrNotFound
		}
		d.Provider, d.Terms, d.Today = p.On(d.On), p.Terms(), p.Term(d.On)
		slices.Reverse(d.Terms)
		d.RegionName = h.regionName(p.Region)
		d.Kinds = map[provider.Standing][]provider.Kind{
			provider.Designated: {provider.Renew, provider.Suspend, provider.Terminate}, provider.Suspended: {provider.Resume, provider.Renew, provider.Terminate},
		}[d.Today.Standing]
		if d.Kinds == nil {
			d.Kinds = []provider.Kind{provider.Designate}
		}
		if p.Kind == policy.Hospital {
			d.Kinds = append(d.Kinds, provider.Relevel)
		}
		if d.Size, err = provider.SizeOf(ctx, tx, p.Code, d.On); err != nil {
			return err
		}
		if d.Months, err = settlement.MonthSums(ctx, tx, p.Code, d.On.AddMonths(-11).AddDays(1-d.On.Day())); err != nil {
			return err
		}
		d.Proposals, err = provider.Proposals(ctx, tx, provider.ProposalFilter{Provider: p.Code, Limit: 50})
		return err
	})
}

// filledProposal reads a proposal from a form.
func filledProposal(v *web.Visit, code string) (q provider.Proposal, err error) {
	q = provider.Proposal{Provider: code, Kind: provider.Kind(v.Value("kind")), Reason: v.Value("reason")}
	for _, x := range []struct {
		field string
		day   *civil.Date
	}{{"from", &q.From}, {"to", &q.To}} {
		if s := v.Value(x.field); s != "" {
			if *x.day, err = civil.Parse(s); err != nil {
				return q, &web.Fault{Field: x.field, Want: "「" + s + "」不是日期，应如 2025-07-01"}
			}
		}
	}
	if q.Kind == provider.Relevel {
		level, ok := named[policy.Level]("level", v.Value("level"))
		if !ok {
			return q, &web.Fault{Field: "level", Want: "请选择等级"}
		}
		q.Level = level
	}
	return q, nil
}

func (h *handler) propose(v *web.Visit) error {
	d, err := h.findProvider(v)
	if err != nil {
		return err
	}
	q, err := filledProposal(v, d.Code)
	if err != nil {
		return err
	}
	if q.Kind == provider.Register {
		return &web.Fault{Field: "kind", Want: "请选择要办的事"}
	}
	return h.writeProposal(v, q)
}

func (h *handler) writeProposal(v *web.Visit, q provider.Proposal) error {
	var x *provider.Proposal
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) (err error) {
		x, err = h.Agreements.Propose(ctx, tx, q, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/providers/proposals/"+x.ID, "已提出，请另一人批准。")
}

type newProviderData struct {
	First   civil.Date
	Levels  []policy.Level
	Regions map[string]string
}

func (h *handler) newProvider(v *web.Visit) error {
	d := newProviderData{First: h.Today().AddDays(1), Levels: levels, Regions: map[string]string{}}
	for _, code := range h.Policies.Regions() {
		if own := v.Operator().Region; own == "" || own == code {
			d.Regions[code] = h.regionName(code)
		}
	}
	return v.Show("newprovider.html", "新增定点机构", d)
}

func (h *handler) register(v *web.Visit) error {
	q, err := filledProposal(v, strings.ToUpper(v.Value("code")))
	if err != nil {
		return err
	}
	q.Kind = provider.Register
	q.New = provider.Provider{Code: q.Provider, Name: v.Value("name"), Region: v.Value("region"), Private: v.Value("private") == "1", CreditCode: strings.ToUpper(v.Value("credit_code"))}
	if own := v.Operator().Region; own != "" && q.New.Region != own || len(h.Policies.Versions(q.New.Region)) == 0 {
		return &web.Fault{Field: "region", Want: "请选择您的统筹区"}
	}
	if strings.HasPrefix(q.Provider, "P") {
		q.New.Kind = policy.Pharmacy
	} else if level, ok := named[policy.Level]("level", v.Value("level")); ok {
		q.New.Level = level
	} else {
		return &web.Fault{Field: "level", Want: "请选择等级"}
	}
	return h.writeProposal(v, q)
}

// Proposals

type proposalsData struct {
	State  provider.State
	States []provider.State
	Rows   []*proposalData
}

type proposalData struct {
	*provider.Proposal
	Name string // of the provider
	Mine bool
}

func (h *handler) proposals(v *web.Visit) error {
	d := proposalsData{State: provider.State(v.URL.Query().Get("state")), States: []provider.State{provider.Proposed, provider.Approved, provider.Declined, provider.Revoked}}
	if d.State == "" {
		d.State = provider.Proposed
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		all, err := provider.Proposals(ctx, tx, provider.ProposalFilter{Region: v.Operator().Region, State: d.State})
		if err != nil {
			return err
		}
		for _, q := range all {
			x, err := nameProposal(ctx, tx, q)
			if err != nil {
				return err
			}
			d.Rows = append(d.Rows, x)
		}
		return nil
	}); err != nil {
		return err
	}
	return v.Show("proposals.html", "协议事项", d)
}

func nameProposal(ctx context.Context, tx *db.Tx, q *provider.Proposal) (*proposalData, error) {
	d := &proposalData{Proposal: q, Name: q.New.Name}
	if d.Name == "" {
		p, _, err := provider.Get(ctx, tx, q.Provider)
		if err != nil {
			return nil, err
		}
		d.Name = p.Name
	}
	return d, nil
}

func (h *handler) findProposal(v *web.Visit) (d *proposalData, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		q, ok, err := provider.GetProposal(ctx, tx, v.PathValue("proposal"))
		if err != nil {
			return err
		}
		if region := v.Operator().Region; !ok || region != "" && q.Region != region {
			return web.ErrNotFound
		}
		d, err = nameProposal(ctx, tx, q)
		return err
	})
	if err == nil {
		d.Mine = d.Actor == v.Who.Actor()
	}
	return d, err
}

func (h *handler) proposal(v *web.Visit) error {
	d, err := h.findProposal(v)
	if err != nil {
		return err
	}
	return v.Show("proposal.html", d.Kind.Title()+"："+d.Name, d)
}

func (h *handler) decideProposal(v *web.Visit) error {
	d, err := h.findProposal(v)
	if err != nil {
		return err
	}
	said := ""
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) (err error) {
		actor := v.Who.Actor()
		switch v.Value("act") {
		case "approve":
			said = "已批准，" + d.From.String() + " 起生效。"
			_, err = h.Agreements.Approve(ctx, tx, d.ID, actor)
		case "decline":
			said = "没有批准，原因已记下。"
			_, err = h.Agreements.Decline(ctx, tx, d.ID, actor, v.Value("answer"))
		case "revoke":
			said = "已撤回。"
			_, err = h.Agreements.Revoke(ctx, tx, d.ID, actor)
		default:
			err = &web.Fault{Field: "act", Want: "请选择批准或不批准"}
		}
		return err
	}); err != nil {
		return err
	}
	to := "/console/providers/proposals/" + d.ID
	if v.Value("act") == "approve" {
		to = "/console/providers/" + url.PathEscape(d.Provider)
	}
	return v.Done(to, said)
}
