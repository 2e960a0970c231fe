package live

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

var packages = sync.OnceValues(func() (*policy.Store, error) { return policy.Load(policies.FS) })

func TestStories(t *testing.T) {
	store, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d stories, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(f, ".yaml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(data)
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			if err := s.Run(context.Background(), t.TempDir(), store); err != nil {
				t.Errorf("%s（%s）\n%v", f, s.Title, err)
			}
		})
	}
}

// TestRunnerNotices makes sure that a wrong answer fails.
func TestRunnerNotices(t *testing.T) {
	store, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("q25-activation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for old, wrong := range map[string]string{"state: 有效": "state: 挂失", "refused: 缺少人脸照片": "refused: 缺少密码", "activate: {who: 李敏}": "overdue: {}"} {
		changed := strings.Replace(string(data), old, wrong, 1)
		if changed == string(data) {
			t.Fatalf("%q is not in the story", old)
		}
		s, err := Parse([]byte(changed))
		if err != nil {
			t.Fatal(err)
		}
		if s.Run(context.Background(), t.TempDir(), store) == nil {
			t.Errorf("%s is not noticed", wrong)
		}
	}
	for _, bad := range []string{"title: x\n", "title: x\nquestion: x\nsource: x\nday: 2025-06-20\nsteps: [{walk: {}}]\n"} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
	s, err := Parse([]byte("title: x\nquestion: x\nsource: x\nday: 2025-06-20\nsteps: [{name: nothing}]\n"))
	if err != nil || s.Run(context.Background(), t.TempDir(), store) == nil {
		t.Errorf("a step without an action is not noticed, %v", err)
	}
}
