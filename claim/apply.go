package claim

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
)

// The bounds of a claim.
const (
	maxDrafts   = 10 // of one person
	maxInvoices = 50
	maxLines    = 400
	maxTotal    = money.Fen(10_000_000_00)
)

// Kinds are the kinds of care that may be claimed.
func Kinds() []policy.VisitKind {
	return []policy.VisitKind{policy.Outpatient, policy.Emergency, policy.Chronic, policy.Special, policy.Inpatient, policy.Maternity, policy.DaySurgery}
}

// The channels through which a claim comes in; Online is the person's own.
const (
	Online = "online"
	Window = "window"
)

// Form is what a person says of a claim. It is saved as they go, and what is not
// known yet is left out.
type Form struct {
	Reason   string
	Kind     policy.VisitKind
	Where    string // name of the hospital or pharmacy
	From, To civil.Date
	Bank     Bank
	Phone    string
	Note     string
	Cause    policy.Cause
	Disease  string
}

// Begin begins a claim: a draft that nobody else sees.
func (s *Service) Begin(ctx context.Context, tx *db.Tx, person, channel string, f Form, actor string) (*Claim, error) {
	if err := s.care.Expect(ctx, tx, "", person, true); err != nil {
		return nil, err
	}
	p, ok, err := s.register.ByID(ctx, tx, person)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Error{"person", person, "没有这个人员编号"}
	}
	if channel != Online && channel != Window {
		return nil, &Error{"channel", channel, "没有这个办理渠道"}
	}
	var drafts int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM claim WHERE person = ? AND state = ?`, person, string(Draft)).Scan(&drafts); err != nil {
		return nil, err
	}
	if drafts >= maxDrafts {
		return nil, errorf("id", "", "至多同时保存 %d 份草稿，请先提交或删除", maxDrafts)
	}
	c := &Claim{ID: newID(s.now()), Person: person, Region: p.Region, State: Draft, Channel: channel, Entered: actor, Made: s.now()}
	if err := s.fill(c, f); err != nil {
		return nil, err
	}
	if err := s.insert(ctx, tx, c); err != nil {
		return nil, err
	}
	return c, s.step(ctx, tx, c, Draft, actor, "")
}

// fill takes over what the form says.
func (s *Service) fill(c *Claim, f Form) error {
	rules, err := s.Rules(c.Region)
	if err != nil {
		return err
	}
	today := s.today()
	for _, x := range []struct {
		field, text string
		most        int
	}{{"where", f.Where, 100}, {"bank", f.Bank.Name, 100}, {"holder", f.Bank.Holder, 60}, {"note", f.Note, 500}, {"phone", f.Phone, 20}, {"disease", f.Disease, 60}} {
		if n := len([]rune(x.text)); n > x.most {
			return errorf(x.field, "", "至多 %d 个字", x.most)
		}
	}
	if f.Reason != "" {
		if _, ok := rules.Reason(f.Reason); !ok {
			var all []string
			for _, r := range rules.Reasons {
				all = append(all, r.Title)
			}
			return &Error{"reason", f.Reason, "可以申请的原因有：" + strings.Join(all, "、")}
		}
	}
	account := plain(f.Bank.Account)
	switch {
	case !slices.Contains(Kinds(), f.Kind):
		return &Error{"kind", f.Kind.Title(), "这一类就医不能手工报销"}
	case f.From > today:
		return &Error{"from", f.From.String(), "不能晚于今天"}
	case f.To > today:
		return &Error{"to", f.To.String(), "不能晚于今天"}
	case f.From != 0 && f.To != 0 && f.To < f.From:
		return &Error{"to", f.To.String(), "早于开始日期 " + f.From.String()}
	case account != "" && (len(account) < 8 || len(account) > 32 || strings.Trim(account, "0123456789") != ""):
		return &Error{"account", ident.Mask(f.Bank.Account), "应为 8 至 32 位数字"}
	case f.Cause > policy.Abroad:
		return &Error{"cause", "", "没有这个原因"}
	}
	f.Bank.Account = account
	c.Reason, c.Kind, c.From, c.To = f.Reason, f.Kind, f.From, f.To
	c.Where, c.Bank, c.Phone, c.Note, c.Cause, c.Disease = f.Where, f.Bank, f.Phone, f.Note, f.Cause, f.Disease
	return nil
}

// own holds a claim of this person.
func (s *Service) own(ctx context.Context, tx *db.Tx, id, person string) (*Claim, error) {
	c, err := s.hold(ctx, tx, id)
	if err == nil && c.Person != person {
		return nil, &Error{"id", id, "没有这个报销申请"}
	}
	return c, err
}

// Save saves a draft, or a returned claim, as far as it is filled in.
func (s *Service) Save(ctx context.Context, tx *db.Tx, id, person string, f Form) (*Claim, error) {
	c, err := s.own(ctx, tx, id, person)
	if err != nil {
		return nil, err
	}
	if err := c.expect("修改", Draft, Returned); err != nil {
		return nil, err
	}
	if err := s.fill(c, f); err != nil {
		return nil, err
	}
	return c, s.save(ctx, tx, c)
}

// SetInvoices says which invoices a draft or a returned claim is about, in place
// of those that were named before.
func (s *Service) SetInvoices(ctx context.Context, tx *db.Tx, id, person string, all []Invoice) (*Claim, error) {
	c, err := s.own(ctx, tx, id, person)
	if err != nil {
		return nil, err
	}
	if err := c.expect("修改", Draft, Returned); err != nil {
		return nil, err
	}
	return c, s.setInvoices(ctx, tx, c, all)
}

func (s *Service) setInvoices(ctx context.Context, tx *db.Tx, c *Claim, all []Invoice) error {
	if len(all) > maxInvoices {
		return errorf("invoices", "", "至多 %d 张票据", maxInvoices)
	}
	c.Total = 0
	seen := map[string]bool{}
	var rows [][]any
	for i := range all {
		v := &all[i]
		v.N, v.Code, v.Number, v.Original = i+1, plain(v.Code), plain(v.Number), plain(v.Original)
		k := key(v.Code, v.Number)
		switch {
		case v.Number == "" || len(v.Number) > 30 || len(v.Code) > 30 || len(v.Original) > 30:
			return errorf("number", v.Number, "第 %d 张票据缺少票据号码，或号码超过 30 位", v.N)
		case seen[k]:
			return errorf("number", v.Number, "第 %d 张票据与前面的重复", v.N)
		case v.Original == v.Number:
			return errorf("original", v.Original, "补办的票据与原票据号码相同")
		case v.Total <= 0 || v.Total > maxTotal:
			return errorf("total", v.Total.String(), "第 %d 张票据的金额应大于 0，不超过 %s 元", v.N, maxTotal.Grouped())
		case v.Day == 0 || v.Day > s.today():
			return errorf("day", v.Day.String(), "第 %d 张票据缺少日期，或日期晚于今天", v.N)
		}
		seen[k] = true
		c.Total += v.Total
		rows = append(rows, []any{c.ID, v.N, v.Code, v.Number, v.Original, int(v.Day), int64(v.Total)})
	}
	c.Invoices = all
	if err := tx.Exec(ctx, `DELETE FROM claim_invoice WHERE claim = ?`, c.ID); err != nil {
		return err
	}
	if err := tx.Insert(ctx, "claim_invoice (claim, n, code, number, original, day, total)", rows); err != nil {
		return err
	}
	return s.save(ctx, tx, c)
}

// claimInvoices makes a claim's invoices count, so that none counts twice: those
// that were lost and issued again count with the new ones.
func (s *Service) claimInvoices(ctx context.Context, tx *db.Tx, c *Claim) error {
	if err := free(ctx, tx, c); err != nil {
		return err
	}
	type one struct{ code, number string }
	var all []one
	for _, v := range c.Invoices {
		all = append(all, one{v.Code, v.Number})
		if v.Original != "" {
			all = append(all, one{v.Code, v.Original})
		}
	}
	slices.SortFunc(all, func(a, b one) int { return strings.Compare(key(a.code, a.number), key(b.code, b.number)) })
	for _, v := range slices.Compact(all) {
		if err := tx.Lock(ctx, "invoice:"+key(v.code, v.number)); err != nil {
			return err
		}
		t, found, err := twin(ctx, tx, c.ID, v.code, v.number)
		switch {
		case err != nil:
			return err
		case found && t.Claim != "":
			return &Error{"number", v.number, "这张票据已在报销申请 " + t.Claim + " 中使用，不能重复报销"}
		case found:
			return &Error{"number", v.number, "这张票据的费用已在医院直接结算（结算 " + t.Settlement + "），不能再报销"}
		}
		if err := tx.Exec(ctx, `INSERT INTO claim_invoice_key (key, claim) VALUES (?, ?)`, key(v.code, v.number), c.ID); err != nil {
			return err
		}
	}
	return nil
}

func free(ctx context.Context, tx *db.Tx, c *Claim) error {
	return tx.Exec(ctx, `DELETE FROM claim_invoice_key WHERE claim = ?`, c.ID)
}

// Submit hands a claim in, or in again after it was returned. Missing papers and
// whatever else is wrong is named, all at once; at the counter a claim that lacks
// papers is taken and returned with the list (一次性告知).
func (s *Service) Submit(ctx context.Context, tx *db.Tx, id, person, actor string) (*Claim, error) {
	c, err := s.own(ctx, tx, id, person)
	if err != nil {
		return nil, err
	}
	if err := c.expect("提交", Draft, Returned); err != nil {
		return nil, err
	}
	rules, err := s.Rules(c.Region)
	if err != nil {
		return nil, err
	}
	end := c.To
	if end == 0 || !c.Stay() {
		end = c.From
	}
	for _, x := range []struct {
		missing bool
		field   string
		want    string
	}{
		{c.Reason == "", "reason", "请选择申请的原因"},
		{c.From == 0, "from", "请填写就诊或入院的日期"},
		{c.Stay() && c.To == 0, "to", "请填写出院的日期"},
		{c.Where == "", "where", "请填写医院或药店的名称"},
		{c.Bank.Name == "", "bank", "请填写开户行"},
		{c.Bank.Account == "", "account", "请填写收款的银行账号"},
		{c.Bank.Holder == "", "holder", "请填写收款的户名"},
	} {
		if x.missing {
			return nil, &Error{x.field, "", x.want}
		}
	}
	if last := s.last(rules, end); c.State == Draft && last != 0 && s.today() > last {
		return nil, errorf("from", end.String(), "已超过申请期限：应在 %d 个月内申请，到 %s 为止", rules.Months, last)
	}
	if err := s.claimInvoices(ctx, tx, c); err != nil {
		return nil, err
	}
	_, missing, _, err := s.Papers(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		want := "缺少材料：" + strings.Join(missing, "、")
		if c.Channel == Online {
			return nil, &Error{"papers", "", want}
		}
		if c.State == Draft {
			if err := s.step(ctx, tx, c, Submitted, actor, ""); err != nil {
				return nil, err
			}
		}
		c.Back, c.Due = Submitted, 0
		return c, s.step(ctx, tx, c, Returned, "规则审核", want)
	}
	s.due(c, rules.AcceptDays)
	note := ""
	if c.State == Returned {
		note = "补正"
		c.Back = ""
	}
	return c, s.step(ctx, tx, c, Submitted, actor, note)
}

// last is the last day on which care that ended on a day may be claimed; 0: there
// is none.
func (s *Service) last(rules *policy.ClaimRules, end civil.Date) civil.Date {
	if rules.Months == 0 {
		return 0
	}
	return end.AddMonths(rules.Months)
}

// Withdraw takes a claim back before it is decided; a draft is removed.
func (s *Service) Withdraw(ctx context.Context, tx *db.Tx, id, person, actor string) (*Claim, error) {
	c, err := s.own(ctx, tx, id, person)
	if err != nil {
		return nil, err
	}
	if err := c.expect("撤回", Draft, Submitted, Returned, Accepted); err != nil {
		return nil, err
	}
	if len(c.Settlements) > 0 || s.appealed(c) {
		return nil, &Error{"id", id, "申诉后重新审核的申请不能撤回"}
	}
	if err := free(ctx, tx, c); err != nil {
		return nil, err
	}
	c.Due = 0
	return c, s.step(ctx, tx, c, Withdrawn, actor, "本人撤回")
}

func (s *Service) appealed(c *Claim) bool {
	return slices.ContainsFunc(c.Steps, func(x Step) bool { return x.State == Appealed })
}

// Entry is what an officer writes down from the papers.
type Entry struct {
	Provider string // code, registered
	Kind     policy.VisitKind
	From, To civil.Date
	Cause    policy.Cause
	Disease  string
	Invoices []Invoice
	Lines    []Line
}

// Write writes down what the papers of a claim say, in place of what was written
// before: where care was given, the invoices, each item. It may be incomplete;
// Accept asks for the rest.
func (s *Service) Write(ctx context.Context, tx *db.Tx, id string, e Entry, actor string) (*Claim, error) {
	c, err := s.hold(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if err := c.expect("录入", Submitted); err != nil {
		return nil, err
	}
	f := Form{Reason: c.Reason, Kind: e.Kind, Where: c.Where, From: e.From, To: e.To, Bank: c.Bank, Phone: c.Phone, Note: c.Note, Cause: e.Cause, Disease: e.Disease}
	if err := s.fill(c, f); err != nil {
		return nil, err
	}
	if e.Provider != "" {
		p, ok, err := provider.Get(ctx, tx, e.Provider)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, &Error{"provider", e.Provider, "没有登记这个医药机构；外地的请先登记"}
		}
		c.Where = p.Name
	}
	c.Provider = e.Provider
	if err := s.setInvoices(ctx, tx, c, e.Invoices); err != nil {
		return nil, err
	}
	if err := s.claimInvoices(ctx, tx, c); err != nil {
		return nil, err
	}
	if err := s.setLines(ctx, tx, c, e.Lines); err != nil {
		return nil, err
	}
	return c, s.note(ctx, tx, c, actor, "claim.write")
}

func (s *Service) setLines(ctx context.Context, tx *db.Tx, c *Claim, all []Line) error {
	if len(all) > maxLines {
		return errorf("lines", "", "至多 %d 条明细", maxLines)
	}
	count := map[int]int{}
	var rows [][]any
	for i := range all {
		l := &all[i]
		count[l.Invoice]++
		l.N, l.Name, l.Item = count[l.Invoice], strings.TrimSpace(l.Name), strings.TrimSpace(l.Item)
		if l.Day == 0 && l.Invoice >= 1 && l.Invoice <= len(c.Invoices) {
			l.Day = c.Invoices[l.Invoice-1].Day
		}
		where := func(field, value, want string) error {
			return errorf(field, value, "第 %d 张票据第 %d 条：%s", l.Invoice, l.N, want)
		}
		switch {
		case l.Invoice < 1 || l.Invoice > len(c.Invoices):
			return errorf("lines", "", "第 %d 条明细不属于任何一张票据", i+1)
		case l.Name == "" || len([]rune(l.Name)) > 100:
			return where("name", "", "缺少名称，或超过 100 个字")
		case len(l.Item) > 40:
			return where("item", "", "目录编码过长")
		case l.Quantity <= 0:
			return where("quantity", l.Quantity.String(), "数量应大于 0")
		case l.Price < 0:
			return where("price", "", "单价不能为负")
		}
		if l.Amount = settlement.Multiply(l.Quantity, l.Price); l.Amount <= 0 || l.Amount > maxTotal {
			return where("price", l.Amount.String(), "金额应大于 0")
		}
		if c.Stay() && (l.Day < c.From || c.To != 0 && l.Day > c.To) {
			l.Day = c.To // an invoice of a stay is of the day on which it was paid
		}
		rows = append(rows, []any{c.ID, l.Invoice, l.N, l.Item, l.Name, int(l.Day), int64(l.Quantity), l.Price, int64(l.Amount), l.Refused})
	}
	c.Lines = all
	if err := tx.Exec(ctx, `DELETE FROM claim_line WHERE claim = ?`, c.ID); err != nil {
		return err
	}
	return tx.Insert(ctx, "claim_line (claim, invoice, n, item, name, day, quantity, price, amount, refused)", rows)
}

// Match finds what of the catalogue a line may be, by its code or a part of its
// name, in the region where care was given and on its day.
func Match(ctx context.Context, tx *db.Tx, region string, day civil.Date, text string, limit int) (all []catalogue.Item, err error) {
	if it, ok, err := catalogue.Find(ctx, tx, region, day, strings.ToUpper(text)); err != nil || ok {
		return append(all, it), err
	}
	err = catalogue.Items(ctx, tx, catalogue.Filter{NameHas: text, On: day}, catalogue.Page{Limit: int64(limit)}, func(it catalogue.Listed) error {
		if it.Region == "" || it.Region == region {
			all = append(all, it.Item)
		}
		return nil
	})
	return all, err
}

// Whole says what a claim lacks to be accepted, "" for nothing.
func (s *Service) whole(ctx context.Context, tx *db.Tx, c *Claim) error {
	rules, err := s.Rules(c.Region)
	if err != nil {
		return err
	}
	reason, _ := rules.Reason(c.Reason)
	p, ok, err := provider.Get(ctx, tx, c.Provider)
	switch {
	case err != nil:
		return err
	case !ok:
		return &Error{"provider", c.Provider, "请选择就医的医药机构"}
	case len(c.Invoices) == 0:
		return &Error{"invoices", "", "请录入票据"}
	case (c.Kind == policy.Chronic || c.Kind == policy.Special) && c.Disease == "":
		return &Error{"disease", "", "请填写认定的病种"}
	}
	sums := map[int]money.Fen{}
	for _, l := range c.Lines {
		sums[l.Invoice] += l.Amount
	}
	for _, v := range c.Invoices {
		if sums[v.N] != v.Total {
			return errorf("lines", sums[v.N].String(), "第 %d 张票据 %s 的明细合计与票面金额 %s 不符", v.N, v.Number, v.Total)
		}
		if !c.Stay() && (v.Day < c.From || c.To != 0 && v.Day > c.To) {
			return errorf("day", v.Day.String(), "第 %d 张票据的日期不在就诊期间", v.N)
		}
	}
	if reason.Filed && p.Region != c.Region {
		kind, err := enrolment.FilingOn(ctx, tx, c.Person, p.Region, c.From)
		if err != nil {
			return err
		}
		if kind == policy.NotFiled {
			return &Error{"reason", c.Reason, "就医时没有到 " + p.Region + " 的备案；请参保人先补办备案"}
		}
	}
	_, missing, _, err := s.Papers(ctx, tx, c)
	if err == nil && len(missing) > 0 {
		err = &Error{"papers", "", "缺少材料：" + strings.Join(missing, "、")}
	}
	return err
}

// note records what was done to a claim that stays in its state.
func (s *Service) note(ctx context.Context, tx *db.Tx, c *Claim, actor, action string) error {
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: audit.OfPerson(c.Person), Action: action, Subject: c.ID})
}

func day(d civil.Date) time.Time {
	return time.Date(d.Year(), time.Month(d.Month()), d.Day(), 12, 0, 0, 0, zone)
}
