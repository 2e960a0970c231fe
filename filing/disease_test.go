package filing

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

const second = "H99010000201"

// begin, prepare, submit and change do what a person or an officer does, each in
// a transaction of its own.
func (r *room) begin(disease, actor, office string) (a *Application, err error) {
	channel := Window
	if actor == "本人" {
		channel = Online
	}
	err = r.db.Update(context.Background(), func(tx *db.Tx) error {
		a, err = r.DraftRecognition(context.Background(), tx, RecognitionRequest{Person: r.person.ID, Disease: disease, Channel: channel, Office: office, Actor: actor})
		return err
	})
	return a, err
}

func (r *room) prepare(a *Application, papers, hospitals []string) error {
	return r.db.Update(context.Background(), func(tx *db.Tx) error {
		_, err := r.Prepare(context.Background(), tx, a.ID, a.Person, Evidence{Papers: papers, Hospitals: hospitals}, "本人")
		return err
	})
}

func (r *room) submit(a *Application, actor string) (out *Application, err error) {
	err = r.db.Update(context.Background(), func(tx *db.Tx) error {
		out, err = r.Submit(context.Background(), tx, Submission{ID: a.ID, Person: a.Person, Actor: actor})
		return err
	})
	return out, err
}

func (r *room) change(old, new string) (a *Application, err error) {
	err = r.db.Update(context.Background(), func(tx *db.Tx) error {
		a, err = r.ChangeHospital(context.Background(), tx, HospitalChange{Person: r.person.ID, Old: old, New: new, Channel: Online, Actor: "本人"})
		return err
	})
	return a, err
}

// recognisedOn lists the diseases that hold on a day, with their last.
func (r *room) recognisedOn(day civil.Date) (out []string) {
	r.Helper()
	r.do(func(tx *db.Tx) error {
		all, err := enrolment.SpecialDiseases(context.Background(), tx, r.person.ID, day)
		for _, d := range all {
			kind := "慢"
			if d.Special {
				kind = "特"
			}
			out = append(out, d.Name+" "+kind+" "+d.From.String()+" "+d.To.String())
		}
		return err
	})
	return out
}

// chosenOn lists the hospitals that settlement would ask for on a day.
func (r *room) chosenOn(day civil.Date) string {
	r.Helper()
	var out []string
	r.do(func(tx *db.Tx) error {
		return errors.Join(enrolment.LaterHospitals(context.Background(), tx, &out, r.person.ID, day), tx.Flush(context.Background()))
	})
	return strings.Join(out, " ")
}

func openDiseases(t *testing.T) *room {
	r := open(t, nil)
	r.do(func(tx *db.Tx) error {
		return provider.Add(context.Background(), tx, provider.Provider{Code: second, Name: "戊医院", Region: "990100", Level: policy.Level2, Designated: true})
	})
	return r
}

// wants fails unless the error is a refusal that says so.
func (r *room) wants(err error, text string) {
	r.Helper()
	var fault *Error
	if !errors.As(err, &fault) || !strings.Contains(fault.Error(), text) {
		r.Errorf("got %v, want a refusal with %q", err, text)
	}
}

func TestRecognition(t *testing.T) {
	r := openDiseases(t)
	r.day = 20250605 // a Thursday
	_, err := r.begin("感冒", "本人", "")
	r.wants(err, "不在本地的病种目录内：高血压、糖尿病")
	a, err := r.begin("M03900", "本人", "")
	if err != nil || a.State != Draft || a.Title() != "门诊慢特病认定" || a.State.Progress() != "未提交" {
		t.Fatalf("%+v, %v", a, err)
	}
	if again, err := r.begin("高血压", "本人", ""); err != nil || again.ID != a.ID {
		t.Errorf("begun again: %+v, %v", again, err)
	}
	// A draft keeps what is filled in, and no officer sees it.
	r.wants(r.prepare(a, []string{"病理报告"}, nil), "应为：诊断证明、病历资料")
	r.wants(r.prepare(a, nil, []string{closed}), "不是定点医疗机构")
	r.wants(r.prepare(a, nil, []string{shop}), "不是定点医疗机构")
	r.wants(r.prepare(a, nil, []string{away}), "不在参保地")
	r.wants(r.prepare(a, nil, []string{"H0"}), "没有登记")
	_, err = r.submit(a, "本人")
	r.wants(err, "请选定点医疗机构，至多 2 家")
	if err := errors.Join(r.prepare(a, []string{"诊断证明"}, nil), r.prepare(a, nil, []string{home, home})); err != nil {
		t.Fatal(err)
	}
	r.do(func(tx *db.Tx) error {
		got, _, err := r.Get(context.Background(), tx, a.ID)
		if err == nil && (len(got.Details.Disease.Papers) != 1 || len(got.Details.Disease.Hospitals) != 1 || got.Details.Disease.Hospitals[0].Name != "甲医院") {
			t.Errorf("kept: %+v", got.Details.Disease)
		}
		queue, e := r.Queue(context.Background(), tx, QueueFilter{Limit: 10})
		if len(queue) != 0 {
			t.Errorf("a draft is in the queue: %+v", queue)
		}
		return errors.Join(err, e)
	})
	// It comes back with what is missing, and goes on under its number.
	if a, err = r.submit(a, "本人"); err != nil || a.State != Returned || a.Reason() != "缺少：病历资料" {
		t.Fatalf("%+v, %v", a, err)
	}
	number := a.ID
	if err := r.prepare(a, []string{"诊断证明", "病历资料"}, nil); err != nil {
		t.Fatal(err)
	}
	if a, err = r.submit(a, "王受理"); err != nil || a.ID != number || a.State != Submitted || a.Due != 20250612 || len(a.Steps) != 4 {
		t.Fatalf("%+v, %v", a, err)
	}
	_, err = r.submit(a, "本人")
	r.wants(err, "不能再改")
	_, err = r.begin("M03900", "本人", "")
	r.wants(err, "不能重复申报")
	if got := r.recognisedOn(20250606); len(got) != 0 {
		t.Errorf("before the decision: %v", got)
	}
	// Who entered it does not decide, not even who only began it.
	_, err = r.judge(a, Decision{State: Accepted}, "王受理")
	r.wants(err, "不能审核自己录入的申请")
	_, err = r.judge(a, Decision{State: Accepted}, "本人")
	r.wants(err, "不能审核自己录入的申请")
	r.day = 20250609
	if a, err = r.judge(a, Decision{State: Accepted}, "李初审"); err != nil || a.From != 20250609 || a.To != 20270608 {
		t.Fatalf("%+v, %v", a, err)
	}
	if got := r.recognisedOn(20250609); len(got) != 1 || got[0] != "高血压 慢 2025-06-09 2027-06-08" {
		t.Errorf("holds: %v", got)
	}
	if got := r.chosenOn(20250609); got != home {
		t.Errorf("chosen: %s", got)
	}
	r.do(func(tx *db.Tx) error { return audit.Verify(context.Background(), tx) })
}

// TestRecognitionAutomatic: what the package lets be decided at once holds at
// once, for as long as it says.
func TestRecognitionAutomatic(t *testing.T) {
	r := openDiseases(t)
	a, err := r.begin("慢性肾衰竭血液净化", "王受理", "990101")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.prepare(a, []string{"病历资料", "诊断证明"}, []string{second, home}); err != nil {
		t.Fatal(err)
	}
	if a, err = r.submit(a, "王受理"); err != nil || a.State != Accepted || a.Office != "990101" {
		t.Fatalf("%+v, %v", a, err)
	}
	if got := r.recognisedOn(r.day); len(got) != 1 || got[0] != "慢性肾衰竭血液净化 特 2025-06-20 " {
		t.Errorf("%q", got)
	}
	_, err = r.begin("M07800", "本人", "")
	r.wants(err, "长期有效，不用再申请")
	// A second disease finds both places taken.
	b, err := r.begin("M01600", "本人", "")
	if err != nil {
		t.Fatal(err)
	}
	r.do(func(tx *db.Tx) error {
		return provider.Add(context.Background(), tx, provider.Provider{Code: "H99010000601", Name: "己医院", Region: "990102", Level: policy.Level1, Designated: true})
	})
	r.wants(r.prepare(b, nil, []string{"H99010000601"}), "至多选 2 家，已选定戊医院、甲医院；要换的请先办理变更")
	if err := r.prepare(b, []string{"诊断证明", "检查检验报告"}, []string{home}); err != nil {
		t.Errorf("one that is chosen already: %v", err)
	}
	if b, err = r.submit(b, "本人"); err != nil || b.State != Submitted {
		t.Fatalf("%+v, %v", b, err)
	}
	if err := r.withdraw(b); err != nil {
		t.Error(err)
	}
	// Another district's office takes what is for the same region, and no other's.
	_, err = r.begin("M01600", "周受理", "500101")
	r.wants(err, "不在参保地 990100")
}

func TestRenewal(t *testing.T) {
	r := openDiseases(t)
	held := enrolment.SpecialDisease{Code: "M03900", Name: "高血压", From: 20230701, To: 20250630}
	r.do(func(tx *db.Tx) error { return enrolment.AddSpecialDisease(context.Background(), tx, r.person.ID, held) })
	r.day = 20250501
	_, err := r.begin("M03900", "本人", "")
	r.wants(err, "2025-05-02 起可以续认")
	r.day = 20250502
	a, err := r.begin("M03900", "本人", "")
	if err != nil || a.Title() != "门诊慢特病续认" {
		t.Fatal(a, err)
	}
	if err := r.prepare(a, []string{"诊断证明", "病历资料"}, []string{home}); err != nil {
		t.Fatal(err)
	}
	if a, err = r.submit(a, "本人"); err != nil {
		t.Fatal(err)
	}
	if a, err = r.judge(a, Decision{State: Accepted}, "李初审"); err != nil || a.From != 20250701 || a.To != 20270630 {
		t.Fatalf("%+v, %v", a, err)
	}
	if a, b := r.recognisedOn(20250630), r.recognisedOn(20250701); len(a) != 1 || len(b) != 1 || a[0] == b[0] {
		t.Errorf("%v, %v", a, b)
	}
}

func TestChangeHospital(t *testing.T) {
	r := openDiseases(t)
	_, err := r.change("", home)
	r.wants(err, "没有认定的门诊慢特病")
	a, err := r.begin("M07800", "本人", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.prepare(a, []string{"病历资料", "诊断证明"}, []string{home}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.submit(a, "本人"); err != nil {
		t.Fatal(err)
	}
	_, err = r.change("", home)
	r.wants(err, "已经是选定的机构")
	_, err = r.change(second, away)
	r.wants(err, "不在参保地")
	r.do(func(tx *db.Tx) error {
		return provider.Add(context.Background(), tx, provider.Provider{Code: "H99010000601", Name: "己医院", Region: "990102", Level: policy.Level1, Designated: true})
	})
	_, err = r.change(second, "H99010000601")
	r.wants(err, "不是已选定的机构")
	r.day = 20250701
	b, err := r.change(home, second)
	if err != nil || b.State != Accepted || b.Title() != "定点医疗机构变更" || b.Details.Designation.Replaces.Name != "甲医院" {
		t.Fatalf("%+v, %v", b, err)
	}
	if x, y := r.chosenOn(20250630), r.chosenOn(20250701); x != home || y != second {
		t.Errorf("chosen before %s, after %s", x, y)
	}
	// And again, back on the same day: the place is the same.
	if _, err := r.change(second, home); err != nil {
		t.Fatal(err)
	}
	if x, y := r.chosenOn(20250630), r.chosenOn(20250701); x != home || y != home {
		t.Errorf("chosen before %s, after %s", x, y)
	}
	if _, err := r.change("", second); err != nil {
		t.Fatal(err)
	}
	if got := r.chosenOn(20250701); got != home+" "+second {
		t.Errorf("chosen %s", got)
	}
	_, err = r.change("", "H99010000601")
	r.wants(err, "已选满 2 家")
}

// TestUnknownList is A003-1: before the day of the new list nothing is known of
// the old one; after it, depression is of the second class.
func TestUnknownList(t *testing.T) {
	r := openDiseases(t)
	p := enrolment.Person{Name: "渝", CitizenID: "500101199001010015", Birth: 19900101, Region: "500000"}
	r.do(func(tx *db.Tx) error {
		if err := r.register.Add(context.Background(), tx, &p); err != nil {
			return err
		}
		return enrolment.AddInsurance(context.Background(), tx, p.ID, enrolment.Insurance{Scheme: policy.Resident, From: 20250101})
	})
	r.person = p
	r.day = 20250531
	_, err := r.begin("抑郁症", "本人", "")
	r.wants(err, "2025 年 6 月 1 日以前的门诊特殊疾病病种、材料与期限未见文件")
	r.day = 20250601
	_, err = r.begin("高血压", "本人", "")
	r.wants(err, "不在掌握的病种目录内")
	a, err := r.begin("抑郁症", "受理", "500106")
	if err != nil {
		t.Fatal(err)
	}
	r.wants(r.prepare(a, nil, []string{away}), "不限定")
	if err := r.prepare(a, []string{"病历", "诊断证明"}, nil); err != nil {
		t.Fatal(err)
	}
	if a, err = r.submit(a, "受理"); err != nil || a.State != Submitted || a.Due != 0 || a.Late(20990101) {
		t.Fatalf("%+v, %v", a, err)
	}
	if a, err = r.judge(a, Decision{State: Accepted}, "初审"); err != nil || a.Details.Disease.Group != "二类" || a.To != 0 || !a.Details.Disease.Special {
		t.Fatalf("%+v, %v", a, err)
	}
	if got := r.recognisedOn(20250601); len(got) != 1 || got[0] != "抑郁症 特 2025-06-01 " {
		t.Errorf("%q", got)
	}
}

// TestPapers: a photograph counts as the paper that it is handed in as, while the
// application is open; what is in it lies sealed.
func TestPapers(t *testing.T) {
	ctx := context.Background()
	r := openDiseases(t)
	clean := photograph(t)
	a, err := r.begin("M03900", "本人", "")
	if err != nil {
		t.Fatal(err)
	}
	hand := func(label string) error {
		return r.db.Update(ctx, func(tx *db.Tx) error {
			_, err := r.HandIn(ctx, tx, a.ID, a.Person, []Sheet{{label, "照片.jpg", clean}}, "本人")
			return err
		})
	}
	r.wants(hand("病理报告"), "不是要交的材料")
	if err := errors.Join(hand("诊断证明"), hand("病历资料"), r.prepare(a, nil, []string{home})); err != nil {
		t.Fatal(err)
	}
	r.do(func(tx *db.Tx) error {
		files, err := r.Papers(ctx, tx, a)
		if err != nil || len(files) != 2 {
			t.Fatalf("%+v, %v", files, err)
		}
		body, err := r.Content(ctx, tx, files[0])
		if string(body) != string(clean.Body()) {
			t.Error("it is not what was handed in")
		}
		other := &Application{ID: "F0"}
		if _, ok, err := r.Paper(ctx, tx, other, files[0].ID); ok || err != nil {
			t.Errorf("found under another application: %v", err)
		}
		record := slices.IndexFunc(files, func(f paper.File) bool { return f.Label == "病历资料" })
		return errors.Join(err, r.TakeBack(ctx, tx, a.ID, a.Person, files[record].ID, "本人"))
	})
	if a, err = r.submit(a, "本人"); err != nil || a.State != Returned || a.Reason() != "缺少：病历资料" {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := hand("病历资料"); err != nil {
		t.Fatal(err)
	}
	if a, err = r.submit(a, "本人"); err != nil || a.State != Submitted {
		t.Fatalf("%+v, %v", a, err)
	}
	r.wants(hand("诊断证明"), "不能再改材料")
	// A residence permit as a photograph does for filing elsewhere, too.
	b, err := r.apply(AwayRequest{Away: Away{Group: resident, Destination: "310000"}, Sheets: []Sheet{{"居住证", "a.jpg", clean}}})
	if err != nil || b.State != Submitted {
		t.Fatalf("%+v, %v", b, err)
	}
	r.do(func(tx *db.Tx) error { return audit.Verify(ctx, tx) })
}

func photograph(t *testing.T) paper.Clean {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 80, 60))); err != nil {
		t.Fatal(err)
	}
	c, err := (&paper.Cleaner{}).Clean(context.Background(), b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
