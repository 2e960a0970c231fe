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
	r, c := &st.Result, &st.Case
	year, _ := r.Package.BenefitYear(c.Date)
	first := year
	if r.Divided {
		first, _ = r.Package.BenefitYear(c.Admitted)
	}
	kase := calc.AppendCase(nil, s.store, r.Package, c)
	if len(kase) > calc.MaxBytes { // it could not be read back
		return &Error{"batch", q.Batch, "费用明细过多；请按收费批次分次结算"}
	}
	steps, err := json.Marshal(keepSteps(st.Steps))
	if err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO settlement (id, visit, person, provider, n, at, region, scheme, kind, day, year_start, package, refused, total, fund, account, cash, invoice, kase, result, ratio, hospital, note, steps)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		st.ID, st.Visit.ID, st.Person.ID, st.Provider.Code, db.NextID(), st.At.Format(time.RFC3339Nano), c.Region, c.Scheme, c.Visit, int(c.Date), int(year),
		r.Package.From.String()+" "+r.Package.Version, r.Refused, int64(r.Total), int64(r.FundTotal), int64(r.Account), int64(r.Cash), q.Invoice,
		string(kase), string(calc.AppendResult(nil, r, nil)),
		int64(r.Ratio), int64(r.Hospital), st.Note, string(steps)); err != nil {
		return err
	}
	if err := writeParts(ctx, tx, st, q.Batch, lines); err != nil {
		return err
	}
	if stay(st.Visit.Kind) && !q.MidStay {
		forgetVisit(tx, st.Visit.ID)
		if err := tx.Exec(ctx, `UPDATE visit SET closed = 1 WHERE id = ?`, st.Visit.ID); err != nil {
			return err
		}
	}
	if err := writeSums(ctx, tx, r, c, st.Person.ID, first, &c.YearToDate, &r.YearToDate); err != nil {
		return err
	}
	if r.Divided {
		if err := writeSums(ctx, tx, r, c, st.Person.ID, year, &c.NextYear, &r.NextYear); err != nil {
			return err
		}
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: st.At, Kind: "settlement", Ref: st.ID, Postings: postings(st)}); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: st.At, Actor: q.Actor, Chain: audit.OfPerson(st.Person.ID), Action: "settle", Subject: st.ID,
		Details: map[string]string{"visit": st.Visit.ID, "total": r.Total.String(), "fund": r.FundTotal.String(), "account": r.Account.String(), "cash": r.Cash.String()}})
}

// writeParts writes what each stage paid and how each line divided, and marks
// the fees as settled.
func writeParts(ctx context.Context, tx *db.Tx, st *Settlement, batch string, lines []netLine) error {
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
	rows = make([][]any, 0, len(lines))
	for _, l := range lines {
		if l.quantity == 0 {
			continue
		}
		d := st.Result.Lines[len(rows)]
		rows = append(rows, []any{st.ID, len(rows) + 1, l.serial, int64(d.FullOwnPay), int64(d.OverCeiling), int64(d.FirstOwnPay), int64(d.InScope)})
	}
	if err := tx.Insert(ctx, "settlement_line (settlement, n, serial, full_own_pay, over_ceiling, first_own_pay, in_scope)", rows); err != nil {
		return err
	}
	if batch == "" {
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

func writeSums(ctx context.Context, tx *db.Tx, r *policy.Result, c *policy.Case, person string, year civil.Date, before, after *policy.Accumulators) error {
	for i, name := range r.Package.Accumulators() {
		if before[i] == after[i] {
			continue
		}
		if err := tx.Exec(ctx, `INSERT INTO year_sum (person, region, scheme, year_start, name, amount) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (person, region, scheme, year_start, name) DO UPDATE SET amount = excluded.amount`,
			person, c.Region, c.Scheme, int(year), name, int64(after[i])); err != nil {
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
