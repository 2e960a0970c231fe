// Package live runs the questions whose answers take more than a calculation:
// people register, pay, prove who they are, and are cared for, on a real store
// and over the real interface. Each file is a story in steps that a policy
// officer can read.
package live

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/outbox"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/server"
)

// Story is one question with what happens.
type Story struct {
	Title    string `yaml:"title"`
	Question string `yaml:"question"`
	Source   string `yaml:"source"`
	Day      string `yaml:"day"` // on which it begins
	Steps    []Step `yaml:"steps"`
}

// Step is one thing that happens. Exactly one action is given.
type Step struct {
	Name string `yaml:"name"`
	// At sets the clock to noon of a day first, After moves it on.
	At    string `yaml:"at"`
	After string `yaml:"after"`
	// The actions: see the method of the name.
	Person   *personStep   `yaml:"person"`
	Register *registerStep `yaml:"register"`
	Bill     *billStep     `yaml:"bill"`
	Pay      *payStep      `yaml:"pay"`
	Refund   *refundStep   `yaml:"refund"`
	Employer *employerStep `yaml:"employer"`
	Declare  *declareStep  `yaml:"declare"`
	Overdue  *struct{}     `yaml:"overdue"`
	Coverage *coverageStep `yaml:"coverage"`
	Settle   *settleStep   `yaml:"settle"`
	Activate *activateStep `yaml:"activate"`
	Scan     *scanStep     `yaml:"scan"`
	Grant    *grantStep    `yaml:"grant"`
	Close    *closeStep    `yaml:"close"`
	Resolve  *whoStep      `yaml:"resolve"`
	Balance  *balanceStep  `yaml:"balance"`
	Insured  *coverageStep `yaml:"insured"`
	// Those of filings stand in filing.go.
	Apply     *applyStep     `yaml:"apply"`
	Complete  *completeStep  `yaml:"complete"`
	Decide    *decideStep    `yaml:"decide"`
	Withdraw  *applicationOf `yaml:"withdraw"`
	Progress  *applicationOf `yaml:"progress"`
	Recognise *recogniseStep `yaml:"recognise"`
	Hospital  *hospitalStep  `yaml:"hospital"`
	Filed     *filedStep     `yaml:"filed"`
	Refer     *referStep     `yaml:"refer"`
	Item      *itemStep      `yaml:"item"`
	Direct    *directStep    `yaml:"direct"`
	Claim     *claimStep     `yaml:"claim"`
	Judge     *judgeStep     `yaml:"judge"`
	Payout    *payoutStep    `yaml:"payout"`
	// Expect is what it gives, by name: amounts exactly, texts in part.
	Expect map[string]string `yaml:"expect"`
	// Refused is part of why it is refused.
	Refused string `yaml:"refused"`
}

// Parse reads a story; unknown keys are errors.
func Parse(data []byte) (*Story, error) {
	var s Story
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return nil, err
	}
	if s.Title == "" || s.Question == "" || s.Source == "" || s.Day == "" || len(s.Steps) == 0 {
		return nil, errors.New("a story needs title, question, source, day and steps")
	}
	return &s, nil
}

// World is where a story happens.
type World struct {
	ctx      context.Context
	srv      *server.Server
	http     *httptest.Server
	store    *policy.Store
	now      time.Time
	dues     *contribution.Service
	accounts *account.Service
	people   map[string]enrolment.Person
	codes    map[string]string // last shown, by whom
	tokens   map[string]string // last given, by whom
	employer map[string]string
	claims   map[string]string // by what they are called
	filings  *filing.Service
	papers   map[string]string // application, by the name that the story gives it
	serial   int
}

var zone = time.FixedZone("CST", 8*60*60)

// Run runs a story in a folder of its own and returns every difference. Once it
// is over the books are proved.
func (s *Story) Run(ctx context.Context, dir string, store *policy.Store) error {
	w := &World{ctx: ctx, store: store, people: map[string]enrolment.Person{}, codes: map[string]string{}, tokens: map[string]string{}, employer: map[string]string{}, claims: map[string]string{}, papers: map[string]string{}}
	day, err := civil.Parse(s.Day)
	if err != nil {
		return fmt.Errorf("day: %w", err)
	}
	w.noon(day)
	clock := func() time.Time { return w.now }
	if w.srv, err = server.Open(ctx, server.Config{Data: dir, Policies: store, Now: clock, Log: slog.New(slog.DiscardHandler), Synthetic: true}); err != nil {
		return err
	}
	defer w.srv.Close()
	if _, err := demo.Seed(ctx, w.srv.DB, w.srv.Register, demo.Options{Today: day}); err != nil {
		return err
	}
	w.http = httptest.NewServer(w.srv.Handler)
	defer w.http.Close()
	w.dues, w.accounts = contribution.New(store, w.srv.Register, clock), account.New(store, w.srv.Register, clock)
	w.filings = filing.New(w.srv.Register, w.srv.Settlement, w.srv.Register.Sealer(), nil, clock)
	var errs []error
	for i := range s.Steps {
		if err := w.step(&s.Steps[i]); err != nil {
			errs = append(errs, fmt.Errorf("step %d %s: %w", i+1, s.Steps[i].Name, err))
		}
	}
	return errors.Join(append(errs, w.srv.DB.View(ctx, func(tx *db.Tx) error {
		return errors.Join(w.srv.Settlement.Verify(ctx, tx), w.dues.Verify(ctx, tx), w.srv.Claims.Verify(ctx, tx), audit.Verify(ctx, tx))
	}))...)
}

func (w *World) noon(day civil.Date) {
	w.now = time.Date(day.Year(), time.Month(day.Month()), day.Day(), 12, 0, 0, 0, zone)
}

func (w *World) today() civil.Date { return civil.Of(w.now) }

// result is what an action gives, by name.
type result map[string]string

func (w *World) step(st *Step) error {
	if st.At != "" {
		day, err := civil.Parse(st.At)
		if err != nil {
			return fmt.Errorf("at: %w", err)
		}
		w.noon(day)
	}
	if st.After != "" {
		d, err := time.ParseDuration(st.After)
		if err != nil {
			return fmt.Errorf("after: %w", err)
		}
		w.now = w.now.Add(d)
	}
	got := result{}
	err := w.act(st, got)
	if st.Refused != "" {
		if err == nil || !strings.Contains(err.Error(), st.Refused) {
			return fmt.Errorf("got %v, want a refusal with %q", err, st.Refused)
		}
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for name, want := range st.Expect {
		g, ok := got[name]
		_, bad := money.Parse(want)
		if !ok || bad == nil && g != want || bad != nil && !strings.Contains(g, want) {
			errs = append(errs, fmt.Errorf("%s is %q, want %q", name, g, want))
		}
	}
	return errors.Join(errs...)
}

func (w *World) act(st *Step, got result) error {
	actions := []struct {
		given bool
		do    func(result) error
	}{
		{st.Person != nil, func(r result) error { return w.person(st.Person) }},
		{st.Register != nil, func(r result) error { return w.register(st.Register) }},
		{st.Bill != nil, func(r result) error { return w.bill(st.Bill, r) }},
		{st.Pay != nil, func(r result) error { return w.pay(st.Pay, r) }},
		{st.Refund != nil, func(r result) error { return w.refund(st.Refund, r) }},
		{st.Employer != nil, func(r result) error { return w.employs(st.Employer) }},
		{st.Declare != nil, func(r result) error { return w.declare(st.Declare, r) }},
		{st.Overdue != nil, func(r result) error { return w.overdue(r) }},
		{st.Coverage != nil, func(r result) error { return w.coverage(st.Coverage, r) }},
		{st.Settle != nil, func(r result) error { return w.settle(st.Settle, r) }},
		{st.Activate != nil, func(r result) error { return w.activate(st.Activate, r) }},
		{st.Scan != nil, func(r result) error { return w.scan(st.Scan, r) }},
		{st.Grant != nil, func(r result) error { return w.grant(st.Grant) }},
		{st.Close != nil, func(r result) error { return w.close(st.Close, r) }},
		{st.Resolve != nil, func(r result) error { return w.resolve(st.Resolve, r) }},
		{st.Balance != nil, func(r result) error { return w.balance(st.Balance, r) }},
		{st.Claim != nil, func(r result) error { return w.claim(st.Claim, r) }},
		{st.Judge != nil, func(r result) error { return w.judge(st.Judge, r) }},
		{st.Payout != nil, func(r result) error { return w.payout(st.Payout, r) }},
		{st.Insured != nil, func(r result) error { return w.insured(st.Insured, r) }},
		{st.Apply != nil, func(r result) error { return w.apply(st.Apply, r) }},
		{st.Complete != nil, func(r result) error { return w.complete(st.Complete, r) }},
		{st.Decide != nil, func(r result) error { return w.decide(st.Decide, r) }},
		{st.Withdraw != nil, func(r result) error { return w.withdraw(st.Withdraw, r) }},
		{st.Progress != nil, func(r result) error { return w.progress(st.Progress, r) }},
		{st.Recognise != nil, func(r result) error { return w.recognise(st.Recognise, r) }},
		{st.Hospital != nil, func(r result) error { return w.hospital(st.Hospital, r) }},
		{st.Filed != nil, func(r result) error { return w.filed(st.Filed, r) }},
		{st.Refer != nil, func(r result) error { return w.refer(st.Refer, r) }},
		{st.Item != nil, func(r result) error { return w.item(st.Item) }},
		{st.Direct != nil, func(r result) error { return w.direct(st.Direct, r) }},
	}
	n := 0
	for _, a := range actions {
		if a.given {
			n++
		}
	}
	if n > 1 || n == 0 && st.At == "" && st.After == "" {
		return fmt.Errorf("%d actions; one is needed", n)
	}
	for _, a := range actions {
		if a.given {
			return a.do(got)
		}
	}
	return nil
}

func (w *World) update(f func(*db.Tx) error) error { return w.srv.DB.Update(w.ctx, f) }

// who is a person of the story, or one of the fixed people by name.
func (w *World) who(name string) (enrolment.Person, error) {
	if p, ok := w.people[name]; ok {
		return p, nil
	}
	for _, f := range demo.People() {
		if f.Name != name {
			continue
		}
		var p enrolment.Person
		err := w.srv.DB.View(w.ctx, func(tx *db.Tx) (err error) {
			p, _, err = w.srv.Register.ByCitizenID(w.ctx, tx, f.CitizenID)
			return err
		})
		w.people[name] = p
		return p, err
	}
	return enrolment.Person{}, fmt.Errorf("nobody is called %s", name)
}

type personStep struct {
	Name   string   `yaml:"name"`
	Born   string   `yaml:"born"`
	Woman  bool     `yaml:"woman"`
	Phone  string   `yaml:"phone"`
	Class  []string `yaml:"class"`
	Region string   `yaml:"region"`  // default: 990100
	Scheme string   `yaml:"insured"` // employee or resident, open since the start of 2025
	Money  string   `yaml:"account"` // balance of the personal account
}

// person adds a person.
func (w *World) person(p *personStep) error {
	birth, err := civil.Parse(p.Born)
	if err != nil {
		return fmt.Errorf("born: %w", err)
	}
	w.serial += 2
	sex := 1
	if p.Woman {
		sex = 0
	}
	region := cmp.Or(p.Region, "990100")
	who := enrolment.Person{Name: p.Name, CitizenID: fmt.Sprintf("%s%08d%03d0", region, int(birth), 500+w.serial+sex), Birth: birth, Female: p.Woman, Region: region, Phone: p.Phone}
	err = w.update(func(tx *db.Tx) error {
		if err := w.srv.Register.Add(w.ctx, tx, &who); err != nil {
			return err
		}
		for _, c := range p.Class {
			if err := enrolment.AddClass(w.ctx, tx, who.ID, enrolment.Class{Name: c, From: 20250101, Authority: "民政部门"}); err != nil {
				return err
			}
		}
		if p.Scheme != "" {
			scheme := map[string]policy.Scheme{"employee": policy.Employee, "resident": policy.Resident}[p.Scheme]
			if err := enrolment.AddInsurance(w.ctx, tx, who.ID, enrolment.Insurance{Scheme: scheme, From: 20250101, Reason: "已参保"}); err != nil {
				return err
			}
		}
		if p.Money == "" {
			return nil
		}
		amount, err := money.Parse(p.Money)
		if err != nil {
			return err
		}
		return fund.Post(w.ctx, tx, fund.Entry{At: w.now, Kind: "opening", Ref: who.ID, Postings: []fund.Posting{{Account: fund.PersonAccount(who.ID), Amount: amount}, {Account: fund.Opening("990100"), Amount: -amount}}})
	})
	w.people[p.Name] = who
	return err
}

type registerStep struct {
	Who    string `yaml:"who"`
	Kind   string `yaml:"kind"`
	Ground string `yaml:"ground"`
	Wage   string `yaml:"wage"`
}

// register registers a person for insurance (参保登记).
func (w *World) register(r *registerStep) error {
	p, err := w.who(r.Who)
	if err != nil {
		return err
	}
	q := contribution.Registration{Person: p.ID, Kind: contribution.Kind(r.Kind), Ground: contribution.Ground(r.Ground), Actor: "经办"}
	if r.Wage != "" {
		if q.Wage, err = money.Parse(r.Wage); err != nil {
			return err
		}
	}
	return w.update(func(tx *db.Tx) error { return w.dues.Register(w.ctx, tx, q) })
}

type billStep struct {
	Who    string `yaml:"who"`
	Scheme string `yaml:"scheme"`
}

func (w *World) make(b *billStep) (bill *contribution.Bill, err error) {
	p, err := w.who(b.Who)
	if err != nil {
		return nil, err
	}
	scheme := policy.Resident
	if b.Scheme == "employee" {
		scheme = policy.Employee
	}
	err = w.update(func(tx *db.Tx) (err error) {
		bill, err = w.dues.Make(w.ctx, tx, contribution.Request{Person: p.ID, Scheme: scheme, Actor: "经办"})
		return err
	})
	return bill, err
}

// bill makes the bill of a person: due, and each payer's share by payer.
func (w *World) bill(b *billStep, got result) error {
	bill, err := w.make(b)
	if err != nil {
		return err
	}
	sums := map[string]money.Fen{}
	for _, p := range bill.Parts {
		sums[p.Payer] += p.Amount
		if p.Fund != "" {
			sums["fund "+p.Fund] += p.Amount
		}
	}
	for _, payer := range []string{"person", "employer", "government", "assistance"} {
		got[payer] = sums[payer].String()
	}
	for name, sum := range sums {
		got[name] = sum.String()
	}
	got["due"], got["state"] = bill.Due.String(), bill.State.Title()
	got["period"] = bill.From.String() + "/" + bill.To.String()
	return nil
}

type payStep struct {
	Who       string `yaml:"who"` // a person or an employer
	Scheme    string `yaml:"scheme"`
	Channel   string `yaml:"channel"`
	Reference string `yaml:"reference"`
	Amount    string `yaml:"amount"` // default: what is due
	Again     bool   `yaml:"again"`  // for the bill that was paid last
}

// pay pays what is due.
func (w *World) pay(q *payStep, got result) error {
	n := contribution.Notice{Channel: q.Channel, Reference: q.Reference, At: w.now, Actor: q.Channel}
	err := w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		if code, ok := w.employer[q.Who]; ok {
			all, err := w.dues.Declarations(w.ctx, tx, code)
			for i := range all {
				if all[i].State == contribution.Confirmed {
					fee, _, e := w.dues.LateFee(&all[i], w.today())
					n.Bill, n.Amount, err = all[i].ID, all[i].Unit+all[i].Personal+fee, errors.Join(err, e)
					got["late_fee"] = fee.String()
				}
			}
			return err
		}
		p, err := w.who(q.Who)
		if err != nil {
			return err
		}
		bills, err := w.dues.Bills(w.ctx, tx, p.ID)
		for _, b := range bills {
			if q.Again && b.State != contribution.Open || !q.Again && b.State == contribution.Open {
				n.Bill, n.Amount = b.ID, b.Due
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if q.Amount != "" {
		if n.Amount, err = money.Parse(q.Amount); err != nil {
			return err
		}
	}
	var p *contribution.Payment
	if err := w.update(func(tx *db.Tx) (err error) {
		p, err = w.dues.Collect(w.ctx, tx, n)
		return err
	}); err != nil {
		return err
	}
	got["state"], got["note"], got["amount"] = p.State.Title(), p.Note, p.Amount.String()
	return nil
}

type refundStep struct {
	Channel   string `yaml:"channel"`
	Reference string `yaml:"reference"`
	Reason    string `yaml:"reason"`
}

// refund pays a payment back (退费).
func (w *World) refund(q *refundStep, got result) error {
	return w.update(func(tx *db.Tx) error {
		p, err := w.dues.Repay(w.ctx, tx, contribution.RefundRequest{Channel: q.Channel, Reference: q.Reference, Reason: q.Reason, Actor: "经办"})
		if err == nil {
			got["state"], got["amount"] = p.State.Title(), p.Amount.String()
			entries, e := fund.Entries(w.ctx, tx, "pay:"+q.Channel+":"+q.Reference)
			var moved money.Fen
			for _, x := range entries {
				for _, y := range x.Postings {
					moved += y.Amount
				}
			}
			got["left"], err = moved.String(), e // opposite postings sum to zero
		}
		return err
	})
}

type employerStep struct {
	Name string `yaml:"name"`
	Code string `yaml:"code"`
}

// employs registers an employer.
func (w *World) employs(e *employerStep) error {
	w.employer[e.Name] = e.Code
	return w.update(func(tx *db.Tx) error {
		return w.dues.AddEmployer(w.ctx, tx, contribution.Employer{Code: e.Code, Name: e.Name, Region: "990100"}, "经办")
	})
}

type declareStep struct {
	Employer string `yaml:"employer"`
	Month    string `yaml:"month"`
	Rows     []struct {
		Who    string `yaml:"who"`
		Wage   string `yaml:"wage"`
		Change string `yaml:"change"`
	} `yaml:"rows"`
}

// declare declares and confirms a month: employer's and staff's part, the bases'
// shares by person, and what is wrong, by row.
func (w *World) declare(q *declareStep, got result) error {
	month, err := civil.Parse(q.Month + "-01")
	if err != nil {
		return err
	}
	var rows []contribution.Declared
	for _, r := range q.Rows {
		p, err := w.who(r.Who)
		if err != nil {
			return err
		}
		rows = append(rows, contribution.Declared{Name: p.Name, CitizenID: p.CitizenID, Wage: r.Wage, Change: contribution.Change(r.Change)})
	}
	return w.update(func(tx *db.Tx) error {
		d, err := w.dues.Declare(w.ctx, tx, w.employer[q.Employer], month, rows, "单位")
		if err != nil {
			return err
		}
		for _, r := range d.Faulty() {
			got[fmt.Sprintf("fault %d", r.N)] = r.Fault
		}
		if len(d.Faulty()) > 0 {
			got["state"] = d.State.Title()
			return nil
		}
		if d, err = w.dues.Confirm(w.ctx, tx, d.ID, "单位"); err != nil {
			return err
		}
		got["state"], got["employer"], got["staff"] = d.State.Title(), d.Unit.String(), d.Personal.String()
		for i, r := range d.Rows {
			for _, p := range r.Parts {
				if i < len(q.Rows) {
					got[q.Rows[i].Who+" "+p.Payer] = p.Amount.String()
				}
			}
		}
		return nil
	})
}

// overdue puts in arrears who was not paid for.
func (w *World) overdue(got result) error {
	n, err := w.dues.Overdue(w.ctx, w.srv.DB, "990100")
	got["people"] = fmt.Sprint(n)
	return err
}

type whoStep struct {
	Who string `yaml:"who"`
}

type coverageStep struct {
	Who string `yaml:"who"`
	Day string `yaml:"day"` // default: today
}

// coverage asks whether a person may be paid on a day.
func (w *World) coverage(q *coverageStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	day := w.today()
	if q.Day != "" {
		if day, err = civil.Parse(q.Day); err != nil {
			return err
		}
	}
	return w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		a, err := coverage.On(w.ctx, tx, w.store, p, day, w.today())
		if err != nil {
			return err
		}
		got["paid"], got["why"], got["scheme"] = map[bool]string{true: "yes", false: "no"}[a.Paid], a.Why, a.Insurance.Scheme.Title()
		for i, d := range a.Do {
			got[fmt.Sprintf("do %d", i+1)] = d.What
		}
		got["ways"] = fmt.Sprint(len(a.Do), " ways")
		return nil
	})
}

// insured tells how a person is insured on a day.
func (w *World) insured(q *coverageStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	day := w.today()
	if q.Day != "" {
		if day, err = civil.Parse(q.Day); err != nil {
			return err
		}
	}
	return w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		i, err := enrolment.StatusOn(w.ctx, tx, p.ID, day)
		got["scheme"], got["status"], got["from"], got["benefits"], got["reason"] = i.Scheme.Title(), i.Status.Title(), i.From.String(), i.BenefitsFrom.String(), i.Reason
		return err
	})
}

type settleStep struct {
	Who      string `yaml:"who"`
	By       string `yaml:"by"`      // id (default), card, token
	Account  string `yaml:"account"` // own (default), family, none
	At       string `yaml:"at"`      // provider's code
	Amount   string `yaml:"amount"`
	Item     string `yaml:"item"`
	Pharmacy bool   `yaml:"pharmacy"`
	Stay     bool   `yaml:"stay"`    // as an inpatient
	Disease  string `yaml:"disease"` // chronic or special: its code
	Named    string `yaml:"named"`   // and its name
}

func (w *World) provider(ctx context.Context, code string) (*hospital.Hospital, error) {
	h := &hospital.Hospital{Base: w.http.URL + "/his", Code: code, Name: "机构", Region: code[1:7], Operator: "01", Client: w.http.Client(), Now: func() time.Time {
		w.now = w.now.Add(time.Second) // every message has a number of its own
		return w.now
	}}
	return h, h.SignIn(ctx)
}

// settle has care settled over the interface.
func (w *World) settle(q *settleStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	code, item := q.At, q.Item
	if code == "" {
		code = "H99010000201"
	}
	if item == "" {
		item = "DRG990000001"
	}
	m := hospital.Means{Kind: "02", Number: p.CitizenID, Account: map[string]string{"": "1", "own": "1", "family": "2", "none": "0"}[q.Account], Care: "11"}
	switch q.By {
	case "card":
		m.Kind, m.Number = "03", "C"+p.CitizenID
	case "token":
		m.Kind, m.Number = "01", w.tokens[q.Who]
	}
	if q.Pharmacy {
		m.Care = "41"
	}
	if q.Disease != "" {
		m.Care, m.Disease, m.DiseaseName = "14", q.Disease, cmp.Or(q.Named, q.Disease)
	}
	h, err := w.provider(w.ctx, code)
	if err != nil {
		return err
	}
	lines := []hospital.Bill{{Item: item, Amount: q.Amount}}
	var st hospital.Settled
	if q.Stay {
		st, err = h.Inpatient(w.ctx, p.CitizenID, p.Name, lines)
	} else {
		st, err = h.OutpatientBy(w.ctx, m, p.CitizenID, p.Name, lines)
	}
	if err != nil {
		return err
	}
	if err := w.explained(st.ID, got); err != nil {
		return err
	}
	got["fund"], got["share"], got["account"], got["cash"], got["total"] = st.Fund.String(), st.Share.String(), st.Account.String(), st.Cash.String(), st.Total.String()
	return nil
}

type activateStep struct {
	Who      string `yaml:"who"`
	Face     string `yaml:"face"`     // own (default), nobody, none
	SMS      string `yaml:"sms"`      // right (default), wrong, none
	Name     string `yaml:"name"`     // default: the person's
	Password string `yaml:"password"` // default: a good one
}

var digits = regexp.MustCompile(`\d{6}`)

// face is a picture of somebody, or of nobody.
func face(blank bool) ([]byte, error) {
	m := image.NewGray(image.Rect(0, 0, 8, 8))
	if !blank {
		m.Set(3, 3, color.White)
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	return b.Bytes(), err
}

// activate activates an e-credential on the person's phone, as they would.
func (w *World) activate(q *activateStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	a := credential.Activation{Name: p.Name, CitizenID: p.CitizenID, Phone: p.Phone, Password: "135790", Device: credential.Device{ID: "phone of " + p.ID}}
	if q.Name != "" {
		a.Name = q.Name
	}
	if q.Password != "" {
		a.Password = strings.TrimPrefix(q.Password, "none")
	}
	w.now = w.now.Add(credential.SMSPause)
	if err := w.update(func(tx *db.Tx) error { return w.srv.Credentials.SendSMS(w.ctx, tx, p.Phone, credential.ForActivation) }); err != nil {
		return err
	}
	if err := w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		all, err := outbox.Latest(w.ctx, tx, w.srv.Register.Sealer(), p.Phone, 1)
		if len(all) == 1 {
			a.SMS = digits.FindString(all[0].Text)
		}
		return err
	}); err != nil {
		return err
	}
	switch q.SMS {
	case "wrong":
		a.SMS = strings.Map(func(r rune) rune { return '0' + (r-'0'+1)%10 }, a.SMS)
	case "none":
		a.SMS = ""
	}
	if q.Face != "none" {
		if a.Image, err = face(q.Face == "nobody"); err != nil {
			return err
		}
	}
	_, err = w.srv.Credentials.Activate(w.ctx, a)
	e := w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		c, err := credential.Get(w.ctx, tx, p.ID)
		got["state"] = c.State.Title()
		if err == nil && q.refusedShouldStayInactive() && c.State == credential.Active {
			err = errors.New("activated")
		}
		return err
	})
	return errors.Join(err, e)
}

// refusedShouldStayInactive reports whether something is missing on purpose.
func (q *activateStep) refusedShouldStayInactive() bool {
	return q.Face != "" && q.Face != "own" || q.SMS != "" && q.SMS != "right" || q.Name != "" || strings.HasPrefix(q.Password, "none")
}

type scanStep struct {
	Who   string `yaml:"who"`
	At    string `yaml:"at"`    // provider's code
	Again bool   `yaml:"again"` // the code that was shown last
	Later string `yaml:"later"` // how long after it was shown
}

// scan has a provider scan a person's code over the interface (6101).
func (w *World) scan(q *scanStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	if !q.Again {
		if err := w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
			shown, err := w.srv.Credentials.Show(w.ctx, tx, p.ID, "phone of "+p.ID, "")
			w.codes[q.Who] = shown.Code
			return err
		}); err != nil {
			return err
		}
	}
	if q.Later != "" {
		d, err := time.ParseDuration(q.Later)
		if err != nil {
			return err
		}
		w.now = w.now.Add(d)
	}
	code := q.At
	if code == "" {
		code = "H99010000201"
	}
	h, err := w.provider(w.ctx, code)
	if err != nil {
		return err
	}
	out, err := h.Call(w.ctx, "6101", "", map[string]any{"InData": map[string]any{"orgId": code, "ecQrCode": w.codes[q.Who], "businessType": "01301", "operatorId": "01", "operatorName": "操作员", "officeId": "A03", "officeName": "内科"}})
	if err != nil {
		return err
	}
	b, _ := json.Marshal(out["OutData"])
	var answer map[string]any
	if err := json.Unmarshal(b, &answer); err != nil {
		return err
	}
	w.tokens[q.Who] = fmt.Sprint(answer["ecToken"])
	got["name"], got["region"] = fmt.Sprint(answer["userName"]), fmt.Sprint(answer["insuOrg"])
	if answer["idNo"] != p.CitizenID {
		return fmt.Errorf("the code is of %v", answer["idNo"])
	}
	return nil
}

type grantStep struct {
	Owner    string `yaml:"owner"`
	To       string `yaml:"to"`
	Relation string `yaml:"relation"`
	Yearly   string `yaml:"yearly"`
}

// grant lets a relative use an account.
func (w *World) grant(q *grantStep) error {
	owner, err := w.who(q.Owner)
	if err != nil {
		return err
	}
	to, err := w.who(q.To)
	if err != nil {
		return err
	}
	g := account.Grant{Owner: owner.ID, Beneficiary: to.ID}
	var ok bool
	if g.Relation, ok = policy.ParseRelative(q.Relation); !ok {
		return fmt.Errorf("relation %q; allowed: %s", q.Relation, strings.Join(policy.RelativeNames(), ", "))
	}
	if q.Yearly != "" {
		if g.Yearly, err = money.Parse(q.Yearly); err != nil {
			return err
		}
	}
	return w.update(func(tx *db.Tx) error { return w.accounts.Grant(w.ctx, tx, g, q.Owner) })
}

type closeStep struct {
	Who    string            `yaml:"who"`
	Reason string            `yaml:"reason"`
	Day    string            `yaml:"day"`
	Heirs  map[string]string `yaml:"heirs"` // name to amount
	To     string            `yaml:"to"`
}

// close closes an account.
func (w *World) close(q *closeStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	c := account.Closing{Person: p.ID, Reason: account.Reason(q.Reason), Day: w.today(), To: q.To, Actor: "经办"}
	if q.Day != "" {
		if c.Day, err = civil.Parse(q.Day); err != nil {
			return err
		}
	}
	var names []string
	for name := range q.Heirs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		heir, err := w.who(name)
		if err != nil {
			return err
		}
		amount, err := money.Parse(q.Heirs[name])
		if err != nil {
			return err
		}
		c.Heirs = append(c.Heirs, account.Heir{Person: heir.ID, Amount: amount})
	}
	return w.update(func(tx *db.Tx) error {
		closed, err := w.accounts.Close(w.ctx, tx, c)
		if err == nil {
			got["paid"] = closed.Paid.String()
		}
		return err
	})
}

// resolve ends duplicate insurance.
func (w *World) resolve(q *whoStep, got result) error {
	p, err := w.who(q.Who)
	if err != nil {
		return err
	}
	return w.update(func(tx *db.Tx) error {
		d, err := w.dues.Resolve(w.ctx, tx, p.ID, "经办")
		if err == nil {
			got["why"] = d.Why
		}
		return err
	})
}

type balanceStep struct {
	Who  string `yaml:"who"`  // of whose account
	Fund string `yaml:"fund"` // or of which fund, or bank, fiscal, held
}

// balance tells what an account or a fund holds.
func (w *World) balance(q *balanceStep, got result) error {
	name := map[string]string{"bank": fund.Bank("990100"), "fiscal": fund.Fiscal("990100"), "held": fund.Held("990100")}[q.Fund]
	switch {
	case q.Who != "":
		p, err := w.who(q.Who)
		if err != nil {
			return err
		}
		name = fund.PersonAccount(p.ID)
	case name == "":
		name = fund.FundAccount("990100", q.Fund)
	}
	return w.srv.DB.View(w.ctx, func(tx *db.Tx) error {
		b, err := fund.Balance(w.ctx, tx, name)
		got["balance"] = b.String()
		return err
	})
}
