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
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/notice"
	"github.com/anji-platform/anji/ocr"
	"github.com/anji-platform/anji/office"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/place"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/privacy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/rulebook"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/tipoff"
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
	Dues       *contribution.Service
	TipOffs    *tipoff.Service
	Notices    *notice.Board
	Privacy    *privacy.Service
	Claims     *claim.Service
	Papers     *paper.Service
	Cleaner    *paper.Cleaner
	Reader     *ocr.Reader // of pictures of invoices; nil: they are not read
	Rules      *rulebook.Service
	Agreements *provider.Agreements
	Upkeep     *catalogue.Upkeep
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
		Funcs: template.FuncMap{"place": place.Name, "actor": actor, "action": action, "office": officeName, "unit": unit, "answered": answered, "share": share, "ceiling": ceiling, "passed": passed, "entry": fund.EntryTitle, "side": side, "amount": amount, "regionName": h.regionName},
		Routes: append(h.filingRoutes(see), []web.Route{
			{Pattern: "GET /console", For: all, Do: h.home},
			{Pattern: "GET /console/people", For: see, Do: h.people},
			{Pattern: "POST /console/people", For: see, Do: h.find, Again: h.people},
			{Pattern: "GET /console/people/{person}", For: see, Do: h.person},
			{Pattern: "POST /console/people/{person}/reveal", For: see, Do: h.reveal, Again: h.person},
			{Pattern: "GET /console/audit", For: []signin.Role{signin.Inspector, signin.Admin}, Do: h.record},
			{Pattern: "GET /console/operators", For: admin, Do: h.operators},
			{Pattern: "POST /console/operators", For: admin, Do: h.addOperator, Again: h.operators},
			{Pattern: "GET /console/operators/{operator}", For: admin, Do: h.operator},
			{Pattern: "POST /console/operators/{operator}", For: admin, Do: h.changeOperator, Again: h.operator},
			{Pattern: "POST /console/operators/{operator}/password", For: admin, Do: h.resetPassword, Again: h.operator},
		}...)}
	app.Routes = append(app.Routes, h.claimRoutes()...)
	app.Routes = append(app.Routes, h.sheetRoutes()...)
	app.Routes = append(app.Routes, h.rulebookRoutes()...)
	app.Routes = append(app.Routes, h.agreementRoutes()...)
	app.Routes = append(app.Routes, h.catalogueRoutes()...)
	app.Routes = append(app.Routes, h.tipoffRoutes()...)
	app.Routes = append(app.Routes, h.noticeRoutes()...)
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
	{"claim.", "手工报销"}, {"payout.", "报销款支付"}, {"paper.put", "交材料"}, {"paper.remove", "撤回材料"}, {"paper.view", "查看材料"}, {"paper.", "材料"}, {"provider.add", "登记外地机构"},
	{"filing.draft", "开始申请"}, {"filing.submitted", "提交申请"}, {"filing.accepted", "申请通过"}, {"filing.returned", "退回申请"}, {"filing.refused", "不予通过"}, {"filing.withdrawn", "撤销申请"},
	{"person.settlement", "查看结算"}, {"person.statement", "下载结算单"}, {"fund.close.ask", "申请结账"}, {"fund.close.drop", "撤回结账申请"}, {"fund.close", "结账"},
	{"clearing.file", "申报清算"}, {"clearing.approve", "审核清算"}, {"clearing.pay", "拨付清算"}, {"clearing.withdraw", "退回清算"}, {"reconcile", "对账"},
	{"settle", "结算"}, {"reverse", "撤销结算"}, {"visit.", "就诊登记"}, {"credential.", "电子凭证"}, {"account.", "个人账户"}, {"contribution.", "参保缴费"},
	{"catalogue.proposed", "提出目录调整"}, {"catalogue.approved", "批准目录调整"}, {"catalogue.", "目录调整"}, {"publish_catalogue", "发布目录"}, {"agreement.proposed", "提出协议事项"}, {"agreement.approved", "批准协议事项"}, {"agreement.", "协议事项"}, {"rulebook.draft", "上传政策包"}, {"rulebook.issued", "启用政策包"}, {"rulebook.withdrawn", "撤回政策包"}, {"rulebook.", "政策包"},
	{"tipoff.reveal", "查看举报人"}, {"tipoff.", "举报"}, {"notice.", "维护公告"},
	{"signin.sign_in", "登录"}, {"signin.password", "修改密码"}, {"signin.locked", "密码锁定"}, {"signin.", "登录设置"},
}

// unit writes a unit price, of six decimals, without its last zeros.
func unit(price int64) string {
	s := strings.TrimRight(fmt.Sprintf("%d.%06d", price/1_000_000, price%1_000_000), "0")
	for len(s)-strings.IndexByte(s, '.') < 3 {
		s += "0"
	}
	return s
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
	var waiting, claims, payouts, agreements, revisions, versions int
	_ = h.Read(v, func(ctx context.Context, tx *db.Tx) error { // numbers beside links: a page goes without it
		all, err := h.Filings.Counts(ctx, tx, h.pool(v), h.Today())
		waiting, _ = waits(all)
		if err != nil {
			return err
		}
		states, err := h.Claims.Counts(ctx, tx, h.pool(v))
		claims, payouts = states[first(v)], states[claim.Approved]
		if err == nil && v.Who.Has(signin.Review, signin.Admin) {
			agreements, err = provider.Waiting(ctx, tx, o.Region)
		}
		if err == nil && v.Who.Has(signin.Admin) {
			if revisions, err = catalogue.Waiting(ctx, tx, o.Region); err == nil {
				versions, err = rulebook.Waiting(ctx, tx, o.Region)
			}
		}
		return err
	})
	links := []web.Link{{Path: "/console", Title: "工作台", Icon: "home"}}
	if v.Who.Has(signin.Intake, signin.Review, signin.Recheck, signin.Inspector, signin.Viewer) {
		links = append(links, web.Link{Path: "/console/filings", Title: "备案与认定", Icon: "travel", Count: waiting}, web.Link{Path: "/console/claims", Title: "手工报销", Icon: "claim", Count: claims}, web.Link{Path: "/console/people", Title: "参保人", Icon: "users"})
	}
	if v.Who.Has(signin.Finance, signin.Inspector, signin.Viewer) {
		links = append(links, web.Link{Path: "/console/payouts", Title: "报销款支付", Icon: "pay", Count: payouts})
		links = append(links, h.moneyLinks(v)...)
	}
	links = append(links, h.tipoffLinks(v)...)
	links = append(links, web.Link{Path: "/console/providers", Title: "定点机构", Icon: "hospital", Count: agreements}, web.Link{Path: "/console/catalogue", Title: "目录", Icon: "drug", Count: revisions}, web.Link{Path: "/console/packages", Title: "政策包", Icon: "book", Count: versions})
	if v.Who.Has(signin.Inspector, signin.Admin) {
		links = append(links, web.Link{Path: "/console/audit", Title: "审计记录", Icon: "list"})
	}
	if v.Who.Has(signin.Admin) {
		links = append(links, web.Link{Path: "/console/operators", Title: "操作员", Icon: "lock"}, web.Link{Path: "/console/notices", Title: "维护公告", Icon: "message"})
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
	region := h.pool(v)
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.People, d.Settlements, err = settlement.Counts(ctx, tx); err != nil {
			return err
		}
		counts, err := h.Filings.Counts(ctx, tx, region, d.Today)
		if err != nil {
			return err
		}
		d.Waiting, d.Late = waits(counts)
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
				if ok && h.serves(v, p.Region) {
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
	Person     enrolment.Person
	Revealed   bool
	Coverage   *coverage.Answer
	Unknown    string
	Spells     []enrolment.Insurance
	Classes    []enrolment.Class
	Diseases   []enrolment.SpecialDisease
	Balance    money.Fen
	Care       []*settlement.Settlement
	Filings    []*filing.Application
	Bills      []contribution.Bill
	Credential credential.State
	Claims     []*claim.Claim
	ClaimRules *policy.ClaimRules
	Kinds      []policy.VisitKind
	Record     []audit.Entry
	Today      civil.Date
	Inspector  bool
	Apply      counterForms // what may be taken at the counter
}

// findPerson finds the person that the address names, if they are of the
// officer's region.
func (h *handler) findPerson(v *web.Visit) (p enrolment.Person, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Register.ByID(ctx, tx, v.PathValue("person"))
		if err == nil && (!ok || !h.serves(v, found.Region)) {
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
	d := &personData{Person: p, Today: h.Today(), Inspector: v.Who.Has(signin.Inspector)}
	if rules, err := h.Claims.Rules(p.Region); err == nil {
		d.ClaimRules, d.Kinds = rules, claim.Kinds()
	}
	err := h.Write(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Apply, err = h.counterForms(ctx, tx, v, &p); err != nil {
			return err
		}
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
		if d.Claims, err = h.Claims.OfPerson(ctx, tx, p.ID); err != nil {
			return err
		}
		if d.Bills, err = h.Dues.Bills(ctx, tx, p.ID); err != nil {
			return err
		}
		shown, err := credential.Get(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		d.Credential = shown.State
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

// The record

type recordData struct {
	Who        string
	Entries    []audit.Entry
	Next, Back string
}

// chainOf is the operator whose record is asked for. Those of people stand on
// their pages, where it is kept who looked.
func chainOf(v *web.Visit) string {
	who := strings.TrimSpace(v.URL.Query().Get("who"))
	if strings.Contains(who, ":") {
		return ""
	}
	return who
}

// record lists what an operator did: looking at people, exporting, signing in.
func (h *handler) record(v *web.Visit) error {
	d := recordData{Who: chainOf(v)}
	page := pageOf(v)
	if d.Who != "" {
		if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
			d.Entries, err = audit.List(ctx, tx, d.Who, (page-1)*perPage, perPage+1)
			return err
		}); err != nil {
			return err
		}
	}
	if len(d.Entries) > perPage {
		d.Entries, d.Next = d.Entries[:perPage], turned(v, page+1)
	}
	if page > 1 {
		d.Back = turned(v, page-1)
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
