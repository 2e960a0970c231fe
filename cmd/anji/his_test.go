package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anji-platform/anji/hisdocs"
)

func TestHisCoverage(t *testing.T) {
	out, _, err := anji(t, "", "his", "coverage")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n2207  门诊结算：读取 read ", "\n9001  签到：读取 read 3/3，填写 filled 2/2\n9002", "\n      只校验 validated only: admdvs（各地字典相同）\n", "\n      空 empty: createUser createDate（字典随程序发布，不记创建的人和日期）\n", "\n交易 transactions "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	out, _, err = anji(t, "", "his", "coverage", "--json")
	var c hisdocs.Coverage
	if err != nil || json.Unmarshal([]byte(out), &c) != nil || len(c.Transactions) == 0 || len(c.Transactions[0].Fields) == 0 {
		t.Errorf("%v: %.200s", err, out)
	}
}

func TestHisDocs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reference")
	out, _, err := anji(t, "", "his", "docs", "--out", dir)
	if err != nil || out != filepath.Join(dir, "index.html")+"\n" {
		t.Fatalf("%q %v", out, err)
	}
	for name, want := range map[string]string{
		"index.html": `href="openapi.json"`, "coverage.html": `href="index.html#2207"`, "openapi.json": `"/his/2207"`, "style.css": "--brand", "icon.svg": "<svg", "docs.css": ".fields", "docs.js": "search",
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %v, without %q", name, err, want)
		}
	}
	if _, _, err := anji(t, "", "his", "docs"); err == nil || !strings.Contains(err.Error(), "out") {
		t.Errorf("without a folder: %v", err)
	}
}
