package scenarios

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

// packages are the shipped ones and the scenarios' own.
func packages(t *testing.T) *policy.Store {
	t.Helper()
	all := fstest.MapFS{}
	for _, from := range []fs.FS{policies.FS, os.DirFS("packages")} {
		names, err := fs.Glob(from, "*/*.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			data, err := fs.ReadFile(from, n)
			if err != nil {
				t.Fatal(err)
			}
			all[n] = &fstest.MapFile{Data: data}
		}
	}
	store, err := policy.Load(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range store.Warnings() {
		t.Error(w)
	}
	return store
}

func TestScenarios(t *testing.T) {
	store := packages(t)
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(f, ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(data)
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			if err := s.Run(store); err != nil {
				t.Errorf("%s（%s）\n%v", f, s.Title, err)
			}
		})
	}
}

// TestRunnerNotices makes sure that a wrong answer fails.
func TestRunnerNotices(t *testing.T) {
	store := packages(t)
	data, err := os.ReadFile("q33-laoguo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for old, wrong := range map[string]string{`basic: "6560.00"`: `basic: "6560.01"`, "decision: pay": "decision: refuse", "80%, 问题三十三]": "80%, 问题三十四]"} {
		changed := strings.Replace(string(data), old, wrong, 1)
		if changed == string(data) {
			t.Fatalf("%q is not in the scenario", old)
		}
		s, err := Parse([]byte(changed))
		if err != nil {
			t.Fatal(err)
		}
		if s.Run(store) == nil {
			t.Errorf("%s is not noticed", wrong)
		}
	}
	if _, err := Parse([]byte("title: x\nquestion: x\nsource: x\nstep: []\n")); err == nil {
		t.Error("an unknown key is not noticed")
	}
}
