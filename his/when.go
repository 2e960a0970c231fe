package his

import (
	"fmt"
	"strings"
	"time"

	"github.com/anji-platform/anji/civil"
)

// A when is a date, and perhaps a time, in the forms that the interface
// writes: 2006-01-02 and 15:04:05, "" for no time.
type when struct{ date, time string }

// clock is the time of day. A date without one means, in the interface, from
// the day's beginning or, where it ends something, to the day's end.
func (m when) clock(end bool) string {
	switch {
	case m.time != "":
		return m.time
	case end:
		return "23:59:59"
	}
	return "00:00:00"
}

// parseWhen reads the forms of dates and times that clients' serialisers
// write and that can be taken in one way only: year, month and day parted by -
// or /, or as eight digits; after a blank or a T the time, with or without
// seconds and fractions of them; a time in another zone is turned into China's.
func parseWhen(s string) (when, bool) {
	var y, mo, d, h, mi, sec int
	p := scanner{s: s}
	compact := len(s) >= 8 && allDigits(s[:8])
	if compact {
		y, mo, d = p.number(4, 4), p.number(2, 2), p.number(2, 2)
	} else {
		y = p.number(4, 4)
		part := p.take("-/")
		mo = p.number(1, 2)
		if part != p.take("-/") {
			return when{}, false
		}
		d = p.number(1, 2)
	}
	date := fmt.Sprintf("%04d-%02d-%02d", y, mo, d)
	if _, err := civil.Parse(date); p.bad || err != nil {
		return when{}, false
	}
	if p.s == "" {
		return when{date: date}, true
	}
	if compact && allDigits(p.s[:1]) { // yyyyMMddHHmmss, perhaps with milliseconds
		h, mi, sec = p.number(2, 2), p.number(2, 2), p.number(2, 2)
		if p.s != "" {
			p.number(3, 3)
		}
	} else {
		p.take(" T")
		h = p.number(1, 2)
		p.take(":")
		mi = p.number(2, 2)
		if strings.HasPrefix(p.s, ":") {
			p.take(":")
			sec = p.number(2, 2)
			if p.s != "" && strings.ContainsRune(".,", rune(p.s[0])) {
				p.take(".,")
				p.number(1, 9)
			}
		}
	}
	if p.bad || h > 23 || mi > 59 || sec > 59 {
		return when{}, false
	}
	if p.s == "" {
		return when{date, fmt.Sprintf("%02d:%02d:%02d", h, mi, sec)}, true
	}
	away := 0 // minutes east of Greenwich
	if p.s == "Z" {
		p.take("Z")
	} else {
		sign := p.take("+-")
		away = 60 * p.number(2, 2)
		if strings.HasPrefix(p.s, ":") {
			p.take(":")
		}
		away += p.number(2, 2)
		if sign == '-' {
			away = -away
		}
	}
	if p.bad || p.s != "" || away < -14*60 || away > 14*60 {
		return when{}, false
	}
	t := time.Date(y, time.Month(mo), d, h, mi, sec, 0, time.FixedZone("", 60*away)).In(zone)
	date, clock, _ := strings.Cut(t.Format(clockLayout), " ")
	_, err := civil.Parse(date)
	return when{date, clock}, err == nil
}

// A scanner takes a text apart from the left. bad says that something else
// stood there.
type scanner struct {
	s   string
	bad bool
}

// number takes from least to most digits.
func (p *scanner) number(least, most int) int {
	n, i := 0, 0
	for i < most && i < len(p.s) && p.s[i] >= '0' && p.s[i] <= '9' {
		n = 10*n + int(p.s[i]-'0')
		i++
	}
	p.bad = p.bad || i < least
	p.s = p.s[i:]
	return n
}

// take takes one of the characters.
func (p *scanner) take(of string) byte {
	if p.s == "" || strings.IndexByte(of, p.s[0]) < 0 {
		p.bad = true
		return 0
	}
	b := p.s[0]
	p.s = p.s[1:]
	return b
}
