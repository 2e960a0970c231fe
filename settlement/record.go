package settlement

import (
	"context"
	"fmt"
	"slices"

	"github.com/anji-platform/anji/account"
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
	if r.Total != total || r.Total != lines || r.Total != r.FullOwnPay+r.OverCeiling+r.FirstOwnPay+r.InScope ||
		r.Total != r.FundTotal+r.Person+r.Hospital || r.FundTotal != funds || r.Person != r.Account+r.Cash ||
		r.Cash < 0 || r.FamilyAccount < 0 || r.Account < r.FamilyAccount || r.FundTotal < 0 {
		return fmt.Errorf("the identities between the amounts do not hold: %s", calc.AppendResult(nil, r, nil))
	}
	return nil
}

// record writes a settlement and all that follows from it.
func (s *Service) record(ctx context.Context, tx *db.Tx, st *Settlement, q SettleRequest, lines []netLine) error {
	serials := make([]string, 0, len(lines))
	for _, l := range lines {
		if l.quantity != 0 {
			serials = append(serials, l.serial)
		}
	}
	if err := s.write(ctx, tx, st, serials); err != nil {
		return err
	}
	if err := markFees(ctx, tx, st, lines); err != nil {
		return err
	}
	if stay(st.Visit.Kind) && !q.MidStay {
		forgetVisit(tx, st.Visit.ID)
		if err := tx.Exec(ctx, `UPDATE visit SET closed = 1 WHERE id = ?`, st.Visit.ID); err != nil {
			return err
		}
	}
	return s.post(ctx, tx, st, st.parts, "settle", q.Actor)
}

// write writes a settlement; the serials are those of the fees of its lines.
func (s *Service) write(ctx context.Context, tx *db.Tx, st *Settlement, serials []string) error {
	r, c := &st.Result, &st.Case
	n := db.NextID()
	if st.place == 0 {
		st.place = n
	}
	_, year := years(r.Package, c)
	from, to := countsIn(r, c)
	document, err := s.documentFor(st, serials)
	if err != nil {
		return err
	}
	return tx.Exec(ctx, `INSERT INTO settlement (id, visit, person, provider, n, at, region, scheme, kind, day, year_start, package, refused, total, in_scope, fund, account, cash, invoice, ratio, hospital, note, funds, document,
			reverses, replaces, place, counts_from, counts_to, stay_borne, claim)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		st.ID, st.Visit.ID, st.Person.ID, st.Provider.Code, n, st.At.In(zone).Format(atLayout), c.Region, c.Scheme, c.Visit, int(c.Date), int(year),
		r.Package.From.String()+" "+r.Package.Version, r.Refused, int64(r.Total), int64(r.InScope), int64(r.FundTotal), int64(r.Account), int64(r.Cash), st.Invoice,
		int64(r.Ratio), int64(r.Hospital), st.Note, string(appendFunds(nil, r)), document,
		st.Reverses, st.Replaces, st.place, int(from), int(to), int64(stayBorne(r)), st.Visit.Claim)
}

// atLayout is how the times of settlements are kept: China's, sorted as texts.
const atLayout = "2006-01-02T15:04:05.000000000-07:00"

// countsIn is the first and the last benefit year in which a settlement counts
// as a visit.
func countsIn(r *policy.Result, c *policy.Case) (first, last civil.Date) {
	first, last = years(r.Package, c)
	if r.Divided && !r.Package.StayCounts() {
		last = first
	}
	return first, last
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
// in the audit record. others are what else stands of the visit.
func (s *Service) post(ctx context.Context, tx *db.Tx, st *Settlement, others []part, action, actor string) error {
	r := &st.Result
	if err := moveSums(ctx, tx, st, others); err != nil {
		return err
	}
	if err := account.Use(ctx, tx, st.ID, st.Person.ID, dayOf(st.At), st.Family); err != nil {
		return err
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

// markFees marks the fees of the lines as settled.
func markFees(ctx context.Context, tx *db.Tx, st *Settlement, lines []netLine) error {
	var numbers []int
	for _, l := range lines {
		numbers = append(numbers, l.numbers...)
	}
	slices.Sort(numbers)
	var rows [][]any
	for i, n := range numbers {
		if i > 0 && n == numbers[i-1]+1 {
			rows[len(rows)-1][2] = n
			continue
		}
		rows = append(rows, []any{st.Visit.ID, n, n, st.ID})
	}
	return tx.Insert(ctx, "settled (visit, first, last, settlement)", rows)
}

// visitCount is the name of the sum that counts visits of a kind; stays of all
// kinds count together.
func visitCount(k policy.VisitKind) string {
	if stay(k) {
		k = policy.Inpatient
	}
	return visitPrefix + k.String()
}

// visitPrefix begins the names of the sums that count visits.
const visitPrefix = "visits:"

// A part is a settlement of a visit that stands and was not refused: a visit
// may be settled in parts, and counts once.
type part struct {
	id        string
	kind      policy.VisitKind
	from, to  civil.Date // the benefit years in which it counts
	stayBorne money.Fen
}

// countsAmong reports whether one of the parts counts as a visit of the kind in
// the year.
func countsAmong(parts []part, kind policy.VisitKind, year civil.Date) bool {
	for _, p := range parts {
		if visitCount(p.kind) == visitCount(kind) && p.from <= year && year <= p.to {
			return true
		}
	}
	return false
}

// laterParts reads what stands of a visit but for one settlement.
func laterParts(ctx context.Context, tx *db.Tx, into *[]part, visit, but string) error {
	*into = nil
	return tx.Later(ctx, func(rows *db.Rows) error {
		var p part
		err := rows.Scan(&p.id, &p.kind, &p.from, &p.to, &p.stayBorne)
		*into = append(*into, p)
		return err
	}, `SELECT s.id, s.kind, s.counts_from, s.counts_to, s.stay_borne FROM settlement s WHERE s.visit = ? AND s.id <> ? AND s.refused = 0 AND `+stands, visit, but)
}

// postings are the ledger's view of a settlement: what funds and the account
// pay is owed to the provider, or to the person who paid the provider and claims
// it. The cash that a person pays there is not the funds' money, and no part of
// their books.
func postings(st *Settlement) []fund.Posting {
	r := &st.Result
	var out []fund.Posting
	for _, sp := range r.Stages() {
		if sp.Fund != nil {
			out = append(out, fund.Posting{Account: fund.FundAccount(st.Case.Region, sp.Fund.ID), Amount: -sp.Paid})
		}
	}
	for _, x := range st.Family {
		out = append(out, fund.Posting{Account: fund.PersonAccount(x.Owner), Amount: -x.Amount})
	}
	return append(out,
		fund.Posting{Account: fund.PersonAccount(st.Person.ID), Amount: -(r.Account - r.FamilyAccount)},
		fund.Posting{Account: payee(st), Amount: r.FundTotal + r.Account})
}

// payee is the account of who is owed what funds pay of a settlement.
func payee(st *Settlement) string {
	if st.Visit.Claim != "" {
		return fund.Claim(st.Visit.Claim)
	}
	return fund.Payable(st.Provider.Code)
}
