package filing

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
)

const (
	home, away, shop, closed = "H99010000101", "H50000000101", "P99010000401", "H99010000501"
)

// A room is the filing room over a real store with one person.
type room struct {
	*testing.T
	*Service
	db     *db.DB
	person enrolment.Person
	day    civil.Date
}

func TestMain(m *testing.M) { dbtest.Main(m) }

func open(t *testing.T, decider Decider) *room {
	t.Helper()
	ctx := context.Background()
	r := &room{T: t, db: dbtest.Open(t), day: 20250620}
	sealer, err := gm.NewSealer(bytes.Repeat([]byte{3}, 48))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	register := enrolment.New(sealer)
	now := func() time.Time { return r.day.Time().Add(2 * time.Hour) }
	r.Service = New(register, settlement.New(packages, register, now), sealer, decider, now)
	r.person = enrolment.Person{Name: "甲", CitizenID: "990100198503120014", Birth: 19850312, Region: "990100"}
	r.do(func(tx *db.Tx) error {
		for _, p := range []provider.Provider{
			{Code: home, Name: "甲医院", Region: "990100", Level: policy.Level3, Designated: true},
			{Code: away, Name: "乙医院", Region: "500000", Level: policy.Level3, Designated: true},
			{Code: shop, Name: "丙药房", Region: "990100", Kind: policy.Pharmacy, Designated: true},
			{Code: closed, Name: "丁诊所", Region: "990100"},
		} {
			if err := provider.Add(ctx, tx, p); err != nil {
				return err
			}
		}
		if err := register.Add(ctx, tx, &r.person); err != nil {
			return err
		}
		return enrolment.AddInsurance(ctx, tx, r.person.ID, enrolment.Insurance{Scheme: policy.Employee, From: 20250101})
	})
	return r
}

func (r *room) do(f func(tx *db.Tx) error) {
	r.Helper()
	if err := r.db.Update(context.Background(), f); err != nil {
		r.Fatal(err)
	}
}

func (r *room) declare(from, to civil.Date, d Details) (a *Application, err error) {
	ctx := context.Background()
	err = r.db.Update(ctx, func(tx *db.Tx) error {
		var err error
		a, err = r.Declare(ctx, tx, Declaration{Person: r.person.ID, Provider: home, From: from, To: to, Details: d, Actor: home + " 1"})
		return err
	})
	return a, err
}

func (r *room) withdraw(a *Application) error {
	ctx := context.Background()
	return r.db.Update(ctx, func(tx *db.Tx) error {
		return r.Withdraw(ctx, tx, WithdrawRequest{ID: a.ID, Kind: a.Kind(), Person: a.Person, Provider: a.Provider, Reason: "有误", Actor: home + " 2"})
	})
}

func referral() Details {
	return Details{Phone: "10000000009", Referral: &Referral{Provider: away, Region: "500000", On: 20250610, Condition: "需放疗"}}
}

func disease(code string) Details {
	return Details{Disease: &Recognition{Code: code, Name: "病种" + code, Provider: home, On: 20250601}}
}

func TestLife(t *testing.T) {
	ctx := context.Background()
	r := open(t, Plain{Days: map[Kind]int{KindReferral: 90}, Special: map[string]bool{"M1": true}})
	a, err := r.declare(20250610, 0, referral())
	if err != nil || a.State != Accepted || a.To != 20250907 || a.Region != "990100" || a.Details.Referral.ProviderName != "乙医院" {
		t.Fatalf("%+v, %v", a, err)
	}
	short, err := r.declare(20251001, 20251010, referral())
	if err != nil || short.To != 20251010 {
		t.Errorf("a shorter one: %+v, %v", short, err)
	}
	m1, err := r.declare(20250610, 0, disease("M1"))
	if err != nil || m1.To != 0 {
		t.Fatalf("%+v, %v", m1, err)
	}
	m2, err := r.declare(20250610, 20250630, disease("M2"))
	if err != nil {
		t.Fatal(err)
	}
	// It is read as it was written, and holds where settlements look for it.
	r.do(func(tx *db.Tx) error {
		got, ok, err := r.Get(ctx, tx, a.ID)
		if err != nil || !ok || got.Details.Phone != "10000000009" || *got.Details.Referral != *a.Details.Referral || len(got.Steps) != 2 || got.Steps[0].State != Submitted || got.Steps[1].Actor != "规则审核" {
			t.Errorf("%+v, %t, %v", got, ok, err)
		}
		for day, want := range map[civil.Date]policy.Filing{20250609: policy.NotFiled, 20250610: policy.Referred, 20250907: policy.Referred, 20250908: policy.NotFiled} {
			if got, err := enrolment.FilingOn(ctx, tx, a.Person, "500000", day); err != nil || got != want {
				t.Errorf("%s: %s, %v", day, got, err)
			}
		}
		all, err := enrolment.SpecialDiseases(ctx, tx, a.Person, 20250620)
		if err != nil || len(all) != 2 || !all[0].Special || all[1].Special {
			t.Errorf("%+v, %v", all, err)
		}
		return nil
	})
	// Expired: it can be declared again, and not be withdrawn.
	r.day = 20250701
	if m2.StateOn(20250630) != Accepted || m2.StateOn(r.day) != Expired || m1.StateOn(20990101) != Accepted {
		t.Error("expiry")
	}
	var fault *Error
	if err := r.withdraw(m2); !errors.As(err, &fault) || !strings.Contains(fault.Want, "已于 2025-06-30 到期") {
		t.Errorf("an expired one is withdrawn: %v", err)
	}
	if _, err := r.declare(20250630, 0, disease("M2")); !errors.As(err, &fault) || !strings.Contains(fault.Want, m2.ID) {
		t.Errorf("on its last day: %v", err)
	}
	if _, err := r.declare(20250701, 0, disease("M2")); err != nil {
		t.Errorf("after its last day: %v", err)
	}
	// Withdrawn before it begins, it never holds.
	if err := r.withdraw(short); err != nil {
		t.Fatal(err)
	}
	if err := r.withdraw(m1); err != nil {
		t.Fatal(err)
	}
	r.do(func(tx *db.Tx) error {
		if got, err := enrolment.FilingsWithin(ctx, tx, a.Person, 20251001, 0); err != nil || len(got) != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		got, err := enrolment.SpecialDiseasesWithin(ctx, tx, a.Person, 20250101, 20250620)
		if err != nil || len(got) != 2 || got[0].To != 20250630 {
			t.Errorf("%+v, %v", got, err)
		}
		x, _, err := r.Get(ctx, tx, m1.ID)
		if err != nil || x.State != Withdrawn || x.Reason() != "有误" || len(x.Steps) != 3 || x.StateOn(20990101) != Withdrawn {
			t.Errorf("%+v, %v", x, err)
		}
		if all, err := r.List(ctx, tx, Filter{Person: a.Person, Kind: KindDisease}); err != nil || len(all) != 3 {
			t.Errorf("%d, %v", len(all), err)
		}
		if all, err := r.List(ctx, tx, Filter{Person: a.Person, From: 20250601, To: 20250620}); err != nil || len(all) != 3 {
			t.Errorf("%d, %v", len(all), err)
		}
		return audit.Verify(ctx, tx)
	})
	// What an application says of the person does not stand in the clear.
	r.do(func(tx *db.Tx) error {
		var details []byte
		err := tx.QueryRow(ctx, `SELECT details FROM filing_application WHERE id = ?`, a.ID).Scan(&details)
		for _, secret := range []string{"10000000009", "需放疗"} {
			if bytes.Contains(details, []byte(secret)) {
				t.Errorf("%s stands in the clear", secret)
			}
		}
		return err
	})
}

type wait struct{}

func (wait) Decide(*Application, *Facts) Decision { return Decision{State: Submitted} }

func TestOfficer(t *testing.T) {
	ctx := context.Background()
	r := open(t, wait{})
	decide := func(a *Application, d Decision) error {
		return r.db.Update(ctx, func(tx *db.Tx) error {
			_, err := r.Decide(ctx, tx, a.ID, d, "officer 7")
			return err
		})
	}
	holds := func() (n int) {
		r.do(func(tx *db.Tx) error {
			all, err := enrolment.SpecialDiseasesWithin(ctx, tx, r.person.ID, 20250101, 0)
			n = len(all)
			return err
		})
		return n
	}
	var fault *Error
	for _, state := range []State{Returned, Refused} {
		a, err := r.declare(20250610, 0, disease("M1"))
		if err != nil || a.State != Submitted {
			t.Fatal(a, err)
		}
		if err := decide(a, Decision{State: state}); !errors.As(err, &fault) || fault.Field != "reason" {
			t.Errorf("%s without a reason: %v", state, err)
		}
		if err := decide(a, Decision{State: state, Reason: "缺材料"}); err != nil {
			t.Fatal(err)
		}
		if err := decide(a, Decision{State: Accepted}); !errors.As(err, &fault) || !strings.Contains(fault.Want, "不再审核") {
			t.Errorf("decided twice: %v", err)
		}
		if err := r.withdraw(a); !errors.As(err, &fault) || !strings.Contains(fault.Want, "不能撤销") {
			t.Errorf("%s is withdrawn: %v", state, err)
		}
	}
	a, err := r.declare(20250610, 0, disease("M1"))
	if err != nil {
		t.Fatal(err)
	}
	if n := holds(); n != 0 {
		t.Errorf("%d hold while nothing is decided", n)
	}
	taken := enrolment.SpecialDisease{Code: "M1", Name: "病种M1", From: 20250615}
	r.do(func(tx *db.Tx) error { return enrolment.AddSpecialDisease(ctx, tx, r.person.ID, taken) })
	if err := decide(a, Decision{State: Accepted}); !errors.As(err, &fault) || fault.Field != "subject" {
		t.Errorf("accepted over what was recognised since: %v", err)
	}
	r.do(func(tx *db.Tx) error {
		return enrolment.EndSpecialDisease(ctx, tx, r.person.ID, "M1", taken.From, taken.From)
	})
	if err := decide(a, Decision{State: Accepted, To: 20250609}); !errors.As(err, &fault) || fault.Field != "to" {
		t.Errorf("accepted for no day: %v", err)
	}
	if err := decide(a, Decision{State: Withdrawn, Reason: "x"}); err == nil || errors.As(err, &fault) {
		t.Errorf("a decision that is none: %v", err)
	}
	if err := decide(a, Decision{State: Accepted, To: 20251231}); err != nil {
		t.Fatal(err)
	}
	if n := holds(); n != 1 {
		t.Errorf("%d hold", n)
	}
	if err := decide(&Application{ID: "F0"}, Decision{State: Accepted}); !errors.As(err, &fault) || fault.Field != "id" {
		t.Errorf("of no such id: %v", err)
	}
}

func TestPlain(t *testing.T) {
	hospital := provider.Provider{Name: "甲", Designated: true}
	insured := enrolment.Insurance{From: 20250101}
	for _, x := range []struct {
		name string
		a    Application
		f    Facts
		want State
	}{
		{"a disease", Application{From: 20250610, Details: disease("M1")}, Facts{Insurance: insured, Target: hospital, Today: 20250620}, Accepted},
		{"in arrears", Application{From: 20250610, Details: disease("M1")}, Facts{Insurance: enrolment.Insurance{Status: policy.Arrears}, Target: hospital, Today: 20250620}, Accepted},
		{"dead", Application{From: 20250610, Details: disease("M1")}, Facts{Insurance: enrolment.Insurance{Status: policy.Deceased}, Target: hospital, Today: 20250620}, Refused},
		{"not insured", Application{From: 20250610, Details: referral()}, Facts{Insurance: enrolment.Insurance{Status: policy.NotInsured}, Target: hospital, Today: 20250620}, Refused},
		{"terminated", Application{From: 20250610, Details: referral()}, Facts{Insurance: enrolment.Insurance{Status: policy.Terminated}, Target: hospital, Today: 20250620}, Refused},
		{"a referral", Application{From: 20250610, Details: referral()}, Facts{Insurance: insured, Target: hospital}, Accepted},
		{"before it", Application{From: 20250609, Details: referral()}, Facts{Insurance: insured, Target: hospital}, Returned},
		{"to a pharmacy", Application{From: 20250610, Details: referral()}, Facts{Insurance: insured, Target: provider.Provider{Kind: policy.Pharmacy, Designated: true}}, Refused},
		{"a pharmacy is chosen", Application{From: 20250610, Details: Details{Designation: &Designation{}}}, Facts{Insurance: insured, Target: provider.Provider{Kind: policy.Pharmacy, Designated: true}}, Accepted},
		{"one not designated is chosen", Application{From: 20250610, Details: Details{Designation: &Designation{}}}, Facts{Insurance: insured}, Refused},
		{"an injury", Application{From: 20250610, Details: Details{Injury: &Injury{On: 20250610, Place: "家", Cause: "跌倒"}}}, Facts{Insurance: insured, Today: 20250610}, Accepted},
		{"an injury nowhere", Application{From: 20250610, Details: Details{Injury: &Injury{On: 20250610, Cause: "跌倒"}}}, Facts{Insurance: insured, Today: 20250610}, Returned},
		{"an injury tomorrow", Application{From: 20250610, Details: Details{Injury: &Injury{On: 20250611, Place: "家", Cause: "跌倒"}}}, Facts{Insurance: insured, Today: 20250610}, Returned},
	} {
		if got := (Plain{}).Decide(&x.a, &x.f); got.State != x.want || (got.Reason == "") != (x.want == Accepted) {
			t.Errorf("%s: %+v, want %s", x.name, got, x.want)
		}
	}
}
