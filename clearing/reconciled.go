package clearing

import (
	"context"
	"strings"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// Reconciled says that a provider reconciled a period, and what came of it
// (对账结果).
type Reconciled struct {
	Provider string
	Period
	Details bool   // row by row (对明细账), not by totals (对总账)
	Scope   string // what was reconciled, in Chinese; "" is all
	At      time.Time
	Actor   string
	Stated  int    // rows, or figures
	Differ  int    // of them, and of rows that were not stated
	Says    string // the result in Chinese
	File    string // number of the file that says which rows differ
}

// Words says what a scope is restricted to, in Chinese.
func (s *Scope) Words() string {
	var out []string
	for _, x := range s.Schemes {
		out = append(out, x.Title())
	}
	for _, k := range s.Kinds {
		out = append(out, k.Title())
	}
	switch s.Side {
	case Settlements:
		out = append(out, "不含退费")
	case Reversals:
		out = append(out, "只含退费")
	}
	return strings.Join(out, "、")
}

// Keep keeps the result of a reconciliation.
func Keep(ctx context.Context, tx *db.Tx, r Reconciled) error {
	return tx.Exec(ctx, `INSERT INTO reconciled (provider, n, from_day, to_day, details, scope, at, actor, stated, differ, says, file) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.Provider, db.NextID(), int(r.From), int(r.To), r.Details, r.Scope, clock(r.At), r.Actor, r.Stated, r.Differ, r.Says, r.File)
}

// Reconciliations lists what providers reconciled of periods that overlap p, the
// latest first: of one provider or, if code is "", of all in the care region.
func Reconciliations(ctx context.Context, tx *db.Tx, region, code string, p Period, limit int) (out []Reconciled, err error) {
	where, args := `p.region = ?`, []any{int(p.To), int(p.From), region}
	if code != "" {
		where, args = `r.provider = ?`, []any{int(p.To), int(p.From), code}
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var r Reconciled
		var at string
		if err := rows.Scan(&r.Provider, &r.From, &r.To, &r.Details, &r.Scope, &at, &r.Actor, &r.Stated, &r.Differ, &r.Says, &r.File); err != nil {
			return err
		}
		var err error
		r.At, err = time.ParseInLocation(time.DateTime, at, zone)
		out = append(out, r)
		return err
	}, `SELECT r.provider, r.from_day, r.to_day, r.details, r.scope, r.at, r.actor, r.stated, r.differ, r.says, r.file
		FROM reconciled r JOIN provider p ON p.code = r.provider
		WHERE r.from_day <= ? AND r.to_day >= ? AND `+where+` ORDER BY r.n DESC LIMIT ?`, append(args, limit)...)
	return out, err
}

// ProviderSums are the sums of one provider over a period.
type ProviderSums struct {
	Code, Name string
	Level      policy.Level
	Kind       policy.ProviderKind
	Totals
}

// ByProvider sums the settlements that were made in a period by the providers of a
// care region, in order of their codes. Providers without any are left out.
func ByProvider(ctx context.Context, tx *db.Tx, region string, p Period) (out []ProviderSums, err error) {
	from, to := exactly(p)
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var s ProviderSums
		err := rows.Scan(&s.Code, &s.Name, &s.Level, &s.Kind, &s.Count, &s.Visits, &s.Total, &s.InScope, &s.Fund, &s.Account, &s.Cash, &s.Hospital)
		out = append(out, s)
		return err
	}, `SELECT p.code, p.name, p.level, p.kind, COUNT(*), SUM(CASE WHEN s.reverses = '' THEN 1 ELSE -1 END),
			SUM(s.total), SUM(s.in_scope), SUM(s.fund), SUM(s.account), SUM(s.cash), SUM(s.hospital)
		FROM provider p JOIN settlement s ON s.provider = p.code
		WHERE p.region = ? AND s.at >= ? AND s.at < ? GROUP BY p.code, p.name, p.level, p.kind ORDER BY p.code`, region, from, to)
	return out, err
}

// exactly bounds the times of settlements made in a period, as they are written:
// in China's time, sorted as texts.
func exactly(p Period) (from, to string) { return p.From.String(), p.To.AddDays(1).String() }

// Months are the months in which providers of a care region have settlements, the
// latest first, from the first settlement to the day.
func Months(ctx context.Context, tx *db.Tx, region string, today civil.Date, limit int) (out []Month, err error) {
	var first string
	err = tx.QueryRow(ctx, `SELECT COALESCE(MIN(m.first), '') FROM (SELECT (SELECT MIN(s.at) FROM settlement s WHERE s.provider = p.code) AS first FROM provider p WHERE p.region = ?) AS m`, region).Scan(&first)
	if err != nil || len(first) < 7 {
		return []Month{MonthOf(today)}, err
	}
	begin, err := ParseMonth(first[:7])
	if err != nil {
		return nil, err
	}
	for day := MonthOf(today).Period().From; MonthOf(day) >= begin && len(out) < limit; day = day.AddMonths(-1) {
		out = append(out, MonthOf(day))
	}
	return out, nil
}

// Get finds an application; ok is false if there is none.
func Get(ctx context.Context, tx *db.Tx, id string) (a *Application, ok bool, err error) {
	found, err := applications(ctx, tx, `WHERE c.id = ?`, id)
	if err != nil || len(found) == 0 {
		return nil, false, err
	}
	return &found[0], true, nil
}

// Waiting lists the applications to a care region's agency that are to be approved
// or paid, oldest first.
func Waiting(ctx context.Context, tx *db.Tx, region string) ([]Application, error) {
	return applications(ctx, tx, `WHERE c.region = ? AND c.state IN (?, ?)`, region, Filed, Approved)
}

// CountWaiting counts the applications that Waiting lists; those to all agencies if
// region is "".
func CountWaiting(ctx context.Context, tx *db.Tx, region string) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM clearing WHERE state IN (?, ?) AND (region = ? OR ? = '')`, Filed, Approved, region, region).Scan(&n)
	return n, err
}
