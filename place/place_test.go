package place

import (
	"testing"

	"github.com/anji-platform/anji/ident"
)

func TestNames(t *testing.T) {
	for code, want := range map[string]string{"110000": "北京市", "110105": "北京市", "320500": "江苏省苏州市", "320583": "江苏省苏州市", "500112": "重庆市", "990100": "990100", "x": "x"} {
		if got := Name(code); got != want {
			t.Errorf("%s is %q, want %q", code, got, want)
		}
	}
}

// TestRegions: every code is one, each once, and each city stands in its province.
func TestRegions(t *testing.T) {
	seen := map[string]bool{}
	cities := 0
	for _, p := range Provinces() {
		for _, c := range append([]Place{p.Place}, p.Cities...) {
			r, err := ident.ParseRegion(c.Code)
			if err != nil || seen[c.Code] || string(r.Province()) != p.Code || c.Name == "" {
				t.Errorf("%s %s: %v", c.Code, c.Name, err)
			}
			seen[c.Code] = true
		}
		cities += len(p.Cities)
	}
	if len(Provinces()) != 31 || cities < 330 {
		t.Errorf("%d provinces, %d cities", len(Provinces()), cities)
	}
}
