package filing

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/outbox"
	"github.com/anji-platform/anji/policy"
)

const resident = "异地长期居住人员"

func (r *room) apply(q AwayRequest) (a *Application, err error) {
	if q.Person == "" {
		q.Person = r.person.ID
	}
	if q.Channel == "" {
		q.Channel = Online
	}
	if q.Actor == "" {
		q.Actor = "本人"
	}
	err = r.db.Update(context.Background(), func(tx *db.Tx) error {
		a, err = r.ApplyAway(context.Background(), tx, q)
		return err
	})
	return a, err
}

// filedIn says by what filing care in a region would be settled on a day.
func (r *room) filedIn(region string, day civil.Date) (kind policy.Filing) {
	r.Helper()
	r.do(func(tx *db.Tx) (err error) {
		kind, err = enrolment.FilingOn(context.Background(), tx, r.person.ID, region, day)
		return err
	})
	return kind
}

func (r *room) judge(a *Application, d Decision, actor string) (out *Application, err error) {
	err = r.db.Update(context.Background(), func(tx *db.Tx) error {
		out, err = r.Decide(context.Background(), tx, a.ID, d, actor)
		return err
	})
	return out, err
}

// TestAway is question 27 of the handbook: applied for, in progress, decided
// within two working days, and it holds at once.
func TestAway(t *testing.T) {
	r := open(t, nil)
	r.day = 20250605                                                              // a Thursday
	for _, group := range []string{"异地长期居住人员", "常驻异地工作人员", "外出农民工", "外来就业创业人员"} { // question 28, those that one who works may be
		a, err := r.apply(AwayRequest{Away: Away{Group: group, Destination: "110000", Commitment: true}})
		if err != nil || a.State != Submitted || a.State.Progress() != "申办中" || a.Due != 20250609 || a.From != 20250605 || a.To != 0 {
			t.Fatalf("%s: %+v, %v", group, a, err)
		}
		if err := r.withdraw(a); err != nil {
			t.Fatal(err)
		}
	}
	a, err := r.apply(AwayRequest{Away: Away{Group: resident, Destination: "110000", Papers: []string{"居住证"}}})
	if err != nil || a.State != Submitted {
		t.Fatalf("%+v, %v", a, err)
	}
	if a.Late(20250609) || !a.Late(20250610) {
		t.Error("it is late at the wrong time")
	}
	if got := r.filedIn("110105", 20250606); got != policy.NotFiled {
		t.Errorf("before the decision: %v", got)
	}
	if a, err = r.judge(a, Decision{State: Accepted}, "王"); err != nil || a.State.Progress() != "已办结" {
		t.Fatalf("%+v, %v", a, err)
	}
	// Question 31: all of Beijing is filed, and no other city.
	for region, want := range map[string]policy.Filing{"110000": policy.Filed, "110105": policy.Filed, "130100": policy.NotFiled} {
		if got := r.filedIn(region, 20250606); got != want {
			t.Errorf("in %s: %v, want %v", region, got, want)
		}
	}
	// A change: the new place holds, and the old no more.
	b, err := r.apply(AwayRequest{Away: Away{Group: resident, Destination: "320500", Commitment: true}, From: 20250701})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.judge(b, Decision{State: Accepted}, "王"); err != nil {
		t.Fatal(err)
	}
	if r.filedIn("110105", 20250630) != policy.Filed || r.filedIn("110105", 20250701) != policy.NotFiled || r.filedIn("320583", 20250701) != policy.Filed || r.filedIn("320100", 20250701) != policy.NotFiled {
		t.Error("the change holds on the wrong days or in the wrong places")
	}
}

// TestAwayReturned is question 29: without a residence permit or a commitment it
// comes back, and goes on under its number once it is complete.
func TestAwayReturned(t *testing.T) {
	r := open(t, nil)
	for _, channel := range Channels() {
		a, err := r.apply(AwayRequest{Away: Away{Group: resident, Destination: "310000"}, Channel: channel, Actor: "王"})
		if err != nil || a.State != Returned || a.State.Progress() != "被退回" || a.Reason() != "缺少：居住证；也可以签署承诺书代替" || channel.Title() == "" {
			t.Fatalf("%s: %+v, %v", channel, a, err)
		}
		r.do(func(tx *db.Tx) error {
			b, err := r.Complete(context.Background(), tx, a.ID, r.person.ID, nil, true, "本人")
			if err == nil && (b.ID != a.ID || b.State != Submitted || len(b.Steps) != 3) {
				t.Errorf("completed: %+v", b)
			}
			return err
		})
		if err := r.db.Update(context.Background(), func(tx *db.Tx) error {
			_, err := r.Complete(context.Background(), tx, a.ID, r.person.ID, nil, true, "本人")
			return err
		}); err == nil {
			t.Error("completed twice")
		}
		if err := r.withdraw(a); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAwayLater: what is filed after the care holds for it, for a later claim
// (补办备案).
func TestAwayLater(t *testing.T) {
	r := open(t, nil)
	a, err := r.apply(AwayRequest{Away: Away{Group: resident, Destination: "310000", Commitment: true}, From: 20250501})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.judge(a, Decision{State: Accepted}, "王"); err != nil {
		t.Fatal(err)
	}
	if r.filedIn("310000", 20250501) != policy.Filed || r.filedIn("310000", 20250430) != policy.NotFiled {
		t.Error("it does not hold from the day asked for")
	}
}

func TestAwayRefused(t *testing.T) {
	r := open(t, nil)
	for name, c := range map[string]struct {
		q           AwayRequest
		field, want string
	}{
		"no such group": {AwayRequest{Away: Away{Group: "游客", Destination: "110000"}}, "group", "异地安置退休人员"},
		"by a hospital": {AwayRequest{Away: Away{Group: "异地转诊人员", Destination: "110000"}}, "group", "医院"},
		"not retired":   {AwayRequest{Away: Away{Group: "异地安置退休人员", Destination: "110000", Commitment: true}}, "group", "退休"},
		"a county":      {AwayRequest{Away: Away{Group: resident, Destination: "320583"}}, "destination", "地市"},
		"a province":    {AwayRequest{Away: Away{Group: resident, Destination: "320000"}}, "destination", "地市"},
		"a district":    {AwayRequest{Away: Away{Group: resident, Destination: "110105"}}, "destination", "全境"},
		"home":          {AwayRequest{Away: Away{Group: resident, Destination: "990100"}}, "destination", "参保地"},
		"no region":     {AwayRequest{Away: Away{Group: resident, Destination: "上海"}}, "destination", "六位"},
		"long ago":      {AwayRequest{Away: Away{Group: resident, Destination: "310000"}, From: 20240101}, "from", "一年"},
		"far ahead":     {AwayRequest{Away: Away{Group: resident, Destination: "310000"}, From: 20260101}, "from", "三个月"},
		"backwards":     {AwayRequest{Away: Away{Group: resident, Destination: "310000"}, From: 20250620, To: 20250601}, "to", "早于"},
		"no person":     {AwayRequest{Person: "x", Away: Away{Group: resident, Destination: "310000"}}, "person", "没有"},
		"by pigeon":     {AwayRequest{Channel: "pigeon", Away: Away{Group: resident, Destination: "310000"}}, "channel", "渠道"},
	} {
		_, err := r.apply(c.q)
		var e *Error
		if !errors.As(err, &e) || e.Field != c.field || !strings.Contains(e.Want, c.want) {
			t.Errorf("%s: %v, want %s to say %q", name, err, c.field, c.want)
		}
	}
	a, err := r.apply(AwayRequest{Away: Away{Group: resident, Destination: "310000", Commitment: true}, Channel: Window, Actor: "王"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.apply(AwayRequest{Away: Away{Group: resident, Destination: "310000", Commitment: true}}); err == nil {
		t.Error("applied for twice")
	}
	if _, err := r.judge(a, Decision{State: Accepted}, "王"); err == nil || !strings.Contains(err.Error(), "自己录入") {
		t.Errorf("decided by who entered it: %v", err)
	}
	if _, err := r.judge(a, Decision{State: Refused}, "李"); err == nil {
		t.Error("refused without a reason")
	}
	if a, err = r.judge(a, Decision{State: Refused, Reason: "材料不实"}, "李"); err != nil || a.State != Refused {
		t.Fatalf("%+v, %v", a, err)
	}
}

// TestQueue: officers see what waits, the most pressing first.
func TestQueue(t *testing.T) {
	ctx := context.Background()
	r := open(t, nil)
	r.do(func(tx *db.Tx) error { return r.declareAt(tx) })
	first, err := r.apply(AwayRequest{Away: Away{Group: resident, Destination: "310000", Commitment: true}})
	if err != nil {
		t.Fatal(err)
	}
	r.day = 20250627
	second, err := r.apply(AwayRequest{Away: Away{Group: resident, Destination: "110000", Commitment: true}})
	if err != nil {
		t.Fatal(err)
	}
	r.do(func(tx *db.Tx) error {
		all, err := r.Queue(ctx, tx, QueueFilter{Region: "990100", State: Submitted, Limit: 10})
		if err != nil {
			return err
		}
		if len(all) != 2 || all[0].ID != first.ID || all[1].ID != second.ID {
			t.Errorf("the queue is %+v", all)
		}
		late, err := r.Queue(ctx, tx, QueueFilter{LateOn: r.day, Limit: 10})
		if err != nil {
			return err
		}
		if len(late) != 1 || late[0].ID != first.ID {
			t.Errorf("late are %+v", late)
		}
		n, err := r.Counts(ctx, tx, "990100", r.day)
		if len(n) != 2 || n[0] != (Tally{KindAway, Submitted, 2, 1}) || n[1] != (Tally{KindDisease, Accepted, 1, 0}) {
			t.Errorf("counts %v", n)
		}
		if of, _ := r.Queue(ctx, tx, QueueFilter{Kind: KindDisease, Limit: 10}); len(of) != 1 || of[0].Provider == "" {
			t.Errorf("of one kind: %+v", of)
		}
		if other, _ := r.Counts(ctx, tx, "990200", r.day); len(other) != 0 {
			t.Errorf("another region's counts %v", other)
		}
		mine, _ := r.OfPerson(ctx, tx, r.person.ID)
		if len(mine) != 3 {
			t.Errorf("%d of the person", len(mine))
		}
		messages, err2 := outbox.Latest(ctx, tx, r.sealer, "", 10)
		if len(messages) != 0 {
			t.Errorf("messages to nobody: %v", messages)
		}
		return errors.Join(err, err2)
	})
}

// declareAt lets a hospital declare something, which a rule decides at once.
func (r *room) declareAt(tx *db.Tx) error {
	_, err := r.Declare(context.Background(), tx, Declaration{Person: r.person.ID, Provider: home, From: 20250620, Details: disease("M1"), Actor: home})
	return err
}
