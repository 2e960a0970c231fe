package settlement

import (
	"context"
	"errors"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/db"
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
	// Do is what the person can do, if it is the insurance that is in the way.
	Do []coverage.Advice
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
	if st.Provider, err = s.provider(ctx, tx, q.Provider, dayOf(q.At)); err != nil {
		return out, err
	}
	var ok bool
	if st.Person, ok, err = s.register.ByID(ctx, tx, q.Person); err != nil {
		return out, err
	} else if !ok {
		return out, &Error{"person", q.Person, "没有这个人员编号"}
	}
	ask := SettleRequest{Discharged: day}
	read, err := s.expect(ctx, tx, st, ask)
	if err != nil {
		return out, err
	}
	if err := s.snapshot(tx, st, ask, read); err != nil {
		return out, err
	}
	read.fillSums(tx, read.pkg, &st.Case)
	if out.Funds, err = s.store.Entitled(&st.Case); err != nil {
		return out, inputError(err)
	}
	// What would not get as far as a settlement as asked for is not due either.
	reason := st.Note
	var other *Error
	if errors.As(insuredIn(read.spells, q.Scheme), &other) {
		reason = other.Want
	}
	for i := range out.Funds {
		if f := &out.Funds[i]; f.Due && reason != "" || other != nil {
			*f = policy.Entitlement{Fund: f.Fund, Reason: reason}
		}
	}
	if st.Case.Insured != policy.Normal {
		answer, err := coverage.On(ctx, tx, s.store, st.Person, day, dayOf(s.now()))
		if err != nil {
			return out, inputError(err)
		}
		out.Do = answer.Do
	}
	for _, i := range read.spells {
		if i.Scheme == q.Scheme {
			out.From, out.To = max(i.From, i.BenefitsFrom), i.To
			break
		}
	}
	return out, nil
}
