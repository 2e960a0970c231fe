// Package office is the door for everybody who works with the platform: officers
// of the agency, employers, and providers without a system of their own. They
// sign in here and are led to the pages of their role.
package office

import (
	"embed"

	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// SignIn is the address of the door.
const SignIn = "/office/sign-in"

//go:embed templates
var files embed.FS

// Account is an operator of made-up data, to sign in as with one tap.
type Account struct{ Name, Title, Works string }

// Config is what the pages are made of.
type Config struct {
	SignIn *signin.Service
	// Demo are operators that anybody may sign in as: beside made-up data only.
	Demo []Account
}

type handler struct{ Config }

// New returns the pages.
func New(c Config) *web.App {
	h := &handler{c}
	a := &web.App{Name: "office", Layout: "desk.html", SignIn: SignIn, Files: files, Routes: []web.Route{
		{Pattern: "GET " + SignIn, For: web.Everyone, Do: h.form},
		{Pattern: "POST " + SignIn, For: web.Everyone, Do: h.enter, Again: h.form},
		{Pattern: "GET /office/password", For: signin.Roles(), Do: h.password},
		{Pattern: "POST /office/password", For: signin.Roles(), Do: h.change, Again: h.password},
	}}
	if len(c.Demo) > 0 {
		a.Routes = append(a.Routes, web.Route{Pattern: "POST /office/demo", For: web.Everyone, Do: h.demo, Again: h.form})
	}
	return a
}

// Home is the first page of an operator.
func Home(o *signin.Operator) string {
	for _, r := range o.Roles {
		switch r {
		case signin.Employer:
			return "/employer"
		case signin.Counter:
			return "/counter"
		}
	}
	return "/console"
}

func (h *handler) form(v *web.Visit) error {
	if o := v.Operator(); o != nil {
		return v.Go(Home(o))
	}
	return v.Show("signin.html", "登录", h.Demo)
}

func (h *handler) enter(v *web.Visit) error {
	if err := h.SignIn.Allow(v.Ctx(), "sign-in "+v.Address(), signin.MaxTries, signin.TriesWithin); err != nil {
		return err
	}
	token, err := h.SignIn.ByName(v.Ctx(), v.Value("name"), v.FormValue("password"))
	if err != nil {
		return err
	}
	return h.begin(v, token)
}

func (h *handler) begin(v *web.Visit, token string) error {
	who, err := h.SignIn.Who(v.Ctx(), token)
	if err != nil {
		return err
	}
	if err := h.SignIn.End(v.Ctx(), v.Token()); err != nil { // of whoever was signed in before
		return err
	}
	v.SignIn(token)
	return v.Go(v.Next(Home(who.Operator)))
}

func (h *handler) demo(v *web.Visit) error {
	for _, a := range h.Demo {
		if a.Name == v.Value("name") {
			token, err := h.SignIn.BeginOperator(v.Ctx(), a.Name)
			if err != nil {
				return err
			}
			return h.begin(v, token)
		}
	}
	return &web.Fault{Field: "name", Want: "没有这个演示账号"}
}

func (h *handler) password(v *web.Visit) error { return v.Show("password.html", "修改密码", nil) }

func (h *handler) change(v *web.Visit) error {
	if v.FormValue("password") != v.FormValue("again") {
		return &web.Fault{Field: "again", Want: "两次输入的新密码不一致"}
	}
	o := v.Operator()
	if err := h.SignIn.ChangePassword(v.Ctx(), o.Name, v.FormValue("old"), v.FormValue("password")); err != nil {
		return err
	}
	return v.Done(Home(o), "密码已修改。")
}
