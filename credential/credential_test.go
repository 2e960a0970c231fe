package credential_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/outbox"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	hospital = "H99010000101"
	pharmacy = "P99010000401"
	phone    = "13900000001"
	mother   = "13900000002"
	password = "135790"
)

var device = credential.Device{ID: "phone-1", Name: "我的手机"}

type world struct {
	*testing.T
	ctx      context.Context
	db       *db.DB
	register *enrolment.Register
	sealer   *gm.Sealer
	service  *credential.Service
	now      time.Time
	zhang    enrolment.Person // grown up, with a phone
	mother   enrolment.Person
	child    enrolment.Person
}

func open(t *testing.T) *world {
	t.Helper()
	sealer, err := gm.NewSealer(bytes.Repeat([]byte{3}, 48))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gm.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := credential.NewIssuer(signer, "990100")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: context.Background(), db: dbtest.Open(t), register: enrolment.New(sealer), sealer: sealer}
	w.now = time.Date(2025, 6, 20, 12, 0, 0, 0, time.FixedZone("CST", 8*60*60))
	w.service = credential.New(credential.Config{DB: w.db, Register: w.register, Issuer: issuer, Faces: credential.TestVerifier{}, Now: func() time.Time { return w.now }})
	w.zhang = w.person("张安", "990100198503120014", 19850312, phone)
	w.mother = w.person("李妈", "990100195503120022", 19550312, mother)
	w.child = w.person("张小", "990100201509010128", 20150901, "")
	return w
}

func (w *world) person(name, id string, birth civil.Date, phone string) enrolment.Person {
	p := enrolment.Person{Name: name, CitizenID: id, Birth: birth, Region: "990100", Phone: phone}
	w.update(func(tx *db.Tx) error { return w.register.Add(w.ctx, tx, &p) })
	return p
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(f func(*db.Tx) error) { w.Helper(); w.must(w.db.Update(w.ctx, f)) }

// face is a picture; a blank one shows nobody.
func face(blank bool) []byte {
	m := image.NewGray(image.Rect(0, 0, 8, 8))
	if !blank {
		m.Set(3, 3, color.White)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

var digits = regexp.MustCompile(`\d{6}`)

// sms has a code sent to the phone, and reads it there.
func (w *world) sms(phone, purpose string) string {
	w.Helper()
	w.now = w.now.Add(credential.SMSPause)
	w.update(func(tx *db.Tx) error { return w.service.SendSMS(w.ctx, tx, phone, purpose) })
	var all []outbox.Message
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		all, err = outbox.Latest(w.ctx, tx, w.sealer, phone, 1)
		return err
	}))
	if len(all) != 1 || all[0].Phone != phone || !strings.Contains(all[0].Text, purpose) {
		w.Fatalf("messages %+v", all)
	}
	return digits.FindString(all[0].Text)
}

func (w *world) activation() credential.Activation {
	w.Helper()
	return credential.Activation{Name: "张安", CitizenID: w.zhang.CitizenID, Phone: phone, SMS: w.sms(phone, credential.ForActivation), Image: face(false), Password: password, Device: device}
}

func (w *world) activate() {
	w.Helper()
	_, err := w.service.Activate(w.ctx, w.activation())
	w.must(err)
}

func (w *world) state() credential.State {
	w.Helper()
	var c *credential.Credential
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		c, err = credential.Get(w.ctx, tx, w.zhang.ID)
		return err
	}))
	return c.State
}

// refused wants an *Error of the field whose text holds want.
func (w *world) refused(err error, field, want string) {
	w.Helper()
	var e *credential.Error
	if !errors.As(err, &e) || e.Field != field || !strings.Contains(e.Want, want) {
		w.Errorf("got %v, want %s of %s", err, want, field)
	}
	w.says(err)
}

// says fails if an error tells who somebody is.
func (w *world) says(err error) {
	w.Helper()
	for _, secret := range []string{w.zhang.CitizenID, w.mother.CitizenID, phone, mother, password} {
		if err != nil && strings.Contains(err.Error(), secret) {
			w.Errorf("%v tells %s", err, secret)
		}
	}
}

func (w *world) stopped(err error, want credential.Reason) {
	w.Helper()
	var e *credential.Refused
	if !errors.As(err, &e) || e.Reason != want {
		w.Errorf("got %v, want %s", err, want.Title())
	}
}

func (w *world) show(dependant string) (string, error) {
	var out credential.Shown
	err := w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		out, err = w.service.Show(w.ctx, tx, w.zhang.ID, device.ID, dependant)
		return err
	})
	return out.Code, err
}

func (w *world) code(dependant string) string {
	w.Helper()
	code, err := w.show(dependant)
	w.must(err)
	return code
}

func (w *world) decode(code, provider string) (d *credential.Decoded, err error) {
	err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
		d, err = w.service.Decode(w.ctx, tx, credential.Scan{Code: code, Provider: provider, Operator: "01", Business: "01301"})
		return err
	})
	return d, err
}

func (w *world) token(dependant string) string {
	w.Helper()
	d, err := w.decode(w.code(dependant), hospital)
	w.must(err)
	return d.Token
}

func (w *world) holder(token, provider string) (person string, err error) {
	err = w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		person, err = w.service.Holder(w.ctx, tx, token, provider)
		return err
	})
	return person, err
}

// TestActivation is row 25 of the questions: identity, face, phone and password
// all hold, or nothing is activated.
func TestActivation(t *testing.T) {
	w := open(t)
	tests := []struct {
		name        string
		change      func(*credential.Activation)
		field, want string
	}{
		{"an ID that is none", func(a *credential.Activation) { a.CitizenID = "123" }, "citizen_id", "18 位"},
		{"nobody's ID", func(a *credential.Activation) { a.CitizenID = "990100198503120022" }, "name", "姓名与证件号码不一致"},
		{"another's name", func(a *credential.Activation) { a.Name = "李妈" }, "name", "姓名与证件号码不一致"},
		{"no name", func(a *credential.Activation) { a.Name = "" }, "name", "姓名与证件号码不一致"},
		{"no device", func(a *credential.Activation) { a.Device.ID = "" }, "device", "缺少"},
		{"no picture", func(a *credential.Activation) { a.Image = nil }, "face", "缺少人脸照片"},
		{"a picture of nobody", func(a *credential.Activation) { a.Image = face(true) }, "face", "没有人脸"},
		{"not a picture", func(a *credential.Activation) { a.Image = []byte("GIF89a") }, "face", "不是 JPEG 或 PNG"},
		{"half a picture", func(a *credential.Activation) { a.Image = a.Image[:len(a.Image)-20] }, "face", "照片不完整"},
		{"no code", func(a *credential.Activation) { a.SMS = "" }, "sms", "缺少"},
		{"a wrong code", func(a *credential.Activation) { a.SMS = "x" }, "sms", "不对，还可以试 4 次"},
		{"a code sent to another phone", func(a *credential.Activation) { a.Phone = mother }, "sms", "请先获取"},
		{"a phone that is none", func(a *credential.Activation) { a.Phone = "139" }, "phone", "11 位"},
		{"no password", func(a *credential.Activation) { a.Password = "" }, "password", "6 位数字"},
		{"letters", func(a *credential.Activation) { a.Password = "abcdef" }, "password", "6 位数字"},
		{"the same digits", func(a *credential.Activation) { a.Password = "888888" }, "password", "相同或连续"},
		{"digits in a row", func(a *credential.Activation) { a.Password = "654321" }, "password", "相同或连续"},
		{"the birthday", func(a *credential.Activation) { a.Password = "850312" }, "password", "证件号码"},
		{"of the phone", func(a *credential.Activation) { a.Password = "390000" }, "password", "手机号"},
	}
	for _, tt := range tests {
		w.now = w.now.Add(25 * time.Hour) // no lock, no limit of the day
		a := w.activation()
		tt.change(&a)
		_, err := w.service.Activate(w.ctx, a)
		w.refused(err, tt.field, tt.want)
		if w.state() != credential.Inactive {
			t.Fatalf("%s: activated", tt.name)
		}
	}
	w.now = w.now.Add(25 * time.Hour)
	a := w.activation()
	c, err := w.service.Activate(w.ctx, a)
	w.must(err)
	if c.State != credential.Active || c.Number == 0 || w.state() != credential.Active {
		t.Fatalf("%+v", c)
	}
	_, err = w.service.Activate(w.ctx, a)
	w.refused(err, "sms", "已失效") // a code is for one use
	_, err = w.service.Activate(w.ctx, w.activation())
	w.refused(err, "state", "已经激活过")
	w.service.Faces = nil
	_, err = w.service.Activate(w.ctx, w.activation())
	w.refused(err, "face", "没有配置人脸核验")
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return audit.Verify(w.ctx, tx) }))
}

// TestCodeInUse is row 23: who activated is found by the code, once.
func TestCodeInUse(t *testing.T) {
	w := open(t)
	_, err := w.show("")
	w.stopped(err, credential.Stopped)
	w.activate()
	code := w.code("")
	d, err := w.decode(code, hospital)
	w.must(err)
	if d.Person.ID != w.zhang.ID || d.Kind != credential.Own || len(d.Token) != 40 {
		t.Fatalf("%+v", d)
	}
	_, err = w.decode(code, hospital)
	w.stopped(err, credential.Used)
	_, err = w.decode(code, pharmacy)
	w.stopped(err, credential.Used)
	old := w.code("")
	w.now = w.now.Add(credential.CodeLife + time.Second)
	_, err = w.decode(old, hospital)
	w.stopped(err, credential.Expired)
	if p, err := w.holder(d.Token, hospital); err != nil || p != w.zhang.ID {
		t.Errorf("the token is %s's, %v", p, err)
	}
	_, err = w.holder(d.Token, pharmacy)
	w.stopped(err, credential.Elsewhere)
	if p, err := w.holder("0"+d.Token[1:], hospital); err != nil && p != "" {
		t.Errorf("a token nobody got is %s's", p)
	}
	before := w.now
	w.now = w.now.Add(credential.TokenLife)
	_, err = w.holder(d.Token, hospital)
	w.stopped(err, credential.Expired)
	w.now = before
	// A phone that is not bound shows nothing.
	w.update(func(tx *db.Tx) error {
		_, err := w.service.Show(w.ctx, tx, w.zhang.ID, "another phone", "")
		w.refused(err, "device", "没有绑定")
		return nil
	})
	// What is of no use goes, and what was used stays used.
	code = w.code("")
	_, err = w.decode(code, hospital)
	w.must(err)
	w.must(w.service.Tidy(w.ctx))
	_, err = w.decode(code, hospital)
	w.stopped(err, credential.Used)
	w.now = w.now.Add(48 * time.Hour)
	w.must(w.service.Tidy(w.ctx))
	_, err = w.decode(code, hospital)
	w.stopped(err, credential.Expired)
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		for _, table := range []string{"credential_used", "credential_token"} {
			var n int
			if err := tx.QueryRow(w.ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil || n > 0 {
				t.Errorf("%d rows of %s are left, %v", n, table, err)
			}
		}
		return audit.Verify(w.ctx, tx)
	}))
}

// TestOnce has many scan one code at a time.
func TestOnce(t *testing.T) {
	w := open(t)
	w.activate()
	for range 5 {
		code := w.code("")
		var accepted, used atomic.Int32
		var all sync.WaitGroup
		for n := range 16 {
			all.Go(func() {
				_, err := w.decode(code, fmt.Sprintf("H9901000%04d", n))
				var r *credential.Refused
				switch {
				case err == nil:
					accepted.Add(1)
				case errors.As(err, &r) && r.Reason == credential.Used:
					used.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if accepted.Load() != 1 || used.Load() != 15 {
			t.Errorf("%d accepted, %d used", accepted.Load(), used.Load())
		}
	}
}

func TestStates(t *testing.T) {
	w := open(t)
	w.activate()
	stop := func(to credential.State) error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.Stop(w.ctx, tx, w.zhang.ID, to, "test", "手机丢失") })
	}
	restore := func() error {
		return w.service.Restore(w.ctx, w.zhang.ID, credential.Proof{Phone: phone, SMS: w.sms(phone, credential.ForReset), Image: face(false)}, "246801", device)
	}
	for _, to := range []credential.State{credential.Frozen, credential.Lost} {
		token, code := w.token(""), w.code("")
		w.must(stop(to))
		_, err := w.show("")
		w.stopped(err, credential.Stopped)
		_, err = w.decode(code, hospital)
		w.stopped(err, credential.Stopped)
		_, err = w.holder(token, hospital)
		w.stopped(err, credential.Stopped)
		w.stopped(w.service.Prove(w.ctx, w.zhang.ID, password), credential.Stopped)
		w.refused(stop(to), "state", "不能")
		w.must(restore())
		// What was out before stays refused.
		_, err = w.holder(token, hospital)
		w.stopped(err, credential.Stopped)
		w.must(w.service.Prove(w.ctx, w.zhang.ID, "246801"))
		w.token("")
	}
	w.must(stop(credential.Revoked))
	w.refused(restore(), "state", "重新激活")
	w.refused(stop(credential.Frozen), "state", "不能")
	w.refused(stop(credential.Active), "state", "应为")
	w.activate()
	w.token("")
}

func TestPassword(t *testing.T) {
	w := open(t)
	w.activate()
	who := w.zhang.ID
	w.must(w.service.Prove(w.ctx, who, password))
	for left := credential.MaxFailures - 1; left > 0; left-- {
		w.refused(w.service.Prove(w.ctx, who, "000001"), "password", fmt.Sprintf("还可以试 %d 次", left))
	}
	w.must(w.service.Prove(w.ctx, who, password)) // the right one ends the count
	for range credential.MaxFailures - 1 {
		w.refused(w.service.Prove(w.ctx, who, "000001"), "password", "密码不对")
	}
	w.refused(w.service.Prove(w.ctx, who, "000001"), "password", "已锁定到 2025-06-21 12:01")
	w.refused(w.service.Prove(w.ctx, who, password), "password", "已锁定")
	w.refused(w.service.ChangePassword(w.ctx, who, password, "246801"), "password", "已锁定")
	w.token("") // the code is a matter of the phone
	w.now = w.now.Add(credential.LockedFor)
	w.refused(w.service.ChangePassword(w.ctx, who, "000001", "246801"), "password", "还可以试 4 次")
	w.refused(w.service.ChangePassword(w.ctx, who, password, "111111"), "password", "相同")
	w.must(w.service.ChangePassword(w.ctx, who, password, "246801"))
	w.refused(w.service.Prove(w.ctx, who, password), "password", "密码不对")
	w.must(w.service.Prove(w.ctx, who, "246801"))
	w.refused(w.service.Prove(w.ctx, "nobody", password), "person", "没有这个人员编号")
}

func TestFaceLocks(t *testing.T) {
	w := open(t)
	for n := range credential.MaxFailures {
		a := w.activation()
		a.Image = face(true)
		_, err := w.service.Activate(w.ctx, a)
		w.refused(err, "face", map[bool]string{true: "已锁定", false: "还可以试"}[n == credential.MaxFailures-1])
	}
	_, err := w.service.Activate(w.ctx, w.activation())
	w.refused(err, "password", "已锁定")
}

func TestSMS(t *testing.T) {
	w := open(t)
	send := func(phone, purpose string) error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.SendSMS(w.ctx, tx, phone, purpose) })
	}
	w.refused(send("12", credential.ForActivation), "phone", "11 位")
	w.refused(send(phone, "转账"), "purpose", "不发送")
	code := w.sms(phone, credential.ForActivation)
	w.refused(send(phone, credential.ForReset), "phone", "60 秒后")
	a := w.activation()
	if a.SMS == code {
		t.Skip("the same code twice, by chance")
	}
	for range credential.SMSTries {
		b := a
		b.SMS = code
		_, err := w.service.Activate(w.ctx, b)
		w.refused(err, "sms", "不对")
	}
	_, err := w.service.Activate(w.ctx, a)
	w.refused(err, "sms", "已失效")
	a = w.activation()
	w.now = w.now.Add(credential.SMSLife + time.Second)
	_, err = w.service.Activate(w.ctx, a)
	w.refused(err, "sms", "已失效")
	for range credential.SMSDaily - 3 {
		w.sms(phone, credential.ForReset)
	}
	w.now = w.now.Add(credential.SMSPause)
	w.refused(send(phone, credential.ForDevice), "phone", "今天已发送 10 次")
	w.now = w.now.Add(24 * time.Hour)
	w.must(send(phone, credential.ForDevice))
}

func TestDevices(t *testing.T) {
	w := open(t)
	w.activate()
	bind := func(id, password string) error {
		return w.service.BindDevice(w.ctx, w.zhang.ID, phone, w.sms(phone, credential.ForDevice), password, credential.Device{ID: id})
	}
	w.refused(bind("", password), "device", "缺少")
	w.refused(bind("phone-2", "000001"), "password", "密码不对")
	w.must(bind("phone-2", password))
	w.must(bind("phone-3", password))
	w.refused(bind("phone-4", password), "device", "已绑定 3 台")
	w.must(bind("phone-3", password))
	w.update(func(tx *db.Tx) error {
		all, err := credential.Devices(w.ctx, tx, w.zhang.ID)
		if len(all) != 3 || all[0].ID != device.ID || all[0].Name != device.Name {
			t.Errorf("%+v", all)
		}
		return errors.Join(err, w.service.RemoveDevice(w.ctx, tx, w.zhang.ID, device.ID, "test"))
	})
	_, err := w.show("")
	w.refused(err, "device", "没有绑定")
	w.refused(w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.RemoveDevice(w.ctx, tx, w.zhang.ID, device.ID, "test") }), "device", "没有绑定")
}

func TestFamily(t *testing.T) {
	w := open(t)
	w.activate()
	_, err := w.show(w.child.ID)
	w.stopped(err, credential.Unbound)
	child := credential.Binding{Guardian: w.zhang.ID, Password: password, Name: "张小", CitizenID: w.child.CitizenID, Relation: credential.Child}
	bad := child
	bad.Password = "000001"
	_, err = w.service.Bind(w.ctx, bad)
	w.refused(err, "password", "密码不对")
	m, err := w.service.Bind(w.ctx, child)
	w.must(err)
	if m.To != 20330831 {
		t.Errorf("a child is bound to %s, not to the day before it is of age", m.To)
	}
	d, err := w.decode(w.code(w.child.ID), hospital)
	w.must(err)
	if d.Person.ID != w.child.ID || d.Kind != credential.Family {
		t.Errorf("%+v", d)
	}
	// A grown-up consents by the phone that is in the register.
	parent := credential.Binding{Guardian: w.zhang.ID, Password: password, Name: "李妈", CitizenID: w.mother.CitizenID, Relation: credential.Parent}
	_, err = w.service.Bind(w.ctx, parent)
	w.refused(err, "sms", "缺少")
	parent.SMS = w.sms(mother, credential.ForFamily)
	m, err = w.service.Bind(w.ctx, parent)
	w.must(err)
	if m.To != 0 {
		t.Errorf("%+v", m)
	}
	token, code := w.token(w.mother.ID), w.code(w.mother.ID)
	w.update(func(tx *db.Tx) error {
		all, err := w.service.Family(w.ctx, tx, w.zhang.ID)
		if len(all) != 2 {
			t.Errorf("%+v", all)
		}
		return errors.Join(err, w.service.Unbind(w.ctx, tx, w.zhang.ID, w.mother.ID, w.mother.ID))
	})
	_, err = w.holder(token, hospital)
	w.stopped(err, credential.Unbound)
	_, err = w.decode(code, hospital)
	w.stopped(err, credential.Unbound)
	// With the guardian's credential all under it stand still.
	token = w.token(w.child.ID)
	w.update(func(tx *db.Tx) error { return w.service.Stop(w.ctx, tx, w.zhang.ID, credential.Frozen, "test", "x") })
	_, err = w.holder(token, hospital)
	w.stopped(err, credential.Stopped)
	parent.Relation = credential.Child
	_, err = w.service.Bind(w.ctx, parent)
	w.refused(err, "relation", "已满 18 周岁")
	parent.Relation = "friend"
	_, err = w.service.Bind(w.ctx, parent)
	w.refused(err, "relation", "应为")
	self := credential.Binding{Guardian: w.zhang.ID, Password: password, Name: "张安", CitizenID: w.zhang.CitizenID, Relation: credential.Another}
	_, err = w.service.Bind(w.ctx, self)
	w.refused(err, "citizen_id", "不能绑定本人")
	counter := credential.Member{Guardian: w.zhang.ID, Dependant: w.mother.ID, Relation: credential.Parent, From: 20250101}
	w.update(func(tx *db.Tx) error { return w.service.BindAtCounter(w.ctx, tx, counter, "officer") })
	w.refused(w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.Unbind(w.ctx, tx, w.mother.ID, w.zhang.ID, "x") }), "dependant", "没有绑定")
}

// TestVoucher is S2-41: who has neither card nor phone gets a voucher for one use.
func TestVoucher(t *testing.T) {
	w := open(t)
	make := func(person, why string) (v credential.Shown, err error) {
		err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
			v, err = w.service.Voucher(w.ctx, tx, person, "officer", why)
			return err
		})
		return v, err
	}
	_, err := make(w.child.ID, "")
	w.refused(err, "why", "原因")
	_, err = make("nobody", "x")
	w.refused(err, "person", "没有")
	v, err := make(w.child.ID, "无卡")
	w.must(err)
	w.now = w.now.Add(8 * time.Hour)
	d, err := w.decode(v.Code, hospital)
	w.must(err)
	if p, err := w.holder(d.Token, hospital); err != nil || p != w.child.ID || d.Kind != credential.Voucher {
		t.Errorf("%s, %v", p, err)
	}
	_, err = w.decode(v.Code, hospital)
	w.stopped(err, credential.Used)
}

func TestCard(t *testing.T) {
	w := open(t)
	stopped := func() (is bool) {
		w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
			is, err = credential.CardStopped(w.ctx, tx, w.zhang.ID)
			return err
		}))
		return is
	}
	if stopped() {
		t.Error("a card is stopped from the start")
	}
	w.update(func(tx *db.Tx) error { return w.service.StopCard(w.ctx, tx, w.zhang.ID, "officer", "丢失") })
	w.update(func(tx *db.Tx) error { return w.service.StopCard(w.ctx, tx, w.zhang.ID, "officer", "丢失") })
	if !stopped() {
		t.Error("a lost card is in order")
	}
	w.update(func(tx *db.Tx) error { return w.service.RestoreCard(w.ctx, tx, w.zhang.ID, "officer") })
	if stopped() {
		t.Error("a new card is stopped")
	}
	w.refused(w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.RestoreCard(w.ctx, tx, w.zhang.ID, "officer") }), "card", "没有挂失")
}

// TestFailingWrites fails each write of an activation and a scan: nothing is
// half done, and both succeed afterwards.
func TestFailingWrites(t *testing.T) {
	w := open(t)
	broken := errors.New("broken")
	a := w.activation()
	for n := 0; ; n++ {
		left := n
		ctx := db.WithFailure(w.ctx, func(string) error {
			left--
			if left < 0 {
				return broken
			}
			return nil
		})
		_, err := w.service.Activate(ctx, a)
		if err == nil {
			if n < 5 {
				t.Errorf("only %d writes", n)
			}
			break
		}
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if w.state() != credential.Inactive {
			t.Fatalf("write %d failed, and it is activated", n)
		}
	}
	code := w.code("")
	for n := 0; ; n++ {
		left := n
		ctx := db.WithFailure(w.ctx, func(string) error {
			left--
			if left < 0 {
				return broken
			}
			return nil
		})
		err := w.db.Update(ctx, func(tx *db.Tx) error {
			_, err := w.service.Decode(ctx, tx, credential.Scan{Code: code, Provider: hospital})
			return err
		})
		if err == nil {
			break
		}
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	_, err := w.decode(code, hospital)
	w.stopped(err, credential.Used)
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return audit.Verify(w.ctx, tx) }))
}

// TestNothingPersonalIsKept looks for what is personal in all tables that this
// room writes.
func TestNothingPersonalIsKept(t *testing.T) {
	w := open(t)
	w.activate()
	w.refused(w.service.Prove(w.ctx, w.zhang.ID, "000001"), "password", "密码不对")
	token := w.token("")
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		for _, q := range []string{
			`SELECT CAST(password AS TEXT) FROM credential`, `SELECT CAST(digest AS TEXT) FROM credential_token`, `SELECT details FROM audit`, `SELECT actor FROM audit`,
		} {
			if dbtest.Postgres() {
				q = strings.Replace(strings.Replace(q, "CAST(password AS TEXT)", "encode(password, 'escape')", 1), "CAST(digest AS TEXT)", "encode(digest, 'escape')", 1)
			}
			if err := tx.Each(w.ctx, func(rows *db.Rows) error {
				var s string
				err := rows.Scan(&s)
				for _, secret := range []string{password, token, phone, w.zhang.CitizenID, "张安"} {
					if strings.Contains(s, secret) {
						t.Errorf("%s holds %s", q, secret)
					}
				}
				return err
			}, q); err != nil {
				return err
			}
		}
		return nil
	}))
}

type sender struct {
	fail error
	got  []string
}

func (s *sender) Send(_ context.Context, m outbox.Message) error {
	if s.fail == nil {
		s.got = append(s.got, m.Phone)
	}
	return s.fail
}

func TestDelivery(t *testing.T) {
	w := open(t)
	w.sms(phone, credential.ForActivation)
	w.sms(mother, credential.ForActivation)
	s := &sender{fail: errors.New("down")}
	deliver := func() int {
		n, err := outbox.Deliver(w.ctx, w.db, w.sealer, s, func() time.Time { return w.now }, 10)
		if (err != nil) != (s.fail != nil) {
			t.Error(err)
		}
		w.says(err)
		return n
	}
	if n := deliver(); n != 0 {
		t.Errorf("%d sent by a channel that is down", n)
	}
	s.fail = nil
	if n := deliver(); n != 2 || len(s.got) != 2 || s.got[0] != phone {
		t.Errorf("%d sent: %v", n, s.got)
	}
	if n := deliver(); n != 0 {
		t.Errorf("%d sent twice", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	sealer, err := gm.NewSealer(bytes.Repeat([]byte{3}, 48))
	if err != nil {
		b.Fatal(err)
	}
	signer, err := gm.NewSigner()
	if err != nil {
		b.Fatal(err)
	}
	issuer, err := credential.NewIssuer(signer, "990100")
	if err != nil {
		b.Fatal(err)
	}
	ctx, store, register := context.Background(), dbtest.Open(b), enrolment.New(sealer)
	s := credential.New(credential.Config{DB: store, Register: register, Issuer: issuer})
	p := enrolment.Person{Name: "张安", CitizenID: "990100198503120014", Birth: 19850312, Region: "990100"}
	if err := store.Update(ctx, func(tx *db.Tx) error {
		if err := register.Add(ctx, tx, &p); err != nil {
			return err
		}
		_, err := s.ActivateAtCounter(ctx, tx, p.ID, password, device, "bench")
		return err
	}); err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := store.Update(ctx, func(tx *db.Tx) error {
				v, err := s.Show(ctx, tx, p.ID, device.ID, "")
				if err != nil {
					return err
				}
				_, err = s.Decode(ctx, tx, credential.Scan{Code: v.Code, Provider: hospital})
				return err
			}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
