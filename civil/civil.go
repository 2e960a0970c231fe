// Package civil is a calendar date without time or zone, as Chinese
// regulations use it.
package civil

import (
	"errors"
	"time"
)

// Date is a day written as the number yyyymmdd, so that dates compare as
// integers. The zero Date means that no date is known.
type Date int32

// ErrDate says that a text is not a day of the calendar.
var ErrDate = errors.New("is not a day written as 2006-01-02")

// Parse reads a day written as 2006-01-02.
func Parse[T string | []byte](s T) (Date, error) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return 0, ErrDate
	}
	n := 0
	for i := 0; i < 10; i++ {
		if i == 4 || i == 7 {
			continue
		}
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrDate
		}
		n = n*10 + int(s[i]-'0')
	}
	d := Date(n)
	if !d.Valid() {
		return 0, ErrDate
	}
	return d, nil
}

// Of returns the date of t in t's own zone.
func Of(t time.Time) Date {
	y, m, d := t.Date()
	return Date(y*10000 + int(m)*100 + d)
}

// New returns the date of the given year, month and day, normalised.
func New(year, month, day int) Date {
	return Of(time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC))
}

// Year, Month and Day are the parts of the date.
func (d Date) Year() int  { return int(d) / 10000 }
func (d Date) Month() int { return int(d) / 100 % 100 }
func (d Date) Day() int   { return int(d) % 100 }

// Valid reports whether d is a day from 1800 to 9999.
func (d Date) Valid() bool {
	y, m, day := d.Year(), d.Month(), d.Day()
	if y < 1800 || y > 9999 || m < 1 || m > 12 || day < 1 {
		return false
	}
	return day <= daysIn(y, m)
}

func daysIn(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// Time returns midnight of d in UTC.
func (d Date) Time() time.Time {
	return time.Date(d.Year(), time.Month(d.Month()), d.Day(), 0, 0, 0, 0, time.UTC)
}

// AddDays returns the date n days later.
func (d Date) AddDays(n int) Date { return Of(d.Time().AddDate(0, 0, n)) }

// AddMonths returns the date n months later, clipped to the month's last day.
func (d Date) AddMonths(n int) Date {
	y, m := d.Year(), d.Month()-1+n
	y, m = y+m/12, m%12
	if m < 0 {
		y, m = y-1, m+12
	}
	return Date(y*10000 + (m+1)*100 + min(d.Day(), daysIn(y, m+1)))
}

// DaysSince returns the number of days from e to d.
func (d Date) DaysSince(e Date) int { return int(d.Time().Sub(e.Time()) / (24 * time.Hour)) }

// Age returns the completed years from birth to d (周岁).
func (d Date) Age(birth Date) int {
	n := d.Year() - birth.Year()
	if d%10000 < birth%10000 {
		n--
	}
	return n
}

// String writes the date as 2006-01-02, or "" for the zero Date.
func (d Date) String() string { return string(d.Append(nil)) }

// Append appends the text of String to b.
func (d Date) Append(b []byte) []byte {
	if d == 0 {
		return b
	}
	n := int(d)
	return append(b,
		byte('0'+n/10000000%10), byte('0'+n/1000000%10), byte('0'+n/100000%10), byte('0'+n/10000%10), '-',
		byte('0'+n/1000%10), byte('0'+n/100%10), '-', byte('0'+n/10%10), byte('0'+n%10))
}

// MarshalText and UnmarshalText make a date a string in JSON.
func (d Date) MarshalText() ([]byte, error) { return d.Append(nil), nil }

// UnmarshalText reads what Parse reads; the empty text is the zero Date.
func (d *Date) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = 0
		return nil
	}
	v, err := Parse(b)
	if err == nil {
		*d = v
	}
	return err
}
