package signin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
)

// Charge is somebody whose affairs a person may see to.
type Charge struct {
	Person enrolment.Person
	Why    string     // in Chinese: 子女, 父母, 委托代办 …
	To     civil.Date // last day; 0: open
}

// Charges lists whose affairs a person may see to today: the family under their
// phone (亲情账户) and those who authorised them (委托代办).
func (s *Service) Charges(ctx context.Context, tx *db.Tx, person string) (out []Charge, err error) {
	family, err := s.Codes.Family(ctx, tx, person)
	if err != nil {
		return nil, err
	}
	for _, m := range family {
		out = append(out, Charge{enrolment.Person{ID: m.Dependant}, m.Relation.Title(), m.To})
	}
	today := s.today()
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		c := Charge{Why: "委托代办"}
		err := rows.Scan(&c.Person.ID, &c.To)
		out = append(out, c)
		return err
	}, `SELECT principal, to_day FROM agency WHERE agent = ? AND from_day <= ? AND to_day >= ? ORDER BY principal`, person, int(today), int(today)); err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Person, _, err = s.Register.ByID(ctx, tx, out[i].Person.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// may says why a person may see to another's affairs today, "" if they may not.
func (s *Service) may(ctx context.Context, tx *db.Tx, person, other string) (why string, err error) {
	all, err := s.Charges(ctx, tx, person)
	for _, c := range all {
		if c.Person.ID == other {
			return c.Why, err
		}
	}
	return "", err
}

// Act makes a session be about another's affairs, or with "" about one's own.
func (s *Service) Act(ctx context.Context, who *Session, other string) error {
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		if other == who.Person.ID {
			other = ""
		}
		if other != "" {
			why, err := s.may(ctx, tx, who.Person.ID, other)
			if err != nil {
				return err
			}
			if why == "" {
				return &Error{"person", "", "您没有为该参保人办事的权限"}
			}
		}
		return tx.Exec(ctx, `UPDATE session SET acting = ? WHERE digest = ?`, other, who.digest)
	})
}

// Authority lets an agent see to a principal's affairs (委托代办).
type Authority struct {
	Principal       string
	AgentName       string
	AgentCitizenID  string
	Agent           enrolment.Person // as registered; set when it is read
	From, To        civil.Date       // both included
	PrincipalSecret string           // the principal's e-credential password
}

// Authorise lets another registered person see to one's affairs for some days. It
// takes the password of the principal's e-credential.
func (s *Service) Authorise(ctx context.Context, a Authority) error {
	today := s.today()
	switch {
	case a.To < today:
		return &Error{"to", a.To.String(), "不能早于今天"}
	case a.To > today.AddDays(MaxAuthority):
		return &Error{"to", a.To.String(), fmt.Sprintf("至多 %d 天", MaxAuthority)}
	}
	if err := s.Codes.Prove(ctx, a.Principal, a.PrincipalSecret); err != nil {
		if r := (*credential.Refused)(nil); errors.As(err, &r) {
			return &Error{"password", "", r.Error() + "；请先激活医保电子凭证"}
		}
		return asOwn(err)
	}
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		agent, ok, err := s.Register.ByCitizenID(ctx, tx, strings.ToUpper(strings.TrimSpace(a.AgentCitizenID)))
		if err != nil {
			return err
		}
		switch {
		case !ok || agent.Name != strings.TrimSpace(a.AgentName):
			return &Error{"agent", "", "姓名与证件号码不符，或没有登记"}
		case agent.ID == a.Principal:
			return &Error{"agent", "", "不必委托自己"}
		}
		if err := tx.Exec(ctx, `INSERT INTO agency (principal, agent, from_day, to_day, at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (principal, agent) DO UPDATE SET from_day = excluded.from_day, to_day = excluded.to_day, at = excluded.at`,
			a.Principal, agent.ID, int(today), int(a.To), s.stamp()); err != nil {
			return err
		}
		return s.record(ctx, tx, a.Principal, a.Principal, "authorise")
	})
}

// Authorities lists whom a person lets see to their affairs today.
func (s *Service) Authorities(ctx context.Context, tx *db.Tx, principal string) (out []Authority, err error) {
	today := s.today()
	err = tx.Each(ctx, func(rows *db.Rows) error {
		a := Authority{Principal: principal}
		err := rows.Scan(&a.Agent.ID, &a.From, &a.To)
		out = append(out, a)
		return err
	}, `SELECT agent, from_day, to_day FROM agency WHERE principal = ? AND to_day >= ? ORDER BY agent`, principal, int(today))
	for i := range out {
		if err == nil {
			out[i].Agent, _, err = s.Register.ByID(ctx, tx, out[i].Agent.ID)
		}
	}
	return out, err
}

// Withdraw ends it.
func (s *Service) Withdraw(ctx context.Context, tx *db.Tx, principal, agent string) error {
	n, err := tx.ExecCount(ctx, `DELETE FROM agency WHERE principal = ? AND agent = ?`, principal, agent)
	if err != nil {
		return err
	}
	if n == 0 {
		return &Error{"agent", "", "没有委托此人"}
	}
	return s.record(ctx, tx, principal, principal, "withdraw")
}
