package portal

import (
	"context"
	"crypto/rand"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/outbox"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

type doorData struct {
	Personas []Persona
	Phone    string
	Sent     bool
	SMS      string // what the phone got, beside made-up data
	Password bool   // the form for citizen ID and password
}

func (h *handler) door(v *web.Visit) error {
	if v.Who != nil && v.Who.Operator == nil && v.Fault == "" {
		return v.Go(v.Next("/"))
	}
	d := doorData{Personas: h.Personas, Phone: v.Value("phone"), Password: v.Value("by") == "password" || v.URL.Path == "/sign-in/password"}
	d.Sent = d.Phone != "" && v.Field != "phone" && (v.Value("sent") == "1" || v.URL.Path == SignIn && v.Fault != "")
	if d.Sent {
		var err error
		if d.SMS, err = h.sms(v, d.Phone); err != nil {
			return err
		}
	}
	return v.Show("signin.html", v.Say("登录", "Sign in"), d)
}

// sms is the last message to a phone: beside made-up data no phone gets it.
func (h *handler) sms(v *web.Visit, phone string) (text string, err error) {
	if !v.Synthetic() || phone == "" {
		return "", nil
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		all, err := outbox.Latest(ctx, tx, h.Register.Sealer(), phone, 1)
		if len(all) > 0 {
			text = all[0].Text
		}
		return err
	})
	return text, err
}

// allow bounds how often one address tries to sign in.
func (h *handler) allow(v *web.Visit) error {
	return h.SignIn.Allow(v.Ctx(), "sign-in "+v.Address(), signin.MaxTries, signin.TriesWithin)
}

func (h *handler) send(v *web.Visit) error {
	if err := h.allow(v); err != nil {
		return err
	}
	if err := h.SignIn.SendCode(v.Ctx(), v.Value("phone")); err != nil {
		return err
	}
	v.Form.Set("sent", "1")
	return h.door(v)
}

func (h *handler) byCode(v *web.Visit) error {
	if err := h.allow(v); err != nil {
		return err
	}
	people, err := h.SignIn.ByCode(v.Ctx(), v.Value("phone"), v.Value("code"))
	if err != nil {
		return err
	}
	if len(people) > 1 {
		return v.Show("choose.html", v.Say("您是哪一位", "Who are you"), people)
	}
	return h.begin(v, people[0].Token)
}

// choose opens the session of one of the people who share a phone, and ends
// those of the others.
func (h *handler) choose(v *web.Visit) error {
	token := v.FormValue("token")
	if err := v.ParseForm(); err != nil {
		return err
	}
	var others []string
	for _, t := range v.PostForm["other"] {
		if t != token {
			others = append(others, t)
		}
	}
	if err := h.SignIn.Drop(v.Ctx(), others...); err != nil {
		return err
	}
	if who, err := h.SignIn.Who(v.Ctx(), token); err != nil {
		return err
	} else if who == nil {
		return v.Go(SignIn)
	}
	return h.begin(v, token)
}

func (h *handler) byPassword(v *web.Visit) error {
	if err := h.allow(v); err != nil {
		return err
	}
	token, err := h.SignIn.ByPassword(v.Ctx(), v.Value("citizen_id"), v.FormValue("password"))
	if err != nil {
		return err
	}
	return h.begin(v, token)
}

func (h *handler) begin(v *web.Visit, token string) error {
	if err := h.SignIn.End(v.Ctx(), v.Token()); err != nil { // of whoever was signed in before
		return err
	}
	v.SignIn(token)
	return v.Go(v.Next("/"))
}

func (h *handler) demo(v *web.Visit) error {
	id := v.Value("citizen_id")
	for _, p := range h.Personas {
		if p.CitizenID != id {
			continue
		}
		var who enrolment.Person
		if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
			who, _, err = h.Register.ByCitizenID(ctx, tx, id)
			return err
		}); err != nil {
			return err
		}
		token, err := h.SignIn.BeginPerson(v.Ctx(), who.ID)
		if err != nil {
			return err
		}
		v.Prefer(deviceCookie, h.Device)
		return h.begin(v, token)
	}
	return &web.Fault{Field: "citizen_id", Want: v.Say("没有这个演示人员", "no such person")}
}

func (h *handler) leave(v *web.Visit) error {
	if err := h.SignIn.End(v.Ctx(), v.Token()); err != nil {
		return err
	}
	v.SignIn("")
	if v.Operator() != nil {
		return v.Go("/office/sign-in")
	}
	return v.Go("/")
}

// deviceCookie names the browser as a phone that shows codes.
const deviceCookie = "device"

// device is this browser as a phone, "" if it never was one.
func (h *handler) device(v *web.Visit) string {
	c, err := v.Cookie(deviceCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// newDevice makes this browser a phone.
func (h *handler) newDevice(v *web.Visit) string {
	if d := h.device(v); d != "" && d != h.Device {
		return d
	}
	d := rand.Text()
	v.Prefer(deviceCookie, d)
	return d
}
