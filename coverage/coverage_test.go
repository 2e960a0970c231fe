package coverage_test

import (
	"context"
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func shipped(t *testing.T) *policy.Store {
	t.Helper()
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// spell is an employees' spell of insurance.
func spell(from, to civil.Date, status policy.InsuredStatus) enrolment.Insurance {
	return enrolment.Insurance{Scheme: policy.Employee, From: from, To: to, Status: status}
}

// TestOf goes through the states of insurance: rows 4, 6 and A003-6.
func TestOf(t *testing.T) {
	store := shipped(t)
	grown := enrolment.Person{Region: "990100", Birth: 19900101}
	child := enrolment.Person{Region: "990100", Birth: 20150101}
	resident := func(from, to, benefits civil.Date) enrolment.Insurance {
		return enrolment.Insurance{Scheme: policy.Resident, From: from, To: to, BenefitsFrom: benefits}
	}
	tests := []struct {
		name       string
		who        enrolment.Person
		all        []enrolment.Insurance
		day, today civil.Date
		paid       bool
		scheme     policy.Scheme
		why        string
		do         []string // parts of each advice
	}{
		{"insured", grown, []enrolment.Insurance{spell(20250101, 0, policy.Normal)}, 20250620, 20250620, true, policy.Employee, "", nil},
		{"before it", grown, []enrolment.Insurance{spell(20250601, 0, policy.Normal)}, 20250531, 20250620, false, policy.Resident, "没有参保", []string{"由单位申报", "灵活就业", "居民医保"}},
		{"never insured, in June", grown, nil, 20250620, 20250620, false, policy.Resident, "没有参保",
			[]string{"由单位申报参加职工医保；今天缴费，待遇自 2025-07-01 起", "灵活就业的，可以自己参加职工医保；今天缴费，待遇自 2025-07-01 起", "居民医保（集中缴费期 09-10 至 12-25）；今天缴费，待遇自 2025-09-20 起（集中缴费期外参保，等待 3 个月）"}},
		{"never insured, in October", grown, nil, 20251010, 20251010, false, policy.Resident, "没有参保",
			[]string{"单位", "灵活", "今天缴费，待遇自 2026-01-01 起"}},
		{"a child", child, nil, 20250620, 20250620, false, policy.Resident, "没有参保", []string{"居民医保"}},
		{"waiting", grown, []enrolment.Insurance{resident(20250601, 20251231, 20250901)}, 20250831, 20250620, false, policy.Resident, "等待期", []string{"等到 2025-09-01"}},
		{"waited", grown, []enrolment.Insurance{resident(20250601, 20251231, 20250901)}, 20250901, 20250620, true, policy.Resident, "", nil},
		{"left a job, in the last month paid for", grown, []enrolment.Insurance{spell(20250101, 20250531, policy.Normal), spell(20250601, 0, policy.Suspended)}, 20250531, 20250620, true, policy.Employee, "", nil},
		{"left a job, in the month after", grown, []enrolment.Insurance{spell(20250101, 20250531, policy.Normal), spell(20250601, 0, policy.Suspended)}, 20250601, 20250620, false, policy.Employee, "已停保或欠费",
			[]string{"由单位申报参加职工医保；今天缴费，待遇自 2025-06-20 起（职工连续缴费，或中断三个月内补缴）", "灵活就业", "居民医保"}},
		{"arrears of two months", grown, []enrolment.Insurance{spell(20250101, 20250430, policy.Normal), spell(20250501, 0, policy.Arrears)}, 20250620, 20250620, false, policy.Employee, "已停保或欠费",
			[]string{"请所在单位（灵活就业人员由本人）补缴欠费；今天缴费，待遇自 2025-06-20 起"}},
		{"arrears of five months", grown, []enrolment.Insurance{spell(20240101, 20250131, policy.Normal), spell(20250201, 0, policy.Arrears)}, 20250720, 20250720, false, policy.Employee, "已停保或欠费",
			[]string{"待遇自 2025-08-01 起（职工首次参保，或中断超过三个月后续缴）"}},
		{"both schemes", grown, []enrolment.Insurance{spell(20250101, 0, policy.Normal), resident(20250101, 20251231, 0)}, 20250620, 20250620, true, policy.Employee, "", []string{"居民医保费可申请退还"}},
		{"dead", grown, []enrolment.Insurance{spell(20250101, 20250531, policy.Normal), spell(20250601, 0, policy.Deceased)}, 20250620, 20250620, false, policy.Employee, "死亡", []string{"继承人"}},
		{"moved away", grown, []enrolment.Insurance{spell(20250101, 20250531, policy.Normal), spell(20250601, 0, policy.Terminated)}, 20250620, 20250620, false, policy.Employee, "没有参保", []string{"单位", "灵活", "居民"}},
	}
	for _, tt := range tests {
		a, err := coverage.Of(store, tt.who, tt.all, nil, tt.day, tt.today)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if a.Paid != tt.paid || a.Insurance.Scheme != tt.scheme || (tt.why == "") != (a.Why == "") || !strings.Contains(a.Why, tt.why) || !a.Paid && a.Source == nil {
			t.Errorf("%s: %+v", tt.name, a)
		}
		if len(a.Do) != len(tt.do) {
			t.Errorf("%s: advice %+v", tt.name, a.Do)
			continue
		}
		for i, d := range a.Do {
			if !strings.Contains(d.What, tt.do[i]) {
				t.Errorf("%s: advice %q, want %q", tt.name, d.What, tt.do[i])
			}
			if !a.Paid && !strings.Contains(a.String(), d.What) {
				t.Errorf("%s: %q is not in %q", tt.name, d.What, a)
			}
		}
	}
	if _, err := coverage.Of(store, grown, nil, nil, 20000101, 20250620); err == nil {
		t.Error("a day without a package")
	}
}

// TestAgrees: the answer is that of settlements, for everybody on many days.
func TestAgrees(t *testing.T) {
	ctx, d, store := context.Background(), dbtest.Open(t), shipped(t)
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	register := enrolment.New(sealer)
	if _, err := demo.Seed(ctx, d, register, demo.Options{Today: 20250620}); err != nil {
		t.Fatal(err)
	}
	paid := 0
	if err := d.View(ctx, func(tx *db.Tx) error {
		for _, f := range demo.People() {
			p, _, err := register.ByCitizenID(ctx, tx, f.CitizenID)
			if err != nil {
				return err
			}
			for day := civil.Date(20250105); day < 20250920; day = day.AddDays(17) {
				a, err := coverage.On(ctx, tx, store, p, day, 20250620)
				if err != nil {
					return err
				}
				i, err := enrolment.StatusOn(ctx, tx, p.ID, day)
				if err != nil {
					return err
				}
				if a.Paid != (i.Status == policy.Normal) || a.Insurance.Status != i.Status {
					t.Errorf("%s on %s: %s, %+v", f.Name, day, a, i)
				}
				if a.Paid {
					paid++
				}
			}
			if a, err := coverage.On(ctx, tx, store, p, 20250620, 20250620); err != nil || a.Paid == f.Unfunded {
				t.Errorf("%s: %s, %v", f.Name, a, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if paid < 50 {
		t.Errorf("only %d are paid", paid)
	}
}
