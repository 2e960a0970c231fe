package contribution

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Prior is months of employees' insurance that were paid elsewhere or before this
// system (视同缴费、转入的缴费年限), as a document says.
type Prior struct {
	Person   string
	Months   int
	Place    string // where, such as a region code or 视同
	Document string // by which it was recognised
	Actor    string
}

// Recognise adds prior months.
func (s *Service) Recognise(ctx context.Context, tx *db.Tx, p Prior) error {
	if p.Months <= 0 || p.Months > 600 {
		return &Error{"months", fmt.Sprint(p.Months), "应为 1 至 600"}
	}
	if p.Place == "" || p.Document == "" {
		return &Error{"document", p.Document, "须写明缴费地和依据的凭证"}
	}
	if _, _, err := s.hold(ctx, tx, p.Person); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO prior_months (person, n, months, place, document, at) VALUES (?, ?, ?, ?, ?, ?)`,
		p.Person, db.NextID(), p.Months, p.Place, p.Document, clock(s.now())); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: p.Actor, Chain: audit.OfPerson(p.Person), Action: "contribution.recognise", Subject: p.Person,
		Details: map[string]string{"months": fmt.Sprint(p.Months), "place": p.Place}})
}

// Retirement is what a person who retires has paid for, and what is wanting.
type Retirement struct {
	Person   string
	Day      civil.Date // last day as an employee
	Paid     int        // months paid for here (实际缴费月数)
	Prior    int        // months recognised (视同、转入)
	Required int        // months after which nothing more is paid
	Source   string     // document and article of Required
	Bill     *Bill      // of the shortfall; nil if there is none
}

// Shortfall is how many months are wanting.
func (r *Retirement) Shortfall() int { return max(0, r.Required-r.Paid-r.Prior) }

// paidMonths is how many calendar months up to a day an active employee paid for.
func paidMonths(all []enrolment.Insurance, day civil.Date) int {
	months := map[int]bool{}
	for _, i := range all {
		if i.Scheme != policy.Employee || i.Retired || i.Status != policy.Normal || i.From > day {
			continue
		}
		to := day
		if i.To != 0 {
			to = min(to, i.To)
		}
		for m := civil.New(i.From.Year(), i.From.Month(), 1); m <= to; m = m.AddMonths(1) {
			months[int(m)] = true
		}
	}
	return len(months)
}

// RetireRequest asks to register a retirement (退休登记).
type RetireRequest struct {
	Person string
	Day    civil.Date // last day as an employee
	Wage   money.Fen  // base of what is wanting (补缴基数); not asked for if nothing is
	Actor  string
}

// Retire registers a retirement. Who has paid long enough is insured as retired
// from the next day and pays no more; of who has not, the shortfall is due, and
// they are once it is paid (一次性补缴).
func (s *Service) Retire(ctx context.Context, tx *db.Tx, q RetireRequest) (*Retirement, error) {
	who, all, err := s.hold(ctx, tx, q.Person)
	if err != nil {
		return nil, err
	}
	if !q.Day.Valid() || q.Day > dayOf(s.now()).AddMonths(1) {
		return nil, &Error{"day", q.Day.String(), "应为退休前的最后一日，至多提前一个月登记"}
	}
	i, ok := enrolment.Overlapping(all, policy.Employee, q.Day, q.Day)
	switch {
	case !ok:
		return nil, &Error{"person", q.Person, q.Day.String() + " 没有参加职工医保"}
	case i.Retired:
		return nil, &Error{"person", q.Person, "已登记退休（自 " + i.From.String() + " 起）"}
	case i.Status == policy.Arrears:
		return nil, &Error{"person", q.Person, "有欠费，请先补缴"}
	}
	var before int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM retirement WHERE person = ?`, q.Person).Scan(&before); err != nil {
		return nil, err
	}
	if before > 0 {
		return nil, &Error{"person", q.Person, "已登记退休，待补缴"}
	}
	b := &Bill{Person: q.Person, Region: who.Region, Scheme: policy.Employee, Kind: Retiring, From: q.Day, To: q.Day, MadeAt: s.now()}
	c, pkg, err := s.caseOf(ctx, tx, who, all, b, q.Day)
	if err != nil {
		return nil, err
	}
	out := &Retirement{Person: q.Person, Day: q.Day, Paid: paidMonths(all, q.Day)}
	required, sources, ok, err := s.store.Retirement(c)
	if err != nil {
		return nil, inputError(err)
	}
	if !ok {
		return nil, &Error{"person", q.Person, pkg.Name + "的政策包没有规定退休的缴费年限"}
	}
	out.Required = required
	if len(sources) > 0 {
		out.Source = sources[0].Document.Cite + " " + sources[0].Article
	}
	if err := tx.QueryRow(ctx, `SELECT COALESCE(SUM(months), 0) FROM prior_months WHERE person = ?`, q.Person).Scan(&out.Prior); err != nil {
		return nil, err
	}
	id := ""
	if out.Shortfall() > 0 {
		if q.Wage <= 0 {
			return nil, &Error{"wage", q.Wage.String(), fmt.Sprintf("还差 %d 个月（%s 须满 %d 个月），须写明补缴基数", out.Shortfall(), out.Source, out.Required)}
		}
		if err := s.shortfall(ctx, tx, b, pkg, c, out.Shortfall(), q); err != nil {
			return nil, err
		}
		out.Bill, id = b, b.ID
	}
	if err := tx.Exec(ctx, `INSERT INTO retirement (person, day, paid, prior, required, bill, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		q.Person, int(q.Day), out.Paid, out.Prior, out.Required, id, clock(s.now())); err != nil {
		return nil, err
	}
	if err := audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: q.Actor, Chain: audit.OfPerson(q.Person), Action: "contribution.retire", Subject: q.Person,
		Details: map[string]string{"paid": fmt.Sprint(out.Paid), "prior": fmt.Sprint(out.Prior), "required": fmt.Sprint(out.Required)}}); err != nil {
		return nil, err
	}
	if out.Bill != nil {
		return out, nil
	}
	return out, s.retired(ctx, tx, q.Person, q.Day)
}

// shortfall makes the bill of what is wanting.
func (s *Service) shortfall(ctx context.Context, tx *db.Tx, b *Bill, pkg *policy.Package, c *policy.Case, months int, q RetireRequest) error {
	pkg.SetFact(c, "wage", int64(q.Wage))
	pkg.SetFact(c, "shortfall_months", int64(months))
	items, err := s.store.Assess(policy.Contribution, c)
	if err != nil {
		return inputError(err)
	}
	for _, a := range items {
		switch {
		case a.Period != "case" || a.Amount == 0 && a.Unknown == "":
			continue
		case a.Unknown != "":
			return &Error{"person", q.Person, a.Title + "：" + a.Unknown}
		case a.Payer == "person":
			b.Due += a.Amount
		}
		b.Parts = append(b.Parts, partOf(a))
	}
	if b.Due == 0 {
		return &Error{"person", q.Person, fmt.Sprintf("还差 %d 个月，%s的政策包没有补缴标准", months, pkg.Name)}
	}
	b.Package = pkg.From.String() + " " + pkg.Version
	return s.keepBill(ctx, tx, b, q.Actor)
}

// keepBill writes a fresh bill.
func (s *Service) keepBill(ctx context.Context, tx *db.Tx, b *Bill, actor string) error {
	b.ID = newID()
	parts, err := json.Marshal(b.Parts)
	if err != nil {
		return err
	}
	facts, err := json.Marshal(billFacts{b.Kind, b.Mended})
	if err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO bill (id, n, person, region, scheme, from_day, to_day, facts, parts, due, package, state, made_at, made_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		b.ID, db.NextID(), b.Person, b.Region, b.Scheme, int(b.From), int(b.To), string(facts), string(parts), int64(b.Due), b.Package, b.State, clock(b.MadeAt), actor); err != nil {
		return err
	}
	return s.record(ctx, tx, b, "contribution.bill", actor, map[string]string{"due": b.Due.String()})
}

// retired makes a person insured as retired from the day after.
func (s *Service) retired(ctx context.Context, tx *db.Tx, person string, day civil.Date) error {
	if err := tx.Exec(ctx, `UPDATE job SET to_day = ? WHERE person = ? AND (to_day = 0 OR to_day > ?) AND from_day <= ?`, int(day), person, int(day), int(day)); err != nil {
		return err
	}
	return enrolment.Change(ctx, tx, person, enrolment.Insurance{Scheme: policy.Employee, From: day.AddDays(1), Retired: true, Reason: "退休"})
}
