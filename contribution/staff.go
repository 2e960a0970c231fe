package contribution

import (
	"context"
	"slices"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
)

// Member is one of the staff (职工).
type Member struct {
	Job
	Name, CitizenID string
}

// StaffFilter says whom of an employer's staff a list is for.
type StaffFilter struct {
	Employer string
	Day      civil.Date
	Search   string // part of the name, or the whole citizen ID; "" is everybody
	Person   string // one person; "" is everybody
	Offset   int
	Limit    int // at most so many; 0 is 50
}

// maxStaff bounds one list.
const maxStaff = 1000

// Members lists the staff of the filter by name, and says how many there are in
// all.
func (s *Service) Members(ctx context.Context, tx *db.Tx, f StaffFilter) (list []Member, all int, err error) {
	where := ` FROM job j JOIN person p ON p.id = j.person WHERE j.employer = ? AND j.from_day <= ? AND (j.to_day = 0 OR j.to_day >= ?)`
	args := []any{f.Employer, int(f.Day), int(f.Day)}
	if f.Search = strings.TrimSpace(f.Search); f.Search != "" {
		pattern := "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(f.Search) + "%"
		where += ` AND (p.name LIKE ? ESCAPE '!' OR p.id_digest = ?)`
		args = append(args, pattern, []byte(s.register.Digest(strings.ToUpper(f.Search))))
	}
	if f.Person != "" {
		where += ` AND j.person = ?`
		args = append(args, f.Person)
	}
	if err := tx.QueryRow(ctx, `SELECT COUNT(*)`+where, args...).Scan(&all); err != nil {
		return nil, 0, err
	}
	if f.Limit <= 0 {
		f.Limit = 50
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var m Member
		err := rows.Scan(&m.Person, &m.Employer, &m.From, &m.To, &m.Wage)
		list = append(list, m)
		return err
	}, `SELECT j.person, j.employer, j.from_day, j.to_day, j.wage`+where+` ORDER BY p.name, j.person LIMIT ? OFFSET ?`, append(args, min(f.Limit, maxStaff), max(f.Offset, 0))...)
	if err != nil {
		return nil, 0, err
	}
	return list, all, s.named(ctx, tx, list)
}

// named fills in who they are.
func (s *Service) named(ctx context.Context, tx *db.Tx, list []Member) error {
	for _, m := range list {
		if err := s.register.Expect(ctx, tx, m.Person); err != nil {
			return err
		}
	}
	for i := range list {
		p, _, err := s.register.ByID(ctx, tx, list[i].Person)
		if err != nil {
			return err
		}
		list[i].Name, list[i].CitizenID = p.Name, p.CitizenID
	}
	return nil
}

// Prepare declares a month from the staff list: everybody at the wage declared
// last, but for the rows that say otherwise of them or name somebody new. It goes
// on with the month's draft if there is one. Who leaves and was only put into
// that draft is taken out of it.
func (s *Service) Prepare(ctx context.Context, tx *db.Tx, employer string, month civil.Date, rows []Declared, actor string) (*Declaration, error) {
	d, err := s.fresh(ctx, tx, employer, month)
	if err != nil {
		return nil, err
	}
	all, err := s.undeclared(ctx, tx, d)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		r.CitizenID = strings.ToUpper(strings.TrimSpace(r.CitizenID))
		i := slices.IndexFunc(all, func(o Declared) bool { return strings.ToUpper(o.CitizenID) == r.CitizenID })
		switch {
		case i < 0:
			r.N = 1
			if len(all) > 0 {
				r.N = all[len(all)-1].N + 1
			}
			all = append(all, r)
		case r.Change == Leaves && all[i].Change == Joins:
			all = slices.Delete(all, i, i+1)
		default:
			r.N = all[i].N
			all[i] = r
		}
	}
	if len(all) == 0 {
		return nil, &Error{"month", d.Month.String()[:7], "这个月没有未申报的职工：名册中的人都已申报，或名册是空的"}
	}
	return s.Declare(ctx, tx, employer, month, all, actor)
}

// undeclared are the rows of a month's draft, or of a new one: the staff whom no
// other declaration of the month has.
func (s *Service) undeclared(ctx context.Context, tx *db.Tx, d *Declaration) (all []Declared, err error) {
	var draft string
	err = tx.QueryRow(ctx, `SELECT id FROM declaration WHERE employer = ? AND month = ? AND state = 0`, d.Employer, int(d.Month)).Scan(&draft)
	if err == nil {
		old, err := s.Declaration(ctx, tx, draft)
		if err != nil {
			return nil, err
		}
		return slices.DeleteFunc(old.Rows, func(r Declared) bool { return r.Name == "" && r.CitizenID == "" }), nil
	}
	if !db.IsNotFound(err) {
		return nil, err
	}
	staff, err := Staff(ctx, tx, d.Employer, d.Month)
	if err != nil {
		return nil, err
	}
	before, err := s.declaredBefore(ctx, tx, d)
	if err != nil {
		return nil, err
	}
	var list []Member
	for _, j := range staff {
		if !before[j.Person] {
			list = append(list, Member{Job: j})
		}
	}
	if err := s.named(ctx, tx, list); err != nil {
		return nil, err
	}
	for i, m := range list {
		all = append(all, Declared{N: i + 1, Name: m.Name, CitizenID: m.CitizenID, Wage: m.Wage.String()})
	}
	return all, nil
}
