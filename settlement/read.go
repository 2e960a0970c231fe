package settlement

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// Filter chooses settlements; what is left out chooses all.
type Filter struct {
	Person   string
	Provider string // what it settled itself, not what people claimed
	Visit    string
	From, To civil.Date // day of the discharge or the visit, both included
	Limit    int        // at most so many, the newest; 0 is 100
}

// maxList bounds one list.
const maxList = 1000

// List lists the settlements that the filter chooses, newest first. They hold
// the amounts, not the case, the stages, the lines and the steps: see Get.
func (s *Service) List(ctx context.Context, tx *db.Tx, f Filter) ([]*Settlement, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(condition string, arg any) {
		where, args = append(where, condition), append(args, arg)
	}
	if f.Person != "" {
		add("s.person = ?", f.Person)
	}
	if f.Provider != "" {
		add("s.claim = '' AND s.provider = ?", f.Provider)
	}
	if f.Visit != "" {
		add("s.visit = ?", f.Visit)
	}
	if f.From != 0 {
		add("s.day >= ?", int(f.From))
	}
	if f.To != 0 {
		add("s.day <= ?", int(f.To))
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	rows, err := s.rows(ctx, tx, `WHERE `+strings.Join(where, " AND ")+` ORDER BY s.at DESC, s.n DESC LIMIT ?`, append(args, min(f.Limit, maxList))...)
	out := make([]*Settlement, len(rows))
	for i := range rows {
		out[i] = &rows[i].Settlement
	}
	return out, err
}

// MadeOn lists what a provider settled and reversed on a day, oldest first, as
// List does, however many there are: what its till took in and gave back.
func (s *Service) MadeOn(ctx context.Context, tx *db.Tx, prov string, day civil.Date) ([]*Settlement, error) {
	next := civil.Of(day.Time().AddDate(0, 0, 1))
	rows, err := s.rows(ctx, tx, `WHERE s.provider = ? AND s.at >= ? AND s.at < ? ORDER BY s.at, s.n`, prov, day.String()+"T", next.String()+"T")
	out := make([]*Settlement, len(rows))
	for i := range rows {
		out[i] = &rows[i].Settlement
	}
	return out, err
}

// Recent lists the latest settlements, newest first, as List does.
func (s *Service) Recent(ctx context.Context, tx *db.Tx, n int) ([]*Settlement, error) {
	return s.List(ctx, tx, Filter{Limit: n})
}

// Get finds a settlement as it was made, with its explanation, whatever became
// of its package since; ok is false if there is none of that id.
func (s *Service) Get(ctx context.Context, tx *db.Tx, id string) (st *Settlement, ok bool, err error) {
	rows, err := s.rows(ctx, tx, `WHERE s.id = ?`, id)
	if err != nil || len(rows) == 0 {
		return nil, false, err
	}
	st = &rows[0].Settlement
	if err := s.details(&rows[0]); err != nil {
		return nil, false, fmt.Errorf("settlement %s: %w", id, err)
	}
	if st.Result.FamilyAccount != 0 {
		st.Family, err = account.Shares(ctx, tx, id)
	}
	return st, true, err
}

// row is a settlement as it is stored.
type row struct {
	Settlement
	n                   int64
	document            document
	funds               string
	total, inScope      money.Fen
	fund, account, cash money.Fen
	stayBorne           money.Fen
}

// rows reads settlements with their amounts.
func (s *Service) rows(ctx context.Context, tx *db.Tx, where string, args ...any) ([]row, error) {
	var out []row
	err := tx.Each(ctx, func(rs *db.Rows) error {
		var r row
		var at string
		var stored []byte
		c, res := &r.Case, &r.Result
		if err := rs.Scan(&r.ID, &r.n, &r.Visit.ID, &at, &r.Invoice, &r.Note, &r.funds, &stored, &res.Ratio, &res.Hospital,
			&c.Region, &c.Scheme, &c.Visit, &c.Date, &r.total, &r.inScope, &r.fund, &r.account, &r.cash,
			&r.Reverses, &r.Replaces, &r.ReversedBy, &r.place, &r.stayBorne); err != nil {
			return err
		}
		var err error
		if r.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return err
		}
		if r.document, err = unpack(stored); err == nil {
			err = s.answer(&r)
		}
		if err != nil {
			return fmt.Errorf("settlement %s: %w", r.ID, err)
		}
		out = append(out, r)
		return nil
	}, `SELECT s.id, s.n, s.visit, s.at, s.invoice, s.note, s.funds, s.document, s.ratio, s.hospital,
		s.region, s.scheme, s.kind, s.day, s.total, s.in_scope, s.fund, s.account, s.cash,
		s.reverses, s.replaces, COALESCE((SELECT r.id FROM settlement r WHERE r.reverses = s.id AND r.reverses <> ''), ''), s.place, s.stay_borne FROM settlement s `+where, args...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		r := &out[i]
		if r.Visit, _, err = s.GetVisit(ctx, tx, r.Visit.ID); err != nil {
			return nil, err
		}
		if r.Person, err = s.person(ctx, tx, r.Visit); err != nil {
			return nil, err
		}
		p, _, err := provider.Get(ctx, tx, r.Visit.Provider)
		if err != nil {
			return nil, err
		}
		r.Provider = p.On(dayOf(r.Visit.Begun))
	}
	return out, nil
}

// answer reads the stored answer into the result.
func (s *Service) answer(r *row) error {
	var a struct {
		Decision, Reason      string
		Recourse              bool
		Total, Deductible     money.Fen
		FullOwnPay            money.Fen `json:"full_own_pay"`
		OverCeiling           money.Fen `json:"over_ceiling"`
		FirstOwnPay           money.Fen `json:"first_own_pay"`
		InScope               money.Fen `json:"in_scope"`
		CivilServant          money.Fen `json:"civil_servant"`
		LargeAmount           money.Fen `json:"large_amount"`
		Basic, Enterprise     money.Fen
		Catastrophic          money.Fen
		Assistance, Other     money.Fen
		Fund, Person, Account money.Fen
		FamilyAccount         money.Fen `json:"family_account"`
		Cash                  money.Fen
		YearToDate            map[string]money.Fen `json:"year_to_date"`
		NextYear              map[string]money.Fen `json:"next_year_to_date"`
		Policy                struct {
			Region, Version, Plan string
			From                  civil.Date
		}
	}
	if err := json.Unmarshal(r.document.Result, &a); err != nil {
		return err
	}
	res := &r.Result
	res.Refused, res.Reason, res.Recourse = a.Decision == "refuse", a.Reason, a.Recourse
	res.Total, res.FullOwnPay, res.OverCeiling, res.FirstOwnPay, res.InScope = a.Total, a.FullOwnPay, a.OverCeiling, a.FirstOwnPay, a.InScope
	res.Deductible, res.FundTotal, res.Person = a.Deductible, a.Fund, a.Person
	res.Account, res.FamilyAccount, res.Cash = a.Account, a.FamilyAccount, a.Cash
	res.Fund = [policy.NumCategories]money.Fen{
		policy.Basic: a.Basic, policy.CivilServant: a.CivilServant, policy.Enterprise: a.Enterprise, policy.Catastrophic: a.Catastrophic,
		policy.LargeAmount: a.LargeAmount, policy.Assistance: a.Assistance, policy.Other: a.Other,
	}
	res.Divided = a.NextYear != nil
	res.Package = &policy.Package{Region: a.Policy.Region, Version: a.Policy.Version, From: a.Policy.From}
	for _, p := range s.store.Versions(a.Policy.Region) {
		if p.From == a.Policy.From {
			res.Package = p
		}
	}
	for name, amount := range a.YearToDate {
		if slot := res.Package.AccumulatorSlot(name); slot >= 0 {
			res.YearToDate[slot] = amount
		}
	}
	for name, amount := range a.NextYear {
		if slot := res.Package.AccumulatorSlot(name); slot >= 0 {
			res.NextYear[slot] = amount
		}
	}
	if a.Policy.Plan != "" {
		res.Plan = &policy.Plan{ID: a.Policy.Plan, Title: a.Policy.Plan}
		for _, p := range res.Package.Plans() {
			if p.ID == a.Policy.Plan {
				res.Plan = p
			}
		}
	}
	return nil
}

// details reads the document: the case, the stages, the lines and the steps.
func (s *Service) details(r *row) (err error) {
	if err := calc.NewDecoder(s.store).Decode(r.document.Case, &r.Case); err != nil {
		return err
	}
	r.Case.Lines = append([]policy.Line(nil), r.Case.Lines...) // the decoder's own
	r.Balance = max(0, r.Case.Account-(r.Result.Account-r.Result.FamilyAccount))
	if r.Steps, err = r.document.steps(); err != nil {
		return err
	}
	res := &r.Result
	if err := r.document.stages(res); err != nil {
		return err
	}
	for _, l := range r.document.Lines {
		res.Lines = append(res.Lines, l.LineSplit)
	}
	if len(res.Lines) != len(r.Case.Lines) {
		err = fmt.Errorf("%d lines are stored, the case has %d", len(res.Lines), len(r.Case.Lines))
	}
	return err
}

// Counts says how much the store holds, for people to see.
func Counts(ctx context.Context, tx *db.Tx) (people, settlements int, err error) {
	err = tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM person), (SELECT COUNT(*) FROM settlement)`).Scan(&people, &settlements)
	return people, settlements, err
}

// Waiting is a fee line that no settlement that stands settled, less what was
// taken back of it.
type Waiting struct {
	Fee
	Name  string
	Class policy.LineClass
}

// WaitingFees lists the fees of a visit that wait to be settled, in the order in
// which they came. Lines taken back whole are not among them.
func (s *Service) WaitingFees(ctx context.Context, tx *db.Tx, visit string) (out []Waiting, err error) {
	at := map[string]int{}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var w Waiting
		var amount int64
		if err := rows.Scan(&w.Serial, &w.Original, &w.Item, &w.Name, &w.Quantity, &w.Price, &amount, &w.Class); err != nil {
			return err
		}
		w.Amount = money.Fen(amount)
		if i, ok := at[w.Original]; ok && w.Original != "" {
			out[i].Quantity += w.Quantity
			out[i].Amount += w.Amount
			return nil
		}
		at[w.Serial] = len(out)
		out = append(out, w)
		return nil
	}, `SELECT f.serial, f.original, f.item, f.name, f.quantity, f.price, f.amount, f.class FROM fee f WHERE f.visit = ? AND `+unsettled+` ORDER BY f.n`, visit)
	return slices.DeleteFunc(out, func(w Waiting) bool { return w.Quantity == 0 }), err
}
