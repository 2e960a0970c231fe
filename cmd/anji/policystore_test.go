package main

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/rulebook"
)

// TestIssuedPackages: the commands see what officers issued in a store.
func TestIssuedPackages(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	packages, err := loadPolicies("")
	if err != nil {
		t.Fatal(err)
	}
	from := civil.Of(time.Now()).AddDays(30).String()
	data, err := fs.ReadFile(policies.FS, "990100/2025-01-01.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(strings.Replace(string(data), "from: 2025-01-01", "from: "+from, 1), `version: "2025.1"`, `version: "next"`, 1)
	cases := "- name: 照旧\n  case: {date: " + from + ", provider: {level: \"3\"}, visit: {kind: inpatient}, lines: [{class: 甲, amount: \"10000.00\"}]}\n  expect: {basic: \"7820.00\"}\n"
	d, err := db.Open(ctx, filepath.Join(dir, "anji.db"))
	if err != nil {
		t.Fatal(err)
	}
	rules := rulebook.New(packages, policies.FS, nil)
	err = d.Update(ctx, func(tx *db.Tx) error {
		v, err := rules.Upload(ctx, tx, rulebook.Upload{Text: []byte(text), Cases: []byte(cases), Actor: "甲"})
		if err != nil {
			return err
		}
		if err := rules.Submit(ctx, tx, v.ID, "甲"); err != nil {
			return err
		}
		return rules.Issue(ctx, tx, v.ID, "乙")
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		args string
		want string
	}{
		{"policy explain 990100 --data " + dir, "next"},
		{"policy explain 990100", "2025.1"},
		{"policy diff 990100@2025-06-01 990100@" + from + " --data " + dir, "next"},
		{"policy test 990100 --data " + dir, "0 failed"},
		{"audit verify --data " + dir, "packages     政策包  agrees"},
	} {
		out, _, err := runCommand(t, root(), strings.Fields(x.args)...)
		if err != nil || !strings.Contains(out, x.want) {
			t.Errorf("anji %s: %v: %.300s, want %q", x.args, err, out, x.want)
		}
	}
}
