package settlement

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// AccountUse says whether a personal account pays (个人账户使用标志).
type AccountUse uint8

// The uses of an account.
const (
	NoAccount AccountUse = iota
	OwnAccount
	FamilyAccount // own, then what family members allow (家庭共济)
)

// SettleRequest asks to settle a visit, or to say what settling would give.
type SettleRequest struct {
	Visit      string
	Person     string
	Provider   string
	Batch      string    // fee batch, "" for all unsettled lines
	Total      money.Fen // what the caller believes the lines sum to
	UseAccount AccountUse
	Discharged civil.Date // of a stay; zero: today
	Invoice    string
	MidStay    bool // a settlement in the middle of a stay (中途结算): the stay stays open
	Actor      string
}

// Settlement is what was decided on a visit.
type Settlement struct {
	ID       string // "" for a preview
	At       time.Time
	Visit    Visit
	Person   enrolment.Person
	Provider provider.Provider
	Case     policy.Case
	Result   policy.Result
	Steps    []policy.Step
	Balance  money.Fen // of the personal account afterwards
	Invoice  string
	Note     string // in Chinese: how the visit was treated otherwise than asked
}

// Preview decides what settling would give and writes nothing (预结算).
func (s *Service) Preview(ctx context.Context, tx *db.Tx, q SettleRequest) (*Settlement, error) {
	st, _, err := s.decide(ctx, tx, q)
	return st, err
}

// Settle decides, posts and records a settlement (结算): the lines, the sums of
// the year, the ledger entry and the audit record, or nothing.
func (s *Service) Settle(ctx context.Context, tx *db.Tx, q SettleRequest) (*Settlement, error) {
	st, serials, err := s.decide(ctx, tx, q)
	if err != nil {
		return nil, err
	}
	if err := identities(&st.Case, &st.Result); err != nil {
		return nil, err
	}
	st.ID = "S" + newID(st.At)
	if err := s.record(ctx, tx, st, q, serials); err != nil {
		return nil, err
	}
	return st, nil
}

// decide reads the snapshot and lets policy settle it.
func (s *Service) decide(ctx context.Context, tx *db.Tx, q SettleRequest) (*Settlement, []string, error) {
	v, err := s.openVisit(ctx, tx, q.Visit, q.Person, q.Provider)
	if err != nil {
		return nil, nil, err
	}
	st := &Settlement{Visit: v, At: s.now(), Invoice: q.Invoice}
	if st.Provider, err = s.careRegion(ctx, tx, v.Provider); err != nil {
		return nil, nil, err
	}
	var found bool
	if st.Person, found, err = s.register.ByID(ctx, tx, v.Person); err != nil || !found {
		return nil, nil, fmt.Errorf("person of visit %s: %w", v.ID, err)
	}
	lines, total, serials, err := fees(ctx, tx, v.ID, q.Batch)
	switch {
	case err != nil:
		return nil, nil, err
	case len(lines) == 0:
		return nil, nil, &Error{"batch", q.Batch, "没有未结算的费用明细"}
	case total != q.Total:
		return nil, nil, &Error{"total", q.Total.String(), "与已上传未结算明细的合计 " + total.String() + " 不符"}
	}
	c := &st.Case
	c.Lines = lines
	if err := s.snapshot(ctx, tx, st, q); err != nil {
		return nil, nil, err
	}
	var t policy.Trace
	if err := s.store.Settle(c, &st.Result, &t); err != nil {
		return nil, nil, inputError(err)
	}
	st.Steps = t.Steps
	st.Balance = max(0, c.Account-(st.Result.Account-st.Result.FamilyAccount))
	return st, serials, nil
}

// snapshot fills the case from what holds on the day.
func (s *Service) snapshot(ctx context.Context, tx *db.Tx, st *Settlement, q SettleRequest) error {
	c, v := &st.Case, st.Visit
	c.Region, c.CareRegion = st.Person.Region, st.Provider.Region
	c.Date = civil.Of(v.Begun)
	if stay(v.Kind) {
		c.Admitted = c.Date
		if c.Date = q.Discharged; c.Date == 0 {
			c.Date = max(civil.Of(st.At), c.Admitted)
		}
		if c.Date < c.Admitted {
			return &Error{"discharged", c.Date.String(), "早于入院日 " + c.Admitted.String()}
		}
		for i := range c.Lines {
			if d := c.Lines[i].Date; d < c.Admitted || d > c.Date {
				return &Error{"fees.time", d.String(), "不在住院期间 " + c.Admitted.String() + " 至 " + c.Date.String()}
			}
		}
	} else {
		// A fee of a later day than the registration counts on the visit's day.
		for i := range c.Lines {
			c.Lines[i].Date = 0
		}
	}
	c.Visit, c.Cause = v.Kind, v.Cause
	c.Level, c.ProviderKind = st.Provider.Level, st.Provider.Kind
	c.Undesignated, c.Private = !st.Provider.Designated, st.Provider.Private
	c.Birth, c.Female = st.Person.Birth, st.Person.Female

	if err := insured(ctx, tx, c, v); err != nil {
		return err
	}
	classes, err := enrolment.Classes(ctx, tx, v.Person, c.Date)
	if err != nil {
		return err
	}
	for _, k := range classes {
		set, _ := s.store.Class(k.Name) // a class that no package knows changes nothing
		c.Classes |= set
	}
	if c.CareRegion != c.Region {
		if c.Filing, err = enrolment.FilingOn(ctx, tx, v.Person, c.CareRegion, c.Date); err != nil {
			return err
		}
	}
	if c.Visit == policy.Chronic || c.Visit == policy.Special {
		if err := recognised(ctx, tx, st); err != nil {
			return err
		}
	}
	pkg, err := s.store.At(c.Region, c.Date)
	if err != nil {
		return inputError(err)
	}
	if err := sums(ctx, tx, pkg, c, v.Person); err != nil {
		return err
	}
	c.KeepAccount = q.UseAccount == NoAccount
	if c.Scheme == policy.Employee {
		c.Account, err = fund.Balance(ctx, tx, fund.PersonAccount(v.Person))
	}
	return err
}

// insured fills in the insurance that counts on the day.
func insured(ctx context.Context, tx *db.Tx, c *policy.Case, v Visit) error {
	all, err := enrolment.Insurances(ctx, tx, v.Person, c.Date)
	if err != nil {
		return err
	}
	c.Scheme, c.Insured = v.Scheme, policy.NotInsured
	for _, i := range all {
		if i.Scheme != v.Scheme {
			continue
		}
		c.Insured, c.Retired, c.BenefitsFrom = i.Status, i.Retired, i.BenefitsFrom
		if i.Status == policy.Arrears {
			c.ArrearsMonths = max(0, (c.Date.Year()-i.From.Year())*12+c.Date.Month()-i.From.Month())
		}
		break
	}
	return nil
}

// recognised turns a visit for a chronic or special disease that was not
// recognised into an ordinary one and says so (特病未认定).
func recognised(ctx context.Context, tx *db.Tx, st *Settlement) error {
	c, v := &st.Case, st.Visit
	all, err := enrolment.SpecialDiseases(ctx, tx, v.Person, c.Date)
	if err != nil {
		return err
	}
	for _, d := range all {
		if v.Disease == "" && d.Special == (v.Kind == policy.Special) || d.Code == v.Disease || d.Name == v.DiseaseName {
			c.Disease = d.Name
			c.Visit = policy.Chronic
			if d.Special {
				c.Visit = policy.Special
			}
			return nil
		}
	}
	name := v.DiseaseName
	if name == "" {
		name = v.Disease
	}
	st.Note = "病种「" + name + "」在 " + c.Date.String() + " 没有认定，按普通门诊结算；可向经办机构申请门诊慢特病认定"
	c.Visit = policy.Outpatient
	return nil
}

// sums fills in the person's sums of the benefit year, and which visit of its
// kind this is.
func sums(ctx context.Context, tx *db.Tx, pkg *policy.Package, c *policy.Case, person string) error {
	year, _ := pkg.BenefitYear(c.Date)
	load := func(into *policy.Accumulators, year civil.Date) error {
		return tx.Each(ctx, func(rows *sql.Rows) error {
			var name string
			var amount int64
			if err := rows.Scan(&name, &amount); err != nil {
				return err
			}
			slot := pkg.AccumulatorSlot(name)
			if slot < 0 {
				return fmt.Errorf("the sums of %s hold %q, which package %s %s does not know", year, name, pkg.Region, pkg.Version)
			}
			into[slot] = money.Fen(amount)
			return nil
		}, `SELECT name, amount FROM year_sum WHERE person = ? AND region = ? AND scheme = ? AND year_start = ?`, person, pkg.Region, c.Scheme, int(year))
	}
	first := year
	if pkg.Divides(c.Admitted, c.Date) {
		first, _ = pkg.BenefitYear(c.Admitted)
		if err := load(&c.NextYear, year); err != nil {
			return err
		}
	}
	if err := load(&c.YearToDate, first); err != nil {
		return err
	}
	kinds := []any{c.Visit, c.Visit, c.Visit}
	if stay(c.Visit) {
		kinds = []any{policy.Inpatient, policy.DaySurgery, policy.Maternity}
	}
	var before int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM settlement WHERE person = ? AND year_start = ? AND refused = 0 AND region = ? AND scheme = ? AND kind IN (?, ?, ?)`,
		append([]any{person, int(first), pkg.Region, c.Scheme}, kinds...)...).Scan(&before)
	c.Nth = before + 1
	return err
}

// identities checks what must hold for every settlement before it is posted.
func identities(c *policy.Case, r *policy.Result) error {
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
	if r.Total != lines || r.Total != r.FullOwnPay+r.OverCeiling+r.FirstOwnPay+r.InScope ||
		r.Total != r.FundTotal+r.Person+r.Hospital || r.FundTotal != funds || r.Person != r.Account+r.Cash ||
		r.Cash < 0 || r.Account < 0 || r.FundTotal < 0 {
		return fmt.Errorf("the identities between the amounts do not hold: %s", calc.AppendResult(nil, r, nil))
	}
	return nil
}

// record writes a settlement and all that follows from it.
func (s *Service) record(ctx context.Context, tx *db.Tx, st *Settlement, q SettleRequest, serials []string) error {
	r, c := &st.Result, &st.Case
	year, _ := r.Package.BenefitYear(c.Date)
	first := year
	if r.Divided {
		first, _ = r.Package.BenefitYear(c.Admitted)
	}
	var n int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(n), 0) + 1 FROM settlement`).Scan(&n); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO settlement (id, visit, person, provider, n, at, region, scheme, kind, day, year_start, package, refused, total, fund, account, cash, invoice, kase, result)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		st.ID, st.Visit.ID, st.Person.ID, st.Provider.Code, n, st.At.Format(time.RFC3339Nano), c.Region, c.Scheme, c.Visit, int(c.Date), int(year),
		r.Package.From.String()+" "+r.Package.Version, r.Refused, int64(r.Total), int64(r.FundTotal), int64(r.Account), int64(r.Cash), q.Invoice,
		string(calc.AppendCase(nil, s.store, r.Package, c)), string(calc.AppendResult(nil, r, st.Steps))); err != nil {
		return err
	}
	for _, serial := range serials {
		if _, err := tx.Exec(ctx, `UPDATE fee SET settlement = ? WHERE visit = ? AND serial = ?`, st.ID, st.Visit.ID, serial); err != nil {
			return err
		}
	}
	if stay(st.Visit.Kind) && !q.MidStay {
		if _, err := tx.Exec(ctx, `UPDATE visit SET closed = 1 WHERE id = ?`, st.Visit.ID); err != nil {
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
	return audit.Append(ctx, tx, audit.Record{At: st.At, Actor: q.Actor, Action: "settle", Subject: st.ID,
		Details: map[string]string{"visit": st.Visit.ID, "total": r.Total.String(), "fund": r.FundTotal.String(), "account": r.Account.String(), "cash": r.Cash.String()}})
}

func writeSums(ctx context.Context, tx *db.Tx, r *policy.Result, c *policy.Case, person string, year civil.Date, before, after *policy.Accumulators) error {
	for i, name := range r.Package.Accumulators() {
		if before[i] == after[i] {
			continue
		}
		if _, err := tx.Exec(ctx, `INSERT INTO year_sum (person, region, scheme, year_start, name, amount) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (person, region, scheme, year_start, name) DO UPDATE SET amount = excluded.amount`,
			person, c.Region, c.Scheme, int(year), name, int64(after[i])); err != nil {
			return err
		}
	}
	return nil
}

// postings are the ledger's view of a settlement: what funds and the account
// pay is owed to the provider; cash is received there.
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
		fund.Posting{Account: fund.Payable(st.Provider.Code), Amount: r.FundTotal + r.Account})
}

// Get finds a settlement as it was made; ok is false if there is none of that
// id. What it says is computed again from the snapshot it was made from: the
// engine gives the same fen and the same explanation.
func (s *Service) Get(ctx context.Context, tx *db.Tx, id string) (st *Settlement, ok bool, err error) {
	all, err := s.list(ctx, tx, `WHERE s.id = ?`, id)
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	return all[0], true, nil
}

// Recent lists the latest settlements, newest first.
func (s *Service) Recent(ctx context.Context, tx *db.Tx, n int) ([]*Settlement, error) {
	return s.list(ctx, tx, `ORDER BY s.n DESC LIMIT ?`, n)
}

func (s *Service) list(ctx context.Context, tx *db.Tx, where string, args ...any) ([]*Settlement, error) {
	type row struct {
		id, visit, at, invoice, kase, result string
	}
	var rows []row
	err := tx.Each(ctx, func(rs *sql.Rows) error {
		var r row
		err := rs.Scan(&r.id, &r.visit, &r.at, &r.invoice, &r.kase, &r.result)
		rows = append(rows, r)
		return err
	}, `SELECT s.id, s.visit, s.at, s.invoice, s.kase, s.result FROM settlement s `+where, args...)
	if err != nil {
		return nil, err
	}
	dec := calc.NewDecoder(s.store)
	var out []*Settlement
	for _, r := range rows {
		st := &Settlement{ID: r.id, Invoice: r.invoice}
		if st.At, err = time.Parse(time.RFC3339Nano, r.at); err != nil {
			return nil, err
		}
		if st.Visit, _, err = s.GetVisit(ctx, tx, r.visit); err != nil {
			return nil, err
		}
		if st.Person, _, err = s.register.ByID(ctx, tx, st.Visit.Person); err != nil {
			return nil, err
		}
		if st.Provider, _, err = provider.Get(ctx, tx, st.Visit.Provider); err != nil {
			return nil, err
		}
		if err := s.recompute(dec, st, r.kase, r.result); err != nil {
			return nil, fmt.Errorf("settlement %s: %w", r.id, err)
		}
		st.Balance = max(0, st.Case.Account-(st.Result.Account-st.Result.FamilyAccount))
		out = append(out, st)
	}
	return out, nil
}

// recompute settles the stored case again and checks that the stored answer
// comes out.
func (s *Service) recompute(dec *calc.Decoder, st *Settlement, kase, result string) error {
	if err := dec.Decode([]byte(kase), &st.Case); err != nil {
		return err
	}
	st.Case.Lines = append([]policy.Line(nil), st.Case.Lines...)
	var t policy.Trace
	if err := s.store.Settle(&st.Case, &st.Result, &t); err != nil {
		return err
	}
	st.Steps = t.Steps
	if again := string(calc.AppendResult(nil, &st.Result, t.Steps)); again != result {
		if d := differs(again, result); d != "" {
			return fmt.Errorf("computed again it gives another %s: the package was changed after the settlement", d)
		}
	}
	return nil
}

// differs names the first amount in which two answers differ, or "".
func differs(a, b string) string {
	var x, y map[string]any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return "answer"
	}
	for k, v := range y {
		if s, ok := v.(string); ok && x[k] != s {
			return k
		}
	}
	return ""
}

// Verify proves that the ledger, the sums of the year, the settlements and the
// audit record agree, and says where they do not.
func (s *Service) Verify(ctx context.Context, tx *db.Tx) error {
	if err := fund.Verify(ctx, tx); err != nil {
		return err
	}
	if err := audit.Verify(ctx, tx); err != nil {
		return err
	}
	all, err := s.list(ctx, tx, `ORDER BY s.n`)
	if err != nil {
		return err
	}
	type key struct {
		person, region, name string
		scheme               policy.Scheme
		year                 civil.Date
	}
	want := map[key]money.Fen{}
	for _, st := range all {
		r, c := &st.Result, &st.Case
		if err := identities(c, r); err != nil {
			return fmt.Errorf("settlement %s: %w", st.ID, err)
		}
		if err := posted(ctx, tx, st); err != nil {
			return err
		}
		add := func(day civil.Date, before, after *policy.Accumulators) {
			year, _ := r.Package.BenefitYear(day)
			for i, name := range r.Package.Accumulators() {
				if d := after[i] - before[i]; d != 0 {
					want[key{st.Person.ID, c.Region, name, c.Scheme, year}] += d
				}
			}
		}
		if r.Divided {
			add(c.Admitted, &c.YearToDate, &r.YearToDate)
			add(c.Date, &c.NextYear, &r.NextYear)
		} else {
			add(c.Date, &c.YearToDate, &r.YearToDate)
		}
	}
	err = tx.Each(ctx, func(rows *sql.Rows) error {
		var k key
		var amount int64
		if err := rows.Scan(&k.person, &k.region, &k.scheme, &k.year, &k.name, &amount); err != nil {
			return err
		}
		if want[k] != money.Fen(amount) {
			return fmt.Errorf("sums of %s: %s of person %s is %s, the settlements sum to %s", k.year, k.name, k.person, money.Fen(amount), want[k])
		}
		delete(want, k)
		return nil
	}, `SELECT person, region, scheme, year_start, name, amount FROM year_sum`)
	if err != nil {
		return err
	}
	for k, v := range want {
		if v != 0 {
			return fmt.Errorf("sums of %s: %s of person %s is missing, the settlements sum to %s", k.year, k.name, k.person, v)
		}
	}
	return nil
}

// posted checks that the ledger holds exactly the settlement's postings.
func posted(ctx context.Context, tx *db.Tx, st *Settlement) error {
	want := map[string]money.Fen{}
	for _, p := range postings(st) {
		want[p.Account] += p.Amount
	}
	err := tx.Each(ctx, func(rows *sql.Rows) error {
		var account string
		var amount int64
		if err := rows.Scan(&account, &amount); err != nil {
			return err
		}
		want[account] -= money.Fen(amount)
		return nil
	}, `SELECT p.account, p.amount FROM posting p JOIN entry e ON e.id = p.entry WHERE e.ref = ? AND e.kind = 'settlement'`, st.ID)
	if err != nil {
		return err
	}
	var wrong []string
	for account, left := range want {
		if left != 0 {
			wrong = append(wrong, account+" by "+left.String())
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("settlement %s and its ledger entry differ: %s", st.ID, strings.Join(wrong, ", "))
	}
	return nil
}

// Counts says how much the store holds, for people to see.
func Counts(ctx context.Context, tx *db.Tx) (people, settlements int, err error) {
	err = tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM person), (SELECT COUNT(*) FROM settlement)`).Scan(&people, &settlements)
	return people, settlements, err
}
