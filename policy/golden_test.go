package policy

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anji-platform/anji/policies"
)

var update = flag.Bool("update", false, "rewrite the golden files under testdata")

// golden compares got with the file, or rewrites the file with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s:%d differs (go test -run %s -update rewrites it)\n got %s\nwant %s", file, i+1, t.Name(), at(g, i), at(w, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}

// shipped are the packages that ship with Anji.
func shipped(t *testing.T) *Store {
	t.Helper()
	s, err := Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shippedPackages(t *testing.T) []*Package {
	t.Helper()
	s := shipped(t)
	var out []*Package
	for _, region := range append([]string{"000000"}, s.Regions()...) {
		out = append(out, s.Versions(region)...)
	}
	return out
}

// edited is the example region's package with parts of its text replaced, in
// pairs of old and new; every old part must be there.
func edited(t *testing.T, s *Store, pairs ...string) *Package {
	t.Helper()
	text := string(s.Versions("990100")[0].text)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("990100 does not hold %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return loaded(t, s, text)
}

func loaded(t *testing.T, s *Store, text string) *Package {
	t.Helper()
	p, err := tryLoad(s, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryLoad(s *Store, text string) (*Package, error) {
	one, err := LoadFile("990100/draft.yaml", []byte(text), s)
	if err != nil {
		return nil, err
	}
	return one.Versions("990100")[0], nil
}
