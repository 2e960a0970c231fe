package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/ocr"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// uploads bounds the papers that come with one form, in bytes.
const uploads = 48 << 20

// claimRoutes are those of manual reimbursement (手工报销) and its payment.
func (h *handler) claimRoutes() []web.Route {
	see := []signin.Role{signin.Intake, signin.Review, signin.Recheck, signin.Inspector, signin.Viewer}
	intake := []signin.Role{signin.Intake}
	review := []signin.Role{signin.Review}
	finance := []signin.Role{signin.Finance}
	payers := []signin.Role{signin.Finance, signin.Inspector, signin.Viewer}
	return []web.Route{
		{Pattern: "GET /console/claims", For: see, Do: h.claims},
		{Pattern: "GET /console/claims.xlsx", For: see, Do: h.claimsSheet},
		{Pattern: "POST /console/people/{person}/claims", For: intake, Do: h.beginClaim, Again: h.person},
		{Pattern: "GET /console/claims/{claim}", For: see, Do: h.claim},
		{Pattern: "GET /console/claims/{claim}/papers/{evidence}", For: see, Do: h.claimPaper},
		{Pattern: "POST /console/claims/{claim}/papers/{evidence}/read", For: intake, Do: h.readPaper, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/papers", For: intake, Do: h.addPapers, Again: h.claim, Limit: uploads},
		{Pattern: "POST /console/claims/{claim}/form", For: intake, Do: h.saveClaim, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/submit", For: intake, Do: h.submitClaim, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/care", For: intake, Do: h.writeCare, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/provider", For: intake, Do: h.addProvider, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/invoices", For: intake, Do: h.writeInvoice, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/lines", For: intake, Do: h.writeLines, Again: h.claim, Limit: 256 << 10},
		{Pattern: "POST /console/claims/{claim}/match", For: intake, Do: h.matchLine, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/accept", For: intake, Do: h.acceptClaim, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/return", For: []signin.Role{signin.Intake, signin.Review}, Do: h.returnClaim, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/refuse", For: review, Do: h.refuseLine, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/review", For: review, Do: h.reviewClaim, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/recheck", For: []signin.Role{signin.Recheck}, Do: h.recheckClaim, Again: h.claim},
		{Pattern: "POST /console/claims/{claim}/appeal", For: []signin.Role{signin.Review, signin.Recheck}, Do: h.decideAppeal, Again: h.claim},

		{Pattern: "GET /console/payouts", For: payers, Do: h.payouts},
		{Pattern: "POST /console/payouts", For: finance, Do: h.makeBatch, Again: h.payouts},
		{Pattern: "GET /console/payouts/{batch}", For: payers, Do: h.payout},
		{Pattern: "POST /console/payouts/{batch}/release", For: finance, Do: h.releaseBatch, Again: h.payout},
		{Pattern: "POST /console/payouts/{batch}/cancel", For: finance, Do: h.cancelBatch, Again: h.payout},
		{Pattern: "POST /console/payouts/{batch}/file", For: finance, Do: h.batchFile, Again: h.payout},
		{Pattern: "POST /console/payouts/{batch}/answer", For: finance, Do: h.answerBatch, Again: h.payout, Limit: 8 << 20},
	}
}

type claimRow struct {
	*claim.Claim
	Name string
	Late bool
}

type claimsData struct {
	State      claim.State
	States     []claim.State
	Counts     map[claim.State]int
	LateOnly   bool
	Rows       []claimRow
	Next, Back string
}

// first is the state whose claims wait for who is signed in.
func first(v *web.Visit) claim.State {
	switch {
	case v.Who.Has(signin.Review):
		return claim.Accepted
	case v.Who.Has(signin.Recheck):
		return claim.Reviewed
	}
	return claim.Submitted
}

func (h *handler) claimQueue(v *web.Visit, offset, limit int) (d claimsData, err error) {
	q := v.URL.Query()
	d = claimsData{State: claim.State(q.Get("state")), States: claim.States()[1:], LateOnly: q.Get("late") == "1"}
	if d.State == "" && q.Get("all") != "1" && !d.LateOnly {
		d.State = first(v)
	}
	f := claim.Filter{Region: h.pool(v), State: d.State, Offset: offset, Limit: limit}
	if d.LateOnly {
		f.LateOn, f.State, d.State = h.Today(), "", ""
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Counts, err = h.Claims.Counts(ctx, tx, f.Region); err != nil {
			return err
		}
		all, err := h.Claims.Queue(ctx, tx, f)
		for _, c := range all {
			p, _, err := h.Register.ByID(ctx, tx, c.Person)
			if err != nil {
				return err
			}
			d.Rows = append(d.Rows, claimRow{c, p.Name, c.Late(h.Today())})
		}
		return err
	})
	return d, err
}

func (h *handler) claims(v *web.Visit) error {
	page := pageOf(v)
	d, err := h.claimQueue(v, (page-1)*perPage, perPage+1)
	if err != nil {
		return err
	}
	if len(d.Rows) > perPage {
		d.Rows, d.Next = d.Rows[:perPage], turned(v, page+1)
	}
	if page > 1 {
		d.Back = turned(v, page-1)
	}
	return v.Show("claims.html", "手工报销", d)
}

func (h *handler) claimsSheet(v *web.Visit) error {
	d, err := h.claimQueue(v, 0, perSheet)
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "手工报销", Head: []string{"申请号", "姓名", "医院", "类别", "就诊或入院", "票据金额（元）", "原因", "状态", "期限", "超期"}}
	for _, r := range d.Rows {
		late := ""
		if r.Late {
			late = "是"
		}
		t.Rows = append(t.Rows, []any{r.ID, web.MaskName(r.Name), r.Where, r.Kind.Title(), r.From, r.Total, r.Reason, r.Claim.State.Title(), r.Due, late})
	}
	return h.sheet(v, t)
}

type claimData struct {
	*claim.Claim
	Person    enrolment.Person
	Rules     *policy.ClaimRules
	Asked     []paper.Asked
	Missing   []string
	Provider  provider.Provider
	Providers []provider.Provider // found by what was searched for
	Query     string
	Kinds     []policy.VisitKind
	Causes    []policy.Cause
	Levels    []policy.Level
	Diseases  []enrolment.SpecialDisease
	Trial     []*settlement.Settlement
	TrialWhy  string
	Results   []*settlement.Settlement
	Payments  []claim.Payment
	Fund      money.Fen
	Owed      money.Fen
	Sums      map[int]money.Fen // of the lines, by invoice
	Today     civil.Date
	Twice     []string // other care on the same days, for the reviewer to look at
	Match     claim.Line
	Matches   []catalogue.Item
	Involved  bool // the officer had a part in it
	Reads     bool // pictures of invoices can be read
}

// findClaim finds the claim that the address names, if it is of the officer's
// region and was submitted, or they may still fill it in.
func (h *handler) findClaim(v *web.Visit) (c *claim.Claim, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Claims.Get(ctx, tx, v.PathValue("claim"))
		if err != nil {
			return err
		}
		if region := h.pool(v); !ok || region != "" && found.Region != region || found.State == claim.Draft && found.Channel == claim.Online {
			return web.ErrNotFound
		}
		c = found
		return nil
	})
	return c, err
}

func (h *handler) claim(v *web.Visit) error {
	c, err := h.findClaim(v)
	if err != nil {
		return err
	}
	d := claimData{Claim: c, Kinds: claim.Kinds(), Causes: policy.Causes(), Levels: []policy.Level{policy.Primary, policy.Level1, policy.Level2, policy.Level3},
		Today: h.Today(), Reads: h.Reader != nil, Sums: map[int]money.Fen{}, Query: strings.TrimSpace(v.URL.Query().Get("q"))}
	for _, l := range c.Lines {
		d.Sums[l.Invoice] += l.Amount
	}
	for _, x := range c.Steps {
		d.Involved = d.Involved || x.Actor == v.Who.Actor()
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		if d.Person, _, err = h.Register.ByID(ctx, tx, c.Person); err != nil {
			return err
		}
		if d.Rules, err = h.Claims.Rules(c.Region); err != nil {
			return err
		}
		asked, missing, have, err := h.Claims.Papers(ctx, tx, c)
		if err != nil {
			return err
		}
		d.Missing = missing
		d.Asked = paper.Sort(asked, have)
		if d.Provider, _, err = provider.Get(ctx, tx, c.Provider); err != nil {
			return err
		}
		d.Provider = d.Provider.On(max(c.From, 19900101))
		if c.State == claim.Submitted {
			part := d.Query
			if part == "" && c.Provider == "" {
				part = c.Where
			}
			if part != "" && len(part) < 100 {
				if d.Providers, err = provider.Find(ctx, tx, provider.Wanted{NameHas: part, On: max(c.From, 19900101)}, catalogue.Page{Limit: 8}); err != nil {
					return err
				}
			}
			if err := h.candidates(ctx, tx, v, &d); err != nil {
				return err
			}
		}
		if d.Diseases, err = enrolment.SpecialDiseases(ctx, tx, c.Person, max(c.From, 19900101)); err != nil {
			return err
		}
		for _, id := range c.Settlements {
			st, ok, err := h.Settlement.Get(ctx, tx, id)
			if err != nil {
				return err
			}
			if ok {
				d.Results = append(d.Results, st)
				d.Fund += st.Result.FundTotal
			}
		}
		if d.Owed, err = h.Claims.Owed(ctx, tx, c); err != nil {
			return err
		}
		if d.Payments, err = h.Claims.Payments(ctx, tx, c); err != nil {
			return err
		}
		for i := range c.Steps {
			if c.Steps[i].Actor, err = officer(ctx, tx, c.Steps[i].Actor); err != nil {
				return err
			}
		}
		return h.twice(ctx, tx, &d)
	}); err != nil {
		return err
	}
	if c.State == claim.Submitted || c.State == claim.Accepted || c.State == claim.Reviewed {
		d.Trial, err = h.Claims.Try(v.Ctx(), h.DB, c.ID)
		if _, text, ok := web.Refusal(err); ok {
			d.TrialWhy, err = text, nil
		}
		if err != nil {
			return err
		}
		for _, st := range d.Trial {
			d.Fund += st.Result.FundTotal
		}
	}
	return v.Show("claim.html", "手工报销 "+c.ID, d)
}

// twice names care that was settled on the days of the claim: what is claimed may
// be among it.
func (h *handler) twice(ctx context.Context, tx *db.Tx, d *claimData) error {
	if d.From == 0 {
		return nil
	}
	all, err := h.Settlement.List(ctx, tx, settlement.Filter{Person: d.Claim.Person, From: d.From.AddDays(-1), To: max(d.From, d.To), Limit: 50})
	for _, st := range all {
		if st.Reverses == "" && st.ReversedBy == "" && st.Visit.Claim != d.ID {
			d.Twice = append(d.Twice, st.Case.Date.String()+" 在"+st.Provider.Name+"结算 "+st.Result.Total.Grouped()+" 元（"+st.ID+"）")
		}
	}
	return err
}

// candidates fills in what of the catalogue the line that the address names may be.
func (h *handler) candidates(ctx context.Context, tx *db.Tx, v *web.Visit, d *claimData) error {
	var invoice, n int
	if _, err := fmt.Sscanf(v.URL.Query().Get("match"), "%d-%d", &invoice, &n); err != nil {
		return nil
	}
	i := slices.IndexFunc(d.Lines, func(l claim.Line) bool { return l.Invoice == invoice && l.N == n })
	if i < 0 || d.Provider.Code == "" {
		return nil
	}
	d.Match = d.Lines[i]
	text := strings.TrimSpace(v.URL.Query().Get("name"))
	if text == "" {
		text = d.Match.Name
	}
	d.Match.Name = text
	all, err := claim.Match(ctx, tx, d.Provider.Region, d.Match.Day, text, 12)
	d.Matches = all
	return err
}

func (h *handler) beginClaim(v *web.Visit) error {
	p, err := h.findPerson(v)
	if err != nil {
		return err
	}
	kind, err := kindOf(v)
	if err != nil {
		return err
	}
	var c *claim.Claim
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		c, err = h.Claims.Begin(ctx, tx, p.ID, claim.Window, claim.Form{Reason: v.Value("reason"), Kind: kind, Phone: p.Phone, Bank: claim.Bank{Holder: p.Name}}, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Go("/console/claims/" + c.ID)
}

func kindOf(v *web.Visit) (policy.VisitKind, error) {
	for _, k := range claim.Kinds() {
		if k.String() == v.Value("kind") {
			return k, nil
		}
	}
	return 0, &web.Fault{Field: "kind", Want: "请选择就医类别"}
}

func causeOf(v *web.Visit) policy.Cause {
	for _, c := range policy.Causes() {
		if c.String() == v.Value("cause") {
			return c
		}
	}
	return policy.Illness
}

// dayOf reads a day that may be left out.
func dayOf(v *web.Visit, field string) (civil.Date, error) {
	if v.Value(field) == "" {
		return 0, nil
	}
	d, err := civil.Parse(v.Value(field))
	if err != nil {
		return 0, &web.Fault{Field: field, Want: "「" + v.Value(field) + "」不是日期"}
	}
	return d, nil
}

// claimPaper shows a paper, and keeps on record who looked.
func (h *handler) claimPaper(v *web.Visit) error {
	c, err := h.findClaim(v)
	if err != nil {
		return err
	}
	f, body, err := h.content(v, c)
	if err != nil {
		return err
	}
	if f.Picture() {
		return v.Inline(f.Kind, body)
	}
	return v.Attach(f.Label+".pdf", f.Kind, body)
}

// content is the paper of a claim that the address names. That it was looked at is
// on record.
func (h *handler) content(v *web.Visit, c *claim.Claim) (f paper.File, body []byte, err error) {
	err = h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Papers.Get(ctx, tx, v.PathValue("evidence"))
		if err == nil && (!ok || found.Matter != c.ID) {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		f = found
		if body, err = h.Papers.Content(ctx, tx, f); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Record{At: h.Clock(), Actor: v.Who.Actor(), Chain: audit.OfPerson(c.Person), Action: "paper.view", Subject: f.ID, Details: map[string]string{"claim": c.ID}})
	})
	return f, body, err
}

// readPaper reads a picture of an invoice (票据识别) into the forms of the claim's
// page: a help, to be held against the picture before it is taken. It changes
// nothing.
func (h *handler) readPaper(v *web.Visit) error {
	c, err := h.findClaim(v)
	if err != nil {
		return err
	}
	if h.Reader == nil {
		return &web.Fault{Field: "file", Want: "没有启用票据识别"}
	}
	f, body, err := h.content(v, c)
	if err != nil {
		return err
	}
	if !f.Picture() {
		return &web.Fault{Field: "file", Want: "只识别照片；PDF 请打开录入"}
	}
	read, err := h.Reader.Read(v.Ctx(), body)
	switch {
	case errors.Is(err, ocr.ErrMissing):
		return &web.Fault{Field: "file", Want: "没有安装票据识别程序"}
	case err != nil:
		return err
	case read.Empty():
		return &web.Fault{Field: "file", Want: "没有读出可靠的内容，请对照照片录入"}
	}
	if err := v.ParseForm(); err != nil {
		return err
	}
	for name, text := range map[string]string{"code": read.Code.Value, "number": read.Number.Value} {
		v.Form.Set(name, text)
	}
	if read.Date.Value != 0 {
		v.Form.Set("day", read.Date.Value.String())
	}
	if read.Total.Value != 0 {
		v.Form.Set("total", read.Total.Value.String())
	}
	var rows strings.Builder
	for _, l := range read.Lines {
		fmt.Fprintf(&rows, "%s,,1,%s\n", strings.ReplaceAll(l.Item.Value, ",", " "), l.Amount.Value)
	}
	v.Form.Set("rows", rows.String())
	v.Said = "已读出能确定的内容，填在下面的票据和明细里；请对照照片核对后再保存。"
	return h.claim(v)
}

// addPapers keeps papers that were brought to the counter.
func (h *handler) addPapers(v *web.Visit) error {
	c, err := h.findClaim(v)
	if err != nil {
		return err
	}
	if c.State != claim.Draft && c.State != claim.Returned && c.State != claim.Submitted {
		return &web.Fault{Field: "file", Want: "这个申请" + c.State.Title() + "，不能再加材料"}
	}
	files, err := web.Uploads(v, "file", paper.MaxSize)
	if err != nil {
		return err
	}
	if v.Value("label") == "" {
		return &web.Fault{Field: "label", Want: "请选择是哪一种材料"}
	}
	for _, f := range files {
		clean, err := h.Cleaner.Clean(v.Ctx(), f.Body)
		if err != nil {
			return err
		}
		if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
			_, err := h.Papers.Put(ctx, tx, paper.Handed{Matter: c.ID, Person: c.Person, Label: v.Value("label"), Name: f.Name, Clean: clean, Actor: v.Who.Actor()})
			return err
		}); err != nil {
			return err
		}
	}
	return v.Go("/console/claims/" + c.ID + "#papers")
}

// saveClaim writes the application down for who applies at the counter.
func (h *handler) saveClaim(v *web.Visit) error {
	c, err := h.findClaim(v)
	if err != nil {
		return err
	}
	f := claim.Form{Reason: v.Value("reason"), Where: v.Value("where"), Phone: c.Phone, Note: v.Value("note"), Cause: causeOf(v), Disease: v.Value("disease"),
		Bank: claim.Bank{Name: v.Value("bank"), Account: v.Value("account"), Holder: v.Value("holder")}}
	if f.Bank.Account == ident.Mask(c.Bank.Account) { // shown masked, and left as it was
		f.Bank.Account = c.Bank.Account
	}
	if f.Kind, err = kindOf(v); err != nil {
		return err
	}
	if f.From, err = dayOf(v, "from"); err != nil {
		return err
	}
	if f.To, err = dayOf(v, "to"); err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Claims.Save(ctx, tx, c.ID, c.Person, f)
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/claims/"+c.ID, "已保存。")
}

// onClaim does one thing to the claim that the address names, and says so.
func (h *handler) onClaim(v *web.Visit, said string, f func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error)) error {
	c, err := h.findClaim(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := f(ctx, tx, c)
		return err
	}); err != nil {
		return err
	}
	if said == "" {
		return v.Go("/console/claims/" + url.PathEscape(c.ID) + "#entry")
	}
	return v.Done("/console/claims/"+url.PathEscape(c.ID), said)
}

func (h *handler) submitClaim(v *web.Visit) error {
	return h.onClaim(v, "已提交。", func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error) {
		return h.Claims.Submit(ctx, tx, c.ID, c.Person, v.Who.Actor())
	})
}

// entryOf is what is written down of a claim.
func entryOf(c *claim.Claim) claim.Entry {
	return claim.Entry{Provider: c.Provider, Kind: c.Kind, From: c.From, To: c.To, Cause: c.Cause, Disease: c.Disease, Invoices: c.Invoices, Lines: c.Lines}
}

// write changes what is written down of the claim that the address names.
func (h *handler) write(v *web.Visit, change func(e *claim.Entry) error) error {
	return h.onClaim(v, "", func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error) {
		e := entryOf(c)
		if err := change(&e); err != nil {
			return nil, err
		}
		return h.Claims.Write(ctx, tx, c.ID, e, v.Who.Actor())
	})
}

func (h *handler) writeCare(v *web.Visit) error {
	return h.write(v, func(e *claim.Entry) (err error) {
		if e.Kind, err = kindOf(v); err != nil {
			return err
		}
		if e.From, err = dayOf(v, "from"); err != nil {
			return err
		}
		if e.To, err = dayOf(v, "to"); err != nil {
			return err
		}
		e.Provider, e.Cause, e.Disease = v.Value("provider"), causeOf(v), v.Value("disease")
		return nil
	})
}

var providerCode = func(s string) bool {
	return len(s) == 12 && (s[0] == 'H' || s[0] == 'P') && strings.Trim(s[1:], "0123456789") == ""
}

// addProvider registers where care was given elsewhere, as the country's register
// has it, and takes it for the claim.
func (h *handler) addProvider(v *web.Visit) error {
	p := provider.Provider{Code: strings.ToUpper(v.Value("code")), Name: v.Value("name"), Region: v.Value("region"), Designated: v.Value("designated") == "1"}
	_, err := ident.ParseRegion(p.Region)
	switch {
	case !providerCode(p.Code):
		return &web.Fault{Field: "code", Want: "应为国家医药机构编码：H 或 P 加 11 位数字"}
	case p.Name == "" || len([]rune(p.Name)) > 60:
		return &web.Fault{Field: "name", Want: "请填写机构名称，不超过 60 个字"}
	case err != nil:
		return &web.Fault{Field: "region", Want: "应为就医地的六位区划代码"}
	case h.pool(v) != "" && p.Region == h.pool(v):
		return &web.Fault{Field: "region", Want: "本地机构由定点管理登记，这里只登记外地机构"}
	}
	if p.Code[0] == 'P' {
		p.Kind = policy.Pharmacy
	}
	for _, l := range []policy.Level{policy.Primary, policy.Level1, policy.Level2, policy.Level3} {
		if l.String() == v.Value("level") {
			p.Level = l
		}
	}
	return h.onClaim(v, "已登记 "+p.Name+"。", func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error) {
		if _, ok, err := provider.Get(ctx, tx, p.Code); err != nil {
			return nil, err
		} else if ok {
			return nil, &web.Fault{Field: "code", Want: "这个编码已经登记，请直接选择"}
		}
		if err := provider.Add(ctx, tx, p); err != nil {
			return nil, err
		}
		if err := audit.Append(ctx, tx, audit.Record{At: h.Clock(), Actor: v.Who.Actor(), Action: "provider.add", Subject: p.Code, Details: map[string]string{"claim": c.ID, "region": p.Region}}); err != nil {
			return nil, err
		}
		e := entryOf(c)
		e.Provider = p.Code
		return h.Claims.Write(ctx, tx, c.ID, e, v.Who.Actor())
	})
}

func (h *handler) writeInvoice(v *web.Visit) error {
	return h.write(v, func(e *claim.Entry) (err error) {
		if n, err := strconv.Atoi(v.Value("remove")); err == nil {
			e.Invoices = slices.DeleteFunc(e.Invoices, func(i claim.Invoice) bool { return i.N == n })
			e.Lines = slices.DeleteFunc(e.Lines, func(l claim.Line) bool { return l.Invoice == n })
			for i := range e.Lines {
				if e.Lines[i].Invoice > n {
					e.Lines[i].Invoice--
				}
			}
			return nil
		}
		i := claim.Invoice{Code: v.Value("code"), Number: v.Value("number"), Original: v.Value("original")}
		if i.Day, err = dayOf(v, "day"); err != nil {
			return err
		}
		if i.Total, err = money.Parse(v.Value("total")); err != nil {
			return &web.Fault{Field: "total", Want: "请填写票面金额，如 1234.56"}
		}
		e.Invoices = append(e.Invoices, i)
		return nil
	})
}

// writeLines adds the lines of a table pasted from a list: name, code, quantity,
// unit price, with tabs or several spaces between. A line whose code is left out
// is matched by its whole name; what is not found is paid by the person.
func (h *handler) writeLines(v *web.Visit) error {
	invoice, err := strconv.Atoi(v.Value("invoice"))
	if err != nil {
		return &web.Fault{Field: "invoice", Want: "请选择是哪一张票据的明细"}
	}
	c, err := h.findClaim(v)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(v.Value("remove")); err == nil {
		return h.write(v, func(e *claim.Entry) error {
			e.Lines = slices.DeleteFunc(e.Lines, func(l claim.Line) bool { return l.Invoice == invoice && l.N == n })
			return nil
		})
	}
	lines, err := readLines(v.FormValue("rows"), invoice)
	if err != nil {
		return err
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p, ok, err := provider.Get(ctx, tx, c.Provider)
		if err == nil && !ok {
			err = &web.Fault{Field: "provider", Want: "请先选择就医的医药机构，才知道用哪里的目录"}
		}
		if err != nil {
			return err
		}
		for i := range lines {
			l := &lines[i]
			if l.Item != "" {
				continue
			}
			on := c.To
			if on == 0 {
				on = h.Today()
			}
			all, err := claim.Match(ctx, tx, p.Region, on, l.Name, 20)
			if err != nil {
				return err
			}
			found := ""
			for _, it := range all {
				if it.Name == l.Name {
					if found != "" && found != it.Code { // two of one name: an officer chooses
						found = ""
						break
					}
					found = it.Code
				}
			}
			l.Item = found
		}
		return nil
	}); err != nil {
		return err
	}
	return h.write(v, func(e *claim.Entry) error {
		e.Lines = append(e.Lines, lines...)
		slices.SortStableFunc(e.Lines, func(a, b claim.Line) int { return a.Invoice - b.Invoice })
		return nil
	})
}

// readLines reads a pasted table.
func readLines(text string, invoice int) (out []claim.Line, err error) {
	for i, row := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if strings.TrimSpace(row) == "" {
			continue
		}
		cells := strings.Split(row, "\t")
		if len(cells) == 1 {
			cells = strings.Split(strings.ReplaceAll(row, "，", ","), ",")
		}
		for k := range cells {
			cells[k] = strings.TrimSpace(cells[k])
		}
		if len(cells) != 4 {
			return nil, &web.Fault{Field: "rows", Want: fmt.Sprintf("第 %d 行应有四格：名称、目录编码（可空）、数量、单价，用制表符或逗号分开", i+1)}
		}
		l := claim.Line{Invoice: invoice, Name: cells[0], Item: strings.ToUpper(cells[1])}
		q, err := decimal(cells[2], 4)
		if err != nil {
			return nil, &web.Fault{Field: "rows", Want: fmt.Sprintf("第 %d 行的数量「%s」不是数字，至多四位小数", i+1, cells[2])}
		}
		if l.Price, err = decimal(cells[3], 6); err != nil {
			return nil, &web.Fault{Field: "rows", Want: fmt.Sprintf("第 %d 行的单价「%s」不是金额，至多六位小数", i+1, cells[3])}
		}
		l.Quantity = catalogue.Quantity(q)
		out = append(out, l)
	}
	if len(out) == 0 {
		return nil, &web.Fault{Field: "rows", Want: "请至少录入一条明细"}
	}
	return out, nil
}

var errDecimal = errors.New("not a decimal number")

// decimal reads a number of at most so many decimals, in units of the last.
func decimal(s string, decimals int) (int64, error) {
	whole, rest, _ := strings.Cut(strings.ReplaceAll(s, ",", ""), ".")
	if whole == "" || len(whole) > 9 || len(rest) > decimals || strings.Trim(whole+rest, "0123456789") != "" {
		return 0, errDecimal
	}
	return strconv.ParseInt(whole+rest+strings.Repeat("0", decimals-len(rest)), 10, 64)
}

func (h *handler) matchLine(v *web.Visit) error {
	invoice, _ := strconv.Atoi(v.Value("invoice"))
	n, _ := strconv.Atoi(v.Value("n"))
	return h.write(v, func(e *claim.Entry) error {
		for i := range e.Lines {
			if l := &e.Lines[i]; l.Invoice == invoice && l.N == n {
				l.Item = v.Value("item")
				return nil
			}
		}
		return &web.Fault{Field: "item", Want: "没有这条明细"}
	})
}

func (h *handler) acceptClaim(v *web.Visit) error {
	return h.onClaim(v, "已受理，转初审。", func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error) {
		return h.Claims.Accept(ctx, tx, c.ID, v.Who.Actor())
	})
}

func (h *handler) returnClaim(v *web.Visit) error {
	return h.onClaim(v, "已退回，参保人会收到要补正的内容。", func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error) {
		return h.Claims.Return(ctx, tx, c.ID, v.Value("reason"), v.Who.Actor())
	})
}

func (h *handler) refuseLine(v *web.Visit) error {
	invoice, _ := strconv.Atoi(v.Value("invoice"))
	n, _ := strconv.Atoi(v.Value("n"))
	return h.onClaim(v, "", func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error) {
		if v.Value("again") != "1" && v.Value("reason") == "" {
			return nil, &web.Fault{Field: "reason", Want: "请写明剔除这条明细的原因"}
		}
		return h.Claims.RefuseLine(ctx, tx, c.ID, invoice, n, v.Value("reason"), v.Who.Actor())
	})
}

func (h *handler) reviewClaim(v *web.Visit) error {
	return h.onClaim(v, "初审意见已提交，转复核。", func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error) {
		return h.Claims.Review(ctx, tx, c.ID, v.Value("decision"), v.Value("reason"), v.Who.Actor())
	})
}

func (h *handler) recheckClaim(v *web.Visit) error {
	agree := v.Value("decision")
	if agree != "agree" && agree != "back" {
		return &web.Fault{Field: "decision", Want: "请选择同意或退回初审"}
	}
	return h.onClaim(v, "复核完成。", func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error) {
		return h.Claims.Recheck(ctx, tx, c.ID, agree == "agree", v.Value("reason"), v.Who.Actor())
	})
}

func (h *handler) decideAppeal(v *web.Visit) error {
	decision := v.Value("decision")
	if decision != "uphold" && decision != "again" {
		return &web.Fault{Field: "decision", Want: "请选择维持原决定或重新审核"}
	}
	return h.onClaim(v, "申诉已处理。", func(ctx context.Context, tx *db.Tx, c *claim.Claim) (*claim.Claim, error) {
		return h.Claims.DecideAppeal(ctx, tx, c.ID, decision == "again", v.Value("reason"), v.Who.Actor())
	})
}

// Payment

type payoutsData struct {
	Batches []*claim.Batch
	Waiting int
	Sum     money.Fen
	Region  string
}

func (h *handler) payouts(v *web.Visit) error {
	d := payoutsData{Region: v.Operator().Region}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Batches, err = h.Claims.Batches(ctx, tx, d.Region, 100); err != nil {
			return err
		}
		for _, b := range d.Batches {
			if err := people(ctx, tx, b); err != nil {
				return err
			}
		}
		all, err := h.Claims.Queue(ctx, tx, claim.Filter{Region: d.Region, State: claim.Approved, Limit: 5000})
		for _, c := range all {
			owed, err := h.Claims.Owed(ctx, tx, c)
			if err != nil {
				return err
			}
			d.Waiting++
			d.Sum += owed
		}
		return err
	}); err != nil {
		return err
	}
	return v.Show("payouts.html", "报销款支付", d)
}

func (h *handler) makeBatch(v *web.Visit) error {
	var b *claim.Batch
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		made, ok, err := h.Claims.MakeBatch(ctx, tx, v.Operator().Region, v.Who.Actor())
		if err == nil && !ok {
			err = &web.Fault{Want: "没有待支付的申请"}
		}
		b = made
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/payouts/"+b.ID, "已制单，请另一名财务审批。")
}

type payoutData struct {
	*claim.Batch
	Names    map[string]string // of the claims' people, masked
	Answered []claim.Answered
	Own      bool // made by who looks at it
}

func (h *handler) findBatch(v *web.Visit) (b *claim.Batch, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Claims.GetBatch(ctx, tx, v.PathValue("batch"))
		if region := v.Operator().Region; err == nil && (!ok || region != "" && found.Region != region) {
			err = web.ErrNotFound
		}
		b = found
		return err
	})
	return b, err
}

// people names who made and released a batch.
func people(ctx context.Context, tx *db.Tx, b *claim.Batch) (err error) {
	if b.MadeBy, err = officer(ctx, tx, b.MadeBy); err == nil {
		b.ReleasedBy, err = officer(ctx, tx, b.ReleasedBy)
	}
	return err
}

func (h *handler) payout(v *web.Visit) error { return h.showBatch(v, nil) }

func (h *handler) showBatch(v *web.Visit, answered []claim.Answered) error {
	b, err := h.findBatch(v)
	if err != nil {
		return err
	}
	d := payoutData{Batch: b, Names: map[string]string{}, Answered: answered, Own: b.MadeBy == v.Who.Actor()}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		for _, p := range b.Rows {
			d.Names[p.Claim] = web.MaskName(p.Bank.Holder)
		}
		return people(ctx, tx, b)
	}); err != nil {
		return err
	}
	return v.Show("payout.html", "支付批次 "+b.ID, d)
}

func (h *handler) onBatch(v *web.Visit, said string, f func(ctx context.Context, tx *db.Tx, id string) error) error {
	b, err := h.findBatch(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error { return f(ctx, tx, b.ID) }); err != nil {
		return err
	}
	return v.Done("/console/payouts/"+url.PathEscape(b.ID), said)
}

func (h *handler) releaseBatch(v *web.Visit) error {
	return h.onBatch(v, "已审批，可以把文件交给银行。", func(ctx context.Context, tx *db.Tx, id string) error {
		_, err := h.Claims.Release(ctx, tx, id, v.Who.Actor())
		return err
	})
}

func (h *handler) cancelBatch(v *web.Visit) error {
	return h.onBatch(v, "已取消，申请重新待支付。", func(ctx context.Context, tx *db.Tx, id string) error {
		_, err := h.Claims.Cancel(ctx, tx, id, v.Who.Actor())
		return err
	})
}

// batchFile gives the file for the bank. It holds whole account numbers, so
// that who took it is on record.
func (h *handler) batchFile(v *web.Visit) error {
	b, err := h.findBatch(v)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		file.Reset()
		return h.Claims.WriteFile(ctx, tx, b.ID, v.Who.Actor(), &file)
	}); err != nil {
		return err
	}
	return v.Attach(b.ID+".csv", "text/csv; charset=utf-8", file.Bytes())
}

func (h *handler) answerBatch(v *web.Visit) error {
	b, err := h.findBatch(v)
	if err != nil {
		return err
	}
	files, err := web.Uploads(v, "file", 8<<20)
	if err != nil {
		return err
	}
	answered, err := h.Claims.Answer(v.Ctx(), h.DB, b.ID, bytes.NewReader(files[0].Body), v.Who.Actor())
	if err != nil {
		return err
	}
	return h.showBatch(v, answered)
}
