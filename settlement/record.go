package settlement

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// identities checks what must hold for every settlement before it is posted.
// total is what the fee lines sum to.
func identities(c *policy.Case, r *policy.Result, total money.Fen) error {
	var funds money.Fen
	for _, f := range r.Fund {
		funds += f
	}
	var lines money.Fen
	for i := range c.Lines {
		lines += c.Lines[i].Amount
		l := r.Lines[i]
		if l.FullOwnPay+l.OverCeiling+l.FirstOwnPay+l.InScope != c.Lines[i].Amount {
			return fmt.Errorf("identity of line %d does not hold", i)
		}
	}
	if r.FamilyAccount != 0 {
		return fmt.Errorf("a family account pays %s, but there is none in the ledger", r.FamilyAccount)
	}
	if r.Total != total || r.Total != lines || r.Total != r.FullOwnPay+r.OverCeiling+r.FirstOwnPay+r.InScope ||
		r.Total != r.FundTotal+r.Person+r.Hospital || r.FundTotal != funds || r.Person != r.Account+r.Cash ||
		r.Cash < 0 || r.Account < 0 || r.FundTotal < 0 {
		return fmt.Errorf("the identities between the amounts do not hold: %s", calc.AppendResult(nil, r, nil))
	}
	return nil
}

// record writes a settlement and all that follows from it.
func (s *Service) record(ctx context.Context, tx *db.Tx, st *Settlement, q SettleRequest, lines []netLine) error {
	if err := s.writeRow(ctx, tx, st); err != nil {
		return err
	}
	serials := make([]string, 0, len(lines))
	for _, l := range lines {
		if l.quantity != 0 {
			serials = append(serials, l.serial)
		}
	}
	if err := writeParts(ctx, tx, st, serials); err != nil {
		return err
	}
	if err := markFees(ctx, tx, st, q.Batch == "" && q.until(st) == 0, lines); err != nil {
		return err
	}
	if stay(st.Visit.Kind) && !q.MidStay {
		forgetVisit(tx, st.Visit.ID)
		if err := tx.Exec(ctx, `UPDATE visit SET closed = 1 WHERE id = ?`, st.Visit.ID); err != nil {
			return err
		}
	}
	return s.post(ctx, tx, st, "settle", q.Actor)
}

// writeRow writes the row of a settlement.
func (s *Service) writeRow(ctx context.Context, tx *db.Tx, st *Settlement) error {
	r, c := &st.Result, &st.Case
	n := db.NextID()
	if st.place == 0 {
		st.place = n
	}
	first, year := years(r.Package, c)
	last := year
	if r.Divided && !r.Package.StayCounts() {
		last = first
	}
	kase := calc.AppendCase(nil, s.store, r.Package, c)
	if len(kase) > calc.MaxBytes { // it could not be read back
		return &Error{"batch", "", "费用明细过多；请按收费批次分次结算"}
	}
	steps, err := json.Marshal(keepSteps(st.Steps))
	if err != nil {
		return err
	}
	return tx.Exec(ctx, `INSERT INTO settlement (id, visit, person, provider, n, at, region, scheme, kind, day, year_start, package, refused, total, fund, account, cash, invoice, kase, result, ratio, hospital, note, steps,
			reverses, replaces, place, counts_from, counts_to, stay_borne)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		st.ID, st.Visit.ID, st.Person.ID, st.Provider.Code, n, st.At.Format(time.RFC3339Nano), c.Region, c.Scheme, c.Visit, int(c.Date), int(year),
		r.Package.From.String()+" "+r.Package.Version, r.Refused, int64(r.Total), int64(r.FundTotal), int64(r.Account), int64(r.Cash), st.Invoice,
		string(kase), string(calc.AppendResult(nil, r, nil)),
		int64(r.Ratio), int64(r.Hospital), st.Note, string(steps),
		st.Reverses, st.Replaces, st.place, int(first), int(last), int64(stayBorne(r)))
}

// stayBorne is what a result bore of deductibles per stay: those of a year have
// their own sums.
func stayBorne(r *policy.Result) (borne money.Fen) {
	for _, sp := range r.Stages() {
		if sp.Stage.DeductiblePerVisit() {
			borne += sp.Deductible
		}
	}
	return borne
}

// post moves the sums of the year and the ledger by a settlement, and says so
// in the audit record.
func (s *Service) post(ctx context.Context, tx *db.Tx, st *Settlement, action, actor string) error {
	r, c := &st.Result, &st.Case
	first, year := years(r.Package, c)
	if err := writeSums(ctx, tx, r, c, st.Person.ID, first, &c.YearToDate, &r.YearToDate); err != nil {
		return err
	}
	if r.Divided {
		if err := writeSums(ctx, tx, r, c, st.Person.ID, year, &c.NextYear, &r.NextYear); err != nil {
			return err
		}
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: st.At, Kind: entryKind(st), Ref: st.ID, Postings: postings(st)}); err != nil {
		return err
	}
	details := map[string]string{"visit": st.Visit.ID, "total": r.Total.String(), "fund": r.FundTotal.String(), "account": r.Account.String(), "cash": r.Cash.String()}
	if st.Reverses != "" {
		details["reverses"] = st.Reverses
	}
	if st.Replaces != "" {
		details["replaces"] = st.Replaces
	}
	return audit.Append(ctx, tx, audit.Record{At: st.At, Actor: actor, Chain: audit.OfPerson(st.Person.ID), Action: action, Subject: st.ID, Details: details})
}

// entryKind is the kind of the ledger entry of a settlement.
func entryKind(st *Settlement) string {
	if st.Reverses != "" {
		return "reversal"
	}
	return "settlement"
}

// writeParts writes what each stage paid and how each line, of the serial,
// divided.
func writeParts(ctx context.Context, tx *db.Tx, st *Settlement, serials []string) error {
	stages := st.Result.Stages()
	rows := make([][]any, len(stages))
	for n, sp := range stages {
		var f policy.Fund
		if sp.Fund != nil {
			f = *sp.Fund
		}
		rows[n] = []any{st.ID, n + 1, sp.Stage.ID, sp.Stage.Title, f.ID, f.Title, f.Category, f.Code, int64(sp.Base), int64(sp.Deductible), int64(sp.Payable), int64(sp.Paid)}
	}
	if err := tx.Insert(ctx, "settlement_stage (settlement, n, stage, title, fund, fund_title, category, code, base, deductible, payable, paid)", rows); err != nil {
		return err
	}
	rows = make([][]any, len(serials))
	for i, d := range st.Result.Lines {
		rows[i] = []any{st.ID, i + 1, serials[i], int64(d.FullOwnPay), int64(d.OverCeiling), int64(d.FirstOwnPay), int64(d.InScope)}
	}
	return tx.Insert(ctx, "settlement_line (settlement, n, serial, full_own_pay, over_ceiling, first_own_pay, in_scope)", rows)
}

// markFees marks the fees of the lines as settled; whole says that they are all
// that are unsettled.
func markFees(ctx context.Context, tx *db.Tx, st *Settlement, whole bool, lines []netLine) error {
	if whole {
		return tx.Exec(ctx, `UPDATE fee SET settlement = ? WHERE visit = ? AND settlement = ''`, st.ID, st.Visit.ID)
	}
	for _, l := range lines {
		for _, serial := range l.serials {
			if err := tx.Exec(ctx, `UPDATE fee SET settlement = ? WHERE visit = ? AND serial = ?`, st.ID, st.Visit.ID, serial); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeSums moves the sums of a year. Later settlements may have moved them
// since those that the case was decided from.
func writeSums(ctx context.Context, tx *db.Tx, r *policy.Result, c *policy.Case, person string, year civil.Date, before, after *policy.Accumulators) error {
	for i, name := range r.Package.Accumulators() {
		moved := after[i] - before[i]
		if moved == 0 {
			continue
		}
		if err := tx.Exec(ctx, `INSERT INTO year_sum (person, region, scheme, year_start, name, amount) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (person, region, scheme, year_start, name) DO UPDATE SET amount = year_sum.amount + excluded.amount`,
			person, c.Region, c.Scheme, int(year), name, int64(moved)); err != nil {
			return err
		}
	}
	return nil
}

// postings are the ledger's view of a settlement: what funds and the account
// pay is owed to the provider; what the person pays is received there.
func postings(st *Settlement) []fund.Posting {
	r := &st.Result
	var out []fund.Posting
	for _, sp := range r.Stages() {
		if sp.Fund != nil {
			out = append(out, fund.Posting{Account: fund.FundAccount(st.Case.Region, sp.Fund.ID), Amount: -sp.Paid})
		}
	}
	return append(out,
		fund.Posting{Account: fund.PersonAccount(st.Person.ID), Amount: -r.Account},
		fund.Posting{Account: fund.Payable(st.Provider.Code), Amount: r.FundTotal + r.Account},
		fund.Posting{Account: fund.OwnPayment(st.Person.ID), Amount: -r.Cash},
		fund.Posting{Account: fund.Cash(st.Provider.Code), Amount: r.Cash})
}

// keptStep is a step of an explanation as it is stored: with the kind's name,
// which outlives its number, and the grounds in full.
type keptStep struct {
	policy.Step
	Kind string
}

func keepSteps(steps []policy.Step) []keptStep {
	out := make([]keptStep, len(steps))
	for i, s := range steps {
		out[i] = keptStep{s, s.Kind.String()}
	}
	return out
}

func readSteps(data string) ([]policy.Step, error) {
	var kept []keptStep
	if err := json.Unmarshal([]byte(data), &kept); err != nil {
		return nil, err
	}
	kinds := map[string]policy.StepKind{}
	for k := policy.StepTotal; k <= policy.StepCash; k++ {
		kinds[k.String()] = k
	}
	out := make([]policy.Step, len(kept))
	for i, s := range kept {
		kind, ok := kinds[s.Kind]
		if !ok {
			return nil, fmt.Errorf("step %d is of an unknown kind %q", i+1, s.Kind)
		}
		out[i], out[i].Kind = s.Step, kind
	}
	return out, nil
}
