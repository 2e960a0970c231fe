package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

// runCommand executes a command of its own and returns what it writes.
func runCommand(t *testing.T, cmd *cobra.Command, args ...string) (out, errs string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetOut(&o)
	cmd.SetErr(&e)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err = cmd.Execute()
	return o.String(), e.String(), err
}

func shippedText(t *testing.T, name string) string {
	t.Helper()
	data, err := policies.FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPolicyExplain(t *testing.T) {
	dir := packageFlags{}
	out, _, err := runCommand(t, policyExplainCommand(&dir), "990200")
	if err != nil || !strings.HasPrefix(out, "# 手册示例县") {
		t.Errorf("%v: %.80q", err, out)
	}
	file := filepath.Join(t.TempDir(), "p.html")
	out, _, err = runCommand(t, policyExplainCommand(&dir), "990200", "--html", "-o", file, "--date", "2025-06-01")
	page, _ := os.ReadFile(file)
	if err != nil || out != "" || !bytes.HasPrefix(page, []byte("<!DOCTYPE html>")) {
		t.Errorf("%v: %q %.80q", err, out, page)
	}
	for args, want := range map[string]string{"123456": "没有这个统筹区", "990200 --date 2001-01-01": "没有政策包", "990200 --date soon": "a day such as", "": "accepts 1 arg"} {
		if _, _, err := runCommand(t, policyExplainCommand(&dir), strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("explain %s: %v, want %q", args, err, want)
		}
	}
}

const oneCase = `- name: 职工三级住院
  why: (10000 − 800) × 85% = 7820
  case:
    date: 2025-06-01
    person: {birth: 1980-02-29}
    provider: {level: "3"}
    visit: {kind: inpatient}
    lines: [{class: 甲, amount: "10000.00", date: 2025-05-30}]
  expect: {basic: "7820.00"}
- name: 职工三级住院，省内异地未备案
  case:
    care_region: "990300"
    date: 2025-06-02
    provider: {level: "3"}
    visit: {kind: inpatient}
    lines: [{class: 甲, amount: "10000.00"}]
  expect: {basic: "6900.00"}
`

func TestPolicyDiff(t *testing.T) {
	dir := packageFlags{}
	draft := filepath.Join(t.TempDir(), "990100")
	text := shippedText(t, "990100/2025-01-01.yaml")
	text = strings.Replace(text, "from: 2025-01-01", "from: 2026-03-01", 1)
	text = strings.Replace(text, "{primary|1: 200, 2: 400, 3: 800}", "{primary|1: 160, 2: 320, 3: 640}", 1)
	next := write(t, filepath.Join(draft, "2026-03-01.yaml"), text)
	cases := write(t, filepath.Join(draft, "cases", "one.yaml"), strings.ReplaceAll(oneCase, "  case:\n", "  case:\n    region: \"990100\"\n"))

	out, _, err := runCommand(t, policyDiffCommand(&dir), "990100@2025-06-01", next, "--json", "--cases", cases)
	if err != nil {
		t.Fatal(err)
	}
	var d policy.Difference
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	if d.A.From != "2025-01-01" || d.B.From != "2026-03-01" || len(d.Changes) != 4 {
		t.Errorf("%+v, %d changes: %v", d.B, len(d.Changes), d.Changes)
	}
	// 160 yuan less deductible: 136.00 more at 85 %, and 120.00 at the 75 % of those who did not file.
	if m := d.Money; m.All.Cases != 2 || len(m.Skipped) != 0 || m.All.A.Fund != 782000+690000 || m.All.B.Fund != 795600+702000 || m.Gain != 2 {
		t.Errorf("money: %+v", *m)
	}
	again, _, err := runCommand(t, policyDiffCommand(&dir), "990100@2025-06-01", next, "--json", "--cases", cases)
	if err != nil || again != out {
		t.Errorf("the comparison is not the same twice: %v", err)
	}

	// The cases beside the draft are found without --cases; another region settles them too.
	out, _, err = runCommand(t, policyDiffCommand(&dir), next, "990200")
	if err != nil || !strings.Contains(out, "职工三级住院") || !strings.Contains(out, "手册问题三十三") {
		t.Errorf("%v: %.300s", err, out)
	}
	bad := write(t, filepath.Join(t.TempDir(), "bad.yaml"), "format: 1\n")
	for args, want := range map[string]string{
		"990100": "accepts 2 arg", "990100 123456": "没有这个统筹区", "990100 990100@": "names no day", "990100 nowhere/x.yaml": "no such file",
		"990100 " + bad: "region is missing", "990100 990200 --cases " + bad: "a list of cases",
	} {
		if _, _, err := runCommand(t, policyDiffCommand(&dir), strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("diff %s: %v, want %q", args, err, want)
		}
	}
}

func TestPolicySchema(t *testing.T) {
	out, _, err := runCommand(t, policySchemaCommand())
	if err != nil || !json.Valid([]byte(out)) {
		t.Errorf("%v: %.80q", err, out)
	}
}

func TestPolicyFmt(t *testing.T) {
	dir := t.TempDir()
	name := write(t, filepath.Join(dir, "990100", "x.yaml"), "region:   '990100'\nformat: 1\n")
	bad := write(t, filepath.Join(dir, "990100", "y.yaml"), "format: 1\nregion: &a r\n")
	const want = "format: 1\nregion: \"990100\"\n"

	out, _, err := runCommand(t, policyFmtCommand(), name)
	if err != nil || out != want {
		t.Errorf("%v: %q", err, out)
	}
	out, _, err = runCommand(t, policyFmtCommand(), "-l", name)
	if e, ok := err.(exitError); !ok || e.code != 1 || out != name+"\n" {
		t.Errorf("-l: %v: %q", err, out)
	}
	out, errs, err := runCommand(t, policyFmtCommand(), "-w", dir)
	if err == nil || !strings.Contains(errs, bad+":2: anchors") || out != "" {
		t.Errorf("-w: %v: %q %q", err, out, errs)
	}
	info, statErr := os.Stat(name)
	if data, _ := os.ReadFile(name); string(data) != want || statErr != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("-w wrote %q, %v %v", data, info.Mode(), statErr)
	}
	if out, _, err = runCommand(t, policyFmtCommand(), "-l", name); err != nil || out != "" {
		t.Errorf("-l of a formatted file: %v: %q", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "990100", ".anji*")); len(left) != 0 {
		t.Errorf("files left behind: %v", left)
	}
}
