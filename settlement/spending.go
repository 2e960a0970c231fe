package settlement

import (
	"context"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Spending sums settlements: reversals take off what they reversed.
type Spending struct {
	Visits  int       // settlements less reversals (人次)
	Total   money.Fen // 医疗费总额
	Fund    money.Fen // 基金支付
	Account money.Fen // 个人账户支付
	Cash    money.Fen // 现金支付
}

// Add adds the sums of t.
func (s *Spending) Add(t Spending) {
	s.Visits += t.Visits
	s.Total += t.Total
	s.Fund += t.Fund
	s.Account += t.Account
	s.Cash += t.Cash
}

const spending = `SUM(CASE WHEN s.reverses = '' THEN 1 ELSE -1 END), SUM(s.total), SUM(s.fund), SUM(s.account), SUM(s.cash)`

// SpentOn is what was spent on the care of one scheme and kind at one level of
// providers.
type SpentOn struct {
	Scheme   policy.Scheme
	Kind     policy.VisitKind
	Level    policy.Level
	Pharmacy bool
	Away     bool // in another region than the insured one (异地就医)
	Spending
}

// Spent sums the settlements of a region's people that were made in a period, both
// days included, by scheme, kind of care and level of provider.
func Spent(ctx context.Context, tx *db.Tx, region string, from, to civil.Date) (out []SpentOn, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var s SpentOn
		var kind policy.ProviderKind
		err := rows.Scan(&s.Scheme, &s.Kind, &s.Level, &kind, &s.Away, &s.Visits, &s.Total, &s.Fund, &s.Account, &s.Cash)
		s.Pharmacy = kind == policy.Pharmacy
		out = append(out, s)
		return err
	}, `SELECT s.scheme, s.kind, p.level, p.kind, CASE WHEN p.region <> s.region THEN 1 ELSE 0 END, `+spending+`
		FROM settlement s JOIN provider p ON p.code = s.provider
		WHERE s.region = ? AND s.at >= ? AND s.at < ? GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5`, region, from.String(), to.AddDays(1).String())
	return out, err
}

// SpentOnDisease is what was spent on one disease.
type SpentOnDisease struct {
	Code, Name string // of the main diagnosis (主要诊断); "" where none is stated
	Spending
}

// Diseases lists the main diagnoses of the settlements of a region's people that
// were made in a period, those that cost the funds most first, at most limit. That
// of the discharge is taken before that of the admission.
func Diseases(ctx context.Context, tx *db.Tx, region string, from, to civil.Date, limit int) (out []SpentOnDisease, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var s SpentOnDisease
		err := rows.Scan(&s.Code, &s.Name, &s.Visits, &s.Total, &s.Fund, &s.Account, &s.Cash)
		out = append(out, s)
		return err
	}, `SELECT COALESCE(d.code, ''), COALESCE(MIN(d.name), ''), `+spending+`
		FROM settlement s LEFT JOIN diagnosis d ON d.visit = s.visit
			AND d.n = (SELECT x.n FROM diagnosis x WHERE x.visit = s.visit AND x.main = 1 ORDER BY x.discharge DESC, x.n LIMIT 1)
		WHERE s.region = ? AND s.at >= ? AND s.at < ? GROUP BY 1 ORDER BY SUM(s.fund) DESC, 1 LIMIT ?`,
		region, from.String(), to.AddDays(1).String(), limit)
	return out, err
}
