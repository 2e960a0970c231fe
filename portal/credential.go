package portal

import (
	"context"
	"encoding/base64"
	"errors"
	"html/template"
	"io"
	"time"

	"github.com/skip2/go-qrcode"

	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/web"
)

type credentialData struct {
	State  credential.State
	Code   template.URL // picture of the code, "" if this phone shows none
	Until  time.Time
	Why    string // no code is shown
	Phone  string // masked
	Sent   bool
	SMS    string
	Device bool // this phone is to be bound
}

// credential shows the code of whom the session acts for: of a family member
// under one's phone it is theirs (亲情账户).
func (h *handler) credential(v *web.Visit) error {
	d := credentialData{Phone: v.Who.Person.Phone, Sent: v.Value("sent") == "1" || v.Fault != "" && v.FormValue("sms") != ""}
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		c, err := credential.Get(ctx, tx, v.Who.Person.ID)
		if err != nil || c.State != credential.Active {
			d.State = c.State
			return err
		}
		d.State = c.State
		dependant := ""
		if v.Who.Acting.ID != v.Who.Person.ID {
			dependant = v.Who.Acting.ID
		}
		shown, err := h.Codes.Show(ctx, tx, v.Who.Person.ID, h.device(v), dependant)
		if field, text, ok := web.Refusal(err); ok {
			d.Why, d.Device = text, field == "device"
			return nil
		}
		var refused *credential.Refused
		if errors.As(err, &refused) {
			d.Why = refused.Error()
			return nil
		}
		if err != nil {
			return err
		}
		png, err := qrcode.Encode(shown.Code, qrcode.Medium, 512)
		d.Code, d.Until = template.URL("data:image/png;base64,"+base64.StdEncoding.EncodeToString(png)), shown.Until
		return err
	})
	if err == nil && d.Sent {
		d.SMS, err = h.sms(v, d.Phone)
	}
	if err != nil {
		return err
	}
	return v.Show("code.html", v.Say("医保电子凭证", "E-credential"), d)
}

// credentialCode sends the code by which the phone in hand is proved.
func (h *handler) credentialCode(v *web.Visit) error {
	purpose := credential.ForDevice
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		c, err := credential.Get(ctx, tx, v.Who.Person.ID)
		if err != nil {
			return err
		}
		if c.State == credential.Inactive || c.State == credential.Revoked {
			purpose = credential.ForActivation
		}
		return h.Codes.SendSMS(ctx, tx, v.Who.Person.Phone, purpose)
	}); err != nil {
		return err
	}
	v.Form.Set("sent", "1")
	return h.credential(v)
}

func (h *handler) activate(v *web.Visit) error {
	file, _, err := v.FormFile("face")
	if err != nil {
		return &web.Fault{Field: "face", Want: v.Say("请拍一张正面照片", "take a photograph of your face")}
	}
	defer file.Close()
	image, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	p := v.Who.Person
	if _, err := h.Codes.Activate(v.Ctx(), credential.Activation{Name: p.Name, CitizenID: p.CitizenID, Phone: p.Phone, SMS: v.Value("sms"),
		Image: image, Password: v.FormValue("password"), Device: credential.Device{ID: h.newDevice(v), Name: v.Say("我的手机", "My phone")}}); err != nil {
		return err
	}
	return v.Done("/me/credential", v.Say("医保电子凭证已激活。", "Your e-credential is active."))
}

func (h *handler) bindDevice(v *web.Visit) error {
	p := v.Who.Person
	if err := h.Codes.BindDevice(v.Ctx(), p.ID, p.Phone, v.Value("sms"), v.FormValue("password"), credential.Device{ID: h.newDevice(v), Name: v.Say("我的手机", "My phone")}); err != nil {
		return err
	}
	return v.Done("/me/credential", v.Say("这部手机可以展码了。", "This phone can show your code now."))
}
