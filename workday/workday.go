// Package workday counts working days (工作日): Monday to Friday, less the
// holidays of the year and with the weekends worked in exchange (放假调休). The
// days are data, each year with the notice that announced them.
package workday

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
)

//go:embed holidays.yaml
var china []byte

// Calendar tells working days from others. It never changes.
type Calendar struct {
	off   map[civil.Date]string // the holiday's name
	work  map[civil.Date]bool   // a Saturday or Sunday that is worked
	known map[int]string        // year → title of the notice
}

// China returns the calendar of the country as it was announced up to the day
// this program was made.
func China() *Calendar { return std }

var std = func() *Calendar {
	c, err := Parse(china)
	if err != nil {
		panic(err) // a fault of the build, found by the tests
	}
	return c
}()

// Parse reads a calendar: see holidays.yaml. It returns every fault it finds.
func Parse(data []byte) (*Calendar, error) {
	var file struct {
		Documents map[string]struct{ Title, Number, Date string }
		Years     map[int]struct {
			Source string
			Off    []struct{ From, To, Name string }
			Work   []string
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("workday: %w", err)
	}
	c := &Calendar{off: map[civil.Date]string{}, work: map[civil.Date]bool{}, known: map[int]string{}}
	var faults []error
	fault := func(year int, format string, args ...any) {
		faults = append(faults, fmt.Errorf("workday: year %d: %w", year, fmt.Errorf(format, args...)))
	}
	for _, year := range slices.Sorted(maps.Keys(file.Years)) {
		y := file.Years[year]
		doc, ok := file.Documents[y.Source]
		if !ok {
			fault(year, "source %q is not among documents", y.Source)
			continue
		}
		c.known[year] = doc.Title
		for _, h := range y.Off {
			from, err1 := civil.Parse(h.From)
			to, err2 := civil.Parse(h.To)
			switch {
			case err1 != nil || err2 != nil:
				fault(year, "%s: from and to %w", h.Name, errors.Join(err1, err2))
			case h.Name == "":
				fault(year, "the holiday from %s has no name", from)
			case to < from || to.AddDays(-60) > from:
				fault(year, "%s ends %s, before it begins or more than 60 days after", h.Name, to)
			default:
				for d := from; d <= to; d = d.AddDays(1) {
					c.off[d] = h.Name
				}
			}
		}
		for _, s := range y.Work {
			d, err := civil.Parse(s)
			if err != nil {
				fault(year, "work %q %w", s, err)
				continue
			}
			if c.off[d] != "" || weekday(d) != time.Saturday && weekday(d) != time.Sunday {
				fault(year, "work %s is a holiday or no weekend", d)
			}
			c.work[d] = true
		}
	}
	return c, errors.Join(faults...)
}

func weekday(d civil.Date) time.Weekday { return d.Time().Weekday() }

// Works reports whether d is a working day.
func (c *Calendar) Works(d civil.Date) bool {
	if c.off[d] != "" {
		return false
	}
	w := weekday(d)
	return c.work[d] || w != time.Saturday && w != time.Sunday
}

// Holiday is the name of the holiday that d is part of, "" for none.
func (c *Calendar) Holiday(d civil.Date) string { return c.off[d] }

// Known returns the title of the notice that says the holidays of a year; ok is
// false for a year of which only weekends are known.
func (c *Calendar) Known(year int) (title string, ok bool) {
	title, ok = c.known[year]
	return title, ok
}

// Add returns the last day of a term of n working days that begins the day
// after d. n below 1 gives d.
func (c *Calendar) Add(d civil.Date, n int) civil.Date {
	for ; n > 0; n-- {
		for d = d.AddDays(1); !c.Works(d); {
			d = d.AddDays(1)
		}
	}
	return d
}

// Between counts the working days after from, up to and with to; it is negative
// if to lies before from.
func (c *Calendar) Between(from, to civil.Date) (n int) {
	if to < from {
		return -c.Between(to, from)
	}
	for d := from.AddDays(1); d <= to; d = d.AddDays(1) {
		if c.Works(d) {
			n++
		}
	}
	return n
}
