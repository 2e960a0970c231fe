package settlement

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// VisitFilter chooses visits; what is left out chooses all. Cancelled visits
// are chosen by their id only.
type VisitFilter struct {
	ID         string
	Provider   string // what it settles itself, not what people claim
	Person     string
	Code       string     // the caller's own code of the kind of care
	From, To   civil.Date // day on which it began, both included
	InHospital bool       // stays that have not ended
	Limit      int        // at most so many, the newest; 0 is 100
}

// Visits lists the visits that the filter chooses, newest first.
func (s *Service) Visits(ctx context.Context, tx *db.Tx, f VisitFilter) (out []Visit, err error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(condition string, arg ...any) {
		where, args = append(where, condition), append(args, arg...)
	}
	if f.ID != "" {
		add("id = ?", f.ID)
	} else {
		add("cancelled = 0")
	}
	if f.Provider != "" {
		add("provider = ? AND claim = ''", f.Provider)
	}
	if f.Person != "" {
		add("person = ?", f.Person)
	}
	if f.Code != "" {
		add("code = ?", f.Code)
	}
	if f.InHospital {
		add("closed = 0 AND ended = '' AND kind IN (?, ?, ?)", policy.Inpatient, policy.Maternity, policy.DaySurgery)
	}
	if f.From != 0 {
		add("begun >= ?", f.From.String()+" 00:00:00")
	}
	if f.To != 0 {
		add("begun <= ?", f.To.String()+" 23:59:59")
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var v Visit
		err := scanVisit(rows, &v)
		out = append(out, v)
		return err
	}, `SELECT `+visitColumns+` FROM visit WHERE `+strings.Join(where, " AND ")+` ORDER BY begun DESC, id DESC LIMIT ?`, append(args, min(f.Limit, maxList))...)
	return out, err
}

// Diagnoses lists the diagnoses of a visit, first those of the admission.
func Diagnoses(ctx context.Context, tx *db.Tx, visit string) (out []Diagnosis, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var d Diagnosis
		var at string
		err := rows.Scan(&d.Kind, &d.Code, &d.Name, &d.Main, &d.Discharge, &d.Rank, &d.Condition, &d.Department, &d.DoctorCode, &d.Doctor, &at)
		if err == nil {
			d.At, err = unstamp(at)
		}
		out = append(out, d)
		return err
	}, `SELECT kind, code, name, main, discharge, rank, condition, department, doctor_code, doctor, at FROM diagnosis WHERE visit = ? ORDER BY discharge, n`, visit)
	return out, err
}

// SettledFee is a fee line as a settlement settled it: with what was taken back
// of it, and how it divided. A reversal's has the opposite quantity and amounts.
type SettledFee struct {
	Fee
	Name        string // in the catalogue
	Class       policy.LineClass
	FirstPay    money.Rate // below zero: as the package says
	UnitCeiling money.Fen  // below zero: none
	Split       policy.LineSplit
}

// SettledFees lists the fee lines of a settlement, as they were when it was
// made, in the order of the case. Lines taken back whole are not among them.
func (s *Service) SettledFees(ctx context.Context, tx *db.Tx, st *Settlement) ([]SettledFee, error) {
	// The fees of a settlement that does not stand were copied aside; those of
	// a reversal are the ones that it reversed.
	of, kept, from := st.ID, "", `SELECT `+feeColumns+` `+settledBy+` ORDER BY n`
	args := []any{st.Visit.ID}
	sign := int64(1)
	if st.Reverses != "" {
		of, sign = st.Reverses, -1
	}
	if st.Reverses != "" || st.ReversedBy != "" {
		from, args, kept = `SELECT `+feeColumns+` FROM reversed_fee WHERE settlement = ? ORDER BY n`, nil, of
	}
	index := map[string]int{}
	var fees []SettledFee
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var f SettledFee
		var n int
		var day civil.Date
		var at string
		if err := rows.Scan(&f.Serial, &n, &f.Batch, &f.Original, &f.Item, &f.ProviderItem, &f.Name, &day, &f.Quantity, &f.Price, &f.Amount,
			&f.Class, &f.FirstPay, &f.UnitCeiling, &f.Department, &f.Doctor, &at); err != nil {
			return err
		}
		var err error
		if f.Time, err = unstamp(at); err != nil {
			return err
		}
		if f.Time.IsZero() { // from before the time was kept
			f.Time = startOf(day)
		}
		if i, ok := index[f.Original]; ok && f.Quantity < 0 {
			fees[i].Quantity += f.Quantity
			fees[i].Amount += f.Amount
			return nil
		}
		index[f.Serial] = len(fees)
		fees = append(fees, f)
		return nil
	}, from, append(args, of)...)
	if err != nil {
		return nil, err
	}
	details, err := feeDetails(ctx, tx, st.Visit.ID, kept)
	if err != nil {
		return nil, err
	}
	d, err := documentOf(ctx, tx, st.ID)
	if err != nil {
		return nil, err
	}
	var out []SettledFee
	for _, l := range d.Lines {
		i, ok := index[l.Serial]
		if !ok {
			return nil, fmt.Errorf("settlement %s: its line %s has no fee", st.ID, l.Serial)
		}
		f := fees[i]
		f.Split = l.LineSplit
		f.Detail = details[f.Serial]
		f.Quantity, f.Amount = f.Quantity*catalogue.Quantity(sign), f.Amount*money.Fen(sign)
		out = append(out, f)
	}
	return out, nil
}

// Standing follows a settlement that was reversed because of another to the one
// made in its place, and so on, and finds the one that stands; ok is false if
// it was reversed for itself.
func Standing(ctx context.Context, tx *db.Tx, id string) (standing string, ok bool, err error) {
	for {
		var by string
		err := tx.QueryRow(ctx, `SELECT id FROM settlement WHERE reverses = ? AND reverses <> ''`, id).Scan(&by)
		if db.IsNotFound(err) {
			return id, true, nil
		}
		if err != nil {
			return "", false, err
		}
		err = tx.QueryRow(ctx, `SELECT id FROM settlement WHERE replaces = ? AND replaces <> ''`, id).Scan(&id)
		if db.IsNotFound(err) {
			return "", false, nil
		}
		if err != nil {
			return "", false, err
		}
	}
}

// LastSettled is the day, at its beginning, up to which the last settlement of
// a visit that stands went; zero if none stands.
func (s *Service) LastSettled(ctx context.Context, tx *db.Tx, visit string) (time.Time, error) {
	var day civil.Date
	err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(s.day), 0) FROM settlement s WHERE s.visit = ? AND `+stands, visit).Scan(&day)
	if err != nil || day == 0 {
		return time.Time{}, err
	}
	return startOf(day), nil
}

// startOf is the first moment of a day.
func startOf(day civil.Date) time.Time {
	return time.Date(day.Year(), time.Month(day.Month()), day.Day(), 0, 0, 0, 0, zone)
}

// DecidedBy reports whether there is a settlement that a version of a region's
// package decided.
func DecidedBy(ctx context.Context, tx *db.Tx, region string, from civil.Date, version string) (bool, error) {
	var id string
	err := tx.QueryRow(ctx, `SELECT id FROM settlement WHERE region = ? AND package = ? LIMIT 1`, region, from.String()+" "+version).Scan(&id)
	if db.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// MonthSum is what a provider's settlements of a month come to, reversals taken
// off.
type MonthSum struct {
	Month                      string // such as 2025-06
	Rows                       int    // settlements and reversals
	Total, Fund, Account, Cash money.Fen
}

// MonthSums sums a provider's settlements by the month in which they were made,
// newest first, since a day.
func MonthSums(ctx context.Context, tx *db.Tx, provider string, since civil.Date) (all []MonthSum, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var m MonthSum
		err := rows.Scan(&m.Month, &m.Rows, &m.Total, &m.Fund, &m.Account, &m.Cash)
		all = append(all, m)
		return err
	}, `SELECT SUBSTR(at, 1, 7), COUNT(*), CAST(SUM(total) AS BIGINT), CAST(SUM(fund) AS BIGINT), CAST(SUM(account) AS BIGINT), CAST(SUM(cash) AS BIGINT)
		FROM settlement WHERE provider = ? AND at >= ? GROUP BY SUBSTR(at, 1, 7) ORDER BY 1 DESC`, provider, since.String())
	return all, err
}
