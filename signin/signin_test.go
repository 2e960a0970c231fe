package signin_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strings"
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
	"github.com/anji-platform/anji/signin"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	phone  = "13900000001"
	good   = "correct-horse-7"
	wallet = "135790"
)

type world struct {
	*testing.T
	ctx     context.Context
	db      *db.DB
	sealer  *gm.Sealer
	codes   *credential.Service
	service *signin.Service
	now     time.Time
	zhang   enrolment.Person
	mother  enrolment.Person // shares the phone
	child   enrolment.Person
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
	w := &world{T: t, ctx: context.Background(), db: dbtest.Open(t), sealer: sealer, now: time.Date(2025, 6, 20, 12, 0, 0, 0, time.FixedZone("CST", 8*60*60))}
	register, now := enrolment.New(sealer), func() time.Time { return w.now }
	w.codes = credential.New(credential.Config{DB: w.db, Register: register, Issuer: issuer, Now: now, Iterations: 10})
	w.service = signin.New(signin.Config{DB: w.db, Register: register, Codes: w.codes, Now: now, Iterations: 10})
	add := func(name, id string, birth civil.Date, phone string) enrolment.Person {
		p := enrolment.Person{Name: name, CitizenID: id, Birth: birth, Region: "990100", Phone: phone}
		w.update(func(tx *db.Tx) error { return register.Add(w.ctx, tx, &p) })
		return p
	}
	w.zhang = add("张安", "990100198503120014", 19850312, phone)
	w.mother = add("李妈", "990100195503120022", 19550312, phone)
	w.child = add("张小", "990100201509010128", 20150901, "")
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(f func(*db.Tx) error) { w.Helper(); w.must(w.db.Update(w.ctx, f)) }

// refused wants an error that names the field and says the words.
func (w *world) refused(err error, field, words string) {
	w.Helper()
	var e *signin.Error
	if !errors.As(err, &e) || e.Field != field || !strings.Contains(e.Want, words) {
		w.Fatalf("got %v, want a refusal of %s that says %q", err, field, words)
	}
}

func (w *world) who(token string) *signin.Session {
	w.Helper()
	s, err := w.service.Who(w.ctx, token)
	w.must(err)
	return s
}

var sixDigits = regexp.MustCompile(`\d{6}`)

func (w *world) sms() string {
	w.Helper()
	var code string
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		m, err := outbox.Latest(w.ctx, tx, w.sealer, phone, 1)
		code = sixDigits.FindString(m[0].Text)
		return err
	}))
	return code
}

func TestByCode(t *testing.T) {
	w := open(t)
	w.must(w.service.SendCode(w.ctx, phone))
	w.refused(w.service.SendCode(w.ctx, phone), "phone", "太频繁")
	w.refused(w.service.SendCode(w.ctx, "110"), "phone", "11 位")
	code := w.sms()
	_, err := w.service.ByCode(w.ctx, phone, "0"+code[:5])
	if code != "0"+code[:5] {
		w.refused(err, "sms", "不对")
	}
	people, err := w.service.ByCode(w.ctx, phone, code)
	w.must(err)
	if len(people) != 2 {
		t.Fatalf("%d people share the phone, want 2", len(people))
	}
	if _, err := w.service.ByCode(w.ctx, phone, code); err == nil {
		t.Fatal("a code signed in twice")
	}
	for _, p := range people {
		if s := w.who(p.Token); s == nil || s.Person.ID != p.Person.ID || s.Acting.ID != p.Person.ID || !s.Has(signin.Person) || s.Has(signin.Admin) {
			t.Fatalf("%s is signed in as %+v", p.Person.Name, s)
		}
	}
	w.must(w.service.Drop(w.ctx, people[1].Token))
	if w.who(people[1].Token) != nil {
		t.Fatal("a session that was dropped is open")
	}
	w.must(w.service.SendCode(w.ctx, "13900000009"))
}

func TestByPassword(t *testing.T) {
	w := open(t)
	_, err := w.service.ByPassword(w.ctx, w.zhang.CitizenID, good)
	w.refused(err, "password", "账号或密码不对") // none is set
	for _, bad := range []string{"short-1", "12345678", "aaaaaaaa1", "x990100198503120014", strings.Repeat("a1", 40)} {
		err := w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.SetPassword(w.ctx, tx, w.zhang.ID, bad) })
		w.refused(err, "password", "")
	}
	w.update(func(tx *db.Tx) error { return w.service.SetPassword(w.ctx, tx, w.zhang.ID, good) })
	token, err := w.service.ByPassword(w.ctx, " "+w.zhang.CitizenID, good)
	w.must(err)
	if s := w.who(token); s == nil || s.Person.ID != w.zhang.ID {
		t.Fatalf("signed in as %+v", s)
	}
	_, err = w.service.ByPassword(w.ctx, "990100199912310000", good)
	w.refused(err, "password", "账号或密码不对") // as for a wrong password
	for range signin.MaxFailures {
		_, err = w.service.ByPassword(w.ctx, w.zhang.CitizenID, "wrong-horse-7")
		w.refused(err, "password", "账号或密码不对")
	}
	_, err = w.service.ByPassword(w.ctx, w.zhang.CitizenID, good)
	w.refused(err, "password", "30 分钟后")
	w.now = w.now.Add(signin.LockedFor + time.Second)
	_, err = w.service.ByPassword(w.ctx, w.zhang.CitizenID, good)
	w.must(err)
}

func TestSessionsEnd(t *testing.T) {
	w := open(t)
	begin := func() string {
		token, err := w.service.BeginPerson(w.ctx, w.zhang.ID)
		w.must(err)
		return token
	}
	idle := begin()
	w.now = w.now.Add(signin.PersonIdle)
	if w.who(idle) == nil {
		t.Fatal("ended too early")
	}
	w.now = w.now.Add(signin.PersonIdle) // it was used since
	if w.who(idle) == nil {
		t.Fatal("ended though it was used")
	}
	w.now = w.now.Add(signin.PersonIdle + time.Second)
	if w.who(idle) != nil {
		t.Fatal("an idle session lives")
	}
	long := begin()
	for range 24 * 60 / 20 {
		w.now = w.now.Add(20 * time.Minute)
		if w.who(long) == nil {
			break
		}
	}
	if w.who(long) != nil {
		t.Fatal("a session lives for ever")
	}
	out := begin()
	w.must(w.service.End(w.ctx, out))
	if w.who(out) != nil || w.who("") != nil || w.who(strings.Repeat("A", 43)) != nil {
		t.Fatal("somebody is signed in without a session")
	}
	w.now = w.now.Add(2 * signin.Longest)
	w.must(w.service.Tidy(w.ctx))
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		var n int
		err := tx.QueryRow(w.ctx, `SELECT COUNT(*) FROM session`).Scan(&n)
		if n != 0 {
			t.Errorf("%d sessions are kept", n)
		}
		return err
	}))
}

func TestOperators(t *testing.T) {
	w := open(t)
	add := func(o signin.Operator, password string) error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.AddOperator(w.ctx, tx, o, password, "root") })
	}
	w.must(add(signin.Operator{Name: "wang", Title: "王受理", Roles: []signin.Role{signin.Review, signin.Intake}, Region: "990100"}, good))
	for _, c := range []struct {
		o           signin.Operator
		field, want string
	}{
		{signin.Operator{Name: "wang", Title: "王", Roles: []signin.Role{signin.Viewer}}, "name", "已有"},
		{signin.Operator{Name: "W", Title: "王", Roles: []signin.Role{signin.Viewer}}, "name", "小写字母"},
		{signin.Operator{Name: "li", Roles: []signin.Role{signin.Viewer}}, "title", "姓名"},
		{signin.Operator{Name: "li", Title: "李"}, "roles", "至少"},
		{signin.Operator{Name: "li", Title: "李", Roles: []signin.Role{"king"}}, "roles", "没有这个角色"},
		{signin.Operator{Name: "li", Title: "李", Roles: []signin.Role{signin.Recheck, signin.Finance}}, "roles", "不能与初审、复核"},
		{signin.Operator{Name: "li", Title: "李", Roles: []signin.Role{signin.Inspector, signin.Viewer}}, "roles", "不能与其他"},
		{signin.Operator{Name: "li", Title: "李", Roles: []signin.Role{signin.Employer}}, "roles", "编码"},
		{signin.Operator{Name: "li", Title: "李", Roles: []signin.Role{signin.Viewer}, Of: "H1"}, "of", "不属于"},
	} {
		w.refused(add(c.o, good), c.field, c.want)
	}
	token, err := w.service.ByName(w.ctx, "wang", good)
	w.must(err)
	s := w.who(token)
	if s == nil || s.Operator.Title != "王受理" || !s.Has(signin.Review) || s.Has(signin.Recheck, signin.Person) || s.Actor() != "wang" || s.Operator.Works() != "受理、初审" {
		t.Fatalf("signed in as %+v", s)
	}
	change := func(o signin.Operator, actor string) error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.ChangeOperator(w.ctx, tx, o, actor) })
	}
	w.refused(change(*s.Operator, "wang"), "name", "自己")
	o := *s.Operator
	o.Roles = []signin.Role{signin.Viewer}
	w.must(change(o, "root"))
	if s := w.who(token); s.Has(signin.Review) || !s.Has(signin.Viewer) {
		t.Fatal("a role that was taken away holds on")
	}
	w.refused(w.service.ChangePassword(w.ctx, "wang", "wrong-horse-7", "better-horse-8"), "password", "账号或密码不对")
	w.refused(w.service.ChangePassword(w.ctx, "wang", good, good), "password", "相同")
	w.must(w.service.ChangePassword(w.ctx, "wang", good, "better-horse-8"))
	w.update(func(tx *db.Tx) error { return w.service.ResetPassword(w.ctx, tx, "wang", "newest-horse-9", "root") })
	if w.who(token) != nil {
		t.Fatal("a session outlived the reset of the password")
	}
	token, err = w.service.ByName(w.ctx, "wang", "newest-horse-9")
	w.must(err)
	if !w.who(token).Operator.Fresh {
		t.Fatal("a password set by another need not be changed")
	}
	o.Stopped = true
	w.must(change(o, "root"))
	if w.who(token) != nil {
		t.Fatal("an operator who was stopped is signed in")
	}
	_, err = w.service.ByName(w.ctx, "wang", "newest-horse-9")
	w.refused(err, "password", "账号或密码不对")
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return audit.Verify(w.ctx, tx) }))
}

func TestActing(t *testing.T) {
	w := open(t)
	w.update(func(tx *db.Tx) error {
		if _, err := w.codes.ActivateAtCounter(w.ctx, tx, w.zhang.ID, wallet, credential.Device{ID: "p", Name: "手机"}, "wang"); err != nil {
			return err
		}
		return w.codes.BindAtCounter(w.ctx, tx, credential.Member{Guardian: w.zhang.ID, Dependant: w.child.ID, Relation: credential.Child}, "wang")
	})
	token, err := w.service.BeginPerson(w.ctx, w.zhang.ID)
	w.must(err)
	w.must(w.service.Act(w.ctx, w.who(token), w.child.ID))
	if s := w.who(token); s.Acting.ID != w.child.ID || s.Person.ID != w.zhang.ID || !strings.HasPrefix(s.Actor(), "代办") {
		t.Fatalf("acting for %s", s.Acting.Name)
	}
	w.refused(w.service.Act(w.ctx, w.who(token), w.mother.ID), "person", "没有")
	w.update(func(tx *db.Tx) error { return w.codes.Unbind(w.ctx, tx, w.zhang.ID, w.child.ID, "wang") })
	if s := w.who(token); s.Acting.ID != w.zhang.ID {
		t.Fatal("still acting for who was unbound")
	}

	// The mother sees to his affairs once he authorised her.
	hers, err := w.service.BeginPerson(w.ctx, w.mother.ID)
	w.must(err)
	w.refused(w.service.Act(w.ctx, w.who(hers), w.zhang.ID), "person", "没有")
	a := signin.Authority{Principal: w.zhang.ID, AgentName: "李妈", AgentCitizenID: w.mother.CitizenID, To: 20250701, PrincipalSecret: wallet}
	bad := a
	bad.AgentName = "李姨"
	w.refused(w.service.Authorise(w.ctx, bad), "agent", "不符")
	bad = a
	bad.PrincipalSecret = "975310"
	w.refused(w.service.Authorise(w.ctx, bad), "password", "")
	bad = a
	bad.To = 20250619
	w.refused(w.service.Authorise(w.ctx, bad), "to", "今天")
	w.must(w.service.Authorise(w.ctx, a))
	w.must(w.service.Act(w.ctx, w.who(hers), w.zhang.ID))
	if w.who(hers).Acting.ID != w.zhang.ID {
		t.Fatal("she does not act for him")
	}
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		all, err := w.service.Authorities(w.ctx, tx, w.zhang.ID)
		if len(all) != 1 || all[0].Agent.Name != "李妈" || all[0].To != 20250701 {
			t.Errorf("authorities: %+v", all)
		}
		return err
	}))
	w.update(func(tx *db.Tx) error { return w.service.Withdraw(w.ctx, tx, w.zhang.ID, w.mother.ID) })
	if w.who(hers).Acting.ID != w.mother.ID {
		t.Fatal("she acts for him though he took it back")
	}
	w.refused(w.db.Update(w.ctx, func(tx *db.Tx) error { return w.service.Withdraw(w.ctx, tx, w.zhang.ID, w.mother.ID) }), "agent", "没有委托")
}

func TestAllow(t *testing.T) {
	w := open(t)
	for range 3 {
		w.must(w.service.Allow(w.ctx, "x", 3, time.Minute))
	}
	w.refused(w.service.Allow(w.ctx, "x", 3, time.Minute), "", "太频繁")
	w.must(w.service.Allow(w.ctx, "y", 3, time.Minute))
	w.now = w.now.Add(time.Minute)
	w.must(w.service.Allow(w.ctx, "x", 3, time.Minute))
}
