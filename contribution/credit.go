package contribution

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Period is how often personal accounts are credited.
type Period string

// The periods.
const (
	Monthly Period = "month" // 按月划入
	Yearly  Period = "year"  // 按年计息
)

// CreditRequest asks to credit the personal accounts of a region (个人账户划入)
// with what the package allots from its funds: monthly, or the interest of a
// year (计息).
type CreditRequest struct {
	Region string
	Period Period
	Day    civil.Date // of the month, or in the year
	Actor  string
	// Progress, if set, is told after every step how far the run is.
	Progress func(Credited)
}

// Credited is what a run came to.
type Credited struct {
	People   int // in the region
	Looked   int // how many of them were looked at
	Credited int
	Amount   money.Fen
	Faults   []Fault
}

// Fault is a person whose account could not be credited, and why.
type Fault struct {
	Person string `json:"person"`
	Why    string `json:"why"` // in Chinese
}

// step is how many people one transaction credits: few enough that a settlement
// that waits for it does not wait long.
const step = 1_000

// Credit credits the accounts, a thousand people to a transaction. What was
// credited is known by the ledger itself: a run that was interrupted, or is
// made again, credits only those who were not, whoever else runs beside it.
func (s *Service) Credit(ctx context.Context, d *db.DB, q CreditRequest) (out Credited, err error) {
	if q.Period != Monthly && q.Period != Yearly {
		return out, &Error{"period", string(q.Period), "应为 month（按月划入）或 year（按年计息）"}
	}
	pkg, err := s.store.At(q.Region, q.Day)
	if err != nil {
		return out, inputError(err)
	}
	r := run{CreditRequest: q, from: civil.New(q.Day.Year(), q.Day.Month(), 1), ref: "allotment:" + q.Region + ":" + fmt.Sprint(int(q.Day)/100)}
	if q.Period == Yearly {
		_, last := pkg.BenefitYear(q.Day)
		r.from, r.ref = last, "interest:"+q.Region+":"+fmt.Sprint(int(last))
	}
	if today := dayOf(s.now()); r.from > today {
		return out, &Error{"day", q.Day.String(), "还没有到 " + r.from.String() + "，不能划入"}
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM person WHERE region = ?`, q.Region).Scan(&out.People)
	})
	if err != nil {
		return out, err
	}
	ctx = db.Bulk(ctx)
	for last := ""; ; {
		var some Credited
		var next string
		err := d.Update(ctx, func(tx *db.Tx) (err error) {
			some, next, err = s.credit(ctx, tx, &r, last)
			return err
		})
		if err != nil {
			return out, err
		}
		out.Looked += some.Looked
		out.Credited += some.Credited
		out.Amount += some.Amount
		out.Faults = append(out.Faults, some.Faults...)
		if next == "" {
			return out, nil
		}
		last = next
		if q.Progress != nil {
			q.Progress(out)
		}
	}
}

// run is one crediting of all accounts of a region.
type run struct {
	CreditRequest
	from civil.Date // the day by whose rules and insurance is credited
	ref  string     // what the entries of the run say that they are about
}

// entitled is a person who may be credited.
type entitled struct {
	id      string
	c       policy.Case
	balance money.Fen
	none    bool // not in the employees' insurance
	done    bool // credited before
}

// credit credits those who come after last, and says who was the last of them;
// "" if there are no more.
func (s *Service) credit(ctx context.Context, tx *db.Tx, r *run, last string) (out Credited, next string, err error) {
	// Two runs of a region happen one after the other, step by step.
	if err := tx.Lock(ctx, "contribution.credit:"+r.Region); err != nil {
		return out, "", err
	}
	people, err := s.entitled(ctx, tx, r, last)
	if err != nil || len(people) == 0 {
		return out, "", err
	}
	next = people[len(people)-1].id
	if err := s.recognise(ctx, tx, r, people, last, next); err != nil {
		return out, "", err
	}
	pkg, err := s.store.At(r.Region, r.from)
	if err != nil {
		return out, "", inputError(err)
	}
	paid := map[string]money.Fen{}
	e := fund.Entry{At: s.now(), Kind: "allotment", Ref: r.ref}
	for i := range people {
		p := &people[i]
		out.Looked++
		if p.none || p.done {
			continue
		}
		pkg.SetFact(&p.c, "balance", int64(p.balance))
		amount, err := s.allotted(&p.c, r.Period, paid)
		var fault *Error
		switch {
		case errors.As(err, &fault):
			out.Faults = append(out.Faults, Fault{p.id, fault.Want})
		case err != nil:
			return out, "", err
		case amount > 0:
			e.Postings = append(e.Postings, fund.Posting{Account: fund.PersonAccount(p.id), Amount: amount})
			out.Credited++
			out.Amount += amount
		}
	}
	for _, f := range pkg.Funds() {
		if paid[f.ID] > 0 {
			e.Postings = append(e.Postings, fund.Posting{Account: fund.FundAccount(r.Region, f.ID), Amount: -paid[f.ID]})
		}
	}
	if err := fund.Post(ctx, tx, e); err != nil || out.Credited == 0 {
		return out, next, err
	}
	return out, next, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: r.Actor, Chain: r.ref, Action: "account.credit", Subject: r.ref,
		Details: map[string]any{"people": out.Credited, "amount": out.Amount.String()}})
}

// allotted is what a case is allotted from funds, which is added to what they
// pay. What comes with a contribution is credited when that is paid.
func (s *Service) allotted(c *policy.Case, period Period, paid map[string]money.Fen) (sum money.Fen, err error) {
	items, err := s.store.Assess(policy.Allotment, c)
	if err != nil {
		return 0, inputError(err)
	}
	for _, a := range items {
		if a.Fund == nil || a.Period != string(period) {
			continue
		}
		if a.Unknown != "" {
			return 0, &Error{"account", "", a.Title + "：" + a.Unknown}
		}
	}
	for _, a := range items {
		if a.Fund != nil && a.Period == string(period) {
			sum += a.Amount
			paid[a.Fund.ID] += a.Amount
		}
	}
	return sum, nil
}

// entitled reads the next people of the region: monthly whether their
// employees' insurance is in force, yearly everybody. Their insurance, their
// accounts and what the run credited before are read by range, which costs the
// same however long the ledger is.
func (s *Service) entitled(ctx context.Context, tx *db.Tx, r *run, last string) ([]entitled, error) {
	people := make([]entitled, 0, step)
	// The length of the page stands in the text: a plan for any length would
	// read everybody.
	err := tx.Each(ctx, func(rows *db.Rows) error {
		p := entitled{c: policy.Case{Region: r.Region, Date: r.from, Scheme: policy.Employee}, none: r.Period == Monthly}
		err := rows.Scan(&p.id, &p.c.Birth, &p.c.Female)
		people = append(people, p)
		return err
	}, `SELECT id, birth, female FROM person WHERE id > ? AND region = ? ORDER BY id LIMIT `+strconv.Itoa(step), last, r.Region)
	if err != nil || len(people) == 0 {
		return nil, err
	}
	index := make(map[string]*entitled, len(people))
	for i := range people {
		index[fund.PersonAccount(people[i].id)] = &people[i]
	}
	from, to := fund.PersonAccount(people[0].id), fund.PersonAccount(people[len(people)-1].id)
	if r.Period == Monthly {
		err := tx.Later(ctx, func(rows *db.Rows) error {
			var id string
			var retired bool
			err := rows.Scan(&id, &retired)
			if p := index[fund.PersonAccount(id)]; p != nil {
				p.c.Retired, p.none = retired, false
			}
			return err
		}, `SELECT person, retired FROM insurance WHERE person >= ? AND person <= ? AND scheme = ? AND status = ? AND from_day <= ? AND (to_day = 0 OR to_day >= ?) AND benefits_from <= ?`,
			people[0].id, people[len(people)-1].id, policy.Employee, policy.Normal, int(r.from), int(r.from), int(r.from))
		if err != nil {
			return nil, err
		}
	}
	err = tx.Later(ctx, func(rows *db.Rows) error {
		var account string
		var balance money.Fen
		err := rows.Scan(&account, &balance)
		if p := index[account]; p != nil {
			p.balance = balance
		}
		return err
	}, `SELECT id, balance FROM account WHERE id >= ? AND id <= ?`, from, to)
	if err != nil {
		return nil, err
	}
	return people, errors.Join(tx.Later(ctx, func(rows *db.Rows) error {
		var account string
		err := rows.Scan(&account)
		if p := index[account]; p != nil {
			p.done = true
		}
		return err
	}, `SELECT x.account FROM posting x JOIN entry e ON e.id = x.entry WHERE x.account >= ? AND x.account <= ? AND x.day >= ? AND e.ref = ?`,
		from, to, int(r.from), r.ref), tx.Flush(ctx))
}

// recognise gives the people their classes on the day.
func (s *Service) recognise(ctx context.Context, tx *db.Tx, r *run, people []entitled, last, next string) error {
	index := make(map[string]int, len(people))
	for i := range people {
		index[people[i].id] = i
	}
	return tx.Each(ctx, func(rows *db.Rows) error {
		var id, class string
		if err := rows.Scan(&id, &class); err != nil {
			return err
		}
		if i, ok := index[id]; ok {
			set, _ := s.store.Class(class)
			people[i].c.Classes |= set
		}
		return nil
	}, `SELECT person, class FROM person_class WHERE person > ? AND person <= ? AND from_day <= ? AND (to_day = 0 OR to_day >= ?) ORDER BY person`,
		last, next, int(r.from), int(r.from))
}
