// Package console is where officers of the handling agency work (经办工作台): queues
// of what people applied for, one person's page with all that is known of them,
// the funds, the record of who did what, and the operators themselves.
//
// Officers see the people of their own region, masked; looking at a person's page
// is on record, and unmasking asks for a purpose. What needs two persons is
// enforced by the rooms below, not here.
package console

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/office"
	"github.com/anji-platform/anji/place"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/privacy"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

//go:embed templates
var files embed.FS

// Config is what the console is made of. Now may be left out.
type Config struct {
	web.Store
	Register   *enrolment.Register
	Policies   *policy.Store
	SignIn     *signin.Service
	Settlement *settlement.Service
	Filings    *filing.Service
	Privacy    *privacy.Service
}

type handler struct{ Config }

// perPage is how many rows a page of a list has; perSheet those of an Excel file.
const (
	perPage  = 30
	perSheet = 50_000
)

// New returns the console.
func New(c Config) *web.App {
	h := &handler{c}
	all := signin.Officers()
	see := []signin.Role{signin.Intake, signin.Review, signin.Recheck, signin.Inspector, signin.Viewer}
	admin := []signin.Role{signin.Admin}
	app := &web.App{Name: "console", Layout: "desk.html", SignIn: office.SignIn, Files: files, Nav: h.nav,
		Funcs: template.FuncMap{"place": place.Name, "actor": actor, "action": action, "entry": fund.EntryTitle,
			"side": side, "amount": amount, "regionName": h.regionName},
		Routes: []web.Route{
			{Pattern: "GET /console", For: all, Do: h.home},
			{Pattern: "GET /console/filings", For: see, Do: h.filings},
			{Pattern: "GET /console/filings.xlsx", For: see, Do: h.filingsSheet},
			{Pattern: "GET /console/filings/{application}", For: see, Do: h.filing},
			{Pattern: "POST /console/filings/{application}", For: []signin.Role{signin.Review}, Do: h.decide, Again: h.filing},
			{Pattern: "POST /console/filings/{application}/complete", For: []signin.Role{signin.Intake}, Do: h.complete, Again: h.filing},
			{Pattern: "GET /console/people", For: see, Do: h.people},
			{Pattern: "POST /console/people", For: see, Do: h.find, Again: h.people},
			{Pattern: "GET /console/people/{person}", For: see, Do: h.person},
			{Pattern: "POST /console/people/{person}/reveal", For: see, Do: h.reveal, Again: h.person},
			{Pattern: "POST /console/people/{person}/filings", For: []signin.Role{signin.Intake}, Do: h.file, Again: h.person},
			{Pattern: "GET /console/packages", For: all, Do: h.packages},
			{Pattern: "GET /console/packages/{region}", For: all, Do: h.differences},
			{Pattern: "GET /console/audit", For: []signin.Role{signin.Inspector, signin.Admin}, Do: h.record},
			{Pattern: "GET /console/operators", For: admin, Do: h.operators},
			{Pattern: "POST /console/operators", For: admin, Do: h.addOperator, Again: h.operators},
			{Pattern: "GET /console/operators/{operator}", For: admin, Do: h.operator},
			{Pattern: "POST /console/operators/{operator}", For: admin, Do: h.changeOperator, Again: h.operator},
			{Pattern: "POST /console/operators/{operator}/password", For: admin, Do: h.resetPassword, Again: h.operator},
		}}
	app.Routes = append(app.Routes, h.moneyRoutes()...)
	return app
}

// actor is who did something, in words.
func actor(s string) string {
	if rest, ok := strings.CutPrefix(s, "本人 "); ok && rest != "" {
		return "本人"
	}
	return s
}

// actions name what stands in the record, by how it begins.
var actions = []struct{ prefix, title string }{
	{"privacy.reveal", "查看完整信息"}, {"privacy.export", "下载全部信息"}, {"privacy.", "个人信息"}, {"his.view", "接口查询个人信息"}, {"person.view", "查看参保人"}, {"console.export", "导出列表"},
	{"filing.submitted", "提交备案"}, {"filing.accepted", "备案通过"}, {"filing.returned", "退回备案"}, {"filing.refused", "不予备案"}, {"filing.withdrawn", "撤销备案"},
	{"person.settlement", "查看结算"}, {"person.statement", "下载结算单"}, {"fund.close.ask", "申请结账"}, {"fund.close.drop", "撤回结账申请"}, {"fund.close", "结账"},
	{"clearing.file", "申报清算"}, {"clearing.approve", "审核清算"}, {"clearing.pay", "拨付清算"}, {"clearing.withdraw", "退回清算"}, {"reconcile", "对账"},
	{"settle", "结算"}, {"reverse", "撤销结算"}, {"visit.", "就诊登记"}, {"credential.", "电子凭证"}, {"account.", "个人账户"}, {"contribution.", "参保缴费"},
	{"signin.sign_in", "登录"}, {"signin.password", "修改密码"}, {"signin.locked", "密码锁定"}, {"signin.", "登录设置"},
}

// action names what was done.
func action(s string) string {
	for _, a := range actions {
		if strings.HasPrefix(s, a.prefix) {
			return a.title
		}
	}
	return s
}

func (h *handler) nav(v *web.Visit) []web.Link {
	o := v.Operator()
	if o == nil {
		return nil
	}
	waiting := 0
	_ = h.Read(v, func(ctx context.Context, tx *db.Tx) error { // a number beside a link: a page goes without it
		n, err := h.Filings.Counts(ctx, tx, o.Region)
		waiting = n[filing.Submitted]
		return err
	})
	links := []web.Link{{Path: "/console", Title: "工作台", Icon: "home"}}
	if v.Who.Has(signin.Intake, signin.Review, signin.Recheck, signin.Inspector, signin.Viewer) {
		links = append(links, web.Link{Path: "/console/filings", Title: "异地备案", Icon: "travel", Count: waiting}, web.Link{Path: "/console/people", Title: "参保人", Icon: "users"})
	}
	if v.Who.Has(signin.Finance, signin.Inspector, signin.Viewer) {
		links = append(links, h.moneyLinks(v)...)
	}
	links = append(links, web.Link{Path: "/console/packages", Title: "政策包", Icon: "book"})
	if v.Who.Has(signin.Inspector, signin.Admin) {
		links = append(links, web.Link{Path: "/console/audit", Title: "审计记录", Icon: "list"})
	}
	if v.Who.Has(signin.Admin) {
		links = append(links, web.Link{Path: "/console/operators", Title: "操作员", Icon: "lock"})
	}
	return links
}

type homeData struct {
	People, Settlements int
	Waiting, Late       int
	Funds               money.Fen
	Today               civil.Date
}

func (h *handler) home(v *web.Visit) error {
	d := homeData{Today: h.Today()}
	region := v.Operator().Region
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.People, d.Settlements, err = settlement.Counts(ctx, tx); err != nil {
			return err
		}
		counts, err := h.Filings.Counts(ctx, tx, region)
		if err != nil {
			return err
		}
		d.Waiting = counts[filing.Submitted]
		late, err := h.Filings.Queue(ctx, tx, filing.QueueFilter{Region: region, LateOn: d.Today, Limit: 1000})
		if err != nil {
			return err
		}
		d.Late = len(late)
		balances, err := fund.Balances(ctx, tx, fund.FundAccount(region, ""), 0)
		if region == "" {
			balances, err = fund.Balances(ctx, tx, "fund:", 0)
		}
		for _, b := range balances {
			d.Funds += b
		}
		return err
	}); err != nil {
		return err
	}
	return v.Show("home.html", "工作台", d)
}

// Filings

type queueRow struct {
	*filing.Application
	Name string
	Late bool
}

type queueData struct {
	State      filing.State
	States     []filing.State
	Counts     map[filing.State]int
	LateOnly   bool
	Rows       []queueRow
	Page       int
	Next, Back string
	Today      civil.Date
}

func (h *handler) queue(v *web.Visit, offset, limit int) (d queueData, err error) {
	q := v.URL.Query()
	d = queueData{State: filing.State(q.Get("state")), States: []filing.State{filing.Submitted, filing.Returned, filing.Accepted, filing.Refused, filing.Withdrawn}, LateOnly: q.Get("late") == "1", Today: h.Today()}
	if d.State == "" && q.Get("all") != "1" {
		d.State = filing.Submitted
	}
	f := filing.QueueFilter{Region: v.Operator().Region, State: d.State, Offset: offset, Limit: limit}
	if d.LateOnly {
		f.LateOn, f.State = d.Today, ""
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Counts, err = h.Filings.Counts(ctx, tx, f.Region); err != nil {
			return err
		}
		all, err := h.Filings.Queue(ctx, tx, f)
		for _, a := range all {
			p, _, err := h.Register.ByID(ctx, tx, a.Person)
			if err != nil {
				return err
			}
			d.Rows = append(d.Rows, queueRow{a, p.Name, a.Late(d.Today)})
		}
		return err
	})
	return d, err
}

func (h *handler) filings(v *web.Visit) error {
	page, _ := strconv.Atoi(v.URL.Query().Get("page"))
	page = min(max(page, 1), 10_000)
	d, err := h.queue(v, (page-1)*perPage, perPage+1)
	if err != nil {
		return err
	}
	d.Page = page
	at := func(n int) string {
		q := v.URL.Query()
		q.Set("page", strconv.Itoa(n))
		return "/console/filings?" + q.Encode()
	}
	if len(d.Rows) > perPage {
		d.Rows, d.Next = d.Rows[:perPage], at(page+1)
	}
	if page > 1 {
		d.Back = at(page - 1)
	}
	return v.Show("filings.html", "异地就医备案", d)
}

// note says who made a file and when.
func (h *handler) note(v *web.Visit) string {
	return v.Operator().Title + "（" + v.Operator().Name + "） " + v.Time(h.Clock())
}

func (h *handler) sheet(v *web.Visit, t sheet.Table) error {
	var b bytes.Buffer
	t.Note = h.note(v)
	if err := sheet.Write(&b, t); err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return audit.Append(ctx, tx, audit.Record{At: h.Clock(), Actor: v.Who.Actor(), Action: "console.export", Subject: t.Title, Details: map[string]string{"rows": strconv.Itoa(len(t.Rows))}})
	}); err != nil {
		return err
	}
	return v.Attach(t.Title+" "+h.Today().String()+".xlsx", sheet.Type, b.Bytes())
}

func (h *handler) filingsSheet(v *web.Visit) error {
	d, err := h.queue(v, 0, perSheet)
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "异地就医备案", Head: []string{"备案号", "姓名", "人员", "就医地", "开始", "结束", "状态", "渠道", "办结期限", "超期"}}
	for _, r := range d.Rows {
		group, to := "", ""
		if x := r.Details.Away; x != nil {
			group, to = x.Group, place.Name(x.Destination)
		}
		late := ""
		if r.Late {
			late = "是"
		}
		t.Rows = append(t.Rows, []any{r.ID, web.MaskName(r.Name), group, to, r.From, r.To, r.Application.State.Progress(), r.Channel.Title(), r.Due, late})
	}
	return h.sheet(v, t)
}

type filingData struct {
	*filing.Application
	Person  enrolment.Person
	Rules   *policy.AwayFiling
	Group   policy.AwayGroup
	Missing []string
	Today   civil.Date
	Own     bool // entered by who looks at it
}

// findFiling finds the application that the address names, if it is of the
// officer's region.
func (h *handler) findFiling(v *web.Visit) (d filingData, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		a, ok, err := h.Filings.Get(ctx, tx, v.PathValue("application"))
		if err != nil {
			return err
		}
		if region := v.Operator().Region; !ok || region != "" && a.Region != region {
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
	d.Today, d.Own = h.Today(), d.Entered == v.Who.Actor()
	if x := d.Details.Away; x != nil {
		if rules, err := h.Filings.Rules(d.Region); err == nil {
			d.Rules = rules
			d.Group, _ = rules.Group(x.Group)
		}
		for _, p := range d.Group.Papers {
			if !slices.Contains(x.Papers, p) {
				d.Missing = append(d.Missing, p)
			}
		}
	}
	return v.Show("filing.html", d.Kind().Title(), d)
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

// complete takes papers that were brought to the counter.
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

// People

func (h *handler) people(v *web.Visit) error { return v.Show("people.html", "参保人", nil) }

// find leads to the person of a citizen ID, card or person number. It is a form
// and no address: what is looked for stands in no log.
func (h *handler) find(v *web.Visit) error {
	key := strings.ToUpper(v.Value("key"))
	if key == "" {
		return &web.Fault{Field: "key", Want: "请填公民身份号码、社保卡号或人员编号"}
	}
	var id string
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		for _, by := range []func(context.Context, *db.Tx, string) (enrolment.Person, bool, error){h.Register.ByCitizenID, h.Register.ByCard, h.Register.ByID} {
			for _, k := range []string{key, v.Value("key")} {
				p, ok, err := by(ctx, tx, k)
				if err != nil {
					return err
				}
				if region := v.Operator().Region; ok && (region == "" || p.Region == region) {
					id = p.ID
					return nil
				}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if id == "" {
		return &web.Fault{Field: "key", Want: "在您的统筹区没有找到；请核对号码"}
	}
	return v.Go("/console/people/" + url.PathEscape(id))
}

type personData struct {
	Person    enrolment.Person
	Revealed  bool
	Coverage  *coverage.Answer
	Unknown   string
	Spells    []enrolment.Insurance
	Classes   []enrolment.Class
	Diseases  []enrolment.SpecialDisease
	Balance   money.Fen
	Care      []*settlement.Settlement
	Filings   []*filing.Application
	Record    []audit.Entry
	Rules     *policy.AwayFiling
	Places    []place.Province
	Today     civil.Date
	Inspector bool
}

// findPerson finds the person that the address names, if they are of the
// officer's region.
func (h *handler) findPerson(v *web.Visit) (p enrolment.Person, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Register.ByID(ctx, tx, v.PathValue("person"))
		if region := v.Operator().Region; err == nil && (!ok || region != "" && found.Region != region) {
			err = web.ErrNotFound
		}
		p = found
		return err
	})
	return p, err
}

func (h *handler) person(v *web.Visit) error {
	p, err := h.findPerson(v)
	if err != nil {
		return err
	}
	d, err := h.all(v, p)
	if err != nil {
		return err
	}
	return v.Show("person.html", web.MaskName(p.Name), d)
}

// all reads all that is known of a person (360°), and keeps on record who looked.
func (h *handler) all(v *web.Visit, p enrolment.Person) (*personData, error) {
	d := &personData{Person: p, Today: h.Today(), Places: place.Provinces(), Inspector: v.Who.Has(signin.Inspector)}
	if rules, err := h.Filings.Rules(p.Region); err == nil {
		d.Rules = rules
	}
	err := h.Write(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if err := audit.Append(ctx, tx, audit.Record{At: h.Clock(), Actor: v.Who.Actor(), Action: "person.view", Subject: p.ID}); err != nil {
			return err
		}
		d.Coverage, err = coverage.On(ctx, tx, h.Policies, p, d.Today, d.Today)
		if _, text, ok := inputError(err); ok {
			d.Unknown, err = text, nil
		}
		if err != nil {
			return err
		}
		if d.Spells, err = enrolment.Timeline(ctx, tx, p.ID); err != nil {
			return err
		}
		if d.Classes, err = enrolment.Classes(ctx, tx, p.ID, d.Today); err != nil {
			return err
		}
		if d.Diseases, err = enrolment.SpecialDiseases(ctx, tx, p.ID, d.Today); err != nil {
			return err
		}
		if d.Balance, err = fund.Balance(ctx, tx, fund.PersonAccount(p.ID)); err != nil {
			return err
		}
		if d.Care, err = h.Settlement.List(ctx, tx, settlement.Filter{Person: p.ID, Limit: 20}); err != nil {
			return err
		}
		if d.Filings, err = h.Filings.OfPerson(ctx, tx, p.ID); err != nil {
			return err
		}
		d.Record, err = audit.List(ctx, tx, audit.OfPerson(p.ID), 0, 20)
		return err
	})
	return d, err
}

// inputError reads what a package cannot say.
func inputError(err error) (*policy.InputError, string, bool) {
	e, ok := err.(*policy.InputError)
	if !ok {
		return nil, "", false
	}
	return e, e.Error(), true
}

// reveal shows a person's sealed data, once, for a purpose that is kept on record.
func (h *handler) reveal(v *web.Visit) error {
	p, err := h.findPerson(v)
	if err != nil {
		return err
	}
	purpose := v.Value("purpose")
	if len([]rune(purpose)) < 4 {
		return &web.Fault{Field: "purpose", Want: "请写明查看的事由，至少四个字；事由会留在审计记录里"}
	}
	var open enrolment.Person
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		open, err = h.Privacy.Reveal(ctx, tx, p.ID, v.Who.Actor(), purpose)
		return err
	}); err != nil {
		return err
	}
	d, err := h.all(v, open)
	if err != nil {
		return err
	}
	d.Revealed = true
	return v.Show("person.html", open.Name, d)
}

// file writes down an application that somebody made at the counter, by phone or
// by post.
func (h *handler) file(v *web.Visit) error {
	p, err := h.findPerson(v)
	if err != nil {
		return err
	}
	if err := v.ParseForm(); err != nil {
		return err
	}
	q := filing.AwayRequest{Person: p.ID, Channel: filing.Channel(v.Value("channel")), Actor: v.Who.Actor(),
		Away: filing.Away{Group: v.Value("group"), Destination: v.Value("destination"), Papers: v.PostForm["paper"], Commitment: v.Value("commitment") == "1"}}
	if s := v.Value("from"); s != "" {
		if q.From, err = civil.Parse(s); err != nil {
			return &web.Fault{Field: "from", Want: "「" + s + "」不是日期"}
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

// Packages

type regionPackages struct {
	Name     string
	Region   string
	Versions []*policy.Package
}

func (h *handler) packages(v *web.Visit) error {
	var out []regionPackages
	for _, code := range h.Policies.Regions() {
		versions := h.Policies.Versions(code)
		out = append(out, regionPackages{versions[len(versions)-1].Name, code, versions})
	}
	return v.Show("packages.html", "政策包", out)
}

type differencesData struct {
	Region   string
	Versions []*policy.Package
	A, B     *policy.Package
	Changes  []policy.Change
}

// differences says in words what changed between two versions of a region's
// package: the last two, or those that are asked for.
func (h *handler) differences(v *web.Visit) error {
	d := differencesData{Region: v.PathValue("region")}
	if d.Versions = h.Policies.Versions(d.Region); len(d.Versions) == 0 {
		return web.ErrNotFound
	}
	pick := func(name string, otherwise int) *policy.Package {
		for _, p := range d.Versions {
			if p.From.String() == v.URL.Query().Get(name) {
				return p
			}
		}
		return d.Versions[max(otherwise, 0)]
	}
	d.A, d.B = pick("a", len(d.Versions)-2), pick("b", len(d.Versions)-1)
	if d.A != d.B {
		d.Changes = policy.Compare(d.A, d.B)
	}
	return v.Show("package.html", d.B.Name, d)
}

// The record

type recordData struct {
	Who        string
	Entries    []audit.Entry
	Next, Back string
}

// record lists what an operator did: looking at people, exporting, signing in.
func (h *handler) record(v *web.Visit) error {
	q := v.URL.Query()
	d := recordData{Who: strings.TrimSpace(q.Get("who"))}
	page, _ := strconv.Atoi(q.Get("page"))
	page = min(max(page, 1), 10_000)
	if d.Who != "" {
		if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
			d.Entries, err = audit.List(ctx, tx, d.Who, (page-1)*perPage, perPage+1)
			return err
		}); err != nil {
			return err
		}
	}
	at := func(n int) string {
		return "/console/audit?" + url.Values{"who": {d.Who}, "page": {strconv.Itoa(n)}}.Encode()
	}
	if len(d.Entries) > perPage {
		d.Entries, d.Next = d.Entries[:perPage], at(page+1)
	}
	if page > 1 {
		d.Back = at(page - 1)
	}
	return v.Show("audit.html", "审计记录", d)
}

// Operators

type operatorsData struct {
	Operators []signin.Operator
	Roles     []signin.Role
	Regions   []string
}

func (h *handler) operators(v *web.Visit) error {
	d := operatorsData{Roles: signin.Roles(), Regions: h.Policies.Regions()}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		d.Operators, err = signin.Operators(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	return v.Show("operators.html", "操作员", d)
}

// filled reads an operator from a form.
func filled(v *web.Visit, name string) (o signin.Operator, err error) {
	if err := v.ParseForm(); err != nil {
		return o, err
	}
	o = signin.Operator{Name: name, Title: v.Value("title"), Region: v.Value("region"), Of: v.Value("of"), Stopped: v.Value("stopped") == "1"}
	for _, r := range v.PostForm["role"] {
		o.Roles = append(o.Roles, signin.Role(r))
	}
	return o, nil
}

func (h *handler) addOperator(v *web.Visit) error {
	o, err := filled(v, v.Value("name"))
	if err != nil {
		return err
	}
	o.Fresh = true
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.SignIn.AddOperator(ctx, tx, o, v.FormValue("password"), v.Who.Actor())
	}); err != nil {
		return err
	}
	return v.Done("/console/operators", "已添加 "+o.Title+"，首次登录须修改密码。")
}

type operatorData struct {
	signin.Operator
	All     []signin.Role
	Regions []string
	Self    bool
}

// Has reports whether the operator has a role.
func (d operatorData) Has(r signin.Role) bool { return slices.Contains(d.Roles, r) }

func (h *handler) operator(v *web.Visit) error {
	d := operatorData{All: signin.Roles(), Regions: h.Policies.Regions()}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		o, ok, err := signin.GetOperator(ctx, tx, v.PathValue("operator"))
		if err == nil && !ok {
			err = web.ErrNotFound
		}
		d.Operator = o
		return err
	}); err != nil {
		return err
	}
	d.Self = d.Name == v.Operator().Name
	return v.Show("operator.html", d.Title, d)
}

func (h *handler) changeOperator(v *web.Visit) error {
	o, err := filled(v, v.PathValue("operator"))
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error { return h.SignIn.ChangeOperator(ctx, tx, o, v.Who.Actor()) }); err != nil {
		return err
	}
	return v.Done("/console/operators", "已保存，立即生效。")
}

func (h *handler) resetPassword(v *web.Visit) error {
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.SignIn.ResetPassword(ctx, tx, v.PathValue("operator"), v.FormValue("password"), v.Who.Actor())
	}); err != nil {
		return err
	}
	return v.Done("/console/operators", "密码已重设，该操作员已退出登录，下次登录须修改密码。")
}
