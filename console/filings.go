package console

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/place"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// filingRoutes are those of what people apply for, and of what providers declare
// for them (备案与认定).
func (h *handler) filingRoutes(see []signin.Role) []web.Route {
	intake := []signin.Role{signin.Intake}
	return []web.Route{
		{Pattern: "GET /console/filings", For: see, Do: h.filings},
		{Pattern: "GET /console/filings.xlsx", For: see, Do: h.filingsSheet},
		{Pattern: "GET /console/filings/{application}", For: see, Do: h.filing},
		{Pattern: "POST /console/filings/{application}", For: []signin.Role{signin.Review}, Do: h.decide, Again: h.filing},
		{Pattern: "POST /console/filings/{application}/complete", For: intake, Do: h.complete, Again: h.filing},
		{Pattern: "POST /console/filings/{application}/prepare", For: intake, Do: h.prepare, Again: h.filing},
		{Pattern: "POST /console/filings/{application}/papers", For: intake, Do: h.handIn, Again: h.filing, Limit: uploads},
		{Pattern: "POST /console/filings/{application}/papers/{paper}/remove", For: intake, Do: h.takeBack, Again: h.filing},
		{Pattern: "GET /console/filings/{application}/papers/{paper}", For: see, Do: h.paper},
		{Pattern: "POST /console/filings/{application}/withdraw", For: intake, Do: h.withdraw, Again: h.filing},
		{Pattern: "POST /console/people/{person}/filings", For: intake, Do: h.file, Again: h.person},
		{Pattern: "POST /console/people/{person}/recognitions", For: intake, Do: h.recognise, Again: h.person},
		{Pattern: "POST /console/people/{person}/hospitals", For: intake, Do: h.changeHospital, Again: h.person},
	}
}

// pool is the region whose people the operator works for: that of their own
// office, or the one that a district's office lies in (统筹区); "" is all.
func (h *handler) pool(v *web.Visit) string {
	at := v.Operator().Region
	r, err := ident.ParseRegion(at)
	if err != nil {
		return at
	}
	for _, x := range []ident.Region{r, r.City(), r.Province()} {
		if len(h.Policies.Versions(string(x))) > 0 {
			return string(x)
		}
	}
	return at
}

// serves reports whether people of a region are the operator's to serve: any
// office of a region serves all of it (全市通办).
func (h *handler) serves(v *web.Visit, region string) bool {
	pool := h.pool(v)
	return pool == "" || pool == region
}

// office is the region of the operator's office, where that is a part of the
// region that they work for.
func (h *handler) office(v *web.Visit) string {
	if at := v.Operator().Region; at != h.pool(v) {
		return at
	}
	return ""
}

// waits counts what waits for an officer, and what of it is late.
func waits(all []filing.Tally) (n, late int) {
	for _, t := range all {
		if t.State == filing.Submitted {
			n += t.N
		}
		late += t.Late
	}
	return n, late
}

// The queue

type queueRow struct {
	*filing.Application
	Name, What, From string
	Late             bool
}

type queueKind struct {
	Kind    filing.Kind
	Title   string
	Waiting int
}

type queueState struct {
	State filing.State
	N     int
}

type queueData struct {
	Kind       filing.Kind
	Kinds      []queueKind
	State      string // "all": any
	States     []queueState
	All, Late  int
	LateOnly   bool
	Rows       []queueRow
	Page       int
	Next, Back string
	Today      civil.Date
}

// title is a kind of application for officers.
func title(k filing.Kind) string {
	switch k {
	case filing.KindAway:
		return "异地就医"
	case filing.KindDisease:
		return "慢特病"
	case filing.KindDesignation:
		return "定点机构"
	case filing.KindReferral:
		return "转诊"
	case filing.KindInjury:
		return "意外伤害"
	}
	return k.Title()
}

var kinds = []filing.Kind{filing.KindAway, filing.KindDisease, filing.KindDesignation, filing.KindReferral, filing.KindInjury}

var queueStates = []filing.State{filing.Submitted, filing.Returned, filing.Accepted, filing.Refused, filing.Withdrawn}

// what is what an application is for, in one line.
func what(a *filing.Application) string {
	switch x := &a.Details; a.Kind() {
	case filing.KindAway:
		return place.Name(x.Away.Destination) + " · " + x.Away.Group
	case filing.KindDisease:
		return x.Disease.Name
	case filing.KindDesignation:
		if x.Designation.Replaces.Name != "" {
			return x.Designation.Replaces.Name + " → " + x.Designation.ProviderName
		}
		return x.Designation.ProviderName
	case filing.KindReferral:
		return x.Referral.ProviderName
	case filing.KindInjury:
		return x.Injury.Place
	}
	return ""
}

// from is who an application came from, and by which way.
func from(a *filing.Application, provider string) string {
	if a.Provider != "" {
		return provider
	}
	if a.Office != "" {
		return a.Channel.Title() + " · " + officeName(a.Office)
	}
	return a.Channel.Title()
}

// officeName names an agency's office by its region.
func officeName(region string) string {
	if name := place.Name(region); name != region {
		return name + " 区划 " + region
	}
	return "区划 " + region
}

func (h *handler) queue(v *web.Visit, offset, limit int) (d queueData, err error) {
	q := v.URL.Query()
	d = queueData{Kind: filing.Kind(q.Get("kind")), State: q.Get("state"), LateOnly: q.Get("late") == "1", Today: h.Today()}
	if !slices.Contains(kinds, d.Kind) {
		d.Kind = ""
	}
	if d.State != "all" && !slices.Contains(queueStates, filing.State(d.State)) {
		d.State = string(filing.Submitted)
	}
	f := filing.QueueFilter{Region: h.pool(v), Kind: d.Kind, Offset: offset, Limit: limit}
	switch {
	case d.LateOnly:
		f.LateOn, d.State = d.Today, string(filing.Submitted)
	case d.State != "all":
		f.State = filing.State(d.State)
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		counts, err := h.Filings.Counts(ctx, tx, f.Region, d.Today)
		if err != nil {
			return err
		}
		d.count(counts)
		all, err := h.Filings.Queue(ctx, tx, f)
		if err != nil {
			return err
		}
		for _, a := range all {
			p, _, err := h.Register.ByID(ctx, tx, a.Person)
			if err != nil {
				return err
			}
			by, _, err := provider.Get(ctx, tx, a.Provider)
			if err != nil {
				return err
			}
			d.Rows = append(d.Rows, queueRow{a, p.Name, what(a), from(a, by.Name), a.Late(d.Today)})
		}
		return nil
	})
	return d, err
}

// count fills in the numbers beside the filters.
func (d *queueData) count(counts []filing.Tally) {
	waiting, states := map[filing.Kind]int{}, map[filing.State]int{}
	for _, t := range counts {
		if t.State == filing.Submitted {
			waiting[t.Kind] += t.N
			waiting[""] += t.N
		}
		if d.Kind == "" || t.Kind == d.Kind {
			states[t.State] += t.N
			d.All += t.N
			d.Late += t.Late
		}
	}
	d.Kinds = append(d.Kinds, queueKind{"", "全部事项", waiting[""]})
	for _, k := range kinds {
		d.Kinds = append(d.Kinds, queueKind{k, title(k), waiting[k]})
	}
	for _, s := range queueStates {
		d.States = append(d.States, queueState{s, states[s]})
	}
}

func (h *handler) filings(v *web.Visit) error {
	page := pageOf(v)
	d, err := h.queue(v, (page-1)*perPage, perPage+1)
	if err != nil {
		return err
	}
	d.Page = page
	if len(d.Rows) > perPage {
		d.Rows, d.Next = d.Rows[:perPage], turned(v, page+1)
	}
	if page > 1 {
		d.Back = turned(v, page-1)
	}
	return v.Show("filings.html", "备案与认定", d)
}

func (h *handler) filingsSheet(v *web.Visit) error {
	d, err := h.queue(v, 0, perSheet)
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "备案与认定", Head: []string{"编号", "事项", "姓名", "内容", "来源", "开始", "结束", "状态", "办结期限", "超期"}}
	for _, r := range d.Rows {
		late := ""
		if r.Late {
			late = "是"
		}
		t.Rows = append(t.Rows, []any{r.ID, r.Title(), web.MaskName(r.Name), r.What, r.From, r.Application.From, r.To, r.Application.State.Progress(), r.Due, late})
	}
	return h.sheet(v, t)
}

// One application

type filingData struct {
	*filing.Application
	Person   enrolment.Person
	By       string // the provider that declared it
	Rules    *policy.AwayFiling
	Group    policy.AwayGroup
	List     *policy.SpecialDiseases
	Disease  policy.SpecialDisease
	Asked    []string // papers
	Missing  []string
	Files    []paper.File
	Held     []filing.Chosen // hospitals that the person has already
	Eligible []provider.Provider
	Today    civil.Date
	Own      bool // entered by who looks at it
}

// Seen reports whether the original of a paper was seen at the counter.
func (d filingData) Seen(label string) bool {
	if x := d.Details.Away; x != nil {
		return slices.Contains(x.Papers, label)
	}
	return d.Details.Disease != nil && slices.Contains(d.Details.Disease.Papers, label)
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

// Slots are as many places for hospitals as may still be chosen, each with what
// is chosen.
func (d filingData) Slots() (out []string) {
	if d.List == nil {
		return nil
	}
	for _, c := range d.Details.Disease.Hospitals {
		out = append(out, c.Code)
	}
	for len(out) < d.List.Hospitals-len(d.Held) {
		out = append(out, "")
	}
	return out
}

// findFiling finds the application that the address names, if it is the
// officer's to see.
func (h *handler) findFiling(v *web.Visit) (d filingData, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		a, ok, err := h.Filings.Get(ctx, tx, v.PathValue("application"))
		if err != nil {
			return err
		}
		if !ok || !h.serves(v, a.Region) {
			return web.ErrNotFound
		}
		d.Application = a
		d.Person, _, err = h.Register.ByID(ctx, tx, a.Person)
		return err
	})
	return d, err
}

func (h *handler) filing(v *web.Visit) error {
	d, err := h.findFiling(v)
	if err != nil {
		return err
	}
	d.Today, d.Own, d.Asked = h.Today(), d.EnteredBy(v.Who.Actor()), h.Filings.Asked(d.Application)
	if x := d.Details.Away; x != nil {
		if d.Rules, err = h.Filings.Rules(d.Region); err == nil {
			d.Group, _ = d.Rules.Group(x.Group)
		}
	}
	if x := d.Details.Disease; x != nil && d.Provider == "" {
		if d.List, err = h.Filings.Diseases(d.Region); err == nil {
			d.Disease, _ = d.List.Find(x.Code)
		}
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		by, _, err := provider.Get(ctx, tx, d.Provider)
		if err != nil {
			return err
		}
		d.By = by.Name
		if d.Files, err = h.Filings.Papers(ctx, tx, d.Application); err != nil {
			return err
		}
		if d.List == nil {
			return nil
		}
		if d.Held, err = h.Filings.Hospitals(ctx, tx, d.Person.ID, d.Today); err != nil {
			return err
		}
		d.Eligible, err = h.Filings.Eligible(ctx, tx, d.Region, v.URL.Query().Get("hospital"))
		return err
	}); err != nil {
		return err
	}
	for _, p := range d.Asked {
		if !d.Seen(p) && len(d.Of(p)) == 0 {
			d.Missing = append(d.Missing, p)
		}
	}
	return v.Show("filing.html", d.Application.Title(), d)
}

func (h *handler) decide(v *web.Visit) error {
	d, err := h.findFiling(v)
	if err != nil {
		return err
	}
	state := filing.State(v.Value("decision"))
	if state != filing.Accepted && state != filing.Returned && state != filing.Refused {
		return &web.Fault{Field: "decision", Want: "请选择通过、退回补正或不予通过"}
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Filings.Decide(ctx, tx, d.ID, filing.Decision{State: state, Reason: v.Value("reason")}, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/filings", d.ID+" "+state.Progress()+"，已通知参保人。")
}

// complete takes papers for care elsewhere that were brought to the counter.
func (h *handler) complete(v *web.Visit) error {
	d, err := h.findFiling(v)
	if err != nil {
		return err
	}
	if err := v.ParseForm(); err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Filings.Complete(ctx, tx, d.ID, d.Application.Person, v.PostForm["paper"], v.Value("commitment") == "1", v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/filings/"+d.ID, "已收材料，重新提交审核。")
}

// prepare keeps which originals of a recognition were seen and which hospitals
// are chosen, and submits it if that is asked for.
func (h *handler) prepare(v *web.Visit) error {
	d, err := h.findFiling(v)
	if err != nil {
		return err
	}
	if err := v.ParseForm(); err != nil {
		return err
	}
	said := "已保存，还没有提交。"
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		e := filing.Evidence{Papers: append([]string{}, v.PostForm["paper"]...)}
		if v.PostForm.Has("hospital") {
			e.Hospitals = append([]string{}, v.PostForm["hospital"]...)
		}
		a, err := h.Filings.Prepare(ctx, tx, d.ID, d.Application.Person, e, v.Who.Actor())
		if err != nil || v.Value("do") != "submit" {
			return err
		}
		if a, err = h.Filings.Submit(ctx, tx, filing.Submission{ID: a.ID, Person: a.Person, Office: h.office(v), Actor: v.Who.Actor()}); err != nil {
			return err
		}
		said = "已提交，" + a.State.Progress() + "。"
		return nil
	}); err != nil {
		return err
	}
	return v.Done("/console/filings/"+d.ID, said)
}

// handIn keeps scans or photographs of a paper that was brought to the counter.
func (h *handler) handIn(v *web.Visit) error {
	d, err := h.findFiling(v)
	if err != nil {
		return err
	}
	files, err := web.Uploads(v, "file", paper.MaxSize)
	if err != nil {
		return err
	}
	label := v.Value("label")
	var all []filing.Sheet
	for _, f := range files {
		clean, err := h.Cleaner.Clean(v.Ctx(), f.Body)
		if err != nil {
			return err
		}
		all = append(all, filing.Sheet{Label: label, Name: f.Name, Clean: clean})
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Filings.HandIn(ctx, tx, d.ID, d.Application.Person, all, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/filings/"+d.ID, "已收"+label+"。")
}

func (h *handler) takeBack(v *web.Visit) error {
	d, err := h.findFiling(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.Filings.TakeBack(ctx, tx, d.ID, d.Application.Person, v.PathValue("paper"), v.Who.Actor())
	}); err != nil {
		return err
	}
	return v.Done("/console/filings/"+d.ID, "已撤回这份材料。")
}

// paper shows a file of an application, and keeps on record who looked.
func (h *handler) paper(v *web.Visit) error {
	d, err := h.findFiling(v)
	if err != nil {
		return err
	}
	var f paper.File
	var body []byte
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Filings.Paper(ctx, tx, d.Application, v.PathValue("paper"))
		if err == nil && !ok {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		f = found
		if body, err = h.Filings.Content(ctx, tx, f); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Record{At: h.Clock(), Actor: v.Who.Actor(), Chain: audit.OfPerson(f.Person), Action: "paper.view", Subject: f.ID,
			Details: map[string]string{"matter": f.Matter, "label": f.Label}})
	}); err != nil {
		return err
	}
	if f.Picture() {
		return v.Inline(f.Kind, body)
	}
	return v.Attach(f.Label+".pdf", f.Kind, body)
}

// withdraw withdraws an application for a person who asks for it at the counter.
func (h *handler) withdraw(v *web.Visit) error {
	d, err := h.findFiling(v)
	if err != nil {
		return err
	}
	reason := v.Value("reason")
	if len([]rune(reason)) < 2 || len([]rune(reason)) > 200 {
		return &web.Fault{Field: "reason", Want: "请写明撤销的原因，2 至 200 个字"}
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.Filings.Withdraw(ctx, tx, filing.WithdrawRequest{ID: d.ID, Kind: d.Kind(), Person: d.Application.Person, Reason: reason, Actor: v.Who.Actor()})
	}); err != nil {
		return err
	}
	return v.Done("/console/filings/"+d.ID, "已撤销。")
}

// At the counter

// counterForms is what may be applied for at the counter for a person.
type counterForms struct {
	Away     *policy.AwayFiling
	Papers   []string // of all groups
	Diseases *policy.SpecialDiseases
	Hold     []filing.Chosen
	Eligible []provider.Provider
	Places   []place.Province
	Channels []filing.Channel
}

func (h *handler) counterForms(ctx context.Context, tx *db.Tx, v *web.Visit, p *enrolment.Person) (d counterForms, err error) {
	if !v.Who.Has(signin.Intake) {
		return d, nil
	}
	d.Places = place.Provinces()
	for _, c := range filing.Channels() {
		if c != filing.Online {
			d.Channels = append(d.Channels, c)
		}
	}
	if rules, err := h.Filings.Rules(p.Region); err == nil {
		d.Away = rules
		for _, g := range rules.Groups {
			for _, x := range g.Papers {
				if !slices.Contains(d.Papers, x) {
					d.Papers = append(d.Papers, x)
				}
			}
		}
	}
	rules, err := h.Filings.Diseases(p.Region)
	if _, _, refused := web.Refusal(err); refused {
		return d, nil // the package says nothing of diseases
	}
	if err != nil {
		return d, err
	}
	d.Diseases = rules
	if d.Hold, err = h.Filings.Hospitals(ctx, tx, p.ID, h.Today()); err != nil || len(d.Hold) == 0 {
		return d, err
	}
	d.Eligible, err = h.Filings.Eligible(ctx, tx, p.Region, v.URL.Query().Get("hospital"))
	return d, err
}

// file writes down an application for care elsewhere that somebody made at the
// counter, by phone or by post.
func (h *handler) file(v *web.Visit) error {
	p, err := h.findPerson(v)
	if err != nil {
		return err
	}
	if err := v.ParseForm(); err != nil {
		return err
	}
	q := filing.AwayRequest{Person: p.ID, Channel: filing.Channel(v.Value("channel")), Office: h.office(v), Actor: v.Who.Actor(),
		Away: filing.Away{Group: v.Value("group"), Destination: v.Value("destination"), Papers: v.PostForm["paper"], Commitment: v.Value("commitment") == "1"}}
	for _, x := range []struct {
		field string
		into  *civil.Date
	}{{"from", &q.From}, {"to", &q.To}} {
		if s := v.Value(x.field); s != "" {
			if *x.into, err = civil.Parse(s); err != nil {
				return &web.Fault{Field: x.field, Want: "「" + s + "」不是日期"}
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
	return v.Done("/console/filings/"+a.ID, "已登记，"+a.State.Progress()+"。")
}

// recognise begins an application for the recognition of a disease.
func (h *handler) recognise(v *web.Visit) error {
	p, err := h.findPerson(v)
	if err != nil {
		return err
	}
	var a *filing.Application
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		a, err = h.Filings.DraftRecognition(ctx, tx, filing.RecognitionRequest{Person: p.ID, Disease: v.Value("disease"), Channel: filing.Channel(v.Value("channel")), Office: h.office(v), Actor: v.Who.Actor()})
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/filings/"+a.ID, "已建立申请 "+a.ID+"，请核对材料、选定机构后提交。")
}

// changeHospital changes a hospital that a person chose.
func (h *handler) changeHospital(v *web.Visit) error {
	p, err := h.findPerson(v)
	if err != nil {
		return err
	}
	var a *filing.Application
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		a, err = h.Filings.ChangeHospital(ctx, tx, filing.HospitalChange{Person: p.ID, Old: v.Value("old"), New: v.Value("new"), Channel: filing.Window, Office: h.office(v), Actor: v.Who.Actor()})
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/people/"+url.PathEscape(p.ID), fmt.Sprintf("定点机构已变更，今天起生效（%s）。", strings.TrimSpace(a.ID)))
}
