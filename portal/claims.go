package portal

import (
	"context"
	"fmt"
	"strconv"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/web"
)

// claimRoutes are those of manual reimbursement (手工报销).
func (h *handler) claimRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /me/claims", For: people, Do: h.claims},
		{Pattern: "GET /me/claims/new", For: people, Do: h.newClaim},
		{Pattern: "POST /me/claims", For: people, Do: h.beginClaim, Again: h.newClaim},
		{Pattern: "GET /me/claims/{claim}", For: people, Do: h.claim},
		{Pattern: "POST /me/claims/{claim}", For: people, Do: h.saveClaim, Again: h.claim},
		{Pattern: "POST /me/claims/{claim}/invoices", For: people, Do: h.addInvoice, Again: h.claim},
		{Pattern: "POST /me/claims/{claim}/invoices/remove", For: people, Do: h.removeInvoice, Again: h.claim},
		{Pattern: "POST /me/claims/{claim}/papers", For: people, Do: h.addClaimPapers, Again: h.claim, Limit: uploadLimit},
		{Pattern: "GET /me/claims/{claim}/papers/{evidence}", For: people, Do: h.claimPaper},
		{Pattern: "POST /me/claims/{claim}/papers/{evidence}/remove", For: people, Do: h.removeClaimPaper, Again: h.claim},
		{Pattern: "POST /me/claims/{claim}/submit", For: people, Do: h.submitClaim, Again: h.claim},
		{Pattern: "POST /me/claims/{claim}/withdraw", For: people, Do: h.withdrawClaim, Again: h.claim},
		{Pattern: "POST /me/claims/{claim}/account", For: people, Do: h.mendClaim, Again: h.claim},
		{Pattern: "POST /me/claims/{claim}/appeal", For: people, Do: h.appealClaim, Again: h.claim},
	}
}

// uploadLimit bounds what is uploaded at once, in bytes.
const uploadLimit = 48 << 20

type claimsData struct {
	Claims []*claim.Claim
	Today  civil.Date
}

func (h *handler) claims(v *web.Visit) error {
	d := claimsData{Today: h.Today()}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err := h.Claims.OfPerson(ctx, tx, v.Who.Acting.ID)
		for _, c := range all {
			if c.State != claim.Withdrawn {
				d.Claims = append(d.Claims, c)
			}
		}
		return err
	}); err != nil {
		return err
	}
	return v.Show("claims.html", v.Say("手工报销", "Claims"), d)
}

type newClaimData struct {
	Rules *policy.ClaimRules
	Why   string // nothing can be claimed
	Kinds []policy.VisitKind
}

func (h *handler) newClaim(v *web.Visit) error {
	d := newClaimData{Kinds: claim.Kinds()}
	rules, err := h.Claims.Rules(v.Who.Acting.Region)
	if _, text, ok := web.Refusal(err); ok {
		d.Why, err = text, nil
	}
	if err != nil {
		return err
	}
	d.Rules = rules
	return v.Show("claim-new.html", v.Say("申请手工报销", "New claim"), d)
}

// kindOf reads a kind of care by its name.
func kindOf(v *web.Visit) (policy.VisitKind, error) {
	for _, k := range claim.Kinds() {
		if k.String() == v.Value("kind") {
			return k, nil
		}
	}
	return 0, &web.Fault{Field: "kind", Want: v.Say("请选择看病的类别", "choose the kind of care")}
}

func (h *handler) beginClaim(v *web.Visit) error {
	kind, err := kindOf(v)
	if err != nil {
		return err
	}
	if v.Value("reason") == "" {
		return &web.Fault{Field: "reason", Want: v.Say("请选择没有直接结算的原因", "choose why it was not settled there")}
	}
	p := v.Who.Acting
	var c *claim.Claim
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		c, err = h.Claims.Begin(ctx, tx, p.ID, claim.Online, claim.Form{Reason: v.Value("reason"), Kind: kind, Phone: v.Who.Person.Phone, Bank: claim.Bank{Holder: p.Name}}, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Go("/me/claims/" + c.ID)
}

type claimData struct {
	*claim.Claim
	Rules    *policy.ClaimRules
	Asked    []paper.Asked
	Missing  int
	Step     int // of a claim that is being filled in: 1 to 4
	Kinds    []policy.VisitKind
	Causes   []policy.Cause
	Results  []*settlement.Settlement
	Payments []claim.Payment
	Fund     money.Fen
	Owed     money.Fen
	Today    civil.Date
	Editable bool
	Appeals  bool // an appeal may be made
}

// At numbers the steps from 1.
func (d claimData) At(i int) int { return i + 1 }

// ownClaim finds the claim that the address names, if it is whose affairs the
// session is about.
func (h *handler) ownClaim(v *web.Visit) (c *claim.Claim, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Claims.Get(ctx, tx, v.PathValue("claim"))
		if err == nil && (!ok || found.Person != v.Who.Acting.ID) {
			err = web.ErrNotFound
		}
		c = found
		return err
	})
	return c, err
}

func (h *handler) claim(v *web.Visit) error {
	c, err := h.ownClaim(v)
	if err != nil {
		return err
	}
	d := claimData{Claim: c, Kinds: claim.Kinds(), Causes: policy.Causes(), Today: h.Today(), Editable: c.State == claim.Draft || c.State == claim.Returned}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		if d.Rules, err = h.Claims.Rules(c.Region); err != nil {
			return err
		}
		asked, missing, have, err := h.Claims.Papers(ctx, tx, c)
		if err != nil {
			return err
		}
		d.Missing = len(missing)
		d.Asked = paper.Sort(asked, have)
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
		d.Payments, err = h.Claims.Payments(ctx, tx, c)
		return err
	}); err != nil {
		return err
	}
	d.Appeals = c.Decided != 0 && d.Rules.AppealDays > 0 && d.Today <= c.Decided.AddDays(d.Rules.AppealDays) &&
		(c.State == claim.Paid || c.State == claim.Closed || c.State == claim.Refused || c.State == claim.Approved || c.State == claim.Failed)
	for _, x := range c.Steps {
		d.Appeals = d.Appeals && x.State != claim.Appealed
	}
	if !d.Editable {
		return v.Show("claim.html", v.Say("手工报销", "Claim"), d)
	}
	d.Step, _ = strconv.Atoi(v.URL.Query().Get("step"))
	if v.Fault != "" { // to where the fault is
		d.Step = map[string]int{"reason": 1, "kind": 1, "where": 1, "from": 1, "to": 1, "cause": 1, "disease": 1, "note": 1,
			"number": 2, "original": 2, "total": 2, "day": 2, "invoices": 2, "file": 3, "label": 3, "papers": 3, "bank": 4, "account": 4, "holder": 4}[v.Field]
	}
	d.Step = min(max(d.Step, 1), 4)
	return v.Show("claim-edit.html", v.Say("申请手工报销", "New claim"), d)
}

// step leads to a step of the claim.
func step(v *web.Visit, n int) error {
	return v.Go(fmt.Sprintf("/me/claims/%s?step=%d", v.PathValue("claim"), n))
}

// saveClaim saves one step, and leads to the next.
func (h *handler) saveClaim(v *web.Visit) error {
	c, err := h.ownClaim(v)
	if err != nil {
		return err
	}
	f := claim.Form{Reason: c.Reason, Kind: c.Kind, Where: c.Where, From: c.From, To: c.To, Bank: c.Bank, Phone: c.Phone, Note: c.Note, Cause: c.Cause, Disease: c.Disease}
	next := 2
	switch v.Value("part") {
	case "care":
		if f.Kind, err = kindOf(v); err != nil {
			return err
		}
		if f.From, err = day(v, "from"); err != nil {
			return err
		}
		if f.To, err = day(v, "to"); err != nil {
			return err
		}
		f.Reason, f.Where, f.Note, f.Disease, f.Cause = v.Value("reason"), v.Value("where"), v.Value("note"), v.Value("disease"), policy.Illness
		for _, x := range policy.Causes() {
			if x.String() == v.Value("cause") {
				f.Cause = x
			}
		}
	case "bank":
		next = 4
		f.Bank = claim.Bank{Name: v.Value("bank"), Account: v.Value("account"), Holder: v.Value("holder")}
	default:
		return &web.Fault{Field: "part", Want: v.Say("没有这一步", "no such step")}
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Claims.Save(ctx, tx, c.ID, c.Person, f)
		return err
	}); err != nil {
		return err
	}
	if v.Value("then") == "submit" {
		return h.submitClaim(v)
	}
	return step(v, next)
}

func (h *handler) addInvoice(v *web.Visit) error {
	c, err := h.ownClaim(v)
	if err != nil {
		return err
	}
	i := claim.Invoice{Code: v.Value("code"), Number: v.Value("number"), Original: v.Value("original")}
	if i.Day, err = day(v, "day"); err != nil {
		return err
	}
	if i.Total, err = money.Parse(v.Value("total")); err != nil {
		return &web.Fault{Field: "total", Want: v.Say("请填写票据上的金额，如 1234.56", "the amount on the invoice, such as 1234.56")}
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Claims.SetInvoices(ctx, tx, c.ID, c.Person, append(c.Invoices, i))
		return err
	}); err != nil {
		return err
	}
	return step(v, 2)
}

func (h *handler) removeInvoice(v *web.Visit) error {
	c, err := h.ownClaim(v)
	if err != nil {
		return err
	}
	var left []claim.Invoice
	for _, i := range c.Invoices {
		if strconv.Itoa(i.N) != v.Value("n") {
			left = append(left, i)
		}
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Claims.SetInvoices(ctx, tx, c.ID, c.Person, left)
		return err
	}); err != nil {
		return err
	}
	return step(v, 2)
}

func (h *handler) addClaimPapers(v *web.Visit) error {
	c, err := h.ownClaim(v)
	if err != nil {
		return err
	}
	if c.State != claim.Draft && c.State != claim.Returned {
		return &web.Fault{Field: "file", Want: v.Say("这个申请已提交，不能再加材料", "the claim was submitted already")}
	}
	files, err := web.Uploads(v, "file", paper.MaxSize)
	if err != nil {
		return err
	}
	clean := make([]paper.Clean, len(files))
	for i, f := range files {
		if clean[i], err = h.Cleaner.Clean(v.Ctx(), f.Body); err != nil {
			return err
		}
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		asked, _, _, err := h.Claims.Papers(ctx, tx, c)
		if err != nil {
			return err
		}
		label := v.Value("label")
		known := label == "其他材料"
		for _, a := range asked {
			known = known || a == label
		}
		if !known {
			return &web.Fault{Field: "label", Want: v.Say("没有要求这种材料", "no such paper is asked for")}
		}
		for i, f := range files {
			if _, err := h.Papers.Put(ctx, tx, paper.Handed{Matter: c.ID, Person: c.Person, Label: label, Name: f.Name, Clean: clean[i], Actor: v.Who.Actor()}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return step(v, 3)
}

// ownPaper finds the paper that the address names, of a claim of whose affairs
// the session is about.
func (h *handler) ownClaimPaper(v *web.Visit) (c *claim.Claim, f paper.File, body []byte, err error) {
	if c, err = h.ownClaim(v); err != nil {
		return nil, f, nil, err
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Papers.Get(ctx, tx, v.PathValue("evidence"))
		if err == nil && (!ok || found.Matter != c.ID) {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		f = found
		body, err = h.Papers.Content(ctx, tx, f)
		return err
	})
	return c, f, body, err
}

func (h *handler) claimPaper(v *web.Visit) error {
	_, f, body, err := h.ownClaimPaper(v)
	if err != nil {
		return err
	}
	if f.Picture() {
		return v.Inline(f.Kind, body)
	}
	return v.Attach(f.Label+".pdf", f.Kind, body)
}

func (h *handler) removeClaimPaper(v *web.Visit) error {
	c, f, _, err := h.ownClaimPaper(v)
	if err != nil {
		return err
	}
	if c.State != claim.Draft && c.State != claim.Returned {
		return &web.Fault{Field: "file", Want: v.Say("这个申请已提交，不能删除材料", "the claim was submitted already")}
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error { return h.Papers.Remove(ctx, tx, f, v.Who.Actor()) }); err != nil {
		return err
	}
	return step(v, 3)
}

func (h *handler) submitClaim(v *web.Visit) error {
	c, err := h.ownClaim(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		c, err = h.Claims.Submit(ctx, tx, c.ID, c.Person, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/me/claims/"+c.ID, v.Say("已提交，申请号 ", "Submitted as ")+c.ID)
}

func (h *handler) withdrawClaim(v *web.Visit) error {
	c, err := h.ownClaim(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Claims.Withdraw(ctx, tx, c.ID, c.Person, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/me/claims", v.Say("已撤回。", "Withdrawn."))
}

func (h *handler) mendClaim(v *web.Visit) error {
	c, err := h.ownClaim(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Claims.Mend(ctx, tx, c.ID, c.Person, claim.Bank{Name: v.Value("bank"), Account: v.Value("account"), Holder: v.Value("holder")}, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/me/claims/"+c.ID, v.Say("已更正，将重新支付。", "Mended; it will be paid again."))
}

func (h *handler) appealClaim(v *web.Visit) error {
	c, err := h.ownClaim(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Claims.Appeal(ctx, tx, c.ID, c.Person, v.Value("reason"), v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/me/claims/"+c.ID, v.Say("申诉已提交，会由没有经手过的人员重新审查。", "Your appeal is in; others will look at it."))
}
