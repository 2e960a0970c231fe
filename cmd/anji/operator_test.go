package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/anji-platform/anji/db"
)

func TestOperator(t *testing.T) {
	data := t.TempDir()
	store, err := db.Open(t.Context(), filepath.Join(data, "anji.db"))
	if err == nil {
		err = store.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := anji(t, "", "operator", "add", "guanli", "--data", data, "--title", "吴管理", "--role", "admin")
	if err != nil || !strings.Contains(out, "吴管理（管理）") {
		t.Fatalf("%s, %v", out, err)
	}
	password := regexp.MustCompile(`\S+-7\n`)
	first := password.FindString(out)
	if first == "" {
		t.Fatalf("no password in %s", out)
	}
	if _, _, err := anji(t, "", "operator", "add", "guanli", "--data", data, "--title", "吴管理", "--role", "admin"); err == nil || !strings.Contains(err.Error(), "已有这个用户名") {
		t.Errorf("added twice: %v", err)
	}
	if _, _, err := anji(t, "", "operator", "add", "wang", "--data", data, "--title", "王", "--role", "finance", "--role", "review"); err == nil || !strings.Contains(err.Error(), "不能与初审") {
		t.Errorf("roles that check each other: %v", err)
	}
	out, _, err = anji(t, "", "operator", "password", "guanli", "--data", data)
	if err != nil || password.FindString(out) == "" || password.FindString(out) == first {
		t.Errorf("%s, %v", out, err)
	}
	out, _, err = anji(t, "", "operator", "list", "--data", data)
	if err != nil || !strings.Contains(out, "guanli") || !strings.Contains(out, "管理") {
		t.Errorf("%s, %v", out, err)
	}
}
