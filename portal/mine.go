package portal

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/outbox"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// careRow is a settlement in a list (就医记录).
type careRow struct {
	ID, Provider             string
	Time                     time.Time
	Visit                    policy.VisitKind
	Total, Fund, Person      money.Fen
	Refused, Reversed, Again bool
}

func (h *handler) cares(ctx context.Context, tx *db.Tx, person string, n int) (rows []careRow, err error) {
	all, err := h.Settlement.List(ctx, tx, settlement.Filter{Person: person, Limit: n})
	for _, st := range all {
		if st.Reverses != "" { // shown with what it reversed
			continue
		}
		r := &st.Result
		rows = append(rows, careRow{st.ID, st.Provider.Name, st.At, st.Case.Visit, r.Total, r.FundTotal, r.Person, r.Refused, st.ReversedBy != "", st.Replaces != ""})
	}
	return rows, err
}

// covered answers whether a person may be paid today; why is filled where no
// package can say.
func (h *handler) covered(ctx context.Context, tx *db.Tx, p enrolment.Person) (*coverage.Answer, string, error) {
	a, err := coverage.On(ctx, tx, h.Policies, p, h.Today(), h.Today())
	if missing := (*policy.InputError)(nil); errors.As(err, &missing) {
		return nil, missing.Error(), nil
	}
	return a, "", err
}

type homeData struct {
	Coverage *coverage.Answer
	Unknown  string
	Balance  money.Fen
	Due      money.Fen
	Care     []careRow
}

func (h *handler) home(v *web.Visit) error {
	if o := v.Operator(); o != nil {
		return v.Show("welcome.html", v.Say("安济医保", "Anji"), o)
	}
	if v.Who == nil {
		return v.Show("welcome.html", v.Say("安济医保", "Anji"), nil)
	}
	var d homeData
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		p := v.Who.Acting
		if d.Coverage, d.Unknown, err = h.covered(ctx, tx, p); err != nil {
			return err
		}
		if d.Balance, err = fund.Balance(ctx, tx, fund.PersonAccount(p.ID)); err != nil {
			return err
		}
		bills, err := h.Dues.Bills(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		for _, b := range bills {
			if b.State == contribution.Open {
				d.Due += b.Due
			}
		}
		d.Care, err = h.cares(ctx, tx, p.ID, 3)
		return err
	})
	if err != nil {
		return err
	}
	return v.Show("home.html", v.Say("首页", "Home"), d)
}

type insuranceData struct {
	Coverage *coverage.Answer
	Unknown  string
	Spells   []enrolment.Insurance
	Classes  []enrolment.Class
	Diseases []enrolment.SpecialDisease
	Filings  []enrolment.Filing
}

func (h *handler) insurance(v *web.Visit) error {
	var d insuranceData
	today := h.Today()
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		p := v.Who.Acting
		if d.Coverage, d.Unknown, err = h.covered(ctx, tx, p); err != nil {
			return err
		}
		if d.Spells, err = enrolment.Timeline(ctx, tx, p.ID); err != nil {
			return err
		}
		if d.Classes, err = enrolment.Classes(ctx, tx, p.ID, today); err != nil {
			return err
		}
		if d.Diseases, err = enrolment.SpecialDiseases(ctx, tx, p.ID, today); err != nil {
			return err
		}
		d.Filings, err = enrolment.FilingsWithin(ctx, tx, p.ID, today, today)
		return err
	})
	if err != nil {
		return err
	}
	for i, j := 0, len(d.Spells)-1; i < j; i, j = i+1, j-1 { // the newest first
		d.Spells[i], d.Spells[j] = d.Spells[j], d.Spells[i]
	}
	return v.Show("insurance.html", v.Say("我的参保", "My insurance"), d)
}

type relativeBills struct {
	Person enrolment.Person
	Bills  []contribution.Bill
}

type contributionsData struct {
	Open, Done []contribution.Bill
	Relatives  []relativeBills // whose bills one's own account may pay
	Online     bool
	Balance    money.Fen
}

func (h *handler) contributions(v *web.Visit) error {
	d := contributionsData{Online: h.Pay != nil}
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p := v.Who.Acting
		bills, err := h.Dues.Bills(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		for _, b := range bills {
			if b.State == contribution.Open {
				d.Open = append(d.Open, b)
			} else {
				d.Done = append([]contribution.Bill{b}, d.Done...)
			}
		}
		if d.Balance, err = fund.Balance(ctx, tx, fund.PersonAccount(p.ID)); err != nil {
			return err
		}
		given, err := h.Accounts.Given(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		for _, g := range given {
			bills, err := h.Dues.Bills(ctx, tx, g.Beneficiary)
			if err != nil {
				return err
			}
			r := relativeBills{}
			for _, b := range bills {
				if b.State == contribution.Open {
					r.Bills = append(r.Bills, b)
				}
			}
			if len(r.Bills) == 0 {
				continue
			}
			if r.Person, _, err = h.Register.ByID(ctx, tx, g.Beneficiary); err != nil {
				return err
			}
			d.Relatives = append(d.Relatives, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.Show("contributions.html", v.Say("我的缴费", "My contributions"), d)
}

// owned finds the bill that the address names, if it is whose affairs the session
// is about, or one of those that their account may pay.
func (h *handler) owned(v *web.Visit, relatives bool) (string, error) {
	id := v.PathValue("bill")
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		payer, err := h.Dues.Payer(ctx, tx, id)
		if _, _, ok := web.Refusal(err); ok || db.IsNotFound(err) {
			return web.ErrNotFound
		}
		if err != nil || payer == v.Who.Acting.ID {
			return err
		}
		if relatives {
			given, err := h.Accounts.Given(ctx, tx, v.Who.Acting.ID)
			for _, g := range given {
				if g.Beneficiary == payer {
					return err
				}
			}
		}
		return web.ErrNotFound
	})
	return id, err
}

func (h *handler) pay(v *web.Visit) error {
	id, err := h.owned(v, false)
	if err != nil {
		return err
	}
	if h.Pay == nil {
		return &web.Fault{Want: v.Say("这里没有开通线上缴费，请到银行或经办窗口缴纳", "paying online is not offered here")}
	}
	to, err := h.Pay(v.Ctx(), id, "/me/contributions")
	if err != nil {
		return err
	}
	return v.Done(to, v.Say("已提交支付，到账后显示为已缴。", "Submitted; it shows as paid once the money is in."))
}

func (h *handler) payWallet(v *web.Visit) error {
	id, err := h.owned(v, true)
	if err != nil {
		return err
	}
	if v.Who.Acting.ID != v.Who.Person.ID {
		return &web.Fault{Want: v.Say("个人账户只能由本人支付", "only the owner pays from an account")}
	}
	if _, err := h.Wallet.Pay(v.Ctx(), v.Who.Person.ID, v.FormValue("password"), id); err != nil {
		return err
	}
	return v.Done("/me/contributions", v.Say("已用个人账户缴费。", "Paid from your account."))
}

type relative struct {
	account.Standing
	Name string
}

type accountData struct {
	Balance         money.Fen
	Movements       []fund.Movement
	From            civil.Date
	Given, Received []relative
	Relations       []policy.Relative
	Own             bool
	None            bool // residents have no account of their own (居民不建个人账户)
}

func (h *handler) account(v *web.Visit) error {
	today := h.Today()
	d := accountData{From: today.AddMonths(-12), Own: v.Who.Acting.ID == v.Who.Person.ID}
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p := v.Who.Acting
		st, err := fund.Statement(ctx, tx, fund.PersonAccount(p.ID), fund.Period{From: d.From})
		if err != nil {
			return err
		}
		d.Balance = st.Closing
		for i := len(st.Movements) - 1; i >= 0 && len(d.Movements) < 60; i-- {
			d.Movements = append(d.Movements, st.Movements[i])
		}
		spells, err := enrolment.Insurances(ctx, tx, p.ID, today)
		if err != nil {
			return err
		}
		d.None = len(spells) > 0 && enrolment.Counting(spells).Scheme == policy.Resident && d.Balance == 0 && len(st.Movements) == 0
		given, err := h.Accounts.Given(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		received, err := h.Accounts.Received(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		for _, g := range given {
			who, _, err := h.Register.ByID(ctx, tx, g.Beneficiary)
			if err != nil {
				return err
			}
			d.Given = append(d.Given, relative{g, who.Name})
		}
		for _, g := range received {
			who, _, err := h.Register.ByID(ctx, tx, g.Owner)
			if err != nil {
				return err
			}
			d.Received = append(d.Received, relative{g, who.Name})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range policy.RelativeNames() {
		r, _ := policy.ParseRelative(name)
		d.Relations = append(d.Relations, r)
	}
	return v.Show("account.html", v.Say("个人账户", "Personal account"), d)
}

// limit reads an amount that may be left out.
func limit(v *web.Visit, field string) (money.Fen, error) {
	s := v.Value(field)
	if s == "" {
		return 0, nil
	}
	a, err := money.Parse(s)
	if err != nil || a <= 0 {
		return 0, &web.Fault{Field: field, Want: v.Say("「"+s+"」不是金额：应为大于 0 的数，至多两位小数", "not an amount above 0 with at most two decimals")}
	}
	return a, nil
}

func (h *handler) grant(v *web.Visit) error {
	if v.Who.Acting.ID != v.Who.Person.ID {
		return &web.Fault{Want: v.Say("家庭共济只能由账户所有人授权", "only the owner of the account can do this")}
	}
	relation, ok := policy.ParseRelative(v.Value("relation"))
	if !ok {
		return &web.Fault{Field: "relation", Want: v.Say("请选择与您的关系", "choose the relation")}
	}
	yearly, err := limit(v, "yearly")
	if err != nil {
		return err
	}
	once, err := limit(v, "once")
	if err != nil {
		return err
	}
	if err := h.Codes.Prove(v.Ctx(), v.Who.Person.ID, v.FormValue("password")); err != nil {
		return plain(err)
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		who, ok, err := h.Register.ByCitizenID(ctx, tx, strings.ToUpper(v.Value("citizen_id")))
		if err != nil {
			return err
		}
		if !ok || who.Name != v.Value("name") {
			return &web.Fault{Field: "citizen_id", Want: v.Say("姓名与证件号码不符，或没有在本平台参保", "name and citizen ID do not match, or the person is not insured here")}
		}
		return h.Accounts.Grant(ctx, tx, account.Grant{Owner: v.Who.Person.ID, Beneficiary: who.ID, Relation: relation, Yearly: yearly, PerUse: once}, v.Who.Actor())
	}); err != nil {
		return err
	}
	return v.Done("/me/account", v.Say("已授权，家人就医时即可使用。", "Done: they can use it from now on."))
}

// plain turns what is no fault of a field, such as a credential that is not
// active, into one for people.
func plain(err error) error {
	if _, _, ok := web.Refusal(err); ok || err == nil {
		return err
	}
	var refused interface{ Title() string }
	if errors.As(err, &refused) {
		return &web.Fault{Field: "password", Want: err.Error()}
	}
	return err
}

func (h *handler) revoke(v *web.Visit) error {
	if v.Who.Acting.ID != v.Who.Person.ID {
		return web.ErrNotFound
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		given, err := h.Accounts.Given(ctx, tx, v.Who.Person.ID)
		if err != nil {
			return err
		}
		for _, g := range given {
			if g.Beneficiary == v.PathValue("beneficiary") {
				return h.Accounts.Revoke(ctx, tx, v.Who.Person.ID, g.Beneficiary, v.Who.Actor())
			}
		}
		return web.ErrNotFound
	}); err != nil {
		return err
	}
	return v.Done("/me/account", v.Say("已取消授权。", "Ended."))
}

func (h *handler) care(v *web.Visit) error {
	var rows []careRow
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		rows, err = h.cares(ctx, tx, v.Who.Acting.ID, 100)
		return err
	})
	if err != nil {
		return err
	}
	return v.Show("care.html", v.Say("就医记录", "My care"), rows)
}

// ownSettlement finds the settlement that the address names, if it is of whom the
// session is about; what a reversal reversed explains it.
func (h *handler) ownSettlement(v *web.Visit) (st *settlement.Settlement, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Settlement.Get(ctx, tx, v.PathValue("settlement"))
		if err == nil && ok && found.Reverses != "" {
			found, ok, err = h.Settlement.Get(ctx, tx, found.Reverses)
		}
		if err == nil && (!ok || found.Person.ID != v.Who.Acting.ID) {
			return web.ErrNotFound
		}
		st = found
		return err
	})
	return st, err
}

func (h *handler) settlement(v *web.Visit) error {
	st, err := h.ownSettlement(v)
	if err != nil {
		return err
	}
	b := web.NewBill(v.Lang, &st.Case, &st.Result, st.Steps)
	b.ID, b.Name, b.Provider, b.Time, b.Reversed = st.ID, web.MaskName(st.Person.Name), st.Provider.Name, st.At, st.ReversedBy != ""
	return v.Show("settlement.html", v.Say("结算说明", "Settlement explained"), b)
}

// messages lists what was sent to the person's phone, but codes: they are for
// nobody who only looks over a shoulder.
func (h *handler) messages(v *web.Visit) error {
	var all []outbox.Message
	if v.Who.Person.Phone != "" {
		if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
			list, err := outbox.Latest(ctx, tx, h.Register.Sealer(), v.Who.Person.Phone, 100)
			for _, m := range list {
				if !strings.Contains(m.Text, "验证码") {
					all = append(all, m)
				}
			}
			return err
		}); err != nil {
			return err
		}
	}
	return v.Show("messages.html", v.Say("消息", "Messages"), all)
}

func (h *handler) me(v *web.Visit) error {
	return v.Show("me.html", v.Say("我的", "Me"), nil)
}

type familyData struct {
	Charges     []signin.Charge
	Authorities []signin.Authority
	Longest     civil.Date
}

func (h *handler) family(v *web.Visit) error {
	d := familyData{Longest: h.Today().AddDays(signin.MaxAuthority)}
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Charges, err = h.SignIn.Charges(ctx, tx, v.Who.Person.ID); err != nil {
			return err
		}
		d.Authorities, err = h.SignIn.Authorities(ctx, tx, v.Who.Person.ID)
		return err
	})
	if err != nil {
		return err
	}
	return v.Show("family.html", v.Say("家人与代办", "Family and agents"), d)
}

func (h *handler) act(v *web.Visit) error {
	if err := h.SignIn.Act(v.Ctx(), v.Who, v.Value("person")); err != nil {
		return err
	}
	return v.Go("/")
}

func (h *handler) authorise(v *web.Visit) error {
	to, err := civil.Parse(v.Value("to"))
	if err != nil {
		return &web.Fault{Field: "to", Want: v.Say("请选择委托到哪一天", "choose the last day")}
	}
	if err := h.SignIn.Authorise(v.Ctx(), signin.Authority{Principal: v.Who.Person.ID, AgentName: v.Value("name"), AgentCitizenID: v.Value("citizen_id"),
		To: to, PrincipalSecret: v.FormValue("password")}); err != nil {
		return err
	}
	return v.Done("/me/family", v.Say("已委托。", "Authorised."))
}

func (h *handler) withdraw(v *web.Visit) error {
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.SignIn.Withdraw(ctx, tx, v.Who.Person.ID, v.PathValue("agent"))
	}); err != nil {
		return err
	}
	return v.Done("/me/family", v.Say("已取消委托。", "Withdrawn."))
}

func (h *handler) passwordForm(v *web.Visit) error {
	return v.Show("password.html", v.Say("登录密码", "Password"), nil)
}

func (h *handler) password(v *web.Visit) error {
	if v.FormValue("password") != v.FormValue("again") {
		return &web.Fault{Field: "again", Want: v.Say("两次输入的密码不一致", "the two passwords differ")}
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.SignIn.SetPassword(ctx, tx, v.Who.Person.ID, v.FormValue("password"))
	}); err != nil {
		return err
	}
	return v.Done("/me", v.Say("登录密码已设置，下次可用身份证号和密码登录。", "Your password is set."))
}

// copy gives people all that is held of them (个人信息查阅复制权).
func (h *handler) copy(v *web.Visit) error {
	if v.Who.Acting.ID != v.Who.Person.ID {
		return &web.Fault{Want: v.Say("只能由本人下载", "only the person themselves can ask for this")}
	}
	var body []byte
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		c, err := h.Privacy.Export(ctx, tx, v.Who.Person.ID, v.Who.Actor(), "本人查阅复制")
		if err != nil {
			return err
		}
		body, err = json.MarshalIndent(c, "", "  ")
		return err
	}); err != nil {
		return err
	}
	return v.Attach("我的医保信息.json", "application/json", body)
}
