package rulebook

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

// desk is a service over a store, with a clock.
type desk struct {
	*testing.T
	*Service
	db       *db.DB
	packages *policy.Store
	at       time.Time
}

func open(t *testing.T, d *db.DB) *desk {
	t.Helper()
	packages, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	k := &desk{T: t, db: d, packages: packages, at: time.Date(2025, 6, 20, 2, 0, 0, 0, time.UTC)}
	k.Service = New(packages, policies.FS, func() time.Time { return k.at })
	k.refresh()
	return k
}

func (k *desk) refresh() {
	k.Helper()
	if err := k.Refresh(context.Background(), k.db); err != nil {
		k.Fatal(err)
	}
}

func (k *desk) do(f func(context.Context, *db.Tx) error) error {
	ctx := context.Background()
	return k.db.Update(ctx, func(tx *db.Tx) error { return f(ctx, tx) })
}

func (k *desk) must(f func(context.Context, *db.Tx) error) {
	k.Helper()
	if err := k.do(f); err != nil {
		k.Fatal(err)
	}
}

// shipped is the package of 990100 with changes: pairs of old and new.
func shipped(t *testing.T, changes ...string) []byte {
	t.Helper()
	data, err := fs.ReadFile(policies.FS, "990100/2025-01-01.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("the package does not hold %q", changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	return []byte(text)
}

// next is a version from July on that pays more: of the third level 87% not 85%.
func next(t *testing.T, from string) []byte {
	return shipped(t, "from: 2025-01-01", "from: "+from, `version: "2025.1"`, `version: "`+from+`"`, threeBefore, threeAfter)
}

const (
	threeBefore = `active: {primary|1: 90%, 2: 87%, 3: 85%}`
	threeAfter  = `active: {primary|1: 90%, 2: 87%, 3: 87%}`
	ownCases    = `
- name: 三级医院首次住院，比例提高
  why: (10000 − 800) × 87% = 8004
  case: {date: 2025-07-10, provider: {level: "3"}, visit: {kind: inpatient}, lines: [{class: 甲, amount: "10000.00"}]}
  expect: {basic: "8004.00", person: "1996.00"}
`
)

func (k *desk) upload(actor string, text []byte, cases string) (v *Version, err error) {
	err = k.do(func(ctx context.Context, tx *db.Tx) error {
		v, err = k.Upload(ctx, tx, Upload{Text: text, Cases: []byte(cases), Actor: actor})
		return err
	})
	return v, err
}

// basic is what the funds pay of 10 000 yuan in a hospital of the third level.
func (k *desk) basic(day civil.Date) money.Fen {
	k.Helper()
	c := policy.Case{Region: "990100", Date: day, Level: policy.Level3, Visit: policy.Inpatient, Lines: []policy.Line{{Amount: 10_000_00, FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}}}
	var r policy.Result
	if err := k.packages.Settle(&c, &r, nil); err != nil {
		k.Fatal(err)
	}
	return r.FundTotal
}

func wants(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// TestIssue goes the way of a version: uploaded, tried, submitted, issued by
// another; then every process has it, also one that begins later.
func TestIssue(t *testing.T) {
	d := dbtest.Open(t)
	k, other := open(t, d), open(t, d)
	v, err := k.upload("甲", next(t, "2025-07-01"), ownCases)
	if err != nil {
		t.Fatal(err)
	}
	k.must(func(ctx context.Context, tx *db.Tx) error {
		r, err := k.Try(ctx, tx, v)
		if err != nil {
			return err
		}
		if len(r.Own) != 1 || r.OwnFailed != 0 || r.Own[0].Fund != 8004_00 {
			t.Errorf("its own cases: %+v", r.Own)
		}
		if r.Before == nil || r.Before.From != 20250101 || len(r.Beside) < 5 || r.BesideFailed == 0 || r.BesideFailed == len(r.Beside) {
			t.Errorf("the cases beside the version before: %d, %d failed", len(r.Beside), r.BesideFailed)
		}
		m := r.Difference.Money
		if len(r.Difference.Changes) == 0 || m == nil || m.Gain == 0 || m.Lose != 0 || m.All.B.Fund <= m.All.A.Fund {
			t.Errorf("difference %+v, %+v", r.Difference.Changes, m)
		}
		return nil
	})
	act := func(f func(context.Context, *db.Tx, string, string) error, actor string) error {
		return k.do(func(ctx context.Context, tx *db.Tx) error { return f(ctx, tx, v.ID, actor) })
	}
	wants(t, "issued before it is submitted", act(k.Issue, "乙"), "这个版本草稿，不能启用")
	if err := act(k.Submit, "甲"); err != nil {
		t.Fatal(err)
	}
	wants(t, "issued by who uploaded it", act(k.Issue, "甲"), "须由另一人办理")
	wants(t, "refused without a reason", k.do(func(ctx context.Context, tx *db.Tx) error { return k.Refuse(ctx, tx, v.ID, "乙", "不") }), "请写明原因")
	k.refresh()
	if got := k.basic(20250710); got != 7820_00 {
		t.Errorf("before it is issued: %s", got)
	}
	if err := act(k.Issue, "乙"); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]*desk{"this process": k, "another": other, "one that begins later": open(t, d)} {
		x.refresh()
		if a, b := x.basic(20250630), x.basic(20250701); a != 7820_00 || b != 8004_00 {
			t.Errorf("%s: on the last day before %s, on the first %s", name, a, b)
		}
		versions := x.packages.Versions("990100")
		if len(versions) != 2 || versions[0].To != 20250630 {
			t.Errorf("%s: %d versions, the first until %s", name, len(versions), versions[0].To)
		}
	}
	_, err = k.upload("甲", next(t, "2025-07-01"), ownCases)
	wants(t, "a second version of one day", err, "is the first day of a version")
	k.must(func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(Verify(ctx, tx), audit.Verify(ctx, tx))
	})
	for _, change := range []string{`UPDATE package_version SET version = 'x'`, `DELETE FROM package_version`, `UPDATE package_step SET actor = 'x'`, `DELETE FROM package_step`} {
		if err := k.do(func(ctx context.Context, tx *db.Tx) error { return tx.Exec(ctx, change) }); err == nil {
			t.Errorf("%s is done", change)
		}
	}
}

// TestWithdraw takes an issued version back before its first day, by two persons,
// and not after.
func TestWithdraw(t *testing.T) {
	k := open(t, dbtest.Open(t))
	issue := func(from string) string {
		t.Helper()
		v, err := k.upload("甲", next(t, from), strings.ReplaceAll(ownCases, "2025-07-10", "2025-08-01"))
		if err != nil {
			t.Fatal(err)
		}
		k.must(func(ctx context.Context, tx *db.Tx) error { return k.Submit(ctx, tx, v.ID, "甲") })
		k.must(func(ctx context.Context, tx *db.Tx) error { return k.Issue(ctx, tx, v.ID, "乙") })
		k.refresh()
		return v.ID
	}
	first := issue("2025-07-01")
	ask := func(actor string) error {
		return k.do(func(ctx context.Context, tx *db.Tx) error {
			return k.AskWithdrawal(ctx, tx, first, actor, "文件推迟施行")
		})
	}
	withdraw := func(actor string) error {
		return k.do(func(ctx context.Context, tx *db.Tx) error { return k.Withdraw(ctx, tx, first, actor) })
	}
	wants(t, "withdrawn unasked", withdraw("乙"), "不能撤回")
	if err := ask("甲"); err != nil {
		t.Fatal(err)
	}
	wants(t, "withdrawn by who asked", withdraw("甲"), "须由另一人办理")
	k.refresh()
	if got := k.basic(20250701); got != 8004_00 {
		t.Errorf("while it is asked for: %s", got)
	}
	k.must(func(ctx context.Context, tx *db.Tx) error { return k.Keep(ctx, tx, first, "丙", "照常施行") })
	if err := ask("乙"); err != nil {
		t.Fatal(err)
	}
	if err := withdraw("甲"); err != nil {
		t.Fatal(err)
	}
	k.refresh()
	if got := k.basic(20250701); got != 7820_00 || len(k.packages.Versions("990100")) != 1 {
		t.Errorf("after the withdrawal: %s", got)
	}
	first = issue("2025-07-01") // the day is free again
	k.at = time.Date(2025, 6, 30, 15, 56, 0, 0, time.UTC)
	wants(t, "withdrawn four minutes before its first day", ask("甲"), "不能撤回")
	k.must(func(ctx context.Context, tx *db.Tx) error { return Verify(ctx, tx) })
}

// TestUpload says what is wrong, all of it, and keeps nothing then.
func TestUpload(t *testing.T) {
	k := open(t, dbtest.Open(t))
	for _, x := range []struct {
		name  string
		text  []byte
		cases string
		want  string
	}{
		{"nothing", nil, "", "请选择政策包文件"},
		{"not text", []byte{0xff, 0xfe}, "", "UTF-8"},
		{"too long", []byte(strings.Repeat("#", MaxFile+1)), "", "不能超过 1024 KB"},
		{"today", shipped(t, "from: 2025-01-01", "from: 2025-06-20"), "", "最早为 2025-06-21"},
		{"the past", shipped(t, "from: 2025-01-01", "from: 2025-02-01"), "", "最早为"},
		{"another region", shipped(t, `region: "990100"`, `region: "990700"`, "from: 2025-01-01", "from: 2026-01-01"), "", "没有这个统筹区"},
		{"bad cases", next(t, "2025-07-01"), "- name: x\n", "needs case and expect"},
	} {
		_, err := k.upload("甲", x.text, x.cases)
		wants(t, x.name, err, x.want)
	}
	_, err := k.upload("甲", shipped(t, "from: 2025-01-01", "from: 2025-07-01\nsurprise: 1", threeBefore, strings.Replace(threeBefore, "85%", "850", 1)), "")
	var faults *Faults
	if !errors.As(err, &faults) || len(faults.LoadErrors) < 1 || faults.LoadErrors[0].Line < 2 {
		t.Errorf("%v", err)
	}
	err = k.do(func(ctx context.Context, tx *db.Tx) error {
		_, err := k.Upload(ctx, tx, Upload{Text: next(t, "2025-07-01"), Region: "990200", Actor: "甲"})
		return err
	})
	wants(t, "an officer of another region", err, "您只能上传 990200")
	k.must(func(ctx context.Context, tx *db.Tx) error {
		all, err := List(ctx, tx, "")
		if len(all) > 0 {
			t.Errorf("%d versions are kept", len(all))
		}
		return err
	})

	// What does not hold by its own cases, or has none, is a draft and no more.
	for cases, want := range map[string]string{"": "须有自带算例", strings.Replace(ownCases, "8004.00", "8005.00", 1): "1 个自带算例没有通过"} {
		v, err := k.upload("甲", next(t, "2025-07-01"), cases)
		if err != nil {
			t.Fatal(err)
		}
		wants(t, "submitted", k.do(func(ctx context.Context, tx *db.Tx) error { return k.Submit(ctx, tx, v.ID, "甲") }), want)
		wants(t, "discarded by another", k.do(func(ctx context.Context, tx *db.Tx) error { return k.Discard(ctx, tx, v.ID, "乙") }), "只能由上传的人作废")
		k.must(func(ctx context.Context, tx *db.Tx) error { return k.Discard(ctx, tx, v.ID, "甲") })
	}

	// Two versions of one day may be drafts; only one is issued. A day that came
	// meanwhile is too late.
	var ids []string
	for range 2 {
		v, err := k.upload("甲", next(t, "2025-07-01"), ownCases)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, v.ID)
		k.must(func(ctx context.Context, tx *db.Tx) error { return k.Submit(ctx, tx, v.ID, "甲") })
	}
	k.must(func(ctx context.Context, tx *db.Tx) error {
		return k.Refuse(ctx, tx, ids[0], "乙", "依据的文件没有印发")
	})
	wants(t, "refused twice", k.do(func(ctx context.Context, tx *db.Tx) error {
		return k.Refuse(ctx, tx, ids[0], "乙", "依据的文件没有印发")
	}), "未通过，不能决定")
	k.at = time.Date(2025, 6, 30, 16, 0, 0, 0, time.UTC) // July in China
	wants(t, "issued on its first day", k.do(func(ctx context.Context, tx *db.Tx) error { return k.Issue(ctx, tx, ids[1], "乙") }), "最早为")
}

func TestMain(m *testing.M) { dbtest.Main(m) }
