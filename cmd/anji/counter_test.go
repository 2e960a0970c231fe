package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestCounter does an officer's day by commands.
func TestCounter(t *testing.T) {
	dir := t.TempDir()
	people := filepath.Join(dir, "people.csv")
	if err := os.WriteFile(people, []byte("姓名,公民身份号码,统筹区,险种,起始日,个人账户余额\n"+
		"张安,990100198503120014,990100,职工,2020-01-01,1000.00\n李老,990100194507040023,990100,职工,2001-01-01,300.00\n王平,990100199001010119,990100,,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	run := func(stdin string, args ...string) (string, error) {
		out, _, err := anji(t, stdin, append(args, "--data", data)...)
		return out, err
	}
	must := func(want, stdin string, args ...string) string {
		t.Helper()
		out, err := run(stdin, args...)
		if err != nil || !strings.Contains(out, want) {
			t.Fatalf("%v: %q, %v; want %s", args, out, err, want)
		}
		return strings.TrimSpace(out)
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if out, err := run("135790\n", args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %q, %v; want %s", args, out, err, want)
		}
	}
	must("3 people", "", "import", people)
	zhang, li, wang := must("", "990100198503120014\n", "person", "find"), must("", "990100194507040023\n", "person", "find"), must("", "990100199001010119\n", "person", "find")
	by := func(args ...string) []string {
		return append(append([]string{"counter"}, args...), "--actor", "王经办")
	}
	must("没有参保", "", "person", "coverage", wang)
	must("", "", by("register", wang, "--kind", "resident", "--ground", "household")...)
	bill := must("待缴", "", by("bill", wang)...)
	id, due := strings.Fields(bill)[0], regexp.MustCompile(`应缴 ([0-9.]+) 元`).FindStringSubmatch(bill)[1]
	must("已入账", "", by("pay", id, "--amount", due, "--reference", "1")...)
	must("待退", "", by("pay", id, "--amount", due, "--reference", "2")...)
	must("已退", "", by("refund", "counter", "2", "--why", "重复缴费")...)
	refused("只退一次", by("refund", "counter", "2", "--why", "重复缴费")...)
	must("", "", by("duplicates", "990100")...)
	refused("没有重复参保", by("resolve", wang)...)
	must("", "", by("grant", zhang, wang, "--relation", "spouse", "--yearly", "500")...)
	refused("spouse", by("grant", zhang, wang, "--relation", "friend")...)
	must("", "", by("revoke", zhang, wang)...)
	must("", "135790\n", by("activate", zhang)...)
	refused("已经激活过", by("activate", zhang)...)
	must("", "", by("stop", zhang, "--what", "card", "--why", "丢失")...)
	must("", "", by("stop", zhang, "--what", "lost", "--why", "丢失")...)
	refused("frozen, lost", by("stop", zhang, "--what", "burnt")...)
	if code := must("", "", by("voucher", wang, "--why", "无卡")...); len(code) < 100 {
		t.Errorf("voucher %q", code)
	}
	must("", "", by("recognise", zhang, "300", "--place", "视同", "--document", "凭证1")...)
	today := time.Now().In(time.FixedZone("CST", 8*60*60)).Format(time.DateOnly)
	must("还差 0", "", by("retire", zhang, "--day", today)...)
	refused("1300", by("close", li, "--reason", "death", "--heirs", zhang+"=1300")...)
	must("300.00", "", by("close", li, "--reason", "death", "--heirs", zhang+"=300")...)
	refused("凭证", by("arrive", wang, "--from", "110000", "--to", "990100", "--balance", "5")...)
	must("", "", by("arrive", wang, "--from", "110000", "--to", "990100", "--balance", "5", "--document", "凭证2")...)
	must("一致", "", "audit", "verify")
}
