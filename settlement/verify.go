package settlement

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// page is how many settlements Verify holds at one time.
const page = 200

// Verify proves that the ledger, the sums of the year, the settlements and the
// audit record agree, and says where they do not. Every settlement is computed
// again from the snapshot it was made from, and every one that stands also from
// the sums of those that stand before it: what was reversed left no trace in
// the year. Every reversal is the opposite of what it reversed.
func (s *Service) Verify(ctx context.Context, tx *db.Tx) error {
	if err := fund.Verify(ctx, tx); err != nil {
		return err
	}
	if err := audit.Verify(ctx, tx); err != nil {
		return err
	}
	v := verifier{s: s, dec: calc.NewDecoder(s.store), moved: sumsMoved{}}
	for last := (row{}); ; {
		rows, err := s.rows(ctx, tx, `WHERE s.person > ? OR s.person = ? AND (s.place > ? OR s.place = ? AND s.n > ?) ORDER BY s.person, s.place, s.n LIMIT ?`,
			last.Person.ID, last.Person.ID, last.place, last.place, last.n, page)
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].Person.ID != last.Person.ID {
				v.count(last.Person.ID)
				v.history = newHistory()
			}
			if err := v.verify(ctx, tx, &rows[i]); err != nil {
				return fmt.Errorf("settlement %s: %w", rows[i].ID, err)
			}
			last = rows[i]
		}
		if len(rows) < page {
			v.count(last.Person.ID)
			break
		}
	}
	if err := errors.Join(unreferenced(ctx, tx), account.Verify(ctx, tx)); err != nil {
		return err
	}
	var aided int
	if err := tx.QueryRow(ctx, `SELECT COUNT(DISTINCT settlement) FROM family_aid_use WHERE settlement NOT LIKE 'wallet%'`).Scan(&aided); err != nil {
		return err
	}
	if aided != v.aided {
		return fmt.Errorf("family members' accounts are said to pay of %d settlements, decided was of %d", aided, v.aided)
	}
	return v.moved.verify(ctx, tx)
}

// A verifier goes through the settlements of one person after the other, in
// the order of their places.
type verifier struct {
	s       *Service
	dec     *calc.Decoder
	moved   sumsMoved
	aided   int      // settlements that family members' accounts paid of
	history *history // of the person, what stands
}

// count keeps how many visits of the person stand, by kind and year.
func (v *verifier) count(person string) {
	if v.history == nil {
		return
	}
	for k, visits := range v.history.visits {
		v.moved[sumKey{person, k.region, k.scheme, k.year, visitCount(k.kind)}] += money.Fen(len(visits))
	}
}

// verify computes one settlement again and compares it with all that was
// written of it.
func (v *verifier) verify(ctx context.Context, tx *db.Tx, r *row) error {
	if err := v.dec.Decode(r.document.Case, &r.Case); err != nil {
		return err
	}
	if r.Reverses != "" {
		return v.reversal(ctx, tx, r)
	}
	stored := r.Result // its amounts, as read from the stored answer
	var again policy.Result
	if err := v.s.store.Settle(&r.Case, &again, nil); err != nil {
		return err
	}
	name, err := differs(calc.AppendResult(nil, &again, nil), r.document.Result)
	switch {
	case err != nil:
		return err
	case name != "":
		return fmt.Errorf("computed again it gives another %s: the package was changed after the settlement", name)
	case stored.Ratio != again.Ratio || stored.Hospital != again.Hospital:
		return errors.New("computed again it gives another ratio or hospital's part: the package was changed after the settlement")
	case r.stayBorne != stayBorne(&again):
		return errors.New("it bore another deductible of the stay than is kept")
	case amountsDiffer(r, &again):
		return errors.New("its amounts and its answer differ")
	}
	if err := identities(&r.Case, &again, r.total); err != nil {
		return err
	}
	if err := parts(ctx, tx, r, &again); err != nil {
		return err
	}
	r.Result = again
	if err := posted(ctx, tx, &r.Settlement); err != nil {
		return err
	}
	if r.Result.FamilyAccount != 0 {
		v.aided++
	}
	v.moved.add(r.Person.ID, &r.Case, &again)
	if r.ReversedBy != "" {
		return nil
	}
	asked := v.history.restate(again.Package, r.Visit.ID, r.Case)
	if asked.YearToDate != r.Case.YearToDate || asked.NextYear != r.Case.NextYear || asked.Nth != max(r.Case.Nth, 1) || asked.StayBorne != r.Case.StayBorne {
		var replayed policy.Result
		if err := v.s.store.Settle(&asked, &replayed, nil); err != nil {
			return err
		}
		if !sameOutcome(&r.Case, &again, &asked, &replayed) {
			return fmt.Errorf("replayed from what stands before it, funds pay %s and the person %s; settled were %s and %s",
				replayed.FundTotal, replayed.Person, again.FundTotal, again.Person)
		}
	}
	v.history.add(r.Visit.ID, &r.Case, &again, r.stayBorne)
	return nil
}

func amountsDiffer(r *row, want *policy.Result) bool {
	return r.inScope != want.InScope || r.total != want.Total || r.fund != want.FundTotal || r.account != want.Account || r.cash != want.Cash
}

// reversal checks that a reversal is the opposite of what it reversed.
func (v *verifier) reversal(ctx context.Context, tx *db.Tx, r *row) error {
	rows, err := v.s.rows(ctx, tx, `WHERE s.id = ?`, r.Reverses)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("it reverses %s, which is not there", r.Reverses)
	}
	old := &rows[0]
	if err := v.s.details(old); err != nil {
		return err
	}
	want := negated(&old.Result)
	want.YearToDate, want.NextYear = r.Result.YearToDate, r.Result.NextYear
	name, err := differs(calc.AppendResult(nil, &want, nil), r.document.Result)
	switch {
	case err != nil:
		return err
	case name != "":
		return fmt.Errorf("its %s is not the opposite of what it reversed", name)
	case r.Result.Hospital != want.Hospital || amountsDiffer(r, &want):
		return errors.New("its amounts are not the opposite of what it reversed")
	case r.Person.ID != old.Person.ID || r.Visit.ID != old.Visit.ID || r.Case.Region != old.Case.Region || r.Case.Scheme != old.Case.Scheme:
		return errors.New("it and what it reversed are not of the same visit and insurance")
	}
	for i := range want.YearToDate {
		if r.Result.YearToDate[i]-r.Case.YearToDate[i] != old.Case.YearToDate[i]-old.Result.YearToDate[i] ||
			want.Divided && r.Result.NextYear[i]-r.Case.NextYear[i] != old.Case.NextYear[i]-old.Result.NextYear[i] {
			return errors.New("it moved the sums of the year otherwise than what it reversed")
		}
	}
	if err := parts(ctx, tx, r, &want); err != nil {
		return err
	}
	r.Result = want
	if err := posted(ctx, tx, &r.Settlement); err != nil {
		return err
	}
	if r.Result.FamilyAccount != 0 {
		v.aided++
	}
	v.moved.add(r.Person.ID, &r.Case, &r.Result)
	return nil
}

// differs names the first field but the steps in which two answers differ, or
// "".
func differs(a, b []byte) (string, error) {
	if bytes.Equal(a, b) {
		return "", nil
	}
	var x, y map[string]any
	if err := json.Unmarshal(a, &x); err != nil {
		return "", err
	}
	if err := json.Unmarshal(b, &y); err != nil {
		return "", err
	}
	delete(x, "steps")
	delete(y, "steps")
	for _, k := range slices.Sorted(maps.Keys(x)) {
		if !reflect.DeepEqual(x[k], y[k]) {
			return k, nil
		}
	}
	if len(x) != len(y) {
		return "answer", nil
	}
	return "", nil
}

// parts compares the stored stages, lines and fees with the result.
func parts(ctx context.Context, tx *db.Tx, r *row, want *policy.Result) error {
	for i, k := range r.document.Stages {
		if i >= want.NumStages {
			return fmt.Errorf("it has more stages than the %d decided", want.NumStages)
		}
		sp, id := want.StagePays[i], ""
		if sp.Fund != nil {
			id = sp.Fund.ID
		}
		if k.Stage != sp.Stage.ID || k.Fund != id || money.Fen(k.Paid) != sp.Paid {
			return fmt.Errorf("stage %d is %s of %q paying %s, decided was %s of %q paying %s", i+1, k.Stage, k.Fund, money.Fen(k.Paid), sp.Stage.ID, id, sp.Paid)
		}
	}
	n := len(r.document.Stages)
	if n != want.NumStages {
		return fmt.Errorf("it has %d stages, decided were %d", n, want.NumStages)
	}
	if funds := string(appendFunds(nil, want)); r.funds != funds {
		return fmt.Errorf("funds pay %s, decided was %s", r.funds, funds)
	}
	if n = len(r.document.Lines); n != len(want.Lines) {
		return fmt.Errorf("it has %d lines, decided were %d", n, len(want.Lines))
	}
	for i, l := range r.document.Lines {
		if l.LineSplit != want.Lines[i] {
			return fmt.Errorf("line %d is not divided as decided", i+1)
		}
	}
	// A settlement that stands marks its fees; those of one that does not were
	// copied aside.
	query, args, sum := `SELECT COALESCE(SUM(f.amount), 0) `+settledBy, []any{r.Visit.ID, r.ID}, want.Total
	switch {
	case r.ReversedBy != "":
		query, args = `SELECT COALESCE(SUM(amount), 0) FROM reversed_fee WHERE settlement = ?`, []any{r.ID}
	case r.Reverses != "":
		sum = 0
	}
	var fees money.Fen
	if err := tx.QueryRow(ctx, query, args...).Scan(&fees); err != nil {
		return err
	}
	if fees != sum {
		return fmt.Errorf("its fees sum to %s, settled was %s", fees, want.Total)
	}
	return nil
}

// posted checks that the ledger holds exactly the settlement's postings.
func posted(ctx context.Context, tx *db.Tx, st *Settlement) error {
	var err error
	if st.Result.FamilyAccount != 0 {
		if st.Family, err = account.Shares(ctx, tx, st.ID); err != nil {
			return err
		}
	}
	var family money.Fen
	for _, x := range st.Family {
		family += x.Amount
	}
	if family != st.Result.FamilyAccount {
		return fmt.Errorf("family members' accounts pay %s, decided was %s", family, st.Result.FamilyAccount)
	}
	want := map[string]money.Fen{}
	for _, p := range postings(st) {
		want[p.Account] += p.Amount
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var account string
		var amount int64
		if err := rows.Scan(&account, &amount); err != nil {
			return err
		}
		want[account] -= money.Fen(amount)
		return nil
	}, `SELECT p.account, p.amount FROM posting p JOIN entry e ON e.id = p.entry WHERE e.ref = ? AND e.kind = ?`, st.ID, entryKind(st))
	if err != nil {
		return err
	}
	var wrong []string
	for _, account := range slices.Sorted(maps.Keys(want)) {
		if left := want[account]; left != 0 {
			wrong = append(wrong, account+" by "+left.String())
		}
	}
	if len(wrong) > 0 {
		return errors.New("it and its ledger entry differ: " + strings.Join(wrong, ", "))
	}
	return nil
}

// unreferenced finds what belongs to a settlement or a fee that is not there, and
// fees that belong to two.
func unreferenced(ctx context.Context, tx *db.Tx) error {
	for what, query := range map[string]string{
		"ledger entry is of settlement": `SELECT ref FROM entry WHERE kind IN ('settlement', 'reversal') AND NOT EXISTS (SELECT 1 FROM settlement WHERE settlement.id = entry.ref) ORDER BY ref LIMIT 1`,
		"settled fee is of settlement":  `SELECT settlement FROM settled WHERE NOT EXISTS (SELECT 1 FROM settlement WHERE settlement.id = settled.settlement) ORDER BY settlement LIMIT 1`,
		"detail is of fee": `SELECT d.visit || ' ' || d.serial FROM fee_detail d WHERE
			d.settlement = '' AND NOT EXISTS (SELECT 1 FROM fee f WHERE f.visit = d.visit AND f.serial = d.serial) OR
			d.settlement <> '' AND NOT EXISTS (SELECT 1 FROM reversed_fee f WHERE f.settlement = d.settlement AND f.serial = d.serial) ORDER BY d.visit, d.serial LIMIT 1`,
	} {
		var id string
		err := tx.QueryRow(ctx, query).Scan(&id)
		if err == nil {
			return fmt.Errorf("a %s %s, which is not there", what, id)
		}
		if !db.IsNotFound(err) {
			return err
		}
	}
	var one, other string
	err := tx.QueryRow(ctx, `SELECT a.settlement, b.settlement FROM settled a JOIN settled b ON b.visit = a.visit AND b.first > a.first AND b.first <= a.last
		ORDER BY a.visit, a.first LIMIT 1`).Scan(&one, &other)
	if err == nil {
		return fmt.Errorf("a fee is settled twice, by %s and %s", one, other)
	}
	if !db.IsNotFound(err) {
		return err
	}
	return nil
}

// sumKey is one sum of a person's benefit year.
type sumKey struct {
	person, region string
	scheme         policy.Scheme
	year           civil.Date
	name           string
}

// sumsMoved are the sums of the year as the settlements moved them.
type sumsMoved map[sumKey]money.Fen

func (m sumsMoved) add(person string, c *policy.Case, r *policy.Result) {
	year := func(day civil.Date, before, after *policy.Accumulators) {
		from, _ := r.Package.BenefitYear(day)
		for i, name := range r.Package.Accumulators() {
			if d := after[i] - before[i]; d != 0 {
				m[sumKey{person, c.Region, c.Scheme, from, name}] += d
			}
		}
	}
	if r.Divided {
		year(c.Admitted, &c.YearToDate, &r.YearToDate)
		year(c.Date, &c.NextYear, &r.NextYear)
		return
	}
	year(c.Date, &c.YearToDate, &r.YearToDate)
}

// verify compares them with the sums that are kept.
func (m sumsMoved) verify(ctx context.Context, tx *db.Tx) error {
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var k sumKey
		var stored string
		if err := rows.Scan(&k.person, &k.region, &k.scheme, &k.year, &stored); err != nil {
			return err
		}
		a, err := readAmounts(stored)
		if err != nil {
			return fmt.Errorf("sums of %s of person %s: %w", k.year, k.person, err)
		}
		for _, k.name = range slices.Sorted(maps.Keys(a)) {
			if amount := money.Fen(a[k.name]); m[k] != amount {
				return fmt.Errorf("sums of %s: %s of person %s is %s, the settlements sum to %s", k.year, k.name, k.person, amount, m[k])
			}
			delete(m, k)
		}
		return nil
	}, `SELECT person, region, scheme, year_start, amounts FROM year_sum`)
	if err != nil {
		return err
	}
	for k, v := range m {
		if v != 0 {
			return fmt.Errorf("sums of %s: %s of person %s is missing, the settlements sum to %s", k.year, k.name, k.person, v)
		}
	}
	return nil
}
