package portal

import (
	"context"
	"errors"
	"strconv"

	"github.com/anji-platform/anji/answer"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/place"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/web"
)

// book is the questions and answers (医保问答). They are part of the program.
var book = func() *answer.Book {
	b, err := answer.Load()
	if err != nil {
		panic(err) // a fault of the build, found by the tests
	}
	return b
}()

func (h *handler) answerRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /answers", For: web.Everyone, Do: h.answers},
		{Pattern: "GET /answers/{question}", For: web.Everyone, Do: h.answer},
	}
}

// regionCookie is the region that somebody who is not signed in chose last.
const regionCookie = "region"

// self reports whether an insured person is signed in.
func self(v *web.Visit) bool { return v.Who != nil && v.Who.Operator == nil }

// regions are those that have a package today.
func (h *handler) regions() (out []estimateRegion) {
	for _, code := range h.Policies.Regions() {
		if p, err := h.Policies.At(code, h.Today()); err == nil && code != policy.National {
			out = append(out, estimateRegion{code, p.Name})
		}
	}
	return out
}

// region is the one that pages are about: that of the person, else what was chosen
// here or before, else the first.
func (h *handler) region(v *web.Visit) string {
	if self(v) {
		return v.Who.Acting.Region
	}
	all := h.regions()
	has := func(code string) bool {
		for _, r := range all {
			if r.Code == code {
				return true
			}
		}
		return false
	}
	if code := v.URL.Query().Get("region"); has(code) {
		v.Prefer(regionCookie, code)
		return code
	}
	if code := v.Preferred(regionCookie); has(code) {
		return code
	}
	if len(all) == 0 {
		return ""
	}
	if v.Synthetic() { // the example regions come last, and are those that know most
		return all[max(0, len(all)-2)].Code
	}
	return all[0].Code
}

type answersData struct {
	Query   string
	Groups  []*answer.Group
	Found   []*answer.Question
	Regions []estimateRegion // to choose from; none for who is signed in
	Region  string
}

func (h *handler) answers(v *web.Visit) error {
	d := answersData{Query: asked(v).Query, Groups: book.Groups, Region: h.region(v)}
	if d.Query != "" {
		d.Found = book.Search(d.Query)
	}
	if !self(v) {
		d.Regions = h.regions()
		v.Public = true
	}
	return v.Show("answers.html", v.Say("医保问答", "Questions"), d)
}

type answerData struct {
	*answer.Answer
	Region  string
	Regions []estimateRegion
	Own     bool
	Others  []*answer.Question // of the same group
}

func (h *handler) answer(v *web.Visit) error {
	n, err := strconv.Atoi(v.PathValue("question"))
	if err != nil {
		return web.ErrNotFound
	}
	who := answer.Asker{Region: h.region(v), Day: h.Today(), Lang: v.Lang}
	d := answerData{Region: who.Region}
	if self(v) {
		d.Own = true
		if who.Own, err = h.asking(v); err != nil {
			return err
		}
	} else {
		d.Regions = h.regions()
		v.Public = true
	}
	d.Answer, err = book.Answer(h.Policies, n, who)
	if errors.Is(err, answer.ErrNone) {
		return web.ErrNotFound
	}
	if missing := (*policy.InputError)(nil); errors.As(err, &missing) {
		return v.Show("error.html", v.Say("暂时不能回答", "No answer"), web.Problem{Status: 200, Text: missing.Error()})
	}
	if err != nil {
		return err
	}
	for _, g := range book.Groups {
		if g.ID == d.Group {
			for _, q := range g.Questions {
				if q.N != n {
					d.Others = append(d.Others, q)
				}
			}
		}
	}
	return v.Show("answer.html", d.In(v.Lang), d)
}

// asking is what is known of who is signed in, as far as answers need it.
func (h *handler) asking(v *web.Visit) (own *answer.Own, err error) {
	today := h.Today()
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p := v.Who.Acting
		c, _, err := h.ownCase(ctx, tx, p, policy.Inpatient)
		if err != nil {
			return err
		}
		own = &answer.Own{Case: *c}
		a, why, err := h.covered(ctx, tx, p)
		if err != nil {
			return err
		}
		if own.Why = why; a != nil {
			own.Covered, own.Why = a.Paid, a.Why
		}
		if own.Balance, err = fund.Balance(ctx, tx, fund.PersonAccount(p.ID)); err != nil {
			return err
		}
		bills, err := h.Dues.Bills(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		for _, b := range bills {
			if b.State == contribution.Open {
				own.Due += b.Due
			}
		}
		filings, err := enrolment.FilingsWithin(ctx, tx, p.ID, today, today)
		for _, f := range filings {
			own.Filings = append(own.Filings, place.Name(f.Region)+"，"+span(v, f.From, f.To))
		}
		return err
	})
	if missing := (*policy.InputError)(nil); errors.As(err, &missing) { // no package of their region: the answer says so
		return nil, nil
	}
	return own, err
}

func span(v *web.Visit, from, to civil.Date) string {
	if to == 0 {
		return v.Say("自 "+v.Day(from)+" 起长期有效", "open from "+v.Day(from))
	}
	return v.Day(from) + " — " + v.Day(to)
}

// ownCase is the case of a person who would have care of a kind today, with the sums
// of their year, as if their insurance were in order; how it is comes beside it.
func (h *handler) ownCase(ctx context.Context, tx *db.Tx, p enrolment.Person, kind policy.VisitKind) (*policy.Case, enrolment.Insurance, error) {
	today := h.Today()
	all, err := enrolment.Timeline(ctx, tx, p.ID)
	if err != nil {
		return nil, enrolment.Insurance{}, err
	}
	classes, err := enrolment.Classes(ctx, tx, p.ID, today)
	if err != nil {
		return nil, enrolment.Insurance{}, err
	}
	spells, err := enrolment.Insurances(ctx, tx, p.ID, today)
	if err != nil {
		return nil, enrolment.Insurance{}, err
	}
	counts := enrolment.Counting(spells)
	c, _, err := coverage.Case(h.Policies, &coverage.Payer{Person: p, Insurance: all, Classes: classes, Scheme: counts.Scheme}, today)
	if err != nil {
		return nil, counts, err
	}
	c.Retired, c.Visit = counts.Retired, kind
	return c, counts, h.Settlement.FillSums(ctx, tx, p.ID, c)
}
