package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/server"
	"github.com/anji-platform/anji/settlement"
)

// clearingData makes a data folder with two settlements of June 2025 at a
// provider of 990100, one of a person insured in 990200, and an application.
func clearingData(t *testing.T) (dir, application string) {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	packages, err := loadPolicies("")
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2025, 6, 20, 12, 0, 0, 0, time.FixedZone("CST", 8*60*60))
	s, err := server.Open(ctx, server.Config{Data: dir, Policies: packages, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := demo.Seed(ctx, s.DB, s.Register, demo.Options{Today: 20250620}); err != nil {
		t.Fatal(err)
	}
	const city = "H99010000101"
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		for _, citizen := range []string{demo.LiJi, demo.Guo} {
			p, _, err := s.Register.ByCitizenID(ctx, tx, citizen)
			if err != nil {
				return err
			}
			v, err := s.Settlement.Open(ctx, tx, settlement.OpenRequest{Person: p.ID, Provider: city, Scheme: policy.Employee, Kind: policy.Inpatient, Begun: noon})
			if err != nil {
				return err
			}
			_, err = s.Settlement.AddFees(ctx, tx, v.ID, city, []settlement.Fee{{Serial: "1", Item: "DRG990000001", Time: noon, Quantity: 10_000, Price: 8_000_000_000, Amount: 800_000}}, "test")
			if err != nil {
				return err
			}
			if _, err := s.Settlement.Settle(ctx, tx, settlement.SettleRequest{Visit: v.ID, Person: p.ID, Provider: city, Total: 800_000, Actor: "test"}); err != nil {
				return err
			}
		}
		a, err := clearing.Apply(ctx, tx, clearing.ApplyRequest{Provider: city, Month: 202506, Kinds: []policy.VisitKind{policy.Inpatient}, At: noon.AddDate(0, 1, 0), Actor: "hospital"})
		if err == nil {
			application = a.ID
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, application
}

func TestClearing(t *testing.T) {
	dir, id := clearingData(t)
	month := []string{"--data", dir, "--month", "2025-06"}
	run := func(want string, args ...string) string {
		t.Helper()
		out, _, err := anji(t, "", append([]string{"clearing"}, args...)...)
		if err != nil {
			out = err.Error()
		}
		if !strings.Contains(out, want) {
			t.Errorf("%v: %s\nwant %s", args, out, want)
		}
		return out
	}
	list := func() string { t.Helper(); return run(id, append([]string{"list"}, month...)...) }
	if !strings.Contains(list(), "已申报") {
		t.Error(list())
	}
	run("应为审核完成", "pay", id, "--data", dir, "--by", "出纳")
	run("审核完成 H99010000101 2025-06 应付 due ", "approve", id, "--data", dir, "--by", "审核员")
	run("须由不同的人办理", "pay", id, "--data", dir, "--by", "审核员")
	run("已拨付", "pay", id, "--data", dir, "--by", "出纳")
	run("现为已拨付", "withdraw", id, "--data", dir, "--by", "审核员", "--reason", "错了")
	run("没有这个清算申请", "approve", "C0", "--data", dir, "--by", "审核员")

	sheet := run("合计", append([]string{"sheet", "--provider", "H99010000101"}, month...)...)
	for _, want := range []string{"990100 职工 住院 1 1 8,000.00", "990200 职工 住院 1 1 8,000.00", "合计 2 2 16,000.00", "已拨付", "职工基本医疗保险统筹基金"} {
		if !strings.Contains(strings.Join(strings.Fields(sheet), " "), want) {
			t.Errorf("the sheet has no %q:\n%s", want, sheet)
		}
	}
	var s struct {
		Total struct{ Count, Visits int }
		Parts []struct {
			Region string `json:"insured_region"`
			Due    string
			Funds  []struct{ Amount string }
		}
		Applications []struct {
			State int
			Due   string
		}
	}
	if err := json.Unmarshal([]byte(run("{", append([]string{"sheet", "--provider", "H99010000101", "--json"}, month...)...)), &s); err != nil {
		t.Fatal(err)
	}
	if s.Total.Count != 2 || len(s.Parts) != 2 || s.Parts[1].Region != "990200" || len(s.Applications) != 1 || s.Applications[0].State != 60 {
		t.Errorf("%+v", s)
	}
	var r struct {
		Flows []struct {
			Care    string `json:"care_region"`
			Insured string `json:"insured_region"`
			Due     string
			Paid    string
		}
		Positions []struct{ Region, Claims, Owes, Net string }
	}
	if err := json.Unmarshal([]byte(run("{", append([]string{"regions", "--json"}, month...)...)), &r); err != nil {
		t.Fatal(err)
	}
	due := s.Parts[1].Due
	if len(r.Flows) != 1 || r.Flows[0].Care != "990100" || r.Flows[0].Insured != "990200" || r.Flows[0].Due != due || r.Flows[0].Paid != due || due == "0.00" ||
		len(r.Positions) != 2 || r.Positions[0].Net != due || r.Positions[1].Net != "-"+due {
		t.Errorf("%+v, due %s", r, due)
	}
	run("净额 net", append([]string{"regions"}, month...)...)
	run("没有异地结算", "regions", "--data", dir, "--month", "2025-07")
	run("没有清算申请", "list", "--data", dir, "--month", "2025-07")
	run(`--month "2025-7" is not a month written as 2006-01`, "list", "--data", dir, "--month", "2025-7")
	run("没有登记这个医药机构", append([]string{"sheet", "--provider", "X"}, month...)...)
	run("holds no data of Anji", "list", "--data", t.TempDir(), "--month", "2025-06")
	run(`required flag(s) "month" not set`, "list", "--data", dir)
}
