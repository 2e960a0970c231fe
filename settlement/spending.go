package settlement

import (
	"cmp"
	"context"
	"slices"
	"strings"

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

// spending are the sums over settlements s, by their names.
const spending = `SUM(CASE WHEN s.reverses = '' THEN 1 ELSE -1 END) AS visits, SUM(s.total) AS total, SUM(s.fund) AS fund, SUM(s.account) AS account, SUM(s.cash) AS cash`

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
	}, `SELECT s.scheme, s.kind, p.level, p.kind, CASE WHEN p.region <> ? THEN 1 ELSE 0 END, SUM(s.visits), SUM(s.total), SUM(s.fund), SUM(s.account), SUM(s.cash)
		FROM (SELECT s.scheme, s.kind, s.provider, `+spending+` FROM settlement s WHERE s.region = ? AND s.at >= ? AND s.at < ? GROUP BY s.scheme, s.kind, s.provider) AS s
		JOIN provider p ON p.code = s.provider
		GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5`, region, region, from.String(), to.AddDays(1).String())
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
func Diseases(ctx context.Context, tx *db.Tx, region string, from, to civil.Date, limit int) ([]SpentOnDisease, error) {
	var out []SpentOnDisease
	at := map[string]int{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var stated string
		var s Spending
		if err := rows.Scan(&stated, &s.Visits, &s.Total, &s.Fund, &s.Account, &s.Cash); err != nil {
			return err
		}
		code, name, _ := strings.Cut(stated, "\n") // a disease may be called by several names
		i, ok := at[code]
		if !ok {
			i = len(out)
			at[code] = i
			out = append(out, SpentOnDisease{Code: code, Name: name})
		}
		out[i].Add(s)
		return nil
	}, `SELECT COALESCE((SELECT d.code || CAST(? AS TEXT) || d.name FROM diagnosis d WHERE d.visit = s.visit AND d.main = 1 ORDER BY d.discharge DESC, d.n LIMIT 1), '') AS stated, `+spending+`
		FROM settlement s WHERE s.region = ? AND s.at >= ? AND s.at < ? GROUP BY 1 ORDER BY 1`, "\n", region, from.String(), to.AddDays(1).String())
	slices.SortStableFunc(out, func(a, b SpentOnDisease) int { return cmp.Compare(b.Fund, a.Fund) })
	return out[:min(len(out), limit)], err
}
