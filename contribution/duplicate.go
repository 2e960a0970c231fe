package contribution

import (
	"context"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// Duplicate is a person who is in both schemes on the same days (重复参保). The
// employees' stands; the residents' contribution is paid back if the person was
// in the employees' insurance from the first day that it is for, and no care was
// paid under it.
type Duplicate struct {
	Person             string
	Employee, Resident enrolment.Insurance
	Bill               string // of the residents' contribution; "" if none was made here
	Refundable         bool
	Why                string // in Chinese: why, or why not
}

// Duplicates lists those of a region who are in both schemes on a day or after
// it, in order of their person numbers.
func (s *Service) Duplicates(ctx context.Context, tx *db.Tx, region string, day civil.Date) ([]Duplicate, error) {
	var people []string
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var id string
		err := rows.Scan(&id)
		people = append(people, id)
		return err
	}, `SELECT DISTINCT e.person FROM insurance e JOIN insurance r ON r.person = e.person JOIN person p ON p.id = e.person
		WHERE p.region = ? AND e.scheme = ? AND r.scheme = ? AND e.status = ? AND r.status = ?
		AND (e.to_day = 0 OR e.to_day >= ?) AND (r.to_day = 0 OR r.to_day >= ?) AND (e.to_day = 0 OR e.to_day >= r.from_day) AND (r.to_day = 0 OR r.to_day >= e.from_day)
		ORDER BY e.person`, region, policy.Employee, policy.Resident, policy.Normal, policy.Normal, int(day), int(day)); err != nil {
		return nil, err
	}
	var out []Duplicate
	for _, id := range people {
		d, ok, err := s.duplicate(ctx, tx, id, day)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, d)
		}
	}
	return out, nil
}

func (s *Service) duplicate(ctx context.Context, tx *db.Tx, person string, day civil.Date) (d Duplicate, ok bool, err error) {
	all, err := enrolment.Timeline(ctx, tx, person)
	if err != nil {
		return d, false, err
	}
	for _, r := range all {
		if r.Scheme != policy.Resident || r.Status != policy.Normal || r.To != 0 && r.To < day {
			continue
		}
		to := r.To
		if to == 0 {
			to = maxDay
		}
		e, both := enrolment.Overlapping(all, policy.Employee, max(r.From, day), to)
		if !both || e.Status != policy.Normal {
			continue
		}
		d = Duplicate{Person: person, Employee: e, Resident: r}
		bills, err := s.bills(ctx, tx, `person = ? AND scheme = ? AND state = ? AND from_day <= ? AND to_day >= ?`, person, policy.Resident, Paid, int(max(r.From, e.From)), int(max(r.From, e.From)))
		if err != nil {
			return d, false, err
		}
		if len(bills) == 0 {
			d.Why = "没有在本系统缴费，不涉及退费；居民医保自职工医保开始之日终止"
			return d, true, nil
		}
		b := &bills[0]
		d.Bill = b.ID
		used, err := settlement.Used(ctx, tx, person, policy.Resident, b.From, b.To)
		switch {
		case err != nil:
			return d, false, err
		case used != "":
			d.Why = "已以居民医保享受待遇（结算 " + used + "），不退；居民医保自职工医保开始之日终止"
		case max(b.From, r.From) < e.From:
			d.Why = "居民医保待遇期已开始，不退；居民医保自职工医保开始之日终止"
		default:
			d.Refundable, d.Why = true, "所缴期间已参加职工医保，且未以居民医保享受待遇，可退"
		}
		return d, true, nil
	}
	return d, false, nil
}

// maxDay is after all days.
const maxDay civil.Date = 99991231

// Resolve ends a person's duplicate insurance in favour of the employees' scheme:
// the residents' contribution is paid back where that is due, and otherwise the
// residents' insurance ends the day before the employees' begins.
func (s *Service) Resolve(ctx context.Context, tx *db.Tx, person, actor string) (*Duplicate, error) {
	if _, _, err := s.hold(ctx, tx, person); err != nil {
		return nil, err
	}
	d, ok, err := s.duplicate(ctx, tx, person, dayOf(s.now()))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Error{"person", person, "没有重复参保"}
	}
	if d.Refundable {
		payments, err := s.payments(ctx, tx, `bill = ? AND state = ?`, d.Bill, Applied)
		if err != nil {
			return nil, err
		}
		if len(payments) == 1 {
			_, err := s.Refund(ctx, tx, RefundRequest{Channel: payments[0].Channel, Reference: payments[0].Reference, Reason: "重复参保，已参加职工医保", Actor: actor})
			return &d, err
		}
	}
	// What others paid whole, or what is not paid back: the insurance ends.
	if err := enrolment.Cut(ctx, tx, person, d.Resident, max(d.Employee.From, d.Resident.From), "重复参保，从职工医保"); err != nil {
		return nil, err
	}
	return &d, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: audit.OfPerson(person), Action: "contribution.resolve", Subject: person, Details: map[string]string{"why": d.Why}})
}
