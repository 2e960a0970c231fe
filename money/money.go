// Package money holds amounts and rates: an amount is a whole number of fen
// (分), a rate an exact decimal of eight places. There are no floats here and
// none anywhere else in Anji.
package money

import (
	"errors"
	"fmt"
	"math/bits"
)

// Fen is an amount of money in fen, one hundredth of a yuan (元).
type Fen int64

// Max is the largest amount Anji accepts from outside: 10^12 yuan, in fen.
// Sums of a few thousand of them still fit in an int64.
const Max Fen = 100_000_000_000_000

// Rate is a ratio in units of 10^-8: 85 % is 85_000_000.
type Rate int64

// One is the rate 100 %.
const One Rate = 100_000_000

// Percent returns n percent as a rate.
func Percent(n int64) Rate { return Rate(n) * (One / 100) }

// ErrTooLarge says that an amount is past Max.
var ErrTooLarge = errors.New("is larger than 1000000000000.00 yuan, the largest amount accepted")

// ErrDecimals says that an amount has more than two decimals.
var ErrDecimals = errors.New("has more than two decimals; the smallest amount is 0.01 yuan")

// ErrNumber says that a text is not a plain decimal number.
var ErrNumber = errors.New("is not a decimal number such as 1234.56")

// Parse reads an amount in yuan, such as "1234.56" or "-0.5". It accepts no
// exponent, no sign but a leading minus, no spaces and no separators. The
// errors are ErrNumber, ErrDecimals and ErrTooLarge.
func Parse[T string | []byte](s T) (Fen, error) {
	v, err := parseDecimal(s, 2, uint64(Max))
	return Fen(v), err
}

// ErrRateDecimals says that a rate has more than eight decimals.
var ErrRateDecimals = errors.New("has more than eight decimals")

// ParseRate reads a rate written as a decimal ("0.85") or, with a percent
// sign, as a percentage ("85%").
func ParseRate[T string | []byte](s T) (Rate, error) {
	places := 8
	if n := len(s); n > 0 && s[n-1] == '%' {
		s, places = s[:n-1], 6
	}
	v, err := parseDecimal(s, places, uint64(1000*One))
	if errors.Is(err, ErrDecimals) {
		err = ErrRateDecimals
	}
	return Rate(v), err
}

func parseDecimal[T string | []byte](s T, places int, limit uint64) (int64, error) {
	i, neg := 0, false
	if i < len(s) && s[i] == '-' {
		neg, i = true, i+1
	}
	var v uint64
	digits, after, point := 0, 0, false
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !point && digits > 0 {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			return 0, ErrNumber
		}
		digits++
		if point {
			after++
			if after > places {
				if c != '0' {
					return 0, decimalsOrNumber(s[i:])
				}
				continue
			}
		}
		if v > limit {
			continue // already too large; go on only to find malformed text
		}
		v = v*10 + uint64(c-'0')
	}
	if digits == 0 || point && after == 0 {
		return 0, ErrNumber
	}
	if v > limit {
		return 0, ErrTooLarge
	}
	for ; after < places; after++ {
		v *= 10
	}
	if v > limit {
		return 0, ErrTooLarge
	}
	if neg {
		return -int64(v), nil
	}
	return int64(v), nil
}

func decimalsOrNumber[T string | []byte](rest T) error {
	for i := 0; i < len(rest); i++ {
		if rest[i] < '0' || rest[i] > '9' {
			return ErrNumber
		}
	}
	return ErrDecimals
}

// Mul returns a × r rounded half up (away from zero) to the fen.
func (a Fen) Mul(r Rate) Fen {
	if uint64(a) < 1<<36 && uint64(r) <= uint64(One) { // the product fits
		return Fen((uint64(a)*uint64(r) + uint64(One)/2) / uint64(One))
	}
	return mulSlow(int64(a), int64(r))
}

func mulSlow(x, y int64) Fen {
	neg := (x < 0) != (y < 0)
	hi, lo := bits.Mul64(abs(x), abs(y))
	lo, carry := bits.Add64(lo, uint64(One)/2, 0)
	hi += carry
	if hi >= uint64(One) { // past 2^64 fen: saturate, callers bound their input
		lo = 1<<63 - 1
	} else if lo, _ = bits.Div64(hi, lo, uint64(One)); lo > 1<<63-1 {
		lo = 1<<63 - 1
	}
	if neg {
		return -Fen(lo)
	}
	return Fen(lo)
}

func abs(x int64) uint64 {
	if x < 0 {
		return uint64(-x)
	}
	return uint64(x)
}

// String writes the amount in yuan with two decimals and no separators.
func (a Fen) String() string { return string(a.Append(nil)) }

// Append appends the text of String to b.
func (a Fen) Append(b []byte) []byte {
	u := abs(int64(a))
	if a < 0 {
		b = append(b, '-')
	}
	var buf [24]byte
	i := len(buf) - 3
	buf[i], buf[i+1], buf[i+2] = '.', byte('0'+u/10%10), byte('0'+u%10)
	for u /= 100; ; u /= 10 {
		i--
		buf[i] = byte('0' + u%10)
		if u < 10 {
			return append(b, buf[i:]...)
		}
	}
}

// Grouped writes the amount for people: thousands separated by commas.
func (a Fen) Grouped() string {
	s := a.String()
	start := 0
	if s[0] == '-' {
		start = 1
	}
	for i := len(s) - 6; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// MarshalText and UnmarshalText make an amount a string in JSON.
func (a Fen) MarshalText() ([]byte, error) { return a.Append(nil), nil }

// UnmarshalText reads what Parse reads.
func (a *Fen) UnmarshalText(b []byte) error {
	v, err := Parse(b)
	if err != nil {
		return fmt.Errorf("amount %q %w", b, err)
	}
	*a = v
	return nil
}

// String writes the rate as a decimal without trailing zeros: "0.85".
func (r Rate) String() string { return string(r.Append(nil)) }

// Append appends the text of String to b.
func (r Rate) Append(b []byte) []byte { return appendScaled(b, int64(r), 8) }

// Percent writes the rate as a percentage for people: "85%".
func (r Rate) Percent() string { return string(append(appendScaled(nil, int64(r), 6), '%')) }

func appendScaled(b []byte, v int64, places int) []byte {
	u := abs(v)
	if v < 0 {
		b = append(b, '-')
	}
	var buf [24]byte
	i := len(buf)
	significant := false
	for p := 0; p < places; p++ {
		d := byte(u % 10)
		u /= 10
		if d != 0 || significant {
			significant = true
			i--
			buf[i] = '0' + d
		}
	}
	if significant {
		i--
		buf[i] = '.'
	}
	for {
		i--
		buf[i] = byte('0' + u%10)
		u /= 10
		if u == 0 {
			return append(b, buf[i:]...)
		}
	}
}
