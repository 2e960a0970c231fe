package calc

import "testing"

func TestCareFor(t *testing.T) {
	for _, tt := range []struct{ care, home, to, want string }{
		{"990100", "990100", "500000", "500000"}, // at home
		{"990300", "990100", "500000", "509999"}, // in the province
		{"110000", "990100", "500000", "110000"}, // outside
		{"500000", "990100", "500100", "990100"}, // outside, where the new home is
	} {
		if got := careFor(tt.care, tt.home, tt.to); got != tt.want {
			t.Errorf("careFor(%s, %s, %s) = %s, want %s", tt.care, tt.home, tt.to, got, tt.want)
		}
	}
}
