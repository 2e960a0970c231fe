// Package portal is what insured people see (个人网厅), on a phone first: their
// e-credential, insurance, contributions, account and care, each settlement as an
// explained bill, and what care would cost them. People act for themselves, for
// family under their phone, or for who authorised them; every page is about
// whom the session acts for, and never takes a person's number from a form.
package portal

import (
	"context"
	"embed"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/channel"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/privacy"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/tipoff"
	"github.com/anji-platform/anji/web"
)

//go:embed templates
var files embed.FS

// Persona is one of the made-up people, to sign in as with one tap.
type Persona struct{ CitizenID, Name, Situation string }

// Config is what the portal is made of. Pay, Personas and Now may be left out.
type Config struct {
	web.Store
	Register   *enrolment.Register
	Policies   *policy.Store
	SignIn     *signin.Service
	Codes      *credential.Service
	Settlement *settlement.Service
	Dues       *contribution.Service
	Accounts   *account.Service
	Wallet     *channel.Wallet
	Privacy    *privacy.Service
	Filings    *filing.Service
	Claims     *claim.Service
	Papers     *paper.Service
	Cleaner    *paper.Cleaner
	TipOffs    *tipoff.Service
	// Pay makes an order for a bill and returns where to pay it, from where the
	// person comes back to a page; nil: nothing can be paid online here.
	Pay func(ctx context.Context, bill, back string) (address string, err error)
	// Personas are people that anybody may sign in as: beside made-up data only.
	Personas []Persona
	// Device is the phone of the personas' e-credentials.
	Device string
}

type handler struct{ Config }

// SignIn is where people sign in.
const SignIn = "/sign-in"

var people = []signin.Role{signin.Person}

// New returns the portal.
func New(c Config) *web.App {
	h := &handler{c}
	routes := []web.Route{
		{Pattern: "GET /{$}", For: web.Everyone, Do: h.home},
		{Pattern: "GET /prefs", For: web.Everyone, Do: h.prefer},
		{Pattern: "GET " + SignIn, For: web.Everyone, Do: h.door},
		{Pattern: "POST /sign-in/code", For: web.Everyone, Do: h.send, Again: h.door},
		{Pattern: "POST " + SignIn, For: web.Everyone, Do: h.byCode, Again: h.door},
		{Pattern: "POST /sign-in/password", For: web.Everyone, Do: h.byPassword, Again: h.door},
		{Pattern: "POST /sign-in/choose", For: web.Everyone, Do: h.choose},
		{Pattern: "POST /sign-out", For: web.Everyone, Do: h.leave},

		{Pattern: "GET /estimate", For: web.Everyone, Do: h.estimate},
		{Pattern: "GET /catalogue", For: web.Everyone, Do: h.catalogue},
		{Pattern: "GET /catalogue/{item}", For: web.Everyone, Do: h.item},
		{Pattern: "GET /providers", For: web.Everyone, Do: h.providers},
		{Pattern: "GET /providers/{provider}", For: web.Everyone, Do: h.provider},

		{Pattern: "GET /me", For: people, Do: h.me},
		{Pattern: "GET /me/credential", For: people, Do: h.credential},
		{Pattern: "POST /me/credential/code", For: people, Do: h.credentialCode, Again: h.credential},
		{Pattern: "POST /me/credential/activate", For: people, Do: h.activate, Again: h.credential, Limit: 8 << 20},
		{Pattern: "POST /me/credential/device", For: people, Do: h.bindDevice, Again: h.credential},
		{Pattern: "GET /me/insurance", For: people, Do: h.insurance},
		{Pattern: "GET /me/contributions", For: people, Do: h.contributions},
		{Pattern: "POST /me/contributions/{bill}/pay", For: people, Do: h.pay, Again: h.contributions},
		{Pattern: "POST /me/contributions/{bill}/wallet", For: people, Do: h.payWallet, Again: h.contributions},
		{Pattern: "GET /me/account", For: people, Do: h.account},
		{Pattern: "POST /me/account/family", For: people, Do: h.grant, Again: h.account},
		{Pattern: "POST /me/account/family/{beneficiary}/end", For: people, Do: h.revoke, Again: h.account},
		{Pattern: "GET /me/care", For: people, Do: h.care},
		{Pattern: "GET /me/care/{settlement}", For: people, Do: h.settlement},
		{Pattern: "GET /me/filings", For: people, Do: h.filings},
		{Pattern: "GET /me/filings/new", For: people, Do: h.newFiling},
		{Pattern: "POST /me/filings", For: people, Do: h.applyFiling, Again: h.newFiling, Limit: uploadLimit},
		{Pattern: "GET /me/filings/{application}", For: people, Do: h.filing},
		{Pattern: "POST /me/filings/{application}/complete", For: people, Do: h.completeFiling, Again: h.filing},
		{Pattern: "POST /me/filings/{application}/withdraw", For: people, Do: h.withdrawFiling, Again: h.filing},
		{Pattern: "GET /me/messages", For: people, Do: h.messages},
		{Pattern: "GET /me/family", For: people, Do: h.family},
		{Pattern: "POST /me/family/act", For: people, Do: h.act, Again: h.family},
		{Pattern: "POST /me/family/authorise", For: people, Do: h.authorise, Again: h.family},
		{Pattern: "POST /me/family/{agent}/withdraw", For: people, Do: h.withdraw, Again: h.family},
		{Pattern: "GET /me/password", For: people, Do: h.passwordForm},
		{Pattern: "POST /me/password", For: people, Do: h.password, Again: h.passwordForm},
		{Pattern: "POST /me/copy", For: people, Do: h.copy, Again: h.me},
	}
	routes = append(routes, h.claimRoutes()...)
	routes = append(routes, h.recognitionRoutes()...)
	routes = append(append(routes, h.answerRoutes()...), h.reportRoutes()...)
	routes = append(routes, h.statementRoutes()...)
	if len(c.Personas) > 0 {
		routes = append(routes, web.Route{Pattern: "POST /sign-in/demo", For: web.Everyone, Do: h.demo, Again: h.door})
	}
	return &web.App{Name: "portal", Layout: "phone.html", SignIn: SignIn, Files: files, Funcs: funcs, Routes: routes, Nav: nav}
}

func nav(v *web.Visit) []web.Link {
	if v.Who == nil || v.Who.Operator != nil {
		return nil
	}
	return []web.Link{
		{Path: "/", Title: v.Say("首页", "Home"), Icon: "home"},
		{Path: "/me/credential", Title: v.Say("凭证码", "Code"), Icon: "code"},
		{Path: "/me/care", Title: v.Say("就医", "Care"), Icon: "care"},
		{Path: "/me", Title: v.Say("我的", "Me"), Icon: "me"},
	}
}

// prefer keeps the language and the size of type in the browser.
func (h *handler) prefer(v *web.Visit) error {
	switch q := v.URL.Query(); {
	case q.Get(web.LangCookie) == "zh" || q.Get(web.LangCookie) == "en":
		v.Prefer(web.LangCookie, q.Get(web.LangCookie))
	case q.Get(web.LargeCookie) == "0" || q.Get(web.LargeCookie) == "1":
		v.Prefer(web.LargeCookie, q.Get(web.LargeCookie))
	}
	return v.Go(v.Next("/"))
}
