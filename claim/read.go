package claim

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
)

const columns = `id, person, region, reason, kind, state, returned, before, proposal, provider, from_day, to_day, total, channel, entered, accepted, reviewed, decided, due, made, details`

func (s *Service) scan(rows *db.Rows) (*Claim, error) {
	c := &Claim{}
	var made string
	var sealed []byte
	if err := rows.Scan(&c.ID, &c.Person, &c.Region, &c.Reason, &c.Kind, &c.State, &c.Back, &c.Before, &c.Proposal, &c.Provider, &c.From, &c.To, &c.Total,
		&c.Channel, &c.Entered, &c.Accepter, &c.Reviewer, &c.Decided, &c.Due, &made, &sealed); err != nil {
		return nil, err
	}
	text, err := s.sealer.Open(sealDetails, sealed)
	if err == nil {
		err = json.Unmarshal([]byte(text), &c.Details)
	}
	if err == nil {
		c.Made, err = time.Parse(time.RFC3339Nano, made)
	}
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", c.ID, err)
	}
	return c, nil
}

// list reads claims without their invoices, lines, steps and settlements.
func (s *Service) list(ctx context.Context, tx *db.Tx, where string, args ...any) (all []*Claim, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		c, err := s.scan(rows)
		all = append(all, c)
		return err
	}, `SELECT `+columns+` FROM claim WHERE `+where, args...)
	return all, err
}

// Get finds a claim with all that belongs to it; ok is false if there is none.
func (s *Service) Get(ctx context.Context, tx *db.Tx, id string) (c *Claim, ok bool, err error) {
	all, err := s.list(ctx, tx, `id = ?`, id)
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	c = all[0]
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var v Invoice
		err := rows.Scan(&v.N, &v.Code, &v.Number, &v.Original, &v.Day, &v.Total)
		c.Invoices = append(c.Invoices, v)
		return err
	}, `SELECT n, code, number, original, day, total FROM claim_invoice WHERE claim = ? ORDER BY n`, id); err != nil {
		return nil, false, err
	}
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var l Line
		err := rows.Scan(&l.Invoice, &l.N, &l.Item, &l.Name, &l.Day, &l.Quantity, &l.Price, &l.Amount, &l.Refused)
		c.Lines = append(c.Lines, l)
		return err
	}, `SELECT invoice, n, item, name, day, quantity, price, amount, refused FROM claim_line WHERE claim = ? ORDER BY invoice, n`, id); err != nil {
		return nil, false, err
	}
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var x Step
		var at string
		err := rows.Scan(&x.State, &at, &x.Actor, &x.Note)
		if err == nil {
			x.At, err = time.Parse(time.RFC3339Nano, at)
		}
		c.Steps = append(c.Steps, x)
		return err
	}, `SELECT state, at, actor, note FROM claim_step WHERE claim = ? ORDER BY n`, id); err != nil {
		return nil, false, err
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var st string
		err := rows.Scan(&st)
		c.Settlements = append(c.Settlements, st)
		return err
	}, `SELECT s.id FROM settlement s WHERE s.claim = ? AND s.person = ? AND s.reverses = '' AND NOT EXISTS (SELECT 1 FROM settlement r WHERE r.reverses = s.id AND r.reverses <> '') ORDER BY s.n`, id, c.Person)
	return c, err == nil, err
}

// OfPerson lists a person's claims, the latest first.
func (s *Service) OfPerson(ctx context.Context, tx *db.Tx, person string) ([]*Claim, error) {
	return s.list(ctx, tx, `person = ? ORDER BY made DESC LIMIT 200`, person)
}

// Filter chooses claims for officers; what is left out chooses all.
type Filter struct {
	Region        string
	State         State
	LateOn        civil.Date // only those that are late on the day
	Offset, Limit int
}

// Queue lists claims that were submitted, those first that are due first.
func (s *Service) Queue(ctx context.Context, tx *db.Tx, f Filter) ([]*Claim, error) {
	where, args := []string{"state <> ?"}, []any{string(Draft)}
	if f.Region != "" {
		where, args = append(where, "region = ?"), append(args, f.Region)
	}
	if f.State != "" {
		where, args = append(where, "state = ?"), append(args, string(f.State))
	}
	if f.LateOn != 0 {
		where, args = append(where, "due <> 0 AND due < ? AND state NOT IN (?, ?, ?, ?)"), append(args, int(f.LateOn), string(Paid), string(Closed), string(Refused), string(Withdrawn))
	}
	return s.list(ctx, tx, strings.Join(where, " AND ")+` ORDER BY CASE WHEN due = 0 THEN 99999999 ELSE due END, made, id LIMIT ? OFFSET ?`, append(args, max(f.Limit, 1), f.Offset)...)
}

// Counts says how many claims of a region ("": all) are in each state.
func (s *Service) Counts(ctx context.Context, tx *db.Tx, region string) (map[State]int, error) {
	out := map[State]int{}
	where, args := "", []any{}
	if region != "" {
		where, args = " WHERE region = ?", append(args, region)
	}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var st State
		var n int
		err := rows.Scan(&st, &n)
		out[st] = n
		return err
	}, `SELECT state, COUNT(*) FROM claim`+where+` GROUP BY state`, args...)
	return out, err
}

// Owed is what the funds owe by a claim and have not paid yet.
func (s *Service) Owed(ctx context.Context, tx *db.Tx, c *Claim) (money.Fen, error) {
	return fund.Balance(ctx, tx, fund.Claim(c.ID))
}

// Twin is a trace of an invoice elsewhere.
type Twin struct{ Claim, Settlement string }

// twin finds where an invoice counts already: in another claim, or in a
// settlement that stands; ok is false if nowhere.
func twin(ctx context.Context, tx *db.Tx, claim, code, number string) (t Twin, ok bool, err error) {
	err = tx.QueryRow(ctx, `SELECT claim FROM claim_invoice_key WHERE key = ? AND claim <> ?`, key(code, number), claim).Scan(&t.Claim)
	if err == nil || !db.IsNotFound(err) {
		return t, err == nil, err
	}
	err = tx.QueryRow(ctx, `SELECT s.id FROM settlement s WHERE s.invoice <> '' AND s.invoice IN (?, ?) AND s.claim <> ? AND s.reverses = '' AND NOT EXISTS (SELECT 1 FROM settlement r WHERE r.reverses = s.id AND r.reverses <> '') ORDER BY s.n LIMIT 1`,
		code+number, number, claim).Scan(&t.Settlement)
	if db.IsNotFound(err) {
		return t, false, nil
	}
	return t, err == nil, err
}
