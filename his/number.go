package his

import "strings"

// maxExponent bounds the exponent of a number, so that 1e999999 does not
// become a million zeros.
const maxExponent = 40

// plainNumber writes a decimal number without exponent, plus sign and needless
// zeros after the point, as clients' serialisers leave them (1E+2, 0E-8,
// +5, 12.3400). Whole numbers written in digits only stay as they are:
// some of them are serial numbers with leading zeros.
func plainNumber(s string) (string, bool) {
	if s == "" || len(s) > 64 {
		return "", false
	}
	neg := false
	switch s[0] {
	case '-':
		neg, s = true, s[1:]
	case '+':
		s = s[1:]
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		var ok bool
		if exponent, ok = smallInt(s[i+1:]); !ok {
			return "", false
		}
		mantissa = s[:i]
	}
	whole, frac, point := strings.Cut(mantissa, ".")
	if !allDigits(whole) || !allDigits(frac) || whole == "" && frac == "" || point && frac == "" && whole == "" {
		return "", false
	}
	if exponent > 0 {
		frac += strings.Repeat("0", max(0, exponent-len(frac)))
		whole, frac = whole+frac[:exponent], frac[exponent:]
	} else if exponent < 0 {
		whole = strings.Repeat("0", max(0, -exponent-len(whole))) + whole
		cut := len(whole) + exponent
		whole, frac = whole[:cut], whole[cut:]+frac
	}
	if point || exponent != 0 {
		whole = strings.TrimLeft(whole, "0")
		frac = strings.TrimRight(frac, "0")
	}
	if whole == "" {
		whole = "0"
	}
	if frac != "" {
		whole += "." + frac
	}
	if neg && strings.Trim(whole, "0.") != "" {
		whole = "-" + whole
	}
	return whole, true
}

func smallInt(s string) (int, bool) {
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	if s == "" || len(s) > 4 || !allDigits(s) {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	if n > maxExponent {
		return 0, false
	}
	if neg {
		n = -n
	}
	return n, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// numberSize counts the digits of a plain number before and after the point;
// leading zeros do not count.
func numberSize(s string) (whole, decimals int) {
	s = strings.TrimPrefix(s, "-")
	w, f, _ := strings.Cut(s, ".")
	return len(strings.TrimLeft(w, "0")), len(f)
}
