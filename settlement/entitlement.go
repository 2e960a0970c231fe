package settlement

import (
	"context"
	"errors"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policy"
)

// EntitlementRequest asks what funds would pay for (待遇享受检查).
type EntitlementRequest struct {
	Person      string
	Provider    string
	Scheme      policy.Scheme
	Kind        policy.VisitKind
	At          time.Time
	Disease     string // code of the special disease
	DiseaseName string
}

// Entitlements says which funds would pay for care.
type Entitlements struct {
	Funds []policy.Entitlement
	// From and To are the days of the spell of insurance that decided it, From
	// being the first day of benefits if there is a wait; To 0 is open. Of
	// one who is not in the scheme both are the day asked for.
	From, To civil.Date
}

// Entitlements says of every fund of the person's region whether it would pay
// for care of the kind, by the same facts and rules as a settlement of that
// day. It writes nothing.
func (s *Service) Entitlements(ctx context.Context, tx *db.Tx, q EntitlementRequest) (Entitlements, error) {
	v := Visit{Person: q.Person, Provider: q.Provider, Scheme: q.Scheme, Kind: q.Kind, Begun: q.At, Disease: q.Disease, DiseaseName: q.DiseaseName}
	day := dayOf(q.At)
	st := &Settlement{Visit: v, At: s.now()}
	out := Entitlements{From: day, To: day}
	var err error
	if st.Provider, err = s.careRegion(ctx, tx, q.Provider); err != nil {
		return out, err
	}
	var ok bool
	if st.Person, ok, err = s.register.ByID(ctx, tx, q.Person); err != nil {
		return out, err
	} else if !ok {
		return out, &Error{"person", q.Person, "没有这个人员编号"}
	}
	c := &st.Case
	c.Date = day
	if stay(q.Kind) {
		c.Admitted = day
	}
	if err := s.snapshot(ctx, tx, st, SettleRequest{Discharged: day}); err != nil {
		return out, err
	}
	pkg, err := s.store.At(c.Region, c.Date)
	if err != nil {
		return out, inputError(err)
	}
	if err := sums(ctx, tx, pkg, c, v); err != nil {
		return out, err
	}
	if out.Funds, err = s.store.Entitled(c); err != nil {
		return out, inputError(err)
	}
	// What would not get as far as a settlement as asked for is not due either.
	reason := st.Note
	var other *Error
	if err := s.insuredIn(ctx, tx, q.Person, q.Scheme, day); errors.As(err, &other) {
		reason = other.Want
	} else if err != nil {
		return out, err
	}
	for i := range out.Funds {
		if f := &out.Funds[i]; f.Due && reason != "" || other != nil {
			*f = policy.Entitlement{Fund: f.Fund, Reason: reason}
		}
	}
	spells, err := enrolment.Insurances(ctx, tx, q.Person, day)
	if err != nil {
		return out, err
	}
	for _, i := range spells {
		if i.Scheme == q.Scheme {
			out.From, out.To = max(i.From, i.BenefitsFrom), i.To
			break
		}
	}
	return out, nil
}
